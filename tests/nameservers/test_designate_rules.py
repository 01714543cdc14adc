"""The rules of DNS on Designate. Run them by `make nameservers`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from polycloud.dns.drivers.designate import DesignateDriver
from polycloud.dns.types import RecordType
from polycloud.testing import DNSConformance
from polycloud.testing.conformance.dns.suite import DATA
from support.nameservers import designate


@pytest.fixture(scope="module")
def keystone() -> Iterator[str]:
    with designate() as url:
        yield url


class TestDesignate(DNSConformance):
    data: ClassVar = DATA | {RecordType.HTTPS: "svc.example.org. alpn=h2,h3"}
    unknown_zone_id = unknown_id = "00000000-0000-4000-8000-000000000000"

    @pytest.fixture
    def driver(self, keystone: str) -> Iterator[DesignateDriver]:
        with DesignateDriver("demo", "demo", url=keystone, ex_tenant_name="demo") as driver:
            yield driver
