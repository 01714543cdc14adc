import re
import socket
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.utils import networking
from polycloud.utils.networking import (
    increment_ipv4_segments,
    is_ip,
    is_private_subnet,
    is_public_subnet,
    is_valid_ip_address,
    join_ipv4_segments,
)

PRIVATE = ["10.0.0.1", "172.16.0.0", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1"]
PUBLIC = [
    "8.8.8.8",
    "172.15.0.1",
    "172.32.0.1",
    "127.0.0.1",
    "192.0.2.1",
    "169.254.0.1",
    "2001:db8::1",
    "fe80::1",
]


@pytest.mark.parametrize("ip", PRIVATE)
def test_private_addresses(ip: str) -> None:
    """An address of RFC 1918 or of the IPv6 unique local range is private and not public."""
    assert (is_private_subnet(ip), is_public_subnet(ip)) == (True, False)


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses(ip: str) -> None:
    """Every other address is public, even where Python's ipaddress calls it private."""
    assert (is_private_subnet(ip), is_public_subnet(ip)) == (False, True)


@pytest.mark.parametrize("ip", ["", "node-1", "10.0.0", "10.0.0.256", None, 5, b"1234", [], ("10.0.0.1", 8)])
def test_not_an_address(ip: Any) -> None:
    """What is no address is neither private nor public but a ValueError."""
    for question in (is_private_subnet, is_public_subnet):
        with pytest.raises(ValueError, match="does not appear to be"):
            question(ip)


@pytest.mark.parametrize(
    "address", ["10.0.0", "", "x", "::1", "1.2.3.256", "1.2.3.4 ", "\0", "é", None, 7, b"1.2.3.4", []]
)
def test_invalid_ipv4(address: Any) -> None:
    """Only four segments of 0 to 255 are a valid IPv4 address."""
    assert not is_valid_ip_address(address)
    assert not is_ip(address, 4)


@pytest.mark.parametrize(
    "address", ["1.2.3.4", "255.0.10.199", "01.2.3.4", "1.2.3.4\n", "\u0661.2.3.4", "::1", "2001:db8::1"]
)
@pytest.mark.parametrize(("version", "family"), [(4, socket.AF_INET), (6, socket.AF_INET6)])
def test_versions(address: str, version: int, family: int) -> None:
    """`is_ip` says of a version what `is_valid_ip_address` says of its family."""
    assert is_ip(address, version) == is_valid_ip_address(address, family)


def test_family() -> None:
    """An address is valid in its own family only."""
    assert is_valid_ip_address("1.2.3.4")
    assert is_valid_ip_address("::1", family=socket.AF_INET6)
    assert not is_valid_ip_address("1.2.3.4", family=socket.AF_INET6)


def test_join() -> None:
    """Segments join with dots, numbers and digits alike."""
    assert join_ipv4_segments([10, "0", 0, "1"]) == "10.0.0.1"


@given(st.integers(min_value=0, max_value=2**32 - 2))
def test_increment(number: int) -> None:
    """Incrementing carries over every segment."""
    segments = list(IPv4Address(number).packed)
    assert join_ipv4_segments(increment_ipv4_segments(segments)) == str(IPv4Address(number + 1))


@pytest.mark.parametrize(
    "segments", [[255, 255, 255, 255], [1, 2, 3], [1, 2, 3, 256], ["a", 2, 3, 4], None, 5]
)
def test_increment_refuses(segments: Any) -> None:
    """The last address has no successor, and what is no address has none either."""
    with pytest.raises(ValueError, match=r"last IPv4 address|octets|not permitted|digits|must be numbers"):
        increment_ipv4_segments(segments)


@given(st.ip_addresses().map(str))
def test_splitting_agrees(address: str) -> None:
    """An address is split off as private exactly where it lies in a private network."""
    private = networking.is_private_subnet(address)
    assert networking.split_by_privacy([address]) == (([], [address]) if private else ([address], []))


@pytest.mark.parametrize("text", ["", "n/a", "10.0.0", "1.2.3.4.5", "256.1.1.1x", "0x7f.1"])
def test_splitting_refuses_what_is_no_address(text: str) -> None:
    """What is no address is refused, never sorted in."""
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        networking.split_by_privacy([text])
