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
DOCTYPE = re.compile(r"\ufeff?(?>(?:\s|<\?.*?\?>|<!--.*?-->)*)<!DOCTYPE", re.DOTALL)
UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}


def parse(content: bytes) -> ET.Element:
    """Return the root element of a document. Raises `ValueError` for malformed and for dangerous XML."""
    _refuse_early(content)
    try:
        return ET.fromstring(content, ET.XMLParser(target=_PlainTree()))  # noqa: S314 - no entities
    except (ET.ParseError, LookupError, Warning) as error:  # some encodings warn
        raise ValueError(str(error)) from None


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
    """Refuse document types before a parser, which reads on before it stops, and expands entities."""
    start = content.removeprefix(b"\xef\xbb\xbf")
    if DOCTYPE.match(start.decode(UTF_16.get(start[:2], "latin-1"), "replace")):
        _refuse_doctype()


def _refuse_doctype(*_: object) -> None:
    raise ValueError("it must not have a document type")
