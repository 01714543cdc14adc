"""SSH to nodes, over asyncssh (extra `deploy`): plain calls, usable from sync code and on an event loop.

Host keys are trusted on first use. What was seen is kept in memory by `HostKeys`, under the name that the
caller gives to the machine (addresses are recycled, machines are not), and in a known_hosts file only
where the caller names one.
"""

from __future__ import annotations

import asyncio
import io
import os
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from polycloud.common import waiting
from polycloud.common.types import InvalidArgumentError, PolycloudError
from polycloud.compute.types import (
    SSHAuthenticationError,
    SSHCommandTimeoutError,
    SSHConnectError,
    SSHConnectionLostError,
    SSHError,
    SSHFileError,
    SSHHostKeyError,
    SSHKeyError,
    SSHOutputLimitError,
    SSHTimeoutError,
)

if TYPE_CHECKING:
    import asyncssh

__all__ = ["BaseSSHClient", "CommandResult", "HostKeys", "OnOutput", "SSHClient", "load_private_key"]

T = TypeVar("T")
OnOutput = Callable[[str, str], None]
"""Called with "stdout" or "stderr" and a piece of text as it arrives."""

CHUNK = 65536
QUEUED = 32
OUTPUT_LIMIT = 256 * 1024 * 1024
KEEP_ALIVE = 15.0
DEFAULT_TIMEOUT = 30.0


class CommandResult(NamedTuple):
    """What a command left: its output as text and its exit status (-1 where a signal ended it)."""

    stdout: str
    stderr: str
    exit_status: int


@dataclass
class HostKeys:
    """The host keys that were seen, by the name of the machine; `file` is a known_hosts file to keep."""

    file: str | None = None
    seen: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is not None and Path(self.file).exists():
            self.seen.update(_read_known_hosts(Path(self.file)))

    def accept(self, machine: str, key: str) -> bool:
        """Whether `machine` may answer with `key`; a machine not seen before may, and is remembered."""
        if machine not in self.seen:
            self.seen[machine] = key
            if self.file is not None:
                with Path(self.file).open("a", encoding="ascii") as known:
                    known.write(f"{machine} {key}\n")
        return self.seen[machine] == key

    def forget(self, machine: str) -> None:
        """Trust the next key of `machine`; a line in `file` stays."""
        self.seen.pop(machine, None)


def _read_known_hosts(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"the known_hosts file {path} cannot be read: {error}") from error
    seen: dict[str, str] = {}
    for line in lines:
        # names, key type, key; hashed names and markers are no machine's of ours
        match line.split():
            case [names, kind, key, *_] if names[0] not in "#@|":
                seen |= dict.fromkeys(names.split(","), f"{kind} {key}")
    return seen


def load_private_key(key: str | PathLike[str] | bytes, passphrase: str | None = None) -> asyncssh.SSHKey:
    """The private key in a file or in a text, in OpenSSH's format or PEM: RSA, Ed25519 or ECDSA.

    Raises `SSHKeyError` that tells a file that is not there, a passphrase that is missing or wrong, and a
    format that is not known, apart.
    """
    lib = _asyncssh()
    try:
        source = os.fsdecode(key)
    except TypeError:
        raise SSHKeyError(f"a key is a file or a text, not {type(key).__name__}") from None
    in_memory = is_key_text(source)
    name = "the key in memory" if in_memory else f"the key {source}"
    try:
        text = source.encode() if in_memory else Path(source).expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        raise SSHKeyError(f"{name} cannot be read: {error}") from error
    try:
        loaded: asyncssh.SSHKey = lib.import_private_key(text, passphrase)
    except (lib.KeyEncryptionError, lib.KeyImportError, ValueError, TypeError) as error:
        # Whether a wrong passphrase is told from a broken file depends on the format; PEM says "decrypt"
        if passphrase is None and "passphrase" in str(error).lower():
            raise SSHKeyError(f"{name} is encrypted; give its passphrase (ssh_key_password=)") from error
        if isinstance(error, lib.KeyEncryptionError) or "decrypt" in str(error):
            raise SSHKeyError(f"{name} does not open with this passphrase") from error
        raise SSHKeyError(f"{name} is in no format that is known (OpenSSH or PEM): {error}") from error
    return loaded


