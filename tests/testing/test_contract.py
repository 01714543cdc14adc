from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from polycloud.errors import InvalidArgumentError
from polycloud.scaffold.openapi import Call
from polycloud.testing.contract import Contract

JSON = {"content-type": "application/json; charset=utf-8"}
TEXT = {"type": "string"}


def document(version: str = "3.0.3") -> dict[str, Any]:
    """A document with references, composed schemas and alternatives."""
    null = {"type": "string", "nullable": True} if version < "3.1" else {"type": ["string", "null"]}
    created = {"description": "Created.", "content": {"application/json": {"schema": ref("Server")}}}
    return {
        "openapi": version,
        "servers": [{"url": "https://acme.test/v1"}],
        "paths": {
            "/servers": {
                "get": {
                    "parameters": [
                        {"name": "page", "in": "query", "schema": {"type": "integer", "maximum": 9}},
                        {"name": "zone", "in": "query", "required": True, "schema": TEXT},
                    ],
                    "responses": {"2XX": {"description": "Listed."}},
                },
                "post": {
                    "requestBody": {"$ref": "#/components/requestBodies/Server"},
                    "responses": {"201": created, "default": {"description": "Refused."}},
                },
            },
            "/servers/new": {"post": {"responses": {"204": {"description": "Done."}}}},
            "/servers/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "delete": {
                    "responses": {
                        "204": {
                            "description": "Deleted.",
                            "headers": {"X-Left": {"required": True, "schema": {"type": "integer"}}},
                        }
                    }
                },
            },
        },
        "components": {
            "requestBodies": {
                "Server": {"required": True, "content": {"application/json": {"schema": ref("Order")}}}
            },
            "schemas": {
                "Order": {
                    "oneOf": [ref("Small"), ref("Large")],
                    "discriminator": {
                        "propertyName": "kind",
                        "mapping": {
                            "small": "#/components/schemas/Small",
                            "large": "#/components/schemas/Large",
                        },
                    },
                },
                "Small": {"properties": {"kind": TEXT, "note": null}, "required": ["kind"]},
                "Large": {"properties": {"kind": TEXT, "disks": {"type": "array", "items": ref("Disk")}}},
                "Disk": {"properties": {"gb": {"type": "integer"}}},
                "Server": {
                    "allOf": [{"properties": {"id": {"type": "integer"}}, "required": ["id"]}],
                    "properties": {
                        "note": null,
                        "labels": {"type": "object"},
                        "at": {"type": "string", "format": "date-time"},
                    },
                },
            },
        },
    }


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.fixture(params=["3.0.3", "3.1.0"])
def contract(request: pytest.FixtureRequest) -> Contract:
    return Contract(document(request.param))


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/servers?zone=a&page=2", None),
        ("GET", "/v1/servers?zone=7", None),
        ("POST", "/servers", {"kind": "small", "note": "x"}),
        ("POST", "/servers", {"kind": "large", "disks": [{"gb": 1}]}),
        ("POST", "/servers/new", None),
        ("DELETE", "/servers/7", None),
    ],
)
def test_requests_that_are_documented(contract: Contract, method: str, target: str, body: Any) -> None:
    """A request that is as documented has no problems, with the path of the server's URL or without it."""
    data = b"" if body is None else json.dumps(body).encode()
    assert contract.request_problems(method, target, JSON, data) == []


@pytest.mark.parametrize(
    ("method", "target", "body", "problem"),
    [
        ("GET", "/nothing", None, "GET /nothing is not documented"),
        ("PUT", "/servers/7", None, "PUT /servers/7 is not documented"),
        ("GET", "/servers", None, "the query parameter 'zone' is missing"),
        ("GET", "/servers?zone=a&page=10", None, "the parameter page=10: $ 10 is greater than"),
        ("GET", "/servers?zone=a&limit=1", None, "the query parameter 'limit' is not documented"),
        ("DELETE", "/servers/web", None, "the parameter id=web: $ 'web' is not of type 'integer'"),
        ("DELETE", "/servers/7", "{}", "a body is not documented"),
        ("POST", "/servers", None, "the body is missing"),
        ("POST", "/servers", "{", "the body is not JSON"),
        ("POST", "/servers", '{"kind": "small", "note": 7}', "$.note 7 is not"),
        ("POST", "/servers", '{"kind": "small", "note": null}', "$.note is null"),
        ("POST", "/servers", '{"kind": "small", "disks": []}', "$: the field 'disks' is not documented"),
        (
            "POST",
            "/servers",
            '{"kind": "large", "disks": [{"gb": 1}, {"size": 1}]}',
            "$.disks[1]: the field 'size' is not documented",
        ),
    ],
)
def test_requests_that_are_not(
    contract: Contract, method: str, target: str, body: str | None, problem: str
) -> None:
    """Whatever is not as documented is a problem, and so are unknown fields at any depth and nulls."""
    problems = contract.request_problems(method, target, JSON, (body or "").encode())
    assert problems
    assert any(problem in text for text in problems), problems


