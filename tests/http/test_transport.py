from __future__ import annotations

import base64
import gzip
import io
import os
import pickle
import socket
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from urllib3 import HTTPConnectionPool

from polycloud.concurrency import waiting
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    MalformedResponseError,
    ReadTimeoutError,
    TLSError,
    TransportError,
)
from polycloud.http.messages import RawResponse, Request, Transport, TransportOptions, is_loopback
from polycloud.http.urllib3 import Urllib3Transport
from polycloud.utils.headers import Headers
from support.clock import ends_within
from support.transports import WORLDS, World
from support.web import Answer, Seen, echo, raw_answers, serve

Send = Callable[..., Any]


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    """Calls a function with a transport that has these options, and closes the transport."""
    world: World = request.param
    return world


@pytest.fixture
def send(world: World) -> Send:
    """Sends one request and calls a function with its response, before the transport is closed."""

    def send(request: Request, use: Callable[[RawResponse], Any], **options: Any) -> Any:
        return world(lambda transport: use(transport.send(request)), **options)

    return send


def identity(response: RawResponse) -> RawResponse:
    return response


def json_of(response: RawResponse) -> Any:
    import json

    return json.loads(response.body)


def test_a_request_arrives_unchanged(send: Send) -> None:
    """Method, path, query, headers and body arrive exactly as the request has them."""
    with serve() as web:
        request = Request("POST", f"{web.url}/a%2Fb/c?x=%20&y=1", {"X-One": "a b"}, b"\x00body\xff")
        seen = json_of(send(request, identity))
    assert (seen["method"], seen["target"]) == ("POST", "/a%2Fb/c?x=%20&y=1")
    assert seen["headers"]["x-one"] == "a b"
    assert seen["body"] == "\x00body\xff"


def test_responses_come_back_unchanged(send: Send) -> None:
    """Status, reason and headers come back whatever the status is; headers are found in any case."""
    with serve(lambda _: Answer(418, b"tea", {"X-Kind": "pot"})) as web:
        response = send(Request("GET", web.url), identity)
    assert (response.status, response.body, response.headers["X-KIND"]) == (418, b"tea", "pot")
    assert response.headers.get("x-none") is None
    assert "x-kind" in response.headers


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
@pytest.mark.parametrize("chunked", [True, False])
def test_bodies_are_decoded(send: Send, encoding: str, chunked: bool) -> None:
    """Compressed and chunked bodies come back complete and decoded."""
    text = b"The same text, again and again. " * 20_000
    packers: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
    packed = packers.get(encoding, bytes)(text)
    pieces = [packed[i : i + 7000] for i in range(0, len(packed), 7000)] if chunked else None
    with serve(lambda _: Answer(200, packed, {"Content-Encoding": encoding}, pieces)) as web:
        assert send(Request("GET", web.url), identity).body == text
        streamed = Request("GET", web.url, stream=True)
        assert send(streamed, lambda response: b"".join(response.chunks)) == text


@pytest.mark.parametrize("kind", ["file", "iterator"])
def test_uploads_stream(send: Send, kind: str) -> None:
    """A body that is a file or an iterator is sent completely, in pieces."""
    pieces = [bytes([n]) * 50_000 for n in range(20)]
    with serve(lambda seen: Answer(body={"size": len(seen.body), "last": seen.body[-1]})) as web:
        body = io.BytesIO(b"".join(pieces)) if kind == "file" else iter(pieces)
        assert json_of(send(Request("PUT", web.url, body=body), identity)) == {"size": 1_000_000, "last": 19}


def test_a_stream_that_is_not_read_frees_its_connection(world: World) -> None:
    """A stream that is closed in the middle leaves its place in the pool to the next request."""
    with serve(lambda _: Answer(200, b"x" * 5_000_000)) as web:

        def use(transport: Transport) -> tuple[int, int]:
            with transport.send(Request("GET", web.url, stream=True)) as response:
                first = len(next(iter(response.chunks or ())))
            return first, len(transport.send(Request("GET", web.url)).body)

        first, second = world(use, pool_size=1)
    assert 0 < first < second == 5_000_000


@pytest.mark.parametrize("leave", ["close", "break", "limit"])
def test_streams_that_are_left_cost_no_place(world: World, leave: str) -> None:
    """A stream that is closed, left in the middle or too long gives its place in the pool back."""
    with serve(lambda _: Answer(200, b"x" * 500_000)) as web:
        request = Request("GET", web.url, stream=leave != "limit", read_timeout=2)

        def use(transport: Transport) -> None:
            for _ in range(5):
                if leave == "limit":
                    with pytest.raises(MalformedResponseError):
                        transport.send(request)
                    continue
                response = transport.send(request)
                if leave == "break":
                    next(iter(response.chunks or ()))
                response.close()

        world(use, pool_size=2, body_limit=1000)


