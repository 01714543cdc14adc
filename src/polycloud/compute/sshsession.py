"""The asynchronous part of `SSHClient`: its connection, its commands, time limits and errors.

The coroutines here run on the event loop that asyncssh's connection belongs to: the caller's loop inside
`polycloud.aio`, else a private one on another thread. asyncssh's objects may be used only there, so a `Link`
keeps a connection with its loop and process, and `SSHClient` refuses to use it elsewhere.

A running `Command` has a `_Channel`, which collects what arrives until the caller takes it (`pieces`). So
`on_output` runs in the caller's thread; and if the caller is slow, the channel stops reading and the command
is slowed down, instead of output piling up in memory.

A command has ended when the server sends its exit status. Its output need not end then: a process that it
left in the background holds the pipes open, for as long as it lives. So what follows the exit status is
awaited for a short time only: until the output ends, or pauses for `GRACE_PAUSE` seconds, or a budget of time
is used up, which grows with the output that still arrives (over a slow line there may be a lot of it).

Time limits are set by `asyncio.timeout`: `wait_for` of Python 3.11 loses a cancellation that comes at the
moment in which what it awaits has ended.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import time
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

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
HELD_BYTES = 32 * CHUNK
OUTPUT_LIMIT = 256 * 1024 * 1024
"""Characters of a command's output, or bytes of a file, that are kept at most."""
RESPONSE_TIMEOUT = 60.0
"""Seconds for one response of the server; the commands themselves have timeouts of their own."""
CLOSE_TIMEOUT = 3.0
GRACE_PAUSE = 0.5
GRACE_TIME = 2.0
GRACE_SPEED = 10_000
"""Bytes that extend the grace time by a second; up to `GRACE_BYTES` of them."""
GRACE_BYTES = 4 * 1024 * 1024


class CommandResult(NamedTuple):
    """The result of a command: its output as text, and its exit status (-1 if a signal ended it)."""

    stdout: str
    stderr: str
    exit_status: int


class Link(NamedTuple):
    """A connection, with those to jump hosts that carry it, and the loop and process to use it in."""

    connection: asyncssh.SSHClientConnection
    jumps: Sequence[asyncssh.SSHClientConnection]
    is_lost: Callable[[], bool]
    loop: asyncio.AbstractEventLoop
    pid: int

    def is_usable(self) -> bool:
        """Return whether the connection belongs to the running loop of this process."""
        return self.loop is asyncio.get_running_loop() and self.pid == os.getpid()

    async def close(self) -> None:
        """Close the connections; if they belong to another loop, abort them there."""
        if self.is_usable():
            await close_all([self.connection, *reversed(self.jumps)])
        elif self.pid == os.getpid() and not self.loop.is_closed():
            for connection in (self.connection, *reversed(self.jumps)):
                self.loop.call_soon_threadsafe(connection.abort)


async def close_all(connections: Sequence[asyncssh.SSHClientConnection]) -> None:
    """Close connections one after another, each within `CLOSE_TIMEOUT`."""
    try:
        for connection in connections:
            connection.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await connection.wait_closed()
    finally:
        for connection in connections:
            connection.abort()


