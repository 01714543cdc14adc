"""Nodes (the provider's Linodes): lists, power, resizing, rebuilding, migration, rescue."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from functools import partial
from sys import intern
from typing import Any, Unpack

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.linode import Filter, number
from polycloud.common.payload import Item, LazyExtra, parse_datetime, with_defaults
from polycloud.compute.drivers.linode.actions import Waiting, linode_id
from polycloud.compute.drivers.linode.disks import LinodeConfig, LinodeDisk, LinodeDisks, devices_of
from polycloud.compute.drivers.linode.keys import password_of
from polycloud.compute.objects import (
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
)
from polycloud.compute.types import NodeState
from polycloud.errors import InvalidArgumentError, MalformedResponseError
from polycloud.utils.networking import is_ip, split_by_privacy

NODE_STATES = {
    "running": NodeState.RUNNING,
    "offline": NodeState.STOPPED,
    "stopped": NodeState.STOPPED,
    "booting": NodeState.STARTING,
    "rebooting": NodeState.REBOOTING,
    "shutting_down": NodeState.STOPPING,
    "busy": NodeState.PENDING,
    "provisioning": NodeState.PENDING,
    "deleting": NodeState.TERMINATED,
    "migrating": NodeState.MIGRATING,
    "rebuilding": NodeState.UPDATING,
    "restoring": NodeState.UPDATING,
    "cloning": NodeState.UPDATING,
    "resizing": NodeState.RECONFIGURING,
    "billing_suspension": NodeState.SUSPENDED,
}
NODE_KEYS = ("alerts", "backups", "hypervisor", "ipv6", "region", "specs", "tags", "watchdog_enabled")
MARKER_PREFIX = "polycloud-"
"""Start of the marker that a create puts into the node's `group`; see `creating`."""
RESCUE_DEVICES = "abcdefg"  # sdh is the rescue system's own
UNIQUE_LOCAL = ("fc", "fd")
"""The first of the four digits with which private IPv6 addresses begin."""


class Instance(msgspec.Struct, gc=False):
    """A Linode: the fields that a `Node` is built from. The complete payload becomes its `extra`."""

    id: int
    label: str | None = None
    status: str | None = None
    created: str | None = None
    type: str | None = None
    image: str | None = None
    region: str | None = None
    group: str | None = None
    ipv4: list[str] | None = None
    ipv6: str | None = None
    tags: list[str] | None = None


