"""clouds.yaml, secure.yaml, clouds-public.yaml and `OS_*`, read as openstacksdk reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polycloud.common.openstack.clouds import CloudSettings, find_cloud
from polycloud.common.openstack.login import Login
from polycloud.common.openstack.publicclouds import PUBLIC_CLOUDS
from polycloud.errors import (
    InvalidArgumentError,
    InvalidCredsError,
    PolycloudError,
    UnsupportedOperationError,
)

CLOUDS = """
clouds:
  prod:
    auth: &auth
      auth_url: https://keystone.example:5000/v3
      username: me
      project_name: web
      user_domain_name: Users
      project_domain_name: Projects
    region_name: North
    interface: internal
    cacert: /etc/ca.pem
    compute_default_microversion: "2.60"
    image_endpoint_override: https://images.example
  lab:
    auth:
      <<: *auth
      password: own
    regions:
      - North
      - name: South
        values:
          auth:
            auth_url: https://south.example
  robot:
    auth_type: v3applicationcredential
    auth:
      auth_url: https://keystone.example
      application_credential_id: an-id
      application_credential_secret: hush
  old:
    auth_type: v2password
    auth: {auth_url: https://old.example/v2.0, username: me, password: own, tenant_name: web}
  domains:
    auth: {auth_url: https://keystone.example, username: me, password: own, domain_name: Users}
  system:
    auth: {auth_url: https://keystone.example, username: me, password: own, system_scope: all}
  mine:
    profile: local
    auth: {username: me, password: own, project_name: web}
  bhs:
    profile: ovh
    region_name: BHS5
    auth: {username: me, password: own, project_id: an-id}
"""
SECURE = """
clouds:
  prod:
    auth: {password: hidden}
"""
PUBLIC = """
public-clouds:
  local:
    auth: {auth_url: https://public.example/v3}
    regions: [One, Two]
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home and current folder, without variables of OpenStack."""
    import os

    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    monkeypatch.chdir(work)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def files(home: Path) -> Path:
    folder = home / "config" / "openstack"
    write(folder / "clouds.yaml", CLOUDS)
    write(folder / "secure.yaml", SECURE)
    write(folder / "clouds-public.yaml", PUBLIC)
    return folder


def test_a_cloud(files: Path) -> None:
    """A cloud has what clouds.yaml and secure.yaml say of it together."""
    assert find_cloud("prod") == CloudSettings(
        name="prod",
        auth_url="https://keystone.example:5000/v3",
        login=Login(
            user="me", password="hidden", project="web", user_domain="Users", project_domain="Projects"
        ),
        region="North",
        interface="internal",
        urls={"image": "https://images.example"},
        ca_cert="/etc/ca.pem",
        microversion="2.60",
    )


LOGINS: dict[str, dict[str, Any]] = {
    "lab": {
        "user": "me",
        "password": "own",
        "project": "web",
        "user_domain": "Users",
        "project_domain": "Projects",
    },
    "robot": {"method": "3.x_appcred", "credential_id": "an-id", "credential_secret": "hush"},
    "old": {"method": "2.0_password", "user": "me", "password": "own", "project": "web"},
    "domains": {"user": "me", "password": "own", "scope": "domain", "domain": "Users"},
    "system": {"user": "me", "password": "own", "scope": "system"},
    "mine": {"user": "me", "password": "own", "project": "web"},
    "bhs": {"user": "me", "password": "own", "project_id": "an-id"},
}
DEFAULTS = {"user_domain": "Default", "project_domain": "Default"}


@pytest.mark.parametrize("name", LOGINS)
def test_logins(files: Path, name: str) -> None:
    """Each auth_type, scope and kind of profile gives its login; domains are "Default" by default."""
    wanted = LOGINS[name]
    found = find_cloud(name).login
    assert found == Login(**{**({} if wanted.get("method") == "3.x_appcred" else DEFAULTS), **wanted})


def test_regions(files: Path) -> None:
    """A region may have values of its own; the first one is the default, and an unknown one is refused."""
    assert (find_cloud("lab").region, find_cloud("lab").auth_url) == (
        "North",
        "https://keystone.example:5000/v3",
    )
    south = find_cloud("lab", "South")
    assert (south.region, south.auth_url) == ("South", "https://south.example")
    assert find_cloud("prod", "South").region == "South"
    with pytest.raises(
        InvalidArgumentError, match="no region 'Souht', only: North, South; did you mean 'South'"
    ):
        find_cloud("lab", "Souht")


def test_profiles(files: Path) -> None:
    """A profile comes from clouds-public.yaml, or from the table of public clouds; others are refused."""
    assert (find_cloud("mine").auth_url, find_cloud("mine").region) == ("https://public.example/v3", "One")
    assert (find_cloud("bhs").auth_url, find_cloud("bhs").region) == (PUBLIC_CLOUDS["ovh"].auth_url, "BHS5")
    write(Path("clouds.yaml"), "clouds: {x: {profile: vexhost, auth: {username: me}}}")
    with pytest.raises(
        InvalidArgumentError, match="'vexhost', which does not exist; did you mean 'vexxhost'"
    ):
        find_cloud("x")


def test_the_search(files: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first file counts: that of the variable, of the current folder, of the user, of the site."""
    one = "clouds: {{{}: {{auth: {{auth_url: 'https://x.example', username: u, password: p}}}}}}".format
    (files / "secure.yaml").unlink()
    (files / "clouds.yaml").unlink()
    places = (
        home / "site/openstack/clouds.yaml",
        files / "clouds.yml",
        home / "work/clouds.yaml",
        home / "own.yaml",
    )
    for number, place in enumerate(places):
        write(place, one(f"cloud-{number}"))
        if place.name == "own.yaml":
            monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(place))
        assert find_cloud().name == f"cloud-{number}"
    write(
        files / "clouds.json",
        '{"clouds": {"json": {"auth": {"auth_url": "https://x.example", "username": "u", "password": "p"}}}}',
    )
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(files / "clouds.json"))
    assert find_cloud().name == "json"


def test_variables(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`OS_*` variables are a cloud, which counts before those of the file, unless `OS_CLOUD` names one."""
    variables = {
        "AUTH_URL": "https://v.example",
        "USERNAME": "you",
        "PASSWORD": "hush",
        "PROJECT_NAME": "p",
        "PROJECT_DOMAIN_ID": "default",
        "USER_DOMAIN_NAME": "U",
        "REGION_NAME": "R",
        "INTERFACE": "internal",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"OS_{name}", value)
    found = find_cloud()
    assert found == CloudSettings(
        name="envvars",
        auth_url="https://v.example",
        login=Login(user="you", password="hush", project="p", project_domain_id="default", user_domain="U"),
        region="R",
        interface="internal",
    )
    monkeypatch.setenv("OS_CLOUD", "domains")
    assert (find_cloud().name, find_cloud().region) == ("domains", "R")
    for name in variables:
        monkeypatch.delenv(f"OS_{name}")
    assert find_cloud().name == "domains"
    monkeypatch.delenv("OS_CLOUD")
    with pytest.raises(InvalidCredsError, match=r"which cloud.*prod, lab, robot"):
        find_cloud()


def test_application_credentials_of_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of an application credential log in by it."""
    for name, value in (
        ("AUTH_TYPE", "v3applicationcredential"),
        ("AUTH_URL", "https://v.example"),
        ("APPLICATION_CREDENTIAL_ID", "i"),
        ("APPLICATION_CREDENTIAL_SECRET", "s"),
    ):
        monkeypatch.setenv(f"OS_{name}", value)
    assert find_cloud().login == Login(method="3.x_appcred", credential_id="i", credential_secret="s")


def test_bad_files(home: Path) -> None:
    """A file that cannot be used is an error with its name and the line, and without its content."""
    wrong: list[tuple[str, type[PolycloudError], str]] = [
        (
            "clouds: {prod: {auth:\n {password: hush",
            InvalidArgumentError,
            r"clouds.yaml cannot be read \(line \d\)",
        ),
        ("- a list", InvalidArgumentError, "must be a mapping with the key 'clouds'"),
        ("clouds: [prod]", InvalidArgumentError, "clouds must be a mapping"),
        ("clouds: {prod: {auth: {username: me, password: hush}}}", InvalidCredsError, "has no auth_url"),
        (
            "clouds: {prod: {auth_type: v3oidcpassword, auth: {auth_url: 'https://x'}}}",
            UnsupportedOperationError,
            "auth_type 'v3oidcpassword'; supported",
        ),
        (
            "clouds: {prod: {auth_type: /hush/, auth: {auth_url: 'https://x'}}}",
            UnsupportedOperationError,
            "has another auth_type; supported are",
        ),
        ("clouds: {prod: {profile: /hush/}}", InvalidArgumentError, "names another profile, which does not"),
        (
            "clouds: {prod: {verify: false, auth: {auth_url: 'https://x'}}}",
            UnsupportedOperationError,
            "cacert",
        ),
    ]
    for text, kind, message in wrong:
        write(Path("clouds.yaml"), text)
        with pytest.raises(kind, match=message) as caught:
            find_cloud("prod")
        assert "hush" not in str(caught.value)
    Path("clouds.yaml").unlink()
    with pytest.raises(InvalidArgumentError, match=r"no cloud is called 'prod'.*no clouds.yaml was found"):
        find_cloud("prod")
    with pytest.raises(InvalidCredsError, match="set OS_AUTH_URL, OS_USERNAME"):
        find_cloud()
