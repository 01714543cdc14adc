from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from polycloud.compute.drivers.digitalocean import (
    DigitalOceanFirewall,
    DigitalOceanFirewallRule,
    DigitalOceanFloatingIp,
    DigitalOceanNodeDriver,
    DigitalOceanVPC,
)
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
)
from polycloud.compute.types import NodeState
from polycloud.http.retry import RetryPolicy
from polycloud.testing.contract import Contract
from support.specs import request_problems, specification
from support.web import Answer, Seen, Web, serve

Driver = DigitalOceanNodeDriver
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"
UUID = "506f78a4-e098-41e5-ad9f-000f53306ae1"
DROPLET = {"id": 1, "name": "web", "image": {"slug": "ubuntu-24-04-x64"}}
KEY = {"id": 5, "name": "key", "public_key": PUBLIC_KEY}
MEMBERS: dict[str, Any] = {
    "account": {},
    "action": {"id": 7, "status": "completed"},
    "droplet": DROPLET,
    "firewall": {"id": UUID},
    "image": {"id": 2},
    "reserved_ip": {"ip": "192.0.2.1"},
    "snapshot": {"id": UUID},
    "ssh_key": KEY,
    "tag": {"name": "web"},
    "volume": {"id": UUID, "size_gigabytes": 10, "droplet_ids": [1]},
    "vpc": {"id": UUID},
}
LISTS: dict[str, Any] = {
    **{f"{name}s": [member] for name, member in MEMBERS.items()},
    "regions": [{"slug": "nyc3"}],
    "sizes": [{"slug": "s-1", "memory": 1, "disk": 1}],
    "snapshots": [{"id": 2, "name": "image"}],
}


NEW = count(100)


def universal(seen: Seen) -> Answer:
    """A response that fits every request; each list of a droplet's snapshots has a new one."""
    if seen.path == "/v2/droplets/1/snapshots":
        return Answer(body={"snapshots": [{"id": next(NEW), "name": "image"}]})
    return Answer(204) if seen.method == "DELETE" else Answer(body={**MEMBERS, **LISTS, "meta": {"total": 1}})


def node(driver: Driver) -> Node:
    return Node("1", "web", NodeState.RUNNING, [], [], driver, "s-1", "ubuntu-24-04-x64")


def size(driver: Driver) -> NodeSize:
    return NodeSize("s-1vcpu-1gb", "s-1vcpu-1gb", 1024, 25, 1000, 0.007, driver)


def image(driver: Driver) -> NodeImage:
    return NodeImage("2", "image", driver)


def place(driver: Driver) -> NodeLocation:
    return NodeLocation("nyc3", "New York 3", "US", driver)


def volume(driver: Driver) -> StorageVolume:
    return StorageVolume(UUID, "data", 10, driver)


def snapshot(driver: Driver) -> VolumeSnapshot:
    return VolumeSnapshot(UUID, driver)


VPC = DigitalOceanVPC(id=UUID)
IP = DigitalOceanFloatingIp("192.0.2.1", "192.0.2.1", None, "nyc3")
FIREWALL = DigitalOceanFirewall(UUID, "gate", None, (), (), (), ())
RULE = DigitalOceanFirewallRule(
    protocol="tcp",
    ports="8000-9000",
    addresses=("0.0.0.0/0", "::/0"),
    node_ids=("1",),
    load_balancer_ids=(UUID,),
    tags=("web",),
)
ANY = DigitalOceanFirewallRule(protocol="icmp", addresses=("0.0.0.0/0",))
ATTRIBUTES = {"backups": True, "ipv6": True, "monitoring": True, "volumes": [UUID], "vpc_uuid": UUID}

