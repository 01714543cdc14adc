from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polycloud import connect
from polycloud.cli.commands.inventory import NOWHERE, _hosts, _is_address
from polycloud.sandbox import Sandbox
from support import ec2account
from support.ec2 import SmallEC2, instance
from support.ec2account import EC2Account

Run = Callable[..., subprocess.CompletedProcess[str]]
FOUND = os.environ.get("POLYCLOUD_ANSIBLE") or shutil.which("ansible") or ""
MISSING = pytest.mark.skip(reason="ansible is not installed; `make ansible` has several versions")
ANSIBLES: list[Any] = [Path(file).absolute() for file in FOUND.split()] or [pytest.param(None, marks=MISSING)]
with_ansible = pytest.mark.parametrize(
    "ansible",
    ANSIBLES or [pytest.param(None, marks=MISSING)],
    indirect=True,
    ids=lambda file: file and file.parent.parent.name,
)
EVIL = "{{ lookup('pipe', 'touch pwned') }}"
EVIL_ADDRESS = f"fe80::1%{EVIL}"
"""An address with a zone, as Python's ipaddress reads it."""


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


def tags(name: str, **more: str) -> str:
    """The tags of an instance, in XML."""
    found = {"Name": name, **more}
    return "".join(
        f"<item><key>{key}</key><value>{escape(text)}</value></item>" for key, text in found.items()
    )


def profile(cloud: SmallEC2) -> str:
    """The profile of an account at a small EC2."""
    key, secret, _ = cloud.credentials
    return (
        f'[profiles.amazon]\nprovider = "ec2"\nurl = "{cloud.url}"\nregion = "us-east-1"\n'
        f'key = "{key}"\nsecret = "{secret}"\n'
    )


@pytest.fixture
def hostile(configured: Callable[[str], Path]) -> Iterator[dict[str, str]]:
    """The environment of a user whose provider says what it likes of instances i-0, i-1 ..."""
    zone = "<availabilityZone>us-east-1b</availabilityZone>"
    fields: list[dict[str, str]] = [
        {"tagSet": tags("web", env="prod", note=EVIL), "placement": zone, "ipAddress": "198.51.100.1"},
        {"tagSet": tags("web"), "instanceState": "<name>terminated</name>"},
        {"tagSet": tags("db"), "instanceState": "<name>shutting-down</name>"},
        {"tagSet": tags("db"), "ipAddress": EVIL_ADDRESS, "privateIpAddress": "10.0.0.4"},
        {"tagSet": tags(EVIL), "ipAddress": EVIL, "instanceType": EVIL, "imageId": EVIL},
        *({"tagSet": tags(name)} for name in ("app 1", "app_1", "größe", "grüße")),
        *({"tagSet": tags(name)} for name in ("all", "localhost", "_meta", "127.0.0.1", "ungrouped")),
        {"tagSet": tags("-oProxyCommand=id"), "ipAddress": "-oProxyCommand=touch pwned"},
        {"tagSet": tags("account_amazon")},
        {"tagSet": tags("../../etc")},
        {"tagSet": tags("x" * 300)},
        {"tagSet": tags("all-amazon-i-9")},
    ]
    with SmallEC2() as cloud:
        cloud.instances = {
            str(number): instance(
                f"i-{number}",
                **{
                    name: text if name in {"tagSet", "placement", "instanceState"} else escape(text)
                    for name, text in one.items()
                },
            )
            for number, one in enumerate(fields)
        }
        yield {"POLYCLOUD_CONFIG": str(configured(profile(cloud)))}


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
    assert inventory(run, "--host", "dummy-1-home-1", **dummies)["ansible_host"] == "127.0.0.1"
    assert inventory(run, "--host", "nobody", **dummies) == {}


