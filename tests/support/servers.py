"""Servers of a kit that nobody here wrote: third parties' services on this machine.

`POLYCLOUD_SERVERS` names the kit's command; the default is `shared/servers/servers` beside the checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_COMMAND = Path(
    os.environ.get("POLYCLOUD_SERVERS", Path(__file__).parents[3] / "shared" / "servers" / "servers")
)


@cache
def started(*names: str) -> dict[str, dict[str, Any]]:
    """Start servers, or find them running; return what the kit says about each. Skips the test without it."""
    if not _COMMAND.exists():
        pytest.skip(f"the server kit is missing: {_COMMAND}")
    run = subprocess.run(
        [_COMMAND, "start", "--json", *names], capture_output=True, text=True, timeout=300, check=False
    )
    if run.returncode:
        pytest.skip(f"the servers do not start: {run.stderr.strip()}")
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    return {row["name"]: row for row in rows}
