"""`NodeDriver`, the base of all compute drivers, and the objects that it deals in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from polycloud import pricing
from polycloud.common import waiting
from polycloud.common.base import BaseDriver
from polycloud.common.operations import OperationsDriver, optional, template
from polycloud.common.types import (
    InvalidArgumentError,
    NotFoundError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.compute import keys
from polycloud.compute.types import (
    KeyPair,
    KeyPairDoesNotExistError,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    NodeState,
    Provider,
    StorageVolume,
    StorageVolumeState,
    VolumeSnapshot,
    VolumeSnapshotState,
)

__all__ = [
    "BaseDriver",
    "KeyPair",
    "Node",
    "NodeAuthPassword",
    "NodeAuthSSHKey",
    "NodeDriver",
    "NodeImage",
    "NodeLocation",
    "NodeSize",
    "NodeState",
    "Provider",
    "StorageVolume",
    "StorageVolumeState",
    "VolumeSnapshot",
    "VolumeSnapshotState",
]

NOT_FOUND = 404
N = TypeVar("N", Node, NodeImage)
DEAD = frozenset({NodeState.ERROR, NodeState.TERMINATED})


class NodeDriver(OperationsDriver):
    """A provider's servers.

    Lists are complete. Actions return True or raise. What the provider lacks raises
    `UnsupportedOperationError` before anything is sent; `supports(name)` tells beforehand. Every method
    raises `InvalidCredsError` for wrong credentials, other `ProviderError`s with the provider's words, and
    `TransportError` where the connection breaks.
    """

    features: ClassVar[Mapping[str, Sequence[str]]] = {}
    """How one logs in to what `create_node` made: "ssh_key", "password", "generates_password"."""

    custom_sizes: ClassVar[bool] = False
    """Whether the provider takes any number of CPUs, RAM and disk; see `custom_size`."""

    # Nodes

    @optional
    def list_nodes(self) -> list[Node]:
        """All nodes of the account."""

    @template("list_nodes")
    def iterate_nodes(self) -> Iterator[Node]:
        """The nodes as they arrive, a page at a time where the provider has pages."""
        yield from self.list_nodes()

    @template("list_nodes")
    def get_node(self, node_id: str) -> Node:
        """The node with this id. Raises `NotFoundError` naming it where there is none."""
        return _with_id(self.list_nodes(), node_id, f"{self.name} node")

    @optional
    def create_node(
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        **kwargs: Any,
    ) -> Node:
        """Create a node and give it back, with its id, before it runs; see `wait_until_running`."""

    @optional
    def reboot_node(self, node: Node) -> bool:
        """Restart a running node."""

    @optional
    def start_node(self, node: Node) -> bool:
        """Start a stopped node."""

    @optional
    def stop_node(self, node: Node) -> bool:
        """Stop a node; it keeps its disk and can be started again."""

    @template("stop_node")
    def shutdown_node(self, node: Node) -> bool:
        """Let a node shut itself down gently, where the provider can; otherwise as `stop_node`."""
        return self.stop_node(node)

    @optional
    def destroy_node(self, node: Node) -> bool:
        """Delete a node and its disk."""

    @template("list_nodes")
    def wait_until_running(
        self,
        nodes: Sequence[Node],
        wait_period: float = 5,
        timeout: float = 600,
        ssh_interface: str = "public_ips",
        force_ipv4: bool = True,
        ex_list_nodes_kwargs: Mapping[str, Any] | None = None,
    ) -> list[tuple[Node, list[str]]]:
        """Wait until all `nodes` run and have an address; each as it is now, with its addresses.

        Args:
            nodes: The nodes to wait for, told apart by id.
            wait_period: The longest pause between two looks, in seconds; the first ones are shorter.
            timeout: Seconds to wait in all.
            ssh_interface: The addresses that count, "public_ips" or "private_ips".
            force_ipv4: Leave IPv6 addresses out.
            ex_list_nodes_kwargs: Keyword arguments for the driver's `list_nodes`.

        Raises:
            OperationTimeoutError: They did not all run in time.
            PolycloudError: One of them failed or vanished for good.
        """
        if ssh_interface not in {"public_ips", "private_ips"}:
            raise InvalidArgumentError(
                f"ssh_interface={ssh_interface!r} is neither public_ips nor private_ips"
            )
        wanted = {node.id: node for node in nodes}

        def look() -> list[tuple[Node, list[str]]] | None:
            found = {node.id: node for node in self.list_nodes(**(ex_list_nodes_kwargs or {}))}
            ready = []
            for id_ in wanted:
                addresses = _addresses(found.get(id_), ssh_interface, force_ipv4=force_ipv4)
                if addresses:
                    ready.append((found[id_], addresses))
            return ready if len(ready) == len(wanted) else None

        names = ", ".join(f"{node.name} (id {node.id})" for node in nodes)
        return waiting.poll(look, waiting_for=f"{names} to run", timeout=timeout, longest_pause=wait_period)

    # Sizes, images, locations

    @optional
    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """The sizes to choose from, cheapest first, in `location` only where given."""

    def custom_size(self, vcpus: int, ram: int, disk: int, *, name: str | None = None) -> NodeSize:
        """A size made by hand, for providers that take any: `vcpus`, `ram` in MB, `disk` in GB.

        Raises `UnsupportedOperationError` where the provider has listed sizes only, and
        `InvalidArgumentError` for numbers below 1.
        """
        if not self.custom_sizes:
            raise UnsupportedOperationError(f"{self.name} takes a size of list_sizes() only", self)
        if min(vcpus, ram, disk) < 1:
            raise InvalidArgumentError(f"a size of {vcpus} CPUs, {ram} MB and {disk} GB cannot be")
        text = name or f"{vcpus} CPU, {ram} MB, {disk} GB"
        return NodeSize(f"{vcpus}-{ram}-{disk}", text, ram, disk, 0, None, self, {"vcpus": vcpus})

    @optional
    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """The images to start from, in `location` only where given."""

    @template("list_images")
    def get_image(self, image_id: str) -> NodeImage:
        """The image with this id. Raises `NotFoundError` naming it where there is none."""
        return _with_id(self.list_images(), image_id, f"{self.name} image")

    @optional
    def create_image(self, node: Node, name: str, description: str | None = None) -> NodeImage:
        """Make an image of a node's disk."""

    @optional
    def copy_image(
        self, source_region: str, node_image: NodeImage, name: str, description: str | None = None
    ) -> NodeImage:
        """Copy an image from another region to this driver's."""

    @optional
    def delete_image(self, node_image: NodeImage) -> bool:
        """Delete an image of the account's."""

    @optional
    def list_locations(self) -> list[NodeLocation]:
        """The places where nodes can be."""

    # Key pairs

    @optional
    def list_key_pairs(self) -> list[KeyPair]:
        """The account's SSH keys."""

    @template("list_key_pairs")
    def get_key_pair(self, name: str) -> KeyPair:
        """The SSH key of that name. Raises `KeyPairDoesNotExistError` where there is none."""
        found = next((pair for pair in self.list_key_pairs() if pair.name == name), None)
        if found is None:
            raise KeyPairDoesNotExistError(name, self)
        return found

    @template("import_key_pair_from_string")
    def create_key_pair(self, name: str) -> KeyPair:
        """Make a new key; its `private_key` is given once, here.

        Where the provider only takes public keys, the pair is made on this machine (extra `deploy`).
        """
        private, public = keys.generate()
        pair = self.import_key_pair_from_string(name, public)
        pair.private_key = private
        return pair

    @optional
    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Give the provider a public key (one line of OpenSSH's format)."""

    @template("import_key_pair_from_string")
    def import_key_pair_from_file(self, name: str, key_file_path: str) -> KeyPair:
        """Give the provider the public key in a file. Raises `InvalidArgumentError` if it cannot be read."""
        try:
            material = Path(key_file_path).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArgumentError(f"the key file {key_file_path} cannot be read: {error}") from error
        return self.import_key_pair_from_string(name, material)

    @optional
    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete an SSH key of the account's."""

    # Volumes and snapshots

    @optional
    def list_volumes(self) -> list[StorageVolume]:
        """The account's volumes."""

    @optional
    def create_volume(
        self,
        size: int,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | None = None,
    ) -> StorageVolume:
        """Create a volume of `size` GB, from a snapshot where given."""

    @optional
    def attach_volume(self, node: Node, volume: StorageVolume, device: str | None = None) -> bool:
        """Attach a volume to a node, as `device` (such as /dev/sdb) where the provider lets one choose."""

    @optional
    def detach_volume(self, volume: StorageVolume) -> bool:
        """Detach a volume from its node."""

    @optional
    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume and what is on it."""

    @optional
    def list_volume_snapshots(self, volume: StorageVolume) -> list[VolumeSnapshot]:
        """The snapshots of a volume."""

    @optional
    def create_volume_snapshot(self, volume: StorageVolume, name: str | None = None) -> VolumeSnapshot:
        """Take a snapshot of a volume."""

    @optional
    def destroy_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Delete a snapshot."""

    # For drivers

    def _get_size_price(self, size_id: str | int) -> float | None:
        """The shipped price of a size in USD an hour; None where there is none."""
        return pricing.get_size_price("compute", self.api_name, size_id)


def _with_id(items: Sequence[N], id_: str, what: str) -> N:
    found = next((item for item in items if item.id == str(id_)), None)
    if found is None:
        raise NotFoundError(NOT_FOUND, f"there is no {what} with the id {id_!r}")
    return found


def _addresses(node: Node | None, interface: str, *, force_ipv4: bool) -> list[str]:
    """The addresses of a running node; none of one that is still on its way."""
    if node is None:
        return []
    if node.state in DEAD:
        raise PolycloudError(f"{node.name} (id {node.id}) is {node.state} and will not run", node.driver)
    if node.state != NodeState.RUNNING:
        return []
    addresses: list[str] = [text for text in getattr(node, interface) if text]
    if force_ipv4:
        addresses = [text for text in addresses if isinstance(ip_address(text), IPv4Address)]
    return addresses
