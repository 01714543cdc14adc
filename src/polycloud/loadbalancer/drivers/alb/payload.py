"""How Elastic Load Balancing version 2 writes balancers, listeners, target groups and targets."""

from __future__ import annotations

import re
from typing import Annotated, Any

from msgspec import Meta, field

from polycloud.common.aws.balancing import Payload, Tag
from polycloud.errors import UnsupportedOperationError
from polycloud.loadbalancer.checks import require_check, require_sticky
from polycloud.loadbalancer.listeners import plain
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import MemberHealth, State
from polycloud.utils.values import whole_number

APPLICATION, NETWORK = "application", "network"
TYPES = {
    "HTTP": APPLICATION,
    "HTTPS": APPLICATION,
    **dict.fromkeys(("TCP", "TLS", "UDP", "TCP_UDP"), NETWORK),
}
"""The type of balancer that has a protocol."""

STATES = {
    "active": State.RUNNING,
    "active_impaired": State.RUNNING,
    "provisioning": State.PENDING,
    "failed": State.ERROR,
}
HEALTH = {
    "healthy": MemberHealth.UP,
    "unhealthy": MemberHealth.DOWN,
    "initial": MemberHealth.STARTING,
    "draining": MemberHealth.DRAINING,
    "unhealthy.draining": MemberHealth.DRAINING,
}
STOPPED = "Target.InvalidState"
TRAFFIC_PORT = "traffic-port"
DAY = 86400
"""The seconds for which a cookie holds by default."""
ALGORITHM, BY_DEFAULT = "load_balancing.algorithm.type", "round_robin"
GROUP_NAME = re.compile(r":targetgroup/([^/]+)/")
OURS = re.compile(r"(.*[0-9a-f]{12})-\d\d")
"""The name of a target group of this driver: those of one balancer begin alike, and are counted."""


class BalancerState(Payload):
    """The state of a balancer."""

    code: str | None = None


class Balancer(Payload):
    """A balancer."""

    arn: str = field(name="LoadBalancerArn")
    name: str = field(name="LoadBalancerName")
    address: str | None = field(name="DNSName", default=None)
    vpc: str | None = field(name="VpcId", default=None)
    type: str | None = None
    state: BalancerState | None = None

    @property
    def status(self) -> State:
        """The state in our words."""
        return STATES.get((self.state.code if self.state else None) or "", State.UNKNOWN)


class TargetGroupTuple(Payload):
    """A target group among those of an action."""

    arn: str | None = field(name="TargetGroupArn", default=None)


class ForwardConfig(Payload):
    """The target groups of an action."""

    groups: list[TargetGroupTuple] | None = field(name="TargetGroups", default=None)


class Action(Payload):
    """What a listener does with a request."""

    type: str
    arn: str | None = field(name="TargetGroupArn", default=None)
    config: ForwardConfig | None = field(name="ForwardConfig", default=None)

    def group(self) -> str | None:
        """Return the target group that it forwards to: the first one, if there are several."""
        groups = self.config.groups if self.config else None
        return self.arn or (groups[0].arn if groups else None)


class Certificate(Payload):
    """A certificate."""

    arn: str | None = field(name="CertificateArn", default=None)


class RawListener(Payload):
    """A listener."""

    arn: str = field(name="ListenerArn")
    port: int | None = None
    protocol: str | None = None
    certificates: list[Certificate] | None = None
    actions: list[Action] | None = field(name="DefaultActions", default=None)

    def group(self) -> str | None:
        """Return the ARN of the target group that it forwards to."""
        return next((arn for one in self.actions or () if (arn := one.group())), None)

    def place(self) -> tuple[str, int]:
        """Return its place among the listeners: this driver's target groups are named in their order."""
        found = GROUP_NAME.search(self.group() or "")
        return found[1] if found else "~", self.port or 0

    def settings(self, group: Group | None) -> Listener:
        """Return the listener in our words."""
        protocol = (self.protocol or "").lower()
        return plain(Listener(
            port=self.port or 0,
            protocol=protocol,
            member_port=(group.port if group else None) or self.port,
            member_protocol=((group.protocol if group else None) or protocol).lower(),
            certificate=self.certificates[0].arn if self.certificates else None,
        ))  # fmt: skip


