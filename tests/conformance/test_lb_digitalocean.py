from collections.abc import Iterator

import pytest

from polycloud.loadbalancer.drivers.digitalocean import DigitalOceanLBDriver
from polycloud.testing import LBConformance
from support.droplets import DropletMembers, Ground, ground


@pytest.fixture(scope="module")
def here() -> Iterator[Ground]:
    with ground() as here:
        yield here


class TestDigitalOcean(DropletMembers, LBConformance):
    @pytest.fixture
    def driver(self, here: Ground) -> Iterator[DigitalOceanLBDriver]:
        with DigitalOceanLBDriver(here.cloud.credentials[0], region="nyc3", **here.cloud.options) as driver:
            yield driver
