"""The objects of storage: containers, and objects, which are named sequences of bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from polycloud.common.payload import LazyExtra, parse_datetime
from polycloud.common.resource import Resource, require_driver
from polycloud.errors import printable
from polycloud.utils.headers import http_date

if TYPE_CHECKING:
    from polycloud.storage.base import StorageDriver

__all__ = ["Container", "Object"]

Extra = dict[str, Any] | LazyExtra | None
MD5 = re.compile(r"[0-9a-f]{32}")


class StorageResource(Resource):
    """An object of a storage driver. Its `id` is its name; names are not unique beyond an account."""

    __slots__ = ("name",)

    driver: StorageDriver
    name: str

    @property
    def _own(self) -> StorageDriver:
        require_driver(self)
        return self.driver

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore an object; those that Libcloud pickled have no id."""
        super().__setstate__({"id": state["name"], **state})


class Container(StorageResource):
    """A container of objects; S3 and Google call it a bucket."""

    __slots__ = ()

    def __init__(self, name: str, extra: Extra, driver: StorageDriver) -> None:
        self.id = self.name = name
        self.driver = driver
        self.extra = extra

    def iterate_objects(self, prefix: str | None = None, ex_prefix: str | None = None) -> Iterator[Object]:
        """Yield the objects; see `StorageDriver.iterate_container_objects`."""
        return self._own.iterate_container_objects(self, prefix, ex_prefix)

    def list_objects(self, prefix: str | None = None, ex_prefix: str | None = None) -> list[Object]:
        """Return the objects; see `StorageDriver.list_container_objects`."""
        return self._own.list_container_objects(self, prefix, ex_prefix)

    def iterate_folder(self, prefix: str = "") -> Iterator[Object | str]:
        """Yield what is directly in a folder; see `StorageDriver.iterate_folder`."""
        return self._own.iterate_folder(self, prefix)

    def iterate_object_versions(self, prefix: str | None = None) -> Iterator[Object]:
        """Yield all versions of the objects; see `StorageDriver.iterate_object_versions`."""
        return self._own.iterate_object_versions(self, prefix)

    def list_object_versions(self, prefix: str | None = None) -> list[Object]:
        """Return all versions of the objects; see `StorageDriver.list_object_versions`."""
        return self._own.list_object_versions(self, prefix)

    def get_object(self, object_name: str) -> Object:
        """Return the object of this name; see `StorageDriver.get_object`."""
        return self._own.get_object(self.name, object_name)

    def upload_object(
        self,
        file_path: str,
        object_name: str,
        extra: dict[str, Any] | None = None,
        verify_hash: bool = True,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Object:
        """Upload a file; see `StorageDriver.upload_object`."""
        return self._own.upload_object(
            file_path, self, object_name, extra=extra, verify_hash=verify_hash, headers=headers, **options
        )

    def upload_object_via_stream(
        self,
        iterator: Iterable[bytes] | bytes,
        object_name: str,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Object:
        """Upload bytes as they come; see `StorageDriver.upload_object_via_stream`."""
        return self._own.upload_object_via_stream(
            iterator, self, object_name, extra=extra, headers=headers, **options
        )

    def download_object(
        self,
        obj: Object,
        destination_path: str,
        overwrite_existing: bool = False,
        delete_on_failure: bool = True,
        **options: Any,
    ) -> bool:
        """Download an object to a file; see `StorageDriver.download_object`."""
        return self._own.download_object(
            obj, destination_path, overwrite_existing, delete_on_failure, **options
        )

    def download_object_as_stream(self, obj: Object, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the content of an object; see `StorageDriver.download_object_as_stream`."""
        return self._own.download_object_as_stream(obj, chunk_size)

    def download_object_range(
        self,
        obj: Object,
        destination_path: str,
        start_bytes: int,
        end_bytes: int | None = None,
        overwrite_existing: bool = False,
        delete_on_failure: bool = True,
    ) -> bool:
        """Download a part of an object to a file; see `StorageDriver.download_object_range`."""
        return self._own.download_object_range(
            obj, destination_path, start_bytes, end_bytes, overwrite_existing, delete_on_failure
        )

    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield a part of an object; see `StorageDriver.download_object_range_as_stream`."""
        return self._own.download_object_range_as_stream(obj, start_bytes, end_bytes, chunk_size)

    def delete_object(self, obj: Object) -> bool:
        """Delete an object; see `StorageDriver.delete_object`."""
        return self._own.delete_object(obj)

    def delete_objects(self, objects: Iterable[Object | str]) -> int:
        """Delete many objects; see `StorageDriver.delete_objects`."""
        return self._own.delete_objects(self, objects)

    def set_versioning(self, enabled: bool = True) -> bool:
        """Keep earlier versions of objects, or stop that; see `StorageDriver.set_container_versioning`."""
        return self._own.set_container_versioning(self, enabled)

    def get_versioning(self) -> bool:
        """Return whether earlier versions are kept; see `StorageDriver.get_container_versioning`."""
        return self._own.get_container_versioning(self)

    def get_cdn_url(self) -> str:
        """Return the address at which the public reads the container."""
        return self._own.get_container_cdn_url(self)

    def enable_cdn(self, **options: Any) -> bool:
        """Make the container readable for the public."""
        return self._own.enable_container_cdn(self, **options)

    def delete(self) -> bool:
        """Delete the container, which must be empty; see `StorageDriver.delete_container`."""
        return self._own.delete_container(self)

    def __repr__(self) -> str:
        return f"<Container: name={printable(self.name)}, provider={getattr(self.driver, 'name', None)}>"


class Object(StorageResource):
    """An object: `size` in bytes, `hash` as the provider has it (see `hash_type`), and its metadata.

    `meta_data` are the user's own names and texts; lists have none at most providers, `get_object` has them.
    `extra` has what else the provider says, such as `content_type` and `last_modified`.
    """

    __slots__ = ("container", "hash", "meta_data", "size")

    def __init__(
        self,
        name: str,
        size: int,
        hash: str,
        extra: Extra,
        meta_data: dict[str, str] | None,
        container: Container,
        driver: StorageDriver,
    ) -> None:
        self.id = self.name = name
        self.size = size
        self.hash = hash
        self.extra = extra
        self.meta_data = meta_data or {}
        self.container = container
        self.driver = driver

    @property
    def md5(self) -> str | None:
        """The MD5 of the content in hexadecimal digits; None if `hash` is something else."""
        is_md5 = MD5.fullmatch(self.hash or "") and self._own._hash_is_md5(self)  # noqa: SLF001 - its own
        return self.hash if is_md5 else None

    @property
    def last_modified(self) -> datetime | None:
        """When the object was changed last, in UTC; None if the provider does not say.

        `extra["last_modified"]` is the provider's text, which some providers write in two forms.
        """
        text: str | None = self.extra.get("last_modified")
        found = parse_datetime(text) or http_date(text or "")
        try:
            return None if found is None else found.astimezone(UTC)
        except OverflowError:  # before the year 1, or after 9999
            return None

    @property
    def version_id(self) -> str | None:
        """The version that this object is; None for the latest one, whichever that is."""
        found: str | None = self.extra.get("version_id")
        return found

    def update(self, extra: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> Object:
        """Replace metadata and headers, not the content; see `StorageDriver.update_object`."""
        return self._own.update_object(self, extra, headers)

    def download(
        self,
        destination_path: str,
        overwrite_existing: bool = False,
        delete_on_failure: bool = True,
        **options: Any,
    ) -> bool:
        """Download to a file; see `StorageDriver.download_object`."""
        return self._own.download_object(
            self, destination_path, overwrite_existing, delete_on_failure, **options
        )

    def as_stream(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Yield the content; see `StorageDriver.download_object_as_stream`."""
        return self._own.download_object_as_stream(self, chunk_size)

    def download_range(
        self,
        destination_path: str,
        start_bytes: int,
        end_bytes: int | None = None,
        overwrite_existing: bool = False,
        delete_on_failure: bool = True,
    ) -> bool:
        """Download a part to a file; see `StorageDriver.download_object_range`."""
        return self._own.download_object_range(
            self, destination_path, start_bytes, end_bytes, overwrite_existing, delete_on_failure
        )

    def range_as_stream(
        self, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield a part; see `StorageDriver.download_object_range_as_stream`."""
        return self._own.download_object_range_as_stream(self, start_bytes, end_bytes, chunk_size)

    def get_cdn_url(self) -> str:
        """Return the address at which the public reads the object."""
        return self._own.get_object_cdn_url(self)

    def enable_cdn(self, **options: Any) -> bool:
        """Make the object readable for the public."""
        return self._own.enable_object_cdn(self, **options)

    def delete(self) -> bool:
        """Delete the object; see `StorageDriver.delete_object`."""
        return self._own.delete_object(self)

    def __repr__(self) -> str:
        provider = getattr(self.driver, "name", None)
        name = printable(self.name)
        return f"<Object: name={name}, size={self.size}, hash={self.hash}, provider={provider} ...>"
