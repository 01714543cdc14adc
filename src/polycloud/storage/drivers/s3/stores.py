"""The stores that speak S3 and have a constant: `get_driver("wasabi")("key", "secret", region="eu-west-1")`.

Each is the driver of S3 with a row of `DIALECTS`. Any other store works with `get_driver("s3")` and `url=`.
"""

from __future__ import annotations

from typing import Any

from polycloud.storage.drivers.s3 import S3CompatibleStorageDriver, S3Connection
from polycloud.storage.drivers.s3.dialects import DIALECTS
from polycloud.storage.types import Provider

__all__ = [
    "BackblazeB2StorageDriver",
    "CephRGWStorageDriver",
    "CloudflareR2StorageDriver",
    "DigitalOceanSpacesStorageDriver",
    "GoogleStorageHMACDriver",
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


class GoogleStorageHMACConnection(S3Connection):
    """A connection to the XML API of Google's storage."""

    def __init__(self, *args: Any, project: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.project = project

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the project, which lists and creates of containers need unless the key has a default one."""
        return headers if self.project is None else {**headers, "x-amz-project-id": self.project}


class GoogleStorageHMACDriver(S3CompatibleStorageDriver):
    """Google's storage by its XML API, for HMAC keys: `Driver("GOOG1E...", "secret", project="my-project")`.

    `get_driver("google_storage")` makes one for such a key. `region` is the location of new containers.
    """

    type = Provider.GOOGLE_STORAGE_HMAC
    dialect = DIALECTS[Provider.GOOGLE_STORAGE_HMAC]
    connectionCls = GoogleStorageHMACConnection

    def __init__(self, key: str, secret: str, *args: Any, project: str | None = None, **options: Any) -> None:
        self._project = project
        super().__init__(key, secret, *args, **options)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {**super()._ex_connection_class_kwargs(), "project": self._project}


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
