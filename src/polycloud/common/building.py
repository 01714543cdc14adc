"""Turn what drivers pass to `Connection.request` into the parts of a request: URL, headers, body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from polycloud.errors import InvalidArgumentError

__all__ = [
    "body_start",
    "encode_body",
    "encode_json",
    "encode_url",
    "quote_segment",
    "require_headers",
    "require_method",
]

METHOD = re.compile(r"[A-Za-z]+")
PATH_SAFE = "/%:=&?~+!$,;'@()*-._"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def quote_segment(text: object) -> str:
    """Percent-encode `text` as one segment of a path, including every character that could end the segment.

    Raises `InvalidArgumentError` for an empty text, `.` and `..`, which a server could resolve to another
    path.
    """
    quoted = quote(str(text), safe="")
    if quoted in {"", ".", ".."}:
        raise InvalidArgumentError(f"{text!r} cannot be a path segment")
    return quoted


def require_method(method: str) -> str:
    """Return the HTTP method in upper case. Raises `InvalidArgumentError` if it is not a word."""
    if not METHOD.fullmatch(method):
        raise InvalidArgumentError(f"method must be a word such as GET, got {method!r}")
    return method.upper()


def encode_url(origin: str, path: str, query: Mapping[str, Any]) -> str:
    """Return a URL: `path` is percent-encoded where it is not yet, None is left out of the query."""
    path = quote(path, safe=PATH_SAFE)
    text = _form(query)
    if not text:
        return origin + path
    return f"{origin}{path}{'&' if '?' in path else '?'}{text}"


def encode_json(value: Any) -> tuple[bytes, str]:
    """Return a JSON body and its content type."""
    try:
        return msgspec.json.encode(value), JSON
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"json= cannot be encoded: {error}") from error


def encode_body(data: Any, *, json_text: bool) -> tuple[Any, str | None]:
    """Return a body and its content type (None: the driver sets one, or it needs none).

    A dict becomes a form. With `json_text`, text that begins as a JSON object or list is declared as JSON.
    """
    if isinstance(data, Mapping):
        return _form(data).encode(), FORM
    if isinstance(data, str):
        return data.encode(), JSON if json_text and data[:1] in {"{", "["} else None
    if data is not None and not isinstance(data, bytes) and not isinstance(data, Iterable):
        raise InvalidArgumentError(
            f"data must be text, bytes, a dict, a file or an iterable of bytes, got {data!r}"
        )
    return data, None


def body_start(body: Any) -> int | None:
    """Return the position in its file where a body begins; None if it cannot or need not be rewound."""
    if isinstance(body, bytes | None) or not hasattr(body, "seek"):
        return None
    try:
        return int(body.tell()) if body.seekable() else None
    except (OSError, ValueError):  # a pipe
        return None


def require_headers(headers: Mapping[str, str]) -> None:
    """Raise `InvalidArgumentError` for a header that cannot be sent as it is."""
    for name, value in headers.items():
        if not isinstance(value, str):
            raise InvalidArgumentError(f"header {name!r} must be a str, got {type(value).__name__}")
        if any(character in f"{name}{value}" for character in "\r\n\0"):
            raise InvalidArgumentError(f"header {name!r} must not contain a line break or NUL")
        if not f"{name}{value}".isascii():
            raise InvalidArgumentError(f"header {name!r} must be ASCII; percent-encode other characters")


def _form(fields: Mapping[str, Any]) -> str:
    return urlencode({name: value for name, value in fields.items() if value is not None}, doseq=True)
