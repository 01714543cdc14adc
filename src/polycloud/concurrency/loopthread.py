"""A private event loop on a daemon thread, on which plain code waits for coroutines (SSH).

Imported when first needed, so that `import polycloud` does not import asyncio.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from polycloud.concurrency.forks import renew_after_fork
from polycloud.concurrency.threads import DaemonThreads
from polycloud.errors import OperationTimeoutError

__all__ = ["run_on_private_loop", "until_deadline"]

T = TypeVar("T")


def until_deadline(async_fn: Callable[[], Awaitable[T]], left: float) -> Callable[[], Awaitable[T]]:
    """Wrap a coroutine function so that it raises `OperationTimeoutError` after `left` seconds."""
    if left == float("inf"):
        return async_fn

    async def bounded() -> T:
        limit = asyncio.timeout(left)
        try:
            async with limit:
                return await async_fn()
        except TimeoutError:
            if limit.expired():
                raise OperationTimeoutError("part of a call to end (deadline=)", left) from None
            raise

    return bounded


class _LoopThread:
    """Owns the loop and its thread; both are re-created after a fork."""

    def __init__(self) -> None:
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come in the middle
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                loop.set_default_executor(DaemonThreads())  # for names that are not resolved
                threading.Thread(target=loop.run_forever, name="polycloud-loop", daemon=True).start()
                self._loop = loop
            return self._loop


_loop_thread = _LoopThread()


def run_on_private_loop(async_fn: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine on the private loop and wait for it; an interruption (Ctrl-C) cancels it."""

    async def call() -> T:
        return await async_fn()

    future = asyncio.run_coroutine_threadsafe(call(), _loop_thread.loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