def is_key_text(source: str) -> bool:
    """Whether this is a private key itself, rather than the name of its file."""
    return "PRIVATE KEY-----" in source


def _asyncssh() -> Any:
    try:
        import asyncssh
    except ImportError:
        raise PolycloudError("SSH needs: pip install 'polycloud[deploy]'") from None
    return asyncssh


class BaseSSHClient:
    """What deployment steps call: the address, the methods and their results are Libcloud's."""

    def __init__(
        self,
        hostname: str,
        port: int = 22,
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
        """Connect and log in; True."""
        raise NotImplementedError

    def put(
        self, path: str, contents: str | bytes | None = None, chmod: int | None = None, mode: str = "w"
    ) -> str:
        """Write a file ("w") or add to it ("a"), with the permissions `chmod`; its absolute path."""
        raise NotImplementedError

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None) -> str:
        """Write a file from an open one; its absolute path."""
        raise NotImplementedError

    def get(self, path: str) -> bytes:
        """What is in a file."""
        raise NotImplementedError

    def delete(self, path: str) -> bool:
        """Delete a file; True."""
        raise NotImplementedError

    def run(self, cmd: str, timeout: float | None = None) -> CommandResult:
        """Run a command; its output and exit status."""
        raise NotImplementedError

    def close(self) -> bool:
        """End the connection; True."""
        raise NotImplementedError


