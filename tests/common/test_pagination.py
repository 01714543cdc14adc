from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.common.pagination import (
    Page,
    each_of_pages,
    follow_marker,
    number_pages,
    path_and_query,
    unique,
)
from polycloud.errors import MalformedResponseError

lists = st.lists(st.integers(), unique=True, max_size=60)
sizes = st.integers(1, 10)


def paged(numbers: list[int], size: int) -> Callable[[int], Page]:
    pages = [numbers[i : i + size] for i in range(0, len(numbers), size)] or [[]]
    return lambda number: Page(pages[number - 1], len(pages), len(numbers))


@given(lists, sizes)
def test_numbered_pages_are_complete(numbers: list[int], size: int) -> None:
    """Numbered pages give every item once, in the provider's order."""
    assert number_pages(paged(numbers, size), key=lambda item: item) == numbers


class Listing:
    """A list in pages of two; a change is made before each of the first requests, None for no change."""

    def __init__(
        self, *changes: Callable[[list[str]], object] | None, items: str = "abcd", total: bool = True
    ) -> None:
        self.items, self.changes, self.total = list(items), list(changes), total
        self.requested: list[int] = []
        self.sent: list[list[str]] = []

    def fetch(self, number: int) -> Page:
        if self.changes and (change := self.changes.pop(0)) is not None:
            change(self.items)
        page = self.items[number * 2 - 2 : number * 2]
        self.requested.append(number)
        self.sent.append(page)
        return Page(page, max(1, -(-len(self.items) // 2)), len(self.items) if self.total else None)

    def read(self) -> str:
        return "".join(number_pages(self.fetch, str))


with_and_without_total = pytest.mark.parametrize("total", [True, False], ids=["total", "no total"])


@with_and_without_total
@pytest.mark.parametrize(
    ("items", "requested"), [("", [1]), ("ab", [1]), ("abc", [1, 1, 2]), ("abcdef", [1, 1, 2, 3])]
)
def test_a_list_at_rest_is_read_once(total: bool, items: str, requested: list[int]) -> None:
    """Each page is fetched once, and where there are several, the first one again at the end."""
    listing = Listing(total=total, items=items)
    assert listing.read() == items
    assert sorted(listing.requested) == requested
    assert listing.requested[-1] == 1


@with_and_without_total
@pytest.mark.parametrize("request_", [2, 3], ids=["between the pages", "after the last page"])
def test_an_item_leaves_the_first_page(total: bool, request_: int) -> None:
    """With or without a total, a list that loses an item of its first page is read again."""
    changes = [None] * (request_ - 1)
    listing = Listing(*changes, lambda items: items.remove("a"), total=total)
    assert listing.read() == "bcd"


def test_an_item_is_appended_after_the_last_page_was_read() -> None:
    """A list whose total has changed when its first page is fetched again is read again."""
    assert Listing(None, None, lambda items: items.append("e")).read() == "abcde"


@with_and_without_total
def test_a_list_that_never_rests_is_read_four_times(total: bool) -> None:
    """With or without a total, a list that changes all the time is given as it was read the fourth time."""
    listing = Listing(*[lambda items: items.insert(0, items.pop())] * 99, total=total)
    found = listing.read()
    assert listing.requested.count(2) == 4
    last = len(listing.sent) - listing.requested[::-1].index(2)
    assert list(found) == list(unique([*listing.sent[last - 2], *listing.sent[last - 1]], str))


def test_each_page_announces_one_more() -> None:
    """A list whose pages announce only the next page is read to its end."""
    assert number_pages(lambda n: Page([n], min(n + 1, 5)), key=lambda item: item) == [1, 2, 3, 4, 5]


@given(lists, sizes)
def test_pages_one_by_one_are_complete(numbers: list[int], size: int) -> None:
    """Numbered pages that are read one at a time give every item once, in the provider's order."""
    assert list(each_of_pages(paged(numbers, size), key=lambda item: item)) == numbers


def test_pages_are_read_as_they_are_consumed() -> None:
    """A numbered page is fetched only when the items of the page before it are used up."""
    listing = Listing(items="abcde")
    requested = [listing.requested[-1] for _ in each_of_pages(listing.fetch, str)]
    assert requested == [1, 1, 2, 2, 3]


def test_fewer_pages_are_announced_later() -> None:
    """A list that is read one page at a time is read to the highest number of pages that it announced."""
    pages = {1: 2, 2: 3, 3: 1}
    assert list(each_of_pages(lambda n: Page([n], pages[n]), key=lambda item: item)) == [1, 2, 3]


@given(lists, sizes)
def test_marked_pages_are_complete(numbers: list[int], size: int) -> None:
    """Pages that name the next one give every item once, in the provider's order."""

    def fetch(marker: str | int | None) -> tuple[list[int], int | None]:
        start = int(marker or 0)
        following = start + size
        return numbers[start:following], following if following < len(numbers) else None

    assert list(follow_marker(fetch, key=lambda item: item)) == numbers


def test_an_item_created_while_the_list_is_read() -> None:
    """An item that pushes others onto the next page makes neither a gap nor a double."""
    numbers = [5, 4, 3, 2, 1]
    requests = iter(range(100))

    def fetch(number: int) -> Page:
        if next(requests) == 1:
            numbers.insert(0, 6)
        return paged(numbers, 2)(number)

    assert number_pages(fetch, key=lambda item: item) == [6, 5, 4, 3, 2, 1]


def test_an_item_destroyed_while_the_list_is_read() -> None:
    """An item that pulls another one onto a page that was read already makes no gap."""
    numbers = [6, 5, 4, 3, 2, 1]
    requests = iter(range(100))

    def fetch(number: int) -> Page:
        if next(requests) == 1:
            numbers.remove(6)
        pages = paged(numbers, 2)(1).pages
        return paged(numbers, 2)(number) if number <= pages else Page([], pages, len(numbers))

    assert number_pages(fetch, key=lambda item: item) == [5, 4, 3, 2, 1]


def test_a_list_that_never_rests_ends() -> None:
    """A list whose total changes at every request is read a few times, not for ever."""
    requests = iter(range(1000))
    assert number_pages(lambda number: Page([number], 2, next(requests)), key=lambda item: item) == [1, 2]
    assert next(requests) <= 8


def test_a_marker_that_comes_again() -> None:
    """A list that comes back to a page it had is an error, not an endless loop."""
    with pytest.raises(MalformedResponseError, match=r"'b'.*no end"):
        list(follow_marker(lambda marker: ([marker], "b" if marker in {None, "a", "b"} else None), key=id))


def test_a_marked_list_is_read_as_it_is_consumed() -> None:
    """The next page is fetched only when the items of the page before it are used up."""
    asked: list[object] = []

    def fetch(marker: str | int | None) -> tuple[list[object], int]:
        asked.append(marker)
        return [object()], len(asked)

    next(follow_marker(fetch, key=id))
    assert asked == [None]


def test_unique_keeps_the_first() -> None:
    """Of items with one key the first stays."""
    pairs = [("a", 1), ("b", 2), ("a", 3)]
    assert list(unique(pairs, itemgetter(0))) == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("link", "followed"),
    [
        ("https://evil.example/v2/droplets?page=2", "/v2/droplets?page=2"),
        ("/v2/droplets", "/v2/droplets"),
        ("//evil.example/x?y=1#z", "/x?y=1"),
    ],
)
def test_links_never_change_the_host(link: str, followed: str) -> None:
    """Of a `next` link only path and query are followed."""
    assert path_and_query(link) == followed


def test_one_goes_and_one_comes() -> None:
    """A list from which an item went while another one came between two pages is read again."""
    items, moves = list(range(8)), [99]

    def fetch(page: int) -> Page:
        if page == 2 and moves:
            items.append(moves.pop())
            del items[0]
        return Page(items[(page - 1) * 4 : page * 4], 2, len(items))

    assert number_pages(fetch, int) == [1, 2, 3, 4, 5, 6, 7, 99]
