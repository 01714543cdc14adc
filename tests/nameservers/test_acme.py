"""DNS-01 on BIND, Knot and PowerDNS, with Pebble and Certbot's client. Run it by `make nameservers`."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from polycloud.dns.acme import challenge, remove_challenge, set_challenge
from polycloud.dns.objects import Zone
from polycloud.dns.types import RecordType
from support.nameservers import SECRET, live_zone, served
from support.pebble import pebble

Live = tuple[Zone, tuple[str, int]]


@pytest.fixture(params=["bind", "knot", "pdns"])
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    with live_zone(request.param) as found:
        yield found


@pytest.fixture
def name() -> str:
    return f"acme{secrets.token_hex(4)}"


def test_many_at_a_time(live: Live, name: str) -> None:
    """Of eight digests of one name, set and removed at the same time, none is lost and none remains."""
    zone, address = live
    domain = f"{name}.{zone.domain}"
    zone.create_record(f"_acme-challenge.{name}", RecordType.TXT, "left before")
    digests = [secrets.token_hex(22)[:43] for _ in range(8)]
    all_set, all_seen = Barrier(len(digests)), Barrier(len(digests))

    def run(digest: str) -> list[str]:
        with challenge(zone, f"*.{domain}", digest, timeout=30, nameservers=[address]):
            all_set.wait(60)
            found = served(address[1], f"_acme-challenge.{domain}", "TXT")
            all_seen.wait(60)
        return found

    with ThreadPoolExecutor(len(digests)) as threads:
        for found in threads.map(run, digests):
            assert found == sorted(f'"{one}"' for one in [*digests, "left before"])
    assert served(address[1], f"_acme-challenge.{domain}", "TXT") == ['"left before"']
    next(one for one in zone.list_records() if one.name == f"_acme-challenge.{name}").delete()


RUN = """
import secrets, sys
from polycloud.dns.acme import remove_challenge, set_challenge
from polycloud.dns.drivers.rfc2136 import RFC2136Driver

port, domain, secret = int(sys.argv[1]), sys.argv[2], sys.argv[3]
with RFC2136Driver("t", secret, host="127.0.0.1", port=port, zones=["example.org"]) as driver:
    for _ in range(5):
        digest = secrets.token_hex(22)[:43]
        remove_challenge(set_challenge(driver, domain, digest, nameservers=[("127.0.0.1", port)]))
"""


@pytest.mark.parametrize("server", ["bind", "knot"])
def test_many_processes(server: str, name: str) -> None:
    """Of the digests that several processes set and remove at one name, none is lost and none remains."""
    with live_zone(server) as (zone, (_, port)):
        domain = f"{name}.{zone.domain}"
        command = [sys.executable, "-c", RUN, str(port), domain, SECRET]
        processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        assert [process.communicate()[1] for process in processes] == [""] * 4
        assert served(port, f"_acme-challenge.{domain}", "TXT") == []


def order(url: str, authority: str, domains: list[str]) -> tuple[Any, Any, Any]:
    """Return a new order, its client, and the account's key."""
    client = pytest.importorskip("acme.client", reason="Certbot's library is the client")
    from acme import crypto_util, messages
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from josepy.jwk import JWKRSA

    key = JWKRSA(key=rsa.generate_private_key(65537, 2048))
    net = client.ClientNetwork(key, verify_ssl=authority)
    account = client.ClientV2(client.ClientV2.get_directory(url, net), net)
    account.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    own = rsa.generate_private_key(65537, 2048).private_bytes(*form)
    return account.new_order(crypto_util.make_csr(own, domains)), account, key


def answers(new: Any, key: Any) -> list[tuple[str, Any, Any, str]]:
    """Return domain, challenge, response and digest of each authorization of an order."""
    from acme import challenges

    found = []
    for one in new.authorizations:
        dns = next(each for each in one.body.challenges if isinstance(each.chall, challenges.DNS01))
        found.append((one.body.identifier.value, dns, *dns.response_and_validation(key)))
    return found


def test_a_certificate(live: Live, name: str, tmp_path: Path) -> None:
    """A server of ACME issues a certificate for a domain and its wildcard, whose digests share a name."""
    zone, address = live
    domains = [f"{name}.{zone.domain}", f"*.{name}.{zone.domain}"]
    with pebble(tmp_path, address) as (url, authority):
        new, account, key = order(url, authority, domains)
        found = answers(new, key)
        assert [domain for domain, *_ in found] == [domains[0]] * 2
        with challenge(zone, domains[1], *(digest for *_, digest in found), nameservers=[address]):
            for _, dns, response, _ in found:
                account.answer_challenge(dns, response)
            text = account.poll_and_finalize(new).fullchain_pem
    from cryptography import x509

    names = x509.load_pem_x509_certificate(text.encode()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert sorted(names.value.get_values_for_type(x509.DNSName)) == sorted(domains)
    assert served(address[1], f"_acme-challenge.{domains[0]}", "TXT") == []


def test_a_challenge_that_is_removed(live: Live, name: str, tmp_path: Path) -> None:
    """A server of ACME finds no digest once it is removed, and refuses the certificate."""
    zone, address = live
    with pebble(tmp_path, address) as (url, authority):
        new, account, key = order(url, authority, [f"{name}.{zone.domain}"])
        ((domain, dns, response, digest),) = answers(new, key)
        remove_challenge(set_challenge(zone, domain, digest, nameservers=[address]))
        account.answer_challenge(dns, response)
        from acme import errors

        with pytest.raises(errors.ValidationError):
            account.poll_and_finalize(new)
