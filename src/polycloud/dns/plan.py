"""`plan_zone` compares a live zone with a wanted one, and the `Plan` that it returns changes it.

```python
plan = plan_zone(zone, wanted)
print(plan)
plan.apply()
```

A plan is made by name and type, since that is what resolvers see, and consists of changes of single values,
since that is what providers without record sets can do. What a plan must not touch it does not contain: the
zone's own SOA and NS records (except with `apex`), records that others own, and types that the provider keeps
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from polycloud.dns.base import DNSDriver
from polycloud.dns.changes import RecordChange, RecordsNotChangedError
from polycloud.dns.comparing import Comparison, PlannedSet, ZoneProblemsError, rdata_of
from polycloud.dns.content import check_kind
from polycloud.dns.names import normalize_domain
from polycloud.dns.objects import Record, Zone
from polycloud.dns.ownership import Markers, Patterns, is_marker_name
from polycloud.dns.types import ZoneDoesNotExistError
from polycloud.dns.validators import VALIDATORS, Validator, aliases_alone
from polycloud.dns.wanted import WantedZone
from polycloud.errors import InvalidArgumentError, UnsafePlanError

__all__ = [
    "MOST_DELETED",
    "MOST_UPDATED",
    "Plan",
    "PlannedSet",
    "ZoneProblemsError",
    "plan_copy",
    "plan_domain",
    "plan_zone",
]

MOST_DELETED = MOST_UPDATED = 0.3
"""The parts of a zone's records that a plan may delete or update unless told otherwise."""
SMALL = 10
"""The records of a zone from which on these limits hold."""
SIGNS = {"create": "+", "update": "~", "delete": "-"}
Progress = Callable[[RecordChange], object]


