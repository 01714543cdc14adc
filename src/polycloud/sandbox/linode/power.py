"""Booting and stopping Linodes, and what all their events have in common."""

from __future__ import annotations

from functools import partial
from typing import Any

from polycloud.sandbox.linode.resources import Config, Linode
from polycloud.sandbox.linode.state import State
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call
from polycloud.sandbox.rest.timeline import Effect, check_free, nothing

_EVENTS: dict[str, tuple[str, str | None]] = {
    "linode_create": ("build", None),
    "linode_boot": ("boot", "booting"),
    "linode_reboot": ("power", "rebooting"),
    "linode_shutdown": ("power", "shutting_down"),
    "linode_rebuild": ("build", "rebuilding"),
    "linode_resize": ("copy", "migrating"),
    "linode_migrate_datacenter": ("copy", "migrating"),
    "linode_clone": ("copy", "cloning"),
    "linode_snapshot": ("copy", None),
    "backups_restore": ("copy", "restoring"),
    "password_reset": ("power", None),
    **dict.fromkeys(("disk_create", "disk_duplicate", "disk_delete", "disk_resize"), ("copy", None)),
}
"""The setting that holds an event's duration, and the Linode's status until it ends, if another."""


def change(
    state: State,
    linode: Linode,
    type: str,
    effect: Effect,
    *,
    undo: Effect = nothing,
    also_locks: tuple[Linode, ...] = (),
    **more: Any,
) -> None:
    """Begin an event of a Linode. Raises InputError if another one is under way.

    Args:
        state: the account.
        linode: which.
        type: the API's name for the event, one of `_EVENTS`.
        effect: called at the end.
        undo: called at the end instead, if the event fails; the Linode has its former status again.
        also_locks: other Linodes to lock.
        more: as for `State.begin`.
    """
    check_free(linode, *also_locks)
    setting, during = _EVENTS[type]
    before, linode.status = linode.status, during or linode.status

    def finish() -> None:
        linode.updated = state.stamp()
        effect()

    def fail() -> None:
        linode.status = before
        undo()

    seconds = getattr(state.settings, setting)
    state.begin(type, seconds, linode, finish, undo=fail, also_locks=also_locks, **more)


def choose_config(linode: Linode, id: int | None) -> Config:
    """Return the configuration of that id, the only one, or the last that was booted. Raises InputError."""
    if id is None and len(linode.configs) == 1:
        return next(iter(linode.configs.values()))
    config = linode.configs.get(linode.last_config or 0 if id is None else id)
    if config is None:
        reason = "config_id is not valid" if id else "A configuration profile must be chosen."
        raise InputError(reason, "config_id")
    return config


def boot_linode(state: State, linode: Linode, config: Config, *, reboots: bool = False) -> None:
    """Boot a Linode, or stop and boot it."""
    seconds = state.settings.power if reboots else state.settings.boot
    disk = linode.disks.get(config.root_disk or 0)

    def start() -> None:
        state.prepare_machine(linode, disk)
        if linode.machine and reboots:
            linode.machine.restart(seconds)
        elif linode.machine:
            linode.machine.start(seconds)

    def finish() -> None:
        linode.status, linode.last_config = "running", config.id

    change(state, linode, "linode_reboot" if reboots else "linode_boot", finish, start=start)


def boot_again(state: State, linode: Linode, was: str) -> None:
    """Return a Linode to its state before an event stopped it: boot it, or leave it off."""
    linode.status = "offline"
    # The last one that was booted may have been deleted.
    config = linode.configs.get(linode.last_config or 0) or next(iter(linode.configs.values()), None)
    if was == "running" and config:
        boot_linode(state, linode, config)


def stop_machine(linode: Linode) -> None:
    """Turn off a Linode's machine."""
    if linode.machine:
        linode.machine.stop()


# Handlers


def boot(state: State, linode: Linode, call: Call) -> None:
    """Boot a Linode that is off."""
    check_free(linode)
    if linode.status != "offline":
        raise InputError(f"Linode {linode.id} already booted.")
    boot_linode(state, linode, choose_config(linode, call.body.get("config_id", int)))


def reboot(state: State, linode: Linode, call: Call) -> None:
    """Reboot a Linode that is on."""
    _check_running(linode)
    wanted = call.body.get("config_id", int) or linode.last_config
    boot_linode(state, linode, choose_config(linode, wanted), reboots=True)


def shutdown(state: State, linode: Linode, _: Call) -> None:
    """Turn off a Linode that is on."""
    _check_running(linode)
    effect = partial(setattr, linode, "status", "offline")
    start = partial(stop_machine, linode)
    change(state, linode, "linode_shutdown", effect, start=start)


def _check_running(linode: Linode) -> None:
    check_free(linode)
    if linode.status != "running":
        raise InputError(f"Linode {linode.id} is not running.")
