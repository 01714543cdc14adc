"""NephoScale's networks, their addresses, and the servers that have them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import count
from typing import TYPE_CHECKING

from polycloud.sandbox.nephoscale import catalog
from polycloud.sandbox.nephoscale.dialect import InputError, Subcode

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC, PRIVATE = 0, 1


@dataclass(eq=False)
class Address:
    """An address is free when it is neither reserved nor on a server."""

    ip: str
    subnet: Subnet
    reserved: bool = False
    server: int | None = None


class Subnet:
    """A /24 with its addresses in order. A released address is the last to be used again."""

    def __init__(self, id: int, cidr: IPv4Network, network: Network) -> None:
        self.id = id
        self.cidr = str(cidr)
        self.network = network
        _gateway, *hosts = map(str, cidr.hosts())
        self.addresses = {ip: Address(ip, self) for ip in hosts}
        self.free = dict(self.addresses)

    def set(self, address: Address, *, reserved: bool, server: int | None) -> None:
        """Set who has an address."""
        address.reserved, address.server = reserved, server
        if reserved or server is not None:
            self.free.pop(address.ip, None)
        else:
            self.free[address.ip] = address


class Network:
    """The public or the private network of a zone; it gets another subnet when all are full."""

    def __init__(self, id: int, zone: catalog.Zone, domain_type: int, spare: Iterator[IPv4Network]) -> None:
        self.id = id
        self.zone = zone
        self.domain_type = domain_type
        self.name = f"{zone.name} {'private' if domain_type == PRIVATE else 'public'}"
        self.subnets: list[Subnet] = []
        self._spare = spare
        self._subnet_ids = count(id * 100 + 1)
        self._grow()

    def _grow(self) -> None:
        cidr = next(self._spare, None)
        if cidr is None:
            raise InputError("networks", f"{self.name} has no free address", Subcode.CONFLICT)
        self.subnets.append(Subnet(next(self._subnet_ids), cidr, self))

    def any_free(self) -> Address:
        """Return a free address; InputError if there is none and the network cannot grow."""
        if not any(subnet.free for subnet in self.subnets):
            self._grow()
        return next(address for subnet in self.subnets for address in subnet.free.values())

    def find(self, ip: str) -> Address | None:
        """Return the address, or None if it is not in this network."""
        return next((subnet.addresses[ip] for subnet in self.subnets if ip in subnet.addresses), None)


def _private(first: str, more: str) -> Iterator[IPv4Network]:
    yield IPv4Network(first)
    yield from IPv4Network(more).subnets(new_prefix=24)


class Networks:
    """All networks by id; the public ones share the given /24 networks."""

    def __init__(self, public: Iterator[IPv4Network]) -> None:
        networks = (
            Network(201, catalog.SJC_1, PUBLIC, public),
            Network(202, catalog.SJC_1, PRIVATE, _private("10.132.60.0/24", "10.133.0.0/16")),
            Network(203, catalog.RIC_1, PUBLIC, public),
            Network(204, catalog.RIC_1, PRIVATE, _private("10.140.60.0/24", "10.141.0.0/16")),
        )
        self.by_id = {network.id: network for network in networks}

    def choose(self, zone: catalog.Zone) -> list[Address]:
        """Return a free address of each of the zone's networks, the public one first."""
        return [network.any_free() for network in self.by_id.values() if network.zone is zone]

    def subnets(self) -> dict[int, Subnet]:
        """Return all subnets by id."""
        return {subnet.id: subnet for network in self.by_id.values() for subnet in network.subnets}
