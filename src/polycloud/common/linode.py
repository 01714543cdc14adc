"""Linode's API as all its services use it: the token, errors, pages, filters, rate limits, events, ids.

A service's driver subclasses `LinodeBaseDriver` and the service's base. It declares its payloads as Structs
and calls its connection: `fetch`, `post` and `put` return the object of a response as an `Item` (decoded, and
its bytes), `act` and `delete` return True, `list_all` and `iterate` read lists page by page. `begin` is for
operations that the API only accepts: it sends one, and returns a function that waits for the event that ends
it.

The API identifies its errors by a field and a sentence, not by codes: `REFUSALS` maps these to our errors.

Source: the provider's OpenAPI document, version 4.189.0 (paths below /v4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from polycloud.common import arguments
from polycloud.common.arguments import drop_none
from polycloud.common.bearer import BearerConnection, BearerDriver
from polycloud.common.credentials import Credential
from polycloud.common.pagination import Page, each_of_pages, number_pages
from polycloud.common.payload import Item, value_of
from polycloud.common.response import JsonResponse
from polycloud.concurrency import waiting
from polycloud.errors import (
    ConflictError,
    ImageUnavailableError,
    InvalidArgumentError,
    InvalidCredsError,
    InvalidNameError,
    MalformedResponseError,
    ProviderError,
    ProviderHTTPError,
    QuotaExceededError,
    UnavailableError,
)
from polycloud.http.messages import Request
from polycloud.http.ratelimits import RateLimiter, limiter_of

__all__ = [
    "API_HOST",
    "Filter",
    "LabelTakenError",
    "LinodeBaseDriver",
    "LinodeBusyError",
    "LinodeConnection",
    "LinodeEvent",
    "LinodeResponse",
    "number",
]

T = TypeVar("T")
R = TypeVar("R")
API_HOST = "api.linode.com"
API_VERSION = "v4"
MOST_PAGES = 10_000
REFUSED_STATUSES = frozenset({400, 403, 408, 409, 422})
UNREADABLE_STATUSES = frozenset({401, 403, 404})
NUMERIC_SEGMENT = r"/\d+"
FINAL_EVENTS = frozenset({"finished", "failed", "notification"})

Filter = Mapping[str, Any]
"""A filter of a list, in the form of the provider's `X-Filter`: `{"region": "us-east"}`."""


class LinodeBusyError(ConflictError):
    """The resource is busy with another operation; retry when that has finished."""


class LabelTakenError(ConflictError):
    """The account already has a resource of this kind with this label."""


MATCHED_CHARACTERS = 1000
"""How much of a reason is matched against `REFUSALS`."""

REFUSALS: tuple[tuple[str, str, type[ProviderHTTPError]], ...] = (
    ("", r"\bbusy\b", LinodeBusyError),
    ("label", r"\bunique|\balready\b|\bin use\b|\btaken\b|\bexists\b", LabelTakenError),
    ("label", "", InvalidNameError),
    (
        "",
        (
            r"^(?!.*\b(length|characters?|bytes)\b).*("
            r"\blimit (has been |was |is )?(exceeded|reached)|reached (your|the|an?) [^.]*(limit|maximum)"
            r"|exceeds? (your|the) [^.]*limit|maximum number|\bquota)"
        ),
        QuotaExceededError,
    ),
    ("image", "", ImageUnavailableError),
    (
        "",
        r"\bnot (currently )?available\b|\bunavailable\b|sold out|no (capacity|open slots)",
        UnavailableError,
    ),
    ("", r"\balready\b|\bin use\b|\bconflict\b|\b(is|currently) attached\b", ConflictError),
)
"""Field ("" for any), pattern of the reason, error; the first row that matches is used."""


class Reason(msgspec.Struct):
    """One reason of an error response, and the request's field that it concerns."""

    reason: str | None = None
    field: str | None = None

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.field, self.reason)))


class ErrorBody(msgspec.Struct):
    """The body of an error response."""

    errors: list[Reason]


