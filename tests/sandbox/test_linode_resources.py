from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.linode import ORDER, PASSWORD, Client, client

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3d8yr2Wm9Gk0cJmVwUqk1CO8hBzXG2xw3mZcXo1f7Y"
RULES = {"inbound": [], "inbound_policy": "DROP", "outbound": [], "outbound_policy": "ACCEPT"}
RULE = {"protocol": "TCP", "ports": "22", "action": "ACCEPT", "addresses": {"ipv4": ["0.0.0.0/0"]}}
ALL = "/linode/instances"
BUSY = (400, [(None, "Linode busy.")])


@pytest.fixture
def api() -> Iterator[Client]:
    with client() as made:
        yield made


@pytest.fixture
def one(api: Client) -> str:
    """The path of a running Linode, with room for more disks."""
    linode = api.built(type="g6-standard-1")["id"]
    api.waited(linode, "shutdown")
    main = api.get(f"{ALL}/{linode}/disks")["data"][0]["id"]
    api.waited(linode, f"disks/{main}/resize", size=20000)
    api.waited(linode, "boot")
    return f"{ALL}/{linode}"


def number(one: str) -> int:
    return int(one.rpartition("/")[2])


# Disks


def test_the_life_of_a_disk(api: Client, one: str) -> None:
    """A disk is not ready, and its Linode busy, until it is made; it is deleting until it is gone."""
    disk = api.act("POST", f"{one}/disks", label="data", size=1000, filesystem="raw")
    assert (disk["status"], disk["size"], disk["filesystem"]) == ("not ready", 1000, "raw")
    assert api.refused("POST", f"{one}/disks", label="more", size=10) == BUSY
    api.later(1)
    path = f"{one}/disks/{disk['id']}"
    assert api.get(path)["status"] == "ready"
    assert api.act("DELETE", path) == {}
    assert api.get(path)["status"] == "deleting"
    api.later(1)
    assert api.refused("GET", path)[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"size": 1000}, "label"),
        ({"label": "a" * 49, "size": 1000}, "label"),
        ({"label": "d"}, "size"),
        ({"label": "d", "size": 60000}, "size"),
        ({"label": "d", "size": 32000}, "size"),
        ({"label": "d", "size": 1000, "filesystem": "zfs"}, "filesystem"),
        ({"image": "linode/debian12", "size": 3000}, "root_pass"),
        ({"image": "linode/debian12", "size": 1000, "root_pass": PASSWORD}, "size"),
    ],
)
def test_disks_that_cannot_be(api: Client, one: str, body: dict[str, Any], field: str) -> None:
    """A disk needs a label or an image, a size with room for it, and a password with an image."""
    status, problems = api.refused("POST", f"{one}/disks", **body)
    assert (status, problems[0][0]) == (400, field)


def test_disks_in_use(api: Client, one: str) -> None:
    """A disk that is in use is not deleted, and its resize is begun and fails."""
    main = api.get(f"{one}/disks")["data"][0]["id"]
    assert api.refused("DELETE", f"{one}/disks/{main}")[0] == 400
    api.waited(number(one), f"disks/{main}/resize", size=21000)
    assert api.get(f"{one}/disks/{main}")["size"] == 20000
    assert api.get("/account/events", {"action": "disk_resize"})["data"][0]["status"] == "failed"
    api.waited(number(one), "shutdown")
    assert api.refused("POST", f"{one}/disks/{main}/resize", size=100) == (
        400,
        [("size", "The files on the disk need 2000 MB.")],
    )
    api.act("DELETE", f"{one}/disks/{main}")
    api.later(1)
    assert api.get(f"{one}/configs")["data"][0]["devices"]["sda"] is None


def test_disks_are_copied(api: Client, one: str) -> None:
    """A clone of a disk has its size, if there is room."""
    main = api.get(f"{one}/disks")["data"][0]["id"]
    assert api.act("POST", f"{one}/disks/{main}/clone")["size"] == 20000
    api.later(1)
    assert api.refused("POST", f"{one}/disks/{main}/clone")[0] == 400


