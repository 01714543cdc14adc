from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from polycloud.compute.drivers.linode import (
    LinodeBackup,
    LinodeConfig,
    LinodeDisk,
    LinodeFirewall,
    LinodeNodeDriver,
    LinodeStackScript,
)
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
)
from polycloud.compute.types import NodeState, StorageVolumeState
from polycloud.http.retry import RetryPolicy
from polycloud.testing.contract import Contract
from support.specs import request_problems, specification
from support.web import Answer, Seen, Web, serve

Driver = LinodeNodeDriver
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"
EVERYTHING = {
    "id": 1,
    "label": "web",
    "address": "192.0.2.1",
    "automatic": [],
    "disk": 81920,
    "ipv4": [],
    "memory": 4096,
    "region": "us-east",
    "size": 20,
    "ssh_key": PUBLIC_KEY,
    "tags": ["old"],
    "type": "g6-nanode-1",
}
NEW = count(1)
ACTIONS = (
    *("backups_restore", "disk_create", "disk_delete", "disk_resize", "linode_boot", "linode_reboot"),
    *("linode_clone", "linode_migrate", "linode_migrate_datacenter", "linode_rebuild", "linode_resize"),
    *("linode_shutdown", "linode_snapshot", "password_reset"),
)


def events() -> list[dict[str, Any]]:
    """Every action has just finished, each time that the events are listed."""
    about = {"id": 1, "type": "linode"}
    return [{"id": next(NEW), "action": action, "status": "finished", "entity": about} for action in ACTIONS]


def universal(seen: Seen) -> Answer:
    """A response that fits every request."""
    path = seen.path.removeprefix("/v4")
    if path.startswith(("/images", "/linode/types")):
        one: dict[str, Any] = {**EVERYTHING, "id": "private/7", "status": "available"}
    elif path == "/regions/availability":
        one = {"plan": "g6-nanode-1", "region": "us-east", "available": False}
    elif path == "/regions":
        one = {"id": "us-east", "country": "us"}
    elif path.endswith("/devices"):
        one = {"id": 1, "entity": {"id": 1, "type": "linode"}}
    elif path == "/linode/instances/1/ips" and seen.method == "GET":
        one = {"ipv4": {"public": [{"address": "192.0.2.1"}]}}
    else:
        one = {**EVERYTHING, "status": "active"}
    listed = events() if path == "/account/events" else [one]
    return Answer(body={**one, "data": listed, "page": 1, "pages": 1, "results": len(listed)})


def node(driver: Driver) -> Node:
    return Node("1", "web", NodeState.RUNNING, [], [], driver, "g6-nanode-1", "linode/debian12")


def size(driver: Driver) -> NodeSize:
    return NodeSize("g6-nanode-1", "Nanode 1GB", 1024, 25, 1000, 0.0075, driver)


def image(driver: Driver) -> NodeImage:
    return NodeImage("private/7", "mine", driver)


def place(driver: Driver) -> NodeLocation:
    return NodeLocation("us-east", "Newark, NJ", "US", driver)


def volume(driver: Driver) -> StorageVolume:
    return StorageVolume("1", "data", 20, driver)


DISK = LinodeDisk("1", StorageVolumeState.AVAILABLE, "root", "ext4")
CONFIG = LinodeConfig(id=1)
BACKUP = LinodeBackup(id=1)
RULES = {
    "inbound": [{"action": "ACCEPT", "protocol": "TCP", "ports": "22", "addresses": {"ipv4": ["0.0.0.0/0"]}}],
    "inbound_policy": "DROP",
    "outbound_policy": "ACCEPT",
}
ATTRIBUTES = {"firewall_id": 7, "swap_size": 256, "booted": True, "interfaces": [{"purpose": "public"}]}

