"""One call over many accounts: results as they arrive, and failures beside them.

    fleet = Fleet({"prod": digitalocean_driver, "office": nephoscale_driver})
    for result in fleet.list_nodes():
        print(result.account, result.error or len(result.get()))

A dead provider hides nothing of the others: its `Result` holds the error. Calls run on threads; on an event
loop (`AsyncFleet`); or on any `concurrent.futures.Executor`, such as Dask's.
"""

from __future__ import annotations

import asyncio
import pickle
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from polycloud.common.calls import call_options, seconds
from polycloud.common.types import InvalidArgumentError, OperationTimeoutError
from polycloud.compute.base import NodeDriver
from polycloud.compute.types import Node

if TYPE_CHECKING:
    from polycloud.aio import AsyncNodeDriver
    from polycloud.compute.deployment import Deployment

__all__ = ["AsyncFleet", "Deploy", "Fleet", "Result"]

P = ParamSpec("P")
R = TypeVar("R")
Account = NodeDriver | Callable[[], NodeDriver]
Running = list[tuple[Node, list[str]]]
LIMIT = 32
GRACE = 2.0
"""Seconds after the deadline in which a call ends by itself, before it is given up."""
UNPICKLABLE = (pickle.PicklingError, AttributeError, TypeError)


@dataclass(frozen=True, slots=True)
class Result(Generic[R]):
    """What came of one call: the account's name, and the value, or the error where it failed."""

    account: str
    value: R | None = None
    error: Exception | None = None

    def get(self) -> R:
        """The value; raises the error where the call failed."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value] # None may well be the value


@dataclass(frozen=True, slots=True)
class Deploy:
    """One node to deploy: on which account, by which step, and the arguments of `deploy_node`."""

    account: str
    step: Deployment
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Method:
    """A call of a driver's method that can be pickled."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, driver: Any) -> Any:
        return getattr(driver, self.name)(*self.args, **self.kwargs)

    def parts(self) -> dict[str, Any]:
        """The arguments, by what messages call them."""
        numbered = {f"argument {number} of {self.name}": arg for number, arg in enumerate(self.args, 1)}
        return numbered | {f"{name}= of {self.name}": value for name, value in self.kwargs.items()}


@dataclass(frozen=True, slots=True)
class _Task(Generic[R]):
    """A call on an account, as it goes to a thread or to another machine."""

    name: str
    account: Account
    call: Callable[[Any], R]
    deadline: float | None = None

    def __call__(self) -> R:
        with call_options(deadline=self.deadline):
            return self.call(self.driver())

    def driver(self) -> NodeDriver:
        """The account's driver, made now where it is given as a function."""
        return self.account if isinstance(self.account, NodeDriver) else self.account()

    def failed(self, error: Exception) -> Result[R]:
        """The result of a failure; where something could not be pickled for the executor, it is named."""
        if isinstance(error, UNPICKLABLE) and (part := self._unpicklable()):
            error = InvalidArgumentError(
                f"{part} cannot be pickled, so it cannot go to the executor: {error}"
            )
        return Result(self.name, error=error)

    def late(self) -> Result[R]:
        """The result where no answer came before the deadline."""
        return self.failed(OperationTimeoutError(f"{self.name} to answer", self.deadline or 0.0))

    def _unpicklable(self) -> str | None:
        parts: dict[str, Any] = (
            self.call.parts() if isinstance(self.call, _Method) else {"the call": self.call}
        )
        parts[f"the driver of {self.name}"] = self.account
        return next((name for name, part in parts.items() if not _pickles(part)), None)


def _pickles(thing: Any) -> bool:
    try:
        pickle.dumps(thing)
    except Exception:  # noqa: BLE001 - a __reduce__ may raise anything
        return False
    return True


class _Each(Generic[P, R]):
    """A driver's method as a fleet's: the same arguments, and a result an account."""

    def __init__(self, method: Callable[Concatenate[Any, P], R]) -> None:
        self.name = method.__name__
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, fleet: None, _: type) -> Self: ...
    @overload
    def __get__(self, fleet: Fleet, _: type) -> Callable[P, Generator[Result[R]]]: ...
    @overload
    def __get__(self, fleet: AsyncFleet, _: type) -> Callable[P, AsyncGenerator[Result[R]]]: ...
    def __get__(self, fleet: Fleet | AsyncFleet | None, _: type) -> Any:
        return self if fleet is None else partial(self._call, fleet)

    def _call(self, fleet: Fleet | AsyncFleet, *args: Any, **kwargs: Any) -> Any:
        return fleet.each(_Method(self.name, args, kwargs))