# Configurations


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "label"),
        ({"label": "a" * 49}, "label"),
        ({"label": "c", "kernel": "linode/none"}, "kernel"),
        ({"label": "c", "memory_limit": 99999}, "memory_limit"),
        ({"label": "c", "run_level": "five"}, "run_level"),
        ({"label": "c", "devices": {"sda": {"disk_id": 1}}}, "devices.sda.disk_id"),
        ({"label": "c", "devices": {"sdb": {"volume_id": 1}}}, "devices.sdb.volume_id"),
        ({"label": "c", "devices": {"sdc": {"disk_id": 1, "volume_id": 1}}}, "devices.sdc"),
        ({"label": "c", "devices": {"sda": 1}}, "devices.sda"),
    ],
)
def test_configurations_that_cannot_be(api: Client, one: str, body: dict[str, Any], field: str) -> None:
    """A configuration has a label, and kernels, disks and volumes that exist."""
    status, problems = api.refused("POST", f"{one}/configs", **body)
    assert (status, [name for name, _ in problems]) == (400, [field])
    assert api.get(f"{one}/configs")["results"] == 1


def test_configurations_change(api: Client, one: str) -> None:
    """An update of a configuration keeps the fields that are not sent."""
    (config,) = api.get(f"{one}/configs")["data"]
    path = f"{one}/configs/{config['id']}"
    changed = api.act("PUT", path, comments="c", helpers={"network": False})
    assert changed == {**config, "comments": "c", "helpers": {**config["helpers"], "network": False}}
    assert api.act("PUT", path, devices={})["devices"]["sda"] is None


# Addresses


def test_addresses(api: Client, one: str) -> None:
    """A Linode can have more public addresses and one private one, each in its list."""
    (first,) = api.get(one)["ipv4"]
    public = api.act("POST", f"{one}/ips", type="ipv4", public=True)
    private = api.act("POST", f"{one}/ips", type="ipv4", public=False)
    assert (private["gateway"], private["rdns"], private["prefix"]) == (None, None, 17)
    assert public["rdns"] == f"{public['address'].replace('.', '-')}.ip.linodeusercontent.com"
    assert api.refused("POST", f"{one}/ips", type="ipv4", public=False)[0] == 400
    assert api.get(one)["ipv4"] == [first, public["address"], private["address"]]
    ips = api.get(f"{one}/ips")
    assert [ip["address"] for ip in ips["ipv4"]["public"]] == [first, public["address"]]
    assert f"{ips['ipv6']['slaac']['address']}/128" == api.get(one)["ipv6"]
    assert api.get("/networking/ips")["results"] == 3
    assert api.get("/networking/ips", {"type": "ipv6"})["results"] == 1


def test_names_of_addresses(api: Client, one: str) -> None:
    """A public address has the name that was set, and its default again with null."""
    ip = api.get(one)["ipv4"][0]
    assert api.act("PUT", f"{one}/ips/{ip}", rdns="a.example.org")["rdns"] == "a.example.org"
    assert api.send("PUT", f"{one}/ips/{ip}", {"rdns": None}).json()["rdns"].endswith("linodeusercontent.com")
    assert api.refused("PUT", f"{one}/ips/{ip}") == (400, [("rdns", "rdns is required")])


@pytest.mark.parametrize(
    ("body", "field"), [({"type": "ipv6", "public": True}, "type"), ({"type": "ipv4"}, "public")]
)
def test_addresses_that_cannot_be(api: Client, one: str, body: dict[str, Any], field: str) -> None:
    """Only IPv4 addresses can be added, and `public` is required."""
    assert api.refused("POST", f"{one}/ips", **body)[1][0][0] == field


