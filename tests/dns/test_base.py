from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from polycloud.common.base import Connection
from polycloud.dns.base import DNSDriver
from polycloud.dns.content import Content, require_ttl
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.names import relative_name
from polycloud.dns.objects import Record, Zone
from polycloud.dns.providers import get_driver, names
from polycloud.dns.types import (
    Provider,
    RecordDoesNotExistError,
    RecordType,
    ZoneAlreadyExistsError,
    ZoneDoesNotExistError,
)
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    Exchange,
    InvalidArgumentError,
    NotFoundError,
    PolycloudError,
    ServerError,
    UnsupportedOperationError,
)


class Lists(DNSDriver):
    """A driver that only lists."""

    type = "lists"
    name = "Lists"
    connectionCls = Connection
    RECORD_TYPE_MAP = {RecordType.A: "A"}  # noqa: RUF012 - as drivers write it

    def list_zones(self) -> list[Zone]:
        return [Zone("1", "example.org", "master", None, self)]

    def list_records(self, zone: Zone) -> list[Record]:
        return [Record("7", "www", RecordType.A, "192.0.2.7", zone, self, 300, {"ttl": 300})]


@pytest.fixture
def driver() -> DummyDNSDriver:
    return DummyDNSDriver("key")


@pytest.fixture
def zone(driver: DummyDNSDriver) -> Zone:
    return driver.create_zone("example.org", ttl=300)


def test_registry() -> None:
    """A DNS driver is found by its constant, its string and through `polycloud.get_driver`."""
    import polycloud

    assert get_driver(Provider.DUMMY) is get_driver("dummy") is DummyDNSDriver
    assert polycloud.get_driver(polycloud.DriverType.DNS, "dummy") is DummyDNSDriver
    assert {"dummy", "digitalocean"} <= set(names())


def test_what_follows_from_lists() -> None:
    """A driver that only lists can iterate, get and export, and refuses the rest."""
    driver = Lists("")
    zone = driver.get_zone("1")
    assert [each.id for each in driver.iterate_zones()] == ["1"]
    assert [each.id for each in driver.iterate_records(zone)] == ["7"]
    assert driver.get_record("1", "7").data == "192.0.2.7"
    assert "www 300 IN A 192.0.2.7\n" in driver.export_zone_to_bind_format(zone)
    assert driver.list_record_types() == [RecordType.A]
    for name in ("create_zone", "update_zone", "delete_zone", "create_record", "update_record"):
        assert not driver.supports(name)
    with pytest.raises(UnsupportedOperationError):
        driver.delete_zone(zone)


def test_missing_zones_and_records() -> None:
    """A zone or record that does not exist is an error of its own with its id."""
    driver = Lists("")
    with pytest.raises(ZoneDoesNotExistError) as zone_error:
        driver.get_zone("2")
    assert zone_error.value.zone_id == "2"
    with pytest.raises(RecordDoesNotExistError) as record_error:
        driver.get_record("1", "8")
    assert record_error.value.record_id == "8"
    with pytest.raises(ZoneDoesNotExistError):
        driver.get_record("2", "7")


def test_types_that_a_provider_lacks() -> None:
    """A type that the provider lacks, or that nobody has, is refused with the types that there are."""
    for type_ in (RecordType.MX, "NOSUCH"):
        with pytest.raises(UnsupportedOperationError, match="only A"):
            Lists("")._provider_type(type_)


@pytest.mark.parametrize(
    ("name", "relative"),
    [
        (None, ""),
        ("", ""),
        ("@", ""),
        ("WWW", "www"),
        ("*", "*"),
        ("a.b", "a.b"),
        ("example.org.", ""),
        ("www.example.org.", "www"),
    ],
)
def test_relative_names(zone: Zone, name: str | None, relative: str) -> None:
    """Names are relative to the zone and lower case; the zone itself is an empty name."""
    assert relative_name(name, zone) == relative


def test_names_outside_the_zone(zone: Zone) -> None:
    """An absolute name outside the zone is refused."""
    for name in ("www.example.com.", "notexample.org."):
        with pytest.raises(InvalidArgumentError, match="outside the zone"):
            relative_name(name, zone)


def test_ttl() -> None:
    """A TTL is an int from 0 to 2147483647 or None; everything else is refused."""
    assert [require_ttl(value) for value in (None, 0, 2**31 - 1)] == [None, 0, 2**31 - 1]
    for wrong in (-1, 2**31, True, "300", 1.5):
        with pytest.raises(InvalidArgumentError, match="ttl must be"):
            require_ttl(wrong)


def test_errors_of_the_provider_become_those_of_dns() -> None:
    """Not found and conflict become the errors of zones and records, and keep the request that failed."""
    driver = Lists("")
    exchange = Exchange("Lists", "GET", "/zones/1", 404)
    cases: list[tuple[Any, PolycloudError, type[PolycloudError]]] = [
        (driver._zone_errors("1"), NotFoundError(404, "gone"), ZoneDoesNotExistError),
        (driver._zone_errors("1"), ConflictError(409, "there"), ZoneAlreadyExistsError),
        (driver._record_errors("7"), NotFoundError(404, "gone"), RecordDoesNotExistError),
    ]
    for context, error, kind in cases:
        with pytest.raises(kind) as caught, context:
            raise error.locate(exchange)
        assert caught.value.exchange == exchange
        assert str(error.value) in str(caught.value)


