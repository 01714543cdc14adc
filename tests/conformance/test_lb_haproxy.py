from collections.abc import Iterator

import pytest

from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
from polycloud.testing import LBConformance
from support.haproxy import LISTENING, haproxy


class TestHAProxy(LBConformance):
    not_offered = frozenset({"create_balancer", "update_balancer", "destroy_balancer"})
    over_http = False
    members_serve = False

    @pytest.fixture
    def driver(self) -> Iterator[HAProxyDriver]:
        with haproxy(LISTENING) as running, running.driver() as driver:
            yield driver
