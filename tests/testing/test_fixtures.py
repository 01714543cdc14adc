import http.client
import json
import socket
import string
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polycloud.testing.exchange import FixtureError
from polycloud.testing.fixtures import FixtureServer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(string.printable), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def write(folder: Path, name: str, request: dict[str, Any], response: dict[str, Any]) -> None:
    text = json.dumps({"request": request, "response": response}, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text, encoding="utf-8")


def get(path: str, **rest: Any) -> dict[str, Any]:
    return {"method": "GET", "path": path, **rest}


def post(**rest: Any) -> dict[str, Any]:
    return {"method": "POST", "path": "/server/", **rest}


@contextmanager
def connected(server: FixtureServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


Reply = tuple[int, dict[str, str], bytes]


def ask(
    server: FixtureServer, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None
) -> Reply:
    with connected(server) as connection:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read()


def matches(server: FixtureServer, method: str, target: str, body: Any = None, **headers: str) -> bool:
    """Return whether the request matches; it does not count as unmatched at the end."""
    status, _, _ = ask(server, method, target, body, headers)
    server.unmatched.clear()
    return status == 200


def serves(folder: Path, request: dict[str, Any]) -> FixtureServer:
    write(folder, "1", request, {"status": 200, "body": {}})
    return FixtureServer(folder)


def test_json_response(tmp_path: Path) -> None:
    """The recorded JSON is returned by value, with its status and headers."""
    body = {"success": True, "name": "zürich ☁", "data": [1, 2.5, None]}
    write(tmp_path, "1", get("/server/"), {"status": 201, "headers": {"X-Id": "7"}, "body": body})
    with FixtureServer(tmp_path) as server:
        status, headers, content = ask(server, "GET", "/server/")
    assert (status, json.loads(content)) == (201, body)
    assert (headers["X-Id"], headers["Content-Type"]) == ("7", "application/json")


@pytest.mark.parametrize(
    ("content", "kind", "sent"),
    [
        ({"text": "naïve ☁"}, "text/plain; charset=utf-8", "naïve ☁".encode()),
        ({"base64": "AP8Q"}, "application/octet-stream", b"\x00\xff\x10"),
        ({"body": None}, "application/json", b"null"),
        ({"body": "word"}, "application/json", b'"word"'),
        ({"text": "<a/>", "headers": {"content-type": "text/xml"}}, "text/xml", b"<a/>"),
        ({}, None, b""),
    ],
)
def test_bodies(tmp_path: Path, content: dict[str, Any], kind: str | None, sent: bytes) -> None:
    """Text is sent as UTF-8, base64 as its bytes, a missing body as an empty one, each with its length."""
    write(tmp_path, "1", get("/"), {"status": 200, **content})
    with FixtureServer(tmp_path) as server:
        _, headers, received = ask(server, "GET", "/")
    found = {name.lower(): value for name, value in headers.items()}
    assert (received, found["content-length"], found.get("content-type")) == (sent, str(len(sent)), kind)


def test_empty_responses(tmp_path: Path) -> None:
    """A 204 has no body and no Content-Length, and the connection serves the next request."""
    write(tmp_path, "1", {"method": "DELETE", "path": "/server/1/"}, {"status": 204})
    write(tmp_path, "2", get("/server/"), {"status": 200, "text": "next"})
    with FixtureServer(tmp_path) as server, connected(server) as connection:
        connection.request("DELETE", "/server/1/")
        deleted = connection.getresponse()
        assert (deleted.status, deleted.headers["Content-Length"], deleted.read()) == (204, None, b"")
        connection.request("GET", "/server/")
        assert connection.getresponse().read() == b"next"


@pytest.mark.parametrize(
    ("response", "length"),
    [({"text": "four"}, "4"), ({"headers": {"Content-Length": "1048576"}}, "1048576"), ({}, "0")],
)
def test_head(tmp_path: Path, response: dict[str, Any], length: str) -> None:
    """HEAD returns the length of the body, or the one that the file names, and no body."""
    write(tmp_path, "1", {"method": "HEAD", "path": "/object"}, {"status": 200, **response})
    write(tmp_path, "2", get("/object"), {"status": 200, "text": "body"})
    with FixtureServer(tmp_path) as server, connected(server) as connection:
        connection.request("HEAD", "/object")
        head = connection.getresponse()
        assert (head.headers["Content-Length"], head.read()) == (length, b"")
        connection.request("GET", "/object")
        assert connection.getresponse().read() == b"body"


def test_length_is_right(tmp_path: Path) -> None:
    """A wrong Content-Length in a file does not change the response to GET."""
    write(tmp_path, "1", get("/"), {"status": 200, "headers": {"content-length": "2"}, "text": "four"})
    with FixtureServer(tmp_path) as server:
        _, headers, body = ask(server, "GET", "/")
    lengths = [value for name, value in headers.items() if name.lower() == "content-length"]
    assert (lengths, body) == (["4"], b"four")


def test_keep_alive(tmp_path: Path) -> None:
    """Many requests go over one connection."""
    write(tmp_path, "1", get("/"), {"status": 200, "text": "x"})
    with FixtureServer(tmp_path) as server, connected(server) as connection:
        connection.connect()
        first = connection.sock
        for _ in range(5):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"x"
        assert connection.sock is first


def test_in_order_then_the_last(tmp_path: Path) -> None:
    """Exchanges that match the same request are served in the order of their names, the last repeatedly."""
    for number, state in enumerate(["pending", "pending", "running"]):
        write(tmp_path, f"{number:03}", get("/server/1/"), {"status": 200, "body": state})
    with FixtureServer(tmp_path) as server:
        states = [json.loads(ask(server, "GET", "/server/1/")[2]) for _ in range(5)]
    assert states == ["pending", "pending", "running", "running", "running"]


def test_parallel(tmp_path: Path) -> None:
    """Each exchange is served once before the last is repeated, for any number of threads."""
    for number in range(16):
        write(tmp_path, f"{number:03}", get("/"), {"status": 200, "body": number})
    with FixtureServer(tmp_path) as server, ThreadPoolExecutor(8) as pool:
        bodies = pool.map(lambda _: json.loads(ask(server, "GET", "/")[2]), range(20))
    assert sorted(bodies) == [*range(15), *[15] * 5]


@pytest.mark.parametrize(
    ("query", "target", "same"),
    [
        ({}, "/", True),
        ({}, "/?a=1", False),
        ({"a": "1", "b": "2"}, "/?b=2&a=1", True),
        ({"a": "1"}, "/?a=1&a=1", False),
        ({"a": ["1", "2"]}, "/?a=2&a=1", True),
        ({"a": ["1", "2"]}, "/?a=1", False),
        ({"a": ["1", "1"]}, "/?a=1&a=2", False),
        ({"a": ""}, "/?a=", True),
        ({"a": ""}, "/", False),
        ({"q": "é &"}, "/?q=%C3%A9+%26", True),
        ({"REDACTED": "REDACTED"}, "/?k=v", True),
        ({"a": ["REDACTED", "x"]}, "/?a=x&a=y", True),
        ({"a": ["REDACTED", "1REDACTED"]}, "/?a=12&a=2", True),
        ({"a": "REDACTED"}, "/?a=1&a=2", False),
    ],
)
def test_query(tmp_path: Path, query: dict[str, Any], target: str, same: bool) -> None:
    """The order of the query does not matter; its values and the number of values of a name do."""
    with serves(tmp_path, get("/", query=query)) as server:
        assert matches(server, "GET", target) is same


def test_missing_parts_match_anything(tmp_path: Path) -> None:
    """Without query and body in the file, any query and body match."""
    with serves(tmp_path, post()) as server:
        assert matches(server, "POST", "/server/?page=2", b"anything")


@pytest.mark.parametrize(
    ("path", "target", "same"),
    [
        ("/zone/café one/", "/zone/caf%C3%A9%20one/", True),
        ("/a%2Fb", "/a%2fb", True),
        ("/a%2Fb", "/a/b", False),
        ("/a//b", "/a//b", True),
        ("//a", "//a", True),
        ("//a", "/a", False),
        ("/a/", "/a", False),
        ("/v1/REDACTED/x", "/v1/tenant/x", True),
        ("/v1/t-REDACTED", "/v1/t-1", True),
        ("/v1/REDACTED", "/v1/a/b", False),
    ],
)
def test_path(tmp_path: Path, path: str, target: str, same: bool) -> None:
    """Paths are equal segment by segment, decoded; REDACTED stands for any text within one."""
    with serves(tmp_path, get(path)) as server:
        assert matches(server, "GET", target) is same


@pytest.mark.parametrize(
    ("recorded", "sent", "same"),
    [
        ({"body": {"a": 1, "b": [1, 2]}}, b'{"b":[1,2],"a":1}', True),
        ({"body": {"a": 1}}, b'{"a": 2}', False),
        ({"body": {"a": 1}}, b'{"a": 1, "b": 2}', False),
        ({"body": {"a": 1, "b": 2}}, b'{"a": 1}', False),
        ({"body": [1, 2]}, b"[2, 1]", False),
        ({"body": [1, 2]}, b"[1]", False),
        ({"body": {"a": 1}}, b'{"a": true}', False),
        ({"body": {"a": 1}}, b"[1]", False),
        ({"body": {"a": 1}}, b"not json", False),
        ({"body": {}}, b"", False),
        ({"body": None}, b"", True),
        ({"body": None}, b"{}", False),
        ({"body": {"password": "REDACTED", "n": "x"}}, b'{"password": {"any": 1}, "n": "x"}', True),
        ({"body": {"REDACTED": 1, "b": 2}}, b'{"b": 2, "any": 1}', True),
        ({"body": "Bearer REDACTED!"}, b'"Bearer abc!"', True),
        ({"body": "Bearer REDACTED!"}, b'"Basic abc!"', False),
        ({"body": "aREDACTEDbREDACTEDc"}, b'"a1b2c"', True),
        ({"body": "aREDACTEDbREDACTEDc"}, b'"a12c"', False),
        ({"body": "abREDACTEDbc"}, b'"abc"', False),
        ({"form": {"a": "1", "b": ["2", "3"]}}, b"b=3&a=1&b=2", True),
        ({"form": {"a": "1"}}, b"a=1&b=2", False),
        ({"form": {"a": "1", "password": "REDACTED"}}, b"password=x%26y&a=1", True),
        ({"text": "<a>é</a>"}, "<a>é</a>".encode(), True),
        ({"text": "<a>REDACTED</a>"}, b"<a>b</a>", True),
        ({"text": "a"}, b"b", False),
        ({"base64": "AP8="}, b"\x00\xff", True),
        ({"base64": "AP8="}, b"\x00\xfe", False),
    ],
)
def test_body(tmp_path: Path, recorded: dict[str, Any], sent: bytes, same: bool) -> None:
    """JSON and forms are compared by value, text and base64 by their bytes; REDACTED is any text or value."""
    with serves(tmp_path, post(**recorded)) as server:
        assert matches(server, "POST", "/server/", sent) is same


@pytest.mark.parametrize(
    ("request_", "target", "sent"),
    [
        ({"path": "/{{it}}/start/"}, "/caf%C3%A9/start/", None),
        ({"query": {"name": "{{it}}"}}, "/?name=caf%C3%A9", None),
        ({"query": {"{{it}}": ["1", "2"]}}, "/?caf%C3%A9=2&caf%C3%A9=1", None),
        ({"query": {"name": ["x", "{{it}}"]}}, "/?name=caf%C3%A9&name=x", None),
        ({"form": {"name": "{{it}}", "n": "1"}}, "/", b"n=1&name=caf%C3%A9"),
        ({"body": {"tags": [{"name": "{{it}}"}]}}, "/", '{"tags": [{"name": "café"}]}'.encode()),
        ({"body": {"{{it}}": 1, "b": 2}}, "/", '{"b": 2, "café": 1}'.encode()),
        ({"text": "<a>{{other}}-{{it}}</a>"}, "/", "<a>b-café</a>".encode()),
        ({"text": "<a>REDACTED-{{it}}</a>"}, "/", "<a>b-café</a>".encode()),
    ],
)
def test_captures(tmp_path: Path, request_: dict[str, Any], target: str, sent: bytes | None) -> None:
    """A name in braces captures any text of a request and is replaced by it in later responses."""
    write(tmp_path, "1", {"method": "POST", "path": "/", **request_}, {"status": 200})
    write(tmp_path, "2", get("/json"), {"status": 200, "body": {"a": [1, "is {{it}}"], "{{it}}": None}})
    write(tmp_path, "3", get("/text"), {"status": 200, "headers": {"X-It": "{{it}}"}, "text": "{{it}}!"})
    with FixtureServer(tmp_path) as server:
        assert ask(server, "POST", target, sent)[0] == 200
        assert json.loads(ask(server, "GET", "/json")[2]) == {"a": [1, "is café"], "café": None}
        _, headers, body = ask(server, "GET", "/text")
    assert (headers["X-It"], body) == ("café", "café!".encode())


def test_captured_by_the_same_request(tmp_path: Path) -> None:
    """The response to the request that has the text repeats it, and later ones repeat the last text."""
    write(tmp_path, "1", post(body={"name": "{{name}}"}), {"status": 201, "body": {"name": "{{name}}"}})
    write(tmp_path, "2", get("/server/"), {"status": 200, "body": ["{{name}}"]})
    with FixtureServer(tmp_path) as server:
        for name in ("a", "b"):
            created = ask(server, "POST", "/server/", json.dumps({"name": name}))[2]
            assert json.loads(created) == {"name": name}
            assert json.loads(ask(server, "GET", "/server/")[2]) == [name]


def test_captures_only_text(tmp_path: Path) -> None:
    """Only strings of JSON are captured, and a request that does not match captures nothing."""
    write(tmp_path, "1", post(body={"name": "{{name}}", "n": 1}), {"status": 200})
    write(tmp_path, "2", get("/server/"), {"status": 200, "text": "{{name}}"})
    with FixtureServer(tmp_path) as server:
        assert not matches(server, "POST", "/server/", b'{"name": 7, "n": 1}')
        assert not matches(server, "POST", "/server/", b'{"name": "a", "n": 2}')
        assert not matches(server, "GET", "/server/")


def test_nothing_captured(tmp_path: Path) -> None:
    """A response without a captured text is a 501 that names the placeholder, and the block fails."""
    write(tmp_path, "1", get("/server/"), {"status": 200, "body": ["{{name}}"]})
    with pytest.raises(AssertionError) as failure, FixtureServer(tmp_path) as server:  # noqa: PT012
        status, _, body = ask(server, "GET", "/server/")
        assert (status, [json.loads(body)["message"]]) == (501, server.unmatched)
    assert str(failure.value) == (
        "GET /server/ matches 1.json, whose response cannot be sent: no request had a text for {{name}} yet"
    )


def test_captured_for_a_header(tmp_path: Path) -> None:
    """A captured text that a header cannot have is a 501 too."""
    write(tmp_path, "1", post(text="{{name}}"), {"status": 200, "headers": {"Location": "/server/{{name}}"}})
    with pytest.raises(AssertionError, match=r"matches 1\.json, whose response cannot be sent"):
        with FixtureServer(tmp_path) as server:
            assert ask(server, "POST", "/server/", b"a\r\nX-More: b")[0] == 501


def test_braces_in_base64(tmp_path: Path) -> None:
    """In base64, braces are ordinary bytes."""
    write(tmp_path, "1", post(base64="e3thfX0="), {"status": 200, "base64": "e3thfX0="})
    with FixtureServer(tmp_path) as server:
        assert ask(server, "POST", "/server/", b"{{a}}")[2] == b"{{a}}"
        assert not matches(server, "POST", "/server/", b"other")


def test_headers(tmp_path: Path) -> None:
    """Headers that the file names must have been sent, in upper or lower case; others do not matter."""
    with serves(tmp_path, post(headers={"X-Action": "Create", "X-Key": "REDACTED"})) as server:
        assert matches(server, "POST", "/server/", **{"x-action": "Create", "x-key": "k", "x-other": "o"})
        assert not matches(server, "POST", "/server/", **{"x-action": "Create"})
        assert not matches(server, "POST", "/server/", **{"x-action": "Delete", "x-key": "k"})


@settings(max_examples=25, deadline=None)
@given(JSON, st.dictionaries(WORDS, st.lists(WORDS, min_size=1, max_size=3), max_size=3), WORDS)
def test_every_value_round_trips(value: Any, query: dict[str, list[str]], word: str) -> None:
    """For any path, query and JSON in a file, a request with the same ones gets the recorded response."""
    path = f"/{word.replace('?', '').replace('#', '').replace('%', '')}"
    with tempfile.TemporaryDirectory() as folder:
        request = {"method": "PUT", "path": path, "query": query, "body": value}
        write(Path(folder), "1", request, {"status": 200, "body": value})
        with FixtureServer(folder) as server:
            target = f"{quote(path)}?{urlencode(query, doseq=True)}"
            status, _, body = ask(server, "PUT", target, json.dumps(value))
    assert (status, json.loads(body)) == (200, value)


def test_chunked_request(tmp_path: Path) -> None:
    """A body that is sent in chunks is read, and the connection serves the next request."""
    with serves(tmp_path, post(text="one two")) as server, connected(server) as connection:
        for _ in range(2):
            connection.request("POST", "/server/", iter([b"one ", b"two"]))
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"{}")
        assert [request.body for request in server.requests] == [b"one two"] * 2


