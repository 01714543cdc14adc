"""Firewalls. They are kept and shown, and let everything pass."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.linode.dialect import Table, label_of
from polycloud.sandbox.linode.resources import Linode
from polycloud.sandbox.linode.state import State
from polycloud.sandbox.rest.bodies import Body, one_of
from polycloud.sandbox.rest.collection import Change, Field, Item, routes_of, show
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_ACTIONS = ("ACCEPT", "DROP")
_PROTOCOLS = ("TCP", "UDP", "ICMP", "IPENCAP")
_MOST_RULES = 25


def guard(state: State, firewall: Item, linode: Linode) -> Item:
    """Let a firewall guard a Linode. Raises InputError if one does already."""
    if any(
        device.linode is linode for other in state.firewalls.values() for device in other.devices.values()
    ):
        raise InputError("The Linode has a firewall already.", "id")
    device = Item(id=state.new_number(), linode=linode, created=state.stamp())
    firewall.devices[device.id] = device
    state.note("firewall_device_add", firewall, secondary=linode)
    return device


def _check(change: Change) -> None:
    state, body, values = change.state, change.body, change.values
    if change.item is None:
        if "rules" not in body:
            raise InputError("rules is required", "rules")
        values.update(rules=_rules(body.part("rules")), devices={}, version=1)
        if not state.linodes.keys() >= set(_guarded(change)):
            raise InputError("linodes is not valid", "devices.linodes")


def _guarded(change: Change) -> list[int]:
    return change.body.part("devices").each("linodes", int)


def _guard_all(state: State, firewall: Item, change: Change) -> None:
    for number in _guarded(change) if change.item is None else ():
        guard(state, firewall, state.linodes[number])


def _rules(body: Body) -> Json:
    rules: Json = {}
    for side in ("inbound", "outbound"):
        rules[side] = body.each(side, dict)
        rules[f"{side}_policy"] = body.choice(f"{side}_policy", _ACTIONS, "ACCEPT")
        for rule in body.objects(side):
            for field, choices in (("action", _ACTIONS), ("protocol", _PROTOCOLS)):
                one_of(*choices)(rule.path + field, rule.need(field, str))
    if len(rules["inbound"]) + len(rules["outbound"]) > _MOST_RULES:
        raise InputError(f"A firewall can have {_MOST_RULES} rules at most.", "rules")
    return rules


def _show_rules(firewall: Item) -> Json:
    return {**firewall.rules, "version": firewall.version, "fingerprint": f"{firewall.version:08x}"}


def _put_rules(state: State, firewall: Item, call: Call) -> Reply:
    firewall.rules = _rules(call.body)
    firewall.version, firewall.updated = firewall.version + 1, state.stamp()
    state.note("firewall_update", firewall)
    return Reply(200, _show_rules(firewall))


def _add_device(state: State, firewall: Item, call: Call) -> Item:
    linode = state.linodes.get(call.body.need("id", int))
    if call.body.need("type", str) != "linode" or linode is None:
        raise InputError("id is not valid", "id")
    return guard(state, firewall, linode)


def _remove_device(state: State, device: Item, firewall: Item) -> None:
    state.note("firewall_device_remove", firewall, secondary=device.linode)


FIREWALLS = Table(
    path="/networking/firewalls",
    filters="created id label tags updated",
    view=show("id label status tags created updated", rules=_show_rules),
    fields={
        "label": Field(
            needed=True,
            check=label_of(3, 32),
            unique=partial(InputError, "Label must be unique among your Cloud Firewalls", "label"),
        ),
        "status": Field(default="enabled", check=one_of("enabled", "disabled")),
        "tags": Field(each=str),
    },
    check=_check,
    changed=_guard_all,
    parts={"rules": {"GET": lambda _, firewall, __: Reply(200, _show_rules(firewall)), "PUT": _put_rules}},
    noun="firewall",
    events="firewall_create firewall_update firewall_delete",
)
_entity = show("id label url", type="linode")
_DEVICES = Table(
    owner=FIREWALLS,
    path="/devices",
    verbs="GET POST/GET DELETE",
    view=show(
        "id created",
        updated=lambda device: device.created,
        entity=lambda device: _entity(device.linode),
    ),
    create=_add_device,
    remove=_remove_device,
)

ROUTES: Routes = routes_of(FIREWALLS, _DEVICES)
