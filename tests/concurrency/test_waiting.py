from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, cast

import pytest

from polycloud.concurrency import waiting
from polycloud.concurrency.bridge import bridged
from polycloud.concurrency.calls import call_options
from polycloud.errors import (
    InvalidArgumentError,
    MalformedResponseError,
    OperationTimeoutError,
    PolycloudError,
    RateLimitReachedError,
    ServerError,
    TransportError,
)
from polycloud.http.messages import Transports
from support.clock import ends_within

setting: ContextVar[str] = ContextVar("setting", default="unset")


def plainly(fn: Callable[[], Any]) -> Any:
    return fn()


def in_bridge(fn: Callable[[], Any]) -> Any:
    return asyncio.run(bridged(fn, cast("Transports", None)))


World = Callable[[Callable[[], Any]], Any]
both_worlds = pytest.mark.parametrize("world", [plainly, in_bridge])


async def loop_of_caller() -> int:
    await asyncio.sleep(0)
    return id(asyncio.get_running_loop())


@both_worlds
def test_run_gives_the_result(world: World) -> None:
    """`run` gives a coroutine's result, in plain code and inside a bridge."""
    assert isinstance(world(lambda: waiting.run(loop_of_caller)), int)


def test_run_in_a_bridge_uses_the_callers_loop() -> None:
    """Inside a bridge `run` waits on the loop that runs the bridge, in plain code on one private loop."""

    async def main() -> bool:
        inside = await bridged(lambda: waiting.run(loop_of_caller), cast("Transports", None))
        return inside == id(asyncio.get_running_loop())

    assert asyncio.run(main())
    assert waiting.run(loop_of_caller) == waiting.run(loop_of_caller)


@both_worlds
def test_run_raises_what_the_coroutine_raises(world: World) -> None:
    """An error of the coroutine reaches the sync code that waits for it, which may catch it and go on."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise PolycloudError("from the loop")

    def catch() -> str:
        with pytest.raises(PolycloudError, match="from the loop"):
            waiting.run(fail)
        waiting.sleep(0)
        return "went on"

    assert world(catch) == "went on"


@both_worlds
def test_run_ends_at_the_deadline(world: World) -> None:
    """At the deadline of `call_options` the coroutine of `run` is cancelled, with `OperationTimeoutError`."""
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with ends_within(10), call_options(deadline=0.1), pytest.raises(OperationTimeoutError):
        world(lambda: waiting.run(forever))
    assert cancelled.wait(10)


def test_cancelling_a_bridge_unwinds_its_driver() -> None:
    """Cancelling the task that runs a bridge raises inside the waiting driver, which cleans up."""
    cleaned: list[str] = []

    def driver() -> None:
        try:
            waiting.sleep(60)
        finally:
            cleaned.append("up")

    async def main() -> None:
        task = asyncio.ensure_future(bridged(driver, cast("Transports", None)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert cleaned == ["up"]


@both_worlds
def test_context_variables_hold(world: World) -> None:
    """Context variables of the caller are seen by what runs side by side."""
    token = setting.set("mine")
    try:
        assert world(lambda: waiting.gather([setting.get, setting.get])) == ["mine", "mine"]
    finally:
        setting.reset(token)


class ConcurrencyCount:
    """Counts how many of its calls run at the same time."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.lock = threading.Lock()

    def call(self, number: int = 0) -> int:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        waiting.sleep(0.02)
        with self.lock:
            self.running -= 1
        return number


@both_worlds
def test_gather_runs_side_by_side_in_order(world: World) -> None:
    """`gather` has calls under way together, no more than its limit, and gives their results in order."""
    count = ConcurrencyCount()
    calls = [partial(count.call, number) for number in range(9)]
    assert world(lambda: waiting.gather(calls, limit=3)) == list(range(9))
    assert count.most == 3


@both_worlds
def test_gather_inside_gather(world: World) -> None:
    """A `gather` inside a `gather` runs its calls one by one, so the outer limit holds at any depth."""
    count = ConcurrencyCount()

    def nested(depth: int) -> list[Any]:
        call = partial(nested, depth - 1) if depth else count.call
        return waiting.gather([call] * 3, limit=2 if depth == 3 else 8)

    assert world(lambda: nested(3)) == [[[[0] * 3] * 3] * 3] * 3
    assert count.most == 2


