"""Structs for the answers of an API, as Python text.

Only that is required without which no object can be built: providers leave out, and send null.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

from polycloud.cli.scaffold.api import Call
from polycloud.cli.scaffold.matching import singular
from polycloud.cli.scaffold.schemas import Schemas, kind_of
from polycloud.common.types import printable

__all__ = ["payloads"]

LISTS = ("list_nodes", "list_sizes", "list_images", "list_locations", "list_key_pairs", "list_volumes")
CREATES = ("create_node", "import_key_pair_from_string", "create_volume")
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
ANY, ANY_OBJECT = "Any", "dict[str, Any]"
IDS = ("id", "uuid", "slug", "identifier", "name")
"""What a thing is known by, the likelier first."""
ENVELOPES = ("data", "items", "results")
DEEPEST = 4
SHOWN = 90
UNKEPT = frozenset('"\\')
"""Signs that no name of a Struct's field may have."""
TAKEN = frozenset({*dir(builtins), *keyword.kwlist, "Any", "Struct", "annotations", "field"})
"""Names that a field or a Struct would hide."""

Schema = Mapping[str, Any]
Fields = tuple[tuple[str, str, str], ...]
"""For each field its name in Python, its name in JSON, and its type."""


def payloads(
    calls: Mapping[str, Sequence[Call]], operations: Mapping[Call, Mapping[str, Any]], schemas: Schemas
) -> str:
    """The Structs of what the likeliest calls answer with; nothing where no call is known."""
    structs = _Structs(schemas)
    for name in (*LISTS, *CREATES):
        for call in calls.get(name, ())[:1]:
            answer = schemas.answer(operations[call])
            if answer is not None:
                structs.add(call, answer, created=name in CREATES)
    return structs.text()


class _Structs:
    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._texts: dict[str, str] = {}
        self._things: dict[str, str] = {}
        self._known: dict[tuple[str | None, Fields], str] = {}

    def text(self) -> str:
        return "\n\n".join(self._texts.values())

    def add(self, call: Call, answer: Schema, *, created: bool) -> None:
        """The Structs of one call: of the thing, and of the envelope that it comes in."""
        segment = call.path.rstrip("/").rpartition("/")[2]
        name = _class_name(singular(segment))
        told = f"What `{call}` answers with."
        if kind_of(answer) == "array":
            self._object(name, answer.get("items", {}), f"One of the list that `{call}` answers with.")
            return
        inner, is_list = self._inner(answer, segment, created=created)
        if inner is None:
            self._object(name, answer, told)
            return
        schema = answer["properties"][inner]
        schema = self._schemas.whole(schema).get("items", {}) if is_list else schema
        thing = self._object(name, schema, f"One of `{inner}` of `{call}`." if is_list else told)
        known = {inner: f"list[{thing}]" if is_list else thing}
        self._struct(f"{name}Created" if created else f"{name}List", answer, told, known, required=inner)

    def _inner(self, answer: Schema, segment: str, *, created: bool) -> tuple[str | None, bool]:
        """Where in an envelope the things are, or the thing is, and whether it is a list."""
        inside = {key: self._schemas.whole(value) for key, value in (answer.get("properties") or {}).items()}
        if not created:
            lists = [
                key
                for key, value in inside.items()
                if kind_of(value) == "array" and self._is_object(value.get("items", {}))
            ]
            return _likeliest(lists, (segment, segment.replace("-", "_"), *ENVELOPES)), True
        if any(key.lower() in IDS for key in inside):
            return None, False
        objects = [key for key, value in inside.items() if self._is_object(value)]
        named = [key for key in objects if singular(key) == singular(segment)]
        return (named or objects or [None])[0], False

    def _is_object(self, schema: Schema) -> bool:
        return bool(self._schemas.whole(schema).get("properties"))

    def _object(self, name: str, schema: Schema, told: str) -> str:
        """The type of a thing that is known by an id; creates answer with what lists do."""
        if name in self._things:
            return self._things[name]
        schema = self._schemas.whole(schema)
        if not schema.get("properties"):
            return ANY_OBJECT
        keys = {key.lower(): key for key in schema["properties"]}
        required = next((keys[one] for one in IDS if one in keys), None)
        self._things[name] = self._struct(name, schema, told, {}, required=required)
        return self._things[name]

    def _struct(
        self,
        name: str,
        schema: Schema,
        told: str,
        known: Mapping[str, str],
        *,
        required: str | None = None,
        depth: int = 0,
    ) -> str:
        """The name of the Struct for an object, which is written unless the like of it is."""
        fields = tuple(
            (_field_name(key), key, known.get(key) or self._type(name + _class_name(key), value, depth))
            for key, value in schema["properties"].items()
            if key.isprintable() and not set(key) & UNKEPT
        )
        if (required, fields) in self._known:
            return self._known[required, fields]
        name = self._known[required, fields] = self._free(name)
        doc = _sentence(schema.get("description")) or told
        lines = [f"class {name}(Struct):", f'    """{doc}"""', ""]
        ordered = sorted(_once(fields), key=lambda one: one[1] != required)  # what is required stands first
        lines += [_line(*one, required=one[1] == required) for one in ordered]
        self._texts[name] = "\n".join(lines) + "\n"
        return name

    def _type(self, name: str, schema: Schema, depth: int) -> str:
        schema = self._schemas.whole(schema)
        kind = kind_of(schema)
        if kind == "array":
            return f"list[{self._type(_one(name), schema.get('items', {}), depth)}]"
        if kind == "object":
            if not schema.get("properties") or depth >= DEEPEST:
                return ANY_OBJECT
            return self._struct(name, schema, "Part of an answer.", {}, depth=depth + 1)
        return PLAIN.get(kind, ANY)

    def _free(self, name: str) -> str:
        number, free = 2, name
        while free in self._texts or free in TAKEN:
            free, number = f"{name}{number}", number + 1
        return free


def _likeliest(keys: Sequence[str], wanted: Sequence[str]) -> str | None:
    return next((key for key in wanted if key in keys), keys[0] if keys else None)


def _once(fields: Fields) -> Fields:
    """The fields, the first of each Python name."""
    return tuple({name: (name, key, type_) for name, key, type_ in reversed(fields)}.values())[::-1]


def _line(name: str, key: str, type_: str, *, required: bool) -> str:
    type_ = type_ if required or type_ == ANY else f"{type_} | None"
    if name == key:
        return f"    {name}: {type_}" + ("" if required else " = None")
    default = "" if required else "default=None, "
    return f'    {name}: {type_} = field({default}name="{key}")'


def _field_name(key: str) -> str:
    parted = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    name = re.sub(r"\W", "_", parted, flags=re.ASCII).lstrip("_") or "field_"
    name = f"n{name}" if name[0].isdigit() else name
    return (
        f"{name}_" if name in TAKEN and name not in {"id", "hash", "type", "min", "max", "format"} else name
    )


def _one(name: str) -> str:
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def _class_name(key: str) -> str:
    words = re.findall("[A-Za-z0-9]+", key)
    name = "".join(word[0].upper() + word[1:] for word in words) or "Part"
    return f"N{name}" if name[0].isdigit() else name


def _sentence(text: object) -> str:
    """The first sentence of a description, as text of a docstring."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[\\\"*`<>]|__[\w-]+__ *", r"\1", " ".join(str(text or "").split()))
    sentence = printable(plain).partition(". ")[0].strip().rstrip(".")
    return f"{sentence}." if 0 < len(sentence) <= SHOWN and sentence.isascii() else ""
