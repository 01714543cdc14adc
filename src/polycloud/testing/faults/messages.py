"""HTTP/1.1 messages as bytes: read completely, and written again for another connection."""

from __future__ import annotations

from asyncio import StreamReader
from dataclasses import dataclass, replace

__all__ = ["LIMIT", "Message", "read_request", "read_response", "response"]

LIMIT = 1024 * 1024
"""The maximum size of a head in bytes."""
ONE_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"content-length"}
)
BODILESS = frozenset({b"204", b"304"})
FINAL = b"200"


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response: its first line, its headers, and its body without chunk framing."""

    start: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    has_body: bool = True

    def header(self, name: bytes) -> bytes:
        """Return the value of a header (name in lower case); empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def plus(self, *headers: tuple[bytes, bytes]) -> Message:
        """Return the message with these headers before its own."""
        return replace(self, headers=(*headers, *self.headers))

    def head(self) -> bytes:
        """Return the bytes before the body, with the headers as they are."""
        lines = [self.start, *(name + b": " + value for name, value in self.headers)]
        return b"\r\n".join([*lines, b"", b""])

    def for_one_hop(self, *headers: tuple[bytes, bytes]) -> Message:
        """Return the message with `headers` in place of those that concern one connection only."""
        kept = (item for item in self.headers if not self.has_body or item[0].lower() not in ONE_HOP)
        return replace(self, headers=(*kept, *headers))

    def to_bytes(self) -> bytes:
        """Return the complete message, with the right Content-Length."""
        length = ((b"Content-Length", b"%d" % len(self.body)),) if self.has_body else ()
        return self.for_one_hop(*length).head() + self.body


def response(status: str, body: bytes = b"", **headers: str) -> Message:
    """Return a response of the proxy itself; `Retry_After` is the header Retry-After."""
    named = ((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Message(b"HTTP/1.1 " + status.encode(), tuple(named), body)


async def read_request(reader: StreamReader) -> Message:
    """Return the next request on a connection. Raises `EOFError` if there is none."""
    request = await _read_head(reader)
    return replace(request, body=await _read_body(request, reader, b""))


async def read_response(reader: StreamReader, method: bytes) -> Message:
    """Return the final response to a request with `method`. Raises `EOFError` if there is none."""
    found = await _read_head(reader)
    while (status := found.start.split()[1]) < FINAL:
        found = await _read_head(reader)
    if method == b"HEAD" or status in BODILESS:
        return replace(found, has_body=False)
    return replace(found, body=await _read_body(found, reader, None))


async def _read_head(reader: StreamReader) -> Message:
    head = await reader.readuntil(b"\r\n\r\n")
    start, *lines = head[:-4].split(b"\r\n")
    fields = (line.partition(b":") for line in lines)
    return Message(start, tuple((name, value.strip()) for name, _, value in fields))


async def _read_body(message: Message, reader: StreamReader, without_length: bytes | None) -> bytes:
    if b"chunked" in message.header(b"transfer-encoding").lower():
        return await _read_chunks(reader)
    length = message.header(b"content-length")
    if length:
        return await reader.readexactly(int(length))
    return await reader.read() if without_length is None else without_length


async def _read_chunks(reader: StreamReader) -> bytes:
    pieces = []
    while size := int((await reader.readline()).partition(b";")[0], 16):
        pieces.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():
        pass  # trailers
    return b"".join(pieces)
