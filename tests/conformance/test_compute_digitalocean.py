from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox(
        "digitalocean", build=0.1, power=0.05, copy=0.05, attach=0.05, destroy=0.05, no_isolation=True
    ) as cloud:
        yield cloud


class TestDigitalOcean(ComputeConformance):
    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[DigitalOceanNodeDriver]:
        with DigitalOceanNodeDriver(cloud.credentials[0], region="nyc1", **cloud.options) as driver:
            yield driver
