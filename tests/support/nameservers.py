"""Name servers that nobody here wrote, from the kit beside this repository, and DNS queries to them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import dns.message
import dns.query
import dns.rdatatype
import pytest

from polycloud.dns.drivers.powerdns import PowerDNSDriver
from polycloud.dns.drivers.rfc2136 import RFC2136Driver
from polycloud.dns.objects import Zone
from polycloud.dns.types import RecordType
from polycloud.testing.conformance.dns.suite import DATA
from support import kit
from support.kitopenstack import front_of
from support.web import serve

DESIGNATE = DATA | {RecordType.HTTPS: "svc.example.org. alpn=h2,h3"}
"""Data of records for Designate, which wants a target of HTTPS that has a name."""
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0"
"""The secret of the TSIG keys: "t" of BIND and Knot, and those that PowerDNS gets."""


def nameserver(name: str) -> int:
    """Return the port of a server on 127.0.0.1; skip unless `make nameservers` runs the test."""
    if os.environ.get("POLYCLOUD_NAMESERVERS") is None:
        pytest.skip("name servers of others: make nameservers")
    port: int = kit.started(name)["port"]
    return port


@contextmanager
def powerdns_zone(domain: str, key: str) -> Iterator[int]:
    """Give PowerDNS a zone, and a TSIG key that may update and transfer it; yield its port of DNS."""
    port = nameserver("pdns")
    with PowerDNSDriver("secret", url=f"http://127.0.0.1:{port}") as driver:
        zone = driver.create_zone(domain, extra={"nameservers": [f"ns1.{domain}."]})
        root = "/api/v1/servers/localhost"
        payload = {"name": key, "algorithm": "hmac-sha256", "key": SECRET}
        driver.connection.request(f"{root}/tsigkeys", json=payload, method="POST")
        allowed = {"kind": "TSIG-ALLOW-DNSUPDATE", "metadata": [key]}
        driver.connection.request(f"{root}/zones/{zone.id}/metadata", json=allowed, method="POST")
        transfers = {"master_tsig_key_ids": [f"{key}."]}
        driver.connection.request(f"{root}/zones/{zone.id}", json=transfers, method="PUT")
        yield port + 1
        driver.connection.request(f"{root}/tsigkeys/{key}.", method="DELETE")
        driver.delete_zone(zone)


@contextmanager
def live_zone(name: str) -> Iterator[tuple[Zone, tuple[str, int]]]:
    """Yield a zone of a server and the address at which it is served.

    PowerDNS gets a new zone by its API; BIND and Knot have example.org, which dynamic updates change. A test
    deletes there what it has added, for others may use the zone at the same time.
    """
    port = nameserver(name)
    if name == "pdns":
        with PowerDNSDriver("secret", url=f"http://127.0.0.1:{port}") as api:
            domain = f"test-{secrets.token_hex(4)}.example"
            zone = api.create_zone(domain, extra={"nameservers": [f"ns1.{domain}."]})
            yield zone, ("127.0.0.1", port + 1)
            zone.delete()
        return
    with RFC2136Driver("t", SECRET, host="127.0.0.1", port=port, zones=["example.org"]) as updates:
        yield updates.list_zones()[0], ("127.0.0.1", port)


@contextmanager
def designate() -> Iterator[str]:
    """Yield the address of a Keystone with Designate, both behind one address."""
    ports = {name: nameserver(name) for name in ("designate", "keystone")}
    with serve(front_of(ports)) as web:
        yield f"{web.url}/keystone"


def served(port: int, name: str, type_: str) -> list[str]:
    """Return what a name server answers for a name, sorted, each value as in a zone file."""
    query = dns.message.make_query(name, type_)
    answer = dns.query.tcp(query, "127.0.0.1", port=port, timeout=10)
    kind = dns.rdatatype.from_text(type_)
    return sorted(one.to_text() for part in answer.answer if part.rdtype == kind for one in part)
