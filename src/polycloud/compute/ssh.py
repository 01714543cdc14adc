"""SSH to nodes, over asyncssh (extra `deploy`): plain calls, usable from sync code and on an event loop.

Each method runs coroutines to their end with `waiting.run`; `polycloud.compute.sshsession` has them and
explains where they run. `polycloud.compute.sshlogin` explains logins and host keys,
`polycloud.compute.sshshell` what is done without SFTP, and as root.
"""

from __future__ import annotations

import asyncio
import io
import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from os import PathLike
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Self, cast

from polycloud.compute.hostkeys import HostKeys
from polycloud.compute.keys import load_private_key
from polycloud.compute.sshlogin import (
    DEFAULT_PORT,
    PORTS,
    Connecting,
    Target,
    address,
    machine_name,
    parse_jumps,
)
from polycloud.compute.sshsession import (
    CHUNK,
    OUTPUT_LIMIT,
    Command,
    CommandResult,
    Link,
    await_response,
    exit_sftp,
    tracked,
)
from polycloud.compute.sshshell import NONE, Elevation, Shell, new_mark, script
from polycloud.compute.types import (
    SSHAuthenticationError,
    SSHCommandTimeoutError,
    SSHConnectError,
    SSHConnectionLostError,
    SSHError,
    SSHFileError,
    SSHOutputLimitError,
    SSHTimeoutError,
)
from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, OperationTimeoutError

if TYPE_CHECKING:
    import asyncssh

__all__ = ["BaseSSHClient", "CommandResult", "HostKeys", "OnOutput", "SSHClient", "load_private_key"]

OnOutput = Callable[[str, str], None]
"""Called with "stdout" or "stderr" and a piece of text as it arrives."""
Request = Callable[[Callable[[], Awaitable[Any]]], Any]
"""Sends a request and returns the response, or raises an `SSHError`."""

READ_SIZE = 1024 * 1024
KEEP_ALIVE = 15.0
DEFAULT_TIMEOUT = 30.0
PROBE_TIMEOUT = 10.0
REBOOT_TIMEOUT = 300.0
REBOOT_PAUSE = 5.0


class BaseSSHClient:
    """The interface of deployment steps: arguments, methods and results are Libcloud's."""

    def __init__(
        self,
        hostname: str,
        port: int = DEFAULT_PORT,
        username: str = "root",
        password: str | None = None,
        key: str | None = None,
        key_files: str | Iterable[str | asyncssh.SSHKey] | None = None,
        timeout: float | None = None,
    ) -> None:
        self.hostname = hostname
        self.port = port
        self.username = username
        self.password = password
        self.key_files = key_files if key_files is not None else key
        self.timeout = timeout

    def connect(self) -> bool:
        """Connect and log in. Return True."""
        raise NotImplementedError

    def put(
        self,
        path: str,
        contents: str | bytes | None = None,
        chmod: int | None = None,
        mode: str = "w",
        *,
        sudo: bool = False,
    ) -> str:
        """Write a file ("w") or append to it ("a"), with permissions `chmod`; return its absolute path."""
        raise NotImplementedError

    def putfo(
        self, path: str, fo: IO[Any] | None = None, chmod: int | None = None, *, sudo: bool = False
    ) -> str:
        """Write a file from an open file; return its absolute path."""
        raise NotImplementedError

    def get(self, path: str, *, sudo: bool = False) -> bytes:
        """Return the content of a file."""
        raise NotImplementedError

    def delete(self, path: str, *, sudo: bool = False) -> bool:
        """Delete a file. Return True."""
        raise NotImplementedError

    def run(self, cmd: str, timeout: float | None = None, *, sudo: bool = False) -> CommandResult:
        """Run a command, as root with `sudo`; return its output and exit status."""
        raise NotImplementedError

    def reconnect(self) -> bool:
        """Connect again after the connection was lost, as soon as the machine allows it. Return True."""
        return self.connect()

    def close(self) -> bool:
        """Close the connection. Return True."""
        raise NotImplementedError


