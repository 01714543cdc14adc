"""Google's objects: lists, metadata, downloads, copies and deletes."""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec

from polycloud.common.payload import Item, LazyExtra
from polycloud.concurrency.calls import together
from polycloud.errors import InvalidArgumentError, MalformedResponseError, NotFoundError, ProviderHTTPError
from polycloud.storage.drivers.google_storage.connection import (
    GoogleStorageBase,
    GoogleStorageResponse,
    require_name,
)
from polycloud.storage.objects import Container, Object
from polycloud.storage.sources import rechunked
from polycloud.storage.types import ObjectDoesNotExistError
from polycloud.storage.verifying import Checksum
from polycloud.utils.status import HTTPStatus

AS_KEPT = {"Accept-Encoding": "gzip, identity"}
"""The content as it is kept: without gzip, Google unpacks what was uploaded with that encoding."""
EVERYBODY = {"entity": "allUsers", "role": "READER"}
KEYS = {
    "contentType": "content_type",
    "contentEncoding": "content_encoding",
    "contentDisposition": "content_disposition",
    "contentLanguage": "content_language",
    "cacheControl": "cache_control",
    "updated": "last_modified",
    "timeCreated": "creation_date",
    "timeDeleted": "deletion_date",
    "etag": "etag",
    "generation": "generation",
    "metageneration": "metageneration",
    "storageClass": "storage_class",
    "crc32c": "crc32c",
    "componentCount": "component_count",
    "owner": "owner",
}
"""The fields of an object that are in `extra` if it has them, and their keys."""


class ObjectPayload(msgspec.Struct):
    """An object. One that was composed of others has no MD5."""

    name: str
    size: int
    md5: str | None = msgspec.field(name="md5Hash", default=None)
    etag: str = ""
    generation: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,19}$")] | None = None
    metadata: dict[str, str | None] | None = None


class ObjectsPayload(msgspec.Struct):
    """Objects of a list, or one in the response to a copy."""

    items: list[ObjectPayload] = []
    resource: ObjectPayload | None = None


class FoldersPayload(msgspec.Struct):
    """The folders on a page of a list."""

    prefixes: list[str] = []


class RewritePayload(msgspec.Struct):
    """How far a copy is: `token` continues it, unless it is `done`."""

    done: bool
    token: str | None = msgspec.field(name="rewriteToken", default=None)
    resource: msgspec.Raw = msgspec.Raw(b"")


def extra_of(raw: bytes) -> dict[str, Any]:
    """Return the `extra` of an object."""
    fields = msgspec.json.decode(raw)
    return {key: fields[name] for name, key in KEYS.items() if fields.get(name) is not None}


