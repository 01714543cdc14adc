from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from polycloud.dns.changes import RecordChange
from polycloud.dns.drivers.linode import LinodeDNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.plan import plan_zone
from polycloud.dns.types import RecordConflictError, RecordType, ZoneAlreadyExistsError
from polycloud.dns.wanted import WantedZone
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.sandbox import Sandbox
from polycloud.tracing.hooks import add_hook
from support.web import Answer, serve

SRV = {"priority": 1, "weight": 2, "port": 3}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("linode", ssh="off") as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[LinodeDNSDriver]:
    with LinodeDNSDriver(cloud.credentials[0], **cloud.options) as driver:
        yield driver


@pytest.fixture
def zone(driver: LinodeDNSDriver) -> Iterator[Zone]:
    zone = driver.create_zone("example.org")
    yield zone
    driver.delete_zone(zone)


@pytest.fixture
def requests() -> Iterator[list[str]]:
    """The methods of the requests that were sent."""
    methods: list[str] = []
    remove = add_hook(lambda trace: methods.append(trace.method))
    yield methods
    remove()


def listing(*records: dict[str, Any]) -> list[Record]:
    """Return the records of a zone in which the provider has these."""
    items = [{"id": number, "type": "A", **one} for number, one in enumerate(records)]
    body = json.dumps({"data": items, "page": 1, "pages": 1, "results": len(items)}).encode()
    with (
        serve(lambda _: Answer(200, body, {"Content-Type": "application/json"})) as web,
        LinodeDNSDriver("token", **web.options) as driver,
    ):
        return driver.list_records(Zone("1", "example.org", "master", 86400, driver))


# Zones


def test_the_address_of_a_zone(driver: LinodeDNSDriver, zone: Zone) -> None:
    """A zone has the address hostmaster at its domain, unless another one is given."""
    assert zone.extra["soa_email"] == "hostmaster@example.org"
    other = driver.create_zone("example.net", extra={"soa_email": "me@example.com"})
    assert other.extra["soa_email"] == "me@example.com"
    driver.delete_zone(other)


def test_slave_zones(driver: LinodeDNSDriver, requests: list[str]) -> None:
    """A slave has the addresses of its masters, without which it is refused unsent, and no address of SOA."""
    with pytest.raises(InvalidArgumentError, match="needs master_ips"):
        driver.create_zone("example.net", "slave")
    assert requests == []
    zone = driver.create_zone("example.net", "slave", extra={"master_ips": ["192.0.2.1"]})
    assert (zone.type, zone.extra["master_ips"], zone.extra["soa_email"]) == ("slave", ["192.0.2.1"], "")
    driver.delete_zone(zone)


FIELDS = {
    "status": "disabled",
    "tags": ["dns"],
    "description": "mine",
    "axfr_ips": ["192.0.2.9"],
    "refresh_sec": 300,
    "retry_sec": 300,
    "expire_sec": 604800,
}


def test_fields_of_zones(driver: LinodeDNSDriver) -> None:
    """The provider's fields are in `extra`, and stay when others are updated."""
    zone = driver.create_zone("example.net", ttl=300, extra=FIELDS)
    assert zone.extra.items() >= FIELDS.items()
    changed = driver.update_zone(zone, "example.com", extra={"description": "ours"})
    assert (changed.id, changed.domain, changed.ttl) == (zone.id, "example.com", 300)
    assert changed.extra == {**zone.extra, "description": "ours"}
    assert driver.get_zone(zone.id).extra == changed.extra
    driver.delete_zone(zone)


def test_ttls_of_zones(driver: LinodeDNSDriver, zone: Zone) -> None:
    """A zone's TTL is rounded up; without one it is a day, which `ttl_sec=0` gives it again."""
    assert (zone.ttl, zone.extra["ttl_sec"]) == (86400, 0)
    changed = driver.update_zone(zone, ttl=301)
    assert (changed.ttl, changed.extra["ttl_sec"]) == (3600, 3600)
    changed = driver.update_zone(zone, extra={"ttl_sec": 0})
    assert (changed.ttl, changed.extra["ttl_sec"]) == (86400, 0)


def test_existing_zones_are_found_by_their_domain(
    driver: LinodeDNSDriver, zone: Zone, requests: list[str]
) -> None:
    """Whether a zone exists is one request, with a filter, before anything is created."""
    with pytest.raises(ZoneAlreadyExistsError):
        driver.create_zone("Example.ORG.")
    assert requests == ["GET"]


def test_zones_of_other_accounts(driver: LinodeDNSDriver) -> None:
    """A domain that another account has is refused by the provider with `ZoneAlreadyExistsError`."""

    def answer(seen: Any) -> Answer:
        if seen.method == "GET":
            return Answer(body={"data": [], "page": 1, "pages": 1, "results": 0})
        return Answer(400, {"errors": [{"field": "domain", "reason": "DNS zone already exists."}]})

    with (
        serve(answer) as web,
        LinodeDNSDriver("token", **web.options) as far,
        pytest.raises(ZoneAlreadyExistsError, match="DNS zone already exists"),
    ):
        far.create_zone("example.com")


