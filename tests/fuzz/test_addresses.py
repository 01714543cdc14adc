from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from polycloud.compute.providers import get_driver
from polycloud.http.retry import RetryPolicy
from polycloud.utils.networking import (
    increment_ipv4_segments,
    is_private_subnet,
    is_public_subnet,
    is_valid_ip_address,
    split_by_privacy,
)
from support.fuzz import ODD_TEXTS, outcome, scrambled


def addresses() -> st.SearchStrategy[str]:
    near = scrambled(b"10.0.0.1", b"203.0.113.77", b"172.16.0.1", b"fd00::1", b"::ffff:10.0.0.1")
    real = st.ip_addresses().map(str)
    return (
        real
        | near.map(lambda data: data.decode("latin-1"))
        | st.sampled_from(ODD_TEXTS)
        | st.text(max_size=12)
    )


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


@given(addresses())
@example("999.1.1.1")
@example("1.02.3.4")
def test_privacy(text: str) -> None:
    """An address is private or public; anything else is a `ValueError`."""
    halves = outcome(lambda: split_by_privacy([text]), ValueError)
    assert isinstance(halves, ValueError) != is_address(text)
    if is_address(text):
        assert halves == (([], [text]) if is_private_subnet(text) else ([text], []))
        assert is_public_subnet(text) is not is_private_subnet(text)


@given(addresses())
def test_validity(text: str) -> None:
    """An address without a zone has one family; anything else has none."""
    families = [family for family in (socket.AF_INET, socket.AF_INET6) if is_valid_ip_address(text, family)]
    assert len(families) == (is_address(text) and "%" not in text)


@given(st.lists(st.integers() | st.text(max_size=4) | st.sampled_from(["255", "01"]), max_size=5))
def test_increment(segments: list[int | str]) -> None:
    """The next address has four bytes; an invalid address, or the last one, is a `ValueError`."""
    following = outcome(lambda: increment_ipv4_segments(segments), ValueError)
    assert isinstance(following, ValueError) or (
        len(following) == 4 and all(0 <= part < 256 for part in following)
    )


def urls() -> st.SearchStrategy[str]:
    samples = scrambled(
        b"https://api.example.com:8443/v2", b"http://[::1]:80/a%20b/", b"https://h\xc3\xa9.example/x"
    )
    near = samples.map(lambda data: data.decode("utf-8", "surrogateescape"))
    hosts = st.text(max_size=10).map(lambda host: f"https://{host}/v2")
    return near | hosts | st.sampled_from(ODD_TEXTS)


@given(urls(), st.sampled_from(["nephoscale", "digitalocean"]))
@example("https://[::1/", "nephoscale")
@example("https://a b/", "digitalocean")
@example("https://\u2100.example/", "digitalocean")
def test_url_of_a_driver(url: str, provider: Any) -> None:
    """A driver at any `url=` either calls it or ends with an error of our tree."""
    # nothing listens at the proxy, and so no name is resolved
    options: Any = {
        "proxy_url": "http://127.0.0.1:9",
        "retry": RetryPolicy(attempts=1),
        "allow_insecure": True,
    }
    credentials = {"nephoscale": ("user", "password"), "digitalocean": ("token",)}[provider]

    def call() -> None:
        with get_driver(provider)(*credentials, url=url or "https://", **options) as driver:
            assert repr(driver)
            driver.list_nodes()

    assert outcome(call) is not None
