"""Build a request: the URL, the headers and the body from what a driver passes to `Connection.request`.

Most paths and queries hold safe characters only and are sent as they are; `urllib.parse`, which takes 2 ms to
import and 5 µs a query, quotes the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from polycloud.errors import InvalidArgumentError
from polycloud.http.messages import Request
from polycloud.utils.values import shown

__all__ = [
    "build_request",
    "fixed_headers",
    "named_once",
    "quote_path",
    "quote_segment",
    "quoted",
    "require_arguments",
    "returned_dict",
    "url_prefix",
]

ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
PATH_SAFE = "/%:=&?~+!$,;'@()*-._"
IN_PATH = frozenset(ALPHANUMERIC + PATH_SAFE)
UNRESERVED = frozenset(ALPHANUMERIC + "-._~")
"""Characters that a query or a segment of a path holds as they are (RFC 3986, 2.3)."""
IN_HEADER_NAME = frozenset(ALPHANUMERIC + "!#$%&'*+.^_`|~-")
"""RFC 9110, 5.6.2."""
PLAIN_TYPES = frozenset({int, str})
BYTES = bytes | bytearray | memoryview
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


def quote_segment(text: object) -> str:
    """Percent-encode `text` as one segment of a path, with every character that could end the segment.

    Raises `InvalidArgumentError` for an empty text, `.` and `..`, which a server could resolve to another
    path.
    """
    segment = str(text)
    if segment in {"", ".", ".."}:
        raise InvalidArgumentError(f"{text!r} cannot be a path segment")
    return segment if UNRESERVED.issuperset(segment) else quoted(segment, "")


def build_request(
    method: str,
    address: str,
    query: Mapping[str, Any],
    headers: dict[str, str],
    data: Any,
    json: Any,
    *,
    json_text: bool,
    timeouts: tuple[float, float],
    deadline: float | None,
    stream: bool,
    idempotent: bool | None,
    transient: frozenset[int],
) -> Request:
    """Return the request.

    Args:
        method: The HTTP method, in any case.
        address: The URL without `query`, percent-encoded (`quote_path`).
        query: None is left out, a list becomes a repeated key.
        headers: All headers but the content type, which is added if they do not name one.
        data: The encoded body: bytes, text, a file, an iterable of bytes; a dict becomes a form.
        json: A body to encode as JSON instead of `data`.
        json_text: Declare text that begins as a JSON object or list as JSON.
        timeouts: The connect and read timeouts in seconds.
        deadline: A time of `time.monotonic()`, or None.
        stream: Leave the response's body unread.
        idempotent: Whether the request may be sent again; by default the method decides.
        transient: The provider's further transient statuses.

    Raises:
        InvalidArgumentError: A part cannot be sent.
    """
    if not isinstance(method, str) or not (method.isascii() and method.isalpha()):
        raise InvalidArgumentError(f"method must be a word such as GET, got {shown(method)}")
    method = method.upper()
    body, content_type = None, None
    if json is not None:
        body, content_type = _encode_json(json)
    elif data is not None:
        body, content_type = _encode_body(data, json_text)
    if content_type and "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = content_type
    _require_headers(headers)
    connect, read = timeouts
    return Request(
        method,
        _url(address, query),
        headers,
        body,
        connect,
        read,
        deadline,
        stream,
        method in REPEATABLE if idempotent is None else idempotent,
        None if body is None else _body_start(body),
        transient,
    )


def _url(address: str, query: Mapping[str, Any]) -> str:
    text = _form("params", query)
    if not text:
        return address
    return f"{address}{'&' if '?' in address else '?'}{text}"


def _encode_json(value: Any) -> tuple[bytes, str]:
    try:
        return msgspec.json.encode(value), JSON
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"json= cannot be encoded: {error}") from error


def _encode_body(data: Any, json_text: bool) -> tuple[Any, str | None]:
    if isinstance(data, Mapping):
        return _form("data", data).encode(), FORM
    if isinstance(data, BYTES):
        return bytes(data), None
    if isinstance(data, str):
        return data.encode(), JSON if json_text and data[:1] in {"{", "["} else None
    pieces = data if isinstance(data, list | tuple) else ()
    if not isinstance(data, Iterable) or not all(isinstance(piece, BYTES | str) for piece in pieces):
        raise InvalidArgumentError(
            f"data must be text, bytes, a dict, a file or an iterable of bytes, got {shown(data)}"
        )
    return data, None


def _body_start(body: Any) -> int | None:
    """Return the position in its file where a body begins; None if it cannot or need not be rewound."""
    if isinstance(body, bytes) or not hasattr(body, "seek"):
        return None
    try:
        return int(body.tell()) if body.seekable() else None
    except (OSError, ValueError):  # a pipe
        return None


def _require_headers(headers: Mapping[str, str]) -> None:
    try:
        values = "".join(headers.values())
        if values.isascii() and values.isprintable() and all(map(_is_token, headers)):
            return  # nearly always
    except TypeError:
        pass
    for name, value in headers.items():
        if not _is_token(name):
            message = f"a header's name must be a token such as X-Request-Id, got {shown(name)}"
            raise InvalidArgumentError(message)
        if not isinstance(value, str):
            raise InvalidArgumentError(f"header {name!r} must be a str, got {type(value).__name__}")
        if not value.isprintable() and any(character in value for character in "\r\n\0"):
            raise InvalidArgumentError(f"header {name!r} must not contain a line break or NUL")
        if not value.isascii():
            raise InvalidArgumentError(f"header {name!r} must be ASCII; percent-encode other characters")


@lru_cache(maxsize=256)
def _is_token(name: Any) -> bool:
    return isinstance(name, str) and bool(name) and IN_HEADER_NAME.issuperset(name)


def _form(argument: str, fields: Mapping[str, Any]) -> str:
    """Return a query or a form, percent-encoded; `argument` names the fields in errors."""
    parts = []
    try:
        for name, value in fields.items():
            if value is None:
                continue
            if type(value) not in PLAIN_TYPES or not UNRESERVED.issuperset(f"{name}{value}"):
                return _quoted_form(fields)
            parts.append(f"{name}={value}")
    except UnicodeEncodeError:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"{argument} cannot be sent: {error}") from None
    return "&".join(parts)


def _quoted_form(fields: Mapping[str, Any]) -> str:
    from urllib.parse import urlencode

    return urlencode({name: value for name, value in fields.items() if value is not None}, doseq=True)


def quote_path(path: str) -> str:
    """Percent-encode what cannot be in a path as it is; what is encoded already stays."""
    return path if IN_PATH.issuperset(path) else quoted(path, PATH_SAFE)


def quoted(text: str, safe: str) -> str:
    """Percent-encode `text` but for letters, digits, `_.-~` and what is `safe`.

    Raises `InvalidArgumentError` for text that UTF-8 cannot encode.
    """
    from urllib.parse import quote

    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"a URL needs text that UTF-8 can encode, got {shown(text)}") from None


@lru_cache(maxsize=256)
def url_prefix(secure: bool, host: str, port: int, request_path: str) -> str:
    """Return how the URLs of a connection begin; made once for each of the few places that requests go to."""
    scheme, default = ("https", 443) if secure else ("http", 80)
    name = f"[{host}]" if ":" in host else host
    place = name if port == default else f"{name}:{port}"
    return f"{scheme}://{place}{quote_path(request_path)}/"


@lru_cache(maxsize=256)
def fixed_headers(name: str | None, words: tuple[str, ...]) -> Mapping[str, str]:
    """Return the headers that are the same in all requests of a connection."""
    from polycloud.version import __version__

    agent = " ".join([f"polycloud/{__version__}", *([f"({name})"] if name else []), *words])
    return {"User-Agent": agent, "Accept-Encoding": "gzip, deflate"}


def require_arguments(action: Any, params: Any, headers: Any) -> None:
    """Raise `InvalidArgumentError` for arguments of another type than `Connection.request` takes."""
    if not isinstance(action, str):
        raise InvalidArgumentError(f"action must be a path such as /servers, got {shown(action)}")
    if params is not None:
        _require_names("params", params)
    if headers is not None:
        _require_names("headers", headers)


def _require_names(argument: str, value: Any) -> None:
    if not isinstance(value, (dict, Mapping)):
        raise InvalidArgumentError(f"{argument} must be a dict, got {shown(value)}")
    for name in value:
        if not isinstance(name, str):
            raise InvalidArgumentError(f"the names in {argument} must be str, got {shown(name)}")


def returned_dict(hook: str, value: Any) -> dict[str, Any]:
    """Return what a hook returned; forgetting the `return` is the usual mistake in one."""
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"{hook} must return a dict, got {shown(value)}")
    return value


def named_once(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without those that a later one of the same name, in any case, replaces."""
    last = {name.lower(): name for name in headers}
    return {name: headers[name] for name in last.values()}
