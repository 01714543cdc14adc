"""Rules of zones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from polycloud.dns.base import DNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordType, ZoneAlreadyExistsError, ZoneDoesNotExistError
from polycloud.errors import PolycloudError
from polycloud.testing.cleanup import RUN
from polycloud.testing.conformance.assertions import check_objects, error_of, require_true, with_id
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.dns.suite import (
    ADDRESS,
    DATA,
    EXPORTED,
    EXTRA,
    NAMES,
    CreateZone,
    DNSSuite,
)


class ZoneRules(DNSSuite):
    """The rules of zones."""

    @rule()
    def test_d19_zones(self, driver: DNSDriver, zone: Zone) -> None:
        """A zone has id, domain without a trailing dot, type master or slave, TTL (int or None) and extra."""
        zones = driver.list_zones()
        check_objects(zones, Zone, driver, "domain", "type")
        for one in [zone, *zones]:
            assert not one.domain.endswith("."), f"the domain {one.domain!r} ends with a dot"
            assert one.type in {"master", "slave"}, f"the type of {one!r} is {one.type!r}"
            assert type(one.ttl) in {int, type(None)}, f"the ttl {one.ttl!r} of {one!r} is not an int"

    @rule()
    def test_d20_uuid(self, zone: Zone) -> None:
        """A zone's uuid is the SHA-1 of "id:provider"."""
        digest = hashlib.sha1(f"{zone.id}:{zone.driver.type}".encode()).hexdigest()  # noqa: S324
        assert zone.uuid == digest, f"the uuid is {zone.uuid}"

    @rule()
    def test_d21_create_zone(self, driver: DNSDriver, create_zone: CreateZone) -> None:
        """`create_zone` returns the zone of the given domain with the id that is then listed."""
        domain = self.new_domain()
        zone = create_zone(domain)
        check_objects([zone], Zone, driver, "domain", "type")
        for one in (zone, self.zone_seen(driver, zone)):
            assert one.domain == domain, f"the domain is {one.domain!r}, not {domain!r}"

    @rule()
    def test_d22_trailing_dot(self, create_zone: CreateZone) -> None:
        """A domain may be given with a trailing dot, which the zone's domain does not have."""
        domain = self.new_domain()
        zone = create_zone(f"{domain}.")
        assert zone.domain == domain, f"the domain is {zone.domain!r}, not {domain!r}"

    @rule()
    def test_d23_second_zone(self, driver: DNSDriver, zone: Zone, create_zone: CreateZone) -> None:
        """A second zone of a domain is refused with `ZoneAlreadyExistsError`."""
        if not self.unique_domains:
            pytest.skip("the provider has several zones of one domain")
        error_of(ZoneAlreadyExistsError, "the second create", create_zone, zone.domain)
        same = [one.id for one in driver.list_zones() if one.domain == zone.domain]
        assert same == [zone.id], f"there are the zones {same} of {zone.domain}"

    @rule()
    def test_d24_international_domains(self, driver: DNSDriver, create_zone: CreateZone) -> None:
        """A domain with letters of any script is kept as punycode, or refused."""
        domain = f"{RUN.name()}-bücher-例え.{self.suffix}"
        try:
            zone = create_zone(domain)
        except PolycloudError:
            return
        ascii_form = domain.encode("idna").decode()
        for one in (zone, self.zone_seen(driver, zone)):
            assert one.domain == ascii_form, f"{domain!r} became {one.domain!r}"

    @rule()
    def test_d25_complete_list(self, driver: DNSDriver, create_zone: CreateZone) -> None:
        """`list_zones` lists every zone once, over all pages."""
        made = driver.connection.gather([create_zone] * self.several)
        for zone in made:
            self.zone_seen(driver, zone)
        self.check_complete_list(made, driver.list_zones())

    @rule()
    def test_d26_iterate_zones(self, driver: DNSDriver, zone: Zone) -> None:
        """`iterate_zones` yields the zones that `list_zones` returns."""
        self.check_same_items(driver.iterate_zones, driver.list_zones)

    @rule("list_zones")
    def test_d27_get_zone(self, driver: DNSDriver, zone: Zone) -> None:
        """`get_zone` returns the zone with that id, or raises `ZoneDoesNotExistError`, which names the id."""
        found = driver.get_zone(zone.id)
        same = (found.id, found.domain) == (zone.id, zone.domain)
        assert same, f"get_zone({zone.id!r}) returns {found!r}"
        error = error_of(ZoneDoesNotExistError, "get_zone", driver.get_zone, self.unknown_zone_id)
        assert error.zone_id == self.unknown_zone_id, f"the error's zone_id is {error.zone_id!r}"

    @rule("update_zone")
    def test_d28_update_zone(self, driver: DNSDriver, zone: Zone) -> None:
        """`update_zone` returns the zone with a new TTL, and changes nothing else."""
        if not self.zones_have_ttl:
            pytest.skip("the provider's zones have no TTL")
        before = (zone.id, zone.domain, zone.type)
        changed = driver.update_zone(zone, ttl=self.ttl)
        for one in (changed, driver.get_zone(zone.id)):  # lists may lack TTLs
            assert one.ttl == self.ttl, f"the TTL is {one.ttl!r}, not {self.ttl}"
            assert (one.id, one.domain, one.type) == before, f"{before} became {one!r}"

    @rule("delete_zone")
    def test_d29_delete_zone(self, driver: DNSDriver, record: Record, zone: Zone) -> None:
        """`delete_zone` returns True, and the zone leaves the list, although it has records."""
        require_true("delete_zone", driver.delete_zone(zone))
        message = f"the zone {zone.domain} to leave the list"
        self.until(lambda: with_id(driver.list_zones(), zone.id) is None, message)

    @rule()
    def test_d30_unknown_zone(self, driver: DNSDriver) -> None:
        """An operation on a zone that does not exist raises `ZoneDoesNotExistError`."""
        zone = self.no_zone(driver)
        calls: dict[str, Callable[[], object]] = {
            "delete_zone": partial(driver.delete_zone, zone),
            "update_zone": partial(driver.update_zone, zone, ttl=self.ttl if self.zones_have_ttl else None),
            "list_records": partial(driver.list_records, zone),
            "create_record": partial(driver.create_record, "www", zone, RecordType.A, ADDRESS),
        }
        for name, call in calls.items():
            if name not in self.not_offered:
                error_of(ZoneDoesNotExistError, name, call)

    @rule("create_record", "delete_zone", "list_records")
    def test_d31_methods_of_zones(self, driver: DNSDriver, zone: Zone) -> None:
        """A zone's own methods do what the driver's do."""
        made = zone.create_record("www", RecordType.A, ADDRESS)
        self.listed(driver, made)
        self.check_same_items(zone.list_records, partial(driver.list_records, zone))
        require_true("delete", zone.delete())
        self.until(lambda: with_id(driver.list_zones(), zone.id) is None, "the zone to leave the list")

    # Export

    @rule("create_record", "list_records")
    def test_d32_export(self, driver: DNSDriver, record: Record, zone: Zone) -> None:
        """The export is a zone file with all records, which `from_bind` reads; SOA may be left out."""
        files = pytest.importorskip("dns.zone", reason="zone files need dnspython")
        from polycloud.dns.zonefile import from_bind

        made = [
            driver.create_record(NAMES.get(one, one.lower()), zone, one, self.data[one], EXTRA.get(one))
            for one in set(self.data) & set(driver.list_record_types())
        ]
        self.all_listed(driver, made)
        text = driver.export_zone_to_bind_format(zone)
        parsed = files.from_text(text, f"{zone.domain}.", relativize=False, check_origin=False)
        found = {(name.to_text(), data.rdtype.name) for name, _, data in parsed.iterate_rdatas()}
        wanted = [each.content for each in from_bind(text, zone.domain)]
        for one in driver.list_records(zone):
            if one.type == RecordType.SOA:
                continue  # some providers show only a part of it
            name = f"{one.name}.{zone.domain}." if one.name else f"{zone.domain}."
            assert (name, one.type) in found, f"the {one.type} record {name} is not in {text}"
            assert any(each.equals(one) for each in wanted), f"the {one.type} record {name} is not read back"
        standard = (one for one in EXPORTED if self.data[one] == DATA[one])
        for type_ in set(standard) & set(driver.list_record_types()):
            name = NAMES.get(type_, type_.lower())
            exported = parsed.find_rdataset(f"{name}.{zone.domain}.", type_)[0].to_text()
            assert exported == EXPORTED[type_], f"{EXPORTED[type_]!r} became {exported!r}"

    @rule("create_record", "list_records")
    def test_d33_export_to_a_file(
        self, driver: DNSDriver, record: Record, zone: Zone, tmp_path: Path
    ) -> None:
        """`export_zone_to_bind_zone_file` writes the text of `export_zone_to_bind_format`."""
        pytest.importorskip("dns", reason="zone files need dnspython")
        file = tmp_path / "zone"
        driver.export_zone_to_bind_zone_file(zone, str(file))
        expected = driver.export_zone_to_bind_format(zone)
        found = file.read_text(encoding="utf-8")
        assert found == expected, f"the file has {found!r}, the export is {expected!r}"
