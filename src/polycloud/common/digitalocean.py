"""What DigitalOcean's services share: the token, answers and errors, numbered pages, actions.

Source: the provider's OpenAPI document, version 2.0 (paths below /v2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from polycloud.common import arguments
from polycloud.common.arguments import drop_none
from polycloud.common.base import JsonResponse
from polycloud.common.bearer import BearerConnection, BearerDriver
from polycloud.common.credentials import Credential
from polycloud.common.pagination import Page, built, each_of_pages, number_pages
from polycloud.common.payload import Item
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

__all__ = [
    "API_HOST",
    "Begun",
    "DigitalOceanAction",
    "DigitalOceanBaseDriver",
    "DigitalOceanConnection",
    "DigitalOceanResponse",
    "number",
    "whole",
]

T = TypeVar("T")
R = TypeVar("R")
API_HOST = "api.digitalocean.com"
API_VERSION = "v2"
MOST_PAGES = 10_000
REFUSED = frozenset({403, 409, 422})
RATE_LIMITED = 429
NOT_TO_BE_SEEN = frozenset({403, 404})
QUOTA = re.compile(
    r"^(?!.*\b(length|characters?)\b).*("
    r"\bquota|(exceed|reach)\w* (your|the maximum number)\b|reached the (\w+ limit|limit of)\b"
    r"|limit( of \w+( \(\d+\))?)? ((is|was|has been|will be|would be) )?(exceeded|reached))",
    re.IGNORECASE | re.DOTALL,
)
BUSY = re.compile(r"pending event|is (currently )?locked|already (in use|exists?|attached)", re.IGNORECASE)

WORDS = 1000
"""Characters in which a refusal is recognized; the patterns take quadratic time."""

UNPROCESSABLE = 422
REFUSALS = (
    (re.compile(r"hostname|\bname\b.*\b(characters?|valid|blank|long)\b", re.IGNORECASE), InvalidNameError),
    (re.compile(r"\bimage\b.*(available|invalid)|invalid image", re.IGNORECASE), ImageUnavailableError),
    (re.compile(r"not available|unavailable", re.IGNORECASE), UnavailableError),
)
"""The document gives a refusal no code of its own: what was refused is known by the words only."""


class Meta(msgspec.Struct):
    """What a list tells of itself: `total` counts the items of all pages."""

    total: int | None = None


class Pages(msgspec.Struct):
    """Links to further pages, of which only the numbers are read."""

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


class Begun(NamedTuple):
    """An action as it began, and the path at which it is looked at."""

    action: DigitalOceanAction
    path: str


def whole(item: Item[T]) -> Item[T]:
    """An item as it is."""
    return item


@lru_cache(maxsize=128)
def _envelope(name: str, type_: Any) -> Any:
    return msgspec.defstruct("Envelope", [(name, type_)])


@lru_cache(maxsize=128)
def _page(name: str, type_: Any) -> Any:
    optional = [("links", Links | None, None), ("meta", Meta | None, None)]
    return msgspec.defstruct("Page", [(name, list[type_] | None), *optional])


class DigitalOceanResponse(JsonResponse):
    """An answer: objects stand under their names; errors are `{"id": ..., "message": ...}`."""

    def parse_error(self) -> Any:
        """The provider's words; raises where they tell more than the status does.

        A quota is a 403 or 422 like any other refusal, and so is a droplet that is busy with another
        action, or a name that is taken.
        """
        message = str(super().parse_error())
        words = message[:WORDS]
        if self.status == RATE_LIMITED:
            raise RateLimitReachedError(self.status, message, self.headers)
        if self.status in REFUSED and QUOTA.search(words):
            raise QuotaExceededError(self.status, message, self.headers)
        if self.status in REFUSED and BUSY.search(words):
            raise ConflictError(self.status, message, self.headers)
        if self.status == UNPROCESSABLE:
            for pattern, error in REFUSALS:
                if pattern.search(words):
                    raise error(self.status, message, self.headers)
        return message

    def member(self, name: str, type_: type[T]) -> Item[T]:
        """The object under `name`. Raises `MalformedResponseError` where it is not as documented."""
        return Item(self._under(name, _envelope, type_), self._under(name, _envelope, msgspec.Raw))

    def page(self, name: str, type_: type[T], here: int) -> Page:
        """The `Item`s of page `here` of the list under `name`, the number of its pages and its total.

        null is an empty list. A first page without links tells by its length how long pages are.
        """
        values = self._under(name, _page, type_)
        told = self.decode(_page(name, msgspec.Raw))
        items = list(map(Item, values or (), getattr(told, name) or ()))
        total = told.meta.total if told.meta else None
        linked, size = _last_page(told.links), self._per_page()
        if here == 1 and linked == 1 and items:
            size = min(size, len(items))
        pages = max(linked, -(-(total or 0) // size))
        if pages > MOST_PAGES:
            raise self.malformed(f"a list of {pages:,} pages cannot be")
        return Page(items, pages, total)

    def _under(self, name: str, shape: Callable[[str, Any], Any], type_: Any) -> Any:
        return getattr(self.decode(shape(name, type_)), name)

    def _per_page(self) -> int:
        assert isinstance(self.connection, DigitalOceanConnection)
        return self.connection.per_page


def _last_page(links: Links | None) -> int:
    """The greatest page number that is linked; 1 where none is, since that is the only one."""
    pages = (links.pages if links else None) or Pages()
    return max(_page_number(pages.last or ""), _page_number(pages.next or ""))


def _page_number(link: str) -> int:
    try:
        return max(1, int(parse_qs(urlsplit(link).query)["page"][0]))
    except (KeyError, ValueError):
        return 1


class DigitalOceanConnection(BearerConnection):
    """A bearer token; bodies and answers are JSON. `per_page` is how many items a page is to have."""

    host = API_HOST
    request_path = f"/{API_VERSION}"
    responseCls = DigitalOceanResponse
    most_a_page = 200

    def fetch(self, path: str, name: str, type_: type[T]) -> Item[T]:
        """The object under `name` in what the provider tells of `path`."""
        answer: DigitalOceanResponse = self.request(path)
        return answer.member(name, type_)

    def create(self, path: str, name: str, type_: type[T], body: dict[str, Any]) -> Item[T]:
        """The object under `name` in the answer to a POST of `body`."""
        answer: DigitalOceanResponse = self.request(path, method="POST", json=body)
        return answer.member(name, type_)

    def put(self, path: str, name: str, type_: type[T], body: dict[str, Any]) -> Item[T]:
        """Return the object under `name` in the response to a PUT of `body`."""
        response: DigitalOceanResponse = self.request(path, method="PUT", json=body)
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
        """What `build` makes of every item of a list, each once; pages are fetched side by side."""
        return number_pages(built(partial(self._page, path, name, type_, params), build), key)

    def iterate(self, path: str, name: str, type_: type[T], build: Callable[[Item[T]], R]) -> Iterator[R]:
        """What `build` makes of the items of a list, each once, a page at a time."""
        return each_of_pages(built(partial(self._page, path, name, type_, None), build), attrgetter("id"))

    def _page(self, path: str, name: str, type_: type[T], params: dict[str, Any] | None, page: int) -> Page:
        query = {**(params or {}), "page": page, "per_page": self.per_page}
        answer: DigitalOceanResponse = self.request(path, params=query)
        return answer.page(name, type_, page)

    # Actions

    def act(self, path: str, **body: Any) -> Begun:
        """Tell the provider to do something; the action as it begins. What is None is left out."""
        action = _action(self.request(path, method="POST", json=drop_none(body)))
        return Begun(action, f"{path}/{action.id}")

    def get_action(self, action_id: int | str) -> DigitalOceanAction:
        """An action as it is now."""
        return self.fetch(f"/actions/{number(action_id)}", "action", DigitalOceanAction).value

    def wait_for(self, begun: Begun, timeout: float) -> None:
        """Wait until an action has ended well; not for one that was accepted and cannot be looked at.

        Raises `OperationTimeoutError` after `timeout` seconds, and `ProviderError` where it failed.
        """
        action, path = begun
        latest = [action]

        def look() -> DigitalOceanAction | None:
            if latest[0].status not in {"completed", "errored"}:
                latest[0] = _action(self.request(path))
            return latest[0] if latest[0].status in {"completed", "errored"} else None

        what = f"the action {action.type} (id {action.id})"
        try:
            ended = waiting.poll(look, waiting_for=f"{what} to end", timeout=timeout)
        except ProviderHTTPError as error:
            if error.code in NOT_TO_BE_SEEN:
                return
            raise
        if ended.status == "errored":
            raise ProviderError(
                f"{what} of {ended.resource_type} {ended.resource_id} failed", driver=self.driver
            )


def _action(answer: DigitalOceanResponse) -> DigitalOceanAction:
    # The document leaves the envelope out for actions of images.
    bare = "action" not in answer.decode(dict[str, msgspec.Raw])
    return answer.decode(DigitalOceanAction) if bare else answer.member("action", DigitalOceanAction).value


class DigitalOceanBaseDriver(BearerDriver):
    """The base of DigitalOcean's drivers: `Driver("token")`.

    `api_version` is "v2", the only one there is; `ex_per_page` the items of a page (200 at most).
    """

    connectionCls = DigitalOceanConnection
    connection: DigitalOceanConnection
    api_name = "digitalocean"
    name = "DigitalOcean"
    website = "https://www.digitalocean.com"
    api_versions = ("v2",)
    credentials = (Credential("token", ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")),)


def number(id_: object) -> int:
    """An id of DigitalOcean's as a number. Raises `InvalidArgumentError` for what is none."""
    return arguments.number(id_, DigitalOceanBaseDriver.name)
