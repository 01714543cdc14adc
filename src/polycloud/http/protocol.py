"""HTTP/1.1 without I/O: the bytes of a request, and a response read from bytes.

A transport asks `request_head` for the bytes to send and gives `ResponseReader` whatever arrives, in pieces
of any size. Nothing here waits, so nothing here knows of sockets, threads, event loops or deadlines: a
transport bounds each of its waits, and thereby all of an exchange.

llhttp (`httptools`), the parser of Node, reads the response. It is strict: two lengths, a length beside
chunks, a bare line feed, folded headers are refused, since two readers of them could disagree about where a
response ends. What it leaves to its caller is here: where the body ends without a length, that the response
to HEAD has none, interim responses, and limits. The end of the headers is searched for before llhttp sees
it, so that their size is known exactly and a response without a body ends there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from polycloud.errors import InvalidArgumentError, TransportError
from polycloud.http.messages import CHUNK
from polycloud.utils.headers import Headers
from polycloud.utils.status import HTTPStatus

if TYPE_CHECKING:
    from polycloud.http.messages import Body

__all__ = ["HEADERS_LIMIT", "HEAD_LIMIT", "HeaderLines", "ResponseReader", "body_pieces", "request_head"]

HEAD_LIMIT = 65536
"""The most bytes of status lines and headers, interim responses included."""
HEADERS_LIMIT = 256
FRAMING_PER_BYTE = 16
"""The most bytes of chunk sizes, extensions and trailers for each byte of the body, beyond `HEAD_LIMIT`."""
END = b"\r\n\r\n"
LINES = r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*\r\n)*"
HEADERS = re.compile(LINES)
HEAD = re.compile(rf"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.1\r\n{LINES}")
WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""Methods whose requests name no length where they have no body."""
FRAMING = frozenset({"content-length", "transfer-encoding"})


class HeaderLines:
    """Headers as they are sent. The last ones are kept: most requests on a connection have the same."""

    def __init__(self) -> None:
        self._last: tuple[Mapping[str, str], frozenset[str], str] = {}, frozenset(), ""

    def of(self, headers: Mapping[str, str]) -> tuple[frozenset[str], str]:
        """Return the names, in lower case, and the lines.

        Raises:
            InvalidArgumentError: A header cannot be sent as it is.
        """
        last = self._last  # another thread may set it
        if headers != last[0]:
            text = _checked(HEADERS, [f"{name}: {value}" for name, value in headers.items()])
            self._last = last = dict(headers), frozenset(map(str.lower, headers)), text
        return last[1], last[2]


def request_head(
    method: str,
    target: str,
    host: str,
    headers: Mapping[str, str],
    body: Body | None,
    header_lines: HeaderLines | None = None,
) -> bytes:
    """Return the request line and the headers; those that HTTP needs are added where `headers` has none.

    Raises:
        InvalidArgumentError: A part cannot be sent as it is.
    """
    names, rest = (header_lines or HeaderLines()).of(headers)
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {host}")
    if "accept-encoding" not in names and method != "CONNECT":
        lines.append("Accept-Encoding: identity")
    if (body is not None or method not in WITHOUT_BODY) and not names & FRAMING:
        size = 0 if body is None else _size(body)
        lines.append("Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}")
    return f"{_checked(HEAD, lines)}{rest}\r\n".encode("latin-1")


def _checked(pattern: re.Pattern[str], lines: list[str]) -> str:
    text = "\r\n".join([*lines, ""])
    if text.count("\n") != len(lines) or not pattern.fullmatch(text):
        raise InvalidArgumentError("the method, the URL or a header has characters that HTTP does not allow")
    return text


def _size(body: Any) -> int | None:
    """Return the length of a body of bytes; None for a file or an iterable, which are sent in chunks."""
    return memoryview(body).nbytes if isinstance(body, bytes | bytearray | memoryview) else None


