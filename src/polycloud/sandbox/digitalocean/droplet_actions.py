"""Actions on droplets: each is checked at once and takes effect when its time has passed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from polycloud.sandbox.digitalocean.orders import check_fit, check_hostname, find_image
from polycloud.sandbox.digitalocean.resources import SIZES, Action, Droplet, Image
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.machines import Node
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import without
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.timeline import Effect, check_free

_WHEN_ON = "Droplet is currently off. Please turn it on to run this event."
_WHEN_OFF = "Droplet is currently on. Please power it off to run this event."
_BY_TAG = {
    "power_cycle",
    "power_on",
    "power_off",
    "shutdown",
    "enable_ipv6",
    "enable_backups",
    "disable_backups",
    "snapshot",
}
_DAY, _WINDOW = 24 * 3600, 4 * 3600


@dataclass(frozen=True)
class _Kind:
    """A type of action.

    Attributes:
        prepare: checks the request and returns the effect.
        duration: the setting that holds its duration.
        needs: the status in which it can be begun; None is any.
        machine: called on the droplet's machine at the start, with the duration.
    """

    prepare: Callable[[State, Droplet, Body], Effect]
    duration: str = "power"
    needs: str | None = None
    machine: Callable[[Node, float], object] | None = None


def _begin(verb: str, state: State, droplet: Droplet, body: Body) -> Action:
    kind = _KINDS[verb]
    check_free(droplet)
    if kind.needs and droplet.status != kind.needs:
        raise InputError(_WHEN_ON if kind.needs == "active" else _WHEN_OFF)
    effect = kind.prepare(state, droplet, body)
    seconds = getattr(state.settings, kind.duration)
    start = partial(kind.machine, droplet.machine, seconds) if kind.machine and droplet.machine else None
    return state.begin(verb, seconds, droplet, effect, start=start)


def begin_on_all(state: State, droplets: list[Droplet], body: Body) -> list[Action]:
    """Begin an action on each of these, or on none of them and raise InputError if one is locked."""
    verb = body.need("type", str)
    if verb not in _BY_TAG:
        raise InputError(f"{verb} is not a valid action for tagged Droplets.")
    check_free(*droplets)
    return [_begin(verb, state, droplet, body) for droplet in droplets]


def start_backups(state: State, droplet: Droplet) -> None:
    """Let a droplet have backups, of which the first is taken at once."""
    if "backups" not in droplet.features:
        droplet.features = (*droplet.features, "backups")
    start = state.now + _DAY
    droplet.next_backup = {"start": state.stamp(start), "end": state.stamp(start + _WINDOW)}
    backup = _copy(state, droplet, f"{droplet.name} {state.stamp()[:10]}", "backup")
    droplet.backup_ids = (*droplet.backup_ids, backup.id)


def _copy(state: State, droplet: Droplet, name: str, type: str) -> Image:
    image = Image(
        id=state.new_number(),
        name=name,
        distribution=droplet.image.distribution,
        regions=(droplet.region.slug,),
        created_at=state.stamp(),
        type=type,
        min_disk_size=droplet.disk,
        size_gigabytes=droplet.image.size_gigabytes,
        origin=droplet.id,
    )
    state.images[image.id] = image
    return image


def _stop(machine: Node, _: float) -> None:
    machine.stop()


def _remove(machine: Node, _: float) -> None:
    machine.remove()


# Effects


def _become(status: str, _: State, droplet: Droplet, __: Body) -> Effect:
    return partial(setattr, droplet, "status", status)


def _reset_password(_: State, droplet: Droplet, __: Body) -> Effect:
    return partial(setattr, droplet, "password", secrets.token_hex(12))


def _rename(_: State, droplet: Droplet, body: Body) -> Effect:
    name = body.need("name", str)
    check_hostname(name)
    return partial(setattr, droplet, "name", name)


def _snapshot(state: State, droplet: Droplet, body: Body) -> Effect:
    name = body.get("name", str) or f"{droplet.name}-{int(state.now * 1000)}"

    def effect() -> None:
        snapshot = _copy(state, droplet, name, "snapshot")
        droplet.snapshot_ids = (*droplet.snapshot_ids, snapshot.id)

    return effect


def _resize(_: State, droplet: Droplet, body: Body) -> Effect:
    size = SIZES.get(body.need("size", str))
    if size is None or not size.available:
        raise InputError("You specified an invalid size for Droplet resize.")
    if droplet.region.slug not in size.regions:
        raise InputError("Size is not available in this region.")
    if size.disk < droplet.disk:
        raise InputError("This size is not available because it has a smaller disk.")
    disk = size.disk if body.flag("disk") else droplet.disk
    if size is droplet.size and disk == droplet.disk:
        raise InputError("Droplet already has this size.")

    def effect() -> None:
        droplet.size, droplet.disk = size, disk

    return effect


def _rebuild(state: State, droplet: Droplet, body: Body) -> Effect:
    image = find_image(state, body.identifier("image") or "")
    if image is None or image.status != "available":
        raise InputError("You specified an invalid image for Droplet rebuild.")
    return _install(state, droplet, image)


def _restore(state: State, droplet: Droplet, body: Body) -> Effect:
    image = state.images.get(body.need("image", int))
    if image is None or image.origin != droplet.id:
        raise InputError("You specified an invalid image for Droplet restore.")
    return _install(state, droplet, image)


def _install(state: State, droplet: Droplet, image: Image) -> Effect:
    if droplet.region.slug not in image.regions:
        raise InputError("The image you specified is not available in this region.")
    check_fit(image, droplet.size)

    def effect() -> None:
        droplet.image, droplet.status = image, "active"
        if droplet.machine:
            # The old one has been removed, and with it all its files.
            state.add_machine(droplet)
            droplet.machine.start()

    return effect


def _enable_ipv6(_: State, droplet: Droplet, __: Body) -> Effect:
    features = tuple(dict.fromkeys((*droplet.features, "ipv6")))
    return partial(setattr, droplet, "features", features)


def _enable_backups(state: State, droplet: Droplet, _: Body) -> Effect:
    if "backups" in droplet.features:
        raise InputError("Backups are already enabled.")
    return partial(start_backups, state, droplet)


def _disable_backups(_: State, droplet: Droplet, __: Body) -> Effect:
    if "backups" not in droplet.features:
        raise InputError("Backups are not enabled.")

    def effect() -> None:
        droplet.features = without(droplet.features, "backups")
        droplet.next_backup = None

    return effect


_KINDS = {
    "power_on": _Kind(partial(_become, "active"), needs="off", machine=Node.start),
    "power_off": _Kind(partial(_become, "off"), needs="active", machine=_stop),
    "shutdown": _Kind(partial(_become, "off"), needs="active", machine=_stop),
    "reboot": _Kind(partial(_become, "active"), needs="active", machine=Node.restart),
    "power_cycle": _Kind(partial(_become, "active"), needs="active", machine=Node.restart),
    "password_reset": _Kind(_reset_password),
    "rename": _Kind(_rename),
    "snapshot": _Kind(_snapshot, duration="copy"),
    "resize": _Kind(_resize, duration="copy", needs="off"),
    "rebuild": _Kind(_rebuild, duration="build", machine=_remove),
    "restore": _Kind(_restore, duration="build", machine=_remove),
    "enable_ipv6": _Kind(_enable_ipv6),
    "enable_backups": _Kind(_enable_backups),
    "disable_backups": _Kind(_disable_backups),
}

BEGIN = {verb: partial(_begin, verb) for verb in _KINDS}
"""What begins an action, by its type."""
