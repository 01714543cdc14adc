"""How bridged calls run: on threads, on event loops, within deadlines, after interruptions and forks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from libcloud.common.types import InvalidCredsError

from polycloud import RetryPolicy, aio, bridge, call_options
from polycloud.compute.base import NodeImage, NodeSize
from polycloud.errors import (
    AmbiguousCreateError,
    OperationTimeoutError,
    PolycloudError,
    ServerError,
    TransportError,
)
from support.libclouddriver import HomemadeDriver
from support.loops import until
from support.web import Answer, Seen, serve

KEY = "homemade-key-1"
NODES = [{"id": str(number), "name": f"node-{number}"} for number in range(3)]


@dataclass
class Homemade:
    """The server of the homemade driver; `delay` is what it waits before each response."""

    delay: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def answer(self, seen: Seen) -> Answer:
        self.seen.append(seen)
        if self.delay:
            threading.Event().wait(self.delay)
        if seen.path == "/nodes":
            return Answer(body=NODES)
        if seen.path == "/names":
            page = seen.query["page"][0]
            return Answer(body=[f"{page}-{number}" for number in range(3)])
        if seen.path == "/echo":
            name = seen.query["name"][0]
            return Answer(body={"id": name, "name": name})
        return Answer(body={"done": False})

    def driver(self, **options: Any) -> Any:
        return bridge.driver_class(HomemadeDriver)(KEY, **{**self.options, **options})


@pytest.fixture
def homemade() -> Iterator[Homemade]:
    server = Homemade()
    with serve(server.answer) as web:
        server.options = web.options
        yield server


def test_class_of_a_program(homemade: Homemade) -> None:
    """A class that a program wrote for Libcloud is one of ours, with what it overrides and nothing else."""
    kind = bridge.driver_class(HomemadeDriver)
    assert kind is bridge.driver_class(HomemadeDriver)
    offered = {name for name in kind.operations() if kind.offers(name)}
    assert offered == {"list_nodes", "iterate_nodes", "get_node", "reboot_node", "wait_until_running"}
    with homemade.driver() as driver:
        assert [one.name for one in driver.list_nodes()] == ["node-0", "node-1", "node-2"]
        assert list(driver.ex_iterate_names()) == [f"{page}-{one}" for page in range(3) for one in range(3)]


def test_sixteen_threads(homemade: Homemade) -> None:
    """One bridged driver on 16 threads returns to each caller what it asked for."""
    wrong = []
    with homemade.driver() as driver:

        def ask(thread: int) -> None:
            for number in range(20):
                name = f"{thread}-{number}"
                if driver.ex_echo(name).name != name:
                    wrong.append(name)

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)  # so that threads meet in the middle of calls: plain Libcloud fails then
        try:
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(ask, range(16)))
        finally:
            sys.setswitchinterval(before)
    assert wrong == []
    assert len(homemade.seen) == 320


def test_connections_are_shared(homemade: Homemade) -> None:
    """Calls one after another use one connection, and `close` closes it, after which a call opens another."""
    with homemade.driver() as driver:
        for _ in range(3):
            driver.list_nodes()
        driver.close()
        driver.list_nodes()
    assert [one.connection for one in homemade.seen] == [1, 1, 1, 2]


def test_fifty_at_once_on_a_loop(homemade: Homemade) -> None:
    """Fifty calls on an event loop run side by side, and the loop runs meanwhile."""
    homemade.delay = 0.3
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def main() -> tuple[list[Any], float]:
        async with aio.wrap(homemade.driver()) as cloud:
            ticking = asyncio.create_task(tick())
            began = time.monotonic()
            names = [str(number) for number in range(50)]
            found = await asyncio.gather(*(cloud.run(cloud.driver.ex_echo, name) for name in names))
            took = time.monotonic() - began
            ticking.cancel()
            assert [one.name for one in found] == names
            nodes = [node async for node in cloud.iterate_nodes()]
            assert [node.name for node in nodes] == ["node-0", "node-1", "node-2"]
            return found, took

    _, took = asyncio.run(main())
    assert took < 50 * 0.3 / 3
    assert ticks >= 10


def test_deadline_of_a_request(homemade: Homemade) -> None:
    """A deadline ends a call whose response does not come."""
    homemade.delay = 5
    began = time.monotonic()
    with homemade.driver(deadline=0.3) as driver, pytest.raises((OperationTimeoutError, TransportError)):
        driver.list_nodes()
    assert time.monotonic() - began < 3


def test_deadline_of_pauses(homemade: Homemade) -> None:
    """A deadline ends a call that pauses between its requests, and no request follows."""
    with homemade.driver() as driver:
        (node, *_) = driver.list_nodes()
        began = time.monotonic()
        with pytest.raises(PolycloudError, match="deadline"), call_options(deadline=0.4):
            driver.reboot_node(node)
        assert time.monotonic() - began < 3
        sent = len(homemade.seen)
        time.sleep(0.6)  # noqa: TID251 - what was given up would send by now
        assert len(homemade.seen) == sent
        assert len(driver.list_nodes()) == 3


def test_timeout(homemade: Homemade) -> None:
    """The driver's timeout ends a wait for a response."""
    homemade.delay = 5
    with (
        homemade.driver(timeout=0.2, deadline=2) as driver,
        pytest.raises((OperationTimeoutError, TransportError)),
    ):
        driver.list_nodes()


