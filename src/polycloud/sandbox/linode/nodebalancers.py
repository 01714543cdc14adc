"""NodeBalancers: configs, each of which is a port, and the nodes behind each of them.

They pass nothing on. With a check, a node becomes UP or DOWN a while after it was added or changed: it is UP
if a Linode of the region that has its address runs. Certificates are kept, but not read: they have no common
name, and a fingerprint of their text.
"""

from __future__ import annotations

import hashlib
import re
from functools import partial
from ipaddress import IPv4Address

from polycloud.sandbox.linode.dialect import Table
from polycloud.sandbox.linode.resources import REGIONS
from polycloud.sandbox.linode.state import PRIVATE, State, default_rdns
from polycloud.sandbox.rest.bodies import between, matches, one_of
from polycloud.sandbox.rest.collection import Change, Field, Item, routes_of, show
from polycloud.sandbox.rest.errors import ApiError, InputError
from polycloud.sandbox.rest.replies import Call, Json, Routes

_LABEL = "[a-zA-Z0-9_-]{3,32}"
_REDACTED = "<REDACTED>"
_ADDRESS = re.compile(r"([0-9.]+):([0-9]{1,5})")
_LAST_PORT = 65535
_NO_TRANSFER = {"in": 0, "out": 0, "total": 0}


# NodeBalancers


def _check_balancer(change: Change) -> None:
    state, values = change.state, change.values
    if change.item is None:
        region = REGIONS.get(values["region"])
        if region is None or "NodeBalancers" not in region.capabilities:
            raise InputError("region is not valid", "region")
        ip = state.unreached_addresses.take()
        values.update(ipv4=ip, hostname=default_rdns(ip), ipv6=None, configs={})
    values["label"] = change.get("label") or f"balancer{state.new_number()}"


def _create(state: State, _: object, call: Call) -> Item:
    """Create a NodeBalancer with its configs and their nodes, or nothing."""
    balancer: Item = BALANCERS.add(state, state, call.body)
    try:
        for body in call.body.objects("configs"):
            config = _CONFIGS.add(state, balancer, body)
            nodes = body.objects("nodes")
            if not nodes:
                raise body.error("nodes", "{} is required")
            for node in nodes:
                _NODES.add(state, config, node)
    except ApiError:
        del state.nodebalancers[balancer.id]
        raise
    return balancer


def _free_address(state: State, balancer: Item, _: object) -> None:
    state.unreached_addresses.give(balancer.ipv4)


# Configs


def _check_config(change: Change) -> None:
    values = change.values
    values["balancer"] = change.owner
    if change.item is None:
        values["nodes"] = {}
    for name in ("ssl_cert", "ssl_key"):
        if values.get(name) == _REDACTED:  # clients send back what they were shown
            del values[name]
        if change.get("protocol") != "https":
            values[name] = None
        elif not change.get(name):
            raise InputError(f"{name} is required for https", name)
    if change.get("proxy_protocol") != "none" and change.get("protocol") != "tcp":
        raise InputError("proxy_protocol requires protocol tcp", "proxy_protocol")
    if change.get("stickiness") == "http_cookie" and change.get("protocol") == "tcp":
        raise InputError("http_cookie requires protocol http or https", "stickiness")
    if change.get("check_timeout") >= change.get("check_interval"):
        raise InputError("Must be greater than check_timeout", "check_interval")
    if change.get("check") == "http_body" and not change.get("check_body"):
        raise InputError("check_body is required for http_body", "check_body")


def _nodes_status(config: Item) -> Json:
    found = [_status(node) for node in config.nodes.values()]
    return {"up": found.count("UP"), "down": found.count("DOWN")}


def _fingerprint(config: Item) -> str:
    if not config.ssl_cert:
        return ""
    digest = hashlib.sha1(config.ssl_cert.encode(), usedforsecurity=False).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


# Nodes


def _check_node(change: Change) -> None:
    change.values["config"] = change.owner
    address = _ADDRESS.fullmatch(change.get("address"))
    try:
        is_private = address is not None and IPv4Address(address[1]) in PRIVATE
    except ValueError:
        is_private = False
    if address is None or not is_private:
        raise InputError("Must be a private IPv4 address and a port", "address")
    between(1, _LAST_PORT)("address", int(address[2]))


