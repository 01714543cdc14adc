"""Measures polycloud and its peer side by side, in turn, and prints ratios; run by `make bench`.

    python bench/compare.py PYTHON_OF_THE_PEER

The provider is the sandbox, in a process of its own. These figures depend on the machine; their ratios
less so.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import weather

from polycloud.cli import output

HERE = Path(__file__).parent
ROUNDS = 3
FIGURES = {"ms": "cpu_ms", "µs": "cpu_us", "KB": "memory_kb", "s": "wall_s"}
LISTED = {"µs": "CPU a node", "KB": "memory a node", "s": "wall at 20 ms a page"}
SERVER = """
import sys, time
from polycloud.sandbox import Sandbox
with Sandbox("digitalocean", seed_droplets=int(sys.argv[1]), latency=float(sys.argv[2]), ssh="off") as cloud:
    print(cloud.options["host"], cloud.options["port"], *cloud.credentials, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def serving(droplets: int, latency: float) -> Iterator[list[str]]:
    """A sandbox in another process: its host, port and token."""
    command = [sys.executable, "-c", SERVER, str(droplets), str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()
        server.communicate()


def measure(python: str, script: str, *arguments: str) -> dict[str, float]:
    """Return the figures of one task, measured in a process of its own."""
    # Both sides run from compiled files, as installed programs do
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [python, str(HERE / script), *arguments], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        sys.exit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


Way = tuple[str, ...]
"""A program beside this one, and its first arguments."""


def medians(*ways: tuple[str, Way], where: Sequence[str] = ()) -> list[dict[str, float]]:
    """Return the medians of several rounds of each way, an interpreter and a program, in turn."""
    rounds = [[measure(python, *way, *where) for python, way in ways] for _ in range(ROUNDS)]
    return [
        {name: statistics.median(result[name] for result in results) for name in results[0]}
        for results in zip(*rounds, strict=True)
    ]


def row(
    what: str,
    unit: str,
    theirs: dict[str, float],
    ours: dict[str, float],
    raw: dict[str, float] | None = None,
) -> tuple[str, ...]:
    """Return a line of the table for the figure in `unit`."""
    name = FIGURES[unit]
    limit = f"{raw[name]:,.1f}" if raw and name in raw else ""
    return (
        what,
        unit,
        f"{theirs[name]:,.1f}",
        f"{ours[name]:,.1f}",
        f"{theirs[name] / ours[name]:.1f}x",
        limit,
    )


def imports(peer: str) -> list[tuple[str, ...]]:
    """Importing, before any request."""
    way = ("task.py", "import", "digitalocean")
    theirs, ours = medians((peer, way), (sys.executable, way))
    return [row("import + get_driver, CPU", "ms", theirs, ours)]


def calls(peer: str) -> list[tuple[str, ...]]:
    """One call after another, and many at a time."""
    one = ("task.py", "call")
    with serving(0, 0) as where:
        theirs, ours = medians((peer, one), (sys.executable, one), where=where)
    rows = [row("one list call, CPU", "µs", theirs, ours)]
    for number in ("500", "2000"):
        threads, awaited, limit = (("many.py", "calls", how, number) for how in ("threads", "aio", "raw"))
        with serving(0, 0) as where:
            theirs, ours, raw = medians(
                (peer, threads), (sys.executable, awaited), (sys.executable, limit), where=where
            )
        rows.append(row(f"{number} calls at a time (threads; asyncio), CPU a call", "µs", theirs, ours, raw))
    return rows


def lists(peer: str) -> list[tuple[str, ...]]:
    """Lists of many pages, at once and with latency."""
    rows = []
    listed, limit = ("task.py", "list"), ("many.py", "list", "raw")
    for droplets in (1_000, 10_000):
        for latency, units in ((0, ("µs", "KB")), (0.02, ("s",))):
            with serving(droplets, latency) as where:
                theirs, ours, raw = medians(
                    (peer, listed), (sys.executable, listed), (sys.executable, limit), where=where
                )
            what = f"list {droplets:,} nodes, "
            rows += [row(what + LISTED[unit], unit, theirs, ours, raw) for unit in units]
    return rows


def main(peer: str) -> None:
    """Measure and print; the limit is raw aiohttp or urllib3 doing the same bytes."""
    headers = ["figure", "unit", "libcloud", "polycloud", "better by", "limit"]
    output.table(headers, imports(peer), calls(peer), lists(peer), weather.rows(peer))


if __name__ == "__main__":
    main(sys.argv[1])
