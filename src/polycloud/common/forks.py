"""What a forked process must not take over: locks that another thread held, and work under way there."""

from __future__ import annotations

import os
from typing import Any, Protocol
from weakref import WeakSet

__all__ = ["renew_after_fork"]


class Renewable(Protocol):
    """Something that a child process begins anew."""

    def _renew(self) -> None: ...


_known: WeakSet[Any] = WeakSet()


def renew_after_fork(thing: Renewable) -> None:
    """Call `thing._renew()` in every process that is forked from this one."""
    _known.add(thing)


def _renew_all() -> None:
    for thing in list(_known):
        thing._renew()  # noqa: SLF001 - the protocol above


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
