"""Neutron: floating IPs, the routers that they need, and quotas."""

from __future__ import annotations

from typing import Any

from polycloud.sandbox.openstack.errors import NeutronConflictError, NeutronInputError, NeutronNotFoundError
from polycloud.sandbox.openstack.networks import (
    NETWORKS,
    PREFIX,
    TEXT,
    NetworkTable,
    check_owner,
    new,
    owned,
    quota,
)
from polycloud.sandbox.openstack.resources import Server
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.collection import Change, Field, Item, routes_of
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_INTERFACE = "network:router_interface"
_LIMITS = {"network": 100, "subnet": 100, "port": 500, "router": 10, "floatingip": 50}
_OTHER_LIMITS = {"subnetpool": -1, "router_route": 30, "rbac_policy": 10, "security_group_rule": 100}

# Routers


def show_router(router: Item) -> Json:
    """Render a router."""
    return {
        **owned(router),
        "name": router.name,
        "admin_state_up": router.admin_state_up,
        "status": "ACTIVE",
        "external_gateway_info": router.gateway,
        "availability_zones": [],
        "availability_zone_hints": [],
        "routes": [],
        "flavor_id": None,
    }


def _check_router(change: Change) -> None:
    state: State = change.state
    if change.item is None:
        quota(state, state.routers.values(), "router", _LIMITS["router"])
    if "external_gateway_info" in change.values:
        gateway = change.values.pop("external_gateway_info")
        change.values["gateway"] = _gateway(state, gateway) if gateway else None


def _gateway(state: State, given: Json) -> Json:
    network = _external(state, str(given.get("network_id")), "router")
    subnet = next(one for one in state.subnets.values() if one.network_id == network.id)
    fixed = [{"subnet_id": subnet.id, "ip_address": str(state.public_range()[1])}]
    return {"network_id": network.id, "external_fixed_ips": fixed, "enable_snat": True}


def _external(state: State, id: str, noun: str) -> Item:
    network = state.networks.get(id)
    if network is None:
        raise NETWORKS.unknown(state, id)
    if not network.external:
        raise NeutronInputError(
            "BadRequest", f"Bad {noun} request: Network {id} is not a valid external network."
        )
    return network


def _interfaces(state: State, router: Item) -> list[Item]:
    return [
        port
        for port in state.ports.values()
        if port.device_id == router.id and port.device_owner == _INTERFACE
    ]


def _remove_router(state: State, router: Item, _: object) -> None:
    check_owner(state, router, "router")
    ports = _interfaces(state, router)
    if ports:
        raise NeutronConflictError(
            "RouterInUse",
            f"Router {router.id} has ports still attached: {', '.join(port.id for port in ports)}",
        )


def _add_interface(state: State, router: Item, call: Call) -> Reply:
    given, subnet = _asked(state, call)
    if given and given.device_id:
        raise NeutronConflictError(
            "PortInUse",
            f"Unable to complete operation on port {given.id} for network {given.network_id}. "
            f"Port already has an attached device {given.device_id}.",
        )
    if _interface_on(state, router, subnet):
        raise NeutronInputError(
            "BadRequest", f"Bad router request: Router already has a port on subnet {subnet.id}."
        )
    if given:
        given.device_id, given.device_owner, given.status = router.id, _INTERFACE, "ACTIVE"
        return _show_interface(router, given, subnet)
    fixed = [{"subnet_id": subnet.id, "ip_address": subnet.gateway_ip}]
    port = state.add_port(
        state.networks[subnet.network_id],
        router.project_id,
        device_id=router.id,
        device_owner=_INTERFACE,
        fixed_ips=fixed,
        status="ACTIVE",
        security_groups=(),
    )
    return _show_interface(router, port, subnet)


