"""Volumes, their actions, and their snapshots."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from polycloud.sandbox.digitalocean.dialect import Table
from polycloud.sandbox.digitalocean.orders import MOST_VOLUMES
from polycloud.sandbox.digitalocean.resources import (
    REGIONS,
    Action,
    Droplet,
    Volume,
    show_snapshot,
    show_volume,
)
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.digitalocean.tables import read_tags, with_actions
from polycloud.sandbox.rest.bodies import Body, matches
from polycloud.sandbox.rest.collection import Change, Field, found, routes_of, without
from polycloud.sandbox.rest.errors import ConflictError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Reply, Routes
from polycloud.sandbox.rest.timeline import check_free

_LARGEST = 16384
_LABELS = {"": 0, "ext4": 16, "xfs": 12}


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


def _check(change: Change) -> None:
    """Resolve a new volume's region and size, from a snapshot or the body, and its tags."""
    state, values = change.state, change.values
    slug, snapshot_id, size = values["region"], values.pop("snapshot_id"), values["size_gigabytes"]
    if snapshot_id:
        snapshot = found(state.volume_snapshots, snapshot_id)
        values["region"], size = snapshot.region, max(size or 0, snapshot.size)
    else:
        values["region"] = REGIONS.get(slug or change.body.need("region", str))
        size = change.body.need("size_gigabytes", int)
        if values["region"] is None or "storage" not in values["region"].features:
            raise InputError("You specified an invalid region for a volume.")
    values["size_gigabytes"] = _checked_size(size)
    if len(values["filesystem_label"]) > _LABELS[values["filesystem_type"]]:
        most = _LABELS[values["filesystem_type"]]
        raise InputError(f"filesystem_label must have at most {most} characters.")
    if _named(state, values["name"], values["region"].slug):
        raise ConflictError("A volume of this name already exists in this region.")
    values["tags"] = read_tags(state, change.body)


def _checked_size(gigabytes: int) -> int:
    if not 1 <= gigabytes <= _LARGEST:
        raise InputError(f"Size must be from 1 to {_LARGEST} GiB.")
    return gigabytes


def _delete_named(state: State, _: object, call: Call) -> None:
    if not (call.query.get("name") and call.query.get("region")):
        raise InputError("name and region are required.")
    volume = _only(_named(state, call.query["name"], call.query["region"]))
    _remove(state, volume)
    del state.volumes[volume.id]


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

    tags = read_tags(state, body)
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
    return state.begin(type, state.settings.attach, volume, effect, also_locks=droplets)


_ACTIONS = {"attach": _attach, "detach": _detach, "resize": _resize}
_PARTS = with_actions("volume", _ACTIONS, status=202)


# Snapshots


def _check_snapshot(change: Change) -> None:
    volume = change.owner
    fields = {"volume": volume.id, "region": volume.region, "size": volume.size_gigabytes}
    change.values.update(fields, tags=read_tags(change.state, change.body))


_VOLUMES = Table(
    path="/volumes",
    verbs="GET POST/GET DELETE",
    view=show_volume,
    wanted=_wanted,
    item_type=Volume,
    identity=State.identity,
    fields={
        "name": Field(
            needed=True,
            check=matches(
                "[a-z][a-z0-9-]{0,63}",
                "Name must be lowercase letters, numbers and dashes, at most 64, and begin with a letter.",
            ),
        ),
        "region": Field(),
        "size_gigabytes": Field(kind=int),
        "snapshot_id": Field(),
        "description": Field(default=""),
        "filesystem_type": Field(
            default="", check=matches("|".join(_LABELS), "filesystem_type must be ext4 or xfs.")
        ),
        "filesystem_label": Field(default=""),
    },
    check=_check,
    remove=_remove,
    on_all={"DELETE": _delete_named},
    parts=_PARTS,
)
_SNAPSHOTS = Table(
    path="/volumes/snapshots",
    items="volume_snapshots",
    verbs="/GET DELETE",
    view=show_snapshot,
)
_OF_VOLUME = Table(
    owner=_VOLUMES,
    path="/snapshots",
    verbs="GET POST",
    view=show_snapshot,
    items="volume_snapshots",
    of=lambda volume, snapshot: snapshot.volume == volume.id,
    identity=State.identity,
    fields={
        "name": Field(needed=True, unique=partial(ConflictError, "A snapshot of this name already exists."))
    },
    check=_check_snapshot,
)

ROUTES: Routes = {
    "/volumes/actions": {"POST": _post_named},
    **routes_of(_SNAPSHOTS, _VOLUMES, _OF_VOLUME),
}
