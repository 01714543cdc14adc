"""Plans of zones by a command: for several files and accounts, shown, confirmed, and carried out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from polycloud.cli import changing, finding, output, transfers
from polycloud.cli.nouns import ZONES
from polycloud.cli.records import OF_ZONE
from polycloud.dns.changes import RecordsNotChangedError
from polycloud.dns.content import require_room
from polycloud.dns.plan import MOST_DELETED, MOST_UPDATED, Plan, ZoneProblemsError, plan_domain, plan_zone
from polycloud.dns.types import RecordAlreadyExistsError, RecordConflictError
from polycloud.dns.wanted import WantedZone
from polycloud.errors import InvalidArgumentError, NotFoundError, PolycloudError, UnsafePlanError

if TYPE_CHECKING:
    from polycloud.cli.serving import Wait
    from polycloud.cli.zonefiles import ZoneFile
    from polycloud.dns.base import DNSDriver
    from polycloud.dns.changes import RecordChange
    from polycloud.dns.objects import Record, Zone

__all__ = ["Limits", "Rules", "Task", "carry_out", "merge_file", "plan_all", "plan_copy", "plan_file", "show"]

STYLES = {"head": "bold", "create": "green", "update": "yellow", "delete": "red", "note": "dim"}
DONE = {"create": "created", "update": "updated", "delete": "deleted"}
CREATE = "--create makes a plan that creates it"


@dataclass(frozen=True, slots=True)
class Rules:
    """What plans concern and let pass: the arguments of `plan_zone`, and whether all records are lenient."""

    apex: bool = False
    only: Sequence[str] = ()
    ignore: Sequence[str] = ()
    owner: str | None = None
    adopt: bool = False
    skip_unsupported: bool = False
    lenient: bool = False

    def options(self) -> dict[str, Any]:
        """Return the arguments of `plan_zone`."""
        return {name: value for name, value in asdict(self).items() if name != "lenient"}

    def plan(
        self,
        driver: DNSDriver,
        zone: Zone | None,
        wanted: WantedZone,
        records: Sequence[Record] | None = None,
    ) -> Plan:
        """Return the plan that makes a zone what it shall be, or creates one."""
        if zone is not None and zone.domain != wanted.domain:
            raise InvalidArgumentError(f"the records are of {wanted.domain}, but the zone is {zone.domain}")
        if self.lenient:
            wanted.records = [one._replace(lenient=True) for one in wanted]
        try:
            if zone is None:
                return plan_domain(driver, wanted, create=True, **self.options())
            return plan_zone(zone, wanted, records=records, **self.options())
        except ZoneProblemsError as error:
            raise self._explained(error, driver) from error

    def _explained(self, error: ZoneProblemsError, driver: DNSDriver) -> InvalidArgumentError:
        """Return an error with a line for each problem, and which options there are for them."""
        known, count = driver.list_record_types(), len(error.problems)
        unsupported = [one.record.content.type not in known for one in error.problems]
        parts = ["the wanted zone has " + ("a problem" if count == 1 else f"{count:,} problems")]
        if any(unsupported):
            parts.append("--skip-unsupported leaves out types that the provider lacks")
        if not (self.lenient or all(unsupported)):
            parts.append("--lenient lets pass what the provider takes")
        explained = InvalidArgumentError("; ".join(parts))
        for problem in error.problems:
            explained.add_note(f"{problem}")
        return explained


class Task(NamedTuple):
    """A plan that is to be made: from the file or zone `name`, for an account, "" if there is only one."""

    name: str
    account: str
    driver: DNSDriver
    make: Callable[[], Plan]

    def run(self) -> Planned:
        """Make it."""
        return Planned(self.name, self.account, self.make())


class Planned(NamedTuple):
    """A plan, the file or zone that it was made from, and its account, "" if there is only one."""

    name: str
    account: str
    plan: Plan

    @property
    def title(self) -> str:
        """The zone in messages."""
        return f"{self.start}{self.plan.zone.domain} at {self.plan.zone.driver.name}"

    @property
    def start(self) -> str:
        """How lines about the zone begin."""
        return self.account and f"{self.account}: "

    def is_safe(self) -> bool:
        """Return whether the plan is within the usual limits."""
        try:
            self.plan.check()
        except UnsafePlanError:
            return False
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return the plan for programs, with the account where there are several."""
        return {**({"account": self.account} if self.account else {}), **self.plan.to_dict()}


