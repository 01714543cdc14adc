"""The two worlds of a transport: plain code, and code in a bridge on an event loop."""

from __future__ import annotations

import asyncio
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
    async def main() -> Any:
        async with LoopTransports() as transports:
            return await bridged(lambda: use(transports(TransportOptions(**options))), transports)

    return asyncio.run(main())


WORLDS = [over_urllib3, over_loop]
