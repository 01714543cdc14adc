"""Uploads to S3: in one request, or in parts that are sent side by side.

How an upload goes is known after its first part was read: if that is all, it is one request, whatever the
size of the pieces in which an iterator yields. Else parts follow, a few at a time, so that memory holds only
those. S3 verifies the checksum of each. An upload that fails in the middle, also by Ctrl-C or cancellation,
is aborted, so that no part stays and costs money.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from io import BytesIO
from math import ceil
from operator import methodcaller
from typing import Any

import msgspec
from msgspec import structs

from polycloud.concurrency.calls import cleanup
from polycloud.errors import PolycloudError
from polycloud.storage.drivers.s3.connection import S3BaseDriver, S3Connection, S3Response
from polycloud.storage.drivers.s3.objects import META, decoded
from polycloud.storage.objects import MD5, Container, Object
from polycloud.storage.sources import Source
from polycloud.storage.types import ObjectHashMismatchError
from polycloud.storage.uploads import Upload, require_object_name, upload_of

PART = 5 * 1024 * 1024
"""The bytes of a part: S3 allows no smaller one, but the last."""
MOST_PARTS = 10_000
LARGEST_COPY = 5 * 1024**3
MD5_HEADER, CRC_HEADER = "Content-MD5", "x-amz-checksum-crc32"
ENCRYPTION = "x-amz-server-side-encryption"
CUSTOMER_KEY = "x-amz-server-side-encryption-customer-algorithm"
SIDE_BY_SIDE = 3
GROWTH = 1000
"""After so many parts of unknown total size the parts become larger, so that 10,000 are enough for 5 TB."""


class Begun(msgspec.Struct):
    """The response to the begin of a multipart upload."""

    upload_id: str = msgspec.field(name="UploadId")


class Completed(msgspec.Struct):
    """The response to the end of a multipart upload."""

    etag: str = msgspec.field(name="ETag")


class MultipartUpload(msgspec.Struct):
    """An upload in parts that was begun, and neither finished nor aborted."""

    key: str = msgspec.field(name="Key")
    id: str = msgspec.field(name="UploadId")
    created_at: str | None = msgspec.field(name="Initiated", default=None)


class S3Uploads(S3BaseDriver):
    """Uploads as S3 has them."""

    def upload_object_via_stream(
        self,
        iterator: Iterable[bytes] | bytes,
        container: Container,
        object_name: str,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
    ) -> Object:
        """Create or replace an object, in parts of 5 MiB if it is longer."""
        upload = upload_of(object_name, extra, headers, if_match, if_none_match)
        path = self._path(container.name, require_object_name(object_name))
        source = Source(iterator)
        first = source.read(PART)
        with self._errors(container.name, object_name):
            if len(first) < PART:
                etag, size = self._put(container.name, path, first, upload), len(first)
            else:
                etag, size = self._put_parts(container.name, path, first, source, upload)
        kept = {**upload.extra(), "etag": etag}
        return Object(object_name, size, etag, kept, upload.meta_data, container, self)

    def ex_iterate_multipart_uploads(
        self, container: Container, prefix: str | None = None
    ) -> Iterator[MultipartUpload]:
        """Yield the uploads of objects whose names begin with `prefix` that are not finished.

        Their parts are kept, and cost money, until they are finished or aborted.
        """
        query = {"uploads": "", "encoding-type": "url", "prefix": prefix}
        path, marks = self._path(container.name), {"key-marker": "", "upload-id-marker": ""}
        while True:
            page = {**query, **{name: text or None for name, text in marks.items()}}
            with self._errors(container.name):
                response: S3Response = self._send(container.name, methodcaller("request", path, page))
            root = response.root("ListMultipartUploadsResult")
            is_encoded = root.findtext("{*}EncodingType") == "url"
            for item in response.items("ListMultipartUploadsResult", "Upload", MultipartUpload):
                one = item.value
                yield structs.replace(one, key=decoded(one.key)) if is_encoded else one
            if root.findtext("{*}IsTruncated") != "true":
                return
            key, id_ = (root.findtext(f"{{*}}Next{name}") or "" for name in ("KeyMarker", "UploadIdMarker"))
            following = {"key-marker": decoded(key) if is_encoded else key, "upload-id-marker": id_}
            if following == marks:
                raise response.malformed("the list returns to the same page and has no end")
            marks = following

    def ex_cleanup_all_multipart_uploads(self, container: Container, prefix: str | None = None) -> bool:
        """Abort the uploads of objects whose names begin with `prefix` that are not finished."""
        for one in list(self.ex_iterate_multipart_uploads(container, prefix)):
            path, query = self._path(container.name, one.key), {"uploadId": one.id}
            with self._errors(container.name, one.key):
                self._send(container.name, methodcaller("request", path, query, method="DELETE"))
        return True

    def copy_object(self, obj: Object, container: Container, object_name: str | None = None) -> Object:
        """Copy an object; S3 does it alone, unless the object is longer than 5 GiB."""
        if obj.size > LARGEST_COPY:
            return super().copy_object(obj, container, object_name)
        name = require_object_name(object_name or obj.name)
        path, source = self._path(container.name, name), self._path(obj.container.name, obj.name)
        headers = {
            "x-amz-copy-source": source,
            **({"x-amz-copy-source-if-match": obj.hash} if obj.hash else {}),
        }
        with self._errors(obj.container.name, obj.name):
            response: S3Response = self._send(
                container.name, lambda one: one.request(path, None, None, headers, "PUT")
            )
            # It may begin with the status 200 and end as an error
            etag = _bare(response.read("CopyObjectResult", Completed).etag)
        return Object(name, obj.size, etag, {**obj.extra, "etag": etag}, obj.meta_data, container, self)

    def _put(self, container_name: str, path: str, content: bytes, upload: Upload) -> str:
        conditions = _conditions(upload)
        return self._send(
            container_name,
            lambda one: self._put_bytes(
                one,
                path,
                content,
                headers={**_headers(upload), **conditions},
                idempotent=not conditions,  # sent again, it would meet its own result
            ),
        )

    def _put_parts(
        self, container_name: str, path: str, first: bytes, source: Source, upload: Upload
    ) -> tuple[str, int]:
        begun: S3Response = self._send(
            container_name, lambda one: one.request(path, {"uploads": ""}, None, _headers(upload), "POST")
        )
        upload_id = begun.read("InitiateMultipartUploadResult", Begun).upload_id
        connection = self._elsewhere.get(container_name, self.connection)
        try:
            parts, size = self._send_parts(connection, path, upload_id, first, source)
            return self._complete(connection, path, upload_id, parts, upload), size
        except BaseException as error:
            self._abort(connection, path, upload_id, error)
            raise

    def _send_parts(
        self, connection: S3Connection, path: str, upload_id: str, first: bytes, source: Source
    ) -> tuple[list[str], int]:
        """Send all parts; return their ETags and the bytes of all."""
        send = partial(self._put_part, connection, path, upload_id)
        if source.positioned:
            assert source.size is not None
            length = max(PART, ceil(source.size / MOST_PARTS))
            starts = range(0, source.size, length)
            calls = [
                partial(lambda number, at: send(number, source.part(at, length)), number, at)
                for number, at in enumerate(starts, 1)
            ]
            return connection.gather(calls, limit=SIDE_BY_SIDE), source.size
        etags: list[str] = []
        size = 0
        for batch in _batches(first, source):
            numbered = enumerate(batch, len(etags) + 1)
            size += sum(map(len, batch))
            etags += connection.gather([partial(send, number, part) for number, part in numbered])
        return etags, size

    def _put_part(
        self, connection: S3Connection, path: str, upload_id: str, number: int, content: bytes
    ) -> str:
        query = {"partNumber": number, "uploadId": upload_id}
        return self._put_bytes(connection, path, content, query=query)

    def _complete(
        self, connection: S3Connection, path: str, upload_id: str, etags: list[str], upload: Upload
    ) -> str:
        parts = [{"PartNumber": number, "ETag": f'"{etag}"'} for number, etag in enumerate(etags, 1)]
        body = {"CompleteMultipartUpload": {"Part": parts}}
        query = {"uploadId": upload_id}
        try:
            response = connection.call("POST", path, body, query, headers=_conditions(upload))
            # It may begin with the status 200 and end as an error
            return _bare(response.read("CompleteMultipartUploadResult", Completed).etag)
        except PolycloudError:
            etag = self._etag_now(connection, path)
            if etag is None or etag != _etag_of_parts(etags):
                raise
            return etag  # the response was lost

    def _etag_now(self, connection: S3Connection, path: str) -> str | None:
        try:
            return _bare(connection.request(path, method="HEAD").headers.get("etag", ""))
        except PolycloudError:
            return None

    def _abort(self, connection: S3Connection, path: str, upload_id: str, error: BaseException) -> None:
        try:
            with cleanup():
                connection.request(path, {"uploadId": upload_id}, method="DELETE")
        except PolycloudError as failure:
            error.add_note(f"the parts of the upload {upload_id} stay, since its abort failed: {failure}")

    def _checksum(self, content: bytes) -> dict[str, str]:
        """Return the header by which the store verifies a body."""
        if self.dialect.md5:
            return {MD5_HEADER: _base64(hashlib.md5(content, usedforsecurity=False).digest())}
        return {CRC_HEADER: _base64(zlib.crc32(content).to_bytes(4, "big"))}

    def _put_bytes(
        self,
        connection: S3Connection,
        path: str,
        content: bytes,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = True,
    ) -> str:
        """Send a body; return its ETag.

        It goes as a file: then the signature leaves it out, since its checksum is sent beside it, and nobody
        searches for secrets in it. Raises `ObjectHashMismatchError` if the store says that it has another
        content.
        """
        checksum = self._checksum(content)
        fields = {**(headers or {}), **checksum, "Content-Length": str(len(content))}
        response: S3Response = connection.request(
            path, query, BytesIO(content), fields, "PUT", idempotent=idempotent
        )
        etag = _bare(response.headers.get("etag", ""))
        if not etag:
            raise response.malformed("the response must have an ETag")
        encrypted = response.headers.get(ENCRYPTION, "AES256") != "AES256" or CUSTOMER_KEY in response.headers
        said = response.headers.get(CRC_HEADER, checksum.get(CRC_HEADER))
        if MD5_HEADER in checksum and MD5.fullmatch(etag) and not encrypted:
            said = _base64(bytes.fromhex(etag))
        if said not in checksum.values():
            raise ObjectHashMismatchError(f"the store has another content: its checksum is {said}", self)
        return etag


def _batches(first: bytes, source: Source) -> Iterator[list[bytes]]:
    """Yield the parts of a stream, a few at a time."""
    number, part = 1, first
    while part:
        batch: list[bytes] = []
        while part and len(batch) < SIDE_BY_SIDE:
            batch.append(part)
            number += 1
            part = source.read(PART << number // GROWTH)
        yield batch


def _headers(upload: Upload) -> dict[str, str]:
    meta = {META + name: text for name, text in upload.meta_data.items()}
    acl = {"x-amz-acl": upload.acl} if upload.acl else {}
    return {**upload.headers, **meta, **acl}


def _conditions(upload: Upload) -> dict[str, str]:
    match = {"If-Match": f'"{upload.if_match}"'} if upload.if_match else {}
    return {**match, **({"If-None-Match": "*"} if upload.if_none_match else {})}


def _etag_of_parts(etags: list[str]) -> str | None:
    """Return the ETag that S3 gives to these parts; None if theirs are no MD5."""
    try:
        together = b"".join(map(bytes.fromhex, etags))
    except ValueError:
        return None
    return f"{hashlib.md5(together, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _bare(etag: str) -> str:
    return etag.strip('"')
