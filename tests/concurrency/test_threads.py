from __future__ import annotations

import hashlib
import hmac
import io
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import pytest
from msgspec.structs import replace

from polycloud.common.base import BaseDriver, ConnectionKey, ConnectionUserAndKey, JsonResponse
from polycloud.common.tokens import Token, TokenConnection
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.errors import InvalidCredsError, NotFoundError
from polycloud.http.messages import Request
from polycloud.sandbox import Sandbox
from support.web import Answer, Seen, serve

T = TypeVar("T")
THREADS = 16
POOL_SIZE = 6
CALLS = 20_000 if os.environ.get("POLYCLOUD_THREADS") == "long" else 800
"""Of the signing driver; `make threads` makes them all."""

KEY = "the key that signs"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEZ0eHQgZm9yIGEgdGVzdCwgMzIgYnl0ZXMgbG9uZyEh a@b"


@pytest.fixture(autouse=True)
def _thousands_of_switches() -> Iterator[None]:
    """Threads take turns after a microsecond, so that they meet wherever they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def on_threads(work: Callable[[int], T], count: int = THREADS) -> list[T]:
    """What `work(0)` to `work(count - 1)` return, all started at the same time."""
    together = threading.Barrier(count)

    def begin(number: int) -> T:
        together.wait(20)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


# Signatures and responses


def signature(method: str, target: str, body: bytes, nonce: str) -> str:
    text = "\n".join([method, target, nonce, hashlib.sha256(body).hexdigest()])
    return hmac.new(KEY.encode(), text.encode(), "sha256").hexdigest()


class SigningConnection(ConnectionKey):
    responseCls = JsonResponse

    def sign(self, request: Request) -> Request:
        parts = urlsplit(request.url)
        assert isinstance(request.body, bytes | None)
        signed = signature(
            request.method, f"{parts.path}?{parts.query}", request.body or b"", request.headers["X-Nonce"]
        )
        return replace(request, headers={**request.headers, "X-Signature": signed})


class SigningDriver(BaseDriver):
    name = "Signing"
    connectionCls = SigningConnection


@dataclass
class Notary:
    """A server that checks signatures, and responds with the request, or a 404 with the nonce."""

    wrong: list[Seen] = field(default_factory=list)

    def __call__(self, seen: Seen) -> Answer:
        nonce = seen.headers["X-Nonce"]
        if seen.headers["X-Signature"] != signature(seen.method, seen.target, seen.body, nonce):
            self.wrong.append(seen)
        if "missing" in seen.query:
            return Answer(404, {"message": nonce}, {"X-Request-Id": nonce})
        return Answer(body=seen.echo())


def is_right(driver: SigningDriver, nonce: str, number: int) -> bool:
    """Whether a call of this number gets its own response, or its own error."""
    method = ("GET", "POST", "PUT", "DELETE")[number % 4]
    query = {"n": nonce, **({"missing": "1"} if number % 7 == 0 else {})}
    body = None if method == "GET" else nonce.encode() * (number % 50)
    try:
        response = driver.connection.request(f"/{nonce}/x", query, body, {"X-Nonce": nonce}, method).object
    except NotFoundError as error:
        exchange = error.exchange
        own = (method, f"/{nonce}/x", nonce)
        return (
            exchange is not None
            and (exchange.method, exchange.path, exchange.request_id) == own
            and error.message == nonce
        )
    parts = urlsplit(response["target"])
    came = (response["method"], parts.path, dict(parse_qsl(parts.query)), response["headers"]["x-nonce"])
    return came == (method, f"/{nonce}/x", query, nonce) and response["body"] == (body or b"").decode()


def test_threads_share_a_signing_driver() -> None:
    """Each of many threads on one driver gets its own responses, and each request its own signature."""
    notary = Notary()
    with serve(notary) as web, SigningDriver(KEY, **web.options, pool_size=POOL_SIZE) as driver:
        shares = on_threads(
            lambda thread: Counter(
                is_right(driver, f"{thread}-{number}", number) for number in range(CALLS // THREADS)
            )
        )
        responses = sum(shares, Counter())
        connections = {seen.connection for seen in web.seen}
    assert responses == {True: CALLS}
    assert len(web.seen) == CALLS
    assert notary.wrong == []
    assert len(connections) <= POOL_SIZE


def test_threads_may_close_what_others_use() -> None:
    """A thread that closes the driver does not harm the calls of the others."""
    with serve(Notary()) as web, SigningDriver(KEY, **web.options) as driver:

        def work(thread: int) -> bool:
            for number in range(20):
                if thread == 0:
                    driver.close()
                elif not is_right(driver, f"{thread}-{number}", number):
                    return False
            return True

        assert all(on_threads(work))


# Drivers


def test_threads_share_a_nephoscale_driver() -> None:
    """Threads on one NephoScale driver each make, find and delete their own nodes and keys."""
    with (
        Sandbox("nephoscale", ssh="off", build=0.05) as cloud,
        NephoscaleNodeDriver(*cloud.credentials, **cloud.options) as driver,
    ):
        size, image = driver.list_sizes()[0], driver.list_images()[0]

        def work(thread: int) -> tuple[str | None, bool, bool]:
            node = driver.create_node(f"web-{thread}", size, image)
            driver.ex_create_keypair(f"key-{thread}", public_key=PUBLIC_KEY)
            [(running, addresses)] = driver.wait_until_running([node], wait_period=0.2)
            mine = f"key-{thread}" in {key.name for key in driver.list_key_pairs()}
            gone = driver.destroy_node(running)
            return running.name, bool(addresses) and mine, gone

        assert on_threads(work) == [(f"web-{thread}", True, True) for thread in range(THREADS)]
        assert {key.name for key in driver.list_key_pairs()} == {f"key-{n}" for n in range(THREADS)}


def test_threads_share_a_digitalocean_driver() -> None:
    """Threads on one DigitalOcean driver each make, find and delete their own nodes and keys."""
    with (
        Sandbox("digitalocean", ssh="off", build=0.05) as cloud,
        DigitalOceanNodeDriver(cloud.credentials[0], region="nyc1", **cloud.options) as driver,
    ):
        location = next(place for place in driver.list_locations() if place.id == "nyc3")
        size, image = driver.list_sizes(location)[0], driver.get_image("ubuntu-24-04-x64")

        def work(thread: int) -> tuple[str | None, str, bool]:
            node = driver.create_node(f"web-{thread}", size, image, location)
            volume = driver.create_volume(1, f"disk-{thread}", location)
            [(running, _)] = driver.wait_until_running([node], wait_period=0.2)
            assert driver.get_node(node.id).name == running.name
            return running.name, str(volume.name), driver.destroy_node(running)

        assert on_threads(work) == [(f"web-{n}", f"disk-{n}", True) for n in range(THREADS)]
        assert {volume.name for volume in driver.list_volumes()} == {f"disk-{n}" for n in range(THREADS)}


# Tokens


class PasswordConnection(ConnectionUserAndKey):
    responseCls = JsonResponse


class LoginConnection(TokenConnection, ConnectionUserAndKey):
    responseCls = JsonResponse

    def authenticate(self) -> Token:
        login = PasswordConnection(self.user_id, self.key, host=self.host, port=self.port, secure=self.secure)
        token = Token(login.request("/login", method="POST").object["token"])
        login.close()
        return token

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        return {**headers, "Authorization": f"Bearer {self.token}"}


@dataclass
class Gate:
    """A server that gives tokens and accepts the last one, or none if it is closed."""

    closed: bool = False
    logins: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, seen: Seen) -> Answer:
        with self.lock:
            if seen.path == "/login":
                self.logins += 1
                return Answer(body={"token": f"token-{self.logins}"})
            if self.closed or seen.headers["Authorization"] != f"Bearer token-{self.logins}":
                return Answer(401, {"message": "who are you?"})
        return Answer(body=seen.echo())


EXPIRED = Token("token-of-old", datetime.now(UTC) - timedelta(hours=1))
REVOKED = Token("token-of-old", datetime.now(UTC) + timedelta(hours=1))


@pytest.mark.parametrize("old", [None, EXPIRED, REVOKED], ids=["none", "expired", "revoked"])
def test_many_threads_authenticate_once(old: Token | None) -> None:
    """However many threads want a token at the same time, and whatever they find, one gets it for all."""
    gate = Gate()
    with serve(gate) as web:
        connection = LoginConnection("user", "password", **web.options)
        connection._tokens.token = old
        assert on_threads(lambda thread: connection.request(f"/{thread}").object["target"]) == [
            f"/{thread}" for thread in range(THREADS)
        ]
        connection.close()
    assert gate.logins == 1


@pytest.mark.parametrize(
    ("seconds", "logins"), [(None, 0), (90, 0), (30, 1), (-1, 1)], ids=["no end", "90 s", "30 s", "the past"]
)
def test_a_token_is_renewed_a_minute_early(seconds: float | None, logins: int) -> None:
    """A token is renewed before a request if it expires within a minute, and never if it has no end."""
    ends = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    gate = Gate()
    with serve(gate) as web:
        connection = LoginConnection("user", "password", **web.options)
        connection._tokens.token = Token("token-0", ends)
        assert connection.request("/x").object["headers"]["authorization"] == f"Bearer token-{logins}"
        connection.close()
    assert gate.logins == logins


def test_a_token_is_a_secret_and_not_the_account() -> None:
    """A token is among the secrets of its connection, and another token does not make another account."""
    connection = LoginConnection("user", "password", host="127.0.0.1", secure=False)
    before = connection.account()
    connection._tokens.token = Token("token-of-mine")
    assert connection.secrets() == ("password", "token-of-mine")
    assert connection.account() == before
    assert "token-of-mine" not in repr(connection._tokens.token)


def test_another_thread_was_quicker() -> None:
    """A thread that waited for its turn to log in takes the token that another one got meanwhile."""
    gate = Gate()
    with serve(gate) as web:
        connection = LoginConnection("user", "password", **web.options)
        connection._tokens.token = EXPIRED
        in_turn: Any = connection._tokens.single_flight

        def wait_for_turn(key: str, fn: Callable[[], Any]) -> Any:
            if key == "token":
                connection._tokens.token = Token("token-0")
            return in_turn(key, fn)

        connection._tokens.single_flight = wait_for_turn  # type: ignore[assignment]
        assert connection.request("/x").object["headers"]["authorization"] == "Bearer token-0"
        connection.close()
    assert gate.logins == 0


def test_a_401_after_another_thread_renewed_the_token() -> None:
    """A request that was refused with an older token is sent with the present one, without a login."""
    gate = Gate()
    with serve(gate) as web:
        connection = LoginConnection("user", "password", **web.options)
        stale = Request("GET", web.url, {"Authorization": "Bearer token-of-old"})
        connection._tokens.token = Token("token-0")
        assert connection.renew(stale)
        assert (connection.token, gate.logins) == ("token-0", 0)
        assert connection.renew(Request("GET", web.url, {"Authorization": "Bearer token-0"}))
        assert (connection.token, gate.logins) == ("token-1", 1)
        connection.close()


def test_a_token_that_is_always_refused() -> None:
    """Where a new token is refused like the old one, the call ends as InvalidCredsError, without a loop."""
    gate = Gate(closed=True)
    with serve(gate) as web:
        connection = LoginConnection("user", "password", **web.options)
        with pytest.raises(InvalidCredsError, match="who are you"):
            connection.request("/x")
        connection.close()
        assert [seen.path for seen in web.seen] == ["/login", "/x", "/login", "/x"]


@pytest.mark.parametrize("kind", ["bytes", "file"])
def test_a_body_is_complete_with_the_new_token(kind: str) -> None:
    """A request that is sent again with another token carries its body again, from where that began."""
    file = io.BytesIO(b"read before: body")
    file.seek(13)
    with serve(Gate()) as web:
        connection = LoginConnection("user", "password", **web.options)
        connection._tokens.token = REVOKED
        response = connection.request("/x", data=b"body" if kind == "bytes" else file, method="POST").object
        connection.close()
        assert response["body"] == "body"
        assert [seen.body for seen in web.seen if seen.path == "/x"] == [b"body", b"body"]


def test_a_body_that_cannot_be_rewound_is_not_sent_again() -> None:
    """A refused upload that cannot be rewound ends as an InvalidCredsError after one attempt."""
    with serve(Gate()) as web:
        connection = LoginConnection("user", "password", **web.options)
        connection._tokens.token = REVOKED
        with pytest.raises(InvalidCredsError):
            connection.request("/x", data=iter([b"body"]), method="POST")
        connection.close()
        assert len(web.seen) == 1


def test_connections_do_not_share_tokens() -> None:
    """Connections do not share tokens: each account's requests carry its own."""
    with serve(lambda seen: Answer(body=seen.echo())) as web:
        options: dict[str, Any] = web.options
        connections = [LoginConnection(f"user-{n}", "password", **options) for n in range(THREADS)]
        for number, connection in enumerate(connections):
            connection._tokens.token = Token(f"token-of-{number}")
        sent = on_threads(
            lambda n: [connections[n].request("/").object["headers"]["authorization"] for _ in range(10)]
        )
        for connection in connections:
            connection.close()
    assert sent == [[f"Bearer token-of-{n}"] * 10 for n in range(THREADS)]


# Types

TYPES = """
import threading, time, msgspec
from polycloud.common.base import Connection, JsonResponse
from polycloud.http.messages import RawResponse
from polycloud.utils.headers import Headers

began = threading.Event()

def slowly():
    began.set()
    time.sleep(0.5)
    return int

Inner = msgspec.defstruct("Inner", [("b", "slowly()")], namespace={"__module__": "__main__"})
Outer = msgspec.defstruct("Outer", [("inner", Inner)])

def decode():
    raw = RawResponse(200, "OK", Headers(), b'{"inner": {"b": 1}}')
    assert JsonResponse(raw, Connection(), None).decode(Outer).inner.b == 1

first = threading.Thread(target=decode)
first.start()
began.wait()
decode()
first.join()
"""


def test_threads_that_decode_the_first_response_of_a_type() -> None:
    """Threads may decode the first responses of one type at the same time."""
    done = subprocess.run([sys.executable, "-c", TYPES], check=False, capture_output=True, timeout=60)
    assert done.returncode == 0
