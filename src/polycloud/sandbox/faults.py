"""What can go wrong between a program and a cloud, as ASGI middleware around any cloud.

| action            | does the cloud act? | what the caller gets                                         |
|-------------------|---------------------|--------------------------------------------------------------|
| an int, `Answer`  | only if told to     | that HTTP status, with headers and a body if given           |
| `Slow(seconds)`   | at once             | the right answer, late                                       |
| `"reset before"`  | no                  | a connection reset                                           |
| `"reset midway"`  | yes                 | half of the answer, then a connection reset                  |
| `"reset after"`   | yes                 | a connection reset                                           |
| `"truncate"`      | yes                 | a complete HTTP answer with half of the body                 |
| `"html"`          | no                  | an HTML page with status 200, as captive portals give        |
| `"garbage"`       | no                  | bytes that are neither text nor JSON, with status 200        |
| `"stall"`         | no                  | nothing, until the caller gives up or the sandbox stops      |
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class SeenRequest:
    """A request as the sandbox saw it.

    Attributes:
        method: "GET", "POST" ...
        path: the decoded path, without the query.
        query: the parameters of the query; of a repeated one the last.
        body: the body as text.
        headers: by lower-case name, without Authorization.
    """

    method: str
    path: str
    query: dict[str, str]
    body: str
    headers: dict[str, str] = field(repr=False)

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form-encoded body; of a repeated one the last."""
        return dict(parse_qsl(self.body, keep_blank_values=True))


@dataclass(frozen=True)
class _Reply:
    status: int
    headers: Headers
    body: bytes


class _Exchange:
    """One request, and the things that can be done with it."""

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        self._app, self._scope, self._body = app, scope, body
        self._receive, self._send = receive, send

    async def act(self) -> _Reply:
        """Let the cloud carry out the request."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": self._body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(self._scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return _Reply(sent[0]["status"], tuple(sent[0]["headers"]), body)

    async def answer(self, reply: _Reply) -> None:
        await self._start(reply)
        await self._send({"type": "http.response.body", "body": reply.body})

    async def answer_half(self, reply: _Reply) -> None:
        """Promise the whole body, send half of it, and cut the connection."""
        await self._start(reply)
        half = reply.body[: len(reply.body) // 2]
        await self._send({"type": "http.response.body", "body": half, "more_body": True})
        await self.reset()

    async def _start(self, reply: _Reply) -> None:
        headers = [(name, value) for name, value in reply.headers if name.lower() != b"content-length"]
        headers.append((b"content-length", b"%d" % len(reply.body)))
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})

    async def reset(self) -> None:
        """Cut the connection at once, without a goodbye."""
        transport = self._scope["state"]["transport"]
        # Without lingering, close() sends a reset and not the ordinary end of a stream.
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
        await self.wait()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait so long (None: for ever), or until the connection ends, be it by the caller or by a stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (await self._receive())["type"] != "http.disconnect":
                    pass


@dataclass(frozen=True)
class Answer:
    """Answer with this in the cloud's place.

    Attributes:
        status: the HTTP status, 200 to 599; ValueError for others.
        headers: as given; Content-Length comes by itself.
        body: text is sent as UTF-8.
        acted: whether the cloud carries out the request all the same, as if a gateway had lost its answer.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | bytes = b""
    acted: bool = False

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:  # noqa: PLR2004 - HTTP's final statuses
            raise ValueError(f"status must be from 200 to 599, not {self.status!r}")

    async def __call__(self, exchange: _Exchange) -> None:
        """Do so."""
        if self.acted:
            await exchange.act()
        headers = tuple(
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()
        )
        body = self.body.encode() if isinstance(self.body, str) else self.body
        await exchange.answer(_Reply(self.status, headers, body))


@dataclass(frozen=True)
class Slow:
    """Act at once, answer after so many seconds; ValueError if they are negative."""

    seconds: float

    def __post_init__(self) -> None:
        if not self.seconds >= 0:
            raise ValueError(f"seconds must be 0 or more, not {self.seconds!r}")

    async def __call__(self, exchange: _Exchange) -> None:
        """Do so."""
        reply = await exchange.act()
        if self.seconds:
            await exchange.wait(self.seconds)
        await exchange.answer(reply)


async def _reset_before(exchange: _Exchange) -> None:
    await exchange.reset()


async def _reset_midway(exchange: _Exchange) -> None:
    await exchange.answer_half(await exchange.act())


async def _reset_after(exchange: _Exchange) -> None:
    await exchange.act()
    await exchange.reset()


async def _truncate(exchange: _Exchange) -> None:
    reply = await exchange.act()
    await exchange.answer(replace(reply, body=reply.body[: len(reply.body) // 2]))


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
        """Whether this fault is for that request; if so, one of its times is used up."""
        if self.left == 0 or self.method not in {None, request.method}:
            return False
        if self.path is not None and not fnmatchcase(request.path, self.path):
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """ASGI middleware that keeps what was asked, delays every answer, and injects faults.

    Args:
        app: the cloud.
        latency: seconds from the cloud's act to its answer; ValueError if negative.

    It must run on a server that puts a connection's transport into `scope["state"]["transport"]`.
    """

    def __init__(self, app: ASGIApp, latency: float = 0.0) -> None:
        self._app = app
        self._usual = Slow(latency)
        self._faults: list[_Fault] = []
        self.requests: list[SeenRequest] = []

    def add(self, action: Action, method: str | None, path: str | None, times: int | None) -> None:
        """See `Sandbox.fault`."""
        if times is not None and times < 1:
            raise ValueError(f"times must be 1 or more, not {times!r}")
        self._faults.append(_Fault(_as_act(action), method and method.upper(), path, times))

    def clear(self) -> None:
        """Forget the faults and the requests."""
        self._faults.clear()
        self.requests.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        body = await _read(receive)
        if body is None:
            return
        request = _seen(scope, body)
        self.requests.append(request)
        act = next((fault.act for fault in list(self._faults) if fault.hits(request)), self._usual)
        await act(_Exchange(self._app, scope, body, receive, send))


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None if the caller went away over it."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _seen(scope: Scope, body: bytes) -> SeenRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    headers.pop("authorization", None)
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return SeenRequest(scope["method"], scope["path"], query, body.decode(errors="replace"), headers)
