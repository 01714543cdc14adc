"""Azure's blobs: lists, metadata, downloads, and deletes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from polycloud.common.azure import AzureStorageResponse
from polycloud.concurrency.calls import together
from polycloud.errors import InvalidArgumentError, MalformedResponseError, PolycloudError, ProviderHTTPError
from polycloud.storage.drivers.azure_blobs.connection import AzureBaseDriver, code_of
from polycloud.storage.drivers.azure_blobs.containers import LIST, META, page_of
from polycloud.storage.encryption import CUSTOMERS
from polycloud.storage.metadata import metadata_of
from polycloud.storage.objects import Container, Object
from polycloud.storage.sources import rechunked
from polycloud.storage.types import ObjectError
from polycloud.utils.headers import Headers
from polycloud.utils.status import HTTPStatus

BLOCK_BLOB = "BlockBlob"
FOLDER = "directory"
"""What a hierarchical namespace lists beside blobs."""
LATEST = "OperationNotAllowedOnRootBlob"
"""What Azure says to the delete of the latest version by its id."""
AS_KEPT = {"Accept-Encoding": "identity"}
"""The content as it is kept, whatever its `Content-Encoding`."""
KEPT = ("content-encoding", "content-disposition", "content-language", "cache-control", "last-modified")
"""Properties of a blob that are in its `extra` if it has them, beside its content type and its ETag."""


class AzureObjects(AzureBaseDriver):
    """Objects as Azure has them; their `hash` is the MD5 if the blob has one, else ""."""

    def iterate_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> Iterator[Object]:
        """Yield the blobs, a page of 5,000 at a time."""
        for response, elements in self._pages(container, {"prefix": prefix or ex_prefix or None}):
            yield together(self._blobs_of(response, elements, container))

    def iterate_folder(self, container: Container, prefix: str = "") -> Iterator[Object | str]:
        """Yield what is directly in a folder, as Azure groups it: of each page its objects first."""
        for response, elements in self._pages(container, {"prefix": prefix or None, "delimiter": "/"}):
            yield from self._blobs_of(response, elements, container)
            folders = response.root("EnumerationResults").iterfind("Blobs/BlobPrefix")
            yield from map(_name_of, folders)

    def get_object(self, container_name: str, object_name: str) -> Object:
        """Return a blob with its metadata."""
        headers = self._head(container_name, object_name)
        return self._object(Container(container_name, {}, self), object_name, headers)

    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield a part of a blob, as it is now if it was not changed since `obj` was read."""
        self._require_range(obj, start_bytes, end_bytes, chunk_size)
        return rechunked(self._content(obj, start_bytes, end_bytes), chunk_size)

    def delete_object(self, obj: Object) -> bool:
        """Delete a blob, or the version that it is.

        Raises `ConflictError` if it has snapshots, which would be lost.
        """
        path, params = self._path(obj.container.name, obj.name), {"versionid": obj.version_id}
        with self._errors(obj.container.name, obj.name):
            try:
                self.connection.request(path, params, method="DELETE")
            except ProviderHTTPError as error:
                if code_of(error) != LATEST or not obj.extra.get("etag"):
                    raise
                # Under its name it becomes a version that can be deleted, if it is still the latest one
                self.connection.request(path, None, None, _if_match(obj), "DELETE")
                self.connection.request(path, params, method="DELETE")
        return True

    def _blobs_of(
        self, response: AzureStorageResponse, elements: list[ET.Element], container: Container
    ) -> list[Object]:
        try:
            return [
                self._listed(one, container)
                for one in elements
                if one.findtext("Properties/ResourceType") != FOLDER
            ]
        except (KeyError, ValueError) as error:
            raise response.undocumented(error) from None

    def _pages(
        self, container: Container, query: dict[str, Any]
    ) -> Iterator[tuple[AzureStorageResponse, list[ET.Element]]]:
        """Yield the pages of a list, and the blobs on each."""
        path, marker = self._path(container.name), None
        query = {**LIST, **query, "maxresults": self._page}
        while True:
            with self._errors(container.name):
                page = {**query, "marker": marker}
                response: AzureStorageResponse = self.connection.request(path, page)
            elements, marker = page_of(response, "Blobs/Blob", marker)
            yield response, elements
            if marker is None:
                return

    def _head(self, container_name: str, object_name: str, version_id: str | None = None) -> Headers:
        path, params = self._path(container_name, object_name), {"versionid": version_id}
        fields = {**AS_KEPT, **self.connection.encryption}
        with self._errors(container_name, object_name):
            headers: Headers = self.connection.request(path, params, None, fields, "HEAD").headers
        return headers

    def _object(self, container: Container, object_name: str, headers: Headers) -> Object:
        extra = {"content_type": headers.get("content-type"), "blob_type": headers.get("x-ms-blob-type")}
        extra |= {name.replace("-", "_"): headers[name] for name in KEPT if name in headers}
        meta = metadata_of(META, headers)
        try:
            size, extra["etag"] = int(headers["content-length"]), headers["etag"].strip('"')
        except (KeyError, ValueError):
            message = f"the response must have the length and the ETag of {object_name!r}"
            raise MalformedResponseError(message, driver=self) from None
        extra |= {"encryption": CUSTOMERS} if "x-ms-encryption-key-sha256" in headers else {}
        extra |= {"access_tier": headers["x-ms-access-tier"]} if "x-ms-access-tier" in headers else {}
        digest = _digest(headers.get("content-md5"), extra["blob_type"])
        return Object(object_name, size, digest, extra, meta, container, self)

    def _content(self, obj: Object, start: int, end: int | None) -> Iterator[bytes]:
        path, etag = self._path(obj.container.name, obj.name), obj.extra.get("etag")
        headers = {**AS_KEPT, **self.connection.encryption, **_if_match(obj)}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            with self._errors(obj.container.name, obj.name):
                response: AzureStorageResponse = self.connection.request(
                    path, {"versionid": obj.version_id}, None, headers, stream=True
                )
        except ProviderHTTPError as error:
            ours = self._unreadable(error, obj)
            if ours is None:
                raise
            ours.exchange = error.exchange
            raise ours from error
        found = response.headers.get("etag", "").strip('"')
        if not found or found != (etag or found):
            response.close()
            raise response.malformed(f"the response must have the ETag {etag or 'of the object'}")
        if "Range" in headers and not response.headers.get("content-range", "").startswith(f"bytes {start}-"):
            response.close()
            raise response.malformed(f"the response must be the range {headers['Range']}")
        return response.iter_bytes()

    def _unreadable(self, error: ProviderHTTPError, obj: Object) -> PolycloudError | None:
        """Return the error of a read in our words, if there are better ones than Azure's."""
        status = error.exchange.status if error.exchange else None
        if status == HTTPStatus.PRECONDITION_FAILED:
            return ObjectError(f"the object {obj.name!r} was changed since it was listed", self, obj.name)
        if status == HTTPStatus.RANGE_NOT_SATISFIABLE:
            return InvalidArgumentError(f"start_bytes must be within the object {obj.name!r}", self)
        return None

    def _listed(self, element: ET.Element, container: Container) -> Object:
        text, properties = _name_of(element), element.find("Properties")
        if not text or properties is None:
            raise ValueError("a blob must have a name and properties")
        fields = {child.tag: child.text for child in properties if child.text}
        extra: dict[str, Any] = {
            "content_type": fields.get("Content-Type"),
            "blob_type": fields.get("BlobType"),
            "etag": fields["Etag"].strip('"'),
        }
        extra |= {one.replace("-", "_"): fields[one.title()] for one in KEPT if one.title() in fields}
        extra |= {"access_tier": fields["AccessTier"]} if "AccessTier" in fields else {}
        extra |= _version(element)
        digest = _digest(fields.get("Content-MD5"), extra["blob_type"])
        return Object(text, int(fields["Content-Length"]), digest, extra, None, container, self)


