"""Requests to Cloud DNS: jobs, pages and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from polycloud.common.building import quote_segment
from polycloud.common.openstack import OpenStackBaseConnection, OpenStackResponse
from polycloud.common.pagination import Page, number_pages
from polycloud.common.polling import PollingConnection
from polycloud.errors import (
    MalformedResponseError,
    NotFoundError,
    ProviderError,
    QuotaExceededError,
    RateLimitReachedError,
    error_from_status,
)
from polycloud.utils.headers import retry_after_seconds
from polycloud.utils.status import HTTPStatus

T = TypeVar("T")
AT_ONCE = 100
"""The most items of a page, and of a job."""
LIMIT_REACHED = 413


class Messages(msgspec.Struct):
    """What is invalid in a request."""

    messages: list[str] = []


class Faults(msgspec.Struct):
    """What is wrong with the items of a delete."""

    faults: list[Fault] = []


class Fault(msgspec.Struct, rename="camel"):
    """An error, of a request or of a job; `code` is the HTTP status that it stands for."""

    code: int = 0
    message: str | None = None
    details: str | None = None
    validation_errors: Messages | None = None
    failed_items: Faults | None = None

    def __str__(self) -> str:
        invalid = self.validation_errors.messages if self.validation_errors else []
        items = self.failed_items.faults if self.failed_items else []
        return "; ".join(filter(None, [self.message, self.details, *invalid, *map(str, items)]))


class NamePayload(msgspec.Struct):
    """A name server."""

    name: str


class ZonePayload(msgspec.Struct, rename="camel"):
    """A zone; its TTL and name servers are not in lists."""

    id: int | str
    name: str
    ttl: int | None = None
    email_address: str | None = None
    comment: str | None = None
    created: str | None = None
    updated: str | None = None
    nameservers: list[NamePayload] | None = None


class RecordPayload(msgspec.Struct):
    """A record; the data of SRV is "weight port target"."""

    id: str
    name: str
    type: str
    data: str | None = None
    ttl: int | None = None
    priority: int | None = None
    comment: str | None = None
    created: str | None = None
    updated: str | None = None


class LinkPayload(msgspec.Struct):
    """A link of a list."""

    rel: str | None = None


class ItemsPayload(msgspec.Struct, rename="camel"):
    """A page of a list, or what a job has created."""

    domains: list[ZonePayload] | None = None
    records: list[RecordPayload] | None = None
    links: list[LinkPayload] = []
    total_entries: int | None = None

    def need(self, name: str) -> list[Any]:
        """Return the domains or the records. Raises `MalformedResponseError` if there are none."""
        items: list[Any] | None = getattr(self, name)
        if items is None:
            raise MalformedResponseError(f"the response must have {name}")
        return items


class JobPayload(msgspec.Struct, rename="camel"):
    """A job; `status` is INITIALIZED, RUNNING, COMPLETED or ERROR."""

    job_id: str
    status: str
    response: ItemsPayload | None = None
    error: Fault | None = None

    def made(self, name: str) -> Any:
        """Return the first domain or record that the job has created."""
        for one in (self.response or ItemsPayload()).need(name):
            return one
        raise MalformedResponseError(f"job {self.job_id} must say which {name} it has created")


class CloudDNSResponse(OpenStackResponse):
    """A response of Cloud DNS."""

    def _message(self) -> str:
        try:
            return str(self.decode(Fault)) or super()._message()
        except MalformedResponseError:
            return super()._message()

    def parse_error(self) -> Any:
        """Return the message. A 413 that says when to come back is a rate limit, any other one a quota."""
        if self.status == LIMIT_REACHED and retry_after_seconds(self.headers) is not None:
            raise RateLimitReachedError(self.status, self._message(), self.headers)
        return super().parse_error()


class CloudDNSConnection(OpenStackBaseConnection, PollingConnection):
    """A connection to Cloud DNS; `async_request` waits for a job, at most `job_timeout` seconds."""

    responseCls = CloudDNSResponse
    service_types = ("rax:dns",)
    version = "v1.0"
    with_project = True
    is_regional = False
    poll_interval = 1.0

    def get_poll_request_kwargs(
        self, response: Any, context: Mapping[str, Any] | None, request_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the request for the job that `response` names."""
        job: JobPayload = response.decode(JobPayload)
        return {"action": f"/status/{quote_segment(job.job_id)}", "params": {"showDetails": "true"}}

    def has_completed(self, response: Any) -> bool:
        """Return whether a job has completed; raise its error, which means that it has changed nothing.

        The first response lacks what the job has created, whatever its status.
        """
        if response.request.method != "GET":
            return False
        job: JobPayload = response.decode(JobPayload)
        if job.status == "ERROR":
            fault = job.error or Fault()
            code, text = fault.code or HTTPStatus.INTERNAL_SERVER_ERROR, f"job {job.job_id} failed: {fault}"
            items = fault.failed_items.faults if fault.failed_items else []
            if items and all(one.code == HTTPStatus.NOT_FOUND for one in items):
                code = HTTPStatus.NOT_FOUND
            error: ProviderError = error_from_status(code, text)
            if code == LIMIT_REACHED:
                error = QuotaExceededError(code, text)
            error.definite = error.changes = True
            raise error
        return job.status == "COMPLETED"

    def job(
        self, method: str, path: str, *, json: Any = None, params: Mapping[str, Any] | None = None
    ) -> JobPayload:
        """Send a request that begins a job; return the job when it has completed."""
        response = self.async_request(path, params, method=method, json=json)
        job: JobPayload = response.decode(JobPayload)
        return job

    def delete(self, path: str) -> bool:
        """Delete the resource at `path` and return True."""
        try:
            self.job("DELETE", path)
        except NotFoundError as error:
            if not error.repeated:  # else the first of the requests has deleted it
                raise
        return True

    def pages(self, path: str, name: str, build: Callable[[Any], T]) -> list[T]:
        """Return what `build` makes of each item of a list; pages begin at a multiple of their size."""
        size = AT_ONCE

        def fetch(number: int) -> Page:
            nonlocal size
            query = {"limit": size, "offset": (number - 1) * size}
            page: ItemsPayload = self.request(path, query).decode(ItemsPayload)
            more = any(link.rel == "next" for link in page.links)
            items = page.need(name)
            size = len(items) or size if more else size
            return Page([build(one) for one in items], number + more, page.total_entries)

        return number_pages(fetch, attrgetter("id"))
