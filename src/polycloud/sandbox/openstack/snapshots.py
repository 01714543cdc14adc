"""Cinder: snapshots of volumes."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.openstack.dialect import ACCEPTED, Table, envelope, texts
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.openstack.storage import (
    METADATA_PARTS,
    mine,
    mine_or_missing,
    need_uuid,
    rename,
    settle,
)
from polycloud.sandbox.rest.collection import Item, show
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Json, Reply

show_short_snapshot = show("id created_at updated_at name description volume_id status size metadata")


def show_snapshot(snapshot: Item) -> Json:
    """Render a snapshot."""
    shown: Json = {
        **show_short_snapshot(snapshot),
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
    need_uuid("volume_id", volume_id)
    volume = mine_or_missing(state, state.volumes, volume_id, "Volume")
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
    effect, undo = partial(settle, state, snapshot), partial(settle, state, snapshot, "error")
    state.begin("create_snapshot", state.settings.attach, snapshot, effect, undo=undo)
    return Reply(202, {"snapshot": {**show_short_snapshot(snapshot), "status": "creating"}})


def _delete_snapshot(state: State, snapshot: Item, _: Call) -> Reply:
    if snapshot.status not in {"available", "error"}:
        raise InputError(
            "Invalid snapshot: Snapshot status must be available or error, and it must not be part of a "
            "group."
        )
    snapshot.status = "deleting"
    state.begin("delete_snapshot", state.settings.attach, snapshot, partial(state.snapshots.pop, snapshot.id))
    return ACCEPTED


SNAPSHOTS = Table(
    path="/snapshots",
    view=show_snapshot,
    verbs="GET POST/GET",
    wanted=partial(mine, "snapshots"),
    create=_create_snapshot,
    missing="Snapshot {id} could not be found.",
    on_one={"PUT": partial(rename, "snapshot", show_short_snapshot), "DELETE": _delete_snapshot},
    parts=METADATA_PARTS,
)
