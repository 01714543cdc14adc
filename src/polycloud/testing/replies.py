"""A server that sends the same response to every request, and responses that no driver expects.

It may stand before another server, whose responses it passes on until it is told to send its own: so a driver
can log in before its responses break. `tampering` is a server that passes everything on, and changes a byte.
"""

from __future__ import annotations

import shutil
import socket
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.client import parse_headers
from io import BufferedIOBase
from typing import BinaryIO

from polycloud.testing.stoppable import StoppableServer

__all__ = ["BROKEN", "UNEXPECTED", "SameReply", "Tampering", "echo", "http", "serve", "tampering"]


def http(status: str, body: str, length: int | None = None) -> bytes:
    """Return a response that ends its connection, with a right or a wrong Content-Length."""
    marked = "text/xml" if body.startswith("<?xml") else "text/html"
    kind = marked if body.startswith("<") else "application/json"
    size = len(body) if length is None else length
    head = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {size}", "Connection: close")
    return "\r\n".join((*head, "", body)).encode()


BROKEN = {
    "HTML": http("200 OK", "<!DOCTYPE html><html><body>Please sign in.</body></html>"),
    "error": http("500 Internal Server Error", "out of order"),
    "garbage": b"\x00\xff\x00\xff\r\n\r\n",
    "half": http("200 OK", '{"data": [', length=1000),
    "nothing": b"",
}
"""Broken responses, by name."""

UNEXPECTED = {
    "cut": '{"data": [{"id": 1, "na',
    "fields": '{"unexpected": 1}',
    "items": "[1]",
    "null": "null",
    "HTML": "<!DOCTYPE html>\n<html><body><p>Please sign in.</p></body></html>",
    "XML": "<?xml version='1.0'?><unexpected xmlns='urn:foreign'><thing><id>1</id></thing></unexpected>",
}
"""Bodies that are not a list of any provider's objects, by name."""


def echo(headers: Message) -> bytes:
    """Return an error response that quotes the request's headers, as some providers' messages do."""
    return http("400 Bad Request", "; ".join(f"{name}: {value}" for name, value in sorted(headers.items())))


class SameReply(StoppableServer):
    """The server at `url`, which sends one response unless it `passes` requests on to `upstream`.

    `seen` has method and target of each request that it has not passed on.
    """

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, reply: Callable[[Message], bytes], upstream: tuple[str, int] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.upstream = upstream
        self.passes = upstream is not None
        self.seen: list[tuple[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def requests(self) -> int:
        """The number of requests that it has not passed on."""
        return len(self.seen)

    def outbound(self, body: bytes) -> bytes:
        """Return the body of a request as it is passed on."""
        return body

    def inbound(self, source: BinaryIO, target: BufferedIOBase) -> None:
        """Pass a response on."""
        shutil.copyfileobj(source, target)


class Tampering(SameReply):
    """A server that passes everything on, and changes a byte of some bodies.

    `in_requests` and `in_responses` are bytes: the first byte of each is changed where they come, b"" for
    nothing; `changed` is in how many bodies that was.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__(lambda _: b"", upstream)
        self.in_requests = self.in_responses = b""
        self.changed = 0

    def outbound(self, body: bytes) -> bytes:
        """Return the body of a request as it is passed on."""
        return self._changed(body, self.in_requests)

    def inbound(self, source: BinaryIO, target: BufferedIOBase) -> None:
        """Pass a response on."""
        head, blank, body = source.read().partition(b"\r\n\r\n")
        target.write(head + blank + self._changed(body, self.in_responses))

    def _changed(self, body: bytes, wanted: bytes) -> bytes:
        if not wanted or wanted not in body:
            return body
        self.changed += 1
        return body.replace(wanted, bytes([wanted[0] ^ 1]) + wanted[1:])


class _Handler(socketserver.StreamRequestHandler):
    timeout = 5.0
    server: SameReply

    def handle(self) -> None:
        start = self.rfile.readline()
        headers = parse_headers(self.rfile)
        # unread data would turn the end of the connection into a reset
        body = self.rfile.read(int(headers.get("Content-Length", 0)))
        if self.server.passes:
            self._pass_on(start, headers, body)
            return
        method, _, rest = start.decode("latin-1").partition(" ")
        self.server.seen.append((method, rest.partition(" ")[0]))
        self.wfile.write(self.server.reply(headers))

    def _pass_on(self, start: bytes, headers: Message, body: bytes) -> None:
        assert self.server.upstream is not None
        del headers["Connection"]
        lines = (f"{name}: {value}\r\n" for name, value in [*headers.items(), ("Connection", "close")])
        # if it breaks, the driver sees that the connection ends
        with suppress(OSError), socket.create_connection(self.server.upstream, self.timeout) as upstream:
            head = start + "".join(lines).encode("latin-1") + b"\r\n"
            upstream.sendall(head + self.server.outbound(body))
            with upstream.makefile("rb") as response:
                if status := response.readline():  # the caller must not keep a connection that is closed
                    self.wfile.write(status + b"Connection: close\r\n")
                self.server.inbound(response, self.wfile)


@contextmanager
def serve(reply: Callable[[Message], bytes], upstream: tuple[str, int] | None = None) -> Iterator[SameReply]:
    """Serve until the block ends; `reply` makes the response from the request's headers.

    With `upstream`, a host and a port, requests are passed on until `passes` is set to False.
    """
    with SameReply(reply, upstream) as server, _serving(server):
        yield server


@contextmanager
def tampering(upstream: tuple[str, int]) -> Iterator[Tampering]:
    """Pass requests on to `upstream`, a host and a port, until the block ends."""
    with Tampering(upstream) as server, _serving(server):
        yield server


@contextmanager
def _serving(server: SameReply) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()
