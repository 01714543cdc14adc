"""Storage drivers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from polycloud.common import providers
from polycloud.storage.types import Provider

if TYPE_CHECKING:
    from polycloud.storage.base import StorageDriver
    from polycloud.storage.drivers.azure_blobs import AzureBlobsStorageDriver
    from polycloud.storage.drivers.dummy import DummyStorageDriver
    from polycloud.storage.drivers.google_storage import GoogleStorageDriver
    from polycloud.storage.drivers.local import LocalStorageDriver
    from polycloud.storage.drivers.s3 import S3StorageDriver
    from polycloud.storage.drivers.swift import OpenStackSwiftStorageDriver
    from polycloud.storage.drivers.swift.cloudfiles import CloudFilesStorageDriver

__all__ = ["DRIVERS", "Provider", "get_driver", "names", "set_driver"]

STORES = "polycloud.storage.drivers.s3.stores"
CLOUDFILES = "polycloud.storage.drivers.swift.cloudfiles"
DRIVERS: providers.Drivers = {
    Provider.AZURE_BLOBS: ("polycloud.storage.drivers.azure_blobs", "AzureBlobsStorageDriver"),
    Provider.BACKBLAZE_B2: (STORES, "BackblazeB2StorageDriver"),
    Provider.CLOUDFILES: (CLOUDFILES, "CloudFilesStorageDriver"),
    Provider.CLOUDFILES_UK: (CLOUDFILES, "CloudFilesUKStorageDriver"),
    Provider.CLOUDFILES_US: (CLOUDFILES, "CloudFilesUSStorageDriver"),
    Provider.DIGITALOCEAN_SPACES: (STORES, "DigitalOceanSpacesStorageDriver"),
    Provider.DUMMY: ("polycloud.storage.drivers.dummy", "DummyStorageDriver"),
    Provider.GOOGLE_STORAGE: ("polycloud.storage.drivers.google_storage", "GoogleStorageDriver"),
    Provider.GOOGLE_STORAGE_HMAC: (STORES, "GoogleStorageHMACDriver"),
    Provider.LINODE: (STORES, "LinodeObjectStorageDriver"),
    Provider.LOCAL: ("polycloud.storage.drivers.local", "LocalStorageDriver"),
    Provider.MINIO: (STORES, "MinIOStorageDriver"),
    Provider.OPENSTACK_SWIFT: ("polycloud.storage.drivers.swift", "OpenStackSwiftStorageDriver"),
    Provider.OVH: (STORES, "OvhStorageDriver"),
    Provider.R2: (STORES, "CloudflareR2StorageDriver"),
    Provider.RGW: (STORES, "CephRGWStorageDriver"),
    Provider.S3: ("polycloud.storage.drivers.s3", "S3StorageDriver"),
    Provider.SCALEWAY: (STORES, "ScalewayStorageDriver"),
    Provider.WASABI: (STORES, "WasabiStorageDriver"),
}
"""The storage drivers of this package: constant to (module path, class name)."""


@overload
def get_driver(provider: Literal[Provider.AZURE_BLOBS, "azure_blobs"]) -> type[AzureBlobsStorageDriver]: ...
@overload
def get_driver(provider: Literal[Provider.CLOUDFILES, "cloudfiles"]) -> type[CloudFilesStorageDriver]: ...
@overload
def get_driver(provider: Literal[Provider.DUMMY, "dummy"]) -> type[DummyStorageDriver]: ...
@overload
def get_driver(
    provider: Literal[Provider.GOOGLE_STORAGE, "google_storage"],
) -> type[GoogleStorageDriver]: ...
@overload
def get_driver(provider: Literal[Provider.LOCAL, "local"]) -> type[LocalStorageDriver]: ...
@overload
def get_driver(
    provider: Literal[Provider.OPENSTACK_SWIFT, "openstack_swift"],
) -> type[OpenStackSwiftStorageDriver]: ...
@overload
def get_driver(provider: Literal[Provider.S3, "s3"]) -> type[S3StorageDriver]: ...
@overload
def get_driver(provider: str) -> type[StorageDriver]: ...
def get_driver(provider: str) -> type[Any]:
    """Return the driver class for a `Provider` constant, its string, or a name registered by another package.

    Raises `UnknownProviderError` with the nearest names.
    """
    return providers.find_driver("storage", DRIVERS, provider, Provider)


def set_driver(provider: str, module: str, klass: str) -> type[Any]:
    """Register a driver as `provider`; return its class.

    Raises `InvalidArgumentError` if the name is taken.
    """
    providers.register(DRIVERS, provider, module, klass)
    return get_driver(provider)


def names() -> list[str]:
    """Return the names of all providers that have a storage driver, including those of other packages."""
    return providers.names("storage", DRIVERS)
