"""Checks of what callers give: balancers, members, ports, names and health checks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from polycloud.common.arguments import require_count, require_text
from polycloud.errors import InvalidArgumentError
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, StickySessions
from polycloud.loadbalancer.types import MemberCondition
from polycloud.utils.networking import is_ip
from polycloud.utils.values import shown

WITH_PATH = frozenset({"http", "https"})
"""The protocols of health checks that have a path."""
STICKY = ("cookie", "source_ip")
COUNTS = ("interval", "timeout", "healthy", "unhealthy")
LARGEST_PORT = 65535
BROADCAST = ip_address("255.255.255.255")
COOKIE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A cookie's name (a token of RFC 9110)."""
PATH = re.compile(r"/[!-~]*")
"""The path of a request, percent-encoded: a line of HTTP has no spaces in it, and ASCII only."""
CONTROL = frozenset({"Cc", "Cs"})
"""The Unicode categories of characters that no name has: controls, and halves of surrogate pairs."""


def check_balancer(balancer: object) -> LoadBalancer:
    """Return the argument `balancer`. Raises `InvalidArgumentError` if it is not one."""
    if isinstance(balancer, LoadBalancer):
        return balancer
    raise InvalidArgumentError(f"balancer must be a LoadBalancer, got {shown(balancer)}")


def check_port(port: object, argument: str = "port") -> int:
    """Return a port. Raises `InvalidArgumentError` for anything but 1 to 65535."""
    if isinstance(port, int) and not isinstance(port, bool) and 0 < port <= LARGEST_PORT:
        return port
    raise InvalidArgumentError(f"{argument} must be an int from 1 to {LARGEST_PORT}, got {shown(port)}")


def check_name(name: object) -> str:
    """Return the name of a balancer. Raises `InvalidArgumentError` unless it is text that can be read."""
    if not isinstance(name, str) or not name.strip():
        raise InvalidArgumentError(f"name must be a non-empty str, got {shown(name)}")
    if any(unicodedata.category(character) in CONTROL for character in name):
        raise InvalidArgumentError(f"name must not have control characters, got {shown(name)}")
    return name


def check_member(member: object, *, by_id: bool = False) -> Member:
    """Return a member that is to be attached.

    Raises `InvalidArgumentError` unless it has a port and a server's address, or with `by_id` an id instead.
    """
    if not isinstance(member, Member):
        raise InvalidArgumentError(f"member must be a Member, got {shown(member)}")
    if not isinstance(member.extra, Mapping):
        raise InvalidArgumentError(f"the member's extra must be a dict, got {shown(member.extra)}")
    if member.port is not None:
        check_port(member.port, "the member's port")
    if by_id and member.id:
        return member
    if member.port is None:
        raise InvalidArgumentError(f"the member's port must not be None: {address_of(member)}")
    if not isinstance(member.ip, str) or not (is_ip(member.ip, 4) or is_ip(member.ip, 6)):
        raise InvalidArgumentError(f"the member's ip must be an address, got {shown(member.ip)}")
    where = ip_address(member.ip)
    if where.is_unspecified or where.is_multicast or where == BROADCAST:
        raise InvalidArgumentError(f"the member's ip must be the address of one server, got {member.ip}")
    return member


def weight_of(member: Member, least: int, most: int) -> int | None:
    """Return the weight that a member shall have. Raises `InvalidArgumentError` unless it is in the range."""
    weight: object = member.extra.get("weight")
    if weight is None or (type(weight) is int and least <= weight <= most):
        return weight
    raise InvalidArgumentError(
        f"the member's weight must be an int from {least} to {most}, got {shown(weight)}"
    )


def condition_of(member: Member) -> MemberCondition | None:
    """Return the condition that a member shall have. Raises `InvalidArgumentError` for other values."""
    condition: object = member.extra.get("condition")
    if condition is None or isinstance(condition, MemberCondition):
        return condition
    raise InvalidArgumentError(f"the member's condition must be a MemberCondition, got {shown(condition)}")


def check_members(members: Sequence[Member], *, by_id: bool = False) -> list[Member]:
    """Return the members of a new balancer, each of which `check_member` accepts.

    Raises `InvalidArgumentError` for an invalid one, and for one that is given twice.
    """
    checked: list[Member] = []
    for one in members or ():
        if same_member(checked, check_member(one, by_id=by_id)) is not None:
            raise InvalidArgumentError(f"the member {address_of(one)} is given twice")
        checked.append(one)
    return checked


def same_member(members: Sequence[Member], member: Member) -> Member | None:
    """Return the member that has the same address and port, or without an address the same id.

    Of several at one address, which HAProxy allows, it is the one with the same id, or the first.
    """
    if not isinstance(member, Member):
        raise InvalidArgumentError(f"member must be a Member, got {shown(member)}")
    if member.ip is None or member.port is None:
        return next((one for one in members if one.id is not None and one.id == member.id), None)
    where = (spelled(member.ip), member.port)
    found = [one for one in members if (spelled(one.ip), one.port) == where]
    return next((one for one in found if one.id == member.id), found[0] if found else None)


def spelled(ip: str | None) -> str | None:
    """Return an address in its only spelling: those of IPv6 have several."""
    return ip if ip is None or not is_ip(ip, 6) else str(ip_address(ip))


def address_of(member: Member) -> str:
    """Return how messages name a member: its address and port, or its id without an address."""
    if not member.ip:
        return str(member.id)
    if member.port is None:
        return str(member.ip)
    return f"[{member.ip}]:{member.port}" if ":" in str(member.ip) else f"{member.ip}:{member.port}"


def require_check(check: HealthCheck) -> HealthCheck:
    """Return a health check with its protocol in lower case.

    Raises `InvalidArgumentError` unless its numbers are above 0, its port is one, and its path begins with /,
    is percent-encoded and for HTTP.
    """
    protocol = require_text("the protocol of a health check", check.protocol).lower()
    for name in COUNTS:
        if getattr(check, name) is not None:
            require_count(f"{name} of a health check", getattr(check, name))
    if check.port is not None:
        check_port(check.port, "the port of a health check")
    if check.path is not None and not PATH.fullmatch(require_text("the path of a health check", check.path)):
        raise InvalidArgumentError(
            f"the path of a health check must begin with / and be percent-encoded, got {check.path!r}"
        )
    if check.path is not None and protocol not in WITH_PATH:
        raise InvalidArgumentError(f"a health check by {protocol} has no path, got {check.path!r}")
    return HealthCheck(**{**vars(check), "protocol": protocol})


def require_sticky(sticky: StickySessions) -> StickySessions:
    """Return sticky sessions.

    Raises `InvalidArgumentError` unless they are by cookie or source_ip, their cookie is a name for the
    former, and their ttl is above 0.
    """
    if sticky.by not in STICKY:
        raise InvalidArgumentError(f"sticky sessions are by {' or '.join(STICKY)}, got {shown(sticky.by)}")
    if sticky.cookie is not None:
        if not COOKIE.fullmatch(require_text("the cookie of sticky sessions", sticky.cookie)):
            raise InvalidArgumentError(
                f"the cookie of sticky sessions must be the name of a cookie, got {sticky.cookie!r}"
            )
        if sticky.by != "cookie":
            raise InvalidArgumentError(
                f"sticky sessions by {sticky.by} have no cookie, got {sticky.cookie!r}"
            )
    if sticky.ttl is not None:
        require_count("ttl of sticky sessions", sticky.ttl)
    return sticky
