"""Addresses: which exist and which are free."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from itertools import chain, islice

from polycloud.sandbox.rest.errors import InputError

UNREACHED = IPv4Network("198.19.0.0/16")
"""Public addresses without a machine: those of seeded servers, and further ones."""


class Pool:
    """The addresses of some networks except their gateways, in order; returned ones are handed out last."""

    def __init__(self, networks: Iterable[IPv4Network]) -> None:
        self._fresh = chain.from_iterable(islice(network.hosts(), 1, None) for network in networks)
        self._returned: deque[str] = deque()

    def take(self) -> str:
        """Return a free address. Raises InputError if there is none."""
        fresh: IPv4Address | None = next(self._fresh, None)
        if fresh:
            return str(fresh)
        if not self._returned:
            raise InputError("There are no free addresses.")
        return self._returned.popleft()

    def give(self, ip: str) -> None:
        """Take an address back."""
        self._returned.append(ip)


def gateway(ip: str) -> str:
    """Return the gateway of an address's /24 network."""
    return f"{ip.rpartition('.')[0]}.1"
