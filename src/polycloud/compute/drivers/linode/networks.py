"""Networks: IP addresses and firewalls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from polycloud.common.arguments import as_list, drop_none
from polycloud.common.building import quote_segment
from polycloud.common.linode import Entity, Filter
from polycloud.common.payload import Item, decode, value_of
from polycloud.compute.drivers.linode.actions import LinodeActions, linode_id
from polycloud.compute.objects import Node
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError

T = TypeVar("T")


class Address(msgspec.Struct):
    """An IP address."""

    address: str
    public: bool | None = None
    type: str | None = None
    linode_id: int | None = None


class VPCAddress(msgspec.Struct):
    """A node's address in a VPC; `address` is None for a range of addresses."""

    address: str | None = None
    linode_id: int | None = None


class IPv4Addresses(msgspec.Struct):
    """The IPv4 addresses of a node, by kind."""

    private: list[msgspec.Raw] | None = None
    public: list[msgspec.Raw] | None = None
    reserved: list[msgspec.Raw] | None = None
    shared: list[msgspec.Raw] | None = None
    vpc: list[msgspec.Raw] | None = None


class IPv6Addresses(msgspec.Struct):
    """The IPv6 addresses of a node."""

    link_local: msgspec.Raw = msgspec.Raw()
    slaac: msgspec.Raw = msgspec.Raw()


class NodeAddresses(msgspec.Struct):
    """All addresses of a node."""

    ipv4: IPv4Addresses
    ipv6: IPv6Addresses | None = None


class LinodeFirewall(msgspec.Struct, frozen=True, kw_only=True):
    """A firewall; `rules` are in the provider's form."""

    id: int
    label: str | None = None
    status: str | None = None
    rules: dict[str, Any] | None = None
    tags: list[str] | None = None


class FirewallDevice(msgspec.Struct):
    """A resource that a firewall is attached to."""

    id: int
    entity: Entity | None = None


@dataclass(frozen=True, slots=True)
class LinodeIPAddress:
    """An IP address: `inet` is its text, `version` the provider's type, such as "ipv4" or "ipv6".

    `node_id` is None if it is not assigned to a node.
    """

    inet: str
    public: bool | None
    version: str | None
    driver: LinodeNetworks | None = field(default=None, compare=False, repr=False)
    extra: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    node_id: str | None = None


