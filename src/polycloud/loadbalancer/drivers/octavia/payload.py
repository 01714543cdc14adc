"""Octavia's objects, and what they are in our words.

A balancer of ours is a load balancer with listeners, and a pool of members for each port and protocol of the
members that listeners have. What the API does not keep stands in tags: which listener is the first one, the
port of a pool's members, and that of their health checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.errors import UnsupportedOperationError
from polycloud.loadbalancer.checks import condition_of, require_check, require_sticky, weight_of
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import Algorithm, MemberCondition, MemberHealth, State

MARKER, FIRST = "polycloud-create", "polycloud-first"
PORT, CHECK_PORT = "polycloud-member-port", "polycloud-check-port"
PROXY = frozenset({"PROXY", "PROXYV2"})
ALGORITHMS: Mapping[Algorithm, str] = {
    Algorithm.ROUND_ROBIN: "ROUND_ROBIN",
    Algorithm.LEAST_CONNECTIONS: "LEAST_CONNECTIONS",
    Algorithm.PERSISTENT_IP: "SOURCE_IP",
}
OURS = {word: one for one, word in ALGORITHMS.items()} | {"SOURCE_IP_PORT": Algorithm.PERSISTENT_IP}
STATES = {
    "ACTIVE": State.RUNNING,
    "PENDING_UPDATE": State.RUNNING,
    "PENDING_CREATE": State.PENDING,
    "PENDING_DELETE": State.DELETED,
    "DELETED": State.DELETED,
    "ERROR": State.ERROR,
}
"""A balancer that is being changed runs all the same."""
HEALTHS = {
    "ONLINE": MemberHealth.UP,
    "DRAINING": MemberHealth.DRAINING,
    "OFFLINE": MemberHealth.DOWN,
    "ERROR": MemberHealth.DOWN,
    "DEGRADED": MemberHealth.DOWN,
}
"""Without a health monitor (NO_MONITOR) nothing is known."""
CHECKS = {
    "http": "HTTP",
    "https": "HTTPS",
    "tcp": "TCP",
    "ping": "PING",
    "tls": "TLS-HELLO",
    "udp": "UDP-CONNECT",
    "sctp": "SCTP",
}
INTERVAL, TIMEOUT, HEALTHY = 10, 5, 3
MOST_WEIGHT = 256
MEMBER_EXTRA = ("backup", "monitor_address", "monitor_port", "name", "subnet_id", "tags")
"""What callers may set in `extra` of a member, besides its weight and condition."""


class Ref(msgspec.Struct):
    """The id of an object; empty for one that does not exist any more."""

    id: str | None = None


class PersistencePayload(msgspec.Struct):
    """How sessions stick; `type` is HTTP_COOKIE, APP_COOKIE or SOURCE_IP."""

    type: str
    cookie_name: str | None = None
    persistence_timeout: int | None = None


class MonitorPayload(msgspec.Struct):
    """A health monitor."""

    id: str
    type: str
    delay: int
    timeout: int
    max_retries: int
    max_retries_down: int | None = None
    url_path: str | None = None


class MemberPayload(msgspec.Struct):
    """A member of a pool."""

    id: str
    address: str
    protocol_port: int
    operating_status: str | None = None
    provisioning_status: str | None = None
    admin_state_up: bool = True
    weight: int = 1
    backup: bool = False
    name: str | None = None
    subnet_id: str | None = None
    monitor_address: str | None = None
    monitor_port: int | None = None
    tags: list[str] = []


class PoolPayload(msgspec.Struct):
    """A pool; only the response to a create has its monitor."""

    id: str
    protocol: str
    lb_algorithm: str
    created_at: str | None = None
    session_persistence: PersistencePayload | None = None
    healthmonitor_id: str | None = None
    healthmonitor: MonitorPayload | None = None
    tls_enabled: bool = False
    tags: list[str] = []

    @property
    def member_port(self) -> int | None:
        """The port of the members, if the driver has noted it."""
        return _number(self.tags, PORT)


class ListenerPayload(msgspec.Struct):
    """A listener."""

    id: str
    protocol: str
    protocol_port: int
    created_at: str | None = None
    default_pool_id: str | None = None
    default_tls_container_ref: str | None = None
    tags: list[str] = []


class BalancerPayload(msgspec.Struct):
    """A load balancer as it is listed."""

    id: str
    name: str | None
    provisioning_status: str
    operating_status: str | None = None
    admin_state_up: bool = True
    vip_address: str | None = None
    vip_subnet_id: str | None = None
    vip_network_id: str | None = None
    vip_port_id: str | None = None
    provider: str | None = None
    flavor_id: str | None = None
    description: str | None = None
    project_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    tags: list[str] = []
    listeners: list[Ref] = []
    pools: list[Ref] = []


class CreatedPayload(BalancerPayload):
    """A load balancer in the response to its create."""

    listeners: list[ListenerPayload] = []  # type: ignore[assignment]
    pools: list[PoolPayload] = []  # type: ignore[assignment]


class Tree(msgspec.Struct):
    """A load balancer with its listeners, the first one first, and what belongs to these."""

    balancer: BalancerPayload
    listeners: list[ListenerPayload]
    pools: dict[str, PoolPayload]
    monitors: dict[str, MonitorPayload] = {}

    @property
    def pool(self) -> PoolPayload | None:
        """The pool that has the members: that of the first listener, else the oldest one."""
        own = (self.pools.get(one.default_pool_id or "") for one in self.listeners)
        return next(filter(None, own), None) or min(
            self.pools.values(), key=lambda one: (one.created_at or "", one.id), default=None
        )

    @property
    def further_pools(self) -> list[PoolPayload]:
        """The pools of further listeners, whose members follow those of `pool`."""
        own = self.pool
        return [one for one in self.pools.values() if one is not own and one.member_port is not None]

    @property
    def monitor(self) -> MonitorPayload | None:
        """The health monitor of the pool."""
        pool = self.pool
        return None if pool is None else pool.healthmonitor or self.monitors.get(pool.healthmonitor_id or "")


def tree_of(
    balancer: BalancerPayload,
    listeners: Sequence[ListenerPayload],
    pools: Sequence[PoolPayload],
    monitors: Sequence[MonitorPayload] = (),
) -> Tree:
    """Return the tree of a balancer; the listeners and pools may be those of the project."""
    mine = {one.id for one in balancer.listeners}, {one.id for one in balancer.pools}
    ordered = sorted(
        (one for one in listeners if one.id in mine[0]),
        key=lambda one: (FIRST not in one.tags, one.created_at or "", one.protocol_port),
    )
    own = {one.id: one for one in pools if one.id in mine[1]}
    return Tree(balancer, ordered, own, {one.id: one for one in monitors})


# Health checks and sticky sessions


def monitor_fields(check: HealthCheck) -> dict[str, Any]:
    """Return the fields of a health monitor. Raises the errors of invalid and unknown values."""
    check = require_check(check)
    kind = CHECKS.get(check.protocol)
    if kind is None:
        words = ", ".join(CHECKS)
        raise UnsupportedOperationError(f"Octavia has no checks by {check.protocol!r}, only {words}")
    interval = INTERVAL if check.interval is None else check.interval
    return drop_none(
        {
            "type": kind,
            "delay": interval,
            "timeout": min(TIMEOUT, interval) if check.timeout is None else check.timeout,
            "max_retries": HEALTHY if check.healthy is None else check.healthy,
            "max_retries_down": check.unhealthy,
            "url_path": check.path,
        }
    )


def check_of(monitor: MonitorPayload | None, pool: PoolPayload | None) -> HealthCheck | None:
    """Return the health check that a monitor makes."""
    if monitor is None:
        return None
    ours = {word: one for one, word in CHECKS.items()}
    return HealthCheck(
        protocol=ours.get(monitor.type, monitor.type.lower()),
        port=_number(pool.tags, CHECK_PORT) if pool else None,
        path=monitor.url_path,
        interval=monitor.delay,
        timeout=monitor.timeout,
        healthy=monitor.max_retries,
        unhealthy=monitor.max_retries_down,
    )


def persistence_fields(sticky: StickySessions, listener: Listener) -> dict[str, Any] | None:
    """Return the fields of sticky sessions; None if a listener has no cookies, which sessions are sticky by.

    Raises the errors of invalid and unknown values.
    """
    if require_sticky(sticky).ttl is not None and (sticky.by != "source_ip" or listener.protocol != "udp"):
        raise UnsupportedOperationError(
            "Octavia has a ttl of sticky sessions by source_ip of udp only; leave it out"
        )
    if sticky.by == "source_ip":
        return drop_none({"type": "SOURCE_IP", "persistence_timeout": sticky.ttl})
    if listener.protocol != "http" and not listener.certificate:
        return None
    if sticky.cookie is None:
        return {"type": "HTTP_COOKIE"}
    return {"type": "APP_COOKIE", "cookie_name": sticky.cookie}


def sticky_of(persistence: PersistencePayload | None) -> StickySessions | None:
    """Return how sessions stick."""
    if persistence is None:
        return None
    by = "source_ip" if persistence.type == "SOURCE_IP" else "cookie"
    return StickySessions(by=by, cookie=persistence.cookie_name, ttl=persistence.persistence_timeout)


# Members


def member_fields(member: Member, port: int | None, check_port: int | None) -> dict[str, Any]:
    """Return the fields of a member. Raises `InvalidArgumentError` for an invalid weight or condition."""
    weight, condition = weight_of(member, 0, MOST_WEIGHT), condition_of(member)
    if condition == MemberCondition.DRAINING:
        weight = 0
    fields = {name: member.extra.get(name) for name in MEMBER_EXTRA}
    if fields["monitor_port"] is None:
        fields["monitor_port"] = check_port
    up = False if condition == MemberCondition.DISABLED else None
    return drop_none(
        {"address": member.ip, "protocol_port": port, "weight": weight, "admin_state_up": up, **fields}
    )


def to_member(payload: MemberPayload, balancer: LoadBalancer) -> Member:
    """Return a member."""
    condition = MemberCondition.ENABLED if payload.weight else MemberCondition.DRAINING
    if not payload.admin_state_up:
        condition = MemberCondition.DISABLED
    health = HEALTHS.get(payload.operating_status or "", MemberHealth.UNKNOWN)
    if payload.provisioning_status == "PENDING_CREATE":
        health = MemberHealth.STARTING
    extra = {name: getattr(payload, name) for name in MEMBER_EXTRA}
    extra |= {
        "weight": payload.weight,
        "condition": condition,
        "operating_status": payload.operating_status,
        "provisioning_status": payload.provisioning_status,
    }
    return Member(payload.id, payload.address, payload.protocol_port, balancer, extra, health)


def check_port_of(pool: PoolPayload) -> int | None:
    """Return the port at which members of a pool are checked, if it is another one."""
    return _number(pool.tags, CHECK_PORT)


def _number(tags: Sequence[str], name: str) -> int | None:
    """Return the number in the tag of this name."""
    texts = (one.partition("=")[2] for one in tags if one.startswith(f"{name}="))
    return next((int(text) for text in texts if text.isdecimal()), None)