def test_connections_are_kept(world: World) -> None:
    """Requests one after another share one connection."""
    with serve() as web:
        request = Request("GET", web.url)
        responses = world(lambda transport: [transport.send(request) for _ in range(5)])
    assert {json_of(response)["connection"] for response in responses} == {1}


def test_no_more_connections_than_the_pool_holds(world: World) -> None:
    """Callers that share a transport wait for a free connection instead of opening more."""

    def slowly(seen: Seen) -> Answer:
        waiting.sleep(0.02)
        return echo(seen)

    with serve(slowly) as web:
        request = Request("GET", web.url)
        responses = world(
            lambda transport: waiting.gather([lambda: transport.send(request)] * 40, limit=16), pool_size=3
        )
    assert {json_of(response)["connection"] for response in responses} == {1, 2, 3}


def test_closing_while_others_wait() -> None:
    """Who waits for a place of a pool that is closed gets it when it is given back, and no idle one stays."""
    entered, released = threading.Event(), threading.Event()

    def respond(seen: Seen) -> Answer:
        entered.set()
        released.wait(10)
        return echo(seen)

    with serve(respond) as web, ends_within(10):
        transport = Urllib3Transport(TransportOptions(pool_size=1))
        request = Request("GET", web.url, read_timeout=20)
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda: found.append(transport.send(request).status)) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        entered.wait(10)
        (pool,) = transport._pools.values()
        threading.Event().wait(0.1)
        transport.close()
        released.set()
        for thread in threads:
            thread.join()
        assert found == [200, 200, 200]
        assert pool.places.idle == []


def test_nobody_listens(send: Send) -> None:
    """A refused connection is a ConnectError: nothing can have been carried out."""
    with raw_answers(b"") as web:
        url = web.url
    with pytest.raises(ConnectError):
        send(Request("POST", url), identity)


def test_unknown_host(send: Send) -> None:
    """A name that cannot be resolved is a ConnectError."""
    with pytest.raises(ConnectError):
        send(Request("GET", "http://no-such-host.invalid/"), identity)


@pytest.mark.parametrize("stream", [False, True])
def test_no_response_in_time(send: Send, stream: bool) -> None:
    """A server that does not respond ends as a ReadTimeoutError, streaming or not."""
    release = threading.Event()

    def late(_: Seen) -> None:
        release.wait(20)

    with serve(late) as web:
        try:
            with ends_within(10), pytest.raises(ReadTimeoutError):
                send(Request("GET", web.url, read_timeout=0.2, stream=stream), identity)
        finally:
            release.set()


@pytest.mark.parametrize("stream", [False, True])
def test_a_stalled_body_times_out(send: Send, stream: bool) -> None:
    """A body that stops in the middle ends as a ReadTimeoutError, in a stream too."""
    release = threading.Event()

    def stall() -> Iterator[bytes]:
        yield b"x" * 10
        release.wait(20)

    with serve(lambda _: Answer(200, chunks=stall())) as web:
        request = Request("GET", web.url, read_timeout=0.2, stream=stream)
        try:
            with ends_within(10), pytest.raises(ReadTimeoutError):
                send(request, read)
        finally:
            release.set()


def read(response: RawResponse) -> bytes:
    return response.body + b"".join(response.chunks or ())


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 700_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)
def test_broken_responses(send: Send, response: bytes) -> None:
    """Whatever breaks on the wire is a TransportError."""
    with raw_answers(response) as web, pytest.raises(TransportError):
        send(Request("GET", web.url), identity)


@pytest.mark.parametrize("secure", [False, True])
def test_long_bodies(world: World, certificate: Certificate, secure: bool) -> None:
    """Bodies of any length arrive unchanged, one after another on one connection, over TLS too."""
    body = os.urandom(6_000_000)
    sizes = (65_535, 65_536, 65_537, 140_000, len(body), 1)

    def respond(seen: Seen) -> Answer:
        return Answer(200, body[: int(seen.path[1:])], {"X-Connection": str(seen.connection)})

    with serve(respond, certificate.server_context() if secure else None) as web:
        url = f"https://localhost:{web.port}" if secure else web.url
        requests = [Request("GET", f"{url}/{size}") for size in sizes]
        options = {"ca_cert": str(certificate.cert)} if secure else {}
        responses = world(lambda transport: list(map(transport.send, requests)), **options)
    assert [response.body for response in responses] == [body[:size] for size in sizes]
    assert {response.headers["x-connection"] for response in responses} == {"1"}


