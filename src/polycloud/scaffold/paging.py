"""How the pages of a list are read: by which helper of `common.pagination`, and from which field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from polycloud.scaffold.openapi import Document
from polycloud.scaffold.schemas import Schema, kind_of

__all__ = ["COUNTS", "NEXT", "paging", "parameter"]

DEEPEST = 3
NUMBERED = re.compile(r"page|page\W?_?number\W?", re.IGNORECASE)
NEXT = re.compile(
    r"(next|continuation)_?(page)?_?(cursor|marker|token|link|url|uri|href|id|key)?|cursor|marker",
    re.IGNORECASE,
)
MARKER = re.compile(r"(next|page|continuation)?_?(cursor|marker|token)", re.IGNORECASE)
COUNTS = (
    re.compile(r"pages|(total|num|number_of)_?pages|page_?(count|total)|last_?page", re.IGNORECASE),
    re.compile(r"total|total_?(count|items|entries|results|records|size)|\w+_total", re.IGNORECASE),
    re.compile(r"(current|next)?_?page(_?number)?", re.IGNORECASE),
)
"""Fields of a numbered list: the number of pages, of items, or of this page."""

Leaf = tuple[tuple[str, ...], str]
"""The path of a field in a response, and its type."""


def paging(operation: Mapping[str, Any], document: Document) -> str:
    """The helper and the path of its field (`follow_marker: links.next`); "" for a list of one page."""
    leaves = [*_leaves(document.success(operation) or {}, document)]
    count = next((path for names in COUNTS for path, kind in leaves if _counts(names, path, kind)), None)
    marker = next((path for path, kind in leaves if _is_marker(path, kind)), None)
    if count and (_is_numbered(operation, document) or not marker):
        return f"number_pages: {'.'.join(count)}"
    return f"follow_marker: {'.'.join(marker)}" if marker else ""


def _leaves(schema: Schema, document: Document, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The fields of a response that are neither lists nor objects."""
    for key, value in (document.merged(schema).get("properties") or {}).items():
        field, here = document.merged(value), (*path, key)
        if field.get("properties") and len(here) < DEEPEST:
            yield from _leaves(field, document, here)
        elif kind_of(field) != "array" and re.fullmatch(r"[\w@-]+", key):
            yield here, kind_of(field)


def _counts(names: re.Pattern[str], path: tuple[str, ...], kind: str) -> bool:
    return kind in {"integer", "number"} and names.fullmatch(path[-1].strip("_")) is not None


def _is_marker(path: tuple[str, ...], kind: str) -> bool:
    return kind in {"string", ""} and any(NEXT.fullmatch(key.strip("_")) for key in path)


def _is_numbered(operation: Mapping[str, Any], document: Document) -> bool:
    return any(NUMBERED.fullmatch(name) for name in _parameters(operation, document))


def parameter(operation: Mapping[str, Any], document: Document) -> str | None:
    """The parameter that asks for a page, by its number or its marker; None if there is none."""
    names = _parameters(operation, document)
    return next((name for kind in (NUMBERED, MARKER) for name in names if kind.fullmatch(name)), None)


def _parameters(operation: Mapping[str, Any], document: Document) -> list[str]:
    return [str(one.get("name")) for one in document.parameters(operation) if one.get("in") == "query"]
