"""Creates and other calls while answers get lost; prints what became of them as one line of JSON.

    python bench/storm.py HOST PORT TOKEN

Runs with polycloud or with its peer, whose retries are on. Each thread has a driver of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from measure import LIBRARY, connect

THREADS, ROUNDS = 8, 8
TIMEOUT, RETRY_DELAY = 1.0, 0.1
DEADLINE, GRACE, CUT_OFF = 5.0, 1.0, 20.0


def limits() -> contextlib.AbstractContextManager[None]:
    """A deadline for the calls in a block, where the library has such a thing."""
    if LIBRARY == "libcloud":
        return contextlib.nullcontext()
    block: contextlib.AbstractContextManager[None] = importlib.import_module(
        "polycloud.concurrency.calls"
    ).call_options(deadline=DEADLINE)
    return block


def documented() -> tuple[type[Exception], ...]:
    """The errors that the library's documents tell of."""
    types = importlib.import_module(f"{LIBRARY}.common.types")
    exceptions = importlib.import_module(f"{LIBRARY}.common.exceptions")
    return types.LibcloudError, exceptions.BaseHTTPError


class Storm:
    """The calls of one thread."""

    def __init__(self, number: int, where: tuple[str, ...]) -> None:
        self.number, self.where = number, where
        self.numbers = random.Random(number)  # noqa: S311 - not a secret
        self.known = documented()
        self.driver: Any = None
        self.told: dict[str, Any] = {"created": {}, "failed": {}, "gone": [], "hangs": 0, "foreign": 0}

    def run(self) -> dict[str, Any]:
        """All of them; a node in two is destroyed again."""
        self.driver = connect("digitalocean", *self.where, timeout=TIMEOUT, retry_delay=RETRY_DELAY)
        for round_ in range(ROUNDS):
            node = self.create(f"web-{self.number}-{round_}")
            for name in self.numbers.sample(["list_nodes", "list_sizes", "list_locations"], 3):
                self.outcome(getattr(self.driver, name))
            if node is not None and round_ % 2:
                self.told["gone"].append(node.name)
                self.outcome(partial(self.driver.destroy_node, node))
        return self.told

    def create(self, name: str) -> Any:
        """Create a node and note what was told of it."""
        result = self.outcome(lambda: self.driver.create_node(name, *order(self.driver)))
        if isinstance(result, BaseException):
            self.told["failed"][name] = " ".join([repr(result), *getattr(result, "__notes__", ())])
            return None
        self.told["created"][name] = str(result.id)
        return result

    def outcome(self, call: Callable[[], Any]) -> Any:
        """What a call gives or raises; a call that does not end is left behind, with its driver."""
        box: list[Any] = []
        began = time.monotonic()
        thread = threading.Thread(target=lambda: box.append(self._caught(call)), daemon=True)
        thread.start()
        thread.join(CUT_OFF)
        self.told["hangs"] += time.monotonic() - began > DEADLINE + GRACE
        if not box:
            self.driver = connect("digitalocean", *self.where, timeout=TIMEOUT, retry_delay=RETRY_DELAY)
            return TimeoutError()
        return box[0]

    def _caught(self, call: Callable[[], Any]) -> Any:
        try:
            with limits():
                return call()
        except self.known as error:
            return error
        except Exception as error:  # noqa: BLE001 - they are what is counted
            self.told["foreign"] += 1
            return error


def order(driver: Any) -> tuple[Any, Any, Any]:
    """Size, image and location of a node, without asking for them."""
    base = importlib.import_module(f"{LIBRARY}.compute.base")
    size = base.NodeSize("s-1vcpu-1gb", "s-1vcpu-1gb", 1024, 25, 1000, 0.01, driver)
    image = base.NodeImage("ubuntu-24-04-x64", "Ubuntu", driver, {"slug": "ubuntu-24-04-x64"})
    return size, image, base.NodeLocation("nyc3", "New York 3", "US", driver)


def count(told: Sequence[dict[str, Any]], servers: Sequence[str]) -> dict[str, float]:
    """What is wrong between what the threads were told and the names of the servers that the cloud has."""
    created = {name for each in told for name in each["created"]}
    failed = {name: text for each in told for name, text in each["failed"].items()}
    gone = {name for each in told for name in each["gone"]}
    missing = sum(name not in servers for name in created - gone)
    unknown = sum(name in servers and name not in text for name, text in failed.items())
    return {
        "duplicates": sum(number - 1 for number in Counter(servers).values()),
        "losses": missing + unknown,
        "hangs past the deadline": sum(each["hangs"] for each in told),
        "foreign exceptions": sum(each["foreign"] for each in told),
    }


def main(*where: str) -> None:
    """Run the threads."""
    if LIBRARY == "libcloud":
        base: Any = importlib.import_module("libcloud.common.base")
        base.RETRY_FAILED_HTTP_REQUESTS = True
    with ThreadPoolExecutor(THREADS) as pool:
        told = list(pool.map(lambda number: Storm(number, where).run(), range(THREADS)))
    print(json.dumps(told), flush=True)  # noqa: T201
    os._exit(0)  # calls that never end would keep the interpreter


if __name__ == "__main__":
    main(*sys.argv[1:])
