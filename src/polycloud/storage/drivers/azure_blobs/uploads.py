"""Uploads to Azure, whole or in blocks."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from polycloud.common.azure import AzureStorageResponse
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    MalformedResponseError,
    PolycloudError,
    ServerError,
    TransportError,
)
from polycloud.storage.contents import md5_of
from polycloud.storage.drivers.azure_blobs.blocks import AzurePartedUpload, put_bytes
from polycloud.storage.drivers.azure_blobs.containers import META
from polycloud.storage.drivers.azure_blobs.objects import BLOCK_BLOB, AzureObjects
from polycloud.storage.encryption import CUSTOMERS
from polycloud.storage.metadata import metadata_headers
from polycloud.storage.multipart import MultipartUploads, PartedUpload
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectAlreadyExistsError
from polycloud.storage.uploads import HEADERS, Upload, update_of
from polycloud.utils.headers import Headers

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class AzureUploads(AzureObjects, MultipartUploads):
    """Uploads as Azure has them: block blobs, of up to 50,000 blocks."""

    most_parts = 50_000

    def update_object(
        self, obj: Object, extra: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Object:
        """Replace metadata and headers of a blob: by one request for each of the two that changes."""
        self._require_update(obj, extra, headers)
        container, path = obj.container, self._path(obj.container.name, obj.name)
        before = self._head(container.name, obj.name)
        found = self._object(container, obj.name, before)
        if obj.hash not in {"", found.hash}:
            raise ObjectAlreadyExistsError(driver=self, object_name=obj.name)
        upload = update_of(found, extra, headers)
        properties, meta_data = _fields(upload)
        etag = before["etag"]
        with self._errors(container.name, obj.name):
            if update_of(found, None).headers != upload.headers:
                # Those that are not sent are removed, also the MD5
                kept = {"x-ms-blob-content-md5": before["content-md5"]} if "content-md5" in before else {}
                etag = self._set(path, "properties", {**properties, **kept}, etag)
            if found.meta_data != upload.meta_data:
                self._set(path, "metadata", meta_data, etag)
        return self.get_object(container.name, obj.name)

    def _set(self, path: str, part: str, fields: dict[str, str], etag: str) -> str:
        """Replace the properties or the metadata of the blob that has this ETag; return its new one."""
        fields = {**self.connection.encryption, **fields, "If-Match": etag}
        response: AzureStorageResponse = self.connection.request(
            path, {"comp": part}, None, fields, "PUT", idempotent=False
        )
        if "etag" not in response.headers:
            raise response.malformed("the response must have an ETag")
        return str(response.headers["etag"])

    def _upload_whole(self, container: Container, name: str, content: bytes, upload: Upload) -> Object:
        path, digest = self._path(container.name, name), md5_of(content).digest()
        fields = {**_headers(upload), "x-ms-blob-type": BLOCK_BLOB}

        def send(conditions: dict[str, str], *, idempotent: bool) -> Headers:
            headers = {**fields, **conditions}
            return put_bytes(self.connection, path, content, digest, None, headers, idempotent=idempotent)

        return self._committed(container, name, upload, len(content), digest.hex(), send)

    def _upload_in_parts(
        self, container: Container, name: str, upload: Upload, upload_id: str | None
    ) -> PartedUpload:
        fields = _headers(upload)
        return AzurePartedUpload(
            self.connection,
            self._path(container.name, name),
            upload_id or secrets.token_hex(6),
            fields,
            partial(self._committed, container, name, upload),
        )

    def _committed(
        self,
        container: Container,
        name: str,
        upload: Upload,
        size: int,
        md5: str,
        send: Callable[..., Headers],
    ) -> Object:
        """Return the object that `send` makes, given the headers of conditions and whether it may repeat.

        A request with conditions is not repeated, since it would meet its own result. If its response is
        lost, another blob than before that has this content says that it was carried out.
        """
        conditions = self._conditions(container, name, upload)
        try:
            headers = send(conditions, idempotent=not conditions)
            if "etag" not in headers:
                message = f"the response to the upload of {name!r} must have an ETag"
                raise MalformedResponseError(message, driver=self)
            etag = headers["etag"].strip('"')
        except ConnectError:
            raise
        except (TransportError, ServerError):
            found = self._now(container, name) if conditions else None
            if found is None or (found.size, found.hash) != (size, md5):
                raise
            etag = found.extra["etag"]
            if f'"{etag}"' == conditions.get("If-Match"):
                raise
        extra: dict[str, Any] = {**upload.extra(), "etag": etag, "blob_type": BLOCK_BLOB}
        extra |= {"encryption": CUSTOMERS} if self.connection.encryption else {}
        return Object(name, size, md5, extra, upload.meta_data, container, self)

    def _conditions(self, container: Container, name: str, upload: Upload) -> dict[str, str]:
        """Return the headers of the conditions of an upload.

        Azure compares ETags, not hashes: if the blob has the hash now (or the ETag, which is accepted in its
        place), its ETag is the condition, so nothing is replaced that another program writes from here on.
        """
        conditions = {"If-None-Match": "*"} if upload.if_none_match else {}
        if upload.if_match is None:
            return conditions
        found = self.get_object(container.name, name)
        etag = found.extra["etag"]
        if upload.if_match not in {found.hash, etag}:
            raise ObjectAlreadyExistsError(driver=self, object_name=name)
        return {**conditions, "If-Match": f'"{etag}"'}

    def _now(self, container: Container, name: str) -> Object | None:
        try:
            return self.get_object(container.name, name)
        except PolycloudError:
            return None


def _headers(upload: Upload) -> dict[str, str]:
    properties, meta_data = _fields(upload)
    return {**properties, **meta_data}


def _fields(upload: Upload) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers by which a blob keeps its properties, and its metadata.

    Raises `InvalidArgumentError` for what Azure cannot keep.
    """
    if upload.acl:
        message = 'Azure has no acl of objects; leave extra["acl"] out, and see enable_container_cdn'
        raise InvalidArgumentError(message)
    if upload.if_match == "":
        message = "if_match must be the hash of the object; if it has none, its extra['etag']"
        raise InvalidArgumentError(message)
    for name in upload.meta_data:
        if not IDENTIFIER.fullmatch(name):
            raise InvalidArgumentError(
                "names of metadata in Azure must be letters, digits and '_', and begin with no digit, "
                f"got {name!r}"
            )
    own = set(HEADERS.values())
    given = upload.headers.items()
    kept = {f"x-ms-blob-{name.lower()}" if name in own else name: text for name, text in given}
    return kept, metadata_headers(META, upload.meta_data)
