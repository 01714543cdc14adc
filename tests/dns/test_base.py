from __future__ import annotations

import pickle
import re
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
    RecordAlreadyExistsError,
    RecordConflictError,
    RecordDoesNotExistError,
    RecordType,
    ZoneAlreadyExistsError,
    ZoneDoesNotExistError,
    ZoneError,
)
from polycloud.dns.zonefile import to_bind
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    Exchange,
    InvalidArgumentError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
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


def test_types_that_a_provider_does_not_have() -> None:
    """A type that the provider does not have is refused with those that it has, and a hint about the case."""
    for type_ in (RecordType.MX, "NOSUCH"):
        with pytest.raises(UnsupportedOperationError, match=r"only A$"):
            Lists("")._provider_type(type_)
    with pytest.raises(UnsupportedOperationError, match="did you mean A\\?"):
        Lists("")._provider_type("a")
    wrong: Any = ["A"]
    with pytest.raises(InvalidArgumentError, match=r"type must be a str, got \['A'\]"):
        Lists("")._provider_type(wrong)


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


def test_the_case_of_the_zone(driver: DummyDNSDriver) -> None:
    """The domain of the zone may have any case and a trailing dot."""
    zone = Zone("1", "Example.ORG.", "master", None, driver)
    assert relative_name("www.example.org.", zone) == "www"


def test_names_outside_the_zone(zone: Zone) -> None:
    """An absolute name outside the zone is refused."""
    for name in ("www.example.com.", "notexample.org."):
        with pytest.raises(InvalidArgumentError, match="outside the zone"):
            relative_name(name, zone)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": 7}, "name must be a str or None, got 7"),
        ({"name": "a..b"}, "name must consist of labels of 1 to 63 characters between dots, got 'a..b'"),
        ({"name": 64 * "a"}, "name must consist of labels of 1 to 63 characters"),
        ({"name": "."}, "name must not be empty, got '.'"),
        ({"name": "a\nb"}, "name must not contain spaces or control characters, got 'a\\nb'"),
        ({"name": ".".join(60 * ["abcde"])}, "name must have at most 253 characters"),
        ({"zone": "example.org"}, "zone must be a Zone, got 'example.org'"),
        ({"type": ["A"]}, "type must be a str, got ['A']"),
        ({"data": None}, "data must be a str, got None"),
        ({"extra": "ttl=60"}, "extra must be a dict or None, got str"),
        ({"extra": {"ttl": "60"}}, "ttl must be an int from 0 to 2147483647, got '60'"),
        ({"extra": {"priority": "10"}}, "priority must be an int from 0 to 65535, got '10'"),
        ({"extra": {"port": 65536}}, "port must be an int from 0 to 65535, got 65536"),
        ({"extra": {"weight": -1}}, "weight must be an int from 0 to 65535, got -1"),
        ({"extra": {"flags": 256}}, "flags must be an int from 0 to 255, got 256"),
        ({"extra": {"tag": "a b"}}, "tag must be a str of ASCII letters and digits, got 'a b'"),
        ({"type": "MX"}, "a record of type MX needs priority in extra, got {}"),
        ({"type": "SRV", "extra": {"priority": 1}}, "type SRV needs weight, port in extra"),
        ({"type": "CAA"}, "a record of type CAA needs flags, tag in extra, got {}"),
    ],
)
def test_arguments_of_records(zone: Zone, arguments: dict[str, Any], message: str) -> None:
    """An argument of a record that has a wrong type or range is refused with what it must be."""
    valid: dict[str, Any] = {"name": "www", "zone": zone, "type": RecordType.A, "data": "192.0.2.1"}
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        zone.driver.create_record(**valid | arguments)
    assert zone.list_records() == []


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (None, "domain must be a str, got None"),
        ("", "domain must not be empty, got ''"),
        ("a..b", "domain must consist of labels of 1 to 63 characters between dots, got 'a..b'"),
        (f"{64 * 'a'}.org", "domain must consist of labels"),
        (f"{64 * 'ä'}.org", "domain has no form in DNS"),
        ("a.org\n", "domain must not contain spaces or control characters, got 'a.org\\n'"),
    ],
)
def test_domains(driver: DummyDNSDriver, domain: Any, message: str) -> None:
    """A domain that is invalid is refused with what it must be."""
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        driver.create_zone(domain)
    assert driver.list_zones() == []


