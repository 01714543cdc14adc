from __future__ import annotations

import gc
import heapq
import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from polycloud.common.base import ConnectionKey
from polycloud.compute.providers import get_driver
from polycloud.concurrency.calls import call_options
from polycloud.errors import RateLimitReachedError, ServerError
from polycloud.http.messages import RawResponse
from polycloud.http.ratelimits import RateLimiter, limiter_of
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.utils.headers import Headers, RateLimits, rate_limits, requested_pause, retry_after_seconds
from support.clock import ends_within
from support.web import Answer, Seen, serve

NOON = datetime(2026, 10, 21, 12, tzinfo=UTC)
DATE = format_datetime(NOON, usegmt=True)
IN_A_MINUTE = int(NOON.timestamp()) + 60


def response(status: int = 200, **headers: object) -> RawResponse:
    """A response with the headers of these names, `_` for `-`."""
    return RawResponse(
        status, "", Headers((name.replace("_", "-"), str(text)) for name, text in headers.items())
    )


# Limits in headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, RateLimits()),
        ({"ratelimit-limit": "10", "ratelimit-remaining": "3", "ratelimit-reset": "7"}, RateLimits(10, 3, 7)),
        ({"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0"}, RateLimits(10, 0)),
        ({"ratelimit-limit": "10, 10;w=1, 900;w=60", "ratelimit-remaining": " 3 "}, RateLimits(10, 3)),
        ({"ratelimit": "limit=10, remaining=3, reset=7"}, RateLimits(10, 3, 7)),
        ({"ratelimit": '"default";r=3;t=7'}, RateLimits(None, 3, 7)),
        ({"ratelimit": '"hour";r=4999;t=3000, "second";r=0;t=1'}, RateLimits(None, 0, 1)),
        ({"ratelimit-reset": str(IN_A_MINUTE), "date": DATE}, RateLimits(None, None, 60)),
        ({"ratelimit-reset": str(IN_A_MINUTE - 3600), "date": DATE}, RateLimits(None, None, 0)),
        ({"x-ratelimit-remaining": "-1", "x-ratelimit-limit": "unlimited"}, RateLimits()),
    ],
)
def test_every_form_is_read(headers: dict[str, str], expected: RateLimits) -> None:
    """The usual forms are read alike; of several limits the one that is used up first counts."""
    assert rate_limits(headers) == expected


NAMES = ["retry-after", "date", "ratelimit", "ratelimit-limit", "x-ratelimit-remaining", "ratelimit-reset"]
TEXTS = st.text(max_size=20) | st.from_regex(r'[rt"; ,=\d]{0,20}|\d{0,20}|(limit|reset)=\d+', fullmatch=True)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text of a fresh checkout takes seconds
@given(st.dictionaries(st.sampled_from(NAMES), TEXTS | st.sampled_from([DATE, "31 Dec 9999 23:59:59 -2359"])))
def test_any_header_is_a_number_or_nothing(headers: dict[str, str]) -> None:
    """Whatever text a header has, it is read as a finite number from 0 on or as None."""
    for number in (*astuple(rate_limits(headers)), requested_pause(headers), retry_after_seconds(headers)):
        assert number is None or 0 <= number < math.inf


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(NAMES), TEXTS), st.sampled_from([200, 204, 404, 429, 500, 503]))
def test_no_header_shuts_an_account_out(headers: dict[str, str], status: int) -> None:
    """After a response with any headers a request may be sent within the hour."""
    clock = Clock()
    limiter = RateLimiter(clock)
    limiter.take()
    limiter.give_back(RawResponse(status, "", Headers(headers.items())))
    assert limiter.take() <= 3600
    clock.now += 3600
    assert limiter.take() == 0


