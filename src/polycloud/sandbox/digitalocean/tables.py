"""The account's simple collections: SSH keys, regions, sizes, actions, tags, VPCs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from ipaddress import IPv4Network
from typing import Any

from polycloud.sandbox.digitalocean.dialect import Table
from polycloud.sandbox.digitalocean.resources import (
    DOCUMENTS,
    REGIONS,
    Action,
    Droplet,
    Image,
    Volume,
    show_action,
)
from polycloud.sandbox.digitalocean.state import State, in_network
from polycloud.sandbox.rest.bodies import Body, matches, split_key
from polycloud.sandbox.rest.collection import (
    Change,
    Field,
    Item,
    found,
    rendered,
    routes_of,
    show,
    without,
)
from polycloud.sandbox.rest.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes

# The account, regions and sizes


def droplet_limit(state: State) -> int:
    """Return how many droplets the account may have, the seeded ones included."""
    return state.settings.droplet_limit + state.settings.seed_nodes  # type: ignore[no-any-return]


def _account(state: State, _: Call) -> Reply:
    limits = {"droplet_limit": droplet_limit(state), "floating_ip_limit": state.settings.reserved_ip_limit}
    return Reply(200, {"account": {**limits, **DOCUMENTS["account"]}})


_REGIONS = Table(path="/regions", verbs="GET", view=rendered)
_SIZES = Table(path="/sizes", items="sizes", one="size", many="sizes", verbs="GET", view=rendered)


# SSH keys


_KEY_TYPES = {
    "ssh-rsa",
    "ssh-dss",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
}


def find_key(state: State, identifier: str) -> Item | None:
    """Return the key of that id, in digits, or of that fingerprint."""
    for key in state.keys.values():
        if identifier in {str(key.id), key.fingerprint}:
            return key
    return None


def _check_key(change: Change) -> None:
    if change.item is None:
        fingerprint = _fingerprint(change.values["public_key"])
        if find_key(change.state, fingerprint):
            raise InputError("SSH Key is already in use on your account")
        change.values["fingerprint"] = fingerprint


def _fingerprint(public_key: str) -> str:
    """Return the MD5 of a key, in pairs of digits."""
    kind, blob = split_key(public_key)
    if kind not in _KEY_TYPES or not blob:
        raise InputError("Key invalid, key should be an SSH public key in the OpenSSH format.")
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


_KEYS = Table(
    path="/account/keys",
    key="key",
    items="keys",
    one="ssh_key",
    many="ssh_keys",
    view=show("id fingerprint public_key name"),
    fields={"name": Field(needed=True), "public_key": Field(needed=True, fixed=True)},
    identity=lambda state: {"id": state.new_number()},
    check=_check_key,
    find=find_key,
)


# Actions


def _list_actions(state: State, subject: Any, _: Call) -> Listing:
    return _ACTIONS.listing(action for action in reversed(state.events.values()) if action.subject is subject)


def _get_action(state: State, subject: Any, call: Call) -> Reply:
    action = found(state.events, call.path["action"])
    if action.subject is not subject:
        raise NotFoundError
    return _ACTIONS.reply(action)


Begin = Callable[[Any, Any, Body], Action]
"""Begins an action: takes the account, the item and the request's body."""


def with_actions(noun: str, begin: Mapping[str, Begin], status: int = 201, **more: Any) -> dict[str, Any]:
    """Return the parts of an item that has actions, the latest first.

    Args:
        noun: what errors call the item.
        begin: a function for each type.
        status: that of the response to a new action.
        more: further fields in that response.
    """

    def post(state: State, item: Any, call: Call) -> Reply:
        verb = call.body.need("type", str)
        if verb not in begin:
            raise InputError(f"{verb} is not a valid {noun} action.")
        action = begin[verb](state, item, call.body)
        return Reply(status, {"action": {**show_action(action), **more}})

    return {
        "actions": {"GET": _list_actions, "POST": post},
        "actions/{action:int}": {"GET": _get_action},
    }


_ACTIONS = Table(
    path="/actions",
    key="action:int",
    items="events",
    verbs="GET/GET",
    view=show_action,
    wanted=lambda state, *_: reversed(state.events.values()),
)


# Tags

Tagged = Droplet | Image | Volume | Item

_check_tag = matches(
    "[a-zA-Z0-9_:-]{1,255}",
    "Tag name may only contain letters, numbers, colons, dashes, and underscores.",
)


def read_tags(state: State, body: Body) -> tuple[str, ...]:
    """Return the tags that a body names; those that do not exist are made. Raises InputError."""
    names = body.each("tags", str)
    for name in names:
        _check_tag("tags", name)
    return state.canonical_tags(names)


def with_tag(state: State, items: Iterable[Any], name: str) -> list[Any]:
    """Return the items that have the tag, however it is capitalised."""
    tag = state.tags.get(name.lower())
    return [item for item in items if tag and tag.name in item.tags]


def _kinds(state: State) -> dict[str, tuple[str, list[Tagged]]]:
    """Return what can be tagged, by the API's name for it: its path, and all items."""
    return {
        "droplet": ("droplets", list(state.droplets.values())),
        "image": ("images", [image for image in state.images.values() if not image.public]),
        "volume": ("volumes", list(state.volumes.values())),
        "volume_snapshot": ("snapshots", list(state.volume_snapshots.values())),
    }


