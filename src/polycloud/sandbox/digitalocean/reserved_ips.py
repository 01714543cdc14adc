"""Reserved IPs, which the API also knows by their old name, floating IPs."""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.digitalocean.dialect import Table
from polycloud.sandbox.digitalocean.droplets import action_link
from polycloud.sandbox.digitalocean.resources import (
    PROJECT,
    REGIONS,
    Action,
    Droplet,
    ReservedIp,
    show_reserved_ip,
)
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.digitalocean.tables import with_actions
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Item, routes_of
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes
from polycloud.sandbox.rest.timeline import check_free


def _create(name: str, state: State, _: object, call: Call) -> Reply:
    if ("droplet_id" in call.body) == ("region" in call.body):
        raise InputError("Either droplet_id or region is required.")
    droplet_id = call.body.get("droplet_id", int)
    droplet = None if droplet_id is None else _free_droplet(state, droplet_id)
    region = droplet.region if droplet else _region(call.body.need("region", str))
    if len(state.reserved_ips) >= state.settings.reserved_ip_limit:
        raise InputError("Reserved IP limit exceeded.")
    ip = ReservedIp(id=state.unreached_addresses.take(), region=region, resource_type=name)
    state.reserved_ips[ip.id] = ip
    links: Json = {}
    if droplet:
        action = action_link(state, _assign(state, ip, droplet))
        link = {"id": droplet.id, "rel": "droplet", "href": state.link(f"/droplets/{droplet.id}")}
        links = {"droplets": [link], "actions": [action]}
    else:
        state.begin("reserve_ip", 0, ip)
    return Reply(202, {name: show_reserved_ip(ip), "links": links})


def _region(slug: str) -> Item:
    if slug not in REGIONS:
        raise InputError("You specified an invalid region for a reserved IP.")
    return REGIONS[slug]


def _free_droplet(state: State, id: int) -> Droplet:
    """Return a droplet that can take a reserved IP. Raises InputError if it cannot."""
    droplet = state.droplet(id)
    if droplet.public_ip is None:
        raise InputError("Droplet has no public networking.")
    if any(ip.droplet is droplet for ip in state.reserved_ips.values()):
        raise InputError("Droplet already has a reserved IP.")
    check_free(droplet)
    return droplet


def _remove(state: State, ip: ReservedIp, _: object) -> None:
    check_free(ip)
    state.unreached_addresses.give(ip.id)


# Actions


def _assign(state: State, ip: ReservedIp, droplet: Droplet) -> Action:
    effect = partial(setattr, ip, "droplet", droplet)
    return state.begin("assign_ip", state.settings.attach, ip, effect, also_locks=(droplet,))


def _post_assign(state: State, ip: ReservedIp, body: Body) -> Action:
    droplet = _free_droplet(state, body.need("droplet_id", int))
    if droplet.region is not ip.region:
        raise InputError("Droplet and reserved IP must be in the same region.")
    return _assign(state, ip, droplet)


def _unassign(state: State, ip: ReservedIp, _: Body) -> Action:
    if ip.droplet is None:
        raise InputError("The reserved IP is not assigned to a Droplet.")
    effect = partial(setattr, ip, "droplet", None)
    return state.begin("unassign_ip", state.settings.attach, ip, effect, also_locks=(ip.droplet,))


ROUTES: Routes = routes_of(
    *(
        Table(
            path=f"/{name}s",
            key="ip",
            items="reserved_ips",
            one=name,
            many=f"{name}s",
            verbs="GET POST/GET DELETE",
            view=show_reserved_ip,
            create=partial(_create, name),
            remove=_remove,
            parts=with_actions(
                "reserved IP", {"assign": _post_assign, "unassign": _unassign}, project_id=PROJECT
            ),
        )
        for name in ("reserved_ip", "floating_ip")
    )
)
