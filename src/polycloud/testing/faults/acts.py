"""The effect of each fault on a request."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
import ssl
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial

from polycloud.testing.faults.messages import LIMIT, Message, read_response, response
from polycloud.testing.faults.plan import Fault, SeenRequest

__all__ = ["Connection", "Exchange", "Reader", "Upstream", "carry_out"]

MEGABYTE = bytes(1024 * 1024)
BOMB_MEGABYTES, BOMB_CHECKSUM = 1024, 0x5B64C2B0
HEADER_BYTES = 100_000
HEADERS = 5000
PAGE = b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Please sign in.</body></html>\n"
NOT_HTTP = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256))
NOT_TLS = b"SSH-2.0-here\r\n" * 10
BEFORE = {
    Fault.REQUEST_TIMEOUT: "408 Request Timeout",
    Fault.TOO_MANY: "429 Too Many Requests",
    Fault.CLIENT_GONE: "499 Client Closed Request",
    Fault.ERROR: "500 Internal Server Error",
    Fault.BAD_GATEWAY: "502 Bad Gateway",
    Fault.UNAVAILABLE: "503 Service Unavailable",
    Fault.GATEWAY_TIMEOUT: "504 Gateway Timeout",
    Fault.EDGE: "",
}
"""The status of each such fault; that of an edge is the next one of `EDGE`."""
EDGE = range(520, 531)
TOO_MANY = "429"
DRIPPED = b"x" * 1000
BENEATH_TLS = {
    Fault.TLS_GARBAGE: NOT_TLS,
    Fault.TLS_RECORD: b"\x17\x03\x03\x00\x40" + bytes(range(64)),
    Fault.TLS_ALERT: b"\x15\x03\x03\x00\x02\x02\x50",
}
"""Bytes that are not TLS, a record sealed with other keys, the alert "internal error"."""
AFTER = {Fault(f"{fault} after"): status for fault, status in BEFORE.items()}


class Reader(asyncio.StreamReader):
    """A reader that notices the end of a connection before everything is read."""

    has_ended = False

    def feed_eof(self) -> None:
        """Note that the other side has closed it."""
        self.has_ended = True
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        """Note that the connection is broken."""
        self.has_ended = True
        super().set_exception(exc)


class Connection:
    """A connection from a caller."""

    def __init__(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer
        self.is_open = True

    async def send(self, data: bytes) -> None:
        """Send bytes unchanged."""
        self._writer.write(data)
        await self._writer.drain()

    async def left(self, seconds: float | None = None) -> bool:
        """Wait for `seconds` (None: for ever) or until the caller disconnects; return whether it did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self.reader.read(LIMIT):
                    pass
                return True
        return False

    async def drip(self, data: bytes, pause: float) -> None:
        """Send one byte at a time, until the caller disconnects."""
        for place in range(len(data)):
            if place and await self.left(pause):
                break
            await self.send(data[place : place + 1])

    async def secure(self, settings: ssl.SSLContext) -> None:
        """Speak TLS from here on, as its server. Raises `OSError` if the handshake fails."""
        try:
            await self._writer.start_tls(settings)
        except OSError:
            self.drop()
            self.reader.feed_eof()  # asyncio tells nobody but us that the connection has ended
            raise

    def send_beneath(self, data: bytes) -> None:
        """Send bytes past TLS, if the connection speaks it."""
        sock = self._writer.get_extra_info("socket")
        if sock is not None:  # else the caller has left already
            with socket.socket(fileno=os.dup(sock.fileno())) as beneath:
                beneath.send(data)

    def end(self) -> None:
        """Close regularly; the caller can still read what was sent before."""
        self.is_open = False
        if not self._writer.transport.is_closing():  # a second close would keep TLS from being dropped
            self._writer.close()

    async def closed(self) -> None:
        """Wait until everything that was sent before the end is flushed."""
        if not self.reader.has_ended:
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def drop(self) -> None:
        """Close at once and discard unsent bytes."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """Close at once, with a reset."""
        self.is_open = False
        sock = self._writer.get_extra_info("socket")
        if sock is not None:  # else the caller has left already
            # With a linger time of 0 a close sends RST, not FIN
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server behind the proxy."""

    host: str
    port: int

    async def request(self, request: Message) -> Message:
        """Return the response to a request, over a new connection; 502 if there is none."""
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port, limit=LIMIT)
        except OSError as error:
            return response("502 Bad Gateway", str(error).encode())
        try:
            length = ((b"Content-Length", b"%d" % len(request.body)),) if request.body else ()
            writer.write(request.for_one_hop(*length, (b"Connection", b"close")).head() + request.body)
            return await read_response(reader, request.start.split()[0])
        except (EOFError, OSError, ValueError, IndexError) as error:
            return response("502 Bad Gateway", str(error).encode())
        finally:
            writer.close()


