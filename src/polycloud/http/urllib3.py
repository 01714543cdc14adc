"""The transport of plain, blocking code: urllib3's pools and connections, our protocol on their sockets.

urllib3 opens, keeps and secures connections (`connections`); the exchange on one is ours: `protocol` writes
the request and reads the response, `wire` waits for the socket and bounds each wait. An error means what has
happened, not where it was raised: before a byte of the request left this machine it is a `ConnectError`,
after that a `TransportError`, since the request may have been carried out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from io import BytesIO
from math import inf
from typing import Any, TypeVar

from polycloud.concurrency.forks import renew_after_fork
from polycloud.errors import PolycloudError
from polycloud.http.connections import Pool, new_pool
from polycloud.http.exchange import Exchange
from polycloud.http.memory import HUGE, huge_memory
from polycloud.http.messages import CHUNK, RawResponse, Request, TransportOptions, origin_of, require_size
from polycloud.http.protocol import ResponseReader
from polycloud.http.route import target_of
from polycloud.http.wire import Wire

__all__ = ["Urllib3Transport"]

T = TypeVar("T")
BELIEVED = 256 * 1024 * 1024
"""Bytes of a body for which memory is allocated before they come: a length may be a lie."""


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
        exchange = _Exchange(pool, request, target_of(request.url, origin))
        raw = exchange.begin()
        if request.stream:
            raw.chunks, raw.close = exchange.chunks(), exchange.close
        else:
            raw.buffer = exchange.read(self.options.body_limit)
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


class _Exchange(Exchange):
    """An exchange on a connection of the pool.

    The pool gets the connection back exactly once: when the response has ended, at the first error, or when
    the exchange is closed, or when nobody has it any more: a stream that was forgotten.
    """

    _conn: Any = None

    def __init__(self, pool: Pool, request: Request, target: str) -> None:
        super().__init__(request, pool.route, target)
        self._pool = pool
        self._conn = pool.lease(request)
        self._wire = Wire(self._conn.sock, request, request.read_timeout)
        self.reader = ResponseReader(request.method)

    def begin(self) -> RawResponse:
        """Send the request; return the response, whose body is still to be read."""
        return self._run(self._begin)

    def read(self, limit: int) -> bytes | memoryview:
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
            self._pool.give_back(conn, reusable=self.reusable, last_sent=self._wire.sent_at)

    def __del__(self) -> None:
        self.close()

    def _begin(self) -> RawResponse:
        try:
            self.fully_sent = self._send()
        except (BrokenPipeError, ConnectionResetError):
            if not self._wire.sent:
                raise
            # It may have responded before the end of the body, and closed
        while self.reader.headers is None:
            self._wire.receive_into(self.reader)
        response = self.response()
        if self.reader.complete:
            self.close()
        return response

    def _send(self) -> bool:
        """Send head and body; return False if the response came first."""
        pieces = self.pieces()
        self._wire.send(next(pieces))
        return all(self._wire.send_unless_answered(piece, self.reader) for piece in pieces)

    def _read(self, limit: int) -> bytes | memoryview:
        size = self.reader.body_size + self.rest()
        # More than the limit is only claimed so far: a body that breaks off before is a broken one
        believed = min(limit, BELIEVED)
        return self._read_long(size) if self.rest() > CHUNK and size <= believed else self._read_pieces(limit)

    def _read_long(self, size: int) -> bytes | memoryview:
        """Return a long body whose length is known, received into the memory that it keeps."""
        if size >= HUGE:
            self._receive_into(memory := huge_memory(size))
            return memory.toreadonly()
        body = BytesIO(bytes(size))
        with body.getbuffer() as memory:
            self._receive_into(memory)
        return body.getvalue()

    def _receive_into(self, memory: memoryview) -> None:
        """Receive the body. Its end is read like other bodies, so that bytes after it are noticed."""
        reader, at = self.reader, 0
        while not reader.complete:
            for piece in reader.take():
                memory[at : at + len(piece)] = piece
                at += len(piece)
            if reader.rest() > CHUNK:
                # Released even if that fails: until 3.12.6 Python crashes on views of a BytesIO in garbage
                with memory[at:-CHUNK] as rest:
                    at += self._wire.receive_past(reader, rest)
            else:
                self._wire.receive_into(reader)
        memory[at:] = b"".join(reader.take())
        self.close()

    def _read_pieces(self, limit: int) -> bytes:
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
        yield from filter(None, self.decoded(undecoded_limit))
        while not self.reader.complete:
            self._wire.receive_into(self.reader)
            yield from filter(None, self.decoded(undecoded_limit))
        self.close()

    def _run(self, call: Callable[[], T]) -> T:
        """Return the result of `call`; errors of the socket become ours, without the original."""
        try:
            return call()
        except PolycloudError as error:
            ours = error
        except OSError as error:
            ours = self.error(error, sent=self._wire.sent)
        except BaseException:
            self.close()
            raise
        self.close()
        ours.__cause__ = ours.__context__ = None
        raise ours
