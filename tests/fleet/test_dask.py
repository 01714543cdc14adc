from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from polycloud.compute.deployment import ScriptDeployment
from polycloud.compute.types import DeploymentError
from polycloud.errors import PolycloudError
from polycloud.fleet import Fleet
from polycloud.sandbox import Sandbox
from polycloud.sandbox.faults import Slow
from polycloud.storage import sync
from support.fleets import (
    CREATES,
    DRIVERS,
    a_lock,
    at,
    creates,
    driver_of,
    empty,
    gated,
    order,
    pid,
    ssh_cloud,
    wait_until,
)

LONG = 60.0


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A Dask of two processes."""
    from distributed import Client, LocalCluster  # here: a quarter of a second in each process that collects

    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, threads_per_worker=4, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        yield client


@pytest.fixture(autouse=True)
def _all_workers(client: Any) -> None:
    """Begin each test with both workers, since another one may have ended them."""
    client.wait_for_workers(2)


@pytest.fixture(params=sorted(DRIVERS))
def cloud(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with ssh_cloud(request.param) as cloud:
        yield cloud


def kill_busy(client: Any) -> None:
    """End each worker that has something to do."""
    busy = {worker for worker, tasks in client.processing().items() if tasks}
    for nanny in client.cluster.workers.values():
        if nanny.worker_address in busy:
            os.kill(nanny.pid, signal.SIGKILL)


def test_a_round_on_dask(client: Any, droplets: Sandbox, servers: Sandbox) -> None:
    """On Dask calls run on its workers, each time anew; nodes that come back can be used."""
    with driver_of(droplets) as prod, driver_of(servers) as office:
        fleet = Fleet({"prod": prod, "office": office}, executor=client.get_executor())
        assert os.getpid() not in {result.get() for result in fleet.each(pid)}
        before = len(droplets.requests)
        rounds = [{result.account: result.get() for result in fleet.list_nodes()} for _ in range(2)]
        assert [(len(found["prod"]), found["office"]) for found in rounds] == [(3, []), (3, [])]
        assert len(droplets.requests) == before + 2
        node = rounds[0]["prod"][0]
        assert node.reboot()
        node.driver.close()


def test_a_worker_that_dies_while_reading(client: Any, cloud: Sandbox) -> None:
    """A call that reads completes where its worker is killed midway."""
    cloud.fault(Slow(LONG))
    with driver_of(cloud) as driver, ThreadPoolExecutor(1) as here:
        fleet = Fleet({"it": driver}, executor=client.get_executor())
        future = here.submit(list, fleet.list_nodes())
        wait_until(lambda: cloud.requests)
        kill_busy(client)
        [result] = future.result()
    assert result.get() == []
    assert len(cloud.requests) == 2


def test_a_worker_that_dies_while_creating(client: Any, cloud: Sandbox) -> None:
    """A deployment whose worker is killed after the create was carried out goes on with the node it made."""
    with driver_of(cloud) as driver, ThreadPoolExecutor(1) as here:
        deploy = order(driver, cloud, "web", ScriptDeployment("echo done > done"))
        cloud.fault(Slow(LONG), method="POST", path=CREATES[cloud.name])
        future = here.submit(
            list, Fleet({"it": driver}, executor=client.get_executor()).deploy_many([deploy])
        )
        wait_until(lambda: cloud.servers)
        kill_busy(client)
        [result] = future.result()
    assert [server["id"] for server in cloud.servers] == [int(result.get().id)]
    assert creates(cloud) == 1


def test_a_deployment_that_fails(client: Any, cloud: Sandbox) -> None:
    """An error that comes back from Dask names its node, which can be used, and the script's last words."""
    with driver_of(cloud) as driver:
        deploy = order(driver, cloud, "web", ScriptDeployment("echo no space left; exit 28"))
        [result] = Fleet({"it": driver}, executor=client.get_executor()).deploy_many([deploy])
        error = result.error
        assert isinstance(error, DeploymentError)
        assert (error.exit_status, error.stdout) == (28, "no space left\n")
        assert f"the node web (id {cloud.servers[0]['id']}) exists" in str(error)
        assert error.node is not None
        assert error.node.destroy()


def test_what_cannot_be_pickled(client: Any, droplets: Sandbox) -> None:
    """What cannot be sent is named, a result that cannot be sent is told; a lambda is no hindrance."""
    lock = Lock()
    with driver_of(droplets) as driver:
        fleet = Fleet({"it": driver}, executor=client.get_executor())
        [sent] = fleet.each(lambda driver: len(driver.list_nodes()))
        assert sent.get() == 3
        [argument] = fleet.wait_many({"it": []}, wait_period=lock)
        assert "wait_period= of wait_until_running cannot be pickled" in str(argument.error)
        [answer] = fleet.each(a_lock)
        assert "the result of it cannot be pickled" in str(answer.error)


def test_a_deadline(client: Any) -> None:
    """At the deadline a round on Dask ends, and its workers are free again."""
    with gated() as (stalled, _), at(stalled) as driver:
        fleet = Fleet({"it": driver, "too": driver}, deadline=0.5, executor=client.get_executor())
        assert all(isinstance(result.error, PolycloudError) for result in fleet.list_nodes())
        wait_until(lambda: not any(client.processing().values()))


def test_stopping_early(client: Any) -> None:
    """A consumer that stops takes its other calls back."""
    with gated() as (stalled, _), empty() as quick, at(stalled) as slow, at(quick) as driver:
        fleet = Fleet({"quick": driver, "slow": slow}, executor=client.get_executor())
        with closing(fleet.list_nodes()) as results:
            assert next(results).account == "quick"
        wait_until(lambda: not any(client.processing().values()))


def test_a_sync(client: Any, tmp_path: Path) -> None:
    """A sync is carried out by Dask's workers, and its report is as without them."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for number in range(150):
        (source / str(number)).write_text(f"content {number}")
    report = sync(source, target, executor=client.get_executor(), limit=2)
    assert (report.copied, report.failed) == (150, [])
    assert {one.name: one.read_text() for one in target.iterdir() if one.is_file()} == {
        str(number): f"content {number}" for number in range(150)
    }
