"""A server that sends the same response to every request, and responses that no driver expects."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.client import parse_headers

__all__ = ["BROKEN", "UNEXPECTED", "SameReply", "echo", "http", "serve"]


def http(status: str, body: str, length: int | None = None) -> bytes:
    """Return a response that ends its connection, with a right or a wrong Content-Length."""
    kind = "text/html" if body.startswith("<") else "application/json"
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
}
"""Bodies that are not a list of any provider's objects, by name."""


def echo(headers: Message) -> bytes:
    """Return an error response that quotes the request's headers, as some providers' messages do."""
    return http("400 Bad Request", "; ".join(f"{name}: {value}" for name, value in sorted(headers.items())))


class SameReply(socketserver.TCPServer):
    """The server at `url`. `requests` counts the requests, `last` is method and target of the last one."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, reply: Callable[[Message], bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.requests = 0
        self.last = ("", "")
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    timeout = 5.0
    server: SameReply

    def handle(self) -> None:
        method, _, rest = self.rfile.readline().decode("latin-1").partition(" ")
        headers = parse_headers(self.rfile)
        # unread data would turn the end of the connection into a reset
        self.rfile.read(int(headers.get("Content-Length", 0)))
        self.server.requests += 1
        self.server.last = (method, rest.partition(" ")[0])
        self.wfile.write(self.server.reply(headers))


@contextmanager
def serve(reply: Callable[[Message], bytes]) -> Iterator[SameReply]:
    """Serve until the block ends; `reply` makes the response from the request's headers."""
    with SameReply(reply) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
