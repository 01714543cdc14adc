"""The addresses of a project's subnet."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import islice


class Range:
    """The addresses of a network but for its gateway, the lowest free one first.

    Args:
        network: the network.
        reserved: addresses that are never handed out.
    """

    def __init__(self, network: IPv4Network | IPv6Network, *reserved: str) -> None:
        self._network, self._used = network, set(reserved)
        self._most = min(network.num_addresses, 1 << 16)

    def take(self) -> str | None:
        """Return a free address; None if there is none."""
        for address in islice(self._network.hosts(), self._most):
            if str(address) not in self._used:
                self._used.add(str(address))
                return str(address)
        return None

    def has(self, ip: str) -> bool:
        """Return whether an address is one of the network."""
        try:
            return ip_address(ip) in self._network
        except ValueError:
            return False

    def claim(self, ip: str) -> bool:
        """Take that address; return whether it was free."""
        if ip in self._used:
            return False
        self._used.add(ip)
        return True

    def give(self, ip: str) -> None:
        """Take an address back."""
        self._used.discard(ip)
