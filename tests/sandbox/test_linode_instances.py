from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.linode import ORDER, PASSWORD, Client, client

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3d8yr2Wm9Gk0cJmVwUqk1CO8hBzXG2xw3mZcXo1f7Y"
ALL = "/linode/instances"
BUSY = (400, [(None, "Linode busy.")])
DATA = base64.b64encode(b"#cloud-config").decode()


@pytest.fixture
def api() -> Iterator[Client]:
    with client() as made:
        yield made


def status(api: Client, id: int) -> str:
    return str(api.get(f"{ALL}/{id}")["status"])


def actions(api: Client) -> list[tuple[str, str]]:
    """All events, the oldest first, as actions with their status."""
    events = api.get("/account/events")["data"]
    return [(event["action"], event["status"]) for event in reversed(events)]


# Creating


def test_the_life_of_a_linode(api: Client) -> None:
    """A Linode is provisioning, then booting, then running, and each step is an event that ends."""
    made = api.act("POST", ALL, **ORDER)
    assert (made["status"], len(made["ipv4"]), made["label"]) == ("provisioning", 1, "web")
    api.later(1.4)
    assert status(api, made["id"]) == "provisioning"
    assert actions(api) == [("linode_create", "started")]
    api.later(0.1)
    assert status(api, made["id"]) == "booting"
    api.later(0.5)
    assert status(api, made["id"]) == "running"
    assert actions(api) == [("linode_create", "finished"), ("linode_boot", "finished")]
    event = api.get("/account/events")["data"][0]
    assert (event["percent_complete"], event["duration"]) == (100, 0.5)
    assert event["entity"] == {
        "id": made["id"],
        "type": "linode",
        "label": "web",
        "url": f"/v4/linode/instances/{made['id']}",
    }


def test_a_linode_in_full(api: Client) -> None:
    """A Linode shows its type's specs, region, image, tags, addresses and backups."""
    linode = api.built(
        tags=["prod", "web", "prod"],
        private_ip=True,
        backups_enabled=True,
        group="g",
        metadata={"user_data": DATA},
    )
    assert linode["specs"] == {"disk": 25600, "memory": 1024, "vcpus": 1, "gpus": 0, "transfer": 1000}
    assert (linode["type"], linode["region"], linode["image"]) == (
        "g6-nanode-1",
        "us-east",
        "linode/debian12",
    )
    assert (linode["tags"], linode["group"], linode["has_user_data"]) == (["prod", "web"], "g", True)
    public, private = linode["ipv4"]
    assert (public.startswith("192.168."), private.startswith("192.168.")) == (False, True)
    assert linode["ipv6"].endswith("/128")
    assert linode["backups"]["enabled"]
    assert linode["backups"]["last_successful"] is None
    assert linode["alerts"]["cpu"] == 90
    assert [tag["label"] for tag in api.get("/tags")["data"]] == ["prod", "web"]


def test_disks_and_a_configuration_come_with_an_image(api: Client) -> None:
    """An image adds a disk, swap of the requested size, and a configuration with both."""
    one = f"{ALL}/{api.built(swap_size=1000)['id']}"
    disks = api.get(f"{one}/disks")["data"]
    assert [(disk["filesystem"], disk["size"]) for disk in disks] == [("ext4", 24600), ("swap", 1000)]
    (config,) = api.get(f"{one}/configs")["data"]
    assert config["devices"]["sda"]["disk_id"] == disks[0]["id"]
    assert config["devices"]["sdb"]["disk_id"] == disks[1]["id"]
    assert config["devices"]["sdc"] is None


def test_a_linode_that_is_not_to_boot(api: Client) -> None:
    """With an image and without a boot, a Linode is offline after provisioning."""
    assert api.built(booted=False)["status"] == "offline"


