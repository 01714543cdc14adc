"""One measurement in a process of its own, with polycloud or with its peer; prints one line of JSON.

    python bench/measure.py call|list|memory|calls|fleet ... HOST PORT

Uses what both libraries have in common, the names of Libcloud, where both are measured. CPU is that of the
process, in all its threads.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import json
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

LIBRARY = "polycloud" if importlib.util.find_spec("polycloud") else "libcloud"
CALLS = 400
THREADS = 100
CREDENTIALS = {
    "digitalocean": ("dop_v1_sandbox",),
    "ec2": ("AKIASANDBOXSANDBOX00", "ec2_sandbox"),
    "nephoscale": ("user", "correct_password"),
    "route53": ("AKIASANDBOXSANDBOX00", "ec2_sandbox"),
}


def connect(
    provider: str, host: str, port: str, *credentials: str, service: str = "compute", **options: Any
) -> Any:
    """A driver for the server at this address."""
    kind = importlib.import_module(f"{LIBRARY}.{service}.providers").get_driver(provider)
    given = credentials or CREDENTIALS[provider]
    if LIBRARY == "polycloud":
        return kind(*given, host=host, port=int(port), secure=False, **options)
    # The peer's drivers take most of these at their connections only
    driver = kind(*given, **({"api_version": "v2"} if provider == "digitalocean" else {}))
    connection = driver.connection
    connection.secure, connection.host, connection.port = False, host, int(port)
    for name, value in options.items():
        setattr(connection, name, value)
    connection.connect(host=host, port=int(port))
    return driver


def timed(run: Callable[[], object], number: int) -> dict[str, float]:
    """CPU and wall time of one of the `number` things that `run` does.

    Cycles of what came before are collected first: otherwise it is chance which side pays for that.
    """
    gc.collect()
    at_cpu, at_wall = time.process_time(), time.perf_counter()
    run()
    cpu, wall = time.process_time() - at_cpu, time.perf_counter() - at_wall
    return {"cpu_us": cpu / number * 1e6, "cpu_ms": cpu / number * 1e3, "wall_s": wall}


def measure_call(*where: str) -> dict[str, float]:
    """One call after another on a kept connection."""
    driver = connect("digitalocean", *where)
    for _ in range(20):
        driver.list_locations()
    return timed(lambda: [driver.list_locations() for _ in range(CALLS)], CALLS)


def measure_list(provider: str, number: str, *where: str) -> dict[str, float]:
    """One list of `number` nodes, on a driver that has listed before."""
    driver = connect(provider, *where)
    list_(driver, 0)
    return timed(lambda: list_(driver, int(number)), int(number))


def measure_memory(provider: str, number: str, *where: str) -> dict[str, float]:
    """The memory that a list of `number` nodes keeps."""
    driver = connect(provider, *where)
    list_(driver, 0)
    gc.collect()
    tracemalloc.start()
    nodes = list_(driver, int(number))
    gc.collect()
    return {"bytes": tracemalloc.get_traced_memory()[0] / len(nodes)}


def list_(driver: Any, number: int) -> list[Any]:
    """All nodes, which are `number`; or, with 0, what a program has done before, so that all is imported."""
    small = not number and "ec2" not in driver.__module__
    things: list[Any] = driver.list_locations() if small else driver.list_nodes()
    assert not number or len(things) == number
    return things


def measure_calls(number: str, *where: str) -> dict[str, float]:
    """Many calls at once: on an event loop, or on 100 threads with a driver each for the peer."""
    if LIBRARY == "libcloud":
        return _calls_on_threads(int(number), *where)
    from polycloud import aio

    async def main() -> dict[str, float]:
        host, port = where
        async with aio.connect(
            "digitalocean", *CREDENTIALS["digitalocean"], host=host, port=int(port), secure=False
        ) as cloud:

            async def run(times: int) -> None:
                await asyncio.gather(*(cloud.list_locations() for _ in range(times)))

            await run(THREADS)
            return await timed_on_loop(run, int(number))

    return asyncio.run(main())


async def timed_on_loop(run: Callable[[int], Any], number: int) -> dict[str, float]:
    """Like `timed`, awaited."""
    gc.collect()
    at_cpu, at_wall = time.process_time(), time.perf_counter()
    await run(number)
    cpu, wall = time.process_time() - at_cpu, time.perf_counter() - at_wall
    return {"cpu_us": cpu / number * 1e6, "wall_s": wall}


def _calls_on_threads(number: int, *where: str) -> dict[str, float]:
    local = threading.local()

    def call(_: int) -> None:
        if not hasattr(local, "driver"):
            local.driver = connect("digitalocean", *where)
        local.driver.list_locations()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(call, range(THREADS * 3)))
        return timed(lambda: list(pool.map(call, range(number))), number)


def measure_fleet(number: str, *where: str) -> dict[str, float]:
    """One call to each of many accounts, their drivers included."""
    names = [f"account-{at}" for at in range(int(number))]
    if LIBRARY == "libcloud":

        def call(name: str) -> Any:
            return connect("digitalocean", *where, name).list_locations()

        with ThreadPoolExecutor(THREADS) as pool:
            return timed(lambda: list(pool.map(call, names)), len(names))
    from polycloud.fleet import AsyncFleet

    async def main(times: int) -> None:
        accounts = {name: connect("digitalocean", *where, name) for name in names[:times]}
        async with AsyncFleet(accounts, limit=THREADS) as fleet:
            results = [result.get() async for result in fleet.list_locations()]
        assert len(results) == times

    async def run() -> dict[str, float]:
        await main(1)
        return await timed_on_loop(main, len(names))

    return asyncio.run(run())


TASKS: dict[str, Callable[..., dict[str, float]]] = {
    "call": measure_call,
    "list": measure_list,
    "memory": measure_memory,
    "calls": measure_calls,
    "fleet": measure_fleet,
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))  # noqa: T201
