import pytest

from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.testing import DNSConformance


class TestDummy(DNSConformance):
    over_http = False

    @pytest.fixture
    def driver(self) -> DummyDNSDriver:
        return DummyDNSDriver("correct horse battery staple")
