"""The disks of a Linode."""

from __future__ import annotations

from functools import partial
from typing import Any

from polycloud.sandbox.linode.dialect import Table
from polycloud.sandbox.linode.instances import INSTANCES
from polycloud.sandbox.linode.moves import set_password
from polycloud.sandbox.linode.orders import read_deploy, read_password
from polycloud.sandbox.linode.power import change
from polycloud.sandbox.linode.resources import Disk, Linode, show_disk
from polycloud.sandbox.linode.state import State
from polycloud.sandbox.rest.bodies import length
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Reply, Routes
from polycloud.sandbox.rest.timeline import Effect, check_free

_FILESYSTEMS = ("raw", "swap", "ext3", "ext4", "initrd")
_LONGEST_LABEL = 48
_MOST_DISKS = 50
_check_label = partial(length(1, _LONGEST_LABEL), "label")


def _create(state: State, linode: Linode, call: Call) -> Reply:
    body = call.body
    check_free(linode)
    deploy = read_deploy(state, body)
    label = body.get("label", str) or (f"{deploy.image.label} Disk" if deploy else body.need("label", str))
    _check_label(label)
    filesystem = body.choice("filesystem", _FILESYSTEMS, "ext4")
    size = body.number("size", deploy.image.size if deploy else 1, linode.type.disk)
    _check_room(linode, size)
    disk = state.add_disk(linode, label, size, filesystem)
    if deploy:
        disk.image, disk.access = deploy.image, deploy.access
    return _made(state, disk, "disk_create")


def _clone(state: State, source: Disk, _: Call) -> Reply:
    linode = source.linode
    check_free(linode)
    _check_room(linode, source.size)
    label = f"Copy of {source.label}"[:_LONGEST_LABEL]
    disk = state.add_disk(linode, label, source.size, source.filesystem)
    disk.image, disk.access = source.image, source.access
    return _made(state, disk, "disk_duplicate")


def _check_room(linode: Linode, size: int) -> None:
    if linode.used_disk + size > linode.type.disk:
        raise InputError("Insufficient space for this disk. Reduce its size, or resize other disks.", "size")
    if len(linode.disks) >= _MOST_DISKS:
        raise InputError(f"A Linode can have {_MOST_DISKS} disks at most.")


def _made(state: State, disk: Disk, type: str) -> Reply:
    shown = show_disk(disk)
    undo = partial(disk.linode.disks.pop, disk.id)
    _change(state, disk.linode, type, partial(setattr, disk, "status", "ready"), undo=undo)
    return Reply(200, shown)


def _change(state: State, linode: Linode, type: str, effect: Effect, **more: Any) -> None:
    change(state, linode, type, effect, noun="disks", **more)


def _update(state: State, disk: Disk, call: Call) -> Reply:
    label = call.body.get("label", str) or disk.label
    _check_label(label)
    disk.label, disk.updated = label, state.stamp()
    state.note("disk_update", disk.linode, noun="disks")
    return Reply(200, show_disk(disk))


def _is_used(disk: Disk) -> bool:
    """Return whether the Linode is on with a configuration that has the disk."""
    linode = disk.linode
    config = linode.configs.get(linode.last_config or 0)
    used = any(device.get("disk_id") == disk.id for device in config.devices.values()) if config else False
    return used and linode.status != "offline"


def _delete(state: State, disk: Disk, _: Call) -> None:
    linode = disk.linode
    check_free(linode)
    if _is_used(disk):
        raise InputError("The disk is in use: the Linode must be powered off.")

    def finish() -> None:
        del linode.disks[disk.id]
        for config in linode.configs.values():
            config.forget("disk_id", disk.id)
        if linode.machine_disk is disk:
            state.remove_machine(linode)

    disk.status = "deleting"
    _change(state, linode, "disk_delete", finish, undo=partial(setattr, disk, "status", "ready"))


def _resize(state: State, disk: Disk, call: Call) -> None:
    linode = disk.linode
    check_free(linode)
    size = call.body.number("size", 1, linode.type.disk - linode.used_disk + disk.size)
    if size < disk.least:
        raise InputError(f"The files on the disk need {disk.least} MB.", "size")
    # On a disk in use the request succeeds, and the resize fails.
    fails = _is_used(disk)

    def finish() -> None:
        disk.status, disk.size, disk.updated = "ready", size, state.stamp()

    disk.status = disk.status if fails else "not ready"
    undo = partial(setattr, disk, "status", "ready")
    _change(state, linode, "disk_resize", finish, undo=undo, fails=fails)


def _password(state: State, disk: Disk, call: Call) -> None:
    check_free(disk.linode)
    set_password(state, disk, read_password(call.body, "password"))


_DISKS = Table(
    owner=INSTANCES,
    path="/disks",
    verbs="GET POST/GET",
    filters="label size",
    view=show_disk,
    create=_create,
    on_one={"PUT": _update, "DELETE": _delete},
    actions={"clone": _clone, "password": _password, "resize": _resize},
)

ROUTES: Routes = _DISKS.routes()
