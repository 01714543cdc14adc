"""Cinder: volumes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from polycloud.sandbox.openstack.dialect import ACCEPTED, Table, envelope, texts
from polycloud.sandbox.openstack.errors import OverLimitError
from polycloud.sandbox.openstack.orders import find_image, invalid
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.openstack.storage import (
    GIGABYTES,
    METADATA_PARTS,
    check_quota,
    find_type,
    links,
    mine,
    mine_or_missing,
    need_uuid,
    rename,
    settle,
)
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Item, show
from polycloud.sandbox.rest.errors import ForbiddenError, InputError
from polycloud.sandbox.rest.replies import Call, Json, Reply

_NOT_DELETABLE = (
    "Invalid volume: Volume status must be available or error or error_restoring or error_extending or "
    "error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a "
    "transfer, or be disassociated from snapshots after volume transfer."
)


def _attachments(volume: Item) -> list[Json]:
    if volume.server is None:
        return []
    return [
        {
            "id": volume.id,
            "attachment_id": volume.attachment_id,
            "volume_id": volume.id,
            "server_id": volume.server.id,
            "host_name": None,
            "device": volume.device,
            "attached_at": volume.attached_at,
        }
    ]


_volume = show(
    "id status size availability_zone created_at updated_at name description snapshot_id source_volid "
    "metadata user_id",
    volume_type=lambda volume: volume.type.name,
    links=lambda volume: links(volume.state, "volumes", volume.id),
    bootable=lambda volume: str(volume.bootable).lower(),
    encrypted=False,
    replication_status=None,
    consistencygroup_id=None,
    multiattach=False,
    attachments=_attachments,
)


def _show_created(volume: Item) -> Json:
    """Render a volume after a create or an update."""
    version = volume.state.version
    shown: Json = _volume(volume)
    if volume.image:
        image = volume.image
        shown["volume_image_metadata"] = {
            "image_id": image.id,
            "image_name": image.name,
            "container_format": image.container_format,
            "disk_format": image.disk_format,
            "min_disk": str(image.min_disk),
            "min_ram": str(image.min_ram),
            "size": str(image.size or 0),
        }
    if volume.state.caller.is_admin:
        shown["migration_status"] = None
    if version >= (3, 13):
        shown["group_id"] = None
    if version >= (3, 21) and volume.state.caller.is_admin:
        shown["provider_id"] = None
    if version >= (3, 48):
        shown |= {"shared_targets": False, "service_uuid": None}
    if version >= (3, 63):
        shown["volume_type_id"] = volume.type.id
    if version >= (3, 65):
        shown["consumes_quota"] = True
    return shown


def show_volume(volume: Item) -> Json:
    """Render a volume."""
    shown = {**_show_created(volume), "os-vol-tenant-attr:tenant_id": volume.project_id}
    if volume.state.caller.is_admin:
        shown |= {
            "os-vol-mig-status-attr:migstat": None,
            "os-vol-mig-status-attr:name_id": None,
            "os-vol-host-attr:host": "sandbox@disks#disks",
        }
    return shown


def show_name(volume: Item) -> Json:
    """Render a volume in short lists."""
    return {"id": volume.id, "name": volume.name, "links": links(volume.state, "volumes", volume.id)}


def add_volume(state: State, *, name: str | None, size: int, status: str, **more: Any) -> Item:
    """Add a volume; `more` are its other fields. Raises OverLimitError."""
    check_quota(state, size)
    defaults: Json = {
        "type": next(kind for kind in state.volume_types.values() if kind.name == "__DEFAULT__"),
        "description": None,
        "availability_zone": "nova",
        "snapshot_id": None,
        "source_volid": None,
        "metadata": {},
        "bootable": False,
        "image": None,
    }
    volume = Item(
        **state.identified(),
        name=name,
        size=size,
        status=status,
        user_id=state.caller.user.id,
        created_at=state.precise(),
        updated_at=None,
        server=None,
        device=None,
        attachment_id=None,
        attached_at=None,
        delete_on_termination=False,
        locked=False,
        busy="the volume is busy",
        **{**defaults, **more},
    )
    state.volumes[volume.id] = volume
    return volume


def _create_volume(state: State, _: object, call: Call) -> Reply:
    given = envelope(call.body, "volume")
    source = _source(state, given)
    size = _size(given, source.get("least", 0))
    zone = given.get("availability_zone", str)
    if zone not in {None, "", "nova"}:
        raise InputError(f"Availability zone '{zone}' is invalid.")
    more = {**source.get("fields", {})}
    kind = given.get("volume_type", str)
    if kind:
        more["type"] = find_type(state, kind)
    volume = add_volume(
        state,
        name=given.get("name", str),
        size=size,
        status="creating",
        description=given.get("description", str),
        metadata=texts(given, "metadata"),
        **more,
    )
    effect, undo = partial(settle, state, volume), partial(settle, state, volume, "error")
    state.begin("create_volume", state.settings.attach, volume, effect, undo=undo)
    return Reply(202, {"volume": {**_show_created(volume), "status": "creating"}})


def _size(given: Body, least: int) -> int:
    text = given.identifier("size")
    if text is None:
        if least:
            return least
        raise InputError("")
    if not text.lstrip("-").isdecimal():
        raise invalid("size", text, f"{text!r} does not match '^[0-9]+$'")
    size = int(text)
    if size < 1:
        raise invalid("size", text, f"{text} is less than the minimum of 1")
    if size < least:
        raise InputError(
            f"Invalid input received: Size of its source {least}GB is larger than volume size {size}GB."
        )
    return size


def _source(state: State, given: Body) -> Json:
    """Return the least size and the fields of a volume that is made from something."""
    snapshot_id, volume_id = given.get("snapshot_id", str), given.get("source_volid", str)
    image_id = given.get("imageRef", str)
    if snapshot_id:
        need_uuid("snapshot_id", snapshot_id)
        snapshot = mine_or_missing(state, state.snapshots, snapshot_id, "Snapshot")
        return {"least": snapshot.size, "fields": {"snapshot_id": snapshot.id, "bootable": snapshot.bootable}}
    if volume_id:
        need_uuid("source_volid", volume_id)
        volume = mine_or_missing(state, state.volumes, volume_id, "Volume")
        fields = {"source_volid": volume.id, "bootable": volume.bootable, "image": volume.image}
        return {"least": volume.size, "fields": fields}
    if image_id:
        image = find_image(state, image_id, "Invalid image identifier or unable to access requested image.")
        return {"least": image.min_disk, "fields": {"image": image, "bootable": True}}
    return {}


def _delete_volume(state: State, volume: Item, _: Call) -> Reply:
    has_snapshots = any(snapshot.volume_id == volume.id for snapshot in state.snapshots.values())
    if volume.status not in {"available", "error", "error_extending"} or has_snapshots:
        raise InputError(_NOT_DELETABLE)
    volume.status = "deleting"
    state.begin("delete_volume", state.settings.attach, volume, partial(state.volumes.pop, volume.id))
    return ACCEPTED


def _extend(state: State, volume: Item, given: Body) -> Reply:
    size = int(given.identifier("new_size") or 0)
    if volume.status not in {"available", "in-use"} or (
        volume.status == "in-use" and state.version < (3, 42)
    ):
        raise InputError(
            f"Invalid volume: Volume {volume.id} status must be 'available' to extend, currently "
            f"{volume.status}."
        )
    if size <= volume.size:
        raise InputError(
            "Invalid input received: New size for extend must be greater than current size. "
            f"(current: {volume.size}, extended: {size})."
        )
    _check_more(state, size - volume.size)
    before, volume.status = volume.status, "extending"

    def effect() -> None:
        volume.size = size
        settle(state, volume, before)

    state.begin("extend_volume", state.settings.attach, volume, effect)
    return ACCEPTED


def _check_more(state: State, more: int) -> None:
    used = sum(one.size for one in state.volumes.values() if one.project_id == state.project_id)
    if used + more > GIGABYTES:
        raise OverLimitError(
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. "
            f"Requested {more}G, quota is {GIGABYTES}G and {used}G has been consumed."
        )


def _set_bootable(_: State, volume: Item, given: Body) -> Reply:
    volume.bootable = str(given.value("bootable")).lower() == "true"
    return Reply(200)


def _retype(state: State, volume: Item, given: Body) -> Reply:
    volume.type = find_type(state, given.need("new_type", str))
    return ACCEPTED


def _reset_status(state: State, volume: Item, given: Body) -> Reply:
    if not state.caller.is_admin:
        raise ForbiddenError(
            "Policy doesn't allow volume_extension:volume_admin_actions:reset_status to be performed."
        )
    volume.status = given.need("status", str)
    return ACCEPTED


_ACTIONS: dict[str, Callable[[State, Item, Body], Reply]] = {
    "os-extend": _extend,
    "os-set_bootable": _set_bootable,
    "os-retype": _retype,
    "os-reset_status": _reset_status,
}


def _act(state: State, volume: Item, call: Call) -> Reply:
    name = next(iter(call.body.fields), "")
    if name not in _ACTIONS:
        raise InputError(
            f"There is no such action: {name}. Verify the request body and Content-Type header and try again."
        )
    given = call.body.part(name)
    return _ACTIONS[name](state, volume, given)


VOLUMES = Table(
    path="/volumes",
    view=show_volume,
    verbs="GET POST/GET",
    wanted=partial(mine, "volumes"),
    create=_create_volume,
    missing="Volume {id} could not be found.",
    on_one={"PUT": partial(rename, "volume", _show_created), "DELETE": _delete_volume},
    parts={"action": {"POST": _act}, **METADATA_PARTS},
)