class SSHClient(BaseSSHClient):
    """A connection to one machine.

    Args:
        hostname: Name or address.
        port: Port.
        username: User name there.
        password: Password, for password and keyboard-interactive logins.
        key: As `key_files`.
        key_files: Private key files, a path or several.
        key_material: A private key as text.
        timeout: Seconds for connecting and logging in together; 30 unless given.
        keep_alive: Seconds of silence after which the server is asked for a sign of life; 15 unless given.
        use_compression: Compress what is sent.
        key_password: Passphrase of the keys.
        machine: The name under which host keys are remembered; address and port unless given.
        host_keys: Where host keys are remembered; a memory of this client's own unless given.
        on_output: Called with what commands print, as it arrives.

    Without a password and keys of one's own, the agent and the keys in `~/.ssh` are tried, as `ssh` does.
    Raises `SSHKeyError` when a key cannot be loaded; the methods raise the `SSHError`s of
    `polycloud.compute.types`.
    """

    def __init__(
        self,
        hostname: str,
        port: int = 22,
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
        self.machine = machine or (hostname if port == 22 else f"[{hostname}]:{port}")  # noqa: PLR2004
        self.host_keys = host_keys or HostKeys()
        self.on_output = on_output
        self._keep_alive = KEEP_ALIVE if keep_alive is None else keep_alive
        self._compress = use_compression
        self._connection: asyncssh.SSHClientConnection | None = None

    def _require_address(self) -> None:
        for name, text in (("hostname", self.hostname), ("username", self.username)):
            if not isinstance(text, str) or not text or any(sign < " " for sign in text):
                raise InvalidArgumentError(f"{name}={text!r} is no {name}")
        if not isinstance(self.port, int) or self.port not in range(1, 65536):
            raise InvalidArgumentError(f"port={self.port!r} is no port (1 to 65535)")
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
        """Connect and log in; True.

        Raises `SSHConnectError`, `SSHTimeoutError`, `SSHAuthenticationError` or `SSHHostKeyError`.
        """
        self.close()
        limit = DEFAULT_TIMEOUT if self.timeout is None else self.timeout
        self._connection = waiting.run(lambda: self._connected(limit))
        return True

    async def _connected(self, limit: float) -> asyncssh.SSHClientConnection:
        lib = _asyncssh()
        where = f"{self.hostname}:{self.port}"
        watch = _host_key_watch(lib, self.host_keys, self.machine)
        try:
            async with asyncio.timeout(limit):
                connection: asyncssh.SSHClientConnection = await lib.connect(
                    self.hostname, self.port, client_factory=watch, **self._login()
                )
                return connection
        except TimeoutError as error:
            raise SSHTimeoutError(f"{where} did not let anybody in within {limit:g} s") from error
        except lib.HostKeyNotVerifiable as error:
            raise SSHHostKeyError(
                f"{where} answers with another host key than {self.machine} had before; if the machine was "
                "made anew, forget the old key"
            ) from error
        except lib.PermissionDenied as error:
            raise SSHAuthenticationError(
                f"{where} refuses {self.username!r} with {self._offered()}: {error}"
            ) from error
        except (OSError, UnicodeError, ValueError, lib.Error) as error:
            raise SSHConnectError(f"{where} cannot be reached: {error}") from error

    def _login(self) -> dict[str, Any]:
        own = bool(self._keys or self.password)
        login: dict[str, Any] = {
            "username": self.username,
            "password": self.password,
            "config": None,
            "known_hosts": ([], [], []),
            "keepalive_interval": self._keep_alive,
            "keepalive_count_max": 4,
        }
        if own:
            login |= {"client_keys": self._keys or None, "agent_path": None}
        if self._compress:
            login["compression_algs"] = ["zlib@openssh.com", "none"]
        return login

    def _offered(self) -> str:
        offered = [f"{len(self._keys)} key(s)"] if self._keys else []
        offered += ["a password"] if self.password else []
        return " and ".join(offered) or "the agent's keys and those in ~/.ssh"

    def close(self) -> bool:
        """End the connection; True."""
        connection, self._connection = self._connection, None
        if connection is not None:
            waiting.run(lambda: _closed(connection))
        return True

    def _connected_now(self) -> asyncssh.SSHClientConnection:
        if self._connection is None:
            raise SSHError(f"{self!r} is not connected; call connect() first")
        return self._connection

    # Files

    def put(
        self, path: str, contents: str | bytes | None = None, chmod: int | None = None, mode: str = "w"
    ) -> str:
        """Write a file ("w") or add to it ("a"), with the permissions `chmod`; its absolute path.

        Folders on the way are made. A relative path begins in the user's home. Raises `SSHFileError`.
        """
        data = contents.encode() if isinstance(contents, str) else contents or b""
        return self.putfo(path, io.BytesIO(data), chmod, mode)

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None, mode: str = "w") -> str:
        """Write a file from an open one, piece by piece; its absolute path. See `put`."""
        if mode.replace("b", "") not in {"w", "a"}:
            raise InvalidArgumentError(f"mode={mode!r} is neither 'w' nor 'a'")
        return self._on_files(path, lambda files: _write(files, path, fo or io.BytesIO(), chmod, mode))

    def get(self, path: str) -> bytes:
        """What is in a file. Raises `SSHFileError`."""

        async def read(files: asyncssh.SFTPClient) -> bytes:
            async with files.open(path, "rb") as file:
                content: bytes = await file.read()
                return content

        return self._on_files(path, read)

    def delete(self, path: str) -> bool:
        """Delete a file; True. Raises `SSHFileError`."""

        async def remove(files: asyncssh.SFTPClient) -> bool:
            await files.remove(path)
            return True

        return self._on_files(path, remove)

    def _on_files(self, path: str, use: Callable[[asyncssh.SFTPClient], Coroutine[Any, Any, T]]) -> T:
        connection = self._connected_now()

        async def used() -> T:
            async with _translated(self, f"the file {path!r}"), connection.start_sftp_client() as files:
                return await use(files)

        return waiting.run(used)

    # Commands

    def run(self, cmd: str, timeout: float | None = None) -> CommandResult:
        """Run a command; its output and exit status.

        `on_output` sees what it prints as it arrives. After `timeout` seconds the command is ended and
        `SSHCommandTimeoutError` raised; an interruption (Ctrl-C) ends it too. Raises
        `SSHConnectionLostError` where the connection ends first.
        """
        running = _Running(self, cmd, timeout)
        waiting.run(lambda: running.start(self._connected_now()))
        try:
            while pieces := waiting.run(running.pieces):
                for stream, text in pieces:
                    if self.on_output is not None:
                        self.on_output(stream, text)
            return waiting.run(running.result)
        finally:
            waiting.run(running.end)


