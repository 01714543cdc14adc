"""urllib3's connections and pools, with every wait bounded by the request that needs the connection.

urllib3 knows pools, TLS and tunnels; its connections keep to what is here in three places: the TCP connection
and the proxy's response to CONNECT are ours, and TLS is given what is left of the deadline. `connect` raises
`ConnectError` or `TLSError` for whatever goes wrong: nothing of the request was sent.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager, exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_match_hostname import CertificateError

from polycloud.concurrency.forks import renew_after_fork
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    PolycloudError,
    TransportError,
)
from polycloud.http.exchange import (
    IDLE_LIMIT,
    UNREPEATABLE,
    handshake_error,
    late,
    require_tunnel,
    tunnel_head,
)
from polycloud.http.messages import Request, TransportOptions
from polycloud.http.protocol import ResponseReader
from polycloud.http.resolving import resolve
from polycloud.http.route import Route, route_to
from polycloud.http.wire import Wire, seconds_left

__all__ = ["Pool", "new_pool"]

POOL_SIZE = 32


class _Bounded:
    """A connection whose opening ends in the time of the request that needs it."""

    opened_for: Request
    last_sent: float | None = None
    tunnel_stands = False
    tcp_stands = False

    def _new_conn(self) -> socket.socket:
        conn: Any = self
        self.tunnel_stands = self.tcp_stands = False
        host = conn._dns_host.strip("[]")  # noqa: SLF001 - what urllib3 resolves
        failure = OSError("the name has no address")
        for family, address in resolve(host, conn.port, self._seconds()):
            try:
                return self._opened(family, address, conn.socket_options or ())
            except OSError as error:
                failure = error
        raise failure

    def _opened(self, family: int, address: Any, settings: Any) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            for setting in settings:
                sock.setsockopt(*setting)
            self._bound(sock)
            sock.connect(address)
            self._before_tls(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def _bound(self, sock: Any) -> None:
        sock.settimeout(self._seconds())

    def _before_tls(self, sock: Any) -> None:
        self._bound(sock)
        sock.getpeername()  # one that has ended is an error here: Python's TLS would leave it open
        self.tcp_stands = True

    def _seconds(self) -> float:
        return seconds_left(self.opened_for, self.opened_for.connect_timeout)

    def _tunnel(self) -> None:
        """Ask the proxy for a tunnel."""
        conn: Any = self
        host, port, headers = conn._tunnel_host, conn._tunnel_port, conn._tunnel_headers  # noqa: SLF001
        wire = Wire(conn.sock, self.opened_for, self.opened_for.connect_timeout)
        reader = ResponseReader("CONNECT")
        wire.send(tunnel_head(host, port, headers))
        while not reader.complete:
            wire.receive_into(reader)
        require_tunnel(reader)
        self.tunnel_stands = True
        self._before_tls(conn.sock)


class _Connection(_Bounded, HTTPConnection):
    pass


class _TLSConnection(_Bounded, HTTPSConnection):
    def connect(self) -> None:
        """Connect."""
        super().connect()
        tls: Any = self.sock
        tls.suppress_ragged_eofs = False  # a TCP close without one of TLS may truncate the body

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:
        secured = super()._connect_tls_proxy(hostname, sock)
        return _Outer(secured, self) if self.proxy_is_tunneling else secured


class _Outer:
    """The socket to a proxy that speaks TLS itself, where TLS to the provider runs inside of it.

    urllib3 reads several records of it in one wait of ours, each with the timeout of the wait; so each is
    bounded by the deadline here.
    """

    def __init__(self, sock: Any, connection: _Bounded) -> None:
        self._sock, self._connection = sock, connection

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Wait for bytes."""
        self._bound()
        data: bytes = self._sock.recv(size, flags)
        return data

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Send all of `data`, a record or a few."""
        self._bound()
        self._sock.sendall(data, flags)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _bound(self) -> None:
        self._sock.settimeout(seconds_left(self._connection.opened_for, self._sock.gettimeout()))


class _Connections:
    """The connections of a pool, in the place of urllib3's queue: the last one used is the next.

    There is a place for each connection, open or not. Neither queue nor list has a lock that Python code
    holds, so a signal handler or a garbage collector that comes in the middle may use the pool too. A forked
    child drops the connections: they belong to its parent.
    """

    def __init__(self, maxsize: int) -> None:
        self.idle: list[Any] = []
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        parents, self.idle = self.idle, []
        self._places: SimpleQueue[None] = SimpleQueue()
        for connection in parents:
            connection.close()  # the child's copy of the socket; nothing is sent

    def put(self, connection: Any, block: bool = True) -> None:
        """Give a place back, with its connection or None."""
        if connection is not None:
            self.idle.append(connection)
        self._places.put(None)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take a place; return a connection, or None where none is open. Raises `queue.Empty`."""
        self._places.get(block, timeout)
        try:
            return self.idle.pop()
        except IndexError:
            return None

    def close_idle(self) -> None:
        """Close the connections that nobody uses; their places stay."""
        with suppress(IndexError):
            while True:
                self.idle.pop().close()