def test_broken_request(tmp_path: Path) -> None:
    """A request whose client disconnects is not seen, and the server serves the next one."""
    with serves(tmp_path, post()) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /server/ HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
        assert matches(server, "POST", "/server/", b"complete")
        assert [request.body for request in server.requests] == [b"complete"]


def test_seen_requests(tmp_path: Path) -> None:
    """Every request is kept: method, path, query, headers in any case, and body."""
    with serves(tmp_path, post()) as server:
        ask(server, "POST", "/server/?a=1&a=2&b=", b"{}", {"X-Key": "k"})
    (seen,) = server.requests
    assert (seen.method, seen.target, seen.path) == ("POST", "/server/?a=1&a=2&b=", "/server/")
    assert (seen.query, seen.headers["x-key"], seen.body) == ({"a": ["1", "2"], "b": [""]}, "k", b"{}")


def test_driver_arguments(tmp_path: Path) -> None:
    """Credentials and options are the positional and the keyword arguments of a driver."""
    write(tmp_path, "1", get("/"), {"status": 200})
    with FixtureServer(str(tmp_path), credentials=("id", "secret", "zone")) as server:
        assert server.credentials == ("id", "secret", "zone")
        assert server.options == {"host": "127.0.0.1", "port": server.port, "secure": False}
        assert server.url == f"http://127.0.0.1:{server.port}"
    assert FixtureServer(tmp_path).credentials == ("user", "key")


