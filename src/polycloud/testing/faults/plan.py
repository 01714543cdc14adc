"""The faults, and the plan of which request meets which."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, repeat
from threading import Lock

__all__ = ["ALL", "Fault", "FaultList", "FaultPlan", "SeenRequest"]


class Fault(StrEnum):
    """The faults; `polycloud.testing.faults` describes each of them."""

    REFUSE = "refuse"
    RESET_BEFORE = "reset before"
    RESET_AFTER = "reset after"
    RESET_MIDWAY = "reset midway"
    CLOSE = "close"
    CLOSE_AFTER = "close after"
    TRUNCATE = "truncate"
    STALL = "stall"
    STALL_AFTER = "stall after"
    DELAY = "delay"
    REQUEST_TIMEOUT = "408"
    TOO_MANY = "429"
    CLIENT_GONE = "499"
    ERROR = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"
    EDGE = "52x"
    REQUEST_TIMEOUT_AFTER = "408 after"
    TOO_MANY_AFTER = "429 after"
    CLIENT_GONE_AFTER = "499 after"
    ERROR_AFTER = "500 after"
    BAD_GATEWAY_AFTER = "502 after"
    UNAVAILABLE_AFTER = "503 after"
    GATEWAY_TIMEOUT_AFTER = "504 after"
    EDGE_AFTER = "52x after"
    GARBAGE = "garbage"
    GARBAGE_BODY = "garbage body"
    HTML = "html"
    HUGE_HEADER = "huge header"
    MANY_HEADERS = "many headers"
    LENGTH_TOO_SMALL = "length too small"
    LENGTH_TOO_LARGE = "length too large"
    NO_LENGTH = "no length"
    EARLY_HINTS = "early hints"
    GZIP_BOMB = "gzip bomb"
    DRIP_HEAD = "drip head"
    DRIP_BODY = "drip body"
    DRIP_CHUNK_LINE = "drip chunk line"
    DRIP_TRAILER = "drip trailer"
    DRIP_GZIP = "drip gzip"
    TLS_GARBAGE = "tls garbage"
    TLS_RECORD = "tls record"
    TLS_ALERT = "tls alert"

    @property
    def acts(self) -> bool:
        """Whether the server carries out the request."""
        return self not in _KEPT_BACK

    @property
    def is_right(self) -> bool:
        """Whether a patient caller gets the right response, in a form that HTTP allows."""
        return self in _RIGHT


ALL = tuple(Fault)
_BEFORE = ("408", "429", "499", "500", "502", "503", "504", "52x")
_KEPT_BACK = frozenset(map(Fault, ("refuse", "reset before", "close", "stall", "html", *_BEFORE)))
_RIGHT = frozenset(
    map(Fault, ("delay", "no length", "early hints", *(fault for fault in Fault if fault.startswith("drip"))))
)


@dataclass(eq=False, slots=True)
class SeenRequest:
    """A request that the proxy received.

    Attributes:
        method: "GET", "POST" ...; "CONNECT" for a tunnel.
        path: as sent, percent-encoded, without the query; of a tunnel, its host and port.
        fault: the fault that it met, or None.
        reached: whether the server received it.
        query: as sent, percent-encoded; "" if there is none.
        body: its bytes, without chunk framing.
    """

    method: str
    path: str
    fault: Fault | None = None
    reached: bool = False
    query: str = ""
    body: bytes = b""


class FaultPlan:
    """Decides which fault, if any, each request meets: the same for the same seed and order of requests.

    Args:
        seed: the seed of the random numbers.
        rate: the share of requests that meet a fault, from 0 to 1.
        faults: the faults that may occur, all equally likely.
        spare: returns whether a request is left alone; such a request does not count in the plan.

    Raises:
        ValueError: `rate` is not from 0 to 1, or `faults` is empty or has an unknown fault.
    """

    def __init__(
        self,
        seed: int,
        rate: float = 0.3,
        faults: Iterable[Fault | str] = ALL,
        *,
        spare: Callable[[SeenRequest], bool] = lambda _: False,
    ) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be from 0 to 1, got {rate!r}")
        known = [Fault(fault) for fault in faults]
        if not known:
            raise ValueError("faults must name at least one")
        self._decisions: Iterator[Fault | None] = _drawn(random.Random(seed), rate, known)  # noqa: S311 - not a secret
        self._spare = spare
        self._lock = Lock()

    def decide(self, request: SeenRequest) -> Fault | None:
        """Return the fault that `request` meets, or None."""
        if self._spare(request):
            return None
        with self._lock:
            return next(self._decisions)


class FaultList(FaultPlan):
    """A plan for as many requests as there are faults (None: no fault); later requests meet none.

    Args:
        faults: one for each request, in order.
        spare: as for `FaultPlan`.

    Raises:
        ValueError: a fault is unknown.
    """

    def __init__(
        self, *faults: Fault | str | None, spare: Callable[[SeenRequest], bool] = lambda _: False
    ) -> None:
        super().__init__(0, spare=spare)
        known = [None if fault is None else Fault(fault) for fault in faults]
        self._decisions = chain(known, repeat(None))


def _drawn(numbers: random.Random, rate: float, faults: list[Fault]) -> Iterator[Fault | None]:
    while True:
        hit, fault = numbers.random() < rate, numbers.choice(faults)
        yield fault if hit else None
