"""`AsyncFleet`: calls on an event loop (extra `aio`)."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

from msgspec.structs import replace

from polycloud.aio import AsyncDriver, wrap
from polycloud.common.driver import BaseDriver
from polycloud.compute.objects import Node
from polycloud.concurrency.calls import call_options
from polycloud.errors import PolycloudError
from polycloud.fleet.accounts import LIMIT, AwaitedAccounts, D, Running, abandoned_at, seconds_until
from polycloud.fleet.results import Result
from polycloud.fleet.tasks import Deploy, Method, Task
from polycloud.http.loop import POOL_SIZE, LoopTransports
from polycloud.http.messages import Transport, TransportOptions

__all__ = ["AsyncFleet"]

R = TypeVar("R")


class AsyncFleet(AwaitedAccounts[D]):
    """A fleet on an event loop (extra `aio`): its methods are async generators over `Result`.

    `async with AsyncFleet(accounts) as fleet:` ends running calls and closes connections at its end. The
    arguments are those of `Fleet`, without the executor; a function makes one driver per account, in a
    thread. Accounts share connections to a provider: opening one takes longer than most calls.
    """

    def __init__(
        self,
        accounts: Mapping[str, D | Callable[[], D]],
        *,
        limit: int = LIMIT,
        deadline: float | None = None,
    ) -> None:
        super().__init__(accounts, limit=limit, deadline=deadline)
        self._clouds: dict[str, AsyncDriver[Any]] = {}
        self._transports = LoopTransports()
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._running: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the calls that still run, and close the connections of all accounts.

        Results that somebody still waits for are a `PolycloudError`. Raises `EventLoopError` on another loop
        than that of the calls, and closes nothing there.
        """
        for cloud in self._clouds.values():
            cloud._require_loop()  # noqa: SLF001
        await _end(list(self._running))
        self._making.clear()
        clouds, self._clouds = self._clouds, {}
        transports, self._transports = self._transports, LoopTransports()
        try:
            for cloud in clouds.values():
                await cloud.close()
        finally:
            await transports.aclose()

    def each(self, call: Callable[[D], R]) -> AsyncGenerator[Result[R]]:
        """Yield the result of `call(driver)` for every account, as they arrive; `call` is plain code."""
        return self._results(self.everywhere(call))

    def deploy_many(self, deploys: Iterable[Deploy]) -> AsyncGenerator[Result[Node]]:
        """Deploy nodes concurrently; yield each node or its `DeploymentError`."""
        return self._results(self.deployments(deploys, Method))

    def wait_many(
        self, nodes: Mapping[str, Sequence[Node]], **options: Any
    ) -> AsyncGenerator[Result[Running]]:
        """Wait until the nodes of each account run, as `wait_until_running` does with `options`."""
        return self._results(self.waits(nodes, options))

    async def _results(self, tasks: Sequence[Task[R]]) -> AsyncGenerator[Result[R]]:
        gate, total = asyncio.Semaphore(self.limit), self.total_time()
        ends_at = time.monotonic() + total
        running = [asyncio.create_task(self._result(task, gate, total, ends_at)) for task in tasks]
        self._running.update(running)
        try:
            for ended in asyncio.as_completed(running):
                yield await _unless_closed(ended)
        finally:
            await _end(running)
            self._running.difference_update(running)

    async def _result(
        self, task: Task[R], gate: asyncio.Semaphore, total: float, ends_at: float
    ) -> Result[R]:
        limit = asyncio.timeout(seconds_until(abandoned_at(ends_at)))
        try:
            async with limit, gate:
                left = ends_at - time.monotonic()
                return await self._run(task.within(left)) if left > 0 else task.late(total)
        except Exception as error:  # noqa: BLE001 - a failure on one account is reported beside the others
            return task.late(total, error) if limit.expired() else Result(task.name, error=error)

    async def _run(self, task: Task[R]) -> Result[R]:
        with call_options(**task.limits):
            cloud = await self._cloud(task)
            return Result(task.name, await cloud.run(task.call, cloud.driver))

    async def _cloud(self, task: Task[Any]) -> AsyncDriver[Any]:
        async with self._making[task.name]:
            if task.name not in self._clouds:
                driver = (
                    task.account
                    if isinstance(task.account, BaseDriver)
                    else await asyncio.to_thread(task.make_driver)
                )
                self._clouds[task.name] = wrap(driver, self._shared)
            return self._clouds[task.name]

    def _shared(self, options: TransportOptions) -> Transport:
        """Return a transport for all accounts with these options, with as many connections as theirs."""
        return self._transports(replace(options, pool_size=POOL_SIZE * len(self.accounts)))


async def _unless_closed(ended: Awaitable[R]) -> R:
    """Return the result of a task. Raises `PolycloudError` if not the caller was cancelled but the task."""
    try:
        return await ended
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
    raise PolycloudError("the fleet was closed")


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
