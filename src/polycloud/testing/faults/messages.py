"""HTTP/1.1 messages as bytes: read whole, and written again for another connection."""

from __future__ import annotations

from asyncio import StreamReader
from dataclasses import dataclass, replace

__all__ = ["LIMIT", "Message", "answer", "read_answer", "read_request"]

LIMIT = 1024 * 1024
"""The most bytes of a head."""
ONE_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"content-length"}
)
BODILESS = frozenset({b"204", b"304"})
FINAL = b"200"


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer: its first line, its headers, and its body out of any chunks."""

    start: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    has_body: bool = True

    def header(self, name: bytes) -> bytes:
        """The value of a header, looked up in lower case; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def plus(self, *headers: tuple[bytes, bytes]) -> Message:
        """The message with these headers before its own."""
        return replace(self, headers=(*headers, *self.headers))

    def head(self) -> bytes:
        """The bytes before the body, as the headers say it."""
        lines = [self.start, *(name + b": " + value for name, value in self.headers)]
        return b"\r\n".join([*lines, b"", b""])

    def for_one_hop(self, *headers: tuple[bytes, bytes]) -> Message:
        """The message with `headers` in the place of those that concern one connection only."""
        kept = (item for item in self.headers if not self.has_body or item[0].lower() not in ONE_HOP)
        return replace(self, headers=(*kept, *headers))

    def whole(self) -> bytes:
        """The message as it is sent, with the right Content-Length."""
        length = ((b"Content-Length", b"%d" % len(self.body)),) if self.has_body else ()
        return self.for_one_hop(*length).head() + self.body


def answer(status: str, body: bytes = b"", **headers: str) -> Message:
    """An answer of the proxy's own; `Retry_After` is the header Retry-After."""
    named = ((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Message(b"HTTP/1.1 " + status.encode(), tuple(named), body)


async def read_request(reader: StreamReader) -> Message:
    """The next request on a connection; raises `EOFError` where there is none."""
    request = await _read_head(reader)
    return replace(request, body=await _read_body(request, reader, b""))


async def read_answer(reader: StreamReader, method: bytes) -> Message:
    """The final answer to a request with `method`; raises `EOFError` where the connection ends before it."""
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
