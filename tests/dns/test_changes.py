"""Many changes in one call, on the in-memory driver, and on one that keeps sets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from polycloud.common.base import Connection
from polycloud.dns.changes import Outcomes, RecordChange, RecordsNotChangedError
from polycloud.dns.content import Content
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.recordsets import RecordSet, RecordSetsDriver, SetChange, SetsChangedError, SetValue
from polycloud.dns.types import RecordDoesNotExistError, RecordType
from polycloud.errors import (
    ConflictError,
    Exchange,
    InvalidCredsError,
    OperationTimeoutError,
    ProviderHTTPError,
    UnsupportedOperationError,
    translated,
)

EXCHANGE = Exchange("Sets", "POST", "/sets", 200)


class Sets(RecordSetsDriver):
    """Keeps sets, and lets a test interfere before a request."""

    type = "sets"
    name = "Sets"
    connectionCls = Connection
    RECORD_TYPE_MAP = {one: one.value for one in RecordType}  # noqa: RUF012 - as drivers write it
    changes_at_once = 3

    def __init__(self) -> None:
        super().__init__("")
        self.kept: dict[tuple[str, str], RecordSet] = {}
        self.interferes: list[Any] = []
        self.requests: list[list[SetChange]] = []
        self.refused = ""

    def list_zones(self) -> list[Zone]:
        return [Zone("1", "example.org", "master", 300, self)]

    def add(self, text: str) -> None:
        """Add an address to www, as another program does."""
        old = self.kept["www", "A"]
        self.kept["www", "A"] = replace(old, values=(*old.values, SetValue(text)))

    def _sets(self, zone: Zone, name: str | None = None) -> Iterable[RecordSet]:
        return list(self.kept.values())

    def _change_sets(self, zone: Zone, changes: list[SetChange]) -> None:
        self.requests.append(changes)
        if self.interferes:
            self.interferes.pop(0)()
        for before, after in changes:
            one = before or after
            assert one is not None
            if one.name == self.refused:
                raise ProviderHTTPError(400, "bad record").locate(EXCHANGE)
            if self.kept.get((one.name, one.type)) != before:
                error = ConflictError(409, "it is not like that").locate(EXCHANGE)
                raise translated(error, SetsChangedError(driver=self)) from error
        for before, after in changes:
            if before:
                del self.kept[before.name, before.type]
            if after:
                self.kept[after.name, after.type] = after


class NoTypes(DummyDNSDriver):
    """Cannot change the type of a record."""

    def update_record(
        self,
        record: Record,
        name: str | None = None,
        type: RecordType | None = None,
        data: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        if type not in {None, record.type}:
            raise UnsupportedOperationError("types stay", self)
        return super().update_record(record, name, type, data, extra)


def address(number: int, name: str = "www", **extra: Any) -> Content:
    return Content.of(name, RecordType.A, f"192.0.2.{number}", extra)


def listed(zone: Zone) -> list[tuple[str, str, str]]:
    return sorted((one.name, str(one.type), one.data) for one in zone.list_records())


def dummy_zone(driver: DummyDNSDriver) -> Zone:
    return driver.create_zone("example.org")


@pytest.fixture(params=["dummy", "dummy without changes of type", "sets"])
def zone(request: pytest.FixtureRequest) -> Zone:
    if request.param == "sets":
        return Sets().list_zones()[0]
    return dummy_zone(DummyDNSDriver("k") if request.param == "dummy" else NoTypes("k"))


def test_many_changes(zone: Zone) -> None:
    """Creates, updates and deletes are made in one call, and records that are not named stay."""
    first, second, other = (
        zone.create_record(name, RecordType.A, f"192.0.2.{number}")
        for number, name in ((1, "www"), (2, "www"), (3, "mail"))
    )
    zone.driver.change_records(
        zone,
        [
            RecordChange(None, address(9, "new")),
            RecordChange(first, address(4)),
            RecordChange(None, address(5)),
            RecordChange(other, None),
        ],
    )
    expected = [("new", 9), ("www", 2), ("www", 4), ("www", 5)]
    assert listed(zone) == [(name, "A", f"192.0.2.{number}") for name, number in expected]
    assert second.data == "192.0.2.2"


def test_a_type_becomes_another(zone: Zone) -> None:
    """An alias becomes addresses, and addresses become an alias."""
    alias = zone.create_record("www", RecordType.CNAME, "host.example.net")
    zone.driver.change_records(zone, [RecordChange(alias, address(1)), RecordChange(None, address(2))])
    assert listed(zone) == [("www", "A", "192.0.2.1"), ("www", "A", "192.0.2.2")]
    one, two = zone.list_records()
    back = Content.of("www", RecordType.CNAME, "host.example.net", {})
    zone.driver.change_records(zone, [RecordChange(two, None), RecordChange(one, back)])
    assert listed(zone) == [("www", "CNAME", "host.example.net")]


def test_what_fails_is_named(zone: Zone) -> None:
    """Of a name that fails, the rest is left; other names are changed; the error has all three."""
    gone = zone.create_record("gone", RecordType.A, "192.0.2.1")
    gone.delete()
    bad, after = RecordChange(gone, address(2, "gone")), RecordChange(None, address(3, "gone"))
    good = RecordChange(None, address(4, "good"))
    with pytest.raises(RecordsNotChangedError, match="update A gone") as caught:
        zone.driver.change_records(zone, [bad, after, good])
    error = caught.value
    assert all(isinstance(one, RecordDoesNotExistError) for _, one in error.failed)
    assert bad in [change for change, _ in error.failed]
    assert after in [*error.left, *(change for change, _ in error.failed)]
    assert error.done == [good]
    assert listed(zone) == [("good", "A", "192.0.2.4")]


def test_a_gone_record_is_deleted(zone: Zone) -> None:
    """A record that is gone already counts as deleted, and each change that is made is reported."""
    gone = zone.create_record("gone", RecordType.A, "192.0.2.1")
    gone.delete()
    reported: list[RecordChange] = []
    changes = [RecordChange(gone, None)]
    zone.driver.change_records(zone, changes, reported.append)
    assert reported == changes
    assert listed(zone) == []


def test_batches() -> None:
    """Sets are changed in requests of at most `changes_at_once`; the changes of a name are in one of them."""
    driver = Sets()
    zone = driver.list_zones()[0]
    alias = zone.create_record("b", RecordType.CNAME, "host.example.net")
    gone = zone.create_record("d", RecordType.A, "192.0.2.1")
    driver.requests.clear()
    names = ["a1", "a2", "b", "c1", "c2"]
    changes = [RecordChange(alias if name == "b" else None, address(1, name)) for name in names]
    driver.change_records(zone, [RecordChange(gone, None), *changes])
    sent = [[(one.after or one.before) for one in request] for request in driver.requests]
    names_sent = [[one.name for one in request if one] for request in sent]
    assert names_sent == [["a1", "a2", "c1"], ["c2", "b", "b"], ["d"]]


def test_sizes_of_changes() -> None:
    """A driver can count what else of a change its provider limits; a larger change goes alone."""

    class Large(Sets):
        def _size(self, change: SetChange) -> int:
            return len(change.after.values) if change.after else 1

    driver = Large()
    zone = driver.list_zones()[0]
    numbers = {"a": 2, "b": 1, "c": 2, "d": 4, "e": 1}
    changes = [
        RecordChange(None, address(n, name)) for name, count in numbers.items() for n in range(1, count + 1)
    ]
    driver.change_records(zone, changes)
    sent = [[one.after.name for one in request if one.after] for request in driver.requests]
    assert sent == [["a", "b"], ["c"], ["d"], ["e"]]


def test_interference_is_decided_anew() -> None:
    """A set that another program changes between read and write keeps what that program has added."""
    driver = Sets()
    zone = driver.list_zones()[0]
    first = zone.create_record("www", RecordType.A, "192.0.2.1")
    driver.interferes.append(lambda: driver.add("192.0.2.9"))
    driver.change_records(zone, [RecordChange(first, address(2))])
    assert [data for *_, data in listed(zone)] == ["192.0.2.2", "192.0.2.9"]


def test_wrong_credentials_end_it() -> None:
    """After an error that all changes would have, the others are left and not tried."""
    driver = Sets()
    zone = driver.list_zones()[0]

    def refuse() -> None:
        raise InvalidCredsError("wrong key")

    driver.interferes.append(refuse)
    changes = [RecordChange(None, address(1, f"n{number}")) for number in range(9)]
    with pytest.raises(RecordsNotChangedError, match="changes: 3 failed, 6 not tried, 0 made") as caught:
        driver.change_records(zone, changes)
    assert len(driver.requests) == 1
    assert caught.value.left == changes[3:]


def test_a_refused_change_is_found() -> None:
    """Of a request that the provider refuses, the changes that it does not refuse alone are made."""
    driver = Sets()
    zone = driver.list_zones()[0]
    driver.refused = "n1"
    changes = [RecordChange(None, address(1, f"n{number}")) for number in range(4)]
    with pytest.raises(RecordsNotChangedError) as caught:
        driver.change_records(zone, changes)
    ((change, error),) = caught.value.failed
    assert (change, error.args) == (changes[1], ProviderHTTPError(400, "bad record").args)
    assert sorted(one.name for one in caught.value.done) == ["n0", "n2", "n3"]
    assert [name for name, *_ in listed(zone)] == ["n0", "n2", "n3"]


def test_names_of_many_values(zone: Zone) -> None:
    """A name gets hundreds of values in one call."""
    texts = [Content.of("many", RecordType.TXT, f"value {number}", {}) for number in range(300)]
    zone.driver.change_records(zone, [RecordChange(None, one) for one in texts])
    assert len(listed(zone)) == 300


def test_deletes_come_last(zone: Zone) -> None:
    """What only deletes comes last, whatever the order given, and is left where something has failed."""
    keep, gone = (zone.create_record(name, RecordType.A, "192.0.2.1") for name in ("keep", "gone"))
    gone.delete()
    delete, new = RecordChange(keep, None), RecordChange(None, address(2, "new"))
    with pytest.raises(RecordsNotChangedError) as caught:
        zone.driver.change_records(zone, [delete, RecordChange(gone, address(3, "gone")), new])
    assert delete in caught.value.left
    assert caught.value.done == [new]
    assert listed(zone) == [("keep", "A", "192.0.2.1"), ("new", "A", "192.0.2.2")]
    reported: list[RecordChange] = []
    zone.driver.change_records(zone, [delete, RecordChange(None, address(4, "more"))], reported.append)
    assert [one.name for one in reported] == ["more", "keep"]


@pytest.mark.parametrize("refused", [True, False])
def test_batches_that_fail(refused: bool) -> None:
    """A batch that is refused is tried in halves down to what cannot be; one whose fate is unknown is not."""
    changes = [RecordChange(None, address(1, f"host-{number}")) for number in range(10)]
    bad, batches = changes[3], []

    def do(batch: Sequence[RecordChange]) -> None:
        batches.append(len(batch))
        if bad in batch:
            raise (
                ConflictError(409, "no").locate(EXCHANGE) if refused else OperationTimeoutError("a job", 1.0)
            )

    outcomes = Outcomes(None)
    outcomes.run_in_batches(changes, 8, do)
    failed = [change for change, _ in outcomes.failed]
    if refused:
        assert (failed, outcomes.done) == ([bad], [one for one in changes if one is not bad])
        assert batches == [8, 4, 2, 2, 1, 1, 4, 2]
    else:
        assert (failed, outcomes.left, batches) == (changes[:8], changes[8:], [8])
