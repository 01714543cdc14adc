"""The disks of a Linode."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode import views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import InputError
from polycloud.sandbox.linode.inputs import check_length
from polycloud.sandbox.linode.moves import set_password
from polycloud.sandbox.linode.orders import read_deploy, read_password
from polycloud.sandbox.linode.power import Effect, change
from polycloud.sandbox.linode.resources import Disk, Linode
from polycloud.sandbox.linode.state import State, check_free, found

_FILESYSTEMS = ("raw", "swap", "ext3", "ext4", "initrd")
_LONGEST_LABEL = 48
_MOST_DISKS = 50


def _linode(state: State, call: Call) -> Linode:
    return state.linode(call.path["linode"])


def _disk(state: State, call: Call) -> tuple[Linode, Disk]:
    linode = _linode(state, call)
    return linode, found(linode.disks, call.path["disk"])


def _list(state: State, call: Call) -> Listing:
    return Listing(list(_linode(state, call).disks.values()), views.disk, frozenset({"label", "size"}))


def _get(state: State, call: Call) -> Reply:
    return Reply(views.disk(_disk(state, call)[1]))


def _create(state: State, call: Call) -> Reply:
    linode, body = _linode(state, call), call.body
    check_free(linode)
    deploy = read_deploy(state, body)
    label = body.get("label", str) or (f"{deploy.image.label} Disk" if deploy else body.need("label", str))
    check_length(label, 1, _LONGEST_LABEL, "label")
    filesystem = body.choice("filesystem", _FILESYSTEMS, "ext4")
    size = body.number("size", deploy.image.size if deploy else 1, linode.type.disk)
    _check_room(linode, size)
    disk = state.add_disk(linode, label, size, filesystem)
    if deploy:
        disk.image, disk.access = deploy.image, deploy.access
    return _made(state, linode, disk, "disk_create")


def _clone(state: State, call: Call) -> Reply:
    linode, source = _disk(state, call)
    check_free(linode)
    _check_room(linode, source.size)
    disk = state.add_disk(linode, f"Copy of {source.label}"[:_LONGEST_LABEL], source.size, source.filesystem)
    disk.image, disk.access = source.image, source.access
    return _made(state, linode, disk, "disk_duplicate")


def _check_room(linode: Linode, size: int) -> None:
    if linode.used_disk + size > linode.type.disk:
        raise InputError("Insufficient space for this disk. Reduce its size, or resize other disks.", "size")
    if len(linode.disks) >= _MOST_DISKS:
        raise InputError(f"A Linode can have {_MOST_DISKS} disks at most.")


def _made(state: State, linode: Linode, disk: Disk, action: str) -> Reply:
    shown = views.disk(disk)
    undo = partial(linode.disks.pop, disk.id)
    _change(state, linode, action, partial(setattr, disk, "status", "ready"), undo)
    return Reply(shown)


def _change(state: State, linode: Linode, action: str, effect: Effect, undo: Effect) -> None:
    change(state, linode, action, state.knobs.copy, effect, undo=undo, noun="disks")


def _update(state: State, call: Call) -> Reply:
    linode, disk = _disk(state, call)
    label = call.body.get("label", str) or disk.label
    check_length(label, 1, _LONGEST_LABEL, "label")
    disk.label, disk.updated = label, state.stamp()
    state.note("disk_update", linode, noun="disks")
    return Reply(views.disk(disk))


def is_used(linode: Linode, disk: Disk) -> bool:
    """Whether a Linode is on with a configuration that has the disk."""
    config = linode.configs.get(linode.last_config or 0)
    used = any(device.get("disk_id") == disk.id for device in config.devices.values()) if config else False
    return used and linode.status != "offline"


def _delete(state: State, call: Call) -> Reply:
    linode, disk = _disk(state, call)
    check_free(linode)
    if is_used(linode, disk):
        raise InputError("The disk is in use: the Linode must be powered off.")

    def finish() -> None:
        del linode.disks[disk.id]
        for config in linode.configs.values():
            config.forget("disk_id", disk.id)
        if linode.machine_disk is disk:
            state.remove_machine(linode)

    disk.status = "deleting"
    _change(state, linode, "disk_delete", finish, partial(setattr, disk, "status", "ready"))
    return DONE


def _resize(state: State, call: Call) -> Reply:
    linode, disk = _disk(state, call)
    check_free(linode)
    size = call.body.number("size", 1, linode.type.disk - linode.used_disk + disk.size)
    used = is_used(linode, disk)
    if size < disk.least:
        raise InputError(f"The files on the disk need {disk.least} MB.", "size")

    def finish() -> None:
        disk.status, disk.size, disk.updated = "ready", size, state.stamp()

    if used:
        # The request succeeds, and the resize fails.
        state.begin("disk_resize", state.knobs.copy, linode, finish, locks=[linode], noun="disks", fails=True)
    else:
        disk.status = "not ready"
        _change(state, linode, "disk_resize", finish, partial(setattr, disk, "status", "ready"))
    return DONE


def _password(state: State, call: Call) -> Reply:
    linode, disk = _disk(state, call)
    check_free(linode)
    set_password(state, linode, disk, read_password(call.body, "password"))
    return DONE


_ALL = "/linode/instances/{linode:int}/disks"
_ONE = f"{_ALL}/{{disk:int}}"

ROUTES: Routes = {
    _ALL: {"GET": _list, "POST": _create},
    _ONE: {"GET": _get, "PUT": _update, "DELETE": _delete},
    f"{_ONE}/clone": {"POST": _clone},
    f"{_ONE}/password": {"POST": _password},
    f"{_ONE}/resize": {"POST": _resize},
}
