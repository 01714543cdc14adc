from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.digitalocean import ORDER, Client, client

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3d8yr2Wm9Gk0cJmVwUqk1CO8hBzXG2xw3mZcXo1f7Y"
NO_EVENT = (422, "Droplet already has a pending event.")


@pytest.fixture
def do() -> Iterator[Client]:
    with client() as made:
        yield made


def test_the_life_of_a_droplet(do: Client) -> None:
    """A droplet is new, locked and without addresses until it is built, and then active with both kinds."""
    made = do.act("POST", "/droplets", **ORDER)
    droplet, (link,) = made["droplet"], made["links"]["actions"]
    assert (droplet["status"], droplet["locked"], droplet["networks"]) == ("new", True, {"v4": [], "v6": []})
    assert (link["rel"], link["href"]) == ("create", f"{do.cloud.url}/v2/actions/{link['id']}")
    do.later(1.9)
    assert do.get(f"/droplets/{droplet['id']}")["droplet"]["status"] == "new"
    assert do.get(f"/actions/{link['id']}")["action"]["completed_at"] is None
    do.later(0.1)
    action = do.get(f"/actions/{link['id']}")["action"]
    assert (action["status"], action["type"], action["resource_id"]) == ("completed", "create", droplet["id"])
    built = do.get(f"/droplets/{droplet['id']}")["droplet"]
    assert (built["status"], built["locked"]) == ("active", False)
    assert sorted(address["type"] for address in built["networks"]["v4"]) == ["private", "public"]


def test_a_droplet_in_full(do: Client) -> None:
    """A droplet shows its size, image, region, tags, features, volumes and VPC."""
    volume = do.act("POST", "/volumes", name="data", region="nyc3", size_gigabytes=5)["volume"]["id"]
    droplet = do.built(ipv6=True, monitoring=True, backups=True, tags=["b", "a"], volumes=[volume])
    assert (droplet["memory"], droplet["vcpus"], droplet["disk"]) == (1024, 1, 25)
    assert droplet["size_slug"] == droplet["size"]["slug"] == "s-1vcpu-1gb"
    assert droplet["image"]["slug"] == "ubuntu-24-04-x64"
    assert droplet["region"]["slug"] == "nyc3"
    assert droplet["tags"] == ["b", "a"]
    assert {"ipv6", "monitoring", "backups", "private_networking"} <= set(droplet["features"])
    assert len(droplet["networks"]["v6"]) == len(droplet["backup_ids"]) == 1
    assert droplet["next_backup_window"]["start"] < droplet["next_backup_window"]["end"]
    assert droplet["volume_ids"] == [volume]
    vpc = do.get(f"/vpcs/{droplet['vpc_uuid']}")["vpc"]
    assert (vpc["region"], vpc["default"]) == ("nyc3", True)


def test_several_at_once(do: Client) -> None:
    """With `names` several droplets are created, each with its own action and addresses."""
    body = {**ORDER, "name": None, "names": ["a", "b", "c"]}
    made = do.act("POST", "/droplets", **body)
    assert [droplet["name"] for droplet in made["droplets"]] == ["a", "b", "c"]
    assert len({link["id"] for link in made["links"]["actions"]}) == 3
    do.later(2)
    networks = [droplet["networks"]["v4"] for droplet in do.get("/droplets")["droplets"]]
    assert len({address["ip_address"] for addresses in networks for address in addresses}) == 6


