from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import reduce
from http.client import HTTPConnection
from io import BytesIO
from typing import Any
from zlib import crc32

import pytest

from faults.clouds import until
from polycloud.testing.faults import ALL, Fault, FaultList, FaultPlan, FaultProxy, SeenRequest
from support.web import Answer, Web, raw_answers, serve

BODY = b'{"right": "' + b"x" * 100 + b'"}'
REQUEST = b"GET /a%20b?q=1 HTTP/1.1\r\nHost: here\r\n\r\n"
FOR_EVER = 60.0


@pytest.fixture(scope="module")
def module_web() -> Iterator[Web]:
    with serve(lambda _: Answer(body=BODY)) as web:
        yield web


@pytest.fixture
def web(module_web: Web) -> Web:
    """A server whose responses are all the same, and which has seen no request yet."""
    module_web.seen.clear()
    return module_web


def proxy_of(web: Web, *faults: str | None, **times: Any) -> FaultProxy:
    return FaultProxy(web.host, web.port, FaultList(*faults), **times)


def call(proxy: FaultProxy) -> socket.socket:
    """A connection on which a request has been sent."""
    caller = socket.create_connection(("127.0.0.1", proxy.port))
    caller.settimeout(20)
    caller.sendall(REQUEST)
    return caller


def received(caller: socket.socket) -> tuple[bytes, str]:
    """What comes until the connection ends, and how it ends."""
    data = b""
    try:
        while piece := caller.recv(65536):
            data += piece
    except ConnectionResetError:
        return data, "reset"
    return data, "end"


def fetch(proxy: FaultProxy, method: str = "GET", **options: Any) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a response, by Python's own client."""
    client = HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    try:
        client.request(method, "/", **options)
        answer = client.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        client.close()


def is_silent(caller: socket.socket) -> bool:
    caller.settimeout(0.1)
    try:
        return bool(caller.recv(1)) and False
    except TimeoutError:
        return True


# Without a fault


def test_without_a_fault_nothing_changes() -> None:
    """A request and its response pass unchanged, except for the headers of the connection."""
    with serve() as web, proxy_of(web) as proxy:
        status, headers, body = fetch(proxy, "POST", body=b"\0\xff", headers={"X-Mine": "yes"})
    echoed = json.loads(body)
    assert (status, headers["content-length"]) == (200, str(len(body)))
    assert (echoed["method"], echoed["headers"]["x-mine"], echoed["body"]) == ("POST", "yes", "\0\xff")


def test_chunks_arrive() -> None:
    """Chunked bodies arrive completely in both directions."""
    with serve(lambda seen: Answer(chunks=[seen.body, b"-", seen.body])) as web, proxy_of(web) as proxy:
        assert fetch(proxy, "PUT", body=iter([b"ab", b"cd"]))[2] == b"abcd-abcd"


