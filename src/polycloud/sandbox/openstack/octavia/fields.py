"""The fields of requests: each table has the checks of one kind of object, and its defaults."""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Json

Check = Callable[[Any], str]
"""Returns why a value is refused; empty if it is not."""
NEEDED = object()
"""The default of a field that must be there."""
Fields = Mapping[str, tuple[Check, Any]]


_LONGEST = 255


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return "Value should be string"
    fits = len(value) <= _LONGEST
    return "" if fits else f"Value should have a maximum character requirement of {_LONGEST}"


def _between(least: int, most: int | None = None) -> Check:
    def check(value: Any) -> str:
        if type(value) is not int:
            return "Value should be integer"
        if value < least:
            return f"Value should be greater or equal to {least}"
        return f"Value should be lower or equal to {most}" if most is not None and value > most else ""

    return check


def _one_of(*words: str) -> Check:
    return lambda value: "" if value in words else f"Value should be one of: {', '.join(words)}"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else f"Wrong type. Expected '<class 'bool'>', got '{type(value)}'"


def _uuid(value: Any) -> str:
    try:
        uuid.UUID(value)
    except (AttributeError, TypeError, ValueError):
        return "Value should be UUID format"
    return ""


def _address(value: Any) -> str:
    try:
        ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return "Value should be IPv4 or IPv6 format"
    return ""


def _url_path(value: Any) -> str:
    fits = isinstance(value, str) and value.startswith("/")
    return "" if fits else "Value should be a valid URL path"


def _list_of(check: Check) -> Check:
    def each(value: Any) -> str:
        if not isinstance(value, list):
            return "Value should be a list"
        return next(filter(None, map(check, value)), "")

    return each


def _any(_: Any) -> str:
    return ""


_PORT, _TAGS = _between(1, 65535), (_list_of(_text), ())
_NAMED = {"name": (_text, ""), "admin_state_up": (_flag, True), "tags": _TAGS}
_DESCRIBED: dict[str, tuple[Check, Any]] = {**_NAMED, "description": (_text, "")}
ALGORITHMS = ("SOURCE_IP_PORT", "SOURCE_IP", "ROUND_ROBIN", "LEAST_CONNECTIONS")
_LISTENED = ("HTTPS", "TCP", "PROMETHEUS", "TERMINATED_HTTPS", "UDP", "SCTP", "HTTP")
_POOLED = ("HTTPS", "PROXY", "PROXYV2", "TCP", "UDP", "SCTP", "HTTP")
_CHECKED = ("HTTP", "HTTPS", "PING", "SCTP", "TCP", "TLS-HELLO", "UDP-CONNECT")

BALANCER: Fields = {
    **_DESCRIBED,
    "vip_address": (_address, None),
    "vip_port_id": (_uuid, None),
    "vip_subnet_id": (_uuid, None),
    "vip_network_id": (_uuid, None),
    "project_id": (_text, None),
    "provider": (_text, None),
    "flavor_id": (_uuid, None),
    "availability_zone": (_text, None),
    "listeners": (_list_of(_any), ()),
    "pools": (_list_of(_any), ()),
}
LISTENER: Fields = {
    **_DESCRIBED,
    "protocol": (_one_of(*_LISTENED), NEEDED),
    "protocol_port": (_PORT, NEEDED),
    "connection_limit": (_between(-1), -1),
    "default_tls_container_ref": (_text, None),
    "sni_container_refs": (_list_of(_text), ()),
    "default_pool": (_any, None),
}
POOL: Fields = {
    **_DESCRIBED,
    "protocol": (_one_of(*_POOLED), None),
    "lb_algorithm": (_one_of(*ALGORITHMS), None),
    "session_persistence": (_any, None),
    "healthmonitor": (_any, None),
    "members": (_list_of(_any), ()),
    "tls_enabled": (_flag, False),
}
PERSISTENCE: Fields = {
    "type": (_one_of("SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"), NEEDED),
    "cookie_name": (_text, None),
    "persistence_timeout": (_between(0), None),
    "persistence_granularity": (_address, None),
}
MONITOR: Fields = {
    **_NAMED,
    "type": (_one_of(*_CHECKED), NEEDED),
    "delay": (_between(0), NEEDED),
    "timeout": (_between(0), NEEDED),
    "max_retries": (_between(1, 10), NEEDED),
    "max_retries_down": (_between(1, 10), 3),
    "url_path": (_url_path, None),
    "http_method": (_text, None),
    "expected_codes": (_text, None),
}
MEMBER: Fields = {
    **_NAMED,
    "address": (_address, NEEDED),
    "protocol_port": (_PORT, NEEDED),
    "weight": (_between(0, 256), 1),
    "backup": (_flag, False),
    "subnet_id": (_uuid, None),
    "monitor_address": (_address, None),
    "monitor_port": (_PORT, None),
}


def _some(fields: Fields, *names: str) -> Fields:
    return {name: fields[name] for name in names}


CHANGED_BALANCER = _some(BALANCER, "name", "description", "admin_state_up", "tags")
CHANGED_POOL = _some(POOL, "name", "description", "admin_state_up", "tags", "lb_algorithm", "tls_enabled")
CHANGED_MEMBER = _some(
    MEMBER, "name", "admin_state_up", "tags", "weight", "backup", "monitor_address", "monitor_port"
)


def read(given: Any, fields: Fields, what: str, *, partly: bool = False) -> Json:
    """Return the fields of an object with their defaults; `partly` only those that are given.

    Raises InputError, as for what is no object.
    """
    if not isinstance(given, dict):
        raise InputError(
            f"Invalid input for field/attribute {what}. Value: '{given}'. Value should be a dict"
        )
    if unknown := sorted(set(given) - set(fields)):
        raise InputError(f"Unknown attribute for argument {what}: {', '.join(unknown)}")
    values: Json = {}
    for name, (check, default) in fields.items():
        value = given.get(name)
        if value is not None and (reason := check(value)):
            raise _invalid(name, value, reason)
        if name in given and value is not None:
            values[name] = value
        elif not partly or name in given:
            if default is NEEDED:
                raise _invalid(name, None, "Mandatory field missing.")
            values[name] = list(default) if isinstance(default, tuple) else default
    return values


def _invalid(name: str, value: Any, reason: str) -> InputError:
    return InputError(f"Invalid input for field/attribute {name}. Value: '{value}'. {reason}")


def invalid(reason: str) -> InputError:
    """Return the error about fields that do not go together."""
    return InputError(f"Validation failure: {reason}")


def check_persistence(fields: Json, protocol: str | None) -> None:
    """Raise InputError for sticky sessions that cannot be."""
    kind, cookie = fields["type"], fields["cookie_name"]
    if cookie and kind != "APP_COOKIE":
        raise invalid(
            'Field "cookie_name" can only be specified with session persistence of type "APP_COOKIE".'
        )
    if kind == "APP_COOKIE" and not cookie:
        raise invalid(
            'Field "cookie_name" must be specified when using the "APP_COOKIE" session persistence type.'
        )
    if cookie and re.search(r'[\s"()/:-@\[-\]{},]', cookie):
        raise invalid('Supplied "cookie_name" is invalid.')
    if protocol in {"UDP", "SCTP"} and kind != "SOURCE_IP":
        raise invalid(
            f"session_persistence type {kind} is not supported for {protocol}: SOURCE_IP is the only one"
        )