def _name_of(element: ET.Element) -> str:
    """Return the name of a blob or a folder in a list."""
    name = element.find("Name")
    if name is None or not name.text:
        return ""
    return unquote(name.text) if name.get("Encoded") == "true" else name.text


def _if_match(obj: Object) -> dict[str, str]:
    """Return the condition that a blob was not changed since `obj` was read."""
    etag = obj.extra.get("etag")
    return {"If-Match": f'"{etag}"'} if etag else {}


def _version(element: ET.Element) -> dict[str, Any]:
    """Return what `extra` says of a version in a list of all versions."""
    version_id = element.findtext("VersionId")
    if version_id is None:
        return {}
    is_latest = element.findtext("IsCurrentVersion") == "true"
    return {"version_id": version_id, "is_latest": is_latest, "is_delete_marker": False}


def _digest(md5: str | None, blob_type: str | None) -> str:
    """Return the MD5 of a blob in hexadecimal digits; "" if it has none.

    That of a page or append blob is left out: it stays when the content is changed.
    """
    if not md5 or blob_type != BLOCK_BLOB:
        return ""
    try:
        return base64.b64decode(md5, validate=True).hex()
    except ValueError:
        raise MalformedResponseError(f"the MD5 of a blob must be base64, got {md5!r}") from None
