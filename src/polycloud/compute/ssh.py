"""SSH to nodes, over asyncssh (extra `deploy`): plain calls, usable from sync code and on an event loop.

Each method runs coroutines to their end with `waiting.run`; `polycloud.compute.sshsession` has them and
explains where they run.

Host keys are trusted on first use (`HostKeys`), in two steps. While a connection is set up, its key is only
compared with the known ones. It is remembered after the login: a machine that is being set up may still
change its key, and before the login nothing shows that it is finished.
"""

from __future__ import annotations

import asyncio
import io
import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from os import PathLike
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Self

from polycloud.compute.hostkeys import HostKeys
from polycloud.compute.keys import import_asyncssh, load_private_key
from polycloud.compute.sshsession import (
    CHUNK,
    OUTPUT_LIMIT,
    Command,
    CommandResult,
    Link,
    await_response,
    exit_sftp,
)
from polycloud.compute.types import (
    SSHAuthenticationError,
    SSHConnectError,
    SSHError,
    SSHHostKeyError,
    SSHOutputLimitError,
    SSHTimeoutError,
)
from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    import asyncssh

__all__ = ["BaseSSHClient", "CommandResult", "HostKeys", "OnOutput", "SSHClient", "load_private_key"]

OnOutput = Callable[[str, str], None]
"""Called with "stdout" or "stderr" and a piece of text as it arrives."""
Request = Callable[[Callable[[], Awaitable[Any]]], Any]
"""Sends a request and returns the response, or raises an `SSHError`."""

READ_SIZE = 1024 * 1024
KEEP_ALIVE = 15.0
DEFAULT_PORT = 22
DEFAULT_TIMEOUT = 30.0
PORTS = range(1, 65536)


class BaseSSHClient:
    """The interface of deployment steps: arguments, methods and results are Libcloud's."""

    def __init__(
        self,
        hostname: str,
        port: int = DEFAULT_PORT,
        username: str = "root",
        password: str | None = None,
        key: str | None = None,
        key_files: str | Iterable[str] | None = None,
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
        self, path: str, contents: str | bytes | None = None, chmod: int | None = None, mode: str = "w"
    ) -> str:
        """Write a file ("w") or append to it ("a"), with permissions `chmod`; return its absolute path."""
        raise NotImplementedError

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None) -> str:
        """Write a file from an open file; return its absolute path."""
        raise NotImplementedError

    def get(self, path: str) -> bytes:
        """Return the content of a file."""
        raise NotImplementedError

    def delete(self, path: str) -> bool:
        """Delete a file. Return True."""
        raise NotImplementedError

    def run(self, cmd: str, timeout: float | None = None) -> CommandResult:
        """Run a command; return its output and exit status."""
        raise NotImplementedError

    def close(self) -> bool:
        """Close the connection. Return True."""
        raise NotImplementedError


