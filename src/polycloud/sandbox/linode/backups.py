"""Backups: the service, snapshots, and restoring them."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode.dialect import Table, dates
from polycloud.sandbox.linode.instances import INSTANCES
from polycloud.sandbox.linode.orders import start_backups
from polycloud.sandbox.linode.power import boot_again, change
from polycloud.sandbox.linode.resources import Linode, show_backup
from polycloud.sandbox.linode.state import State, settle
from polycloud.sandbox.rest.bodies import length
from polycloud.sandbox.rest.collection import Item, routes_of
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Reply, Routes
from polycloud.sandbox.rest.timeline import check_free


def _enable(state: State, linode: Linode, _: Call) -> None:
    if linode.backups_enabled:
        raise InputError("Backups are already enabled for this Linode.")
    start_backups(linode)
    state.note("backups_enable", linode, noun="backups")


def _cancel(state: State, linode: Linode, _: Call) -> None:
    _check_enabled(linode)
    check_free(linode)
    linode.backups_enabled, linode.backups, linode.schedule = False, {}, (None, None)
    state.note("backups_cancel", linode, noun="backups")


def _check_enabled(linode: Linode) -> None:
    if not linode.backups_enabled:
        raise InputError("Backups are not enabled for this Linode.")


def _list(_: State, linode: Linode, __: Call) -> Reply:
    by_status = {backup.status: show_backup(backup) for backup in linode.backups.values()}
    snapshot = {"current": by_status.get("successful"), "in_progress": by_status.get("pending")}
    # A sandbox takes none by itself.
    return Reply(200, {"automatic": [], "snapshot": snapshot})


def _snapshot(state: State, linode: Linode, call: Call) -> Reply:
    _check_enabled(linode)
    label = call.body.need("label", str)
    length(1, 255)("label", label)
    check_free(linode)
    if not linode.disks:
        raise InputError("The Linode has no disks.")
    backup = Item(
        id=state.new_number(),
        label=label,
        type="snapshot",
        region=linode.region,
        finished=None,
        disks=tuple(linode.disks.values()),
        configs=tuple(linode.configs.values()),
        status="pending",
        **dates(state),
    )
    linode.backups[backup.id] = backup
    shown = show_backup(backup)
    keep, undo = partial(_keep, state, linode, backup), partial(linode.backups.pop, backup.id)
    change(state, linode, "linode_snapshot", keep, undo=undo)
    return Reply(200, shown)


def _keep(state: State, linode: Linode, backup: Item) -> None:
    """End a snapshot, which replaces the one before."""
    backup.status, backup.finished, backup.updated = "successful", state.stamp(), state.stamp()
    linode.backups = {backup.id: backup}


def _restore(state: State, backup: Item, call: Call) -> None:
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

    change(state, target, "backups_restore", finish, noun="backups")


_BACKUPS = Table(
    owner=INSTANCES,
    path="/backups",
    verbs="POST/GET",
    view=show_backup,
    create=_snapshot,
    on_all={"GET": _list},
    actions={"restore": _restore},
)

ROUTES: Routes = routes_of(
    Table(owner=INSTANCES, path="/backups/enable", verbs="", on_all={"POST": _enable}),
    Table(owner=INSTANCES, path="/backups/cancel", verbs="", on_all={"POST": _cancel}),
    _BACKUPS,
)
