"""How much a provider lets an account ask, and how requests wait for it before they are refused.

What answers tell is read in any of the usual forms: `Retry-After`; `RateLimit-Limit`, `-Remaining` and
`-Reset`, with or without `X-`; the one `RateLimit` header of the IETF's draft.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Protocol
from weakref import WeakValueDictionary

from polycloud.common.forks import renew_after_fork

__all__ = ["RateLimiter", "Told", "limiter_of", "pause_asked", "retry_after_seconds", "told"]

TOO_MANY, UNAVAILABLE = 429, 503
EPOCH = 1e9
"""A reset above this is a moment (seconds since 1970), and one below it a number of seconds from now."""
DRAFT = re.compile(r"(?:^|[;,\s])(limit|remaining|reset|r|t)\s*=\s*(\d{1,15})\b", re.IGNORECASE)
SHORT = {"limit": "", "remaining": "r", "reset": "t"}
LONGEST = 15
PLENTY = 100
SLOWER, FASTER, UNBOUND = 0.5, 1.05, 4.0
SLOWEST = 0.5
SHORTEST_COUNT = 0.25
INFINITE = float("inf")


class Told(NamedTuple):
    """What the headers of an answer tell: requests a window and left in it, seconds until the next window."""

    limit: float | None = None
    remaining: float | None = None
    reset: float | None = None


def told(headers: Mapping[str, str]) -> Told:
    """The limits in an answer's headers, by lower-case name; None for what is not told or no number."""
    found = {part: value for part in Told._fields if (value := _told(part, headers)) is not None}
    if found.get("reset", 0.0) > EPOCH:
        found["reset"] = max(0.0, found["reset"] - _provider_time(headers))
    return Told(**found)


def _told(part: str, headers: Mapping[str, str]) -> float | None:
    text = headers.get(f"ratelimit-{part}") or headers.get(f"x-ratelimit-{part}")
    if text is None and (draft := headers.get("ratelimit")):
        text = next(
            (value for name, value in DRAFT.findall(draft) if name.lower() in {part, SHORT[part]}), None
        )
    return _number(text)


def _number(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST else None


def _provider_time(headers: Mapping[str, str]) -> float:
    """The provider's clock, by which its moments are meant; ours may be off."""
    moment = _moment(headers.get("date", ""))
    return time.time() if moment is None else moment.timestamp()


def _moment(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def pause_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds for which a refused caller is to wait: `Retry-After`, else until the limit's next window."""
    asked = retry_after_seconds(headers)
    return told(headers).reset if asked is None else asked


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The pause that `Retry-After` asks for: seconds from a number or an HTTP date (RFC 9110, 10.2.3)."""
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), "").strip()
    if (number := _number(value)) is not None:
        return number
    moment = _moment(value)
    return None if moment is None else max(0.0, (moment - datetime.now(UTC)).total_seconds())


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
    that tell; where a provider refuses without telling, it halves the rate at which requests went out, and
    raises it again as they succeed.
    """

    def __init__(self) -> None:
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._left, self._limit, self._window_ends = INFINITE, INFINITE, 0.0
        self._closed_until = 0.0
        self._rate, self._ceiling, self._next_at = INFINITE, INFINITE, 0.0
        self._count, self._counted_since, self._recent = 0, time.monotonic(), 0.0

    def take(self) -> float:
        """0.0 where a request may go now, and must be followed by `give_back`; else the seconds to wait."""
        now = time.monotonic()
        with self._lock:
            if now >= self._window_ends:
                self._left = self._limit
            opens_at = max(self._closed_until, self._next_at, self._window_ends if self._left < 1 else 0.0)
            if opens_at > now:
                return opens_at - now
            self._left -= 1
            self._under_way += 1
            self._next_at = now + 1 / self._rate
            self._measure(now)
            return 0.0

    def give_back(self, answer: Answer | None = None) -> None:
        """Say that a request has ended, and learn from its answer where there was one."""
        with self._lock:
            self._under_way -= 1
            if answer is None:
                return
            status, headers = answer.status, answer.headers
            now = time.monotonic()
            left = _told("remaining", headers)
            if left is not None:
                self._learn(left - self._under_way, headers, now)
            if status == TOO_MANY or (status == UNAVAILABLE and "retry-after" in headers):
                self._close(pause_asked(headers) or 0.0, now, slow_down=left is None)
            elif self._rate < INFINITE:
                self._rate = self._rate * FASTER if self._rate < self._ceiling else INFINITE

    def _learn(self, left: float, headers: Mapping[str, str], now: float) -> None:
        limits = told(headers) if left < PLENTY else Told()
        self._left = INFINITE if limits.reset is None else left
        self._limit = max(limits.limit or INFINITE, 1)
        self._window_ends = now + (limits.reset or 0.0)

    def _measure(self, now: float) -> None:
        """Count requests by the second, so that an idle hour does not make an account look slow."""
        passed = now - self._counted_since
        if passed >= 1:
            self._recent = self._count / passed
            self._count, self._counted_since = 0, now
        self._count += 1

    def _close(self, pause: float, now: float, *, slow_down: bool) -> None:
        if slow_down and now >= self._closed_until:  # of many that are refused together the first one counts
            passed = max(now - self._counted_since, SHORTEST_COUNT)
            sent = min(max(self._recent, self._count / passed), self._rate)
            self._rate = max(sent * SLOWER, SLOWEST)
            self._ceiling = self._rate * UNBOUND
        self._closed_until = max(self._closed_until, now + pause)


_limiters: WeakValueDictionary[Hashable, RateLimiter] = WeakValueDictionary()


def limiter_of(account: Hashable) -> RateLimiter:
    """The bucket of an account, the same one for all who ask while it is in use."""
    found = _limiters.get(account)
    return _limiters.setdefault(account, RateLimiter()) if found is None else found
