"""Requests to Cloud Load Balancers: faults, pages, and what a refusal says of a balancer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from polycloud.common.openstack import OpenStackBaseConnection, OpenStackResponse
from polycloud.common.pagination import unique
from polycloud.common.payload import value_of
from polycloud.errors import MalformedResponseError, ProviderError, QuotaExceededError, RateLimitReachedError
from polycloud.loadbalancer.drivers.rackspace.payload import BalancerPayload
from polycloud.utils.headers import retry_after_seconds
from polycloud.utils.status import HTTPStatus

GONE = re.compile(r"(?i)\bdeleted\b|'PENDING_DELETE'")
FINAL = re.compile(r"(?i)'(ERROR|SUSPENDED)'")
DUPLICATE = re.compile(r"(?i)duplicate nodes")
LIMIT_REACHED, NO_LONGER_THERE = 413, 410


class Messages(msgspec.Struct):
    """What is invalid in a request."""

    messages: list[str] = []


class Fault(msgspec.Struct, rename="camel"):
    """An error response."""

    message: str | None = None
    details: str | None = None
    validation_errors: Messages | None = None


class CloudLBResponse(OpenStackResponse):
    """A response of Cloud Load Balancers."""

    def _message(self) -> str:
        try:
            fault = self.decode(Fault)
        except MalformedResponseError:
            return super()._message()
        invalid = fault.validation_errors.messages if fault.validation_errors else []
        return "; ".join(filter(None, [fault.message, fault.details, *invalid])) or super()._message()

    def parse_error(self) -> Any:
        """Return the message. A 413 that says when to come back is a rate limit, any other one a quota."""
        if self.status == LIMIT_REACHED:
            message = self._message()
            if retry_after_seconds(self.headers) is not None:
                raise RateLimitReachedError(self.status, message, self.headers)
            if not DUPLICATE.search(message):
                raise QuotaExceededError(self.status, message, self.headers)
            return message
        return super().parse_error()


class CloudLBConnection(OpenStackBaseConnection):
    """A connection to Cloud Load Balancers of one region."""

    responseCls = CloudLBResponse
    service_types = ("rax:load-balancer",)
    version = "v1.0"
    with_project = True
    per_page = 100

    def balancers(self) -> Iterator[BalancerPayload]:
        """Yield all balancers. A page begins with its marker, the last balancer of the page before."""

        def pages() -> Iterator[BalancerPayload]:
            marker: str | None = None
            while True:
                query = {"limit": self.per_page, "marker": marker}
                response: OpenStackResponse = self.request("/loadbalancers", query)
                items, _ = response.page("loadBalancers", BalancerPayload)
                page: list[BalancerPayload] = [value_of(one) for one in items]
                yield from page
                if len(page) < self.per_page or str(page[-1].id) == marker:
                    return
                marker = str(page[-1].id)

        return unique(pages(), lambda one: str(one.id))


def is_gone(error: ProviderError) -> bool:
    """Return whether a refusal says that the balancer was deleted."""
    if error.http_code == NO_LONGER_THERE:
        return True
    return error.http_code == HTTPStatus.UNPROCESSABLE_ENTITY and bool(GONE.search(str(error)))


def is_busy(error: ProviderError) -> bool:
    """Return whether a refusal says that the balancer is being changed."""
    return (
        error.http_code == HTTPStatus.UNPROCESSABLE_ENTITY
        and not is_gone(error)
        and not FINAL.search(str(error))
        and not DUPLICATE.search(str(error))
    )
