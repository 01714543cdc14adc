"""Payloads that are kept as bytes until somebody asks for what is in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["LazyExtra"]


class LazyExtra:
    """An `extra` that is decoded on first use.

    `raw` is the object's JSON, `build` makes the dict from it. The bytes are copied, since a kept
    `msgspec.Raw` would keep the whole answer alive.
    """

    __slots__ = ("build", "raw")

    def __init__(self, raw: bytes | msgspec.Raw, build: Callable[[bytes], dict[str, Any]]) -> None:
        self.raw = bytes(raw)
        self.build = build

    def __call__(self) -> dict[str, Any]:
        """The dict, decoded now."""
        return self.build(self.raw)
