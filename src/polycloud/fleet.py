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
import sys
import time
import traceback
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from polycloud.compute.base import NodeDriver
from polycloud.compute.objects import Node
from polycloud.concurrency.calls import call_options, current_call, remaining, seconds
from polycloud.errors import InvalidArgumentError, OperationTimeoutError, PolycloudError

if TYPE_CHECKING:
    from polycloud.aio import AsyncNodeDriver
    from polycloud.compute.deployment import Deployment

__all__ = ["AsyncFleet", "Deploy", "Fleet", "Result"]

P = ParamSpec("P")
R = TypeVar("R")
Account = NodeDriver | Callable[[], NodeDriver]
Running = list[tuple[Node, list[str]]]
LIMIT = 32
FOREVER = float("inf")
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

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle of its own inside: there are executors that never end, or break, for what cannot be pickled
        try:
            packed = _dumps()((self.value, self.error and _portable(self.error)))
        except Exception as reason:  # noqa: BLE001 - a __reduce__ may raise anything
            error = InvalidArgumentError(f"the result of {self.account} cannot be pickled: {reason}")
            packed = pickle.dumps((None, error))
        return _unpacked, (self.account, packed)


def _unpacked(account: str, packed: bytes) -> Result[Any]:
    try:
        return Result(account, *pickle.loads(packed))  # noqa: S301 - what was packed above
    except Exception as reason:  # noqa: BLE001 - a class of its own may raise anything
        return Result(account, error=PolycloudError(f"the result cannot be unpickled: {reason!r}"))


def _dumps() -> Callable[[Any], bytes]:
    """The pickling of Dask where it is in use, which can do more."""
    dumps: Callable[[Any], bytes] = getattr(sys.modules.get("cloudpickle"), "dumps", pickle.dumps)
    return dumps


def _portable(error: Exception) -> Exception:
    """The error as it survives a pickle, its traceback as a note; its text where it would not survive one."""
    try:
        portable: Exception = pickle.loads(_dumps()(error))  # noqa: S301 - its own pickle
    except Exception:  # noqa: BLE001 - a class of its own may raise anything
        portable = PolycloudError(f"{type(error).__name__}: {error}")
    trace = "".join(traceback.format_tb(error.__traceback__))
    notes = getattr(error, "__notes__", [])
    portable.__notes__ = [*notes, *([trace] if trace and trace not in notes else ())]
    return portable.with_traceback(None)


@dataclass(frozen=True, slots=True)
class Deploy:
    """One node to deploy: on which account, by which step, and the arguments of `deploy_node`."""

    account: str
    step: Deployment
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, repr=False)
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


@dataclass(frozen=True, slots=True, repr=False)
class _KeyedDeploy(_Method):
    """A deployment that may be run twice and makes one node, where the driver takes a key."""

    key: str = field(default_factory=partial(secrets.token_hex, 16))

    def __call__(self, driver: Any) -> Node:
        takes_keys = "idempotency_key" in signature(driver.create_node).parameters
        key = {"idempotency_key": self.key} if takes_keys else {}
        node: Node = driver.deploy_node(*self.args, **{**key, **self.kwargs})
        return node


