"""Faults between a client and a cloud, as ASGI middleware around any cloud.

| action            | request carried out? | what the client gets                                     |
|-------------------|----------------------|----------------------------------------------------------|
| an int, `Answer`  | if `acted` is true   | that HTTP status, with the given headers and body        |
| `Slow(seconds)`   | at once              | the right response, late                                 |
| `"reset before"`  | no                   | a connection reset                                       |
| `"reset midway"`  | yes                  | half of the response, then a connection reset            |
| `"reset after"`   | yes                  | a connection reset                                       |
| `"truncate"`      | yes                  | a complete response with half of the body                |
| `"html"`          | no                   | an HTML page with status 200, as captive portals send    |
| `"garbage"`       | no                   | bytes that are neither text nor JSON, with status 200    |
| `"stall"`         | no                   | nothing, until the client or the sandbox ends the wait   |
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import IO, TYPE_CHECKING, Literal
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CHUNK = 1 << 20
"""Longer bodies are in a file."""

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class SeenRequest:
    """A request that the sandbox received.

    Attributes:
        method: "GET", "POST" ...
        path: the decoded path, without the query.
        query: the parameters of the query; the last one if a name is repeated.
        body: the body as text; of one of more than a MiB, the first MiB.
        headers: by lower-case name, without Authorization.
    """

    method: str
    path: str
    query: dict[str, str]
    body: str
    headers: dict[str, str] = field(repr=False)

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form-encoded body; the last one if a name is repeated."""
        return dict(parse_qsl(self.body, keep_blank_values=True))


@dataclass(frozen=True)
class _Reply:
    status: int
    headers: Headers
    body: bytes


class _Exchange:
    """One request: passes it to the cloud, sends a response, waits, resets the connection."""

    def __init__(self, app: ASGIApp, scope: Scope, body: IO[bytes], receive: Receive, send: Send) -> None:
        self._app, self._scope, self._body = app, scope, body
        self._receive, self._send = receive, send

    async def act(self) -> _Reply:
        """Have the cloud carry out the request; return its response without sending it."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(self._scope, self._replay(), send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return _Reply(sent[0]["status"], tuple(sent[0]["headers"]), body)

    def _replay(self) -> Receive:
        """Return what gives the cloud the body that has been received."""
        self._body.seek(0)

        async def receive() -> Message:
            chunk = self._body.read(_CHUNK)
            return {"type": "http.request", "body": chunk, "more_body": len(chunk) == _CHUNK}

        return receive

    async def forward(self) -> None:
        """Have the cloud carry out the request, and send a response of several messages as it comes."""
        held: list[Message] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.append(message)
                return
            start = held.pop() if held else None
            if start and not message.get("more_body"):
                await self.send(_Reply(start["status"], tuple(start["headers"]), message.get("body", b"")))
                return
            if start:
                await self._send(start)
            await self._send(message)

        await self._app(self._scope, self._replay(), send)

    async def send(self, reply: _Reply) -> None:
        await self._start(reply)
        await self._send({"type": "http.response.body", "body": reply.body})

    async def send_half(self, reply: _Reply) -> None:
        """Announce the full length of the body, send half of it, and reset the connection."""
        await self._start(reply)
        half = reply.body[: len(reply.body) // 2]
        await self._send({"type": "http.response.body", "body": half, "more_body": True})
        await self.reset()

    async def _start(self, reply: _Reply) -> None:
        length = b"%d" % len(reply.body)
        if self._scope["method"] == "HEAD":  # the response gives the length of a body that is not sent
            length = dict(reply.headers).get(b"content-length", length)
        headers = [(name, value) for name, value in reply.headers if name.lower() != b"content-length"]
        headers.append((b"content-length", length))
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})

    async def reset(self) -> None:
        """Reset the connection."""
        transport = self._scope["state"]["transport"]
        # With a linger time of 0, close() sends RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
        await self.wait()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the given time (None: forever), or until the client or the server ends the connection."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (await self._receive())["type"] != "http.disconnect":
                    pass


@dataclass(frozen=True)
class Answer:
    """Send this response in place of the cloud's.

    Attributes:
        status: the HTTP status, 200 to 599; ValueError for others.
        headers: the response's headers; Content-Length is added.
        body: text is sent as UTF-8.
        acted: whether the cloud carries out the request, as if a gateway had lost its response.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | bytes = b""
    acted: bool = False

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:  # noqa: PLR2004 - HTTP's final statuses
            raise ValueError(f"status must be from 200 to 599, got {self.status!r}")

    async def __call__(self, exchange: _Exchange) -> None:
        """Apply the fault to one request."""
        if self.acted:
            await exchange.act()
        headers = tuple(
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()
        )
        body = self.body.encode() if isinstance(self.body, str) else self.body
        await exchange.send(_Reply(self.status, headers, body))


