from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, cast

import pytest

from polycloud.concurrency import waiting
from polycloud.concurrency.bridge import bridged
from polycloud.errors import (
    InvalidArgumentError,
    MalformedResponseError,
    OperationTimeoutError,
    PolycloudError,
    ServerError,
    TransportError,
)
from polycloud.http.messages import Transports

setting: ContextVar[str] = ContextVar("setting", default="unset")


def plainly(fn: Callable[[], Any]) -> Any:
    return fn()


def in_bridge(fn: Callable[[], Any]) -> Any:
    return asyncio.run(bridged(fn, cast("Transports", None)))


both_worlds = pytest.mark.parametrize("world", [plainly, in_bridge])


async def loop_of_caller() -> int:
    await asyncio.sleep(0)
    return id(asyncio.get_running_loop())


@both_worlds
def test_run_gives_the_result(world: Callable[[Callable[[], Any]], Any]) -> None:
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
def test_run_raises_what_the_coroutine_raises(world: Callable[[Callable[[], Any]], Any]) -> None:
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
def test_context_variables_hold(world: Callable[[Callable[[], Any]], Any]) -> None:
    """Context variables of the caller are seen by what runs side by side."""
    token = setting.set("mine")
    try:
        assert world(lambda: waiting.gather([setting.get, setting.get])) == ["mine", "mine"]
    finally:
        setting.reset(token)


@both_worlds
def test_gather_runs_side_by_side_in_order(world: Callable[[Callable[[], Any]], Any]) -> None:
    """`gather` has calls under way together, no more than its limit, and gives their results in order."""
    under_way, most = 0, 0
    lock = threading.Lock()

    def call(number: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        waiting.sleep(0.03)
        with lock:
            under_way -= 1
        return number

    calls = [partial(call, n) for n in range(9)]
    assert world(lambda: waiting.gather(calls, limit=3)) == list(range(9))
    assert most == 3


@both_worlds
def test_gather_inside_gather(world: Callable[[Callable[[], Any]], Any]) -> None:
    """A `gather` inside a `gather` ends, however deep."""

    def one() -> int:
        waiting.sleep(0.001)
        return 1

    def square(side: int) -> list[list[int]]:
        return waiting.gather([lambda: waiting.gather([one] * side)] * side)

    assert world(lambda: square(20)) == [[1] * 20] * 20


@both_worlds
def test_gather_raises_the_first_error(world: Callable[[Callable[[], Any]], Any]) -> None:
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
    """Among tasks that ask at the same time one does the work, and the loop is never blocked."""
    flight, calls = waiting.SingleFlight(), []

    def work() -> str:
        calls.append(1)
        waiting.sleep(0.05)
        return "token"

    assert in_bridge(lambda: waiting.gather([lambda: flight("token", work)] * 6)) == ["token"] * 6
    assert len(calls) == 1


def test_single_flight_shares_errors_but_not_interruptions() -> None:
    """Followers get the leader's error; where the leader was interrupted, a follower does the work."""
    flight, started, release = waiting.SingleFlight(), threading.Event(), threading.Event()
    outcomes: list[object] = []

    def interrupted() -> str:
        started.set()
        release.wait(10)
        raise KeyboardInterrupt

    def lead() -> None:
        with pytest.raises(KeyboardInterrupt):
            flight("k", interrupted)

    def follow() -> None:
        outcomes.append(flight("k", lambda: "done by a follower"))

    leader, follower = threading.Thread(target=lead), threading.Thread(target=follow)
    leader.start()
    started.wait(10)
    follower.start()
    release.set()
    leader.join()
    follower.join()
    assert outcomes == ["done by a follower"]

    def fail() -> str:
        raise PolycloudError("mine")

    with pytest.raises(PolycloudError, match="mine"):
        flight("k", fail)
    assert flight("k", lambda: "free again") == "free again"
    assert pickle.loads(pickle.dumps(flight))("k", lambda: 1) == 1


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_poll_gives_up(timeout: float) -> None:
    """`poll` looks at least once, and says what it waited for when its time is over."""
    looks: list[int] = []

    def look() -> str | None:
        looks.append(1)
        return None

    with pytest.raises(OperationTimeoutError, match="waiting for the moon") as caught:
        waiting.poll(look, waiting_for="the moon", timeout=timeout)
    assert looks
    assert caught.value.waiting_for == "the moon"


def test_poll_gives_what_it_sees() -> None:
    """`poll` gives the first result that is not None, though it be false."""
    results = iter([None, None, 0])
    assert waiting.poll(lambda: next(results), waiting_for="a zero", timeout=5) == 0


def test_ctrl_c_ends_a_wait_and_names_it() -> None:
    """Ctrl-C ends a wait at once, with a note of what was being waited for."""
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt) as caught:
        waiting.poll(lambda: None, waiting_for="the node web1 (id 7) to run", timeout=60)
    assert caught.value.__notes__ == ["interrupted while waiting for the node web1 (id 7) to run"]


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


def test_poll_is_patient_with_what_passes() -> None:
    """A look that fails in a way that passes saw nothing; five in a row are an error."""
    outcomes = iter([ServerError(500), TransportError("cut"), None, MalformedResponseError("odd"), "seen"])

    def look() -> str | None:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert waiting.poll(look, waiting_for="x", timeout=20, longest_pause=0.01) == "seen"

    def fail() -> None:
        raise ServerError(500, "for ever")

    with pytest.raises(ServerError):
        waiting.poll(fail, waiting_for="x", timeout=20, longest_pause=0.01)


@pytest.mark.parametrize(
    ("timeout", "pause"), [(None, 1), ("5", 1), (-1, 1), (5, -1), (5, 0), (5, float("nan"))]
)
def test_poll_refuses_times_that_are_none(timeout: Any, pause: Any) -> None:
    """Times that are no seconds are refused before the first look."""
    with pytest.raises(InvalidArgumentError):
        waiting.poll(lambda: 1, waiting_for="x", timeout=timeout, longest_pause=pause)


@both_worlds
def test_gather_lets_what_runs_end(world: Callable[[Callable[[], Any]], Any]) -> None:
    """An error in a `gather` cuts no call that is under way: it may be a create."""
    ended: list[str] = []

    def slow() -> None:
        waiting.sleep(0.2)
        ended.append("slow")

    def fail() -> None:
        waiting.sleep(0.01)
        raise PolycloudError("first")

    with pytest.raises(PolycloudError, match="first"):
        world(lambda: waiting.gather([slow, fail]))
    assert ended == ["slow"]
    with pytest.raises(InvalidArgumentError, match="limit must be at least 1, got 0"):
        world(lambda: waiting.gather([slow, slow], limit=0))
