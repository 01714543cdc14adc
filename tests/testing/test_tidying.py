from __future__ import annotations

from typing import Any

import pytest

from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.errors import ConflictError
from polycloud.testing.tidying import Run, remove


class Busy(DummyNodeDriver):
    """Refuses to destroy a node some times, in one of the ways in which drivers do."""

    refusals = 2
    way: Any = False

    def destroy_node(self, node: Node) -> bool:
        self.refusals -= 1
        if self.refusals < 0:
            return super().destroy_node(node)
        if isinstance(self.way, Exception):
            raise self.way
        return bool(self.way)


class Deaf(DummyNodeDriver):
    """Says True and destroys nothing."""

    def destroy_node(self, node: Node) -> bool:
        return True


def create(driver: DummyNodeDriver, name: str) -> Node:
    return driver.create_node(name, driver.list_sizes()[0], driver.list_images()[0])


def names(driver: DummyNodeDriver) -> list[str | None]:
    return [node.name for node in driver.list_nodes()]


@pytest.mark.parametrize("way", [False, ConflictError(409, "it is being built")])
def test_what_is_refused_for_a_while_is_destroyed(way: object) -> None:
    """A node that cannot be destroyed yet is destroyed when it can be, whether that is raised or returned."""
    driver, run = Busy("key"), Run()
    driver.way = way
    before = names(driver)
    assert run.clear(driver, [create(driver, f"{run.name()}-node")], patience=10) == []
    assert names(driver) == before


def test_what_stays_is_named_once() -> None:
    """What cannot be destroyed in time is named with the reason, once; nothing is waited for after that."""
    driver, run = Busy("key"), Run()
    driver.refusals = 1000
    node = create(driver, f"{run.name()}-node")
    assert run.clear(driver, [node], patience=0.2) == [
        f"{node.name} (id {node.id}): destroy_node returned False"
    ]
    assert run.clear(driver, [], patience=3600) == []
    assert run.leftovers(driver, patience=3600) == [
        f"{node.name} (id {node.id}): destroy_node returned False"
    ]
    driver.refusals = 0
    assert run.leftovers(driver, patience=0) == []
    assert node.name not in names(driver)


def test_a_node_that_nobody_was_told_of_is_destroyed() -> None:
    """A node of the run that a create made before it failed is found by its name; others are left alone."""
    driver, run = DummyNodeDriver("key"), Run()
    other, late = create(driver, "conformance-other"), create(driver, f"{run.name()}-late")
    assert run.clear(driver, [], patience=0) == []
    assert other.name in names(driver)
    assert late.name not in names(driver)


def test_what_is_said_to_be_destroyed_and_stays_is_named() -> None:
    """In the end a node is named that is listed although it was destroyed; one that is terminated is not."""
    driver, run = Deaf("key"), Run()
    node, ended = create(driver, f"{run.name()}-node"), create(driver, f"{run.name()}-ended")
    ended.state = NodeState.TERMINATED
    assert run.clear(driver, [node, ended], patience=0) == []
    assert run.leftovers(driver, patience=0) == [
        f"{node.name} (id {node.id}): it was destroyed, and is still listed"
    ]


def test_a_list_that_fails_hides_nothing() -> None:
    """Where nodes cannot be listed, those that are known are destroyed, and the names of others are told."""

    class Blind(DummyNodeDriver):
        blind = False

        def list_nodes(self) -> list[Node]:
            if self.blind:
                raise AttributeError("no attribute 'ip4'")
            return super().list_nodes()

    driver, run = Blind("key"), Run()
    known = create(driver, f"{run.name()}-node")
    driver.blind = True
    (told,) = run.clear(driver, [known], patience=3600)
    assert told.startswith(
        f"nodes whose names begin with {run.prefix}, since list_nodes failed: AttributeError"
    )
    driver.blind = False
    assert known.name not in names(driver)


def test_other_things_are_removed_while_patience_lasts() -> None:
    """What is no node is removed again too, and named where it stays."""
    answers = {"once": [False, True], "never": [False] * 1000}
    left = remove(lambda name: answers[name].pop(0), ["once", "never"], patience=0.2)
    assert left == ["'never': <lambda> returned False"]
    assert answers["once"] == []
