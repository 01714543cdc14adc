"""The members of balancers of version 2: targets of the target group of the first listener.

A target group takes instances of EC2, by their ids, or addresses; which of them is decided when it is made.
The target groups that this driver made for further listeners get the same members, at their own port.
"""

from __future__ import annotations

import re
from typing import Any

from polycloud.common.aws.balancing import REFUSED_MEMBERS, code_of
from polycloud.concurrency import waiting
from polycloud.errors import (
    InvalidArgumentError,
    ProviderHTTPError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer.base import Addressed
from polycloud.loadbalancer.checks import address_of, check_balancer, check_member
from polycloud.loadbalancer.draining import wait_until_idle
from polycloud.loadbalancer.drivers.alb.balancers import ALBBalancers
from polycloud.loadbalancer.drivers.alb.payload import Group, Target, TargetDescription
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import Draining, MemberDoesNotExistError, MemberHealth
from polycloud.utils.networking import is_valid_ip_address

INSTANCE = re.compile(r"i-[0-9a-f]+")
INSTANCES_OF = "ec2"
BY_INSTANCE, BY_ADDRESS = "instance", "ip"
DESCRIBE_HEALTH, DESCRIPTIONS = "DescribeTargetHealth", "TargetHealthDescriptions"


class ALBMembers(ALBBalancers):
    """Methods of members."""

    draining = Draining.COUNTED

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        """Return the members of a balancer; those too that are detached and end their connections.

        The latter have `MemberHealth.DRAINING`. An instance's `ip` is None.
        """
        check_balancer(balancer)
        with self._balancer_errors(balancer.id):
            listeners = self._listeners(balancer.id)
            group = listeners[0].group() if listeners else None
            return self._targets(group, balancer) if group else []

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Attach an instance by its id, or an address; `extra["availability_zone"]` is that of an address.

        An address outside of the balancer's network needs the zone "all". Without a port, an instance serves
        at that of the target group.
        """
        check_balancer(balancer)
        check_member(member, by_id=True)
        self._require_settings(member)

        def attach() -> Member:
            groups = self._serving(balancer.id)
            if not groups:
                raise UnsupportedOperationError(
                    f"the balancer {balancer.name!r} forwards to no target group", self
                )
            target = target_of(member, groups[0])
            there = self._targets(groups[0].arn, balancer)
            attached = [one for one in there if one.health != MemberHealth.DRAINING]
            self._require_new([one for one in attached if _is(one, target)], _member(target, balancer))
            self._register(groups, [target])
            return _member(target, balancer)

        return self._changing(balancer, attach)

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach a member.

        Its connections may end within the target group's `deregistration_delay.timeout_seconds`, by default
        300. `wait_drained` waits until none is left, or that time is over.
        """
        check_balancer(balancer)
        if wait_drained is not None:
            waiting.require_times(wait_drained)
        if not isinstance(member, Member):
            raise InvalidArgumentError(f"member must be a Member, got {type(member).__name__}")

        def detach() -> tuple[list[Group], Target]:
            groups = self._serving(balancer.id)
            there = self._targets(groups[0].arn, balancer) if groups else []
            target = self._attached(there, member)
            for group, one in _spread(groups, target):
                self._deregister(group.arn, one)
            return groups, target

        groups, target = self._changing(balancer, detach)
        if wait_drained is not None:
            self._wait_deregistered(groups, target, wait_drained)
        return True

    def _attached(self, there: list[Member], member: Member) -> Target:
        """Return the target that a member is. Raises `MemberDoesNotExistError`."""
        wanted = {member.id, member.ip} - {None}
        for one in there:
            if member.port in (None, one.port) and wanted & {one.id, one.extra["target"]}:
                return Target(one.extra["target"], one.port, one.extra["availability_zone"])
        raise MemberDoesNotExistError(
            f"the balancer has no member {address_of(member)}", self, str(member.id)
        )

    def _wait_deregistered(self, groups: list[Group], target: Target, timeout: float) -> None:
        def is_draining() -> bool:
            states = [
                found
                for group, one in _spread(groups, target)
                for found in self._health(group.arn, Targets=[_fields(one, with_zone=False)])
            ]
            return any(one.found == MemberHealth.DRAINING for one in states)

        wait_until_idle(self, target.id, is_draining, timeout, attached=False)

    def _health(self, group: str, **fields: Any) -> list[TargetDescription]:
        found = self.connection.iterate(
            DESCRIBE_HEALTH,
            DESCRIPTIONS,
            TargetDescription,
            key=lambda one: (one.value.target.id, one.value.target.port),
            paged=False,
            TargetGroupArn=group,
            **fields,
        )
        return [one.value for one in found]

    def _targets(self, group: str, balancer: LoadBalancer) -> list[Member]:
        return [_member(one.target, balancer, one) for one in self._health(group)]

    def _register(self, groups: list[Group], targets: list[Target]) -> None:
        """Register targets in all groups. Raises `InvalidArgumentError` for those that are out of reach."""
        for number, group in enumerate(groups):
            own = targets if number == 0 else [_at(one, group) for one in targets]
            fields = {"TargetGroupArn": group.arn, "Targets": [_fields(one) for one in own]}
            try:
                self.connection.act("RegisterTargets", **fields)
            except ProviderHTTPError as error:
                if code_of(error) in REFUSED_MEMBERS:
                    names = ", ".join(one.id for one in targets)
                    message = f"the provider refuses the members {names}: {error.message}"
                    raise InvalidArgumentError(message) from error
                raise

    def _deregister(self, group: str, target: Target) -> None:
        """Deregister a target, if it is registered."""
        try:
            fields = {"TargetGroupArn": group, "Targets": [_fields(target)]}
            self.connection.act("DeregisterTargets", **fields)
        except ProviderHTTPError as error:
            if code_of(error) != "InvalidTarget":
                raise

    def _member_of(self, balancer: LoadBalancer, node: Addressed) -> Member:
        """Return the member that a node becomes, at the port of the target group.

        A node of another provider or region is an address only.
        """
        made = super()._member_of(balancer, node)
        owner = getattr(node, "driver", None)
        is_own = owner is None or (owner.type, owner.region) == (INSTANCES_OF, self.region)
        if is_own:
            return Member(made.id, made.ip, None)
        with self._balancer_errors(balancer.id):
            groups = self._serving(balancer.id)
        return Member(None, made.ip, groups[0].port if groups else balancer.port)


def target_of(member: Member, group: Group) -> Target:
    """Return the target that a member becomes in a group. Raises `InvalidArgumentError` if it cannot."""
    port = member.port or group.port
    if group.target_type == BY_ADDRESS:
        if not isinstance(member.ip, str) or not is_valid_ip_address(member.ip):
            raise InvalidArgumentError(
                f"the balancer's members are addresses, got {address_of(member)}; those of a balancer that "
                "is created with instances or with ex_target_type='instance' are ids of instances"
            )
        return Target(member.ip, port, member.extra.get("availability_zone"))
    if group.target_type != BY_INSTANCE:
        raise UnsupportedOperationError(f"the balancer's members are of the type {group.target_type!r}")
    if member.id is None or not INSTANCE.fullmatch(member.id):
        raise InvalidArgumentError(
            "the balancer's members are instances of EC2, with ids such as 'i-0123456789abcdef0', "
            f"got {address_of(member)}"
        )
    return Target(member.id, port)


def _spread(groups: list[Group], target: Target) -> list[tuple[Group, Target]]:
    """Return the target as it is in each group."""
    return [(one, target if number == 0 else _at(target, one)) for number, one in enumerate(groups)]


def _at(target: Target, group: Group) -> Target:
    return Target(target.id, group.port, target.zone)


def _is(member: Member, target: Target) -> bool:
    return (member.extra["target"], member.port) == (target.id, target.port)


def _fields(target: Target, *, with_zone: bool = True) -> dict[str, Any]:
    zone = target.zone if with_zone else None
    return {"Id": target.id, "Port": target.port, "AvailabilityZone": zone}


def _member(
    target: Target,
    balancer: LoadBalancer,
    description: TargetDescription | None = None,
) -> Member:
    """Return a target as a member; its id is that of the instance, or the address and port."""
    is_address = not INSTANCE.fullmatch(target.id)
    id_ = f"{target.id}:{target.port}" if is_address else target.id
    health = description.health if description else None
    extra = {
        "target": target.id,
        "availability_zone": target.zone,
        "state": health.state if health else None,
        "reason": health.reason if health else None,
        "description": health.description if health else None,
    }
    found = description.found if description else MemberHealth.UNKNOWN
    return Member(id_, target.id if is_address else None, target.port, balancer, extra, found)
