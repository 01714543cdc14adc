"""Addresses: which there are, and which are free."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from itertools import chain, islice

from polycloud.sandbox.digitalocean.errors import InputError

NOBODY = IPv4Network("198.19.0.0/16")
"""Public addresses behind which there never is a machine: those of seeded droplets, and reserved IPs."""

PRIVATE = IPv4Network("10.0.0.0/8")
_RFC_1918 = (PRIVATE, IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
_SMALLEST_PREFIX, _LARGEST_PREFIX = 16, 28


class Pool:
    """The addresses of some networks but their gateways, in order; what comes back is handed out last."""

    def __init__(self, networks: Iterable[IPv4Network]) -> None:
        self._fresh = chain.from_iterable(islice(network.hosts(), 1, None) for network in networks)
        self._returned: deque[str] = deque()

    def take(self) -> str:
        """A free address; InputError if there is none."""
        fresh: IPv4Address | None = next(self._fresh, None)
        if fresh:
            return str(fresh)
        if not self._returned:
            raise InputError("There is no free address in this network.")
        return self._returned.popleft()

    def give(self, ip: str) -> None:
        """Take an address back."""
        self._returned.append(ip)


def gateway(ip: str) -> str:
    """The gateway of an address's /24 network."""
    return f"{ip.rpartition('.')[0]}.1"


def ipv6(droplet: int) -> tuple[str, str]:
    """A droplet's IPv6 address, in the networks for documentation, and its gateway."""
    high, low = divmod(droplet, 0x10000)
    return f"2001:db8:0:1010::{high:x}:{low:x}", "2001:db8:0:1010::1"


def private_range(text: str) -> IPv4Network:
    """The network that a VPC asks for; InputError if a VPC cannot have it."""
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise InputError("ip_range is not a valid CIDR.") from error
    if not any(network.subnet_of(private) for private in _RFC_1918):
        raise InputError("ip_range must be in the private ranges of RFC 1918.")
    if not _SMALLEST_PREFIX <= network.prefixlen <= _LARGEST_PREFIX:
        raise InputError("ip_range must be from /28 to /16.")
    return network
