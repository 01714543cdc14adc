"""Rules of records: their attributes, types, names, data and lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from polycloud.dns.base import DNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import (
    RecordAlreadyExistsError,
    RecordConflictError,
    RecordDoesNotExistError,
    RecordType,
    ZoneDoesNotExistError,
)
from polycloud.errors import InvalidArgumentError, PolycloudError, UnsupportedOperationError
from polycloud.testing.conformance.assertions import check_objects, error_of, require_true, with_id
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.dns.suite import ADDRESS, DATA, EXTRA, NAMES, DNSSuite

OTHER_ADDRESS = "192.0.2.2"
VALID_NAMES = ("www", "*", "*.shop", "_dmarc", "_sip._tcp", "a.b.c", "a" * 63)
TEXTS = (
    "v=spf1 include:example.org ~all",
    'quotes " and \\ backslashes; semicolons',
    "long " + "0123456789" * 60,
)
INVALID_NAMES = (7, "a..b", "a b", "a\nb", "a" * 64)
INVALID_DATA: Mapping[RecordType, tuple[str, ...]] = {
    RecordType.A: ("", "host", "192.0.2.256", "2001:db8::1", "192.0.2.1 192.0.2.2"),
    RecordType.AAAA: ("192.0.2.1", "2001:db8::1::2"),
    RecordType.CNAME: ("", "@", "a..b", f"{'a' * 64}.example.org"),
    RecordType.DS: ("1 13 2 zz",),
    RecordType.LOC: ("here",),
    RecordType.SSHFP: ("4 2 0",),
    RecordType.TXT: ("x" * 70_000,),
}
SPELLINGS = (
    (RecordType.AAAA, "2001:DB8:0:0::1", "2001:db8::1"),
    (RecordType.CNAME, "Host.Example.ORG.", "host.example.org"),
    (RecordType.CNAME, "bücher.example", "xn--bcher-kva.example"),
)
TOGETHER = 6
INVALID_TTLS = (-1, 2**31, 0.5, "soon", True)


class RecordRules(DNSSuite):
    """The rules of records."""

    @rule()
    def test_d34_records(self, driver: DNSDriver, record: Record, zone: Zone) -> None:
        """A record has id, relative name, type, data, zone, TTL (int or None, also in extra) and extra."""
        records = driver.list_records(zone)
        check_objects(records, Record, driver, "name", "data")
        for one in [record, *records]:
            known = isinstance(one.type, RecordType) or one.type not in RecordType.__members__
            assert known, f"the type {one.type!r} of {one!r} is not a RecordType"
            assert one.zone.id == zone.id, f"the zone of {one!r} is {one.zone!r}"
            assert type(one.ttl) in {int, type(None)}, f"the ttl {one.ttl!r} of {one!r} is not an int"
            assert one.extra.get("ttl") == one.ttl, f"extra['ttl'] of {one!r} is {one.extra.get('ttl')!r}"
            assert not f"{one.name}.".endswith(f"{zone.domain}."), f"the name {one.name!r} is not relative"

    @rule()
    def test_d35_record_types(self, driver: DNSDriver) -> None:
        """`list_record_types` returns different `RecordType`s, among them A."""
        types = driver.list_record_types()
        assert RecordType.A in types, f"A is not in {types}"
        assert all(isinstance(one, RecordType) for one in types), f"not all of {types} are RecordTypes"
        assert len(set(types)) == len(types), f"a type comes twice in {types}"

    @rule("create_record")
    def test_d36_unsupported_types(self, driver: DNSDriver, zone: Zone) -> None:
        """A type that the provider does not have raises `UnsupportedOperationError`, and nothing is sent."""
        missing = [one for one in RecordType if one not in driver.list_record_types()]
        for type_ in (*missing[:1], "NOSUCH"):
            self.check_refused_unsent(driver, UnsupportedOperationError, self._create(zone, type_))

    @rule("create_record")
    def test_d37_invalid_arguments(self, driver: DNSDriver, zone: Zone) -> None:
        """An argument of a wrong type or range is refused before anything is sent."""
        invalid: list[dict[str, Any]] = [{"extra": {"ttl": ttl}} for ttl in INVALID_TTLS]
        invalid += [{"name": name} for name in INVALID_NAMES]
        invalid += [{"zone": zone.domain}, {"type": [RecordType.A]}, {"data": None}, {"extra": "ttl=60"}]
        invalid += [{"type": type_} for type_ in EXTRA if type_ in driver.list_record_types()]
        for arguments in invalid:
            create = self._create_with({"zone": zone, "type": RecordType.A} | arguments)
            self.check_refused_unsent(driver, InvalidArgumentError, create)

    def _create(self, zone: Zone, type_: Any) -> Callable[[DNSDriver], Record]:
        return self._create_with({"zone": zone, "type": type_})

    def _create_with(self, arguments: dict[str, Any]) -> Callable[[DNSDriver], Record]:
        return lambda driver: driver.create_record(**{"name": "www", "data": ADDRESS} | arguments)

    # Creation

    @rule("create_record", "list_records")
    @pytest.mark.parametrize("type_", DATA)
    def test_d38_create_record(self, driver: DNSDriver, zone: Zone, type_: RecordType) -> None:
        """`create_record` returns the record with the given content, as it is then listed."""
        self.need_type(driver, type_)
        extra = EXTRA.get(type_, {})
        name = NAMES.get(type_, "name")
        made = driver.create_record(name, zone, type_, self.data[type_], extra)
        for one in (made, self.listed(driver, made)):
            check_objects([one], Record, driver, "name", "data")
            found = (one.name, one.type, one.data.rstrip("."))
            assert found == (name, type_, self.data[type_]), f"the record is {one!r}"
            kept = {field: one.extra.get(field) for field in extra}
            assert kept == extra, f"the extra of {one!r} is {one.extra}, not {extra}"

    @rule("create_record", "list_records")
    def test_d39_ttl(self, driver: DNSDriver, zone: Zone) -> None:
        """`extra["ttl"]` is the TTL of the record."""
        made = driver.create_record("www", zone, RecordType.A, ADDRESS, {"ttl": self.ttl})
        for one in (made, self.listed(driver, made)):
            assert one.ttl == self.ttl, f"the TTL of {one!r} is not {self.ttl}"

    @rule("create_record", "list_records")
    @pytest.mark.parametrize("apex", ["", "@", None])
    def test_d40_apex(self, driver: DNSDriver, zone: Zone, apex: str | None) -> None:
        """The names "", "@" and None are the zone itself, whose records have the name ""."""
        self._require_name(driver, zone, apex, "")

    @rule("create_record", "list_records")
    @pytest.mark.parametrize("name", VALID_NAMES)
    def test_d41_names(self, driver: DNSDriver, zone: Zone, name: str) -> None:
        """Wildcards, names with underscores, with several and with long labels are kept as they are."""
        self._require_name(driver, zone, name, name)

    @rule("create_record", "list_records")
    def test_d42_absolute_names(self, driver: DNSDriver, zone: Zone) -> None:
        """A name with a trailing dot is absolute: kept relative to the zone, or refused unsent outside it."""
        self._require_name(driver, zone, f"www.{zone.domain}.", "www")
        outside = self._create_with({"zone": zone, "type": RecordType.A, "name": "www.example.net."})
        self.check_refused_unsent(driver, InvalidArgumentError, outside)

    @rule("create_record", "list_records")
    def test_d43_international_names(self, driver: DNSDriver, zone: Zone) -> None:
        """A name with letters of any script is kept as punycode, or refused."""
        name = "bücher-例え"
        try:
            made = driver.create_record(name, zone, RecordType.A, ADDRESS)
        except PolycloudError:
            return
        for one in (made, self.listed(driver, made)):
            assert one.name == name.encode("idna").decode(), f"{name!r} became {one.name!r}"

    @rule("create_record", "list_records")
    @pytest.mark.parametrize("text", TEXTS, ids=["SPF", "quotes", "long"])
    def test_d44_texts(self, driver: DNSDriver, zone: Zone, text: str) -> None:
        """The data of TXT is unquoted text; quotes and backslashes are kept, or refused unsent."""
        self.need_type(driver, RecordType.TXT)
        if set(text) & set(driver.lost_characters):
            create = self._create_with({"zone": zone, "type": RecordType.TXT, "data": text})
            self.check_refused_unsent(driver, InvalidArgumentError, create)
            return
        made = driver.create_record("text", zone, RecordType.TXT, text)
        for one in (made, self.listed(driver, made)):
            assert one.data == text, f"{text!r} became {one.data!r}"

    @rule("create_record", "list_records", "delete_record")
    def test_d45_several_values(self, driver: DNSDriver, zone: Zone, record: Record) -> None:
        """A name may have several records of one type, each with an id and data of its own."""
        other = driver.create_record(record.name, zone, RecordType.A, OTHER_ADDRESS)
        self.listed(driver, other)
        found = {one.id: one.data for one in driver.list_records(zone) if one.name == record.name}
        assert found == {record.id: ADDRESS, other.id: OTHER_ADDRESS}, f"the records are {found}"
        driver.delete_record(other)
        self.delisted(driver, other)
        left = [one.id for one in driver.list_records(zone) if one.name == record.name]
        assert left == [record.id], f"with {other.id} deleted, there are {left}"

    @rule("create_record", "list_records")
    def test_d56_equal_values(self, driver: DNSDriver, zone: Zone, record: Record) -> None:
        """A value that its name has already raises `RecordAlreadyExistsError`, and is not added."""
        create = partial(driver.create_record, record.name, zone, RecordType.A, ADDRESS)
        error = error_of(RecordAlreadyExistsError, "the second create", create)
        assert error.record_id == record.id, f"the error's record_id is {error.record_id!r}"
        self._require_values(driver, record, [ADDRESS])

    @rule("create_record", "list_records")
    def test_d57_aliases_alone(self, driver: DNSDriver, zone: Zone, record: Record) -> None:
        """A CNAME beside other data, and the other way round, raises `RecordConflictError`."""
        self.need_type(driver, RecordType.CNAME)
        beside = partial(driver.create_record, record.name, zone, RecordType.CNAME, "host.example.org")
        error_of(RecordConflictError, "a CNAME beside an A record", beside)
        self._require_values(driver, record, [ADDRESS])
        alias = driver.create_record("alias", zone, RecordType.CNAME, "host.example.org")
        self.listed(driver, alias)
        for type_, data in ((RecordType.A, ADDRESS), (RecordType.CNAME, "other.example.org")):
            beside = partial(driver.create_record, "alias", zone, type_, data)
            error_of(RecordConflictError, f"a record of type {type_} beside a CNAME", beside)
        self._require_values(driver, alias, ["host.example.org"])

    def _require_values(self, driver: DNSDriver, record: Record, expected: list[str]) -> None:
        found = sorted(one.data for one in driver.list_records(record.zone) if one.name == record.name)
        assert found == expected, f"{record.name!r} has the values {found}, not {expected}"

    @rule("create_record")
    @pytest.mark.parametrize("type_", INVALID_DATA)
    def test_d58_invalid_data(self, driver: DNSDriver, zone: Zone, type_: RecordType) -> None:
        """Data that is not valid for its type is refused before anything is sent."""
        self.need_type(driver, type_)
        for data in INVALID_DATA[type_]:
            create = self._create_with({"zone": zone, "type": type_, "data": data})
            self.check_refused_unsent(driver, InvalidArgumentError, create)

    @rule("create_record", "list_records")
    @pytest.mark.parametrize(("type_", "given", "expected"), SPELLINGS)
    def test_d59_spellings(
        self, driver: DNSDriver, zone: Zone, type_: RecordType, given: str, expected: str
    ) -> None:
        """Addresses and host names are in one spelling: short, lower case, punycode, without a dot."""
        self.need_type(driver, type_)
        made = driver.create_record("name", zone, type_, given)
        for one in (made, self.listed(driver, made)):
            assert one.data == expected, f"{given!r} became {one.data!r}, not {expected!r}"

    @rule("create_record", "list_records")
    def test_d60_values_at_once(self, driver: DNSDriver, zone: Zone) -> None:
        """Values that callers add to one name at the same time are all kept."""
        addresses = [f"192.0.2.{number}" for number in range(1, TOGETHER + 1)]
        create = partial(driver.create_record, "pool", zone, RecordType.A)
        self.all_listed(driver, driver.connection.gather([partial(create, one) for one in addresses]))
        found = sorted(one.data for one in driver.list_records(zone) if one.name == "pool")
        assert found == addresses, f"{found} are left of {addresses}"

    @rule("create_record", "list_records", "update_record")
    def test_d61_updates_to_equal_values(self, driver: DNSDriver, zone: Zone, record: Record) -> None:
        """An update to a value that the name has already is refused, and changes nothing."""
        other = driver.create_record("www", zone, RecordType.A, OTHER_ADDRESS)
        elsewhere = driver.create_record("elsewhere", zone, RecordType.A, ADDRESS)
        self.all_listed(driver, [other, elsewhere])
        changes = {
            "data": partial(driver.update_record, other, data=ADDRESS),
            "name": partial(driver.update_record, elsewhere, name="www"),
        }
        for field, update in changes.items():
            error_of(RecordAlreadyExistsError, f"an update of {field}", update)
        self._require_values(driver, record, [ADDRESS, OTHER_ADDRESS])
        self._require_values(driver, elsewhere, [ADDRESS])

    @rule("create_record", "list_records", "update_record")
    def test_d62_updates_to_aliases(self, driver: DNSDriver, zone: Zone, record: Record) -> None:
        """A CNAME that is renamed to a name with other data is refused, and the other way round."""
        self.need_type(driver, RecordType.CNAME)
        alias = driver.create_record("alias", zone, RecordType.CNAME, "host.example.org")
        self.listed(driver, alias)
        for one, name in ((alias, record.name), (record, alias.name)):
            update = partial(driver.update_record, one, name=name)
            error_of(RecordConflictError, f"the update of {one!r} to the name {name!r}", update)
        self._require_values(driver, record, [ADDRESS])
        self._require_values(driver, alias, ["host.example.org"])

    def _require_name(self, driver: DNSDriver, zone: Zone, given: str | None, expected: str) -> None:
        made = driver.create_record(given, zone, RecordType.A, ADDRESS)
        for one in (made, self.listed(driver, made)):
            assert one.name == expected, f"the name {given!r} became {one.name!r}, not {expected!r}"

    # Lists

    @rule("create_record", "list_records")
    def test_d46_complete_list(self, driver: DNSDriver, zone: Zone) -> None:
        """`list_records` lists every record of its zone once, over all pages."""
        create = partial(driver.create_record, zone=zone, type=RecordType.A, data=ADDRESS)
        made = [create(f"host-{number}") for number in range(self.several)]
        self.all_listed(driver, made)
        self.check_complete_list(made, driver.list_records(zone))

    @rule("list_records")
    def test_d47_iterate_records(self, driver: DNSDriver, record: Record, zone: Zone) -> None:
        """`iterate_records` yields the records that `list_records` returns."""
        self.check_same_items(partial(driver.iterate_records, zone), partial(driver.list_records, zone))

    @rule("list_zones", "list_records")
    def test_d48_get_record(self, driver: DNSDriver, record: Record, zone: Zone) -> None:
        """`get_record` returns the record with that id, or raises an error that names the missing id."""
        found = driver.get_record(zone.id, record.id)
        same = (found.id, found.name, found.data) == (record.id, record.name, record.data)
        assert same, f"get_record({zone.id!r}, {record.id!r}) returns {found!r}"
        get = partial(driver.get_record, zone.id, self.unknown_id)
        error = error_of(RecordDoesNotExistError, "get_record", get)
        assert error.record_id == self.unknown_id, f"the error's record_id is {error.record_id!r}"
        get = partial(driver.get_record, self.unknown_zone_id, record.id)
        zone_error = error_of(ZoneDoesNotExistError, "get_record", get)
        assert zone_error.zone_id == self.unknown_zone_id, f"the error's zone_id is {zone_error.zone_id!r}"

    # Changes

    @rule("create_record", "list_records", "update_record")
    def test_d49_update_record(self, driver: DNSDriver, zone: Zone) -> None:
        """`update_record` changes the given attributes, returns the record, and changes nothing else."""
        record = driver.create_record("a", zone, RecordType.A, ADDRESS, {"ttl": self.ttl})
        record = self._updated(driver, record, data=OTHER_ADDRESS)
        record = self._updated(driver, record, name="b")
        self._updated(driver, record, extra={"ttl": self.other_ttl})

    @rule("create_record", "list_records", "update_record")
    def test_d50_update_with_priority(self, driver: DNSDriver, zone: Zone) -> None:
        """`update_record` keeps the priority of an MX record, unless it is given."""
        self.need_type(driver, RecordType.MX)
        extra = {"priority": 10, "ttl": self.ttl}
        record = driver.create_record("", zone, RecordType.MX, "mail.example.com", extra)
        record = self._updated(driver, record, data="mx.example.com")
        self._updated(driver, record, extra={"priority": 20})

    def _updated(self, driver: DNSDriver, record: Record, **changes: Any) -> Record:
        """Update a record; assert that it has the changes, and is the same in everything else."""
        expected = {**_content(record), **changes.pop("extra", {}) | changes}
        given = {name: expected[name] for name in expected if expected[name] != _content(record)[name]}
        extra = {name: given.pop(name) for name in ("ttl", "priority") if name in given}
        changed = driver.update_record(record, extra=extra or None, **given)
        assert changed.id, f"{changed!r} has no id"
        for one in (changed, self.until(lambda: self._listed_as(driver, changed, expected), "the change")):
            assert _content(one) == expected, f"the update gave {_content(one)}, not {expected}"
        return changed

    def _listed_as(self, driver: DNSDriver, record: Record, expected: dict[str, Any]) -> Record | None:
        found = with_id(driver.list_records(record.zone), record.id)
        return found if found is not None and _content(found) == expected else None

    @rule("delete_record")
    def test_d51_delete_record(self, driver: DNSDriver, record: Record) -> None:
        """`delete_record` returns True, and the record leaves the list."""
        require_true("delete_record", driver.delete_record(record))
        self.delisted(driver, record)

    @rule("list_records")
    def test_d52_unknown_record(self, driver: DNSDriver, zone: Zone) -> None:
        """An operation on a record that does not exist raises `RecordDoesNotExistError`."""
        record = self.no_record(driver, zone)
        calls: dict[str, Callable[[], object]] = {
            "update_record": partial(driver.update_record, record, data=OTHER_ADDRESS),
            "delete_record": partial(driver.delete_record, record),
        }
        for name, call in calls.items():
            if name not in self.not_offered:
                error_of(RecordDoesNotExistError, name, call)

    @rule("update_record", "delete_record")
    def test_d53_methods_of_records(self, driver: DNSDriver, record: Record) -> None:
        """A record's own methods do what the driver's do."""
        changed = record.update(data=OTHER_ADDRESS)
        assert changed.data == OTHER_ADDRESS, f"update() returned {changed!r}"
        require_true("delete", changed.delete())
        self.delisted(driver, changed)


def _content(record: Record) -> dict[str, Any]:
    """Return what an update changes, by the names of its arguments and the keys of `extra`."""
    return {
        "name": record.name,
        "type": record.type,
        "data": record.data.rstrip("."),
        "ttl": record.ttl,
        "priority": record.extra.get("priority"),
    }
