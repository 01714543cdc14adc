"""S3's buckets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from polycloud.errors import NotFoundError, ProviderHTTPError
from polycloud.storage.drivers.s3.connection import REGION_HEADER, S3BaseDriver, S3Response
from polycloud.storage.objects import Container
from polycloud.storage.types import ContainerAlreadyExistsError

ALREADY_MINE = "BucketAlreadyOwnedByYou"


class Bucket(msgspec.Struct):
    """A bucket in the list of all."""

    name: str = msgspec.field(name="Name")
    created_at: str | None = msgspec.field(name="CreationDate", default=None)
    region: str | None = msgspec.field(name="BucketRegion", default=None)


class S3Containers(S3BaseDriver):
    """Containers as S3 has them."""

    def iterate_containers(self) -> Iterator[Container]:
        """Yield the buckets of the account, of all regions."""
        marker: str | None = None
        while True:
            response: S3Response = self.connection.request("/", {"continuation-token": marker})
            items = response.items("ListAllMyBucketsResult", "Buckets/Bucket", Bucket)
            # Amazon sorts them, but not all stores do
            for one in sorted((item.value for item in items), key=lambda one: one.name.encode()):
                yield Container(one.name, {"creation_date": one.created_at, "region": one.region}, self)
            marker = response.object.findtext("{*}ContinuationToken")
            if not marker:
                return

    def get_container(self, container_name: str) -> Container:
        """Return the bucket of this name; its creation date is known to lists only.

        `extra["region"]` is where it is, or None if the store does not say.
        """
        response = self._require_container(container_name)
        extra = {"creation_date": None, "region": response.headers.get(REGION_HEADER)}
        return Container(container_name, extra, self)

    def create_container(self, container_name: str) -> Container:
        """Create a bucket in the driver's region.

        It sends two requests: whether it exists is asked first, since Amazon takes a second create of one's
        own bucket for a success.
        """
        path = self._path(container_name)
        with self._errors(container_name):
            if self._is_there(path):
                raise ContainerAlreadyExistsError(driver=self, container_name=container_name)
            try:
                self.connection.call("PUT", path, self._location())
            except ProviderHTTPError as error:
                if not str(error.message).startswith(ALREADY_MINE):  # by the first of two attempts
                    raise
        return Container(container_name, {"creation_date": None, "region": self.connection.region}, self)

    def delete_container(self, container: Container) -> bool:
        """Delete an empty bucket."""
        path = self._path(container.name)
        with self._errors(container.name):
            self._send(container.name, lambda connection: connection.request(path, method="DELETE"))
        self._elsewhere.pop(container.name, None)
        return True

    def get_container_cdn_url(self, container: Container) -> str:
        """Return the address of the bucket; whether the public may read it is up to its policy."""
        return self._address(container.name)

    def _is_there(self, path: str) -> bool:
        try:
            self.connection.request(path, method="HEAD")
        except NotFoundError:
            return False
        except ProviderHTTPError:  # it is another account's, or in another region
            return True
        return True

    def _location(self) -> dict[str, Any] | None:
        region = self.connection.region
        if not self.dialect.location or region == self.dialect.region:
            return None
        return {"CreateBucketConfiguration": {"LocationConstraint": region}}
