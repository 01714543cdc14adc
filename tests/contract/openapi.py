"""Requests held against a provider's OpenAPI document (3.0)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from support.web import Seen

BESIDE = Path(__file__).parents[3] / "shared" / "specs"


def document(name: str) -> Document:
    """A provider's document; the test is skipped where it is not present (`POLYCLOUD_SPECS` says where)."""
    path = Path(os.environ.get("POLYCLOUD_SPECS", BESIDE)) / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not present")
    return Document(json.loads(path.read_text(encoding="utf-8")))


class Document:
    """Tells what is wrong with a request.

    Stricter than the document in two ways: a field or parameter that it does not name is a violation (most
    providers ignore those, so a slip of the pen would do nothing), and so is a null that it allows.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content
        self._root = Draft202012Validator(content, format_checker=FormatChecker())
        # a path without parameters goes before one with them
        self._paths = sorted(content["paths"], key=lambda path: path.count("{"))

    def violations(self, seen: Seen) -> list[str]:
        """What is wrong with the request, in words; nothing where it is as documented."""
        found = self._find(seen)
        if found is None:
            return [f"{seen.method} {seen.path} is not documented"]
        operation, parameters = found
        told = [f"{seen.method} {seen.path}: {problem}" for problem in parameters]
        return told + [f"{seen.method} {seen.path}: {text}" for text in self._body(operation, seen)]

    def _find(self, seen: Seen) -> tuple[dict[str, Any], list[str]] | None:
        for template in self._paths:
            names = re.findall(r"{(.+?)}", template)
            values = re.fullmatch(re.sub(r"{.+?}", "([^/]+)", template), seen.path)
            item = self._content["paths"][template]
            operation = item.get(seen.method.lower())
            if values and operation:
                given = dict(zip(names, map(unquote, values.groups()), strict=True))
                declared = [*item.get("parameters", ()), *operation.get("parameters", ())]
                return operation, list(self._parameters(declared, given, seen))
        return None

    def _parameters(self, declared: list[Any], path: Mapping[str, str], seen: Seen) -> Iterator[str]:
        known = {(each["in"], each["name"]): each for each in map(self._resolved, declared)}
        query = dict(parse_qsl(urlsplit(seen.target).query, keep_blank_values=True))
        for place, values in (("path", path), ("query", query)):
            for name, text in values.items():
                if (place, name) not in known:
                    yield f"the {place} parameter {name!r} is not documented"
                else:
                    yield from self._parameter(known[place, name], text)
        for (place, name), parameter in known.items():
            if parameter.get("required") and name not in {**path, **query}:
                yield f"the {place} parameter {name!r} is missing"

    def _parameter(self, parameter: dict[str, Any], text: str) -> Iterator[str]:
        """A parameter is a text, and whatever JSON its text is: one of them must be as documented."""
        values: list[Any] = [text]
        if re.fullmatch(r"-?\d+|true|false", text):
            values.append(json.loads(text))
        problems = [self._problems(parameter["schema"], value) for value in values]
        if all(problems):
            yield f"the parameter {parameter['name']}={text}: {problems[-1][0]}"

    def _body(self, operation: dict[str, Any], seen: Seen) -> Iterator[str]:
        declared = self._resolved(operation.get("requestBody", {}))
        if not seen.body:
            if declared.get("required"):
                yield "the body is missing"
            return
        if not declared:
            yield "a body is not documented"
            return
        if seen.headers.get("Content-Type") != "application/json":
            yield f"the body is sent as {seen.headers.get('Content-Type')}"
        body = json.loads(seen.body)
        schema = self._chosen(declared["content"]["application/json"]["schema"], body)
        yield from self._problems(schema, body)
        yield from (f"the field {name!r} is not documented" for name in body.keys() - self._fields(schema))

    def _problems(self, schema: Any, value: Any) -> list[str]:
        errors = self._root.evolve(schema=schema).iter_errors(value)
        return [f"{error.json_path} {error.message}" for error in errors]

    def _chosen(self, schema: Any, body: Any) -> Any:
        """The alternative that the discriminator chooses, where there is one."""
        schema = self._resolved(schema)
        told = schema.get("discriminator", {})
        target = told.get("mapping", {}).get(body.get(told.get("propertyName")))
        return {"$ref": target} if target else schema

    def _fields(self, schema: Any) -> set[str]:
        """Every field that a schema names, in whichever alternative."""
        schema = self._resolved(schema)
        parts = [part for kind in ("allOf", "anyOf", "oneOf") for part in schema.get(kind, ())]
        return set(schema.get("properties", ())).union(*map(self._fields, parts))

    def _resolved(self, part: Any) -> Any:
        while "$ref" in part:
            keys = part["$ref"].removeprefix("#/").split("/")
            part = self._content
            for key in keys:
                part = part[key.replace("~1", "/").replace("~0", "~")]
        return part
