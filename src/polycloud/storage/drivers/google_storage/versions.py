"""Versions of Google's objects, which it calls generations.

Source: Google's document "Object Versioning".
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

import msgspec

from polycloud.errors import MalformedResponseError
from polycloud.storage.drivers.google_storage.connection import GoogleStorageResponse, require_name
from polycloud.storage.drivers.google_storage.objects import GoogleObjects
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectDoesNotExistError
from polycloud.utils.values import shown


class VersioningPayload(msgspec.Struct):
    """Whether a bucket keeps earlier generations."""

    enabled: bool = False


class BucketPayload(msgspec.Struct):
    """A bucket, as far as versions are concerned."""

    versioning: VersioningPayload | None = None


class GoogleVersions(GoogleObjects):
    """Versions as Google has them. There are no delete markers: the versions of what was deleted are left."""

    def set_container_versioning(self, container: Container, enabled: bool = True) -> bool:
        """Keep the earlier generations of objects from now on, or stop that."""
        body = {"versioning": {"enabled": enabled}}
        with self._errors(container.name):
            self.connection.request(self._path(container.name), method="PATCH", json=body, idempotent=True)
        return True

    def get_container_versioning(self, container: Container) -> bool:
        """Return whether the earlier generations of objects are kept."""
        with self._errors(container.name):
            response: GoogleStorageResponse = self.connection.request(
                self._path(container.name), {"fields": "versioning"}
            )
        found = response.decode(BucketPayload).versioning
        return found is not None and found.enabled

    def iterate_object_versions(self, container: Container, prefix: str | None = None) -> Iterator[Object]:
        """Yield all generations of the objects; those of one name are in memory at a time."""
        pages = self._listed(container, {"prefix": prefix or None, "versions": "true"})
        listed = chain.from_iterable(self._built(*page, container) for page in pages)
        for _, versions in groupby(listed, attrgetter("name")):
            found = sorted(map(_as_version, versions), key=lambda one: int(one.version_id or 0), reverse=True)
            for obj in found:
                obj.extra |= {"is_latest": "deletion_date" not in obj.extra, "is_delete_marker": False}
                yield obj

    def get_object_version(self, container_name: str, object_name: str, version_id: str) -> Object:
        """Return a generation of an object with its metadata."""
        path = self._path(container_name, require_name(object_name))
        if not isinstance(version_id, str) or not (version_id.isascii() and version_id.isdigit()):
            self._require_container(container_name)
            message = f"{object_name!r} has no version {shown(version_id)}: versions are numbers, as text"
            raise ObjectDoesNotExistError(message, self, object_name)
        with self._errors(container_name, object_name):
            response: GoogleStorageResponse = self.connection.request(
                path, {"generation": version_id}, None, self._key.use
            )
        return _as_version(self._object_of(response, Container(container_name, None, self)))


def _as_version(obj: Object) -> Object:
    extra: dict[str, Any] = obj.extra
    extra["version_id"] = extra.get("generation")
    if extra["version_id"] is None:
        raise MalformedResponseError(f"the version of {obj.name!r} must have a generation", driver=obj.driver)
    return obj
