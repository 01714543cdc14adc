"""Draining: the connections of a member end before it is detached.

Drivers say with `Driver.draining` what their provider can do. If it counts the connections of a member,
`wait_drained` waits until there are none. If it keeps new connections from a member, but does not count
those that it has, a `TimedDrain` lets the member drain, waits all the seconds, and detaches it: nobody can
tell that less would do. Whatever ends a `TimedDrain` before the detach was sent (Ctrl-C, cancellation, a
refusal, the deadline) gives the member back the settings that it had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from polycloud.common.creation import is_refusal
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import cleanup, remaining
from polycloud.errors import (
    NotFoundError,
    OperationTimeoutError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer.types import Draining

if TYPE_CHECKING:
    from polycloud.loadbalancer.base import Driver

T = TypeVar("T")
LONGEST_LOOK = 2.0
"""The longest pause between two looks, in seconds."""


def require_draining(driver: Driver, wait_drained: float | None) -> None:
    """Raise `UnsupportedOperationError` for a wait, at a provider that lets no member drain."""
    if wait_drained is not None and driver.draining is Draining.NONE:
        raise refusal(driver, "that is attached")


def refusal(driver: Driver, which: str) -> UnsupportedOperationError:
    """Return the error that says that members, of which `which` says more, cannot drain."""
    return UnsupportedOperationError(
        f"{driver.name} cannot keep new connections from a member {which}, so it cannot drain; "
        "give wait_drained=None to detach it at once, which may cut its connections",
        driver,
    )


def wait_until_idle(
    driver: Driver,
    member: str,
    connections: Callable[[], int],
    timeout: float,
    *,
    attached: bool = True,
) -> None:
    """Wait until a member that gets no new connections has none.

    Args:
        driver: The driver, for the error.
        member: Its name, for the error.
        connections: Returns how many it has, or only whether it has any.
        timeout: Seconds to wait.
        attached: Whether it is still attached meanwhile, which a note on the error says.

    Raises `OperationTimeoutError` after that time. Whatever else ends the wait, such as Ctrl-C, has the note,
    too.
    """
    try:
        waiting.poll(
            lambda: None if connections() else True,
            waiting_for=f"the connections of {member} to end",
            timeout=timeout,
            longest_pause=LONGEST_LOOK,
        )
    except BaseException as error:
        if isinstance(error, OperationTimeoutError):
            error.driver = driver
        where = "still attached, and draining" if attached else "detached"
        back = "; attach it to bring it back" if attached else ""
        if not isinstance(error, NotFoundError):
            error.add_note(f"{member} is {where}: it gets no new connections{back}")
        raise


class Place(NamedTuple):
    """One place of the provider where a member is: its path, its settings to drain, and those it had."""

    path: str
    draining: dict[str, Any]
    former: dict[str, Any]


@dataclass
class TimedDrain:
    """The draining of a member whose connections the provider does not count.

    Attributes:
        driver: The driver.
        member: The name of the member, for messages.
        places: The places where it gets new connections; none for one that is disabled or drains already.
        write: Changes the settings at a path. It waits while the balancer is busy.
        is_settled: Returns whether the provider has carried out the changes, if it does that later.
    """

    driver: Driver
    member: str
    places: Sequence[Place]
    write: Callable[[str, dict[str, Any]], object]
    is_settled: Callable[[], bool] = lambda: True

    def run(self, seconds: float, detach: Callable[[], T]) -> T:
        """Let the member drain, wait `seconds`, and return what `detach` does, which only sends the detach.

        Raises `OperationTimeoutError` as soon as the deadline of `call_options` leaves less than that. The
        errors of `detach` have a note that says what has become of the member.
        """
        self._require_time(seconds)
        begun: list[Place] = []
        try:
            for one in self.places:
                begun.append(one)  # before: a request may be carried out although it fails
                self.write(one.path, one.draining)
            self._settle()
            self._require_time(seconds)
            waiting.sleep(seconds)
        except BaseException as error:
            self._restore(begun, error)
            raise
        try:
            return detach()
        except BaseException as error:
            if isinstance(error, PolycloudError) and is_refusal(error):
                self._restore(begun, error)
            elif not isinstance(error, NotFoundError):
                error.add_note(f"{self.member} may be detached; if not, {self._left()}")
            raise

    def _require_time(self, seconds: float) -> None:
        """Raise `OperationTimeoutError` if the deadline comes before `seconds` are over."""
        if remaining() < seconds:
            goal = f"the connections of {self.member} to end: all {seconds:g} s are waited for, and deadline="
            raise OperationTimeoutError(f"{goal} leaves less", 0.0, self.driver)

    def _settle(self) -> None:
        waiting.poll(
            lambda: self.is_settled() or None,
            waiting_for=f"{self.member} to drain",
            timeout=self.driver.busy_time,
            longest_pause=LONGEST_LOOK,
        )

    def _restore(self, begun: Sequence[Place], error: BaseException) -> None:
        """Give a member back its settings, and note in the error what it has now."""
        gone, failures = 0, list[BaseException]()
        for one in begun:
            try:
                with cleanup():
                    self.write(one.path, one.former)
            except NotFoundError:
                gone += 1
            except PolycloudError as failure:
                failures.append(failure)
            except BaseException as second:
                second.add_note(f"{self.member} was not restored: {self._left()}")
                raise
        if failures:
            error.add_note(f"{self.member} could not be restored: {failures[0]}; {self._left()}")
        elif gone < len(begun) and gone:
            error.add_note(f"{self.member} is detached at some of its ports; at the others it is as it was")
        elif not gone:
            error.add_note(f"{self.member} is still attached, with the settings that it had")

    def _left(self) -> str:
        """Return what a member is that was not restored, and how to restore it."""
        settings = {f"{name} {value}" for one in self.places for name, value in one.former.items()}
        back = f"; before it had {', '.join(sorted(settings))}, which ex_update_member gives back"
        return f"it drains: it gets no new connections{back if settings else ''}"
