"""Volumes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from polycloud.sandbox.linode.dialect import Table, dates, label_of
from polycloud.sandbox.linode.orders import read_region
from polycloud.sandbox.linode.power import choose_config
from polycloud.sandbox.linode.resources import Config, Linode, Volume, show_volume
from polycloud.sandbox.linode.state import State
from polycloud.sandbox.rest.bodies import Body, between, one_of
from polycloud.sandbox.rest.collection import Change, Field
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Reply, Routes
from polycloud.sandbox.rest.timeline import Effect, check_free, nothing

_SMALLEST, _LARGEST = 10, 10240


def _target(state: State, body: Body) -> tuple[Linode, Config | None]:
    """The Linode to attach to, and the configuration that will have the volume."""
    linode = state.linodes.get(body.need("linode_id", int))
    if linode is None or linode.status == "deleting":
        raise InputError("linode_id is not valid", "linode_id")
    if not body.flag("persist_across_boots", default=True):
        if "config_id" in body:
            raise InputError("config_id is only for volumes that persist across boots.", "config_id")
        return linode, None
    wanted = body.get("config_id", int)
    if not wanted and not linode.configs:
        return linode, None
    config = choose_config(linode, wanted)
    config.free_slot()
    return linode, config


def _check(change: Change) -> None:
    body, values = change.body, change.values
    if change.item:
        return
    linode = _target(change.state, body)[0] if "linode_id" in body else None
    region = linode.region if linode else read_region(body)
    if "region" in body and read_region(body) is not region:
        raise InputError("The Linode is in another region.", "region")
    if "Block Storage" not in region.capabilities:
        raise InputError("Volumes are not available in this region.", "region")
    values.update(region=region, linode=linode)


def _created(state: State, volume: Volume, change: Change) -> None:
    if change.item:
        return
    config = _target(state, change.body)[1] if volume.linode else None
    if config:
        config.place("volume_id", volume.id)
    _begin_life(state, volume, "volume_create")


def _begin_life(state: State, volume: Volume, type: str) -> None:
    def undo() -> None:
        del state.volumes[volume.id]
        _release(volume)

    _begin(state, volume, type, partial(setattr, volume, "status", "active"), undo)


def _release(volume: Volume) -> None:
    """Take a volume from its Linode."""
    linode, volume.linode = volume.linode, None
    for config in linode.configs.values() if linode else ():
        config.forget("volume_id", volume.id)


def _begin(state: State, volume: Volume, type: str, effect: Effect, undo: Effect = nothing) -> None:
    def finish() -> None:
        volume.updated = state.stamp()
        effect()

    state.begin(type, state.settings.attach, volume, finish, undo=undo, secondary=volume.linode)


def _remove(_: State, volume: Volume, __: object) -> None:
    check_free(volume)
    if volume.linode:
        raise InputError("Volume must be detached before it can be deleted.")


def _attach(state: State, volume: Volume, call: Call) -> Reply:
    linode, config = _target(state, call.body)
    check_free(volume)
    if volume.linode:
        raise InputError("Volume is already attached to a Linode.")
    if linode.region is not volume.region:
        raise InputError("Volume and Linode must be in the same region.", "linode_id")
    if config:
        config.place("volume_id", volume.id)

    def undo() -> None:
        volume.linode = linode
        _release(volume)

    def effect() -> None:
        # It may have been deleted since.
        volume.linode = None if linode.status == "deleting" else linode

    # A Linode that is off has the volume at once.
    if linode.status == "offline":
        effect()
    _begin(state, volume, "volume_attach", effect, undo)
    return Reply(200, show_volume(volume))


def _detach(state: State, volume: Volume, _: Call) -> None:
    linode = volume.linode
    check_free(volume)
    if linode is None:
        raise InputError("Volume is not attached to a Linode.")
    effect = partial(_release, volume)
    if linode.status == "offline":
        state.note("volume_detach", volume, secondary=linode)
        effect()
    else:
        _begin(state, volume, "volume_detach", effect)


def _resize(state: State, volume: Volume, call: Call) -> Reply:
    size = call.body.number("size", _SMALLEST, _LARGEST)
    check_free(volume)
    if size <= volume.size:
        raise InputError("Volumes can only be resized up.", "size")

    def effect() -> None:
        volume.status, volume.size = "active", size

    volume.status = "resizing"
    _begin(state, volume, "volume_resize", effect, partial(setattr, volume, "status", "active"))
    return Reply(200, show_volume(volume))


def _clone(state: State, volume: Volume, call: Call) -> Reply:
    label = VOLUMES.read("label", state, call.body)
    check_free(volume)
    copy = replace(volume, id=state.new_number(), label=label, linode=None, status="creating", **dates(state))
    state.volumes[copy.id] = copy
    _begin_life(state, copy, "volume_clone")
    return Reply(200, show_volume(copy))


VOLUMES = Table(
    path="/volumes",
    filters="label tags",
    view=show_volume,
    item_type=Volume,
    identity=dates,
    fields={
        "label": Field(
            needed=True,
            check=label_of(1, 32, dots=False),
            unique=partial(InputError, "Label must be unique among your volumes", "label"),
        ),
        "size": Field(kind=int, default=20, fixed=True, check=between(_SMALLEST, _LARGEST)),
        "encryption": Field(default="disabled", fixed=True, check=one_of("enabled", "disabled")),
        "tags": Field(each=str),
    },
    check=_check,
    changed=_created,
    remove=_remove,
    actions={"attach": _attach, "detach": _detach, "resize": _resize, "clone": _clone},
    events="- volume_update volume_delete",
)

ROUTES: Routes = VOLUMES.routes()
