"""Rules of containers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

from polycloud.errors import InvalidArgumentError
from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    ContainerIsNotEmptyError,
    InvalidContainerNameError,
)
from polycloud.testing.cleanup import RUN
from polycloud.testing.conformance.assertions import check_objects, error_of, require_true
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.storage.suite import CONTENT, CreateContainer, StorageSuite


class ContainerRules(StorageSuite):
    """The rules of containers."""

    @rule()
    def test_s20_containers(self, driver: StorageDriver, container: Container) -> None:
        """A container has a name, which is its id, and extra."""
        containers = driver.list_containers()
        for one in [container, driver.get_container(container.name), *containers]:
            check_objects([one], Container, driver, "name")
            assert one.id == one.name, f"the id of {one!r} is {one.id!r}"
        check_objects(containers, Container, driver)

    @rule()
    def test_s21_uuid(self, container: Container, obj: Object) -> None:
        """The uuid of a container or an object is the SHA-1 of "id:provider"."""
        for one in (container, obj):
            digest = hashlib.sha1(f"{one.name}:{one.driver.type}".encode()).hexdigest()  # noqa: S324
            assert one.uuid == digest, f"the uuid of {one!r} is {one.uuid}"

    @rule()
    def test_s22_create_container(self, driver: StorageDriver, create_container: CreateContainer) -> None:
        """`create_container` returns an empty container of the given name, which is then listed."""
        name = RUN.name()
        made = create_container(name)
        check_objects([made], Container, driver, "name")
        assert made.name == name, f"{made!r} is returned for {name!r}"
        self.container_seen(driver, made)
        self.require_listed(driver, made, [])

    @rule("upload_object_via_stream")
    def test_s23_second_container(
        self, driver: StorageDriver, container: Container, obj: Object, create_container: CreateContainer
    ) -> None:
        """A second container of a name is refused with `ContainerAlreadyExistsError`; the first one stays."""
        error = error_of(ContainerAlreadyExistsError, "the second create", create_container, container.name)
        assert error.container_name == container.name, f"the error's container is {error.container_name!r}"
        self.require_listed(driver, container, [obj.name])

    @rule("create_container")
    def test_s24_invalid_names(self, driver: StorageDriver) -> None:
        """A name that no container can have raises `InvalidContainerNameError`, and nothing is sent."""
        for name in self.invalid_container_names:
            create = partial(_create, name)
            self.check_refused_unsent(driver, InvalidContainerNameError, create)
        for wrong in (7, None, b"bytes"):
            self.check_refused_unsent(driver, InvalidArgumentError, partial(_create, wrong))

    @rule()
    def test_s25_list_of_containers(self, driver: StorageDriver, create_container: CreateContainer) -> None:
        """`list_containers` lists every container once, by the bytes of their names."""
        made = [create_container() for _ in range(self.several_containers)]
        for container in made:
            self.container_seen(driver, container)
        listed = driver.list_containers()
        self.check_complete_list(made, listed)
        names = [one.name for one in listed]
        assert names == sorted(names, key=str.encode), f"the containers come as {names}"

    @rule()
    def test_s26_iterate_containers(self, driver: StorageDriver, container: Container) -> None:
        """`iterate_containers` yields the containers that `list_containers` returns."""
        self.check_same_items(driver.iterate_containers, driver.list_containers)

    @rule("list_containers")
    def test_s27_get_container(self, driver: StorageDriver, container: Container) -> None:
        """`get_container` returns the container of that name."""
        found = driver.get_container(container.name)
        assert found.name == container.name, f"get_container({container.name!r}) returns {found!r}"

    @rule()
    def test_s28_delete_container(self, driver: StorageDriver, container: Container) -> None:
        """`delete_container` returns True, and the container leaves the list."""
        require_true("delete_container", driver.delete_container(container))
        self._require_gone(driver, container)

    def _require_gone(self, driver: StorageDriver, container: Container) -> None:
        message = f"the container {container.name} to leave the list"
        self.until(lambda: container.name not in [one.name for one in driver.list_containers()], message)

    @rule("upload_object_via_stream")
    def test_s29_containers_with_objects(
        self, driver: StorageDriver, container: Container, obj: Object
    ) -> None:
        """A container that has an object is not deleted: `ContainerIsNotEmptyError`, and the object stays."""
        error = error_of(ContainerIsNotEmptyError, "delete_container", driver.delete_container, container)
        assert error.container_name == container.name, f"the error's container is {error.container_name!r}"
        self.require_content(driver, container, obj.name, CONTENT)

    @rule()
    def test_s30_unknown_containers(self, driver: StorageDriver) -> None:
        """An operation on an unknown container raises `ContainerDoesNotExistError` with its name."""
        nowhere = self.no_container(driver)
        calls: dict[str, Callable[[], object]] = {
            "get_container": partial(driver.get_container, nowhere.name),
            "delete_container": partial(driver.delete_container, nowhere),
            "list_container_objects": partial(driver.list_container_objects, nowhere),
            "get_object": partial(driver.get_object, nowhere.name, "object"),
            "upload_object_via_stream": partial(driver.upload_object_via_stream, CONTENT, nowhere, "object"),
        }
        for name, call in calls.items():
            if name not in self.not_offered:
                error = error_of(ContainerDoesNotExistError, name, call)
                named = error.container_name
                assert named == nowhere.name, f"the error of {name} has the container {named!r}"

    @rule("upload_object_via_stream", "delete_object")
    def test_s31_methods_of_containers(self, driver: StorageDriver, container: Container) -> None:
        """A container's own methods do what the driver's do."""
        made = container.upload_object_via_stream(CONTENT, "object")
        assert made.name == "object", f"upload_object_via_stream returns {made!r}"
        self.require_listed(driver, container, ["object"])
        listed = partial(driver.list_container_objects, container)
        self.check_same_items(container.list_objects, listed)
        self.check_same_items(partial(container.iterate_objects, "o"), listed)
        found = container.get_object("object")
        assert b"".join(container.download_object_as_stream(found)) == CONTENT
        assert b"".join(container.download_object_range_as_stream(found, 4, 9)) == CONTENT[4:9]
        require_true("delete_object", container.delete_object(found))
        self.require_listed(driver, container, [])
        require_true("delete", container.delete())
        self._require_gone(driver, container)


def _create(name: Any, driver: StorageDriver) -> Container:
    return driver.create_container(name)