def test_the_last_address_stays(api: Client, one: str) -> None:
    """A public address can be removed unless it is the last."""
    first = api.get(one)["ipv4"][0]
    assert api.refused("DELETE", f"{one}/ips/{first}")[0] == 400
    second = api.act("POST", f"{one}/ips", type="ipv4", public=True)["address"]
    api.act("DELETE", f"{one}/ips/{first}")
    assert api.get(one)["ipv4"] == [second]
    assert api.refused("GET", f"{one}/ips/{first}")[0] == 404


# Backups


def test_snapshots(api: Client, one: str) -> None:
    """A snapshot is in progress, then current, and the next one replaces it."""
    assert api.refused("POST", f"{one}/backups", label="no")[0] == 400
    api.act("POST", f"{one}/backups/enable")
    assert api.refused("POST", f"{one}/backups/enable")[0] == 400
    first = api.act("POST", f"{one}/backups", label="first")
    assert (first["status"], first["available"], first["finished"]) == ("pending", False, None)
    assert api.get(f"{one}/backups")["snapshot"]["in_progress"]["id"] == first["id"]
    api.later(1)
    current = api.get(f"{one}/backups")["snapshot"]["current"]
    assert (current["id"], current["status"], len(current["disks"])) == (first["id"], "successful", 2)
    assert api.get(one)["backups"]["last_successful"] == current["finished"]
    second = api.act("POST", f"{one}/backups", label="second")["id"]
    api.later(1)
    assert api.get(f"{one}/backups")["snapshot"]["current"]["id"] == second
    assert api.refused("GET", f"{one}/backups/{first['id']}")[0] == 404
    api.act("POST", f"{one}/backups/cancel")
    assert api.refused("GET", f"{one}/backups/{second}")[0] == 404
    assert api.get(one)["backups"]["schedule"] == {"day": None, "window": None}


def test_restores(api: Client, one: str) -> None:
    """A backup is restored over a Linode, beside what it has, or to a new one, within its region."""
    api.act("POST", f"{one}/backups/enable")
    backup = api.act("POST", f"{one}/backups", label="b")["id"]
    api.later(1)
    path = f"{one}/backups/{backup}/restore"
    far = api.built(label="far", region="eu-west", type="g6-standard-1")["id"]
    small = api.built(label="small")["id"]
    for target in (1, far, small):
        assert api.refused("POST", path, linode_id=target)[1][0][0] == "linode_id"
    api.act("POST", path, linode_id=number(one), overwrite=True)
    assert api.get(one)["status"] == "restoring"
    assert api.refused("DELETE", one) == BUSY
    assert api.waited(number(one))["status"] == "running"
    assert api.get(f"{one}/disks")["results"] == 2
    api.act("POST", path, linode_id=number(one))
    api.later(1)
    assert api.get(f"{one}/disks")["results"] == 4
    assert api.refused("POST", ALL, **{**ORDER, "label": "n", "backup_id": backup})[1][0][0] == "label"
    order = {"region": "us-east", "type": "g6-standard-1", "backup_id": backup}
    made = api.act("POST", ALL, **order)["id"]
    assert api.waited(made)["status"] == "running"
    assert api.refused("POST", ALL, **{**order, "type": "g7-highmem-1"})[1][0][0] == "type"
    assert api.refused("POST", ALL, **{**order, "region": "eu-west"})[1][0][0] == "backup_id"
    both = {**order, "image": "linode/debian12", "root_pass": PASSWORD}
    assert api.refused("POST", ALL, **both)[1][0][0] == "backup_id"


# Volumes


