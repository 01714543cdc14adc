"""The rules of DNS on BIND, Knot DNS and PowerDNS, by dynamic updates. Run them by `make nameservers`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import ClassVar

import pytest

from polycloud.dns.drivers.rfc2136 import RFC2136Driver
from polycloud.testing import DNSConformance
from support.nameservers import SECRET, nameserver, powerdns_zone


class Updates(DNSConformance):
    """What they have in common: one zone, example.org for BIND and Knot, in which www is."""

    not_offered = frozenset({"create_zone", "update_zone", "delete_zone"})
    over_http = False
    patience = 5.0
    server: ClassVar[str]
    key: ClassVar[str] = "t"
    domain: ClassVar[str] = "example.org"
    breaks: ClassVar[dict[str, str]] = {}
    """Tests that it fails, by beginnings of their names, and what it does otherwise."""

    @pytest.fixture(autouse=True)
    def _broken(self, request: pytest.FixtureRequest) -> None:
        for name, reason in self.breaks.items():
            if request.node.name.startswith(name):
                pytest.skip(reason)

    @pytest.fixture(scope="class")
    @classmethod
    def port(cls) -> int | Iterator[int]:
        return nameserver(cls.server)

    @pytest.fixture
    def driver(self, port: int) -> Iterator[RFC2136Driver]:
        with RFC2136Driver(self.key, SECRET, host="127.0.0.1", port=port, zones=[self.domain]) as driver:
            for record in driver.list_records(driver.get_zone(self.domain)):
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


class TestPowerDNS(Updates):
    server = "pdns"
    key = f"key-{secrets.token_hex(4)}"
    domain = f"{key}.example"

    @pytest.fixture(scope="class")
    @classmethod
    def port(cls) -> Iterator[int]:
        with powerdns_zone(cls.domain, cls.key) as port:
            yield port