def _asked(state: State, call: Call) -> tuple[Item | None, Item]:
    """Return the port that a request names, None without one, and its subnet or the one that is named."""
    port_id, subnet_id = call.body.get("port_id", str), call.body.get("subnet_id", str)
    if not port_id and not subnet_id:
        raise NeutronInputError(
            "BadRequest", "Bad router request: Either subnet_id or port_id must be specified."
        )
    port = _port(state, port_id) if port_id else None
    if port and not port.fixed_ips:
        raise NeutronInputError(
            "BadRequest", f"Bad router request: Port {port.id} must have at least one fixed IP."
        )
    key = str(port.fixed_ips[0]["subnet_id"] if port else subnet_id)
    subnet = state.subnets.get(key)
    if subnet is None or not state.sees(subnet):
        raise NeutronNotFoundError("SubnetNotFound", f"Subnet {key} could not be found.")
    return port, subnet


def _interface_on(state: State, router: Item, subnet: Item) -> Item | None:
    ports = _interfaces(state, router)
    return next((port for port in ports if port.fixed_ips[0]["subnet_id"] == subnet.id), None)


def _show_interface(router: Item, port: Item, subnet: Item) -> Reply:
    shown = {"port_id": port.id, "network_id": port.network_id, "subnet_id": subnet.id}
    body = {"id": router.id, "project_id": router.project_id, **shown, "subnet_ids": [subnet.id]}
    return Reply(200, body)


def _remove_interface(state: State, router: Item, call: Call) -> Reply:
    port, subnet = _asked(state, call)
    if port and port not in _interfaces(state, router):
        raise NeutronNotFoundError(
            "RouterInterfaceNotFound", f"Router {router.id} does not have an interface with id {port.id}"
        )
    port = port or _interface_on(state, router, subnet)
    if port is None:
        raise NeutronNotFoundError(
            "RouterInterfaceNotFoundForSubnet",
            f"Router {router.id} has no interface on subnet {subnet.id}",
        )
    state.remove_port(port)
    return _show_interface(router, port, subnet)


def _router_of(state: State, port: Item, network: Item) -> Item | None:
    """Return the router that joins a port's subnet to an external network."""
    subnets = {fixed["subnet_id"] for fixed in port.fixed_ips}
    for router in state.routers.values():
        joined = {fixed["subnet_id"] for one in _interfaces(state, router) for fixed in one.fixed_ips}
        if router.gateway and router.gateway["network_id"] == network.id and subnets & joined:
            return router
    return None


_ROUTERS = NetworkTable(
    path="/routers",
    view=show_router,
    missing="Router {id} could not be found",
    missing_kind="RouterNotFound",
    fields={
        "name": TEXT,
        "description": TEXT,
        "admin_state_up": Field(kind=bool, default=True),
        "external_gateway_info": Field(kind=dict),
        "availability_zone_hints": Field(kind=list, default=()),
    },
    identity=new,
    check=_check_router,
    remove=_remove_router,
    parts={
        "add_router_interface": {"PUT": _add_interface},
        "remove_router_interface": {"PUT": _remove_interface},
    },
)

# Floating IPs


def show_floating_ip(floating: Item) -> Json:
    """Render a floating IP."""
    port = floating.state.ports.get(floating.port_id or "")
    names = ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")
    return {
        **owned(floating),
        "floating_ip_address": floating.floating_ip_address,
        "floating_network_id": floating.floating_network_id,
        "router_id": floating.router_id,
        "port_id": floating.port_id,
        "fixed_ip_address": floating.fixed_ip_address,
        "status": "ACTIVE" if port else "DOWN",
        "port_details": {name: getattr(port, name) for name in names} if port else None,
    }


def _create_floating_ip(state: State, _: object, call: Call) -> Item:
    given = _FLOATING_IPS.read_fields(state, call.body)
    network = _external(state, str(given["floating_network_id"]), "floatingip")
    quota(state, state.floating_ips.values(), "floatingip", _LIMITS["floatingip"])
    floating = Item(
        **new(state),
        description=given["description"],
        floating_network_id=network.id,
        floating_ip_address="",
        port_id=None,
        fixed_ip_address=None,
        router_id=None,
    )
    port = _reachable_port(state, network, given["port_id"]) if given["port_id"] else None
    floating.floating_ip_address = state.addresses.take()
    state.floating_ips[floating.id] = floating
    if port:
        _associate(state, floating, port)
    return floating


def _port(state: State, id: str) -> Item:
    port: Item | None = state.ports.get(id)
    if port is None or not state.sees(port):
        raise NeutronNotFoundError("PortNotFound", f"Port {id} could not be found.")
    return port


