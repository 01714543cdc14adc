from __future__ import annotations

import asyncio
import base64
import json
import logging
import pickle
import threading
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar
from urllib.parse import quote, quote_plus, urlencode

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from polycloud.common.base import (
    BaseDriver,
    Connection,
    ConnectionKey,
    ConnectionUserAndKey,
    JsonResponse,
    Response,
    XmlResponse,
    quote_segment,
)
from polycloud.common.xmlrpc import XMLRPCConnection
from polycloud.concurrency.bridge import bridged
from polycloud.errors import (
    ConnectError,
    InsecureConnectionError,
    InvalidArgumentError,
    InvalidCredsError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
    RateLimitReachedError,
    ReadTimeoutError,
    ServerError,
    TransportError,
)
from polycloud.http.loop import LoopTransports
from polycloud.http.messages import RawResponse, Request
from polycloud.http.retry import RetryPolicy
from polycloud.tracing.hooks import add_hook
from support.clock import ends_within
from support.transport import RecordingTransport
from support.web import Answer, Seen, echo, raw_answers, serve

QUICK = RetryPolicy(base=0.001, cap=0.002)


class Item(msgspec.Struct):
    id: int


class Items(msgspec.Struct):
    items: list[Item]


class JsonConnection(Connection):
    responseCls = JsonResponse


class JsonKey(ConnectionKey):
    responseCls = JsonResponse


class JsonUserAndKey(ConnectionUserAndKey):
    responseCls = JsonResponse


class Cloud(BaseDriver):
    name = "Cloud"
    api_name = "cloud"
    connectionCls: ClassVar[type[Connection]] = ConnectionKey


def test_a_request_is_built_from_its_parts() -> None:
    """Path, prefix, query, default headers and default params end in one request."""

    class Both(JsonConnection):
        request_path = "/v2"

        def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
            return {**headers, "X-Token": "t"}

        def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
            return {**params, "api_key": "k&=é"}

    with serve() as web:
        params = {"page": 2, "none": None, "tag": ["a b", "c"]}
        seen = Both(**web.options).request("nodes/", params, headers={"X-Mine": "m"}).object
    assert seen["target"] == "/v2/nodes/?page=2&tag=a+b&tag=c&api_key=k%26%3D%C3%A9"
    assert (seen["headers"]["x-token"], seen["headers"]["x-mine"]) == ("t", "m")
    assert seen["headers"]["user-agent"].startswith("polycloud/")


@pytest.mark.parametrize(
    ("data", "body", "content_type"),
    [
        ("tëxt", "tëxt".encode().decode("latin-1"), None),
        (b"\x00\xff", "\x00\xff", None),
        ({"a": "1 &=é\n", "n": None}, "a=1+%26%3D%C3%A9%0A", "application/x-www-form-urlencoded"),
    ],
)
def test_data_is_encoded(data: Any, body: str, content_type: str | None) -> None:
    """Text is sent as UTF-8, bytes unchanged, a dict as a form without its Nones."""
    with serve() as web:
        seen = JsonConnection(**web.options).request("/", data=data, method="post").object
    assert (seen["method"], seen["body"]) == ("POST", body)
    assert seen["headers"].get("content-type") == content_type


def test_json_is_encoded() -> None:
    """`json=` sends dicts and Structs as JSON, and says so."""

    class Body(msgspec.Struct):
        name: str

    with serve() as web:
        seen = JsonConnection(**web.options).request("/", json=Body("é"), method="PUT").object
    assert seen["body"].encode("latin-1") == '{"name":"é"}'.encode()
    assert seen["headers"]["content-type"] == "application/json"


def test_encode_data_is_overridable() -> None:
    """A connection decides how the data of its requests is encoded."""

    class Upper(JsonConnection):
        def encode_data(self, data: Any) -> Any:
            return str(data).upper()

    with serve() as web:
        assert Upper(**web.options).request("/", data="abc", method="POST").object["body"] == "ABC"


def test_a_signature_sees_the_request() -> None:
    """`sign` gets the complete request, and what it returns is sent."""

    class Signed(JsonConnection):
        def sign(self, request: Request) -> Request:
            signature = f"{request.method} {request.path} {request.body!r}"
            return replace(request, headers={**request.headers, "X-Signature": signature})

    with serve() as web:
        seen = Signed(**web.options).request("/a/b", data="x", method="POST").object
    assert seen["headers"]["x-signature"] == "POST /a/b b'x'"


