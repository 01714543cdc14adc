"""NephoScale's requests: each handler takes the state and a request, and returns the envelope or raises.

The recorded facts contain no request that renames or destroys a dedicated server. Here,
`/server/dedicated/ID/` has PUT and DELETE like `/server/cloud/ID/`, because what can be created must also be
renamed and destroyed; power requests exist for cloud servers only. An id under the other kind's path is
unknown.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from polycloud.sandbox.nephoscale import catalog
from polycloud.sandbox.nephoscale.catalog import Kind
from polycloud.sandbox.nephoscale.dialect import (
    Form,
    InputError,
    Json,
    NoSuchResourceError,
    Subcode,
    listing,
    success,
)
from polycloud.sandbox.nephoscale.networks import PRIVATE, PUBLIC, Address, Network
from polycloud.sandbox.nephoscale.state import CONSOLE_GROUP, SERVER_GROUP, Key, KeyType, Order, State
from polycloud.sandbox.nephoscale.views import Views, subnet_with_fields, subnet_with_status

_SSH_TYPES = {
    "ssh-rsa",
    "ssh-dss",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
}
_MIN_PASSWORD = 6


@dataclass(frozen=True)
class Call:
    """One request: the id in its path (0 if none), its query and body, and the views for its response."""

    id: int
    query: Form
    form: Form
    views: Views


Handler = Callable[[State, Call], Json]


def _job(call: Call, id: int) -> Json:
    return success(call.views.link(id, "/job"), response=202)


# Catalog


def _list_zones(_: State, call: Call) -> Json:
    return listing([call.views.zone(zone) for zone in catalog.ZONES.values()])


def _list_images(_: State, call: Call) -> Json:
    zone = call.query.pick_any("region", catalog.ZONES)
    images = [image for image in catalog.IMAGES.values() if zone is None or zone.id in image.zones]
    return listing([call.views.image(image) for image in images])


def _list_sizes(kind: Kind, _: State, call: Call) -> Json:
    order = call.query.get("sort")
    if order not in {None, "ram"}:
        raise InputError("sort", f"cannot sort by {order!r}")
    sizes = list(catalog.SIZES[kind].values())
    if order:
        sizes.sort(key=lambda size: size.ram)
    return listing([call.views.size(size) for size in sizes])


# Servers


def _list_servers(kinds: tuple[Kind, ...], state: State, call: Call) -> Json:
    return listing([call.views.server(server) for server in state.listed(*kinds)])


def _create_server(kind: Kind, state: State, call: Call) -> Json:
    form = call.form
    name = form.text("name")
    size = form.pick("service_type", catalog.SIZES[kind])
    image = form.pick("image", catalog.IMAGES)
    zone = form.pick_any("zone", catalog.ZONES) or catalog.ZONES[image.zones[0]]
    _check_offer(image, zone)
    if kind is Kind.DEDICATED and form.get("console_key"):
        raise InputError("console_key", "is not for dedicated servers")
    order = Order(
        kind=kind,
        name=name,
        hostname=form.get("hostname") or name,
        size=size,
        image=image,
        zone=zone,
        server_key=form.pick_any("server_key", _keys(state, SERVER_GROUP)),
        console_key=form.pick_any("console_key", _keys(state, CONSOLE_GROUP)),
        addresses=_choose_addresses(state, form, zone),
    )
    return _job(call, state.create(order))


def _check_offer(image: catalog.Image, zone: catalog.Zone) -> None:
    if zone.activated is False:
        raise InputError("zone", f"{zone.name} is not activated")
    if not image.is_active:
        raise InputError("image", f"{image.friendly_name} is not active")
    if zone.id not in image.zones:
        raise InputError("image", f"{image.friendly_name} is not in {zone.name}")


def _keys(state: State, group: int) -> dict[int, Key]:
    return {key.id: key for key in state.keys.values() if key.group == group}


def _choose_addresses(state: State, form: Form, zone: catalog.Zone) -> list[Address]:
    """Choose the named addresses, one per network; else any of the named, or of the zone's, networks."""
    networks = form.pick_each("networks", state.networks.by_id)
    ips = form.words("ips")
    if any(network.zone is not zone for network in networks):
        raise InputError("networks", f"must be in {zone.name}")
    if ips and len(ips) != len(networks):
        raise InputError("networks", "must name one network for each of ips")
    if ips:
        return [_unused(network, ip) for network, ip in zip(networks, ips, strict=True)]
    if len(set(networks)) != len(networks):
        raise InputError("networks", "must not name a network twice")
    return [network.any_free() for network in networks] or state.networks.choose(zone)


def _unused(network: Network, ip: str) -> Address:
    address = network.find(ip)
    if address is None:
        raise InputError("ips", f"{ip} is not in network {network.id}", Subcode.UNKNOWN)
    if address.server is not None:
        raise InputError("ips", f"{ip} is in use", Subcode.CONFLICT)
    return address


def _rename_server(kind: Kind, state: State, call: Call) -> Json:
    server = state.server(kind, call.id)
    server.name = call.form.text("name")
    server.hostname = call.form.get("hostname") or server.hostname
    return success(call.views.link(server.id, f"/server/{kind.path}"))


def _switch_server(verb: str, state: State, call: Call) -> Json:
    return _job(call, state.switch(Kind.CLOUD, call.id, verb))


def _destroy_server(kind: Kind, state: State, call: Call) -> Json:
    return _job(call, state.destroy(kind, call.id))


# Keys


def _list_keys(state: State, call: Call) -> Json:
    return listing([call.views.key(key) for key in state.keys.values()])


