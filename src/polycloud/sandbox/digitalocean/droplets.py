"""Creating, showing and deleting droplets."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial

from polycloud.sandbox.digitalocean.dialect import Table
from polycloud.sandbox.digitalocean.droplet_actions import BEGIN, begin_on_all, start_backups
from polycloud.sandbox.digitalocean.firewalls import FIREWALLS
from polycloud.sandbox.digitalocean.orders import read_order
from polycloud.sandbox.digitalocean.resources import (
    Action,
    Droplet,
    Image,
    Volume,
    show_action,
    show_droplet,
    show_droplet_snapshot,
)
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.digitalocean.tables import with_actions, with_tag
from polycloud.sandbox.rest.collection import routes_of, without
from polycloud.sandbox.rest.errors import InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes
from polycloud.sandbox.rest.timeline import check_free


def _wanted(state: State, _: object, call: Call) -> list[Droplet]:
    droplets = list(state.droplets.values())
    name, tag = call.query.get("name"), call.query.get("tag_name")
    if name and tag:
        raise InputError("name and tag_name can not be combined.")
    if name:
        droplets = [droplet for droplet in droplets if droplet.name.lower() == name.lower()]
    if tag:
        droplets = with_tag(state, droplets, tag)
    return [] if call.query.get("type") == "gpus" else droplets


def _create(state: State, _: object, call: Call) -> Reply:
    names, order, volumes = read_order(state, call.body)
    begun = [_begin(state, name, order, volumes) for name in names]
    links = {"actions": [action_link(state, action) for action in begun]}
    shown = [show_droplet(action.subject) for action in begun]
    droplets = {"droplets": shown} if "names" in call.body else {"droplet": shown[0]}
    return Reply(202, {**droplets, "links": links})


def action_link(state: State, action: Action) -> Json:
    """Return the link to an action that a request began."""
    return {"id": action.id, "rel": action.type, "href": state.link(f"/actions/{action.id}")}


def _begin(state: State, name: str, order: Json, volumes: tuple[Volume, ...]) -> Action:
    # The account's owner is sent a password by mail where there is no key.
    password = None if order["public_keys"] else secrets.token_hex(12)
    droplet = state.add_droplet(name=name, password=password, **order)
    for volume in volumes:
        volume.droplet = droplet
    state.add_machine(droplet)
    seconds = state.settings.build
    start = partial(droplet.machine.start, seconds) if droplet.machine else None
    effect = partial(_finish, state, droplet)
    return state.begin("create", seconds, droplet, effect, also_locks=volumes, start=start)


def _finish(state: State, droplet: Droplet) -> None:
    droplet.status = "active"
    if "backups" in droplet.features:
        start_backups(state, droplet)


# Deleting


def _delete(state: State, droplet: Droplet, _: Call) -> None:
    check_free(droplet)
    _destroy(state, droplet)


def _delete_tagged(state: State, _: object, call: Call) -> None:
    tag = call.query.get("tag_name")
    if not tag:
        raise InputError("tag_name is required.")
    if tag.lower() not in state.tags:
        raise NotFoundError
    tagged = [
        droplet for droplet in with_tag(state, state.droplets.values(), tag) if droplet.status != "archive"
    ]
    check_free(*tagged)
    for droplet in tagged:
        _destroy(state, droplet)


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
        # There is no need to wait for it: its address is handed out again last.
        droplet.machine.remove()
        droplet.machine = None
    droplet.status = "archive"
    state.begin("destroy", state.settings.destroy, droplet, partial(state.remove_droplet, droplet))


def _is_copy(type: str, droplet: Droplet, image: Image) -> bool:
    return image.origin == droplet.id and image.type == type


def _post_actions(state: State, call: Call) -> Reply:
    tagged = with_tag(state, state.droplets.values(), call.query.get("tag_name", ""))
    return Reply(201, {"actions": [show_action(action) for action in begin_on_all(state, tagged, call.body)]})


_DROPLETS = Table(
    path="/droplets",
    key="droplet:int",
    verbs="GET POST/GET",
    view=show_droplet,
    wanted=_wanted,
    create=_create,
    is_gone=lambda droplet: droplet.status == "archive",
    on_all={"DELETE": _delete_tagged},
    on_one={"DELETE": _delete},
    parts=with_actions("Droplet", BEGIN),
)
_COPIES = (
    Table(
        owner=_DROPLETS,
        path=f"/{kind}s",
        items="images",
        one=kind,
        many=f"{kind}s",
        verbs="GET",
        view=show_droplet_snapshot,
        of=partial(_is_copy, kind),
    )
    for kind in ("snapshot", "backup")
)
_FIREWALLS = replace(
    FIREWALLS,
    owner=_DROPLETS,
    verbs="GET",
    parts={},
    of=lambda droplet, firewall: (
        droplet.id in firewall.droplet_ids or not set(droplet.tags).isdisjoint(firewall.tags)
    ),
)

ROUTES: Routes = {
    "/droplets/actions": {"POST": _post_actions},
    **routes_of(_DROPLETS, *_COPIES, _FIREWALLS),
}
