"""What `rfc2136` does without a name server: arguments, deadlines, connections that fail."""

from __future__ import annotations

import asyncio
import pickle
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from polycloud import aio, call_options
from polycloud.dns.drivers.rfc2136 import RFC2136Driver
from polycloud.dns.providers import get_driver
from polycloud.errors import (
    ConnectError,
    InvalidArgumentError,
    InvalidCredsError,
    OperationTimeoutError,
    ReadTimeoutError,
    TransportError,
)

SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0"


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def made(port: int, **options: Any) -> RFC2136Driver:
    return get_driver("rfc2136")("key", SECRET, host="127.0.0.1", port=port, zones=["example.org"], **options)


def test_deadlines(silent: int) -> None:
    """A deadline ends a query that is not answered, and so does the timeout of the connection."""
    with made(silent) as driver, call_options(deadline=0.2):
        began = time.monotonic()
        with pytest.raises(OperationTimeoutError):
            driver.list_zones()
    with made(silent, timeout=0.2) as driver, pytest.raises(ReadTimeoutError, match=r"SOA example\.org"):
        driver.list_zones()
    assert time.monotonic() - began < 10


def test_loops_are_not_blocked(silent: int) -> None:
    """On an event loop, other tasks run while a query waits."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    async def run() -> None:
        others = asyncio.create_task(tick())
        async with aio.AsyncDNSDriver(made(silent)) as cloud:
            with call_options(deadline=0.3), pytest.raises(OperationTimeoutError):
                await cloud.list_zones()
        others.cancel()

    asyncio.run(run())
    assert ticks > 3


def test_connections_that_fail(silent: int) -> None:
    """A port where nobody listens, and a server that hangs up, are errors that say what was asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    with made(closed) as driver, pytest.raises(ConnectError, match=r"refused.*SOA example\.org"):
        driver.list_zones()
    with socket.create_server(("127.0.0.1", 0)) as server:

        async def hang_up() -> None:
            loop = asyncio.get_running_loop()
            server.setblocking(False)
            task = asyncio.create_task(aio.AsyncDNSDriver(made(server.getsockname()[1])).list_zones())
            connection, _ = await loop.sock_accept(server)
            connection.close()
            with pytest.raises(TransportError, match=r"SOA example\.org"):
                await task

        asyncio.run(hang_up())


@pytest.mark.parametrize(
    ("secret", "options", "error", "message"),
    [
        ("not base64!", {}, InvalidCredsError, "the secret must be in base64"),
        (SECRET, {"algorithm": "sha256"}, InvalidArgumentError, "algorithm must be one of hmac-md5"),
        (SECRET, {"zones": "example.org"}, InvalidArgumentError, "zones must be a list of domains"),
        (
            SECRET,
            {"algorithm": "hmac-sha1", "zones": ["a b"]},
            InvalidArgumentError,
            "zones must not contain",
        ),
        (SECRET, {"zones": ["a..b"]}, InvalidArgumentError, "zones must consist of labels"),
    ],
)
def test_arguments(secret: str, options: dict[str, Any], error: type[Exception], message: str) -> None:
    """An argument that is not valid is refused when the driver is made, without showing the secret."""
    with pytest.raises(error, match=message) as caught:
        RFC2136Driver("key", secret, **options)
    assert secret not in str(caught.value)


def test_pickles(silent: int) -> None:
    """A driver comes back from a pickle with its key, algorithm and zones, and shows no secret."""
    driver = pickle.loads(pickle.dumps(made(silent, algorithm="hmac-sha512")))
    assert (driver.key, driver.secret, driver._algorithm) == ("key", SECRET, "hmac-sha512")
    assert driver._domains == ["example.org"]
    assert repr(driver) == f"<RFC2136Driver <RFC2136Connection dns://127.0.0.1:{silent}>>"
