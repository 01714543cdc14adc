from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.compute.drivers.nephoscale import NephoscaleNodeDriver
from polycloud.sandbox import Sandbox


@pytest.fixture(scope="session")
def droplets() -> Iterator[Sandbox]:
    """A DigitalOcean with three droplets, from which tests read."""
    with Sandbox("digitalocean", ssh="off", seed_nodes=3, power=0.02) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def servers() -> Iterator[Sandbox]:
    """A NephoScale without servers, from which tests read."""
    with Sandbox("nephoscale", ssh="off") as cloud:
        yield cloud


@pytest.fixture
def prod(droplets: Sandbox) -> Iterator[DigitalOceanNodeDriver]:
    with DigitalOceanNodeDriver(*droplets.credentials, **droplets.options) as driver:
        yield driver


@pytest.fixture
def office(servers: Sandbox) -> Iterator[NephoscaleNodeDriver]:
    with NephoscaleNodeDriver(*servers.credentials, **servers.options) as driver:
        yield driver
