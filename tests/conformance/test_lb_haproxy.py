from collections.abc import Iterator

import pytest

from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
from polycloud.testing import LBConformance
from support.haproxy import haproxy


class TestHAProxy(LBConformance):
    not_offered = frozenset({"create_balancer", "update_balancer", "destroy_balancer"})
    over_http = False
    members_serve = False

    @pytest.fixture(scope="class")
    def path(self) -> Iterator[str]:
        with haproxy("backend web\nbackend other\n  balance leastconn") as running:
            yield running.path

    @pytest.fixture
    def driver(self, path: str) -> Iterator[HAProxyDriver]:
        with HAProxyDriver(path) as driver:
            yield driver
