from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import pytest

from faults.clouds import PROVIDERS, Cloud, cloud_of, driver_of, is_login, until
from polycloud.compute.objects import Node, NodeImage, NodeSize
from polycloud.errors import AmbiguousCreateError, NotFoundError, PolycloudError
from polycloud.testing.faults import ALL, Fault, FaultList, FaultProxy

DEADLINE, LOOKS, GRACE = 2.0, 6, 5.0
DRIP_DEADLINE = 1.0
"""The deadline of a call whose first response drips: that lasts until the deadline, whatever it is."""
LASTING = (
    frozenset(map(Fault, ("499", "499 after", "500", "500 after")))
    | frozenset(map(Fault, ("garbage body", "html", "length too small", "gzip bomb", "refuse")))
    | {fault for fault in ALL if fault.startswith("drip")}
)
"""What is an answer, or lasts longer than a call: nothing that another attempt would mend."""
every_fault = pytest.mark.parametrize("fault", [fault for fault in ALL if not fault.startswith("tls")])


@pytest.fixture(scope="module", params=PROVIDERS)
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with cloud_of(request.param, builds=False) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def plain(cloud: Cloud) -> Iterator[Any]:
    """A driver without a proxy."""
    with driver_of(cloud) as driver:
        yield driver


@pytest.fixture(scope="module")
def order(plain: Any) -> tuple[NodeSize, NodeImage]:
    return plain.list_sizes()[0], plain.list_images()[0]


@pytest.fixture
def name() -> str:
    return f"web-{uuid4().hex[:8]}"


@pytest.fixture
def node(plain: Any, order: tuple[NodeSize, NodeImage], name: str) -> Iterator[Node]:
    """A node that runs."""
    ((node, _),) = plain.wait_until_running([plain.create_node(name, *order)])
    yield node
    with suppress(NotFoundError):
        plain.destroy_node(node)


@contextmanager
def meeting(cloud: Cloud, fault: Fault) -> Iterator[tuple[Any, FaultProxy]]:
    """A driver whose first request meets the fault; it leaves no connection open."""
    with FaultProxy(
        "127.0.0.1", cloud.port, FaultList(fault, spare=is_login), retry_after=0, pause=0.05
    ) as proxy:
        deadline = DRIP_DEADLINE if fault.startswith("drip") else DEADLINE
        options = {"timeout": 0.4, "deadline": deadline, "pool_size": 4, "body_limit": 2**22}
        driver = driver_of(cloud, **{**proxy.options, **options})
        yield driver, proxy
        driver.close()
        assert until(lambda: proxy.open_connections == 0)
        assert proxy.peak_connections <= 4
        assert next(seen for seen in proxy.requests if not is_login(seen)).fault is fault


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives or the error that it ends with, in bounded time; other exceptions go on."""
    began = time.monotonic()
    try:
        return call()
    except PolycloudError as error:
        return error
    finally:
        assert time.monotonic() - began < LOOKS * DEADLINE + GRACE


def named(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    return [server for server in cloud.servers if server["name"].startswith(name)]


@every_fault
def test_list(cloud: Cloud, node: Node, fault: Fault) -> None:
    """A list has the node once, or is an error of the tree where trying again does not help."""
    with meeting(cloud, fault) as (driver, _):
        listed = outcome(driver.list_nodes)
    if isinstance(listed, PolycloudError):
        assert fault in LASTING, repr(listed)
    else:
        assert [found.id for found in listed].count(node.id) == 1


@every_fault
def test_create_node(
    cloud: Cloud, plain: Any, order: tuple[NodeSize, NodeImage], name: str, fault: Fault
) -> None:
    """A create makes one node and returns it, or makes none and raises an error with its marker."""
    with meeting(cloud, fault) as (driver, _):
        created = outcome(lambda: driver.create_node(name, *order))
    there = named(cloud, name)
    if isinstance(created, PolycloudError):
        assert isinstance(created, AmbiguousCreateError)
        assert created.look_for
        assert not there
    else:
        assert [(str(server["id"]), server["name"]) for server in there] == [(created.id, name)]
        assert created.name == name
        plain.destroy_node(created)


@every_fault
def test_destroy_node(cloud: Cloud, node: Node, name: str, fault: Fault) -> None:
    """A node that is destroyed is gone, at the first attempt or a later one where that helps."""
    with meeting(cloud, fault) as (driver, _):
        destroyed = outcome(lambda: driver.destroy_node(node))
    if isinstance(destroyed, PolycloudError):
        assert fault in LASTING, repr(destroyed)
    else:
        assert destroyed is True
        assert until(lambda: not named(cloud, name))


@every_fault
def test_reboot_node(cloud: Cloud, node: Node, fault: Fault) -> None:
    """An action is accepted, or an error of the tree; the server never gets it twice."""
    with meeting(cloud, fault) as (driver, proxy):
        rebooted = outcome(lambda: driver.reboot_node(node))
        reached = sum(seen.reached for seen in proxy.requests if seen.method == "POST" and not is_login(seen))
    assert rebooted is True or isinstance(rebooted, PolycloudError)
    assert reached <= 1
