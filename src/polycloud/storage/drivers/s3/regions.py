"""Libcloud's driver classes of Amazon's regions: each is the driver of S3 with its region as the default."""

from __future__ import annotations

from typing import Any

from polycloud.storage.drivers.s3 import S3StorageDriver

REGIONS = {
    "S3APNE1StorageDriver": "ap-northeast-1",
    "S3APNE2StorageDriver": "ap-northeast-2",
    "S3APNEStorageDriver": "ap-northeast-1",
    "S3APSE2StorageDriver": "ap-southeast-2",
    "S3APSEStorageDriver": "ap-southeast-1",
    "S3APSouthStorageDriver": "ap-south-1",
    "S3CACentralStorageDriver": "ca-central-1",
    "S3CNNorthStorageDriver": "cn-north-1",
    "S3CNNorthWestStorageDriver": "cn-northwest-1",
    "S3EUCentralStorageDriver": "eu-central-1",
    "S3EUNorth1StorageDriver": "eu-north-1",
    "S3EUWest2StorageDriver": "eu-west-2",
    "S3EUWest3StorageDriver": "eu-west-3",
    "S3EUWestStorageDriver": "eu-west-1",
    "S3SAEastStorageDriver": "sa-east-1",
    "S3USEast2StorageDriver": "us-east-2",
    "S3USGovEastStorageDriver": "us-gov-east-1",
    "S3USGovWestStorageDriver": "us-gov-west-1",
    "S3USWestOregonStorageDriver": "us-west-2",
    "S3USWestStorageDriver": "us-west-1",
}
"""The names of the classes, and their regions."""


def _driver_of(class_name: str, default: str) -> type[S3StorageDriver]:
    def init(
        self: S3StorageDriver,
        key: str | None = None,
        secret: str | None = None,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        region: str | None = None,
        token: str | None = None,
        **options: Any,
    ) -> None:
        S3StorageDriver.__init__(self, key, secret, secure, host, port, region or default, token, **options)

    about = f"Amazon S3's storage driver, in the region {default} unless `region=` says another."
    return type(class_name, (S3StorageDriver,), {"__init__": init, "__doc__": about, "__module__": __name__})


globals().update({class_name: _driver_of(class_name, region) for class_name, region in REGIONS.items()})
