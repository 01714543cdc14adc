"""Nodes (Nova's servers): lists, states, conversion, and metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from sys import intern
from typing import Any, ClassVar, TypeVar

import msgspec

from polycloud.common.building import quote_segment
from polycloud.common.busy import when_free
from polycloud.common.payload import Item, LazyExtra, parse_datetime
from polycloud.compute.base import require_id
from polycloud.compute.drivers.openstack.connection import OpenStackServices
from polycloud.compute.objects import Node
from polycloud.compute.types import PUBLIC_BY_DEFAULT, NodeState
from polycloud.errors import (
    ConflictError,
    InvalidArgumentError,
    MalformedResponseError,
    PolycloudError,
    ProviderError,
)
from polycloud.utils.networking import is_ip

R = TypeVar("R")
MARKER, KEYED_MARKER = "polycloud-create", "polycloud-idempotency-key"
"""Keys of metadata by which a create finds its server; `extra["metadata"]` is without them."""
MARKERS = frozenset({MARKER, KEYED_MARKER})

NODE_STATES = {
    "ACTIVE": NodeState.RUNNING,
    "BUILD": NodeState.PENDING,
    "DELETED": NodeState.TERMINATED,
    "ERROR": NodeState.ERROR,
    "HARD_REBOOT": NodeState.REBOOTING,
    "MIGRATING": NodeState.MIGRATING,
    "PASSWORD": NodeState.PENDING,
    "PAUSED": NodeState.PAUSED,
    "REBOOT": NodeState.REBOOTING,
    "REBUILD": NodeState.PENDING,
    "RESCUE": NodeState.PENDING,
    "RESIZE": NodeState.RECONFIGURING,
    "REVERT_RESIZE": NodeState.RECONFIGURING,
    "SHELVED": NodeState.STOPPED,
    "SHELVED_OFFLOADED": NodeState.STOPPED,
    "SHUTOFF": NodeState.STOPPED,
    "SOFT_DELETED": NodeState.TERMINATED,
    "SUSPENDED": NodeState.SUSPENDED,
    "VERIFY_RESIZE": NodeState.RUNNING,
}
TASK_STATES = {
    "deleting": NodeState.TERMINATED,
    "powering-off": NodeState.STOPPING,
    "powering-on": NodeState.STARTING,
    "soft-deleting": NodeState.TERMINATED,
}
"""What a server is on its way to, where its status does not say so yet."""

EXTRA_KEYS = {
    "access_ip": "accessIPv4",
    "access_ipv6": "accessIPv6",
    "addresses": "addresses",
    "availability_zone": "OS-EXT-AZ:availability_zone",
    "config_drive": "config_drive",
    "created": "created",
    "disk_config": "OS-DCF:diskConfig",
    "fault": "fault",
    "hostId": "hostId",
    "hypervisor_hostname": "OS-EXT-SRV-ATTR:hypervisor_hostname",
    "key_name": "key_name",
    "locked": "locked",
    "power_state": "OS-EXT-STS:power_state",
    "progress": "progress",
    "security_groups": "security_groups",
    "status": "status",
    "tags": "tags",
    "task_state": "OS-EXT-STS:task_state",
    "tenantId": "tenant_id",
    "updated": "updated",
    "userId": "user_id",
    "vm_state": "OS-EXT-STS:vm_state",
    "volumes_attached": "os-extended-volumes:volumes_attached",
}
"""Keys of `extra`, and Nova's fields."""


class Address(msgspec.Struct, gc=False):
    """An address of a server."""

    addr: str


class FlavorReference(msgspec.Struct, gc=False):
    """The flavor of a server: its id, or from microversion 2.47 on its name."""

    id: str | None = None
    original_name: str | None = None


class ImageReference(msgspec.Struct, gc=False):
    """The image of a server; one that boots from a volume has none."""

    id: str | None = None


class Fault(msgspec.Struct):
    """Why a server failed."""

    message: str | None = None
    details: str | None = None


class Server(msgspec.Struct, gc=False):
    """A server: the fields that a `Node` is built from. The complete payload becomes its `extra`."""

    id: str
    status: str
    name: str | None = None
    created: str | None = None
    flavor: FlavorReference | None = None
    image: ImageReference | str | None = None
    addresses: dict[str, list[Address]] | None = None
    access_4: str | None = msgspec.field(name="accessIPv4", default=None)
    access_6: str | None = msgspec.field(name="accessIPv6", default=None)
    metadata: dict[str, str] | None = None
    task: str | None = msgspec.field(name="OS-EXT-STS:task_state", default=None)


