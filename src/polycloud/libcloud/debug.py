"""Libcloud's `enable_debug` and `reset_debug`."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TextIO

from polycloud.tracing.debugfile import entry
from polycloud.tracing.hooks import add_hook
from polycloud.tracing.trace import Trace

_lock = Lock()
_hooks: list[Callable[[], None]] = []


def enable_debug(fo: TextIO) -> None:
    """Write each exchange to an open text file from now on, as `POLYCLOUD_DEBUG` does: without secrets."""

    def write(trace: Trace) -> None:
        with _lock:
            fo.write(entry(trace))
            fo.flush()

    reset_debug()
    _hooks.append(add_hook(write))


def reset_debug() -> None:
    """End what `enable_debug` began."""
    while _hooks:
        _hooks.pop()()
