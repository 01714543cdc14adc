from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

import polycloud
from polycloud.compute.base import NodeDriver
from support.vultr import TOKEN, Vultr, VultrCloud
from support.web import Answer, Seen, serve


@pytest.fixture
def vultr() -> Iterator[VultrCloud]:
    cloud = Vultr()

    def answer(seen: Seen) -> Answer | None:
        return cloud.answer(seen)  # which a test may replace

    with serve(answer) as web:
        driver: Any = polycloud.get_driver("compute", "vultr")(TOKEN, **web.options)
        assert isinstance(driver, NodeDriver)
        with driver:
            yield VultrCloud(cloud, web, driver)


@pytest.fixture(scope="session")
def moto() -> Iterator[dict[str, Any]]:
    """Options of drivers for moto as its own program serves it, which takes any signature of AWS."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)  # noqa: TID251 - for a program
            yield {"host": "127.0.0.1", "port": port, "secure": False}
        finally:
            process.kill()
