"""DNS drivers of Libcloud: Vultr, which has no driver of ours, on a server after its documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from libcloud.dns.drivers.dummy import DummyDNSDriver

import polycloud
from polycloud import bridge
from polycloud.dns.base import Record, Zone
from polycloud.dns.types import (
    RecordDoesNotExistError,
    RecordType,
    ZoneAlreadyExistsError,
    ZoneDoesNotExistError,
)
from polycloud.errors import UnsupportedOperationError
from support.vultr import TOKEN, Vultr
from support.web import serve


@pytest.fixture
def driver() -> Iterator[Any]:
    cloud = Vultr()
    kind: Any = polycloud.get_driver("dns", "vultr")
    with serve(cloud.answer) as web, kind(TOKEN, **web.options) as driver:
        yield driver


def test_zones(driver: Any) -> None:
    """Zones are created, listed over pages, found and deleted; a second one and a missing one are errors."""
    made = [driver.create_zone(f"example{number}.com") for number in range(5)]
    assert all(type(zone) is Zone for zone in made)
    assert [zone.domain for zone in driver.list_zones()] == [f"example{number}.com" for number in range(5)]
    assert driver.get_zone(made[3].id).domain == "example3.com"
    assert [zone.id for zone in driver.find_zones("example1.com")] == [made[1].id]
    with pytest.raises(ZoneAlreadyExistsError) as second:
        driver.create_zone("example1.com")
    assert second.value.zone_id == "example1.com"
    with pytest.raises(ZoneDoesNotExistError) as missing:
        driver.get_zone("example9.com")
    assert missing.value.zone_id == "example9.com"
    assert made[0].delete() is True
    assert len(driver.list_zones()) == 4


def test_records(driver: Any) -> None:
    """Records are created, listed over pages, changed and deleted, also those of a program's own zone."""
    zone = driver.create_zone("example.com")
    for number in range(5):
        zone.create_record(f"www{number}", RecordType.A, f"192.0.2.{number}", {"ttl": 600})
    mail = driver.create_record("", zone, RecordType.MX, "mail.example.com", {"ttl": 600, "priority": 10})
    assert type(mail) is Record
    listed = Zone("example.com", "example.com", "master", None, driver).list_records()
    assert [(one.name, str(one.type), one.data, one.ttl) for one in listed] == [
        *((f"www{number}", "A", f"192.0.2.{number}", 600) for number in range(5)),
        ("", "MX", "mail.example.com", 600),
    ]
    assert listed[-1].extra["priority"] == 10
    listed[0].update(data="192.0.2.99")
    found = driver.get_record("example.com", listed[0].id)
    assert (found.name, found.data, found.ttl) == ("www0", "192.0.2.99", 600)
    assert found.delete() is True
    with pytest.raises(RecordDoesNotExistError) as missing:
        driver.get_record("example.com", listed[0].id)
    assert missing.value.record_id == listed[0].id
    with pytest.raises(UnsupportedOperationError, match="GEO"):
        zone.create_record("x", RecordType.GEO, "DE")
    assert "mail.example.com." in zone.export_to_bind_format()


def test_dummy() -> None:
    """Libcloud's DNS in memory works as one of ours."""
    driver = bridge.driver_class(DummyDNSDriver)("key", "secret")
    zone = driver.create_zone("example.org")
    record = zone.create_record("www", RecordType.A, "192.0.2.1")
    assert [(one.name, one.data) for one in zone.list_records()] == [("www", "192.0.2.1")]
    assert record.delete() is True
    assert zone.delete() is True
    with pytest.raises(ZoneDoesNotExistError) as caught:
        driver.get_zone("7")
    assert caught.value.zone_id == "7"
