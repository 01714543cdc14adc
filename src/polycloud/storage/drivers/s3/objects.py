"""S3's objects: lists, metadata, downloads, and deletes."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from operator import methodcaller
from typing import Any

from polycloud.concurrency.calls import together
from polycloud.errors import InvalidArgumentError, MalformedResponseError, NotFoundError, ProviderHTTPError
from polycloud.storage.drivers.s3.connection import S3BaseDriver, S3Response, decoded
from polycloud.storage.drivers.s3.encryption import encryption_of
from polycloud.storage.metadata import metadata_of
from polycloud.storage.objects import Container, Object
from polycloud.storage.sources import rechunked
from polycloud.storage.types import ObjectError
from polycloud.storage.uploads import require_object_name
from polycloud.utils.headers import Headers
from polycloud.utils.status import HTTPStatus

META = "x-amz-meta-"
KEPT = ("content-encoding", "content-disposition", "content-language", "cache-control", "last-modified")
"""Headers of an object that are in its `extra` if it has them, beside its content type and its ETag."""
AS_KEPT = {"Accept-Encoding": "identity"}
"""The content as it is kept, whatever its `Content-Encoding`."""


class S3Objects(S3BaseDriver):
    """Objects as S3 has them."""

    reads_unseen = True

    def iterate_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> Iterator[Object]:
        """Yield the objects, a page of 1,000 at a time."""
        for response in self._pages(container, prefix or ex_prefix or None):
            yield together(self._listed(response, container))

    def iterate_folder(self, container: Container, prefix: str = "") -> Iterator[Object | str]:
        """Yield what is directly in a folder, as S3 groups it."""
        for response in self._pages(container, prefix or None, delimiter="/"):
            objects: list[Object | str] = [*self._listed(response, container)]
            yield from merge(objects, _folders(response), key=_order)

    def get_object(self, container_name: str, object_name: str) -> Object:
        """Return an object with its metadata."""
        headers = self._head(container_name, require_object_name(object_name))
        return self._object(Container(container_name, {}, self), object_name, headers)

    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield a part of an object, as it is now if it was not changed since `obj` was read."""
        self._require_range(obj, start_bytes, end_bytes, chunk_size)
        return rechunked(self._content(obj, start_bytes, end_bytes), chunk_size)

    def delete_object(self, obj: Object) -> bool:
        """Delete an object; S3 does not say whether there was one."""
        path, query = self._path(obj.container.name, obj.name), {"versionId": obj.version_id}
        with self._errors(obj.container.name, obj.name):
            self._send(obj.container.name, lambda one: one.request(path, query, method="DELETE"))
        return True

    def _pages(
        self, container: Container, prefix: str | None, delimiter: str | None = None
    ) -> Iterator[S3Response]:
        """Yield the pages of a list."""
        path = self._path(container.name)
        # Names come percent-encoded, since XML cannot hold all characters
        query = {"list-type": 2, "encoding-type": "url", "prefix": prefix, "delimiter": delimiter}
        marker: str | None = None
        while True:
            page = {**query, "continuation-token": marker}
            with self._errors(container.name):
                response: S3Response = self._send(container.name, methodcaller("request", path, page))
            yield response
            following = response.object.findtext("{*}NextContinuationToken")
            if following and following == marker:
                raise response.malformed("the list returns to the same page and has no end")
            marker = following
            if not marker:
                return

    def _find_object(self, container_name: str, object_name: str) -> Object | None:
        try:
            headers = self._read_headers(container_name, require_object_name(object_name), None)
        except NotFoundError:
            return None
        return self._object(Container(container_name, {}, self), object_name, headers)

    def _head(self, container_name: str, object_name: str, version_id: str | None = None) -> Headers:
        """Return the headers of an object."""
        with self._errors(container_name, object_name):
            return self._read_headers(container_name, object_name, version_id)

    def _read_headers(self, container_name: str, object_name: str, version_id: str | None) -> Headers:
        path, query = self._path(container_name, object_name), {"versionId": version_id}
        headers = {**AS_KEPT, **self.connection.encryption.use}
        try:
            response: S3Response = self._send(
                container_name, lambda one: one.request(path, query, None, headers, "HEAD")
            )
        except ProviderHTTPError as error:
            if error.exchange is not None and error.exchange.status == HTTPStatus.BAD_REQUEST:
                error.add_note("S3 refuses so what a customer's key encrypts: give its ex_customer_key")
            raise
        return response.headers

    def _content(self, obj: Object, start: int, end: int | None) -> Iterator[bytes]:
        path, query = self._path(obj.container.name, obj.name), {"versionId": obj.version_id}
        use = self.connection.encryption.use
        headers = {**AS_KEPT, **use, **({"If-Match": f'"{obj.hash}"'} if obj.hash else {})}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            with self._errors(obj.container.name, obj.name):
                response: S3Response = self._send(
                    obj.container.name, lambda one: one.request(path, query, None, headers, stream=True)
                )
        except ProviderHTTPError as error:
            ours = self._unreadable(error, obj)
            if ours is None:
                raise
            raise ours from error
        etag = response.headers.get("etag", "").strip('"')
        if not etag or etag != (obj.hash or etag):
            response.close()
            raise response.malformed(f"the response must have the ETag {obj.hash or 'of the object'}")
        if "Range" in headers and not response.headers.get("content-range", "").startswith(f"bytes {start}-"):
            response.close()
            raise response.malformed(f"the response must be the range {headers['Range']}")
        obj.hash = etag  # of an object that was not looked up
        obj.extra.update(encryption_of(response.headers))  # lists do not say it
        return response.iter_bytes()

    def _unreadable(self, error: ProviderHTTPError, obj: Object) -> ObjectError | InvalidArgumentError | None:
        status = error.exchange.status if error.exchange else None
        if status == HTTPStatus.PRECONDITION_FAILED:
            return ObjectError(f"the object {obj.name!r} was changed since it was listed", self, obj.name)
        if status == HTTPStatus.RANGE_NOT_SATISFIABLE:
            return InvalidArgumentError(f"start_bytes must be within the object {obj.name!r}", self)
        return None

    def _listed(self, response: S3Response, container: Container) -> list[Object]:
        objects: list[Object] = []
        root = response.root("ListBucketResult")
        namespace = root.tag.removesuffix("ListBucketResult")
        key, size, etag, modified, kind, owner = (
            namespace + name for name in ("Key", "Size", "ETag", "LastModified", "StorageClass", "Owner")
        )
        encoded = root.findtext(f"{namespace}EncodingType") == "url"
        for element in root.iterfind(f"{namespace}Contents"):
            fields: dict[str, Any] = {child.tag: child.text for child in element}
            try:
                name = fields[key] or ""
                extra: dict[str, Any] = {
                    "last_modified": fields.get(modified),
                    "storage_class": fields.get(kind),
                }
                length, hash_ = int(fields[size]), (fields.get(etag) or "").strip('"')
            except (KeyError, TypeError, ValueError) as error:
                raise response.undocumented(error) from None
            if owner in fields:
                found = element.find(owner)
                assert found is not None
                extra["owner"] = {one.tag.removeprefix(namespace).lower(): one.text for one in found}
            name = decoded(name) if encoded else name
            objects.append(Object(name, length, hash_, extra, None, container, self))
        return objects

    def _object(self, container: Container, name: str, headers: Headers) -> Object:
        try:
            size, etag = int(headers["content-length"]), headers["etag"].strip('"')
        except (KeyError, ValueError):
            message = f"the response must have the length and the ETag of {name!r}"
            raise MalformedResponseError(message, driver=self) from None
        extra = {"content_type": headers.get("content-type"), "etag": etag}
        extra |= {one.replace("-", "_"): headers[one] for one in KEPT if one in headers}
        extra |= {"storage_class": headers.get("x-amz-storage-class", "STANDARD"), **encryption_of(headers)}
        meta = metadata_of(META, headers)
        return Object(name, size, etag, extra, meta, container, self)


def _folders(response: S3Response) -> Iterator[str]:
    """Yield the names of the folders on a page of a list."""
    root = response.root("ListBucketResult")
    is_encoded = root.findtext("{*}EncodingType") == "url"
    for element in root.iterfind("{*}CommonPrefixes/{*}Prefix"):
        yield decoded(element.text or "") if is_encoded else element.text or ""


def _order(one: Object | str) -> bytes:
    return (one if isinstance(one, str) else one.name).encode()
