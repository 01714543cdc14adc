"""What a driver requires of arguments before it sends anything."""

from __future__ import annotations

from typing import Any

from polycloud.errors import InvalidArgumentError
from polycloud.storage.objects import Object
from polycloud.storage.types import ObjectDoesNotExistError
from polycloud.storage.uploads import require_object_name, upload_of

__all__ = ["Requirements"]


class Requirements:
    """The checks that the drivers of all providers share."""

    def _require_update(
        self, obj: Object, extra: dict[str, Any] | None, headers: dict[str, str] | None
    ) -> None:
        """Raise `InvalidArgumentError` for values that cannot be sent, and for a version of an object."""
        upload_of(require_object_name(obj.name), extra, headers)
        if obj.version_id is not None:
            raise InvalidArgumentError(
                f"the version {obj.version_id} of {obj.name!r} cannot be changed; pass get_object's result"
            )

    def _require_range(self, obj: Object, start: int, end: int | None, chunk_size: int | None = None) -> None:
        """Raise `InvalidArgumentError` for a range that the object does not have."""
        self._require_content(obj)
        if start < 0:
            raise InvalidArgumentError(f"start_bytes must be 0 or more, got {start}")
        if start and start >= obj.size:
            raise InvalidArgumentError(
                f"start_bytes must be less than the {obj.size:,} bytes of {obj.name!r}, got {start}"
            )
        if end is not None and end <= start:
            raise InvalidArgumentError(f"end_bytes must be more than start_bytes ({start}), got {end}")
        self._require_chunk_size(chunk_size)

    def _require_chunk_size(self, chunk_size: int | None) -> None:
        if chunk_size is not None and chunk_size < 0:
            raise InvalidArgumentError(f"chunk_size must be 0 or more, got {chunk_size}")

    def _require_content(self, obj: Object) -> None:
        """Raise `ObjectDoesNotExistError` for a delete marker, which has no content."""
        if obj.extra.get("is_delete_marker"):
            message = f"the version {obj.version_id} of {obj.name!r} is a delete marker, without content"
            raise ObjectDoesNotExistError(message, self, obj.name)