def test_bytes_after_a_long_body(world: World) -> None:
    """Bytes after a long body are no part of it, nor of the response to the next request."""
    body = os.urandom(300_000)
    sent = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with raw_answers(sent + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", sent) as web:
        request = Request("GET", web.url)
        responses = world(lambda transport: [transport.send(request), transport.send(request)])
    assert [response.body for response in responses] == [body, body]


@pytest.mark.parametrize("length", [10**12, 2**63 - 1, 2**64 - 1])
def test_a_length_beyond_all_memory(send: Send, length: int) -> None:
    """A length that no memory holds is a claim like any other: the body that breaks off is a broken one."""
    with raw_answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nabc" % length) as web:
        with pytest.raises(TransportError, match="in the middle of the body"):
            send(Request("GET", web.url), identity, body_limit=2**64)


@pytest.mark.parametrize("stream", [True, False])
def test_undecodable_body(send: Send, stream: bool) -> None:
    """A body that is not what its Content-Encoding says is an error of our tree, without the original."""
    response = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"
    with raw_answers(response) as web, pytest.raises(MalformedResponseError) as caught:
        send(Request("GET", web.url, stream=stream), lambda response: list(response.chunks or ()))
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_body_limit(send: Send) -> None:
    """A response longer than the limit is refused, and so is one that unpacks to more."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    with serve(lambda _: Answer(200, bomb, {"Content-Encoding": "gzip"})) as web:
        with pytest.raises(MalformedResponseError, match="1,000,000 bytes"):
            send(Request("GET", web.url), identity, body_limit=1_000_000)


def test_no_redirect_is_followed(send: Send) -> None:
    """A redirect comes back as a response and is not followed."""
    with serve(lambda _: Answer(302, b"", {"Location": "http://elsewhere.invalid/"})) as web:
        assert send(Request("GET", web.url), identity).status == 302


def test_tls_is_verified(send: Send, certificate: Certificate) -> None:
    """An untrusted certificate is refused, and accepted where its authority is given."""
    with serve(ssl_context=certificate.server_context()) as web:
        url = f"https://localhost:{web.port}/"
        with pytest.raises(TLSError):
            send(Request("GET", url), identity)
        assert send(Request("GET", url), identity, ca_cert=str(certificate.cert)).status == 200


def test_client_certificate(send: Send, certificate: Certificate) -> None:
    """A server that requires a client certificate gets it, and refuses a client without one."""
    with serve(ssl_context=certificate.server_context(ask=True)) as web:
        options = {
            "ca_cert": str(certificate.cert),
            "client_cert": (str(certificate.cert), str(certificate.key)),
        }
        request = Request("GET", f"https://localhost:{web.port}/")
        assert send(request, identity, **options).status == 200
        with pytest.raises(TransportError):
            send(request, identity, ca_cert=str(certificate.cert))


def test_unusable_tls_files(send: Send) -> None:
    """A certificate file that is not there is named."""
    with pytest.raises(InvalidArgumentError, match=r"/no/such\.pem"):
        send(Request("GET", "https://localhost:1/"), identity, ca_cert="/no/such.pem")


class Certificate:
    """A self-signed certificate for localhost."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", str(self.key), "-out", str(self.cert)],
            check=True, capture_output=True,
        )  # fmt: skip

    def server_context(self, *, ask: bool = False) -> Any:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if ask:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.cert)
        return context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


def test_proxy(send: Send) -> None:
    """A plain request is sent through the given proxy, with its complete URL."""
    with serve() as proxy, serve() as web:
        seen = json_of(send(Request("GET", f"{web.url}/x"), identity, proxy_url=proxy.url))
        assert seen["target"] == f"{web.url}/x"
        assert web.seen == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_tunnels(send: Send, certificate: Certificate, method: str) -> None:
    """An HTTPS request, a POST too, goes through a proxy's tunnel, with the proxy's user and password."""
    with serve(ssl_context=certificate.server_context()) as web, connect_proxy() as proxy:
        request = Request(method, f"https://localhost:{web.port}/x")
        url = f"http://me:pa%20ss@127.0.0.1:{proxy.port}"
        assert send(request, identity, proxy_url=url, ca_cert=str(certificate.cert)).status == 200
        assert base64.b64encode(b"me:pa ss") in proxy.heads[0]


