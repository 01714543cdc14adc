"""The schemas of an OpenAPI document, as far as payloads need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

__all__ = ["Schemas"]

JSON = "application/json"
DEEPEST = 20
"""Further than anybody refers; what refers to itself has no end."""
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

    def answer(self, operation: Mapping[str, Any]) -> Schema | None:
        """The schema of the JSON that an operation answers with where it succeeds."""
        answers = operation.get("responses", {})
        for status in sorted(map(str, answers)):
            answer = answers.get(status) or answers.get(int(status)) if status.startswith("2") else None
            content = self.resolved(answer).get("content", {}) if answer else {}
            found: Schema = next((content[kind] for kind in content if kind.startswith(JSON)), {})
            if found.get("schema"):
                return self.whole(found["schema"])
        return None

    def whole(self, schema: Schema, depth: int = 0) -> Schema:
        """The schema with what it is put together from (`allOf`, and the objects of `oneOf`) merged."""
        schema = self.resolved(schema)
        if depth > DEEPEST:
            return {}
        parts = [self.whole(part, depth + 1) for part in schema.get("allOf", ())]
        either = [self.whole(part, depth + 1) for name in ("oneOf", "anyOf") for part in schema.get(name, ())]
        choices = [part for part in either if part.get("type") != "null"]
        if len({kind_of(part) for part in choices}) == 1:
            parts += choices
        if not parts:
            return schema
        properties: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for part in (*parts, schema):
            merged.update(part)
            properties.update(part.get("properties") or {})
        return {**merged, **({"properties": properties} if properties else {})}


def kind_of(schema: Schema) -> str:
    """The JSON type of a schema; "" where it has none, or several."""
    told = schema.get("type")
    if isinstance(told, Sequence) and not isinstance(told, str):
        kinds = [one for one in told if one != "null"]
        return str(kinds[0]) if len(kinds) == 1 else ""
    if told is None:
        return "object" if schema.get("properties") else "array" if "items" in schema else ""
    return str(told)