def test_content_type(contract: Contract) -> None:
    """A body must be sent as a documented type, whatever the case of the header's name."""
    body = b'{"kind": "small"}'
    for headers in ({"CONTENT-TYPE": "application/json"}, JSON):
        assert contract.request_problems("POST", "/servers", headers, body) == []
    for headers, kind in (({}, "None"), ({"Content-Type": "text/plain"}, "text/plain")):
        (problem,) = contract.request_problems("POST", "/servers", headers, body)
        assert problem == f"POST /servers: the body is sent as {kind}, not as application/json"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, '{"id": 1, "note": null, "labels": {"any": ["thing"]}, "at": "x"}'),
        (400, ""),
    ],
)
def test_responses_that_are_documented(contract: Contract, status: int, body: str) -> None:
    """A response that is as documented has no problems; nulls that the document allows are fine."""
    assert contract.response_problems("POST", "/servers", status, {}, body.encode()) == []


@pytest.mark.parametrize(
    ("call", "status", "body", "problem"),
    [
        ("POST /servers", 201, "{}", "(201): $ 'id' is a required property"),
        ("POST /servers", 201, '{"id": null}', "(201): $.id None is not of type 'integer'"),
        ("POST /servers", 201, '{"id": 1, "ids": 2}', "(201): $: the field 'ids' is not documented"),
        ("POST /servers", 201, "<html>", "(201): the body is not JSON"),
        ("POST /servers/new", 204, "x", "(204): a body is not documented"),
        ("POST /servers/new", 500, "", "the status 500 is not documented"),
        ("GET /servers", 300, "", "the status 300 is not documented"),
        ("GET /nothing", 200, "", "GET /nothing is not documented"),
        ("DELETE /servers/7", 204, "", "the header X-Left is missing"),
    ],
)
def test_responses_that_are_not(contract: Contract, call: str, status: int, body: str, problem: str) -> None:
    """A status, header, body or field that is not as documented is a problem."""
    method, path = call.split()
    found = contract.response_problems(method, path, status, {}, body.encode())
    assert any(problem in text for text in found), found


def test_headers_of_responses(contract: Contract) -> None:
    """A header of a response must have the documented type."""
    assert contract.response_problems("DELETE", "/servers/7", 204, {"x-left": "7"}, b"") == []
    (problem,) = contract.response_problems("DELETE", "/servers/7", 204, {"x-left": "many"}, b"")
    assert "X-Left=many: $ 'many' is not of type 'integer'" in problem


def test_undocumented_requests_may_be_refused(contract: Contract) -> None:
    """A 404 for a request that is not documented is not a problem."""
    assert contract.response_problems("GET", "/nothing", 404, {}, b"{}") == []


def test_formats() -> None:
    """A function for a format decides which strings have it."""
    contract = Contract(document(), formats={"date-time": lambda text: text.endswith("Z")})
    send = [
        contract.response_problems("POST", "/servers", 201, {}, body)
        for body in (
            b'{"id": 1, "at": "2026-01-01T00:00:00Z"}',
            b'{"id": 1, "at": "2026-01-01T00:00:00"}',
        )
    ]
    assert send[0] == []
    assert "is not a 'date-time'" in send[1][0]


def test_seen(contract: Contract) -> None:
    """`seen` has the calls of which a successful response was checked."""
    contract.response_problems("POST", "/servers", 400, {}, b"")
    contract.response_problems("DELETE", "/servers/7", 204, {}, b"")
    assert contract.seen == {Call("DELETE", "/servers/{id}")}


def test_load(tmp_path: Path) -> None:
    """`load` reads a file, and refuses one that is not an OpenAPI 3 document."""
    file = tmp_path / "acme.json"
    file.write_text(json.dumps(document()))
    assert Contract.load(file).request_problems("POST", "/servers/new", {}, b"") == []
    file.write_text('{"swagger": "2.0"}')
    with pytest.raises(InvalidArgumentError, match="is not an OpenAPI document of version 3"):
        Contract.load(str(file))


def test_without_jsonschema() -> None:
    """Without jsonschema the import says what to install."""
    program = "import sys; sys.modules['jsonschema'] = None\nimport polycloud.testing.contract"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "polycloud.testing.contract needs jsonschema: pip install jsonschema" in done.stderr
