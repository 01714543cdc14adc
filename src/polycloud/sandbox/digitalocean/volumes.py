"""Volumes, their actions, and their snapshots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from polycloud.sandbox.digitalocean.dialect import DONE, Table
from polycloud.sandbox.digitalocean.orders import MOST_VOLUMES
from polycloud.sandbox.digitalocean.resources import (
    REGIONS,
    Action,
    Droplet,
    Volume,
    VolumeSnapshot,
    show_snapshot,
    show_volume,
)
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.digitalocean.tables import tag_names, with_actions
from polycloud.sandbox.rest.bodies import Body, matches
from polycloud.sandbox.rest.collection import Item, found, routes_of, without
from polycloud.sandbox.rest.replies import Call, ConflictError, InputError, NotFoundError, Reply, Routes
from polycloud.sandbox.rest.timeline import check_free

_LARGEST = 16384
_LABELS = {"": 0, "ext4": 16, "xfs": 12}
_check_name = matches(
    "[a-z][a-z0-9-]{0,63}",
    "Name must be lowercase, begin with a letter, and have at most 64 numbers, letters and dashes.",
)


def _named(state: State, name: str | None, region: str | None) -> list[Volume]:
    """Return the volumes of that name in that region; None matches all."""
    return [
        volume
        for volume in state.volumes.values()
        if name in {None, volume.name} and region in {None, volume.region.slug}
    ]


def _wanted(state: State, _: object, call: Call) -> list[Volume]:
    return _named(state, call.query.get("name"), call.query.get("region"))


def _only(volumes: list[Volume]) -> Volume:
    if not volumes:
        raise NotFoundError
    return volumes[0]


def _create(state: State, _: object, call: Call) -> Volume:
    body = call.body
    name = body.need("name", str)
    _check_name("name", name)
    region, size = _place(state, body)
    kind, label = _filesystem(body)
    if _named(state, name, region.slug):
        raise ConflictError("A volume of this name already exists in this region.")
    volume = Volume(
        **state.identity(),
        name=name,
        region=region,
        size_gigabytes=size,
        description=body.get("description", str) or "",
        filesystem_type=kind,
        filesystem_label=label,
        tags=state.canonical_tags(tag_names(body)),
    )
    state.volumes[volume.id] = volume
    return volume


def _place(state: State, body: Body) -> tuple[Item, int]:
    """Return a new volume's region and size, which a snapshot or the body gives."""
    snapshot_id = body.get("snapshot_id", str)
    if snapshot_id:
        snapshot = found(state.volume_snapshots, snapshot_id)
        return snapshot.region, _checked_size(max(body.get("size_gigabytes", int) or 0, snapshot.size))
    region = REGIONS.get(body.need("region", str))
    if region is None or "storage" not in region.features:
        raise InputError("You specified an invalid region for a volume.")
    return region, _checked_size(body.need("size_gigabytes", int))


def _checked_size(gigabytes: int) -> int:
    if not 1 <= gigabytes <= _LARGEST:
        raise InputError(f"Size must be from 1 to {_LARGEST} GiB.")
    return gigabytes


def _filesystem(body: Body) -> tuple[str, str]:
    kind, label = body.get("filesystem_type", str) or "", body.get("filesystem_label", str) or ""
    if kind not in _LABELS:
        raise InputError("filesystem_type must be ext4 or xfs.")
    if len(label) > _LABELS[kind]:
        raise InputError(f"filesystem_label must have at most {_LABELS[kind]} characters.")
    return kind, label


def _delete_named(state: State, _: object, call: Call) -> Reply:
    if not (call.query.get("name") and call.query.get("region")):
        raise InputError("name and region are required.")
    volume = _only(_named(state, call.query["name"], call.query["region"]))
    _remove(state, volume)
    del state.volumes[volume.id]
    return DONE


def _remove(_: State, volume: Volume, __: object = None) -> None:
    if volume.droplet:
        raise ConflictError("attached volume cannot be deleted")
    check_free(volume)


# Actions


