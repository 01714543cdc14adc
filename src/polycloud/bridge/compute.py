"""Compute drivers of Libcloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from polycloud.bridge.classes import table_of
from polycloud.bridge.driver import BridgedDriver
from polycloud.bridge.objects import ORIGINAL
from polycloud.common.arguments import drop_none
from polycloud.common.resource import with_id
from polycloud.compute import keys
from polycloud.compute.base import NodeDriver
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
    cheapest_first,
)
from polycloud.compute.types import KeyPairDoesNotExistError
from polycloud.errors import NotFoundError, translated


class BridgedNodeDriver(BridgedDriver, NodeDriver):
    """The base of the bridged compute drivers.

    `monthly_prices`: Libcloud's driver has prices for a month in the place of those for an hour.
    """

    monthly_prices: ClassVar[bool] = False

    def _chosen(self, kind: type, value: Any) -> Any:
        """Return a size, image or location; that of an id if it is given in its place."""
        if value is None or isinstance(value, kind):
            return value
        if kind is NodeImage:
            return self.get_image(str(value))
        listed: Any = self.list_sizes() if kind is NodeSize else self.list_locations()
        return with_id(listed, str(value), f"{self.name} {kind.__name__.removeprefix('Node').lower()}")

    def _at(self, location: Any, method: str) -> dict[str, Any]:
        """Return the argument `location` of a list; other providers have one list for all places."""
        if location is None or not self._takes(method, "location"):
            return {}
        return {"location": self._chosen(NodeLocation, location)}

    def _known(self, resource: Any) -> Any:
        """Return a node or volume of Libcloud's driver; one that a program made itself is looked up."""
        if hasattr(resource, ORIGINAL):
            return resource
        if isinstance(resource, Node) and self.supports("get_node"):
            return self.get_node(resource.id)
        if isinstance(resource, StorageVolume) and self.supports("list_volumes"):
            return with_id(self.list_volumes(), resource.id, f"{self.name} volume")
        return resource


