"""The SSH server of a machine. It runs in this process, so that the machine needs no SSH server installed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncssh

from polycloud.sandbox.machines import session
from polycloud.sandbox.machines.files import Files

if TYPE_CHECKING:
    from polycloud.sandbox.machines.faults import Faults
    from polycloud.sandbox.machines.isolation import Access, Machine


def new_host_key() -> asyncssh.SSHKey:
    """Create the key by which clients recognize a machine."""
    return asyncssh.generate_private_key("ssh-ed25519")


@dataclass(frozen=True)
class Identity:
    """A machine as its SSH server presents it, and who may log in."""

    machine: Machine
    host_key: asyncssh.SSHKey
    access: Access


class Listener:
    """A listening socket, its connections and their commands. Belongs to one event loop."""

    def __init__(self, identity: Identity, faults: Faults) -> None:
        self._identity, self._faults = identity, faults
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: list[socket.socket] = []

    def open(self) -> None:
        """Accept connections. Raises OSError."""
        if self._socket is None:
            self._socket = self._identity.machine.listen()
            self._loop.add_reader(self._socket, self._accept, self._socket)

    def shut(self) -> None:
        """Refuse new connections; those that exist may stay."""
        if self._socket:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    async def close(self) -> None:
        """Abort all connections, and kill their commands."""
        self.shut()
        for silent in self._silent:
            silent.close()
        for connection in list(self._connections):
            connection.abort()
        # Handshakes are no connections yet, so abort() has not reached them.
        for task in self._tasks:
            if task.get_name() == "handshake":
                task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client has disconnected
            client, _ = listener.accept()
            fault = self._faults.take()
            if fault == "hang":
                self._silent.append(client)
            else:
                self._spawn(self._shake_hands(client, denied=fault == "deny"), "handshake")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _shake_hands(self, client: socket.socket, *, denied: bool) -> None:
        machine = self._identity.machine
        with contextlib.suppress(OSError, asyncssh.Error):  # the client disconnected or was rejected
            await asyncssh.run_server(
                client,
                server_factory=lambda: _Login(self._identity.access, self._connections, denied=denied),
                server_host_keys=[self._identity.host_key],
                process_factory=self._begin,
                sftp_factory=lambda channel: Files(channel, machine.root, machine.home),
                allow_scp=True,
                agent_forwarding=False,  # it would open a socket on this computer
                line_editor=False,
                encoding=None,
            )

    def _begin(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        identity = self._identity
        self._spawn(session.run(process, identity.machine, identity.access.username), "session")


class _Login(asyncssh.SSHServer):
    """Decides who may log in on one connection."""

    def __init__(
        self, access: Access, connections: set[asyncssh.SSHServerConnection], *, denied: bool
    ) -> None:
        self._access, self._connections, self._denied = access, connections, denied
        self._keys = set(map(_blob, access.public_keys))

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._knows(username) and key.public_data in self._keys

    def password_auth_supported(self) -> bool:
        return bool(self._access.passwords)

    def validate_password(self, username: str, password: str) -> bool:
        return self._knows(username) and password in self._access.passwords

    def _knows(self, username: str) -> bool:
        return not self._denied and username == self._access.username


def _blob(line: str) -> bytes:
    """Return the key in a line such as "ssh-ed25519 AAAA... comment"."""
    return base64.b64decode(line.split()[1])