@pytest.mark.parametrize(("region", "chosen"), [("nyc", "nyc1"), (None, "nyc1"), ("lon", "lon1")])
def test_any_region(do: Client, region: str | None, chosen: str) -> None:
    """A city stands for any of its regions, and no region for any that has the size and the image."""
    assert do.built(region=region)["region"]["slug"] == chosen


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a_b"}, "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)"),
        ({"name": "a-"}, "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)"),
        ({"name": "ü"}, "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)"),
        ({"name": "a" * 256}, "Name is too long (maximum is 255 characters)"),
        ({"name": None}, "name is required."),
        ({"name": ["a"]}, "name must be a string."),
        ({"names": []}, "You can create from 1 to 10 Droplets at a time."),
        ({"names": list("abcdefghijk")}, "You can create from 1 to 10 Droplets at a time."),
        ({"size": "s-1"}, "You specified an invalid size for Droplet creation."),
        ({"size": "s-3vcpu-1gb"}, "Size is not available."),
        ({"size": "so-2vcpu-16gb", "region": "lon1"}, "Size is not available in this region."),
        ({"image": "ubuntu"}, "You specified an invalid image for Droplet creation."),
        ({"image": 53893572}, "You specified an invalid image for Droplet creation."),
        ({"image": "docker-20-04", "size": "s-1vcpu-512mb-10gb", "region": "nyc1"}, "smaller disk"),
        (
            {"image": "rancheros", "region": "lon1"},
            "The image you specified is not available in the selected",
        ),
        ({"region": "ny"}, "You specified an invalid region for Droplet creation."),
        ({"region": "sfo1"}, "Region is not available"),
        ({"ssh_keys": [1, "aa:bb"]}, "1, aa:bb are invalid key identifiers for Droplet creation."),
        ({"volumes": ["x"]}, "Invalid volume allocations"),
        ({"vpc_uuid": "x"}, "You specified an invalid VPC for Droplet creation."),
        ({"tags": ["a b"]}, "Tag name may only contain"),
        ({"tags": [1]}, "tags item must be a string."),
        ({"ipv6": "yes"}, "ipv6 must be a boolean."),
        ({"user_data": "x" * 65537}, "User data must not exceed 64 KiB."),
    ],
)
def test_invalid_creates(do: Client, change: dict[str, Any], message: str) -> None:
    """An invalid create is a 422 that says why, and creates nothing."""
    status, said = do.refused("POST", "/droplets", **{**ORDER, **change})
    assert (status, message in said) == (422, True), said
    assert do.get("/droplets")["droplets"] == do.get("/actions")["actions"] == []


def test_null_counts_as_absent(do: Client) -> None:
    """An optional field that is null counts as absent."""
    droplet = do.built(user_data=None, ssh_keys=None, tags=None, vpc_uuid=None, backups=None)
    assert droplet["tags"] == []


def test_the_droplet_limit() -> None:
    """An account at its droplet limit, seeded ones not counted, cannot create more."""
    with client(seed_nodes=2, droplet_limit=2) as do:
        assert do.get("/account")["account"]["droplet_limit"] == 4
        do.built()
        body = {**ORDER, "name": None, "names": ["a", "b"]}
        words = "creating this/these droplet(s) will exceed your droplet limit"
        assert do.refused("POST", "/droplets", **body) == (422, words)
        do.built()


def test_filters(do: Client) -> None:
    """Droplets are listed by tag or by name, in any case, but not by both."""
    one, two = do.built(name="One", tags=["Prod"]), do.built(name="two", tags=["prod", "x"])

    def listed(query: str) -> list[int]:
        return [droplet["id"] for droplet in do.get(f"/droplets?{query}")["droplets"]]

    assert two["tags"] == ["Prod", "x"]
    assert listed("tag_name=prod") == [one["id"], two["id"]]
    assert listed("name=one") == [one["id"]]
    assert listed("tag_name=none") == listed("name=on") == listed("type=gpus") == []
    assert do.refused("GET", "/droplets?name=one&tag_name=x")[0] == 422


# Deleting


def test_delete(do: Client) -> None:
    """A deleted droplet is gone at once, its volume is free, and the next does not get its address."""
    volume = do.act("POST", "/volumes", name="data", region="nyc3", size_gigabytes=5)["volume"]["id"]
    droplet = do.built(volumes=[volume])
    do.act("DELETE", f"/droplets/{droplet['id']}")
    assert do.refused("GET", f"/droplets/{droplet['id']}")[0] == 404
    assert do.refused("DELETE", f"/droplets/{droplet['id']}")[0] == 404
    assert do.get(f"/volumes/{volume}")["volume"]["droplet_ids"] == []
    assert do.get("/actions")["actions"][0]["type"] == "destroy"
    assert do.built()["networks"] != droplet["networks"]


def test_a_locked_droplet_stays(do: Client) -> None:
    """A droplet with an action under way cannot be deleted, alone or by its tag."""
    made = do.act("POST", "/droplets", **ORDER, tags=["t"])["droplet"]
    assert do.refused("DELETE", f"/droplets/{made['id']}") == NO_EVENT
    assert do.refused("DELETE", "/droplets?tag_name=t") == NO_EVENT


