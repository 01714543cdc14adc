"""Threads for calls that block: of a limited number, daemons, and kept for the next call.

They do not keep the interpreter from ending, as those of `ThreadPoolExecutor` do, and unlike `DaemonThreads`
their number is limited: many calls at once wait for a thread. Only a call on which a call that has a thread
waits gets one beyond the limit: it would wait for ever where all threads are those of such calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from polycloud.concurrency.forks import renew_after_fork

MOST = 64
IDLE = 10.0
"""Seconds after which a thread without work ends."""


class Crew:
    """Runs functions on at most `most` threads; a function must not raise."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come in the middle
        self._jobs: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._threads = self._free = self._waiting = 0

    def run(self, job: Callable[[], object], *, at_once: bool = False) -> None:
        """Run a function as soon as a thread is free; `at_once` on one beyond the limit if none is."""
        with self._lock:
            if not self._free and (at_once or self._threads < self._most):
                self._threads += 1
                threading.Thread(
                    target=self._work, args=([job],), name="polycloud-bridge", daemon=True
                ).start()
                return
            self._jobs.put(job)
            if self._free:
                self._free -= 1
            else:
                self._waiting += 1

    def _work(self, first: list[Callable[[], object]]) -> None:
        first.pop()()
        self._count_free()
        while True:
            try:
                job = self._jobs.get(timeout=IDLE)
            except Empty:
                if self._leave():
                    return
                continue
            job()
            del job  # nothing of it is kept while this waits
            self._count_free()

    def _count_free(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting -= 1
            else:
                self._free += 1

    def _leave(self) -> bool:
        """Return whether this thread may end: no job counts on it."""
        with self._lock:
            if not self._free:
                return False
            self._free -= 1
            self._threads -= 1
            return True