@dataclass(frozen=True, slots=True, repr=False)
class _Task(Generic[R]):
    """A call on an account, as it goes to a thread or to another machine; its errors are part of its result.

    `limits` are the arguments of `call_options`. No two have the same `id`, since there are executors (Dask)
    that take what looks the same for one task.
    """

    name: str
    account: Account
    call: Callable[[Any], R]
    limits: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=partial(secrets.token_hex, 8))

    def __call__(self) -> Result[R]:
        try:
            with call_options(**self.limits), self._driver() as driver:
                return Result(self.name, self.call(driver))
        except Exception as error:  # noqa: BLE001 - whatever failed on one account is told beside the others
            return Result(self.name, error=error)

    def within(self, left: float) -> _Task[R]:
        """The task with `left` seconds to go, and with the limits that hold here."""
        here = current_call()
        deadline = None if left == FOREVER else left
        return replace(self, limits={"deadline": deadline, "timeout": here.timeout, "retry": here.retry})

    def make_driver(self) -> NodeDriver:
        """The account's driver, made now where it is given as a function."""
        driver = self.account if isinstance(self.account, NodeDriver) else self.account()
        if not isinstance(driver, NodeDriver):
            raise InvalidArgumentError(
                f"the function of the account {self.name!r} gave no driver, but a {type(driver).__name__}"
            )
        return driver

    @contextmanager
    def _driver(self) -> Iterator[NodeDriver]:
        driver = self.make_driver()
        try:
            yield driver
        finally:
            if driver is not self.account:
                driver.close()  # it was made for this call

    def __reduce__(self) -> tuple[Any, ...]:
        # What arrives in another process is a copy of a driver, which nobody else closes
        account = partial(_arrived, self.account) if isinstance(self.account, NodeDriver) else self.account
        return _Task, (self.name, account, self.call, self.limits, self.id)

    def refused(self, error: Exception) -> Result[R]:
        """The result where the executor failed; where something could not be pickled for it, it is named."""
        if isinstance(error, UNPICKLABLE) and (unpicklable := self._unpicklable()):
            error = InvalidArgumentError(unpicklable)
        return Result(self.name, error=error)

    def late(self, total: float, cause: BaseException | None = None) -> Result[R]:
        """The result where no answer came in `total` seconds."""
        error = OperationTimeoutError(f"{self.name} to answer", max(0.0, total))
        error.__cause__ = cause
        return Result(self.name, error=error)

    def _unpicklable(self) -> str | None:
        parts: dict[str, Any] = (
            self.call.parts() if isinstance(self.call, _Method) else {"the call": self.call}
        )
        parts[f"the driver of {self.name}"] = self.account
        reasons = (
            f"{name} cannot be pickled for the executor: {reason}"
            for dumps in (_dumps(), pickle.dumps)
            for name, part in parts.items()
            if (reason := _failure(dumps, part))
        )
        return next(reasons, None)

    def __repr__(self) -> str:
        own = self.call.name if isinstance(self.call, _Method) else getattr(self.call, "__name__", "a call")
        return f"{own} of {self.name}"  # without arguments: Dask shows it


def _arrived(driver: NodeDriver) -> NodeDriver:
    return driver


def _failure(dumps: Callable[[Any], bytes], thing: Any) -> Exception | None:
    try:
        dumps(thing)
    except Exception as error:  # noqa: BLE001 - a __reduce__ may raise anything
        return error
    return None


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
        accounts: Drivers by the name of their account or region, or functions that make them when they are
            needed; such a function's failure is a `Result` like any other.
        limit: The most calls at a time.
        deadline: Seconds for each round of calls; what has not ended by then is an `OperationTimeoutError`.

    Raises:
        InvalidArgumentError: One of these is nothing of the kind.
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
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise InvalidArgumentError(f"limit={limit!r} is no number of calls above 0")
        if not isinstance(accounts, Mapping):
            raise InvalidArgumentError(f"accounts are drivers by name, not a {type(accounts).__name__}")
        for name, account in accounts.items():
            if not isinstance(account, NodeDriver) and not callable(account):
                # Its type alone: it may be a key
                raise InvalidArgumentError(
                    f"the account {name!r} is a {type(account).__name__}, and neither a driver nor a function"
                )
        self.accounts = dict(accounts)
        self.limit = limit
        self.deadline = None if deadline is None else seconds("deadline", deadline)

    def _task(self, name: str, call: Callable[[Any], R]) -> _Task[R]:
        if name not in self.accounts:
            known = ", ".join(self.accounts) or "none"
            raise InvalidArgumentError(f"no account is called {name!r}; there are: {known}")
        return _Task(name, self.accounts[name], call)

    def _total(self) -> float:
        """Seconds for a round that begins now."""
        return min(FOREVER if self.deadline is None else self.deadline, remaining())

    def _everywhere(self, call: Callable[[Any], R]) -> list[_Task[R]]:
        return [self._task(name, call) for name in self.accounts]

    def _deployments(self, deploys: Iterable[Deploy], method: Callable[..., _Method]) -> list[_Task[Node]]:
        return [self._task(one.account, method("deploy_node", (one.step,), one.arguments)) for one in deploys]

    def _waits(self, nodes: Mapping[str, Sequence[Node]], options: Mapping[str, Any]) -> list[_Task[Running]]:
        return [
            self._task(name, _Method("wait_until_running", (list(some),), options))
            for name, some in nodes.items()
        ]