HOSTS = {
    "web": "i-0",
    "db": "i-3",
    "___lookup__pipe____touch_pwned_____": "i-4",
    "app_1-amazon-i-5": "i-5",
    "app_1-amazon-i-6": "i-6",
    "gr__e-amazon-i-7": "i-7",
    "gr__e-amazon-i-8": "i-8",
    "all-amazon-i-9_": "i-9",
    "localhost-amazon-i-10": "i-10",
    "_meta-amazon-i-11": "i-11",
    "127.0.0.1-amazon-i-12": "i-12",
    "ungrouped-amazon-i-13": "i-13",
    "_oProxyCommand_id": "i-14",
    "account_amazon-amazon-i-15": "i-15",
    "_._.._etc": "i-16",
    "x" * 200: "i-17",
    "all-amazon-i-9": "i-18",
}
"""The ids of the living nodes by the names that Ansible gets."""


def test_every_living_node_is_a_host(run: Run, hostile: dict[str, str]) -> None:
    """Each living node is a host with a name of its own, which means nothing else to Ansible."""
    found = inventory(run, **hostile)
    assert {host: one["polycloud_id"] for host, one in found["_meta"]["hostvars"].items()} == HOSTS
    assert not HOSTS.keys() & (found.keys() | {"all", "localhost", "ungrouped", "_meta", "127.0.0.1"})
    assert set(found["account_amazon"]["hosts"]) == HOSTS.keys()


def test_addresses_are_addresses(run: Run, hostile: dict[str, str]) -> None:
    """`ansible_host` is the first real address of a node; without one it is a name that nobody has."""
    variables = inventory(run, **hostile)["_meta"]["hostvars"]
    hosts = {one["polycloud_id"]: one["ansible_host"] for one in variables.values()}
    assert (hosts["i-0"], hosts["i-3"]) == ("198.51.100.1", "10.0.0.4")
    assert {hosts["i-4"], hosts["i-14"], hosts["i-16"]} == {NOWHERE}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        *(
            (text, True)
            for text in ("198.51.100.1", "2001:db8::1", "ec2-1.compute-1.amazonaws.com", "web", "w.x-y")
        ),
        *(
            (text, False)
            for text in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.1", "localhost")
        ),
        *((text, False) for text in ("LOCALHOST.localdomain", "127.1", "2130706433", "0x7f.1", "0x7f000001")),
        *((text, False) for text in ("-v", "a b", "a\n", "a;b", "", ".", "a..b", "a-.b", "{{a}}", "a" * 64)),
        *(
            (text, False)
            for text in ("fe80::1%eth0", f"fe80::1%{EVIL}", "user@host", "a." * 127 + "ab", "é.com")
        ),
    ],
)
def test_what_an_address_is(text: str, fits: bool) -> None:
    """A node's address is an IP address, neither of this machine nor with a zone, or a name of DNS."""
    assert _is_address(text, is_local=False) is fits


def test_loopback_addresses_of_sandboxes() -> None:
    """A provider on this machine may have nodes at its addresses."""
    assert _is_address("127.96.0.1", is_local=True)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text of a fresh checkout takes seconds
@given(
    st.lists(
        st.tuples(st.text("ä -_", max_size=3) | st.sampled_from(["a", "a-b-1", "a_", "all"]), st.booleans())
    )
)
def test_names_of_hosts_are_unique(nodes: list[tuple[str, bool]]) -> None:
    """However nodes are called, there are as many hosts as nodes, and no name begins like an option."""
    records = [
        {"name": name, "account": "ab"[with_tag], "id": str(number % 3), "provider": "p", "state": "s"}
        | {"location": None, "tags": [name] if with_tag else []}
        for number, (name, with_tag) in enumerate(nodes)
    ]
    hosts = _hosts(records)
    assert sorted(map(id, hosts.values())) == sorted(map(id, records))
    assert all(re.fullmatch(r"\w[\w.-]*", host, re.ASCII) for host in hosts)


