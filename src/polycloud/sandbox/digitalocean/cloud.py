"""DigitalOcean over HTTP."""

from __future__ import annotations

import math
import time
import uuid
from typing import TYPE_CHECKING, Any

from polycloud.sandbox.digitalocean import (
    balancers,
    dialect,
    domains,
    droplets,
    firewalls,
    images,
    reserved_ips,
    tables,
    volumes,
)
from polycloud.sandbox.digitalocean.settings import DigitalOceanSettings
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.rest.collection import show
from polycloud.sandbox.rest.errors import ApiError, ForbiddenError, RateLimitError, UnauthorizedError
from polycloud.sandbox.rest.replies import Call, Listing, Reply, Routes
from polycloud.sandbox.rest.service import Admission, Limit, Service, machine_state

if TYPE_CHECKING:
    from starlette.types import Scope

ROUTES: Routes = {
    **tables.ROUTES,
    **droplets.ROUTES,
    **images.ROUTES,
    **volumes.ROUTES,
    **reserved_ips.ROUTES,
    **firewalls.ROUTES,
    **domains.ROUTES,
    **balancers.ROUTES,
}
"""Every path below /v2, with its methods and their handlers."""

_USUAL_LIMIT = 5000

_describe = show(
    "id name status locked password",
    region=lambda droplet: droplet.region.slug,
    addresses=lambda droplet: [ip for ip in (droplet.public_ip, droplet.private_ip) if ip],
    tags=lambda droplet: list(droplet.tags),
    machine=machine_state,
)


class DigitalOcean(Service):
    """The cloud."""

    settings_type = DigitalOceanSettings
    account_type = State
    body_type = dialect.Body
    routes = ROUTES
    versions = ("/v2",)
    media_type = "application/json; charset=utf-8"

    def set_limits(self) -> None:
        """Make the rate limits of an hour and a minute."""
        self._hour = Limit(self.settings.hourly_limit, _USUAL_LIMIT, 3600.0, self.clock, slides=True)
        self._minute = Limit(self.settings.burst_limit, _USUAL_LIMIT, 60.0, self.clock, slides=True)

    def admit(self, scope: Scope, token: str | None) -> Admission:
        """Check the token and count the request."""
        error: ApiError | None = None
        if not token:
            error = UnauthorizedError()
        elif self._minute.is_reached:
            error = RateLimitError(math.ceil(self._minute.left))
        elif self._hour.is_reached:
            # Only the limit of a minute names how long to wait.
            error = RateLimitError()
        else:
            self._minute.count()
            self._hour.count()
            if token != "full" and scope["method"] not in {"GET", "HEAD"}:  # noqa: S105 - which of the tokens
                error = ForbiddenError()
        headers = {"x-request-id": str(uuid.uuid4()), **self._limit_headers(error)}
        return Admission(error, headers)

    def _limit_headers(self, error: ApiError | None) -> dict[str, str]:
        hour = self._hour
        # Without a limit, clients must not see few requests left: they would slow down.
        left = max(hour.limit - hour.used, 0 if hour.refuses else hour.limit // 2)
        return {
            "ratelimit-limit": str(hour.limit),
            "ratelimit-remaining": "0" if isinstance(error, RateLimitError) else str(left),
            "ratelimit-reset": str(math.ceil(time.time() + hour.left)),
        }

    def page(self, state: State, call: Call, listing: Listing) -> Reply:
        """Return the page of a list that a request asks for."""
        return dialect.page(call, listing, state.settings.page_size, state.settings.largest_page)

    def refusal(self, error: ApiError, scope: Scope) -> Reply:
        """Return the response to a refused request."""
        return dialect.refusal(error, scope["path"], scope["admission"].headers["x-request-id"])

    def describe(self, state: State) -> list[dict[str, Any]]:
        """Return all servers as plain dicts."""
        return [_describe(server) for server in state.droplets.values()]
