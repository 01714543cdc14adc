"""JSON payloads: typed decoders, and objects that are kept as bytes until they are used.

Decoders: msgspec reads a type when its first decoder is made, and two threads that read one type at the same
time crash it. So decoders are made one after another under a lock, and a fork waits for that lock.
"""

# Without `from __future__ import annotations`: typing would compile those of `Item`, at each import

import os
from _thread import RLock  # threading takes longer to import
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import repeat, tee
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from polycloud.errors import MalformedResponseError

__all__ = [
    "Item",
    "LazyExtra",
    "built",
    "copies",
    "decode",
    "decoder",
    "identity",
    "parse_datetime",
    "value_of",
    "with_defaults",
]

R = TypeVar("R")
T = TypeVar("T")

SHOWN = 200
UNDOCUMENTED = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What code that trusts the provider's documents raises for other content."""

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoders raise."""

_lock = RLock()  # a signal handler may come in the middle
if hasattr(os, "register_at_fork"):
    # A child that found the lock released would continue with a half-read type
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


@lru_cache(maxsize=1024)
def decoder(type_: Any, *, strict: bool = True) -> msgspec.json.Decoder[Any]:
    """Return the decoder of `type_`; unless `strict`, numbers may be given as strings."""
    with _lock:
        return msgspec.json.Decoder(type_, strict=strict)


class Item(NamedTuple, Generic[T]):
    """A decoded object of a response, and its bytes."""

    value: T
    raw: bytes


def copies(raws: Iterable[msgspec.Raw]) -> Iterator[bytes]:
    """Yield the bytes of the objects of a list, copied: a `msgspec.Raw` keeps the complete list alive."""
    return map(b"".join, zip(raws))  # half the time of bytes()


def built(raws: Iterable[msgspec.Raw], type_: Any, build: Callable[[Item[Any]], R]) -> list[R]:
    """Return what `build` makes of the objects of a list.

    A few at a time: those of a long list are never in memory all at once.
    """
    decode = decoder(type_, strict=False).decode
    contents, bytes_ = tee(copies(raws))
    pairs = zip(map(decode, contents), bytes_)  # noqa: B905 - both of one iterator
    return list(map(build, map(tuple.__new__, repeat(Item), pairs)))  # half the time of Item()


def identity(item: Item[T]) -> Item[T]:
    """Return the item itself, with its bytes."""
    return item


def value_of(item: Item[T]) -> T:
    """Return an item's value without its bytes."""
    return item.value


class LazyExtra(msgspec.Struct, gc=False):
    """An `extra` that is decoded on first use: `raw` is the object's JSON, `build` makes the dict from it."""

    raw: bytes
    build: Callable[[bytes], dict[str, Any]]

    def __call__(self) -> dict[str, Any]:
        """Decode the dict. Raises `MalformedResponseError` if that fails."""
        try:
            return self.build(self.raw)
        except UNDOCUMENTED as error:
            raise _malformed(self.raw, error) from None


def decode(raw: bytes | msgspec.Raw, type_: Any = dict[str, Any]) -> Any:
    """Decode part of a response as `type_`. Raises `MalformedResponseError` if it is of another type."""
    try:
        return decoder(type_).decode(raw)
    except (ValueError, RecursionError) as error:  # msgspec's own errors, and UnicodeDecodeError
        raise _malformed(bytes(raw), error) from None


def with_defaults(names: Iterable[str], raw: bytes) -> dict[str, Any]:
    """Decode an object's fields; those of `names` that are absent are None."""
    return {**dict.fromkeys(names), **msgspec.json.decode(raw)}


def parse_datetime(text: str | None) -> datetime | None:
    """Parse a provider's time (UTC unless it names a zone); None if it is absent or malformed."""
    if not text:
        return None
    try:
        # With its zone in the text: five times faster than adding that to a datetime
        return datetime.fromisoformat(text if text[-1] == "Z" else f"{text}Z")
    except ValueError:
        pass
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _malformed(raw: bytes, error: Exception) -> MalformedResponseError:
    start = raw[:SHOWN].decode(errors="replace")
    return MalformedResponseError(f"the object is not as documented: {error}", start)