def test_an_empty_linode(api: Client) -> None:
    """Without an image there are no disks, and a boot is refused until there are."""
    linode = api.act("POST", ALL, region="us-east", type="g6-nanode-1")
    assert (linode["image"], linode["label"]) == (None, f"linode{linode['id']}")
    assert api.waited(linode["id"])["status"] == "offline"
    one = f"{ALL}/{linode['id']}"
    assert api.get(f"{one}/disks")["results"] == 0
    assert api.refused("POST", f"{one}/boot")[1][0][0] == "config_id"


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"label": "ab"}, "label", "Length must be 3-64 characters"),
        ({"label": "a" * 65}, "label", "Length must be 3-64 characters"),
        ({"label": "-web"}, "label", "begin and end"),
        ({"label": "web-"}, "label", "begin and end"),
        ({"label": "web_"}, "label", "begin and end"),
        ({"label": "we--b"}, "label", "begin and end"),
        ({"label": "we..b"}, "label", "begin and end"),
        ({"label": "we b"}, "label", "begin and end"),
        ({"label": "wéb"}, "label", "begin and end"),
        ({"label": "taken"}, "label", "Label must be unique among your linodes"),
        ({"label": 7}, "label", "label must be a string"),
        ({"type": None}, "type", "type is required"),
        ({"type": "g6"}, "type", "A valid plan type by that ID was not found"),
        ({"type": "g7-premium-2"}, "type", "This type is not available in this region."),
        ({"region": None}, "region", "region is required"),
        ({"region": "us"}, "region", "region is not valid"),
        ({"image": "linode/none"}, "image", "image is not valid"),
        (
            {"image": "linode/slackware15.0", "swap_size": 12800, "type": "g7-highmem-1"},
            "swap_size",
            "Must be 0-",
        ),
        (
            {"image": "linode/slackware15.0", "swap_size": 10240, "type": "g7-highmem-1"},
            "type",
            "Insufficient",
        ),
        ({"root_pass": None}, "root_pass", "root_pass is required"),
        ({"root_pass": "short-1A"}, "root_pass", "Length must be 11-128 characters"),
        ({"root_pass": "aaaaaaaaaaaaaaaa"}, "root_pass", "Password does not meet strength requirement"),
        ({"root_pass": "abcdefghijklmnop"}, "root_pass", "Password does not meet strength requirement"),
        ({"authorized_keys": ["none"]}, "authorized_keys", "SSH Key key-type must be one of"),
        ({"authorized_keys": ["ssh-rsa AAAA"]}, "authorized_keys", "SSH Key data is invalid."),
        ({"authorized_users": ["sandbox"]}, "authorized_users", "has no SSH keys"),
        ({"tags": ["ab"]}, "tags", "Length must be 3-50 characters"),
        ({"metadata": {"user_data": "%"}}, "metadata.user_data", "base64"),
        ({"metadata": {"user_data": "A" * 87384}}, "metadata.user_data", "65535 bytes"),
        ({"metadata": {"user_data": DATA}, "region": "us-west"}, "metadata.user_data", "in this region"),
        ({"metadata": {"user_data": DATA}, "image": "linode/alpine3.20"}, "metadata.user_data", "cloud-init"),
        ({"stackscript_id": 1}, "stackscript_id", "stackscript_id is not valid"),
        ({"backup_id": 1}, "backup_id", "backup_id is not valid"),
        ({"booted": "yes"}, "booted", "booted must be a boolean"),
    ],
)
def test_invalid_creates(api: Client, change: dict[str, Any], field: str, reason: str) -> None:
    """An invalid create is a 400 that names the field, and creates nothing."""
    api.built(label="taken")
    status, problems = api.refused("POST", ALL, **{**ORDER, **change})
    assert (status, problems[0][0]) == (400, field)
    assert reason in problems[0][1]
    assert api.get(ALL)["results"] == 1


@pytest.mark.parametrize("label", ["1web", "web.example.org", "a_b-c.d", "A1b", "a" * 64])
def test_labels(api: Client, label: str) -> None:
    """A label has letters, digits, periods, dashes and underscores, none doubled or at an end."""
    assert api.send("POST", ALL, {**ORDER, "label": label}).status == 200