class _Channel:
    """What asyncssh reports of one command's channel (an `asyncssh.SSHClientSession`)."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.held = 0
        self.late = 0
        self.status: int | None = None
        self.ended = False
        self.changed = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self.chan = chan

    def session_started(self) -> None:
        """Nothing to do: the request for the command has its own response."""

    def xon_xoff_requested(self, client_can_do: bool) -> None:
        """Nothing to do: there is no terminal."""

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.received.append(("stderr" if datatype else "stdout", data))
        self.held += len(data)
        self.late += len(data) if self.status is not None else 0
        if self.held > HELD_BYTES:
            self.chan.pause_reading()
        self.changed.set()

    def take(self) -> list[tuple[str, bytes]]:
        """Return what has arrived, and let more come."""
        received, self.received, self.held = self.received, [], 0
        self.changed.clear()
        self.chan.resume_reading()
        return received

    def exit_status_received(self, status: int) -> None:
        self.status = status
        self.changed.set()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.exit_status_received(-1)

    def eof_received(self) -> bool:
        self.ended = True
        self.changed.set()
        return True  # the exit status may still come

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.ended = True
        if self.status is None:
            self.status = LOST
        self.changed.set()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    closed = False


LONGEST_PREFACE = CHUNK
"""Characters that a login shell may print before its command runs."""
LOST = -2
"""The exit status of a command whose channel was closed without one."""


class Command:
    """A command of `client` (its name in messages): `start`, then `pieces` until empty, `result`, `end`.

    `stdin` is sent to it; then its input is at its end, unless `more_input` is to follow (`write`,
    `write_eof`). `shown` is the command in messages. If `cmd` begins with `tracked(mark)`, `group` becomes
    the process group that it runs in.
    """

    def __init__(
        self,
        client: str,
        cmd: str,
        timeout: float | None = None,
        *,
        stdin: bytes = b"",
        more_input: bool = False,
        shown: str | None = None,
        mark: str | None = None,
    ) -> None:
        self.client = client
        self.cmd = cmd
        self.shown = cmd if shown is None else shown
        self.timeout = timeout
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.output = {"stdout": io.StringIO(), "stderr": io.StringIO()}
        self.size = 0
        self.group: int | None = None
        self._mark = mark
        self._unmarked = ""
        self._stdin = stdin
        self._more_input = more_input
        self._decoders = {stream: getincrementaldecoder("utf-8")("replace") for stream in self.output}
        self._channel: _Channel | None = None
        self._waited = 0.0

    async def start(self, connection: Callable[[], asyncssh.SSHClientConnection]) -> None:
        """Start the command on the connection."""

        async def create() -> _Channel:
            channel = _Channel()
            await connection().create_session(cast("Any", lambda: channel), self.cmd, encoding=None)
            return channel

        self._channel = await self._within_timeout(await_response(self.client, repr(self.shown), create))
        if self._stdin:
            await self.write(self._stdin)
        if not self._more_input:
            await self.write_eof()

    async def write(self, data: bytes) -> None:
        """Send `data` to the command's input, once it takes more."""
        channel = self._open_channel()
        async with translated_errors(self.client, repr(self.shown)):
            await self._within_timeout(channel.writable.wait())
            if not channel.closed:
                channel.chan.write(data)

    async def write_eof(self) -> None:
        """End the command's input."""
        channel = self._open_channel()
        if not channel.closed:
            async with translated_errors(self.client, repr(self.shown)):
                channel.chan.write_eof()

    def _open_channel(self) -> _Channel:
        assert self._channel is not None
        return self._channel

    async def data(self) -> list[tuple[str, bytes]]:
        """Return the bytes that arrived since the last call, waiting for some; an empty list at the end."""
        channel = self._open_channel()
        while not channel.received and not self._at_end(channel):
            await self._changed(channel)
        received = channel.take()
        self.size += sum(len(data) for _, data in received)
        if self.size > OUTPUT_LIMIT:
            raise SSHOutputLimitError(
                f"{self.shown!r} printed more than {OUTPUT_LIMIT:,} characters and was ended"
            )
        return received

    async def pieces(self) -> list[tuple[str, str]]:
        """Return the output since the last call as text, waiting for some; an empty list at the end."""
        pieces: list[tuple[str, str]] = []
        while not pieces:
            received = await self.data()
            texts = [(stream, self._decoders[stream].decode(data)) for stream, data in received]
            if not received:
                texts = [(stream, one.decode(b"", final=True)) for stream, one in self._decoders.items()]
            texts = [(stream, self._after_mark(stream, text, final=not received)) for stream, text in texts]
            pieces = [(stream, text) for stream, text in texts if text]
            for stream, text in pieces:
                self.output[stream].write(text)
            if not received:
                break
        return pieces

    def _after_mark(self, stream: str, text: str, *, final: bool) -> str:
        """Take the line that tells the process group out of the beginning of stdout."""
        if stream != "stdout" or self._mark is None:
            return text
        self._unmarked += text
        found = re.search(rf"^{self._mark} (\d+)\r?\n", self._unmarked, re.MULTILINE)
        if found is None and not final and len(self._unmarked) <= LONGEST_PREFACE:
            return ""
        text, self._unmarked, self._mark = self._unmarked, "", None
        if found is None:
            return text
        self.group = int(found[1])
        return text[: found.start()] + text[found.end() :]

    def _at_end(self, channel: _Channel) -> bool:
        if channel.closed or (channel.ended and channel.status is not None):
            return True
        return channel.status is not None and self._grace(channel) <= 0

    def _grace(self, channel: _Channel) -> float:
        """Return the seconds for which output is still awaited after the exit status."""
        return GRACE_TIME + min(channel.late, GRACE_BYTES) / GRACE_SPEED - self._waited

    async def _changed(self, channel: _Channel) -> None:
        if channel.status is None:
            await self._within_timeout(channel.changed.wait())
            channel.changed.clear()
            return
        began = time.monotonic()
        try:
            async with asyncio.timeout(min(GRACE_PAUSE, self._grace(channel))):
                await channel.changed.wait()
            channel.changed.clear()
        except TimeoutError:
            channel.ended = True  # nothing more is awaited
        self._waited += time.monotonic() - began

    async def result(self) -> CommandResult:
        """Return the result, once `pieces` has returned everything."""
        channel = self._open_channel()
        assert channel.status is not None
        if channel.status == LOST:
            raise SSHConnectionLostError(
                f"{self.client} was lost while it ran {self.shown!r}; is it rebooting?"
            )
        return CommandResult(*self._printed(), channel.status)

    def _printed(self) -> tuple[str, str]:
        return self.output["stdout"].getvalue(), self.output["stderr"].getvalue()

    async def _within_timeout(self, awaitable: Awaitable[T]) -> T:
        limit = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        try:
            async with asyncio.timeout(limit):
                return await awaitable
        except TimeoutError:
            raise SSHCommandTimeoutError(self.shown, self.timeout, *self._printed()) from None

    def has_exited(self) -> bool:
        """Return whether the command has ended, or never began."""
        return self._channel is None or self._channel.status is not None

    async def end(self) -> None:
        """Kill the command if it still runs, and close its channel."""
        channel = self._channel
        if channel is None or channel.closed:
            return
        with suppress(OSError):
            if channel.status is None:
                channel.chan.kill()
            channel.chan.close()
        channel.take()  # what is still to come is not for anybody


