"""Glance, Neutron and Cinder of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.openstack import IMAGE, Client, client

PATCH = {"Content_Type": "application/openstack-images-v2.1-json-patch"}
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def cloud() -> Iterator[Client]:
    """An OpenStack with the user demo."""
    with client() as made:
        yield made


# Glance


def test_image_pages() -> None:
    """Images come in pages of the size asked for, each with the path of the next one."""
    with client(page_size=3) as cloud:
        names, path = [], "/v2/images?limit=1"
        while path:
            page = cloud.ask("GET", f"image{path.removeprefix('/v2')}")
            names += [image["name"] for image in page["images"]]
            path = page.get("next", "")
        assert sorted(names) == ["cirros-0.6", "debian-12", "rocky-9", "ubuntu-24.04"]
        assert len(cloud.ask("GET", "image/images")["images"]) == 3


def test_image_life(cloud: Client) -> None:
    """An image is queued until it has bytes, then active; it is changed by patches and can be deactivated."""
    order = {"name": "mine", "disk_format": "raw", "container_format": "bare", "os_distro": "arch"}
    made = cloud.ask("POST", "image/images", order)
    path = f"image/images/{made['id']}"
    assert (made["status"], made["visibility"], made["size"], made["os_distro"]) == (
        "queued",
        "shared",
        None,
        "arch",
    )
    cloud.ask("PUT", f"{path}/file", b"abc", Content_Type="application/octet-stream")
    assert cloud.send("GET", f"{path}/file").data == b"abc"
    shown = cloud.ask("GET", path)
    assert (shown["status"], shown["size"]) == ("active", 3)
    assert shown["checksum"] == "900150983cd24fb0d6963f7d28e17f72"
    cloud.ask("PATCH", path, b'[{"op": "replace", "path": "/name", "value": "new"}]', **PATCH)
    cloud.ask("PATCH", path, b'[{"op": "add", "path": "/zoo", "value": "1"}]', **PATCH)
    cloud.ask("PATCH", path, b'[{"op": "remove", "path": "/os_distro"}]', **PATCH)
    shown = cloud.ask("GET", path)
    assert (shown["name"], shown["zoo"], "os_distro" in shown) == ("new", "1", False)
    cloud.ask("POST", f"{path}/actions/deactivate")
    assert cloud.ask("GET", path)["status"] == "deactivated"
    assert cloud.send("GET", f"{path}/file").status == 403
    cloud.ask("DELETE", path)
    assert cloud.send("GET", path).status == 404


def test_image_owners(cloud: Client) -> None:
    """A project does not see another's image unless it is a member, and changes only its own."""
    assert cloud.refused("DELETE", f"image/images/{IMAGE}") == (
        403,
        "You do not own this image<br /><br />\n\n\n",
    )
    assert cloud.refused("POST", "image/images", {"visibility": "public"})[0] == 403
    demo = cloud.project
    cloud.log_in("admin", "openstack_sandbox", "admin")
    path = f"image/images/{cloud.ask('POST', 'image/images', {'name': 'theirs'})['id']}"
    cloud.token, admin = "", cloud.token
    cloud.log_in("demo", "openstack_sandbox", "demo")
    assert cloud.send("GET", path).status == 404
    cloud.token, mine = admin, cloud.token
    cloud.ask("POST", f"{path}/members", {"member": demo})
    cloud.token = mine
    assert cloud.ask("GET", path)["name"] == "theirs"
    cloud.ask("PUT", f"{path}/members/{demo}", {"status": "accepted"})
    assert cloud.ask("GET", f"{path}/members")["members"][0]["status"] == "accepted"


def test_image_filters(cloud: Client) -> None:
    """Images can be filtered by name, visibility, tag and property."""
    cloud.ask("POST", "image/images", {"name": "mine", "visibility": "private", "tags": ["x"]})

    def names(query: str) -> list[str]:
        return [image["name"] for image in cloud.ask("GET", f"image/images?{query}")["images"]]

    assert names("name=debian-12") == names("os_distro=debian") == ["debian-12"]
    assert names("visibility=private") == names("tag=x") == names("status=queued") == ["mine"]
    assert names("name=in:debian-12,rocky-9&sort=name:asc") == ["debian-12", "rocky-9"]


def test_errors_of_glance(cloud: Client) -> None:
    """Glance puts an error in HTML unless JSON is asked for."""
    response = cloud.send("GET", "image/images/nope", Accept="*/*")
    assert (response.status, response.headers["Content-Type"]) == (404, "text/html; charset=UTF-8")
    assert "<h1>404 Not Found</h1>" in response.data.decode()
    assert cloud.send("GET", "image/images/nope").json()["code"] == "404 Not Found"


# Neutron


