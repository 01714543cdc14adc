"""What type checkers see of the facade: mypy reads this file, and reports an ignore that is not needed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import assert_type

from polycloud import aio
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.objects import KeyPair, Node, NodeImage, NodeLocation, NodeSize, StorageVolume
from polycloud.sandbox import Sandbox
from support.loops import Run


def test_types_of_results(run: Run, droplets: Sandbox) -> None:
    """Type checkers know what each await gives, and the driver's own class and methods behind `wrap`."""

    async def main() -> None:
        driver = DigitalOceanNodeDriver(*droplets.credentials, **droplets.options)
        async with aio.wrap(driver) as cloud:
            assert_type(cloud, aio.AsyncNodeDriver[DigitalOceanNodeDriver])
            assert_type(cloud.driver, DigitalOceanNodeDriver)
            assert_type(await cloud.list_nodes(), list[Node])
            assert_type(await cloud.list_sizes(), list[NodeSize])
            assert_type(await cloud.list_images(), list[NodeImage])
            assert_type(await cloud.list_locations(), list[NodeLocation])
            assert_type(await cloud.list_key_pairs(), list[KeyPair])
            assert_type(await cloud.list_volumes(), list[StorageVolume])
            node = assert_type(await cloud.get_node((await cloud.list_nodes())[0].id), Node)
            assert_type(await cloud.wait_until_running([node], timeout=5), list[tuple[Node, list[str]]])
            assert_type(cloud.iterate_nodes(), AsyncGenerator[Node, None])
            assert_type([node async for node in cloud.iterate_nodes()], list[Node])
            assert_type(cloud.iterate(cloud.driver.iterate_nodes), AsyncGenerator[Node, None])
            assert_type(await aio.run(cloud.driver.ex_list_tags), list[str])
            assert_type(await cloud.run(cloud.driver.list_nodes, ex_tag="seed"), list[Node])
            assert_type(await aio.run(node.destroy), bool)

    run(main)


async def never_run(cloud: aio.AsyncNodeDriver[DigitalOceanNodeDriver], node: Node) -> None:
    """Mistakes that a type checker finds."""
    await cloud.get_node(7)  # type: ignore[arg-type] # an id is a text
    await cloud.get_node()  # type: ignore[call-arg]
    await cloud.create_volume("1", name="disk")  # type: ignore[arg-type]
    await cloud.wait_until_running([node], tiemout=5)  # type: ignore[call-arg]
    await cloud.list_nods()  # type: ignore[attr-defined]
    await aio.run(cloud.driver.list_nodes, ex_tga="seed")  # type: ignore[call-arg]
    await aio.run(cloud.driver.get_node, 7)  # type: ignore[arg-type]
    [node for node in cloud.iterate_nodes()]  # type: ignore[attr-defined] # noqa: C416
    cloud.list_nodes().append(node)  # type: ignore[attr-defined]
