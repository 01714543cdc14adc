from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.digitalocean import ORDER, Client, client

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3d8yr2Wm9Gk0cJmVwUqk1CO8hBzXG2xw3mZcXo1f7Y"
RULE = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["10.0.0.0/8"]}}


@pytest.fixture
def do() -> Iterator[Client]:
    with client() as made:
        yield made


# SSH keys


def test_keys(do: Client) -> None:
    """A key is found, renamed and deleted by id and by fingerprint, which is the MD5 of the key."""
    key = do.act("POST", "/account/keys", name="k", public_key=f"{KEY} me@home")["ssh_key"]
    assert key["fingerprint"] == "a0:f7:6f:c7:b2:45:92:05:65:2e:cb:7a:b7:ae:45:3d"
    assert key["public_key"] == f"{KEY} me@home"
    assert do.act("PUT", f"/account/keys/{key['fingerprint']}", name="n")["ssh_key"]["name"] == "n"
    assert do.get(f"/account/keys/{key['id']}")["ssh_key"]["name"] == "n"
    do.act("DELETE", f"/account/keys/{key['fingerprint']}")
    assert do.get("/account/keys")["ssh_keys"] == []


def test_a_key_exists_once(do: Client) -> None:
    """A key that exists under another name and comment is refused."""
    do.act("POST", "/account/keys", name="k", public_key=KEY)
    response = do.refused("POST", "/account/keys", name="other", public_key=f"{KEY} other")
    assert response == (422, "SSH Key is already in use on your account")


@pytest.mark.parametrize("text", ["", "x", "ssh-ed25519", "ssh-ed25519 %%", "ssh-rsa AAAA", KEY[12:]])
def test_invalid_keys(do: Client, text: str) -> None:
    """A text that is not a public SSH key is refused."""
    assert do.refused("POST", "/account/keys", name="k", public_key=text)[0] == 422


# Sizes and regions


def test_the_catalogue(do: Client) -> None:
    """Sizes and regions name each other, and some of each are not available."""
    sizes = {size["slug"]: size for size in do.get("/sizes?per_page=200")["sizes"]}
    regions = {region["slug"]: region for region in do.get("/regions")["regions"]}
    assert len(sizes) > 15
    assert len(regions) > 7
    for slug, region in regions.items():
        assert set(region["sizes"]) == {name for name, size in sizes.items() if slug in size["regions"]}
    assert not all(size["available"] for size in sizes.values())
    assert not all(region["available"] for region in regions.values())


def test_images(do: Client) -> None:
    """Images are listed by kind, found by id and slug, and the public ones cannot be changed."""
    all_ids = {image["id"] for image in do.get("/images?per_page=200")["images"]}
    kinds = [do.get(f"/images?type={kind}")["images"] for kind in ("distribution", "application")]
    assert {image["id"] for images in kinds for image in images} == all_ids
    assert do.get("/images?private=true")["images"] == []
    image = do.get("/images/debian-12-x64")["image"]
    assert do.get(f"/images/{image['id']}")["image"] == image
    assert do.refused("DELETE", f"/images/{image['id']}")[0] == 403
    assert do.refused("PUT", f"/images/{image['id']}", name="mine")[0] == 403


def test_own_images(do: Client) -> None:
    """A snapshot is renamed where droplets show it too, transferred to a region, tagged, and deleted."""
    number = do.built()["id"]
    (image,) = do.switched(number, "snapshot", name="s")["snapshot_ids"]
    do.switched(number, "rebuild", image=image)
    do.act("PUT", f"/images/{image}", name="renamed")
    assert do.get(f"/droplets/{number}")["droplet"]["image"]["name"] == "renamed"
    do.act("POST", f"/images/{image}/actions", type="transfer", region="ams3")
    assert do.refused("DELETE", f"/images/{image}") == (422, "Image already has a pending event.")
    do.later(1)
    assert do.built(region="ams3", image=image)["image"]["regions"] == ["nyc3", "ams3"]
    for wrong in ("ams3", "none", "sfo1"):
        assert do.refused("POST", f"/images/{image}/actions", type="transfer", region=wrong)[0] == 422
    do.act("POST", "/tags", name="t")
    resources = [{"resource_id": str(image), "resource_type": "image"}]
    do.act("POST", "/tags/t/resources", resources=resources)
    assert [one["id"] for one in do.get("/images?tag_name=t")["images"]] == [image]
    assert do.get(f"/droplets/{number}")["droplet"]["image"]["tags"] == ["t"]
    resources = [{"resource_id": "155133621", "resource_type": "image"}]
    assert do.refused("POST", "/tags/t/resources", resources=resources)[0] == 404
    do.act("DELETE", f"/images/{image}")
    assert do.get(f"/droplets/{number}")["droplet"]["snapshot_ids"] == []


