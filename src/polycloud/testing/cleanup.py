"""Cleanup after the rules: what they create is removed at the end; what cannot be removed is reported."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Generic, TypeVar

from polycloud.concurrency import waiting
from polycloud.errors import NotFoundError, OperationTimeoutError, PolycloudError

__all__ = ["LEFT_OVER", "RUN", "Kind", "Run", "remove"]

T = TypeVar("T")
LEFT_OVER = "left over, remove by hand: "


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of resource of one driver, such as its nodes, and how a run lists and removes it.

    Attributes:
        what: Its name in messages, a plural: "nodes".
        list: Lists those that are not removed yet.
        remove: Removes one; returns True, or raises one of the `gone` errors if it does not exist any more.
        name: Returns the name of one, which begins with the run's prefix if the run created it.
        gone: The errors that mean that there is nothing to remove.
    """

    what: str
    list: Callable[[], Sequence[T]]
    remove: Callable[[T], object]
    name: Callable[[T], str | None]
    gone: tuple[type[PolycloudError], ...] = (NotFoundError,)


class Run:
    """One run of the rules; the names of all resources that it creates begin with `prefix`.

    A provider may refuse to remove a resource while it creates it, and may list one late. So removal is
    retried while patience lasts, and each test also removes what earlier ones have left.
    """

    def __init__(self) -> None:
        self.prefix = f"conformance-{secrets.token_hex(4)}"
        self._numbers = count(1)
        self._removed: set[tuple[str, str, str | None]] = set()
        self._reported: set[str] = set()
        self._patient = True

    def name(self) -> str:
        """Return a new prefix for the names of one test's resources."""
        return f"{self.prefix}-{next(self._numbers)}"

    def clear(self, kind: Kind[Any], made: Iterable[Any], patience: float) -> list[str]:
        """Remove the resources of a test and what others have left; return what stays, if not yet reported.

        After patience (seconds) has run out once, the run no longer waits.
        """
        ours = {item.id: item for item in made}
        left = _retry(lambda: self._remove(kind, ours), patience if self._patient else 0.0)
        self._patient = self._patient and not left
        new = {what: why for what, why in left.items() if what not in self._reported}
        self._reported.update(new)
        return _texts(new)

    def leftovers(self, kind: Kind[Any], patience: float) -> list[str]:
        """Wait (seconds) until no resource of the run is listed any more; return those that stay."""

        def attempt() -> dict[str, object]:
            left = self._remove(kind, {})
            listed = () if left else self._listed(kind)
            return left or {_label(kind, item): "it was removed, and is still listed" for item in listed}

        return _texts(_retry(attempt, patience if self._patient else 0.0))

    def _remove(self, kind: Kind[Any], ours: dict[str, Any]) -> dict[str, object]:
        left: dict[str, object] = {}
        try:
            late = [item for item in self._listed(kind) if self._key(kind, item) not in self._removed]
        except Exception as error:  # noqa: BLE001 - it is reported, and what is known is removed all the same
            late = []
            left[f"{kind.what} whose names begin with {self.prefix}, since listing them failed"] = error
        for item in [*ours.values(), *(item for item in late if item.id not in ours)]:
            problem = _problem(kind.remove, item, kind.gone)
            if problem is None:
                self._removed.add(self._key(kind, item))
                ours.pop(item.id, None)
            else:
                left[_label(kind, item)] = problem
        return left

    def _listed(self, kind: Kind[Any]) -> list[Any]:
        return [item for item in kind.list() if (kind.name(item) or "").startswith(self.prefix)]

    def _key(self, kind: Kind[Any], item: Any) -> tuple[str, str, str | None]:
        return kind.what, item.id, kind.name(item)


RUN = Run()
"""The run of this process."""


def remove(
    remove_one: Callable[[Any], object],
    items: Iterable[Any],
    patience: float,
    gone: tuple[type[PolycloudError], ...] = (NotFoundError,),
) -> list[str]:
    """Remove `items` that have no name of the run, with retries for `patience` seconds; return what stays."""
    there = list(items)

    def attempt() -> dict[str, object]:
        left = [
            (item, problem) for item in there if (problem := _problem(remove_one, item, gone)) is not None
        ]
        there[:] = [item for item, _ in left]
        return {repr(item): problem for item, problem in left}

    return _texts(_retry(attempt, patience))


def _label(kind: Kind[Any], item: Any) -> str:
    return f"{kind.name(item)} (id {item.id})"


def _texts(left: dict[str, object]) -> list[str]:
    return [f"{what}: {why if isinstance(why, str) else repr(why)}" for what, why in left.items()]


def _retry(attempt: Callable[[], dict[str, object]], patience: float) -> dict[str, object]:
    """Retry until nothing is left, time is over, or the driver itself is broken; return what is left."""
    left: dict[str, object] = {}

    def try_again() -> bool | None:
        nonlocal left
        left = attempt()
        hopeless = any(
            isinstance(problem, Exception) and not isinstance(problem, PolycloudError)
            for problem in left.values()
        )
        return True if hopeless or not left else None

    with suppress(OperationTimeoutError):
        waiting.poll(try_again, waiting_for="what was created to be removed", timeout=patience)
    return left


def _problem(
    remove_one: Callable[[Any], object], item: Any, gone: tuple[type[PolycloudError], ...]
) -> object:
    """Return what prevented the removal of an item; None if it is gone, or going."""
    try:
        result = remove_one(item)
    except gone:
        return None
    except Exception as error:  # noqa: BLE001 - the others are to be removed all the same
        return error
    return None if result is True else f"{getattr(remove_one, '__name__', 'removing it')} returned {result!r}"
