"""What Linode's requests and responses about balancers have, and what it is in our words."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, ip_address
from typing import Any

import msgspec

from polycloud.common.arguments import drop_none, require_text
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.loadbalancer.checks import check_name, condition_of, require_check, require_sticky, weight_of
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import MemberCondition, MemberHealth
from polycloud.utils.values import shown

PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
CHECKS = {"tcp": "connection", "http": "http"}
DEFAULT_TIMEOUT = 30
STICKY = {"source_ip": "table", "cookie": "http_cookie"}
CONDITIONS = {
    "accept": MemberCondition.ENABLED,
    "backup": MemberCondition.ENABLED,
    "reject": MemberCondition.DISABLED,
    "drain": MemberCondition.DRAINING,
}
MODES = {
    MemberCondition.ENABLED: "accept",
    MemberCondition.DISABLED: "reject",
    MemberCondition.DRAINING: "drain",
}
MOST_WEIGHT = 255
SHORTEST_LABEL, LONGEST_LABEL = 3, 32


class NodeBalancer(msgspec.Struct):
    """A balancer without its configs."""

    id: int
    label: str | None = None
    ipv4: str | None = None


class Config(msgspec.Struct):
    """A port of a balancer, and how it passes connections on."""

    id: int
    port: int
    protocol: str
    algorithm: str | None = None
    stickiness: str | None = None
    check: str | None = None
    check_interval: int | None = None
    check_timeout: int | None = None
    check_attempts: int | None = None
    check_path: str | None = None
    ssl_fingerprint: str | None = None


class Node(msgspec.Struct):
    """A server behind a config; `address` is "ip:port"."""

    id: int
    config_id: int
    address: str
    label: str | None = None
    weight: int | None = None
    mode: str | None = None
    status: str | None = None


def require_label(name: object) -> None:
    """Raise `InvalidArgumentError` for a name that the provider does not take."""
    label = check_name(name)
    plain = label.isascii() and label.replace("-", "").replace("_", "").isalnum()
    if not (plain and SHORTEST_LABEL <= len(label) <= LONGEST_LABEL):
        wanted = f"{SHORTEST_LABEL} to {LONGEST_LABEL} letters, digits, dashes and underscores"
        raise InvalidArgumentError(f"name must have {wanted}, got {shown(name)}")


def node_fields(member: Member) -> dict[str, Any]:
    """Return a checked member as a request has it. Raises `InvalidArgumentError` for a public address."""
    ip = ip_address(member.ip or "")
    if not any(ip in network for network in PRIVATE):
        raise InvalidArgumentError(f"members of Linode are private IPv4 addresses, got {member.ip}")
    return {"label": f"{ip}-{member.port}", "address": f"{ip}:{member.port}", **settings_fields(member)}


def settings_fields(member: Member) -> dict[str, Any]:
    """Return the fields of a node for `weight`, `condition`, `mode` and `label`, where they are given.

    A `mode` that means this condition, such as "backup", is kept; else the condition decides.
    """
    weight, condition = weight_of(member, 1, MOST_WEIGHT), condition_of(member)
    mode, label = member.extra.get("mode"), member.extra.get("label")
    if mode is not None and mode not in CONDITIONS:
        raise InvalidArgumentError(f"mode must be one of {', '.join(CONDITIONS)}, got {shown(mode)}")
    if condition is not None and CONDITIONS.get(mode or "") != condition:
        mode = MODES[condition]
    if label is not None:
        require_text("the label of a member", label)
    return drop_none({"label": label, "weight": weight, "mode": mode})


def members_of(balancer: LoadBalancer, nodes: Sequence[Node]) -> list[Member]:
    """Return the members that nodes are: those of one address are one."""
    by_address: dict[str, list[Node]] = {}
    for one in nodes:
        by_address.setdefault(one.address, []).append(one)
    return [_to_member(balancer, address, same) for address, same in by_address.items()]


def split_address(address: str) -> tuple[str, int | None]:
    """Return the IP address and the port of a node."""
    ip, colon, port = address.rpartition(":")
    return (ip.strip("[]"), int(port)) if colon and port.isdecimal() else (address, None)


def _to_member(balancer: LoadBalancer, address: str, nodes: Sequence[Node]) -> Member:
    first = nodes[0]
    ip, port = split_address(address)
    condition = CONDITIONS.get(first.mode or "")
    extra = {"weight": first.weight, "condition": condition, "mode": first.mode, "label": first.label}
    return Member(str(first.id), ip, port, balancer, drop_none(extra), _health(nodes))


def _health(nodes: Sequence[Node]) -> MemberHealth:
    """Return the health of a member: it is up if it is at all ports."""
    if any(one.mode == "drain" for one in nodes):
        return MemberHealth.DRAINING
    found = {one.status for one in nodes}
    if "DOWN" in found:
        return MemberHealth.DOWN
    return MemberHealth.UP if found == {"UP"} else MemberHealth.UNKNOWN


def listener_of(config: Config) -> Listener:
    """Return a config as a listener; its certificate is the fingerprint."""
    return Listener(
        port=config.port,
        protocol=config.protocol,
        member_protocol="http" if config.protocol == "https" else None,
        certificate=config.ssl_fingerprint or None,
    )


def health_check_of(config: Config) -> HealthCheck | None:
    """Return the check of a config; one of the response's body is one by HTTP."""
    if config.check in {None, "none"}:
        return None
    return HealthCheck(
        protocol="tcp" if config.check == "connection" else "http",
        path=config.check_path or None,
        interval=config.check_interval,
        timeout=config.check_timeout,
        unhealthy=config.check_attempts,
    )


