"""Actions that a provider refuses while the resource is busy with another one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from polycloud.concurrency import waiting
from polycloud.concurrency.calls import remaining
from polycloud.errors import ConflictError, PolycloudError, ProviderError
from polycloud.http.retry import LOST_STATUSES

__all__ = ["when_free"]

R = TypeVar("R")
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


def when_free(
    send: Callable[[], R],
    *,
    timeout: float = 60.0,
    is_busy: Callable[[ProviderError], bool] | None = None,
    is_free: Callable[[], bool] | None = None,
) -> R:
    """Return the result of `send`, which is called again while the provider refuses it as busy.

    Nothing else is repeated: after a lost response (a broken connection, a timeout, a 5xx, 408 or 429) the
    action may have been carried out, so the error is raised. `waiting.poll` would send it again.

    Args:
        send: Sends one request.
        timeout: Seconds after which the refusal is raised.
        is_busy: Returns whether a refusal says that the resource is busy. By default, every `ConflictError`
            does; tell them apart if the provider refuses with 409 for other reasons, such as a name that is
            taken.
        is_free: Looks whether the resource is free, for a refusal that may also be final: `send` is called
            once more, when this is true. By default, `send` is called again after pauses that grow from
            0.1 s to 5 s.

    Raises:
        ProviderError: The refusal: it is another one, or lasts longer than `timeout`, or `is_free` fails.
        PolycloudError: Any other error of `send`.
    """
    waiting.require_times(timeout)
    waits = _pauses(timeout) if is_free is None else _one_look(is_free, timeout)
    while True:
        try:
            return send()
        except ProviderError as refusal:
            if not _says_busy(refusal, is_busy) or not next(waits, False):
                raise


def _says_busy(error: ProviderError, is_busy: Callable[[ProviderError], bool] | None) -> bool:
    """Whether nothing was carried out, because the resource is busy."""
    if error.http_code in LOST_STATUSES and not error.definite:
        return False
    return isinstance(error, ConflictError) if is_busy is None else is_busy(error)


def _pauses(timeout: float) -> Iterator[bool]:
    """Yield True after each pause, until the time is over; past the deadline the next request raises."""
    import random  # takes 1 ms

    ends_at, pause = time.monotonic() + timeout, FIRST_PAUSE
    while (left := ends_at - time.monotonic()) > 0:
        varied = pause * random.uniform(0.75, 1.25)  # noqa: S311 - not a secret
        waiting.sleep(max(0.0, min(varied, left, remaining())))
        pause = min(pause * 2, LONGEST_PAUSE)
        yield True


def _one_look(is_free: Callable[[], bool], timeout: float) -> Iterator[bool]:
    """Yield True once, when the resource is free; nothing if that cannot be known, or takes too long."""
    try:
        waiting.poll(lambda: is_free() or None, waiting_for="the resource to be free", timeout=timeout)
    except PolycloudError:
        return
    yield True
