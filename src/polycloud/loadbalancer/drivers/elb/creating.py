"""Creating classic balancers, exactly once, with all that they shall have or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from polycloud.common.arguments import as_list
from polycloud.common.aws.balancing import MARKER, PORT, require_name, require_scheme, tag_list, tags_of
from polycloud.common.creation import marker_for
from polycloud.errors import NotFoundError, UnsupportedOperationError
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM
from polycloud.loadbalancer.checks import check_members, require_sticky
from polycloud.loadbalancer.creating import MarkedCreation, Steps
from polycloud.loadbalancer.drivers.elb.members import ELBMembers, instance_of, require_port
from polycloud.loadbalancer.drivers.elb.payload import (
    HTTP,
    TCP,
    check_fields,
    listener_fields,
)
from polycloud.loadbalancer.listeners import complete
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import Algorithm

STICKY, PROXY = "polycloud-sticky", "polycloud-proxy-protocol"
"""The names of our policies, which a balancer has for itself."""


@dataclass(frozen=True)
class Plan:
    """What a balancer shall have beyond what its create takes, all checked."""

    listeners: list[Listener]
    members: list[str]
    check: dict[str, Any] | None
    sticky: StickySessions | None
    proxied: list[int | None]
    cross_zone: bool | None


class ELBCreating(ELBMembers):
    """Methods of creating."""

    def create_balancer(
        self,
        name: str,
        port: int,
        protocol: str = "http",
        algorithm: Algorithm = DEFAULT_ALGORITHM,
        members: Sequence[Member] = (),
        *,
        ex_members_availability_zones: Sequence[str] | None = None,
        ex_subnets: Sequence[str] | None = None,
        ex_security_groups: Sequence[str] | None = None,
        ex_scheme: str | None = None,
        ex_listeners: Sequence[Listener] = (),
        ex_certificate: str | None = None,
        ex_health_check: HealthCheck | None = None,
        ex_sticky: StickySessions | None = None,
        ex_proxy_protocol: bool = False,
        ex_cross_zone: bool | None = None,
        ex_tags: dict[str, str] | None = None,
    ) -> LoadBalancer:
        """Create a balancer of instances.

        Args:
            name: Its name, of up to 32 letters, digits and hyphens, unique in the region.
            port: The port at which it takes connections.
            protocol: "http", "https", "tcp" or "ssl".
            algorithm: `Algorithm.ROUND_ROBIN`; the provider has no other.
            members: Instances of EC2, by their ids. If they have a port, it is that of all of them.
            ex_members_availability_zones: The zones of its nodes, in the default VPC; if there are no subnets
                either, the region's first one.
            ex_subnets: The ids of the subnets of its nodes; by default those of the driver.
            ex_security_groups: The ids of its security groups.
            ex_scheme: "internet-facing" or "internal"; by default that of the driver.
            ex_listeners: Further listeners. One of the balancer's own port says more of the first one.
            ex_certificate: The certificate's ARN, for "https" and "ssl".
            ex_health_check: How members are checked; by default by a TCP connection.
            ex_sticky: Sticky sessions by a cookie of the balancer, or by that of the application if
                `cookie` is its name; for "http" and "https".
            ex_proxy_protocol: Whether members get the header of the proxy protocol; for "tcp" and "ssl".
            ex_cross_zone: Whether connections go to members of all zones alike.
            ex_tags: Tags of the balancer.
        """
        require_name(name)
        members = as_list(members)
        self._algorithm(algorithm)
        ids = check_members([Member(instance_of(one), None, None) for one in members], by_id=True)
        listeners = complete(
            port, protocol, ex_certificate, members, ex_listeners, self._protocol, ("https", "ssl")
        )
        self._require_settings(*members)
        for one in members:
            require_port(one, listeners[0].member_port)
        plan = Plan(
            listeners=listeners,
            members=[str(one.id) for one in ids],
            check=check_fields(ex_health_check, listeners[0].member_port) if ex_health_check else None,
            sticky=_require_sticky(ex_sticky, listeners),
            proxied=_require_proxied(listeners) if ex_proxy_protocol else [],
            cross_zone=ex_cross_zone,
        )
        subnets = as_list(self._subnets if ex_subnets is None else ex_subnets)
        zones = as_list(ex_members_availability_zones) or ([] if subnets else [f"{self.connection.region}a"])
        fields = {
            "LoadBalancerName": name,
            "Listeners": [listener_fields(one, self.protocols) for one in listeners],
            "AvailabilityZones": zones,
            "Subnets": subnets,
            "SecurityGroups": as_list(ex_security_groups),
            "Scheme": "internal" if (require_scheme(ex_scheme) or self._scheme) == "internal" else None,
        }
        tags = dict(ex_tags or {})
        if len(listeners) > 1:
            tags[PORT] = str(port)
        return self._create(name, fields, tags, plan)

    def ex_list_tags(self, balancer: LoadBalancer) -> dict[str, str]:
        """Return the tags of a balancer."""
        with self._balancer_errors(balancer.id):
            found = self._described_tags([balancer.id])
            return {key: value for one in found for key, value in tags_of(one.value.tags).items()}

    def _create(self, name: str, fields: dict[str, Any], tags: dict[str, str], plan: Plan) -> LoadBalancer:
        mark = marker_for()
        named = partial(self._find, name)

        def send() -> LoadBalancer | None:
            marked = tag_list({**tags, MARKER: mark})
            self.connection.call("CreateLoadBalancer", {**fields, "Tags": marked})
            return named()  # the response has the address only

        steps = Steps(
            send=send,
            named=named,
            mark_of=lambda balancer: self.ex_list_tags(balancer).get(MARKER),
            complete=partial(self._complete, plan=plan),
            undo=self._delete,
        )
        return MarkedCreation(self, name, MARKER, mark, steps).made()

    def _find(self, name: str) -> LoadBalancer | None:
        try:
            return self._fresh(name)
        except NotFoundError:
            return None

    def _complete(self, balancer: LoadBalancer, plan: Plan) -> LoadBalancer:
        name, send = balancer.id, self.connection.act
        if plan.check:
            send("ConfigureHealthCheck", LoadBalancerName=name, HealthCheck=plan.check)
        if plan.sticky:
            self._make_sticky(name, plan.sticky, plan.listeners)
        if plan.proxied:
            self._send_proxy_protocol(name, plan.proxied)
        if plan.cross_zone is not None:
            self._set_attributes(name, {"CrossZoneLoadBalancing": {"Enabled": plan.cross_zone}})
        if plan.members:
            self._register(name, plan.members)
        return self._fresh(name)

    def _make_sticky(self, name: str, sticky: StickySessions, listeners: Sequence[Listener]) -> None:
        policy: dict[str, Any] = {"LoadBalancerName": name, "PolicyName": STICKY}
        if sticky.cookie:
            self.connection.act("CreateAppCookieStickinessPolicy", **policy, CookieName=sticky.cookie)
        else:
            self.connection.act("CreateLBCookieStickinessPolicy", **policy, CookieExpirationPeriod=sticky.ttl)
        for one in listeners:
            if one.protocol in HTTP:
                self._set_policies(name, one.port, [STICKY])

    def _send_proxy_protocol(self, name: str, ports: Sequence[int | None]) -> None:
        attribute = {"AttributeName": "ProxyProtocol", "AttributeValue": "true"}
        self.connection.act(
            "CreateLoadBalancerPolicy",
            LoadBalancerName=name,
            PolicyName=PROXY,
            PolicyTypeName="ProxyProtocolPolicyType",
            PolicyAttributes=[attribute],
        )
        for port in ports:
            fields = {"LoadBalancerName": name, "InstancePort": port, "PolicyNames": [PROXY]}
            self.connection.act("SetLoadBalancerPoliciesForBackendServer", **fields)


def _require_sticky(sticky: StickySessions | None, listeners: Sequence[Listener]) -> StickySessions | None:
    if sticky is None:
        return None
    if require_sticky(sticky).by != "cookie":
        raise UnsupportedOperationError(f"sessions are sticky by a cookie only, not by {sticky.by!r}")
    if sticky.cookie and sticky.ttl is not None:
        raise UnsupportedOperationError("the application decides how long its own cookie holds: give no ttl")
    if not any(one.protocol in HTTP for one in listeners):
        raise UnsupportedOperationError("only http and https have sticky sessions")
    return sticky


def _require_proxied(listeners: Sequence[Listener]) -> list[int | None]:
    ports = [one.member_port for one in listeners if one.protocol in TCP]
    if not ports:
        raise UnsupportedOperationError("only tcp and ssl have the proxy protocol; http has headers")
    return list(dict.fromkeys(ports))
