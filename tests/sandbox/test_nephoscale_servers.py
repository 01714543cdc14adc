from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., dict[str, Any]]
    Built = Callable[..., dict[str, Any]]
    Later = Callable[[float], None]
    Send = Callable[..., urllib3.BaseHTTPResponse]

ORDER = {"name": "web", "service_type": 3, "image": 49}


def power(ask: Ask) -> list[str]:
    """Return the power status of each listed server."""
    return [server["power_status"] for server in ask("GET", "/server/cloud/")["data"]]


def test_a_create_returns_a_job(cloud: Sandbox, ask: Ask) -> None:
    """A create returns a job, which does not name the server."""
    response = ask("POST", "/server/cloud/", **ORDER)
    assert (response["success"], response["response"], response["subcode"]) == (True, 202, 0)
    job = response["data"]
    assert job == {"id": job["id"], "resource_type": "/job", "uri": f"{cloud.url}/job/{job['id']}/"}
    assert str(cloud.servers[0]["id"]) not in str(job)


def test_the_life_of_a_server(ask: Ask, later: Later) -> None:
    """A server is not listed at first, then without addresses, then on with a public and a private one."""
    ask("POST", "/server/cloud/", **ORDER)
    later(0.49)
    assert ask("GET", "/server/cloud/")["data"] == []
    later(0.01)
    (server,) = ask("GET", "/server/cloud/")["data"]
    assert (server["power_status"], server["ipaddresses"], server["postinit_state"]) == ("unknown", "", 0)
    later(1.5)
    (server,) = ask("GET", "/server/cloud/")["data"]
    assert (server["power_status"], server["ipaddresses"]) == ("on", "198.51.100.2, 10.132.60.2")


def test_the_fields_of_a_server(built: Built, ask: Ask) -> None:
    """A built server has its zone, image, size, keys and network ports."""
    key = ask("POST", "/key/password/", name="k", password="secret")["data"]["id"]
    server = built("w", hostname="host", zone=3022, service_type=9, console_key=key)
    assert (server["name"], server["hostname"], server["memory"]) == ("w", "host", 4096)
    assert server["zone"]["name"] == "RIC-1"
    assert server["image"]["friendly_name"] == "Ubuntu Server 12.04 LTS 64-bit"
    assert server["service_type"]["friendly_name"] == "CS4.4 - 4GB, 4Core, 200GB"
    assert server["service_type"]["sku"]["name"] == "CS4.4"
    assert server["service_type"]["billable_type"] == 1
    assert server["server_keys"] == []
    assert [(used["id"], used["key_group"], used["key_type"]) for used in server["console_keys"]] == [
        (key, 4, 1)
    ]
    assert server["is_console_enabled"] is True
    ports = server["network_ports"]
    assert [port["devname"] for port in ports] == ["eth0", "eth1"]
    assert [port["network_domain"]["domain_type"] for port in ports] == [0, 1]
    assert len({port["macaddress"] for port in ports}) == 2


def test_names_need_not_differ(built: Built) -> None:
    """Two servers may have the same name; their ids and addresses differ."""
    one, two = built("same"), built("same")
    assert one["name"] == two["name"]
    assert one["id"] != two["id"]
    assert not set(one["ipaddresses"].split(", ")) & set(two["ipaddresses"].split(", "))


@pytest.mark.parametrize("name", ["naïve 🦆", "a\nb\r\nc", '"it\'s" & <b>=+%41', " padded "])
def test_names_stay_as_they_are(built: Built, name: str) -> None:
    """A name is listed exactly as it was given."""
    assert built(name)["name"] == name


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"image": ""}, "image"),
        ({"image": 999}, "image"),
        ({"image": "None"}, "image"),
        ({"image": 30}, "image"),
        ({"image": 62, "zone": 3022}, "image"),
        ({"service_type": ""}, "service_type"),
        ({"service_type": 999}, "service_type"),
        ({"service_type": 70}, "service_type"),
        ({"zone": 999}, "zone"),
        ({"zone": 3023}, "zone"),
        ({"server_key": 999}, "server_key"),
        ({"console_key": 999}, "console_key"),
        ({"ips": "198.51.100.9"}, "networks"),
        ({"ips": "198.51.100.9", "networks": "999"}, "networks"),
        ({"ips": "198.51.100.9", "networks": "203"}, "networks"),
        ({"ips": "198.51.100.9", "networks": "202"}, "ips"),
        ({"ips": "198.51.100.1", "networks": "201"}, "ips"),
        ({"networks": "201,201"}, "networks"),
    ],
)
def test_wrong_orders(cloud: Sandbox, send: Send, change: dict[str, Any], field: str) -> None:
    """An invalid order gets HTTP 200 with an error that names the field, and no server is created."""
    response = send("POST", "/server/cloud/", **{**ORDER, **change})
    assert response.status == 200
    envelope = response.json()
    assert (envelope["success"], envelope["response"]) == (False, 400)
    assert envelope["subcode"] > 0
    assert envelope["message"].startswith(f"{field}: ")
    assert cloud.servers == []