class _Accounts:
    """The accounts of a fleet, and what it asks of them.

    Args:
        accounts: Drivers by the name of their account or region; a function that makes the driver when it
            is needed is one too, and its failure is a `Result` like any other.
        limit: The most calls at a time.
        deadline: Seconds for each round of calls; what has not ended by then is an `OperationTimeoutError`.
    """

    list_nodes = _Each(NodeDriver.list_nodes)
    list_sizes = _Each(NodeDriver.list_sizes)
    list_images = _Each(NodeDriver.list_images)
    list_locations = _Each(NodeDriver.list_locations)
    list_key_pairs = _Each(NodeDriver.list_key_pairs)
    list_volumes = _Each(NodeDriver.list_volumes)

    def __init__(
        self, accounts: Mapping[str, Account], *, limit: int = LIMIT, deadline: float | None = None
    ) -> None:
        if limit < 1:
            raise InvalidArgumentError(f"limit={limit}: at least one call must be allowed at a time")
        for name, account in accounts.items():
            if not isinstance(account, NodeDriver) and not callable(account):
                raise InvalidArgumentError(f"the account {name!r} is {account!r}, which is no driver")
        self.accounts = dict(accounts)
        self.limit = limit
        self.deadline = None if deadline is None else seconds("deadline", deadline)

    def _task(self, name: str, call: Callable[[Any], R]) -> _Task[R]:
        if name not in self.accounts:
            known = ", ".join(self.accounts)
            raise InvalidArgumentError(f"no account is called {name!r}; there are: {known}")
        return _Task(name, self.accounts[name], call, self.deadline)

    def _everywhere(self, call: Callable[[Any], R]) -> list[_Task[R]]:
        return [self._task(name, call) for name in self.accounts]

    def _deployments(self, deploys: Iterable[Deploy]) -> list[_Task[Node]]:
        return [
            self._task(one.account, _Method("deploy_node", (one.step,), self._arguments(one)))
            for one in deploys
        ]

    def _arguments(self, deploy: Deploy) -> Mapping[str, Any]:
        return deploy.arguments

    def _waits(self, nodes: Mapping[str, Sequence[Node]], options: Mapping[str, Any]) -> list[_Task[Running]]:
        return [
            self._task(name, _Method("wait_until_running", (list(some),), options))
            for name, some in nodes.items()
        ]


