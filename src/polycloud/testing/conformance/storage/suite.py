"""What the rules of object storage use: containers and objects of a test."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from http.client import HTTPConnection, HTTPSConnection
from operator import attrgetter
from typing import Any, ClassVar

import pytest

from polycloud.errors import NotFoundError, PolycloudError
from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.testing.cleanup import RUN, Kind
from polycloud.testing.conformance.checks import Checks
from polycloud.testing.faults import SeenRequest
from polycloud.testing.replies import Tampering, tampering

CreateContainer = Callable[..., Container]

CONTENT = b"The quick brown fox jumps over the lazy dog.\n"
OTHER = b"another content"
CONDITIONS = frozenset({"if_match", "if_none_match"})

ODD_NAMES = (
    *("a//b", "../x", "a/../b", "./x", ".", "/lead", "trail/", "//"),
    *("%2F", "a%2Fb", "100%", "a+b", "a b", " around ", "?a=b&c#d", "&amp;<b>'\"", "back\\slash", "*?[x]"),
    *(
        "new\nline",
        "tab\tand\rreturn",
        "\x01\x7f",
        "émigré",
        "e\u0301",
        "例え",
        "😀",
        "\uffee",
        "~.-_:;,@=$!",
    ),
    *("n" * 255, "n" * 1024, "/".join(["n" * 204] * 5), "é" * 512),
)
READS = frozenset({"GET", "HEAD"})


@lru_cache(maxsize=4)
def bytes_of(size: int) -> bytes:
    """Return so many bytes that do not repeat, the same ones for each size."""
    return random.Random(size).randbytes(size)  # noqa: S311 - not a secret


def fetched(
    method: str, url: str, body: bytes | None = None, headers: Iterable[tuple[str, str]] = ()
) -> tuple[int, bytes]:
    """Return status and body of a response; other clients would change the dots in a path."""
    place, _, rest = url.partition("://")[2].partition("/")
    line = (HTTPSConnection if url.startswith("https:") else HTTPConnection)(place, timeout=60)
    with closing(line):
        line.request(method, f"/{rest}", body, dict(headers))
        response = line.getresponse()
        return response.status, response.read()


def is_short(request: SeenRequest) -> bool:
    """Return whether a request has no content of an object in its body."""
    return len(request.body) < len(CONTENT)


class StorageSuite(Checks[StorageDriver]):
    """The settings and fixtures of the rules of storage."""

    base_driver = StorageDriver
    gone = (NotFoundError,)

    several_containers: ClassVar[int] = 3
    """How many containers are more than one page of the provider's list."""

    large: ClassVar[int] = 6 * 1024 * 1024
    """The bytes of an object that the driver uploads in several parts."""

    invalid_container_names: ClassVar[tuple[str, ...]] = ("", "a/b")
    """Names that the provider does not allow for a container."""

    unknown_container: ClassVar[str] = "conformance-no-such-container"
    """A name that no container has."""

    odd_names: ClassVar[tuple[str, ...]] = ODD_NAMES
    """Names of objects that are kept as they are, or refused."""

    metadata_name: ClassVar[str] = "Two-Words"
    """A name of metadata, of two words as the provider takes them."""

    presigned_headers: ClassVar[tuple[tuple[str, str], ...]] = ()
    """The headers that the provider requires of an upload by a presigned URL."""

    conditions: ClassVar[frozenset[str]] = CONDITIONS
    """The conditions of uploads that the test server knows."""

    conditions_of_parts: ClassVar[frozenset[str]] = CONDITIONS
    """Those that it knows for uploads in several parts too."""

    sorted_lists: ClassVar[bool] = True
    """Whether the provider lists objects in the order of their names' bytes."""

    verifies_uploads: ClassVar[bool] = True
    """Whether the test server notices that the content of an upload was changed on its way."""

    keeps_versions: ClassVar[bool] = True
    """Whether the test server keeps the versions of objects, if the driver offers them."""

    # What the tests create

    @classmethod
    def created(cls, driver: StorageDriver) -> Kind[Any]:
        """Return the containers: their names are names of the run."""

        def listed() -> list[Container]:
            offered = all(map(driver.supports, ("list_containers", "create_container", "delete_container")))
            return driver.list_containers() if offered else []

        def remove(container: Container) -> bool:
            if driver.supports("iterate_container_objects") and driver.supports("delete_object"):
                for obj in driver.list_container_objects(container):
                    driver.delete_object(obj)
                if cls.keeps_versions and driver.supports("iterate_object_versions"):
                    for obj in driver.list_object_versions(container):
                        driver.delete_object(obj)
            return driver.delete_container(container)

        return Kind("containers", listed, remove, attrgetter("name"), cls.gone)

    @pytest.fixture
    def create_container(self, driver: StorageDriver) -> Iterator[CreateContainer]:
        """Creates containers, with names that no other test uses; they are deleted with their objects."""
        self.need("list_containers", "create_container", "delete_container")
        with self.clearing(driver) as made:

            def create(name: str | None = None, by: StorageDriver = driver) -> Container:
                container = by.create_container(name or RUN.name())
                made.append(container)
                return container

            yield create

    @pytest.fixture
    def container(self, driver: StorageDriver, create_container: CreateContainer) -> Container:
        """An empty container that is listed."""
        container = create_container()
        self.container_seen(driver, container)
        return container

    @pytest.fixture
    def obj(self, driver: StorageDriver, container: Container) -> Object:
        """An object named "folder/object.txt" with `CONTENT` that is listed."""
        self.need("upload_object_via_stream", "get_object", "list_container_objects")
        driver.upload_object_via_stream(CONTENT, container, "folder/object.txt")
        self.require_listed(driver, container, ["folder/object.txt"])
        return driver.get_object(container.name, "folder/object.txt")

    # Looking

    def is_no_download(self, request: SeenRequest) -> bool:
        """Return whether a request does not read the content of the object called "object".

        Override it if a GET of its path also reads metadata.
        """
        return request.method != "GET" or not request.path.endswith("/object")

    def container_seen(self, driver: StorageDriver, container: Container) -> Container:
        """Return the container from the list, as soon as it is listed."""

        def found() -> Container | None:
            return next((one for one in driver.list_containers() if one.name == container.name), None)

        return self.until(found, f"the container {container.name} to be listed")

    def require_listed(self, driver: StorageDriver, container: Container, names: list[str]) -> None:
        """Return as soon as the container has exactly the objects of these names."""
        seen: list[str] = []

        def is_so() -> bool:
            seen[:] = [one.name for one in driver.list_container_objects(container)]
            return sorted(seen) == sorted(names)

        try:
            self.until(is_so, "the objects to be listed")
        except PolycloudError:
            assert sorted(seen) == sorted(names), f"the objects {seen} are listed, not {names}"
            raise

    def content_of(self, driver: StorageDriver, container: Container, name: str) -> bytes:
        """Return the content of an object as it is now."""
        return b"".join(driver.download_object_as_stream(driver.get_object(container.name, name)))

    def require_content(
        self, driver: StorageDriver, container: Container, name: str, content: bytes
    ) -> Object:
        """Assert that an object has this content, size and hash; return it."""
        found = driver.get_object(container.name, name)
        assert found.size == len(content), f"{found!r} has not {len(content)} bytes"
        self.require_hash(found, content)
        kept = b"".join(driver.download_object_as_stream(found))
        assert kept == content, f"the content of {found!r} is {_short(kept)}, not {_short(content)}"
        return found

    def require_hash(self, obj: Object, content: bytes) -> None:
        """Assert that the hash of an object is that of its content, if it has the form of one."""
        kind = obj.driver.hash_type
        expected = hashlib.new(kind, content, usedforsecurity=False).hexdigest()
        if len(obj.hash or "") == len(expected) and "-" not in obj.hash:
            assert obj.hash == expected, f"the hash of {obj!r} is not its {kind} {expected}"

    def unfinished(self, driver: StorageDriver, container: Container) -> list[object]:
        """Return the uploads that were begun and neither finished nor aborted.

        Override it where the provider keeps parts of such uploads; here it asks the driver's own method
        `ex_iterate_multipart_uploads`, if there is one.
        """
        listed = getattr(driver, "ex_iterate_multipart_uploads", None)
        return [] if listed is None else list(listed(container))

    def require_nothing_unfinished(self, driver: StorageDriver, container: Container) -> None:
        """Assert that no part of an upload was left behind."""
        left = self.unfinished(driver, container)
        assert not left, f"parts of unfinished uploads were left behind: {left}"

    @contextmanager
    def tampered(self, driver: StorageDriver) -> Iterator[tuple[StorageDriver, Tampering]]:
        """Return the same driver behind a server that passes everything on, and can change a byte of it."""
        line = driver.connection
        if not self.over_http or line.secure:
            pytest.skip("the server that changes contents speaks plain HTTP only")
        with (
            tampering((line.host, line.port)) as server,
            self.broken_driver(driver, f"{server.url}{line.request_path}/") as far,
        ):
            self.log_in(far)
            yield far, server

    # Arguments

    def no_container(self, driver: StorageDriver, name: str = "") -> Container:
        """Return a container that does not exist."""
        return Container(name or self.unknown_container, None, driver)

    def no_object(self, container: Container, name: str = "") -> Object:
        """Return an object that does not exist."""
        return Object(name or "no such object", len(CONTENT), "", None, None, container, container.driver)

    def arguments(self, driver: StorageDriver, id_: str = "") -> dict[str, tuple[Any, ...]]:
        """Return arguments of the operations of storage; `id_` is the name of containers and objects."""
        container, within = self.no_container(driver, id_), self.no_container(driver)
        obj = self.no_object(within, id_)
        return {
            **dict.fromkeys(("get_container", "create_container"), (container.name,)),
            **dict.fromkeys(
                (
                    *("delete_container", "iterate_container_objects", "list_container_objects"),
                    *("get_container_cdn_url", "enable_container_cdn", "get_container_versioning"),
                    *(
                        "set_container_versioning",
                        "iterate_folder",
                        "iterate_object_versions",
                        "list_object_versions",
                    ),
                ),
                (container,),
            ),
            "get_object": (within.name, obj.name),
            "get_object_version": (within.name, obj.name, "1"),
            "delete_objects": (within, [obj]),
            "update_object": (obj, {"meta_data": {"owner": "me"}}),
            "upload_object": (__file__, within, obj.name),
            "upload_object_via_stream": (CONTENT, within, obj.name),
            "download_object": (obj, os.devnull, True),
            "download_object_range": (obj, os.devnull, 0, None, True),
            "download_object_range_as_stream": (obj, 0),
            "copy_object": (obj, within, obj.name),
            **dict.fromkeys(
                (
                    *("download_object_as_stream", "delete_object"),
                    *("get_object_cdn_url", "enable_object_cdn"),
                ),
                (obj,),
            ),
        }


def _short(content: bytes) -> str:
    return repr(content) if len(content) <= 100 else f"{len(content):,} bytes {content[:20]!r}..."