class Pool(HTTPConnectionPool):
    """The connections to an origin, or through a proxy to it: on the way `route`."""

    ConnectionCls: type[Any] = _Connection
    QueueCls: type[Any] = _Connections
    route: Route
    places: _Connections
    """`pool`, which is None once this is closed: who waits there still gets what is given back."""

    def lease(self, request: Request) -> Any:
        """Return an open connection for `request`; it must be given back.

        One that the server has closed, or may be about to close, is opened anew.
        """
        conn = self._free_connection(request)
        conn.opened_for = request
        try:
            idle = 0.0 if conn.last_sent is None else time.monotonic() - conn.last_sent
            if idle > IDLE_LIMIT and request.method in UNREPEATABLE:
                conn.close()
            if conn.sock is None:
                self._open(conn, request)
        except BaseException:
            self.give_back(conn, reusable=False)
            raise
        return conn

    def give_back(self, conn: Any, *, reusable: bool, last_sent: float = 0.0) -> None:
        """Take a connection back, which was written to at `last_sent`; close it unless it is reusable."""
        if reusable:
            conn.last_sent = last_sent
            del conn.opened_for  # an idle connection would keep its body, and what it has of credentials
        else:
            conn.close()
        self.places.put(conn if reusable else None)  # the place would be lost for ever
        if self.pool is None:
            self.places.close_idle()

    def _free_connection(self, request: Request) -> Any:
        ours: PolycloudError
        try:
            return self._get_conn(timeout=seconds_left(request, request.read_timeout))
        except exceptions.EmptyPoolError:
            ours = ConnectError("no connection of the pool became free in time (pool_size=)")
        except exceptions.ClosedPoolError:
            ours = ConnectError("the transport was closed")
        raise late(request) or ours

    def _open(self, conn: Any, request: Request) -> None:
        """Connect. Errors of urllib3 and the socket become errors of our tree, without the original."""
        try:
            if self.proxy is not None and not self.route.prefix:
                self._prepare_proxy(conn)
            else:
                conn.connect()
        except InvalidArgumentError as error:
            ours: PolycloudError = error
        except (exceptions.LocationValueError, UnicodeError):
            ours = InvalidArgumentError("not a usable URL")
        except (exceptions.HTTPError, OSError, TransportError, ValueError) as error:
            ours = self._connect_error(conn, error)
        else:
            return
        raise late(request) or ours

    def _connect_error(self, conn: Any, error: Exception) -> PolycloudError:
        """Return the error of a connection that was not made."""
        if self.proxy is not None and not conn.tunnel_stands:
            return ConnectError(f"the proxy cannot be reached, or refused: {error}")
        if isinstance(error, ssl.SSLError | exceptions.SSLError | CertificateError):
            return handshake_error(error)
        if isinstance(error, TimeoutError | ConnectionError) and conn.tcp_stands:
            return handshake_error(error)
        return ConnectError(f"cannot connect to {self.route.host_header}: {error}")


class _TLSPool(Pool, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


POOLS = {"http": Pool, "https": _TLSPool}


def new_pool(origin: str, options: TransportOptions) -> Pool:
    """Return the pool of an origin, or of the proxy before it. Raises `InvalidArgumentError`."""
    route = route_to(origin, options)
    settings: dict[str, Any] = {"maxsize": options.pool_size or POOL_SIZE, "block": True}
    if route.scheme == "https":  # loading the authorities takes 20 ms
        settings["ssl_context"] = options.ssl_context()
    if route.proxy_url:
        manager = ProxyManager(route.proxy_url, proxy_headers=route.proxy_headers, **settings)
        manager.pool_classes_by_scheme = POOLS
        pool = manager.connection_from_host(route.host, route.port, route.scheme)
    else:
        pool = POOLS[route.scheme](route.host, route.port, **settings)
    assert isinstance(pool, Pool)
    pool.route = route
    places: Any = pool.pool
    pool.places = places
    return pool
