from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from polycloud.dns.drivers.digitalocean import DigitalOceanDNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordDoesNotExistError, RecordType, ZoneAlreadyExistsError
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    MalformedResponseError,
    NotFoundError,
    UnsupportedOperationError,
)
from polycloud.sandbox import Sandbox
from polycloud.testing.faults import FaultList, FaultProxy
from polycloud.tracing.hooks import add_hook
from support.web import Answer, serve


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("digitalocean", ssh="off") as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[DigitalOceanDNSDriver]:
    with DigitalOceanDNSDriver(cloud.credentials[0], **cloud.options) as driver:
        yield driver


@pytest.fixture
def zone(driver: DigitalOceanDNSDriver) -> Iterator[Zone]:
    zone = driver.create_zone("example.org")
    yield zone
    driver.delete_zone(zone)


class Impatient(DigitalOceanDNSDriver):
    settle_time = 0.3  # shorter than the provider's


@contextmanager
def behind(near: DigitalOceanDNSDriver, fault: str) -> Iterator[DigitalOceanDNSDriver]:
    """Return a driver whose first request that is not a GET meets the fault."""
    plan = FaultList(fault, spare=lambda request: request.method == "GET")
    with (
        FaultProxy(near.connection.host, near.connection.port, plan) as proxy,
        Impatient(near.key, url=f"{proxy.url}/v2") as driver,
    ):
        yield driver


@pytest.fixture
def lossy(driver: DigitalOceanDNSDriver) -> Iterator[DigitalOceanDNSDriver]:
    """A driver that loses the response to its first create, which the provider carries out."""
    with behind(driver, "reset after") as lossy:
        yield lossy


@pytest.fixture
def requests() -> Iterator[list[str]]:
    """The methods of the requests that were sent."""
    methods: list[str] = []
    remove = add_hook(lambda trace: methods.append(trace.method))
    yield methods
    remove()


# Creates whose response is lost

SRV = {"priority": 1, "weight": 2, "port": 3, "ttl": 600}
CAA = {"flags": 0, "tag": "issue", "ttl": 600}


@pytest.mark.parametrize(
    ("type_", "data", "extra", "other"),
    [
        (RecordType.MX, "mail.example.net", {"priority": 1}, {"priority": 2}),
        (RecordType.SRV, "sip.example.net", SRV, {"priority": 2}),
        (RecordType.SRV, "sip.example.net", SRV, {"weight": 3}),
        (RecordType.SRV, "sip.example.net", SRV, {"port": 4}),
        (RecordType.CAA, "ca.example.net", CAA, {"flags": 128}),
        (RecordType.CAA, "ca.example.net", CAA, {"tag": "issuewild"}),
    ],
)
def test_a_lost_create_does_not_return_another_record(
    driver: DigitalOceanDNSDriver,
    lossy: DigitalOceanDNSDriver,
    zone: Zone,
    type_: RecordType,
    data: str,
    extra: dict[str, Any],
    other: dict[str, Any],
) -> None:
    """If the response is lost, the new record is returned, not a similar older one."""
    before = {one.id for one in driver.list_records(zone)}
    before.add(driver.create_record("x", zone, type_, data, extra | other).id)
    made = lossy.create_record("x", zone, type_, data, extra)
    assert {one.id for one in driver.list_records(zone)} == before | {made.id}
    assert made.id not in before
    assert made.extra.items() >= extra.items()


@pytest.mark.parametrize(
    ("type_", "data"), [(RecordType.AAAA, "2001:DB8:0::1"), (RecordType.CNAME, "Host.Example.NET.")]
)
def test_a_lost_create_in_another_spelling(
    lossy: DigitalOceanDNSDriver, zone: Zone, type_: RecordType, data: str
) -> None:
    """Addresses and host names are found in the spelling in which the provider lists them."""
    assert lossy.create_record("WWW", zone, type_, data).name == "www"


