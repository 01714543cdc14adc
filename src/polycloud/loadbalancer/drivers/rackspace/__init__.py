"""Rackspace's Cloud Load Balancers, version 1.0.

Source: Rackspace's developer guide and API reference of Cloud Load Balancers.

A change responds at once with 202; until it is carried out the balancer is in BUILD or PENDING_UPDATE, and
other changes are refused with 422. `payload` has the objects and their words, `connection` faults and pages,
`balancers` and this module the methods.
"""

from __future__ import annotations

from typing import Any

import msgspec

from polycloud.common.building import quote_segment
from polycloud.common.creation import UniqueCreation
from polycloud.common.credentials import Credential
from polycloud.common.openstack.publicclouds import RACKSPACE, RACKSPACE_UK
from polycloud.errors import NotFoundError, ProviderHTTPError, translated
from polycloud.loadbalancer.checks import address_of, check_balancer, check_member, same_member
from polycloud.loadbalancer.draining import Place, TimedDrain
from polycloud.loadbalancer.drivers.rackspace.balancers import CloudLBBalancers
from polycloud.loadbalancer.drivers.rackspace.connection import (
    DUPLICATE,
    CloudLBConnection,
    CloudLBResponse,
)
from polycloud.loadbalancer.drivers.rackspace.payload import (
    UPDATING,
    NodePayload,
    node_fields,
    node_settings,
    to_member,
)
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import (
    Draining,
    MemberAlreadyExistsError,
    MemberCondition,
    MemberDoesNotExistError,
    Provider,
)

__all__ = ["CloudLBConnection", "CloudLBResponse", "RackspaceLBDriver"]

SEEN = 5.0
"""Seconds after which a member is certainly listed."""
UK = frozenset({"uk", "lon"})


class Nodes(msgspec.Struct):
    """The nodes of a balancer, or those that were added."""

    nodes: list[NodePayload]


class RackspaceLBDriver(CloudLBBalancers):
    """Rackspace's balancers: `RackspaceLBDriver("user", "API key", region="iad")`.

    With `ex_force_auth_version="2.0_password"` the second argument is the password. The region is "ord" by
    default. See `OpenStackBaseDriver` for the other arguments.
    """

    type = Provider.RACKSPACE
    name = "Rackspace Cloud Load Balancers"
    website = RACKSPACE.website
    api_name = "rackspace"
    default_method = "2.0_apikey"
    public_cloud = RACKSPACE
    finds_credentials = False
    draining = Draining.TIMED
    credentials = (Credential("username", ("RS_USERNAME",)), Credential("api_key", ("RS_API_KEY",)))

    def __init__(
        self,
        key: str | None = None,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        region: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(key, secret, secure, host, port, None, region or "ORD", **options)

    def _public_url(self, region: str | None) -> str:
        return RACKSPACE_UK.auth_url if (region or "").lower() in UK else RACKSPACE.auth_url

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        """Return the nodes of a balancer."""
        check_balancer(balancer)
        with self._balancer_errors(balancer.id):
            found = self.connection.request(_path(balancer)).decode(Nodes)
        return [to_member(one, balancer) for one in found.nodes]

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Attach a member; see `create_balancer` for its `extra`.

        If the response is lost, the member is searched for; `AmbiguousCreateError` if it is not found.
        """
        check_balancer(balancer)
        body = {"nodes": node_fields([check_member(member)])}

        def listed() -> list[Member]:
            found = same_member(self.balancer_list_members(balancer), member)
            return [] if found is None else [found]

        def attach() -> Member:
            self._require_new(listed(), member)
            creation = UniqueCreation(f"the member {address_of(member)}", send, listed)
            return creation.run(settle_time=SEEN, timeout=SEEN)

        def send() -> Member:
            try:
                response = self.connection.request(_path(balancer), json=body, method="POST")
            except ProviderHTTPError as error:
                if not DUPLICATE.search(str(error.message)):
                    raise
                taken = MemberAlreadyExistsError(error.message, self, address_of(member))
                raise translated(error, taken) from error
            made = [to_member(one, balancer) for one in response.decode(Nodes).nodes]
            return self._require_member(made, member)

        return self._change(balancer, attach)

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach a member.

        The provider does not count connections: all of `wait_drained` is waited, with the condition DRAINING,
        which lets requests of sticky sessions come.
        """
        check_balancer(balancer)
        repeated = False

        def send() -> bool:
            nonlocal repeated
            there = self.balancer_list_members(balancer)
            if repeated and same_member(there, member) is None:
                return True
            found = self._require_member(there, member)
            try:
                return self.connection.delete(_path(balancer, found))
            except NotFoundError as error:
                gone = MemberDoesNotExistError(error.message, self, str(found.id))
                raise translated(error, gone) from error
            except ProviderHTTPError as error:
                repeated = error.repeated  # and the first request, whose response was lost, may have done it
                raise

        def detach() -> bool:
            return self._change(balancer, send)

        if wait_drained is None:
            return detach()
        found = self._attached(balancer, member)
        drain = TimedDrain(
            self,
            address_of(found),
            _drained(balancer, found),
            lambda path, fields: self._change(balancer, lambda: self._put(path, {"node": fields})),
            lambda: self.get_balancer(balancer.id).extra["status"] != UPDATING,
        )
        return drain.run(wait_drained, detach)

    def ex_update_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Change a member to what its `extra` has: `weight`, `condition` and `type`.

        With `MemberCondition.DRAINING` it gets no new connections, but those of sticky sessions. The member
        is identified by its address and port. Returns it as it is then.
        """
        check_balancer(balancer)
        settings = node_settings(check_member(member))

        def send() -> Member:
            found = self._attached(balancer, member)
            self._put(_path(balancer, found), {"node": settings})
            return self._require_member(self.balancer_list_members(balancer), found)

        return self._change(balancer, send)

    def _attached(self, balancer: LoadBalancer, member: Member) -> Member:
        return self._require_member(self.balancer_list_members(balancer), member)


def _drained(balancer: LoadBalancer, member: Member) -> list[Place]:
    """Return how a member drains, if it gets new connections."""
    if member.extra["condition"] != MemberCondition.ENABLED:
        return []
    draining, enabled = MemberCondition.DRAINING.name, MemberCondition.ENABLED.name
    return [Place(_path(balancer, member), {"condition": draining}, {"condition": enabled})]


def _path(balancer: LoadBalancer, member: Member | None = None) -> str:
    nodes = f"/loadbalancers/{quote_segment(balancer.id)}/nodes"
    return nodes if member is None else f"{nodes}/{quote_segment(str(member.id))}"
