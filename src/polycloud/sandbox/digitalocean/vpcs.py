"""VPCs: the private networks of regions."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

from polycloud.sandbox.digitalocean import catalog, views
from polycloud.sandbox.digitalocean.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.digitalocean.errors import ConflictError, ForbiddenError, InputError
from polycloud.sandbox.digitalocean.inputs import Body
from polycloud.sandbox.digitalocean.networks import PRIVATE, private_range
from polycloud.sandbox.digitalocean.resources import Droplet, Vpc
from polycloud.sandbox.digitalocean.state import State, found

_NAME = re.compile(r"[a-zA-Z0-9.-]+")
_LONGEST_DESCRIPTION = 255


def _vpc(state: State, call: Call) -> Vpc:
    return found(state.vpcs, call.path["vpc"])


def _list(state: State, _: Call) -> Listing:
    return Listing("vpcs", list(state.vpcs.values()), views.vpc)


def _get(state: State, call: Call) -> Reply:
    return Reply(200, {"vpc": views.vpc(_vpc(state, call))})


def _create(state: State, call: Call) -> Reply:
    region = catalog.REGIONS.get(call.body.need("region", str))
    if region is None:
        raise InputError("You specified an invalid region for a VPC.")
    vpc = Vpc(
        id=state.new_uuid(),
        name=_name(state, call.body.need("name", str), None),
        description=_description(call.body) or "",
        region=region,
        ip_range=_ip_range(state, call.body.get("ip_range", str)),
        default=False,
        created_at=state.stamp(),
    )
    state.vpcs[vpc.id] = vpc
    return Reply(201, {"vpc": views.vpc(vpc)})


def _name(state: State, name: str, owner: Vpc | None) -> str:
    """The name, if it suits and no other VPC has it."""
    if not _NAME.fullmatch(name):
        raise InputError("Name may only contain alphanumeric characters, dashes, and periods.")
    if any(vpc.name == name and vpc is not owner for vpc in state.vpcs.values()):
        raise ConflictError("A VPC of this name already exists.")
    return name


def _description(body: Body) -> str | None:
    description = body.get("description", str)
    if description and len(description) > _LONGEST_DESCRIPTION:
        raise InputError(f"Description is too long (maximum is {_LONGEST_DESCRIPTION} characters).")
    return description


def _ip_range(state: State, wanted: str | None) -> IPv4Network:
    """The range that was asked for, or else the first free /20; InputError if it is not free."""
    taken = [vpc.ip_range for vpc in state.vpcs.values()]
    if wanted is None:
        spare = PRIVATE.subnets(new_prefix=20)
        return next(network for network in spare if not any(map(network.overlaps, taken)))
    network = private_range(wanted)
    if any(map(network.overlaps, taken)):
        raise InputError("This range/size overlaps with another VPC network in your account.")
    return network


def _update(state: State, call: Call) -> Reply:
    call.body.need("name", str)
    return _patch(state, call)


def _patch(state: State, call: Call) -> Reply:
    vpc = _vpc(state, call)
    name, description = call.body.get("name", str), _description(call.body)
    if call.body.get("default", bool) is False and vpc.default:
        raise InputError("Another VPC must become the default instead.")
    if name is not None:
        vpc.name = _name(state, name, vpc)
    if description is not None:
        vpc.description = description
    if call.body.flag("default"):
        state.default_vpc(vpc.region).default = False
        vpc.default = True
    return Reply(200, {"vpc": views.vpc(vpc)})


def _members(state: State, vpc: Vpc) -> list[Droplet]:
    return [droplet for droplet in state.droplets.values() if droplet.vpc is vpc]


def _list_members(state: State, call: Call) -> Listing:
    members = _members(state, _vpc(state, call))
    wanted = call.query.get("resource_type")
    return Listing("members", members if wanted in {None, "droplet"} else [], views.vpc_member)


def _delete(state: State, call: Call) -> Reply:
    vpc = _vpc(state, call)
    if vpc.default:
        raise ForbiddenError("Can not delete default VPCs")
    if _members(state, vpc):
        raise ForbiddenError("Can not delete VPC with members")
    del state.vpcs[vpc.id]
    return DONE


ROUTES: Routes = {
    "/vpcs": {"GET": _list, "POST": _create},
    "/vpcs/{vpc}": {"GET": _get, "PUT": _update, "PATCH": _patch, "DELETE": _delete},
    "/vpcs/{vpc}/members": {"GET": _list_members},
}
