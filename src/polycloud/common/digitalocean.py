"""DigitalOcean's API as all its services use it: the token, errors, pages, actions, ids.

A service's driver subclasses `DigitalOceanBaseDriver` and the service's base. It declares its payloads as
Structs and calls its connection: `fetch`, `create`, `put` and `patch` return the object of a response as an
`Item` (decoded, and its bytes), `delete` returns True, `list_all` and `iterate` read lists page by page. The
API puts each object, and each list, under a name: `{"droplet": {...}}`, `{"droplets": [...], "meta": ...}`.

Some requests only start an action, which the API carries out in its own time: `act` starts one, `wait_for`
waits until it has ended.

The API identifies its errors by a sentence, not by codes: `QUOTA`, `BUSY` and `REFUSALS` map these to our
errors.

Source: the provider's OpenAPI document, version 2.0 (paths below /v2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from polycloud.common import arguments
from polycloud.common.arguments import drop_none
from polycloud.common.bearer import BearerConnection, BearerDriver
from polycloud.common.credentials import Credential
from polycloud.common.pagination import Page, each_of_pages, number_pages
from polycloud.common.payload import Item, identity
from polycloud.common.response import JsonResponse
from polycloud.concurrency import waiting
from polycloud.errors import (
    ConflictError,
    ImageUnavailableError,
    InvalidNameError,
    ProviderError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    UnavailableError,
)
from polycloud.utils.status import HTTPStatus

__all__ = [
    "API_HOST",
    "PROCESSING",
    "DigitalOceanAction",
    "DigitalOceanBaseDriver",
    "DigitalOceanConnection",
    "DigitalOceanResponse",
    "StartedAction",
    "number",
]

T = TypeVar("T")
R = TypeVar("R")
API_HOST = "api.digitalocean.com"
API_VERSION = "v2"
MOST_PAGES = 10_000
REFUSED_STATUSES = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})
UNREADABLE_STATUSES = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
FINAL_STATUSES = frozenset({"completed", "errored"})

MATCHED_CHARACTERS = 1000
"""How much of a message is matched against the patterns, which take quadratic time."""

QUOTA = (
    r"(?is)^(?!.*\b(length|characters?)\b).*("
    r"\bquota|(exceed|reach)\w* (your|the maximum number)\b|reached the (\w+ limit|limit of)\b"
    r"|limit( of \w+( \(\d+\))?)? ((is|was|has been|will be|would be) )?(exceeded|reached))"
)
PROCESSING = "processes previous actions"
"""What a load balancer that is busy with a change says, with a 403."""

BUSY = rf"(?i)pending event|{PROCESSING}|is (currently )?locked|already (in use|exists?|attached)"
REFUSALS = (
    (r"(?i)hostname|\bname\b.*\b(characters?|valid|blank|long)\b", InvalidNameError),
    (r"(?i)\bimage\b.*(available|invalid)|invalid image", ImageUnavailableError),
    (r"(?i)not available|unavailable", UnavailableError),
)
"""Pattern of the message of a 422, error; the first row that matches is used."""


class Meta(msgspec.Struct):
    """Metadata of a list: `total` is the number of items on all pages."""

    total: int | None = None


class Pages(msgspec.Struct):
    """Links to further pages, of which only the page numbers are read."""

    last: str | None = None
    next: str | None = None


class Links(msgspec.Struct):
    """The links of a list."""

    pages: Pages | None = None


class DigitalOceanAction(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that the provider accepted and carries out in its own time.

    `status` is "in-progress", "completed" or "errored"; times are ISO 8601 in UTC.
    """

    id: int
    status: str | None = None
    type: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    resource_id: int | str | None = None
    resource_type: str | None = None
    region_slug: str | None = None


class StartedAction(msgspec.Struct, frozen=True):
    """An action as it was accepted, and the path from which to read it again."""

    action: DigitalOceanAction
    path: str


@lru_cache(maxsize=128)
def _envelope(name: str, type_: Any) -> Any:
    return msgspec.defstruct("Envelope", [(name, type_)])


