"""The objects of compute: nodes, sizes, images, locations, keys, volumes, snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from polycloud.common.payload import LazyExtra
from polycloud.common.resource import Resource, provider_of, require_driver
from polycloud.compute.types import NodeState, StorageVolumeState, VolumeSnapshotState
from polycloud.errors import InvalidArgumentError
from polycloud.utils.networking import listed, split_by_privacy

if TYPE_CHECKING:
    from polycloud.compute.base import NodeDriver

__all__ = [
    "KeyPair",
    "Node",
    "NodeAuthPassword",
    "NodeAuthSSHKey",
    "NodeImage",
    "NodeLocation",
    "NodeSize",
    "StorageVolume",
    "VolumeSnapshot",
    "cheapest_first",
    "require_id",
]


class ComputeResource(Resource):
    """An object of a compute driver."""

    __slots__ = ()

    driver: NodeDriver

    @property
    def _own(self) -> NodeDriver:
        require_driver(self)
        return self.driver


class Node(ComputeResource):
    """A server.

    `id` and `name` (str), `state` (a `NodeState`), `public_ips` and `private_ips` (lists of str),
    `driver`, `size`, `image`, `created_at` (timezone-aware), `extra`.

    A driver may pass one text as both lists: valid addresses with commas or spaces between them. It
    is split when one of the lists is first read, which few programs do for each node of a long list.
    """

    __slots__ = ("_private_ips", "_public_ips", "created_at", "image", "name", "size", "state")

    _private_ips: list[str] | str
    _public_ips: list[str] | str

    def __init__(
        self,
        id: str,
        name: str | None,
        state: NodeState,
        public_ips: list[str] | str,
        private_ips: list[str] | str,
        driver: NodeDriver,
        size: NodeSize | str | None = None,
        image: NodeImage | str | None = None,
        extra: dict[str, Any] | LazyExtra | None = None,
        created_at: datetime | None = None,
    ) -> None:
        self.id = str(id)
        self.name = name
        self.state = state
        self._public_ips = public_ips or []
        self._private_ips = private_ips or []
        self.driver = driver
        self.size = size
        self.image = image
        self._extra = {} if extra is None else extra
        self.created_at = created_at

    @property
    def public_ips(self) -> list[str]:
        """The addresses that anybody can reach."""
        if isinstance(self._public_ips, str):
            self._public_ips = _split(self._public_ips)[0]
        return self._public_ips

    @public_ips.setter
    def public_ips(self, value: list[str]) -> None:
        self._public_ips = value

    @property
    def private_ips(self) -> list[str]:
        """The addresses of private networks."""
        if isinstance(self._private_ips, str):
            self._private_ips = _split(self._private_ips)[1]
        return self._private_ips

    @private_ips.setter
    def private_ips(self, value: list[str]) -> None:
        self._private_ips = value

    def reboot(self) -> bool:
        """Restart the node; see `NodeDriver.reboot_node`."""
        return self._own.reboot_node(self)

    def start(self) -> bool:
        """Start the stopped node; see `NodeDriver.start_node`."""
        return self._own.start_node(self)

    def stop_node(self) -> bool:
        """Stop the node; see `NodeDriver.stop_node`."""
        return self._own.stop_node(self)

    def shutdown(self) -> bool:
        """Ask the node's system to shut down; see `NodeDriver.shutdown_node`."""
        return self._own.shutdown_node(self)

    def destroy(self) -> bool:
        """Delete the node; see `NodeDriver.destroy_node`."""
        return self._own.destroy_node(self)

    def __repr__(self) -> str:
        state = NodeState.tostring(self.state) if self.state in list(NodeState) else self.state
        return (
            f"<Node: uuid={self.uuid}, name={self.name}, state={state}, public_ips={self.public_ips}, "
            f"private_ips={self.private_ips}, provider={provider_of(self)} ...>"
        )


def require_id(node: Node) -> str:
    """Return the node's id. Raises `InvalidArgumentError` for another object, or a node without an id."""
    if not isinstance(node, Node):
        raise InvalidArgumentError(f"expected a Node, got {node!r}; get_node() returns one by its id")
    if not node.id:
        raise InvalidArgumentError(
            f"the node {node.name!r} has no id yet, since its create did not wait; find it in list_nodes()"
        )
    return node.id


def _split(addresses: str) -> tuple[list[str], list[str]]:
    return split_by_privacy(listed(addresses))


class NodeSize(ComputeResource):
    """A plan: `ram` (MB), `disk` (GB), `bandwidth` (GB a month, 0 if unknown), `price` (USD an hour).

    `price` is None if unknown. The number of virtual CPUs is in `extra["vcpus"]`.
    """

    __slots__ = ("bandwidth", "disk", "name", "price", "ram")
    _by_id = True

    def __init__(
        self,
        id: str,
        name: str,
        ram: int,
        disk: int,
        bandwidth: int | None,
        price: float | None,
        driver: NodeDriver,
        extra: dict[str, Any] | LazyExtra | None = None,
    ) -> None:
        self.id = str(id)
        self.name = name
        self.ram = ram
        self.disk = disk
        self.bandwidth = bandwidth
        self.price = price
        self.driver = driver
        self._extra = {} if extra is None else extra

    def __repr__(self) -> str:
        return (
            f"<NodeSize: id={self.id}, name={self.name}, ram={self.ram} disk={self.disk} "
            f"bandwidth={self.bandwidth} price={self.price} driver={provider_of(self)} ...>"
        )


