"""Cinder: volumes, snapshots and types."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from polycloud.sandbox.openstack.dialect import ACCEPTED, Table, envelope, texts
from polycloud.sandbox.openstack.errors import OverLimitError
from polycloud.sandbox.openstack.orders import find_image, invalid
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Item, ItemHandler, routes_of, show
from polycloud.sandbox.rest.errors import ForbiddenError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes

_GIGABYTES = 10000
_NOT_DELETABLE = (
    "Invalid volume: Volume status must be available or error or error_restoring or error_extending or "
    "error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a "
    "transfer, or be disassociated from snapshots after volume transfer."
)


def _links(state: State, path: str, id: str) -> list[Json]:
    return [
        {"rel": "self", "href": f"{state.base}/volume/v3/{path}/{id}"},
        {"rel": "bookmark", "href": f"{state.base}/volume/{path}/{id}"},
    ]


# Volumes


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
    links=lambda volume: _links(volume.state, "volumes", volume.id),
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


def _show_volume(volume: Item) -> Json:
    shown = {**_show_created(volume), "os-vol-tenant-attr:tenant_id": volume.project_id}
    if volume.state.caller.is_admin:
        shown |= {
            "os-vol-mig-status-attr:migstat": None,
            "os-vol-mig-status-attr:name_id": None,
            "os-vol-host-attr:host": "sandbox@disks#disks",
        }
    return shown


def _name_of_volume(volume: Item) -> Json:
    return {"id": volume.id, "name": volume.name, "links": _links(volume.state, "volumes", volume.id)}


def _mine(collection: str, state: State, _: object, call: Call) -> list[Item]:
    items: list[Item] = list(getattr(state, collection).values())
    everyone = call.query.get("all_tenants", "0").lower() in {"1", "true"} and state.caller.is_admin
    items = [item for item in items if everyone or item.project_id == state.project_id]
    for name in ("name", "status", "volume_id", "bootable"):
        if name in call.query:
            items = [
                item for item in items if str(getattr(item, name, None)).lower() == call.query[name].lower()
            ]
    # The latest is listed first.
    return items[::-1]


def _listed(collection: str, view: Callable[[Item], Json], state: State, call: Call) -> Listing:
    return Listing(_mine(collection, state, state, call), view, collection)


def add_volume(state: State, *, name: str | None, size: int, status: str, **more: Any) -> Item:
    """Add a volume; `more` are its other fields. Raises OverLimitError."""
    _check_quota(state, size)
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


def _check_quota(state: State, size: int) -> None:
    volumes = [one for one in state.volumes.values() if one.project_id == state.project_id]
    most = state.settings.volume_limit
    if len(volumes) >= most:
        raise OverLimitError(
            f"VolumeLimitExceeded: Maximum number of volumes allowed ({most}) exceeded for quota 'volumes'."
        )
    used = sum(volume.size for volume in volumes)
    if used + size > _GIGABYTES:
        raise OverLimitError(
            f"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. "
            f"Requested {size}G, quota is {_GIGABYTES}G and {used}G has been consumed."
        )


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
        more["type"] = _type(state, kind)
    volume = add_volume(
        state,
        name=given.get("name", str),
        size=size,
        status="creating",
        description=given.get("description", str),
        metadata=texts(given, "metadata"),
        **more,
    )
    effect, undo = partial(_settle, state, volume), partial(_settle, state, volume, "error")
    state.begin("create_volume", state.settings.attach, volume, effect, undo=undo)
    return Reply(202, {"volume": {**_show_created(volume), "status": "creating"}})


def _settle(state: State, item: Item, status: str = "available") -> None:
    item.status, item.updated_at = status, state.precise()


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
        _need_uuid("snapshot_id", snapshot_id)
        snapshot = _mine_or_missing(state, state.snapshots, snapshot_id, "Snapshot")
        return {"least": snapshot.size, "fields": {"snapshot_id": snapshot.id, "bootable": snapshot.bootable}}
    if volume_id:
        _need_uuid("source_volid", volume_id)
        volume = _mine_or_missing(state, state.volumes, volume_id, "Volume")
        fields = {"source_volid": volume.id, "bootable": volume.bootable, "image": volume.image}
        return {"least": volume.size, "fields": fields}
    if image_id:
        image = find_image(state, image_id, "Invalid image identifier or unable to access requested image.")
        return {"least": image.min_disk, "fields": {"image": image, "bootable": True}}
    return {}


def _need_uuid(name: str, text: str) -> None:
    try:
        uuid.UUID(text)
    except ValueError:
        raise invalid(name, text, f"{text!r} is not valid under any of the given schemas") from None


def _mine_or_missing(state: State, items: dict[str, Item], id: str, noun: str) -> Item:
    item = items.get(id)
    if item is None or not state.sees(item):
        raise NotFoundError(f"{noun} {id} could not be found.")
    return item


def _update(collection: str, state: State, item: Item, call: Call) -> Reply:
    one = collection.removesuffix("s")
    given = envelope(call.body, one)
    for name in ("name", "description"):
        if given.names(name):
            setattr(item, name, given.get(name, str))
    if given.names("metadata"):
        item.metadata = texts(given, "metadata")
    item.updated_at = state.precise()
    view = _show_created if one == "volume" else _snapshot
    return Reply(200, {one: view(item)})


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
        _settle(state, volume, before)

    state.begin("extend_volume", state.settings.attach, volume, effect)
    return ACCEPTED


def _check_more(state: State, more: int) -> None:
    used = sum(one.size for one in state.volumes.values() if one.project_id == state.project_id)
    if used + more > _GIGABYTES:
        raise OverLimitError(
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. "
            f"Requested {more}G, quota is {_GIGABYTES}G and {used}G has been consumed."
        )


def _set_bootable(_: State, volume: Item, given: Body) -> Reply:
    volume.bootable = str(given.value("bootable")).lower() == "true"
    return Reply(200)


def _retype(state: State, volume: Item, given: Body) -> Reply:
    volume.type = _type(state, given.need("new_type", str))
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


def _metadata(_: State, item: Item, __: Call) -> Reply:
    return Reply(200, {"metadata": item.metadata})


def _merge_metadata(state: State, item: Item, call: Call) -> Reply:
    item.metadata = {**item.metadata, **texts(call.body, "metadata")}
    return _metadata(state, item, call)


def _replace_metadata(state: State, item: Item, call: Call) -> Reply:
    item.metadata = texts(call.body, "metadata")
    return _metadata(state, item, call)


def _delete_metadata(_: State, item: Item, call: Call) -> Reply:
    if call.path["key"] not in item.metadata:
        raise NotFoundError(f"{'Volume'} {item.id} has no metadata with key {call.path['key']}.")
    item.metadata = {name: value for name, value in item.metadata.items() if name != call.path["key"]}
    return Reply(200)


_METADATA_PARTS: dict[str, dict[str, ItemHandler]] = {
    "metadata": {"GET": _metadata, "POST": _merge_metadata, "PUT": _replace_metadata},
    "metadata/{key}": {"DELETE": _delete_metadata},
}

# Snapshots

_snapshot = show("id created_at updated_at name description volume_id status size metadata")


def _show_snapshot(snapshot: Item) -> Json:
    shown: Json = {
        **_snapshot(snapshot),
        "os-extended-snapshot-attributes:project_id": snapshot.project_id,
        "os-extended-snapshot-attributes:progress": "100%" if snapshot.status == "available" else "0%",
    }
    version = snapshot.state.version
    if version >= (3, 14):
        shown["group_snapshot_id"] = None
    if version >= (3, 41):
        shown["user_id"] = snapshot.user_id
    if version >= (3, 65):
        shown["consumes_quota"] = True
    return shown


def _create_snapshot(state: State, _: object, call: Call) -> Reply:
    given = envelope(call.body, "snapshot")
    volume_id = given.need("volume_id", str)
    _need_uuid("volume_id", volume_id)
    volume = _mine_or_missing(state, state.volumes, volume_id, "Volume")
    forced = str(given.value("force")).lower() == "true" or state.version >= (3, 66)
    if volume.status != "available" and not (forced and volume.status == "in-use"):
        raise InputError(
            f"Invalid volume: Volume {volume.id} status must be available, but current status is: "
            f"{volume.status}."
        )
    snapshot = Item(
        **state.identified(),
        name=given.get("name", str),
        description=given.get("description", str),
        volume_id=volume.id,
        status="creating",
        size=volume.size,
        metadata=texts(given, "metadata"),
        bootable=volume.bootable,
        user_id=state.caller.user.id,
        created_at=state.precise(),
        updated_at=None,
        locked=False,
        busy="the snapshot is busy",
    )
    state.snapshots[snapshot.id] = snapshot
    effect, undo = partial(_settle, state, snapshot), partial(_settle, state, snapshot, "error")
    state.begin("create_snapshot", state.settings.attach, snapshot, effect, undo=undo)
    return Reply(202, {"snapshot": {**_snapshot(snapshot), "status": "creating"}})


def _delete_snapshot(state: State, snapshot: Item, _: Call) -> Reply:
    if snapshot.status not in {"available", "error"}:
        raise InputError(
            "Invalid snapshot: Snapshot status must be available or error, and it must not be part of a "
            "group."
        )
    snapshot.status = "deleting"
    state.begin("delete_snapshot", state.settings.attach, snapshot, partial(state.snapshots.pop, snapshot.id))
    return ACCEPTED


# Types, quotas and limits

_show_type = show(
    "id name description extra_specs",
    is_public=True,
    **{"os-volume-type-access:is_public": True},
)


def _type(state: State, reference: str) -> Item:
    for kind in state.volume_types.values():
        if reference in {kind.id, kind.name}:
            return kind
    raise NotFoundError(f"Volume type with name {reference} could not be found.")


def _default_type(state: State, _: Call) -> Reply:
    return Reply(200, {"volume_type": _show_type(_type(state, "__DEFAULT__"))})


def _used(state: State) -> dict[str, int]:
    volumes = [one for one in state.volumes.values() if one.project_id == state.project_id]
    snapshots = [one for one in state.snapshots.values() if one.project_id == state.project_id]
    return {"volumes": len(volumes), "gigabytes": sum(v.size for v in volumes), "snapshots": len(snapshots)}


def _limits(state: State, _: Call) -> Reply:
    used = _used(state)
    absolute = {
        "maxTotalVolumes": state.settings.volume_limit,
        "maxTotalSnapshots": 1000,
        "maxTotalVolumeGigabytes": _GIGABYTES,
        "maxTotalBackups": 10,
        "maxTotalBackupGigabytes": 1000,
        "totalVolumesUsed": used["volumes"],
        "totalGigabytesUsed": used["gigabytes"],
        "totalSnapshotsUsed": used["snapshots"],
        "totalBackupsUsed": 0,
        "totalBackupGigabytesUsed": 0,
    }
    return Reply(200, {"limits": {"rate": [], "absolute": absolute}})


def _quota(state: State, call: Call) -> Reply:
    quota: Json = {
        "volumes": state.settings.volume_limit,
        "per_volume_gigabytes": -1,
        "snapshots": 1000,
        "gigabytes": _GIGABYTES,
        "backups": 10,
        "backup_gigabytes": 1000,
        **{
            f"{what}_{kind.name}": -1
            for kind in state.volume_types.values()
            for what in ("volumes", "gigabytes", "snapshots")
        },
        "groups": 10,
    }
    if call.query.get("usage", "").lower() == "true":
        used = _used(state)
        quota = {
            name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
            for name, limit in quota.items()
        }
    return Reply(200, {"quota_set": {**quota, "id": call.path["project"]}})


def _zones(_: State, __: Call) -> Reply:
    return Reply(200, {"availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": True}}]})


_VOLUMES = Table(
    path="/volumes",
    view=_show_volume,
    verbs="GET POST/GET",
    wanted=partial(_mine, "volumes"),
    create=_create_volume,
    missing="Volume {id} could not be found.",
    on_one={"PUT": partial(_update, "volumes"), "DELETE": _delete_volume},
    parts={"action": {"POST": _act}, **_METADATA_PARTS},
)
_SNAPSHOTS = Table(
    path="/snapshots",
    view=_show_snapshot,
    verbs="GET POST/GET",
    wanted=partial(_mine, "snapshots"),
    create=_create_snapshot,
    missing="Snapshot {id} could not be found.",
    on_one={"PUT": partial(_update, "snapshots"), "DELETE": _delete_snapshot},
    parts=_METADATA_PARTS,
)
_TYPES = Table(
    path="/types",
    many="volume_types",
    view=_show_type,
    verbs="GET/GET",
    missing="Volume type {id} could not be found.",
)

_PATHS: Routes = {
    "/volumes/detail": {"GET": partial(_listed, "volumes", _show_volume)},
    "/snapshots/detail": {"GET": partial(_listed, "snapshots", _show_snapshot)},
    "/types/default": {"GET": _default_type},
    **routes_of(_VOLUMES, _SNAPSHOTS, _TYPES),
    "/limits": {"GET": _limits},
    "/os-quota-sets/{project}": {"GET": _quota},
    "/os-availability-zone": {"GET": _zones},
}

_SHORT: dict[str, Callable[[Item], Json]] = {"/volumes": _name_of_volume, "/snapshots": _snapshot}
ROUTES: Routes = {
    f"/volume/v3{path}": (
        {**verbs, "GET": partial(_listed, path[1:], _SHORT[path])} if path in _SHORT else verbs
    )
    for path, verbs in _PATHS.items()
}
"""Every path of Cinder, with its methods and their handlers."""
