"""`--set NAME=VALUE` for what providers have beyond the API: a value is JSON where it can be, else text."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Annotated, Any

import typer

from polycloud.errors import InvalidArgumentError

__all__ = ["Settings", "parsed"]

NEAREST = 3

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="What the provider has beyond, such as proxied=true; a value may be JSON. May be repeated.",
    ),
]


def parsed(texts: Sequence[str], known: Collection[str] | None = None, what: str = "") -> dict[str, Any]:
    """Return the settings by name. Raises `InvalidArgumentError` for names that are not among the `known`."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidArgumentError(f"--set must be NAME=VALUE, such as proxied=true, got {text!r}")
        if name in found:
            raise InvalidArgumentError(f"--set {name} was given twice")
        if known is not None and name not in known:
            raise InvalidArgumentError(f"{what} have no {name!r}; {_hint(name, known)}")
        found[name] = _value(value)
    return found


def _hint(name: str, known: Collection[str]) -> str:
    if near := difflib.get_close_matches(name, known, NEAREST):
        return f"the nearest are {', '.join(near)}"
    return f"they have {', '.join(sorted(known))}" if known else "they have nothing beyond DNS"


def _value(text: str) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
