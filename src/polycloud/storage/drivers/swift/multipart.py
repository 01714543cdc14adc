"""Uploads in parts to Swift: the segments are sent side by side, the manifest that joins them at the end."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from itertools import groupby

import msgspec

from polycloud.errors import NotFoundError, UnsupportedOperationError
from polycloud.storage.contents import Content
from polycloud.storage.drivers.swift.connection import Named, SwiftConnection
from polycloud.storage.drivers.swift.objects import quoted
from polycloud.storage.drivers.swift.segments import Segments, SwiftSegments, prefix_of, read_manifest
from polycloud.storage.drivers.swift.versions import ListedVersion
from polycloud.storage.multipart import Part, PartedUpload
from polycloud.storage.objects import Container, Object
from polycloud.storage.types import ObjectHashMismatchError
from polycloud.utils.values import whole_number

SEGMENT = re.compile(r"(?P<key>.+)/slo/(?P<id>\d+-[0-9a-f]{12})/\d{8}", re.DOTALL)
"""The names of the segments that this driver makes: other programs use other names."""


ARCHIVES = ("x-versions-location", "x-history-location")
"""Headers of containers whose versions are in other containers."""


class MultipartUpload(msgspec.Struct, frozen=True):
    """An upload in parts that was begun, and neither finished nor aborted; `created_at` is UTC."""

    key: str
    id: str
    created_at: str | None = None


class SwiftPartedUpload(PartedUpload):
    """An upload in parts of an object.

    `headers` are those of its segments. `seal` sends the manifest, given how the names of its segments begin
    and what looks whether it has arrived; it returns the hash that Swift gives it, None if that was lost.
    `uploaded` returns the object, given its size and its hash.
    """

    def __init__(
        self,
        connection: SwiftConnection,
        container_name: str,
        object_name: str,
        upload_id: str | None,
        headers: dict[str, str],
        seal: Callable[[bytes, str, Callable[[], bool]], str | None],
        uploaded: Callable[[int, str], Object],
    ) -> None:
        super().__init__(upload_id or f"{time.time():.0f}-{secrets.token_hex(6)}")
        self._connection, self._segments = connection, Segments(connection, container_name)
        self._path = connection.path_of(container_name, object_name)
        self._prefix = f"{prefix_of(object_name)}{self.id}/"
        self._headers, self._seal, self._uploaded = headers, seal, uploaded
        self._sealed = False

    def put(self, number: int, offset: int, content: Content) -> str:
        """Send a segment; return its ETag and its size."""
        path = self._segments.path_of(self._segment(number))
        return f"{self._connection.put_bytes(path, content, self._headers)} {len(content)}"

    def put_copy(self, number: int, source: str, size: int) -> str:
        """Copy a segment from the path of another one; return its ETag and its size."""
        return f"{self._connection.copy(source, self._segments.path_of(self._segment(number)))} {size}"

    def complete(self, tags: list[str], size: int) -> Object:
        """Send the manifest, which Swift compares with the segments."""
        parts = [tag.split(" ") for tag in tags]
        manifest = [
            {
                "path": f"/{self._segments.container_name}/{self._segment(number)}",
                "etag": etag,
                "size_bytes": int(length),
            }
            for number, (etag, length) in enumerate(parts, 1)
        ]
        joined = "".join(etag for etag, _ in parts).encode()
        self._sealed = True
        expected = quoted(hashlib.md5(joined, usedforsecurity=False).hexdigest())
        found = self._seal(msgspec.json.encode(manifest), self._prefix, self._is_made)
        if found not in {None, expected}:
            message = f"Swift has another content: its hash is {found}, not {expected}"
            raise ObjectHashMismatchError(message, self._connection.driver)
        return self._uploaded(size, expected)

    def abort(self) -> None:
        """Delete the segments, unless the object is made of them."""
        if not (self._sealed and self._is_made()):
            self._segments.delete(segment.name for segment in self._segments.iterate(self._prefix))

    def parts(self) -> Iterator[Part]:
        """Yield the segments that Swift has."""
        for segment in self._segments.iterate(self._prefix):
            number = whole_number(segment.name.rpartition("/")[2])
            if number is None:  # an object of others
                continue
            yield Part(number, segment.bytes, f"{segment.hash} {segment.bytes}", segment.hash)

    def _segment(self, number: int) -> str:
        return f"{self._prefix}{number:08d}"

    def _is_made(self) -> bool:
        """Return whether the object is made of segments of this upload."""
        try:
            listed = read_manifest(self._connection, self._path, Named)
        except NotFoundError:
            return False
        own = f"/{self._segments.container_name}/{self._prefix}"
        return any(one.name.startswith(own) for one in listed)


class SwiftUnfinished(SwiftSegments):
    """Uploads that somebody left behind."""

    def ex_iterate_multipart_uploads(
        self, container: Container, prefix: str | None = None
    ) -> Iterator[MultipartUpload]:
        """Yield the uploads of objects whose names begin with `prefix` that are not finished.

        Their segments are kept, and cost money, until they are finished or aborted. Uploads of other programs
        are not among them.
        """
        for upload, _ in self._unfinished(container, prefix):
            yield upload

    def ex_cleanup_all_multipart_uploads(self, container: Container, prefix: str | None = None) -> bool:
        """Delete the segments of unfinished uploads of objects whose names begin with `prefix`."""
        for _, names in list(self._unfinished(container, prefix)):
            Segments(self.connection, container.name).delete(names)
        return True

    def _unfinished(
        self, container: Container, prefix: str | None
    ) -> Iterator[tuple[MultipartUpload, list[str]]]:
        """Yield the uploads with the names of their segments."""
        headers = self._look_up(container.name).headers
        if self._place_of_segments(container.name) is None:
            return
        if any(name in headers for name in ARCHIVES):
            raise UnsupportedOperationError(
                f"the container {container.name!r} keeps versions in another one, so which segments are used "
                "is unknown",
                self,
            )
        listed = Segments(self.connection, container.name).iterate(prefix)
        matched = ((match, one) for one in listed if (match := SEGMENT.fullmatch(one.name)))
        for (key, id_), group in groupby(matched, lambda pair: (pair[0]["key"], pair[0]["id"])):
            segments = [one for _, one in group]
            names = [one.name for one in segments]
            if not self._used(container, key).intersection(names):
                yield MultipartUpload(key, id_, segments[0].last_modified), names

    def _used(self, container: Container, name: str) -> set[str]:
        """Return the names of the segments of an object, and of its versions if they are kept."""
        used = {*self._own_segments(container.name, name)}
        if self._keeps_versions(container.name):
            for page in self._pages(container.name, ListedVersion, {"versions": "true", "prefix": name}):
                for item in page:
                    if item.name == name:
                        used.update(self._segments_of(item.of(self._of_list(container, item))))
        return used
