"""Measures polycloud and its peer side by side, in turn, and prints ratios; run by `make bench`.

    python bench/compare.py PYTHON_OF_THE_PEER

The provider is the sandbox, in a process of its own. These figures depend on the machine; their ratios
less so.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import weather

from polycloud.cli import output

HERE = Path(__file__).parent
ROUNDS = 3
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


def measure(python: str, *arguments: str) -> dict[str, float]:
    """The figures of one task in a process of its own."""
    done = subprocess.run(
        [python, str(HERE / "task.py"), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def compare(peer: str, *arguments: str) -> dict[str, tuple[float, float]]:
    """The medians of several rounds, of us and of the peer, taken in turn."""
    rounds = [(measure(sys.executable, *arguments), measure(peer, *arguments)) for _ in range(ROUNDS)]
    return {
        name: (
            statistics.median(ours[name] for ours, _ in rounds),
            statistics.median(theirs[name] for _, theirs in rounds),
        )
        for name in rounds[0][0]
    }


def row(what: str, unit: str, figures: tuple[float, float]) -> tuple[str, ...]:
    """A line of the table."""
    ours, theirs = figures
    return what, unit, f"{theirs:,.1f}", f"{ours:,.1f}", f"{theirs / ours:.1f}x"


def main(peer: str) -> None:
    """Measure and print."""
    rows = [row("import + get_driver, CPU", "ms", compare(peer, "import", "digitalocean")["cpu_ms"])]
    with serving(0, 0) as where:
        rows.append(row("one list call, CPU", "µs", compare(peer, "call", *where)["cpu_us"]))
    for droplets in (1_000, 10_000):
        with serving(droplets, 0) as where:
            figures = compare(peer, "list", *where)
        rows.append(row(f"list {droplets:,} nodes, CPU a node", "µs", figures["cpu_us"]))
        rows.append(row(f"list {droplets:,} nodes, memory a node", "KB", figures["memory_kb"]))
        with serving(droplets, 0.02) as where:
            figures = compare(peer, "list", *where)
        rows.append(row(f"list {droplets:,} nodes, wall at 20 ms a page", "s", figures["wall_s"]))
    output.table(["figure", "unit", "libcloud", "polycloud", "better by"], rows, weather.rows(peer))


if __name__ == "__main__":
    main(sys.argv[1])