class SSHClient(BaseSSHClient):
    """A connection to one machine.

    Args:
        hostname: Name or address.
        port: Port.
        username: User name there.
        password: Password, for password and keyboard-interactive logins.
        key: Same as `key_files`.
        key_files: Private key files, a path or several.
        key_material: A private key as text.
        timeout: Seconds for connecting and logging in together; default 30. Later requests raise
            `SSHTimeoutError` after 60 s without a response; `run` has a timeout of its own.
        keep_alive: Seconds of silence after which a keep-alive request is sent; default 15.
        use_compression: Compress the connection.
        key_password: Passphrase of the keys.
        machine: The name under which host keys are remembered; default address and port.
        host_keys: The known host keys; default none, kept for this client only.
        on_output: Called with the output of commands as it arrives.

    Without a password and keys, the agent and the keys in `~/.ssh` are tried, as `ssh` does. Raises
    `SSHKeyError` if a key cannot be loaded; the methods raise the `SSHError`s of `polycloud.compute.types`. A
    connection can be used only where it was made: in that process, and in plain code or on that event loop.
    """

    def __init__(
        self,
        hostname: str,
        port: int = DEFAULT_PORT,
        username: str = "root",
        password: str | None = None,
        key: str | None = None,
        key_files: str | Iterable[str] | None = None,
        key_material: str | None = None,
        timeout: float | None = None,
        keep_alive: float | None = None,
        use_compression: bool = False,
        *,
        key_password: str | None = None,
        machine: str | None = None,
        host_keys: HostKeys | None = None,
        on_output: OnOutput | None = None,
    ) -> None:
        super().__init__(hostname, port, username, password, key, key_files, timeout)
        self._require_address()
        named = [self.key_files] if isinstance(self.key_files, str | PathLike) else list(self.key_files or ())
        sources = [*named, *([key_material] if key_material else [])]
        self._keys = [load_private_key(source, key_password) for source in sources]
        self.machine = machine or (hostname if port == DEFAULT_PORT else f"[{hostname}]:{port}")
        self.host_keys = host_keys or HostKeys()
        self.on_output = on_output
        self._keep_alive = KEEP_ALIVE if keep_alive is None else keep_alive
        self._compress = use_compression
        self._link: Link | None = None

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
        return f"<SSHClient {self.username}@{self.hostname}:{self.port}>"

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
        return True

    async def _open(self, limit: float) -> Link:
        lib = import_asyncssh()
        address = f"{self.hostname}:{self.port}"
        factory = _client_factory(lib, self.host_keys, self.machine)
        changed = SSHHostKeyError(
            f"{address} has another host key than {self.machine} had before; if the machine was rebuilt, "
            "forget the old key"
        )
        try:
            async with asyncio.timeout(limit):
                connection: asyncssh.SSHClientConnection = await lib.connect(
                    self.hostname, self.port, client_factory=factory, **self._login()
                )
        except TimeoutError as error:
            raise SSHTimeoutError(f"{address} did not complete the login within {limit:g} s") from error
        except lib.HostKeyNotVerifiable as error:
            raise changed from error
        except lib.PermissionDenied as error:
            raise SSHAuthenticationError(
                f"{address} refuses {self.username!r} with {self._offered()}: {error}"
            ) from error
        except (OSError, UnicodeError, ValueError, lib.Error) as error:
            raise SSHConnectError(f"{address} cannot be reached: {error}") from error
        # Remembered only now, after the login; see the module's docstring
        try:
            if not self.host_keys.accept(self.machine, _public_key(connection.get_server_host_key())):
                raise changed
        except BaseException:
            connection.abort()
            raise
        return Link(connection, asyncio.get_running_loop(), os.getpid())

    def _login(self) -> dict[str, Any]:
        login: dict[str, Any] = {
            "username": self.username,
            "password": self.password,
            "config": None,
            "known_hosts": ([], [], []),
            "keepalive_interval": self._keep_alive,
            "keepalive_count_max": 4,
        }
        if self._keys or self.password:
            login |= {"client_keys": self._keys or None, "agent_path": None}
        if self._compress:
            login["compression_algs"] = ["zlib@openssh.com", "none"]
        return login

    def _offered(self) -> str:
        offered = [f"{len(self._keys)} key(s)"] if self._keys else []
        offered += ["a password"] if self.password else []
        return " and ".join(offered) or "the agent's keys and those in ~/.ssh"

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

    # Files

    def put(
        self, path: str, contents: str | bytes | None = None, chmod: int | None = None, mode: str = "w"
    ) -> str:
        """Write a file ("w") or append to it ("a"), with the permissions `chmod`; return its absolute path.

        Missing directories are created. A relative path starts in the user's home. Raises `SSHFileError`.
        """
        data = contents.encode() if isinstance(contents, str) else contents or b""
        return self.putfo(path, io.BytesIO(data), chmod, mode)

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None, mode: str = "w") -> str:
        """Write a file from an open file, in chunks; return its absolute path. See `put`."""
        if mode.replace("b", "") not in {"w", "a"}:
            raise InvalidArgumentError(f"mode must be 'w' or 'a', got {mode!r}")
        source = fo or io.BytesIO()
        directory = str(PurePosixPath(path).parent)
        with self._sftp(path) as (files, request):
            if directory not in {".", "/"}:
                request(lambda: files.makedirs(directory, exist_ok=True))
            target = request(lambda: files.open(path, "ab" if "a" in mode else "wb"))
            if chmod is not None:  # before there is any content
                request(lambda: target.chmod(stat.S_IMODE(chmod)))
            while chunk := source.read(CHUNK):
                data = chunk.encode() if isinstance(chunk, str) else chunk
                request(partial(target.write, data))
            request(target.close)
            return str(request(lambda: files.realpath(path)))

    def get(self, path: str) -> bytes:
        """Return the content of a file. Raises `SSHFileError`, or `SSHOutputLimitError` above 256 MB."""
        content = bytearray()
        with self._sftp(path) as (files, request):
            file = request(lambda: files.open(path, "rb"))
            while chunk := request(lambda: file.read(READ_SIZE)):
                content += chunk
                if len(content) > OUTPUT_LIMIT:
                    raise SSHOutputLimitError(f"the file {path!r} has more than {OUTPUT_LIMIT:,} bytes")
            return bytes(content)

    def delete(self, path: str) -> bool:
        """Delete a file. Return True. Raises `SSHFileError`."""
        with self._sftp(path) as (files, request):
            request(lambda: files.remove(path))
        return True

    @contextmanager
    def _sftp(self, path: str) -> Iterator[tuple[asyncssh.SFTPClient, Request]]:
        """Start an SFTP session; yield it with the function that sends its requests about `path`."""

        def request(send: Callable[[], Awaitable[Any]]) -> Any:
            return waiting.run(lambda: await_response(repr(self), f"the file {path!r}", send))

        files: asyncssh.SFTPClient = request(lambda: self._connection().start_sftp_client())
        try:
            yield files, request
        finally:
            waiting.run(lambda: exit_sftp(files))

    # Commands

    def run(self, cmd: str, timeout: float | None = None) -> CommandResult:
        """Run a command; return its output and exit status.

        `on_output` is called with its output as it arrives. After `timeout` seconds the command is killed and
        `SSHCommandTimeoutError` raised; an interruption (Ctrl-C) kills it too. Raises
        `SSHConnectionLostError` if the connection is lost.
        """
        if not isinstance(cmd, str):
            raise InvalidArgumentError(f"cmd must be a str, got {type(cmd).__name__}")
        if timeout is not None:
            waiting.require_times(timeout)
        command = Command(repr(self), cmd, timeout)
        try:
            waiting.run(lambda: command.start(self._connection))
            while pieces := waiting.run(command.pieces):
                for stream, text in pieces:
                    if self.on_output is not None:
                        self.on_output(stream, text)
            return waiting.run(command.result)
        finally:
            waiting.run(command.end)


def _client_factory(lib: Any, host_keys: HostKeys, machine: str) -> Any:
    """Return an asyncssh client class that refuses host keys other than the known ones."""

    class Client(lib.SSHClient):  # type: ignore[misc]
        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            return host_keys.allows(machine, _public_key(key))

    return Client


def _public_key(key: asyncssh.SSHKey | None) -> str:
    assert key is not None
    return " ".join(key.export_public_key("openssh").decode().split()[:2])
