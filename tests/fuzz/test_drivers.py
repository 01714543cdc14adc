from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.compute.providers import get_driver
from polycloud.errors import PolycloudError
from polycloud.http.retry import RetryPolicy
from support.clouds import READERS, Answers, answers_of
from support.fuzz import look_at, mutated, outcome, scrambled
from support.web import Answer, Seen, serve

CREDENTIALS: dict[str, Any] = {"nephoscale": ("user", "password"), "digitalocean": ("token",)}
UNKNOWN = Answer(404, {"id": "not_found", "message": "no such page", "success": False, "response": 404})


class Stage:
    """A server that gives what a test puts on it, and a driver of it."""

    driver: Any

    def __init__(self, provider: Any) -> None:
        self.provider = provider
        self.answers: Answers = {}

    def respond(self, seen: Seen) -> Answer:
        body = self.answers.get(seen.target)
        return UNKNOWN if body is None else Answer(body=body)

    def read(self, name: str, changed: Answers) -> None:
        """Call a reader of the driver over the changed responses and read everything that it returns."""
        self.answers = answers_of(self.provider)[name] | changed
        outcome(lambda: look_at(READERS[self.provider][name](self.driver)))


@contextmanager
def stage(provider: Any) -> Iterator[Stage]:
    answers_of(provider)  # recorded now: what makes them must not run inside of a strategy
    made = Stage(provider)
    with serve(made.respond) as web:
        options: Any = {"timeout": 10, "retry": RetryPolicy(attempts=1), **web.options}
        with get_driver(provider)(*CREDENTIALS[provider], **options) as made.driver:
            yield made


@pytest.fixture(scope="module", params=sorted(READERS))
def on(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with stage(request.param) as made:
        yield made


def test_the_original_responses(on: Stage) -> None:
    """Every reading call returns something for the real responses, and all of it can be read."""
    for name, read in READERS[on.provider].items():
        on.answers = answers_of(on.provider)[name]
        found = read(on.driver)
        assert found
        look_at(found)


@st.composite
def changes(draw: st.DrawFn, provider: str, *, torn: bool) -> tuple[str, Answers]:
    name = draw(st.sampled_from(sorted(READERS[provider])))
    answers = answers_of(provider)[name]
    target = draw(st.sampled_from(sorted(answers)))
    body = answers[target]
    return name, {target: draw(scrambled(body) if torn else mutated(json.loads(body)))}


@pytest.mark.parametrize("torn", [False, True], ids=["mutated", "torn"])
@given(st.data())
def test_changed_responses(on: Stage, torn: bool, data: st.DataObject) -> None:
    """Whatever a response holds, a reading call returns readable objects or raises an error of our tree."""
    on.read(*data.draw(changes(on.provider, torn=torn)))


@given(st.data(), st.integers(900, 1000))
def test_nesting_near_the_limit(on: Stage, data: st.DataObject, depth: int) -> None:
    """A field that is nested as deeply as can just be parsed harms no reading call."""
    name = data.draw(st.sampled_from(sorted(READERS[on.provider])))
    deep = b'"deep":%s%s,"id":' % (b"[" * depth, b"]" * depth)
    answers = answers_of(on.provider)[name]
    on.read(name, {target: body.replace(b'"id":', deep, 1) for target, body in answers.items()})


ODD_FIELDS = {
    "a region that is a word": ("volumes", '"region":{', '"region":"null","r":{'),
    "an endless size of a volume": ("volumes", '"size_gigabytes":', '"size_gigabytes":"inf","s":'),
    "no size of a volume": ("volumes", '"size_gigabytes":', '"size_gigabytes":"nan","s":'),
    "a traffic that overflows": ("sizes", '"transfer":', '"transfer":1e308,"t":'),
    "a size that is no text": ("nodes", '"size":{', '"size":{"n":"\xff"},"s":{'),
    "a size with an odd number": ("nodes", '"size":{', '"size":{"n":1e400},"s":{'),
    "an event that is no text": ("events", '"status":', '"n":"\xff","status":'),
    "an account that is no text": ("account", '"status":', '"n":"\xff","status":'),
    "an address that is no text": ("addresses", '"locked":', '"n":1e400,"locked":'),
}


@pytest.mark.parametrize("what", ODD_FIELDS)
def test_odd_fields_of_digitalocean(what: str) -> None:
    """A field that can be skipped but not converted ends a call with an error of our tree at worst."""
    name, field, odd = ODD_FIELDS[what]
    with stage("digitalocean") as on:
        for target, body in answers_of("digitalocean")[name].items():
            changed = body.replace(field.encode(), odd.encode("latin-1"), 1)
            assert changed != body
            on.read(name, {target: changed})


def test_odd_data_of_nephoscale() -> None:
    """A payload that is not text, or holds an impossible number, is an error of our tree."""
    with stage("nephoscale") as on:
        for odd in (b'"\xff"', b"1e400", b'"\\x"'):
            body = b'{"success": true, "response": 200, "data": [{"id": %s}]}' % odd
            on.answers = dict.fromkeys(answers_of("nephoscale")["nodes"], body)
            assert isinstance(outcome(on.driver.list_nodes), PolycloudError)