CALLS: dict[str, list[Callable[[Driver], Any]]] = {
    "list_nodes": [
        lambda driver: driver.list_nodes(),
        lambda driver: driver.list_nodes(ex_tag="web"),
        lambda driver: driver.list_nodes(ex_gpus=True),
    ],
    "iterate_nodes": [lambda driver: list(driver.iterate_nodes())],
    "get_node": [lambda driver: driver.get_node("1")],
    "create_node": [
        lambda driver: driver.create_node("web", size(driver), image(driver)),
        lambda driver: driver.create_node(
            "web-1.example.com",
            size(driver),
            image(driver),
            place(driver),
            ATTRIBUTES,
            [5, "7", "3b:16:bf:e4:8b:00:8b:b8:59:8c:a9:d3:f0:19:45:fa"],
            "#!/bin/sh",
            auth=NodeAuthSSHKey(PUBLIC_KEY),
            tags=["web"],
        ),
    ],
    "reboot_node": [lambda driver: driver.reboot_node(node(driver))],
    "start_node": [lambda driver: driver.start_node(node(driver))],
    "stop_node": [lambda driver: driver.stop_node(node(driver))],
    "shutdown_node": [lambda driver: driver.shutdown_node(node(driver))],
    "destroy_node": [lambda driver: driver.destroy_node(node(driver))],
    "list_sizes": [lambda driver: driver.list_sizes(place(driver))],
    "list_images": [lambda driver: driver.list_images()],
    "get_image": [lambda driver: driver.get_image("2"), lambda driver: driver.get_image("ubuntu-24-04-x64")],
    "create_image": [lambda driver: driver.create_image(node(driver), "image")],
    "copy_image": [lambda driver: driver.copy_image("nyc1", image(driver), "copy")],
    "delete_image": [lambda driver: driver.delete_image(image(driver))],
    "list_locations": [lambda driver: driver.list_locations()],
    "list_key_pairs": [lambda driver: driver.list_key_pairs()],
    "create_key_pair": [lambda driver: driver.create_key_pair("key", PUBLIC_KEY)],
    "import_key_pair_from_string": [lambda driver: driver.import_key_pair_from_string("key", PUBLIC_KEY)],
    "delete_key_pair": [lambda driver: driver.delete_key_pair(KeyPair("key", None, None, driver))],
    "list_volumes": [lambda driver: driver.list_volumes()],
    "create_volume": [
        lambda driver: driver.create_volume(10, "data"),
        lambda driver: driver.create_volume(10, "data", place(driver), snapshot(driver)),
    ],
    "attach_volume": [lambda driver: driver.attach_volume(node(driver), volume(driver))],
    "detach_volume": [lambda driver: driver.detach_volume(volume(driver))],
    "destroy_volume": [lambda driver: driver.destroy_volume(volume(driver))],
    "list_volume_snapshots": [lambda driver: driver.list_volume_snapshots(volume(driver))],
    "create_volume_snapshot": [lambda driver: driver.create_volume_snapshot(volume(driver))],
    "destroy_volume_snapshot": [lambda driver: driver.destroy_volume_snapshot(snapshot(driver))],
    "ex_account_info": [lambda driver: driver.ex_account_info()],
    "ex_get_action": [lambda driver: driver.ex_get_action(7)],
    "ex_get_event": [lambda driver: driver.ex_get_event("7")],
    "ex_list_actions": [
        lambda driver: driver.ex_list_actions(),
        lambda driver: driver.ex_list_actions(node(driver)),
    ],
    "ex_list_events": [lambda driver: driver.ex_list_events()],
    "ex_get_node_details": [lambda driver: driver.ex_get_node_details("1")],
    "ex_rebuild_node": [
        lambda driver: driver.ex_rebuild_node(node(driver)),
        lambda driver: driver.ex_rebuild_node(node(driver), image(driver)),
    ],
    "ex_restore_node": [lambda driver: driver.ex_restore_node(node(driver), image(driver))],
    "ex_resize_node": [lambda driver: driver.ex_resize_node(node(driver), size(driver))],
    "ex_rename_node": [lambda driver: driver.ex_rename_node(node(driver), "other")],
    "ex_hard_reboot": [lambda driver: driver.ex_hard_reboot(node(driver))],
    "ex_power_on_node": [lambda driver: driver.ex_power_on_node(node(driver))],
    "ex_shutdown_node": [lambda driver: driver.ex_shutdown_node(node(driver))],
    "ex_reset_password": [lambda driver: driver.ex_reset_password(node(driver))],
    "ex_enable_ipv6": [lambda driver: driver.ex_enable_ipv6(node(driver))],
    "ex_enable_backups": [lambda driver: driver.ex_enable_backups(node(driver))],
    "ex_disable_backups": [lambda driver: driver.ex_disable_backups(node(driver))],
    "ex_change_kernel": [lambda driver: driver.ex_change_kernel(node(driver), "7515")],
    "ex_list_tags": [lambda driver: driver.ex_list_tags()],
    "ex_create_tag": [lambda driver: driver.ex_create_tag("env:prod")],
    "ex_delete_tag": [lambda driver: driver.ex_delete_tag("env:prod")],
    "ex_tag_node": [lambda driver: driver.ex_tag_node(node(driver), "web")],
    "ex_untag_node": [lambda driver: driver.ex_untag_node(node(driver), "web")],
    "ex_list_floating_ips": [lambda driver: driver.ex_list_floating_ips()],
    "ex_get_floating_ip": [lambda driver: driver.ex_get_floating_ip("192.0.2.1")],
    "ex_create_floating_ip": [lambda driver: driver.ex_create_floating_ip(place(driver))],
    "ex_delete_floating_ip": [lambda driver: driver.ex_delete_floating_ip(IP)],
    "ex_attach_floating_ip_to_node": [
        lambda driver: driver.ex_attach_floating_ip_to_node(node(driver), IP),
    ],
    "ex_detach_floating_ip_from_node": [
        lambda driver: driver.ex_detach_floating_ip_from_node(node(driver), IP),
    ],
    "ex_list_vpcs": [lambda driver: driver.ex_list_vpcs()],
    "ex_get_vpc": [lambda driver: driver.ex_get_vpc(UUID)],
    "ex_create_vpc": [
        lambda driver: driver.ex_create_vpc("ours", place(driver)),
        lambda driver: driver.ex_create_vpc(
            "ours", place(driver), ip_range="10.7.0.0/24", description="for us"
        ),
    ],
    "ex_delete_vpc": [lambda driver: driver.ex_delete_vpc(VPC)],
    "ex_list_firewalls": [lambda driver: driver.ex_list_firewalls()],
    "ex_get_firewall": [lambda driver: driver.ex_get_firewall(UUID)],
    "ex_create_firewall": [
        lambda driver: driver.ex_create_firewall("gate", [RULE]),
        lambda driver: driver.ex_create_firewall("gate", [ANY], [RULE], nodes=[node(driver)], tags=["web"]),
    ],
    "ex_delete_firewall": [lambda driver: driver.ex_delete_firewall(FIREWALL)],
    "ex_add_nodes_to_firewall": [lambda driver: driver.ex_add_nodes_to_firewall(FIREWALL, [node(driver)])],
    "ex_remove_nodes_from_firewall": [
        lambda driver: driver.ex_remove_nodes_from_firewall(FIREWALL, [node(driver)]),
    ],
    "ex_add_tags_to_firewall": [lambda driver: driver.ex_add_tags_to_firewall(FIREWALL, ["web"])],
    "ex_remove_tags_from_firewall": [lambda driver: driver.ex_remove_tags_from_firewall(FIREWALL, ["web"])],
}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract(specification("digitalocean"))


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serve(universal) as web:
        yield web


