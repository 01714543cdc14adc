"""A real SSH server (asyncssh's) on loopback that runs commands in a folder; a test says who may log in."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

T = TypeVar("T")


@dataclass
class Door:
    """Who may log in: public keys (a line each) and passwords, for the user names in `users`."""

    keys: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=lambda: ["root"])


class _Server(asyncssh.SSHServer):
    def __init__(self, door: Door, connections: list[asyncssh.SSHServerConnection]) -> None:
        self.door = door
        self.connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        self.user = username
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        offered = key.export_public_key("openssh").decode().split()[:2]
        return username in self.door.users and offered in [line.split()[:2] for line in self.door.keys]

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return username in self.door.users and password in self.door.passwords


class _Files(asyncssh.SFTPServer):
    """The file system as commands see it: relative paths begin at home."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], home: Path) -> None:
        super().__init__(channel)
        self.home = os.fsencode(home)

    def map_path(self, path: bytes) -> bytes:
        return os.path.join(self.home, path)  # noqa: PTH118 - bytes


@dataclass
class Sshd:
    """A running server: its address, its door, and the folder that its users see."""

    port: int
    door: Door
    home: Path
    loop: asyncio.AbstractEventLoop
    acceptor: Any
    host_key: asyncssh.SSHKey
    processes: list[asyncio.subprocess.Process]
    connections: list[asyncssh.SSHServerConnection]

    host = "127.0.0.1"

    def call(self, fn: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(fn(), self.loop).result(20)

    def drop_connections(self) -> None:
        """Cut every connection without a word, as a machine that reboots does."""

        async def drop() -> None:
            for connection in self.connections:
                connection.abort()

        self.call(drop)


@contextmanager
def sshd(home: Path, door: Door | None = None, *, port: int = 0) -> Iterator[Sshd]:
    """Serve until the block ends."""
    door = door or Door()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    processes: list[asyncio.subprocess.Process] = []
    connections: list[asyncssh.SSHServerConnection] = []

    async def serve_process(process: asyncssh.SSHServerProcess[bytes]) -> None:
        await _run_command(process, home, processes)

    def sftp(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        return _Files(channel, home)

    async def start() -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            port,
            server_factory=lambda: _Server(door, connections),
            server_host_keys=[host_key],
            process_factory=serve_process,
            sftp_factory=sftp,
            encoding=None,
        )

    acceptor = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    server = Sshd(acceptor.get_port(), door, home, loop, acceptor, host_key, processes, connections)
    try:
        yield server
    finally:
        server.call(lambda: _shut(server))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _run_command(
    process: asyncssh.SSHServerProcess[bytes], home: Path, processes: list[asyncio.subprocess.Process]
) -> None:
    running = await asyncio.create_subprocess_shell(
        process.command or "true",
        cwd=home,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    processes.append(running)
    assert running.stdout is not None
    assert running.stderr is not None
    work = asyncio.gather(
        _pump(running.stdout, process.stdout), _pump(running.stderr, process.stderr), running.wait()
    )
    gone: asyncio.Future[Any] = asyncio.ensure_future(process.channel.wait_closed())
    try:
        await asyncio.wait({asyncio.ensure_future(work), gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done() and not gone.done():
            status = work.result()[2]
            process.exit(status) if status >= 0 else process.exit_with_signal("KILL")
    finally:
        if running.returncode is None:
            os.killpg(running.pid, signal.SIGKILL)
        await asyncio.gather(work, return_exceptions=True)
        gone.cancel()


async def _pump(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    while piece := await source.read(65536):
        if not target.channel.is_closing():
            with suppress(OSError, asyncssh.Error):  # read on: a process whose pipe is full does not end
                target.write(piece)
                await target.drain()


async def _shut(server: Sshd) -> None:
    server.acceptor.close()
    for connection in server.connections:
        connection.abort()
    await server.acceptor.wait_closed()
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(tasks, timeout=5)