class Group(Payload):
    """A target group."""

    arn: str = field(name="TargetGroupArn")
    name: str = field(name="TargetGroupName")
    protocol: str | None = None
    port: int | None = None
    target_type: str | None = None
    balancers: list[str] | None = field(name="LoadBalancerArns", default=None)
    check_protocol: str | None = field(name="HealthCheckProtocol", default=None)
    check_port: str | None = field(name="HealthCheckPort", default=None)
    check_path: str | None = field(name="HealthCheckPath", default=None)
    interval: int | None = field(name="HealthCheckIntervalSeconds", default=None)
    timeout: int | None = field(name="HealthCheckTimeoutSeconds", default=None)
    healthy: int | None = field(name="HealthyThresholdCount", default=None)
    unhealthy: int | None = field(name="UnhealthyThresholdCount", default=None)

    def stem(self) -> str | None:
        """Return how the names of this balancer's groups begin, if this driver has made it."""
        found = OURS.fullmatch(self.name)
        return found[1] if found else None

    def check(self) -> HealthCheck:
        """Return the health check in our words."""
        return HealthCheck(
            protocol=(self.check_protocol or "tcp").lower(),
            port=whole_number(self.check_port),
            path=self.check_path,
            interval=self.interval,
            timeout=self.timeout,
            healthy=self.healthy,
            unhealthy=self.unhealthy,
        )


class Target(Payload):
    """A member of a target group."""

    id: str
    port: int | None = None
    zone: str | None = field(name="AvailabilityZone", default=None)


class TargetHealth(Payload):
    """What a balancer has found of a target."""

    state: str | None = None
    reason: str | None = None
    description: str | None = None


class TargetDescription(Payload):
    """A target and its health."""

    target: Target
    health: TargetHealth | None = field(name="TargetHealth", default=None)

    @property
    def found(self) -> MemberHealth:
        """The health in our words."""
        health = self.health or TargetHealth()
        if health.state == "unused" and health.reason == STOPPED:
            return MemberHealth.DOWN
        return HEALTH.get(health.state or "", MemberHealth.UNKNOWN)


class Attribute(Payload):
    """An attribute of a target group or a balancer."""

    key: str
    value: str | None = None


class MadeBalancers(Payload):
    """The response to a create of a balancer."""

    made: Annotated[list[dict[str, Any]], Meta(min_length=1)] = field(name="LoadBalancers")


class MadeGroups(Payload):
    """The response to a create of a target group."""

    made: Annotated[list[Group], Meta(min_length=1)] = field(name="TargetGroups")


class TagDescription(Payload):
    """The tags of a resource."""

    arn: str = field(name="ResourceArn")
    tags: list[Tag] | None = None


def sticky_of(attributes: dict[str, str]) -> StickySessions | None:
    """Return the sticky sessions that a target group's attributes describe."""
    kind = attributes.get("stickiness.type", "")
    if attributes.get("stickiness.enabled") != "true":
        return None
    if not kind.endswith("_cookie"):
        return StickySessions(by="source_ip")
    ttl = whole_number(attributes.get(f"stickiness.{kind}.duration_seconds")) or DAY
    cookie = attributes.get("stickiness.app_cookie.cookie_name") if kind == "app_cookie" else None
    return StickySessions(cookie=cookie, ttl=None if ttl == DAY else ttl)


def sticky_fields(sticky: StickySessions, type_: str) -> dict[str, str]:
    """Return attributes of a target group for sticky sessions.

    Raises `UnsupportedOperationError` for what the type of balancer does not have.
    """
    wanted = "cookie" if type_ == APPLICATION else "source_ip"
    if require_sticky(sticky).by != wanted:
        raise UnsupportedOperationError(f"sessions of {type_} balancers are sticky by {wanted} only")
    enabled = {"stickiness.enabled": "true"}
    if type_ == NETWORK:
        if sticky.ttl is not None:
            raise UnsupportedOperationError("sticky sessions by source_ip have no ttl: leave it out")
        return {**enabled, "stickiness.type": "source_ip"}
    kind = "app_cookie" if sticky.cookie else "lb_cookie"
    fields = {**enabled, "stickiness.type": kind}
    if sticky.cookie:
        fields["stickiness.app_cookie.cookie_name"] = sticky.cookie
    if sticky.ttl is not None:
        fields[f"stickiness.{kind}.duration_seconds"] = str(sticky.ttl)
    return fields


def check_fields(check: HealthCheck, type_: str) -> dict[str, Any]:
    """Return a health check as a request has it.

    Raises `UnsupportedOperationError` for a protocol that the type of balancer does not check by, and
    `InvalidArgumentError` for a wrong value.
    """
    check = require_check(check)
    protocol = check.protocol
    words = ("http", "https") if type_ == APPLICATION else ("tcp", "http", "https")
    if protocol not in words:
        raise UnsupportedOperationError(f"{type_} balancers check by {', '.join(words)}, not by {protocol!r}")
    return {
        "HealthCheckProtocol": protocol.upper(),
        "HealthCheckPort": TRAFFIC_PORT if check.port is None else str(check.port),
        "HealthCheckPath": check.path,
        "HealthCheckIntervalSeconds": check.interval,
        "HealthCheckTimeoutSeconds": check.timeout,
        "HealthyThresholdCount": check.healthy,
        "UnhealthyThresholdCount": check.unhealthy,
    }