class Plan:
    """The changes that make a zone what it shall be; false if there are none.

    `sets` are the changes by name and type, in the order of names; `notes` say what the plan leaves as it is,
    and which problems of lenient records it lets pass. If `is_new`, the zone does not exist yet.
    """

    def __init__(
        self,
        zone: Zone,
        sets: Sequence[PlannedSet],
        unchanged: int,
        existing: int,
        notes: Sequence[str],
        *,
        is_new: bool = False,
    ) -> None:
        self.zone, self.is_new = zone, is_new
        self.sets, self.notes = list(sets), list(notes)
        self.unchanged, self.existing = unchanged, existing

    @property
    def changes(self) -> list[RecordChange]:
        """All changes of records."""
        return [change for one in self.sets for change in one.changes]

    def count(self, do: str) -> int:
        """Return how many records the plan creates, updates or deletes ("create", "update", "delete")."""
        return sum(one.do == do for one in self.changes)

    def check(self, *, most_deleted: float = MOST_DELETED, most_updated: float = MOST_UPDATED) -> None:
        """Raise `UnsafePlanError` if the plan deletes or updates too large a part of the zone's records.

        The limits are parts from 0 to 1. They hold for zones of 10 records and more.
        """
        for argument, most, do in (
            ("most_deleted", most_deleted, "delete"),
            ("most_updated", most_updated, "update"),
        ):
            if not isinstance(most, int | float) or isinstance(most, bool) or not 0 <= most <= 1:
                raise InvalidArgumentError(f"{argument} must be a part from 0 to 1, got {most!r}")
            count = self.count(do)
            if self.existing >= SMALL and count > most * self.existing:
                raise UnsafePlanError(
                    f"the plan would {do} {count:,} of the {self.existing:,} records of {self.zone.domain}, "
                    f"which is more than {most:.0%}; nothing was done. If this is right, allow {argument}=1",
                    self.zone.driver,
                )

    def apply(
        self,
        *,
        most_deleted: float = MOST_DELETED,
        most_updated: float = MOST_UPDATED,
        progress: Progress | None = None,
    ) -> None:
        """Make the changes, in an order in which every name can be resolved; create a new zone before.

        A second plan after an error, applied, makes what was not made.

        Args:
            most_deleted: The part of the zone's records, from 0 to 1, that may be deleted.
            most_updated: The part that may be updated.
            progress: Called with each change that was made.

        Raises:
            UnsafePlanError: The plan deletes or updates more; nothing was done.
            RecordsNotChangedError: Some changes were not made; it names each. The others were made.
        """
        self.check(most_deleted=most_deleted, most_updated=most_updated)
        if self.is_new:
            self.zone, self.is_new = self.zone.driver.create_zone(self.zone.domain), False
        first, middle, last = self._ordered()
        for number, changes in enumerate((first, middle, last)):
            if changes:
                try:
                    self.zone.driver.change_records(self.zone, changes, progress)
                except RecordsNotChangedError as error:
                    error.left += [one for later in (first, middle, last)[number + 1 :] for one in later]
                    raise

    def _ordered(self) -> tuple[list[RecordChange], list[RecordChange], list[RecordChange]]:
        """Return the new markers of an owner, all other changes, and the markers that go.

        A record is always marked: otherwise a plan that ended half-way would leave one that nobody owns.
        """
        marked, others, unmarked = [], [], []
        for change in self.changes:
            if not is_marker_name(change.name):
                others.append(change)
            elif change.after is None:
                unmarked.append(change)
            else:
                marked.append(change)
        return marked, others, unmarked

    def to_dict(self) -> dict[str, Any]:
        """Return the plan for programs."""
        return {
            "zone": self.zone.domain,
            "provider": self.zone.driver.name,
            "is_new": self.is_new,
            **{f"{do}s": self.count(do) for do in ("create", "update", "delete")},
            "unchanged": self.unchanged,
            "changes": [one.to_dict() for one in self.sets],
            "notes": self.notes,
        }

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the lines of the plan, each after what it is: head, create, update, delete or note."""
        counts = ", ".join(f"{self.count(do):,} to {do}" for do in SIGNS)
        new = " (a new zone)" if self.is_new else ""
        yield (
            "head",
            f"{self.zone.domain}{new} at {self.zone.driver.name}: {counts}, {self.unchanged:,} unchanged",
        )
        longest = max((len(one.name or "@") for one in self.sets), default=0)
        for change in self.changes:
            yield change.do, _line(f"{change.name or '@':<{longest}}  {change.type!s:<5}", change)
        for note in self.notes:
            yield "note", note

    def __str__(self) -> str:
        return "\n".join(text for _, text in self.lines())

    def __bool__(self) -> bool:
        return self.is_new or bool(self.sets)

    def __repr__(self) -> str:
        return f"<Plan: zone={self.zone.domain}, changes={len(self.changes)}>"


def plan_zone(
    zone: Zone,
    wanted: WantedZone,
    *,
    records: Iterable[Record] | None = None,
    apex: bool = False,
    only: Iterable[str] = (),
    ignore: Iterable[str] = (),
    owner: str | None = None,
    adopt: bool = False,
    skip_unsupported: bool = False,
    validators: Iterable[Validator] | None = None,
) -> Plan:
    """Return the changes that make a zone what it shall be. Nothing is changed by this.

    Args:
        zone: The zone; its records are listed.
        wanted: The records that it shall have.
        records: Its records, if they have been listed already.
        apex: Whether the SOA and NS records of the zone itself may change; the SOA's serial number stays.
        only: Patterns of what the plan may concern: names such as `www`, `@` and `*.dev`, or names with a
            type, such as `*/TXT`.
        ignore: Patterns of what it leaves as it is.
        owner: A name of whoever plans. Only records that this owner has created are changed and deleted;
            TXT records below `_polycloud` mark them.
        adopt: Whether the owner takes over wanted records that nobody owns.
        skip_unsupported: Whether records of types that the provider does not have are left out, with a note;
            otherwise they are problems.
        validators: What finds problems; by default `VALIDATORS`, without the check of aliases where the
            provider flattens them.

    Raises:
        InvalidArgumentError: The two zones have different domains, or an argument is invalid.
        ZoneProblemsError: The wanted zone has problems, and the records are not lenient.
    """
    check_kind(zone, Zone, "zone")
    if normalize_domain(zone.domain) != check_kind(wanted, WantedZone, "wanted").domain:
        raise InvalidArgumentError(f"wanted must be of the zone {zone.domain}, got {wanted!r}")
    there = list(zone.list_records() if records is None else records)
    markers = None if owner is None else Markers(owner, there)
    comparison = Comparison(zone, Patterns(only, ignore), markers, apex=apex, adopt=adopt)
    if validators is None:
        lone = zone.driver.lone_aliases
        validators = [one for one in VALIDATORS if lone or one is not aliases_alone]
    chosen = comparison.chosen(wanted, tuple(validators), skip_unsupported=skip_unsupported)
    comparison.run(there, chosen)
    return Plan(zone, comparison.sets, comparison.unchanged, len(there), comparison.notes)


def plan_domain(driver: DNSDriver, wanted: WantedZone, *, create: bool = False, **options: Any) -> Plan:
    """Return the changes that make the zone of `wanted.domain` at a provider what it shall be.

    Args:
        driver: The driver of the provider.
        wanted: The records that the zone shall have.
        create: Whether the plan creates the zone if there is none.
        options: Those of `plan_zone`.

    Raises:
        ZoneDoesNotExistError: There is no such zone.
        InvalidArgumentError: There are several, or an argument is invalid.
        ZoneProblemsError: The wanted zone has problems.
    """
    domain = check_kind(wanted, WantedZone, "wanted").domain
    found = driver.find_zones(domain)
    if len(found) > 1:
        ids = ", ".join(zone.id for zone in found)
        raise InvalidArgumentError(f"{driver.name} has several zones {domain} ({ids}); plan one of them")
    if found:
        return plan_zone(found[0], wanted, **options)
    if not create:
        raise ZoneDoesNotExistError(driver=driver, zone_id=domain)
    new = Zone(domain, domain, "master", None, driver)
    plan = plan_zone(new, wanted, **{**options, "records": ()})
    plan.is_new = True
    return plan


def plan_copy(zone: Zone, driver: DNSDriver, **options: Any) -> Plan:
    """Return the changes that make the zone of this domain at another provider a copy, or create it.

    `options` are those of `plan_zone`. Records of types that the other provider does not have are problems,
    unless `skip_unsupported` is given.
    """
    return plan_domain(driver, WantedZone.of(zone), create=True, **options)


def _line(where: str, change: RecordChange) -> str:
    """Return the line of a change: its TTL in seconds and its value, or from which to which they change."""
    old, new = change
    before = None if old is None else (old.ttl, rdata_of(old))
    after = before if new is None else (new.extra.get("ttl"), new.rdata)
    before = before or after
    assert before is not None
    assert after is not None
    ttl, value = (_changed(*pair) for pair in zip(before, after, strict=True))
    if old is not None and new is not None and old.type != new.type:
        value = f"{old.type} {before[1]} -> {new.type} {after[1]}"
    extra = "".join(f"  {text}" for text in _others(change))
    return f"{SIGNS[change.do]} {where}  {ttl:>6}  {value}{extra}"


def _changed(before: object, after: object) -> str:
    """Return a value, or from which to which it changes; one that is None stays what it is."""
    if after is None or after == before:
        return "" if before is None else f"{before}"
    return f"{after}" if before is None else f"{before} -> {after}"


def _others(change: RecordChange) -> Iterator[str]:
    """Yield what the provider has beyond DNS that changes."""
    before, after = change
    if before is not None and after is not None:
        for key in sorted(before.driver.own_extra & after.extra.keys()):
            if after.extra[key] != before.extra.get(key):
                yield f"{key}: {_changed(before.extra.get(key), after.extra[key])}"