def cheapest_first(sizes: Iterable[NodeSize]) -> list[NodeSize]:
    """Return the sizes in the order of `list_sizes`: by price, those without one last, then by RAM and id."""
    return sorted(sizes, key=lambda size: (size.price is None, size.price or 0.0, size.ram, size.id))


class NodeImage(ComputeResource):
    """An operating system image to create nodes from."""

    __slots__ = ("name",)
    _by_id = True

    def __init__(
        self, id: str, name: str, driver: NodeDriver, extra: dict[str, Any] | LazyExtra | None = None
    ) -> None:
        self.id = str(id)
        self.name = name
        self.driver = driver
        self._extra = {} if extra is None else extra

    def __repr__(self) -> str:
        return f"<NodeImage: id={self.id}, name={self.name}, driver={provider_of(self)}  ...>"


class NodeLocation(ComputeResource):
    """A location of nodes: a zone or a region; `country` is an ISO 3166 code such as "US"."""

    __slots__ = ("country", "name")
    _by_id = True

    def __init__(
        self,
        id: str,
        name: str,
        country: str,
        driver: NodeDriver,
        extra: dict[str, Any] | LazyExtra | None = None,
    ) -> None:
        self.id = str(id)
        self.name = name
        self.country = country
        self.driver = driver
        self._extra = {} if extra is None else extra

    def __repr__(self) -> str:
        return (
            f"<NodeLocation: id={self.id}, name={self.name}, country={self.country}, "
            f"driver={provider_of(self)}>"
        )


class NodeAuthSSHKey:
    """Log in to a new node with this public key (one line of OpenSSH's format)."""

    def __init__(self, pubkey: str) -> None:
        self.pubkey = pubkey

    def __repr__(self) -> str:
        return "<NodeAuthSSHKey>"


class NodeAuthPassword:
    """Log in to a new node with this password; `generated` if polycloud or the provider chose it."""

    def __init__(self, password: str, generated: bool = False) -> None:
        self.password = password
        self.generated = generated

    def __repr__(self) -> str:
        return "<NodeAuthPassword>"


class KeyPair:
    """An SSH key that the provider knows by `name`.

    `public_key` is one line of OpenSSH's format, `private_key` its PEM text if it was just created.
    """

    def __init__(
        self,
        name: str,
        public_key: str | None,
        fingerprint: str | None,
        driver: NodeDriver,
        private_key: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.public_key = public_key
        self.fingerprint = fingerprint
        self.driver = driver
        self.private_key = private_key
        self.extra = extra or {}

    def __repr__(self) -> str:
        return f"<KeyPair name={self.name} fingerprint={self.fingerprint} driver={provider_of(self)}>"


class StorageVolume(ComputeResource):
    """A block volume of `size` GB."""

    __slots__ = ("name", "size", "state")

    def __init__(
        self,
        id: str,
        name: str | None,
        size: int,
        driver: NodeDriver,
        state: StorageVolumeState | None = None,
        extra: dict[str, Any] | LazyExtra | None = None,
    ) -> None:
        self.id = str(id)
        self.name = name
        self.size = size
        self.driver = driver
        self.state = state
        self._extra = {} if extra is None else extra

    def attach(self, node: Node, device: str | None = None) -> bool:
        """Attach the volume to a node; see `NodeDriver.attach_volume`."""
        return self._own.attach_volume(node, self, device)

    def detach(self) -> bool:
        """Detach the volume; see `NodeDriver.detach_volume`."""
        return self._own.detach_volume(self)

    def list_snapshots(self) -> list[VolumeSnapshot]:
        """Return the volume's snapshots; see `NodeDriver.list_volume_snapshots`."""
        return self._own.list_volume_snapshots(self)

    def snapshot(self, name: str | None = None) -> VolumeSnapshot:
        """Take a snapshot; see `NodeDriver.create_volume_snapshot`."""
        return self._own.create_volume_snapshot(self, name)

    def destroy(self) -> bool:
        """Delete the volume; see `NodeDriver.destroy_volume`."""
        return self._own.destroy_volume(self)

    def __repr__(self) -> str:
        return f"<StorageVolume id={self.id} size={self.size} driver={provider_of(self)}>"


class VolumeSnapshot(ComputeResource):
    """A snapshot of a volume: `size` (GB), `created` (timezone-aware), `state`, `name`."""

    __slots__ = ("created", "name", "size", "state")

    def __init__(
        self,
        id: str,
        driver: NodeDriver,
        size: float | None = None,
        extra: dict[str, Any] | LazyExtra | None = None,
        created: datetime | None = None,
        state: VolumeSnapshotState | None = None,
        name: str | None = None,
    ) -> None:
        self.id = str(id)
        self.driver = driver
        self.size = size
        self._extra = {} if extra is None else extra
        self.created = created
        self.state = state
        self.name = name

    def destroy(self) -> bool:
        """Delete the snapshot; see `NodeDriver.destroy_volume_snapshot`."""
        return self._own.destroy_volume_snapshot(self)

    def __repr__(self) -> str:
        return (
            f"<VolumeSnapshot id={self.id} name={self.name} size={self.size} driver={provider_of(self)} "
            f"state={self.state}>"
        )
