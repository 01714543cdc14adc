"""Threads that do not keep the interpreter from ending.

`ThreadPoolExecutor` joins its threads when the interpreter ends, so a call that hangs, or one of 20 s after
Ctrl-C, holds the program. Here each call has a daemon thread of its own, and whoever submits bounds their
number.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import Any, TypeVar

__all__ = ["DaemonThreads"]

T = TypeVar("T")


class DaemonThreads(ThreadPoolExecutor):
    """Runs each call on a daemon thread, in the context of its submitter: its trace, its limits.

    It is a `ThreadPoolExecutor` by type only, since event loops accept no other as their default executor;
    the threads of the base class are never started.
    """

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn` now; its future has the result."""
        future: Future[T] = Future()
        work = partial(copy_context().run, _fulfil, future, partial(fn, *args, **kwargs))
        future.set_running_or_notify_cancel()
        Thread(target=work, name="polycloud-call", daemon=True).start()
        return future


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - the future has it
        future.set_exception(error)
    else:
        future.set_result(result)
