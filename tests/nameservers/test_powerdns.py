"""The driver on PowerDNS, asked back over DNS. Run it by `make nameservers`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from polycloud import add_hook
from polycloud.dns.drivers.powerdns import PowerDNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordAlreadyExistsError, RecordType, ZoneDoesNotExistError
from polycloud.errors import InvalidCredsError, NotFoundError
from support.nameservers import nameserver, served

TEXT = 'a "quoted" \\ text; ' + "é" * 300


@pytest.fixture(scope="module")
def port() -> int:
    return nameserver("pdns")


@pytest.fixture
def driver(port: int) -> Iterator[PowerDNSDriver]:
    with PowerDNSDriver("secret", secure=False, host="127.0.0.1", port=port) as driver:
        yield driver


@pytest.fixture
def zone(driver: PowerDNSDriver) -> Iterator[Zone]:
    domain = f"test-{secrets.token_hex(4)}.example"
    zone = driver.create_zone(domain, extra={"nameservers": [f"ns1.{domain}."]})
    yield zone
    driver.delete_zone(zone)


@pytest.mark.parametrize(
    ("type_", "data", "extra", "answer"),
    [
        ("A", "192.0.2.1", {}, "192.0.2.1"),
        ("AAAA", "2001:DB8:0::1", {}, "2001:db8::1"),
        ("CAA", "ca.example.org", {"flags": 0, "tag": "issue"}, '0 issue "ca.example.org"'),
        ("CNAME", "bücher.example", {}, "xn--bcher-kva.example."),
        ("HTTPS", ". alpn=h2,h3", {"priority": 1}, '1 . alpn="h2,h3"'),
        ("MX", "mail.example.org", {"priority": 10}, "10 mail.example.org."),
        ("SRV", "sip.example.org", {"priority": 1, "weight": 2, "port": 3}, "1 2 3 sip.example.org."),
        ("SSHFP", f"4 2 {'0b' * 32}", {}, f"4 2 {'0b' * 32}"),
        ("TXT", 'a "b" \\ c', {}, '"a \\"b\\" \\\\ c"'),
    ],
)
def test_what_is_served(
    driver: PowerDNSDriver, zone: Zone, port: int, type_: str, data: str, extra: dict[str, Any], answer: str
) -> None:
    """The server answers each record as it was created, and not any more once it is deleted."""
    name = f"www.{zone.domain}"
    record = driver.create_record("www", zone, RecordType(type_), data, extra)
    assert served(port + 1, name, type_) == [answer]
    assert driver.delete_record(record)
    assert served(port + 1, name, type_) == []


def test_siblings_over_dns(driver: PowerDNSDriver, zone: Zone, port: int) -> None:
    """A second value is served beside the first, which stays when the second is changed and deleted."""
    zone.create_record("*.pool", RecordType.A, "192.0.2.1")
    second = zone.create_record("*.pool", RecordType.A, "192.0.2.2")
    name = f"any.pool.{zone.domain}"
    assert served(port + 1, name, "A") == ["192.0.2.1", "192.0.2.2"]
    second = second.update(data="192.0.2.3")
    assert served(port + 1, name, "A") == ["192.0.2.1", "192.0.2.3"]
    second.delete()
    assert served(port + 1, name, "A") == ["192.0.2.1"]


def test_long_texts(driver: PowerDNSDriver, zone: Zone) -> None:
    """A text of any length and script is returned as it was given."""
    made = zone.create_record("long", RecordType.TXT, TEXT)
    (listed,) = [one for one in zone.list_records() if one.name == "long"]
    assert made.data == listed.data == TEXT
    assert made.id == listed.id


def test_disabled_records(driver: PowerDNSDriver, zone: Zone, port: int) -> None:
    """A disabled record is listed but not served, and stays when its sibling is changed or deleted."""
    off = zone.create_record("www", RecordType.A, "192.0.2.1", {"disabled": True})
    on = zone.create_record("www", RecordType.A, "192.0.2.2")
    on = on.update(extra={"ttl": 60})
    assert served(port + 1, f"www.{zone.domain}", "A") == ["192.0.2.2"]
    on.delete()
    (left,) = [one for one in zone.list_records() if one.name == "www"]
    assert (left.id, left.extra["disabled"], left.ttl) == (off.id, True, 60)


def test_comments(driver: PowerDNSDriver, zone: Zone) -> None:
    """The comments of a set, which only the API shows, stay when its records are changed."""
    record = zone.create_record("www", RecordType.A, "192.0.2.1")
    path = f"/api/v1/servers/localhost/zones/{zone.id}"
    comments = [{"content": "by ann", "account": "ann"}]
    named = {"name": f"www.{zone.domain}.", "type": "A", "changetype": "REPLACE"}
    driver.connection.request(path, json={"rrsets": [{**named, "comments": comments}]}, method="PATCH")
    record.update(data="192.0.2.9")
    (found,) = [one for one in driver.connection.request(path).object["rrsets"] if one["comments"]]
    assert found["comments"][0]["content"] == "by ann"
    assert [one["content"] for one in found["records"]] == ["192.0.2.9"]


def test_moves_are_one_request(driver: PowerDNSDriver, zone: Zone) -> None:
    """A record moves to another name and type in one request, so that no name is without its answer."""
    record = zone.create_record("old", RecordType.A, "192.0.2.1", {"ttl": 60})
    methods: list[str] = []
    remove = add_hook(lambda trace: methods.append(trace.method))
    moved = record.update("new", RecordType.CNAME, "host.example.org")
    remove()
    assert methods == ["GET", "PATCH"]
    found = [(one.name, one.type, one.data, one.ttl) for one in zone.list_records() if one.name]
    assert found == [("new", "CNAME", "host.example.org", 60)]
    assert moved.extra["ttl"] == 60


def test_updates_to_what_is_there(driver: PowerDNSDriver, zone: Zone) -> None:
    """An update to the value of a sibling is refused, and changes nothing."""
    first = zone.create_record("www", RecordType.A, "192.0.2.1")
    second = zone.create_record("www", RecordType.A, "192.0.2.2")
    with pytest.raises(RecordAlreadyExistsError):
        second.update(data="192.0.2.1")
    found: list[Record] = [one for one in zone.list_records() if one.name]
    assert {one.id for one in found} == {first.id, second.id}


def test_errors(driver: PowerDNSDriver, port: int) -> None:
    """A wrong key, an unknown server and an unknown zone are errors of their own."""
    where: dict[str, Any] = {"secure": False, "host": "127.0.0.1", "port": port}
    with PowerDNSDriver("wrong", **where) as stranger, pytest.raises(InvalidCredsError):
        stranger.list_zones()
    with PowerDNSDriver("secret", **where, ex_server_id="other") as other, pytest.raises(NotFoundError):
        other.list_zones()
    with pytest.raises(ZoneDoesNotExistError, match="Not Found"):
        driver.get_zone("no-such-zone.example.")