class Fleet(_Accounts):
    """Several accounts under one call.

    Each method is an iterator over `Result`, which begins when it is first asked for one.

    Args:
        accounts: Drivers by the name of their account or region, or functions that make them when they are
            needed; such a function's failure is a `Result` like any other. What it made is closed after one
            call.
        limit: The most calls at a time.
        deadline: Seconds for each round of calls, from when its first result is asked for; what has not
            ended by then is an `OperationTimeoutError`.
        executor: Where calls run in the place of threads of this process. Executors in other processes and
            on other machines get tasks pickled, and drivers with their credentials.

    Raises:
        InvalidArgumentError: One of these is nothing of the kind.
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
        if executor is not None and not isinstance(executor, Executor):
            raise InvalidArgumentError(f"executor= is a {type(executor).__name__}, and no Executor")
        self.executor = executor

    def each(self, call: Callable[[Any], R]) -> Generator[Result[R]]:
        """A result of `call(driver)` for every account, as they arrive."""
        return self._results(self._everywhere(call))

    def deploy_many(self, deploys: Iterable[Deploy]) -> Generator[Result[Node]]:
        """Deploy nodes side by side; each node as it is ready, or the `DeploymentError` that names it.

        An executor may run a task twice where it loses a machine: so there each deployment has an
        `idempotency_key`, unless it is given one or the driver takes none.
        """
        return self._results(self._deployments(deploys, _KeyedDeploy if self.executor else _Method))

    def wait_many(self, nodes: Mapping[str, Sequence[Node]], **options: Any) -> Generator[Result[Running]]:
        """Wait until the nodes of each account run, as `wait_until_running` does with `options`."""
        return self._results(self._waits(nodes, options))

    def _results(self, tasks: Sequence[_Task[R]]) -> Generator[Result[R]]:
        waiting, running = deque(tasks), dict[Future[Result[R]], _Task[R]]()
        total = self._total()
        ends_at = time.monotonic() + total
        with self._pool(len(tasks)) as pool:
            try:
                while waiting or running:
                    yield from self._submit(pool, waiting, running, ends_at)
                    done, _ = wait(running, _until(ends_at + GRACE), FIRST_COMPLETED)
                    if not done:
                        break
                    for future in done:
                        yield _outcome(running.pop(future), future)
            finally:
                for future in running:
                    future.cancel()
        for task in [*running.values(), *waiting]:
            yield task.late(total)

    def _submit(
        self,
        pool: Executor,
        waiting: deque[_Task[R]],
        running: dict[Future[Result[R]], _Task[R]],
        ends_at: float,
    ) -> Iterator[Result[R]]:
        while waiting and len(running) < self.limit and (left := ends_at - time.monotonic()) > 0:
            task = waiting.popleft().within(left)
            try:
                running[pool.submit(task)] = task
            except Exception as error:  # noqa: BLE001 - an executor may raise anything
                yield task.refused(error)

    @contextmanager
    def _pool(self, tasks: int) -> Iterator[Executor]:
        if self.executor is not None:
            yield self.executor
            return
        pool = _Threads(min(self.limit, max(tasks, 1)), "polycloud-fleet")
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Threads(ThreadPoolExecutor):
    """Threads whose work has the context of who submitted it: its trace, its limits."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        return super().submit(copy_context().run, partial(fn, *args, **kwargs))


