"""A small real web server whose responses a test decides, request by request."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from polycloud.testing.stoppable import StoppableServer


@dataclass
class Seen:
    """A request as the server received it; `connection` numbers the connections from 1."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def echo(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "target": self.target,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.body.decode("latin-1"),
            "connection": self.connection,
        }


@dataclass
class Answer:
    """A response to send; None in place of an `Answer` aborts the connection."""

    status: int = 200
    body: bytes | Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterable[bytes] | None = None


Respond = Callable[[Seen], Answer | None]


@dataclass
class Web:
    """A running server and the requests that it received."""

    host: str
    port: int
    seen: list[Seen]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        return {"host": self.host, "port": self.port, "secure": False}


def echo(seen: Seen) -> Answer:
    """Return the request to the caller."""
    return Answer(body=seen.echo())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    disable_nagle_algorithm = True  # or a body waits up to 40 ms for the acknowledgement of its headers
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.number = next(self.server.connections)

    def handle_any(self) -> None:
        request = Seen(self.command, self.path, dict(self.headers), self._read_body(), self.number)
        self.server.seen.append(request)
        answer = self.server.respond(request)
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._send(answer)

    def _read_body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        begin = self.send_response_only if "Date" in answer.headers else self.send_response
        begin(answer.status)
        headers = {"Transfer-Encoding": "chunked"} if answer.chunks else {"Content-Length": str(len(body))}
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for chunk in [*answer.chunks, b""] if isinstance(answer.chunks, list) else answer.chunks or ():
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if answer.chunks is None and self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


class _Server(ThreadingHTTPServer, StoppableServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, respond: Respond) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond = respond
        self.seen: list[Seen] = []
        self.connections = count(1)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect: many tests have some."""


@contextmanager
def serve(respond: Respond = echo, ssl_context: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Serve on loopback until the block ends."""
    server = _Server(respond)
    if ssl_context is not None:
        server.socket = ssl_context.wrap_socket(server.socket, server_side=True)
    server.start()
    try:
        yield Web("127.0.0.1", server.server_port, server.seen)
    finally:
        server.stop()
        server.server_close()


@contextmanager
def raw_answers(*answers: bytes) -> Iterator[Web]:
    """Send the n-th bytes to the n-th connection (the last ones to all later ones), then close it."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)
    seen: list[Seen] = []

    def run() -> None:
        for number in range(1_000_000):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                connection.recv(65536)
                seen.append(Seen("", "", {}, b"", number + 1))
                with suppress(ConnectionError):  # the caller need not read it to its end
                    connection.sendall(answers[min(number, len(answers) - 1)])

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Web("127.0.0.1", listener.getsockname()[1], seen)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
