from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from polycloud.common.base import ConnectionKey
from polycloud.common.operations import OperationsDriver
from polycloud.errors import PolycloudError
from polycloud.http.retry import RetryPolicy
from support.web import Answer, Seen, Web, serve

REFUSED = Answer(422, b"no")
OK = Answer(200, b"{}")
LOST = Answer(502, b"")
ONCE = RetryPolicy(attempts=1)


class Clouds(OperationsDriver):
    """A driver whose creates send what they are given."""

    connectionCls = ConnectionKey
    name = "Clouds"

    def ex_list_parks(self) -> list[str]:
        return []

    def ex_create_park(self, name: str, *steps: str) -> None:
        for step in steps:
            if step == "stop":
                raise KeyboardInterrupt
            method, _, path = step.partition(" ")
            self.connection.request(path, method=method)

    def ex_create_lake(self, *steps: str) -> None:
        self.ex_create_park("inner", *steps)

    def ex_rename_park(self, name: str, *steps: str) -> None:
        for step in steps:
            method, _, path = step.partition(" ")
            self.connection.request(path, method=method)


@pytest.fixture
def web() -> Iterator[Web]:
    answers = {"refused": REFUSED, "ok": OK, "lost": LOST}

    def respond(seen: Seen) -> Answer:
        return answers[seen.target.strip("/")]

    with serve(respond) as web:
        yield web


def notes(web: Web, call: Callable[[Any], Any]) -> list[str]:
    with Clouds(
        "key", host="127.0.0.1", port=web.port, secure=False, retry=RetryPolicy(attempts=1)
    ) as driver:
        with pytest.raises((PolycloudError, KeyboardInterrupt)) as caught:
            call(driver)
    return list(getattr(caught.value, "__notes__", ()))


@pytest.mark.parametrize(
    "steps",
    [
        ("POST /lost",),
        ("PUT /lost",),
        ("GET /ok", "POST /lost"),
        ("POST /ok", "GET /lost"),
        ("POST /ok", "POST /refused"),
        ("POST /ok", "stop"),
    ],
)
def test_what_may_exist_is_named(web: Web, steps: tuple[str, ...]) -> None:
    """The error of a create names what may exist, and where to look, once a change may be carried out."""
    note = (
        "the create of the park 'north' was sent; it may exist or appear: look for it with ex_list_parks() "
        "before another create"
    )
    assert notes(web, lambda driver: driver.ex_create_park("north", *steps)) == [note]


@pytest.mark.parametrize(
    "steps",
    [
        ("POST /refused",),
        ("GET /lost",),
        ("GET /refused",),
        ("stop",),
        ("GET /ok", "stop"),
        ("POST /ok", "DELETE /ok", "POST /refused"),
    ],
)
def test_nothing_is_named_that_cannot_exist(web: Web, steps: tuple[str, ...]) -> None:
    """The error of a create has no note if nothing was sent, all was refused, or what was made is deleted."""
    assert notes(web, lambda driver: driver.ex_create_park("north", *steps)) == []


def test_the_outer_create_names_it(web: Web) -> None:
    """A create within another one leaves the note to that, and other operations have none."""
    (note,) = notes(web, lambda driver: driver.ex_create_lake("POST /lost"))
    assert re.match(r"the create of the new lake was sent; .* look for it in the account", note)
    assert notes(web, lambda driver: driver.ex_rename_park("north", "POST /lost")) == []