def test_convert(do: Client) -> None:
    """A backup is converted to a snapshot, and a snapshot is not."""
    number = do.built(backups=True)["id"]
    (backup,) = do.get(f"/droplets/{number}")["droplet"]["backup_ids"]
    do.act("POST", f"/images/{backup}/actions", type="convert")
    do.later(1)
    droplet = do.get(f"/droplets/{number}")["droplet"]
    assert (droplet["backup_ids"], droplet["snapshot_ids"]) == ([], [backup])
    assert do.refused("POST", f"/images/{backup}/actions", type="convert")[0] == 422
    assert do.refused("POST", f"/images/{backup}/actions", type="burn")[0] == 422


def test_snapshots(do: Client) -> None:
    """Snapshots of droplets and of volumes are listed together and separately, and deleted by id."""
    number = do.built()["id"]
    do.switched(number, "snapshot", name="of a droplet")
    volume = do.act("POST", "/volumes", name="v", region="nyc3", size_gigabytes=3)["volume"]["id"]
    do.act("POST", f"/volumes/{volume}/snapshots", name="of a volume", tags=["t"])
    listed = do.get("/snapshots")["snapshots"]
    assert [(one["name"], one["resource_id"]) for one in listed] == [
        ("of a droplet", str(number)),
        ("of a volume", volume),
    ]
    for kind, one in zip(("droplet", "volume"), listed, strict=True):
        assert do.get(f"/snapshots?resource_type={kind}")["snapshots"] == [one]
        do.act("DELETE", f"/snapshots/{one['id']}")
        assert do.refused("DELETE", f"/snapshots/{one['id']}")[0] == 404


# Volumes


@pytest.fixture
def volume(do: Client) -> str:
    made: str = do.act("POST", "/volumes", name="data", region="nyc3", size_gigabytes=10)["volume"]["id"]
    return made


def test_attach_and_detach(do: Client, volume: str) -> None:
    """A volume is attached to one droplet and detached from it; each takes time and locks both."""
    number, other = do.built()["id"], do.built()["id"]
    path = f"/volumes/{volume}/actions"
    action = do.act("POST", path, type="attach", droplet_id=number)["action"]
    assert (action["status"], action["type"]) == ("in-progress", "attach_volume")
    assert do.refused("POST", f"/droplets/{number}/actions", type="reboot")[0] == 422
    assert do.refused("POST", path, type="attach", droplet_id=other)[0] == 422
    do.later(1)
    assert do.get(f"/volumes/{volume}")["volume"]["droplet_ids"] == [number]
    assert do.get(f"/droplets/{number}")["droplet"]["volume_ids"] == [volume]
    assert "already attached" in do.refused("POST", path, type="attach", droplet_id=other)[1]
    assert do.refused("DELETE", f"/volumes/{volume}") == (409, "attached volume cannot be deleted")
    assert do.refused("POST", path, type="detach", droplet_id=other) == (422, "Attachment not found")
    do.act("POST", "/volumes/actions", type="detach", volume_name="data", region="nyc3", droplet_id=number)
    do.later(1)
    assert do.get(f"/droplets/{number}")["droplet"]["volume_ids"] == []
    do.act("DELETE", f"/volumes/{volume}")


def test_a_volume_of_another_region(do: Client, volume: str) -> None:
    """A volume cannot be attached to a droplet of another region, existing or new."""
    number = do.built(region="ams3")["id"]
    assert do.refused("POST", f"/volumes/{volume}/actions", type="attach", droplet_id=number)[0] == 422
    assert do.refused("POST", "/droplets", **{**ORDER, "region": "ams3", "volumes": [volume]})[0] == 422


