"""The base of drivers whose provider keeps record sets, on one that keeps them in memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from polycloud.common.base import Connection
from polycloud.dns import recordsets
from polycloud.dns.changes import RecordChange
from polycloud.dns.content import Content
from polycloud.dns.objects import Zone
from polycloud.dns.recordsets import RecordSet, RecordSetsDriver, SetChange, SetsChangedError, SetValue
from polycloud.dns.types import (
    RecordAlreadyExistsError,
    RecordConflictError,
    RecordDoesNotExistError,
    RecordType,
)
from polycloud.errors import AmbiguousCreateError, ConflictError, Exchange, ServerError, translated

EXCHANGE = Exchange("Sets", "POST", "/sets", 200)


def place(one: RecordSet) -> tuple[str, str]:
    return one.name, f"{one.type}{one.key}"


class Sets(RecordSetsDriver):
    """Keeps sets, counts changes, and lets a test interfere before each of them."""

    type = "sets"
    name = "Sets"
    connectionCls = Connection
    RECORD_TYPE_MAP = {one: one.value for one in RecordType}  # noqa: RUF012 - as drivers write it
    value_extra = frozenset({"disabled"})
    set_extra = frozenset({"note"})
    settle_time = 0.2  # shorter than a provider's

    def __init__(self) -> None:
        super().__init__("")
        self.kept: dict[tuple[str, str], RecordSet] = {}
        self.interferes: list[Any] = []
        self.changes: list[list[SetChange]] = []

    def list_zones(self) -> list[Zone]:
        return [Zone("1", "example.org", "master", 300, self)]

    def _sets(self, zone: Zone, name: str | None = None) -> Iterable[RecordSet]:
        return list(self.kept.values())

    def _change_sets(self, zone: Zone, changes: list[SetChange]) -> None:
        self.changes.append(changes)
        if self.interferes:
            self.interferes.pop(0)()
        for before, after in changes:
            one = before or after
            assert one is not None
            if self.kept.get(place(one)) != before:
                error = ConflictError(409, "it is not like that").locate(EXCHANGE)
                raise translated(error, SetsChangedError(driver=self)) from error
        self.carry_out(changes)

    def carry_out(self, changes: list[SetChange]) -> None:
        for before, after in changes:
            if before:
                del self.kept[place(before)]
            if after:
                self.kept[place(after)] = after

    def values(self, name: str = "www", type_: str = "A") -> list[str]:
        return [one.text for one in self.kept[name, type_].values]

    def add(self, text: str, name: str = "www", **extra: Any) -> None:
        """Add a value, as another program does."""
        old = self.kept.get((name, "A")) or RecordSet(name, RecordType.A, 60, (), extra)
        self.kept[name, "A"] = replace(old, values=(*old.values, SetValue(text)))


@pytest.fixture
def driver() -> Sets:
    return Sets()


@pytest.fixture
def zone(driver: Sets) -> Zone:
    return driver.list_zones()[0]


def test_a_value_is_added_to_its_set(driver: Sets, zone: Zone) -> None:
    """A second value joins the set, with its TTL and what else the provider has, and the first stays."""
    driver.add("192.0.2.1", note="by ann")
    made = zone.create_record("www", RecordType.A, "192.0.2.2", {"disabled": True})
    assert driver.values() == ["192.0.2.1", "192.0.2.2"]
    assert driver.kept["www", "A"].extra == {"note": "by ann"}
    assert made.extra == {"ttl": 60, "note": "by ann", "disabled": True}
    assert [one.extra for one in zone.list_records()] == [{"ttl": 60, "note": "by ann"}, made.extra]


def test_ttls_of_sets(driver: Sets, zone: Zone) -> None:
    """A new set has the given TTL, else that of its zone, else the default; a given one is the set's."""
    assert zone.create_record("a", RecordType.A, "192.0.2.1").ttl == 300
    assert zone.create_record("a", RecordType.A, "192.0.2.2", {"ttl": 60}).ttl == 60
    assert {one.ttl for one in zone.list_records()} == {60}
    zone.ttl = None
    assert zone.create_record("b", RecordType.A, "192.0.2.1").ttl == driver.default_ttl


def test_ids(driver: Sets, zone: Zone) -> None:
    """An id is type, name and value, a digest of a long value, and finds its record."""
    texts = {"short": "text", "long": "text" * 100}
    for name, text in texts.items():
        made = zone.create_record(name, RecordType.TXT, text)
        assert driver.get_record("1", made.id).data == text
        assert made.id.startswith(f"TXT:{name}:")
        assert len(made.id) < 80
    assert zone.list_records()[0].id == 'TXT:short:"text"'


