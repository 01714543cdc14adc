"""The transport of code on an event loop: our protocol on asyncio's own connections.

`loopopening` opens connections, `loopwire` waits for them, and the pool here lends each to one request at a
time. All of it belongs to the loop on which it was first used: nothing here has a lock, and what another
thread does (the garbage collector may run anywhere) is handed to the loop.

A connection is used again only if its request was sent and its response read completely. Whatever ends an
exchange otherwise, cancellation at any point included, closes the connection.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, Self, TypeVar

from polycloud.concurrency.waiting import bridge
from polycloud.concurrency.worker import Worker
from polycloud.errors import ConnectError, PolycloudError
from polycloud.http.alarm import Alarm
from polycloud.http.exchange import IDLE_LIMIT, UNREPEATABLE, Exchange, late
from polycloud.http.loopopening import Opener
from polycloud.http.loopwire import ENOUGH, LoopWire
from polycloud.http.messages import RawResponse, Request, TransportOptions, origin_of, require_size
from polycloud.http.protocol import ResponseReader
from polycloud.http.route import route_to, target_of
from polycloud.http.wire import seconds_left

__all__ = ["LoopTransport", "LoopTransports"]

T = TypeVar("T")
POOL_SIZE = 100
CLOSING = 2.0
"""Seconds that `aclose` waits for connections to end."""
IN_MEMORY = (bytes, bytearray, memoryview, list, tuple)
"""Bodies whose pieces are there; those of others may block, and are read on a thread."""
BRIEF = 0.5
"""Seconds after which a connection is looked at for requests that may be repeated, too."""
TURN = 16
"""Pieces of a body after which others have their turn."""


class LoopTransports:
    """The transports of one event loop, one for each set of options; what `bridged` takes.

    `async with LoopTransports() as transports:` closes them at the end.
    """

    def __init__(self) -> None:
        self._transports: dict[TransportOptions, LoopTransport] = {}

    def __call__(self, options: TransportOptions) -> LoopTransport:
        """Return the transport with these options."""
        transport = self._transports.get(options)
        if transport is None:
            transport = self._transports[options] = LoopTransport(options)
        return transport

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._transports.values():
            await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class LoopTransport:
    """Sends from inside a bridge (`polycloud.concurrency.bridge.bridged`) on the loop that runs it."""

    def __init__(self, options: TransportOptions | None = None) -> None:
        self.options = options or TransportOptions()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pools: dict[str, _Pool] = {}
        self._context: Any = None

    def send(self, request: Request) -> RawResponse:
        """Send once; the loop runs other tasks until the response has arrived."""
        current = bridge()
        assert current is not None, "the loop's transport serves code inside a bridge only"
        if not request.stream:
            return current.wait(self.exchange(request))
        exchange, response = current.wait(self._begun(request))
        response.chunks = exchange.chunks()
        return response

    def exchange(self, request: Request) -> Coroutine[Any, Any, RawResponse]:
        """Send once and return the response with its body."""
        return self._new_exchange(request).whole(self.options.body_limit)

    def close(self) -> None:
        """Close every connection, from inside a bridge."""
        current = bridge()
        assert current is not None, "the loop's transport is closed inside a bridge, or by aclose()"
        current.wait(self.aclose())

    async def aclose(self) -> None:
        """Close every connection, those in use too; a later request opens new ones."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()

    def __del__(self) -> None:
        if any(pool.is_open for pool in self._pools.values()):
            message = "connections were left open: use `async with`, or await close() (polycloud.aio)"
            warnings.warn(message, ResourceWarning, source=self, stacklevel=2)

    async def _begun(self, request: Request) -> tuple[_Exchange, RawResponse]:
        exchange = self._new_exchange(request)
        return exchange, await exchange.run(exchange.begin(0))

    def _new_exchange(self, request: Request) -> _Exchange:
        running = asyncio.get_running_loop()
        if self._loop is not running:
            if self._loop is not None:
                raise PolycloudError("this transport belongs to another event loop")
            self._loop = running
        origin = origin_of(request.url)
        pool = self._pools.get(origin) or self._new_pool(origin)
        return _Exchange(pool, request, target_of(request.url, origin))

    def _new_pool(self, origin: str) -> _Pool:
        route = route_to(origin, self.options)
        if route.scheme == "https" and self._context is None:  # loading the authorities takes 20 ms
            self._context = self.options.ssl_context()
        opener = Opener(route, self._context if route.scheme == "https" else None)
        pool = self._pools[origin] = _Pool(opener, self.options.pool_size or POOL_SIZE)
        return pool


