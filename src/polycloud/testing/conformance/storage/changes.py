"""Rules of bulk deletes, and of changes of what is kept beside an object's bytes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from polycloud.concurrency.calls import call_options
from polycloud.errors import InvalidArgumentError
from polycloud.http.retry import RetryPolicy
from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import (
    ContainerDoesNotExistError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    ObjectsNotDeletedError,
)
from polycloud.testing.conformance.assertions import error_of, require_reached
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.storage.suite import (
    CONTENT,
    OTHER,
    READS,
    CreateContainer,
    StorageSuite,
)
from polycloud.testing.conformance.storage.uploads import INVALID_EXTRA
from polycloud.testing.faults import FaultPlan, SeenRequest

MANY = 105
"""More objects than a batch of side-by-side deletes."""
FULL = {
    "content_type": "text/x-own",
    "cache_control": "max-age=60",
    "content_language": "de",
    "meta_data": {"owner": "me", "kind": "draft"},
}
CLOCKS = timedelta(seconds=2)
"""By how much two texts of one time differ: some have whole seconds."""


class ChangeRules(StorageSuite):
    """The rules of bulk deletes and of updates."""

    # Bulk deletes

    @rule("delete_objects", "upload_object_via_stream", "list_container_objects")
    def test_s80_bulk_delete(self, driver: StorageDriver, container: Container) -> None:
        """`delete_objects` deletes the objects and names of a list or generator; returns their number."""
        names = [f"object-{number}" for number in range(MANY)]
        upload = partial(driver.upload_object_via_stream, b"", container)
        driver.connection.gather(partial(upload, name) for name in [*names, "stays"])
        self.require_listed(driver, container, [*names, "stays"])
        few = driver.delete_objects(container, names[:2])
        assert few == 2, f"delete_objects returned {few!r} for 2 objects"
        self.require_listed(driver, container, [*names[2:], "stays"])

        def others() -> Iterator[Object | str]:
            for one in driver.iterate_container_objects(container, "object-"):
                yield one if one.name.endswith("0") else one.name

        many = container.delete_objects(others())
        assert many == MANY - 2, f"delete_objects returned {many!r} for {MANY - 2} objects"
        self.require_listed(driver, container, ["stays"])
        nothing = driver.delete_objects(container, [])
        assert nothing == 0, f"delete_objects returned {nothing!r} for no objects"

    @rule("delete_objects", "upload_object_via_stream", "list_container_objects")
    def test_s81_bulk_delete_of_odd_names(self, driver: StorageDriver, container: Container) -> None:
        """A bulk delete takes names as they are, and counts names that do not exist as deleted."""
        kept = [name for name in self.odd_names if self._is_there(driver, container, name)]
        others = {f"{name.strip() or 'x'}-other"[-200:] for name in kept}
        others -= set(kept)
        others = {name for name in others if self._is_there(driver, container, name)}
        names = [*kept, "no such object"]
        count = driver.delete_objects(container, names)
        assert count == len(names), f"delete_objects returned {count!r} for {len(names)} names"
        self.require_listed(driver, container, sorted(others))
        require_reached(kept, "the driver refuses all odd names")

    @rule("delete_objects")
    def test_s82_invalid_bulk_deletes(
        self, driver: StorageDriver, container: Container, obj: Object, create_container: CreateContainer
    ) -> None:
        """What is not of the container is refused unsent; an unknown one is `ContainerDoesNotExistError`."""
        elsewhere = self.no_object(self.no_container(driver))
        for wrong in ("object", b"object", {"object": 1}, 7, None, [7], [""], [elsewhere]):

            def delete(by: StorageDriver, wrong: Any = wrong) -> int:
                return by.delete_objects(Container(container.name, {}, by), wrong)

            self.check_refused_unsent(driver, InvalidArgumentError, delete)
        self.require_listed(driver, container, [obj.name])
        nowhere = self.no_container(driver)
        what = "a bulk delete in no container"
        error = error_of(ContainerDoesNotExistError, what, driver.delete_objects, nowhere, ["object"])
        assert error.container_name == nowhere.name, f"the error's container is {error.container_name!r}"

    @rule("delete_objects", "upload_object_via_stream", "list_container_objects")
    def test_s83_failed_bulk_deletes(self, driver: StorageDriver, container: Container) -> None:
        """Objects that cannot be deleted are named, each with its error; the others are deleted."""
        names = [f"object-{number}" for number in range(4)]
        for name in names:
            driver.upload_object_via_stream(OTHER, container, name)
        self.require_listed(driver, container, names)

        def is_spared(request: SeenRequest) -> bool:
            return request.method in READS or "object-2" not in f"{request.path}{request.body!r}"

        with self.behind(driver, FaultPlan(0, 1.0, ["503"], spare=is_spared)) as far:
            self.log_in(far)
            with call_options(retry=RetryPolicy(attempts=2, base=0.01)):
                error = error_of(
                    ObjectsNotDeletedError, "the delete", far.delete_objects, container, iter(names)
                )
        failed = [name for name, _ in error.failed]
        assert "object-2" in failed, f"{failed} are named, not object-2"
        assert error.deleted == len(names) - len(failed), f"{error.deleted} are said to be deleted"
        assert error.complete, "the delete says that it ended before its end"
        assert "object-2" in str(error), f"the message {error} names no object"
        assert all(str(reason) for _, reason in error.failed), f"{error.failed} have no reasons"
        self.require_listed(driver, container, failed)

    # Updates

    @rule("update_object", "upload_object_via_stream", "get_object")
    def test_s84_updates(self, driver: StorageDriver, container: Container) -> None:
        """`update_object` replaces what it is given, and keeps the content and all other keys."""
        made = driver.upload_object_via_stream(CONTENT, container, "an object+%2F", FULL)
        updated = driver.update_object(made, {"meta_data": {"Owner": "you"}})
        self._require_kept(driver, updated, {**FULL, "meta_data": {"owner": "you"}})
        updated = updated.update({"cache_control": "no-store", "content_type": "text/x-other"})
        expected = {"cache_control": "no-store", "content_type": "text/x-other"}
        self._require_kept(driver, updated, {**FULL, "meta_data": {"owner": "you"}, **expected})
        large = driver.upload_object_via_stream(bytes(self.large), container, "large", FULL)
        updated = driver.update_object(driver.get_object(container.name, "large"), {"meta_data": {}})
        found = driver.get_object(container.name, "large")
        assert (found.size, found.hash) == (large.size, updated.hash), f"{found!r} was {large!r}"
        assert found.meta_data == updated.meta_data == {}, f"the metadata {found.meta_data} stays"

    @rule("update_object", "upload_object_via_stream", "get_object")
    def test_s85_removed_values(self, driver: StorageDriver, container: Container) -> None:
        """An update with None removes a value; a content type is then guessed from the name again."""
        made = driver.upload_object_via_stream(CONTENT, container, "page.html", FULL)
        removed = {"content_language": None, "content_type": None, "meta_data": None}
        updated = driver.update_object(made, removed)
        expected = {"content_type": "text/html", "cache_control": FULL["cache_control"], "meta_data": {}}
        self._require_kept(driver, updated, expected)
        left = driver.get_object(container.name, "page.html").extra.get("content_language")
        assert not left, f"the content language {left!r} stays"

    @rule("update_object", "upload_object_via_stream")
    def test_s86_outdated_updates(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """An update of an object that was replaced or deleted raises the error of that; nothing changes."""
        driver.upload_object_via_stream(OTHER, container, obj.name, FULL)
        change: dict[str, Any] = {"meta_data": {"owner": "you"}}
        error = error_of(ObjectAlreadyExistsError, "the update", driver.update_object, obj, change)
        assert error.object_name == obj.name, f"the error's object is {error.object_name!r}"
        found = self.require_content(driver, container, obj.name, OTHER)
        assert found.meta_data == FULL["meta_data"], f"the metadata is {found.meta_data}"
        nothing = self.no_object(container)
        missing = error_of(ObjectDoesNotExistError, "the update", driver.update_object, nothing, change)
        assert missing.object_name == nothing.name, f"the error's object is {missing.object_name!r}"
        self.require_listed(driver, container, [obj.name])

    @rule("update_object")
    def test_s87_invalid_updates(self, driver: StorageDriver) -> None:
        """An update with unknown keys, or with values that headers cannot hold, is refused unsent."""
        nothing = self.no_object(self.no_container(driver))
        for extra in INVALID_EXTRA:

            def update(by: StorageDriver, extra: dict[str, Any] = extra) -> Object:
                return by.update_object(nothing, extra)

            self.check_refused_unsent(driver, InvalidArgumentError, update)

    # Times

    @rule("upload_object_via_stream", "get_object", "list_container_objects")
    def test_s88_times(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """`last_modified` is a time in UTC, the same in a list as from `get_object`; `extra` has its text."""
        (listed,) = driver.list_container_objects(container)
        for one in (listed, obj):
            assert isinstance(one.last_modified, datetime), f"last_modified is {one.last_modified!r}"
            assert one.last_modified.tzinfo is UTC, f"last_modified {one.last_modified!r} is not in UTC"
            text = one.extra.get("last_modified")
            assert isinstance(text, str), f'extra["last_modified"] is {text!r}, not a text'
        assert listed.last_modified is not None
        assert obj.last_modified is not None
        between = abs(listed.last_modified - obj.last_modified)
        assert between < CLOCKS, f"last_modified differs by {between} between the list and get_object"

    def _is_there(self, driver: StorageDriver, container: Container, name: str) -> bool:
        try:
            driver.upload_object_via_stream(name.encode(), container, name)
        except InvalidArgumentError:
            return False
        return True

    def _require_kept(self, driver: StorageDriver, updated: Object, expected: dict[str, Any]) -> None:
        """Assert that an update's result, and the object as it is kept, have these values."""
        found = self.require_content(driver, updated.container, updated.name, CONTENT)
        assert found.hash == updated.hash, f"the hash {updated.hash} is returned, {found.hash} is kept"
        for one, which in ((updated, "returned"), (found, "kept")):
            has = {key: one.extra.get(key) for key in expected if key != "meta_data"}
            assert {**has, "meta_data": one.meta_data} == expected, f"{has} and {one.meta_data} are {which}"
