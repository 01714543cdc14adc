"""Which requests may be sent again, after which pause, and how often in total.

A request is retried if it cannot have been carried out, or if carrying it out twice changes nothing. `POST`
and `PATCH` are retried in the first case only, unless the driver says that the provider recognises the
repeated request (an idempotency token).

A status proves little: an edge between the caller and the provider (a load balancer, a rate limiter, a CDN)
sends `LOST_STATUSES` also after the provider has acted, whatever their headers. So these count as a lost
response, unless the provider's own words say that it refused (`RawResponse.refused`).
"""

from __future__ import annotations

from _thread import RLock  # threading takes longer to import
from typing import Any

import msgspec

from polycloud.concurrency.forks import renew_after_fork
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    LoginError,
    PolycloudError,
    TLSError,
    TransportError,
)
from polycloud.http.messages import RawResponse, Request
from polycloud.utils.status import HTTPStatus
from polycloud.utils.values import LONGEST, is_number, shown

__all__ = [
    "LOST_STATUSES",
    "RetryBudget",
    "RetryPolicy",
    "has_retry_after",
    "is_transient",
    "may_have_acted",
    "require_number",
]

EDGE = frozenset(range(520, 531))
"""Statuses of Cloudflare, for what happened between it and the provider."""
TRANSIENT = frozenset({408, 429, 502, 503, 504}) | EDGE
LOST_STATUSES = frozenset({408, 429, 460, 499, *range(500, 1000)}) - {501, 505}
"""Statuses that may come after the provider has carried out the request: not those of what it cannot do."""
NAMES_TIME = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
SUCCESSES_PER_RETRY = 10
"""Responses without failure that earn one retry back."""


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often a request is tried and how long the pauses are.

    `attempts` counts the first one; the pause before attempt n+1 is random up to `base * factor ** n`, at
    most `cap` (seconds: full jitter), and never shorter than the provider asks for. A pause longer than
    `patience` seconds is not waited for. `budget` is the number of retries that a driver has for an outage;
    every ten responses without failure earn one back. A driver has one budget for all its calls, that of the
    policy with which it was made.

    Raises:
        InvalidArgumentError: A number is below 0 or above 1e9, or `attempts` is below 1.
    """

    attempts: int = 4
    base: float = 0.25
    factor: float = 2.0
    cap: float = 10.0
    patience: float = 60.0
    budget: int = 50

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            integral, least = name in {"attempts", "budget"}, int(name == "attempts")
            require_number(name, getattr(self, name), least, integral=integral)

    def pause(self, attempt: int, outcome: RawResponse | PolycloudError) -> float:
        """Return the seconds to wait after attempt number `attempt` (from 1) ended with `outcome`."""
        import random

        jitter = random.uniform(0, self._longest_jitter(attempt))  # noqa: S311 - not a secret
        requested = _requested_pause(outcome) if isinstance(outcome, RawResponse) else None
        return max(jitter, requested or 0.0)

    def _longest_jitter(self, attempt: int) -> float:
        try:
            return min(self.cap, self.base * float(self.factor) ** attempt)
        except OverflowError:  # there is no limit of attempts
            return self.cap

    def allows(self, request: Request, attempt: int, outcome: RawResponse | PolycloudError) -> bool:
        """Return whether `request` may be sent again after attempt number `attempt` ended with `outcome`."""
        if attempt >= self.attempts or not request.rewindable:
            return False
        if isinstance(outcome, RawResponse):
            return self._is_transient(request, outcome)
        if isinstance(outcome, TLSError | LoginError):
            return False
        if isinstance(outcome, ConnectError):
            return True
        return isinstance(outcome, TransportError) and request.repeatable

    def _is_transient(self, request: Request, response: RawResponse) -> bool:
        if not is_transient(request, response.status) or (_requested_pause(response) or 0.0) > self.patience:
            return False
        return response.refused or request.repeatable


def require_number(name: str, value: Any, least: int = 0, *, integral: bool = False) -> None:
    """Raise `InvalidArgumentError`, naming the argument, unless `value` is from `least` to 1e9."""
    valid = is_number(value) and (isinstance(value, int) or not integral)
    if not valid or not least <= value <= LONGEST:
        wanted = f"{'an int' if integral else 'a number'} of at least {least} and at most {LONGEST:,.0f}"
        raise InvalidArgumentError(f"{name} must be {wanted}, got {shown(value)}")


class RetryBudget:
    """The retries that a driver has left, so that they do not make an outage worse."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = RLock()  # a signal handler may come in the middle
        self.full = True
        self._left = self.size * SUCCESSES_PER_RETRY  # in responses: tenths would not add up exactly

    def spend(self) -> bool:
        """Take one retry; False if none is left."""
        with self._lock:
            if self._left < SUCCESSES_PER_RETRY:
                return False
            self._left -= SUCCESSES_PER_RETRY
            self.full = False
            return True

    def earn(self) -> None:
        """Record a response without failure; needless while the budget is `full`."""
        with self._lock:
            self._left = min(self._left + 1, self.size * SUCCESSES_PER_RETRY)
            self.full = self._left == self.size * SUCCESSES_PER_RETRY

    def __reduce__(self) -> tuple[type[RetryBudget], tuple[int]]:
        return type(self), (self.size,)


def _requested_pause(response: RawResponse) -> float | None:
    """Return the pause that the provider asks for; only a 429 also waits for the next rate limit window."""
    from polycloud.utils.headers import requested_pause, retry_after_seconds  # a first refusal needs it

    read = requested_pause if response.status == HTTPStatus.TOO_MANY_REQUESTS else retry_after_seconds
    return read(response.headers)


def is_transient(request: Request, status: int) -> bool:
    """Return whether the same request may succeed after a response with this status."""
    return status in TRANSIENT or status in request.transient


def has_retry_after(outcome: RawResponse | PolycloudError) -> bool:
    """Return whether the response names a retry time; such retries cost no budget."""
    if not isinstance(outcome, RawResponse):
        return False
    return outcome.status in NAMES_TIME and bool(_requested_pause(outcome))


def may_have_acted(outcome: RawResponse | PolycloudError) -> bool:
    """Return whether the server may have carried out a request that ended with `outcome`."""
    if isinstance(outcome, RawResponse):
        done = outcome.status < HTTPStatus.MULTIPLE_CHOICES
        return done or (outcome.status in LOST_STATUSES and not outcome.refused)
    return not isinstance(outcome, ConnectError | TLSError)
