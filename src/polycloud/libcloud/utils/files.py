"""Libcloud's `utils.files`: contents in pieces."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Iterator
from typing import Any

CHUNK_SIZE = 8096
"""The default length of pieces, in bytes."""


def read_in_chunks(
    iterator: Any, chunk_size: int | None = None, fill_size: bool = False, yield_empty: bool = False
) -> Iterator[bytes]:
    """Yield what a file or an iterable of bytes has, in pieces.

    Args:
        iterator: A file, opened for bytes, or an iterable of bytes or ASCII text.
        chunk_size: The most bytes of a read, and the length of all pieces but the last with `fill_size`.
        fill_size: Whether to collect pieces until they have that length.
        yield_empty: Whether to yield an empty piece if there is nothing at all.
    """
    size = chunk_size or CHUNK_SIZE
    has_any = False
    buffer = bytearray()
    for piece in _pieces(iterator, size):
        buffer += piece.encode() if isinstance(piece, str) else piece
        while len(buffer) >= size if fill_size else buffer:
            has_any = True
            end = size if fill_size else len(buffer)
            yield bytes(buffer[:end])
            del buffer[:end]
    if buffer or (yield_empty and not has_any):
        yield bytes(buffer)


def _pieces(source: Any, size: int) -> Iterable[Any]:
    if hasattr(source, "read"):
        return iter(lambda: source.read(size) or b"", b"")
    pieces: Iterable[Any] = iter(source)
    return pieces


def exhaust_iterator(iterator: Any) -> bytes:
    """Return all that a file or an iterable of bytes has."""
    return b"".join(read_in_chunks(iterator))


def guess_file_mime_type(file_path: str) -> tuple[str | None, str | None]:
    """Return the media type and the encoding that a file's name suggests, as `mimetypes.guess_type` does."""
    return mimetypes.guess_type(file_path)
