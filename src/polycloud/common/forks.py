"""What a forked process must not take over: locks that another thread held, and work under way there."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from typing import Any, Generic, Protocol, TypeVar, overload
from weakref import WeakValueDictionary

__all__ = ["cached_property", "renew_after_fork"]

T = TypeVar("T")


class Renewable(Protocol):
    """Something that a child process begins anew."""

    def _renew(self) -> None: ...


_known: WeakValueDictionary[int, Renewable] = WeakValueDictionary()
_numbers = count()


def renew_after_fork(thing: Renewable) -> None:
    """Call `thing._renew()` in every process that is forked from this one."""
    _known[next(_numbers)] = thing


def _renew_all() -> None:
    # The youngest first: what cleans up after them when their owner drops them meets no held lock any more
    for thing in reversed(list(_known.values())):
        thing._renew()  # noqa: SLF001 - the protocol above


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


class cached_property(Generic[T]):
    """The standard library's as it is from Python 3.12 on: before, all objects of a class share one lock."""

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
