"""The reader of OpenAPI 3 documents.

Nearly every part of a document may be a reference to another (`{"$ref": "#/components/schemas/Server"}`), and
a schema may be composed of others (`allOf`, `oneOf`, `anyOf`). `Document` follows both, so its users see
plain operations and plain schemas: `discovery` finds in them what a new driver needs, and
`polycloud.testing.contract` checks requests and responses against them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from math import inf
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from polycloud.errors import InvalidArgumentError, printable
from polycloud.scaffold.schemas import JOINTS, Schema, is_shaping, merge, one_of

__all__ = ["Call", "Document", "Operations", "json_schema"]

JSON = "application/json"
METHODS = ("get", "head", "post", "put", "patch", "delete")
DEEPEST = 20
"""References in a row; a document that has more refers to itself."""
MOST = 100_000
"""Schemas read from a document that was loaded; real ones have some hundreds.

Schemas that each refer twice to the next double at every step.
"""
PARAMETER = re.compile(r"{([^{}]+)}")


@dataclass(frozen=True, slots=True)
class Call:
    """A method and a path, whose parameters are in braces: `GET /servers/{id}`."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


Operations = Mapping[Call, Mapping[str, Any]]
"""The operations of a document by call; their `parameters` include those of the path."""


class Document:
    """An OpenAPI 3 document; `content` is its JSON, of which at most `limit` schemas are read."""

    def __init__(self, content: Mapping[str, Any], limit: float = inf) -> None:
        self.content = content
        self._left = limit

    @classmethod
    def load(cls, file: Path) -> Document:
        """Read a document from a JSON file, or a YAML file if PyYAML is installed.

        Raises `InvalidArgumentError` for a file that is not an OpenAPI 3 document.
        """
        content = _parse(file)
        version = str(content.get("openapi", "")) if isinstance(content, dict) else ""
        if not version.startswith("3.") or not isinstance(content.get("paths"), dict):
            raise InvalidArgumentError(f"{file} is not an OpenAPI document of version 3")
        return cls(content, MOST)

    @property
    def servers(self) -> list[str]:
        """The URLs of the servers, with the default values of their variables."""
        return [_url(server) for server in self.content.get("servers") or ()]

    # Operations

    @cached_property
    def operations(self) -> Operations:
        """Every operation, in the order of the document."""
        found = {}
        for path, item in self.content["paths"].items():
            methods = self.resolve(item)
            for method in METHODS:
                if method in methods:
                    operation = methods[method]
                    parameters = [*methods.get("parameters", ()), *operation.get("parameters", ())]
                    found[Call(method.upper(), path)] = {**operation, "parameters": parameters}
        return found

    def find(self, method: str, path: str) -> tuple[Call, dict[str, str]] | None:
        """The call that a request makes, with the values of its path parameters; None if undocumented.

        The path of a server's URL may precede the path. A path without parameters goes before one with them.
        """
        bases = {"", *(urlsplit(url).path.rstrip("/") for url in self.servers)}
        paths = [path.removeprefix(base) for base in bases if path.startswith(base)]
        for pattern, call in self._patterns:
            for values in map(pattern.fullmatch, paths if call.method == method else ()):
                if values:
                    names = PARAMETER.findall(call.path)
                    return call, dict(zip(names, map(unquote, values.groups()), strict=True))
        return None

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], Call]]:
        calls = sorted(self.operations, key=lambda call: call.path.count("{"))
        return [(_pattern(call.path), call) for call in calls]

    def parameters(self, operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The parameters of an operation."""
        return [self.resolve(parameter) for parameter in operation["parameters"]]

    def request_body(self, operation: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body that an operation takes; empty if it takes none."""
        return self.resolve(operation.get("requestBody", {}))

    def response(self, operation: Mapping[str, Any], status: int) -> Mapping[str, Any] | None:
        """The response of an operation for a status: its own, else that of its range, else the default."""
        responses = _responses(operation)
        keys = (str(status), f"{status // 100}XX", "DEFAULT")
        found = next((responses[key] for key in keys if key in responses), None)
        return None if found is None else self.resolve(found)

    def success(self, operation: Mapping[str, Any]) -> Schema | None:
        """The schema of the JSON that an operation returns when it succeeds."""
        responses = sorted(_responses(operation).items(), key=itemgetter(0))
        schemas = (json_schema(self.resolve(value)) for status, value in responses if status.startswith("2"))
        return next(filter(None, schemas), None)

    # Schemas

    def resolve(self, part: Schema) -> Schema:
        """What a `$ref` refers to; empty for one that leads out of the document."""
        for _ in range(DEEPEST):
            if not isinstance(part.get("$ref"), str):
                return part
            part = self._look_up(part["$ref"])
        raise ValueError(f"a reference refers to itself: {part}")

    def _look_up(self, reference: str) -> Schema:
        if not reference.startswith("#/"):
            return {}
        found: Any = self.content
        for key in reference[2:].split("/"):
            found = found[unquote(key).replace("~1", "/").replace("~0", "~")]
        schema: Schema = found
        return schema

    def reference(self, schema: Schema, seen: frozenset[str] = frozenset()) -> str | None:
        """The reference that a schema consists of: a `$ref`, or the only part of an `allOf` or a `oneOf`."""
        target = schema.get("$ref")
        if isinstance(target, str):
            return (
                target if target in seen else self.reference(self._look_up(target), seen | {target}) or target
            )
        parts = [part for joint in JOINTS for part in schema.get(joint, ()) if is_shaping(part)]
        alone = len(parts) == 1 and not schema.get("properties")
        return self.reference(parts[0], seen) if alone else None

    def merged(self, schema: Schema, seen: frozenset[str] = frozenset()) -> Schema:
        """The schema with all its parts merged into it: those of `allOf`, and of a `oneOf` of one type."""
        self._count()
        if schema.get("$ref") in seen:
            return {}
        seen |= {str(schema["$ref"])} if "$ref" in schema else set()
        schema = self.resolve(schema)
        parts = [self.merged(part, seen) for part in schema.get("allOf", ())]
        choices = [schema.get(joint, ()) for joint in ("oneOf", "anyOf")]
        parts += [one_of([self.merged(part, seen) for part in some]) for some in choices]
        return merge([*filter(None, parts), schema])

    def parts(self, schema: Schema, seen: frozenset[str] = frozenset()) -> Iterator[Schema]:
        """The schema and every schema that it is composed of, alternatives included."""
        self._count()
        if schema.get("$ref") in seen:
            return
        seen |= {str(schema["$ref"])} if "$ref" in schema else set()
        schema = self.resolve(schema)
        yield schema
        for joint in JOINTS:
            for part in schema.get(joint, ()):
                yield from self.parts(part, seen)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError("its schemas refer to each other too often")


def _responses(operation: Mapping[str, Any]) -> dict[str, Schema]:
    """The responses by status, range or "DEFAULT"; in YAML a status may be a number."""
    return {str(key).upper(): value for key, value in operation.get("responses", {}).items()}


def json_schema(holder: Mapping[str, Any]) -> Schema | None:
    """The schema of a request body's or a response's JSON; None if it has no JSON."""
    content = holder.get("content", {})
    media: Mapping[str, Any] = next((content[kind] for kind in content if kind.startswith(JSON)), {})
    schema: Schema | None = media.get("schema")
    return schema


def _pattern(path: str) -> re.Pattern[str]:
    parts = PARAMETER.split(path)
    texts = ("([^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
    return re.compile("".join(texts))


def _url(server: Mapping[str, Any]) -> str:
    url = str(server.get("url", ""))
    for name, variable in (server.get("variables") or {}).items():
        url = url.replace(f"{{{name}}}", str(variable["default"]))
    return url


def _parse(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{file} cannot be read: {error}") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if file.suffix not in {".yaml", ".yml"}:
            raise InvalidArgumentError(f"{file} is not JSON: {error}") from error
    return _parse_yaml(file, text)


def _parse_yaml(file: Path, text: str) -> Any:
    try:
        yaml: Any = import_module("yaml")
    except ModuleNotFoundError:
        raise InvalidArgumentError(f"{file}: to read YAML, install PyYAML; or convert it to JSON") from None
    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"{file} is not YAML: {printable(str(error))}") from error
