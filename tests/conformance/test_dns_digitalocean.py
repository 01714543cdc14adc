from collections.abc import Iterator

import pytest

from polycloud.dns.drivers.digitalocean import DigitalOceanDNSDriver
from polycloud.sandbox import Sandbox
from polycloud.testing import DNSConformance


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with Sandbox("digitalocean", ssh="off", largest_page=2) as cloud:
        yield cloud


class TestDigitalOcean(DNSConformance):
    not_offered = frozenset({"update_zone"})

    @pytest.fixture
    def driver(self, cloud: Sandbox) -> Iterator[DigitalOceanDNSDriver]:
        with DigitalOceanDNSDriver(cloud.credentials[0], **cloud.options) as driver:
            yield driver
