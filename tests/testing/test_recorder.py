import base64
import datetime as dt
import gzip
import http.client
import json
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, quote_plus, urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.sandbox import Sandbox
from polycloud.testing.exchange import read_exchange
from polycloud.testing.fixtures import FixtureServer
from polycloud.testing.loopback import LoopbackServer
from polycloud.testing.recorder import Recorder
from polycloud.testing.stoppable import StoppableServer
from polycloud.tracing import redaction
from polycloud.tracing.redaction import Redaction

KEY = "k3y/of+the=cloud"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = ("Content-Type", "application/json")

Reply = tuple[int, list[tuple[str, str]], bytes]


class Upstream(ThreadingHTTPServer, StoppableServer):
    """A cloud that sends the same response to every request, or what `reply` returns, and keeps requests."""

    def __init__(self, *reply: Any) -> None:
        super().__init__(("127.0.0.1", 0), UpstreamHandler)
        self.reply: Callable[[str, str, bytes], Reply] = lambda *_: reply or (200, [JSON], b"{}")
        self.seen: list[tuple[str, str, http.client.HTTPMessage, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.server_close()


class UpstreamHandler(BaseHTTPRequestHandler):
    server: Upstream

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.requestline.split()[1]
        self.server.seen.append((self.command, target, self.headers, body))  # type: ignore[arg-type]
        status, headers, content = self.server.reply(self.command, target, body)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_any


def ask(
    server: LoopbackServer, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None
) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()
    finally:
        connection.close()


def recorded(folder: Path) -> dict[str, Any]:
    (file,) = sorted(folder.glob("*.json"))
    exchange: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return exchange


def basic(user: str, key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()}


def test_recorded_is_replayed(tmp_path: Path) -> None:
    """A session that was recorded with one set of secrets can be replayed with another."""
    states = iter(["pending", "running"])

    def cloud(method: str, target: str, body: bytes) -> Reply:
        if method == "POST":
            return (
                201,
                [JSON],
                json.dumps({"id": 7, "root_pass": "r00t!", "request": json.loads(body)}).encode(),
            )
        if method == "DELETE":
            return 204, [], b""
        return 200, [JSON], json.dumps({"state": next(states), "next": "/server/?page=2"}).encode()

    def session(server: LoopbackServer, key: str) -> list[tuple[int, Any]]:
        body = json.dumps({"name": "web-ü", "password": f"{key}-login"})
        headers = basic("user", key)
        replies = [
            ask(server, "POST", f"/server/?{urlencode({'api_key': key})}", body, headers),
            ask(server, "GET", "/server/7/", None, headers),
            ask(server, "GET", "/server/7/", None, headers),
            ask(server, "DELETE", f"/account/{quote(key, safe='')}/server/7/", None, headers),
        ]
        return [(status, json.loads(body or b"null")) for status, _, body in replies]

    with Upstream() as upstream, Recorder(upstream.url, tmp_path, secrets=[KEY]) as recorder:
        upstream.reply = cloud
        live = session(recorder, KEY)
    assert live[0][1]["root_pass"] == "r00t!"
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [
        "001-post-server.json",
        "002-get-server-7.json",
        "003-get-server-7.json",
        "004-delete-account-redacted-server-7.json",
    ]
    with FixtureServer(tmp_path) as server:
        replayed = session(server, "an0ther")
    live[0][1]["root_pass"] = live[0][1]["request"]["password"] = "REDACTED"
    assert replayed == live


def test_nephoscale_session(tmp_path: Path) -> None:
    """A create under a random name, for which the driver searches, can be replayed with another name."""

    def session(user: str, key: str, options: dict[str, Any]) -> dict[str, Any]:
        with NephoscaleNodeDriver(user, key, **options) as driver:
            size, image = driver.list_sizes()[0], driver.list_images()[0]
            created = driver.create_node("web", size, image)
            ((node, addresses),) = driver.wait_until_running([created], wait_period=0.1)
            assert driver.destroy_node(node)
            assert (created.id, created.name, node.name) == (node.id, "web", "web")
            names = ("id", "name", "state", "public_ips", "private_ips", "created_at", "extra")
            return {"addresses": addresses, **{name: getattr(node, name) for name in names}}

    with Sandbox("nephoscale", ssh="off", appear=0.05, build=0.1) as cloud:
        user, key = cloud.credentials
        with Recorder(
            cloud.url, tmp_path, secrets=[key], variables={"node_name": "web-[0-9a-f]{12}"}
        ) as recorder:
            live = session(user, key, recorder.options)
    forms = [read_exchange(file).request.form for file in sorted(tmp_path.glob("*-p*.json"))]
    assert [form["name"] for form in forms if form] == ["{{node_name}}", "web"]
    with FixtureServer(tmp_path) as server:
        assert session(user, "an0ther", server.options) == live


def test_variables(tmp_path: Path) -> None:
    """A match of a variable is written as its name in requests, and in responses if it was sent last."""

    def cloud(method: str, target: str, body: bytes) -> Reply:
        return 200, [JSON, ("Location", "/web-2/")], b'{"web-2": ["web-1", "web-2", "is web-2!", 2]}'

    variables = {"node": r"web-(?P<number>\d+)", "token": r"(t\d){2}|"}
    with Upstream() as upstream, Recorder(upstream.url, tmp_path, variables=variables) as recorder:
        upstream.reply = cloud
        ask(recorder, "PUT", "/a/web-1?b=t1t2", '{"c": ["web-2", "t3"]}')
    exchange = recorded(tmp_path)
    assert exchange["request"] == {
        "method": "PUT",
        "path": "/a/{{node}}",
        "query": {"b": "{{token}}"},
        "body": {"c": ["{{node}}", "t3"]},
    }
    assert exchange["response"]["body"] == {"{{node}}": ["web-1", "{{node}}", "is {{node}}!", 2]}
    assert exchange["response"]["headers"]["Location"] == "/{{node}}/"


def test_variables_and_secrets(tmp_path: Path) -> None:
    """A secret that matches a variable is redacted nevertheless."""
    with (
        Upstream(200, [], b"abcd-12") as upstream,
        Recorder(upstream.url, tmp_path, secrets=["abcd-12"], variables={"v": ".*12"}) as recorder,
    ):
        ask(recorder, "POST", "/", '{"password": "x12", "name": "abcd-12", "other": "y12"}')
    assert recorded(tmp_path)["request"]["body"] == {
        "password": "REDACTED",
        "name": "REDACTED",
        "other": "{{v}}",
    }
    assert recorded(tmp_path)["response"]["text"] == "REDACTED"


@pytest.mark.parametrize("variables", [{"node name": "a"}, {"1a": "a"}, {"": "a"}, {"a": "("}])
def test_bad_variables(tmp_path: Path, variables: dict[str, str]) -> None:
    """A variable whose name is not an identifier, or whose expression is invalid, is refused."""
    with pytest.raises(ValueError, match=r"must be an identifier|invalid regular expression"):
        Recorder("https://example.com", tmp_path / "new", variables=variables)
    assert not (tmp_path / "new").exists()


def test_replay_is_strict(tmp_path: Path) -> None:
    """A request that was recorded without query and body does not match one that has them."""
    with Upstream() as upstream, Recorder(upstream.url, tmp_path) as recorder:
        ask(recorder, "POST", "/server/7/start/")
    assert recorded(tmp_path)["request"] == {
        "method": "POST",
        "path": "/server/7/start/",
        "query": {},
        "body": None,
    }
    with pytest.raises(AssertionError, match="body: recorded null"), FixtureServer(tmp_path) as server:  # noqa: PT012
        assert ask(server, "POST", "/server/7/start/")[0] == 200
        assert ask(server, "POST", "/server/7/start/?force=1")[0] == 501
        server.unmatched.clear()
        ask(server, "POST", "/server/7/start/", '{"force": true}')


def test_responses_are_unchanged(tmp_path: Path) -> None:
    """The caller gets the upstream's status, headers and bytes unchanged; cookies are not written."""
    headers = [
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Link", "<x>"),
        ("Link", "<y>"),
        ("X-Id", "7"),
        JSON,
    ]
    with Upstream(404, headers, b'{ "a" : 1.50 }') as upstream, Recorder(upstream.url, tmp_path) as recorder:
        status, got, body = ask(recorder, "GET", "/a")
    assert (status, body) == (404, b'{ "a" : 1.50 }')
    assert got == [*headers, ("Content-Length", "14")]
    assert recorded(tmp_path)["response"] == {
        "headers": {"Link": "<x>, <y>", "X-Id": "7", "Content-Type": "application/json"},
        "body": {"a": 1.5},
        "status": 404,
    }


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    """A redirect is returned, recorded, and not followed."""
    with (
        Upstream(302, [("Location", "/b"), ("Content-Length", "0")], b"") as upstream,
        Recorder(upstream.url, tmp_path) as recorder,
    ):
        assert ask(recorder, "GET", "/a")[0] == 302
    assert len(upstream.seen) == 1
    assert recorded(tmp_path)["response"]["headers"] == {"Location": "/b"}


def test_requests_are_unchanged(tmp_path: Path) -> None:
    """The upstream gets the method, target, headers and body of the caller, and its own name as the host."""
    target = "/v2//a/../b%2Fc?x=%41&x=1+2&flag"
    sent = {"Authorization": "Basic eA==", "X-Key": "k", "User-Agent": "driver/1"}
    with Upstream() as upstream, Recorder(f"{upstream.url}/base/", tmp_path) as recorder:
        ask(recorder, "PUT", target, b"\x00\xff", sent)
    ((method, seen, headers, body),) = upstream.seen
    assert (method, seen, body) == ("PUT", f"/base{target}", b"\x00\xff")
    assert {name: headers[name] for name in sent} == sent
    assert headers["Host"] == upstream.url.removeprefix("http://")


def test_chunked_upload(tmp_path: Path) -> None:
    """A body in chunks arrives complete and is recorded complete."""
    with Upstream() as upstream, Recorder(upstream.url, tmp_path) as recorder:
        ask(recorder, "PUT", "/a", iter([b"one ", b"two"]))
    assert upstream.seen[0][3] == b"one two"
    assert recorded(tmp_path)["request"]["text"] == "one two"


def test_gzip(tmp_path: Path) -> None:
    """A compressed response reaches the caller compressed, and is stored decoded and redacted."""
    packed = gzip.compress(json.dumps({"name": "a", "token": "t0ken", "note": f"is {KEY}"}).encode())
    with (
        Upstream(200, [JSON, ("Content-Encoding", "gzip")], packed) as upstream,
        Recorder(upstream.url, tmp_path, secrets=[KEY]) as recorder,
    ):
        assert ask(recorder, "GET", "/a", headers={"Accept-Encoding": "br, gzip"})[2] == packed
        assert upstream.seen[0][2]["Accept-Encoding"] == "gzip"
    assert recorded(tmp_path)["response"] == {
        "headers": {"Content-Type": "application/json"},
        "body": {"name": "a", "token": "REDACTED", "note": "is REDACTED"},
        "status": 200,
    }


def test_head(tmp_path: Path) -> None:
    """The response to HEAD has the length of the body that is not sent, live and replayed."""
    headers = [("Content-Length", "1048576"), ("Content-Encoding", "gzip")]
    with Upstream(200, headers, b"") as upstream, Recorder(upstream.url, tmp_path) as recorder:
        assert ("Content-Length", "1048576") in ask(recorder, "HEAD", "/object")[1]
    with FixtureServer(tmp_path) as server:
        assert ("Content-Length", "1048576") in ask(server, "HEAD", "/object")[1]


@pytest.mark.parametrize(
    ("kind", "body", "stored"),
    [
        ("application/json; charset=utf-8", b'{"a": "\xc3\xa9"}', {"body": {"a": "é"}}),
        ("application/json", b"{broken", {"text": "{broken"}),
        ("application/json", b'{"a": NaN}', {"text": '{"a": NaN}'}),
        ("application/json", b'"\\ud800"', {"text": '"\\ud800"'}),
        ("application/json", b"[1, 2]", {"body": [1, 2]}),
        ("application/json", b"null", {"body": None}),
        (None, b'{"a": 1}', {"body": {"a": 1}}),
        (None, b"plain", {"text": "plain"}),
        ("text/plain", b'{"a":  1}', {"text": '{"a":  1}'}),
        ("text/xml", b"<a>\xc3\xa9</a>", {"text": "<a>é</a>"}),
        ("text/plain; charset=latin-1", b"\xe9", {"base64": "6Q=="}),
        (
            "application/octet-stream",
            bytes(range(256)),
            {"base64": base64.b64encode(bytes(range(256))).decode()},
        ),
        ("application/json", b"", {}),
    ],
)
def test_response_bodies(tmp_path: Path, kind: str | None, body: bytes, stored: dict[str, Any]) -> None:
    """JSON with its media type is stored as JSON, all else as text or base64, and replayed with its type."""
    headers = [("Content-Type", kind)] if kind else []
    with Upstream(200, headers, body) as upstream, Recorder(upstream.url, tmp_path) as recorder:
        ask(recorder, "GET", "/a")
    response = recorded(tmp_path)["response"]
    assert {name: response[name] for name in response if name not in {"status", "headers"}} == stored
    with FixtureServer(tmp_path) as server:
        _, got, replayed = ask(server, "GET", "/a")
    assert kind is None or dict(got)["Content-Type"] == kind
    assert replayed == body or json.loads(replayed) == json.loads(body)


@pytest.mark.parametrize(
    ("headers", "body", "stored"),
    [
        ({}, b'{"b": 1, "a": [true]}', {"body": {"b": 1, "a": [True]}}),
        (FORM, b'{"b": 1}', {"body": {"b": 1}}),
        (FORM, b"a=1&b=x+y&b=%C3%A9&c=", {"form": {"a": "1", "b": ["x y", "é"], "c": ""}}),
        (FORM, b"plain", {"text": "plain"}),
        ({}, b"a=1", {"text": "a=1"}),
        ({}, b"\xff\x00", {"base64": "/wA="}),
    ],
)
def test_request_bodies(tmp_path: Path, headers: dict[str, str], body: bytes, stored: dict[str, Any]) -> None:
    """Bodies of requests are stored as JSON, form, text or base64, and match when they are sent again."""
    with Upstream() as upstream, Recorder(upstream.url, tmp_path) as recorder:
        ask(recorder, "POST", "/a", body, headers)
    request = recorded(tmp_path)["request"]
    assert {name: request[name] for name in request if name not in {"method", "path", "query"}} == stored
    with FixtureServer(tmp_path) as server:
        assert ask(server, "POST", "/a", body, headers)[0] == 200


def test_request_headers(tmp_path: Path) -> None:
    """Only the named request headers are stored, redacted, and they must match in a replay."""
    names = ["X-Amz-Target", "X-Api-Key", "X-Absent"]
    with Upstream() as upstream, Recorder(upstream.url, tmp_path, request_headers=names) as recorder:
        ask(recorder, "POST", "/", headers={"x-amz-target": "List", "x-api-key": "abcd", "X-Other": "1"})
    assert recorded(tmp_path)["request"]["headers"] == {"X-Amz-Target": "List", "X-Api-Key": "REDACTED"}
    with FixtureServer(tmp_path) as server:
        assert ask(server, "POST", "/", headers={"X-Amz-Target": "List", "X-Api-Key": "other"})[0] == 200
        assert ask(server, "POST", "/", headers={"X-Amz-Target": "Drop", "X-Api-Key": "other"})[0] == 501
        server.unmatched.clear()


def test_response_headers(tmp_path: Path) -> None:
    """A response header with a token is recorded and replayed, with REDACTED in place of the token."""
    headers = [("X-Subject-Token", "abcd"), ("Location", f"/v1?key={quote(KEY)}&token=t0ken&page_token=3")]
    with (
        Upstream(200, headers, b"") as upstream,
        Recorder(upstream.url, tmp_path, secrets=[KEY]) as recorder,
    ):
        ask(recorder, "POST", "/auth/tokens")
    assert recorded(tmp_path)["response"]["headers"] == {
        "X-Subject-Token": "REDACTED",
        "Location": "/v1?key=REDACTED&token=REDACTED&page_token=3",
    }
    with FixtureServer(tmp_path) as server:
        assert ("X-Subject-Token", "REDACTED") in ask(server, "POST", "/auth/tokens")[1]


@pytest.mark.parametrize(
    "name",
    [
        *[
            "password",
            "passwd",
            "adminPass",
            "root_pass",
            "rootPassword",
            "secret",
            "client_secret",
            "SecretAccessKey",
        ],
        *[
            "token",
            "auth-token",
            "X-Auth-Token",
            "refresh_token",
            "api_key",
            "apikey",
            "access_key",
            "AccessKeyId",
        ],
        *["private_key", "keyMaterial", "X-Amz-Signature", "Authorization", "passphrase"],
    ],
)
def test_secret_names(name: str) -> None:
    """The value of a field with a secret's name is redacted in JSON, forms, queries, XML and text."""
    redaction = Redaction([])
    assert redaction.json({name: "val-ue1"}) == {name: "REDACTED"}
    assert redaction.json({name: 1234}) == {name: "REDACTED"}
    assert redaction.json({"a": [{name: ["val-ue1", None]}]}) == {"a": [{name: ["REDACTED", None]}]}
    for before, after in [
        (f"/a?{name}=", "&b=1"),
        (f"<{name}>", f"</{name}>"),
        (f'<a {name}="', '"/>'),
        (f'{{"{name}": "', '"}'),
        (f"{name}: ", "\nb: 1"),
        (f"{name}: Bearer ", "\n"),
    ]:
        assert redaction.text(f"{before}val-ue1{after}") == f"{before}REDACTED{after}"


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "key",
        "public_key",
        "next_token",
        "NextPageToken",
        "ClientToken",
        "secretary",
        "bypass",
        "tokens_left",
    ],
)
def test_harmless_names(name: str) -> None:
    """Fields with names that only resemble those of secrets, and tokens that a replay needs, are kept."""
    assert Redaction([]).json({name: "val-ue1"}) == {name: "val-ue1"}
    assert Redaction([]).text(f"{name}=val-ue1") == f"{name}=val-ue1"


