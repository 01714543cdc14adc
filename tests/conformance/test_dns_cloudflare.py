from collections.abc import Iterator

import pytest

from polycloud.dns.drivers.cloudflare import CloudflareDNSDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import DNSConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("cloudflare", record_page=5, zone_page=5) as cloud:
        yield cloud


class TestCloudflare(DNSConformance):
    zones_have_ttl = False
    several = 6

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[CloudflareDNSDriver]:
        with CloudflareDNSDriver(*cloud.credentials, **cloud.options) as driver:
            yield driver
