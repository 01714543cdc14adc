"""The driver on Designate, asked back over DNS at the server behind it. Run it by `make nameservers`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from polycloud import add_hook
from polycloud.concurrency import waiting
from polycloud.dns.drivers.designate import DesignateDriver
from polycloud.dns.objects import Zone
from polycloud.dns.plan import plan_zone
from polycloud.dns.rdata import read_rdata
from polycloud.dns.types import RecordType, ZoneAlreadyExistsError, ZoneDoesNotExistError
from polycloud.dns.wanted import WantedZone
from polycloud.errors import InvalidArgumentError, InvalidCredsError, ProviderHTTPError
from polycloud.testing.faults import FaultList, FaultProxy
from support.nameservers import designate, nameserver, served

PATIENCE = 30.0
LONG = 'quotes " and \\ backslashes; ' + "é" * 200


@pytest.fixture(scope="module")
def keystone() -> Iterator[str]:
    with designate() as url:
        yield url


def of(keystone: str, user: str = "demo", url: str | None = None) -> DesignateDriver:
    return DesignateDriver(user, user, ex_force_auth_url=keystone, ex_tenant_name=user, ex_force_base_url=url)


@pytest.fixture
def driver(keystone: str) -> Iterator[DesignateDriver]:
    with of(keystone) as driver:
        yield driver


@pytest.fixture
def zone(driver: DesignateDriver) -> Iterator[Zone]:
    zone = driver.create_zone(f"test-{secrets.token_hex(4)}.example")
    yield zone
    driver.delete_zone(zone)


def answers(name: str, type_: str, expected: list[str]) -> None:
    """Wait until PowerDNS answers what is expected."""
    port = nameserver("pdns") + 1

    def asked() -> bool | None:
        return served(port, name, type_) == expected or None

    waiting.poll(asked, waiting_for=f"{type_} {name} to be {expected}", timeout=PATIENCE)


def test_what_is_served(driver: DesignateDriver, zone: Zone) -> None:
    """The name server answers each record as it was created, changed and deleted, siblings beside it."""
    records: list[tuple[str, str, dict[str, Any], str]] = [
        ("AAAA", "2001:DB8:0::1", {}, "2001:db8::1"),
        ("CAA", "ca.example.org", {"flags": 0, "tag": "issue"}, '0 issue "ca.example.org"'),
        ("HTTPS", "svc.example.org. alpn=h2", {"priority": 1}, '1 svc.example.org. alpn="h2"'),
        ("MX", "mail.example.org", {"priority": 10}, "10 mail.example.org."),
        ("TXT", 'a "b" \\ c', {}, '"a \\"b\\" \\\\ c"'),
    ]
    for type_, data, extra, _ in records:
        driver.create_record("www", zone, RecordType(type_), data, extra)
    first, second = (driver.create_record("www", zone, RecordType.A, f"192.0.2.{n}") for n in (1, 2))
    name = f"www.{zone.domain}"
    answers(name, "A", ["192.0.2.1", "192.0.2.2"])
    for type_, _, _, expected in records:
        answers(name, type_, [expected])
    first.update(data="192.0.2.9")
    second.delete()
    answers(name, "A", ["192.0.2.9"])


def test_values_that_are_cut(driver: DesignateDriver, zone: Zone) -> None:
    """A CAA value with a semicolon, which Designate lists in full but serves without its end, is refused."""
    with pytest.raises(InvalidArgumentError, match="must not have ;"):
        zone.create_record("", RecordType.CAA, "ca.example; policy=ev", {"flags": 0, "tag": "issue"})


def test_long_texts(driver: DesignateDriver, zone: Zone) -> None:
    """A text of any length and script is listed and served as it was given."""
    made = zone.create_record("long", RecordType.TXT, LONG)
    (listed,) = [one for one in zone.list_records() if one.name == "long"]
    assert (listed.data, listed.id) == (LONG, made.id)

    def asked() -> str | None:
        found = served(nameserver("pdns") + 1, f"long.{zone.domain}", "TXT")
        return read_rdata("TXT", found[0]).data if found else None

    assert waiting.poll(asked, waiting_for="the text", timeout=PATIENCE) == LONG


def test_zones(driver: DesignateDriver, zone: Zone) -> None:
    """A zone has the given e-mail, description and attributes, which an update changes or keeps."""
    assert zone.extra["email"] == f"hostmaster@{zone.domain}"
    extra = {"email": "ann@example.org", "description": "ours"}
    changed = driver.update_zone(zone, ttl=600, extra=extra)
    changed = driver.update_zone(changed, extra={"attributes": {"tier": "gold"}})
    found = driver.get_zone(zone.id)
    assert found.extra == changed.extra | {
        key: found.extra[key] for key in ("status", "action", "serial", "updated_at")
    }
    kept = {key: found.extra[key] for key in ("email", "description", "attributes", "type")}
    assert kept == {**extra, "attributes": {"tier": "gold"}, "type": "PRIMARY"}
    assert found.ttl == 600


def test_secondary_zones(driver: DesignateDriver) -> None:
    """A zone of type slave has the masters that it copies, and its records cannot be changed."""
    domain = f"test-{secrets.token_hex(4)}.example"
    zone = driver.create_zone(domain, "slave", extra={"masters": ["192.0.2.1", "192.0.2.2:5353"]})
    try:
        assert (zone.type, zone.extra["masters"]) == ("slave", ["192.0.2.1", "192.0.2.2:5353"])
        changed = driver.update_zone(zone, extra={"masters": ["192.0.2.9"]})
        assert changed.extra["masters"] == ["192.0.2.9"]
        with pytest.raises(ProviderHTTPError) as caught:
            zone.create_record("www", RecordType.A, "192.0.2.1")
        assert caught.value.code == 403
    finally:
        driver.delete_zone(zone)


def test_zones_of_others(keystone: str, zone: Zone) -> None:
    """Another project sees no zone, cannot create it again, and no zone below it."""
    with of(keystone, "admin") as other:
        assert zone.id not in [one.id for one in other.list_zones()]
        with pytest.raises(ZoneDoesNotExistError):
            other.get_zone(zone.id)
        with pytest.raises(ZoneAlreadyExistsError):
            other.create_zone(zone.domain)
        with pytest.raises(ProviderHTTPError, match="Unable to create subzone") as caught:
            other.create_zone(f"sub.{zone.domain}")
        assert caught.value.code == 403


def test_zones_with_subzones(driver: DesignateDriver, zone: Zone) -> None:
    """A zone is not deleted before the zones below it are; the error says so."""
    below = driver.create_zone(f"sub.{zone.domain}")
    with pytest.raises(ProviderHTTPError, match="delete any subzones before"):
        driver.delete_zone(zone)
    driver.delete_zone(below)
    assert below.id not in {one.id for one in driver.list_zones()}

    def gone() -> bool | None:
        path = f"/zones?name={below.domain}."
        return driver.connection.request(path).object["zones"] == [] or None

    waiting.poll(gone, waiting_for="the zone below to be gone", timeout=PATIENCE)


def test_descriptions(driver: DesignateDriver, zone: Zone) -> None:
    """The description of a set stays when its records change; a set without a TTL follows its zone."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1", {"description": "by ann"})
    zone.create_record("www", RecordType.A, "192.0.2.2")
    record.update(data="192.0.2.9")
    found = [one for one in zone.list_records() if one.name == "www"]
    assert {one.extra["description"] for one in found} == {"by ann"}
    assert {one.ttl for one in found} == {None}
    assert len({one.extra["recordset_id"] for one in found}) == 1


