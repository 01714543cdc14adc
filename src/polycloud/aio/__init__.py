"""Drivers on an event loop: the same classes, awaited.

    async with aio.connect("nephoscale", "user", "password") as cloud:
        nodes = await cloud.list_nodes()

A driver's code runs as it is, in a greenlet whose waits are awaited on the running loop; its requests go out
on asyncio's connections, its SSH through asyncssh on the same loop. Cancelling the awaiting task ends the
driver's request at once. For methods that the facade does not name, use `run`: `await
aio.run(cloud.driver.ex_list_tags)`.
"""

from __future__ import annotations

from polycloud.aio.compute import AsyncNodeDriver
from polycloud.aio.connecting import connect
from polycloud.aio.dns import AsyncDNSDriver
from polycloud.aio.driver import AsyncDriver, EventLoopError, run
from polycloud.aio.loadbalancer import AsyncLBDriver
from polycloud.aio.storage import AsyncStorageDriver
from polycloud.aio.wrapping import wrap

__all__ = [
    "AsyncDNSDriver",
    "AsyncDriver",
    "AsyncLBDriver",
    "AsyncNodeDriver",
    "AsyncStorageDriver",
    "EventLoopError",
    "connect",
    "run",
    "wrap",
]
