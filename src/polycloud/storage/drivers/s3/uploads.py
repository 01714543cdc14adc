"""Uploads to S3, whole or in parts, and copies that it makes alone."""

from __future__ import annotations

from functools import partial

from polycloud.errors import UnsupportedOperationError
from polycloud.storage.drivers.s3.bodies import bare, put_bytes
from polycloud.storage.drivers.s3.connection import S3BaseDriver, S3Response
from polycloud.storage.drivers.s3.multipart import Begun, Completed, S3PartedUpload
from polycloud.storage.drivers.s3.objects import META
from polycloud.storage.multipart import MultipartUploads, PartedUpload
from polycloud.storage.objects import Container, Object
from polycloud.storage.uploads import Upload, require_object_name

LARGEST_COPY = 5 * 1024**3


class S3Uploads(S3BaseDriver, MultipartUploads):
    """Uploads as S3 has them."""

    part_size = 5 * 1024 * 1024  # S3 allows no smaller one, but the last
    most_parts = 10_000

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
            etag = bare(response.read("CopyObjectResult", Completed).etag)
        return Object(name, obj.size, etag, {**obj.extra, "etag": etag}, obj.meta_data, container, self)

    def _upload_whole(self, container: Container, name: str, content: bytes, upload: Upload) -> Object:
        path, conditions = self._path(container.name, name), self._conditions(upload)
        etag = self._send(
            container.name,
            lambda one: put_bytes(
                one,
                path,
                content,
                md5=self.dialect.md5,
                headers={**_headers(upload), **conditions},
                idempotent=not conditions,  # sent again, it would meet its own result
            ),
        )
        return self._uploaded(container, name, upload, len(content), etag)

    def _upload_in_parts(
        self, container: Container, name: str, upload: Upload, upload_id: str | None
    ) -> PartedUpload:
        path = self._path(container.name, name)
        if upload_id is None:
            begun: S3Response = self._send(
                container.name, lambda one: one.request(path, {"uploads": ""}, None, _headers(upload), "POST")
            )
            upload_id = begun.read("InitiateMultipartUploadResult", Begun).upload_id
        else:
            self._require_container(container.name)  # it may be in another region, where its parts go
        return S3PartedUpload(
            self._elsewhere.get(container.name, self.connection),
            path,
            upload_id,
            partial(self._uploaded, container, name, upload),
            self._conditions(upload),
            md5=self.dialect.md5,
        )

    def _conditions(self, upload: Upload) -> dict[str, str]:
        """Return the headers of the conditions. Raises `UnsupportedOperationError` if they are ignored."""
        match = {"If-Match": f'"{upload.if_match}"'} if upload.if_match else {}
        headers = {**match, **({"If-None-Match": "*"} if upload.if_none_match else {})}
        if headers and not self.dialect.conditions:
            message = f"{self.name} ignores the conditions of uploads: leave if_match= and if_none_match= out"
            raise UnsupportedOperationError(message, self)
        return headers

    def _uploaded(self, container: Container, name: str, upload: Upload, size: int, etag: str) -> Object:
        kept = {**upload.extra(), "etag": etag}
        return Object(name, size, etag, kept, upload.meta_data, container, self)


def _headers(upload: Upload) -> dict[str, str]:
    meta = {META + name: text for name, text in upload.meta_data.items()}
    acl = {"x-amz-acl": upload.acl} if upload.acl else {}
    return {**upload.headers, **meta, **acl}
