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
    from polycloud.storage.drivers.s3.stores import (
        BackblazeB2StorageDriver,
        CephRGWStorageDriver,
        CloudflareR2StorageDriver,
        DigitalOceanSpacesStorageDriver,
        GoogleStorageHMACDriver,
        LinodeObjectStorageDriver,
        MinIOStorageDriver,
        OvhStorageDriver,
        ScalewayStorageDriver,
        WasabiStorageDriver,
    )
    from polycloud.storage.drivers.swift import OpenStackSwiftStorageDriver
    from polycloud.storage.drivers.swift.cloudfiles import (
        CloudFilesStorageDriver,
        CloudFilesUKStorageDriver,
        CloudFilesUSStorageDriver,
    )

__all__ = ["DRIVERS", "Provider", "get_driver", "names", "set_driver"]

STORES = "polycloud.storage.drivers.s3.stores"
REGIONS = "polycloud.storage.drivers.s3.regions"
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
_OLD_NAMES: providers.Drivers = {
    Provider.S3_AP_NORTHEAST: (REGIONS, "S3APNE1StorageDriver"),
    Provider.S3_AP_NORTHEAST1: (REGIONS, "S3APNE1StorageDriver"),
    Provider.S3_AP_NORTHEAST2: (REGIONS, "S3APNE2StorageDriver"),
    Provider.S3_AP_SOUTH: (REGIONS, "S3APSouthStorageDriver"),
    Provider.S3_AP_SOUTHEAST: (REGIONS, "S3APSEStorageDriver"),
    Provider.S3_AP_SOUTHEAST2: (REGIONS, "S3APSE2StorageDriver"),
    Provider.S3_CA_CENTRAL: (REGIONS, "S3CACentralStorageDriver"),
    Provider.S3_CN_NORTH: (REGIONS, "S3CNNorthStorageDriver"),
    Provider.S3_CN_NORTHWEST: (REGIONS, "S3CNNorthWestStorageDriver"),
    Provider.S3_EU_CENTRAL: (REGIONS, "S3EUCentralStorageDriver"),
    Provider.S3_EU_NORTH1: (REGIONS, "S3EUNorth1StorageDriver"),
    Provider.S3_EU_WEST: (REGIONS, "S3EUWestStorageDriver"),
    Provider.S3_EU_WEST2: (REGIONS, "S3EUWest2StorageDriver"),
    Provider.S3_EU_WEST3: (REGIONS, "S3EUWest3StorageDriver"),
    Provider.S3_SA_EAST: (REGIONS, "S3SAEastStorageDriver"),
    Provider.S3_US_EAST2: (REGIONS, "S3USEast2StorageDriver"),
    Provider.S3_US_GOV_WEST: (REGIONS, "S3USGovWestStorageDriver"),
    Provider.S3_US_WEST: (REGIONS, "S3USWestStorageDriver"),
    Provider.S3_US_WEST_OREGON: (REGIONS, "S3USWestOregonStorageDriver"),
    Provider.S3_RGW: (STORES, "CephRGWStorageDriver"),
    Provider.S3_RGW_OUTSCALE: (STORES, "CephRGWStorageDriver"),
}
"""Constants that `get_driver` knows, and that no list of providers has: one driver has all regions."""
_REPLACED: dict[str, str] = {Provider.CLOUDFILES_SWIFT: f"use {Provider.OPENSTACK_SWIFT.name}"}
"""Constants of Libcloud's that have been removed: what to do instead."""


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
def get_driver(
    provider: Literal[Provider.BACKBLAZE_B2, "backblaze_b2"],
) -> type[BackblazeB2StorageDriver]: ...
@overload
def get_driver(
    provider: Literal[Provider.CLOUDFILES_UK, "cloudfiles_uk"],
) -> type[CloudFilesUKStorageDriver]: ...
@overload
def get_driver(
    provider: Literal[Provider.CLOUDFILES_US, "cloudfiles_us"],
) -> type[CloudFilesUSStorageDriver]: ...
@overload
def get_driver(
    provider: Literal[Provider.DIGITALOCEAN_SPACES, "digitalocean_spaces"],
) -> type[DigitalOceanSpacesStorageDriver]: ...
@overload
def get_driver(
    provider: Literal[Provider.GOOGLE_STORAGE_HMAC, "google_storage_hmac"],
) -> type[GoogleStorageHMACDriver]: ...
@overload
def get_driver(provider: Literal[Provider.LINODE, "linode"]) -> type[LinodeObjectStorageDriver]: ...
@overload
def get_driver(provider: Literal[Provider.MINIO, "minio"]) -> type[MinIOStorageDriver]: ...
@overload
def get_driver(provider: Literal[Provider.OVH, "ovh"]) -> type[OvhStorageDriver]: ...
@overload
def get_driver(provider: Literal[Provider.R2, "r2"]) -> type[CloudflareR2StorageDriver]: ...
@overload
def get_driver(provider: Literal[Provider.RGW, "rgw"]) -> type[CephRGWStorageDriver]: ...
@overload
def get_driver(provider: Literal[Provider.SCALEWAY, "scaleway"]) -> type[ScalewayStorageDriver]: ...
@overload
def get_driver(provider: Literal[Provider.WASABI, "wasabi"]) -> type[WasabiStorageDriver]: ...
@overload
def get_driver(provider: str) -> type[StorageDriver]: ...
def get_driver(provider: str) -> type[Any]:
    """Return the driver class for a `Provider` constant, its string, or a name registered by another package.

    Raises `UnknownProviderError` with the nearest names.
    """
    drivers = _OLD_NAMES if str(provider).lower() in _OLD_NAMES else DRIVERS
    return providers.find_driver("storage", drivers, provider, Provider, _REPLACED)


def set_driver(provider: str, module: str, klass: str) -> type[Any]:
    """Register a driver as `provider`; return its class.

    Raises `InvalidArgumentError` if the name is taken.
    """
    providers.register(DRIVERS, provider, module, klass)
    return get_driver(provider)


def names() -> list[str]:
    """Return the names of all providers that have a storage driver, including those of other packages."""
    return providers.names("storage", DRIVERS)
