from collections.abc import Iterator

import pytest

from polycloud.loadbalancer.drivers.haproxy import HAProxyDriver
from polycloud.testing import LBConformance
from support.haproxy import LISTENING, HAProxy, haproxy


@pytest.fixture(scope="module")
def running() -> Iterator[HAProxy]:
    with haproxy(LISTENING) as running:
        yield running


class TestHAProxy(LBConformance):
    not_offered = frozenset({"create_balancer", "update_balancer", "destroy_balancer"})
    over_http = False
    members_serve = False

    @pytest.fixture
    def driver(self, running: HAProxy) -> Iterator[HAProxyDriver]:
        with running.driver() as driver:
            yield driver
