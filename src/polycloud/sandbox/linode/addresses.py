"""Addresses: which there are, and which are free."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from itertools import chain, islice

from polycloud.sandbox.linode.errors import InputError

NOBODY = IPv4Network("198.19.0.0/16")
"""Public addresses behind which there never is a machine: those of seeded Linodes, and further ones."""

PRIVATE = IPv4Network("192.168.128.0/17")


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
            raise InputError("There are no free addresses in this region.")
        return self._returned.popleft()

    def give(self, ip: str) -> None:
        """Take an address back."""
        self._returned.append(ip)


def gateway(ip: str) -> str:
    """The gateway of an address's /24 network."""
    return f"{ip.rpartition('.')[0]}.1"


def default_rdns(ip: str) -> str:
    """The name that an address has unless told."""
    return f"{ip.replace('.', '-')}.ip.linodeusercontent.com"


def slaac(linode: int) -> str:
    """A Linode's IPv6 address, in the networks for documentation."""
    high, low = divmod(linode, 0x10000)
    return str(IPv6Address(f"2001:db8::f03c:91ff:{high:x}:{low:x}"))


def link_local(linode: int) -> str:
    """A Linode's address on its own network."""
    return f"fe80::{slaac(linode).removeprefix('2001:db8::')}"
