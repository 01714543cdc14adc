"""Logins at the real Keystone, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
from msgspec.structs import replace

from polycloud.common.openstack import OpenStackBaseConnection
from polycloud.compute.drivers.openstack import OpenStackNodeDriver
from polycloud.errors import InvalidArgumentError, InvalidCredsError, NotFoundError
from support.kitopenstack import front
from support.web import Web


class KeystoneConnection(OpenStackBaseConnection):
    service_types = ("identity",)


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with front() as web:
        yield web


def driver_of(web: Web, user: str = "demo", password: str = "demo", **options: Any) -> OpenStackNodeDriver:
    return OpenStackNodeDriver(user, password, ex_force_auth_url=f"{web.url}/keystone", **options)


def test_scopes(web: Web) -> None:
    """A token has the scope that is asked for, or that of the only project."""
    with driver_of(web) as alone, driver_of(web, "admin", "admin", ex_tenant_name="admin") as named:
        assert (alone.connection.access.project, named.connection.access.project) == ("demo", "admin")
        assert named.list_sizes()
    with driver_of(web, "admin", "admin", ex_token_scope="system") as system:
        assert system.connection.access.endpoints
        assert system.connection.access.project is None
    with driver_of(web, ex_token_scope="unscoped") as unscoped:
        with pytest.raises(InvalidArgumentError, match="the token has no catalogue"):
            unscoped.list_sizes()


def test_application_credentials(web: Web) -> None:
    """An application credential logs in by its id and secret, and only while it exists."""
    with driver_of(web) as owner:
        user, token = owner.connection.access.user_id, owner.connection.token
        path = f"//v3/users/{user}/application_credentials"
        line = KeystoneConnection(account=owner.connection.cloud, url=f"{web.url}/keystone")
        body = {"application_credential": {"name": f"test-{token_hex(4)}"}}
        made = line.request(path, method="POST", json=body).object["application_credential"]
        with driver_of(web, made["id"], made["secret"], ex_force_auth_version="3.x_appcred") as robot:
            assert robot.list_sizes()
            assert robot.connection.token != token
        line.request(f"{path}/{made['id']}", method="DELETE")
        with driver_of(web, made["id"], made["secret"], ex_force_auth_version="3.x_appcred") as late:
            late.connection.token_store().token = None
            with pytest.raises(InvalidCredsError, match="the application credential"):
                late.list_sizes()


def test_refusals(web: Web) -> None:
    """The error of a refused login names what is wrong: user, domain or project."""
    wrong: dict[str, dict[str, Any]] = {
        "the user '.*' of the domain 'Default' is refused": {"password": "wrong"},
        "the user '.*' of the domain 'Nope' is refused": {"ex_domain_name": "Nope"},
        "not for the project 'demu'.*did you mean": {"ex_tenant_name": "demu"},
        "not for the project '.*' of the domain 'Nope'": {
            "ex_tenant_domain_id": "Nope",
            "ex_tenant_name": "demo",
        },
    }
    for message, options in wrong.items():
        with pytest.raises(InvalidCredsError, match=message):
            driver_of(web, **{"ex_tenant_name": "demo", **options}).list_sizes()
    with pytest.raises(InvalidArgumentError, match=r"no region 'RegionTwo'.*did you mean 'RegionOne'"):
        driver_of(web, region="RegionTwo").list_sizes()


def test_version_2(web: Web) -> None:
    """A Keystone without version 2 is an error that names the version that there is."""
    with driver_of(web, ex_force_auth_version="2.0_password") as driver:
        with pytest.raises(InvalidArgumentError, match=r"no Keystone v2.0.*='3.x_password'"):
            driver.list_sizes()


def test_renewal(web: Web) -> None:
    """A token that the services do not know any more is renewed."""
    with driver_of(web, ex_tenant_name="demo") as driver:
        store = driver.connection.token_store()
        access = driver.connection.access
        store.token = replace(access, value="gAAAAA-of-old")
        assert driver.list_sizes()
        assert driver.list_images()
        assert driver.ex_list_networks()
        assert store.token is not None
        assert store.token.value != "gAAAAA-of-old"


def test_given_tokens(web: Web) -> None:
    """A token of another program is used as it is."""
    with driver_of(web, ex_tenant_name="demo") as owner:
        token = owner.connection.token
    with OpenStackNodeDriver(ex_force_auth_token=token, ex_force_auth_url=f"{web.url}/keystone/v3") as driver:
        assert driver.list_sizes()
        assert driver.connection.token == token
        with pytest.raises(NotFoundError):
            driver.get_node("00000000-0000-0000-0000-000000000000")