def _reachable_port(state: State, network: Item, id: str) -> Item:
    port = _port(state, id)
    if _router_of(state, port, network) is None:
        subnet = port.fixed_ips[0]["subnet_id"] if port.fixed_ips else None
        raise NeutronNotFoundError(
            "ExternalGatewayForFloatingIPNotFound",
            f"External network {network.id} is not reachable from subnet {subnet}.  Therefore, cannot "
            f"associate Port {id} with a Floating IP.",
        )
    return port


def _associate(state: State, floating: Item, port: Item | None) -> None:
    """Lead a floating IP to a port, or nowhere; the machine of a server is at its address."""
    before = _server_of(state, floating.port_id)
    floating.port_id = port.id if port else None
    floating.fixed_ip_address = port.fixed_ips[0]["ip_address"] if port else None
    router = _router_of(state, port, state.networks[floating.floating_network_id]) if port else None
    floating.router_id = router.id if router else None
    for server in (before, _server_of(state, floating.port_id)):
        if server and (not server.machine or server.machine.address != state.machine_address(server)):
            state.replace_machine(server, running=server.vm_state == "active")


def _server_of(state: State, port_id: str | None) -> Server | None:
    port = state.ports.get(port_id or "")
    return state.servers.get(port.device_id) if port else None


def _update_floating_ip(state: State, floating: Item, call: Call) -> Reply:
    change = _FLOATING_IPS.change(state, floating, call.body)
    values = dict(change.values)
    if call.body.part("floatingip").names("port_id"):
        key = call.body.part("floatingip").get("port_id", str)
        network = state.networks[floating.floating_network_id]
        _associate(state, floating, _reachable_port(state, network, key) if key else None)
    values.pop("port_id", None)
    vars(floating).update(values)
    return Reply(200, {"floatingip": show_floating_ip(floating)})


def _remove_floating_ip(state: State, floating: Item, _: object) -> None:
    _associate(state, floating, None)
    state.addresses.give(floating.floating_ip_address)


_FLOATING_IPS = NetworkTable(
    path="/floatingips",
    items="floating_ips",
    view=show_floating_ip,
    verbs="GET POST/GET DELETE",
    missing="Floating IP {id} could not be found",
    missing_kind="FloatingIPNotFound",
    fields={
        "description": TEXT,
        "floating_network_id": Field(fixed=True),
        "port_id": Field(),
        "fixed_ip_address": Field(fixed=True),
        "subnet_id": Field(fixed=True),
    },
    create=_create_floating_ip,
    remove=_remove_floating_ip,
    on_one={"PUT": _update_floating_ip},
)

# Quotas


def _limits(state: State) -> dict[str, int]:
    return {**_LIMITS, **_OTHER_LIMITS, "security_group": state.settings.security_group_limit}


def _quota(state: State, _: Call) -> Reply:
    return Reply(200, {"quota": _limits(state)})


def _quota_details(state: State, call: Call) -> Reply:
    project = call.path["project"]
    collections: dict[str, dict[str, Any]] = {
        "network": state.networks,
        "subnet": state.subnets,
        "port": state.ports,
        "router": state.routers,
        "floatingip": state.floating_ips,
        "security_group": state.security_groups,
        "security_group_rule": state.security_group_rules,
    }

    def used(name: str) -> int:
        return sum(item.project_id == project for item in collections.get(name, {}).values())

    details = {
        name: {"limit": limit, "used": used(name), "reserved": 0} for name, limit in _limits(state).items()
    }
    return Reply(200, {"quota": details})


ROUTES: Routes = {
    **{f"{PREFIX}{path}": verbs for path, verbs in routes_of(_ROUTERS, _FLOATING_IPS).items()},
    f"{PREFIX}/quotas/{{project}}": {"GET": _quota},
    f"{PREFIX}/quotas/{{project}}/details.json": {"GET": _quota_details},
    f"{PREFIX}/quotas/{{project}}/details": {"GET": _quota_details},
}
"""The paths of routers, floating IPs and quotas, with their methods and handlers."""
