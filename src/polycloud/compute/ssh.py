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
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

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
from polycloud.concurrency import waiting
from polycloud.concurrency.forks import renew_after_fork
from polycloud.errors import InvalidArgumentError, PolycloudError

if TYPE_CHECKING:
    import asyncssh

__all__ = ["BaseSSHClient", "CommandResult", "HostKeys", "OnOutput", "SSHClient", "load_private_key"]

T = TypeVar("T")
OnOutput = Callable[[str, str], None]
"""Called with "stdout" or "stderr" and a piece of text as it arrives."""
Ask = Callable[[Callable[[], Awaitable[Any]]], Any]

CHUNK = 65536
PIECE = 1024 * 1024
QUEUED = 32
OUTPUT_LIMIT = 256 * 1024 * 1024
KEEP_ALIVE = 15.0
DEFAULT_TIMEOUT = 30.0
ANSWER_TIMEOUT = 60.0
GOODBYE_TIMEOUT = 3.0
LONGEST_NAME = 255


class CommandResult(NamedTuple):
    """What a command left: its output as text and its exit status (-1 where a signal ended it)."""

    stdout: str
    stderr: str
    exit_status: int


@dataclass
class HostKeys:
    """The host keys that were seen, by the name of the machine; `file` is a known_hosts file to keep.

    A machine may have several, one of each type.
    """

    file: str | None = None
    seen: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._renew()
        renew_after_fork(self)
        self._path = None if self.file is None else Path(self.file).expanduser()
        if self._path is not None and not self._path.exists():
            _add_to_known_hosts(self._path, "")  # one that cannot be made is told before there is a machine
        elif self._path is not None:
            self.seen.update(_read_known_hosts(self._path))

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def allows(self, machine: str, key: str) -> bool:
        """Whether `machine` may answer with `key`: one of its own, or any where it was not seen before."""
        return key in self.seen.get(machine, [key])

    def accept(self, machine: str, key: str) -> bool:
        """Whether `machine` may answer with `key`; a machine not seen before may, and is remembered.

        Raises `InvalidArgumentError` where it cannot be written into `file`.
        """
        with self._lock:
            if machine not in self.seen:
                if self._path is not None:
                    _add_known_host(self._path, machine, key)
                self.seen[machine] = [key]
            return self.allows(machine, key)

    def forget(self, machine: str) -> None:
        """Trust the next key of `machine`; a line in `file` stays."""
        self.seen.pop(machine, None)


def _add_known_host(path: Path, machine: str, key: str) -> None:
    if machine.split() != [machine] or "," in machine or machine[0] in "#@|":
        raise InvalidArgumentError(f"{machine!r} is no name that a known_hosts file can hold")
    _add_to_known_hosts(path, f"{machine} {key}\n")


def _add_to_known_hosts(path: Path, line: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as known:
            known.write(line)
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"the known_hosts file {path} cannot be written: {error}") from error


