from __future__ import annotations

from typing import Any

import pytest

from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.errors import ConflictError
from polycloud.testing import ComputeConformance
from polycloud.testing.cleanup import Kind, Run, remove


class Busy(DummyNodeDriver):
    """Refuses to destroy a node `refusals` times, as `way` says."""

    refusals = 2
    way: Any = False

    def destroy_node(self, node: Node) -> bool:
        self.refusals -= 1
        if self.refusals < 0:
            return super().destroy_node(node)
        if isinstance(self.way, Exception):
            raise self.way
        return bool(self.way)


class Idle(DummyNodeDriver):
    """Returns True and destroys nothing."""

    def destroy_node(self, node: Node) -> bool:
        return True


def nodes(driver: DummyNodeDriver) -> Kind[Any]:
    return ComputeConformance.created(driver)


def create(driver: DummyNodeDriver, name: str) -> Node:
    return driver.create_node(name, driver.list_sizes()[0], driver.list_images()[0])


def names(driver: DummyNodeDriver) -> list[str | None]:
    return [node.name for node in driver.list_nodes()]


@pytest.mark.parametrize("way", [False, ConflictError(409, "it is being built")])
def test_refusals_are_retried(way: object) -> None:
    """A node that cannot be destroyed yet is destroyed later, whether the driver raises or returns False."""
    driver, run = Busy("key"), Run()
    driver.way = way
    before = names(driver)
    assert run.clear(nodes(driver), [create(driver, f"{run.name()}-node")], patience=10) == []
    assert names(driver) == before


def test_what_stays_is_reported_once() -> None:
    """What cannot be destroyed in time is reported once, with the reason; later calls do not wait."""
    driver, run = Busy("key"), Run()
    driver.refusals = 1000
    node = create(driver, f"{run.name()}-node")
    assert run.clear(nodes(driver), [node], patience=0.2) == [
        f"{node.name} (id {node.id}): destroy_node returned False"
    ]
    assert run.clear(nodes(driver), [], patience=3600) == []
    assert run.leftovers(nodes(driver), patience=3600) == [
        f"{node.name} (id {node.id}): destroy_node returned False"
    ]
    driver.refusals = 0
    assert run.leftovers(nodes(driver), patience=0) == []
    assert node.name not in names(driver)


def test_unreturned_nodes_are_destroyed() -> None:
    """A node of the run that a failed create did not return is found by its name; others are left alone."""
    driver, run = DummyNodeDriver("key"), Run()
    other, late = create(driver, "conformance-other"), create(driver, f"{run.name()}-late")
    assert run.clear(nodes(driver), [], patience=0) == []
    assert other.name in names(driver)
    assert late.name not in names(driver)


def test_nodes_that_stay_listed_are_reported() -> None:
    """A node that is listed after its destruction is reported in the end; a terminated one is not."""
    driver, run = Idle("key"), Run()
    node, ended = create(driver, f"{run.name()}-node"), create(driver, f"{run.name()}-ended")
    ended.state = NodeState.TERMINATED
    assert run.clear(nodes(driver), [node, ended], patience=0) == []
    assert run.leftovers(nodes(driver), patience=0) == [
        f"{node.name} (id {node.id}): it was removed, and is still listed"
    ]


def test_failed_lists_are_reported() -> None:
    """If nodes cannot be listed, known ones are destroyed, and the prefix of the others is reported."""

    class FailsToList(DummyNodeDriver):
        fails = False

        def list_nodes(self) -> list[Node]:
            if self.fails:
                raise AttributeError("no attribute 'ip4'")
            return super().list_nodes()

    driver, run = FailsToList("key"), Run()
    known = create(driver, f"{run.name()}-node")
    driver.fails = True
    (report,) = run.clear(nodes(driver), [known], patience=3600)
    assert report.startswith(
        f"nodes whose names begin with {run.prefix}, since listing them failed: AttributeError"
    )
    driver.fails = False
    assert known.name not in names(driver)


def test_unnamed_resources_are_removed() -> None:
    """The removal of other resources is retried while patience lasts; those that stay are reported."""
    results = {"once": [False, True], "never": [False] * 1000}
    left = remove(lambda name: results[name].pop(0), ["once", "never"], patience=0.2)
    assert left == ["'never': <lambda> returned False"]
    assert results["once"] == []
