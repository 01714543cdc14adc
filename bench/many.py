"""Many calls at a time, and the limit that raw HTTP sets; one measurement, printed as one line of JSON.

    python bench/many.py calls aio|threads|raw NUMBER HOST PORT TOKEN
    python bench/many.py list raw HOST PORT TOKEN

`aio` is polycloud on an event loop; `threads` are 100 threads with a driver each, of polycloud or of its
peer, whichever is installed; `raw` is aiohttp or urllib3 doing the same bytes, decoded by msgspec.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import task

THREADS = 100
PATH = "/v2/regions?page=1&per_page=200"
PAGE = 200
SIDE_BY_SIDE = 8


def timed(run: Callable[[], object], number: int) -> dict[str, float]:
    """CPU microseconds and wall milliseconds of one of `number` things that `run` does."""
    at_cpu, at_wall = time.process_time(), time.perf_counter()
    run()
    cpu, wall = time.process_time() - at_cpu, time.perf_counter() - at_wall
    return {"cpu_us": cpu / number * 1e6, "wall_ms": wall / number * 1e3, "wall_s": wall}


def calls_aio(number: int, host: str, port: str, token: str) -> dict[str, float]:
    from polycloud import aio

    async def main() -> dict[str, float]:
        options: dict[str, Any] = {"host": host, "port": int(port), "secure": False}
        async with aio.connect("digitalocean", token, **options) as cloud:
            await asyncio.gather(*(cloud.list_locations() for _ in range(THREADS)))
            at_cpu, at_wall = time.process_time(), time.perf_counter()
            await asyncio.gather(*(cloud.list_locations() for _ in range(number)))
            cpu, wall = time.process_time() - at_cpu, time.perf_counter() - at_wall
        return {"cpu_us": cpu / number * 1e6, "wall_ms": wall / number * 1e3}

    return asyncio.run(main())


def calls_threads(number: int, *where: str) -> dict[str, float]:
    local = threading.local()

    def call(_: int) -> None:
        if not hasattr(local, "driver"):
            local.driver = task.connect(*where)
        local.driver.list_locations()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(call, range(THREADS * 3)))
        return timed(lambda: list(pool.map(call, range(number))), number)


def calls_raw(number: int, host: str, port: str, token: str) -> dict[str, float]:
    import aiohttp
    import msgspec

    async def main() -> dict[str, float]:
        connector = aiohttp.TCPConnector(limit=THREADS)
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

            async def call() -> Any:
                async with session.get(f"http://{host}:{port}{PATH}") as answer:
                    return msgspec.json.decode(await answer.read())

            await asyncio.gather(*(call() for _ in range(THREADS)))
            at_cpu, at_wall = time.process_time(), time.perf_counter()
            await asyncio.gather(*(call() for _ in range(number)))
            cpu, wall = time.process_time() - at_cpu, time.perf_counter() - at_wall
        return {"cpu_us": cpu / number * 1e6, "wall_ms": wall / number * 1e3}

    return asyncio.run(main())


def list_raw(host: str, port: str, token: str) -> dict[str, float]:
    import msgspec
    import urllib3

    pool = urllib3.HTTPConnectionPool(host, int(port), maxsize=SIDE_BY_SIDE, block=True)
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip, deflate"}

    def page(number: int) -> dict[str, Any]:
        path = f"/v2/droplets?page={number}&per_page={PAGE}"
        answer = pool.request("GET", path, headers=headers)
        told: dict[str, Any] = msgspec.json.decode(answer.data)
        return told

    page(1)
    at_cpu, at_wall = time.process_time(), time.perf_counter()
    total = int(page(1)["meta"]["total"])
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        list(threads.map(page, range(2, -(-total // PAGE) + 1)))
    cpu, wall = time.process_time() - at_cpu, time.perf_counter() - at_wall
    return {"cpu_us": cpu / total * 1e6, "wall_s": wall}


def main(what: str, how: str, *rest: str) -> dict[str, float]:
    """The figures."""
    if what == "list":
        return list_raw(*rest)
    ways: dict[str, Callable[..., dict[str, float]]] = {
        "aio": calls_aio,
        "threads": calls_threads,
        "raw": calls_raw,
    }
    return ways[how](int(rest[0]), *rest[1:])


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))  # noqa: T201
