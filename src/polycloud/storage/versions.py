"""The versions of objects: what a driver offers whose provider keeps them."""

from __future__ import annotations

from collections.abc import Iterator

from polycloud.common.operations import OperationsDriver, optional, template
from polycloud.storage.objects import Container, Object

__all__ = ["VersionOperations"]


class VersionOperations(OperationsDriver):
    """The operations of `StorageDriver` with versions."""

    @optional
    def set_container_versioning(self, container: Container, enabled: bool = True) -> bool:
        """Keep the earlier versions of objects that are replaced or deleted from now on, or stop that."""

    @optional
    def get_container_versioning(self, container: Container) -> bool:
        """Return whether the earlier versions of objects that are replaced or deleted are kept."""

    @optional
    def iterate_object_versions(self, container: Container, prefix: str | None = None) -> Iterator[Object]:
        """Yield all versions of the objects whose names begin with `prefix`: by name, the newest first.

        `extra` has `version_id` (a str), `is_latest` and `is_delete_marker`: a delete marker is a version
        without content, which says that the object was deleted. What reads, copies or deletes such an object
        means this version; a version that is deleted is gone for good.

        Raises `ContainerDoesNotExistError`.
        """

    @template("iterate_object_versions")
    def list_object_versions(self, container: Container, prefix: str | None = None) -> list[Object]:
        """Return all versions of the objects whose names begin with `prefix`."""
        return list(self.iterate_object_versions(container, prefix))

    @optional
    def get_object_version(self, container_name: str, object_name: str, version_id: str) -> Object:
        """Return a version of an object with its metadata; `extra` has its `version_id`.

        Raises `ObjectDoesNotExistError`, also for a delete marker, and `ContainerDoesNotExistError`.
        """
