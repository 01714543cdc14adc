"""The configurations of a Linode: what it boots."""

from __future__ import annotations

from polycloud.sandbox.linode.dialect import Table
from polycloud.sandbox.linode.instances import INSTANCES
from polycloud.sandbox.linode.resources import (
    HELPERS,
    KERNELS,
    LATEST_KERNEL,
    SLOTS,
    Config,
    Linode,
    show_config,
)
from polycloud.sandbox.linode.state import State
from polycloud.sandbox.rest.bodies import Body, between, length, one_of
from polycloud.sandbox.rest.collection import Change, Field
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Json, Routes


def _check(change: Change) -> None:
    body, linode, values = change.body, change.owner, change.values
    if "memory_limit" in values:
        between(0, linode.type.memory)("memory_limit", values["memory_limit"])
    if "devices" in body:
        values["devices"] = _devices(change.state, linode, body.part("devices"))
    helpers = body.part("helpers")
    given = {name: helpers.flag(name) for name in HELPERS if name in helpers}
    values["helpers"] = {**(change.item.helpers if change.item else {}), **given}


def _devices(state: State, linode: Linode, body: Body) -> dict[str, Json]:
    devices: dict[str, Json] = {}
    for slot in SLOTS:
        device = body.part(slot)
        disk, volume = device.get("disk_id", int), device.get("volume_id", int)
        if disk and volume:
            raise InputError("A device is either a disk or a volume.", f"devices.{slot}")
        if disk:
            if disk not in linode.disks:
                raise InputError("disk_id is not valid", f"devices.{slot}.disk_id")
            devices[slot] = {"disk_id": disk}
        elif volume:
            if volume not in state.volumes or state.volumes[volume].linode is not linode:
                raise InputError("volume_id is not valid", f"devices.{slot}.volume_id")
            devices[slot] = {"volume_id": volume}
    return devices


_CONFIGS = Table(
    owner=INSTANCES,
    path="/configs",
    filters="label",
    view=show_config,
    item_type=Config,
    fields={
        "label": Field(needed=True, check=length(1, 48)),
        "kernel": Field(default=LATEST_KERNEL, check=one_of(*KERNELS)),
        "comments": Field(default=""),
        "memory_limit": Field(kind=int, default=0),
        "run_level": Field(default="default", check=one_of("default", "single", "binbash")),
        "virt_mode": Field(default="paravirt", check=one_of("paravirt", "fullvirt")),
        "root_device": Field(default="/dev/sda"),
        "interfaces": Field(each=dict),
    },
    check=_check,
    events="linode_config_create linode_config_update linode_config_delete",
)

ROUTES: Routes = _CONFIGS.routes()
