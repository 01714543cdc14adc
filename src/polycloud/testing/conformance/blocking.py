"""Where the code of a driver blocks an event loop.

A driver on an event loop runs in a greenlet, and waits by switching to the loop. What it calls is observed
rather than how long it takes, since time says little on a busy machine: Python reports each call of a C
function to a profile function, and those that block are known.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from polycloud.concurrency import waiting

__all__ = ["noted_blocks"]

BLOCKING = (time.sleep, os.wait, os.waitpid)  # noqa: TID251 - what is looked for
BLOCKING_METHODS = frozenset({"accept", "connect", "recv", "recv_into", "send", "sendall"})
"""Methods of a socket that block, unless it is one of an event loop, whose timeout is 0."""


@contextmanager
def noted_blocks() -> Iterator[list[str]]:
    """Return a list of the calls by which a driver blocks this thread's event loop, until the block ends.

    A greenlet that was started before is not observed, so use it in a thread without any.
    """
    found: list[str] = []

    def note(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and _blocks(called) and waiting.bridge() is not None:
            found.append(f"{called.__qualname__} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(before)


def _blocks(called: Any) -> bool:
    if called in BLOCKING:
        return True
    owner = getattr(called, "__self__", None)
    if not isinstance(owner, socket.socket) or called.__name__ not in BLOCKING_METHODS:
        return False
    return owner.gettimeout() != 0
