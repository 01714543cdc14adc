"""One recorded exchange, and its file.

A file has one request and the response to it::

    {
        "request": {"method": "GET", "path": "/server/cloud/", "query": {"page": "1"}},
        "response": {"status": 200, "body": {"success": true, "data": []}},
    }

Request:
    ``method``, ``path``: required. The path begins with ``/``; its percent-encoding is optional.
    ``query``: names to a value or a list of values. Without it any query matches; ``{}`` is an empty one.
    ``headers``: names to the values that must have been sent; other headers do not matter.
    ``body`` (JSON; ``null`` if empty), ``form``, ``text`` or ``base64``: without one any body matches.

Response:
    ``status``: required, 200 to 599. ``headers``: names to values.
    ``body`` (JSON), ``text`` or ``base64``: without one the response is empty.

Two words stand for text that is different each time, alone or within another text:

``REDACTED``: in a request any text, and alone in JSON any value.
``{{name}}``: in a request any text, which is captured under that name; in a response the text that was
    captured last. In base64 and in the names of headers it is text like any other.

For a driver that generates a name and later searches for it, there are two such files::

    {"request": {"method": "POST", "path": "/server/", "form": {"name": "{{node_name}}"}}, "response": ...}
    {"request": ..., "response": {"status": 200, "body": [{"id": 7, "name": "{{node_name}}"}]}}
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from polycloud.testing.loopback import NO_BODY, Answer
from polycloud.tracing.debugfile import RECORD
from polycloud.tracing.redaction import REDACTED

__all__ = [
    "CAPTURE",
    "REDACTED",
    "Exchange",
    "Fields",
    "FixtureError",
    "RecordedRequest",
    "RecordedResponse",
    "read_exchange",
    "read_records",
    "write_exchange",
]

CAPTURE = re.compile(r"\{\{(\w+)\}\}")
"""The placeholder of a text that a request generates and later responses repeat."""

Fields = dict[str, str | list[str]]
# http.server can send nothing else: it writes headers as Latin-1 lines
Headers = dict[
    Annotated[str, Meta(pattern=r"\A[\w!#$%&'*+.^`|~-]+\Z")],
    Annotated[str, Meta(pattern=r"\A[\t\x20-\xff]*\Z")],
]

_CONTENT_TYPES = {
    "body": "application/json",
    "text": "text/plain; charset=utf-8",
    "base64": "application/octet-stream",
}


class FixtureError(ValueError):
    """An exchange file cannot be used; the message begins with ``file:line:column:``."""


class _Content(Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The common part of requests and responses: headers and at most one kind of body."""

    headers: Headers = {}
    body: Any = UNSET
    text: str | UnsetType = UNSET
    base64: bytes | UnsetType = UNSET

    kinds: ClassVar[tuple[str, ...]] = ("body", "text", "base64")
    texts: ClassVar[tuple[str, ...]] = ("body", "text")

    @property
    def kind(self) -> str | None:
        """The name of the field that holds the body."""
        return next((kind for kind in self.kinds if getattr(self, kind) is not UNSET), None)

    def with_texts(self, change: Callable[[str], str]) -> Self:
        """Return a copy with every text changed, except base64 and the names of headers.

        Raises:
            ValueError: a header cannot have this text.
        """
        changed = {name: _changed(getattr(self, name), change) for name in self.texts}
        headers = {name: change(value) for name, value in self.headers.items()}
        return msgspec.structs.replace(self, headers=msgspec.convert(headers, Headers), **changed)

    def __post_init__(self) -> None:
        given = [kind for kind in self.kinds if getattr(self, kind) is not UNSET]
        if len(given) > 1:
            raise ValueError(f"only one of {', '.join(given)} may be given")


class RecordedRequest(_Content, kw_only=True):
    """The request of an exchange; what is unset matches anything."""

    method: Annotated[str, Meta(pattern=r"\A[A-Z]+\Z")]
    path: Annotated[str, Meta(pattern=r"\A/[^?#]*\Z")]
    query: Fields | UnsetType = UNSET
    form: Fields | UnsetType = UNSET

    kinds: ClassVar[tuple[str, ...]] = ("body", "form", "text", "base64")
    texts: ClassVar[tuple[str, ...]] = ("path", "query", "body", "form", "text")


