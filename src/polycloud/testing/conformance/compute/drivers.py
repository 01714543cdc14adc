"""Rules that hold for the drivers of every service: operations, errors, secrets, threads and faults."""

from __future__ import annotations

from functools import partial

import pytest

from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.checks import LOST
from polycloud.testing.conformance.compute.suite import ComputeSuite, Create
from polycloud.testing.replies import BROKEN, UNEXPECTED

IMAGE_ACTIONS = ("get_image", "copy_image", "delete_image")


class DriverRules(ComputeSuite):
    """The checks of all services, under compute's numbers."""

    @rule()
    def test_c01_registry(self, driver: NodeDriver) -> None:
        """`get_driver` finds the driver's class, which names its provider and its connection."""
        self.check_registry(driver)

    @rule()
    def test_c02_supports(self, driver: NodeDriver) -> None:
        """`supports` is true for every operation that the provider has, and false for all others."""
        self.check_supports(driver)

    @rule()
    def test_c03_unsupported_operations(self, driver: NodeDriver) -> None:
        """An operation that is not offered raises `UnsupportedOperationError` before anything is sent."""
        self.check_unsupported_operations(driver)

    @rule("list_sizes", "list_images")
    def test_c10_pickle(self, driver: NodeDriver, node: Node) -> None:
        """Objects can be pickled and come back as they were."""
        self.check_pickled_objects([node, *driver.list_sizes()[:1], *driver.list_images()[:1]])

    @rule("list_nodes")
    def test_c38_wrong_credentials(self, driver: NodeDriver) -> None:
        """Wrong credentials raise `InvalidCredsError`."""
        self.check_wrong_credentials(driver, "list_nodes")

    @rule("list_sizes", "list_images")
    def test_c39_secrets_in_repr(self, driver: NodeDriver, node: Node) -> None:
        """No repr of a driver, a connection or an object shows a secret."""
        self.check_secrets_in_repr(driver, node, *driver.list_sizes(), *driver.list_images())

    @rule("list_nodes")
    def test_c40_secrets_in_errors(self, driver: NodeDriver) -> None:
        """No error shows a secret, even if the provider's message does."""
        self.check_secrets_in_errors(driver, "list_nodes")

    @rule()
    @pytest.mark.parametrize("broken", BROKEN)
    def test_c41_broken_responses(self, driver: NodeDriver, broken: str) -> None:
        """A broken response raises an error of our tree, whatever the operation."""
        self.check_broken_responses(driver, broken)

    @rule()
    @pytest.mark.parametrize("unexpected", UNEXPECTED)
    def test_c42_unexpected_responses(self, driver: NodeDriver, unexpected: str) -> None:
        """A list in another form than documented raises an error of our tree; it is not empty."""
        self.check_unexpected_responses(driver, unexpected)

    @rule("list_nodes")
    def test_c43_place_of_an_error(self, driver: NodeDriver) -> None:
        """An error names the provider, the method, the path and the status of the request."""
        self.check_error_location(driver, "list_nodes")

    @rule("list_images")
    def test_c44_close(self, driver: NodeDriver) -> None:
        """A closed driver can be used again."""
        self.check_close(driver, driver.list_images)

    @rule("list_images", "list_sizes")
    def test_c45_threads(self, driver: NodeDriver) -> None:
        """Threads that share a driver get the responses to their own calls."""
        self.check_threads(driver.list_images, driver.list_sizes)

    @rule("list_images")
    def test_c46_pickled_drivers(self, driver: NodeDriver) -> None:
        """A driver can be pickled, and the copy works."""
        self.check_pickled_driver(driver, "list_images")

    @rule()
    @pytest.mark.parametrize("fault", LOST)
    def test_c47_lost_creates(self, driver: NodeDriver, create: Create, fault: str) -> None:
        """A create whose response is lost returns its node or is ambiguous, and makes no second node."""
        before = {node.id for node in driver.list_nodes()}

        def existing(name: str) -> list[Node]:
            new = (node for node in driver.list_nodes() if node.id not in before)
            return [node for node in new if f"-{name}" in (node.name or "")]

        self.check_lost_create(driver, fault, lambda far, name: create(name, by=far), existing)

    @rule()
    def test_c49_deadlines(self, driver: NodeDriver) -> None:
        """A deadline ends a list whose response does not come, with an error."""
        self.check_deadlines(driver)

    @rule()
    def test_c55_quoted_paths(self, driver: NodeDriver) -> None:
        """Ids and names are quoted in the paths of requests, whatever their characters."""
        # an image may have an id such as linode/debian12, whose slash belongs to the path
        slashes = driver.supports("list_images") and any("/" in one.id for one in driver.list_images())
        self.check_quoted_paths(driver, IMAGE_ACTIONS if slashes else ())

    @rule()
    def test_c56_unblocked_loops(self, driver: NodeDriver, create: Create) -> None:
        """On an event loop, creating, changing and destroying a node never blocks other tasks."""
        made: list[Node] = []

        def run() -> None:
            made.append(create("loop"))
            self.seen(driver, made[0], NodeState.RUNNING)

        order = ("reboot_node", "stop_node", "start_node", "shutdown_node")
        actions = [name for name in order if name not in self.not_offered]
        steps = [partial(self._done, driver, name, made) for name in (*actions, "destroy_node")]
        self.check_unblocked(driver, run, driver.list_nodes, *steps)

    def _done(self, driver: NodeDriver, name: str, nodes: list[Node]) -> None:
        states = {"stop_node": NodeState.STOPPED, "shutdown_node": NodeState.STOPPED}
        self.while_busy(partial(getattr(driver, name), nodes[0]))
        if name != "destroy_node":
            self.seen(driver, nodes[0], states.get(name, NodeState.RUNNING))
