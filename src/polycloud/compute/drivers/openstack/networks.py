"""Networks, subnets, ports, routers and floating IPs, which Neutron keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from polycloud.common.arguments import as_list, drop_none, id_of
from polycloud.common.base import quote_segment
from polycloud.common.payload import value_of
from polycloud.compute.base import require_id
from polycloud.compute.drivers.openstack.connection import OpenStackServices
from polycloud.compute.drivers.openstack.nodes import server_path
from polycloud.compute.objects import Node
from polycloud.errors import ConflictError, InvalidArgumentError, NotFoundError
from polycloud.utils.status import HTTPStatus

T = TypeVar("T")


class OpenStackNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network; `is_external` says whether floating IPs come from it."""

    id: str
    name: str | None = None
    status: str | None = None
    subnets: list[str] = []
    shared: bool | None = None
    is_external: bool | None = msgspec.field(name="router:external", default=None)
    mtu: int | None = None
    project_id: str | None = None


class OpenStackSubnet(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet: `cidr` is its range."""

    id: str
    network_id: str
    cidr: str | None = None
    name: str | None = None
    ip_version: int | None = None
    gateway_ip: str | None = None
    enable_dhcp: bool | None = None
    dns_nameservers: list[str] = []


class FixedIp(msgspec.Struct, frozen=True):
    """An address of a port."""

    ip_address: str
    subnet_id: str | None = None


class OpenStackPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port: a place in a network, with addresses; `device_id` is the id of the server that uses it."""

    id: str
    network_id: str | None = None
    name: str | None = None
    status: str | None = None
    mac_address: str | None = None
    fixed_ips: list[FixedIp] = []
    device_id: str | None = None
    device_owner: str | None = None
    security_groups: list[str] = []


class Gateway(msgspec.Struct, frozen=True):
    """The external network of a router."""

    network_id: str | None = None


class OpenStackRouter(msgspec.Struct, frozen=True, kw_only=True):
    """A router."""

    id: str
    name: str | None = None
    status: str | None = None
    gateway: Gateway | None = msgspec.field(name="external_gateway_info", default=None)


class FloatingIp(msgspec.Struct):
    """A floating IP as Neutron has it."""

    id: str
    address: str = msgspec.field(name="floating_ip_address")
    network_id: str | None = msgspec.field(name="floating_network_id", default=None)
    port_id: str | None = None
    fixed: str | None = msgspec.field(name="fixed_ip_address", default=None)


class OpenStackFloatingIpAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A floating IP of the network `pool` (an id), and the node that it leads to, if any."""

    id: str
    ip_address: str
    pool: str | None = None
    node_id: str | None = None
    port_id: str | None = None


class OpenStackNetworks(OpenStackServices):
    """Methods of networks; objects may be given by their ids."""

    # Networks and subnets

    def ex_list_networks(self) -> list[OpenStackNetwork]:
        """Return the networks that the project can see."""
        return self._list("/networks", "networks", OpenStackNetwork)

    def ex_get_network(self, network_id: str) -> OpenStackNetwork:
        """Return the network with this id. Raises `NotFoundError` if there is none."""
        path = f"/networks/{quote_segment(network_id)}"
        return self.network_connection.fetch(path, "network", OpenStackNetwork).value

    def ex_create_network(self, name: str, **kwargs: Any) -> OpenStackNetwork:
        """Create a network; further fields are Neutron's, such as `admin_state_up` and `mtu`."""
        body = {"name": name, **kwargs}
        return self.network_connection.create("/networks", "network", OpenStackNetwork, body).value

    def ex_delete_network(self, network: OpenStackNetwork | str) -> bool:
        """Delete a network, which must have no ports."""
        return self.network_connection.delete(f"/networks/{_id(network)}")

    def ex_list_subnets(self) -> list[OpenStackSubnet]:
        """Return the subnets."""
        return self._list("/subnets", "subnets", OpenStackSubnet)

    def ex_create_subnet(
        self,
        name: str,
        network: OpenStackNetwork | str,
        cidr: str,
        ip_version: int = 4,
        description: str = "",
        dns_nameservers: Iterable[str] | None = None,
        host_routes: Iterable[Mapping[str, str]] | None = None,
        **kwargs: Any,
    ) -> OpenStackSubnet:
        """Create a subnet of a network; further fields are Neutron's, such as `gateway_ip`."""
        body = {
            "name": name,
            "network_id": getattr(network, "id", network),
            "cidr": cidr,
            "ip_version": ip_version,
            "description": description,
            "dns_nameservers": as_list(dns_nameservers),
            "host_routes": [dict(one) for one in host_routes or ()],
            **kwargs,
        }
        return self.network_connection.create("/subnets", "subnet", OpenStackSubnet, body).value

    def ex_update_subnet(self, subnet: OpenStackSubnet | str, **kwargs: Any) -> OpenStackSubnet:
        """Change fields of a subnet."""
        return self.network_connection.put(f"/subnets/{_id(subnet)}", "subnet", OpenStackSubnet, kwargs).value

    def ex_delete_subnet(self, subnet: OpenStackSubnet | str) -> bool:
        """Delete a subnet, which must have no ports."""
        return self.network_connection.delete(f"/subnets/{_id(subnet)}")

    # Ports

    def ex_list_ports(self) -> list[OpenStackPort]:
        """Return the ports."""
        return self._list("/ports", "ports", OpenStackPort)

    def ex_get_port(self, port_id: str) -> OpenStackPort:
        """Return the port with this id. Raises `NotFoundError` if there is none."""
        return self.network_connection.fetch(f"/ports/{quote_segment(port_id)}", "port", OpenStackPort).value

    def ex_get_node_ports(self, node: Node) -> list[OpenStackPort]:
        """Return the ports of a node."""
        return self._list("/ports", "ports", OpenStackPort, {"device_id": require_id(node)})

    def ex_create_port(
        self,
        network: OpenStackNetwork | str,
        description: str | None = None,
        admin_state_up: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> OpenStackPort:
        """Create a port in a network; further fields are Neutron's, such as `security_groups` (ids)."""
        body = {
            "network_id": getattr(network, "id", network),
            "description": description,
            "admin_state_up": admin_state_up,
            "name": name,
            **kwargs,
        }
        return self.network_connection.create("/ports", "port", OpenStackPort, drop_none(body)).value

    def ex_update_port(self, port: OpenStackPort | str, **kwargs: Any) -> OpenStackPort:
        """Change fields of a port."""
        return self.network_connection.put(f"/ports/{_id(port)}", "port", OpenStackPort, kwargs).value

    def ex_delete_port(self, port: OpenStackPort | str) -> bool:
        """Delete a port."""
        return self.network_connection.delete(f"/ports/{_id(port)}")

    def ex_attach_port_interface(self, node: Node, port: OpenStackPort | str) -> bool:
        """Give a node a port as a further interface."""
        body = {"interfaceAttachment": {"port_id": getattr(port, "id", port)}}
        self.connection.request(f"{server_path(node)}/os-interface", method="POST", json=body)
        return True

    def ex_detach_port_interface(self, node: Node, port: OpenStackPort | str) -> bool:
        """Take a port from a node. Raises `ConflictError` if it is not one of the node's."""
        id_ = id_of(port, OpenStackPort)
        used_by = self.ex_get_port(id_).device_id
        if used_by != require_id(node):
            user = f"used by {used_by}" if used_by else "not in use"
            message = f"the port {id_} is {user}; it is not one of {node.name} (id {node.id})"
            raise ConflictError(HTTPStatus.CONFLICT, message)
        return self.connection.delete(f"{server_path(node)}/os-interface/{_id(port)}")

    # Routers

    def ex_list_routers(self) -> list[OpenStackRouter]:
        """Return the routers."""
        return self._list("/routers", "routers", OpenStackRouter)

    def ex_create_router(
        self,
        name: str,
        description: str = "",
        admin_state_up: bool = True,
        external_gateway_info: Mapping[str, Any] | None = None,
    ) -> OpenStackRouter:
        """Create a router; `external_gateway_info` is `{"network_id": ...}` of an external network."""
        gateway = None if external_gateway_info is None else dict(external_gateway_info)
        body = {
            "name": name,
            "description": description,
            "admin_state_up": admin_state_up,
            "external_gateway_info": gateway,
        }
        return self.network_connection.create("/routers", "router", OpenStackRouter, drop_none(body)).value

    def ex_delete_router(self, router: OpenStackRouter | str) -> bool:
        """Delete a router, which must have no interfaces."""
        return self.network_connection.delete(f"/routers/{_id(router)}")

    def ex_add_router_subnet(self, router: OpenStackRouter | str, subnet: OpenStackSubnet | str) -> bool:
        """Connect a router to a subnet."""
        return self._change_router(
            router, "add_router_interface", {"subnet_id": getattr(subnet, "id", subnet)}
        )

    def ex_del_router_subnet(self, router: OpenStackRouter | str, subnet: OpenStackSubnet | str) -> bool:
        """Disconnect a router from a subnet."""
        return self._change_router(
            router, "remove_router_interface", {"subnet_id": getattr(subnet, "id", subnet)}
        )

    def ex_add_router_port(self, router: OpenStackRouter | str, port: OpenStackPort | str) -> bool:
        """Connect a router to a port."""
        return self._change_router(router, "add_router_interface", {"port_id": getattr(port, "id", port)})

    def ex_del_router_port(self, router: OpenStackRouter | str, port: OpenStackPort | str) -> bool:
        """Disconnect a router from a port."""
        return self._change_router(router, "remove_router_interface", {"port_id": getattr(port, "id", port)})

    def _change_router(self, router: OpenStackRouter | str, change: str, body: dict[str, Any]) -> bool:
        self.network_connection.request(f"/routers/{_id(router)}/{change}", method="PUT", json=body)
        return True

    # Floating IPs

    def ex_list_floating_ip_pools(self) -> list[OpenStackNetwork]:
        """Return the external networks, from which floating IPs come."""
        return self._list("/networks", "networks", OpenStackNetwork, {"router:external": "true"})

    def ex_list_floating_ips(self) -> list[OpenStackFloatingIpAddress]:
        """Return the project's floating IPs."""
        found = self._list("/floatingips", "floatingips", FloatingIp)
        devices = {}
        if any(one.port_id for one in found):
            devices = {port.id: port.device_id or None for port in self.ex_list_ports()}
        return [_floating(one, devices.get(one.port_id or "")) for one in found]

    def ex_get_floating_ip(self, ip: str) -> OpenStackFloatingIpAddress:
        """Return the floating IP of this address. Raises `NotFoundError` if the project has none."""
        found = next((one for one in self.ex_list_floating_ips() if one.ip_address == ip), None)
        if found is None:
            raise NotFoundError(HTTPStatus.NOT_FOUND, f"there is no floating IP {ip!r}")
        return found

    def ex_create_floating_ip(
        self, ip_pool: OpenStackNetwork | str | None = None
    ) -> OpenStackFloatingIpAddress:
        """Allocate a floating IP from an external network (or its name or id), by default the only one."""
        pools = self.ex_list_floating_ip_pools()
        wanted = getattr(ip_pool, "id", ip_pool)
        found = [one for one in pools if wanted is None or wanted in (one.id, one.name)]
        if len(found) != 1:
            names = ", ".join(sorted(f"{one.name} ({one.id})" for one in pools)) or "none"
            raise InvalidArgumentError(f"ip_pool must be one of the external networks: {names}")
        body = {"floating_network_id": found[0].id}
        return _floating(
            self.network_connection.create("/floatingips", "floatingip", FloatingIp, body).value, None
        )

    def ex_delete_floating_ip(self, ip: OpenStackFloatingIpAddress) -> bool:
        """Release a floating IP."""
        return self.network_connection.delete(f"/floatingips/{quote_segment(ip.id)}")

    def ex_attach_floating_ip_to_node(self, node: Node, ip: OpenStackFloatingIpAddress | str) -> bool:
        """Lead a floating IP to a node's first port with an IPv4 address, outside of the IP's own network."""
        found = self.ex_get_floating_ip(ip) if isinstance(ip, str) else ip
        ports = [
            port
            for port in self.ex_get_node_ports(node)
            if port.network_id != found.pool and any("." in one.ip_address for one in port.fixed_ips)
        ]
        if not ports:
            raise InvalidArgumentError(
                f"{node.name} (id {node.id}) has no port that {found.ip_address} can lead to"
            )
        return self._lead(found, ports[0].id)

    def ex_detach_floating_ip_from_node(self, node: Node, ip: OpenStackFloatingIpAddress | str) -> bool:
        """Take a floating IP from a node.

        Raises `ConflictError` if it leads elsewhere or nowhere, `NotFoundError` if the project has none such.
        """
        found = self.ex_get_floating_ip(ip) if isinstance(ip, str) else ip
        path = f"/floatingips/{quote_segment(found.id)}"
        port_id = self.network_connection.fetch(path, "floatingip", FloatingIp).value.port_id
        if port_id is None:
            raise ConflictError(HTTPStatus.CONFLICT, f"the floating IP {found.ip_address} leads to no node")
        if port_id not in {port.id for port in self.ex_get_node_ports(node)}:
            message = (
                f"the floating IP {found.ip_address} leads to the port {port_id}, "
                f"which is not one of {node.name} (id {node.id})"
            )
            raise ConflictError(HTTPStatus.CONFLICT, message)
        return self._lead(found, None)

    def _lead(self, ip: OpenStackFloatingIpAddress | str, port_id: str | None) -> bool:
        found = self.ex_get_floating_ip(ip) if isinstance(ip, str) else ip
        path = f"/floatingips/{quote_segment(found.id)}"
        self.network_connection.put(path, "floatingip", FloatingIp, {"port_id": port_id})
        return True

    def _list(self, path: str, name: str, type_: type[T], params: Mapping[str, Any] | None = None) -> list[T]:
        build: Any = value_of
        found: list[T] = self.network_connection.list_all(path, name, type_, build, params=params)
        return found


def _id(resource: Any) -> str:
    """Return the id of an object, or the id itself, for a path."""
    return quote_segment(getattr(resource, "id", resource))


def _floating(item: FloatingIp, node_id: str | None) -> OpenStackFloatingIpAddress:
    return OpenStackFloatingIpAddress(
        id=item.id, ip_address=item.address, pool=item.network_id, node_id=node_id, port_id=item.port_id
    )
