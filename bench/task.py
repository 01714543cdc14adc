"""One measurement in a process of its own, with polycloud or with its peer; prints one line of JSON.

    python bench/task.py import PROVIDER
    python bench/task.py call|list HOST PORT TOKEN

Uses what both libraries have in common, and nothing else: the names of Libcloud.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

LIBRARY = "polycloud" if importlib.util.find_spec("polycloud") else "libcloud"
CALLS = 200
LISTS = 3


def driver_class(provider: str) -> Any:
    providers = importlib.import_module(f"{LIBRARY}.compute.providers")
    return providers.get_driver(provider)


def measure_import(provider: str) -> dict[str, float]:
    began = time.process_time()
    driver_class(provider)
    return {"cpu_ms": (time.process_time() - began) * 1e3}


def connect(
    host: str, port: str, token: str, *, timeout: float = 60.0, retry_delay: float | None = None
) -> Any:
    if LIBRARY == "polycloud":
        options: dict[str, Any] = {"timeout": timeout, "retry_delay": retry_delay}
        return driver_class("digitalocean")(token, host=host, port=int(port), secure=False, **options)
    # The peer's driver takes none of these among its arguments
    driver = driver_class("digitalocean")(token, api_version="v2")
    driver.connection.secure = False
    driver.connection.timeout, driver.connection.retry_delay = timeout, retry_delay
    driver.connection.connect(host=host, port=int(port))
    return driver


def measure_call(*where: str) -> dict[str, float]:
    driver = connect(*where)
    driver.list_locations()
    began = time.process_time()
    for _ in range(CALLS):
        driver.list_locations()
    return {"cpu_us": (time.process_time() - began) / CALLS * 1e6}


def measure_list(*where: str) -> dict[str, float]:
    driver = connect(*where)
    driver.list_locations()
    cpu, wall, size = [], [], 0
    for _ in range(LISTS):
        at_cpu, at_wall = time.process_time(), time.perf_counter()
        size = len(driver.list_nodes())
        cpu.append(time.process_time() - at_cpu)
        wall.append(time.perf_counter() - at_wall)
    gc.collect()
    tracemalloc.start()
    nodes = driver.list_nodes()
    gc.collect()
    memory = tracemalloc.get_traced_memory()[0]
    assert len(nodes) == size
    return {
        "nodes": size,
        "cpu_us": sorted(cpu)[LISTS // 2] / size * 1e6,
        "wall_s": sorted(wall)[LISTS // 2],
        "memory_kb": memory / size / 1e3,
    }


TASKS: dict[str, Callable[..., dict[str, float]]] = {
    "import": measure_import,
    "call": measure_call,
    "list": measure_list,
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))  # noqa: T201
