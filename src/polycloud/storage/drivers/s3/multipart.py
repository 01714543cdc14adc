"""S3's multipart uploads: begun, sent, completed or aborted, and those that somebody left behind."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from operator import methodcaller

import msgspec
from msgspec import structs

from polycloud.common.aws.xml import plain
from polycloud.errors import PolycloudError
from polycloud.storage.contents import Content
from polycloud.storage.drivers.s3.bodies import bare, put_bytes
from polycloud.storage.drivers.s3.connection import S3BaseDriver, S3Connection, S3Response, decoded
from polycloud.storage.multipart import Part, PartedUpload
from polycloud.storage.objects import MD5, Container, Object

LIST_OF_PARTS = ("ListPartsResult", "ListPartsResponse")
"""Amazon's name of the root, and moto's."""


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


class CopiedPart(msgspec.Struct):
    """The response to the copy of a part."""

    etag: str = msgspec.field(name="ETag")


class KeptPart(msgspec.Struct):
    """A part that S3 has."""

    number: int = msgspec.field(name="PartNumber")
    size: int = msgspec.field(name="Size")
    etag: str = msgspec.field(name="ETag")


class S3PartedUpload(PartedUpload):
    """An upload in parts to `path`; `uploaded` returns the object, given its size and its ETag."""

    def __init__(
        self,
        connection: S3Connection,
        path: str,
        upload_id: str,
        uploaded: Callable[[int, str], Object],
        conditions: dict[str, str],
        *,
        md5: bool,
    ) -> None:
        super().__init__(upload_id)
        self._connection, self._path, self._query = connection, path, {"uploadId": upload_id}
        self._uploaded, self._conditions, self._md5 = uploaded, conditions, md5
        self._use = connection.encryption.use

    def put(self, number: int, offset: int, content: Content) -> str:
        """Send a part; return its ETag."""
        query = {"partNumber": number, **self._query}
        return put_bytes(self._connection, self._path, content, md5=self._md5, query=query).etag

    def copy(self, number: int, start: int, end: int, source: Mapping[str, str]) -> str:
        """Make a part of the bytes from `start` to before `end` of another object; return its ETag."""
        query = {"partNumber": number, **self._query}
        headers = {**self._use, **source, "x-amz-copy-source-range": f"bytes={start}-{end - 1}"}
        response: S3Response = self._connection.request(self._path, query, None, headers, "PUT")
        # It may begin with the status 200 and end as an error
        return bare(response.read("CopyPartResult", CopiedPart).etag)

    def complete(self, tags: list[str], size: int) -> Object:
        """Make the object; if the response was lost, see whether it is there."""
        parts = [{"PartNumber": number, "ETag": f'"{etag}"'} for number, etag in enumerate(tags, 1)]
        body = {"CompleteMultipartUpload": {"Part": parts}}
        try:
            headers = {**self._use, **self._conditions}
            response = self._connection.call("POST", self._path, body, self._query, headers=headers)
            # It may begin with the status 200 and end as an error
            return self._uploaded(size, bare(response.read("CompleteMultipartUploadResult", Completed).etag))
        except PolycloudError:
            etag = self._etag_now()
            if etag is None or etag != _etag_of_parts(tags) or self._is_unfinished():
                raise
            return self._uploaded(size, etag)

    def abort(self) -> None:
        """Delete the parts."""
        self._connection.request(self._path, self._query, method="DELETE")

    def parts(self) -> Iterator[Part]:
        """Yield the parts whose ETags are MD5s: those of encrypted ones are not, so they are sent again."""
        marker = 0
        while True:
            response: S3Response = self._connection.request(
                self._path, {**self._query, "part-number-marker": marker or None}, None, self._use
            )
            root = response.root(*LIST_OF_PARTS)
            for element in root.iterfind("{*}Part"):
                one = response.typed(plain(element, frozenset()), KeptPart)
                etag = bare(one.etag)
                if MD5.fullmatch(etag):
                    yield Part(one.number, one.size, etag, etag)
            following = int(root.findtext("{*}NextPartNumberMarker") or 0)
            if root.findtext("{*}IsTruncated") != "true":
                return
            if following <= marker:
                raise response.malformed("the list returns to the same page and has no end")
            marker = following

    def _is_unfinished(self) -> bool:
        """Return whether S3 has the parts yet: then an object with the same content is another upload's."""
        try:
            self._connection.request(self._path, {**self._query, "max-parts": 1}, None, self._use)
        except PolycloudError:
            return False
        return True

    def _etag_now(self) -> str | None:
        try:
            response: S3Response = self._connection.request(self._path, None, None, self._use, "HEAD")
            return bare(response.headers.get("etag", ""))
        except PolycloudError:
            return None


class S3Multipart(S3BaseDriver):
    """The uploads that are not finished."""

    def ex_iterate_multipart_uploads(
        self, container: Container, prefix: str | None = None
    ) -> Iterator[MultipartUpload]:
        """Yield the uploads of objects whose names begin with `prefix` that are not finished.

        Their parts are kept, and cost money, until they are finished or aborted.
        """
        query = {"uploads": "", "encoding-type": "url", "prefix": prefix}
        root, markers = "ListMultipartUploadsResult", ("KeyMarker", "UploadIdMarker")
        for response in self._marked_pages(container, query, root, markers):
            is_encoded = response.root(root).findtext("{*}EncodingType") == "url"
            for item in response.items(root, "Upload", MultipartUpload):
                one = item.value
                yield structs.replace(one, key=decoded(one.key)) if is_encoded else one

    def ex_cleanup_all_multipart_uploads(self, container: Container, prefix: str | None = None) -> bool:
        """Abort the uploads of objects whose names begin with `prefix` that are not finished."""
        for one in list(self.ex_iterate_multipart_uploads(container, prefix)):
            path, query = self._path(container.name, one.key), {"uploadId": one.id}
            with self._errors(container.name, one.key):
                self._send(container.name, methodcaller("request", path, query, method="DELETE"))
        return True


def _etag_of_parts(etags: list[str]) -> str | None:
    """Return the ETag that S3 gives to these parts; None if theirs are no MD5."""
    try:
        together = b"".join(map(bytes.fromhex, etags))
    except ValueError:
        return None
    return f"{hashlib.md5(together, usedforsecurity=False).hexdigest()}-{len(etags)}"