@both_worlds
def test_gather_raises_the_first_error(world: World) -> None:
    """An error ends a `gather`; calls that had not begun are dropped."""
    done: list[int] = []

    def call(number: int) -> None:
        waiting.sleep(0.01)
        if number == 0:
            raise PolycloudError("the first")
        done.append(number)

    with pytest.raises(PolycloudError, match="the first"):
        world(lambda: waiting.gather([partial(call, n) for n in range(50)], limit=2))
    assert len(done) < 49


def test_single_flight_among_threads() -> None:
    """Among threads that ask at the same time one does the work, and all get its result."""
    flight, calls, gate = waiting.SingleFlight(), [], threading.Barrier(8)

    def work() -> str:
        calls.append(1)
        waiting.sleep(0.2)
        return "token"

    def ask() -> str:
        gate.wait()
        return flight("token", work)

    assert waiting.gather([ask] * 8) == ["token"] * 8
    assert len(calls) == 1


def test_single_flight_on_a_loop() -> None:
    """Among tasks that ask at the same time one does the work, and other tasks run meanwhile."""
    flight, events = waiting.SingleFlight(), []

    def work() -> str:
        events.append("begin")
        waiting.sleep(0.05)
        events.append("end")
        return "token"

    async def ask() -> str:
        return await bridged(lambda: flight("token", work), cast("Transports", None))

    async def other() -> None:
        await asyncio.sleep(0.01)
        events.append("other")

    async def main() -> list[Any]:
        return await asyncio.gather(*(ask() for _ in range(6)), other())

    assert asyncio.run(main()) == ["token"] * 6 + [None]
    assert events == ["begin", "other", "end"]


class WatchedKey:
    """The key of a flight that knows when a number of threads have asked for it.

    A key is hashed while the flight's lock is held, so a thread that has hashed it follows the leader before
    the leader can end.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.seen: set[int] = set()
        self.complete = threading.Event()

    def __hash__(self) -> int:
        self.seen.add(threading.get_ident())
        if len(self.seen) == self.threads:
            self.complete.set()
        return 1


def fly(error: BaseException, followers: int = 3) -> tuple[list[BaseException], list[Any]]:
    """Let a leader fail while others follow it: what the leader and what the followers got."""
    flight, key = waiting.SingleFlight(), WatchedKey(followers + 1)
    led: list[BaseException] = []
    followed: list[Any] = []

    def fail() -> str:
        assert key.complete.wait(10)
        raise error

    def work() -> str:
        waiting.sleep(0.1)
        return f"done by {threading.current_thread().name}"

    def lead() -> None:
        try:
            flight(key, fail)
        except BaseException as caught:  # noqa: BLE001 - the test examines it
            led.append(caught)

    def follow() -> None:
        try:
            followed.append(flight(key, work))
        except PolycloudError as caught:
            followed.append(caught)

    leader = threading.Thread(target=lead)
    leader.start()
    waiting.poll(lambda: key.seen or None, waiting_for="the leader", timeout=10)
    threads = [leader, *(threading.Thread(target=follow) for _ in range(followers))]
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join(20)
    return led, followed


def test_followers_get_the_leaders_error() -> None:
    """Followers of a flight that fails get its very error and do not run their own function."""
    error = PolycloudError("refused")
    assert fly(error) == ([error], [error] * 3)


def test_an_interrupted_leader_is_replaced() -> None:
    """Where the leader of a flight is interrupted, one follower does the work for all others."""
    interruption = KeyboardInterrupt()
    led, followed = fly(interruption)
    assert led == [interruption]
    assert len(followed) == 3
    assert len(set(followed)) == 1
    assert followed[0].startswith("done by ")


def followed(world: World, follower: Callable[[Callable[[], str]], None]) -> None:
    """Let `follower` ask for a key while a leader on another thread is at work, which ends afterwards."""
    flight, begun, over = waiting.SingleFlight(), threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        over.wait(20)
        return "led"

    leader = threading.Thread(target=flight, args=("key", work))
    leader.start()
    assert begun.wait(10)
    try:
        world(lambda: follower(lambda: flight("key", lambda: "its own")))
    finally:
        over.set()
        leader.join()


@both_worlds
def test_a_follower_keeps_its_own_deadline(world: World) -> None:
    """A caller that follows a flight waits no longer than its own deadline."""

    def follow(ask: Callable[[], str]) -> None:
        with ends_within(10), call_options(deadline=0.2), pytest.raises(OperationTimeoutError):
            ask()

    followed(world, follow)


def test_a_leaders_deadline_is_its_own() -> None:
    """Where a flight fails after its leader's deadline, a follower without one does the work itself."""
    flight, begun = waiting.SingleFlight(), threading.Event()

    def late() -> str:
        begun.set()
        waiting.sleep(0.5)
        raise TransportError("the deadline has passed")

    def lead() -> None:
        with call_options(deadline=0.2), pytest.raises(TransportError):
            flight("key", late)

    leader = threading.Thread(target=lead)
    leader.start()
    assert begun.wait(10)
    assert flight("key", lambda: "its own") == "its own"
    leader.join()


