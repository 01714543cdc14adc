"""Real servers on loopback that are silent, drip or break, and what the transports make of them."""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import pytest
import uvicorn

from polycloud.concurrency.waiting import gather
from polycloud.errors import ConnectError, PolycloudError, ReadTimeoutError, TLSError, TransportError
from polycloud.http import connections, looppool
from polycloud.http.exchange import IDLE_LIMIT
from polycloud.http.messages import RawResponse, Request, Transport, TransportOptions
from polycloud.http.retry import RetryPolicy
from polycloud.http.urllib3 import Urllib3Transport
from support.certificates import Authority, Certificate
from support.clock import ends_within
from support.transports import WORLDS, World
from support.web import raw_answers, serve

DEADLINE = 0.2
SLACK = 10
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
GZIPPED = OK + b"Content-Encoding: gzip\r\n\r\n"
GZIP_NAME = b"\x1f\x8b\x08\x08\0\0\0\0\0\0"
"""A gzip header whose file name is still to come."""
EMPTY_MEMBER = gzip.compress(b"", mtime=0)
EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"
Send = Callable[..., RawResponse]
ErrorOf = Callable[..., PolycloudError]
Script = Callable[[socket.socket, threading.Event], None]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Authority(tmp_path_factory.mktemp("tls")).issue()


