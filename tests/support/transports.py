"""The two worlds of a transport: plain code, and code in a bridge on an event loop."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from typing import Any

from polycloud.concurrency.bridge import bridged
from polycloud.http.loop import LoopTransports
from polycloud.http.messages import Transport, TransportOptions
from polycloud.http.urllib3 import Urllib3Transport

World = Callable[..., Any]
"""Calls a function with a transport that has these options, and closes the transport."""


def over_urllib3(use: Callable[[Transport], Any], **options: Any) -> Any:
    transport = Urllib3Transport(TransportOptions(**options))
    try:
        return use(transport)
    finally:
        transport.close()


def over_loop(use: Callable[[Transport], Any], **options: Any) -> Any:
    return asyncio.run(_on_loop(use, TransportOptions(**options)))


def over_uvloop(use: Callable[[Transport], Any], **options: Any) -> Any:
    uvloop: Any = importlib.import_module("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_on_loop(use, TransportOptions(**options)))


async def _on_loop(use: Callable[[Transport], Any], options: TransportOptions) -> Any:
    async with LoopTransports() as transports:
        return await bridged(lambda: use(transports(options)), transports)


WORLDS = [over_urllib3, over_loop]
if importlib.util.find_spec("uvloop"):
    WORLDS.append(over_uvloop)


def plainly(call: Callable[[], Any]) -> Any:
    return call()


def bridged_on_loop(call: Callable[[], Any]) -> Any:
    """Call in a bridge, whose requests go over a loop of its own."""

    async def main() -> Any:
        async with LoopTransports() as transports:
            return await bridged(call, transports)

    return asyncio.run(main())
