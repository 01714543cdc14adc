from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import ExitStack
from functools import partial
from typing import Any, assert_type

import pytest

from polycloud.aio import EventLoopError
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.objects import Node
from polycloud.concurrency import waiting
from polycloud.errors import InvalidCredsError, OperationTimeoutError, PolycloudError
from polycloud.fleet import AsyncFleet, Result
from polycloud.fleet import accounts as fleets
from polycloud.sandbox import Sandbox
from support.fleets import NONE, TOKEN, at, empty, gated, make_driver, sockets_to, wait_until
from support.loops import until
from support.web import Answer, Seen, serve


async def collected(results: AsyncGenerator[Result[Any]]) -> dict[str, Result[Any]]:
    return {result.account: result async for result in results}


def others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


def test_results_and_failures(
    prod: DigitalOceanNodeDriver, office: NephoscaleNodeDriver, droplets: Sandbox
) -> None:
    """On the loop too, each account's failure stands beside the others' results."""

    async def main() -> None:
        wrong = DigitalOceanNodeDriver(TOKEN, **droplets.options)
        accounts = {"prod": prod, "office": office, "wrong": wrong, "odd": partial(dict)}
        async with AsyncFleet(accounts) as fleet:
            found = await collected(fleet.list_nodes())
        assert (len(found["prod"].get()), found["office"].get()) == (3, [])
        assert isinstance(found["wrong"].error, InvalidCredsError)
        assert "must return a driver, got dict" in str(found["odd"].error)
        assert others() == set()

    run(main)


def test_types(prod: DigitalOceanNodeDriver) -> None:
    """Type checkers know what each method of a fleet on a loop yields."""

    async def main() -> None:
        async with AsyncFleet({"prod": prod}) as fleet:
            assert_type(fleet.list_nodes(), AsyncGenerator[Result[list[Node]], None])
            assert_type(fleet.wait_many({}), AsyncGenerator[Result[list[tuple[Node, list[str]]]], None])
            assert_type(fleet.deploy_many([]), AsyncGenerator[Result[Node], None])
            names = fleet.each(lambda driver: [node.name for node in driver.list_nodes()])
            assert len((await collected(names))["prod"].get()) == 3
            found = await collected(fleet.wait_many({"prod": await droplets_of(fleet)}))
            assert len(found["prod"].get()) == 3

    run(main)


async def droplets_of(fleet: AsyncFleet) -> list[Node]:
    return (await anext(fleet.list_nodes())).get()


def test_a_quick_account_does_not_wait() -> None:
    """Results come as they arrive: a slow account never delays a quick one."""

    async def main() -> None:
        with gated() as (slow, gate), empty() as quick:
            async with AsyncFleet({"slow": at(slow), "quick": at(quick)}) as fleet:
                results = fleet.list_nodes()
                assert (await anext(results)).account == "quick"
                gate.set()
                assert [result.account async for result in results] == ["slow"]

    run(main)


def test_connections_are_shared() -> None:
    """Accounts at one provider share connections, with their own credentials, until the fleet is closed."""

    async def main() -> None:
        with empty() as web:
            drivers = {name: DigitalOceanNodeDriver(name, **web.options) for name in ("a", "b", "c")}
            async with AsyncFleet(drivers, limit=1) as fleet:
                for opened in (1, 2):
                    assert all([result.error is None async for result in fleet.list_nodes()])
                    assert {one.connection for one in web.seen[-3:]} == {opened}
                    assert sockets_to(web.port) == 1
                    await fleet.close()
                    assert sockets_to(web.port) == 0
        tokens = [one.headers["Authorization"] for one in web.seen]
        assert sorted(tokens) == ["Bearer a", "Bearer a", "Bearer b", "Bearer b", "Bearer c", "Bearer c"]

    run(main)


def test_counted_connections_are_not_shared() -> None:
    """An account whose connections are counted (`pool_size=`) has its own, as has one with other settings."""

    async def main() -> None:
        with empty() as web:
            options: dict[str, Any] = {
                "a": {"pool_size": 1},
                "b": {"pool_size": 1},
                "c": {},
                "d": {"body_limit": 1000},
            }
            drivers = {
                name: DigitalOceanNodeDriver("token", **web.options, **given)
                for name, given in options.items()
            }
            async with AsyncFleet(drivers, limit=1) as fleet:
                assert all([result.error is None async for result in fleet.list_nodes()])
            assert {one.connection for one in web.seen} == {1, 2, 3, 4}

    run(main)


