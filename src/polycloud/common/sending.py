"""A request's way to its answer: waiting for its turn, attempts, and what each of them leaves behind."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from polycloud.common.calls import current_call
from polycloud.common.http import RawResponse, Request
from polycloud.common.retry import is_polite, may_have_acted
from polycloud.common.types import ConnectError, PolycloudError, RateLimitReachedError, TransportError

if TYPE_CHECKING:
    from polycloud.common.base import Connection

__all__ = ["send"]

TOO_MANY = 429
SERVER_ERRORS = 500
Outcome = RawResponse | PolycloudError


def send(connection: Connection, request: Request) -> tuple[RawResponse, bool]:
    """The answer, after sending again what may be; and whether an earlier attempt may have acted."""
    return _Sending(connection, request).result()


class _Sending:
    def __init__(self, connection: Connection, request: Request) -> None:
        from polycloud.common import trace

        self.connection = connection
        self.request = request
        self.policy = current_call().retry or connection.retry
        self.limiter = connection.limiter_for(request)
        self.budget = connection.retry_budget
        self.trace = trace

    def result(self) -> tuple[RawResponse, bool]:
        self._wait_for_turn()
        attempt, acted = 1, False
        outcome = self._attempt(attempt)
        while self._goes_again(attempt, outcome):
            acted = acted or may_have_acted(outcome)
            attempt += 1
            outcome = self._attempt(attempt)
        if isinstance(outcome, RawResponse):
            return outcome, acted
        if acted and not may_have_acted(outcome):
            raise TransportError(f"an earlier attempt may have been carried out; the last one: {outcome}")
        raise outcome

    def _wait_for_turn(self) -> None:
        """Return when the limiter lets a request go; raise where it does not in time."""
        while True:
            left = self._left()
            if left <= 0:
                raise ConnectError("the call's deadline had passed before its request was sent")
            wait = self.limiter.take()
            if not wait:
                return
            if wait > min(self.policy.patience, left):
                whole = math.ceil(wait)
                words = f"the provider wants no request for {whole} s more; this one was not sent"
                raise RateLimitReachedError(TOO_MANY, words, {"retry-after": str(whole)})
            self.connection.sleep(wait)

    def _left(self) -> float:
        deadline = self.request.deadline
        return math.inf if deadline is None else deadline - time.monotonic()

    def _attempt(self, number: int) -> Outcome:
        outcome: Outcome | None = None
        sent = self.request
        began = time.perf_counter()
        try:
            sent = self.connection.sign(self.request)
            outcome = self.connection.transport().send(sent)
        except PolycloudError as error:
            outcome = error
        finally:
            ms = (time.perf_counter() - began) * 1e3
            answer = outcome if isinstance(outcome, RawResponse) else None
            self.limiter.give_back(answer)
        self.trace.note_attempt(self.connection, sent, outcome, number, ms)
        return outcome

    def _goes_again(self, attempt: int, outcome: Outcome) -> bool:
        """Whether the next attempt may begin now, after a pause; where not, `outcome` is the last word."""
        pause = self._pause(attempt, outcome)
        if pause is None or not self._rewound():
            return False
        self.trace.note_repeat(self.connection, self.request, outcome, attempt, pause)
        if isinstance(outcome, RawResponse):
            outcome.close()
            outcome.chunks = None
        self.connection.sleep(pause)
        try:
            self._wait_for_turn()
        except PolycloudError:  # it says that nothing was sent, which the last attempt was
            return False
        return True

    def _pause(self, attempt: int, outcome: Outcome) -> float | None:
        """Seconds until the next attempt; None where there is to be none."""
        if isinstance(outcome, RawResponse) and outcome.status < SERVER_ERRORS and outcome.status != TOO_MANY:
            self.budget.earn()
            return None
        if not self.policy.allows(self.request, attempt, outcome):
            return None
        pause = self.policy.pause(attempt, outcome)
        if pause > self._left():
            return None
        return pause if is_polite(outcome) or self.budget.spend() else None

    def _rewound(self) -> bool:
        try:
            self.request.rewind()
        except (OSError, ValueError):  # it told where it began, and cannot go back
            return False
        return True
