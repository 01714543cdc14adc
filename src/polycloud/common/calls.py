"""What a call carries along wherever it leads: limits of time, retries, the operation it is part of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import wraps
from inspect import isgeneratorfunction
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from polycloud.common.types import InvalidArgumentError

if TYPE_CHECKING:
    from polycloud.common.retry import RetryPolicy

__all__ = ["CallOptions", "as_operation", "call_options", "current_call", "remaining", "seconds"]

P = ParamSpec("P")
R = TypeVar("R")


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
    earlier deadline counts.

    Args:
        deadline: Seconds for everything in the block together: requests, retries, pages, waiting, SSH.
        timeout: Seconds without a byte of an answer, or the pair of seconds to connect and to read.
        retry: What is sent again, in the place of the driver's policy.

    Raises:
        InvalidArgumentError: A time is no number of seconds above 0.
    """
    outer = _current.get()
    inner = replace(outer, retry=retry or outer.retry)
    if timeout is not None:
        pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        inner = replace(inner, timeout=(seconds("timeout", pair[0]), seconds("timeout", pair[1])))
    if deadline is not None:
        ends_at = time.monotonic() + seconds("deadline", deadline)
        inner = replace(inner, ends_at=min(ends_at, outer.ends_at or ends_at))
    token = _current.set(inner)
    try:
        yield
    finally:
        _current.reset(token)


def remaining() -> float:
    """Seconds until the block's deadline; infinite without one."""
    ends_at = _current.get().ends_at
    return float("inf") if ends_at is None else ends_at - time.monotonic()


def as_operation(fn: Callable[P, R]) -> Callable[P, R]:
    """`fn`, whose requests belong to the operation of its name unless they belong to an outer one."""
    if isgeneratorfunction(fn):
        return _as_iteration(fn)

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with _operation(fn.__name__):
            return fn(*args, **kwargs)

    return call


def _as_iteration(fn: Callable[P, Any]) -> Callable[P, Any]:
    """As above for an iterator, whose body runs whenever it is asked for an item."""

    @wraps(fn)
    def iterate(*args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
        items = fn(*args, **kwargs)
        with closing(items):
            while True:
                with _operation(fn.__name__):
                    item = next(items, _END)
                if item is _END:
                    return
                yield item

    return iterate


_END = object()


class _operation:
    __slots__ = ("name", "token")

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        outer = _current.get()
        self.token = None if outer.operation else _current.set(replace(outer, operation=self.name))

    def __exit__(self, *_: object) -> None:
        if self.token is not None:
            _current.reset(self.token)


def seconds(name: str, value: float) -> float:
    """A duration above 0; `InvalidArgumentError` naming `name` for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InvalidArgumentError(f"{name}={value!r} is no number of seconds above 0")
    return value
