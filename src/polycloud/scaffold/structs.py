"""Structs for the responses of an API, as Python text.

What the document has as one schema becomes one Struct, wherever it is used; so does an inline schema that is
the same as another, or part of it. Providers omit fields and send null for others, so a field is optional
unless it identifies the resource or tells its list from others (`Response.required`).
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection, Iterable, Mapping

from polycloud.errors import printable
from polycloud.scaffold.matching import singular
from polycloud.scaffold.openapi import Call, Document
from polycloud.scaffold.responses import Response
from polycloud.scaffold.schemas import Schema, kind_of
from polycloud.scaffold.source import docstring, identifier, literal

__all__ = ["payloads"]

PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
ANY, ANY_OBJECT = "Any", "dict[str, Any]"
COMPONENTS = "#/components/schemas/"
DEEPEST = 4
LONGEST = 90
"""Characters of a description that becomes a docstring."""
FORBIDDEN = frozenset('"\\')
"""Characters that msgspec refuses in the JSON name of a field."""
TAKEN = frozenset({*dir(builtins), *keyword.kwlist, "AccessToken", "Any", "Struct", "annotations", "field"})
"""Names that a field or a Struct would shadow."""

Field = tuple[str, str, str]
"""Its name in Python, its name in JSON, and its type."""
PART = "Part of a response."
NONE: frozenset[str] = frozenset()


def payloads(responses: Collection[Response], document: Document) -> tuple[str, dict[Call, str]]:
    """The Structs of the responses, as text; and the type of each call's response, unless it is any."""
    structs = _Structs(responses, document)
    types = {response.call: structs.type_of(response) for response in responses}
    return structs.text(), {call: type_ for call, type_ in types.items() if type_ not in {ANY, ANY_OBJECT}}


class _Structs:
    def __init__(self, responses: Collection[Response], document: Document) -> None:
        self._document = document
        self._texts: dict[str, str] = {}
        self._known: dict[object, str] = {}
        self._types: dict[str, str] = {}  # by reference
        self._resources: dict[str, Response] = {}  # the response whose resource a reference is
        self._inline: dict[str, Response] = {}  # by the type of their resource, which has no reference
        for response in responses:
            self._resources.setdefault(document.reference(response.schema) or "", response)

    def text(self) -> str:
        return "\n\n".join(self._texts.values())

    def type_of(self, response: Response) -> str:
        """The type of a response; adds the Structs of the resource and of its envelope."""
        resource = self._similar(response) or self._resource(response)
        inside = f"list[{resource}]" if response.is_list else resource
        if response.key is None:
            return inside
        alone = len(response.envelope["properties"]) == 1 and resource in self._texts
        alone = alone and response.ending == "Response"
        name = f"{resource if alone else _class_name(singular(response.segment))}{response.ending}"
        doc = f"The response of `{response.call}`."
        return self._struct(
            name, response.envelope, doc, frozenset({response.key}), known={response.key: inside}
        )

    def _similar(self, response: Response) -> str | None:
        """The type of an inline schema that was met before, with the same fields or with more."""
        if self._document.reference(response.schema) is not None:
            return None
        keys, known = response.kinds.keys(), self._inline.items()
        named = [(type_, one) for type_, one in known if one.name == response.name]
        less = [type_ for type_, one in named if one.required <= keys <= one.kinds.keys()]
        same = [type_ for type_, one in known if one.kinds == response.kinds and not response.is_list]
        return next(iter(less + same), None)

    def _resource(self, response: Response) -> str:
        name = _class_name(response.name)
        if response.key is None and not response.is_list and name in self._texts:
            name += response.ending
        if not response.resource.get("properties"):
            return self._type(name, response.schema, 0)
        type_ = self._object(name, response.schema, _doc(response), response.required)
        if self._document.reference(response.schema) is None and type_ in self._texts:
            self._inline[type_] = response
        return type_

    def _object(
        self, name: str, schema: Schema, doc: str, required: frozenset[str] = NONE, depth: int = 0
    ) -> str:
        reference = self._document.reference(schema)
        if reference is not None:
            return self._component(reference, name)
        schema = self._document.merged(schema)
        if not schema.get("properties") or depth >= DEEPEST:
            return ANY_OBJECT
        return self._struct(name, schema, doc, required, depth)

    def _component(self, reference: str, name: str) -> str:
        """The type of a schema that has a name in the document."""
        if reference in self._types:
            return self._types[reference]
        self._types[reference] = ANY_OBJECT  # if it refers to itself
        schema, response = self._document.merged({"$ref": reference}), self._resources.get(reference)
        name = _component_name(reference) or name
        if response and response.is_list:
            name = _class_name(response.name)
        if schema.get("properties"):
            doc, required = (_doc(response), response.required) if response else (PART, NONE)
            self._types[reference] = self._struct(name, schema, doc, required)
        return self._types[reference]

    def _struct(
        self,
        name: str,
        schema: Schema,
        doc: str,
        required: frozenset[str],
        depth: int = 0,
        *,
        known: Mapping[str, str] | None = None,
    ) -> str:
        """The name of the Struct for an object; adds the Struct unless the same one exists."""
        types = known or {}
        fields = tuple(
            (_field_name(key), key, types.get(key) or self._type(name + _class_name(key), value, depth))
            for key, value in schema["properties"].items()
            if key.isprintable() and not set(key) & FORBIDDEN
        )
        same = (name if required else None, required, fields)
        if same in self._known:
            return self._known[same]
        name = self._known[same] = self._free(name)
        doc = _sentence(schema.get("description")) or doc
        lines = [f"class {identifier(name)}(Struct):", f"    {docstring(doc)}", ""]
        ordered = sorted(_once(fields), key=lambda one: one[1] not in required)  # required fields come first
        lines += [_line(*one, required=one[1] in required) for one in ordered]
        self._texts[name] = "\n".join(lines) + "\n"
        return name

    def _type(self, name: str, schema: Schema, depth: int) -> str:
        merged = self._document.merged(schema)
        kind = kind_of(merged)
        if kind == "array":
            items = merged.get("items", {})
            depth += kind_of(self._document.merged(items)) == "array"
            return f"list[{self._type(_one(name), items, depth) if depth < DEEPEST else ANY}]"
        if kind == "object":
            return self._object(name, schema, PART, depth=depth + 1)
        return PLAIN.get(kind, ANY)

    def _free(self, name: str) -> str:
        number, free = 2, name
        while free in self._texts or free in TAKEN:
            free, number = f"{name}{number}", number + 1
        return free