def test_followers_on_a_loop_get_the_leaders_error() -> None:
    """Tasks that follow a flight which fails get its very error and do not run their own function."""
    flight, error = waiting.SingleFlight(), PolycloudError("refused")

    def fail() -> None:
        waiting.sleep(0.05)
        raise error

    def ask() -> BaseException | None:
        try:
            flight("key", fail)
        except PolycloudError as caught:
            return caught
        return None

    assert in_bridge(lambda: waiting.gather([ask] * 4)) == [error] * 4


@both_worlds
def test_a_flight_that_has_ended_is_forgotten(world: World) -> None:
    """After a flight, failed or not, the next call for its key runs its own function."""
    flight = waiting.SingleFlight()

    def fail() -> str:
        raise PolycloudError("mine")

    def calls() -> list[str]:
        with pytest.raises(PolycloudError, match="mine"):
            flight("key", fail)
        return [flight("key", lambda: "first"), flight("key", lambda: "second")]

    assert world(calls) == ["first", "second"]


def test_a_flight_pickles() -> None:
    """A pickled flight works, without the calls that are under way."""
    flight = waiting.SingleFlight()

    def work() -> str:
        return str(pickle.loads(pickle.dumps(flight))("key", lambda: "its own"))

    assert flight("key", work) == "its own"


class Clock:
    """A clock that only `sleep` moves; the pauses are kept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def test_pauses_of_poll_grow(clock: Clock) -> None:
    """Pauses of `poll` begin with 0.05 s and grow by half to the longest one; each varies by a quarter."""
    with pytest.raises(OperationTimeoutError):
        waiting.poll(lambda: None, waiting_for="x", timeout=200, longest_pause=4)
    pauses = iter(clock.pauses[:-1])
    expected = 0.05
    for pause in pauses:
        assert 0.75 * expected <= pause <= 1.25 * expected
        expected = min(expected * 1.5, 4)
    assert expected == 4
    assert len(set(clock.pauses[-10:])) == 10


@pytest.mark.parametrize("timeout", [0.01, 1, 7.5])
def test_pauses_of_poll_end_in_time(clock: Clock, timeout: float) -> None:
    """The last pause of `poll` is cut to what its timeout leaves, and it polls once more after that."""
    asked: list[float] = []
    with pytest.raises(OperationTimeoutError):
        waiting.poll(lambda: asked.append(clock.now), waiting_for="x", timeout=timeout, longest_pause=100)
    assert clock.now == asked[-1] == pytest.approx(1000 + timeout)


def test_a_short_longest_pause_counts_from_the_first(clock: Clock) -> None:
    """A longest pause below 0.05 s bounds the first pause of `poll` too."""
    with pytest.raises(OperationTimeoutError):
        waiting.poll(lambda: None, waiting_for="x", timeout=0.1, longest_pause=0.01)
    assert max(clock.pauses) <= 0.0125


@both_worlds
def test_poll_ends_at_the_deadline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`poll` does not sleep past the deadline of `call_options`, in plain code and inside a bridge."""
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 60.0)
    with ends_within(10), call_options(deadline=0.1), pytest.raises(OperationTimeoutError):
        world(lambda: waiting.poll(lambda: None, waiting_for="x", timeout=60, longest_pause=60))


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_poll_gives_up(timeout: float) -> None:
    """`poll` polls at least once, and its timeout error says what it waited for."""
    polls: list[int] = []

    def check() -> str | None:
        polls.append(1)
        return None

    with pytest.raises(OperationTimeoutError, match="waiting for the moon") as caught:
        waiting.poll(check, waiting_for="the moon", timeout=timeout)
    assert polls
    assert caught.value.waiting_for == "the moon"


def test_poll_returns_the_first_result() -> None:
    """`poll` gives the first result that is not None, though it be false."""
    results = iter([None, None, 0])
    assert waiting.poll(lambda: next(results), waiting_for="a zero", timeout=5) == 0


