"""Calls that are cancelled: they end at once, wherever they are, and leave nothing behind."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from polycloud import aio
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.concurrency import waiting
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox, Slow
from support.loops import Run, until
from support.plain import PlainDriver
from support.web import Answer, Seen, Web, serve

Cloud = aio.AsyncNodeDriver[PlainDriver]
SOON = 20
"""Seconds that are many: what does not end at once would wait longer than this."""


@pytest.fixture
def slow() -> Iterator[Web]:
    """A server with addresses at which it hangs, each in its own way."""
    over = threading.Event()

    def half() -> Iterator[bytes]:
        yield b"{"
        over.wait(60)

    def respond(seen: Seen) -> Answer:
        if seen.path == "/headers":
            over.wait(60)
        if seen.path == "/body":
            return Answer(chunks=half())
        return Answer(502 if seen.path == "/retries" else 200, {"data": []})

    with serve(respond) as web:
        yield web
        over.set()


def never_there(driver: PlainDriver) -> Any:
    node = Node("7", "web", NodeState.PENDING, [], [], driver)
    return driver.wait_until_running([node], wait_period=60)


def side_by_side(path: str, driver: PlainDriver) -> Any:
    return driver.connection.gather([partial(driver.connection.request, path)] * 4)


def streamed(driver: PlainDriver) -> bytes:
    return b"".join(driver.connection.request("/body", stream=True).iter_bytes())


STAGES: dict[str, Callable[[PlainDriver], Any]] = {
    "waiting for headers": lambda driver: driver.connection.request("/headers"),
    "reading a body": lambda driver: driver.connection.request("/body"),
    "reading a stream": streamed,
    "between retries": lambda driver: driver.connection.request("/retries"),
    "between two looks": never_there,
    "side by side": partial(side_by_side, "/headers"),
    "side by side, reading": partial(side_by_side, "/body"),
}


async def end_by_cancel(call: Coroutine[Any, Any, Any], reached: Callable[[], bool]) -> None:
    task = asyncio.create_task(call)
    await until(reached)
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def end_by_timeout(call: Coroutine[Any, Any, Any], reached: Callable[[], bool]) -> None:
    async def watch(limit: asyncio.Timeout) -> None:
        await until(reached)
        limit.reschedule(asyncio.get_running_loop().time() + 0.02)

    async def bounded() -> None:
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
            group.create_task(watch(limit))
            await call

    with pytest.raises(TimeoutError):
        await bounded()


both_ends = pytest.mark.parametrize("end", [end_by_cancel, end_by_timeout])


@both_ends
@pytest.mark.parametrize("stage", STAGES)
def test_a_call_ends_at_once(run: Run, slow: Web, stage: str, end: Any) -> None:
    """Cancellation and `asyncio.timeout` end a call wherever it is, and its only connection is free again."""

    async def main() -> None:
        retry = RetryPolicy(base=1000, cap=1000)
        driver = PlainDriver("user", "secret", **slow.options, pool_size=1, retry=retry)
        async with asyncio.timeout(SOON), aio.wrap(driver) as cloud:
            await end(cloud.run(STAGES[stage], driver), lambda: bool(slow.seen))
            assert await cloud.list_nodes() == []

    run(main)


@both_ends
def test_a_call_ends_at_once_while_it_connects(run: Run, end: Any) -> None:
    """A call that is cancelled before it is connected ends at once, and the next one may connect."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.setblocking(False)  # nothing responds to the TLS handshake
        accepted: list[socket.socket] = []

        def reached(number: int) -> bool:
            with suppress(BlockingIOError):
                accepted.append(mute.accept()[0])
            return len(accepted) >= number

        async def main() -> None:
            port = mute.getsockname()[1]
            driver = PlainDriver("user", "secret", host="127.0.0.1", port=port, pool_size=1)
            async with asyncio.timeout(SOON), aio.wrap(driver) as cloud:
                for number in range(1, 4):
                    await end(cloud.list_nodes(), partial(reached, number))

        run(main)
        for connection in accepted:
            connection.close()


@both_ends
def test_a_call_ends_at_once_while_it_waits_for_a_connection(run: Run, slow: Web, end: Any) -> None:
    """A call that is cancelled while all connections are in use ends at once and takes none."""

    async def main() -> None:
        driver = PlainDriver("user", "secret", **slow.options, pool_size=1)
        async with asyncio.timeout(SOON), aio.wrap(driver) as cloud:
            first = asyncio.create_task(cloud.run(driver.connection.request, "/headers"))
            await until(lambda: slow.seen)
            await end(cloud.list_nodes(), lambda: True)
            assert [seen.path for seen in slow.seen] == ["/headers"]
            first.cancel()
            assert await cloud.list_nodes() == []

    run(main)


