from __future__ import annotations

import base64
import gzip
import re
import socket
import ssl
import threading
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from urllib3 import HTTPConnectionPool

from polycloud import security
from polycloud.common.base import BaseDriver, Connection, ConnectionUserAndKey, JsonResponse
from polycloud.common.pagination import path_and_query
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.ssh import SSHClient
from polycloud.compute.types import SSHAuthenticationError
from polycloud.errors import (
    InsecureConnectionError,
    InvalidArgumentError,
    MalformedResponseError,
    PolycloudError,
    TLSError,
    TransportError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.testing.sshd import SSHServer
from support.certificates import LOCALHOST, OLD, Authority, Certificate
from support.transports import bridged_on_loop, plainly
from support.web import Answer, Seen, Web, echo, raw_answers, serve

World = Callable[[Callable[[], Any]], Any]
ONCE = RetryPolicy(attempts=1)
SECRET = "hunter2/hunter2"
KEY = "correct-horse"
MEGABYTE = 1_000_000


class BasicConnection(ConnectionUserAndKey):
    responseCls = JsonResponse

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        credentials = base64.b64encode(f"{self.user_id}:{self.key}".encode()).decode()
        return {**headers, "Authorization": f"Basic {credentials}"}

    def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
        return {**params, "api_key": self.key}


class Cloud(BaseDriver):
    name = "Cloud"
    connectionCls = BasicConnection


def cloud(**options: Any) -> Cloud:
    return Cloud("user", SECRET, **{"retry": ONCE, **options})


@pytest.fixture(params=[plainly, bridged_on_loop])
def world(request: pytest.FixtureRequest) -> World:
    """Over urllib3, and over the loop in a bridge."""
    world: World = request.param
    return world


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    return authority.issue()


@contextmanager
def secure_web(certificate: Certificate, respond: Callable[[Seen], Answer | None] = echo) -> Iterator[Web]:
    with serve(respond, certificate.server_context()) as web:
        yield web


def always(response: Answer) -> Callable[[Seen], Answer]:
    return lambda _: response


def trusting(certificate: Certificate, web: Web) -> dict[str, Any]:
    return {"host": "localhost", "port": web.port, "ca_cert": str(certificate.authority)}


# Certificates


def test_a_good_certificate(world: World, certificate: Certificate) -> None:
    """A certificate for the host from a trusted authority is accepted."""
    with secure_web(certificate) as web, cloud(**trusting(certificate, web)) as driver:
        assert world(lambda: driver.connection.request("/x").status) == 200


FAULTS = {
    "self-signed": "self-signed certificate",
    "of a stranger": "unable to get local issuer certificate",
    "expired": "certificate has expired",
    "for another host": "Hostname mismatch|doesn't match|not valid for",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_certificates(world: World, tmp_path: Path, fault: str) -> None:
    """A certificate with a fault is a TLSError, and nothing was sent to whoever showed it."""
    authority = Authority(tmp_path)
    bad = {
        "self-signed": lambda: Authority(tmp_path, "self").issue(own=True),
        "of a stranger": lambda: Authority(tmp_path, "stranger").issue(),
        "expired": lambda: authority.issue(ends_in=timedelta(hours=-1)),
        "for another host": lambda: authority.issue(("api.example", "192.0.2.1")),
    }[fault]()
    bad.authority = authority.cert
    with secure_web(bad) as web, cloud(**trusting(bad, web)) as driver:
        with pytest.raises(TLSError, match=FAULTS[fault]) as caught:
            world(lambda: driver.connection.request("/x", data="body", method="POST"))
        assert web.seen == []
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.filterwarnings("ignore:.*TLSv1.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("version", OLD)
def test_old_tls(world: World, certificate: Certificate, version: ssl.TLSVersion) -> None:
    """A server that speaks nothing newer than TLS 1.1 is not spoken to."""
    with serve(echo, certificate.server_context(version)) as web:
        with cloud(**trusting(certificate, web)) as driver, pytest.raises(TLSError):
            world(lambda: driver.connection.request("/x"))
        assert web.seen == []


def unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)


SWITCHES: dict[str, Any] = {
    "verify=": {"verify": False},
    "verify_ssl_cert=": {"verify_ssl_cert": False},
    "ssl_context=": {"ssl_context": None},
    'ca_cert=""': {"ca_cert": ""},
    "ca_cert=False": {"ca_cert": False},
    "ca_cert=True": {"ca_cert": True},
    "ca_cert=/dev/null": {"ca_cert": "/dev/null"},
    "security.VERIFY_SSL_CERT": lambda patch: patch.setattr(security, "VERIFY_SSL_CERT", False),
    "security.CA_CERTS_PATH": lambda patch: patch.setattr(security, "CA_CERTS_PATH", ""),
    "ssl._create_default_https_context": unverified,
    "PYTHONHTTPSVERIFY": lambda patch: patch.setenv("PYTHONHTTPSVERIFY", "0"),
    "CURL_CA_BUNDLE": lambda patch: patch.setenv("CURL_CA_BUNDLE", ""),
    "REQUESTS_CA_BUNDLE": lambda patch: patch.setenv("REQUESTS_CA_BUNDLE", ""),
    "SSL_CERT_FILE": lambda patch: patch.setenv("SSL_CERT_FILE", "/dev/null"),
    "SSL_CERT_DIR": lambda patch: patch.setenv("SSL_CERT_DIR", "/dev/null"),
}


@pytest.mark.filterwarnings("ignore:VERIFY_SSL_CERT = False has no effect:RuntimeWarning")
@pytest.mark.parametrize("switch", SWITCHES)
def test_verification_cannot_be_switched_off(
    world: World, certificate: Certificate, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    """Whatever switch is tried, an untrusted certificate is refused, or the switch itself is."""
    how = SWITCHES[switch]
    options = {} if callable(how) else how
    if callable(how):
        how(monkeypatch)
    with secure_web(certificate) as web:
        with pytest.raises((TLSError, InvalidArgumentError)):
            with cloud(host="localhost", port=web.port, **options) as driver:
                world(lambda: driver.connection.request("/x"))
        assert web.seen == []


def test_authorities_of_ones_own(
    world: World, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test server's authority is named by `security.CA_CERTS_PATH`, or OpenSSL's `SSL_CERT_FILE`."""
    with secure_web(certificate) as web:
        monkeypatch.setattr(security, "CA_CERTS_PATH", str(certificate.authority))
        with cloud(host="localhost", port=web.port) as driver:
            assert world(lambda: driver.connection.request("/x").status) == 200
        monkeypatch.setattr(security, "CA_CERTS_PATH", None)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
        with cloud(host="localhost", port=web.port) as driver:
            assert world(lambda: driver.connection.request("/x").status) == 200


def test_a_key_in_the_place_of_its_file(world: World) -> None:
    """A client's private key that is given where its file is wanted is not repeated in the error."""
    key = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
    with cloud(host="localhost", port=1, client_cert=key) as driver:
        with pytest.raises(InvalidArgumentError, match="client_cert=") as caught:
            world(lambda: driver.connection.request("/x"))
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_an_encrypted_client_key(world: World, certificate: Certificate, tmp_path: Path) -> None:
    """A client's encrypted key is refused, and there is no prompt for its passphrase."""
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key(certificate.key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    lock = form.BestAvailableEncryption(b"passphrase")
    locked.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, lock))
    with cloud(host="localhost", port=1, client_cert=(str(certificate.cert), str(locked))) as driver:
        with pytest.raises(InvalidArgumentError, match=r"locked\.key"):
            world(lambda: driver.connection.request("/x"))


# Plain HTTP


@pytest.mark.parametrize(
    "host",
    [
        "api.example", "10.0.0.1", "0.0.0.0", "127.1", "0x7f000001", "2130706433", "localhost.example",
        "127.0.0.1.example", "example.localhost", "::", "fe80::1%lo", "ⓛocalhost.example",
    ],
)  # fmt: skip
def test_plain_http_to_others(host: str) -> None:
    """Plain HTTP is refused before anything is sent, to everything that is not surely this machine."""
    address = f"[{host}]" if ":" in host else host
    with pytest.raises((InsecureConnectionError, InvalidArgumentError)):
        cloud(secure=False, host=host)
    with pytest.raises((InsecureConnectionError, InvalidArgumentError)):
        cloud(url=f"http://{address}/")


# Redirects and links


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirects(world: World, status: int, method: str) -> None:
    """A redirect is an error: nothing is sent to its target."""
    with serve() as other:
        for target in (f"{other.url}/taken", f"//127.0.0.1:{other.port}/taken", "/elsewhere", "\\\\x", "["):
            with (
                serve(always(Answer(status, b"", {"Location": target}))) as web,
                cloud(**web.options) as driver,
            ):
                with pytest.raises(PolycloudError):
                    world(partial(driver.connection.request, "/x", method=method))
                assert [seen.path for seen in web.seen] == ["/x"]
        assert other.seen == []


def test_no_redirect_leaves_https(world: World, certificate: Certificate) -> None:
    """A redirect from HTTPS to plain HTTP is not followed."""
    with serve() as plain:
        response = Answer(302, b"", {"Location": f"{plain.url}/taken"})
        with secure_web(certificate, lambda _: response) as web:
            with cloud(**trusting(certificate, web)) as driver:
                with pytest.raises(MalformedResponseError, match="not followed"):
                    world(lambda: driver.connection.request("/x"))
        assert plain.seen == []


LINKS = (
    "{other}/x?page=2", "//{place}/x", "http://user:pw@{place}/x", "\\\\{place}\\x", "/\\{place}/x",
    "@{place}/x", ":1@{place}/x", "http:/\\{place}/x", "http:{place}/x", "?@{place}", "#@{place}/",
    "/x#{other}", "http:////{place}/x", "///{place}/x", "/..//{place}/x",
)  # fmt: skip


@pytest.mark.parametrize("link", LINKS)
def test_links_to_other_hosts(world: World, link: str) -> None:
    """Of a link in a response only path and query are followed, on the provider's own host."""
    with serve() as other, serve() as web, cloud(**web.options) as driver:
        url = link.format(other=other.url, place=f"127.0.0.1:{other.port}")
        world(lambda: driver.connection.request(path_and_query(url)))
        assert other.seen == []
        assert [seen.headers["Host"] for seen in web.seen] == [f"127.0.0.1:{web.port}"]


def test_digitaloceans_links() -> None:
    """A next page that DigitalOcean's response places on another host is requested from DigitalOcean."""
    with serve() as other:

        def respond(seen: Seen) -> Answer:
            further = {"next": f"{other.url}{seen.path}?page=2", "last": f"{other.url}{seen.path}?page=2"}
            links = {} if seen.query.get("page") == ["2"] else {"pages": further}
            return Answer(body={"regions": [], "links": links, "meta": {"total": 0}})

        with serve(respond) as web, DigitalOceanNodeDriver("token", **web.options) as driver:
            driver.list_locations()
            assert {"2"} <= {page for seen in web.seen for page in seen.query.get("page", [])}
        assert other.seen == []


# Unbounded responses


def drip(size: int, piece: int) -> Iterator[bytes]:
    for _ in range(size // piece):
        yield b"x" * piece


TOO_LONG: dict[str, Callable[[], Answer]] = {
    "plain": lambda: Answer(200, b"x" * MEGABYTE),
    "gzip": lambda: Answer(200, gzip.compress(b"x" * MEGABYTE), {"Content-Encoding": "gzip"}),
    "deflate": lambda: Answer(200, zlib.compress(b"x" * MEGABYTE), {"Content-Encoding": "deflate"}),
    "chunked": lambda: Answer(200, chunks=drip(MEGABYTE, 5000)),
    "drip": lambda: Answer(200, chunks=drip(20_000, 10)),
    "an error": lambda: Answer(500, b"x" * MEGABYTE),
}


@pytest.mark.parametrize("kind", TOO_LONG)
def test_body_limit(world: World, kind: str) -> None:
    """A response of more than `body_limit` bytes is refused, however it is sent; the driver still works."""
    responses = iter([TOO_LONG[kind]()])
    with serve(lambda seen: next(responses, None) or echo(seen)) as web:
        with cloud(**web.options, body_limit=10_000) as driver:
            with pytest.raises(MalformedResponseError, match=r"10,000 bytes \(body_limit=\)"):
                world(lambda: driver.connection.request("/"))
            assert world(lambda: driver.connection.request("/").status) == 200


@pytest.mark.parametrize(
    ("head", "body", "outcome"),
    [
        # Plain code refuses the length that is announced, a loop the end that comes too early
        (b"Content-Length: 1000000000000\r\n", b"x" * 100, (MalformedResponseError, TransportError)),
        (b"Content-Length: 1000000000000\r\n", b"x" * MEGABYTE, MalformedResponseError),
        (b"", b"x" * MEGABYTE, MalformedResponseError),
        (b"Content-Length: -1\r\n", b"x" * MEGABYTE, PolycloudError),
        (b"Content-Length: 5\r\nContent-Length: 7\r\n", b"x" * 7, PolycloudError),
        (b"Transfer-Encoding: chunked\r\n", b"fffffffffff\r\n" + b"x" * MEGABYTE, MalformedResponseError),
        (b"Transfer-Encoding: chunked\r\n", b"-5\r\n" + b"x" * MEGABYTE, PolycloudError),
        (b"Transfer-Encoding: chunked\r\n", b"1" * MEGABYTE, PolycloudError),
    ],
)
def test_lying_lengths(
    world: World, head: bytes, body: bytes, outcome: type[PolycloudError] | tuple[type[PolycloudError], ...]
) -> None:
    """A response with a wrong length ends as an error of ours, at the limit at the latest."""
    with raw_answers(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body) as web:
        with cloud(**web.options, body_limit=10_000) as driver, pytest.raises(outcome):
            world(lambda: driver.connection.request("/"))


def test_a_length_that_is_too_small(world: World) -> None:
    """Bytes after the announced end of a response are part of neither this response nor the next."""
    first = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrueHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse"
    )
    second = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42"
    with raw_answers(first, second) as web, cloud(**web.options, retry=RetryPolicy(base=0.001)) as driver:
        both = world(lambda: [driver.connection.request("/").object for _ in range(2)])
    assert both == [True, 42]


def peak(call: Callable[[], Any]) -> int:
    """The most bytes that were in use at once during a call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="session")
def bomb() -> bytes:
    """A body that unpacks to 100 MB."""
    return gzip.compress(b"\0" * 100 * MEGABYTE)


@pytest.mark.parametrize("layers", [1, 2, 30])
def test_a_bomb_takes_no_memory(world: World, bomb: bytes, layers: int) -> None:
    """A body that unpacks to 100 MB takes a few MB, however often packed; packed once it is refused."""
    packed = bomb if layers == 1 else gzip.compress(bomb)
    encodings = {"Content-Encoding": ", ".join(["gzip"] * layers)}

    refusals: list[PolycloudError] = []

    def call() -> None:
        try:
            driver.connection.request("/")
        except PolycloudError as error:
            refusals.append(error)

    with serve(lambda _: Answer(200, packed, encodings)) as web:
        with cloud(**web.options, body_limit=MEGABYTE) as driver:
            assert peak(lambda: world(call)) < 30 * MEGABYTE
    assert refusals or layers > 1  # aiohttp does not unpack several layers


def test_a_streamed_bomb_comes_in_pieces(world: World, bomb: bytes) -> None:
    """Of a streamed body that unpacks to 100 MB no more than a piece is in memory."""
    with serve(lambda _: Answer(200, bomb, {"Content-Encoding": "gzip"})) as web:

        def call() -> int:
            response = driver.connection.request("/", stream=True)
            return sum(map(len, response.iter_bytes()))

        with cloud(**web.options) as driver:
            sizes: list[int] = []
            assert peak(lambda: sizes.append(world(call))) < 30 * MEGABYTE
    assert sizes == [100 * MEGABYTE]


@contextmanager
def pouring(data: bytes) -> Iterator[int]:
    """A server that sends these bytes to its first client, as far as they are read."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(data)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    "head",
    [
        b"X-One: " + b"y" * 20 * MEGABYTE + b"\r\n\r\n",
        b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(20_000)) + b"\r\n",
        b"Set-Cookie: " + b"y" * 1000 + b"\r\n" + b"X: y\r\n" * 500_000 + b"\r\n",
        b"y" * 20 * MEGABYTE,
    ],
    ids=["one long header", "many headers", "many short headers", "no header at all"],
)
def test_header_bombs(world: World, head: bytes) -> None:
    """Headers without measure end as a TransportError, and are not kept."""

    def call() -> None:
        with pytest.raises(TransportError):
            driver.connection.request("/")

    with pouring(b"HTTP/1.1 200 OK\r\n" + head) as port, cloud(secure=False, port=port) as driver:
        assert peak(lambda: world(call)) < 15 * MEGABYTE


# Cookies and proxies


def test_cookies_are_not_kept(world: World) -> None:
    """A cookie that a response sets is in no later request."""
    with serve(lambda seen: Answer(200, seen.echo(), {"Set-Cookie": "session=mine; Path=/"})) as web:
        with cloud(secure=False, host="localhost", port=web.port) as driver:
            responses = world(lambda: [driver.connection.request("/").object for _ in range(3)])
    assert all("cookie" not in response["headers"] for response in responses)


@contextmanager
def tunnel() -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that tunnels one connection to this machine: its port, and the heads that it was sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    heads: list[bytes] = []

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def run() -> None:
        inside, _ = listener.accept()
        with inside:
            heads.append(inside.recv(65536))
            port = int(heads[0].split()[1].rpartition(b":")[2])
            with socket.create_connection(("127.0.0.1", port)) as outside:
                inside.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pump, args=(outside, inside))
                back.start()
                pump(inside, outside)
                back.join()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1], heads
    finally:
        thread.join()
        listener.close()


