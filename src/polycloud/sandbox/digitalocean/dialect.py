"""DigitalOcean's envelopes: items and lists under their names, links to pages, errors with an id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from polycloud.sandbox.rest import bodies, collection
from polycloud.sandbox.rest.errors import (
    ApiError,
    ForbiddenError,
    InputError,
    MalformedError,
    NotFoundError,
    RateLimitError,
    UnauthorizedError,
)
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply

_IDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    422: "unprocessable_entity",
    429: "too_many_requests",
}
_WORDS: dict[type[ApiError], str] = {
    MalformedError: "The request body must be a JSON object.",
    UnauthorizedError: "Unable to authenticate you.",
    ForbiddenError: "You do not have access for the attempted action.",
    NotFoundError: "The resource you requested could not be found.",
    RateLimitError: "API rate limit exceeded.",
}

DONE = Reply(204)
"""The response to a request that leaves nothing to show."""


class Body(bodies.Body):
    """A JSON object whose errors are sentences."""

    stop: ClassVar[str] = "."


@dataclass(kw_only=True, eq=False)
class Table(collection.Table):
    """A collection.

    Attributes:
        created: the status of a create.
    """

    created: int = 201

    def reply(self, item: Any, *, created: bool = False) -> Reply:
        """Return the response that shows one item."""
        return Reply(self.created if created else 200, {self.one: self.view(item)})

    def listing(self, items: Iterable[Any]) -> Listing:
        """Return the list of items, to be paged."""
        return Listing(list(items), self.view, self.many)

    def deleted(self) -> Reply:
        """Return the response to a delete."""
        return DONE


def page(call: Call, listing: Listing, usual: int, largest: int) -> Reply:
    """Return the page that a request asks for, with links to others."""
    size, number = min(_number(call, "per_page", usual), largest), _number(call, "page", 1)
    total = len(listing.items)
    links = _links(call, number, -(-total // size))
    body = {
        listing.name: [listing.view(item) for item in listing.items[(number - 1) * size : number * size]],
        "links": {"pages": links} if links else {},
        "meta": {"total": total},
    }
    return Reply(200, body)


def _number(call: Call, name: str, default: int) -> int:
    number = call.query.number(name, default)
    if number is None:
        raise InputError(f"{name} must be a positive integer.")
    return max(number, 1)


def _links(call: Call, number: int, last: int) -> dict[str, str]:
    pages: dict[str, int] = {}
    if number > 1:
        pages |= {"first": 1, "prev": number - 1}
    if number < last:
        pages |= {"next": number + 1, "last": last}
    return {rel: f"{call.url}?{urlencode({**call.query, 'page': page})}" for rel, page in pages.items()}


def refusal(error: ApiError, path: str, request_id: str) -> Reply:
    """Return the response to a refused request."""
    message = str(error) or _WORDS.get(type(error), "Method Not Allowed")
    body: Json = {"id": _IDS[error.status], "message": message, "request_id": request_id}
    if isinstance(error, MalformedError) and path.startswith("/v2/tags"):
        # This part of the API words it in its own way.
        body = {"error": message, "root_causes": []}
    wait = error.retry_after if isinstance(error, RateLimitError) else None
    return Reply(error.status, body, {} if wait is None else {"retry-after": str(wait)})
