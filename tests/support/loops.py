"""Helpers for tests on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Run = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]
"""The fixture `run`: runs a coroutine function in asyncio's debug mode."""


async def until(reached: Callable[[], object]) -> None:
    """Return as soon as `reached` returns something true."""
    while not reached():  # noqa: ASYNC110 - it happens on the thread of a server
        await asyncio.sleep(0.005)
