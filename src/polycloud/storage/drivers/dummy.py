"""Storage in memory, for tests and documentation: all operations, deterministic, without a network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from polycloud.storage.base import StorageDriver, rechunked
from polycloud.storage.objects import Container, Object
from polycloud.storage.resuming import StatePath
from polycloud.storage.sources import Source, counted
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    ContainerIsNotEmptyError,
    InvalidContainerNameError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    Provider,
)
from polycloud.storage.uploads import Progress, Upload, require_object_name, upload_of

__all__ = ["DummyFileObject", "DummyStorageDriver"]

MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)


class DummyFileObject:
    """A file of text that yields `yield_count` pieces of `chunk_len` bytes, as Libcloud's."""

    def __init__(self, yield_count: int = 5, chunk_len: int = 10) -> None:
        self._yield_count, self._chunk_len = yield_count, chunk_len

    def read(self, size: int = -1) -> Iterator[str]:
        """Yield the pieces, whatever `size` is."""
        for number in range(self._yield_count):
            yield self._piece(number)

    def __len__(self) -> int:
        return self._yield_count * self._chunk_len

    def _piece(self, number: int) -> str:
        return str(number % 10) * self._chunk_len


class DummyStorageDriver(StorageDriver):
    """Storage in memory, empty at first: `DummyStorageDriver("any key", "any secret")`."""

    type = Provider.DUMMY
    api_name = "dummy"
    name = "Dummy Storage Provider"
    website = "http://example.com"

    def __init__(self, api_key: str = "dummy", api_secret: str | None = None, **options: Any) -> None:
        super().__init__(api_key, **options)
        self.secret = api_secret
        self._containers: dict[str, Container] = {}
        self._objects: dict[str, dict[str, tuple[Object, bytes]]] = {}

    def get_meta_data(self) -> dict[str, int]:
        """Return `object_count`, `container_count` and `bytes_used` of the account."""
        sizes = [len(content) for objects in self._objects.values() for _, content in objects.values()]
        return {
            "container_count": len(self._containers),
            "object_count": len(sizes),
            "bytes_used": sum(sizes),
        }

    def iterate_containers(self) -> Iterator[Container]:
        """Yield the containers, by name."""
        yield from [self._containers[name] for name in sorted(self._containers, key=str.encode)]

    def get_container(self, container_name: str) -> Container:
        """Return the container of this name."""
        if container_name not in self._containers:
            raise ContainerDoesNotExistError(driver=self, container_name=container_name)
        return self._containers[container_name]

    def create_container(self, container_name: str) -> Container:
        """Create a container."""
        if not container_name or "/" in container_name:
            message = f"container_name must be a name without '/', got {container_name!r}"
            raise InvalidContainerNameError(message, self, container_name)
        if container_name in self._containers:
            raise ContainerAlreadyExistsError(driver=self, container_name=container_name)
        self._objects[container_name] = {}
        self._containers[container_name] = container = Container(container_name, {}, self)
        return container

    def delete_container(self, container: Container) -> bool:
        """Delete an empty container."""
        if self._within(container):
            raise ContainerIsNotEmptyError(driver=self, container_name=container.name)
        del self._containers[container.name], self._objects[container.name]
        return True

    def iterate_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> Iterator[Object]:
        """Yield the objects, by name."""
        objects, beginning = self._within(container), prefix or ex_prefix or ""
        names = sorted((name for name in objects if name.startswith(beginning)), key=str.encode)
        yield from [objects[name][0] for name in names]

    def get_object(self, container_name: str, object_name: str) -> Object:
        """Return the object of this name."""
        return self._stored(self.get_container(container_name), object_name)[0]

    def upload_object_via_stream(
        self,
        iterator: Iterable[bytes] | bytes,
        container: Container,
        object_name: str,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        resume: StatePath = None,
        progress: Progress | None = None,
    ) -> Object:
        """Create or replace an object."""
        upload = upload_of(require_object_name(object_name), extra, headers, if_match, if_none_match)
        content = b"".join(counted(Source(iterator), progress))
        objects = self._within(container)
        self._require_conditions(objects, object_name, upload)
        obj = Object(
            object_name,
            len(content),
            hashlib.md5(content, usedforsecurity=False).hexdigest(),
            {**upload.extra(), "last_modified": MODIFIED},
            upload.meta_data,
            container,
            self,
        )
        objects[object_name] = obj, content
        return obj

    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield a part of an object."""
        self._require_range(obj, start_bytes, end_bytes, chunk_size)
        content = self._stored(obj.container, obj.name)[1][start_bytes:end_bytes]
        return rechunked(iter((content,) if content else ()), chunk_size)

    def same_account(self, other: StorageDriver) -> bool:
        """Return whether `other` is this very driver: each has a memory of its own."""
        return other is self

    def delete_object(self, obj: Object) -> bool:
        """Delete an object."""
        self._stored(obj.container, obj.name)
        del self._objects[obj.container.name][obj.name]
        return True

    def get_container_cdn_url(self, container: Container) -> str:
        """Return an invented address."""
        self._within(container)
        return f"http://www.test.com/container/{container.name.replace(' ', '_')}"

    def get_object_cdn_url(self, obj: Object) -> str:
        """Return an invented address."""
        self._stored(obj.container, obj.name)
        return f"http://www.test.com/object/{obj.name.replace(' ', '_')}"

    def enable_container_cdn(self, container: Container) -> bool:
        """Return True."""
        self._within(container)
        return True

    def enable_object_cdn(self, obj: Object) -> bool:
        """Return True."""
        self._stored(obj.container, obj.name)
        return True

    def _within(self, container: Container) -> dict[str, tuple[Object, bytes]]:
        return self._objects[self.get_container(container.name).name]

    def _stored(self, container: Container, name: str) -> tuple[Object, bytes]:
        found = self._within(container).get(name)
        if found is None:
            raise ObjectDoesNotExistError(driver=self, object_name=name)
        return found

    def _require_conditions(self, objects: dict[str, Any], name: str, upload: Upload) -> None:
        found = objects.get(name)
        if upload.if_none_match is not None and found is not None:
            raise ObjectAlreadyExistsError(driver=self, object_name=name)
        if upload.if_match is not None:
            if found is None:
                raise ObjectDoesNotExistError(driver=self, object_name=name)
            if found[0].hash != upload.if_match:
                raise ObjectAlreadyExistsError(driver=self, object_name=name)
