"""A cloud on a port of 127.0.0.1, served by a thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from polycloud.sandbox.clouds import Clock, check_value, find
from polycloud.sandbox.faults import Action, Faults, SeenRequest
from polycloud.sandbox.machines import Machines, SSHFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_HOST = "127.0.0.1"
_LAST_PORT = 65535


class Sandbox:
    """A cloud of the sandbox: a context manager, or `start()` and `stop()`.

    Args:
        name: which cloud, one of `CLOUDS`.
        port: the TCP port on 127.0.0.1; 0 chooses a free one.
        latency: seconds between an act of the cloud and its answer, for every request.
        clock: what the cloud takes for the time, in seconds; EC2 takes none.
        ssh: what is behind the servers that are created: a kind of machine of `polycloud.sandbox.machines`,
            "auto" for the best that works here, or "off" for nothing. EC2's never have anything.
        no_isolation: whether, where no better kind works, commands sent to a server may run on this computer.
        ssh_delay: seconds from when a server is on until its SSH port opens.
        knobs: the cloud's own settings; `polycloud.sandbox.nephoscale.NephoScaleKnobs` lists NephoScale's.

    Raises:
        ValueError: for an unknown cloud or knob (the message lists those that exist) or an unsuitable value.
        ImportError: what plays EC2 is not installed; the message says how.

    Attributes:
        name: which cloud it is.
        credentials: the driver's positional arguments.
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
        **knobs: Any,
    ) -> None:
        if not 0 <= port <= _LAST_PORT:
            raise ValueError(f"port must be from 0 to {_LAST_PORT}, not {port!r}")
        check_value("latency", latency, float)
        check_value("ssh_delay", ssh_delay, float)
        kind = find(name)
        if kind.no_machines:
            if ssh not in {"auto", "off"} or no_isolation or ssh_delay:
                raise ValueError(f"{name} takes no ssh, no_isolation or ssh_delay: {kind.no_machines}")
            ssh = "off"
        self._machines = Machines(ssh, no_isolation=no_isolation, delay=ssh_delay)
        self._cloud = kind(kind.knobs_type.of(knobs), clock, self._machines)
        self._faults = Faults(self._cloud.app, latency)
        self._wanted_port = port
        self._running: _Running | None = None
        self.name = name
        self.credentials: tuple[Any, ...] = self._cloud.credentials

    def __repr__(self) -> str:
        return f"<Sandbox {self.name} {self.url if self._running else 'stopped'}>"

    def start(self) -> Self:
        """Begin to answer; returns self.

        Raises:
            OSError: the port is taken.
            RuntimeError: it runs already, or what plays EC2 does not start.
            MachineError: the kind of machines that was named does not work here.
        """
        if self._running:
            raise RuntimeError("the sandbox runs already")
        self._machines.check()
        with contextlib.ExitStack() as undo:
            undo.callback(self._cloud.close)
            self._cloud.open()
            self._running = _Running(self._faults, self._wanted_port)
            undo.pop_all()
        self._machines.open()
        return self

    def stop(self) -> None:
        """Cut every connection and end threads and machines; the state stays. Stopping twice is no error.

        EC2's state ends. After another start the servers that were on are on again, with empty disks.
        """
        running, self._running = self._running, None
        if running:
            # Before the server, which waits for the answers that a cloud still owes.
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
        """The TCP port; RuntimeError unless the sandbox runs."""
        if not self._running:
            raise RuntimeError("the sandbox does not run: call start(), or use it in a with statement")
        return self._running.port

    @property
    def url(self) -> str:
        """The address of the API, such as "http://127.0.0.1:8000"; RuntimeError unless the sandbox runs."""
        return f"http://{_HOST}:{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        """The driver's keyword arguments; RuntimeError unless the sandbox runs."""
        return {"host": _HOST, "port": self.port, "secure": False}

    @property
    def ssh_port(self) -> int | None:
        """The port on which SSH reaches every server's public address; None where servers take no SSH."""
        return self._machines.isolation.ssh_port

    @property
    def isolation(self) -> str:
        """What keeps servers apart from this computer, such as "namespaces (root)", for people."""
        return self._cloud.no_machines or self._machines.isolation.title

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests seen since the start or the last reset, oldest first."""
        return list(self._faults.requests)

    @property
    def servers(self) -> list[dict[str, Any]]:
        """All servers, straight from the state, also those that the API does not list yet."""
        return self._cloud.servers()

    def fault(
        self,
        action: Action,
        *,
        method: str | None = None,
        path: str | None = None,
        times: int | None = 1,
    ) -> None:
        """Let something go wrong with the next requests that match; of several faults the oldest wins.

        Args:
            action: an HTTP status, `Answer`, `Slow`, or a name listed in `polycloud.sandbox.faults`.
            method: the method to match; None matches all.
            path: the path to match, in which `*` stands for any text; None matches all.
            times: how many requests are hit; None hits all until `reset()`.

        Raises:
            ValueError: there is no such action, or `times` is below 1.
        """
        self._faults.add(action, method, path, times)

    def ssh_fault(self, fault: SSHFault | None, *, times: int | None = None) -> None:
        """Let something go wrong with SSH to all servers, until it is set to None.

        Args:
            fault: "hang" accepts connections and is silent, "deny" lets nobody log in, "refuse" closes the
                port; None ends it.
            times: how many connections are hit; None hits all. "refuse" hits all.

        Raises:
            ValueError: there is no such fault, or `times` is below 1 or goes with "refuse".
        """
        self._machines.fault(fault, times)

    def reset(self) -> None:
        """Go back to the initial state, without machines, faults and recorded requests."""
        self._faults.clear()
        self._machines.fault(None, None)
        self._cloud.reset()


def serve(
    name: str, port: int = 0, *, ready: Callable[[Sandbox], object] | None = None, **knobs: Any
) -> None:
    """Serve a cloud until Ctrl-C.

    Args:
        name: which cloud, one of `CLOUDS`.
        port: the TCP port on 127.0.0.1; 0 chooses a free one.
        ready: called once with the started sandbox, for instance to print its address.
        knobs: as for `Sandbox`.

    Raises:
        ValueError: for an unknown cloud or knob or an unsuitable value.
        OSError: the port is taken.
    """
    with contextlib.suppress(KeyboardInterrupt), Sandbox(name, port=port, **knobs) as cloud:
        if ready:
            ready(cloud)
        cloud.wait()


class _Running:
    """The thread, its event loop and its listening socket."""

    def __init__(self, app: Faults, port: int) -> None:
        listener = _listen(port)
        self.port: int = listener.getsockname()[1]
        self._server = _Server(app)
        self.thread = threading.Thread(
            target=self._server.run, args=([listener],), name=f"sandbox-{self.port}", daemon=True
        )
        self.thread.start()
        self._server.ready.wait()
        if not self._server.started:
            listener.close()
            raise RuntimeError("the sandbox's server did not start")

    def stop(self) -> None:
        # A loop that is closed already needs no stop.
        with contextlib.suppress(RuntimeError):
            self._server.request_stop()
        self.thread.join()


def _listen(port: int) -> socket.socket:
    # asyncio sends small packets at once only where the protocol is named: else each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


class _Protocol(H11Protocol):
    """HTTP/1.1 that lets the application reach its connection, which faults cut."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """uvicorn's server; it starts and stops without polling and cuts its connections when it stops."""

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
        """Make `run` return soon; safe from any thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def main_loop(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        await self.on_tick(0)
        self.ready.set()
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1)
            # The tick keeps the Date header right.
            await self.on_tick(0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # asyncio leaks a connection that was accepted in the very turn in which its server is closed.
        for listener in sockets or []:
            asyncio.get_running_loop().remove_reader(listener)
        await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        # Tasks end a few turns after their connection; what does not is cancelled with the loop.
        for _ in range(100):
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)
            if len(asyncio.all_tasks()) == 1 and not self.server_state.connections:
                break
