"""Volumes, their actions, and their snapshots."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from polycloud.sandbox.digitalocean import catalog, views
from polycloud.sandbox.digitalocean.account import get_action, list_actions
from polycloud.sandbox.digitalocean.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.digitalocean.errors import ConflictError, InputError, NotFoundError
from polycloud.sandbox.digitalocean.inputs import Body
from polycloud.sandbox.digitalocean.orders import MOST_VOLUMES
from polycloud.sandbox.digitalocean.resources import Action, Droplet, Volume, VolumeSnapshot
from polycloud.sandbox.digitalocean.state import State, check_unlocked, found, without
from polycloud.sandbox.digitalocean.tags import tag_names

_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
_LARGEST = 16384
_LABELS = {"": 0, "ext4": 16, "xfs": 12}


def _volume(state: State, call: Call) -> Volume:
    return found(state.volumes, call.path["volume"])


def _named(state: State, name: str | None, region: str | None) -> list[Volume]:
    """The volumes of that name in that region; None matches all."""
    return [
        volume
        for volume in state.volumes.values()
        if name in {None, volume.name} and region in {None, volume.region.slug}
    ]


def _list(state: State, call: Call) -> Listing:
    return Listing("volumes", _named(state, call.query.get("name"), call.query.get("region")), views.volume)


def _get(state: State, call: Call) -> Reply:
    return Reply(200, {"volume": views.volume(_volume(state, call))})


def _create(state: State, call: Call) -> Reply:
    body = call.body
    name = body.need("name", str)
    if not _NAME.fullmatch(name):
        raise InputError(
            "Name must be lowercase, begin with a letter, and have at most 64 numbers, letters and dashes."
        )
    region, size = _place(state, body)
    kind, label = _filesystem(body)
    if _named(state, name, region.slug):
        raise ConflictError("A volume of this name already exists in this region.")
    volume = Volume(
        id=state.new_uuid(),
        name=name,
        region=region,
        size_gigabytes=size,
        description=body.get("description", str) or "",
        created_at=state.stamp(),
        filesystem_type=kind,
        filesystem_label=label,
        tags=state.canonical_tags(tag_names(body)),
    )
    state.volumes[volume.id] = volume
    return Reply(201, {"volume": views.volume(volume)})


def _place(state: State, body: Body) -> tuple[catalog.Region, int]:
    """Where a new volume will be, and how large: a snapshot says both, or the body."""
    snapshot_id = body.get("snapshot_id", str)
    if snapshot_id:
        snapshot = found(state.volume_snapshots, snapshot_id)
        size = max(body.get("size_gigabytes", int) or 0, snapshot.size_gigabytes)
        return snapshot.region, _checked_size(size)
    region = catalog.REGIONS.get(body.need("region", str))
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


def _delete(state: State, call: Call) -> Reply:
    _remove(state, _volume(state, call))
    return DONE


def _delete_named(state: State, call: Call) -> Reply:
    if not (call.query.get("name") and call.query.get("region")):
        raise InputError("name and region are required.")
    volumes = _named(state, call.query["name"], call.query["region"])
    if not volumes:
        raise NotFoundError
    _remove(state, volumes[0])
    return DONE


def _remove(state: State, volume: Volume) -> None:
    if volume.droplet:
        raise ConflictError("attached volume cannot be deleted")
    check_unlocked([volume])
    del state.volumes[volume.id]


# Actions


def _post_action(state: State, call: Call) -> Reply:
    return _act(state, _volume(state, call), call.body)


def _post_action_named(state: State, call: Call) -> Reply:
    volumes = _named(state, call.body.need("volume_name", str), call.body.need("region", str))
    if not volumes:
        raise NotFoundError
    return _act(state, volumes[0], call.body)


def _act(state: State, volume: Volume, body: Body) -> Reply:
    verb = body.need("type", str)
    if verb not in _ACTIONS:
        raise InputError(f"{verb} is not a valid volume action.")
    if (body.get("region", str) or volume.region.slug) != volume.region.slug:
        raise InputError("The volume is not in this region.")
    return Reply(202, {"action": views.action(state, _ACTIONS[verb](state, volume, body))})


def _attach(state: State, volume: Volume, body: Body) -> Action:
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
    droplet = volume.droplet
    if droplet is None or droplet.id != body.need("droplet_id", int):
        raise InputError("Attachment not found")

    def effect() -> None:
        volume.droplet = None
        droplet.volume_ids = without(droplet.volume_ids, volume.id)

    return _begin(state, "detach_volume", volume, effect, droplet)


def _resize(state: State, volume: Volume, body: Body) -> Action:
    size = _checked_size(body.need("size_gigabytes", int))
    if size <= volume.size_gigabytes:
        raise InputError("A volume can only become larger.")
    effect = partial(setattr, volume, "size_gigabytes", size)
    return _begin(state, "resize_volume", volume, effect)


def _begin(
    state: State, type: str, volume: Volume, effect: Callable[[], object], *droplets: Droplet
) -> Action:
    return state.begin(type, state.knobs.attach, volume, volume.region, effect, also_locks=droplets)


_ACTIONS = {"attach": _attach, "detach": _detach, "resize": _resize}


def _list_actions(state: State, call: Call) -> Listing:
    return list_actions(state, _volume(state, call))


def _get_action(state: State, call: Call) -> Reply:
    return get_action(state, call.path["action"], _volume(state, call))


# Snapshots


def _list_snapshots(state: State, call: Call) -> Listing:
    volume = _volume(state, call)
    snapshots = [snapshot for snapshot in state.volume_snapshots.values() if snapshot.volume == volume.id]
    return Listing("snapshots", snapshots, views.snapshot)


def _create_snapshot(state: State, call: Call) -> Reply:
    volume = _volume(state, call)
    name = call.body.need("name", str)
    if any(snapshot.name == name for snapshot in state.volume_snapshots.values()):
        raise ConflictError("A snapshot of this name already exists.")
    snapshot = VolumeSnapshot(
        id=state.new_uuid(),
        name=name,
        volume=volume.id,
        region=volume.region,
        size_gigabytes=volume.size_gigabytes,
        created_at=state.stamp(),
        tags=state.canonical_tags(tag_names(call.body)),
    )
    state.volume_snapshots[snapshot.id] = snapshot
    return Reply(201, {"snapshot": views.snapshot(snapshot)})


def _get_snapshot(state: State, call: Call) -> Reply:
    return Reply(200, {"snapshot": views.snapshot(found(state.volume_snapshots, call.path["snapshot"]))})


def _delete_snapshot(state: State, call: Call) -> Reply:
    del state.volume_snapshots[found(state.volume_snapshots, call.path["snapshot"]).id]
    return DONE


ROUTES: Routes = {
    "/volumes": {"GET": _list, "POST": _create, "DELETE": _delete_named},
    "/volumes/actions": {"POST": _post_action_named},
    "/volumes/snapshots/{snapshot}": {"GET": _get_snapshot, "DELETE": _delete_snapshot},
    "/volumes/{volume}": {"GET": _get, "DELETE": _delete},
    "/volumes/{volume}/actions": {"GET": _list_actions, "POST": _post_action},
    "/volumes/{volume}/actions/{action:int}": {"GET": _get_action},
    "/volumes/{volume}/snapshots": {"GET": _list_snapshots, "POST": _create_snapshot},
}
