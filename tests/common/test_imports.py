from __future__ import annotations

import subprocess
import sys

import pytest

CLIENTS = ["urllib3", "httptools", "aiohttp", "asyncio", "requests", "asyncssh"]
LATER = ["socket", "hashlib", "secrets", "random", "difflib", "json", "xml.etree.ElementTree"]


@pytest.mark.parametrize("module", [*CLIENTS, *LATER])
def test_get_driver_imports_no_client(module: str) -> None:
    """`get_driver` imports no HTTP client: that and what else only requests need waits for the first one."""
    code = (
        "import sys, polycloud\n"
        "from polycloud.compute.providers import get_driver\n"
        "get_driver('nephoscale')('user', 'password')\n"
        f"sys.exit({module!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