@pytest.mark.parametrize("case", [str.title, str.lower, str.upper])
def test_a_header_is_sent_once(case: Callable[[str], str]) -> None:
    """A caller's header replaces the default one, and `add_default_headers` the caller's, in any case."""

    class Bearer(JsonConnection):
        def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
            return {**headers, "Authorization": "Bearer mine"}

    transport = RecordingTransport()
    by_hand = {case(name): "by hand" for name in ("authorization", "user-agent", "content-type")}
    Bearer(transport=transport).request("/", headers=by_hand, json={}, method="POST")
    (request,) = transport.requests
    assert sorted((name.lower(), value) for name, value in request.headers.items()) == [
        ("accept-encoding", "gzip, deflate"),
        ("authorization", "Bearer mine"),
        ("content-type", "by hand"),
        ("user-agent", "by hand"),
    ]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "é"])
def test_headers_cannot_be_smuggled(value: str) -> None:
    """A header that could end its line is refused before anything is sent, without its value."""
    with serve() as web:
        with pytest.raises(InvalidArgumentError, match="'X-One'") as caught:
            Connection(**web.options).request("/", headers={"X-One": value})
        assert web.seen == []
    assert value not in str(caught.value)


@pytest.mark.parametrize("path", ["/a b\r\nX-Evil: 1", "/é", "/a#b", "/\0"])
def test_paths_are_quoted(path: str) -> None:
    """A path with characters that are not allowed in a request line is quoted."""
    with serve() as web:
        target = JsonConnection(**web.options).request(path).object["target"]
    assert target.isascii()
    assert not set(target) & set(" \r\n\0#")


@given(st.text(min_size=1).filter(lambda text: text not in {".", ".."}))
def test_segments_stay_in_their_place(text: str) -> None:
    """A segment made from any text is one segment of a path, or is refused."""
    try:
        quoted = quote_segment(text)
    except UnicodeEncodeError:
        return
    assert not set(quoted) & set("/?# ")


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_segments_cannot_climb(text: str) -> None:
    """A segment that would mean another path is refused."""
    with pytest.raises(InvalidArgumentError):
        quote_segment(text)


def test_text_that_cannot_be_encoded_is_refused() -> None:
    """A lone surrogate is refused before anything is sent."""
    with serve() as web:
        with pytest.raises(InvalidArgumentError, match="udc80"):
            Connection(**web.options).request("/", data={"name": "\udc80"}, method="POST")
        assert web.seen == []


def test_plain_http_is_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP to another host is refused when the connection is made, unless it is allowed by name."""
    for host in ("127.0.0.1", "localhost", "::1"):
        assert Connection(secure=False, host=host).port == 80
    with pytest.raises(
        InsecureConnectionError, match=r"allow_insecure=True.*POLYCLOUD_ALLOW_INSECURE=api\.example"
    ):
        Connection(secure=False, host="api.example")
    with pytest.raises(InsecureConnectionError):
        Connection(url="http://api.example/v1")
    assert Connection(secure=False, host="api.example", allow_insecure=True).host == "api.example"
    monkeypatch.setenv("POLYCLOUD_ALLOW_INSECURE", "other.example, api.example")
    assert Connection(secure=False, host="api.example").host == "api.example"


def test_url_says_it_all() -> None:
    """`url` stands for scheme, host, port and a prefix of every path."""
    connection = Connection(url="https://api.example:8443/v2/")
    assert (connection.secure, connection.host, connection.port, connection.request_path) == (
        True,
        "api.example",
        8443,
        "/v2",
    )
    assert repr(connection) == "<Connection https://api.example:8443/v2>"


def test_a_url_without_a_path_keeps_the_providers() -> None:
    """A `url` without a path, or with `/`, is a place only: the paths begin as the provider's do."""

    class Based(Connection):
        request_path = "/v1"

    paths = {url: Based(url=f"https://api.example{url}").request_path for url in ("", "/", "/v2", "/v2/")}
    assert paths == {"": "/v1", "/": "/v1", "/v2": "/v2", "/v2/": "/v2"}


@pytest.mark.parametrize("url", ["ftp://x/", "api.example", "https://", "https://h:99999/", "https://h:x/"])
def test_unusable_urls(url: str) -> None:
    """An invalid `url` is refused with an example of a valid one."""
    with pytest.raises(InvalidArgumentError, match=r"https://api\.example\.com"):
        Connection(url=url)


def test_a_stream_is_handed_on() -> None:
    """With `stream=True` the body comes piece by piece."""
    with serve(lambda _: Answer(200, b"x" * 300_000)) as web:
        pieces = list(Connection(**web.options).request("/", stream=True).iter_bytes())
    assert (b"".join(pieces), len(pieces) > 1) == (b"x" * 300_000, True)