def tracked(mark: str) -> str:
    """Return the beginning of a command that tells its process group, after `mark`, on a line of stdout.

    The group is the pid of the login shell, which the server made the leader of a session.
    """
    return f"sh -c 'echo {mark} $PPID'; "


async def await_response(client: str, subject: str, send: Callable[[], Awaitable[T]]) -> T:
    """Call `send` and return the server's response, within `RESPONSE_TIMEOUT`.

    `client` and `subject` are for messages. Raises `SSHTimeoutError`, and asyncssh's errors as `SSHError`s.
    """
    async with translated_errors(client, subject):
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
async def translated_errors(client: str, subject: str) -> AsyncIterator[None]:
    """Raise asyncssh's errors as our own."""
    lib = import_asyncssh()
    try:
        yield
    except (lib.SFTPConnectionLost, lib.SFTPNoConnection, lib.ConnectionLost, lib.DisconnectError) as error:
        raise _lost(client, subject, error) from error
    except ConnectionError as error:
        raise _lost(client, subject, error) from error
    except lib.ChannelOpenError as error:
        if "connection closed" in error.reason:  # asyncssh's words
            raise _lost(client, subject, error) from error
        raise SSHError(f"{client} refused {subject}: {error}") from error
    except lib.SFTPError as error:
        raise SSHFileError(f"{subject} on {client}: {error}") from error
    except (lib.Error, OSError, UnicodeError) as error:
        raise SSHError(f"{client} refused {subject}: {error}") from error


def _lost(client: str, subject: str, error: Exception) -> SSHConnectionLostError:
    return SSHConnectionLostError(f"{client} was lost at {subject}; is it rebooting? {error}")
