"""Payloads that are kept as bytes until somebody asks for what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from polycloud.common.decoding import decoder
from polycloud.common.types import MalformedResponseError

__all__ = ["Item", "LazyExtra", "decode", "filled", "moment", "plain"]

T = TypeVar("T")

SHOWN = 200
UNDOCUMENTED = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code that trusts the provider's documents stumbles with over something else."""


class Item(NamedTuple, Generic[T]):
    """An object of an answer, decoded, and its own bytes."""

    value: T
    raw: msgspec.Raw


def plain(item: Item[T]) -> T:
    """An item without its bytes."""
    return item.value


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


def filled(names: Iterable[str], raw: bytes) -> dict[str, Any]:
    """An object's fields, those of `names` in any case: None where they are absent."""
    return {**dict.fromkeys(names), **msgspec.json.decode(raw)}


def moment(text: str | None) -> datetime | None:
    """A time of a provider's (UTC unless it says so); None for one that cannot be read."""
    try:
        told = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _malformed(raw: bytes, error: Exception) -> MalformedResponseError:
    start = raw[:SHOWN].decode(errors="replace")
    return MalformedResponseError(f"the object is not as documented: {error}", start)
