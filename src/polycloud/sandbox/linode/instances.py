"""Creating, showing, changing and deleting Linodes."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode import power
from polycloud.sandbox.linode.dialect import BUSY, DONE, Table
from polycloud.sandbox.linode.firewalls import FIREWALLS, guard
from polycloud.sandbox.linode.moves import clone, migrate, rebuild, reset_password, resize
from polycloud.sandbox.linode.orders import Order, read_label, read_order
from polycloud.sandbox.linode.resources import Linode, show_linode
from polycloud.sandbox.linode.state import State, settle
from polycloud.sandbox.linode.volumes import VOLUMES
from polycloud.sandbox.rest.bodies import Body, together
from polycloud.sandbox.rest.collection import found
from polycloud.sandbox.rest.replies import Call, InputError, Listing, Reply, Routes

_DAYS = ("Scheduling", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_WINDOWS = ("Scheduling", *(f"W{hour}" for hour in range(0, 24, 2)))
_ALERTS = ("cpu", "io", "network_in", "network_out", "transfer_quota")
_LARGEST_ALERT = 10**9


def _create(state: State, _: object, call: Call) -> Linode:
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
    return linode


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


def _update(state: State, linode: Linode, call: Call) -> None:
    body = call.body
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
    linode.watchdog_enabled = body.flag("watchdog_enabled", default=linode.watchdog_enabled)
    linode.schedule = _schedule(linode, backups)
    linode.alerts = {name: alerts.number(name, 0, _LARGEST_ALERT, linode.alerts[name]) for name in _ALERTS}


def _schedule(linode: Linode, body: Body) -> tuple[str | None, str | None]:
    day, window = linode.schedule
    return body.get("day", str) or day, body.get("window", str) or window


def _delete(state: State, linode: Linode, _: Call) -> Reply:
    if linode.status in {"cloning", "restoring"}:
        raise InputError(BUSY)
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
    state.begin("linode_delete", state.knobs.delete, linode, partial(state.remove_linode, linode))
    return DONE


# What belongs to a Linode


def _volumes(state: State, linode: Linode, _: Call) -> Listing:
    return VOLUMES.listing(volume for volume in state.volumes.values() if volume.linode is linode)


def _firewalls(state: State, linode: Linode, _: Call) -> Listing:
    return FIREWALLS.listing(
        firewall
        for firewall in state.firewalls.values()
        if any(device.linode is linode for device in firewall.devices.values())
    )


def _transfer(_: State, linode: Linode, __: Call) -> Reply:
    return Reply(200, {"used": 0, "quota": linode.type.transfer, "billable": 0})


_ACTIONS = {
    "boot": power.boot,
    "reboot": power.reboot,
    "shutdown": power.shutdown,
    "rebuild": rebuild,
    "resize": resize,
    "clone": clone,
    "migrate": migrate,
    "password": reset_password,
}

INSTANCES = Table(
    path="/linode/instances",
    key="linode:int",
    items="linodes",
    verbs="GET POST/GET PUT",
    filters="id label group region tags ipv4",
    view=show_linode,
    create=_create,
    update=_update,
    is_gone=lambda linode: linode.status == "deleting",
    on_one={"DELETE": _delete},
    parts={
        **{name: {"POST": action} for name, action in _ACTIONS.items()},
        "volumes": {"GET": _volumes},
        "firewalls": {"GET": _firewalls},
        "transfer": {"GET": _transfer},
    },
    events="- linode_update -",
)

ROUTES: Routes = INSTANCES.routes()
