"""Firewalls. They are kept and shown, and let everything pass."""

from __future__ import annotations

from polycloud.sandbox.linode import views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import InputError
from polycloud.sandbox.linode.inputs import Body, check_label
from polycloud.sandbox.linode.resources import Device, Firewall, Json, Linode
from polycloud.sandbox.linode.state import State, found

_FIELDS = frozenset({"created", "id", "label", "tags", "updated"})
_ACTIONS = ("ACCEPT", "DROP")
_PROTOCOLS = ("TCP", "UDP", "ICMP", "IPENCAP")
_MOST_RULES = 25


def guard(state: State, firewall: Firewall, linode: Linode) -> Device:
    """Let a firewall guard a Linode; InputError if one does already."""
    if any(
        device.linode is linode for other in state.firewalls.values() for device in other.devices.values()
    ):
        raise InputError("The Linode has a firewall already.", "id")
    device = Device(id=state.new_id(), linode=linode, created=state.stamp())
    firewall.devices[device.id] = device
    state.note("firewall_device_add", firewall, secondary=linode)
    return device


def _firewall(state: State, call: Call) -> Firewall:
    return found(state.firewalls, call.path["firewall"])


def _list(state: State, _: Call) -> Listing:
    return Listing(list(state.firewalls.values()), views.firewall, _FIELDS)


def _get(state: State, call: Call) -> Reply:
    return Reply(views.firewall(_firewall(state, call)))


def _create(state: State, call: Call) -> Reply:
    body = call.body
    label = _label(state, body)
    if "rules" not in body:
        raise InputError("rules is required", "rules")
    rules = _rules(body.part("rules"))
    linodes = [state.linodes.get(number) for number in body.part("devices").each("linodes", int)]
    if None in linodes:
        raise InputError("linodes is not valid", "devices.linodes")
    firewall = Firewall(
        id=state.new_id(),
        label=label,
        rules=rules,
        created=state.stamp(),
        updated=state.stamp(),
        tags=state.use_tags(body.each("tags", str)),
    )
    for linode in filter(None, linodes):
        guard(state, firewall, linode)
    state.firewalls[firewall.id] = firewall
    state.note("firewall_create", firewall)
    return Reply(views.firewall(firewall))


def _label(state: State, body: Body, own: str | None = None) -> str:
    label = body.need("label", str)
    if label != own:
        check_label(label, 3, 32)
        if any(firewall.label == label for firewall in state.firewalls.values()):
            raise InputError("Label must be unique among your Cloud Firewalls", "label")
    return label


def _rules(body: Body) -> Json:
    rules: Json = {}
    for side in ("inbound", "outbound"):
        rules[side] = body.each(side, dict)
        rules[f"{side}_policy"] = body.choice(f"{side}_policy", _ACTIONS, "ACCEPT")
        for index, rule in enumerate(rules[side]):
            part = Body(rule, f"rules.{side}[{index}].")
            part.need("action", str)
            part.choice("action", _ACTIONS, "ACCEPT")
            part.need("protocol", str)
            part.choice("protocol", _PROTOCOLS, "TCP")
    if len(rules["inbound"]) + len(rules["outbound"]) > _MOST_RULES:
        raise InputError(f"A firewall can have {_MOST_RULES} rules at most.", "rules")
    return rules


def _update(state: State, call: Call) -> Reply:
    firewall, body = _firewall(state, call), call.body
    label = _label(state, body, firewall.label) if "label" in body else firewall.label
    status = body.choice("status", ("enabled", "disabled"), firewall.status)
    if "tags" in body:
        firewall.tags = state.use_tags(body.each("tags", str))
    firewall.label, firewall.status, firewall.updated = label, status, state.stamp()
    state.note("firewall_update", firewall)
    return Reply(views.firewall(firewall))


def _delete(state: State, call: Call) -> Reply:
    firewall = _firewall(state, call)
    del state.firewalls[firewall.id]
    state.note("firewall_delete", firewall)
    return DONE


def _get_rules(state: State, call: Call) -> Reply:
    return Reply(views.rules(_firewall(state, call)))


def _put_rules(state: State, call: Call) -> Reply:
    firewall = _firewall(state, call)
    firewall.rules = _rules(call.body)
    firewall.version, firewall.updated = firewall.version + 1, state.stamp()
    state.note("firewall_update", firewall)
    return Reply(views.rules(firewall))


def _list_devices(state: State, call: Call) -> Listing:
    return Listing(list(_firewall(state, call).devices.values()), views.device)


def _add_device(state: State, call: Call) -> Reply:
    firewall, body = _firewall(state, call), call.body
    linode = state.linodes.get(body.need("id", int))
    if body.need("type", str) != "linode" or linode is None:
        raise InputError("id is not valid", "id")
    return Reply(views.device(guard(state, firewall, linode)))


def _get_device(state: State, call: Call) -> Reply:
    return Reply(views.device(found(_firewall(state, call).devices, call.path["device"])))


def _delete_device(state: State, call: Call) -> Reply:
    firewall = _firewall(state, call)
    device = found(firewall.devices, call.path["device"])
    del firewall.devices[device.id]
    state.note("firewall_device_remove", firewall, secondary=device.linode)
    return DONE


_ONE = "/networking/firewalls/{firewall:int}"

ROUTES: Routes = {
    "/networking/firewalls": {"GET": _list, "POST": _create},
    _ONE: {"GET": _get, "PUT": _update, "DELETE": _delete},
    f"{_ONE}/rules": {"GET": _get_rules, "PUT": _put_rules},
    f"{_ONE}/devices": {"GET": _list_devices, "POST": _add_device},
    f"{_ONE}/devices/{{device:int}}": {"GET": _get_device, "DELETE": _delete_device},
}
