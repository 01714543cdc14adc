"""The transport of code on an event loop: our protocol on asyncio's own connections.

`loopopening` opens connections, `loopwire` waits for them, and `looppool` lends each to one request at a
time. All of it belongs to the loop on which it was first used: nothing here has a lock, and what another
thread does (the garbage collector may run anywhere) is handed to the loop.

A connection is used again only if its request was sent and its response read completely. Whatever ends an
exchange otherwise, cancellation at any point included, closes the connection.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, Self, TypeVar

from polycloud.concurrency.bridge import BridgeGreenlet, current_bridge
from polycloud.concurrency.worker import Worker
from polycloud.errors import PolycloudError
from polycloud.http.exchange import Exchange
from polycloud.http.loopopening import Opener
from polycloud.http.looppool import Pool
from polycloud.http.loopwire import ENOUGH, LoopWire
from polycloud.http.messages import RawResponse, Request, TransportOptions, origin_of, require_size
from polycloud.http.protocol import ResponseReader
from polycloud.http.route import route_to, target_of

__all__ = ["LoopTransport", "LoopTransports"]

T = TypeVar("T")
POOL_SIZE = 100
IN_MEMORY = (bytes, bytearray, memoryview, list, tuple)
"""Bodies whose pieces are there; those of others may block, and are read on a thread."""
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
        self._pools: dict[str, Pool] = {}
        self._context: Any = None

    def send(self, request: Request) -> RawResponse:
        """Send once; the loop runs other tasks until the response has arrived."""
        current = current_bridge()
        assert current is not None, "the loop's transport serves code inside a bridge only"
        if not request.stream:
            return current.wait(self.exchange(request))
        return current.wait(_Stream(*self._way_of(request)).begin())

    def exchange(self, request: Request) -> Coroutine[Any, Any, RawResponse]:
        """Send once and return the response with its body."""
        return _Exchange(*self._way_of(request)).whole(self.options.body_limit)

    def close(self) -> None:
        """Close every connection, from inside a bridge."""
        current = current_bridge()
        assert current is not None, "the loop's transport is closed inside a bridge, or by aclose()"
        current.wait(self.aclose())

    async def aclose(self) -> None:
        """Close every connection, those in use too; a later request opens new ones."""
        self._require_loop()
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()

    def __del__(self) -> None:
        if any(pool.is_open for pool in self._pools.values()):
            message = "connections were left open: use `async with`, or await close() (polycloud.aio)"
            warnings.warn(message, ResourceWarning, source=self, stacklevel=2)

    def _way_of(self, request: Request) -> tuple[Pool, Request, str]:
        """Return what an exchange needs: the pool, the request, and the target in its first line."""
        self._require_loop()
        origin = origin_of(request.url)
        pool = self._pools.get(origin) or self._new_pool(origin)
        return pool, request, target_of(request.url, origin)

    def _require_loop(self) -> None:
        running = asyncio.get_running_loop()
        if self._loop is not running:
            if self._loop is not None:
                raise PolycloudError("this transport belongs to another event loop")
            self._loop = running

    def _new_pool(self, origin: str) -> Pool:
        route = route_to(origin, self.options)
        if route.scheme == "https" and self._context is None:  # loading the authorities takes 20 ms
            self._context = self.options.ssl_context()
        opener = Opener(route, self._context if route.scheme == "https" else None)
        pool = self._pools[origin] = Pool(opener, self.options.pool_size or POOL_SIZE)
        return pool


class _Exchange(Exchange):
    """An exchange on a connection of the pool, which gets it back exactly once, as in plain code."""

    _wire: LoopWire | None = None

    def __init__(self, pool: Pool, request: Request, target: str) -> None:
        super().__init__(request, pool.opener.route, target)
        self._pool = pool

    async def whole(self, limit: int) -> RawResponse:
        """Return the response with its decoded body. Raises `MalformedResponseError` after `limit` bytes."""
        pieces, size, steps = [], 0, 0
        try:
            wire = await self._sent()
            await wire.receive(min(ENOUGH, limit + 1))
            response = self.response()
            while True:
                for piece in self.decoded(limit):
                    if piece:
                        size += len(piece)
                        require_size(size, limit)
                        pieces.append(piece)
                    steps += 1
                    if steps % TURN == 0:
                        await asyncio.sleep(0)
                        self.request.remaining()
                if self.reader.complete:
                    break
                wire.took()
                await wire.receive(min(ENOUGH, limit + 1 - self.reader.body_size))
        except BaseException as error:  # noqa: BLE001 - raised below
            failure = self._failed(error)
        else:
            self._end()
            response.buffer = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            return response
        raise failure

    def _failed(self, error: BaseException) -> BaseException:
        """End the exchange and return the error to raise: for one of the socket ours, without that."""
        ours = error
        if isinstance(error, OSError):
            ours = self.error(error, sent=self._wire is not None and self._wire.sent)
        if isinstance(ours, PolycloudError):
            ours.__cause__ = ours.__context__ = None
        self._end()
        return ours

    async def _sent(self) -> LoopWire:
        """Send the request, and return the connection that will have the response."""
        request = self.request
        self._wire = wire = self._pool.take() or await self._pool.lease(request)
        self.reader = ResponseReader(request.method)
        wire.begin(request, self.reader, request.read_timeout)
        all_ = self.all_at_once()
        if all_ is not None:
            if not wire.write(all_):
                await wire.flush()
            self.fully_sent = True
        elif isinstance(request.body, IN_MEMORY):
            self.fully_sent = await self._send(wire)
        else:
            self.fully_sent = await self._send_blocking(wire)
        return wire

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


class _Stream(_Exchange):
    """An exchange whose response is read in pieces. If that is forgotten, its connection is given back."""

    async def begin(self) -> RawResponse:
        """Return the response as soon as its headers are there."""
        return await self._run(self._begun())

    def close(self) -> None:
        """Give the connection back soon, from wherever this is called."""
        wire, self._wire = self._wire, None
        if wire is not None:
            with suppress(RuntimeError):  # the loop has been closed, and its connections with it
                self._pool.loop.call_soon_threadsafe(self._give_back, wire)

    def __del__(self) -> None:
        self.close()

    async def _begun(self) -> RawResponse:
        wire = await self._sent()
        await wire.receive(0)
        response = self.response()
        response.chunks, response.close = self._chunks(), self.close
        return response

    def _chunks(self) -> Generator[bytes]:
        """Yield the decoded body in pieces."""
        complete = False
        try:
            while not complete:
                arrived, complete = self._wait(self._next)
                for step, piece in enumerate(self.decode(arrived, complete=complete), 1):
                    if piece:
                        yield piece
                    if step % TURN == 0:
                        self._give_turn()
                    self.request.remaining()
        finally:
            self.close()

    async def _run(self, step: Awaitable[T]) -> T:
        """Return the result of a step; errors of the socket become ours, without the original."""
        try:
            return await step
        except BaseException as error:  # noqa: BLE001 - raised below
            failure = self._failed(error)
        raise failure

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

    def _give_turn(self) -> None:
        current = self._bridge()
        if current is not None:
            current.wait(self._run(asyncio.sleep(0)))

    def _bridge(self) -> BridgeGreenlet | None:
        """Return the bridge of the caller if it is on the loop of this stream."""
        current = current_bridge()
        return current if current is not None and asyncio.get_running_loop() is self._pool.loop else None

    def _wait(self, step: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a step, in the bridge, or on a thread that the loop does not wait for."""
        current, loop = self._bridge(), self._pool.loop
        if current is not None:
            return current.wait(self._run(step()))
        if current_bridge() is None and loop.is_running() and not _is_running_here():
            return asyncio.run_coroutine_threadsafe(_awaited(self._run(step())), loop).result()
        raise PolycloudError("a stream is read in the call that opened it (polycloud.aio)")


async def _awaited(step: Awaitable[T]) -> T:
    return await step


def _is_running_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
