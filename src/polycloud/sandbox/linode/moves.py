"""Rebuilding, resizing, cloning and migrating Linodes, and new passwords."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from polycloud.sandbox.linode.orders import (
    Extras,
    check_limit,
    check_space,
    check_type,
    read_deploy,
    read_label,
    read_password,
    read_region,
    read_type,
    read_user_data,
)
from polycloud.sandbox.linode.power import boot_again, change, stop_machine
from polycloud.sandbox.linode.resources import Config, Disk, Linode, show_linode
from polycloud.sandbox.linode.state import SWAP, State, settle
from polycloud.sandbox.rest.bodies import Body, together
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Reply
from polycloud.sandbox.rest.timeline import check_free

_MIGRATIONS = ("cold", "warm")
_TOO_LARGE = (
    "Linode has allocated more disk than the new service plan allows. Delete or resize disks smaller."
)


# Rebuilding


def rebuild(state: State, linode: Linode, call: Call) -> Reply:
    """Replace the disks and configurations of a Linode by those of an image."""
    check_free(linode)
    body = call.body
    deploy = read_deploy(state, body, required=True)
    assert deploy
    plan = read_type(body) if "type" in body else linode.type
    check_type(plan, linode.region)
    check_space(plan, deploy.image.size + SWAP)
    boots = body.flag("booted", default=True)

    def start() -> None:
        state.remove_machine(linode)
        linode.disks, linode.configs, linode.last_config = {}, {}, None
        linode.type, linode.image, linode.has_user_data = plan, deploy.image, deploy.has_user_data
        state.install(linode, deploy.image, deploy.access, SWAP)

    def finish() -> None:
        settle(linode)
        boot_again(state, linode, "running" if boots else "offline")

    change(
        state,
        linode,
        "linode_rebuild",
        finish,
        start=start,
        secondary=deploy.image,
    )
    return Reply(200, show_linode(linode))


# Resizing


def resize(state: State, linode: Linode, call: Call) -> None:
    """Change the type of a Linode."""
    check_free(linode)
    body = call.body
    plan = read_type(body)
    check_type(plan, linode.region)
    warm = body.choice("migration_type", _MIGRATIONS, "cold") == "warm"
    if plan is linode.type:
        raise InputError("Linode is already running this service plan.", "type")
    main = _growing_disk(linode) if body.flag("allow_auto_disk_resize", default=True) else None
    rest = linode.used_disk - main.size if main else linode.used_disk
    if rest + (main.least if main else 0) > plan.disk:
        raise InputError(_TOO_LARGE)
    was = linode.status

    def finish() -> None:
        linode.type = plan
        if main:
            main.size = plan.disk - rest
        if warm:
            linode.status = was
        else:
            boot_again(state, linode, was)

    start = None if warm else partial(stop_machine, linode)
    change(state, linode, "linode_resize", finish, start=start)


def _growing_disk(linode: Linode) -> Disk | None:
    """Return the one disk, beside swap, whose size follows the type's."""
    disks = [disk for disk in linode.disks.values() if disk.filesystem != "swap"]
    return disks[0] if len(disks) == 1 and disks[0].filesystem in {"ext3", "ext4"} else None


# Migrating


def migrate(state: State, linode: Linode, call: Call) -> None:
    """Move a Linode to another region, where it has new addresses."""
    check_free(linode)
    body = call.body
    if "region" not in body:
        raise InputError("There is no pending migration for this Linode.")
    region = read_region(body)
    if region is linode.region:
        raise InputError("The Linode is in this region already.", "region")
    if body.choice("type", _MIGRATIONS, "cold") == "warm" or body.flag("upgrade"):
        raise InputError("This is not available for migrations to another region.", "type")
    check_type(linode.type, region)
    if any(volume.linode is linode for volume in state.volumes.values()):
        raise InputError("Volumes must be detached before a migration to another region.")
    was = linode.status

    def finish() -> None:
        state.remove_machine(linode)
        linode.region, old = region, linode.addresses
        linode.addresses = []
        for address in old:
            if address.public:
                state.add_public(linode, address.pool)
            else:
                state.add_private(linode)
            address.pool.give(address.ip)
        boot_again(state, linode, was)

    change(
        state,
        linode,
        "linode_migrate_datacenter",
        finish,
        start=partial(stop_machine, linode),
    )


