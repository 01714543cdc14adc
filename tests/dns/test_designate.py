from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from polycloud.dns.changes import RecordChange, RecordsNotChangedError
from polycloud.dns.content import Content
from polycloud.dns.drivers.designate import DesignateConnection, DesignateDriver
from polycloud.dns.objects import Zone
from polycloud.dns.types import RecordConflictError, RecordType, ZoneAlreadyExistsError, ZoneDoesNotExistError
from polycloud.errors import (
    InvalidArgumentError,
    OperationTimeoutError,
    ProviderHTTPError,
    QuotaExceededError,
    UnsupportedOperationError,
)
from polycloud.sandbox import Sandbox
from polycloud.tracing.hooks import add_hook

Interfere = Callable[[], object]
SRV = ("priority", "weight", "port")


class Interrupted(DesignateDriver):
    """Lets a test interfere before each change of a set."""

    interferes: list[Interfere]
    settle_time = 0.3

    def _change_set(self, zone: Zone, *change: Any) -> None:
        if self.interferes:
            self.interferes.pop(0)()
        super()._change_set(zone, *change)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("openstack", ssh="off", dns=0.0) as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[Interrupted]:
    cloud.reset()
    with Interrupted(*cloud.credentials, **cloud.options) as driver:
        driver.interferes = []
        yield driver


@pytest.fixture
def other(cloud: Sandbox) -> Iterator[DesignateDriver]:
    """Another program."""
    with DesignateDriver(*cloud.credentials, **cloud.options) as driver:
        yield driver


@pytest.fixture
def zone(driver: Interrupted) -> Zone:
    return driver.create_zone("example.org")


@pytest.fixture
def requests() -> Iterator[list[str]]:
    """The methods of the requests that were sent."""
    methods: list[str] = []
    remove = add_hook(lambda trace: methods.append(trace.method))
    yield methods
    remove()


def values(zone: Zone, name: str = "www") -> list[str]:
    return sorted(one.data for one in zone.list_records() if one.name == name)


# Zones


@pytest.fixture
def slow() -> Iterator[tuple[list[float], Sandbox]]:
    """A cloud whose name servers take a minute of a time that passes only when a test says so."""
    now = [time.monotonic()]
    with Sandbox("openstack", ssh="off", dns=60.0, clock=lambda: now[0]) as cloud:
        yield now, cloud


def test_pending(slow: tuple[list[float], Sandbox]) -> None:
    """A zone and its records can be changed while they are PENDING, and are ACTIVE afterwards."""
    now, cloud = slow
    with DesignateDriver(*cloud.credentials, **cloud.options) as driver:
        zone = driver.create_zone("example.org")
        record = zone.create_record("www", RecordType.A, "192.0.2.1").update(data="192.0.2.2")
        assert zone.update(ttl=60).extra["status"] == "PENDING"
        (found,) = [one for one in zone.list_records() if one.id == record.id]
        assert found.extra["status"] == "PENDING"
        now[0] += 61
        (found,) = [one for one in zone.list_records() if one.id == record.id]
        assert (found.extra["status"], driver.get_zone(zone.id).extra["status"]) == ("ACTIVE", "ACTIVE")


def test_zones_that_are_being_deleted(slow: tuple[list[float], Sandbox]) -> None:
    """A zone that is being deleted is not listed, and a new one of its domain waits until it is gone."""
    now, cloud = slow
    with Interrupted(*cloud.credentials, **cloud.options) as driver:
        driver.interferes = []
        zone = driver.create_zone("example.org")
        assert zone.delete()
        assert (driver.list_zones(), driver.find_zones("example.org")) == ([], [])
        for call in (
            lambda: driver.get_zone(zone.id),
            lambda: zone.create_record("www", RecordType.A, "192.0.2.1"),
            lambda: driver.update_zone(zone, ttl=60),
        ):
            with pytest.raises(ZoneDoesNotExistError, match="delet"):
                call()
        with pytest.raises(OperationTimeoutError, match=r"an earlier zone example\.org to be deleted"):
            driver.create_zone("example.org")
        remove = add_hook(lambda trace: now.__setitem__(0, now[0] + 31))
        assert driver.create_zone("example.org").id != zone.id
        remove()


def test_deletes_that_fail() -> None:
    """A zone whose delete has failed is listed with the status ERROR, and is in the way of another."""
    with (
        Sandbox("openstack", ssh="off", dns=0.0, errored="delete_zone") as cloud,
        DesignateDriver(*cloud.credentials, **cloud.options) as driver,
    ):
        zone = driver.create_zone("example.org")
        zone.delete()
        assert [(one.id, one.extra["status"]) for one in driver.list_zones()] == [(zone.id, "ERROR")]
        with pytest.raises(ZoneAlreadyExistsError):
            driver.create_zone("example.org")


def test_refused_zones(driver: Interrupted, zone: Zone, requests: list[str]) -> None:
    """What a zone cannot have or become is refused before anything is sent."""
    masters = {"masters": ["192.0.2.1"]}
    with pytest.raises(InvalidArgumentError, match="needs masters"):
        driver.create_zone("example.net", "slave")
    for arguments in ({"ttl": 60, "extra": masters}, {"extra": {**masters, "email": "a@example.org"}}):
        with pytest.raises(InvalidArgumentError, match="has the ttl and the email of these"):
            driver.create_zone("example.net", "slave", **arguments)
    with pytest.raises(UnsupportedOperationError):
        driver.update_zone(zone, domain="example.net")
    with pytest.raises(UnsupportedOperationError):
        driver.update_zone(zone, type="slave")
    assert requests == []


class SmallConnection(DesignateConnection):
    per_page = 2


class Small(DesignateDriver):
    connectionCls = SmallConnection


