"""The runtime API of HAProxy: one command on a connection, text back until HAProxy closes it.

The API is made of lines, and `;` separates the commands of one, so `word` refuses names that would end a
command and begin another. HAProxy's messages begin with their level, which is asked for (`severity-output`):
without it, a refusal cannot be told from a result.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from polycloud.common.arguments import require_text
from polycloud.common.connection import Connection
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import current_call
from polycloud.errors import (
    ConflictError,
    ConnectError,
    Exchange,
    InvalidArgumentError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ProviderError,
    ProviderHTTPError,
    ReadTimeoutError,
    TLSError,
    TransportError,
)
from polycloud.utils.status import HTTPStatus
from polycloud.utils.values import shown

CHUNK = 65536
QUEUE_PAUSE = 0.01
"""Seconds until a connection is tried again that had no room in the queue."""
MESSAGE = re.compile(r"\[(\d)\]: ?(.*)", re.DOTALL)
"""A message with its level."""
ERROR = 3
"""Messages of this level and below are refusals; above it are warnings and notices."""
NAME = re.compile(r"[A-Za-z0-9_.:-]+")
HINTS = {
    "permission denied": "the socket must have the level admin",
    "unknown command": "give the stats socket, not that of the master process (-S)",
}
REFUSALS: tuple[tuple[str, type[ProviderHTTPError], int], ...] = (
    ("no such", NotFoundError, HTTPStatus.NOT_FOUND),
    ("can't find", NotFoundError, HTTPStatus.NOT_FOUND),
    ("already exists", ConflictError, HTTPStatus.CONFLICT),
    ("permission denied", ProviderHTTPError, HTTPStatus.FORBIDDEN),
)


class RuntimeConnection(Connection):
    """Sends commands to a HAProxy: over TCP or TLS to `host` and `port`, or to the UNIX socket at `path`."""

    host = "localhost"
    port = 9999
    timeout = 10.0
    path: str | None = None

    def __init__(self, secure: bool = False, *, path: str | None = None, **options: Any) -> None:
        super().__init__(secure, **options)
        if path is not None:
            self.path = require_text("path", path)

    def __repr__(self) -> str:
        where = self.path or f"{'tls' if self.secure else 'tcp'}://{self.host}:{self.port}"
        return f"<{type(self).__name__} {where}>"

    def show(self, command: str) -> str:
        """Return the text that a command prints. Raises what it is refused with."""
        return self._sent(command, changes=False)

    def change(self, command: str, *, before: str = "") -> str:
        """Carry out a command and return its message, after the command `before` on the same connection.

        Raises the error for a refusal: `NotFoundError`, `ConflictError` or another `ProviderHTTPError`.
        """
        return self._sent(command, changes=True, before=before)

    def _sent(self, command: str, *, changes: bool, before: str = "") -> str:
        line = f"set severity-output number;{before and before + ';'}{command}\n".encode()
        try:
            with self._limited(), _errors(Exchange(self._name(), "command", command)):
                return result(waiting.run(lambda: self._exchange(line)))
        except (ProviderError, TransportError) as error:
            error.changes = changes
            raise

    async def _exchange(self, line: bytes) -> str:
        connect, read = current_call().timeout or (self.connect_timeout, self.timeout)
        reader, writer = await self._open(connect)
        try:
            writer.write(line)
            if writer.can_write_eof():  # else the master process waits for further commands
                writer.write_eof()
            await writer.drain()
            received = bytearray()
            while chunk := await _read(reader, read):
                received += chunk
                if len(received) > self.body_limit:
                    raise MalformedResponseError(f"the response is longer than {self.body_limit} bytes")
        finally:
            writer.close()
        return received.decode(errors="replace")

    async def _open(self, limit: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(limit):
                if self.path is not None:
                    return await asyncio.open_unix_connection(sock=await _connected(self.path))
                context = self.transport_options.ssl_context() if self.secure else None
                return await asyncio.open_connection(self.host, self.port, ssl=context)
        except ssl.SSLError as error:
            raise TLSError(f"TLS failed: {error}") from error
        except TimeoutError as error:
            raise ConnectError(f"no connection within {limit:g} s") from error
        except OSError as error:
            raise ConnectError(f"the connection failed: {error}") from error


async def _read(reader: asyncio.StreamReader, limit: float) -> bytes:
    async with asyncio.timeout(limit):  # `wait_for` of Python 3.11 loses a cancellation that comes now
        return await reader.read(CHUNK)


async def _connected(path: str) -> socket.socket:
    """Return a connection to a UNIX socket, as soon as there is room for it in the socket's queue.

    HAProxy serves ten at a time. If its queue is full, connecting fails with EAGAIN, which asyncio takes for
    a connection that is in progress, and then loses what is written.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        while True:
            try:
                connection.connect(path)
            except BlockingIOError:
                await asyncio.sleep(QUEUE_PAUSE)
            else:
                return connection
    except BaseException:
        connection.close()
        raise


def word(name: object, what: str) -> str:
    """Return a name of HAProxy's.

    Raises `InvalidArgumentError` for text that no name can be, such as that with blanks or `;`.
    """
    if isinstance(name, str) and NAME.fullmatch(name):
        return name
    raise InvalidArgumentError(f"{what} must be made of ASCII letters, digits and -_.:, got {shown(name)}")


def result(text: str) -> str:
    """Return what a command printed, without the level of a message. Raises the error for a refusal."""
    if not text.endswith("\n"):
        raise TransportError("the connection ended before the response did")
    printed = text.strip("\n")
    message = MESSAGE.match(printed)
    if message is None:
        if printed.startswith("Unknown command") or "Permission denied" in printed[:40]:
            raise _refusal(printed)
        return printed
    level, said = int(message[1]), message[2].strip()
    if level <= ERROR or said.startswith("Unknown command"):
        raise _refusal(said)
    return said


def _refusal(said: str) -> ProviderHTTPError:
    """Return the error for the first line of a refusal."""
    first = said.partition("\n")[0]
    hint = next((hint for words, hint in HINTS.items() if words in first.lower()), None)
    message = first if hint is None else f"{first}; {hint}"
    for words, kind, code in REFUSALS:
        if words in first.lower():
            return kind(code, message)
    return ProviderHTTPError(HTTPStatus.BAD_REQUEST, message)


@contextmanager
def _errors(exchange: Exchange) -> Iterator[None]:
    """Raise errors of the network as ours, with the command."""
    try:
        yield
    except PolycloudError as error:
        error.locate(exchange)
        raise
    except TimeoutError as error:
        raise ReadTimeoutError("HAProxy did not respond in time").locate(exchange) from error
    except OSError as error:
        raise TransportError(f"the connection broke: {error}").locate(exchange) from error
