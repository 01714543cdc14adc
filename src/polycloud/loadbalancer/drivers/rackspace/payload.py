"""The objects of Cloud Load Balancers, and what they are in our words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.loadbalancer.checks import condition_of, require_check, require_sticky, weight_of
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, StickySessions
from polycloud.loadbalancer.types import Algorithm, MemberCondition, MemberHealth, State
from polycloud.utils.values import shown

WORDS = (
    *("HTTP", "HTTPS", "TCP", "TCP_CLIENT_FIRST", "TCP_STREAM", "UDP", "UDP_STREAM", "DNS_TCP", "DNS_UDP"),
    *("FTP", "SFTP", "IMAPS", "IMAPv4", "POP3", "POP3S", "SMTP", "LDAP", "LDAPS", "MYSQL"),
)
PROTOCOLS = {word.lower(): word for word in WORDS}
ALGORITHMS = {
    Algorithm[word]: word
    for word in (
        *("ROUND_ROBIN", "RANDOM", "LEAST_CONNECTIONS"),
        *("WEIGHTED_ROUND_ROBIN", "WEIGHTED_LEAST_CONNECTIONS"),
    )
}
UPDATING = "PENDING_UPDATE"
STATES = {
    "ACTIVE": State.RUNNING,
    UPDATING: State.RUNNING,
    "BUILD": State.PENDING,
    "PENDING_DELETE": State.DELETED,
    "DELETED": State.DELETED,
    "ERROR": State.ERROR,
    "SUSPENDED": State.ERROR,
}
"""A balancer that is being updated serves; a suspended one does not, until Rackspace's support is asked."""
HEALTHS = {"ONLINE": MemberHealth.UP, "OFFLINE": MemberHealth.DOWN}
CONDITIONS = {
    MemberCondition.ENABLED: MemberHealth.UP,
    MemberCondition.DRAINING: MemberHealth.DRAINING,
    MemberCondition.DISABLED: MemberHealth.DOWN,
}
"""The health of a node that is online: a disabled one takes no connections."""
CHECKS = {"tcp": "CONNECT", "http": "HTTP", "https": "HTTPS"}
STICKY = {"cookie": ("HTTP_COOKIE", {"http"}), "source_ip": ("SOURCE_IP", {"http", "https"})}
"""Our words, the provider's, and the protocols for which it has them."""
GOOD_STATUS, ANY_BODY = "^[23][0-9][0-9]$", ".*"
INTERVAL, TIMEOUT, UNHEALTHY = 10, 10, 3
TYPES = ("PRIMARY", "SECONDARY")
MOST_WEIGHT = 100


class AddressPayload(msgspec.Struct, rename="camel"):
    """A virtual address."""

    id: int | str | None = None
    address: str | None = None
    type: str | None = None
    ip_version: str | None = None


class TimePayload(msgspec.Struct):
    """A time."""

    time: str | None = None


class MonitorPayload(msgspec.Struct, rename="camel"):
    """A health monitor."""

    type: str
    delay: int
    timeout: int
    attempts_before_deactivation: int
    path: str | None = None


class PersistencePayload(msgspec.Struct, rename="camel"):
    """How sessions stick."""

    persistence_type: str


class NodePayload(msgspec.Struct):
    """A node of a balancer."""

    id: int | str
    address: str
    port: int
    condition: str
    status: str | None = None
    weight: int | None = None
    type: str | None = None


class Datum(msgspec.Struct):
    """A name and a value."""

    key: str
    value: str


class Metadata(msgspec.Struct):
    """The metadata of a balancer."""

    metadata: list[Datum] = []


class BalancerPayload(msgspec.Struct, rename="camel"):
    """A balancer; lists lack its monitor, persistence, nodes and throttle."""

    id: int | str
    name: str
    status: str
    protocol: str | None = None
    port: int | None = None
    algorithm: str | None = None
    virtual_ips: list[AddressPayload] = []
    created: TimePayload | None = None
    updated: TimePayload | None = None
    timeout: int | None = None
    health_monitor: MonitorPayload | None = None
    session_persistence: PersistencePayload | None = None
    connection_throttle: dict[str, Any] | None = None
    source_addresses: dict[str, Any] | None = None


def address_of(payload: BalancerPayload) -> str | None:
    """Return the address of a balancer: a public one of IPv4, if it has one."""

    def rank(one: AddressPayload) -> tuple[bool, bool]:
        return one.type != "PUBLIC", one.ip_version != "IPV4"

    found = min((one for one in payload.virtual_ips if one.address), key=rank, default=None)
    return None if found is None else found.address


