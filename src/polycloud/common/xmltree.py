"""XML as a tree, without document types: so without entities that could fetch files or grow for ever."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

__all__ = ["parse"]

LONGEST_NAMESPACE = 500
"""Characters of a namespace's name, which ElementTree repeats in every element's."""
DOCTYPE = re.compile(r"\ufeff?(?>(?:\s|<\?.*?\?>|<!--.*?-->)*)<!DOCTYPE", re.DOTALL)
UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}


def parse(content: bytes) -> ET.Element:
    """The root element of a document. Raises `ValueError` for what is no XML, or dangerous XML."""
    # the parser calls `doctype`, but goes on to what follows, entities in attributes too, before it stops
    start = content.removeprefix(b"\xef\xbb\xbf")
    if DOCTYPE.match(start.decode(UTF_16.get(start[:2], "latin-1"), "replace")):
        raise ValueError("it has a document type, which is refused")
    try:
        return ET.fromstring(content, ET.XMLParser(target=_PlainTree()))  # noqa: S314 - no entities
    except (ET.ParseError, LookupError, Warning) as error:  # some encodings warn
        raise ValueError(str(error)) from None


class _PlainTree(ET.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse it, in whatever encoding it came."""
        raise ValueError("it has a document type, which is refused")

    def start_ns(self, prefix: str, uri: str) -> None:
        """Refuse a name with which a short document would become a huge tree."""
        if len(uri) > LONGEST_NAMESPACE:
            raise ValueError("it has a namespace with a name of unusual length, which is refused")
