"""How the records of a live zone are compared with wanted ones: what changes, by name and type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from polycloud.dns.changes import RecordChange
from polycloud.dns.content import FIELDS, Content
from polycloud.dns.objects import Record, Zone
from polycloud.dns.ownership import Markers, Patterns, is_marker
from polycloud.dns.rdata import VALUE_FIELDS
from polycloud.dns.types import RecordType
from polycloud.dns.validators import Problem, Validator, ZoneView
from polycloud.dns.wanted import DISABLED, WantedRecord, WantedZone
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError

__all__ = ["Comparison", "PlannedSet", "ZoneProblemsError", "rdata_of"]

APEX = frozenset({RecordType.NS, RecordType.SOA})
"""Types of the zone itself that a plan changes with `apex` only."""
SIGNING = frozenset({"CDNSKEY", "CDS", "DNSKEY", "NSEC", "NSEC3", "NSEC3PARAM", "RRSIG", "ZONEMD"})
"""Types that servers which sign zones write themselves; a plan changes them only where they are wanted."""
SHOWN_PROBLEMS = 10
Key = tuple[str, str]


class ZoneProblemsError(InvalidArgumentError):
    """A wanted zone has problems: `problems` are all of them."""

    def __init__(self, domain: str, problems: Sequence[Problem]) -> None:
        few = [str(one) for one in problems[:SHOWN_PROBLEMS]]
        more = [f"and {len(problems) - len(few):,} more"] if len(problems) > len(few) else []
        super().__init__(f"the wanted zone {domain} cannot be: {'; '.join(few + more)}")
        self.problems = list(problems)


class PlannedSet(NamedTuple):
    """How the records of a name and type change: `changes` from `before` to `after`."""

    name: str
    type: str
    before: list[Record]
    after: list[Content]
    changes: list[RecordChange]

    @property
    def do(self) -> str:
        """What is done: "create", "update" or "delete"."""
        return "update" if self.before and self.after else "create" if self.after else "delete"

    def to_dict(self) -> dict[str, Any]:
        """Return the set for programs: each value as zone files write it, with its TTL in seconds."""
        return {
            "do": self.do,
            "name": self.name,
            "type": str(self.type),
            "before": [{"ttl": one.ttl, "value": rdata_of(one)} for one in self.before],
            "after": [{"ttl": one.extra.get("ttl"), "value": one.rdata} for one in self.after],
        }


class Comparison:
    """Compares the records of a zone with those that it shall have; `sets` and `notes` are what comes of it.

    `markers` are those of the owner who plans, if only that owner's records may change.
    """

    def __init__(
        self, zone: Zone, patterns: Patterns, markers: Markers | None, *, apex: bool, adopt: bool
    ) -> None:
        self.zone, self.driver = zone, zone.driver
        self.patterns, self.markers = patterns, markers
        self.apex, self.adopt = apex, adopt
        self.sets: list[PlannedSet] = []
        self.unchanged = 0
        self._notes: dict[str, int] = {}
        self._problems: list[Problem] = []

    @property
    def notes(self) -> list[str]:
        """What is left as it is, and which problems pass."""
        return [text if count == 1 else f"{text} ({count:,} times)" for text, count in self._notes.items()]

    def run(self, records: Iterable[Record], wanted: Mapping[Key, list[WantedRecord]]) -> None:
        """Compare the records of a zone with those that `chosen` returned.

        Raises `ZoneProblemsError` for records that the driver would refuse.
        """
        there = self._live_sets(records, wanted)
        nothing: list[Any] = []
        for key in sorted({*there, *wanted}):
            have, want = there.get(key, nothing), wanted.get(key, nothing)
            if self.markers is None and self._is_same(have, want):
                self.unchanged += 1
            else:
                self._compare(key, have, want)
        self._require_no_problems()
        self._join_types()

    def chosen(
        self, wanted: WantedZone, validators: Sequence[Validator], *, skip_unsupported: bool
    ) -> dict[Key, list[WantedRecord]]:
        """Return the wanted records that the plan may concern. Raises `ZoneProblemsError`."""
        chosen = []
        for record in wanted:
            name, type_ = record.content.name, record.content.type
            if not self._concerns(name, type_) or self._stays_off(record):
                continue
            if type_ in self.driver.RECORD_TYPE_MAP:
                chosen.append(record)
                continue
            problem = Problem(record, f"{self.driver.name} has no records of type {type_}")
            if skip_unsupported:
                self._note(f"left out: {problem}")
            else:
                self._problems.append(problem)
        view = ZoneView(wanted, chosen)
        for validator in validators:
            for problem in validator(view):
                if problem.record.lenient:
                    self._note(f"lenient: {problem}")
                else:
                    self._problems.append(problem)
        self._require_no_problems()
        return view.sets

    def _require_no_problems(self) -> None:
        if self._problems:
            raise ZoneProblemsError(self.zone.domain, self._problems)

    def _live_sets(self, records: Iterable[Record], wanted: Mapping[Key, object]) -> dict[Key, list[Record]]:
        """Return the records of the zone that the plan may concern."""
        sets: dict[Key, list[Record]] = {}
        for record in records:
            key = record.name, record.type
            if key in sets:
                sets[key].append(record)
            elif self._concerns(*key) and not is_marker(record) and self._may_change(record, key in wanted):
                sets[key] = [record]
        return sets

    def _concerns(self, name: str, type_: str) -> bool:
        if not name and type_ in APEX and not self.apex:
            return False
        return self.patterns.selects(name, type_)

    def _may_change(self, record: Record, is_wanted: bool) -> bool:
        if is_wanted:
            return True
        if record.type in SIGNING:
            return False
        if record.type not in self.driver.RECORD_TYPE_MAP:
            self._note(f"left as it is: records of type {record.type}")
            return False
        return True

    def _note(self, text: str) -> None:
        self._notes[text] = self._notes.get(text, 0) + 1

    # Comparing

    def _is_same(self, have: list[Record], want: list[WantedRecord]) -> bool:
        """Return True for the most frequent case: one value, plain and unchanged. False says nothing."""
        if len(have) != 1 or len(want) != 1:
            return False
        record, content = have[0], want[0].content
        if record.data != content.data:
            return False
        there = record.extra
        return all(there.get(key) == value for key, value in content.extra.items())

    def _compare(self, key: Key, have: list[Record], want: list[WantedRecord]) -> None:
        """Add how the records of a name and type change."""
        changes = self._changes(have, want)
        self.unchanged += len(have) - sum(change.before is not None for change in changes)
        contents = [one.content for one in want]
        if self.markers is not None and not self._is_ours(key, have, want, changes, self.markers):
            return
        if changes:
            self.sets.append(PlannedSet(*key, have, contents, changes))

    def _changes(self, have: list[Record], want: list[WantedRecord]) -> list[RecordChange]:
        """Return the changes of the values of a set: those that are added, changed, and deleted.

        A value may stand there several times, with other fields beyond DNS: records that have all that is
        wanted are found first.
        """
        left = list(have)
        changes, new = [], []
        fits = self.driver.has_extra
        other = [one for one in want if _taken(left, one.content, fits) is None]
        for wanted in other:
            record = _taken(left, wanted.content)
            if record is None:
                new.append(self._checked(wanted))
            else:
                changes.append(RecordChange(record, self._checked(wanted)))
        left = [record for record in left if not self._is_off(record)]
        pairs = list(zip(left, new, strict=False))
        created = [RecordChange(None, content) for content in new[len(pairs) :]]
        updated = [RecordChange(record, content) for record, content in pairs]
        deleted = [RecordChange(record, None) for record in left[len(pairs) :]]
        return created + changes + updated + deleted

    def _stays_off(self, wanted: WantedRecord) -> bool:
        """Return whether a record is disabled where it comes from, and would be served here."""
        is_off = wanted.is_disabled and DISABLED not in self.driver.own_extra
        if is_off:
            self._note(f"left out: {wanted} is disabled, and {self.driver.name} has no such records")
        return is_off

    def _is_off(self, record: Record) -> bool:
        """Return whether a record is disabled: no file that says what is served says that it shall go."""
        is_off = record.extra.get(DISABLED)
        if is_off:
            self._note(f"left as it is: the disabled {record.type} record {record.name or '@'!r}")
        return bool(is_off)

    def _checked(self, wanted: WantedRecord) -> Content:
        """Return the content that the driver gets; what it would refuse is a problem.

        A lenient record, such as a copied one, loses a TTL that the provider cannot have.
        """
        content = self._without_foreign(wanted.content)
        refused = self._refused(content)
        if refused is not None and wanted.lenient:
            default = content._replace(
                extra={key: value for key, value in content.extra.items() if key != "ttl"}
            )
            if self._refused(default) is None:
                self._note(f"with the default TTL: {Problem(wanted, refused)}")
                return default
        if refused is not None:
            self._problems.append(Problem(wanted, refused))
        return content

    def _without_foreign(self, content: Content) -> Content:
        """Return a content without fields that only the provider has that it was copied from."""
        foreign = content.extra.keys() - {*FIELDS, *self.driver.own_extra}
        if not foreign:
            return content
        for key in sorted(foreign):
            self._note(f"left out: {key} of records, which {self.driver.name} does not have")
        kept = {key: value for key, value in content.extra.items() if key not in foreign}
        return content._replace(extra=kept)

    def _refused(self, content: Content) -> str | None:
        """Return why the driver would refuse to create a record; None if it would not."""
        name, type_, data, extra, _ = content
        try:
            self.driver._check_record(self.zone, name, type_, data, extra)  # noqa: SLF001 - what it checks itself
        except (InvalidArgumentError, UnsupportedOperationError) as error:
            return str(error)
        return None

    def _join_types(self) -> None:
        """Have an alias become other records, or the other way round, by one change of type.

        As two changes they would leave the name without an answer in between, or be refused.
        """
        by_name: dict[str, list[PlannedSet]] = {}
        for one in self.sets:
            by_name.setdefault(one.name, []).append(one)
        for sets in by_name.values():
            types = {one.type for one in sets}
            if RecordType.CNAME in types and len(types) > 1:
                _join(sets)

    # Owners

    def _is_ours(
        self,
        key: Key,
        have: list[Record],
        want: list[WantedRecord],
        changes: list[RecordChange],
        markers: Markers,
    ) -> bool:
        """Return whether the owner may change the records of a name and type; plan the marker too."""
        whose, mark = markers.owner_of(key), markers.record(key)
        if have and not markers.owns(key) and not (self.adopt and want and whose is None):
            if want and changes:
                belongs = f"belongs to {whose!r}" if whose else "belongs to nobody"
                self._note(f"left as it is: {key[0] or '@'} {key[1]} {belongs}, not to {markers.owner!r}")
            return False
        if want and not markers.owns(key):
            contents = [one.after for one in changes if one.after is not None] or [want[0].content]
            marker = markers.content(key, contents[0].extra.get("ttl"))
            refused = self._refused(marker)
            if refused is not None:
                self._problems.append(
                    Problem(want[0], f"it cannot be marked as {markers.owner}'s: {refused}")
                )
            self._plan_marker([] if mark is None else [mark], marker)
        elif mark is not None and not want:
            self._plan_marker([mark], None)
        return True

    def _plan_marker(self, before: list[Record], after: Content | None) -> None:
        after_ = [] if after is None else [after]
        change = RecordChange(before[0] if before else None, after)
        name = before[0].name if before else after_[0].name
        self.sets.append(PlannedSet(name, RecordType.TXT, before, after_, [change]))


def _taken(
    left: list[Record], content: Content, fits: Callable[[Record, dict[str, Any]], bool] | None = None
) -> Record | None:
    """Take the record that has this value, and fits, out of a list.

    Records are compared by their parts, then fully.
    """
    fields = VALUE_FIELDS.get(content.type, ())
    for number, record in enumerate(left):
        if (
            record.data == content.data
            and all(record.extra.get(name) == content.extra[name] for name in fields)
            and (fits is None or fits(record, content.extra))
        ):
            return left.pop(number)
    for number, record in enumerate(left):
        if fits is not None and not fits(record, content.extra):
            continue
        if record.type == RecordType.SOA and _without_serial(record.data) == _without_serial(content.data):
            return left.pop(number)
        if content.equals(record):
            return left.pop(number)
    return None


def _without_serial(data: str) -> list[str]:
    """Return the parts of a SOA's data without the serial number, which servers count themselves."""
    parts = data.lower().split()
    return parts[:2] + parts[3:]


def _join(sets: list[PlannedSet]) -> None:
    """Make the sets of a name one sequence: what is too much goes, one becomes another, the rest is added."""
    deleted = [change for one in sets for change in one.changes if change.after is None]
    created = [change for one in sets for change in one.changes if change.before is None]
    kept = [change for one in sets for change in one.changes if change.before and change.after]
    if not deleted or not created:
        return
    for one in sets:
        one.changes.clear()
    swap = RecordChange(deleted[0].before, created[0].after)
    sets[-1].changes.extend([*deleted[1:], swap, *kept, *created[1:]])


def rdata_of(record: Record) -> str:
    """Return the value of a record as zone files write it; as it is where it cannot be written so."""
    try:
        return Content.of(record.name, record.type, record.data, record.extra).rdata
    except InvalidArgumentError:
        return record.data
