from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import urllib3

from polycloud.sandbox import Sandbox
from support.openstack import Client

ACCOUNT = "1100111"
IMAGE = "09de0a66-3156-48b4-90a5-1cf25a905207"
ORDER = {"name": "web", "flavorRef": "general1-1", "imageRef": IMAGE}
KEY = {"username": "sandbox", "apiKey": "a0b1c2d3e4f5rackspacesandbox"}


@contextmanager
def client(**settings: Any) -> Iterator[Client]:
    """A Rackspace without machines whose time passes only when a test says so, and its user in Dallas."""
    now = [1000.0]
    with (
        Sandbox("rackspace", ssh="off", clock=lambda: now[0], **settings) as cloud,
        urllib3.PoolManager(retries=False, timeout=10) as pool,
    ):
        roots = {"identity": f"{cloud.url}/identity/v2.0", "root": cloud.url}
        made = Client(roots, pool, now=now)
        access = log_in(made, {"RAX-KSKEY:apiKeyCredentials": KEY})
        for name, type_ in (
            ("compute", "compute"),
            ("volume", "volume"),
            ("network", "network"),
            ("image", "image"),
        ):
            [service] = [one for one in access["serviceCatalog"] if one["type"] == type_]
            roots[name] = next(one["publicURL"] for one in service["endpoints"] if one["region"] == "DFW")
        made.token = access["token"]["id"]
        yield made


@pytest.fixture
def cloud() -> Iterator[Client]:
    with client() as made:
        yield made


def log_in(cloud: Client, auth: dict[str, Any]) -> Any:
    return cloud.ask("POST", "identity/tokens", {"auth": auth})["access"]


def built(cloud: Client, **order: Any) -> Any:
    made = cloud.ask("POST", "compute/servers", {"server": {**ORDER, **order}})["server"]
    cloud.later(2)
    return cloud.ask("GET", f"compute/servers/{made['id']}")["server"]


def test_logins(cloud: Client) -> None:
    """The API key and the password log in to the account; anything else is refused with its envelope."""
    for auth in (
        {"RAX-KSKEY:apiKeyCredentials": KEY},
        {"passwordCredentials": {"username": "sandbox", "password": "rackspace_sandbox"}},
        {"token": {"id": cloud.token}, "tenantId": ACCOUNT},
    ):
        assert log_in(cloud, auth)["token"]["tenant"] == {"id": ACCOUNT, "name": ACCOUNT}
    for auth in (
        {"RAX-KSKEY:apiKeyCredentials": {**KEY, "apiKey": "x"}},
        {"RAX-KSKEY:apiKeyCredentials": {**KEY, "username": "x"}},
        {"RAX-KSKEY:apiKeyCredentials": KEY, "tenantId": "7"},
        {"token": {"id": "x"}},
        {},
    ):
        response = cloud.send("POST", "identity/tokens", {"auth": auth})
        assert (response.status, list(response.json())) == (401, ["unauthorized"])


def test_catalogue(cloud: Client) -> None:
    """The catalogue has Rackspace's names, six regions of each service, and DNS without a region."""
    services = log_in(cloud, {"RAX-KSKEY:apiKeyCredentials": KEY})["serviceCatalog"]
    names = {one["name"]: one for one in services}
    assert set(names) == {
        "cloudServersOpenStack",
        "cloudFiles",
        "cloudFilesCDN",
        "cloudLoadBalancers",
        "cloudDNS",
        "cloudBlockStorage",
        "cloudNetworks",
        "cloudImages",
    }
    regions = [one["region"] for one in names["cloudServersOpenStack"]["endpoints"]]
    assert regions == ["DFW", "ORD", "IAD", "LON", "SYD", "HKG"]
    assert "region" not in names["cloudDNS"]["endpoints"][0]
    assert names["cloudFiles"]["endpoints"][0]["tenantId"] == f"MossoCloudFS_{ACCOUNT}"


def test_servers(cloud: Client) -> None:
    """A server has addresses of both networks, Rackspace's fields, and links with the account."""
    server = built(cloud)
    assert {label: len(rows) for label, rows in server["addresses"].items()} == {"public": 1, "private": 1}
    assert set(server["addresses"]["public"][0]) == {"addr", "version"}
    assert server["accessIPv4"] == server["addresses"]["public"][0]["addr"]
    assert server["rax-bandwidth:bandwidth"] == []
    assert f"/DFW/compute/v2/{ACCOUNT}/servers/" in server["links"][0]["href"]
    other = cloud.roots["compute"].replace("DFW", "SYD")
    cloud.roots["compute"] = other
    assert cloud.ask("GET", "compute/servers") == {"servers": []}


