"""The configurations of a Linode: what it boots."""

from __future__ import annotations

from polycloud.sandbox.linode import catalog, views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import InputError
from polycloud.sandbox.linode.inputs import Body, check_length
from polycloud.sandbox.linode.resources import SLOTS, Config, Json, Linode
from polycloud.sandbox.linode.state import State, found

_LONGEST_LABEL = 48
_LEVELS = ("default", "single", "binbash")
_MODES = ("paravirt", "fullvirt")
_HELPERS = ("updatedb_disabled", "distro", "modules_dep", "network", "devtmpfs_automount")


def _linode(state: State, call: Call) -> Linode:
    return state.linode(call.path["linode"])


def _config(state: State, call: Call) -> tuple[Linode, Config]:
    linode = _linode(state, call)
    return linode, found(linode.configs, call.path["config"])


def _list(state: State, call: Call) -> Listing:
    return Listing(list(_linode(state, call).configs.values()), views.config, frozenset({"label"}))


def _get(state: State, call: Call) -> Reply:
    return Reply(views.config(_config(state, call)[1]))


def _create(state: State, call: Call) -> Reply:
    linode = _linode(state, call)
    config = Config(id=state.new_id(), label=call.body.need("label", str), kernel=catalog.LATEST_KERNEL)
    _fill(state, linode, config, call.body)
    linode.configs[config.id] = config
    state.note("linode_config_create", linode)
    return Reply(views.config(config))


def _update(state: State, call: Call) -> Reply:
    linode, config = _config(state, call)
    _fill(state, linode, config, call.body)
    state.note("linode_config_update", linode)
    return Reply(views.config(config))


def _fill(state: State, linode: Linode, config: Config, body: Body) -> None:
    """Let a configuration have what the body says; InputError, and no change, if it cannot."""
    label = body.get("label", str) or config.label
    check_length(label, 1, _LONGEST_LABEL, "label")
    kernel = body.get("kernel", str) or config.kernel
    if kernel not in catalog.KERNELS:
        raise InputError("kernel is not valid", "kernel")
    memory_limit = body.number("memory_limit", 0, linode.type.memory, config.memory_limit)
    run_level = body.choice("run_level", _LEVELS, config.run_level)
    virt_mode = body.choice("virt_mode", _MODES, config.virt_mode)
    helpers = body.part("helpers")
    given = {name: helpers.flag(name) for name in _HELPERS if name in helpers}
    interfaces = tuple(body.each("interfaces", dict)) if "interfaces" in body else config.interfaces
    devices = _devices(state, linode, body.part("devices")) if "devices" in body else config.devices
    comments = body.get("comments", str) or config.comments
    root_device = body.get("root_device", str) or config.root_device
    config.label, config.kernel, config.memory_limit = label, kernel, memory_limit
    config.run_level, config.virt_mode = run_level, virt_mode
    config.helpers, config.interfaces, config.devices = {**config.helpers, **given}, interfaces, devices
    config.comments, config.root_device = comments, root_device


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


def _delete(state: State, call: Call) -> Reply:
    linode, config = _config(state, call)
    del linode.configs[config.id]
    state.note("linode_config_delete", linode)
    return DONE


_ALL = "/linode/instances/{linode:int}/configs"

ROUTES: Routes = {
    _ALL: {"GET": _list, "POST": _create},
    f"{_ALL}/{{config:int}}": {"GET": _get, "PUT": _update, "DELETE": _delete},
}