def _doc(response: Response) -> str:
    where = f"`{response.key}`" if response.key else "the list"
    if response.is_list:
        return f"An item of {where} of `{response.call}`."
    return f"The {where} of `{response.call}`." if response.key else f"The response of `{response.call}`."


# Python text


def _once(fields: Iterable[Field]) -> list[Field]:
    """The fields without those whose Python name an earlier one has."""
    return list({name: (name, key, type_) for name, key, type_ in reversed([*fields])}.values())[::-1]


def _line(name: str, key: str, type_: str, *, required: bool) -> str:
    name, type_ = identifier(name), type_ if required or type_ == ANY else f"{type_} | None"
    if name == key:
        return f"    {name}: {type_}" + ("" if required else " = None")
    default = "" if required else "default=None, "
    return f"    {name}: {type_} = field({default}name={literal(key)})"


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
    """`Server` for `#/components/schemas/v1.Server`; "" for a reference to another place."""
    named = reference.startswith(COMPONENTS)
    return _class_name(reference.rpartition("/")[2].rpartition(".")[2]) if named else ""


def _class_name(key: str) -> str:
    words = re.findall("[A-Za-z0-9]+", key)
    name = "".join(word[0].upper() + word[1:] for word in words) or "Part"
    return f"N{name}" if name[0].isdigit() else name


def _sentence(text: object) -> str:
    """The first sentence of a description, as a docstring."""
    plain = re.sub(r"<[^<>]*>", " ", " ".join(str(text or "").split()))
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[\\\"*`<>]|__[\w-]+__ *", r"\1", plain)
    sentence = " ".join(printable(plain).partition(". ")[0].split()).rstrip(".")
    return f"{sentence}." if 0 < len(sentence) <= LONGEST and sentence.isascii() else ""
