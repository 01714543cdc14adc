from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.sandbox.linode.cloud import ROUTES
from support.linode import ORDER, PASSWORD, Client, client, contract

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3d8yr2Wm9Gk0cJmVwUqk1CO8hBzXG2xw3mZcXo1f7Y"
RULE = {"protocol": "TCP", "ports": "22", "action": "ACCEPT", "addresses": {"ipv4": ["0.0.0.0/0"]}}
ALL = "/linode/instances"

pytestmark = pytest.mark.skipif(
    contract() is None, reason="the provider's document, or jsonschema, is missing"
)


@pytest.fixture
def api() -> Iterator[Client]:
    """A Linode whose requests and responses are checked against the document."""
    with client(seed_nodes=3) as made:
        yield made


def drive_account(api: Client) -> None:
    for path in ("/account", "/profile"):
        api.get(path)
    key = api.act("POST", "/profile/sshkeys", label="k", ssh_key=KEY)["id"]
    api.get("/profile/sshkeys")
    api.get(f"/profile/sshkeys/{key}")
    api.act("PUT", f"/profile/sshkeys/{key}", label="other")
    event = api.get("/account/events")["data"][0]["id"]
    api.get(f"/account/events/{event}")
    api.act("POST", f"/account/events/{event}/seen")
    api.act("POST", f"/account/events/{event}/read")
    api.act("DELETE", f"/profile/sshkeys/{key}")


def drive_sales(api: Client) -> None:
    for path in ("linode/types", "linode/kernels", "regions"):
        shown = api.get(f"/{path}")["data"]
        for one in shown:
            api.get(f"/{path}/{one['id']}")
    api.get("/volumes/types")


def drive_linodes(api: Client) -> None:
    api.act("POST", ALL, **{**ORDER, "tags": ["web"], "private_ip": True, "booted": False})
    linode = api.built(label="all", backups_enabled=True, swap_size=256, authorized_keys=[KEY], group="g")
    one = f"{ALL}/{linode['id']}"
    for path in (ALL, one, f"{one}/volumes", f"{one}/firewalls", f"{one}/transfer"):
        api.get(path)
    schedule = {"day": "Sunday", "window": "W2"}
    api.act("PUT", one, label="changed", backups={"schedule": schedule}, alerts={"cpu": 50}, tags=["abc"])
    for path in ("reboot", "shutdown", "boot"):
        api.waited(linode["id"], path)
    api.waited(linode["id"], "resize", type="g6-standard-1")
    api.waited(linode["id"], "clone", region="us-east", type="g6-standard-1", label="copy")
    api.waited(linode["id"], "migrate", region="eu-west")
    api.waited(linode["id"], "rebuild", image="linode/ubuntu24.04", root_pass=PASSWORD, booted=False)
    api.waited(linode["id"], "password", root_pass=PASSWORD + "2")
    api.act("DELETE", one)


def drive_disks(api: Client) -> None:
    linode = api.built(label="disks", type="g6-standard-1", booted=False)["id"]
    one = f"{ALL}/{linode}"
    first = api.get(f"{one}/disks")["data"][0]["id"]
    api.waited(linode, f"disks/{first}/resize", size=3000)
    disk = api.act("POST", f"{one}/disks", label="empty", size=1000, filesystem="raw")["id"]
    api.later(2)
    api.get(f"{one}/disks/{disk}")
    api.act("PUT", f"{one}/disks/{disk}", label="renamed")
    api.waited(linode, f"disks/{disk}/clone")
    api.waited(linode, f"disks/{first}/password", password=PASSWORD)
    config = api.act("POST", f"{one}/configs", label="other", devices={"sda": {"disk_id": disk}})["id"]
    api.get(f"{one}/configs")
    api.get(f"{one}/configs/{config}")
    api.act("PUT", f"{one}/configs/{config}", label="main", kernel="linode/grub2", comments="c")
    api.act("DELETE", f"{one}/configs/{config}")
    api.act("DELETE", f"{one}/disks/{disk}")


