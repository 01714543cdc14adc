"""Containers and the objects in them, sorted by name, and pages of their listings."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any, TypeVar

from polycloud.sandbox.objects.content import Content

T = TypeVar("T")


class Names(MutableMapping[str, T]):
    """Items by name, sorted by the UTF-8 bytes of their names, which is the order of Python's strings."""

    def __init__(self) -> None:
        self._items: dict[str, T] = {}
        self._names: list[str] = []

    def __getitem__(self, name: str) -> T:
        return self._items[name]

    def __setitem__(self, name: str, item: T) -> None:
        if name not in self._items:
            insort(self._names, name)
        self._items[name] = item

    def __delitem__(self, name: str) -> None:
        del self._items[name]
        del self._names[bisect_left(self._names, name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def page(
        self,
        limit: int,
        *,
        prefix: str = "",
        delimiter: str = "",
        after: str = "",
        start: str = "",
        end: str = "",
        reverse: bool = False,
    ) -> tuple[list[tuple[str, bool]], bool]:
        """Return the names on a page, each with whether it stands for several, and whether there are more.

        Args:
            limit: how many names at most.
            prefix: what they begin with.
            delimiter: names that have it after the prefix are one, which ends with it.
            after: the last name of the page before.
            start: the first name that counts.
            end: names from this one on do not count.
            reverse: whether the last name comes first; `after` and `end` are in that order too.
        """
        if reverse:
            found = list(self._folded(prefix, delimiter, end, start, after))
            found.reverse()
            page = found[: limit + 1]
        else:
            page = list(islice(self._folded(prefix, delimiter, after, start, end), limit + 1))
        return page[:limit], len(page) > limit

    def _folded(
        self, prefix: str, delimiter: str, after: str, start: str, end: str
    ) -> Iterator[tuple[str, bool]]:
        names = self._names
        at = max(bisect_left(names, prefix), bisect_left(names, start), bisect_right(names, after))
        while at < len(names) and names[at].startswith(prefix) and (not end or names[at] < end):
            name = names[at]
            at += 1
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                name = name[: cut + len(delimiter)]
                at = bisect_right(names, name, lo=at, key=itemgetter(slice(len(name))))
            if name != after:
                yield name, cut >= 0


@dataclass(kw_only=True, eq=False)
class Blob:
    """An object.

    Attributes:
        name: its name.
        content: its bytes.
        headers: what is kept of the headers of its upload, such as its type.
        metadata: what its owner says about it.
        created: seconds since 1970.
        changed: seconds since 1970; those of its metadata too.
        etag: what differs from that of every other content.
        extra: what only one provider knows.
    """

    name: str
    content: Content
    headers: dict[str, str]
    metadata: dict[str, str]
    created: float
    changed: float
    etag: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Container:
    """A container, with its objects, and their earlier versions by name; for the rest see `Blob`."""

    name: str
    metadata: dict[str, str]
    created: float
    changed: float
    etag: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    objects: Names[Blob] = field(default_factory=Names)
    old: dict[str, list[Blob]] = field(default_factory=dict)

    def versions(self, name: str) -> list[Blob]:
        """Return all versions of an object, the current one last."""
        current = self.objects.get(name)
        return [*self.old.get(name, ()), *([current] if current else ())]

    def all_names(self) -> Names[object]:
        """Return the names of all objects, also of those that have old versions only."""
        names = Names[object]()
        names.update({name: None for name, blobs in self.old.items() if blobs})
        names.update(self.objects)
        return names
