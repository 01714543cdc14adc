"""Downloads to files: long objects as ranges side by side, and on request over several attempts.

Each range is written to its place in a temporary file, so memory holds a piece of each, and the whole is
verified at the end. A download that shall go on after a crash keeps the temporary file, and beside it a
journal: a line for each range that is complete, with its CRC-32. The next attempt reads those ranges again,
and fetches those that are missing or are not what the journal says.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from polycloud.concurrency import waiting
from polycloud.errors import PolycloudError
from polycloud.storage import files
from polycloud.storage.objects import Object
from polycloud.storage.resuming import locked, own
from polycloud.storage.types import ObjectHashMismatchError
from polycloud.storage.uploads import Progress
from polycloud.storage.verifying import Checksum, verified

__all__ = ["Read", "download"]

Read = Callable[[int, int | None], Iterator[bytes]]
"""Yields the bytes of the object from a position to before another one, or to its end."""
RANGE = 8 * 1024 * 1024
"""The bytes of a range; shorter objects are read at once."""
SIDE_BY_SIDE = 4
CHUNK = 1 << 18
DONE = b" done"
"""How the lines of a journal end, so that one that was cut is not taken for another."""


def download(
    obj: Object,
    read: Read,
    path: Path,
    *,
    overwrite: bool,
    keep: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the content of an object to the file `path`; see `StorageDriver.download_object`."""
    if obj.size <= RANGE:
        with files.writing(path, overwrite=overwrite, keep=keep) as file:
            for piece in verified(obj, read(0, None)):
                file.write(piece)
                if progress is not None:
                    progress(len(piece))
        return
    if resume:
        with _unfinished(path, overwrite=overwrite, obj=obj) as journal:
            _Ranges(obj, read, journal, progress).fetch()
    else:
        with files.writing(path, overwrite=overwrite, keep=keep) as file:
            _Ranges(obj, read, _Journal(file), progress).fetch()


class _Journal:
    """The file of a download, and the ranges that it has: number to CRC-32."""

    def __init__(self, file: IO[bytes], lines: IO[bytes] | None = None) -> None:
        self.file, self._lines = file, lines
        self.done: dict[int, int] = {}

    def read(self, identity: bytes) -> None:
        """Read what an earlier attempt wrote; begin anew if it was for another object."""
        assert self._lines is not None
        self._lines.seek(0)
        first, *rest = self._lines.read().split(b"\n")
        if first != identity:
            for file in (self._lines, self.file):
                file.truncate(0)
            self._lines.write(identity + b"\n")
            return
        for line in rest:
            fields = line.removesuffix(DONE).split()
            if line.endswith(DONE) and len(fields) == 2:  # noqa: PLR2004 - number and CRC-32
                self.done[int(fields[0])] = int(fields[1])
        self._lines.write(b"\n")  # ends a line that a crash cut

    def add(self, number: int, crc: int) -> None:
        """Record that a range is complete."""
        if self._lines is not None:
            self._lines.write(b"%d %d%b\n" % (number, crc, DONE))


class _Ranges:
    """The ranges of an object, for several workers."""

    def __init__(self, obj: Object, read: Read, journal: _Journal, progress: Progress | None) -> None:
        self._obj, self._read, self._journal = obj, read, journal
        self._progress, self._lock = progress, threading.Lock()
        # Not a list: a provider may claim any size
        self._todo: Iterator[tuple[int, int]] = enumerate(range(0, obj.size, RANGE))

    def fetch(self) -> None:
        """Fetch what is missing, and verify the whole."""
        try:
            waiting.gather([self._work] * SIDE_BY_SIDE, limit=SIDE_BY_SIDE)
        finally:
            self._todo = iter(())  # for who goes on after Ctrl-C
        checksum = Checksum.of(self._obj)
        if checksum is not None:
            for piece in self._pieces(0, self._obj.size):
                checksum.digest.update(piece)
            checksum.require(self._obj)

    def _work(self) -> None:
        """Fetch one range after another; the first error ends the others' work too."""
        try:
            while (task := self._next()) is not None:
                self._one(*task)
        finally:
            self._todo = iter(())

    def _next(self) -> tuple[int, int] | None:
        with self._lock:
            return next(self._todo, None)

    def _one(self, number: int, start: int) -> None:
        end = min(start + RANGE, self._obj.size)
        if number in self._journal.done and self._crc(start, end) == self._journal.done[number]:
            self._count(end - start)
            return
        position, crc = start, 0
        for piece in self._read(start, end):
            _write(self._journal.file, piece, position)
            position, crc = position + len(piece), zlib.crc32(piece, crc)
            self._count(len(piece))
        if position != end:
            message = f"the range of {self._obj.name!r} from {start:,} has {position - start:,} bytes"
            raise ObjectHashMismatchError(message, self._obj.driver, self._obj.name)
        self._journal.add(number, crc)

    def _count(self, size: int) -> None:
        if self._progress is not None:
            with self._lock:
                self._progress(size)

    def _pieces(self, start: int, end: int) -> Iterator[bytes]:
        while start < end and (
            piece := os.pread(self._journal.file.fileno(), min(CHUNK, end - start), start)
        ):
            yield piece
            start += len(piece)

    def _crc(self, start: int, end: int) -> int:
        crc = 0
        for piece in self._pieces(start, end):
            crc = zlib.crc32(piece, crc)
        return crc


def _write(file: IO[bytes], piece: bytes, position: int) -> None:
    view = memoryview(piece)
    while view:
        # Asked for each time: after Ctrl-C the file is closed, and its number may be another file's
        written = os.pwrite(file.fileno(), view, position)
        view, position = view[written:], position + written


@contextmanager
def _unfinished(path: Path, *, overwrite: bool, obj: Object) -> Iterator[_Journal]:
    """Open the file of an earlier attempt, or of this one; it becomes `path` at the end of the block."""
    part = path.with_name(f".{path.name}.polycloud-download")
    journal = part.with_name(f"{part.name}.done")
    identity = (str(obj.driver.type), repr(obj.driver.connection.account()), obj.container.name, obj.name)
    with locked(journal, (*identity, obj.version_id, obj.hash, obj.size, RANGE)) as (lines, digest):
        try:
            with open(part, "r+b", buffering=0, opener=own) as file:
                found = _Journal(file, lines)
                found.read(digest.encode())
                yield found
            files.publish(part, path, overwrite=overwrite)
        except ObjectHashMismatchError:
            part.unlink(missing_ok=True)
            journal.unlink(missing_ok=True)
            raise
        except BaseException as error:
            error.add_note(f"{part} keeps what has arrived: the same call goes on")
            if isinstance(error, OSError):
                raise PolycloudError(f"{path} cannot be written: {error.strerror}") from error
            raise
        journal.unlink(missing_ok=True)