class Fleet(_Accounts):
    """Several accounts under one call.

    Each method is an iterator over `Result`, which begins when it is first asked for one.

    Args:
        accounts: Drivers by the name of their account or region; a function that makes the driver when it
            is needed is one too, and its failure is a `Result` like any other.
        limit: The most calls at a time.
        deadline: Seconds for each round of calls; what has not ended by then is an `OperationTimeoutError`.
        executor: Where calls run in the place of threads of this process. Executors on other machines get
            tasks pickled, and drivers with their credentials.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        *,
        limit: int = LIMIT,
        deadline: float | None = None,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(accounts, limit=limit, deadline=deadline)
        self.executor = executor

    def each(self, call: Callable[[Any], R]) -> Generator[Result[R]]:
        """A result of `call(driver)` for every account, as they arrive."""
        return self._results(self._everywhere(call))

    def deploy_many(self, deploys: Iterable[Deploy]) -> Generator[Result[Node]]:
        """Deploy nodes side by side; each node as it is ready, or the `DeploymentError` that names it.

        An executor may run a task twice where it loses a machine: so there each deployment has an
        `idempotency_key`, unless it is given one or the driver takes none.
        """
        return self._results(self._deployments(deploys))

    def wait_many(self, nodes: Mapping[str, Sequence[Node]], **options: Any) -> Generator[Result[Running]]:
        """Wait until the nodes of each account run, as `wait_until_running` does with `options`."""
        return self._results(self._waits(nodes, options))

    def _arguments(self, deploy: Deploy) -> Mapping[str, Any]:
        driver = self.accounts.get(deploy.account)
        if self.executor is None or not isinstance(driver, NodeDriver):
            return deploy.arguments
        takes_keys = "idempotency_key" in signature(driver.create_node).parameters
        return {**({"idempotency_key": secrets.token_hex(16)} if takes_keys else {}), **deploy.arguments}

    def _results(self, tasks: Sequence[_Task[R]]) -> Generator[Result[R]]:
        waiting, running = deque(tasks), dict[Future[R], _Task[R]]()
        ends_at = float("inf") if self.deadline is None else time.monotonic() + self.deadline + GRACE
        with self._pool(len(tasks)) as pool:
            try:
                while (waiting or running) and time.monotonic() < ends_at:
                    yield from self._submit(pool, waiting, running)
                    left = None if self.deadline is None else max(0.0, ends_at - time.monotonic())
                    done, _ = wait(running, left, FIRST_COMPLETED)
                    for future in done:
                        yield _outcome(running.pop(future), future)
                for task in [*running.values(), *waiting]:
                    yield task.late()
            finally:
                for future in running:
                    future.cancel()

    def _submit(
        self, pool: Executor, waiting: deque[_Task[R]], running: dict[Future[R], _Task[R]]
    ) -> Iterator[Result[R]]:
        while waiting and len(running) < self.limit:
            task = waiting.popleft()
            try:
                running[pool.submit(task)] = task
            except Exception as error:  # noqa: BLE001 - an executor may raise anything
                yield task.failed(error)

    @contextmanager
    def _pool(self, tasks: int) -> Iterator[Executor]:
        if self.executor is not None:
            yield self.executor
            return
        pool = ThreadPoolExecutor(min(self.limit, max(tasks, 1)), "polycloud-fleet")
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _outcome(task: _Task[R], future: Future[R]) -> Result[R]:
    try:
        return Result(task.name, future.result())
    except Exception as error:  # noqa: BLE001 - whatever failed on one account is told beside the others
        return task.failed(error)


class AsyncFleet(_Accounts):
    """A fleet on an event loop (extra `aio`): its methods are async generators over `Result`.

    `async with AsyncFleet(accounts) as fleet:` closes its connections. Its arguments are `Fleet`'s.
    """

    def __init__(
        self, accounts: Mapping[str, Account], *, limit: int = LIMIT, deadline: float | None = None
    ) -> None:
        super().__init__(accounts, limit=limit, deadline=deadline)
        self._clouds: dict[str, AsyncNodeDriver[Any]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections of all accounts."""
        clouds, self._clouds = self._clouds, {}
        for cloud in clouds.values():
            await cloud.close()

    def each(self, call: Callable[[Any], R]) -> AsyncGenerator[Result[R]]:
        """A result of `call(driver)` for every account, as they arrive; `call` is plain code."""
        return self._results(self._everywhere(call))

    def deploy_many(self, deploys: Iterable[Deploy]) -> AsyncGenerator[Result[Node]]:
        """Deploy nodes side by side; each node as it is ready, or the `DeploymentError` that names it."""
        return self._results(self._deployments(deploys))

    def wait_many(
        self, nodes: Mapping[str, Sequence[Node]], **options: Any
    ) -> AsyncGenerator[Result[Running]]:
        """Wait until the nodes of each account run, as `wait_until_running` does with `options`."""
        return self._results(self._waits(nodes, options))

    async def _results(self, tasks: Sequence[_Task[R]]) -> AsyncGenerator[Result[R]]:
        gate = asyncio.Semaphore(self.limit)
        running = [asyncio.create_task(self._result(task, gate)) for task in tasks]
        try:
            for ended in asyncio.as_completed(running):
                yield await ended
        finally:
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _result(self, task: _Task[R], gate: asyncio.Semaphore) -> Result[R]:
        limit = asyncio.timeout(task.deadline and task.deadline + GRACE)
        try:
            async with limit, gate:
                value: R = await self._run(task)
                return Result(task.name, value)
        except Exception as error:  # noqa: BLE001 - whatever failed on one account is told beside the others
            return task.late() if limit.expired() else task.failed(error)

    async def _run(self, task: _Task[R]) -> R:
        from polycloud.aio import wrap

        cloud = self._clouds.get(task.name)
        if cloud is None:
            cloud = self._clouds[task.name] = wrap(task.driver())
        with call_options(deadline=task.deadline):
            return await cloud.run(task.call, cloud.driver)