def test_ctrl_c_ends_a_wait_and_names_it() -> None:
    """Ctrl-C ends a wait at once, with a note of what was being waited for."""
    with ends_within(20):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt) as caught:
            waiting.poll(lambda: None, waiting_for="the node web1 (id 7) to run", timeout=60)
    assert caught.value.__notes__ == ["interrupted while waiting for the node web1 (id 7) to run"]


def test_ctrl_c_ends_a_gather() -> None:
    """Ctrl-C ends a `gather` at once, without waiting for the calls under way."""
    over = threading.Event()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with ends_within(15), pytest.raises(KeyboardInterrupt):
            waiting.gather([lambda: over.wait(30)] * 2)
    finally:
        over.set()


HANGING = """
import os, signal, sys, threading, time
from polycloud.concurrency import waiting
from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.fleet import Fleet

def hang(*_):
    time.sleep(120)

def interrupt_soon():
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize(
    ("call", "printed"),
    [
        ("interrupt_soon(); waiting.gather([hang, hang])", "interrupted"),
        ("interrupt_soon(); list(Fleet({'a': DummyNodeDriver()}).each(hang))", "interrupted"),
        ("print(*Fleet({'a': DummyNodeDriver()}, deadline=0.1).each(hang))", "OperationTimeoutError"),
    ],
    ids=["gather", "a fleet", "a fleet's deadline"],
)
def test_calls_that_hang_do_not_keep_the_program(call: str, printed: str) -> None:
    """After Ctrl-C in a `gather` or a fleet, or a fleet's deadline, the program ends though calls hang."""
    command = [sys.executable, "-c", HANGING.replace("{call}", call)]
    with ends_within(45):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert printed in ended.stdout
    assert not ended.stderr


