from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from support.openstack import Client, client, in_project, password_auth

PASSWORD = "openstack_sandbox"
DEFAULT_DOMAIN = {"domain": {"id": "default"}}


@pytest.fixture
def cloud() -> Iterator[Client]:
    """An OpenStack with the user demo."""
    with client() as made:
        yield made


def log_in(cloud: Client, body: dict[str, Any]) -> dict[str, Any]:
    """The token that a login gets, as Keystone shows it, with its id."""
    response = cloud.send("POST", "identity/auth/tokens", body)
    assert response.status == 201, response.data
    return {**response.json()["token"], "id": response.headers["X-Subject-Token"]}


def test_options() -> None:
    """The sandbox gives a driver the user, the password, and Libcloud's arguments for Keystone."""
    with Sandbox("openstack", user="admin", password="x") as cloud:
        assert cloud.credentials == ("admin", "x")
        assert cloud.options == {
            "ex_force_auth_url": f"{cloud.url}/identity",
            "ex_force_auth_version": "3.x_password",
            "ex_tenant_name": "admin",
            "ex_domain_name": "Default",
            "ex_force_service_region": "RegionOne",
        }


def test_settings_that_are_wrong() -> None:
    """A user that does not exist and a page of nothing are refused."""
    with pytest.raises(ValueError, match="user must be admin or demo, got 'ann'"):
        Sandbox("openstack", user="ann")
    with pytest.raises(ValueError, match="page_size must be 1 or more, got 0"):
        Sandbox("openstack", page_size=0)


@pytest.mark.parametrize(
    ("user", "scope", "kind", "roles"),
    [
        ("demo", in_project("demo"), "project", ["member", "reader"]),
        ("demo", {}, "project", ["member", "reader"]),
        ("admin", {}, None, None),
        ("admin", {"system": {"all": True}}, "system", ["admin", "manager", "member", "reader"]),
        ("admin", DEFAULT_DOMAIN, "domain", ["admin", "manager", "member", "reader"]),
    ],
)
def test_scopes(cloud: Client, user: str, scope: dict[str, Any], kind: str | None, roles: list[str]) -> None:
    """A token is for a project, the system or a domain; without a scope for the user's project, if any."""
    token = log_in(cloud, password_auth(user, PASSWORD, **scope))
    assert {"project", "system", "domain"} & set(token) == ({kind} if kind else set())
    assert [role["name"] for role in token["roles"]] == roles if kind else "roles" not in token
    assert ("catalog" in token) == bool(kind)


@pytest.mark.parametrize(
    "body",
    [
        password_auth("demo", "wrong"),
        password_auth("nobody", PASSWORD),
        password_auth("demo", PASSWORD, **in_project("nope")),
        password_auth("demo", PASSWORD, **in_project("admin")),
        password_auth("demo", PASSWORD, **DEFAULT_DOMAIN),
        password_auth("demo", PASSWORD, system={"all": True}),
        password_auth("demo", PASSWORD, project={"name": "demo", "domain": {"name": "Nope"}}),
    ],
)
def test_refused_logins(cloud: Client, body: dict[str, Any]) -> None:
    """Every wrong user, password, project and domain has the same 401, in Keystone's envelope."""
    response = cloud.send("POST", "identity/auth/tokens", body)
    text = "The request you have made requires authentication."
    assert (response.status, response.json()) == (
        401,
        {"error": {"code": 401, "message": text, "title": "Unauthorized"}},
    )
    assert response.headers["WWW-Authenticate"].startswith('Keystone uri="http://127.0.0.1:')


def test_catalogue(cloud: Client) -> None:
    """The catalogue has eight services in two regions with three interfaces, Cinder under two names."""
    catalog = log_in(cloud, password_auth("demo", PASSWORD))["catalog"]
    assert [service["type"] for service in catalog] == [
        "identity",
        "compute",
        "image",
        "network",
        "block-storage",
        "volumev3",
        "object-store",
        "dns",
        "load-balancer",
    ]
    for service in catalog:
        places = [(one["region_id"], one["interface"]) for one in service["endpoints"]]
        assert places == [
            (region, interface)
            for region in ("RegionOne", "RegionTwo")
            for interface in ("public", "internal", "admin")
        ]
    assert catalog[4]["endpoints"][0]["url"].endswith(f"/volume/v3/{cloud.project}")


def test_regions_are_apart(cloud: Client) -> None:
    """A server of one region is not in the other."""
    cloud.server()
    other = {name: root.replace("/compute", "/RegionTwo/compute") for name, root in cloud.roots.items()}
    assert len(cloud.ask("GET", "compute/servers")["servers"]) == 1
    cloud.roots = other
    assert cloud.ask("GET", "compute/servers")["servers"] == []


def test_tokens_expire(cloud: Client) -> None:
    """After its lifetime a token is refused by every service, each in its own envelope."""
    paths = ("compute/servers", "image/images", "network/networks", "volume/volumes", "identity/regions")
    assert [cloud.send("GET", path).status for path in paths] == [200] * 5
    cloud.later(3600)
    assert [cloud.send("GET", path).status for path in paths] == [401] * 5
    assert cloud.send("GET", "compute/servers").json()["error"]["code"] == 401
    assert cloud.send("GET", "image/images").json()["code"] == "401 Unauthorized"