class RecordedResponse(_Content, kw_only=True):
    """The response of an exchange."""

    status: Annotated[int, Meta(ge=200, le=599)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.status in NO_BODY and self.kind:
            raise ValueError(f"a response with status {self.status} has no {self.kind}")

    def answer(self) -> "Answer":
        """Return the response to send; the kind of body implies the Content-Type, unless headers has it."""
        headers = list(self.headers.items())
        if self.kind and "content-type" not in map(str.lower, self.headers):
            headers.append(("Content-Type", _CONTENT_TYPES[self.kind]))
        return Answer(self.status, headers, self._bytes())

    def _bytes(self) -> bytes:
        if isinstance(self.base64, bytes):
            return self.base64
        if isinstance(self.text, str):
            return self.text.encode()
        return b"" if self.body is UNSET else json.dumps(self.body, ensure_ascii=False).encode()


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with every string changed, names included."""
    if isinstance(value, dict):
        return {change(name): _changed(member, change) for name, member in value.items()}
    if isinstance(value, list):
        return [_changed(member, change) for member in value]
    return change(value) if isinstance(value, str) else value


class Exchange(Struct, forbid_unknown_fields=True, kw_only=True):
    """A request and the response to it."""

    request: RecordedRequest
    response: RecordedResponse


def read_exchange(file: Path) -> Exchange:
    """Return the exchange in a JSON file.

    Raises:
        FixtureError: the file is not UTF-8, not JSON or not an exchange; the message has line and column.
        OSError: the file cannot be read.
    """
    return _exchange(file, _text(file))


def read_records(file: Path) -> Iterator[tuple[int, Exchange]]:
    """Yield the exchanges that `POLYCLOUD_DEBUG` wrote to a file, each with its line number.

    Raises:
        FixtureError: as `read_exchange`.
        OSError: the file cannot be read.
    """
    for number, line in enumerate(_text(file).split("\n"), 1):
        if line.startswith(RECORD):
            yield number, _exchange(file, line.replace(RECORD, " " * len(RECORD), 1), number)


def _text(file: Path) -> str:
    data = file.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        raise _fault(file, before, len(before), f"not UTF-8: {error.reason}") from None


def _exchange(file: Path, text: str, first_line: int = 1) -> Exchange:
    try:
        return msgspec.convert(json.loads(text), Exchange)
    except json.JSONDecodeError as error:
        raise _fault(file, text, error.pos, f"not JSON: {error.msg}", first_line) from None
    except msgspec.ValidationError as error:
        raise _fault(file, text, _position(text, str(error)), str(error), first_line) from None
    except (ValueError, RecursionError) as error:
        raise _fault(file, text, 0, f"cannot be read: {error}", first_line) from None


def write_exchange(file: Path, exchange: Exchange) -> None:
    """Write an exchange as indented UTF-8 JSON.

    Raises:
        FileExistsError: the file exists.
        OSError: it cannot be written.
    """
    # the text is complete before the file is created, so that no half of it is left behind
    text = json.dumps(msgspec.to_builtins(exchange), ensure_ascii=False, indent=2)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text + "\n")


def _fault(file: Path, text: str, position: int, reason: str, first_line: int = 1) -> FixtureError:
    line = text.count("\n", 0, position) + first_line
    column = position - text.rfind("\n", 0, position)
    return FixtureError(f"{file}:{line}:{column}: {reason}")


def _position(text: str, message: str) -> int:
    """Return the position in the text of the keys in msgspec's message (unknown field `x` - at `$.a.b`)."""
    _, _, path = message.partition("`$")
    unknown = re.findall(r"unknown field `(.*?)`", message)
    position = 0
    for key in [*re.findall(r"\.(\w+)", path), *unknown]:
        position = max(position, text.find(json.dumps(key, ensure_ascii=False), position))
    return position