def drive_ips(api: Client) -> None:
    one = f"{ALL}/{api.built(label='reached')['id']}"
    public = api.act("POST", f"{one}/ips", type="ipv4", public=True)["address"]
    api.act("POST", f"{one}/ips", type="ipv4", public=False)
    for path in (f"{one}/ips", f"{one}/ips/{public}", "/networking/ips", f"/networking/ips/{public}"):
        api.get(path)
    slaac = api.get(f"{one}/ips")["ipv6"]["slaac"]["address"]
    api.get(f"{one}/ips/{slaac}")
    api.act("PUT", f"{one}/ips/{public}", rdns="www.example.org")
    api.act("PUT", f"/networking/ips/{public}", rdns=None)
    api.act("DELETE", f"{one}/ips/{public}")


def drive_backups(api: Client) -> None:
    linode = api.built(label="saved")["id"]
    one = f"{ALL}/{linode}/backups"
    api.act("POST", f"{one}/enable")
    backup = api.act("POST", one, label="now")["id"]
    api.get(one)
    api.later(2)
    api.get(one)
    api.get(f"{one}/{backup}")
    api.waited(linode, f"backups/{backup}/restore", linode_id=linode, overwrite=True)
    api.act("POST", ALL, type="g6-nanode-1", region="us-east", backup_id=backup, label="from-backup")
    api.act("POST", f"{one}/cancel")


def drive_volumes(api: Client) -> None:
    linode = api.built(label="holder")["id"]
    volume = api.act("POST", "/volumes", label="data", region="us-east", size=20, tags=["abc"])["id"]
    api.later(2)
    for path in ("/volumes", f"/volumes/{volume}"):
        api.get(path)
    api.act("PUT", f"/volumes/{volume}", label="renamed")
    api.act("POST", f"/volumes/{volume}/attach", linode_id=linode)
    api.later(2)
    api.get(f"{ALL}/{linode}/volumes")
    api.act("POST", f"/volumes/{volume}/resize", size=30)
    api.later(2)
    api.act("POST", f"/volumes/{volume}/clone", label="copy")
    api.act("POST", f"/volumes/{volume}/detach")
    api.later(2)
    api.act("DELETE", f"/volumes/{volume}")


def drive_images(api: Client) -> None:
    linode = api.built(label="golden")["id"]
    disk = api.get(f"{ALL}/{linode}/disks")["data"][0]["id"]
    image = api.act("POST", "/images", disk_id=disk, label="mine", description="d", tags=["abc"])["id"]
    api.later(2)
    for path in ("/images", "/images/linode/debian12", f"/images/{image}"):
        api.get(path)
    api.act("PUT", f"/images/{image}", label="renamed")
    api.act("POST", f"/images/{image}/regions", regions=["us-east", "us-ord"])
    api.act("DELETE", f"/images/{image}")


def drive_tags(api: Client) -> None:
    linode = api.built(label="tagged")["id"]
    volume = api.act("POST", "/volumes", label="with-tag", region="us-east")["id"]
    api.act("POST", "/tags", label="env:prod", linodes=[linode], volumes=[volume])
    api.get("/tags")
    api.get("/tags/env:prod")
    api.act("DELETE", "/tags/env:prod")


def drive_stackscripts(api: Client) -> None:
    body: dict[str, Any] = {"label": "script", "images": ["linode/debian12"], "script": "#!/bin/bash\n"}
    script = api.act("POST", "/linode/stackscripts", **body)["id"]
    api.get("/linode/stackscripts")
    api.get(f"/linode/stackscripts/{script}")
    api.act("PUT", f"/linode/stackscripts/{script}", label="other")
    api.built(label="scripted", stackscript_id=script)
    api.act("DELETE", f"/linode/stackscripts/{script}")


def drive_firewalls(api: Client) -> None:
    linode = api.built(label="guarded")["id"]
    rules = {"inbound": [RULE], "inbound_policy": "DROP", "outbound": [], "outbound_policy": "ACCEPT"}
    wall = api.act("POST", "/networking/firewalls", label="wall", rules=rules)["id"]
    one = f"/networking/firewalls/{wall}"
    device = api.act("POST", f"{one}/devices", id=linode, type="linode")["id"]
    for path in ("/networking/firewalls", one, f"{one}/rules", f"{one}/devices", f"{one}/devices/{device}"):
        api.get(path)
    api.get(f"{ALL}/{linode}/firewalls")
    api.act("PUT", one, label="other", status="disabled")
    api.act("PUT", f"{one}/rules", **rules)
    api.act("DELETE", f"{one}/devices/{device}")
    api.built(label="guarded-from-birth", firewall_id=wall)
    api.act("DELETE", one)


