"""Who hears of each attempt: the logger, hooks, and the file of `POLYCLOUD_DEBUG`.

Every attempt of every request goes to the standard logger `polycloud` (level DEBUG; INFO for a retry) with
the fields `provider`, `operation`, `method`, `path`, `status`, `ms`, `attempt`, `request_id` and `error`, to
the hooks of `add_hook`, and to the file that the environment's `POLYCLOUD_DEBUG` names. None of them sees a
secret. Where nobody listens, no trace is made. docs/traces.md shows how to use them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polycloud.errors import PolycloudError
    from polycloud.http.messages import RawResponse, Request, Sender
    from polycloud.tracing.trace import Trace

    Outcome = RawResponse | PolycloudError

__all__ = ["Hook", "add_hook", "listeners", "note_attempt", "note_retry"]

DEBUG_VARIABLE = "POLYCLOUD_DEBUG"
Hook = Callable[["Trace"], object]
logger = logging.getLogger("polycloud")
_hooks: dict[object, Hook] = {}


def add_hook(hook: Hook) -> Callable[[], None]:
    """Call `hook` with the `Trace` of every attempt, in its thread; return a function that removes the hook.

    An exception in the hook is logged and does not harm the call.
    """
    key = object()
    _hooks[key] = hook
    return partial(_remove, key)


def _remove(key: object) -> None:
    _hooks.pop(key, None)


def listeners() -> Sequence[Hook]:
    """Return the functions to call with the traces of a request's attempts; asked before anything is sent.

    Raises `InvalidArgumentError` if `POLYCLOUD_DEBUG` names what cannot be written to. What fails later, such
    as a full disk, is logged and harms no call.
    """
    file, is_logged = os.environ.get(DEBUG_VARIABLE), logger.isEnabledFor(logging.DEBUG)
    if not (file or is_logged or _hooks):
        return ()
    hooks = [*_hooks.values()]
    if is_logged:
        hooks.insert(0, _log)
    if file:
        from polycloud.tracing.debugfile import require_writable, write

        require_writable(file)
        hooks.append(partial(write, file))
    return hooks


def note_attempt(
    hooks: Sequence[Hook], sender: Sender, request: Request, outcome: Outcome, attempt: int, ms: float
) -> None:
    """Pass an attempt, which took `ms` milliseconds, and its outcome to those who listen."""
    from polycloud.tracing.trace import Trace

    with _harmless():
        trace = Trace(sender, request, outcome, attempt, ms)
        for hook in hooks:
            with _harmless():
                hook(trace)


def note_retry(sender: Sender, request: Request, outcome: Outcome, attempt: int, pause: float) -> None:
    """Log that a request is sent again after `pause` seconds, and why."""
    if not logger.isEnabledFor(logging.INFO):
        return
    from polycloud.tracing.trace import Trace

    with _harmless():
        trace = Trace(sender, request, outcome, attempt, 0.0)
        reason = trace.status or trace.error
        message = ("%s %s: sent again in %.1f s after %s", trace.method, trace.path, pause, reason)
        logger.info(*message, extra={**trace.fields(), "ms": None, "pause": pause})


def _log(trace: Trace) -> None:
    message = ("%s %s: %s in %.0f ms", trace.method, trace.path, trace.status or trace.error, trace.ms)
    logger.debug(*message, extra=trace.fields())


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception("a trace was lost")
