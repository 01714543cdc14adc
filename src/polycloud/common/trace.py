"""What was sent, and what came of it: log records, hooks, and a file of commands that can be run again.

Every attempt of every request is told to the standard logger `polycloud` (level DEBUG, and INFO where a
request is sent again), with the fields `provider`, `operation`, `method`, `path`, `status`, `ms`, `attempt`
and `request_id`; to the hooks of `add_hook`; and to the file that the environment's `POLYCLOUD_DEBUG` names.
None of them is shown a secret.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from polycloud.common.calls import current_call
from polycloud.common.http import RawResponse, Request
from polycloud.common.redaction import redact
from polycloud.common.types import PolycloudError

if TYPE_CHECKING:
    from polycloud.common.base import Connection
    from polycloud.common.recording import Redaction

__all__ = ["Hook", "Trace", "add_hook", "note_attempt", "note_repeat"]

DEBUG_VARIABLE = "POLYCLOUD_DEBUG"
logger = logging.getLogger("polycloud")
Outcome = RawResponse | PolycloudError
Hook = Callable[["Trace"], object]
_hooks: list[Hook] = []


class Trace:
    """One attempt of a request.

    Attributes:
        provider: The provider's name, or the host's.
        operation: The driver's method that it is part of ("list_nodes"), or None for a bare request.
        method: "GET", "POST" ...
        path: The path without its query.
        status: The status of the answer, or None where none came.
        ms: Milliseconds until the answer stood, or the failure.
        attempt: Its number, from 1.
        request_id: What the provider calls the request, or None.
        error: The name of the error where no answer came, else None.
        began_at: Seconds since 1970 when it was sent.
    """

    def __init__(
        self,
        connection: Connection,
        request: Request,
        outcome: Outcome,
        attempt: int,
        ms: float,
    ) -> None:
        answer = outcome if isinstance(outcome, RawResponse) else None
        where = connection.exchange(request, answer)
        self.provider, self.method = where.provider, where.method
        self.path = redact(where.path, connection.secrets())
        self.status, self.request_id = where.status, where.request_id
        self.operation = current_call().operation
        self.ms, self.attempt = ms, attempt
        self.began_at = time.time() - ms / 1e3
        self.error = None if answer else type(outcome).__name__
        self._request, self._outcome = request, outcome
        self._secrets = connection.secrets()

    def fields(self) -> dict[str, Any]:
        """The structured fields of a log record, by name."""
        names = ("provider", "operation", "method", "path", "status", "ms", "attempt", "request_id", "error")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def request(self) -> dict[str, Any]:
        """The request without secrets, in the form of `polycloud.testing.exchange`, with all its headers."""
        body = self._request.body
        parts = urlsplit(self._request.url)
        headers = self._request.headers
        return self._redaction.request(
            self.method,
            f"{parts.path}?{parts.query}",
            body if isinstance(body, bytes) else b"",
            content_type=next((text for name, text in headers.items() if name.lower() == "content-type"), ""),
            headers=headers,
        )

    @cached_property
    def response(self) -> dict[str, Any] | None:
        """The answer without secrets, in the same form; None where none came, or it is a stream."""
        answer = self._outcome
        if not isinstance(answer, RawResponse) or self._request.stream:
            return None
        headers = answer.headers.items()
        return self._redaction.response(answer.status, headers, answer.body, head=self.method == "HEAD")

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self._request.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def streamed(self) -> bool:
        """Whether the request's body is a stream, which no record holds."""
        return not isinstance(self._request.body, bytes | None)

    @property
    def failure(self) -> str | None:
        """The error's text where no answer came."""
        return self._redaction.text(str(self._outcome)) if self.error else None

    @property
    def _redaction(self) -> Redaction:
        return _redaction(tuple(self._secrets))

    def __repr__(self) -> str:
        return f"<Trace {self.method} {self.path} {self.status or self.error}>"


def add_hook(hook: Hook) -> Callable[[], None]:
    """Have `hook` called with the `Trace` of every attempt, in the thread that made it; returns its removal.

    What a hook raises is logged, and does not harm the call.
    """
    _hooks.append(hook)
    return partial(_hooks.remove, hook)


def note_attempt(connection: Connection, request: Request, outcome: Outcome, attempt: int, ms: float) -> None:
    """Tell those who want to know of an attempt and its outcome."""
    file = os.environ.get(DEBUG_VARIABLE)
    logged = logger.isEnabledFor(logging.DEBUG)
    if not (_hooks or file or logged):
        return
    trace = Trace(connection, request, outcome, attempt, ms)
    if logged:
        told = trace.status or trace.error
        logger.debug("%s %s: %s in %.0f ms", trace.method, trace.path, told, ms, extra=trace.fields())
    for hook in [*_hooks, *([_writer(file)] if file else [])]:
        try:
            hook(trace)
        except Exception:
            logger.exception("a trace of %s %s was lost", trace.method, trace.path)


def note_repeat(
    connection: Connection,
    request: Request,
    outcome: Outcome,
    attempt: int,
    pause: float,
) -> None:
    """Log that a request is about to be sent again, and why."""
    if logger.isEnabledFor(logging.INFO):
        trace = Trace(connection, request, outcome, attempt, 0.0)
        why = trace.status or trace.error
        told = ("%s %s: sent again in %.1f s after %s", trace.method, trace.path, pause, why)
        logger.info(*told, extra=trace.fields())


def _writer(file: str) -> Hook:
    from polycloud.common.debugfile import write

    return partial(write, file)


@lru_cache(maxsize=32)
def _redaction(secrets: tuple[str, ...]) -> Redaction:
    from polycloud.common.recording import SHORTEST, Redaction

    return Redaction(secret for secret in secrets if len(secret) >= SHORTEST)