def test_a_lost_update(driver: DigitalOceanDNSDriver, zone: Zone) -> None:
    """An update whose response is lost is sent again, as it sets the same values."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1")
    with behind(driver, "reset after") as far:
        assert far.update_record(record, data="192.0.2.2").data == "192.0.2.2"
    assert [one.data for one in zone.list_records() if one.name == "www"] == ["192.0.2.2"]


def test_a_lost_create_of_an_existing_zone(
    driver: DigitalOceanDNSDriver, lossy: DigitalOceanDNSDriver, zone: Zone, requests: list[str]
) -> None:
    """The create of a zone that exists is refused before it is sent, so that no lost response can hide it."""
    with pytest.raises(ZoneAlreadyExistsError) as caught:
        lossy.create_zone("Example.ORG.")
    assert caught.value.zone_id == "example.org"
    assert requests == ["GET"]


def test_a_create_that_was_not_carried_out(driver: DigitalOceanDNSDriver, zone: Zone) -> None:
    """If the request was lost, the create is ambiguous although a similar record existed before."""
    driver.create_record("x", zone, RecordType.A, "192.0.2.2")
    with (
        behind(driver, "reset before") as far,
        pytest.raises(AmbiguousCreateError, match="with this content"),
    ):
        far.create_record("x", zone, RecordType.A, "192.0.2.1")


def test_requests_of_creates(driver: DigitalOceanDNSDriver, requests: list[str]) -> None:
    """A create sends two requests: what exists is listed before."""
    zone = driver.create_zone("two.example.org")
    driver.create_record("x", zone, RecordType.A, "192.0.2.1")
    assert requests == ["GET", "POST", "GET", "POST"]
    driver.delete_zone(zone)


# Types


@pytest.mark.parametrize("tag", ["issue", "issuewild"])
def test_caa(driver: DigitalOceanDNSDriver, zone: Zone, tag: str) -> None:
    """CAA of an authority is sent with the dot that the provider needs, and returned and exported without."""
    extra = {"flags": 0, "tag": tag}
    made = driver.create_record("", zone, RecordType.CAA, "ca.example.net", extra)
    assert (made.data, made.extra["tag"]) == ("ca.example.net", tag)
    assert driver.update_record(made, data="ca.example.com").data == "ca.example.com"
    assert f'@ 1800 IN CAA 0 {tag} "ca.example.com"\n' in driver.export_zone_to_bind_format(zone)


def test_caa_with_an_address(driver: DigitalOceanDNSDriver, zone: Zone) -> None:
    """CAA with the tag iodef is sent, returned and exported as it was given."""
    address = "mailto:security@example.org"
    made = driver.create_record("", zone, RecordType.CAA, address, {"flags": 0, "tag": "iodef"})
    assert made.data == address
    assert f'IN CAA 0 iodef "{address}"\n' in driver.export_zone_to_bind_format(zone)


def test_srv(driver: DigitalOceanDNSDriver, zone: Zone) -> None:
    """SRV has priority, weight and port in `extra`, and in the export before the host."""
    made = driver.create_record("_sip._tcp", zone, RecordType.SRV, "sip.example.net", SRV)
    assert (made.data, made.extra) == ("sip.example.net", SRV)
    assert "_sip._tcp 600 IN SRV 1 2 3 sip.example.net.\n" in driver.export_zone_to_bind_format(zone)


def test_null_mx(driver: DigitalOceanDNSDriver, zone: Zone) -> None:
    """The host of MX may be the root, which is returned as it was given."""
    assert driver.create_record("", zone, RecordType.MX, ".", {"priority": 0}).data == "."


def _listing(record: dict[str, Any]) -> Callable[..., list[Record]]:
    """Return a function that lists a zone in which the provider has this record."""

    def records(zone_domain: str = "example.org") -> list[Record]:
        body = json.dumps(
            {"domain_records": [{"id": 1, "data": "x", **record}], "meta": {"total": 1}}
        ).encode()
        headers = {"Content-Type": "application/json"}
        with (
            serve(lambda _: Answer(200, body, headers)) as web,
            DigitalOceanDNSDriver("token", **web.options) as driver,
        ):
            return driver.list_records(Zone(zone_domain, zone_domain, "master", None, driver))

    return records


def test_unknown_types() -> None:
    """A record of a type that `RecordType` does not have is listed with the provider's text."""
    (record,) = _listing({"type": "TYPE65", "name": "www"})()
    assert (record.type, record.name, record.data) == ("TYPE65", "www", "x")


def test_names_outside_the_zone_in_responses() -> None:
    """An absolute name outside the zone in a response is a `MalformedResponseError`."""
    with pytest.raises(
        MalformedResponseError, match=r"'www\.example\.net\.' is outside the zone example\.org"
    ):
        _listing({"type": "A", "name": "www.example.net."})()


def test_names_in_responses() -> None:
    """The zone of an absolute name in a response may have another case."""
    (record,) = _listing({"type": "A", "name": "WWW.Example.org."})("EXAMPLE.org")
    assert record.name == "www"


# Updates


