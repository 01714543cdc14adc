"""Dynamic updates on BIND, Knot DNS and PowerDNS, asked back over DNS. Run it by `make nameservers`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from polycloud import aio
from polycloud.dns.drivers.rfc2136 import RFC2136Driver
from polycloud.dns.objects import Zone
from polycloud.dns.recordsets import SetChange, SetValue
from polycloud.dns.types import RecordDoesNotExistError, RecordType, ZoneDoesNotExistError
from polycloud.errors import (
    InvalidCredsError,
    PolycloudError,
)
from support.nameservers import SECRET, nameserver, powerdns_zone, served

ZONE = "example.org"


def made(port: int, secret: str = SECRET, **options: Any) -> RFC2136Driver:
    return RFC2136Driver("t", secret, host="127.0.0.1", port=port, zones=[ZONE], **options)


@pytest.fixture(params=["bind", "knot", "pdns"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that has the zone; PowerDNS gets it, and the key, by its API."""
    if request.param != "pdns":
        yield nameserver(request.param)
        return
    with powerdns_zone(ZONE, "t") as found:
        yield found


@pytest.fixture
def zone(port: int) -> Iterator[Zone]:
    with made(port) as driver:
        zone = driver.list_zones()[0]
        before = {one.id for one in driver.list_records(zone)}
        yield zone
        for one in driver.list_records(zone):
            if one.id not in before and one.type != RecordType.SOA:
                one.delete()


def test_what_is_served(zone: Zone, port: int) -> None:
    """The server answers values as they were added, changed and deleted, siblings beside them."""
    first = zone.create_record("*.pool", RecordType.A, "192.0.2.1", {"ttl": 60})
    second = zone.create_record("*.pool", RecordType.A, "192.0.2.2")
    assert served(port, f"a.pool.{ZONE}", "A") == ["192.0.2.1", "192.0.2.2"]
    first.update(data="192.0.2.3")
    second.delete()
    assert served(port, f"b.pool.{ZONE}", "A") == ["192.0.2.3"]


def test_ttls(zone: Zone) -> None:
    """A new TTL is that of all values of the set."""
    zone.create_record("ttl", RecordType.A, "192.0.2.1", {"ttl": 60})
    zone.create_record("ttl", RecordType.A, "192.0.2.2", {"ttl": 90})
    found = [(one.data, one.ttl) for one in zone.list_records() if one.name == "ttl"]
    assert sorted(found) == [("192.0.2.1", 90), ("192.0.2.2", 90)]


def test_another_type(zone: Zone) -> None:
    """A record becomes a CNAME in one update, in which the old type goes first."""
    record = zone.create_record("alias", RecordType.A, "192.0.2.1")
    record.update(type=RecordType.CNAME, data="host.example.net")
    found = [(one.type, one.data) for one in zone.list_records() if one.name == "alias"]
    assert found == [("CNAME", "host.example.net")]


def test_updates_that_cross(zone: Zone, port: int) -> None:
    """An update of a set that another program has changed since it was read keeps both changes."""
    with made(port) as other:
        theirs = other.get_zone(ZONE)

        class Late(RFC2136Driver):
            """Has another program change the set between its read and its write, once."""

            late = True

            def _change_sets(self, zone: Zone, changes: Any) -> None:
                if self.late:
                    self.late = False
                    # as another process does, which takes no turns with this one
                    (before,) = [one for one in other._sets(theirs) if one.name == "cross"]
                    after = replace(before, values=(*before.values, SetValue("192.0.2.9")))
                    other._change_sets(theirs, [SetChange(before, after)])
                super()._change_sets(zone, changes)

        zone.create_record("cross", RecordType.A, "192.0.2.1")
        with Late("t", SECRET, host="127.0.0.1", port=port) as late:
            late.create_record("cross", late.get_zone(ZONE), RecordType.A, "192.0.2.2")
    assert served(port, f"cross.{ZONE}", "A") == ["192.0.2.1", "192.0.2.2", "192.0.2.9"]


def test_absent_records(zone: Zone) -> None:
    """A delete of what is not there any more, which servers ignore silently, is an error."""
    record = zone.create_record("gone", RecordType.A, "192.0.2.1")
    record.delete()
    with pytest.raises(RecordDoesNotExistError):
        record.delete()


def test_wrong_keys(zone: Zone, port: int) -> None:
    """A wrong secret and a key that the server does not have are refused; no error shows the secret."""
    wrong = "d3Jvbmd3cm9uZ3dyb25n"
    with made(port, wrong) as stranger:
        with pytest.raises((InvalidCredsError, ZoneDoesNotExistError), match="key") as caught:
            stranger.list_records(zone)
    assert wrong not in str(caught.value)
    with RFC2136Driver("nobody", wrong, host="127.0.0.1", port=port) as stranger:
        with pytest.raises(PolycloudError):
            stranger.create_record("x", zone, RecordType.A, "192.0.2.1")


def test_zones(zone: Zone, port: int) -> None:
    """The id of a zone is its domain; a zone that the server lacks does not exist."""
    assert (zone.id, zone.domain) == (ZONE, ZONE)
    with pytest.raises(ZoneDoesNotExistError) as caught:
        zone.driver.get_zone("no-such-zone.example")
    assert caught.value.zone_id == "no-such-zone.example"


def test_loops_are_not_blocked(zone: Zone) -> None:
    """On an event loop, others run while the driver waits for the server, and calls run side by side."""

    async def run() -> list[str]:
        async with aio.AsyncDNSDriver(zone.driver) as cloud:
            create = (cloud.create_record("loop", zone, RecordType.A, f"192.0.2.{n}") for n in range(1, 5))
            return sorted([one.data for one in await asyncio.gather(*create)])

    assert asyncio.run(run()) == [f"192.0.2.{n}" for n in range(1, 5)]
    found = sorted(one.data for one in zone.list_records() if one.name == "loop")
    assert found == [f"192.0.2.{n}" for n in range(1, 5)]


def test_naptr(zone: Zone) -> None:
    """A value of NAPTR is deleted beside its sibling, although PowerDNS does not find it by its value."""
    data = ['100 10 "U" "SIP+D2U" "" a.example.net.', '100 20 "U" "SIP+D2T" "" b.example.net.']
    first, second = (zone.create_record("naptr", RecordType.NAPTR, text) for text in data)
    first.delete()
    assert [one.id for one in zone.list_records() if one.type == RecordType.NAPTR] == [second.id]