def test_groups_by_tags_with_values_and_by_zone(run: Run, hostile: dict[str, str]) -> None:
    """Amazon's nodes are in groups by the values of their tags, and by their zones."""
    found = inventory(run, **hostile)
    assert found["tag_env_prod"]["hosts"] == found["location_us_east_1b"]["hosts"] == ["web"]
    assert "tag_Name_web" not in found


def test_a_name_means_the_living_node(
    run: Run, configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that is destroyed lends its name to the next one, though the provider still lists it."""
    monkeypatch.setattr(ec2account, "REMEMBERED", 600.0)
    with EC2Account() as cloud:
        account = {"POLYCLOUD_CONFIG": str(configured(profile(cloud)))}
        order = ("--name", "web", "--size", "t3.micro", "--image", "ami-0000000000000000a")
        for words in (("create", *order), ("destroy", "web", "-y"), ("create", *order)):
            done = run("nodes", *words, **account)
            assert done.returncode == 0, done
        first, second = cloud.by_id
        assert (
            run("nodes", "reboot", "web", **account).stdout == f"reboot requested: node web (id {second})\n"
        )
        assert inventory(run, **account)["_meta"]["hostvars"]["web"]["polycloud_id"] == second
        assert run("nodes", "destroy", "web", "--yes", **account).returncode == 0
        gone = run("nodes", "stop", "web", **account)
        assert gone.returncode == 3
        assert gone.stderr.endswith(f" has no node 'web'; of that name are destroyed: {first}, {second}\n")
        assert run("nodes", "show", first, **account).returncode == 0


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


@pytest.fixture
def ansible(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Runs a command of Ansible with the inventory; returns its output."""
    script = tmp_path / "cloud"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m polycloud.cli.main inventory --ansible "$@"\n')
    script.chmod(0o755)

    def run_it(program: str, *arguments: str, status: int = 0, **variables: str) -> str:
        file = request.param.with_name(program)
        done = subprocess.run(
            [str(file), "-i", str(script), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
            cwd=tmp_path,
            env={**os.environ, **variables, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        )
        assert (done.returncode, "WARNING" in done.stderr) == (status, False), done
        return done.stdout

    return run_it


@with_ansible
def test_ansible_reads_it(ansible: Callable[..., str], both: dict[str, str], tagged: str) -> None:
    """Ansible reads hosts, their addresses and groups from the inventory."""
    found = json.loads(ansible("ansible-inventory", "--list", **both))
    assert found["_meta"]["hostvars"]["web"]["polycloud_id"] == tagged
    assert found["tag_tier_front"]["hosts"] == ["web"]
    assert set(found["account_office"]["hosts"]) == {"seed-1", "seed-2"}


@with_ansible
def test_ansible_runs_nothing_of_a_provider(
    ansible: Callable[..., str], hostile: dict[str, str], tmp_path: Path
) -> None:
    """For Ansible every value from a provider is text, each node is a host, and no address an option."""
    show = ("all", "-m", "debug", "-a", "msg={{ hostvars[inventory_hostname] }}")
    _, *texts = re.split(r"^(\S+) \| SUCCESS => ", ansible("ansible", *show, **hostile), flags=re.MULTILINE)
    variables = {host: json.loads(text)["msg"] for host, text in zip(texts[::2], texts[1::2], strict=True)}
    assert {host: one["polycloud_id"] for host, one in variables.items()} == HOSTS
    web, evil = variables["web"], variables["___lookup__pipe____touch_pwned_____"]
    assert web["polycloud_tags"] == ["env=prod", f"note={EVIL}"]
    assert [evil[f"polycloud_{name}"] for name in ("name", "size", "image")] == [EVIL] * 3
    assert evil["polycloud_public_ips"] == [EVIL]
    ansible("ansible", "_oProxyCommand_id", "-m", "raw", "-a", "true", status=4, **hostile)
    assert sorted(file.name for file in tmp_path.iterdir() if "pwned" in file.name) == []
