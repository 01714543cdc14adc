"""What a handler is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from polycloud.sandbox.digitalocean.inputs import Body, Query
from polycloud.sandbox.digitalocean.resources import Json
from polycloud.sandbox.digitalocean.state import State


@dataclass(frozen=True)
class Call:
    """One request: `path` holds the variable parts of its path, `url` is its address without the query."""

    path: Mapping[str, Any]
    query: Query
    body: Body
    root: str
    url: str

    def link(self, path: str) -> str:
        """The address of a path below /v2."""
        return f"{self.root}/v2{path}"


@dataclass(frozen=True)
class Reply:
    """A status with a body; without one for a status such as 204."""

    status: int
    body: Json | None = None


@dataclass(frozen=True)
class Listing:
    """Items of which a page will be shown, each as its view, under a key."""

    key: str
    items: Sequence[Any]
    view: Callable[[Any], Any]

    def page(self, state: State, call: Call) -> Reply:
        """The page that was asked for, with links to the others."""
        knobs = state.knobs
        size = min(call.query.number("per_page", knobs.page_size), knobs.largest_page)
        number = call.query.number("page", 1)
        shown = self.items[(number - 1) * size : number * size]
        pages = _links(call, number, -(-len(self.items) // size))
        body = {
            self.key: [self.view(item) for item in shown],
            "links": {"pages": pages} if pages else {},
            "meta": {"total": len(self.items)},
        }
        return Reply(200, body)


def _links(call: Call, number: int, last: int) -> dict[str, str]:
    pages: dict[str, int] = {}
    if number > 1:
        pages |= {"first": 1, "prev": number - 1}
    if number < last:
        pages |= {"next": number + 1, "last": last}
    return {rel: f"{call.url}?{urlencode({**call.query, 'page': page})}" for rel, page in pages.items()}


Handler = Callable[[State, Call], Reply | Listing]
Routes = Mapping[str, Mapping[str, Handler]]

DONE = Reply(204)
"""It has been done, and there is nothing to say."""
