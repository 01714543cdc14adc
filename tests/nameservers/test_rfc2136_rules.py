"""The rules of DNS on BIND and Knot DNS, by dynamic updates. Run them by `make nameservers`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from polycloud.dns.drivers.rfc2136 import RFC2136Driver
from polycloud.testing import DNSConformance
from support.nameservers import SECRET, nameserver


class Updates(DNSConformance):
    """What both have in common: they have one zone, example.org, in which www is."""

    not_offered = frozenset({"create_zone", "update_zone", "delete_zone"})
    over_http = False
    patience = 5.0
    server: ClassVar[str]
    breaks: ClassVar[dict[str, str]] = {}
    """Tests that it fails, by beginnings of their names, and what it does otherwise."""

    @pytest.fixture(autouse=True)
    def _broken(self, request: pytest.FixtureRequest) -> None:
        for name, reason in self.breaks.items():
            if request.node.name.startswith(name):
                pytest.skip(reason)

    @pytest.fixture
    def driver(self) -> Iterator[RFC2136Driver]:
        port = nameserver(self.server)
        with RFC2136Driver("t", SECRET, host="127.0.0.1", port=port, zones=["example.org"]) as driver:
            for record in driver.list_records(driver.get_zone("example.org")):
                if record.name == "www":
                    driver.delete_record(record)
            yield driver


class TestBIND(Updates):
    server = "bind"
    breaks: ClassVar = {
        "test_d38_create_record[DS]": "it ignores DS where there is no NS",
        "test_d32": "it ignores DS where there is no NS",
        "test_d41_names[_": "it refuses A records at names with underscores",
    }


class TestKnot(Updates):
    server = "knot"
