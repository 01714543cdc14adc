from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.common.payload import LazyExtra
from polycloud.common.response import JsonResponse, Response
from polycloud.errors import MalformedResponseError, PolycloudError
from support.fuzz import answer, encode, json_values, outcome, peak, scrambled

SAMPLES = (
    b'{"message": "no", "errors": [{"detail": "because"}], "n": [1, 2.5e3, null, true]}',
    b'{"id": 7, "name": "caf\xc3\xa9 \\ud83d\\ude00", "inner": {"id": 8}, "tags": ["a"]}',
    b"<html>busy</html>",
)


class Thing(msgspec.Struct):
    id: int
    name: str | None = None
    inner: Thing | None = None
    tags: list[str] | None = None
    rest: msgspec.Raw = msgspec.Raw()


def bodies() -> st.SearchStrategy[bytes]:
    return json_values().map(encode) | scrambled(*SAMPLES) | st.binary(max_size=50)


@given(bodies())
def test_body(body: bytes) -> None:
    """A body is parsed, or is a `MalformedResponseError`."""
    parsed = outcome(lambda: answer(JsonResponse, body).object)
    assert isinstance(parsed, MalformedResponseError | dict | list | str | float | int | None)


@given(bodies(), st.sampled_from([Thing, list[Thing], dict[str, Any], int, float, str, bool, msgspec.Raw]))
def test_decode(body: bytes, type_: Any) -> None:
    """A body is a value of the type that it is decoded as, or a `MalformedResponseError`."""
    decoded = outcome(lambda: answer(JsonResponse, body).decode(type_))
    assert isinstance(decoded, MalformedResponseError | getattr(type_, "__origin__", type_))


@given(bodies(), st.integers(100, 599), st.sampled_from([Response, JsonResponse]))
def test_error(body: bytes, status: int, kind: type[Response]) -> None:
    """Whatever the body of a refusal is, there is an error of our tree with a message for it."""
    refusal = answer(kind, body, status=status)
    outcome(refusal.success)
    error = refusal.to_error()
    assert isinstance(error, PolycloudError)
    assert str(error).strip()


@given(json_values())
def test_lazy_extra(value: Any) -> None:
    """An `extra` whose bytes are not what its driver expects is a `MalformedResponseError`."""

    def build(raw: bytes) -> dict[str, Any]:
        decoded = msgspec.json.decode(raw)
        return {
            "region": decoded["region"].get("slug"),
            "first": decoded["tags"][0] + "!",
            "id": int(decoded["id"]),
        }

    assert isinstance(outcome(LazyExtra(encode(value), build)), dict | MalformedResponseError)


@pytest.mark.parametrize("body", [b"[" * 1_000_000, b'{"a":' * 200_000, b"9" * 1_000_000, b"[[]," * 250_000])
def test_bombs(body: bytes) -> None:
    """Nesting and figures without end take memory in proportion to the body."""
    refusal = answer(JsonResponse, body, status=400)
    assert peak(lambda: outcome(lambda: refusal.object)) < 20 * len(body)
    assert peak(refusal.to_error) < 20 * len(body)


@pytest.mark.parametrize("depth", range(880, 1010, 3))
def test_nesting_near_the_limit(depth: int) -> None:
    """A message that is nested as deeply as can just be parsed becomes an error of our tree."""
    body = b"[" * depth + b'{"message": "no"}' + b"]" * depth
    assert isinstance(answer(JsonResponse, body, status=400).to_error(), PolycloudError)