def test_resize_of_a_volume(do: Client, volume: str) -> None:
    """A volume becomes larger, never smaller, and until then cannot be attached to a new droplet."""
    path = f"/volumes/{volume}/actions"
    do.act("POST", path, type="resize", size_gigabytes=20)
    assert do.refused("POST", "/droplets", **ORDER, volumes=[volume]) == (422, "Invalid volume allocations")
    assert do.get("/droplets")["droplets"] == []
    do.later(1)
    assert do.get(f"/volumes/{volume}")["volume"]["size_gigabytes"] == 20
    for size in (20, 10, 16385):
        assert do.refused("POST", path, type="resize", size_gigabytes=size)[0] == 422


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "Data"}, 422),
        ({"name": "1data"}, 422),
        ({"name": "a" * 65}, 422),
        ({"size_gigabytes": 0}, 422),
        ({"size_gigabytes": 16385}, 422),
        ({"size_gigabytes": "10"}, 422),
        ({"region": "sfo1"}, 422),
        ({"region": None}, 422),
        ({"filesystem_type": "ntfs"}, 422),
        ({"filesystem_type": "xfs", "filesystem_label": "a" * 13}, 422),
        ({"snapshot_id": "none"}, 404),
        ({}, 409),
    ],
)
def test_volumes_that_cannot_be(do: Client, volume: str, change: dict[str, Any], status: int) -> None:
    """A volume with an invalid name, size, region or file system is refused, as is a name in use."""
    body = {"name": "data", "region": "nyc3", "size_gigabytes": 1, **change}
    assert do.refused("POST", "/volumes", **body)[0] == status


def test_volumes_by_name(do: Client, volume: str) -> None:
    """A name is unique in a region only; name and region together find and delete a volume."""
    other = do.act("POST", "/volumes", name="data", region="ams3", size_gigabytes=1)["volume"]["id"]
    assert len(do.get("/volumes?name=data")["volumes"]) == 2
    assert [one["id"] for one in do.get("/volumes?name=data&region=ams3")["volumes"]] == [other]
    do.act("DELETE", "/volumes?name=data&region=ams3")
    assert do.refused("DELETE", "/volumes?name=data&region=ams3")[0] == 404
    assert do.refused("DELETE", "/volumes?name=data")[0] == 422
    assert [one["id"] for one in do.get("/volumes")["volumes"]] == [volume]


def test_a_volume_from_a_snapshot(do: Client, volume: str) -> None:
    """A volume made from a snapshot is in its region and at least as large."""
    snapshot = do.act("POST", f"/volumes/{volume}/snapshots", name="s")["snapshot"]["id"]
    assert do.refused("POST", f"/volumes/{volume}/snapshots", name="s")[0] == 409
    made = do.act("POST", "/volumes", name="copy", snapshot_id=snapshot, size_gigabytes=1)["volume"]
    assert (made["size_gigabytes"], made["region"]["slug"]) == (10, "nyc3")


# Tags


def test_tags(do: Client, volume: str) -> None:
    """A tag counts its resources, keeps its first spelling, and is removed from them when deleted."""
    number = do.built(tags=["Prod"])["id"]
    assert do.act("POST", "/tags", name="prod")["tag"]["name"] == "Prod"
    resources = [{"resource_id": volume, "resource_type": "volume"}]
    do.act("POST", "/tags/Prod/resources", resources=resources)
    counts = do.get("/tags/Prod")["tag"]["resources"]
    assert (counts["count"], counts["droplets"]["count"], counts["volumes"]["count"]) == (2, 1, 1)
    assert counts["last_tagged_uri"] == f"{do.cloud.url}/v2/volumes/{volume}"
    do.act("DELETE", "/tags/Prod/resources", resources=resources)
    assert do.get(f"/volumes/{volume}")["volume"]["tags"] == []
    assert do.refused("GET", "/tags/prod")[0] == 404
    do.act("DELETE", "/tags/Prod")
    assert do.get(f"/droplets/{number}")["droplet"]["tags"] == []


@pytest.mark.parametrize(
    ("resources", "status"),
    [
        ([], 422),
        ([{"resource_id": "1", "resource_type": "droplet"}], 404),
        ([{"resource_id": "1", "resource_type": "planet"}], 422),
        (["droplet"], 422),
    ],
)
def test_tagging_unknown_resources(do: Client, resources: list[Any], status: int) -> None:
    """Only existing resources can be tagged."""
    do.act("POST", "/tags", name="t")
    assert do.refused("POST", "/tags/t/resources", resources=resources)[0] == status


def test_tag_names(do: Client) -> None:
    """A tag has letters, digits, colons, dashes and underscores, 255 at most."""
    do.act("POST", "/tags", name="a:B-c_9")
    for name in ("a b", "a.b", "", "a" * 256):
        assert do.refused("POST", "/tags", name=name)[0] == 422


# Reserved IPs


