from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polycloud.cli.nouns import NOUNS, nouns_of
from polycloud.common.providers import DriverType, get_driver
from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    import subprocess

    Run = Callable[..., subprocess.CompletedProcess[str]]

PROGRAM = """
import sys, types
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.providers import set_driver

class Names(DummyDNSDriver):
    def __init__(self, *credentials, **options):
        super().__init__(*credentials, **options)
        for zone in ("example.com", "example.org"):
            self.create_zone(zone)

drivers = sys.modules["names"] = types.ModuleType("names")
drivers.Names = Names
set_driver("names", "names", "Names")
from polycloud.cli.main import run
run()
"""
"""The command with a driver that has zones from the start."""

CONFIG = """
default = "names"
[profiles.names]
provider = "names"
service = "dns"
key = "x"
[profiles.more]
provider = "names"
key = "x"
[profiles.servers]
provider = "dummy"
service = "compute"
key = "x"
"""


@pytest.fixture
def accounts(configured: Callable[[str], object]) -> dict[str, str]:
    """The environment of a user with accounts for DNS, for compute, and for any service."""
    return {"POLYCLOUD_CONFIG": str(configured(CONFIG))}


@pytest.fixture
def zones(run: Run, accounts: dict[str, str]) -> Run:
    """Runs the command with these accounts."""

    def run_it(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run(*arguments, program=PROGRAM, **accounts, **variables)

    return run_it


def test_lists_of_another_service(zones: Run) -> None:
    """A noun of any service is listed, with its columns and filters, from the accounts for that service."""
    done = zones("dns", "zones", "list", "--all", "--json", "--columns", "account,domain,id")
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)
    assert {row["account"] for row in rows} == {"names", "more"}
    assert [row["domain"] for row in rows] == ["example.com", "example.org"] * 2
    filtered = zones("dns", "zones", "list", "--filter", "domain=*.org", "--columns", "id")
    assert filtered.stdout.split() == ["id", rows[1]["id"]]


def test_names_in_another_service(zones: Run) -> None:
    """A resource of any service is found by its name or id; messages use the noun's words."""
    first = json.loads(zones("dns", "zones", "list", "--json").stdout)[0]
    for text in (first["domain"], first["id"]):
        shown = json.loads(zones("dns", "zones", "show", text, "--json").stdout)
        assert (shown["domain"], shown["id"]) == (first["domain"], first["id"])
    done = zones("dns", "zones", "show", "nothing.test")
    assert done.returncode == 3
    assert "has no zone 'nothing.test'" in done.stderr


def test_changes_in_another_service(zones: Run) -> None:
    """A command that destroys resources of any service asks first, and reports each of them."""
    refused = zones("dns", "zones", "delete", "example.com")
    assert (refused.returncode, "delete 1 zone of names?" in refused.stderr) == (2, True)
    done = zones("dns", "zones", "delete", "example.com", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("deleted zone example.com")


def test_completion_of_another_service(zones: Run) -> None:
    """The shell completes names of resources of any service."""
    done = zones(_POLYCLOUD_COMPLETE="complete_bash", COMP_WORDS="polycloud dns zones show ", COMP_CWORD="4")
    assert done.stdout.split() == ["example.com", "example.org"]


def test_providers_of_another_service(zones: Run) -> None:
    """`providers` has a table for each service, whose operations are grouped by its nouns."""
    lines = zones("providers").stdout.splitlines()
    for service in {noun.service for noun in NOUNS.values()} | {"dns"}:
        assert any(line.startswith(f"{service} ") for line in lines)
    at = lines.index("zones")
    assert lines[at - 1].split()[0] == "dns"
    operation, *offered = lines[at + 1].split()
    assert operation == "list_zones"
    assert offered == ["yes"] * (len(lines[at - 1].split()) - 1)


def test_an_account_for_another_service(zones: Run) -> None:
    """A profile that is for one service is refused for another."""
    done = zones("nodes", "list", "-p", "names")
    assert done.returncode == 2
    assert "profiles.names.service: it is for dns, not for compute" in done.stderr
    done = zones("dns", "zones", "list", "-p", "servers")
    assert "profiles.servers.service: it is for compute, not for dns" in done.stderr


def test_checks_of_every_service(zones: Run) -> None:
    """`profiles check` connects to each account for the service of its profile."""
    done = zones("profiles", "check", "names", "servers", "--json")
    assert done.returncode == 0, done.stderr
    assert [(row["account"], row["provider"]) for row in json.loads(done.stdout)] == [
        ("names", "Dummy DNS Provider"),
        ("servers", "Dummy Node Provider"),
    ]


def test_accounts_without_the_service(run: Run, configured: Callable[[str], object]) -> None:
    """With --all, a service for which there is no profile is an error that names it."""
    file = configured('[profiles.a]\nprovider = "dummy"\nservice = "compute"\nkey = "x"\n')
    done = run("dns", "zones", "list", "--all", program=PROGRAM, POLYCLOUD_CONFIG=str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"there are no profiles for dns in {file}\n")


def test_the_table_of_nouns() -> None:
    """Each noun stands under its plural, and its driver has the operation that lists it."""
    assert {noun.service for noun in NOUNS.values()} <= set(DriverType)
    for name, noun in NOUNS.items():
        assert noun.many == name
        assert noun in nouns_of(noun.service)
        assert noun.operation in get_driver(noun.service, "dummy").operations()


def test_exact_ids_cost_no_list(run: Run, configured: Callable[[str], Path]) -> None:
    """A dry run with exact ids of a size and an image asks for these two only, and for no list."""
    with Sandbox("linode", ssh="off") as cloud:
        file = configured(
            f'[profiles.a]\nprovider = "linode"\nurl = "{cloud.url}/v4"\ntoken = "{cloud.credentials[0]}"\n'
        )
        order = ("--name", "web", "--size", "g6-nanode-1", "--image", "linode/debian12")
        done = run("nodes", "create", *order, "--dry-run", POLYCLOUD_CONFIG=str(file))
        assert done.returncode == 0, done.stderr
        asked = [request.path for request in cloud.requests]
    assert sorted(path.rpartition("/v4")[2] for path in asked) == [
        "/images/linode/debian12",
        "/linode/types/g6-nanode-1",
    ]
