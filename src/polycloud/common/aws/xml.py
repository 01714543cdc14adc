"""XML of Amazon's services, as dicts, lists and strings, and as Structs.

A response is converted twice: the document (`plain_root`) or an element (`plain`) to plain values, whatever
its namespace, and these to Structs (`converted`). The plain values of a resource are kept beside its Struct
(`Item`), because they become its `extra`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar
from xml.etree import ElementTree as ET

import msgspec

from polycloud.common import xmltree
from polycloud.common.payload import decoder
from polycloud.common.xmltree import local_name
from polycloud.errors import InvalidArgumentError, MalformedResponseError

__all__ = [
    "LISTS",
    "Item",
    "converted",
    "document",
    "item_of",
    "local_name",
    "plain",
    "plain_root",
    "text_of",
]

T = TypeVar("T")
SHOWN = 200
LINE_BREAKS = ("\n", "\r")
UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, even escaped."""

LISTS = frozenset({"item", "member"})
"""The elements that the members of a list are, in the Query API."""


class Item(NamedTuple, Generic[T]):
    """A resource of a response: as a Struct, and all its fields as dicts, lists and strings."""

    value: T
    fields: dict[str, Any]


# Responses


def plain(element: ET.Element, lists: frozenset[str] = LISTS) -> Any:
    """Return an element as dicts, lists and strings, without namespaces; an empty element is None.

    An element that has only elements named in `lists` is a list. Another name that occurs more than once has
    a list of its values, which does not pass for the single value that was expected.
    """
    children = list(element)
    if not children:
        return _plain_text(element.text or "")
    return _plain_fields(list(map(local_name, children)), [plain(child, lists) for child in children], lists)


def plain_root(content: bytes, lists: frozenset[str] = LISTS) -> tuple[str, Any]:
    """Return the name of a document's root element, and the element as `plain` does, without a tree.

    Raises `ValueError` for malformed and for dangerous XML.
    """
    names: list[str] = []
    values: list[Any] = []
    texts: list[str] = []
    firsts: list[int] = []  # of each open element: how many of `names` are of earlier elements

    def start(_name: str, _attributes: list[str]) -> None:
        if len(firsts) == xmltree.DEEPEST:
            raise ValueError(xmltree.TOO_DEEP)
        firsts.append(len(names))
        texts.clear()

    def end(name: str) -> None:
        first = firsts.pop()
        if first < len(names):
            value = _plain_fields(names[first:], values[first:], lists)
            del names[first:], values[first:]
        elif texts:
            value = texts[0] if len(texts) == 1 else "".join(texts)
            if not "!" <= value[0] <= "~":  # which most texts begin with
                value = _plain_text(value)
        else:
            value = None
        values.append(value)
        names.append(name.rpartition(":")[2] if ":" in name else name)

    xmltree.scan(content, start, texts.append, end)
    return names[0], values[0]


def _plain_text(text: str) -> str | None:
    if not text or text.isspace():
        return None
    return text.strip() if text.startswith(LINE_BREAKS) else text


def _plain_fields(names: list[str], values: list[Any], lists: frozenset[str]) -> Any:
    if names[0] in lists and lists.issuperset(names):
        return values
    fields = dict(zip(names, values, strict=True))
    if len(fields) < len(names):
        repeated: dict[str, list[Any]] = {}
        for name, value in zip(names, values, strict=True):
            repeated.setdefault(name, []).append(value)
        fields |= {name: them for name, them in repeated.items() if len(them) > 1}
    return fields


def converted(fields: Any, type_: Any) -> Any:
    """Return what `plain` returned as a `type_`. Raises msgspec's `ValidationError` if it does not fit."""
    decoder(type_)  # two threads that read a type for the first time would crash
    return msgspec.convert(fields, type_, strict=False)


def item_of(fields: Any, type_: type[T]) -> Item[T]:
    """Return a part of a response with its Struct. Raises `MalformedResponseError` if it does not fit."""
    try:
        return Item(converted(fields, type_), fields)
    except msgspec.ValidationError as error:
        start = str(fields)[:SHOWN]
        raise MalformedResponseError(f"the object is not as documented: {error}", start) from None


# Requests


def document(name: str, fields: Any, namespace: str = "") -> bytes:
    """Return a document with the root element `name`: the reverse of `plain`.

    None is left out, and a list becomes repeated elements: `{"Tag": [{"Key": "a"}, {"Key": "b"}]}`. Raises
    `InvalidArgumentError` for a value that is not text, a number or a boolean.
    """
    root = ET.Element(name, {"xmlns": namespace} if namespace else {})
    _fill(root, fields)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content.replace(b"\r", b"&#13;")  # a parser would read a plain one as a line feed


def _fill(element: ET.Element, value: Any) -> None:
    if not isinstance(value, Mapping):
        element.text = text_of(value, element.tag)
        if UNWRITABLE.search(element.text):
            raise InvalidArgumentError(f"{element.tag} must not have control characters, got {value!r}")
        return
    for name, part in value.items():
        repeated = isinstance(part, Iterable) and not isinstance(part, str | bytes | Mapping)
        for one in part if repeated else [part]:
            if one is not None:
                _fill(ET.SubElement(element, name), one)


def text_of(value: Any, name: str) -> str:
    """Return the value of the field `name` as requests have it: booleans are "true" and "false".

    Raises `InvalidArgumentError` for an object; its id or its name is meant.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, int | float) and str(value) == repr(value):
        raise InvalidArgumentError(f"{name} must be text, a number or a bool, got {value!r}")
    return str(value)
