"""The versions of Swift's objects, by its middleware for object versioning (Swift 2.24 and later)."""

from __future__ import annotations

from collections.abc import Iterator

from polycloud.errors import NotFoundError, ProviderHTTPError, UnsupportedOperationError
from polycloud.storage.drivers.swift.objects import ListedObject, SwiftObjects
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectDoesNotExistError
from polycloud.storage.uploads import require_object_name
from polycloud.utils.status import HTTPStatus

ENABLED = "x-versions-enabled"
MARKER = "application/x-deleted;swift_versions_deleted=1"
"""The content type of a delete marker in a list."""


class ListedVersion(ListedObject):
    """A version in a list; those of the time before versions were kept have the id "null"."""

    version_id: str = "null"
    is_latest: bool = False

    def marks(self) -> dict[str, str]:
        """Return the query of the page that follows this version."""
        return {"marker": self.name, "version_marker": self.version_id}

    def of(self, obj: Object) -> Object:
        """Return the object as this version of it."""
        obj.extra |= {
            "version_id": self.version_id,
            "is_latest": self.is_latest,
            "is_delete_marker": self.content_type == MARKER,
        }
        return obj


class SwiftVersions(SwiftObjects):
    """Versions as Swift has them."""

    def set_container_versioning(self, container: Container, enabled: bool = True) -> bool:
        """Keep the earlier versions of objects from now on, or make no more of them.

        Raises `UnsupportedOperationError` if this cloud keeps no versions: Swift says nothing then.
        """
        with self._errors(container.name):
            self._update(self._path(container.name), "Versions", {"Enabled": str(enabled).lower()})
        if self.get_container_versioning(container) is not enabled:
            raise UnsupportedOperationError("this cloud keeps no versions of objects", self)
        return True

    def get_container_versioning(self, container: Container) -> bool:
        """Return whether earlier versions of objects are kept."""
        return str(self._look_up(container.name).headers.get(ENABLED, "")).lower() == "true"

    def iterate_object_versions(self, container: Container, prefix: str | None = None) -> Iterator[Object]:
        """Yield all versions and delete markers, a page of 1,000 at a time."""
        query = {"versions": "true", "prefix": prefix or None}
        for page in self._pages(container.name, ListedVersion, query):
            for item in page:
                yield item.of(self._of_list(container, item))

    def get_object_version(self, container_name: str, object_name: str, version_id: str) -> Object:
        """Return a version of an object with its metadata."""
        require_object_name(object_name)
        try:
            found = self._head(container_name, object_name, version_id)
        except ProviderHTTPError as error:
            status = error.exchange.status if error.exchange else None
            if isinstance(error, NotFoundError) or status != HTTPStatus.BAD_REQUEST:
                raise
            message = f"{object_name!r} has no version {version_id!r}"
            raise ObjectDoesNotExistError(message, self, object_name) from error
        found.extra["version_id"] = version_id
        return found
