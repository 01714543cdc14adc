"""Static large objects: an object that is a list, the manifest, of others, its segments.

The segments of the objects of container "photos" are in the container "photos_segments", as OpenStack's own
client keeps them, under `NAME/slo/UPLOAD/NUMBER`. Whoever deletes or replaces a large object must delete its
segments too, and a response does not say what was replaced. So before that, an object is looked up; that is
left out where there is no container of segments, for which is looked once in five minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from polycloud.errors import NotFoundError, PolycloudError
from polycloud.storage.drivers.swift.connection import AS_LIST, Named, SwiftConnection, SwiftResponse
from polycloud.storage.drivers.swift.containers import SEGMENTS
from polycloud.storage.drivers.swift.objects import STATIC, ListedObject, SwiftObjects, is_large
from polycloud.storage.objects import Object
from polycloud.storage.types import ObjectDoesNotExistError

T = TypeVar("T")
VERSIONING = ("x-versions-enabled", "x-versions-location", "x-history-location")
"""Headers of containers that keep versions, or have kept some: by the newer way, and by the older two."""
KNOWN_FOR = 300.0
"""Seconds for which it is known whether a container has large objects."""


def prefix_of(object_name: str) -> str:
    """Return how the names of an object's segments begin."""
    return f"{object_name}/slo/"


def read_manifest(
    connection: SwiftConnection, path: str, type_: type[T], version_id: str | None = None
) -> list[T]:
    """Return the segments of a static large object, in order; none if it is no such one.

    Raises `NotFoundError`.
    """
    query = {**AS_LIST, "version-id": version_id, "multipart-manifest": "get"}
    response: SwiftResponse = connection.request(path, query, stream=True)  # it may be any content
    if STATIC in response.headers:
        return response.decode(list[type_])  # type: ignore[valid-type]
    response.close()
    return []


class Segments:
    """The segments of the large objects of one container."""

    def __init__(self, connection: SwiftConnection, container_name: str) -> None:
        self._connection = connection
        self.container_name = f"{container_name}{SEGMENTS}"

    def path_of(self, name: str) -> str:
        """Return the path of a segment."""
        return self._connection.path_of(self.container_name, name)

    def iterate(self, prefix: str | None) -> Iterator[ListedObject]:
        """Yield the segments whose names begin with `prefix`. Raises `NotFoundError` if there is no place."""
        path = self._connection.path_of(self.container_name)
        return chain.from_iterable(self._connection.pages(path, ListedObject, {"prefix": prefix}))

    def delete(self, names: Iterable[str]) -> None:
        """Delete these segments; those that are gone already do not matter."""
        self._connection.gather([partial(self._delete, name) for name in names])

    def _delete(self, name: str) -> None:
        with suppress(NotFoundError):
            self._connection.request(self.path_of(name), method="DELETE")


class SwiftSegments(SwiftObjects):
    """Large objects as Swift has them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._known: dict[str, tuple[bool, float]] = {}
        """Whether containers have segments, and until when that is taken for known."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": {}}  # its times are of this process

    def _has_segments(self, container_name: str) -> bool:
        """Return whether there is a container for the segments of a container's large objects."""
        found, until = self._known.get(container_name, (False, 0.0))
        if time.monotonic() >= until:
            found = self._place_of_segments(container_name) is not None
            self._known[container_name] = found, time.monotonic() + KNOWN_FOR
        return found

    @contextmanager
    def _replacing(self, container_name: str, object_name: str, keep: str = "/") -> Iterator[None]:
        """Delete the segments of the large object that is replaced in the block, once that has ended.

        Those whose names begin with `keep` stay.
        """
        replaced: list[str] = []
        if self._has_segments(container_name):
            own = self._own_segments(container_name, object_name)
            replaced = [one for one in own if not one.startswith(keep)]
            if replaced and self._keeps_versions(container_name):
                replaced = []
        yield
        try:
            Segments(self.connection, container_name).delete(replaced)
        except PolycloudError as error:
            error.add_note(f"the object {object_name!r} was replaced, but segments of the earlier one stay")
            raise

    def _keeps_versions(self, container_name: str) -> bool:
        """Return whether objects of a container may live on as versions when they are replaced."""
        headers = self._look_up(container_name).headers
        return any(name in headers for name in VERSIONING)

    def _own_segments(self, container_name: str, object_name: str) -> list[str]:
        """Return the names of those segments of an object that belong to it alone, as their names say."""
        with suppress(ObjectDoesNotExistError):
            return self._segments_of(self.get_object(container_name, object_name))
        return []

    def _segments_of(self, obj: Object) -> list[str]:
        listed = self._manifest(obj, Named) if is_large(obj.hash) else []
        place = f"/{obj.container.name}{SEGMENTS}/"
        own = f"{place}{prefix_of(obj.name)}"
        return [one.name.removeprefix(place) for one in listed if one.name.startswith(own)]

    def _manifest(self, obj: Object, type_: type[T]) -> list[T]:
        """Return the segments of an object, in order; none if it is no static large object."""
        path = self._path(obj.container.name, obj.name)
        with self._errors(obj.container.name, obj.name):
            return read_manifest(self.connection, path, type_, obj.version_id)
