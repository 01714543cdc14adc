"""Uploads to Google: in one request with their metadata, or in a session that takes part after part.

Google verifies the MD5 of both: that of a short object is in its metadata, that of a long one comes with its
last bytes.

Source: Google's documents "Multipart uploads" and "Objects: insert".
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import msgspec

from polycloud.storage.drivers.google_storage.connection import UPLOADS, GoogleStorageResponse, require_name
from polycloud.storage.drivers.google_storage.objects import GoogleObjects
from polycloud.storage.drivers.google_storage.session import Session, base64, session_of
from polycloud.storage.multipart import MultipartUploads, PartedUpload
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectAlreadyExistsError, ObjectHashMismatchError
from polycloud.storage.uploads import HEADERS, Upload, update_of

LARGEST = 5 * 1024**4


def camel_case(text: str) -> str:
    """Return words as the JSON API writes them: "contentType", "publicRead"."""
    return re.sub("[_-](.)", lambda found: found[1].upper(), text)


RESOURCE = {header: camel_case(key) for key, header in HEADERS.items()}
"""The headers of an object, and the fields of its resource that they are."""


class GoogleUploads(GoogleObjects, MultipartUploads):
    """Uploads as Google has them."""

    part_size = 8 * 1024 * 1024
    most_parts = LARGEST // part_size  # so that parts keep their size, a multiple of `QUANTUM`
    side_by_side = 1

    def update_object(
        self, obj: Object, extra: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> Object:
        """Replace metadata and headers of an object, in the generation that it has."""
        self._require_update(obj, extra, headers)
        found = self.get_object(obj.container.name, obj.name)
        if obj.hash not in {"", found.hash}:
            raise ObjectAlreadyExistsError(driver=self, object_name=obj.name)
        upload = update_of(found, extra, headers)
        resource, others = _resource(obj.name, upload)
        body: dict[str, Any] = {**dict.fromkeys(RESOURCE.values()), **resource}  # null removes a field
        body["metadata"] = {**dict.fromkeys(found.meta_data), **upload.meta_data}
        query = {"ifGenerationMatch": found.extra.get("generation"), **_acl(upload)}
        with self._errors(obj.container.name, obj.name):
            response: GoogleStorageResponse = self.connection.request(
                self._path(obj.container.name, obj.name),
                query,
                None,
                others,
                "PATCH",
                json=body,
                idempotent=True,
            )
        return self._object_of(response, obj.container)

    def _upload_whole(self, container: Container, name: str, content: bytes, upload: Upload) -> Object:
        digest = hashlib.md5(content, usedforsecurity=False).digest()
        resource, headers = _resource(require_name(name), upload)
        resource["md5Hash"] = base64(digest)
        conditions = self._conditions(container, name, upload)
        body, kind = _related(resource, content)
        response: GoogleStorageResponse = self._insert(
            container,
            {"uploadType": "multipart", **_acl(upload), **conditions},
            BytesIO(body),  # as a file: nobody searches for secrets in it
            {**headers, "Content-Type": kind, "Content-Length": str(len(body))},
            idempotent=not conditions,  # sent again, it would meet its own result
        )
        return self._finished(container, response, digest.hex(), len(content))

    def _upload_in_parts(
        self, container: Container, name: str, upload: Upload, upload_id: str | None
    ) -> PartedUpload:
        path = f"{self._path(container.name, api=UPLOADS)}/o"
        if upload_id is None:
            resource, headers = _resource(require_name(name), upload)
            query = {"uploadType": "resumable", **_acl(upload), **self._conditions(container, name, upload)}
            content, kind = msgspec.json.encode(resource), {"Content-Type": "application/json"}
            response = self._insert(container, query, content, {**headers, **kind}, idempotent=True)
            upload_id = session_of(response)

        def finish(response: GoogleStorageResponse, md5: str, size: int) -> Object:
            return self._finished(container, response, md5, size)

        return Session(self.connection, path, upload_id, finish)

    def _insert(
        self,
        container: Container,
        query: Mapping[str, Any],
        body: Any,
        headers: Mapping[str, str],
        *,
        idempotent: bool,
    ) -> GoogleStorageResponse:
        path, sent = f"{self._path(container.name, api=UPLOADS)}/o", {**self._key.use, **headers}
        response: GoogleStorageResponse = self.connection.request(
            path, query, body, sent, "POST", idempotent=idempotent
        )
        return response

    def _conditions(self, container: Container, name: str, upload: Upload) -> dict[str, Any]:
        """Return the condition of an upload: the generation of the object that it may replace."""
        if upload.if_none_match is not None:
            return {"ifGenerationMatch": 0}
        if upload.if_match is None:
            return {}
        found = self.get_object(container.name, name)
        if found.hash != upload.if_match:
            raise ObjectAlreadyExistsError(driver=self, object_name=name)
        return {"ifGenerationMatch": found.extra["generation"]}

    def _finished(self, container: Container, response: GoogleStorageResponse, md5: str, size: int) -> Object:
        """Return the object that an upload made; it is deleted if it has another content."""
        made = self._object_of(response, container)
        if made.size != size or made.md5 not in {None, md5}:
            self.delete_object(made)
            message = f"Google has another content: {made.size:,} bytes with the MD5 {made.md5}"
            raise ObjectHashMismatchError(message, self, made.name)
        return made


def _resource(name: str, upload: Upload) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the resource of an object, and the headers that are not part of it."""
    fields = {RESOURCE[header]: text for header, text in upload.headers.items() if header in RESOURCE}
    others = {header: text for header, text in upload.headers.items() if header not in RESOURCE}
    metadata = {"metadata": upload.meta_data} if upload.meta_data else {}
    return {"name": name, **fields, **metadata}, others


def _acl(upload: Upload) -> dict[str, str]:
    """Return the predefined list of access, which may be named as in S3: "public-read"."""
    return {"predefinedAcl": camel_case(upload.acl)} if upload.acl else {}


def _related(resource: Mapping[str, Any], content: bytes) -> tuple[bytes, str]:
    """Return a resource and its content as one body, and the type of that."""
    mark = secrets.token_hex(16)
    kinds = ("application/json; charset=UTF-8", resource["contentType"])
    first, second = (f"--{mark}\r\nContent-Type: {kind}\r\n\r\n".encode() for kind in kinds)
    parts = (first, msgspec.json.encode(resource), b"\r\n", second, content, f"\r\n--{mark}--".encode())
    return b"".join(parts), f"multipart/related; boundary={mark}"
