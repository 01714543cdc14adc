"""How many requests a token may send."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.linode.errors import RateLimitError
from polycloud.sandbox.linode.knobs import LinodeKnobs

_LISTS = re.compile(
    r"/(account/events|profile/sshkeys|tags|tags/[^/]+|images|volumes|regions|networking/(ips|firewalls)"
    r"|(linode|volumes)/types|linode/(kernels|stackscripts|instances)"
    r"|linode/instances/[0-9]+/(disks|configs|volumes|firewalls)|networking/firewalls/[0-9]+/devices)"
)


def kind_of(method: str, path: str) -> str:
    """Which limit counts for a request with a path below the version: "list", "create" or "other"."""
    if method == "GET" and _LISTS.fullmatch(path):
        return "list"
    return "create" if (method, path) == ("POST", "/linode/instances") else "other"


@dataclass
class Window:
    """So many requests in so many seconds, and how many there were since the window began."""

    limit: int
    refuses: bool
    seconds: float
    began: float
    used: int = 0


class RateLimit:
    """Counts requests by kind, "list", "create" or "other", in windows that begin with a request."""

    def __init__(self, knobs: LinodeKnobs, clock: Clock) -> None:
        self._clock = clock
        now = clock()
        self._windows = {
            "list": Window(knobs.list_limit or 200, bool(knobs.list_limit), 60.0, now),
            "other": Window(knobs.request_limit or 1600, bool(knobs.request_limit), 60.0, now),
            "create": Window(knobs.create_limit or 20, bool(knobs.create_limit), 15.0, now),
        }

    def count(self, kind: str) -> None:
        """Count one request; RateLimitError, and no counting, if it is one too many."""
        window, now = self._windows[kind], self._clock()
        if now >= window.began + window.seconds or not window.used:
            window.began, window.used = now, 0
        if window.refuses and window.used >= window.limit:
            raise RateLimitError
        window.used += 1

    def headers(self, kind: str) -> dict[str, str]:
        """The headers of an answer that say how much is left, and when the window ends."""
        window = self._windows[kind]
        left = window.began + window.seconds - self._clock()
        # Where nothing is refused nothing may look used: a client that heeds it would wait in vain.
        remaining = window.limit - (window.used if window.refuses else 0)
        return {
            "x-ratelimit-limit": str(window.limit),
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": str(math.ceil(time.time() + left)),
            "retry-after": str(math.ceil(left)),
        }