def test_ctrl_c_cancels_what_runs_on_the_private_loop() -> None:
    """Ctrl-C during `run` cancels the coroutine on the private loop."""
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        waiting.run(forever)
    assert cancelled.wait(10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_run_after_fork() -> None:
    """A forked child gets a private loop of its own."""
    parents = waiting.run(loop_of_caller)
    child = os.fork()
    if child == 0:
        os._exit(0 if isinstance(waiting.run(loop_of_caller), int) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert waiting.run(loop_of_caller) == parents


LIMITED = RateLimitReachedError(429, "later")


def test_poll_lives_through_transient_errors(clock: Clock) -> None:
    """`poll` lives through transient errors as long as its timeout lasts; other errors are raised at once."""
    transient = [ServerError(500), TransportError("cut"), MalformedResponseError("odd"), LIMITED]
    checks = 0

    def check() -> str | None:
        nonlocal checks
        checks += 1
        if clock.now < 1290:
            raise transient[checks % len(transient)]
        return "seen"

    assert waiting.poll(check, waiting_for="x", timeout=300) == "seen"
    assert checks > 60
    refused = PolycloudError("refused")

    def refuse() -> None:
        raise refused

    began = clock.now
    with pytest.raises(PolycloudError) as caught:
        waiting.poll(refuse, waiting_for="x", timeout=300)
    assert caught.value is refused
    assert clock.now == began


def test_poll_that_only_failed_says_why(clock: Clock) -> None:
    """Where the last check of `poll` failed, the timeout error has that failure in its text and as cause."""
    failure = ServerError(500, "the database is down")

    def check() -> None:
        raise failure

    with pytest.raises(OperationTimeoutError, match="for x; the last check failed: the database") as caught:
        waiting.poll(check, waiting_for="x", timeout=20)
    assert caught.value.__cause__ is failure


@both_worlds
def test_a_check_that_hangs(world: World) -> None:
    """The timeout of `poll` is a deadline for its checks, in plain code and inside a bridge."""

    def check() -> None:
        waiting.run(lambda: asyncio.sleep(60))

    with ends_within(10), pytest.raises(OperationTimeoutError, match="waiting for the moon") as caught:
        world(lambda: waiting.poll(check, waiting_for="the moon", timeout=0.3))
    assert caught.value.timeout == 0.3


def test_a_wait_inside_a_check() -> None:
    """A wait inside a check that times out by itself ends the outer `poll`."""

    def check() -> None:
        waiting.poll(lambda: None, waiting_for="the inner one", timeout=0.05)

    with ends_within(10), pytest.raises(OperationTimeoutError, match="waiting for the inner one"):
        waiting.poll(check, waiting_for="the outer one", timeout=30)


@pytest.mark.parametrize(
    ("timeout", "pause"),
    [
        *((odd, 1) for odd in (None, "5", -1, True, 1e10, 10**400, float("inf"), float("nan"))),
        *((5, odd) for odd in (None, "5", -1, True, 1e10, 10**400, float("inf"), float("nan"), 0)),
    ],
)
def test_poll_refuses_invalid_times(timeout: Any, pause: Any) -> None:
    """Invalid times are refused before the first poll."""
    with pytest.raises(InvalidArgumentError):
        waiting.poll(lambda: 1, waiting_for="x", timeout=timeout, longest_pause=pause)


@both_worlds
def test_gather_returns_exceptions_that_calls_return(world: World) -> None:
    """An exception that a call returns is a result of `gather` like any other."""
    errors = [PolycloudError("one"), PolycloudError("two")]
    assert world(lambda: waiting.gather([lambda: errors[0], lambda: errors[1]])) == errors


@both_worlds
def test_gather_lets_what_runs_end(world: World) -> None:
    """An error in a `gather` cuts no call that is under way: it may be a create."""
    ended: list[str] = []

    def slow() -> None:
        waiting.sleep(0.2)
        ended.append("slow")

    def fail() -> None:
        waiting.sleep(0.01)
        raise PolycloudError("first")

    for calls in ([slow, fail], [fail, slow]):
        ended.clear()
        with pytest.raises(PolycloudError, match="first"):
            world(partial(waiting.gather, calls))
        assert ended == ["slow"]
    with pytest.raises(InvalidArgumentError, match="limit must be an int of at least 1, got 0"):
        world(lambda: waiting.gather([slow, slow], limit=0))


def _counted(turns: waiting.Turns, counter: list[int], key: str = "key") -> int:
    """Read, wait and write, which loses counts unless callers take turns."""

    def count() -> int:
        before = counter[0]
        waiting.sleep(0.001)
        counter[0] = before + 1
        return counter[0]

    return turns(key, count)


def test_turns_among_threads() -> None:
    """Callers of one key run one after another on threads, and each gets its own result."""
    turns, counter = waiting.Turns(), [0]
    found = waiting.gather([partial(_counted, turns, counter)] * 20)
    assert (counter, sorted(found)) == ([20], list(range(1, 21)))


def test_turns_on_a_loop() -> None:
    """Callers of one key run one after another on an event loop, and each gets its own result."""
    turns, counter = waiting.Turns(), [0]

    async def run() -> list[int]:
        calls = (bridged(partial(_counted, turns, counter), cast("Transports", None)) for _ in range(20))
        return await asyncio.gather(*calls)

    assert sorted(asyncio.run(run())) == list(range(1, 21))


@both_worlds
def test_turns_within_a_turn(world: World) -> None:
    """A function that asks for the turn that it has gets it at once, and the turn ends with the outer one."""
    turns, counter = waiting.Turns(), [0]

    def count_twice() -> int:
        first = _counted(turns, counter)
        return first + _counted(turns, counter)

    with ends_within(20):
        assert world(lambda: turns("key", count_twice)) == 3
        assert world(lambda: turns("key", lambda: 7)) == 7


def test_turns_and_errors() -> None:
    """The error of one caller is raised for that one alone."""
    turns, started = waiting.Turns(), threading.Event()

    def fail() -> int:
        started.set()
        waiting.sleep(0.05)
        raise ServerError(500, "no")

    def late() -> int:
        started.wait(5)
        return turns("key", lambda: 7)

    def early() -> str:
        with pytest.raises(ServerError, match="no"):
            turns("key", fail)
        return "failed"

    calls: list[Callable[[], Any]] = [early, late]
    assert waiting.gather(calls) == ["failed", 7]


def test_turns_and_deadlines() -> None:
    """A caller waits for its turn no longer than its deadline."""
    turns, started, release = waiting.Turns(), threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        release.wait(5)

    holder = threading.Thread(target=lambda: turns("key", hold))
    holder.start()
    started.wait(5)
    try:
        with call_options(deadline=0.05), pytest.raises(OperationTimeoutError):
            turns("key", lambda: 1)
    finally:
        release.set()
        holder.join()


def test_ctrl_c_in_another_thread() -> None:
    """Ctrl-C ends a `gather` soon, also if the system gives the signal to another thread."""
    over = threading.Event()

    def interrupt() -> None:
        over.wait(0.3)  # until the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        over.wait(10)

    with ends_within(5), pytest.raises(KeyboardInterrupt):
        waiting.gather([interrupt, lambda: None])
    over.set()
