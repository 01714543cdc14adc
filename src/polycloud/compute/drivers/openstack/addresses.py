"""Floating IPs, and the external networks that they come from."""

from __future__ import annotations

from operator import attrgetter

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.building import quote_segment
from polycloud.common.payload import Item, identity
from polycloud.compute.drivers.openstack.networks import OpenStackNetwork, OpenStackNetworks, OpenStackPort
from polycloud.compute.drivers.openstack.resources import OpenStackResource
from polycloud.compute.objects import Node
from polycloud.errors import ConflictError, InvalidArgumentError, NotFoundError
from polycloud.utils.status import HTTPStatus


class FloatingIp(msgspec.Struct):
    """A floating IP as Neutron has it."""

    id: str
    address: str = msgspec.field(name="floating_ip_address")
    network_id: str | None = msgspec.field(name="floating_network_id", default=None)
    port_id: str | None = None
    fixed: str | None = msgspec.field(name="fixed_ip_address", default=None)


class OpenStackFloatingIpAddress(OpenStackResource, frozen=True, kw_only=True):
    """A floating IP of the network `pool` (an id), and the node that it leads to, if any."""

    id: str
    ip_address: str
    pool: str | None = None
    node_id: str | None = None
    port_id: str | None = None

    def delete(self) -> bool:
        """Release the floating IP."""
        released: bool = self._own.ex_delete_floating_ip(self)
        return released


class OpenStackFloatingIpPool(OpenStackNetwork, frozen=True, kw_only=True):
    """An external network, from which floating IPs come."""

    def create_floating_ip(self) -> OpenStackFloatingIpAddress:
        """Allocate a floating IP from the pool."""
        made: OpenStackFloatingIpAddress = self._own.ex_create_floating_ip(self)
        return made

    def list_floating_ips(self) -> list[OpenStackFloatingIpAddress]:
        """Return the project's floating IPs of the pool."""
        return [one for one in self._own.ex_list_floating_ips() if one.pool == self.id]

    def get_floating_ip(self, ip: str) -> OpenStackFloatingIpAddress:
        """Return the floating IP of this address. Raises `NotFoundError` if the pool has none."""
        return _find(self.list_floating_ips(), ip)

    def delete_floating_ip(self, ip: OpenStackFloatingIpAddress) -> bool:
        """Release a floating IP."""
        released: bool = self._own.ex_delete_floating_ip(ip)
        return released


class OpenStackAddresses(OpenStackNetworks):
    """Methods of floating IPs."""

    def ex_list_floating_ip_pools(self) -> list[OpenStackFloatingIpPool]:
        """Return the external networks, from which floating IPs come."""
        return self._list("/networks", "networks", OpenStackFloatingIpPool, {"router:external": "true"})

    def ex_list_floating_ips(self) -> list[OpenStackFloatingIpAddress]:
        """Return the project's floating IPs."""
        path, id_of_ip = "/floatingips", attrgetter("value.id")
        found: list[Item[FloatingIp]] = self.network_connection.list_all(
            path, "floatingips", FloatingIp, identity, key=id_of_ip
        )
        devices = {}
        if any(one.value.port_id for one in found):
            devices = {port.id: port.device_id or None for port in self.ex_list_ports()}
        return [self._floating(one, devices.get(one.value.port_id or "")) for one in found]

    def ex_get_floating_ip(self, ip: str) -> OpenStackFloatingIpAddress:
        """Return the floating IP of this address. Raises `NotFoundError` if the project has none."""
        return _find(self.ex_list_floating_ips(), ip)

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
        made = self.network_connection.create("/floatingips", "floatingip", FloatingIp, body)
        return self._floating(made, None)

    def ex_delete_floating_ip(self, ip: OpenStackFloatingIpAddress) -> bool:
        """Release a floating IP."""
        return self.network_connection.delete(f"/floatingips/{quote_segment(ip.id)}")

    def ex_attach_floating_ip_to_node(
        self, node: Node, ip: OpenStackFloatingIpAddress | str, port_id: OpenStackPort | str | None = None
    ) -> bool:
        """Lead a floating IP to a port of a node.

        By default to the first one with an IPv4 address, outside of the IP's own network. Raises
        `InvalidArgumentError` if the node has no such port, or not that of `port_id`.
        """
        found = self.ex_get_floating_ip(ip) if isinstance(ip, str) else ip
        if port_id is not None:
            wanted = id_of(port_id, OpenStackPort)
            if wanted not in {port.id for port in self.ex_get_node_ports(node)}:
                raise InvalidArgumentError(f"{node.name} (id {node.id}) has no port {wanted}")
            return self._lead(found, wanted)
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

    def _lead(self, ip: OpenStackFloatingIpAddress, port_id: str | None) -> bool:
        path = f"/floatingips/{quote_segment(ip.id)}"
        self.network_connection.put(path, "floatingip", FloatingIp, {"port_id": port_id})
        return True

    def _floating(self, item: Item[FloatingIp], node_id: str | None) -> OpenStackFloatingIpAddress:
        one = item.value
        address = OpenStackFloatingIpAddress(
            id=one.id, ip_address=one.address, pool=one.network_id, node_id=node_id, port_id=one.port_id
        )
        return self._owned(Item(address, item.raw))


def _find(known: list[OpenStackFloatingIpAddress], ip: str) -> OpenStackFloatingIpAddress:
    found = next((one for one in known if one.ip_address == ip), None)
    if found is None:
        raise NotFoundError(HTTPStatus.NOT_FOUND, f"there is no floating IP {ip!r}")
    return found
