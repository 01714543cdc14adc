"""Block storage volumes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Unpack

import msgspec

from polycloud.common.arguments import as_list, drop_none
from polycloud.common.creation import NewCreation
from polycloud.common.linode import Filter, number
from polycloud.common.payload import Item, LazyExtra, with_defaults
from polycloud.compute.drivers.linode.actions import LinodeActions, Waiting, linode_id
from polycloud.compute.drivers.linode.catalog import LinodeCatalog
from polycloud.compute.objects import Node, NodeLocation, StorageVolume, VolumeSnapshot
from polycloud.compute.types import StorageVolumeState
from polycloud.errors import UnsupportedOperationError

VOLUME_STATES = {
    "creating": StorageVolumeState.CREATING,
    "resizing": StorageVolumeState.UPDATING,
    "key_rotating": StorageVolumeState.UPDATING,
}
VOLUME_KEYS = ("created", "filesystem_path", "linode_id", "linode_label", "region", "status", "tags")


class Volume(msgspec.Struct):
    """A volume; `size` is in GB. It can be attached to one node."""

    id: int
    size: int
    label: str | None = None
    status: str | None = None
    linode_id: int | None = None


class LinodeVolumes(LinodeActions, LinodeCatalog):
    """Methods of volumes."""

    def list_volumes(self, *, ex_filter: Filter | None = None) -> list[StorageVolume]:
        """Return the account's volumes, optionally filtered."""
        return self.connection.list_all("/volumes", Volume, self._to_volume, only=ex_filter)

    def create_volume(
        self,
        size: int | str,
        name: str | int,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | Node | None = None,
        *,
        node: Node | None = None,
        tags: Iterable[str] = (),
    ) -> StorageVolume:
        """Create a volume of `size` GB in `location` (default: the driver's region), or attached to `node`.

        It is created exactly once: if the response was lost and no new volume has the name,
        `AmbiguousCreateError` is raised. `name` (letters, digits, `-`, `_`) must be unique. Libcloud's order
        is accepted too: the name before the size, and the node fourth. A snapshot raises
        `UnsupportedOperationError`: the provider has none.
        """
        if isinstance(snapshot, Node):
            snapshot, node = None, snapshot
        if snapshot is not None:
            raise UnsupportedOperationError(f"{self.name} does not support snapshots of volumes", self)
        if isinstance(size, str):
            size, name = name, size
        body = {
            "size": size,
            "label": name,
            "region": None if node else self._region(location),
            "linode_id": linode_id(node) if node else None,
            "tags": as_list(tags) or None,
        }
        return self._created(str(name), "/volumes", drop_none(body))

    def attach_volume(
        self,
        node: Node,
        volume: StorageVolume,
        device: str | bool | None = None,
        *,
        persist_across_boots: bool = True,
    ) -> bool:
        """Attach a volume to a node of its region; the provider chooses the device.

        `persist_across_boots=False` attaches it until the node is restarted. As in Libcloud, this may also be
        the third argument.
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
        """Delete a volume that is not attached, with its data."""
        return self._when_free(partial(self.connection.delete, f"/volumes/{number(volume.id)}"))

    def ex_get_volume(self, volume_id: str) -> StorageVolume:
        """Return a volume by its id. Raises `NotFoundError`."""
        return self._to_volume(self.connection.fetch(f"/volumes/{number(volume_id)}", Volume))

    def ex_list_node_volumes(self, node: Node) -> list[StorageVolume]:
        """Return the volumes that are attached to a node."""
        path = f"/linode/instances/{linode_id(node)}/volumes"
        return self.connection.list_all(path, Volume, self._to_volume)

    def ex_resize_volume(self, volume: StorageVolume, size: int, **wait: Unpack[Waiting]) -> bool:
        """Grow a volume to `size` GB. Its file system is not resized."""
        path = f"/volumes/{number(volume.id)}"
        self._when_free(partial(self.connection.act, f"{path}/resize", size=size))
        return self._wait_for_status(path, Volume, "active", **wait)

    def ex_clone_volume(self, volume: StorageVolume, name: str, **wait: Unpack[Waiting]) -> StorageVolume:
        """Create a copy of a volume in its region, exactly once, like `create_volume`."""
        clone = self._created(name, f"/volumes/{number(volume.id)}/clone", {"label": name})
        self._wait_for_status(f"/volumes/{clone.id}", Volume, "active", **wait)
        return self.ex_get_volume(clone.id) if wait.get("ex_wait", True) else clone

    def _created(self, name: str, path: str, body: dict[str, Any]) -> StorageVolume:
        """Create a volume, exactly once, when what it is made of is free."""

        def send() -> StorageVolume:
            return self._to_volume(self.connection.post(path, Volume, body))

        def listed() -> list[StorageVolume]:
            return [one for one in self.list_volumes(ex_filter={"label": name}) if one.name == name]

        creation = NewCreation(f"the volume {name!r}", send, listed)
        return self._when_free(lambda: self._run_create(creation))

    def _to_volume(self, item: Item[Volume]) -> StorageVolume:
        volume, raw = item
        idle = StorageVolumeState.AVAILABLE if volume.linode_id is None else StorageVolumeState.INUSE
        state = idle if volume.status == "active" else VOLUME_STATES.get(volume.status or "")
        extra = LazyExtra(raw, _volume_extra)
        return StorageVolume(
            str(volume.id), volume.label, volume.size, self, state or StorageVolumeState.UNKNOWN, extra
        )


def _volume_extra(raw: bytes) -> dict[str, Any]:
    extra = with_defaults(VOLUME_KEYS, raw)
    return {**extra, "location": extra["region"], "state": extra["status"]}
