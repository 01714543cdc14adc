"""Re-create locks in a forked child.

A fork copies locks as they are at that time: one that another thread of the parent holds stays locked in the
child for ever, since that thread does not exist there. Objects with locks register here, and the child calls
`_renew` on each before it runs anything else, the youngest first.
"""

from __future__ import annotations

import os
from _weakref import ref  # weakref takes longer to import
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

__all__ = ["cached_property", "renew_after_fork"]

T = TypeVar("T")


if TYPE_CHECKING:

    class Renewable(Protocol):
        """An object whose locks must be re-created in a forked child."""

        def _renew(self) -> None: ...


_known: dict[int, ref[Renewable]] = {}
_numbers = count()


def renew_after_fork(owner: Renewable) -> None:
    """Call `owner._renew()` in every process that is forked from this one."""
    number = next(_numbers)
    _known[number] = ref(owner, lambda _: _known.pop(number, None))


def _renew_all() -> None:
    # The youngest first: when a renewed owner drops them, their clean-up must not meet a held lock
    for known in reversed(list(_known.values())):
        owner = known()
        if owner is not None:
            owner._renew()  # noqa: SLF001 - the protocol above


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


class cached_property(Generic[T]):
    """functools.cached_property as of Python 3.12: in 3.11 all instances of a class share one lock."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> cached_property[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._compute(instance)
        return value