def _until(moment: float) -> float | None:
    """The seconds until a moment, for what waits for ever with None."""
    return None if moment == FOREVER else max(0.0, moment - time.monotonic())


def _outcome(task: _Task[R], future: Future[Result[R]]) -> Result[R]:
    try:
        result = future.result()
    except Exception as error:  # noqa: BLE001 - a worker that died, what cannot be pickled
        return task.refused(error)
    node = getattr(result.error, "node", None)
    if isinstance(node, Node) and node.driver is None and isinstance(task.account, NodeDriver):
        node.driver = task.account  # errors travel without drivers, which hold credentials
    return result


class AsyncFleet(_Accounts):
    """A fleet on an event loop (extra `aio`): its methods are async generators over `Result`.

    `async with AsyncFleet(accounts) as fleet:` ends what still runs and closes its connections. Its arguments
    are `Fleet`'s, but for the executor; functions make one driver an account, in a thread.
    """

    def __init__(
        self, accounts: Mapping[str, Account], *, limit: int = LIMIT, deadline: float | None = None
    ) -> None:
        super().__init__(accounts, limit=limit, deadline=deadline)
        self._clouds: dict[str, AsyncNodeDriver[Any]] = {}
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._running: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the calls that still run, and close the connections of all accounts."""
        await _end(list(self._running))
        self._making.clear()
        clouds, self._clouds = self._clouds, {}
        for cloud in clouds.values():
            await cloud.close()

    def each(self, call: Callable[[Any], R]) -> AsyncGenerator[Result[R]]:
        """A result of `call(driver)` for every account, as they arrive; `call` is plain code."""
        return self._results(self._everywhere(call))

    def deploy_many(self, deploys: Iterable[Deploy]) -> AsyncGenerator[Result[Node]]:
        """Deploy nodes side by side; each node as it is ready, or the `DeploymentError` that names it."""
        return self._results(self._deployments(deploys, _Method))

    def wait_many(
        self, nodes: Mapping[str, Sequence[Node]], **options: Any
    ) -> AsyncGenerator[Result[Running]]:
        """Wait until the nodes of each account run, as `wait_until_running` does with `options`."""
        return self._results(self._waits(nodes, options))

    async def _results(self, tasks: Sequence[_Task[R]]) -> AsyncGenerator[Result[R]]:
        gate, total = asyncio.Semaphore(self.limit), self._total()
        ends_at = time.monotonic() + total
        running = [asyncio.create_task(self._result(task, gate, total, ends_at)) for task in tasks]
        self._running.update(running)
        try:
            for ended in asyncio.as_completed(running):
                yield await ended
        finally:
            await _end(running)
            self._running.difference_update(running)

    async def _result(
        self, task: _Task[R], gate: asyncio.Semaphore, total: float, ends_at: float
    ) -> Result[R]:
        limit = asyncio.timeout(_until(ends_at + GRACE))
        try:
            async with limit, gate:
                left = ends_at - time.monotonic()
                return await self._run(task.within(left)) if left > 0 else task.late(total)
        except Exception as error:  # noqa: BLE001 - whatever failed on one account is told beside the others
            return task.late(total, error) if limit.expired() else Result(task.name, error=error)

    async def _run(self, task: _Task[R]) -> Result[R]:
        with call_options(**task.limits):
            cloud = await self._cloud(task)
            return Result(task.name, await cloud.run(task.call, cloud.driver))

    async def _cloud(self, task: _Task[Any]) -> AsyncNodeDriver[Any]:
        from polycloud.aio import wrap

        async with self._making[task.name]:
            if task.name not in self._clouds:
                driver = (
                    task.account
                    if isinstance(task.account, NodeDriver)
                    else await asyncio.to_thread(task.make_driver)
                )
                self._clouds[task.name] = wrap(driver)
            return self._clouds[task.name]


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
