from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]
import psutil
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from polycloud.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTED = """
import os, sys, psutil
from polycloud.sandbox import Sandbox
cloud = Sandbox("ec2", types="t3").start()
print(psutil.Process().children()[0].pid, flush=True)
"""


@pytest.fixture(scope="module")
def ec2() -> Iterator[Sandbox]:
    with Sandbox("ec2", types="t3") as sandbox:
        yield sandbox


@pytest.fixture
def empty(ec2: Sandbox) -> Sandbox:
    ec2.reset()
    return ec2


def amazons(cloud: Sandbox, secret: str | None = None, region: str = "us-east-1") -> Any:
    """Amazon's own client."""
    key, right = cloud.credentials
    return boto3.client(
        "ec2",
        region_name=region,
        endpoint_url=cloud.url,
        aws_access_key_id=key,
        aws_secret_access_key=secret or right,
        config=Config(retries={"max_attempts": 0}, connect_timeout=10, read_timeout=30),
    )


def run(client: Any) -> str:
    image = client.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    made = client.run_instances(
        ImageId=image,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}],
    )
    instance: str = made["Instances"][0]["InstanceId"]
    return instance


def emulators(process: psutil.Process | None = None) -> list[psutil.Process]:
    """The processes of moto that a process (this one) has started."""
    return [
        child
        for child in (process or psutil.Process()).children()
        if any(part.endswith("program.py") for part in child.cmdline())
    ]


@contextlib.contextmanager
def started(more: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A program with an EC2 that goes on with `more`, and the id of moto's process."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", *options, "-c", STARTED + more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def assert_gone(pid: int) -> None:
    ends_at = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < ends_at
        time.sleep(0.02)  # noqa: TID251 - a test waits for a process


def test_amazons_own_client_is_content(empty: Sandbox) -> None:
    """An instance lives and ends as Amazon's own client expects it, and `servers` tells the same."""
    client = amazons(empty)
    instance = run(client)
    client.get_waiter("instance_running").wait(InstanceIds=[instance])
    (server,) = empty.servers
    assert (server["id"], server["name"], server["state"], server["machine"]) == (
        instance,
        "web",
        "running",
        "none",
    )
    assert (server["type"], server["region"], len(server["addresses"])) == ("t3.micro", "us-east-1", 2)
    client.terminate_instances(InstanceIds=[instance])
    assert [server["state"] for server in empty.servers] == ["terminated"]


def test_regions_are_apart(empty: Sandbox) -> None:
    """An instance is listed in its own region, and `servers` has those of all."""
    instance = run(amazons(empty, region="eu-central-1"))
    assert amazons(empty).describe_instances()["Reservations"] == []
    assert [(server["id"], server["region"]) for server in empty.servers] == [(instance, "eu-central-1")]


def test_signatures_are_checked(empty: Sandbox) -> None:
    """What is signed with another secret is refused from the first request on."""
    with pytest.raises(ClientError, match="AuthFailure"):
        amazons(empty, secret="another").describe_instances()


def test_credentials_are_knobs() -> None:
    """The access key and its secret are those that were wished for."""
    with Sandbox("ec2", access_key="AKIAANN", secret_key="x", types="t3") as cloud:
        assert cloud.credentials == ("AKIAANN", "x")
        assert amazons(cloud).describe_instances()["Reservations"] == []
        with pytest.raises(ClientError, match="AuthFailure"):
            amazons(cloud, secret="ec2_sandbox").describe_instances()


def test_types(empty: Sandbox) -> None:
    """The types of the wished families only are listed, and one that does not exist is refused."""
    client = amazons(empty)
    types = client.describe_instance_types()["InstanceTypes"]
    assert {one["InstanceType"].split(".")[0] for one in types} == {"t3"}
    image = client.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    with pytest.raises(ClientError, match="InvalidInstanceType"):
        client.run_instances(ImageId=image, InstanceType="t3.tiny", MinCount=1, MaxCount=1)


def test_faults_and_requests(empty: Sandbox) -> None:
    """Faults hit it as they hit every cloud, and the requests are told."""
    empty.fault(503)
    with pytest.raises(ClientError, match="503"):
        amazons(empty).describe_instances()
    amazons(empty).describe_volumes()
    assert [request.form["Action"] for request in empty.requests] == ["DescribeInstances", "DescribeVolumes"]


def test_reset_and_stop_forget() -> None:
    """Neither after a reset nor after a stop is there anything left, and the credentials stay good."""
    cloud = Sandbox("ec2", types="t3")
    for end in (cloud.reset, cloud.stop):
        with cloud:
            run(amazons(cloud))
            end()
            assert cloud.servers == []
        with cloud:
            assert amazons(cloud).describe_instances()["Reservations"] == []


def test_a_stop_does_not_wait_for_answers(caplog: pytest.LogCaptureFixture) -> None:
    """A stop ends requests that moto is busy with, without a word."""
    with Sandbox("ec2") as cloud, ThreadPoolExecutor() as pool:
        client = amazons(cloud)
        # All 1,400 take it seconds.
        listed = [pool.submit(client.describe_instance_types) for _ in range(3)]
        while len(cloud.requests) < len(listed):
            time.sleep(0.01)  # noqa: TID251 - a test waits for the server
        cloud.stop()
        for one in listed:
            assert one.exception(timeout=30)
    assert caplog.records == []


def test_it_has_no_machines(ec2: Sandbox) -> None:
    """There is no SSH, and `isolation` tells why."""
    assert ec2.ssh_port is None
    assert ec2.isolation == "moto, which plays EC2, has no machines"


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"build": 1.0}, "unknown knob 'build': choose from access_key, secret_key, types"),
        ({"ssh": "folder"}, "no ssh, no_isolation or ssh_delay: moto, which plays EC2, has no machines"),
        ({"no_isolation": True}, "has no machines"),
        ({"ssh_delay": 1.0}, "has no machines"),
        ({"clock": lambda: 0.0}, "ec2 takes no clock: moto has its own"),
    ],
)
def test_knobs_of_other_clouds(knobs: dict[str, Any], message: str) -> None:
    """What other clouds take and this one cannot is a ValueError that says so."""
    with pytest.raises(ValueError, match=message):
        Sandbox("ec2", **knobs)