def test_the_life_of_a_volume(api: Client, one: str) -> None:
    """A volume is creating, then active, resizing while it grows, and gone at once."""
    volume = api.act("POST", "/volumes", label="data", region="us-east")
    path = f"/volumes/{volume['id']}"
    assert (volume["status"], volume["size"], volume["linode_id"]) == ("creating", 20, None)
    assert volume["filesystem_path"] == "/dev/disk/by-id/scsi-0Linode_Volume_data"
    for method, busy in (("POST", f"{path}/clone"), ("DELETE", path)):
        assert api.refused(method, busy, label="copy") == (400, [(None, "Volume is busy.")])
    api.later(0.5)
    assert api.get(path)["status"] == "active"
    assert api.act("POST", f"{path}/resize", size=30)["status"] == "resizing"
    api.later(0.5)
    assert (api.get(path)["status"], api.get(path)["size"]) == ("active", 30)
    assert api.refused("POST", f"{path}/resize", size=30)[1][0][0] == "size"
    assert api.act("DELETE", path) == {}
    assert api.refused("GET", path)[0] == 404


def test_volumes_are_attached(api: Client, one: str) -> None:
    """A running Linode gets a volume after a while, in a free slot; one that is off gets it at once."""
    first, second = (
        api.act("POST", "/volumes", label=label, region="us-east")["id"] for label in ("first", "second")
    )
    api.later(1)
    assert api.act("POST", f"/volumes/{first}/attach", linode_id=number(one))["linode_id"] is None
    api.later(1)
    attached = api.get(f"/volumes/{first}")
    assert (attached["linode_id"], attached["linode_label"]) == (number(one), "web")
    assert api.get(f"{one}/configs")["data"][0]["devices"]["sdc"]["volume_id"] == first
    assert api.refused("POST", f"/volumes/{first}/attach", linode_id=number(one))[0] == 400
    assert api.refused("DELETE", f"/volumes/{first}")[0] == 400
    api.waited(number(one), "shutdown")
    assert api.act("POST", f"/volumes/{second}/attach", linode_id=number(one))["linode_id"] == number(one)
    api.later(1)
    api.act("POST", f"/volumes/{first}/detach")
    assert api.get(f"/volumes/{first}")["linode_id"] is None
    assert api.get(f"{one}/configs")["data"][0]["devices"]["sdc"] is None
    api.later(1)
    assert api.refused("POST", f"/volumes/{first}/detach")[0] == 400
    api.act("POST", f"/volumes/{first}/attach", linode_id=number(one), persist_across_boots=False)
    assert api.get(f"{one}/configs")["data"][0]["devices"]["sdc"] is None


def test_volumes_with_a_linode(api: Client, one: str) -> None:
    """A volume can be created for a Linode, in its region."""
    volume = api.act("POST", "/volumes", label="data", linode_id=number(one), size=10)
    assert (volume["region"], volume["linode_id"]) == ("us-east", number(one))
    assert api.get(f"{one}/volumes")["results"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"region": "us-east"}, "label"),
        ({"label": "-a", "region": "us-east"}, "label"),
        ({"label": "a.b", "region": "us-east"}, "label"),
        ({"label": "a" * 33, "region": "us-east"}, "label"),
        ({"label": "taken", "region": "us-east"}, "label"),
        ({"label": "abc"}, "region"),
        ({"label": "abc", "region": "none"}, "region"),
        ({"label": "abc", "region": "us-east", "size": 9}, "size"),
        ({"label": "abc", "region": "us-east", "size": 10241}, "size"),
        ({"label": "abc", "linode_id": 1}, "linode_id"),
        ({"label": "abc", "region": "us-east", "encryption": "yes"}, "encryption"),
    ],
)
def test_volumes_that_cannot_be(api: Client, body: dict[str, Any], field: str) -> None:
    """A volume needs a unique label, a region, and a size within bounds."""
    api.act("POST", "/volumes", label="taken", region="us-east")
    status, problems = api.refused("POST", "/volumes", **body)
    assert (status, [name for name, _ in problems]) == (400, [field])