class LinodeNodes(LinodeDisks):
    """Methods of existing nodes."""

    def list_nodes(self, *, ex_filter: Filter | None = None) -> list[Node]:
        """Return the account's nodes, optionally filtered, such as by `{"tags": "web"}`."""
        return self.connection.list_all("/linode/instances", Instance, self._to_node, only=ex_filter)

    def iterate_nodes(self, *, ex_filter: Filter | None = None) -> Iterator[Node]:
        """Like `list_nodes`, a page at a time."""
        return self.connection.iterate("/linode/instances", Instance, self._to_node, only=ex_filter)

    def get_node(self, node_id: str) -> Node:
        """Return a node by its id. Raises `NotFoundError`."""
        return self._to_node(self.connection.fetch(f"/linode/instances/{number(node_id)}", Instance))

    def ex_get_node(self, node_id: str) -> Node:
        """Like `get_node`."""
        return self.get_node(node_id)

    def reboot_node(self, node: Node) -> bool:
        """Restart a node."""
        return self._operate(node, "reboot", "linode_reboot", ex_wait=False)

    def start_node(self, node: Node) -> bool:
        """Start a stopped node."""
        return self._operate(node, "boot", "linode_boot", ex_wait=False)

    def stop_node(self, node: Node) -> bool:
        """Shut a node down. It keeps its disks and addresses, and its price."""
        return self._operate(node, "shutdown", "linode_shutdown", ex_wait=False)

    def destroy_node(self, node: Node) -> bool:
        """Delete a node with its disks, backups and addresses. Its volumes are detached and stay."""
        path = f"/linode/instances/{linode_id(node)}"
        return self._when_free(partial(self.connection.delete, path))

    def ex_start_node(
        self, node: Node, *, config: LinodeConfig | None = None, **wait: Unpack[Waiting]
    ) -> bool:
        """Start a stopped node, by default with the boot configuration of last time, and wait."""
        config_id = config.id if config else None
        return self._operate(node, "boot", "linode_boot", {"config_id": config_id}, **wait)

    def ex_shutdown_node(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Shut a node down, and wait."""
        return self._operate(node, "shutdown", "linode_shutdown", **wait)

    def ex_stop_node(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Like `ex_shutdown_node`."""
        return self.ex_shutdown_node(node, **wait)

    def ex_reboot_node(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Restart a node, and wait."""
        return self._operate(node, "reboot", "linode_reboot", **wait)

    def ex_resize_node(
        self, node: Node, size: NodeSize, allow_auto_resize: bool = False, **wait: Unpack[Waiting]
    ) -> bool:
        """Resize a node, which is off meanwhile.

        `allow_auto_resize` resizes its disk too, if it has one beside its swap disk. The provider refuses a
        size that is too small for the disks.
        """
        body = {"type": id_of(size, NodeSize), "allow_auto_disk_resize": allow_auto_resize}
        return self._operate(node, "resize", "linode_resize", body, **wait)

    def ex_rename_node(self, node: Node, name: str) -> Node:
        """Rename a node and return it. Raises `LabelTakenError`, a `ConflictError`."""
        return self._update(node, label=name)

    def ex_rebuild_node(
        self,
        node: Node,
        image: NodeImage | None = None,
        *,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        ex_authorized_keys: Iterable[str] = (),
        ex_authorized_users: Iterable[str] = (),
        user_data: str | None = None,
        **wait: Unpack[Waiting],
    ) -> bool:
        """Rebuild a node from an image, by default its own. The data on its disks is lost.

        Keys and passwords of `create_node` are not kept; pass them again.
        """
        source = image or node.image
        if source is None:
            raise InvalidArgumentError(f"node {node.name} (id {node.id}) has no image; pass one")
        login = self._login_fields(True, None, auth, ex_authorized_keys, ex_authorized_users)
        body = {"image": id_of(source, NodeImage), "metadata": metadata_of(user_data), **login}
        return self._operate(node, "rebuild", "linode_rebuild", body, **wait)

    def ex_migrate_node(
        self, node: Node, location: NodeLocation | None = None, **wait: Unpack[Waiting]
    ) -> bool:
        """Move a node to another region, where it gets other addresses. It is off meanwhile.

        Without `location`, start the migration that the provider has scheduled. Both can take hours.
        """
        region = id_of(location, NodeLocation) if location else None
        action = "linode_migrate_datacenter" if region else "linode_migrate"
        return self._operate(node, "migrate", action, {"region": region}, **wait)

    def ex_rescue_node(self, node: Node, disks: Iterable[LinodeDisk | StorageVolume] | None = None) -> bool:
        """Restart a node into the provider's rescue system, with these disks (default: the node's own).

        `ex_reboot_node` ends rescue mode.
        """
        if disks is None:
            disks = self.ex_list_node_disks(node)[: len(RESCUE_DEVICES)]
        path, devices = f"/linode/instances/{linode_id(node)}/rescue", devices_of(disks, RESCUE_DEVICES)
        return self._when_free(partial(self.connection.act, path, devices=devices))

    def ex_reset_password(self, node: Node, password: str, **wait: Unpack[Waiting]) -> bool:
        """Set root's password on a stopped node."""
        body = {"root_pass": password_of(password, None)}
        return self._operate(node, "password", "password_reset", body, **wait)

    def _update(self, node: Node, **fields: Any) -> Node:
        path = f"/linode/instances/{linode_id(node)}"
        return self._to_node(self.connection.put(path, Instance, fields))

    def _to_node(self, item: Item[Instance]) -> Node:
        instance, raw = item
        public, private = _addresses(instance)
        return Node(
            str(instance.id),
            instance.label,
            NODE_STATES.get(instance.status or "") or NodeState.UNKNOWN,
            public,
            private,
            self,
            instance.type and intern(instance.type),  # thousands of nodes share a few
            instance.image and intern(instance.image),
            LazyExtra(raw, _node_extra),
            parse_datetime(instance.created),
        )


def metadata_of(user_data: str | None) -> dict[str, str] | None:
    """Return the field that carries `user_data`; None without it."""
    if not user_data:
        return None
    if not isinstance(user_data, str):
        raise InvalidArgumentError(f"user_data must be a str, got {type(user_data).__name__}")
    return {"user_data": base64.b64encode(user_data.encode(errors="surrogatepass")).decode()}


def _addresses(instance: Instance) -> tuple[list[str], list[str]]:
    """Return the public and the private addresses."""
    v6 = (instance.ipv6 or "").partition("/")[0]
    try:
        public, private = split_by_privacy(instance.ipv4 or ())
        if v6 and not is_ip(v6, 6):
            raise ValueError(f"{v6!r} is not an IPv6 address")
    except ValueError as error:
        raise MalformedResponseError(f"Linode {instance.id} has an invalid address: {error}") from None
    if not v6:
        return public, private
    # Ten times faster than split_by_privacy
    is_private = v6.find(":") == len("fd00") and v6[:2].lower() in UNIQUE_LOCAL
    return (public, [*private, v6]) if is_private else ([*public, v6], private)


def _node_extra(raw: bytes) -> dict[str, Any]:
    extra = with_defaults(NODE_KEYS, raw)
    marked = str(extra.get("group") or "").startswith(MARKER_PREFIX)
    return {**extra, "location": extra["region"], **({"group": ""} if marked else {})}
