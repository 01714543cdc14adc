"""The one place where sync and async meet: how drivers wait, run things side by side, and share work.

Called plainly, these primitives block the calling thread. Called inside a bridge greenlet (a driver run
by `polycloud.common.bridge.bridged`), they switch to the event loop that started it, which goes on with other
work meanwhile. Drivers and base code wait through nothing else.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

from greenlet import getcurrent, greenlet

from polycloud.common.types import OperationTimeoutError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from polycloud.common.http import Transport

__all__ = ["BridgeGreenlet", "SingleFlight", "bridge", "gather", "poll", "run", "sleep"]

T = TypeVar("T")
SIDE_BY_SIDE = 8
FIRST_PAUSE = 0.05
PAUSE_GROWTH = 1.5


class BridgeGreenlet(greenlet):
    """A greenlet whose waits are awaited by a coroutine, and the transport that its requests take."""

    transport: Transport
    in_gather: bool

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Let the event loop finish `awaitable`, then go on with its result."""
        assert self.parent is not None
        return cast("T", self.parent.switch(awaitable))


def bridge() -> BridgeGreenlet | None:
    """The greenlet bridge that the caller runs in, or None in plain code."""
    current = getcurrent()
    return current if isinstance(current, BridgeGreenlet) else None


def run(async_fn: Callable[[], Awaitable[T]]) -> T:
    """Wait for a coroutine function: on the caller's loop inside a bridge, else on a private loop thread.

    An interruption of the waiting thread (Ctrl-C) cancels the coroutine.
    """
    current = bridge()
    if current is not None:
        return current.wait(async_fn())

    from polycloud.common.bridge import run_on_private_loop

    return run_on_private_loop(async_fn)


def sleep(seconds: float) -> None:
    """Pause for `seconds`."""
    current = bridge()
    if current is None:
        time.sleep(seconds)  # noqa: TID251 - this is the place that the ban points to
    else:
        import asyncio

        current.wait(asyncio.sleep(seconds))


class _Inline(threading.local):
    active = False


_inline = _Inline()


def gather(calls: Iterable[Callable[[], T]], *, limit: int = SIDE_BY_SIDE) -> list[T]:
    """Run independent calls side by side, `limit` at most; their results in order.

    The first error is raised after the calls under way have ended; calls not yet begun are dropped.
    A `gather` inside a `gather` runs one call after another, since bounded pools would deadlock.
    """
    calls = list(calls)
    current = bridge()
    if len(calls) < 2 or (_inline.active if current is None else current.in_gather):  # noqa: PLR2004
        return [call() for call in calls]
    if current is not None:
        from polycloud.common.bridge import gather_bridged

        return current.wait(gather_bridged(calls, current.transport, limit))
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(min(limit, len(calls)), "polycloud-gather", _mark_inline)
    try:
        futures = [pool.submit(copy_context().run, call) for call in calls]
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _mark_inline() -> None:
    _inline.active = True


class SingleFlight:
    """Lets one caller do what many ask for at the same time; all get its result, or its error."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Future[Any]] = {}

    def __call__(self, key: Hashable, fn: Callable[[], T]) -> T:
        """The result of `fn`, run by this caller unless another one is running it for `key`."""
        while True:
            with self._lock:
                flight = self._flights.get(key)
                leads = flight is None
                if flight is None:
                    flight = self._flights[key] = _new_flight()
            if leads:
                return self._lead(key, flight, fn)
            landed, result = _landed(flight)
            if landed:
                return cast("T", result)

    def _lead(self, key: Hashable, flight: Future[Any], fn: Callable[[], T]) -> T:
        try:
            result = fn()
        except BaseException as error:
            self._forget(key)
            # An interruption is this caller's alone: None sends a follower to take the lead.
            flight.set_result(None) if not isinstance(error, Exception) else flight.set_exception(error)
            raise
        self._forget(key)
        flight.set_result((result,))
        return result

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            self._flights.pop(key, None)

    def __reduce__(self) -> tuple[type[SingleFlight], tuple[()]]:
        return SingleFlight, ()


def _new_flight() -> Future[Any]:
    from concurrent.futures import Future

    return Future()


def _landed(flight: Future[Any]) -> tuple[bool, Any]:
    current = bridge()
    if current is None:
        outcome = flight.result()
    else:
        from polycloud.common.bridge import landing

        outcome = current.wait(landing(flight))
    return (False, None) if outcome is None else (True, outcome[0])


def poll(look: Callable[[], T | None], *, waiting_for: str, timeout: float, longest_pause: float = 5.0) -> T:
    """Look until there is something to see: the first result of `look` that is not None.

    Pauses between two looks grow from 0.05 s to `longest_pause` (seconds) and vary at random, so that
    many waiters do not look in step. Raises `OperationTimeoutError` after `timeout` seconds; an
    interruption (Ctrl-C, cancellation) passes through with a note of what was being waited for.
    """
    deadline = time.monotonic() + timeout
    pause = min(FIRST_PAUSE, longest_pause)
    try:
        while (found := look()) is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise OperationTimeoutError(waiting_for, timeout)
            sleep(min(pause * random.uniform(0.75, 1.25), remaining))  # noqa: S311 - not a secret
            pause = min(pause * PAUSE_GROWTH, longest_pause)
    except Exception:
        raise
    except BaseException as interruption:
        interruption.add_note(f"interrupted while waiting for {waiting_for}")
        raise
    return found