def test_volumes_stay_in_their_region(api: Client, one: str) -> None:
    """A volume is attached only within its region."""
    volume = api.act("POST", "/volumes", label="far", region="eu-west")["id"]
    api.later(1)
    path = f"/volumes/{volume}/attach"
    assert api.refused("POST", path, linode_id=number(one))[1][0][0] == "linode_id"
    assert api.refused("POST", path, linode_id=number(one), config_id=1)[1][0][0] == "config_id"
    body = {"linode_id": number(one), "persist_across_boots": False, "config_id": 1}
    assert api.refused("POST", path, **body)[1][0][0] == "config_id"


def test_slots_run_out(api: Client, one: str) -> None:
    """A configuration has eight slots."""
    for index in range(6):
        api.act("POST", "/volumes", label=f"volume{index}", linode_id=number(one))
    status, problems = api.refused("POST", "/volumes", label="more", linode_id=number(one))
    assert (status, "no free device slots" in problems[0][1]) == (400, True)
    assert api.get("/volumes")["results"] == 6


# Images


def test_the_life_of_an_image(api: Client, one: str) -> None:
    """An image of a disk is creating, then available to deploy, and its label and tags can be changed."""
    main, swap = (disk["id"] for disk in api.get(f"{one}/disks")["data"])
    image = api.act("POST", "/images", disk_id=main, description="d", cloud_init=True)
    assert (image["status"], image["is_public"], image["size"]) == ("creating", False, 2000)
    assert image["id"].startswith("private/")
    order = {**ORDER, "label": "new", "image": image["id"]}
    assert api.refused("POST", ALL, **order) == (400, [("image", "image is not valid")])
    assert api.refused("DELETE", f"/images/{image['id']}")[0] == 400
    api.later(1)
    assert api.get(f"/images/{image['id']}")["status"] == "available"
    assert api.built(**order)["image"] == image["id"]
    for wrong in (swap, 1):
        assert api.refused("POST", "/images", disk_id=wrong)[1][0][0] == "disk_id"
    quoted = image["id"].replace("/", "%2F")
    assert api.act("PUT", f"/images/{quoted}", label="mine", tags=["abc"])["label"] == "mine"
    assert api.get("/images", {"is_public": False})["data"][0]["tags"] == ["abc"]
    regions = f"/images/{image['id']}/regions"
    for wrong_places in ([], ["us-ord"], ["us-east", "none"]):
        assert api.refused("POST", regions, regions=wrong_places)[1][0][0] == "regions"
    api.act("DELETE", f"/images/{image['id']}")
    assert api.refused("GET", f"/images/{image['id']}")[0] == 404


def test_public_images_stay(api: Client) -> None:
    """A public image cannot be changed or deleted."""
    assert api.refused("PUT", "/images/linode/debian12", label="mine")[0] == 403
    assert api.refused("DELETE", "/images/linode/debian12")[0] == 403
    assert api.get("/images", {"vendor": "CentOS"})["data"][0]["deprecated"]


# Keys, tags, StackScripts, firewalls


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ssh_key": KEY}, "label"),
        ({"label": "k"}, "ssh_key"),
        ({"label": "k", "ssh_key": "rsa AAAA"}, "ssh_key"),
        ({"label": "k", "ssh_key": "ssh-ed25519"}, "ssh_key"),
        ({"label": "k" * 65, "ssh_key": KEY}, "label"),
    ],
)
def test_keys_that_cannot_be(api: Client, body: dict[str, Any], field: str) -> None:
    """A key has a label and is a public key."""
    assert api.refused("POST", "/profile/sshkeys", **body)[1][0][0] == field


def test_tags(api: Client, one: str) -> None:
    """A tag is created once, lists its resources, and is removed from them when deleted."""
    volume = api.act("POST", "/volumes", label="data", region="us-east")["id"]
    api.act("POST", "/tags", label="a b/c", linodes=[number(one)], volumes=[volume])
    tagged = api.get("/tags/a%20b%2Fc")["data"]
    assert [(item["type"], item["data"]["id"]) for item in tagged] == [
        ("linode", number(one)),
        ("volume", volume),
    ]
    assert api.refused("POST", "/tags", label="a b/c") == (400, [("label", "Tag already exists.")])
    assert api.refused("POST", "/tags", label="ab")[1][0][0] == "label"
    assert api.refused("POST", "/tags", label="more", linodes=[1])[1][0][0] == "linodes"
    api.act("DELETE", "/tags/a%20b%2Fc")
    assert (api.get(one)["tags"], api.get("/tags")["results"]) == ([], 0)


