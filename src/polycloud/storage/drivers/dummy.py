"""Storage in memory, for tests and documentation: all operations, deterministic, without a network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from copy import copy
from datetime import UTC, datetime
from typing import Any, NamedTuple

from polycloud.storage.base import StorageDriver
from polycloud.storage.objects import Container, Object
from polycloud.storage.resuming import StatePath
from polycloud.storage.sources import Source, counted, rechunked
from polycloud.storage.types import (
    ContainerAlreadyExistsError,
    ContainerDoesNotExistError,
    ContainerIsNotEmptyError,
    ObjectAlreadyExistsError,
    ObjectDoesNotExistError,
    Provider,
)
from polycloud.storage.uploads import (
    Progress,
    Upload,
    require_container_name,
    require_object_name,
    update_of,
    upload_of,
)

__all__ = ["DummyFileObject", "DummyStorageDriver"]

MODIFIED = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
UNVERSIONED = "null"
"""The id of the version that is replaced, since it was made while versions were not kept."""

Stored = tuple[Object, bytes]


class Version(NamedTuple):
    """A version of an object; without content it is a delete marker."""

    id: str
    obj: Object
    content: bytes | None

    def shown(self, *, is_latest: bool) -> Object:
        """Return it as lists show it."""
        state = {"version_id": self.id, "is_latest": is_latest, "is_delete_marker": self.content is None}
        obj = copy(self.obj)
        obj.extra = {**obj.extra, **state}
        return obj


class Versions:
    """The objects of a container: `current` ones, and earlier versions of them if `enabled`."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.enabled: bool | None = None
        self.current: dict[str, Stored] = {}
        self._all: dict[str, list[Version]] = {}
        self._count = 0

    def put(self, obj: Object, content: bytes | None) -> None:
        """Make an object the newest version."""
        self._count += 1
        id_ = str(self._count) if self.enabled else UNVERSIONED
        self._keep(obj.name, [Version(id_, obj, content), *self._without(obj.name, id_)])

    def delete(self, obj: Object) -> None:
        """Delete an object, or the version that it is."""
        if obj.version_id is not None:
            self._keep(obj.name, self._without(obj.name, obj.version_id))
        elif self.enabled is None:
            self._keep(obj.name, [])
        else:
            extra = {"last_modified": MODIFIED}
            self.put(Object(obj.name, 0, "", extra, None, obj.container, obj.driver), None)

    def each(self, prefix: str = "") -> Iterator[Object]:
        """Yield all versions."""
        for name in sorted((name for name in self._all if name.startswith(prefix)), key=str.encode):
            for number, version in enumerate(self._all.get(name, ())):
                yield version.shown(is_latest=number == 0)

    def get(self, name: str, id_: str) -> Version | None:
        """Return a version."""
        return next((one for one in self._all.get(name, ()) if one.id == id_), None)

    def _without(self, name: str, id_: str) -> list[Version]:
        return [one for one in self._all.get(name, ()) if one.id != id_]

    def _keep(self, name: str, versions: list[Version]) -> None:
        self._all[name] = versions
        if not versions:
            del self._all[name]
        self.current.pop(name, None)
        if versions and versions[0].content is not None:
            self.current[name] = versions[0].obj, versions[0].content
        self.container.extra["object_count"] = len(self.current)


class StandIn:
    """A file of text that yields `yield_count` pieces of `chunk_len` characters, as Libcloud's."""

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


DummyFileObject = StandIn
"""A program's tests may put another class in its place: downloads then yield what that one yields."""


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
        self._objects: dict[str, Versions] = {}

    def get_meta_data(self) -> dict[str, int]:
        """Return `object_count`, `container_count` and `bytes_used` of the account."""
        sizes = [len(content) for one in self._objects.values() for _, content in one.current.values()]
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
        require_container_name(container_name, self)
        if container_name in self._containers:
            raise ContainerAlreadyExistsError(driver=self, container_name=container_name)
        self._containers[container_name] = container = Container(container_name, {"object_count": 0}, self)
        self._objects[container_name] = Versions(container)
        return container

    def delete_container(self, container: Container) -> bool:
        """Delete an empty container."""
        if self._within(container) or any(self._objects[container.name].each()):
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
        if isinstance(iterator, StandIn):
            iterator = (piece.encode() for piece in iterator.read())
        content = b"".join(counted(Source(iterator), progress))
        self._require_conditions(self._within(container), object_name, upload)
        obj = Object(
            object_name,
            len(content),
            hashlib.md5(content, usedforsecurity=False).hexdigest(),
            {**(extra or {}), **upload.extra(), "last_modified": MODIFIED},
            upload.meta_data,
            container,
            self,
        )
        self._objects[container.name].put(obj, content)
        return obj

    def download_object_as_stream(self, obj: Object, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the content of an object, or what a program has in the place of `DummyFileObject`."""
        replaced: Any = DummyFileObject
        if replaced is not StandIn:
            self._stored(obj.container, obj.name)
            return iter(replaced())
        return super().download_object_as_stream(obj, chunk_size)

    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield a part of an object."""
        self._require_range(obj, start_bytes, end_bytes, chunk_size)
        stored = self._stored(obj.container, obj.name, obj.version_id)
        content = stored[1][start_bytes:end_bytes]
        return rechunked(iter((content,) if content else ()), chunk_size)

    def same_account(self, other: StorageDriver) -> bool:
        """Return whether `other` is this very driver: each has a memory of its own."""
        return other is self

    def _place(self) -> str:
        return f"{id(self)}"

    def delete_object(self, obj: Object) -> bool:
        """Delete an object."""
        if obj.version_id is None:
            self._stored(obj.container, obj.name)
        self._within(obj.container)
        self._objects[obj.container.name].delete(obj)
        return True

    def update_object(
        self, obj: Object, extra: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Object:
        """Replace metadata and headers of an object."""
        self._require_update(obj, extra, headers)
        found, content = self._stored(obj.container, obj.name)
        upload = update_of(found, extra, headers)
        if obj.hash not in {"", found.hash}:
            raise ObjectAlreadyExistsError(driver=self, object_name=obj.name)
        kept = {**upload.extra(), "last_modified": MODIFIED}
        made = Object(obj.name, found.size, found.hash, kept, upload.meta_data, obj.container, self)
        self._objects[obj.container.name].put(made, content)
        return made

    def set_container_versioning(self, container: Container, enabled: bool = True) -> bool:
        """Keep earlier versions of objects, or stop that."""
        self._within(container)
        self._objects[container.name].enabled = enabled
        return True

    def get_container_versioning(self, container: Container) -> bool:
        """Return whether earlier versions of objects are kept."""
        self._within(container)
        return bool(self._objects[container.name].enabled)

    def iterate_object_versions(self, container: Container, prefix: str | None = None) -> Iterator[Object]:
        """Yield all versions of the objects."""
        self._within(container)
        yield from self._objects[container.name].each(prefix or "")

    def get_object_version(self, container_name: str, object_name: str, version_id: str) -> Object:
        """Return a version of an object."""
        container = self.get_container(container_name)
        found = copy(self._stored(container, object_name, version_id)[0])
        found.extra = {**found.extra, "version_id": version_id}
        return found

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

    def _within(self, container: Container) -> dict[str, Stored]:
        return self._objects[self.get_container(container.name).name].current

    def _stored(self, container: Container, name: str, version_id: str | None = None) -> Stored:
        objects = self._within(container)
        found = objects.get(name)
        if version_id is not None:
            version = self._objects[container.name].get(name, version_id)
            found = None if version is None or version.content is None else (version.obj, version.content)
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
