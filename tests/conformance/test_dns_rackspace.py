from collections.abc import Iterator

import pytest

from polycloud.dns.drivers.rackspace import RackspaceDNSDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import DNSConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("rackspace", ssh="off", dns_page=2, dns_job=0.01) as cloud:
        yield cloud


class TestRackspace(DNSConformance):
    unknown_zone_id = "999999999"

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[RackspaceDNSDriver]:
        with RackspaceDNSDriver(*cloud.credentials, **cloud.options) as driver:
            driver.connection.poll_interval = 0.01
            yield driver
