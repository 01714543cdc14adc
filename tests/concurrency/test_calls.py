from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from typing import Any

import pytest

from polycloud.common.base import Connection
from polycloud.compute.deployment import Deployment
from polycloud.compute.objects import NodeAuthSSHKey
from polycloud.compute.providers import get_driver
from polycloud.compute.types import DeploymentError
from polycloud.concurrency import waiting
from polycloud.concurrency.bridge import bridged
from polycloud.concurrency.calls import (
    NO_OPTIONS,
    CallOptions,
    RetryRules,
    as_operation,
    call_options,
    cleanup,
    current_call,
    remaining,
)
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    OperationTimeoutError,
    PolycloudError,
    ReadTimeoutError,
    ServerError,
)
from polycloud.http.loop import LoopTransports
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from support.clock import ends_within
from support.keypairs import key_pair
from support.transport import RecordingTransport
from support.web import Answer, Seen, serve

ONCE = RetryPolicy(attempts=1)
TWICE = RetryPolicy(attempts=2, base=0.001)
LATE = (ConnectError, ReadTimeoutError, OperationTimeoutError)


# What holds where


def test_blocks_nest() -> None:
    """An inner block adds to the outer one until it ends; of two deadlines the earlier counts."""
    with call_options(deadline=100, retry=ONCE):
        outer = current_call()
        with call_options(deadline=1000, timeout=(3, 20)):
            assert current_call() == CallOptions(outer.ends_at, (3, 20), ONCE)
            with call_options(deadline=1, retry=TWICE):
                assert (current_call().retry, current_call().timeout, remaining() <= 1) == (
                    TWICE,
                    (3, 20),
                    True,
                )
        assert current_call() is outer
    assert current_call() is NO_OPTIONS
    assert remaining() == float("inf")


def test_a_block_ends_with_an_error() -> None:
    """What a block set is over when an error leaves it."""
    with pytest.raises(KeyError), call_options(retry=ONCE):
        raise KeyError
    assert current_call() is NO_OPTIONS


def test_one_timeout_is_for_reading() -> None:
    """A timeout bounds the wait for bytes, and connecting takes no longer than it usually may."""
    with call_options(timeout=300):
        assert current_call().timeout == (10, 300)
    with call_options(timeout=2):
        assert current_call().timeout == (2, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"deadline": 0}, {"deadline": -1}, {"deadline": "5"}, {"deadline": float("nan")}, {"timeout": 0},
        {"timeout": (1,)}, {"timeout": (1, 2, 3)}, {"timeout": (1, -2)}, {"timeout": True},
    ],
)  # fmt: skip
def test_odd_options_are_refused(options: dict[str, Any]) -> None:
    """A time that cannot be meant is refused, and leaves nothing behind."""
    with pytest.raises(InvalidArgumentError), call_options(**options):
        pytest.fail("the block began")
    assert current_call() is NO_OPTIONS


def test_other_threads_are_not_affected() -> None:
    """A thread that is started in a block has none of its settings."""
    seen: list[CallOptions] = []
    with call_options(retry=ONCE):
        thread = threading.Thread(target=lambda: seen.append(current_call()))
        thread.start()
        thread.join()
    assert seen == [NO_OPTIONS]


def test_calls_side_by_side_belong_to_the_block() -> None:
    """Calls that `gather` runs on threads have the settings of the block, and do not change them."""

    def call() -> RetryRules | None:
        outer = current_call().retry
        with call_options(retry=TWICE):
            assert current_call().retry is TWICE
        return outer

    with call_options(retry=ONCE):
        assert waiting.gather([call] * 20) == [ONCE] * 20


def test_tasks_have_settings_of_their_own() -> None:
    """On an event loop each task's block holds for what its bridges do, gather included, and no other's."""

    def settings() -> list[RetryRules | None]:
        waiting.sleep(0.01)
        return waiting.gather([lambda: current_call().retry] * 3)

    async def task(retry: RetryRules | None, transports: LoopTransports) -> list[RetryRules | None]:
        with call_options(retry=retry):
            await asyncio.sleep(0)
            return await bridged(settings, transports)

    async def main() -> list[list[RetryRules | None]]:
        async with LoopTransports() as transports:
            return await asyncio.gather(*(task(retry, transports) for retry in (ONCE, None, TWICE)))

    assert asyncio.run(main()) == [[ONCE] * 3, [None] * 3, [TWICE] * 3]


def test_a_generator_takes_the_settings_of_who_asks() -> None:
    """An iterator uses the settings of the block in which an item is requested."""

    def items() -> Iterator[RetryRules | None]:
        while True:
            yield current_call().retry

    with call_options(retry=ONCE):
        iterator = items()
        assert next(iterator) is ONCE
    assert next(iterator) is None