# Cloning


def clone(state: State, source: Linode, call: Call) -> Reply:
    """Copy disks and configurations of a Linode to another, which may be new."""
    check_free(source)
    body = call.body
    configs, disks = _chosen(source, body)
    needed = sum(disk.size for disk in disks)
    if "linode_id" in body:
        target = _existing_target(state, source, body, needed)
    else:
        target = _new_target(state, source, body, needed)
    was = source.status, "offline" if target.status == "provisioning" else target.status

    def end() -> None:
        source.status, target.status = was

    def finish() -> None:
        end()
        state.copy(target, disks, configs)
        target.image = target.image or source.image

    target.status = "cloning"
    change(
        state,
        source,
        "linode_clone",
        finish,
        undo=end,
        secondary=target,
        also_locks=(target,),
    )
    return Reply(200, show_linode(target))


def _chosen(source: Linode, body: Body) -> tuple[list[Config], list[Disk]]:
    """Return the configurations to copy, by default all, and their disks with those that are named."""
    ids = body.each("configs", int) if "configs" in body else list(source.configs)
    more = body.each("disks", int)
    if not source.configs.keys() >= set(ids):
        raise InputError("configs is not valid", "configs")
    if not source.disks.keys() >= set(more):
        raise InputError("disks is not valid", "disks")
    configs = [source.configs[number] for number in ids]
    used = {device.get("disk_id") for config in configs for device in config.devices.values()}
    return configs, [disk for disk in source.disks.values() if disk.id in used.union(more)]


def _existing_target(state: State, source: Linode, body: Body, needed: int) -> Linode:
    if source.has_user_data:
        raise InputError("A Linode with user data can only be cloned to a new one.", "linode_id")
    target = state.linodes.get(body.need("linode_id", int))
    if target is None or target is source:
        raise InputError("linode_id is not valid", "linode_id")
    check_free(target)
    if target.used_disk + needed > target.type.disk:
        raise InputError("Insufficient space on the target Linode.", "linode_id")
    return target


def _new_target(state: State, source: Linode, body: Body, needed: int) -> Linode:
    together(partial(read_type, body), partial(read_region, body), partial(read_label, state, body))
    plan, region = read_type(body), read_region(body)
    check_type(plan, region)
    check_space(plan, needed)
    has_user_data = read_user_data(body)
    if source.has_user_data and not has_user_data:
        raise InputError("user_data is required", "metadata.user_data")
    extras = Extras.read(body, source.group)
    check_limit(state)
    target = state.add_linode(
        read_label(state, body),
        plan,
        region,
        state.public_addresses,
        tags=source.tags,
        has_user_data=has_user_data,
    )
    extras.give(state, target)
    return target


# Passwords


def reset_password(state: State, linode: Linode, call: Call) -> None:
    """Set the password of the only disk with an image of a Linode that is off."""
    check_free(linode)
    disks = [disk for disk in linode.disks.values() if disk.filesystem != "swap"]
    if len(disks) != 1:
        raise InputError("The Linode has not exactly one disk: reset the password of a disk.")
    set_password(state, disks[0], read_password(call.body))


def set_password(state: State, disk: Disk, password: str) -> None:
    """Set the one password of what boots the disk. Raises InputError unless the Linode is off."""
    linode, access = disk.linode, disk.access
    if linode.status != "offline":
        raise InputError("The Linode must be powered off.")
    if access is None:
        raise InputError("The disk has no image whose password could be set.")

    def finish() -> None:
        disk.access = replace(access, passwords=(password,))
        if linode.machine and linode.machine_disk is disk:
            linode.machine.admit(disk.access)

    change(state, linode, "password_reset", finish)
