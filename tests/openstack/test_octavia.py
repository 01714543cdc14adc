"""The rules of load balancers on the real Octavia."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.loadbalancer.drivers.octavia import OctaviaLBDriver
from polycloud.testing import LBConformance
from support.kitopenstack import front
from support.octavia import OctaviaRules
from support.web import Web


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with front("keystone", "octavia") as web:
        yield web


class TestOctavia(OctaviaRules, LBConformance):
    @pytest.fixture
    def driver(self, web: Web) -> Iterator[OctaviaLBDriver]:
        with OctaviaLBDriver("demo", "demo", url=f"{web.url}/keystone", ex_tenant_name="demo") as driver:
            yield driver
