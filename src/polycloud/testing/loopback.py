"""A loopback server: the base of those that record and serve exchanges, and of fakes of providers.

A mistake in a fake must not look like one of the driver. So an exception in `answer` becomes a response that
names it and its place, with a status after which nothing is sent again and no create is searched for (501);
the server keeps it in `failures`, and its traceback is printed to stderr. A `ConnectionError` is different:
with it a fake disconnects on purpose.
"""

import json
import socket
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from socketserver import TCPServer
from threading import Lock
from types import TracebackType
from typing import Any, Self

from polycloud.http.messages import CONNECTION_HEADERS
from polycloud.testing.stoppable import StoppableServer
from polycloud.tracing.redaction import fields

__all__ = ["NO_BODY", "Answer", "Failure", "LoopbackServer", "SeenRequest", "noted_failures"]

NO_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


@dataclass(frozen=True)
class SeenRequest:
    """A received request.

    Attributes:
        method: in upper case.
        target: path and query as sent, percent-encoded.
        headers: case-insensitive.
        body: its bytes, without chunk framing.
    """

    method: str
    target: str
    headers: Message
    body: bytes

    @cached_property
    def path(self) -> str:
        """The path as sent, percent-encoded."""
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The values of every name in the query, decoded."""
        return fields(self.target.partition("?")[2])


@dataclass(frozen=True)
class Answer:
    """A response; the server adds Content-Length and replaces headers that concern the connection."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Failure:
    """An exception in the `answer` of a server, and the request that it was about."""

    error: Exception
    request: SeenRequest
    module: str

    def __str__(self) -> str:
        frames = list(traceback.walk_tb(self.error.__traceback__))
        own = [one for one in frames if one[0].f_globals.get("__name__") == self.module] or frames
        frame, line = own[-1]
        place = f"{Path(frame.f_code.co_filename).name}:{line}"
        asked = f"{self.request.method} {self.request.path}"
        return f"the fake server raised {self.error!r} at {asked} ({place})"

    @property
    def traceback(self) -> str:
        """The traceback as Python prints it."""
        return "".join(traceback.format_exception(self.error))


_listeners: list[list[Failure]] = []


@contextmanager
def noted_failures() -> Iterator[list[Failure]]:
    """Return a list to which the failures of all servers of this process are added, until the block ends."""
    failures: list[Failure] = []
    _listeners.append(failures)
    try:
        yield failures
    finally:
        _listeners[:] = [one for one in _listeners if one is not failures]


class LoopbackServer(ABC):
    """A threaded HTTP/1.1 server on a free port of 127.0.0.1, which runs inside a ``with`` block.

    `failures` are the exceptions of `answer` since the block began; see the module.
    """

    _server: "_Server | None" = None
    failures: list[Failure]

    @abstractmethod
    def answer(self, request: SeenRequest) -> Answer:
        """Return the response to a request; called in the thread of the request's connection.

        A `ConnectionError` that it raises ends the connection without a response.
        """

    def _respond(self, request: SeenRequest) -> Answer:
        try:
            return _valid(self.answer(request))
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - a fake may raise anything, and it is shown
            failure = Failure(error, request, type(self).__module__)
        for failures in (self.failures, *_listeners):
            failures.append(failure)
        sys.stderr.write(failure.traceback)
        body = json.dumps({"message": str(failure)}).encode()
        return Answer(HTTPStatus.NOT_IMPLEMENTED, [("Content-Type", "application/json")], body)

    @property
    def port(self) -> int:
        """The port.

        Raises:
            RuntimeError: the server is not running.
        """
        if self._server is None:
            raise RuntimeError(f"{type(self).__name__} runs inside a with block only")
        return self._server.server_port

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments that point a driver at it: host, port, secure."""
        return {"host": "127.0.0.1", "port": self.port, "secure": False}

    def __enter__(self) -> Self:
        self.failures = []
        self._server = _Server(self._respond)
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


class _Server(ThreadingHTTPServer, StoppableServer):
    daemon_threads = False  # server_close waits for them, so that no socket outlives it
    request_queue_size = 128

    def __init__(self, answer: Callable[[SeenRequest], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self._connections: set[socket.socket] = set()
        self._lock = Lock()

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's queries the name service, which can take seconds
        self.server_port = self.server_address[1]

    def stop(self) -> None:
        super().stop()
        with self._lock:
            for connection in self._connections:
                # wake the threads that wait for another request; a last response can still be written
                with suppress(OSError):  # the client may have closed it
                    connection.shutdown(socket.SHUT_RD)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnected; print other errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write for head and body: two would wait for a delayed acknowledgement
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the caller sees the requests."""

    def _serve(self) -> None:
        # self.path has lost leading slashes, which object stores need
        target = self.requestline.split()[1]
        body = _read_body(self.headers, self.rfile)
        response = self.server.answer(SeenRequest(self.command, target, self.headers, body))
        head = self.command == "HEAD"
        self.send_response_only(response.status)
        for name, value in _sent_headers(response, head=head):
            self.send_header(name, value)
        self.end_headers()
        if not head and response.status not in NO_BODY:
            self.wfile.write(response.body)


def _valid(answer: object) -> Answer:
    """Return what can be sent. Raises `TypeError` for anything else."""
    if not isinstance(answer, Answer):
        raise TypeError(f"answer must return an Answer, got {answer!r}")
    if not isinstance(answer.body, bytes):
        raise TypeError(f"the body of an Answer must be bytes, got {answer.body!r}")
    return answer


def _sent_headers(response: Answer, *, head: bool) -> Iterator[tuple[str, str]]:
    """Yield the headers with the right Content-Length; one for HEAD may have that of a body not sent."""
    length = str(len(response.body))
    for name, value in response.headers:
        if name.lower() not in CONNECTION_HEADERS:
            yield name, value
        elif head and name.lower() == "content-length":
            length = value
    if response.status not in NO_BODY:
        yield "Content-Length", length


def _read_body(headers: Message, stream: BufferedIOBase) -> bytes:
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        return b"".join(_chunks(stream))
    return _read(stream, int(headers.get("Content-Length", "0")))


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    while size := int(stream.readline().partition(b";")[0] or b"0", 16):
        yield _read(stream, size)
        stream.readline()
    while stream.readline().strip():
        pass  # trailers


def _read(stream: BufferedIOBase, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise ConnectionError("the client disconnected within its request")
    return data