def plan_file(driver: DNSDriver, file: ZoneFile, named: str | None, *, rules: Rules, create: bool) -> Plan:
    """Return the plan that makes a zone like a file; `named` is the zone as the user typed it, if at all."""
    zone, wanted = _pair(driver, file, named, create=create)
    return rules.plan(driver, zone, wanted)


def merge_file(driver: DNSDriver, file: ZoneFile, named: str | None, *, rules: Rules, create: bool) -> Plan:
    """Return the plan that adds the records of a file to a zone, and leaves what it has."""
    zone, wanted = _pair(driver, file, named, create=create)
    if zone is None:
        return rules.plan(driver, None, wanted)
    records = zone.list_records()
    return rules.plan(driver, zone, _merged(WantedZone.of(zone, records), records, wanted), records)


def plan_copy(source: Zone, driver: DNSDriver, named: str | None, rules: Rules) -> Plan:
    """Return the plan that makes a zone like another one, or creates it."""
    wanted = WantedZone.of(source)
    zone = _target(driver, named or wanted.domain, create=True)
    return rules.plan(driver, zone, wanted)


def _pair(
    driver: DNSDriver, file: ZoneFile, named: str | None, *, create: bool
) -> tuple[Zone | None, WantedZone]:
    """Return a zone, None for one that is to be created, and what its file says."""
    if named is None:
        wanted = file.read()
        return _target(driver, wanted.domain, create=create), wanted
    zone = _target(driver, named, create=create)
    return zone, file.read(ZONES.spelled(named) if zone is None else zone.domain)


def _target(driver: DNSDriver, named: str, *, create: bool) -> Zone | None:
    """Return a zone; None if there is none and it may be created."""
    try:
        found: Zone = finding.find(driver, ZONES, named)
    except NotFoundError as error:
        if create:
            return None
        error.add_note(CREATE)
        raise
    return found


def _merged(there: WantedZone, records: Sequence[Record], more: WantedZone) -> WantedZone:
    """Return what a zone has, its `records`, with `more` beside it; a set that is there keeps its TTL.

    SOA and NS of the zone itself are the provider's own.
    """
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(record.name, []).append(record)
    for one in more:
        if not one.content.name and one.content.type in OF_ZONE:
            continue
        content, beside = one.content, by_name.get(one.content.name, [])
        ttl = next((other.ttl for other in beside if other.type == content.type), None)
        if ttl is not None:
            content = content._replace(extra={**content.extra, "ttl": ttl})
        try:
            require_room(content, beside)
        except RecordAlreadyExistsError:
            continue
        except RecordConflictError as error:
            error.add_note(f"{one}")
            raise
        there.records.append(one._replace(content=content))
    return there


def plan_all(tasks: Sequence[Task]) -> tuple[list[Planned], list[str]]:
    """Return the plans, and why others could not be made. The error of an only one is raised."""
    names = [task.name if not task.account else f"{task.account}: {task.name}" for task in tasks]
    with output.asking(", ".join(dict.fromkeys(task.driver.name for task in tasks))), output.silently():
        made, failures = changing.side_by_side(tasks[0].driver, names, [task.run for task in tasks])
    seen: dict[tuple[str, str], str] = {}
    for one in made:
        first = seen.setdefault((one.account, one.plan.zone.domain), one.name)
        if first != one.name:
            raise InvalidArgumentError(f"{first} and {one.name} are both of the zone {one.plan.zone.domain}")
    return made, failures


def show(plans: Sequence[Planned], *, to_stderr: bool = False) -> None:
    """Print plans, in colours at a terminal."""
    for one in plans:
        for kind, line in one.plan.lines():
            text = f"{one.start}{line}" if kind == "head" else line
            if to_stderr:
                output.note(text)
            else:
                output.line(text, STYLES[kind])


# Carrying them out


@dataclass(frozen=True, slots=True)
class Limits:
    """The parts of a zone that may be deleted and updated."""

    most_deleted: float = MOST_DELETED
    most_updated: float = MOST_UPDATED


