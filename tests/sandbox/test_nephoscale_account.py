from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[..., dict[str, Any]]
    Built = Callable[..., dict[str, Any]]
    Send = Callable[..., urllib3.BaseHTTPResponse]

SUBNETS = "/network/cidr/ipv4/"


def public_key(kind: str = "ssh-rsa", comment: str = "ann@host") -> str:
    """Return a line as ssh-keygen writes it, with an invented key."""
    blob = len(kind).to_bytes(4) + kind.encode() + bytes(40)
    return f"{kind} {base64.b64encode(blob).decode()} {comment}".strip()


def free(ask: Ask, ip_type: int = 0) -> list[str]:
    """Return the free addresses of the first subnet of that type."""
    query = f"{SUBNETS}?ip_type={ip_type}&fields=ipaddress_list_unassigned"
    addresses: list[str] = ask("GET", query)["data"][0]["ipaddress_list_unassigned"]
    return addresses


# Envelopes


@pytest.mark.parametrize("login", ["user:wrong", "other:correct_password", "user", ":"])
@pytest.mark.parametrize("path", ["/server/", "/no/such/path/"])
def test_login(send: Send, login: str, path: str) -> None:
    """Wrong credentials get HTTP 401 with an envelope, on known and unknown paths."""
    response = send("GET", path, login=login)
    envelope = response.json()
    assert (response.status, envelope["success"], envelope["response"]) == (401, False, 401)
    assert envelope["message"]


@pytest.mark.parametrize("header", [None, "Bearer x", "Basic", "Basic ???", "Basic ÿ"])
def test_login_of_another_kind(cloud: Sandbox, pool: urllib3.PoolManager, header: str | None) -> None:
    """A missing or malformed Authorization header gets HTTP 401."""
    headers = {"Authorization": header} if header else {}
    assert pool.request("GET", cloud.url + "/server/", headers=headers).status == 401


def test_credentials_in_any_script(pool: urllib3.PoolManager) -> None:
    """User and password may contain any character."""
    with Sandbox("nephoscale", user="jürgen", password="a:b ☃") as cloud:
        token = base64.b64encode("jürgen:a:b ☃".encode()).decode()
        response = pool.request("GET", cloud.url + "/key/", headers={"Authorization": f"basic {token}"})
        assert response.status == 200


@pytest.mark.parametrize("path", ["/", "/nothing/", "/server", "/server/cloud/x/", "/job/141001/"])
def test_unknown_paths(send: Send, path: str) -> None:
    """An unknown path gets HTTP 404 with an envelope."""
    response = send("GET", path)
    assert response.status == 404
    assert (response.json()["success"], response.json()["response"]) == (False, 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/server/"), ("DELETE", "/key/"), ("GET", "/server/cloud/1/"), ("PUT", SUBNETS + "20101/")],
)
def test_wrong_verbs(send: Send, method: str, path: str) -> None:
    """A known path with another verb gets HTTP 405 with an envelope."""
    response = send(method, path)
    assert response.status == 405
    assert (response.json()["success"], response.json()["response"]) == (False, 405)


def test_content_type(send: Send, pool: urllib3.PoolManager) -> None:
    """Responses have the content type of JSON, unless the setting says otherwise, when they have none."""
    assert send("GET", "/key/").headers["Content-Type"] == "application/json"
    with Sandbox("nephoscale", content_type=False) as cloud:
        response = pool.request("GET", cloud.url)
        assert "Content-Type" not in response.headers
        assert response.json()["success"] is False


def test_a_body_that_is_not_text(cloud: Sandbox, pool: urllib3.PoolManager) -> None:
    """A body that is not UTF-8 is an input error, in its bytes or percent-encoded."""
    headers = urllib3.make_headers(basic_auth="user:correct_password")
    for body in (b"name=\xff", b"name=%ff"):
        response = pool.request("POST", cloud.url + "/key/password/", body=body, headers=headers)
        assert (response.status, response.json()["success"]) == (200, False)
        assert response.json()["message"] == "body: is not UTF-8"


# Catalog


