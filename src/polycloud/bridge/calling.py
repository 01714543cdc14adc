"""How a call of a Libcloud driver runs: which driver, on which thread, and until when.

A driver of Libcloud is not safe on threads, so no two calls use one at the same time. A bridged driver keeps
the idle ones: a call takes one, or makes another, and gives it back at its end. A driver whose state is in
memory must stay the only one: its calls run one after another.

Plain code runs the call where it is. Code on an event loop has it run on a thread of a `Crew`, and awaits
it; so does a call with a deadline, which may sleep between its requests for longer than it may take. What
the caller gave to the call, such as the pieces of an upload, is asked for on the caller's own side (`ask`):
there it may come from the event loop. A call that nobody waits for any more sends no further request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, copy_context
from functools import partial
from math import inf
from queue import Empty, SimpleQueue
from types import GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar

from polycloud.bridge.threads import Crew
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import remaining
from polycloud.concurrency.forks import renew_after_fork
from polycloud.errors import Exchange, OperationTimeoutError, PolycloudError
from polycloud.http.messages import RawResponse, Request

if TYPE_CHECKING:
    import asyncio

    from polycloud.bridge.connection import BridgedConnection

T = TypeVar("T")
GRACE = 0.2
"""Seconds after the deadline in which a call may still say itself what it was waiting for."""
BATCH = 1000
"""The most items that an iterator hands over at once."""
LOOK = 1.0
"""Seconds between two looks whether the caller still waits."""
ABANDONED = "nobody waits for this call any more"
END = object()
_crew = Crew()
_current: ContextVar[Call | None] = ContextVar("polycloud_bridge", default=None)
_asking: ContextVar[bool] = ContextVar("polycloud_bridge_asking", default=False)
"""Whether a call asks the caller for something here: a call in it must not wait for a thread of the crew."""


def current() -> Call | None:
    """Return the bridged call that runs here, if one does."""
    return _current.get()


class Turn:
    """Keeps others from using the only driver; without a lock nobody is kept."""

    def __init__(self, lock: threading.RLock | None) -> None:
        self._lock: Any = lock or nullcontext()

    def __enter__(self) -> None:
        self._lock.__enter__()

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(*error)

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Let others take their turn meanwhile."""
        self._lock.__exit__(None, None, None)
        try:
            yield
        finally:
            self._lock.__enter__()


