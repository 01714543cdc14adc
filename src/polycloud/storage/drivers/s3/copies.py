"""Copies that S3 makes alone, whole or in parts, and changes of metadata, which are copies onto themselves.

Source: Amazon's reference of the S3 REST API, "CopyObject" and "UploadPartCopy".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import ceil
from typing import Any, ClassVar

import msgspec

from polycloud.common.building import quoted
from polycloud.storage.drivers.s3.acl import S3ACLs
from polycloud.storage.drivers.s3.bodies import bare
from polycloud.storage.drivers.s3.connection import S3Response
from polycloud.storage.drivers.s3.encryption import METHOD, encryption_of
from polycloud.storage.drivers.s3.objects import S3Objects
from polycloud.storage.drivers.s3.uploads import S3Uploads, upload_headers
from polycloud.storage.multipart import aborted_if_it_fails
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectAlreadyExistsError
from polycloud.storage.uploads import Upload, require_object_name, update_of
from polycloud.utils.headers import Headers

SOURCE = "x-amz-copy-source"
LOST = (
    "expires",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
)
"""Headers of an object that a copy onto itself loses, unless they are sent again."""
OF_ONE_OBJECT = frozenset(
    {
        *("version_id", "is_latest", "is_delete_marker", "last_modified", "etag", "owner"),
        *("encryption", "storage_class"),
    }
)
"""The keys of `extra` that a copy does not have from its source."""


class Copied(msgspec.Struct):
    """The response to a copy."""

    etag: str = msgspec.field(name="ETag")
    modified: str | None = msgspec.field(name="LastModified", default=None)


class S3Copies(S3ACLs, S3Uploads, S3Objects):
    """Copies as S3 makes them."""

    largest_copy: ClassVar[int] = 5 * 1024**3
    """The most bytes that one request copies."""
    copied_part: ClassVar[int] = 1024**3
    """The bytes of a part of a longer copy."""

    def copy_object(self, obj: Object, container: Container, object_name: str | None = None) -> Object:
        """Copy an object, in parts if it is longer than 5 GiB; no byte of it passes here."""
        name = require_object_name(object_name or obj.name)
        self._require_content(obj)
        if obj.version_id is None and (container.name, name) == (obj.container.name, obj.name):
            return self.update_object(obj)  # S3 refuses a copy that changes nothing
        if obj.size <= self.largest_copy:
            return self._copied(obj, container, name, {})
        found = self._found(obj)
        self._require_hash(obj, found)
        return self._copied_in_parts(found, container, name, update_of(found, None), {})

    def update_object(
        self, obj: Object, extra: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Object:
        """Replace metadata and headers of an object by a copy onto itself, which S3 makes alone.

        Storage class, encryption, tags and locks stay, and so does an ACL that the credentials may read. In a
        container that keeps versions the copy is a new version.
        """
        self._require_update(obj, extra, headers)
        kept = self._head(obj.container.name, obj.name)
        found = self._object(obj.container, obj.name, kept)
        upload = update_of(found, extra, headers)
        self._require_hash(obj, found)
        own = self._kept_headers(kept)
        if upload.acl is None:
            own |= self._acl_headers(found)
        if found.size > self.largest_copy:
            return self._copied_in_parts(found, obj.container, obj.name, upload, own)
        sent = {**own, **upload_headers(upload), "x-amz-metadata-directive": "REPLACE"}
        is_same = found.md5 is not None  # else the copy gets another ETag: sent again, it would meet itself
        found.extra, found.meta_data = upload.extra(), upload.meta_data
        return self._copied(found, obj.container, obj.name, sent, idempotent=is_same)

    def _require_hash(self, obj: Object, found: Object) -> None:
        """Raise `ObjectAlreadyExistsError` if an object has another hash now than when it was read."""
        if obj.hash not in {"", found.hash}:
            raise ObjectAlreadyExistsError(driver=self, object_name=obj.name)

    def _kept_headers(self, found: Headers) -> dict[str, str]:
        kept = {name: found[name] for name in LOST if name in found}
        own = self.connection.encryption.create
        return {name: text for name, text in kept.items() if not (own and name.startswith(METHOD))}

    def _copied(
        self,
        obj: Object,
        container: Container,
        name: str,
        headers: Mapping[str, str],
        *,
        idempotent: bool = True,
    ) -> Object:
        """Copy an object in one request."""
        path = self._path(container.name, name)
        sent = {**self.connection.encryption.create, **headers, **self._source(obj)}
        with self._errors(obj.container.name, obj.name):
            response: S3Response = self._send(
                container.name,
                lambda one: one.request(path, None, None, sent, "PUT", idempotent=idempotent),
            )
            # It may begin with the status 200 and end as an error
            copied = response.read("CopyObjectResult", Copied)
        etag = bare(copied.etag)
        extra = {key: obj.extra[key] for key in obj.extra if key not in OF_ONE_OBJECT}
        extra |= {"etag": etag, "last_modified": copied.modified, **encryption_of(response.headers)}
        return Object(name, obj.size, etag, extra, obj.meta_data, container, self)

    def _copied_in_parts(
        self, obj: Object, container: Container, name: str, upload: Upload, headers: Mapping[str, str]
    ) -> Object:
        """Copy an object in parts, of which some are copied at once."""
        with self._errors(obj.container.name, obj.name):
            parted = self._upload_in_parts(
                container, name, msgspec.structs.replace(upload, headers={**headers, **upload.headers}), None
            )
            length = max(self.copied_part, ceil(obj.size / self.most_parts))
            copies = [
                partial(parted.copy, number, start, min(start + length, obj.size), self._source(obj))
                for number, start in enumerate(range(0, obj.size, length), 1)
            ]
            with aborted_if_it_fails(parted):
                tags = self.connection.gather(copies, limit=self.side_by_side)
                return parted.complete(tags, obj.size)

    def _source(self, obj: Object) -> dict[str, str]:
        """Return the headers that name what is copied, as it is now."""
        version = "" if obj.version_id is None else f"?versionId={quoted(obj.version_id, '')}"
        source = {SOURCE: self._path(obj.container.name, obj.name) + version}
        condition = {f"{SOURCE}-if-match": obj.hash} if obj.hash else {}
        return {**source, **condition, **self.connection.encryption.copy}
