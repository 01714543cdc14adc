"""Send one request: wait for its turn, attempt it, retry it where that is safe.

What this needs of a connection is handed over once, when sending begins: the policy, the limiter, the budget,
the transport and the signing hook. `Sender` names the rest, which traces and errors ask for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from polycloud.concurrency.calls import RetryRules
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    PolycloudError,
    RateLimitReachedError,
    TransportError,
)
from polycloud.http.messages import RawResponse, Request, Sender, Transport
from polycloud.http.ratelimits import RateLimiter
from polycloud.http.retry import RetryBudget, has_retry_after, is_transient, may_have_acted
from polycloud.tracing.hooks import Hook, listeners, note_attempt, note_retry
from polycloud.utils.status import HTTPStatus

__all__ = ["Sending"]

Outcome = RawResponse | PolycloudError


class Sending(Struct, gc=False):
    """One request on its way; `result` sends it.

    `sign` is applied to each attempt anew, since signatures expire; None if requests are not signed.
    `transport` is called for each attempt: the connection may have been closed since the last one.
    """

    request: Request
    sender: Sender
    policy: RetryRules
    limiter: RateLimiter
    budget: RetryBudget
    transport: Callable[[], Transport]
    sign: Callable[[Request], Request] | None

    def result(self) -> tuple[RawResponse, bool]:
        """Return the response, and whether an earlier attempt may have been carried out.

        Raises the error of the last attempt, or `RateLimitReachedError` if the request's turn does not come
        within the policy's patience.
        """
        hooks = listeners()
        self._wait_for_turn()
        attempt, acted = 1, False
        outcome = self._attempt(attempt, hooks)
        while self._retries(attempt, outcome):
            acted = acted or may_have_acted(outcome)
            attempt += 1
            outcome = self._attempt(attempt, hooks)
        if isinstance(outcome, RawResponse):
            return outcome, acted
        if acted and not may_have_acted(outcome):
            raise TransportError(f"an earlier attempt may have been carried out; the last one: {outcome}")
        raise outcome

    def _wait_for_turn(self) -> None:
        """Return when the limiter lets a request go; raise if it does not in time."""
        while True:
            left = self._left()
            if left <= 0:
                raise ConnectError("the call's deadline passed before its request was sent")
            wait = self.limiter.take()
            if not wait:
                return
            if wait > min(self.policy.patience, left):
                pause = math.ceil(wait)
                message = f"the provider accepts no request for {pause} s; this one was not sent"
                raise RateLimitReachedError(
                    HTTPStatus.TOO_MANY_REQUESTS, message, {"retry-after": str(pause)}
                )
            self.sender.sleep(wait)

    def _left(self) -> float:
        deadline = self.request.deadline
        return math.inf if deadline is None else deadline - time.monotonic()

    def _attempt(self, number: int, hooks: Sequence[Hook]) -> Outcome:
        outcome: Outcome | None = None
        sent = self.request
        began = time.perf_counter()
        try:
            if self.sign:
                sent = _signed(self.sign(sent))
            outcome = self.transport().send(sent)
        except PolycloudError as error:
            outcome = error
        finally:
            ms = (time.perf_counter() - began) * 1e3
            self.limiter.give_back(outcome if isinstance(outcome, RawResponse) else None)
        if hooks:
            note_attempt(hooks, self.sender, sent, outcome, number, ms)
        return outcome

    def _retries(self, attempt: int, outcome: Outcome) -> bool:
        """Return, after a pause, whether the next attempt may begin; if not, `outcome` is final."""
        pause = self._pause(attempt, outcome)
        if pause is None or not self._rewound():
            return False
        note_retry(self.sender, self.request, outcome, attempt, pause)
        if isinstance(outcome, RawResponse):
            outcome.close()
            outcome.chunks = None
        self.sender.sleep(pause)
        try:
            self._wait_for_turn()
        except PolycloudError:  # it would say that nothing was sent, but an earlier attempt was
            return False
        return True

    def _pause(self, attempt: int, outcome: Outcome) -> float | None:
        """Return the seconds until the next attempt; None if there must not be one."""
        if isinstance(outcome, RawResponse) and self._is_final(outcome.status):
            if not self.budget.full:
                self.budget.earn()
            return None
        if not self.policy.allows(self.request, attempt, outcome):
            return None
        pause = self.policy.pause(attempt, outcome)
        if pause > self._left():
            return None
        return pause if has_retry_after(outcome) or self.budget.spend() else None

    def _is_final(self, status: int) -> bool:
        if status < HTTPStatus.BAD_REQUEST:
            return True
        return status < HTTPStatus.INTERNAL_SERVER_ERROR and not is_transient(self.request, status)

    def _rewound(self) -> bool:
        try:
            self.request.rewind()
        except (OSError, ValueError):  # the file reported a position but cannot seek to it
            return False
        return True


def _signed(request: Request) -> Request:
    if not isinstance(request, Request):  # a hook without `return`
        raise InvalidArgumentError(f"sign must return the request, got {request!r}")
    return request
