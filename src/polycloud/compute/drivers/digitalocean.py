"""DigitalOcean: droplets, images, sizes, regions, SSH keys, volumes and their snapshots.

Source: the provider's OpenAPI document, version 2.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar

from polycloud.common.arguments import as_list, drop_none, id_of
from polycloud.common.base import quote_segment
from polycloud.common.creation import marker_for
from polycloud.common.digitalocean import (
    DigitalOceanAction,
    number,
    whole,
)
from polycloud.common.payload import value_of
from polycloud.compute import keys
from polycloud.compute.drivers._digitalocean.actions import Waiting
from polycloud.compute.drivers._digitalocean.extensions import (
    CREATE_TAG,
    DigitalOceanExtensions,
    DropletCreation,
    is_in,
)
from polycloud.compute.drivers._digitalocean.fields import attributes_of, droplet_id, reference
from polycloud.compute.drivers._digitalocean.networks import (
    DigitalOceanFirewall,
    DigitalOceanFirewallRule,
    DigitalOceanFloatingIp,
)
from polycloud.compute.drivers._digitalocean.payloads import (
    DigitalOceanVPC,
    Droplet,
    Image,
    Key,
    Region,
    Size,
    Snapshot,
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
from polycloud.concurrency import waiting
from polycloud.errors import ConflictError, InvalidArgumentError

__all__ = [
    "DigitalOceanAction",
    "DigitalOceanFirewall",
    "DigitalOceanFirewallRule",
    "DigitalOceanFloatingIp",
    "DigitalOceanNodeDriver",
    "DigitalOceanVPC",
    "Waiting",
]


class DigitalOceanNodeDriver(DigitalOceanExtensions):
    """DigitalOcean node driver: `DigitalOceanNodeDriver("token")`.

    `region` is where nodes and volumes are created that are given no location, and where `copy_image` copies
    to. A node's `size` is a slug, its `image` a slug or, for images of one's own, an id. A droplet that is
    archived is `TERMINATED`.
    """

    type = Provider.DIGITAL_OCEAN
    features: ClassVar = {"create_node": ["ssh_key"]}

    # Nodes

    def list_nodes(self, *, ex_tag: str | None = None, ex_gpus: bool = False) -> list[Node]:
        """The droplets: those with the tag `ex_tag` only, or with `ex_gpus` the GPU droplets too.

        The provider keeps GPU droplets on a list of their own, which costs a second request, and does not
        list them by tag: both together are an `InvalidArgumentError`.
        """
        if ex_tag is not None and ex_gpus:
            raise InvalidArgumentError("ex_tag= and ex_gpus= cannot be had together")
        query = partial(self.connection.list_all, "/droplets", "droplets", Droplet, self._build_nodes())
        nodes = query(params={"tag_name": ex_tag})
        return nodes + query(params={"type": "gpus"}) if ex_gpus else nodes

    def iterate_nodes(self) -> Iterator[Node]:
        """The droplets, a page at a time."""
        return self.connection.iterate("/droplets", "droplets", Droplet, self._build_nodes())

    def get_node(self, node_id: str) -> Node:
        """The droplet with this id, whatever its kind. Raises `NotFoundError` where there is none."""
        return self._to_node(self.connection.fetch(f"/droplets/{number(node_id)}", "droplet", Droplet))

    def create_node(  # type: ignore[override] # the order of arguments that Libcloud's users know
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        location: NodeLocation | None = None,
        ex_create_attr: Mapping[str, Any] | None = None,
        ex_ssh_key_ids: Iterable[str | int] | None = None,
        ex_user_data: str | None = None,
        *,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        tags: Iterable[str] = (),
        user_data: str | None = None,
        idempotency_key: str | None = None,
    ) -> Node:
        """Create a droplet.

        It is created with a tag of its own, by which it is found where the provider's answer is lost, and
        which is deleted then. The token needs the rights to create, read and delete tags.

        The tag of an `idempotency_key` stays: as long as it does, a create with the same key gives the same
        droplet, whatever else it asks for. Two programs that use one key at the same time may both create.

        Args:
            name: Letters, digits, `.` and `-`; need not be unique.
            size: One of `list_sizes()`.
            image: One of `list_images()`.
            location: One of `list_locations()`; the driver's region without, else the provider chooses.
            ex_create_attr: Further fields of the provider's request, such as `backups`, `ipv6`,
                `monitoring`, `volumes` (ids), `vpc_uuid`, `ssh_keys` (instead of `ex_ssh_key_ids`), `tags`.
            ex_ssh_key_ids: Ids or fingerprints of the account's SSH keys that let root in.
            ex_user_data: As `user_data`.
            auth: An SSH key that lets root in; registered unless the account has it.
            tags: Tags of the droplet; created where they do not exist.
            user_data: A script or cloud-config for the first boot.
            idempotency_key: Any text; a program that was restarted gets the droplet that it began to create.

        Raises:
            AmbiguousCreateError: The answer was lost and no droplet of this create was found.
            QuotaExceededError: The account may have no further droplet.
            ProviderHTTPError: The provider refuses the name, or the region lacks size or image.
            InvalidArgumentError: An argument cannot be sent as it is.
        """
        attributes = attributes_of(ex_create_attr)
        key_ids = [reference(key) for key in as_list(attributes.pop("ssh_keys", ex_ssh_key_ids))]
        if auth is not None:
            key_ids.append(self._key_for(auth)[0])
        tag = CREATE_TAG + marker_for(idempotency_key)
        body = {
            "name": name,
            "size": id_of(size, NodeSize),
            "image": reference(id_of(image, NodeImage)),
            "region": self._region(location),
            "ssh_keys": key_ids or None,
            "user_data": user_data or ex_user_data,
            "tags": [*as_list(attributes.pop("tags", None)), *as_list(tags), tag],
            **attributes,
        }
        creation = DropletCreation(self, drop_none(body), tag, keyed=idempotency_key is not None)
        return self._create_once(creation, idempotency_key=idempotency_key)

    def reboot_node(self, node: Node) -> bool:
        """Restart a droplet gently."""
        return self._operate(self._act(node, "reboot"), ex_wait=False)

    def start_node(self, node: Node) -> bool:
        """Start a droplet that is off."""
        return self._operate(self._act(node, "power_on"), ex_wait=False)

    def stop_node(self, node: Node) -> bool:
        """Cut a droplet's power; it keeps its disk and addresses, and costs as much as before."""
        return self._operate(self._act(node, "power_off"), ex_wait=False)

    def shutdown_node(self, node: Node) -> bool:
        """Tell a droplet to shut itself down, which it may fail to do."""
        return self._operate(self._act(node, "shutdown"), ex_wait=False)

    def destroy_node(self, node: Node) -> bool:
        """Delete a droplet and its disk; its volumes, snapshots and reserved addresses stay."""
        id_ = droplet_id(node)
        return self._when_free(id_, lambda: self.connection.delete(f"/droplets/{id_}"))

    # Sizes, images, locations

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """The sizes that can be had, in `location` only where given, with today's prices, cheapest first."""
        items = self.connection.list_all("/sizes", "sizes", Size, whole, key=attrgetter("value.slug"))
        sizes = [
            self._to_size(item)
            for item in items
            if item.value.available is not False and is_in(item.value.regions, location)
        ]
        return sorted(sizes, key=lambda size: (size.price is None, size.price or 0.0, size.ram))

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """The provider's images and the account's, snapshots and backups too; in `location` where given."""
        items = self.connection.list_all("/images", "images", Image, whole, key=attrgetter("value.id"))
        return [self._to_image(item) for item in items if is_in(item.value.regions, location)]

    def get_image(self, image_id: str | int) -> NodeImage:
        """The image with this id or slug. Raises `NotFoundError` where there is none."""
        return self._to_image(
            self.connection.fetch(f"/images/{quote_segment(str(image_id))}", "image", Image)
        )

    def create_image(
        self,
        node: Node,
        name: str,
        description: str | None = None,
        *,
        ex_wait: bool = True,
        ex_timeout: float = 3600,
    ) -> NodeImage:
        """Take a snapshot of a droplet and wait for it; the provider takes no description.

        With `ex_wait=False` the image has no id yet, and `extra["action_id"]` is what to look at with
        `ex_get_action`. Raises `OperationTimeoutError` after `ex_timeout` seconds, and `ProviderError` where
        it fails.
        """
        path = f"/droplets/{droplet_id(node)}/snapshots"
        taken = partial(self.connection.list_all, path, "snapshots", Image, value_of)
        before = {snapshot.id for snapshot in taken()} if ex_wait else set()
        begun = self._act(node, "snapshot", name=name)
        if not ex_wait:
            return NodeImage("", name, self, {"action_id": begun.action.id})
        self._operate(begun, ex_timeout=ex_timeout)

        def look() -> int | None:
            named = {snapshot.id for snapshot in taken() if snapshot.name == name}
            return max(named - before, default=None)

        told = f"the snapshot {name!r} of {node.name} (id {node.id}) to be listed"
        return self.get_image(str(waiting.poll(look, waiting_for=told, timeout=self.settle_time)))

    def copy_image(
        self,
        source_region: str,
        node_image: NodeImage,
        name: str,
        description: str | None = None,
        *,
        ex_wait: bool = True,
        ex_timeout: float = 3600,
    ) -> NodeImage:
        """Make an image of the account's available in this driver's region too, and wait for it.

        It stays the same image: `source_region`, `name` and `description` change nothing. Raises
        `InvalidArgumentError` for a driver without a region, `OperationTimeoutError` after `ex_timeout`
        seconds, and `ProviderError` where it fails.
        """
        image_id = number(id_of(node_image, NodeImage))
        path = f"/images/{image_id}/actions"
        action = self.connection.act(path, type="transfer", region=self._require_region(None))
        self._operate(action, ex_wait, ex_timeout)
        return self.get_image(str(image_id))

    def delete_image(self, node_image: NodeImage) -> bool:
        """Delete a snapshot, a backup or a custom image."""
        return self.connection.delete(f"/images/{number(id_of(node_image, NodeImage))}")

    def list_locations(self, ex_available: bool = True) -> list[NodeLocation]:
        """The regions; those only where droplets can be created now, unless `ex_available` is false."""
        items = self.connection.list_all("/regions", "regions", Region, whole, key=attrgetter("value.slug"))
        return [
            self._to_location(item) for item in items if item.value.available is not False or not ex_available
        ]

    # Key pairs

    def list_key_pairs(self) -> list[KeyPair]:
        """The account's SSH keys; names need not be unique, `extra["id"]` is."""
        return self.connection.list_all(
            "/account/keys", "ssh_keys", Key, self._to_key_pair, key=lambda pair: pair.extra["id"]
        )

    def create_key_pair(self, name: str, public_key: str = "") -> KeyPair:
        """Register `public_key`, or without it a new key that is made on this machine."""
        if public_key:
            return self.import_key_pair_from_string(name, public_key)
        return super().create_key_pair(name)

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Register a public key. Raises `ConflictError` where the account has it already."""
        body = {"name": name, "public_key": keys.require_public_key(key_material)}
        return self._to_key_pair(self.connection.create("/account/keys", "ssh_key", Key, body))

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key; nodes that have it keep it."""
        pair = key_pair if "id" in key_pair.extra else self.get_key_pair(key_pair.name)
        return self.connection.delete(f"/account/keys/{number(pair.extra['id'])}")

    # Volumes and snapshots

    def list_volumes(self) -> list[StorageVolume]:
        """The account's volumes."""
        return self.connection.list_all("/volumes", "volumes", Volume, self._to_volume)

    def create_volume(
        self,
        size: int,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | None = None,
    ) -> StorageVolume:
        """Create a volume of `size` GB, in the driver's region unless `location` is given.

        `name` (small letters, digits, `-`) is unique in the region. Raises `InvalidArgumentError` without
        any region.
        """
        body = {
            "size_gigabytes": size,
            "name": name,
            "region": self._require_region(location),
            "snapshot_id": snapshot.id if snapshot else None,
        }
        return self._to_volume(self.connection.create("/volumes", "volume", Volume, drop_none(body)))

    def attach_volume(self, node: Node, volume: StorageVolume, device: str | None = None) -> bool:
        """Attach a volume to a droplet of its region; the provider chooses the device."""
        self._move_volume(volume, "attach", droplet_id(node))
        volume.extra["droplet_ids"] = [droplet_id(node)]  # the provider tells it later only
        return True

    def detach_volume(self, volume: StorageVolume) -> bool:
        """Detach a volume from its droplet. Raises `ConflictError` where it is attached to none."""
        path = f"/volumes/{quote_segment(volume.id)}"
        told = self.connection.fetch(path, "volume", Volume).value
        droplet_ids = told.droplet_ids or volume.extra.get("droplet_ids")
        if not droplet_ids:
            raise ConflictError(409, f"the volume {volume.name} (id {volume.id}) is attached to no node")
        self._move_volume(volume, "detach", droplet_ids[0])
        volume.extra["droplet_ids"] = []
        return True

    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume that is not attached, and what is on it; its snapshots stay."""
        return self.connection.delete(f"/volumes/{quote_segment(volume.id)}")

    def list_volume_snapshots(self, volume: StorageVolume) -> list[VolumeSnapshot]:
        """The snapshots of a volume."""
        path = f"/volumes/{quote_segment(volume.id)}/snapshots"
        return self.connection.list_all(path, "snapshots", Snapshot, self._to_snapshot)

    def create_volume_snapshot(self, volume: StorageVolume, name: str | None = None) -> VolumeSnapshot:
        """Take a snapshot of a volume, called after it and the time unless `name` is given."""
        body = {"name": name or f"{volume.name}-{datetime.now(UTC):%Y%m%d%H%M%S}"}
        path = f"/volumes/{quote_segment(volume.id)}/snapshots"
        return self._to_snapshot(self.connection.create(path, "snapshot", Snapshot, body))

    def destroy_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Delete a snapshot."""
        return self.connection.delete(f"/snapshots/{quote_segment(snapshot.id)}")
