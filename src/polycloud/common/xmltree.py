"""XML as a tree. Document types are refused: their entities could read files or grow without limit."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

__all__ = ["parse"]

LONGEST_NAMESPACE = 500
"""Characters of a namespace's name, which ElementTree repeats in the name of every element."""
DOCTYPE = re.compile(r"\ufeff?(?>(?:\s|<\?.*?\?>|<!--.*?-->)*)<!DOCTYPE", re.DOTALL)
UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}


def parse(content: bytes) -> ET.Element:
    """Return the root element of a document. Raises `ValueError` for malformed and for dangerous XML."""
    # the parser calls `doctype`, but reads on before it stops, and expands entities in attributes
    start = content.removeprefix(b"\xef\xbb\xbf")
    if DOCTYPE.match(start.decode(UTF_16.get(start[:2], "latin-1"), "replace")):
        raise ValueError("it must not have a document type")
    try:
        return ET.fromstring(content, ET.XMLParser(target=_PlainTree()))  # noqa: S314 - no entities
    except (ET.ParseError, LookupError, Warning) as error:  # some encodings warn
        raise ValueError(str(error)) from None


class _PlainTree(ET.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse document types, in any encoding."""
        raise ValueError("it must not have a document type")

    def start_ns(self, prefix: str, uri: str) -> None:
        """Refuse a long name, with which a short document would become a huge tree."""
        if len(uri) > LONGEST_NAMESPACE:
            raise ValueError(f"the name of a namespace must have at most {LONGEST_NAMESPACE} characters")
