"""How drivers wait, run calls concurrently, and share work: the one place where sync and async meet.

Called from plain code, these primitives block the calling thread. Called inside a bridge greenlet (a driver
run by `polycloud.concurrency.bridge.bridged`), they switch to the event loop that started it, which runs
other tasks meanwhile. Drivers and base code wait through nothing else.

`SingleFlight` is the one way to share work between callers: the first caller of a key leads and runs the
function; callers that arrive meanwhile follow, and receive its result or its error. An interruption (Ctrl-C,
cancellation) concerns the leader alone, so the flight ends without an outcome and one of the followers takes
the lead. A thread that would wait for its own flight (plain code called from a task of the loop that leads)
would wait for ever, so it runs the function itself.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

from polycloud.concurrency import calls
from polycloud.concurrency.forks import renew_after_fork
from polycloud.errors import (
    InvalidArgumentError,
    MalformedResponseError,
    OperationTimeoutError,
    PolycloudError,
    RateLimitReachedError,
    ServerError,
    TransportError,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

    from polycloud.concurrency.bridge import BridgeGreenlet

__all__ = ["SingleFlight", "bridge", "gather", "poll", "require_times", "run", "sleep"]

T = TypeVar("T")
SIDE_BY_SIDE = 8
FIRST_PAUSE = 0.05
PAUSE_GROWTH = 1.5
TRANSIENT = (MalformedResponseError, RateLimitReachedError, ServerError, TransportError)
FAILED_CHECKS = 5


def bridge() -> BridgeGreenlet | None:
    """Return the bridge that the caller runs in, or None in plain code."""
    module = sys.modules.get("polycloud.concurrency.bridge")  # without it there are no bridges
    current = getattr(module, "current_bridge", None)  # nor while it is being imported
    return None if current is None else cast("BridgeGreenlet | None", current())


def run(async_fn: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function and wait for it: on the caller's loop inside a bridge, else on a private loop.

    An interruption of the waiting thread (Ctrl-C) cancels the coroutine, and so does the deadline of
    `call_options`, with `OperationTimeoutError`.
    """
    from polycloud.concurrency.loopthread import run_on_private_loop, until_deadline

    async_fn = until_deadline(async_fn, calls.remaining())
    current = bridge()
    return run_on_private_loop(async_fn) if current is None else current.wait(async_fn())


def sleep(seconds: float) -> None:
    """Pause for `seconds`."""
    current = bridge()
    if current is None:
        time.sleep(seconds)  # noqa: TID251 - the place that the ban points to
    else:
        import asyncio

        current.wait(asyncio.sleep(seconds))


class _Inline(threading.local):
    active = False


_inline = _Inline()


def gather(calls: Iterable[Callable[[], T]], *, limit: int = SIDE_BY_SIDE) -> list[T]:
    """Run independent calls concurrently, at most `limit` at once; return their results in order.

    The first error is raised after the calls in progress have ended; calls not yet begun are dropped.
    A `gather` inside a `gather` runs one call after another, since bounded pools would deadlock.
    """
    if limit < 1:
        raise InvalidArgumentError(f"limit must be at least 1, got {limit}")
    calls = list(calls)
    current = bridge()
    if len(calls) < 2 or (_inline.active if current is None else current.in_gather):  # noqa: PLR2004
        return [call() for call in calls]
    if current is not None:
        from polycloud.concurrency.bridge import gather_bridged

        return current.wait(gather_bridged(calls, current.transports, limit))
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(min(limit, len(calls)), "polycloud-gather", _mark_inline)
    futures = [pool.submit(copy_context().run, call) for call in calls]
    try:
        return [future.result() for future in futures]
    except BaseException as error:
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False)


def _mark_inline() -> None:
    _inline.active = True


class SingleFlight:
    """Lets one caller do what many ask for at the same time; see the module's text."""

    def __init__(self) -> None:
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, tuple[Future[Any], int]] = {}

    def __call__(self, key: Hashable, fn: Callable[[], T], *, alone: bool = False) -> T:
        """Return the result of `fn`, run by this caller unless another one is running it for `key`.

        Plain code on an event loop's thread cannot wait for a task of that loop: it runs `fn` too or, if `fn`
        must run `alone`, raises `PolycloudError`.
        """
        while True:
            with self._lock:
                flight, leader = self._flights.get(key, (None, 0))
                leads = flight is None
                if flight is None:
                    flight = _new_flight()
                    self._flights[key] = flight, threading.get_ident()
            if leads:
                return self._lead(key, flight, fn)
            if leader == threading.get_ident() and bridge() is None:
                if alone:
                    raise PolycloudError("a task of this thread's event loop is doing this already; await it")
                return fn()
            finished, result = _outcome(flight)
            if finished:
                return cast("T", result)

    def _lead(self, key: Hashable, flight: Future[Any], fn: Callable[[], T]) -> T:
        try:
            result = fn()
        except BaseException as error:
            self._forget(key)
            # An interruption concerns this caller alone: None makes a follower take the lead.
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


def _outcome(flight: Future[Any]) -> tuple[bool, Any]:
    current = bridge()
    if current is None:
        outcome = flight.result()
    else:
        from polycloud.concurrency.bridge import await_flight

        outcome = current.wait(await_flight(flight))
    return (False, None) if outcome is None else (True, outcome[0])


def poll(check: Callable[[], T | None], *, waiting_for: str, timeout: float, longest_pause: float = 5.0) -> T:
    """Call `check` until it returns something other than None; return that.

    Pauses between two checks grow from 0.05 s to `longest_pause` (seconds) and vary at random, so that many
    waiters do not poll in step. A check with a transient failure (a broken connection, a server error, a rate
    limit) counts as one that returned None, up to five in a row. Raises `OperationTimeoutError` after
    `timeout` seconds or at the deadline of `call_options`, and `InvalidArgumentError` for invalid times; an
    interruption (Ctrl-C, cancellation) passes through with a note of what was being waited for.
    """
    import random

    require_times(timeout, longest_pause)
    timeout = max(0.0, min(timeout, calls.remaining()))
    deadline = time.monotonic() + timeout
    pause = min(FIRST_PAUSE, longest_pause)
    patient = _patient(check)
    try:
        while (found := patient()) is None:
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


def _patient(check: Callable[[], T | None]) -> Callable[[], T | None]:
    failed = 0

    def patient() -> T | None:
        nonlocal failed
        try:
            found = check()
        except TRANSIENT:
            failed += 1
            if failed >= FAILED_CHECKS:
                raise
            return None
        failed = 0
        return found

    return patient


def require_times(timeout: float, longest_pause: float = 1.0) -> None:
    """Raise `InvalidArgumentError` for invalid times: better before a create than after it."""
    for name, seconds in (("timeout", timeout), ("longest pause", longest_pause)):
        if not isinstance(seconds, int | float) or not seconds >= 0:
            raise InvalidArgumentError(f"the {name} must be a number of seconds, got {seconds!r}")
    if longest_pause == 0:
        raise InvalidArgumentError(
            "the longest pause must be above 0 seconds, or polling floods the provider"
        )
