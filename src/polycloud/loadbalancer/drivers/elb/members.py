"""The members of classic balancers, which are instances of EC2.

All of them serve at the member port of each listener, so a member has no port of its own. The provider does
not say their addresses: those are EC2's, which has another endpoint and wants another permission. So `ip` is
None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from polycloud.common.aws.balancing import REFUSED_MEMBERS, code_of
from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, ProviderHTTPError
from polycloud.loadbalancer.base import Addressed
from polycloud.loadbalancer.checks import address_of, check_balancer, check_member
from polycloud.loadbalancer.draining import wait_until_idle
from polycloud.loadbalancer.drivers.elb.balancers import ELBBalancers
from polycloud.loadbalancer.drivers.elb.payload import DescribedAttributes, Instance
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import Draining, MemberHealth

INSTANCE = re.compile(r"i-[0-9a-f]+")
LONGEST_DRAINING = 3600
"""Seconds for which the provider lets connections end, at most."""


class ELBMembers(ELBBalancers):
    """Methods of members."""

    draining = Draining.COUNTED

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        """Return the instances of a balancer, with their health."""
        check_balancer(balancer)
        with self._balancer_errors(balancer.id):
            fresh, states = self._fresh(balancer.id), self._states(balancer.id)
        ids = [str(one.id) for one in _instances(fresh)]
        return [self._to_member(one, states.get(one), fresh) for one in ids]

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Attach an instance by its id; the member's port, if given, must be the balancer's member port."""
        check_balancer(balancer)
        id_ = instance_of(member)
        self._require_settings(member)

        def attach() -> Member:
            fresh = self._fresh(balancer.id)
            require_port(member, member_port(fresh))
            self._require_new(_instances(fresh), Member(id_, None, None))
            self._register(balancer.id, [id_])
            return self._to_member(id_, None, fresh)

        return self._changing(balancer, attach)

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach an instance.

        With `wait_drained`, connection draining is turned on first if the balancer has it off, for as many
        seconds, and remains on.
        """
        check_balancer(balancer)
        if wait_drained is not None:
            waiting.require_times(wait_drained)
        id_ = instance_of(member)

        def detach() -> None:
            self._require_member(_instances(self._fresh(balancer.id)), Member(id_, None, None))
            if wait_drained is not None:
                self._turn_draining_on(balancer.id, wait_drained)
            fields = {"LoadBalancerName": balancer.id, "Instances": [{"InstanceId": id_}]}
            self.connection.act("DeregisterInstancesFromLoadBalancer", **fields)

        self._changing(balancer, detach)
        if wait_drained is not None:
            self._wait_deregistered(balancer, id_, wait_drained)
        return True

    def _wait_deregistered(self, balancer: LoadBalancer, id_: str, timeout: float) -> None:
        def is_draining() -> bool:
            try:
                state = self._states(balancer.id, [id_]).get(id_)
            except ProviderHTTPError as error:
                if code_of(error) in REFUSED_MEMBERS:  # it is no longer registered
                    return False
                raise
            return state is not None and state.is_draining

        wait_until_idle(self, id_, is_draining, timeout, attached=False)

    def _turn_draining_on(self, name: str, wait: float) -> None:
        fields = {"LoadBalancerName": name}
        found = self.connection.call("DescribeLoadBalancerAttributes", fields, DescribedAttributes)
        draining = found.attributes.draining
        if draining is None or not draining.enabled:
            seconds = min(max(math.ceil(wait), 1), LONGEST_DRAINING)
            self._set_attributes(name, {"ConnectionDraining": {"Enabled": True, "Timeout": seconds}})

    def _set_attributes(self, name: str, attributes: dict[str, dict[str, object]]) -> None:
        fields = {"LoadBalancerName": name, "LoadBalancerAttributes": attributes}
        self.connection.act("ModifyLoadBalancerAttributes", **fields)

    def _register(self, name: str, ids: list[str]) -> None:
        """Register instances. Raises `InvalidArgumentError` for those that the account does not have."""
        fields: dict[str, Any] = {"LoadBalancerName": name, "Instances": [{"InstanceId": one} for one in ids]}
        try:
            self.connection.act("RegisterInstancesWithLoadBalancer", **fields)
        except ProviderHTTPError as error:
            if code_of(error) in REFUSED_MEMBERS:
                message = f"the provider refuses the members {', '.join(ids)}: {error.message}"
                raise InvalidArgumentError(message) from error
            raise

    def _states(self, name: str, ids: Sequence[str] = ()) -> dict[str, Instance]:
        """Return the health of instances: by default of all that are registered."""
        fields: dict[str, Any] = {"LoadBalancerName": name, "Instances": [{"InstanceId": one} for one in ids]}
        found = self.connection.iterate(
            "DescribeInstanceHealth", "InstanceStates", Instance, paged=False, **fields
        )
        return {one.value.id: one.value for one in found}

    def _to_member(self, id_: str, state: Instance | None, balancer: LoadBalancer) -> Member:
        extra = {} if state is None else {"state": state.state, "description": state.description}
        health = MemberHealth.UNKNOWN if state is None else state.health
        return Member(id_, None, member_port(balancer), balancer, extra, health)

    def _member_of(self, balancer: LoadBalancer, node: Addressed) -> Member:
        """Return the member that a node becomes, at the port of all."""
        made = super()._member_of(balancer, node)
        owner = getattr(node, "driver", None)
        self._require_own_node(node, getattr(owner, "region", None), self.region)
        return Member(made.id, made.ip, None)


def instance_of(member: Member) -> str:
    """Return the instance's id. Raises `InvalidArgumentError` for a member that is not an instance."""
    check_member(member, by_id=True)
    if member.id is None or not INSTANCE.fullmatch(member.id):
        raise InvalidArgumentError(
            "a member must be an instance of EC2, with an id such as 'i-0123456789abcdef0', "
            f"got {address_of(member)}"
        )
    return member.id


def member_port(balancer: LoadBalancer) -> int | None:
    """Return the port of the members, by the first listener."""
    listeners = balancer.extra.get("listeners")
    return (listeners[0].member_port or listeners[0].port) if listeners else balancer.port


def require_port(member: Member, port: int | None) -> None:
    """Raise `InvalidArgumentError` for a member with a port of its own."""
    if member.port not in (None, port):
        raise InvalidArgumentError(f"all members of the balancer serve at port {port}, not at {member.port}")


def _instances(balancer: LoadBalancer) -> list[Member]:
    """Return the instances of a balancer, of which the provider says no more than the ids."""
    return [Member(one["InstanceId"], None, None, balancer) for one in balancer.extra.get("Instances") or ()]
