from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.storage.base import Container
from polycloud.storage.providers import get_driver
from support.fuzz import ODD_TEXTS, look_at, mutated, outcome, scrambled
from support.web import Answer, Seen, serve

CLOUDS = {"google_storage": "google_storage", "openstack_swift": "openstack", "s3": "s3"}
"""The sandbox of each driver."""
UNKEPT = {"connection", "content-length", "date", "server", "transfer-encoding"}
ODD = (
    *ODD_TEXTS,
    "9" * 5000,
    "9" * 400,
    "-1",
    "\xb2",
    "Sun, 99 Nov 9999 25:61:61 GMT",
    "bytes 0-5/2",
    "a=b,c",
)
Key = tuple[str, str]


class Stage:
    """A server that has a sandbox's responses, and a driver of it whose calls read."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.kept: dict[Key, Answer] = {}
        self.changed: dict[Key, Answer] = {}
        self.is_recording = True
        self.users: dict[Key, list[int]] = {}
        self.user = 0
        self.driver: Any = None

    def respond(self, seen: Seen) -> Answer:
        key = (seen.method, seen.target)
        if self.is_recording:
            self.kept[key] = self._forwarded(seen)
            self.users.setdefault(key, []).append(self.user)
        return self.changed.get(key) or self.kept.get(key) or Answer(404)

    def _forwarded(self, seen: Seen) -> Answer:
        there = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            headers = {name: text for name, text in seen.headers.items() if name.lower() not in UNKEPT}
            there.request(seen.method, seen.target, seen.body or None, headers)
            response = there.getresponse()
            kept = {name: text for name, text in response.getheaders() if name.lower() not in UNKEPT}
            if seen.method == "HEAD":
                kept["Content-Length"] = response.getheader("Content-Length", "0")
            return Answer(response.status, response.read(), kept)
        finally:
            there.close()

    def calls(self) -> list[Callable[[], Any]]:
        driver = self.driver
        box = Container("box", {}, driver)
        return [
            driver.list_containers,
            lambda: driver.get_container("box"),
            lambda: driver.list_container_objects(box),
            lambda: list(driver.iterate_folder(box)),
            lambda: driver.list_object_versions(box),
            lambda: driver.get_object("box", "dir/a"),
            lambda: b"".join(driver.get_object("box", "dir/a").as_stream()),
        ]


def moved(option: Any, old: int, new: int) -> Any:
    """An option of a driver with another port."""
    if isinstance(option, str):
        return option.replace(f":{old}", f":{new}")
    return new if option == old else option


@pytest.fixture(scope="module", params=sorted(CLOUDS))
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with Sandbox(CLOUDS[request.param]) as cloud:
        made = Stage(cloud.port)
        with serve(made.respond) as web:
            here = {name: moved(value, cloud.port, web.port) for name, value in cloud.options.items()}
            options = {**here, "retry": RetryPolicy(attempts=1), "timeout": 10}
            with get_driver(request.param)(*cloud.credentials, **options) as made.driver:
                box = made.driver.create_container("box")
                for name in ("a", "dir/a"):
                    box.upload_object_via_stream(b"hello", name, {"meta_data": {"owner": "me"}})
                made.kept.clear()
                made.users.clear()
                calls = made.calls()
                for made.user, call in enumerate(calls):
                    assert call()
                made.is_recording = False
                yield made


def changed_body(draw: Any, body: bytes) -> bytes:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if document is None or draw(st.booleans()):
        return bytes(draw(scrambled(body)))
    return bytes(draw(mutated(document)))


@given(st.data())
def test_changed_responses(stage: Stage, data: st.DataObject) -> None:
    """Whatever a store responds, its driver returns readable objects or raises an error of our tree."""
    key = data.draw(st.sampled_from(sorted(stage.kept)))
    kept = stage.kept[key]
    assert isinstance(kept.body, bytes)
    body = changed_body(data.draw, kept.body) if kept.body and data.draw(st.booleans()) else kept.body
    names = st.sampled_from(sorted({*kept.headers, "ETag", "Last-Modified"}))
    texts = st.sampled_from([text.encode("latin-1", "replace").decode("latin-1") for text in ODD])
    odd = data.draw(st.dictionaries(names, texts, max_size=2))
    odd = {name: text.replace("\0", "") for name, text in odd.items()}
    stage.changed = {key: Answer(kept.status, body, {**kept.headers, **odd})}
    for number in {*stage.users[key]}:
        outcome(lambda: look_at(stage.calls()[number]()))  # noqa: B023 - called at once