def test_token_from_token(cloud: Client) -> None:
    """A token made with a token has the scope that is asked for, and ends when the first one does."""
    first = log_in(cloud, password_auth("demo", PASSWORD))
    cloud.later(100)
    identity = {"methods": ["token"], "token": {"id": first["id"]}}
    plain = log_in(cloud, {"auth": {"identity": identity, "scope": "unscoped"}})
    scoped = log_in(cloud, {"auth": {"identity": identity, "scope": in_project("demo")}})
    assert "project" not in plain
    assert scoped["project"]["name"] == "demo"
    assert (scoped["methods"], scoped["expires_at"]) == (["password", "token"], first["expires_at"])
    assert scoped["audit_ids"][1:] == first["audit_ids"]


def test_revoked_tokens(cloud: Client) -> None:
    """A token that was revoked is unknown; another one of the user goes on."""
    other = log_in(cloud, password_auth("demo", PASSWORD))["id"]
    assert cloud.send("GET", "identity/auth/tokens", X_Subject_Token=other).status == 200
    cloud.ask("DELETE", "identity/auth/tokens", X_Subject_Token=other)
    assert cloud.send("GET", "identity/auth/tokens", X_Subject_Token=other).status == 404
    assert cloud.send("GET", "compute/servers").status == 200


def test_new_password(cloud: Client) -> None:
    """A new password revokes all tokens of the user, and only the right old one permits it."""
    path = f"identity/users/{cloud.user}/password"
    given = {"original_password": PASSWORD, "password": "new"}
    assert cloud.refused("POST", path, {"user": {**given, "original_password": "x"}})[0] == 401
    cloud.ask("POST", path, {"user": given})
    assert cloud.send("GET", "compute/servers").status == 401
    cloud.log_in("demo", "new", "demo")
    assert cloud.ask("GET", "compute/servers") == {"servers": []}


def test_application_credentials(cloud: Client) -> None:
    """An application credential logs in to the project in which it was made, until it is deleted."""
    path = f"identity/users/{cloud.user}/application_credentials"
    made = cloud.ask("POST", path, {"application_credential": {"name": "ci"}})["application_credential"]
    proof = {"id": made["id"], "secret": made["secret"]}
    body = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": proof}}}
    token = log_in(cloud, body)
    assert (token["project"]["name"], token["methods"]) == ("demo", ["application_credential"])
    assert "secret" not in cloud.ask("GET", f"{path}/{made['id']}")["application_credential"]
    wrong = {"methods": ["application_credential"], "application_credential": {**proof, "secret": "x"}}
    assert cloud.refused("POST", "identity/auth/tokens", {"auth": {"identity": wrong}})[0] == 401
    assert cloud.refused("POST", path, {"application_credential": {"name": "ci"}})[0] == 409
    cloud.ask("DELETE", f"{path}/{made['id']}")
    assert cloud.refused("POST", "identity/auth/tokens", body)[0] == 404


def test_tokens_of_v2(cloud: Client) -> None:
    """Keystone's second version logs in too, and shows the catalogue in its own form."""
    root = cloud.roots["identity"].replace("v3", "v2.0")
    cloud.roots["identity"] = root
    given = {"username": "demo", "password": PASSWORD}
    body = {"auth": {"passwordCredentials": given, "tenantName": "demo"}}
    access = cloud.ask("POST", "identity/tokens", body)["access"]
    assert access["token"]["tenant"]["name"] == access["user"]["username"] == "demo"
    compute = access["serviceCatalog"][1]
    assert (compute["type"], [one["region"] for one in compute["endpoints"]]) == (
        "compute",
        ["RegionOne", "RegionTwo"],
    )
    cloud.token = access["token"]["id"]
    assert cloud.ask("GET", "compute/servers") == {"servers": []}
    assert cloud.ask("GET", f"identity/tokens/{cloud.token}")["access"]["token"]["id"] == cloud.token
    assert cloud.send("GET", "identity/tokens/x").status == 404
    wrong = {"auth": {"passwordCredentials": {**given, "password": "x"}}}
    assert cloud.refused("POST", "identity/tokens", wrong)[0] == 401


def test_bodies_that_are_wrong(cloud: Client) -> None:
    """A login that lacks a part, and one that is not JSON, is refused with the part's name."""
    for body, missing in (
        ({}, "auth in request body"),
        ({"auth": {}}, "identity in auth"),
        ({"auth": {"identity": {}}}, "methods in identity"),
        ({"auth": {"identity": {"methods": ["password"]}}}, "password in identity"),
        (b"no json", "valid JSON in request body"),
    ):
        status, text = cloud.refused("POST", "identity/auth/tokens", body)
        assert (status, text.split(". ")[0]) == (400, f"Expecting to find {missing}")


def test_versions_need_no_token(cloud: Client) -> None:
    """The documents about versions can be read without a token, with and without a slash at the end."""
    cloud.token = ""
    root = cloud.roots["compute"].removesuffix("/compute/v2.1")
    cloud.roots = {"root": root}
    for path, status in (
        ("identity", 300),
        ("identity/v3", 200),
        ("compute", 200),
        ("compute/v2.1", 200),
        ("image", 300),
        ("network", 200),
        ("volume", 300),
    ):
        assert [cloud.send("GET", f"root/{path}{slash}").status for slash in ("", "/")] == [status] * 2
    assert cloud.send("GET", "root/volume/v3").headers["Location"] == f"{root}/volume/v3/"
    assert cloud.send("GET", "root/volume/v3/").json()["versions"][0]["version"] == "3.71"