def test_a_proxy_that_refuses(send: Send) -> None:
    """A proxy that refuses is a ConnectError: nothing reached the provider."""
    with raw_answers(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as proxy:
        with pytest.raises(ConnectError, match="407"):
            send(Request("POST", "https://api.example/"), identity, proxy_url=proxy.url)


def test_no_cookies_are_kept(world: World) -> None:
    """A cookie that one request got is not sent with the next, which may be another account's."""
    with serve(lambda seen: Answer(200, seen.echo(), {"Set-Cookie": "session=mine"})) as web:
        url = f"http://localhost:{web.port}/"
        responses = world(lambda transport: [transport.send(Request("GET", url)) for _ in range(2)])
    assert [response.headers["set-cookie"] for response in responses] == ["session=mine"] * 2
    assert not any("cookie" in json_of(response)["headers"] for response in responses)


@dataclass
class ConnectProxy:
    port: int
    heads: list[bytes]


@contextmanager
def connect_proxy() -> Iterator[ConnectProxy]:
    """A proxy that tunnels one connection to any port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = ConnectProxy(listener.getsockname()[1], [])

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def run() -> None:
        inside, _ = listener.accept()
        with inside:
            proxy.heads.append(inside.recv(65536))
            port = int(proxy.heads[0].split()[1].rpartition(b":")[2])
            with socket.create_connection(("127.0.0.1", port)) as outside:
                inside.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pump, args=(outside, inside))
                back.start()
                pump(inside, outside)
                back.join()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield proxy
    finally:
        listener.close()
        thread.join()


def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a proxy of its own a transport takes the environment's, but never to this machine."""
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "direct.example")
    options = TransportOptions()
    assert options.proxy_for("https://api.example/") == "http://proxy.example:3128"
    assert options.proxy_for("https://direct.example/") is None
    assert options.proxy_for("https://127.0.0.1:8443/") is None
    assert TransportOptions(proxy_url="http://mine:1").proxy_for("https://direct.example/") == "http://mine:1"
    assert "mine" not in repr(TransportOptions(proxy_url="http://mine:1"))


def test_an_idle_connection_is_not_trusted_with_a_post() -> None:
    """A POST does not go out on a connection whose last request is over 4 s old; a GET may."""
    with serve() as web:
        transport = Urllib3Transport()
        first = json_of(transport.send(Request("GET", web.url)))["connection"]
        age_idle_connections(transport)
        assert json_of(transport.send(Request("GET", web.url)))["connection"] == first
        age_idle_connections(transport)
        assert json_of(transport.send(Request("POST", web.url)))["connection"] != first
        transport.close()


def age_idle_connections(transport: Urllib3Transport) -> None:
    places: Any
    (places,) = (pool.pool for pool in transport._pools.values() if isinstance(pool, HTTPConnectionPool))
    for connection in places.idle:
        connection.last_sent -= 4.1


def test_a_transport_pickles_without_sockets() -> None:
    """A pickled transport keeps its options and opens connections of its own."""
    with serve() as web:
        transport = Urllib3Transport(TransportOptions(pool_size=5))
        transport.send(Request("GET", web.url))
        again = pickle.loads(pickle.dumps(transport))
        assert again.options == transport.options
        assert json_of(again.send(Request("GET", web.url)))["connection"] == 2
        transport.close()
        again.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_opens_its_own_connections() -> None:
    """A forked child never writes to its parent's connections."""
    with serve() as web:
        transport = Urllib3Transport()
        parents = json_of(transport.send(Request("GET", web.url)))["connection"]
        child = os.fork()
        if child == 0:
            os._exit(json_of(transport.send(Request("GET", web.url)))["connection"])
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != parents
        assert json_of(transport.send(Request("GET", web.url)))["connection"] == parents
        transport.close()


def test_repeated_headers_are_joined() -> None:
    """A header that comes twice is one, joined by a comma."""
    assert Headers([("A", "1"), ("a", "2")]) == {"a": "1, 2"}


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("a.localhost", False),
        ("LOCALHOST.", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True),
     ("10.0.0.1", False), ("localhost.example", False), ("", False), ("0.0.0.0", False)],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    """This machine is `localhost` and the loopback addresses, nothing else."""
    assert is_loopback(host) is loopback
