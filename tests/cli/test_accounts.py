from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from polycloud.sandbox import Sandbox
from support.web import Answer, serve

Run = Callable[..., subprocess.CompletedProcess[str]]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-west-2"}


@pytest.mark.parametrize(
    "command",
    [
        ("nodes", "destroy", "-p", "home", "--profile=work", "dummy-1", "--yes"),
        ("nodes", "create", "--name", "a", "--size", "Med", "--size", "Big", "--image", "deb"),
        ("prices", "--ram", "1", "--ram", "2"),
    ],
)
def test_an_option_that_is_repeated(run: Run, dummies: dict[str, str], command: tuple[str, ...]) -> None:
    """An option of which a command takes one is refused if it is repeated, and nothing is done."""
    done = run(*command, **dummies)
    assert done.returncode == 2
    assert not done.stdout
    assert "was given 2 times; this command takes one" in done.stderr


def test_an_address_for_one_command(run: Run, office: Sandbox) -> None:
    """--url is the address of the API for one command, and is refused for several accounts."""
    user, password = office.credentials
    variables = {"POLYCLOUD_NEPHOSCALE_USER": user, "POLYCLOUD_NEPHOSCALE_PASSWORD": password}
    where = ("--provider", "nephoscale", "--url", office.url)
    assert len(run("nodes", "list", *where, "--columns", "name", **variables).stdout.split()) == 3


def test_no_address_for_several_accounts(run: Run, both: dict[str, str], office: Sandbox) -> None:
    """--url is refused for several accounts, whose credentials would all go there."""
    done = run("nodes", "list", "--all", "--url", office.url, **both)
    assert done.returncode == 2
    assert "--url is for one account" in done.stderr
    assert office.requests == []


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_region_for_one_command(run: Run, by_variable: bool) -> None:
    """--region replaces the account's region; the address may be that of AWS_ENDPOINT_URL."""
    with serve(lambda _: Answer(401)) as web:
        url = () if by_variable else ("--url", web.url)
        variables = {**KEYS, **({"AWS_ENDPOINT_URL": web.url} if by_variable else {})}
        run("nodes", "list", "--provider", "ec2", "--region", "eu-north-1", *url, **variables)
    assert "/eu-north-1/ec2/" in web.seen[0].headers["Authorization"]
