from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polycloud.common.base import Connection, ConnectionKey, ConnectionUserAndKey, JsonResponse
from polycloud.errors import ConnectError, InvalidArgumentError
from polycloud.http.retry import RetryPolicy
from polycloud.tracing.debugfile import RECORD, require_writable
from support.clock import ends_within
from support.web import Answer, Seen, Web, serve

KEY = "k3y-of-the-cloud"
ODD = 'it\'s "a" $HOME `id` $(id) !! !x \\n \\ % ü € {a,b} ~ * ? # ; & | < >'
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class Cloud(ConnectionKey):
    responseCls = JsonResponse

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        headers["Authorization"] = f"Bearer {self.key}"
        return headers


class BasicCloud(ConnectionUserAndKey):
    def _basic(self) -> str:
        return base64.b64encode(f"{self.user_id}:{self.key}".encode()).decode()

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        headers["authorization"] = f"Basic {self._basic()}"
        return headers


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POLYCLOUD_DEBUG", str(tmp_path / "debug.log"))
    return tmp_path / "debug.log"


@pytest.fixture
def web() -> Iterator[Web]:
    with serve(lambda seen: Answer(body={"ok": True})) as web:
        yield web


def entries(file: Path) -> list[list[str]]:
    """The lines of each entry."""
    return [entry.split("\n") for entry in file.read_text(encoding="utf-8").split("\n\n") if entry]


def command(file: Path) -> str:
    ((_, command, *_),) = entries(file)
    return command


def record(file: Path) -> dict[str, Any]:
    exchange: dict[str, Any] = json.loads(entries(file)[0][2].removeprefix(RECORD))
    return exchange