def test_types_that_change(driver: DesignateDriver, zone: Zone) -> None:
    """A record becomes a CNAME, for which its set goes first, and comes back if the CNAME is refused."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1", {"ttl": 60, "description": "by ann"})
    methods: list[str] = []
    remove = add_hook(lambda trace: methods.append(trace.method))
    with pytest.raises(ProviderHTTPError):
        record.update(type=RecordType.CNAME, data=f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.x\\@y")
    (back,) = [one for one in zone.list_records() if one.name == "www"]
    assert (back.id, back.ttl, back.extra["description"]) == (record.id, 60, "by ann")
    assert back.update(type=RecordType.CNAME, data="host.example.org").data == "host.example.org"
    remove()
    assert methods == ["GET", "DELETE", "POST", "POST", "GET", "GET", "DELETE", "POST"]


@pytest.mark.parametrize("lost", range(3))
def test_types_that_change_with_lost_responses(keystone: str, zone: Zone, lost: int) -> None:
    """A CNAME becomes two sets although the response to one of the requests is lost."""
    zone.create_record("www", RecordType.CNAME, "web.example.org")
    wanted = WantedZone(zone.domain)
    wanted.add("www", RecordType.A, "192.0.2.1")
    wanted.add("www", RecordType.AAAA, "2001:db8::1")
    plan = FaultList(*[None] * lost, "reset after", spare=lambda request: request.method == "GET")
    with FaultProxy("127.0.0.1", nameserver("designate"), plan) as proxy:
        with of(keystone, url=f"{proxy.url}/v2") as far:
            plan_zone(far.get_zone(zone.id), wanted).apply()
        assert [request.method for request in proxy.requests if request.fault] == [
            ("DELETE", "POST", "POST")[lost]
        ]
    assert {(one.type, one.data) for one in zone.list_records() if one.name == "www"} == {
        ("A", "192.0.2.1"),
        ("AAAA", "2001:db8::1"),
    }


def test_wrong_passwords(keystone: str) -> None:
    """A wrong password is an error of its own."""
    with DesignateDriver("demo", "wrong", url=keystone) as stranger, pytest.raises(InvalidCredsError):
        stranger.list_zones()
