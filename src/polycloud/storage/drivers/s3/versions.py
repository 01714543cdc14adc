"""The versions of S3's objects."""

from __future__ import annotations

from collections.abc import Iterator
from operator import methodcaller
from typing import Any
from xml.etree import ElementTree as ET

from polycloud.common.aws.xml import local_name
from polycloud.errors import ProviderHTTPError
from polycloud.storage.drivers.s3.connection import S3BaseDriver, S3Response, decoded
from polycloud.storage.drivers.s3.objects import S3Objects
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectDoesNotExistError
from polycloud.storage.uploads import require_object_name
from polycloud.utils.status import HTTPStatus

CONFIGURATIONS = frozenset({"VersioningConfiguration", "GetBucketVersioningResponse"})
"""Amazon's name for whether a bucket keeps versions, and moto's."""
VERSION, MARKER = "Version", "DeleteMarker"


class S3Versioning(S3BaseDriver):
    """Whether a bucket keeps versions."""

    def set_container_versioning(self, container: Container, enabled: bool = True) -> bool:
        """Keep the earlier versions of objects from now on, or make no more of them."""
        body = {"VersioningConfiguration": {"Status": "Enabled" if enabled else "Suspended"}}
        path = self._path(container.name)
        with self._errors(container.name):
            self._send(container.name, lambda one: one.call("PUT", path, body, {"versioning": ""}))
        return True

    def get_container_versioning(self, container: Container) -> bool:
        """Return whether earlier versions of objects are kept."""
        path = self._path(container.name)
        with self._errors(container.name):
            response: S3Response = self._send(
                container.name, methodcaller("request", path, {"versioning": ""})
            )
        root = response.object
        if not isinstance(root, ET.Element) or local_name(root) not in CONFIGURATIONS:
            raise response.malformed("the response must be <VersioningConfiguration>")
        return root.findtext("{*}Status") == "Enabled"


class S3Versions(S3Versioning, S3Objects):
    """Versions as S3 has them; those of the time before versions were kept have the id "null"."""

    def iterate_object_versions(self, container: Container, prefix: str | None = None) -> Iterator[Object]:
        """Yield all versions and delete markers, a page of 1,000 at a time."""
        query = {"versions": "", "encoding-type": "url", "prefix": prefix or None}
        markers = ("KeyMarker", "VersionIdMarker")
        for response in self._marked_pages(container, query, "ListVersionsResult", markers):
            yield from self._listed_versions(response, container)

    def get_object_version(self, container_name: str, object_name: str, version_id: str) -> Object:
        """Return a version of an object with its metadata."""
        container = Container(container_name, {}, self)
        require_object_name(object_name)
        try:
            headers = self._head(container_name, object_name, version_id)
        except ProviderHTTPError as error:
            if not self._is_no_version(error, container_name, object_name, version_id):
                raise
            message = f"{object_name!r} has no version {version_id!r}, or it is a delete marker"
            raise ObjectDoesNotExistError(message, self, object_name) from error
        found = self._object(container, object_name, headers)
        found.extra["version_id"] = version_id
        return found

    def _is_no_version(
        self, error: ProviderHTTPError, container_name: str, object_name: str, version_id: str
    ) -> bool:
        """Return whether a HEAD was refused for a delete marker, or for a text that is no version's id.

        The latter is 400, as is an object that a customer's key encrypts: GET says which of them it is.
        """
        status = None if error.exchange is None else error.exchange.status
        if status != HTTPStatus.BAD_REQUEST:
            return status == HTTPStatus.METHOD_NOT_ALLOWED
        path, headers = self._path(container_name, object_name), {"Range": "bytes=0-0"}
        try:
            self._send(
                container_name, lambda one: one.request(path, {"versionId": version_id}, None, headers)
            )
        except ProviderHTTPError as refusal:
            return str(refusal.message).startswith("InvalidArgument")
        return False

    def _listed_versions(self, response: S3Response, container: Container) -> list[Object]:
        """Return the versions on a page by name, the newest first, also where markers come after the rest."""
        root = response.root("ListVersionsResult")
        encoded = root.findtext("{*}EncodingType") == "url"
        found: list[Object] = []
        for element in root:
            if (kind := local_name(element)) not in {VERSION, MARKER}:
                continue
            fields = {local_name(child): child.text or "" for child in element}
            try:
                name = decoded(fields["Key"]) if encoded else fields["Key"]
                size = int(fields["Size"]) if kind == VERSION else 0
                extra: dict[str, Any] = {
                    "last_modified": fields.get("LastModified"),
                    "storage_class": fields.get("StorageClass"),
                    "version_id": fields["VersionId"],
                    "is_latest": fields["IsLatest"] == "true",
                    "is_delete_marker": kind == MARKER,
                }
            except (KeyError, ValueError) as error:
                raise response.undocumented(error) from None
            etag = fields.get("ETag", "").strip('"')
            found.append(Object(name, size, etag, extra, None, container, self))
        found.sort(key=lambda one: one.extra["last_modified"] or "", reverse=True)
        found.sort(key=lambda one: (one.name.encode(), not one.extra["is_latest"]))
        return found
