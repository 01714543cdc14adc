"""Rules of the versions of objects."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from polycloud.errors import InvalidArgumentError
from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ContainerDoesNotExistError, ObjectDoesNotExistError
from polycloud.testing.conformance.assertions import error_of, require_true
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.storage.suite import StorageSuite

CONTENTS = (b"1", b"22", b"333")
EXTRA = {"content_type": "text/x-own", "meta_data": {"owner": "me"}}


class VersionRules(StorageSuite):
    """The rules of versions."""

    versioning: ClassVar[frozenset[str]] = frozenset(
        {
            *("get_container_versioning", "set_container_versioning", "get_object_version"),
            *("iterate_object_versions", "list_object_versions"),
        }
    )
    """The operations of versions, for the `not_offered` of drivers that have none."""

    @pytest.fixture
    def versioned(self, driver: StorageDriver, container: Container) -> Container:
        """A container that keeps versions, with "a" and "b", each of three versions."""
        self.need("iterate_object_versions", "upload_object_via_stream", "delete_object")
        if not self.keeps_versions:
            pytest.skip("the test server keeps no versions")
        if driver.supports("set_container_versioning"):
            driver.set_container_versioning(container)
        for name in ("b", "a"):
            for content in CONTENTS:
                driver.upload_object_via_stream(content, container, name, EXTRA)
        self.require_listed(driver, container, ["a", "b"])
        return container

    @rule("set_container_versioning", "get_container_versioning", "iterate_object_versions")
    def test_s89_versioning(self, driver: StorageDriver, container: Container) -> None:
        """A container keeps versions from when that is set, and makes no more when it is set back."""
        if not self.keeps_versions:
            pytest.skip("the test server keeps no versions")
        assert driver.get_container_versioning(container) is False, "a new container keeps versions"
        driver.upload_object_via_stream(b"0", container, "a")
        require_true("set_versioning", container.set_versioning())
        assert driver.get_container_versioning(container) is True, "versions are not kept"
        for content in CONTENTS:
            driver.upload_object_via_stream(content, container, "a")
        require_true("set_container_versioning", driver.set_container_versioning(container, False))
        assert container.get_versioning() is False, "versions are still kept"
        before = driver.list_object_versions(container)
        assert len(before) >= len(CONTENTS), f"only {before} are kept"
        for content in CONTENTS:
            driver.upload_object_via_stream(content, container, "a")
        after = driver.list_object_versions(container)
        assert len(after) <= len(before) + 1, f"{after} are kept, before there were {before}"
        nowhere = self.no_container(driver)
        for call in (driver.set_container_versioning, driver.get_container_versioning):
            error_of(ContainerDoesNotExistError, "versioning of no container", call, nowhere)

    @rule("iterate_object_versions")
    def test_s90_lists_of_versions(self, driver: StorageDriver, versioned: Container) -> None:
        """`iterate_object_versions` yields all versions: by name, the newest first, the latest marked."""
        driver.delete_object(driver.get_object(versioned.name, "b"))
        self.require_listed(driver, versioned, ["a"])
        found = driver.list_object_versions(versioned)
        contents = [one for one in found if not one.extra["is_delete_marker"]]
        shown = [(one.name, one.size) for one in contents]
        expected = [(name, size) for name in ("a", "b") for size in (3, 2, 1)]
        assert shown == expected, f"the versions are {shown}, not {expected}"
        latest = [one.name for one in contents if one.extra["is_latest"]]
        assert latest == ["a"], f"the latest versions with content are {latest}, not those of a"
        ids = [(one.name, one.version_id) for one in found]
        assert all(isinstance(id_, str) and id_ for _, id_ in ids), f"the ids of versions are {ids}"
        assert len(set(ids)) == len(ids), f"a version comes twice: {ids}"
        named = [one.name for one in versioned.iterate_object_versions("b")]
        assert set(named) == {"b"}, f'the prefix "b" lists {named}'
        self.check_same_items(versioned.list_object_versions, partial(driver.list_object_versions, versioned))

    @rule("iterate_object_versions", "get_object_version", "download_object_range_as_stream", "copy_object")
    def test_s91_reading_versions(self, driver: StorageDriver, versioned: Container, tmp_path: Path) -> None:
        """A version is read, downloaded, looked up and copied as it was, also over the latest one."""
        for one, content in zip(driver.list_object_versions(versioned, "a"), CONTENTS[::-1], strict=True):
            assert b"".join(one.as_stream()) == content, f"{one!r} has another content"
            require_true("download", one.download(str(tmp_path / content.decode())))
            assert (tmp_path / content.decode()).read_bytes() == content, "the file has another content"
            assert one.version_id is not None
            found = driver.get_object_version(versioned.name, "a", one.version_id)
            assert (found.version_id, found.size) == (one.version_id, len(content)), f"{found!r} is found"
            kept = (found.extra.get("content_type"), found.meta_data)
            assert kept == ("text/x-own", {"owner": "me"}), f"the version has {kept}"
            copied = driver.copy_object(one, versioned, f"copy-{content.decode()}")
            assert copied.version_id is None, f"the copy is the version {copied.version_id}"
            made = self.require_content(driver, versioned, copied.name, content)
            assert made.meta_data == {"owner": "me"}, f"the copy has the metadata {made.meta_data}"
        driver.copy_object(one, versioned)
        self.require_content(driver, versioned, "a", CONTENTS[0])

    @rule("iterate_object_versions", "delete_objects")
    def test_s92_deleted_versions(self, driver: StorageDriver, versioned: Container) -> None:
        """A version that is deleted, alone or with others, is gone for good; the others stay."""
        newest, middle, oldest = driver.list_object_versions(versioned, "a")
        require_true("delete_object", driver.delete_object(middle))
        self._require_versions(driver, versioned, [newest, oldest])
        error_of(ObjectDoesNotExistError, "reading a deleted version", lambda: list(middle.as_stream()))
        count = driver.delete_objects(versioned, [oldest, *driver.list_object_versions(versioned, "b")])
        assert count == 1 + len(CONTENTS), f"delete_objects returned {count!r}"
        self._require_versions(driver, versioned, [newest])
        self.require_listed(driver, versioned, ["a"])
        assert self.content_of(driver, versioned, "a") == CONTENTS[-1], "the latest version has changed"

    @rule("iterate_object_versions", "get_object_version")
    def test_s93_impossible_versions(self, driver: StorageDriver, versioned: Container) -> None:
        """No delete marker or unknown version is read, and no version is updated."""
        driver.delete_object(driver.get_object(versioned.name, "b"))
        newest, *_ = versions = driver.list_object_versions(versioned)
        markers = [one for one in versions if one.extra["is_delete_marker"]]
        for one in markers:
            error_of(ObjectDoesNotExistError, "reading a marker", lambda one=one: list(one.as_stream()))
            look = partial(driver.get_object_version, versioned.name, one.name, str(one.version_id))
            error_of(ObjectDoesNotExistError, "looking up a marker", look)
        for name, id_ in (("a", "no-such-version"), ("nothing", str(newest.version_id))):
            look = partial(driver.get_object_version, versioned.name, name, id_)
            error = error_of(ObjectDoesNotExistError, f"the version {id_} of {name}", look)
            assert error.object_name == name, f"the error's object is {error.object_name!r}"
        nowhere = self.no_container(driver)
        error_of(
            ContainerDoesNotExistError,
            "versions in no container",
            lambda: list(driver.iterate_object_versions(nowhere)),
        )
        if driver.supports("update_object"):
            error_of(InvalidArgumentError, "the update of a version", driver.update_object, newest, {})

    def _require_versions(self, driver: StorageDriver, container: Container, expected: list[Object]) -> None:
        found = [one.version_id for one in driver.list_object_versions(container, "a")]
        ids = [one.version_id for one in expected]
        assert found == ids, f"the versions are {found}, not {ids}"