def test_delete_by_tag(do: Client) -> None:
    """All droplets of a tag are deleted and no others; a tag that does not exist is a 404."""
    do.built(tags=["t"])
    do.built(tags=["t", "u"])
    kept = do.built(tags=["u"])
    do.act("DELETE", "/droplets?tag_name=t")
    assert [droplet["id"] for droplet in do.get("/droplets")["droplets"]] == [kept["id"]]
    assert do.refused("DELETE", "/droplets?tag_name=none")[0] == 404
    assert do.refused("DELETE", "/droplets")[0] == 422


def test_archive() -> None:
    """Where deleting takes time, a deleted droplet is listed as archived and takes no requests."""
    with client(destroy=3.0) as do:
        number = do.built(tags=["t"])["id"]
        do.act("DELETE", f"/droplets/{number}")
        assert do.get("/droplets")["droplets"][0]["status"] == "archive"
        assert do.refused("POST", f"/droplets/{number}/actions", type="reboot")[0] == 404
        assert do.refused("DELETE", f"/droplets/{number}")[0] == 404
        do.act("DELETE", "/droplets?tag_name=t")
        do.later(3)
        assert do.get("/droplets")["droplets"] == []


# Actions


def test_an_action_takes_its_time(do: Client) -> None:
    """An action is in progress, with the droplet locked against others, until its time has passed."""
    number = do.built()["id"]
    action = do.act("POST", f"/droplets/{number}/actions", type="power_off")["action"]
    assert (action["status"], action["completed_at"], action["region_slug"]) == ("in-progress", None, "nyc3")
    assert do.get(f"/droplets/{number}")["droplet"]["locked"] is True
    assert do.refused("POST", f"/droplets/{number}/actions", type="power_on") == NO_EVENT
    do.later(0.5)
    droplet = do.get(f"/droplets/{number}")["droplet"]
    assert (droplet["locked"], droplet["status"]) == (False, "off")
    assert do.get(f"/droplets/{number}/actions/{action['id']}")["action"]["status"] == "completed"
    assert [one["type"] for one in do.get(f"/droplets/{number}/actions")["actions"]] == [
        "power_off",
        "create",
    ]


def test_power(do: Client) -> None:
    """Power goes off and on, and each power action is refused in the wrong status."""
    number = do.built()["id"]
    assert do.refused("POST", f"/droplets/{number}/actions", type="power_on")[0] == 422
    assert do.switched(number, "shutdown")["status"] == "off"
    for verb in ("shutdown", "power_off", "reboot", "power_cycle"):
        assert do.refused("POST", f"/droplets/{number}/actions", type=verb)[0] == 422
    assert do.switched(number, "power_on")["status"] == "active"
    assert do.switched(number, "reboot")["status"] == "active"
    assert do.switched(number, "power_cycle")["status"] == "active"
    assert do.switched(number, "password_reset")["status"] == "active"


def test_rename(do: Client) -> None:
    """A droplet takes a new name of valid characters."""
    number = do.built()["id"]
    assert do.switched(number, "rename", name="new.example.com")["name"] == "new.example.com"
    assert do.refused("POST", f"/droplets/{number}/actions", type="rename", name="a b")[0] == 422


def test_resize(do: Client) -> None:
    """A droplet that is off can be resized, its disk only on request, and never to a smaller disk."""
    number = do.built()["id"]
    path = f"/droplets/{number}/actions"
    assert "power it off" in do.refused("POST", path, type="resize", size="s-2vcpu-2gb")[1]
    do.switched(number, "power_off")
    droplet = do.switched(number, "resize", size="s-2vcpu-2gb")
    assert (droplet["size_slug"], droplet["memory"], droplet["disk"]) == ("s-2vcpu-2gb", 2048, 25)
    assert do.switched(number, "resize", size="s-2vcpu-2gb", disk=True)["disk"] == 60
    for size in ("s-1vcpu-1gb", "s-2vcpu-2gb", "none", "so1_5-2vcpu-16gb"):
        assert do.refused("POST", path, type="resize", size=size, disk=True)[0] == 422


def test_snapshot_and_rebuild(do: Client) -> None:
    """A snapshot becomes an image of the account, from which a droplet in its region can be rebuilt."""
    number = do.built()["id"]
    droplet = do.switched(number, "snapshot", name="golden")
    (image,) = do.get("/images?private=true")["images"]
    assert (image["name"], image["type"], image["min_disk_size"]) == ("golden", "snapshot", 25)
    assert droplet["snapshot_ids"] == [image["id"]]
    assert do.get(f"/droplets/{number}/snapshots")["snapshots"][0]["id"] == image["id"]
    assert do.switched(number, "rebuild", image=image["id"])["image"]["name"] == "golden"
    assert do.switched(number, "rebuild", image="debian-12-x64")["image"]["slug"] == "debian-12-x64"
    for wrong in ("none", "rancheros-none", 53893572, "gitlabenterprise-20-04"):
        assert do.refused("POST", f"/droplets/{number}/actions", type="rebuild", image=wrong)[0] == 422
    elsewhere = {**ORDER, "region": "ams3", "image": image["id"]}
    assert "not available in the selected region" in do.refused("POST", "/droplets", **elsewhere)[1]


