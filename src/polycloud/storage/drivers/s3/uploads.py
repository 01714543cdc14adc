"""Uploads to S3, whole or in parts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from polycloud.errors import UnsupportedOperationError
from polycloud.storage.drivers.s3.bodies import put_bytes
from polycloud.storage.drivers.s3.connection import S3BaseDriver, S3Response
from polycloud.storage.drivers.s3.multipart import Begun, S3PartedUpload
from polycloud.storage.drivers.s3.objects import META
from polycloud.storage.metadata import metadata_headers
from polycloud.storage.multipart import MultipartUploads
from polycloud.storage.objects import Container, Object
from polycloud.storage.uploads import Upload


class S3Uploads(S3BaseDriver, MultipartUploads):
    """Uploads as S3 has them."""

    part_size = 5 * 1024 * 1024  # S3 allows no smaller one, but the last
    most_parts = 10_000

    def upload_object_via_stream(
        self,
        iterator: Iterable[bytes] | bytes,
        container: Container,
        object_name: str,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        *,
        ex_storage_class: str | None = None,
        **options: Any,
    ) -> Object:
        """Create or replace an object, in parts if it is longer; `ex_storage_class` is "STANDARD_IA" etc."""
        headers = _with_class(headers, ex_storage_class)
        return super().upload_object_via_stream(iterator, container, object_name, extra, headers, **options)

    def _upload_whole(self, container: Container, name: str, content: bytes, upload: Upload) -> Object:
        path, conditions = self._path(container.name, name), self._conditions(upload)
        stored = self._send(
            container.name,
            lambda one: put_bytes(
                one,
                path,
                content,
                md5=self.dialect.md5,
                headers={**one.encryption.create, **upload_headers(upload), **conditions},
                idempotent=not conditions,  # sent again, it would meet its own result
            ),
        )
        made = self._uploaded(container, name, upload, len(content), stored.etag)
        made.extra.update(stored.extra)
        return made

    def _upload_in_parts(
        self, container: Container, name: str, upload: Upload, upload_id: str | None
    ) -> S3PartedUpload:
        path, conditions = self._path(container.name, name), self._conditions(upload)
        if upload_id is None:
            headers = {**self.connection.encryption.create, **upload_headers(upload)}
            begun: S3Response = self._send(
                container.name, lambda one: one.request(path, {"uploads": ""}, None, headers, "POST")
            )
            upload_id = begun.read("InitiateMultipartUploadResult", Begun).upload_id
        else:
            self._require_container(container.name)  # it may be in another region, where its parts go
        return S3PartedUpload(
            self._elsewhere.get(container.name, self.connection),
            path,
            upload_id,
            partial(self._uploaded, container, name, upload),
            conditions,
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


def upload_headers(upload: Upload) -> dict[str, str]:
    """Return the headers that say what an upload says beside its bytes."""
    meta = metadata_headers(META, upload.meta_data)
    acl = {"x-amz-acl": upload.acl} if upload.acl else {}
    return {**upload.headers, **meta, **acl}


def _with_class(headers: dict[str, str] | None, storage_class: str | None) -> dict[str, str] | None:
    if storage_class is None:
        return headers
    return {**(headers or {}), "x-amz-storage-class": storage_class.upper()}
