"""The provider's SDK against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from support.libraries import Library

pydo = Library("pydo")
exceptions = Library("azure.core.exceptions")
policies = Library("azure.core.pipeline.policies")

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3d8yr2Wm9Gk0cJmVwUqk1CO8hBzXG2xw3mZcXo1f7Y"
ORDER = {"name": "web", "region": "nyc3", "size": "s-1vcpu-1gb", "image": "ubuntu-24-04-x64"}


def connect(cloud: Sandbox, token: str) -> Any:
    """The SDK's client, without retries."""
    # Its own policy sends tokens over TLS only.
    policy = policies.HeadersPolicy(base_headers={"Authorization": f"Bearer {token}"})
    return pydo.Client(token=token, endpoint=cloud.url, authentication_policy=policy, retry_total=0)


@pytest.fixture
def sdk(cloud: Sandbox) -> Iterator[Any]:
    """The SDK's client with the right token."""
    with connect(cloud, cloud.credentials[0]) as client:
        yield client


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    """A DigitalOcean whose actions take no time."""
    with Sandbox(
        "digitalocean", ssh="off", build=0, power=0, copy=0, attach=0, balance=0, seed_nodes=45
    ) as sandbox:
        yield sandbox


def droplet(sdk: Any, **changes: Any) -> Any:
    """A new droplet."""
    number = sdk.droplets.create(body={**ORDER, **changes})["droplet"]["id"]
    return sdk.droplets.get(number)["droplet"]


def test_droplets(sdk: Any) -> None:
    """The SDK creates one droplet and several, gets, lists and deletes them."""
    made = droplet(sdk, tags=["t"])
    assert (made["status"], made["name"]) == ("active", "web")
    several = sdk.droplets.create(body={**ORDER, "names": ["a", "b"], "tags": ["t"]} | {"name": None})
    assert len(several["droplets"]) == len(several["links"]["actions"]) == 2
    assert sdk.droplets.list(tag_name="t")["meta"]["total"] == 3
    sdk.droplets.destroy(made["id"])
    sdk.droplets.destroy_by_tag(tag_name="t")
    assert sdk.droplets.list(tag_name="t")["droplets"] == []


def test_paging(sdk: Any) -> None:
    """The SDK follows the links through all pages of droplets."""
    responses = [sdk.droplets.list(per_page=20)]
    while "next" in responses[-1]["links"].get("pages", {}):
        responses.append(sdk.droplets.list(per_page=20, page=len(responses) + 1))
    seen = {one["id"] for response in responses for one in response["droplets"]}
    assert (len(responses), len(seen), responses[-1]["meta"]["total"]) == (3, 45, 45)


def test_actions(sdk: Any) -> None:
    """The SDK posts actions, gets them from the droplet and the account, and sees their effects."""
    number = droplet(sdk)["id"]
    for body in (
        {"type": "rename", "name": "new"},
        {"type": "snapshot", "name": "s"},
        {"type": "power_off"},
        {"type": "resize", "size": "s-2vcpu-2gb", "disk": True},
        {"type": "power_on"},
        {"type": "reboot"},
        {"type": "rebuild", "image": "debian-12-x64"},
    ):
        action = sdk.droplet_actions.post(number, body=body)["action"]
        assert sdk.droplet_actions.get(number, action["id"])["action"]["status"] == "completed"
        assert sdk.actions.get(action["id"])["action"]["type"] == body["type"]
    changed = sdk.droplets.get(number)["droplet"]
    assert (changed["name"], changed["disk"], changed["image"]["slug"]) == ("new", 60, "debian-12-x64")
    assert len(sdk.droplet_actions.list(number)["actions"]) == 8


def test_keys(sdk: Any) -> None:
    """The SDK creates, renames and deletes an SSH key, by id and by fingerprint."""
    key = sdk.ssh_keys.create(body={"name": "k", "public_key": KEY})["ssh_key"]
    assert sdk.ssh_keys.update(key["id"], body={"name": "n"})["ssh_key"]["name"] == "n"
    assert sdk.ssh_keys.get(key["fingerprint"])["ssh_key"]["id"] == key["id"]
    droplet(sdk, ssh_keys=[key["fingerprint"]])
    sdk.ssh_keys.delete(key["fingerprint"])
    assert sdk.ssh_keys.list()["ssh_keys"] == []


def test_volumes(sdk: Any) -> None:
    """The SDK creates a volume, attaches, resizes, snapshots, detaches and deletes it."""
    number = droplet(sdk)["id"]
    body = {"name": "data", "region": "nyc3", "size_gigabytes": 10, "filesystem_type": "ext4"}
    volume = sdk.volumes.create(body=body)["volume"]["id"]
    sdk.volume_actions.post_by_id(volume, body={"type": "attach", "droplet_id": number, "region": "nyc3"})
    sdk.volume_actions.post_by_id(volume, body={"type": "resize", "size_gigabytes": 20, "region": "nyc3"})
    assert sdk.volumes.get(volume)["volume"]["droplet_ids"] == [number]
    sdk.volume_snapshots.create(volume, body={"name": "s"})
    sdk.volume_actions.post(
        body={"type": "detach", "droplet_id": number, "region": "nyc3", "volume_name": "data"}
    )
    assert len(sdk.volume_actions.list(volume)["actions"]) == 3
    sdk.volumes.delete(volume)
    (snapshot,) = sdk.snapshots.list(resource_type="volume")["snapshots"]
    sdk.snapshots.delete(snapshot["id"])


