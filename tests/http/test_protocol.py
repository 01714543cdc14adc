from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.errors import InvalidArgumentError, TransportError
from polycloud.http.protocol import HEAD_LIMIT, HEADERS_LIMIT, ResponseReader, body_pieces, request_head

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
Outcome = tuple[Any, ...]

# Responses


def outcome(pieces: Iterable[bytes], method: str = "GET", *, closed: bool = True) -> Outcome:
    """All that a reader says of a response that arrives in these pieces, or its error's text."""
    reader = ResponseReader(method)
    body = b""
    try:
        for piece in pieces:
            reader.receive(piece)
            body += b"".join(reader.take())
        if closed and not reader.complete:
            reader.end()
    except TransportError as error:
        return (str(error),)
    return reader.complete, reader.status, reader.reason, reader.headers, body, reader.keep_alive


def split(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    """The bytes in pieces that end at these places."""
    start = 0
    for place in [*sorted({place % (len(data) + 1) for place in places}), len(data)]:
        yield data[start:place]
        start = place


RESPONSES = [
    OK + b"Content-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nabcde",
    CHUNKED + b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n",
    OK + b"\r\nuntil the end",
    b"HTTP/1.0 404 Not \xe9 Found\r\n\r\nuntil the end",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    + OK
    + b"Content-Length: 1\r\n\r\na",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
    OK + b"Content-Length: 1\r\n\r\na" + OK + b"Content-Length: 1\r\n\r\nb",
    OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nabc",
    OK + b"Content-Length: 0\r\n\r\n",
    OK + b"Content-Length: 9\r\n\r\nabc",
    CHUNKED + b"zz\r\n",
    b"HTTP/1.1 banana\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"",
]


@given(
    data=st.sampled_from(RESPONSES),
    method=st.sampled_from(["GET", "HEAD"]),
    places=st.lists(st.integers(0, 400)),
)
def test_any_split_gives_the_same_response(data: bytes, method: str, places: list[int]) -> None:
    """However a response is cut into pieces, the reader says the same of it."""
    assert outcome(split(data, places), method) == outcome([data], method)


@given(
    body=st.binary(min_size=3, max_size=40),
    surplus=st.binary(max_size=3),
    start=st.integers(0, 40),
    skipped=st.integers(1, 40),
    places=st.lists(st.integers(0, 400)),
)
def test_skipped_bytes_count(
    body: bytes, surplus: bytes, start: int, skipped: int, places: list[int]
) -> None:
    """A body of known length ends in the same place when the transport receives a part of it by itself."""
    start = min(start, len(body) - 2)
    skipped = min(skipped, len(body) - start - 1)
    reader = ResponseReader("GET")
    reader.receive(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body[:start])
    assert reader.rest() == len(body) - start
    reader.skip(skipped)
    for piece in split(body[start + skipped :] + surplus, places):
        reader.receive(piece)
    assert b"".join(reader.take()) == body[:start] + body[start + skipped :]
    assert (reader.complete, reader.body_size, reader.rest()) == (True, len(body), 0)
    assert (reader.surplus, reader.keep_alive) == (bool(surplus), not surplus)


def test_a_length_with_many_zeros() -> None:
    """Zeros before a length, even thousands, do not change it."""
    reader = ResponseReader("GET")
    reader.receive(OK + b"Content-Length: %b5\r\n\r\nab" % (b"0" * 5000))
    assert (reader.rest(), reader.complete) == (3, False)


@given(data=st.binary(max_size=60), places=st.lists(st.integers(0, 400)), chunked=st.booleans())
def test_any_bytes_end_in_a_response_or_an_error(data: bytes, places: list[int], chunked: bool) -> None:
    """Random bytes, in headers and among chunks, end in a complete response or an error of our tree."""
    data = (CHUNKED if chunked else b"HTTP/1.1 200 ") + data
    result = outcome(split(data, places))
    assert len(result) == 1 or result[0] is True


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (RESPONSES[0], (True, 200, "OK", {"content-length": "5", "x-a": "1, 2"}, b"abcde", True)),
        (RESPONSES[1], (True, 200, "OK", {"transfer-encoding": "chunked"}, b"abcde", True)),
        (RESPONSES[2], (True, 200, "OK", {}, b"until the end", False)),
        (RESPONSES[3], (True, 404, "Not é Found", {}, b"until the end", False)),
        (RESPONSES[4], (True, 200, "OK", {"content-length": "1"}, b"a", True)),
        (RESPONSES[5], (True, 204, "No Content", {"content-length": "3"}, b"", False)),
        (RESPONSES[6], (True, 304, "Not Modified", {"content-length": "3"}, b"", True)),
        (RESPONSES[7], (True, 200, "OK", {"content-length": "1"}, b"a", False)),
        (RESPONSES[8], (True, 200, "OK", {"connection": "close", "content-length": "1"}, b"a", False)),
        (RESPONSES[9], (True, 200, "OK", {"content-length": "0"}, b"", True)),
        (OK + b"A:  b \t\r\nB:\r\n\r\n", (True, 200, "OK", {"a": "b", "b": ""}, b"", False)),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", (True, 200, "", {"content-length": "0"}, b"", True)),
    ],
)
def test_responses(data: bytes, expected: Outcome) -> None:
    """A response ends where its length, chunks or status says, else with the connection."""
    assert outcome([data]) == expected