def test_networks_and_subnets(cloud: Client) -> None:
    """A network has the subnets that are made in it, and is deleted with them once no port is left."""
    network = cloud.ask("POST", "network/networks", {"network": {"name": "n"}})["network"]
    order = {"network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24"}
    subnet = cloud.ask("POST", "network/subnets", {"subnet": order})["subnet"]
    assert (subnet["gateway_ip"], subnet["allocation_pools"]) == (
        "10.1.0.1",
        [{"start": "10.1.0.2", "end": "10.1.0.254"}],
    )
    path = f"network/networks/{network['id']}"
    assert cloud.ask("GET", path)["network"]["subnets"] == [subnet["id"]]
    changed = cloud.ask("PUT", path, {"network": {"name": "m"}})["network"]
    assert (changed["name"], changed["revision_number"]) == ("m", network["revision_number"] + 1)
    port = cloud.ask("POST", "network/ports", {"port": {"network_id": network["id"]}})["port"]
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.1.0.2"}]
    response = cloud.send("DELETE", path)
    assert (response.status, response.json()["NeutronError"]["type"]) == (409, "NetworkInUse")
    cloud.ask("DELETE", f"network/ports/{port['id']}")
    cloud.ask("DELETE", path)
    assert cloud.send("GET", f"network/subnets/{subnet['id']}").status == 404


@pytest.mark.parametrize(
    ("collection", "body", "status", "kind"),
    [
        ("networks", {}, 400, "HTTPBadRequest"),
        ("networks", {"network": {"bogus": 1}}, 400, "HTTPBadRequest"),
        ("networks", {"network": {"shared": True}}, 403, "PolicyNotAuthorized"),
        ("subnets", {"subnet": {"network_id": NOWHERE, "cidr": "10.0.0.0/8"}}, 404, "NetworkNotFound"),
        ("ports", {"port": {"network_id": NOWHERE}}, 404, "NetworkNotFound"),
        ("floatingips", {"floatingip": {"floating_network_id": NOWHERE}}, 404, "NetworkNotFound"),
        (
            "security-group-rules",
            {"security_group_rule": {"security_group_id": NOWHERE, "direction": "ingress"}},
            404,
            "SecurityGroupNotFound",
        ),
        (
            "security-groups",
            {"security_group": {"name": "default"}},
            409,
            "SecurityGroupDefaultAlreadyExists",
        ),
    ],
)
def test_refusals_of_neutron(
    cloud: Client, collection: str, body: dict[str, object], status: int, kind: str
) -> None:
    """A refused create has Neutron's envelope, with its word for what is wrong."""
    response = cloud.send("POST", f"network/{collection}", body)
    error = response.json()["NeutronError"]
    assert (response.status, error["type"], error["detail"]) == (status, kind, "")


def test_security_groups() -> None:
    """A project has a group "default", adds groups up to its quota, and rules that differ from each other."""
    with client(security_group_limit=2) as cloud:
        assert [
            group["name"] for group in cloud.ask("GET", "network/security-groups")["security_groups"]
        ] == ["default"]
        body = {"security_group": {"name": "web"}}
        group = cloud.ask("POST", "network/security-groups", body)["security_group"]
        assert [rule["direction"] for rule in group["security_group_rules"]] == ["egress", "egress"]
        assert (
            cloud.send("POST", "network/security-groups", body).json()["NeutronError"]["type"] == "OverQuota"
        )
        rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
        ports = {"port_range_min": 80, "port_range_max": 90}
        order = {"security_group_rule": {**rule, **ports}}
        made = cloud.ask("POST", "network/security-group-rules", order)["security_group_rule"]
        assert (made["ethertype"], made["port_range_max"]) == ("IPv4", 90)
        assert cloud.refused("POST", "network/security-group-rules", order)[0] == 409
        cloud.server(security_groups=[{"name": "web"}])
        path = f"network/security-groups/{group['id']}"
        assert cloud.send("DELETE", path).json()["NeutronError"]["type"] == "SecurityGroupInUse"
        server = cloud.ask("GET", "compute/servers")["servers"][0]["id"]
        cloud.ask("DELETE", f"compute/servers/{server}")
        cloud.ask("DELETE", path)


def test_pages_of_neutron(cloud: Client) -> None:
    """Lists are whole unless a limit is asked for, and then have links in both directions."""
    for name in "abc":
        cloud.ask("POST", "network/networks", {"network": {"name": name}})
    assert set(cloud.ask("GET", "network/networks")) == {"networks"}
    page = cloud.ask("GET", "network/networks?limit=3")
    assert [link["rel"] for link in page["networks_links"]] == ["next", "previous"]
    rest = page["networks_links"][0]["href"].rpartition("/")[2]
    last = cloud.ask("GET", f"network/{rest}")
    assert len({one["id"] for one in page["networks"] + last["networks"]}) == 4
    [back] = last["networks_links"]
    assert back["rel"] == "previous"
    assert cloud.ask("GET", f"network/{back['href'].rpartition('/')[2]}")["networks"] == page["networks"]
    named = cloud.ask("GET", "network/networks?name=a&name=b&fields=name&sort_key=name&sort_dir=desc")
    assert named == {"networks": [{"name": "b"}, {"name": "a"}]}


