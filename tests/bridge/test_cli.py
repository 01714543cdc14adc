"""The command line, fleets and profiles with a provider that only Libcloud has."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polycloud.config import load
from polycloud.errors import InvalidCredsError
from polycloud.fleet import Fleet
from support.forked import Forker
from support.vultr import TOKEN, VultrCloud

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3p2w1sR8mZQxq5wTj0bq9v1lW6oV2sF4hK8nY7cXyz web"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def config(vultr: VultrCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with the profile `games`, of the running Vultr."""
    file = tmp_path / "config.toml"
    file.write_text(
        f'[profiles.games]\nprovider = "vultr"\nkey = "{TOKEN}"\n'
        f'host = "127.0.0.1"\nport = {vultr.web.port}\nsecure = false\n'
    )
    file.chmod(0o600)
    monkeypatch.setenv("POLYCLOUD_CONFIG", str(file))
    return file


@pytest.fixture
def polycloud(config: Path, forker: Forker) -> Run:
    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return forker.run(words, {**os.environ, **variables}, "", 60)

    return run


def test_nodes(polycloud: Run) -> None:
    """A node of a profile is created, listed, stopped and destroyed at a shell."""
    made = polycloud(
        *("nodes", "create", "--name", "web", "--size", "vc2-1c-1gb", "--image", "387"),
        *("--location", "ams", "-p", "games"),
    )
    assert made.returncode == 0, made.stderr
    (node,) = json.loads(polycloud("nodes", "list", "-p", "games", "--json").stdout)
    assert (node["name"], node["state"], node["public_ips"]) == ("web", "running", ["192.0.2.1"])
    assert polycloud("nodes", "stop", "web", "-p", "games").returncode == 0
    (node,) = json.loads(polycloud("nodes", "list", "-p", "games", "--json").stdout)
    assert node["state"] == "stopped"
    inventory = json.loads(polycloud("inventory", "--ansible", "-p", "games").stdout)
    assert "web" in inventory["_meta"]["hostvars"]
    assert polycloud("nodes", "destroy", "web", "-p", "games", "-y").returncode == 0
    assert json.loads(polycloud("nodes", "list", "-p", "games", "--json").stdout) == []


def test_prices(polycloud: Run) -> None:
    """Prices of Libcloud's sizes are compared by the month and the hour."""
    rows = json.loads(polycloud("prices", "-p", "games", "--json").stdout)
    assert [(row["id"], round(row["usd_month"], 2)) for row in rows] == [
        ("vc2-1c-1gb", 5.0),
        ("vc2-2c-2gb", 10.0),
        ("vc2-4c-4gb", 20.0),
    ]


def test_providers(polycloud: Run) -> None:
    """The matrix has the providers via apache-libcloud apart, marked, and JSON has their operations."""
    shown = polycloud("providers", "--service", "compute")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "via apache-libcloud (compute)" in shown.stdout
    (service,) = json.loads(polycloud("providers", "--service", "compute", "--json").stdout)
    (found,) = [one for one in service["bridged"] if one["name"] == "vultr"]
    assert (found["title"], found["via"]) == ("Vultr", "apache-libcloud")
    assert found["offers"]["create_node"]
    assert not found["offers"]["copy_image"]
    assert "vultr" not in {one["name"] for one in service["providers"]}
    assert {one["via"] for one in service["providers"]} == {None}


def test_profiles(polycloud: Run, config: Path, vultr: VultrCloud) -> None:
    """A profile is added with its credentials from a variable, after they were tried."""
    added = polycloud(
        *("profiles", "add", "more", "--provider", "vultr", "--url", vultr.web.url),
        POLYCLOUD_VULTR_KEY=TOKEN,
    )
    assert added.returncode == 0, added.stderr
    assert "Vultr responds at" in added.stdout
    assert "[profiles.more]" in config.read_text()
    refused = polycloud("nodes", "list", "-p", "more", POLYCLOUD_VULTR_KEY="wrong-token-1")
    assert refused.returncode != 0
    assert "Invalid API token" in refused.stderr
    assert "wrong-token-1" not in refused.stderr


def test_provider_of_the_environment(polycloud: Run, vultr: VultrCloud) -> None:
    """A provider with credentials from the environment needs no profile; completion offers its name."""
    listed = polycloud(
        *("locations", "list", "--provider", "vultr", "--url", vultr.web.url, "--json"),
        POLYCLOUD_VULTR_KEY=TOKEN,
    )
    assert [one["id"] for one in json.loads(listed.stdout)] == ["ams", "ewr"]
    offered = polycloud(
        _POLYCLOUD_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="polycloud nodes list --provider vul"
    )
    assert "vultr" in offered.stdout


def test_fleet(config: Path, vultr: VultrCloud) -> None:
    """A fleet calls a bridged account beside others, and has the error of one that fails."""
    good: Any = load().profile("games").connect()
    bad = type(good)("wrong-token-1", **vultr.web.options)
    results = {result.account: result for result in Fleet({"good": good, "bad": bad}).list_locations()}
    assert [one.id for one in results["good"].get()] == ["ams", "ewr"]
    assert isinstance(results["bad"].error, InvalidCredsError)
