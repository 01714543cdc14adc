"""Linode: instances, images, types, regions, SSH keys and volumes.

Source: the provider's OpenAPI document, version 4.189.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from polycloud.common.arguments import as_list, drop_none, id_of
from polycloud.common.creation import marker_for
from polycloud.common.linode import (
    Filter,
    LabelTakenError,
    LinodeBusyError,
    LinodeEvent,
    number,
)
from polycloud.common.payload import value_of
from polycloud.compute import keys
from polycloud.compute.drivers._linode.extensions import MARK, LinodeCreation, LinodeDisk, LinodeExtensions
from polycloud.compute.drivers._linode.fields import attributes_of, image_path, linode_id, metadata
from polycloud.compute.drivers._linode.networks import LinodeIPAddress
from polycloud.compute.drivers._linode.operations import Waiting
from polycloud.compute.drivers._linode.payloads import (
    Availability,
    Image,
    Instance,
    Key,
    LinodeBackup,
    LinodeConfig,
    LinodeFirewall,
    LinodeStackScript,
    Region,
    Size,
    Volume,
)
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
)
from polycloud.compute.types import Provider
from polycloud.errors import InvalidArgumentError, NotFoundError, UnsupportedOperationError

__all__ = [
    "LabelTakenError",
    "LinodeBackup",
    "LinodeBusyError",
    "LinodeConfig",
    "LinodeDisk",
    "LinodeEvent",
    "LinodeFirewall",
    "LinodeIPAddress",
    "LinodeNodeDriver",
    "LinodeStackScript",
    "Waiting",
]


class LinodeNodeDriver(LinodeExtensions):
    """Linode node driver: `LinodeNodeDriver("token")`.

    `region` is where nodes and volumes are created that are given no location, and whose prices sizes have. A
    node's `size` and `image` are ids. A node that is being deleted is `TERMINATED`.
    """

    type = Provider.LINODE
    features: ClassVar = {"create_node": ["ssh_key", "password"]}

    # Nodes

    def list_nodes(self, *, ex_filter: Filter | None = None) -> list[Node]:
        """The account's nodes; those only that `ex_filter` lets pass, such as `{"tags": "web"}`."""
        return self.connection.list_all("/linode/instances", Instance, self._to_node, only=ex_filter)

    def iterate_nodes(self, *, ex_filter: Filter | None = None) -> Iterator[Node]:
        """As `list_nodes`, a page at a time."""
        return self.connection.iterate("/linode/instances", Instance, self._to_node, ex_filter)

    def get_node(self, node_id: str) -> Node:
        """The node with this id. Raises `NotFoundError` where there is none."""
        return self._to_node(self.connection.fetch(f"/linode/instances/{number(node_id)}", Instance))

    def create_node(  # type: ignore[override] # the order of arguments that Libcloud's users know
        self,
        name: str | NodeLocation | None = None,
        size: NodeSize | None = None,
        image: NodeImage | None = None,
        location: NodeLocation | str | None = None,
        root_pass: str | None = None,
        ex_authorized_keys: Iterable[str] | None = None,
        ex_authorized_users: Iterable[str] | None = None,
        ex_tags: Iterable[str] | None = None,
        ex_backups_enabled: bool = False,
        ex_private_ip: bool = False,
        *,
        ex_create_attr: Mapping[str, Any] | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        tags: Iterable[str] = (),
        user_data: str | None = None,
        idempotency_key: str | None = None,
    ) -> Node:
        """Create a node. Libcloud's order is taken too: the location first, and the name fourth.

        It is created with a mark in its `group`, by which it is found where the provider's answer is lost,
        and which is taken off then. The mark of an `idempotency_key` stays: as long as it does, a create with
        the same key gives the same node, whatever else it asks for; also where two programs ask at the same
        time, as long as both ask for the same name.

        Args:
            name: 3 to 64 letters, digits, `.`, `_` and `-`, of which the account has no other node; the
                provider chooses one without.
            size: One of `list_sizes()`.
            image: One of `list_images()`; without, the node has no disk and stays off.
            location: One of `list_locations()`; the driver's region without.
            root_pass: Root's password, in the place of `auth`; a random one that nobody knows without both.
            ex_authorized_keys: Public keys that let root in.
            ex_authorized_users: Names of the account's users, whose SSH keys let root in.
            ex_tags: As `tags`.
            ex_backups_enabled: Have it backed up, which costs extra.
            ex_private_ip: Give it a private address too.
            ex_create_attr: Further fields of the provider's request, such as `firewall_id`, `interfaces`,
                `placement_group`, `stackscript_id`, `swap_size`, `backup_id` (instead of `image`).
            auth: An SSH key that lets root in, or root's password.
            tags: Tags of the node; the provider takes them from unrestricted users only.
            user_data: A script or cloud-config for the first boot.
            idempotency_key: Any text; a program that was restarted gets the node that it began to create.

        Raises:
            AmbiguousCreateError: The answer was lost and no node of this create was found.
            LabelTakenError: The account has a node of this name; a `ConflictError`.
            InvalidNameError: The provider refuses the name.
            ImageUnavailableError: It does not know the image.
            QuotaExceededError: The account may have no further node.
            InvalidArgumentError: An argument cannot be sent as it is.
        """
        if isinstance(name, NodeLocation):
            name, location = location, name
        if not isinstance(name, str | None):
            raise InvalidArgumentError(f"name={name!r} is no text")
        mark = MARK + marker_for(idempotency_key)
        body = {
            "label": name or (mark if idempotency_key else None),
            "type": id_of(size, NodeSize),
            "region": self._region(location),
            "image": id_of(image, NodeImage) if image else None,
            **self._login_fields(bool(image), root_pass, auth, ex_authorized_keys, ex_authorized_users),
            "tags": [*as_list(ex_tags), *as_list(tags)] or None,
            "backups_enabled": ex_backups_enabled or None,
            "private_ip": ex_private_ip or None,
            "metadata": metadata(user_data),
            **attributes_of(ex_create_attr),
            "group": mark,
        }
        creation = LinodeCreation(self, drop_none(body), mark, keyed=idempotency_key is not None)
        return self._create_once(creation, idempotency_key=idempotency_key)

    def reboot_node(self, node: Node) -> bool:
        """Restart a node gently."""
        return self._operate(node, "reboot", "linode_reboot", ex_wait=False)

    def start_node(self, node: Node) -> bool:
        """Start a node that is off."""
        return self._operate(node, "boot", "linode_boot", ex_wait=False)

    def stop_node(self, node: Node) -> bool:
        """Shut a node down; it keeps its disks and addresses, and costs as much as before."""
        return self._operate(node, "shutdown", "linode_shutdown", ex_wait=False)

    def destroy_node(self, node: Node) -> bool:
        """Delete a node with its disks, backups and addresses; its volumes are detached and stay."""
        path = f"/linode/instances/{linode_id(node)}"
        return self._when_free(partial(self.connection.delete, path))

    # Sizes, images, locations

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """The sizes with the prices of `location`, else of the driver's region, cheapest first.

        Those that cannot be had in `location` are left out, which costs a second request.
        """
        region = self.region if location is None else id_of(location, NodeLocation)
        lacking = self._lacking(region) if location is not None and region else frozenset()
        sizes = self.connection.list_all("/linode/types", Size, partial(self._to_size, region=region))
        there = [size for size in sizes if size.id not in lacking]
        return sorted(there, key=lambda size: (size.price is None, size.price or 0.0, size.ram))

    def list_images(
        self, location: NodeLocation | None = None, *, ex_filter: Filter | None = None
    ) -> list[NodeImage]:
        """The provider's images and the account's, which can be had everywhere.

        Those only that `ex_filter` lets pass, such as `{"is_public": False}`.
        """
        return self.connection.list_all("/images", Image, self._to_image, only=ex_filter)

    def get_image(self, image_id: str) -> NodeImage:
        """The image with this id, such as "linode/debian12". Raises `NotFoundError` where there is none."""
        return self._to_image(self.connection.fetch(image_path(image_id), Image))

    def create_image(
        self,
        node: Node | LinodeDisk,
        name: str | None = None,
        description: str | None = None,
        *,
        ex_wait: bool = True,
        ex_timeout: float = 3600,
    ) -> NodeImage:
        """Make an image of a disk, of a node's biggest one where a node is given, and wait for it.

        With `ex_wait=False` it is given back as it begins. Raises `OperationTimeoutError` after `ex_timeout`
        seconds.
        """
        disk = node if isinstance(node, LinodeDisk) else self._root_disk(node)
        body = drop_none({"disk_id": number(disk.id), "label": name, "description": description})
        begun = self._when_free(partial(self.connection.post, "/images", Image, body))
        there = image_path(begun.value.id)
        self._until(there, Image, "available", ex_wait, ex_timeout)
        return self._to_image(self._latest(there, begun, ex_wait))

    def delete_image(self, node_image: NodeImage) -> bool:
        """Delete an image of the account's."""
        return self.connection.delete(image_path(node_image))

    def list_locations(self) -> list[NodeLocation]:
        """The regions."""
        return self.connection.list_all("/regions", Region, self._to_location)

    # Key pairs

    def list_key_pairs(self) -> list[KeyPair]:
        """The SSH keys of the token's user; names need not be unique, `extra["id"]` is."""
        return self.connection.list_all(
            "/profile/sshkeys", Key, self._to_key_pair, key=lambda pair: pair.extra["id"]
        )

    def create_key_pair(self, name: str, public_key: str = "") -> KeyPair:
        """Register `public_key`, or without it a new key that is made on this machine."""
        if public_key:
            return self.import_key_pair_from_string(name, public_key)
        return super().create_key_pair(name)

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Register a public key."""
        body = {"label": name, "ssh_key": keys.require_public_key(key_material)}
        return self._to_key_pair(self.connection.post("/profile/sshkeys", Key, body))

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key; nodes that have it keep it."""
        pair = key_pair if "id" in key_pair.extra else self.get_key_pair(key_pair.name)
        return self.connection.delete(f"/profile/sshkeys/{number(pair.extra['id'])}")

    # Volumes

    def list_volumes(self, *, ex_filter: Filter | None = None) -> list[StorageVolume]:
        """The account's volumes; those only that `ex_filter` lets pass."""
        return self.connection.list_all("/volumes", Volume, self._to_volume, only=ex_filter)

    def create_volume(
        self,
        size: int,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | Node | None = None,
        *,
        node: Node | None = None,
        tags: Iterable[str] = (),
    ) -> StorageVolume:
        """Create a volume of `size` GB in `location`, else the driver's region; or attached to `node`.

        `name` (letters, digits, `-`, `_`) is unique. Libcloud's order, the name before the size and the node
        fourth, is taken too. The provider has no snapshots of volumes: `UnsupportedOperationError`.
        """
        if isinstance(snapshot, Node):
            snapshot, node = None, snapshot
        if snapshot is not None:
            raise UnsupportedOperationError(f"{self.name} has no snapshots of volumes", self)
        if isinstance(size, str):
            size, name = name, size
        body = {
            "size": size,
            "label": name,
            "region": None if node else self._region(location),
            "linode_id": linode_id(node) if node else None,
            "tags": as_list(tags) or None,
        }
        return self._to_volume(
            self._when_free(partial(self.connection.post, "/volumes", Volume, drop_none(body)))
        )

    def attach_volume(
        self,
        node: Node,
        volume: StorageVolume,
        device: str | bool | None = None,
        *,
        persist_across_boots: bool = True,
    ) -> bool:
        """Attach a volume to a node of its region; the provider chooses the device.

        Without `persist_across_boots`, which may stand third as in Libcloud, it is attached until the node is
        restarted.
        """
        if isinstance(device, bool):
            persist_across_boots = device
        path = f"/volumes/{number(volume.id)}/attach"
        body = {"linode_id": linode_id(node), "persist_across_boots": persist_across_boots}
        return self._when_free(partial(self.connection.act, path, **body))

    def detach_volume(self, volume: StorageVolume) -> bool:
        """Detach a volume from its node."""
        return self._when_free(partial(self.connection.act, f"/volumes/{number(volume.id)}/detach"))

    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume that is not attached, and what is on it."""
        return self._when_free(partial(self.connection.delete, f"/volumes/{number(volume.id)}"))

    def _region(self, location: NodeLocation | str | None) -> str:
        region = self.region if location is None else id_of(location, NodeLocation)
        if region is None:
            raise InvalidArgumentError(f"{self.name} wants a region: give a location, or the driver region=")
        return region

    def _lacking(self, region: str) -> frozenset[str]:
        """The ids of the sizes that cannot be had in a region; none where the server does not tell."""
        query = partial(self.connection.list_all, "/regions/availability", Availability, value_of)
        with suppress(NotFoundError):
            told = query(key=_plan_there, only={"region": region})
            return frozenset(one.plan for one in told if one.region == region and one.available is False)
        return frozenset()


def _plan_there(one: Availability) -> tuple[str, str]:
    return one.plan, one.region