class LinodeNetworks(LinodeActions):
    """Methods of addresses and firewalls."""

    # Addresses

    def ex_list_addresses(self, *, ex_filter: Filter | None = None) -> list[LinodeIPAddress]:
        """Return the public addresses of the account."""
        return self.connection.list_all(
            "/networking/ips", Address, self._to_address, key=attrgetter("inet"), only=ex_filter
        )

    def ex_list_node_addresses(self, node: Node) -> list[LinodeIPAddress]:
        """Return the addresses of a node: IPv4 of every kind (shared, in VPCs ...) and its two of IPv6."""
        addresses = self.connection.fetch(f"/linode/instances/{linode_id(node)}/ips", NodeAddresses).value
        v4, v6 = addresses.ipv4, addresses.ipv6 or IPv6Addresses()
        private = (*items_of(v4.private, Address), *vpc_items(v4.vpc))
        kinds = (v4.shared, v4.reserved, (v6.slaac, v6.link_local))
        others = (item for kind in kinds for item in items_of(kind, Address))
        built = map(self._to_address, (*items_of(v4.public, Address), *private, *others))
        return list({address.inet: address for address in built}.values())

    def ex_allocate_private_address(self, node: Node, address_type: str = "ipv4") -> LinodeIPAddress:
        """Allocate a node's private address; a node may have one."""
        return self._allocate(node, address_type, public=False)

    def ex_allocate_public_address(self, node: Node, address_type: str = "ipv4") -> LinodeIPAddress:
        """Allocate another public address for a node; it costs extra, and support must have enabled it."""
        return self._allocate(node, address_type, public=True)

    def ex_share_address(self, node: Node, addresses: Iterable[LinodeIPAddress | str]) -> bool:
        """Share addresses of other nodes in its region with a node, instead of those shared before."""
        ips = [_inet(address) for address in as_list(addresses)]
        return self.connection.act("/networking/ips/share", linode_id=linode_id(node), ips=ips)

    def ex_destroy_address(self, node: Node, address: LinodeIPAddress | str) -> bool:
        """Remove an IPv4 address from a node, which must keep one public address."""
        path = f"/linode/instances/{linode_id(node)}/ips/{quote_segment(_inet(address))}"
        return self._when_free(partial(self.connection.delete, path))

    def _allocate(self, node: Node, type_: str, *, public: bool) -> LinodeIPAddress:
        if type_ != "ipv4":
            raise UnsupportedOperationError(f"address_type must be 'ipv4', got {type_!r}", self)
        path, body = f"/linode/instances/{linode_id(node)}/ips", {"type": type_, "public": public}
        return self._to_address(self._when_free(partial(self.connection.post, path, Address, body)))

    def _to_address(self, item: Item[Address]) -> LinodeIPAddress:
        address, raw = item
        extra: dict[str, Any] = decode(raw)
        node_id = None if address.linode_id is None else str(address.linode_id)
        return LinodeIPAddress(address.address, address.public, address.type, self, extra, node_id)

    # Firewalls

    def ex_list_firewalls(self, *, ex_filter: Filter | None = None) -> list[LinodeFirewall]:
        """Return the account's firewalls."""
        return self.connection.list_all("/networking/firewalls", LinodeFirewall, value_of, only=ex_filter)

    def ex_create_firewall(
        self, name: str, rules: Mapping[str, Any], nodes: Iterable[Node] = (), *, tags: Iterable[str] = ()
    ) -> LinodeFirewall:
        """Create a firewall and attach it to nodes, each of which may have one.

        `rules` is in the provider's form: `{"inbound": [{"action": "ACCEPT", "protocol": "TCP", "ports":
        "22", "addresses": {"ipv4": ["0.0.0.0/0"]}}], "inbound_policy": "DROP", "outbound_policy": "ACCEPT"}`.
        """
        ids = [linode_id(node) for node in nodes]
        devices = {"linodes": ids} if ids else None
        body = {"label": name, "rules": dict(rules), "devices": devices, "tags": as_list(tags) or None}
        return self.connection.post("/networking/firewalls", LinodeFirewall, drop_none(body)).value

    def ex_attach_firewall(self, firewall: LinodeFirewall, node: Node) -> bool:
        """Attach a firewall to a node that has none."""
        path = f"/networking/firewalls/{firewall.id}/devices"
        return self.connection.act(path, id=linode_id(node), type="linode")

    def ex_detach_firewall(self, firewall: LinodeFirewall, node: Node) -> bool:
        """Detach a firewall from a node. Raises `InvalidArgumentError` unless it is attached to it."""
        path, entity = f"/networking/firewalls/{firewall.id}/devices", ("linode", linode_id(node))
        for device in self.connection.list_all(path, FirewallDevice, value_of):
            if device.entity and (device.entity.type, device.entity.id) == entity:
                return self.connection.delete(f"{path}/{device.id}")
        raise InvalidArgumentError(f"firewall {firewall.label} is not attached to node {node.name}")

    def ex_destroy_firewall(self, firewall: LinodeFirewall) -> bool:
        """Delete a firewall. The nodes it was attached to are open then."""
        return self.connection.delete(f"/networking/firewalls/{firewall.id}")


def items_of(raws: Iterable[msgspec.Raw] | None, type_: type[T]) -> Iterator[Item[T]]:
    """Return the items of a list inside an object; the list and its items may be null or missing."""
    return (Item(decode(raw, type_), raw) for raw in map(bytes, raws or ()) if raw not in {b"", b"null"})


def vpc_items(raws: Iterable[msgspec.Raw] | None) -> Iterator[Item[Address]]:
    """Yield the addresses in VPCs as `Address`, without the ranges."""
    for vpc, raw in items_of(raws, VPCAddress):
        if vpc.address:
            yield Item(Address(vpc.address, public=False, type="ipv4", linode_id=vpc.linode_id), raw)


def _inet(address: LinodeIPAddress | str) -> str:
    return address.inet if isinstance(address, LinodeIPAddress) else address
