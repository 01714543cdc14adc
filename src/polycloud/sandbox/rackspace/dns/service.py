"""Cloud DNS over HTTP. Source: Cloud DNS Developer Guide and API Reference, version 1.0."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.openstack import dialect
from polycloud.sandbox.openstack.identity import Identity
from polycloud.sandbox.rackspace.dns import domains, jobs, records, reverse
from polycloud.sandbox.rackspace.dns.faults import fault, status_of
from polycloud.sandbox.rackspace.dns.jobs import DnsState
from polycloud.sandbox.rackspace.identity import ACCOUNT
from polycloud.sandbox.rest.errors import ApiError, InputError, RateLimitError, UnauthorizedError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes
from polycloud.sandbox.rest.service import Admission, Limit, Service

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from polycloud.sandbox.machines import Machines

PREFIX = "/dns/v1.0/"
_VERSION = "1.0.17"
_VERBS = {"GET": 60, "POST": 20, "PUT": 20, "DELETE": 10}
"""Rackspace's limits of requests a minute."""


def _limits(state: DnsState, _: Call) -> Reply:
    rate = state.settings.dns_limit
    shown = [
        {"verb": verb, "value": rate or usual, "remaining": rate or usual, "unit": "MINUTE"}
        for verb, usual in _VERBS.items()
    ]
    absolute = {"domains": state.settings.domain_limit, "records per domain": state.settings.record_limit}
    limits = {
        "rates": {"rate": [{"uri": "*/domains*", "regex": r".*/v\d+\.\d+/(\d+/domains).*", "limit": shown}]},
        "absolute": {"limit": [{"name": name, "value": value} for name, value in absolute.items()]},
    }
    return Reply(200, {"limits": limits})


ROUTES: Routes = {
    **domains.ROUTES,
    **records.ROUTES,
    **reverse.ROUTES,
    **jobs.ROUTES,
    "/limits": {"GET": _limits},
}


class CloudDNS(Service):
    """The service.

    Args:
        settings: those of Rackspace.
        clock: seconds that never run backwards.
        machines: none of the service's.
        identity: returns the users and tokens.
        addresses: returns the addresses of the server of an id, none if there is no such server.
    """

    account_type = DnsState
    body_type = dialect.Body
    routes = ROUTES
    versions = (f"{PREFIX}{ACCOUNT}",)

    def __init__(
        self,
        settings: Any,
        clock: Clock,
        machines: Machines,
        identity: Callable[[], Identity],
        addresses: Callable[[str], list[str]],
    ) -> None:
        self._identity, self._addresses = identity, addresses
        super().__init__(settings, clock, machines)

    def new_state(self) -> DnsState:
        """Return the account, without domains."""
        state: DnsState = super().new_state()
        state.addresses = self._addresses
        return state

    def login(self, settings: Any) -> tuple[Any, ...]:
        """Return nothing: the credentials are those of the cloud."""
        return ()

    def set_limits(self) -> None:
        """Make the rate limits of a minute for each method."""
        rate = self.settings.dns_limit
        self._limits = {
            verb: Limit(rate, usual, 60.0, self.clock, slides=True) for verb, usual in _VERBS.items()
        }

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, whose path may end with a slash."""
        path = scope["path"].rstrip("/")
        await super().app({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    def _token(self, scope: Scope) -> str | None:
        given: bytes = dict(scope["headers"]).get(b"x-auth-token", b"")
        return given.decode("latin-1")

    def admit(self, scope: Scope, token: str | None) -> Admission:
        """Check the token and the account, and count the request."""
        headers = {"X-API-VERSION": _VERSION}
        is_own = re.match(rf"{PREFIX}{ACCOUNT}(/|$)", scope["path"])
        if not self._identity().token(token) or not is_own:
            return Admission(UnauthorizedError("Authentication is required."), headers)
        limit = self._limits.get(scope["method"])
        if limit and limit.is_reached:
            return Admission(RateLimitError(round(limit.left)), headers)
        if limit:
            limit.count()
        return Admission(None, headers)

    def page(self, state: DnsState, call: Call, listing: Listing) -> Reply:
        """Return the page of a list that a request asks for, with links to those beside it."""
        largest = state.settings.dns_page
        size = min(_number(call, "limit", largest) or largest, largest)
        offset = _number(call, "offset", 0)
        if offset % size:
            raise InputError("The offset must be a multiple of the limit or zero.")
        total = len(listing.items)
        shown = [listing.view(item) for item in listing.items[offset : offset + size]]
        body: Json = {listing.name: shown, "totalEntries": total}
        links = [
            {"content": "", "href": _href(call, size, at), "rel": rel}
            for rel, at in (("previous", offset - size), ("next", offset + size))
            if 0 <= at < total
        ]
        return Reply(200, body | ({"links": links} if links else {}))

    def refusal(self, error: ApiError, scope: Scope) -> Reply:
        """Return the response to a refused request."""
        headers = {}
        if isinstance(error, RateLimitError):
            again = datetime.fromtimestamp(self._state.wall_time + (error.retry_after or 0), UTC)
            headers["Retry-After"] = again.strftime("%Y-%m-%dT%H:%M:%SZ")
        return Reply(status_of(error), fault(error), headers)

    def describe(self, state: DnsState) -> list[dict[str, Any]]:
        """Return no servers."""
        return []


def _number(call: Call, name: str, default: int) -> int:
    number = call.query.number(name, default)
    if number is None:
        raise InputError(f"{name} must be a number.")
    return number


def _href(call: Call, size: int, offset: int) -> str:
    kept = [pair for pair in call.query.pairs if pair[0] not in {"limit", "offset"}]
    query = "&".join(f"{name}={value}" for name, value in [*kept, ("limit", size), ("offset", offset)])
    return f"{call.url}?{query}"
