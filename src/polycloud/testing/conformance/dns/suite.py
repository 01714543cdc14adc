"""What the rules of DNS use: zones and records of a test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar

import pytest

from polycloud.dns.base import DNSDriver
from polycloud.dns.changes import RecordChange
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordType
from polycloud.errors import NotFoundError
from polycloud.testing.cleanup import RUN, Kind
from polycloud.testing.conformance.assertions import with_id
from polycloud.testing.conformance.checks import Checks

CreateZone = Callable[..., Zone]

ADDRESS = "192.0.2.1"
DATA = {
    RecordType.A: ADDRESS,
    RecordType.AAAA: "2001:db8::1",
    RecordType.CAA: "ca.example.org",
    RecordType.CNAME: "host.example.org",
    RecordType.DS: f"12345 13 2 {'0a' * 32}",
    RecordType.HTTPS: ". alpn=h2,h3 port=8443",
    RecordType.LOC: "52 22 23.000 N 4 53 32.000 E -2.00m 1.00m 10000.00m 20.00m",
    RecordType.MX: "mail.example.com",
    RecordType.NAPTR: '100 10 "U" "E2U+sip" "!^.*$!sip:info@example.org!" sip.example.org',
    RecordType.NS: "ns.example.org",
    RecordType.PTR: "host.example.org",
    RecordType.SMIMEA: f"3 1 1 {'0d' * 32}",
    RecordType.SRV: "sip.example.org",
    RecordType.SSHFP: f"4 2 {'0b' * 32}",
    RecordType.SVCB: "svc.example.org. port=53",
    RecordType.TLSA: f"3 1 1 {'0c' * 32}",
    RecordType.TXT: "plain text",
    RecordType.URI: "https://www.example.org/?q=a%20b",
}
EXTRA: Mapping[RecordType, dict[str, Any]] = {
    RecordType.CAA: {"flags": 0, "tag": "issue"},
    RecordType.HTTPS: {"priority": 1},
    RecordType.MX: {"priority": 10},
    RecordType.SRV: {"priority": 10, "weight": 20, "port": 5060},
    RecordType.SVCB: {"priority": 2},
    RecordType.URI: {"priority": 10, "weight": 1},
}
"""The fields of `extra` that a type needs."""
NAMES = {RecordType.SRV: "_sip._tcp", RecordType.TLSA: "_443._tcp"}
"""The names of records, where a type needs one of its own."""
EXPORTED = {
    RecordType.A: ADDRESS,
    RecordType.CAA: '0 issue "ca.example.org"',
    RecordType.CNAME: "host.example.org.",
    RecordType.HTTPS: '1 . alpn="h2,h3" port="8443"',
    RecordType.MX: "10 mail.example.com.",
    RecordType.SRV: "10 20 5060 sip.example.org.",
}
"""The values of `DATA` and `EXTRA` as zone files write them."""


class DNSSuite(Checks[DNSDriver]):
    """The settings and fixtures of the rules of DNS."""

    base_driver = DNSDriver
    gone = (NotFoundError,)

    suffix: ClassVar[str] = "net"
    """What the domains of zones end with: "net" makes zones such as conformance-0123abcd-1.net."""

    unique_domains: ClassVar[bool] = True
    """Whether the provider refuses a second zone of one domain."""

    zones_have_ttl: ClassVar[bool] = True
    """Whether the TTL of a zone can be set."""

    unknown_zone_id: ClassVar[str] = "conformance-no-such-zone.net"
    """An id of the provider's form that no zone has."""

    ttl: ClassVar[int] = 1200
    """A TTL in seconds that the provider keeps as it is, and that is not its default."""

    other_ttl: ClassVar[int] = 1260
    """Another such TTL."""

    data: ClassVar[Mapping[RecordType, str]] = DATA
    """Data of a record of each type; set others where the provider has a part only of what DNS allows."""

    examples: ClassVar[int] = 3
    """How many zones with records of all types are written and read back."""

    # What the tests create

    @classmethod
    def created(cls, driver: DNSDriver) -> Kind[Any]:
        """Return the zones: their domains begin with names of the run."""

        def listed() -> list[Zone]:
            offered = all(map(driver.supports, ("list_zones", "create_zone", "delete_zone")))
            return driver.list_zones() if offered else []

        return Kind("zones", listed, driver.delete_zone, attrgetter("domain"), cls.gone)

    def new_domain(self) -> str:
        """Return a domain that no other test uses."""
        return f"{RUN.name()}.{self.suffix}"

    @pytest.fixture
    def create_zone(self, driver: DNSDriver) -> Iterator[CreateZone]:
        """Creates zones, with domains that no other test uses."""
        self.need("list_zones", "create_zone", "delete_zone")
        with self.clearing(driver) as made:

            def create(domain: str | None = None, by: DNSDriver = driver) -> Zone:
                zone = by.create_zone(domain or self.new_domain())
                made.append(zone)
                return zone

            yield create

    @pytest.fixture
    def zone(self, driver: DNSDriver, request: pytest.FixtureRequest) -> Iterator[Zone]:
        """A zone that is listed; what a test creates in it is deleted.

        If the driver does not create zones, it is the first that it lists.
        """
        if "create_zone" not in self.not_offered:
            create: CreateZone = request.getfixturevalue("create_zone")
            yield self.zone_seen(driver, create())
            return
        zone = driver.list_zones()[0]
        before = {record.id for record in driver.list_records(zone)}
        yield zone
        made = [
            one for one in driver.list_records(zone) if one.id not in before and one.type != RecordType.SOA
        ]
        self.remove(driver.delete_record, made)

    @pytest.fixture
    def record(self, driver: DNSDriver, zone: Zone) -> Record:
        """An A record named "www" that is listed."""
        self.need("create_record", "list_records")
        return self.listed(driver, driver.create_record("www", zone, RecordType.A, ADDRESS))

    # Waiting

    def zone_seen(self, driver: DNSDriver, zone: Zone) -> Zone:
        """Return the zone from the list, as soon as it is listed."""
        message = f"the zone {zone.domain} (id {zone.id!r}) to be listed"
        return self.until(lambda: with_id(driver.list_zones(), zone.id), message)

    def listed(self, driver: DNSDriver, record: Record) -> Record:
        """Return the record from the list of its zone, as soon as it is listed."""
        message = f"the {record.type} record {record.name!r} (id {record.id!r}) to be listed"
        return self.until(lambda: with_id(driver.list_records(record.zone), record.id), message)

    def all_listed(self, driver: DNSDriver, records: Sequence[Record]) -> list[Record]:
        """Return the records of one zone from its list, as soon as all of them are listed."""
        found = {one.id: one for one in driver.list_records(records[0].zone)}
        return [found.get(one.id) or self.listed(driver, one) for one in records]

    def delisted(self, driver: DNSDriver, record: Record) -> None:
        """Return as soon as the record is not listed any more."""
        message = f"the {record.type} record {record.name!r} (id {record.id!r}) to leave the list"
        self.until(lambda: with_id(driver.list_records(record.zone), record.id) is None, message)

    def all_delisted(self, driver: DNSDriver, records: Sequence[Record]) -> None:
        """Return as soon as none of the records of one zone is listed any more."""
        found = {one.id for one in driver.list_records(records[0].zone)}
        for one in records:
            if one.id in found:
                self.delisted(driver, one)

    # Arguments

    def no_zone(self, driver: DNSDriver, id_: str | None = None) -> Zone:
        """Return a zone that does not exist."""
        return Zone(id_ or self.unknown_zone_id, "conformance-no-such-zone.net", "master", None, driver)

    def no_record(self, driver: DNSDriver, zone: Zone, id_: str | None = None) -> Record:
        """Return a record that does not exist."""
        return Record(id_ or self.unknown_id, "no-such-record", RecordType.A, ADDRESS, zone, driver)

    def need_type(self, driver: DNSDriver, type_: RecordType) -> None:
        """Skip the test unless the provider has this type of record."""
        if type_ not in driver.list_record_types():
            pytest.skip(f"the provider has no records of type {type_}")

    def arguments(self, driver: DNSDriver, id_: str = "") -> dict[str, tuple[Any, ...]]:
        """Return arguments of the operations of DNS; of resources that do not exist, without `id_`."""
        zone = self.no_zone(driver, id_)
        record = self.no_record(driver, zone, id_)
        return {
            "get_zone": (zone.id,),
            **dict.fromkeys(("create_zone", "find_zones"), (zone.domain,)),
            "update_zone": (zone, zone.domain),
            "get_record": (zone.id, record.id),
            "create_record": ("www", zone, RecordType.A, ADDRESS),
            "change_records": (zone, [RecordChange(record, None)]),
            **dict.fromkeys(("update_record", "delete_record"), (record,)),
            **dict.fromkeys(
                (
                    *("delete_zone", "list_records", "iterate_records"),
                    "export_zone_to_bind_format",
                ),
                (zone,),
            ),
            "export_zone_to_bind_zone_file": (zone, os.devnull),
        }
