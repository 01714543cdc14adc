"""Verify the content of a download by the size and the hash of its object."""

from __future__ import annotations

from collections.abc import Iterator

from polycloud.storage.objects import Object
from polycloud.storage.types import ObjectHashMismatchError

__all__ = ["verified"]


def verified(obj: Object, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield `pieces`, the content of `obj`.

    Raises `ObjectHashMismatchError` at the end if it has another size or hash.
    """
    import hashlib

    digest = None if obj.md5 is None else hashlib.md5(usedforsecurity=False)
    size = 0
    for piece in pieces:
        size += len(piece)
        if digest is not None:
            digest.update(piece)
        yield piece
    if size != obj.size:
        message = f"the content of {obj.name!r} has {size:,} bytes, not {obj.size:,}"
        raise ObjectHashMismatchError(message, obj.driver, obj.name)
    expected = obj.md5  # None by now if the response says that the hash is none of the content
    if digest is not None and expected is not None and digest.hexdigest() != expected:
        message = f"the content of {obj.name!r} has the MD5 {digest.hexdigest()}, not {expected}"
        raise ObjectHashMismatchError(message, obj.driver, obj.name)
