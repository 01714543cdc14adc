"""Firewalls: rules, and the droplets and tags that they are for."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from typing import Any

import msgspec

from polycloud.sandbox.digitalocean.dialect import Table
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.rest.bodies import Body, matches
from polycloud.sandbox.rest.collection import Change, Field, Item, ItemHandler, show
from polycloud.sandbox.rest.errors import ConflictError, InputError
from polycloud.sandbox.rest.replies import Call, Json, Routes

_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_LAST_PORT = 65535
_TARGETS = ("addresses", "tags", "load_balancer_uids", "kubernetes_ids")
_SIDES = {"inbound_rules": "sources", "outbound_rules": "destinations"}


def _check(change: Change) -> None:
    change.values.update(
        droplet_ids=_droplet_ids(change.state, change.body),
        tags=_tags(change.state, change.body),
        **_rules(change.state, change.body),
    )


def _unsettle(state: State, firewall: Item, _: object = None) -> None:
    """Let the droplets of a firewall wait for its changes."""
    firewall.is_settled = partial(state.is_past, state.now + state.settings.attach)


def _pending(firewall: Item) -> tuple[int, ...]:
    droplet_ids: tuple[int, ...] = firewall.droplet_ids
    return () if firewall.is_settled() else droplet_ids


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


def _change_targets(state: State, firewall: Item, call: Call, *, field: str, add: bool) -> None:
    """Add to the firewall's droplets or tags, or take away."""
    named: tuple[Any, ...] = (_droplet_ids if field == "droplet_ids" else _tags)(state, call.body)
    if not named:
        raise InputError(f"{field} is required.")
    before: tuple[Any, ...] = getattr(firewall, field)
    after = (*before, *named) if add else tuple(item for item in before if item not in named)
    setattr(firewall, field, tuple(dict.fromkeys(after)))
    _unsettle(state, firewall)


def _change_rules(state: State, firewall: Item, call: Call, *, add: bool) -> None:
    """Add rules, or take them away."""
    for name, rules in _rules(state, call.body).items():
        unwanted = set(map(_encoded, rules))
        kept = tuple(rule for rule in getattr(firewall, name) if _encoded(rule) not in unwanted)
        setattr(firewall, name, kept + rules if add else kept)
    _unsettle(state, firewall)


def _encoded(rule: Json) -> bytes:
    return msgspec.json.encode(rule, order="sorted")


def _rules(state: State, body: Body) -> dict[str, tuple[Json, ...]]:
    """Return the inbound and the outbound rules. Raises InputError if there are none."""
    rules = {
        name: tuple(_rule(state, rule, side) for rule in body.objects(name)) for name, side in _SIDES.items()
    }
    if not any(rules.values()):
        raise InputError("At least one inbound or outbound rule is required.")
    return rules


def _rule(state: State, rule: Body, side: str) -> Json:
    protocol = rule.need("protocol", str)
    if protocol not in {"tcp", "udp", "icmp"}:
        raise InputError("protocol must be tcp, udp or icmp.")
    ports = "0" if protocol == "icmp" else _ports(rule.need("ports", str))
    rule.need(side, dict)
    targets = rule.part(side)
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
    """Check that ports are "0", which means all, a port, or a range."""
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


def _add_and_remove(change: Callable[..., None]) -> dict[str, ItemHandler]:
    return {"POST": partial(change, add=True), "DELETE": partial(change, add=False)}


_WAITING = {"removing": False, "status": "waiting"}

FIREWALLS = Table(
    path="/firewalls",
    view=show(
        "id name created_at inbound_rules outbound_rules droplet_ids tags",
        status=lambda firewall: "waiting" if _pending(firewall) else "succeeded",
        pending_changes=lambda firewall: [
            {"droplet_id": number, **_WAITING} for number in _pending(firewall)
        ],
    ),
    created=202,
    put="replaces",
    fields={
        "name": Field(
            needed=True,
            check=matches(
                "[a-zA-Z0-9][a-zA-Z0-9.-]+",
                "Name must begin with a letter or number and have only those, periods and dashes.",
            ),
            unique=partial(ConflictError, "duplicate name"),
        )
    },
    identity=State.identity,
    check=_check,
    changed=_unsettle,
    parts={
        "droplets": _add_and_remove(partial(_change_targets, field="droplet_ids")),
        "tags": _add_and_remove(partial(_change_targets, field="tags")),
        "rules": _add_and_remove(_change_rules),
    },
)

ROUTES: Routes = FIREWALLS.routes()