def test_the_limit_holds() -> None:
    """No more calls than the limit are under way at a time, and as many as that are."""
    lock, both, most, now = threading.Lock(), threading.Barrier(2), 0, 0

    def respond(_: Seen) -> Answer:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        both.wait(20)
        with lock:
            now -= 1
        return Answer(body=NONE)

    async def main() -> None:
        with serve(respond) as web, ExitStack() as stack:
            accounts = {f"account {number}": stack.enter_context(at(web)) for number in range(8)}
            async with AsyncFleet(accounts, limit=2) as fleet:
                found = await collected(fleet.list_nodes())
        assert [result.error for result in found.values()] == [None] * 8

    run(main)
    assert most == 2


def test_a_deadline_ends_everything() -> None:
    """At the deadline what waits ends by itself, what has not begun never does, and nothing stays behind."""

    async def main() -> None:
        with gated() as (stalled, _), empty() as quick:
            accounts = {"quick": at(quick), "stalled": at(stalled), "last": at(stalled)}
            async with AsyncFleet(accounts, limit=1, deadline=0.5) as fleet:
                found = await collected(fleet.list_nodes())
            assert found["quick"].get() == []
            assert isinstance(found["stalled"].error, PolycloudError)
            assert "last to respond" in str(found["last"].error)
            assert len(stalled.seen) == 1
            assert others() == set()
            wait_until(lambda: sockets_to(stalled.port, quick.port) == 0)

    run(main)


def test_a_call_that_ignores_the_deadline(prod: DigitalOceanNodeDriver, monkeypatch: Any) -> None:
    """A call that does not end is cancelled after the grace, and its last words are kept."""
    monkeypatch.setattr(fleets, "GRACE", 0.1)

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cancelled:
            cancelled.add_note("the node web exists")
            raise

    def deaf(driver: NodeDriver) -> None:
        current = waiting.bridge()
        assert current is not None
        current.wait(never())

    async def main() -> None:
        async with AsyncFleet({"prod": prod}, deadline=0.1) as fleet:
            error = (await anext(fleet.each(deaf))).error
        assert isinstance(error, OperationTimeoutError)
        assert error.__cause__ is not None
        assert error.__cause__.__context__ is not None
        assert error.__cause__.__context__.__notes__ == ["the node web exists"]

    run(main)


def test_stopping_early() -> None:
    """A consumer that stops leaves no task and no connection behind when the fleet is closed."""

    async def main() -> None:
        with gated() as (stalled, _), empty() as quick:
            accounts = {"quick": at(quick), "slow": at(stalled), "never": at(stalled)}
            async with AsyncFleet(accounts, limit=2) as fleet:
                async for result in fleet.list_nodes():
                    assert result.account == "quick"
                    break
            await asyncio.sleep(0)
            assert others() == set()
            assert len(stalled.seen) <= 2
            wait_until(lambda: sockets_to(stalled.port, quick.port) == 0)

    run(main)


def test_closing_in_the_middle() -> None:
    """Who waits for a result of a fleet that another task closes gets an error, and is not cancelled."""

    async def main() -> None:
        with gated() as (stalled, _):
            fleet = AsyncFleet({"slow": at(stalled)})
            waiting = asyncio.create_task(collected(fleet.list_nodes()))
            await until(lambda: bool(stalled.seen))
            await fleet.close()
            await asyncio.wait([waiting])
            assert str(waiting.exception()) == "the fleet was closed"
            assert others() == set()

    run(main)


def test_another_loop() -> None:
    """A fleet says on another loop than its own that it belongs elsewhere, when it is closed there, too."""
    with empty() as web:
        fleet = AsyncFleet({"a": at(web)})

        async def close() -> None:
            with pytest.raises(EventLoopError, match="another event loop"):
                await fleet.close()

        async def main() -> None:
            assert [result.error async for result in fleet.list_nodes()] == [None]
            await asyncio.to_thread(asyncio.run, close())
            assert [result.error async for result in fleet.list_nodes()] == [None]
            await fleet.close()
            assert sockets_to(web.port) == 0

        asyncio.run(main())


def test_a_function_is_asked_once(droplets: Sandbox) -> None:
    """An account that is given as a function is made once, in a thread, however many calls want it."""
    made: list[str] = []

    def make() -> NodeDriver:
        made.append(threading.current_thread().name)
        return make_driver("digitalocean", droplets.credentials, droplets.options)

    async def main() -> None:
        async with AsyncFleet({"prod": make}) as fleet:
            nodes = await droplets_of(fleet)
            rounds = [collected(fleet.wait_many({"prod": nodes})) for _ in range(5)]
            assert [len(found["prod"].get()) for found in await asyncio.gather(*rounds)] == [3] * 5
        wait_until(lambda: sockets_to(droplets.port) == 0)

    run(main)
    assert len(made) == 1
    assert made != [threading.main_thread().name]
