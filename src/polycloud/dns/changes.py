"""Many changes of a zone's records, and the error that says which of them were not made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from polycloud.common.creation import is_refusal
from polycloud.concurrency import waiting
from polycloud.dns.content import Content
from polycloud.dns.objects import Record
from polycloud.dns.types import ZoneDoesNotExistError
from polycloud.errors import InvalidCredsError, OperationTimeoutError, PolycloudError

__all__ = ["Groups", "Outcomes", "RecordChange", "RecordsNotChangedError", "packed", "steps"]

T = TypeVar("T")
Groups = dict[str, list["RecordChange"]]
FATAL = (InvalidCredsError, OperationTimeoutError, ZoneDoesNotExistError)
"""Errors that all changes of a zone would have."""
SHOWN = 5


class RecordChange(NamedTuple):
    """A record as it is and the content that it shall have; None for one that is not there."""

    before: Record | None
    after: Content | None

    @property
    def name(self) -> str:
        """The name of the record, relative to its zone."""
        one = self.before or self.after
        assert one is not None
        return one.name

    @property
    def type(self) -> str:
        """The type that the record has afterwards, or has had."""
        one = self.after or self.before
        assert one is not None
        return one.type

    @property
    def do(self) -> str:
        """What is done: "create", "update" or "delete"."""
        return "update" if self.before and self.after else "create" if self.after else "delete"

    def __str__(self) -> str:
        return f"{self.do} {self.type} {self.name or '@'}"


class RecordsNotChangedError(PolycloudError):
    """Some of many changes were not made.

    `failed` has each change that failed with its error, `left` those that were not tried, and `done` those
    that were made.
    """

    def __init__(
        self,
        failed: Sequence[tuple[RecordChange, PolycloudError]],
        left: Sequence[RecordChange],
        done: Sequence[RecordChange],
        driver: object = None,
    ) -> None:
        few = [f"{change}: {error}" for change, error in failed[:SHOWN]]
        more = [f"and {len(failed) - SHOWN:,} more"] if len(failed) > SHOWN else []
        counts = f"changes: {len(failed):,} failed, {len(left):,} not tried, {len(done):,} made"
        super().__init__(f"{counts}: {'; '.join(few + more)}", driver)
        self.failed, self.left, self.done = list(failed), list(left), list(done)


class Outcomes:
    """How the changes of a zone end.

    After an error that all changes would have, no others are tried; after any error, none that only deletes.
    `progress` is called with each change that was made.
    """

    def __init__(self, driver: object, progress: Callable[[RecordChange], object] | None = None) -> None:
        self.driver = driver
        self.progress = progress
        self.failed: list[tuple[RecordChange, PolycloudError]] = []
        self.left: list[RecordChange] = []
        self.done: list[RecordChange] = []
        self._is_over = False

    def run_by_name(self, changes: Iterable[RecordChange], do: Callable[[RecordChange], object]) -> None:
        """Make the changes, one by one for each name, and side by side for the names of a step."""
        for step in steps(changes):
            waiting.gather([partial(self._run, group, do) for group in step.values()])

    def run_in_batches(
        self, changes: Sequence[RecordChange], most: int, do: Callable[[Sequence[RecordChange]], object]
    ) -> None:
        """Make the changes, up to `most` at once.

        Where some of them are refused together, they are tried in halves, so that each ends as it has to.
        """
        for at in range(0, len(changes), most):
            self._run_batch(changes[at : at + most], do)

    def _run_batch(
        self, batch: Sequence[RecordChange], do: Callable[[Sequence[RecordChange]], object]
    ) -> None:
        if self.stops(*batch):
            self.left += batch
            return
        try:
            do(batch)
        except PolycloudError as error:
            if len(batch) > 1 and is_refusal(error) and not isinstance(error, FATAL):
                self.run_in_batches(batch, (len(batch) + 1) // 2, do)
            else:
                self.fail(batch, error)
        else:
            self.succeed(batch)

    def _run(self, changes: Sequence[RecordChange], do: Callable[[RecordChange], object]) -> None:
        """Make the changes of a name one after another, until one fails."""
        for number, change in enumerate(changes):
            if self.stops(change):
                self.left += changes[number:]
                return
            try:
                do(change)
            except PolycloudError as error:
                self.fail([change], error)
                self.left += changes[number + 1 :]
                return
            self.succeed([change])

    def stops(self, *changes: RecordChange) -> bool:
        """Return whether these changes shall not be tried, since earlier ones have failed."""
        return self._is_over or (bool(self.failed) and any(change.after is None for change in changes))

    def succeed(self, changes: Iterable[RecordChange]) -> None:
        """Note that changes were made."""
        for change in changes:
            self.done.append(change)
            if self.progress is not None:
                self.progress(change)

    def fail(self, changes: Iterable[RecordChange], error: PolycloudError) -> None:
        """Note that changes failed with this error."""
        self.failed += [(change, error) for change in changes]
        self._is_over = self._is_over or isinstance(error, FATAL)

    def check(self) -> None:
        """Raise `RecordsNotChangedError` unless all changes were made."""
        if self.failed or self.left:
            raise RecordsNotChangedError(self.failed, self.left, self.done, self.driver)


def steps(changes: Iterable[RecordChange]) -> list[Groups]:
    """Return the changes in three steps, each by name, so that every name can be resolved meanwhile.

    First come the names that only get records, to which others may point; then those whose records change;
    last those that only lose records. A name is in one step, its changes in the given order.
    """
    groups: Groups = {}
    for change in changes:
        groups.setdefault(change.name, []).append(change)
    ordered: list[Groups] = [{}, {}, {}]
    for name, group in groups.items():
        adds, deletes = (all(change[end] is None for change in group) for end in (0, 1))
        ordered[0 if adds else 2 if deletes else 1][name] = group
    return [step for step in ordered if step]


def packed(items: Iterable[T], size: Callable[[T], int], limit: int) -> list[list[T]]:
    """Return the items, in their order, in lists whose sizes are at most `limit`; a larger item is alone."""
    lists: list[list[T]] = []
    room = 0
    for item in items:
        taken = size(item)
        if taken > room:
            lists.append([])
            room = limit
        lists[-1].append(item)
        room -= taken
    return lists