class Progress(msgspec.Struct):
    """What a server is doing."""

    status: str
    task: str | None = msgspec.field(name="OS-EXT-STS:task_state", default=None)


class FailedServer(msgspec.Struct):
    """A server's fault."""

    fault: Fault | None = None


class OpenStackNodes(OpenStackServices):
    """Methods of nodes and of their metadata."""

    busy_time: ClassVar[float] = 60.0
    """Seconds to wait for a server that is busy with another action."""

    def list_nodes(self, ex_all_tenants: bool = False) -> list[Node]:
        """Return the project's servers; with `ex_all_tenants` those of all projects, for administrators."""
        params = {"all_tenants": 1} if ex_all_tenants else None
        return self.connection.list_all("/servers/detail", "servers", Server, self._to_node, params=params)

    def iterate_nodes(self) -> Iterator[Node]:
        """Yield the project's servers, a page at a time."""
        return self.connection.iterate("/servers/detail", "servers", Server, self._to_node)

    def get_node(self, node_id: str) -> Node:
        """Return the server with this id. Raises `NotFoundError` if there is none."""
        return self._to_node(self._server(node_id))

    def ex_get_node_details(self, node_id: str | Node) -> Node:
        """Same as `get_node`, by Libcloud's name."""
        return self.get_node(node_id.id if isinstance(node_id, Node) else node_id)

    def destroy_node(self, node: Node) -> bool:
        """Delete a server; volumes that were not created with it stay."""
        return self.connection.delete(server_path(node))

    def wait_until_running(
        self,
        nodes: Sequence[Node],
        wait_period: float = 5,
        timeout: float = 600,
        ssh_interface: str = PUBLIC_BY_DEFAULT,
        force_ipv4: bool = True,
        ex_list_nodes_kwargs: Mapping[str, Any] | None = None,
    ) -> list[tuple[Node, list[str]]]:
        """Wait until all `nodes` run and have an address; see `NodeDriver.wait_until_running`.

        The markers of their creates are removed then: Nova lets nobody change a server that is being built.
        """
        ready = super().wait_until_running(
            nodes, wait_period, timeout, ssh_interface, force_ipv4, ex_list_nodes_kwargs
        )
        marked = [node for node, _ in ready if MARKER in _metadata_of(node)]
        self.connection.gather([partial(self._unmark, node) for node in marked])
        return ready

    def _unmark(self, node: Node) -> None:
        """Remove the marker of a create; one that stays does no harm."""
        with suppress(PolycloudError):
            self.connection.delete(f"{server_path(node)}/metadata/{MARKER}")

    # Names and metadata

    def ex_set_server_name(self, node: Node, name: str) -> Node:
        """Rename a server; its host name stays."""
        return self.ex_update_node(node, name=name)

    def ex_update_node(self, node: Node, **node_updates: Any) -> Node:
        """Change fields of a server: `name`, `description`, `accessIPv4`, `accessIPv6`."""
        self.connection.request(server_path(node), method="PUT", json={"server": node_updates})
        return self.get_node(node.id)

    def ex_get_metadata(self, node: Node) -> dict[str, str]:
        """Return the metadata of a server."""
        path = f"{server_path(node)}/metadata"
        metadata = self.connection.fetch(path, "metadata", dict[str, str]).value
        return {key: value for key, value in metadata.items() if key not in MARKERS}

    def ex_get_metadata_for_node(self, node: Node) -> dict[str, str]:
        """Same as `ex_get_metadata`."""
        return self.ex_get_metadata(node)

    def ex_set_metadata(self, node: Node, metadata: Mapping[str, str]) -> dict[str, str]:
        """Replace the metadata of a server, and return it; the marker of an `idempotency_key` goes too.

        Raises `InvalidArgumentError` for the keys of our markers.
        """
        path, body = f"{server_path(node)}/metadata", own_metadata(metadata)
        send = partial(self.connection.put, path, "metadata", dict[str, str], body)
        return self._when_idle(node, send).value

    def ex_update_metadata(self, node: Node, metadata: Mapping[str, str]) -> dict[str, str]:
        """Add to the metadata of a server, and return all of it; see `ex_set_metadata`."""
        path, body = f"{server_path(node)}/metadata", own_metadata(metadata)
        self._when_idle(node, partial(self.connection.create, path, "metadata", dict[str, str], body))
        return self.ex_get_metadata(node)

    def ex_delete_metadata(self, node: Node, key: str) -> bool:
        """Remove a key of the metadata of a server."""
        path = f"{server_path(node)}/metadata/{quote_segment(key)}"
        return self._when_idle(node, partial(self.connection.delete, path))

    # Waiting

    def _when_idle(self, node: Node, send: Callable[[], R]) -> R:
        """Return the result of `send`, called once more after a 409, when the server is idle.

        Nova refuses what does not fit the server's state, for good or because another action is going on: it
        is the second refusal that is final. Waits `busy_time` seconds at most.
        """
        refused = False

        def is_busy(refusal: ProviderError) -> bool:
            nonlocal refused
            first, refused = not refused, True
            return first and isinstance(refusal, ConflictError)

        def is_free() -> bool:
            progress = self._progress(node)
            return progress.task is None and progress.status != "BUILD"

        return when_free(send, timeout=self.busy_time, is_busy=is_busy, is_free=is_free)

    def _progress(self, node: Node) -> Progress:
        return self.connection.fetch(server_path(node), "server", Progress).value

    # Conversion

    def _server(self, node_id: str) -> Item[Server]:
        return self.connection.fetch(f"/servers/{quote_segment(node_id)}", "server", Server)

    def _why_dead(self, node: Node) -> str:
        """Return the fault of a server, in Nova's words."""
        item = self.connection.fetch(server_path(node), "server", FailedServer)
        return (item.value.fault and item.value.fault.message) or ""

    def _to_node(self, item: Item[Server]) -> Node:
        server, raw = item
        addresses = _addresses(server)
        state = NODE_STATES.get(server.status, NodeState.UNKNOWN)
        image = server.image.id if isinstance(server.image, ImageReference) else None
        flavor = server.flavor and (server.flavor.id or server.flavor.original_name)
        return Node(
            server.id,
            server.name,
            TASK_STATES.get(server.task or "", state),
            addresses,
            addresses,
            self,
            intern(flavor) if flavor else None,  # thousands of nodes share a few
            intern(image) if image else None,
            LazyExtra(raw, _node_extra),
            parse_datetime(server.created),
        )


