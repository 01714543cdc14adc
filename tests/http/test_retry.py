from __future__ import annotations

import asyncio
import io
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polycloud.common.base import Connection
from polycloud.concurrency.bridge import bridged
from polycloud.concurrency.calls import call_options
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    PolycloudError,
    ProviderHTTPError,
    ReadTimeoutError,
    ServerError,
    TLSError,
    TransportError,
)
from polycloud.http.loop import LoopTransports
from polycloud.http.messages import RawResponse, Request
from polycloud.http.retry import RetryBudget, RetryPolicy, has_retry_after, may_have_acted
from polycloud.utils.headers import Headers
from support.clock import ends_within
from support.web import Answer, Seen, raw_answers, serve

QUICK = RetryPolicy(base=0.001, cap=0.002)
POST = Request("POST", "http://localhost/")
GET = Request("GET", "http://localhost/", repeatable=True)


@given(st.integers(1, 200), st.floats(0, 5), st.floats(1, 4), st.floats(0, 100))
def test_pauses_are_bounded(attempt: int, base: float, factor: float, cap: float) -> None:
    """A pause is never negative and never beyond the cap."""
    policy = RetryPolicy(base=base, factor=factor, cap=cap)
    assert 0 <= policy.pause(attempt, ConnectError("x")) <= cap


@pytest.mark.parametrize(("attempt", "longest"), [(1, 2), (2, 4), (3, 8), (4, 10), (5, 10)])
def test_pauses_grow(attempt: int, longest: float) -> None:
    """The longest pause grows by the policy's factor with each attempt, up to the cap."""
    policy = RetryPolicy(base=1, factor=2, cap=10)
    pauses = [policy.pause(attempt, ConnectError("x")) for _ in range(1000)]
    assert 0.9 * longest < max(pauses) <= longest
    assert min(pauses) < 0.1 * longest


def test_pauses_vary() -> None:
    """Pauses have full jitter, so that many callers do not come back together."""
    pauses = {RetryPolicy().pause(3, ConnectError("x")) for _ in range(50)}
    assert len(pauses) > 40


def test_retry_after_is_a_lower_bound() -> None:
    """A pause is never shorter than `Retry-After`, and longer where the jitter is."""
    response = RawResponse(429, "", Headers([("Retry-After", "30")]))
    assert RetryPolicy().pause(1, response) == 30
    pauses = [RetryPolicy(base=60, cap=60).pause(1, response) for _ in range(200)]
    assert min(pauses) == 30 < max(pauses) <= 60


@pytest.mark.parametrize(
    "error", [ConnectError("x"), TransportError("x"), ReadTimeoutError("x"), TLSError("x")]
)
def test_which_errors_are_retried(error: TransportError) -> None:
    """A POST is repeated where nothing was sent, a GET unless the certificate is bad."""
    refused, untrusted = isinstance(error, ConnectError), isinstance(error, TLSError)
    assert RetryPolicy().allows(POST, 1, error) is refused
    assert RetryPolicy().allows(GET, 1, error) is not untrusted
    assert not RetryPolicy(attempts=1).allows(GET, 1, error)
    assert may_have_acted(error) is not (refused or untrusted)


def reply(status: int, **headers: str) -> RawResponse:
    return RawResponse(status, "", Headers((name.replace("_", "-"), text) for name, text in headers.items()))


@pytest.mark.parametrize(
    ("outcome", "get", "post"),
    [
        (reply(429), True, False),
        (reply(429, retry_after="1"), True, False),
        (reply(503), True, False),
        (reply(503, retry_after="1"), True, False),
        (reply(502), True, False),
        (reply(408), True, False),
        (reply(504, retry_after="1"), True, False),
        (reply(520), True, False),
        (reply(530), True, False),
        (reply(499), False, False),
        (reply(500), False, False),
        (reply(531), False, False),
        (reply(404), False, False),
        (reply(200), False, False),
        (reply(429, retry_after="61"), False, False),
        (reply(429, ratelimit_reset="61"), False, False),
        (reply(503, ratelimit_reset="61"), True, False),
    ],
)
def test_which_responses_are_retried(outcome: RawResponse, get: bool, post: bool) -> None:
    """408, 429, 502 to 504 and 520 to 530 are retried where that does no harm, if patience lasts."""
    assert (RetryPolicy().allows(GET, 1, outcome), RetryPolicy().allows(POST, 1, outcome)) == (get, post)


