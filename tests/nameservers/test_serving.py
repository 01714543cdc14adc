"""Waits until BIND, Knot DNS and PowerDNS serve a record. Run it by `make nameservers`."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.dns.objects import Zone
from polycloud.dns.serving import wait_until_gone, wait_until_served
from polycloud.dns.types import RecordType
from polycloud.errors import OperationTimeoutError
from support.nameservers import live_zone

PREFIX = f"w{secrets.token_hex(4)}"
Live = tuple[Zone, tuple[str, int]]


@pytest.fixture(params=["bind", "knot", "pdns"])
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    with live_zone(request.param) as (zone, address):
        yield zone, address
        for one in zone.list_records():
            if one.name.startswith(PREFIX):
                one.delete()


@pytest.mark.parametrize(
    ("name", "type_", "data", "extra"),
    [
        ("{}", "A", "192.0.2.1", {}),
        ("*.{}", "TXT", 'a "quoted" text; ' + "é" * 300, {}),
        ("{}", "MX", "mail.example.net", {"priority": 10}),
        ("{}", "CNAME", "bücher.example", {}),
        ("{}", "SRV", "sip.example.net", {"priority": 1, "weight": 2, "port": 3}),
        ("{}", "CAA", "ca.example.net", {"flags": 0, "tag": "issue"}),
        ("{}", "NS", "ns.example.net", {}),
        ("{}", "DS", f"1 13 2 {'ab' * 32}", {}),
    ],
)
def test_served_and_gone(live: Live, name: str, type_: str, data: str, extra: dict[str, Any]) -> None:
    """A record of any type is served once it is created, a delegation too, and gone once it is deleted."""
    zone, address = live
    name = name.format(PREFIX + secrets.token_hex(2))
    if type_ == "DS":  # servers have it at delegations only
        zone.create_record(name, RecordType.NS, "ns.example.net")
    record = zone.create_record(name, RecordType(type_), data, {"ttl": 60, **extra})
    wait_until_served(record, timeout=20, nameservers=[address])
    with pytest.raises(OperationTimeoutError):
        wait_until_gone(record, timeout=0.2, nameservers=[address])
    record.delete()
    wait_until_gone(record, timeout=20, nameservers=[address])
    with pytest.raises(OperationTimeoutError):
        wait_until_served(record, timeout=0.2, nameservers=[address])


def test_a_set_that_comes_late(live: Live) -> None:
    """The wait ends when the last value of a set is served."""
    zone, address = live
    name = PREFIX + secrets.token_hex(2)
    several = [zone.create_record(name, RecordType.A, f"192.0.2.{number}") for number in (1, 2)]
    several[1].delete()
    wait_until_gone(several[1], timeout=20, nameservers=[address])
    timer = threading.Timer(0.5, zone.create_record, [name, RecordType.A, "192.0.2.2"])
    timer.start()
    wait_until_served(several, timeout=20, nameservers=[address])
    timer.join()