class Operations(BridgedNodeDriver):
    """What a compute driver of Libcloud may offer; a bridged class has of it what Libcloud's class has."""

    def list_nodes(self, **kwargs: Any) -> list[Node]:
        """Return all nodes; `kwargs` are further arguments of Libcloud's driver."""
        return list(self._call("list_nodes", **kwargs))

    def create_node(
        self,
        /,
        name: str,
        size: NodeSize,
        image: NodeImage,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        **kwargs: Any,
    ) -> Node:
        """Create a node; `kwargs` are further arguments of Libcloud's driver. It is sent once."""
        self._require_auth(auth)
        chosen = {
            "size": self._chosen(NodeSize, size),
            "image": self._chosen(NodeImage, image),
            "location": self._chosen(NodeLocation, location),
            "auth": auth,
        }
        what = f"the node {name!r}"
        made: Node = self._create(what, "create_node", name=name, **drop_none(chosen), **kwargs)
        return made

    def reboot_node(self, node: Node) -> bool:
        """Restart a running node."""
        return self._act("reboot_node", self._known(node))

    def start_node(self, node: Node) -> bool:
        """Start a stopped node."""
        return self._act("start_node", self._known(node))

    def stop_node(self, node: Node) -> bool:
        """Stop a node."""
        return self._act("stop_node", self._known(node))

    def destroy_node(self, node: Node) -> bool:
        """Delete a node."""
        return self._act("destroy_node", self._known(node))

    def list_sizes(self, location: NodeLocation | None = None, **kwargs: Any) -> list[NodeSize]:
        """Return the sizes, cheapest first; those of `location` if Libcloud's driver knows them."""
        return cheapest_first(self._call("list_sizes", **self._at(location, "list_sizes"), **kwargs))

    def list_images(self, location: NodeLocation | None = None, **kwargs: Any) -> list[NodeImage]:
        """Return the images; those of `location` if Libcloud's driver knows them."""
        return list(self._call("list_images", **self._at(location, "list_images"), **kwargs))

    def get_image(self, image_id: str) -> NodeImage:
        """Return the image with this id."""
        image: NodeImage | None = self._call("get_image", image_id)
        if image is None:
            raise NotFoundError(404, f"there is no {self.name} image with the id {image_id!r}")
        return image

    def create_image(self, node: Node, name: str, description: str | None = None, **kwargs: Any) -> NodeImage:
        """Create an image of a node's disk."""
        image: NodeImage = self._call(
            "create_image", self._known(node), name, **drop_none({"description": description}), **kwargs
        )
        return image

    def copy_image(
        self,
        source_region: str,
        node_image: NodeImage,
        name: str,
        description: str | None = None,
        **kwargs: Any,
    ) -> NodeImage:
        """Copy an image from another region."""
        given = drop_none({"description": description})
        image: NodeImage = self._call("copy_image", source_region, node_image, name, **given, **kwargs)
        return image

    def delete_image(self, node_image: NodeImage) -> bool:
        """Delete an image of the account."""
        return self._act("delete_image", self._chosen(NodeImage, node_image))

    def list_locations(self, **kwargs: Any) -> list[NodeLocation]:
        """Return the locations."""
        return list(self._call("list_locations", **kwargs))

    def list_key_pairs(self, **kwargs: Any) -> list[KeyPair]:
        """Return the SSH keys of the account."""
        return list(self._call("list_key_pairs", **kwargs))

    def get_key_pair(self, name: str) -> KeyPair:
        """Return the SSH key of that name."""
        try:
            pair: KeyPair | None = self._call("get_key_pair", name)
        except NotFoundError as error:
            raise translated(error, KeyPairDoesNotExistError(name, self)) from error
        if pair is None:
            raise KeyPairDoesNotExistError(name, self)
        return pair

    def create_key_pair(self, name: str, **kwargs: Any) -> KeyPair:
        """Create a key pair; its `private_key` is returned only here."""
        pair: KeyPair = self._call("create_key_pair", name, **kwargs)
        return pair

    def import_key_pair_from_string(self, name: str, key_material: str, **kwargs: Any) -> KeyPair:
        """Register a public key."""
        keys.require_public_key(key_material)
        pair: KeyPair = self._call("import_key_pair_from_string", name, key_material, **kwargs)
        return pair

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key of the account."""
        return self._act("delete_key_pair", key_pair)

    def list_volumes(self, **kwargs: Any) -> list[StorageVolume]:
        """Return the volumes of the account."""
        return list(self._call("list_volumes", **kwargs))

    def create_volume(
        self,
        size: int,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | None = None,
        **kwargs: Any,
    ) -> StorageVolume:
        """Create a volume of `size` GB."""
        given = drop_none({"location": self._chosen(NodeLocation, location), "snapshot": snapshot})
        volume: StorageVolume = self._call("create_volume", size, name, **given, **kwargs)
        return volume

    def attach_volume(
        self, node: Node, volume: StorageVolume, device: str | None = None, **kwargs: Any
    ) -> bool:
        """Attach a volume to a node."""
        return self._act(
            "attach_volume",
            self._known(node),
            self._known(volume),
            **drop_none({"device": device}),
            **kwargs,
        )

    def detach_volume(self, volume: StorageVolume) -> bool:
        """Detach a volume from its node."""
        return self._act("detach_volume", self._known(volume))

    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume and its data."""
        return self._act("destroy_volume", self._known(volume))

    def list_volume_snapshots(self, volume: StorageVolume) -> list[VolumeSnapshot]:
        """Return the snapshots of a volume."""
        return list(self._call("list_volume_snapshots", self._known(volume)))

    def create_volume_snapshot(
        self, volume: StorageVolume, name: str | None = None, **kwargs: Any
    ) -> VolumeSnapshot:
        """Take a snapshot of a volume."""
        snapshot: VolumeSnapshot = self._call(
            "create_volume_snapshot", self._known(volume), **drop_none({"name": name}), **kwargs
        )
        return snapshot

    def destroy_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Delete a snapshot."""
        return self._act("destroy_volume_snapshot", snapshot)


DRIVERS = "libcloud.compute.drivers."
MONTHLY = frozenset({"maxihost", "rimuhosting", "vultr"})
"""The modules of drivers whose prices are for a month; all others have them for an hour, as documented."""
NEEDS: Mapping[str, tuple[str, ...]] = {}
"""Operations that need other methods of Libcloud's class than that of the same name."""
FOLLOW: Mapping[str, str] = {"get_key_pair": "list_key_pairs"}
"""Operations that our base makes of another one, if Libcloud's class has that; some mean another argument."""


def attributes(klass: Any) -> dict[str, Any]:
    """Return the attributes of a bridged class that say what Libcloud's class can do."""
    return {
        "features": {name: tuple(kinds) for name, kinds in table_of(klass, "features").items()},
        "monthly_prices": klass.__module__.removeprefix(DRIVERS) in MONTHLY,
    }
