"""The transport of plain, blocking code, over urllib3."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from http.client import HTTPException, parse_headers
from http.client import HTTPResponse as FirstResponse
from queue import LifoQueue
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from urllib3 import (
    HTTPConnectionPool,
    HTTPSConnectionPool,
    ProxyManager,
    Timeout,
    exceptions,
    make_headers,
)
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse, HTTPResponse
from urllib3.util import parse_url

from polycloud.concurrency.forks import renew_after_fork
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    MalformedResponseError,
    PolycloudError,
    ReadTimeoutError,
    TLSError,
    TransportError,
)
from polycloud.http.messages import CHUNK, RawResponse, Request, TransportOptions, origin_of, read_whole
from polycloud.utils.headers import Headers

__all__ = ["Urllib3Transport"]

T = TypeVar("T")
POOL_SIZE = 32
IDLE_LIMIT = 5.0
"""Seconds after which an idle connection is not trusted with a request that must not be sent twice."""
INTERIM = range(102, 200)
UNREPEATABLE = frozenset({"POST", "PATCH"})

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


_sending: ContextVar[bool] = ContextVar("sending", default=False)


def _without_path(record: logging.LogRecord) -> bool:
    if _sending.get() and isinstance(record.args, tuple):
        record.args = tuple("/..." if str(part).startswith("/") else part for part in record.args)
    return True


# urllib3 logs each path and query, which may hold keys; polycloud's own log has the path without secrets
logging.getLogger("urllib3.connectionpool").addFilter(_without_path)


class Urllib3Transport:
    """Pooled, keep-alive, safe to share between threads and over fork."""

    def __init__(self, options: TransportOptions | None = None) -> None:
        self.options = options or TransportOptions()
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[str, HTTPConnectionPool | ProxyManager] = {}

    def send(self, request: Request) -> RawResponse:
        """Send once and return the response."""
        tokens = _deadline.set(request.deadline), _sending.set(True)
        try:
            response = _translated(partial(self._open, request), request)
        finally:
            _deadline.reset(tokens[0])
            _sending.reset(tokens[1])
        if request.deadline is not None:
            try:
                request.remaining()  # headers that were cut at the deadline seem complete
            except ReadTimeoutError:
                _close(response)
                raise
        chunks = _chunks(response, request)
        headers = Headers(response.headers.items())
        raw = RawResponse(response.status, response.reason or "", headers, close=partial(_close, response))
        if request.stream:
            raw.chunks = chunks
        else:
            with closing(chunks):
                raw.body = read_whole(chunks, self.options.body_limit)
        return raw

    def close(self) -> None:
        """Close every idle connection; a later `send` opens new ones."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            for each in _behind(pool) if isinstance(pool, ProxyManager) else [pool]:
                each.close()

    def _open(self, request: Request) -> BaseHTTPResponse:
        origin = origin_of(request.url)
        pool = self._pools.get(origin) or self._new_pool(origin)
        connect, read = request.timeouts()
        return pool.urlopen(
            request.method,
            request.url if isinstance(pool, ProxyManager) else _target(request.url, origin),
            body=request.body,
            headers=request.headers,
            timeout=Timeout(connect=connect, read=read),
            pool_timeout=read,  # type: ignore[arg-type] # a float will do
            retries=False,
            redirect=False,
            preload_content=False,
        )

    def _new_pool(self, origin: str) -> HTTPConnectionPool | ProxyManager:
        with self._lock:
            if origin not in self._pools:
                self._pools[origin] = _pool(origin, self.options)
            return self._pools[origin]

    def __reduce__(self) -> tuple[type[Urllib3Transport], tuple[TransportOptions]]:
        return type(self), (self.options,)


class _Connections(LifoQueue[Any]):
    """The connections of a pool. A forked child drops them: they and the lock belong to its parent."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        renew_after_fork(self)

    def _renew(self) -> None:
        parents = self.queue
        super().__init__(self.maxsize)
        for connection in filter(None, parents):
            connection.close()  # the child's copy of the socket; nothing is sent


class _IdleGuard:
    """A pool that reopens a long idle connection before a request that must not be sent twice."""

    QueueCls = _Connections

    def _make_request(self, conn: Any, method: str, url: str, **options: Any) -> BaseHTTPResponse:
        last_used = getattr(conn, "last_used", None)
        if method in UNREPEATABLE and last_used is not None and time.monotonic() - last_used > IDLE_LIMIT:
            conn.close()
            self._prepare_tunnel(conn)
        with _ended_at_the_deadline(conn):
            response: BaseHTTPResponse = super()._make_request(conn, method, url, **options)  # type: ignore[misc]
        return response

    def _prepare_tunnel(self, conn: Any) -> None:
        """Set up the tunnel through the proxy again, which a closed connection forgets."""
        pool: Any = self
        if pool.proxy is not None and pool.scheme == "https":
            pool._prepare_proxy(conn)  # noqa: SLF001

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.last_used = time.monotonic()
        super()._put_conn(conn)  # type: ignore[misc]


class _FinalResponse(FirstResponse):
    """Skips interim responses (103 Early Hints; RFC 9110, 15.2), which Python returns as final."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc] # private, but stable
            if status[1] not in INTERIM:
                return status
            parse_headers(self.fp)


