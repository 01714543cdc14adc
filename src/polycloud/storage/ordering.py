"""Lists in the order of the names' bytes, where a provider has another order.

Memory holds a run of a list; runs are sorted, kept in temporary files, and merged. A list that is no longer
than one run needs no file.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import IO, Any, TypeVar

import msgspec

from polycloud.errors import PolycloudError

__all__ = ["in_order"]

T = TypeVar("T")
RUN = 50_000


def in_order(items: Iterable[T], kind: type[T], key: Callable[[T], Any], run: int = RUN) -> Iterator[T]:
    """Yield items of a class that msgspec encodes, by their keys; memory holds `run` of them.

    Raises `PolycloudError` if a temporary file cannot be written.
    """
    left = iter(items)
    with ExitStack() as files:
        runs: list[Iterable[T]] = []
        while batch := sorted(islice(left, run), key=key):
            runs.append(batch if len(batch) < run else _kept(files, batch, kind))
        yield from heapq.merge(*runs, key=key)


def _kept(files: ExitStack, batch: Iterable[T], kind: type[T]) -> Iterator[T]:
    """Write a run to a temporary file; return an iterator that reads it."""
    encode = msgspec.json.Encoder().encode
    try:
        file = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - open until the end
        file.writelines(encode(one) + b"\n" for one in batch)
        file.seek(0)
    except OSError as error:
        raise PolycloudError(
            f"a list cannot be sorted in {tempfile.gettempdir()}: {error.strerror}"
        ) from error
    return _read(file, kind)


def _read(file: IO[bytes], kind: type[T]) -> Iterator[T]:
    decode = msgspec.json.Decoder(kind).decode
    for line in file:
        yield decode(line)