def test_an_iterator_is_an_operation() -> None:
    """The requests of an iterator belong to its operation whenever they are sent, however it is written."""

    @as_operation
    def iterate_inner(_: None) -> Iterator[str | None]:
        try:
            yield current_call().operation
            yield current_call().operation
        finally:
            closed.append(current_call().operation)

    @as_operation
    def iterate_items(_: None) -> Iterator[str | None]:
        return iterate_inner(None)

    closed: list[str | None] = []
    items = iterate_items(None)
    assert current_call().operation is None
    assert (next(items), current_call().operation, list(items)) == (
        "iterate_items",
        None,
        ["iterate_items"],
    )
    assert closed == ["iterate_items"]


def test_an_iterator_that_is_left_is_closed() -> None:
    """An iterator that is left early is closed at once, though others refer to the driver's generator."""
    closed = []

    def generate() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append(True)

    generator = generate()

    @as_operation
    def iterate_items(_: None) -> Iterator[int]:
        return generator

    items: Any = iterate_items(None)
    next(items)
    items.close()
    assert closed == [True]


# Requests


@pytest.mark.parametrize(
    ("own", "block", "counts"),
    [(10, 1000, 10), (1000, 10, 10), (10, None, 10), (None, 10, 10), (None, None, None)],
)
def test_the_earlier_deadline_counts(own: float | None, block: float | None, counts: float | None) -> None:
    """Of a connection's deadline and that of the block around a call, the earlier one bounds the request."""
    transport = RecordingTransport()
    with nullcontext() if block is None else call_options(deadline=block):
        began = time.monotonic()
        Connection(transport=transport, deadline=own).request("/")
    (request,) = transport.requests
    assert (request.deadline is None) is (counts is None)
    if request.deadline is not None and counts is not None:
        assert began - 5 < request.deadline - counts <= time.monotonic()


@pytest.mark.parametrize("block", [(3, 20), None])
def test_timeouts_of_a_request(block: tuple[float, float] | None) -> None:
    """A request has the pair of timeouts of its block, and the connection's where the block sets none."""
    transport = RecordingTransport()
    with nullcontext() if block is None else call_options(timeout=block):
        Connection(transport=transport, timeout=(1, 7)).request("/")
    (request,) = transport.requests
    assert (request.connect_timeout, request.read_timeout) == (block or (1, 7))


def test_retries_of_a_call() -> None:
    """`retry=` of a block takes the place of the driver's policy, and its end brings that back."""
    with serve(lambda _: Answer(502)) as web:
        connection = Connection(**web.options, retry=RetryPolicy(attempts=3, base=0.001))

        def sent() -> int:
            web.seen.clear()
            with pytest.raises(PolycloudError):
                connection.request("/")
            return len(web.seen)

        with call_options(retry=ONCE):
            assert sent() == 1
        assert sent() == 3
        connection.close()


def test_the_timeout_of_a_call() -> None:
    """`timeout=` of a block takes the place of the driver's."""
    go_on = threading.Event()
    with serve(lambda _: Answer() if go_on.wait(20) else None) as web:
        connection = Connection(**web.options, retry=ONCE)
        with ends_within(10), call_options(timeout=0.1), pytest.raises(ReadTimeoutError):
            connection.request("/")
        go_on.set()
        assert connection.request("/").status == 200
        connection.close()


def test_the_deadline_is_for_all_calls_together() -> None:
    """The deadline of a block bounds its requests, repeats and pauses together."""
    policy = RetryPolicy(attempts=2, base=0.02, budget=10_000)
    with serve(lambda _: Answer(502)) as web:
        connection = Connection(**web.options, retry=policy)

        def keep_on() -> None:
            while True:
                with suppress(ServerError):
                    connection.request("/")

        with ends_within(10), pytest.raises(LATE), call_options(deadline=0.5):
            keep_on()
        connection.close()
        assert len(web.seen) > 2


def silent_until(stop: threading.Event) -> Callable[[Seen], Answer | None]:
    def respond(_: Seen) -> None:
        stop.wait(60)

    return respond


def test_the_deadline_ends_calls_side_by_side() -> None:
    """The deadline of a block ends what its calls do side by side, one or several, each where it stands."""

    def sent(many: int) -> int:
        stop = threading.Event()
        with serve(silent_until(stop)) as web, closing(Connection(**web.options, retry=ONCE)) as connection:
            with ends_within(10), pytest.raises(ReadTimeoutError), call_options(deadline=2):
                waiting.gather([lambda: connection.request("/")] * many)
            stop.set()
            return len(web.seen)

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(sent, (1, 8))) == [1, 8]