def test_a_key_of_the_wrong_group(ask: Ask) -> None:
    """A console key is not accepted as server key, nor a server key as console key."""
    key = ask("POST", "/key/password/", name="k", password="secret")["data"]["id"]
    other = ask("POST", "/key/password/", name="l", password="secret", key_group=1)["data"]["id"]
    for field, wrong in [("server_key", key), ("console_key", other)]:
        message = ask("POST", "/server/cloud/", **ORDER, **{field: wrong})["message"]
        assert message.startswith(f"{field}: ")


def test_the_zone_is_optional(built: Built) -> None:
    """Without a zone a server is created in the first zone that has the image."""
    assert built()["zone"]["name"] == "SJC-1"
    assert built(image=33)["zone"]["name"] == "RIC-1"


def test_chosen_addresses(built: Built, ask: Ask) -> None:
    """A server gets the addresses that were chosen, which no other server can get then."""
    chosen = {"ips": "198.51.100.77, 10.132.60.5", "networks": "201,202"}
    assert built(**chosen)["ipaddresses"] == "198.51.100.77, 10.132.60.5"
    response = ask("POST", "/server/cloud/", **ORDER, **chosen)
    assert (response["success"], response["response"]) == (False, 409)
    assert response["message"].startswith("ips: ")


def test_networks_alone(built: Built) -> None:
    """With networks and no addresses a server gets a free address of each, in that order."""
    assert built(networks="202")["ipaddresses"] == "10.132.60.2"
    assert built(networks="202,201")["ipaddresses"] == "10.132.60.3, 198.51.100.2"


def test_power(ask: Ask, built: Built, later: Later) -> None:
    """Stop, start and restart return a job at once and take effect after their time."""
    path = f"/server/cloud/{built()['id']}/initiator"
    for verb, meanwhile, then in [
        ("stop", "on", "off"),
        ("start", "off", "on"),
        ("restart", "unknown", "on"),
        ("stop", "on", "off"),
        ("restart", "unknown", "on"),
    ]:
        response = ask("POST", f"{path}/{verb}/")
        assert (response["response"], response["data"]["resource_type"]) == (202, "/job")
        assert power(ask) == [meanwhile]
        later(0.5)
        assert power(ask) == [then]


def test_jobs_queue(ask: Ask, later: Later) -> None:
    """Jobs that are submitted while another one runs are carried out afterwards, in order."""
    ask("POST", "/server/cloud/", **ORDER)
    later(1)
    (server,) = ask("GET", "/server/cloud/")["data"]
    jobs = [
        ask("POST", f"/server/cloud/{server['id']}/initiator/{verb}/")["data"]["id"]
        for verb in ("stop", "start", "restart")
    ]
    assert len(set(jobs)) == 3
    seen = []
    for seconds in (0.9, 0.1, 0.5, 0.5, 0.5):
        later(seconds)
        seen += power(ask)
    assert seen == ["unknown", "on", "off", "unknown", "on"]


def test_destroy(ask: Ask, built: Built, later: Later) -> None:
    """A destroyed server disappears after its time, and its addresses are free again."""
    server = built()
    response = ask("DELETE", f"/server/cloud/{server['id']}/")
    assert (response["response"], response["data"]["resource_type"]) == (202, "/job")
    assert power(ask) == ["on"]
    later(0.5)
    assert power(ask) == []
    for ip_type, address in enumerate(server["ipaddresses"].split(", ")):
        query = f"/network/cidr/ipv4/?fields=ipaddress_list_unassigned&ip_type={ip_type}"
        assert address in ask("GET", query)["data"][0]["ipaddress_list_unassigned"]


