"""Clouds that are quick, and drivers that soon give up on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any

from polycloud.common.retry import RetryPolicy
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.sandbox import Sandbox

PROVIDERS = ("nephoscale", "digitalocean")
KNOBS: dict[str, dict[str, Any]] = {
    "nephoscale": {"appear": 0.02, "build": 0.05, "power": 0.01, "destroy": 0.02},
    "digitalocean": {"build": 0.05, "power": 0.01, "droplet_limit": 100_000, "page_size": 200},
}


class Hasty(NodeDriver):
    """Gives up on lost creates, busy nodes, and tidying up, which may outlast a deadline."""

    settle_time = 0.4
    busy_time = 0.4
    tidy_time = 0.4


class HastyNephoscale(Hasty, NephoscaleNodeDriver):
    pass


class HastyDigitalOcean(Hasty, DigitalOceanNodeDriver):
    pass


HASTY: dict[str, type[Any]] = {"nephoscale": HastyNephoscale, "digitalocean": HastyDigitalOcean}


def cloud_of(provider: str) -> Sandbox:
    """A cloud without machines, whose waits are short."""
    return Sandbox(provider, ssh="off", **KNOBS[provider])


def driver_of(cloud: Sandbox, kind: type[Any] | None = None, **options: Any) -> Any:
    """A driver of a running cloud, or of what `options` point at, whose pauses are short."""
    kind = kind or HASTY[cloud.name]
    retry = RetryPolicy(base=0.01, cap=0.05, budget=1_000_000)
    return kind(*cloud.credentials[:2], **{**cloud.options, "retry": retry, **options})


def until(condition: Callable[[], bool], patience: float = 10.0) -> bool:
    """Whether a condition comes about while nobody would lose patience."""
    ends = time.monotonic() + patience
    while not (holds := condition()) and time.monotonic() < ends:
        Event().wait(0.005)
    return holds
