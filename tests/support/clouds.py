"""The responses of the sandbox's clouds to every reading call of their drivers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import chain
from typing import Any

from polycloud.compute.providers import get_driver
from polycloud.http.messages import RawResponse, Request, TransportOptions
from polycloud.http.urllib3 import Urllib3Transport
from polycloud.sandbox import Sandbox

Reader = Callable[[Any], Any]
Answers = dict[str, bytes]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEZ0eHQgZm9yIGEgdGVzdCwgMzIgYnl0ZXMgbG9uZyEh a@b"

READERS: dict[str, dict[str, Reader]] = {
    "nephoscale": {
        "nodes": lambda driver: driver.list_nodes(),
        "all nodes": lambda driver: driver.list_nodes(ex_dedicated=True),
        "sizes": lambda driver: driver.list_sizes(),
        "images": lambda driver: driver.list_images(),
        "locations": lambda driver: driver.list_locations(),
        "keys": lambda driver: driver.ex_list_keypairs(),
        "key pairs": lambda driver: driver.list_key_pairs(),
        "networks": lambda driver: driver.ex_list_networks(),
        "subnets": lambda driver: driver.ex_list_subnets(),
        "free addresses": lambda driver: driver.ex_list_free_addresses(),
    },
    "digitalocean": {
        "nodes": lambda driver: driver.list_nodes(),
        "iterated nodes": lambda driver: list(driver.iterate_nodes()),
        "a node": lambda driver: [driver.get_node(node.id) for node in driver.list_nodes()],
        "sizes": lambda driver: driver.list_sizes(),
        "images": lambda driver: driver.list_images(),
        "an image": lambda driver: driver.get_image("ubuntu-24-04-x64"),
        "locations": lambda driver: driver.list_locations(),
        "key pairs": lambda driver: driver.list_key_pairs(),
        "volumes": lambda driver: driver.list_volumes(),
        "snapshots": lambda driver: list(chain(*map(driver.list_volume_snapshots, driver.list_volumes()))),
        "actions": lambda driver: driver.ex_list_actions(),
        "events": lambda driver: driver.ex_list_events(),
        "tags": lambda driver: driver.ex_list_tags(),
        "addresses": lambda driver: driver.ex_list_floating_ips(),
        "networks": lambda driver: driver.ex_list_vpcs(),
        "firewalls": lambda driver: driver.ex_list_firewalls(),
        "account": lambda driver: driver.ex_account_info(),
    },
}
"""The calls that read, by provider and name."""


class _Listener(Urllib3Transport):
    """A transport that keeps the response bodies, by path and query of the request."""

    def __init__(self) -> None:
        super().__init__(TransportOptions())
        self.answers: Answers = {}

    def send(self, request: Request) -> RawResponse:
        response = super().send(request)
        self.answers[target_of(request.url)] = response.body
        return response


def target_of(url: str) -> str:
    """Return path and query of a URL."""
    return "/" + url.split("/", 3)[3]


_AT_ONCE: dict[str, dict[str, Any]] = {
    "nephoscale": {"appear": 0.0, "build": 0.0},
    "digitalocean": {"build": 0.0},
}


@cache
def answers_of(provider: str) -> dict[str, Answers]:
    """Return what a cloud with resources of every kind responds to each reading call, by path and query."""
    found: dict[str, Answers] = {}
    with Sandbox(provider, ssh="off", **_AT_ONCE[provider]) as cloud:
        with get_driver(provider)(*cloud.credentials, **cloud.options) as driver:
            _FILL[provider](driver)
        for name, read in READERS[provider].items():
            listener = _Listener()
            with get_driver(provider)(*cloud.credentials, **cloud.options, transport=listener) as driver:
                assert read(driver), name
            found[name] = listener.answers
    return found


def _fill_nephoscale(driver: Any) -> None:
    size, image = driver.list_sizes()[0], driver.list_images()[0]
    driver.ex_create_keypair("key", public_key=KEY)
    nodes = [driver.create_node(f"web-{number}", size, image) for number in range(2)]
    driver.wait_until_running(nodes)


def _fill_digitalocean(driver: Any) -> None:
    from polycloud.compute.drivers.digitalocean import DigitalOceanFirewallRule

    location = next(place for place in driver.list_locations() if place.id == "nyc3")
    size, image = driver.list_sizes(location)[0], driver.get_image("ubuntu-24-04-x64")
    driver.import_key_pair_from_string("key", KEY)
    nodes = [driver.create_node(f"web-{n}", size, image, location, tags=["t"]) for n in range(2)]
    driver.wait_until_running(nodes)
    volume = driver.create_volume(1, "disk", location)
    driver.create_volume_snapshot(volume, "snapshot")
    driver.ex_create_floating_ip(location)
    rule = DigitalOceanFirewallRule(protocol="tcp", ports="22", addresses=("0.0.0.0/0",))
    driver.ex_create_firewall("wall", [rule], [rule], nodes=nodes[:1])


_FILL = {"nephoscale": _fill_nephoscale, "digitalocean": _fill_digitalocean}