def test_down_outside_of_the_block(tmp_path: Path) -> None:
    """Outside the with block there is no port, and the server does not listen."""
    write(tmp_path, "1", get("/"), {"status": 200})
    server = FixtureServer(tmp_path)
    with pytest.raises(RuntimeError, match="with block"):
        _ = server.url
    with server:
        port = server.port
    with pytest.raises(RuntimeError, match="with block"):
        _ = server.options
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_open_connections_do_not_delay_the_end(tmp_path: Path) -> None:
    """The block ends while a client keeps its connection open."""
    write(tmp_path, "1", get("/"), {"status": 200})
    server = FixtureServer(tmp_path)
    with server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", "/")
        connection.getresponse().read()
    connection.close()


def test_unmatched(tmp_path: Path) -> None:
    """A request that matches nothing gets a 501 that names the nearest exchange and how it differs."""
    write(tmp_path, "001", get("/zone/"), {"status": 200})
    write(tmp_path, "002", post(query={}, body={"name": "a", "size": {"ram": 1}}), {"status": 200})
    with pytest.raises(AssertionError) as failure, FixtureServer(tmp_path) as server:  # noqa: PT012
        status, _, body = ask(server, "POST", "/server/?dry=1", b'{"name": "a", "size": {"ram": 2}}')
        assert len(server.unmatched) == 1
    assert status == 501
    report = json.loads(body)
    assert list(report["nearest"]) == ["002.json", "001.json"]
    assert report["nearest"]["002.json"] == [
        'query.dry: not recorded, sent ["1"]',
        "body.size.ram: recorded 1, sent 2",
    ]
    assert report["nearest"]["001.json"][0] == 'method: recorded "GET", sent "POST"'
    assert str(failure.value) == report["message"]
    assert "POST /server/?dry=1" in report["message"]
    assert "002.json: query.dry" in report["message"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PROPFIND"])
def test_unmatched_methods(tmp_path: Path, method: str) -> None:
    """Any method that is not recorded is a 501, and the block fails."""
    write(tmp_path, "001", post(), {"status": 200})
    with pytest.raises(AssertionError, match=f"{method} /server/ matches no exchange"):
        with FixtureServer(tmp_path) as server:
            assert ask(server, method, "/server/")[0] == 501


def test_exception_in_flight(tmp_path: Path) -> None:
    """An exception of the block is not masked: it carries the unmatched request as a note."""
    write(tmp_path, "001", post(), {"status": 200})
    with pytest.raises(KeyError) as failure, FixtureServer(tmp_path) as server:  # noqa: PT012
        ask(server, "GET", "/missing")
        raise KeyError("data")
    assert "GET /missing matches no exchange" in "".join(failure.value.__notes__)


def test_long_values_are_cut(tmp_path: Path) -> None:
    """A report shows the beginning of a long body, and not the rest."""
    write(tmp_path, "001", post(text="a"), {"status": 200})
    with pytest.raises(AssertionError) as failure, FixtureServer(tmp_path) as server:
        ask(server, "POST", "/server/", b"x" * 100_000)
    report = str(failure.value)
    assert "x" * 100 in report
    assert len(report) < 1000


def test_folder_missing_or_empty(tmp_path: Path) -> None:
    """A missing folder, or one without exchanges, is named in the error."""
    with pytest.raises(FileNotFoundError, match=r"absent does not exist"):
        FixtureServer(tmp_path / "absent")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} has no .*json files"):
        FixtureServer(tmp_path)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('{\n  "request": {,\n}', "2:15", "not JSON"),
        ("", "1:1", "not JSON"),
        ('{\n "request": "é\udcff"}', "2:15", "not UTF-8"),
        ("[]", "1:1", "Expected `object`, got `array`"),
        ("{}", "1:1", "missing required field `request`"),
        ('{\n "request": {"method": "GET"}, "response": {"status": 200}}', "2:2", "required field `path`"),
        (
            '{"request": {"method": "GET", "path": "/"},\n "response": {"status": 200,\n  "bdy": 1}}',
            "3:3",
            "unknown field `bdy`",
        ),
        (
            '{"request": {"method": "GET", "path": "/"},\n "response": {"headers": {},\n  "status": "200"}}',
            "3:3",
            "Expected `int`, got `str`",
        ),
        (
            '{"request": {"method": "get", "path": "/"}, "response": {"status": 200}}',
            "1:14",
            "matching regex",
        ),
        (
            '{"request": {"method": "GET",\n"path": "/?a=1"}, "response": {"status": 200}}',
            "2:1",
            "matching regex",
        ),
        (
            '{"request": {"method": "GET", "path": "/"},\n"response": {"status": 200, "text": "","body": 1}}',
            "2:1",
            "only one of body, text",
        ),
        (
            '{"request": {"method": "PUT","path":"/","form": {},"body": 1},\n"response": {"status": 200}}',
            "1:2",
            "only one of body, form",
        ),
        (
            '{"request": {"method": "GET", "path": "/"},\n "response": {"status": 204, "text": ""}}',
            "2:2",
            "a response with status 204 has no text",
        ),
        ('{"request": {"method": "GET", "path": "/"},\n "response": {"status": 99}}', "2:15", ">= 200"),
        (
            '{"request": {"method": "GET", "path": "/"},\n "response": {"status": 200, "base64": "?"}}',
            "2:30",
            "base64",
        ),
        (
            '{"request": {"method": "GET", "path": "/"},\n"response": {"status": 200,\n"headers": {"": ""}}}',
            "3:1",
            "matching regex",
        ),
    ],
)
def test_bad_file(tmp_path: Path, text: str, place: str, reason: str) -> None:
    """An invalid file is refused at construction, with its name, line, column and the reason."""
    (tmp_path / "bad.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(FixtureError) as failure:
        FixtureServer(tmp_path)
    assert str(failure.value).startswith(f"{tmp_path / 'bad.json'}:{place}: ")
    assert reason in str(failure.value)
