"""The asyncio side of waiting: drivers that run on an event loop, and a private loop for plain code.

Imported when first needed, since `import polycloud` shall not pay for asyncio.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

from polycloud.common.forks import renew_after_fork
from polycloud.common.types import OperationTimeoutError
from polycloud.common.waiting import BridgeGreenlet

if TYPE_CHECKING:
    from polycloud.common.http import Transports

__all__ = ["bridged", "gather_bridged", "landing", "run_on_private_loop", "until_deadline"]

T = TypeVar("T")


async def bridged(fn: Callable[[], T], transports: Transports, *, in_gather: bool = False) -> T:
    """Run sync-style `fn` so that its waits are awaited here and its requests go through `transports`."""
    current = BridgeGreenlet(fn)
    current.transports, current.in_gather = transports, in_gather
    current.gr_context = copy_context()
    outcome = current.switch()
    while not current.dead:
        try:
            result = await outcome
        except BaseException as error:  # noqa: BLE001 - cancellation too belongs to the waiting driver
            outcome = current.throw(error)
        else:
            outcome = current.switch(result)
    return cast("T", outcome)


async def gather_bridged(calls: list[Callable[[], T]], transports: Transports, limit: int) -> list[T]:
    """Run `calls` side by side, each in a bridge of its own, `limit` at most.

    After an error those under way end, since one may be a create, and the others do not begin.
    """
    gate = asyncio.Semaphore(limit)
    failed = asyncio.Event()

    async def one(call: Callable[[], T]) -> T | None:
        async with gate:
            if failed.is_set():
                return None
            try:
                return await bridged(call, transports, in_gather=True)
            except BaseException:
                failed.set()
                raise

    outcomes = await asyncio.gather(*map(one, calls), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return cast("list[T]", outcomes)


async def landing(flight: Future[Any]) -> Any:
    """The result of another caller's work; giving up the wait does not cancel the work."""
    return await asyncio.shield(asyncio.wrap_future(flight))


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
