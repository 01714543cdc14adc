"""Rules of objects: attributes, names, lists, deletes, and addresses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from polycloud.errors import InvalidArgumentError
from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectDoesNotExistError
from polycloud.testing.conformance.assertions import check_objects, error_of, require_reached, require_true
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.storage.suite import CONTENT, OTHER, StorageSuite, fetched

FAILED = HTTPStatus.MULTIPLE_CHOICES
INVALID_NAMES = ("", "n" * 1025, "é" * 513, "nul\0", "\ud800", 7, None, b"bytes")
ORDERED = ("B", "a b", "a-b", "a.b", "a/b/c", "a/b0", "a0", "ab", "é", "\uffee", "😀")
"""Names in the order of their bytes in UTF-8, in which a folder comes with its "/"."""


class ObjectRules(StorageSuite):
    """The rules of objects."""

    @rule()
    def test_s32_objects(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """An object has name (also its id), size in bytes, hash, extra, metadata, container and driver."""
        for one in [obj, *driver.list_container_objects(container)]:
            check_objects([one], Object, driver, "name", "hash")
            assert one.id == one.name, f"the id of {one!r} is {one.id!r}"
            assert type(one.size) is int, f"the size {one.size!r} of {one!r} is not an int"
            assert one.size == len(CONTENT), f"{one!r} has not {len(CONTENT)} bytes"
            assert type(one.meta_data) is dict, f"the metadata {one.meta_data!r} of {one!r} is not a dict"
            assert isinstance(one.container, Container), f"the container of {one!r} is {one.container!r}"
            assert one.container.name == container.name, f"the container of {one!r} is {one.container!r}"
            self.require_hash(one, CONTENT)

    @rule("upload_object_via_stream", "get_object", "download_object_range_as_stream", "delete_object")
    def test_s33_odd_names(self, driver: StorageDriver, container: Container) -> None:
        """Names with odd characters are kept as they are, or refused with `InvalidArgumentError`."""
        kept = [name for name in self.odd_names if self._is_kept(driver, container, name)]
        self.require_listed(driver, container, kept)
        for name in kept:
            found = self.require_content(driver, container, name, name.encode())
            require_true("delete_object", driver.delete_object(found))
        self.require_listed(driver, container, [])
        require_reached(kept, "the driver refuses all odd names")

    def _is_kept(self, driver: StorageDriver, container: Container, name: str) -> bool:
        try:
            made = driver.upload_object_via_stream(name.encode(), container, name)
        except InvalidArgumentError:
            return False
        assert made.name == name, f"{name!r} became {made.name!r}"
        return True

    @rule("upload_object_via_stream")
    def test_s34_names_that_no_provider_has(self, driver: StorageDriver) -> None:
        """Other types, empty names, NUL, lone surrogates and more than 1,024 bytes are refused unsent."""
        nowhere = self.no_container(driver)
        for name in INVALID_NAMES:
            upload = partial(_upload, nowhere, name)
            self.check_refused_unsent(driver, InvalidArgumentError, upload)

    # Lists

    @rule("upload_object_via_stream", "list_container_objects")
    def test_s35_complete_list(self, driver: StorageDriver, container: Container) -> None:
        """`list_container_objects` lists every object once, over all pages."""
        names = [f"object-{number}" for number in range(self.several)]
        uploads = [partial(driver.upload_object_via_stream, OTHER, container, name) for name in names]
        made = driver.connection.gather(uploads)
        self.require_listed(driver, container, names)
        self.check_complete_list(made, driver.list_container_objects(container))

    @rule()
    def test_s36_iterate_objects(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """`iterate_container_objects` yields the objects that `list_container_objects` returns."""
        iterate = partial(driver.iterate_container_objects, container)
        self.check_same_items(iterate, partial(driver.list_container_objects, container))

    @rule("upload_object_via_stream", "list_container_objects")
    def test_s37_order(self, driver: StorageDriver, container: Container) -> None:
        """Objects are listed in the order of their names' bytes in UTF-8."""
        for name in reversed(ORDERED):
            driver.upload_object_via_stream(OTHER, container, name)
        self.require_listed(driver, container, list(ORDERED))
        if not (self.sorted_lists and driver.lists_in_order):
            pytest.skip("the provider does not sort its lists")
        names = [one.name for one in driver.list_container_objects(container)]
        assert names == list(ORDERED), f"the objects come as {names}, not {list(ORDERED)}"

    @rule("upload_object_via_stream", "list_container_objects")
    def test_s38_prefix(self, driver: StorageDriver, container: Container) -> None:
        """`prefix`, also called `ex_prefix`, lists the objects whose names begin with it."""
        names = ["a", "a b+c%2F/1", "a b+c%2F/2", "b"]
        for name in names:
            driver.upload_object_via_stream(OTHER, container, name)
        self.require_listed(driver, container, names)
        for prefix, expected in {"a": names[:3], "a b+c%2F/": names[1:3], "b": ["b"], "c": []}.items():
            for argument in ("prefix", "ex_prefix"):
                listed = driver.list_container_objects(container, **{argument: prefix})
                found = [one.name for one in listed]
                assert found == expected, f"{argument}={prefix!r} lists {found}, not {expected}"

    @rule("upload_object_via_stream", "delete_object")
    def test_s39_changes_while_listing(self, driver: StorageDriver, container: Container) -> None:
        """Objects that come and go while others are listed end no list, and every other comes once."""
        names = [f"object-{number}" for number in range(4)]
        made = {name: driver.upload_object_via_stream(OTHER, container, name) for name in names}
        self.require_listed(driver, container, names)
        listing = driver.iterate_container_objects(container)
        seen = [next(listing).name]
        driver.delete_object(made["object-0"])
        driver.delete_object(made["object-2"])
        driver.upload_object_via_stream(OTHER, container, "object-4")
        seen += [one.name for one in listing]
        assert len(set(seen)) == len(seen), f"an object comes twice: {seen}"
        assert {"object-0", "object-1", "object-3"} <= {*seen} <= {*names, "object-4"}, f"{seen} come"

    @rule("upload_object_via_stream")
    def test_s94_folders(self, driver: StorageDriver, container: Container) -> None:
        """`iterate_folder` yields the objects of a folder, and the name of each folder in it once."""
        names = ["a", "f b+/1", "f b+/2", "f b+/g.txt", "f b+/g/1", "f b+/g/2", "f b+/g/h/1", "g/1"]
        for name in names:
            driver.upload_object_via_stream(OTHER, container, name)
        self.require_listed(driver, container, names)
        inner = ["f b+/1", "f b+/2", "f b+/g.txt", "f b+/g/"]
        for folder, expected in {"": ["a", "f b+/", "g/"], "f b+/": inner, "g/": ["g/1"], "h/": []}.items():
            found = [
                one if isinstance(one, str) else one.name for one in driver.iterate_folder(container, folder)
            ]
            if not self.sorted_lists:
                found.sort(key=str.encode)
            assert found == expected, f"the folder {folder!r} has {found}, not {expected}"

    # One object

    @rule("upload_object_via_stream", "get_object")
    def test_s40_get_object(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """`get_object` returns the object of exactly that name."""
        driver.upload_object_via_stream(OTHER, container, "folder/object.txt.other")
        for name, size in (("folder/object.txt", len(CONTENT)), ("folder/object.txt.other", len(OTHER))):
            found = driver.get_object(container.name, name)
            assert (found.name, found.size) == (name, size), f"get_object({name!r}) returns {found!r}"

    @rule("delete_object", "list_container_objects")
    def test_s41_delete_object(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """`delete_object` returns True, and the object leaves the list; others stay."""
        driver.upload_object_via_stream(OTHER, container, "folder/other")
        require_true("delete_object", driver.delete_object(obj))
        self.require_listed(driver, container, ["folder/other"])
        error_of(ObjectDoesNotExistError, "get_object", driver.get_object, container.name, obj.name)

    @rule()
    def test_s42_unknown_objects(self, driver: StorageDriver, container: Container, tmp_path: Path) -> None:
        """Reading an object that does not exist raises `ObjectDoesNotExistError` with its name, no file."""
        nothing, file = self.no_object(container), tmp_path / "file"
        calls: dict[str, Callable[[], object]] = {
            "get_object": partial(driver.get_object, container.name, nothing.name),
            "download_object_as_stream": lambda: list(driver.download_object_as_stream(nothing)),
            "download_object_range_as_stream": lambda: list(
                driver.download_object_range_as_stream(nothing, 1, 2)
            ),
            "download_object": partial(driver.download_object, nothing, str(file)),
            "download_object_range": partial(driver.download_object_range, nothing, str(file), 1, 2),
        }
        for name, call in calls.items():
            if name not in self.not_offered:
                error = error_of(ObjectDoesNotExistError, name, call)
                assert error.object_name == nothing.name, f"the error of {name} has {error.object_name!r}"
        left = list(tmp_path.iterdir())
        assert not left, f"files were left behind: {left}"

    @rule("delete_object")
    def test_s43_delete_unknown_objects(
        self, driver: StorageDriver, container: Container, obj: Object
    ) -> None:
        """The delete of an object that does not exist raises `ObjectDoesNotExistError`, or returns True."""
        nothing = self.no_object(container)
        try:
            result = driver.delete_object(nothing)
        except ObjectDoesNotExistError as error:
            named: object = error.object_name
        else:
            require_true("delete_object", result)
            named = nothing.name
        assert named == nothing.name, f"the error's object is {named!r}"
        self.require_listed(driver, container, [obj.name])

    @rule("delete_object", "download_object_range_as_stream")
    def test_s44_methods_of_objects(
        self, driver: StorageDriver, container: Container, obj: Object, tmp_path: Path
    ) -> None:
        """An object's own methods do what the driver's do."""
        assert b"".join(obj.as_stream()) == CONTENT, "as_stream() yields another content"
        assert b"".join(obj.range_as_stream(4, 9)) == CONTENT[4:9], "range_as_stream() yields another part"
        require_true("download", obj.download(str(tmp_path)))
        assert (tmp_path / "object.txt").read_bytes() == CONTENT, "download() writes another content"
        require_true("download_range", obj.download_range(str(tmp_path / "part"), 4, 9))
        assert (tmp_path / "part").read_bytes() == CONTENT[4:9], "download_range() writes another part"
        require_true("delete", obj.delete())
        self.require_listed(driver, container, [])

    # Public access

    @rule()
    def test_s45_addresses(self, driver: StorageDriver, container: Container, obj: Object) -> None:
        """CDN URLs are texts, each object has one of its own, and making something public returns True."""
        driver.upload_object_via_stream(OTHER, container, "other")
        other = driver.get_object(container.name, "other")
        if "enable_container_cdn" not in self.not_offered:
            require_true("enable_container_cdn", driver.enable_container_cdn(container))
        if "enable_object_cdn" not in self.not_offered:
            require_true("enable_object_cdn", driver.enable_object_cdn(obj))
        if "get_object_cdn_url" not in self.not_offered:
            urls = [driver.get_object_cdn_url(one) for one in (obj, other)]
            assert all(isinstance(url, str) and url for url in urls), f"the CDN URLs are {urls}"
            assert len(set(urls)) == len(urls), f"both objects have the CDN URL {urls[0]}"
            assert obj.get_cdn_url().partition("?")[0] == urls[0].partition("?")[0], "get_cdn_url differs"
        if "get_container_cdn_url" not in self.not_offered:
            url = driver.get_container_cdn_url(container)
            assert isinstance(url, str), f"the CDN URL is {url!r}"
            assert url, "the CDN URL is empty"
            assert container.get_cdn_url() == url, f"get_cdn_url() is not {url}"

    @rule("upload_object_via_stream")
    def test_s46_presigned_urls(self, driver: StorageDriver, container: Container) -> None:
        """A presigned URL, made without a request, reads and writes an object of any name for anybody."""
        sign = self._presigner(driver, container)
        for name in self.odd_names:
            content = name.encode()
            try:
                url = sign(name, method="PUT")
            except InvalidArgumentError:
                continue
            status, answer = fetched("PUT", url, content, self.presigned_headers)
            assert status < FAILED, f"a PUT of {name!r} gets {status}: {answer!r}"
            self.require_content(driver, container, name, content)
            got = fetched("GET", sign(name))
            assert got == (HTTPStatus.OK, content), f"a GET of {name!r} gets {got}"

    @rule("upload_object_via_stream")
    def test_s47_limits_of_presigned_urls(
        self, driver: StorageDriver, container: Container, obj: Object
    ) -> None:
        """A presigned URL is for one object and one method: another one is refused."""
        sign = self._presigner(driver, container)
        driver.upload_object_via_stream(OTHER, container, "folder/object.txt2")
        url = sign(obj.name)
        moved = url.replace("object.txt", "object.txt2", 1)
        for method, wrong in (("GET", moved), ("PUT", url), ("DELETE", url)):
            body, headers = (OTHER, self.presigned_headers) if method == "PUT" else (None, ())
            status, _ = fetched(method, wrong, body, headers)
            assert status >= FAILED, f"a {method} of {wrong} gets {status}"
        self.require_content(driver, container, obj.name, CONTENT)

    def _presigner(self, driver: StorageDriver, container: Container) -> Callable[..., str]:
        if not driver.supports("ex_presigned_url"):
            pytest.skip("the driver does not offer ex_presigned_url")
        sign: Callable[..., str] = partial(driver.ex_presigned_url, container)  # type: ignore[attr-defined]

        with self.logged_in(driver, lambda _: b"") as (far, server):
            far.ex_presigned_url(container, "object")  # type: ignore[attr-defined]
            assert not server.requests, f"{server.requests} requests were sent for a URL"
        return sign


def _upload(container: Container, name: Any, driver: StorageDriver) -> Object:
    return driver.upload_object_via_stream(CONTENT, container, name)
