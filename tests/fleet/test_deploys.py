from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from polycloud.compute.deployment import ScriptDeployment
from polycloud.compute.types import DeploymentError
from polycloud.errors import PolycloudError
from polycloud.fleet import AsyncFleet, Deploy, Fleet, Result
from polycloud.sandbox import Sandbox
from support.fleets import DRIVERS, Driver, Pickling, creates, driver_of, make_driver, order, ssh_cloud


@pytest.fixture(params=sorted(DRIVERS))
def cloud(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with ssh_cloud(request.param) as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[Driver]:
    with driver_of(cloud) as driver:
        yield driver


def outcomes(results: list[Result[Any]]) -> dict[str | None, bool]:
    """The names of the nodes, and whether each is ready."""
    found: dict[str | None, bool] = {}
    for result in results:
        if isinstance(result.error, DeploymentError):
            assert result.error.node is not None
            assert f"the node {result.error.node.name} (id " in str(result.error)
            assert "exit status 3" in str(result.error)
            found[result.error.node.name] = False
        else:
            found[result.get().name] = True
    return found


def orders(driver: Driver, cloud: Sandbox) -> list[Deploy]:
    scripts = {"web-1": "true", "web-2": "exit 3", "web-3": "true"}
    return [order(driver, cloud, name, ScriptDeployment(text)) for name, text in scripts.items()]


def test_deployments_side_by_side(driver: Driver, cloud: Sandbox) -> None:
    """Each deployment is its node, or the error that names its node."""
    results = list(Fleet({"it": driver}).deploy_many(orders(driver, cloud)))
    assert outcomes(results) == {"web-1": True, "web-2": False, "web-3": True}
    assert creates(cloud) == 3


def test_deployments_on_a_loop(driver: Driver, cloud: Sandbox) -> None:
    """On an event loop deployments end as on threads."""

    async def main() -> list[Result[Any]]:
        async with AsyncFleet({"it": driver}) as fleet:
            return [result async for result in fleet.deploy_many(orders(driver, cloud))]

    assert outcomes(asyncio.run(main())) == {"web-1": True, "web-2": False, "web-3": True}


@pytest.mark.parametrize("made_there", [False, True])
def test_a_deployment_that_is_run_twice(driver: Driver, cloud: Sandbox, made_there: bool) -> None:
    """An executor that runs a deployment a second time makes no second node, and two alike make two."""
    alike = [order(driver, cloud, "web", ScriptDeployment("true")) for _ in range(2)]

    with Pickling(times=2) as executor:
        there = partial(make_driver, cloud.name, cloud.credentials, cloud.options)
        account = there if made_there else driver
        results = list(Fleet({"it": account}, executor=executor).deploy_many(alike))
    assert sorted(result.get().id for result in results) == sorted(str(each["id"]) for each in cloud.servers)
    assert (len(results), creates(cloud)) == (2, 2)


def test_a_key_of_the_callers(driver: Driver, cloud: Sandbox) -> None:
    """A deployment that was given an idempotency key keeps it."""
    with Pickling() as executor:
        deploy = order(driver, cloud, "web", ScriptDeployment("true"), idempotency_key="17")
        fleet = Fleet({"it": driver}, executor=executor)
        ids = {next(fleet.deploy_many([deploy])).get().id for _ in range(2)}
    assert (len(ids), creates(cloud)) == (1, 1)


def test_a_deadline_names_the_node(driver: Driver, cloud: Sandbox) -> None:
    """A deployment that the deadline ends, wherever that is, tells of the node that it may have made."""
    cloud.ssh_fault("hang")
    deploy = order(driver, cloud, "web", ScriptDeployment("true"))
    [result] = Fleet({"it": driver}, deadline=1.5).deploy_many([deploy])
    assert isinstance(result.error, PolycloudError)
    told = " ".join([str(result.error), *getattr(result.error, "__notes__", ())])
    assert all(str(server["id"]) in told or "may exist" in told for server in cloud.servers)