@lru_cache(maxsize=128)
def _page(name: str, type_: Any) -> Any:
    optional = [("links", Links | None, None), ("meta", Meta | None, None)]
    return msgspec.defstruct("Page", [(name, list[type_] | None), *optional])


class DigitalOceanResponse(JsonResponse):
    """A response: objects are under their names; errors are `{"id": ..., "message": ...}`."""

    def parse_error(self) -> Any:
        """Return the provider's message. Raises a specific error where the message identifies one.

        The status alone does not: an exceeded quota is a 403, 409 or 422 like any other refusal, and so is a
        droplet that is busy with another action, or a name that is taken.
        """
        message = str(super().parse_error())
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RateLimitReachedError(self.status, message, self.headers)
        if error := _refusal(self.status, message[:MATCHED_CHARACTERS]):
            raise error(self.status, message, self.headers)
        return message

    def member(self, name: str, type_: Any) -> Item[Any]:
        """Return the object under `name`. Raises `MalformedResponseError` if it is not as documented."""
        raw = getattr(self.decode(_envelope(name, msgspec.Raw)), name)
        return self.built([raw], type_, identity, lambda: _envelope(name, type_))[0]

    def page(self, name: str, type_: Any, build: Callable[[Item[Any]], Any], here: int) -> Page:
        """Return what `build` makes of the list under `name` on page `here`, its number of pages and total.

        A null is an empty list. The provider may give smaller pages than requested: if the first page has no
        links to others, its length is taken for the page size.
        """
        payload = self.decode(_page(name, msgspec.Raw))
        raws = getattr(payload, name) or ()
        items = self.built(raws, type_, build, lambda: _page(name, type_))
        total = payload.meta.total if payload.meta else None
        linked, size = _last_page(payload.links), self._per_page()
        if here == 1 and linked == 1 and raws:
            size = min(size, len(raws))
        pages = max(linked, -(-(total or 0) // size))
        if pages > MOST_PAGES:
            raise self.malformed(f"the list claims {pages:,} pages; at most {MOST_PAGES:,} are read")
        return Page(items, pages, total)

    def _per_page(self) -> int:
        assert isinstance(self.connection, DigitalOceanConnection)
        return self.connection.per_page


def _refusal(status: int, message: str) -> type[ProviderHTTPError] | None:
    """Return the error that a refusal's message identifies, if any."""
    if status not in REFUSED_STATUSES:
        return None
    if re.search(QUOTA, message):
        return QuotaExceededError
    if re.search(BUSY, message):
        return ConflictError
    rows = REFUSALS if status == HTTPStatus.UNPROCESSABLE_ENTITY else ()
    return next((error for pattern, error in rows if re.search(pattern, message)), None)


def _last_page(links: Links | None) -> int:
    """Return the greatest page number in the links; 1 without links, which means the only page."""
    pages = (links.pages if links else None) or Pages()
    return max(_page_number(pages.last or ""), _page_number(pages.next or ""))


def _page_number(link: str) -> int:
    if not link:
        return 1
    from urllib.parse import parse_qs, urlsplit  # takes 2 ms to import

    try:
        return max(1, int(parse_qs(urlsplit(link).query)["page"][0]))
    except (KeyError, ValueError):
        return 1


class DigitalOceanConnection(BearerConnection):
    """A connection with a bearer token; bodies and responses are JSON."""

    host = API_HOST
    request_path = f"/{API_VERSION}"
    responseCls = DigitalOceanResponse
    most_a_page = 200

    def fetch(self, path: str, name: str, type_: type[T]) -> Item[T]:
        """Return the object under `name` in the response to a GET."""
        return self._member("GET", path, name, type_, None)

    def create(self, path: str, name: str, type_: type[T], body: dict[str, Any]) -> Item[T]:
        """POST `body` and return the object under `name` in the response."""
        return self._member("POST", path, name, type_, body)

    def put(self, path: str, name: str, type_: type[T], body: dict[str, Any]) -> Item[T]:
        """PUT `body`, the complete object, and return the object under `name` in the response."""
        return self._member("PUT", path, name, type_, body)

    def patch(self, path: str, name: str, type_: type[T], body: dict[str, Any]) -> Item[T]:
        """PATCH with `body`, the fields to change, and return the object under `name` in the response.

        It is sent again if the response is lost: the fields get the same values.
        """
        return self._member("PATCH", path, name, type_, body, idempotent=True)

    def _member(
        self,
        method: str,
        path: str,
        name: str,
        type_: type[T],
        body: dict[str, Any] | None,
        *,
        idempotent: bool | None = None,
    ) -> Item[T]:
        response: DigitalOceanResponse = self.request(path, method=method, json=body, idempotent=idempotent)
        return response.member(name, type_)

    def list_all(
        self,
        path: str,
        name: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        *,
        key: Callable[[R], Hashable] = attrgetter("id"),
        params: dict[str, Any] | None = None,
    ) -> list[R]:
        """Return what `build` makes of each item of a list. Pages are fetched side by side.

        `key` identifies an object: one that moved to another page meanwhile is returned once.
        """
        return number_pages(partial(self._page, path, name, type_, build, params), key)

    def iterate(
        self,
        path: str,
        name: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        *,
        key: Callable[[R], Hashable] = attrgetter("id"),
        params: dict[str, Any] | None = None,
    ) -> Iterator[R]:
        """Like `list_all`, but yield the objects one by one, fetching a page at a time."""
        return each_of_pages(partial(self._page, path, name, type_, build, params), key)

    def _page(
        self,
        path: str,
        name: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        params: dict[str, Any] | None,
        page: int,
    ) -> Page:
        query = {**(params or {}), "page": page, "per_page": self.per_page}
        response: DigitalOceanResponse = self.request(path, query)
        return response.page(name, type_, build, page)

    # Actions

    def act(self, path: str, **body: Any) -> StartedAction:
        """POST `body`, without fields that are None, and return the action that it starts."""
        action = _action(self.request(path, method="POST", json=drop_none(body)))
        return StartedAction(action, f"{path}/{action.id}")

    def get_action(self, action_id: int | str) -> DigitalOceanAction:
        """Return an action as it is now."""
        return self.fetch(f"/actions/{number(action_id)}", "action", DigitalOceanAction).value

    def wait_for(self, started: StartedAction, timeout: float) -> None:
        """Wait for an action to complete. Return at once if it may not be read (403, 404).

        Raises `OperationTimeoutError` after `timeout` seconds, and `ProviderError` if the action failed.
        """
        latest, path = started.action, started.path

        def poll() -> DigitalOceanAction | None:
            nonlocal latest
            if latest.status not in FINAL_STATUSES:
                latest = _action(self.request(path))
            return latest if latest.status in FINAL_STATUSES else None

        description = f"the action {latest.type} (id {latest.id})"
        try:
            ended = waiting.poll(poll, waiting_for=f"{description} to end", timeout=timeout)
        except ProviderHTTPError as error:
            if error.code in UNREADABLE_STATUSES:
                return
            raise
        if ended.status == "errored":
            resource = f"{ended.resource_type} {ended.resource_id}"
            raise ProviderError(f"{description} of {resource} failed", driver=self.driver)


def _action(response: DigitalOceanResponse) -> DigitalOceanAction:
    # The document has no envelope around actions of images
    bare = "action" not in response.decode(dict[str, msgspec.Raw])
    action: DigitalOceanAction = (
        response.decode(DigitalOceanAction) if bare else response.member("action", DigitalOceanAction).value
    )
    return action


class DigitalOceanBaseDriver(BearerDriver):
    """The base of DigitalOcean's drivers: `Driver("token")`.

    `api_version` is "v2", the only version; `ex_per_page` is the page size of lists, 200 at most.
    """

    connectionCls = DigitalOceanConnection
    connection: DigitalOceanConnection
    api_name = "digitalocean"
    name = "DigitalOcean"
    website = "https://www.digitalocean.com"
    api_versions = ("v2",)
    credentials = (Credential("token", ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")),)


def number(id_: object) -> int:
    """Return an id of DigitalOcean as a number. Raises `InvalidArgumentError` for other text."""
    return arguments.number(id_, DigitalOceanBaseDriver.name)