def test_ids_of_soa(driver: Sets, zone: Zone) -> None:
    """The id of the SOA record stays when its serial changes."""
    texts = [f"ns1.example.org. hostmaster.example.org. {serial} 1 2 3 4" for serial in (1, 2)]
    ids = set()
    for text in texts:
        driver.kept["", "SOA"] = RecordSet("", RecordType.SOA, 60, (SetValue(text),))
        ids |= {one.id for one in zone.list_records()}
    assert ids == {"SOA::"}
    assert driver.get_record("1", "SOA::").data == texts[1]


def test_deletes_of_siblings(driver: Sets, zone: Zone) -> None:
    """A deleted value leaves its siblings; the set is deleted with its last value."""
    records = [zone.create_record("www", RecordType.A, f"192.0.2.{number}") for number in (1, 2)]
    records[0].delete()
    assert driver.values() == ["192.0.2.2"]
    records[1].delete()
    assert driver.kept == {}
    with pytest.raises(RecordDoesNotExistError) as caught:
        records[1].delete()
    assert caught.value.record_id == "A:www:192.0.2.2"


def test_an_update_keeps_what_is_not_given(driver: Sets, zone: Zone) -> None:
    """An update keeps the TTL and the extra that the provider has now, not those that were read before."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1", {"ttl": 60, "note": "old"})
    driver.kept["www", "A"] = replace(driver.kept["www", "A"], ttl=90, extra={"note": "new"})
    changed = record.update(data="192.0.2.2")
    assert (changed.ttl, changed.extra["note"], driver.values()) == (90, "new", ["192.0.2.2"])


def test_moves(driver: Sets, zone: Zone) -> None:
    """A record that gets another name joins the set there, in one step with leaving its own."""
    zone.create_record("a", RecordType.A, "192.0.2.1", {"ttl": 60})
    record = zone.create_record("a", RecordType.A, "192.0.2.2")
    zone.create_record("b", RecordType.A, "192.0.2.3", {"ttl": 90})
    moved = record.update(name="b")
    assert (driver.values("a"), driver.values("b")) == (["192.0.2.1"], ["192.0.2.3", "192.0.2.2"])
    assert (moved.ttl, len(driver.changes[-1])) == (90, 2)
    moved.update(name="c")
    assert driver.kept["c", "A"].ttl == 90


def test_moves_onto_an_equal_value(driver: Sets, zone: Zone) -> None:
    """A record cannot move to where its value is already, nor beside a CNAME."""
    record = zone.create_record("a", RecordType.A, "192.0.2.1")
    zone.create_record("b", RecordType.A, "192.0.2.1")
    zone.create_record("c", RecordType.CNAME, "example.net")
    with pytest.raises(RecordAlreadyExistsError):
        record.update(name="b")
    with pytest.raises(RecordConflictError, match="a CNAME must be alone"):
        record.update(name="c")
    assert driver.values("a") == ["192.0.2.1"]


def test_a_set_that_another_program_changes(driver: Sets, zone: Zone) -> None:
    """If the set changes between read and write, the change is decided anew, and both values are kept."""
    driver.interferes = [lambda: driver.add("192.0.2.8"), lambda: driver.add("192.0.2.9")]
    zone.create_record("www", RecordType.A, "192.0.2.1")
    assert driver.values() == ["192.0.2.8", "192.0.2.9", "192.0.2.1"]
    record = zone.list_records()[0]
    driver.interferes = [lambda: driver.add("192.0.2.7")]
    record.delete()
    assert driver.values() == ["192.0.2.9", "192.0.2.1", "192.0.2.7"]


@pytest.mark.parametrize("many", [False, True])
def test_half_a_change(driver: Sets, zone: Zone, many: bool) -> None:
    """A change is completed if another program interferes when a record is there as new, and as old too."""
    record = zone.create_record("a", RecordType.A, "192.0.2.1")

    def half() -> None:
        driver.carry_out([one for one in driver.changes[-1] if one.before is None])
        driver.add("192.0.2.9", "a")

    driver.interferes = [half]
    if many:
        wanted = Content.of("a", RecordType.AAAA, "2001:db8::1", {})
        driver.change_records(zone, [RecordChange(record, wanted)])
    else:
        assert record.update(type=RecordType.AAAA, data="2001:db8::1").id == "AAAA:a:2001:db8::1"
    assert (driver.values("a"), driver.values("a", "AAAA")) == (["192.0.2.9"], ["2001:db8::1"])


@pytest.mark.parametrize("many", [False, True])
def test_an_update_that_is_decided_anew(driver: Sets, zone: Zone, many: bool) -> None:
    """If the set changes between read and write, a new TTL of an equal value is still set."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1")
    driver.interferes = [lambda: driver.add("192.0.2.9")]
    if many:
        wanted = Content.of("www", RecordType.A, "192.0.2.1", {"ttl": 5})
        driver.change_records(zone, [RecordChange(record, wanted)])
    else:
        record.update(extra={"ttl": 5})
    assert driver.kept["www", "A"].ttl == 5
    assert sorted(driver.values()) == ["192.0.2.1", "192.0.2.9"]