def _list_keys_with_secrets(type: KeyType, state: State, call: Call) -> Json:
    return listing([call.views.key_with_secret(key) for key in state.keys.values() if key.type is type])


def _add_ssh_key(state: State, call: Call) -> Json:
    secret = call.form.text("public_key")
    if not _is_public_key(secret):
        raise InputError("public_key", "is not an SSH public key")
    return _add_key(KeyType.SSH, secret, SERVER_GROUP, state, call)


def _add_password(state: State, call: Call) -> Json:
    secret = call.form.text("password")
    if len(secret) < _MIN_PASSWORD:
        raise InputError("password", f"must have {_MIN_PASSWORD} characters or more")
    return _add_key(KeyType.PASSWORD, secret, CONSOLE_GROUP, state, call)


def _add_key(type: KeyType, secret: str, default_group: int, state: State, call: Call) -> Json:
    groups = {group: group for group in (SERVER_GROUP, CONSOLE_GROUP)}
    group = call.form.pick_any("key_group", groups) or default_group
    key = state.add_key(type, call.form.text("name"), secret, group)
    return success(call.views.link(key.id, f"/key/{type.path}"), response=201)


def _is_public_key(text: str) -> bool:
    """Return whether the text is one line: a type, and base64 of bytes that start with the type again."""
    words = text.strip().split(maxsplit=2)
    if len(words) < 2 or words[0] not in _SSH_TYPES or "\n" in text.strip():  # noqa: PLR2004 - type and key
        return False
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return False
    return blob.startswith(len(words[0]).to_bytes(4) + words[0].encode())


def _delete_key(type: KeyType, state: State, call: Call) -> Json:
    state.delete_key(type, call.id)
    return success({}, response=204)


# Networks


def _list_networks(state: State, call: Call) -> Json:
    networks = list(state.networks.by_id.values())
    # The recorded responses list a network twice; this one repeats the first at the end.
    return listing([call.views.network(network) for network in [*networks, networks[0]]])


def _list_subnets(state: State, call: Call) -> Json:
    types = {domain_type: domain_type for domain_type in (PUBLIC, PRIVATE)}
    chosen = call.query.pick_any("ip_type", types)
    every = state.networks.subnets().values()
    subnets = [subnet for subnet in every if chosen in {None, subnet.network.domain_type}]
    names = call.query.words("fields")
    if names:
        return listing([subnet_with_fields(subnet, names) for subnet in subnets])
    return listing([subnet_with_status(subnet) for subnet in subnets])


def _set_address(state: State, call: Call) -> Json:
    subnet = state.networks.subnets().get(call.id)
    if subnet is None:
        raise NoSuchResourceError
    form = call.form
    if form.text("_method") != "PUT":
        raise InputError("_method", "must be PUT")
    address = subnet.addresses.get(form.text("ipaddress"))
    if address is None:
        raise InputError("ipaddress", f"is not in {subnet.cidr}", Subcode.UNKNOWN)
    servers = {server.id: server for server in state.listed(*Kind)}
    server = form.pick_any("server", servers)
    if server and server.zone is not subnet.network.zone:
        raise InputError("server", f"is not in {subnet.network.zone.name}")
    state.set_address(address, reserved=form.truth("reserved"), server=server)
    return success(call.views.link(subnet.id, "/network/cidr/ipv4"))


ROUTES: Mapping[str, Mapping[str, Handler]] = {
    "/datacenter/zone/": {"GET": _list_zones},
    "/image/server/": {"GET": _list_images},
    "/server/type/cloud/": {"GET": partial(_list_sizes, Kind.CLOUD)},
    "/server/type/dedicated/": {"GET": partial(_list_sizes, Kind.DEDICATED)},
    "/server/": {"GET": partial(_list_servers, tuple(Kind))},
    "/server/cloud/": {
        "GET": partial(_list_servers, (Kind.CLOUD,)),
        "POST": partial(_create_server, Kind.CLOUD),
    },
    "/server/dedicated/": {
        "GET": partial(_list_servers, (Kind.DEDICATED,)),
        "POST": partial(_create_server, Kind.DEDICATED),
    },
    "/server/cloud/{id:int}/": {
        "PUT": partial(_rename_server, Kind.CLOUD),
        "DELETE": partial(_destroy_server, Kind.CLOUD),
    },
    "/server/dedicated/{id:int}/": {
        "PUT": partial(_rename_server, Kind.DEDICATED),
        "DELETE": partial(_destroy_server, Kind.DEDICATED),
    },
    "/server/cloud/{id:int}/initiator/start/": {"POST": partial(_switch_server, "start")},
    "/server/cloud/{id:int}/initiator/stop/": {"POST": partial(_switch_server, "stop")},
    "/server/cloud/{id:int}/initiator/restart/": {"POST": partial(_switch_server, "restart")},
    "/key/": {"GET": _list_keys},
    "/key/sshrsa/": {"GET": partial(_list_keys_with_secrets, KeyType.SSH), "POST": _add_ssh_key},
    "/key/password/": {"GET": partial(_list_keys_with_secrets, KeyType.PASSWORD), "POST": _add_password},
    "/key/sshrsa/{id:int}/": {"DELETE": partial(_delete_key, KeyType.SSH)},
    "/key/password/{id:int}/": {"DELETE": partial(_delete_key, KeyType.PASSWORD)},
    "/network/domain/": {"GET": _list_networks},
    "/network/cidr/ipv4/": {"GET": _list_subnets},
    "/network/cidr/ipv4/{id:int}/": {"POST": _set_address},
}
"""The handlers of every path, by verb."""
