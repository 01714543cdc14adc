"""How drivers wait, run calls concurrently, and share work: the one place where sync and async meet.

Called from plain code, these primitives block the calling thread. Called inside a bridge greenlet (a driver
run by `polycloud.concurrency.bridge.bridged`), they switch to the event loop that started it, which runs
other tasks meanwhile. Drivers and base code wait through nothing else.

`SingleFlight` is the one way to share work between callers: the first caller of a key leads and runs the
function; callers that arrive meanwhile follow, and receive its result or its error. An interruption (Ctrl-C,
cancellation) concerns the leader alone, so the flight ends without an outcome and one of the followers takes
the lead. The same holds for a leader whose own deadline has passed; and a follower waits no longer than its
own deadline. A thread that would wait for its own flight (plain code called from a task of the loop that
leads) would wait for ever, so it runs the function itself.
"""

from __future__ import annotations

import sys
import time
from _thread import RLock, _local, get_ident  # threading takes longer to import
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextlib import suppress
from contextvars import ContextVar, copy_context
from math import inf
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
from polycloud.utils.values import shown

if TYPE_CHECKING:
    from concurrent.futures import Future

    from polycloud.concurrency.bridge import BridgeGreenlet

__all__ = ["SingleFlight", "Turns", "bridge", "gather", "poll", "require_times", "run", "sleep"]

T = TypeVar("T")
SIDE_BY_SIDE = 8
DEAF = 0.5
"""Seconds after which a wait for threads notices a Ctrl-C that the system has given to another thread."""
FIRST_PAUSE = 0.05
PAUSE_GROWTH = 1.5
TRANSIENT = (MalformedResponseError, RateLimitReachedError, ServerError, TransportError)
LAST_CHECK = 1.0
"""Seconds that a check may take even if the timeout is nearly over."""


def bridge() -> BridgeGreenlet | None:
    """Return the bridge that the caller runs in, or None in plain code."""
    module = sys.modules.get("polycloud.concurrency.bridge")  # without it there are no bridges
    current = getattr(module, "current_bridge", None)  # nor while it is being imported
    found: BridgeGreenlet | None = current and current()
    return found


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


class _Inline(_local):
    active = False


_inline = _Inline()


def gather(calls: Iterable[Callable[[], T]], *, limit: int = SIDE_BY_SIDE) -> list[T]:
    """Run independent calls concurrently, at most `limit` at once; return their results in order.

    The first error is raised after the calls in progress have ended; calls not yet begun are dropped. An
    interruption (Ctrl-C) is raised at once; the calls in progress do not keep the program from ending.
    A `gather` inside a `gather` runs one call after another, since bounded pools would deadlock.
    """
    if not isinstance(limit, int) or limit < 1:
        raise InvalidArgumentError(f"limit must be an int of at least 1, got {shown(limit)}")
    calls = list(calls)
    current = bridge()
    if len(calls) < 2 or (_inline.active if current is None else current.in_gather):  # noqa: PLR2004
        return [call() for call in calls]
    if current is not None:
        from polycloud.concurrency.bridge import gather_bridged

        return current.wait(gather_bridged(calls, current.transports, limit))
    return _gather_on_threads(calls, limit)


def _gather_on_threads(calls: list[Callable[[], T]], limit: int) -> list[T]:
    from polycloud.concurrency.threads import DaemonThreads

    todo = deque(enumerate(calls))
    results: dict[int, T] = {}
    errors: dict[int, BaseException] = {}

    def work() -> None:
        _inline.active = True
        while True:
            try:
                number, call = todo.popleft()
            except IndexError:
                return
            try:
                results[number] = copy_context().run(call)
            except BaseException as error:  # noqa: BLE001 - raised by `gather`
                errors[number] = error
                todo.clear()

    threads = DaemonThreads()
    try:
        workers = [threads.submit(work) for _ in range(min(limit, len(calls)))]
        for worker in workers:
            while not worker.done():
                with suppress(TimeoutError):
                    worker.result(DEAF)
        if errors:
            raise errors[min(errors)]
    finally:
        todo.clear()
        errors.clear()  # their tracebacks hold this frame
    return [results[number] for number in range(len(calls))]


class SingleFlight:
    """Lets one caller do what many ask for at the same time; see the module's text."""

    def __init__(self) -> None:
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = RLock()  # a signal handler may come in the middle
        self._flights: dict[Hashable, tuple[Future[Any], int]] = {}

    def __call__(self, key: Hashable, fn: Callable[[], T], *, alone: bool = False) -> T:
        """Return the result of `fn`, run by this caller unless another one is running it for `key`.

        Plain code on an event loop's thread cannot wait for a task of that loop: it runs `fn` too or, if `fn`
        must run `alone`, raises `PolycloudError`. Raises `OperationTimeoutError` if the deadline of
        `call_options` passes while another caller runs it.
        """
        while True:
            with self._lock:
                flight, leader = self._flights.get(key, (None, 0))
                leads = flight is None
                if flight is None:
                    flight = _new_flight()
                    self._flights[key] = flight, get_ident()
            if leads:
                return self._lead(key, flight, fn)
            if leader == get_ident() and bridge() is None:
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
            # What concerns this caller alone ends with None, which makes a follower take the lead
            own = not isinstance(error, Exception) or calls.remaining() <= 0
            flight.set_result(None) if own else flight.set_exception(error)
            raise
        self._forget(key)
        flight.set_result((result,))
        return result

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            self._flights.pop(key, None)

    def __reduce__(self) -> tuple[type[SingleFlight], tuple[()]]:
        return SingleFlight, ()