@pytest.mark.parametrize(
    ("type_", "data", "other", "same"),
    [
        (RecordType.AAAA, "2001:DB8:0:0::1", "2001:db8::1", True),
        (RecordType.A, "192.0.2.1", "192.0.2.2", False),
        (RecordType.A, "192.0.2.1", "no address", False),
        (RecordType.CNAME, "Host.Example.ORG.", "host.example.org", True),
        (RecordType.TXT, "Text", "text", False),
    ],
)
def test_spellings_of_data(zone: Zone, type_: RecordType, data: str, other: str, *, same: bool) -> None:
    """Addresses and host names are compared in one spelling, texts exactly, and TTLs not at all."""
    record = Record("1", "x", type_, other, zone, zone.driver, 60, {"ttl": 60})
    assert Content.of("x", type_, data, {"ttl": 61}).equals(record) is same
    assert not Content.of("y", type_, data, {}).equals(record)


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


@pytest.mark.parametrize(
    ("kind", "base", "code"),
    [
        (ZoneDoesNotExistError, NotFoundError, 404),
        (RecordDoesNotExistError, NotFoundError, 404),
        (ZoneAlreadyExistsError, ConflictError, 409),
        (RecordAlreadyExistsError, ConflictError, 409),
    ],
)
def test_errors_of_dns_are_those_of_all_services(
    driver: DummyDNSDriver, kind: type[Any], base: type[ProviderHTTPError], code: int
) -> None:
    """Errors of DNS are built as in Libcloud, are those of all services, and survive a pickle."""
    error = kind("the text", driver, "7")
    assert isinstance(error, base)
    assert error.driver is driver
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert (one.code, one.http_code, one.message, one.headers) == (code, code, "the text", {})
        assert "7" in {getattr(one, "zone_id", None), getattr(one, "record_id", None)}
        assert str(one) == one.value == "the text"
    assert "'7'" in str(kind(zone_id="7") if issubclass(kind, ZoneError) else kind(record_id="7"))


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


CONTENT = Content.of("www", RecordType.A, "192.0.2.1", {})


def _www(zone: Zone, id_: str, data: str = "192.0.2.1") -> Record:
    return Record(id_, "www", RecordType.A, data, zone, zone.driver)


def test_a_lost_create_returns_the_record_with_its_content(zone: Zone) -> None:
    """If the response to a create is lost, the record with its content is returned; nothing is resent."""
    zone.driver = driver = Loses("")
    driver.before = (_www(zone, "2", "192.0.2.2"),)
    driver.after = (_www(zone, "3", "192.0.2.3"), _www(zone, "4"))
    assert driver.create(zone, CONTENT).id == "4"
    assert driver.sent == 1


@pytest.mark.parametrize("new", [(), ("2", "3")])
def test_a_lost_create_that_is_ambiguous(zone: Zone, new: tuple[str, ...]) -> None:
    """If the response is lost and none or several records have the content, the create is ambiguous."""
    zone.driver = driver = Loses("")
    driver.after = tuple(_www(zone, id_) for id_ in new)
    with pytest.raises(AmbiguousCreateError, match="with this content") as caught:
        driver.create(zone, CONTENT)
    assert caught.value.driver is driver
    assert driver.sent == 1


def test_an_existing_record_is_not_created_again(zone: Zone) -> None:
    """A record that exists already is an error that names its id, and nothing is sent."""
    zone.driver = driver = Loses("")
    driver.before = (_www(zone, "7"),)
    with pytest.raises(RecordAlreadyExistsError, match="its id is '7'") as caught:
        driver.create(zone, CONTENT)
    assert (caught.value.record_id, driver.sent) == ("7", 0)


