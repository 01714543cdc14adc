"""The transport of drivers that run on an event loop, over aiohttp (extra `aio`)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Self, TypeVar

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp import client_exceptions as exceptions
from yarl import URL

from polycloud.concurrency.waiting import bridge
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    MalformedResponseError,
    PolycloudError,
    ReadTimeoutError,
    TLSError,
    TransportError,
)
from polycloud.http.messages import (
    CHUNK,
    RawResponse,
    Request,
    TransportOptions,
    origin_of,
    require_size,
)
from polycloud.utils.headers import Headers

__all__ = ["AiohttpTransport", "AiohttpTransports"]

T = TypeVar("T")
POOL_SIZE = 100
IDLE_LIMIT = 5.0
"""Seconds after which an idle connection is closed: a POST must not be lost on it."""
GOODBYE = 0.1
"""Seconds in which TLS connections end: asyncio closes their sockets only after the server's goodbye."""


class AiohttpTransports:
    """The transports of one event loop, one for each set of options; what `bridged` takes.

    `async with AiohttpTransports() as transports:` closes them at the end.
    """

    def __init__(self) -> None:
        self._transports: dict[TransportOptions, AiohttpTransport] = {}

    def __call__(self, options: TransportOptions) -> AiohttpTransport:
        """Return the transport with these options."""
        if options not in self._transports:
            self._transports[options] = AiohttpTransport(options)
        return self._transports[options]

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._transports.values():
            await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AiohttpTransport:
    """Sends from inside a bridge (`polycloud.concurrency.bridge.bridged`) on the loop that runs it."""

    def __init__(self, options: TransportOptions | None = None) -> None:
        self.options = options or TransportOptions()
        self._session: ClientSession | None = None
        self._tls: ssl.SSLContext | None = None
        self._proxies: dict[str, str | None] = {}

    def send(self, request: Request) -> RawResponse:
        """Send once; the loop runs other tasks until the response has arrived."""
        current = bridge()
        assert current is not None, "the aiohttp transport serves code inside a bridge only"
        if not request.stream:
            return current.wait(_translated(lambda: self._whole(request), request))
        response = current.wait(_translated(lambda: self._open(request), request))
        raw = _raw(response)
        raw.chunks, raw.close = _chunks(response, request), response.close
        return raw

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
            if self._tls is not None:
                await asyncio.sleep(GOODBYE)

    async def _whole(self, request: Request) -> RawResponse:
        """Return the response with its body, read at once: each wait costs a switch to the loop."""
        response = await self._open(request)
        try:
            pieces = bytearray()
            while piece := await response.content.readany():
                pieces += piece
                require_size(len(pieces), self.options.body_limit)
        except BaseException:
            response.close()
            raise
        response.release()
        raw = _raw(response)
        raw.body = bytes(pieces)
        return raw

    async def _open(self, request: Request) -> ClientResponse:
        connect, read = request.timeouts()
        return await self._opened_session().request(
            request.method,
            URL(request.url, encoded=True),
            data=_body(request),
            headers=request.headers,
            allow_redirects=False,
            proxy=self._proxy(request.url),
            ssl=self._ssl_context() if request.url.startswith("https:") else True,
            timeout=ClientTimeout(total=None, connect=read, sock_connect=connect, sock_read=read),
        )

    def _proxy(self, url: str) -> str | None:
        origin = origin_of(url)
        if origin not in self._proxies:
            self._proxies[origin] = self.options.proxy_for(origin)
        return self._proxies[origin]

    def _ssl_context(self) -> ssl.SSLContext:
        if self._tls is None:  # loading the authorities takes 20 ms
            self._tls = self.options.ssl_context()
        return self._tls

    def _opened_session(self) -> ClientSession:
        if self._session is None:
            connector = TCPConnector(
                limit=0,
                limit_per_host=self.options.pool_size or POOL_SIZE,
                keepalive_timeout=IDLE_LIMIT,
            )
            # Without cookies: they would carry one account's session into another's requests
            self._session = ClientSession(connector=connector, cookie_jar=DummyCookieJar())
            # By default it repeats idempotent requests when a connection breaks
            self._session._retry_connection = False  # noqa: SLF001
        return self._session


def _raw(response: ClientResponse) -> RawResponse:
    return RawResponse(response.status, response.reason or "", Headers(response.headers.items()))


def _body(request: Request) -> Any:
    if isinstance(request.body, bytes | None):
        return request.body

    # Files too, which aiohttp would close: they may be sent again
    async def pieces(body: Iterable[bytes]) -> AsyncIterator[bytes]:
        for piece in body:
            yield piece

    return pieces(request.body)


def _chunks(response: ClientResponse, request: Request) -> Iterator[bytes]:
    try:
        while True:
            current = bridge()
            if current is None:
                raise PolycloudError("a stream is read in the call that opened it (polycloud.aio)")
            piece = current.wait(_translated(lambda: response.content.read(CHUNK), request))
            if not piece:
                return
            yield piece
            request.remaining()
    finally:
        response.release()


async def _translated(call: Callable[[], Awaitable[T]], request: Request) -> T:
    """Return the result of `call`; errors of aiohttp and the socket become errors of our tree.

    Ends at the deadline. The original error is not kept, not even as context: its arguments may hold the
    query.
    """
    left = request.remaining()
    try:
        if left == float("inf"):
            return await call()
        async with asyncio.timeout(left):
            return await call()
    except PolycloudError:
        raise
    except (ClientError, OSError) as error:
        ours = _translate(error)
    except ValueError:
        ours = InvalidArgumentError("not a usable URL")
    raise ours


def _translate(error: Exception) -> PolycloudError:
    if isinstance(error, exceptions.ClientSSLError | ssl.SSLError):
        return TLSError(f"TLS failed: {error}")
    if isinstance(error, exceptions.InvalidURL):
        return InvalidArgumentError("not a usable URL")
    if isinstance(error, exceptions.ClientHttpProxyError):
        return ConnectError(f"the proxy refused: {error.status} {error.message}")
    if isinstance(error, exceptions.ConnectionTimeoutError | exceptions.ClientConnectorError):
        return ConnectError(f"cannot connect: {error}")
    if isinstance(error, TimeoutError):
        return ReadTimeoutError("no response in time (timeout=)")
    if isinstance(error, exceptions.ContentTypeError | exceptions.ClientPayloadError) and "decod" in str(
        error
    ):
        return MalformedResponseError(f"the response cannot be decompressed: {error}")
    text = error.message if isinstance(error, exceptions.ClientResponseError) else error
    return TransportError(f"the connection broke: {text}")