def test_a_provider_names_transient_statuses() -> None:
    """A further transient status of the provider is retried as 503 is: a GET, but not a POST."""
    get, post = (msgspec.structs.replace(request, transient=frozenset({500})) for request in (GET, POST))
    assert RetryPolicy().allows(get, 1, reply(500))
    assert not RetryPolicy().allows(post, 1, reply(500))


@pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 503, 504, 520, 525, 530])
def test_an_edge_may_respond_after_the_deed(status: int) -> None:
    """A status that an edge may send says nothing of the deed, unless the provider itself refused."""
    for headers in ({}, {"retry_after": "1"}):
        assert may_have_acted(reply(status, **headers))
    assert not may_have_acted(msgspec.structs.replace(reply(status), refused=True))


@pytest.mark.parametrize(("status", "acted"), [(200, True), (401, False), (409, False), (422, False)])
def test_what_a_definite_status_says(status: int, acted: bool) -> None:
    """A 2xx status says that the provider acted, one of its refusals that it did not."""
    assert may_have_acted(reply(status)) is acted


def test_what_the_provider_itself_refused_is_sent_again() -> None:
    """A POST that the provider itself refused, in passing, is retried."""
    refused = msgspec.structs.replace(reply(429), refused=True)
    assert RetryPolicy().allows(POST, 1, refused)
    assert not RetryPolicy().allows(POST, 1, msgspec.structs.replace(reply(400), refused=True))


def test_what_the_provider_announces_is_polite() -> None:
    """Only a refusal that says when to come back is one that costs no budget."""
    polite: list[RawResponse | PolycloudError]
    others: list[RawResponse | PolycloudError]
    polite = [reply(429, retry_after="2"), reply(503, retry_after="2"), reply(429, ratelimit_reset="2")]
    others = [
        reply(429),
        reply(429, retry_after="0"),
        reply(503),
        reply(502, retry_after="2"),
        ConnectError("x"),
    ]
    assert [has_retry_after(outcome) for outcome in [*polite, *others]] == [True] * 3 + [False] * 5


