"""Values that a schema allows: as in its own examples, else the simplest."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from polycloud.scaffold.openapi import Document
from polycloud.scaffold.schemas import Schema, is_nullable, kind_of

__all__ = ["example"]

DEEPEST = 5
SCALARS = {"string": str, "integer": int, "number": float, "boolean": bool}
FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "ipv4": "203.0.113.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000001",
}
JOINTS = ("oneOf", "anyOf")


def example(schema: Schema, document: Document, depth: int = 0) -> Any:
    """Return a value for `schema`, with every field of its objects."""
    merged = _chosen(schema, document)
    kind = kind_of(merged)
    given = next((value for value in _given(merged) if _fits(value, kind)), None)
    if given is not None:
        return given
    if merged.get("properties"):
        return _object(merged, document, depth)
    if kind == "array":
        items = example(merged.get("items", {}), document, depth + 1) if depth < DEEPEST else None
        return [] if items is None else [items]
    return None if not kind or is_nullable(merged) else _simplest(merged, kind)


def _chosen(schema: Schema, document: Document) -> Schema:
    """The merged schema, with the first of its alternatives."""
    schema = document.resolve(schema)
    choices = [[one for one in schema.get(joint, ()) if one.get("type") != "null"] for joint in JOINTS]
    parts = [*schema.get("allOf", ()), *(some[0] for some in choices if some)]
    return document.merged({**schema, **dict.fromkeys(JOINTS, ()), "allOf": parts})


def _object(merged: Schema, document: Document, depth: int) -> dict[str, Any]:
    """Return the fields; only those without parts in an object that is nested too deep."""
    fields = {key: document.merged(value) for key, value in merged["properties"].items()}
    shallow = {key for key, value in fields.items() if kind_of(value) in SCALARS}
    kept = fields.keys() if depth < DEEPEST else shallow
    return {
        key: example(merged["properties"][key], document, depth + 1)
        for key in fields
        if key in kept and not fields[key].get("writeOnly")
    }


def _given(merged: Schema) -> Iterator[Any]:
    """Yield the values that the schema has: those of scalars, and lists of them."""
    several = merged.get("examples")
    yield merged.get("example")
    yield from several if isinstance(several, list) else ()
    yield merged.get("default")
    yield merged.get("const")
    yield from merged.get("enum") or ()


def _fits(value: Any, kind: str) -> bool:
    if kind == "array":
        return isinstance(value, list) and all(type(one) in {str, int} for one in value) and bool(value)
    if kind == "number":
        return type(value) in {int, float} and isfinite(value)
    return kind in SCALARS and type(value) is SCALARS[kind]


def _simplest(merged: Schema, kind: str) -> Any:
    if kind == "string":
        return FORMATS.get(str(merged.get("format")), "text")
    least = merged.get("minimum")
    number = least if _fits(least, kind) else 1
    return {"integer": number, "number": number, "boolean": False}.get(kind, {})
