"""What the tests of fleets have in common; its functions can be found by other processes."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import psutil

from polycloud.compute.deployment import Deployment
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.compute.objects import NodeAuthSSHKey
from polycloud.fleet import Deploy
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from support.keypairs import key_pair
from support.web import Answer, Respond, Seen, Web, serve

R = TypeVar("R")
Driver = NephoscaleNodeDriver | DigitalOceanNodeDriver
DRIVERS: dict[str, type[Driver]] = {
    "nephoscale": NephoscaleNodeDriver,
    "digitalocean": DigitalOceanNodeDriver,
}
CREATES = {"nephoscale": "/server/cloud/", "digitalocean": "/v2/droplets"}
KNOBS: dict[str, dict[str, Any]] = {"nephoscale": {"appear": 0.02}, "digitalocean": {}}
PRIVATE, PUBLIC = key_pair()
NONE: dict[str, Any] = {"droplets": [], "links": {}, "meta": {"total": 0}}
TOKEN = "a-token-that-nobody-shall-read"
QUICK = RetryPolicy(base=0.01, cap=0.02)
PATIENCE = 60.0


def driver_of(cloud: Sandbox) -> Driver:
    """The driver of a sandbox."""
    return DRIVERS[cloud.name](*cloud.credentials, **cloud.options, retry=QUICK)


def make_driver(provider: str, credentials: tuple[Any, ...], options: dict[str, Any]) -> Driver:
    """Make a driver from values that can be pickled."""
    return DRIVERS[provider](*credentials, **options)


def at(web: Web, **options: Any) -> DigitalOceanNodeDriver:
    """Make a DigitalOcean driver for a server whose responses a test decides."""
    return DigitalOceanNodeDriver(TOKEN, **web.options, **{"retry": QUICK, **options})


@contextmanager
def ssh_cloud(provider: str) -> Iterator[Sandbox]:
    """A fast sandbox whose nodes have SSH."""
    with Sandbox(provider, ssh="folder", no_isolation=True, build=0.05, **KNOBS[provider]) as cloud:
        yield cloud


def order(driver: Driver, cloud: Sandbox, name: str, step: Deployment, **options: Any) -> Deploy:
    """A node of the account "it" to deploy."""
    how = {
        "name": name,
        "size": driver.list_sizes()[0],
        "image": next(image for image in driver.list_images() if image.id),
        "location": driver.list_locations()[0],
        "auth": NodeAuthSSHKey(PUBLIC),
        "ssh_key": PRIVATE,
        "ssh_port": cloud.ssh_port,
        "wait_period": 0.1,
        "timeout": 20,
    }
    return Deploy("it", step, {**how, **options})


def creates(cloud: Sandbox) -> int:
    """Return how many requests were for a node."""
    return sum((seen.method, seen.path) == ("POST", CREATES[cloud.name]) for seen in cloud.requests)


@contextmanager
def gated(respond: Respond = lambda _: Answer(body=NONE)) -> Iterator[tuple[Web, threading.Event]]:
    """A server that does not respond before the event is set, or the block ends."""
    gate = threading.Event()

    def wait(seen: Seen) -> Answer | None:
        gate.wait(PATIENCE)
        return respond(seen)

    with serve(wait) as web:
        try:
            yield web, gate
        finally:
            gate.set()


@contextmanager
def empty() -> Iterator[Web]:
    """A server with accounts without nodes."""
    with serve(lambda _: Answer(body=NONE)) as web:
        yield web


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until other threads and processes have made the condition true."""
    ends_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends_at, "the condition did not become true"
        time.sleep(0.01)  # noqa: TID251 - what another process does


def sockets_to(*ports: int) -> int:
    """Return the number of sockets of this process that are connected to these ports."""
    gc.collect()
    there = [each.raddr for each in psutil.Process().net_connections("tcp")]
    return sum(bool(address) and address.port in ports for address in there)


def fleet_threads() -> list[str]:
    """Return the names of the threads of fleets."""
    return [thread.name for thread in threading.enumerate() if "polycloud-fleet" in thread.name]


class Pickling(ThreadPoolExecutor):
    """Threads that exchange pickles, as other machines would; runs each task `times` times."""

    def __init__(self, *, times: int = 1) -> None:
        super().__init__(8)
        self.times = times
        self.seen: list[bytes] = []

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        task = pickle.dumps(partial(fn, *args, **kwargs))

        def run() -> Any:
            results = [pickle.dumps(pickle.loads(task)()) for _ in range(self.times)]
            self.seen.extend([task, *results])
            return pickle.loads(results[-1])

        return super().submit(run)


def pid(driver: Any) -> int:
    """Return the id of the process in which a call runs."""
    return os.getpid()


def die(driver: Any) -> None:
    """Kill the process."""
    os._exit(9)


class OddError(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, code: int, *, text: str) -> None:
        super().__init__(f"{text} {code}")


def fail_oddly(driver: Any) -> None:
    """Raise an error that cannot be unpickled."""
    raise OddError(17, text="odd")


def a_lock(driver: Any) -> object:
    """Return an object that cannot be pickled."""
    return threading.Lock()


class Odd:
    """An object that can be pickled, but not unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


def something_odd(driver: Any) -> Odd:
    """Return a value that cannot be unpickled."""
    return Odd()


def greet(word: str, driver: Any) -> str:
    """Return the additional argument."""
    return word
