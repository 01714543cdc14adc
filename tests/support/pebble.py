"""Pebble, the ACME server that Let's Encrypt tests clients with (Debian's package `pebble`)."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from polycloud.concurrency import waiting
from support.certificates import Authority

WAIT = 10
"""Seconds for Pebble to start."""


@contextmanager
def pebble(folder: Path, dns: tuple[str, int]) -> Iterator[tuple[str, str]]:
    """Yield the URL of a directory, and the file of the authority that vouches for it.

    Pebble looks up challenges at the name server `dns`. Skip where it is not installed.
    """
    program = shutil.which("pebble")
    if program is None:
        pytest.skip("Pebble is not installed: apt-get install pebble")
    authority = Authority(folder)
    own = authority.issue()
    port, management = _free_ports()
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(own.cert),
        "privateKey": str(own.key),
        "httpPort": 5002,
        "tlsPort": 5001,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    command = [program, "-config", str(folder / "pebble.json"), "-dnsserver", f"{dns[0]}:{dns[1]}"]
    environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    with (folder / "pebble.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        waiting.poll(partial(_is_up, port), waiting_for="Pebble to start", timeout=WAIT)
        yield f"https://127.0.0.1:{port}/dir", str(authority.cert)
    finally:
        process.terminate()
        process.wait(WAIT)


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _is_up(port: int) -> bool | None:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=WAIT).close()
    except OSError:
        return None
    return True
