"""Networks, subnets, ports and routers, which Neutron keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from polycloud.common.arguments import as_dicts, as_list, drop_none, id_of
from polycloud.common.building import quote_segment
from polycloud.compute.base import require_id
from polycloud.compute.drivers.openstack.connection import OpenStackServices
from polycloud.compute.drivers.openstack.nodes import server_path
from polycloud.compute.drivers.openstack.resources import OpenStackResource
from polycloud.compute.objects import Node
from polycloud.errors import ConflictError
from polycloud.utils.status import HTTPStatus

T = TypeVar("T", bound=OpenStackResource)


class OpenStackNetwork(OpenStackResource, frozen=True, kw_only=True):
    """A network; `is_external` says whether floating IPs come from it."""

    id: str
    name: str | None = None
    status: str | None = None
    subnets: list[str] = msgspec.field(default_factory=list)
    shared: bool | None = None
    is_external: bool | None = msgspec.field(name="router:external", default=None)
    mtu: int | None = None
    project_id: str | None = None

    @property
    def cidr(self) -> None:
        """None: the ranges of a network are those of its subnets."""


class OpenStackSubnet(OpenStackResource, frozen=True, kw_only=True):
    """A subnet: `cidr` is its range."""

    id: str
    network_id: str
    cidr: str | None = None
    name: str | None = None
    ip_version: int | None = None
    gateway_ip: str | None = None
    enable_dhcp: bool | None = None
    dns_nameservers: list[str] = msgspec.field(default_factory=list)


class FixedIp(msgspec.Struct, frozen=True):
    """An address of a port."""

    ip_address: str
    subnet_id: str | None = None


class OpenStackPort(OpenStackResource, frozen=True, kw_only=True):
    """A port: a place in a network, with addresses; `device_id` is the id of the server that uses it."""

    id: str
    network_id: str | None = None
    name: str | None = None
    status: str | None = None
    mac_address: str | None = None
    fixed_ips: list[FixedIp] = msgspec.field(default_factory=list)
    device_id: str | None = None
    device_owner: str | None = None
    security_groups: list[str] = msgspec.field(default_factory=list)


class Gateway(msgspec.Struct, frozen=True):
    """The external network of a router."""

    network_id: str | None = None


class OpenStackRouter(OpenStackResource, frozen=True, kw_only=True):
    """A router."""

    id: str
    name: str | None = None
    status: str | None = None
    gateway: Gateway | None = msgspec.field(name="external_gateway_info", default=None)


class OpenStackNetworks(OpenStackServices):
    """Methods of networks; objects may be given by their ids."""

    # Networks and subnets

    def ex_list_networks(self) -> list[OpenStackNetwork]:
        """Return the networks that the project can see."""
        return self._list("/networks", "networks", OpenStackNetwork)

    def ex_get_network(self, network_id: str) -> OpenStackNetwork:
        """Return the network with this id. Raises `NotFoundError` if there is none."""
        path = f"/networks/{quote_segment(network_id)}"
        return self._owned(self.network_connection.fetch(path, "network", OpenStackNetwork))

    def ex_create_network(self, name: str, **kwargs: Any) -> OpenStackNetwork:
        """Create a network; further fields are Neutron's, such as `admin_state_up` and `mtu`."""
        body = {"name": name, **kwargs}
        return self._owned(self.network_connection.create("/networks", "network", OpenStackNetwork, body))

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
            "host_routes": as_dicts("host_routes", host_routes),
            **kwargs,
        }
        return self._owned(self.network_connection.create("/subnets", "subnet", OpenStackSubnet, body))

    def ex_update_subnet(
        self,
        subnet: OpenStackSubnet | str,
        name: str | None = None,
        description: str | None = None,
        dns_nameservers: Iterable[str] | None = None,
        host_routes: Iterable[Mapping[str, str]] | None = None,
        **kwargs: Any,
    ) -> OpenStackSubnet:
        """Change fields of a subnet, those that are given; further ones are Neutron's."""
        body = {
            "name": name,
            "description": description,
            "dns_nameservers": None if dns_nameservers is None else as_list(dns_nameservers),
            "host_routes": None if host_routes is None else as_dicts("host_routes", host_routes),
        }
        fields = {**drop_none(body), **kwargs}
        path = f"/subnets/{_id(subnet)}"
        return self._owned(self.network_connection.put(path, "subnet", OpenStackSubnet, fields))

    def ex_delete_subnet(self, subnet: OpenStackSubnet | str) -> bool:
        """Delete a subnet, which must have no ports."""
        return self.network_connection.delete(f"/subnets/{_id(subnet)}")

    # Ports

    def ex_list_ports(self) -> list[OpenStackPort]:
        """Return the ports."""
        return self._list("/ports", "ports", OpenStackPort)

    def ex_get_port(self, port_interface_id: str) -> OpenStackPort:
        """Return the port with this id. Raises `NotFoundError` if there is none."""
        return self._owned(
            self.network_connection.fetch(f"/ports/{quote_segment(port_interface_id)}", "port", OpenStackPort)
        )

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
        return self._owned(self.network_connection.create("/ports", "port", OpenStackPort, drop_none(body)))

    def ex_update_port(
        self,
        port: OpenStackPort | str,
        description: str | None = None,
        admin_state_up: bool | None = None,
        name: str | None = None,
        port_security_enabled: bool | None = None,
        qos_policy_id: str | None = None,
        security_groups: Iterable[str] | None = None,
        allowed_address_pairs: Iterable[Mapping[str, str]] | None = None,
        **kwargs: Any,
    ) -> OpenStackPort:
        """Change fields of a port, those that are given; further ones are Neutron's."""
        pairs = allowed_address_pairs
        body = {
            "description": description,
            "admin_state_up": admin_state_up,
            "name": name,
            "port_security_enabled": port_security_enabled,
            "qos_policy_id": qos_policy_id,
            "security_groups": None if security_groups is None else as_list(security_groups),
            "allowed_address_pairs": None if pairs is None else as_dicts("allowed_address_pairs", pairs),
        }
        fields = {**drop_none(body), **kwargs}
        return self._owned(self.network_connection.put(f"/ports/{_id(port)}", "port", OpenStackPort, fields))

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
        return self._owned(
            self.network_connection.create("/routers", "router", OpenStackRouter, drop_none(body))
        )

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

    def _list(self, path: str, name: str, type_: type[T], params: Mapping[str, Any] | None = None) -> list[T]:
        return self.network_connection.list_all(path, name, type_, self._owned, params=params)


def _id(resource: Any) -> str:
    """Return the id of an object, or the id itself, for a path."""
    return quote_segment(getattr(resource, "id", resource))
