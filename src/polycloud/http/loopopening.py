"""Open connections on an event loop: names resolved, TCP, a proxy's tunnel, TLS, each bounded by the request.

`open_wire` raises `ConnectError` or `TLSError` for whatever goes wrong: nothing of the request was sent. A
host with several addresses gets the next one tried as soon as one has failed or was silent for a quarter of
a second, IPv6 and IPv4 by turns (RFC 8305): what comes first serves.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from itertools import chain, zip_longest
from typing import Any, TypeVar
from urllib.parse import urlsplit

from polycloud.concurrency.worker import Worker
from polycloud.errors import ConnectError, PolycloudError, TransportError
from polycloud.http.exchange import handshake_error, late, require_tunnel, tunnel_head
from polycloud.http.loopwire import LoopWire
from polycloud.http.messages import Request, TransportOptions
from polycloud.http.protocol import ResponseReader
from polycloud.http.resolving import is_ip_address, resolved
from polycloud.http.route import Route
from polycloud.http.wire import seconds_left

__all__ = ["Opener"]

T = TypeVar("T")
STAGGER = 0.25
PORTS = {"http": 80, "https": 443}
Address = tuple[int, Any]


class Opener:
    """Opens connections on a route. Requests that need the same name at the same time share one look-up."""

    def __init__(self, route: Route, context: ssl.SSLContext | None) -> None:
        self.route = route
        self._context = context
        self._proxy_context: ssl.SSLContext | None = None
        host, port = route.host, route.port
        if route.proxy_url:
            proxy = urlsplit(route.proxy_url)
            host, port = proxy.hostname or "", proxy.port or PORTS[proxy.scheme]
            if proxy.scheme == "https":
                self._proxy_context = TransportOptions().ssl_context()
        self._host, self._port = host.strip("[]"), port
        self._lookup: asyncio.Task[list[Address]] | None = None

    async def open(self, request: Request) -> LoopWire:
        """Return a connection on which `request` can be sent. Errors of the socket become errors of ours."""
        opening = _Opening(request)
        try:
            return await self._open(opening)
        except (OSError, UnicodeError, ValueError, TransportError) as error:
            ours = self._error(opening, error)
        raise late(request) or ours

    async def _open(self, opening: _Opening) -> LoopWire:
        route = self.route
        addresses = await opening.bounded(self._addresses, "the name was not resolved in time")
        wire = await _wire(await opening.bounded(lambda: _connect(addresses), "timed out"))
        try:
            if self._proxy_context is not None:
                await opening.secure(wire, self._proxy_context, self._host)
            if route.proxy_url and not route.prefix:
                await opening.tunnel(wire, route)
            opening.tunnel_stands = True
            if self._context is not None:
                await opening.secure(wire, self._context, _server_name(route.host))
        except BaseException:
            wire.abort()
            raise
        return wire

    async def _addresses(self) -> list[Address]:
        if is_ip_address(self._host):
            return resolved(self._host, self._port)
        if self._lookup is None:
            self._lookup = asyncio.create_task(self._look_up())
            self._lookup.add_done_callback(self._looked_up)
        return await asyncio.shield(self._lookup)

    async def _look_up(self) -> list[Address]:
        with Worker() as worker:
            return await worker.run(lambda: resolved(self._host, self._port))

    def _looked_up(self, lookup: asyncio.Task[list[Address]]) -> None:
        self._lookup = None
        if not lookup.cancelled():
            lookup.exception()  # those who waited for it have it

    def _error(self, opening: _Opening, error: Exception) -> PolycloudError:
        """Return the error of a connection that was not made."""
        if self.route.proxy_url and not opening.tunnel_stands:
            return ConnectError(f"the proxy cannot be reached, or refused: {error}")
        if isinstance(error, ssl.SSLError):
            return handshake_error(error)
        if isinstance(error, TimeoutError | ConnectionError) and opening.tunnel_stands:
            return handshake_error(error)
        return ConnectError(f"cannot connect to {self.route.host_header}: {error}")


class _Opening:
    """What one request waits for."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.tunnel_stands = False

    async def bounded(self, step: Callable[[], Awaitable[T]], message: str) -> T:
        """Return the result of one step. Raises `TimeoutError` with the message if it takes too long."""
        limit = asyncio.timeout(self._seconds())
        try:
            async with limit:
                return await step()
        except TimeoutError:
            if limit.expired():
                raise TimeoutError(message) from None
            raise

    async def secure(self, wire: LoopWire, context: ssl.SSLContext, host: str) -> None:
        seconds = self._seconds() + 1  # asyncio has a limit of its own
        await self.bounded(lambda: wire.start_tls(context, host, seconds), "timed out")

    async def tunnel(self, wire: LoopWire, route: Route) -> None:
        """Ask the proxy for a tunnel."""
        reader = ResponseReader("CONNECT")
        wire.begin(self._request, reader, self._request.connect_timeout)
        await wire.send(tunnel_head(route.host, route.port, route.proxy_headers))
        await wire.receive(0)
        require_tunnel(reader)
        wire.end()

    def _seconds(self) -> float:
        return seconds_left(self._request, self._request.connect_timeout)


async def _connect(addresses: list[Address]) -> socket.socket:
    """Return a socket that is connected to the first address that accepts it."""
    waiting = _by_turns(addresses)
    trying: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException = OSError("the name has no address")
    try:
        while waiting or trying:
            if waiting:
                trying.add(asyncio.create_task(_tcp(*waiting.pop(0))))
            pause = STAGGER if waiting else None
            done, _ = await asyncio.wait(trying, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                trying.remove(task)
                error = task.exception()
                if error is None:
                    return task.result()
                failure = error
    finally:
        for task in trying:
            task.add_done_callback(_discard)
            task.cancel()
    raise failure


def _by_turns(addresses: list[Address]) -> list[Address]:
    """Return the addresses of the first one's family and the others by turns."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    pairs = chain.from_iterable(zip_longest(first, others))
    return [address for address in pairs if address is not None]


async def _tcp(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _discard(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _wire(sock: socket.socket) -> LoopWire:
    try:
        return (await asyncio.get_running_loop().create_connection(LoopWire, sock=sock))[1]
    except BaseException:
        sock.close()
        raise


def _server_name(host: str) -> str:
    """Return the name that the certificate must have: without brackets, scope and final dot."""
    return host.strip("[]").partition("%")[0].rstrip(".")
