"""Neutron: networks and subnets."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from polycloud.sandbox.openstack.addresses import Range
from polycloud.sandbox.openstack.dialect import Table
from polycloud.sandbox.openstack.errors import NeutronConflictError, NeutronForbiddenError, NeutronInputError
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Change, Field, Item, routes_of
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes

PREFIX = "/network/v2.0"
_PAGING = {"limit", "marker", "page_reverse", "sort_key", "sort_dir", "fields"}


class NetworkTable(Table):
    """A collection of Neutron's, whose lists can be filtered by every field."""

    def _change(self, state: Any, owner: Any, item: Any, body: Body, how: str = "replaces") -> Change:
        if body.get(self.one, dict) is None:
            raise InputError(f"Unable to find '{self.one}' in request body")
        given = body.part(self.one)
        allowed = {*self.fields, "tenant_id", "project_id"}
        unknown = given.fields - allowed
        if unknown:
            raise InputError(f"Unrecognized attribute(s) {', '.join(map(repr, sorted(unknown)))}")
        change = super()._change(state, owner, item, body, how)
        if item is not None:
            change.values |= {"updated_at": state.stamp(), "revision": item.revision + 1}
        return change

    def _list(self, state: Any, call: Call) -> Listing:
        listing = super()._list(state, call)
        items = listing.items
        shown = {id(item): self.view(item) for item in items}
        for name in call.query:
            if name in _PAGING:
                continue
            wanted = [value.lower() for value in call.query.every(name)]
            if items and name not in next(iter(shown.values())):
                raise InputError(f"['{name}'] is invalid attribute for filtering")
            items = [item for item in items if _matches(shown[id(item)][name], wanted)]
        names = call.query.every("fields")

        def view(item: Any) -> Json:
            whole: Json = shown[id(item)]
            return {name: whole[name] for name in names if name in whole} if names else whole

        return Listing(_sorted(items, shown, call), view, listing.name)

    def change(self, state: State, item: Any, body: Body) -> Change:
        """Return the checked change of an item that a body asks for."""
        return self._change(state, state, item, body, self.put)

    def read_fields(self, state: State, body: Body) -> Json:
        """Return the fields of a create."""
        return self._change(state, state, None, body).values


def _matches(value: object, wanted: list[str]) -> bool:
    if isinstance(value, list | tuple):
        return any(_matches(one, wanted) for one in value)
    return str("" if value is None else value).lower() in wanted


def _sorted(items: Any, shown: Mapping[int, Json], call: Call) -> list[Any]:
    key = call.query.get("sort_key")
    if key is None:
        return sorted(items, key=lambda item: str(item.id))
    if items and key not in shown[id(items[0])]:
        raise InputError(f"['{key}'] is invalid attribute for sort_keys")
    reverse = call.query.get("sort_dir") == "desc"
    return sorted(items, key=lambda item: (str(shown[id(item)][key]), item.id), reverse=reverse)


def owned(item: Item) -> Json:
    """Return what every resource of Neutron shows."""
    return {
        "id": item.id,
        "tenant_id": item.project_id,
        "project_id": item.project_id,
        "description": item.description,
        "tags": list(item.tags),
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "revision_number": item.revision,
    }


def new(state: State) -> Json:
    """Return what every new resource has."""
    dates = {"created_at": state.stamp(), "updated_at": state.stamp()}
    return {**state.identified(), "tags": (), "revision": 1, **dates}