CALLS: dict[str, list[Callable[[Driver], Any]]] = {
    "list_nodes": [
        lambda driver: driver.list_nodes(),
        lambda driver: driver.list_nodes(ex_filter={"+or": [{"tags": "web"}, {"region": "us-east"}]}),
    ],
    "iterate_nodes": [lambda driver: list(driver.iterate_nodes())],
    "get_node": [lambda driver: driver.get_node("1")],
    "create_node": [
        lambda driver: driver.create_node("web", size(driver), image(driver)),
        lambda driver: driver.create_node(
            "web-1.example",
            size(driver),
            image(driver),
            place(driver),
            None,
            [PUBLIC_KEY],
            ["me"],
            ["web"],
            True,
            True,
            ex_create_attr=ATTRIBUTES,
            auth=NodeAuthSSHKey(PUBLIC_KEY),
            tags=["env"],
            user_data="#!/bin/sh",
        ),
        lambda driver: driver.create_node("key", size(driver), image(driver), idempotency_key="once"),
        lambda driver: driver.create_node(None, size(driver), ex_create_attr={"backup_id": 1}),
    ],
    "reboot_node": [lambda driver: driver.reboot_node(node(driver))],
    "start_node": [lambda driver: driver.start_node(node(driver))],
    "stop_node": [lambda driver: driver.stop_node(node(driver))],
    "destroy_node": [lambda driver: driver.destroy_node(node(driver))],
    "list_sizes": [lambda driver: driver.list_sizes(), lambda driver: driver.list_sizes(place(driver))],
    "list_images": [
        lambda driver: driver.list_images(),
        lambda driver: driver.list_images(ex_filter={"is_public": False}),
    ],
    "get_image": [lambda driver: driver.get_image("linode/debian12")],
    "create_image": [
        lambda driver: driver.create_image(node(driver), "image"),
        lambda driver: driver.create_image(DISK, "image", "of a disk"),
    ],
    "delete_image": [lambda driver: driver.delete_image(image(driver))],
    "list_locations": [lambda driver: driver.list_locations()],
    "list_key_pairs": [lambda driver: driver.list_key_pairs()],
    "create_key_pair": [lambda driver: driver.create_key_pair("key", PUBLIC_KEY)],
    "import_key_pair_from_string": [lambda driver: driver.import_key_pair_from_string("key", PUBLIC_KEY)],
    "delete_key_pair": [lambda driver: driver.delete_key_pair(KeyPair("web", None, None, driver))],
    "list_volumes": [lambda driver: driver.list_volumes()],
    "create_volume": [
        lambda driver: driver.create_volume(20, "data"),
        lambda driver: driver.create_volume(20, "data", place(driver), tags=["web"]),
        lambda driver: driver.create_volume(20, "data", node=node(driver)),
    ],
    "attach_volume": [
        lambda driver: driver.attach_volume(node(driver), volume(driver)),
        lambda driver: driver.attach_volume(node(driver), volume(driver), persist_across_boots=False),
    ],
    "detach_volume": [lambda driver: driver.detach_volume(volume(driver))],
    "destroy_volume": [lambda driver: driver.destroy_volume(volume(driver))],
    "ex_get_node": [lambda driver: driver.ex_get_node("1")],
    "ex_get_size": [lambda driver: driver.ex_get_size("g6-nanode-1")],
    "ex_start_node": [
        lambda driver: driver.ex_start_node(node(driver)),
        lambda driver: driver.ex_start_node(node(driver), config=CONFIG),
    ],
    "ex_shutdown_node": [lambda driver: driver.ex_shutdown_node(node(driver))],
    "ex_stop_node": [lambda driver: driver.ex_stop_node(node(driver))],
    "ex_reboot_node": [lambda driver: driver.ex_reboot_node(node(driver))],
    "ex_resize_node": [
        lambda driver: driver.ex_resize_node(node(driver), size(driver)),
        lambda driver: driver.ex_resize_node(node(driver), size(driver), True),
    ],
    "ex_rename_node": [lambda driver: driver.ex_rename_node(node(driver), "other")],
    "ex_rebuild_node": [
        lambda driver: driver.ex_rebuild_node(node(driver)),
        lambda driver: driver.ex_rebuild_node(
            node(driver),
            image(driver),
            auth=NodeAuthPassword("a long password"),
            ex_authorized_keys=[PUBLIC_KEY],
            ex_authorized_users=["me"],
            user_data="#!/bin/sh",
        ),
    ],
    "ex_clone_node": [
        lambda driver: driver.ex_clone_node(node(driver)),
        lambda driver: driver.ex_clone_node(
            node(driver),
            "copy",
            size(driver),
            place(driver),
            ex_create_attr={"private_ip": True, "backups_enabled": True, "disks": [1], "configs": [1]},
            user_data="#!/bin/sh",
        ),
    ],
    "ex_migrate_node": [
        lambda driver: driver.ex_migrate_node(node(driver)),
        lambda driver: driver.ex_migrate_node(node(driver), place(driver)),
    ],
    "ex_rescue_node": [
        lambda driver: driver.ex_rescue_node(node(driver)),
        lambda driver: driver.ex_rescue_node(node(driver), [DISK, volume(driver)]),
    ],
    "ex_list_stackscripts": [lambda driver: driver.ex_list_stackscripts(ex_filter={"mine": True})],
    "ex_create_stackscript": [
        lambda driver: driver.ex_create_stackscript("script", "#!/bin/sh", [image(driver)]),
        lambda driver: driver.ex_create_stackscript("script", "#!/bin/sh", ["any/all"], description="mine"),
    ],
    "ex_destroy_stackscript": [lambda driver: driver.ex_destroy_stackscript(LinodeStackScript(id=1))],
    "ex_list_firewalls": [lambda driver: driver.ex_list_firewalls()],
    "ex_create_firewall": [
        lambda driver: driver.ex_create_firewall("firewall", RULES),
        lambda driver: driver.ex_create_firewall("firewall", RULES, [node(driver)], tags=["web"]),
    ],
    "ex_attach_firewall": [lambda driver: driver.ex_attach_firewall(LinodeFirewall(id=1), node(driver))],
    "ex_detach_firewall": [lambda driver: driver.ex_detach_firewall(LinodeFirewall(id=1), node(driver))],
    "ex_destroy_firewall": [lambda driver: driver.ex_destroy_firewall(LinodeFirewall(id=1))],
    "ex_reset_password": [lambda driver: driver.ex_reset_password(node(driver), "a long password")],
    "ex_list_events": [
        lambda driver: driver.ex_list_events(),
        lambda driver: driver.ex_list_events(node(driver)),
    ],
    "ex_list_node_disks": [lambda driver: driver.ex_list_node_disks(node(driver))],
    "ex_list_disks": [lambda driver: driver.ex_list_disks(node(driver))],
    "ex_create_disk": [
        lambda driver: driver.ex_create_disk(1024, "more", node(driver), "ext4"),
        lambda driver: driver.ex_create_disk(
            4096, "more", node(driver), None, image(driver), "a long password", [PUBLIC_KEY], ["me"]
        ),
    ],
    "ex_resize_disk": [lambda driver: driver.ex_resize_disk(node(driver), DISK, 2048)],
    "ex_destroy_disk": [lambda driver: driver.ex_destroy_disk(node(driver), DISK)],
    "ex_list_configs": [lambda driver: driver.ex_list_configs(node(driver))],
    "ex_create_config": [
        lambda driver: driver.ex_create_config(node(driver), "mine", [DISK]),
        lambda driver: driver.ex_create_config(node(driver), "mine", [DISK], kernel="linode/grub2"),
    ],
    "ex_destroy_config": [lambda driver: driver.ex_destroy_config(node(driver), CONFIG)],
    "ex_get_volume": [lambda driver: driver.ex_get_volume("1")],
    "ex_list_node_volumes": [lambda driver: driver.ex_list_node_volumes(node(driver))],
    "ex_resize_volume": [lambda driver: driver.ex_resize_volume(volume(driver), 30)],
    "ex_clone_volume": [lambda driver: driver.ex_clone_volume(volume(driver), "copy")],
    "ex_list_backups": [lambda driver: driver.ex_list_backups(node(driver))],
    "ex_enable_backups": [lambda driver: driver.ex_enable_backups(node(driver))],
    "ex_disable_backups": [lambda driver: driver.ex_disable_backups(node(driver))],
    "ex_create_backup": [lambda driver: driver.ex_create_backup(node(driver), "before")],
    "ex_restore_backup": [
        lambda driver: driver.ex_restore_backup(node(driver), BACKUP),
        lambda driver: driver.ex_restore_backup(node(driver), BACKUP, node(driver), overwrite=True),
    ],
    "ex_list_tags": [lambda driver: driver.ex_list_tags()],
    "ex_create_tag": [
        lambda driver: driver.ex_create_tag("env"),
        lambda driver: driver.ex_create_tag("env", [node(driver)]),
    ],
    "ex_delete_tag": [lambda driver: driver.ex_delete_tag("env prod/1")],
    "ex_tag_node": [lambda driver: driver.ex_tag_node(node(driver), "env")],
    "ex_untag_node": [lambda driver: driver.ex_untag_node(node(driver), "old")],
    "ex_list_addresses": [lambda driver: driver.ex_list_addresses()],
    "ex_list_node_addresses": [lambda driver: driver.ex_list_node_addresses(node(driver))],
    "ex_allocate_private_address": [lambda driver: driver.ex_allocate_private_address(node(driver))],
    "ex_allocate_public_address": [lambda driver: driver.ex_allocate_public_address(node(driver))],
    "ex_share_address": [lambda driver: driver.ex_share_address(node(driver), ["192.0.2.7"])],
    "ex_destroy_address": [lambda driver: driver.ex_destroy_address(node(driver), "192.0.2.7")],
}

