"""XML as a tree or as events.

Document types are refused: their entities could read files or grow without limit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET
from xml.parsers import expat

__all__ = ["parse", "scan"]

LONGEST_NAMESPACE = 500
"""Characters of a namespace's name, which ElementTree repeats in the name of every element."""
DEEPEST = 200
TOO_DEEP = f"its elements are nested more than {DEEPEST} deep"
ASCII = "<=\"'>"
DECLARED = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w.:-]+)")
DOCTYPE = re.compile(r"\ufeff?(?>(?:\s|<\?.*?\?>|<!--.*?-->)*)<!DOCTYPE", re.DOTALL)
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
    if DOCTYPE.match(start.decode(UTF_16.get(start[:2], "latin-1"), "replace")):
        _refuse_doctype()


def _extends_ascii(encoding: str) -> bool:
    try:
        return ASCII.encode(encoding) == ASCII.encode()
    except (LookupError, ValueError, Warning):  # some encodings warn
        return False


def _refuse_doctype(*_: object) -> None:
    raise ValueError("it must not have a document type")
