"""Creating, showing, changing and deleting Linodes."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode import power
from polycloud.sandbox.linode.dialect import BUSY, Table, label_of
from polycloud.sandbox.linode.firewalls import FIREWALLS, guard
from polycloud.sandbox.linode.moves import clone, migrate, rebuild, reset_password, resize
from polycloud.sandbox.linode.orders import Extras, read_order
from polycloud.sandbox.linode.resources import Linode, show_linode
from polycloud.sandbox.linode.state import State, settle
from polycloud.sandbox.linode.volumes import VOLUMES
from polycloud.sandbox.rest.bodies import Body, together
from polycloud.sandbox.rest.collection import Change, Field, found, routes_of
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_SCHEDULE = {
    "day": ("Scheduling", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    "window": ("Scheduling", *(f"W{hour}" for hour in range(0, 24, 2))),
}
_ALERTS = ("cpu", "io", "network_in", "network_out", "transfer_quota")
_LARGEST_ALERT = 10**9


def _create(state: State, _: object, call: Call) -> Linode:
    body = call.body
    order, extras = read_order(state, body), Extras.read(body)
    boots = body.flag("booted", default=True) and bool(order.deploy or order.backup)
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
    extras.give(state, linode)
    if firewall:
        guard(state, firewall, linode)
    if order.deploy:
        linode.image = order.deploy.image
        state.install(linode, order.deploy.image, order.deploy.access, order.swap)
    elif order.backup:
        state.copy(linode, order.backup.disks, order.backup.configs)

    def finish() -> None:
        settle(linode)
        power.boot_again(state, linode, "running" if boots else "offline")

    power.change(state, linode, "linode_create", finish, secondary=linode.image)
    return linode


def _check_alerts(name: str, given: Json) -> None:
    alerts = Body(given, f"{name}.")
    together(*(partial(alerts.number, alert, 0, _LARGEST_ALERT, 0) for alert in _ALERTS))


def _check_backups(name: str, given: Json) -> None:
    schedule = Body(given, f"{name}.").part("schedule")
    together(
        *(partial(schedule.choice, field, choices, "Scheduling") for field, choices in _SCHEDULE.items())
    )


def _check_update(change: Change) -> None:
    """Merge what is sent with what the Linode has."""
    linode, values = change.item, change.values
    alerts, schedule = change.body.part("alerts"), change.body.part("backups").part("schedule")
    values.pop("backups", None)
    values["alerts"] = {
        name: usual if alerts.get(name, int) is None else alerts.get(name, int)
        for name, usual in linode.alerts.items()
    }
    given = (schedule.get(field, str) for field in _SCHEDULE)
    values["schedule"] = tuple(new or old for new, old in zip(given, linode.schedule, strict=True))


def _delete(state: State, linode: Linode, _: Call) -> None:
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
    state.begin("linode_delete", state.settings.destroy, linode, partial(state.remove_linode, linode))


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
    items="linodes",
    verbs="GET POST/GET PUT",
    filters="id label group region tags ipv4",
    view=show_linode,
    create=_create,
    fields={
        "label": Field(
            check=label_of(3, 64),
            unique=partial(InputError, "Label must be unique among your linodes", "label"),
        ),
        "group": Field(),
        "watchdog_enabled": Field(kind=bool),
        "tags": Field(each=str),
        "alerts": Field(kind=dict, check=_check_alerts),
        "backups": Field(kind=dict, check=_check_backups),
    },
    check=_check_update,
    is_gone=lambda linode: linode.status == "deleting",
    on_one={"DELETE": _delete},
    actions=_ACTIONS,
    parts={"transfer": {"GET": _transfer}},
    events="- linode_update -",
)

_VOLUMES = Table(
    owner=INSTANCES,
    path="/volumes",
    verbs="GET",
    filters=VOLUMES.filters,
    view=VOLUMES.view,
    of=lambda linode, volume: volume.linode is linode,
)
_FIREWALLS = Table(
    owner=INSTANCES,
    path="/firewalls",
    verbs="GET",
    view=FIREWALLS.view,
    of=lambda linode, firewall: any(device.linode is linode for device in firewall.devices.values()),
)

ROUTES: Routes = routes_of(INSTANCES, _VOLUMES, _FIREWALLS)
