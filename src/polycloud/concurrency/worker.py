"""A thread on which a coroutine runs what may block: a look-up of a name, the next piece of a file.

Not the loop's own executor: it has few threads, and a loop that ends waits for them, for ever if one hangs.
These threads are daemons, so what hangs is left to itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self, TypeVar

__all__ = ["Worker"]

T = TypeVar("T")
Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Worker:
    """Runs one function after another, in the context of whoever made it; `with Worker() as worker:`."""

    def __enter__(self) -> Self:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        run = copy_context().run
        Thread(target=run, args=(_work, self._jobs), name="polycloud-worker", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._jobs.put(None)

    async def run(self, fn: Callable[[], T]) -> T:
        """Return the result of `fn`. Cancelling this leaves `fn` to itself."""
        outcome = asyncio.get_running_loop().create_future()
        self._jobs.put((fn, outcome))
        result: T = await outcome
        return result


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while job := jobs.get():
        fn, outcome = job
        result, error = None, None
        try:
            result = fn()
        except BaseException as raised:  # noqa: BLE001 - it belongs to the coroutine
            error = raised
        with suppress(RuntimeError):  # the loop has been closed
            outcome.get_loop().call_soon_threadsafe(_settle, outcome, result, error)
        del job, fn, outcome, result, error  # nothing of it is kept while this waits


def _settle(outcome: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if outcome.done():
        return
    if error is None:
        outcome.set_result(result)
    else:
        outcome.set_exception(error)
