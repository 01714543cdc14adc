"""Rackspace over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polycloud.sandbox.openstack import cloud as openstack
from polycloud.sandbox.openstack.resources import addresses
from polycloud.sandbox.openstack.settings import OpenStackSettings
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rackspace import cdn, identity, interfaces
from polycloud.sandbox.rackspace.balancing import balancers, faults, nodes
from polycloud.sandbox.rackspace.dialect import LAYOUT, in_v1
from polycloud.sandbox.rackspace.dns.service import PREFIX, CloudDNS
from polycloud.sandbox.rackspace.identity import ACCOUNT, RackspaceIdentity
from polycloud.sandbox.rest.errors import ApiError
from polycloud.sandbox.rest.replies import Call, Reply, Routes

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_PATHS = {
    "/compute/v2": "/compute/v2.1",
    "/volume/v1": "/volume/v3",
    "/loadbalancers/v1.0": "/loadbalancers/v1.0",
}
_PLACED = re.compile(rf"({'|'.join(_PATHS)})/{ACCOUNT}(?=/|$)")
_NOT_THERE = ("/identity/", "/network/v2.0/routers", "/network/v2.0/floatingips", "/load-balancer")


@dataclass(frozen=True, kw_only=True)
class RackspaceSettings(OpenStackSettings):
    """The settings of Rackspace: those of OpenStack but for its user, and a few more.

    Attributes:
        user: the user's name.
        password: the user's password.
        api_key: the user's API key.
        rackconnect: whether the account has RackConnect, which sets servers up after they were built.
        rackconnect_seconds: how long that takes.
        dns_job: seconds that a change of DNS takes.
        dns_page: domains or records on a page of Cloud DNS at most.
        dns_limit: requests a minute of one method to Cloud DNS, and then 413; 0 refuses nothing.
        balancer_page: load balancers on a page at most.
        node_limit: how many nodes a load balancer may have.
        domain_limit: how many domains there may be.
        record_limit: how many records a domain may have.
    """

    user: str = "sandbox"
    password: str = "rackspace_sandbox"  # noqa: S105 - opens nothing but a sandbox
    api_key: str = "a0b1c2d3e4f5rackspacesandbox"
    rackconnect: bool = False
    rackconnect_seconds: float = 1.0
    dns_job: float = 0.2
    dns_page: int = 100
    dns_limit: int = 0
    balancer_page: int = 100
    balancer_limit: int = 25
    node_limit: int = 25
    domain_limit: int = 500
    record_limit: int = 500

    def check_user(self) -> None:
        """Accept every user."""


def _version(state: Any, _: Call) -> Reply:
    shown = {
        "id": "v2.0",
        "status": "CURRENT",
        "updated": "2011-01-21T11:33:21Z",
        "links": [{"rel": "self", "href": f"{state.base}/compute/v2/"}],
    }
    return Reply(200, {"version": shown})


ROUTES: Routes = {
    **{path: verbs for path, verbs in in_v1(openstack.ROUTES).items() if not path.startswith(_NOT_THERE)},
    **identity.ROUTES,
    **interfaces.ROUTES,
    **cdn.ROUTES,
    **balancers.ROUTES,
    **nodes.ROUTES,
    "/compute/v2/": {"GET": _version},
}
"""Every path, with its methods and their handlers; each region's have its name before them."""


class Rackspace(openstack.OpenStack):
    """The cloud: an account with six regions."""

    settings_type = RackspaceSettings
    layout = LAYOUT
    identity_type = RackspaceIdentity
    account_prefix = "MossoCloudFS_"
    routes = ROUTES

    def login(self, settings: Any) -> tuple[Any, ...]:
        """Return the positional arguments of a driver."""
        return (settings.user, settings.api_key)

    def options(self, host: str, port: int) -> dict[str, Any]:
        """Return a driver's keyword arguments."""
        return {"ex_force_auth_url": f"http://{host}:{port}/identity/v2.0", "region": "dfw"}

    def new_state(self) -> State:
        """Return the first region; Cloud DNS, which has no regions, is kept beside it."""
        self._dns = CloudDNS(
            self.settings, self.clock, self._machines, lambda: self.identity, self._addresses_of
        )
        return super().new_state()

    def _addresses_of(self, server: str) -> list[str]:
        found = [region.servers[server] for region in self._regions.values() if server in region.servers]
        return [row["addr"] for one in found for rows in addresses(one).values() for row in rows]

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        serve = self._dns.app if scope["path"].startswith(PREFIX) else super().app
        await serve(scope, receive, send)

    def refusal(self, error: ApiError, scope: Scope) -> Reply:
        """Return the response to a refused request."""
        if str(scope["path"]).startswith("/loadbalancers/"):
            return faults.refusal(error)
        return super().refusal(error, scope)

    def place_of(self, path: str) -> tuple[str, str]:
        """Return the region of a path, and the path as handlers know it."""
        region, path = super().place_of(path)
        return region, _PLACED.sub(lambda found: _PATHS[found[1]], path)
