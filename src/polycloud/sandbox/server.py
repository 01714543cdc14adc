"""A cloud on a port of 127.0.0.1, served by a thread of this process.

`Sandbox` puts four parts together: the cloud (an ASGI application with a state), the faults (middleware
around it), the machines behind its servers, and uvicorn on a thread with an event loop of its own.
uvicorn is made for servers that run until the process ends. Here, servers start and stop within tests, so
`_Server` signals its start and its stop by events instead of polling, and cuts its connections at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from polycloud.sandbox.clouds import Clock, check_value, find
from polycloud.sandbox.faults import Action, Faults, SeenRequest
from polycloud.sandbox.machines import Machines, SSHFault
from polycloud.sandbox.machines.isolation import listen

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_HOST = "127.0.0.1"
_LAST_PORT = 65535


class Sandbox:
    """A cloud on 127.0.0.1. Use it as a context manager, or call `start()` and `stop()`.

    Args:
        name: which cloud, one of `CLOUDS`.
        port: the TCP port on 127.0.0.1; 0 chooses a free one.
        latency: seconds that every response is delayed, after the cloud has carried out the request.
        clock: returns the cloud's time, in seconds. AWS has a clock of its own.
        ssh: the machines behind the servers that are created: an isolation of `polycloud.sandbox.machines`,
            "auto" for the best that works here, or "off" for none. AWS never has machines.
        no_isolation: whether commands may run on this computer itself where no better isolation works.
        ssh_delay: seconds from when a server is on until its SSH port opens.
        settings: the cloud's own settings, such as those of
            `polycloud.sandbox.nephoscale.NephoScaleSettings`.

    Raises:
        ValueError: unknown cloud or setting (the message lists those that exist), or invalid value.
        ImportError: moto, which emulates AWS, is not installed; the message says how to install it.

    Attributes:
        name: which cloud, one of `CLOUDS`.
    """

    def __init__(
        self,
        name: str,
        *,
        port: int = 0,
        latency: float = 0.0,
        clock: Clock = time.monotonic,
        ssh: str = "auto",
        no_isolation: bool = False,
        ssh_delay: float = 0.0,
        **settings: Any,
    ) -> None:
        check_value("port", port, int)
        if port > _LAST_PORT:
            raise ValueError(f"port must be from 0 to {_LAST_PORT}, got {port!r}")
        check_value("latency", latency, float)
        check_value("ssh_delay", ssh_delay, float)
        kind = find(name)
        if kind.no_machines:
            if ssh not in {"auto", "off"} or no_isolation or ssh_delay:
                raise ValueError(f"{name} takes no ssh, no_isolation or ssh_delay: {kind.no_machines}")
            ssh = "off"
        self._machines = Machines(ssh, no_isolation=no_isolation, delay=ssh_delay)
        self._cloud = kind(kind.settings_type.of(settings), clock, self._machines)
        self._faults = Faults(self._cloud.app, latency)
        self._chosen_port = port
        self._running: _Running | None = None
        self.name = name

    def __repr__(self) -> str:
        return f"<Sandbox {self.name} {self.url if self._running else 'stopped'}>"

    def start(self) -> Self:
        """Start to serve requests; return self.

        Raises:
            OSError: the port is in use.
            RuntimeError: the sandbox is running already, or moto does not start.
            MachineError: the isolation that was chosen does not work here.
        """
        if self._running:
            raise RuntimeError("the sandbox is running already")
        self._machines.check()
        with contextlib.ExitStack() as undo:
            listener = undo.enter_context(listen(_HOST, self._chosen_port))
            undo.callback(self._cloud.close)
            self._cloud.open()
            self._running = _Running(self._faults, listener)
            self._cloud.listen(_HOST, self._running.port)
            undo.pop_all()
        self._machines.open()
        return self

    def stop(self) -> None:
        """Close all connections and end threads and machines. Stopping again does nothing.

        The state is kept, but for that of AWS. After another start the servers that were on are on again,
        with empty disks.
        """
        running, self._running = self._running, None
        if running:
            # Before the server, which waits until the cloud has served its requests.
            self._cloud.close()
            running.stop()
            self._machines.close()

    def wait(self) -> None:
        """Block until another thread calls `stop()`, or until KeyboardInterrupt."""
        running = self._running
        if running:
            running.thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The TCP port; RuntimeError unless the sandbox is running."""
        if not self._running:
            raise RuntimeError("the sandbox is not running: call start(), or use it in a with statement")
        return self._running.port

    @property
    def url(self) -> str:
        """The URL of the API, such as "http://127.0.0.1:8000"; RuntimeError unless the sandbox is running."""
        return f"http://{_HOST}:{self.port}"

    @property
    def credentials(self) -> tuple[Any, ...]:
        """The driver's positional arguments; those of Google Storage are right while the sandbox runs."""
        return self._cloud.credentials

    @property
    def options(self) -> dict[str, Any]:
        """The driver's keyword arguments; RuntimeError unless the sandbox is running."""
        return self._cloud.options(_HOST, self.port)

    @property
    def ssh_port(self) -> int | None:
        """The SSH port at every server's public address; None if servers have no SSH."""
        return self._machines.isolation.ssh_port

    @property
    def isolation(self) -> str:
        """How servers are isolated from this computer, such as "namespaces (root)", as a text for people."""
        return self._cloud.no_machines or self._machines.isolation.title

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests since the start or the last reset, oldest first."""
        return list(self._faults.requests)

    @property
    def servers(self) -> list[dict[str, Any]]:
        """All servers of the state, also those that the API does not list yet."""
        return self._cloud.servers()

    def fault(
        self,
        action: Action,
        *,
        method: str | None = None,
        path: str | None = None,
        times: int | None = 1,
    ) -> None:
        """Inject a fault into the next requests that match; if several faults match, the oldest applies.

        Args:
            action: an HTTP status, `Answer`, `Slow`, or a name listed in `polycloud.sandbox.faults`.
            method: the method to match; None matches all.
            path: the path to match, in which `*` matches any text; None matches all.
            times: the number of requests to hit; None hits all until `reset()`.

        Raises:
            ValueError: unknown action, or `times` is below 1.
        """
        self._faults.add(action, method, path, times)

    def ssh_fault(self, fault: SSHFault | None, *, times: int | None = None) -> None:
        """Inject a fault into SSH to all servers, until it is set to None.

        Args:
            fault: "hang" accepts connections and sends nothing, "deny" rejects every login, "refuse" closes
                the port; None ends the fault.
            times: the number of connections to hit; None hits all. "refuse" always hits all.

        Raises:
            ValueError: unknown fault, `times` is below 1, or `times` is given with "refuse".
        """
        self._machines.fault(fault, times)

    def reset(self) -> None:
        """Return to the initial state, without machines, faults and recorded requests."""
        self._faults.clear()
        self._machines.fault(None, None)
        self._cloud.reset()


def serve(
    name: str, port: int = 0, *, ready: Callable[[Sandbox], object] | None = None, **settings: Any
) -> None:
    """Serve a cloud until Ctrl-C.

    Args:
        name: which cloud, one of `CLOUDS`.
        port: the TCP port on 127.0.0.1; 0 chooses a free one.
        ready: called once with the started sandbox, for instance to print its URL.
        settings: the other arguments of `Sandbox`.

    Raises:
        ValueError: unknown cloud or setting, or invalid value.
        OSError: the port is in use.
    """
    with contextlib.suppress(KeyboardInterrupt), Sandbox(name, port=port, **settings) as cloud:
        if ready:
            ready(cloud)
        cloud.wait()


class _Running:
    """A thread with an event loop, a listening socket and uvicorn."""

    def __init__(self, app: Faults, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        self._server = _Server(app)
        self.thread = threading.Thread(
            target=self._server.run, args=([listener],), name=f"sandbox-{self.port}", daemon=True
        )
        self.thread.start()
        self._server.ready.wait()
        if not self._server.started:
            raise RuntimeError("the sandbox's server did not start")

    def stop(self) -> None:
        # A closed loop has stopped already.
        with contextlib.suppress(RuntimeError):
            self._server.request_stop()
        self.thread.join()


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1 that gives the application access to its connection, which faults reset."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """uvicorn's server, which starts and stops without polling and closes its connections when it stops."""

    def __init__(self, app: Faults) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
            )
        )
        self.ready = threading.Event()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self.serve(sockets))
        finally:
            self.ready.set()

    def request_stop(self) -> None:
        """Make `run` return soon; may be called from any thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def main_loop(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        await self.on_tick(0)
        self.ready.set()
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1)
            # The tick updates the Date header.
            await self.on_tick(0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # asyncio leaks a connection that is accepted in the iteration in which its server is closed.
        for listener in sockets or []:
            asyncio.get_running_loop().remove_reader(listener)
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        # Tasks end a few iterations after their connection; the others are cancelled with the loop.
        for _ in range(100):
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)
            if len(asyncio.all_tasks()) == 1 and not self.server_state.connections:
                break
