"""`Fleet`: calls on threads, or on any `concurrent.futures.Executor`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Any, TypeVar

from polycloud.common.driver import BaseDriver
from polycloud.compute.objects import Node
from polycloud.concurrency.threads import DaemonThreads
from polycloud.errors import InvalidArgumentError
from polycloud.fleet.accounts import LIMIT, D, PlainAccounts, Running, abandoned_at, seconds_until
from polycloud.fleet.results import Result
from polycloud.fleet.tasks import Deploy, KeyedDeploy, Method, Task

__all__ = ["Fleet"]

R = TypeVar("R")


class Fleet(PlainAccounts[D]):
    """Several accounts under one call.

    Each method is an iterator over `Result`; the calls begin when the first result is requested.

    Args:
        accounts: Drivers by the name of their account or region, or functions that make them on demand; the
            failure of such a function is a `Result` like any other, and its driver is closed after one call.
        limit: The most calls at once.
        deadline: Seconds for each round of calls, from when its first result is requested; calls that have
            not ended by then get an `OperationTimeoutError`.
        executor: Runs the calls instead of daemon threads of this process, which never keep it from ending.
            Executors in other processes and on other machines receive pickled tasks, and drivers with their
            credentials.

    Raises:
        InvalidArgumentError: An argument is of another type.
    """

    def __init__(
        self,
        accounts: Mapping[str, D | Callable[[], D]],
        *,
        limit: int = LIMIT,
        deadline: float | None = None,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(accounts, limit=limit, deadline=deadline)
        if executor is not None and not isinstance(executor, Executor):
            raise InvalidArgumentError(f"executor must be an Executor, got {type(executor).__name__}")
        self.executor = executor

    def each(self, call: Callable[[D], R]) -> Generator[Result[R]]:
        """Yield the result of `call(driver)` for every account, as they arrive."""
        return self._results(self.everywhere(call))

    def deploy_many(self, deploys: Iterable[Deploy]) -> Generator[Result[Node]]:
        """Deploy nodes concurrently; yield each node or its `DeploymentError`.

        An executor that loses a machine may run a task twice. So with an executor each deployment gets an
        `idempotency_key`, unless it has one or the driver accepts none.
        """
        return self._results(self.deployments(deploys, KeyedDeploy if self.executor else Method))

    def wait_many(self, nodes: Mapping[str, Sequence[Node]], **options: Any) -> Generator[Result[Running]]:
        """Wait until the nodes of each account run, as `wait_until_running` does with `options`."""
        return self._results(self.waits(nodes, options))

    def _results(self, tasks: Sequence[Task[R]]) -> Generator[Result[R]]:
        waiting, running = deque(tasks), dict[Future[Result[R]], Task[R]]()
        total = self.total_time()
        ends_at = time.monotonic() + total
        pool = self.executor or DaemonThreads()
        try:
            while waiting or running:
                yield from self._submit(pool, waiting, running, ends_at)
                done, _ = wait(running, seconds_until(abandoned_at(ends_at)), FIRST_COMPLETED)
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
        waiting: deque[Task[R]],
        running: dict[Future[Result[R]], Task[R]],
        ends_at: float,
    ) -> Iterator[Result[R]]:
        while waiting and len(running) < self.limit and (left := ends_at - time.monotonic()) > 0:
            task = waiting.popleft().within(left)
            try:
                running[pool.submit(task)] = task
            except Exception as error:  # noqa: BLE001 - an executor may raise anything
                yield task.refused(error)


def _outcome(task: Task[R], future: Future[Result[R]]) -> Result[R]:
    try:
        result = future.result()
    except Exception as error:  # noqa: BLE001 - a worker died, or a value cannot be pickled
        return task.refused(error)
    node = getattr(result.error, "node", None)
    if isinstance(node, Node) and node.driver is None and isinstance(task.account, BaseDriver):
        node.driver = task.account  # errors travel without drivers, which hold credentials
    return result
