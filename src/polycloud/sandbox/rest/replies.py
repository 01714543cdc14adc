"""Requests as handlers see them, and their responses.

Handlers use no provider's envelope: the provider's `Service` turns a `Listing` into a page, and an `ApiError`
into an error body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from polycloud.sandbox.rest.bodies import Body, Query

Json = dict[str, Any]
View = Callable[[Any], Any]
"""Renders an item as JSON."""


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        path: the variable parts of the path.
        query: its parameters.
        body: its JSON object.
        headers: by lower-case name.
        url: the address without the query.
        known: whether it came with a token.
    """

    path: Mapping[str, Any]
    query: Query
    body: Body
    headers: Mapping[str, str]
    url: str
    known: bool


@dataclass(frozen=True)
class Reply:
    """A response; a body of None is empty, and bytes are sent as they are."""

    status: int
    body: Json | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """Items, one page of which will be rendered.

    Attributes:
        items: all of them.
        view: renders one.
        name: the envelope's name for them, where it has one.
        fields: the fields that a filter may use, where there are filters.
    """

    items: Sequence[Any]
    view: View
    name: str = ""
    fields: frozenset[str] = frozenset()


Handler = Callable[[Any, Call], Reply | Listing]
"""Takes the account's state and the request."""

Routes = Mapping[str, Mapping[str, Handler]]
"""Handlers by path and method."""
