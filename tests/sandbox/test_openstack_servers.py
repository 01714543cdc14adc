from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.openstack import IMAGE, KEY, ORDER, Client, client

BIG = {"name": "big", "flavorRef": "9", "imageRef": IMAGE}


@pytest.fixture
def cloud() -> Iterator[Client]:
    """An OpenStack with the user demo."""
    with client() as made:
        yield made


def act(cloud: Client, server: dict[str, Any], action: str, body: Any = None, **more: Any) -> Any:
    return cloud.ask("POST", f"compute/servers/{server['id']}/action", {action: body}, **more)


def status(cloud: Client, server: dict[str, Any]) -> str:
    return str(cloud.ask("GET", f"compute/servers/{server['id']}")["server"]["status"])


def test_build(cloud: Client) -> None:
    """A server is in BUILD without addresses until it was built, then ACTIVE on the only network."""
    made = cloud.ask("POST", "compute/servers", {"server": ORDER})["server"]
    assert set(made) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    path = f"compute/servers/{made['id']}"
    building = cloud.ask("GET", path)["server"]
    assert (building["status"], building["addresses"], building["hostId"]) == ("BUILD", {}, "")
    cloud.later(2)
    built = cloud.ask("GET", path)["server"]
    assert (built["status"], built["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    [address] = built["addresses"]["public"]
    assert (address["version"], address["OS-EXT-IPS:type"]) == (4, "fixed")


def test_no_host(cloud: Client) -> None:
    """A flavour that no host has room for, and a create that is set to fail, end in ERROR with a fault."""
    shown = cloud.server(**BIG)
    assert (shown["status"], shown["fault"]["code"]) == ("ERROR", 500)
    assert shown["fault"]["message"].startswith("No valid host was found.")
    assert "details" not in shown["fault"]
    with client("admin", errored="create") as failing:
        assert "details" in failing.server()["fault"]


def test_quota() -> None:
    """One server or CPU more than the project may have is refused with 403, and counts are in the limits."""
    with client(server_limit=2, core_limit=3) as cloud:
        cloud.server()
        status, text = cloud.refused("POST", "compute/servers", {"server": {**ORDER, "flavorRef": "4"}})
        assert (status, text) == (
            403,
            "Quota exceeded for cores: Requested 4, but already used 1 of 3 cores",
        )
        cloud.server()
        status, text = cloud.refused("POST", "compute/servers", {"server": ORDER})
        assert (status, text) == (
            403,
            "Quota exceeded for instances: Requested 1, but already used 2 of 2 instances",
        )
        absolute = cloud.ask("GET", "compute/limits")["limits"]["absolute"]
        assert (absolute["totalInstancesUsed"], absolute["totalCoresUsed"]) == (2, 2)


@pytest.mark.parametrize(
    ("before", "action", "body", "during", "after"),
    [
        ([], "os-stop", None, "ACTIVE", "SHUTOFF"),
        ([("os-stop", None)], "os-start", None, "SHUTOFF", "ACTIVE"),
        ([], "reboot", {"type": "SOFT"}, "REBOOT", "ACTIVE"),
        ([("os-stop", None)], "reboot", {"type": "HARD"}, "HARD_REBOOT", "ACTIVE"),
        ([], "pause", None, "ACTIVE", "PAUSED"),
        ([("pause", None)], "unpause", None, "PAUSED", "ACTIVE"),
        ([], "suspend", None, "ACTIVE", "SUSPENDED"),
        ([("suspend", None)], "resume", None, "SUSPENDED", "ACTIVE"),
        ([], "rescue", {}, "ACTIVE", "RESCUE"),
        ([("rescue", {})], "unrescue", None, "RESCUE", "ACTIVE"),
        ([], "resize", {"flavorRef": "2"}, "RESIZE", "VERIFY_RESIZE"),
        ([("resize", {"flavorRef": "2"})], "confirmResize", None, "VERIFY_RESIZE", "ACTIVE"),
        ([("resize", {"flavorRef": "2"})], "revertResize", None, "REVERT_RESIZE", "ACTIVE"),
        ([], "rebuild", {"imageRef": IMAGE}, "REBUILD", "ACTIVE"),
        ([], "shelve", None, "ACTIVE", "SHELVED_OFFLOADED"),
        ([("shelve", None)], "unshelve", None, "SHELVED_OFFLOADED", "ACTIVE"),
        ([], "createImage", {"name": "copy"}, "ACTIVE", "ACTIVE"),
    ],
)
def test_actions(
    cloud: Client, before: list[tuple[str, Any]], action: str, body: Any, during: str, after: str
) -> None:
    """An action shows its own status while it goes on, and then that of its end."""
    server = cloud.server()
    for earlier, given in before:
        act(cloud, server, earlier, given)
        cloud.later(10)
    act(cloud, server, action, body)
    assert status(cloud, server) == during
    cloud.later(10)
    assert status(cloud, server) == after


def test_wrong_states(cloud: Client) -> None:
    """What a state does not allow, or another action under way, is refused with 409 and that state."""
    server = cloud.server()
    path = f"compute/servers/{server['id']}/action"
    start = f"Cannot 'start' instance {server['id']} while it is in vm_state active"
    assert cloud.refused("POST", path, {"os-start": None}) == (409, start)
    act(cloud, server, "os-stop")
    stop = f"Cannot 'stop' instance {server['id']} while it is in task_state powering-off"
    assert cloud.refused("POST", path, {"os-stop": None}) == (409, stop)


def test_lock(cloud: Client) -> None:
    """A locked server is left alone by its user, deleting included, and shows the lock since 2.9."""
    server = cloud.server()
    path = f"compute/servers/{server['id']}"
    act(cloud, server, "lock", {"locked_reason": "mine"}, version="2.73")
    shown = cloud.ask("GET", path, version="2.73")["server"]
    assert (shown["locked"], shown["locked_reason"]) == (True, "mine")
    assert cloud.refused("POST", f"{path}/action", {"os-stop": None})[0] == 409
    assert cloud.refused("DELETE", path) == (409, f"Instance {server['id']} is locked")
    act(cloud, server, "unlock")
    cloud.ask("DELETE", path)
    assert cloud.send("GET", path).status == 404


def test_resize_changes_the_flavor(cloud: Client) -> None:
    """A resize that is confirmed keeps the new flavour, one that is reverted the old one."""
    server = cloud.server()
    for verb, flavor in (("revertResize", "1"), ("confirmResize", "2")):
        act(cloud, server, "resize", {"flavorRef": "2"})
        cloud.later(10)
        act(cloud, server, verb)
        cloud.later(10)
        assert cloud.ask("GET", f"compute/servers/{server['id']}")["server"]["flavor"]["id"] == flavor


def test_failing_actions() -> None:
    """A resize that is set to fail leaves the server as it was."""
    with client(errored="resize") as cloud:
        server = cloud.server()
        act(cloud, server, "resize", {"flavorRef": "2"})
        cloud.later(10)
        shown = cloud.ask("GET", f"compute/servers/{server['id']}")["server"]
        assert (shown["status"], shown["flavor"]["id"]) == ("ACTIVE", "1")


def test_delete_while_building() -> None:
    """A server can be deleted while it is built, and is listed with its task until that is over."""
    with client(destroy=5.0) as cloud:
        path = f"compute/servers/{cloud.ask('POST', 'compute/servers', {'server': ORDER})['server']['id']}"
        for _ in range(2):
            cloud.ask("DELETE", path)
        cloud.later(4)
        assert cloud.ask("GET", path)["server"]["OS-EXT-STS:task_state"] == "deleting"
        cloud.later(1)
        assert cloud.send("GET", path).status == 404


def test_pages() -> None:
    """Lists come latest first in pages of the largest size, with a link where a page is full."""
    with client(seed_nodes=5, page_size=2) as cloud:
        names, path = [], "compute/servers/detail"
        while path:
            page = cloud.ask("GET", path)
            names += [server["name"] for server in page["servers"]]
            links = page.get("servers_links", [])
            path = f"compute/servers/{links[0]['href'].rpartition('/')[2]}" if links else ""
        assert names == [f"seed-0000{number}" for number in (5, 4, 3, 2, 1)]
        assert cloud.refused("GET", "compute/servers?marker=nope") == (400, "marker [nope] not found")


def test_filters(cloud: Client) -> None:
    """Lists can be filtered by name, status, image, flavour and tags, and have other orders."""
    first = cloud.server(name="first")
    cloud.server(name="second", flavorRef="2")
    cloud.ask("PUT", f"compute/servers/{first['id']}/tags/x", version="2.26")

    def names(query: str) -> list[str]:
        return [server["name"] for server in cloud.ask("GET", f"compute/servers?{query}")["servers"]]

    assert names("name=sec") == names("flavor=2") == names("limit=1") == ["second"]
    assert names("tags=x") == ["first"]
    assert names("status=ACTIVE") == names(f"image={IMAGE}") == ["second", "first"]
    assert names("status=error") == names("deleted=true") == []
    assert names("sort_key=display_name&sort_dir=asc") == ["first", "second"]


def test_projects_are_apart() -> None:
    """A server of another project is unknown, but for the administrator with all_tenants."""
    with client() as cloud:
        server = cloud.server()
        assert cloud.refused("GET", "compute/servers?all_tenants=1")[0] == 403
        cloud.log_in("admin", "openstack_sandbox", "admin")
        assert cloud.ask("GET", "compute/servers")["servers"] == []
        [seen] = cloud.ask("GET", "compute/servers/detail?all_tenants=1")["servers"]
        assert (seen["id"], seen["OS-EXT-SRV-ATTR:host"]) == (server["id"], "compute")
        other = cloud.server(name="of-admin")
        cloud.log_in("demo", "openstack_sandbox", "demo")
        text = f"Instance {other['id']} could not be found."
        assert cloud.refused("GET", f"compute/servers/{other['id']}") == (404, text)


def test_microversions(cloud: Client) -> None:
    """Fields come with their microversions, which the response names; one that is too high is refused."""
    server = cloud.server()
    path = f"compute/servers/{server['id']}"
    first = {
        "locked": "2.9",
        "description": "2.19",
        "tags": "2.26",
        "trusted_image_certificates": "2.63",
        "server_groups": "2.71",
        "locked_reason": "2.73",
        "OS-EXT-SRV-ATTR:hostname": "2.90",
    }
    for name, version in first.items():
        before = f"2.{int(version[2:]) - 1}"
        assert name not in cloud.ask("GET", path, version=before)["server"]
        response = cloud.send("GET", path, version=version)
        assert name in response.json()["server"]
        assert response.headers["OpenStack-API-Version"] == f"compute {version}"
    assert set(cloud.ask("GET", path, version="2.46")["server"]["flavor"]) == {"id", "links"}
    assert cloud.ask("GET", path, version="2.47")["server"]["flavor"]["original_name"] == "m1.tiny"
    assert cloud.refused("GET", path, version="2.97")[0] == 406
    assert cloud.send("GET", path, version="latest").headers["X-OpenStack-Nova-API-Version"] == "2.96"


def test_networks_must_be_chosen(cloud: Client) -> None:
    """With two networks a server must name one, since 2.37 always; "none" gives it no address."""
    network = cloud.ask("POST", "network/networks", {"network": {"name": "mine"}})["network"]["id"]
    cloud.ask(
        "POST", "network/subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"}}
    )
    text = "Multiple possible networks found, use a Network ID to be more specific."
    assert cloud.refused("POST", "compute/servers", {"server": ORDER}) == (409, text)
    shown = cloud.server(networks=[{"uuid": network, "fixed_ip": "10.1.0.9"}])
    assert [row["addr"] for row in shown["addresses"]["mine"]] == ["10.1.0.9"]
    assert cloud.refused("POST", "compute/servers", {"server": ORDER}, version="2.37")[0] == 400
    order = {"server": {**ORDER, "networks": "none"}}
    path = f"compute/servers/{cloud.ask('POST', 'compute/servers', order, version='2.37')['server']['id']}"
    cloud.later(2)
    assert cloud.ask("GET", path)["server"]["addresses"] == {}