class GoogleObjects(GoogleStorageBase):
    """Objects as Google has them."""

    def iterate_container_objects(
        self, container: Container, prefix: str | None = None, ex_prefix: str | None = None
    ) -> Iterator[Object]:
        """Yield the objects with their metadata, a page of 1,000 at a time."""
        for response, items in self._listed(container, {"prefix": prefix or ex_prefix or None}):
            yield together(self._built(response, items, container))

    def iterate_folder(self, container: Container, prefix: str = "") -> Iterator[Object | str]:
        """Yield what is directly in a folder, as Google groups it: of each page its objects first."""
        query = {"prefix": prefix or None, "delimiter": "/"}
        for response, items in self._listed(container, query):
            yield from self._built(response, items, container)
            yield from response.decode(FoldersPayload).prefixes

    def get_object(self, container_name: str, object_name: str) -> Object:
        """Return an object with its metadata."""
        path = self._path(container_name, require_name(object_name))
        with self._errors(container_name, object_name):
            response: GoogleStorageResponse = self.connection.request(path, None, None, self._key.use)
        return self._object_of(response, Container(container_name, None, self))

    def download_object_range_as_stream(
        self, obj: Object, start_bytes: int, end_bytes: int | None = None, chunk_size: int | None = None
    ) -> Iterator[bytes]:
        """Yield a part of an object, in the generation in which `obj` was read."""
        self._require_range(obj, start_bytes, end_bytes, chunk_size)
        return rechunked(self._content(obj, start_bytes, end_bytes), chunk_size)

    def delete_object(self, obj: Object) -> bool:
        """Delete an object, or a version of one."""
        path = self._path(obj.container.name, require_name(obj.name))
        with self._errors(obj.container.name, obj.name):
            self.connection.request(path, {"generation": obj.version_id}, method="DELETE")
        return True

    def copy_object(self, obj: Object, container: Container, object_name: str | None = None) -> Object:
        """Copy an object; Google does it alone, in several requests if it is long."""
        name = require_name(object_name or obj.name)
        target = self._path(container.name, name).removeprefix("/storage/v1/")
        path = f"{self._path(obj.container.name, require_name(obj.name))}/rewriteTo/{target}"
        query = {"sourceGeneration": obj.extra.get("generation")}
        while True:
            with self._errors(obj.container.name, obj.name), self._required(container):
                response: GoogleStorageResponse = self.connection.request(
                    path, query, None, {**self._key.use, **self._key.source}, "POST", idempotent=True
                )
            state = response.decode(RewritePayload)
            if state.done and state.resource:
                return self._built(response, [state.resource], container)[0]
            if state.done or not state.token or state.token == query.get("rewriteToken"):
                raise response.malformed("a copy must end, or name the token that continues it")
            query["rewriteToken"] = state.token

    def get_object_cdn_url(self, obj: Object) -> str:
        """Return the address of the object; the public reads it there after `enable_object_cdn`."""
        return self._public_url(obj.container.name, obj.name)

    def enable_object_cdn(self, obj: Object) -> bool:
        """Let everybody read the object; its bucket must allow lists of access for single objects."""
        path = f"{self._path(obj.container.name, require_name(obj.name))}/acl"
        with self._errors(obj.container.name, obj.name):
            self.connection.request(path, method="POST", json=EVERYBODY, idempotent=True)
        return True

    def _listed(
        self, container: Container, query: dict[str, Any]
    ) -> Iterator[tuple[GoogleStorageResponse, list[msgspec.Raw]]]:
        """Yield the pages of a list of objects."""
        pages = self._pages(f"{self._path(container.name)}/o", query, "storage#objects")
        while True:
            with self._errors(container.name):
                page = next(pages, None)
            if page is None:
                return
            yield page

    def _built(
        self, response: GoogleStorageResponse, raws: list[msgspec.Raw], container: Container
    ) -> list[Object]:
        return response.built(
            raws, ObjectPayload, lambda item: self._object(item, container), lambda: ObjectsPayload
        )

    @contextmanager
    def _required(self, container: Container) -> Iterator[None]:
        """Raise `ContainerDoesNotExistError` if that is why something was not found."""
        try:
            yield
        except NotFoundError:
            self._require_container(container.name)
            raise

    def _content(self, obj: Object, start: int, end: int | None) -> Iterator[bytes]:
        path = self._path(obj.container.name, require_name(obj.name))
        query = {"alt": "media", "generation": obj.extra.get("generation")}
        headers = {**AS_KEPT, **self._key.use}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            with self._errors(obj.container.name, obj.name):
                response: GoogleStorageResponse = self.connection.request(
                    path, query, None, headers, stream=True
                )
        except ProviderHTTPError as error:
            ours = self._unreadable(error, obj)
            if ours is None:
                raise
            raise ours from error
        if problem := _problem(response, obj, start, end):
            response.close()
            raise response.malformed(problem)
        return response.iter_bytes()

    def _unreadable(
        self, error: ProviderHTTPError, obj: Object
    ) -> ObjectDoesNotExistError | InvalidArgumentError | None:
        if error.code == HTTPStatus.RANGE_NOT_SATISFIABLE:
            return InvalidArgumentError(f"start_bytes must be within the object {obj.name!r}", self)
        if isinstance(error, ObjectDoesNotExistError) and obj.extra.get("generation"):
            message = f"the object {obj.name!r} was replaced or deleted since it was read"
            ours = ObjectDoesNotExistError(message, self, obj.name)
            ours.exchange = error.exchange
            return ours
        return None

    def _checksum(self, obj: Object) -> Checksum | None:
        """Return the MD5 of an object; the CRC32C of one that has no MD5, with the extra `google`."""
        found, crc = super()._checksum(obj), obj.extra.get("crc32c")
        if found is not None or not crc:
            return found
        try:
            import google_crc32c
        except ImportError:  # then its size is all that is verified
            return None
        digest: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
        return Checksum("CRC32C", digest, a2b_base64(crc).hex())

    def _object_of(self, response: GoogleStorageResponse, container: Container) -> Object:
        return self._object(Item(response.decode(ObjectPayload), response.content), container)

    def _object(self, item: Item[ObjectPayload], container: Container) -> Object:
        one = item.value
        return Object(
            one.name,
            one.size,
            hash_of(one),
            LazyExtra(item.raw, extra_of),
            {name: text for name, text in (one.metadata or {}).items() if text is not None},
            container,
            self,
        )


def hash_of(payload: ObjectPayload) -> str:
    """Return the MD5 of an object in hexadecimal digits; its ETag if it has none."""
    try:
        return a2b_base64(payload.md5 or "").hex() or payload.etag
    except ValueError:
        raise MalformedResponseError(f"the MD5 of {payload.name!r} must be base64") from None


def _problem(response: GoogleStorageResponse, obj: Object, start: int, end: int | None) -> str | None:
    """Return what is wrong with a response that should have content; None if nothing is."""
    generation, headers = obj.extra.get("generation"), response.headers
    if headers.get("x-goog-generation", generation) != generation and generation is not None:
        return f"the response must be of the generation {generation}"
    if (start or end is not None) and not headers.get("content-range", "").startswith(f"bytes {start}-"):
        return f"the response must be the range from byte {start}"
    size = (obj.size if end is None else min(end, obj.size)) - start
    if headers.get("content-length", str(size)) != str(size):
        return f"the response must have {size:,} bytes"
    return None
