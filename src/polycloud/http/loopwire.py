"""A connection on an event loop whose every wait ends in time: what `wire` is for plain code.

The loop calls the methods of `asyncio.Protocol`; whoever sends or reads awaits one future at a time, which
the next event completes. No single wait lasts longer than the request's timeout, nor longer than what is left
of its deadline.

Making and cancelling a timer for each wait would cost more than the wait. So a wire has one `Alarm`, and the
time `_due` at which the current wait must end.

What arrives goes to the request's reader at once. Where nobody takes it in time, the wire stops reading, so a
slow consumer makes a slow server; likewise `send` waits while the loop has not yet sent what it was given.
"""

from __future__ import annotations

import asyncio
import select
import ssl
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from urllib3.util.wait import wait_for_read

from polycloud.errors import PolycloudError
from polycloud.http.alarm import Alarm
from polycloud.http.messages import CHUNK, Request
from polycloud.http.protocol import ResponseReader
from polycloud.http.wire import seconds_left

__all__ = ["ENOUGH", "LoopWire"]

ENOUGH = 4 * CHUNK
"""Bytes of a body that are worth waking whoever reads all of it, and that stop the reading until then."""


class _Shared(threading.local):
    """Where what arrives is put. It is read at once, so all connections of a thread share one."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(ENOUGH))


_shared = _Shared()


class LoopWire(asyncio.BufferedProtocol):
    """One connection; `begin` gives it a request to serve.

    `sent` says whether a byte of the request may have left this machine: bytes are taken for sent as soon as
    the loop has accepted them without an error. `sent_at` is when it got the last ones.
    """

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._alarm = Alarm(self._loop)
        self._due = 0.0
        self._request: Request | None = None
        self._most = 0.0
        self._reader: ResponseReader | None = None
        self._taken = 0
        self._least = 0
        self._error: Exception | None = None
        self._reading = False
        self._writable = True
        self._encrypted = False
        self.sent = False
        self.sent_at = 0.0
        self.closed: asyncio.Future[None] = self._loop.create_future()

    # What a request needs

    def begin(self, request: Request, reader: ResponseReader, most: float) -> None:
        """Serve `request`: what arrives goes to `reader`, and no wait takes more than `most` seconds."""
        self._request, self._reader, self._most = request, reader, most
        self._waiter = None
        self._taken = self._least = 0
        self.sent = False
        self._resume()

    def end(self) -> None:
        """Become idle; bytes that arrive from now on were asked for by nobody."""
        self._request = self._reader = self._waiter = None
        self._resume()

    def write(self, data: bytes | memoryview) -> bool:
        """Send `data`, which is not long; return False if the loop must `flush` before it gets more."""
        if self._error is not None:
            raise self._error
        if self._transport.is_closing():
            raise ConnectionResetError("it was closed")
        assert self._request is not None
        seconds_left(self._request, self._most)
        self.sent_at = time.monotonic()
        self._transport.write(data)
        self.sent = self.sent or self._encrypted or not self._transport.is_closing()
        return self._writable

    async def flush(self) -> None:
        """Wait until the loop takes more, or the response came first and made that pointless."""
        assert self._reader is not None
        while not self._writable and not self._reader.complete:
            await self._next_event()

    async def send(self, data: bytes | memoryview) -> bool:
        """Send all of `data`; return False if the response made that pointless by coming first."""
        reader = self._reader
        assert reader is not None
        rest = memoryview(data)
        while not reader.complete:
            if not self.write(rest[:CHUNK]):
                await self.flush()
            rest = rest[CHUNK:]
            if not rest:
                return True
            await asyncio.sleep(0)  # others have their turn, even if the other side reads as fast
        return False

    async def receive(self, least: int) -> None:
        """Wait for the response's end, or until its headers and `least` more bytes of the body are there."""
        self._least = least
        self._resume()
        while not self._ready():
            await self._next_event()

    def took(self) -> None:
        """Note that all of the body that has come was taken from the reader."""
        assert self._reader is not None
        self._taken = self._reader.body_size

    @property
    def drained(self) -> bool:
        """Whether the loop has sent all that it was given."""
        return self._transport.get_write_buffer_size() == 0

    def is_open(self) -> bool:
        """Return whether the other side has neither closed the connection nor sent anything while idle.

        It asks the system: the loop may not have come to look yet, and the next request would get what
        arrived as its response.
        """
        return not self.is_closing() and not self._arrived(0)

    def is_closing(self) -> bool:
        """Return whether the loop knows that the connection has ended."""
        return self._transport.is_closing()

    async def start_tls(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """Secure the connection."""
        if self._error is not None:
            raise self._error
        if self.is_closing():
            raise ConnectionResetError("it was closed")
        transport = await self._loop.start_tls(
            self._transport, self, context, server_hostname=host, ssl_handshake_timeout=seconds
        )
        assert transport is not None
        self._transport = transport
        self._encrypted = self._reading = True

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # Waiting

    def _ready(self) -> bool:
        """Return whether `receive` has what it waits for: what came before an error counts first."""
        reader = self._reader
        assert reader is not None
        if reader.complete and reader.headers is not None:
            return True
        if reader.headers is not None and reader.body_size - self._taken >= self._least:
            return True
        if self._error is not None:
            raise self._error
        return False

    def _next_event(self) -> asyncio.Future[None]:
        """Return what the next event completes, or the end of the time for it."""
        if self._error is not None:
            raise self._error
        self._bound()
        self._waiter = waiter = self._loop.create_future()
        return waiter

    @property
    def _is_awaited(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _bound(self) -> None:
        assert self._request is not None
        self._due = time.monotonic() + seconds_left(self._request, self._most)
        self._alarm.set(self._due, self._ring)

    def _ring(self) -> None:
        if not self._is_awaited:
            return
        if time.monotonic() < self._due:
            self._alarm.set(self._due, self._ring)
        else:
            self._wake(TimeoutError("timed out"))

    def _wake(self, error: Exception | None = None) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if error is None:
            self._waiter.set_result(None)
        else:
            self._waiter.set_exception(error)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._wake(self._error)

    def _resume(self) -> None:
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport. What the server says before it is asked is TLS's to read, if there is TLS."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is of no class of asyncio
        self._transport.pause_reading()
        self._arrived = _readiness(transport.get_extra_info("socket"))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what arrives; asyncio would allocate 256 KB each time."""
        return _shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Let the reader read what arrived."""
        reader = self._reader
        if reader is None or self._error is not None:  # nobody asked for it, or nobody wants it any more
            if not self.sent_at:  # uvloop reads although reading is paused
                self._error = ssl.SSLError("the server spoke first")
            self.abort()
            return
        try:
            reader.receive(bytes(_shared.buffer[:nbytes]))
        except PolycloudError as error:
            self._fail(error)
            self.abort()
            return
        if self._ready():
            self._wake()
        elif self._is_awaited:
            try:
                self._bound()
            except PolycloudError as error:
                self._fail(error)
        if reader.body_size - self._taken >= ENOUGH and not reader.complete:
            self._reading = False
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Let the reader know of the connection's end."""
        tls = self._transport.get_extra_info("ssl_object")
        self._end_reader(clean=tls is None or _has_ended(tls))

    def connection_lost(self, error: Exception | None) -> None:
        """Fail, unless the response has ended."""
        self._alarm.cancel()
        if self._reader is not None and not self._reader.complete:
            if isinstance(error, OSError):
                self._fail(error)
            else:
                self._end_reader(clean=not self._encrypted)
        if not self.closed.done():
            self.closed.set_result(None)

    def _end_reader(self, *, clean: bool) -> None:
        if self._reader is not None and self._error is None:
            try:
                self._reader.end(clean=clean)
            except PolycloudError as error:
                self._fail(error)
            else:
                self._wake()

    def pause_writing(self) -> None:
        """Let `send` wait."""
        self._writable = False

    def resume_writing(self) -> None:
        """Let `send` go on."""
        self._writable = True
        self._wake()


def _readiness(sock: Any) -> Callable[[float], object]:
    """Return a function that waits for something to read and returns what is false if nothing came."""
    if not hasattr(select, "poll"):  # Windows
        return partial(wait_for_read, sock)
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return poller.poll


def _has_ended(tls: ssl.SSLObject) -> bool:
    """Return whether TLS itself has ended; an end of TCP alone may come from anybody."""
    try:
        return not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