def test_an_error_in_a_stream_is_read_first() -> None:
    """A streaming request that the provider refuses raises an error with the provider's message."""
    with serve(lambda _: Answer(404, {"message": "no such thing"})) as web:
        with pytest.raises(NotFoundError, match="no such thing"):
            JsonConnection(**web.options).request("/", stream=True)


@pytest.mark.parametrize(
    "body",
    [
        {"message": "the words"},
        {"error": {"message": "the words"}},
        {"errors": [{"detail": "the words"}]},
        {"errors": [{"field": "label", "reason": "the words"}]},
        {"type": "about:blank", "title": "the words"},
        {"code": 7, "description": "the words"},
        b"the words",
    ],
)
def test_the_providers_message(body: Any) -> None:
    """An error carries the provider's message wherever the body usually has it, and where it happened."""
    response = Answer(500, body, {"X-Request-Id": "r-77"})
    with serve(lambda _: response) as web, pytest.raises(ServerError) as caught:
        JsonConnection(**web.options, retry=RetryPolicy(attempts=1)).request("/nodes", params={"key": "k"})
    assert caught.value.message == "the words"
    assert caught.value.exchange is not None
    assert caught.value.exchange[1:] == ("GET", "/nodes", 500, "r-77")
    assert "key" not in str(caught.value)


def test_the_articles_parse_error() -> None:
    """A `parse_error` that raises a bare Exception, as the article's does, ends as an error of the tree."""

    class Articles(JsonResponse):
        def parse_error(self) -> Any:
            if self.status == 401:
                raise InvalidCredsError("Authorization Failed")
            if self.status == 404:
                raise Exception("The resource you are looking for is not found.")  # noqa: TRY002
            return self.body

    class It(Connection):
        responseCls = Articles

    with serve(lambda seen: Answer(int(seen.path[1:]), b"body text")) as web:
        connection = It(**web.options)
        with pytest.raises(InvalidCredsError, match=r"Authorization Failed \(.*GET /401, HTTP 401\)"):
            connection.request("/401")
        with pytest.raises(NotFoundError, match="is not found") as caught:
            connection.request("/404")
        with pytest.raises(ProviderHTTPError, match="body text"):
            connection.request("/418")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("kind", [JsonResponse, XmlResponse])
@pytest.mark.parametrize(
    "body", [b"<html>login</html>", b"  \n<!DOCTYPE html>", b"<?xml version='1.0'?>\n<!doctype  HTML>"]
)
def test_html_with_status_200(kind: type[Response], body: bytes) -> None:
    """HTML where JSON or XML was expected is refused with its beginning, even if the body is never read."""
    with serve(lambda _: Answer(200, body)) as web:
        connection = type("Other", (Connection,), {"responseCls": kind})(**web.options)
        with pytest.raises(MalformedResponseError, match="body begins: "):
            connection.request("/")


def test_a_resource_called_html() -> None:
    """XML whose root only begins like HTML is read, and so are spaces before it, in linear time."""
    with serve(lambda _: Answer(200, b" " * 200_000 + b"<htmlPages/>")) as web, ends_within(10):
        connection = type("Other", (Connection,), {"responseCls": XmlResponse})(**web.options)
        assert connection.request("/").object.tag == "htmlPages"


@pytest.mark.parametrize("body", [b'{"a": [1, 2', b"nonsense", b"\xff\xfe{}"])
def test_broken_json(body: bytes) -> None:
    """Truncated or invalid JSON is refused with its beginning and the request that it came from."""
    with serve(lambda _: Answer(200, body)) as web:
        response = JsonConnection(**web.options).request("/list")
        with pytest.raises(MalformedResponseError, match=r"GET /list, HTTP 200.*body begins"):
            _ = response.object


def test_a_missing_field_is_named_by_its_path() -> None:
    """A payload without a required field is refused with the path of the field."""
    with serve(lambda _: Answer(200, {"items": [{"id": 1}, {"name": "x"}]})) as web:
        with pytest.raises(MalformedResponseError, match=r"field `id` - at `\$\.items\[1\]`"):
            JsonConnection(**web.options).request("/").decode(Items)


def test_empty_json_is_an_empty_dict() -> None:
    """A response without a body, such as 204, is an empty dict."""
    with serve(lambda _: Answer(204)) as web:
        assert JsonConnection(**web.options).request("/", method="DELETE").object == {}


def test_text_is_decoded_as_declared() -> None:
    """The body's text is decoded by the declared charset, and as UTF-8 without a known one."""
    response = Answer(200, "é".encode("latin-1"), {"Content-Type": "text/plain; charset=ISO-8859-1"})
    with serve(lambda _: response) as web:
        assert Connection(**web.options).request("/").body == "é"
    with serve(lambda _: Answer(200, b"\xc3\xa9", {"Content-Type": "text/plain; charset=nonsense"})) as web:
        assert Connection(**web.options).request("/").body == "é"