def test_an_update_keeps_what_others_changed(driver: DigitalOceanDNSDriver, zone: Zone) -> None:
    """An update sends the given fields only: what another program changed in the meantime stays."""
    stale = driver.create_record("x", zone, RecordType.MX, "mail.example.net", {"priority": 1, "ttl": 600})
    driver.update_record(stale, extra={"priority": 5})
    changed = driver.update_record(stale, data="mx.example.net")
    assert (changed.data, changed.extra) == ("mx.example.net", {"priority": 5, "ttl": 600})
    assert driver.update_record(stale, name="y", extra={"ttl": 700}).data == "mx.example.net"


def test_requests_of_updates(driver: DigitalOceanDNSDriver, zone: Zone, requests: list[str]) -> None:
    """An update lists the records of the new name before it is sent, unless the TTL alone changes."""
    record = driver.create_record("x", zone, RecordType.A, "192.0.2.1")
    requests.clear()
    record = driver.update_record(record, extra={"ttl": 700})
    assert requests == ["PATCH"]
    driver.update_record(record, name="y", data="192.0.2.2")
    assert requests == ["PATCH", "GET", "PATCH"]


def test_the_ttl_of_soa(driver: DigitalOceanDNSDriver, zone: Zone) -> None:
    """The TTL of SOA can be changed, although its other fields cannot be sent."""
    soa = next(one for one in driver.list_records(zone) if one.type == RecordType.SOA)
    assert driver.update_record(soa, extra={"ttl": 900}).ttl == 900


def test_an_update_to_another_type(driver: DigitalOceanDNSDriver, zone: Zone, requests: list[str]) -> None:
    """A change of the type, which the provider would ignore, is refused before anything is sent."""
    record = driver.create_record("x", zone, RecordType.A, "192.0.2.1")
    requests.clear()
    with pytest.raises(UnsupportedOperationError, match="the type of a record from A to AAAA"):
        driver.update_record(record, type=RecordType.AAAA, data="2001:db8::1")
    assert requests == []
    assert driver.update_record(record, type=RecordType.A, data="192.0.2.2").data == "192.0.2.2"


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"type": "slave"}, "type must be 'master', got 'slave'"), ({"ttl": 60}, "ttl must be None, got 60")],
)
def test_zones_that_cannot_be(
    driver: DigitalOceanDNSDriver, requests: list[str], arguments: dict[str, Any], message: str
) -> None:
    """Another type of zone, and a TTL, are refused unsent by a message that names the argument."""
    with pytest.raises(UnsupportedOperationError, match=message):
        driver.create_zone("example.org", **arguments)
    assert requests == []


def test_the_domain_of_get_zone(driver: DigitalOceanDNSDriver, zone: Zone) -> None:
    """`get_zone` accepts a domain in upper case and with a trailing dot, as `create_zone` does."""
    assert driver.get_zone("Example.ORG.").id == "example.org"


def test_arguments_are_checked_before_a_request(
    driver: DigitalOceanDNSDriver, zone: Zone, requests: list[str]
) -> None:
    """Zones and records of another class and invalid values are refused before anything is sent."""
    record = driver.create_record("x", zone, RecordType.A, "192.0.2.1")
    requests.clear()
    wrong: Any = "example.org"
    calls: list[Callable[[], object]] = [
        lambda: driver.list_records(wrong),
        lambda: driver.delete_zone(wrong),
        lambda: driver.delete_record(wrong),
        lambda: driver.update_record(wrong, data="192.0.2.2"),
        lambda: driver.create_record("x", wrong, RecordType.A, "192.0.2.2"),
        lambda: driver.export_zone_to_bind_format(wrong),
        lambda: driver.update_record(record, extra={"ttl": "60"}),
        lambda: driver.update_record(record, name="a..b"),
        lambda: driver.create_zone("a..b"),
        lambda: driver.get_zone(""),
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError):
            call()
    assert requests == []


def test_a_missing_record(driver: DigitalOceanDNSDriver, zone: Zone) -> None:
    """The error for a missing record is a `NotFoundError` with the provider's headers and message."""
    record = Record("1", "x", RecordType.A, "192.0.2.1", zone, driver)
    with pytest.raises(NotFoundError) as caught:
        driver.delete_record(record)
    assert isinstance(caught.value, RecordDoesNotExistError)
    assert (caught.value.code, caught.value.driver, caught.value.record_id) == (404, driver, "1")
    assert caught.value.headers
    assert caught.value.message


def test_requests_of_find_zones(driver: DigitalOceanDNSDriver, zone: Zone, requests: list[str]) -> None:
    """A zone is found by its domain in any spelling with one request, whether it exists or not."""
    assert [one.id for one in driver.find_zones("Example.ORG.")] == [zone.id]
    assert driver.find_zones("example.net") == []
    assert len(requests) == 2
