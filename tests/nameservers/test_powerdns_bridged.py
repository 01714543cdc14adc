"""Libcloud's driver of PowerDNS, bridged, on the real server: what it writes is what DNS responds."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from libcloud.dns.drivers.powerdns import PowerDNSDriver

from polycloud import bridge
from polycloud.dns.types import RecordType, ZoneDoesNotExistError
from support.nameservers import nameserver, served


def test_zones_and_records() -> None:
    """A zone gets a record, which the name server answers with, and both are deleted again."""
    port = nameserver("pdns")
    kind: Any = bridge.driver_class(PowerDNSDriver)
    with kind("secret", host="127.0.0.1", port=port, secure=False, api_version="v1") as driver:
        domain = f"bridge-{secrets.token_hex(4)}.example"
        driver.create_zone(f"{domain}.", extra={"nameservers": ["ns1.example."]})
        (zone,) = driver.find_zones(domain)
        try:
            assert zone.domain == domain
            made = zone.create_record(f"www.{domain}.", RecordType.A, "192.0.2.7", {"ttl": 300})
            assert (made.name, made.data) == ("www", "192.0.2.7")
            listed = {(one.name, str(one.type)): one for one in zone.list_records()}
            assert listed["www", "A"].data == "192.0.2.7"
            assert served(port + 1, f"www.{domain}.", "A") == ["192.0.2.7"]
            assert listed["www", "A"].delete() is True
        finally:
            assert zone.delete() is True
        with pytest.raises(ZoneDoesNotExistError):
            driver.get_zone(domain)
