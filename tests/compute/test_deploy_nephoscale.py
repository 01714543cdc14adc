from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from polycloud.compute.deployment import (
    FileDeployment,
    MultiStepDeployment,
    ScriptDeployment,
    SSHKeyDeployment,
)
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.objects import Node, NodeAuthSSHKey
from polycloud.compute.ssh import SSHClient
from polycloud.compute.types import DeploymentError, SSHTimeoutError
from polycloud.concurrency import waiting
from polycloud.sandbox import MachineError, Sandbox
from support.keypairs import key_pair

PRIVATE, PUBLIC = key_pair()
SETTINGS: dict[str, Any] = {"appear": 0.02, "build": 0.05, "power": 0.02, "destroy": 0.02}


@pytest.fixture(params=["namespaces", "user-namespaces", "folder"], scope="module")
def cloud(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A cloud with machines of each kind that works here."""
    try:
        started = Sandbox("nephoscale", ssh=request.param, no_isolation=True, **SETTINGS).start()
    except MachineError as error:
        pytest.skip(str(error))
    yield started
    started.stop()


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[NephoscaleNodeDriver]:
    with NephoscaleNodeDriver(*cloud.credentials, **cloud.options) as driver:
        yield driver
        for node in driver.list_nodes():
            node.destroy()


def deploy(driver: NephoscaleNodeDriver, cloud: Sandbox, step: Any, **options: Any) -> Node:
    how: dict[str, Any] = {
        "name": "web",
        "size": driver.list_sizes()[0],
        "image": driver.list_images()[0],
        "auth": NodeAuthSSHKey(PUBLIC),
        "ssh_key": PRIVATE,
        "ssh_port": cloud.ssh_port,
        "wait_period": 0.1,
        "timeout": 30,
    }
    return driver.deploy_node(deploy=step, **{**how, **options})


def test_a_deployment(driver: NephoscaleNodeDriver, cloud: Sandbox, tmp_path: Any) -> None:
    """A key, a file and a script are deployed to a new node; the deployment's key is deleted afterwards."""
    (tmp_path / "app.conf").write_text("answer = 42\n")
    script = ScriptDeployment("#!/bin/sh\nhostname; cat app.conf; echo $1", args=["a b"], delete=True)
    second_public = key_pair()[1]
    file = FileDeployment(str(tmp_path / "app.conf"), "app.conf")
    node = deploy(driver, cloud, MultiStepDeployment([SSHKeyDeployment(second_public), file, script]))
    assert (script.stdout or "").splitlines()[1:] == ["answer = 42", "a b"]
    if cloud.isolation.startswith(("namespaces", "user namespaces")):
        assert (script.stdout or "").startswith("web\n")
    assert driver.ex_list_keypairs() == []
    assert driver.get_node(node.id).name == "web"


def test_an_existing_key_stays(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """A key of the account that a deployment uses is not deleted by it."""
    pair = driver.import_key_pair_from_string("mine", PUBLIC)
    script = ScriptDeployment("true")
    deploy(driver, cloud, script)
    deploy(driver, cloud, script, auth=None, server_key=pair.extra["id"])
    assert [key.name for key in driver.list_key_pairs()] == ["mine"]
    driver.delete_key_pair(pair)


def test_a_failing_deployment(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """A deployment that fails deletes the key that it registered, and its node if requested."""
    with pytest.raises(DeploymentError, match="exit status 3"):
        deploy(driver, cloud, ScriptDeployment("exit 3"), ex_destroy_on_failure=True)
    assert driver.ex_list_keypairs() == []
    waiting.poll(lambda: not driver.list_nodes() or None, waiting_for="the node to go", timeout=10)


def test_many_at_once(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """Nodes deployed side by side each get their own script's output."""
    pair = driver.import_key_pair_from_string("many", PUBLIC)

    def one(number: int) -> str:
        script = ScriptDeployment(f"echo {number}")
        deploy(driver, cloud, script, name=f"n{number}", auth=None, server_key=pair.extra["id"])
        return (script.stdout or "").strip()

    calls = [partial(one, n) for n in range(6)]
    assert waiting.gather(calls, limit=6) == [str(n) for n in range(6)]
    driver.delete_key_pair(pair)


def test_ssh_that_hangs(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """A deployment to a node whose SSH hangs is a DeploymentError with an SSHTimeoutError."""
    cloud.ssh_fault("hang")
    try:
        with pytest.raises(DeploymentError) as caught:
            deploy(driver, cloud, ScriptDeployment("true"), ssh_timeout=0.3, timeout=1.5)
    finally:
        cloud.ssh_fault(None)
    assert isinstance(caught.value.value, SSHTimeoutError)


def test_files_survive_a_reboot(driver: NephoscaleNodeDriver, cloud: Sandbox) -> None:
    """A node that reboots keeps its files and its host key, and accepts the login again."""
    pair = driver.import_key_pair_from_string("reboot", PUBLIC)
    node = deploy(driver, cloud, ScriptDeployment("echo kept > f"), auth=None, server_key=pair.extra["id"])
    address, port = node.public_ips[0], cloud.ssh_port or 22
    client = SSHClient(address, port, key_material=PRIVATE, machine=node.uuid)
    client.connect()
    node.reboot()
    client.close()
    waiting.poll(
        lambda: driver.get_node(node.id).state == "running" or None, waiting_for="the reboot", timeout=20
    )
    client.connect()
    assert client.run("cat f").stdout == "kept\n"
    client.close()
    driver.delete_key_pair(pair)
