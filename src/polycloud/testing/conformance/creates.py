"""Which of the requests of a create is the one that creates, and a fault for it.

A driver may log in by POST, look something up before, create by GET, poll a job, and rename at the end. A
fault proves something only if it hits the request that creates. So one create without faults is observed:
before each of its requests, `Observer` looks whether the resource is there. The request before that was the
one, unless the provider lists new resources late: then it is the last one, so far, that a list does not send
and whose method changes something.

`FaultAtNumber` has any request of a create fail, by its number. All plans leave alone what is sent before
`expect` is called: a list, and the login before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus

from polycloud.errors import PolycloudError
from polycloud.http.messages import RawResponse, Request
from polycloud.http.retry import RetryPolicy
from polycloud.testing.cleanup import RUN
from polycloud.testing.faults import Fault, FaultPlan, SeenRequest
from polycloud.tracing.redaction import fields

__all__ = ["FaultAt", "FaultAtNumber", "Observer", "Place", "UntilAllowed"]

READS = frozenset({"GET", "HEAD"})
MARKUP = (b"{", b"[", b"<")
"""What bodies begin with that are not forms."""
Kind = tuple[str, str, frozenset[str]]


class Place:
    """A request of a create: the number `nth` (from 1) of its kind."""

    def __init__(self, kind: Kind, nth: int) -> None:
        self.kind, self.nth = kind, nth

    def __str__(self) -> str:
        return f"{self.kind[0]} {self.kind[1]}"


class Observer(FaultPlan):
    """A plan without faults that finds out after which request `exists` is true."""

    def __init__(self, exists: Callable[[], object]) -> None:
        super().__init__(0, 0)
        self._exists = exists
        self._reads: set[Kind] = set()
        self._requests: list[SeenRequest] | None = None
        self._until: int | None = None

    def expect(self) -> None:
        """Expect the create."""
        self._requests = []

    def decide(self, request: SeenRequest) -> Fault | None:
        """Record the request, and whether the resource is there before it."""
        if self._requests is None:
            self._reads.add(_kind(request))
            return None
        if self._until is None and self._requests and self._is_there():
            self._until = len(self._requests)
        self._requests.append(request)
        return None

    def _is_there(self) -> bool:
        try:
            return bool(self._exists())
        except PolycloudError:  # a list that fails tells nothing; the rules of lists report it
            return False

    def creating(self) -> Place | None:
        """Return the request that creates; None if there was no request."""
        kinds = [_kind(request) for request in self._requests or ()][: self._until]
        own = [kind for kind in kinds if kind not in self._reads] or kinds
        changing = [kind for kind in own if kind[0] not in READS] or own
        return Place(changing[-1], kinds.count(changing[-1])) if changing else None


class FaultAt(FaultPlan):
    """A plan with one fault, for the request at a place; `hit` is this request once it has come."""

    def __init__(self, place: Place, fault: Fault | str) -> None:
        super().__init__(0, 0)
        self._place, self._fault = place, Fault(fault)
        self._seen: int | None = None
        self.hit: SeenRequest | None = None

    def expect(self) -> None:
        """Expect the create."""
        self._seen = 0

    def decide(self, request: SeenRequest) -> Fault | None:
        """Return the fault for this request, or None."""
        if self._seen is None or _kind(request) != self._place.kind:
            return None
        self._seen += 1
        if self._seen != self._place.nth:
            return None
        self.hit = request
        return self._fault


class FaultAtNumber(FaultPlan):
    """A plan with one fault, for the request `number` (from 1); `hit` is this request once it has come."""

    def __init__(self, number: int, fault: Fault | str) -> None:
        super().__init__(0, 0)
        self._number, self._fault = number, Fault(fault)
        self._seen: int | None = None
        self.hit: str | None = None

    def expect(self) -> None:
        """Expect the create."""
        self._seen = 0

    def decide(self, request: SeenRequest) -> Fault | None:
        """Return the fault for this request, or None."""
        if self._seen is None:
            return None
        self._seen += 1
        if self._seen != self._number:
            return None
        self.hit = f"{request.method} {request.path}"
        return self._fault


class UntilAllowed(RetryPolicy, frozen=True):
    """Retries a request that was refused because of a rate limit, and nothing else."""

    def allows(self, request: Request, attempt: int, outcome: RawResponse | PolycloudError) -> bool:
        """Return whether the request may be sent again."""
        limited = isinstance(outcome, RawResponse) and outcome.status == HTTPStatus.TOO_MANY_REQUESTS
        return limited and super().allows(request, attempt, outcome)


def _kind(request: SeenRequest) -> Kind:
    """Return method, path and parameters' names, which tell a request from others with other values."""
    form = b"" if request.body.lstrip().startswith(MARKUP) else request.body
    names = {*fields(request.query), *fields(form.decode("latin-1"))}
    return request.method, re.sub(rf"{RUN.prefix}[^/]*", "*", request.path), frozenset(names)