def _post_named(state: State, call: Call) -> Reply:
    volume = _only(_named(state, call.body.need("volume_name", str), call.body.need("region", str)))
    reply: Reply = _PARTS["actions"]["POST"](state, volume, call)
    return reply


def _check_region(volume: Volume, body: Body) -> None:
    if (body.get("region", str) or volume.region.slug) != volume.region.slug:
        raise InputError("The volume is not in this region.")


def _attach(state: State, volume: Volume, body: Body) -> Action:
    _check_region(volume, body)
    droplet = state.droplet(body.need("droplet_id", int))
    if volume.droplet:
        raise InputError(f"Volume is already attached to Droplet {volume.droplet.id}.")
    if droplet.region is not volume.region:
        raise InputError("Droplet and volume must be in the same region.")
    if len(droplet.volume_ids) >= MOST_VOLUMES:
        raise InputError(f"Droplet already has {MOST_VOLUMES} volumes.")

    def effect() -> None:
        volume.droplet = droplet
        volume.tags = tuple(dict.fromkeys((*volume.tags, *tags)))
        droplet.volume_ids = (*droplet.volume_ids, volume.id)

    tags = state.canonical_tags(tag_names(body))
    return _begin(state, "attach_volume", volume, effect, droplet)


def _detach(state: State, volume: Volume, body: Body) -> Action:
    _check_region(volume, body)
    droplet = volume.droplet
    if droplet is None or droplet.id != body.need("droplet_id", int):
        raise InputError("Attachment not found")

    def effect() -> None:
        volume.droplet = None
        droplet.volume_ids = without(droplet.volume_ids, volume.id)

    return _begin(state, "detach_volume", volume, effect, droplet)


def _resize(state: State, volume: Volume, body: Body) -> Action:
    _check_region(volume, body)
    size = _checked_size(body.need("size_gigabytes", int))
    if size <= volume.size_gigabytes:
        raise InputError("A volume can only become larger.")
    return _begin(state, "resize_volume", volume, partial(setattr, volume, "size_gigabytes", size))


def _begin(
    state: State, type: str, volume: Volume, effect: Callable[[], object], *droplets: Droplet
) -> Action:
    return state.begin(type, state.knobs.attach, volume, effect, also_locks=droplets)


_ACTIONS = {"attach": _attach, "detach": _detach, "resize": _resize}
_PARTS = with_actions("volume", _ACTIONS, status=202)


# Snapshots


def _create_snapshot(state: State, volume: Volume, call: Call) -> VolumeSnapshot:
    name = call.body.need("name", str)
    if any(snapshot.name == name for snapshot in state.volume_snapshots.values()):
        raise ConflictError("A snapshot of this name already exists.")
    snapshot = VolumeSnapshot(
        **state.identity(),
        name=name,
        volume=volume.id,
        region=volume.region,
        size=volume.size_gigabytes,
        tags=state.canonical_tags(tag_names(call.body)),
    )
    state.volume_snapshots[snapshot.id] = snapshot
    return snapshot


_VOLUMES = Table(
    path="/volumes",
    key="volume",
    items="volumes",
    one="volume",
    many="volumes",
    verbs="GET POST/GET DELETE",
    view=show_volume,
    wanted=_wanted,
    create=_create,
    remove=_remove,
    on_all={"DELETE": _delete_named},
    parts=_PARTS,
)
_SNAPSHOTS = Table(
    path="/volumes/snapshots",
    key="snapshot",
    items="volume_snapshots",
    one="snapshot",
    many="snapshots",
    verbs="/GET DELETE",
    view=show_snapshot,
)
_OF_VOLUME = Table(
    owner=_VOLUMES,
    path="/snapshots",
    one="snapshot",
    many="snapshots",
    verbs="GET POST",
    view=show_snapshot,
    wanted=lambda state, volume, _: [
        snapshot for snapshot in state.volume_snapshots.values() if snapshot.volume == volume.id
    ],
    create=_create_snapshot,
)

ROUTES: Routes = {
    "/volumes/actions": {"POST": _post_named},
    **routes_of(_SNAPSHOTS, _VOLUMES, _OF_VOLUME),
}