def test_zones(ask: Ask) -> None:
    """Zones have a data centre, and the field `activated` is true, false or absent."""
    response = ask("GET", "/datacenter/zone/")
    assert response["total_count"] == len(response["data"])
    assert [zone["name"] for zone in response["data"]] == ["SJC-1", "RIC-1", "SJC-2"]
    assert [zone.get("activated") for zone in response["data"]] == [None, True, False]
    assert response["data"][1]["datacenter"]["airport_code"] == "RIC"


def test_images(ask: Ask) -> None:
    """Images differ in architecture, base and activity; one is the default; some name required hardware."""
    images = ask("GET", "/image/server/")["data"]
    assert {image["architecture"] for image in images} == {"x86", "x86_64"}
    assert {image["base_type"] for image in images} == {"linux", "windows"}
    assert {image["is_active"] for image in images} == {True, False}
    assert [image["is_default"] for image in images].count(True) == 1
    assert 0 < len([image for image in images if "disks" in image]) < len(images)


def test_images_of_a_region(ask: Ask) -> None:
    """With a region only its images are listed; an unknown region is an input error."""
    names = [image["friendly_name"] for image in ask("GET", "/image/server/?region=3022")["data"]]
    assert "Debian 6.0.7 64-bit" in names
    assert "Fedora 18 64-bit" not in names
    assert ask("GET", "/image/server/?region=1")["message"].startswith("region: ")


def test_sizes(ask: Ask) -> None:
    """Cloud and dedicated sizes have lists of their own, which can be sorted by RAM and by nothing else."""
    sizes = ask("GET", "/server/type/cloud/")["data"]
    assert len(sizes) == 13
    assert sizes[1] == {
        "id": 3,
        "friendly_name": "CS1 - 1GB, 1Core, 50GB",
        "sku": {"name": "CS1", "description": "1GB memory, 1 core, 50GB storage"},
        "billable_type": 1,
        "uri": sizes[1]["uri"],
        "ram": 1024,
        "storage": 50,
        "vcpus": 1,
    }
    for kind in ("cloud", "dedicated"):
        rams = [size["ram"] for size in ask("GET", f"/server/type/{kind}/?sort=ram")["data"]]
        assert rams == sorted(rams)
    assert {size["billable_type"] for size in ask("GET", "/server/type/dedicated/")["data"]} == {2}
    assert ask("GET", "/server/type/cloud/?sort=price")["message"].startswith("sort: ")


# Keys


def test_keys(ask: Ask) -> None:
    """The list of each type contains the secrets, the list of all keys does not."""
    line = public_key()
    ssh = ask("POST", "/key/sshrsa/", name="ssh", public_key=line)
    assert ssh["response"] == 201
    password = ask("POST", "/key/password/", name="pass", password="pässword")
    every = ask("GET", "/key/")["data"]
    assert [(key["name"], key["key_group"], key["key_type"]) for key in every] == [
        ("ssh", 1, 2),
        ("pass", 4, 1),
    ]
    assert not any({"public_key", "password"} & set(key) for key in every)
    assert ask("GET", "/key/sshrsa/")["data"] == [{**every[0], "public_key": line}]
    assert ask("GET", "/key/password/")["data"] == [{**every[1], "password": "pässword"}]
    assert [key["id"] for key in every] == [ssh["data"]["id"], password["data"]["id"]]


def test_the_group_of_a_key(ask: Ask) -> None:
    """A key can be added to either group, and to no other."""
    ask("POST", "/key/sshrsa/", name="a", public_key=public_key(), key_group=4)
    ask("POST", "/key/password/", name="b", password="secret", key_group=1)
    assert [key["key_group"] for key in ask("GET", "/key/")["data"]] == [4, 1]
    assert ask("POST", "/key/password/", name="c", password="secret", key_group=2)["message"].startswith(
        "key_group"
    )