class Loses(Lists):
    """A driver that lists nothing until its create was sent, whose response is always lost."""

    settle_time = 0.2  # shorter than a provider's
    before: tuple[Record, ...] = ()
    after: tuple[Record, ...] = ()
    sent = 0

    def send(self) -> Record:
        self.sent += 1
        raise ServerError(502, "lost").locate(Exchange("Loses", "POST", "/records", 502))

    def candidates(self) -> list[Record]:
        return [*self.before, *(self.after if self.sent else ())]

    def create(self, zone: Zone, content: Content) -> Record:
        return self._create_record_once(zone, content, self.send, self.candidates)


CONTENT = Content("www", RecordType.A, "192.0.2.1", {})


def _www(zone: Zone, id_: str, data: str = "192.0.2.1") -> Record:
    return Record(id_, "www", RecordType.A, data, zone, zone.driver)


def test_a_lost_create_returns_the_record_that_was_not_there_before(zone: Zone) -> None:
    """If the response to a create is lost, the new record with its content is returned; nothing is resent."""
    driver = Loses("")
    driver.before = (_www(zone, "1"), _www(zone, "2", "192.0.2.2"))
    driver.after = (_www(zone, "3", "192.0.2.2"), _www(zone, "4"))
    assert driver.create(zone, CONTENT).id == "4"
    assert driver.sent == 1


@pytest.mark.parametrize("new", [(), ("2", "3")])
def test_a_lost_create_that_is_ambiguous(zone: Zone, new: tuple[str, ...]) -> None:
    """If the response is lost and none or several new records have the content, the create is ambiguous."""
    driver = Loses("")
    driver.before = (_www(zone, "1"),)
    driver.after = tuple(_www(zone, id_) for id_ in new)
    with pytest.raises(AmbiguousCreateError, match="this content and a new id") as caught:
        driver.create(zone, CONTENT)
    assert caught.value.driver is driver
    assert driver.sent == 1


def test_objects_pickle_and_show_no_secret(zone: Zone) -> None:
    """Zones and records survive a pickle, and their repr names them without credentials."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1", {"ttl": 60})
    again = pickle.loads(pickle.dumps(record))
    assert (again.name, again.type, again.data, again.ttl) == ("www", "A", "192.0.2.1", 60)
    assert again.zone.domain == "example.org"
    assert repr(record).startswith("<Record: zone=example.org, name=www, type=A, data=192.0.2.1,")
    assert repr(zone).startswith("<Zone: domain=example.org, ttl=300,")
    assert "key" not in repr(record) + repr(zone)


def test_the_objects_own_methods(driver: DummyDNSDriver, zone: Zone, tmp_path: Path) -> None:
    """The methods of zones and records call their driver."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1")
    assert record.update(data="192.0.2.2").data == "192.0.2.2"
    assert [each.id for each in zone.list_records()] == [record.id]
    zone.export_to_bind_zone_file(str(tmp_path / "zone"))
    assert (tmp_path / "zone").read_text() == zone.export_to_bind_format()
    assert record.delete()
    assert zone.update(ttl=60).ttl == 60
    assert zone.delete()
    assert driver.list_zones() == []


def test_a_zone_file_that_cannot_be_written(zone: Zone, tmp_path: Path) -> None:
    """A file that cannot be written is an error that names it."""
    with pytest.raises(InvalidArgumentError, match="no/such/folder"):
        zone.export_to_bind_zone_file(str(tmp_path / "no/such/folder/zone"))


ZONE_FILE = """\
$ORIGIN example.org.
$TTL 300
@ 60 IN A 192.0.2.1
@ IN MX 10 mail.example.org.
@ IN TXT "v=spf1 \\"quoted\\" \\\\ -all"
_sip._tcp IN SRV 5 10 5060 sip.example.org.
www IN CNAME example.org.
"""


def test_export(zone: Zone) -> None:
    """The export is a zone file in BIND's format: absolute host names, quoted texts, priorities first."""
    zone.create_record("www", RecordType.CNAME, "example.org")
    zone.create_record("", RecordType.A, "192.0.2.1", {"ttl": 60})
    zone.create_record("@", RecordType.MX, "mail.example.org", {"priority": 10})
    zone.create_record(None, RecordType.TXT, 'v=spf1 "quoted" \\ -all')
    zone.create_record(
        "_sip._tcp", RecordType.SRV, "sip.example.org", {"priority": 5, "weight": 10, "port": 5060}
    )
    assert zone.export_to_bind_format() == ZONE_FILE


def test_export_of_long_text(zone: Zone) -> None:
    """A text over 255 bytes is exported as several strings that together are the text."""
    from dns import zone as dns_zone

    zone.create_record("", RecordType.SOA, "ns1.example.org. admin.example.org. 1 2 3 4 5")
    zone.create_record("", RecordType.NS, "ns1.example.org")
    zone.create_record("long", RecordType.TXT, "ä" * 300)
    parsed = dns_zone.from_text(zone.export_to_bind_format(), "example.org.", check_origin=False)
    strings = parsed.find_rdataset("long", "TXT")[0].strings
    assert [len(part) for part in strings] == [255, 255, 90]
    assert b"".join(strings).decode() == "ä" * 300


def test_export_of_invalid_data(zone: Zone) -> None:
    """Data that is not valid for its type is an error that names the record."""
    zone.create_record("www", RecordType.A, "not an address")
    with pytest.raises(InvalidArgumentError, match=r"the A record 'www' of example\.org has"):
        zone.export_to_bind_format()