class XmlConnection(Connection):
    responseCls = XmlResponse


def test_xml() -> None:
    """XML is parsed into its root element, and an error's message is found in any namespace."""
    with serve(lambda _: Answer(200, b"<a xmlns='urn:x'><b>1</b></a>")) as web:
        assert XmlConnection(**web.options).request("/").object.tag == "{urn:x}a"
    refusal = b"<Response xmlns='urn:x'><Errors><Error><Message>no!</Message></Error></Errors></Response>"
    with serve(lambda _: Answer(400, refusal)) as web, pytest.raises(ProviderHTTPError, match="no!"):
        XmlConnection(**web.options).request("/")


@pytest.mark.parametrize(
    "body",
    [
        b"<a>",
        b"no xml",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
    ],
)
def test_bad_xml(body: bytes) -> None:
    """XML that is broken, or that brings a document type or entities, is refused."""
    with serve(lambda _: Answer(200, body)) as web:
        response = XmlConnection(**web.options).request("/")
        with pytest.raises(MalformedResponseError):
            _ = response.object


def test_xmlrpc() -> None:
    """An XML-RPC call gives the method's value; a fault is an error with its string."""
    import xmlrpc.client as xmlrpc

    def respond(seen: Seen) -> Answer:
        args, method = xmlrpc.loads(seen.body)
        if method == "fail":
            return Answer(200, xmlrpc.dumps(xmlrpc.Fault(7, "no such method")).encode())
        return Answer(200, xmlrpc.dumps((list(args),), methodresponse=True).encode())

    with serve(respond) as web:
        connection = XMLRPCConnection(**web.options)
        assert connection.call("echo", 1, "é", {"a": [True]}) == [1, "é", {"a": [True]}]
        with pytest.raises(ProviderHTTPError, match="no such method"):
            connection.call("fail")
        with pytest.raises(InvalidArgumentError, match="echo"):
            connection.call("echo", object())
    with serve(
        lambda _: Answer(
            200,
            b"<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
        )
    ) as web:
        with pytest.raises(MalformedResponseError):
            XMLRPCConnection(**web.options).call("echo")


# What may be sent again


def failing(times: int, response: Answer | None) -> Any:
    count = iter(range(1_000))

    def respond(seen: Seen) -> Answer | None:
        return response if next(count) < times else echo(seen)

    return respond


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("response", [None, Answer(429), Answer(502), Answer(503), Answer(504)])
def test_safe_requests_are_repeated(method: str, response: Answer | None) -> None:
    """A request that may be sent again is sent again after a cut connection, 429, 502, 503 and 504."""
    with serve(failing(2, response)) as web:
        Connection(**web.options, retry=QUICK).request("/", method=method)
        assert len(web.seen) == 3


@pytest.mark.parametrize(
    "response",
    [None, *map(Answer, (408, 429, 499, 500, 502, 503, 504, 520)), Answer(503, b"", {"Retry-After": "0"})],
)
def test_a_post_that_may_have_acted_is_not_repeated(response: Answer | None) -> None:
    """A POST whose response was lost, or that failed on the server, is sent once."""
    with serve(failing(9, response)) as web:
        with pytest.raises(PolycloudError):
            Connection(**web.options, retry=QUICK).request("/", data="x", method="POST")
        assert len(web.seen) == 1


def test_attempts_end() -> None:
    """After the last attempt the last error is raised."""
    with serve(failing(99, Answer(503, {"message": "later"}))) as web:
        with pytest.raises(ServerError, match="later"):
            JsonConnection(**web.options, retry=QUICK).request("/")
        assert len(web.seen) == QUICK.attempts


def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    """A `Retry-After` beyond the policy's patience raises an error with its seconds."""
    with serve(failing(99, Answer(429, b"", {"Retry-After": "3600"}))) as web:
        with pytest.raises(RateLimitReachedError) as caught:
            Connection(**web.options, retry=QUICK).request("/")
        assert (len(web.seen), caught.value.retry_after) == (1, 3600)


def test_the_deadline_bounds_the_retries() -> None:
    """Past its deadline a call is not tried again."""
    with serve(failing(99, Answer(503, b"", {"Retry-After": "5"}))) as web:
        with pytest.raises(ServerError):
            Connection(**web.options, deadline=2).request("/")
        assert len(web.seen) == 1