class Entity(msgspec.Struct, frozen=True):
    """The resource that an event concerns."""

    id: int | str | None = None
    type: str | None = None
    label: str | None = None


class LinodeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event in the account: an operation on a resource, and how far it is.

    `status` is "scheduled", "started", "finished", "failed" or "notification"; times are ISO 8601 in UTC.
    """

    id: int
    action: str | None = None
    status: str | None = None
    created: str | None = None
    entity: Entity | None = None
    message: str | None = None
    percent_complete: int | float | None = None
    username: str | None = None


@lru_cache(maxsize=128)
def _page(type_: Any) -> Any:
    totals = [("pages", int | None, None), ("results", int | None, None)]
    return msgspec.defstruct("Page", [("data", list[type_]), *totals])


class LinodeResponse(JsonResponse):
    """A response: an object, or a page of objects under `data`; errors are `{"errors": [...]}`."""

    def parse_error(self) -> Any:
        """Return all reasons with their fields. Raises a specific error where `REFUSALS` has one."""
        try:
            reasons = self.decode(ErrorBody).errors
        except MalformedResponseError:
            return super().parse_error()
        message = "; ".join(filter(None, map(str, reasons)))
        for reason in reasons if self.status in REFUSED_STATUSES else ():
            if error := _error_for(reason):
                raise error(self.status, message, self.headers)
        return message or super().parse_error()

    def item(self, type_: Any) -> Item[Any]:
        """Return the object. Raises `MalformedResponseError` unless it is as documented."""
        return Item(self.decode(type_), self.content)

    def page(self, type_: Any, build: Callable[[Item[Any]], Any]) -> Page:
        """Return a page: what `build` makes of its items, the number of pages and of all items."""
        page = self.decode(_page(msgspec.Raw))
        if (page.pages or 0) > MOST_PAGES:
            raise self.malformed(f"the list claims {page.pages:,} pages; at most {MOST_PAGES:,} are read")
        return Page(self.built(page.data, type_, build, lambda: _page(type_)), page.pages or 1, page.results)


def _error_for(reason: Reason) -> type[ProviderHTTPError] | None:
    field, text = re.split(r"[.\[]", reason.field or "")[0], (reason.reason or "")[:MATCHED_CHARACTERS]
    for concerned, pattern, error in REFUSALS:
        if concerned in {"", field} and re.search(pattern, text, re.IGNORECASE):
            return error
    return None


class LinodeConnection(BearerConnection):
    """A connection with a bearer token and JSON bodies. `per_page` is the page size of lists.

    `path` is below /v4. `type_` is the Struct that an object is decoded to.
    """

    host = API_HOST
    request_path = f"/{API_VERSION}"
    responseCls = LinodeResponse
    most_a_page = 500

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limiters: dict[tuple[str, str], RateLimiter] = {}

    def limiter_for(self, request: Request) -> RateLimiter:
        """Return the limiter of this kind of request: the provider counts creates, lists and others apart."""
        kind = request.method, re.sub(NUMERIC_SEGMENT, "/", request.path)
        return self._limiters.get(kind) or self._limiters.setdefault(kind, limiter_of((self.account(), kind)))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_limiters": {}}

    def fetch(self, path: str, type_: type[T]) -> Item[T]:
        """Return the object at `path`."""
        response: LinodeResponse = self.request(path)
        return response.item(type_)

    def post(self, path: str, type_: type[T], body: dict[str, Any]) -> Item[T]:
        """POST `body` and return the object of the response."""
        response: LinodeResponse = self.request(path, method="POST", json=body)
        return response.item(type_)

    def put(self, path: str, type_: type[T], body: dict[str, Any]) -> Item[T]:
        """PUT `body`, which has the fields to change, and return the object of the response."""
        response: LinodeResponse = self.request(path, method="PUT", json=body)
        return response.item(type_)

    def act(self, path: str, **body: Any) -> bool:
        """POST `body` without the fields that are None, ignore the response's body and return True."""
        self.request(path, method="POST", json=drop_none(body) or None)
        return True

    def list_all(
        self,
        path: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        *,
        key: Callable[[R], Hashable] = attrgetter("id"),
        only: Filter | None = None,
    ) -> list[R]:
        """Return a list of what `build` makes of each item, without duplicates of `key`.

        Pages are read in parallel.
        """
        return number_pages(partial(self._page, path, type_, build, only), key)

    def iterate(
        self,
        path: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        *,
        key: Callable[[R], Hashable] = attrgetter("id"),
        only: Filter | None = None,
    ) -> Iterator[R]:
        """As `list_all`, but read a page at a time, as the iterator is used."""
        return each_of_pages(partial(self._page, path, type_, build, only), key)

    def _page(
        self, path: str, type_: type[T], build: Callable[[Item[T]], R], only: Filter | None, page: int
    ) -> Page:
        query = {"page": page, "page_size": self.per_page}
        response: LinodeResponse = self.request(path, params=query, headers=_filter_header(only))
        return response.page(type_, build)

    # Events

    def list_events(self, only: Filter | None = None) -> list[LinodeEvent]:
        """Return the events of the last 90 days."""
        return self.list_all("/account/events", LinodeEvent, value_of, only=only)

    def begin(self, entity: int, action: str, send: Callable[[], R]) -> tuple[R, Callable[[float], None]]:
        """Call `send`; return its result and a function that waits until the event `action` has ended.

        An operation has no id of its own: its event is the first one of this action for this entity that is
        newer than all events before `send`. The function takes a timeout in seconds. It raises
        `OperationTimeoutError` after that, and `ProviderError` if the operation failed. It returns at once if
        the token may not read events.
        """
        before = self._last_event(entity)
        return send(), lambda timeout: None if before is None else self._wait(entity, action, before, timeout)

    def _last_event(self, entity: int) -> int | None:
        """Return the id of the entity's latest event, 0 without one, None if events may not be read."""
        try:
            return max((event.id for event in self.list_events({"entity.id": entity})), default=0)
        except InvalidCredsError:
            return None
        except ProviderHTTPError as error:
            if error.code in UNREADABLE_STATUSES:
                return None
            raise

    def _wait(self, entity: int, action: str, before: int, timeout: float) -> None:
        def poll() -> LinodeEvent | None:
            newer = self.list_events({"entity.id": entity, "id": {"+gt": before}})
            return next((event for event in newer if _ends(event, entity, action, before)), None)

        operation = f"{action} of Linode {entity}"
        ended = waiting.poll(poll, waiting_for=f"{operation} to end", timeout=timeout)
        if ended.status == "failed":
            failure = f"{operation} (event {ended.id}) failed"
            message = ": ".join(filter(None, (failure, ended.message)))
            raise ProviderError(message, driver=self.driver)


def _ends(event: LinodeEvent, entity: int, action: str, before: int) -> bool:
    # The entity's type is not compared: it may be that of the disk or backup; the action's name is enough
    concerns = event.id > before and str((event.entity or Entity()).id) == str(entity)
    return concerns and event.action == action and event.status in FINAL_EVENTS


def _filter_header(only: Filter | None) -> dict[str, str]:
    if not only:
        return {}
    try:
        return {"X-Filter": json.dumps(only)}
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"ex_filter must be encodable as JSON, got {only!r}: {error}") from None


class LinodeBaseDriver(BearerDriver):
    """The base of Linode's drivers: `Driver("token")`.

    `api_version` is "v4" (or Libcloud's "4.0"), the only one supported; `ex_per_page` is the page size of
    lists, 25 to 500.
    """

    connectionCls = LinodeConnection
    connection: LinodeConnection
    api_name = "linode"
    name = "Linode"
    website = "https://www.linode.com"
    api_versions = ("v4", "4.0")
    credentials = (Credential("token", ("LINODE_TOKEN", "LINODE_CLI_TOKEN")),)


def number(id_: object) -> int:
    """Return an id as a number. Raises `InvalidArgumentError` unless it is one."""
    return arguments.number(id_, LinodeBaseDriver.name)
