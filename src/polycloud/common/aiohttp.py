"""The transport of drivers that run on an event loop, over aiohttp (extra `aio`)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from io import IOBase
from typing import Any

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector
from aiohttp import client_exceptions as exceptions
from yarl import URL

from polycloud.common.http import CHUNK, Headers, RawResponse, Request, TransportOptions, read_whole
from polycloud.common.types import (
    ConnectError,
    MalformedResponseError,
    PolycloudError,
    ReadTimeoutError,
    TLSError,
    TransportError,
)
from polycloud.common.waiting import bridge

__all__ = ["AiohttpTransport"]

POOL_SIZE = 100


class AiohttpTransport:
    """Sends from inside a bridge (`polycloud.common.waiting.bridged`) on the loop that runs it."""

    def __init__(self, options: TransportOptions | None = None) -> None:
        self.options = options or TransportOptions(pool_size=POOL_SIZE)
        self._session: ClientSession | None = None

    def send(self, request: Request) -> RawResponse:
        """Send once; the loop goes on with other work until the answer is here."""
        current = bridge()
        assert current is not None, "the aiohttp transport serves code inside a bridge only"
        response = current.wait(self._open(request))
        raw = RawResponse(
            response.status, response.reason or "", Headers(response.headers.items()), close=response.close
        )
        chunks = _chunks(response, request)
        if request.stream:
            return replace(raw, chunks=chunks)
        with raw:
            return replace(raw, body=read_whole(chunks, self.options.body_limit), close=lambda: None)

    def close(self) -> None:
        """Close every connection, from inside a bridge."""
        current = bridge()
        assert current is not None, "the aiohttp transport is closed inside a bridge, or by aclose()"
        current.wait(self.aclose())

    async def aclose(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _open(self, request: Request) -> ClientResponse:
        connect, read = request.timeouts()
        async with _translated():
            return await self._opened_session().request(
                request.method,
                URL(request.url, encoded=True),
                data=_body(request),
                headers=request.headers,
                allow_redirects=False,
                proxy=self.options.proxy_for(request.url),
                timeout=ClientTimeout(total=None, sock_connect=connect, sock_read=read),
            )

    def _opened_session(self) -> ClientSession:
        if self._session is None:
            connector = TCPConnector(limit_per_host=self.options.pool_size, ssl=self.options.ssl_context())
            self._session = ClientSession(connector=connector)
        return self._session


def _body(request: Request) -> Any:
    if isinstance(request.body, bytes | IOBase | None):
        return request.body

    async def pieces(body: Iterable[bytes]) -> AsyncIterator[bytes]:
        for piece in body:
            yield piece

    return pieces(request.body)


async def _read(response: ClientResponse) -> bytes:
    async with _translated():
        return await response.content.read(CHUNK)


def _chunks(response: ClientResponse, request: Request) -> Iterator[bytes]:
    try:
        while True:
            current = bridge()
            assert current is not None, "a stream is read inside the bridge that opened it"
            piece = current.wait(_read(response))
            if not piece:
                return
            yield piece
            request.remaining()
    finally:
        response.release()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Turn whatever aiohttp and the socket raise into errors of our tree."""
    try:
        yield
    except (ClientError, OSError) as error:
        raise _translate(error) from error


def _translate(error: Exception) -> PolycloudError:
    if isinstance(error, exceptions.ClientSSLError | ssl.SSLError):
        return TLSError(f"TLS failed: {error}")
    if isinstance(error, exceptions.ConnectionTimeoutError | exceptions.ClientConnectorError):
        return ConnectError(f"cannot connect: {error}")
    if isinstance(error, TimeoutError):
        return ReadTimeoutError("no answer in time (timeout=)")
    if isinstance(error, exceptions.ContentTypeError | exceptions.ClientPayloadError) and "decod" in str(
        error
    ):
        return MalformedResponseError(f"the answer cannot be decompressed: {error}")
    return TransportError(f"the connection broke: {error}")