def extra_of(payload: BalancerPayload) -> dict[str, Any]:
    """Return the `extra` of a balancer."""
    protocol = payload.protocol
    return {
        "status": payload.status,
        "protocol": protocol.lower() if protocol else None,
        "algorithm": Algorithm.fromstring(payload.algorithm or ""),
        "health_check": check_of(payload.health_monitor),
        "sticky": sticky_of(payload.session_persistence),
        "virtual_ips": [msgspec.structs.asdict(one) for one in payload.virtual_ips],
        "timeout": payload.timeout,
        "connection_throttle": payload.connection_throttle or None,
        "source_addresses": payload.source_addresses,
        "created_at": payload.created.time if payload.created else None,
        "updated_at": payload.updated.time if payload.updated else None,
    }


# Health checks and sticky sessions


def monitor_fields(check: HealthCheck) -> dict[str, Any]:
    """Return the fields of a health monitor. Raises the errors of invalid and unknown values."""
    check = require_check(check)
    ours = check.protocol
    if ours not in CHECKS:
        raise UnsupportedOperationError(f"Rackspace has no checks by {check.protocol!r}, only {list(CHECKS)}")
    if check.port is not None or check.healthy is not None:
        raise UnsupportedOperationError(
            "Rackspace checks members at their own ports, and one good check is enough: leave out port and "
            "healthy"
        )
    http = {"path": check.path or "/", "statusRegex": GOOD_STATUS, "bodyRegex": ANY_BODY}
    return {
        "type": CHECKS[ours],
        "delay": INTERVAL if check.interval is None else check.interval,
        "timeout": TIMEOUT if check.timeout is None else check.timeout,
        "attemptsBeforeDeactivation": UNHEALTHY if check.unhealthy is None else check.unhealthy,
        **({} if ours == "tcp" else http),
    }


def check_of(monitor: MonitorPayload | None) -> HealthCheck | None:
    """Return the health check that a monitor makes."""
    if monitor is None:
        return None
    words = {word: ours for ours, word in CHECKS.items()}
    return HealthCheck(
        protocol=words.get(monitor.type, monitor.type.lower()),
        path=monitor.path,
        interval=monitor.delay,
        timeout=monitor.timeout,
        unhealthy=monitor.attempts_before_deactivation,
    )


def persistence_fields(sticky: StickySessions, protocol: str) -> dict[str, Any]:
    """Return the fields of sticky sessions. Raises the errors of invalid and unknown values."""
    if require_sticky(sticky).cookie is not None or sticky.ttl is not None:
        raise UnsupportedOperationError("Rackspace chooses the cookie and its ttl: leave both out")
    word, protocols = STICKY[sticky.by]
    if protocol not in protocols:
        raise UnsupportedOperationError(f"Rackspace has no sticky sessions by {sticky.by} for {protocol!r}")
    return {"persistenceType": word}


def sticky_of(persistence: PersistencePayload | None) -> StickySessions | None:
    """Return how sessions stick."""
    if persistence is None:
        return None
    words = {word: ours for ours, (word, _) in STICKY.items()}
    return StickySessions(by=words.get(persistence.persistence_type, persistence.persistence_type.lower()))


# Members


def node_settings(member: Member) -> dict[str, Any]:
    """Return what of a node can be changed. Raises `InvalidArgumentError` for invalid values in `extra`."""
    weight, condition = weight_of(member, 1, MOST_WEIGHT), condition_of(member)
    type_ = member.extra.get("type")
    if type_ is not None and type_ not in TYPES:
        raise InvalidArgumentError(f"type must be one of {', '.join(TYPES)}, got {shown(type_)}")
    name = (MemberCondition.ENABLED if condition is None else condition).name
    return drop_none({"condition": name, "weight": weight, "type": type_})


def node_fields(members: Sequence[Member]) -> list[dict[str, Any]]:
    """Return the nodes that members become."""
    return [{"address": one.ip, "port": one.port, **node_settings(one)} for one in members]


def to_member(payload: NodePayload, balancer: LoadBalancer) -> Member:
    """Return a member."""
    condition = MemberCondition.fromstring(payload.condition)
    health = HEALTHS.get(payload.status or "", MemberHealth.UNKNOWN)
    if health == MemberHealth.UP and condition is not None:
        health = CONDITIONS[condition]
    extra = {"weight": payload.weight or 1, "condition": condition, "type": payload.type}
    return Member(
        str(payload.id), payload.address, payload.port, balancer, {**extra, "status": payload.status}, health
    )
