"""Rules of values: what a record is given it has, whatever the type, the text and the TTL."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from polycloud.dns.base import DNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.plan import plan_zone
from polycloud.dns.rdata import VALUE_FIELDS, write_rdata
from polycloud.dns.types import RecordType
from polycloud.dns.wanted import WantedZone
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.testing.cleanup import RUN
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.dns.suite import ADDRESS, EXTRA, NAMES, DNSSuite

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

LABEL = r"[a-z]{1,8}(-[a-z0-9]{1,8})?"
LONG_TEXT = "0123456789" * 400
LATIN = b"caf\xe9".decode(errors="surrogateescape")
TTLS = (0, 1, 601, 86_399, 2**31 - 1)


class Value(NamedTuple):
    """The name and value of a record, as all drivers spell it."""

    name: str
    type: RecordType | str
    data: str
    fields: dict[str, Any]


class ValueRules(DNSSuite):
    """The rules of values."""

    @rule("create_record", "list_records", "delete_record")
    def test_d63_round_trips(self, driver: DNSDriver, zone: Zone) -> None:
        """Records of all types are listed as they were created, and so are those created from that list."""
        pytest.importorskip("hypothesis", reason="round trips need hypothesis")
        from hypothesis import Phase, given, settings

        phases = [Phase.generate]  # to shrink an example takes hundreds of requests
        few = settings(
            max_examples=self.examples, derandomize=True, database=None, deadline=None, phases=phases
        )

        @few
        @given(_records(self.data, driver.list_record_types(), RUN.name(), driver.lost_characters))
        def round_trip(wanted: list[Value]) -> None:
            created = self._created(driver, zone, wanted)
            self._created(driver, zone, [_value(one) for one in created])

        round_trip()

    def _created(self, driver: DNSDriver, zone: Zone, wanted: list[Value]) -> list[Record]:
        """Create records; assert that they are returned and listed like that; delete them."""
        made = [
            driver.create_record(name, zone, RecordType(type_), data, {**fields, "ttl": self.ttl})
            for name, type_, data, fields in wanted
        ]
        listed = self.all_listed(driver, made)
        for one in reversed(made):
            driver.delete_record(one)
        self.all_delisted(driver, made)
        for records in (made, listed):
            for value, found in zip(wanted, map(_value, records), strict=True):
                assert found == value, f"{value} became {found}"
        return listed

    @rule("create_record", "list_records")
    @pytest.mark.parametrize("text", [LONG_TEXT, ""])
    def test_d64_long_and_empty_texts(self, driver: DNSDriver, zone: Zone, text: str) -> None:
        """A text of 4,000 bytes, or of none, is kept, or refused before anything is sent."""
        self.need_type(driver, RecordType.TXT)
        if driver.longest_text < len(text) or not (text or driver.has_empty_texts):
            self._require_refused(driver, zone, RecordType.TXT, text)
        else:
            self._require_kept(driver, zone, RecordType.TXT, text)

    @rule("create_record", "list_records")
    def test_d65_bytes(self, driver: DNSDriver, zone: Zone) -> None:
        """Text that is not UTF-8 has surrogates, which JSON keeps, or is refused before anything is sent."""
        self.need_type(driver, RecordType.TXT)
        if not driver.keeps_bytes:
            self._require_refused(driver, zone, RecordType.TXT, LATIN)
            return
        for one in self._require_kept(driver, zone, RecordType.TXT, LATIN):
            copy = json.loads(json.dumps(one.data))
            assert copy.encode(errors="surrogateescape") == b"caf\xe9", f"{one.data!r} became {copy!r}"

    @rule("create_record", "list_records")
    @pytest.mark.parametrize("ttl", TTLS)
    def test_d66_rounded_ttls(self, driver: DNSDriver, zone: Zone, ttl: int) -> None:
        """A TTL becomes what `stored_ttl` returns for it, or both, and plans, refuse it before it is sent."""
        try:
            stored = driver.stored_ttl(ttl)
        except InvalidArgumentError:
            self._require_refused(driver, zone, RecordType.A, ADDRESS, {"ttl": ttl})
            wanted = WantedZone(zone.domain)
            wanted.add("value", RecordType.A, ADDRESS, {"ttl": ttl})
            with pytest.raises(InvalidArgumentError, match="ttl"):
                plan_zone(zone, wanted, only=["value"])
            return
        again = driver.stored_ttl(stored)
        assert again == stored, f"{ttl} is stored as {stored}, and {stored} as {again}"
        for one in self._require_kept(driver, zone, RecordType.A, ADDRESS, {"ttl": ttl}):
            assert one.ttl == stored, f"the TTL is {one.ttl}, and stored_ttl({ttl}) is {stored}"

    @rule("create_record", "list_records", "update_record")
    def test_d67_updates_of_types(self, driver: DNSDriver, zone: Zone, record: Record) -> None:
        """An update changes the type, or is refused with `UnsupportedOperationError` before it is sent."""
        self.need_type(driver, RecordType.AAAA)
        try:
            changed = driver.update_record(record, type=RecordType.AAAA, data="2001:db8::1")
        except UnsupportedOperationError:
            self.check_refused_unsent(
                driver,
                UnsupportedOperationError,
                lambda far: far.update_record(record, type=RecordType.AAAA, data="2001:db8::1"),
            )
            return
        for one in (changed, self.listed(driver, changed)):
            found = _value(one)
            assert found == Value("www", RecordType.AAAA, "2001:db8::1", {}), f"the record is {one!r}"

    def _require_kept(
        self,
        driver: DNSDriver,
        zone: Zone,
        type_: RecordType,
        data: str,
        extra: dict[str, Any] | None = None,
    ) -> list[Record]:
        """Return the record as it is returned by its create, and as it is listed."""
        made = driver.create_record("value", zone, type_, data, extra)
        records = [made, self.listed(driver, made)]
        for one in records:
            assert one.data == data, f"{data!r} became {one.data!r}"
        return records

    def _require_refused(
        self,
        driver: DNSDriver,
        zone: Zone,
        type_: RecordType,
        data: str,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.check_refused_unsent(
            driver, InvalidArgumentError, lambda far: far.create_record("value", zone, type_, data, extra)
        )


def _value(record: Record) -> Value:
    fields = VALUE_FIELDS.get(record.type, ())
    return Value(record.name, record.type, record.data, {one: record.extra.get(one) for one in fields})


def _records(
    data: Mapping[RecordType, str], types: Collection[RecordType], below: str, lost: str
) -> SearchStrategy[list[Value]]:
    """Return lists of records, one of each type that has examples, with names of their own below a name.

    DS has the name of NS, without which BIND ignores it.
    """
    from hypothesis import strategies as st

    label = st.from_regex(LABEL, fullmatch=True)
    host = st.builds("{}.{}.example".format, label, label)
    characters = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters=lost)
    chosen = sorted(set(data) & set(types), key=lambda one: (one == RecordType.DS, one))
    values = {
        **{one: st.just(write_rdata(one, data[one], EXTRA.get(one, {})).data) for one in chosen},
        RecordType.A: st.ip_addresses(v=4, network="192.0.2.0/24").map(str),
        RecordType.AAAA: st.ip_addresses(v=6, network="2001:db8::/32").map(str),
        RecordType.TXT: st.text(characters, min_size=1, max_size=300),
        **dict.fromkeys((RecordType.CAA, RecordType.CNAME, RecordType.MX, RecordType.NS), host),
        **dict.fromkeys((RecordType.PTR, RecordType.SRV), host),
    }
    fields: dict[str, SearchStrategy[Any]] = {
        "flags": st.just(0),
        "priority": st.integers(1, 255),
        "weight": st.integers(0, 65_535),
        "port": st.integers(0, 65_535),
        "tag": st.sampled_from(["issue", "issuewild"]),
    }

    def record(type_: RecordType) -> SearchStrategy[Value]:
        name = {RecordType.DS: "ns", **NAMES}.get(type_, type_.lower())
        extra = st.fixed_dictionaries({one: fields[one] for one in VALUE_FIELDS.get(type_, ())})
        return st.builds(Value, st.just(f"{name}.{below}"), st.just(type_), values[type_], extra)

    return st.tuples(*map(record, chosen)).map(list)
