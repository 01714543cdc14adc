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
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from polycloud.common.arguments import require_count
from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, PolycloudError, UnsafePlanError
from polycloud.storage.locations import Location
from polycloud.storage.objects import Container
from polycloud.storage.resuming import require_path
from polycloud.storage.steps import Batch, Outcome
from polycloud.storage.syncplan import Action, Journal, Plan, accounts_of
from polycloud.utils.values import is_number, shown

__all__ = ["Report", "apply", "plan", "sync"]

Place = Location | Container | str | os.PathLike[str]
Progress = Callable[[Action, PolycloudError | None], None]
SIDE_BY_SIDE = 8
MOST_DELETED = 0.5
BATCH, BATCH_SIZE = 100, 64 * 1024 * 1024
"""The most objects, and about the bytes, of what goes to an executor at once."""


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

    def add(self, outcome: Outcome) -> None:
        """Count an action that was carried out, or failed."""
        action = outcome.action
        if outcome.error is not None:
            self.failed.append((action.name, str(outcome.error)))
        elif action.do == "copy":
            self.copied += 1
            self.size += action.size
            self.verified += outcome.verified
        else:
            self.deleted += 1

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
    executor: Executor | None = None,
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
        limit: The most objects at once; with an executor, the most batches of objects.
        executor: Carries out the actions instead of threads of this process. One in other processes or on
            other machines, such as Dask's, gets pickled drivers with their credentials; a folder must be the
            same there.
        progress: Called after each action, with its error if it failed.

    Raises:
        UnsafePlanError: More would be deleted than `most_deleted` allows; nothing was done.
        InvalidArgumentError: `state` is the plan of other places, and what `plan` raises.
        PolycloudError: The lists cannot be read, or the credentials are wrong.
    """
    _require(most_deleted, limit, executor, progress)
    here, there = Location.of(source), Location.of(target, create=True)
    with _plan_file(state) as file:
        planned = Plan.unfinished(file)
        if planned is None:
            planned = Plan.make(here, there, file, delete=delete, include=include, exclude=exclude)
        elif not planned.header.has_choices(delete, include, exclude):
            raise InvalidArgumentError(
                f"{file} is the plan of a sync with another delete, include or exclude, which did not end; "
                "repeat that one, or delete the file"
            )
        try:
            report = _applied(
                planned, here, there, most_deleted, limit, executor, progress, remember=state is not None
            )
        except UnsafePlanError:
            planned.remove()  # it would be refused again, whatever was mended since
            raise
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
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Report:
    """Carry out a plan, from where its journal says that an earlier run ended; see `sync`.

    An object that changed at the source since the plan was made is a failure, not a surprise. A long object
    whose copy broke is continued too, if the target takes uploads in parts.
    """
    _require(most_deleted, limit, executor, progress)
    if not isinstance(plan, Plan):
        raise InvalidArgumentError(f"expected a Plan, got {shown(plan)}")
    here, there = Location.of(source), Location.of(target)
    return _applied(plan, here, there, most_deleted, limit, executor, progress, remember=True)


def _require(most_deleted: Any, limit: Any, executor: Any, progress: Any) -> None:
    """Raise `InvalidArgumentError` for arguments that make no sense; NaN would allow all deletes."""
    if not is_number(most_deleted) or not 0 <= most_deleted <= 1:
        raise InvalidArgumentError(f"most_deleted must be a number from 0 to 1, got {shown(most_deleted)}")
    require_count("limit", limit)
    if executor is not None and not isinstance(executor, Executor):
        raise InvalidArgumentError(f"executor must be an Executor, got {type(executor).__name__}")
    if progress is not None and not callable(progress):
        raise InvalidArgumentError(f"progress must be a function, got {shown(progress)}")


def _applied(
    plan: Plan,
    here: Location,
    there: Location,
    most_deleted: float,
    limit: int,
    executor: Executor | None,
    progress: Progress | None,
    *,
    remember: bool,
) -> Report:
    """Carry out a plan. `remember` long copies that break if the plan stays when the run ends."""
    if plan.totals is None:
        raise InvalidArgumentError(f"the plan {plan.file} is incomplete; make it anew")
    if (str(here), str(there)) != (plan.header.source, plan.header.target):
        raise InvalidArgumentError(
            f"the plan {plan.file} is for {plan.header.source} and {plan.header.target}, not for {here} and "
            f"{there}"
        )
    if plan.header.accounts != accounts_of(here, there):
        raise InvalidArgumentError(f"the plan {plan.file} is for other accounts, or other credentials")
    totals = plan.totals
    if totals.deletes > most_deleted * totals.at_target:
        raise UnsafePlanError(
            f"the plan deletes {totals.deletes:,} of the {totals.at_target:,} objects of {there}, more than "
            f"most_deleted={most_deleted:g} allows; nothing was done"
        )
    report = Report(same=totals.same, by_checksum=totals.by_checksum, by_time=totals.by_time)
    with Journal.opened(plan) as journal:
        work = _Work(plan, here, there, journal, report, progress, remember=remember)
        if executor is not None:
            work.run_on(executor, limit)
        else:
            waiting.gather([work.run] * min(limit, totals.actions), limit=limit)
        journal.end()
    return report


class _Work:
    """The actions of a plan, for several workers that take some after others."""

    def __init__(
        self,
        plan: Plan,
        source: Location,
        target: Location,
        journal: Journal,
        report: Report,
        progress: Progress | None,
        *,
        remember: bool,
    ) -> None:
        self._actions = plan.numbered()
        self._source, self._target = source, target
        self._memory = plan.file if remember else None
        self._journal, self._report, self._progress = journal, report, progress
        driver = target.container.driver
        self._most_deletes = driver.delete_batch_size if driver._deletes_in_bulk else 0  # noqa: SLF001 - ours
        self._deletes: list[tuple[int, Action]] = []
        self._lock = threading.Lock()  # held for counting and a line of the journal, never over a request

    def run(self) -> None:
        """Carry out one action after another until there are none left."""
        while (batch := self._take(1)) is not None:
            self._note(batch())

    def run_on(self, executor: Executor, limit: int) -> None:
        """Have an executor carry out the actions, `limit` batches at once."""
        running: dict[Future[list[Outcome]], Batch] = {}
        try:
            while True:
                while len(running) < limit and (batch := self._take(BATCH)) is not None:
                    running[executor.submit(batch)] = batch
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    self._note(_outcomes(running.pop(future), future))
        finally:
            for future in running:
                future.cancel()

    def _take(self, most: int) -> Batch | None:
        """Return the next actions, at most so many, and no more after `BATCH_SIZE` bytes.

        Deletes of which one request carries out many wait until there are as many, or nothing else is left.
        """
        taken: list[tuple[int, Action]] = []
        with self._lock:
            for number, action in self._actions:
                if number in self._journal:
                    self._report.earlier += 1
                    continue
                waits = action.do == "delete" and self._most_deletes
                (self._deletes if waits else taken).append((number, action))
                is_large = sum(one.size for _, one in taken) >= BATCH_SIZE
                if is_large or len(taken) == most or 0 < len(self._deletes) == self._most_deletes:
                    break
            if not taken or len(self._deletes) == self._most_deletes:
                taken, self._deletes = taken + self._deletes, []
        if not taken:
            return None
        resumed = self._journal.resumed
        return Batch(self._source, self._target, taken, memory=self._memory, resumed=resumed)

    def _note(self, outcomes: list[Outcome]) -> None:
        for one in outcomes:
            if one.is_fatal:
                assert one.error is not None
                raise one.error
            with self._lock:
                self._report.add(one)
                if one.error is None:
                    self._journal.add(one.number)
            if self._progress is not None:
                self._progress(one.action, one.error)


def _outcomes(batch: Batch, future: Future[list[Outcome]]) -> list[Outcome]:
    """Return how the actions of a batch ended; all failed if the executor did."""
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - a worker died, or a value cannot be pickled
        failure = PolycloudError(f"the executor failed: {str(error) or type(error).__name__}")
        return [Outcome(number, action, failure) for number, action in batch.actions]


@contextmanager
def _plan_file(given: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The file of a plan: the given one, or a temporary one that is deleted."""
    if given is not None:
        path = require_path(given, "state")
        assert path is not None
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="polycloud-sync-") as folder:
        yield Path(folder, "plan")
