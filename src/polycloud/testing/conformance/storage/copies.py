"""Rules of copies."""

from __future__ import annotations

from functools import partial

from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ContainerDoesNotExistError, ObjectDoesNotExistError
from polycloud.testing.conformance.assertions import error_of
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.storage.suite import (
    CONTENT,
    OTHER,
    CreateContainer,
    StorageSuite,
    bytes_of,
)


class CopyRules(StorageSuite):
    """The rules of copies."""

    @rule("copy_object", "upload_object_via_stream")
    def test_s78_copies(
        self, driver: StorageDriver, container: Container, create_container: CreateContainer
    ) -> None:
        """`copy_object` makes the same object in any container; it replaces one, and its source stays."""
        elsewhere = create_container()
        extra = {"content_type": "text/x-own", "meta_data": {"owner": "me"}}
        for content in (CONTENT, bytes_of(self.large), b""):
            driver.upload_object_via_stream(content, container, "an object+%2F", extra)
            source = driver.get_object(container.name, "an object+%2F")
            targets = ((elsewhere, None), (container, "the copy é"), (elsewhere, "x"))
            for target, name in targets[: 1 if len(content) == self.large else 3]:
                made = driver.copy_object(source, target, name)
                expected = (name or source.name, target.name, len(content))
                found = (made.name, made.container.name, made.size)
                assert found == expected, f"the copy is {found}, not {expected}"
                copy = self.require_content(driver, target, made.name, content)
                assert copy.hash == made.hash, f"the hash {made.hash} is returned, {copy.hash} is kept"
                kept = (copy.extra.get("content_type"), copy.meta_data)
                assert kept == ("text/x-own", {"owner": "me"}), f"the copy has {kept}"
            self.require_content(driver, container, source.name, content)

    @rule("copy_object", "upload_object_via_stream")
    def test_s79_impossible_copies(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """A copy of what does not exist, or to nowhere, raises the error of that, and changes nothing."""
        driver.upload_object_via_stream(OTHER, container, "other")
        nothing = self.no_object(container)
        copy = partial(driver.copy_object, nothing, container, "other")
        error_of(ObjectDoesNotExistError, "a copy of nothing", copy)
        nowhere = self.no_container(driver)
        error_of(ContainerDoesNotExistError, "a copy to nowhere", driver.copy_object, obj, nowhere)
        self.require_content(driver, container, "other", OTHER)
        self.require_listed(driver, container, [obj.name, "other"])