@pytest.mark.parametrize("name", ["reserved_ip", "floating_ip"])
def test_reserved_ips(do: Client, name: str) -> None:
    """A reserved IP is assigned, moved and unassigned, each in its time and under a lock."""
    one, two = do.built()["id"], do.built()["id"]
    ip = do.act("POST", f"/{name}s", region="nyc3")[name]
    assert (ip["droplet"], ip["locked"]) == (None, False)
    path = f"/{name}s/{ip['ip']}"
    do.act("POST", f"{path}/actions", type="assign", droplet_id=one)
    assert do.get(path)[name]["locked"] is True
    assert do.refused("DELETE", path) == (422, "The reserved IP already has a pending event.")
    do.later(1)
    assert do.get(path)[name]["droplet"]["id"] == one
    do.act("POST", f"{path}/actions", type="assign", droplet_id=two)
    do.later(1)
    assert do.get(path)[name]["droplet"]["id"] == two
    do.act("DELETE", f"/droplets/{two}")
    assert do.get(path)[name]["droplet"] is None
    assert do.refused("POST", f"{path}/actions", type="unassign")[0] == 422
    assert do.refused("POST", f"{path}/actions", type="move")[0] == 422
    types = [action["type"] for action in do.get(f"{path}/actions")["actions"]]
    assert types == ["assign_ip", "assign_ip", "reserve_ip"]
    do.act("DELETE", path)
    assert do.refused("GET", path)[0] == 404


def test_a_reserved_ip_for_a_droplet(do: Client) -> None:
    """A reserved IP created for a droplet is assigned when the linked action has ended."""
    number = do.built()["id"]
    made = do.act("POST", "/reserved_ips", droplet_id=number)
    assert (made["reserved_ip"]["locked"], made["links"]["droplets"][0]["id"]) == (True, number)
    do.later(1)
    assert do.get(f"/actions/{made['links']['actions'][0]['id']}")["action"]["status"] == "completed"
    assert do.get(f"/reserved_ips/{made['reserved_ip']['ip']}")["reserved_ip"]["droplet"]["id"] == number
    assert do.refused("POST", "/reserved_ips", droplet_id=number)[0] == 422


def test_reserved_ips_that_cannot_be() -> None:
    """A reserved IP needs an existing droplet or region, stays in the region, and is limited in number."""
    with client(reserved_ip_limit=1) as do:
        number = do.built(region="ams3")["id"]
        for body, status in (
            ({}, 422),
            ({"region": "x"}, 422),
            ({"droplet_id": 1}, 404),
            ({"droplet_id": number, "region": "ams3"}, 422),
        ):
            assert do.refused("POST", "/reserved_ips", **body)[0] == status
        ip = do.act("POST", "/reserved_ips", region="nyc3")["reserved_ip"]["ip"]
        assert do.refused("POST", f"/reserved_ips/{ip}/actions", type="assign", droplet_id=number)[0] == 422
        assert do.refused("POST", "/reserved_ips", region="nyc3") == (422, "Reserved IP limit exceeded.")


# VPCs


def test_vpcs(do: Client) -> None:
    """A VPC's droplets have addresses of its range, and it can be deleted only without droplets."""
    vpc = do.act("POST", "/vpcs", name="mine", region="nyc3", ip_range="10.10.0.0/24")["vpc"]
    droplet = do.built(vpc_uuid=vpc["id"])
    assert droplet["vpc_uuid"] == vpc["id"]
    private = [one for one in droplet["networks"]["v4"] if one["type"] == "private"]
    assert (private[0]["ip_address"], private[0]["netmask"]) == ("10.10.0.2", "255.255.255.0")
    (member,) = do.get(f"/vpcs/{vpc['id']}/members")["members"]
    assert (member["name"], member["urn"]) == ("web", f"do:droplet:{droplet['id']}")
    assert do.get(f"/vpcs/{vpc['id']}/members?resource_type=dbaas")["members"] == []
    assert do.refused("DELETE", f"/vpcs/{vpc['id']}")[0] == 403
    do.act("DELETE", f"/droplets/{droplet['id']}")
    do.act("DELETE", f"/vpcs/{vpc['id']}")


