"""What DigitalOcean's requests and responses about balancers have, and what it is in our words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.common.digitalocean import number
from polycloud.common.payload import decode
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.loadbalancer.checks import address_of, check_member, require_check, require_sticky
from polycloud.loadbalancer.listeners import plain
from polycloud.loadbalancer.objects import Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import Algorithm, State
from polycloud.utils.values import shown

STATES = {"new": State.PENDING, "active": State.RUNNING, "errored": State.ERROR}
ALGORITHMS = {
    "round_robin": Algorithm.ROUND_ROBIN,
    "least_connections": Algorithm.LEAST_CONNECTIONS,
}
"""What balancers have; a request cannot choose any more."""
ENCRYPTED = ("https", "http2")
HTTP = ("http", *ENCRYPTED)
CHECKS = ("http", "https", "tcp")
CHECK_FIELDS = {
    "interval": "check_interval_seconds",
    "timeout": "response_timeout_seconds",
    "healthy": "healthy_threshold",
    "unhealthy": "unhealthy_threshold",
}
DEFAULT_COOKIE, DEFAULT_TTL = "DO-LB", 300
READ_ONLY = frozenset({"id", "ip", "ipv6", "status", "created_at"})
CONVERTED = frozenset({"id", "name", "ip", "status", "forwarding_rules", "sticky_sessions"})


class Rule(msgspec.Struct):
    """A forwarding rule."""

    entry_protocol: str
    entry_port: int
    target_protocol: str
    target_port: int
    certificate_id: str | None = None


class Balancer(msgspec.Struct):
    """A balancer; `ip` is empty until it is active."""

    id: str
    name: str | None = None
    status: str | None = None
    ip: str | None = None
    algorithm: str | None = None
    forwarding_rules: list[Rule] = []
    droplet_ids: list[int] | None = None


class Place(msgspec.Struct):
    """A region."""

    slug: str


class Droplet(msgspec.Struct):
    """What of a droplet says where its balancer must be."""

    region: Place


def droplet(member: Member) -> Member:
    """Return a member by the droplet's id alone. Raises `InvalidArgumentError` without an id."""
    if not isinstance(member, Member) or member.id is None:
        given = address_of(member) if isinstance(member, Member) else shown(member)
        message = "members of DigitalOcean are droplets by id: give Member(droplet_id, None, None)"
        raise InvalidArgumentError(f"{message}, not {given}")
    return check_member(Member(str(number(member.id)), None, member.port, extra=member.extra), by_id=True)


def require_port(member: Member, port: int | None) -> None:
    """Raise `InvalidArgumentError` for a member that would serve at another port than its balancer's."""
    if member.port not in (None, port):
        raise InvalidArgumentError(f"members of this balancer serve at port {port}, not at {member.port}")


def rule_fields(listener: Listener) -> dict[str, Any]:
    """Return a completed listener as a request has it."""
    return drop_none(
        {
            "entry_protocol": listener.protocol,
            "entry_port": listener.port,
            "target_protocol": listener.member_protocol,
            "target_port": listener.member_port,
            "certificate_id": listener.certificate,
        }
    )


def _listener(rule: Rule) -> Listener:
    """Return a rule as a completed listener."""
    return Listener(
        port=rule.entry_port,
        protocol=rule.entry_protocol,
        member_port=rule.target_port,
        member_protocol=rule.target_protocol,
        certificate=rule.certificate_id or None,
    )