def test_labels_are_given(api: Client) -> None:
    """Linodes without labels get different ones."""
    made = [api.send("POST", ALL, {**ORDER, "label": None}).json() for _ in range(2)]
    assert [linode["label"] for linode in made] == [f"linode{linode['id']}" for linode in made]


def test_the_limit() -> None:
    """An account at its Linode limit, seeded ones not counted, cannot create more."""
    with client(seed_nodes=2, linode_limit=1) as api:
        api.built()
        reason = "Account Limit reached. Please open a support ticket."
        assert api.refused("POST", ALL, **{**ORDER, "label": "more"}) == (400, [(None, reason)])
        source = api.get(ALL)["data"][-1]["id"]
        body = {"region": "us-east", "type": "g6-nanode-1"}
        assert api.refused("POST", f"{ALL}/{source}/clone", **body) == (400, [(None, reason)])


# Changing


def test_updates(api: Client) -> None:
    """An update changes the fields that are sent, refuses a used label, and is an event without duration."""
    linode = api.built()
    api.built(label="other")
    one = f"{ALL}/{linode['id']}"
    changed = api.act(
        "PUT",
        one,
        label="new",
        tags=["abc"],
        alerts={"io": 5},
        watchdog_enabled=False,
        backups={"schedule": {"day": "Monday"}},
    )
    assert (changed["label"], changed["tags"], changed["watchdog_enabled"]) == ("new", ["abc"], False)
    assert changed["alerts"] == {**linode["alerts"], "io": 5}
    assert changed["backups"]["schedule"]["day"] == "Monday"
    assert actions(api)[-1] == ("linode_update", "notification")
    assert api.act("PUT", one, label="new")["label"] == "new"
    reason = "Label must be unique among your linodes"
    assert api.refused("PUT", one, label="other") == (400, [("label", reason)])
    schedule = {"schedule": {"window": "W1"}}
    assert api.refused("PUT", one, backups=schedule)[1][0][0] == "backups.schedule.window"
    assert api.refused("PUT", one, alerts={"cpu": -1})[1][0][0] == "alerts.cpu"
    for wrong in ({"tags": ["ab"]}, {"watchdog_enabled": "yes"}, {"group": 1}):
        assert api.refused("PUT", one, label="unchanged", **wrong)[0] == 400
    assert api.get(one)["label"] == "new"


@pytest.mark.parametrize(
    ("path", "during", "end"),
    [("reboot", "rebooting", "running"), ("shutdown", "shutting_down", "offline")],
)
def test_power(api: Client, path: str, during: str, end: str) -> None:
    """A reboot and a shutdown have a status, and until they end other requests are refused."""
    one = f"{ALL}/{api.built()['id']}"
    assert api.act("POST", f"{one}/{path}") == {}
    assert api.get(one)["status"] == during
    for other in ("boot", "reboot", "shutdown"):
        assert api.refused("POST", f"{one}/{other}") == BUSY
    assert api.refused("POST", f"{one}/resize", type="g6-standard-1") == BUSY
    api.later(0.5)
    assert api.get(one)["status"] == end


def test_power_that_makes_no_sense(api: Client) -> None:
    """A running Linode cannot be booted, and one that is off cannot be rebooted or shut down."""
    linode = api.built()["id"]
    one = f"{ALL}/{linode}"
    assert api.refused("POST", f"{one}/boot") == (400, [(None, f"Linode {linode} already booted.")])
    assert api.waited(linode, "shutdown")["status"] == "offline"
    for path in ("reboot", "shutdown"):
        assert api.refused("POST", f"{one}/{path}") == (400, [(None, f"Linode {linode} is not running.")])
    assert api.waited(linode, "boot")["status"] == "running"