def test_the_default_vpc(do: Client) -> None:
    """Each region has one default VPC, which cannot be deleted, only replaced by another default."""
    made = do.act("POST", "/vpcs", name="mine", region="nyc3")["vpc"]
    vpcs = do.get("/vpcs?per_page=200")["vpcs"]
    old = next(vpc for vpc in vpcs if vpc["region"] == "nyc3" and vpc["default"])
    assert do.refused("DELETE", f"/vpcs/{old['id']}")[0] == 403
    assert do.refused("PATCH", f"/vpcs/{old['id']}", default=False)[0] == 422
    do.act("PATCH", f"/vpcs/{made['id']}", default=True)
    assert do.get(f"/vpcs/{old['id']}")["vpc"]["default"] is False
    assert do.built()["vpc_uuid"] == made["id"]
    do.act("DELETE", f"/vpcs/{old['id']}")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "a b"}, 422),
        ({"name": "default-nyc1"}, 409),
        ({"region": "x"}, 422),
        ({"ip_range": "10.100.0.0/24"}, 422),
        ({"ip_range": "10.10.0.0/29"}, 422),
        ({"ip_range": "8.8.8.0/24"}, 422),
        ({"ip_range": "mine"}, 422),
        ({"description": "a" * 256}, 422),
    ],
)
def test_vpcs_that_cannot_be(do: Client, change: dict[str, Any], status: int) -> None:
    """A VPC with an invalid name, region, range or description is refused."""
    body = {"name": "mine", "region": "nyc3", **change}
    assert do.refused("POST", "/vpcs", **body)[0] == status


# Firewalls


def test_firewalls(do: Client) -> None:
    """A firewall waits for its droplets, gets more and fewer, and an update resets omitted fields."""
    one, two = do.built(tags=["t"])["id"], do.built()["id"]
    wall = do.act("POST", "/firewalls", name="wall", inbound_rules=[RULE], droplet_ids=[one])["firewall"]
    path = f"/firewalls/{wall['id']}"
    assert (wall["status"], wall["pending_changes"][0]["droplet_id"]) == ("waiting", one)
    do.later(1)
    wall = do.get(path)["firewall"]
    assert (wall["status"], wall["pending_changes"]) == ("succeeded", [])
    do.act("POST", f"{path}/droplets", droplet_ids=[one, two])
    do.act("DELETE", f"{path}/droplets", droplet_ids=[one])
    do.act("POST", f"{path}/tags", tags=["t"])
    wall = do.get(path)["firewall"]
    assert (wall["droplet_ids"], wall["tags"]) == ([two], ["t"])
    for number in (one, two):
        assert len(do.get(f"/droplets/{number}/firewalls")["firewalls"]) == 1
    out = {"protocol": "icmp", "destinations": {"tags": ["t"]}}
    do.act("POST", f"{path}/rules", outbound_rules=[out], inbound_rules=[RULE])
    wall = do.get(path)["firewall"]
    assert wall["inbound_rules"] == [RULE]
    assert wall["outbound_rules"] == [{**out, "ports": "0"}]
    do.act("DELETE", f"{path}/rules", outbound_rules=[out])
    wall = do.act("PUT", path, name="other", inbound_rules=[RULE])["firewall"]
    assert (wall["name"], wall["droplet_ids"], wall["tags"], wall["outbound_rules"]) == ("other", [], [], [])
    do.act("DELETE", path)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "a b"}, 422),
        ({"name": "wall"}, 409),
        ({"inbound_rules": []}, 422),
        ({"inbound_rules": [{**RULE, "ports": "all"}]}, 422),
        ({"inbound_rules": [{**RULE, "ports": "9-8"}]}, 422),
        ({"inbound_rules": [{**RULE, "ports": "65536"}]}, 422),
        ({"inbound_rules": [{**RULE, "protocol": "gre"}]}, 422),
        ({"inbound_rules": [{**RULE, "sources": {}}]}, 422),
        ({"inbound_rules": [{**RULE, "sources": {"addresses": ["x"]}}]}, 422),
        ({"inbound_rules": [{**RULE, "sources": {"tags": ["none"]}}]}, 422),
        ({"droplet_ids": [1]}, 422),
        ({"tags": ["none"]}, 422),
    ],
)
def test_firewalls_that_cannot_be(do: Client, change: dict[str, Any], status: int) -> None:
    """A firewall with an invalid or used name, or without valid rules, is refused and not created."""
    do.act("POST", "/firewalls", name="wall", inbound_rules=[RULE])
    body = {"name": "other", "inbound_rules": [RULE], **change}
    assert do.refused("POST", "/firewalls", **body)[0] == status
    assert len(do.get("/firewalls")["firewalls"]) == 1