@dataclass(frozen=True)
class Slow:
    """Carry out the request at once, and respond after a delay in seconds; ValueError if it is negative."""

    seconds: float

    def __post_init__(self) -> None:
        if not self.seconds >= 0:
            raise ValueError(f"seconds must be 0 or more, got {self.seconds!r}")

    async def __call__(self, exchange: _Exchange) -> None:
        """Apply the fault to one request."""
        if not self.seconds:
            await exchange.forward()
            return
        reply = await exchange.act()
        await exchange.wait(self.seconds)
        await exchange.send(reply)


async def _reset_before(exchange: _Exchange) -> None:
    await exchange.reset()


async def _reset_midway(exchange: _Exchange) -> None:
    await exchange.send_half(await exchange.act())


async def _reset_after(exchange: _Exchange) -> None:
    await exchange.act()
    await exchange.reset()


async def _truncate(exchange: _Exchange) -> None:
    reply = await exchange.act()
    await exchange.send(replace(reply, body=reply.body[: len(reply.body) // 2]))


async def _stall(exchange: _Exchange) -> None:
    await exchange.wait()


_PAGE = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Please sign in.</body></html>\n"

_Act = Callable[[_Exchange], Awaitable[None]]
_NAMED: dict[str, _Act] = {
    "reset before": _reset_before,
    "reset midway": _reset_midway,
    "reset after": _reset_after,
    "truncate": _truncate,
    "html": Answer(200, {"Content-Type": "text/html; charset=utf-8"}, _PAGE),
    "garbage": Answer(200, {"Content-Type": "application/json"}, bytes(range(256))),
    "stall": _stall,
}

Name = Literal["reset before", "reset midway", "reset after", "truncate", "html", "garbage", "stall"]
Action = int | Name | Answer | Slow


def _as_act(action: Action) -> _Act:
    if isinstance(action, int):
        return Answer(action)
    if isinstance(action, str):
        if action not in _NAMED:
            raise ValueError(f"unknown fault {action!r}: choose from {', '.join(_NAMED)}")
        return _NAMED[action]
    return action


@dataclass
class _Fault:
    act: _Act
    method: str | None
    path: str | None
    left: int | None

    def hits(self, request: SeenRequest) -> bool:
        """Return whether the fault applies to that request; if so, count it."""
        if self.left == 0 or self.method not in {None, request.method}:
            return False
        if self.path is not None and not fnmatchcase(request.path, self.path):
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """ASGI middleware that records requests, delays responses, and injects faults.

    Args:
        app: the cloud.
        latency: seconds that every response is delayed; ValueError if negative.

    The server must put a connection's transport into `scope["state"]["transport"]`.
    """

    def __init__(self, app: ASGIApp, latency: float = 0.0) -> None:
        self._app = app
        self._default = Slow(latency)
        self._faults: list[_Fault] = []
        self.requests: list[SeenRequest] = []

    def add(self, action: Action, method: str | None, path: str | None, times: int | None) -> None:
        """See `Sandbox.fault`."""
        if times is not None and times < 1:
            raise ValueError(f"times must be 1 or more, got {times!r}")
        self._faults.append(_Fault(_as_act(action), method and method.upper(), path, times))

    def clear(self) -> None:
        """Forget the faults and the requests."""
        self._faults.clear()
        self.requests.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        with tempfile.SpooledTemporaryFile(_CHUNK) as body:
            if not await _read(receive, body):
                return
            body.seek(0)
            request = _seen(scope, body.read(_CHUNK))
            self.requests.append(request)
            act = next((fault.act for fault in list(self._faults) if fault.hits(request)), self._default)
            await act(_Exchange(self._app, scope, body, receive, send))


async def _read(receive: Receive, body: IO[bytes]) -> bool:
    """Write the body to a file; return whether it is complete, as the client did not disconnect before."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        body.write(message.get("body", b""))
        if not message.get("more_body", False):
            return True


def _seen(scope: Scope, body: bytes) -> SeenRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    headers.pop("authorization", None)
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return SeenRequest(scope["method"], scope["path"], query, body.decode(errors="replace"), headers)