def test_a_late_date_is_waited_for() -> None:
    """`Retry-After` may be a date."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < RetryPolicy().pause(1, reply(429, retry_after=later)) <= 31
    assert not RetryPolicy(patience=20).allows(GET, 1, reply(429, retry_after=later))


def test_many_attempts_do_not_overflow() -> None:
    """However many attempts a policy allows, a pause is the cap at most."""
    assert RetryPolicy(cap=1).pause(10_000, ConnectError("x")) <= 1


@pytest.mark.parametrize(
    "numbers",
    [
        {"attempts": 0}, {"attempts": 1.5}, {"attempts": True}, {"base": -1}, {"cap": float("nan")},
        {"factor": "2"}, {"patience": -1}, {"budget": -1}, {"budget": 0.5},
    ],
)  # fmt: skip
def test_odd_policies_are_refused(numbers: dict[str, Any]) -> None:
    """A policy with numbers that cannot be meant is refused, by their name."""
    with pytest.raises(InvalidArgumentError, match=next(iter(numbers))):
        RetryPolicy(**numbers)


# The budget


@given(st.integers(0, 60), st.integers(0, 60))
def test_ten_responses_earn_a_retry(size: int, spent: int) -> None:
    """A budget is spent once; ten responses earn one retry back, up to its size."""
    budget = RetryBudget(size)
    assert [budget.spend() for _ in range(spent)] == [n < size for n in range(spent)]
    for _ in range(10 * min(size, spent)):
        budget.earn()
    budget.earn()
    assert [budget.spend() for _ in range(size + 1)] == [True] * size + [False]


def call(connection: Connection, **arguments: Any) -> int | str:
    """The status of a request, or the name of what it raised."""
    try:
        return int(connection.request("/", **arguments).status)
    except PolycloudError as error:
        return type(error).__name__


@contextmanager
def connected(options: dict[str, Any], **more: Any) -> Iterator[Connection]:
    """A connection of its own account."""

    class Own(Connection):
        def account(self) -> tuple[Any, ...]:
            return (id(self),)

    connection = Own(**options, **{"retry": QUICK, **more})
    try:
        yield connection
    finally:
        connection.close()


def test_an_outage_is_not_made_worse() -> None:
    """During an outage 16 threads send no more than their calls and the budget; responses earn it back."""
    down = True
    policy = RetryPolicy(base=0.001, cap=0.002, budget=20)
    with (
        serve(lambda _: None if down else Answer()) as web,
        connected(web.options, retry=policy) as connection,
    ):
        with ThreadPoolExecutor(16) as pool:
            failed = list(pool.map(lambda _: call(connection), range(160)))
            assert len(web.seen) == 160 + 20
            down = False
            assert list(pool.map(lambda _: call(connection), range(40))) == [200] * 40
            down = True
            before = len(web.seen)
            failed += pool.map(lambda _: call(connection), range(16))
            assert len(web.seen) == before + 16 + 4
    assert failed == ["TransportError"] * 176


def test_a_refused_connection_costs_budget() -> None:
    """Retries after a refused connection are taken from the same budget."""
    with raw_answers(b"") as web:
        options = web.options
    with connected(options, retry=RetryPolicy(base=0.001, cap=0.002, budget=1)) as connection:
        assert call(connection, method="POST") == "ConnectError"
        assert not connection.retry_budget.spend()


@pytest.mark.parametrize("status", [429, 503])
def test_an_announced_pause_costs_no_budget(status: int) -> None:
    """Where the provider says when to come back, the repeat is free."""
    replies = iter([Answer(status, b"", {"Retry-After": "1"})])
    policy = RetryPolicy(base=0.001, cap=0.002, budget=0)
    with serve(lambda _: next(replies, Answer())) as web, connected(web.options, retry=policy) as connection:
        began = time.monotonic()
        assert call(connection) == 200
        assert (time.monotonic() - began >= 1, len(web.seen)) == (True, 2)


# Requests


def failing(times: int, response: Answer | None = None) -> Callable[[Seen], Answer | None]:
    counted: Counter[str] = Counter()

    def respond(seen: Seen) -> Answer | None:
        counted[seen.method] += 1
        return response if counted[seen.method] <= times else Answer()

    return respond


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"method": "GET"}, 2),
        ({"method": "DELETE"}, 2),
        ({"method": "PATCH"}, 1),
        ({"method": "POST"}, 1),
        ({"method": "POST", "idempotent": True}, 2),
        ({"method": "GET", "idempotent": False}, 1),
    ],
)
def test_retries_after_a_lost_response(arguments: dict[str, Any], sent: int) -> None:
    """A request is retried after a lost response according to its method, or to `idempotent=`."""
    with serve(failing(1)) as web, connected(web.options) as connection:
        assert call(connection, **arguments) == (200 if sent == 2 else "TransportError")
        assert len(web.seen) == sent


@pytest.mark.parametrize("status", [408, 429, 503, 520])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}], ids=["", "Retry-After"])
def test_retries_after_an_edge_responded(status: int, headers: dict[str, str]) -> None:
    """After a response that an edge may have sent, a GET is sent again and a POST is not."""
    with serve(failing(1, Answer(status, b"", headers))) as web, connected(web.options) as connection:
        assert call(connection) == 200
        assert call(connection, method="POST") != 200
        assert Counter(seen.method for seen in web.seen) == {"GET": 2, "POST": 1}


def test_a_connection_names_transient_statuses() -> None:
    """A connection whose provider fails in passing with 500 retries a GET after it, and no POST."""

    class Patient(Connection):
        transient_statuses = frozenset({500})

    with serve(failing(1, Answer(500))) as web:
        connection = Patient(**web.options, retry=QUICK)
        assert (call(connection), call(connection, method="POST")) == (200, "ServerError")
        connection.close()
        assert len(web.seen) == 3


@pytest.mark.parametrize("last", [Answer(429), Answer(503), None], ids=["429", "503", "a cut connection"])
def test_the_last_outcome_is_raised(last: Answer | None) -> None:
    """Where the last of several attempts got a response or may have acted, its own error is raised."""
    replies = [None, last]
    errors = {Answer: ProviderHTTPError, type(None): TransportError}
    policy = RetryPolicy(attempts=2, base=0.001)
    with serve(lambda _: replies.pop(0)) as web, connected(web.options, retry=policy) as connection:
        with pytest.raises(errors[type(last)]) as caught:
            connection.request("/")
    assert replies == []
    assert "earlier attempt" not in str(caught.value)


def test_the_deadline_ends_retries() -> None:
    """A call whose pauses are short is tried again until its deadline, and no longer."""
    policy = RetryPolicy(attempts=10_000, base=0.01, cap=0.02, budget=10_000)
    with serve(lambda _: None) as web, connected(web.options, retry=policy, deadline=0.3) as connection:
        with ends_within(10):
            assert call(connection) in {"TransportError", "ReadTimeoutError"}
        assert 2 <= len(web.seen) < 10_000


class Sleepless(Connection):
    """A connection that keeps its pauses instead of sleeping."""

    pauses: list[float]

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


HOURS = RetryPolicy(attempts=3, base=1e9, cap=1e9)


@pytest.mark.parametrize("deadline", ["connection", "block"])
@pytest.mark.parametrize(
    ("response", "policy", "error"),
    [
        (Answer(503, b"", {"Retry-After": "50"}), QUICK, "ServerError"),
        (Answer(429, b"", {"Retry-After": "50"}), QUICK, "RateLimitReachedError"),
        (Answer(502), HOURS, "ServerError"),
        (None, HOURS, "TransportError"),
    ],
    ids=["503 with Retry-After", "429 with Retry-After", "jitter", "jitter after a cut connection"],
)
def test_a_pause_beyond_the_deadline_is_not_begun(
    response: Answer | None, policy: RetryPolicy, error: str, deadline: str
) -> None:
    """A call whose next pause would outlast its deadline ends at once with its last error."""
    limits: dict[str, Any] = {"deadline": 20} if deadline == "connection" else {}
    with serve(lambda _: response) as web:
        connection = Sleepless(**web.options, retry=policy, **limits)
        connection.pauses = []
        with nullcontext() if limits else call_options(deadline=20):
            assert call(connection) == error
        connection.close()
        assert (connection.pauses, len(web.seen)) == ([], 1)


def test_past_its_deadline_nothing_is_sent() -> None:
    """A request that is not sent because its deadline has passed raises a ConnectError."""
    with serve() as web, connected(web.options) as connection, call_options(deadline=0.01):
        time.sleep(0.02)  # noqa: TID251 - a caller's own time
        with pytest.raises(ConnectError, match="before its request was sent"):
            connection.request("/", method="POST")
        assert web.seen == []


# Bodies


def test_bytes_are_repeated() -> None:
    """A body of bytes is retried completely."""
    with serve(failing(1)) as web, connected(web.options) as connection:
        assert call(connection, data=b"abc", method="PUT") == 200
        assert [seen.body for seen in web.seen] == [b"abc"] * 2


@pytest.mark.parametrize("offset", [0, 3])
def test_a_file_is_rewound(tmp_path: Path, offset: int) -> None:
    """A file is sent again from where it stood, whatever stands before."""
    (tmp_path / "body").write_bytes(b"abcdef")
    for opened in ((tmp_path / "body").open("rb"), io.BytesIO(b"abcdef")):
        with opened as body, serve(failing(2)) as web, connected(web.options) as connection:
            body.seek(offset)
            assert call(connection, data=body, method="PUT") == 200
            assert [seen.body for seen in web.seen] == [b"abcdef"[offset:]] * 3


def on_a_loop(connection: Connection, **arguments: Any) -> int | str:
    """As `call`, inside a bridge."""

    async def main() -> int | str:
        async with LoopTransports() as transports:
            return await bridged(lambda: call(connection, **arguments), transports)

    return asyncio.run(main())


def test_a_file_is_rewound_in_a_bridge(tmp_path: Path) -> None:
    """On an event loop, too, a file is sent again from where it stood, and stays open."""
    (tmp_path / "body").write_bytes(b"abcdef")
    with (tmp_path / "body").open("rb") as body, serve(failing(2, Answer(503))) as web:
        body.seek(2)
        with connected(web.options) as connection:
            assert on_a_loop(connection, data=body, method="PUT") == 200
        assert ([seen.body for seen in web.seen], body.closed) == ([b"cdef"] * 3, False)


def test_an_attempt_on_a_loop_is_one_request() -> None:
    """On an event loop, too, a request is sent as often as the policy says."""
    with serve(lambda _: None) as web:
        with connected(web.options, retry=RetryPolicy(attempts=1)) as connection:
            assert on_a_loop(connection) == "TransportError"
        assert len(web.seen) == 1


def test_a_pipe_is_sent_once() -> None:
    """What cannot be rewound is sent once, even where nothing was carried out: pipes and generators."""
    reading, writing = os.pipe()
    os.write(writing, b"abc")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, serve(failing(9, Answer(429))) as web:
        with connected(web.options) as connection:
            assert call(connection, data=pipe, method="PUT") == "RateLimitReachedError"
            assert call(connection, data=(b"x" for _ in range(2)), method="PUT") == "RateLimitReachedError"
        assert [seen.body for seen in web.seen] == [b"abc", b"xx"]


def test_a_file_that_only_seems_to_rewind_is_sent_once() -> None:
    """A body that claims to be seekable but cannot be rewound ends with the first error."""

    class OneWay(io.BytesIO):
        def seek(self, *_: Any) -> int:
            raise io.UnsupportedOperation("seek")

    with serve(failing(9)) as web, connected(web.options) as connection:
        assert call(connection, data=OneWay(b"abc"), method="PUT") == "TransportError"
        assert len(web.seen) == 1


def test_a_stream_is_repeated_before_it_is_read() -> None:
    """A streamed response that fails is retried, without leaving its connection open."""
    with serve(failing(3, Answer(503, b"busy"))) as web, connected(web.options, pool_size=1) as connection:
        assert connection.request("/", stream=True).content == b""
        assert len(web.seen) == 4


def test_threads_do_not_share_attempts() -> None:
    """Each of many calls at once has all the attempts of the policy."""
    barrier = threading.Barrier(8)
    policy = RetryPolicy(attempts=3, base=0.001, cap=0.002, budget=99)

    def run(connection: Connection) -> int | str:
        barrier.wait()
        return call(connection)

    with serve(lambda _: None) as web, connected(web.options, retry=policy) as connection:
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda _: run(connection), range(8))) == {"TransportError"}
        assert len(web.seen) == 24


def test_a_driver_tries_as_often_as_its_policy_says() -> None:
    """`retry=` of a driver decides how often its requests are tried."""
    with serve(lambda _: Answer(502)) as web:
        for attempts in (1, 3):
            web.seen.clear()
            with connected(web.options, retry=RetryPolicy(attempts=attempts, base=0.001)) as connection:
                with pytest.raises(ServerError):
                    connection.request("/")
            assert len(web.seen) == attempts
