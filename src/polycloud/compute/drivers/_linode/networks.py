"""What connects Linode's nodes: addresses and firewalls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any

from polycloud.common.arguments import as_list, drop_none
from polycloud.common.base import quote_segment
from polycloud.common.linode import Filter
from polycloud.common.payload import Item, decode, value_of
from polycloud.compute.drivers._linode.fields import linode_id
from polycloud.compute.drivers._linode.operations import LinodeOperations
from polycloud.compute.drivers._linode.payloads import (
    Address,
    Addresses6,
    Guarded,
    LinodeFirewall,
    Network,
    items_of,
    vpc_items,
)
from polycloud.compute.objects import Node
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError


@dataclass(frozen=True, slots=True)
class LinodeIPAddress:
    """An address: `inet` is its text, `version` "ipv4", "ipv6" or another of the provider's words.

    `node_id` is None where it leads to no node.
    """

    inet: str
    public: bool | None
    version: str | None
    driver: LinodeNetworks | None = field(default=None, compare=False, repr=False)
    extra: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    node_id: str | None = None


class LinodeNetworks(LinodeOperations):
    """The methods of addresses and firewalls."""

    # Addresses

    def ex_list_addresses(self, *, ex_filter: Filter | None = None) -> list[LinodeIPAddress]:
        """The public addresses of the account."""
        return self.connection.list_all(
            "/networking/ips", Address, self._to_address, key=attrgetter("inet"), only=ex_filter
        )

    def ex_list_node_addresses(self, node: Node) -> list[LinodeIPAddress]:
        """The addresses of a node: IPv4, with those of its VPCs and shared ones, and its own two of IPv6."""
        told = self.connection.fetch(f"/linode/instances/{linode_id(node)}/ips", Network).value
        v4, v6 = told.ipv4, told.ipv6 or Addresses6()
        private = (*items_of(v4.private, Address), *vpc_items(v4.vpc))
        kinds = (v4.shared, v4.reserved, (v6.slaac, v6.link_local))
        others = (item for kind in kinds for item in items_of(kind, Address))
        made = map(self._to_address, (*items_of(v4.public, Address), *private, *others))
        return list({address.inet: address for address in made}.values())

    def ex_allocate_private_address(self, node: Node, address_type: str = "ipv4") -> LinodeIPAddress:
        """Give a node its private address; it may have one."""
        return self._allocate(node, address_type, public=False)

    def ex_allocate_public_address(self, node: Node, address_type: str = "ipv4") -> LinodeIPAddress:
        """Give a node a further public address, which costs extra and is to be asked for at the support."""
        return self._allocate(node, address_type, public=True)

    def _allocate(self, node: Node, type_: str, *, public: bool) -> LinodeIPAddress:
        if type_ != "ipv4":
            raise UnsupportedOperationError(f"{self.name} allocates ipv4 addresses, not {type_}", self)
        path, body = f"/linode/instances/{linode_id(node)}/ips", {"type": type_, "public": public}
        return self._to_address(self._when_free(partial(self.connection.post, path, Address, body)))

    def ex_share_address(self, node: Node, addresses: Iterable[LinodeIPAddress | str]) -> bool:
        """Let a node take over these addresses of others of its region; those not named it takes no more."""
        ips = [_inet(address) for address in as_list(addresses)]
        return self.connection.act("/networking/ips/share", linode_id=linode_id(node), ips=ips)

    def ex_destroy_address(self, node: Node, address: LinodeIPAddress | str) -> bool:
        """Take an IPv4 address off a node, which keeps one public address at least."""
        path = f"/linode/instances/{linode_id(node)}/ips/{quote_segment(_inet(address))}"
        return self._when_free(partial(self.connection.delete, path))

    # Firewalls

    def ex_list_firewalls(self, *, ex_filter: Filter | None = None) -> list[LinodeFirewall]:
        """The account's firewalls."""
        return self.connection.list_all("/networking/firewalls", LinodeFirewall, value_of, only=ex_filter)

    def ex_create_firewall(
        self, name: str, rules: Mapping[str, Any], nodes: Iterable[Node] = (), *, tags: Iterable[str] = ()
    ) -> LinodeFirewall:
        """Create a firewall before these nodes, each of which may have one.

        `rules` is in the provider's form: `{"inbound": [{"action": "ACCEPT", "protocol": "TCP", "ports":
        "22", "addresses": {"ipv4": ["0.0.0.0/0"]}}], "inbound_policy": "DROP", "outbound_policy": "ACCEPT"}`.
        """
        ids = [linode_id(node) for node in nodes]
        devices = {"linodes": ids} if ids else None
        body = {"label": name, "rules": dict(rules), "devices": devices, "tags": as_list(tags) or None}
        return self.connection.post("/networking/firewalls", LinodeFirewall, drop_none(body)).value

    def ex_attach_firewall(self, firewall: LinodeFirewall, node: Node) -> bool:
        """Put a firewall before a node that has none."""
        path = f"/networking/firewalls/{firewall.id}/devices"
        return self.connection.act(path, id=linode_id(node), type="linode")

    def ex_detach_firewall(self, firewall: LinodeFirewall, node: Node) -> bool:
        """Take a firewall away from a node. Raises `InvalidArgumentError` where it is not before that."""
        path, entity = f"/networking/firewalls/{firewall.id}/devices", ("linode", linode_id(node))
        for device in self.connection.list_all(path, Guarded, value_of):
            if device.entity and (device.entity.type, device.entity.id) == entity:
                return self.connection.delete(f"{path}/{device.id}")
        raise InvalidArgumentError(f"the firewall {firewall.label} is not before the node {node.name}")

    def ex_destroy_firewall(self, firewall: LinodeFirewall) -> bool:
        """Delete a firewall; what it was before is open then."""
        return self.connection.delete(f"/networking/firewalls/{firewall.id}")

    def _to_address(self, item: Item[Address]) -> LinodeIPAddress:
        address, raw = item
        told: dict[str, Any] = decode(raw)
        node_id = None if address.linode_id is None else str(address.linode_id)
        return LinodeIPAddress(address.address, address.public, address.type, self, told, node_id)


def _inet(address: LinodeIPAddress | str) -> str:
    return address.inet if isinstance(address, LinodeIPAddress) else address
