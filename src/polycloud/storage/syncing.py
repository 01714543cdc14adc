"""Make a container, or a folder, like another one: plan, look, apply, and go on after a crash.

    from polycloud.storage import sync

    report = sync("/srv/photos", container, delete=True)
    print(report)

A sync is a `Plan` that is applied. It can be made first (`plan`), read, kept and applied later (`apply`), in
another process too.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, InvalidCredsError, PolycloudError
from polycloud.storage.copying import verified_copy
from polycloud.storage.locations import Entry, Location
from polycloud.storage.objects import Container, Object
from polycloud.storage.syncplan import Action, Journal, Plan
from polycloud.storage.types import ObjectDoesNotExistError, UnsafePlanError

__all__ = ["Report", "apply", "plan", "sync"]

Place = Location | Container | str | os.PathLike[str]
Progress = Callable[[Action, PolycloudError | None], None]
SIDE_BY_SIDE = 8
MOST_DELETED = 0.5
FATAL = (InvalidCredsError,)


class Report(msgspec.Struct):
    """What a sync did: objects, and the bytes that were sent.

    `verified` are the copies whose checksum is that of the source, on both ways; of the others the size is.
    `earlier` were carried out by an earlier run of the same plan. `failed` has the names of the others, and
    why.
    """

    copied: int = 0
    size: int = 0
    verified: int = 0
    deleted: int = 0
    same: int = 0
    earlier: int = 0
    by_checksum: int = 0
    by_time: int = 0
    failed: list[tuple[str, str]] = msgspec.field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.copied:,} copied ({self.size:,} bytes, {self.verified:,} verified by checksum)"]
        parts.append(f"{self.deleted:,} deleted")
        parts.append(
            f"{self.same:,} unchanged ({self.by_checksum:,} compared by checksum, {self.by_time:,} by size "
            "and time)"
        )
        if self.earlier:
            parts.append(f"{self.earlier:,} done by an earlier run")
        if self.failed:
            parts.append(f"{len(self.failed):,} failed")
        return ", ".join(parts)


def plan(
    source: Place,
    target: Place,
    file: str | os.PathLike[str],
    *,
    delete: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Plan:
    """Compare two places and write to `file` what a sync would do.

    Objects on both sides are the same if their MD5s are, where both have one; else if their sizes are and the
    source is not newer. `Plan.totals` says how many were compared in which way.

    Args:
        source: A container, a `Location` in one, or the path of a folder.
        target: Where it shall be the same.
        file: The file of the plan, which is replaced.
        delete: Whether to delete from the target what the source does not have.
        include: Patterns, such as `*.jpg`, of the names that are of interest; all by default.
        exclude: Patterns of names that are left alone on both sides.

    Raises:
        ContainerDoesNotExistError: One of them does not exist.
        InvalidArgumentError: One is within the other, or the file cannot be written.
    """
    return Plan.make(
        Location.of(source), Location.of(target), file, delete=delete, include=include, exclude=exclude
    )


def sync(
    source: Place,
    target: Place,
    *,
    delete: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    most_deleted: float = MOST_DELETED,
    state: str | os.PathLike[str] | None = None,
    limit: int = SIDE_BY_SIDE,
    progress: Progress | None = None,
) -> Report:
    """Make `target` like `source`, and return a report; errors with single objects are in it.

    Args:
        source: See `plan`.
        target: See `plan`; a folder that does not exist is made.
        delete: See `plan`.
        include: See `plan`.
        exclude: See `plan`.
        most_deleted: The part of the target's objects that may be deleted, 0.0 to 1.0.
        state: A file for the plan. If it exists, an earlier sync of these two places did not end, and this
            one goes on with its plan. It is deleted at the end, unless something failed.
        limit: The most objects at once.
        progress: Called after each action, with its error if it failed.

    Raises:
        UnsafePlanError: More would be deleted than `most_deleted` allows; nothing was done.
        InvalidArgumentError: `state` is the plan of other places, and what `plan` raises.
        PolycloudError: The lists cannot be read, or the credentials are wrong.
    """
    here, there = Location.of(source), Location.of(target, create=True)
    with _plan_file(state) as file:
        planned = Plan.unfinished(file) or Plan.make(
            here, there, file, delete=delete, include=include, exclude=exclude
        )
        report = apply(planned, here, there, most_deleted=most_deleted, limit=limit, progress=progress)
        if not report.failed:
            planned.remove()
        return report


def apply(
    plan: Plan,
    source: Place,
    target: Place,
    *,
    most_deleted: float = MOST_DELETED,
    limit: int = SIDE_BY_SIDE,
    progress: Progress | None = None,
) -> Report:
    """Carry out a plan, from where its journal says that an earlier run ended; see `sync`.

    An object that changed at the source since the plan was made is a failure, not a surprise.
    """
    here, there = Location.of(source), Location.of(target)
    if plan.totals is None:
        raise InvalidArgumentError(f"the plan {plan.file} is incomplete; make it anew")
    if (str(here), str(there)) != (plan.header.source, plan.header.target):
        raise InvalidArgumentError(
            f"the plan {plan.file} is for {plan.header.source} and {plan.header.target}, not for {here} and "
            f"{there}"
        )
    totals = plan.totals
    if totals.deletes > most_deleted * totals.at_target:
        raise UnsafePlanError(
            f"the plan deletes {totals.deletes:,} of the {totals.at_target:,} objects of {there}, more than "
            f"most_deleted={most_deleted:g} allows; nothing was done"
        )
    report = Report(same=totals.same, by_checksum=totals.by_checksum, by_time=totals.by_time)
    with Journal.opened(plan) as journal:
        work = _Work(plan, here, there, journal, report, progress)
        waiting.gather([work.run] * limit, limit=limit)
    return report


class _Work:
    """The actions of a plan, for several workers that take one after another."""

    def __init__(
        self,
        plan: Plan,
        source: Location,
        target: Location,
        journal: Journal,
        report: Report,
        progress: Progress | None,
    ) -> None:
        self._actions = plan.numbered()
        self._source, self._target = source, target
        self._journal, self._report, self._progress = journal, report, progress
        self._lock = threading.Lock()  # held for counting and a line of the journal, never over a request

    def run(self) -> None:
        """Carry out actions until there are none left."""
        while (taken := self._take()) is not None:
            number, action = taken
            try:
                verified = self._copied(action) if action.do == "copy" else self._deleted(action)
            except FATAL:
                raise
            except PolycloudError as error:
                self._note(number, action, error)
            else:
                self._note(number, action, None, verified=verified)

    def _take(self) -> tuple[int, Action] | None:
        with self._lock:
            for number, action in self._actions:
                if number not in self._journal.done:
                    return number, action
                self._report.earlier += 1
            return None

    def _note(
        self, number: int, action: Action, error: PolycloudError | None, *, verified: bool = False
    ) -> None:
        with self._lock:
            report = self._report
            if error is not None:
                report.failed.append((action.name, str(error)))
            elif action.do == "copy":
                report.copied += 1
                report.size += action.size
                report.verified += verified
            else:
                report.deleted += 1
            if error is None:
                self._journal.add(number)
        if self._progress is not None:
            self._progress(action, error)

    def _copied(self, action: Action) -> bool:
        """Copy an object; return whether its checksum was verified."""
        obj = self._source.get(action.name)
        found = Entry.of(obj, self._source.prefix)
        if (found.size, found.md5) != (action.size, action.md5):
            message = f"{action.name!r} was changed since the plan was made"
            raise PolycloudError(message, obj.driver)
        name = self._target.prefix + action.name
        return self._is_there(obj, action.name) or verified_copy(obj, self._target.container, name)[1]

    def _deleted(self, action: Action) -> bool:
        """Delete an object; one that is gone already is deleted too."""
        with suppress(ObjectDoesNotExistError):
            self._target.get(action.name).delete()
        return False

    def _is_there(self, obj: Object, name: str) -> bool:
        """Return whether an earlier run made the copy, and was ended before it could note that."""
        if not self._journal.resumed:
            return False
        try:
            made = self._target.get(name)
        except ObjectDoesNotExistError:
            return False
        return made.size == obj.size and obj.md5 is not None and obj.md5 == made.md5


@contextmanager
def _plan_file(given: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The file of a plan: the given one, or a temporary one that is deleted."""
    if given is not None:
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="polycloud-sync-") as folder:
        yield Path(folder, "plan")
