"""Types and merging of single schemas, whose references have been followed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["JOINTS", "Schema", "is_nullable", "is_shaping", "kind_of", "merge", "one_of"]

Schema = Mapping[str, Any]
JOINTS = ("allOf", "oneOf", "anyOf")
"""The keywords that compose a schema of others."""
SHAPING = ("$ref", "type", "properties", "items", *JOINTS)
"""The keywords that constrain a value, as a description does not."""


def kind_of(schema: Schema) -> str:
    """The JSON type of a schema; "" for no type, or several."""
    declared = schema.get("type")
    if isinstance(declared, Sequence) and not isinstance(declared, str):
        kinds = [kind for kind in declared if kind != "null"]
        return str(kinds[0]) if len(kinds) == 1 else ""
    if declared is None:
        return "object" if schema.get("properties") else "array" if "items" in schema else ""
    return str(declared)


def is_nullable(schema: Schema) -> bool:
    """Whether the schema allows null."""
    declared = schema.get("type")
    listed = isinstance(declared, list) and "null" in declared
    return schema.get("nullable") is True or declared == "null" or listed


def is_shaping(schema: Schema) -> bool:
    """Whether the schema constrains a value to more than null."""
    return schema.get("type") != "null" and any(name in schema for name in SHAPING)


def merge(parts: Sequence[Schema]) -> Schema:
    """The schema that requires all parts; a later part overrides an earlier one."""
    merged = {key: value for part in parts for key, value in part.items()}
    properties = {key: value for part in parts for key, value in (part.get("properties") or {}).items()}
    required = [key for part in parts for key in part.get("required") or ()]
    return {**merged, "properties": properties, "required": required} if properties else merged


def one_of(choices: Sequence[Schema]) -> Schema:
    """A schema for what one of several allows; empty if they are of several types."""
    shaping = [choice for choice in choices if choice and choice.get("type") != "null"]
    if len({kind_of(choice) for choice in shaping}) != 1:
        return {}
    nullable = {"nullable": True} if any(map(is_nullable, choices)) else {}
    names = dict.fromkeys(name for choice in shaping for name in choice.get("properties") or ())
    fields = {name: _any_of((one.get("properties") or {}).get(name) for one in shaping) for name in names}
    required = [name for name in names if all(name in (one.get("required") or ()) for one in shaping)]
    inside = {"properties": fields, "required": required} if fields else {}
    items = {"items": _any_of(one.get("items") for one in shaping)} if "items" in shaping[0] else {}
    return {**shaping[0], **inside, **items, **nullable}


def _any_of(schemas: Iterable[Schema | None]) -> Schema:
    choices: list[Schema] = []
    for schema in schemas:
        if schema is not None and schema not in choices:
            choices.append(schema)
    return choices[0] if len(choices) == 1 else {"anyOf": choices}
