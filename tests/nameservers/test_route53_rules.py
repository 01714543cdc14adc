"""The rules of DNS on MiniStack's Route 53, which others wrote. Run them by `make nameservers`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.dns.drivers.route53 import Route53DNSDriver
from polycloud.testing import DNSConformance
from support import kit
from support.nameservers import nameserver


class TestRoute53(DNSConformance):
    unknown_zone_id = "Z0UNKNOWN0ZONE"
    zones_have_ttl = False

    @pytest.fixture
    def driver(self) -> Iterator[Route53DNSDriver]:
        url = f"http://127.0.0.1:{nameserver('ministack')}"
        key, secret = kit.started("ministack")["credentials"].split(" / ")
        with Route53DNSDriver(key, secret, url=url, ex_per_page=2) as driver:
            yield driver
