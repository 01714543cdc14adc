"""The facade of storage drivers."""

from __future__ import annotations

from typing import TypeVar

from polycloud.aio.driver import AsyncDriver, Awaited, Iterated
from polycloud.storage.base import StorageDriver

__all__ = ["AsyncStorageDriver"]

D = TypeVar("D", bound=StorageDriver)


class AsyncStorageDriver(AsyncDriver[D]):
    """A storage driver whose methods are awaited; see `polycloud.storage.base.StorageDriver` for each."""

    iterate_containers = Iterated(StorageDriver.iterate_containers)
    list_containers = Awaited(StorageDriver.list_containers)
    get_container = Awaited(StorageDriver.get_container)
    create_container = Awaited(StorageDriver.create_container)
    delete_container = Awaited(StorageDriver.delete_container)
    iterate_container_objects = Iterated(StorageDriver.iterate_container_objects)
    list_container_objects = Awaited(StorageDriver.list_container_objects)
    iterate_folder = Iterated(StorageDriver.iterate_folder)
    get_object = Awaited(StorageDriver.get_object)
    upload_object = Awaited(StorageDriver.upload_object)
    upload_object_via_stream = Awaited(StorageDriver.upload_object_via_stream)
    download_object = Awaited(StorageDriver.download_object)
    download_object_as_stream = Iterated(StorageDriver.download_object_as_stream)
    download_object_range = Awaited(StorageDriver.download_object_range)
    download_object_range_as_stream = Iterated(StorageDriver.download_object_range_as_stream)
    copy_object = Awaited(StorageDriver.copy_object)
    delete_object = Awaited(StorageDriver.delete_object)
    delete_objects = Awaited(StorageDriver.delete_objects)
    update_object = Awaited(StorageDriver.update_object)
    set_container_versioning = Awaited(StorageDriver.set_container_versioning)
    get_container_versioning = Awaited(StorageDriver.get_container_versioning)
    iterate_object_versions = Iterated(StorageDriver.iterate_object_versions)
    list_object_versions = Awaited(StorageDriver.list_object_versions)
    get_object_version = Awaited(StorageDriver.get_object_version)
    get_container_cdn_url = Awaited(StorageDriver.get_container_cdn_url)
    get_object_cdn_url = Awaited(StorageDriver.get_object_cdn_url)
    enable_container_cdn = Awaited(StorageDriver.enable_container_cdn)
    enable_object_cdn = Awaited(StorageDriver.enable_object_cdn)