def test_pages(cloud: Sandbox, zone: Zone, requests: list[str]) -> None:
    """Record sets are read page by page, by the marker of the next one."""
    for number in range(5):
        zone.create_record(f"host-{number}", RecordType.A, "192.0.2.1")
    requests.clear()
    with Small(*cloud.credentials, **cloud.options) as small:
        assert len(small.list_records(small.get_zone(zone.id))) == 7
    assert requests.count("GET") == 5  # of the zone, and of four pages


# Record sets


def test_texts(zone: Zone) -> None:
    """Texts are sent in strings of at most 255 characters as they are written, escapes never divided."""
    text = "é" * 400 + '"' * 100 + "x" * 1000
    made = zone.create_record("text", RecordType.TXT, text)
    raw = zone.driver.connection.request(f"/zones/{zone.id}/recordsets?type=TXT").object["recordsets"][0]
    strings = raw["records"][0][1:-1].split('" "')
    assert max(map(len, strings)) == 253
    assert all(one.count("\\") == one.count("\\1") + one.count('\\"') for one in strings)
    (found,) = [one for one in zone.list_records() if one.type == RecordType.TXT]
    assert (found.data, found.id) == (text, made.id)


def test_sets_of_others(driver: Interrupted, zone: Zone, other: DesignateDriver) -> None:
    """A set that another program has created, changed or deleted meanwhile is read and decided anew."""
    theirs = other.get_zone(zone.id)

    def add(number: int) -> Interfere:
        return lambda: theirs.create_record("www", RecordType.A, f"192.0.2.{number}")

    driver.interferes = [add(1)]
    record = zone.create_record("www", RecordType.A, "192.0.2.2")
    assert values(zone) == ["192.0.2.1", "192.0.2.2"]

    def clear() -> None:
        for one in theirs.list_records():
            if one.name == "www":
                one.delete()

    driver.interferes = [clear]
    assert record.delete()
    driver.interferes = [lambda: theirs.create_record("www", RecordType.CNAME, "host.example.net")]
    with pytest.raises(RecordConflictError, match="a CNAME must be alone"):
        zone.create_record("www", RecordType.A, "192.0.2.2")


def test_moves(zone: Zone, requests: list[str]) -> None:
    """A record is at its new name before it leaves the old one, where its siblings stay."""
    zone.create_record("www", RecordType.A, "192.0.2.1")
    record = zone.create_record("www", RecordType.A, "192.0.2.2", {"ttl": 60, "description": "by ann"})
    requests.clear()
    moved = record.update(name="old")
    assert requests == ["GET", "POST", "PUT"]
    assert (values(zone), values(zone, "old")) == (["192.0.2.1"], ["192.0.2.2"])
    assert moved.extra == {"ttl": 60, "description": "by ann"}


def test_aliases(driver: Interrupted, zone: Zone, requests: list[str]) -> None:
    """For a CNAME the set of its name goes first, and comes back if the CNAME is refused."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1", {"ttl": 60, "description": "by ann"})
    before = {**record.extra}
    requests.clear()
    broken = Content.of("www", RecordType.CNAME, f"{'a' * 50}\\@.example.net", {})
    with pytest.raises(RecordsNotChangedError, match="is not a 'CNAME' Record"):
        driver.change_records(zone, [RecordChange(record, broken)])
    assert requests == ["GET", "DELETE", "POST", "POST"]
    (back,) = [one for one in zone.list_records() if one.name == "www"]
    assert {key: back.extra[key] for key in before} == before
    changed = back.update(type=RecordType.CNAME, data="host.example.net")
    assert (changed.data, values(zone)) == ("host.example.net", ["host.example.net"])
    assert changed.update(type=RecordType.A, data="192.0.2.9").data == "192.0.2.9"


def test_sets_that_cannot_be_restored(driver: Interrupted, zone: Zone, other: DesignateDriver) -> None:
    """If a set that has gone for a CNAME cannot come back, a note of the error says what it was."""
    theirs = other.get_zone(zone.id)
    record = zone.create_record("www", RecordType.A, "192.0.2.1")

    def take() -> None:
        theirs.create_record("www", RecordType.CNAME, "their.example.net")

    driver.interferes = [lambda: None, lambda: None, take]
    with pytest.raises(ProviderHTTPError) as caught:
        record.update(type=RecordType.CNAME, data=f"{'a' * 50}\\@.example.net")
    (note,) = caught.value.__notes__
    assert "could not be restored" in note
    assert "192.0.2.1" in note


def test_many_changes(zone: Zone) -> None:
    """Each name of many changes ends for itself: what one cannot have does not keep the others back."""
    kept = zone.create_record("kept", RecordType.A, "192.0.2.1")
    good = [RecordChange(None, Content.of(f"host-{n}", RecordType.A, "192.0.2.1", {})) for n in range(5)]
    bad = RecordChange(None, Content.of("srv", RecordType.SRV, "a.example", dict.fromkeys(SRV, 1)))
    with pytest.raises(RecordsNotChangedError, match="name is invalid") as caught:
        zone.driver.change_records(zone, [*good[:2], bad, *good[2:], RecordChange(kept, None)])
    assert [change for change, _ in caught.value.failed] == [bad]
    assert (caught.value.done, caught.value.left) == (good, [RecordChange(kept, None)])


def test_quotas(zone: Zone, requests: list[str]) -> None:
    """A set of too many records is an error of its own, and is sent once."""
    for number in range(20):
        zone.create_record("www", RecordType.A, f"192.0.2.{number}")
    requests.clear()
    with pytest.raises(QuotaExceededError, match="recordset_records"):
        zone.create_record("www", RecordType.A, "192.0.2.200")
    assert requests == ["GET", "PUT"]
