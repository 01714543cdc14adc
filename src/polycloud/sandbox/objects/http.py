"""Requests to an object store and their responses, over ASGI."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import formatdate, parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.requests import Request as Received

from polycloud.sandbox.objects.content import Content
from polycloud.sandbox.rest.bodies import Query

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        method: such as "GET".
        path: still percent-encoded.
        query: the parameters.
        headers: by lower-case name, as ISO 8859-1.
        content: the body.
        root: scheme and host of its address.
    """

    method: str
    path: str
    query: Query
    headers: Mapping[str, str]
    content: Content
    root: str

    @cached_property
    def body(self) -> bytes:
        """All bytes of the body."""
        return self.content.read()

    @cached_property
    def decoded(self) -> str:
        """The path, decoded; UnicodeDecodeError if that is not UTF-8."""
        return unquote(self.path, errors="strict")

    def prefixed(self, prefix: str) -> dict[str, str]:
        """Return the headers whose names begin with a prefix, without it."""
        return {
            name.removeprefix(prefix): value
            for name, value in self.headers.items()
            if name.startswith(prefix) and name != prefix
        }

    @property
    def is_read(self) -> bool:
        """Whether it asks for something and changes nothing."""
        return self.method in {"GET", "HEAD"}


@dataclass(frozen=True)
class Reply:
    """A response. The body of one to HEAD is not sent, but counted."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Content | bytes = b""


class Refusal(Exception):
    """A request is refused."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


async def serve(
    handle: Callable[[Request], Reply], scope: Scope, receive: Receive, send: Send, path: str = ""
) -> None:
    """Serve one request; `path` is what `handle` sees instead of the request's own."""
    received = Received(scope, receive)
    request = Request(
        method=received.method,
        path=path or scope["raw_path"].decode("latin-1"),
        query=Query.parse(scope["query_string"]),
        headers=received.headers,
        content=await Content.received(received.stream()),
        root=str(received.base_url).rstrip("/"),
    )
    try:
        reply = handle(request)
    except Refusal as refusal:
        reply = refusal.reply
    except UnicodeDecodeError:
        reply = Reply(400, {"content-type": "text/plain"}, b"The path or the body is not UTF-8.")
    await _send(reply, request, send)


async def _send(reply: Reply, request: Request, send: Send) -> None:
    body = reply.body if isinstance(reply.body, Content) else Content.of(reply.body)
    headers = {name.lower(): value for name, value in reply.headers.items()}
    if reply.status not in {204, 304}:
        headers.setdefault("content-length", str(body.size))
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
    chunks: Iterator[bytes] = iter(()) if request.method == "HEAD" else body.chunks()
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


# Dates, ranges and conditions (RFC 9110)


def http_date(seconds: float) -> str:
    """Return seconds since 1970 as a date of HTTP."""
    return formatdate(seconds, usegmt=True)


def parse_date(text: str | None) -> datetime | None:
    """Return a date of HTTP, None for what is none."""
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


def wanted_range(text: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte that a request asks for, and the one after the last; None for all bytes.

    Args:
        text: the header Range; several ranges, and what is no range, count as none.
        size: how many bytes there are.

    Raises:
        IndexError: the range begins after the last byte.
    """
    found = _RANGE.fullmatch((text or "").strip())
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if (first and last and int(last) < int(first)) or (not first and size == 0):
        return None
    if start >= size:
        raise IndexError(text)
    return start, end


def unmet(request: Request, etag: str | None, changed: float) -> int | None:
    """Return the status with which a request's conditions refuse it, None if they are met.

    Args:
        request: the request.
        etag: that of the object without quotes; None without an object.
        changed: when the object was changed, in seconds since 1970.
    """
    headers, seconds = request.headers, int(changed)
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    since, until = (parse_date(headers.get(f"if-{name}-since")) for name in ("modified", "unmodified"))
    if match is not None:
        if not _names(match, etag):
            return 412
    elif until and (etag is None or seconds > until.timestamp()):
        return 412
    if none_match is not None:
        if _names(none_match, etag):
            return 304 if request.is_read else 412
    elif since and etag is not None and seconds <= since.timestamp():
        return 304 if request.is_read else 412
    return None


def _names(header: str, etag: str | None) -> bool:
    """Return whether the header of a condition names an etag; `*` names every one."""
    named = {one.strip().removeprefix("W/").strip('"') for one in header.split(",")}
    return etag is not None and bool(named & {"*", etag})
