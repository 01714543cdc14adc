from collections.abc import Iterator

import pytest

from polycloud.dns.drivers.linode import LinodeDNSDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import DNSConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("linode", ssh="off") as cloud:
        yield cloud


class TestLinode(DNSConformance):
    several = 26
    ttl, other_ttl = 3600, 7200
    unknown_zone_id = "999999999"

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[LinodeDNSDriver]:
        with LinodeDNSDriver(cloud.credentials[0], ex_per_page=25, **cloud.options) as driver:
            yield driver
