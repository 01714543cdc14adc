from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.sandbox.digitalocean.cloud import ROUTES
from support.digitalocean import ORDER, Client, client, contract

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3d8yr2Wm9Gk0cJmVwUqk1CO8hBzXG2xw3mZcXo1f7Y"
RULE = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0", "::/0"]}}

pytestmark = pytest.mark.skipif(
    contract() is None, reason="the provider's document, or jsonschema, is missing"
)


@pytest.fixture
def do() -> Iterator[Client]:
    """A DigitalOcean whose responses are checked against the document."""
    with client(seed_nodes=3, page_size=2) as made:
        yield made


def drive_account(do: Client) -> None:
    for path in ("/account", "/regions", "/sizes", "/actions"):
        do.get(path)
    key = do.act("POST", "/account/keys", name="k", public_key=KEY)["ssh_key"]
    do.get("/account/keys")
    do.get(f"/account/keys/{key['fingerprint']}")
    do.act("PUT", f"/account/keys/{key['id']}", name="other")
    do.act("DELETE", f"/account/keys/{key['id']}")
    do.refused("GET", f"/account/keys/{key['id']}")


def drive_droplets(do: Client) -> None:
    do.act("POST", "/droplets", **{**ORDER, "name": None, "names": ["a", "b"]})
    for path in ("/droplets", "/droplets?tag_name=seed&page=2&per_page=1", "/droplets?name=SEED-00001"):
        do.get(path)
    number = do.built(backups=True, ipv6=True, monitoring=True, tags=["web"])["id"]
    do.act("POST", f"/droplets/{number}/actions", type="snapshot", name="s")
    do.refused("POST", f"/droplets/{number}/actions", type="reboot")
    do.later(2)
    for path in ("", "/snapshots", "/backups", "/actions", "/firewalls"):
        do.get(f"/droplets/{number}{path}")
    action = do.act("POST", "/droplets/actions?tag_name=web", type="power_off")["actions"][0]
    do.get(f"/droplets/{number}/actions/{action['id']}")
    do.get(f"/actions/{action['id']}")
    do.later(2)
    do.act("DELETE", f"/droplets/{number}")
    do.act("DELETE", "/droplets?tag_name=seed")


def drive_images(do: Client) -> None:
    for path in ("/images", "/images?type=application", "/images/ubuntu-24-04-x64", "/images/155133621"):
        do.get(path)
    number = do.built()["id"]
    do.switched(number, "snapshot", name="mine")
    image = do.get("/images?private=true")["images"][-1]["id"]
    do.act("PUT", f"/images/{image}", name="renamed")
    action = do.act("POST", f"/images/{image}/actions", type="transfer", region="ams3")["action"]
    do.get(f"/images/{image}/actions")
    do.get(f"/images/{image}/actions/{action['id']}")
    do.later(2)
    do.get("/snapshots?resource_type=droplet")
    do.get(f"/snapshots/{image}")
    do.act("DELETE", f"/snapshots/{image}")
    do.switched(number, "snapshot", name="again")
    do.act("DELETE", f"/images/{do.get('/images?private=true')['images'][-1]['id']}")


def drive_volumes(do: Client) -> None:
    droplet = do.built(name="holder")["id"]
    volume = do.act("POST", "/volumes", name="data", region="nyc3", size_gigabytes=10)["volume"]["id"]
    do.get("/volumes?name=data&region=nyc3")
    do.get(f"/volumes/{volume}")
    action = do.act("POST", f"/volumes/{volume}/actions", type="attach", droplet_id=droplet)["action"]
    do.get(f"/volumes/{volume}/actions")
    do.get(f"/volumes/{volume}/actions/{action['id']}")
    do.later(2)
    do.act("POST", "/volumes/actions", type="detach", volume_name="data", region="nyc3", droplet_id=droplet)
    do.later(2)
    snapshot = do.act("POST", f"/volumes/{volume}/snapshots", name="s")["snapshot"]["id"]
    do.get(f"/volumes/{volume}/snapshots")
    do.get(f"/volumes/snapshots/{snapshot}")
    do.get("/snapshots")
    do.act("DELETE", f"/volumes/snapshots/{snapshot}")
    do.act("DELETE", f"/volumes/{volume}")
    do.act("POST", "/volumes", name="more", region="nyc3", size_gigabytes=1)
    do.act("DELETE", "/volumes?name=more&region=nyc3")


def drive_tags(do: Client) -> None:
    do.act("POST", "/tags", name="env:prod")
    do.get("/tags")
    resources = [{"resource_id": str(do.built(name="tagged")["id"]), "resource_type": "droplet"}]
    do.act("POST", "/tags/env:prod/resources", resources=resources)
    do.get("/tags/env:prod")
    do.act("DELETE", "/tags/env:prod/resources", resources=resources)
    do.act("DELETE", "/tags/env:prod")


