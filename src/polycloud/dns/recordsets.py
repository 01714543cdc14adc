"""`RecordSetsDriver`, the base of drivers whose provider keeps all values of a name and type as one set.

Such a provider changes a set as a whole. A driver gives two methods, `_sets` and `_change_sets`, and this
base makes one `Record` of each value: a value is added beside its siblings, which stay as they are. So does
what the provider has beyond DNS (`extra`), for a value or its set.

Between the read of a set and its write another program may change it. Callers of this process therefore take
turns at a zone. A driver whose provider can refuse a change of what is not there any more raises
`SetsChangedError`, and the change is decided anew.

The records of a set have one TTL. The id of a record is its type, name and value, and changes with them; that
of the SOA record stays, whatever its serial.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache, partial
from itertools import chain
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from polycloud.common.creation import UniqueCreation, is_refusal
from polycloud.common.payload import LazyExtra
from polycloud.concurrency import waiting
from polycloud.concurrency.waiting import Turns
from polycloud.dns.base import DNSDriver
from polycloud.dns.changes import FATAL, Groups, Outcomes, RecordChange, packed, steps
from polycloud.dns.content import Content, check_kind, require_room
from polycloud.dns.objects import Extra, Record, Zone
from polycloud.dns.rdata import AS_IS, read_parts, read_rdata
from polycloud.dns.types import (
    RecordAlreadyExistsError,
    RecordConflictError,
    RecordDoesNotExistError,
    RecordError,
    RecordType,
    ZoneError,
)
from polycloud.errors import ConflictError, PolycloudError, translated

__all__ = ["RecordSet", "RecordSetsDriver", "SetChange", "SetValue", "SetsChangedError"]

T = TypeVar("T")
ATTEMPTS = 8
FIRST_PAUSE = 0.05
"""The most seconds before the second attempt; before later ones it is twice that of the one before."""
LONGEST_ID = 100
NOTHING: Mapping[str, Any] = MappingProxyType({})
_turns = Turns()


class SetValue(Struct, frozen=True, gc=False):
    """A value of a set: `text` as zone files write it, and what else the provider has of it."""

    text: str
    extra: Mapping[str, Any] = NOTHING


class RecordSet(Struct, frozen=True, gc=False):
    """The values of a name and type; `key` distinguishes sets of one name and type, where such exist."""

    name: str
    type: RecordType | str
    ttl: int | None
    values: tuple[SetValue, ...]
    extra: Mapping[str, Any] = NOTHING
    key: str = ""

    def without(self, value: SetValue) -> RecordSet:
        """Return the set without a value."""
        return replace(self, values=tuple(one for one in self.values if one is not value))


class SetChange(NamedTuple):
    """A set as it is and as it shall be; None for one that is not there."""

    before: RecordSet | None
    after: RecordSet | None


class SetsChangedError(RecordAlreadyExistsError):
    """The provider does not have what `before` says: another program changed it."""

    default = "another program changes the records of this name all the time; try again"


Decision = tuple[list[SetChange], T]
Batch = dict[str, list[SetChange]]


class RecordSetsDriver(DNSDriver):
    """A driver whose provider keeps record sets."""

    keeps_bytes = True

    default_ttl: ClassVar[int | None] = 3600
    """The TTL in seconds of a new set, unless the record or the zone has one; None: sets may have none."""

    changes_at_once: ClassVar[int] = 100
    """The most changed sets in a request, as `_size` counts them; those of one name are never divided."""

    value_extra: ClassVar[AbstractSet[str]] = frozenset()
    """Keys of `extra` that the provider keeps for each value."""

    set_extra: ClassVar[AbstractSet[str]] = frozenset()
    """Keys of `extra` that the provider keeps for a set: a change concerns all its records."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        cls.own_extra = cls.value_extra | cls.set_extra
        super().__init_subclass__(**kwargs)

    # What a driver gives

    @abstractmethod
    def _sets(self, zone: Zone, name: str | None = None) -> Iterable[RecordSet]:
        """Return the sets of a zone, or at least those of the relative `name`; they may come page by page."""

    @abstractmethod
    def _change_sets(self, zone: Zone, changes: list[SetChange]) -> None:
        """Make the changes: all or none of them, if the provider can.

        Raises `SetsChangedError` for a response that says that the provider does not have what `before` says
        (use `translated`).
        """

    # What a driver may give

    def _set_key(self, type_: str, extra: Mapping[str, Any]) -> str:
        """Return the `key` of the set that a record of this type, with this `extra`, belongs to."""
        return ""

    def _size(self, change: SetChange) -> int:
        """Return how much of `changes_at_once` a change takes."""
        return 1

    def _require_room(self, zone: Zone, sets: Iterable[RecordSet], wanted: Content, key: str) -> None:
        """Raise the errors of `require_room` unless a record can stand beside those of some sets.

        Sets of its type with another key are alternatives to its own, which may have the same value.
        """
        rivals = (one for one in sets if one.type != wanted.type or one.key == key)
        require_room(wanted, self._records(zone, rivals))

    # What this makes of it

    def list_records(self, zone: Zone) -> list[Record]:
        """Return all records of a zone."""
        check_kind(zone, Zone, "zone")
        with self._zone_errors(zone.id):
            return self._records(zone, self._sets(zone))

    def iterate_records(self, zone: Zone) -> Iterator[Record]:
        """Yield the records of a zone as they arrive."""
        check_kind(zone, Zone, "zone")
        with self._zone_errors(zone.id):
            for one in self._sets(zone):
                yield from self._records(zone, [one])

    def create_record(
        self, name: str | None, zone: Zone, type: RecordType, data: str, extra: dict[str, Any] | None = None
    ) -> Record:
        """Create a record beside those of its name; a `ttl` that is given becomes that of its whole set."""
        wanted = self._check_record(zone, name, type, data, extra)

        def decide(sets: list[RecordSet], again: bool) -> Decision[Record]:
            known = again and self._equal(zone, sets, wanted)
            if known:
                return [], known
            return self._decided(zone, sets, RecordChange(None, wanted), wanted.extra)

        return self._change(zone, {wanted.name}, decide, wanted)

    def update_record(
        self,
        record: Record,
        name: str | None = None,
        type: RecordType | None = None,
        data: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Change a record, and its id with it. Its siblings stay; they have the same TTL."""
        wanted = self._check_update(record, name, type, data, extra)
        zone, given = record.zone, self._check_extra(extra)

        def decide(sets: list[RecordSet], again: bool) -> Decision[Record]:
            nonlocal wanted
            found = self._find(sets, record)
            if found and not wanted.rdata:
                wanted = wanted._replace(rdata=read_rdata(found[0].type, found[1].text).rdata)
            known = again and self._equal(zone, sets, wanted)
            if known and known.id != record.id:
                return self._without(sets, record), known
            return self._decided(zone, sets, RecordChange(record, wanted), given)

        return self._change(zone, {record.name, wanted.name}, decide)

    def delete_record(self, record: Record) -> bool:
        """Delete a record; its siblings stay."""
        check_kind(record, Record, "record")

        def decide(sets: list[RecordSet], again: bool) -> Decision[bool]:
            if not again and not self._find(sets, record):
                raise RecordDoesNotExistError(driver=self, record_id=record.id)
            return self._without(sets, record), True

        return self._change(record.zone, {record.name}, decide)

    def change_records(
        self,
        zone: Zone,
        changes: Sequence[RecordChange],
        progress: Callable[[RecordChange], object] | None = None,
    ) -> None:
        """Make many changes of a zone's records, those of up to `changes_at_once` sets in a request."""
        check_kind(zone, Zone, "zone")
        outcomes = Outcomes(self, progress)
        groups = {name: group for step in steps(changes) for name, group in step.items()}
        line = self.connection
        with self._zone_errors(zone.id):
            _turns((line.host, line.port, zone.id), partial(self._change_all, zone, groups, outcomes))
        outcomes.check()

    # Many changes

    def _change_all(self, zone: Zone, groups: Groups, outcomes: Outcomes) -> None:
        """Make the changes of each name; those whose sets another program changes are decided anew."""
        for attempt in range(ATTEMPTS):
            _pause_before(attempt)
            groups = self._change_batches(zone, groups, outcomes, again=attempt > 0)
            if not groups:
                return
        outcomes.fail(chain.from_iterable(groups.values()), SetsChangedError(driver=self))

    def _change_batches(self, zone: Zone, groups: Groups, outcomes: Outcomes, *, again: bool) -> Groups:
        """Make the changes of each name; return those whose sets have changed since they were read."""
        stale: Groups = {}
        for batch in self._batches(zone, groups, outcomes, again=again):
            stale |= self._send_batch(zone, batch, groups, outcomes)
        return stale

    def _send_batch(self, zone: Zone, batch: Batch, groups: Groups, outcomes: Outcomes) -> Groups:
        """Send changes; return those of names whose sets have changed since they were read.

        What the provider refuses is sent again in halves, until it is known which name it refuses.
        """
        asked = [change for name in batch for change in groups[name]]
        if outcomes.stops(*asked):
            outcomes.left += asked
            return {}
        try:
            with self._zone_errors(zone.id):
                self._change_sets(zone, list(chain.from_iterable(batch.values())))
        except SetsChangedError:
            return {name: groups[name] for name in batch}
        except PolycloudError as error:
            if len(batch) > 1 and is_refusal(error) and not isinstance(error, FATAL):
                names, middle = list(batch), len(batch) // 2
                halves = ({name: batch[name] for name in part} for part in (names[:middle], names[middle:]))
                first, second = (self._send_batch(zone, half, groups, outcomes) for half in halves)
                return first | second
            outcomes.fail(asked, error)
        else:
            outcomes.succeed(asked)
        return {}

    def _batches(self, zone: Zone, groups: Groups, outcomes: Outcomes, *, again: bool) -> list[Batch]:
        """Return what to send together: a name is never divided."""
        sets: dict[str, list[RecordSet]] = {}
        for one in self._named(zone, groups.keys()):
            sets.setdefault(one.name, []).append(one)
        decided: list[tuple[str, list[SetChange]]] = []
        for name, group in groups.items():
            if outcomes.stops(*group):
                outcomes.left += group
                continue
            try:
                changes = self._decide_all(zone, sets.get(name, []), group, again=again)
            except PolycloudError as error:
                outcomes.fail(group, error)
                continue
            if changes:
                decided.append((name, changes))
            else:
                outcomes.succeed(group)
        batches = packed(decided, lambda one: sum(map(self._size, one[1])), self.changes_at_once)
        return [dict(one) for one in batches]

    def _decide_all(
        self, zone: Zone, sets: list[RecordSet], group: Iterable[RecordChange], *, again: bool
    ) -> list[SetChange]:
        """Return how the sets of a name change; what is there, or gone, already is left out."""
        now = list(sets)
        for change in group:
            before, after = change
            known = again and after is not None and self._equal(zone, now, after)
            if known and not (before and known.id == before.id):
                after = None
            if after is not None:
                self._alter(zone, now, change, after.extra)
            elif before and self._find(now, before):
                self._alter(zone, now, RecordChange(before, None), NOTHING)
        return _differences(sets, now)

    # How

    def _equal(self, zone: Zone, sets: Iterable[RecordSet], content: Content) -> Record | None:
        """Return the record that has this name, type and value, in the set that it belongs to."""
        key = self._set_key(content.type, content.extra)
        there = self._records(zone, (one for one in sets if one.key == key))
        return next((one for one in there if content.equals(one)), None)

    def _without(self, sets: list[RecordSet], record: Record) -> list[SetChange]:
        """Return the changes that remove a record, if it is there."""
        now = list(sets)
        if self._find(sets, record):
            self._alter(record.zone, now, RecordChange(record, None), NOTHING)
        return _differences(sets, now)

    def _decided(
        self, zone: Zone, sets: list[RecordSet], change: RecordChange, given: Mapping[str, Any]
    ) -> Decision[Record]:
        now = list(sets)
        made = self._alter(zone, now, change, given)
        return _differences(sets, now), self._records(zone, [made])[-1]

    def _alter(
        self, zone: Zone, sets: list[RecordSet], change: RecordChange, given: Mapping[str, Any]
    ) -> RecordSet:
        """Make a change of the sets of its names; return the one that it concerns, its record the last.

        `given` is the `extra` that is given; the rest stays. Raises `RecordDoesNotExistError`, and the errors
        of `require_room`.
        """
        record, wanted = change
        ttl = self.default_ttl if zone.ttl is None or self.default_ttl is None else zone.ttl
        start, value = RecordSet("", "", ttl, ()), SetValue("")
        if record is not None:
            found = self._find(sets, record)
            if found is None:
                raise RecordDoesNotExistError(driver=self, record_id=record.id)
            start, value = found
            at = sets.index(start)
            sets[at : at + 1] = [start.without(value)] if len(start.values) > 1 else []
        if wanted is None:
            return start
        rdata = wanted.rdata or read_rdata(start.type, value.text).rdata
        key = self._set_key(wanted.type, {**start.extra, **value.extra, **given})
        self._require_room(zone, sets, wanted._replace(rdata=rdata), key)
        target = _same(sets, wanted.name, wanted.type, key)
        empty = replace(start, name=wanted.name, type=wanted.type, values=(), key=key)
        made = self._with(target or empty, replace(value, text=wanted.rdata or value.text), given)
        at = len(sets) if target is None else sets.index(target)
        sets[at : at + 1] = [made]
        return made

    def _change(
        self,
        zone: Zone,
        names: AbstractSet[str],
        decide: Callable[[list[RecordSet], bool], Decision[T]],
        created: Content | None = None,
    ) -> T:
        """Read the sets of some names, decide how to change them, and do it, until nobody interferes.

        `decide` is told whether it decides again. If the record `created` is one that the change creates, it
        is searched for after a lost response.
        """
        line = self.connection
        run = partial(self._attempt, zone, names, decide, created)
        with self._zone_errors(zone.id):
            return _turns((line.host, line.port, zone.id), run)

    def _attempt(
        self,
        zone: Zone,
        names: AbstractSet[str],
        decide: Callable[[list[RecordSet], bool], Decision[T]],
        created: Content | None,
    ) -> T:
        refused: SetsChangedError | None = None
        for attempt in range(ATTEMPTS):
            _pause_before(attempt)
            changes, result = decide(self._named(zone, names), attempt > 0)
            if not changes:
                return result
            try:
                if created is None or not isinstance(result, Record):
                    self._change_sets(zone, changes)
                else:
                    self._create_once_in(zone, created, changes, result)
            except SetsChangedError as error:
                refused = error
                continue
            except (ZoneError, RecordError):
                raise
            except ConflictError as error:
                raise translated(error, RecordConflictError(error.message, self)) from error
            return result
        raise SetsChangedError(SetsChangedError.default, self) from refused

    def _named(self, zone: Zone, names: AbstractSet[str]) -> list[RecordSet]:
        """Return the sets of these names."""
        name = next(iter(names)) if len(names) == 1 else None
        return [one for one in self._sets(zone, name) if one.name in names]

    def _create_once_in(self, zone: Zone, content: Content, changes: list[SetChange], made: Record) -> None:
        """Make the changes that create a record; after a lost response, wait until it is there."""

        def send() -> Record:
            self._change_sets(zone, changes)
            return made

        def equal() -> list[Record]:
            found = self._equal(zone, self._named(zone, {content.name}), content)
            return [] if found is None else [found]

        self._create_once(UniqueCreation(content.described(zone), send, equal))

    def _with(self, start: RecordSet, value: SetValue, given: Mapping[str, Any]) -> RecordSet:
        """Return the set with a further value, its last, and with what else was given."""
        value = replace(value, extra={**value.extra, **_chosen(given, self.value_extra)})
        return replace(
            start,
            ttl=given.get("ttl", start.ttl),
            values=(*start.values, value),
            extra={**start.extra, **_chosen(given, self.set_extra)},
        )

    def _find(self, sets: Iterable[RecordSet], record: Record) -> tuple[RecordSet, SetValue] | None:
        """Return where the record is; None if it is not there any more."""
        for one in sets:
            for made, value in zip(self._records(record.zone, [one]), one.values, strict=True):
                if made.id == record.id:
                    return one, value
        return None

    def _records(self, zone: Zone, sets: Iterable[RecordSet]) -> list[Record]:
        """Return a record of each value of some sets."""
        made = []
        for one in sets:
            name, type_, ttl = one.name, one.type, one.ttl
            start = type_ + ":" + (one.key and one.key + ":") + name + ":"
            for value in one.values:
                data = rdata = value.text
                fields = NOTHING
                if type_ not in AS_IS:
                    data, fields, rdata = read_parts(type_, rdata)
                    if type_ == "SOA":  # there is one, and its serial changes with every change of the zone
                        rdata = ""
                if len(rdata) > LONGEST_ID:
                    rdata = hashlib.sha256(rdata.encode()).hexdigest()
                extra: Extra
                if fields or one.extra or value.extra:
                    extra = _extra(ttl, one.extra, fields, value.extra)
                else:
                    extra = _ttl_alone(ttl)
                made.append(Record(start + rdata, name, type_, data, zone, self, ttl, extra))
        return made


@lru_cache(maxsize=256)
def _ttl_alone(ttl: int | None) -> LazyExtra:
    """Return the `extra` of most records, which each of them makes when it is first used."""
    return LazyExtra(b"", lambda _: _extra(ttl))


def _extra(ttl: int | None, *parts: Mapping[str, Any]) -> dict[str, Any]:
    extra: dict[str, Any] = {} if ttl is None else {"ttl": ttl}
    for part in filter(None, parts):
        extra.update(part)
    return extra


def _pause_before(attempt: int) -> None:
    """Wait at random before a change is decided anew, so that programs whose changes cross get apart."""
    if attempt:
        import random

        waiting.sleep(random.uniform(0, FIRST_PAUSE * 2 ** (attempt - 1)))  # noqa: S311 - not a secret


def _same(sets: Iterable[RecordSet], name: str, type_: str, key: str) -> RecordSet | None:
    return next((one for one in sets if (one.name, one.type, one.key) == (name, type_, key)), None)


def _differences(before: Iterable[RecordSet], after: Iterable[RecordSet]) -> list[SetChange]:
    """Return the changes from some sets to others; what goes comes first, so that a CNAME has room."""
    old, new = ({(one.name, one.type, one.key): one for one in sets} for sets in (before, after))
    gone = [SetChange(one, None) for key, one in old.items() if key not in new]
    return gone + [SetChange(old.get(key), one) for key, one in new.items() if old.get(key) != one]


def _chosen(given: Mapping[str, Any], keys: AbstractSet[str]) -> dict[str, Any]:
    return {key: given[key] for key in keys if key in given}
