"""The real services of OpenStack, behind one address, as many clouds have them.

They are those of the kit beside this repository (`../shared/servers`), which listen on a port each. The front
passes requests on by the beginning of their path, and rewrites the addresses in Keystone's catalogue: so all
requests of a driver can be led through a proxy that injects faults.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from support.web import Answer, Seen, Web, serve

KIT = Path(__file__).parents[3] / "shared" / "servers"
NAMES = ("keystone", "nova", "glance", "neutron", "cinder")
HOP = frozenset({"connection", "content-length", "host", "transfer-encoding"})


@cache
def services(*names: str) -> dict[str, int]:
    """Return the ports of services, by default of `NAMES`; skip where there is no kit.

    Those that do not run are started.
    """
    names = names or NAMES
    if os.environ.get("POLYCLOUD_OPENSTACK") is None:
        pytest.skip("the real services of OpenStack take minutes: make openstack")
    if not (KIT / "servers").exists():
        pytest.skip(f"there are no servers of others at {KIT}")
    _run("install", *names)
    return {one["name"]: one["port"] for one in map(json.loads, _run("start", "--json", *names).splitlines())}


def _run(*command: str) -> str:
    """Return the output of a command of the kit; skip if it fails."""
    arguments = [str(KIT / "servers"), *command]
    run = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=900)
    if run.returncode:
        pytest.skip(f"the services of OpenStack do not start: {run.stderr.strip()}")
    return run.stdout


def front_of(ports: dict[str, int]) -> Any:
    """Return what a front responds, given the ports of the services."""

    def respond(seen: Seen) -> Answer:
        _, name, rest = seen.target.split("/", 2)
        connection = http.client.HTTPConnection("127.0.0.1", ports[name], timeout=60)
        headers = {key: value for key, value in seen.headers.items() if key.lower() not in HOP}
        connection.request(seen.method, f"/{rest}", seen.body or None, headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        left_out = HOP - {"content-length"} if seen.method == "HEAD" else HOP
        kept = {
            key: value for key, value in response.getheaders() if key.lower() not in left_out | {"server"}
        }
        if name == "keystone":
            for service, port in ports.items():
                mine = f"http://{seen.headers['Host']}/{service}"
                body = body.replace(f"http://127.0.0.1:{port}".encode(), mine.encode())
        return Answer(response.status, body, kept)

    return respond


@contextmanager
def front(*names: str) -> Iterator[Web]:
    """Serve services, as `services` names them, on one port; Keystone's address is `URL/keystone`."""
    with serve(front_of(services(*names))) as web:
        yield web