def test_objects_under_secret_names() -> None:
    """An object under a secret's name keeps its fields, except those that have the secret itself."""
    login = {"password": {"user": {"name": "ann", "id": "u1", "password": "abcd"}, "set": True, "hint": None}}
    assert Redaction([]).json(login) == {
        "password": {"user": {"name": "ann", "id": "u1", "password": "REDACTED"}, "set": True, "hint": None}
    }
    token = {"token": {"id": "abcd", "expires": "2030", "catalog": [{"id": "c1"}]}}
    assert Redaction([]).json(token) == {
        "token": {"id": "REDACTED", "expires": "2030", "catalog": [{"id": "c1"}]}
    }


def test_keys_and_urls() -> None:
    """PEM private keys, and user and password in URLs, are redacted anywhere in text."""
    pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----"
    assert Redaction([]).json({"text": f"a {pem} b {pem}"}) == {"text": "a REDACTED b REDACTED"}
    encrypted = pem.replace("MIIabc", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A--1B\n\nMIIabc")
    assert Redaction([]).text(f"{encrypted}\n") == "REDACTED\n"
    certificate = pem.replace("RSA PRIVATE KEY", "CERTIFICATE")
    assert Redaction([]).text(certificate) == certificate
    assert Redaction([]).text("postgres://ann:pw@db:5432/x") == "postgres://REDACTED@db:5432/x"
    assert Redaction([]).text("https://host:8080/a@b") == "https://host:8080/a@b"


def test_quoted_values() -> None:
    """A quoted secret is redacted completely, with escaped characters in it."""
    assert Redaction([]).text(r'password = "a\"b \\" c') == 'password = "REDACTED" c'
    assert Redaction([]).text("password='a b' c") == "password='REDACTED' c"
    assert Redaction([]).text('password=""') == 'password="REDACTED"'


def test_expressions_of_early_python() -> None:
    """No expression has a possessive group, which early releases of Python 3.11 do not support."""
    expressions = [value.pattern for value in vars(redaction).values() if isinstance(value, re.Pattern)]
    assert len(expressions) > 4
    assert not [pattern for pattern in expressions if re.search(r"\)(?:[*+?]|\{[\d,]+\})\+", pattern)]


def test_number_that_is_a_secret() -> None:
    """A declared secret is found in a number too, and other numbers stay numbers."""
    assert Redaction(["123456"]).json({"pin": 123456, "n": 12345}) == {"pin": "REDACTED", "n": 12345}


def test_longer_secret_first() -> None:
    """If one secret begins with another, nothing of the longer one is left."""
    assert Redaction(["abcd", "abcdefgh"]).known("abcdefgh abcd") == "REDACTED REDACTED"


@pytest.mark.parametrize(
    ("text", "left"),
    [("/a/{}/", "/a/REDACTED/"), ("Basic%20{}", "Basic%20REDACTED"), ("Basic {}", "Basic REDACTED")],
)
def test_base64_words(text: str, left: str) -> None:
    """A base64 word with a secret is redacted completely, with the user in it, and nothing around it."""
    for user in ("a", "ab", "abc", "abcd"):
        word = base64.b64encode(f"{user}:{KEY}".encode()).decode()
        assert Redaction([KEY]).known(text.format(word)) == left


OPENERS = (
    *("<a>", "<a><![CDATA[", "<password><![CDATA[", "<password>", "<password><!--", "<a b ", "<a:", "<name>"),
    *(
        "<name>password</name><value>",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN A PRIVATE KEY",
        "-----",
        "-a",
    ),
    *("://a:", "://a:b@", "://", 'a="', "a='", "a=", "a: basic ", 'name="a" ', "name=a\n", 'password="'),
    *('password=\\"', "password='", "password: [", 'password="a\\', "password ", 'name="' + r"a\b", "token"),
    *(
        "password&quot;:&quot;",
        "&lt;password&gt;",
        "%",
        "%4",
        "%25",
        "%41",
        "&#",
        "&#x",
        "&amp;",
        "\\",
        "\\\\",
    ),
    *("\\u00", "\\ud83d", '"', "'", "[", "{", "<", " ", "\n", "A", "+", "/", KEY[:-1], "nexttoken", "pass"),
    *(base64.b64encode(KEY.encode()).decode().rstrip("="), KEY, "A%", "%2B", "a."),
)


@pytest.mark.parametrize("before", ["", "<password><![CDATA["])
def test_long_text(before: str) -> None:
    """The search of a long text takes linear time, whatever it repeats: no seconds for 50 KB."""
    for opener in OPENERS:
        text = before + opener * (50_000 // len(opener))
        began = time.monotonic()
        redacted = Redaction([KEY]).text(text)
        assert time.monotonic() - began < 5, opener
        assert KEY not in redacted


def spellings(secret: str, user: str) -> list[str]:
    """Return the encodings in which a secret gets into a recording."""
    pair = f"{user}:{secret}".encode()
    return [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        base64.b64encode(secret.encode()).decode().rstrip("="),
        base64.b64encode(pair).decode().rstrip("="),
        base64.urlsafe_b64encode(pair).decode().rstrip("="),
        quote(base64.b64encode(pair).decode().rstrip("="), safe=""),
    ]


SECRETS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=6, max_size=20)
USERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@settings(max_examples=60, deadline=None)
@given(SECRETS, USERS, st.data())
def test_a_secret_is_never_written(secret: str, user: str, data: st.DataObject) -> None:
    """A declared secret is in no file, in any position and encoding."""
    assume("REDACTED" not in secret and secret not in "REDACTED")
    # every file has these words, so a secret that is one of them cannot be distinguished from it
    assume(
        secret not in "001-post-response-request-headers-content-type-application/json-method-status-query"
    )
    spelled = data.draw(st.sampled_from(spellings(secret, user)))
    value = {"deep": [{"note": f"a {spelled} b", f"{spelled}": 1}], "xml": f"<a b='{spelled}'>{spelled}</a>"}
    body = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    returned = data.draw(st.sampled_from([[JSON], [("Content-Type", "text/plain")], []]))
    if spelled.isascii():
        returned = [*returned, ("Location", f"https://example.com/{spelled}/?a={spelled}")]
    form = urlencode({"a": spelled, spelled: "b"}).encode()
    sent, headers = data.draw(
        st.sampled_from([(body.encode(), {}), (form, FORM), (b"\xff" + body.encode(), {})])
    )
    target = f"/a/{quote(spelled, safe='')}/?{urlencode({'b': spelled, spelled: 'c'})}"
    with (
        tempfile.TemporaryDirectory() as folder,
        Upstream(200, returned, data.draw(st.sampled_from([b"", b"\xff"])) + body.encode()) as upstream,
    ):
        with Recorder(upstream.url, folder, secrets=[secret]) as recorder:
            ask(recorder, "POST", target, sent, {**headers, **basic("user", secret)})
        (file,) = Path(folder).iterdir()
        written = file.name + file.read_text(encoding="utf-8")
        exchange = read_exchange(file)
        with FixtureServer(folder) as server:
            assert ask(server, "POST", target, sent, headers)[0] == 200
    for spelling in spellings(secret, user)[:5]:
        assert spelling not in written
    binary = [content.base64 for content in (exchange.request, exchange.response) if content.kind == "base64"]
    assert not any(secret.encode() in content for content in binary if isinstance(content, bytes))
    if spelled not in spellings(secret, user)[:5]:
        assert spelled not in written


def test_in_parallel(tmp_path: Path) -> None:
    """Each request of many threads is recorded in a file of its own."""
    with Upstream() as upstream, Recorder(upstream.url, tmp_path) as recorder, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ask(recorder, "GET", f"/{number}"), range(24)))
    files = sorted(tmp_path.iterdir())
    assert [file.name[:3] for file in files] == [f"{number:03}" for number in range(1, 25)]
    assert {read_exchange(file).request.path for file in files} == {f"/{number}" for number in range(24)}


