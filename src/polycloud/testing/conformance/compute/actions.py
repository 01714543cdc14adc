"""Rules of the actions of nodes: reboot, start, stop, shutdown, destroy."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import pytest

from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.errors import NotFoundError
from polycloud.testing.conformance.assertions import error_of, require_true
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.compute.suite import POWER_ACTIONS, ComputeSuite, Create


class ActionRules(ComputeSuite):
    """The rules of actions."""

    @rule("reboot_node")
    def test_c20_reboot_node(self, driver: NodeDriver, node: Node) -> None:
        """`reboot_node` returns True, and the node runs again."""
        require_true("reboot_node", self.while_busy(partial(driver.reboot_node, node)))
        self.seen(driver, node, NodeState.RUNNING)

    @rule("stop_node")
    def test_c21_stop_node(self, driver: NodeDriver, node: Node) -> None:
        """`stop_node` returns True, and the node stops and stays listed."""
        require_true("stop_node", self.while_busy(partial(driver.stop_node, node)))
        self.seen(driver, node, NodeState.STOPPED)

    @rule("start_node", "stop_node")
    def test_c22_start_node(self, driver: NodeDriver, node: Node) -> None:
        """`start_node` returns True, and the stopped node runs."""
        self.while_busy(partial(driver.stop_node, node))
        self.seen(driver, node, NodeState.STOPPED)
        require_true("start_node", self.while_busy(partial(driver.start_node, node)))
        self.seen(driver, node, NodeState.RUNNING)

    @rule("shutdown_node")
    def test_c23_shutdown_node(self, driver: NodeDriver, node: Node) -> None:
        """`shutdown_node` returns True, and the node stops and stays listed."""
        require_true("shutdown_node", self.while_busy(partial(driver.shutdown_node, node)))
        self.seen(driver, node, NodeState.STOPPED)

    @rule()
    def test_c24_destroy_node(self, driver: NodeDriver, node: Node) -> None:
        """`destroy_node` returns True, and the node leaves the list or is terminated."""
        require_true("destroy_node", driver.destroy_node(node))
        self.vanished(driver, node)

    @rule()
    def test_c25_destroy_twice(self, driver: NodeDriver, node: Node) -> None:
        """Destroying a node twice raises nothing but `NotFoundError`."""
        driver.destroy_node(node)
        self.vanished(driver, node)
        with suppress(NotFoundError):
            require_true("destroy_node", driver.destroy_node(node))

    @rule()
    def test_c26_unknown_node(self, driver: NodeDriver) -> None:
        """An action on a node that does not exist raises `NotFoundError`."""
        for name in POWER_ACTIONS:
            if name not in self.not_offered:
                error_of(NotFoundError, name, getattr(driver, name), self.ghost(driver))

    @rule("stop_node")
    def test_c27_actions_and_namesakes(self, driver: NodeDriver, create: Create) -> None:
        """An action acts on the given node, never on another one of the same name."""
        if self.unique_names:
            pytest.skip("the provider's names are unique")
        first, second = create("twin"), self.namesake(create, "twin")
        for twin in (first, second):
            self.seen(driver, twin, NodeState.RUNNING)
        self.while_busy(partial(driver.stop_node, second))
        self.seen(driver, second, NodeState.STOPPED)
        self.seen(driver, first, NodeState.RUNNING)
        driver.destroy_node(first)
        self.vanished(driver, first)
        self.seen(driver, second, NodeState.STOPPED)

    @rule("reboot_node", "start_node", "stop_node", "shutdown_node")
    def test_c28_methods_of_nodes(self, driver: NodeDriver, node: Node) -> None:
        """A node's own methods do what the driver's do."""
        steps = (
            (node.stop_node, NodeState.STOPPED),
            (node.start, NodeState.RUNNING),
            (node.reboot, NodeState.RUNNING),
            (node.shutdown, NodeState.STOPPED),
        )
        for step, state in steps:
            require_true(step.__name__, self.while_busy(step))
            self.seen(driver, node, state)
        require_true("destroy", node.destroy())
        self.vanished(driver, node)

    @rule()
    def test_c50_destroy_while_building(self, driver: NodeDriver, create: Create) -> None:
        """A node that is still being built can be destroyed: `destroy_node` waits, and returns True."""
        node = create()
        require_true("destroy_node", driver.destroy_node(node))
        self.vanished(driver, node)