def body_pieces(body: Body, headers: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """Yield a body's bytes as they are sent: in chunks if their number is not known, or a header says so."""
    names = set(map(str.lower, headers))
    chunked = "transfer-encoding" in names or (_size(body) is None and "content-length" not in names)
    for piece in _pieces(body):
        data = piece.encode() if isinstance(piece, str) else piece
        if data:  # an empty chunk would end the body
            yield b"%x\r\n%b\r\n" % (len(data), data) if chunked else data
    if chunked:
        yield b"0\r\n\r\n"


def _pieces(body: Any) -> Iterable[Any]:
    if _size(body) is not None:
        return (memoryview(body).cast("B"),)
    if not hasattr(body, "read"):
        return cast("Iterable[Any]", body)
    return iter(lambda: body.read(CHUNK) or None, None)


class ResponseReader:
    """Reads one response to a request of this method.

    `headers` is None until they are complete; then `status`, `reason` and `keep_alive` (whether the
    connection may carry another request afterwards) hold too, and `take` returns what has come of the body.
    `complete` says that the response has ended, `surplus` that bytes followed which nobody asked for.
    """

    status = 0
    reason = ""
    headers: Headers | None = None
    keep_alive = False
    complete = False
    surplus = False
    body_size = 0
    _counted = False
    _framing = 0
    _head_size = 0

    def __init__(self, method: str) -> None:
        self._method = method
        self._body: list[bytes] = []
        self._begin()

    def receive(self, data: bytes) -> None:
        """Read bytes that arrived. Raises `TransportError` if they are not a valid response."""
        while data and self.headers is None:
            data = self._receive_head(data)
        if not data:
            return
        if self.complete:
            self._refuse_rest()
            return
        if self._counted:
            self._receive_counted(data)
            return
        before = self.body_size
        self._feed(data)
        self._framing += len(data) - (self.body_size - before)
        if self._framing > HEAD_LIMIT + FRAMING_PER_BYTE * self.body_size and not self.complete:
            raise TransportError("the response has too many bytes around its body")

    def end(self, *, clean: bool = True) -> None:
        """Note that the connection was closed. Raises `TransportError` in the middle of a response.

        An end that is not `clean`, TCP's without that of TLS, does not end a body either (RFC 9112, 9.8).
        """
        self.keep_alive = False
        if self.complete:
            return
        if self.headers is None:
            where = "in the middle of the headers" if self._head_size else "before a response came"
            raise TransportError(f"the connection broke: it was closed {where}")
        if not clean or "content-length" in self.headers or "transfer-encoding" in self.headers:
            raise TransportError("the connection broke: it was closed in the middle of the body")
        self._end()

    def rest(self) -> int:
        """Return how many bytes of the body are still to come; 0 if that is not known."""
        if self.complete or self.headers is None or "transfer-encoding" in self.headers:
            return 0
        length = self.headers.get("content-length", "").lstrip("0")  # Python refuses thousands of digits
        return max(int(length or 0) - self.body_size, 0)

    def skip(self, size: int) -> None:
        """Note that the next `size` bytes, fewer than `rest()`, went past this reader to where they stay."""
        self._counted = True
        self.body_size += size

    def take(self) -> list[bytes]:
        """Return the pieces of the body that came since the last call, as they were sent (undecoded)."""
        body, self._body = self._body, []
        return body

    def _receive_counted(self, data: bytes) -> None:
        """Read bytes after some that llhttp has not seen: here it does not matter what they are."""
        rest = self.rest()
        self.on_body(data[:rest])
        if len(data) >= rest:
            self._end()
        if len(data) > rest:
            self._refuse_rest()

    def _begin(self) -> None:
        self._parser: HttpResponseParser | None = None  # it and its methods take 1 KB
        self._head = bytearray()
        self._head_complete = False

    def _receive_head(self, data: bytes) -> bytes:
        """Read the part of `data` that belongs to the headers, and return the rest."""
        known = len(self._head)
        self._head += data
        found = self._head.find(END, max(known - len(END), 0))
        stop = len(data) if found < 0 else found + len(END) - known
        self._head_size += stop
        if self._head_size > HEAD_LIMIT:
            raise TransportError(f"the response's headers are longer than {HEAD_LIMIT:,} bytes")
        self._feed(data[:stop])
        if self._head_complete != (found >= 0):
            raise TransportError("the response is not valid HTTP: its headers end twice")
        if self._head_complete:
            self._finish_head(self._head[:found].decode("latin-1").split("\r\n"))
        return data[stop:]

    def _finish_head(self, lines: list[str]) -> None:
        """Take status line and headers, which llhttp has found valid: each is one line."""
        if not lines[0].startswith("HTTP/1."):  # llhttp reads HTTP/2.0 and RTSP too
            raise TransportError("the response is not valid HTTP/1.1")
        if len(lines) - 1 > HEADERS_LIMIT:
            raise TransportError(f"the response has more than {HEADERS_LIMIT} headers")
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        if self.status < HTTPStatus.CONTINUE or self.status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise TransportError(f"the response has the status {self.status}, which no request asks for")
        if self.status < HTTPStatus.OK:  # interim; the response is still to come
            self.complete = False
            self._begin()
            return
        headers = Headers.of_lines(lines[1:])
        if headers.get("transfer-encoding", "chunked").lower() != "chunked":
            raise TransportError("the response has a transfer coding other than chunked")
        self.reason = lines[0].partition(" ")[2].partition(" ")[2]
        self.headers = headers
        if self.complete or self._method in {"HEAD", "CONNECT"}:
            self._end()

    def _feed(self, data: bytes) -> None:
        """Let llhttp read; it calls the methods below."""
        if self._parser is None:
            self._parser = HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            return  # `_finish_head` refuses it
        except HttpParserError as error:
            if self.complete and self.headers is not None:  # what follows the response
                self._refuse_rest()
                return
            reason = error.__context__ if isinstance(error.__context__, TransportError) else None
            raise reason or TransportError(f"the response is not valid HTTP: {error}") from None
        finally:
            if self.complete and self.headers is not None:
                self._parser = None

    def _refuse_rest(self) -> None:
        self.surplus, self.keep_alive = True, False

    def _end(self) -> None:
        self.complete = True
        self._parser = None  # it holds this reader, which holds it

    def on_message_begin(self) -> None:
        """Refuse a second response."""
        if self.complete:
            raise TransportError("nobody asked for a second response")

    def on_headers_complete(self) -> None:
        """Note the end of the headers, where llhttp knows of keep-alive."""
        assert self._parser is not None
        self._head_complete = True
        self.keep_alive = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._body.append(data)
        self.body_size += len(data)

    def on_message_complete(self) -> None:
        """Note the end of the response."""
        self.complete = True
