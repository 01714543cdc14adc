from collections.abc import Iterator

import pytest

from polycloud.loadbalancer.drivers.octavia import OctaviaLBDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import LBConformance
from support.octavia import OctaviaRules


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("openstack", ssh="off", balancing=0.0, page_size=5) as cloud:
        yield cloud


class TestOctavia(OctaviaRules, LBConformance):
    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[OctaviaLBDriver]:
        with OctaviaLBDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver
