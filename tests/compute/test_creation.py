from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from polycloud import aio
from polycloud.common.base import ConnectionUserAndKey
from polycloud.common.creation import Creation, marker_for
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.objects import Node
from polycloud.concurrency.calls import call_options
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    InvalidArgumentError,
    InvalidCredsError,
    OperationTimeoutError,
    PolycloudError,
    ProviderHTTPError,
)
from polycloud.sandbox import Sandbox
from polycloud.sandbox.faults import Answer, Slow
from support.clock import ends_within

SETTLE_TIME = 1.0
SHORT = 0.2
"""A settle time that is waited out."""
SLOW = 60.0
REFUSAL = '{"success": false, "id": "no", "message": "no"}'
FORK = multiprocessing.get_context("fork")


class QuickNephoScale(NephoscaleNodeDriver):
    settle_time = SETTLE_TIME


class QuickDigitalOcean(DigitalOceanNodeDriver):
    settle_time = SETTLE_TIME


DRIVERS: dict[str, Any] = {"nephoscale": QuickNephoScale, "digitalocean": QuickDigitalOcean}
CREATES = {"nephoscale": "/server/cloud/", "digitalocean": "/v2/droplets"}
SETTINGS: dict[str, dict[str, Any]] = {"nephoscale": {"appear": 0.05}, "digitalocean": {"droplet_limit": 100}}


@pytest.fixture(params=sorted(DRIVERS))
def cloud(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(request.param, ssh="off", build=0.05, **SETTINGS[request.param]) as cloud:
        yield cloud


def driver_of(cloud: Sandbox) -> Any:
    return DRIVERS[cloud.name](cloud.credentials[0], *cloud.credentials[1:2], **cloud.options)


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[Any]:
    with driver_of(cloud) as driver:
        yield driver


def create(driver: Any, name: str = "web", **options: Any) -> Node:
    image = next(image for image in driver.list_images() if image.id)
    node: Node = driver.create_node(name, driver.list_sizes()[0], image, **located(driver), **options)
    return node


def located(driver: Any) -> dict[str, Any]:
    return {"location": driver.list_locations()[0]}


def outcome(driver: Any) -> str:
    try:
        return create(driver).id
    except PolycloudError as error:
        return " ".join(error.__notes__)


def creates(cloud: Sandbox) -> int:
    return sum((seen.method, seen.path) == ("POST", CREATES[cloud.name]) for seen in cloud.requests)


def in_a_process(work: Callable[[], object]) -> Any:
    process = FORK.Process(target=work, daemon=True)
    process.start()
    return process


def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)  # noqa: TID251 - what another process does
    raise AssertionError("it did not come about")


@pytest.mark.parametrize("fault", ["reset after", "reset midway", "truncate"])
def test_a_lost_response_costs_nothing(cloud: Sandbox, driver: Any, fault: Any) -> None:
    """A create whose response was lost returns the node that it made, and is not sent again."""
    cloud.fault(fault, method="POST", path=CREATES[cloud.name])
    node = create(driver)
    assert [server["id"] for server in cloud.servers] == [int(node.id)]
    assert (node.name, creates(cloud)) == ("web", 1)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}], ids=["", "Retry-After"])
@pytest.mark.parametrize("status", [408, 429, 499, 503, 520, 599])
def test_an_edge_may_respond_after_the_create(
    cloud: Sandbox, driver: Any, status: int, headers: dict[str, str]
) -> None:
    """A create after which an edge sent a status of its own returns its node, and is not sent again."""
    late = Answer(status, headers, "{}", acted=True)
    cloud.fault(late, method="POST", path=CREATES[cloud.name])
    node = create(driver)
    assert ([server["id"] for server in cloud.servers], creates(cloud)) == ([int(node.id)], 1)


@pytest.mark.parametrize("status", [408, 429, 499, 503, 520])
def test_a_lost_status_without_a_node_is_ambiguous(cloud: Sandbox, driver: Any, status: int) -> None:
    """A create that an edge answered, and whose node is not found, is ambiguous, and sent once."""
    driver.settle_time = SHORT
    early = Answer(status, {"Retry-After": "0"}, "{}")
    cloud.fault(early, method="POST", path=CREATES[cloud.name])
    with pytest.raises(AmbiguousCreateError, match=f"HTTP {status}"):
        create(driver)
    assert (cloud.servers, creates(cloud)) == ([], 1)


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, InvalidCredsError), (403, ProviderHTTPError), (409, ConflictError), (422, ProviderHTTPError)],
)
def test_a_refusal_is_raised_at_once(
    cloud: Sandbox, driver: Any, status: int, error: type[Exception]
) -> None:
    """A create that the provider refuses raises its refusal, and nothing is searched for."""
    refusal = Answer(status, {"Content-Type": "application/json"}, REFUSAL)
    cloud.fault(refusal, method="POST", path=CREATES[cloud.name])
    with pytest.raises(error) as caught:
        create(driver)
    assert not isinstance(caught.value, AmbiguousCreateError)
    assert (cloud.requests[-1].method, creates(cloud)) == ("POST", 1)