@contextmanager
def served(script: Script) -> Iterator[int]:
    """The port of a server that runs `script` with each connection, and an event that is set at the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()
    threads = []

    def talk(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(SLACK)
            script(connection, over)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.append(threading.Thread(target=talk, args=(listener.accept()[0],)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for thread in threads:
            thread.join()


def drip(first: bytes, then: bytes, *, reads: bool = True) -> Script:
    """Send `first`, and then the same piece again and again."""

    def script(connection: socket.socket, over: threading.Event) -> None:
        if reads:
            connection.recv(65536)
        connection.sendall(first)
        while not over.wait(0.02):
            connection.sendall(then)

    return script


def silence(connection: socket.socket, over: threading.Event) -> None:
    over.wait(SLACK)


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    world: World = request.param
    return world


def whole(transport: Transport, request: Request) -> RawResponse:
    """Send a request, and read the body too if it is a stream."""
    response = transport.send(request)
    if response.chunks is not None:
        response.buffer = b"".join(response.chunks)
    return response


@pytest.fixture
def send(world: World) -> Send:
    """Sends a request, and reads the body too if it is a stream."""

    def send(request: Request, **options: Any) -> RawResponse:
        response: RawResponse = world(lambda transport: whole(transport, request), **options)
        return response

    return send


@pytest.fixture
def error_of(send: Send) -> ErrorOf:
    """Sends a request that fails, and returns the error."""

    def error_of(request: Request, **options: Any) -> PolycloudError:
        with pytest.raises(PolycloudError) as caught:
            send(request, **options)
        return caught.value

    return error_of


def soon(url: str, method: str = "GET", **fields: Any) -> Request:
    """A request with a deadline that is near."""
    return Request(method, url, deadline=time.monotonic() + DEADLINE, **fields)


HALF_A_RECORD = drip(b"\x16\x03\x03\x40\x00", b"\x02")


def half_a_record_in_a_tunnel(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65536)
    connection.sendall(OK + b"\r\n")
    HALF_A_RECORD(connection, over)


# Deadlines


DRIPS = {
    "status": (b"HTTP/1.1 200 O", b"K"),
    "header name": (OK, b"2"),
    "header": (OK + b"X: ", b"y"),
    "interim responses": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "chunks": (CHUNKED + b"\r\n", b"1\r\na\r\n"),
    "chunk size": (CHUNKED + b"\r\n", b"0"),
    "chunk extension": (CHUNKED + b"\r\n1;ext=", b"x"),
    "next chunk size": (CHUNKED + b"\r\n1\r\na\r\n", b"0"),
    "trailers": (CHUNKED + b"\r\n1\r\na\r\n0\r\n", b"X-T: y\r\n"),
    "one trailer": (CHUNKED + b"\r\n1\r\na\r\n0\r\nX-T: ", b"y"),
    "body with a length": (OK + b"Content-Length: 100000\r\n\r\n", b"a"),
    "body without a length": (OK + b"\r\n", b"a"),
    "gzip header": (GZIPPED + GZIP_NAME, b"n"),
    "gzip, empty blocks": (GZIPPED + GZIP_NAME + b"\0", EMPTY_BLOCK),
    "gzip, padding": (GZIPPED + EMPTY_MEMBER, b"\0"),
    "gzip, empty members": (GZIPPED, EMPTY_MEMBER),
    "deflate, empty blocks": (OK + b"Content-Encoding: deflate\r\n\r\n\x78\x9c", EMPTY_BLOCK),
    "both, empty blocks": (OK + b"Content-Encoding: gzip, deflate\r\n\r\n\x78\x9c", EMPTY_BLOCK),
}


@pytest.mark.parametrize("stream", [False, True])
def test_whatever_drips_ends_at_the_deadline(world: World, stream: bool) -> None:
    """A response that drips anywhere, so that no wait is long, ends at the deadline, as a stream too."""

    def ends_at_the_deadline(transport: Transport, port: int) -> bool:
        try:
            whole(transport, soon(f"http://127.0.0.1:{port}/", stream=stream))
        except ReadTimeoutError as error:
            return "deadline" in str(error)
        return False

    with ExitStack() as servers:
        ports = [servers.enter_context(served(drip(*pieces))) for pieces in DRIPS.values()]
        with ends_within(SLACK):
            ends = world(
                lambda transport: gather(
                    [partial(ends_at_the_deadline, transport, port) for port in ports], limit=len(ports)
                )
            )
    assert dict(zip(DRIPS, ends, strict=True)) == dict.fromkeys(DRIPS, True)


@pytest.mark.parametrize("whole", [True, False])
def test_an_upload_that_is_not_read(send: Send, whole: bool) -> None:
    """A body that the server does not read, in one piece or many, ends at the deadline."""
    body = b"x" * 30_000_000 if whole else [b"x" * 1_000_000] * 30
    with served(silence) as port, ends_within(SLACK), pytest.raises(ReadTimeoutError, match="deadline"):
        send(soon(f"http://127.0.0.1:{port}/", "PUT", body=body))


def test_an_upload_that_is_read_slowly(send: Send) -> None:
    """A body that the server reads bit by bit, so that no wait is long, ends at the deadline."""

    def sip(connection: socket.socket, over: threading.Event) -> None:
        while not over.wait(0.02):
            connection.recv(65536)

    with served(sip) as port, ends_within(SLACK), pytest.raises(ReadTimeoutError, match="deadline"):
        send(soon(f"http://127.0.0.1:{port}/", "PUT", body=b"x" * 100_000_000))


@pytest.mark.parametrize("script", [silence, HALF_A_RECORD])
def test_a_handshake_ends_at_the_deadline(send: Send, script: Script, certificate: Certificate) -> None:
    """A TLS handshake with a server that is silent or drips ends at the deadline."""
    with served(script) as port, ends_within(SLACK), pytest.raises(ReadTimeoutError, match="deadline"):
        send(soon(f"https://localhost:{port}/"), ca_cert=str(certificate.authority))


@pytest.mark.parametrize("script", [silence, HALF_A_RECORD])
def test_a_handshake_ends_in_the_time_to_connect(
    error_of: ErrorOf, script: Script, certificate: Certificate
) -> None:
    """Without a deadline a handshake ends after the connect timeout, is not retried, and names plain HTTP."""
    with served(script) as port, ends_within(SLACK):
        request = Request("POST", f"https://localhost:{port}/", connect_timeout=DEADLINE)
        error = error_of(request, ca_cert=str(certificate.authority))
    assert type(error) is TLSError
    assert not RetryPolicy().allows(request, 1, error)
    assert "if the server speaks plain HTTP, its URL begins with http://" in str(error)


@pytest.mark.parametrize(
    "script",
    [silence, drip(b"HTTP/1.1 200 O", b"K"), drip(OK + b"X: ", b"y"), drip(b"", b"HTTP/1.1 103 x\r\n\r\n")],
)
def test_a_tunnel_ends_at_the_deadline(send: Send, script: Script) -> None:
    """A proxy that is silent or drips its response to CONNECT ends at the deadline."""
    with served(script) as port, ends_within(SLACK), pytest.raises(ReadTimeoutError, match="deadline"):
        send(soon("https://api.example/"), proxy_url=f"http://127.0.0.1:{port}")


def test_a_handshake_in_a_tunnel_ends_at_the_deadline(send: Send) -> None:
    """A TLS handshake that drips behind a proxy ends at the deadline."""
    with (
        served(half_a_record_in_a_tunnel) as port,
        ends_within(SLACK),
        pytest.raises(ReadTimeoutError, match="deadline"),
    ):
        send(soon("https://api.example/"), proxy_url=f"http://127.0.0.1:{port}")


def test_a_connection_that_is_not_accepted(send: Send) -> None:
    """A TCP connection that nobody accepts ends at the deadline, or after the connect timeout."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # until the kernel takes no more
            each.setblocking(False)
            each.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}/"
        with ends_within(SLACK), pytest.raises(ReadTimeoutError, match="deadline"):
            send(soon(url))
        with ends_within(SLACK), pytest.raises(ConnectError, match="timed out"):
            send(Request("POST", url, connect_timeout=DEADLINE))
        for each in waiting:
            each.close()