def _show_tag(tag: Item) -> Json:
    state: State = tag.account
    resources: Json = {"count": 0}
    for kind, (path, items) in _kinds(state).items():
        tagged = with_tag(state, items, tag.name)
        counted: Json = {"count": len(tagged)}
        if tagged:
            counted["last_tagged_uri"] = state.link(f"/{path}/{tagged[-1].id}")
            resources["last_tagged_uri"] = counted["last_tagged_uri"]
        resources["count"] += len(tagged)
        resources[f"{kind}s"] = counted
    resources["databases"] = {"count": 0}
    return {"name": tag.name, "resources": resources}


def _create_tag(state: State, _: object, call: Call) -> Item:
    name = call.body.need("name", str)
    _check_tag("name", name)
    return state.tag(name)


def _remove_tag(state: State, tag: Item, _: object) -> None:
    for _, items in _kinds(state).values():
        for item in with_tag(state, items, tag.name):
            item.tags = without(item.tags, tag.name)
    for firewall in state.firewalls.values():
        firewall.tags = without(firewall.tags, tag.name)


def _tag_resources(state: State, tag: Item, call: Call, *, add: bool) -> None:
    """Tag or untag what the body names. Raises NotFoundError if any of it does not exist."""
    kinds = _kinds(state)
    named: list[Tagged] = []
    for resource in call.body.objects("resources"):
        kind, number = resource.need("resource_type", str), resource.identifier("resource_id") or ""
        if kind not in kinds:
            raise InputError(f"{kind} is not a type of resource that can be tagged.")
        named.append(found({str(item.id): item for item in kinds[kind][1]}, number))
    if not named:
        raise InputError("resources is required.")
    for item in named:
        item.tags = tuple(dict.fromkeys((*item.tags, tag.name))) if add else without(item.tags, tag.name)


_TAGS = Table(
    path="/tags",
    id="key",
    verbs="GET POST/GET DELETE",
    view=_show_tag,
    create=_create_tag,
    find=lambda state, name: next((tag for tag in state.tags.values() if tag.name == name), None),
    remove=_remove_tag,
    parts={
        "resources": {
            "POST": partial(_tag_resources, add=True),
            "DELETE": partial(_tag_resources, add=False),
        }
    },
)


# VPCs

_RFC_1918 = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_SMALLEST_PREFIX, _LARGEST_PREFIX = 16, 28


def _check_vpc(change: Change) -> None:
    state, vpc, values = change.state, change.item, change.values
    if vpc is None:
        if values["region"] not in REGIONS:
            raise InputError("You specified an invalid region for a VPC.")
        values.update(default=False, **in_network(_free_network(state, values["ip_range"])))
    elif values.get("default") is False and vpc.default:
        raise InputError("Another VPC must become the default instead.")
    elif values.get("default"):
        state.default_vpc(vpc.region).default = False


def _free_network(state: State, wanted: str | None) -> IPv4Network:
    """Return the network that was asked for, if it is free, or else the first free /20."""
    taken = [IPv4Network(vpc.ip_range) for vpc in state.vpcs.values()]
    if wanted is None:
        spare = _RFC_1918[0].subnets(new_prefix=20)
        return next(network for network in spare if not any(map(network.overlaps, taken)))
    network = _private_network(wanted)
    if any(map(network.overlaps, taken)):
        raise InputError("This range/size overlaps with another VPC network in your account.")
    return network


def _private_network(text: str) -> IPv4Network:
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise InputError("ip_range is not a valid CIDR.") from error
    if not any(network.subnet_of(private) for private in _RFC_1918):
        raise InputError("ip_range must be in the private ranges of RFC 1918.")
    if not _SMALLEST_PREFIX <= network.prefixlen <= _LARGEST_PREFIX:
        raise InputError("ip_range must be from /28 to /16.")
    return network


def _remove_vpc(state: State, vpc: Item, _: object) -> None:
    if vpc.default:
        raise ForbiddenError("Can not delete default VPCs")
    if any(droplet.vpc is vpc for droplet in state.droplets.values()):
        raise ForbiddenError("Can not delete VPC with members")


_VPCS = Table(
    path="/vpcs",
    verbs="GET POST/GET PUT PATCH DELETE",
    view=show("id name description region ip_range default created_at", urn=lambda vpc: f"do:vpc:{vpc.id}"),
    fields={
        "name": Field(
            needed=True,
            check=matches(
                "[a-zA-Z0-9.-]+", "Name may only contain alphanumeric characters, dashes, and periods."
            ),
            unique=partial(ConflictError, "A VPC of this name already exists."),
        ),
        "description": Field(
            default="",
            check=matches("(?s).{0,255}", "Description is too long (maximum is 255 characters)."),
        ),
        "region": Field(needed=True, fixed=True),
        "ip_range": Field(fixed=True),
        "default": Field(kind=bool),
    },
    identity=State.identity,
    put="needs",
    check=_check_vpc,
    remove=_remove_vpc,
)
_MEMBERS = Table(
    owner=_VPCS,
    path="/members",
    items="droplets",
    verbs="GET",
    view=show("name created_at", urn=lambda droplet: f"do:droplet:{droplet.id}"),
    wanted=lambda state, vpc, call: [
        droplet
        for droplet in state.droplets.values()
        if droplet.vpc is vpc and call.query.get("resource_type") in {None, "droplet"}
    ],
)

ROUTES: Routes = {
    "/account": {"GET": _account},
    **routes_of(_REGIONS, _SIZES, _KEYS, _ACTIONS, _TAGS, _VPCS, _MEMBERS),
}