def test_a_conflict_of_records(zone: Zone) -> None:
    """A conflict in the create of a record is a `RecordConflictError` with its request."""

    def refuse() -> Record:
        raise ConflictError(409, "is there").locate(Exchange("Lists", "POST", "/records", 409))

    driver = Lists("")
    with pytest.raises(RecordConflictError, match="is there") as caught, driver._zone_errors("1"):
        driver._create_record_once(zone, CONTENT, refuse, list)
    assert caught.value.exchange is not None
    assert caught.value.exchange.status == 409


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
    with pytest.raises(InvalidArgumentError, match="file_path must not be empty"):
        zone.export_to_bind_zone_file("")


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


HOSTILE_NAMES = (
    "x 60 IN NS evil\nevil",
    "x\ty",
    'semi;colon"quote',
    "$INCLUDE",
    "a\\b",
    "@x",
    "(",
)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_export_of_hostile_names(driver: DummyDNSDriver, name: str) -> None:
    """Whatever the provider has as a name, domain or host is one name in the zone file."""
    from dns import zone as dns_zone

    zone = Zone("1", f"{name}.org", "master", None, driver)
    record = Record("1", name, RecordType.CNAME, f"{name}.example.net", zone, driver)
    parsed = dns_zone.from_text(to_bind(zone, [record]), relativize=False, check_origin=False)
    label = name.lower().replace("\\", "").encode()  # a backslash escapes
    assert parsed.origin is not None
    assert parsed.origin.labels == (label, b"org", b"")
    ((owner, _, data),) = parsed.iterate_rdatas()
    assert owner.labels == (label, label, b"org", b"")
    target: Any = data
    assert target.target.labels == (label, b"example", b"net", b"")


def test_export_of_international_names(driver: DummyDNSDriver) -> None:
    """Names, domains and hosts in other scripts are punycode in the zone file."""
    zone = driver.create_zone("bücher.example")
    zone.create_record("例え", RecordType.CNAME, "bücher.example")
    text = zone.export_to_bind_format()
    assert "$ORIGIN xn--bcher-kva.example.\n" in text
    assert "xn--r8jz45g IN CNAME xn--bcher-kva.example.\n" in text


def test_export_of_names_that_cannot_be(driver: DummyDNSDriver) -> None:
    """A name that DNS cannot have is an error that names it."""
    zone = Zone("1", "example.org", "master", None, driver)
    record = Record("1", "a..b", RecordType.A, "192.0.2.1", zone, driver)
    with pytest.raises(InvalidArgumentError, match=r"the name 'a\.\.b\.example\.org\.' cannot be"):
        to_bind(zone, [record])


def test_export_of_null_mx(zone: Zone) -> None:
    """The host of MX may be the root, which says that the domain takes no mail."""
    zone.create_record("", RecordType.MX, ".", {"priority": 0})
    assert "@ IN MX 0 .\n" in zone.export_to_bind_format()


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
    record = Record("1", "www", RecordType.A, "not an address", zone, zone.driver)
    with pytest.raises(InvalidArgumentError, match=r"the A record 'www' of example\.org cannot be"):
        to_bind(zone, [record])


def test_export_of_types_that_dns_lacks(zone: Zone) -> None:
    """Records of types that only providers have are comments in a zone file, and cannot end their line."""
    zone.create_record("", RecordType.ALIAS, "Host.Example.NET.", {"ttl": 60})
    zone.create_record("old", RecordType.URL, "https://example.net/")
    assert '\n; @ 60 IN ALIAS host.example.net.\n; old IN URL "https://example.net/"\n' in to_bind(
        zone, zone.list_records()
    )
    hostile = Record("9", "old", RecordType.URL, "x\nwww IN A 192.0.2.1", zone, zone.driver)
    with pytest.raises(InvalidArgumentError, match="must not contain control characters"):
        to_bind(zone, [hostile])


def test_halves_of_surrogate_pairs(zone: Zone) -> None:
    """Data with a surrogate that stands for no byte is refused, whatever the type."""
    for type_, extra in ((RecordType.TXT, {}), (RecordType.CAA, {"flags": 0, "tag": "issue"})):
        with pytest.raises(InvalidArgumentError, match="data must be UTF-8"):
            zone.create_record("x", type_, "\ud800", extra)
