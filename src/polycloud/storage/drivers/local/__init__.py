"""Folders and files of this machine as containers and objects.

A container is a folder in the base folder, an object a file below it; "/" in an object's name separates
folders. Other programs may read and write the files; links are neither followed nor listed, and an upload
under a link's name replaces it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from polycloud.common.connection import Connection
from polycloud.common.credentials import Credential
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.storage.base import StorageDriver
from polycloud.storage.drivers.local.containers import LocalContainers
from polycloud.storage.drivers.local.objects import LocalObjects
from polycloud.storage.objects import Container, Object
from polycloud.storage.resuming import StatePath
from polycloud.storage.sources import Source, counted, rechunked
from polycloud.storage.types import Provider
from polycloud.storage.uploads import Progress, upload_of

__all__ = ["LocalStorageDriver"]


class LocalStorageDriver(StorageDriver):
    """Storage in a folder of this machine: `LocalStorageDriver("/srv/files")`.

    Several programs may share the folder. What a file cannot say (content type, metadata, MD5) is kept beside
    it in the container's folder `.polycloud`; a file that another program changed has no hash ("").
    """

    connectionCls = Connection
    type = Provider.LOCAL
    api_name = "local"
    name = "Local Storage"
    website = "https://docs.python.org/3/library/os.html"
    credentials = (Credential("path"),)

    def __init__(self, key: str, secret: str | None = None, secure: bool = True, **options: Any) -> None:
        if os.open not in os.supports_dir_fd:
            raise UnsupportedOperationError("local storage needs a POSIX system", self)
        try:
            base = Path(os.fsdecode(key)).expanduser().absolute()
        except (TypeError, ValueError, RuntimeError):
            raise InvalidArgumentError(f"key must be the path of a folder, got {key!r}") from None
        if not base.is_dir():
            raise InvalidArgumentError(f"the base folder {base} does not exist")
        super().__init__(str(key), None, secure, **options)
        self.base_path = str(base)
        self._containers = LocalContainers(base.resolve(), self)  # the base itself may be a link
        self._objects = LocalObjects(self._containers, self)

    def iterate_containers(self) -> Iterator[Container]:
        """Yield the folders in the base folder."""
        yield from self._containers.each()

    def get_container(self, container_name: str) -> Container:
        """Return the container of this name."""
        return self._containers.get(container_name)

    def create_container(self, container_name: str) -> Container:
        """Create a folder."""
        return self._containers.create(container_name)

    def delete_container(self, container: Container) -> bool:
        """Delete a folder that has no files, only empty folders."""
        self._containers.delete(container.name)
        return True

    def iterate_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> Iterator[Object]:
        """Yield the files below a container's folder."""
        yield from self._objects.each(container, prefix or ex_prefix or "")

    def iterate_folder(self, container: Container, prefix: str = "") -> Iterator[Object | str]:
        """Yield the files and folders in a folder, but empty folders."""
        yield from self._objects.level(container, prefix)

    def get_object(self, container_name: str, object_name: str) -> Object:
        """Return an object with its metadata."""
        return self._objects.get(self._containers.get(container_name), object_name)

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
        """Write a file; it appears under its name when it is complete."""
        upload = upload_of(object_name, extra, headers, if_match, if_none_match)
        return self._objects.write(counted(Source(iterator), progress), container, object_name, upload)

    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield a part of a file."""
        self._require_range(obj, start_bytes, end_bytes, chunk_size)
        return rechunked(self._objects.read(obj, start_bytes, end_bytes), chunk_size)

    def same_account(self, other: StorageDriver) -> bool:
        """Return whether `other` has the same base folder."""
        return isinstance(other, LocalStorageDriver) and other.base_path == self.base_path

    def _place(self) -> str:
        return os.path.realpath(self.base_path)

    def delete_object(self, obj: Object) -> bool:
        """Delete a file, and the folders that it leaves empty."""
        self._objects.delete(obj)
        return True

    def update_object(
        self, obj: Object, extra: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Object:
        """Replace what is kept beside a file; one that another program wrote still has no hash."""
        self._require_update(obj, extra, headers)
        return self._objects.update(obj, extra, headers)

    def get_container_cdn_url(self, container: Container) -> str:
        """Return the path of the container's folder."""
        self._containers.get(container.name)
        return os.path.join(self.base_path, container.name)  # noqa: PTH118 - text, as Libcloud's programs want

    def get_object_cdn_url(self, obj: Object) -> str:
        """Return the path of the object's file."""
        self._objects.get(obj.container, obj.name)
        return os.path.join(self.base_path, obj.container.name, obj.name)  # noqa: PTH118 - as above

    def enable_container_cdn(self, container: Container) -> bool:
        """Do nothing: whoever may read the folder reads its files."""
        self._containers.get(container.name)
        return True

    def enable_object_cdn(self, obj: Object) -> bool:
        """Do nothing: whoever may read the file reads it."""
        self._objects.get(obj.container, obj.name)
        return True
