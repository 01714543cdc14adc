"""What goes wrong with each library where the same plan of faults stands between it and the sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SEED = 7
ROWS = ("duplicates", "losses", "hangs past the deadline", "foreign exceptions")
SERVER = """
import json, sys
from polycloud.sandbox import Sandbox
from polycloud.testing.faults import ALL, FaultPlan, FaultProxy
plan = FaultPlan(int(sys.argv[1]), 0.3, [fault for fault in ALL if fault != "gzip bomb"])
with (
    Sandbox("digitalocean", ssh="off", build=0.05, droplet_limit=1000, page_size=200) as cloud,
    FaultProxy("127.0.0.1", cloud.port, plan, pause=0.05) as proxy,
):
    print("127.0.0.1", proxy.port, cloud.credentials[0], flush=True)
    sys.stdin.read()
    print(json.dumps([server["name"] for server in cloud.servers]))
"""


def measure(python: str) -> dict[str, int]:
    """The counts of one library, by row."""
    command = [sys.executable, "-c", SERVER, str(SEED)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        where = server.stdout.readline().split()
        done = subprocess.run(
            [python, str(HERE / "storm.py"), *where], capture_output=True, text=True, check=False
        )
        servers = json.loads(server.communicate()[0])
    if done.returncode:
        sys.exit(done.stderr)
    return count(json.loads(done.stdout), Counter(servers))


def count(told: list[dict[str, Any]], servers: Counter[str]) -> dict[str, int]:
    """What is wrong between what the threads were told and what the cloud has."""
    created = {name for each in told for name in each["created"]}
    failed = {name: text for each in told for name, text in each["failed"].items()}
    gone = {name for each in told for name in each["gone"]}
    missing = sum(name not in servers for name in created - gone)
    unknown = sum(name in servers and name not in text for name, text in failed.items())
    hangs, foreign = (sum(each[what] for each in told) for what in ("hangs", "foreign"))
    duplicates = sum(number - 1 for number in servers.values())
    return dict(zip(ROWS, (duplicates, missing + unknown, hangs, foreign), strict=True))


def rows(peer: str) -> list[tuple[str, ...]]:
    """The lines of the table."""
    theirs, ours = measure(peer), measure(sys.executable)
    return [("faults: " + what, "", f"{theirs[what]}", f"{ours[what]}", "", "") for what in ROWS]
