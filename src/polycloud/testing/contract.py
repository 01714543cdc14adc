"""Check requests and responses against a provider's OpenAPI document (3.0 or 3.1).

    from polycloud.testing.contract import Contract

    contract = Contract.load("acme.json")

    class CheckedCloud(FakeCloud):
        def answer(self, request):
            problems.extend(
                contract.request_problems(request.method, request.target, request.headers, request.body)
            )
            return super().answer(request)

It needs jsonschema (`pip install jsonschema`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from polycloud.scaffold.openapi import Call, Document, json_schema
from polycloud.scaffold.schemas import Schema

try:
    from jsonschema import Draft4Validator, Draft202012Validator, FormatChecker
except ModuleNotFoundError as missing:
    raise ImportError(
        f"polycloud.testing.contract needs {missing.name}: pip install jsonschema", name=missing.name
    ) from None

__all__ = ["Contract"]

REFUSALS = frozenset({401, 403, 404, 405, 429})
"""Statuses that a provider may return for a request that is not documented."""


class Contract:
    """Reports what is wrong with a request or a response, one line for each problem.

    It is stricter than the document in two ways: a parameter or field that the document does not name is a
    problem, since most providers ignore a misspelt one; and so is a null in a request, even where the
    document allows it, since many providers refuse it.

    Args:
        content: The document, as parsed JSON.
        formats: Functions that return whether a string has a format of JSON Schema, such as "date-time"; they
            replace those of jsonschema.
    """

    def __init__(
        self, content: Mapping[str, Any], *, formats: Mapping[str, Callable[[str], bool]] | None = None
    ) -> None:
        is_draft4 = str(content["openapi"]).startswith("3.0")
        self._document = Document(_with_null(content) if is_draft4 else content)
        checker = FormatChecker()
        for name, check in (formats or {}).items():
            checker.checks(name, raises=ValueError)(_of_strings(check))
        draft = Draft4Validator if is_draft4 else Draft202012Validator
        self._root = draft(self._document.content, format_checker=checker)
        self.seen: set[Call] = set()
        """The calls of which a successful response was checked; compare it with what the driver uses."""

    @classmethod
    def load(
        cls, file: str | Path, *, formats: Mapping[str, Callable[[str], bool]] | None = None
    ) -> Contract:
        """Read the document from a JSON file, or a YAML file if PyYAML is installed.

        Raises `InvalidArgumentError` for a file that is not an OpenAPI 3 document.
        """
        return cls(Document.load(Path(file)).content, formats=formats)

    def request_problems(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> list[str]:
        """Check a request.

        Args:
            method: The method, in capitals.
            target: Path and query as sent, percent-encoded.
            headers: The headers; only Content-Type is checked.
            body: The body; empty if there is none.
        """
        path, _, query = target.partition("?")
        found = self._document.find(method, path)
        if found is None:
            return [f"{method} {path} is not documented"]
        call, values = found
        operation = self._document.operations[call]
        problems = [*self._parameters(operation, values, dict(parse_qsl(query, keep_blank_values=True)))]
        problems += self._request_body(operation, headers, body)
        return [f"{method} {path}: {problem}" for problem in problems]

    def response_problems(
        self, method: str, target: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> list[str]:
        """Check the response to a request: its status, its headers, and the JSON of its body.

        The error for an undocumented request may be any.
        """
        path = target.partition("?")[0]
        found = self._document.find(method, path)
        if found is None:
            return [] if status in REFUSALS else [f"{method} {path} is not documented"]
        call, _ = found
        if status < HTTPStatus.BAD_REQUEST:
            self.seen.add(call)
        response = self._document.response(self._document.operations[call], status)
        if response is None:
            return [f"{method} {path}: the status {status} is not documented"]
        problems = [*self._headers(response, headers), *self._response_body(response, body)]
        return [f"{method} {path} ({status}): {problem}" for problem in problems]

    # Requests

    def _parameters(
        self, operation: Mapping[str, Any], path: Mapping[str, str], query: Mapping[str, str]
    ) -> Iterator[str]:
        declared = {(one["in"], one["name"]): one for one in self._document.parameters(operation)}
        sent = {"path": path, "query": query}
        for place, values in sent.items():
            for name, text in values.items():
                if (place, name) in declared:
                    yield from self._parameter(declared[place, name], text)
                else:
                    yield f"the {place} parameter {name!r} is not documented"
        for (place, name), parameter in declared.items():
            if parameter.get("required") and place in sent and name not in sent[place]:
                yield f"the {place} parameter {name!r} is missing"

    def _parameter(self, parameter: Mapping[str, Any], text: str) -> Iterator[str]:
        """Check the text of a parameter, and the JSON value that it may stand for: one must be valid."""
        values: list[Any] = [text]
        if re.fullmatch(r"-?\d+|true|false", text):
            values.append(json.loads(text))
        problems = [self._invalid(parameter["schema"], value) for value in values]
        if all(problems):
            yield f"the parameter {parameter['name']}={text}: {problems[-1][0]}"

    def _request_body(
        self, operation: Mapping[str, Any], headers: Mapping[str, str], body: bytes
    ) -> Iterator[str]:
        declared = self._document.request_body(operation)
        if not body:
            if declared.get("required"):
                yield "the body is missing"
            return
        if not declared:
            yield "a body is not documented"
            return
        kind = _content_type(headers)
        if kind not in declared["content"]:
            yield f"the body is sent as {kind}, not as {' or '.join(declared['content'])}"
        schema = json_schema(declared)
        if schema is not None:
            yield from self._json(schema, body, is_request=True)

    def _alternative(self, schema: Schema, value: Any) -> Schema:
        """The alternative that the discriminator of a schema selects, if it has one."""
        schema = self._document.resolve(schema)
        discriminator = schema.get("discriminator", {})
        name = value.get(discriminator.get("propertyName")) if isinstance(value, dict) else None
        target = discriminator.get("mapping", {}).get(name)
        return {"$ref": target} if target else schema

    # Responses

    def _headers(self, response: Mapping[str, Any], headers: Mapping[str, str]) -> Iterator[str]:
        sent = {name.lower(): value for name, value in headers.items()}
        for name, reference in response.get("headers", {}).items():
            header = self._document.resolve(reference)
            if name.lower() in sent:
                yield from self._parameter({"name": name, **header}, sent[name.lower()])
            elif header.get("required"):
                yield f"the header {name} is missing"

    def _response_body(self, response: Mapping[str, Any], body: bytes) -> Iterator[str]:
        schema = json_schema(response)
        if "content" not in response and body:
            yield "a body is not documented"
        elif schema is not None:
            yield from self._json(schema, body)

    # Values

    def _json(self, schema: Schema, body: bytes, *, is_request: bool = False) -> Iterator[str]:
        try:
            value = json.loads(body)
        except ValueError as error:
            yield f"the body is not JSON: {error}"
            return
        if is_request:
            schema = self._alternative(schema, value)
            yield from _nulls(value)
        yield from self._invalid(schema, value)
        yield from self._undocumented(schema, value, "$")

    def _invalid(self, schema: Schema, value: Any) -> list[str]:
        errors = self._root.evolve(schema=schema).iter_errors(value)
        return [f"{error.json_path} {error.message}" for error in errors]

    def _undocumented(self, schema: Schema, value: Any, place: str) -> Iterator[str]:
        """The fields, at any depth, that the schema does not name; a schema without fields allows any."""
        parts = [*self._document.parts(schema)]
        if isinstance(value, list):
            items = {"anyOf": [part["items"] for part in parts if "items" in part]}
            for at, item in enumerate(value):
                yield from self._undocumented(items, item, f"{place}[{at}]")
        elif isinstance(value, dict):
            fields: dict[str, list[Schema]] = {}
            for part in parts:
                for name, field in part.get("properties", {}).items():
                    fields.setdefault(name, []).append(field)
            for name in value if fields else ():
                if name in fields:
                    inner = {"anyOf": fields[name]}
                    yield from self._undocumented(inner, value[name], f"{place}.{name}")
                else:
                    yield f"{place}: the field {name!r} is not documented"


def _content_type(headers: Mapping[str, str]) -> str | None:
    sent = {name.lower(): value for name, value in headers.items()}
    kind = sent.get("content-type")
    return None if kind is None else kind.partition(";")[0].strip().lower()


def _nulls(value: Any, place: str = "$") -> Iterator[str]:
    if value is None:
        yield f"{place} is null"
    elif isinstance(value, dict):
        for name, field in value.items():
            yield from _nulls(field, f"{place}.{name}")
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _nulls(item, f"{place}[{at}]")


def _with_null(node: Any) -> Any:
    """Rewrite `nullable`, which only OpenAPI 3.0 has, as JSON Schema expresses it."""
    if isinstance(node, list):
        return [_with_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {name: _with_null(value) for name, value in node.items()}
    return {"anyOf": [made, {"type": "null"}]} if node.get("nullable") is True else made


def _of_strings(check: Callable[[str], bool]) -> Callable[[object], bool]:
    """A format says nothing about values that are not strings."""
    return lambda value: not isinstance(value, str) or check(value)