def _read_known_hosts(path: Path) -> dict[str, list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"the known_hosts file {path} cannot be read: {error}") from error
    seen: dict[str, list[str]] = {}
    for line in lines:
        # names, key type, key; hashed names and markers are no machine's of ours
        match line.split():
            case [names, kind, key, *_] if names[0] not in "#@|":
                for name in names.split(","):
                    seen.setdefault(name, []).append(f"{kind} {key}")
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
    # What is no file's name may be a key all the same: it is not repeated
    shown = not in_memory and len(source) <= LONGEST_NAME
    name = f"the key {source}" if shown else "the key in memory"
    try:
        text = source.encode() if in_memory else Path(source).expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        raise SSHKeyError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
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
    """Whether this is a private key itself (or any text of several lines), rather than a file's name."""
    return "PRIVATE KEY-----" in source or "\n" in source.strip()


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
        timeout: Seconds for connecting and logging in together; 30 unless given. Later on, whatever is asked
            of the server is answered within 60 s or an `SSHTimeoutError`; `run` has a time of its own.
        keep_alive: Seconds of silence after which the server is asked for a sign of life; 15 unless given.
        use_compression: Compress what is sent.
        key_password: Passphrase of the keys.
        machine: The name under which host keys are remembered; address and port unless given.
        host_keys: Where host keys are remembered; a memory of this client's own unless given.
        on_output: Called with what commands print, as it arrives.

    Without a password and keys of one's own, the agent and the keys in `~/.ssh` are tried, as `ssh` does.
    Raises `SSHKeyError` when a key cannot be loaded; the methods raise the `SSHError`s of
    `polycloud.compute.types`. A connection is used where it was made: in that process, and in plain code or
    on that event loop.
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
        self._link: _Link | None = None

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
        self._link = waiting.run(lambda: self._connected(limit))
        return True

    async def _connected(self, limit: float) -> _Link:
        lib = _asyncssh()
        where = f"{self.hostname}:{self.port}"
        watch = _host_key_watch(lib, self.host_keys, self.machine)
        changed = SSHHostKeyError(
            f"{where} answers with another host key than {self.machine} had before; if the machine was "
            "made anew, forget the old key"
        )
        try:
            async with asyncio.timeout(limit):
                connection: asyncssh.SSHClientConnection = await lib.connect(
                    self.hostname, self.port, client_factory=watch, **self._login()
                )
        except TimeoutError as error:
            raise SSHTimeoutError(f"{where} did not let anybody in within {limit:g} s") from error
        except lib.HostKeyNotVerifiable as error:
            raise changed from error
        except lib.PermissionDenied as error:
            raise SSHAuthenticationError(
                f"{where} refuses {self.username!r} with {self._offered()}: {error}"
            ) from error
        except (OSError, UnicodeError, ValueError, lib.Error) as error:
            raise SSHConnectError(f"{where} cannot be reached: {error}") from error
        # Not before somebody was let in: a machine that is being set up may still change its key
        try:
            if not self.host_keys.accept(self.machine, _public(connection.get_server_host_key())):
                raise changed
        except BaseException:
            connection.abort()
            raise
        return _Link(connection, asyncio.get_running_loop(), os.getpid())

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
        link, self._link = self._link, None
        if link is not None:
            waiting.run(link.close)
        return True

    def _connected_now(self) -> asyncssh.SSHClientConnection:
        if self._link is None:
            raise SSHError(f"{self!r} is not connected; call connect() first")
        if not self._link.is_here():
            raise SSHError(f"{self!r} was connected in another process or event loop; call connect() here")
        return self._link.connection

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
        source = fo or io.BytesIO()
        folder = str(PurePosixPath(path).parent)
        with self._files(path) as (files, ask):
            if folder not in {".", "/"}:
                ask(lambda: files.makedirs(folder, exist_ok=True))
            target = ask(lambda: files.open(path, "ab" if "a" in mode else "wb"))
            if chmod is not None:  # before there is anything to read
                ask(lambda: target.chmod(stat.S_IMODE(chmod)))
            while piece := source.read(CHUNK):
                data = piece.encode() if isinstance(piece, str) else piece
                ask(partial(target.write, data))
            ask(target.close)
            return str(ask(lambda: files.realpath(path)))

    def get(self, path: str) -> bytes:
        """What is in a file. Raises `SSHFileError`, and `SSHOutputLimitError` for one of more than 256 MB."""
        content = bytearray()
        with self._files(path) as (files, ask):
            file = ask(lambda: files.open(path, "rb"))
            while piece := ask(lambda: file.read(PIECE)):
                content += piece
                if len(content) > OUTPUT_LIMIT:
                    raise SSHOutputLimitError(f"the file {path!r} has more than {OUTPUT_LIMIT:,} bytes")
            return bytes(content)

    def delete(self, path: str) -> bool:
        """Delete a file; True. Raises `SSHFileError`."""
        with self._files(path) as (files, ask):
            ask(lambda: files.remove(path))
        return True

    @contextmanager
    def _files(self, path: str) -> Iterator[tuple[asyncssh.SFTPClient, Ask]]:
        """The machine's files, and how to ask for something there: what is answered in time, or an error."""

        def ask(question: Callable[[], Awaitable[Any]]) -> Any:
            return waiting.run(lambda: _answered(self, f"the file {path!r}", question))

        files: asyncssh.SFTPClient = ask(lambda: self._connected_now().start_sftp_client())
        try:
            yield files, ask
        finally:
            waiting.run(lambda: _left(files))

    # Commands

    def run(self, cmd: str, timeout: float | None = None) -> CommandResult:
        """Run a command; its output and exit status.

        `on_output` sees what it prints as it arrives. After `timeout` seconds the command is ended and
        `SSHCommandTimeoutError` raised; an interruption (Ctrl-C) ends it too. Raises
        `SSHConnectionLostError` where the connection ends first.
        """
        if not isinstance(cmd, str):
            raise InvalidArgumentError(f"a command is text, not {type(cmd).__name__}")
        if timeout is not None:
            waiting.require_times(timeout)
        running = _Running(self, cmd, timeout)
        try:
            waiting.run(lambda: running.start(self._connected_now))
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
        self.output = {"stdout": io.StringIO(), "stderr": io.StringIO()}
        self.size = 0
        self.process: asyncssh.SSHClientProcess[bytes] | None = None
        self.readers: list[asyncio.Future[None]] = []

    async def start(self, connection: Callable[[], asyncssh.SSHClientConnection]) -> None:
        def begin() -> Awaitable[asyncssh.SSHClientProcess[bytes]]:
            return connection().create_process(self.cmd, encoding=None)

        self.process = await self._within(_answered(self.client, repr(self.cmd), begin))
        self.queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue(QUEUED)
        self.readers = [
            asyncio.ensure_future(self._read("stdout", self.process.stdout)),
            asyncio.ensure_future(self._read("stderr", self.process.stderr)),
        ]

    async def _read(self, stream: str, reader: asyncssh.SSHReader[bytes]) -> None:
        # asyncssh's own decoder serves both streams: half a sign of one would come out in the other
        decoder = getincrementaldecoder("utf-8")("replace")
        try:
            while data := await reader.read(CHUNK):
                await self.queue.put((stream, decoder.decode(data)))
        except Exception:
            await self.queue.put((stream, ""))
            raise
        await self.queue.put((stream, decoder.decode(b"", final=True)))

    async def pieces(self) -> list[tuple[str, str]]:
        """What has arrived since the last call, at least one piece; empty when both streams have ended."""
        pieces: list[tuple[str, str]] = []
        while not pieces and not self._ended():
            stream, text = await self._within(self.queue.get())
            if text:
                pieces.append((stream, text))
                self.output[stream].write(text)
                self.size += len(text)
        if self.size > OUTPUT_LIMIT:
            raise SSHOutputLimitError(
                f"{self.cmd!r} printed more than {OUTPUT_LIMIT:,} characters and was ended"
            )
        return pieces

    def _ended(self) -> bool:
        return self.queue.empty() and all(reader.done() for reader in self.readers)

    async def result(self) -> CommandResult:
        assert self.process is not None
        async with _translated(self.client, repr(self.cmd)):
            for reader in self.readers:
                reader.result()
            await self._within(self.process.wait_closed())
        if self.process.exit_status is None and self.process.exit_signal is None:
            raise SSHConnectionLostError(
                f"{self.client!r} was lost while it ran {self.cmd!r}; is it rebooting?"
            )
        status = -1 if self.process.exit_status is None else self.process.exit_status
        return CommandResult(*self._printed(), status)

    def _printed(self) -> tuple[str, str]:
        return self.output["stdout"].getvalue(), self.output["stderr"].getvalue()

    async def _within(self, awaitable: Awaitable[T]) -> T:
        limit = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        try:
            return await asyncio.wait_for(asyncio.ensure_future(awaitable), limit)
        except TimeoutError:
            raise SSHCommandTimeoutError(self.cmd, self.timeout, *self._printed()) from None

    async def end(self) -> None:
        """Leave nothing running: a command that has not ended is killed and its channel closed."""
        for reader in self.readers:
            reader.cancel()
        if self.process is None:
            return
        if self.process.exit_status is None and not self.process.is_closing():
            self.process.kill()
        self.process.close()


