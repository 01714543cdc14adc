"""Threads for calls that block: of a limited number, daemons, and kept for the next call.

They do not keep the interpreter from ending, as those of `ThreadPoolExecutor` do, and unlike `DaemonThreads`
their number is limited: many calls at once wait for a thread.
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

    def run(self, job: Callable[[], object]) -> None:
        """Run a function as soon as a thread is free."""
        with self._lock:
            self._jobs.put(job)
            if self._free:
                self._free -= 1
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._work, name="polycloud-bridge", daemon=True).start()
            else:
                self._waiting += 1

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE)
            except Empty:
                if self._leave():
                    return
                continue
            job()
            del job  # nothing of it is kept while this waits
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
