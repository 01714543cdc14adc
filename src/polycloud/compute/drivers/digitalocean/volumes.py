"""Volumes and their snapshots."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from math import ceil
from typing import Any

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.common.building import quote_segment
from polycloud.common.creation import NewCreation
from polycloud.common.digitalocean import StartedAction
from polycloud.common.payload import Item, LazyExtra, parse_datetime, with_defaults
from polycloud.compute.drivers.digitalocean.actions import DigitalOceanActions, droplet_id
from polycloud.compute.drivers.digitalocean.catalog import DigitalOceanCatalog, Reference, finite
from polycloud.compute.objects import Node, NodeLocation, StorageVolume, VolumeSnapshot
from polycloud.compute.types import StorageVolumeState, VolumeSnapshotState
from polycloud.errors import ConflictError, MalformedResponseError
from polycloud.utils.status import HTTPStatus

VOLUME_KEYS = ("created_at", "droplet_ids", "region")
SNAPSHOT_KEYS = ("created_at", "min_disk_size", "regions", "resource_id")


class Volume(msgspec.Struct):
    """A block volume, attached to one droplet at most."""

    id: str
    size_gigabytes: int | float
    name: str | None = None
    droplet_ids: list[int] | None = None
    region: Reference | None = None


class Snapshot(msgspec.Struct):
    """A snapshot of a volume; `size_gigabytes` is the space that it occupies."""

    id: int | str
    name: str | None = None
    created_at: str | None = None
    size_gigabytes: int | float | None = None


class DigitalOceanVolumes(DigitalOceanActions, DigitalOceanCatalog):
    """Methods of volumes and their snapshots."""

    def list_volumes(self) -> list[StorageVolume]:
        """Return the account's volumes."""
        return self.connection.list_all("/volumes", "volumes", Volume, self._to_volume)

    def create_volume(
        self,
        size: int,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | None = None,
    ) -> StorageVolume:
        """Create a volume of `size` GB in `location`, by default in the driver's region, exactly once.

        `name` (small letters, digits, `-`) is unique in the region. Raises `InvalidArgumentError` if there is
        neither location nor region, and `AmbiguousCreateError` if the response was lost and no new volume
        has the name.
        """
        body = {
            "size_gigabytes": size,
            "name": name,
            "region": self._require_region(location),
            "snapshot_id": snapshot.id if snapshot else None,
        }
        params = {"name": name, "region": body["region"]}

        def send() -> StorageVolume:
            return self._to_volume(self.connection.create("/volumes", "volume", Volume, drop_none(body)))

        def listed() -> list[StorageVolume]:
            named = self.connection.list_all("/volumes", "volumes", Volume, self._to_volume, params=params)
            return [one for one in named if one.name == name]

        return self._run_create(NewCreation(f"the volume {name!r}", send, listed))

    def attach_volume(self, node: Node, volume: StorageVolume, device: str | None = None) -> bool:
        """Attach a volume to a droplet in its region. The provider chooses the device."""
        self._move_volume(volume, "attach", droplet_id(node))
        volume.extra["droplet_ids"] = [droplet_id(node)]  # the provider's own lists have it only later
        return True

    def detach_volume(self, volume: StorageVolume) -> bool:
        """Detach a volume from its droplet. Raises `ConflictError` if it is not attached."""
        payload = self.connection.fetch(f"/volumes/{quote_segment(volume.id)}", "volume", Volume).value
        droplet_ids = payload.droplet_ids or volume.extra.get("droplet_ids")
        if not droplet_ids:
            message = f"the volume {volume.name} (id {volume.id}) is not attached to a node"
            raise ConflictError(HTTPStatus.CONFLICT, message)
        self._move_volume(volume, "detach", droplet_ids[0])
        volume.extra["droplet_ids"] = []
        return True

    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume that is not attached, and its data; its snapshots stay.

        Waits, `busy_time` seconds at most, for one that is being detached.
        """
        path = f"/volumes/{quote_segment(volume.id)}"
        return self._when_idle(path, lambda: self.connection.delete(path))

    def list_volume_snapshots(self, volume: StorageVolume) -> list[VolumeSnapshot]:
        """Return the snapshots of a volume."""
        path = f"/volumes/{quote_segment(volume.id)}/snapshots"
        return self.connection.list_all(path, "snapshots", Snapshot, self._to_snapshot)

    def create_volume_snapshot(self, volume: StorageVolume, name: str | None = None) -> VolumeSnapshot:
        """Take a snapshot of a volume, exactly once; its default name is the volume's name and the time.

        Raises `AmbiguousCreateError` if the response was lost and no new snapshot of the volume has the name.
        """
        body = {"name": name or f"{volume.name}-{datetime.now(UTC):%Y%m%d%H%M%S}"}
        path = f"/volumes/{quote_segment(volume.id)}"

        def send() -> VolumeSnapshot:
            return self._to_snapshot(self.connection.create(f"{path}/snapshots", "snapshot", Snapshot, body))

        def listed() -> list[VolumeSnapshot]:
            return [one for one in self.list_volume_snapshots(volume) if one.name == body["name"]]

        creation = NewCreation(f"the snapshot {body['name']!r}", send, listed)
        return self._when_idle(path, lambda: self._run_create(creation))

    def destroy_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Delete a snapshot."""
        return self.connection.delete(f"/snapshots/{quote_segment(snapshot.id)}")

    def delete_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Same as `destroy_volume_snapshot`, by Libcloud's name."""
        return self.destroy_volume_snapshot(snapshot)

    def _move_volume(self, volume: StorageVolume, type_: str, node_id: int) -> None:
        path = f"/volumes/{quote_segment(volume.id)}"

        def send() -> StartedAction:
            return self.connection.act(f"{path}/actions", type=type_, droplet_id=node_id)

        self._when_free(node_id, lambda: self._when_idle(path, send))

    def _to_volume(self, item: Item[Volume]) -> StorageVolume:
        volume, raw = item
        state = StorageVolumeState.INUSE if volume.droplet_ids else StorageVolumeState.AVAILABLE
        gigabytes = finite(volume.size_gigabytes)
        if gigabytes is None:
            raise MalformedResponseError(f"the size of the volume {volume.id} is {volume.size_gigabytes} GB")
        extra = LazyExtra(raw, _volume_extra)
        return StorageVolume(volume.id, volume.name, ceil(gigabytes), self, state, extra)

    def _to_snapshot(self, item: Item[Snapshot]) -> VolumeSnapshot:
        snapshot, raw = item
        return VolumeSnapshot(
            str(snapshot.id),
            self,
            finite(snapshot.size_gigabytes),
            LazyExtra(raw, partial(with_defaults, SNAPSHOT_KEYS)),
            parse_datetime(snapshot.created_at),
            VolumeSnapshotState.AVAILABLE,
            snapshot.name,
        )


def _volume_extra(raw: bytes) -> dict[str, Any]:
    extra = with_defaults(VOLUME_KEYS, raw)
    return {**extra, "region_slug": (extra["region"] or {}).get("slug")}
