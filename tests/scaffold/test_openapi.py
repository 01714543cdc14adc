from __future__ import annotations

from typing import Any

import pytest

from polycloud.scaffold.openapi import Call, Document

ID = {"name": "id", "in": "path"}
PAGE = {"name": "page", "in": "query"}


def document(paths: dict[str, Any] | None = None, **content: Any) -> Document:
    return Document({"openapi": "3.1.0", "paths": paths or {}, **content})


def test_operations_have_the_parameters_of_their_path() -> None:
    """An operation has the parameters of its path and its own, and what a path refers to is followed."""
    item = {
        "parameters": [ID],
        "get": {"parameters": [PAGE], "summary": "s"},
        "summary": "a path",
        "delete": {},
    }
    found = document({"/a/{id}": {"$ref": "#/items/a"}}, items={"a": item})
    assert found.operations == {
        Call("GET", "/a/{id}"): {"summary": "s", "parameters": [ID, PAGE]},
        Call("DELETE", "/a/{id}"): {"parameters": [ID]},
    }
    assert str(next(iter(found.operations))) == "GET /a/{id}"


@pytest.mark.parametrize(
    ("method", "path", "call", "values"),
    [
        ("GET", "/a/7", "GET /a/{id}", {"id": "7"}),
        ("GET", "/a/new", "GET /a/new", {}),
        ("PUT", "/a/new", "PUT /a/{id}", {"id": "new"}),
        ("GET", "/a/b%2Fc", "GET /a/{id}", {"id": "b/c"}),
        ("GET", "/a/7/b.json/8", "GET /a/{id}/b.json/{other}", {"id": "7", "other": "8"}),
        ("GET", "/v1/a/7", "GET /a/{id}", {"id": "7"}),
        ("GET", "/lab/a/new", "GET /a/new", {}),
    ],
)
def test_the_call_of_a_request(method: str, path: str, call: str, values: dict[str, str]) -> None:
    """A request is matched to its call, a path without parameters first, below the path of any server."""
    servers = [
        {"url": "https://acme.test/v1/"},
        {"url": "https://acme.test/{zone}", "variables": {"zone": {"default": "lab"}}},
    ]
    paths: dict[str, Any] = {
        "/a/{id}": {"get": {}, "put": {}},
        "/a/new": {"get": {}},
        "/a/{id}/b.json/{other}": {"get": {}},
    }
    found = document(paths, servers=servers).find(method, path)
    assert found is not None
    assert (str(found[0]), found[1]) == (call, values)


@pytest.mark.parametrize(
    "target", ["GET /a", "GET /a/", "GET /a/7/8", "POST /a/7", "GET /a/7/bxjson/8", "GET /v2/a/7"]
)
def test_requests_without_a_call(target: str) -> None:
    """A request that no call has exactly is undocumented."""
    paths: dict[str, Any] = {"/a/{id}": {"get": {}}, "/a/{id}/b.json/{other}": {"get": {}}}
    method, path = target.split()
    assert document(paths, servers=[{"url": "https://acme.test/v1"}]).find(method, path) is None


def test_references() -> None:
    """References are followed through names and escapes; one that leads out of the document is empty."""
    found = document(
        parts={"a/b": {"$ref": "#/parts/c~d"}, "c~d": {"$ref": "#/parts/e%20f"}, "e f": {"x": 1}}
    )
    assert found.resolve({"$ref": "#/parts/a~1b"}) == {"x": 1}
    assert found.resolve({"$ref": "other.json#/a"}) == {}
    assert found.resolve({"y": 2}) == {"y": 2}
    with pytest.raises(ValueError, match="refers to itself"):
        document(parts={"a": {"$ref": "#/parts/a"}}).resolve({"$ref": "#/parts/a"})
    with pytest.raises(KeyError):
        found.resolve({"$ref": "#/parts/nothing"})


def test_the_response_for_a_status() -> None:
    """A status has its own response, else that of its range, else the default, else none."""
    all_of_them: dict[Any, Any] = {"default": {"is": "default"}, "4XX": {"is": "range"}, 404: {"is": "own"}}
    found = document()
    statuses = [404, 409, 500]
    assert [found.response({"responses": all_of_them}, status) for status in statuses] == [
        {"is": "own"},
        {"is": "range"},
        {"is": "default"},
    ]
    assert found.response({"responses": {"200": {}}}, 201) is None


def test_the_schema_of_success() -> None:
    """The schema of success is that of the lowest status 2xx with JSON, a range included."""

    def json(title: str) -> dict[str, Any]:
        kinds = {"text/plain": "text", "application/json; charset=utf-8": title}
        return {"content": {kind: {"schema": {"title": schema}} for kind, schema in kinds.items()}}

    found = document(responses={"ref": json("referred")})
    cases: list[tuple[dict[Any, Any], str]] = [
        ({"400": json("no"), "202": json("second"), "201": json("first")}, "first"),
        ({"200": {}, "204": {"content": {}}, "2XX": json("range")}, "range"),
        ({200: {"$ref": "#/responses/ref"}}, "referred"),
    ]
    for responses, title in cases:
        assert found.success({"responses": responses}) == {"title": title}
    assert found.success({"responses": {"default": json("no")}}) is None


def test_parts_of_a_schema() -> None:
    """The parts of a schema are itself and all that it is composed of, each once in a ring."""
    found = document(
        a={"allOf": [{"$ref": "#/b"}, {"x": 1}]}, b={"oneOf": [{"$ref": "#/a"}], "anyOf": [{"y": 2}]}
    )
    parts = list(found.parts({"$ref": "#/a"}))
    assert parts == [found.content["a"], found.content["b"], {"y": 2}, {"x": 1}]


def test_the_reference_of_a_schema() -> None:
    """A schema that only refers to another is that reference: by a `$ref`, or as its only shaping part."""
    found = document(a={"$ref": "#/b"}, b={"type": "object"})
    b, null, text = {"$ref": "#/b"}, {"type": "null"}, {"type": "string"}
    schemas: list[dict[str, Any]] = [
        {"$ref": "#/a"},
        {"allOf": [b, {"description": "d"}]},
        {"oneOf": [b, null]},
        text,
        {"allOf": [b], "properties": {"x": text}},
        {"oneOf": [b, text]},
    ]
    assert list(map(found.reference, schemas)) == ["#/b", "#/b", "#/b", None, None, None]