def test_clones(driver: LinodeDNSDriver, zone: Zone) -> None:
    """A clone has the fields and records of its zone, and ids of its own."""
    zone.create_record("www", RecordType.A, "192.0.2.1", {"ttl": 300})
    clone = driver.ex_clone_zone(zone, "Example.COM")
    (record,) = clone.list_records()
    assert (clone.domain, clone.extra["soa_email"]) == ("example.com", "hostmaster@example.org")
    assert (record.name, record.data, record.ttl) == ("www", "192.0.2.1", 300)
    assert {record.id, clone.id}.isdisjoint({zone.id, *(one.id for one in zone.list_records())})
    with pytest.raises(ZoneAlreadyExistsError):
        driver.ex_clone_zone(zone, "example.com")
    driver.delete_zone(clone)


# TTLs


def test_ttls_of_records(zone: Zone) -> None:
    """A record without a TTL has that of its zone and `ttl_sec` 0, and gets it again by `ttl_sec=0`."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1")
    assert (record.ttl, record.extra) == (86400, {"ttl": 86400, "ttl_sec": 0})
    record = record.update(extra={"ttl": 200})
    assert (record.ttl, record.extra) == (300, {"ttl": 300, "ttl_sec": 300})
    assert record.update(extra={"ttl_sec": 0}).extra == {"ttl": 86400, "ttl_sec": 0}


def test_a_changed_copy_of_extra(zone: Zone) -> None:
    """A `ttl` counts, although the `ttl_sec` of a copy of `extra` is given with it."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1")
    assert record.update(extra={**record.extra, "ttl": 3600}).ttl == 3600


@pytest.mark.parametrize(
    ("ttl", "stored"),
    [(1, 30), (30, 30), (31, 120), (1800, 3600), (86401, 172800), (2419200, 2419200), (9999999, 2419200)],
)
def test_rounding(driver: LinodeDNSDriver, zone: Zone, ttl: int, stored: int) -> None:
    """A TTL is rounded up to one that the provider has, and the longest is four weeks."""
    assert driver.stored_ttl(ttl) == stored
    assert zone.create_record("www", RecordType.A, "192.0.2.1", {"ttl": ttl}).ttl == stored


def test_ttl_0(driver: LinodeDNSDriver, zone: Zone, requests: list[str]) -> None:
    """A TTL of 0, which would be a day, is refused before anything is sent."""
    requests.clear()
    calls: list[Callable[[], object]] = [
        lambda: zone.create_record("www", RecordType.A, "192.0.2.1", {"ttl": 0}),
        lambda: driver.update_zone(zone, ttl=0),
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError, match="ttl must not be 0"):
            call()
    assert requests == []


def test_plans_do_not_flap(driver: LinodeDNSDriver, zone: Zone) -> None:
    """A plan with TTLs that are rounded, and without, is empty once it has been applied."""
    wanted = WantedZone("example.org").add("www", "A", "192.0.2.1", {"ttl": 600})
    wanted.add("_sip._tcp", "SRV", "sip.example.net", SRV).add("", "TXT", "a text")
    plan_zone(zone, wanted).apply()
    assert len(zone.list_records()) == 3
    assert not plan_zone(zone, wanted).changes
    assert not plan_zone(zone, WantedZone.of(zone)).changes


# Types


def test_srv(zone: Zone) -> None:
    """SRV is named by its service and protocol, and may be below a subdomain."""
    names = ["_sip._tcp", "_xmpp-server._tcp.chat"]
    made = [zone.create_record(name, RecordType.SRV, "sip.example.net", SRV) for name in names]
    assert [one.name for one in made] == names
    for one in made:
        assert one.data == "sip.example.net"
        assert one.extra.items() >= SRV.items()
    moved = made[1].update("_sip._udp")
    assert (moved.name, moved.data) == ("_sip._udp", "sip.example.net")
    assert moved.update(extra={"port": 5061}).extra["port"] == 5061


@pytest.mark.parametrize("name", ["", "sip", "_sip", "_sip.tcp", "sip._tcp"])
def test_names_of_srv(zone: Zone, requests: list[str], name: str) -> None:
    """An SRV record with a name that has no service and protocol is refused before anything is sent."""
    requests.clear()
    with pytest.raises(InvalidArgumentError, match=r"must be _service\._protocol"):
        zone.create_record(name, RecordType.SRV, "sip.example.net", SRV)
    assert requests == []


def test_host_names(zone: Zone) -> None:
    """A host name of one label is in full, also in SRV, where the provider would add the domain."""
    made = zone.create_record("_sip._tcp", RecordType.SRV, "localhost", SRV)
    assert made.data == "localhost"


def test_null_mx(zone: Zone) -> None:
    """The host "." of MX is kept, and stands alone."""
    made = zone.create_record("", RecordType.MX, ".", {"priority": 0})
    assert (made.data, made.extra["priority"]) == (".", 0)
    assert "@ 86400 IN MX 0 .\n" in zone.export_to_bind_format()


