"""Disks of nodes, and the configurations that nodes boot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Unpack

import msgspec

from polycloud.common.arguments import drop_none, id_of
from polycloud.common.linode import number
from polycloud.common.payload import Item, decode, value_of
from polycloud.compute.drivers.linode.actions import LinodeActions, Waiting, linode_id
from polycloud.compute.drivers.linode.keys import LinodeKeys
from polycloud.compute.objects import Node, NodeImage, StorageVolume
from polycloud.compute.types import StorageVolumeState
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError

DISK_STATES = {
    "ready": StorageVolumeState.AVAILABLE,
    "not ready": StorageVolumeState.CREATING,
    "deleting": StorageVolumeState.DELETING,
}
DEVICES = "abcdefgh"


class Disk(msgspec.Struct):
    """A disk of a node; `size` is in MB."""

    id: int
    label: str | None = None
    status: str | None = None
    size: int | None = None
    filesystem: str | None = None


class LinodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A boot configuration: a kernel, and the disks and volumes by device ("sda")."""

    id: int
    label: str | None = None
    kernel: str | None = None
    root_device: str | None = None
    devices: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LinodeDisk:
    """A disk of a node; `size` is in MB."""

    id: str
    state: StorageVolumeState
    name: str
    filesystem: str | None
    driver: LinodeDisks | None = field(default=None, compare=False, repr=False)
    size: int | None = None
    extra: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class LinodeDisks(LinodeActions, LinodeKeys):
    """Methods of disks and configurations."""

    # Disks

    def ex_list_node_disks(self, node: Node) -> list[LinodeDisk]:
        """Return the disks of a node."""
        return self.connection.list_all(f"/linode/instances/{linode_id(node)}/disks", Disk, self._to_disk)

    def ex_list_disks(self, node: Node) -> list[LinodeDisk]:
        """As `ex_list_node_disks`."""
        return self.ex_list_node_disks(node)

    def ex_create_disk(
        self,
        size: int,
        name: str,
        node: Node,
        fs_type: str | None = None,
        image: NodeImage | None = None,
        ex_root_pass: str | None = None,
        ex_authorized_keys: Iterable[str] = (),
        ex_authorized_users: Iterable[str] = (),
        ex_read_only: bool = False,
        **wait: Unpack[Waiting],
    ) -> LinodeDisk:
        """Create a disk of `size` MB for a node, empty or from an image.

        `fs_type` is "raw", "swap", "ext3", "ext4" or "initrd". Without `ex_root_pass`, root gets a random
        password that nobody knows. `ex_read_only` raises `UnsupportedOperationError`: the provider no longer
        has read-only disks.
        """
        if ex_read_only:
            raise UnsupportedOperationError(f"{self.name} does not support read-only disks", self)
        login = self._login_fields(
            image is not None, ex_root_pass, None, ex_authorized_keys, ex_authorized_users
        )
        body = {
            "size": size,
            "label": name,
            "filesystem": fs_type,
            "image": id_of(image, NodeImage) if image else None,
            **login,
        }
        id_ = linode_id(node)
        path = f"/linode/instances/{id_}/disks"
        made = self._await(
            id_, "disk_create", partial(self.connection.post, path, Disk, drop_none(body)), **wait
        )
        return self._to_disk(self._latest(f"{path}/{made.value.id}", made, **wait))

    def ex_resize_disk(self, node: Node, disk: LinodeDisk, size: int, **wait: Unpack[Waiting]) -> bool:
        """Resize a disk of a stopped node to `size` MB."""
        return self._operate(node, f"disks/{number(disk.id)}/resize", "disk_resize", {"size": size}, **wait)

    def ex_destroy_disk(self, node: Node, disk: LinodeDisk, **wait: Unpack[Waiting]) -> bool:
        """Delete a disk of a stopped node, with its data."""
        id_ = linode_id(node)
        send = partial(self.connection.delete, f"/linode/instances/{id_}/disks/{number(disk.id)}")
        return self._await(id_, "disk_delete", send, **wait)

    def _root_disk(self, node: Node) -> LinodeDisk:
        """Return the biggest disk, swap disks apart."""
        disks = [disk for disk in self.ex_list_node_disks(node) if disk.filesystem != "swap"]
        if not disks:
            raise InvalidArgumentError(f"node {node.name} (id {node.id}) has no disk to create an image from")
        return max(disks, key=lambda disk: disk.size or 0)

    def _to_disk(self, item: Item[Disk]) -> LinodeDisk:
        disk, raw = item
        extra: dict[str, Any] = decode(raw)
        state = DISK_STATES.get(disk.status or "", StorageVolumeState.UNKNOWN)
        return LinodeDisk(str(disk.id), state, disk.label or "", disk.filesystem, self, disk.size, extra)

    # Configurations

    def ex_list_configs(self, node: Node) -> list[LinodeConfig]:
        """Return the boot configurations of a node."""
        return self.connection.list_all(
            f"/linode/instances/{linode_id(node)}/configs", LinodeConfig, value_of
        )

    def ex_create_config(
        self,
        node: Node,
        name: str,
        disks: Iterable[LinodeDisk | StorageVolume],
        *,
        kernel: str | None = None,
    ) -> LinodeConfig:
        """Create a boot configuration with these disks as `/dev/sda` (the root), `/dev/sdb` ..."""
        body = drop_none({"label": name, "devices": devices_of(disks, DEVICES), "kernel": kernel})
        path = f"/linode/instances/{linode_id(node)}/configs"
        return self._when_free(partial(self.connection.post, path, LinodeConfig, body)).value

    def ex_destroy_config(self, node: Node, config: LinodeConfig) -> bool:
        """Delete a boot configuration. Its disks stay."""
        path = f"/linode/instances/{linode_id(node)}/configs/{config.id}"
        return self._when_free(partial(self.connection.delete, path))


def devices_of(disks: Iterable[LinodeDisk | StorageVolume], letters: str) -> dict[str, dict[str, int]]:
    """Return disks and volumes by device. Raises `InvalidArgumentError` for more than there are devices."""
    chosen = list(disks)
    if len(chosen) > len(letters):
        raise InvalidArgumentError(f"at most {len(letters)} disks are possible, got {len(chosen)}")
    return {
        f"sd{letter}": {"volume_id" if isinstance(disk, StorageVolume) else "disk_id": number(disk.id)}
        for letter, disk in zip(letters, chosen, strict=False)
    }
