from collections.abc import Iterator

import pytest

from polycloud.dns.drivers.route53 import Route53DNSDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import DNSConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("route53", types="t3") as cloud:
        yield cloud


class TestRoute53(DNSConformance):
    unknown_zone_id = "Z0UNKNOWN0ZONE"
    zones_have_ttl = False

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[Route53DNSDriver]:
        with Route53DNSDriver(*cloud.credentials, **cloud.options, ex_per_page=2) as driver:
            yield driver
