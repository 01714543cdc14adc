from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polycloud.common.base import Connection, Response
from polycloud.compute.providers import get_driver
from polycloud.sandbox import Sandbox
from polycloud.testing import replay
from polycloud.testing.exchange import FixtureError
from polycloud.tracing.debugfile import RECORD
from support.web import Answer, serve

GENERATED = {
    "digitalocean": {"mark": "[0-9a-f]{12}"},
    "nephoscale": {"mark": "(?<=-)[0-9a-f]{12}"},
}
QUICK: dict[str, dict[str, Any]] = {
    "digitalocean": {"build": 0.05, "power": 0.02},
    "nephoscale": {"appear": 0.02, "build": 0.05, "power": 0.02},
}


class AnyResponse(Response):
    def success(self) -> bool:
        return True


class Accepting(Connection):
    responseCls = AnyResponse


EXCHANGE = {"request": {"method": "GET", "path": "/x"}, "response": {"status": 200, "body": {"a": 1}}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "debug.log"


def session(driver: Any) -> list[Any]:
    """Create, wait for and destroy a node; return what the driver returned."""
    size, image = driver.list_sizes()[0], driver.list_images()[0]
    location = driver.list_locations()[0]
    node = driver.create_node("web", size, image, location=location)
    [(running, addresses)] = driver.wait_until_running([node])
    driver.destroy_node(running)
    return [size.name, image.name, location.name, node.id, node.name, running.state, addresses]


@pytest.mark.parametrize("provider", ["digitalocean", "nephoscale"])
def test_a_create_is_replayed(provider: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls of a node's life can be replayed by a driver with other credentials and other names."""
    new: Any = get_driver(provider)
    with Sandbox(provider, ssh="off", **QUICK[provider]) as cloud, monkeypatch.context() as environment:
        environment.setenv("POLYCLOUD_DEBUG", str(file))
        with new(*cloud.credentials, **cloud.options) as driver:
            live = session(driver)
        credentials = tuple(f"other-{number}" for number, _ in enumerate(cloud.credentials))
    with replay(file, variables=GENERATED[provider], credentials=credentials) as again:
        with new(*again.credentials, **again.options) as driver:
            assert session(driver) == live


def test_generated_texts_need_variables(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `variables` a generated text matches nothing, and the end of the block names the nearest."""
    with serve(lambda seen: Answer(body={})) as web:
        monkeypatch.setenv("POLYCLOUD_DEBUG", str(file))
        Connection(**web.options).request("/x", params={"name": "web-1a"})
        monkeypatch.delenv("POLYCLOUD_DEBUG")
    with replay(file, variables={"name": "web-.."}) as cloud:
        Connection(**cloud.options).request("/x", params={"name": "web-2b"})
    with pytest.raises(
        AssertionError, match=r"matches no exchange in .*debug.log.*\n  debug.log:3: query.name"
    ):
        with replay(file) as cloud, pytest.raises(Exception, match="nearest"):
            Connection(**cloud.options).request("/x", params={"name": "web-2b"})


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, bytes(range(256)), {"Content-Type": "image/png"}),
        Answer(200, "ü\n\u2028\x85€".encode(), {"Content-Type": "text/plain; charset=utf-8"}),
        Answer(200, b'{"n": 1180591620717411303424, "f": 1.50}', {"Content-Type": "application/json"}),
        Answer(200, b'{"half a pair": "\\ud800"}', {"Content-Type": "application/json"}),
        Answer(200, b'<a b="c">d</a>', {"Content-Type": "text/xml", "X-Two": "a, b"}),
        Answer(204),
        Answer(404, {"message": "not found"}),
    ],
    ids=["binary", "text", "json", "odd json", "xml", "empty", "error"],
)  # fmt: skip
def test_responses_are_replayed(file: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    """A recorded response is replayed with its status, headers and body."""
    with serve(lambda seen: answer) as web, monkeypatch.context() as environment:
        environment.setenv("POLYCLOUD_DEBUG", str(file))
        first = Accepting(**web.options).request("/x", method="PUT", data=b"\xff\0")
    with replay(str(file)) as cloud:
        second = Accepting(**cloud.options).request("/x", method="PUT", data=b"\xff\0")
    assert second.status == first.status
    assert second.content == first.content or json.loads(second.content) == json.loads(first.content)
    for name in ("content-type", "x-two"):
        assert second.headers.get(name) == first.headers.get(name) or name not in first.headers


def test_polling_is_replayed(file: Path) -> None:
    """The responses to a repeated request are replayed in order, and then the last one repeatedly."""
    states = ["pending", "running"]
    records = [{**EXCHANGE, "response": {"status": 200, "body": state}} for state in states]
    file.write_text("".join(f"# a comment\n{RECORD}{json.dumps(record)}\n\n" for record in records))
    with replay(file) as cloud:
        connection = Connection(**cloud.options)
        assert [json.loads(connection.request("/x").body) for _ in range(3)] == [*states, "running"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", r":3:5: not JSON: "),
        (b'{"request": {}}', r":3:5: Object missing required field `method`"),
        (json.dumps({**EXCHANGE, "more": 1}).encode(), r":3:\d+: Object contains unknown field `more`"),
        (b"[" * 99999, r":3:1: cannot be read: "),
        (b"\xff", r":3:4: not UTF-8: "),
        (b"", r":3:4: not JSON: "),
    ],
)  # fmt: skip
def test_broken_lines(file: Path, line: bytes, problem: str) -> None:
    """An invalid line is refused, and the message names the file and the line."""
    good = RECORD + json.dumps(EXCHANGE)
    file.write_bytes(f"# a comment\n{good}\n{RECORD}".encode() + line + b"\n")
    with pytest.raises(FixtureError, match=f"^{file}{problem}"):
        replay(file)


def test_nothing_to_replay(file: Path) -> None:
    """A missing file, one without exchanges, and invalid variables are refused."""
    with pytest.raises(FileNotFoundError):
        replay(file)
    file.write_text("# a comment\n")
    with pytest.raises(FixtureError, match=f"^{file}:1: the file has no exchange"):
        replay(file)
    with pytest.raises(ValueError, match="invalid regular expression"):
        replay(file, variables={"a": "("})