@dataclass(slots=True)
class Outcome:
    """What was made of a plan."""

    planned: Planned
    done: list[RecordChange] = field(default_factory=list)
    failed: list[tuple[str, PolycloudError]] = field(default_factory=list)
    left: list[RecordChange] = field(default_factory=list)

    def __str__(self) -> str:
        counts = Counter(change.do for change in self.done)
        parts = [f"{counts[do]:,} {did}" for do, did in DONE.items() if counts[do]]
        parts += [f"{len(self.failed):,} failed"] if self.failed else []
        parts += [f"{len(self.left):,} not attempted"] if self.left else []
        return f"{self.planned.title}: {', '.join(parts) or 'created'}"

    def to_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        counts = Counter(change.do for change in self.done)
        known = self.planned.to_dict()
        return {
            **{key: known[key] for key in ("account", "zone", "provider") if key in known},
            **{did: counts[do] for do, did in DONE.items()},
            "failed": [{"change": what, "error": output.reason(why)} for what, why in self.failed],
            "not_attempted": [str(change) for change in self.left],
        }


def carry_out(
    tasks: Sequence[Task],
    limits: Limits,
    wait: Wait | None,
    *,
    yes: bool,
    dry_run: bool = False,
    as_json: bool = False,
) -> None:
    """Make plans, show them, ask, and make their changes; nothing is done unless all can be planned.

    Ends with 1 if a change was not made, and where the zones have changed before the user confirmed.
    """
    plans, failures = plan_all(tasks)
    show(plans, to_stderr=as_json)
    if failures:
        output.fail(failures[0], [*failures[1:], "nothing was done"])
    todo = [one for one in plans if one.plan]
    for one in todo:
        one.plan.check(**asdict(limits))
    if dry_run:
        return
    if todo and not yes:
        changing.ask(f"make {_count(todo)}", "nothing was changed")
        if [one.to_dict() for one in plan_all(tasks)[0]] != [one.to_dict() for one in plans]:
            output.fail("the zones have changed meanwhile, so nothing was done; look at the plan again")
    outcomes = _apply(todo, limits)
    _end(outcomes, as_json=as_json)
    if wait is not None:
        for outcome in outcomes:
            wait.changes(outcome.planned.plan.zone, outcome.done)


def _count(plans: Sequence[Planned]) -> str:
    """Return how many changes of which zones plans are."""
    count = sum(len(one.plan.changes) for one in plans)
    zones = plans[0].title if len(plans) == 1 else f"{len(plans):,} zones"
    return f"{count:,} change{'s' * (count != 1)} of {zones}"


def _apply(plans: Sequence[Planned], limits: Limits) -> list[Outcome]:
    outcomes: list[Outcome] = []
    total = sum(len(one.plan.changes) for one in plans)
    try:
        with transfers.progress("changing records", total, counted=True) as bar:
            for one in plans:
                outcomes.append(outcome := Outcome(one))
                _apply_one(outcome, limits, bar)
    except KeyboardInterrupt as interruption:
        made = sum(len(one.done) for one in outcomes)
        interruption.add_note(f"{made:,} of {total:,} changes were made; the same command makes the rest")
        raise
    return outcomes


def _apply_one(outcome: Outcome, limits: Limits, bar: transfers.Bar) -> None:
    def count(change: RecordChange) -> None:
        outcome.done.append(change)
        bar.add(1)

    try:
        outcome.planned.plan.apply(**asdict(limits), progress=count)
    except RecordsNotChangedError as error:
        outcome.failed = [(str(change), why) for change, why in error.failed]
        outcome.left = error.left
    except PolycloudError as error:
        outcome.failed, outcome.left = [("create the zone", error)], outcome.planned.plan.changes


def _end(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    if as_json:
        output.json([one.to_dict() for one in outcomes])
    else:
        for outcome in outcomes:
            output.line(outcome)
    failures = [
        f"{one.planned.title}: {what}: {output.reason(why)}" for one in outcomes for what, why in one.failed
    ]
    if failures:
        count = f"{len(failures):,} change{'s' * (len(failures) != 1)} failed"
        output.fail(f"{count}; the same command makes what was not made", failures)
