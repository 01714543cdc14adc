from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polycloud.common.base import Connection, JsonResponse
from polycloud.http.retry import RetryPolicy
from support.fuzz import outcome, peak, scrambled
from support.transports import bridged_on_loop, plainly
from support.web import Answer, raw_answers, serve

JSON = b'{"message": "a word"}'
ZIPPED = gzip.compress(JSON)
SAMPLES = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(JSON), JSON),
    b"HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nX-Request-Id: r\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n%s\r\n0\r\nTrailer: t\r\n\r\n" % JSON,
    b"HTTP/1.0 302 Found\r\nLocation: https://user@example.com:443/a?b#c\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nConnection: close\r\n\r\n<html>",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(ZIPPED), ZIPPED),
    b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate, gzip\r\n\r\n" + gzip.compress(zlib.compress(JSON)),
)
ODD_LINES = [
    *(b"Location: http://[", b"Location: //[::1", b"Location: \xff", b"Location: http://\xe2\x84\x80/"),
    *(
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999",
        b"Content-Length: \xb2",
        b"Content-Length: 1, 2",
    ),
    *(b"Transfer-Encoding: \xff", b"Content-Encoding: " + b"gzip," * 50, b"Content-Type: x; charset=\xe9"),
    *(
        b"Retry-After: " + b"9" * 5000,
        b"X-Request-Id: \xff",
        b"Set-Cookie: \0",
        b": no name",
        b"no colon",
        b" folded",
    ),
]


ONCE: dict[str, Any] = {"timeout": 5, "retry": RetryPolicy(attempts=1)}


class JsonConnection(Connection):
    responseCls = JsonResponse


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    message = draw(scrambled(*SAMPLES))
    if not draw(st.booleans()):
        return message
    line, end, rest = message.partition(b"\r\n")
    return line + b"\r\n" + draw(st.sampled_from(ODD_LINES)) + end + rest


both_worlds = pytest.mark.parametrize("world", [plainly, bridged_on_loop])


@both_worlds
@given(message=messages() | st.binary(max_size=60))
@example(message=b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n")
def test_response(world: Callable[..., Any], message: bytes) -> None:
    """Whatever comes over the wire is a response or an error of our tree, on an event loop too."""
    with raw_answers(message) as web, closing(JsonConnection(**web.options, **ONCE)) as connection:
        world(lambda: outcome(lambda: connection.request("/").object))


@both_worlds
@given(message=messages())
def test_stream(world: Callable[..., Any], message: bytes) -> None:
    """Whatever comes over the wire piece by piece is bytes or an error of our tree, on an event loop too."""
    with raw_answers(message) as web, closing(Connection(**web.options, **ONCE)) as connection:
        world(lambda: outcome(lambda: b"".join(connection.request("/", stream=True).iter_bytes())))


@pytest.mark.parametrize("times", [1, 2])
def test_compressed_bomb(times: int) -> None:
    """A short response that unpacks to much is read in pieces of bounded size."""
    body = b"\0" * 50_000_000
    for _ in range(times):
        body = gzip.compress(body, 9)
    headers = {"Content-Encoding": ", ".join(["gzip"] * times)}
    sent = Answer(body=body, headers=headers)
    with serve(lambda _: sent) as web, closing(Connection(**web.options)) as connection:

        def read() -> None:
            for piece in connection.request("/", stream=True).iter_bytes():
                assert len(piece) <= 1_000_000

        assert peak(lambda: outcome(read)) < 20_000_000
