"""Creating balancers of version 2, exactly once, with all that they shall have or not at all.

A balancer is made in the order in which the provider needs its parts: the balancer, whose response says its
network, the target groups in that network, their members, the listeners. A target group's name is drawn by
lot, so the provider never returns one that existed. Where a part's response is lost the part is searched for,
and if it is not there made again, which the provider recognizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from polycloud.common.arguments import as_list
from polycloud.common.aws.balancing import MARKER, PORT, SCHEMES, require_name, require_scheme, tag_list
from polycloud.common.aws.xml import item_of
from polycloud.common.creation import is_refusal, marker_for
from polycloud.errors import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM
from polycloud.loadbalancer.checks import check_members
from polycloud.loadbalancer.creating import MarkedCreation, Steps
from polycloud.loadbalancer.drivers.alb.balancers import OWNER
from polycloud.loadbalancer.drivers.alb.members import (
    BY_ADDRESS,
    BY_INSTANCE,
    INSTANCE,
    ALBMembers,
    target_of,
)
from polycloud.loadbalancer.drivers.alb.payload import (
    ALGORITHM,
    APPLICATION,
    TYPES,
    Balancer,
    Group,
    MadeBalancers,
    MadeGroups,
    Target,
    check_fields,
    sticky_fields,
)
from polycloud.loadbalancer.listeners import complete
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import Algorithm

T = TypeVar("T")
STEM = 16
"""The letters of a balancer's name with which the names of its target groups begin."""


@dataclass(frozen=True)
class Plan:
    """What a balancer shall have beyond what its create takes, all checked."""

    listeners: list[Listener]
    targets: list[Target]
    target_type: str
    group_fields: dict[str, Any]
    group_attributes: dict[str, str]
    attributes: dict[str, str]

    def groups(self) -> list[tuple[str, int | None]]:
        """Return the protocol and port of each target group: the first one is the first listener's."""
        return list(dict.fromkeys(map(self.group_of, self.listeners)))

    @staticmethod
    def group_of(listener: Listener) -> tuple[str, int | None]:
        """Return the protocol and port of a listener's target group."""
        return listener.member_protocol or listener.protocol, listener.member_port


