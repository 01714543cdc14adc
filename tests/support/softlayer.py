"""SoftLayer for tests: quick clouds, their drivers, and servers that send what a test says."""

from __future__ import annotations

import json
import subprocess
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from polycloud.compute.drivers.softlayer import SoftLayerNodeDriver
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from support.web import Answer, Seen, serve

QUICK: dict[str, Any] = {"build": 0.05, "power": 0.02}
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFx1ziyXUOwqMQQjr2dRzNLQH3bLTmpyjE8pKkyUuVB me@here"
Call = tuple[str, str, dict[str, Any], tuple[Any, ...]]
"""A call that a server received: service, method, the headers in its first parameter, the other ones."""


def call_of(path: str, body: str | bytes) -> Call:
    """Read the body of a call."""
    parameters, method = xmlrpc.client.loads(body)
    first: Any = parameters[0]
    return path.rpartition("/")[2], str(method), first["headers"], tuple(parameters[1:])


def calls(cloud: Sandbox) -> list[Call]:
    """Return the calls that a cloud received, oldest first."""
    return [call_of(seen.path, seen.body) for seen in cloud.requests]


def names(cloud: Sandbox) -> list[str]:
    """Return the names of the methods that were called."""
    return [method for _, method, _, _ in calls(cloud)]


@contextmanager
def driving(cloud: Sandbox, **options: Any) -> Iterator[SoftLayerNodeDriver]:
    """A driver of a cloud."""
    with SoftLayerNodeDriver(*cloud.credentials, **{**cloud.options, **options}) as driver:
        yield driver


def value(content: Any, headers: dict[str, str] | None = None) -> Answer:
    """Return a response with a value, or with a fault."""
    values: Any = content if isinstance(content, xmlrpc.client.Fault) else (content,)
    body = xmlrpc.client.dumps(values, methodresponse=True, allow_none=True)
    return Answer(200, body.encode(), headers or {})


def fault(code: object, text: str) -> Answer:
    """Return a response with a fault."""
    return value(xmlrpc.client.Fault(code, text))  # type: ignore[arg-type] # SoftLayer's codes are texts


@contextmanager
def answering(respond: Callable[[Call], Answer], **options: Any) -> Iterator[SoftLayerNodeDriver]:
    """A driver of a server that responds to each call as the function says."""

    def answer(seen: Seen) -> Answer:
        return respond(call_of(seen.target, seen.body))

    with serve(answer) as web:
        once = {"retry": RetryPolicy(attempts=1), **web.options, **options}
        with SoftLayerNodeDriver("user", "0123456789abcdef", **once) as driver:
            yield driver


KIT = Path(__file__).parents[3] / "shared" / "servers" / "servers"


@cache
def sdk_server() -> dict[str, Any]:
    """Return what the kit beside this repository says of the SDK's server: `url`, `log`; skip without it.

    It starts in a second, once it is installed (`make softlayer`).
    """
    if not KIT.exists():
        pytest.skip(f"there are no servers of others at {KIT.parent}")
    command = [str(KIT), "start", "--json", "softlayer"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    if run.returncode:
        pytest.skip(f"the SDK's server does not start: {run.stderr.strip()}")
    row: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return row