def test_destroy_again(send: Send, built: Built, later: Later) -> None:
    """A destroy can be repeated, also when the server is gone; if it never existed that is a 404."""
    path = f"/server/cloud/{built()['id']}/"
    assert send("DELETE", path).json()["response"] == 202
    assert send("DELETE", path).json()["response"] == 202
    later(0.5)
    assert send("DELETE", path).json()["response"] == 202
    assert send("DELETE", "/server/cloud/1/").status == 404
    assert send("POST", f"{path}initiator/start/").status == 404
    assert send("PUT", path, name="x").status == 404


def test_destroy_while_it_is_built(cloud: Sandbox, ask: Ask, later: Later) -> None:
    """A server that is destroyed while it is built is built first, then gone."""
    ask("POST", "/server/cloud/", **ORDER)
    later(1)
    (server,) = ask("GET", "/server/cloud/")["data"]
    ask("DELETE", f"/server/cloud/{server['id']}/")
    later(1)
    assert power(ask) == ["on"]
    later(0.5)
    assert cloud.servers == []


def test_a_server_that_is_not_listed_yet(cloud: Sandbox, send: Send) -> None:
    """Until a server is listed its id is unknown, although `Sandbox.servers` has it."""
    send("POST", "/server/cloud/", **ORDER)
    (server,) = cloud.servers
    assert (server["listed"], server["built"], server["power"]) == (False, False, "unknown")
    assert send("DELETE", f"/server/cloud/{server['id']}/").status == 404


def test_rename(ask: Ask, built: Built) -> None:
    """A rename changes the name and, if given, the host name."""
    path = f"/server/cloud/{built()['id']}/"
    assert ask("PUT", path, name="new ☁")["response"] == 200
    (server,) = ask("GET", "/server/")["data"]
    assert (server["name"], server["hostname"]) == ("new ☁", "web")
    ask("PUT", path, name="new", hostname="host")
    (server,) = ask("GET", "/server/")["data"]
    assert (server["name"], server["hostname"]) == ("new", "host")
    assert ask("PUT", path)["message"] == "name: is required"


def test_dedicated_servers(ask: Ask, send: Send, built: Built, later: Later) -> None:
    """Dedicated servers have sizes, a list and a path of their own, no console key and no power requests."""
    cloud_server = built()
    order = {"name": "metal", "service_type": 72, "image": 49}
    assert ask("POST", "/server/dedicated/", **{**order, "service_type": 3})["message"].startswith(
        "service_type"
    )
    assert ask("POST", "/server/dedicated/", **order, console_key=1)["message"].startswith("console_key")
    assert ask("POST", "/server/dedicated/", **order)["data"]["resource_type"] == "/job"
    later(2)
    (metal,) = ask("GET", "/server/dedicated/")["data"]
    assert metal["service_type"]["billable_type"] == 2
    assert [server["id"] for server in ask("GET", "/server/")["data"]] == [cloud_server["id"], metal["id"]]
    assert len(power(ask)) == 1
    for method, path in [("DELETE", ""), ("PUT", ""), ("POST", "initiator/stop/")]:
        assert send(method, f"/server/cloud/{metal['id']}/{path}", name="x").status == 404
    assert send("POST", f"/server/dedicated/{metal['id']}/initiator/stop/").status == 404
    assert ask("PUT", f"/server/dedicated/{metal['id']}/", name="iron")["success"]
    assert ask("DELETE", f"/server/dedicated/{metal['id']}/")["response"] == 202
    later(0.5)
    assert ask("GET", "/server/dedicated/")["data"] == []


def test_seeds_need_more_than_one_subnet() -> None:
    """Seeds are built and on, with addresses that all differ, even if one subnet is not enough."""
    servers = Sandbox("nephoscale", seed_nodes=1200).servers
    assert {(server["power"], server["built"], server["listed"]) for server in servers} == {
        ("on", True, True)
    }
    assert len({address for server in servers for address in server["addresses"]}) == 2400
    assert servers[-1]["name"] == "seed-1200"


def test_lists_are_complete(pool: urllib3.PoolManager) -> None:
    """Lists have one page, with the number of items."""
    with Sandbox("nephoscale", seed_nodes=300) as cloud:
        headers = urllib3.make_headers(basic_auth=":".join(cloud.credentials))
        response = pool.request("GET", cloud.url + "/server/", headers=headers).json()
    assert response["total_count"] == len(response["data"]) == 300


def test_create_time_is_utc(built: Built) -> None:
    """A server's creation time is in UTC, in NephoScale's format."""
    before = datetime.now(UTC).replace(microsecond=0)
    created = datetime.strptime(built()["create_time"] + "+0000", "%Y-%m-%d %H:%M:%S%z")
    assert before <= created <= datetime.now(UTC)
