"""The rules of DNS on Designate. Run them by `make nameservers`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.dns.drivers.designate import DesignateDriver
from polycloud.testing import DNSConformance
from support.nameservers import DESIGNATE, designate


@pytest.fixture(scope="module")
def keystone() -> Iterator[str]:
    with designate() as url:
        yield url


class TestDesignate(DNSConformance):
    data = DESIGNATE
    unknown_zone_id = unknown_id = "00000000-0000-4000-8000-000000000000"

    @pytest.fixture
    def driver(self, keystone: str) -> Iterator[DesignateDriver]:
        with DesignateDriver("demo", "demo", url=keystone, ex_tenant_name="demo") as driver:
            yield driver
