"""How many requests a token may send."""

from __future__ import annotations

import math
import time
from collections import deque

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.digitalocean.errors import RateLimitError

_HOUR, _MINUTE = 3600.0, 60.0
_USUAL = 5000


class RateLimit:
    """Counts requests, each for an hour and for a minute after it was sent; a limit of 0 refuses nothing."""

    def __init__(self, hourly: int, burst: int, clock: Clock) -> None:
        self._hourly, self._burst, self._clock = hourly, burst, clock
        self._hour: deque[float] = deque()
        self._minute: deque[float] = deque()

    def count(self) -> None:
        """Count one request; RateLimitError, and no counting, if it is one too many."""
        now = self._clock()
        _forget(self._hour, now - _HOUR)
        _forget(self._minute, now - _MINUTE)
        if self._burst and len(self._minute) >= self._burst:
            raise RateLimitError(math.ceil(self._minute[0] + _MINUTE - now))
        if self._hourly and len(self._hour) >= self._hourly:
            # Only the limit of a minute tells how long to wait.
            raise RateLimitError(None)
        self._hour.append(now)
        self._minute.append(now)

    def headers(self, *, exceeded: bool) -> dict[str, str]:
        """The headers of an answer that say how much is left, and when the oldest request expires."""
        limit = self._hourly or _USUAL
        # Where nothing is refused nothing may look used up: callers hold themselves back when little is left.
        left = max(limit - len(self._hour), 0 if self._hourly else limit // 2)
        now = self._clock()
        expires = (self._hour[0] if self._hour else now) + _HOUR - now
        return {
            "ratelimit-limit": str(limit),
            "ratelimit-remaining": "0" if exceeded else str(left),
            "ratelimit-reset": str(math.ceil(time.time() + expires)),
        }


def _forget(times: deque[float], until: float) -> None:
    while times and times[0] <= until:
        times.popleft()
