"""The connections of a transport on an event loop to one origin: a number of places, and who waits for one.

Like all of that transport it belongs to one loop, so nothing here has a lock.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from polycloud.errors import ConnectError
from polycloud.http.alarm import Alarm
from polycloud.http.exchange import IDLE_LIMIT, late
from polycloud.http.loopopening import Opener
from polycloud.http.loopwire import LoopWire
from polycloud.http.messages import Request
from polycloud.http.wire import seconds_left

__all__ = ["Pool"]

CLOSING = 2.0
"""Seconds that `aclose` waits for connections to end."""


class Pool:
    """The connections on one route: a number of places, each with an open connection or not.

    Who finds no place waits in a queue. A place that is given back goes to the first in the queue directly.
    """

    def __init__(self, opener: Opener, size: int) -> None:
        self.opener = opener
        self.loop = asyncio.get_running_loop()
        self._free = size
        self._queue: deque[_Place] = deque()
        self._alarm = Alarm(self.loop)
        self._idle: list[LoopWire] = []
        self._open: set[LoopWire] = set()
        self._closed = False
        self._sweeping = False

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return not all(wire.closed.done() for wire in self._open)

    def take(self) -> LoopWire | None:
        """Return an open connection, as `lease` does, if that needs no waiting; else None."""
        if self._free and self._idle and self._is_usable(self._idle[-1]):
            self._free -= 1
            return self._idle.pop()
        return None

    async def lease(self, request: Request) -> LoopWire:
        """Return a connection, which must be given back: one that is open, or else a new one."""
        if self._free:
            self._free -= 1
        else:
            place = self._queue_up(request)
            failure: BaseException | None = None
            try:
                await place.given
            except BaseException as error:  # noqa: BLE001 - raised below
                failure = self._not_placed(place, request, error)
            if failure is not None:
                raise failure
        try:
            while self._idle:
                wire = self._idle.pop()
                if self._is_usable(wire):
                    return wire
                self._drop(wire)
            return await self._opened(request)
        except BaseException:
            self._release()
            raise

    def give_back(self, wire: LoopWire, *, reusable: bool) -> None:
        """Take a connection back; close it unless it may carry another request."""
        if reusable and not self._closed:
            wire.end()
            self._idle.append(wire)
            self._sweep_later()
        else:
            self._drop(wire)
        self._release()

    async def aclose(self) -> None:
        """Close every connection."""
        self._closed = True
        closing = [wire.closed for wire in self._open]
        for wire in list(self._open):
            self._drop(wire)
        self._idle.clear()
        while self._queue:
            _settle(self._queue.popleft().given)
        self._alarm.cancel()
        if closing:
            await asyncio.wait(closing, timeout=CLOSING)

    def _is_usable(self, wire: LoopWire) -> bool:
        # uvloop's own clock lags
        return time.monotonic() - wire.sent_at < IDLE_LIMIT and wire.is_open()

    async def _opened(self, request: Request) -> LoopWire:
        if not self._closed:
            wire = await self.opener.open(request)
            if not self._closed:
                self._open.add(wire)
                return wire
            wire.abort()
        raise ConnectError("the transport was closed")

    def _queue_up(self, request: Request) -> _Place:
        """Return the place that will be given."""
        place = _Place(self.loop, seconds_left(request, request.read_timeout))
        self._queue.append(place)
        self._alarm.set(place.due, self._ring)  # one for the queue: most who wait need none
        return place

    def _not_placed(self, place: _Place, request: Request, error: BaseException) -> BaseException:
        """Return the error to raise where a wait for a place has ended with one."""
        if isinstance(error, TimeoutError):
            return late(request) or ConnectError("no connection of the pool became free in time (pool_size=)")
        if place.is_given:
            self._release()  # it came together with the cancellation
        return error

    def _ring(self) -> None:
        """End the wait of those in the queue whose time has passed."""
        waiting = [place for place in self._queue if not place.given.done()]
        now = time.monotonic()
        for place in waiting:
            if place.due <= now:
                _settle(place.given, TimeoutError())
        self._queue = deque(place for place in waiting if place.due > now)
        if self._queue:
            self._alarm.set(min(place.due for place in self._queue), self._ring)

    def _release(self) -> None:
        while self._queue:
            if _settle(self._queue.popleft().given):
                return
        self._free += 1

    def _drop(self, wire: LoopWire) -> None:
        self._open.discard(wire)
        wire.abort()

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self.loop.call_later(IDLE_LIMIT, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long."""
        self._sweeping = False
        limit = time.monotonic() - IDLE_LIMIT
        for wire in [wire for wire in self._idle if wire.sent_at <= limit]:
            self._idle.remove(wire)
            self._drop(wire)
        if self._idle:
            self._sweep_later()


class _Place:
    """A place of a pool that somebody waits for until `due`; `given` is done once it is there."""

    __slots__ = ("due", "given")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.given: asyncio.Future[None] = loop.create_future()
        self.due = time.monotonic() + seconds

    @property
    def is_given(self) -> bool:
        """Whether it is there, though nobody may wait for it any more."""
        given = self.given
        return given.done() and not given.cancelled() and given.exception() is None


def _settle(future: asyncio.Future[None], error: Exception | None = None) -> bool:
    """Complete a future; return False if it had been already."""
    if future.done():
        return False
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
    return True
