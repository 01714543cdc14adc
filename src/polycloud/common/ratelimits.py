"""How much a provider lets an account ask, and how requests wait for it before they are refused.

What answers tell is read in any of the usual forms: `Retry-After`; `RateLimit-Limit`, `-Remaining` and
`-Reset`, with or without `X-`; the one `RateLimit` header of the IETF's draft. Nothing that they tell holds
requests back for longer than an hour, so that a broken header does not lock an account out for ever.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, Protocol
from weakref import WeakValueDictionary

from polycloud.common.forks import renew_after_fork

__all__ = ["RateLimiter", "Told", "http_date", "limiter_of", "pause_asked", "retry_after_seconds", "told"]

TOO_MANY, UNAVAILABLE, SERVER_ERRORS = 429, 503, 500
EPOCH = 1e9
"""A reset above this is a moment (seconds since 1970), and one below it a number of seconds from now."""
DRAFT = re.compile(r"(?:^|[;,\s])(limit|remaining|reset|r|t)\s*=\s*(\d{1,15})\b", re.IGNORECASE)
DRAFT_NAMES = {"r": "remaining", "t": "reset"}
LONGEST = 15
"""Digits of a number that can be meant."""
PLENTY = 100
INFINITE = math.inf

LONGEST_PAUSE = 3600.0
PROBE = 0.1
"""Seconds between the requests that find out, one by one, how much a new window has room for."""
SLOWER, SLOWEST = 0.5, 0.5
DOUBLING = 5.0
"""Seconds in which a rate that was slowed down doubles."""
TOGETHER = 1.0
"""Seconds in which of many refusals the first one counts: most limits that are not told are by the second."""
UNLIKELY = 10.0
"""Requests a second below which a refusal says little of the limit."""
FAST = 1000.0
"""Requests a second that are not worth pacing."""
SLACK = 0.05
"""Seconds by which requests that overslept may catch up."""


class Told(NamedTuple):
    """What the headers of an answer tell: requests a window and left in it, seconds until the next window."""

    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None


def told(headers: Mapping[str, str]) -> Told:
    """The limits in an answer's headers, by lower-case name; None for what is not told or no number."""
    draft = _draft(text) if (text := headers.get("ratelimit")) else {}
    found: dict[str, float] = {}
    for part in Told._fields:
        number = _number(_field(part, headers))
        if (value := draft.get(part) if number is None else number) is not None:
            found[part] = value
    if found.get("reset", 0.0) > EPOCH:
        found["reset"] = max(0.0, found["reset"] - _provider_time(headers))
    return Told(**found)


def _field(part: str, headers: Mapping[str, str]) -> str:
    text = headers.get(f"ratelimit-{part}") or headers.get(f"x-ratelimit-{part}") or ""
    return text.partition(",")[0]  # what follows are other limits: "100, 100;w=60"


def _draft(text: str) -> dict[str, float]:
    """What the one header tells; of several limits the one that is used up first."""
    limits = [
        {DRAFT_NAMES.get(name.lower(), name.lower()): float(value) for name, value in DRAFT.findall(part)}
        for part in (text.split(",") if '"' in text else [text])
    ]
    return min(limits, key=lambda limit: limit.get("remaining", INFINITE))


