"""Volumes and their snapshots, which Cinder keeps.

Cinder has no idempotency tokens, and names are not unique. So each create puts a marker into the metadata, by
which the volume or snapshot is found if the response is lost; then the marker is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

import msgspec

from polycloud.common.arguments import drop_none, id_of
from polycloud.common.building import quote_segment
from polycloud.common.busy import when_free
from polycloud.common.creation import Creation, marker_for
from polycloud.common.payload import Item, LazyExtra, parse_datetime, value_of
from polycloud.compute.base import require_id
from polycloud.compute.drivers.openstack.connection import OpenStackServices
from polycloud.compute.drivers.openstack.nodes import MARKER, own_metadata, server_path
from polycloud.compute.objects import Node, NodeLocation, StorageVolume, VolumeSnapshot
from polycloud.compute.types import StorageVolumeState, VolumeSnapshotState
from polycloud.concurrency.calls import call_options, cleanup
from polycloud.errors import ConflictError, NotFoundError, PolycloudError, ProviderError
from polycloud.http.retry import RetryPolicy
from polycloud.utils.status import HTTPStatus

R = TypeVar("R")
T = TypeVar("T", bound=StorageVolume | VolumeSnapshot)
VOLUME_STATES = {
    "attaching": StorageVolumeState.ATTACHING,
    "available": StorageVolumeState.AVAILABLE,
    "backing-up": StorageVolumeState.BACKUP,
    "creating": StorageVolumeState.CREATING,
    "deleting": StorageVolumeState.DELETING,
    "detaching": StorageVolumeState.UPDATING,
    "downloading": StorageVolumeState.CREATING,
    "error": StorageVolumeState.ERROR,
    "error_backing-up": StorageVolumeState.ERROR,
    "error_deleting": StorageVolumeState.ERROR,
    "error_extending": StorageVolumeState.ERROR,
    "error_restoring": StorageVolumeState.ERROR,
    "extending": StorageVolumeState.UPDATING,
    "in-use": StorageVolumeState.INUSE,
    "maintenance": StorageVolumeState.UPDATING,
    "reserved": StorageVolumeState.ATTACHING,
    "restoring-backup": StorageVolumeState.BACKUP,
    "retyping": StorageVolumeState.UPDATING,
    "uploading": StorageVolumeState.UPDATING,
}
SNAPSHOT_STATES = {
    "available": VolumeSnapshotState.AVAILABLE,
    "backing-up": VolumeSnapshotState.UPDATING,
    "creating": VolumeSnapshotState.CREATING,
    "deleting": VolumeSnapshotState.DELETING,
    "error": VolumeSnapshotState.ERROR,
    "error_deleting": VolumeSnapshotState.ERROR,
    "restoring": VolumeSnapshotState.RESTORING,
    "unmanaging": VolumeSnapshotState.DELETING,
}
PASSING = frozenset(
    {"attaching", "creating", "deleting", "detaching", "downloading", "extending", "reserved", "uploading"}
)
"""States of a volume that end by themselves."""
VOLUME_KEYS = ("attachments", "created_at", "description", "metadata", "snapshot_id", "volume_type")


class Marked(msgspec.Struct):
    """A volume or a snapshot, and its metadata."""

    id: str
    metadata: dict[str, str] | None = None


class MarkedCreation(Creation[T]):
    """The create of one `name`, "volume" or "snapshot", with a marker in its metadata; `read` reads it."""

    def __init__(
        self,
        driver: OpenStackVolumes,
        name: str,
        body: dict[str, Any],
        to_object: Callable[[Item[Any]], T],
        read: Callable[[str], T],
    ) -> None:
        self.value = marker_for()
        what, mark = f"the {name} {body.get('name')!r}", f"the metadata {MARKER}={self.value!r}"
        super().__init__(what, mark, keyed=False)
        self.driver, self.name, self.to_object, self.read = driver, name, to_object, read
        self.body = {**body, "metadata": {**(body.get("metadata") or {}), MARKER: self.value}}

    def send(self) -> T:
        """Create it and return it."""
        kind: Any = Volume if self.name == "volume" else Snapshot
        path = f"/{self.name}s"
        return self.to_object(self.driver.volume_connection.create(path, self.name, kind, self.body))

    def find(self) -> T | None:
        """Return the one with the marker."""
        listed: list[Marked] = self.driver.volume_connection.list_all(
            f"/{self.name}s/detail", f"{self.name}s", Marked, value_of
        )
        found = next((one.id for one in listed if (one.metadata or {}).get(MARKER) == self.value), None)
        return None if found is None else self.read(found)

    def settle(self, resource: T) -> None:
        """Remove the marker, in one attempt; one that stays does no harm."""
        once = call_options(retry=RetryPolicy(attempts=1))
        with suppress(PolycloudError), cleanup(self.driver.cleanup_time), once:
            self.driver.volume_connection.delete(f"/{self.name}s/{resource.id}/metadata/{MARKER}")


class Attachment(msgspec.Struct):
    """Where a volume is attached."""

    server_id: str | None = None


class Volume(msgspec.Struct):
    """A volume; `size` is GB."""

    id: str
    size: int
    status: str
    name: str | None = None
    attachments: list[Attachment] | None = None


class Snapshot(msgspec.Struct):
    """A snapshot; `size` is that of its volume, in GB."""

    id: str
    status: str | None = None
    size: int | None = None
    name: str | None = None
    created_at: str | None = None


class OpenStackVolumes(OpenStackServices):
    """Methods of volumes and their snapshots."""

    volume_time: ClassVar[float] = 60.0
    """Seconds to wait for a volume that is still being created, attached or detached."""
    cleanup_time: ClassVar[float] = 5.0
    """Seconds allowed for removing the marker of a create; it stays after that."""

    def list_volumes(self) -> list[StorageVolume]:
        """Return the project's volumes."""
        return self.volume_connection.list_all("/volumes/detail", "volumes", Volume, self._to_volume)

    def ex_get_volume(self, volumeId: str) -> StorageVolume:  # noqa: N803 - Libcloud's
        """Return the volume with this id. Raises `NotFoundError` if there is none."""
        return self._to_volume(self._volume(volumeId))

    def create_volume(
        self,
        size: int,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | None = None,
        ex_volume_type: str | None = None,
        ex_image_ref: str | None = None,
        *,
        ex_metadata: Mapping[str, str] | None = None,
        ex_source_volume: StorageVolume | str | None = None,
    ) -> StorageVolume:
        """Create a volume of `size` GB, exactly once.

        Args:
            size: GB.
            name: Any text.
            location: A zone; the cloud's default one without.
            snapshot: Create it from a snapshot.
            ex_volume_type: One of the cloud's volume types.
            ex_image_ref: The id of an image to write on it.
            ex_metadata: Metadata.
            ex_source_volume: A volume to copy.

        Raises:
            AmbiguousCreateError: The response was lost and no volume with the marker was found.
            QuotaExceededError: The project's quota is reached.
        """
        body = {
            "size": size,
            "name": name,
            "availability_zone": None if location is None else id_of(location, NodeLocation),
            "snapshot_id": snapshot.id if snapshot else None,
            "volume_type": ex_volume_type,
            "imageRef": ex_image_ref,
            "metadata": own_metadata(ex_metadata) or None,
            "source_volid": None if ex_source_volume is None else id_of(ex_source_volume, StorageVolume),
        }
        return self._run(MarkedCreation(self, "volume", drop_none(body), self._to_volume, self.ex_get_volume))

    def attach_volume(self, node: Node, volume: StorageVolume, device: str | None = None) -> bool:
        """Attach a volume, as `device` (such as /dev/vdb) if the cloud can do that; "auto" is None."""
        body = {"volumeId": volume.id, "device": None if device == "auto" else device}
        path = f"{server_path(node)}/os-volume_attachments"

        def send() -> bool:
            self.connection.create(path, "volumeAttachment", dict[str, Any], drop_none(body))
            return True

        return self._when_ready(volume, send)

    def detach_volume(self, volume: StorageVolume, ex_node: Node | None = None) -> bool:
        """Detach a volume from its node, or one that is attached to several from `ex_node`.

        Raises `ConflictError` if it is not attached, or not to `ex_node`.
        """
        if ex_node is None:
            attached = self._volume(volume.id).value.attachments or ()
            servers = [one.server_id for one in attached if one.server_id]
            what = "a node"
        else:
            servers, what = [require_id(ex_node)], f"{ex_node.name} (id {ex_node.id})"
        refusal = ConflictError(
            HTTPStatus.CONFLICT, f"the volume {volume.name} (id {volume.id}) is not attached to {what}"
        )
        if not servers:
            raise refusal
        path = f"/servers/{quote_segment(servers[0])}/os-volume_attachments/{quote_segment(volume.id)}"
        try:
            return self._when_ready(volume, lambda: self.connection.delete(path))
        except NotFoundError as error:
            raise refusal from error

    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume that is not attached and has no snapshots."""
        path = f"/volumes/{quote_segment(volume.id)}"
        return self._when_ready(volume, lambda: self.volume_connection.delete(path))

    def ex_extend_volume(self, volume: StorageVolume, size: int) -> bool:
        """Make a volume larger, to `size` GB."""
        path = f"/volumes/{quote_segment(volume.id)}/action"

        def send() -> bool:
            self.volume_connection.request(path, method="POST", json={"os-extend": {"new_size": size}})
            return True

        return self._when_ready(volume, send)

    # Snapshots

    def list_volume_snapshots(self, volume: StorageVolume) -> list[VolumeSnapshot]:
        """Return the snapshots of a volume."""
        return self._snapshots({"volume_id": volume.id})

    def ex_list_snapshots(self) -> list[VolumeSnapshot]:
        """Return the project's snapshots of all volumes."""
        return self._snapshots(None)

    def ex_get_snapshot(self, snapshotId: str) -> VolumeSnapshot:  # noqa: N803 - Libcloud's
        """Return the snapshot with this id. Raises `NotFoundError` if there is none."""
        path = f"/snapshots/{quote_segment(snapshotId)}"
        return self._to_snapshot(self.volume_connection.fetch(path, "snapshot", Snapshot))

    def ex_create_snapshot(
        self, volume: StorageVolume, name: str, description: str | None = None, force: bool = False
    ) -> VolumeSnapshot:
        """Same as `create_volume_snapshot`, but of an attached volume with `force` only."""
        return self.create_volume_snapshot(volume, name, description, force)

    def ex_delete_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Same as `destroy_volume_snapshot`."""
        return self.destroy_volume_snapshot(snapshot)

    def create_volume_snapshot(
        self,
        volume: StorageVolume,
        name: str | None = None,
        ex_description: str | None = None,
        ex_force: bool = True,
    ) -> VolumeSnapshot:
        """Take a snapshot of a volume, exactly once; with `ex_force` also of one that is attached."""
        body = {"volume_id": volume.id, "name": name, "description": ex_description, "force": ex_force}

        read = self.ex_get_snapshot
        creation = MarkedCreation(self, "snapshot", drop_none(body), self._to_snapshot, read)
        return self._when_ready(volume, lambda: self._run(creation))

    def destroy_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Delete a snapshot; waits for one that is still being taken."""
        path = f"/snapshots/{quote_segment(snapshot.id)}"

        def is_free() -> bool:
            found = self.volume_connection.fetch(path, "snapshot", Snapshot).value
            return found.status not in PASSING

        return when_free(
            lambda: self.volume_connection.delete(path),
            timeout=self.volume_time,
            is_busy=_first_refusal(),
            is_free=is_free,
        )

    def _snapshots(self, params: Mapping[str, str] | None) -> list[VolumeSnapshot]:
        path = "/snapshots/detail"
        return self.volume_connection.list_all(path, "snapshots", Snapshot, self._to_snapshot, params=params)

    # Waiting and conversion

    def _run(self, creation: MarkedCreation[T]) -> T:
        return self._run_create(creation, self.volume_time)

    def _when_ready(self, volume: StorageVolume, send: Callable[[], R]) -> R:
        """Call `send`; once more if the volume is on its way to another state, when it is there.

        Cinder and Nova refuse with 400 or 409 then, as they do for good.
        """

        def is_ready() -> bool:
            return self._volume(volume.id).value.status not in PASSING

        return when_free(send, timeout=self.volume_time, is_busy=_first_refusal(), is_free=is_ready)

    def _volume(self, volume_id: str) -> Item[Volume]:
        return self.volume_connection.fetch(f"/volumes/{quote_segment(volume_id)}", "volume", Volume)

    def _to_volume(self, item: Item[Volume]) -> StorageVolume:
        volume, raw = item
        state = VOLUME_STATES.get(volume.status, StorageVolumeState.UNKNOWN)
        return StorageVolume(
            volume.id, volume.name or "", volume.size, self, state, LazyExtra(raw, _volume_extra)
        )

    def _to_snapshot(self, item: Item[Snapshot]) -> VolumeSnapshot:
        snapshot, raw = item
        return VolumeSnapshot(
            snapshot.id,
            self,
            snapshot.size,
            LazyExtra(raw, _snapshot_extra),
            parse_datetime(snapshot.created_at),
            SNAPSHOT_STATES.get(snapshot.status or "", VolumeSnapshotState.UNKNOWN),
            snapshot.name,
        )


def _first_refusal() -> Callable[[ProviderError], bool]:
    """Return a function that is true for the first refusal: the second one is final."""
    refused = False

    def is_busy(refusal: ProviderError) -> bool:
        nonlocal refused
        first, refused = not refused, True
        return first and refusal.http_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT}

    return is_busy


def _volume_extra(raw: bytes) -> dict[str, Any]:
    volume = msgspec.json.decode(raw)
    return {
        **volume,
        **{name: volume.get(name) for name in VOLUME_KEYS},
        "metadata": _unmarked(volume),
        "location": volume.get("availability_zone"),
        "state": volume.get("status"),
    }


def _snapshot_extra(raw: bytes) -> dict[str, Any]:
    snapshot = msgspec.json.decode(raw)
    return {**snapshot, "created": snapshot.get("created_at"), "metadata": _unmarked(snapshot)}


def _unmarked(payload: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in (payload.get("metadata") or {}).items() if name != MARKER}