class _Link(NamedTuple):
    """A connection, and where it can be used: asyncio's belong to a loop, and no loop survives a fork."""

    connection: asyncssh.SSHClientConnection
    loop: asyncio.AbstractEventLoop
    pid: int

    def is_here(self) -> bool:
        return self.loop is asyncio.get_running_loop() and self.pid == os.getpid()

    async def close(self) -> None:
        if self.is_here():
            self.connection.close()
            try:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.connection.wait_closed(), GOODBYE_TIMEOUT)
            finally:
                self.connection.abort()
        elif self.pid == os.getpid() and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.connection.abort)


async def _left(files: asyncssh.SFTPClient) -> None:
    files.exit()


async def _answered(client: SSHClient, what: str, question: Callable[[], Awaitable[T]]) -> T:
    async with _translated(client, what):
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await question()
        except TimeoutError as error:
            raise SSHTimeoutError(
                f"{client!r} did not answer within {ANSWER_TIMEOUT:g} s about {what}"
            ) from error


def _host_key_watch(lib: Any, host_keys: HostKeys, machine: str) -> Any:
    class Watch(lib.SSHClient):  # type: ignore[misc]
        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            return host_keys.allows(machine, _public(key))

    return Watch


def _public(key: asyncssh.SSHKey | None) -> str:
    assert key is not None
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


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