def test_a_full_pool_ends_at_the_deadline(world: World) -> None:
    """Waiting for a free connection ends at the deadline."""
    with served(drip(CHUNKED + b"\r\n", b"1\r\na\r\n")) as port:
        url = f"http://127.0.0.1:{port}/"

        def use(transport: Transport) -> None:
            with transport.send(Request("GET", url, stream=True)):
                with ends_within(SLACK), pytest.raises(ReadTimeoutError, match="deadline"):
                    transport.send(soon(url))

        world(use, pool_size=1)


@pytest.mark.parametrize("script", [silence, drip(OK + b"X: ", b"y"), half_a_record_in_a_tunnel])
def test_a_tunnel_of_a_secure_proxy(
    send: Send, certificate: Certificate, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that speaks TLS itself, and is silent or drips in it, ends at the deadline."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))

    def secure(connection: socket.socket, over: threading.Event) -> None:
        with certificate.server_context().wrap_socket(connection, server_side=True) as secured:
            script(secured, over)

    with served(secure) as port, ends_within(SLACK), pytest.raises(ReadTimeoutError, match="deadline"):
        send(soon("https://api.example/"), proxy_url=f"https://localhost:{port}")


def test_a_request_through_a_secure_proxy(
    world: World, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests share a connection through the tunnel of a proxy that speaks TLS itself."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))

    def tunnel(connection: socket.socket, over: threading.Event) -> None:
        with certificate.server_context().wrap_socket(connection, server_side=True) as near:
            port = int(near.recv(65536).split()[1].rpartition(b":")[2])
            near.sendall(OK + b"\r\n")
            with socket.create_connection(("127.0.0.1", port)) as far, suppress(OSError):
                sides: dict[Any, Any] = {near: far, far: near}
                data = OK
                while data:
                    for side in select.select(list(sides), [], [], SLACK)[0]:
                        data = side.recv(65536)
                        sides[side].sendall(data)

    with serve(ssl_context=certificate.server_context()) as web, served(tunnel) as port:
        request = Request("POST", f"https://localhost:{web.port}/", body=b"x" * 50_000)
        bodies = world(
            lambda transport: [transport.send(request).body for _ in range(3)],
            proxy_url=f"https://localhost:{port}",
            ca_cert=str(certificate.authority),
        )
    assert [json.loads(body)["connection"] for body in bodies] == [1, 1, 1]
    assert json.loads(bodies[0])["body"] == "x" * 50_000


def test_a_name_that_is_not_resolved(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not respond costs no more than the deadline, or the time to connect."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait(SLACK) and [])
    try:
        with ends_within(SLACK / 2), pytest.raises(ReadTimeoutError, match="deadline"):
            send(soon("http://api.example/"))
        with ends_within(SLACK / 2), pytest.raises(ConnectError, match="resolved in time"):
            send(Request("POST", "http://api.example/", connect_timeout=DEADLINE))
    finally:
        over.set()


# What was sent


def ends_after_request(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(65536)


def test_a_proxy_that_closes_after_a_forwarded_post(error_of: ErrorOf) -> None:
    """A connection to a proxy that ends after a POST was forwarded is no ConnectError."""
    with served(ends_after_request) as port:
        error = error_of(
            Request("POST", "http://api.example/", body=b"x"), proxy_url=f"http://127.0.0.1:{port}"
        )
    assert type(error) is TransportError


@pytest.mark.parametrize("how", ["end", "garbage", "silence", "reset"])
@pytest.mark.parametrize("proxied", [False, True])
def test_tls_that_breaks_after_a_post(
    error_of: ErrorOf, certificate: Certificate, how: str, proxied: bool
) -> None:
    """What goes wrong in TLS after a POST was sent, through a tunnel too, is a plain TransportError."""
    seen = []

    def script(connection: socket.socket, over: threading.Event) -> None:
        if proxied:
            connection.recv(65536)
            connection.sendall(OK + b"\r\n")
        with certificate.server_context().wrap_socket(connection, server_side=True) as secured:
            seen.append(secured.recv(65536))
            match how:
                case "garbage":
                    os.write(secured.fileno(), b"this is no record of TLS" * 20)
                case "silence":
                    over.wait(SLACK)
                case "reset":
                    secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with served(script) as port:
        url = f"https://localhost:{443 if proxied else port}/"
        proxy = {"proxy_url": f"http://127.0.0.1:{port}"} if proxied else {}
        request = Request("POST", url, body=b"x", read_timeout=DEADLINE if how == "silence" else SLACK)
        error = error_of(request, ca_cert=str(certificate.authority), **proxy)
    assert seen[0].startswith(b"POST / HTTP/1.1\r\n")
    assert type(error) is (ReadTimeoutError if how == "silence" else TransportError)


def test_a_server_that_speaks_first(error_of: ErrorOf) -> None:
    """What a server sends before the handshake is read as TLS, and is no reason to try again."""
    for _ in range(5):
        with served(drip(b"SSH-2.0-OpenSSH_9.6\r\n", b"\r\n", reads=False)) as port:
            error = error_of(Request("GET", f"https://localhost:{port}/"))
        assert type(error) is TLSError


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_a_handshake_that_is_closed(error_of: ErrorOf, how: int) -> None:
    """A server that closes in the handshake is a ConnectError that says so: it may be tried again."""

    def close(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.shutdown(how)

    with served(close) as port:
        error = error_of(Request("POST", f"https://localhost:{port}/"))
    assert type(error) is ConnectError
    assert str(error) == "the connection was closed during the TLS handshake"


def test_tls_that_breaks_before_a_post(error_of: ErrorOf, certificate: Certificate) -> None:
    """A server that does not speak TLS is a TLSError that names plain HTTP: nothing was sent."""
    with served(drip(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"")) as port:
        error = error_of(Request("POST", f"https://localhost:{port}/"))
    assert type(error) is TLSError
    assert "if the server speaks plain HTTP, its URL begins with http://" in str(error)


@pytest.mark.parametrize(
    "response",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 503 Busy\r\n\r\n", OK + b"\r\nand more", OK + b"X: y\n\n"],
)
def test_a_tunnel_that_fails(error_of: ErrorOf, response: bytes) -> None:
    """A proxy that does not open the tunnel as HTTP says is a ConnectError: nothing was sent."""
    with raw_answers(response) as web:
        error = error_of(Request("POST", "https://api.example/", body=b"x"), proxy_url=web.url)
    assert type(error) is ConnectError
    assert "proxy" in str(error)


def test_a_connection_closed_while_idle(world: World) -> None:
    """A connection that the server closed while it idled is opened anew before a POST is written."""

    def use(transport: Transport) -> None:
        for _ in range(3):
            assert transport.send(Request("POST", web.url, body=b"x")).status == 200
            threading.Event().wait(0.1)  # it blocks an event loop too, which does not come to look

    with raw_answers(OK + b"Content-Length: 0\r\n\r\n") as web:
        world(use)
    assert len(web.seen) == 3


def test_a_response_that_was_read_late(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A POST is not lost where the server's idle time had nearly ended before its last response was read."""
    monkeypatch.setattr(looppool, "IDLE_LIMIT", 0.3)
    monkeypatch.setattr(connections, "IDLE_LIMIT", 0.3)
    numbers = []

    def impatient(connection: socket.socket, over: threading.Event) -> None:
        """Close after 0.5 s, at the very moment in which another request arrives."""
        responded = None
        while connection.recv(65536) and (responded is None or time.monotonic() - responded < 0.5):
            connection.sendall(OK + b"Content-Length: 4\r\n\r\n")
            over.wait(0.1)
            connection.sendall(b"body")
            responded = time.monotonic()
            numbers.append(connection.getpeername()[1])

    def use(transport: Transport) -> None:
        for pause in (0.7, 0):
            response = transport.send(Request("POST", f"http://127.0.0.1:{port}/", body=b"x", stream=True))
            threading.Event().wait(pause)  # it blocks an event loop too
            assert response.chunks is not None
            assert b"".join(response.chunks) == b"body"

    with served(impatient) as port:
        world(use)
    assert len(set(numbers)) == 2


def test_servers_are_more_patient() -> None:
    """Connections are not trusted for a second before the 5 s at which many servers close, ours too."""
    assert uvicorn.Config("", log_config=None).timeout_keep_alive - 1 >= IDLE_LIMIT


def test_an_early_response_to_an_upload(send: Send) -> None:
    """The response of a server that refuses before the end of a body and closes is returned."""

    def refuse(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            while connection.recv(65536):
                pass

    with served(refuse) as port:
        body = iter([b"x" * 1000] * 100)
        assert send(Request("PUT", f"http://127.0.0.1:{port}/", body=body)).status == 413


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("body", [b"x" * 30_000_000, [b"x" * 100_000] * 300])
def test_a_refusal_of_an_upload_that_is_not_read(
    send: Send, certificate: Certificate, body: Any, secure: bool
) -> None:
    """The response of a server that refuses a body, stops reading and keeps the connection is returned."""

    def refuse(connection: socket.socket, over: threading.Event) -> None:
        if secure:
            connection = certificate.server_context().wrap_socket(connection, server_side=True)
        connection.recv(65536)
        over.wait(0.1)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        over.wait(SLACK)
        connection.close()

    with served(refuse) as port, ends_within(SLACK / 2):
        url = f"https://localhost:{port}/" if secure else f"http://127.0.0.1:{port}/"
        response = send(Request("PUT", url, body=body), ca_cert=str(certificate.authority))
    assert (response.status, response.body) == (413, b"big")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ends", [False, True])
def test_a_body_that_tls_ends(send: Send, certificate: Certificate, stream: bool, ends: bool) -> None:
    """A body without a length ends with TLS; where only TCP ends, somebody may have cut it."""

    def cut(connection: socket.socket, over: threading.Event) -> None:
        raw = socket.socket(fileno=os.dup(connection.fileno()))
        with raw, certificate.server_context().wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(OK + b"\r\nsome of it")
            if ends:
                secured.unwrap()
            raw.shutdown(socket.SHUT_RDWR)

    with served(cut) as port:
        request = Request("GET", f"https://localhost:{port}/", stream=stream)
        if ends:
            assert send(request, ca_cert=str(certificate.authority)).body == b"some of it"
        else:
            with pytest.raises(TransportError, match="in the middle of the body"):
                send(request, ca_cert=str(certificate.authority))


def test_bytes_that_nobody_asked_for(world: World) -> None:
    """What a server sends beyond a response is never part of the next one."""
    poison = OK + b"Content-Length: 4\r\n\r\nevil"
    with raw_answers(OK + b"Content-Length: 1\r\n\r\na" + poison, OK + b"Content-Length: 1\r\n\r\nb") as web:
        request = Request("GET", web.url)
        assert world(lambda transport: [transport.send(request).body for _ in range(2)]) == [b"a", b"b"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_bytes_that_come_while_idle(world: World, method: str) -> None:
    """What comes on an idle connection is never part of the next response, even if the loop saw no turn."""

    def late(connection: socket.socket, over: threading.Event) -> None:
        for body in (b"a", b"b"):
            if connection.recv(65536):
                connection.sendall(OK + b"Content-Length: 1\r\n\r\n" + body)
                over.wait(0.05)
                connection.sendall(OK + b"Content-Length: 4\r\n\r\nevil")

    def use(transport: Transport) -> list[bytes]:
        request = Request(method, f"http://127.0.0.1:{port}/")
        first = transport.send(request)
        threading.Event().wait(0.2)  # on purpose it holds the loop
        return [first.body, transport.send(request).body]

    with served(late) as port:
        assert world(use) == [b"a", b"a"]


def test_a_body_error_of_the_caller_closes_the_connection(world: World) -> None:
    """An exception in the caller's own body goes to the caller, and costs no place in the pool."""

    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("mine")

    with serve() as web:

        def use(transport: Transport) -> None:
            for _ in range(3):
                with pytest.raises(ValueError, match="mine"):
                    transport.send(Request("PUT", web.url, body=broken(), read_timeout=1))
            assert transport.send(Request("GET", web.url, read_timeout=1)).status == 200

        world(use, pool_size=1)


def test_undecoded_bytes_have_a_limit(error_of: ErrorOf) -> None:
    """A body that decodes to little or nothing is refused where its undecoded bytes exceed the limit."""
    with raw_answers(GZIPPED + GZIP_NAME + b"\0" + EMPTY_BLOCK * 100_000) as web:
        assert "100,000 bytes" in str(error_of(Request("GET", web.url), body_limit=100_000))


def test_a_truncated_body_is_refused(error_of: ErrorOf) -> None:
    """A compressed body that ends too early is an error, not a short body."""
    packed = zlib.compress(b"abc" * 1000)[:-6]
    head = OK + b"Content-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with raw_answers(head + packed) as web:
        assert "too early" in str(error_of(Request("GET", web.url)))


@pytest.mark.parametrize("begun", [True, False])
def test_forgotten_streams_cost_no_place(world: World, begun: bool) -> None:
    """A stream that nobody closes, read in part or not at all, gives its place back when it is forgotten."""
    with served(drip(CHUNKED + b"\r\n", b"1\r\na\r\n")) as port:
        request = Request("GET", f"http://127.0.0.1:{port}/", stream=True, read_timeout=1)

        def use(transport: Transport) -> None:
            for _ in range(10):
                response = transport.send(request)
                if begun:
                    next(iter(response.chunks or ()))
                del response

        world(use, pool_size=2)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timer")
def test_a_signal_handler_may_send() -> None:
    """A signal handler that sends while its thread is in the middle of sending does not wait for itself."""
    sent = []

    def handle(*_: object) -> None:
        sent.append(transport.send(Request("POST", web.url, read_timeout=5)).status)

    with serve() as web:
        transport = Urllib3Transport(TransportOptions(pool_size=8))
        before = signal.signal(signal.SIGALRM, handle)
        try:
            for number in range(800):
                signal.setitimer(signal.ITIMER_REAL, 5e-6 * (number % 50 + 1))
                assert transport.send(Request("GET", web.url, read_timeout=5)).status == 200
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            transport.close()
    assert len(sent) > 100
    assert set(sent) == {200}
