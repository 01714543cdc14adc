"""The schemas of an OpenAPI document, as far as payloads need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

__all__ = ["Schema", "Schemas", "is_nullable", "kind_of"]

JSON = "application/json"
DEEPEST = 20
"""Further than anybody refers; what refers to itself has no end."""
SHAPING = ("$ref", "type", "properties", "items", "allOf", "oneOf", "anyOf")
"""What says more of a value than a description does."""
Schema = Mapping[str, Any]


class Schemas:
    """Looks schemas up in their document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def resolved(self, thing: Schema) -> Schema:
        """What a `$ref` within the document refers to; nothing for one to elsewhere."""
        for _ in range(DEEPEST):
            if not isinstance(thing.get("$ref"), str):
                return thing
            thing = self._looked_up(thing["$ref"])
        raise ValueError(f"a reference refers to itself: {thing}")

    def _looked_up(self, reference: str) -> Schema:
        if not reference.startswith("#/"):
            return {}
        found: Any = self._document
        for part in reference[2:].split("/"):
            found = found[unquote(part).replace("~1", "/").replace("~0", "~")]
        schema: Schema = found
        return schema

    def reference(self, schema: Schema, seen: frozenset[str] = frozenset()) -> str | None:
        """What a schema only refers to, by a `$ref` or as the one thing of an `allOf` or a `oneOf`."""
        told = schema.get("$ref")
        if isinstance(told, str):
            return told if told in seen else self.reference(self._looked_up(told), seen | {told}) or told
        parts = [one for name in ("allOf", "oneOf", "anyOf") for one in schema.get(name, ())]
        shaping = [one for one in parts if any(name in one for name in SHAPING) and not _is_null(one)]
        alone = len(shaping) == 1 and not schema.get("properties")
        return self.reference(shaping[0], seen) if alone else None

    def answer(self, operation: Mapping[str, Any]) -> Schema | None:
        """The schema of the JSON that an operation answers with where it succeeds."""
        answers = operation.get("responses", {})
        for status in sorted(map(str, answers)):
            answer = answers.get(status) or answers.get(int(status)) if status.startswith("2") else None
            content = self.resolved(answer).get("content", {}) if answer else {}
            found: Schema = next((content[kind] for kind in content if kind.startswith(JSON)), {})
            if found.get("schema"):
                schema: Schema = found["schema"]
                return schema
        return None

    def whole(self, schema: Schema, seen: frozenset[str] = frozenset()) -> Schema:
        """The schema with what it is put together from (`allOf`, and `oneOf` of one type) merged into it."""
        if schema.get("$ref") in seen:
            return {}
        seen |= {str(schema["$ref"])} if "$ref" in schema else set()
        schema = self.resolved(schema)
        parts = [self.whole(part, seen) for part in schema.get("allOf", ())]
        choices = [schema.get(name, ()) for name in ("oneOf", "anyOf")]
        parts += [_either([self.whole(part, seen) for part in some]) for some in choices]
        return _merged([*filter(None, parts), schema])


def _merged(parts: Sequence[Schema]) -> Schema:
    """What all parts say together; the last word is the last one's."""
    merged = {key: value for part in parts for key, value in part.items()}
    properties = {key: value for part in parts for key, value in (part.get("properties") or {}).items()}
    required = [key for part in parts for key in part.get("required") or ()]
    return {**merged, "properties": properties, "required": required} if properties else merged


def _either(choices: Sequence[Schema]) -> Schema:
    """What is said of a value that is one of several; nothing of one that may have several types."""
    shaping = [one for one in choices if one and not _is_null(one)]
    if len({kind_of(one) for one in shaping}) != 1:
        return {}
    nullable = {"nullable": True} if any(map(is_nullable, choices)) else {}
    names = dict.fromkeys(name for one in shaping for name in one.get("properties") or ())
    parts = {name: _any_of((one.get("properties") or {}).get(name) for one in shaping) for name in names}
    required = [name for name in names if all(name in (one.get("required") or ()) for one in shaping)]
    inside = {"properties": parts, "required": required} if parts else {}
    items = {"items": _any_of(one.get("items") for one in shaping)} if "items" in shaping[0] else {}
    return {**shaping[0], **inside, **items, **nullable}


def _any_of(schemas: Iterable[Schema | None]) -> Schema:
    told: list[Schema] = []
    told += [one for one in schemas if one is not None and one not in told]
    return told[0] if len(told) == 1 else {"anyOf": told}


def _is_null(schema: Schema) -> bool:
    return schema.get("type") == "null"


def is_nullable(schema: Schema) -> bool:
    """Whether null may stand in a value's place."""
    told = schema.get("type")
    return schema.get("nullable") is True or told == "null" or (isinstance(told, list) and "null" in told)


def kind_of(schema: Schema) -> str:
    """The JSON type of a schema; "" where it has none, or several."""
    told = schema.get("type")
    if isinstance(told, Sequence) and not isinstance(told, str):
        kinds = [one for one in told if one != "null"]
        return str(kinds[0]) if len(kinds) == 1 else ""
    if told is None:
        return "object" if schema.get("properties") else "array" if "items" in schema else ""
    return str(told)
