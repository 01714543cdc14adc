"""Creating, showing and deleting droplets."""

from __future__ import annotations

import secrets
from functools import partial

from polycloud.sandbox.digitalocean import views
from polycloud.sandbox.digitalocean.account import get_action, list_actions
from polycloud.sandbox.digitalocean.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.digitalocean.droplet_actions import post_action, post_actions, start_backups
from polycloud.sandbox.digitalocean.errors import InputError, NotFoundError
from polycloud.sandbox.digitalocean.orders import Order, read_order
from polycloud.sandbox.digitalocean.resources import Action, Droplet, Json
from polycloud.sandbox.digitalocean.state import State, check_unlocked, without
from polycloud.sandbox.digitalocean.tags import with_tag


def _droplet(state: State, call: Call) -> Droplet:
    return state.droplet(call.path["droplet"])


def _list(state: State, call: Call) -> Listing:
    droplets = list(state.droplets.values())
    name, tag = call.query.get("name"), call.query.get("tag_name")
    if name and tag:
        raise InputError("name and tag_name can not be combined.")
    if name:
        droplets = [droplet for droplet in droplets if droplet.name.lower() == name.lower()]
    if tag:
        droplets = with_tag(state, droplets, tag)
    if call.query.get("type") == "gpus":
        droplets = []
    return Listing("droplets", droplets, views.droplet)


def _get(state: State, call: Call) -> Reply:
    droplet = state.droplets.get(call.path["droplet"])
    if droplet is None:
        raise NotFoundError
    return Reply(200, {"droplet": views.droplet(droplet)})


def _create(state: State, call: Call) -> Reply:
    order = read_order(state, call.body)
    begun = [_begin(state, order, name) for name in order.names]
    links = {"actions": [action_link(call, action) for action in begun]}
    shown = [views.droplet(action.subject) for action in begun if isinstance(action.subject, Droplet)]
    droplets = {"droplets": shown} if "names" in call.body else {"droplet": shown[0]}
    return Reply(202, {**droplets, "links": links})


def action_link(call: Call, action: Action) -> Json:
    """How an answer speaks of an action that it began."""
    return {"id": action.id, "rel": action.type, "href": call.link(f"/actions/{action.id}")}


def _begin(state: State, order: Order, name: str) -> Action:
    droplet = state.add_droplet(
        name=name,
        size=order.size,
        region=order.region,
        image=order.image,
        vpc=order.vpc,
        public=order.public,
        features=order.features,
        tags=order.tags,
        public_keys=order.public_keys,
        # Who brings no key is sent a password by mail.
        password=None if order.public_keys else secrets.token_hex(12),
        volume_ids=tuple(volume.id for volume in order.volumes),
    )
    for volume in order.volumes:
        volume.droplet = droplet
    state.add_machine(droplet)
    seconds = state.knobs.build
    return state.begin(
        "create",
        seconds,
        droplet,
        droplet.region,
        partial(_finish, state, droplet),
        also_locks=order.volumes,
        start=partial(droplet.machine.start, seconds) if droplet.machine else None,
    )


def _finish(state: State, droplet: Droplet) -> None:
    droplet.status = "active"
    if "backups" in droplet.features:
        start_backups(state, droplet)


# Deleting


def _delete(state: State, call: Call) -> Reply:
    droplet = _droplet(state, call)
    check_unlocked([droplet])
    _destroy(state, droplet)
    return DONE


def _delete_tagged(state: State, call: Call) -> Reply:
    tag = call.query.get("tag_name")
    if not tag:
        raise InputError("tag_name is required.")
    if tag.lower() not in state.tags:
        raise NotFoundError
    tagged = [
        droplet for droplet in with_tag(state, state.droplets.values(), tag) if droplet.status != "archive"
    ]
    check_unlocked(tagged)
    for droplet in tagged:
        _destroy(state, droplet)
    return DONE


def _destroy(state: State, droplet: Droplet) -> None:
    for volume in state.volumes.values():
        if volume.droplet is droplet:
            volume.droplet = None
    for ip in state.reserved_ips.values():
        if ip.droplet is droplet:
            ip.droplet = None
    for firewall in state.firewalls.values():
        firewall.droplet_ids = without(firewall.droplet_ids, droplet.id)
    if droplet.machine:
        # Nobody waits for it: its address is handed out again last.
        droplet.machine.remove()
        droplet.machine = None
    droplet.status = "archive"
    remove = partial(state.remove_droplet, droplet)
    state.begin("destroy", state.knobs.archive, droplet, droplet.region, remove)


# What belongs to a droplet


def _list_snapshots(key: str, type: str, state: State, call: Call) -> Listing:
    droplet = _droplet(state, call)
    images = [image for image in state.images.values() if image.origin == droplet.id and image.type == type]
    return Listing(key, images, views.droplet_snapshot)


def _list_firewalls(state: State, call: Call) -> Listing:
    droplet = _droplet(state, call)
    tags = set(droplet.tags)
    firewalls = [
        firewall
        for firewall in state.firewalls.values()
        if droplet.id in firewall.droplet_ids or tags.intersection(firewall.tags)
    ]
    return Listing("firewalls", firewalls, lambda firewall: views.firewall(firewall, state.now))


def _list_actions(state: State, call: Call) -> Listing:
    return list_actions(state, _droplet(state, call))


def _get_action(state: State, call: Call) -> Reply:
    return get_action(state, call.path["action"], _droplet(state, call))


def _post_action(state: State, call: Call) -> Reply:
    action = post_action(state, _droplet(state, call), call.body)
    return Reply(201, {"action": views.action(state, action)})


def _post_actions(state: State, call: Call) -> Reply:
    tagged = with_tag(state, state.droplets.values(), call.query.get("tag_name", ""))
    actions = post_actions(state, tagged, call.body)
    return Reply(201, {"actions": [views.action(state, action) for action in actions]})


ROUTES: Routes = {
    "/droplets": {"GET": _list, "POST": _create, "DELETE": _delete_tagged},
    "/droplets/actions": {"POST": _post_actions},
    "/droplets/{droplet:int}": {"GET": _get, "DELETE": _delete},
    "/droplets/{droplet:int}/actions": {"GET": _list_actions, "POST": _post_action},
    "/droplets/{droplet:int}/actions/{action:int}": {"GET": _get_action},
    "/droplets/{droplet:int}/snapshots": {"GET": partial(_list_snapshots, "snapshots", "snapshot")},
    "/droplets/{droplet:int}/backups": {"GET": partial(_list_snapshots, "backups", "backup")},
    "/droplets/{droplet:int}/firewalls": {"GET": _list_firewalls},
}