def test_a_head_has_no_body(web: Web) -> None:
    """The response to HEAD has the length of a body that is not sent."""
    with proxy_of(web) as proxy:
        status, headers, body = fetch(proxy, "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(BODY)), b"")


def test_connections_are_kept(web: Web) -> None:
    """One connection carries many requests."""
    with proxy_of(web) as proxy, call(proxy) as caller:
        for _ in range(3):
            caller.sendall(REQUEST)
        assert until(lambda: len(web.seen) == 4)
        assert (proxy.connections, proxy.open_connections, proxy.peak_connections) == (1, 1, 1)
        caller.close()
        assert until(lambda: proxy.open_connections == 0)


def test_a_missing_server_is_a_bad_gateway() -> None:
    """Where nothing listens behind the proxy it responds with 502."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with FaultProxy("127.0.0.1", free.getsockname()[1], FaultList()) as proxy:
            assert fetch(proxy)[0] == 502


def test_a_broken_server_is_a_bad_gateway() -> None:
    """Where the server behind the proxy does not speak HTTP it responds with 502."""
    with raw_answers(b"SSH-2.0-here\r\n\r\n") as web, proxy_of(web) as proxy:
        assert fetch(proxy)[0] == 502


def test_a_caller_that_does_not_speak_http_is_left(web: Web) -> None:
    """An invalid request ends its connection, and no other."""
    with proxy_of(web) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as caller:
        caller.sendall(b"hello\r\n\r\n")
        received(caller)
        assert fetch(proxy)[2] == BODY


def test_it_ends_with_its_block(web: Web) -> None:
    """After the block no thread is left, open connections end, and there is no port."""
    before = threading.active_count()
    with proxy_of(web, "stall", "gzip bomb") as proxy:
        stalled, bombed = call(proxy), call(proxy)
        assert until(lambda: len(proxy.requests) == 2)
    with stalled, bombed:
        assert received(stalled)[0] == b""
        received(bombed)
    assert until(
        lambda: threading.active_count() <= before
    )  # the upstream server ends its thread a little later
    assert proxy.open_connections == 0
    with pytest.raises(RuntimeError):
        _ = proxy.port


# Faults


def test_refuse(web: Web) -> None:
    """`refuse` resets its request, and then the system refuses connections until the outage is over."""
    with proxy_of(web, "refuse", outage=FOR_EVER) as proxy:
        with call(proxy) as caller:
            assert received(caller) == (b"", "reset")
        with pytest.raises(ConnectionRefusedError):
            call(proxy)
    with proxy_of(web, "refuse", "refuse", outage=0.01) as proxy, call(proxy) as caller:
        received(caller)

        def is_back() -> bool:
            try:
                return fetch(proxy)[2] == BODY
            except ConnectionError:
                return False

        assert until(is_back)


@pytest.mark.parametrize(
    ("fault", "ends"),
    [("reset before", "reset"), ("reset after", "reset"), ("close", "end"), ("close after", "end")],
)
def test_cut_before_the_response(web: Web, fault: str, ends: str) -> None:
    """A connection that is cut before the response ends by a reset or in the ordinary way."""
    with proxy_of(web, fault) as proxy, call(proxy) as caller:
        assert received(caller) == (b"", ends)


@pytest.mark.parametrize(("fault", "ends"), [("reset midway", "reset"), ("truncate", "end")])
def test_cut_within_the_response(web: Web, fault: str, ends: str) -> None:
    """A connection that is cut midway has sent the right Content-Length and half of the body."""
    with proxy_of(web, fault) as proxy, call(proxy) as caller:
        data, end = received(caller)
    head, _, body = data.partition(b"\r\n\r\n")
    assert end == ends
    assert b"Content-Length: %d" % len(BODY) in head
    assert body == BODY[: len(BODY) // 2]


@pytest.mark.parametrize("fault", ["stall", "stall after"])
def test_stalls(web: Web, fault: str) -> None:
    """A stall keeps the connection open and silent until the caller closes it."""
    with proxy_of(web, fault) as proxy:
        with call(proxy) as caller:
            assert is_silent(caller)
            assert proxy.open_connections == 1
        assert until(lambda: proxy.open_connections == 0)


def test_delay(web: Web) -> None:
    """`delay` sends the right response late, although the server has acted at once."""
    with proxy_of(web, "delay", delay=0.5) as proxy, call(proxy) as caller:
        assert until(lambda: len(web.seen) == 1)
        assert is_silent(caller)
        caller.settimeout(20)
        assert caller.recv(65536).endswith(BODY)


@pytest.mark.parametrize("status", [408, 499, 500, 502, 503, 504])
@pytest.mark.parametrize("after", ["", " after"])
def test_statuses(web: Web, status: int, after: str) -> None:
    """Statuses come on a connection that stays open."""
    with proxy_of(web, f"{status}{after}") as proxy:
        assert fetch(proxy)[0] == status
        assert fetch(proxy)[2] == BODY


@pytest.mark.parametrize("fault", ["429", "429 after"])
def test_429(web: Web, fault: str) -> None:
    """A 429 has a `Retry-After` of `retry_after` seconds."""
    with proxy_of(web, fault, retry_after=7) as proxy:
        status, headers, _ = fetch(proxy)
    assert (status, headers["retry-after"]) == (429, "7")


def test_garbage(web: Web) -> None:
    """`garbage` is not HTTP."""
    with proxy_of(web, "garbage") as proxy, call(proxy) as caller:
        data, end = received(caller)
    assert end == "end"
    assert data
    assert b"HTTP" not in data


@pytest.mark.parametrize(("fault", "kind"), [("garbage body", "application/json"), ("html", "text/html")])
def test_wrong_bodies(web: Web, fault: str, kind: str) -> None:
    """A wrong body comes with status 200, and is not JSON."""
    with proxy_of(web, fault) as proxy:
        status, headers, body = fetch(proxy)
    assert (status, headers["content-type"].partition(";")[0]) == (200, kind)
    with pytest.raises(ValueError, match=r"."):
        json.loads(body)


@pytest.mark.parametrize(("fault", "size", "lines"), [("huge header", 100_000, 1), ("many headers", 1, 5000)])
def test_headers(web: Web, fault: str, size: int, lines: int) -> None:
    """Headers too long or too many stand before the right body."""
    with proxy_of(web, fault) as proxy, call(proxy) as caller:
        data = b""
        while not data.endswith(BODY):
            data += caller.recv(65536)
    added = [line for line in data.split(b"\r\n") if line.startswith((b"X-Huge", b"X-Many"))]
    assert len(added) == lines
    assert len(added[0].partition(b": ")[2]) == size


@pytest.mark.parametrize(
    ("fault", "length"), [("length too small", len(BODY) // 2), ("length too large", len(BODY) + 1000)]
)
def test_wrong_lengths(web: Web, fault: str, length: int) -> None:
    """A wrong Content-Length stands before the complete body, and the connection stays open."""
    with proxy_of(web, fault) as proxy, call(proxy) as caller:
        data = b""
        while not data.endswith(BODY):
            data += caller.recv(65536)
        assert is_silent(caller)
    assert b"Content-Length: %d\r\n" % length in data
    assert data.lower().count(b"content-length") == 1


def test_no_length(web: Web) -> None:
    """`no length` ends the right response by closing the connection."""
    with proxy_of(web, "no length") as proxy, call(proxy) as caller:
        data, end = received(caller)
    assert end == "end"
    assert data.endswith(BODY)
    assert b"content-length" not in data.lower()


def test_early_hints(web: Web) -> None:
    """`early hints` sends an informational response before the right one."""
    with proxy_of(web, "early hints") as proxy, call(proxy) as caller:
        data = b""
        while not data.endswith(BODY):
            data += caller.recv(65536)
    first, _, second = data.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 103")
    assert second.startswith(b"HTTP/1.1 200")


def test_gzip_bomb(web: Web) -> None:
    """`gzip bomb` is a right gzip file of a MB, which becomes a GB."""
    with proxy_of(web, "gzip bomb") as proxy:
        _, headers, body = fetch(proxy)
    assert headers["content-encoding"] == "gzip"
    assert len(body) < 2_000_000
    checksum = reduce(lambda so_far, _: crc32(bytes(2**20), so_far), range(1024), 0)
    assert struct.unpack("<II", body[-8:]) == (checksum, 2**30)
    with gzip.open(BytesIO(body)) as unpacked:
        assert not any(unpacked.read(2**25))


@pytest.mark.parametrize("fault", ["drip head", "drip body"])
def test_drips(web: Web, fault: str) -> None:
    """A drip is the right response, byte by byte, and ends when the caller closes the connection."""
    with proxy_of(web, fault, pause=0.0001) as proxy:
        assert fetch(proxy)[2] == BODY
    with proxy_of(web, fault, pause=FOR_EVER) as proxy:
        with call(proxy) as caller:
            data = caller.recv(1)
            while fault == "drip body" and data[-5:-1] != b"\r\n\r\n":
                data += caller.recv(1)
            assert is_silent(caller)
        assert until(lambda: proxy.open_connections == 0)


@pytest.mark.parametrize("fault", ALL)
def test_the_server_acts_where_the_fault_says_so(web: Web, fault: Fault) -> None:
    """The server gets a request where its fault `acts`; the proxy records both."""
    with proxy_of(web, fault, delay=0, pause=0.0001) as proxy, call(proxy) as caller:
        assert until(lambda: bool(proxy.requests))
        (seen,) = proxy.requests
        assert until(lambda: seen.reached == fault.acts)
        assert until(lambda: len(web.seen) == fault.acts)
        caller.settimeout(0.1)
        with suppress(TimeoutError, ConnectionResetError):
            caller.recv(1)
    assert (seen.method, seen.path, seen.fault) == ("GET", "/a%20b", fault)
    assert seen.reached == fault.acts == len(web.seen)


@pytest.mark.parametrize("fault", [fault for fault in ALL if fault.is_right and fault != "early hints"])
def test_right_responses(web: Web, fault: Fault) -> None:
    """The response of a fault that `is_right` has the server's body; early hints have a test of their own."""
    with proxy_of(web, fault, delay=0, pause=0.0001) as proxy:
        status, headers, body = fetch(proxy)
    assert (status, gzip.decompress(body) if "content-encoding" in headers else body) == (200, BODY)


@pytest.mark.parametrize(
    ("fault", "end"),
    [("drip chunk line", b";x"), ("drip trailer", b"X-Trailer: x"), ("drip gzip", b"\xff" + b"x")],
)
def test_drips_beneath_the_body(web: Web, fault: str, end: bytes) -> None:
    """A drip beneath the body sends all before it at once, and no byte of a body after it for long."""
    with proxy_of(web, fault, pause=FOR_EVER) as proxy, call(proxy) as caller:
        data = b""
        while not data.endswith(end):
            data += caller.recv(65536)
        assert is_silent(caller)


@pytest.mark.parametrize("fault", ["52x", "52x after"])
def test_statuses_of_an_edge(web: Web, fault: str) -> None:
    """An edge's statuses are 520 to 530, in turn."""
    with proxy_of(web, *[fault] * 11) as proxy:
        assert {fetch(proxy)[0] for _ in range(11)} == {*range(520, 531)}


# Plans


def drawn(plan: FaultPlan, count: int) -> list[Fault | None]:
    return [plan.decide(SeenRequest("GET", "/")) for _ in range(count)]


def test_a_seed_is_a_plan() -> None:
    """The same seed gives the same faults, another one others, and the rate is kept."""
    plan = drawn(FaultPlan(7, 0.3), 10_000)
    assert plan == drawn(FaultPlan(7, 0.3), 10_000)
    assert plan != drawn(FaultPlan(8, 0.3), 10_000)
    assert {*plan} == {None, *ALL}
    assert 2_500 < sum(fault is not None for fault in plan) < 3_500


def test_spared_requests_take_no_place() -> None:
    """A request that is spared meets no fault, and the next one meets what was planned."""
    plan = FaultList("html", spare=lambda request: request.method == "GET")
    assert plan.decide(SeenRequest("GET", "/")) is None
    assert plan.decide(SeenRequest("POST", "/")) is Fault.HTML
    assert plan.decide(SeenRequest("POST", "/")) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: FaultPlan(1, rate=1.5),
        lambda: FaultPlan(1, faults=[]),
        lambda: FaultPlan(1, faults=["flood"]),
        lambda: FaultList("flood"),
    ],
)
def test_impossible_plans(make: Callable[[], object]) -> None:
    """A plan that cannot be followed is a ValueError."""
    with pytest.raises(ValueError, match=r"rate|faults|flood"):
        make()