@pytest.mark.parametrize("off", [timedelta(days=-400), timedelta(), timedelta(hours=5)])
def test_clocks_may_differ(off: timedelta) -> None:
    """Times are relative to the provider's clock in its `Date` header, however ours differs."""
    now = datetime.now(UTC).replace(microsecond=0) + off
    later = now + timedelta(seconds=30)
    headers = {"Date": format_datetime(now, usegmt=True), "Retry-After": format_datetime(later, usegmt=True)}
    assert retry_after_seconds(headers) == 30
    headers = {"date": headers["Date"], "ratelimit-reset": str(int(later.timestamp()))}
    assert requested_pause(headers) == 30


def test_retry_after_comes_before_the_window() -> None:
    """A refused caller waits as long as `Retry-After` says, even where the window is longer."""
    assert requested_pause({"retry-after": "5", "ratelimit-reset": "3000"}) == 5
    assert requested_pause({"ratelimit-reset": "3000"}) == 3000
    assert requested_pause({}) is None


# The limiter, on a clock that the test moves


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(clock)


def exchange(limiter: RateLimiter, reply: RawResponse | None) -> None:
    assert limiter.take() == 0
    limiter.give_back(reply)


def test_nothing_is_held_back_without_limits(limiter: RateLimiter) -> None:
    """Without limits in headers and without refusals, every request may be sent at once."""
    for _ in range(1000):
        exchange(limiter, response())
    for _ in range(100):
        assert limiter.take() == 0


def test_what_is_in_flight_counts(limiter: RateLimiter) -> None:
    """Requests under way are subtracted from what a response says is left."""
    for _ in range(4):
        assert limiter.take() == 0
    limiter.give_back(response(ratelimit_remaining=5, ratelimit_reset=10))
    assert [limiter.take() for _ in range(3)] == [0, 0, 10]


def test_a_new_window_begins_with_one(clock: Clock, limiter: RateLimiter) -> None:
    """After a window that was used up one request is sent, and its response says how many more may be."""
    exchange(limiter, response(ratelimit_remaining=0, ratelimit_reset=10))
    clock.now += 10
    assert limiter.take() == 0
    assert 0 < limiter.take() < 1
    limiter.give_back(response(ratelimit_remaining=2, ratelimit_reset=10))
    assert [limiter.take() for _ in range(3)] == [0, 0, 10]


def test_a_lost_response_does_not_stop_the_others(clock: Clock, limiter: RateLimiter) -> None:
    """Where the first response of a window is lost or late, further requests are sent, one at a time."""
    exchange(limiter, response(ratelimit_remaining=0, ratelimit_reset=10))
    clock.now += 10
    exchange(limiter, None)
    clock.now += limiter.take()
    assert limiter.take() == 0
    clock.now += limiter.take()
    assert limiter.take() == 0


def test_a_limit_that_is_no_longer_announced(clock: Clock, limiter: RateLimiter) -> None:
    """Where a new window's response names no limit, nothing is held back."""
    exchange(limiter, response(ratelimit_remaining=0, ratelimit_reset=10))
    clock.now += 10
    exchange(limiter, response())
    assert [limiter.take() for _ in range(50)] == [0] * 50


def test_a_failed_first_request_opens_nothing(clock: Clock, limiter: RateLimiter) -> None:
    """Where a new window's first response is a server error without limits, requests go on one by one."""
    exchange(limiter, response(ratelimit_remaining=0, ratelimit_reset=10))
    clock.now += 10
    exchange(limiter, response(500))
    assert 0 < limiter.take() < 1


@pytest.mark.parametrize(
    "headers",
    [
        {"ratelimit_limit": 0, "ratelimit_remaining": 0, "ratelimit_reset": 900},
        {"ratelimit_remaining": -1, "ratelimit_reset": 900},
        {"ratelimit_remaining": 0},
        {"ratelimit_remaining": 0, "ratelimit_reset": IN_A_MINUTE - 3600, "date": DATE},
    ],
)
def test_absurd_limits_hold_nothing_back(limiter: RateLimiter, headers: dict[str, Any]) -> None:
    """A limit of 0, less than nothing left, no end of the window or one in the past do not stop requests."""
    exchange(limiter, response(**headers))
    assert limiter.take() == 0