class SSHClient(BaseSSHClient):
    """A connection to one machine.

    Args:
        hostname: Name or address.
        port: Port.
        username: User name there.
        password: Password, for password and keyboard-interactive logins, and for sudo.
        key: Same as `key_files`.
        key_files: Private key files, a path or several; or keys that `load_private_key` has returned.
        key_material: A private key as text.
        timeout: Seconds for connecting and logging in together; default 30. Later requests raise
            `SSHTimeoutError` after 60 s without a response; `run` has a timeout of its own.
        keep_alive: Seconds of silence after which a keep-alive request is sent; default 15.
        use_compression: Compress the connection.
        key_password: Passphrase of the keys.
        machine: The name under which host keys are remembered; default address and port.
        host_keys: The known host keys; default none, kept for this client only.
        on_output: Called with the output of commands as it arrives.
        jump: Jump hosts (bastions) to connect through, as of `ssh -J`: `[user@]host[:port]`, several with
            commas between. They are offered the given keys, then those of the agent and `~/.ssh`, and never
            the password. Their host keys are remembered under their addresses.
        reboot_timeout: Seconds for `reconnect`; default 300.

    Without a password and keys, the agent and the keys in `~/.ssh` are tried, as `ssh` does. Raises
    `SSHKeyError` if a key cannot be loaded; the methods raise the `SSHError`s of `polycloud.compute.types`. A
    connection can be used only where it was made: in that process, and in plain code or on that event loop.

    With `sudo=True`, methods act as root: by `sudo`, with the password if it asks for one, unless the user is
    root. They raise `SSHAuthenticationError` where that is not allowed.
    """

    def __init__(
        self,
        hostname: str,
        port: int = DEFAULT_PORT,
        username: str = "root",
        password: str | None = None,
        key: str | None = None,
        key_files: str | Iterable[str | asyncssh.SSHKey] | None = None,
        key_material: str | None = None,
        timeout: float | None = None,
        keep_alive: float | None = None,
        use_compression: bool = False,
        *,
        key_password: str | None = None,
        machine: str | None = None,
        host_keys: HostKeys | None = None,
        on_output: OnOutput | None = None,
        jump: str | None = None,
        reboot_timeout: float = REBOOT_TIMEOUT,
    ) -> None:
        super().__init__(hostname, port, username, password, key, key_files, timeout)
        self._require_address()
        waiting.require_times(reboot_timeout)
        named = [self.key_files] if isinstance(self.key_files, str | PathLike) else list(self.key_files or ())
        sources = [*named, *([key_material] if key_material else [])]
        self._keys = [load_private_key(source, key_password) for source in sources]
        self._jumps = parse_jumps(jump)
        self.machine = machine or machine_name(hostname, port)
        self.host_keys = host_keys or HostKeys()
        self.on_output = on_output
        self.reboot_timeout = reboot_timeout
        self._keep_alive = KEEP_ALIVE if keep_alive is None else keep_alive
        self._compress = use_compression
        self._link: Link | None = None
        self._shell = Shell(repr(self), self._connection, password)
        self._has_sftp = True

    def _require_address(self) -> None:
        for name, text in (("hostname", self.hostname), ("username", self.username)):
            if not isinstance(text, str) or not text or any(character < " " for character in text):
                raise InvalidArgumentError(
                    f"{name} must be a str that is not empty and has no control characters, got {text!r}"
                )
        if not isinstance(self.port, int) or self.port not in PORTS:
            raise InvalidArgumentError(f"port must be an int from 1 to 65535, got {self.port!r}")
        if self.timeout is not None:
            waiting.require_times(self.timeout)

    def __repr__(self) -> str:
        return f"<SSHClient {self.username}@{address(self.hostname, self.port)}>"

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Connecting

    def connect(self) -> bool:
        """Connect and log in. Return True.

        Raises `SSHConnectError`, `SSHTimeoutError`, `SSHAuthenticationError` or `SSHHostKeyError`.
        """
        self.close()
        limit = DEFAULT_TIMEOUT if self.timeout is None else self.timeout
        self._link = waiting.run(lambda: self._open(limit))
        self._shell = Shell(repr(self), self._connection, self.password)
        self._has_sftp = True
        return True

    async def _open(self, limit: float) -> Link:
        target = Target(self.hostname, self.port, self.username, self.machine, self._keys, self.password)
        connecting = Connecting(self.host_keys, self._options())
        try:
            async with asyncio.timeout(limit):
                owner = await connecting.open(self._jumps, target)
        except TimeoutError as error:
            slow = connecting.current or target
            raise SSHTimeoutError(f"{slow} did not complete the login within {limit:g} s") from error
        *jumps, connection = connecting.opened
        return Link(connection, jumps, owner.is_lost, asyncio.get_running_loop(), os.getpid())

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "config": None,
            "known_hosts": ([], [], []),
            "keepalive_interval": self._keep_alive,
            "keepalive_count_max": 4,
        }
        if self._compress:
            options["compression_algs"] = ["zlib@openssh.com", "none"]
        return options

    def reconnect(self) -> bool:
        """Connect again, as soon as the machine allows it, within `reboot_timeout`. Return True.

        Raises the last `SSHError` of the attempts.
        """
        last: list[SSHError] = []

        def attempt() -> bool | None:
            try:
                return self.connect()
            except (SSHConnectError, SSHTimeoutError, SSHAuthenticationError) as error:
                last[:] = [error]
                return None

        try:
            return waiting.poll(
                attempt,
                waiting_for=f"{self!r} to come back",
                timeout=self.reboot_timeout,
                longest_pause=REBOOT_PAUSE,
            )
        except OperationTimeoutError as error:
            raise (last[-1] if last else error) from error

    def require_session(self) -> None:
        """Raise `SSHAuthenticationError` if the machine lets the user in, and then serves nothing.

        This is how images refuse users: by a forced command that names another user, an expired password, a
        shell such as nologin. The error has what the machine says.
        """
        works, words = self._shell.probe(self._probe_limit())
        if works:
            return
        try:
            files = self._request(".", lambda: self._connection().start_sftp_client())
        except SSHError as error:
            if self._is_lost() or isinstance(error, SSHTimeoutError):
                raise
            raise SSHAuthenticationError(
                f"{self!r} is let in, but can do nothing there; it says: {words or 'nothing'}",
                is_definite=True,
            ) from None
        waiting.run(lambda: exit_sftp(files))

    def _probe_limit(self) -> float:
        return PROBE_TIMEOUT if self.timeout is None else self.timeout

    def close(self) -> bool:
        """Close the connection. Return True."""
        link, self._link = self._link, None
        if link is not None:
            waiting.run(link.close)
        return True

    def _connection(self) -> asyncssh.SSHClientConnection:
        if self._link is None:
            raise SSHError(f"{self!r} is not connected; call connect() first")
        if not self._link.is_usable():
            raise SSHError(f"{self!r} was connected in another process or event loop; call connect() here")
        return self._link.connection

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Raise `SSHConnectionLostError` for whatever fails because the connection was lost."""
        try:
            yield
        except (SSHConnectionLostError, SSHCommandTimeoutError):
            raise
        except SSHError as error:
            if self._is_lost():
                raise SSHConnectionLostError(f"{self!r} was lost; is it rebooting? {error}") from error
            raise

    # Files

    def put(
        self,
        path: str,
        contents: str | bytes | None = None,
        chmod: int | None = None,
        mode: str = "w",
        *,
        sudo: bool = False,
    ) -> str:
        """Write a file ("w") or append to it ("a"), with the permissions `chmod`; return its absolute path.

        Missing directories are created. A relative path starts in the user's home. Without SFTP on the
        machine, its shell is used. Raises `SSHFileError`.
        """
        data = contents.encode() if isinstance(contents, str) else contents or b""
        return self.putfo(path, io.BytesIO(data), chmod, mode, sudo=sudo)

    def putfo(
        self,
        path: str,
        fo: IO[Any] | None = None,
        chmod: int | None = None,
        mode: str = "w",
        *,
        sudo: bool = False,
    ) -> str:
        """Write a file from an open file, in chunks; return its absolute path. See `put`."""
        if mode.replace("b", "") not in {"w", "a"}:
            raise InvalidArgumentError(f"mode must be 'w' or 'a', got {mode!r}")
        source = fo or io.BytesIO()
        bits = None if chmod is None else stat.S_IMODE(chmod)
        with self._watched():
            files = None if sudo else self._sftp_client(path)
            if files is None:
                return self._shell.write(path, source, bits, append="a" in mode, sudo=sudo)
            return self._sftp_write(files, path, source, bits, "ab" if "a" in mode else "wb")

    def _sftp_write(
        self, files: asyncssh.SFTPClient, path: str, source: IO[Any], chmod: int | None, mode: str
    ) -> str:
        directory = str(PurePosixPath(path).parent)
        with self._requests(files, path) as request:
            if directory not in {".", "/"}:
                request(lambda: files.makedirs(directory, exist_ok=True))
            target = request(lambda: files.open(path, mode))
            if chmod is not None:  # before there is any content
                request(lambda: target.chmod(chmod))
            while chunk := source.read(CHUNK):
                data = chunk.encode() if isinstance(chunk, str) else chunk
                request(partial(target.write, data))
            request(target.close)
            return str(request(lambda: files.realpath(path)))

    def get(self, path: str, *, sudo: bool = False) -> bytes:
        """Return the content of a file. Raises `SSHFileError`, or `SSHOutputLimitError` above 256 MB."""
        with self._watched():
            files = None if sudo else self._sftp_client(path)
            return self._shell.read(path, sudo=sudo) if files is None else self._sftp_read(files, path)

    def _sftp_read(self, files: asyncssh.SFTPClient, path: str) -> bytes:
        content = bytearray()
        with self._requests(files, path) as request:
            file = request(lambda: files.open(path, "rb"))
            while chunk := request(lambda: file.read(READ_SIZE)):
                content += chunk
                if len(content) > OUTPUT_LIMIT:
                    raise SSHOutputLimitError(f"the file {path!r} has more than {OUTPUT_LIMIT:,} bytes")
            return bytes(content)

    def delete(self, path: str, *, sudo: bool = False) -> bool:
        """Delete a file. Return True. Raises `SSHFileError`."""
        with self._watched():
            files = None if sudo else self._sftp_client(path)
            if files is None:
                self._shell.delete(path, sudo=sudo)
                return True
            with self._requests(files, path) as request:
                request(lambda: files.remove(path))
        return True

    def _sftp_client(self, path: str) -> asyncssh.SFTPClient | None:
        """Start an SFTP session; return None if the machine has no SFTP, but a shell.

        Raises `SSHFileError` with what the machine says if it has neither.
        """
        if not self._has_sftp:
            return None
        waiting.run(self._require_connection)
        try:
            return cast(
                "asyncssh.SFTPClient",
                self._request(path, lambda: self._connection().start_sftp_client()),
            )
        except SSHTimeoutError:
            raise
        except SSHError as error:
            if self._is_lost():
                raise
            works, words = self._shell.probe(self._probe_limit())
            if not works:
                raise SSHFileError(
                    f"the file {path!r} on {self!r}: it has no SFTP and runs no commands; it says: {words}"
                ) from error
            self._has_sftp = False
            return None

    async def _require_connection(self) -> None:
        self._connection()

    def _request(self, path: str, send: Callable[[], Awaitable[Any]]) -> Any:
        return waiting.run(lambda: await_response(repr(self), f"the file {path!r}", send))

    @contextmanager
    def _requests(self, files: asyncssh.SFTPClient, path: str) -> Iterator[Request]:
        """Yield the function that sends requests about `path` in an SFTP session, and end that."""
        try:
            yield partial(self._request, path)
        finally:
            waiting.run(lambda: exit_sftp(files))

    # Commands

    def run(self, cmd: str, timeout: float | None = None, *, sudo: bool = False) -> CommandResult:
        """Run a command, as root with `sudo`; return its output and exit status.

        `on_output` is called with its output as it arrives. The command has nothing to read. It has ended
        when the machine says so, even if a process that it left in the background holds its output open.
        After `timeout` seconds it is killed and `SSHCommandTimeoutError` raised; an interruption (Ctrl-C)
        kills it too. Raises `SSHConnectionLostError` if the connection is lost.
        """
        if not isinstance(cmd, str):
            raise InvalidArgumentError(f"cmd must be a str, got {type(cmd).__name__}")
        if timeout is not None:
            waiting.require_times(timeout)
        with self._watched():
            may = self._shell.elevation() if sudo else NONE
            command = self._command(cmd, timeout, may, sudo=sudo)
            try:
                waiting.run(lambda: command.start(self._connection))
                while pieces := waiting.run(command.pieces):
                    for stream, text in pieces:
                        if self.on_output is not None:
                            self.on_output(stream, text)
                return waiting.run(command.result)
            finally:
                self._end(command, may)

    def _command(self, cmd: str, timeout: float | None, may: Elevation, *, sudo: bool) -> Command:
        text = may.prefix + script(cmd) if sudo else cmd
        if timeout is None and not may.prefix:
            return Command(repr(self), text, shown=cmd)
        mark = new_mark()
        return Command(repr(self), tracked(mark) + text, timeout, stdin=may.stdin, shown=cmd, mark=mark)

    def _end(self, command: Command, may: Elevation) -> None:
        """End a command, whoever it runs as."""
        killed = not command.has_exited()
        waiting.run(command.end)
        if killed and command.group is not None and not self._is_lost():
            with suppress(SSHError):
                self._shell.kill(command.group, may)

    def _is_lost(self) -> bool:
        return self._link is not None and self._link.is_lost()
