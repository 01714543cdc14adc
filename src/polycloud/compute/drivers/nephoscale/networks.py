"""Networks: subnets and their addresses."""

from __future__ import annotations

from typing import Any

import msgspec

from polycloud.common.building import quote_segment
from polycloud.common.pagination import unique
from polycloud.compute.base import NodeDriver, require_id
from polycloud.compute.drivers.nephoscale.nodes import id_of
from polycloud.compute.objects import Node


class Cidr(msgspec.Struct):
    """A subnet, in the list of subnets or inside a network."""

    id: int | str
    cidr_str: str | None = None
    ipaddress_list: list[str] | None = None
    ipaddress_list_status: Any = None
    ipaddress_list_unassigned: list[str] | None = None


class Domain(msgspec.Struct):
    """A network."""

    id: int | str
    name: str | None = None
    is_default: bool | None = None
    zone: Any = None
    domain_type: int | None = None
    cidr: list[Cidr] | None = None


class NephoscaleSubnet(msgspec.Struct, frozen=True):
    """A subnet: `addresses` are all its addresses, or the free ones if those were requested."""

    id: str
    cidr: str | None
    addresses: list[str]
    status: Any = None


class NephoscaleNetwork(msgspec.Struct, frozen=True):
    """A network; `zone` is as in the provider's payload."""

    id: str
    name: str | None
    private: bool
    is_default: bool
    zone: Any
    subnets: list[NephoscaleSubnet]


class NephoscaleNetworks(NodeDriver):
    """Methods of networks and addresses."""

    def ex_list_networks(self) -> list[NephoscaleNetwork]:
        """Return the networks, each once."""
        domains = self.connection.request("/network/domain/").data(list[Domain])
        return [_to_network(domain) for domain in unique(domains, lambda domain: domain.id)]

    def ex_list_subnets(self, private: bool = False) -> list[NephoscaleSubnet]:
        """Return the public or the private IPv4 subnets, with the status of their addresses."""
        return self._subnets({"ip_type": int(private)})

    def ex_list_free_addresses(self, private: bool = False) -> list[NephoscaleSubnet]:
        """Return the public or the private IPv4 subnets, with the addresses that are not assigned."""
        return self._subnets({"ip_type": int(private), "fields": "ipaddress_list_unassigned"})

    def ex_reserve_address(self, subnet: NephoscaleSubnet | str, address: str) -> bool:
        """Reserve an address of a subnet for this account."""
        return self._put_address(subnet, address, reserved=True)

    def ex_assign_address(self, subnet: NephoscaleSubnet | str, address: str, node: Node) -> bool:
        """Reserve an address and assign it to a server."""
        return self._put_address(subnet, address, reserved=True, server=require_id(node))

    def ex_release_address(self, subnet: NephoscaleSubnet | str, address: str) -> bool:
        """Release a reserved address."""
        return self._put_address(subnet, address, reserved=False)

    def _subnets(self, params: dict[str, Any]) -> list[NephoscaleSubnet]:
        listed = self.connection.request("/network/cidr/ipv4/", params=params).data(list[Cidr])
        return [_to_subnet(cidr) for cidr in listed]

    def _put_address(
        self, subnet: NephoscaleSubnet | str, address: str, *, reserved: bool, server: str | None = None
    ) -> bool:
        form = {"_method": "PUT", "ipaddress": address, "reserved": str(reserved).lower(), "server": server}
        path = f"/network/cidr/ipv4/{quote_segment(id_of(subnet, NephoscaleSubnet))}/"
        self.connection.request(path, data=form, method="POST")
        return True


def _to_subnet(cidr: Cidr) -> NephoscaleSubnet:
    free = cidr.ipaddress_list_unassigned
    addresses = cidr.ipaddress_list if free is None else free
    return NephoscaleSubnet(str(cidr.id), cidr.cidr_str, addresses or [], cidr.ipaddress_list_status)


def _to_network(domain: Domain) -> NephoscaleNetwork:
    return NephoscaleNetwork(
        str(domain.id),
        domain.name,
        domain.domain_type == 1,
        bool(domain.is_default),
        domain.zone,
        [_to_subnet(cidr) for cidr in domain.cidr or []],
    )
