"""The actions of a sync as they go to a thread, or to an executor on another machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from polycloud.errors import InvalidCredsError, PolycloudError
from polycloud.storage.copying import verified_copy
from polycloud.storage.locations import Entry, Location
from polycloud.storage.objects import Object
from polycloud.storage.syncplan import Action
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ObjectDoesNotExistError,
    ObjectsNotDeletedError,
)

__all__ = ["Batch", "Outcome"]

REMEMBERED = 64 * 1024 * 1024
"""The bytes from which on the copy of one object goes on where an earlier run of the plan left it."""
FATAL = (InvalidCredsError, ContainerDoesNotExistError)


class Outcome(NamedTuple):
    """How an action ended: with an error, or not; a copy may be verified by checksum."""

    number: int
    action: Action
    error: PolycloudError | None = None
    verified: bool = False

    @property
    def is_fatal(self) -> bool:
        """Whether all other actions will fail for the same reason."""
        return isinstance(self.error, FATAL)


class Batch:
    """Numbered actions between two locations; a call carries them out, and returns how each ended.

    `memory` is the file beside which copies in parts are remembered, None for not at all. `resumed` says that
    an earlier run may have made a copy without noting it.
    """

    def __init__(
        self,
        source: Location,
        target: Location,
        actions: Sequence[tuple[int, Action]],
        *,
        memory: Path | None,
        resumed: bool,
    ) -> None:
        self.source, self.target, self.actions = source, target, actions
        self.memory, self.resumed = memory, resumed

    def __call__(self) -> list[Outcome]:
        """Carry out the actions, until one fails for a reason that holds for all."""
        deletes = [one for one in self.actions if one[1].do == "delete"]
        outcomes = self._deleted(deletes) if deletes else []
        for number, action in self.actions:
            if any(one.is_fatal for one in outcomes[-1:]):
                break
            if action.do == "copy":
                outcomes.append(self._outcome(number, action))
        return outcomes

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self.source, self.target, self.actions, self.memory, self.resumed)

    def __repr__(self) -> str:
        return f"{len(self.actions)} actions from {self.source} to {self.target}"

    def _outcome(self, number: int, action: Action) -> Outcome:
        try:
            return Outcome(number, action, verified=self._copied(action))
        except PolycloudError as error:
            return Outcome(number, action, error)

    def _copied(self, action: Action) -> bool:
        """Copy an object; return whether its checksum was verified."""
        obj = self.source.get(action.name)
        found = Entry.of(obj, self.source.prefix)
        if (found.size, found.md5) != (action.size, action.md5):
            message = f"{action.name!r} was changed since the plan was made"
            raise PolycloudError(message, obj.driver)
        if self._is_there(obj, action.name):
            return True
        name = self.target.prefix + action.name
        return verified_copy(obj, self.target.container, name, self._memory_of(action))[1]

    def _memory_of(self, action: Action) -> Path | None:
        """Return the file that remembers the copy of an object."""
        if self.memory is None or action.size < REMEMBERED:
            return None
        digest = hashlib.sha256(repr((str(self.target), action)).encode()).hexdigest()[:16]
        return self.memory.with_name(f"{self.memory.name}.{digest}.upload")

    def _deleted(self, actions: Sequence[tuple[int, Action]]) -> list[Outcome]:
        """Delete objects; those that are gone already are deleted too."""
        prefix = self.target.prefix
        failed: dict[str, PolycloudError] = {}
        try:
            self.target.container.delete_objects(prefix + action.name for _, action in actions)
        except ObjectsNotDeletedError as error:
            failed = dict(error.failed)
        except PolycloudError as error:
            failed = dict.fromkeys((prefix + action.name for _, action in actions), error)
        return [Outcome(number, action, failed.get(prefix + action.name)) for number, action in actions]

    def _is_there(self, obj: Object, name: str) -> bool:
        """Return whether an earlier run made the copy, and was ended before it could note that."""
        if not self.resumed:
            return False
        try:
            made = self.target.get(name)
        except ObjectDoesNotExistError:
            return False
        return made.size == obj.size and obj.md5 is not None and obj.md5 == made.md5


def _arrived(
    source: Location, target: Location, actions: Any, memory: Path | None, resumed: bool
) -> Callable[[], list[Outcome]]:
    """Return a batch that has come from another process: its drivers are copies, which it closes."""
    return _Arrived(source, target, actions, memory=memory, resumed=resumed)


class _Arrived(Batch):
    def __call__(self) -> list[Outcome]:
        try:
            return super().__call__()
        finally:
            for one in (self.source, self.target):
                one.container.driver.close()
