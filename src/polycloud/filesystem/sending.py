"""An upload that is written to piece by piece.

The idea: a driver's upload asks an iterator for bytes, and a file is given them. So the upload runs on a
thread of its own, whose iterator waits for the next piece, and `write` waits until that piece was taken:
memory holds one piece, and what the driver sends at the moment. If the file is given up, the iterator raises
an error, and the driver aborts the upload as it does after any other one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

from polycloud.concurrency.threads import DaemonThreads
from polycloud.errors import PolycloudError
from polycloud.storage.objects import Object

CHUNK = 1 << 20
"""The bytes of what is handed over at once: a driver keeps a part, and one of these."""


class Sending:
    """An upload in progress; `upload` is called with an iterator of bytes."""

    def __init__(self, upload: Callable[[Iterator[memoryview]], Object]) -> None:
        self._turn = threading.Condition()
        self._piece: memoryview | None = None
        self._complete = self._abandoned = False
        self._pid, self._thread = os.getpid(), 0
        self._result = DaemonThreads().submit(upload, self._content())
        self._result.add_done_callback(self._woken)

    def write(self, piece: memoryview) -> None:
        """Hand over bytes, as soon as those before are taken. Raises what the upload has raised."""
        self._require_own_process()
        with self._turn:
            self._turn.wait_for(lambda: self._piece is None or self._result.done())
            if self._result.done():
                self._result.result()
            self._piece = piece
            self._turn.notify_all()

    def finish(self) -> Object:
        """Complete the upload; return the object. Raises what the upload raises."""
        self._require_own_process()
        with self._turn:
            self._complete = True
            self._turn.notify_all()
        return self._result.result()

    def abandon(self) -> None:
        """Abort the upload, and wait until it has ended; nothing of it stays."""
        if os.getpid() != self._pid:  # it goes on in the parent
            return
        with self._turn:
            self._abandoned = True
            self._turn.notify_all()
        if threading.get_ident() != self._thread:  # where the file may be garbage, too
            self._result.exception()

    def _content(self) -> Iterator[memoryview]:
        self._thread = threading.get_ident()
        while (piece := self._next()) is not None:
            for start in range(0, len(piece), CHUNK):
                yield piece[start : start + CHUNK]

    def _next(self) -> memoryview | None:
        with self._turn:
            self._turn.wait_for(lambda: self._piece is not None or self._complete or self._abandoned)
            if self._abandoned:
                raise PolycloudError("the file was given up before it was closed")
            piece, self._piece = self._piece, None
            self._turn.notify_all()
            return piece

    def _woken(self, _: object) -> None:
        with self._turn:
            self._turn.notify_all()

    def _require_own_process(self) -> None:
        if os.getpid() != self._pid:
            raise PolycloudError("a file that the parent process has begun to write cannot be written here")
