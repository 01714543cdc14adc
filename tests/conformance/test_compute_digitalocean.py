from collections.abc import Iterator

import pytest

from polycloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import ComputeConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox(
        "digitalocean", build=0.03, power=0.03, copy=0.03, attach=0.03, destroy=0.03, no_isolation=True
    ) as cloud:
        yield cloud


class TestDigitalOcean(ComputeConformance):
    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[DigitalOceanNodeDriver]:
        with DigitalOceanNodeDriver(cloud.credentials[0], region="nyc1", **cloud.options) as driver:
            yield driver