class ReadingTwice(Creation[Node]):
    """A create that reads its node once it is accepted, while the provider does not know it yet."""

    def __init__(self, driver: Any) -> None:
        super().__init__("the node 'web'", "the name 'web'", keyed=False)
        self.driver = driver

    def send(self) -> Node:
        create(self.driver)
        node: Node = self.driver.get_node("404")
        return node

    def find(self) -> Node | None:
        return next(iter(self.driver.list_nodes()), None)


def test_a_failed_read_is_not_a_refusal(cloud: Sandbox, driver: Any) -> None:
    """A create that was accepted returns its node though reading it, in `send`, raised an error."""
    node = ReadingTwice(driver).run(settle_time=SETTLE_TIME, timeout=5)
    assert [server["id"] for server in cloud.servers] == [int(node.id)]


def test_an_ambiguous_create_names_its_marker(cloud: Sandbox, driver: Any) -> None:
    """A create whose node is not found raises an error with its marker and the driver, and is sent once."""
    driver.settle_time = SHORT
    cloud.fault("reset before", method="POST", path=CREATES[cloud.name])
    with pytest.raises(AmbiguousCreateError) as caught:
        create(driver)
    assert caught.value.look_for
    assert caught.value.look_for in str(caught.value)
    assert caught.value.driver is driver
    assert creates(cloud) == 1


def test_a_key_gives_the_same_node(cloud: Sandbox, driver: Any) -> None:
    """A create with the key of an earlier one gives the earlier one's node, also by another driver."""
    first = create(driver, idempotency_key="order 17")
    with driver_of(cloud) as other:
        again = create(other, "other name", idempotency_key="order 17")
        assert create(other, idempotency_key="order 18").id != first.id
    assert (again.id, len(cloud.servers), creates(cloud)) == (first.id, 2, 2)


def test_a_program_killed_after_its_create(cloud: Sandbox, driver: Any) -> None:
    """A program that was killed before the response came gets its node when it is started again."""
    cloud.fault(Slow(SLOW), method="POST", path=CREATES[cloud.name])
    process = in_a_process(lambda: create(driver_of(cloud), idempotency_key="order 17"))
    wait_until(lambda: cloud.servers)
    process.kill()
    process.join()
    node = create(driver, idempotency_key="order 17")
    assert [server["id"] for server in cloud.servers] == [int(node.id)]
    assert (node.name, creates(cloud)) == ("web", 1)


def test_a_program_killed_before_its_create(cloud: Sandbox, driver: Any) -> None:
    """Nothing is sent again before the settle time has passed; then the create is, and one node exists."""
    cloud.fault("stall", method="POST", path=CREATES[cloud.name])
    process = in_a_process(lambda: create(driver_of(cloud), idempotency_key="order 17"))
    wait_until(lambda: creates(cloud))
    process.kill()
    process.join()
    driver.settle_time = SHORT
    began = time.monotonic()
    node = create(driver, idempotency_key="order 17")
    assert time.monotonic() - began >= SHORT
    assert [server["id"] for server in cloud.servers] == [int(node.id)]


def test_a_fresh_key_does_not_wait(cloud: Sandbox, driver: Any) -> None:
    """A key that was never used costs no settle time: the create is sent at once."""
    driver.settle_time = SLOW
    with ends_within(SLOW / 2):
        create(driver, idempotency_key="order 17")
    assert len(cloud.servers) == 1


def test_threads_with_one_key(cloud: Sandbox, driver: Any) -> None:
    """Threads that create with one key at the same time get one node."""
    with ThreadPoolExecutor(8) as pool:
        nodes = list(pool.map(lambda _: create(driver, idempotency_key="order 17"), range(8)))
    assert len({node.id for node in nodes}) == 1
    assert (len(cloud.servers), creates(cloud)) == (1, 1)


