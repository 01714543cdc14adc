"""The rest of Nova: flavours, key pairs, zones, server groups, limits and quotas."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from polycloud.sandbox.openstack.dialect import ACCEPTED, DONE, Table, envelope
from polycloud.sandbox.openstack.keys import fingerprint, new_key_pair
from polycloud.sandbox.openstack.orders import counted, invalid
from polycloud.sandbox.openstack.resources import links
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.collection import Item, routes_of
from polycloud.sandbox.rest.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes

_PREFIX = "/compute/v2.1"
_RAM = 10_000_000
_KEYPAIR_LIMIT = 100
_POLICIES = ("anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity")

# Flavours


def _name_of_flavor(flavor: Item) -> Json:
    shown = {"id": flavor.id, "name": flavor.name, "links": links(flavor.state, "flavors", flavor.id)}
    return shown | ({"description": None} if flavor.state.version >= (2, 55) else {})


def show_flavor(flavor: Item) -> Json:
    """Render a flavour at the microversion of the present request."""
    version = flavor.state.version
    shown = {
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "swap": flavor.swap or ("" if version < (2, 75) else 0),
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral,
        "OS-FLV-DISABLED:disabled": False,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": True,
        "rxtx_factor": 1.0,
        "links": links(flavor.state, "flavors", flavor.id),
    }
    if version >= (2, 55):
        shown["description"] = None
    if version >= (2, 61):
        shown["extra_specs"] = flavor.extra_specs
    there: Json = flavor.state.layout.flavor(flavor, shown)
    return there


def _wanted_flavors(state: State, _: object, call: Call) -> list[Item]:
    flavors = sorted(state.flavors.values(), key=lambda flavor: flavor.id)
    for name, field in (("minRam", "ram"), ("minDisk", "disk")):
        text = call.query.get(name, "0")
        if not text.isdecimal():
            raise InputError(f"Invalid input for query parameters {name}. Value: {text}.")
        flavors = [flavor for flavor in flavors if getattr(flavor, field) >= int(text)]
    return flavors


def _extra_specs(_: State, flavor: Item, __: Call) -> Reply:
    return Reply(200, {"extra_specs": flavor.extra_specs})


def _flavors(view: Any, state: State, call: Call) -> Listing:
    return Listing(_wanted_flavors(state, state, call), view, "flavors")


_FLAVORS = Table(
    path="/flavors",
    verbs="/GET",
    view=show_flavor,
    missing="Flavor {id} could not be found.",
    parts={"os-extra_specs": {"GET": _extra_specs}},
)

# Key pairs


def _show_keypair(pair: Item) -> Json:
    shown = {"name": pair.name, "public_key": pair.public_key, "fingerprint": pair.fingerprint}
    return shown | ({"type": pair.type} if pair.state.version >= (2, 2) else {})


def _keypairs(state: State, _: Call) -> Reply | Listing:
    mine = [pair for pair in state.keypairs.values() if pair.user_id == state.caller.user.id]
    if state.version < (2, 35):
        return Reply(200, {"keypairs": [{"keypair": _show_keypair(pair)} for pair in mine]})
    mine.sort(key=lambda pair: pair.name)
    return Listing(mine, lambda pair: {"keypair": _show_keypair(pair)}, "keypairs")


def _create_keypair(state: State, call: Call) -> Reply:
    given = envelope(call.body, "keypair")
    name = given.need("name", str)
    allowed = r"[_\- a-zA-Z0-9]+" if state.version < (2, 92) else r"[@._\- a-zA-Z0-9]+"
    if not re.fullmatch(allowed, name):
        raise invalid("name", name, f"{name!r} does not match '^{allowed}$'")
    user = state.caller.user.id
    if (user, name) in state.keypairs:
        raise ConflictError(f"Key pair '{name}' already exists.")
    if sum(owner == user for owner, _ in state.keypairs) >= _KEYPAIR_LIMIT + state.settings.seed_keypairs:
        raise ForbiddenError("Quota exceeded, too many key pairs.")
    public, private = given.get("public_key", str), None
    if public is None:
        if state.version >= (2, 92):
            raise InputError("Invalid input for field/attribute keypair. 'public_key' is a required property")
        public, private = new_key_pair()
    if not fingerprint(public):
        raise InputError("Keypair data is invalid: failed to generate fingerprint")
    kind = given.get("type", str) if state.version >= (2, 2) else None
    pair = state.add_keypair(user, name, public, type=kind or "ssh")
    shown = {**_show_keypair(pair), "user_id": user, **({"private_key": private} if private else {})}
    return Reply(201 if state.version >= (2, 2) else 200, {"keypair": shown})


def _keypair_at(state: State, call: Call) -> Item:
    user, name = state.caller.user.id, call.path["name"]
    if (user, name) not in state.keypairs:
        raise NotFoundError(f"Keypair {name} not found for user {user}")
    return state.keypairs[user, name]


def _get_keypair(state: State, call: Call) -> Reply:
    pair = _keypair_at(state, call)
    record = {"created_at": pair.created_at, "deleted": False, "deleted_at": None, "updated_at": None}
    shown = {**_show_keypair(pair), "user_id": pair.user_id, "id": pair.id, **record}
    return Reply(200, {"keypair": shown})


def _delete_keypair(state: State, call: Call) -> Reply:
    pair = _keypair_at(state, call)
    del state.keypairs[pair.user_id, pair.name]
    return DONE if state.version >= (2, 2) else ACCEPTED


# Server groups


def _show_group(group: Item) -> Json:
    version = group.state.version
    members = [key for key in group.members if key in group.state.servers]
    shown: Json = {"id": group.id, "name": group.name, "members": members}
    if version >= (2, 64):
        shown |= {"policy": group.policy, "rules": {}}
    else:
        shown |= {"policies": [group.policy], "metadata": {}}
    if version >= (2, 13):
        shown |= {"project_id": group.project_id, "user_id": group.user_id}
    return shown


def _create_group(state: State, _: object, call: Call) -> Item:
    given = envelope(call.body, "server_group")
    if state.version >= (2, 64):
        policy = given.need("policy", str)
    else:
        policies = given.each("policies", str)
        if len(policies) != 1:
            raise invalid("policies", policies, f"{policies} is too short")
        policy = policies[0]
    if policy not in _POLICIES:
        raise invalid("policy", policy, f"{policy!r} is not one of {list(_POLICIES)}")
    group = Item(
        **state.identified(),
        name=given.need("name", str),
        policy=policy,
        members=(),
        user_id=state.caller.user.id,
    )
    state.server_groups[group.id] = group
    return group


_GROUPS = Table(
    path="/os-server-groups",
    many="server_groups",
    view=_show_group,
    verbs="GET POST/GET DELETE",
    created=200,
    create=_create_group,
    missing="Instance group {id} could not be found.",
)

# Zones, limits and quotas


def _zones(_: State, __: Call) -> Reply:
    zone = {"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}
    return Reply(200, {"availabilityZoneInfo": [zone]})


def _used(state: State) -> dict[str, int]:
    servers = counted(state)
    return {
        "instances": len(servers),
        "cores": sum(server.flavor.vcpus for server in servers),
        "ram": sum(server.flavor.ram for server in servers),
        "server_groups": sum(group.project_id == state.project_id for group in state.server_groups.values()),
    }


def _quotas(state: State) -> dict[str, int]:
    old = {}
    if state.version < (2, 36):
        old = dict.fromkeys(("fixed_ips", "floating_ips", "security_group_rules", "security_groups"), -1)
    if state.version < (2, 57):
        old |= {"injected_file_content_bytes": 10240, "injected_file_path_bytes": 255, "injected_files": 5}
    return {
        "cores": state.settings.core_limit,
        "instances": state.settings.server_limit + state.settings.seed_nodes,
        "key_pairs": _KEYPAIR_LIMIT,
        "metadata_items": 128,
        "ram": _RAM,
        "server_group_members": 10,
        "server_groups": 10,
        **old,
    }


def _quota(state: State, call: Call) -> Reply:
    return Reply(200, {"quota_set": {"id": call.path["project"], **_quotas(state)}})


def _quota_detail(state: State, call: Call) -> Reply:
    used = _used(state)
    detail = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
        for name, limit in _quotas(state).items()
    }
    return Reply(200, {"quota_set": {"id": call.path["project"], **detail}})


def _limits(state: State, _: Call) -> Reply:
    quotas, used = _quotas(state), _used(state)
    absolute = {
        "maxTotalCores": quotas["cores"],
        "maxTotalInstances": quotas["instances"],
        "maxTotalKeypairs": quotas["key_pairs"],
        "maxServerMeta": quotas["metadata_items"],
        "maxTotalRAMSize": quotas["ram"],
        "maxServerGroups": quotas["server_groups"],
        "maxServerGroupMembers": quotas["server_group_members"],
        "totalRAMUsed": used["ram"],
        "totalCoresUsed": used["cores"],
        "totalInstancesUsed": used["instances"],
        "totalServerGroupsUsed": used["server_groups"],
    }
    if state.version < (2, 36):
        absolute |= {"maxTotalFloatingIps": -1, "maxSecurityGroups": -1, "maxSecurityGroupRules": -1}
        absolute |= {"totalFloatingIpsUsed": 0, "totalSecurityGroupsUsed": 0}
    if state.version < (2, 39):
        absolute["maxImageMeta"] = 128
    if state.version < (2, 57):
        absolute |= {"maxPersonality": 5, "maxPersonalitySize": 10240}
    return Reply(200, {"limits": {"rate": [], "absolute": absolute}})


def _extensions(_: State, __: Call) -> Reply:
    return Reply(200, {"extensions": []})


_PATHS: Routes = {
    "/flavors": {"GET": partial(_flavors, _name_of_flavor)},
    "/flavors/detail": {"GET": partial(_flavors, show_flavor)},
    **routes_of(_FLAVORS, _GROUPS),
    "/os-keypairs": {"GET": _keypairs, "POST": _create_keypair},
    "/os-keypairs/{name}": {"GET": _get_keypair, "DELETE": _delete_keypair},
    "/os-availability-zone": {"GET": _zones},
    "/limits": {"GET": _limits},
    "/os-quota-sets/{project}": {"GET": _quota},
    "/os-quota-sets/{project}/detail": {"GET": _quota_detail},
    "/extensions": {"GET": _extensions},
}

ROUTES: Routes = {f"{_PREFIX}{path}": verbs for path, verbs in _PATHS.items()}
"""Every path of Nova but for those of servers, with its methods and their handlers."""
