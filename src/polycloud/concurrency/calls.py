"""What a call carries along: its deadline, timeouts, retry policy, and the operation it is part of.

The settings live in a context variable, so they follow a call through helper functions, into the threads of
`gather` and over the bridge to an event loop, without being a parameter of each of them. Blocks nest: an
inner block may shorten a deadline, never extend it (except `cleanup`). A generator runs in the context of
whoever asks for its next item, which is why `as_operation` enters the operation anew for each item.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar, Token
from functools import wraps
from types import GeneratorType
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from polycloud.errors import InvalidArgumentError, PolycloudError
from polycloud.utils.values import LONGEST, is_number, shown

__all__ = [
    "CallOptions",
    "RetryRules",
    "as_operation",
    "call_options",
    "cleanup",
    "current_call",
    "remaining",
    "seconds",
    "timeouts",
    "together",
]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
CONNECT = 10.0
"""The connect timeout in seconds unless a pair of timeouts is given: a host that is up accepts sooner."""

CLEANUP = 60.0
"""Seconds for cleanup: to destroy a node whose deployment failed, or a key that was lent for one."""


class RetryRules(Protocol):
    """What a call knows of a retry policy; `polycloud.http.retry.RetryPolicy` is one."""

    @property
    def patience(self) -> float:
        """The longest pause to wait for, in seconds."""
        ...

    def allows(self, request: Any, attempt: int, outcome: Any) -> bool:
        """Return whether the request may be sent again after this outcome of attempt number `attempt`."""
        ...

    def pause(self, attempt: int, outcome: Any) -> float:
        """Return the seconds to wait before the next attempt."""
        ...


class CallOptions(Struct, frozen=True):
    """The settings of the calls in a block, and the operation in progress.

    `ends_at` is a time of `time.monotonic()`; `timeout` the connect and read timeouts in seconds; `sent` the
    secrets that the requests of the operation had in their bodies, which a later response may repeat.
    """

    ends_at: float | None = None
    timeout: tuple[float, float] | None = None
    retry: RetryRules | None = None
    operation: str | None = None
    sent: set[str] | None = None


NO_OPTIONS = CallOptions()
_current: ContextVar[CallOptions] = ContextVar("polycloud_call", default=NO_OPTIONS)


def current_call() -> CallOptions:
    """Return the settings of the enclosing block."""
    return _current.get()


@contextmanager
def call_options(
    *,
    deadline: float | None = None,
    timeout: float | tuple[float, float] | None = None,
    retry: RetryRules | None = None,
) -> Iterator[None]:
    """Set limits for every call in a `with` block, on any driver.

    They apply to this thread or task, and to what its calls run concurrently. Inside another block the
    earlier deadline counts. For an iterator, the block counts in which it is asked for its items.

    Args:
        deadline: Seconds for everything in the block together: requests, retries, pages, waits, SSH.
        timeout: Seconds without a byte of the response, or the pair of connect and read timeouts.
        retry: The policy to use instead of the driver's; the driver's retry budget stays.

    Raises:
        InvalidArgumentError: A time is not a number of seconds above 0, or `retry` is not a policy.
    """
    if retry is not None and not _is_policy(retry):
        raise InvalidArgumentError(f"retry must be a RetryPolicy, got {shown(retry)}")
    outer = _current.get()
    inner = replace(outer, retry=retry or outer.retry)
    if timeout is not None:
        inner = replace(inner, timeout=timeouts(timeout))
    if deadline is not None:
        ends_at = time.monotonic() + seconds("deadline", deadline)
        inner = replace(inner, ends_at=ends_at if outer.ends_at is None else min(ends_at, outer.ends_at))
    with _set(inner):
        yield


def _is_policy(retry: Any) -> bool:
    methods = (getattr(retry, name, None) for name in ("allows", "pause"))
    return not isinstance(retry, type) and all(map(callable, methods)) and hasattr(retry, "patience")


@contextmanager
def cleanup(deadline: float = CLEANUP) -> Iterator[None]:
    """Allow `deadline` seconds for cleanup, even after the enclosing deadline."""
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
    """Return the connect and read timeouts in seconds. Raises `InvalidArgumentError` for invalid values."""
    if not isinstance(timeout, tuple):
        return min(seconds("timeout", timeout), CONNECT), timeout
    if len(timeout) != len(("connect", "read")):
        message = f"timeout must be seconds or the pair (connect, read), got {shown(timeout)}"
        raise InvalidArgumentError(message)
    return seconds("timeout", timeout[0]), seconds("timeout", timeout[1])


def remaining() -> float:
    """Return the seconds until the block's deadline; infinite without one."""
    ends_at = _current.get().ends_at
    return float("inf") if ends_at is None else ends_at - time.monotonic()


def as_operation(
    fn: Callable[P, R], check: Callable[[tuple[Any, ...], dict[str, Any]], None] | None = None
) -> Callable[P, R]:
    """Wrap the method `fn` so that traces attribute its requests to its name, unless an outer operation runs.

    `check` gets the arguments of each call that has any before `fn` does. The object whose method it is
    cleans an error that ends the operation, by its `clean_error(error)`.
    """

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if check is not None and (kwargs or len(args) > 1):
            check(args, kwargs)
        owner: Any = args[0]
        token = _enter(fn.__name__)
        try:
            result = fn(*args, **kwargs)
        except PolycloudError as error:
            _clean(error, owner, token)
            raise
        finally:
            if token is not None:
                _current.reset(token)
        if isinstance(result, GeneratorType):
            return cast("R", _iterate(fn.__name__, owner, result))
        return result

    return call


class _Page(list[Any]):
    """What `together` returns."""


def together(items: list[T]) -> T:
    """Return what a generator yields for items that it has at once, such as those of one response.

    Callers of the operation get them one by one; it is entered once for all of them, where entering it for
    each takes a quarter of the time of a long list.
    """
    return cast("T", _Page(items))


def _iterate(name: str, owner: Any, items: Iterator[T]) -> Iterator[T]:
    """Yield the items of a generator, entering the operation for each: its body runs when asked for one."""
    with closing(items):  # type: ignore[type-var] # a generator
        while True:
            token = _enter(name)
            try:
                item = next(items)
            except StopIteration:
                return
            except PolycloudError as error:
                _clean(error, owner, token)
                raise
            finally:
                if token is not None:
                    _current.reset(token)
            if type(item) is _Page:
                yield from cast("list[T]", item)
            else:
                yield item


def _enter(name: str) -> Token[CallOptions] | None:
    """Begin an operation; return the token that ends it, or None inside another one."""
    outer = _current.get()
    if outer.operation:
        return None
    # replace() takes 3 µs more
    return _current.set(CallOptions(outer.ends_at, outer.timeout, outer.retry, name, set()))


def _clean(error: PolycloudError, owner: Any, token: Token[CallOptions] | None) -> None:
    if token is not None:
        owner.clean_error(error)


def seconds(name: str, value: float) -> float:
    """Return a duration above 0. Raises `InvalidArgumentError`, naming `name`, for an invalid value."""
    if not is_number(value) or value <= 0:
        raise InvalidArgumentError(f"{name} must be a number of seconds above 0, got {shown(value)}")
    if value > LONGEST:
        raise InvalidArgumentError(f"{name} must be at most {LONGEST:,.0f} seconds, got {shown(value)}")
    return value
