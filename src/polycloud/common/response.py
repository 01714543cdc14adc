"""Responses: the classes whose `success`, `parse_body` and `parse_error` a driver overrides."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from math import inf
from typing import Any, TypeVar, overload

import msgspec

from polycloud.common.payload import UNDECODABLE, Item, built, decoder
from polycloud.concurrency.forks import cached_property
from polycloud.errors import (
    Exchange,
    MalformedResponseError,
    PolycloudError,
    ProviderError,
    error_from_status,
)
from polycloud.http.messages import CHUNK, RawResponse, Request, Sender, require_size
from polycloud.utils.status import HTTPStatus

__all__ = ["COMMAS", "JsonResponse", "Response"]

T = TypeVar("T")
SHOWN = 200
NO_MESSAGE = "the provider gives no reason"
MESSAGES = ("message", "error", "errors", "detail", "reason", "title", "description")
"""The fields in which providers have the message of an error, the best first."""
COMMAS = (b",",)
VALUES = (*COMMAS, b"{", b"[")
"""What the values of JSON begin with, or come after."""
REDIRECTS = range(300, 400)
UNDOCUMENTED = (AttributeError, LookupError, SyntaxError, TypeError, ValueError)
"""What code that trusts the provider's documents raises for other content."""
CHARSET = r"(?i)charset=\"?([\w-]+)"
NOT_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Python codecs that no response may declare: some take quadratic time, some warn."""


class Response:
    """A response, as a driver reads it.

    `status` (int), `reason`, `headers` (looked up in any case), `content` (bytes), `body` (text), `object`
    (the result of `parse_body`), `connection` (that of the request). A driver overrides:

    - `success()`: whether the request was carried out; by default any 2xx status;
    - `parse_body()`: returns the value of `.object`;
    - `parse_error()`: called if `success()` is false; raises an error of `polycloud.errors`, or returns the
      provider's message, from which the error for the status is made.
    """

    first_response: Response | None = None
    """What a polling connection received first, for the job that this response completes."""

    repeated = False
    """Whether the request was sent again, so that it may have been carried out before."""

    def __init__(self, response: RawResponse, connection: Sender, request: Request) -> None:
        self.raw = response
        self.connection: Any = connection
        self.request = request
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers

    @property
    def exchange(self) -> Exchange:
        """What errors say about the request and this response."""
        exchange: Exchange = self.connection.exchange(self.request, self.raw)
        return exchange

    @cached_property
    def content(self) -> bytes:
        """The body as bytes; of a stream, the part that is still unread.

        Streams may be of any length, but not that of an error: `MalformedResponseError` beyond `body_limit`.
        """
        if self.raw.chunks is None:
            return self.raw.body
        limit = inf if Response.success(self) else self.connection.body_limit
        body = BytesIO()
        for piece in self.iter_bytes():
            body.write(piece)
            require_size(body.tell(), limit)
        return body.getvalue()

    @property
    def _buffer(self) -> bytes | memoryview:
        """The content, without a copy of a very long body."""
        return self.raw.buffer if self.raw.chunks is None else self.content

    @cached_property
    def body(self) -> str:
        """The body as text, in the declared charset (default UTF-8)."""
        declared = re.search(CHARSET, self.headers.get("content-type", ""))
        try:
            charset = codecs.lookup(declared[1]).name if declared else "utf-8"
            return self.content.decode("utf-8" if charset in NOT_CHARSETS else charset, "replace")
        except (LookupError, UnicodeError):
            return self.content.decode("utf-8", "replace")

    @cached_property
    def object(self) -> Any:
        """The parsed body. Raises `MalformedResponseError` if it cannot be parsed."""
        try:
            return self.parse_body()
        except PolycloudError as error:
            raise self._cleaned(error)  # noqa: B904 - the same error
        except UNDOCUMENTED as error:
            raise self.undocumented(error) from None

    def success(self) -> bool:
        """Return whether the provider carried out the request."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def parse_body(self) -> Any:
        """Return the value of `.object`."""
        return self.body

    def parse_error(self) -> Any:
        """Return the provider's message in a response without success, or its reason if there is none."""
        said = self._beginning()
        return said if any(map(str.isalnum, said)) and said.strip() != "null" else self.reason or NO_MESSAGE

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the body in pieces, once, for a request made with `stream=True`."""
        try:
            yield from self.raw.chunks or (self.content,)
        except PolycloudError as error:
            raise self._cleaned(error)  # noqa: B904 - the same error
        finally:
            self.close()

    def is_redirect(self) -> bool:
        """Return whether it sends the request elsewhere by a `Location`; no redirect is followed."""
        return self.status in REDIRECTS and "location" in self.headers

    def close(self) -> None:
        """Release the connection; needed only for a stream that is not read to its end."""
        self.raw.close()

    def to_error(self) -> PolycloudError:
        """Return an error of our tree for this response, whatever `parse_error` raises or returns."""
        try:
            message = self.parse_error()
        except PolycloudError as error:
            return error
        except Exception as error:  # noqa: BLE001 - an author's parse_error may raise anything
            return self._error(str(error) or type(error).__name__)
        if not isinstance(message, str):
            message = self._beginning()
        return self._error(message.strip() or self.reason or f"HTTP status {self.status}")

    def _error(self, message: str) -> ProviderError:
        return error_from_status(self.status, message, self.headers)

    def require_few_values(self, *marks: bytes) -> None:
        """Raise `MalformedResponseError` if the body has more `marks` than the connection's `value_limit`.

        Three bytes can become hundreds in memory, such as those of an empty object. So the marks with which
        values begin are counted before a body is parsed, also where they are part of a text. Two of them take
        three bytes at least (`[],`), so shorter bodies need not be searched.
        """
        limit = self.connection.value_limit
        body = self._buffer
        if 2 * len(body) <= 3 * limit:
            return
        pieces = (bytes(body[at : at + CHUNK]) for at in range(0, len(body), CHUNK))
        if sum(piece.count(mark) for piece in pieces for mark in marks) > limit:
            raise self.malformed(f"the response has more than {limit:,} values (value_limit=)")

    def malformed(self, problem: str) -> MalformedResponseError:
        """Return the error for a response that breaks the provider's documentation; `problem` says how."""
        error = MalformedResponseError(problem, self._beginning())
        self._cleaned(error)
        return error

    def undocumented(self, error: Exception) -> MalformedResponseError:
        """Return the error for a response of another form than the driver's code assumes."""
        return self.malformed(f"the response is not as documented: {type(error).__name__}: {error}")

    def _cleaned(self, error: PolycloudError) -> PolycloudError:
        """Return the error with its request named and every secret of connection and request removed."""
        from polycloud.tracing.cleaning import clean

        return clean(error.locate(self.exchange), self.connection.secrets_of(self.request))

    def _beginning(self) -> str:
        """Return the start of the body without secrets, those that it names itself included.

        A stream stays unread: it may be of any length, or closed.
        """
        if self.raw.chunks is not None and Response.success(self):
            return ""
        from polycloud.tracing.redaction import redaction_of

        redaction = redaction_of(self.connection.secrets_of(self.request))
        return redaction.beginning(self.body, SHOWN, named=True)


