from collections.abc import Iterator

import pytest

from polycloud.dns.drivers.designate import DesignateDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import DNSConformance
from support.nameservers import DESIGNATE


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("openstack", ssh="off") as cloud:
        yield cloud


class TestDesignate(DNSConformance):
    data = DESIGNATE
    unknown_zone_id = unknown_id = "00000000-0000-4000-8000-000000000000"

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[DesignateDriver]:
        with DesignateDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver
