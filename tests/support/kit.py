"""Servers that nobody here wrote, from the kit beside this repository (`../shared/servers`)."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

KIT = Path(__file__).parents[3] / "shared" / "servers"


def url_of(name: str) -> str:
    """Return the URL of a server, which is started if it does not run."""
    url: str = started(name)["url"]
    return url


@cache
def started(name: str) -> dict[str, Any]:
    """Return what the kit tells of a server, which is started if it does not run.

    Skip the test where there is no kit, or where it cannot install or start the server.
    """
    if not (KIT / "servers").exists():
        pytest.skip(f"there are no servers of others at {KIT}")
    _run("install", name)
    found: dict[str, Any] = json.loads(_run("start", "--json", name).splitlines()[-1])
    return found


def _run(*command: str) -> str:
    run = subprocess.run(
        [str(KIT / "servers"), *command], capture_output=True, text=True, check=False, timeout=900
    )
    if run.returncode:
        pytest.skip(f"{' '.join(command)} fails: {(run.stderr or run.stdout).strip()}")
    return run.stdout
