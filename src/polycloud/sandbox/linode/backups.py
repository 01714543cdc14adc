"""Backups: the service, snapshots, and bringing them back."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode import views
from polycloud.sandbox.linode.calls import DONE, Call, Reply, Routes
from polycloud.sandbox.linode.errors import InputError, NotFoundError
from polycloud.sandbox.linode.inputs import check_length
from polycloud.sandbox.linode.power import boot_again, change
from polycloud.sandbox.linode.resources import Backup, Linode
from polycloud.sandbox.linode.state import State, check_free, settle

_LONGEST_LABEL = 255


def start_backups(linode: Linode) -> None:
    """Let a Linode have backups, at times that will be chosen."""
    linode.backups_enabled = True
    linode.schedule = ("Scheduling", "Scheduling")


def _linode(state: State, call: Call) -> Linode:
    return state.linode(call.path["linode"])


def _enable(state: State, call: Call) -> Reply:
    linode = _linode(state, call)
    if linode.backups_enabled:
        raise InputError("Backups are already enabled for this Linode.")
    start_backups(linode)
    state.note("backups_enable", linode, noun="backups")
    return DONE


def _cancel(state: State, call: Call) -> Reply:
    linode = _enabled(state, call)
    check_free(linode)
    linode.backups_enabled, linode.backups, linode.schedule = False, [], (None, None)
    state.note("backups_cancel", linode, noun="backups")
    return DONE


def _enabled(state: State, call: Call) -> Linode:
    linode = _linode(state, call)
    if not linode.backups_enabled:
        raise InputError("Backups are not enabled for this Linode.")
    return linode


def _list(state: State, call: Call) -> Reply:
    linode = _linode(state, call)
    current = in_progress = None
    for backup in linode.backups:
        if backup.status == "successful":
            current = views.backup(backup)
        elif backup.status == "pending":
            in_progress = views.backup(backup)
    # A sandbox takes none by itself.
    return Reply({"automatic": [], "snapshot": {"current": current, "in_progress": in_progress}})


def _snapshot(state: State, call: Call) -> Reply:
    linode = _enabled(state, call)
    label = call.body.need("label", str)
    check_length(label, 1, _LONGEST_LABEL, "label")
    check_free(linode)
    if not linode.disks:
        raise InputError("The Linode has no disks.")
    backup = Backup(
        id=state.new_id(),
        label=label,
        type="snapshot",
        region=linode.region,
        created=state.stamp(),
        updated=state.stamp(),
        finished=None,
        disks=tuple(linode.disks.values()),
        configs=tuple(linode.configs.values()),
    )
    linode.backups.append(backup)
    shown = views.backup(backup)
    keep, undo = partial(_keep, state, linode, backup), partial(linode.backups.remove, backup)
    change(state, linode, "linode_snapshot", state.knobs.copy, keep, undo=undo)
    return Reply(shown)


def _keep(state: State, linode: Linode, backup: Backup) -> None:
    """End a snapshot, which takes the place of the one before."""
    backup.status, backup.finished, backup.updated = "successful", state.stamp(), state.stamp()
    linode.backups = [backup]


def _backup(linode: Linode, id: int) -> Backup:
    for backup in linode.backups:
        if backup.id == id:
            return backup
    raise NotFoundError


def _get(state: State, call: Call) -> Reply:
    return Reply(views.backup(_backup(_linode(state, call), call.path["backup"])))


def _restore(state: State, call: Call) -> Reply:
    backup = _backup(_linode(state, call), call.path["backup"])
    target = state.linodes.get(call.body.need("linode_id", int))
    overwrites = call.body.flag("overwrite")
    if target is None:
        raise InputError("linode_id is not valid", "linode_id")
    if backup.status != "successful":
        raise InputError("The backup is not available.")
    if target.region is not backup.region:
        raise InputError("Backups cannot be restored in another region.", "linode_id")
    check_free(target)
    used = 0 if overwrites else target.used_disk
    if used + sum(disk.size for disk in backup.disks) > target.type.disk:
        raise InputError("Insufficient space on the target Linode.", "linode_id")
    was = target.status

    def finish() -> None:
        if overwrites:
            state.remove_machine(target)
            target.disks, target.configs, target.last_config = {}, {}, None
        state.copy(target, backup.disks, backup.configs)
        settle(target)
        if overwrites:
            boot_again(state, target, was)
        else:
            target.status = was

    change(state, target, "backups_restore", state.knobs.copy, finish, during="restoring", noun="backups")
    return DONE


_ONE = "/linode/instances/{linode:int}/backups"

ROUTES: Routes = {
    _ONE: {"GET": _list, "POST": _snapshot},
    f"{_ONE}/enable": {"POST": _enable},
    f"{_ONE}/cancel": {"POST": _cancel},
    f"{_ONE}/{{backup:int}}": {"GET": _get},
    f"{_ONE}/{{backup:int}}/restore": {"POST": _restore},
}