def _note_node(state: State, node: Item, change: Change) -> None:
    balancer = node.config.balancer
    node.account, node.region = state, balancer.region
    node.is_checked = partial(state.is_past, state.now + state.settings.attach)
    state.note("nodebalancer_node_update" if change.item else "nodebalancer_node_create", balancer)


def _remove_node(state: State, _: Item, config: Item) -> None:
    state.note("nodebalancer_node_delete", config.balancer)


def _status(node: Item) -> str:
    if node.config.check == "none" or not node.is_checked():
        return "unknown"
    ip = node.address.partition(":")[0]
    runs = any(
        linode.status == "running" and linode.region.id == node.region
        for linode in node.account.linodes.values()
        if any(address.ip == ip for address in linode.addresses)
    )
    return "UP" if runs else "DOWN"


def _choice(default: str, *others: str) -> Field:
    return Field(default=default, check=one_of(default, *others))


BALANCERS = Table(
    path="/nodebalancers",
    filters="label ipv4 region tags",
    view=show(
        "id label region ipv4 ipv6 hostname client_conn_throttle tags created updated",
        transfer=_NO_TRANSFER,
    ),
    fields={
        "label": Field(
            check=matches(_LABEL, "Label must have 3-32 letters, numbers, dashes and underscores"),
            unique=partial(InputError, "Label must be unique among your NodeBalancers", "label"),
        ),
        "region": Field(needed=True, fixed=True),
        "client_conn_throttle": Field(kind=int, default=0, check=between(0, 20)),
        "tags": Field(each=str),
    },
    check=_check_balancer,
    create=_create,
    remove=_free_address,
    noun="nodebalancer",
    events="nodebalancer_create nodebalancer_update nodebalancer_delete",
)
_CONFIGS = Table(
    owner=BALANCERS,
    path="/configs",
    view=show(
        "id port protocol algorithm stickiness check check_interval check_timeout check_attempts "
        "check_path check_body check_passive proxy_protocol cipher_suite",
        nodebalancer_id=lambda config: config.balancer.id,
        nodes_status=_nodes_status,
        ssl_commonname="",
        ssl_fingerprint=_fingerprint,
        ssl_cert=lambda config: _REDACTED if config.ssl_cert else None,
        ssl_key=lambda config: _REDACTED if config.ssl_key else None,
    ),
    fields={
        "port": Field(
            kind=int,
            default=80,
            check=between(1, _LAST_PORT),
            unique=partial(InputError, "Port is already in use by another config", "port"),
        ),
        "protocol": _choice("http", "https", "tcp"),
        "algorithm": _choice("roundrobin", "leastconn", "source"),
        "stickiness": _choice("none", "table", "http_cookie"),
        "check": _choice("none", "connection", "http", "http_body"),
        "check_interval": Field(kind=int, default=31, check=between(2, 3600)),
        "check_timeout": Field(kind=int, default=30, check=between(1, 30)),
        "check_attempts": Field(kind=int, default=3, check=between(1, 30)),
        "check_path": Field(default="", check=matches(r"[a-zA-Z0-9/%?&=.-]*", "Invalid path")),
        "check_body": Field(default=""),
        "check_passive": Field(kind=bool, default=True),
        "proxy_protocol": _choice("none", "v1", "v2"),
        "cipher_suite": _choice("recommended", "legacy"),
        "ssl_cert": Field(),
        "ssl_key": Field(),
    },
    check=_check_config,
    noun="nodebalancer",
    events="nodebalancer_config_create nodebalancer_config_update nodebalancer_config_delete",
)
_NODES = Table(
    owner=_CONFIGS,
    path="/nodes",
    view=show(
        "id label address weight mode",
        status=_status,
        config_id=lambda node: node.config.id,
        nodebalancer_id=lambda node: node.config.balancer.id,
    ),
    fields={
        "label": Field(needed=True, check=matches("[a-zA-Z0-9_.-]{3,32}", "Label is not valid")),
        "address": Field(needed=True),
        "weight": Field(kind=int, default=100, check=between(1, 255)),
        "mode": _choice("accept", "reject", "drain", "backup"),
    },
    check=_check_node,
    changed=_note_node,
    remove=_remove_node,
)

ROUTES: Routes = routes_of(BALANCERS, _CONFIGS, _NODES)
