"""What a call carries along wherever it leads: limits of time, retries, the operation it is part of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import wraps
from types import GeneratorType
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from polycloud.common.types import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.common.retry import RetryPolicy

__all__ = [
    "CallOptions",
    "as_operation",
    "call_options",
    "current_call",
    "remaining",
    "seconds",
    "tidying",
    "timeouts",
]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
CONNECT = 10.0
"""Seconds to connect, unless a pair of timeouts says more: a host that is there answers sooner."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The settings of the calls in a block, and the operation that is under way.

    `ends_at` is a moment of `time.monotonic()`; `timeout` the seconds to connect and to wait for bytes.
    """

    ends_at: float | None = None
    timeout: tuple[float, float] | None = None
    retry: RetryPolicy | None = None
    operation: str | None = None


NO_OPTIONS = CallOptions()
_current: ContextVar[CallOptions] = ContextVar("polycloud_call", default=NO_OPTIONS)


def current_call() -> CallOptions:
    """The settings that hold here."""
    return _current.get()


@contextmanager
def call_options(
    *,
    deadline: float | None = None,
    timeout: float | tuple[float, float] | None = None,
    retry: RetryPolicy | None = None,
) -> Iterator[None]:
    """Set limits for every call in a `with` block, whatever driver it is of.

    Holds for this thread or task only, and for what its calls do side by side. Inside another block the
    earlier deadline counts. What counts for an iterator is the block in which it is asked for its items.

    Args:
        deadline: Seconds for everything in the block together: requests, retries, pages, waiting, SSH.
        timeout: Seconds without a byte of an answer, or the pair of seconds to connect and to read.
        retry: What is sent again, in the place of the driver's policy; the driver's budget stays.

    Raises:
        InvalidArgumentError: A time is no number of seconds above 0.
    """
    outer = _current.get()
    inner = replace(outer, retry=retry or outer.retry)
    if timeout is not None:
        inner = replace(inner, timeout=timeouts(timeout))
    if deadline is not None:
        ends_at = time.monotonic() + seconds("deadline", deadline)
        inner = replace(inner, ends_at=ends_at if outer.ends_at is None else min(ends_at, outer.ends_at))
    with _set(inner):
        yield


@contextmanager
def tidying(deadline: float) -> Iterator[None]:
    """Give what is to be tidied up `deadline` seconds, even where the deadline around it is over."""
    ends_at = time.monotonic() + seconds("deadline", deadline)
    with _set(replace(_current.get(), ends_at=ends_at)):
        yield


@contextmanager
def _set(options: CallOptions) -> Iterator[None]:
    token = _current.set(options)
    try:
        yield
    finally:
        _current.reset(token)


def timeouts(timeout: float | tuple[float, float]) -> tuple[float, float]:
    """The seconds to connect and to read; `InvalidArgumentError` for what are none."""
    if not isinstance(timeout, tuple):
        return min(seconds("timeout", timeout), CONNECT), timeout
    if len(timeout) != len(("connect", "read")):
        raise InvalidArgumentError(f"timeout={timeout!r} is no pair of seconds, to connect and to read")
    return seconds("timeout", timeout[0]), seconds("timeout", timeout[1])


def remaining() -> float:
    """Seconds until the block's deadline; infinite without one."""
    ends_at = _current.get().ends_at
    return float("inf") if ends_at is None else ends_at - time.monotonic()


def as_operation(fn: Callable[P, R]) -> Callable[P, R]:
    """`fn`, whose requests belong to the operation of its name unless they belong to an outer one."""

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with _operation(fn.__name__):
            result = fn(*args, **kwargs)
        return cast("R", _iterate(fn.__name__, result)) if isinstance(result, GeneratorType) else result

    return call


def _iterate(name: str, items: Iterator[T]) -> Iterator[T]:
    """The items of a generator, whose body runs whenever it is asked for one."""
    with closing(items):  # type: ignore[type-var] # a generator
        while True:
            with _operation(name):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item


class _operation:
    __slots__ = ("name", "token")

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        outer = _current.get()
        if outer.operation:
            self.token = None
            return
        inner = CallOptions(outer.ends_at, outer.timeout, outer.retry, self.name)  # replace() takes 3 µs more
        self.token = _current.set(inner)

    def __exit__(self, *_: object) -> None:
        if self.token is not None:
            _current.reset(self.token)


def seconds(name: str, value: float) -> float:
    """A duration above 0; `InvalidArgumentError` naming `name` for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InvalidArgumentError(f"{name}={value!r} is no number of seconds above 0")
    return value
