"""What callers give, as requests want it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from polycloud.common.types import InvalidArgumentError

__all__ = ["id_of", "number", "present", "several"]

T = TypeVar("T")


def id_of(thing: Any, kind: type[Any]) -> str:
    """The id of an object of `kind`, which may be given as its id alone.

    Raises `InvalidArgumentError` for what is neither.
    """
    id_ = thing.id if isinstance(thing, kind) else thing
    if isinstance(id_, str) and id_:
        return id_
    raise InvalidArgumentError(f"{thing!r} is neither a {kind.__name__} nor the id of one")


def number(id_: object, provider: str) -> int:
    """An id as the number that the provider wants. Raises `InvalidArgumentError` for what is none."""
    text = str(id_)
    if text.isascii() and text.isdigit():
        return int(text)
    raise InvalidArgumentError(f"{id_!r} is no id of {provider}'s: those are numbers")


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that are there: what is None is left to the provider, which may refuse null."""
    return {name: value for name, value in fields.items() if value is not None}


def several(things: Iterable[T] | None) -> list[T]:
    """The things as a list; one text is one thing, not its letters."""
    if isinstance(things, str):
        return [things]  # type: ignore[list-item]
    try:
        return [] if things is None else list(things)
    except TypeError:
        raise InvalidArgumentError(f"{things!r} is no list") from None