def test_which_configuration_boots(api: Client) -> None:
    """A boot takes the named configuration, the only one, or the last; else one must be named."""
    linode = api.built(booted=False)["id"]
    one = f"{ALL}/{linode}"
    first = api.get(f"{one}/configs")["data"][0]["id"]
    second = api.act("POST", f"{one}/configs", label="second", devices={})["id"]
    assert api.refused("POST", f"{one}/boot")[0] == 400
    assert api.refused("POST", f"{one}/boot", config_id=1) == (400, [("config_id", "config_id is not valid")])
    api.waited(linode, "boot", config_id=second)
    api.waited(linode, "shutdown")
    assert api.waited(linode, "boot")["status"] == "running"
    api.waited(linode, "shutdown")
    api.act("DELETE", f"{one}/configs/{second}")
    assert api.waited(linode, "boot")["status"] == "running"
    assert api.waited(linode, "reboot", config_id=first)["status"] == "running"


def test_rebuilds(api: Client) -> None:
    """A rebuild replaces disks and configuration by the image's, and boots by default."""
    linode = api.built()["id"]
    one = f"{ALL}/{linode}"
    before = {disk["id"] for disk in api.get(f"{one}/disks")["data"]}
    body = {"image": "linode/ubuntu24.04", "root_pass": PASSWORD}
    assert api.act("POST", f"{one}/rebuild", **body, type="g6-standard-1")["status"] == "rebuilding"
    assert api.refused("POST", f"{one}/rebuild", **body) == BUSY
    rebuilt = api.waited(linode)
    assert (rebuilt["status"], rebuilt["image"], rebuilt["type"]) == (
        "running",
        "linode/ubuntu24.04",
        "g6-standard-1",
    )
    assert before.isdisjoint(disk["id"] for disk in api.get(f"{one}/disks")["data"])
    assert api.waited(linode, "rebuild", **body, booted=False)["status"] == "offline"
    assert api.refused("POST", f"{one}/rebuild", root_pass=PASSWORD) == (
        400,
        [("image", "image is required")],
    )


def test_resizes(api: Client) -> None:
    """A resize has the status migrating, grows the only disk, and boots a Linode that ran."""
    linode = api.built()["id"]
    one = f"{ALL}/{linode}"
    api.act("POST", f"{one}/resize", type="g6-standard-1")
    assert status(api, linode) == "migrating"
    resized = api.waited(linode)
    assert (resized["status"], resized["specs"]["disk"]) == ("running", 51200)
    assert sum(disk["size"] for disk in api.get(f"{one}/disks")["data"]) == 51200
    assert api.waited(linode, "resize", type="g6-nanode-1")["specs"]["disk"] == 25600
    assert api.refused("POST", f"{one}/resize", type="g6-nanode-1")[1][0][0] == "type"
    api.waited(linode, "resize", type="g6-standard-1", migration_type="warm")
    problems = api.refused("POST", f"{one}/resize", type="g6-nanode-1", allow_auto_disk_resize=False)[1]
    assert problems[0][1].startswith("Linode has allocated more disk")
    api.waited(linode, "shutdown")
    assert api.waited(linode, "resize", type="g6-standard-2")["status"] == "offline"


def test_migrations(api: Client) -> None:
    """A migration to another region brings new addresses there, and boots a Linode that ran."""
    linode = api.built(private_ip=True)
    moved = api.waited(linode["id"], "migrate", region="eu-west")
    assert (moved["region"], moved["status"], len(moved["ipv4"])) == ("eu-west", "running", 2)
    assert moved["ipv4"][0] != linode["ipv4"][0]
    one = f"{ALL}/{linode['id']}"
    for body in ({}, {"region": "eu-west"}, {"region": "x"}, {"region": "us-east", "type": "warm"}):
        assert api.refused("POST", f"{one}/migrate", **body)[0] == 400


def test_clones(api: Client) -> None:
    """A clone has copies of the requested disks and configurations, and is offline."""
    source = api.built(tags=["abc"])["id"]
    one = f"{ALL}/{source}"
    target = api.act("POST", f"{one}/clone", region="eu-west", type="g6-standard-1", label="copy")
    assert (status(api, source), target["status"]) == ("cloning", "cloning")
    assert api.refused("DELETE", one) == api.refused("DELETE", f"{ALL}/{target['id']}") == BUSY
    assert api.refused("POST", f"{ALL}/{target['id']}/boot") == BUSY
    api.later(1)
    assert (status(api, source), status(api, target["id"])) == ("running", "offline")
    assert api.get(f"{ALL}/{target['id']}")["tags"] == ["abc"]
    disks = api.get(f"{ALL}/{target['id']}/disks")["data"]
    (config,) = api.get(f"{ALL}/{target['id']}/configs")["data"]
    assert config["devices"]["sda"]["disk_id"] == disks[0]["id"]
    assert api.waited(target["id"], "boot")["status"] == "running"


