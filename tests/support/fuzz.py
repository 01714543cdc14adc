"""Generates arbitrary input from outside, and checks the outcome of calls."""

from __future__ import annotations

import json
import pickle
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any, TypeVar

from hypothesis import strategies as st

from polycloud.common.base import Connection
from polycloud.common.response import Response
from polycloud.errors import PolycloudError
from polycloud.http.messages import RawResponse, Request
from polycloud.utils.headers import Headers

R = TypeVar("R", bound=Response)
_REQUEST = Request("GET", "http://fuzz/")

ODD_TEXTS = (
    *(
        "",
        " ",
        "\0",
        "\ud800",
        "\udcff",
        "\u0661\u0662",
        "\u00b2",
        "null",
        "nan",
        "inf",
        "-0",
        "1e308",
        "true",
    ),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2024-02-30", "2024-W01", "24:00"),
    *("999.1.1.1", "1.2.3.4.5", "10.0.0.01", "fe80::1%eth0", "::ffff:1.2.3.4", "::", "http://[", "//host"),
)
"""Texts in the form of something else: numbers, dates, addresses, links."""

ODD_NUMBERS = (0, -1, 2**31, 2**63, 2**64, 10**30, 10**400, 1e308, -1e308, 5e-324, float("nan"), float("inf"))

ODD_JSON = {
    "@digits@": b"9" * 5000,
    "@exponent@": b"1e400",
    "@fraction@": b"0." + b"3" * 5000,
    "@deep@": b"[" * 5000 + b"]" * 5000,
    "@deeper@": b'{"a":' * 970 + b"1" + b"}" * 970,
    "@latin@": b'"\xff\xfe"',
    "@half@": b'"\\ud800"',
    "@escape@": b'"\\x"',
    "@nothing@": b"",
    "@twice@": b'{"id":1,"id":[2]}',
}
"""JSON that no JSON writer writes, by the names that stand for it in a document until `encode`."""


def json_values() -> st.SearchStrategy[Any]:
    """Generate JSON values, and values that are almost JSON."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from([*ODD_TEXTS, *ODD_NUMBERS, *ODD_JSON]),
    )
    names = st.text(max_size=5) | st.sampled_from(["id", "message", "error", "errors", "data", "success"])
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    )


def encode(document: Any) -> bytes:
    """Return the document as JSON, with odd JSON in place of its names."""
    text = json.dumps(document).encode()
    for name, odd in ODD_JSON.items():
        text = text.replace(json.dumps(name).encode(), odd)
    return text


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> bytes:
    """Generate the JSON document with up to three parts dropped, replaced, wrapped or doubled."""
    root = [deepcopy(document)]
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(root))
        container, key = places[draw(st.integers(0, len(places) - 1))]
        _mutate(draw, container, key)
        root = root or [None]
    return encode(root[0])


def _places(container: Any) -> Iterator[tuple[Any, Any]]:
    members = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in members:
        yield container, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _mutate(draw: st.DrawFn, container: Any, key: Any) -> None:
    how = draw(st.sampled_from(["drop", "replace", "odd", "wrap", "text"]))
    if how == "drop":
        del container[key]
    elif how == "replace":
        container[key] = draw(json_values())
    elif how == "odd":
        container[key] = draw(st.sampled_from([None, *ODD_TEXTS, *ODD_NUMBERS, *ODD_JSON]))
    elif how == "wrap":
        container[key] = draw(st.sampled_from([[container[key]] * 2, {"id": container[key]}]))
    else:
        container[key] = json.dumps(container[key])


@st.composite
def scrambled(draw: st.DrawFn, *originals: bytes) -> bytes:
    """Generate one of the originals with up to four spans of bytes cut, doubled or overwritten."""
    data = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        span = data[start : start + draw(st.integers(0, 12))]
        put = draw(st.sampled_from([b"", span * 2]) | st.binary(max_size=6))
        data = data[:start] + put + data[start + len(span) :]
    return data


def answer(
    kind: type[R],
    body: bytes,
    headers: Mapping[str, str] | None = None,
    status: int = 200,
    connection: Connection | None = None,
) -> R:
    """Return a response as a connection makes it."""
    raw = RawResponse(status, "", Headers((headers or {}).items()), body)
    return kind(raw, connection or Connection(), _REQUEST)


def outcome(call: Callable[[], Any], *further: type[Exception]) -> Any:
    """Return the result of the call, or the error of our tree that it raises; let other errors pass."""
    expected: tuple[type[Exception], ...] = (PolycloudError, *further)
    try:
        return call()
    except expected as error:
        return _checked(error)


def _checked(error: Exception) -> Exception:
    """Return the error, if it has a text and a repr."""
    assert str(error)
    assert repr(error)
    return error


def look_at(thing: Any) -> None:
    """Read everything of a driver's result: attributes, `extra` and `repr`; and pickle it."""
    for part in thing if isinstance(thing, list) else [thing]:
        assert repr(part)
        assert isinstance(getattr(part, "extra", {}), dict)
        assert getattr(part, "uuid", "uuid")
        with suppress(RecursionError):  # pickle's own, for values nested as deeply as the parser allows
            pickle.loads(pickle.dumps(part))


def peak(call: Callable[[], Any]) -> int:
    """Return the maximum number of bytes allocated during the call."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