def test_every_call_is_checked() -> None:
    """Every operation that the driver implements, and every extension, is in CALLS."""
    own = [name for name in Driver.operations() if not hasattr(getattr(Driver, name), "needs")]
    assert set(CALLS) == {*own, *Driver.extensions()}


@pytest.mark.parametrize("name", CALLS)
def test_requests_are_as_documented(name: str, contract: Contract, web: Web) -> None:
    """Every request of the driver is as the provider's document describes it."""
    web.seen.clear()
    with Driver("token", region="nyc3", retry=RetryPolicy(attempts=1), **web.options) as driver:
        for call in CALLS[name]:
            call(driver)
    assert web.seen
    assert [problem for seen in web.seen for problem in request_problems(contract, seen)] == []


@pytest.mark.parametrize("known", [False, True])
def test_the_key_of_a_create(known: bool, contract: Contract) -> None:
    """The key of a create is searched for and, if it is missing, registered as documented."""

    def respond(seen: Seen) -> Answer:
        absent = not known and seen.method == "GET"
        return Answer(404, {"id": "not_found", "message": "none"}) if absent else universal(seen)

    with serve(respond) as web, Driver("token", **web.options) as driver:
        with driver._authorized(NodeAuthSSHKey(PUBLIC_KEY), {}):
            pass
    assert len(web.seen) == (1 if known else 3)
    assert [problem for seen in web.seen for problem in request_problems(contract, seen)] == []


JSON = {"Content-Type": "application/json"}
WRONG = {
    "GET /v2/nothing is not documented": Seen("GET", "/v2/nothing", {}, b"", 1),
    "'colour' is not documented": Seen("GET", "/v2/droplets?colour=red", {}, b"", 1),
    "per_page=201": Seen("GET", "/v2/droplets?per_page=201", {}, b"", 1),
    "droplet_id=x": Seen("GET", "/v2/droplets/x", {}, b"", 1),
    "a body is not documented": Seen("GET", "/v2/droplets", JSON, b"{}", 1),
    "the body is missing": Seen("POST", "/v2/tags", {}, b"", 1),
    "the body is sent as text/plain": Seen("POST", "/v2/tags", {"Content-Type": "text/plain"}, b"{}", 1),
    "$.name is null": Seen("POST", "/v2/tags", JSON, b'{"name": null}', 1),
    "'nom' is not documented": Seen("POST", "/v2/tags", JSON, b'{"nom": "web"}', 1),
    "'size' is not documented": Seen(
        "POST", "/v2/droplets/1/actions", JSON, b'{"type": "rename", "size": "s-1"}', 1
    ),
}


@pytest.mark.parametrize("problem", WRONG)
def test_problems_are_found(problem: str, contract: Contract) -> None:
    """A request that is not as documented is reported, with what is wrong."""
    assert problem in "; ".join(request_problems(contract, WRONG[problem]))
