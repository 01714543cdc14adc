"""A cloud in memory, for tests and documentation: all operations, deterministic, without a network."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any, ClassVar

from polycloud.common.arguments import id_of
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
)
from polycloud.compute.types import (
    KeyPairDoesNotExistError,
    NodeState,
    Provider,
    StorageVolumeState,
    VolumeSnapshotState,
)
from polycloud.errors import ConflictError, InvalidArgumentError, NotFoundError
from polycloud.utils.status import HTTPStatus

__all__ = ["DummyNodeDriver"]

CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
SIZES = (
    ("Small", 128, 4, 500, 4.0),
    ("Medium", 512, 16, 1500, 8.0),
    ("Big", 4096, 32, 2500, 32.0),
    ("XXL Big", 8192, 128, 7500, 64.0),
)
IMAGES = ("Ubuntu 9.10", "Ubuntu 9.04", "Slackware 4")
LOCATIONS = (("Paul's Room", "US"), ("London Loft", "GB"), ("Island Datacenter", "FJ"))


class DummyNodeDriver(NodeDriver):
    """A cloud in memory that starts with two nodes: `DummyNodeDriver("any credentials")`.

    Credentials that are a number above 0 make it start with as many nodes. Nodes run as soon as they are
    created; ids are numbers from 1. Names, sizes, images, locations and addresses are those of Libcloud's.
    """

    type = Provider.DUMMY
    api_name = "dummy"
    name = "Dummy Node Provider"
    website = "http://example.com"
    features: ClassVar = {"create_node": ["ssh_key", "password"]}
    custom_sizes = True

    def __init__(self, creds: Any = "dummy", *args: Any, **options: Any) -> None:
        super().__init__(str(creds), *args, **options)
        self.creds = creds
        self._nodes: dict[str, Node] = {}
        self._images = {str(n): NodeImage(str(n), name, self) for n, name in enumerate(IMAGES, 1)}
        self._key_pairs: dict[str, KeyPair] = {}
        self._volumes: dict[str, StorageVolume] = {}
        self._snapshots: dict[str, VolumeSnapshot] = {}
        self._last_id = 0
        size, image = self.list_sizes()[0], self.list_images()[0]
        for number in range(1, 1 + (_number(creds) or 2)):
            self.create_node(f"dummy-{number}", size, image)

    @classmethod
    def offers(cls, name: str) -> bool:
        """Like in the base class, but without `deploy_node`, since a node in memory has no SSH server."""
        return name != "deploy_node" and super().offers(name)

    def _next_id(self) -> str:
        self._last_id += 1
        return str(self._last_id)

    # Nodes

    def list_nodes(self) -> list[Node]:
        """Return the nodes; those that were rebooting run again."""
        for node in self._nodes.values():
            if node.state == NodeState.REBOOTING:
                node.state = NodeState.RUNNING
        return list(self._nodes.values())

    def create_node(
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        **kwargs: Any,
    ) -> Node:
        """Create a running node, with any further argument in its `extra`."""
        key = kwargs.get("idempotency_key")
        known = (node for node in self._nodes.values() if node.extra.get("idempotency_key") == key)
        if key is not None and (earlier := next(known, None)):
            return earlier
        id_ = self._next_id()
        address = str(IPv4Address("127.0.0.0") + int(id_))
        extra = {"location": getattr(location, "name", location) or LOCATIONS[0][0], **kwargs}
        node = Node(id_, name, NodeState.RUNNING, [address], [], self, size, image, extra, CREATED_AT)
        self._nodes[id_] = node
        return node

    def reboot_node(self, node: Node) -> bool:
        """Set the node's state to rebooting, until nodes are listed again."""
        return self._set_state(node, NodeState.REBOOTING)

    def start_node(self, node: Node) -> bool:
        """Set the node's state to running."""
        return self._set_state(node, NodeState.RUNNING)

    def stop_node(self, node: Node) -> bool:
        """Set the node's state to stopped."""
        return self._set_state(node, NodeState.STOPPED)

    def destroy_node(self, node: Node) -> bool:
        """Delete the node."""
        self._set_state(node, NodeState.TERMINATED)
        del self._nodes[node.id]
        return True

    def _set_state(self, node: Node, state: NodeState) -> bool:
        _find(self._nodes, node.id, "node").state = node.state = state
        return True

    # Sizes, images, locations

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """Return four sizes."""
        return [NodeSize(str(n), *fields, self) for n, fields in enumerate(SIZES, 1)]

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """Return three images, and those that were created."""
        return list(self._images.values())

    def create_image(self, node: Node, name: str, description: str | None = None) -> NodeImage:
        """Create an image."""
        _find(self._nodes, node.id, "node")
        return self._add_image(name, {"description": description, "node_id": node.id})

    def copy_image(
        self, source_region: str, node_image: NodeImage, name: str, description: str | None = None
    ) -> NodeImage:
        """Create an image."""
        return self._add_image(name, {"description": description, "source": id_of(node_image, NodeImage)})

    def delete_image(self, node_image: NodeImage) -> bool:
        """Delete the image."""
        id_ = id_of(node_image, NodeImage)
        _find(self._images, id_, "image")
        del self._images[id_]
        return True

    def _add_image(self, name: str, extra: dict[str, Any]) -> NodeImage:
        image = NodeImage(f"image-{self._next_id()}", name, self, extra)
        self._images[image.id] = image
        return image

    def list_locations(self) -> list[NodeLocation]:
        """Return three locations."""
        return [NodeLocation(str(n), name, country, self) for n, (name, country) in enumerate(LOCATIONS, 1)]

    # Key pairs

    def list_key_pairs(self) -> list[KeyPair]:
        """Return the imported keys."""
        return list(self._key_pairs.values())

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Import a public key. Raises `ConflictError` if the name is taken."""
        if name in self._key_pairs:
            raise ConflictError(HTTPStatus.CONFLICT, f"the key pair {name!r} exists already")
        public_key = keys.require_public_key(key_material)
        self._key_pairs[name] = KeyPair(name, public_key, keys.fingerprint(public_key), self)
        return self._key_pairs[name]

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete a key."""
        if self._key_pairs.pop(key_pair.name, None) is None:
            raise KeyPairDoesNotExistError(key_pair.name, self)
        return True

    # Volumes and snapshots

    def list_volumes(self) -> list[StorageVolume]:
        """Return the volumes."""
        return list(self._volumes.values())

    def create_volume(
        self,
        size: int,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | None = None,
    ) -> StorageVolume:
        """Create a volume. Raises `InvalidArgumentError` for a size below 1 GB."""
        if size < 1:
            raise InvalidArgumentError(f"size must be at least 1 GB, got {size}")
        volume = StorageVolume(f"volume-{self._next_id()}", name, size, self, StorageVolumeState.AVAILABLE)
        self._volumes[volume.id] = volume
        return volume

    def attach_volume(self, node: Node, volume: StorageVolume, device: str | None = None) -> bool:
        """Attach a volume to a node."""
        _find(self._nodes, node.id, "node")
        kept = _find(self._volumes, volume.id, "volume")
        kept.extra = {"node_id": node.id, "device": device or "/dev/sdb"}
        kept.state = volume.state = StorageVolumeState.INUSE
        return True

    def detach_volume(self, volume: StorageVolume) -> bool:
        """Detach a volume."""
        kept = _find(self._volumes, volume.id, "volume")
        kept.extra = {}
        kept.state = volume.state = StorageVolumeState.AVAILABLE
        return True

    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume. Raises `ConflictError` while it is attached."""
        if _find(self._volumes, volume.id, "volume").state == StorageVolumeState.INUSE:
            raise ConflictError(HTTPStatus.CONFLICT, f"the volume {volume.id!r} is attached; detach it first")
        del self._volumes[volume.id]
        return True

    def list_volume_snapshots(self, volume: StorageVolume) -> list[VolumeSnapshot]:
        """Return the snapshots of a volume."""
        return [snap for snap in self._snapshots.values() if snap.extra["volume_id"] == volume.id]

    def create_volume_snapshot(self, volume: StorageVolume, name: str | None = None) -> VolumeSnapshot:
        """Create a snapshot."""
        kept = _find(self._volumes, volume.id, "volume")
        snapshot = VolumeSnapshot(
            f"snapshot-{self._next_id()}",
            self,
            kept.size,
            {"volume_id": kept.id},
            CREATED_AT,
            VolumeSnapshotState.AVAILABLE,
            name,
        )
        self._snapshots[snapshot.id] = snapshot
        return snapshot

    def destroy_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Delete a snapshot."""
        _find(self._snapshots, snapshot.id, "snapshot")
        del self._snapshots[snapshot.id]
        return True


def _number(creds: Any) -> int:
    """Return the number that credentials are; 0 if they are none."""
    return int(creds) if str(creds).isdecimal() else 0


def _find(resources: dict[str, Any], id_: str, what: str) -> Any:
    if id_ not in resources:
        raise NotFoundError(HTTPStatus.NOT_FOUND, f"{what} {id_!r} not found")
    return resources[id_]