class Call:
    """One call: the connection for its requests, the last exchange, and how many there were.

    `raised` is what the caller's own code raised that the call asked for something, `failure` why the last
    request has no response: some drivers of Libcloud raise an error of their own then.
    """

    def __init__(self, connection: BridgedConnection, turn: Turn | None = None) -> None:
        self.connection = connection
        self.turn = turn or Turn(None)
        self.abandoned = False
        self.requests = 0
        self.exchange: Exchange | None = None
        self.request: Request | None = None
        self.response: RawResponse | None = None
        self.raised: Exception | None = None
        self.failure: PolycloudError | None = None
        self._mail: SimpleQueue[Any] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived: asyncio.Event | None = None
        self._thread: int | None = None

    def note(self, exchange: Exchange, request: Request, response: RawResponse) -> None:
        """Record the last exchange, by which an error is understood."""
        self.requests += 1
        self.exchange, self.request, self.response = exchange, request, response

    @contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Record the error of the request in the block."""
        self.failure = None
        try:
            yield
        except PolycloudError as error:
            self.failure = error
            raise

    def run(self, fn: Callable[[], T]) -> T:
        """Return the result of `fn`, which may block: here, or on a thread (see the module's text)."""
        if waiting.bridge() is None and remaining() == inf:
            return self._here(fn)
        return self._on_a_thread(fn)

    def ask(self, fn: Callable[[], T]) -> T:
        """Return the result of `fn`, the caller's own code, run where the caller waits."""
        try:
            return self._asked(fn)
        except Exception as error:
            self.raised = error
            raise

    def _asked(self, fn: Callable[[], T]) -> T:
        if self._thread != threading.get_ident():
            token = _current.set(None)  # the caller's code is no part of the call
            try:
                return fn()
            finally:
                _current.reset(token)
        result: Future[T] = Future()
        self._post((fn, result))
        with self.turn.given_up():  # what is asked for may come from the same driver
            while not self.abandoned:
                try:
                    return result.result(timeout=LOOK)
                except TimeoutError:
                    if result.done():  # an error of this type
                        raise
        raise PolycloudError(ABANDONED)

    @property
    def is_here(self) -> bool:
        """Whether the code within `run` is on the caller's own thread."""
        return self._thread is None

    def _here(self, fn: Callable[[], T]) -> T:
        token = _current.set(self)
        try:
            return fn()
        except Exception:
            raise
        except BaseException:
            self.abandoned = True
            raise
        finally:
            _current.reset(token)

    def _on_a_thread(self, fn: Callable[[], T]) -> T:
        self._loop = self._arrived = None
        if waiting.bridge() is not None:
            import asyncio

            self._loop, self._arrived = asyncio.get_running_loop(), asyncio.Event()
        outcome: Future[T] = Future()
        context = copy_context()
        job = partial(context.run, self._work, fn, outcome)
        if _asking.get():
            threading.Thread(target=job, name="polycloud-bridge", daemon=True).start()
        else:
            _crew.run(job)
        try:
            while not outcome.done():
                message = self._next()
                if message is not None:
                    _carry_out(*message)
            return outcome.result()
        except BaseException:
            self._abandon(outcome)
            raise

    def _work(self, fn: Callable[[], T], outcome: Future[T]) -> None:
        _current.set(self)
        try:
            if self.abandoned:
                raise PolycloudError(ABANDONED)
            self._thread = threading.get_ident()
            result = fn()
        except BaseException as error:  # noqa: BLE001 - the caller gets it
            self._thread = None
            outcome.set_exception(error)
        else:
            self._thread = None  # before the caller may begin the next step on another thread
            outcome.set_result(result)
        finally:
            self._post(None)

    def _post(self, message: Any) -> None:
        if self.abandoned and message is not None:
            raise PolycloudError(ABANDONED)
        self._mail.put(message)
        if self._loop is not None and self._arrived is not None:
            try:
                self._loop.call_soon_threadsafe(self._arrived.set)
            except RuntimeError:  # the loop has been closed
                self.abandoned = True

    def _next(self) -> Any:
        """Wait for a message of the thread: None at its end, or a function to run here and its future."""
        left = remaining() + GRACE
        try:
            if self._arrived is None:
                return self._mail.get(timeout=None if left == inf else max(0.0, left))
            return waiting.bridge().wait(self._received(left))  # type: ignore[union-attr] # it is there
        except (Empty, TimeoutError):
            raise OperationTimeoutError("a call via apache-libcloud (deadline=)", max(0.0, left)) from None

    async def _received(self, left: float) -> Any:
        import asyncio

        assert self._arrived is not None
        async with asyncio.timeout(None if left == inf else max(0.0, left)):
            while self._mail.empty():
                self._arrived.clear()
                if self._mail.empty():
                    await self._arrived.wait()
        return self._mail.get_nowait()

    def _abandon(self, outcome: Future[Any]) -> None:
        """Let the thread know that nobody waits for it any more, unless it has ended."""
        if outcome.done():
            return
        self.abandoned = True
        while not self._mail.empty():
            message = self._mail.get_nowait()
            if message is not None:
                message[1].set_exception(PolycloudError(ABANDONED))


def _carry_out(fn: Callable[[], Any], result: Future[Any]) -> None:
    token = _asking.set(True)
    try:
        result.set_result(fn())
    except Exception as error:  # noqa: BLE001 - the call gets it
        result.set_exception(error)
    except BaseException as error:
        result.set_exception(PolycloudError(f"the caller was interrupted: {type(error).__name__}"))
        raise
    finally:
        _asking.reset(token)


class Drivers:
    """The drivers of Libcloud under one bridged driver; `make` makes one.

    `only`: there must be one only, since its state is in memory.
    """

    def __init__(self, make: Callable[[], Any], first: Any, *, only: bool) -> None:
        self._make, self.first, self._only = make, first, only
        self._idle = [first]
        self._renew_turn()
        renew_after_fork(self)

    def _renew_turn(self) -> None:
        self.turn = Turn(threading.RLock() if self._only else None)

    def _renew(self) -> None:
        self._renew_turn()
        self.clear()

    def take(self) -> Any:
        """Return a driver that nobody else uses; the only one is used in `turn`."""
        if self._only:
            return self.first
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give_back(self, driver: Any) -> None:
        """Keep a driver for the next call."""
        if not self._only:
            self._idle.append(driver)

    def clear(self) -> None:
        """Forget the idle drivers."""
        if not self._only:
            self._idle = []


class Running:
    """Runs calls of the drivers of Libcloud under one bridged driver.

    `understand` returns the error of our tree for one of Libcloud, after the call.
    """

    def __init__(
        self,
        connection: BridgedConnection,
        drivers: Drivers,
        understand: Callable[[Exception, Call], PolycloudError],
    ) -> None:
        self.connection, self.drivers, self._understand = connection, drivers, understand

    def call(self, fn: Callable[[Any], T]) -> T:
        """Return the result of `fn`, which gets a driver of Libcloud for itself."""
        call = Call(self.connection, self.drivers.turn)

        def work() -> T:
            driver = self._do(call, self.drivers.take)
            try:
                return self._do(call, lambda: fn(driver))
            except BaseException as error:
                call.abandoned = call.abandoned or not isinstance(error, Exception)
                raise
            finally:
                if not call.abandoned:
                    self.drivers.give_back(driver)

        return call.run(work)

    def iterate(
        self,
        fn: Callable[[Any], Iterable[T]],
        limited: Callable[[], AbstractContextManager[None]],
        *,
        batch: int,
    ) -> Iterator[T]:
        """Yield the items of what `fn` returns, which gets a driver of Libcloud for itself until the end.

        `limited` returns the block in which each step runs.

        On a thread, at most `batch` items are fetched ahead, and none that needs another request.
        """
        call = Call(self.connection, self.drivers.turn)
        started: list[Any] = []
        more = True

        def begin() -> None:
            driver = self._do(call, self.drivers.take)
            started.append(driver)
            started.append(self._do(call, lambda: iter(fn(driver))))

        def step() -> list[Any]:
            if not started:
                begin()
            _, items = started
            found = [self._do(call, lambda: next(items, END))]
            requests = call.requests
            most = 1 if call.is_here else batch
            while found[-1] is not END and len(found) < most and call.requests == requests:
                found.append(self._do(call, lambda: next(items, END)))
            return found

        try:
            while more:
                with limited():
                    found = call.run(step)
                if found[-1] is END:
                    more = False
                    found.pop()
                yield from found
        except Exception:
            more = False
            raise
        finally:
            self._end(call, *started)

    def _end(self, call: Call, driver: Any = None, items: Any = None) -> None:
        """Close an iterator, and give its driver back."""
        if driver is None or call.abandoned:
            return
        if isinstance(items, GeneratorType):
            items.close()
        self.drivers.give_back(driver)

    def _do(self, call: Call, fn: Callable[[], T]) -> T:
        try:
            with call.turn:
                return fn()
        except PolycloudError:
            raise
        except Exception as error:
            if call.raised is not None:
                raise call.raised from None
            if call.failure is not None:
                raise call.failure from call.failure.__cause__
            raise self._understand(error, call) from error
