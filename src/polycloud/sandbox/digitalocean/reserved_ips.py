"""Reserved IPs, which the API also knows by their old name, floating IPs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from polycloud.sandbox.digitalocean import catalog, views
from polycloud.sandbox.digitalocean.account import get_action, list_actions
from polycloud.sandbox.digitalocean.calls import DONE, Call, Handler, Listing, Reply, Routes
from polycloud.sandbox.digitalocean.droplets import action_link
from polycloud.sandbox.digitalocean.errors import InputError
from polycloud.sandbox.digitalocean.resources import Action, Droplet, Json, ReservedIp
from polycloud.sandbox.digitalocean.state import State, check_unlocked, found


def _ip(state: State, call: Call) -> ReservedIp:
    return found(state.reserved_ips, call.path["ip"])


def _list(name: str, state: State, _: Call) -> Listing:
    return Listing(f"{name}s", list(state.reserved_ips.values()), views.reserved_ip)


def _get(name: str, state: State, call: Call) -> Reply:
    return Reply(200, {name: views.reserved_ip(_ip(state, call))})


def _create(name: str, state: State, call: Call) -> Reply:
    if ("droplet_id" in call.body) == ("region" in call.body):
        raise InputError("Either droplet_id or region is required.")
    droplet_id = call.body.get("droplet_id", int)
    droplet = None if droplet_id is None else _free_droplet(state, droplet_id)
    region = droplet.region if droplet else _region(call.body.need("region", str))
    if len(state.reserved_ips) >= state.knobs.reserved_ip_limit:
        raise InputError("Reserved IP limit exceeded.")
    ip = ReservedIp(ip=state.unreached_addresses.take(), region=region, resource_type=name)
    state.reserved_ips[ip.ip] = ip
    links: Json = {}
    if droplet:
        links = _links(call, droplet, _assign(state, ip, droplet))
    else:
        state.begin("reserve_ip", 0, ip, region, lambda: None)
    return Reply(202, {name: views.reserved_ip(ip), "links": links})


def _region(slug: str) -> catalog.Region:
    if slug not in catalog.REGIONS:
        raise InputError("You specified an invalid region for a reserved IP.")
    return catalog.REGIONS[slug]


def _free_droplet(state: State, id: int) -> Droplet:
    """A droplet that can take a reserved IP."""
    droplet = state.droplet(id)
    if droplet.public_ip is None:
        raise InputError("Droplet has no public networking.")
    if any(ip.droplet is droplet for ip in state.reserved_ips.values()):
        raise InputError("Droplet already has a reserved IP.")
    check_unlocked([droplet])
    return droplet


def _links(call: Call, droplet: Droplet, action: Action) -> Json:
    link = {"id": droplet.id, "rel": "droplet", "href": call.link(f"/droplets/{droplet.id}")}
    return {"droplets": [link], "actions": [action_link(call, action)]}


def _delete(state: State, call: Call) -> Reply:
    ip = _ip(state, call)
    check_unlocked([ip])
    del state.reserved_ips[ip.ip]
    state.unreached_addresses.give(ip.ip)
    return DONE


# Actions


def _assign(state: State, ip: ReservedIp, droplet: Droplet) -> Action:
    effect = partial(setattr, ip, "droplet", droplet)
    return state.begin("assign_ip", state.knobs.attach, ip, ip.region, effect, also_locks=[droplet])


def _unassign(state: State, ip: ReservedIp) -> Action:
    if ip.droplet is None:
        raise InputError("The reserved IP is not assigned to a Droplet.")
    effect = partial(setattr, ip, "droplet", None)
    return state.begin("unassign_ip", state.knobs.attach, ip, ip.region, effect, also_locks=[ip.droplet])


def _post_action(state: State, call: Call) -> Reply:
    ip = _ip(state, call)
    verb = call.body.need("type", str)
    if verb == "assign":
        droplet = _free_droplet(state, call.body.need("droplet_id", int))
        if droplet.region is not ip.region:
            raise InputError("Droplet and reserved IP must be in the same region.")
        action = _assign(state, ip, droplet)
    elif verb == "unassign":
        action = _unassign(state, ip)
    else:
        raise InputError(f"{verb} is not a valid reserved IP action.")
    return Reply(201, {"action": {**views.action(state, action), "project_id": views.PROJECT}})


def _list_actions(state: State, call: Call) -> Listing:
    return list_actions(state, _ip(state, call))


def _get_action(state: State, call: Call) -> Reply:
    return get_action(state, call.path["action"], _ip(state, call))


def _routes(name: str) -> Mapping[str, Mapping[str, Handler]]:
    return {
        f"/{name}s": {"GET": partial(_list, name), "POST": partial(_create, name)},
        f"/{name}s/{{ip}}": {"GET": partial(_get, name), "DELETE": _delete},
        f"/{name}s/{{ip}}/actions": {"GET": _list_actions, "POST": _post_action},
        f"/{name}s/{{ip}}/actions/{{action:int}}": {"GET": _get_action},
    }


ROUTES: Routes = {**_routes("reserved_ip"), **_routes("floating_ip")}
