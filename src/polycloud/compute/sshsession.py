"""The asynchronous part of `SSHClient`: its connection, its commands, time limits and errors.

The coroutines here run on the event loop that asyncssh's connection belongs to: the caller's loop inside
`polycloud.aio`, else a private one on another thread. asyncssh's objects may be used only there, so a `Link`
keeps a connection with its loop and process, and `SSHClient` refuses to use it elsewhere.

A running `Command` has a task for each output stream. Both tasks put what they read into one bounded queue,
from which the caller takes it (`pieces`). So `on_output` runs in the caller's thread, and if the caller is
slow the command is slowed down, and output does not pile up in memory. Each stream has a decoder of its own:
asyncssh has one for both, which would mix up characters whose bytes arrive in two pieces.
"""

from __future__ import annotations

import asyncio
import io
import os
import time
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from polycloud.compute.keys import import_asyncssh
from polycloud.compute.types import (
    SSHCommandTimeoutError,
    SSHConnectionLostError,
    SSHError,
    SSHFileError,
    SSHOutputLimitError,
    SSHTimeoutError,
)

if TYPE_CHECKING:
    import asyncssh

T = TypeVar("T")
CHUNK = 65536
QUEUED_CHUNKS = 32
OUTPUT_LIMIT = 256 * 1024 * 1024
"""Characters of a command's output, or bytes of a file, that are kept at most."""
RESPONSE_TIMEOUT = 60.0
"""Seconds for one response of the server; the commands themselves have timeouts of their own."""
CLOSE_TIMEOUT = 3.0


class CommandResult(NamedTuple):
    """The result of a command: its output as text, and its exit status (-1 if a signal ended it)."""

    stdout: str
    stderr: str
    exit_status: int


class Link(NamedTuple):
    """A connection with the event loop and the process that it can be used in."""

    connection: asyncssh.SSHClientConnection
    loop: asyncio.AbstractEventLoop
    pid: int

    def is_usable(self) -> bool:
        """Return whether the connection belongs to the running loop of this process."""
        return self.loop is asyncio.get_running_loop() and self.pid == os.getpid()

    async def close(self) -> None:
        """Close the connection; if it belongs to another loop, abort it there."""
        if self.is_usable():
            self.connection.close()
            try:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.connection.wait_closed(), CLOSE_TIMEOUT)
            finally:
                self.connection.abort()
        elif self.pid == os.getpid() and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.connection.abort)


class Command:
    """A command of `client` (its name in messages): `start`, then `pieces` until empty, `result`, `end`."""

    def __init__(self, client: str, cmd: str, timeout: float | None) -> None:
        self.client = client
        self.cmd = cmd
        self.timeout = timeout
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.output = {"stdout": io.StringIO(), "stderr": io.StringIO()}
        self.size = 0
        self.process: asyncssh.SSHClientProcess[bytes] | None = None
        self.readers: list[asyncio.Future[None]] = []

    async def start(self, connection: Callable[[], asyncssh.SSHClientConnection]) -> None:
        """Start the command on the connection, and the tasks that read its output."""

        def create() -> Awaitable[asyncssh.SSHClientProcess[bytes]]:
            return connection().create_process(self.cmd, encoding=None)

        self.process = await self._within_timeout(await_response(self.client, repr(self.cmd), create))
        self.queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue(QUEUED_CHUNKS)
        self.readers = [
            asyncio.ensure_future(self._read("stdout", self.process.stdout)),
            asyncio.ensure_future(self._read("stderr", self.process.stderr)),
        ]

    async def _read(self, stream: str, reader: asyncssh.SSHReader[bytes]) -> None:
        decoder = getincrementaldecoder("utf-8")("replace")
        try:
            while data := await reader.read(CHUNK):
                await self.queue.put((stream, decoder.decode(data)))
        except Exception:
            await self.queue.put((stream, ""))  # wakes up `pieces`
            raise
        await self.queue.put((stream, decoder.decode(b"", final=True)))

    async def pieces(self) -> list[tuple[str, str]]:
        """Return the output since the last call, waiting for some; an empty list at the end."""
        pieces: list[tuple[str, str]] = []
        while not pieces and not self._at_end():
            stream, text = await self._within_timeout(self.queue.get())
            if text:
                pieces.append((stream, text))
                self.output[stream].write(text)
                self.size += len(text)
        if self.size > OUTPUT_LIMIT:
            raise SSHOutputLimitError(
                f"{self.cmd!r} printed more than {OUTPUT_LIMIT:,} characters and was ended"
            )
        return pieces

    def _at_end(self) -> bool:
        return self.queue.empty() and all(reader.done() for reader in self.readers)

    async def result(self) -> CommandResult:
        """Return the result, once `pieces` has returned everything."""
        assert self.process is not None
        async with _translated_errors(self.client, repr(self.cmd)):
            for reader in self.readers:
                reader.result()
            await self._within_timeout(self.process.wait_closed())
        if self.process.exit_status is None and self.process.exit_signal is None:
            raise SSHConnectionLostError(
                f"{self.client} was lost while it ran {self.cmd!r}; is it rebooting?"
            )
        status = -1 if self.process.exit_status is None else self.process.exit_status
        return CommandResult(*self._printed(), status)

    def _printed(self) -> tuple[str, str]:
        return self.output["stdout"].getvalue(), self.output["stderr"].getvalue()

    async def _within_timeout(self, awaitable: Awaitable[T]) -> T:
        limit = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        try:
            return await asyncio.wait_for(asyncio.ensure_future(awaitable), limit)
        except TimeoutError:
            raise SSHCommandTimeoutError(self.cmd, self.timeout, *self._printed()) from None

    async def end(self) -> None:
        """Kill the command if it still runs, and close its channel."""
        for reader in self.readers:
            reader.cancel()
        if self.process is None:
            return
        if self.process.exit_status is None and not self.process.is_closing():
            self.process.kill()
        self.process.close()


async def await_response(client: str, subject: str, send: Callable[[], Awaitable[T]]) -> T:
    """Call `send` and return the server's response, within `RESPONSE_TIMEOUT`.

    `client` and `subject` are for messages. Raises `SSHTimeoutError`, and asyncssh's errors as `SSHError`s.
    """
    async with _translated_errors(client, subject):
        try:
            async with asyncio.timeout(RESPONSE_TIMEOUT):
                return await send()
        except TimeoutError as error:
            raise SSHTimeoutError(
                f"{client} sent no response about {subject} within {RESPONSE_TIMEOUT:g} s"
            ) from error


async def exit_sftp(files: asyncssh.SFTPClient) -> None:
    """End an SFTP session."""
    files.exit()


@asynccontextmanager
async def _translated_errors(client: str, subject: str) -> AsyncIterator[None]:
    """Raise asyncssh's errors as our own."""
    lib = import_asyncssh()
    try:
        yield
    except (lib.SFTPConnectionLost, lib.SFTPNoConnection, lib.ConnectionLost, lib.DisconnectError) as error:
        raise SSHConnectionLostError(f"{client} was lost at {subject}; is it rebooting? {error}") from error
    except lib.SFTPError as error:
        raise SSHFileError(f"{subject} on {client}: {error}") from error
    except (lib.Error, OSError, UnicodeError) as error:
        raise SSHError(f"{client} refused {subject}: {error}") from error