UNPAGED = ("/v4/linode/types", "/v4/networking/ips", "/v4/regions", "/v4/regions/availability")
"""Lists that have pages, although the document does not name the parameters."""


SPLIT = ("/v4/linode/instances", "/v4/linode/instances/1/rebuild", "/v4/networking/firewalls")
"""Requests whose schema has several parts, each of which forbids the fields of the others.

A field that no part has is still reported."""


def problems(seen: Seen, contract: Contract) -> list[str]:
    # Ids of images have a slash, which the provider does not require to be percent-encoded
    quoted = re.sub("(/images/[^/]+)/", r"\1%2F", seen.target)
    found = request_problems(contract, replace(seen, target=quoted))
    if seen.path in UNPAGED:
        found = [text for text in found if "parameter 'page" not in text]
    if seen.path in SPLIT:
        found = [text for text in found if "Additional properties are not allowed" not in text]
    return found


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract(specification("linode"))


@pytest.fixture
def web() -> Iterator[Web]:
    with serve(universal) as web:
        yield web


def test_every_call_is_checked() -> None:
    """Every operation that the driver implements, and every extension, is in CALLS."""
    own = [name for name in Driver.operations() if not hasattr(getattr(Driver, name), "needs")]
    assert set(CALLS) == {*own, *Driver.extensions()}


@pytest.mark.parametrize("name", CALLS)
def test_requests_are_as_documented(name: str, web: Web, contract: Contract) -> None:
    """Every request of the driver is as the provider's document describes it."""
    with Driver("token", region="us-east", retry=RetryPolicy(attempts=1), **web.options) as driver:
        for call in CALLS[name]:
            call(driver)
    assert web.seen
    assert [problem for seen in web.seen for problem in problems(seen, contract)] == []


JSON = {"Content-Type": "application/json"}
WRONG = {
    "'colour' is not documented": Seen("GET", "/v4/linode/instances?colour=red", {}, b"", 1),
    "page_size=501": Seen("GET", "/v4/linode/instances?page_size=501", {}, b"", 1),
    "'nom' is not documented": Seen("POST", "/v4/linode/instances", JSON, b'{"nom": "web"}', 1),
    "'type' is a required property": Seen("POST", "/v4/linode/instances", JSON, b'{"region": "us-east"}', 1),
}


@pytest.mark.parametrize("problem", WRONG)
def test_problems_are_found(problem: str, contract: Contract) -> None:
    """A request that is not as documented is reported, although some faults of the document are ignored."""
    assert problem in "; ".join(problems(WRONG[problem], contract))
