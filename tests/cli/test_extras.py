from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polycloud.cli import extras
from polycloud.compute.providers import get_driver
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.sandbox import Sandbox
from support.keypairs import key_pair
from support.web import Answer, Seen, serve

Run = Callable[..., subprocess.CompletedProcess[str]]
ORDER = ("--size", "s-1vcpu-1gb", "--image", "ubuntu-24-04-x64", "--location", "nyc1")


@pytest.fixture
def account(prod: Sandbox, configured: Callable[[str], Path]) -> dict[str, str]:
    """The environment of a user with the account `prod`."""
    (token,) = prod.credentials
    file = configured(
        f'[profiles.prod]\nprovider = "digitalocean"\nurl = "{prod.url}/v2"\ntoken = "{token}"\n'
    )
    return {"POLYCLOUD_CONFIG": str(file)}


@pytest.mark.parametrize(
    ("provider", "texts", "arguments"),
    [
        ("ec2", ["ex_spot=true", "ex_spot_max_price=0.01"], {"ex_spot": True, "ex_spot_max_price": 0.01}),
        (
            "ec2",
            ["ex_security_group_ids=a", "ex_security_group_ids=b"],
            {"ex_security_group_ids": ["a", "b"]},
        ),
        (
            "ec2",
            ['ex_metadata={"env": "prod"}', "ex_subnet=s"],
            {"ex_metadata": {"env": "prod"}, "ex_subnet": "s"},
        ),
        ("ec2", ['ex_blockdevicemappings=[{"a": 1}]'], {"ex_blockdevicemappings": [{"a": 1}]}),
        ("ec2", ["ex_mincount=2"], {"ex_mincount": 2}),
        ("linode", ["ex_private_ip=no", "ex_tags=a=b"], {"ex_private_ip": False, "ex_tags": ["a=b"]}),
        ("nephoscale", ["hostname=web", "ex_timeout=3"], {"hostname": "web", "ex_timeout": 3.0}),
        ("digitalocean", ['ex_create_attr={"ipv6": true}'], {"ex_create_attr": {"ipv6": True}}),
        ("dummy", ["ex_anything=1"], {"ex_anything": "1"}),
    ],
)
def test_types_of_the_signature(provider: str, texts: list[str], arguments: dict[str, Any]) -> None:
    """`--set` gives the driver's arguments with the types of its signature."""
    assert extras.parsed(driver_of(provider), texts) == arguments


@pytest.mark.parametrize(
    ("provider", "texts", "said"),
    [
        ("ec2", ["ex_spto=true"], r"create_node of Amazon EC2 has no 'ex_spto'; the nearest are ex_spot"),
        ("ec2", ["ex_spot=maybe"], "--set ex_spot must be true or false"),
        ("ec2", ["ex_mincount=two"], "--set ex_mincount must be a number"),
        ("ec2", ["ex_metadata=[1]"], 'must be JSON such as {"name": "value"}'),
        ("ec2", ["ex_subnet=a", "ex_subnet=b"], "--set ex_subnet takes one value, got 2"),
        ("ec2", ["ex_spot"], "--set must be NAME=VALUE"),
        ("ec2", ["size=big"], "size has an option of its own"),
        ("linode", ["root_pass=hunter2"], "root_pass is a secret"),
    ],
)
def test_what_set_refuses(provider: str, texts: list[str], said: str) -> None:
    """What is not in the signature, of another type or a secret is refused, without showing the value."""
    with pytest.raises(InvalidArgumentError) as caught:
        extras.parsed(driver_of(provider), texts)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "option", "value", "arguments"),
    [
        ("ec2", "key", "me", {"ex_keyname": "me"}),
        ("ec2", "security-group", "web", {"ex_security_groups": ["web"]}),
        ("ec2", "network", "subnet-1", {"ex_subnet": "subnet-1"}),
        ("digitalocean", "key", "12", {"ex_ssh_key_ids": ["12"]}),
        ("digitalocean", "network", "a-b", {"ex_create_attr": {"vpc_uuid": "a-b"}}),
        ("linode", "security-group", "7", {"ex_create_attr": {"firewall_id": 7}}),
        ("nephoscale", "network", "3", {"ex_networks": ["3"]}),
        ("openstack", "key", "me", {"ex_keyname": "me"}),
        ("openstack", "security-group", "web", {"ex_security_groups": ["web"]}),
        ("openstack", "network", "a-net", {"networks": ["a-net"]}),
        ("softlayer", "key", "me", {"ex_keyname": ["me"]}),
        ("softlayer", "network", "7", {"ex_private_vlan": "7"}),
    ],
)
def test_options_that_providers_name_differently(
    provider: str, option: str, value: str, arguments: dict[str, Any]
) -> None:
    """Keys, groups and networks become the driver's own arguments; a driver without one refuses."""
    assert extras.usual(driver_of(provider), option, [value]) == arguments
    with pytest.raises(
        UnsupportedOperationError, match="does not take --security-group when a node is created"
    ):
        extras.usual(driver_of("nephoscale"), "security-group", ["web"])


