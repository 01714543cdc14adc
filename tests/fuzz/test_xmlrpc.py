from __future__ import annotations

import xmlrpc.client
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.common.xmlresponse import XMLRPCResponse
from polycloud.common.xmlrpc import XMLRPCConnection
from polycloud.errors import PolycloudError
from support.fuzz import answer, outcome, peak, scrambled
from support.web import Answer, serve

SAMPLES = (
    xmlrpc.client.dumps(({"a": [1, 2.5, True, "text", b"bytes"], "b": {}},), methodresponse=True).encode(),
    xmlrpc.client.dumps(xmlrpc.client.Fault(7, "no")).encode(),
    xmlrpc.client.dumps(
        (xmlrpc.client.DateTime("20240229T00:00:00"), None), "call", allow_none=True
    ).encode(),
)
TYPES = [
    *("int", "i4", "i8", "boolean", "double", "string", "base64", "dateTime.iso8601", "nil", "bigdecimal"),
    *("array", "data", "struct", "member", "name", "value", "params", "param", "fault", "methodName", "odd"),
]
TEXTS = ["", "1", "9" * 5000, "nan", "1e999", "-", "20240231T00:00:00", "YWJj", "=", "caf\u00e9", "\u0661"]


def values() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(TEXTS)

    def nest(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.builds(
            lambda name, parts: f"<{name}>{''.join(parts)}</{name}>",
            st.sampled_from(TYPES),
            st.lists(inner, max_size=3),
        )

    return nest(st.recursive(leaves, nest, max_leaves=6))


def bodies() -> st.SearchStrategy[bytes]:
    wrapped = st.builds(
        lambda start, value, end: f"<methodResponse>{start}{value}{end}</methodResponse>".encode(),
        st.sampled_from(["<params><param><value>", "<fault><value>", ""]),
        values(),
        st.sampled_from(["</value></param></params>", "</value></fault>", ""]),
    )
    return wrapped | scrambled(*SAMPLES)


@given(bodies(), st.sampled_from([200, 500]))
def test_response(body: bytes, status: int) -> None:
    """A response is a value, a fault with a message, or a `MalformedResponseError`."""
    response = answer(XMLRPCResponse, body, status=status)
    if outcome(response.success) is True:
        outcome(lambda: response.object)
    else:
        error = response.to_error()
        assert isinstance(error, PolycloudError)
        assert str(error).strip()


@pytest.mark.parametrize("tag", [b"<array><data><value>", b"<struct><member><value>", b"<value>"])
def test_nesting(tag: bytes) -> None:
    """Nesting without end takes memory in proportion to the body."""
    body = b"<methodResponse><params><param>" + tag * 10_000
    closed = body + b"".join(b"</" + name for name in reversed(tag.split(b"<")[1:])) * 10_000
    for data in (body, closed, closed + b"</param></params></methodResponse>"):
        response = answer(XMLRPCResponse, data)
        assert peak(lambda response=response: outcome(response.success)) < 100 * len(data)  # type: ignore[misc] # bound now


def arguments() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.binary(),
        st.dates(),
        st.complex_numbers(),
    )
    names = st.text() | st.integers()
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=5)


@given(arguments(), st.sampled_from(SAMPLES))
def test_call(value: Any, body: bytes) -> None:
    """A call gives a value or an error of our tree, whatever it is called with."""
    with serve(lambda _: Answer(body=body)) as web, closing(XMLRPCConnection(**web.options)) as connection:
        outcome(lambda: connection.call("method", value))


def test_endless_argument() -> None:
    """An argument that holds itself, or that is nested too deeply, is refused."""
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for argument in (endless, deep):
        assert isinstance(outcome(lambda: XMLRPCConnection().call("method", argument)), PolycloudError)  # noqa: B023
