from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.common.digitalocean import DigitalOceanConnection, DigitalOceanResponse
from polycloud.common.pagination import Page, path_and_query
from polycloud.common.payload import Item, identity, value_of
from polycloud.compute.drivers.nephoscale import NephoscaleResponse
from polycloud.errors import MalformedResponseError, PolycloudError
from polycloud.http.retry import RetryPolicy
from support.fuzz import ODD_TEXTS, answer, encode, json_values, mutated, outcome, peak
from support.web import Answer, Seen, serve

CONNECTION = DigitalOceanConnection("token")
LIST: dict[str, Any] = {
    "things": [{"id": 1}, {"id": 2}],
    "links": {"pages": {"last": "https://api/v2/things?page=3", "next": "https://api/v2/things?page=2"}},
    "meta": {"total": 6},
}
ENVELOPE: dict[str, Any] = {
    "success": True,
    "response": 200,
    "message": "ok",
    "data": [{"id": 1, "name": "a"}],
}
LINKS = st.sampled_from(
    [*ODD_TEXTS, "/a?page=0", "?page=-5", "?page=" + "9" * 5000, "?page=\u0663", "?page=1_0"]
)


class Thing(msgspec.Struct):
    id: int
    name: str | None = None


def told(body: bytes, status: int = 200) -> DigitalOceanResponse:
    return answer(DigitalOceanResponse, body, status=status, connection=CONNECTION)


@given(mutated(LIST) | json_values().map(encode), st.integers(1, 3))
def test_page(body: bytes, here: int) -> None:
    """A page is items and counts, or a `MalformedResponseError`."""
    page = outcome(lambda: told(body).page("things", Thing, identity, here))
    assert isinstance(page, Page | MalformedResponseError)
    assert isinstance(page, MalformedResponseError) or all(
        isinstance(item.value, Thing) for item in page.items
    )


@given(LINKS | st.text(), LINKS | st.text(), st.integers())
def test_links(last: str, following: str, total: int) -> None:
    """Whatever links and total say, a list has a number of pages that can be fetched."""
    body = encode(
        {"things": [], "links": {"pages": {"last": last, "next": following}}, "meta": {"total": total}}
    )
    page = outcome(lambda: told(body).page("things", Thing, identity, 1))
    assert isinstance(page, MalformedResponseError) or 1 <= page.pages <= 10_000


@given(mutated({"thing": {"id": 1, "name": "a"}}))
def test_member(body: bytes) -> None:
    """An object under its name is decoded, or is a `MalformedResponseError`."""
    assert isinstance(outcome(lambda: told(body).member("thing", Thing)), Item | MalformedResponseError)


@given(st.sampled_from([403, 409, 422, 429, 500]), mutated({"id": "no", "message": "the name is too long"}))
def test_refusal(status: int, body: bytes) -> None:
    """Whatever the body of a refusal is, there is an error of our tree for it."""
    assert isinstance(told(body, status).to_error(), PolycloudError)


@pytest.mark.parametrize(
    "word", ["exceed", "name ", "image ", "limit of ", "reached the ", "\n", "exceed your "]
)
def test_long_message(word: str) -> None:
    """A long message takes no time out of proportion to its length."""
    start = time.process_time()
    told(encode({"message": word * 100_000}), 422).to_error()
    assert time.process_time() - start < 5


@given(st.lists(mutated(LIST), min_size=1, max_size=4))
def test_list_all(bodies: list[bytes]) -> None:
    """A list ends, or ends with an error of our tree, whatever its pages say."""

    def respond(seen: Seen) -> Answer:
        number = int(seen.query["page"][0])
        return Answer(body=bodies[number - 1]) if number <= len(bodies) else Answer(404)

    with serve(respond) as web:
        options: Any = {**web.options, "retry": RetryPolicy(attempts=1)}
        with closing(DigitalOceanConnection("token", **options)) as connection:
            outcome(lambda: connection.list_all("/things", "things", Thing, value_of))
            outcome(lambda: list(connection.iterate("/things", "things", Thing, value_of)))


@given(mutated(ENVELOPE) | json_values().map(encode), st.sampled_from([200, 201, 204, 400, 500]))
def test_envelope(body: bytes, status: int) -> None:
    """An envelope gives its payload, or an error of our tree."""
    wrapped = answer(NephoscaleResponse, body, status=status)
    if outcome(wrapped.success) is True:
        outcome(lambda: wrapped.data(list[Thing]))
        outcome(lambda: wrapped.items(Thing))
    assert isinstance(wrapped.to_error(), PolycloudError)


@pytest.mark.parametrize("data", [b"[" * 500_000, b"[]," * 300_000, b'{"a":' * 200_000])
def test_envelope_bombs(data: bytes) -> None:
    """A payload without end takes memory in proportion to its length."""
    wrapped = answer(NephoscaleResponse, b'{"success": true, "data": %s}' % data)
    assert peak(lambda: outcome(wrapped.success)) < 20 * len(data)


@given(LINKS | st.text())
def test_path_and_query(link: str) -> None:
    """Any link becomes a path and a query, or a `MalformedResponseError`."""
    followed = outcome(lambda: path_and_query(link))
    assert isinstance(followed, str | MalformedResponseError)
