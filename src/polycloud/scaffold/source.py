"""Texts of a document in Python source: as a literal, a checked identifier, a docstring or a comment.

A document may come from anyone, and the package that is written from it is imported. So none of its texts
stands in the source in any other form, and `require_valid` reads the source before it is handed over.
"""

from __future__ import annotations

import json
import keyword
import tomllib
from collections.abc import Mapping

from polycloud.errors import InvalidArgumentError

__all__ = ["docstring", "identifier", "literal", "one_line", "require_valid"]


def literal(text: str) -> str:
    """Return a string literal in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    printed = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in escaped)
    return f'"{printed}"'


def identifier(name: str) -> str:
    """Return `name`, which must be an ASCII identifier. Raises `InvalidArgumentError`."""
    if name.isidentifier() and name.isascii() and not keyword.iskeyword(name):
        return name
    raise InvalidArgumentError(f"{name!r} cannot be a name in Python")


def one_line(text: str) -> str:
    """Return `text` as part of a comment: without line breaks and control characters."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def docstring(text: str) -> str:
    """Return `text` as a docstring of one line."""
    plain = one_line(text).replace("\\", "/").replace('"', "'")
    return f'"""{plain}"""'


def require_valid(texts: Mapping[str, str]) -> None:
    """Raise `InvalidArgumentError` unless each text, by its file name, is what the name's ending says."""
    for place, text in texts.items():
        try:
            if place.endswith(".py"):
                compile(text, place, "exec", dont_inherit=True)
            elif place.endswith(".toml"):
                tomllib.loads(text)
            elif place.endswith(".json"):
                json.loads(text)
            text.encode()
        except (SyntaxError, ValueError, RecursionError) as error:
            raise InvalidArgumentError(f"the document cannot become a driver: {place}: {error}") from error
