"""The stores that speak S3 and have a constant: `get_driver("wasabi")("key", "secret", region="eu-west-1")`.

Each is the driver of S3 with a row of `DIALECTS`. Any other store works with `get_driver("s3")` and `url=`.
"""

from __future__ import annotations

from polycloud.storage.drivers.s3 import S3CompatibleStorageDriver
from polycloud.storage.drivers.s3.dialects import DIALECTS
from polycloud.storage.types import Provider

__all__ = [
    "BackblazeB2StorageDriver",
    "CephRGWStorageDriver",
    "CloudflareR2StorageDriver",
    "DigitalOceanSpacesStorageDriver",
    "LinodeObjectStorageDriver",
    "MinIOStorageDriver",
    "OvhStorageDriver",
    "ScalewayStorageDriver",
    "WasabiStorageDriver",
]


class BackblazeB2StorageDriver(S3CompatibleStorageDriver):
    """Backblaze B2, by its S3 API: an application key's id and the key."""

    type = Provider.BACKBLAZE_B2
    dialect = DIALECTS[Provider.BACKBLAZE_B2]


class CephRGWStorageDriver(S3CompatibleStorageDriver):
    """A RADOS gateway of Ceph, at `host=` or `url=`."""

    type = Provider.RGW
    dialect = DIALECTS[Provider.RGW]


class CloudflareR2StorageDriver(S3CompatibleStorageDriver):
    """Cloudflare R2, at `host="<account id>.r2.cloudflarestorage.com"`."""

    type = Provider.R2
    dialect = DIALECTS[Provider.R2]


class DigitalOceanSpacesStorageDriver(S3CompatibleStorageDriver):
    """DigitalOcean Spaces."""

    type = Provider.DIGITALOCEAN_SPACES
    dialect = DIALECTS[Provider.DIGITALOCEAN_SPACES]


class LinodeObjectStorageDriver(S3CompatibleStorageDriver):
    """Linode's object storage; `region` is the first part of the cluster's host, such as "us-east-1"."""

    type = Provider.LINODE
    dialect = DIALECTS[Provider.LINODE]


class MinIOStorageDriver(S3CompatibleStorageDriver):
    """A MinIO server, at `host=` or `url=`."""

    type = Provider.MINIO
    dialect = DIALECTS[Provider.MINIO]


class OvhStorageDriver(S3CompatibleStorageDriver):
    """OVH's object storage, by its S3 API."""

    type = Provider.OVH
    dialect = DIALECTS[Provider.OVH]


class ScalewayStorageDriver(S3CompatibleStorageDriver):
    """Scaleway's object storage."""

    type = Provider.SCALEWAY
    dialect = DIALECTS[Provider.SCALEWAY]


class WasabiStorageDriver(S3CompatibleStorageDriver):
    """Wasabi."""

    type = Provider.WASABI
    dialect = DIALECTS[Provider.WASABI]