def test_a_set_that_never_rests(driver: Sets, zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the set changes each time, the error says so after some attempts, with pauses at random between."""
    driver.interferes = [lambda: driver.add(f"192.0.2.{len(driver.changes)}")] * 99
    monkeypatch.setattr(recordsets, "FIRST_PAUSE", 0.01)
    began = time.monotonic()
    with pytest.raises(SetsChangedError, match="another program changes the records") as caught:
        zone.create_record("www", RecordType.A, "192.0.2.200")
    assert len(driver.changes) == recordsets.ATTEMPTS
    assert time.monotonic() - began > 0.02
    assert isinstance(caught.value.__cause__, SetsChangedError)
    assert caught.value.__cause__.exchange == EXCHANGE


def test_the_same_value_of_another_program(driver: Sets, zone: Zone) -> None:
    """If another program adds or deletes the same value first, what was asked for is done."""
    driver.interferes = [lambda: driver.add("192.0.2.1")]
    made = zone.create_record("www", RecordType.A, "192.0.2.1")
    assert driver.values() == ["192.0.2.1"]
    driver.interferes = [driver.kept.clear]
    assert made.delete()


def lost() -> None:
    raise ServerError(502, "lost").locate(Exchange("Sets", "POST", "/sets", 502))


def test_a_lost_create(driver: Sets, zone: Zone) -> None:
    """If the response to a create is lost, the record is searched for, and the request not sent again."""

    def lost_after() -> None:
        driver.carry_out(driver.changes[-1])
        lost()

    driver.interferes = [lost_after]
    assert zone.create_record("www", RecordType.A, "192.0.2.1").id == "A:www:192.0.2.1"
    driver.interferes = [lost]
    with pytest.raises(AmbiguousCreateError, match=r"the A record 'www' of example\.org"):
        zone.create_record("www", RecordType.A, "192.0.2.2")
    assert len(driver.changes) == 2


def test_values_that_are_not_valid(driver: Sets, zone: Zone) -> None:
    """A value that DNS does not allow, but the provider has, is listed as it is, and can be deleted."""
    driver.add("not an address")
    driver.add("192.0.2.1")
    record = zone.list_records()[0]
    assert record.data == "not an address"
    record.update(extra={"ttl": 5})
    assert driver.values() == ["192.0.2.1", "not an address"]
    record.delete()
    assert driver.values() == ["192.0.2.1"]


class Pools(Sets):
    """Has several sets of a name and type, one for each pool."""

    set_extra = frozenset({"pool"})

    def _set_key(self, type_: str, extra: Mapping[str, Any]) -> str:
        return str(extra.get("pool", ""))


def test_sets_with_keys() -> None:
    """Sets of one name and type are told apart by their keys, and records change within theirs or move."""
    driver = Pools()
    zone = driver.list_zones()[0]
    ids = {
        zone.create_record("www", RecordType.A, address, {"pool": pool}).id
        for pool, address in (("a", "192.0.2.1"), ("b", "192.0.2.1"), ("b", "192.0.2.2"))
    }
    assert ids == {"A:a:www:192.0.2.1", "A:b:www:192.0.2.1", "A:b:www:192.0.2.2"}
    with pytest.raises(RecordAlreadyExistsError):
        zone.create_record("www", RecordType.A, "192.0.2.1", {"pool": "a"})
    first, second, _ = zone.list_records()
    first.update(data="192.0.2.9")
    moved = second.update(extra={"pool": "c"})
    kept = {key[-1]: driver.values(type_=key) for key in ("Aa", "Ab", "Ac")}
    assert kept == {"a": ["192.0.2.9"], "b": ["192.0.2.2"], "c": ["192.0.2.1"]}
    assert (moved.id, moved.extra["pool"]) == ("A:c:www:192.0.2.1", "c")
    moved.delete()
    assert ("www", "Ac") not in driver.kept


def test_keys_of_other_types() -> None:
    """A CNAME may have alternatives with other keys, but nothing else may stand beside it."""
    driver = Pools()
    zone = driver.list_zones()[0]
    for pool in "ab":
        zone.create_record("www", RecordType.CNAME, "host.example.net", {"pool": pool})
    with pytest.raises(RecordConflictError):
        zone.create_record("www", RecordType.CNAME, "other.example.net", {"pool": "a"})
    with pytest.raises(RecordConflictError, match="a CNAME must be alone"):
        zone.create_record("www", RecordType.A, "192.0.2.1", {"pool": "c"})
