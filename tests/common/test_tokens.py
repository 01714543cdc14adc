from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from polycloud.common.azure.login import LoginResponse
from polycloud.common.base import ConnectionKey, JsonResponse
from polycloud.common.creation import Creation
from polycloud.common.google.connection import GoogleResponse
from polycloud.common.openstack import OpenStackResponse
from polycloud.common.tokens import Token, TokenConnection
from polycloud.errors import (
    ConflictError,
    InvalidArgumentError,
    InvalidCredsError,
    LoginError,
    NotFoundError,
    PolycloudError,
)
from polycloud.http.messages import Request
from polycloud.http.retry import RetryPolicy
from support.clock import ends_within
from support.web import Answer, Seen, serve


class TokenKey(TokenConnection, ConnectionKey):
    responseCls = JsonResponse

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
        return {**params, "token": self.token}

    def authenticate(self) -> Token:
        return Token(self.request("/login", json={"key": self.key}, method="POST").object["token"])


class JsonKey(ConnectionKey):
    responseCls = JsonResponse


class Signing(TokenKey):
    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        return headers

    def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
        return params

    def sign(self, request: Request) -> Request:
        return replace(request, headers={**request.headers, "X-Signature": self.token[::-1]})


class Returns(TokenConnection):
    result: Any = None

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        headers["X-Token"] = self.token
        return headers

    def authenticate(self) -> Token:
        token: Token = self.result
        return token


class AsksItself(Returns):
    def authenticate(self) -> Token:
        return Token(self.token)


class ServerCreation(Creation[str]):
    """A create whose resource is never found."""

    def __init__(self, connection: Any, method: str = "POST") -> None:
        super().__init__("the server 'web'", "the tag 'x'", keyed=False)
        self.connection, self.method = connection, method

    def send(self) -> str:
        return str(self.connection.request("/servers", method=self.method, idempotent=False).object["id"])

    def find(self) -> str | None:
        self.connection.request("/servers")
        return None


def paths(seen: list[Seen]) -> list[str]:
    return [f"{one.method} {one.path}" for one in seen]


@pytest.mark.parametrize("expires_at", [datetime(2030, 1, 1), 5.0, "tomorrow"])  # noqa: DTZ001 - the mistake
def test_tokens_without_a_time_zone(expires_at: Any) -> None:
    """A token whose end is not a datetime with a time zone is refused when it is made."""
    with pytest.raises(InvalidArgumentError, match="expires_at must be a datetime with a time zone"):
        Token("secret", expires_at)
    assert Token("secret", datetime(2099, 1, 1, tzinfo=UTC)).lasts()


@pytest.mark.parametrize("result", [None, "secret"])
def test_logins_that_return_no_token(result: Any) -> None:
    """A login that does not return a `Token` is an error that says so, without the value."""
    with serve() as web:
        connection = Returns(**web.options)
        connection.result = result
        with pytest.raises(InvalidArgumentError, match="authenticate must return a Token") as caught:
            connection.request("/")
    assert "secret" not in str(caught.value)
    assert web.seen == []


def test_a_login_that_needs_its_own_token() -> None:
    """A login that uses the token which it requests ends as an error at once."""
    with serve() as web:
        with pytest.raises(PolycloudError, match="authenticate must not use the token that it requests"):
            AsksItself(**web.options).request("/")
    assert web.seen == []


@pytest.mark.parametrize("kind", [TokenKey, Signing])
def test_a_login_over_the_same_connection(kind: type[TokenKey]) -> None:
    """A login may use the connection that needs the token: its requests carry no token and no signature."""
    with serve(lambda _: Answer(body={"token": "abc"})) as web:
        connection = kind("key", **web.options)
        connection.request("/servers")
        connection.request("/servers")
        connection.close()
    login, *others = web.seen
    assert paths(web.seen) == ["POST /login", "GET /servers", "GET /servers"]
    assert not {"Authorization", "X-Signature"} & login.headers.keys()
    assert login.target == "/login"
    assert all("abc" in f"{one.headers} {one.target}" or "cba" in str(one.headers) for one in others)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kind", [TokenKey, Signing])
