"""How classic Elastic Load Balancing writes balancers and what they have."""

from __future__ import annotations

import re
from typing import Any

from msgspec import field

from polycloud.common.aws.balancing import Payload, Tag
from polycloud.common.aws.xml import Item
from polycloud.errors import UnsupportedOperationError
from polycloud.loadbalancer.checks import require_check
from polycloud.loadbalancer.listeners import plain
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import MemberHealth

TARGET = re.compile(r"(\w+):([0-9]{1,5})(/.*)?", re.DOTALL)
CHECK_DEFAULTS = {"interval": 30, "timeout": 5, "healthy": 10, "unhealthy": 2}
"""The provider's own defaults of a health check, all of which a change of one must repeat."""
DEREGISTERING = "deregistration currently in progress"
"""What the provider says of an instance that may end its connections."""
HTTP, TCP = ("http", "https"), ("tcp", "ssl")


class Instance(Payload):
    """An instance that is registered, and its health where that was asked for."""

    id: str = field(name="InstanceId")
    state: str | None = None
    description: str | None = None
    reason: str | None = field(name="ReasonCode", default=None)

    @property
    def health(self) -> MemberHealth:
        """What the balancer has found of it."""
        if self.is_draining:
            return MemberHealth.DRAINING
        if self.state == "OutOfService" and self.reason == "ELB":  # which is still at it
            return MemberHealth.STARTING
        known = {"InService": MemberHealth.UP, "OutOfService": MemberHealth.DOWN}
        return known.get(self.state or "", MemberHealth.UNKNOWN)

    @property
    def is_draining(self) -> bool:
        """Whether it is deregistered and has connections yet."""
        return DEREGISTERING in (self.description or "").lower()


class RawListener(Payload):
    """A listener."""

    protocol: str
    port: int = field(name="LoadBalancerPort")
    member_port: int = field(name="InstancePort")
    member_protocol: str | None = field(name="InstanceProtocol", default=None)
    certificate: str | None = field(name="SSLCertificateId", default=None)

    def settings(self) -> Listener:
        """Return the listener in our words."""
        words = self.protocol.lower(), (self.member_protocol or self.protocol).lower()
        return plain(Listener(
            port=self.port, protocol=words[0], member_port=self.member_port, member_protocol=words[1],
            certificate=self.certificate,
        ))  # fmt: skip


class ListenerDescription(Payload):
    """A listener with its policies."""

    listener: RawListener
    policy_names: list[str] | None = None


class AppCookie(Payload):
    """A policy by which the cookie of the members' application decides."""

    policy_name: str
    cookie_name: str


class LBCookie(Payload):
    """A policy by which a cookie of the balancer decides."""

    policy_name: str
    cookie_expiration_period: int | None = None


class Policies(Payload):
    """The policies of a balancer."""

    app: list[AppCookie] | None = field(name="AppCookieStickinessPolicies", default=None)
    lb: list[LBCookie] | None = field(name="LBCookieStickinessPolicies", default=None)


class Check(Payload):
    """A health check."""

    target: str
    interval: int
    timeout: int
    unhealthy_threshold: int
    healthy_threshold: int


class Description(Payload):
    """A balancer."""

    name: str = field(name="LoadBalancerName")
    address: str | None = field(name="DNSName", default=None)
    listeners: list[ListenerDescription] | None = field(name="ListenerDescriptions", default=None)
    policies: Policies | None = None
    instances: list[Instance] | None = None
    health_check: Check | None = None

    def sticky(self) -> StickySessions | None:
        """Return the sticky sessions of the first listener that has any."""
        used = {name for one in self.listeners or () for name in one.policy_names or ()}
        policies = self.policies or Policies()
        for app in policies.app or ():
            if app.policy_name in used:
                return StickySessions(cookie=app.cookie_name)
        for own in policies.lb or ():
            if own.policy_name in used:
                return StickySessions(ttl=own.cookie_expiration_period)
        return None

    def check(self) -> HealthCheck | None:
        """Return the health check; its port is None if it is the member port of the first listener."""
        raw, listeners = self.health_check, self.listeners or ()
        found = None if raw is None else TARGET.fullmatch(raw.target)
        if raw is None or found is None:
            return None
        port = int(found[2])
        own = listeners[0].listener.member_port if listeners else None
        return HealthCheck(
            protocol=found[1].lower(),
            port=None if port == own else port,
            path=found[3],
            interval=raw.interval,
            timeout=raw.timeout,
            healthy=raw.healthy_threshold,
            unhealthy=raw.unhealthy_threshold,
        )


class Draining(Payload):
    """How long connections of deregistered instances may go on."""

    enabled: bool
    timeout: int | None = None


class Attributes(Payload):
    """What a balancer is set to."""

    draining: Draining | None = field(name="ConnectionDraining", default=None)


class DescribedAttributes(Payload):
    """The attributes of a balancer."""

    attributes: Attributes = field(name="LoadBalancerAttributes")


class TagDescription(Payload):
    """The tags of a balancer."""

    name: str = field(name="LoadBalancerName")
    tags: list[Tag] | None = None


def extra_of(item: Item[Description]) -> dict[str, Any]:
    """Return what a balancer has beyond its name and address, the provider's own fields among it."""
    listeners = [one.listener.settings() for one in item.value.listeners or ()]
    return {
        **item.fields,
        "protocol": listeners[0].protocol if listeners else None,
        "listeners": listeners,
        "health_check": item.value.check(),
        "sticky": item.value.sticky(),
    }


def listener_fields(listener: Listener, words: Any) -> dict[str, Any]:
    """Return a completed listener as a request has it; `words` are the provider's protocols."""
    return {
        "Protocol": words[listener.protocol],
        "LoadBalancerPort": listener.port,
        "InstancePort": listener.member_port,
        "InstanceProtocol": words[listener.member_protocol],
        "SSLCertificateId": listener.certificate,
    }


def check_fields(check: HealthCheck, member_port: int | None) -> dict[str, Any]:
    """Return a health check as a request has it.

    Raises `UnsupportedOperationError` for another protocol, and `InvalidArgumentError` for a wrong value.
    """
    check = require_check(check)
    protocol = check.protocol
    if protocol not in HTTP + TCP:
        words = ", ".join(HTTP + TCP)
        raise UnsupportedOperationError(f"health checks are by {words}, not by {protocol!r}")
    path = check.path or ("/" if protocol in HTTP else "")
    given = {name: getattr(check, name) for name in CHECK_DEFAULTS if getattr(check, name) is not None}
    chosen = {**CHECK_DEFAULTS, **given}
    return {
        "Target": f"{protocol.upper()}:{check.port or member_port}{path}",
        "Interval": chosen["interval"],
        "Timeout": chosen["timeout"],
        "UnhealthyThreshold": chosen["unhealthy"],
        "HealthyThreshold": chosen["healthy"],
    }