def test_a_call_that_is_cancelled_before_it_begins(run: Run, slow: Web) -> None:
    """A task that is cancelled before its first step sends nothing."""

    async def main() -> None:
        async with aio.wrap(PlainDriver("user", "secret", **slow.options)) as cloud:
            task = asyncio.create_task(cloud.list_nodes())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert slow.seen == []

    run(main)


def test_many_cancelled_calls(run: Run, slow: Web) -> None:
    """Hundreds of calls that are cancelled at random times leave every connection free."""

    async def main() -> None:
        driver = PlainDriver("user", "secret", **slow.options, pool_size=3)
        async with asyncio.timeout(60), aio.wrap(driver) as cloud:
            for spins in range(60):
                tasks = [asyncio.create_task(cloud.list_nodes()) for _ in range(6)]
                for _ in range(spins):
                    await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            responses = await asyncio.gather(*(cloud.list_nodes() for _ in range(6)))
            assert responses == [[]] * 6

    run(main)


def test_what_a_driver_cleans_up_is_awaited(run: Run, slow: Web) -> None:
    """A driver's own clean-up runs to its end, requests included, before the cancelled call ends."""

    def work(driver: PlainDriver) -> None:
        try:
            waiting.sleep(60)
        finally:
            driver.connection.request("/tidied")

    async def main() -> None:
        async with aio.wrap(PlainDriver("user", "secret", **slow.options)) as cloud:
            await end_by_cancel(cloud.run(work, cloud.driver), lambda: True)
        assert [seen.path for seen in slow.seen] == ["/tidied"]

    run(main)


def test_a_call_that_nobody_awaits_any_more(run: Run, slow: Web) -> None:
    """A call whose coroutine is closed unwinds its driver, without a wait."""
    ended: list[str] = []

    def work() -> None:
        try:
            waiting.sleep(60)
        finally:
            ended.append("work")
            waiting.sleep(60)

    async def main() -> None:
        cloud: Cloud = aio.wrap(PlainDriver("user", "secret", **slow.options))
        call = cloud.run(work)
        call.send(None)
        call.close()
        assert ended == ["work"]
        await cloud.close()

    run(main)


def test_a_task_that_others_follow(run: Run) -> None:
    """Where the task that does a shared piece of work is cancelled, another one does it; nobody hangs."""
    flight = waiting.SingleFlight()
    done: list[str] = []

    def share(name: str) -> str:
        def work() -> str:
            waiting.sleep(0.02)
            done.append(name)
            return name

        return flight("key", work)

    async def main() -> None:
        tasks = [asyncio.create_task(aio.run(share, name)) for name in "abcd"]
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        tasks[2].cancel()
        async with asyncio.timeout(SOON):
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [1, 0, 1, 0]
        assert len(done) == 1
        assert {outcome for outcome in outcomes if isinstance(outcome, str)} == set(done)

    run(main)


def the_marker(error: BaseException) -> str:
    """What a note says that an unfinished create is known by."""
    (note,) = [note for note in error.__notes__ if "it may exist or appear" in note]
    return str(note.rpartition(" '")[2].rstrip("'"))


@pytest.mark.parametrize("acted", [True, False])
@both_ends
def test_a_create_that_is_cancelled_names_its_marker(run: Run, end: Any, acted: bool) -> None:
    """A create that is cancelled after it was sent sends nothing more, and its note names the marker."""

    async def main(droplets: Sandbox) -> None:
        driver = DigitalOceanNodeDriver(*droplets.credentials, **droplets.options, pool_size=1)
        async with asyncio.timeout(SOON), aio.wrap(driver) as cloud:
            sizes, image = await cloud.list_sizes(), await cloud.get_image("ubuntu-24-04-x64")
            droplets.fault(Slow(60) if acted else "stall", method="POST", path="/v2/droplets")
            caught: list[BaseException] = []

            async def create() -> Node:
                try:
                    return await cloud.create_node("lost", sizes[0], image)
                except asyncio.CancelledError as error:
                    caught.append(error)
                    raise

            await end(create(), lambda: droplets.requests[-1].method == "POST")
            found = await cloud.run(driver.list_nodes, ex_tag=the_marker(caught[0]))
            assert [node.name for node in found] == ["lost"] * acted
            assert [request.method for request in droplets.requests].count("POST") == 1

    with Sandbox("digitalocean", ssh="off") as droplets:
        run(partial(main, droplets))


def test_the_note_of_a_create_reaches_who_set_the_timeout(run: Run) -> None:
    """Where `asyncio.timeout` ends a create, the note stands on what the TimeoutError comes from."""

    async def main(cloud: Sandbox) -> None:
        async with aio.wrap(NephoscaleNodeDriver(*cloud.credentials, **cloud.options)) as facade:
            sizes, images = await facade.list_sizes(), await facade.list_images()
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(1):
                    await facade.create_node("late", sizes[0], images[0])
            assert caught.value.__context__ is not None
            assert the_marker(caught.value.__context__)

    with Sandbox("nephoscale", ssh="off", appear=60) as cloud:
        run(partial(main, cloud))
