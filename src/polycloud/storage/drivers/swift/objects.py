"""Swift's objects: lists, metadata and downloads.

The hash of an object is its ETag, which is the MD5 of its content. A large object, which is a list of
segments, has another one: the MD5 of the ETags of the segments, in double quotes; so it has no `md5`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polycloud.concurrency.calls import together
from polycloud.errors import InvalidArgumentError, NotFoundError, ProviderHTTPError
from polycloud.storage.drivers.swift.connection import Named, SwiftResponse
from polycloud.storage.drivers.swift.containers import SwiftContainers
from polycloud.storage.metadata import metadata_of
from polycloud.storage.objects import Container, Object
from polycloud.storage.sources import rechunked
from polycloud.storage.types import ObjectError
from polycloud.storage.uploads import require_object_name
from polycloud.utils.headers import Headers
from polycloud.utils.status import HTTPStatus

META = "x-object-meta-"
STATIC, DYNAMIC = "x-static-large-object", "x-object-manifest"
LARGE = (STATIC, DYNAMIC)
"""Headers of large objects: of those that have a manifest, and of those of all objects with a prefix."""
KEPT = ("content-encoding", "content-disposition", "content-language", "cache-control", "last-modified")
"""Headers of an object that are in its `extra` if it has them, beside its content type and its ETag."""
AS_KEPT = {"Accept-Encoding": "identity"}
"""The content as it is kept, whatever its `Content-Encoding`."""


class ListedObject(Named):
    """An object in a list; `slo_etag` is the ETag of a large one, whose `hash` is that of its manifest."""

    hash: str = ""
    bytes: int = 0
    content_type: str | None = None
    last_modified: str | None = None
    slo_etag: str | None = None


class ListedEntry(ListedObject):
    """An object of a folder, or `subdir`, a folder in it."""

    name: str = ""
    subdir: str | None = None

    def __post_init__(self) -> None:
        if not (self.name or self.subdir):
            raise ValueError("an item of a list must have a name or a subdir")

    def marks(self) -> dict[str, str]:
        """Return the query of the page that follows this item."""
        return {"marker": self.subdir or self.name}


def hash_of(headers: Headers) -> str:
    """Return the hash of the object whose headers these are, in quotes if it is a large one; "" if none."""
    etag = headers.get("etag", "").strip('"')
    return quoted(etag) if etag and any(name in headers for name in LARGE) else etag


def quoted(etag: str) -> str:
    """Return an ETag in double quotes, which are the mark of large objects."""
    return f'"{etag.strip(chr(34))}"'


def is_large(hash: str) -> bool:
    """Return whether a hash is that of a large object."""
    return hash.startswith('"')


class SwiftObjects(SwiftContainers):
    """Objects as Swift has them."""

    def iterate_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> Iterator[Object]:
        """Yield the objects, a page of 1,000 at a time.

        Dynamic large objects, which Swift makes of all objects with one prefix, are listed as empty.
        """
        query = {"prefix": prefix or ex_prefix or None}
        for page in self._pages(container.name, ListedObject, query):
            yield together([self._of_list(container, item) for item in page])

    def iterate_folder(self, container: Container, prefix: str = "") -> Iterator[Object | str]:
        """Yield what is directly in a folder, which Swift groups by itself."""
        query = {"prefix": prefix or None, "delimiter": "/"}
        for page in self._pages(container.name, ListedEntry, query):
            yield from (item.subdir or self._of_list(container, item) for item in page)

    def get_object(self, container_name: str, object_name: str) -> Object:
        """Return an object with its metadata."""
        return self._head(container_name, require_object_name(object_name), None)

    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield a part of an object, as it is now if it was not changed since `obj` was read."""
        self._require_range(obj, start_bytes, end_bytes, chunk_size)
        return rechunked(self._content(obj, start_bytes, end_bytes), chunk_size)

    def get_object_cdn_url(self, obj: Object) -> str:
        """Return the address of the object, at which the public reads it if it may read the container.

        See `enable_container_cdn`; `ex_presigned_url` is for objects that stay private.
        """
        return self._address(obj.container.name, obj.name)

    def _of_list(self, container: Container, item: ListedObject) -> Object:
        extra = {"content_type": item.content_type, "last_modified": item.last_modified}
        found = quoted(item.slo_etag) if item.slo_etag else item.hash
        return Object(item.name, item.bytes, found, extra, None, container, self)

    def _find_object(self, container_name: str, object_name: str) -> Object | None:
        try:
            return self._read_object(container_name, require_object_name(object_name), None)
        except NotFoundError:
            return None

    def _head(self, container_name: str, object_name: str, version_id: str | None) -> Object:
        with self._errors(container_name, object_name):
            return self._read_object(container_name, object_name, version_id)

    def _read_object(self, container_name: str, object_name: str, version_id: str | None) -> Object:
        path, query = self._path(container_name, object_name), {"version-id": version_id}
        response: SwiftResponse = self.connection.request(path, query, None, AS_KEPT, "HEAD")
        return self._object(Container(container_name, {}, self), object_name, response)

    def _content(self, obj: Object, start: int, end: int | None) -> Iterator[bytes]:
        path, query = self._path(obj.container.name, obj.name), {"version-id": obj.version_id}
        # Without If-Match, which Swift compares with the wrong hash in copies of large objects; the ETag of
        # the response says as much, before its content is read
        headers = dict(AS_KEPT)
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            with self._errors(obj.container.name, obj.name):
                response: SwiftResponse = self.connection.request(path, query, None, headers, stream=True)
        except ProviderHTTPError as error:
            if error.exchange is None or error.exchange.status != HTTPStatus.RANGE_NOT_SATISFIABLE:
                raise
            message = f"start_bytes must be within the object {obj.name!r}"
            raise InvalidArgumentError(message, self) from error
        found = hash_of(response.headers)
        if not found or found != (obj.hash or found):
            response.close()
            raise self._changed(obj) if found else response.malformed("the response must have an ETag")
        if "Range" in headers and not response.headers.get("content-range", "").startswith(f"bytes {start}-"):
            response.close()
            raise response.malformed(f"the response must be the range {headers['Range']}")
        return response.iter_bytes()

    def _changed(self, obj: Object) -> ObjectError:
        message = (
            f"the object {obj.name!r} was changed since it was listed, or is a dynamic large object, whose "
            "size and hash only get_object tells"
        )
        return ObjectError(message, self, obj.name)

    def _object(self, container: Container, name: str, response: SwiftResponse) -> Object:
        headers, size, found = response.headers, response.number("content-length"), hash_of(response.headers)
        if not found:
            raise response.malformed(f"the response must have the ETag of {name!r}")
        extra: dict[str, Any] = {"content_type": headers.get("content-type"), "etag": found}
        extra |= {one.replace("-", "_"): headers[one] for one in KEPT if one in headers}
        if "x-delete-at" in headers:
            extra["delete_at"] = response.number("x-delete-at")
        if DYNAMIC in headers:
            extra["manifest"] = headers[DYNAMIC]
        meta = metadata_of(META, headers)
        return Object(name, size, found, extra, meta, container, self)