@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_head_has_no_body(framing: bytes) -> None:
    """The response to HEAD ends with its headers, whatever length they name."""
    complete, status, *_, body, keep_alive = outcome([OK + framing + b"\r\n"], "HEAD", closed=False)
    assert (complete, status, body, keep_alive) == (True, 200, b"", True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na", "Duplicate Content-Length"),
        (OK + b"Content-Length: 1, 1\r\n\r\na", "Content-Length"),
        (OK + b"Content-Length: -1\r\n\r\na", "Content-Length"),
        (OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
        (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
        (OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", r"other than chunked|valid"),
        (OK + b"Transfer-Encoding: gzip\r\n\r\nabc", "other than chunked"),
        (b"HTTP/1.1 200 OK\nContent-Length: 1\n\na", "CR"),
        (OK + b"A: b\nB: c\r\n\r\n", "CR"),
        (OK + b"A: b\rB: c\r\n\r\n", "LF"),
        (OK + b"A: b\r\n folded\r\n\r\n", "whitespace"),
        (OK + b"A : b\r\n\r\n", "token"),
        (OK + b"A: b\x00c\r\n\r\n", "value"),
        (OK + b"no colon\r\n\r\n", "token"),
        (CHUNKED + b"3\nabc\r\n0\r\n\r\n", "CR"),
        (CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", "chunk data"),
        (CHUNKED + b"ffffffffffffffffff\r\n", "overflow"),
        (CHUNKED + b"-1\r\n", "chunk size"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "not valid"),
        (b"RTSP/1.0 200 OK\r\n\r\n", "not valid"),
        (b"\r\n\r\n" + OK + b"\r\n", "not valid"),
        (b"HTTP/1.1 099 Low\r\n\r\n", "status 99"),
        (b"HTTP/1.1 2000 High\r\n\r\n", "status"),
        (RESPONSES[13], "status 101"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not valid"),
    ],
)
def test_refusals(data: bytes, reason: str) -> None:
    """What two readers could understand in two ways is refused at once, with the reason."""
    with pytest.raises(TransportError, match=reason):
        ResponseReader("GET").receive(data)


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "before a response came"),
        (OK, "in the middle of the headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "in the middle of the headers"),
        (OK + b"Content-Length: 2\r\n\r\na", "in the middle of the body"),
        (CHUNKED + b"1\r\na\r\n0\r\n", "in the middle of the body"),
    ],
)
def test_an_early_end(data: bytes, where: str) -> None:
    """A connection that ends in the middle of a response is an error that says where."""
    assert where in outcome([data])[0]


@pytest.mark.parametrize("step", [1000, 10**9])
@pytest.mark.parametrize(
    "flood",
    [
        OK + b"X: " + b"y" * HEAD_LIMIT,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3000,
        OK + b"".join(b"X-%d: y\r\n" % n for n in range(HEADERS_LIMIT + 2)),
        CHUNKED + b"1;" + b"x" * 2 * HEAD_LIMIT,
        CHUNKED + b"1\r\na\r\n0\r\nX: " + b"y" * 2 * HEAD_LIMIT,
    ],
)
def test_floods(flood: bytes, step: int) -> None:
    """Endless headers, interim responses, chunk extensions and trailers are refused before they end."""
    (error,) = outcome(flood[start : start + step] for start in range(0, len(flood), step))
    assert "headers" in error or "around its body" in error


def test_many_small_chunks() -> None:
    """A long body in chunks of one byte is no flood."""
    assert outcome([CHUNKED + b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n"])[4] == b"a" * 100_000


# Requests


def test_a_request() -> None:
    """The head has the request line, what HTTP needs, and the given headers as they are."""
    head = request_head("POST", "/a?b=%20", "h:81", {"X-One": "a b", "User-Agent": "me"}, b"body")
    assert head == (
        b"POST /a?b=%20 HTTP/1.1\r\nHost: h:81\r\nAccept-Encoding: identity\r\nContent-Length: 4\r\n"
        b"X-One: a b\r\nUser-Agent: me\r\n\r\n"
    )


def test_given_headers_win() -> None:
    """A header that is given, in any case, is not added a second time."""
    given_headers = {"HOST": "other", "accept-encoding": "gzip", "Content-LENGTH": "3"}
    head = request_head("PUT", "/", "h", given_headers, iter([b"abc"]))
    assert head == b"PUT / HTTP/1.1\r\nHOST: other\r\naccept-encoding: gzip\r\nContent-LENGTH: 3\r\n\r\n"
    assert b"".join(body_pieces(iter([b"abc"]), given_headers)) == b"abc"


@pytest.mark.parametrize(
    ("method", "body", "headers", "framing", "sent"),
    [
        ("GET", None, {}, b"", b""),
        ("POST", None, {}, b"Content-Length: 0", b""),
        ("GET", b"ab", {}, b"Content-Length: 2", b"ab"),
        ("PUT", bytearray(b"ab"), {}, b"Content-Length: 2", b"ab"),
        (
            "PUT",
            [b"ab", b"", "é"],
            {},
            b"Transfer-Encoding: chunked",
            b"2\r\nab\r\n2\r\n\xc3\xa9\r\n0\r\n\r\n",
        ),
        ("PUT", io.BytesIO(b"abc"), {}, b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
        ("PUT", io.StringIO("abc"), {}, b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
        ("PUT", io.BytesIO(b"abc"), {"Content-Length": "3"}, b"Content-Length: 3", b"abc"),
        (
            "PUT",
            b"ab",
            {"Transfer-Encoding": "chunked"},
            b"Transfer-Encoding: chunked",
            b"2\r\nab\r\n0\r\n\r\n",
        ),
    ],
)
def test_bodies(method: str, body: Any, headers: dict[str, str], framing: bytes, sent: bytes) -> None:
    """A body of bytes has its length, any other is sent in chunks unless a header names its length."""
    lines = request_head(method, "/", "h", headers, body).split(b"\r\n")
    framings = [line for line in lines if line.startswith((b"Content-Length", b"Transfer-Encoding"))]
    assert framings == ([framing] if framing else [])
    if body is not None:
        assert b"".join(body_pieces(body, headers)) == sent


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET /x", "/", {}),
        ("", "/", {}),
        ("GET", "/a b", {}),
        ("GET", "/\r\nX: y", {}),
        ("GET", "/é", {}),
        ("GET", "/", {"X": "a\r\nY: b"}),
        ("GET", "/", {"X": "a\nY: b"}),
        ("GET", "/", {"X\r\nY": "a"}),
        ("GET", "/", {"X Y": "a"}),
        ("GET", "/", {"": "a"}),
        ("GET", "/", {"X": "a\x00"}),
        ("GET", "/", {"X": "€"}),
    ],
)
def test_no_injection(method: str, target: str, headers: dict[str, str]) -> None:
    """What would be another request line or header on the wire is refused."""
    with pytest.raises(InvalidArgumentError):
        request_head(method, target, "h", headers, None)