class _Pool:
    """The connections on one route: a number of places, each with an open connection or not.

    Who finds no place waits in a queue. A place that is given back goes to the first in the queue directly.
    """

    def __init__(self, opener: Opener, size: int) -> None:
        self.opener = opener
        self.loop = asyncio.get_running_loop()
        self._free = size
        self._queue: deque[_Place] = deque()
        self._alarm = Alarm(self.loop)
        self._idle: list[LoopWire] = []
        self._open: set[LoopWire] = set()
        self._closed = False
        self._sweeping = False

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return not all(wire.closed.done() for wire in self._open)

    async def lease(self, request: Request) -> LoopWire:
        """Return a connection, which must be given back: one that is open, or else a new one."""
        if self._free:
            self._free -= 1
        else:
            await self._place(request)
        try:
            while self._idle:
                wire = self._idle.pop()
                if self._is_usable(wire, request):
                    return wire
                self._drop(wire)
            return await self._opened(request)
        except BaseException:
            self._release()
            raise

    def give_back(self, wire: LoopWire, *, reusable: bool) -> None:
        """Take a connection back; close it unless it may carry another request."""
        if reusable and not self._closed:
            wire.end()
            self._idle.append(wire)
            self._sweep_later()
        else:
            self._drop(wire)
        self._release()

    async def aclose(self) -> None:
        """Close every connection."""
        self._closed = True
        closing = [wire.closed for wire in self._open]
        for wire in list(self._open):
            self._drop(wire)
        self._idle.clear()
        while self._queue:
            _settle(self._queue.popleft().given)
        self._alarm.cancel()
        if closing:
            await asyncio.wait(closing, timeout=CLOSING)

    def _is_usable(self, wire: LoopWire, request: Request) -> bool:
        age = time.monotonic() - wire.sent_at  # uvloop's own clock lags
        if age < BRIEF and request.method not in UNREPEATABLE:
            return not wire.is_closing()
        return age < IDLE_LIMIT and wire.is_open()

    async def _opened(self, request: Request) -> LoopWire:
        if not self._closed:
            wire = await self.opener.open(request)
            if not self._closed:
                self._open.add(wire)
                return wire
            wire.abort()
        raise ConnectError("the transport was closed")

    async def _place(self, request: Request) -> None:
        """Wait for a place."""
        place = _Place(self.loop, seconds_left(request, request.read_timeout))
        self._queue.append(place)
        self._alarm.set(place.due, self._ring)  # one for the queue: most who wait need none
        try:
            await place.given
        except TimeoutError:
            ours = late(request) or ConnectError("no connection of the pool became free in time (pool_size=)")
        except BaseException:
            if place.given.done() and not place.given.cancelled():
                self._release()  # it came together with the cancellation
            raise
        else:
            return
        raise ours

    def _ring(self) -> None:
        """End the wait of those in the queue whose time has passed."""
        waiting = [place for place in self._queue if not place.given.done()]
        now = time.monotonic()
        for place in waiting:
            if place.due <= now:
                _settle(place.given, TimeoutError())
        self._queue = deque(place for place in waiting if place.due > now)
        if self._queue:
            self._alarm.set(min(place.due for place in self._queue), self._ring)

    def _release(self) -> None:
        while self._queue:
            if _settle(self._queue.popleft().given):
                return
        self._free += 1

    def _drop(self, wire: LoopWire) -> None:
        self._open.discard(wire)
        wire.abort()

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self.loop.call_later(IDLE_LIMIT, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long."""
        self._sweeping = False
        limit = time.monotonic() - IDLE_LIMIT
        for wire in [wire for wire in self._idle if wire.sent_at <= limit]:
            self._idle.remove(wire)
            self._drop(wire)
        if self._idle:
            self._sweep_later()


class _Place:
    """A place of a pool that somebody waits for until `due`; `given` is done once it is there."""

    __slots__ = ("due", "given")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.given: asyncio.Future[None] = loop.create_future()
        self.due = time.monotonic() + seconds


def _settle(future: asyncio.Future[None], error: Exception | None = None) -> bool:
    """Complete a future; return False if it had been already."""
    if future.done():
        return False
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
    return True


class _Exchange(Exchange):
    """An exchange on a connection of the pool, which gets it back exactly once, as in plain code."""

    _wire: LoopWire | None = None

    def __init__(self, pool: _Pool, request: Request, target: str) -> None:
        super().__init__(request, pool.opener.route, target)
        self._pool = pool

    async def run(self, step: Awaitable[T]) -> T:
        """Return the result of a step; errors of the socket become ours, without the original."""
        try:
            return await step
        except BaseException as error:  # noqa: BLE001 - raised below
            failure = self._failed(error)
        raise failure

    def _failed(self, error: BaseException) -> BaseException:
        """End the exchange and return the error to raise."""
        ours = error
        if isinstance(error, OSError):
            ours = self.error(error, sent=self._wire is not None and self._wire.sent)
        if isinstance(ours, PolycloudError):
            ours.__cause__ = ours.__context__ = None
        self._end()
        return ours

    async def begin(self, least: int) -> RawResponse:
        """Send; return the response once headers and `least` bytes of its body, or all of it, are there."""
        request = self.request
        self._wire = wire = await self._pool.lease(request)
        self.reader = ResponseReader(request.method)
        wire.begin(request, self.reader, request.read_timeout)
        if request.body is None or isinstance(request.body, IN_MEMORY):
            self.fully_sent = await self._send(wire)
        else:
            self.fully_sent = await self._send_blocking(wire)
        await wire.receive(least)
        return self.response(self.close)  # not kept: it holds this exchange

    async def whole(self, limit: int) -> RawResponse:
        """Return the response with its decoded body. Raises `MalformedResponseError` after `limit` bytes."""
        pieces, size, least = [], 0, min(ENOUGH, limit + 1)
        try:
            response = await self.begin(least)
            wire = self._wire
            assert wire is not None
            while True:
                for piece in self.decoded(limit):
                    size += len(piece)
                    require_size(size, limit)
                    pieces.append(piece)
                    if len(pieces) % TURN == 0:
                        await asyncio.sleep(0)
                        self.request.remaining()
                if self.reader.complete:
                    break
                wire.took()
                await wire.receive(least)
        except BaseException as error:  # noqa: BLE001 - raised below
            failure = self._failed(error)
        else:
            self._end()
            response.buffer = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            return response
        raise failure

    def chunks(self) -> Generator[bytes]:
        """Yield the decoded body in pieces."""
        complete = False
        try:
            while not complete:
                arrived, complete = self._wait(self._next)
                for piece in self.decode(arrived, complete=complete):
                    yield piece
                    self.request.remaining()
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back soon, from wherever this is called."""
        wire, self._wire = self._wire, None
        if wire is not None:
            with suppress(RuntimeError):  # the loop has been closed, and its connections with it
                self._pool.loop.call_soon_threadsafe(self._give_back, wire)

    def __del__(self) -> None:
        self.close()

    def _end(self) -> None:
        """Give the connection back now, on the loop."""
        wire, self._wire = self._wire, None
        if wire is not None:
            self._give_back(wire)

    def _give_back(self, wire: LoopWire) -> None:
        self._pool.give_back(wire, reusable=self.reusable and wire.drained)

    async def _send(self, wire: LoopWire) -> bool:
        """Send head and body; return False if the response came first."""
        for piece in self.pieces():
            if not await wire.send(piece):
                return False
        return True

    async def _send_blocking(self, wire: LoopWire) -> bool:
        """Like `_send`, for a body that may block."""
        pieces = self.pieces()
        is_wanted = await wire.send(next(pieces))  # the head, at once: the connection may be about to close
        with Worker() as worker:
            while is_wanted:
                left = self.request.remaining()
                async with asyncio.timeout(None if left == float("inf") else left):
                    piece = await worker.run(lambda: next(pieces, None))
                if piece is None:
                    return True
                is_wanted = await wire.send(piece)
        return False

    async def _next(self) -> tuple[list[bytes], bool]:
        """Return what has come of the body, and whether it is the last of it: both are asked on the loop."""
        wire = self._wire
        if wire is None:
            raise PolycloudError("the stream was closed")
        await wire.receive(1)
        wire.took()
        arrived, complete = self.reader.take(), self.reader.complete
        if complete:
            self._end()
        return arrived, complete

    def _wait(self, step: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a step, in the bridge, or on a thread that the loop does not wait for."""
        current, loop = bridge(), self._pool.loop
        if current is not None and asyncio.get_running_loop() is loop:
            return current.wait(self.run(step()))
        if current is None and loop.is_running() and not _is_running_here():
            return asyncio.run_coroutine_threadsafe(_awaited(self.run(step())), loop).result()
        raise PolycloudError("a stream is read in the call that opened it (polycloud.aio)")


async def _awaited(step: Awaitable[T]) -> T:
    return await step


def _is_running_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