def drive_domains(api: Client) -> None:
    order = {"domain": "example.org", "type": "master", "soa_email": "admin@example.org", "tags": ["dns"]}
    domain = api.act("POST", "/domains", **order)["id"]
    one = f"/domains/{domain}"
    srv = {"service": "sip", "protocol": "tcp", "target": "sip", "port": 1, "weight": 2, "priority": 3}
    api.act("POST", f"{one}/records", type="SRV", **srv)
    api.act("POST", f"{one}/records", type="CAA", tag="issue", target="ca.example.net")
    record = api.act("POST", f"{one}/records", type="A", target="192.0.2.1", ttl_sec=100)["id"]
    api.act("PUT", f"{one}/records/{record}", name="www")
    api.act("PUT", one, ttl_sec=100, axfr_ips=["192.0.2.9"])
    for path in ("/domains", one, f"{one}/records", f"{one}/records/{record}", f"{one}/zone-file"):
        api.get(path)
    copy = api.act("POST", f"{one}/clone", domain="example.net")["id"]
    api.act("DELETE", f"{one}/records/{record}")
    api.get("/tags/dns")
    for made in (domain, copy):
        api.act("DELETE", f"/domains/{made}")


def drive_balancers(api: Client) -> None:
    node = {"label": "one", "address": "192.168.130.1:80", "weight": 50, "mode": "accept"}
    config = {"port": 80, "check": "connection", "nodes": [node]}
    made = api.act("POST", "/nodebalancers", region="us-east", label="lb-1", configs=[config], tags=["lbs"])
    one = f"/nodebalancers/{made['id']}"
    api.act("PUT", one, label="lb-2", client_conn_throttle=5)
    tls = {"protocol": "https", "ssl_cert": "cert", "ssl_key": "key", "check": "http", "check_path": "/"}
    https = api.act("POST", f"{one}/configs", port=443, **tls)["id"]
    nodes = f"{one}/configs/{https}/nodes"
    backend = api.act("POST", nodes, **node)["id"]
    api.act("PUT", f"{nodes}/{backend}", mode="drain")
    api.act("PUT", f"{one}/configs/{https}", stickiness="table")
    api.later(1)
    for path in (
        "/nodebalancers",
        one,
        f"{one}/configs",
        f"{one}/configs/{https}",
        nodes,
        f"{nodes}/{backend}",
    ):
        api.get(path)
    api.get("/tags/lbs")
    for path in (f"{nodes}/{backend}", f"{one}/configs/{https}", one):
        api.act("DELETE", path)


def test_every_operation_is_documented(api: Client) -> None:
    """Every operation takes the requests and returns the responses that the document describes."""
    document = contract()
    assert document is not None
    document.seen.clear()
    for drive in (
        drive_account,
        drive_sales,
        drive_linodes,
        drive_disks,
        drive_ips,
        drive_backups,
        drive_volumes,
        drive_images,
        drive_tags,
        drive_stackscripts,
        drive_firewalls,
        drive_domains,
        drive_balancers,
    ):
        drive(api)
    api.get("/account/events")
    assert len(document.seen) == sum(map(len, ROUTES.values()))


@pytest.mark.parametrize(
    "path",
    [
        f"{ALL}/1",
        f"{ALL}/1/disks",
        "/images/private/1",
        "/linode/types/none",
        "/linode/kernels/linode/none",
        "/regions/none",
        "/volumes/1",
        "/tags/none",
        "/profile/sshkeys/1",
        "/networking/ips/192.0.2.1",
        "/domains/1",
        "/nodebalancers/1",
        "/nodebalancers/1/configs/1",
        "/domains/1/records/1",
        "/nowhere",
    ],
)
def test_unknown_resources(api: Client, path: str) -> None:
    """An unknown resource or path is a 404 with the documented error body."""
    assert api.refused("GET", path) == (404, [(None, "Not found")])