# Cinder


def test_volume_life(cloud: Client) -> None:
    """A volume is created, extended and deleted in its time, and not while it has snapshots."""
    made = cloud.ask("POST", "volume/volumes", {"volume": {"size": 1, "name": "v"}})["volume"]
    path = f"volume/volumes/{made['id']}"
    assert (made["status"], made["volume_type"]) == ("creating", "__DEFAULT__")
    cloud.later(1)
    cloud.ask("POST", f"{path}/action", {"os-extend": {"new_size": 2}})
    assert cloud.ask("GET", path)["volume"]["status"] == "extending"
    cloud.later(1)
    shown = cloud.ask("GET", path)["volume"]
    assert (shown["status"], shown["size"]) == ("available", 2)
    order = {"snapshot": {"volume_id": made["id"], "name": "s"}}
    snapshot = cloud.ask("POST", "volume/snapshots", order)["snapshot"]["id"]
    assert cloud.refused("DELETE", path)[0] == 400
    cloud.later(1)
    assert cloud.ask("GET", f"volume/snapshots/{snapshot}")["snapshot"]["status"] == "available"
    copy = cloud.ask("POST", "volume/volumes", {"volume": {"snapshot_id": snapshot}})["volume"]
    assert (copy["size"], copy["snapshot_id"]) == (2, snapshot)
    cloud.ask("DELETE", f"volume/snapshots/{snapshot}")
    cloud.later(1)
    cloud.ask("DELETE", path)
    assert cloud.ask("GET", path)["volume"]["status"] == "deleting"
    cloud.later(1)
    assert cloud.refused("GET", path) == (404, f"Volume {made['id']} could not be found.")


def test_volume_quota() -> None:
    """One volume or gigabyte too many is refused with 413, and counts are in quotas and limits."""
    with client(volume_limit=1) as cloud:
        status, text = cloud.refused("POST", "volume/volumes", {"volume": {"size": 20000}})
        assert (status, text.partition(":")[0]) == (413, "VolumeSizeExceedsAvailableQuota")
        cloud.ask("POST", "volume/volumes", {"volume": {"size": 2}})
        response = cloud.send("POST", "volume/volumes", {"volume": {"size": 1}})
        assert (response.status, response.headers["Retry-After"]) == (413, "0")
        assert response.json()["overLimit"]["message"].startswith("VolumeLimitExceeded")
        usage = cloud.ask("GET", f"volume/os-quota-sets/{cloud.project}?usage=true")["quota_set"]
        assert (usage["volumes"]["in_use"], usage["gigabytes"]["in_use"]) == (1, 2)
        assert cloud.ask("GET", "volume/limits")["limits"]["absolute"]["totalVolumesUsed"] == 1


def test_failing_volumes() -> None:
    """A volume that is set to fail ends in error, from which it can be deleted."""
    with client(errored="create_volume") as cloud:
        path = (
            f"volume/volumes/{cloud.ask('POST', 'volume/volumes', {'volume': {'size': 1}})['volume']['id']}"
        )
        cloud.later(1)
        assert cloud.ask("GET", path)["volume"]["status"] == "error"
        cloud.ask("DELETE", path)
        cloud.later(1)
        assert cloud.send("GET", path).status == 404


def test_volume_metadata(cloud: Client) -> None:
    """A volume's metadata is merged, replaced and deleted by key."""
    volume = cloud.ask("POST", "volume/volumes", {"volume": {"size": 1}})["volume"]["id"]
    path = f"volume/volumes/{volume}/metadata"
    assert cloud.ask("POST", path, {"metadata": {"a": "b"}}) == {"metadata": {"a": "b"}}
    assert cloud.ask("POST", path, {"metadata": {"c": "d"}}) == {"metadata": {"a": "b", "c": "d"}}
    cloud.ask("DELETE", f"{path}/a")
    assert cloud.ask("GET", path) == {"metadata": {"c": "d"}}
    assert cloud.refused("DELETE", f"{path}/a")[0] == 404
    assert cloud.ask("PUT", path, {"metadata": {}}) == {"metadata": {}}


def test_paths_with_the_project(cloud: Client) -> None:
    """Nova and Cinder take paths that name the project, as catalogues have them."""
    assert cloud.ask("GET", f"volume/{cloud.project}/volumes") == {"volumes": []}
    assert cloud.ask("GET", f"compute/{cloud.project}/servers") == {"servers": []}