def _number(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST else None


def _provider_time(headers: Mapping[str, str]) -> float:
    """The provider's clock, by which its moments are meant; ours may be off."""
    moment = http_date(_any_case("date", headers))
    return time.time() if moment is None else moment.timestamp()


@lru_cache(maxsize=32)  # the answers of one second
def http_date(text: str) -> datetime | None:
    """The moment that a header such as `Date` tells (UTC unless it says so); None for what is none."""
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _any_case(wanted: str, headers: Mapping[str, str]) -> str:
    return next((text for name, text in headers.items() if name.lower() == wanted), "").strip()


def pause_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds for which a refused caller is to wait: `Retry-After`, else until the limit's next window."""
    asked = retry_after_seconds(headers)
    return told(headers).reset if asked is None else asked


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The pause that `Retry-After` asks for: seconds from a number or an HTTP date (RFC 9110, 10.2.3)."""
    value = _any_case("retry-after", headers)
    if not value or (number := _number(value)) is not None:
        return number if value else None
    moment = http_date(value)
    return None if moment is None else max(0.0, moment.timestamp() - _provider_time(headers))


class Answer(Protocol):
    """What is read of an answer."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by lower-case name."""
        ...


class RateLimiter:
    """A token bucket for all requests of an account; threads and drivers share it.

    It knows nothing at first and holds nothing back. It learns how many requests are left from answers
    that tell; once they are used up it waits for the next window and begins that one by one, since some
    windows slide and have room for one only. Where a provider refuses without telling, it halves the rate
    at which requests went out, and doubles it again every few seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._left, self._window_ends, self._probing = INFINITE, 0.0, False
        self._closed_until = self._next_at = 0.0
        self._rate, self._slowed_at = INFINITE, -INFINITE
        self._count, self._counted_since, self._recent = 0, self._clock(), 0.0

    def take(self) -> float:
        """0.0 where a request may go now, and must be followed by `give_back`; else the seconds to wait."""
        now = self._clock()
        with self._lock:
            if self._left < 1 and now >= self._window_ends:
                self._left, self._window_ends, self._probing = 1, now + PROBE, True
            opens_at = max(self._closed_until, self._next_at, self._window_ends if self._left < 1 else 0.0)
            if opens_at > now:
                return opens_at - now
            self._left -= 1
            self._under_way += 1
            if self._rate < INFINITE:
                self._pace(now)
            if now - self._counted_since >= 1:
                self._recent = self._count / (now - self._counted_since)
                self._count, self._counted_since = 0, now
            self._count += 1
            return 0.0

    def give_back(self, answer: Answer | None = None) -> None:
        """Say that a request has ended, and learn from its answer where there was one."""
        with self._lock:
            self._under_way -= 1
            if answer is None:
                return
            status, headers = answer.status, answer.headers
            if status == TOO_MANY:
                self._refuse(headers)
            elif status == UNAVAILABLE and "retry-after" in headers:
                self._slow_down()
            else:
                self._learn(headers, failed=status >= SERVER_ERRORS)

    def _learn(self, headers: Mapping[str, str], *, failed: bool) -> None:
        number = headers.get("ratelimit-remaining") or headers.get("x-ratelimit-remaining")
        left = _number(number)
        if left is None or left < PLENTY:
            self._learn_of_few(told(headers) if number or "ratelimit" in headers else Told(), failed=failed)
        else:
            self._left, self._probing = left - self._under_way, False

    def _learn_of_few(self, limits: Told, *, failed: bool) -> None:
        if limits.remaining is None or limits.reset is None or limits.limit == 0:
            if self._probing and not failed:  # the provider speaks of limits no more
                self._left, self._probing = INFINITE, False
            return
        self._left, self._probing = limits.remaining - self._under_way, False
        self._window_ends = self._clock() + min(limits.reset, LONGEST_PAUSE)

    def _refuse(self, headers: Mapping[str, str]) -> None:
        limits = told(headers)
        pause = pause_asked(headers)
        if pause:
            ends_at = self._clock() + min(pause, LONGEST_PAUSE)
            self._closed_until = self._window_ends = max(self._closed_until, ends_at)
            self._left = 0
        if limits.remaining is None or limits.reset is None:
            self._slow_down()

    def _slow_down(self) -> None:
        now = self._clock()
        if now - self._slowed_at < TOGETHER:
            return
        accepted = max(self._recent, self._count - self._under_way, UNLIKELY)
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
        self._lock = threading.Lock()

    def __call__(self, account: Hashable) -> RateLimiter:
        with self._lock:
            return self._known.setdefault(account, RateLimiter())


_limiters = _Limiters()


def limiter_of(account: Hashable) -> RateLimiter:
    """The bucket of an account, the same one for all who ask while it is in use."""
    return _limiters(account)
