import pytest

from polycloud.compute.drivers.dummy import DummyNodeDriver
from polycloud.testing import ComputeConformance


class TestDummy(ComputeConformance):
    not_offered = frozenset({"deploy_node"})  # there is no SSH in memory
    over_http = False

    @pytest.fixture
    def driver(self) -> DummyNodeDriver:
        return DummyNodeDriver("correct horse battery staple")
