"""Rules that hold for the drivers of every service: operations, errors, secrets, threads and faults."""

from __future__ import annotations

from functools import partial

import pytest

from polycloud.concurrency.calls import call_options
from polycloud.http.retry import RetryPolicy
from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.testing.cleanup import RUN
from polycloud.testing.conformance.assertions import require_reached
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.checks import LOST
from polycloud.testing.conformance.storage.suite import CONTENT, READS, CreateContainer, StorageSuite
from polycloud.testing.faults import FaultList
from polycloud.testing.replies import BROKEN, UNEXPECTED

BY_NAME = (
    *("get_object", "upload_object_via_stream", "download_object_range_as_stream", "delete_object"),
    *("copy_object", "update_object", "delete_objects", "get_object_version"),
    *("get_object_cdn_url", "enable_object_cdn", "upload_object", "download_object"),
    *("download_object_as_stream", "download_object_range"),
)
"""The operations that have the name of an object in a path, where its slashes stay."""


class DriverRules(StorageSuite):
    """The checks of all services, under the numbers of storage."""

    @rule()
    def test_s01_registry(self, driver: StorageDriver) -> None:
        """`get_driver` finds the driver's class, which names its provider and its connection."""
        self.check_registry(driver)

    @rule()
    def test_s02_supports(self, driver: StorageDriver) -> None:
        """`supports` is true for every operation that the provider has, and false for all others."""
        self.check_supports(driver)

    @rule()
    def test_s03_unsupported_operations(self, driver: StorageDriver) -> None:
        """An operation that is not offered raises `UnsupportedOperationError` before anything is sent."""
        self.check_unsupported_operations(driver)

    @rule()
    def test_s04_unknown_options(self, driver: StorageDriver) -> None:
        """An option that the driver does not have is refused by its name."""
        self.check_unknown_options(driver)

    @rule()
    def test_s05_pickle(self, container: Container, obj: Object) -> None:
        """Objects can be pickled and come back as they were."""
        self.check_pickled_objects([container, obj])

    # Errors and secrets

    @rule("list_containers")
    def test_s06_wrong_credentials(self, driver: StorageDriver) -> None:
        """Wrong credentials raise `InvalidCredsError`."""
        self.check_wrong_credentials(driver, "list_containers")

    @rule()
    def test_s07_secrets_in_repr(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """No repr of a driver, a connection or an object shows a secret."""
        self.check_secrets_in_repr(driver, container, obj)

    @rule("list_containers")
    def test_s08_secrets_in_errors(self, driver: StorageDriver) -> None:
        """No error shows a secret, even if the provider's message does."""
        self.check_secrets_in_errors(driver, "list_containers")

    @rule()
    @pytest.mark.parametrize("broken", BROKEN)
    def test_s09_broken_responses(self, driver: StorageDriver, broken: str) -> None:
        """A broken response raises an error of our tree, whatever the operation."""
        self.check_broken_responses(driver, broken)

    @rule()
    @pytest.mark.parametrize("unexpected", UNEXPECTED)
    def test_s10_unexpected_responses(self, driver: StorageDriver, unexpected: str) -> None:
        """A list in another form than documented raises an error of our tree; it is not empty."""
        self.check_unexpected_responses(driver, unexpected)

    @rule("list_containers")
    def test_s11_place_of_an_error(self, driver: StorageDriver) -> None:
        """An error names the provider, the method, the path and the status of the request."""
        self.check_error_location(driver, "list_containers")

    # One driver for many

    @rule()
    def test_s12_close(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """A closed driver can be used again."""
        self.check_close(driver, partial(driver.list_container_objects, container))

    @rule("upload_object_via_stream", "list_container_objects")
    def test_s13_threads(self, driver: StorageDriver, create_container: CreateContainer) -> None:
        """Threads that share a driver get the responses to their own calls."""
        filled = [self._filled(driver, create_container) for _ in "12"]
        self.check_threads(*(partial(driver.list_container_objects, one) for one in filled))

    @rule("upload_object_via_stream", "list_container_objects")
    def test_s14_event_loop(self, driver: StorageDriver, create_container: CreateContainer) -> None:
        """Calls side by side on an event loop return what they return without one."""
        filled = [self._filled(driver, create_container) for _ in "12"]
        self.check_event_loop(driver, *(partial(driver.list_container_objects, one) for one in filled))

    def _filled(self, driver: StorageDriver, create_container: CreateContainer) -> Container:
        container = create_container()
        driver.upload_object_via_stream(CONTENT, container, container.name)
        self.require_listed(driver, container, [container.name])
        return container

    @rule()
    def test_s15_pickled_drivers(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """A driver can be pickled, and the copy works."""
        self.check_pickled_driver(driver, "list_container_objects", container)

    # Faults

    @rule("create_container")
    @pytest.mark.parametrize("fault", LOST)
    def test_s16_lost_containers(
        self, driver: StorageDriver, create_container: CreateContainer, fault: str
    ) -> None:
        """The create of a container whose response is lost returns the container."""
        plan = FaultList(fault, spare=lambda request: request.method in READS)
        name = RUN.name()
        with self.behind(driver, plan) as far, call_options(retry=RetryPolicy(attempts=4, base=0.01)):
            made = create_container(name, by=far)
        assert made.name == name, f"{made!r} is returned for {name}"
        self.container_seen(driver, made)

    @rule()
    def test_s17_deadlines(self, driver: StorageDriver) -> None:
        """A deadline ends a list whose response does not come, with an error."""
        self.check_deadlines(driver)

    # Details

    @rule()
    def test_s18_quoted_paths(self, driver: StorageDriver) -> None:
        """Names are quoted in the paths of requests, whatever their characters; slashes may stay."""
        self.check_quoted_paths(driver, BY_NAME)

    @rule("upload_object_via_stream", "download_object_range_as_stream", "delete_object")
    def test_s19_unblocked_loops(self, driver: StorageDriver, create_container: CreateContainer) -> None:
        """On an event loop, what is done with containers and objects never blocks other tasks."""
        made: list[Container] = []

        def run() -> None:
            made.append(create_container())
            driver.upload_object_via_stream(CONTENT, made[0], "small")
            driver.upload_object_via_stream(iter([bytes(self.large)]), made[0], "large")

        def read() -> None:
            for one in driver.list_container_objects(made[0]):
                for _ in driver.download_object_as_stream(one):
                    pass
                driver.delete_object(one)
            driver.delete_container(made[0])

        self.check_unblocked(driver, run, read)
        require_reached(made, "no container was created")
