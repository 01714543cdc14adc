"""XML as a tree, as events, or as Structs.

Document types are refused: their entities could read files or grow without limit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin
from xml.etree import ElementTree as ET
from xml.parsers import expat

import msgspec

from polycloud.common.payload import decoder

__all__ = ["convert", "local_name", "parse", "scan"]

LONGEST_NAMESPACE = 500
"""Characters of a namespace's name, which ElementTree repeats in the name of every element."""
DEEPEST = 200
TOO_DEEP = f"its elements are nested more than {DEEPEST} deep"
ASCII = "<=\"'>"
DECLARED = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w.:-]+)")
BEFORE_DOCTYPE = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->", re.DOTALL)
UNIONS = (Union, UnionType)
UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}


def parse(content: bytes) -> ET.Element:
    """Return the root element of a document. Raises `ValueError` for malformed and for dangerous XML."""
    _refuse_early(content)
    try:
        root = ET.fromstring(content, ET.XMLParser(target=_PlainTree()))  # noqa: S314 - no entities
    except (ET.ParseError, LookupError, Warning) as error:  # some encodings warn
        raise ValueError(str(error)) from None
    _require_shallow(root)
    return root


def _require_shallow(root: ET.Element) -> None:
    level = [root]
    for _ in range(DEEPEST):
        level = [child for element in level for child in element]
        if not level:
            return
    raise ValueError(TOO_DEEP)


def scan(
    content: bytes,
    start: Callable[[str, list[str]], None],
    data: Callable[[str], None],
    end: Callable[[str], None],
) -> None:
    """Call `start` and `end` with the name of each element, as it is written, and `data` with its texts.

    Cheaper than a tree that is read once. Raises `ValueError` as `parse` does; namespaces are not checked.
    """
    _refuse_early(content)
    parser = expat.ParserCreate()
    parser.buffer_text = parser.ordered_attributes = True
    parser.StartElementHandler, parser.CharacterDataHandler, parser.EndElementHandler = start, data, end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, Warning) as error:  # some encodings warn
        raise ValueError(str(error)) from None


def convert(element: ET.Element, type_: Any) -> Any:
    """Return an element as `type_`, a msgspec Struct or what its fields may be.

    XML does not say what is a list, a number or absent: an element that occurs once may be a list of one. So
    the type decides how an element is read (`_value`), and msgspec checks and converts the texts.
    Raises msgspec's `ValidationError` with the path of a field that does not fit.
    """
    decoder(type_)  # two threads that read a type for the first time would crash
    return msgspec.convert(_value(element, type_), type_, strict=False)


def local_name(element: ET.Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _value(element: ET.Element, type_: Any) -> Any:
    """Return an element as dicts, lists and texts in the form that `type_` requires; an empty one is None."""
    type_ = _present(type_)
    if _is_struct(type_):
        found = [(field.encode_name, _field(element, field)) for field in _fields(type_)]
        return {name: value for name, value in found if value is not None}
    if get_origin(type_) is list:
        return [_value(child, get_args(type_)[0]) for child in element]
    text = "".join(element.itertext()) if not len(element) else element.text
    return (text or "").strip() or None


def _field(element: ET.Element, field: msgspec.structs.FieldInfo) -> Any:
    name, type_ = field.encode_name, _present(field.type)
    matches = [child for child in element if local_name(child) == name]
    if get_origin(type_) is not list:
        return _value(matches[0], type_) if matches else element.attrib.get(name)
    if not matches:
        filled = len(element) or (element.text or "").strip()
        return None if filled else []  # with other children, or a text, it is another document
    (of,) = get_args(type_) or (Any,)
    return _value(matches[0], type_) if _wraps(matches, of) else [_value(match, of) for match in matches]


def _wraps(matches: list[ET.Element], of: Any) -> bool:
    """Return whether the only match holds the items of a list, rather than being its only item."""
    of = _present(of)
    inner = {local_name(child) for child in matches[0]}
    empty = not inner and not matches[0].attrib and not (matches[0].text or "").strip()
    if len(matches) > 1 or empty:
        return empty and len(matches) == 1
    own = {field.encode_name for field in _fields(of)} if _is_struct(of) else set()
    return len(inner) == 1 and not inner & own


def _is_struct(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


@lru_cache(maxsize=256)  # msgspec reads the annotations each time, which took most of the time
def _fields(type_: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(type_)


def _present(type_: Any) -> Any:
    """Return `type_` without None."""
    others = [one for one in get_args(type_) if one is not type(None)]
    return others[0] if get_origin(type_) in UNIONS and len(others) == 1 else type_


class _PlainTree(ET.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse document types, in any encoding."""
        _refuse_doctype(name, pubid, system)

    def start_ns(self, prefix: str, uri: str) -> None:
        """Refuse a long name, with which a short document would become a huge tree."""
        if len(uri) > LONGEST_NAMESPACE:
            raise ValueError(f"the name of a namespace must have at most {LONGEST_NAMESPACE} characters")


def _refuse_early(content: bytes) -> None:
    """Refuse document types before a parser, which reads on before it stops, and expands entities.

    Refuse encodings, too, in which ASCII's characters are other bytes: nobody could count the elements.
    """
    start = content.removeprefix(b"\xef\xbb\xbf")
    declared = DECLARED.match(start)
    if declared and not _extends_ascii(declared[1].decode()):
        raise ValueError("its encoding must be one that extends ASCII, such as UTF-8")
    text = start.decode(UTF_16.get(start[:2], "latin-1"), "replace").removeprefix("\ufeff")
    at = 0
    # One pattern for all of them would take memory of 30 times their length
    while found := BEFORE_DOCTYPE.match(text, at):
        at = found.end()
    if text.startswith("<!DOCTYPE", at):
        _refuse_doctype()


def _extends_ascii(encoding: str) -> bool:
    try:
        return ASCII.encode(encoding) == ASCII.encode()
    except (LookupError, ValueError, Warning):  # some encodings warn
        return False


def _refuse_doctype(*_: object) -> None:
    raise ValueError("it must not have a document type")