def test_boot_from_volume(cloud: Client) -> None:
    """A server that boots from a new volume has no image, and its disk goes with it if it is to."""
    disk = {
        "boot_index": 0,
        "uuid": IMAGE,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 3,
        "delete_on_termination": True,
    }
    server = cloud.server(imageRef="", block_device_mapping_v2=[disk])
    [volume] = cloud.ask("GET", "volume/volumes/detail")["volumes"]
    assert (server["image"], volume["size"], volume["bootable"], volume["status"]) == (
        "",
        3,
        "true",
        "in-use",
    )
    assert server["os-extended-volumes:volumes_attached"] == [{"id": volume["id"]}]
    cloud.ask("DELETE", f"compute/servers/{server['id']}")
    assert cloud.ask("GET", "volume/volumes")["volumes"] == []


def test_volume_attachments(cloud: Client) -> None:
    """A volume is attached and detached in its time, once at a time."""
    server = cloud.server()
    volume = cloud.ask("POST", "volume/volumes", {"volume": {"size": 1}})["volume"]["id"]
    cloud.later(2)
    path = f"compute/servers/{server['id']}/os-volume_attachments"
    body = {"volumeAttachment": {"volumeId": volume}}
    assert cloud.ask("POST", path, body)["volumeAttachment"]["device"] == "/dev/vdb"
    assert cloud.ask("GET", f"volume/volumes/{volume}")["volume"]["status"] == "attaching"
    assert cloud.refused("POST", path, body)[0] == 400
    cloud.later(2)
    shown = cloud.ask("GET", f"volume/volumes/{volume}")["volume"]
    assert (shown["status"], shown["attachments"][0]["server_id"]) == ("in-use", server["id"])
    cloud.ask("DELETE", f"{path}/{volume}")
    assert cloud.ask("GET", f"volume/volumes/{volume}")["volume"]["status"] == "detaching"
    cloud.later(2)
    assert cloud.ask("GET", path) == {"volumeAttachments": []}
    assert cloud.ask("GET", f"volume/volumes/{volume}")["volume"]["status"] == "available"