def test_cancelled_task(homemade: Homemade) -> None:
    """A cancelled task ends at once, and its call sends no further request."""

    async def main() -> None:
        async with aio.wrap(homemade.driver()) as cloud:
            (node, *_) = await cloud.list_nodes()
            task = asyncio.create_task(cloud.reboot_node(node))
            await until(lambda: len(homemade.seen) >= 2)
            task.cancel()
            began = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 0.2
            sent = len(homemade.seen)
            await asyncio.sleep(0.6)
            assert len(homemade.seen) == sent
            assert len(await cloud.list_nodes()) == 3

    asyncio.run(main())


def test_interruption(homemade: Homemade) -> None:
    """Ctrl-C ends a call at once, and the driver can be used again."""
    with homemade.driver() as driver:
        (node, *_) = driver.list_nodes()
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            driver.reboot_node(node)
        assert time.monotonic() - began < 2
        timer.join()
        assert len(driver.list_nodes()) == 3


def test_fork(homemade: Homemade) -> None:
    """A forked child uses the driver with connections of its own."""
    with homemade.driver() as driver:
        driver.list_nodes()
        if (child := os.fork()) == 0:
            os._exit(0 if len(driver.list_nodes()) == 3 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert len(driver.list_nodes()) == 3
    assert sorted({one.connection for one in homemade.seen}) == [1, 2]


def test_iterator_that_is_dropped(homemade: Homemade) -> None:
    """An iterator fetches what it is asked for, and gives its driver back when it is closed."""
    with homemade.driver() as driver:
        names = iter(driver.iterate_nodes())
        next(names)
        names.close()
        assert len(driver.list_nodes()) == 3


def test_driver_in_memory() -> None:
    """A driver whose state is in memory is one for all threads, whose calls run one after another."""
    from libcloud.compute.drivers.dummy import DummyNodeDriver

    driver = bridge.driver_class(DummyNodeDriver)("key")
    size, image = driver.list_sizes()[0], driver.list_images()[0]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: driver.create_node(f"n{number}", size, image), range(16)))
    assert len(driver.list_nodes()) == 18


def test_driver_that_wraps_what_fails() -> None:
    """A driver that turns a lost response, or a failed login, into an error of its own hides neither."""

    class Wrapping(HomemadeDriver):
        def create_node(
            self, name: str, size: Any, image: Any, location: Any = None, auth: Any = None
        ) -> Any:
            try:
                return self._get("/create", name=name)
            except Exception as error:
                raise Exception(f"1011, {error}") from error  # noqa: TRY002 - as a driver of Libcloud does

        def list_nodes(self) -> list[Any]:
            try:
                return super().list_nodes()
            except Exception as error:
                raise InvalidCredsError from error

    seen: list[str] = []

    def answer(request: Seen) -> Answer | None:
        seen.append(request.path)
        return None if request.path == "/create" else Answer(500, b"on fire")

    with serve(answer) as web:
        driver = bridge.driver_class(Wrapping)(KEY, **web.options, retry=RetryPolicy(attempts=1))
        size, image = NodeSize("1", "small", 1, 1, 1, 1, driver), NodeImage("1", "linux", driver)
        with pytest.raises(AmbiguousCreateError) as lost:
            driver.create_node("web", size, image)
        with pytest.raises(ServerError, match="on fire"):
            driver.list_nodes()
    assert isinstance(lost.value.__cause__, TransportError)
    assert lost.value.look_for == "the node 'web'"
    assert seen == ["/create", "/nodes"]
