"""Decoders of JSON by type, each made once.

msgspec reads a type when its first decoder is made, and two threads that read one type at the same time
crash it: so decoders are made one after another, also where a fork comes in between.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from typing import Any

import msgspec

__all__ = ["decoder"]

_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    # A child that found the lock renewed would go on with a type that is half read
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


@lru_cache(maxsize=1024)
def decoder(type_: Any, *, strict: bool = True) -> msgspec.json.Decoder[Any]:
    """The decoder of values of `type_`; where it is not `strict`, numbers may come as text."""
    with _lock:
        return msgspec.json.Decoder(type_, strict=strict)
