"""A real SSH server on loopback, in place of a node: for tests that deploy.

    with SSHServer(public_key) as server:
        driver.deploy_node(..., ssh_key=private_key, ssh_port=server.port)

The fake of the provider must return `server.host` as the node's address. Commands run on this computer, as
the user who runs the test, in a folder of their own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar

import asyncssh

__all__ = ["SSHServer"]

T = TypeVar("T")
PATIENCE = 20
PIECE = 65536


class SSHServer:
    """An SSH server with its own host key, which runs inside a `with` block, at `host` and `port`.

    Args:
        public_keys: Keys with which users may log in: lines such as "ssh-ed25519 AAAA... comment".
        passwords: Passwords with which users may log in.
        users: The names of the users.
        home: The folder of the users, in which commands run; a temporary one by default.
        port: The port; a free one by default.

    `public_keys`, `passwords` and `users` are lists, which may be changed while the server runs.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        *public_keys: str,
        passwords: Iterable[str] = (),
        users: Iterable[str] = ("root",),
        home: str | os.PathLike[str] | None = None,
        port: int = 0,
    ) -> None:
        self.public_keys, self.passwords, self.users = list(public_keys), list(passwords), list(users)
        self.port = port
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.processes: list[asyncio.subprocess.Process] = []
        self.connections: list[asyncssh.SSHServerConnection] = []
        self._home = home
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.home = Path(self._home or stack.enter_context(TemporaryDirectory(prefix="polycloud-ssh-")))
            self.loop = asyncio.new_event_loop()
            stack.callback(self.loop.close)
            thread = threading.Thread(target=self.loop.run_forever, name="polycloud-ssh-server", daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(self.loop.call_soon_threadsafe, self.loop.stop)
            acceptor = self._call(self._listen)
            self.port = acceptor.get_port()
            stack.callback(self._call, lambda: self._shut(acceptor))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def drop_connections(self) -> None:
        """Abort every connection, as a machine that reboots does."""

        async def drop() -> None:
            for connection in self.connections:
                connection.abort()

        self._call(drop)

    def _call(self, fn: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(fn(), self.loop).result(PATIENCE)

    async def _listen(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            self.host,
            self.port,
            server_factory=lambda: _Login(self),
            server_host_keys=[self.host_key],
            process_factory=self._run_command,
            sftp_factory=lambda channel: _Files(channel, self.home),
            encoding=None,
        )

    async def _shut(self, acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        for connection in self.connections:
            connection.abort()
        await acceptor.wait_closed()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(tasks, timeout=5)

    async def _run_command(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        running = await asyncio.create_subprocess_shell(
            process.command or "true",
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": os.environ.get("PATH", os.defpath)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.processes.append(running)
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


class _Login(asyncssh.SSHServer):
    """The authentication of one connection."""

    def __init__(self, server: SSHServer) -> None:
        self.server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.server.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        offered = key.export_public_key("openssh").decode().split()[:2]
        known = [line.split()[:2] for line in self.server.public_keys]
        return username in self.server.users and offered in known

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return username in self.server.users and password in self.server.passwords


class _Files(asyncssh.SFTPServer):
    """The file system as commands see it: relative paths are those of the home folder."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], home: Path) -> None:
        super().__init__(channel)
        self.home = os.fsencode(home)

    def map_path(self, path: bytes) -> bytes:
        """Return the path on this machine."""
        return os.path.join(self.home, path)  # noqa: PTH118 - bytes


async def _pump(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    while piece := await source.read(PIECE):
        if not target.channel.is_closing():
            with suppress(OSError, asyncssh.Error):  # read on: a process with a full pipe does not end
                target.write(piece)
                await target.drain()
