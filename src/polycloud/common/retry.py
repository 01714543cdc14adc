"""What may be sent again, and after which pause.

A request is repeated where nothing can have been carried out, or where carrying it out twice changes
nothing. `POST` and `PATCH` are repeated in the first case only.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from polycloud.common.http import RawResponse, Request
from polycloud.common.types import ConnectError, PolycloudError, TLSError, TransportError, retry_after_seconds

__all__ = ["RetryPolicy"]

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
PASSING = frozenset({429, 502, 503, 504})
TOO_MANY, UNAVAILABLE = 429, 503


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is tried and how long the pauses are.

    `attempts` counts the first one; the pause before attempt n+1 is random up to
    `base * factor ** n`, `cap` at most (seconds: full jitter), and never less than `Retry-After` asks
    for. A `Retry-After` longer than `patience` seconds is not waited for.
    """

    attempts: int = 4
    base: float = 0.25
    factor: float = 2.0
    cap: float = 10.0
    patience: float = 60.0

    def pause(self, attempt: int, outcome: RawResponse | PolycloudError) -> float:
        """Seconds to wait after attempt number `attempt` (from 1) ended with `outcome`."""
        jitter = random.uniform(0, min(self.cap, self.base * self.factor**attempt))  # noqa: S311
        asked = retry_after_seconds(outcome.headers) if isinstance(outcome, RawResponse) else None
        return max(jitter, asked or 0.0)

    def allows(self, request: Request, attempt: int, outcome: RawResponse | PolycloudError) -> bool:
        """Whether `request` may be sent again after attempt number `attempt` ended with `outcome`."""
        if attempt >= self.attempts or not request.rewindable:
            return False
        if isinstance(outcome, RawResponse):
            return self._answer_passes(request, outcome)
        if isinstance(outcome, TLSError):
            return False
        if isinstance(outcome, ConnectError):
            return True
        return isinstance(outcome, TransportError) and request.method in REPEATABLE

    def _answer_passes(self, request: Request, answer: RawResponse) -> bool:
        if answer.status not in PASSING:
            return False
        asked = retry_after_seconds(answer.headers)
        if (asked or 0.0) > self.patience:
            return False
        refused = answer.status == TOO_MANY or (answer.status == UNAVAILABLE and asked is not None)
        return refused or request.method in REPEATABLE


def may_have_acted(outcome: RawResponse | PolycloudError) -> bool:
    """Whether the server can have carried out a request that ended with `outcome`."""
    if isinstance(outcome, RawResponse):
        return outcome.status != TOO_MANY
    return not isinstance(outcome, ConnectError | TLSError)
