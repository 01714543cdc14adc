"""Copies that Swift makes alone.

Swift copies a large object into one without segments, of 5 GiB at most, which meets no `If-Match` but that of
the large object's ETag. So the segments are copied instead, and get a manifest of their own.
"""

from __future__ import annotations

from functools import partial

import msgspec

from polycloud.errors import NotFoundError
from polycloud.storage.drivers.swift.objects import is_large
from polycloud.storage.drivers.swift.uploads import SwiftUploads
from polycloud.storage.multipart import aborted_if_it_fails
from polycloud.storage.objects import Container, Object
from polycloud.storage.uploads import HEADERS, Upload, require_object_name


class Segment(msgspec.Struct):
    """A segment in a manifest; `range` and `sub_slo` are of manifests that other programs make."""

    name: str
    bytes: int
    range: str | None = None
    sub_slo: bool = False


class SwiftCopies(SwiftUploads):
    """Copies as Swift has them."""

    def copy_object(self, obj: Object, container: Container, object_name: str | None = None) -> Object:
        """Copy an object as it is now; Swift does it alone, also for large objects that this library made."""
        name = require_object_name(object_name or obj.name)
        self._require_content(obj)
        source = self._found(obj)
        if not is_large(source.hash):
            return self._copy_whole(source, container, name)
        segments = self._manifest(source, Segment)
        if not segments or any(one.range or one.sub_slo for one in segments):
            return super().copy_object(source, container, name)
        return self._copy_segments(source, segments, container, name)

    def _copy_whole(self, source: Object, container: Container, name: str) -> Object:
        place = self._path(source.container.name, source.name)
        with self._replacing(container.name, name):
            try:
                self.connection.copy(place, self._path(container.name, name), source.version_id)
            except NotFoundError:
                self._look_up(container.name)
                self._found(source)
                raise
        return self.get_object(container.name, name)  # the source may have been replaced in the meantime

    def _copy_segments(
        self, source: Object, segments: list[Segment], container: Container, name: str
    ) -> Object:
        headers = {HEADERS[key]: source.extra[key] for key in HEADERS if source.extra.get(key)}
        upload = Upload(headers, source.meta_data)
        with self._errors(container.name, name):
            parted = self._upload_in_parts(container, name, upload, None)
            with aborted_if_it_fails(parted):
                copies = [
                    partial(parted.put_copy, number, self._path(*one.name[1:].split("/", 1)), one.bytes)
                    for number, one in enumerate(segments, 1)
                ]
                tags = self.connection.gather(copies, limit=self.side_by_side)
                return parted.complete(tags, source.size)