class Turns:
    """Has callers of one key run one after another, on threads and event loops: to read and then write.

    As with `SingleFlight`, plain code on the thread of an event loop does not wait for a task of that loop.
    What a function calls in its turn has the turn too.
    """

    def __init__(self) -> None:
        self._flights = SingleFlight()
        self._held: ContextVar[frozenset[Hashable]] = ContextVar("turns", default=frozenset())

    def __call__(self, key: Hashable, fn: Callable[[], T]) -> T:
        """Return the result of `fn`, which this caller runs once nobody else runs one for `key`.

        Raises `OperationTimeoutError` if the deadline of `call_options` passes before.
        """
        held = self._held.get()
        if key in held:
            return fn()
        own: list[T] = []
        failed: list[Exception] = []

        def run() -> None:
            token = self._held.set(held | {key})
            try:
                own.append(fn())
            except Exception as error:  # noqa: BLE001 - the others, who wait for their turn, have no part in it
                failed.append(error)
            finally:
                self._held.reset(token)

        while not own and not failed:
            self._flights(key, run)
        if failed:
            raise failed.pop()
        return own[0]


def _new_flight() -> Future[Any]:
    from concurrent.futures import Future

    return Future()


def _outcome(flight: Future[Any]) -> tuple[bool, Any]:
    current, left = bridge(), calls.remaining()
    if current is None:
        outcome = _awaited(flight, left)
    else:
        from polycloud.concurrency.bridge import await_flight
        from polycloud.concurrency.loopthread import until_deadline

        outcome = current.wait(until_deadline(lambda: await_flight(flight), left)())
    return (False, None) if outcome is None else (True, outcome[0])


def _awaited(flight: Future[Any], left: float) -> Any:
    try:
        return flight.result(None if left == inf else max(0.0, left))
    except TimeoutError:
        if flight.done():  # in this moment, or by an error of this type
            return flight.result()
        message = "another caller to end the same operation (deadline=)"
        raise OperationTimeoutError(message, max(0.0, left)) from None


def poll(check: Callable[[], T | None], *, waiting_for: str, timeout: float, longest_pause: float = 5.0) -> T:
    """Call `check` until it returns something other than None; return that.

    Pauses between two checks grow from 0.05 s to `longest_pause` (seconds) and vary at random, so that many
    waiters do not poll in step. A check with a transient failure (a broken connection, a server error, a rate
    limit) counts as one that returned None, for as long as the timeout lasts; other errors are raised.

    The timeout is a deadline for the checks too: one that hangs ends with it. Raises `OperationTimeoutError`
    with the last failure after `timeout` seconds or at the deadline of `call_options`, and
    `InvalidArgumentError` for invalid times; an interruption (Ctrl-C, cancellation) passes through with a
    note of what was being waited for.
    """
    import random

    require_times(timeout, longest_pause)
    timeout = max(0.0, min(timeout, calls.remaining()))
    ends_at = time.monotonic() + timeout
    pause = min(FIRST_PAUSE, longest_pause)
    try:
        while True:
            found, failure = _check(check, ends_at)
            if found is not None:
                return found
            left = ends_at - time.monotonic()
            if left <= 0:
                raise OperationTimeoutError(waiting_for, timeout, cause=failure) from failure
            sleep(min(pause * random.uniform(0.75, 1.25), left))  # noqa: S311 - not a secret
            pause = min(pause * PAUSE_GROWTH, longest_pause)
    except Exception:
        raise
    except BaseException as interruption:
        interruption.add_note(f"interrupted while waiting for {waiting_for}")
        raise


def _check(check: Callable[[], T | None], ends_at: float) -> tuple[T | None, PolycloudError | None]:
    """Return what `check` returns, or the failure that may pass."""
    try:
        with calls.call_options(deadline=max(ends_at - time.monotonic(), LAST_CHECK)):
            return check(), None
    except TRANSIENT as failure:
        return None, failure
    except OperationTimeoutError as failure:
        if time.monotonic() < ends_at:  # a wait of its own
            raise
        return None, failure


def require_times(timeout: float, longest_pause: float = 1.0, *, name: str = "timeout") -> None:
    """Raise `InvalidArgumentError` for invalid times: better before a create than after it.

    `name` is what the caller calls the timeout.
    """
    if timeout != 0 or isinstance(timeout, bool):
        calls.seconds(name, timeout)
    calls.seconds("the longest pause", longest_pause)
