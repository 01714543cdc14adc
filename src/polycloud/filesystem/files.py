"""Objects as files: read in ranges of one version, written in parts, and given up without a trace."""

from __future__ import annotations

import io
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from fsspec.spec import AbstractBufferedFile  # type: ignore[import-untyped]

from polycloud.filesystem.errors import os_errors
from polycloud.filesystem.sending import Sending
from polycloud.storage.objects import Object

Upload = Callable[[Any], Object]
"""Uploads bytes, or an iterator of bytes."""
HANDED_OVER = 1 << 20
"""The bytes of what is handed to an upload at once, which keeps the part that it is about to send."""


class _Unfinished:
    """A file that is uploaded when it is closed, and not if that never happens, or after an exception."""

    closed: Any
    writable: Callable[[], bool]
    close: Callable[[], None]
    discard: Callable[[], None]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None and not self.closed and self.writable():
            self.discard()
        else:
            self.close()

    def __del__(self) -> None:
        try:
            if self.closed:
                return
        except ValueError:  # it was not opened, for a wrong encoding
            return
        if not self.writable():
            self.close()
            return
        self.discard()
        message = f"{self!r} was not closed, so it was not uploaded; use `with`, or close it"
        warnings.warn(message, RuntimeWarning, stacklevel=2, source=self)


class ObjectFile(_Unfinished, AbstractBufferedFile):  # type: ignore[misc]
    """An object that is read (`obj`), or written (`upload`)."""

    def __init__(
        self,
        fs: Any,
        path: str,
        mode: str,
        *,
        obj: Object | None = None,
        upload: Upload | None = None,
        block_size: int | None = None,
        autocommit: bool = True,
        cache_type: str = "readahead",
        cache_options: dict[str, Any] | None = None,
    ) -> None:
        self._object, self._upload = obj, upload
        self._sending: Sending | None = None
        self._rest: memoryview | None = None
        size = None if obj is None else obj.size
        block_size = block_size or (None if upload is None else HANDED_OVER)
        super().__init__(fs, path, mode, block_size, autocommit, cache_type, cache_options, size)
        if obj is not None and obj.hash:
            self.kwargs = {"if_match": obj.hash}  # a pickled file goes on with the same version

    def commit(self) -> None:
        """Complete the upload of a file that was closed."""
        with os_errors(self.path):
            if self._sending is not None:
                self._sending.finish()
                self._given_up.detach()
            elif self._rest is not None and self._upload is not None:
                self._upload(self._rest)
        self._sending = self._rest = None

    def discard(self) -> None:
        """Abort the upload; nothing more can be written."""
        self.closed = True
        self._rest = None
        if self._sending is not None:
            self._given_up()
            self._sending = None

    def _upload_chunk(self, final: bool = False) -> bool:
        """Hand what was written to the upload; all of a short file at once, when it is closed."""
        content = memoryview(self.buffer.getvalue())  # no copy, and the buffer may be closed before it
        try:
            if final and self._sending is None:
                self._rest = content
            else:
                self._send(content)
            if final and self.autocommit:
                self.commit()
        except BaseException:
            self.discard()
            raise
        return True

    def _send(self, content: memoryview) -> None:
        with os_errors(self.path):
            if self._sending is None:
                assert self._upload is not None
                self._sending = Sending(self._upload)
                self._given_up = weakref.finalize(self, self._sending.abandon)  # also when Python exits
            if content:
                self._sending.write(content)

    def _fetch_range(self, start: int, end: int) -> bytes:
        assert self._object is not None
        if start >= end:
            return b""
        with os_errors(self.path):
            pieces = self._object.driver._resumed(self._object, start, end)  # noqa: SLF001 - of one version
            return b"".join(pieces)


class TextFile(_Unfinished, io.TextIOWrapper):
    """A file of text around an `ObjectFile` or a `CompressedFile`."""

    def discard(self) -> None:
        """Abort the upload."""
        self.buffer.discard()  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return repr(self.buffer)


class CompressedFile(_Unfinished, io.BufferedIOBase):
    """A file that is compressed while it is written; closing it closes the object, too."""

    def __init__(self, compressor: Any, file: ObjectFile) -> None:
        self._compressor, self._file = compressor, file

    def __repr__(self) -> str:
        return repr(self._file)

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes."""
        written: int = self._compressor.write(data)
        return written

    def close(self) -> None:
        """Complete the upload."""
        if self.closed:
            return
        try:
            self._compressor.close()
            self._file.close()
        except BaseException:
            self.discard()
            raise
        super().close()

    def discard(self) -> None:
        """Abort the upload."""
        self._file.discard()
        with suppress(Exception):  # its last bytes have no place
            self._compressor.close()
        super().close()
