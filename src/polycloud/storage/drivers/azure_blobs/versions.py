"""The versions of blobs, which Azure keeps if the account's owner has said so."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby
from operator import attrgetter

from polycloud.errors import ProviderHTTPError
from polycloud.storage.drivers.azure_blobs.connection import code_of
from polycloud.storage.drivers.azure_blobs.objects import AzureObjects
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectDoesNotExistError

NO_VERSION = "InvalidQueryParameterValue"


class AzureVersions(AzureObjects):
    """Versions as Azure has them; a delete leaves no marker, but an object without a latest version.

    Whether they are kept is a setting of the account, which the Blob service neither tells nor changes.
    """

    def iterate_object_versions(self, container: Container, prefix: str | None = None) -> Iterator[Object]:
        """Yield all versions. Azure lists the oldest of a name first, so memory holds those of one name."""
        pages = self._pages(container, {"prefix": prefix or None, "include": "versions"})
        found = chain.from_iterable(self._blobs_of(*page, container) for page in pages)
        for _, versions in groupby((one for one in found if one.version_id), attrgetter("name")):
            yield from sorted(versions, key=lambda one: one.version_id or "", reverse=True)

    def get_object_version(self, container_name: str, object_name: str, version_id: str) -> Object:
        """Return a version of a blob with its metadata."""
        try:
            headers = self._head(container_name, object_name, version_id)
        except ProviderHTTPError as error:
            if code_of(error) != NO_VERSION:
                raise
            message = f"{object_name!r} has no version {version_id!r}"
            raise ObjectDoesNotExistError(message, self, object_name) from error
        found = self._object(Container(container_name, {}, self), object_name, headers)
        found.extra["version_id"] = version_id
        return found
