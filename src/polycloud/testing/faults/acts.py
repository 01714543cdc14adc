"""The effect of each fault on a request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
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
BEFORE = {
    Fault.ERROR: "500 Internal Server Error",
    Fault.BAD_GATEWAY: "502 Bad Gateway",
    Fault.UNAVAILABLE: "503 Service Unavailable",
    Fault.GATEWAY_TIMEOUT: "504 Gateway Timeout",
}
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
            await self.send(data[place : place + 1])
            if await self.left(pause):
                break

    def end(self) -> None:
        """Close regularly; the caller can still read what was sent before."""
        self.is_open = False
        self._writer.close()

    async def closed(self) -> None:
        """Wait until everything that was sent before the end is flushed."""
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def drop(self) -> None:
        """Close at once and discard unsent bytes."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """Close at once, with a reset."""
        self.is_open = False
        # With a linger time of 0 a close sends RST, not FIN
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
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


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what a fault can do with it; times are in seconds."""

    request: Message
    seen: SeenRequest
    caller: Connection
    upstream: Upstream
    cut: Callable[[], Awaitable[None]]
    delay: float
    pause: float
    retry_after: int

    async def act(self) -> Message:
        """Let the server carry out the request; return its response."""
        self.seen.reached = True
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


async def _refuse_for_the_limit(exchange: Exchange) -> None:
    await exchange.reply(response("429 Too Many Requests", b"{}", Retry_After=str(exchange.retry_after)))


async def _fail(exchange: Exchange, status: str, *, acts: bool) -> None:
    if acts:
        await exchange.act()
    await exchange.reply(response(status, b"{}", Content_Type="application/json"))


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


_ACTS: dict[Fault, Callable[[Exchange], Awaitable[None]]] = {
    Fault.REFUSE: _refuse,
    Fault.RESET_BEFORE: _reset_before,
    Fault.RESET_AFTER: _reset_after,
    Fault.RESET_MIDWAY: _reset_midway,
    Fault.CLOSE: _close,
    Fault.TRUNCATE: _truncate,
    Fault.STALL: _stall,
    Fault.STALL_AFTER: _stall_after,
    Fault.DELAY: _delay,
    Fault.TOO_MANY: _refuse_for_the_limit,
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
}
