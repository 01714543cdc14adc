"""Hold requests back before the provider would refuse them: one token bucket per account.

The bucket starts without a limit and learns one from responses. There are two ways to learn:

- The provider states its limits in headers (`utils.headers.rate_limits`). The remaining requests become the
  bucket's tokens; when they are used up, requests wait for the next window. A new window is entered one
  request at a time (every `PROBE` seconds) until a response states the remaining requests again, because a
  sliding window may have room for a single request only.
- The provider refuses (429) without stating a limit. The bucket then halves the rate at which requests were
  accepted and doubles it again every `DOUBLING` seconds, as TCP does after loss. Of many refusals within
  `BURST` seconds only the first one counts, since the others concern requests sent before the rate was
  reduced.

No header holds requests back for longer than an hour, so a broken header cannot lock an account out.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Protocol
from weakref import WeakValueDictionary

from polycloud.concurrency.forks import renew_after_fork
from polycloud.utils.headers import RateLimits, parse_number, rate_limits, requested_pause
from polycloud.utils.status import HTTPStatus

__all__ = ["RateLimiter", "limiter_of"]

PLENTY = 100
"""With at least this many requests left, the window's end is not read."""
INFINITE = math.inf
LONGEST_PAUSE = 3600.0
PROBE = 0.1
"""Seconds between the requests that find out, one by one, how much room a new window has."""
SLOWER, SLOWEST = 0.5, 0.5
"""The factor of a slowdown, and the lowest rate in requests per second."""
DOUBLING = 5.0
"""Seconds in which a reduced rate doubles."""
BURST = 1.0
"""Seconds in which only the first of many refusals counts: most unstated limits are per second."""
UNLIKELY = 10.0
"""Requests per second below which a refusal says little about the limit."""
FAST = 1000.0
"""Requests per second above which pacing stops."""
SLACK = 0.05
"""Seconds by which requests that overslept may catch up."""


class LimitedResponse(Protocol):
    """What the limiter reads from a response."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by lower-case name."""
        ...


class RateLimiter:
    """A token bucket for all requests of an account; threads and drivers share it. See the module's text.

    `clock` returns seconds, as `time.monotonic` does.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come in the middle
        self._in_flight = 0
        self._left, self._window_ends, self._probing = INFINITE, 0.0, False
        self._closed_until = self._next_at = 0.0
        self._rate, self._slowed_at = INFINITE, -INFINITE
        self._count, self._counted_since, self._recent = 0, self._clock(), 0.0

    def take(self) -> float:
        """Return 0.0 if a request may go now (then call `give_back` after it), else the seconds to wait."""
        now = self._clock()
        with self._lock:
            if self._left < 1 and now >= self._window_ends:
                self._left, self._window_ends, self._probing = 1, now + PROBE, True
            opens_at = max(self._closed_until, self._next_at, self._window_ends if self._left < 1 else 0.0)
            if opens_at > now:
                return opens_at - now
            self._left -= 1
            self._in_flight += 1
            if self._rate < INFINITE:
                self._pace(now)
            if now - self._counted_since >= 1:
                self._recent = self._count / (now - self._counted_since)
                self._count, self._counted_since = 0, now
            self._count += 1
            return 0.0

    def give_back(self, response: LimitedResponse | None = None) -> None:
        """Record that a request has ended, and learn from its response if there was one."""
        with self._lock:
            self._in_flight -= 1
            if response is None:
                return
            status, headers = response.status, response.headers
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                self._refuse(headers)
            elif status == HTTPStatus.SERVICE_UNAVAILABLE and "retry-after" in headers:
                self._slow_down()
            else:
                self._learn(headers, failed=status >= HTTPStatus.INTERNAL_SERVER_ERROR)

    def _learn(self, headers: Mapping[str, str], *, failed: bool) -> None:
        number = headers.get("ratelimit-remaining") or headers.get("x-ratelimit-remaining")
        left = parse_number(number)
        if left is None or left < PLENTY:
            self._learn_of_few(
                rate_limits(headers) if number or "ratelimit" in headers else RateLimits(), failed=failed
            )
        else:
            self._left, self._probing = left - self._in_flight, False

    def _learn_of_few(self, limits: RateLimits, *, failed: bool) -> None:
        if limits.remaining is None or limits.reset is None or limits.limit == 0:
            if self._probing and not failed:  # the provider no longer states limits
                self._left, self._probing = INFINITE, False
            return
        self._left, self._probing = limits.remaining - self._in_flight, False
        self._window_ends = self._clock() + min(limits.reset, LONGEST_PAUSE)

    def _refuse(self, headers: Mapping[str, str]) -> None:
        limits = rate_limits(headers)
        pause = requested_pause(headers)
        if pause:
            ends_at = self._clock() + min(pause, LONGEST_PAUSE)
            self._closed_until = self._window_ends = max(self._closed_until, ends_at)
            self._left = 0
        if limits.remaining is None or limits.reset is None:
            self._slow_down()

    def _slow_down(self) -> None:
        now = self._clock()
        if now - self._slowed_at < BURST:
            return
        accepted = max(self._recent, self._count - self._in_flight, UNLIKELY)
        self._rate = max(min(accepted, self._rate_at(now)) * SLOWER, SLOWEST)
        self._slowed_at = now
        self._next_at = now + 1 / self._rate

    def _rate_at(self, now: float) -> float:
        return self._rate * math.exp2(min((now - self._slowed_at) / DOUBLING, 64.0))

    def _pace(self, now: float) -> None:
        rate = self._rate_at(now)
        if rate > FAST:
            self._rate, self._next_at = INFINITE, 0.0
        else:
            self._next_at = max(self._next_at, now - SLACK) + 1 / rate


class _Limiters:
    def __init__(self) -> None:
        self._known: WeakValueDictionary[Hashable, RateLimiter] = WeakValueDictionary()
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come in the middle

    def __call__(self, account: Hashable) -> RateLimiter:
        with self._lock:
            return self._known.setdefault(account, RateLimiter())


_limiters = _Limiters()


def limiter_of(account: Hashable) -> RateLimiter:
    """Return the bucket of an account: one object for all callers while any of them holds it."""
    return _limiters(account)
