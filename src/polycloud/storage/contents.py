"""The bytes of one request of an upload: from memory, or a part of a file that is read while it is sent.

So memory holds little of a long file, however long its parts are. What is sent is read twice: for its
checksum, which comes before it, and to be sent. If the file changed in between, the provider says that the
checksum is wrong.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

from polycloud.errors import PolycloudError

__all__ = ["Content", "FilePart", "body_of", "bytes_of", "crc32_of", "md5_of"]

PIECE = 1 << 18


class FilePart(io.RawIOBase):
    """A part of an open regular file, as a file of its own; several may be read at the same time."""

    def __init__(self, fd: int, start: int, size: int) -> None:
        super().__init__()
        self._fd, self._start, self._size = fd, start, size
        self._position = 0

    def __len__(self) -> int:
        return self._size

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, `size` at most. Raises `PolycloudError` if the file has become shorter."""
        left = self._size - self._position
        wanted = left if size < 0 else min(size, left)
        piece = os.pread(self._fd, wanted, self._start + self._position)
        if wanted and not piece:
            raise PolycloudError("the file became shorter while it was read")
        self._position += len(piece)
        return piece

    def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        """Go on at a position of the part, counted from its beginning."""
        if whence != os.SEEK_SET:
            raise io.UnsupportedOperation("positions are counted from the beginning")
        self._position = position
        return position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seekable(self) -> bool:
        """Return True."""
        return True


Content = bytes | FilePart


def body_of(content: Content) -> IO[bytes]:
    """Return the content as a file."""
    return io.BytesIO(content) if isinstance(content, bytes) else cast("IO[bytes]", content)


def bytes_of(content: Content) -> bytes:
    """Return the content in memory."""
    return content if isinstance(content, bytes) else b"".join(_pieces(content))


def md5_of(content: Content) -> Any:
    """Return the MD5 of the content, a hash object."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in _pieces(content):
        digest.update(piece)
    return digest


def crc32_of(content: Content) -> int:
    """Return the CRC-32 of the content."""
    crc = 0
    for piece in _pieces(content):
        crc = zlib.crc32(piece, crc)
    return crc


def _pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    content.seek(0)
    while piece := content.read(PIECE):
        yield piece
    content.seek(0)