def test_backups_and_restore(do: Client) -> None:
    """Backups can be enabled once, are taken, restored only to their droplet, and disabled."""
    number, other = do.built()["id"], do.built()["id"]
    assert do.refused("POST", f"/droplets/{number}/actions", type="disable_backups")[0] == 422
    (backup,) = do.switched(number, "enable_backups")["backup_ids"]
    assert do.get(f"/droplets/{number}/backups")["backups"][0]["type"] == "backup"
    assert do.refused("POST", f"/droplets/{number}/actions", type="enable_backups")[0] == 422
    assert do.switched(number, "restore", image=backup)["image"]["id"] == backup
    assert do.refused("POST", f"/droplets/{other}/actions", type="restore", image=backup)[0] == 422
    droplet = do.switched(number, "disable_backups")
    assert (droplet["next_backup_window"], "backups" in droplet["features"]) == (None, False)


def test_enable_ipv6(do: Client) -> None:
    """A droplet gets an IPv6 address when that is enabled."""
    droplet = do.built()
    assert droplet["networks"]["v6"] == []
    (address,) = do.switched(droplet["id"], "enable_ipv6")["networks"]["v6"]
    assert address["ip_address"].startswith("2001:db8:")


def test_actions_that_fail() -> None:
    """An action of a type in the setting `errored` ends as errored, without effect and unlocked."""
    with client(errored="snapshot, rename") as do:
        number = do.built()["id"]
        assert do.switched(number, "rename", name="other")["name"] == "web"
        droplet = do.switched(number, "snapshot", name="s")
        assert (droplet["locked"], droplet["snapshot_ids"]) == (False, [])
        actions = do.get(f"/droplets/{number}/actions")["actions"]
        assert [action["status"] for action in actions] == ["errored", "errored", "completed"]


def test_actions_by_tag(do: Client) -> None:
    """An action on a tag begins on each of its droplets, or on none if one is locked."""
    one, two = do.built(tags=["t"])["id"], do.built(tags=["t"])["id"]
    path = "/droplets/actions?tag_name=t"
    do.act("POST", f"/droplets/{two}/actions", type="reboot")
    assert do.refused("POST", path, type="power_off") == NO_EVENT
    do.later(1)
    begun = do.act("POST", path, type="power_off")["actions"]
    assert [action["resource_id"] for action in begun] == [one, two]
    assert do.refused("POST", path, type="rename")[0] == 422


def test_unknown_actions(do: Client) -> None:
    """An action that does not exist is a 422, and one of another droplet a 404."""
    one, two = do.built()["id"], do.built()["id"]
    assert do.refused("POST", f"/droplets/{one}/actions", type="explode")[0] == 422
    assert do.refused("POST", f"/droplets/{one}/actions")[0] == 422
    action = do.get(f"/droplets/{one}/actions")["actions"][0]["id"]
    assert do.refused("GET", f"/droplets/{two}/actions/{action}")[0] == 404


def test_no_public_network(do: Client) -> None:
    """A droplet without public networking has only its private address, and takes no reserved IP."""
    droplet = do.built(public_networking=False)
    assert [address["type"] for address in droplet["networks"]["v4"]] == ["private"]
    assert do.refused("POST", "/reserved_ips", droplet_id=droplet["id"])[0] == 422


def test_who_brings_no_key_is_mailed_a_password(do: Client) -> None:
    """A droplet without keys has a password, which a reset changes; with keys it has none."""
    key = do.act("POST", "/account/keys", name="k", public_key=KEY)["ssh_key"]
    number = do.built()["id"]
    do.built(ssh_keys=[key["id"], key["fingerprint"]])
    first, second = (server["password"] for server in do.cloud.servers)
    assert (bool(first), second) == (True, None)
    do.switched(number, "password_reset")
    assert do.cloud.servers[0]["password"] not in {first, None}
