"""The transport of plain, blocking code, over urllib3."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.client import HTTPException
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager, Timeout, exceptions
from urllib3.response import BaseHTTPResponse, HTTPResponse

from polycloud.common.http import CHUNK, Headers, RawResponse, Request, TransportOptions, read_whole
from polycloud.common.types import (
    ConnectError,
    InvalidArgumentError,
    MalformedResponseError,
    PolycloudError,
    ReadTimeoutError,
    TLSError,
    TransportError,
)

__all__ = ["Urllib3Transport"]

IDLE_LIMIT = 5.0
"""Seconds after which an idle connection is not trusted with a request that must not be sent twice."""
UNREPEATABLE = frozenset({"POST", "PATCH"})


class Urllib3Transport:
    """Pooled, keep-alive, safe to share between threads and over fork."""

    def __init__(self, options: TransportOptions | None = None) -> None:
        self.options = options or TransportOptions()
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._managers: dict[tuple[str, str | None], PoolManager] = {}

    def send(self, request: Request) -> RawResponse:
        """Send once and wait for the answer."""
        with _translated():
            response = self._open(request)
        chunks = _chunks(response, request)
        headers = Headers(response.headers.items())
        raw = RawResponse(response.status, response.reason or "", headers, close=response.close)
        if request.stream:
            return replace(raw, chunks=chunks)
        with closing(chunks):
            return replace(raw, body=read_whole(chunks, self.options.body_limit))

    def close(self) -> None:
        """Close every idle connection; a later `send` opens new ones."""
        with self._lock:
            managers, self._managers = self._managers, {}
        for manager in managers.values():
            manager.clear()

    def _open(self, request: Request) -> BaseHTTPResponse:
        connect, read = request.timeouts()
        return self._manager(request.url).urlopen(
            request.method,
            request.url,
            body=request.body,
            headers=request.headers,
            timeout=Timeout(connect=connect, read=read),
            pool_timeout=read,
            retries=False,
            redirect=False,
            preload_content=False,
        )

    def _manager(self, url: str) -> PoolManager:
        if self._pid != os.getpid():
            self._reset()
        key = url.partition(":")[0], self.options.proxy_for(url)
        manager = self._managers.get(key)
        if manager is None:
            with self._lock:
                manager = self._managers.get(key) or _new_manager(*key, self.options)
                self._managers[key] = manager
        return manager

    def __reduce__(self) -> tuple[type[Urllib3Transport], tuple[TransportOptions]]:
        return type(self), (self.options,)


class _IdleGuard:
    """A pool that reopens a connection which idled long before it carries what must not be sent twice."""

    def _make_request(self, conn: Any, method: str, url: str, **options: Any) -> BaseHTTPResponse:
        if method in UNREPEATABLE and time.monotonic() - getattr(conn, "last_used", 0.0) > IDLE_LIMIT:
            conn.close()
        answer: BaseHTTPResponse = super()._make_request(conn, method, url, **options)  # type: ignore[misc]
        return answer

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.last_used = time.monotonic()
        super()._put_conn(conn)  # type: ignore[misc]


class _HTTPPool(_IdleGuard, HTTPConnectionPool):  # type: ignore[misc] # it passes the rest on
    pass


class _HTTPSPool(_IdleGuard, HTTPSConnectionPool):  # type: ignore[misc] # it passes the rest on
    pass


def _new_manager(scheme: str, proxy: str | None, options: TransportOptions) -> PoolManager:
    settings: dict[str, Any] = {"num_pools": 8, "maxsize": options.pool_size, "block": True}
    if scheme == "https":  # loading the authorities takes 20 ms
        settings["ssl_context"] = options.ssl_context()
    manager = ProxyManager(proxy, **settings) if proxy else PoolManager(**settings)
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return manager


def _chunks(response: BaseHTTPResponse, request: Request) -> Generator[bytes]:
    """The decoded body piece by piece; looks at the deadline between two, since a drip never times out."""
    assert isinstance(response, HTTPResponse)
    try:
        with _translated():
            while piece := response.read1(CHUNK):
                yield piece
                request.remaining()
            response.release_conn()
    finally:
        if not response.closed:
            response.close()


@contextmanager
def _translated() -> Iterator[None]:
    """Turn whatever urllib3 and the socket raise into errors of our tree."""
    try:
        yield
    except (exceptions.HTTPError, HTTPException, OSError) as error:
        raise _translate(error) from error


def _translate(error: Exception) -> PolycloudError:
    if isinstance(error, exceptions.SSLError):
        return TLSError(f"TLS failed: {error}")
    if isinstance(error, exceptions.ProxyError):
        return ConnectError("the proxy cannot be reached, or refused")
    if isinstance(error, exceptions.ConnectTimeoutError | exceptions.NewConnectionError):
        return ConnectError(f"cannot connect: {error}")
    if isinstance(error, exceptions.EmptyPoolError):
        return ConnectError("no connection of the pool became free in time (pool_size=)")
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return ReadTimeoutError("no answer in time (timeout=)")
    if isinstance(error, exceptions.DecodeError):
        return MalformedResponseError(f"the answer cannot be decompressed: {error}")
    if isinstance(error, exceptions.LocationValueError):
        return InvalidArgumentError(f"not a usable address: {error}")
    return TransportError(f"the connection broke: {error}")
