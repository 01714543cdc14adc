"""Cloudflare's API as the driver uses it: credentials, the envelope of responses, errors, pages.

Each response is `{"success": ..., "errors": [...], "result": ..., "result_info": ...}`. Errors have codes,
and some a chain of more specific errors. `REFUSALS` maps the codes to our errors; the status says little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from polycloud.common.bearer import BearerConnection
from polycloud.common.pagination import Page, each_of_pages, number_pages
from polycloud.common.response import JsonResponse
from polycloud.dns.types import RecordAlreadyExistsError, RecordConflictError, RecordError
from polycloud.errors import (
    ConflictError,
    InvalidCredsError,
    InvalidNameError,
    MalformedResponseError,
    NotFoundError,
    ProviderError,
    ProviderHTTPError,
    QuotaExceededError,
)
from polycloud.http.retry import LOST_STATUSES
from polycloud.utils.status import HTTPStatus

T = TypeVar("T")
R = TypeVar("R")
MOST_PAGES = 10_000
REFUSALS: dict[int, tuple[type[ProviderError], int]] = {
    **dict.fromkeys((6003, 9103, 9106, 9109, 10000), (InvalidCredsError, HTTPStatus.UNAUTHORIZED)),
    **dict.fromkeys((1001, 7000, 7003, 81044), (NotFoundError, HTTPStatus.NOT_FOUND)),
    1061: (ConflictError, HTTPStatus.CONFLICT),
    **dict.fromkeys((81057, 81058), (RecordAlreadyExistsError, HTTPStatus.CONFLICT)),
    **dict.fromkeys((81053, 81054, 81056), (RecordConflictError, HTTPStatus.CONFLICT)),
    **dict.fromkeys((1049, 9000), (InvalidNameError, HTTPStatus.BAD_REQUEST)),
    **dict.fromkeys((9300, 81045), (QuotaExceededError, HTTPStatus.FORBIDDEN)),
}
"""Code of the provider: our error, and the status that it stands for."""


class Reason(msgspec.Struct):
    """An error of a response, and the more specific ones that led to it."""

    code: int = 0
    message: str = ""
    error_chain: list[Reason] | None = None

    def chain(self) -> list[Reason]:
        """Return this error and all that led to it."""
        return [self, *(one for cause in self.error_chain or () for one in cause.chain())]

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


class Verdict(msgspec.Struct):
    """What a response says about its request; the response to a delete lacks `success`."""

    success: bool = True
    errors: list[Reason] | None = None


class Info(msgspec.Struct):
    """Where a page is in its list."""

    per_page: int | None = None
    total_count: int | None = None
    total_pages: int | None = None


class Envelope(msgspec.Struct, Generic[T]):
    """A response with its result."""

    result: T
    result_info: Info | None = None


class CloudflareResponse(JsonResponse):
    """A response; a status 200 may be an error too."""

    def success(self) -> bool:
        """Return whether the provider carried out the request."""
        return super().success() and (not self.content.strip() or self.decode(Verdict).success)

    def parse_error(self) -> Any:
        """Return the provider's messages with their codes. Raises the error that a code identifies."""
        try:
            reasons = self.decode(Verdict).errors
        except MalformedResponseError:
            return super().parse_error()
        chains = [reason.chain() for reason in reasons or ()]
        message = "; ".join(": ".join(map(str, chain)) for chain in chains)
        known = next((REFUSALS[one.code] for chain in chains for one in chain if one.code in REFUSALS), None)
        if known and self.status not in LOST_STATUSES:
            raise self._refusal(message, *known)
        return message or super().parse_error()

    def _refusal(self, message: str, kind: type[ProviderError], status: int) -> ProviderError:
        if issubclass(kind, ProviderHTTPError) and not issubclass(kind, RecordError):
            return kind(status, message, self.headers)
        error = kind(message)
        if isinstance(error, RecordError):
            error.headers = dict(self.headers)
        return error


class CloudflareConnection(BearerConnection):
    """A connection with an API token; with `email`, its key is the account's global key."""

    host = "api.cloudflare.com"
    request_path = "/client/v4"
    responseCls = CloudflareResponse
    most_a_page = 5000

    def __init__(self, *args: Any, email: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.email = email

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the token, or the address and the key."""
        if self.email is None:
            return super().add_default_headers(headers)
        return {**headers, "X-Auth-Email": self.email, "X-Auth-Key": self.key}

    def result(self, method: str, path: str, type_: type[T], body: dict[str, Any] | None = None) -> T:
        """Send a request and return its result."""
        response: CloudflareResponse = self.request(path, method=method, json=body)
        found: T = response.decode(Envelope[type_]).result  # type: ignore[valid-type]
        return found

    def list_all(self, path: str, type_: type[T], build: Callable[[T], R], **params: Any) -> list[R]:
        """Return what `build` makes of each item of a list. Pages are fetched side by side."""
        return number_pages(partial(self._page, path, type_, build, params), attrgetter("id"))

    def iterate(self, path: str, type_: type[T], build: Callable[[T], R], **params: Any) -> Iterator[R]:
        """Like `list_all`, but yield the objects one by one, fetching a page at a time."""
        return each_of_pages(partial(self._page, path, type_, build, params), attrgetter("id"))

    def _page(
        self, path: str, type_: type[T], build: Callable[[T], R], params: dict[str, Any], page: int
    ) -> Page:
        query = {"per_page": self.per_page, **params, "page": page}
        response: CloudflareResponse = self.request(path, query)
        answer = response.decode(Envelope[list[type_]])  # type: ignore[valid-type]
        info = answer.result_info or Info()
        pages = info.total_pages or -(-(info.total_count or 0) // (info.per_page or query["per_page"]))
        if pages > MOST_PAGES:
            raise response.malformed(f"the list claims {pages:,} pages; at most {MOST_PAGES:,} are read")
        return Page(list(map(build, answer.result)), pages, info.total_count)