def test_clones_to_an_existing_linode(api: Client) -> None:
    """A clone to an existing Linode adds disks to it if it has room."""
    source = api.built()["id"]
    small = api.built(label="small")["id"]
    large = api.built(label="large", type="g6-standard-2")["id"]
    api.waited(large, "shutdown")
    root, swap = api.get(f"{ALL}/{source}/disks")["data"]
    assert api.refused("POST", f"{ALL}/{source}/clone", linode_id=small)[1][0][0] == "linode_id"
    assert api.refused("POST", f"{ALL}/{source}/clone", linode_id=1)[1][0][0] == "linode_id"
    assert api.refused("POST", f"{ALL}/{source}/clone", linode_id=large, disks=[1])[1][0][0] == "disks"
    disk = api.get(f"{ALL}/{large}/disks")["data"][0]["id"]
    api.waited(large, f"disks/{disk}/resize", size=20000)
    api.waited(source, "clone", linode_id=large, configs=[], disks=[swap["id"]])
    assert [disk["size"] for disk in api.get(f"{ALL}/{large}/disks")["data"]] == [20000, 512, 512]
    api.waited(source, "clone", linode_id=large)
    assert api.get(f"{ALL}/{large}/configs")["results"] == 2
    assert api.get(f"{ALL}/{large}/disks")["data"][3]["size"] == root["size"]


def test_user_data_go_with_a_new_clone(api: Client) -> None:
    """A Linode with user data is cloned to a new one with user data, and nowhere else."""
    source = api.built(metadata={"user_data": DATA})["id"]
    other = api.built(label="other")["id"]
    body = {"region": "us-east", "type": "g6-nanode-1"}
    assert api.refused("POST", f"{ALL}/{source}/clone", **body)[1][0][0] == "metadata.user_data"
    assert api.refused("POST", f"{ALL}/{source}/clone", linode_id=other)[1][0][0] == "linode_id"
    clone = api.act("POST", f"{ALL}/{source}/clone", **body, metadata={"user_data": DATA})
    assert clone["has_user_data"]


def test_passwords(api: Client) -> None:
    """The password of a Linode that is off, and of one disk, can be set."""
    linode = api.built()["id"]
    one = f"{ALL}/{linode}"
    assert api.refused("POST", f"{one}/password", root_pass=PASSWORD)[0] == 400
    api.waited(linode, "shutdown")
    assert api.refused("POST", f"{one}/password", root_pass="weak")[1][0][0] == "root_pass"
    api.waited(linode, "password", root_pass=PASSWORD)
    assert actions(api)[-1] == ("password_reset", "finished")
    swap = api.get(f"{one}/disks")["data"][1]["id"]
    assert api.refused("POST", f"{one}/disks/{swap}/password", password=PASSWORD)[0] == 400


# Deleting


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_deletes(seconds: float) -> None:
    """A deleted Linode is listed as deleting until it is gone, and takes no requests."""
    with client(destroy=seconds) as api:
        linode = api.built()["id"]
        volume = api.act("POST", "/volumes", label="data", region="us-east")["id"]
        api.later(1)
        api.act("POST", f"/volumes/{volume}/attach", linode_id=linode)
        api.later(1)
        assert api.act("DELETE", f"{ALL}/{linode}") == {}
        assert api.get(f"/volumes/{volume}")["linode_id"] is None
        left = [(kept["id"], kept["status"]) for kept in api.get(ALL)["data"]]
        assert left == ([(linode, "deleting")] if seconds else [])
        for method, path in (("DELETE", ""), ("POST", "/boot"), ("GET", "/disks")):
            assert api.refused(method, f"{ALL}/{linode}{path}") == (404, [(None, "Not found")])
        api.later(seconds)
        assert api.refused("GET", f"{ALL}/{linode}")[0] == 404
        assert ("linode_delete", "finished") in actions(api)


