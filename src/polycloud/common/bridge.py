"""Drivers on an event loop: a greenlet runs the driver's plain code, and its waits are awaited outside.

Imported by `polycloud.aio` only, so plain programs need no greenlet and pay for no asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from types import GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from greenlet import GreenletExit, getcurrent, greenlet

if TYPE_CHECKING:
    from polycloud.common.http import Transports

__all__ = ["BridgeGreenlet", "bridged", "gather_bridged", "iterate_bridged", "landing"]

T = TypeVar("T")
HANDED = object()
"""What an iterator's greenlet switches with where it waits for nothing but to be asked again."""


class BridgeGreenlet(greenlet):
    """A greenlet whose waits are awaited by a coroutine, and the transports that its requests take."""

    transports: Transports
    in_gather: bool

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Let the event loop finish `awaitable`, then go on with its result."""
        assert self.parent is not None
        return cast("T", self.parent.switch(awaitable))

    def hand_over(self) -> None:
        """Let the coroutine outside take an item, until it asks for the next one."""
        assert self.parent is not None
        self.parent.switch(HANDED)


def current_bridge() -> BridgeGreenlet | None:
    """The greenlet bridge that the caller runs in, or None in plain code."""
    current = getcurrent()
    return current if isinstance(current, BridgeGreenlet) else None


async def bridged(fn: Callable[[], T], transports: Transports, *, in_gather: bool = False) -> T:
    """Run sync-style `fn` so that its waits are awaited here and its requests go through `transports`."""
    current = _bridge(fn, transports, in_gather=in_gather)
    return cast("T", await _drive(current, current.switch()))


async def iterate_bridged(fn: Callable[[], Iterator[T]], transports: Transports) -> AsyncGenerator[T]:
    """What the iterator of sync-style `fn` yields; it goes on only when it is asked for the next item."""
    handed: list[T] = []

    def hand_out() -> None:
        items = fn()
        try:
            for item in items:
                handed.append(item)
                current.hand_over()
        finally:
            if isinstance(items, GeneratorType):
                items.close()

    current = _bridge(hand_out, transports)
    outcome = current.switch()
    try:
        while True:
            if outcome is not HANDED:
                outcome = await _drive(current, outcome)
            if not handed:
                return
            yield handed.pop()
            current.gr_context = getcurrent().gr_context  # another task may ask for the next one
            outcome = current.switch()
    finally:
        if not current.dead:
            await _drive(current, current.throw(GreenletExit))


def _bridge(fn: Callable[[], Any], transports: Transports, *, in_gather: bool = False) -> BridgeGreenlet:
    current = BridgeGreenlet(fn)
    current.transports, current.in_gather = transports, in_gather
    current.gr_context = getcurrent().gr_context  # the caller's own, as in plain code
    return current


async def _drive(current: BridgeGreenlet, outcome: Any) -> Any:
    """Await what `current` waits for, until it ends or hands out an item; what it ends with."""
    while not current.dead and outcome is not HANDED:
        try:
            result = await outcome
        except GeneratorExit:  # nobody awaits this any more
            _abandon(current)
            raise
        except BaseException as error:  # noqa: BLE001 - cancellation too belongs to the waiting driver
            outcome = current.throw(error)
        else:
            outcome = current.switch(result)
    return outcome


def _abandon(current: BridgeGreenlet) -> None:
    while not current.dead:
        wait = current.throw(GreenletExit)
        if asyncio.iscoroutine(wait):
            wait.close()


async def gather_bridged(calls: list[Callable[[], T]], transports: Transports, limit: int) -> list[T]:
    """Run `calls` side by side, each in a bridge of its own, `limit` at most.

    After an error those under way end, since one may be a create, and the others do not begin.
    """
    gate = asyncio.Semaphore(limit)
    failed = asyncio.Event()

    async def one(call: Callable[[], T]) -> tuple[T, ...]:  # a result may itself be an exception
        async with gate:
            if failed.is_set():
                return ()
            try:
                return (await bridged(call, transports, in_gather=True),)
            except BaseException:
                failed.set()
                raise

    results: list[T] = []
    for outcome in await asyncio.gather(*map(one, calls), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        results += outcome
    return results


async def landing(flight: Future[Any]) -> Any:
    """The result of another caller's work; giving up the wait does not cancel the work."""
    return await asyncio.shield(asyncio.wrap_future(flight))
