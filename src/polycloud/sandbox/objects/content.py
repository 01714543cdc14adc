"""The bytes of objects, which never change: an object that is written again has other content."""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_IN_MEMORY = 1 << 18
"""Longer pieces are in files."""
_CHUNK, _LONGEST = 1 << 20, 1 << 23


class _Piece:
    """Bytes in memory or in a temporary file, which is deleted when nothing refers to it any more."""

    def __init__(self, data: bytes) -> None:
        self._data, self._path = data, None
        if len(data) > _IN_MEMORY:
            handle, path = tempfile.mkstemp(prefix="polycloud-object-")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            weakref.finalize(self, Path(path).unlink, missing_ok=True)
            self._data, self._path = b"", path

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        if self._path is None:
            yield self._data[start:end]
            return
        with Path(self._path).open("rb") as file:
            file.seek(start)
            while start < end:
                chunk = file.read(min(_CHUNK, end - start))
                start += len(chunk)
                yield chunk


@dataclass(frozen=True)
class Content:
    """Bytes that are never all in memory: parts of pieces, one after the other.

    Attributes:
        spans: the pieces, each with the part of it that counts.
    """

    spans: tuple[tuple[_Piece, int, int], ...] = ()

    @classmethod
    def of(cls, data: bytes) -> Content:
        """Return the content that has these bytes."""
        return cls(((_Piece(data), 0, len(data)),) if data else ())

    @classmethod
    async def received(cls, chunks: AsyncIterator[bytes]) -> Content:
        """Return the content that comes in these chunks."""
        content, buffer = cls(), bytearray()
        async for chunk in chunks:
            buffer += chunk
            if len(buffer) >= _LONGEST:
                content += cls.of(bytes(buffer))
                buffer.clear()
        return content + cls.of(bytes(buffer))

    def __add__(self, more: Content) -> Content:
        return Content(self.spans + more.spans)

    @cached_property
    def size(self) -> int:
        """How many bytes there are."""
        return sum(end - start for _, start, end in self.spans)

    def part(self, start: int, end: int) -> Content:
        """Return the bytes from `start` to before `end`."""
        spans, at = [], 0
        for piece, first, last in self.spans:
            low, high = max(start - at, 0) + first, min(end - at, last - first) + first
            at += last - first
            if low < high:
                spans.append((piece, low, high))
        return Content(tuple(spans))

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, at most a MiB at a time."""
        for piece, start, end in self.spans:
            yield from piece.chunks(start, end)

    def read(self) -> bytes:
        """Return all bytes."""
        return b"".join(self.chunks())

    @cached_property
    def md5(self) -> bytes:
        """The MD5."""
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.digest()

    @cached_property
    def crc32c(self) -> bytes:
        """The CRC32C, big-endian. Raises ImportError without the package google-crc32c."""
        import google_crc32c

        value: int = 0
        for chunk in self.chunks():
            value = google_crc32c.extend(value, chunk)
        return value.to_bytes(4, "big")
