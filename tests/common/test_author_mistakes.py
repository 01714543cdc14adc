from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from polycloud.common.arguments import number
from polycloud.common.base import (
    Connection,
    ConnectionKey,
    JsonResponse,
    XmlResponse,
)
from polycloud.common.bearer import BearerConnection
from polycloud.concurrency.calls import call_options
from polycloud.errors import InvalidArgumentError, MalformedResponseError
from polycloud.http.messages import Request
from polycloud.http.retry import RetryPolicy
from polycloud.utils.values import shown
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


@pytest.mark.parametrize("per_page", [0, -1, 101, "5", 2.5, True])
def test_sizes_of_pages(per_page: Any) -> None:
    """A page size that is not an int from 1 to the provider's limit is refused when the driver is made."""
    with pytest.raises(InvalidArgumentError, match="ex_per_page must be an int from 1 to 100"):
        BearerConnection("key", per_page=per_page)
    assert BearerConnection("key", per_page=100).per_page == 100


HUGE = 10**5000
"""An int that has no text: Python refuses to write it."""


class Speechless:
    """A value that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


ODD_SECONDS = [0, -1, True, "5", float("nan"), float("inf"), 1e10, 10**400, HUGE, [5, 5], Speechless()]
ODD: dict[str, list[Any]] = {
    "timeout": [*ODD_SECONDS, (5,), (5, 0), (1e10, 5)],
    "deadline": ODD_SECONDS,
    "retry": [3, "x", RetryPolicy, Speechless()],
    "retry_delay": [-1, True, "1", float("nan"), 1e10, HUGE],
    "backoff": [-1, True, "1", float("inf"), 1e10, HUGE],
    "secure": ["no", None, 2, []],
    "allow_insecure": ["yes", None, {}],
    "host": [5, True, "a b", "a/b", HUGE],
    "port": [0, 65536, True, 80.5, "x", "", "٣", HUGE, []],
    "url": [5, True, "ftp://x", HUGE],
    "pool_size": [0, True, 2.5, "5", 10_001, HUGE],
    "body_limit": [0, True, 2.5, "5", Speechless()],
    "value_limit": [0, True, 2.5, "5", Speechless()],
    "user_agent_append": [5, True, [5], "é", "a\nb", b"x", HUGE, Speechless()],
    "proxy_url": [5, True, "ftp://x", {}, HUGE],
    "ca_cert": [5, True, [], HUGE],
    "client_cert": [5, True, ["a", "b"], ("a",), ("a", 5), HUGE],
    "transport": [5, "x", Speechless()],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in ODD.items() for value in values], ids=shown
)
def test_options_of_another_type(name: str, value: Any) -> None:
    """An option that cannot be meant is refused when the connection is made, by its name."""
    with pytest.raises(InvalidArgumentError, match=f"^{name}"):
        Connection(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", "x"), ("timeout", True), ("timeout", (5,)), ("timeout", 1e10), ("connect_timeout", "x"),
        ("host", 5), ("port", "x"), ("port", 0), ("request_path", 5), ("request_path", "a\nb"),
    ],
)  # fmt: skip
def test_what_a_class_declares(name: str, value: Any) -> None:
    """A class attribute that cannot be meant is refused when the connection is made, by its name."""
    with pytest.raises(InvalidArgumentError, match=name.removeprefix("connect_")):
        type("Own", (Connection,), {name: value})()


def test_a_class_declares_both_timeouts() -> None:
    """`timeout` of a class may be seconds, or the pair of both timeouts, as the argument may be."""
    both: Any = type("Both", (Connection,), {"timeout": (2, 30)})()
    one: Any = type("One", (Connection,), {"timeout": 30})()
    assert [(it.connect_timeout, it.timeout) for it in (both, one)] == [(2, 30), (10, 30)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("action", 5), ("action", None), ("action", b"/"), ("action", HUGE),
        ("method", 5), ("method", ""), ("method", "G T"), ("method", None), ("method", "GÉT"),
        ("params", 5), ("params", [("a", 1)]), ("params", {5: 1}), ("params", {"a": HUGE}),
        ("headers", 5), ("headers", {5: "x"}), ("headers", {"X": 5}), ("headers", {"": "x"}),
        ("headers", {"X": "a\nb"}), ("data", 5), ("data", True), ("data", [1, 2]), ("data", (b"a", 1)),
        ("data", {"a": HUGE}), ("data", Speechless()), ("json", Speechless()), ("json", HUGE),
    ],
    ids=shown,
)  # fmt: skip
def test_arguments_that_cannot_be_sent(name: str, value: Any) -> None:
    """An argument of a request that cannot be sent is refused by its name, before anything is sent."""
    arguments = {"action": "/", **({"method": "POST"} if name in {"data", "json"} else {}), name: value}
    with serve() as web:
        with pytest.raises(InvalidArgumentError, match=name.removesuffix("s")):
            Connection(**web.options).request(**arguments)
    assert web.seen == []


@pytest.mark.parametrize("body", [bytearray(b"abc"), memoryview(b"abc")])
def test_bodies_of_bytes(body: Any) -> None:
    """A body of any type of bytes is sent as bytes, and again where bytes are."""
    replies = iter([Answer(503)])
    with serve(lambda _: next(replies, Answer())) as web:
        connection = Connection(**web.options, retry=RetryPolicy(base=0))
        assert connection.request("/", data=body, method="PUT").status == 200
        connection.close()
    assert [seen.body for seen in web.seen] == [b"abc"] * 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("deadline", value) for value in ODD_SECONDS] + [("timeout", value) for value in [*ODD_SECONDS, (5,)]],
    ids=shown,
)
def test_times_of_a_block(name: str, value: Any) -> None:
    """A time of a block that cannot be meant is refused when the block begins, by its name."""
    with pytest.raises(InvalidArgumentError, match=f"^{name} must be"):
        call_options(**{name: value}).__enter__()


class Half:
    """Looks like a policy as far as `allows`."""

    def allows(self, *_: Any) -> bool:
        return True


@pytest.mark.parametrize(
    "id_", [-1, True, 1.5, "", "x", "1" * 21, "٣", 10**20, HUGE, None, Speechless()], ids=shown
)
def test_ids_that_are_numbers(id_: Any) -> None:
    """An id that is not a number of at most 20 digits is refused where the provider's ids are numbers."""
    with pytest.raises(InvalidArgumentError, match="an id of Cloud must be a number"):
        number(id_, "Cloud")
    assert number("007", "Cloud") == number(7, "Cloud") == 7


@pytest.mark.parametrize("retry", [3, "x", RetryPolicy, False, Half(), Speechless()])
def test_policies_of_a_block(retry: Any) -> None:
    """A retry policy of a block that is not a policy is refused when the block begins."""
    with pytest.raises(InvalidArgumentError, match="retry must be a RetryPolicy"):
        call_options(retry=retry).__enter__()
