"""What was sent, and what came of it: log records, hooks, and a file of commands that can be run again.

Every attempt of every request is told to the standard logger `polycloud` (level DEBUG, and INFO where a
request is sent again), with the fields `provider`, `operation`, `method`, `path`, `status`, `ms`, `attempt`,
`request_id` and `error`; to the hooks of `add_hook`; and to the file that the environment's `POLYCLOUD_DEBUG`
names. None of them is shown a secret. docs/traces.md tells how to use them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from polycloud.common.calls import current_call
from polycloud.common.forks import cached_property
from polycloud.common.http import RawResponse, Request
from polycloud.common.types import PolycloudError

if TYPE_CHECKING:
    from polycloud.common.base import Connection
    from polycloud.common.recording import Redaction

__all__ = ["Hook", "Trace", "add_hook", "note_attempt", "note_repeat"]

DEBUG_VARIABLE = "POLYCLOUD_DEBUG"
PORTS = {"https": 443, "http": 80}
logger = logging.getLogger("polycloud")
Outcome = RawResponse | PolycloudError
Hook = Callable[["Trace"], object]
_hooks: dict[object, Hook] = {}


class Trace:
    """One attempt of a request, without secrets.

    Attributes:
        provider: The provider's name, or the host's.
        operation: The driver's method that it is part of ("list_nodes"), or None for a bare request.
        method: "GET", "POST" ...
        host: The name or address that it went to.
        port: The port there.
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
        self.began_at = time.time() - ms / 1e3
        self._request, self._outcome = request, outcome
        self._declared = connection.secrets()
        known = self._redaction.known
        answer = outcome if isinstance(outcome, RawResponse) else None
        where = connection.exchange(request, answer)
        address = urlsplit(request.url)
        self.provider, self.method, self.status = where.provider, where.method, where.status
        self.host, self.port = known(address.hostname or ""), address.port or PORTS[address.scheme]
        self.path = known(where.path)
        self.request_id = where.request_id and known(where.request_id)
        self.operation = current_call().operation
        self.ms, self.attempt = ms, attempt
        self.error = None if answer else type(outcome).__name__

    def fields(self) -> dict[str, Any]:
        """The structured fields of a log record, by name."""
        names = ("provider", "operation", "method", "path", "status", "ms", "attempt", "request_id", "error")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def url(self) -> str:
        """The whole address that it went to."""
        return self._redaction.url(self._request.url)

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers that were sent."""
        return self._redaction.headers(self._request.headers)

    @cached_property
    def body(self) -> bytes | None:
        """The body that was sent, b"" for none; None for a stream, which no record holds."""
        body = self._sent
        return None if body is None else self._redaction.body(body, form=self._is_form)

    @cached_property
    def request(self) -> dict[str, Any]:
        """The request as `polycloud.testing.exchange` describes it, without headers and without a stream."""
        address = urlsplit(self._request.url)
        target = f"{address.path}?{address.query}"
        return self._redaction.request(self.method, target, self._sent or b"", form=self._is_form)

    @cached_property
    def response(self) -> dict[str, Any] | None:
        """The answer as `polycloud.testing.exchange` describes it; None for none, and for a stream."""
        answer = self._outcome
        if not isinstance(answer, RawResponse) or self._request.stream:
            return None
        headers = answer.headers.items()
        return self._redaction.response(answer.status, headers, answer.body, head=self.method == "HEAD")

    @cached_property
    def failure(self) -> str | None:
        """The error's text where no answer came."""
        return self._redaction.text(str(self._outcome)) if self.error else None

    @property
    def _sent(self) -> bytes | None:
        body = self._request.body
        return body if isinstance(body, bytes) else b"" if body is None else None

    @property
    def _is_form(self) -> bool:
        headers = self._request.headers
        return any("form-urlencoded" in headers[name] for name in headers if name.lower() == "content-type")

    @cached_property
    def _redaction(self) -> Redaction:
        from polycloud.common.recording import named_secrets

        return _redaction((*self._declared, *named_secrets(self._request.url, self._request.headers)))

    def __repr__(self) -> str:
        return f"<Trace {self.method} {self.path} {self.status or self.error}>"


def add_hook(hook: Hook) -> Callable[[], None]:
    """Have `hook` called with the `Trace` of every attempt, in the thread that made it; returns its removal.

    What a hook raises is logged, and does not harm the call.
    """
    key = object()
    _hooks[key] = hook
    return partial(_forget, key)


def _forget(key: object) -> None:
    _hooks.pop(key, None)


def note_attempt(connection: Connection, request: Request, outcome: Outcome, attempt: int, ms: float) -> None:
    """Tell those who want to know of an attempt and its outcome."""
    hooks = _listening()
    if not hooks:
        return
    with _harmless():
        trace = Trace(connection, request, outcome, attempt, ms)
        for hook in hooks:
            with _harmless():
                hook(trace)


def note_repeat(
    connection: Connection,
    request: Request,
    outcome: Outcome,
    attempt: int,
    pause: float,
) -> None:
    """Log that a request is about to be sent again, and why; with the `pause` in seconds and no `ms`."""
    if not logger.isEnabledFor(logging.INFO):
        return
    with _harmless():
        trace = Trace(connection, request, outcome, attempt, 0.0)
        why = trace.status or trace.error
        told = ("%s %s: sent again in %.1f s after %s", trace.method, trace.path, pause, why)
        logger.info(*told, extra={**trace.fields(), "ms": None, "pause": pause})


def _listening() -> list[Hook]:
    hooks = [*([_log] if logger.isEnabledFor(logging.DEBUG) else []), *_hooks.values()]
    if file := os.environ.get(DEBUG_VARIABLE):
        hooks.append(_writer(file))
    return hooks


def _log(trace: Trace) -> None:
    told = ("%s %s: %s in %.0f ms", trace.method, trace.path, trace.status or trace.error, trace.ms)
    logger.debug(*told, extra=trace.fields())


def _writer(file: str) -> Hook:
    from polycloud.common.debugfile import write

    return partial(write, file)


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception("a trace was lost")


@lru_cache(maxsize=32)
def _redaction(secrets: tuple[str, ...]) -> Redaction:
    from polycloud.common.recording import SHORTEST, Redaction

    return Redaction(secret for secret in secrets if len(secret) >= SHORTEST)
