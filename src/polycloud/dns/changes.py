"""Many changes of a zone's records, and the error that says which of them were not made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from polycloud.concurrency import waiting
from polycloud.dns.content import Content
from polycloud.dns.objects import Record
from polycloud.dns.types import ZoneDoesNotExistError
from polycloud.errors import InvalidCredsError, OperationTimeoutError, PolycloudError

__all__ = ["Outcomes", "RecordChange", "RecordsNotChangedError", "by_name"]

FATAL = (InvalidCredsError, OperationTimeoutError, ZoneDoesNotExistError)
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

    def __str__(self) -> str:
        one = self.after or self.before
        assert one is not None
        deed = "update" if self.before and self.after else "create" if self.after else "delete"
        return f"{deed} {one.type} {one.name or '@'}"


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
        counts = f"{len(failed):,} changes failed, {len(left):,} were not tried, {len(done):,} were made"
        super().__init__(f"{counts}: {'; '.join(few + more)}", driver)
        self.failed, self.left, self.done = list(failed), list(left), list(done)


class Outcomes:
    """How the changes of a zone end; after an error that all would have, the others are not tried."""

    def __init__(self, driver: object) -> None:
        self.driver = driver
        self.failed: list[tuple[RecordChange, PolycloudError]] = []
        self.left: list[RecordChange] = []
        self.done: list[RecordChange] = []
        self.is_over = False

    def run(self, changes: Sequence[RecordChange], do: Callable[[RecordChange], object]) -> None:
        """Make changes one after another, until one fails."""
        for number, change in enumerate(changes):
            if self.is_over:
                self.left += changes[number:]
                return
            try:
                do(change)
            except PolycloudError as error:
                self.fail([change], error)
                self.left += changes[number + 1 :]
                return
            self.done.append(change)

    def run_by_name(self, changes: Iterable[RecordChange], do: Callable[[RecordChange], object]) -> None:
        """Make the changes of each name one after another, those of several names side by side."""
        waiting.gather([partial(self.run, group, do) for group in by_name(changes).values()])

    def fail(self, changes: Iterable[RecordChange], error: PolycloudError) -> None:
        """Note that changes failed with this error."""
        self.failed += [(change, error) for change in changes]
        self.is_over = self.is_over or isinstance(error, FATAL)

    def check(self) -> None:
        """Raise `RecordsNotChangedError` unless all changes were made."""
        if self.failed or self.left:
            raise RecordsNotChangedError(self.failed, self.left, self.done, self.driver)


def by_name(changes: Iterable[RecordChange]) -> dict[str, list[RecordChange]]:
    """Return the changes by name, in their order."""
    groups: dict[str, list[RecordChange]] = {}
    for change in changes:
        groups.setdefault(change.name, []).append(change)
    return groups
