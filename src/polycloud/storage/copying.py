"""Copy an object to another container, of the same provider or of another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from polycloud.errors import InvalidArgumentError
from polycloud.storage.objects import Container, Object
from polycloud.storage.resuming import StatePath
from polycloud.storage.types import ObjectHashMismatchError
from polycloud.storage.uploads import HEADERS
from polycloud.utils.values import shown

__all__ = ["copy", "streamed_copy", "verified_copy"]


def copy(obj: Object, container: Container, name: str | None = None, *, resume: StatePath = None) -> Object:
    """Copy an object with its content type and metadata; return the copy.

    If both are of one account, its provider may copy without a byte passing here. Else the object is
    streamed, a few parts in memory at a time, and verified on both ways.

    Args:
        obj: The object, from `get_object`: lists do not tell its metadata.
        container: Where the copy goes.
        name: Its name; the same by default.
        resume: A file that remembers the copy until it is complete; see `upload_object_via_stream`.

    Raises:
        ObjectDoesNotExistError: There is no such object any more.
        ObjectHashMismatchError: The copy has another content; it was deleted.
        InvalidArgumentError: An argument has another type.
        PolycloudError: Another error of one of the two providers.
    """
    if not isinstance(obj, Object) or not isinstance(container, Container):
        found = f"{shown(obj)} and {shown(container)}"
        raise InvalidArgumentError(f"expected an Object and a Container, got {found}")
    return verified_copy(obj, container, obj.name if name is None else name, resume)[0]


def verified_copy(
    obj: Object, container: Container, name: str, resume: StatePath = None
) -> tuple[Object, bool]:
    """Copy an object as `copy` does; return the copy, and whether its MD5 is known to be the source's."""
    source, target = obj.driver, container.driver
    streams = hasattr(type(target).copy_object, "needs")  # it is the base's, which has no verdict
    if streams or not target.same_account(source):
        return streamed_copy(obj, container, name, resume)
    made = target.copy_object(obj, container, name)
    return made, made.md5 is not None and made.md5 == obj.md5


def streamed_copy(
    obj: Object, container: Container, name: str, resume: StatePath = None
) -> tuple[Object, bool]:
    """Copy an object by a download and an upload at the same time.

    Returns the copy, and whether its MD5 was compared with that of the source, which is computed on the way
    if the source has none. Raises `ObjectHashMismatchError` if the copy has another content; it was deleted.
    """
    import hashlib

    digest = None if obj.md5 else hashlib.md5(usedforsecurity=False)

    def content() -> Iterator[bytes]:
        for piece in obj.driver.download_object_as_stream(obj):
            if digest is not None:
                digest.update(piece)
            yield piece

    extra: dict[str, Any] = {key: obj.extra[key] for key in HEADERS if obj.extra.get(key)}
    extra["meta_data"] = obj.meta_data
    made = container.upload_object_via_stream(content(), name, extra, resume=resume)
    expected = obj.md5 if digest is None else digest.hexdigest()
    if made.size != obj.size or (made.md5 and made.md5 != expected):
        made.delete()
        message = f"the copy of {obj.name!r} has {made.size:,} bytes and the hash {made.hash!r}"
        raise ObjectHashMismatchError(message, container.driver, name)
    return made, made.md5 is not None