class JsonResponse(Response):
    """A response in JSON."""

    def success(self) -> bool:
        """Return whether the status is 2xx.

        Raises `MalformedResponseError` for an HTML page with such a status.
        """
        if not super().success():
            return False
        if self.raw.chunks is None and re.match(rb"\s*+<", self.raw.buffer):
            raise self.malformed("the response must be JSON")
        return True

    def parse_body(self) -> Any:
        """Return the body as dicts, lists, strings and numbers; an empty body is an empty dict."""
        return self.decode(Any) if self.content.strip() else {}

    def parse_error(self) -> Any:
        """Return the text under `message`, `errors`, `detail` or the like, else the body's beginning."""
        try:
            return _message(self.decode(Any)) or super().parse_error()
        except (MalformedResponseError, RecursionError):
            return super().parse_error()

    @overload
    def decode(self, type_: type[T], counted: Iterable[bytes] = VALUES) -> T: ...

    @overload
    def decode(self, type_: Any, counted: Iterable[bytes] = VALUES) -> Any: ...

    def decode(self, type_: Any, counted: Iterable[bytes] = VALUES) -> Any:
        """Decode the body as `type_` (a msgspec Struct, `list[Struct]`, a dict ...) in one pass.

        Raises `MalformedResponseError` with the path of the field that is missing or of another type, and
        for more values than `value_limit`. Commas alone may be `counted`, which saves time in long lists, if
        no part of `type_` is of any type: then lists in lists cannot make many values without commas.
        """
        self.require_few_values(*counted)
        try:
            return decoder(type_, strict=False).decode(self._buffer)
        except msgspec.ValidationError as error:
            raise self.malformed(f"the response is not as documented: {error}") from None
        except RecursionError:
            raise self.malformed("the response is nested too deep") from None
        except UNDECODABLE as error:
            raise self.malformed(f"the response is not JSON: {error}") from None

    def built(
        self,
        raws: Iterable[msgspec.Raw],
        type_: Any,
        build: Callable[[Item[Any]], T],
        complete: Callable[[], Any],
    ) -> list[T]:
        """Return what `build` makes of parts of the body, each decoded as `type_`, with its bytes.

        Errors are those of `decoding_all`, which would take longer than a short list.
        """
        try:
            return built(raws, type_, build)
        except UNDECODABLE:
            self.decode(complete())
            raise

    @contextmanager
    def decoding_all(self, complete: Callable[[], Any]) -> Iterator[None]:
        """For errors in parts, raise that of decoding the body as the type that `complete` returns.

        It names a field by its complete path.
        """
        try:
            yield
        except UNDECODABLE:
            self.decode(complete())
            raise


def _message(body: Any) -> str | None:
    while isinstance(body, dict | list):
        if isinstance(body, list):
            return "; ".join(filter(None, map(_message, body))) or None
        body = next((body[name] for name in MESSAGES if body.get(name)), None)
    return body if isinstance(body, str) else None
