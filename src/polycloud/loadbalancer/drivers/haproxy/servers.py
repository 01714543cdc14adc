"""What HAProxy says of its proxies and servers, and the words in which a server is added."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

from polycloud.errors import MalformedResponseError, UnsupportedOperationError
from polycloud.loadbalancer.checks import require_check
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck
from polycloud.loadbalancer.types import MemberCondition, MemberHealth

LARGEST_WEIGHT = 256
FORCED, CONFIGURED = 0x01, 0x04
MAINTENANCE = FORCED | 0x02 | 0x20 | 0x40
"""The bits of `srv_admin_state` that put a server in maintenance; CONFIGURED says `disabled` in the file."""
DRAIN = 0x08 | 0x10
CHECKED = 0x02
"""The bit of `srv_check_state` of a server that has a health check."""
NOT_CHECKED = "no check"
HEALTH = (
    ("UP", MemberHealth.UP),
    ("DRAIN", MemberHealth.DRAINING),
    ("NOLB", MemberHealth.DRAINING),
    ("DOWN ", MemberHealth.STARTING),  # such as "DOWN 1/2": one good check of two
    ("DOWN", MemberHealth.DOWN),
)
COLUMNS = frozenset(
    {"pxname", "svname", "qcur", "scur", "status", "weight", "type", "check_status", "addr", "mode"}
)
"""What is read of `show stat`; HAProxy 1.7 had all of them."""
NUMBER, PORT = r"[0-9]{1,20}", r"[0-9]{1,5}"
Row = dict[str, str]


class Server(NamedTuple):
    """A server as `show servers state` prints it."""

    backend: str
    name: str
    ip: str
    port: int
    admin: int
    check: int

    @property
    def is_open(self) -> bool:
        """Whether it gets new connections, if it is healthy."""
        return not self.admin & (MAINTENANCE | DRAIN)

    @property
    def is_slot(self) -> bool:
        """Whether the configuration declares it `disabled`, and nobody uses it."""
        return self.admin & (FORCED | CONFIGURED) == FORCED | CONFIGURED

    @property
    def is_checked(self) -> bool:
        """Whether HAProxy checks its health."""
        return bool(self.check & CHECKED)

    def member(self, balancer: LoadBalancer) -> Member:
        """Return it as a member, without what HAProxy has found of it."""
        return Member(self.name, self.ip, self.port, balancer)


def rows(text: str) -> list[Row]:
    """Return the rows of `show stat` by the names of its columns."""
    table = csv.DictReader(text.removeprefix("# ").splitlines(), restval="")
    try:
        missing = COLUMNS - set(table.fieldnames or ())
        found = list(table)
    except csv.Error as error:
        raise MalformedResponseError(f"the response to show stat is not a table: {error}", text) from error
    if missing:
        names = ", ".join(sorted(missing))
        raise MalformedResponseError(f"the response to show stat has no columns {names}", text)
    return found


def servers(text: str) -> list[Server]:
    """Return the servers of `show servers state`."""
    lines = [line for line in text.splitlines() if line]
    if len(lines) < 2 or not lines[1].startswith("# "):  # noqa: PLR2004 - version, names
        raise MalformedResponseError("the response to show servers state has no names of columns", text)
    names = lines[1].removeprefix("# ").split()
    found = (dict(zip(names, line.split(), strict=False)) for line in lines[2:])
    try:
        return [
            Server(
                one["be_name"],
                one["srv_name"],
                one["srv_addr"],
                int(one["srv_port"]),
                int(one["srv_admin_state"]),
                int(one["srv_check_state"]),
            )
            for one in found
        ]
    except (KeyError, ValueError) as error:
        raise MalformedResponseError(f"the response to show servers state lacks {error}", text) from error


def address(text: str) -> tuple[str | None, int | None]:
    """Return the address and port of `127.0.0.1:80` or `[::1]:80`; None for what HAProxy does not say."""
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if host and re.fullmatch(PORT, port) else (None, None)


def sessions(row: Row) -> int:
    """Return the number of connections of a server, with those that wait for it."""
    return _number(row["scur"]) + _number(row["qcur"])


def _number(text: str) -> int:
    """Return a number of `show stat`, where nothing is 0."""
    if re.fullmatch(NUMBER, text or "0"):
        return int(text or 0)
    raise MalformedResponseError(f"the response to show stat has {text!r} for a number", text)


def to_member(row: Row, balancer: LoadBalancer) -> Member:
    """Return the member of a row of `show stat`."""
    status = row["status"]
    draining = status.startswith(("DRAIN", "NOLB"))
    health = next((ours for word, ours in HEALTH if status.startswith(word)), MemberHealth.UNKNOWN)
    if draining and not row["check_status"]:
        health = MemberHealth.UNKNOWN
    extra = {
        "weight": _number(row.get("uweight") or row["weight"]),
        "condition": MemberCondition.DRAINING if draining else MemberCondition.ENABLED,
        "sessions": sessions(row),
        "status": status,
        "check": row["check_status"] or None,
    }
    return Member(row["svname"], *address(row["addr"]), balancer, extra, health)


def drains(member: Member, balancer: LoadBalancer) -> bool:
    """Return whether a balancer lists a member as draining: that is what it does, not what it shall do."""
    is_listed = member.balancer is not None and member.balancer.id == balancer.id
    return is_listed and member.extra.get("condition") == MemberCondition.DRAINING


def check_words(check: HealthCheck | None) -> list[str]:
    """Return the words of a health check.

    Raises `UnsupportedOperationError` for what is the backend's: protocol, path and timeout.
    """
    if check is None:
        return []
    check = require_check(check)
    if check.protocol != "tcp" or check.path is not None or check.timeout is not None:
        raise UnsupportedOperationError(
            "the protocol, path and timeout of health checks are those of the backend in the configuration; "
            "ex_health_check can have port, interval, healthy and unhealthy"
        )
    interval = None if check.interval is None else f"{check.interval}s"
    given = (("port", check.port), ("inter", interval), ("rise", check.healthy), ("fall", check.unhealthy))
    return ["check", *(part for word, value in given if value is not None for part in (word, str(value)))]


def normalized(member: Member) -> Member:
    """Return a member with its address as HAProxy writes it."""
    return Member(member.id, str(ip_address(str(member.ip))), member.port, member.balancer, member.extra)


def joined(ip: str | None, port: int | None) -> str:
    """Return the name of a server that the driver adds: its address."""
    return f"{ip}:{port}"


def version(text: str) -> tuple[int, int]:
    """Return the version in `show info`, such as (2, 6)."""
    found = re.search(r"^Version: *([0-9]{1,4})\.([0-9]{1,4})", text, re.MULTILINE)
    if found is None:
        raise MalformedResponseError("the response to show info has no version", text)
    return int(found[1]), int(found[2])


def common_port(members: Iterable[Member]) -> int | None:
    """Return the port that all members have; None if they differ, or there are none."""
    ports = {one.port for one in members}
    return ports.pop() if len(ports) == 1 else None
