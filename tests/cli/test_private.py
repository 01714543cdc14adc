from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    import subprocess

    Run = Callable[..., subprocess.CompletedProcess[str]]

CREDENTIALS = {
    "openstack": ("username", "password"),
    "softlayer": ("username", "api_key"),
}
SOON = """
from polycloud.cli.main import run
from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver
SoftLayerNodeDriver.public_address_time = 1.0
run()
"""
LOCATIONS = {"openstack": "nova", "softlayer": "dal10"}


@pytest.fixture
def account(provider: str, configured: Callable[[str], Path]) -> Iterator[dict[str, str]]:
    """The environment of a user with an account at the cloud `provider`."""
    with Sandbox(provider, ssh="off", build=0.1, seed_nodes=1) as cloud:
        values = {**dict(zip(CREDENTIALS[provider], cloud.credentials, strict=True)), **cloud.options}
        lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        file = configured("\n".join(["[profiles.cloud]", f'provider = "{provider}"', *lines, ""]))
        yield {"POLYCLOUD_CONFIG": str(file)}


@pytest.mark.parametrize("provider", CREDENTIALS)
def test_locations_of_nodes(run: Run, account: dict[str, str], provider: str) -> None:
    """Lists, filters and the groups of Ansible know where a node is."""
    [node] = json.loads(run("nodes", "list", "--json", **account).stdout)
    assert node["location"] == LOCATIONS[provider]
    kept = run("nodes", "list", "--filter", f"location={LOCATIONS[provider]}", "--json", **account).stdout
    assert json.loads(kept) == [node]
    assert f"location_{LOCATIONS[provider]}" in run("inventory", "--ansible", **account).stdout


@pytest.mark.parametrize("provider", ["softlayer"])
def test_numbers_instead_of_a_size(run: Run, account: dict[str, str], provider: str) -> None:
    """Where the driver's create needs no size and no image, neither does the command."""
    numbers = ("--set", "ex_cpus=2", "--set", "ex_ram=4096", "--set", "ex_disk=25")
    order = ("--name", "app", *numbers, "--set", "ex_os=UBUNTU_24_64")
    would = run("nodes", "create", *order, "--dry-run", **account)
    assert "would create the node app at SoftLayer: ex_cpus 2, ex_ram 4096" in would.stdout + would.stderr
    made = json.loads(run("nodes", "create", *order, "--json", **account).stdout)
    assert (made["name"], made["size"], made["image"]) == ("app", "2-4096-25", "UBUNTU_24_64")
    nothing = run("nodes", "create", "--name", "app", "--set", "ex_os=UBUNTU_24_64", **account)
    assert nothing.returncode == 2
    assert "size" in nothing.stderr


@pytest.mark.parametrize("provider", ["softlayer"])
def test_a_wait_for_a_private_node(run: Run, account: dict[str, str], provider: str) -> None:
    """A create that waits ends for a node with private addresses only; --ssh-interface needs no grace."""
    order = ("--size", "B1_1X2X25", "--image", "UBUNTU_24_64", "--set", "ex_private_network_only=true")
    waits = ("--wait", "--timeout", "40", "--json")
    done = run("nodes", "create", "--name", "db", *order, *waits, program=SOON, **account)
    made = json.loads(done.stdout)
    assert (made["state"], made["public_ips"], len(made["private_ips"])) == ("running", [], 1)
    known = run("nodes", "wait", "db", "--timeout", "5", "--ssh-interface", "private_ips", **account)
    assert known.stdout == f"node db (id {made['id']}) is running at {made['private_ips'][0]}\n"
    named = run("nodes", "wait", "db", "--timeout", "0", "--ssh-interface", "public_ips", **account)
    assert named.returncode != 0
    assert 'ssh_interface="private_ips" takes' in named.stderr
