"""Creating, showing, changing and deleting Linodes."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode import power, views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import BusyError
from polycloud.sandbox.linode.firewalls import guard
from polycloud.sandbox.linode.inputs import Body, together
from polycloud.sandbox.linode.moves import clone, migrate, rebuild, reset_password, resize
from polycloud.sandbox.linode.orders import Order, read_label, read_order
from polycloud.sandbox.linode.resources import Linode
from polycloud.sandbox.linode.state import State, found, settle

FIELDS = frozenset({"id", "label", "group", "region", "tags", "ipv4"})
_DAYS = ("Scheduling", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_WINDOWS = ("Scheduling", *(f"W{hour}" for hour in range(0, 24, 2)))
_ALERTS = ("cpu", "io", "network_in", "network_out", "transfer_quota")
_LARGEST_ALERT = 10**9


def _linode(state: State, call: Call) -> Linode:
    return state.linode(call.path["linode"])


def _list(state: State, _: Call) -> Listing:
    return Listing(list(state.linodes.values()), views.linode, FIELDS)


def _get(state: State, call: Call) -> Reply:
    return Reply(views.linode(found(state.linodes, call.path["linode"])))


def _create(state: State, call: Call) -> Reply:
    body = call.body
    order = read_order(state, body)
    firewall = found(state.firewalls, body.need("firewall_id", int)) if "firewall_id" in body else None
    tags = state.use_tags(body.each("tags", str))
    linode = state.add_linode(
        order.label,
        order.plan,
        order.region,
        state.public_addresses,
        tags=tags,
        has_user_data=bool(order.deploy and order.deploy.has_user_data),
    )
    order.extras.give(state, linode)
    if firewall:
        guard(state, firewall, linode)
    _install(state, linode, order)
    _begin(state, linode, boots=order.boots)
    return Reply(views.linode(linode))


def _install(state: State, linode: Linode, order: Order) -> None:
    if order.deploy:
        linode.image = order.deploy.image
        state.install(linode, order.deploy.image, order.deploy.access, order.swap)
    elif order.backup:
        state.copy(linode, order.backup.disks, order.backup.configs)


def _begin(state: State, linode: Linode, *, boots: bool) -> None:
    def finish() -> None:
        settle(linode)
        power.boot_again(state, linode, "running" if boots else "offline")

    power.change(state, linode, "linode_create", state.knobs.build, finish, secondary=linode.image)


def _update(state: State, call: Call) -> Reply:
    linode, body = _linode(state, call), call.body
    backups = body.part("backups").part("schedule")
    alerts = body.part("alerts")
    together(
        partial(read_label, state, body, linode.label),
        partial(backups.choice, "day", _DAYS, "Scheduling"),
        partial(backups.choice, "window", _WINDOWS, "Scheduling"),
        *(partial(alerts.number, name, 0, _LARGEST_ALERT, 0) for name in _ALERTS),
        partial(body.get, "group", str),
        partial(body.flag, "watchdog_enabled"),
    )
    linode.tags = state.use_tags(body.each("tags", str)) if "tags" in body else linode.tags
    linode.label = read_label(state, body, linode.label) or linode.label
    group = body.get("group", str)
    linode.group = linode.group if group is None else group
    linode.watchdog = body.flag("watchdog_enabled", default=linode.watchdog)
    linode.schedule = _schedule(linode, backups)
    linode.alerts = {name: alerts.number(name, 0, _LARGEST_ALERT, linode.alerts[name]) for name in _ALERTS}
    linode.updated = state.stamp()
    state.note("linode_update", linode)
    return Reply(views.linode(linode))


def _schedule(linode: Linode, body: Body) -> tuple[str | None, str | None]:
    day, window = linode.schedule
    return body.get("day", str) or day, body.get("window", str) or window


def _delete(state: State, call: Call) -> Reply:
    linode = _linode(state, call)
    if linode.status in {"cloning", "restoring"}:
        raise BusyError
    state.abandon(linode)
    for volume in state.volumes.values():
        if volume.linode is linode:
            volume.linode = None
    for firewall in state.firewalls.values():
        firewall.devices = {
            number: device for number, device in firewall.devices.items() if device.linode is not linode
        }
    state.remove_machine(linode)
    linode.status = "deleting"
    state.begin(
        "linode_delete", state.knobs.delete, linode, partial(state.remove_linode, linode), locks=[linode]
    )
    return DONE


# What belongs to a Linode


def _volumes(state: State, call: Call) -> Listing:
    linode = _linode(state, call)
    volumes = [volume for volume in state.volumes.values() if volume.linode is linode]
    return Listing(volumes, views.volume, frozenset({"label", "tags"}))


def _firewalls(state: State, call: Call) -> Listing:
    linode = _linode(state, call)
    firewalls = [
        firewall
        for firewall in state.firewalls.values()
        if any(device.linode is linode for device in firewall.devices.values())
    ]
    return Listing(firewalls, views.firewall)


def _transfer(state: State, call: Call) -> Reply:
    return Reply({"used": 0, "quota": _linode(state, call).type.transfer, "billable": 0})


_ONE = "/linode/instances/{linode:int}"

ROUTES: Routes = {
    "/linode/instances": {"GET": _list, "POST": _create},
    _ONE: {"GET": _get, "PUT": _update, "DELETE": _delete},
    f"{_ONE}/boot": {"POST": power.boot},
    f"{_ONE}/reboot": {"POST": power.reboot},
    f"{_ONE}/shutdown": {"POST": power.shutdown},
    f"{_ONE}/rebuild": {"POST": rebuild},
    f"{_ONE}/resize": {"POST": resize},
    f"{_ONE}/clone": {"POST": clone},
    f"{_ONE}/migrate": {"POST": migrate},
    f"{_ONE}/password": {"POST": reset_password},
    f"{_ONE}/volumes": {"GET": _volumes},
    f"{_ONE}/firewalls": {"GET": _firewalls},
    f"{_ONE}/transfer": {"GET": _transfer},
}