def server_path(node: Node) -> str:
    """Return the path of a server. Raises `InvalidArgumentError` unless it is a node with an id."""
    return f"/servers/{quote_segment(require_id(node))}"


def own_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return metadata as a request has it. Raises `InvalidArgumentError` for the keys of our markers."""
    taken = sorted(MARKERS & set(metadata or {}))
    if taken:
        raise InvalidArgumentError(f"the metadata key {taken[0]!r} is polycloud's own; choose another one")
    return dict(metadata or {})


def _metadata(server: Mapping[str, Any]) -> dict[str, str]:
    return server.get("metadata") or {}


def _metadata_of(node: Node) -> dict[str, str]:
    """Return the complete metadata of a node, with markers, from the payload that its `extra` comes from."""
    lazy = node._extra  # noqa: SLF001 - the driver's own
    return _metadata(msgspec.json.decode(lazy.raw)) if isinstance(lazy, LazyExtra) else {}


def _addresses(server: Server) -> str:
    """Return the addresses as a text, which a node splits when they are first read."""
    found = [one.addr for several in (server.addresses or {}).values() for one in several]
    all_ = dict.fromkeys(text for text in (server.access_4, server.access_6, *found) if text)
    for text in all_:
        if not any(is_ip(text, version) for version in (4, 6)):
            raise MalformedResponseError(f"the server {server.id} has the address {text!r}")
    return ",".join(all_)


def _node_extra(raw: bytes) -> dict[str, Any]:
    server = msgspec.json.decode(raw)
    flavor, image = server.get("flavor") or {}, server.get("image") or {}
    links = server.get("links") or []
    return {
        **{key: server.get(field) for key, field in EXTRA_KEYS.items()},
        "flavorId": flavor.get("id"),
        "flavor_details": None if "id" in flavor else flavor or None,
        "imageId": image.get("id") if isinstance(image, dict) else None,
        "metadata": {key: value for key, value in _metadata(server).items() if key not in MARKERS},
        "uri": next((link.get("href") for link in links if link.get("rel") == "self"), None),
    }
