from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["urllib3", "aiohttp", "asyncio", "requests", "asyncssh"])
def test_get_driver_imports_no_client(module: str) -> None:
    """`import polycloud` and `get_driver` import no HTTP client: that waits for the first request."""
    code = (
        "import sys, polycloud\n"
        "from polycloud.compute.providers import get_driver\n"
        "get_driver('nephoscale')('user', 'password')\n"
        f"sys.exit({module!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
