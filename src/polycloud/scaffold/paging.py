"""How a list of an API goes on after its first page, and what of ours reads all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from polycloud.scaffold.schemas import Schema, Schemas, kind_of

__all__ = ["paging"]

DEEPEST = 3
NUMBERED = re.compile(r"page|page\W?_?number\W?", re.IGNORECASE)
NEXT = re.compile(
    r"(next|continuation)_?(page)?_?(cursor|marker|token|link|url|uri|href|id|key)?|cursor|marker",
    re.IGNORECASE,
)
COUNTS = (
    re.compile(r"pages|(total|num|number_of)_?pages|page_?(count|total)|last_?page", re.IGNORECASE),
    re.compile(r"total|total_?(count|items|entries|results|records|size)|\w+_total", re.IGNORECASE),
    re.compile(r"(current|next)?_?page(_?number)?", re.IGNORECASE),
)
"""What tells how long a numbered list is; the last kind says only that it has numbers."""

Leaf = tuple[tuple[str, ...], str]


def paging(operation: Mapping[str, Any], schemas: Schemas) -> str:
    """Such as `follow_marker: links.next`: what of `polycloud.common.pagination`, by what in the answer.

    Empty where the answer tells of no page but this one.
    """
    leaves = [*_leaves(schemas.answer(operation) or {}, schemas)]
    count = next((place for told in COUNTS for place, kind in leaves if _counts(told, place, kind)), None)
    marker = next((place for place, kind in leaves if _marks(place, kind)), None)
    if count and (_is_numbered(operation, schemas) or not marker):
        return f"number_pages: {'.'.join(count)}"
    return f"follow_marker: {'.'.join(marker)}" if marker else ""


def _leaves(schema: Schema, schemas: Schemas, place: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Whatever in an answer is neither a list nor an object: where it stands, and its type."""
    for key, value in (schemas.whole(schema).get("properties") or {}).items():
        inside, here = schemas.whole(value), (*place, key)
        if inside.get("properties") and len(here) < DEEPEST:
            yield from _leaves(inside, schemas, here)
        elif kind_of(inside) != "array" and re.fullmatch(r"[\w@-]+", key):
            yield here, kind_of(inside)


def _counts(told: re.Pattern[str], place: tuple[str, ...], kind: str) -> bool:
    return kind in {"integer", "number"} and told.fullmatch(place[-1].strip("_")) is not None


def _marks(place: tuple[str, ...], kind: str) -> bool:
    return kind in {"string", ""} and any(NEXT.fullmatch(key.strip("_")) for key in place)


def _is_numbered(operation: Mapping[str, Any], schemas: Schemas) -> bool:
    names = (str(schemas.resolved(one).get("name")) for one in operation.get("parameters") or ())
    return any(NUMBERED.fullmatch(name) for name in names)
