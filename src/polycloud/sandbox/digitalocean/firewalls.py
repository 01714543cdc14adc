"""Firewalls: rules, and the droplets and tags that they are for."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

import msgspec

from polycloud.sandbox.digitalocean import views
from polycloud.sandbox.digitalocean.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.digitalocean.errors import ConflictError, InputError
from polycloud.sandbox.digitalocean.inputs import Body
from polycloud.sandbox.digitalocean.resources import Firewall, Json
from polycloud.sandbox.digitalocean.state import State, found

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]+")
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_LAST_PORT = 65535
_TARGETS = ("addresses", "tags", "load_balancer_uids", "kubernetes_ids")


def _firewall(state: State, call: Call) -> Firewall:
    return found(state.firewalls, call.path["firewall"])


def _list(state: State, _: Call) -> Listing:
    firewalls = list(state.firewalls.values())
    return Listing("firewalls", firewalls, lambda firewall: views.firewall(firewall, state.now))


def _show(state: State, status: int, firewall: Firewall) -> Reply:
    return Reply(status, {"firewall": views.firewall(firewall, state.now)})


def _get(state: State, call: Call) -> Reply:
    return _show(state, 200, _firewall(state, call))


def _create(state: State, call: Call) -> Reply:
    firewall = Firewall(id=state.new_uuid(), name="", created_at=state.stamp())
    _fill(state, firewall, call.body)
    state.firewalls[firewall.id] = firewall
    return _show(state, 202, firewall)


def _update(state: State, call: Call) -> Reply:
    firewall = _firewall(state, call)
    _fill(state, firewall, call.body)
    return _show(state, 200, firewall)


def _fill(state: State, firewall: Firewall, body: Body) -> None:
    """Make a firewall all that the body says, and nothing else."""
    name = body.need("name", str)
    if not _NAME.fullmatch(name):
        raise InputError("Name must begin with a letter or number and have only those, periods and dashes.")
    if any(other.name == name and other is not firewall for other in state.firewalls.values()):
        raise ConflictError("duplicate name")
    inbound, outbound = _rules(state, body)
    droplet_ids, tags = _droplet_ids(state, body), _tags(state, body)
    firewall.name, firewall.inbound, firewall.outbound = name, inbound, outbound
    firewall.droplet_ids, firewall.tags = droplet_ids, tags
    _unsettle(state, firewall)


def _unsettle(state: State, firewall: Firewall) -> None:
    firewall.settles = state.now + state.knobs.attach


def _delete(state: State, call: Call) -> Reply:
    del state.firewalls[_firewall(state, call).id]
    return DONE


# What a firewall is for


def _droplet_ids(state: State, body: Body) -> tuple[int, ...]:
    ids = body.each("droplet_ids", int)
    if not state.droplets.keys() >= set(ids):
        raise InputError("Some of the Droplets do not exist.")
    return tuple(dict.fromkeys(ids))


def _tags(state: State, body: Body) -> tuple[str, ...]:
    names = body.each("tags", str)
    if any(name.lower() not in state.tags for name in names):
        raise InputError("Some of the tags do not exist.")
    return state.canonical_tags(names)


def _change(field: str, *, add: bool, state: State, call: Call) -> Reply:
    """Add to the firewall's droplets or tags, or take away."""
    firewall = _firewall(state, call)
    named: tuple[Any, ...] = (_droplet_ids if field == "droplet_ids" else _tags)(state, call.body)
    if not named:
        raise InputError(f"{field} is required.")
    before: tuple[Any, ...] = getattr(firewall, field)
    after = (*before, *named) if add else tuple(item for item in before if item not in named)
    setattr(firewall, field, tuple(dict.fromkeys(after)))
    _unsettle(state, firewall)
    return DONE


def _add_droplets(state: State, call: Call) -> Reply:
    return _change("droplet_ids", add=True, state=state, call=call)


def _remove_droplets(state: State, call: Call) -> Reply:
    return _change("droplet_ids", add=False, state=state, call=call)


def _add_tags(state: State, call: Call) -> Reply:
    return _change("tags", add=True, state=state, call=call)


def _remove_tags(state: State, call: Call) -> Reply:
    return _change("tags", add=False, state=state, call=call)


# Rules


def _rules(state: State, body: Body) -> tuple[tuple[Json, ...], tuple[Json, ...]]:
    """The inbound and the outbound rules; InputError if there are none."""
    inbound = [_rule(state, rule, "sources") for rule in body.objects("inbound_rules")]
    outbound = [_rule(state, rule, "destinations") for rule in body.objects("outbound_rules")]
    if not inbound and not outbound:
        raise InputError("At least one inbound or outbound rule is required.")
    return tuple(inbound), tuple(outbound)


def _rule(state: State, rule: Body, side: str) -> Json:
    protocol = rule.need("protocol", str)
    if protocol not in {"tcp", "udp", "icmp"}:
        raise InputError("protocol must be tcp, udp or icmp.")
    ports = "0" if protocol == "icmp" else _ports(rule.need("ports", str))
    targets = Body(rule.need(side, dict))
    view: Json = {name: targets.each(name, str) for name in _TARGETS if name in targets}
    if "droplet_ids" in targets:
        view["droplet_ids"] = _droplet_ids(state, targets)
    _tags(state, targets)
    for address in view.get("addresses", []):
        _check_address(address)
    if not any(view.values()):
        raise InputError(f"{side} must name at least one target.")
    return {"protocol": protocol, "ports": ports, side: view}


def _ports(text: str) -> str:
    """The ports, if they are "0", which means all, a port, or a range."""
    match = _PORTS.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if text != "0" and not 1 <= first <= last <= _LAST_PORT:
        raise InputError("you must specify a valid range for ports")
    return text


def _check_address(address: str) -> None:
    try:
        ip_network(address, strict=False)
    except ValueError as error:
        raise InputError("invalid address") from error


def _add_rules(state: State, call: Call) -> Reply:
    firewall = _firewall(state, call)
    inbound, outbound = _rules(state, call.body)
    firewall.inbound = _without(firewall.inbound, inbound) + inbound
    firewall.outbound = _without(firewall.outbound, outbound) + outbound
    _unsettle(state, firewall)
    return DONE


def _remove_rules(state: State, call: Call) -> Reply:
    firewall = _firewall(state, call)
    inbound, outbound = _rules(state, call.body)
    firewall.inbound = _without(firewall.inbound, inbound)
    firewall.outbound = _without(firewall.outbound, outbound)
    _unsettle(state, firewall)
    return DONE


def _without(rules: tuple[Json, ...], others: tuple[Json, ...]) -> tuple[Json, ...]:
    unwanted = {msgspec.json.encode(rule, order="sorted") for rule in others}
    return tuple(rule for rule in rules if msgspec.json.encode(rule, order="sorted") not in unwanted)


ROUTES: Routes = {
    "/firewalls": {"GET": _list, "POST": _create},
    "/firewalls/{firewall}": {"GET": _get, "PUT": _update, "DELETE": _delete},
    "/firewalls/{firewall}/droplets": {"POST": _add_droplets, "DELETE": _remove_droplets},
    "/firewalls/{firewall}/tags": {"POST": _add_tags, "DELETE": _remove_tags},
    "/firewalls/{firewall}/rules": {"POST": _add_rules, "DELETE": _remove_rules},
}
