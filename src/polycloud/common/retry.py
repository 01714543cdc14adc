"""What may be sent again, after which pause, and how often in all.

A request is repeated where nothing can have been carried out, or where carrying it out twice changes
nothing. `POST` and `PATCH` are repeated in the first case only, unless the driver says that the provider
knows the request again (an idempotency token).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from polycloud.common.forks import renew_after_fork
from polycloud.common.http import RawResponse, Request
from polycloud.common.ratelimits import pause_asked, retry_after_seconds
from polycloud.common.types import (
    ConnectError,
    InvalidArgumentError,
    PolycloudError,
    TLSError,
    TransportError,
)

__all__ = ["RetryBudget", "RetryPolicy", "is_polite", "may_have_acted"]

PASSING = frozenset({408, 429, 502, 503, 504})
TOO_MANY, UNAVAILABLE = 429, 503
ANSWERS_A_REPEAT = 10


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is tried and how long the pauses are.

    `attempts` counts the first one; the pause before attempt n+1 is random up to
    `base * factor ** n`, `cap` at most (seconds: full jitter), and never less than the provider asks
    for. A pause longer than `patience` seconds is not waited for. `budget` is how many repeats a driver
    has for an outage: answers earn it back, one for every ten. A driver has one budget for all its calls,
    that of the policy which it was made with.

    Raises:
        InvalidArgumentError: A number is below 0, or `attempts` below 1.
    """

    attempts: int = 4
    base: float = 0.25
    factor: float = 2.0
    cap: float = 10.0
    patience: float = 60.0
    budget: int = 50

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value, least = getattr(self, name), int(name == "attempts")
            whole = name in {"attempts", "budget"}
            kind = int if whole else int | float
            if isinstance(value, bool) or not isinstance(value, kind) or not value >= least:
                raise InvalidArgumentError(f"{name}={value!r} is no {'whole ' * whole}number from {least} on")

    def pause(self, attempt: int, outcome: RawResponse | PolycloudError) -> float:
        """Seconds to wait after attempt number `attempt` (from 1) ended with `outcome`."""
        import random

        jitter = random.uniform(0, self._longest_jitter(attempt))  # noqa: S311 - not a secret
        asked = _asked(outcome) if isinstance(outcome, RawResponse) else None
        return max(jitter, asked or 0.0)

    def _longest_jitter(self, attempt: int) -> float:
        try:
            return min(self.cap, self.base * float(self.factor) ** attempt)
        except OverflowError:
            return self.cap

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
        return isinstance(outcome, TransportError) and request.repeatable

    def _answer_passes(self, request: Request, answer: RawResponse) -> bool:
        if answer.status not in PASSING or (_asked(answer) or 0.0) > self.patience:
            return False
        return _refused(answer) or request.repeatable


class RetryBudget:
    """The repeats that a driver may yet send, so that an outage is not made worse by them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._left = self.size * ANSWERS_A_REPEAT  # in answers: tenths would not add up to a whole

    def spend(self) -> bool:
        """Take one repeat; False where none is left."""
        with self._lock:
            if self._left < ANSWERS_A_REPEAT:
                return False
            self._left -= ANSWERS_A_REPEAT
            return True

    def earn(self) -> None:
        """An answer came that was no failure."""
        full = self.size * ANSWERS_A_REPEAT
        if self._left < full:
            with self._lock:
                self._left = min(self._left + 1, full)

    def __reduce__(self) -> tuple[type[RetryBudget], tuple[int]]:
        return type(self), (self.size,)


def _asked(answer: RawResponse) -> float | None:
    """The pause that the provider asks for; only a refusal for the limit's sake waits for its next window."""
    return pause_asked(answer.headers) if answer.status == TOO_MANY else retry_after_seconds(answer.headers)


def _refused(answer: RawResponse) -> bool:
    """Whether the provider did nothing for certain."""
    unavailable = answer.status == UNAVAILABLE and "retry-after" in answer.headers
    return answer.status == TOO_MANY or unavailable


def is_polite(outcome: RawResponse | PolycloudError) -> bool:
    """Whether the provider itself said when to come back, which costs no budget."""
    return isinstance(outcome, RawResponse) and _refused(outcome) and bool(_asked(outcome))


def may_have_acted(outcome: RawResponse | PolycloudError) -> bool:
    """Whether the server can have carried out a request that ended with `outcome`."""
    if isinstance(outcome, RawResponse):
        return outcome.status != TOO_MANY
    return not isinstance(outcome, ConnectError | TLSError)
