from __future__ import annotations

import subprocess
import sys
from functools import cache

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
    "threading",
    "urllib.parse",
    "weakref",
    "xml.etree.ElementTree",
]
PACKAGE = "polycloud.compute.drivers."
OF_OURS = [
    "aio",
    "common.checking",
    "common.polling",
    "common.xmlresponse",
    "compute.deployment",
    "compute.running",
    "concurrency.bridge",
    "config",
    "http.protocol",
    "tracing",
    "version",
]
DRIVERS = {"digitalocean": ["token"], "nephoscale": ["user", "password"]}
CODE = """
import sys, polycloud
from polycloud.compute.providers import get_driver
get_driver(sys.argv[1])(*sys.argv[2:])
print(*sys.modules)
"""


@cache
def imported(provider: str) -> list[str]:
    command = [sys.executable, "-I", "-c", CODE, provider, *DRIVERS[provider]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("provider", DRIVERS)
@pytest.mark.parametrize("module", [*CLIENTS, *LATER, *(f"polycloud.{name}" for name in OF_OURS)])
def test_get_driver_imports_no_client(module: str, provider: str) -> None:
    """`get_driver` imports no HTTP client: that and what else only requests need waits for the first one."""
    assert module not in imported(provider)


@pytest.mark.parametrize("provider", DRIVERS)
def test_one_driver_is_imported(provider: str) -> None:
    """`get_driver` imports the modules of that provider's driver, and of no other."""
    drivers = {name.split(".")[3] for name in imported(provider) if name.startswith(PACKAGE)}
    assert drivers == {provider}
