"""Volumes."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode import catalog, views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import InputError
from polycloud.sandbox.linode.inputs import Body, check_label
from polycloud.sandbox.linode.orders import read_region
from polycloud.sandbox.linode.power import Effect, choose_config
from polycloud.sandbox.linode.resources import Config, Linode, Volume
from polycloud.sandbox.linode.state import State, check_free, found

_SMALLEST, _LARGEST, _USUAL = 10, 10240, 20
_LONGEST_LABEL = 32


def _volume(state: State, call: Call) -> Volume:
    return found(state.volumes, call.path["volume"])


def _list(state: State, _: Call) -> Listing:
    return Listing(list(state.volumes.values()), views.volume, frozenset({"label", "tags"}))


def _list_types(_: State, __: Call) -> Listing:
    fields = frozenset({"label", "transfer", "price.hourly", "price.monthly"})
    return Listing([catalog.VOLUME_PRICE], views.volume_type, fields)


def _get(state: State, call: Call) -> Reply:
    return Reply(views.volume(_volume(state, call)))


def _label(state: State, body: Body, own: str | None = None) -> str:
    label = body.need("label", str)
    if label != own:
        check_label(label, 1, _LONGEST_LABEL, dots=False)
        if any(volume.label == label for volume in state.volumes.values()):
            raise InputError("Label must be unique among your volumes", "label")
    return label


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


def _create(state: State, call: Call) -> Reply:
    body = call.body
    label = _label(state, body)
    size = body.number("size", _SMALLEST, _LARGEST, _USUAL)
    encryption = body.choice("encryption", ("enabled", "disabled"), "disabled")
    target = _target(state, body) if "linode_id" in body else None
    region = target[0].region if target else read_region(body)
    if "region" in body and read_region(body) is not region:
        raise InputError("The Linode is in another region.", "region")
    if "Block Storage" not in region.capabilities:
        raise InputError("Volumes are not available in this region.", "region")
    volume = _add(state, label, region, size, state.use_tags(body.each("tags", str)), encryption)
    if target:
        linode, config = target
        volume.linode = linode
        if config:
            config.place("volume_id", volume.id)
    _begin_life(state, volume, "volume_create")
    return Reply(views.volume(volume))


def _add(
    state: State, label: str, region: catalog.Region, size: int, tags: tuple[str, ...], encryption: str
) -> Volume:
    volume = Volume(
        id=state.new_id(),
        label=label,
        region=region,
        size=size,
        created=state.stamp(),
        updated=state.stamp(),
        tags=tags,
        encryption=encryption,
    )
    state.volumes[volume.id] = volume
    return volume


def _begin_life(state: State, volume: Volume, action: str) -> None:
    def undo() -> None:
        del state.volumes[volume.id]
        _release(volume)

    _begin(state, volume, action, partial(setattr, volume, "status", "active"), undo)


def _release(volume: Volume) -> None:
    """Take a volume from its Linode."""
    linode, volume.linode = volume.linode, None
    for config in linode.configs.values() if linode else ():
        config.forget("volume_id", volume.id)


def _begin(state: State, volume: Volume, action: str, effect: Effect, undo: Effect) -> None:
    def finish() -> None:
        volume.updated = state.stamp()
        effect()

    state.begin(
        action, state.knobs.attach, volume, finish, locks=[volume], undo=undo, secondary=volume.linode
    )


def _update(state: State, call: Call) -> Reply:
    volume, body = _volume(state, call), call.body
    label = _label(state, body, volume.label) if "label" in body else volume.label
    if "tags" in body:
        volume.tags = state.use_tags(body.each("tags", str))
    volume.label, volume.updated = label, state.stamp()
    state.note("volume_update", volume)
    return Reply(views.volume(volume))


def _delete(state: State, call: Call) -> Reply:
    volume = _volume(state, call)
    check_free(volume)
    if volume.linode:
        raise InputError("Volume must be detached before it can be deleted.")
    del state.volumes[volume.id]
    state.note("volume_delete", volume)
    return DONE


def _attach(state: State, call: Call) -> Reply:
    volume = _volume(state, call)
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
        # It may have been deleted meanwhile.
        volume.linode = None if linode.status == "deleting" else linode

    # What is off has a volume at once.
    if linode.status == "offline":
        effect()
    _begin(state, volume, "volume_attach", effect, undo)
    return Reply(views.volume(volume))


def _detach(state: State, call: Call) -> Reply:
    volume = _volume(state, call)
    linode = volume.linode
    check_free(volume)
    if linode is None:
        raise InputError("Volume is not attached to a Linode.")
    effect = partial(_release, volume)
    if linode.status == "offline":
        state.note("volume_detach", volume, secondary=linode)
        effect()
    else:
        _begin(state, volume, "volume_detach", effect, lambda: None)
    return DONE


def _resize(state: State, call: Call) -> Reply:
    volume = _volume(state, call)
    size = call.body.number("size", _SMALLEST, _LARGEST)
    check_free(volume)
    if size <= volume.size:
        raise InputError("Volumes can only be resized up.", "size")

    def effect() -> None:
        volume.status, volume.size = "active", size

    volume.status = "resizing"
    _begin(state, volume, "volume_resize", effect, partial(setattr, volume, "status", "active"))
    return Reply(views.volume(volume))


def _clone(state: State, call: Call) -> Reply:
    volume = _volume(state, call)
    label = _label(state, call.body)
    check_free(volume)
    copy = _add(state, label, volume.region, volume.size, volume.tags, volume.encryption)
    _begin_life(state, copy, "volume_clone")
    return Reply(views.volume(copy))


_ONE = "/volumes/{volume:int}"

ROUTES: Routes = {
    "/volumes": {"GET": _list, "POST": _create},
    "/volumes/types": {"GET": _list_types},
    _ONE: {"GET": _get, "PUT": _update, "DELETE": _delete},
    f"{_ONE}/attach": {"POST": _attach},
    f"{_ONE}/detach": {"POST": _detach},
    f"{_ONE}/resize": {"POST": _resize},
    f"{_ONE}/clone": {"POST": _clone},
}
