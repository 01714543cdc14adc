"""Neutron: ports."""

from __future__ import annotations

from polycloud.sandbox.openstack.errors import NeutronConflictError
from polycloud.sandbox.openstack.networks import (
    NETWORKS,
    PREFIX,
    TEXT,
    NetworkTable,
    check_owner,
    owned,
    quota,
)
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.collection import Field, Item, routes_of
from polycloud.sandbox.rest.replies import Call, Json, Routes


def show_port(port: Item) -> Json:
    """Render a port."""
    return {
        **owned(port),
        "name": port.name,
        "network_id": port.network_id,
        "mac_address": port.mac_address,
        "admin_state_up": port.admin_state_up,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": port.fixed_ips,
        "port_security_enabled": port.port_security_enabled,
        "security_groups": list(port.security_groups),
        "binding:vnic_type": "normal",
        "allowed_address_pairs": list(port.allowed_address_pairs),
        "extra_dhcp_opts": [],
    }


def _create_port(state: State, _: object, call: Call) -> Item:
    given = _PORTS.read_fields(state, call.body)
    network = state.networks.get(str(given["network_id"] or ""))
    if network is None or not state.sees(network):
        raise NETWORKS.unknown(state, str(given["network_id"]))
    quota(state, state.ports.values(), "port", 500)
    fixed = given["fixed_ips"]
    ip = fixed[0].get("ip_address") if fixed else None
    groups = given["security_groups"]
    more: Json = {} if groups is None else {"security_groups": tuple(groups)}
    names = ("name", "description", "admin_state_up", "device_id", "device_owner", "port_security_enabled")
    more |= {name: given[name] for name in names}
    more["allowed_address_pairs"] = tuple(given["allowed_address_pairs"])
    return state.add_port(network, state.project_id, ip=ip, **more)


def _remove_port(state: State, port: Item, _: object) -> None:
    check_owner(state, port, "port")
    if port.device_owner == "network:router_interface":
        raise NeutronConflictError(
            "ServicePortInUse",
            f"Port {port.id} cannot be deleted directly via the port API: has device owner "
            f"{port.device_owner}.",
        )
    for server in state.servers.values():
        server.ports = tuple(one for one in server.ports if one is not port)
    state.remove_port(port)


_PORTS = NetworkTable(
    path="/ports",
    view=show_port,
    missing="Port {id} could not be found.",
    missing_kind="PortNotFound",
    fields={
        "name": TEXT,
        "description": TEXT,
        "network_id": Field(fixed=True),
        "admin_state_up": Field(kind=bool, default=True),
        "device_id": Field(default=""),
        "device_owner": Field(default=""),
        "fixed_ips": Field(kind=list, default=(), fixed=True),
        "mac_address": Field(fixed=True),
        "security_groups": Field(kind=list, default=None),
        "port_security_enabled": Field(kind=bool, default=True),
        "allowed_address_pairs": Field(kind=list, default=()),
        "binding:vnic_type": Field(fixed=True),
        "extra_dhcp_opts": Field(kind=list, default=(), fixed=True),
    },
    create=_create_port,
    remove=_remove_port,
)

ROUTES: Routes = {f"{PREFIX}{path}": verbs for path, verbs in routes_of(_PORTS).items()}
"""The paths of ports, with their methods and handlers."""
