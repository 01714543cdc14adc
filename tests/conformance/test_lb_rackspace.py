from collections.abc import Iterator

import pytest

from polycloud.loadbalancer.drivers.rackspace import RackspaceLBDriver
from polycloud.loadbalancer.settings import HealthCheck
from polycloud.sandbox import Sandbox
from polycloud.testing import LBConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("rackspace", ssh="off", balancing=0.0) as cloud:
        yield cloud


class TestRackspace(LBConformance):
    unknown_id = "999999999"
    lists_cheaply = False
    health_check = HealthCheck(protocol="http", path="/health", interval=15, timeout=5, unhealthy=4)

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[RackspaceLBDriver]:
        with RackspaceLBDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver
