"""What Linode's services share: the token, answers and refusals, numbered pages, filters, events.

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
from polycloud.common.base import JsonResponse
from polycloud.common.bearer import BearerConnection, BearerDriver
from polycloud.common.credentials import Credential
from polycloud.common.pagination import Page, built, each_of_pages, number_pages
from polycloud.common.payload import Item, decoder, value_of
from polycloud.concurrency import waiting
from polycloud.errors import (
    ConflictError,
    ImageUnavailableError,
    InvalidArgumentError,
    InvalidCredsError,
    InvalidNameError,
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
REFUSED = frozenset({400, 403, 408, 409, 422})
NOT_TO_BE_SEEN = frozenset({401, 403, 404})
NUMBERS = re.compile(r"/\d+")
ENDED = frozenset({"finished", "failed", "notification"})

Filter = Mapping[str, Any]
"""What a list is narrowed down by, as the provider's `X-Filter`: `{"region": "us-east"}`."""


class LinodeBusyError(ConflictError):
    """What it is about is busy with something else, and refuses until that has ended."""


class LabelTakenError(ConflictError):
    """The account has a thing of that kind and name already."""


WORDS = 1000
"""Characters in which a refusal is recognized."""

REFUSALS: tuple[tuple[str, re.Pattern[str], type[ProviderHTTPError]], ...] = tuple(
    (field, re.compile(words, re.IGNORECASE), error)
    for field, words, error in (
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
        ("", r"\balready\b|\bin use\b|\b(is|currently) attached\b", ConflictError),
    )
)
"""Field ("" for any), words, error: the provider gives its refusals no codes of their own."""


class Fault(msgspec.Struct):
    """One of the reasons of a refusal, and the field of the request that it is about."""

    reason: str | None = None
    field: str | None = None

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.field, self.reason)))


class Faults(msgspec.Struct):
    """The body of a refusal."""

    errors: list[Fault]


class Entity(msgspec.Struct, frozen=True):
    """What an event is about."""

    id: int | str | None = None
    type: str | None = None
    label: str | None = None


class LinodeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, or happens, to a thing of the account.

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
    """An answer: an object, or a page of them under `data`; refusals are `{"errors": [...]}`."""

    def parse_error(self) -> Any:
        """Every reason with its field; raises where they tell more than the status does."""
        try:
            faults = decoder(Faults, strict=False).decode(self.content).errors
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return super().parse_error()
        message = "; ".join(filter(None, map(str, faults)))
        for fault in faults if self.status in REFUSED else ():
            if kind := _kind_of(fault):
                raise kind(self.status, message, self.headers)
        return message or super().parse_error()

    def item(self, type_: type[T]) -> Item[T]:
        """The object. Raises `MalformedResponseError` where it is not as documented."""
        return Item(self.decode(type_), msgspec.Raw(self.content))

    def page(self, type_: Any) -> Page:
        """The `Item`s of a page, the number of pages and of all items."""
        told = self.decode(_page(type_))
        if (told.pages or 0) > MOST_PAGES:
            raise self.malformed(f"a list of {told.pages:,} pages cannot be")
        raws = self.decode(_page(msgspec.Raw)).data
        return Page(list(map(Item, told.data, raws)), told.pages or 1, told.results)


def _kind_of(fault: Fault) -> type[ProviderHTTPError] | None:
    field, words = re.split(r"[.\[]", fault.field or "")[0], (fault.reason or "")[:WORDS]
    for about, pattern, kind in REFUSALS:
        if about in {"", field} and pattern.search(words):
            return kind
    return None


class LinodeConnection(BearerConnection):
    """A bearer token; bodies and answers are JSON. `per_page` is how many items a page is to have."""

    host = API_HOST
    request_path = f"/{API_VERSION}"
    responseCls = LinodeResponse
    most_a_page = 500

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limiters: dict[tuple[str, str], RateLimiter] = {}

    def limiter_for(self, request: Request) -> RateLimiter:
        """One for each kind of request: the provider counts creates, lists and others apart."""
        kind = request.method, NUMBERS.sub("/", request.path)
        return self._limiters.get(kind) or self._limiters.setdefault(kind, limiter_of((self.account(), kind)))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_limiters": {}}

    def fetch(self, path: str, type_: type[T]) -> Item[T]:
        """The object that is at `path`."""
        answer: LinodeResponse = self.request(path)
        return answer.item(type_)

    def post(self, path: str, type_: type[T], body: dict[str, Any]) -> Item[T]:
        """The object in the answer to a POST of `body`."""
        answer: LinodeResponse = self.request(path, method="POST", json=body)
        return answer.item(type_)

    def put(self, path: str, type_: type[T], body: dict[str, Any]) -> Item[T]:
        """The object in the answer to a PUT of `body`, which names what is to change."""
        answer: LinodeResponse = self.request(path, method="PUT", json=body)
        return answer.item(type_)

    def act(self, path: str, **body: Any) -> bool:
        """Tell the provider to do something, without what is None; True."""
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
        """What `build` makes of every item of a list, each once; pages are fetched side by side."""
        return number_pages(built(partial(self._page, path, type_, only), build), key)

    def iterate(
        self, path: str, type_: type[T], build: Callable[[Item[T]], R], only: Filter | None = None
    ) -> Iterator[R]:
        """What `build` makes of the items of a list, each once, a page at a time."""
        return each_of_pages(built(partial(self._page, path, type_, only), build), attrgetter("id"))

    def _page(self, path: str, type_: type[T], only: Filter | None, page: int) -> Page:
        query = {"page": page, "page_size": self.per_page}
        answer: LinodeResponse = self.request(path, params=query, headers=_filtered(only))
        return answer.page(type_)

    # Events

    def list_events(self, only: Filter | None = None) -> list[LinodeEvent]:
        """The events of the last 90 days."""
        return self.list_all("/account/events", LinodeEvent, value_of, only=only)

    def begin(self, linode: int, action: str, send: Callable[[], R]) -> tuple[R, Callable[[float], None]]:
        """What `send` gives, and what waits (seconds) until the event `action` that it causes has ended.

        Waiting raises `OperationTimeoutError` after those seconds, and `ProviderError` where it failed. A
        token that may not see events is not made to wait.
        """
        seen = self._last_event(linode)
        return send(), lambda timeout: None if seen is None else self._wait(linode, action, seen, timeout)

    def _last_event(self, linode: int) -> int | None:
        try:
            return max((event.id for event in self.list_events({"entity.id": linode})), default=0)
        except InvalidCredsError:
            return None
        except ProviderHTTPError as error:
            if error.code in NOT_TO_BE_SEEN:
                return None
            raise

    def _wait(self, linode: int, action: str, seen: int, timeout: float) -> None:
        def look() -> LinodeEvent | None:
            newer = self.list_events({"entity.id": linode, "id": {"+gt": seen}})
            found = (event for event in newer if _ended(event, linode, action, seen))
            return next(found, None)

        what = f"{action} of Linode {linode}"
        ended = waiting.poll(look, waiting_for=f"{what} to end", timeout=timeout)
        if ended.status == "failed":
            told = ": ".join(filter(None, (f"{what} (event {ended.id}) failed", ended.message)))
            raise ProviderError(told, driver=self.driver)


def _ended(event: LinodeEvent, linode: int, action: str, seen: int) -> bool:
    # An action's name says of what it is: the entity's type may be the disk or backup that is concerned
    ours = event.id > seen and str((event.entity or Entity()).id) == str(linode)
    return ours and event.action == action and event.status in ENDED


def _filtered(only: Filter | None) -> dict[str, str]:
    if not only:
        return {}
    try:
        return {"X-Filter": json.dumps(only)}
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"ex_filter={only!r} is no filter: {error}") from None


class LinodeBaseDriver(BearerDriver):
    """The base of Linode's drivers: `Driver("token")`.

    `api_version` is "v4" (or Libcloud's "4.0"), the only one there is; `ex_per_page` the items of a page, 25
    to 500.
    """

    connectionCls = LinodeConnection
    connection: LinodeConnection
    api_name = "linode"
    name = "Linode"
    website = "https://www.linode.com"
    api_versions = ("v4", "4.0")
    credentials = (Credential("token", ("LINODE_TOKEN", "LINODE_CLI_TOKEN")),)


def number(id_: object) -> int:
    """An id of Linode's as a number. Raises `InvalidArgumentError` for what is none."""
    return arguments.number(id_, LinodeBaseDriver.name)