class Tunnel:
    """In the place of a server: what a proxy opens at CONNECT."""

    async def request(self, _: Message) -> Message:
        """Return the response that says so."""
        return Message(b"HTTP/1.1 200 Connection established", has_body=False)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what a fault can do with it; times are in seconds.

    `number` counts the proxy's requests, from 1.
    """

    request: Message
    seen: SeenRequest
    number: int
    caller: Connection
    upstream: Upstream | Tunnel
    cut: Callable[[], Awaitable[None]]
    delay: float
    pause: float
    retry_after: int

    async def act(self) -> Message:
        """Let the server carry out the request; return its response."""
        self.seen.reached = isinstance(self.upstream, Upstream)
        return await self.upstream.request(self.request)

    async def reply(self, message: Message) -> None:
        """Send a response."""
        await self.caller.send(message.to_bytes())

    async def reply_with_length(self, message: Message, length: int) -> None:
        """Send a complete response, with this Content-Length."""
        head = message.for_one_hop((b"Content-Length", b"%d" % length)).head()
        await self.caller.send(head + message.body)


async def carry_out(exchange: Exchange) -> None:
    """Apply the fault of a request, if any."""
    fault = exchange.seen.fault
    await (_ACTS[fault] if fault else _pass)(exchange)


async def _pass(exchange: Exchange) -> None:
    await exchange.reply(await exchange.act())


async def _refuse(exchange: Exchange) -> None:
    await exchange.cut()
    exchange.caller.reset()


async def _reset_before(exchange: Exchange) -> None:
    exchange.caller.reset()


async def _reset_after(exchange: Exchange) -> None:
    await exchange.act()
    exchange.caller.reset()


async def _send_half(exchange: Exchange) -> None:
    data = (await exchange.act()).to_bytes()
    await exchange.caller.send(data[: len(data) - (len(data.partition(b"\r\n\r\n")[2]) + 1) // 2])


async def _reset_midway(exchange: Exchange) -> None:
    await _send_half(exchange)
    exchange.caller.reset()


async def _truncate(exchange: Exchange) -> None:
    await _send_half(exchange)
    exchange.caller.end()


async def _close(exchange: Exchange) -> None:
    exchange.caller.end()


async def _close_after(exchange: Exchange) -> None:
    await exchange.act()
    exchange.caller.end()


async def _stall(exchange: Exchange) -> None:
    await exchange.caller.left()
    exchange.caller.end()


async def _stall_after(exchange: Exchange) -> None:
    await exchange.act()
    await _stall(exchange)


async def _delay(exchange: Exchange) -> None:
    message = await exchange.act()
    if await exchange.caller.left(exchange.delay):
        exchange.caller.end()
    else:
        await exchange.reply(message)


async def _fail(exchange: Exchange, status: str, *, acts: bool) -> None:
    if acts:
        await exchange.act()
    status = status or f"{EDGE[exchange.number % len(EDGE)]} Edge"
    pause = {"Retry_After": str(exchange.retry_after)} if status.startswith(TOO_MANY) else {}
    await exchange.reply(response(status, b"{}", Content_Type="application/json", **pause))


async def _garbage(exchange: Exchange) -> None:
    await exchange.act()
    await exchange.caller.send(NOT_HTTP)
    exchange.caller.end()


async def _spoil(exchange: Exchange, body: Callable[[], bytes], **headers: str) -> None:
    """Send another body with the server's own status, so that an error response stays one."""
    message = await exchange.act()
    start = message.start if message.has_body else b"HTTP/1.1 200 OK"
    spoilt = response("", body(), Content_Type="application/json", **headers)
    await exchange.reply(replace(spoilt, start=start))


async def _html(exchange: Exchange) -> None:
    await exchange.reply(response("200 OK", PAGE, Content_Type="text/html; charset=utf-8"))


async def _more_headers(exchange: Exchange, headers: Iterable[tuple[bytes, bytes]]) -> None:
    await exchange.reply((await exchange.act()).plus(*headers))


