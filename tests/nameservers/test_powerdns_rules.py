"""The rules of DNS on PowerDNS. Run them by `make nameservers`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polycloud.dns.drivers.powerdns import PowerDNSDriver
from polycloud.testing import DNSConformance
from support.nameservers import nameserver


class TestPowerDNS(DNSConformance):
    not_offered = frozenset({"update_zone"})
    unknown_zone_id = "conformance-no-such-zone.net."

    @pytest.fixture
    def driver(self) -> Iterator[PowerDNSDriver]:
        with PowerDNSDriver("secret", url=f"http://127.0.0.1:{nameserver('pdns')}") as driver:
            yield driver