def run(command: str, secret: str = "") -> str:
    """Run a command as a reader of the file would, and give back what it printed."""
    home = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "POLYCLOUD_SECRET": secret}
    done = subprocess.run(
        ["bash"], input=command, capture_output=True, text=True, check=False, timeout=60, env=home
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def content_of(seen: Seen) -> tuple[str, str, dict[str, str], bytes]:
    """The content of a request, without the headers that curl adds."""
    headers = {name.lower(): value for name, value in seen.headers.items()}
    if headers.get("accept") == "*/*":
        del headers["accept"]
    return seen.method, seen.target, headers, seen.body


def test_an_entry(file: Path, web: Web) -> None:
    """An entry is a comment, a command and a record, each on a line, and a blank line."""
    Cloud(KEY, **web.options).request("/x", headers={"X-Request-Id": "7"})
    comment, command, line = file.read_text(encoding="utf-8").removesuffix("\n\n").split("\n")
    assert comment.startswith("# 20")
    assert " 127.0.0.1 request, attempt 1: 200 in " in comment
    assert command.startswith(f"curl -sS --globoff --compressed -X GET {web.url}/x -H ")
    assert json.loads(line.removeprefix(RECORD)) == {
        "request": {"method": "GET", "path": "/x", "query": {}, "body": None},
        "response": {"status": 200, "headers": {}, "body": {"ok": True}},
    }


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_mode(file: Path, web: Web, umask: int) -> None:
    """A new file is its owner's alone, whatever the umask permits."""
    before = os.umask(umask)
    try:
        Cloud(KEY, **web.options).request("/x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


UNWRITABLE = {
    "a switch": ("1", "got '1'"),
    "a missing folder": ("{}/missing/debug.log", "missing/debug.log' cannot be written: No such file"),
    "a folder": ("{}", "cannot be written: Is a directory"),
    "a FIFO": ("{}/fifo", "fifo' cannot be written: No such device"),
    "a FIFO with a reader": ("{}/read", "read' is no regular file"),
    "a device": ("/dev/null", "'/dev/null' is no regular file"),
    "a name that is too long": ("{}/" + "x" * 300, "cannot be written: File name too long"),
}


@pytest.mark.parametrize("kind", UNWRITABLE)
def test_a_file_that_cannot_be_written(
    tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What cannot be written to is refused before anything is sent, with what is right, and nothing hangs."""
    name, problem = UNWRITABLE[kind]
    os.mkfifo(tmp_path / "fifo")
    os.mkfifo(tmp_path / "read")
    reader = os.open(tmp_path / "read", os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setenv("POLYCLOUD_DEBUG", name.format(tmp_path))
    with ends_within(10), pytest.raises(InvalidArgumentError) as caught:
        Cloud(KEY, **web.options).request("/x")
    os.close(reader)
    right = "POLYCLOUD_DEBUG must name a file such as debug.log, or - for stderr; "
    assert str(caught.value).startswith(right)
    assert problem in str(caught.value)
    assert web.seen == []


def test_a_name_with_a_nul() -> None:
    """A NUL in the name, which no environment holds but a caller may give, is refused as others are."""
    with pytest.raises(InvalidArgumentError, match=r"cannot be written: .*embedded null "):
        require_writable("a\0b")


def test_a_write_that_fails(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What fails when the request has been sent is logged and harms no call."""

    def respond(seen: Seen) -> Answer:
        file.unlink()
        file.mkdir()
        return Answer(body={"ok": True})

    with serve(respond) as web:
        assert Cloud(KEY, **web.options).request("/x").object == {"ok": True}
    (failed,) = caplog.records
    assert failed.getMessage() == "a trace was lost"
    assert KEY not in caplog.text


def test_stderr(web: Web, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A hyphen stands for stderr."""
    monkeypatch.setenv("POLYCLOUD_DEBUG", "-")
    Cloud(KEY, **web.options).request("/x")
    shown = capsys.readouterr().err
    assert shown.count("\ncurl ") == 1
    assert KEY not in shown


def test_control_characters(file: Path) -> None:
    """No control character and no bidirectional override is written as it is, whatever the provider sends."""
    odd = "\x1b[31m\x07\x7f\x9b2J\u202e\u2028"
    responses = iter([{"x": odd}, f"<a>{odd}</a>".encode()])
    answer = {"X-Request-Id": "r\x9b31m", "X-Odd": "a\x9bb"}
    with serve(lambda seen: Answer(body=next(responses), headers=answer)) as web:
        for _ in range(2):
            Connection(**web.options).request("/x", method="POST", data=odd)
    written = file.read_text(encoding="utf-8")
    assert {c for c in written if not c.isprintable()} == {"\n"}
    assert [json.loads(lines[2].removeprefix(RECORD))["request"]["text"] for lines in entries(file)] == [
        odd
    ] * 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12, where there are threads
def test_threads_and_processes(file: Path, web: Web) -> None:
    """Entries of threads and of forked processes stand one after another, unmixed."""

    def send(number: int) -> None:
        cloud = Cloud(KEY, **web.options)
        for _ in range(5):
            cloud.request(f"/{number}", json={"filler": "x" * 20_000}, method="POST")

    def send_from_threads(first: int) -> None:
        threads = [threading.Thread(target=send, args=(first + number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    children = []
    for number in range(2):
        child = os.fork()
        if child == 0:
            try:
                send_from_threads(10 * (number + 1))
            finally:
                os._exit(0)
        children.append(child)
    send_from_threads(0)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    found = [json.loads(line.removeprefix(RECORD))["request"]["path"] for _, _, line in entries(file)]
    assert sorted(found) == sorted(
        f"/{number}" for number in (0, 1, 2, 10, 11, 12, 20, 21, 22) for _ in range(5)
    )


def test_no_response(file: Path) -> None:
    """Where no response came, the entry has the error and a command, but no record."""
    with serve() as gone:
        options = gone.options
    with pytest.raises(ConnectError):
        Cloud(KEY, **options, retry=RetryPolicy(attempts=1)).request("/x")
    ((comment, command),) = entries(file)
    assert "ConnectError: cannot connect" in comment
    assert command.startswith("curl ")


def test_streams(file: Path, web: Web) -> None:
    """A stream is not kept: the command has a placeholder for it, and there is no record."""
    cloud = Cloud(KEY, **web.options)
    cloud.request("/up", data=iter([b"abc"]), method="PUT")
    cloud.request("/down", stream=True).close()
    (_, up), (_, down) = entries(file)
    assert up.endswith("-H Content-Type: --data-binary @FILE # the body was a stream")
    assert "/down" in down


def test_binary_responses(file: Path) -> None:
    """A binary response is kept byte by byte."""
    data = bytes(range(256))
    with serve(lambda seen: Answer(body=data, headers={"Content-Type": "image/png"})) as web:
        Connection(**web.options).request("/x")
    assert base64.b64decode(record(file)["response"]["base64"]) == data


def test_deep_responses(file: Path) -> None:
    """A response that is nested too deeply to be parsed is kept as text."""
    with serve(lambda seen: Answer(body=b"[" * 9999 + b"]" * 9999)) as web:
        Connection(**web.options).request("/x")
    assert len(record(file)["response"]["text"]) == 2 * 9999


def test_repeated_names(file: Path) -> None:
    """Of two members with one name neither shows its secret."""
    body = b'{"password": "hidden-1", "password": ""}'
    with serve(lambda seen: Answer(body=body, headers={"Content-Type": "application/json"})) as web:
        Connection(**web.options).request("/x", data=body, method="POST")
    assert "hidden-1" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["Basic", "Bearer", "token"])
def test_schemes(file: Path, web: Web, scheme: str) -> None:
    """Credentials keep the name of their scheme."""
    Connection(**web.options).request("/x", headers={"Authorization": f"{scheme} abc=="})
    assert f"""-H 'Authorization: {scheme} '"$POLYCLOUD_SECRET\"""" in command(file)


REQUESTS: dict[str, dict[str, Any]] = {
    "get": {"action": "/x"},
    "query": {"action": "/a b/ü/(1),$;!'*@=&+:~", "params": {"q": ODD, "z": "1", "a": ["2", "3"], "e": ""}},
    "query in the path": {"action": "/x?b=1&a=2&b=3&flag&c=%7E%20+"},
    "headers": {"action": "/x", "headers": {"X-Odd": ODD.encode("ascii", "replace").decode(), "X-Empty": ""}},
    "accept": {"action": "/x", "headers": {"Accept": "text/*", "Accept-Encoding": "identity"}},
    "head": {"action": "/x", "method": "HEAD"},
    "delete": {"action": "/x", "method": "DELETE"},
    "post without a body": {"action": "/x", "method": "POST"},
    "put without a body": {"action": "/x", "method": "PUT"},
    "json": {"action": "/x", "method": "POST", "json": {ODD: [1, 2.5, None, True], "t": "a\nb\tc\x1b"}},
    "spaced json": {"action": "/x", "method": "PUT", "data": '{"a" : 1.0,\n "b": 1e3, "c": "\\u00fc"}'},
    "form": {"action": "/x", "method": "POST", "data": {"name": ODD, "z": "1 2", "a": ["2", "3"]}},
    "text": {"action": "/x", "method": "POST", "data": f"@{ODD}\n#: {{\n\r\n\x7f\u2028 end\n"},
    "xml": {"action": "/x", "method": "POST", "data": "<a>&amp;\n</a>", "headers": {"content-type": "a/b"}},
    "binary": {"action": "/x", "method": "PUT", "data": bytes(range(256))},
    "nul": {"action": "/x", "method": "PUT", "data": b"a\0b"},
    "some KB": {"action": "/x", "method": "POST", "json": {"script": f"#!/bin/sh\n{ODD}\n" * 500}},
    "more than an argument holds": {"action": "/x", "method": "POST", "json": {"text": f"{ODD}\n" * 4000}},
    "delete with a body": {"action": "/x", "method": "DELETE", "json": {"tag": "t"}},
}  # fmt: skip


@needs_curl
@pytest.mark.parametrize("name", REQUESTS)
def test_commands_run(file: Path, web: Web, name: str) -> None:
    """A command sends, with its secret, the very request that was sent."""
    Cloud(KEY, **web.options).request(**REQUESTS[name])
    written = command(file)
    assert KEY not in written
    printed = run(written, KEY)
    own, curls = map(content_of, web.seen)
    assert curls == own
    assert "200 OK" in printed if own[0] == "HEAD" else json.loads(printed) == {"ok": True}


@needs_curl
def test_commands_with_secrets_everywhere(file: Path, web: Web) -> None:
    """A command puts the secret wherever it was: in path, query, headers and body."""
    places: dict[str, Any] = {"params": {"api_key": KEY, "x": f"a {KEY} b"}, "headers": {"X-Auth-Token": KEY}}
    body = {"password": KEY, "note": f"it is '{KEY}'\n"}
    Cloud(KEY, **web.options).request(f"/keys/{KEY}/x", method="POST", json=body, **places)
    written = command(file)
    assert KEY not in file.read_text(encoding="utf-8")
    run(written, KEY)
    own, curls = map(content_of, web.seen)
    assert curls == own


@needs_curl
def test_basic_commands(file: Path, web: Web) -> None:
    """For Basic credentials the secret is the encoded pair of user and password."""
    cloud = BasicCloud("user", KEY, **web.options)
    cloud.request("/x", method="POST", data={"name": "web"})
    run(command(file), cloud._basic())
    own, curls = map(content_of, web.seen)
    assert curls == own


@needs_curl
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8"), min_size=1), data=st.binary(min_size=1))
def test_any_body_survives_bash(file: Path, web: Web, text: str, data: bytes) -> None:
    """Whatever the body, and whatever a query holds, bash and curl send it as it was sent."""
    for body in (text, data):
        file.unlink(missing_ok=True)
        web.seen.clear()
        Connection(**web.options).request("/x", method="POST", data=body, params={"q": text})
        (_, written, _) = file.read_text(encoding="utf-8").removesuffix("\n\n").split("\n")
        run(written)
        own, curls = map(content_of, web.seen)
        assert curls == own