def test_flavors(cloud: Client) -> None:
    """A flavour shows its class, and one without a disk boots from a volume only."""
    flavor = cloud.ask("GET", "compute/flavors/io1-15")["flavor"]
    assert flavor["OS-FLV-WITH-EXT-SPECS:extra_specs"]["class"] == "io1"
    assert (flavor["ram"], flavor["OS-FLV-EXT-DATA:ephemeral"], flavor["rxtx_factor"]) == (15360, 150, 1250.0)
    order = {"server": {**ORDER, "flavorRef": "memory1-15"}}
    assert cloud.refused("POST", "compute/servers", order)[0] == 400


def test_images_of_other_classes(cloud: Client) -> None:
    """An image that is not made for the class of a flavour is refused."""
    [metal] = [
        one for one in cloud.ask("GET", "image/images")["images"] if one["flavor_classes"] == "onmetal"
    ]
    assert cloud.refused("POST", "compute/servers", {"server": {**ORDER, "imageRef": metal["id"]}})[0] == 400


def test_rackconnect() -> None:
    """RackConnect's status is in the metadata, DEPLOYING at first, DEPLOYED after its time."""
    with client(rackconnect=True, rackconnect_seconds=10.0) as cloud:
        server = built(cloud)
        assert server["metadata"]["rackconnect_automation_status"] == "DEPLOYING"
        cloud.later(10)
        shown = cloud.ask("GET", f"compute/servers/{server['id']}")["server"]
        assert shown["metadata"]["rackconnect_automation_status"] == "DEPLOYED"


def test_networks(cloud: Client) -> None:
    """Rackspace's own API lists networks, makes and deletes the account's, and connects servers to them."""
    made = cloud.ask(
        "POST", "compute/os-networksv2", {"network": {"label": "mine", "cidr": "192.168.0.0/24"}}
    )
    network = made["network"]["id"]
    listed = {one["label"]: one for one in cloud.ask("GET", "compute/os-networksv2")["networks"]}
    assert listed["public"]["id"] == "00000000-0000-0000-0000-000000000000"
    assert listed["private"]["id"] == "11111111-1111-1111-1111-111111111111"
    assert ("cidr" in listed["public"], listed["mine"]["cidr"]) == (False, "192.168.0.0/24")
    server = built(cloud)
    path = f"compute/servers/{server['id']}/os-virtual-interfacesv2"
    body = {"virtual_interface": {"network_id": network}}
    [interface] = cloud.ask("POST", path, body)["virtual_interfaces"]
    assert interface["ip_addresses"][0]["network_label"] == "mine"
    assert cloud.refused("POST", path, body)[0] == 400
    assert cloud.refused("DELETE", f"compute/os-networksv2/{network}")[0] == 409
    cloud.ask("DELETE", f"{path}/{interface['id']}")
    assert len(cloud.ask("GET", path)["virtual_interfaces"]) == 2
    cloud.ask("DELETE", f"compute/os-networksv2/{network}")
    assert cloud.refused("GET", f"compute/os-networksv2/{network}")[0] == 404
    assert cloud.refused("DELETE", f"compute/os-networksv2/{listed['public']['id']}")[0] == 403


def test_block_storage(cloud: Client) -> None:
    """Volumes have a display_name and 75 to 1024 GB."""
    order = {"volume": {"display_name": "disk", "display_description": "d", "size": 75}}
    volume = cloud.ask("POST", "volume/volumes", order)["volume"]
    assert (volume["display_name"], volume["display_description"], "name" in volume) == ("disk", "d", False)
    [listed] = cloud.ask("GET", "volume/volumes/detail")["volumes"]
    assert listed["display_name"] == "disk"
    for size in (74, 1025):
        assert cloud.refused("POST", "volume/volumes", {"volume": {"size": size}})[0] == 400


def test_what_is_not_there(cloud: Client) -> None:
    """There is no Keystone of version 3, and there are no routers and floating IPs."""
    assert cloud.send("POST", "root/identity/v3/auth/tokens", {}).status in {401, 404}
    assert cloud.send("GET", "network/routers").status == 404
    assert cloud.send("GET", "network/floatingips").status == 404