class _Connection(HTTPConnection):
    response_class = _FinalResponse


class _TLSConnection(HTTPSConnection):
    response_class = _FinalResponse


class _HTTPPool(_IdleGuard, HTTPConnectionPool):  # type: ignore[misc] # a mixin
    ConnectionCls = _Connection


class _HTTPSPool(_IdleGuard, HTTPSConnectionPool):  # type: ignore[misc] # a mixin
    ConnectionCls = _TLSConnection


POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


def _pool(origin: str, options: TransportOptions) -> HTTPConnectionPool | ProxyManager:
    """Return the pool of an origin, or of the proxy before it."""
    settings: dict[str, Any] = {"maxsize": options.pool_size or POOL_SIZE, "block": True}
    if origin.startswith("https:"):  # loading the authorities takes 20 ms
        settings["ssl_context"] = options.ssl_context()
    proxy = options.proxy_for(origin)
    if proxy:
        manager = ProxyManager(proxy, **_proxy_login(proxy), **settings)
        manager.pool_classes_by_scheme = POOLS
        return manager
    where = parse_url(origin)
    pool: HTTPConnectionPool = POOLS[where.scheme or ""](where.host or "", where.port, **settings)
    return pool


def _target(url: str, origin: str) -> str:
    rest = url[len(origin) :]
    return rest if rest.startswith("/") else f"/{rest}"


def _behind(manager: ProxyManager) -> Iterator[HTTPConnectionPool]:
    """Yield the pools of a manager: it closes one only when it is collected, and a traceback may hold it."""
    for key in manager.pools.keys():  # noqa: SIM118 - it cannot be iterated
        if (pool := manager.pools.get(key)) is not None:
            yield pool


def _proxy_login(proxy: str) -> dict[str, Any]:
    user_info, at, _ = urlsplit(proxy).netloc.rpartition("@")
    return {"proxy_headers": make_headers(proxy_basic_auth=unquote(user_info))} if at else {}


@contextmanager
def _ended_at_the_deadline(conn: Any) -> Iterator[None]:
    """Cut the connection at the deadline: headers that drip never time out."""
    deadline = _deadline.get()
    if deadline is None:
        yield
        return
    timer = threading.Timer(deadline - time.monotonic(), _cut, [conn])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(conn: Any) -> None:
    with suppress(OSError, AttributeError):  # not yet connected, or just closed
        conn.sock.shutdown(socket.SHUT_RDWR)


def _close(response: BaseHTTPResponse) -> None:
    """Close, and release the place in the bounded pool, which would be lost for ever."""
    response.close()
    response.release_conn()


def _chunks(response: BaseHTTPResponse, request: Request) -> Generator[bytes]:
    """Yield the decoded body in pieces; check the deadline between two, since a drip never times out."""
    assert isinstance(response, HTTPResponse)
    try:
        while piece := _translated(partial(response.read1, CHUNK), request):
            yield piece
            if request.deadline is not None:
                request.remaining()
        response.release_conn()
    finally:
        if not response.closed:
            _close(response)


def _translated(call: Callable[[], T], request: Request) -> T:
    """Return the result of `call`; errors of urllib3 and the socket become errors of our tree.

    The original is not kept, not even as context: its arguments may hold the query, its frames the headers.
    """
    try:
        return call()
    except (exceptions.HTTPError, HTTPException, OSError) as error:
        late = request.deadline is not None and time.monotonic() >= request.deadline
        ours = ReadTimeoutError("the call's deadline has passed") if late else _translate(error, request)
    raise ours


def _translate(error: Exception, request: Request) -> PolycloudError:
    if isinstance(error, exceptions.SSLError):
        return TLSError(f"TLS failed: {error}")
    if isinstance(error, exceptions.ProxyError):
        return ConnectError(f"the proxy cannot be reached, or refused: {error.original_error}")
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.NewConnectionError):
        address = urlsplit(request.url).netloc.rpartition("@")[2]
        return ConnectError(f"cannot connect to {address}: {str(error).rpartition('): ')[2]}")
    if isinstance(error, exceptions.EmptyPoolError):
        return ConnectError("no connection of the pool became free in time (pool_size=)")
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return ReadTimeoutError("no response in time (timeout=)")
    if isinstance(error, exceptions.DecodeError):
        return MalformedResponseError(f"the response cannot be decompressed: {error}")
    if isinstance(error, exceptions.LocationValueError):
        return InvalidArgumentError("not a usable URL")
    return TransportError(f"the connection broke: {error}")