def test_deletes_do_not_wait(api: Client) -> None:
    """A Linode that is being provisioned can be deleted, and its provisioning has no effect."""
    linode = api.act("POST", ALL, **ORDER)["id"]
    api.act("DELETE", f"{ALL}/{linode}")
    api.later(5)
    assert api.get(ALL)["data"] == []
    assert actions(api) == [("linode_create", "failed"), ("linode_delete", "finished")]


# Failing


def test_failing_events() -> None:
    """An event of a type in the setting `failing` fails, and changes nothing."""
    with client(failing="linode_reboot, volume_resize") as api:
        linode = api.built()["id"]
        assert api.waited(linode, "reboot")["status"] == "running"
        assert actions(api)[-1] == ("linode_reboot", "failed")
        volume = api.act("POST", "/volumes", label="data", region="us-east")["id"]
        api.later(1)
        api.act("POST", f"/volumes/{volume}/resize", size=40)
        api.later(1)
        kept = api.get(f"/volumes/{volume}")
        assert (kept["status"], kept["size"]) == ("active", 20)


def everything(api: Client, one: str) -> list[Any]:
    """A Linode with its disks and configurations, and all other Linodes, without dates."""
    paths = (one, f"{one}/disks", f"{one}/configs", f"{one}/backups", "/volumes", "/images", ALL)
    text = json.dumps([api.get(path) for path in paths])
    return list(json.loads(re.sub(r'"updated": "[^"]*"', '"updated": ""', text)))


def filled(body: dict[str, Any], linode: int, disk: int) -> dict[str, Any]:
    """A body with the ids of a Linode and a disk for 0."""
    ids = {"linode_id": linode, "disk_id": disk}
    return {name: ids[name] if value == 0 else value for name, value in body.items()}


@pytest.mark.parametrize(
    ("action", "method", "path", "body"),
    [
        ("linode_reboot", "POST", "{one}/reboot", {}),
        ("linode_shutdown", "POST", "{one}/shutdown", {}),
        ("linode_rebuild", "POST", "{one}/rebuild", {"image": "linode/arch", "root_pass": PASSWORD}),
        ("linode_resize", "POST", "{one}/resize", {"type": "g6-standard-2"}),
        ("linode_migrate_datacenter", "POST", "{one}/migrate", {"region": "us-ord"}),
        ("backups_restore", "POST", "{one}/backups/{backup}/restore", {"linode_id": 0, "overwrite": True}),
        ("disk_create", "POST", "{one}/disks", {"label": "d", "size": 100}),
        ("disk_duplicate", "POST", "{one}/disks/{disk}/clone", {}),
        ("disk_resize", "POST", "{one}/disks/{disk}/resize", {"size": 2500}),
        ("disk_delete", "DELETE", "{one}/disks/{disk}", {}),
        ("disk_imagize", "POST", "/images", {"disk_id": 0}),
        ("volume_create", "POST", "/volumes", {"label": "v", "linode_id": 0}),
        ("volume_clone", "POST", "/volumes/{volume}/clone", {"label": "v"}),
        ("volume_resize", "POST", "/volumes/{volume}/resize", {"size": 50}),
        ("volume_attach", "POST", "/volumes/{volume}/attach", {"linode_id": 0}),
    ],
)
def test_failed_events_have_no_effect(action: str, method: str, path: str, body: dict[str, Any]) -> None:
    """Any event that fails leaves everything as it was before."""
    with client(failing=action) as api:
        linode = api.built(type="g6-standard-1", backups_enabled=True)["id"]
        one = f"{ALL}/{linode}"
        backup = api.act("POST", f"{one}/backups", label="before")["id"]
        volume = api.send("POST", "/volumes", {"label": "before", "region": "us-east"}).json()["id"]
        api.later(2)
        disk = api.get(f"{one}/disks")["data"][0]["id"]
        before = everything(api, one)
        path = path.format(one=one, backup=backup, volume=volume, disk=disk)
        response = api.send(method, path, filled(body, linode, disk))
        api.later(2)
        if response.status == 200:
            assert (action, "failed") in actions(api)
        assert everything(api, one) == before