def driver_of(provider: str) -> Any:
    kind: Any = get_driver(provider)
    if provider == "openstack":
        return kind("user", "secret", url="https://keystone.example")
    return kind("user", "secret") if provider in {"ec2", "nephoscale", "softlayer"} else kind("token")


def test_groups_by_name_and_id() -> None:
    """At Amazon a security group is given by its name or its id."""

    def respond(seen: Seen) -> Answer:
        return Answer(400, b"<R><Errors><Error><Code>X</Code></Error></Errors></R>")

    with serve(respond) as web:
        driver: Any = get_driver("ec2")("AKIA", "x", url=web.url)
        with pytest.raises(Exception, match="X"):
            driver.create_node("w", "t3.micro", "ami-1", ex_security_groups=["web", "sg-1"])
    sent = web.seen[0].body.decode()
    assert "SecurityGroup.1=web" in sent
    assert "SecurityGroupId.1=sg-1" in sent


def test_help_lists_what_set_takes(run: Run, account: dict[str, str]) -> None:
    """The help of a create for a profile, the default one too, lists what its driver takes beyond."""
    for profile in ((), ("-p", "prod")):
        text = run("nodes", "create", *profile, "--help", **account).stdout
        assert "--set for DigitalOcean:" in text
        assert "\n  ex_ssh_key_ids  text; may be repeated\n" in text
    assert "--set for" not in run("nodes", "deploy", "--help").stdout
    assert "ex_spot " in run("nodes", "deploy", "--provider", "ec2", "--help").stdout


def test_several_nodes(run: Run, prod: Sandbox, account: dict[str, str], tmp_path: Path) -> None:
    """--count creates numbered nodes, with a registered key, user data and tags; a repeat creates none."""
    public = tmp_path / "id.pub"
    public.write_text(f"{key_pair()[1]}\n")
    assert run("keys", "import", "laptop", str(public), **account).returncode == 0
    (tmp_path / "init").write_text("#!/bin/sh\n")
    command = (
        *("nodes", "create", "--name", "web", *ORDER, "--count", "3", "--key", "laptop", "--tag", "front"),
        *("--user-data", str(tmp_path / "init"), "--idempotency-key", "k", "--wait", "--json"),
        *("--set", 'ex_create_attr={"ipv6": true}'),
    )
    first, second = (run(*command, **account) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr
    nodes = json.loads(first.stdout)
    assert [node["name"] for node in nodes] == ["web-1", "web-2", "web-3"]
    assert {node["state"] for node in nodes} == {"running"}
    assert [node["id"] for node in json.loads(second.stdout)] == [node["id"] for node in nodes]
    assert len(prod.servers) == 2 + 3
    dry = run(*command, "--dry-run", **account).stdout.splitlines()
    assert [line.split()[4] for line in dry] == ["web-1", "web-2", "web-3"]
    assert "ex_ssh_key_ids" in dry[0]


def test_some_of_several_fail(run: Run, prod: Sandbox, account: dict[str, str]) -> None:
    """If one of several is refused, the others are created and printed, and the exit status is 1."""
    prod.fault(422, method="POST", path="/v2/droplets")
    done = run("nodes", "create", "--name", "web", *ORDER, "--count", "3", "--json", **account)
    assert done.returncode == 1
    assert len(json.loads(done.stdout)) == 2
    assert done.stderr.count("ProviderHTTPError") == 1


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--key", "lptop"), 3, "DigitalOcean has no key 'lptop'; it has no key\nnor is there a file lptop"),
        (("--user-data", "/no/file"), 2, "the file of user data /no/file cannot be read: No such file"),
        (
            ("--security-group", "web"),
            1,
            "DigitalOcean does not take --security-group when a node is created",
        ),
        (("--set", "ex_no=1"), 2, "create_node of DigitalOcean has no 'ex_no'"),
        (("--count", "0"), 2, "'--count'"),
    ],
)
def test_what_is_refused(
    run: Run, prod: Sandbox, account: dict[str, str], options: tuple[str, ...], status: int, said: str
) -> None:
    """What cannot be used is refused before anything is created."""
    done = run("nodes", "create", "--name", "web", *ORDER, *options, **account)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert len(prod.servers) == 2
