"""Structs for the answers of an API, as Python text.

Only that is required without which no object can be built, and by which lists are told apart: providers
leave out, and send null.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Iterable, Mapping

from polycloud.cli.scaffold.answers import Answer
from polycloud.cli.scaffold.api import Call
from polycloud.cli.scaffold.matching import singular
from polycloud.cli.scaffold.schemas import Schema, Schemas, kind_of
from polycloud.errors import printable

__all__ = ["payloads"]

PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
ANY, ANY_OBJECT = "Any", "dict[str, Any]"
COMPONENTS = "#/components/schemas/"
DEEPEST = 4
SHOWN = 90
UNKEPT = frozenset('"\\')
"""Signs that no name of a Struct's field may have."""
TAKEN = frozenset({*dir(builtins), *keyword.kwlist, "Any", "Struct", "annotations", "field"})
"""Names that a field or a Struct would hide."""

Field = tuple[str, str, str]
"""Its name in Python, its name in JSON, and its type."""
PART = "Part of an answer."
NONE: frozenset[str] = frozenset()


def payloads(answers: Collection[Answer], schemas: Schemas) -> tuple[str, dict[Call, str]]:
    """The Structs of the answers, as text; and the type of each call's answer, where there is one."""
    structs = _Structs(answers, schemas)
    types = {answer.call: structs.type_of(answer) for answer in answers}
    return structs.text(), {call: type_ for call, type_ in types.items() if type_ not in {ANY, ANY_OBJECT}}


