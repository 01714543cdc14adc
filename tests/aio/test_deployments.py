"""Deployments on the caller's event loop, over real SSH."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from polycloud import aio
from polycloud.compute.deployment import ScriptDeployment
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import DeploymentError
from polycloud.sandbox import Sandbox
from support.keypairs import key_pair
from support.loops import Run, until

PRIVATE, PUBLIC = key_pair()
Cloud = aio.AsyncNodeDriver[NephoscaleNodeDriver]


@pytest.fixture
def machines() -> Iterator[Sandbox]:
    """A NephoScale whose nodes have SSH servers."""
    settings: dict[str, Any] = {"appear": 0.02, "build": 0.05, "power": 0.02, "destroy": 0.02}
    with Sandbox("nephoscale", no_isolation=True, **settings) as cloud:
        yield cloud


async def deploy(cloud: Cloud, machines: Sandbox, script: ScriptDeployment, **options: Any) -> Node:
    pairs = await cloud.run(cloud.driver.ex_list_keypairs)
    sizes, images = await asyncio.gather(cloud.list_sizes(), cloud.list_images())
    how: dict[str, Any] = {"ssh_key": PRIVATE, "ssh_port": machines.ssh_port, "wait_period": 0.1}
    named = {"name": "web", "size": sizes[0], "image": images[0], "server_key": pairs[0].id}
    return await cloud.deploy_node(script, **{**how, **named, **options})


def test_deployments_side_by_side(run: Run, machines: Sandbox) -> None:
    """Deployments run side by side on the caller's loop, each with its own output, seen as it arrives."""

    async def main() -> None:
        async with aio.wrap(NephoscaleNodeDriver(*machines.credentials, **machines.options)) as cloud:
            await cloud.import_key_pair_from_string("all", PUBLIC)
            scripts = [ScriptDeployment(f"echo {number}; sleep 0.1") for number in range(4)]
            arrived: list[tuple[str, asyncio.AbstractEventLoop]] = []

            def on_output(_: str, text: str) -> None:
                arrived.append((text.strip(), asyncio.get_running_loop()))

            nodes = await asyncio.gather(
                *(
                    deploy(cloud, machines, script, name=f"web-{number}", ex_on_output=on_output)
                    for number, script in enumerate(scripts)
                )
            )
            assert [node.name for node in nodes] == [f"web-{number}" for number in range(4)]
            assert [(script.stdout or "").strip() for script in scripts] == list("0123")
            assert sorted(text for text, _ in arrived if text) == list("0123")
            assert {loop for _, loop in arrived} == {asyncio.get_running_loop()}

    run(main)


def test_a_deployment_that_fails(run: Run, machines: Sandbox) -> None:
    """A script that fails is the same DeploymentError, with its output, as in plain code."""

    async def main() -> None:
        async with aio.wrap(NephoscaleNodeDriver(*machines.credentials, **machines.options)) as cloud:
            await cloud.import_key_pair_from_string("all", PUBLIC)
            with pytest.raises(DeploymentError, match="exit status 3") as caught:
                await deploy(cloud, machines, ScriptDeployment("echo oh >&2; exit 3"))
            assert caught.value.stderr == "oh\n"
            assert caught.value.node is not None
            assert await aio.run(caught.value.node.destroy)

    run(main)


@pytest.mark.parametrize("destroy", [True, False])
def test_a_deployment_that_is_cancelled(run: Run, machines: Sandbox, destroy: bool) -> None:
    """A deployment that is cancelled ends at once, destroys its node where asked to, and notes it."""

    async def main() -> None:
        async with aio.wrap(NephoscaleNodeDriver(*machines.credentials, **machines.options)) as cloud:
            await cloud.import_key_pair_from_string("all", PUBLIC)
            output: list[str] = []
            script = ScriptDeployment("echo begun; sleep 60")
            how: dict[str, Any] = {
                "ex_on_output": lambda _, text: output.append(text),
                "ex_destroy_on_failure": destroy,
            }
            task = asyncio.create_task(deploy(cloud, machines, script, **how))
            await until(lambda: output)
            task.cancel()
            async with asyncio.timeout(30):
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
            assert any(("was destroyed" if destroy else "exists;") in note for note in caught.value.__notes__)
            if destroy:
                await until(lambda: not machines.servers)
            assert len(await cloud.list_nodes()) == (0 if destroy else 1)

    run(main)