def test_file_names(tmp_path: Path) -> None:
    """A file is named after method and path, cut to a length that every file system takes."""
    with Upstream() as upstream, Recorder(upstream.url, tmp_path) as recorder:
        ask(recorder, "GET", "/Server/cloud/../" + "x" * 500)
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("001-get-server-cloud-xxx")
    assert len(file.name) < 80


def test_upstream_down(tmp_path: Path) -> None:
    """If the upstream does not respond, the caller gets a 502 that says so, and nothing is recorded."""
    with Upstream() as upstream:
        url = upstream.url
    with Recorder(url, tmp_path) as recorder:
        status, _, body = ask(recorder, "GET", "/a")
    assert status == 502
    assert "no response from the upstream" in json.loads(body)["message"]
    assert not list(tmp_path.iterdir())


def test_undecodable_responses(tmp_path: Path) -> None:
    """A response that cannot be decoded, and so not be redacted, becomes a 502 and is not recorded."""
    with (
        Upstream(200, [("Content-Encoding", "gzip")], b"no gzip") as upstream,
        Recorder(upstream.url, tmp_path) as recorder,
    ):
        assert ask(recorder, "GET", "/a")[0] == 502
    assert not list(tmp_path.iterdir())


@contextmanager
def self_signed(upstream: Upstream, folder: Path) -> Iterator[None]:
    """Make an upstream speak TLS with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    plain, upstream.socket = upstream.socket, context.wrap_socket(upstream.socket, server_side=True)
    with plain:
        yield


def test_tls_is_verified(tmp_path: Path) -> None:
    """An upstream with an untrusted certificate gets no request."""
    upstream = Upstream()
    upstream.handle_error = lambda *_: None  # type: ignore[method-assign]
    with self_signed(upstream, tmp_path), upstream:
        url = upstream.url.replace("http:", "https:")
        with Recorder(url, tmp_path / "recorded") as recorder:
            status, _, body = ask(recorder, "GET", "/a")
    assert (status, upstream.seen) == (502, [])
    assert "CERTIFICATE_VERIFY_FAILED" in json.loads(body)["message"]


@pytest.mark.parametrize(
    "url", ["http://example.com", "ftp://127.0.0.1", "127.0.0.1:80", "", "http://127.0.0.1.evil.test"]
)
def test_upstream_is_https(tmp_path: Path, url: str) -> None:
    """The upstream must be https, or http to loopback; for other URLs no folder is created."""
    with pytest.raises(ValueError, match="https://"):
        Recorder(url, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("secrets", [[""], ["key"], "a-long-string"])
def test_short_secrets(tmp_path: Path, secrets: Any) -> None:
    """A secret under 4 characters, such as each of a string given in place of a list, is refused."""
    with pytest.raises(ValueError, match="4 characters"):
        Recorder("https://example.com", tmp_path, secrets=secrets)


def test_folder(tmp_path: Path) -> None:
    """A missing folder is created, and one that has recordings already is refused."""
    Recorder("https://example.com", tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "a" / "b" / "001-get.json").touch()
    with pytest.raises(FileExistsError, match="has recordings already"):
        Recorder("https://example.com", tmp_path / "a" / "b")