@pytest.mark.parametrize("status", [200, 429])
def test_an_absurd_end_is_an_hour_away(clock: Clock, limiter: RateLimiter, status: int) -> None:
    """A window that ends in the year 9999 closes an account for an hour at most, and heals then."""
    exchange(limiter, response(status, ratelimit_remaining=0, ratelimit_reset=253_402_300_799))
    assert limiter.take() == 3600
    clock.now += 3600
    exchange(limiter, response(ratelimit_remaining=4000, ratelimit_reset=10))
    assert [limiter.take() for _ in range(50)] == [0] * 50


def test_a_later_response_heals(limiter: RateLimiter) -> None:
    """A limit that a response says is used up is open again when a later response says so."""
    assert [limiter.take(), limiter.take()] == [0, 0]
    limiter.give_back(response(ratelimit_remaining=0, ratelimit_reset=3000))
    assert limiter.take() == 3000
    limiter.give_back(response(ratelimit_remaining=4000, ratelimit_reset=3000))
    assert limiter.take() == 0


def test_an_old_response_does_not_undo_a_refusal(limiter: RateLimiter) -> None:
    """Until the pause of a refusal is over, a response to an earlier request opens nothing."""
    assert [limiter.take(), limiter.take()] == [0, 0]
    limiter.give_back(response(429, retry_after=20))
    limiter.give_back(response(ratelimit_remaining=4000, ratelimit_reset=3000))
    assert limiter.take() == 20


def test_much_is_left_but_for_what_is_in_flight(limiter: RateLimiter) -> None:
    """Requests under way are subtracted where a response says that hundreds are left, too."""
    assert [limiter.take() for _ in range(151)] == [0] * 151
    limiter.give_back(response(ratelimit_remaining=200, ratelimit_reset=10))
    assert [limiter.take() for _ in range(50)] == [0] * 50
    limiter.take()  # the first one of a new window
    assert limiter.take() > 0


def test_a_shorter_pause_does_not_shorten_a_longer_one(limiter: RateLimiter) -> None:
    """Of two refusals the longer pause counts, whichever came first."""
    assert [limiter.take() for _ in range(3)] == [0] * 3
    for seconds, pause in ((20, 20), (5, 20), (30, 30)):
        limiter.give_back(response(429, retry_after=seconds))
        assert limiter.take() == pause


def test_one_request_follows_a_pause(clock: Clock, limiter: RateLimiter) -> None:
    """After the pause of a refusal one request is sent before any other."""
    exchange(limiter, response(429, retry_after=10, ratelimit_remaining=50, ratelimit_reset=10))
    assert limiter.take() == 10
    clock.now += 10
    assert limiter.take() == 0
    assert 0 < limiter.take() < 1


def test_simultaneous_refusals_count_once(clock: Clock, limiter: RateLimiter) -> None:
    """Of requests that are refused together the first one slows down, and later ones do so again."""
    for _ in range(16):
        assert limiter.take() == 0
    for _ in range(16):
        limiter.give_back(response(429))
    once = limiter.take()
    assert 0.1 < once < 0.5
    clock.now += 2
    exchange(limiter, response(429))
    assert limiter.take() > once


def test_idle_time_is_not_caught_up(clock: Clock, limiter: RateLimiter) -> None:
    """While requests are slowed down, a pause of the caller's own is not followed by a burst."""
    exchange(limiter, response(429))
    clock.now += 2
    assert limiter.take() == 0
    assert limiter.take() > 0


def test_oversleeping_is_caught_up() -> None:
    """A slowed request that comes up to 0.05 s late does not delay the one after it."""

    def wait_after(oversleep: float) -> float:
        clock = Clock()
        limiter = RateLimiter(clock)
        exchange(limiter, response(429))
        clock.now += limiter.take() + oversleep
        assert limiter.take() == 0
        return limiter.take()

    assert 0.03 < wait_after(0.0) - wait_after(0.04) < 0.05


