"""Linode over HTTP."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from polycloud.sandbox.linode import (
    backups,
    configs,
    dialect,
    disks,
    domains,
    firewalls,
    images,
    instances,
    ips,
    nodebalancers,
    scopes,
    tables,
    volumes,
)
from polycloud.sandbox.linode.settings import LinodeSettings
from polycloud.sandbox.linode.state import State
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import show
from polycloud.sandbox.rest.errors import ApiError, ForbiddenError, RateLimitError, UnauthorizedError
from polycloud.sandbox.rest.replies import Call, Listing, Reply, Routes
from polycloud.sandbox.rest.service import Admission, Limit, Service, machine_state

if TYPE_CHECKING:
    from starlette.types import Scope

ROUTES: Routes = {
    **tables.ROUTES,
    **instances.ROUTES,
    **disks.ROUTES,
    **configs.ROUTES,
    **ips.ROUTES,
    **backups.ROUTES,
    **volumes.ROUTES,
    **images.ROUTES,
    **firewalls.ROUTES,
    **domains.ROUTES,
    **nodebalancers.ROUTES,
}
"""Every path below the version, with its methods and their handlers."""

_SPEC_VERSION = "4.189.0"

_describe = show(
    "id status locked group",
    name=lambda linode: linode.label,
    region=lambda linode: linode.region.id,
    addresses=lambda linode: [address.ip for address in linode.addresses],
    tags=lambda linode: list(linode.tags),
    machine=machine_state,
)


class Linode(Service):
    """The cloud; its account has one user."""

    settings_type = LinodeSettings
    account_type = State
    body_type = Body
    routes = ROUTES
    versions = ("/v4", "/v4beta")

    def set_limits(self) -> None:
        """Make the rate limits of lists, creates of Linodes, and other requests."""
        settings = self.settings
        self._limits = {
            name: Limit(limit, usual, seconds, self.clock, slides=False)
            for name, limit, usual, seconds in (
                ("list", settings.list_limit, 200, 60.0),
                ("other", settings.request_limit, 1600, 60.0),
                ("create", settings.create_limit, 20, 15.0),
            )
        }

    def admit(self, scope: Scope, token: str | None) -> Admission:
        """Check the token's scopes and count the request."""
        method, path = scope["method"], "/" + scope["path"].removeprefix("/").partition("/")[2]
        needed, limit = scopes.needed(method, path), self._limits[scopes.limit_of(method, path)]
        granted = {"full": "*", "read-only": scopes.READ_ONLY}.get(token or "", "")
        error: ApiError | None = None
        if not granted and not (token is None and scopes.is_public(method, path)):
            error = UnauthorizedError()
        elif limit.is_reached:
            error = RateLimitError()
        else:
            limit.count()
            if granted not in {"", "*"} and needed not in granted.split():
                error = ForbiddenError()
        headers = {
            "x-spec-version": _SPEC_VERSION,
            "x-accepted-oauth-scopes": needed,
            **_limit_headers(limit),
        }
        if granted:
            headers["x-oauth-scopes"] = granted
        return Admission(error, headers, known=token is not None)

    def page(self, state: State, call: Call, listing: Listing) -> Reply:
        """Return the page of a list that a request asks for."""
        settings = state.settings
        return dialect.page(call, listing, settings.page_size, settings.smallest_page, settings.largest_page)

    def refusal(self, error: ApiError, scope: Scope) -> Reply:
        """Return the response to a refused request."""
        return dialect.refusal(error)

    def describe(self, state: State) -> list[dict[str, Any]]:
        """Return all servers as plain dicts."""
        return [_describe(server) for server in state.linodes.values()]


def _limit_headers(limit: Limit) -> dict[str, str]:
    # Without a limit, clients must not see any of it used: they would wait in vain.
    remaining = limit.limit - (limit.used if limit.refuses else 0)
    return {
        "x-ratelimit-limit": str(limit.limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(math.ceil(time.time() + limit.left)),
        "retry-after": str(math.ceil(limit.left)),
    }
