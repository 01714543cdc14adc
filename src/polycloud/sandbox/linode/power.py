"""What Linodes go through: each is checked at once and takes effect when its time has passed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from polycloud.sandbox.linode.calls import DONE, Call, Reply
from polycloud.sandbox.linode.errors import InputError
from polycloud.sandbox.linode.inputs import Body
from polycloud.sandbox.linode.resources import Config, Linode, Lockable, Subject
from polycloud.sandbox.linode.state import State, check_free

Effect = Callable[[], object]


def change(
    state: State,
    linode: Linode,
    action: str,
    seconds: float,
    effect: Effect,
    *,
    during: str | None = None,
    start: Effect | None = None,
    undo: Effect = lambda: None,
    secondary: Subject | None = None,
    also_locks: Iterable[Lockable] = (),
    noun: str = "",
) -> None:
    """Let a Linode go through something; BusyError if it goes through something else.

    Args:
        state: the account.
        linode: which.
        action: what the API calls it.
        seconds: how long it takes.
        effect: what is done at the end.
        during: its status meanwhile, from which it comes back by itself where it fails.
        start: what is begun now behind the scenes, unless it will fail.
        undo: what is done at the end in place of the effect, if it fails.
        secondary: what else it is about.
        also_locks: what else takes nothing meanwhile.
        noun: what the event calls the Linode.
    """
    locks = (linode, *also_locks)
    check_free(*locks)
    before = linode.status
    if during:
        linode.status = during

    def finish() -> None:
        linode.updated = state.stamp()
        effect()

    def fail() -> None:
        linode.status = before
        undo()

    state.begin(
        action, seconds, linode, finish, locks=locks, undo=fail, secondary=secondary, noun=noun, start=start
    )


def choose_config(linode: Linode, id: int | None) -> Config:
    """The configuration of that id, the only one, or the last that was booted; else InputError."""
    if id is None and len(linode.configs) == 1:
        return next(iter(linode.configs.values()))
    config = linode.configs.get(linode.last_config or 0 if id is None else id)
    if config is None:
        reason = "config_id is not valid" if id else "A configuration profile must be chosen."
        raise InputError(reason, "config_id")
    return config


def boot_linode(
    state: State, linode: Linode, config: Config, *, reboots: bool = False, seconds: float | None = None
) -> None:
    """Boot a Linode, or stop and boot it."""
    seconds = state.knobs.boot if seconds is None else seconds
    disk = linode.disks.get(config.root_disk or 0)

    def start() -> None:
        state.prepare_machine(linode, disk)
        if linode.machine and reboots:
            linode.machine.restart(seconds)
        elif linode.machine:
            linode.machine.start(seconds)

    def finish() -> None:
        linode.status, linode.last_config = "running", config.id

    action, during = ("linode_reboot", "rebooting") if reboots else ("linode_boot", "booting")
    change(state, linode, action, seconds, finish, during=during, start=start)


def boot_again(state: State, linode: Linode, was: str) -> None:
    """Let a Linode be as it was before something stopped it: boot it, or leave it off."""
    linode.status = "offline"
    # The last one that was booted may be gone.
    config = linode.configs.get(linode.last_config or 0) or next(iter(linode.configs.values()), None)
    if was == "running" and config:
        boot_linode(state, linode, config)


def stop_machine(linode: Linode) -> None:
    """Turn off what is behind a Linode."""
    if linode.machine:
        linode.machine.stop()


# Handlers


def _linode(state: State, call: Call) -> Linode:
    linode = state.linode(call.path["linode"])
    check_free(linode)
    return linode


def boot(state: State, call: Call) -> Reply:
    """Boot a Linode that is off."""
    linode = _linode(state, call)
    if linode.status != "offline":
        raise InputError(f"Linode {linode.id} already booted.")
    boot_linode(state, linode, _config(linode, call.body))
    return DONE


def reboot(state: State, call: Call) -> Reply:
    """Reboot a Linode that is on."""
    linode = _linode(state, call)
    if linode.status != "running":
        raise InputError(f"Linode {linode.id} is not running.")
    wanted = call.body.get("config_id", int) or linode.last_config
    boot_linode(state, linode, choose_config(linode, wanted), reboots=True, seconds=state.knobs.power)
    return DONE


def shutdown(state: State, call: Call) -> Reply:
    """Turn off a Linode that is on."""
    linode = _linode(state, call)
    if linode.status != "running":
        raise InputError(f"Linode {linode.id} is not running.")
    effect = partial(setattr, linode, "status", "offline")
    start = partial(stop_machine, linode)
    change(state, linode, "linode_shutdown", state.knobs.power, effect, during="shutting_down", start=start)
    return DONE


def _config(linode: Linode, body: Body) -> Config:
    return choose_config(linode, body.get("config_id", int))