def changed_rule(rule: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a rule with what changes of its listener; a new protocol is that of the members too.

    Raises `InvalidArgumentError` for a certificate if the protocol, which stays, has none.
    """
    listener = replace(_listener(msgspec.convert(rule, Rule)), **changes)
    if "protocol" not in changes:
        if "certificate" in changes:
            require_certificate(listener.protocol, listener.certificate)
        return {**rule, **rule_fields(listener)}
    return rule_fields(replace(listener, member_protocol=changes["protocol"]))


def require_certificate(protocol: str, certificate: str | None) -> None:
    """Raise `InvalidArgumentError` if a protocol that needs a certificate has none, or another one has."""
    if (protocol in ENCRYPTED) != bool(certificate):
        raise InvalidArgumentError(f"ex_certificate is for {' and '.join(ENCRYPTED)}, which need it")


def body_of(raw: bytes) -> dict[str, Any]:
    """Return a balancer as a PUT takes it; `size` is for the regions that have no `size_unit`."""
    fields = drop_none({name: value for name, value in decode(raw).items() if name not in READ_ONLY})
    unwanted = {"droplet_ids" if fields.get("tag") else "tag", "size" if "size_unit" in fields else ""}
    if "region" in fields:  # global ones have none
        fields["region"] = fields["region"]["slug"]
    return {name: value for name, value in fields.items() if name not in unwanted}


def extra_of(raw: bytes) -> dict[str, Any]:
    """Return what a balancer has beyond its name, address and state, the provider's fields among it."""
    fields, payload = decode(raw), decode(raw, Balancer)
    listeners = [_listener(rule) for rule in payload.forwarding_rules]
    return {
        **{name: value for name, value in fields.items() if name not in CONVERTED},
        "region": (fields.get("region") or {}).get("slug"),
        "protocol": listeners[0].protocol if listeners else None,
        "algorithm": ALGORITHMS.get(payload.algorithm or ""),
        "listeners": [plain(one) for one in listeners],
        "health_check": _health_check(fields.get("health_check"), listeners),
        "sticky": _sticky_sessions(fields.get("sticky_sessions") or {}),
    }


def _health_check(fields: dict[str, Any] | None, listeners: Sequence[Listener]) -> HealthCheck | None:
    if not fields:
        return None
    own = listeners[0].member_port if listeners else None
    return HealthCheck(
        protocol=fields.get("protocol") or "http",
        port=None if fields.get("port") == own else fields.get("port"),
        path=fields.get("path") or None,
        **{ours: fields.get(theirs) for ours, theirs in CHECK_FIELDS.items()},
    )


def _sticky_sessions(fields: dict[str, Any]) -> StickySessions | None:
    if fields.get("type") != "cookies":
        return None
    return StickySessions(cookie=fields.get("cookie_name"), ttl=fields.get("cookie_ttl_seconds"))


def check_fields(check: HealthCheck | None, listener: Listener) -> dict[str, Any]:
    """Return a health check as a request has it."""
    if check is None:
        if listener.protocol == "udp":
            raise InvalidArgumentError("a balancer for udp needs ex_health_check, of another protocol")
        check = HealthCheck()
    check = require_check(check)
    if check.protocol not in CHECKS:
        message = f"DigitalOcean checks members by {', '.join(CHECKS)}, not by {check.protocol!r}"
        raise UnsupportedOperationError(message)
    times = {theirs: getattr(check, ours) for ours, theirs in CHECK_FIELDS.items()}
    return drop_none(
        {"protocol": check.protocol, "port": check.port or listener.member_port, "path": check.path, **times}
    )


def sticky_fields(sticky: StickySessions, listeners: Sequence[Listener]) -> dict[str, Any]:
    """Return sticky sessions as a request has them."""
    if require_sticky(sticky).by != "cookie":
        message = f"DigitalOcean has sticky sessions by cookie only, not by {sticky.by!r}"
        raise UnsupportedOperationError(message)
    if not any(one.protocol in HTTP for one in listeners):
        raise UnsupportedOperationError(f"only listeners by {', '.join(HTTP)} have cookies")
    cookie = sticky.cookie or DEFAULT_COOKIE
    ttl = DEFAULT_TTL if sticky.ttl is None else sticky.ttl
    return {"type": "cookies", "cookie_name": cookie, "cookie_ttl_seconds": ttl}
