"""What Rackspace calls things: its catalogue, its networks, its servers' fields, and Cinder's first API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from polycloud.sandbox.openstack.layout import Layout, Service
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Handler, Json, Listing, Reply, Routes

PUBLIC = "00000000-0000-0000-0000-000000000000"
SERVICE = "11111111-1111-1111-1111-111111111111"
RACKCONNECT = "rackconnect_automation_status"
_ZONE = "9d4a1c4f4b2e0f7c1d1e9a3a6a6d3f3b8a5d7c2e1f0b4a6c8d2e4f6a"
_GONE = ("OS-EXT-AZ:availability_zone", "os-extended-volumes:volumes_attached", "security_groups")
_VOLUME_SIZES = (75, 1024)
_NOT_IN_V1 = (
    "links",
    "user_id",
    "encrypted",
    "replication_status",
    "consistencygroup_id",
    "multiattach",
    "updated_at",
)


def show_server(server: Any, shown: Json) -> Json:
    """Return how Rackspace shows a server."""
    addresses = {
        label: [{"addr": row["addr"], "version": row["version"]} for row in rows]
        for label, rows in shown["addresses"].items()
    }
    public = [row["addr"] for row in addresses.get("public", ())]
    more: Json = {
        "addresses": addresses,
        "accessIPv4": shown["accessIPv4"] or next(iter(public), ""),
        "OS-DCF:diskConfig": "AUTO" if shown["OS-DCF:diskConfig"] == "MANUAL" else shown["OS-DCF:diskConfig"],
        "progress": 100 if server.is_built else 0,
        "rax-bandwidth:bandwidth": [],
        "RAX-PUBLIC-IP-ZONE-ID:publicIPZoneId": _ZONE if server.is_built else None,
        "metadata": {**_rackconnect(server), **shown["metadata"]},
    }
    return {**{name: value for name, value in shown.items() if name not in _GONE}, **more}


def _rackconnect(server: Any) -> dict[str, str]:
    """Return what RackConnect's automation has noted about a server, if the account has RackConnect."""
    state = server.state
    if not state.settings.rackconnect or not server.is_built:
        return {}
    done = state.settings.rackconnect_seconds
    passed = state.wall_time - server.built_at
    return {
        "rackconnect_automation_feature_configure_network_stack": "ENABLED",
        "rackconnect_automation_feature_manage_software_firewall": "ENABLED",
        "rackconnect_automation_feature_provison_public_ip": "ENABLED",
        RACKCONNECT: "DEPLOYED" if passed >= done else "DEPLOYING",
    }


def show_flavor(flavor: Any, shown: Json) -> Json:
    """Return how Rackspace shows a flavour: with its class."""
    kept = {name: value for name, value in shown.items() if not name.startswith(("OS-FLV-DIS", "os-flavor"))}
    return {
        **kept,
        "rxtx_factor": flavor.rxtx_factor,
        "OS-FLV-WITH-EXT-SPECS:extra_specs": flavor.extra_specs,
    }


def misfit(image: Any, flavor: Any, local_disk: bool) -> str:
    """Return why an image and a flavour do not fit each other."""
    wanted = flavor.extra_specs["class"]
    rules = image.properties.get("flavor_classes", "*").split(",")
    if f"!{wanted}" in rules or not {"*", wanted} & set(rules):
        return f"Flavor class {wanted} is not allowed for image {image.id}."
    if local_disk and not flavor.disk:
        return f"Flavor {flavor.id} has no disk: a volume to boot from is required."
    return ""


_REGIONS = ("DFW", "ORD", "IAD", "LON", "SYD", "HKG")

LAYOUT = Layout(
    regions={name: f"/{name}" for name in _REGIONS},
    services=(
        Service("compute", "cloudServersOpenStack", "/compute/v2/{}"),
        Service("object-store", "cloudFiles", "/v1/MossoCloudFS_{}"),
        Service("rax:object-cdn", "cloudFilesCDN", "/cdn/v1/MossoCloudFS_{}"),
        Service("rax:load-balancer", "cloudLoadBalancers", "/loadbalancers/v1.0/{}"),
        Service("rax:dns", "cloudDNS", "/dns/v1.0/{}"),
        Service("volume", "cloudBlockStorage", "/volume/v1/{}"),
        Service("network", "cloudNetworks", "/network/v2.0"),
        Service("image", "cloudImages", "/image/v2"),
    ),
    interfaces=("public", "internal"),
    compute="/compute/v2/{}",
    package="polycloud.sandbox.rackspace",
    networks=(
        {"id": PUBLIC, "name": "public", "cidr": None, "external": True},
        {"id": SERVICE, "name": "private", "cidr": "10.176.0.0/16"},
    ),
    default_networks=(PUBLIC, SERVICE),
    server=show_server,
    flavor=show_flavor,
    misfit=misfit,
)
"""Rackspace's public cloud."""

# Cinder's first API

_NAMES = {"name": "display_name", "description": "display_description"}


def _v1_item(shown: Json) -> Json:
    kept = {name: value for name, value in shown.items() if name not in _NOT_IN_V1}
    return {_NAMES.get(name, name): value for name, value in kept.items()}


def _v1_body(body: Body) -> Body:
    fields: Json = {}
    for name in body.fields:
        value = body.value(name)
        old = {ours: theirs for theirs, ours in _NAMES.items()}
        is_part = isinstance(value, Mapping) and name in {"volume", "snapshot"}
        fields[name] = {old.get(key, key): item for key, item in value.items()} if is_part else value
    return type(body)(fields)


def _v1_reply(body: Json) -> Json:
    return {
        name: [_v1_item(one) for one in value]
        if name in {"volumes", "snapshots"}
        else _v1_item(value)
        if name in {"volume", "snapshot"}
        else value
        for name, value in body.items()
    }


def _v1(handler: Handler) -> Handler:
    """Return a handler of Cinder's third API that is spoken to in the first."""

    def handle(state: Any, call: Call) -> Reply | Listing:
        if call.body.names("volume"):
            _check_size(call.body.part("volume"))
        reply = handler(state, replace(call, body=_v1_body(call.body)))
        if isinstance(reply, Listing):
            view: Callable[[Any], Any] = reply.view
            return replace(reply, view=lambda item: _v1_item(view(item)))
        return replace(reply, body=_v1_reply(reply.body)) if isinstance(reply.body, dict) else reply

    return handle


def _check_size(volume: Body) -> None:
    least, most = _VOLUME_SIZES
    size = volume.value("size")
    if isinstance(size, int) and not least <= size <= most:
        raise InputError(f"Invalid input received: 'size' parameter must be between {least} and {most}")


def in_v1(routes: Routes) -> Routes:
    """Return the routes of Cinder in its first API."""
    return {
        path: {verb: _v1(handler) for verb, handler in verbs.items()}
        if path.startswith("/volume/")
        else verbs
        for path, verbs in routes.items()
    }
