"""Addresses for machines, no two of which are equal on one computer.

Sandboxes share a computer without knowing of each other. Each claims the /24 networks that it uses by binding
a Unix socket whose name is the network's: the kernel lets one process have a name, and frees it when that
process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import re
import socket
import weakref
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from pathlib import Path

_DOCUMENTATION = ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24")
_BENCHMARKS = IPv4Network("198.18.0.0/15")
_LOOPBACK = IPv4Network("127.96.0.0/11")


def public() -> Iterator[IPv4Network]:
    """Return /24 networks that are not used on the Internet: those for documentation, then for benchmarks."""
    return chain(map(IPv4Network, _DOCUMENTATION), _BENCHMARKS.subnets(new_prefix=24))


def loopback() -> Iterator[IPv4Network]:
    """Return the /24 networks of this computer's loopback that sandboxes use."""
    return _LOOPBACK.subnets(new_prefix=24)


class Claim:
    """A name that one process of this computer holds at a time; it is free again when the process ends.

    Raises:
        OSError: another process holds the name.
    """

    def __init__(self, name: str) -> None:
        # An abstract address leaves no file behind, and like IP addresses belongs to a network namespace.
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0polycloud-sandbox-{name}")
        except OSError:
            holder.close()
            raise
        self._close = weakref.finalize(self, holder.close)

    def release(self) -> None:
        """Free the name."""
        self._close()


class Networks:
    """The /24 networks of one sandbox: claimed one by one as they are needed, held as long as this object.

    Args:
        candidates: the networks to choose from.
        on_this_host: whether to use networks in which this computer has an address or a route.
    """

    def __init__(self, candidates: Iterator[IPv4Network], *, on_this_host: bool) -> None:
        self._candidates = candidates
        self._on_this_host = on_this_host
        self._claims: list[Claim] = []
        self._claimed: list[IPv4Network] = []

    def __iter__(self) -> Iterator[IPv4Network]:
        """Iterate over all networks, those that are claimed already first."""
        yield from list(self._claimed)
        for network in self._candidates:
            if not self._on_this_host and _is_here(network):
                continue
            with contextlib.suppress(OSError):  # another sandbox has it
                self._claims.append(Claim(str(network.network_address)))
                self._claimed.append(network)
                yield network


def gateway(address: str) -> tuple[IPv4Address, IPv4Network]:
    """Return the first host of an address's /24 network, and that network."""
    network = IPv4Network(f"{address}/24", strict=False)
    return network[1], network


def free_port() -> int:
    """Return a TCP port that is free at all addresses."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_here(network: IPv4Network) -> bool:
    """Return whether this computer has an address in the network or a route into it."""
    hosts = re.findall(r"\|-- ([\d.]+)\n", Path("/proc/net/fib_trie").read_text(encoding="ascii"))
    return any(IPv4Address(host) in network for host in hosts) or any(map(network.overlaps, _routes()))


def _routes() -> Iterator[IPv4Network]:
    for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        words = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(words[at]), "little") for at in (1, 7))
        if mask:
            yield IPv4Network((destination, mask.bit_count()))
