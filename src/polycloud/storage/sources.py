"""What is uploaded: bytes, a file, or an iterator, read in parts of a size that the driver chooses.

The idea: a driver asks `Source.read(size)` for the next bytes and gets exactly as many, unless the end has
come. So it knows after the first part whether one request is enough, whatever the size of the pieces in
which an iterator yields. A regular file is also read by position (`part`), so that its parts can be sent side
by side, each read while it is sent.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.storage.contents import FilePart
from polycloud.storage.uploads import Progress, require_progress
from polycloud.utils.values import shown

__all__ = ["Source", "counted"]

PIECE = 1 << 18
BYTES = bytes | bytearray | memoryview
END = object()
"""What follows the last piece; None would hide a piece that is None."""


class Source:
    """Bytes to upload, in order; `size` is their number, None if it is not known before the end.

    Raises `InvalidArgumentError` for what has no bytes.
    """

    def __init__(self, content: Any) -> None:
        self._buffer = bytearray()
        self._pieces: Iterator[Any] = iter(())
        self._file: Any = None
        self._found: os.stat_result | None = None
        self._start = 0
        self.size: int | None = None
        if isinstance(content, BYTES):
            view = memoryview(_flat(content)).cast("B")
            self.size = len(view)
            self._pieces = (view[at : at + PIECE] for at in range(0, len(view), PIECE))
        elif hasattr(content, "read"):
            self._take_file(content)
        elif isinstance(content, Iterable) and not isinstance(content, str | dict):
            self._pieces = iter(content)
        else:
            raise InvalidArgumentError(
                f"expected bytes, a file opened in binary mode or an iterator of bytes, got {shown(content)}"
            )

    def _take_file(self, file: Any) -> None:
        if getattr(file, "closed", False) is True or not getattr(file, "readable", lambda: True)():
            raise InvalidArgumentError(f"a file must be open for reading, got {shown(file)}")
        # What only has the descriptor of a file, such as a GzipFile, yields other bytes than the file has
        if isinstance(getattr(file, "raw", file), io.FileIO) and hasattr(os, "pread"):
            found = os.fstat(file.fileno())
            if stat.S_ISREG(found.st_mode):
                self._start = file.tell()
                self._file, self._found = file, found
                self.size = max(0, found.st_size - self._start)
                return
        self._pieces = iter(lambda: file.read(65536), b"")

    @property
    def positioned(self) -> bool:
        """Whether `part` can read it: a regular file."""
        return self._file is not None

    def part(self, offset: int, size: int) -> FilePart:
        """Return a part of a regular file, at most `size` bytes."""
        assert self.size is not None
        return FilePart(self._file.fileno(), self._start + offset, min(size, self.size - offset))

    def require_unchanged(self) -> None:
        """Raise `PolycloudError` if a file was written to while it was read: its parts are of several times.

        One that only has become longer, such as a log, is uploaded as far as it went at the beginning.
        """
        if self._found is None:
            return
        now = os.fstat(self._file.fileno())
        if now.st_size <= self._found.st_size and now.st_mtime_ns != self._found.st_mtime_ns:
            raise PolycloudError("the file was changed while it was read")

    def has(self, size: int) -> bool:
        """Return whether there are at least `size` bytes more; a stream is read so far."""
        if self._file is not None:
            assert self.size is not None
            return bool(self.size - (self._file.tell() - self._start) >= size)
        while len(self._buffer) < size:
            piece = next(self._pieces, END)
            if piece is END:
                return False
            if not isinstance(piece, BYTES):
                raise InvalidArgumentError(f"an iterator must yield bytes, got {shown(piece)}")
            self._buffer += _flat(piece)
        return True

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        if self._file is not None:
            return self._read_file(size)
        if not self.has(size) and not self._buffer:
            return b""
        part = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return part

    def _read_file(self, size: int) -> bytes:
        done = self._file.tell() - self._start
        part = self.part(done, size)
        content = b"".join(iter(partial(part.read, size), b""))
        self._file.seek(self._start + done + len(content))
        return content

    def __iter__(self) -> Iterator[bytes]:
        """Yield all that is left, in pieces."""
        while piece := self.read(PIECE):
            yield piece
        self.require_unchanged()


def _flat(piece: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
    """Return bytes that are one after another; a view may leave some out."""
    return piece.tobytes() if isinstance(piece, memoryview) and not piece.c_contiguous else piece


def counted(pieces: Iterable[bytes], progress: Progress | None) -> Iterable[bytes]:
    """Return the pieces; `progress` is called with the length of each when the next one is asked for."""
    require_progress(progress)
    return pieces if progress is None else _counted(pieces, progress)


def _counted(pieces: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        progress(len(piece))


def rechunked(pieces: Iterator[bytes], size: int | None) -> Iterator[bytes]:
    """Yield the same bytes in pieces of `size`, the last one shorter; None for pieces as they are.

    With a size there is at least one piece, so that `next(stream(obj, obj.size))` is all of an empty object.
    """
    if size is None:
        yield from pieces
        return
    source = Source(pieces)
    yield source.read(size)
    while piece := source.read(size or 1):
        yield piece