# Any requests


Step = tuple[tuple[str, str, dict[str, Any]], float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                ("POST", "{one}/boot", {}),
                ("POST", "{one}/reboot", {}),
                ("POST", "{one}/shutdown", {}),
                ("POST", "{one}/rebuild", {"image": "linode/arch", "root_pass": PASSWORD}),
                ("POST", "{one}/resize", {"type": "g6-standard-1"}),
                ("POST", "{one}/resize", {"type": "g6-nanode-1"}),
                ("POST", "{one}/clone", {"region": "us-east", "type": "g6-standard-1"}),
                ("POST", "{one}/migrate", {"region": "us-ord"}),
                ("POST", "{one}/backups", {"label": "b"}),
                ("POST", "{one}/disks", {"label": "d", "size": 100}),
                ("DELETE", "{one}/disks/{disk}", {}),
                ("DELETE", "{one}/configs/{config}", {}),
                ("POST", "/volumes/{volume}/attach", {"linode_id": 0}),
                ("POST", "/volumes/{volume}/detach", {}),
                ("POST", "/images", {"disk_id": 0}),
                ("DELETE", "{one}", {}),
                ("POST", ALL, {**ORDER, "label": None}),
            ]
        ),
        st.sampled_from([0.0, 0.5, 2.0]),
    ),
    max_size=20,
)


@given(STEPS, st.sampled_from([0.0, 1.0]))
@settings(max_examples=20, deadline=None)
def test_any_order_of_requests(
    steps: list[tuple[tuple[str, str, dict[str, Any]], float]], delete: float
) -> None:
    """Any requests in any order are done or refused as documented, and all Linodes settle in the end."""
    with client(destroy=delete) as api:
        linode = api.built(backups_enabled=True)["id"]
        one = f"{ALL}/{linode}"
        disk = api.get(f"{one}/disks")["data"][0]["id"]
        config = api.get(f"{one}/configs")["data"][0]["id"]
        volume = api.act("POST", "/volumes", label="data", region="us-east")["id"]
        for (method, path, body), seconds in steps:
            where = path.format(one=one, disk=disk, config=config, volume=volume)
            assert api.send(method, where, filled(body, linode, disk)).status in {200, 400, 404}
            api.later(seconds)
            assert api.send("GET", ALL).status == 200
        for _ in range(5):
            api.later(5)
            api.get(ALL)
        assert {kept["status"] for kept in api.get(ALL)["data"]} <= {"running", "offline"}
        assert not any(server["locked"] for server in api.cloud.servers)
        assert {status for _, status in actions(api)} <= {"finished", "failed", "notification"}


# Events


def test_events(api: Client) -> None:
    """Events are listed latest first, and filtered by action, entity and whether they were read."""
    one, two = api.built()["id"], api.built(label="two")["id"]
    found = api.get("/account/events", {"action": "linode_boot", "entity.id": two})["data"]
    assert [(event["entity"]["id"], event["status"]) for event in found] == [(two, "finished")]
    assert api.get("/account/events", {"entity.id": one, "entity.type": "linode"})["results"] == 2
    newest = [event["id"] for event in api.get("/account/events")["data"]]
    assert newest == sorted(newest, reverse=True)
    api.act("POST", f"/account/events/{newest[1]}/seen")
    api.act("POST", f"/account/events/{newest[1]}/read")
    assert [event["seen"] for event in api.get("/account/events")["data"]] == [False, True, True, True]
    assert [event["id"] for event in api.get("/account/events", {"read": True})["data"]] == [newest[1]]
