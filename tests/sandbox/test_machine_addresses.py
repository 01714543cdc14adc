from __future__ import annotations

from ipaddress import IPv4Network
from itertools import islice

import pytest

from polycloud.sandbox import Sandbox
from polycloud.sandbox.machines import addresses
from polycloud.sandbox.machines.fleet import host_name
from polycloud.sandbox.machines.isolation import loopback_problem

linux = pytest.mark.skipif(bool(loopback_problem()), reason=str(loopback_problem()))


@linux
def test_networks_are_claimed() -> None:
    """A network belongs to one sandbox at a time, which iterates over the same ones each time."""
    one = addresses.Networks(addresses.loopback(), on_this_host=True)
    two = addresses.Networks(addresses.loopback(), on_this_host=True)
    mine = list(islice(one, 3))
    assert not set(mine) & set(islice(two, 3))
    assert list(islice(one, 3)) == mine


@linux
def test_released_networks_are_free() -> None:
    """A network that is claimed cannot be claimed again until it is released."""
    claim = addresses.Claim("test-of-claims")
    with pytest.raises(OSError, match="in use"):
        addresses.Claim("test-of-claims")
    claim.release()
    addresses.Claim("test-of-claims").release()


@linux
def test_networks_of_this_computer() -> None:
    """A network in which this computer has an address is not used."""
    here, elsewhere = IPv4Network("127.0.0.0/24"), IPv4Network("240.9.9.0/24")
    networks = addresses.Networks(iter([here, elsewhere]), on_this_host=False)
    assert list(networks) == [elsewhere]


def test_addresses_without_machines() -> None:
    """Without machines nothing is claimed: every sandbox starts with the same documentation network."""
    first = [
        next(cloud._machines.isolation.networks())
        for cloud in (Sandbox("nephoscale", ssh="off"), Sandbox("nephoscale", ssh="off"))
    ]
    assert first == [IPv4Network("198.51.100.0/24")] * 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web-1.example.org", "web-1.example.org"),
        ("Web Server", "web-server"),
        ("naïve 🦆", "na-ve"),
        ("🦆", "server"),
        ("-; rm -rf /", "rm--rf"),
        ("x" * 100, "x" * 63),
    ],
)
def test_host_names(name: str, expected: str) -> None:
    """Every server name becomes a host name of at most 63 letters, digits, dots and hyphens."""
    assert host_name(name) == expected