def test_a_body_that_cannot_be_rewound_is_sent_once() -> None:
    """An upload from an iterator is not repeated, since its beginning is gone."""
    with serve(failing(9, None)) as web:
        with pytest.raises(TransportError):
            Connection(**web.options, retry=QUICK).request("/", data=iter([b"x"]), method="PUT")
        assert len(web.seen) == 1


def test_a_repeated_delete_may_find_nothing() -> None:
    """A DELETE that is retried after a lost response succeeds on a 404; a first one does not."""
    with serve(lambda seen: None if len(web.seen) == 1 else Answer(404, {"message": "gone"})) as web:
        assert JsonConnection(**web.options, retry=QUICK).request("/x", method="DELETE").status == 204
        with pytest.raises(NotFoundError):
            JsonConnection(**web.options, retry=QUICK).request("/x", method="DELETE")


class OwnWords(Connection):
    """A connection whose provider says itself that it refused."""

    def transport(self) -> Any:
        return self

    def send(self, request: Request) -> RawResponse:
        return replace(super().transport().send(request), refused=True)


@pytest.mark.parametrize("kind", [Connection, OwnWords])
def test_a_delete_that_was_turned_away_first(kind: type[Connection]) -> None:
    """A 404 to a DELETE retried after 429 is a success, but an error if the provider itself refused."""
    replies = [Answer(429), Answer(404)]
    with serve(lambda _: replies.pop(0)) as web:
        connection = kind(**web.options, retry=QUICK)
        with pytest.raises(NotFoundError) if kind is OwnWords else nullcontext():
            connection.request("/x", method="DELETE")
    assert replies == []


def test_a_retried_delete_remembers_every_attempt() -> None:
    """A retried DELETE succeeds on a 404 though a 429 came between it and the lost response."""
    replies: list[Answer | None] = [None, Answer(429), Answer(404)]
    with serve(lambda _: replies.pop(0)) as web:
        assert Connection(**web.options, retry=QUICK).request("/x", method="DELETE").status == 204
        assert len(web.seen) == 3


def test_nothing_listens() -> None:
    """A refused connection is tried again and ends as a ConnectError that names the request."""
    with raw_answers(b"") as web:
        options = web.options
    attempts: list[int] = []
    remove = add_hook(lambda trace: attempts.append(trace.attempt))
    try:
        with pytest.raises(ConnectError, match=r"127\.0\.0\.1: GET /nodes"):
            Connection(**options, retry=QUICK).request("/nodes")
    finally:
        remove()
    assert attempts == list(range(1, QUICK.attempts + 1))


def test_redirects_are_refused() -> None:
    """A redirect is an error that says where to: credentials are never taken there."""
    with serve(lambda _: Answer(307, b"", {"Location": "http://elsewhere.invalid/"})) as web:
        with pytest.raises(MalformedResponseError, match=r"elsewhere\.invalid"):
            Connection(**web.options).request("/")


def test_timeout_of_the_connection() -> None:
    """`timeout` bounds the wait for a response; a pair bounds connecting and reading."""
    transport = RecordingTransport()
    Connection(timeout=(1.5, 2.5), transport=transport).request("/")
    (request,) = transport.requests
    assert (request.connect_timeout, request.read_timeout) == (1.5, 2.5)
    over = threading.Event()

    def late(_: Seen) -> Answer:
        over.wait(60)
        return Answer()

    with serve(late) as web:
        with ends_within(10), pytest.raises(ReadTimeoutError):
            Connection(**web.options, timeout=0.1, retry=RetryPolicy(attempts=1)).request("/")
        over.set()


# Secrets


SECRET = 'S3cr3t/+ "välue"'


FORMS = {
    "plain": SECRET,
    "a path": quote(SECRET),
    "a segment": quote(SECRET, safe=""),
    "a form": quote_plus(SECRET),
    "JSON": json.dumps(SECRET)[1:-1],
    "JSON in UTF-8": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "Base64": base64.b64encode(SECRET.encode()).decode(),
}