def test_refusals_slow_down_to_one_in_two_seconds(clock: Clock, limiter: RateLimiter) -> None:
    """However often an account is refused, a request may go after two seconds."""
    for _ in range(30):
        exchange(limiter, response(429))
        assert 0 < limiter.take() <= 2
        clock.now += 2


def test_an_outage_does_not_close(limiter: RateLimiter) -> None:
    """A 503 that says when to come back slows an account down, and does not close it."""
    exchange(limiter, response(503, retry_after=3000))
    assert 0 < limiter.take() < 1


def test_an_idle_hour_does_not_slow(clock: Clock, limiter: RateLimiter) -> None:
    """What a refusal slowed down is fast again after an hour without requests."""
    exchange(limiter, response(429))
    clock.now += 3600
    exchange(limiter, response())
    assert [limiter.take() for _ in range(50)] == [0] * 50


# The limiter against servers, in a time of its own


Server = Callable[[float], RawResponse]


class Window:
    """Takes `most` requests in each window of `seconds`; `announced` chooses the headers of its responses."""

    def __init__(self, most: int, seconds: float, announced: str) -> None:
        self.most, self.seconds, self.announced = most, seconds, announced
        self.number, self.count = -1.0, 0

    def __call__(self, now: float) -> RawResponse:
        number = now // self.seconds
        if number != self.number:
            self.number, self.count = number, 0
        self.count += 1
        refused = self.count > self.most
        reset = (number + 1) * self.seconds - now
        headers: dict[str, object] = {}
        if self.announced == "limits":
            headers = {
                "ratelimit_remaining": max(self.most - self.count, 0),
                "ratelimit_reset": math.ceil(reset),
            }
        elif self.announced == "retry-after" and refused:
            headers = {"retry_after": math.ceil(reset)}
        return response(429 if refused else 200, **headers)