def test_delete_while_attaching(cloud: Client) -> None:
    """A volume that is being attached to a server that is deleted is free."""
    server = cloud.server()
    volume = cloud.ask("POST", "volume/volumes", {"volume": {"size": 1}})["volume"]["id"]
    cloud.later(2)
    path = f"compute/servers/{server['id']}"
    cloud.ask("POST", f"{path}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume}})
    cloud.ask("DELETE", path)
    cloud.later(2)
    shown = cloud.ask("GET", f"volume/volumes/{volume}")["volume"]
    assert (shown["status"], shown["attachments"]) == ("available", [])


def test_interfaces(cloud: Client) -> None:
    """A server can have more ports, and loses them again."""
    server = cloud.server()
    path = f"compute/servers/{server['id']}/os-interface"
    [network] = cloud.ask("GET", "network/networks")["networks"]
    more = cloud.ask("POST", path, {"interfaceAttachment": {"net_id": network["id"]}})["interfaceAttachment"]
    assert [one["net_id"] for one in cloud.ask("GET", path)["interfaceAttachments"]] == [network["id"]] * 2
    cloud.ask("DELETE", f"{path}/{more['port_id']}")
    assert len(cloud.ask("GET", path)["interfaceAttachments"]) == 1
    assert cloud.send("GET", f"network/ports/{more['port_id']}").status == 404


def test_floating_ip(cloud: Client) -> None:
    """A floating IP reaches a port by a router, is among the server's addresses, and goes with the port."""
    network = cloud.ask("POST", "network/networks", {"network": {"name": "mine"}})["network"]["id"]
    order = {"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"}
    subnet = cloud.ask("POST", "network/subnets", {"subnet": order})["subnet"]["id"]
    [public] = cloud.ask("GET", "network/networks?router:external=true")["networks"]
    server = cloud.server(networks=[{"uuid": network}])
    [port] = cloud.ask("GET", f"network/ports?device_id={server['id']}")["ports"]
    body = {"floatingip": {"floating_network_id": public["id"]}}
    floating = cloud.ask("POST", "network/floatingips", body)["floatingip"]
    path = f"network/floatingips/{floating['id']}"
    to_port = {"floatingip": {"port_id": port["id"]}}
    assert cloud.refused("PUT", path, to_port)[0] == 404
    gateway = {"external_gateway_info": {"network_id": public["id"]}}
    router = cloud.ask("POST", "network/routers", {"router": gateway})["router"]["id"]
    cloud.ask("PUT", f"network/routers/{router}/add_router_interface", {"subnet_id": subnet})
    assert cloud.ask("PUT", path, to_port)["floatingip"]["status"] == "ACTIVE"
    rows = cloud.ask("GET", f"compute/servers/{server['id']}")["server"]["addresses"]["mine"]
    assert [(row["OS-EXT-IPS:type"], row["addr"]) for row in rows] == [
        ("fixed", "10.1.0.2"),
        ("floating", floating["floating_ip_address"]),
    ]
    cloud.ask("DELETE", f"compute/servers/{server['id']}")
    assert cloud.ask("GET", path)["floatingip"]["port_id"] is None


def test_ports_as_interfaces_of_routers(cloud: Client) -> None:
    """A router takes the port that is named and no other, one that is free, and gives that one back."""
    network = cloud.ask("POST", "network/networks", {"network": {"name": "mine"}})["network"]["id"]
    order = {"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"}
    subnet = cloud.ask("POST", "network/subnets", {"subnet": order})["subnet"]["id"]
    port, other = (
        cloud.ask("POST", "network/ports", {"port": {"network_id": network}})["port"] for _ in range(2)
    )
    path = f"network/routers/{cloud.ask('POST', 'network/routers', {'router': {}})['router']['id']}"
    added = cloud.ask("PUT", f"{path}/add_router_interface", {"port_id": port["id"]})
    assert (added["port_id"], added["subnet_id"]) == (port["id"], subnet)
    shown = cloud.ask("GET", f"network/ports/{port['id']}")["port"]
    assert (shown["device_id"], shown["device_owner"]) == (added["id"], "network:router_interface")
    assert shown["fixed_ips"] == port["fixed_ips"]
    in_use = cloud.refused("PUT", f"{path}/add_router_interface", {"port_id": port["id"]})
    assert in_use[0] == 409
    twice = cloud.refused("PUT", f"{path}/add_router_interface", {"port_id": other["id"]})
    assert twice[0] == 400
    for named, status in ((other["id"], 404), ("nowhere", 404), (None, 400)):
        assert cloud.refused("PUT", f"{path}/remove_router_interface", {"port_id": named})[0] == status
    assert cloud.ask("PUT", f"{path}/remove_router_interface", {"port_id": port["id"]}) == added
    assert cloud.send("GET", f"network/ports/{port['id']}").status == 404


def test_snapshot(cloud: Client) -> None:
    """An image of a server is saved in its time, and then another server can be made from it."""
    server = cloud.server()
    image = act(cloud, server, "createImage", {"name": "copy"}, version="2.45")["image_id"]
    shown = cloud.ask("GET", f"image/images/{image}")
    assert (shown["status"], shown["visibility"], shown["instance_uuid"]) == (
        "saving",
        "private",
        server["id"],
    )
    order = {"server": {**ORDER, "imageRef": image}}
    assert cloud.refused("POST", "compute/servers", order) == (400, f"Image {image} is not active.")
    cloud.later(1)
    assert cloud.ask("GET", f"image/images/{image}")["status"] == "active"
    assert cloud.server(imageRef=image)["image"]["id"] == image


def test_keypairs() -> None:
    """Key pairs are the user's, paged by name since 2.35, and put on new servers."""
    with client(seed_keypairs=3, page_size=2) as cloud:
        cloud.ask("POST", "compute/os-keypairs", {"keypair": {"name": "mine", "public_key": KEY}})
        page = cloud.ask("GET", "compute/os-keypairs", version="2.35")
        assert [row["keypair"]["name"] for row in page["keypairs"]] == ["mine", "seed-0001"]
        assert page["keypairs_links"][0]["href"].endswith("os-keypairs?marker=seed-0001")
        assert len(cloud.ask("GET", "compute/os-keypairs")["keypairs"]) == 4
        assert cloud.server(key_name="mine")["key_name"] == "mine"
        cloud.log_in("admin", "openstack_sandbox", "admin")
        assert cloud.ask("GET", "compute/os-keypairs")["keypairs"] == []


def test_generated_keypair(cloud: Client) -> None:
    """Before 2.92 Nova makes a key pair on request, and shows the private key once."""
    pytest.importorskip("asyncssh")
    made = cloud.ask("POST", "compute/os-keypairs", {"keypair": {"name": "new"}})["keypair"]
    assert made["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert made["public_key"].startswith("ssh-rsa ")
    assert "private_key" not in cloud.ask("GET", "compute/os-keypairs/new")["keypair"]


def test_several_servers(cloud: Client) -> None:
    """One create makes several servers, with numbers after the name, and may answer with a reservation."""
    body = {"server": {**ORDER, "min_count": 2, "return_reservation_id": True}}
    assert set(cloud.ask("POST", "compute/servers", body)) == {"reservation_id"}
    assert [one["name"] for one in cloud.ask("GET", "compute/servers")["servers"]] == ["web-2", "web-1"]


def test_server_groups(cloud: Client) -> None:
    """A server that is made with a hint is a member of the group."""
    order = {"server_group": {"name": "g", "policies": ["affinity"]}}
    group = cloud.ask("POST", "compute/os-server-groups", order)["server_group"]["id"]
    body = {"server": ORDER, "os:scheduler_hints": {"group": group}}
    server = cloud.ask("POST", "compute/servers", body)["server"]["id"]
    assert cloud.ask("GET", f"compute/os-server-groups/{group}")["server_group"]["members"] == [server]
    body["os:scheduler_hints"] = {"group": "nope"}
    assert cloud.refused("POST", "compute/servers", body)[0] == 400


def test_rate_limit() -> None:
    """More requests a minute than the limit are refused with 413 and a time to wait; other services go on."""
    with client(minute_limit=2) as cloud:
        for _ in range(2):
            cloud.ask("GET", "compute/servers")
        response = cloud.send("GET", "compute/servers")
        assert (response.status, response.headers["Retry-After"]) == (413, "60")
        assert response.json()["overLimit"]["code"] == 413
        assert cloud.send("GET", "image/images").status == 200


def test_migrate_needs_the_administrator() -> None:
    """A migration is the administrator's, and ends like a resize to the same flavour."""
    with client() as cloud:
        server = cloud.server()
        path = f"compute/servers/{server['id']}/action"
        assert cloud.refused("POST", path, {"migrate": None})[0] == 403
        cloud.log_in("admin", "openstack_sandbox", "admin")
        cloud.ask("POST", path, {"migrate": None})
        cloud.later(10)
        assert status(cloud, server) == "VERIFY_RESIZE"


def test_fit(cloud: Client) -> None:
    """An image that needs more memory or disk than the flavour has is refused."""
    rocky = "76fa36fc-c930-4bf3-8c8a-ea2a2420deb6"
    for flavor, text in (("1", "Flavor's memory is too small"), ("2", None), ("c1", None)):
        order = {"server": {"name": "x", "flavorRef": flavor, "imageRef": rocky}}
        if text:
            assert cloud.refused("POST", "compute/servers", order)[1].startswith(text)
        else:
            cloud.ask("POST", "compute/servers", order)
