from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    """A NephoScale that is quick."""
    with Sandbox("nephoscale", appear=0.05, build=0.2, power=0.05, destroy=0.05, ssh="off") as cloud:
        yield cloud


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[NephoscaleNodeDriver]:
    retry = RetryPolicy(base=0.01, cap=0.02)
    with NephoscaleNodeDriver(*cloud.credentials, **cloud.options, retry=retry) as driver:
        yield driver