def test_a_proxys_credentials_and_the_providers(world: World, certificate: Certificate) -> None:
    """The proxy sees its own credentials and none of the provider's, the provider none of the proxy's."""
    with secure_web(certificate) as web, tunnel() as (port, heads):
        proxy = f"http://proxy-user:proxy-password@127.0.0.1:{port}"
        with cloud(**trusting(certificate, web), proxy_url=proxy) as driver:
            world(lambda: driver.connection.request("/x"))
            driver.close()
            assert "proxy-password" not in repr(driver.connection.transport_options)
    assert base64.b64encode(b"proxy-user:proxy-password") in heads[0]
    assert b"\r\nauthorization" not in heads[0].lower()
    assert b"api_key" not in heads[0]
    (seen,) = web.seen
    assert "Authorization" in seen.headers
    assert not [name for name in seen.headers if name.lower().startswith("proxy")]


def test_no_proxy_of_the_environment_for_this_machine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies from the environment see no request to this machine."""
    with serve() as proxy, serve() as web:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        for host in LOCALHOST:
            with cloud(secure=False, host=host, port=web.port) as driver:
                assert world(partial(driver.connection.request, "/x")).status == 200
        assert proxy.seen == []


ODD_PROXIES = (
    "socks5://me:pa55word@127.0.0.1:1", "http://me:pa55word@:1", "http://me:pa55word@127.0.0.1:bad",
    "http://[me:pa55word@h", "//me:pa55word@h", "ftp://me:pa55word@h/", "http://me:pa55word@h:0",
)  # fmt: skip


@pytest.mark.parametrize("proxy", ODD_PROXIES)
def test_odd_proxies(world: World, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid proxy address is refused without showing its password, and no request bypasses it."""
    with pytest.raises(InvalidArgumentError, match="proxy_url=") as given:
        cloud(host="api.example", proxy_url=proxy)
    monkeypatch.setenv("https_proxy", proxy)
    with cloud(host="api.example") as driver:
        with pytest.raises(InvalidArgumentError, match="https_proxy") as found:
            world(lambda: driver.connection.request("/"))
    for caught in (given, found):
        assert "pa55word" not in "".join(traceback.format_exception(caught.value)) + everything_in(
            caught.value
        )


