"""Uploads to Swift, whole or in parts, and changes of what an object has beside its content."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any

from polycloud.errors import InvalidArgumentError, PolycloudError, UnsupportedOperationError
from polycloud.storage.drivers.swift.connection import SwiftResponse
from polycloud.storage.drivers.swift.containers import MARK, SEGMENTS, swift_texts
from polycloud.storage.drivers.swift.multipart import SwiftPartedUpload, SwiftUnfinished
from polycloud.storage.drivers.swift.objects import META, quoted
from polycloud.storage.metadata import metadata_headers
from polycloud.storage.multipart import MultipartUploads
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectAlreadyExistsError
from polycloud.storage.uploads import LONGEST_NAME, Upload, update_of, upload_of
from polycloud.utils.status import HTTPStatus
from polycloud.utils.values import shown

LONGEST_SUFFIX = 40
"""The bytes that follow an object's name in the names of its segments."""
POLICY = "x-storage-policy"
DELETE_AT = "X-Delete-At"
KEPT = {DELETE_AT: "delete_at", "X-Object-Manifest": "manifest"}
"""Headers that an object loses in an update unless they are sent again, and their keys of `extra`."""
DELETE_AFTER = "X-Delete-After"
EXPIRY = frozenset({"x-delete-after", "x-delete-at", "x-remove-delete-at"})
LONGEST_UPLOAD = 86_400
"""Seconds by which segments outlive their object, which is made some time after the first of them."""


class SwiftUploads(SwiftUnfinished, MultipartUploads):
    """Uploads as Swift has them."""

    part_size = 5 * 1024 * 1024
    most_parts = 1000  # of Swift's usual configuration

    def upload_object_via_stream(
        self,
        iterator: Iterable[bytes] | bytes,
        container: Container,
        object_name: str,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        *,
        ex_delete_after: int | None = None,
        **options: Any,
    ) -> Object:
        """Create or replace an object, as a large object if it is longer than one part.

        `ex_delete_after` is the seconds after which Swift deletes it. Names in `meta_data` must not have an
        underscore. Swift knows `if_none_match`, but not `if_match`.
        """
        headers = _with_expiry(headers, ex_delete_after)
        return super().upload_object_via_stream(iterator, container, object_name, extra, headers, **options)

    def update_object(
        self, obj: Object, extra: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Object:
        """Replace metadata and headers of an object, not its content.

        Swift replaces all of them at once, so the object is read first; when it expires stays as it is.
        """
        self._require_update(obj, extra, headers)
        self._headers_of(upload_of(obj.name, extra, headers))
        path, found = self._path(obj.container.name, obj.name), self.get_object(obj.container.name, obj.name)
        upload = update_of(found, extra, headers)
        if obj.hash not in {"", found.hash}:
            raise ObjectAlreadyExistsError(driver=self, object_name=obj.name)
        kept = {name: str(found.extra[key]) for name, key in KEPT.items() if key in found.extra}
        if any(name.lower() in EXPIRY for name in upload.headers):
            kept.pop(DELETE_AT, None)
        with self._errors(obj.container.name, obj.name):
            self.connection.request(
                path, method="POST", headers={**kept, **self._headers_of(upload)}, idempotent=True
            )
        return self.get_object(obj.container.name, obj.name)

    def _upload_whole(self, container: Container, name: str, content: bytes, upload: Upload) -> Object:
        path, headers = self._path(container.name, name), self._headers_of(upload)
        with self._replacing(container.name, name):
            etag = self.connection.put_bytes(
                path,
                content,
                headers,
                idempotent=not upload.if_none_match,  # sent again, it would meet its own result
            )
        return self._uploaded(container, name, upload, len(content), etag)

    def _upload_in_parts(
        self, container: Container, name: str, upload: Upload, upload_id: str | None
    ) -> SwiftPartedUpload:
        headers = self._headers_of(upload)
        if len(name.encode()) > LONGEST_NAME - LONGEST_SUFFIX:
            raise InvalidArgumentError(
                f"object_name of a large object must have at most {LONGEST_NAME - LONGEST_SUFFIX} bytes in "
                f"Swift, got {len(name.encode())}: its segments have longer names"
            )
        if upload_id is None:
            self._make_segments_container(container.name)
        return SwiftPartedUpload(
            self.connection,
            container.name,
            name,
            upload_id,
            _expiry_of_segments(headers),
            partial(self._seal, container.name, name, headers, upload),
            partial(self._uploaded, container, name, upload),
        )

    def _make_segments_container(self, container_name: str) -> None:
        """Create the container for the segments of another one's objects, where those are stored."""
        policy = self._look_up(container_name).headers.get(POLICY)
        name = f"{container_name}{SEGMENTS}"
        headers = {MARK: "true", **({POLICY: policy} if policy else {})}
        with self._errors(name):
            self.connection.request(self._path(name), method="PUT", headers=headers)
        self._known.pop(container_name, None)

    def _seal(
        self,
        container_name: str,
        name: str,
        headers: dict[str, str],
        upload: Upload,
        manifest: bytes,
        prefix: str,
        is_made: Callable[[], bool],
    ) -> str | None:
        """Send a manifest of segments whose names begin with `prefix`; return the hash of the object.

        Returns None if the response was lost, but the object is made. An upload that goes on after its
        manifest was sent replaces itself, so its segments stay.
        """
        query = {"multipart-manifest": "put"}
        path, body = self._path(container_name, name), BytesIO(manifest)
        fields = {**headers, "Content-Length": str(len(manifest))}
        with self._replacing(container_name, name, prefix):
            try:
                response: SwiftResponse = self.connection.request(
                    path, query, body, fields, "PUT", idempotent=not upload.if_none_match
                )
                response.require(HTTPStatus.CREATED)
            except PolycloudError:
                with suppress(PolycloudError):
                    if is_made():
                        return None
                raise
        return quoted(response.headers.get("etag", ""))

    def _headers_of(self, upload: Upload) -> dict[str, str]:
        """Return the headers of an upload. Raises an error for what Swift does not have."""
        if upload.if_match is not None:
            raise UnsupportedOperationError(
                f"{self.name} knows no if_match for uploads, only if_none_match='*'", self
            )
        if upload.acl is not None:
            raise InvalidArgumentError(
                'extra["acl"]: objects of Swift have no access list; use ex_set_container_acl, or '
                "enable_container_cdn"
            )
        meta = swift_texts("meta_data", upload.meta_data)
        condition = {"If-None-Match": "*"} if upload.if_none_match else {}
        return {**upload.headers, **metadata_headers(META, meta), **condition}

    def _uploaded(self, container: Container, name: str, upload: Upload, size: int, etag: str) -> Object:
        kept = {**upload.extra(), "etag": etag}
        return Object(name, size, etag, kept, upload.meta_data, container, self)


def _with_expiry(headers: dict[str, str] | None, seconds: int | None) -> dict[str, str] | None:
    """Return the headers of an upload with the one that says when Swift deletes the object."""
    if seconds is None:
        return headers
    if not isinstance(seconds, int) or seconds < 1:
        raise InvalidArgumentError(f"ex_delete_after must be seconds from 1, got {shown(seconds)}")
    return {**(headers or {}), DELETE_AFTER: str(seconds)}


def _expiry_of_segments(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers of the segments of an object that has these."""
    given = {name.lower(): text for name, text in headers.items() if name.lower() in EXPIRY}
    after = given.pop(DELETE_AFTER.lower(), "")
    return {**given, DELETE_AFTER: str(int(after) + LONGEST_UPLOAD)} if after.isdecimal() else given
