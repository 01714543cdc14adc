from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from polycloud.dns.drivers.linode import LinodeDNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordType
from polycloud.http.retry import RetryPolicy
from polycloud.testing.contract import Contract
from support.specs import request_problems, specification
from support.web import Answer, Seen, Web, serve

Driver = LinodeDNSDriver
ZONE = {"id": 1, "domain": "example.org", "type": "master", "ttl_sec": 0}
RECORD = {"id": 1, "type": "A", "name": "www", "target": "192.0.2.1", "ttl_sec": 0}


def universal(seen: Seen) -> Answer:
    """A response that fits every request; no list has what is created."""
    path = seen.path.removeprefix("/v4")
    one = RECORD if "/records" in path else ZONE
    listed = [] if "X-Filter" in seen.headers or path.endswith("/records") else [one]
    return Answer(body={**one, "data": listed, "page": 1, "pages": 1, "results": len(listed)})


def zone(driver: Driver) -> Zone:
    return Zone("1", "example.org", "master", 86400, driver)


def record(driver: Driver, type_: RecordType = RecordType.A, **extra: Any) -> Record:
    name, data = {
        RecordType.SRV: ("_sip._tcp", "sip.example.net"),
        RecordType.MX: ("", "mail.example.net"),
    }.get(type_, ("www", "192.0.2.1"))
    return Record("1", name, type_, data, zone(driver), driver, 300, extra)


SRV = {"priority": 1, "weight": 2, "port": 3}
SLAVE = {"master_ips": ["192.0.2.1"], "tags": ["dns"], "description": "mine", "refresh_sec": 300}


def create(name: str, type_: str, data: str, **extra: Any) -> Callable[[Driver], Record]:
    return lambda driver: driver.create_record(name, zone(driver), RecordType(type_), data, extra)


CALLS: dict[str, list[Callable[[Driver], Any]]] = {
    "list_zones": [lambda driver: driver.list_zones()],
    "iterate_zones": [lambda driver: list(driver.iterate_zones())],
    "find_zones": [lambda driver: driver.find_zones("example.org")],
    "get_zone": [lambda driver: driver.get_zone("1")],
    "create_zone": [
        lambda driver: driver.create_zone("example.net"),
        lambda driver: driver.create_zone(
            "xn--bcher-kva.example", ttl=300, extra={"soa_email": "a@b.example"}
        ),
        lambda driver: driver.create_zone("example.net", "slave", extra=SLAVE),
    ],
    "update_zone": [
        lambda driver: driver.update_zone(zone(driver), "example.com", ttl=300),
        lambda driver: driver.update_zone(zone(driver), type="slave", extra={"master_ips": ["192.0.2.1"]}),
        lambda driver: driver.update_zone(zone(driver), extra={"status": "disabled", "ttl_sec": 0}),
    ],
    "delete_zone": [lambda driver: driver.delete_zone(zone(driver))],
    "list_records": [lambda driver: driver.list_records(zone(driver))],
    "get_record": [lambda driver: driver.get_record("1", "1")],
    "create_record": [
        create("www", "A", "192.0.2.1", ttl=300),
        create("", "AAAA", "2001:db8::1"),
        create("*.www", "CAA", "ca.example.net", flags=0, tag="issue"),
        create("www", "CNAME", "host.example.net"),
        create("", "MX", "mail.example.net", priority=10),
        create("", "MX", ".", priority=0),
        create("sub", "NS", "ns.example.net"),
        create("ptr", "PTR", "host.example.net"),
        create("_sip._tcp.sub", "SRV", "sip.example.net", **SRV),
        create("_dmarc", "TXT", "v=DMARC1; p=none", ttl_sec=0),
    ],
    "update_record": [
        lambda driver: driver.update_record(record(driver)),
        lambda driver: driver.update_record(record(driver), "mail", RecordType.A, "192.0.2.2", {"ttl": 60}),
        lambda driver: driver.update_record(record(driver, RecordType.SRV, **SRV), "_sip._udp"),
        lambda driver: driver.update_record(record(driver, RecordType.MX, priority=1), extra={"priority": 2}),
    ],
    "delete_record": [lambda driver: driver.delete_record(record(driver))],
    "ex_import_zone": [lambda driver: driver.ex_import_zone("example.net", "ns1.example.com")],
    "ex_clone_zone": [lambda driver: driver.ex_clone_zone(zone(driver), "example.net")],
}


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract(specification("linode"))


@pytest.fixture
def web() -> Iterator[Web]:
    with serve(universal) as web:
        yield web


def test_every_call_is_checked() -> None:
    """Every operation that the driver implements, and every extension, is in CALLS."""
    own = {name for name in Driver.operations() if not hasattr(getattr(Driver, name), "needs")}
    assert set(CALLS) >= {*own, *Driver.extensions()}


def problems(seen: Seen, contract: Contract) -> list[str]:
    # The text says that the name of the domain itself is "", which the schema forbids
    return [text for text in request_problems(contract, seen) if "'' should be non-empty" not in text]


@pytest.mark.parametrize("name", CALLS)
def test_requests_are_as_documented(name: str, web: Web, contract: Contract) -> None:
    """Every request of the driver is as the provider's document describes it."""
    with Driver("token", retry=RetryPolicy(attempts=1), **web.options) as driver:
        for call in CALLS[name]:
            call(driver)
    assert web.seen
    assert [problem for seen in web.seen for problem in problems(seen, contract)] == []


JSON = {"Content-Type": "application/json"}
WRONG = {
    "'colour'": Seen("POST", "/v4/domains/1/records", JSON, b'{"type": "A", "colour": "red"}', 1),
    "'type' is a required property": Seen("POST", "/v4/domains/1/records", JSON, b'{"name": ""}', 1),
}


@pytest.mark.parametrize("problem", WRONG)
def test_problems_are_found(problem: str, contract: Contract) -> None:
    """A request that is not as documented is reported, although one fault of the document is ignored."""
    assert problem in "; ".join(problems(WRONG[problem], contract))