async def _length_too_small(exchange: Exchange) -> None:
    message = await exchange.act()
    await exchange.reply_with_length(message, len(message.body) // 2)


async def _length_too_large(exchange: Exchange) -> None:
    message = await exchange.act()
    await exchange.reply_with_length(message, len(message.body) + 1000)
    await _stall(exchange)


async def _no_length(exchange: Exchange) -> None:
    message = await exchange.act()
    await exchange.caller.send(message.for_one_hop((b"Connection", b"close")).head() + message.body)
    exchange.caller.end()


async def _early_hints(exchange: Exchange) -> None:
    message = await exchange.act()
    await exchange.caller.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
    await exchange.reply(message)


@cache
def _bomb() -> bytes:
    """Return a complete gzip file of zeros, assembled from one block."""
    block = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = block.compress(MEGABYTE) + block.flush(zlib.Z_FULL_FLUSH)
    size = BOMB_MEGABYTES * len(MEGABYTE)
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    return head + zeros * BOMB_MEGABYTES + block.flush() + struct.pack("<II", BOMB_CHECKSUM, size)


async def _drip_head(exchange: Exchange) -> None:
    await exchange.caller.drip((await exchange.act()).to_bytes(), exchange.pause)


async def _drip_body(exchange: Exchange) -> None:
    head, blank, body = (await exchange.act()).to_bytes().partition(b"\r\n\r\n")
    await exchange.caller.send(head + blank)
    await exchange.caller.drip(body, exchange.pause)


async def _drip_chunk_line(exchange: Exchange) -> None:
    await _drip_chunked(exchange, b"%x;", b"\r\n%b\r\n0\r\n\r\n")


async def _drip_trailer(exchange: Exchange) -> None:
    await _drip_chunked(exchange, b"%x\r\n%b\r\n0\r\nX-Trailer: ", b"\r\n\r\n")


async def _drip_chunked(exchange: Exchange, before: bytes, after: bytes) -> None:
    """Send the body as a chunk: `before`, a drip, `after`, with its size for %x and its bytes for %b."""
    message = await exchange.act()
    if not message.body:  # a chunk of no bytes would be the last
        await exchange.reply(message)
        return
    head = message.for_one_hop((b"Transfer-Encoding", b"chunked")).head()
    values = {b"%x": b"%x" % len(message.body), b"%b": message.body}
    for place, value in values.items():
        before, after = before.replace(place, value), after.replace(place, value)
    await exchange.caller.send(head + before)
    await exchange.caller.drip(DRIPPED, exchange.pause)
    await exchange.caller.send(after)


async def _drip_gzip(exchange: Exchange) -> None:
    """Send the body as a gzip file whose own name, in its header, drips: so nothing is decoded for long."""
    message = await exchange.act()
    if not message.has_body:
        await exchange.reply(message)
        return
    packed = gzip.compress(message.body)
    start, rest = packed[:3] + b"\x08" + packed[4:10], b"\0" + packed[10:]
    length = b"%d" % (len(start) + len(DRIPPED) + len(rest))
    head = message.for_one_hop((b"Content-Length", length), (b"Content-Encoding", b"gzip")).head()
    await exchange.caller.send(head + start)
    await exchange.caller.drip(DRIPPED, exchange.pause)
    await exchange.caller.send(rest)


async def _break_tls(exchange: Exchange, data: bytes) -> None:
    await exchange.act()
    exchange.caller.send_beneath(data)
    exchange.caller.end()


_ACTS: dict[Fault, Callable[[Exchange], Awaitable[None]]] = {
    Fault.REFUSE: _refuse,
    Fault.RESET_BEFORE: _reset_before,
    Fault.RESET_AFTER: _reset_after,
    Fault.RESET_MIDWAY: _reset_midway,
    Fault.CLOSE: _close,
    Fault.CLOSE_AFTER: _close_after,
    Fault.TRUNCATE: _truncate,
    Fault.STALL: _stall,
    Fault.STALL_AFTER: _stall_after,
    Fault.DELAY: _delay,
    **{fault: partial(_fail, status=status, acts=False) for fault, status in BEFORE.items()},
    **{fault: partial(_fail, status=status, acts=True) for fault, status in AFTER.items()},
    Fault.GARBAGE: _garbage,
    Fault.GARBAGE_BODY: partial(_spoil, body=lambda: bytes(range(256))),
    Fault.HTML: _html,
    Fault.HUGE_HEADER: partial(_more_headers, headers=[(b"X-Huge", b"x" * HEADER_BYTES)]),
    Fault.MANY_HEADERS: partial(_more_headers, headers=[(b"X-Many-%d" % n, b"x") for n in range(HEADERS)]),
    Fault.LENGTH_TOO_SMALL: _length_too_small,
    Fault.LENGTH_TOO_LARGE: _length_too_large,
    Fault.NO_LENGTH: _no_length,
    Fault.EARLY_HINTS: _early_hints,
    Fault.GZIP_BOMB: partial(_spoil, body=_bomb, Content_Encoding="gzip"),
    Fault.DRIP_HEAD: _drip_head,
    Fault.DRIP_BODY: _drip_body,
    Fault.DRIP_CHUNK_LINE: _drip_chunk_line,
    Fault.DRIP_TRAILER: _drip_trailer,
    Fault.DRIP_GZIP: _drip_gzip,
    **{fault: partial(_break_tls, data=data) for fault, data in BENEATH_TLS.items()},
}