def test_tags(sdk: Any) -> None:
    """The SDK creates a tag, tags and untags a droplet, and deletes it."""
    number = str(droplet(sdk)["id"])
    sdk.tags.create(body={"name": "t"})
    resources = {"resources": [{"resource_id": number, "resource_type": "droplet"}]}
    sdk.tags.assign_resources("t", body=resources)
    assert sdk.tags.get("t")["tag"]["resources"]["droplets"]["count"] == 1
    sdk.tags.unassign_resources("t", body=resources)
    sdk.tags.delete("t")
    assert "t" not in [tag["name"] for tag in sdk.tags.list()["tags"]]


def test_reserved_ips(sdk: Any) -> None:
    """The SDK reserves an IP, assigns, unassigns and deletes it."""
    number = droplet(sdk)["id"]
    ip = sdk.reserved_ips.create(body={"region": "nyc3"})["reserved_ip"]["ip"]
    sdk.reserved_ips_actions.post(ip, body={"type": "assign", "droplet_id": number})
    assert sdk.reserved_ips.get(ip)["reserved_ip"]["droplet"]["id"] == number
    sdk.reserved_ips_actions.post(ip, body={"type": "unassign"})
    sdk.reserved_ips.delete(ip)
    assert sdk.reserved_ips.list()["reserved_ips"] == []


def test_networks(sdk: Any) -> None:
    """The SDK creates a VPC and a firewall for a droplet, and deletes them."""
    vpc = sdk.vpcs.create(body={"name": "mine", "region": "nyc3"})["vpc"]["id"]
    number = droplet(sdk, vpc_uuid=vpc)["id"]
    assert sdk.vpcs.list_members(vpc)["meta"]["total"] == 1
    rule = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
    body = {"name": "wall", "inbound_rules": [rule], "droplet_ids": [number]}
    wall = sdk.firewalls.create(body=body)["firewall"]["id"]
    sdk.firewalls.delete_droplets(wall, body={"droplet_ids": [number]})
    assert sdk.firewalls.get(wall)["firewall"]["droplet_ids"] == []
    sdk.firewalls.delete(wall)
    sdk.droplets.destroy(number)
    sdk.vpcs.delete(vpc)


def test_catalogs(sdk: Any) -> None:
    """The SDK lists images, sizes, regions and VPCs, and gets the account."""
    assert sdk.images.get("debian-12-x64")["image"]["distribution"] == "Debian"
    assert sdk.images.list(type="application", per_page=200)["images"]
    assert len(sdk.sizes.list(per_page=200)["sizes"]) > 15
    assert len(sdk.regions.list()["regions"]) > 7
    assert all(vpc["default"] for vpc in sdk.vpcs.list()["vpcs"])
    assert sdk.account.get()["account"]["status"] == "active"


def test_errors(sdk: Any, cloud: Sandbox) -> None:
    """The SDK raises its errors with the sandbox's status and message."""
    with pytest.raises(exceptions.HttpResponseError, match="invalid image") as caught:
        sdk.droplets.create(body={**ORDER, "image": "none"})
    assert caught.value.status_code == 422
    with connect(cloud, "dop_v1_expired") as other:
        with pytest.raises(exceptions.HttpResponseError) as refused:
            other.account.get()
    assert refused.value.status_code == 401


def test_load_balancers(sdk: Any) -> None:
    """The SDK creates a balancer, adds and removes droplets and rules, changes, lists and deletes it."""
    number = droplet(sdk)["id"]
    rule = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8080}
    body = {"name": "lb", "region": "nyc3", "forwarding_rules": [rule], "droplet_ids": [number]}
    made = sdk.load_balancers.create(body=body)["load_balancer"]
    one = made["id"]
    assert (made["status"], made["droplet_ids"], made["region"]["slug"]) == ("active", [number], "nyc3")
    sdk.load_balancers.remove_droplets(one, body={"droplet_ids": [number]})
    sdk.load_balancers.add_droplets(one, body={"droplet_ids": [number]})
    other = {**rule, "entry_port": 81}
    sdk.load_balancers.add_forwarding_rules(one, body={"forwarding_rules": [other]})
    sdk.load_balancers.remove_forwarding_rules(one, body={"forwarding_rules": [rule]})
    found = sdk.load_balancers.get(one)["load_balancer"]
    assert ([rule["entry_port"] for rule in found["forwarding_rules"]], found["droplet_ids"]) == (
        [81],
        [number],
    )
    changed = sdk.load_balancers.update(one, body={**body, "name": "other"})["load_balancer"]
    assert changed["name"] == "other"
    assert [found["id"] for found in sdk.load_balancers.list()["load_balancers"]] == [one]
    sdk.load_balancers.delete(one)
    assert sdk.load_balancers.get(one)["id"] == "not_found"
