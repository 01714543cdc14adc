"""Greenlets that serve one call after another."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from contextvars import ContextVar
from typing import Any

import pytest

from polycloud.concurrency import bridge, waiting
from polycloud.concurrency.bridge import bridged, current_bridge, iterate_bridged

name: ContextVar[str] = ContextVar("name", default="nobody")


class Thing:
    """Something to hold on to."""


def transports(_: Any) -> Any:
    raise AssertionError


def which() -> int:
    waiting.sleep(0)
    return id(current_bridge())


def test_a_greenlet_is_used_again() -> None:
    """Calls one after another run in the same greenlet; calls at once each in one of their own."""

    async def main() -> None:
        first = [await bridged(which, transports) for _ in range(5)]
        assert len(set(first)) == 1
        assert len(set(await asyncio.gather(*(bridged(which, transports) for _ in range(5))))) == 5

    asyncio.run(main())


def test_a_parked_greenlet_keeps_nothing() -> None:
    """After a call nothing holds its function, its result, its transports and its context."""
    kept: list[weakref.ref[Any]] = []

    def hold(_: Any) -> Any:
        thing = Thing()
        kept.append(weakref.ref(thing))
        return thing

    async def call() -> None:
        asked, used, mine = Thing(), Thing(), Thing()
        kept.extend(map(weakref.ref, (asked, used, mine)))
        token: ContextVar[Any] = ContextVar("token")
        token.set(mine)

        def fn() -> Any:
            waiting.sleep(0)
            return hold(asked)

        assert await bridged(fn, lambda _: used)

    async def main() -> None:
        await asyncio.create_task(call())
        await asyncio.sleep(0)
        gc.collect()
        assert [reference() for reference in kept] == [None] * 4

    asyncio.run(main())


def test_each_call_has_its_callers_context() -> None:
    """A call that runs in a used greenlet reads and writes the context variables of its own caller."""

    def rename() -> str:
        before = name.get()
        waiting.sleep(0)
        name.set(before.upper())
        return before

    async def caller(own: str) -> tuple[str, str]:
        name.set(own)
        return await bridged(rename, transports), name.get()

    async def main() -> None:
        for own in ("anna", "bert"):
            assert await asyncio.create_task(caller(own)) == (own, own.upper())
        assert await bridged(name.get, transports) == "nobody"

    asyncio.run(main())


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError, KeyboardInterrupt])
def test_a_greenlet_that_an_exception_leaves_is_not_used_again(error: type[BaseException]) -> None:
    """An exception reaches the caller with its traceback, and its greenlet serves nobody else."""
    ran: list[Any] = []

    def fail() -> None:
        waiting.sleep(0)
        ran.append(current_bridge())
        raise error

    async def main() -> None:
        try:
            await bridged(fail, transports)
        except error as raised:
            frames = []
            trace = raised.__traceback__
            while trace:
                frames.append(trace.tb_frame.f_code.co_name)
                trace = trace.tb_next
            assert "fail" in frames
        assert ran[0].dead
        assert await bridged(current_bridge, transports) is not ran[0]

    asyncio.run(main())


def test_a_cancelled_call_leaves_its_greenlet_usable() -> None:
    """A driver that survives a cancellation ends well, and later calls are not disturbed by it."""

    def survive() -> str:
        try:
            waiting.sleep(60)
        except asyncio.CancelledError:
            return "survived"
        return "slept"

    async def main() -> None:
        task = asyncio.create_task(bridged(survive, transports))
        await asyncio.sleep(0.01)
        task.cancel()
        assert await task == "survived"
        assert len({await bridged(which, transports) for _ in range(3)}) == 1

    asyncio.run(main())


def test_iterators_use_greenlets_again() -> None:
    """An iterator that is read to its end leaves its greenlet to the next call; one that is left does not."""

    def numbers() -> Any:
        for number in range(3):
            waiting.sleep(0)
            yield number, id(current_bridge())

    async def main() -> None:
        read = [pair async for pair in iterate_bridged(numbers, transports)]
        assert [number for number, _ in read] == [0, 1, 2]
        assert await bridged(which, transports) == read[0][1]
        left = iterate_bridged(numbers, transports)
        await anext(left)
        await left.aclose()
        assert [number async for number, _ in iterate_bridged(numbers, transports)] == [0, 1, 2]

    asyncio.run(main())


def test_threads_do_not_share_greenlets() -> None:
    """Loops on several threads have greenlets of their own, and leave none behind when they end."""
    seen: list[set[int]] = []

    async def main() -> None:
        await bridged(which, transports)
        seen.append({id(each) for each in bridge._parked.greenlets})

    together = threading.Barrier(4)

    def run() -> None:
        asyncio.run(main())
        together.wait()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set.union(*seen)) == 4
