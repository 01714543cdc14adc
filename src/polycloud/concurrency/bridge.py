"""Run a driver's plain code on an event loop: in a greenlet whose waits are awaited outside.

The idea: a greenlet has a stack of its own and can be left in the middle of a call. `bridged` starts the
driver's function in a `BridgeGreenlet`. Where plain code would block, it calls `wait(awaitable)`, which
switches back to the coroutine outside, handing it the awaitable. `drive` awaits that on the loop, meanwhile
the loop runs other tasks, and then switches into the greenlet with the result (or throws the error into it).
So the driver is written once, as plain code, and every wait in it becomes an `await`.

Making a greenlet costs more than all its switches, mostly for the memory of its stack. So one whose function
has returned is parked, and runs the function of a later call on the same thread. It keeps nothing of the
earlier one: neither function nor result nor context. One that an exception leaves is not used again.

An iterator works the same way, with one more reason to switch: `hand_over` switches with the sentinel
`YIELDED` once an item is ready, and the greenlet sleeps until the next item is requested.

Imported by `polycloud.aio` only, so plain programs import neither greenlet nor asyncio.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from types import GeneratorType
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

Transports = Callable[[Any], Any]
"""Makes the transport for a connection's options; opaque here (`polycloud.http.messages.Transports`)."""

__all__ = [
    "BridgeGreenlet",
    "await_flight",
    "begin",
    "bridged",
    "drive",
    "gather_bridged",
    "iterate_bridged",
    "take_result",
]

T = TypeVar("T")
PARKED = 2000
"""The most parked greenlets of a thread; each takes some 10 KB."""
YIELDED = object()
"""Sentinel: the greenlet has yielded an item and waits for the next request."""


class BridgeGreenlet(greenlet):
    """A greenlet whose waits are awaited by a coroutine; `transports` makes those of its requests.

    `work` is the function to run, None once it has returned: then `result` is there.
    """

    transports: Transports
    in_gather: bool
    work: Callable[[], Any] | None
    result: Any = None

    def run(self) -> None:
        """Run one function after another; between them the greenlet is parked."""
        while True:
            assert self.work is not None
            self.result = self.work()
            self.work = None
            del self.transports
            assert self.parent is not None
            self.parent.switch()

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Have the event loop await `awaitable`; return its result."""
        result: T = self.parent.switch(awaitable)  # type: ignore[union-attr] # it has one while it runs
        return result

    def hand_over(self) -> None:
        """Yield to the coroutine outside until it asks for the next item."""
        assert self.parent is not None
        self.parent.switch(YIELDED)


def current_bridge() -> BridgeGreenlet | None:
    """Return the bridge that the caller runs in, or None in plain code."""
    current = getcurrent()
    return current if isinstance(current, BridgeGreenlet) else None


async def bridged(fn: Callable[[], T], transports: Transports, *, in_gather: bool = False) -> T:
    """Run plain `fn`; its waits are awaited here and its requests go through `transports`."""
    current = begin(fn, transports, in_gather=in_gather)
    await drive(current, current.switch())
    result: T = take_result(current)
    return result


async def iterate_bridged(fn: Callable[[], Iterator[T]], transports: Transports) -> AsyncGenerator[T]:
    """Yield the items of the iterator that plain `fn` returns; it runs only while an item is requested."""
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

    current = begin(hand_out, transports)
    outcome = current.switch()
    try:
        while True:
            if outcome is not YIELDED:
                outcome = await drive(current, outcome)
            if not handed:
                return
            yield handed.pop()
            current.gr_context = getcurrent().gr_context  # another task may ask for the next one
            outcome = current.switch()
    finally:
        if current.work is None:
            _park(current)
        elif not current.dead:
            await drive(current, current.throw(GreenletExit))


class _Parked(threading.local):
    """The parked greenlets of a thread; greenlets cannot move to another one."""

    def __init__(self) -> None:
        self.greenlets: list[BridgeGreenlet] = []


_parked = _Parked()


def begin(fn: Callable[[], Any], transports: Transports, *, in_gather: bool = False) -> BridgeGreenlet:
    """Return a greenlet that will run `fn`, from its first `switch` on."""
    parked, caller = _parked.greenlets, getcurrent()
    current = parked.pop() if parked else BridgeGreenlet()
    current.parent = caller
    current.work, current.transports, current.in_gather = fn, transports, in_gather
    current.gr_context = caller.gr_context  # the caller's own, as in plain code
    return current


def take_result(current: BridgeGreenlet) -> Any:
    """Return the result of a function that has returned; its greenlet is parked."""
    result = current.result
    _park(current)
    return result


def _park(current: BridgeGreenlet) -> None:
    current.result = current.gr_context = None
    if not current.dead and len(_parked.greenlets) < PARKED:
        _parked.greenlets.append(current)


async def drive(current: BridgeGreenlet, outcome: Any) -> Any:
    """Await what `current` waits for until it returns or yields an item; return that outcome."""
    while current.work is not None and not current.dead and outcome is not YIELDED:
        try:
            result = await outcome
        except GeneratorExit:  # the awaiting task is gone
            _abandon(current)
            raise
        except BaseException as error:  # noqa: BLE001 - cancellation too belongs to the waiting driver
            outcome = current.throw(error)
        else:
            outcome = current.switch(result)
    return outcome


def _abandon(current: BridgeGreenlet) -> None:
    while current.work is not None and not current.dead:
        wait = current.throw(GreenletExit)
        if asyncio.iscoroutine(wait):
            wait.close()


async def gather_bridged(calls: list[Callable[[], T]], transports: Transports, limit: int) -> list[T]:
    """Run `calls` concurrently, each in a bridge of its own, at most `limit` at once.

    After an error those in progress are completed, since one may be a create; the others do not begin.
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


async def await_flight(flight: Future[Any]) -> Any:
    """Return the result of another caller's work; cancelling the wait does not cancel the work."""
    return await asyncio.shield(asyncio.wrap_future(flight))