@pytest.mark.parametrize("missing", ["moto", "flask", "flask_cors"])
def test_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its extra the error says how to install it."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"needs moto: pip install 'polycloud\[moto\]'"):
        Sandbox("ec2")


def test_a_start_that_fails_says_why() -> None:
    """Where moto does not start, its last words are the error's, and no process is left."""
    before = emulators()
    with pytest.raises(RuntimeError, match="moto does not start: there are no instance types t33"):
        Sandbox("ec2", types="t3,t33").start()
    assert emulators() == before


def test_a_taken_port_leaves_no_process() -> None:
    """Where the port is taken no process is left."""
    before = emulators()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cloud = Sandbox("ec2", port=listener.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            cloud.start()
    assert emulators() == before


def test_it_listens_on_the_loopback_only(ec2: Sandbox) -> None:
    """The process of moto listens at one port of 127.0.0.1."""
    (process,) = emulators()
    (listener,) = (one for one in process.net_connections() if one.status == psutil.CONN_LISTEN)
    assert listener.laddr.ip == "127.0.0.1"


def test_the_environments_account_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials or settings of the environment get to moto, nor switch its checks off."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/real")
    monkeypatch.setenv("INITIAL_NO_AUTH_ACTION_COUNT", "1000")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    before = emulators()
    with Sandbox("ec2", types="t3") as cloud:
        (process,) = (one for one in emulators() if one not in before)
        told = process.environ()
        assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MOTO_EC2_LOAD_DEFAULT_AMIS"} & told.keys()
        assert told["AWS_SHARED_CREDENTIALS_FILE"] != "/real"
        with pytest.raises(ClientError, match="AuthFailure"):
            amazons(cloud, secret="real").describe_instances()
    assert_gone(process.pid)


def test_it_ends_with_a_program_that_is_killed() -> None:
    """Where the program is killed, which can do nothing more, moto ends."""
    with started("sys.stdin.read()") as (process, pid):
        assert psutil.pid_exists(pid)
        process.kill()
        process.communicate()
        assert_gone(pid)


def test_it_ends_with_a_program_that_forgets_it() -> None:
    """A program that ends without a stop leaves no process and no warning."""
    with started("") as (process, pid):
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0
        assert_gone(pid)


def test_a_fork_leaves_it_alone() -> None:
    """The end of a fork of the program does not end what the program still uses."""
    more = "pid = os.fork()\nif not pid: sys.exit()\nos.waitpid(pid, 0)\nprint(cloud.servers)\n"
    with started(more, "-W", "ignore::DeprecationWarning") as (process, _):
        assert process.communicate(timeout=30) == ("[]\n", "")


def test_a_moto_that_has_ended() -> None:
    """Where moto is killed from outside, a request is answered with an error that says so."""
    before = emulators()
    with Sandbox("ec2", types="t3") as cloud:
        (process,) = (one for one in emulators() if one not in before)
        process.kill()
        with pytest.raises(ClientError, match="moto does not answer"):
            amazons(cloud).describe_instances()


def test_the_examples_of_the_documentation_run() -> None:
    """The Python of the provider's page runs from its first line to its last."""
    page = (Path(__file__).parents[2] / "docs" / "providers" / "ec2.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    try:
        for block in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
            exec(block, names)  # noqa: S102 - our own page
        (node,) = names["cloud"].servers
        assert (node["name"], node["state"], node["type"]) == ("web", "running", "t3.micro")
    finally:
        names["cloud"].stop()
