"""Convert the arguments of callers to what requests need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from polycloud.errors import InvalidArgumentError

__all__ = ["as_list", "drop_none", "id_of", "number", "require_count"]

T = TypeVar("T")


def id_of(value: Any, kind: type[Any]) -> str:
    """Return the id of an object of `kind`, which may be given as the id alone.

    Raises `InvalidArgumentError` for anything else.
    """
    id_ = value.id if isinstance(value, kind) else value
    if isinstance(id_, str) and id_:
        return id_
    raise InvalidArgumentError(f"expected a {kind.__name__} or its id, got {value!r}")


def number(id_: object, provider: str) -> int:
    """Return an id as the int that the provider wants. Raises `InvalidArgumentError` for other text."""
    text = str(id_)
    if text.isascii() and text.isdigit():
        return int(text)
    raise InvalidArgumentError(f"an id of {provider} must be a number, got {id_!r}")


def require_count(name: str, value: Any, limit: int | None = None) -> int:
    """Return an int from 1 to `limit`. Raises `InvalidArgumentError` that names the argument."""
    valid = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= (limit or value)
    if not valid:
        wanted = f"an int from 1 to {limit}" if limit else "an int above 0"
        raise InvalidArgumentError(f"{name} must be {wanted}, got {value!r}")
    return int(value)


def drop_none(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields without those that are None, since providers may refuse null."""
    return {name: value for name, value in fields.items() if value is not None}


def as_list(values: Iterable[T] | None) -> list[T]:
    """Return the values as a list; a str is one value, None is none."""
    if isinstance(values, str):
        return [values]  # type: ignore[list-item]
    try:
        return [] if values is None else list(values)
    except TypeError:
        raise InvalidArgumentError(f"expected a list, got {values!r}") from None