def need_uuid(name: str, text: str) -> None:
    """Raise InputError unless a text is a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        raise InputError(f"Invalid input for {name}. Reason: '{text}' is not a valid UUID.") from None


def quota(state: State, items: Iterable[Item], name: str, most: int) -> None:
    """Raise NeutronConflictError if a project has as many of these as it may have."""
    if sum(item.project_id == state.project_id for item in items) >= most:
        raise NeutronConflictError("OverQuota", f"Quota exceeded for resources: ['{name}'].")


# Networks


def show_network(network: Item) -> Json:
    """Render a network."""
    state: State = network.state
    shown = {
        **owned(network),
        "name": network.name,
        "admin_state_up": network.admin_state_up,
        "mtu": network.mtu,
        "status": "ACTIVE",
        "subnets": [subnet.id for subnet in state.subnets.values() if subnet.network_id == network.id],
        "shared": network.shared,
        "port_security_enabled": network.port_security_enabled,
        "router:external": network.external,
        "vlan_transparent": False,
        "qinq": False,
        "is_default": False,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
    }
    if state.caller.is_admin:
        shown |= {
            "provider:network_type": "flat" if network.external else "geneve",
            "provider:physical_network": "public" if network.external else None,
            "provider:segmentation_id": None if network.external else 1,
        }
    return shown


def _check_network(change: Change) -> None:
    state: State = change.state
    for name, rule in (("shared", "shared"), ("router:external", "router:external")):
        if change.values.get(name) and not state.caller.is_admin:
            verb = "update" if change.item else "create"
            raise NeutronForbiddenError(
                "PolicyNotAuthorized",
                f"(rule:{verb}_network and rule:{verb}_network:{rule}) is disallowed by policy",
            )
    if "router:external" in change.values:
        change.values["external"] = bool(change.values.pop("router:external"))
    if change.item is None:
        quota(state, state.networks.values(), "network", 100)


def _remove_network(state: State, network: Item, _: object) -> None:
    check_owner(state, network, "network")
    ports = [port.id for port in state.ports.values() if port.network_id == network.id]
    if ports:
        raise NeutronConflictError(
            "NetworkInUse",
            f"Unable to complete operation on network {network.id}. There are one or more ports still in use "
            f"on the network, id for these ports is: {','.join(ports)}.",
        )
    for subnet in [one for one in state.subnets.values() if one.network_id == network.id]:
        del state.subnets[subnet.id]


def check_owner(state: State, item: Item, noun: str) -> None:
    """Raise NeutronForbiddenError unless an item belongs to the project."""
    if item.project_id != state.project_id and not state.caller.is_admin:
        raise NeutronForbiddenError("PolicyNotAuthorized", f"rule:delete_{noun} is disallowed by policy")


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InputError(f"Invalid input for {name}. Reason: '{value}' is not a valid string.")


TEXT = Field(default="", check=_text)

NETWORKS = NetworkTable(
    path="/networks",
    view=show_network,
    missing="Network {id} could not be found.",
    missing_kind="NetworkNotFound",
    fields={
        "name": TEXT,
        "description": TEXT,
        "admin_state_up": Field(kind=bool, default=True),
        "shared": Field(kind=bool, default=False),
        "router:external": Field(kind=bool, default=False),
        "port_security_enabled": Field(kind=bool, default=True),
        "mtu": Field(kind=int, default=1500),
        "availability_zone_hints": Field(kind=list, default=()),
        "is_default": Field(kind=bool, default=False),
    },
    identity=new,
    check=_check_network,
    remove=_remove_network,
)

# Subnets


def show_subnet(subnet: Item) -> Json:
    """Render a subnet."""
    state: State = subnet.state
    network = ip_network(subnet.cidr) if subnet.cidr else state.public_range()
    pools = subnet.allocation_pools or [{"start": str(network[2]), "end": str(network[-2])}]
    return {
        **owned(subnet),
        "name": subnet.name,
        "network_id": subnet.network_id,
        "ip_version": network.version,
        "subnetpool_id": None,
        "enable_dhcp": subnet.enable_dhcp,
        "ipv6_ra_mode": None,
        "ipv6_address_mode": None,
        "gateway_ip": subnet.gateway_ip or (None if subnet.cidr else str(network[1])),
        "cidr": str(network),
        "allocation_pools": list(pools),
        "host_routes": list(subnet.host_routes),
        "dns_nameservers": list(subnet.dns_nameservers),
        "router:external": state.networks[subnet.network_id].external,
        "service_types": [],
    }


def _create_subnet(state: State, _: object, call: Call) -> Item:
    given = _SUBNETS.read_fields(state, call.body)
    network_id = str(given["network_id"] or "")
    need_uuid("network_id", network_id)
    network = state.networks.get(network_id)
    if network is None or not (network.project_id == state.project_id or state.caller.is_admin):
        raise NETWORKS.unknown(state, network_id)
    cidr = given["cidr"]
    if not cidr:
        raise NeutronInputError(
            "BadRequest", "Bad subnets request: a subnetpool must be specified in the absence of a cidr."
        )
    try:
        wanted = ip_network(cidr)
    except ValueError:
        raise NeutronInputError(
            "InvalidInput", f"Invalid input for operation: {cidr} is not in a CIDR format."
        ) from None
    for other in state.subnets.values():
        if other.network_id == network_id and other.cidr and ip_network(other.cidr).overlaps(wanted):
            raise NeutronInputError(
                "InvalidInput",
                f"Invalid input for operation: Requested subnet with cidr: {cidr} for network: {network_id} "
                "overlaps with another subnet.",
            )
    quota(state, state.subnets.values(), "subnet", 100)
    gateway = given["gateway_ip"] if call.body.part("subnet").names("gateway_ip") else str(wanted[1])
    pool = Range(wanted, *([gateway] if gateway else []))
    return state.add_subnet(
        network,
        str(wanted),
        lambda: pool,
        project_id=state.project_id,
        name=given["name"],
        description=given["description"],
        enable_dhcp=given["enable_dhcp"],
        dns_nameservers=tuple(given["dns_nameservers"]),
        host_routes=tuple(given["host_routes"]),
        allocation_pools=given["allocation_pools"] or None,
        gateway_ip=gateway,
        ip_version=wanted.version,
    )


def _remove_subnet(state: State, subnet: Item, _: object) -> None:
    check_owner(state, subnet, "subnet")
    used = (fixed["subnet_id"] for port in state.ports.values() for fixed in port.fixed_ips)
    if subnet.id in used:
        raise NeutronConflictError(
            "SubnetInUse",
            f"Unable to complete operation on subnet {subnet.id}: One or more ports have an IP allocation "
            "from this subnet.",
        )


_SUBNETS = NetworkTable(
    path="/subnets",
    view=show_subnet,
    missing="Subnet {id} could not be found.",
    missing_kind="SubnetNotFound",
    fields={
        "name": TEXT,
        "description": TEXT,
        "network_id": Field(fixed=True),
        "ip_version": Field(kind=int, default=4, fixed=True),
        "cidr": Field(fixed=True),
        "gateway_ip": Field(),
        "enable_dhcp": Field(kind=bool, default=True),
        "dns_nameservers": Field(kind=list, default=()),
        "host_routes": Field(kind=list, default=()),
        "allocation_pools": Field(kind=list, default=()),
        "ipv6_ra_mode": Field(fixed=True),
        "ipv6_address_mode": Field(fixed=True),
        "subnetpool_id": Field(fixed=True),
    },
    create=_create_subnet,
    remove=_remove_subnet,
)


def _no_zones(_: State, __: Call) -> Reply:
    return Reply(200, {"availability_zones": []})


def _extensions(_: State, __: Call) -> Reply:
    names = (
        "security-group",
        "router",
        "external-net",
        "quotas",
        "standard-attr-tag",
        "pagination",
        "sorting",
    )
    return Reply(
        200,
        {
            "extensions": [
                {
                    "name": name,
                    "alias": name,
                    "description": "",
                    "updated": "2013-01-01T00:00:00-00:00",
                    "links": [],
                }
                for name in names
            ]
        },
    )


ROUTES: Routes = {
    f"{PREFIX}/availability_zones": {"GET": _no_zones},
    f"{PREFIX}/extensions": {"GET": _extensions},
    **{f"{PREFIX}{path}": verbs for path, verbs in routes_of(NETWORKS, _SUBNETS).items()},
}
"""The paths of networks and subnets, with their methods and handlers."""
