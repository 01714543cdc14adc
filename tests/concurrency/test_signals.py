"""A signal handler may use the driver that it interrupts, as one does that destroys nodes at SIGTERM."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest

from support.web import Answer, serve

LIMITED = {"RateLimit-Remaining": "5", "RateLimit-Limit": "9", "RateLimit-Reset": "1"}
STORM = """
import signal, sys
from polycloud.common.base import Connection
from polycloud.http.retry import RetryPolicy

connection = Connection(host="127.0.0.1", port=int(sys.argv[1]), secure=False, retry=RetryPolicy(base=0))
connection.request("/")
handled = []

def handle(*_):
    handled.append(connection.request("/", method="DELETE").status)
    if len(handled) < 200:
        signal.setitimer(signal.ITIMER_REAL, 0.0003 + len(handled) % 50 * 1e-5)

signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001)
while len(handled) < 200:
    connection.request("/")
print(set(handled))
"""
IN_THE_LOCK = """
import signal
from polycloud.http.messages import RawResponse
from polycloud.http.ratelimits import RateLimiter, limiter_of
from polycloud.http.retry import RetryBudget
from polycloud.utils.headers import Headers

signal.signal(signal.SIGUSR1, lambda *_: handle())
interrupt = lambda: signal.raise_signal(signal.SIGUSR1)
"""
LIMITER = """
class Clock:
    raises = False
    def __call__(self):
        if self.raises:
            self.raises = False
            interrupt()
        return 0.0

clock = Clock()
limiter = RateLimiter(clock)
handle = lambda: print(limiter.take())
limiter.take()
clock.raises = True
limiter.give_back(RawResponse(429, "", Headers([("Retry-After", "5")])))
print(limiter.take())
"""
LIMITERS = """
class Account:
    raises = True
    def __hash__(self):
        if self.raises:
            Account.raises = False
            interrupt()
        return 1

account = Account()
handle = lambda: print(limiter_of("another").take())
print(limiter_of(account).take())
"""
BUDGET = """
class Size(int):
    def __mul__(self, other):
        if ready:
            ready.clear()
            interrupt()
        return int(self) * other

ready = []
budget = RetryBudget(Size(2))
handle = lambda: print(budget.spend())
ready.append(True)
budget.earn()
print(budget.spend())
"""


def run(code: str, *arguments: str) -> list[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split("\n")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers that signal")
def test_a_handler_uses_the_driver_that_it_interrupts() -> None:
    """A signal handler that sends requests ends, wherever in a request of the same connection it came."""
    counted = iter(range(1_000_000))

    def respond(_: Any) -> Answer:
        return Answer(503) if next(counted) % 15 == 0 else Answer(200)

    with serve(respond) as web:
        assert run(STORM, str(web.options["port"]))[0] == "{200}"


@pytest.mark.parametrize(
    ("code", "printed"),
    [(LIMITER, ["0.0", "5.0"]), (LIMITERS, ["0.0", "0.0"]), (BUDGET, ["True", "True"])],
    ids=["a limiter", "the limiters", "a budget"],
)
def test_a_handler_needs_the_lock_that_its_thread_holds(code: str, printed: list[str]) -> None:
    """A signal handler that comes while its thread holds a lock of the driver's gets through the lock."""
    assert run(IN_THE_LOCK + code)[:2] == printed
