"""The proxy: a port of 127.0.0.1, served by a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from polycloud.testing.faults.acts import Connection, Exchange, Reader, Tunnel, Upstream, carry_out
from polycloud.testing.faults.messages import LIMIT, read_request
from polycloud.testing.faults.plan import FaultPlan, SeenRequest

__all__ = ["FaultProxy"]

HOST = "127.0.0.1"
BACKLOG = 1024
ORIGIN = re.compile(r"^https?://[^/?#]*")
"""The part of a target that a request to a proxy has more than one to a server."""
SHARED_PORTS = hasattr(socket, "SO_REUSEPORT")
TURNS = 10
"""Iterations of the event loop after which everything that had ended before has been noticed."""


class FaultProxy:
    """Injects faults between callers and a server; runs inside a ``with`` block.

    It stands in the server's place, or, with ``as_proxy``, as an HTTP proxy before it, which forwards plain
    requests and opens tunnels: all to that server, whatever the request names.

    Args:
        host: the host of the server.
        port: the port of the server, which speaks HTTP without TLS.
        plan: which request meets which fault.
        delay: seconds by which the fault "delay" delays a response.
        pause: seconds between two bytes of the faults "drip head" and "drip body".
        outage: seconds for which the fault "refuse" closes the port.
        retry_after: seconds in the Retry-After header of the faults "429" and "429 after".
        tls: a server's settings, with which the caller is spoken to in TLS; as a proxy, within a tunnel.
        as_proxy: whether callers use it as their proxy.

    Attributes:
        requests: the requests, in the order in which they met their faults.
        connections: the number of connections so far.
        peak_connections: the maximum number of open connections.
    """

    def __init__(
        self,
        host: str,
        port: int,
        plan: FaultPlan,
        *,
        delay: float = 0.1,
        pause: float = 0.02,
        outage: float = 0.1,
        retry_after: int = 1,
        tls: ssl.SSLContext | None = None,
        as_proxy: bool = False,
    ) -> None:
        self._upstream = Upstream(host, port)
        self._plan = plan
        self._tls, self._as_proxy = tls, as_proxy
        self._times: dict[str, Any] = {"delay": delay, "pause": pause, "retry_after": retry_after}
        self._outage = outage
        self._thread: threading.Thread | None = None
        self._port = 0
        self.requests: list[SeenRequest] = []
        self.connections = self.peak_connections = 0
        self._callers: set[Connection] = set()

    @property
    def port(self) -> int:
        """The port.

        Raises:
            RuntimeError: the proxy is not running.
        """
        if self._thread is None:
            raise RuntimeError("FaultProxy runs inside a with block only")
        return self._port

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``; ``https://`` where it speaks TLS in the server's place."""
        scheme = "https" if self._tls and not self._as_proxy else "http"
        return f"{scheme}://{HOST}:{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments that point a driver at it: host, port, secure; as a proxy, proxy_url too.

        With TLS the driver also needs a ``ca_cert`` for the certificate.
        """
        secure = self._tls is not None
        if not self._as_proxy:
            return {"host": HOST, "port": self.port, "secure": secure}
        server = {"host": self._upstream.host, "port": self._upstream.port}
        return {**server, "secure": secure, "proxy_url": self.url}

    @property
    def open_connections(self) -> int:
        """The number of connections that neither side has closed."""
        return sum(not caller.reader.has_ended for caller in tuple(self._callers))

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), name="fault-proxy")
        self._thread.start()
        ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._outages = 0
        self._changing = asyncio.Lock()  # a server that is still being opened cannot be closed without a leak
        with _reserved_port() as self._port:
            await self._listen()
            ready.set()
            await self._stopping.wait()
            await self._stop_listening()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _turns()  # sockets are closed in these

    async def _listen(self) -> None:
        async with self._changing:
            if not self._outages and not self._stopping.is_set():
                self._server = await self._loop.create_server(
                    self._protocol,
                    HOST,
                    self._port,
                    backlog=BACKLOG,
                    reuse_port=SHARED_PORTS,
                    ssl=None if self._as_proxy else self._tls,
                )

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = Reader(limit=LIMIT)
        return asyncio.StreamReaderProtocol(reader, partial(self._accept, reader))

    async def _stop_listening(self) -> None:
        async with self._changing:
            # asyncio leaks a connection that is accepted in the same iteration in which its server is closed
            for listener in self._server.sockets:
                self._loop.remove_reader(listener)
            await _turns()
            self._server.close()

    async def _cut(self) -> None:
        """Refuse connections for the time of an outage."""
        self._outages += 1
        await self._stop_listening()
        self._hold(asyncio.create_task(self._end_outage()))

    async def _end_outage(self) -> None:
        await asyncio.sleep(self._outage)
        self._outages -= 1
        await self._listen()

    def _hold(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _accept(self, reader: Reader, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hold(asyncio.create_task(self._serve(Connection(reader, writer))))

    async def _serve(self, caller: Connection) -> None:
        self.connections += 1
        try:
            await _turns()  # so that a caller that replaces a connection never has two
            self._callers.add(caller)
            self.peak_connections = max(self.peak_connections, self.open_connections)
            with contextlib.suppress(EOFError, OSError, ValueError, asyncio.LimitOverrunError):
                while caller.is_open:
                    await self._serve_next(caller)
            caller.end()
            await caller.closed()
        finally:
            caller.drop()
            self._callers.discard(caller)

    async def _serve_next(self, caller: Connection) -> None:
        request = await read_request(caller.reader)
        method, target, version = request.start.decode("latin-1").split()
        tunnel = method == "CONNECT"
        if not tunnel:
            target = ORIGIN.sub("", target)
            request = replace(request, start=f"{method} {target} {version}".encode("latin-1"))
        path, _, query = target.partition("?")
        seen = SeenRequest(method, path, query=query, body=request.body)
        seen.fault = self._plan.decide(seen)
        self.requests.append(seen)
        upstream = Tunnel() if tunnel else self._upstream
        number = len(self.requests)
        await carry_out(Exchange(request, seen, number, caller, upstream, self._cut, **self._times))
        if (
            tunnel
            and self._tls is not None
            and caller.is_open
            and (seen.fault is None or seen.fault.is_right)
        ):
            await caller.secure(self._tls)


@contextlib.contextmanager
def _reserved_port() -> Iterator[int]:
    """Yield a free port, reserved even while nothing listens on it."""
    with socket.socket() as holder:
        if SHARED_PORTS:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
