from __future__ import annotations

from typing import Any

import pytest

from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.objects import Zone
from polycloud.dns.types import RecordType, ZoneAlreadyExistsError
from polycloud.errors import InvalidArgumentError


@pytest.fixture
def driver() -> DummyDNSDriver:
    return DummyDNSDriver("key")


@pytest.fixture
def zone(driver: DummyDNSDriver) -> Zone:
    return driver.create_zone("example.org", ttl=300)


@pytest.mark.parametrize(
    "refused", [{"type": "primary"}, {"ttl": -1}, {"domain": "a..b"}, {"domain": ""}, {"extra": "x"}]
)
def test_a_refused_update_of_a_zone(zone: Zone, refused: dict[str, Any]) -> None:
    """A refused update of a zone changes nothing."""
    changes: dict[str, Any] = {"domain": "example.net", "type": "slave", "ttl": 60, "extra": {"a": 1}}
    with pytest.raises(InvalidArgumentError):
        zone.update(**changes | refused)
    assert (zone.domain, zone.type, zone.ttl, zone.extra) == ("example.org", "master", 300, {})


@pytest.mark.parametrize(
    "refused", [{"type": ["A"]}, {"data": 7}, {"name": 7}, {"extra": {"ttl": "60"}}, {"type": RecordType.MX}]
)
def test_a_refused_update_of_a_record(zone: Zone, refused: dict[str, Any]) -> None:
    """A refused update of a record changes nothing."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1", {"ttl": 60})
    changes: dict[str, Any] = {
        "name": "ftp",
        "type": RecordType.AAAA,
        "data": "2001:db8::1",
        "extra": {"ttl": 90},
    }
    with pytest.raises(InvalidArgumentError):
        record.update(**changes | refused)
    found = (record.name, record.type, record.data, record.ttl, record.extra)
    assert found == ("www", RecordType.A, "192.0.2.1", 60, {"ttl": 60})


def test_an_update_to_an_existing_domain(driver: DummyDNSDriver, zone: Zone) -> None:
    """A zone cannot be renamed to the domain of another zone, nor created with a domain or id in use."""
    driver.create_zone("example.net")
    with pytest.raises(ZoneAlreadyExistsError):
        zone.update(domain="Example.NET.")
    assert zone.update(domain="example.com").id == "example.org"
    for domain in ("example.com", "example.org"):
        with pytest.raises(ZoneAlreadyExistsError):
            driver.create_zone(domain)
    assert sorted(each.domain for each in driver.list_zones()) == ["example.com", "example.net"]


@pytest.mark.parametrize("type_", ["primary", "", None, ["master"]])
def test_types_of_zones(driver: DummyDNSDriver, type_: Any) -> None:
    """A zone is created as master or slave; any other type is refused."""
    assert driver.create_zone("slave.example.org", type="slave").type == "slave"
    with pytest.raises(InvalidArgumentError, match="type must be "):
        driver.create_zone("example.org", type=type_)
    assert [each.domain for each in driver.list_zones()] == ["slave.example.org"]


def test_the_domain_of_get_zone(driver: DummyDNSDriver, zone: Zone) -> None:
    """`get_zone` accepts a domain in upper case and with a trailing dot, as `create_zone` does."""
    assert driver.get_zone("Example.ORG.") is zone
