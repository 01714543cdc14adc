"""Linode's envelopes: pages of lists, filters, errors as lists of problems; and the events of changes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from polycloud.sandbox.linode.filters import Filter
from polycloud.sandbox.rest import collection
from polycloud.sandbox.rest.bodies import Check, length
from polycloud.sandbox.rest.collection import Change, Item
from polycloud.sandbox.rest.errors import (
    ApiError,
    ForbiddenError,
    InputError,
    MalformedError,
    MethodError,
    NotFoundError,
    RateLimitError,
    UnauthorizedError,
)
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply

_WORDS: dict[type[ApiError], str] = {
    MalformedError: "Invalid JSON",
    UnauthorizedError: "Invalid Token",
    ForbiddenError: "Your OAuth token is not authorized to use this endpoint.",
    NotFoundError: "Not found",
    MethodError: "Method Not Allowed",
    RateLimitError: "Too many requests",
}

DONE = Reply(200, {})
"""The response to a request that leaves nothing to show."""

BUSY = "Linode busy."


@dataclass(kw_only=True, eq=False)
class Table(collection.Table):
    """A collection.

    Attributes:
        filters: the fields that a filter may use.
        noun: what events call an item.
        events: the types of the events of a create, an update and a delete, "-" for none.
    """

    filters: str = ""
    noun: str = ""
    events: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.key = self.key if self.key != self.one else f"{self.one}:int"

    def reply(self, item: Any, *, created: bool = False) -> Reply:
        """Return the response that shows one item."""
        return Reply(200, self.view(item))

    def listing(self, items: Iterable[Any]) -> Listing:
        """Return the list of items, to be paged and filtered."""
        return Listing(list(items), self.view, fields=frozenset(self.filters.split()))

    def deleted(self) -> Reply:
        """Return the response to a delete."""
        return DONE

    def make(self, state: Any, values: Json) -> Any:
        """Return a new item with a number; an `Item` also with dates and what its events need."""
        identity: Json = {"id": state.new_number(), **self.identity(state)}
        if self.item_type is Item:
            url = f"/v4{self.path}/{identity['id']}"
            identity |= {"noun": self.noun, "url": url, **dates(state)}
        return self.item_type(**identity, **values)

    def prepare(self, change: Change) -> None:
        """Make tags that do not exist."""
        if "tags" in change.values:
            change.values["tags"] = change.state.use_tags(change.values["tags"])

    def note(self, state: Any, verb: str, item: Any, owner: Any) -> None:
        """Record a change; the event of an item with an owner is about the owner."""
        if verb == "update" and hasattr(item, "updated"):
            item.updated = state.stamp()
        if self.events:
            event = dict(zip(("create", "update", "delete"), self.events.split(), strict=True))[verb]
            if event != "-":
                state.note(event, owner if self.owner else item)


def dates(state: Any) -> Json:
    """Return the dates of a new item."""
    now = state.stamp()
    return {"created": now, "updated": now}


def page(call: Call, listing: Listing, usual: int, smallest: int, largest: int) -> Reply:
    """Return the page that a request asks for."""
    size = _number(call, "page_size", usual, smallest, largest)
    number = _number(call, "page", 1, 1, None)
    wanted = Filter(call.headers.get("x-filter", ""), listing.fields)
    shown = slice((number - 1) * size, number * size)
    if wanted.is_empty:
        total, data = len(listing.items), [listing.view(item) for item in listing.items[shown]]
    else:
        items = wanted.apply([listing.view(item) for item in listing.items])
        total, data = len(items), items[shown]
    return Reply(200, {"data": data, "page": number, "pages": max(-(-total // size), 1), "results": total})


def _number(call: Call, name: str, default: int, least: int, most: int | None) -> int:
    number = call.query.number(name, default)
    if number is None:
        raise InputError(f"{name} must be an integer", name)
    if number < least or (most is not None and number > most):
        raise InputError(f"Must be {least} or more" if most is None else f"Must be {least}-{most}", name)
    return number


def refusal(error: ApiError) -> Reply:
    """Return the response to a refused request."""
    problems = [
        {"reason": reason or _WORDS[type(error)], **({"field": field} if field else {})}
        for reason, field in error.problems
    ]
    return Reply(400 if isinstance(error, InputError) else error.status, {"errors": problems})


# Checks

_PLAIN = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9])?")
_DOUBLED = re.compile(r"--|__|\.\.")


def label_of(least: int, most: int, *, dots: bool = True) -> Check:
    """Return a check of a label with so many characters."""
    allowed = "letters, numbers, periods, dashes, and underscores" if dots else "letters, numbers, dashes"

    def check(name: str, label: str) -> None:
        length(least, most)(name, label)
        if not _PLAIN.fullmatch(label) or _DOUBLED.search(label) or ("." in label and not dots):
            reason = f"Label must begin and end with a letter or number, and only have {allowed}"
            raise InputError(reason, name)

    return check


_KINDS = tuple(map(re.compile, ("[a-z]", "[A-Z]", "[0-9]", "[^a-zA-Z0-9]")))
_FEWEST_KINDS, _FEWEST_CHARACTERS = 2, 6


def check_password(password: str, field: str) -> None:
    """Raise InputError for a short password, or one with few kinds of characters, or few of them."""
    length(11, 128)(field, password)
    kinds = sum(bool(kind.search(password)) for kind in _KINDS)
    if kinds < _FEWEST_KINDS or len(set(password)) < _FEWEST_CHARACTERS:
        raise InputError("Password does not meet strength requirement", field)
