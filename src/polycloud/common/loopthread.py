"""A private event loop, on which plain code waits for coroutines (SSH).

Imported when first needed, since `import polycloud` shall not pay for asyncio.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from polycloud.common.forks import renew_after_fork
from polycloud.common.types import OperationTimeoutError

__all__ = ["run_on_private_loop", "until_deadline"]

T = TypeVar("T")


def until_deadline(async_fn: Callable[[], Awaitable[T]], left: float) -> Callable[[], Awaitable[T]]:
    """The coroutine function, which ends with `OperationTimeoutError` after `left` seconds."""
    if left == float("inf"):
        return async_fn

    async def bounded() -> T:
        limit = asyncio.timeout(left)
        try:
            async with limit:
                return await async_fn()
        except TimeoutError:
            if limit.expired():
                raise OperationTimeoutError("a call's part to end (deadline=)", left) from None
            raise

    return bounded


class _LoopThread:
    """A private event loop on a daemon thread, for plain callers of async code; remade after a fork."""

    def __init__(self) -> None:
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="polycloud-loop", daemon=True).start()
            return self._loop


_loop_thread = _LoopThread()


def run_on_private_loop(async_fn: Callable[[], Awaitable[T]]) -> T:
    """Wait in this thread for a coroutine on the private loop; an interruption (Ctrl-C) cancels it."""

    async def call() -> T:
        return await async_fn()

    future = asyncio.run_coroutine_threadsafe(call(), _loop_thread.loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
