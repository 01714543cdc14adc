"""Nodes (the provider's droplets): lists, power, and the actions that change them.

Lists of nodes are long, and their droplets contain complete sizes and images: `_build_nodes` converts each
distinct size and image of a list once, so that all its nodes share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from sys import intern
from typing import Any, Unpack

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.digitalocean import number
from polycloud.common.payload import Item, LazyExtra, decode, parse_datetime, with_defaults
from polycloud.compute.drivers.digitalocean.actions import Waiting, droplet_id
from polycloud.compute.drivers.digitalocean.catalog import Reference, Size, reference
from polycloud.compute.drivers.digitalocean.images import DigitalOceanImages, Image
from polycloud.compute.objects import Node, NodeImage, NodeSize
from polycloud.compute.types import NodeState
from polycloud.errors import InvalidArgumentError, MalformedResponseError
from polycloud.utils.networking import is_ip

NODE_STATES = {
    "new": NodeState.PENDING,
    "active": NodeState.RUNNING,
    "off": NodeState.STOPPED,
    "archive": NodeState.TERMINATED,
}
NODE_KEYS = (
    *("backup_ids", "created_at", "disk", "features", "image", "locked", "memory", "networks"),
    *("region", "region_slug", "size", "size_slug", "snapshot_ids", "tags", "vcpus"),
)
ABSENT = {b"": None, b"null": None}
"""The bytes of an absent size or image."""


class Address(msgspec.Struct, gc=False):
    """An address of a droplet; its type is "public" or "private"."""

    ip_address: str | None = None
    type: str | None = None


class Networks(msgspec.Struct, gc=False):
    """The addresses of a droplet; it has none before it runs."""

    v4: list[Address] | None = None
    v6: list[Address] | None = None


class Droplet(msgspec.Struct, gc=False):
    """A droplet: the fields that a `Node` is built from. The complete payload becomes its `extra`."""

    id: int
    name: str | None = None
    status: str | None = None
    created_at: str | None = None
    size_slug: str | None = None
    size: msgspec.Raw = msgspec.Raw()
    image: msgspec.Raw = msgspec.Raw()
    networks: Networks | list[Any] | None = None
    tags: list[str] | None = None


class DigitalOceanNodes(DigitalOceanImages):
    """Methods of nodes."""

    def list_nodes(self, *, ex_tag: str | None = None, ex_gpus: bool = False) -> list[Node]:
        """Return the droplets: only those with the tag `ex_tag`, or with `ex_gpus` GPU droplets too.

        The provider has a separate list of GPU droplets, which costs a second request and cannot be filtered
        by tag: both arguments together raise `InvalidArgumentError`.
        """
        if ex_tag is not None and ex_gpus:
            raise InvalidArgumentError("ex_tag= and ex_gpus= cannot be used together")
        query = partial(self.connection.list_all, "/droplets", "droplets", Droplet, self._build_nodes())
        nodes = query(params={"tag_name": ex_tag})
        return nodes + query(params={"type": "gpus"}) if ex_gpus else nodes

    def iterate_nodes(self) -> Iterator[Node]:
        """Yield the droplets, a page at a time."""
        return self.connection.iterate("/droplets", "droplets", Droplet, self._build_nodes())

    def get_node(self, node_id: str) -> Node:
        """Return the droplet with this id, of any kind. Raises `NotFoundError` if it does not exist."""
        return self._to_node(self.connection.fetch(f"/droplets/{number(node_id)}", "droplet", Droplet))

    def ex_get_node_details(self, node_id: str) -> Node:
        """Same as `get_node`, by Libcloud's name."""
        return self.get_node(node_id)

    def destroy_node(self, node: Node) -> bool:
        """Delete a droplet and its disk; its volumes, snapshots and reserved addresses stay."""
        id_ = droplet_id(node)
        return self._when_free(id_, lambda: self.connection.delete(f"/droplets/{id_}"))

    # Power

    def reboot_node(self, node: Node) -> bool:
        """Restart a droplet gracefully."""
        return self._operate(self._act(node, "reboot"), ex_wait=False)

    def start_node(self, node: Node) -> bool:
        """Start a stopped droplet."""
        return self._operate(self._act(node, "power_on"), ex_wait=False)

    def stop_node(self, node: Node) -> bool:
        """Power a droplet off; it keeps its disk and addresses, and costs the same."""
        return self._operate(self._act(node, "power_off"), ex_wait=False)

    def shutdown_node(self, node: Node) -> bool:
        """Request a graceful shutdown of a droplet, which may fail."""
        return self._operate(self._act(node, "shutdown"), ex_wait=False)

    def ex_power_on_node(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Start a stopped node, and wait."""
        return self._operate(self._act(node, "power_on"), **wait)

    def ex_shutdown_node(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Request a graceful shutdown of a node, and wait."""
        return self._operate(self._act(node, "shutdown"), **wait)

    def ex_hard_reboot(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Power a node off and on."""
        return self._operate(self._act(node, "power_cycle"), **wait)

    # Changes

    def ex_rebuild_node(self, node: Node, image: NodeImage | None = None, **wait: Unpack[Waiting]) -> bool:
        """Reinstall a node from an image, by default its own. The data on its disk is lost."""
        source = image or node.image
        if source is None:
            raise InvalidArgumentError(f"pass image=: the image of {node.name} (id {node.id}) is unknown")
        return self._operate(self._act(node, "rebuild", image=reference(id_of(source, NodeImage))), **wait)

    def ex_restore_node(self, node: Node, image: NodeImage, **wait: Unpack[Waiting]) -> bool:
        """Restore a node from one of its backups or snapshots. Later changes are lost."""
        return self._operate(self._act(node, "restore", image=number(id_of(image, NodeImage))), **wait)

    def ex_resize_node(
        self, node: Node, size: NodeSize, *, disk: bool = False, **wait: Unpack[Waiting]
    ) -> bool:
        """Change the size of a stopped node; with `disk` its disk grows too, permanently."""
        return self._operate(self._act(node, "resize", size=id_of(size, NodeSize), disk=disk), **wait)

    def ex_rename_node(self, node: Node, name: str, **wait: Unpack[Waiting]) -> bool:
        """Rename a node."""
        return self._operate(self._act(node, "rename", name=name), **wait)

    def ex_reset_password(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Reset root's password; the provider sends the new one by email."""
        return self._operate(self._act(node, "password_reset"), **wait)

    def ex_enable_ipv6(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Give a node an IPv6 address. This cannot be undone."""
        return self._operate(self._act(node, "enable_ipv6"), **wait)

    def ex_enable_backups(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Enable backups of a node."""
        return self._operate(self._act(node, "enable_backups"), **wait)

    def ex_disable_backups(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Disable backups of a node."""
        return self._operate(self._act(node, "disable_backups"), **wait)

    def ex_change_kernel(self, node: Node, kernel_id: int | str, **wait: Unpack[Waiting]) -> bool:
        """Change the kernel of a node created before March 2017; later nodes have it on their disk."""
        return self._operate(self._act(node, "change_kernel", kernel=number(kernel_id)), **wait)

    # Conversion

    def _build_nodes(self) -> Callable[[Item[Droplet]], Node]:
        """Return the conversion for one list, whose nodes share their sizes and images."""
        return partial(self._to_node, shared=dict(ABSENT))

    def _to_node(self, item: Item[Droplet], shared: dict[bytes, Any] | None = None) -> Node:
        droplet, raw = item
        shared = dict(ABSENT) if shared is None else shared
        public, private = _addresses(droplet)
        return Node(
            str(droplet.id),
            droplet.name,
            NODE_STATES.get(droplet.status or "") or NodeState.UNKNOWN,
            public,
            private,
            self,
            _once(shared, droplet.size, self._inner_size)
            or (droplet.size_slug and intern(droplet.size_slug)),  # thousands of nodes share a few
            _once(shared, droplet.image, self._inner_image),
            LazyExtra(raw, _node_extra),
            parse_datetime(droplet.created_at),
        )

    def _inner_size(self, raw: bytes) -> NodeSize | str | None:
        """Return the size inside a droplet, or its slug if it is incomplete."""
        try:
            return self._to_size(Item(decode(raw, Size), raw))
        except MalformedResponseError:
            return _slug(raw)

    def _inner_image(self, raw: bytes) -> NodeImage | str | None:
        """Return the image inside a droplet, or its slug if it is incomplete."""
        try:
            return self._to_image(Item(decode(raw, Image), raw))
        except MalformedResponseError:
            return _slug(raw)


def _slug(raw: bytes) -> str | None:
    inner: Reference = decode(raw, Reference)
    return inner.slug


def _once(shared: dict[bytes, Any], raw: msgspec.Raw, build: Callable[[bytes], Any]) -> Any:
    """Return what `build` makes of these bytes, building it once."""
    content = b"".join((raw,))  # half the time of bytes()
    try:
        return shared[content]
    except KeyError:
        return shared.setdefault(content, build(content))


def _addresses(droplet: Droplet) -> tuple[list[str], list[str]]:
    """Return the public and the private addresses."""
    public: list[str] = []
    private: list[str] = []
    networks = droplet.networks
    if not isinstance(networks, Networks):
        return public, private
    for version, addresses in ((4, networks.v4), (6, networks.v6)):
        for address in addresses or ():
            if text := address.ip_address:  # not assigned yet, if not
                (private if address.type == "private" else public).append(text)
                if not is_ip(text, version):
                    raise MalformedResponseError(f"droplet {droplet.id} has the address {text!r}")
    return public, private


def _node_extra(raw: bytes) -> dict[str, Any]:
    extra = with_defaults(NODE_KEYS, raw)
    if isinstance(region := extra["region"], dict):
        extra["region_slug"] = region.get("slug")
        extra["region"] = region.get("name") or region.get("slug")
    return {**extra, "tags": extra["tags"] or []}