def test_stackscripts(api: Client) -> None:
    """A StackScript deploys only with its images, and stays public once it is."""
    body = {"label": "script", "images": ["linode/debian12"], "script": "#!/bin/sh"}
    script = api.act("POST", "/linode/stackscripts", **body)["id"]
    path = f"/linode/stackscripts/{script}"
    order = {**ORDER, "stackscript_id": script, "image": "linode/arch"}
    assert api.refused("POST", ALL, **order)[1][0][0] == "stackscript_id"
    assert api.refused("POST", "/linode/stackscripts", **{**body, "images": ["none"]})[1][0][0] == "images"
    assert api.act("PUT", path, is_public=True)["is_public"]
    assert api.act("PUT", path, is_public=False)["is_public"]
    assert api.refused("DELETE", path)[0] == 400
    assert api.get("/linode/stackscripts", {"mine": True})["results"] == 1


def test_firewalls(api: Client, one: str) -> None:
    """A firewall has rules with versions, and guards a Linode without another one, until that is gone."""
    wall = api.act(
        "POST", "/networking/firewalls", label="wall", rules=RULES, devices={"linodes": [number(one)]}
    )
    path = f"/networking/firewalls/{wall['id']}"
    assert api.act("PUT", f"{path}/rules", **{**RULES, "inbound": [RULE]})["version"] == 2
    other = api.act("POST", "/networking/firewalls", label="other", rules=RULES)["id"]
    body = {"id": number(one), "type": "linode"}
    assert api.refused("POST", f"/networking/firewalls/{other}/devices", **body)[0] == 400
    assert api.get(f"{path}/devices")["data"][0]["entity"]["id"] == number(one)
    api.act("DELETE", one)
    assert api.get(f"{path}/devices")["results"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rules": RULES}, "label"),
        ({"label": "ab", "rules": RULES}, "label"),
        ({"label": "taken", "rules": RULES}, "label"),
        ({"label": "wall"}, "rules"),
        ({"label": "wall", "rules": {**RULES, "inbound_policy": "NO"}}, "rules.inbound_policy"),
        ({"label": "wall", "rules": {**RULES, "inbound": [{}]}}, "rules.inbound[0].action"),
        ({"label": "wall", "rules": {**RULES, "inbound": [RULE] * 26}}, "rules"),
        ({"label": "wall", "rules": RULES, "devices": {"linodes": [1]}}, "devices.linodes"),
    ],
)
def test_firewalls_that_cannot_be(api: Client, body: dict[str, Any], field: str) -> None:
    """A firewall needs a unique label and valid rules."""
    api.act("POST", "/networking/firewalls", label="taken", rules=RULES)
    status, problems = api.refused("POST", "/networking/firewalls", **body)
    assert (status, [name for name, _ in problems]) == (400, [field])


def test_prices(api: Client) -> None:
    """Some regions have their own prices for Linodes, backups and volumes."""
    nanode = api.get("/linode/types/g6-nanode-1")
    assert nanode["price"] == {"hourly": 0.0075, "monthly": 5}
    assert {"id": "br-gru", "hourly": 0.0105, "monthly": 7} in nanode["region_prices"]
    assert nanode["addons"]["backups"]["region_prices"][0]["monthly"] == 2.8
    assert api.get("/volumes/types")["data"][0]["region_prices"][1] == {
        "id": "id-cgk",
        "hourly": 0.00018,
        "monthly": 0.12,
    }