def test_the_deadline_holds_in_a_bridge() -> None:
    """On an event loop the deadline of a task's block ends its request."""
    stop = threading.Event()

    async def main(connection: Connection) -> None:
        async with LoopTransports() as transports:
            with call_options(deadline=0.2):
                await bridged(lambda: connection.request("/"), transports)

    with serve(silent_until(stop)) as web:
        with ends_within(10), pytest.raises(ReadTimeoutError):
            asyncio.run(main(Connection(**web.options, retry=ONCE)))
        stop.set()


def test_cleanup_has_time_of_its_own() -> None:
    """Cleanup after a deadline has the time that it is given."""
    with serve() as web:
        connection = Connection(**web.options)
        with call_options(deadline=0.01, retry=ONCE):
            time.sleep(0.02)  # noqa: TID251 - a caller's own time
            with pytest.raises(ConnectError):
                connection.request("/")
            with cleanup(5):
                assert 4 < remaining() <= 5
                assert current_call().retry is ONCE
                assert connection.request("/", method="DELETE").status == 200
            assert remaining() < 0
        connection.close()


# Waits


def test_waiters_obey_the_deadline() -> None:
    """`poll` gives up at the deadline of the block, whatever its own timeout."""
    with ends_within(10):
        with pytest.raises(OperationTimeoutError, match="for a sign"), call_options(deadline=0.1):
            waiting.poll(lambda: None, waiting_for="a sign", timeout=100)


def test_waiting_for_a_node_obeys_the_deadline() -> None:
    """A wait for a node that is built for long ends at the deadline of the block."""
    with Sandbox("nephoscale", ssh="off", build=100) as cloud:
        with get_driver("nephoscale")(*cloud.credentials, **cloud.options) as driver:
            node = driver.create_node("web", driver.list_sizes()[0], driver.list_images()[0])
            with ends_within(20), pytest.raises(OperationTimeoutError), call_options(deadline=0.5):
                driver.wait_until_running([node])


class Nothing(Deployment):
    """Does nothing."""


@contextmanager
def late_deployment(
    provider: str, *, auth: bool = False, build: float = 100, **more: Any
) -> Iterator[Callable[[], DeploymentError]]:
    """What deploys a node that does not come up before the deadline, and returns the error."""
    private, public = key_pair()
    with Sandbox(provider, ssh="off", build=build) as cloud:
        with get_driver(provider)(*cloud.credentials, **cloud.options) as driver:
            arguments: dict[str, Any] = {
                "name": "web",
                "size": driver.list_sizes()[0],
                "image": driver.list_images()[0],
                "ssh_key": private,
                "auth": NodeAuthSSHKey(public) if auth else None,
            }

            def deploy() -> DeploymentError:
                with pytest.raises(DeploymentError) as caught, call_options(deadline=6):
                    driver.deploy_node(Nothing(), **arguments, **more)
                return caught.value

            yield deploy


@pytest.fixture(scope="module")
def late() -> Iterator[dict[str, DeploymentError]]:
    """The errors of late deployments, which wait side by side."""
    deployments = {
        "left": late_deployment("digitalocean"),
        "cleaned up": late_deployment("digitalocean", build=6.5, ex_destroy_on_failure=True),
        "digitalocean": late_deployment("digitalocean", auth=True),
        "nephoscale": late_deployment("nephoscale", auth=True),
    }
    with ExitStack() as stack:
        calls = [stack.enter_context(one) for one in deployments.values()]
        with ends_within(30):
            errors = waiting.gather(calls)
        yield dict(zip(deployments, errors, strict=True))


def test_a_deployment_obeys_the_deadline(late: dict[str, DeploymentError]) -> None:
    """A deployment whose node does not come up ends at the deadline, and the error names the node."""
    error = late["left"]
    assert re.search(r"the node web .* exists", str(error))
    assert isinstance(error.value, OperationTimeoutError)


def test_a_late_deployment_is_cleaned_up(late: dict[str, DeploymentError]) -> None:
    """`ex_destroy_on_failure` destroys the node after the deadline, too."""
    assert "was destroyed" in " ".join(late["cleaned up"].__notes__)


@pytest.mark.parametrize("provider", ["digitalocean", "nephoscale"])
def test_a_late_deployment_names_its_node(late: dict[str, DeploymentError], provider: str) -> None:
    """Where the key of a deployment cannot be deleted, the error is still that of the node."""
    assert str(late[provider]).startswith("the node web ")
