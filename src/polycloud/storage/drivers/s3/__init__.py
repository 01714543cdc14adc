"""Amazon S3's storage driver, and those of the stores that speak S3.

One module a noun; what a store does otherwise is data (`dialects`).

Source: Amazon's reference of the S3 REST API, version 2006-03-01.
"""

from __future__ import annotations

from typing import Any, ClassVar

from polycloud.common.credentials import Credential
from polycloud.errors import InvalidArgumentError, InvalidCredsError
from polycloud.storage.drivers.s3.connection import S3Connection
from polycloud.storage.drivers.s3.containers import S3Containers
from polycloud.storage.drivers.s3.copies import S3Copies
from polycloud.storage.drivers.s3.deleting import S3Deletes
from polycloud.storage.drivers.s3.dialects import AMAZON, DIALECTS, Dialect
from polycloud.storage.drivers.s3.multipart import S3Multipart
from polycloud.storage.drivers.s3.presigning import S3Presigning
from polycloud.storage.drivers.s3.versions import S3Versions
from polycloud.storage.types import Provider

__all__ = ["DIALECTS", "Dialect", "S3CompatibleStorageDriver", "S3Connection", "S3StorageDriver"]


class S3StorageDriver(S3Containers, S3Versions, S3Copies, S3Deletes, S3Multipart, S3Presigning):
    """Amazon S3's storage driver: `S3StorageDriver("access key", "secret", token=None, region="us-east-1")`.

    Without a key, credentials and the region are found where Amazon's tools find them; see `AWSBaseDriver`.
    Containers of all regions can be used; `create_container` makes them in the driver's. With `url=` it
    speaks to any other store that speaks S3.

    Objects are encrypted by the bucket's default, by a key of the provider (`ex_encryption="aws:kms"` and
    `ex_encryption_key_id`; or "AES256"), or by one of yours: `ex_customer_key`, 32 bytes or these as
    base64 text. It comes with every request and is kept nowhere; without it, nobody reads what was written.
    """

    type = Provider.S3
    api_name = "s3"
    name = AMAZON.title
    website = AMAZON.website


class S3CompatibleStorageDriver(S3StorageDriver):
    """A store that speaks S3: `Driver("key", "secret", region=None)`; the credentials are always given."""

    finds_credentials = False
    credentials = (Credential("key"), Credential("secret"))
    dialect: ClassVar[Dialect]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.name, cls.api_name, cls.website = cls.dialect.title, str(cls.type), cls.dialect.website

    def __init__(
        self,
        key: str,
        secret: str,
        secure: bool = True,
        host: str | None = None,
        port: int | None = None,
        region: str | None = None,
        token: str | None = None,
        **options: Any,
    ) -> None:
        if not key:
            raise InvalidCredsError(f"{self.name} needs an access key", driver=self)
        region = region or self.dialect.region
        if not host and not options.get("url"):
            host = self._region_host(region)
        super().__init__(key, secret, secure, host, port, region, token, **options)

    def _region_host(self, region: str) -> str:
        if not self.dialect.host:
            raise InvalidArgumentError(f"{self.name} has no default host; give host= or url=")
        return self.dialect.host.format(region=region)
