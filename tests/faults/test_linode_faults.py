from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from faults.clouds import Cloud, cloud_of, driver_of
from polycloud.compute.objects import NodeImage, NodeSize
from polycloud.errors import AmbiguousCreateError
from polycloud.testing.faults import Fault, FaultList, FaultProxy


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with cloud_of("linode") as cloud:
        yield cloud


@pytest.fixture
def plain(cloud: Cloud) -> Iterator[Any]:
    with driver_of(cloud) as driver:
        yield driver


@pytest.fixture
def order(plain: Any) -> tuple[NodeSize, NodeImage]:
    return plain.list_sizes()[0], plain.list_images()[0]


def test_no_marker_stays(cloud: Cloud, plain: Any, order: tuple[NodeSize, NodeImage]) -> None:
    """A create removes its marker at the provider's too, and a node with a key keeps it."""
    plain.create_node("web", *order)
    plain.create_node("data", *order, idempotency_key="once")
    groups = {server["name"]: server["group"] for server in cloud.servers}
    assert groups["web"] == ""
    assert groups["data"].startswith("polycloud-")


def test_the_marker_of_the_error_finds_the_node(cloud: Cloud, order: tuple[NodeSize, NodeImage]) -> None:
    """A node that was made while nothing could be read has the marker that the error names."""
    plan = FaultList(Fault.RESET_AFTER, *[Fault.ERROR] * 100)
    with FaultProxy("127.0.0.1", cloud.port, plan) as proxy, driver_of(cloud, **proxy.options) as driver:
        with pytest.raises(AmbiguousCreateError) as caught:
            driver.create_node("web", *order)
    (server,) = cloud.servers
    assert caught.value.look_for == f"the group {server['group']!r}"