def test_a_key_on_a_server(ask: Ask, built: Built) -> None:
    """A server shows the key that it was built with, even after the key is deleted."""
    key = ask("POST", "/key/sshrsa/", name="a", public_key=public_key())["data"]["id"]
    assert [used["id"] for used in built(server_key=key)["server_keys"]] == [key]
    ask("DELETE", f"/key/sshrsa/{key}/")
    assert [used["id"] for used in ask("GET", "/server/")["data"][0]["server_keys"]] == [key]


@pytest.mark.parametrize(
    "kind", ["ssh-rsa", "ssh-dss", "ssh-ed25519", *(f"ecdsa-sha2-nistp{bits}" for bits in (256, 384, 521))]
)
@pytest.mark.parametrize("comment", ["", "a b c", "größe"])
def test_kinds_of_ssh_keys(ask: Ask, kind: str, comment: str) -> None:
    """Every common kind of SSH key is accepted with any comment, and listed unchanged."""
    line = public_key(kind, comment)
    assert ask("POST", "/key/sshrsa/", name="k", public_key=line)["success"]
    assert [key["public_key"] for key in ask("GET", "/key/sshrsa/")["data"]] == [line]


@pytest.mark.parametrize(
    "line",
    ["", "ssh-rsa", "ssh-rsa !!!!", "ssh-rsa aGVsbG8=", "unknown AAAA", public_key() + "\n" + public_key()],
)
def test_malformed_ssh_keys(ask: Ask, line: str) -> None:
    """A text that is not one line with an SSH public key is an input error."""
    response = ask("POST", "/key/sshrsa/", name="k", public_key=line)
    assert (response["success"], response["response"]) == (False, 400)
    assert response["message"].startswith("public_key: ")


def test_wrong_password_keys(ask: Ask) -> None:
    """A password key needs a name and a password of six characters or more."""
    assert ask("POST", "/key/password/", name="k", password="12345")["message"].startswith("password: ")
    assert ask("POST", "/key/password/", name="k", password="123456")["success"]
    assert ask("POST", "/key/password/", name="k")["message"] == "password: is required"
    assert ask("POST", "/key/password/", password="secret")["message"] == "name: is required"


def test_names_of_keys(ask: Ask) -> None:
    """Two keys of the same type cannot have the same name; two of different types can."""
    assert ask("POST", "/key/password/", name="k", password="secret")["success"]
    assert ask("POST", "/key/sshrsa/", name="k", public_key=public_key())["success"]
    response = ask("POST", "/key/password/", name="k", password="secret")
    assert (response["success"], response["response"]) == (False, 409)
    assert response["message"].startswith("name: ")


def test_delete_keys(send: Send, ask: Ask) -> None:
    """A key is deleted under the path of its type, once."""
    key = ask("POST", "/key/password/", name="k", password="secret")["data"]["id"]
    assert send("DELETE", f"/key/sshrsa/{key}/").status == 404
    response = send("DELETE", f"/key/password/{key}/")
    assert (response.status, response.json()["response"]) == (200, 204)
    assert ask("GET", "/key/")["data"] == []
    assert send("DELETE", f"/key/password/{key}/").status == 404


# Networks


def test_networks(ask: Ask) -> None:
    """Each zone has a public and a private network, and one network is listed twice."""
    networks = ask("GET", "/network/domain/")["data"]
    assert [network["id"] for network in networks] == [201, 202, 203, 204, 201]
    assert networks[0] == networks[-1]
    assert [network["domain_type"] for network in networks[:4]] == [0, 1, 0, 1]
    assert networks[0]["zone"]["name"] == "SJC-1"
    (subnet,) = networks[1]["cidr"]
    assert subnet["cidr_str"] == "10.132.60.0/24"
    assert "10.132.60.2" in subnet["ipaddress_list"]


def test_subnets(ask: Ask) -> None:
    """Subnets can be listed by type, and with chosen fields; an unknown type is an input error."""
    every = ask("GET", SUBNETS)["data"]
    public, private = (ask("GET", f"{SUBNETS}?ip_type={ip_type}")["data"] for ip_type in (0, 1))
    assert len(every) == len(public) + len(private) == 4
    assert set(every[0]) == {"id", "ipaddress_list_status"}
    assert every[0]["ipaddress_list_status"][0] == {
        "ipaddress": "198.51.100.2",
        "reserved": False,
        "server": None,
    }
    fields = ask("GET", f"{SUBNETS}?fields=ipaddress_list_unassigned")["data"]
    assert set(fields[0]) == {"id", "ipaddress_list_unassigned"}
    assert ask("GET", f"{SUBNETS}?ip_type=2")["message"].startswith("ip_type: ")