class ALBCreating(ALBMembers):
    """Methods of creating."""

    def create_balancer(
        self,
        name: str,
        port: int,
        protocol: str = "http",
        algorithm: Algorithm = DEFAULT_ALGORITHM,
        members: Sequence[Member] = (),
        *,
        ex_subnets: Sequence[str] | None = None,
        ex_security_groups: Sequence[str] | None = None,
        ex_scheme: str | None = None,
        ex_target_type: str | None = None,
        ex_listeners: Sequence[Listener] = (),
        ex_certificate: str | None = None,
        ex_health_check: HealthCheck | None = None,
        ex_sticky: StickySessions | None = None,
        ex_proxy_protocol: bool = False,
        ex_cross_zone: bool | None = None,
        ex_tags: dict[str, str] | None = None,
    ) -> LoadBalancer:
        """Create an application balancer ("http", "https") or a network balancer (the other protocols).

        Args:
            name: Its name, of up to 32 letters, digits and hyphens, unique in the region.
            port: The port at which it takes connections.
            protocol: "http", "https", "tcp", "tls", "udp" or "tcp_udp".
            algorithm: One of `list_supported_algorithms`. A network balancer has none to choose.
            members: Instances of EC2, by their ids, or addresses; not both.
            ex_subnets: The ids of its subnets, for an application balancer of two zones at least; by default
                those of the driver. There must be some.
            ex_security_groups: The ids of its security groups.
            ex_scheme: "internet-facing" or "internal"; by default that of the driver, else the former.
            ex_target_type: "instance" or "ip": what its members are, by default what `members` are, and
                without members "ip".
            ex_listeners: Further listeners. One of the balancer's own port says more of the first one.
            ex_certificate: The certificate's ARN, for "https" and "tls".
            ex_health_check: How members are checked.
            ex_sticky: Sticky sessions: by cookie for an application balancer, else by source_ip.
            ex_proxy_protocol: Whether members get the header of the proxy protocol, version 2; for network
                balancers.
            ex_cross_zone: Whether connections go to members of all zones alike; for network balancers, as
                others always do that.
            ex_tags: Tags of the balancer.
        """
        require_name(name)
        if name.startswith("internal-"):
            raise InvalidArgumentError(f"name must not begin with 'internal-', got {name!r}")
        word = self._algorithm(algorithm)
        members = check_members(members, by_id=True)
        target_type = _require_target_type(ex_target_type, members)
        self._require_settings(*members)
        listeners = complete(
            port, protocol, ex_certificate, members, ex_listeners, self._protocol, ("https", "tls")
        )
        type_ = self._require_one_type(listeners)
        attributes = {} if ex_sticky is None else sticky_fields(ex_sticky, type_)
        if algorithm != DEFAULT_ALGORITHM:
            attributes[ALGORITHM] = _require_type(APPLICATION, type_, "an algorithm to choose", word)
        if ex_proxy_protocol:
            on = _require_type("network", type_, "the proxy protocol", "true")
            attributes["proxy_protocol_v2.enabled"] = on
        own = {}
        if ex_cross_zone is not None:
            value = "true" if ex_cross_zone else "false"
            own["load_balancing.cross_zone.enabled"] = _require_type("network", type_, "ex_cross_zone", value)
        subnets = as_list(self._subnets if ex_subnets is None else ex_subnets)
        if not subnets:
            raise InvalidArgumentError(f"{self.name} needs ex_subnets, here or in the driver")
        plan = Plan(
            listeners=listeners,
            targets=self._planned(members, listeners[0], target_type),
            target_type=target_type,
            group_fields={} if ex_health_check is None else check_fields(ex_health_check, type_),
            group_attributes=attributes,
            attributes=own,
        )
        fields = {
            "Name": name,
            "Subnets": subnets,
            "SecurityGroups": as_list(ex_security_groups),
            "Scheme": require_scheme(ex_scheme) or self._scheme or SCHEMES[0],
            "Type": type_,
        }
        tags = dict(ex_tags or {})
        if len(listeners) > 1:
            tags[PORT] = str(port)
        return self._create(name, fields, tags, plan)

    # Parts

    def _create(self, name: str, fields: dict[str, Any], tags: dict[str, str], plan: Plan) -> LoadBalancer:
        mark = marker_for()
        stem = f"{name[:STEM].rstrip('-')}-{mark}"
        groups = [f"{stem}-{number:02}" for number in range(1, len(plan.groups()) + 1)]

        def send() -> LoadBalancer | None:
            marked = tag_list({**tags, MARKER: mark})
            response = self.connection.call("CreateLoadBalancer", {**fields, "Tags": marked}, MadeBalancers)
            return self._bare(item_of(response.made[0], Balancer))

        def undo(balancer: LoadBalancer) -> None:
            self.connection.act("DeleteLoadBalancer", LoadBalancerArn=balancer.id)
            found = map(self._named_group, groups)
            self._delete_groups(one.arn for one in found if one is not None)

        steps = Steps(
            send=send,
            named=partial(self._named, name),
            mark_of=lambda balancer: self._tags([balancer.id]).get(balancer.id, {}).get(MARKER),
            complete=partial(self._complete, plan=plan, names=groups),
            undo=undo,
        )
        return MarkedCreation(self, name, MARKER, mark, steps).made()

    def _named(self, name: str) -> LoadBalancer | None:
        try:
            found = self._described(Names=[name])
            return next((self._bare(one) for one in found if one.value.name == name), None)
        except NotFoundError:
            return None

    def _planned(self, members: Sequence[Member], first: Listener, target_type: str) -> list[Target]:
        """Return the targets that members become."""
        group = Group("", "", port=first.member_port, target_type=target_type)
        return [target_of(one, group) for one in members]

    def _require_one_type(self, listeners: list[Listener]) -> str:
        """Return the type of balancer that has the protocols of all listeners."""
        words = {word for one in listeners for word in (one.protocol, one.member_protocol or one.protocol)}
        types = {TYPES[self.protocols[word]] for word in words}
        if len(types) > 1:
            message = f"one balancer does not have the protocols {', '.join(sorted(words))}"
            raise UnsupportedOperationError(message, self)
        return types.pop()

    def _complete(self, balancer: LoadBalancer, plan: Plan, names: list[str]) -> LoadBalancer:
        groups = [
            self._make_group(balancer, plan, name, *kind)
            for name, kind in zip(names, plan.groups(), strict=True)
        ]
        if plan.targets:
            self._register(groups, plan.targets)
        arns = {kind: group.arn for kind, group in zip(plan.groups(), groups, strict=True)}
        for one in plan.listeners:
            self._make_listener(balancer.id, one, arns[plan.group_of(one)])
        if plan.attributes:
            fields = [{"Key": key, "Value": value} for key, value in plan.attributes.items()]
            self.connection.act(
                "ModifyLoadBalancerAttributes", LoadBalancerArn=balancer.id, Attributes=fields
            )
        return self._fresh(balancer.id)

    def _make_group(
        self, balancer: LoadBalancer, plan: Plan, name: str, protocol: str, port: int | None
    ) -> Group:
        fields = {
            "Name": name,
            "Protocol": self.protocols[protocol],
            "Port": port,
            "VpcId": balancer.extra.get("VpcId"),
            "TargetType": plan.target_type,
            "Tags": tag_list({OWNER: balancer.id}),
            **plan.group_fields,
        }

        def send() -> Group:
            response: MadeGroups = self.connection.call("CreateTargetGroup", fields, MadeGroups)
            return response.made[0]

        group = self._once(send, partial(self._named_group, name))
        if plan.group_attributes:
            self._set_attributes(group.arn, plan.group_attributes)
        return group

    def _make_listener(self, balancer: str, listener: Listener, group: str) -> None:
        certificate = listener.certificate
        fields = {
            "LoadBalancerArn": balancer,
            "Protocol": self.protocols[listener.protocol],
            "Port": listener.port,
            "Certificates": [{"CertificateArn": certificate}] if certificate else None,
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}],
        }

        def find() -> bool | None:
            return any(one.port == listener.port for one in self._listeners(balancer)) or None

        self._once(partial(self.connection.act, "CreateListener", **fields), find)

    def _once(self, send: Callable[[], T], find: Callable[[], T | None]) -> T:
        """Make a part of a balancer, whose response may be lost; return the result or the part found.

        The balancer is of this create alone, and so are the names of its target groups: a part that exists
        was made by it.
        """
        try:
            return send()
        except PolycloudError as error:
            refused = is_refusal(error)
            if refused and not isinstance(error, ConflictError):
                raise
            if (found := find()) is not None:
                return found
            if refused:
                raise
        return send()

    def _named_group(self, name: str) -> Group | None:
        try:
            found = self.connection.iterate(
                "DescribeTargetGroups", "TargetGroups", Group, paged=False, Names=[name]
            )
            return next((one.value for one in found), None)
        except NotFoundError:
            return None


def _require_type(wanted: str, type_: str, what: str, value: str) -> str:
    """Return the value. Raises `UnsupportedOperationError` if the balancer is of another type."""
    if type_ == wanted:
        return value
    raise UnsupportedOperationError(f"only {wanted} balancers have {what}, not {type_} ones")


def _require_target_type(given: str | None, members: list[Member]) -> str:
    """Return what the members are: the argument, or what all of them can be."""
    if given is not None:
        if given in {BY_INSTANCE, BY_ADDRESS}:
            return given
        raise InvalidArgumentError(f"ex_target_type must be 'instance' or 'ip', got {given!r}")
    if members and all(one.id is not None and INSTANCE.fullmatch(one.id) for one in members):
        return BY_INSTANCE
    return BY_ADDRESS
