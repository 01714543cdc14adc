"""An account and how time changes it.

Nothing runs in the background. An event ends at a time on the clock; `Account.advance`, called before every
request, carries out the effects of those that are due. While an event is under way, its resources are locked
and take no other event. An event whose server's machine is still working waits for it.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import Any, ClassVar, Generic, TypeVar

from polycloud.sandbox.clouds import Clock
from polycloud.sandbox.machines import Machines
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.pool import UNREACHED, Pool

Effect = Callable[[], object]


def nothing() -> None:
    """Do nothing: the effect of an event that has none."""


@dataclass(eq=False, kw_only=True)
class Event:
    """A change of a resource.

    Attributes:
        id: a number.
        type: the API's name for the change.
        subject: the resource.
        seconds: how long it takes.
        ends: when it ends, on the clock.
        started_at: the date of its beginning, as the API writes dates.
        ends_at: the date of its end.
        effect: called at the end.
        undo: called at the end instead, if the event fails.
        locks: the resources that take no other event until then.
        fails: whether it will fail.
        status: "running", "done", "failed", or "note" for a record of a change that took no time.
    """

    id: int
    type: str
    subject: Any
    seconds: float
    ends: float
    started_at: str
    ends_at: str
    effect: Effect = nothing
    undo: Effect = nothing
    locks: tuple[Any, ...] = ()
    fails: bool = False
    status: str = "running"

    def is_held_up(self) -> bool:
        """Return whether the subject's machine is still working."""
        machine = getattr(self.subject, "machine", None)
        return machine is not None and machine.busy


E = TypeVar("E", bound=Event)


class Account(Generic[E]):
    """What one account has. Subclasses add a dict of items, oldest first, for each collection.

    Attributes:
        root: scheme and host of the present request, for links.

    Args:
        settings: the cloud's settings.
        clock: seconds that never run backwards.
        machines: what runs behind the servers.
        failing: types of events, separated by commas, that fail.
    """

    event_type: type[E]
    date_format: ClassVar[str] = "%Y-%m-%dT%H:%M:%SZ"
    first_number: ClassVar[int]
    first_event: ClassVar[int | None] = None
    """The first event's number; None where events take their numbers from the same row as everything else."""

    def __init__(self, settings: Any, clock: Clock, machines: Machines, failing: str) -> None:
        self.settings = settings
        self.machines = machines
        self._clock = clock
        # The wall clock's time when this clock showed 0: responses contain dates.
        self._epoch = time.time() - clock()
        self._failing = set(failing.replace(" ", "").split(","))
        self._due: list[tuple[float, int, E]] = []
        self._numbers = count(self.first_number)
        self._event_numbers = self._numbers if self.first_event is None else count(self.first_event)
        self.events: dict[int, E] = {}
        self.root = ""
        self.unreached_addresses = Pool([UNREACHED])

    @cached_property
    def public_addresses(self) -> Pool:
        """The public addresses at which servers can have machines."""
        return Pool(self.machines.isolation.networks())

    @property
    def now(self) -> float:
        """The clock's time."""
        return self._clock()

    @property
    def wall_time(self) -> float:
        """The time in seconds since 1970."""
        return self._epoch + self._clock()

    def is_past(self, at: float) -> bool:
        """Return whether a time on the clock has come."""
        return self._clock() >= at

    def fails(self, type: str) -> bool:
        """Return whether events of this type are to fail."""
        return type in self._failing

    def new_number(self) -> int:
        """Return a new resource's id."""
        return next(self._numbers)

    def stamp(self, at: float | None = None) -> str:
        """Return a time on the clock as the API writes dates; by default the present."""
        seconds = self._epoch + (self._clock() if at is None else at)
        return datetime.fromtimestamp(seconds, UTC).strftime(self.date_format)

    def advance(self) -> None:
        """Carry out the events that are due, except where a machine is still working."""
        waiting = []
        while self._due and self._due[0][0] <= self._clock():
            due = heapq.heappop(self._due)
            if due[2].is_held_up():
                waiting.append(due)
            elif due[2].status == "running":
                self._finish(due[2])
        for due in waiting:
            heapq.heappush(self._due, due)

    @staticmethod
    def _finish(event: Event) -> None:
        for locked in event.locks:
            locked.locked = False
        event.status = "failed" if event.fails else "done"
        if event.fails:
            event.undo()
        else:
            event.effect()

    def begin(
        self,
        type: str,
        seconds: float,
        subject: Any,
        effect: Effect = nothing,
        *,
        also_locks: tuple[Any, ...] = (),
        start: Effect | None = None,
        fails: bool = False,
        **more: Any,
    ) -> E:
        """Begin an event. Raises InputError if a resource is locked.

        Args:
            type: the API's name for it.
            seconds: how long it takes.
            subject: the resource that it changes, which is locked until then.
            effect: called at the end.
            also_locks: other resources to lock.
            start: called now, unless the event will fail.
            fails: whether it will fail in any case.
            more: other fields of the event.
        """
        locks = (subject, *also_locks)
        check_free(*locks)
        fails = fails or self.fails(type)
        event = self.add_event(type, subject, seconds, effect=effect, locks=locks, fails=fails, **more)
        for locked in locks:
            locked.locked = True
        if start and not fails:
            start()
        heapq.heappush(self._due, (event.ends, event.id, event))
        self.advance()
        return event

    def add_event(self, type: str, subject: Any, seconds: float = 0.0, **more: Any) -> E:
        """Record an event without carrying it out; `more` are its other fields."""
        ends = self._clock() + seconds
        event = self.event_type(
            id=next(self._event_numbers),
            type=type,
            subject=subject,
            seconds=seconds,
            ends=ends,
            started_at=self.stamp(),
            ends_at=self.stamp(ends),
            **more,
        )
        self.events[event.id] = event
        return event


def check_free(*subjects: Any) -> None:
    """Raise InputError with a resource's own words if an event is under way on it."""
    for subject in subjects:
        if subject.locked:
            raise InputError(subject.busy)