def test_reserve_and_release(ask: Ask, built: Built) -> None:
    """A reserved address is not assigned by itself, and is free again once it is released."""
    change = {"_method": "PUT", "ipaddress": "198.51.100.2"}
    assert ask("POST", f"{SUBNETS}20101/", **change, reserved="true")["response"] == 200
    assert "198.51.100.2" not in free(ask)
    assert built()["ipaddresses"].startswith("198.51.100.3,")
    ask("POST", f"{SUBNETS}20101/", **change, reserved="false")
    assert "198.51.100.2" in free(ask)


def test_assign(ask: Ask, built: Built, later: Callable[[float], None]) -> None:
    """An address assigned to a server is shown there, and stays reserved when the server is destroyed."""
    server = built()
    change = {"_method": "PUT", "ipaddress": "198.51.100.50", "server": server["id"]}
    ask("POST", f"{SUBNETS}20101/", **change, reserved="true")
    ask("POST", f"{SUBNETS}20101/", **change, reserved="true")
    (server,) = ask("GET", "/server/")["data"]
    assert server["ipaddresses"] == "198.51.100.2, 10.132.60.2, 198.51.100.50"
    assert len(server["network_ports"]) == 3
    ask("DELETE", f"/server/cloud/{server['id']}/")
    later(0.5)
    assert "198.51.100.50" not in free(ask)
    assert built(ips="198.51.100.50", networks="201")["ipaddresses"] == "198.51.100.50"


def test_release_takes_away(ask: Ask, built: Built) -> None:
    """A server's address stays there when it is reserved, and is removed and free when it is released."""
    built()
    change = {"_method": "PUT", "ipaddress": "198.51.100.2"}
    ask("POST", f"{SUBNETS}20101/", **change, reserved="true")
    assert ask("GET", "/server/")["data"][0]["ipaddresses"] == "198.51.100.2, 10.132.60.2"
    ask("POST", f"{SUBNETS}20101/", **change, reserved="false")
    assert ask("GET", "/server/")["data"][0]["ipaddresses"] == "10.132.60.2"
    assert "198.51.100.2" in free(ask)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"_method": ""}, "_method"),
        ({"_method": "DELETE"}, "_method"),
        ({"ipaddress": ""}, "ipaddress"),
        ({"ipaddress": "203.0.113.9"}, "ipaddress"),
        ({"reserved": ""}, "reserved"),
        ({"reserved": "True"}, "reserved"),
        ({"server": 1}, "server"),
    ],
)
def test_wrong_addresses(ask: Ask, change: dict[str, Any], field: str) -> None:
    """An invalid change of an address is an error that names the field."""
    right = {"_method": "PUT", "ipaddress": "198.51.100.9", "reserved": "true"}
    response = ask("POST", f"{SUBNETS}20101/", **{**right, **change})
    assert response["success"] is False
    assert response["message"].startswith(f"{field}: ")


def test_addresses_of_others(send: Send, ask: Ask, built: Built) -> None:
    """An address cannot move to another server or another zone, and its subnet must exist."""
    built()
    here, there = built()["id"], built(zone=3022)["id"]
    taken = ask(
        "POST", f"{SUBNETS}20101/", _method="PUT", ipaddress="198.51.100.2", reserved="true", server=here
    )
    assert (taken["success"], taken["response"]) == (False, 409)
    far = ask(
        "POST", f"{SUBNETS}20101/", _method="PUT", ipaddress="198.51.100.9", reserved="true", server=there
    )
    assert far["message"].startswith("server: ")
    assert send("POST", f"{SUBNETS}1/", _method="PUT").status == 404