class _Structs:
    def __init__(self, answers: Collection[Answer], schemas: Schemas) -> None:
        self._schemas = schemas
        self._texts: dict[str, str] = {}
        self._known: dict[object, str] = {}
        self._types: dict[str, str] = {}  # of what is referred to
        self._told: dict[str, Answer] = {}  # what is referred to as the thing of an answer
        self._inline: dict[str, Answer] = {}  # the things that nothing refers to, by their types
        for answer in answers:
            self._told.setdefault(schemas.reference(answer.schema) or "", answer)

    def text(self) -> str:
        return "\n\n".join(self._texts.values())

    def type_of(self, answer: Answer) -> str:
        """The type of an answer, whose Structs are written: of the thing, and of its envelope."""
        thing = self._like(answer) or self._thing(answer)
        inside = f"list[{thing}]" if answer.is_list else thing
        if answer.key is None:
            return inside
        alone = len(answer.whole["properties"]) == 1 and thing in self._texts and answer.ending == "Answer"
        name = f"{thing if alone else _class_name(singular(answer.place))}{answer.ending}"
        told = f"What `{answer.call}` answers with."
        return self._struct(name, answer.whole, told, frozenset({answer.key}), known={answer.key: inside})

    def _like(self, answer: Answer) -> str | None:
        """The type of what is written out once more, be it with less in it."""
        if self._schemas.reference(answer.schema) is not None:
            return None
        keys, known = answer.kinds.keys(), self._inline.items()
        named = [(type_, one) for type_, one in known if one.name == answer.name]
        less = [type_ for type_, one in named if one.required <= keys <= one.kinds.keys()]
        same = [type_ for type_, one in known if one.kinds == answer.kinds and not answer.is_list]
        return next(iter(less + same), None)

    def _thing(self, answer: Answer) -> str:
        name = _class_name(answer.name)
        if answer.key is None and not answer.is_list and name in self._texts:
            name += answer.ending
        if not answer.thing.get("properties"):
            return self._type(name, answer.schema, 0)
        type_ = self._object(name, answer.schema, _told(answer), answer.required)
        if self._schemas.reference(answer.schema) is None and type_ in self._texts:
            self._inline[type_] = answer
        return type_

    def _object(
        self, name: str, schema: Schema, told: str, required: frozenset[str] = NONE, depth: int = 0
    ) -> str:
        reference = self._schemas.reference(schema)
        if reference is not None:
            return self._component(reference, name)
        schema = self._schemas.whole(schema)
        if not schema.get("properties") or depth >= DEEPEST:
            return ANY_OBJECT
        return self._struct(name, schema, told, required, depth)

    def _component(self, reference: str, name: str) -> str:
        """The type of what has a name in the document: one, wherever it is referred to."""
        if reference in self._types:
            return self._types[reference]
        self._types[reference] = ANY_OBJECT  # for where it refers to itself
        schema, answer = self._schemas.whole({"$ref": reference}), self._told.get(reference)
        name = _component_name(reference) or name
        if answer and answer.is_list:
            name = _class_name(answer.name)
        if schema.get("properties"):
            told, required = (_told(answer), answer.required) if answer else (PART, NONE)
            self._types[reference] = self._struct(name, schema, told, required)
        return self._types[reference]

    def _struct(
        self,
        name: str,
        schema: Schema,
        told: str,
        required: frozenset[str],
        depth: int = 0,
        *,
        known: Mapping[str, str] | None = None,
    ) -> str:
        """The name of the Struct for an object, which is written unless the like of it is."""
        types = known or {}
        fields = tuple(
            (_field_name(key), key, types.get(key) or self._type(name + _class_name(key), value, depth))
            for key, value in schema["properties"].items()
            if key.isprintable() and not set(key) & UNKEPT
        )
        like = (name if required else None, required, fields)
        if like in self._known:
            return self._known[like]
        name = self._known[like] = self._free(name)
        doc = _sentence(schema.get("description")) or told
        lines = [f"class {name}(Struct):", f'    """{doc}"""', ""]
        ordered = sorted(_once(fields), key=lambda one: one[1] not in required)  # the required stand first
        lines += [_line(*one, required=one[1] in required) for one in ordered]
        self._texts[name] = "\n".join(lines) + "\n"
        return name

    def _type(self, name: str, schema: Schema, depth: int) -> str:
        whole = self._schemas.whole(schema)
        kind = kind_of(whole)
        if kind == "array":
            items = whole.get("items", {})
            depth += kind_of(self._schemas.whole(items)) == "array"
            return f"list[{self._type(_one(name), items, depth) if depth < DEEPEST else ANY}]"
        if kind == "object":
            return self._object(name, schema, PART, depth=depth + 1)
        return PLAIN.get(kind, ANY)

    def _free(self, name: str) -> str:
        number, free = 2, name
        while free in self._texts or free in TAKEN:
            free, number = f"{name}{number}", number + 1
        return free


def _told(answer: Answer) -> str:
    where = f"`{answer.key}`" if answer.key else "the list"
    if answer.is_list:
        return f"One of {where} of `{answer.call}`."
    return f"The {where} of `{answer.call}`." if answer.key else f"What `{answer.call}` answers with."


# Python text


def _once(fields: Iterable[Field]) -> list[Field]:
    """The fields, the first of each Python name."""
    return list({name: (name, key, type_) for name, key, type_ in reversed([*fields])}.values())[::-1]


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


def _component_name(reference: str) -> str:
    """`Server` for `#/components/schemas/v1.Server`; "" for what is not among the schemas."""
    named = reference.startswith(COMPONENTS)
    return _class_name(reference.rpartition("/")[2].rpartition(".")[2]) if named else ""


def _class_name(key: str) -> str:
    words = re.findall("[A-Za-z0-9]+", key)
    name = "".join(word[0].upper() + word[1:] for word in words) or "Part"
    return f"N{name}" if name[0].isdigit() else name


def _sentence(text: object) -> str:
    """The first sentence of a description, as text of a docstring."""
    plain = re.sub(r"<[^<>]*>", " ", " ".join(str(text or "").split()))
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[\\\"*`<>]|__[\w-]+__ *", r"\1", plain)
    sentence = " ".join(printable(plain).partition(". ")[0].split()).rstrip(".")
    return f"{sentence}." if 0 < len(sentence) <= SHOWN and sentence.isascii() else ""