@pytest.mark.parametrize("padding", ["", "x " * 95], ids=["at the beginning", "where the body is cut"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", [200, 403])
def test_secrets_do_not_show_however_they_are_written(form: str, status: int, padding: str) -> None:
    """A secret is removed from every error in all the forms in which it may come back, even cut in two."""
    written = FORMS[form]
    assert [FORMS[other] == written for other in FORMS].count(True) == 1
    body = f"<{padding}{written}".encode()
    with serve(lambda _: Answer(status, body, {"X-Request-Id": f"r-{written}"})) as web:
        with pytest.raises(PolycloudError) as caught:
            JsonUserAndKey("user", SECRET, **web.options).request("/")
    error = caught.value
    shown = f"{''.join(traceback.format_exception(error))}{error.args!r}{vars(error)!r}"
    assert f"<{padding}REDACTED"[:200] in shown
    assert written[:6] not in shown


def test_what_a_driver_adds_to_a_request_is_secret() -> None:
    """Keys that `add_default_headers` and `add_default_params` add are secret without being declared."""

    class Both(Connection):
        def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
            return {**headers, "Authorization": "Basic aHVudGVyMjpodW50ZXIy"}

        def add_default_params(self, params: dict[str, Any]) -> dict[str, Any]:
            return {**params, "api_key": "hunter2/2"}

    def repeat_request(seen: Seen) -> Answer:
        return Answer(400, f"{seen.headers} {seen.target} {seen.query}".encode())

    with serve(repeat_request) as web, pytest.raises(ProviderHTTPError) as caught:
        Both(**web.options).request("/")
    assert "aHVudGVyMjpodW50ZXIy" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(Request("GET", "http://h/?api_key=hunter2"))


@pytest.mark.parametrize(
    "request_",
    [
        {"headers": {"X-Auth-Token": "hunter2hunter2"}},
        {"headers": {"Authorization": "Basic hunter2hunter2"}},
        {"params": {"api_key": "hunter2hunter2"}},
        {"method": "POST", "data": {"a": "b", "password": "hunter2hunter2"}},
        {"method": "POST", "json": {"a": 1, "users": [{"b": None}, {"rootPass": "hunter2hunter2"}]}},
        {"method": "POST", "json": {"users": {"a": {"secret": "hunter2hunter2"}, "b": []}}},
    ],
    ids=["a header", "credentials", "a query", "a form", "a list in JSON", "a dict in JSON"],
)
def test_what_a_request_names_secret_does_not_show(request_: dict[str, Any]) -> None:
    """A value under a secret's name, in headers, query or body, is removed alone and leaves the rest."""
    with serve(lambda _: Answer(400, b"before hunter2hunter2 after")) as web:
        with pytest.raises(ProviderHTTPError) as caught:
            Connection(**web.options).request("/", **request_)
    assert caught.value.message == "before REDACTED after"


def test_a_short_key_leaves_messages_readable() -> None:
    """A key of three characters stays in messages; one of four is removed, of letters as a whole word."""
    for key, shown in (
        ("e", "the mess4ge"),
        ("the", "the mess4ge"),
        ("mess4", "the REDACTEDge"),
        ("mess", "the REDACTED4ge"),
        ("note", "the mess4ge noted"),
    ):
        with serve(lambda _: Answer(400, b"the mess4ge noted")) as web:
            with pytest.raises(ProviderHTTPError, match=shown):
                ConnectionKey(key, **web.options).request("/")


def test_the_clients_log_has_no_query(caplog: pytest.LogCaptureFixture) -> None:
    """The log of the HTTP client, where a program turns it on, has no query."""
    with serve() as web, caplog.at_level(logging.DEBUG):
        Connection(**web.options).request("/x", {"api_key": "hunter2"})
    assert "GET /x" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_redirects_target_is_named_without_its_query() -> None:
    """The target of a redirect is named without what stands in its query."""
    with serve(lambda _: Answer(302, b"", {"Location": "https://x.example/a?key=hunter2"})) as web:
        with pytest.raises(MalformedResponseError, match=r"x\.example/a'") as caught:
            Connection(**web.options).request("/")
    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show() -> None:
    """No error shows a secret that the provider repeats in its message or body."""

    class Basic(ConnectionUserAndKey):
        responseCls = JsonResponse

    secret = "s3cr3t/+ value"
    with serve(lambda _: Answer(403, {"message": f"bad password {secret}"})) as web:
        connection = Basic("user", secret, **web.options)
        with pytest.raises(ProviderHTTPError) as caught:
            connection.request("/")
    shown = [
        str(caught.value),
        repr(caught.value),
        repr(caught.value.args),
        caught.value.message,
        repr(connection),
    ]
    assert not any(secret in str(text) for text in shown)
    assert "bad password REDACTED" in str(caught.value)
    with serve(lambda _: Answer(200, f"<p>{secret}".encode())) as web:
        with pytest.raises(MalformedResponseError) as malformed:
            Basic("user", secret, **web.options).request("/")
    assert secret not in str(malformed.value)


def test_a_driver_shows_no_secret() -> None:
    """The repr of a driver names class and address only."""
    assert repr(Cloud("s3cr3t", host="api.example")) == ("<Cloud <ConnectionKey https://api.example:443>>")


# Odd input


@pytest.mark.parametrize(
    "options",
    [
        {"port": "abc"}, {"port": 0}, {"port": 70000}, {"host": 5}, {"host": "a b"}, {"host": "h/path"},
        {"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"timeout": "5"}, {"deadline": "x"},
        {"url": 5}, {"url": "https://user:pw@h/"}, {"url": "https://h/?key=pw"},
    ],
)  # fmt: skip
def test_odd_options_are_refused(options: dict[str, Any]) -> None:
    """An option that cannot be meant is refused when the connection is made, without showing a password."""
    with pytest.raises(InvalidArgumentError) as caught:
        Connection(**options)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "GET /x"}, {"headers": {"X": None}}, {"data": 5, "method": "POST"},
        {"json": object(), "method": "POST"},
    ],
)  # fmt: skip
def test_odd_requests_are_refused(arguments: dict[str, Any]) -> None:
    """An invalid request is refused before anything is sent."""
    with serve() as web:
        with pytest.raises(InvalidArgumentError):
            Connection(**web.options).request("/", **arguments)
        assert web.seen == []