# Secrets


def everything_in(error: BaseException | None) -> str:
    """All that an error and those that it came from hold."""
    texts: list[str] = []
    while error is not None:
        texts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def repeat_request(seen: Seen) -> Answer:
    return Answer(403, {"message": f"{seen.headers} {seen.target}"})


@contextmanager
def silence() -> Iterator[Web]:
    """A server that takes a request and says nothing."""
    over = threading.Event()

    def wait(_: Seen) -> None:
        over.wait(20)

    with serve(wait) as web:
        try:
            yield web
        finally:
            over.set()


def fail(kind: str, world: World, certificate: Certificate) -> PolycloudError:
    """The error that ends a call which goes wrong in this way."""

    def error_of(**options: Any) -> PolycloudError:
        with cloud(**{"timeout": 0.3, **options}) as driver, pytest.raises(PolycloudError) as caught:
            world(lambda: driver.connection.request("/x", headers={"X-Token": SECRET}))
        return caught.value

    match kind:
        case "nobody listens":
            with raw_answers(b"") as web:
                pass
            return error_of(**web.options)
        case "no such host":
            return error_of(host="no-such-host.invalid")
        case "a bad certificate":
            with secure_web(certificate) as web:
                return error_of(host="localhost", port=web.port)
        case "silence":
            with silence() as web:
                return error_of(**web.options)
        case "a proxy that refuses":
            with raw_answers(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") as web:
                return error_of(host="api.example", proxy_url=f"http://me:{SECRET[:7]}@127.0.0.1:{web.port}")
        case "a repeating refusal":
            with serve(repeat_request) as web:
                return error_of(**web.options)
    with raw_answers(kind.encode()) as web:
        return error_of(**web.options)


@pytest.mark.parametrize(
    "kind",
    [
        "nobody listens", "no such host", "a bad certificate", "silence", "a proxy that refuses",
        "a repeating refusal", "", "garbage", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)  # fmt: skip
def test_errors_hold_no_secret(world: World, certificate: Certificate, kind: str) -> None:
    """Whatever goes wrong, no secret is in the error, its arguments, what it came from, or its traceback."""
    error = fail(kind, world, certificate)
    shown = everything_in(error) + "".join(traceback.format_exception(error))
    assert "hunter2" not in shown
    assert base64.b64encode(f"user:{SECRET}".encode()).decode() not in shown
    if isinstance(error, TransportError):
        assert error.__cause__ is None
        assert error.__context__ is None


@pytest.mark.parametrize("way", ["data", "json"])
def test_errors_hold_no_secret_of_the_body(way: str) -> None:
    """A secret that was sent in a form or in JSON, at whatever depth, stands in no error that repeats it."""

    def repeat(seen: Seen) -> Answer:
        return Answer(400, seen.body or b"")

    user = {"name": "web", "password": SECRET}
    body: dict[str, Any] = {"data": user} if way == "data" else {"json": {"users": [user]}}
    with serve(repeat) as web:
        connection = Connection(secure=False, host="127.0.0.1", port=web.port)
        with pytest.raises(PolycloudError) as caught:
            connection.request("/", method="POST", **body)
    shown = everything_in(caught.value)
    assert "web" in shown
    assert "hunter2" not in shown


# SSH


@pytest.mark.parametrize("given", ["password", "key"])
def test_only_what_was_given_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """With an explicit password or key, the keys of the user's home are not offered to a node."""
    (tmp_path / ".ssh").mkdir()
    at_home, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    at_home.write_private_key(tmp_path / ".ssh" / "id_ed25519")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    password = "wrong-password" if given == "password" else None
    key = other.export_private_key().decode() if given == "key" else None
    with SSHServer(at_home.export_public_key().decode(), home=tmp_path) as server:
        with SSHClient(server.host, server.port) as client:
            assert client.run("echo in").stdout == "in\n"
        with pytest.raises(SSHAuthenticationError):
            SSHClient(server.host, server.port, password=password, key_material=key).connect()


# SECURITY.md


def promised() -> list[tuple[str, str]]:
    """File and name of each test that SECURITY.md gives for a promise."""
    root = Path(__file__).parents[2]
    found: list[tuple[str, str]] = []
    file = ""
    for path, name in re.findall(r"`(tests/[\w/.]+)?::(\w+)`", (root / "SECURITY.md").read_text("utf-8")):
        file = path or file
        found.append((str(root / file), name))
    return found


def test_promises_are_tested() -> None:
    """Every test that SECURITY.md names is there, under the file that was named last."""
    assert len(promised()) > 30
    for file, name in promised():
        assert f"def {name}(" in Path(file).read_text("utf-8"), name


def test_urllib3_logs_no_path_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """The log of urllib3 shows neither paths nor queries of ours, and those of others as ever."""
    caplog.set_level("DEBUG")
    with serve() as web:
        with BaseDriver(KEY, **web.options) as driver:
            driver.connection.request(f"/v1/{KEY}/x", params={"key": KEY})
        assert KEY not in caplog.text
        with HTTPConnectionPool(web.host, web.port) as pool:
            pool.request("GET", "/others")
    assert "/others" in caplog.text
