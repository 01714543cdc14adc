"""Payloads that are kept as bytes until somebody asks for what is in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from polycloud.common.decoding import decoder
from polycloud.common.types import MalformedResponseError

__all__ = ["LazyExtra", "decode"]

SHOWN = 200
UNDOCUMENTED = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code that trusts the provider's documents stumbles with over something else."""


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
        """The dict, decoded now. Raises `MalformedResponseError` where it cannot be."""
        try:
            return self.build(self.raw)
        except UNDOCUMENTED as error:
            raise _malformed(self.raw, error) from None


def decode(raw: bytes | msgspec.Raw, type_: Any = dict[str, Any]) -> Any:
    """A part of an answer as a value of `type_`. Raises `MalformedResponseError` where it is none."""
    try:
        return decoder(type_).decode(raw)
    except (ValueError, RecursionError) as error:  # msgspec's own errors, and UnicodeDecodeError
        raise _malformed(bytes(raw), error) from None


def _malformed(raw: bytes, error: Exception) -> MalformedResponseError:
    start = raw[:SHOWN].decode(errors="replace")
    return MalformedResponseError(f"the object is not as documented: {error}", start)
