"""Verify the content of a download by the size and the checksum of its object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from polycloud.storage.objects import Object
from polycloud.storage.types import ObjectHashMismatchError

__all__ = ["Checksum", "verified"]


class Checksum(NamedTuple):
    """What the content of an object must have, in hexadecimal digits; `digest` computes it like hashlib's."""

    name: str
    digest: Any
    expected: str

    @classmethod
    def of(cls, obj: Object) -> Checksum | None:
        """Return the checksum by which the content of an object is verified; None if it has none."""
        return obj.driver._checksum(obj)  # noqa: SLF001 - the driver's part of this module

    def require(self, obj: Object) -> None:
        """Raise `ObjectHashMismatchError` if the content of `obj`, which was digested, has another one."""
        found = self.digest.digest().hex()
        if found != self.expected:
            message = f"the content of {obj.name!r} has the {self.name} {found}, not {self.expected}"
            raise ObjectHashMismatchError(message, obj.driver, obj.name)


def verified(obj: Object, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield `pieces`, the content of `obj`.

    Raises `ObjectHashMismatchError` at the end if it has another size or checksum.
    """
    checksum = Checksum.of(obj)
    size = 0
    for piece in pieces:
        size += len(piece)
        if checksum is not None:
            checksum.digest.update(piece)
        yield piece
    if size != obj.size:
        message = f"the content of {obj.name!r} has {size:,} bytes, not {obj.size:,}"
        raise ObjectHashMismatchError(message, obj.driver, obj.name)
    # There is none by now if the response says that the hash is none of the content
    if checksum is not None and Checksum.of(obj) is not None:
        checksum.require(obj)
