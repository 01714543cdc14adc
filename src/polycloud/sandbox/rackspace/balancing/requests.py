"""What requests say of balancers, all checked."""

from __future__ import annotations

import ipaddress
from typing import Any

from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Json

PORTS = {
    "DNS_TCP": 53,
    "DNS_UDP": 53,
    "FTP": 21,
    "HTTP": 80,
    "HTTPS": 443,
    "IMAPS": 993,
    "IMAPv4": 143,
    "LDAP": 389,
    "LDAPS": 636,
    "MYSQL": 3306,
    "POP3": 110,
    "POP3S": 995,
    "SMTP": 25,
    "TCP": 0,
    "TCP_CLIENT_FIRST": 0,
    "UDP": 0,
    "UDP_STREAM": 0,
    "SFTP": 22,
    "TCP_STREAM": 0,
}
"""The protocols and their usual ports."""
ALGORITHMS = (
    "LEAST_CONNECTIONS",
    "RANDOM",
    "ROUND_ROBIN",
    "WEIGHTED_LEAST_CONNECTIONS",
    "WEIGHTED_ROUND_ROBIN",
)
_STICKY = {"HTTP_COOKIE": ("HTTP",), "SOURCE_IP": ("HTTP", "HTTPS"), "SSL_ID": ("HTTPS",)}
_MOST_PORT, _LONGEST_NAME = 65535, 128
_NAMES = frozenset(
    [
        "name",
        "nodes",
        "protocol",
        "halfClosed",
        "virtualIps",
        "accessList",
        "algorithm",
        "connectionLogging",
        "connectionThrottle",
        "healthMonitor",
        "metadata",
        "port",
        "timeout",
        "sessionPersistence",
        "httpsRedirect",
    ]
)
_CHANGED = frozenset(["name", "protocol", "halfClosed", "algorithm", "port", "timeout", "httpsRedirect"])
_THROTTLE = {
    "minConnections": 1000,
    "maxConnections": 100000,
    "maxConnectionRate": 100000,
    "rateInterval": 3600,
}


def _known(body: Body, names: frozenset[str]) -> None:
    if unknown := sorted(body.fields - names):
        raise InputError(f"unsupported attributes: {', '.join(unknown)}")


def _name(body: Body) -> str:
    name = body.need("name", str)
    if len(name) > _LONGEST_NAME:
        raise InputError(f"Load Balancer name must not exceed {_LONGEST_NAME} characters.")
    return name


def _protocol(body: Body) -> str:
    protocol = body.need("protocol", str)
    if protocol not in PORTS:
        raise InputError("Load balancer protocol is invalid. Please specify a valid protocol.")
    return protocol


def read_balancer(body: Body) -> Json:
    """Return the fields of a new balancer, without its nodes and addresses. Raises InputError."""
    _known(body, _NAMES)
    protocol = _protocol(body)
    port = body.number("port", 1, _MOST_PORT, PORTS[protocol])
    if not port:
        raise InputError(f"Must provide a port for the protocol {protocol}.")
    return {
        "name": _name(body),
        "protocol": protocol,
        "port": port,
        "halfClosed": body.flag("halfClosed"),
        "algorithm": body.choice("algorithm", ALGORITHMS, "RANDOM"),
        "timeout": body.number("timeout", 30, 120, 30),
        "connectionLogging": {"enabled": body.part("connectionLogging").flag("enabled")},
        "healthMonitor": _monitor(body.part("healthMonitor")) if "healthMonitor" in body else None,
        "sessionPersistence": _persistence(body.part("sessionPersistence"), protocol)
        if "sessionPersistence" in body
        else None,
        "connectionThrottle": _throttle(body.part("connectionThrottle"))
        if "connectionThrottle" in body
        else None,
        "accessList": [_access(one) for one in body.objects("accessList")],
        "metadata": [
            {"key": one.need("key", str), "value": one.need("value", str)} for one in body.objects("metadata")
        ],
    }


def read_changes(body: Body) -> Json:
    """Return the changed fields of a balancer. Raises InputError."""
    _known(body, _CHANGED)
    if not body.fields:
        raise InputError("At least one attribute must be given.")
    changes: Json = {}
    if "name" in body:
        changes["name"] = _name(body)
    if "protocol" in body:
        changes |= {"protocol": _protocol(body), "sessionPersistence": None}
    if "port" in body:
        changes["port"] = body.number("port", 1, _MOST_PORT)
    if "algorithm" in body:
        changes["algorithm"] = body.choice("algorithm", ALGORITHMS, "")
    if "timeout" in body:
        changes["timeout"] = body.number("timeout", 30, 120)
    return changes


def _monitor(body: Body) -> Json:
    kind = body.choice("type", ("CONNECT", "HTTP", "HTTPS"), "")
    monitor: Json = {
        "type": kind,
        "delay": body.number("delay", 1, 3600),
        "timeout": body.number("timeout", 1, 300),
        "attemptsBeforeDeactivation": body.number("attemptsBeforeDeactivation", 1, 10),
    }
    if kind == "CONNECT":
        _known(body, frozenset(monitor))
        return monitor
    return monitor | {name: body.need(name, str) for name in ("path", "statusRegex", "bodyRegex")}


def _persistence(body: Body, protocol: str) -> Json:
    kind = body.choice("persistenceType", tuple(_STICKY), "")
    if protocol not in _STICKY[kind]:
        raise InputError(f"{kind} session persistence is not supported for the protocol {protocol}.")
    return {"persistenceType": kind}


def _throttle(body: Body) -> Json:
    _known(body, frozenset(_THROTTLE))
    return {name: body.number(name, 0, most) for name, most in _THROTTLE.items() if name in body}


def _access(body: Body) -> Json:
    address = body.need("address", str)
    try:
        ipaddress.ip_network(address, strict=False)
    except ValueError:
        raise InputError("Access list address is invalid. Please specify a valid ip.") from None
    return {"address": address, "type": body.choice("type", ("ALLOW", "DENY"), "")}


def read_node(body: Body) -> Json:
    """Return the fields of a new node. Raises InputError."""
    _known(body, frozenset({"address", "port", "condition", "type", "weight"}))
    address = body.need("address", str)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise InputError("Node ip is invalid. Please specify a valid ip.") from None
    port = body.number("port", 1, _MOST_PORT)
    return {"address": address, "port": port, "weight": 1, "type": "PRIMARY", **_settings(body)}


def read_node_changes(body: Body) -> Json:
    """Return the changed fields of a node. Raises InputError."""
    _known(body, frozenset({"condition", "type", "weight"}))
    if not body.fields:
        raise InputError("At least one attribute must be given.")
    return _settings(body)


def _settings(body: Body) -> Json:
    settings: dict[str, Any] = {}
    if "condition" in body:
        settings["condition"] = body.choice("condition", ("ENABLED", "DISABLED", "DRAINING"), "")
    if "type" in body:
        settings["type"] = body.choice("type", ("PRIMARY", "SECONDARY"), "")
    if "weight" in body:
        settings["weight"] = body.number("weight", 1, 100)
    return settings
