"""Nodes: how a server becomes a `Node`, its states, and its name."""

from __future__ import annotations

from typing import Any

import msgspec

from polycloud.common import arguments
from polycloud.common.building import quote_segment
from polycloud.common.payload import LazyExtra, parse_datetime
from polycloud.compute.base import NodeDriver, require_id
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.errors import MalformedResponseError
from polycloud.utils.networking import require_addresses

NODE_STATES = {"on": NodeState.RUNNING, "off": NodeState.STOPPED, "unknown": NodeState.UNKNOWN}
DEDICATED = 2
"""The `billable_type` of dedicated servers."""

EXTRA_KEYS = ("create_time", "network_ports", "is_console_enabled", "hostname")
OPTIONAL_EXTRA_KEYS = ("memory", "server_keys", "console_keys", "postinit_state", "uri")


class ServiceType(msgspec.Struct, gc=False):
    """The size of a server, inside the server."""

    billable_type: int | None = None


class Server(msgspec.Struct, gc=False):
    """A server: the fields that a `Node` is built from. The payload's other fields become its `extra`."""

    id: int | str
    name: str | None = None
    hostname: str | None = None
    power_status: str | None = None
    ipaddresses: str | None = None
    create_time: str | None = None
    service_type: ServiceType | None = None


class DedicatedNode(Node):
    """A dedicated server. It can be renamed and destroyed; the API has no power actions for it."""

    __slots__ = ()


class NephoscaleNodes(NodeDriver):
    """Conversion and names of nodes."""

    def rename_node(self, node: Node, name: str, hostname: str | None = None) -> bool:
        """Change a server's name, and its host name if given."""
        form = {"name": name, "hostname": hostname}
        self.connection.request(server_path(node), data=form, method="PUT")
        return True

    def _to_node(self, server: Server, raw: bytes) -> Node:
        addresses = server.ipaddresses or ""
        try:
            require_addresses(addresses)
        except ValueError as error:
            raise MalformedResponseError(f"server {server.id} has an invalid address: {error}") from error
        type_ = server.service_type
        kind = DedicatedNode if type_ and type_.billable_type == DEDICATED else Node
        return kind(
            server.id,  # type: ignore[arg-type] # which makes a str of it
            server.name,
            NODE_STATES.get(server.power_status or "") or NodeState.UNKNOWN,
            addresses,
            addresses,
            self,
            None,
            None,
            LazyExtra(raw, _node_extra),
            parse_datetime(server.create_time),
        )


def server_path(node: Node) -> str:
    """Return the path of a server. Raises `InvalidArgumentError` for anything but a node with an id."""
    kind = "dedicated" if isinstance(node, DedicatedNode) else "cloud"
    return f"/server/{kind}/{quote_segment(require_id(node))}/"


def id_of(value: Any, kind: type[Any]) -> str:
    """Return the id of an object of `kind`, which may be given as the id alone, a number too."""
    return arguments.id_of(str(value) if isinstance(value, int) else value, kind)


def _node_extra(raw: bytes) -> dict[str, Any]:
    server = msgspec.json.decode(raw)
    zone = server.get("zone") or {}
    return {
        **{name: server.get(name) for name in EXTRA_KEYS},
        "zone_data": zone,
        "zone": _name_in(zone, "name"),
        "image": _name_in(server.get("image"), "friendly_name"),
        "service_type": _name_in(server.get("service_type"), "friendly_name"),
        **{name: server[name] for name in OPTIONAL_EXTRA_KEYS if name in server},
    }


def _name_in(inner: Any, field: str) -> Any:
    """Return the name of an object inside a payload, where the name may stand for the object."""
    return inner.get(field) if isinstance(inner, dict) else inner
