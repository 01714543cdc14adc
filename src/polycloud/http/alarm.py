"""`Alarm`, one timer of an event loop for waits whose ends move: a timer for each would cost more than it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["Alarm"]

CLOCK = 0.001
"""Seconds by which clocks of loops are imprecise."""


class Alarm:
    """Calls a function at a time of `time.monotonic()` (uvloop's own clock lags), or earlier.

    The timer is set anew only where it would go off too late. So whoever is called asks what the time is, and
    sets the alarm again if there is something left to wait for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def set(self, due: float, ring: Callable[[], None]) -> None:
        """Have `ring` called at `due` at the latest."""
        if self._timer is not None:
            if self._rings_at <= due:
                return
            self._timer.cancel()
        self._rings_at = due
        self._timer = self._loop.call_later(max(0.0, due - time.monotonic()) + CLOCK, self._go_off, ring)

    def cancel(self) -> None:
        """Call nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_off(self, ring: Callable[[], None]) -> None:
        self._timer = None
        ring()
