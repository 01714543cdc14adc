"""Complete lists out of pages: each helper ends, and neither skips nor repeats an item.

Lists move while they are read: an item created on an early page pushes another one onto a page that was
read already. So items are deduplicated by a key, and where the provider tells a total, a total that
changed between two pages starts the reading anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from polycloud.concurrency import waiting
from polycloud.errors import MalformedResponseError

__all__ = ["Page", "built", "each_of_pages", "follow_marker", "number_pages", "path_and_query", "unique"]

T = TypeVar("T")
Marker = str | int
READINGS = 4


class Page(NamedTuple):
    """One page of a numbered list: its items, and what the provider tells of the whole list.

    `pages` counts the pages; `total` the items, None where the provider does not tell.
    """

    items: list  # type: ignore[type-arg] # a generic NamedTuple keeps nothing of its parameter here
    pages: int
    total: int | None = None


def unique(items: Iterable[T], key: Callable[[T], Hashable]) -> Iterator[T]:
    """The items, the first of each `key`."""
    seen: set[Hashable] = set()
    for item in items:
        if (mark := key(item)) not in seen:
            seen.add(mark)
            yield item


def number_pages(fetch: Callable[[int], Page], key: Callable[[T], Hashable], *, limit: int = 8) -> list[T]:
    """Every item of a list whose pages are numbered from 1; the pages after the first side by side.

    A list that changed while it was read is read again, up to four times; then it is given as it was read
    last. It shows by its total, and by its first page, which is looked at once more: where one item goes and
    another one comes, the total stays, and an item moves onto a page that was read already. `limit` bounds
    the requests under way.
    """
    items: list[T] = []
    for _ in range(READINGS):
        pages = _all_pages(fetch, limit)
        items = list(unique((item for page in pages for item in page.items), key))
        totals = {page.total for page in pages}
        if totals in ({None}, {len(items)}) and (len(pages) == 1 or _same(fetch(1), pages[0], key)):
            break
    return items


def _same(page: Page, earlier: Page, key: Callable[[T], Hashable]) -> bool:
    return page.total == earlier.total and list(map(key, page.items)) == list(map(key, earlier.items))


def _all_pages(fetch: Callable[[int], Page], limit: int) -> list[Page]:
    pages = [fetch(1)]
    while len(pages) < (told := max(page.pages for page in pages)):  # a later page may tell of more
        further = range(len(pages) + 1, told + 1)
        pages += waiting.gather([partial(fetch, number) for number in further], limit=limit)
    return pages


def follow_marker(
    fetch: Callable[[Marker | None], tuple[Iterable[T], Marker | None]], key: Callable[[T], Hashable]
) -> Iterator[T]:
    """Every item of a list whose pages name the next one; `fetch(None)` gives the first page.

    `fetch` gives the items and the next page's marker (None or empty at the end). Raises
    `MalformedResponseError` where a marker comes a second time, since such a list has no end.
    """

    def items() -> Iterator[T]:
        seen: set[Marker] = set()
        marker: Marker | None = None
        while True:
            page, marker = fetch(marker)
            yield from page
            if marker is None or marker == "":
                return
            if marker in seen:
                raise MalformedResponseError(f"the list comes back to its page {marker!r} and has no end")
            seen.add(marker)

    return unique(items(), key)


def each_of_pages(fetch: Callable[[int], Page], key: Callable[[T], Hashable]) -> Iterator[T]:
    """Every item of a list whose pages are numbered from 1, a page at a time."""
    last = 1

    def numbered(marker: Marker | None) -> tuple[Iterable[T], Marker | None]:
        nonlocal last
        here = int(marker or 1)
        page = fetch(here)
        last = max(last, page.pages)
        return page.items, here + 1 if here < last else None

    return follow_marker(numbered, key)


def built(fetch: Callable[[int], Page], build: Callable[[Any], Any]) -> Callable[[int], Page]:
    """`fetch` with what `build` makes of its items: a page at a time, so that what was decoded can go."""

    def fetch_and_build(number: int) -> Page:
        page = fetch(number)
        return page._replace(items=list(map(build, page.items)))

    return fetch_and_build


def path_and_query(link: str) -> str:
    """What may be followed of a `next` link: its path and query, on the host that the driver talks to.

    Raises `MalformedResponseError` for what is no link.
    """
    try:
        parts = urlsplit(link)
    except ValueError as error:
        raise MalformedResponseError(f"the link to the next page cannot be read: {error}", link) from error
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
