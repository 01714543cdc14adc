"""What a handler is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polycloud.sandbox.linode.filters import Filter
from polycloud.sandbox.linode.inputs import Body, Query
from polycloud.sandbox.linode.resources import Json
from polycloud.sandbox.linode.state import State


@dataclass(frozen=True)
class Call:
    """One request: `path` holds the variable parts of its path, `known` whether it came with a token."""

    path: Mapping[str, Any]
    query: Query
    body: Body
    filter: str
    known: bool


@dataclass(frozen=True)
class Reply:
    """The body of an answer; its status is 200."""

    body: Json


@dataclass(frozen=True)
class Listing:
    """Items of which a page will be shown, each as its view; `fields` can be filtered on."""

    items: Sequence[Any]
    view: Callable[[Any], Json]
    fields: frozenset[str] = frozenset()

    def page(self, state: State, call: Call) -> Reply:
        """The page that was asked for."""
        knobs = state.knobs
        size = call.query.number("page_size", knobs.page_size, knobs.smallest_page, knobs.largest_page)
        number = call.query.number("page", 1, 1)
        wanted, shown = Filter(call.filter, self.fields), slice((number - 1) * size, number * size)
        if wanted.is_empty:
            total, data = len(self.items), [self.view(item) for item in self.items[shown]]
        else:
            items = wanted.apply([self.view(item) for item in self.items])
            total, data = len(items), items[shown]
        pages = max(-(-total // size), 1)
        return Reply({"data": data, "page": number, "pages": pages, "results": total})


Handler = Callable[[State, Call], Reply | Listing]
Routes = Mapping[str, Mapping[str, Handler]]

DONE = Reply({})
"""It has been done, and there is nothing to say."""
