from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polycloud import connect
from polycloud.sandbox import Sandbox

Run = Callable[..., subprocess.CompletedProcess[str]]
ANSIBLE = os.environ.get("POLYCLOUD_ANSIBLE_INVENTORY") or shutil.which("ansible-inventory")


@pytest.fixture
def tagged(prod: Sandbox) -> str:
    """The id of a droplet called `web`, with a tag."""
    with connect("digitalocean", *prod.credentials, url=f"{prod.url}/v2") as driver:
        location = driver.list_locations()[0]
        size = driver.list_sizes(location)[0]
        image = driver.list_images(location)[0]
        node = driver.create_node("web", size, image, location, tags=["tier:front"])
        driver.wait_until_running([node], wait_period=0.1)
        return str(node.id)


def inventory(run: Run, *arguments: str, **variables: str) -> Any:
    done = run("inventory", "--ansible", *arguments, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_hosts_and_groups(run: Run, both: dict[str, str], tagged: str) -> None:
    """Every node is a host with its public address, in groups by account, provider, state, location, tags."""
    found = inventory(run, "--list", **both)
    assert found == inventory(run, **both)
    variables = found["_meta"]["hostvars"]
    assert variables.keys() == {"seed-1", "seed-2", "seed-00001", "seed-00002", "web"}
    web = variables["web"]
    assert web["ansible_host"] == web["polycloud_public_ips"][0]
    assert (web["polycloud_id"], web["polycloud_tags"]) == (tagged, ["tier:front"])
    assert found["account_office"]["hosts"] == ["seed-1", "seed-2"]
    assert found["provider_digitalocean"]["hosts"] == ["seed-00001", "seed-00002", "web"]
    assert found["tag_tier_front"]["hosts"] == ["web"]
    assert set(found["state_running"]["hosts"]) == set(variables)
    assert found["location_SJC_1"]["hosts"] == ["seed-1"]
    assert set(found["all"]["children"]) == {"ungrouped", *(found.keys() - {"_meta", "all"})}


def test_selected_accounts(run: Run, both: dict[str, str]) -> None:
    """Only the named accounts are listed."""
    found = inventory(run, "-p", "office", **both)
    assert found["_meta"]["hostvars"].keys() == {"seed-1", "seed-2"}


def test_names_that_several_have(run: Run, dummies: dict[str, str]) -> None:
    """Hosts of the same name are distinguished by account and id."""
    assert inventory(run, **dummies)["_meta"]["hostvars"].keys() == {
        f"dummy-{id_}-{account}-{id_}" for account in ("home", "work") for id_ in (1, 2)
    }


def test_one_host(run: Run, dummies: dict[str, str]) -> None:
    """`--host` prints the variables of one host, and none for an unknown host."""
    assert inventory(run, "--host", "dummy-1-home-1", **dummies)["ansible_host"] == "203.0.113.1"
    assert inventory(run, "--host", "nobody", **dummies) == {}


def test_names_of_others_are_no_templates(run: Run, office: Sandbox, both: dict[str, str]) -> None:
    """A name that Ansible would execute as a template is marked unsafe, and is not a host name."""
    order = ("--size", "5", "--image", "49", "-p", "office")
    run("nodes", "create", "--name", "{{ 7 * 7 }}", *order, **both)
    found = inventory(run, "-p", "office", **both)["_meta"]["hostvars"]
    assert found["___7___7___"]["polycloud_name"] == {"__ansible_unsafe": "{{ 7 * 7 }}"}


def test_an_account_that_fails(run: Run, dummies: dict[str, str]) -> None:
    """If an account fails, the others are printed, and the exit status is 1."""
    file = Path(dummies["POLYCLOUD_CONFIG"])
    file.write_text(f'{file.read_text()}[profiles.old]\nprovider = "dummy"\nkey = {{ env = "NOT_SET" }}\n')
    done = run("inventory", "--ansible", **dummies)
    assert done.returncode == 1
    assert len(json.loads(done.stdout)["_meta"]["hostvars"]) == 4
    assert done.stderr.startswith("old: ConfigError: ")


@pytest.mark.parametrize("arguments", [(), ("--ansible", "--list", "--host", "x")])
def test_wrong_calls(run: Run, dummies: dict[str, str], arguments: tuple[str, ...]) -> None:
    """Another kind of inventory is refused, and so is --list with --host."""
    assert run("inventory", *arguments, **dummies).returncode == 2


@pytest.mark.skipif(ANSIBLE is None, reason="ansible-inventory is not installed; `make ansible` has it")
def test_ansible_reads_it(both: dict[str, str], tagged: str, tmp_path: Path) -> None:
    """Ansible reads hosts, their addresses and groups from the inventory."""
    script = tmp_path / "cloud"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m polycloud.cli.main inventory --ansible "$@"\n')
    script.chmod(0o755)
    done = subprocess.run(
        [str(ANSIBLE), "-i", str(script), "--list"],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
        env={**os.environ, **both, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )
    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr
    found = json.loads(done.stdout)
    assert found["_meta"]["hostvars"]["web"]["polycloud_id"] == tagged
    assert found["tag_tier_front"]["hosts"] == ["web"]
    assert set(found["account_office"]["hosts"]) == {"seed-1", "seed-2"}
