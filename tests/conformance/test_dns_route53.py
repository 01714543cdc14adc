from collections.abc import Iterator

import pytest

from polycloud.dns.drivers.route53 import Route53DNSDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import DNSConformance


class TestRoute53(DNSConformance):
    unknown_zone_id = "Z0UNKNOWN0ZONE"
    zones_have_ttl = False

    @pytest.fixture
    def driver(self, aws: Sandbox) -> Iterator[Route53DNSDriver]:
        with Route53DNSDriver(*aws.credentials, **aws.options, ex_per_page=2) as driver:
            yield driver