def test_ipv6_hosts() -> None:
    """An IPv6 host may stand in brackets or not."""
    assert Connection(secure=False, host="[::1]").host == Connection(secure=False, host="::1").host == "::1"


@pytest.mark.parametrize("credentials", [(1, 2), (b"u", b"p"), (["u"], "p")])
def test_odd_credentials(credentials: Any) -> None:
    """Credentials that are not strings are refused."""

    class Two(Cloud):
        connectionCls = ConnectionUserAndKey

    with pytest.raises(InvalidCredsError, match="as str"):
        Two(*credentials)


def test_a_driver_without_credentials() -> None:
    """A driver whose provider wants no credentials is made all the same."""

    class Open(Cloud):
        connectionCls = Connection

    assert Open("").connection.host == "127.0.0.1"


def test_json_text_is_sent_as_json() -> None:
    """`encode_data` that makes JSON of the data, as the article has it, needs to say no more."""

    class Encoding(JsonConnection):
        def encode_data(self, data: Any) -> Any:
            return json.dumps(data)

    with serve() as web:
        seen = Encoding(**web.options).request("/", data={"a": 1}, method="POST").object
    assert (seen["body"], seen["headers"]["content-type"]) == ('{"a": 1}', "application/json")


# Odd responses


@pytest.mark.parametrize(
    ("response", "attribute"),
    [
        (Answer(200, b"[" * 200_000), "object"),
        (Answer(503, b"", {"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}), "object"),
        (Answer(200, b"{}", {"Content-Type": "text/x; charset=undefined"}), "body"),
        (Answer(200, b"{}", {"Content-Type": "text/x; charset=idna"}), "body"),
        (Answer(304), "body"),
    ],
)
def test_odd_responses_raise_no_foreign_errors(response: Answer, attribute: str) -> None:
    """Whatever the provider's response, only errors of our tree are raised."""
    with serve(lambda _: response) as web:
        try:
            getattr(JsonConnection(**web.options, retry=QUICK).request("/"), attribute)
        except PolycloudError:
            return
    assert attribute == "body"


def test_xml_with_a_document_type_in_utf_16() -> None:
    """A document type is refused in every encoding."""
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY y "boom">]><a>&y;</a>'
    with serve(lambda _: Answer(200, text.encode("utf-16"))) as web:
        response = XmlConnection(**web.options).request("/")
        with pytest.raises(MalformedResponseError, match="document type"):
            _ = response.object


def test_a_stream_may_be_read_in_one_piece() -> None:
    """The body of a streamed response can still be read in one piece."""
    with serve(lambda _: Answer(200, {"a": 1})) as web:
        assert JsonConnection(**web.options).request("/", raw=True).object == {"a": 1}


def test_a_repeated_delete_may_find_nothing_in_an_envelope() -> None:
    """A retried DELETE succeeds too where the body of its response, not its status, says "not found"."""

    class Enveloped(JsonResponse):
        def success(self) -> bool:
            return not self.content

        def parse_error(self) -> Any:
            raise NotFoundError(404, "gone")

    class Speaking(Connection):
        responseCls = Enveloped

    with serve(lambda seen: None if len(web.seen) == 1 else Answer(200, b"{}")) as web:
        assert Speaking(**web.options, retry=QUICK).request("/x", method="DELETE").status == 204


# Drivers


@pytest.mark.parametrize("key", ["", None])
def test_missing_credentials(key: Any) -> None:
    """A driver without its credentials is refused when it is made."""
    with pytest.raises(InvalidCredsError, match="Cloud needs a key"):
        Cloud(key)


def test_missing_secret() -> None:
    """A driver of two credentials says so when it gets one."""

    class Two(Cloud):
        connectionCls = ConnectionUserAndKey

    with pytest.raises(InvalidCredsError, match="a user name and a secret"):
        Two("user")


def test_unknown_options_are_named() -> None:
    """A misspelt option is refused with the nearest one."""
    with pytest.raises(InvalidArgumentError, match="'hots'; did you mean 'host'"):
        Cloud("k", hots="x")
    with pytest.raises(InvalidArgumentError, match=r"it has.*proxy_url"):
        Cloud("k", zzzzzz=1)


def test_a_driver_closes_and_opens_again() -> None:
    """`with driver:` closes its connections; a later call opens new ones."""
    with serve() as web:
        with Cloud("k", **web.options) as driver:
            driver.connection.request("/")
        driver.connection.request("/")
        assert [seen.connection for seen in web.seen] == [1, 2]
        driver.close()


def test_a_driver_pickles() -> None:
    """A pickled driver works, with connections of its own."""
    with serve() as web:
        driver = Cloud("k", **web.options)
        driver.connection.request("/")
        again = pickle.loads(pickle.dumps(driver))
        assert again.connection.driver is again
        assert again.connection.request("/").status == 200
        assert [seen.connection for seen in web.seen] == [1, 2]
        driver.close()
        again.close()


def test_the_user_agent_can_be_extended() -> None:
    """`user_agent_append` extends the user agent, which names polycloud and the driver."""
    with serve() as web:
        driver = Cloud("k", **web.options, user_agent_append="mist/1.0")
        agent = driver.connection.request("/").body
        driver.close()
    assert "(cloud) mist/1.0" in agent


def test_a_driver_works_in_a_bridge() -> None:
    """The same driver, called inside a bridge, sends through the loop's transport."""

    class Json(Cloud):
        connectionCls = JsonKey

    async def main(options: dict[str, Any]) -> list[Any]:
        driver = Json("k", **options)

        def call() -> Any:
            return driver.connection.request("/x").object["target"]

        async with LoopTransports() as transports:
            return await asyncio.gather(*(bridged(call, transports) for _ in range(20)))

    with serve() as web:
        assert asyncio.run(main(web.options)) == ["/x"] * 20


def test_a_transport_of_ones_own() -> None:
    """`transport=` takes the place of urllib3, and is closed with its driver."""
    transport = RecordingTransport()
    with Cloud("k", host="api.example", transport=transport) as driver:
        assert driver.connection.request("/x").status == 200
        assert not transport.closed
    assert [request.url for request in transport.requests] == ["https://api.example/x"]
    assert transport.closed


def test_response_defaults() -> None:
    """A plain Response takes any 2xx for success and its text for the object."""
    with serve(lambda _: Answer(299, b"text")) as web:
        response = Connection(**web.options).request("/")
    assert isinstance(response, Response)
    assert (response.success(), response.object, response.content) == (True, "text", b"text")


def test_what_a_constructor_sets_last() -> None:
    """A request goes where the connection points when it is made, also if the constructor set that last."""

    class Versioned(ConnectionKey):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.request_path = "/v2 beta"

    with serve() as web:
        connection = Versioned("key", **web.options)
        connection.request("/servers")
        connection.request_path = "/v3"
        connection.request("servers", params={"a": "b", "c": "ö/ü", "d": None})
        connection.close()
    assert [seen.target for seen in web.seen] == ["/v2%20beta/servers", "/v3/servers?a=b&c=%C3%B6%2F%C3%BC"]


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3))


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), st.text(max_size=9))
def test_urls_are_quoted_as_the_standard_library_quotes(params: dict[str, Any], name: str) -> None:
    """Parameters are encoded by the rules of `urllib.parse.urlencode`, a segment by those of `quote`."""
    transport = RecordingTransport()
    assume(name not in {"", ".", ".."})
    Connection(transport=transport, host="api.example").request(f"/{quote_segment(name)}", params=params)
    given = {name: value for name, value in params.items() if value is not None}
    url, _, query = transport.requests[0].url.partition("?")
    assert (url, query) == (f"https://api.example/{quote(name, safe='')}", urlencode(given, doseq=True))


def test_text_that_no_url_can_have() -> None:
    """Text that UTF-8 cannot encode is refused in a path, as a whole or in a segment, before a request."""
    transport = RecordingTransport()
    connection = Connection(transport=transport, host="api.example")
    for act in (lambda: quote_segment("\ud800"), lambda: connection.request("/\ud800")):
        with pytest.raises(InvalidArgumentError, match="text that UTF-8 can encode"):
            act()
    assert transport.requests == []
