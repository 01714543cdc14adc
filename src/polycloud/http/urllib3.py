"""The transport of plain, blocking code: urllib3's pools and connections, our protocol on their sockets.

urllib3 opens, keeps and secures connections (`connections`); the exchange on one is ours: `protocol` writes
the request and reads the response, `wire` waits for the socket and bounds each wait. An error means what has
happened, not where it was raised: before a byte of the request left this machine it is a `ConnectError`,
after that a `TransportError`, since the request may have been carried out.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Iterator
from io import BytesIO
from math import inf
from typing import Any, TypeVar
from urllib.parse import quote

from polycloud.concurrency.forks import renew_after_fork
from polycloud.errors import ConnectError, PolycloudError, ReadTimeoutError, TransportError
from polycloud.http.connections import Pool, new_pool
from polycloud.http.decoding import Decoder
from polycloud.http.messages import RawResponse, Request, TransportOptions, origin_of, require_size
from polycloud.http.protocol import ResponseReader, body_pieces, request_head
from polycloud.http.wire import Wire

__all__ = ["Urllib3Transport"]

T = TypeVar("T")
TARGET = re.compile(r"[!-~]+")
VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
SMALL = 65536
"""Bytes of a body that is sent together with its headers."""


class Urllib3Transport:
    """Pooled, keep-alive, safe to share between threads and over fork."""

    def __init__(self, options: TransportOptions | None = None) -> None:
        self.options = options or TransportOptions()
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come in the middle
        self._pools: dict[str, Pool] = {}

    def send(self, request: Request) -> RawResponse:
        """Send once and return the response."""
        origin = origin_of(request.url)
        pool = self._pools.get(origin) or self._new_pool(origin)
        exchange = _Exchange(pool, request, _target(request.url, origin))
        reader = exchange.reader
        assert reader.headers is not None
        raw = RawResponse(reader.status, reader.reason, reader.headers, close=exchange.close)
        if request.stream:
            raw.chunks = exchange.chunks()
        else:
            raw.body = exchange.read(self.options.body_limit)
        return raw

    def close(self) -> None:
        """Close every idle connection; a later `send` opens new ones."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def _new_pool(self, origin: str) -> Pool:
        with self._lock:
            if origin not in self._pools:
                self._pools.setdefault(origin, new_pool(origin, self.options))
            return self._pools[origin]

    def __reduce__(self) -> tuple[type[Urllib3Transport], tuple[TransportOptions]]:
        return type(self), (self.options,)


def _target(url: str, origin: str) -> str:
    """Return path and query as the request line names them."""
    rest = url[len(origin) :].partition("#")[0]
    target = rest if rest.startswith("/") else f"/{rest}"
    return target if TARGET.fullmatch(target) else quote(target, safe=VISIBLE)


class _Exchange:
    """A request that was sent, and its response up to the end of the headers; the body is read from here.

    The pool gets the connection back exactly once: when the response has ended, at the first error, or when
    the exchange is closed, or when nobody has it any more: a stream that was forgotten.
    """

    _conn: Any = None

    def __init__(self, pool: Pool, request: Request, target: str) -> None:
        self._pool, self._request = pool, request
        headers = {**request.headers, **pool.proxy_headers} if pool.prefix else request.headers
        head = request_head(request.method, pool.prefix + target, pool.host_header, headers, request.body)
        self.reader = ResponseReader(request.method)
        self._fully_sent = False
        self._conn = pool.lease(request)
        self._wire = Wire(self._conn.sock, request, request.read_timeout)
        self._run(lambda: self._begin(head))

    def read(self, limit: int) -> bytes:
        """Return the decoded body. Raises `MalformedResponseError` after `limit` bytes."""
        return self._run(lambda: self._read(limit))

    def chunks(self) -> Generator[bytes]:
        """Yield the decoded body in pieces."""
        pieces = self._pieces()
        try:
            while piece := self._run(lambda: next(pieces, b"")):
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back; it is closed unless the response has ended."""
        conn, self._conn = self._conn, None
        if conn is not None:
            reusable = self._fully_sent and self.reader.complete and self.reader.keep_alive
            self._pool.give_back(conn, reusable=reusable)

    def __del__(self) -> None:
        self.close()

    def _begin(self, head: bytes) -> None:
        try:
            self._send(head)
            self._fully_sent = True
        except (BrokenPipeError, ConnectionResetError):
            if not self._wire.sent:
                raise
            # It may have responded before the end of the body, and closed
        while self.reader.headers is None:
            self._wire.receive_into(self.reader)
        if self.reader.complete:
            self.close()

    def _send(self, head: bytes) -> None:
        body = self._request.body
        if body is None:
            self._wire.send(head)
        elif isinstance(body, bytes) and len(body) <= SMALL:
            self._wire.send(head + body)
        else:
            self._wire.send(head)
            for piece in body_pieces(body, self._request.headers):
                self._wire.send(piece)

    def _read(self, limit: int) -> bytes:
        pieces = self._pieces(limit)
        first = next(pieces, b"")
        require_size(len(first), limit)
        body = None
        for piece in pieces:
            if body is None:  # unlike a list of pieces, it never holds a long body twice
                body = BytesIO()
                body.write(first)
            body.write(piece)
            require_size(body.tell(), limit)
        return first if body is None else body.getvalue()

    def _pieces(self, undecoded_limit: float = inf) -> Iterator[bytes]:
        """Yield the decoded body; wait for more where there is none."""
        reader = self.reader
        assert reader.headers is not None
        coding = reader.headers.get("content-encoding")
        decoder = Decoder(coding) if coding else None
        while True:
            if reader.body_size > undecoded_limit:
                require_size(reader.body_size, undecoded_limit)
            for data in reader.take():
                yield from decoder.decode(data) if decoder else (data,)
            if reader.complete:
                break
            self._wire.receive_into(reader)
        if decoder:
            decoder.finish()
        self.close()

    def _run(self, call: Callable[[], T]) -> T:
        """Return the result of `call`; errors of the socket become errors of our tree.

        The original is not kept, not even as context: its arguments may hold the query, its frames the
        headers.
        """
        try:
            return call()
        except PolycloudError as error:
            ours = error
        except OSError as error:
            ours = self._error(error)
        except BaseException:
            self.close()
            raise
        self.close()
        ours.__cause__ = ours.__context__ = None
        raise ours

    def _error(self, error: OSError) -> PolycloudError:
        if isinstance(error, TimeoutError):
            try:
                self._request.remaining()
            except ReadTimeoutError as late:
                return late
            return ReadTimeoutError("no response in time (timeout=)")
        kind = TransportError if self._wire.sent else ConnectError
        return kind(f"the connection broke: {error}")
