from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from support.loops import Run
from support.plain import PlainDriver
from support.web import Web, serve


@pytest.fixture
def run(caplog: pytest.LogCaptureFixture) -> Iterator[Run]:
    """Runs a coroutine function in asyncio's debug mode, which must have nothing to say."""

    def run_quietly(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def patient() -> Any:
            asyncio.get_running_loop().slow_callback_duration = 60
            return await main()

        return asyncio.run(patient(), debug=True)

    yield run_quietly
    gc.collect()
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warnings if record.name == "asyncio"] == []


@pytest.fixture
def droplets() -> Iterator[Sandbox]:
    """A DigitalOcean that is quick and has 45 droplets, which are 5 pages of 10."""
    with Sandbox("digitalocean", ssh="off", build=0.05, power=0.02, seed_nodes=45) as cloud:
        yield cloud


@pytest.fixture
def web() -> Iterator[Web]:
    """A server that responds to everything with the request as JSON."""
    with serve() as web:
        yield web


@pytest.fixture
def plain(web: Web) -> Iterator[PlainDriver]:
    with PlainDriver("user", "secret", **web.options) as driver:
        yield driver