class _Running:
    """One command on its way: two readers fill a bounded queue, so that much output is not kept twice."""

    def __init__(self, client: SSHClient, cmd: str, timeout: float | None) -> None:
        self.client = client
        self.cmd = cmd
        self.timeout = timeout
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.output: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self.size = 0

    async def start(self, connection: asyncssh.SSHClientConnection) -> None:
        async with _translated(self.client, repr(self.cmd)):
            self.process: asyncssh.SSHClientProcess[str] = await connection.create_process(
                self.cmd, encoding="utf-8", errors="replace"
            )
        self.queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue(QUEUED)
        self.readers = [
            asyncio.ensure_future(self._read("stdout", self.process.stdout)),
            asyncio.ensure_future(self._read("stderr", self.process.stderr)),
        ]

    async def _read(self, stream: str, reader: asyncssh.SSHReader[str]) -> None:
        try:
            while text := await reader.read(CHUNK):
                await self.queue.put((stream, text))
        finally:
            await self.queue.put((stream, ""))

    async def pieces(self) -> list[tuple[str, str]]:
        """What has arrived since the last call, at least one piece; empty when both streams have ended."""
        pieces: list[tuple[str, str]] = []
        while not pieces and not self._ended():
            stream, text = await self._within(self.queue.get())
            if text:
                pieces.append((stream, text))
                self.output[stream].append(text)
                self.size += len(text)
        if self.size > OUTPUT_LIMIT:
            raise SSHOutputLimitError(
                f"{self.cmd!r} printed more than {OUTPUT_LIMIT:,} characters and was ended"
            )
        return pieces

    def _ended(self) -> bool:
        return self.queue.empty() and all(reader.done() for reader in self.readers)

    async def result(self) -> CommandResult:
        async with _translated(self.client, repr(self.cmd)):
            for reader in self.readers:
                reader.result()
            await self._within(self.process.wait_closed())
        if self.process.exit_status is None and self.process.exit_signal is None:
            raise SSHConnectionLostError(
                f"{self.client!r} was lost while it ran {self.cmd!r}; is it rebooting?"
            )
        status = -1 if self.process.exit_status is None else self.process.exit_status
        return CommandResult("".join(self.output["stdout"]), "".join(self.output["stderr"]), status)

    async def _within(self, awaitable: Awaitable[T]) -> T:
        limit = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        try:
            return await asyncio.wait_for(asyncio.ensure_future(awaitable), limit)
        except TimeoutError:
            raise SSHCommandTimeoutError(
                self.cmd, self.timeout, "".join(self.output["stdout"]), "".join(self.output["stderr"])
            ) from None

    async def end(self) -> None:
        """Leave nothing running: a command that has not ended is killed and its channel closed."""
        for reader in self.readers:
            reader.cancel()
        if self.process.exit_status is None and not self.process.is_closing():
            self.process.kill()
        self.process.close()


async def _closed(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    await connection.wait_closed()


def _host_key_watch(lib: Any, host_keys: HostKeys, machine: str) -> Any:
    class Watch(lib.SSHClient):  # type: ignore[misc]
        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            public = " ".join(key.export_public_key("openssh").decode().split()[:2])
            return host_keys.accept(machine, public)

    return Watch


async def _write(files: asyncssh.SFTPClient, path: str, source: IO[Any], chmod: int | None, mode: str) -> str:
    folder = str(PurePosixPath(path).parent)
    if folder not in {".", "/"}:
        await files.makedirs(folder, exist_ok=True)
    async with files.open(path, "ab" if "a" in mode else "wb") as target:
        while piece := source.read(CHUNK):
            await target.write(piece.encode() if isinstance(piece, str) else piece)
    if chmod is not None:
        await files.chmod(path, stat.S_IMODE(chmod))
    return str(await files.realpath(path))


@asynccontextmanager
async def _translated(client: SSHClient, what: str) -> AsyncIterator[None]:
    """Turn what asyncssh raises into errors of our tree."""
    lib = _asyncssh()
    try:
        yield
    except (lib.SFTPConnectionLost, lib.SFTPNoConnection, lib.ConnectionLost, lib.DisconnectError) as error:
        raise SSHConnectionLostError(f"{client!r} was lost at {what}; is it rebooting? {error}") from error
    except lib.SFTPError as error:
        raise SSHFileError(f"{what} on {client!r}: {error}") from error
    except (lib.Error, OSError, UnicodeError) as error:
        raise SSHError(f"{client!r} refuses {what}: {error}") from error
