import pytest

from polycloud.loadbalancer.drivers.dummy import DummyLBDriver
from polycloud.testing import LBConformance


class TestDummy(LBConformance):
    over_http = False
    unique_names = True

    @pytest.fixture
    def driver(self) -> DummyLBDriver:
        return DummyLBDriver("correct horse battery staple")
