"""Uploads to Azure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from polycloud.errors import InvalidArgumentError
from polycloud.storage.drivers.azure_blobs.containers import META
from polycloud.storage.drivers.azure_blobs.objects import BLOCK_BLOB, AzureObjects
from polycloud.storage.objects import Container, Object
from polycloud.storage.sources import Source
from polycloud.storage.types import ObjectAlreadyExistsError, ObjectHashMismatchError
from polycloud.storage.uploads import HEADERS, Upload, upload_of

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class AzureUploads(AzureObjects):
    """Uploads as Azure has them."""

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
        """Create or replace a block blob."""
        upload = upload_of(object_name, extra, headers, if_match, if_none_match)
        path, kept = self._path(container.name, object_name), _headers(upload)
        source = Source(iterator)
        content = source.read(1 << 62)
        with self._errors(container.name, object_name):
            conditions = self._conditions(container, object_name, upload)
            etag, digest = self._put(path, content, {**kept, **conditions}, idempotent=not conditions)
        own = {**upload.extra(), "etag": etag, "blob_type": BLOCK_BLOB}
        return Object(object_name, len(content), digest, own, upload.meta_data, container, self)

    def _put(
        self, path: str, content: bytes, headers: dict[str, str], *, idempotent: bool
    ) -> tuple[str, str]:
        """Send a whole blob; return its ETag and its MD5."""
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        fields = {
            **headers,
            "x-ms-blob-type": BLOCK_BLOB,
            "Content-MD5": base64.b64encode(md5).decode(),
            "Content-Length": str(len(content)),
        }
        response = self.connection.request(path, None, BytesIO(content), fields, "PUT", idempotent=idempotent)
        etag = response.headers.get("etag", "").strip('"')
        if not etag:
            raise response.malformed("the response must have an ETag")
        if response.headers.get("content-md5", fields["Content-MD5"]) != fields["Content-MD5"]:
            raise ObjectHashMismatchError("the store has another content than was sent", self)
        return etag, md5.hex()

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


def _headers(upload: Upload) -> dict[str, str]:
    """Return the headers by which a blob keeps its properties and metadata.

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
                f"names of metadata in Azure must be letters, digits and '_', and begin with no digit, "
                f"got {name!r}"
            )
    own = set(HEADERS.values())
    kept = {
        f"x-ms-blob-{name.lower()}" if name in own else name: text for name, text in upload.headers.items()
    }
    return {**kept, **{META + name: text for name, text in upload.meta_data.items()}}
