"""Rackspace's own API for networks and interfaces: os-networksv2, os-virtual-interfacesv2."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from polycloud.sandbox.openstack import attaching
from polycloud.sandbox.openstack.addresses import Range
from polycloud.sandbox.openstack.resources import Server
from polycloud.sandbox.openstack.servers import SERVERS
from polycloud.sandbox.rackspace.dialect import PUBLIC, SERVICE
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_PREFIX = "/compute/v2.1"


def _show_network(state: Any, network: Item) -> Json:
    shown = {"id": network.id, "label": network.name}
    subnet = next((one for one in state.subnets.values() if one.network_id == network.id), None)
    return shown if network.id in {PUBLIC, SERVICE} or subnet is None else {**shown, "cidr": subnet.cidr}


def _networks(state: Any, _: Call) -> Reply:
    visible = [network for network in state.networks.values() if state.sees(network)]
    return Reply(200, {"networks": [_show_network(state, network) for network in visible]})


def _create_network(state: Any, call: Call) -> Reply:
    given = call.body.part("network")
    label, cidr = given.need("label", str), given.need("cidr", str)
    try:
        wanted = ip_network(cidr)
    except ValueError:
        raise InputError(f"CIDR {cidr} is invalid.") from None
    network = state.new_network(name=label, project_id=state.project_id)
    pool = Range(wanted, str(wanted[1]))
    state.add_subnet(network, str(wanted), lambda: pool, project_id=state.project_id, name=label)
    return Reply(200, {"network": _show_network(state, network)})


def _network(state: Any, call: Call) -> Item:
    network: Item | None = state.networks.get(call.path["network"])
    if network is None or not state.sees(network):
        raise NotFoundError("Network not found")
    return network


def _get_network(state: Any, call: Call) -> Reply:
    return Reply(200, {"network": _show_network(state, _network(state, call))})


def _delete_network(state: Any, call: Call) -> Reply:
    network = _network(state, call)
    if network.shared:
        raise ForbiddenError("Network is not yours to delete")
    if any(port.network_id == network.id for port in state.ports.values()):
        raise ConflictError("Network is in use")
    del state.networks[network.id]
    for subnet in [one for one in state.subnets.values() if one.network_id == network.id]:
        del state.subnets[subnet.id]
    return Reply(202)


def _show_interface(state: Any, port: Item) -> Json:
    label = state.networks[port.network_id].name
    rows = [
        {"address": fixed["ip_address"], "network_id": port.network_id, "network_label": label}
        for fixed in port.fixed_ips
    ]
    return {"id": port.id, "mac_address": port.mac_address.upper(), "ip_addresses": rows}


def _interfaces(state: Any, call: Call) -> Reply:
    server: Server = SERVERS.at(state, call)
    shown = [_show_interface(state, port) for port in server.ports]
    return Reply(200, {"virtual_interfaces": shown})


def _add_interface(state: Any, call: Call) -> Reply:
    server: Server = SERVERS.at(state, call)
    wanted = call.body.part("virtual_interface").need("network_id", str)
    network = state.networks.get(wanted)
    if network is None or not state.sees(network):
        raise InputError(f"Network {wanted} could not be found.")
    if any(port.network_id == wanted for port in server.ports):
        raise InputError(f"The server is connected to network {wanted} already.")
    port = attaching.plug(state, server, network)
    return Reply(200, {"virtual_interfaces": [_show_interface(state, port)]})


def _remove_interface(state: Any, call: Call) -> Reply:
    server: Server = SERVERS.at(state, call)
    port = next((one for one in server.ports if one.id == call.path["interface"]), None)
    if port is None:
        raise NotFoundError("Virtual interface not found")
    attaching.unplug(state, server, port)
    return Reply(200)


ROUTES: Routes = {
    f"{_PREFIX}/os-networksv2": {"GET": _networks, "POST": _create_network},
    f"{_PREFIX}/os-networksv2/{{network}}": {"GET": _get_network, "DELETE": _delete_network},
    f"{_PREFIX}/servers/{{server}}/os-virtual-interfacesv2": {"GET": _interfaces, "POST": _add_interface},
    f"{_PREFIX}/servers/{{server}}/os-virtual-interfacesv2/{{interface}}": {"DELETE": _remove_interface},
}
"""The paths that only Rackspace has."""