def sticky_of(config: Config) -> StickySessions | None:
    """Return the sticky sessions of a config; None if it has none."""
    by = next((ours for ours, theirs in STICKY.items() if theirs == config.stickiness), None)
    return None if by is None else StickySessions(by=by)


def port_fields(listener: Listener, private_key: str | None) -> dict[str, Any]:
    """Return the fields of a config that its listener determines."""
    plain = "http" if listener.protocol == "https" else listener.protocol
    if listener.member_port != listener.port or listener.member_protocol not in {
        plain,
        listener.protocol,
    }:
        message = f"members of Linode have their own ports, and get {plain}: "
        raise UnsupportedOperationError(f"{message}leave out member_port and member_protocol")
    if bool(listener.certificate) != bool(private_key) and listener.protocol == "https":
        raise InvalidArgumentError(f"the certificate of port {listener.port} needs ex_private_key")
    key = private_key if listener.protocol == "https" else None
    fields = {"port": listener.port, "protocol": listener.protocol}
    return drop_none({**fields, "ssl_cert": listener.certificate, "ssl_key": key})


def check_fields(check: HealthCheck) -> dict[str, Any]:
    """Return the fields of a config that its health check determines."""
    check = require_check(check)
    kind = CHECKS.get(check.protocol)
    if kind is None or check.port is not None or check.healthy is not None:
        message = f"Linode checks members by {' or '.join(CHECKS)}, at their port"
        raise UnsupportedOperationError(f"{message}, and has no `healthy`; got {check}")
    timeout = check.timeout
    if timeout is None and check.interval is not None:
        timeout = max(1, min(DEFAULT_TIMEOUT, check.interval - 1))
    times = {
        "check_interval": check.interval,
        "check_timeout": timeout,
        "check_attempts": check.unhealthy,
    }
    return drop_none({"check": kind, "check_path": check.path, **times})


def sticky_fields(sticky: StickySessions, protocol: str) -> dict[str, Any]:
    """Return the fields of a config of this protocol that its sticky sessions determine."""
    if require_sticky(sticky).cookie is not None or sticky.ttl is not None:
        message = f"Linode has sticky sessions by source_ip or its own cookie, got {sticky}"
        raise UnsupportedOperationError(message)
    if sticky.by == "cookie" and protocol == "tcp":  # other listeners may have cookies
        return {}
    return {"stickiness": STICKY[sticky.by]}


def require_used(
    listeners: Sequence[Listener],
    given: Sequence[Listener],
    key: str | None,
    sticky: StickySessions | None,
    proxied: bool,
) -> None:
    """Raise the errors for settings that no listener would have.

    `listeners` are all of a balancer, completed; `given` are the further ones as the caller gave them.
    """
    protocols = {one.protocol for one in listeners}
    if key and "https" not in protocols:
        raise InvalidArgumentError("no listener takes ex_private_key; those of https do")
    if sticky and sticky.by == "cookie" and protocols == {"tcp"}:
        raise UnsupportedOperationError("no listener has cookies: sticky sessions must be by source_ip")
    if proxied and "tcp" not in protocols:
        raise UnsupportedOperationError("only listeners by tcp have the proxy protocol; http has headers")
    if any((one.member_protocol or "").lower() == "https" for one in given):
        raise UnsupportedOperationError("Linode decrypts https for members: leave out member_protocol")