def drive_reserved_ips(do: Client) -> None:
    droplet = do.built(name="reached")["id"]
    for name in ("reserved_ip", "floating_ip"):
        made = do.act("POST", f"/{name}s", droplet_id=droplet)[name]["ip"]
        do.later(2)
        do.get(f"/{name}s")
        do.get(f"/{name}s/{made}")
        action = do.act("POST", f"/{name}s/{made}/actions", type="unassign")["action"]
        do.get(f"/{name}s/{made}/actions")
        do.get(f"/{name}s/{made}/actions/{action['id']}")
        do.later(2)
        do.act("DELETE", f"/{name}s/{made}")
        do.act("POST", f"/{name}s", region="nyc3")


def drive_vpcs(do: Client) -> None:
    vpc = do.act("POST", "/vpcs", name="mine", region="nyc3", ip_range="10.10.0.0/24")["vpc"]["id"]
    do.built(name="member", vpc_uuid=vpc)
    do.get("/vpcs")
    do.get(f"/vpcs/{vpc}")
    do.get(f"/vpcs/{vpc}/members?resource_type=droplet")
    do.act("PUT", f"/vpcs/{vpc}", name="other", description="d")
    do.act("PATCH", f"/vpcs/{vpc}", description="e")
    do.refused("DELETE", f"/vpcs/{vpc}")
    do.act("DELETE", f"/vpcs/{do.act('POST', '/vpcs', name='empty', region='nyc3')['vpc']['id']}")


def drive_firewalls(do: Client) -> None:
    droplet = do.built(name="guarded", tags=["guarded"])["id"]
    body: dict[str, Any] = {"name": "wall", "inbound_rules": [RULE], "droplet_ids": [droplet]}
    wall = do.act("POST", "/firewalls", **body)["firewall"]["id"]
    do.get("/firewalls")
    do.get(f"/firewalls/{wall}")
    do.act("PUT", f"/firewalls/{wall}", **body)
    do.get(f"/droplets/{droplet}/firewalls")
    for method in ("POST", "DELETE"):
        do.act(method, f"/firewalls/{wall}/droplets", droplet_ids=[droplet])
        do.act(method, f"/firewalls/{wall}/tags", tags=["guarded"])
        do.act(method, f"/firewalls/{wall}/rules", inbound_rules=[RULE])
    do.act("DELETE", f"/firewalls/{wall}")


def drive_domains(do: Client) -> None:
    do.act("POST", "/domains", name="example.com", ip_address="192.0.2.1")
    records = "/domains/example.com/records"
    number = do.act("POST", records, type="MX", data="mail.example.net.", priority=1)["domain_record"]["id"]
    for path in ("/domains", "/domains/example.com", records, f"{records}/{number}"):
        do.get(path)
    for method in ("PUT", "PATCH"):
        do.act(method, f"{records}/{number}", type="MX", priority=2)
    do.refused("POST", records, type="MX")
    do.act("DELETE", f"{records}/{number}")
    do.act("DELETE", "/domains/example.com")


def drive_balancers(do: Client) -> None:
    droplet = do.built(name="behind")["id"]
    rule = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8080}
    sticky = {"type": "cookies", "cookie_name": "srv", "cookie_ttl_seconds": 300}
    body: dict[str, Any] = {
        "name": "lb",
        "region": "nyc3",
        "forwarding_rules": [rule],
        "droplet_ids": [droplet],
    }
    one = f"/load_balancers/{do.act('POST', '/load_balancers', **body)['load_balancer']['id']}"
    do.get("/load_balancers")
    do.later(2)
    do.get(one)
    do.act("PUT", one, **body, sticky_sessions=sticky)
    for path, changed in (
        ("droplets", {"droplet_ids": [droplet]}),
        ("forwarding_rules", {"forwarding_rules": [{**rule, "entry_port": 81}]}),
    ):
        for method in ("POST", "DELETE"):
            do.later(1)
            do.act(method, f"{one}/{path}", **changed)
    do.refused("PUT", one, **body)
    do.act("DELETE", one)


def test_every_operation_is_documented(do: Client) -> None:
    """Every operation's response has a status, headers and a body that the document describes."""
    document = contract()
    assert document is not None
    document.seen.clear()
    for drive in (
        drive_account,
        drive_droplets,
        drive_images,
        drive_volumes,
        drive_tags,
        drive_reserved_ips,
        drive_vpcs,
        drive_firewalls,
        drive_domains,
        drive_balancers,
    ):
        drive(do)
    offered = sum(len(verbs) for path, verbs in ROUTES.items() if path != "/images/{image:int}")
    # By number and by slug, an image has one path in the document, with PUT and DELETE for the number.
    assert len(document.seen) == offered + len({"PUT", "DELETE"})


@pytest.mark.parametrize(
    "path",
    [
        "/droplets/1",
        "/images/none",
        "/volumes/x",
        "/vpcs/x",
        "/tags/x",
        "/domains/x",
        "/load_balancers/x",
        "/nowhere",
    ],
)
def test_unknown_resources(do: Client, path: str) -> None:
    """An unknown resource or path is a 404 with the documented error body."""
    assert do.refused("GET", path) == (404, "The resource you requested could not be found.")