def test_caa(zone: Zone, requests: list[str]) -> None:
    """CAA has the flags 0; others are refused before anything is sent."""
    extra = {"flags": 0, "tag": "iodef"}
    made = zone.create_record("", RecordType.CAA, "mailto:me@example.org", extra)
    assert (made.data, made.extra["flags"], made.extra["tag"]) == ("mailto:me@example.org", 0, "iodef")
    requests.clear()
    with pytest.raises(UnsupportedOperationError, match="flags must be 0"):
        zone.create_record("", RecordType.CAA, "ca.example.org", {"flags": 128, "tag": "issue"})
    assert requests == []


def test_priorities(zone: Zone, requests: list[str]) -> None:
    """A priority over 255 is refused before anything is sent."""
    requests.clear()
    with pytest.raises(InvalidArgumentError, match="priority must be an int from 0 to 255"):
        zone.create_record("", RecordType.MX, "mail.example.net", {"priority": 256})
    assert requests == []


# What the provider has


def test_fields_of_other_types() -> None:
    """Fields that a type does not have are not in `extra`, although the provider sends zeros for them."""
    zeros = {"priority": 0, "weight": 0, "port": 0, "tag": None, "ttl_sec": 0}
    a, mx = listing(
        {"name": "www", "target": "192.0.2.1", **zeros},
        {"type": "MX", "name": "", "target": "mail.example.org.", **zeros},
    )
    assert a.extra == {"ttl": 86400, "ttl_sec": 0}
    assert mx.extra == {"ttl": 86400, "ttl_sec": 0, "priority": 0}
    assert mx.data == "mail.example.org"


def test_data_that_dns_does_not_have() -> None:
    """An address with leading zeros, which the provider keeps, is listed as it is."""
    (record,) = listing({"name": "a", "target": "010.020.030.040"})
    assert record.data == "010.020.030.040"


def test_duplicates(driver: LinodeDNSDriver, zone: Zone) -> None:
    """Duplicates that the provider has are listed, each with its id."""
    for _ in "12":
        body = {"type": "TXT", "name": "twice", "target": "x"}
        driver.connection.request(f"/domains/{zone.id}/records", method="POST", json=body)
    found = [one for one in zone.list_records() if one.name == "twice"]
    assert len({one.id for one in found}) == 2


def test_conflicts_of_the_provider(zone: Zone) -> None:
    """A conflict that the provider finds, in a create and in an update, is a `RecordConflictError`."""

    def answer(seen: Any) -> Answer:
        if seen.method == "GET":
            return Answer(body={"data": [], "page": 1, "pages": 1, "results": 0})
        reason = "Record conflict - CNAMES must be unique"
        return Answer(400, {"errors": [{"field": "name", "reason": reason}]})

    with serve(answer) as web, LinodeDNSDriver("token", **web.options) as far:
        there = Zone("1", "example.org", "master", 300, far)
        record = Record("1", "x", RecordType.CNAME, "host.example.net", there, far)
        calls: list[Callable[[], Record]] = [
            lambda: there.create_record("www", RecordType.CNAME, "host.example.net"),
            lambda: record.update("www"),
        ]
        for call in calls:
            with pytest.raises(RecordConflictError, match="CNAMES must be unique"):
                call()


# Updates


def test_an_update_keeps_what_others_changed(driver: LinodeDNSDriver, zone: Zone) -> None:
    """An update sends the given fields only: what another program changed in the meantime stays."""
    stale = zone.create_record("x", RecordType.MX, "mail.example.net", {"priority": 1, "ttl": 300})
    driver.update_record(stale, extra={"priority": 5, "ttl": 3600})
    changed = driver.update_record(stale, data="mx.example.net")
    assert (changed.data, changed.extra["priority"], changed.ttl) == ("mx.example.net", 5, 3600)
    assert driver.update_record(stale, name="y").data == "mx.example.net"


def test_requests_of_updates(driver: LinodeDNSDriver, zone: Zone, requests: list[str]) -> None:
    """An update lists the records of the new name before it is sent, unless the TTL alone changes."""
    record = zone.create_record("x", RecordType.A, "192.0.2.1")
    requests.clear()
    record = record.update(extra={"ttl": 300})
    assert requests == ["PUT"]
    record.update("y")
    assert requests == ["PUT", "GET", "PUT"]


def test_many_changes(driver: LinodeDNSDriver, zone: Zone) -> None:
    """A change to another type, which the provider does not have, is made by a delete and a create."""
    record = zone.create_record("x", RecordType.A, "192.0.2.1")
    wanted = WantedZone("example.org").add("x", "AAAA", "2001:db8::1", {"ttl": 300})
    driver.change_records(zone, [RecordChange(record, wanted.records[0].content)])
    assert [(one.type, one.data, one.ttl) for one in zone.list_records()] == [("AAAA", "2001:db8::1", 300)]
