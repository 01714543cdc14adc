"""Copy an object to another container, of the same provider or of another one."""

from __future__ import annotations

from polycloud.storage.base import streamed_copy
from polycloud.storage.objects import Container, Object

__all__ = ["copy", "verified_copy"]


def copy(obj: Object, container: Container, name: str | None = None) -> Object:
    """Copy an object with its content type and metadata; return the copy.

    If both are of one account, its provider may copy without a byte passing here. Else the object is
    streamed, a few parts in memory at a time, and verified on both ways.

    Args:
        obj: The object, from `get_object`: lists do not tell its metadata.
        container: Where the copy goes.
        name: Its name; the same by default.

    Raises:
        ObjectDoesNotExistError: There is no such object any more.
        ObjectHashMismatchError: The copy has another content; it was deleted.
        PolycloudError: Another error of one of the two providers.
    """
    return verified_copy(obj, container, obj.name if name is None else name)[0]


def verified_copy(obj: Object, container: Container, name: str) -> tuple[Object, bool]:
    """Copy an object as `copy` does; return the copy, and whether its MD5 is known to be the source's."""
    source, target = obj.driver, container.driver
    if not target.same_account(source):
        return streamed_copy(obj, container, name)
    made = target.copy_object(obj, container, name)
    return made, made.md5 is not None and made.md5 == obj.md5
