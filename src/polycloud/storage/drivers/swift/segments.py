"""Static large objects: an object that is a list, the manifest, of others, its segments.

The segments of the objects of container "photos" are in the container "photos_segments", as OpenStack's own
client keeps them, under `NAME/slo/UPLOAD/NUMBER`. Whoever deletes or replaces a large object must delete its
segments too, and a response does not say what was replaced. So before that, an object is looked up; that is
left out for containers that have no container of segments, which is asked for once in five minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import msgspec

from polycloud.errors import NotFoundError, PolycloudError, ProviderHTTPError
from polycloud.storage.drivers.swift.connection import AS_LIST, Named, SwiftConnection, SwiftResponse
from polycloud.storage.drivers.swift.containers import SEGMENTS
from polycloud.storage.drivers.swift.objects import ListedObject, SwiftObjects, is_large
from polycloud.storage.objects import Object
from polycloud.storage.types import ContainerDoesNotExistError, ObjectDoesNotExistError
from polycloud.utils.status import HTTPStatus

T = TypeVar("T")
KNOWN_FOR = 300.0
"""Seconds for which it is known that a container has no large objects."""
NO_MANIFEST = "Not an SLO manifest"


class Deleted(msgspec.Struct):
    """The response to the delete of a large object, or of several objects."""

    deleted: int = msgspec.field(name="Number Deleted")
    missing: int = msgspec.field(name="Number Not Found")
    status: str = msgspec.field(name="Response Status")
    errors: list[tuple[str, str]] = msgspec.field(name="Errors")


def prefix_of(object_name: str) -> str:
    """Return how the names of an object's segments begin."""
    return f"{object_name}/slo/"


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
        return self._connection.pages(path, ListedObject, {"prefix": prefix})

    def delete(self, names: Iterable[str]) -> None:
        """Delete these segments; those that are gone already do not matter."""
        self._connection.gather([partial(self._delete, name) for name in names])

    def _delete(self, name: str) -> None:
        with suppress(NotFoundError):
            self._connection.request(self.path_of(name), method="DELETE")


class SwiftSegments(SwiftObjects):
    """Large objects as Swift has them, and deletes of objects of any kind."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._without_segments: dict[str, float] = {}
        """Containers that have no large objects, and until when that is taken for known."""

    def delete_object(self, obj: Object) -> bool:
        """Delete an object, with its segments if it is a static large object."""
        container_name, path = obj.container.name, self._path(obj.container.name, obj.name)
        if self._may_be_large(obj) and self._delete_large(container_name, obj.name):
            return True
        with self._errors(container_name, obj.name):
            response: SwiftResponse = self.connection.request(path, method="DELETE")
            response.require(HTTPStatus.NO_CONTENT)
        return True

    def _may_be_large(self, obj: Object) -> bool:
        if is_large(obj.hash):
            return True
        return self._has_segments(obj.container.name) and is_large(
            self.get_object(obj.container.name, obj.name).hash
        )

    def _delete_large(self, container_name: str, object_name: str) -> bool:
        """Delete a static large object with its segments; return False if the object is no such one."""
        path = self._path(container_name, object_name)
        with self._errors(container_name, object_name):
            response: SwiftResponse = self.connection.request(
                path, {"multipart-manifest": "delete"}, method="DELETE"
            )
            result = response.decode(Deleted)
            if any(why == NO_MANIFEST for _, why in result.errors):
                return False
            if result.errors or not result.status.startswith("200"):
                failed = "; ".join(f"{name}: {why}" for name, why in result.errors)
                message = f"the large object was not deleted completely: {failed or result.status}"
                raise ProviderHTTPError(_status(result.status), message, response.headers)
            if not result.deleted:
                self._look_up(container_name)
                raise ObjectDoesNotExistError(driver=self, object_name=object_name)
        return True

    def _has_segments(self, container_name: str) -> bool:
        """Return whether there is a container for the segments of a container's large objects."""
        if time.monotonic() < self._without_segments.get(container_name, 0.0):
            return False
        try:
            self._look_up(f"{container_name}{SEGMENTS}")
        except ContainerDoesNotExistError:
            self._without_segments[container_name] = time.monotonic() + KNOWN_FOR
            return False
        return True

    @contextmanager
    def _replacing(self, container_name: str, object_name: str) -> Iterator[None]:
        """Delete the segments of the large object that is replaced in the block, once that has ended."""
        replaced: list[str] = []
        if self._has_segments(container_name):
            replaced = self._own_segments(container_name, object_name)
        yield
        try:
            Segments(self.connection, container_name).delete(replaced)
        except PolycloudError as error:
            error.add_note(f"the object {object_name!r} was replaced, but segments of the earlier one stay")
            raise

    def _own_segments(self, container_name: str, object_name: str) -> list[str]:
        """Return the names of those segments of an object that belong to it alone, as their names say."""
        try:
            if not is_large(self.get_object(container_name, object_name).hash):
                return []
            listed = self._manifest(container_name, object_name, Named)
        except ObjectDoesNotExistError:
            return []
        place = f"/{container_name}{SEGMENTS}/"
        own = f"{place}{prefix_of(object_name)}"
        return [one.name.removeprefix(place) for one in listed if one.name.startswith(own)]

    def _manifest(self, container_name: str, object_name: str, type_: type[T]) -> list[T]:
        """Return the segments of a static large object, in order; none if it is a dynamic one."""
        with self._errors(container_name, object_name):
            response: SwiftResponse = self.connection.request(
                self._path(container_name, object_name),
                {**AS_LIST, "multipart-manifest": "get"},
                stream=True,  # one that is a large object no longer is not read
            )
        if "x-static-large-object" in response.headers:
            return response.decode(list[type_])  # type: ignore[valid-type]
        response.close()
        return []


def _status(text: str) -> int:
    number = text.partition(" ")[0]
    return int(number) if number.isdecimal() else 0
