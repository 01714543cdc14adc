"""What DigitalOcean's services share: the token, answers and errors, numbered pages, actions.

Source: the provider's OpenAPI document, version 2.0 (paths below /v2).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from functools import lru_cache
from math import ceil
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from polycloud.common import waiting
from polycloud.common.base import BaseDriver, ConnectionKey, JsonResponse
from polycloud.common.pagination import Page, follow_marker, number_pages
from polycloud.common.types import (
    ConflictError,
    InvalidArgumentError,
    ProviderError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    UnsupportedOperationError,
)

__all__ = [
    "API_HOST",
    "DigitalOceanAction",
    "DigitalOceanBaseDriver",
    "DigitalOceanConnection",
    "DigitalOceanResponse",
    "Item",
    "number",
    "plain",
    "present",
    "whole",
]

T = TypeVar("T")
R = TypeVar("R")
API_HOST = "api.digitalocean.com"
API_VERSION = "v2"
PER_PAGE = 200
MOST_PAGES = 10_000
REFUSED = frozenset({403, 409, 422})
UNSEEN = frozenset({403, 404})
RATE_LIMITED = 429
QUOTA = re.compile(
    r"^(?!.*\b(length|characters?)\b).*(\bquota|\bexceeds? your\b|\bmaximum number\b"
    r"|\b(exceed|reach)\w*\b[^.]*\blimits?\b|\blimits?\b[^.]*\b(exceed|reach))",
    re.IGNORECASE,
)
BUSY = re.compile(r"pending event|is (currently )?locked|already (in use|exists?|attached)", re.IGNORECASE)


class Meta(msgspec.Struct):
    """What a list tells of itself: `total` counts the items of all pages."""

    total: int | None = None


class Pages(msgspec.Struct):
    """Links to further pages; only the numbers in them are read."""

    last: str | None = None
    next: str | None = None


class Links(msgspec.Struct):
    """The links of a list."""

    pages: Pages | None = None


class DigitalOceanAction(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the provider was told to do and does in its own time.

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


class Item(NamedTuple, Generic[T]):
    """An object of an answer, decoded, and its own bytes."""

    value: T
    raw: msgspec.Raw


def plain(item: Item[T]) -> T:
    """An item without its bytes."""
    return item.value


def whole(item: Item[T]) -> Item[T]:
    """An item as it is."""
    return item


@lru_cache(maxsize=128)
def _envelope(name: str, type_: Any) -> Any:
    return msgspec.defstruct("Envelope", [(name, type_)])


@lru_cache(maxsize=128)
def _page(name: str, type_: Any) -> Any:
    optional = [("links", Links | None, None), ("meta", Meta | None, None)]
    return msgspec.defstruct("Page", [(name, list[type_]), *optional])


class DigitalOceanResponse(JsonResponse):
    """An answer: objects stand under their names; errors are `{"id": ..., "message": ...}`."""

    def parse_error(self) -> Any:
        """The provider's words; raises where they tell more than the status does.

        A quota is a 403 or 422 like any other refusal, and so is a droplet that is busy with another
        action, or a name that is taken.
        """
        message = str(super().parse_error())
        if self.status == RATE_LIMITED:
            raise RateLimitReachedError(self.status, message, {**self._pause(), **self.headers})
        if self.status in REFUSED and QUOTA.search(message):
            raise QuotaExceededError(self.status, message, self.headers)
        if self.status in REFUSED and BUSY.search(message):
            raise ConflictError(self.status, message, self.headers)
        return message

    def _pause(self) -> dict[str, str]:
        """`retry-after` from the moment at which the oldest request of the hour expires."""
        reset = self.headers.get("ratelimit-reset", "")
        if not (reset.isascii() and reset.isdigit()):
            return {}
        return {"retry-after": str(max(0, ceil(int(reset) - time.time())))}

    def member(self, name: str, type_: type[T]) -> Item[T]:
        """The object under `name`. Raises `MalformedResponseError` where it is not as documented."""
        return Item(self._under(name, _envelope, type_), self._under(name, _envelope, msgspec.Raw))

    def page(self, name: str, type_: type[T]) -> Page:
        """The `Item`s of the list under `name`, with the number of its pages and its total."""
        values = self._under(name, _page, type_)
        told = self.decode(_page(name, msgspec.Raw))
        items = list(map(Item, values, getattr(told, name)))
        total = told.meta.total if told.meta else None
        size = self._per_page()
        if 1 < len(items) < (total or 0) and told.links is None:
            size = min(size, len(items))  # smaller pages than asked for
        pages = max(_last_page(told.links), -(-(total or 0) // size))
        if pages > MOST_PAGES:
            raise self.malformed(f"a list of {pages:,} pages cannot be")
        return Page(items, pages, total)

    def _under(self, name: str, shape: Callable[[str, Any], Any], type_: Any) -> Any:
        return getattr(self.decode(shape(name, type_)), name)

    def _per_page(self) -> int:
        assert isinstance(self.connection, DigitalOceanConnection)
        return self.connection.per_page


def _last_page(links: Links | None) -> int:
    """The greatest number of a page that is linked; 1 where none is, since then there is one page."""
    pages = links.pages if links else None
    numbers = [1]
    for link in (pages.last, pages.next) if pages else ():
        with suppress(KeyError, ValueError):
            numbers.append(int(parse_qs(urlsplit(link or "").query)["page"][0]))
    return max(numbers)


class DigitalOceanConnection(ConnectionKey):
    """A bearer token; bodies and answers are JSON. `per_page` is how many items a page is to have."""

    host = API_HOST
    request_path = f"/{API_VERSION}"
    responseCls = DigitalOceanResponse

    def __init__(self, *args: Any, per_page: int = PER_PAGE, **options: Any) -> None:
        super().__init__(*args, **options)
        self.per_page = per_page

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """The token."""
        headers["Authorization"] = f"Bearer {self.key}"
        return headers

    def fetch(self, path: str, name: str, type_: type[T]) -> Item[T]:
        """The object under `name` in what the provider tells of `path`."""
        answer: DigitalOceanResponse = self.request(path)
        return answer.member(name, type_)

    def create(self, path: str, name: str, type_: type[T], body: dict[str, Any]) -> Item[T]:
        """The object under `name` in the answer to a POST of `body`."""
        answer: DigitalOceanResponse = self.request(path, method="POST", json=body)
        return answer.member(name, type_)

    def delete(self, path: str) -> bool:
        """Delete what is at `path`; True."""
        self.request(path, method="DELETE")
        return True

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
        """What `build` makes of every item of a list, each once; pages are fetched side by side."""

        def fetch(page: int) -> Page:
            told = self._page(path, name, type_, page, params)
            # a page at a time, so that the answers and what was decoded can go
            return told._replace(items=list(map(build, told.items)))

        return number_pages(fetch, key)

    def iterate(self, path: str, name: str, type_: type[T], build: Callable[[Item[T]], R]) -> Iterator[R]:
        """What `build` makes of the items of a list, each once, a page at a time."""

        def fetch(marker: str | int | None) -> tuple[Iterator[R], int | None]:
            here = int(marker or 1)
            page = self._page(path, name, type_, here)
            return map(build, page.items), here + 1 if here < page.pages else None

        return follow_marker(fetch, attrgetter("id"))

    def _page(
        self, path: str, name: str, type_: type[T], page: int, params: dict[str, Any] | None = None
    ) -> Page:
        query = {**(params or {}), "page": page, "per_page": self.per_page}
        answer: DigitalOceanResponse = self.request(path, params=query)
        return answer.page(name, type_)

    # Actions

    def act(self, path: str, **body: Any) -> DigitalOceanAction:
        """Tell the provider to do something; the action as it begins. What is None is left out."""
        answer: DigitalOceanResponse = self.request(path, method="POST", json=present(body))
        # The document leaves the envelope out for actions of images.
        bare = "action" not in answer.decode(dict[str, msgspec.Raw])
        return (
            answer.decode(DigitalOceanAction) if bare else answer.member("action", DigitalOceanAction).value
        )

    def get_action(self, action_id: int | str) -> DigitalOceanAction:
        """An action as it is now."""
        return self.fetch(f"/actions/{number(action_id)}", "action", DigitalOceanAction).value

    def wait_for(self, action: DigitalOceanAction, timeout: float) -> DigitalOceanAction:
        """Wait until an action has ended well; the action as it ended.

        One that was accepted and cannot be looked at (a token without that right) counts as ended.

        Raises `OperationTimeoutError` after `timeout` seconds, and `ProviderError` where it failed.
        """
        latest = [action]

        def look() -> DigitalOceanAction | None:
            if latest[0].status not in {"completed", "errored"}:
                latest[0] = self._followed(latest[0])
            return latest[0] if latest[0].status in {"completed", "errored"} else None

        what = f"the action {action.type} (id {action.id})"
        ended = waiting.poll(look, waiting_for=f"{what} to end", timeout=timeout)
        if ended.status == "errored":
            raise ProviderError(
                f"{what} of {ended.resource_type} {ended.resource_id} failed", driver=self.driver
            )
        return ended

    def _followed(self, action: DigitalOceanAction) -> DigitalOceanAction:
        try:
            return self.get_action(action.id)
        except ProviderHTTPError as error:
            if error.code not in UNSEEN:
                raise
            return msgspec.structs.replace(action, status="completed")


class DigitalOceanBaseDriver(BaseDriver):
    """The base of DigitalOcean's drivers: `Driver("token")`.

    `api_version` is "v2", the only one there is; `ex_per_page` the items of a page (200 at most).
    """

    connectionCls = DigitalOceanConnection
    connection: DigitalOceanConnection
    api_name = "digitalocean"
    name = "DigitalOcean"
    website = "https://www.digitalocean.com"

    def __init__(
        self,
        key: str,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        api_version: str | None = API_VERSION,
        region: str | None = None,
        *,
        ex_per_page: int = PER_PAGE,
        **options: Any,
    ) -> None:
        if api_version not in {None, API_VERSION}:
            raise UnsupportedOperationError(f"{self.name} has no API {api_version}, only {API_VERSION}", self)
        if secret:
            raise InvalidArgumentError(f"{self.name} takes a token and nothing else; leave secret= out")
        self._per_page = ex_per_page
        super().__init__(key, None, secure, host, port, API_VERSION, region, **options)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {"per_page": self._per_page}


def number(id_: object) -> int:
    """An id as the number that the provider wants. Raises `InvalidArgumentError` for what is none."""
    try:
        return int(str(id_))
    except ValueError:
        name = DigitalOceanBaseDriver.name
        raise InvalidArgumentError(f"{id_!r} is no id of {name}'s: those are numbers") from None


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that are there: the provider takes an absent field, and refuses null."""
    return {name: value for name, value in fields.items() if value is not None}
