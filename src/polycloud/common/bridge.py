"""Drivers on an event loop: a greenlet runs the driver's plain code, and its waits are awaited outside.

Imported by `polycloud.aio` only, so plain programs need no greenlet and pay for no asyncio.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

from greenlet import GreenletExit, getcurrent, greenlet

if TYPE_CHECKING:
    from polycloud.common.http import Transports

__all__ = ["BridgeGreenlet", "bridged", "gather_bridged", "iterate_bridged", "landing"]

T = TypeVar("T")


class BridgeGreenlet(greenlet):
    """A greenlet whose waits are awaited by a coroutine, and the transports that its requests take."""

    transports: Transports
    in_gather: bool

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Let the event loop finish `awaitable`, then go on with its result."""
        assert self.parent is not None
        return cast("T", self.parent.switch(awaitable))


def current_bridge() -> BridgeGreenlet | None:
    """The greenlet bridge that the caller runs in, or None in plain code."""
    current = getcurrent()
    return current if isinstance(current, BridgeGreenlet) else None


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


async def iterate_bridged(fn: Callable[[], Iterator[T]], transports: Transports) -> AsyncGenerator[T]:
    """What the iterator of sync-style `fn` yields.

    It runs on until it waits for something, and that wait begins when what it has yielded is consumed: so
    a list is read a page at a time.
    """
    ready: deque[T] = deque()

    def fill() -> None:
        for item in fn():
            ready.append(item)

    current = BridgeGreenlet(fill)
    current.transports, current.in_gather = transports, False
    current.gr_context = copy_context()
    outcome = current.switch()
    try:
        while True:
            while ready:
                yield ready.popleft()
            if current.dead:
                return
            try:
                result = await outcome
            except BaseException as error:  # noqa: BLE001 - cancellation too belongs to the waiting driver
                outcome = current.throw(error)
            else:
                outcome = current.switch(result)
    finally:
        while not current.dead:
            if asyncio.iscoroutine(outcome):
                outcome.close()
            outcome = current.throw(GreenletExit)


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
