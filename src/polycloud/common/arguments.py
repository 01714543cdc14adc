"""Convert the arguments of callers to what requests need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown

__all__ = [
    "as_dicts",
    "as_list",
    "drop_none",
    "id_of",
    "list_of",
    "number",
    "require_bool",
    "require_count",
    "require_text",
]

T = TypeVar("T")
ID_DIGITS = 20


def id_of(value: Any, kind: type[Any]) -> str:
    """Return the id of an object of `kind`, which may be given as the id alone.

    Raises `InvalidArgumentError` for anything else.
    """
    id_ = value.id if isinstance(value, kind) else value
    if isinstance(id_, str) and id_:
        return id_
    raise InvalidArgumentError(f"expected a {kind.__name__} or its id, got {shown(value)}")


def number(id_: object, provider: str) -> int:
    """Return an id as the int that the provider wants. Raises `InvalidArgumentError` for other text."""
    if isinstance(id_, str) and id_.isascii() and id_.isdigit() and len(id_) <= ID_DIGITS:
        return int(id_)
    if isinstance(id_, int) and not isinstance(id_, bool) and 0 <= id_ < 10**ID_DIGITS:
        return id_
    raise InvalidArgumentError(f"an id of {provider} must be a number, got {shown(id_)}")


def require_count(name: str, value: Any, limit: int | None = None) -> int:
    """Return an int from 1 to `limit`. Raises `InvalidArgumentError` that names the argument."""
    valid = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= (limit or value)
    if not valid:
        wanted = f"an int from 1 to {limit}" if limit else "an int above 0"
        raise InvalidArgumentError(f"{name} must be {wanted}, got {shown(value)}")
    return int(value)


def require_bool(name: str, value: Any) -> bool:
    """Return True or False, for 1 and 0 too. Raises `InvalidArgumentError` that names the argument."""
    if not isinstance(value, int) or value not in (True, False):
        # A text may be a credential too many, where `secure` comes next
        got = "a str" if isinstance(value, str) else shown(value)
        raise InvalidArgumentError(f"{name} must be True or False, got {got}")
    return bool(value)


def require_text(name: str, value: Any) -> str:
    """Return a str without control characters. Raises `InvalidArgumentError` that names the argument."""
    if not isinstance(value, str) or not value.isprintable():
        raise InvalidArgumentError(f"{name} must be printable text, got {shown(value)}")
    return value


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
        raise InvalidArgumentError(f"expected a list, got {shown(values)}") from None


def list_of(kind: type[Any], name: str, values: Iterable[T] | None) -> list[T]:
    """Return the values of an argument as a list; None is an empty one.

    Arguments that are lists are checked before; here each item of an iterator is, too. Raises
    `InvalidArgumentError` for an item that is not of `kind`.
    """
    found = as_list(values)
    for one in found:
        if not isinstance(one, kind):
            wanted = "dicts" if issubclass(Mapping, kind) else f"{kind.__name__} objects"
            raise InvalidArgumentError(f"{name} must be a list of {wanted}, got {shown(one)} in it")
    return found


def as_dicts(name: str, values: Iterable[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """Return mappings as dicts. Raises `InvalidArgumentError` for a list of anything else."""
    return [dict(one) for one in list_of(Mapping, name, values)]
