"""Creates of balancers at providers that return an existing one for a name that exists.

Such a create must not pass for a new balancer what another program has made, and its clean-up must never
destroy that. So the name is looked up before, the create gives the balancer a marker, and after the create
the balancer must have this marker. Only then is it completed, and only then destroyed if that fails. The
marker finds the balancer, too, if the response to the create is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from polycloud.common.creation import Creation, note_named
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import cleanup
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    NotFoundError,
    OperationTimeoutError,
    PolycloudError,
    translated,
)
from polycloud.loadbalancer.base import Driver
from polycloud.loadbalancer.objects import LoadBalancer
from polycloud.loadbalancer.types import BalancerAlreadyExistsError


@dataclass(frozen=True)
class Steps:
    """What a driver does for one create.

    Attributes:
        send: Sends the create and returns the balancer, or None if the response does not contain it.
        named: Returns the balancer of this name; None if there is none.
        mark_of: Returns the marker of a balancer; None if it has none.
        complete: Gives the new balancer all that it shall have; returns it as it is then.
        undo: Destroys the new balancer, and all that `complete` made.
    """

    send: Callable[[], LoadBalancer | None]
    named: Callable[[], LoadBalancer | None]
    mark_of: Callable[[LoadBalancer], str | None]
    complete: Callable[[LoadBalancer], LoadBalancer]
    undo: Callable[[LoadBalancer], None]


class MarkedCreation(Creation[LoadBalancer]):
    """One create of one balancer, which is known by its name and the value `mark` of its tag `tag`."""

    def __init__(self, driver: Driver, name: str, tag: str, mark: str, steps: Steps) -> None:
        super().__init__(f"the balancer {name!r}", f"the name {name!r} and the tag {tag}={mark}", keyed=False)
        self.driver, self.name, self.mark, self.steps = driver, name, mark, steps

    def send(self) -> LoadBalancer | None:
        """Send the create."""
        return self.steps.send()

    def find(self) -> LoadBalancer | None:
        """Return the balancer of this name, if it has the marker."""
        found = self.steps.named()
        return found if found is not None and self.steps.mark_of(found) == self.mark else None

    def made(self) -> LoadBalancer:
        """Create and complete the balancer, and return it.

        Raises `BalancerAlreadyExistsError` if there is one of this name, or another program is faster.
        """
        if self.steps.named() is not None:
            raise self._exists()
        settle_time = self.driver.settle_time
        try:
            balancer = self.run(settle_time=settle_time, timeout=settle_time)
        except ConflictError as error:
            raise translated(error, self._exists()) from error
        except AmbiguousCreateError as error:
            error.driver = self.driver
            raise
        try:
            if not self._is_own(balancer):
                raise self._exists()
            return self.steps.complete(balancer)
        except BaseException as error:
            self._undo_noting(error, balancer)
            raise

    def _is_own(self, balancer: LoadBalancer) -> bool:
        """Return whether the balancer has the marker, which may be readable a moment later only."""

        def check() -> bool | None:
            try:
                mark = self.steps.mark_of(balancer)
            except NotFoundError:
                return None
            return None if mark is None else mark == self.mark

        marker = f"{self.what} to have its tag"
        try:
            return waiting.poll(check, waiting_for=marker, timeout=self.driver.settle_time)
        except OperationTimeoutError:
            return False

    def _exists(self) -> BalancerAlreadyExistsError:
        return BalancerAlreadyExistsError(driver=self.driver, balancer_id=self.name)

    def _undo_noting(self, error: BaseException, balancer: LoadBalancer) -> None:
        """Destroy the balancer if it is of this create; a note of `error` says if that failed."""
        note_named()
        try:
            with cleanup():
                if self.steps.mark_of(balancer) == self.mark:
                    self.steps.undo(balancer)
        except NotFoundError:
            return
        except PolycloudError as failed:
            error.add_note(f"what the create made of {self.what} ({balancer.id}) is left behind: {failed}")
