from __future__ import annotations

import subprocess
import sys

import pytest

CLIENTS = ["urllib3", "httptools", "aiohttp", "asyncio", "requests", "asyncssh"]
LATER = [
    "concurrent.futures",
    "dataclasses",
    "difflib",
    "email",
    "hashlib",
    "http",
    "ipaddress",
    "json",
    "logging",
    "random",
    "secrets",
    "socket",
    "ssl",
    "string",
    "urllib.parse",
    "xml.etree.ElementTree",
]
OF_OURS = ["aio", "config", "compute.deployment", "concurrency.bridge", "http.protocol", "tracing"]
CODE = """
import sys, polycloud
from polycloud.compute.providers import get_driver
get_driver('digitalocean')('token')
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def imported() -> list[str]:
    command = [sys.executable, "-I", "-c", CODE]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("module", [*CLIENTS, *LATER, *(f"polycloud.{name}" for name in OF_OURS)])
def test_get_driver_imports_no_client(module: str, imported: list[str]) -> None:
    """`get_driver` imports no HTTP client: that and what else only requests need waits for the first one."""
    assert module not in imported


def test_one_driver_is_imported(imported: list[str]) -> None:
    """`get_driver` imports the modules of that provider's driver, and of no other."""
    drivers = {name.split(".")[3] for name in imported if name.startswith("polycloud.compute.drivers.")}
    assert drivers == {"digitalocean"}