def test_drivers_with_one_key(cloud: Sandbox) -> None:
    """Threads that create with one key by several drivers of an account get one node, each its driver's."""
    with ExitStack() as stack:
        drivers = [stack.enter_context(driver_of(cloud)) for _ in range(8)]
        pool = stack.enter_context(ThreadPoolExecutor(8))
        nodes = list(pool.map(lambda driver: create(driver, idempotency_key="order 17"), drivers))
        assert [node.driver for node in nodes] == drivers
        assert nodes[-1].destroy()
    assert len({node.id for node in nodes}) == 1
    assert creates(cloud) == 1


def test_a_follower_that_gives_up(cloud: Sandbox) -> None:
    """A caller that stops waiting for another one with its key is told so, and gets the node later."""
    cloud.fault(Slow(1), method="POST", path=CREATES[cloud.name])
    with ThreadPoolExecutor(1) as pool, driver_of(cloud) as leads, driver_of(cloud) as follows:
        leader = pool.submit(create, leads, idempotency_key="order 17")
        while creates(cloud) == 0:
            time.sleep(0.01)  # noqa: TID251 - a thread of the test's own
        with pytest.raises(OperationTimeoutError) as caught, call_options(deadline=0.3):
            create(follows, idempotency_key="order 17")
        assert caught.value.__notes__ == [
            "another caller creates it with the same idempotency_key: call again with it"
        ]
        assert create(follows, idempotency_key="order 17").id == leader.result().id
    assert creates(cloud) == 1


def test_tasks_and_threads_with_one_key(cloud: Sandbox) -> None:
    """Tasks and threads that create with one key, each by a driver of its own, get one node."""

    async def created() -> str:
        async with aio.wrap(driver_of(cloud)) as driver:
            return (await driver.run(create, driver.driver, idempotency_key="order 17")).id

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(created() for _ in range(4)))

    def in_a_thread() -> list[str]:
        with driver_of(cloud) as driver:
            return [create(driver, idempotency_key="order 17").id]

    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(asyncio.run, all_of_them()), *(pool.submit(in_a_thread) for _ in range(4))]
        ids = [id_ for future in futures for id_ in future.result()]
    assert (len(ids), len(set(ids)), creates(cloud)) == (8, 1, 1)


def test_accounts_are_told_apart() -> None:
    """Two users with one secret are two accounts."""
    ours, same, theirs = (ConnectionUserAndKey(name, "secret", host="here") for name in ("a", "a", "b"))
    assert ours.account() == same.account() != theirs.account()


def test_one_name_from_threads_and_processes(cloud: Sandbox) -> None:
    """Creates with one name, from threads of two processes, each get a node of their own."""
    ids = FORK.SimpleQueue()

    def work() -> None:
        with driver_of(cloud) as driver, ThreadPoolExecutor(4) as pool:
            for node in pool.map(lambda _: create(driver), range(4)):
                ids.put(node.id)

    processes = [in_a_process(work) for _ in range(2)]
    seen = {ids.get() for _ in range(8)}
    for process in processes:
        process.join()
    assert seen == {str(server["id"]) for server in cloud.servers}
    assert len(seen) == 8


@pytest.mark.parametrize("key", ["", 17, b"order"])
def test_a_key_is_text(cloud: Sandbox, driver: Any, key: Any) -> None:
    """A key that is not a text, or an empty one, is refused before anything is sent."""
    size, image, where = driver.list_sizes()[0], driver.list_images()[0], located(driver)
    sent = len(cloud.requests)
    with pytest.raises(InvalidArgumentError, match="idempotency_key"):
        driver.create_node("web", size, image, idempotency_key=key, **where)
    assert len(cloud.requests) == sent


def test_markers() -> None:
    """A marker is always the same for one key, and without a key never the same."""
    assert marker_for("order 17") == marker_for("order 17") != marker_for("order 18")
    assert len({marker_for(None) for _ in range(100)}) == 100


def test_every_error_names_the_node(cloud: Sandbox, driver: Any) -> None:
    """Any error that ends a create after it was sent names the node that may exist."""
    cloud.fault("reset after", method="POST", path=CREATES[cloud.name])
    for method in ("PUT", "DELETE"):  # neither rename nor removal of the marker
        cloud.fault(403, method=method, times=None)
    message = outcome(driver)
    assert str(cloud.servers[0]["id"]) in message


def test_a_key_in_memory() -> None:
    """The dummy driver knows keys too."""
    driver = DummyNodeDriver("key")
    assert create(driver, idempotency_key="a") is create(driver, idempotency_key="a")
    assert create(driver, idempotency_key="b") is not create(driver, idempotency_key="a")
