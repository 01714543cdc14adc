"""Volumes and their snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any, TypedDict, TypeVar, Unpack

from polycloud.common.aws.xml import Item
from polycloud.common.payload import parse_datetime
from polycloud.compute.base import require_id
from polycloud.compute.drivers.ec2.catalog import EC2Catalog
from polycloud.compute.drivers.ec2.nodes import EC2Nodes
from polycloud.compute.drivers.ec2.payload import (
    Payload,
    client_token,
    convert,
    extra_of,
    lazy,
    require_known,
)
from polycloud.compute.drivers.ec2.tags import Tag, name_of, tagging, tags_of
from polycloud.compute.objects import Node, NodeLocation, StorageVolume, VolumeSnapshot
from polycloud.compute.types import StorageVolumeState, VolumeSnapshotState
from polycloud.errors import ConflictError, InvalidArgumentError, NotFoundError

T = TypeVar("T")
VOLUME_STATES = {
    "creating": StorageVolumeState.CREATING,
    "available": StorageVolumeState.AVAILABLE,
    "in-use": StorageVolumeState.INUSE,
    "deleting": StorageVolumeState.DELETING,
    "deleted": StorageVolumeState.DELETED,
    "error": StorageVolumeState.ERROR,
}
SNAPSHOT_STATES = {
    "pending": VolumeSnapshotState.CREATING,
    "completed": VolumeSnapshotState.AVAILABLE,
    "error": VolumeSnapshotState.ERROR,
    "recoverable": VolumeSnapshotState.UNKNOWN,
    "recovering": VolumeSnapshotState.RESTORING,
}
PASSING = frozenset({"creating", "deleting", "attaching", "detaching"})
"""States of a volume and of its attachment that pass by themselves."""
VOLUME_KEYS = (
    *("attach_time", "attachment_status", "create_time", "delete", "device", "instance_id", "iops"),
    *("snapshot_id", "state", "tags", "volume_type", "zone"),
)
DEVICES = tuple(f"/dev/sd{letter}" for letter in "fghijklmnop")
"""The device names that Amazon recommends for volumes."""


class VolumeOptions(TypedDict, total=False):
    """The keyword arguments of `create_volume`."""

    ex_volume_type: str | None
    ex_iops: int | None
    ex_throughput: int | None
    ex_encrypted: bool | None
    ex_kms_key_id: str | None
    tags: Mapping[str, str] | Iterable[str] | None


class Attachment(Payload):
    """Where a volume is attached."""

    instance_id: str | None = None
    device: str | None = None
    status: str | None = None


class Volume(Payload):
    """A block volume; `size` is GiB."""

    volume_id: str
    size: int
    status: str | None = None
    tag_set: list[Tag] | None = None
    attachment_set: list[Attachment] | None = None


class Snapshot(Payload):
    """A snapshot; `volume_size` is GiB."""

    snapshot_id: str
    status: str | None = None
    start_time: str | None = None
    volume_size: int | None = None
    tag_set: list[Tag] | None = None


class EC2Volumes(EC2Nodes, EC2Catalog):
    """Methods of volumes and snapshots."""

    def list_volumes(
        self, node: Node | None = None, ex_filters: Mapping[str, Any] | None = None
    ) -> list[StorageVolume]:
        """Return the volumes of the region, or of a node."""
        wanted = {**(ex_filters or {}), **({"attachment.instance-id": require_id(node)} if node else {})}
        return self.connection.list_filtered("DescribeVolumes", "volumeSet", Volume, self._to_volume, wanted)

    def create_volume(
        self,
        size: int | None,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | None = None,
        **options: Unpack[VolumeOptions],
    ) -> StorageVolume:
        """Create a volume of `size` GiB together with its tags.

        A volume can be attached to nodes of its zone only: `location`, by default the region's first
        available one. `ex_volume_type` is "gp3", "io2" and so on; the other `options` are `ex_iops`,
        `ex_throughput` (MiB a second), `ex_encrypted`, `ex_kms_key_id` and `tags`.
        """
        require_known("create_volume", options, VolumeOptions.__annotations__)
        fields = {
            "VolumeType": options.get("ex_volume_type"),
            "Iops": options.get("ex_iops"),
            "Throughput": options.get("ex_throughput"),
            "Encrypted": options.get("ex_encrypted"),
            "KmsKeyId": options.get("ex_kms_key_id"),
            "TagSpecification": tagging("volume", tags_of(name, options.get("tags"))),
            "ClientToken": client_token(),
            "Size": size,
            "SnapshotId": snapshot.id if snapshot else None,
            "AvailabilityZone": self._zone(location) or self._first_zone(),
        }
        send = partial(self.connection.create, "CreateVolume", None, Volume, idempotent=True, **fields)
        return self._to_volume(self._when_settled(send, lambda: self._snapshot_is_passing(snapshot)))

    def attach_volume(self, node: Node, volume: StorageVolume, device: str | None = None) -> bool:
        """Attach a volume to an instance of its zone, by default as the first free one of /dev/sdf to sdp.

        Waits, `busy_time` seconds at most, for a volume that is being created or detached, and for an
        instance that starts or stops.
        """
        fields = {"VolumeId": volume.id, "InstanceId": require_id(node)}
        fields["Device"] = device or self._free_device(node)
        send = partial(self.connection.call, "AttachVolume", fields, dict[str, Any])
        self._when_settled(
            send, lambda: self._volume_is_passing(volume), lambda: self._node_is_passing(node.id)
        )
        return True

    def detach_volume(self, volume: StorageVolume, ex_force: bool = False) -> bool:
        """Detach a volume from its instance. Raises `ConflictError` if it is not attached."""
        fields = {"InstanceId": self._attachment(volume).instance_id, "Force": ex_force or None}
        fields["VolumeId"] = volume.id
        send = partial(self.connection.call, "DetachVolume", fields, dict[str, Any])
        self._when_settled(send, lambda: self._volume_is_passing(volume))
        return True

    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume that is not attached, with its data. Its snapshots stay.

        Waits, `busy_time` seconds at most, for one that is being created or detached.
        """
        send = partial(self.connection.act, "DeleteVolume", VolumeId=volume.id)
        return self._when_settled(send, lambda: self._volume_is_passing(volume))

    def list_volume_snapshots(self, volume: StorageVolume) -> list[VolumeSnapshot]:
        """Return the account's snapshots of a volume."""
        return self._snapshots({"volume-id": volume.id}, Owner=["self"])

    def list_snapshots(
        self, snapshot: VolumeSnapshot | None = None, owner: str | None = None
    ) -> list[VolumeSnapshot]:
        """Return the snapshots of an owner, by default the account; or only `snapshot`, as it is now."""
        fields = {"SnapshotId": [snapshot.id]} if snapshot else {"Owner": [owner or "self"]}
        return self._snapshots(None, **fields)

    def create_volume_snapshot(
        self,
        volume: StorageVolume,
        name: str | None = None,
        ex_metadata: Mapping[str, str] | None = None,
        *,
        ex_description: str | None = None,
    ) -> VolumeSnapshot:
        """Begin to create a snapshot of a volume; its state is CREATING until it is complete."""
        fields: dict[str, Any] = {
            "VolumeId": volume.id,
            "Description": ex_description,
            "TagSpecification": tagging("snapshot", tags_of(name or "", ex_metadata)),
        }
        send = partial(self.connection.create, "CreateSnapshot", None, Snapshot, **fields)
        return self._to_snapshot(self._when_settled(send, lambda: self._volume_is_passing(volume)))

    def destroy_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Delete a snapshot."""
        return self.connection.act("DeleteSnapshot", SnapshotId=snapshot.id)

    def _described(self, volume: StorageVolume) -> Volume:
        found: list[Volume] = self.connection.list_all(
            "DescribeVolumes", "volumeSet", Volume, attrgetter("value"), paged=False, VolumeId=[volume.id]
        )
        return the_one(found, volume.id)

    def _volume_is_passing(self, volume: StorageVolume) -> bool:
        """Return whether a volume is being created, deleted, attached or detached."""
        current = self._described(volume)
        states = (current.status, *(one.status for one in current.attachment_set or ()))
        return not PASSING.isdisjoint(states)

    def _snapshot_is_passing(self, snapshot: VolumeSnapshot | None) -> bool:
        """Return whether a snapshot is being created."""
        found = self.list_snapshots(snapshot) if snapshot else ()
        return any(one.state == VolumeSnapshotState.CREATING for one in found)

    def _attachment(self, volume: StorageVolume) -> Attachment:
        attachments = self._described(volume).attachment_set
        if not attachments:
            raise ConflictError(409, f"the volume {volume.name} (id {volume.id}) is attached to no node")
        return attachments[0]

    def _free_device(self, node: Node) -> str:
        item = the_one(self._instances(paged=False, InstanceId=[require_id(node)]), node.id)
        names = (one.device_name or "" for one in item.value.block_device_mapping or ())
        taken = {name.replace("/dev/xvd", "/dev/sd") for name in names}
        free = next((device for device in DEVICES if device not in taken), None)
        if free is None:
            raise InvalidArgumentError(f"{node.name} (id {node.id}) has no free device; give device=")
        return free

    def _snapshots(self, wanted: Mapping[str, Any] | None, **fields: Any) -> list[VolumeSnapshot]:
        return self.connection.list_filtered(
            "DescribeSnapshots", "snapshotSet", Snapshot, self._to_snapshot, wanted, **fields
        )

    def _to_volume(self, item: Item[Volume]) -> StorageVolume:
        volume = item.value
        return StorageVolume(
            volume.volume_id,
            name_of(volume.tag_set) or volume.volume_id,
            volume.size,
            self,
            VOLUME_STATES.get(volume.status or "", StorageVolumeState.UNKNOWN),
            lazy(item.fields, volume_extra),
        )

    def _to_snapshot(self, item: Item[Snapshot]) -> VolumeSnapshot:
        snapshot = item.value
        return VolumeSnapshot(
            snapshot.snapshot_id,
            self,
            snapshot.volume_size,
            lazy(item.fields, snapshot_extra),
            parse_datetime(snapshot.start_time),
            SNAPSHOT_STATES.get(snapshot.status or "", VolumeSnapshotState.UNKNOWN),
            name_of(snapshot.tag_set),
        )


def the_one(found: Iterable[T], id_: str) -> T:
    """Return the first item. Raises `NotFoundError` if there is none."""
    for one in found:
        return one
    raise NotFoundError(404, f"the provider has nothing with the id {id_}")


def volume_extra(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the `extra` of a volume."""
    extra = extra_of(fields, VOLUME_KEYS)
    attachments: list[dict[str, Any]] = extra.pop("attachment_set", None) or []
    attachment = next(iter(attachments), {})
    extra.update(
        attachments=attachments,
        attach_time=attachment.get("attach_time"),
        attachment_status=attachment.get("status"),
        delete=attachment.get("delete_on_termination"),
        device=attachment.get("device"),
        instance_id=attachment.get("instance_id"),
        state=extra.pop("status", None),
        zone=extra.pop("availability_zone", None),
    )
    convert(extra, parse_datetime, "attach_time", "create_time")
    convert(extra, int, "iops", "throughput")
    return extra


def snapshot_extra(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the `extra` of a snapshot."""
    extra = extra_of(fields)
    extra["state"] = extra.pop("status", None)
    convert(extra, parse_datetime, "start_time")
    return extra