class Sliding:
    """Counts each request for `seconds`; its headers say when the oldest one expires."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self.times: deque[float] = deque()

    def __call__(self, now: float) -> RawResponse:
        while self.times and self.times[0] <= now - self.seconds:
            self.times.popleft()
        refused = len(self.times) >= self.most
        if not refused:
            self.times.append(now)
        left, reset = self.most - len(self.times), math.ceil(self.times[0] + self.seconds - now)
        return response(429 if refused else 200, ratelimit_remaining=left, ratelimit_reset=reset)


def simulate(server: Server, *, calls: int, threads: int = 16, latency: float = 0.02) -> tuple[int, float]:
    """How many requests were refused until all `calls` had succeeded, and how many seconds that took."""
    clock = Clock()
    limiter, order, refused = RateLimiter(clock), count(), 0
    events: list[tuple[float, int, RawResponse | None]] = [(clock.now, next(order), None)] * threads
    while calls > 0:
        clock.now, _, under_way = heapq.heappop(events)
        pause = 0.0
        if under_way is not None:
            limiter.give_back(under_way)
            calls -= under_way.status == 200
            refused += under_way.status == 429
            pause = (requested_pause(under_way.headers) or 0.25) if under_way.status == 429 else 0.0
        wait = pause or limiter.take()
        reply = None if wait else server(clock.now + latency / 2)
        heapq.heappush(events, (clock.now + (wait or latency), next(order), reply))
        assert clock.now < 1e5, "requests do not come through"
    return refused, clock.now - Clock.now


@pytest.mark.parametrize(
    ("server", "most_refused", "longest"),
    [
        (Window(50, 5, "limits"), 0, 35),
        (Sliding(50, 5), 0, 45),
        (Window(50, 1, "retry-after"), 40, 20),
        (Window(50, 1, ""), 60, 20),
        (Window(5, 1, ""), 80, 130),
        (Window(60, 60, "retry-after"), 100, 360),
    ],
    ids=["limits", "sliding", "retry-after", "silent", "silent and slow", "a minute"],
)
def test_few_are_refused(server: Server, most_refused: int, longest: float) -> None:
    """With 16 callers a limit costs few refusals, and little more time than it takes anyway."""
    refused, seconds = simulate(server, calls=300)
    assert refused <= most_refused
    assert seconds <= longest


def test_a_limit_that_goes_away() -> None:
    """Requests go as fast as ever some time after the provider has lifted its limit."""
    limit = Window(20, 1, "")

    def lifted(now: float) -> RawResponse:
        return limit(now) if now < Clock.now + 20 else response()

    _, seconds = simulate(lifted, calls=50_000)
    assert seconds < 20 + 90 + 50_000 * 0.02 / 16


# The limiter of drivers, on real servers


QUICK = RetryPolicy(base=0.001, cap=0.002)


def respond_as(server: Server) -> Callable[[Seen], Answer]:
    lock = threading.Lock()

    def respond(_: Seen) -> Answer:
        with lock:
            reply = server(time.monotonic())
        return Answer(reply.status, b"", dict(reply.headers))

    return respond


@pytest.mark.parametrize("announced", ["limits", "retry-after", ""])
def test_threads_share_a_limit(announced: str) -> None:
    """300 calls of 16 threads all succeed at a server that takes 150 a second, and few are refused."""
    policy = RetryPolicy(attempts=12, cap=1, budget=300)
    with serve(respond_as(Window(150, 1, announced))) as web:
        with ThreadPoolExecutor(16) as pool:
            connection = ConnectionKey(f"all {announced}", **web.options, retry=policy)
            statuses = list(pool.map(lambda _: connection.request("/").status, range(300)))
        connection.close()
        assert statuses == [200] * 300
        assert len(web.seen) <= 300 + 150


def connected(key: str, web: Any) -> ConnectionKey:
    return ConnectionKey(key, **web.options, retry=QUICK)


def test_an_account_has_one_limit() -> None:
    """What one driver of an account learned holds for its others, and not for other tokens and hosts."""
    spent = Answer(200, b"", {"ratelimit-remaining": "0", "ratelimit-reset": "3000"})
    with serve(lambda _: spent) as web, serve() as elsewhere:
        one, same = connected("one account", web), connected("one account", web)
        others = [connected("another account", web), connected("one account", elsewhere)]
        assert one.request("/").status == 200
        with pytest.raises(RateLimitReachedError, match="not sent") as caught:
            same.request("/")
        assert (len(web.seen), same.rate_limiter is one.rate_limiter) == (1, True)
        assert 2990 < caught.value.retry_after <= 3000
        assert [other.request("/").status for other in others] == [200, 200]
        for connection in (one, same, *others):
            connection.close()


def test_threads_ask_for_one_limiter() -> None:
    """Threads that ask at the same time get the same limiter, which is freed when it is no longer used."""
    barrier = threading.Barrier(8)

    def ask(_: int) -> RateLimiter:
        barrier.wait()
        return limiter_of("threads")

    with ThreadPoolExecutor(8) as pool:
        limiters = set(pool.map(ask, range(8)))
    assert len(limiters) == 1
    gone = weakref.ref(limiters.pop())
    gc.collect()
    assert gone() is None


def test_a_call_waits_for_the_window() -> None:
    """A call that begins where nothing is left waits for the next window, and is sent once."""
    spent = iter([Answer(200, b"", {"ratelimit-remaining": "0", "ratelimit-reset": "1"})])
    with serve(lambda _: next(spent, Answer())) as web, connection_of(web, "waits") as connection:
        began = time.monotonic()
        assert [connection.request("/").status for _ in range(2)] == [200, 200]
        assert (len(web.seen), time.monotonic() - began >= 1) == (2, True)


def test_the_wait_for_a_window_is_slept(clock: Clock) -> None:
    """A call that waits for the next window sleeps once, for exactly as long as the window lasts."""
    pauses: list[float] = []

    class OnClock(ConnectionKey):
        def sleep(self, seconds: float) -> None:
            pauses.append(seconds)
            clock.now += seconds

    spent = iter([Answer(200, b"", {"ratelimit-remaining": "0", "ratelimit-reset": "30"})])
    with serve(lambda _: next(spent, Answer())) as web:
        connection = OnClock("sleeps", **web.options)
        connection._rate_limiter = RateLimiter(clock)
        assert [connection.request("/").status for _ in range(2)] == [200, 200]
        assert (pauses, len(web.seen)) == ([30], 2)
        connection.close()


@pytest.mark.parametrize("limits", [{"deadline": 20}, {"retry": RetryPolicy(patience=20)}])
def test_no_wait_beyond_deadline_and_patience(limits: dict[str, Any]) -> None:
    """A window that begins after the deadline, or later than the patience lasts, ends the call at once."""
    spent = Answer(200, b"", {"ratelimit-remaining": "0", "ratelimit-reset": "50"})
    with serve(lambda _: spent) as web, connection_of(web, f"not waiting {limits}") as connection:
        with call_options(**limits):
            connection.request("/")
            with ends_within(15), pytest.raises(RateLimitReachedError):
                connection.request("/", method="POST")
        assert len(web.seen) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_that_must_wait_keeps_the_first_outcome(stream: bool) -> None:
    """Where the limit forbids a retry, the error is that of the first attempt, which may have acted."""
    replies = iter([Answer(502, b"bad gateway", {"ratelimit-remaining": "0", "ratelimit-reset": "900"})])
    with serve(lambda _: next(replies)) as web, connection_of(web, f"keeps {stream}") as connection:
        with pytest.raises(ServerError, match="Bad Gateway" if stream else "bad gateway"):
            connection.request("/", method="POST", idempotent=True, stream=stream)


def test_whoever_does_not_send_takes_nothing() -> None:
    """A request that fails before it is sent leaves the limit as it was."""

    class Broken:
        def send(self, request: Any) -> RawResponse:
            raise KeyError("a defect")

        def close(self) -> None:
            """Nothing is open."""

    class Unopened(ConnectionKey):
        def transport(self) -> Any:
            raise KeyError("a defect")

    for connection in (ConnectionKey("broken", transport=Broken()), Unopened("unopened")):
        with pytest.raises(KeyError):
            connection.request("/")
        assert connection.rate_limiter._in_flight == 0


@contextmanager
def connection_of(web: Any, key: str) -> Iterator[ConnectionKey]:
    connection = connected(key, web)
    try:
        yield connection
    finally:
        connection.close()


# DigitalOcean


def test_digitalocean_by_the_minute() -> None:
    """DigitalOcean's limit of a minute closes the account for as long as the refusal says."""
    with Sandbox("digitalocean", ssh="off", burst_limit=3) as cloud:
        with get_driver("digitalocean")(*cloud.credentials, **cloud.options) as driver:
            with call_options(retry=RetryPolicy(patience=1)):
                for _ in range(3):
                    driver.list_locations()
                for _ in range(2):
                    with pytest.raises(RateLimitReachedError) as caught:
                        driver.list_locations()
                    assert 50 < caught.value.retry_after <= 60
        assert len(cloud.requests) == 4


def test_digitalocean_by_the_hour() -> None:
    """DigitalOcean's hourly limit opens when its oldest request expires, at the time in its header."""
    with Sandbox("digitalocean", ssh="off", hourly_limit=3) as cloud:
        with get_driver("digitalocean")(*cloud.credentials, **cloud.options) as driver:
            for _ in range(3):
                driver.list_locations()
            with pytest.raises(RateLimitReachedError, match="not sent") as caught:
                driver.list_locations()
        assert 3590 < caught.value.retry_after <= 3601
        assert len(cloud.requests) == 3