def test_wrong_credentials(kind: type[TokenKey], method: str) -> None:
    """Wrong credentials are sent once, and the error is an `InvalidCredsError` about the caller's request."""
    with serve(lambda _: Answer(401, {"message": "wrong key"})) as web:
        connection = kind("key", **web.options)
        with pytest.raises(
            InvalidCredsError, match=rf"the login failed: wrong key .*{method} /servers"
        ) as caught:
            connection.request("/servers", method=method)
        connection.close()
    assert paths(web.seen) == ["POST /login"]
    assert isinstance(caught.value.__cause__, InvalidCredsError)


@pytest.mark.parametrize("answer", [Answer(500), Answer(429), Answer(520), Answer(200, b"<html>"), None])
@pytest.mark.parametrize("kind", [TokenKey, Signing])
def test_logins_that_fail(kind: type[TokenKey], answer: Answer | None) -> None:
    """A login that fails otherwise is a `LoginError` about the caller's request, and is not repeated."""
    with serve(lambda _: answer) as web:
        connection = kind("key", **web.options, retry=RetryPolicy(base=0))
        with pytest.raises(LoginError, match=r"the login failed: .*GET /servers") as caught:
            connection.request("/servers")
        connection.close()
    assert paths(web.seen) == ["POST /login"]
    assert isinstance(caught.value.__cause__, PolycloudError)


def test_logins_that_are_refused() -> None:
    """A login that the provider refuses otherwise raises the error of that status."""
    with serve(lambda _: Answer(404, {"message": "no such tenant"})) as web:
        connection = TokenKey("key", **web.options)
        with pytest.raises(NotFoundError, match="the login failed: no such tenant"):
            connection.request("/servers")
        connection.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [401, 500])
def test_creates_whose_login_fails(status: int, method: str) -> None:
    """A create whose login fails was not sent: it raises the error of the login at once, without a search."""
    with serve(lambda _: Answer(status)) as web:
        connection = TokenKey("key", **web.options)
        with ends_within(5), pytest.raises(InvalidCredsError if status == 401 else LoginError):
            ServerCreation(connection, method).run(settle_time=30, timeout=30)
        connection.close()
    assert paths(web.seen) == ["POST /login"]


def test_a_renewal_that_fails() -> None:
    """A create whose token was refused, and whose next login fails, was not carried out."""
    logins = iter([Answer(body={"token": "old"}), Answer(500)])
    with serve(lambda seen: next(logins) if seen.path == "/login" else Answer(401)) as web:
        connection = TokenKey("key", **web.options)
        with ends_within(5), pytest.raises(LoginError, match="POST /servers"):
            ServerCreation(connection).run(settle_time=30, timeout=30)
        connection.close()
    assert paths(web.seen) == ["POST /login", "POST /servers", "POST /login"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_creates_by_any_method(method: str) -> None:
    """A create that the provider refuses is refused at once, by GET as by POST."""
    with serve(lambda _: Answer(409, {"message": "the name is taken"})) as web:
        connection = JsonKey("key", **web.options)
        with ends_within(5), pytest.raises(ConflictError, match="the name is taken"):
            ServerCreation(connection, method).run(settle_time=30, timeout=30)
        connection.close()
    assert paths(web.seen) == [f"{method} /servers"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'""', b" \n"])
@pytest.mark.parametrize("response", [JsonResponse, OpenStackResponse, LoginResponse, GoogleResponse])
def test_logins_whose_refusal_says_nothing(response: type[JsonResponse], body: bytes) -> None:
    """A login that fails without a message is told by the reason of its status, not by an empty body."""
    with serve(lambda _: Answer(500, body)) as web:
        kind = type("Key", (TokenKey,), {"responseCls": response})
        connection = kind("key", **web.options, retry=RetryPolicy(base=0))
        with pytest.raises(LoginError, match=r"the login failed: Internal Server Error \("):
            connection.request("/servers")
        connection.close()
