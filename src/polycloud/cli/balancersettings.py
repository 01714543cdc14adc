"""Settings of balancers at a shell: listeners, health checks and sticky sessions in one word each.

443:https=8080:http            a listener: the balancer's port and protocol, those of the members
http:8080/healthz,interval=10  a health check
cookie:srv,ttl=600             sticky sessions
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from polycloud.errors import InvalidArgumentError
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import Algorithm

__all__ = ["algorithm", "health_check", "listener", "sticky", "written"]

T = TypeVar("T", HealthCheck, Listener, StickySessions)

LISTENER = re.compile(r"(?P<port>\d+):(?P<protocol>\w+)(=(?P<member_port>\d+)(:(?P<member_protocol>\w+))?)?")
TIMES = ("interval", "timeout", "healthy", "unhealthy")
PATH = r"/((?!,\w+=).)*"  # a NAME= after a comma is a setting, also a misspelt one, not a part of the path
CHECK = re.compile(
    rf"(?P<protocol>\w+)(:(?P<port>\d+)?)?(?P<path>{PATH})?(?P<more>(,({'|'.join(TIMES)})=\d+)*)", re.DOTALL
)
STICKY = re.compile(r"(?P<by>cookie|source_ip)(:(?P<cookie>[^:,]+))?(,ttl=(?P<ttl>\d+))?")


def algorithm(text: str) -> Algorithm:
    """Return the algorithm of that name. Raises `InvalidArgumentError` with all names."""
    found = Algorithm.fromstring(text.replace("-", "_"))
    if found is None:
        raise InvalidArgumentError(
            f"--algorithm must be one of {', '.join(map(str, Algorithm))}, got {text!r}"
        )
    return found


def listener(text: str) -> Listener:
    """Return the listener of `--listener`. Raises `InvalidArgumentError` with an example."""
    return _parsed(
        text, "--listener", LISTENER, "PORT:PROTOCOL[=PORT[:PROTOCOL]]", "443:https=8080:http", Listener
    )


def health_check(text: str) -> HealthCheck:
    """Return the check of `--health-check`. Raises `InvalidArgumentError` with an example."""
    form = f"PROTOCOL[:PORT][/PATH][,{'|'.join(TIMES)}=NUMBER]"

    def made(more: str, **given: Any) -> HealthCheck:
        for name, number in (one.split("=") for one in more.split(",") if one):
            given[name] = int(number)
        return HealthCheck(**given)

    return _parsed(text, "--health-check", CHECK, form, "http:8080/healthz,interval=10", made)


def sticky(text: str) -> StickySessions:
    """Return the sessions of `--sticky`. Raises `InvalidArgumentError` with an example."""
    return _parsed(
        text,
        "--sticky",
        STICKY,
        "cookie[:NAME][,ttl=SECONDS] or source_ip",
        "cookie:srv,ttl=600",
        StickySessions,
    )


def _parsed(
    text: str, option: str, pattern: re.Pattern[str], form: str, example: str, make: Callable[..., T]
) -> T:
    match = pattern.fullmatch(text)
    if match is None:
        raise InvalidArgumentError(f"{option} must be {form}, such as {example}; got {text!r}")
    given = match.groupdict()
    return make(**{name: _number(name, value) for name, value in given.items()})


def _number(name: str, text: str | None) -> Any:
    return int(text) if text and name in {"port", "member_port", "ttl"} else text


def written(value: Any) -> str | None:
    """Return a setting as the options take it, and several with spaces between them; None without one."""
    if isinstance(value, list | tuple):
        return " ".join(str(written(one)) for one in value)
    if isinstance(value, Listener):
        to = value.member_port or (value.port if value.member_protocol else None)
        member = ":".join(str(one) for one in (to, value.member_protocol) if one)
        return f"{value.port}:{value.protocol}" + (f"={member}" if member else "")
    if isinstance(value, HealthCheck):
        port = f":{value.port}" if value.port else ":" if value.path else ""
        return f"{value.protocol}{port}{value.path or ''}{_pairs(value, TIMES)}"
    if isinstance(value, StickySessions):
        return f"{value.by}{f':{value.cookie}' if value.cookie else ''}{_pairs(value, ('ttl',))}"
    return None if value is None else str(value)


def _pairs(value: Any, names: tuple[str, ...]) -> str:
    return "".join(f",{name}={getattr(value, name)}" for name in names if getattr(value, name) is not None)
