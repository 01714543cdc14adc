"""A request's way to its answer: waiting for its turn, attempts, and what each of them leaves behind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from polycloud.common.calls import current_call
from polycloud.common.http import RawResponse, Request
from polycloud.common.retry import is_polite, may_have_acted
from polycloud.common.types import PolycloudError, RateLimitReachedError

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
        self.limiter = connection.rate_limiter
        self.budget = connection.retry_budget
        self.trace = trace

    def result(self) -> tuple[RawResponse, bool]:
        attempt, acted = 1, False
        while True:
            self._wait_for_turn()
            outcome = self._attempt(attempt)
            pause = self._pause(attempt, outcome)
            if pause is None:
                break
            self.trace.note_repeat(self.connection, self.request, outcome, attempt, pause)
            if isinstance(outcome, RawResponse):
                outcome.close()
            self.connection.sleep(pause)
            self.request.rewind()
            acted = acted or may_have_acted(outcome)
            attempt += 1
        if isinstance(outcome, PolycloudError):
            raise outcome
        return outcome, acted

    def _wait_for_turn(self) -> None:
        while wait := self.limiter.take():
            if wait > self.policy.patience or wait > self.request.remaining():
                raise RateLimitReachedError(
                    TOO_MANY,
                    f"the account's limit is used up for {wait:.0f} s more; nothing was sent",
                    {"retry-after": f"{wait:.0f}"},
                )
            self.connection.sleep(wait)

    def _attempt(self, number: int) -> Outcome:
        transport = self.connection.transport()
        outcome: Outcome | None = None
        began = time.perf_counter()
        try:
            outcome = transport.send(self.connection.sign(self.request))
        except PolycloudError as error:
            outcome = error
        finally:
            ms = (time.perf_counter() - began) * 1e3
            answer = outcome if isinstance(outcome, RawResponse) else None
            self.limiter.give_back(answer)
        self.trace.note_attempt(self.connection, self.request, outcome, number, ms)
        return outcome

    def _pause(self, attempt: int, outcome: Outcome) -> float | None:
        """Seconds until the next attempt; None where there is to be none."""
        if isinstance(outcome, RawResponse) and outcome.status < SERVER_ERRORS and outcome.status != TOO_MANY:
            self.budget.earn()
            return None
        if not self.policy.allows(self.request, attempt, outcome):
            return None
        pause = self.policy.pause(attempt, outcome)
        deadline = self.request.deadline
        if deadline is not None and time.monotonic() + pause > deadline:
            return None
        return pause if is_polite(outcome) or self.budget.spend() else None
