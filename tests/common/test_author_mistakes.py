from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from polycloud.common.base import (
    Connection,
    ConnectionKey,
    JsonResponse,
    PollingConnection,
    XmlResponse,
)
from polycloud.common.bearer import BearerConnection
from polycloud.common.tokens import Token, TokenConnection
from polycloud.concurrency.calls import call_options
from polycloud.errors import InvalidArgumentError, MalformedResponseError, PolycloudError
from polycloud.http.messages import Request
from polycloud.http.retry import RetryPolicy
from support.web import Answer, serve


class NoHeaders(ConnectionKey):
    def add_default_headers(self, headers: dict[str, str]) -> Any:
        headers["X-Key"] = self.key


class NoParams(ConnectionKey):
    def add_default_params(self, params: dict[str, Any]) -> Any:
        params["key"] = self.key


class NoSignature(ConnectionKey):
    def sign(self, request: Request) -> Any:
        return None


@pytest.mark.parametrize(
    ("kind", "hook"),
    [(NoHeaders, "add_default_headers"), (NoParams, "add_default_params"), (NoSignature, "sign")],
)
def test_hooks_that_return_nothing(kind: type[ConnectionKey], hook: str) -> None:
    """A hook without `return` is an error that names the hook, and nothing is sent."""
    with serve() as web:
        connection = kind("key", **web.options)
        with pytest.raises(InvalidArgumentError, match=f"{hook} must return .*, got None"):
            connection.request("/")
        connection.close()
    assert web.seen == []


@pytest.mark.parametrize("name", ["", "a b", "a:b", "é", "a\n"])
def test_names_of_headers(name: str) -> None:
    """A header's name that is not a token is refused before anything is sent."""
    with serve() as web:
        connection = Connection(**web.options)
        with pytest.raises(InvalidArgumentError, match="a header's name must be a token"):
            connection.request("/", headers={name: "x"})
    assert web.seen == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action": 5}, "action must be a path"),
        ({"action": "/", "params": "x"}, "params must be a dict, got 'x'"),
        ({"action": "/", "headers": ["x"]}, "headers must be a dict"),
        ({"action": "/", "method": 5}, "method must be a word such as GET, got 5"),
    ],
)
def test_arguments_of_a_request(arguments: dict[str, Any], message: str) -> None:
    """An argument of another type is refused, and the message says what it must be."""
    with serve() as web:
        connection = Connection(**web.options)
        with pytest.raises(InvalidArgumentError, match=message):
            connection.request(**arguments)
    assert web.seen == []


class OwnJson(JsonResponse):
    def parse_body(self) -> Any:
        return json.loads(self.body)


class OwnXml(XmlResponse):
    def parse_body(self) -> Any:
        return ET.fromstring(self.body)  # noqa: S314 - an author's own


class Checks(JsonResponse):
    def success(self) -> bool:
        return int(self.body) > 0


@pytest.mark.parametrize("kind", [OwnJson, OwnXml, Checks])
def test_parsers_of_ones_own(kind: type[Any]) -> None:
    """What a parser of the author's own raises for another body is a `MalformedResponseError`."""

    class Own(Connection):
        responseCls = kind

    with serve(lambda _: Answer(200, b"not what <")) as web:
        connection = Own(**web.options)
        with pytest.raises(MalformedResponseError, match="the response is not as documented"):
            _ = connection.request("/").object
        connection.close()


@pytest.mark.parametrize("expires_at", [datetime(2030, 1, 1), 5.0, "tomorrow"])  # noqa: DTZ001 - the mistake
def test_tokens_without_a_time_zone(expires_at: Any) -> None:
    """A token whose end is not a datetime with a time zone is refused when it is made."""
    with pytest.raises(InvalidArgumentError, match="expires_at must be a datetime with a time zone"):
        Token("secret", expires_at)
    assert Token("secret", datetime(2099, 1, 1, tzinfo=UTC)).lasts()


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
        return Token(self.request("/login").body)


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


def test_a_login_over_its_own_connection() -> None:
    """A login that sends a request over the connection that needs the token ends as an error at once."""
    with serve() as web:
        with pytest.raises(PolycloudError, match="authenticate must use another connection"):
            AsksItself(**web.options).request("/")
    assert web.seen == []


def test_jobs_without_hooks() -> None:
    """A polling connection that lacks a hook names it."""
    with serve() as web:
        connection = PollingConnection(**web.options)
        with pytest.raises(NotImplementedError, match="PollingConnection must define has_completed"):
            connection.async_request("/")
        connection.close()


@pytest.mark.parametrize("per_page", [0, -1, 101, "5", 2.5, True])
def test_sizes_of_pages(per_page: Any) -> None:
    """A page size that is not an int from 1 to the provider's limit is refused when the driver is made."""
    with pytest.raises(InvalidArgumentError, match="ex_per_page must be an int from 1 to 100"):
        BearerConnection("key", per_page=per_page)
    assert BearerConnection("key", per_page=100).per_page == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [({"transport": 5}, "transport must have a method send"), ({"user_agent_append": 5}, "expected a list")],
)
def test_options_of_another_type(options: dict[str, Any], message: str) -> None:
    """An option of another type is refused when the connection is made."""
    with pytest.raises(InvalidArgumentError, match=message):
        Connection(**options)


@pytest.mark.parametrize("retry", [3, "x", RetryPolicy, False])
def test_policies_of_a_block(retry: Any) -> None:
    """A retry policy of a block that is not a policy is refused when the block begins."""
    with pytest.raises(InvalidArgumentError, match="retry must be a RetryPolicy"):
        call_options(retry=retry).__enter__()
