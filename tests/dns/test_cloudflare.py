"""Cloudflare's requests and responses, as its documents have them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given

from polycloud.dns.changes import RecordChange, RecordsNotChangedError
from polycloud.dns.comparing import ZoneProblemsError
from polycloud.dns.content import Content
from polycloud.dns.drivers.cloudflare import CloudflareDNSDriver
from polycloud.dns.drivers.cloudflare.records import SHAPES, RecordPayload, value_fields
from polycloud.dns.objects import Record, Zone
from polycloud.dns.plan import plan_zone
from polycloud.dns.providers import get_driver
from polycloud.dns.types import (
    RecordAlreadyExistsError,
    RecordConflictError,
    RecordDoesNotExistError,
    RecordType,
    ZoneAlreadyExistsError,
    ZoneDoesNotExistError,
)
from polycloud.dns.wanted import WantedZone
from polycloud.errors import (
    AmbiguousCreateError,
    InvalidArgumentError,
    InvalidCredsError,
    InvalidNameError,
    MalformedResponseError,
    ProviderHTTPError,
    QuotaExceededError,
    RateLimitReachedError,
    ServerError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.sandbox.cloudflare import CloudflareSettings
from polycloud.tracing.hooks import add_hook
from support.records import VALUES, RecordValue
from support.web import Answer, Seen, Web, serve

ZONE_ID, RECORD_ID = "023e105f4ecef8ad9ca31a8372d0c353", "372e67954025e0ba6aaa6d586b9e0b59"
RECORDS = f"/client/v4/zones/{ZONE_ID}/dns_records"
RECORD = f"{RECORDS}/{RECORD_ID}"
ZONE = {
    "id": ZONE_ID,
    "name": "example.org",
    "type": "full",
    "status": "pending",
    "name_servers": ["a.ns", "b.ns"],
}
PLAIN = {"id": RECORD_ID, "name": "www.example.org", "type": "A", "content": "192.0.2.1", "ttl": 1}
OWN = {"proxied": False, "comment": "", "tags": [], "settings": {}}
TOKEN = "sn3lzjtbx6kkg7odcbuaxooo963geiyg"
ONCE = RetryPolicy(attempts=1)


def ok(result: Any, **info: Any) -> Answer:
    return Answer(body={"success": True, "errors": [], "messages": [], "result": result, "result_info": info})


def refused(status: int, *errors: dict[str, Any], **headers: str) -> Answer:
    body = {"success": False, "errors": list(errors), "messages": [], "result": None}
    return Answer(status, body, headers)


class Cloud:
    """A server with an answer for each method and path; lists are empty unless there is one."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer | Callable[[Seen], Answer | None]] = {}
        self.web: Web

    def __call__(self, seen: Seen) -> Answer | None:
        answer = self.answers.get((seen.method, seen.path), ok([]))
        return answer if isinstance(answer, Answer) else answer(seen)

    @property
    def sent(self) -> list[tuple[str, Any]]:
        """The method and the body of each request that is not a GET."""
        return [(one.method, json.loads(one.body or b"null")) for one in self.web.seen if one.method != "GET"]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    with serve(cloud) as cloud.web:
        yield cloud


class Impatient(CloudflareDNSDriver):
    settle_time = 0.3  # shorter than the provider's


@pytest.fixture
def driver(cloud: Cloud) -> Iterator[CloudflareDNSDriver]:
    with Impatient(TOKEN, **cloud.web.options, retry=ONCE) as driver:
        yield driver


@pytest.fixture
def zone(driver: CloudflareDNSDriver) -> Zone:
    return Zone(ZONE_ID, "example.org", "master", None, driver)


def echoed(seen: Seen) -> Answer:
    """Return the record of a request, which has an id now."""
    return ok({"content": None, **json.loads(seen.body), "id": RECORD_ID})


# Credentials


def test_a_token(cloud: Cloud, driver: CloudflareDNSDriver) -> None:
    """A token alone is sent as a bearer token."""
    driver.list_zones()
    headers = cloud.web.seen[0].headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert "X-Auth-Key" not in headers


def test_an_address_and_a_key(cloud: Cloud) -> None:
    """An e-mail address and the global key are sent in headers of their own."""
    with get_driver("cloudflare")("me@example.org", "hunter22", **cloud.web.options) as driver:
        driver.list_zones()
    headers = cloud.web.seen[0].headers
    assert (headers["X-Auth-Email"], headers["X-Auth-Key"]) == ("me@example.org", "hunter22")
    assert "Authorization" not in headers
    assert (driver.key, driver.secret) == ("me@example.org", "hunter22")
    assert "hunter22" not in repr(driver)


@pytest.mark.parametrize("given", [("me@example.org",), ("token", "key"), ("",), ("me@example.org", "")])
def test_credentials_that_are_neither(given: tuple[str, ...]) -> None:
    """An address without a key, and a token with one, are refused before anything is sent."""
    with pytest.raises(InvalidCredsError, match="Cloudflare needs"):
        CloudflareDNSDriver(*given)


EMAIL, API_KEY = CloudflareSettings.email, CloudflareSettings.api_key


@pytest.mark.parametrize(
    "wrong", [("wrong",), ("a" * 40,), (EMAIL, "wrong"), (EMAIL, "0" * 37), ("other@example.com", API_KEY)]
)
def test_wrong_credentials(wrong: tuple[str, ...]) -> None:
    """Wrong tokens, keys and addresses of any form are `InvalidCredsError`; a right pair is not."""
    with Sandbox("cloudflare") as cloud:
        with CloudflareDNSDriver(*wrong, **cloud.options) as driver, pytest.raises(InvalidCredsError):
            driver.list_zones()
        with CloudflareDNSDriver(EMAIL, API_KEY, **cloud.options) as driver:
            assert driver.list_zones() == []


# Zones


def test_zones(cloud: Cloud, driver: CloudflareDNSDriver) -> None:
    """A zone has its status and its name servers in `extra`; zones are listed in pages of 50."""
    pages = {"1": ok([ZONE], total_pages=2, total_count=2, per_page=50)}
    pages["2"] = ok([{**ZONE, "id": "2", "type": "secondary"}], total_pages=2, total_count=2, per_page=50)
    cloud.answers["GET", "/client/v4/zones"] = lambda seen: pages[seen.query["page"][0]]
    first, second = driver.list_zones()
    assert (first.id, first.domain, first.type, first.ttl) == (ZONE_ID, "example.org", "master", None)
    assert first.extra["status"] == "pending"
    assert first.extra["name_servers"] == ["a.ns", "b.ns"]
    assert second.type == "slave"
    assert {seen.query["per_page"][0] for seen in cloud.web.seen} == {"50"}
    assert [one.id for one in driver.iterate_zones()] == [ZONE_ID, "2"]


def test_creating_zones(cloud: Cloud) -> None:
    """A zone is created in the given account, in which it is looked for before."""
    cloud.answers["POST", "/client/v4/zones"] = ok(ZONE)
    with CloudflareDNSDriver(TOKEN, **cloud.web.options, ex_account_id="acc") as driver:
        assert driver.create_zone("Example.ORG.").id == ZONE_ID
        driver.create_zone("example.org", "slave")
        driver.create_zone("example.org", extra={"type": "partial"})
    assert cloud.web.seen[0].query.items() >= {"name": ["example.org"], "account.id": ["acc"]}.items()
    common = {"name": "example.org", "account": {"id": "acc"}}
    assert [body for _, body in cloud.sent] == [
        {**common, "type": type_} for type_ in ("full", "secondary", "partial")
    ]


def test_the_account_of_a_zone(cloud: Cloud, driver: CloudflareDNSDriver) -> None:
    """Without `ex_account_id`, a zone is created in the only account; of several, one must be given."""
    cloud.answers["POST", "/client/v4/zones"] = ok(ZONE)
    cloud.answers["GET", "/client/v4/accounts"] = ok([{"id": "acc"}])
    driver.create_zone("example.org")
    assert cloud.sent[0][1]["account"] == {"id": "acc"}
    for accounts in ([], [{"id": "acc"}, {"id": "other"}]):
        cloud.answers["GET", "/client/v4/accounts"] = ok(accounts)
        with pytest.raises(
            InvalidArgumentError, match=f"have {len(accounts)} accounts: give .* ex_account_id="
        ):
            driver.create_zone("example.org")
    assert len(cloud.sent) == 1


def test_a_zone_that_exists(cloud: Cloud, driver: CloudflareDNSDriver) -> None:
    """A domain that the provider has is refused, whether the list shows it or only the create."""
    cloud.answers["GET", "/client/v4/accounts"] = ok([{"id": "acc"}])
    cloud.answers["POST", "/client/v4/zones"] = refused(
        400, {"code": 1061, "message": "example.org already exists"}
    )
    with pytest.raises(ZoneAlreadyExistsError, match=r"already exists \(1061\)"):
        driver.create_zone("example.org")
    cloud.answers["GET", "/client/v4/zones"] = ok([ZONE], total_count=1)
    with pytest.raises(ZoneAlreadyExistsError):
        driver.create_zone("example.org")
    assert len(cloud.sent) == 1


def test_changing_zones(cloud: Cloud, driver: CloudflareDNSDriver, zone: Zone) -> None:
    """Each property of a zone is changed by a request of its own, as the provider wants it."""
    path = f"/client/v4/zones/{ZONE_ID}"
    cloud.answers["PATCH", path] = lambda seen: ok({**ZONE, **json.loads(seen.body)})
    changed = driver.update_zone(zone, type="slave", extra={"paused": True})
    assert cloud.sent == [("PATCH", {"paused": True}), ("PATCH", {"type": "secondary"})]
    assert changed.type == "slave"
    cloud.answers["GET", path] = ok(ZONE)
    assert driver.update_zone(zone, "example.org", "master").id == ZONE_ID
    assert len(cloud.sent) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"ttl": 60}, UnsupportedOperationError, "ttl must be None, got 60"),
        ({"domain": "example.net"}, UnsupportedOperationError, "cannot change the domain"),
        ({"type": "primary"}, InvalidArgumentError, "type must be 'master' or 'slave'"),
        ({"extra": {"pausd": True}}, InvalidArgumentError, "extra can have paused, .*, got pausd"),
    ],
)
def test_changes_of_zones_that_cannot_be(
    cloud: Cloud, zone: Zone, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """What a zone cannot have is refused before anything is sent."""
    with pytest.raises(error, match=message):
        zone.update(**arguments)
    assert cloud.web.seen == []


# Values

SRV = {"priority": 10, "weight": 5, "port": 5223}
READ: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"type": "A", "content": "192.0.2.1"}, "192.0.2.1", {}),
    ({"type": "AAAA", "content": "2001:DB8::1"}, "2001:db8::1", {}),
    ({"type": "CNAME", "content": "Host.example.net"}, "host.example.net", {}),
    ({"type": "MX", "content": "mail.example.net", "priority": 10}, "mail.example.net", {"priority": 10}),
    ({"type": "MX", "content": ".", "priority": 0}, ".", {"priority": 0}),
    ({"type": "MX", "content": "m.example.net", "data": {"priority": 3}}, "m.example.net", {"priority": 3}),
    ({"type": "TXT", "content": '"v=spf1 -all"'}, "v=spf1 -all", {}),
    ({"type": "TXT", "content": '"one " "two"'}, "one two", {}),
    ({"type": "TXT", "content": r'"a \"b\" \\ \195\169"'}, 'a "b" \\ é', {}),
    ({"type": "TXT", "content": 'v=spf1  a:"b" -all'}, 'v=spf1  a:"b" -all', {}),
    ({"type": "TXT", "content": '"left open'}, '"left open', {}),
    (
        {
            "type": "SRV",
            "content": "5 5223 server.example.com",
            "priority": 10,
            "data": {"port": 5223, "priority": 10, "target": "server.example.com", "weight": 5},
        },
        "server.example.com",
        SRV,
    ),
    ({"type": "SRV", "content": "10 5 5223 server.example.com"}, "server.example.com", SRV),
    (
        {"type": "CAA", "data": {"flags": 0, "tag": "issue", "value": 'ca.example; a="b"'}},
        'ca.example; a="b"',
        {"flags": 0, "tag": "issue"},
    ),
    (
        {
            "type": "HTTPS",
            "data": {"priority": 1, "target": ".", "value": 'alpn="h3,h2" ipv4hint="192.0.2.1"'},
        },
        ". alpn=h3,h2 ipv4hint=192.0.2.1",
        {"priority": 1},
    ),
    (
        {"type": "SVCB", "data": {"priority": 0, "target": "b.example", "value": ""}},
        "b.example.",
        {"priority": 0},
    ),
    (
        {"type": "URI", "priority": 10, "data": {"weight": 1, "target": "https://example.org/"}},
        "https://example.org/",
        {"priority": 10, "weight": 1},
    ),
    (
        {
            "type": "NAPTR",
            "data": {
                "order": 100,
                "preference": 10,
                "flags": "U",
                "service": "E2U+sip",
                "regex": r"!^(.*)$!sip:\1@example.org!",
                "replacement": ".",
            },
        },
        r'100 10 "U" "E2U+sip" "!^(.*)$!sip:\\1@example.org!" .',
        {},
    ),
    (
        {
            "type": "LOC",
            "data": {
                "lat_degrees": 37,
                "lat_minutes": 46,
                "lat_seconds": 46.5,
                "lat_direction": "N",
                "long_degrees": 122,
                "long_minutes": 23,
                "long_seconds": 35.0,
                "long_direction": "W",
                "altitude": 0,
                "size": 100,
                "precision_horz": 0,
                "precision_vert": 0,
            },
        },
        "37 46 46.500 N 122 23 35.000 W 0.00m 100.00m 0.00m 0.00m",
        {},
    ),
    (
        {"type": "CERT", "data": {"type": 1, "key_tag": 7, "algorithm": 8, "certificate": "aGVsbG8="}},
        "PKIX 7 RSASHA256 aGVsbG8=",
        {},
    ),
    (
        {"type": "DS", "data": {"key_tag": 7, "algorithm": 13, "digest_type": 2, "digest": "0A" * 32}},
        f"7 13 2 {'0a' * 32}",
        {},
    ),
    ({"type": "SMIMEA", "content": f"3 1 1 {'0c' * 32}"}, f"3 1 1 {'0c' * 32}", {}),
    ({"type": "NEWTYPE", "content": "anything"}, "anything", {}),
]


@pytest.mark.parametrize(("payload", "data", "fields"), READ)
def test_values_in_responses(
    cloud: Cloud, zone: Zone, payload: dict[str, Any], data: str, fields: dict[str, Any]
) -> None:
    """A value is read from the content or the data of a record, its parts such as the priority in `extra`."""
    cloud.answers["GET", RECORDS] = ok([{**PLAIN, "content": "", **payload}])
    (record,) = zone.list_records()
    assert (record.name, record.type, record.data) == ("www", payload["type"], data)
    assert record.extra == {"ttl": 300, **OWN, **fields}


WRITTEN: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("A", "192.0.2.1", {}, {"content": "192.0.2.1"}),
    ("CNAME", "Host.Example.NET.", {}, {"content": "host.example.net"}),
    ("MX", "mail.example.net", {"priority": 5}, {"content": "mail.example.net", "priority": 5}),
    ("TXT", 'say "hi" \\', {}, {"content": r'"say \"hi\" \\"'}),
    ("TXT", "x" * 300, {}, {"content": f'"{"x" * 255}" "{"x" * 45}"'}),
    ("TXT", "é", {}, {"content": r'"\195\169"'}),
    ("SRV", "s.example.net", SRV, {"data": {**SRV, "target": "s.example.net"}}),
    (
        "CAA",
        'ca.example; a="b"',
        {"flags": 128, "tag": "issue"},
        {"data": {"flags": 128, "tag": "issue", "value": 'ca.example; a="b"'}},
    ),
    (
        "HTTPS",
        ". alpn=h2,h3 port=8443",
        {"priority": 1},
        {"data": {"priority": 1, "target": ".", "value": "alpn=h2,h3 port=8443"}},
    ),
    ("SVCB", "b.example.", {"priority": 0}, {"data": {"priority": 0, "target": "b.example", "value": ""}}),
    (
        "URI",
        "https://example.org/?a=b",
        {"priority": 10, "weight": 1},
        {"priority": 10, "data": {"weight": 1, "target": "https://example.org/?a=b"}},
    ),
    (
        "LOC",
        "52 22 23.000 N 4 53 32.500 E -2.00m",
        {},
        {
            "data": {
                "lat_degrees": 52,
                "lat_minutes": 22,
                "lat_seconds": 23,
                "lat_direction": "N",
                "long_degrees": 4,
                "long_minutes": 53,
                "long_seconds": 32.5,
                "long_direction": "E",
                "altitude": -2,
                "size": 1,
                "precision_horz": 10000,
                "precision_vert": 10,
            }
        },
    ),
    (
        "CERT",
        "PKIX 7 RSASHA256 aGVsbG8=",
        {},
        {"data": {"type": 1, "key_tag": 7, "algorithm": 8, "certificate": "aGVsbG8="}},
    ),
    (
        "DNSKEY",
        "256 3 8 aGVsbG8=",
        {},
        {"data": {"flags": 256, "protocol": 3, "algorithm": 8, "public_key": "aGVsbG8="}},
    ),
    ("SSHFP", f"4 2 {'0b' * 32}", {}, {"data": {"algorithm": 4, "type": 2, "fingerprint": "0b" * 32}}),
    ("OPENPGPKEY", "aGVsbG8=", {}, {"content": "aGVsbG8="}),
]


@pytest.mark.parametrize(("type_", "data", "extra", "value"), WRITTEN)
def test_values_in_requests(
    cloud: Cloud, zone: Zone, type_: RecordType, data: str, extra: dict[str, Any], value: dict[str, Any]
) -> None:
    """A value is sent as content or data, with numbers as numbers and texts as they are."""
    cloud.answers["POST", RECORDS] = echoed
    made = zone.create_record("www", type_, data, extra)
    assert cloud.sent == [("POST", {"type": type_, "name": "www.example.org", "ttl": 1, **value})]
    assert made.extra.items() >= extra.items()
    assert [seen.query["name.exact"] for seen in cloud.web.seen[:1]] == [["www.example.org"]]


TYPES = CloudflareDNSDriver.RECORD_TYPE_MAP


@given(VALUES.filter(lambda value: value[0] in TYPES))
@example((RecordType.NAPTR, r'1 2 "U" "" "!\\1\"\195\169!" host.example.', {}))
@example((RecordType.LOC, "1 2 3.004 S 4 5 6.000 W 7.00m", {}))
@example((RecordType.CERT, "OID 1 2 AQID", {}))
def test_values_are_the_same_after_a_response(value: RecordValue) -> None:
    """A value that was sent is read as the same data and fields from a response with it."""
    type_, data, extra = value
    content = Content.of("www", type_, data, extra)
    body = {**PLAIN, "type": type_, **value_fields(content)}
    read = msgspec.json.decode(msgspec.json.encode(body), type=RecordPayload).value()
    assert (read.data, read.fields) == (content.data, extra)


def test_types(driver: CloudflareDNSDriver, cloud: Cloud, zone: Zone) -> None:
    """The types are those of the provider's documents; others are refused before anything is sent."""
    more = {"A", "AAAA", "CNAME", "MX", "NS", "OPENPGPKEY", "PTR", "TXT"}
    assert set(driver.list_record_types()) == more | set(SHAPES)
    assert len(driver.list_record_types()) == 21
    for type_ in (RecordType.ALIAS, RecordType.SOA, RecordType.SPF):
        with pytest.raises(UnsupportedOperationError, match=f"has no records of type {type_}"):
            zone.create_record("www", type_, "x")
    assert cloud.web.seen == []


# Names


@pytest.mark.parametrize(
    ("given", "sent", "name"),
    [
        ("", "example.org", ""),
        ("@", "example.org", ""),
        ("*.Shop", "*.shop.example.org", "*.shop"),
        ("bücher", "xn--bcher-kva.example.org", "xn--bcher-kva"),
        ("a.example.org.", "a.example.org", "a"),
    ],
)
def test_names(cloud: Cloud, zone: Zone, given: str, sent: str, name: str) -> None:
    """Names are sent in full, in the form of DNS, and returned relative to the zone."""
    cloud.answers["POST", RECORDS] = echoed
    assert zone.create_record(given, RecordType.A, "192.0.2.1").name == name
    assert cloud.sent[0][1]["name"] == sent


def test_names_outside_the_zone_in_responses(cloud: Cloud, zone: Zone) -> None:
    """A name outside the zone in a response is a `MalformedResponseError`."""
    cloud.answers["GET", RECORDS] = ok([{**PLAIN, "name": "www.example.net"}])
    with pytest.raises(MalformedResponseError, match=r"outside the zone example\.org"):
        zone.list_records()


# TTL, and what the provider has beyond DNS


def test_automatic_ttls(cloud: Cloud, zone: Zone) -> None:
    """The automatic TTL is sent as 1, the default, and returned as the 300 s that are served, as is a 300."""
    cloud.answers["POST", RECORDS] = echoed
    records = [
        zone.create_record("www", RecordType.A, "192.0.2.1", extra)
        for extra in ({}, {"ttl": 1}, {"ttl": 300})
    ]
    assert [body["ttl"] for _, body in cloud.sent] == [1, 1, 300]
    assert {one.ttl for one in records} == {one.extra["ttl"] for one in records} == {300}
    assert [zone.driver.stored_ttl(ttl) for ttl in (1, 60, 300)] == [300, 60, 300]


@pytest.mark.parametrize(
    ("live", "ttl", "wanted", "changes"),
    [
        ({}, 300, {}, 0),
        ({}, 1, {}, 0),
        ({"ttl": 300}, 1, {}, 0),
        ({}, 600, {}, 1),
        ({"proxied": True}, 600, {}, 0),
        ({"proxied": True}, 600, {"proxied": False}, 1),
        ({"comment": "x", "tags": ["a:b"], "proxied": True}, None, {}, 0),
        ({"comment": "x"}, None, {"comment": ""}, 1),
        ({}, None, {"comment": "", "tags": [], "settings": {}, "proxied": False}, 0),
    ],
)
def test_plans(
    cloud: Cloud, zone: Zone, live: dict[str, Any], ttl: int | None, wanted: dict[str, Any], changes: int
) -> None:
    """A plan has no change where the served TTL is the wanted one, or the record is proxied."""
    cloud.answers["GET", RECORDS] = ok([{**PLAIN, **live}])
    records = WantedZone("example.org", ttl).add("www", "A", "192.0.2.1", wanted)
    assert len(plan_zone(zone, records).changes) == changes


def test_plans_of_what_cannot_be(cloud: Cloud, zone: Zone) -> None:
    """A plan refuses the fields that the provider would not take."""
    records = WantedZone("example.org").add("www", "TXT", "x", {"proxied": True})
    with pytest.raises(ZoneProblemsError, match="proxied must be False for type TXT"):
        plan_zone(zone, records)


PROXIED = {"proxied": True, "comment": "the shop", "tags": ["team:web"], "settings": {"ipv4_only": True}}


def test_own_fields(cloud: Cloud, zone: Zone) -> None:
    """What the provider has beyond DNS is in `extra`, typed, and is written by a create with that `extra`."""
    cloud.answers["GET", RECORDS] = ok([{**PLAIN, **PROXIED, "private_routing": False, "comment": None}])
    (record,) = zone.list_records()
    assert record.extra == {"ttl": 300, **PROXIED, "comment": "", "private_routing": False}
    cloud.answers["POST", RECORDS] = echoed
    made = zone.create_record("shop", RecordType.A, "192.0.2.1", PROXIED)
    assert cloud.sent[0][1].items() >= PROXIED.items()
    assert made.extra.items() >= PROXIED.items()
    assert set(PROXIED) < set(zone.driver.own_extra)


def test_ttls_of_proxied_records(cloud: Cloud, zone: Zone) -> None:
    """A record that is proxied gets the automatic TTL, since it can have no other."""
    cloud.answers["POST", RECORDS] = echoed
    made = zone.create_record("shop", RecordType.A, "192.0.2.1", {"ttl": 600, "proxied": True})
    cloud.answers["PATCH", RECORD] = ok({**PLAIN, "proxied": True})
    made.update(extra={"ttl": 900, "proxied": True})
    assert [body["ttl"] for _, body in cloud.sent] == [1, 1]


def test_own_fields_of_other_types(cloud: Cloud, zone: Zone) -> None:
    """The `extra` of a record may be given to one of another type: what is empty or False is not sent."""
    cloud.answers["POST", RECORDS] = echoed
    zone.create_record("www", RecordType.TXT, "x", {"ttl": 60, **OWN})
    assert cloud.sent[0][1].keys() == {"type", "name", "ttl", "content"}


@pytest.mark.parametrize(
    ("type_", "extra", "message"),
    [
        ("TXT", {"proxied": True}, "proxied must be False for type TXT"),
        ("A", {"proxied": "yes"}, "proxied must be True or False"),
        ("A", {"comment": "two\nlines"}, "comment must be a str of one line"),
        ("A", {"tags": "team:web"}, "tags must be a list of str"),
        ("A", {"settings": {"ipv4_only": "yes"}}, "settings must be a dict of bool"),
        ("A", {"ttl": 29}, "ttl must be 1 .automatic. or from 30 to 86400, got 29"),
        ("A", {"ttl": 86401}, "ttl must be 1 .automatic. or from 30 to 86400, got 86401"),
        ("TXT", {"data": "x" * 2049}, "at most 2048 bytes"),
    ],
)
def test_fields_that_cannot_be(
    cloud: Cloud, zone: Zone, type_: RecordType, extra: dict[str, Any], message: str
) -> None:
    """What the provider does not take is refused before anything is sent, in creates and updates."""
    data = extra.pop("data", "192.0.2.1")
    record = Record("1", "www", type_, "192.0.2.1", zone, zone.driver)
    with pytest.raises(InvalidArgumentError, match=message):
        zone.create_record("www", type_, data, extra)
    with pytest.raises(InvalidArgumentError, match=message):
        record.update(data=data, extra=extra)
    assert cloud.web.seen == []


# Updates


def _record(zone: Zone, type_: str, data: str, **extra: Any) -> Record:
    return Record(
        RECORD_ID, "www", RecordType(type_), data, zone, zone.driver, 300, {"ttl": 300, **OWN, **extra}
    )


@pytest.mark.parametrize(
    ("record", "changes", "sent"),
    [
        (("A", "192.0.2.1", {}), {"data": "192.0.2.2"}, {"content": "192.0.2.2"}),
        (("A", "192.0.2.1", {}), {"extra": {"ttl": 1}}, {"ttl": 1}),
        (("A", "192.0.2.1", {}), {"extra": {"proxied": True}}, {"proxied": True}),
        (("A", "192.0.2.1", {}), {"extra": {"tags": [], "comment": ""}}, {"tags": [], "comment": ""}),
        (("A", "192.0.2.1", {}), {"name": "@"}, {"name": "example.org"}),
        (("MX", "m.example.net", {"priority": 1}), {"extra": {"priority": 2}}, {"priority": 2}),
        (("MX", "m.example.net", {"priority": 1}), {"data": "n.example.net"}, {"content": "n.example.net"}),
        (
            ("SRV", "s.example.net", SRV),
            {"extra": {"port": 7}},
            {"data": {**SRV, "port": 7, "target": "s.example.net"}},
        ),
        (
            ("URI", "https://a/", {"priority": 1, "weight": 2}),
            {"extra": {"weight": 3}},
            {"data": {"weight": 3, "target": "https://a/"}},
        ),
        (
            ("A", "192.0.2.1", {}),
            {"type": "CNAME", "data": "h.example.net"},
            {"type": "CNAME", "content": "h.example.net"},
        ),
        (
            ("TXT", "x", {}),
            {"type": "MX", "data": "m.example.net", "extra": {"priority": 1}},
            {"type": "MX", "content": "m.example.net", "priority": 1},
        ),
    ],
)
def test_updates(
    cloud: Cloud,
    zone: Zone,
    record: tuple[str, str, dict[str, Any]],
    changes: dict[str, Any],
    sent: dict[str, Any],
) -> None:
    """An update sends the given fields only: the rest stays as it is at the provider."""
    type_, data, extra = record
    cloud.answers["PATCH", RECORD] = ok(PLAIN)
    _record(zone, type_, data, **extra).update(**changes)
    assert cloud.sent == [("PATCH", sent)]


@pytest.mark.parametrize(
    ("record", "type_", "data", "lost"),
    [
        (("CNAME", "h.example.net", {"flatten_cname": False}, True), "A", "192.0.2.1", {"settings": {}}),
        (
            ("CNAME", "h.example.net", {"flatten_cname": True, "ipv4_only": True}, True),
            "AAAA",
            "2001:db8::1",
            {"settings": {"ipv4_only": True}},
        ),
        (("A", "192.0.2.1", {"ipv4_only": True}, True), "TXT", "x", {"settings": {}, "proxied": False}),
        (("A", "192.0.2.1", {"ipv4_only": True}, True), "CNAME", "h.example.net", {}),
    ],
)
def test_updates_of_types(
    cloud: Cloud, zone: Zone, record: tuple[str, str, Any, bool], type_: RecordType, data: str, lost: Any
) -> None:
    """A record that becomes one of another type loses what that type cannot have, and keeps the rest."""
    cloud.answers["PATCH", RECORD] = ok(PLAIN)
    old, value, settings, proxied = record
    _record(zone, old, value, settings=settings, proxied=proxied).update(type=type_, data=data)
    sent = f'"{data}"' if type_ == "TXT" else data
    assert cloud.sent == [("PATCH", {"type": type_, "content": sent, **lost})]


def test_an_update_of_nothing(cloud: Cloud, zone: Zone) -> None:
    """An update without changes returns the record as it is now, and sends none."""
    cloud.answers["GET", RECORD] = ok({**PLAIN, "content": "192.0.2.9"})
    assert _record(zone, "A", "192.0.2.1").update().data == "192.0.2.9"
    assert cloud.sent == []


# What may stand beside what


def test_an_alias_at_the_zone_itself(cloud: Cloud, zone: Zone) -> None:
    """A CNAME may be at the zone itself and beside MX and TXT, but not beside an address or another CNAME."""
    mx = {**PLAIN, "id": "mx", "name": "example.org", "type": "MX", "content": "m.example.net", "priority": 1}
    cloud.answers["GET", RECORDS] = ok([mx])
    cloud.answers["POST", RECORDS] = echoed
    assert zone.create_record("", RecordType.CNAME, "host.example.net").data == "host.example.net"
    for type_, content in (("AAAA", "2001:db8::1"), ("CNAME", "other.example.net")):
        cloud.answers["GET", RECORDS] = ok(
            [mx, {**PLAIN, "name": "example.org", "type": type_, "content": content}]
        )
        with pytest.raises(RecordConflictError):
            zone.create_record("", RecordType.CNAME, "host.example.net")
    assert zone.create_record("", RecordType.TXT, "x").data == "x"
    assert len(cloud.sent) == 2


# Errors


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (400, 81057, "The record already exists.", RecordAlreadyExistsError),
        (400, 81058, "An identical record already exists.", RecordAlreadyExistsError),
        (400, 81053, "An A, AAAA, or CNAME record with that host already exists.", RecordConflictError),
        (400, 81054, "A CNAME record with that host already exists.", RecordConflictError),
        (400, 81056, "NS records with that host already exist.", RecordConflictError),
        (400, 81045, "Record quota exceeded.", QuotaExceededError),
        (
            400,
            7003,
            "Could not route to /client/v4/zones/x, perhaps your object identifier is invalid?",
            ZoneDoesNotExistError,
        ),
        (404, 1001, "Invalid zone identifier", ZoneDoesNotExistError),
        (403, 10000, "Authentication error", InvalidCredsError),
        (403, 9109, "Invalid access token", InvalidCredsError),
        (400, 9103, "Unknown X-Auth-Key or X-Auth-Email", InvalidCredsError),
        (400, 9999, "Something else", ProviderHTTPError),
        (200, 81058, "An identical record already exists.", RecordAlreadyExistsError),
        (200, 9999, "Something else", ProviderHTTPError),
    ],
)
def test_errors_of_creates(
    cloud: Cloud, zone: Zone, status: int, code: int, message: str, expected: type[Exception]
) -> None:
    """An error has the class that its code means and the provider's message, even with the status 200."""
    cloud.answers["POST", RECORDS] = refused(status, {"code": code, "message": message})
    with pytest.raises(expected) as caught:
        zone.create_record("www", RecordType.A, "192.0.2.1")
    assert type(caught.value) is expected
    assert f"{message} ({code})" in str(caught.value)
    assert f"HTTP {status}" in str(caught.value)
    assert [method for method, _ in cloud.sent] == ["POST"]


@pytest.mark.parametrize(
    ("error", "chain", "expected", "text"),
    [
        (
            (6003, "Invalid request headers"),
            (6111, "Invalid format for Authorization header"),
            InvalidCredsError,
            r"Invalid request headers \(6003\): Invalid format for Authorization header \(6111\)",
        ),
        (
            (1004, "DNS Validation Error"),
            (9300, "DNS record has 1 tags, exceeding the quota of 0."),
            QuotaExceededError,
            r"DNS Validation Error \(1004\): DNS record has 1 tags",
        ),
        (
            (1004, "DNS Validation Error"),
            (9000, "DNS name is invalid."),
            InvalidNameError,
            r"invalid\. \(9000\)",
        ),
        (
            (1004, "DNS Validation Error"),
            (9005, "Content for A record"),
            ProviderHTTPError,
            r"A record \(9005\)",
        ),
    ],
)
def test_chains_of_errors(
    cloud: Cloud,
    zone: Zone,
    error: tuple[int, str],
    chain: tuple[int, str],
    expected: type[Exception],
    text: str,
) -> None:
    """The message of an error has those that led to it, and any of their codes may mean a class."""
    reasons = [{"code": code, "message": message} for code, message in (error, chain)]
    cloud.answers["GET", RECORDS] = refused(400, {**reasons[0], "error_chain": reasons[1:]})
    with pytest.raises(expected, match=text) as caught:
        zone.list_records()
    assert type(caught.value) is expected


def test_records_that_do_not_exist(cloud: Cloud, zone: Zone) -> None:
    """A record that does not exist is an error with its id, in updates and deletes."""
    gone = refused(404, {"code": 81044, "message": "Record does not exist."})
    cloud.answers |= {("PATCH", RECORD): gone, ("DELETE", RECORD): gone}
    record = _record(zone, "A", "192.0.2.1")
    for call in (lambda: record.update(extra={"ttl": 60}), record.delete):
        with pytest.raises(RecordDoesNotExistError) as caught:
            call()
        assert caught.value.record_id == RECORD_ID


def test_too_many_requests(cloud: Cloud, zone: Zone) -> None:
    """A list is repeated after a 429; one with a long pause is an error with it, whatever its code."""
    limit = refused(429, {"code": 10000, "message": "Please wait"}, **{"Retry-After": "300"})
    answers = [refused(429, **{"Retry-After": "0"}), ok([PLAIN]), limit]
    cloud.answers["GET", RECORDS] = lambda _: answers.pop(0)
    with CloudflareDNSDriver(
        "a-token-of-its-own", **cloud.web.options, retry=RetryPolicy(base=0.01)
    ) as driver:
        assert len(driver.list_records(zone)) == 1
        with pytest.raises(RateLimitReachedError, match="Please wait") as caught:
            driver.list_records(zone)
    assert caught.value.retry_after == 300


@pytest.mark.parametrize("status", [520, 522, 524])
def test_statuses_of_the_edge(cloud: Cloud, zone: Zone, status: int) -> None:
    """A page of the edge is a `ServerError`, and a lost response for a create, which is then looked for."""
    headers = {"Content-Type": "text/html", "CF-Ray": "8a1b2c3d4e5f-AMS"}
    page = Answer(status, b"<!DOCTYPE html><html>Web server is down</html>", headers)
    cloud.answers["GET", RECORDS] = page
    with pytest.raises(ServerError, match=r"Web server is down.*request 8a1b2c3d4e5f-AMS"):
        zone.list_records()
    lists = [ok([]), ok([PLAIN], total_count=1)]
    cloud.answers["GET", RECORDS] = lambda _: lists.pop(0) if len(lists) > 1 else lists[0]
    cloud.answers["POST", RECORDS] = page
    assert zone.create_record("www", RecordType.A, "192.0.2.1").id == RECORD_ID


# Pages


def test_pages_of_records(cloud: Cloud, driver: CloudflareDNSDriver, zone: Zone) -> None:
    """Records are listed in pages of 5,000, or of `ex_per_page`, also where the provider gives smaller."""
    every = [{**PLAIN, "id": str(number), "content": f"192.0.2.{number}"} for number in range(5)]

    def page(seen: Seen) -> Answer:
        start = 2 * (int(seen.query["page"][0]) - 1)
        return ok(every[start : start + 2], per_page=2, total_count=5)

    cloud.answers["GET", RECORDS] = page
    assert [one.id for one in zone.list_records()] == [one["id"] for one in every]
    assert [one.id for one in driver.iterate_records(zone)] == [one["id"] for one in every]
    assert {seen.query["per_page"][0] for seen in cloud.web.seen} == {"5000"}
    with CloudflareDNSDriver(TOKEN, **cloud.web.options, ex_per_page=100) as other:
        other.list_records(zone)
        other.list_zones()
    assert [seen.query["per_page"][0] for seen in cloud.web.seen[-2:]] == ["100", "50"]


@pytest.mark.parametrize(
    "body", [{"success": True, "result": None}, {"success": True}, {"result": [{"id": "1"}]}]
)
def test_lists_of_another_form(cloud: Cloud, zone: Zone, body: Any) -> None:
    """A response without the list, or with other objects, is malformed, not an empty list."""
    cloud.answers["GET", RECORDS] = Answer(body=body)
    with pytest.raises(MalformedResponseError):
        zone.list_records()


def test_a_list_that_claims_too_much(cloud: Cloud, zone: Zone) -> None:
    """A list that claims millions of pages is malformed."""
    cloud.answers["GET", RECORDS] = ok([PLAIN], total_pages=10**9)
    with pytest.raises(MalformedResponseError, match="1,000,000,000 pages"):
        zone.list_records()
    assert len(cloud.web.seen) == 1


# Many changes


def _content(name: str, data: str, **extra: Any) -> Content:
    return Content.of(name, RecordType.A, data, extra)


def _changes(zone: Zone) -> list[RecordChange]:
    old, gone = _record(zone, "A", "192.0.2.1", proxied=True), _record(zone, "A", "192.0.2.3")
    old.id, gone.id = "old", "gone"
    gone.name = "gone"
    return [
        RecordChange(gone, None),
        RecordChange(old, _content("www", "192.0.2.2", ttl=60)),
        RecordChange(None, _content("new", "192.0.2.4", comment="x")),
    ]


BATCH = {
    "deletes": [{"id": "gone"}],
    "patches": [{"id": "old", "name": "www.example.org", "content": "192.0.2.2", "ttl": 60}],
    "posts": [{"type": "A", "name": "new.example.org", "content": "192.0.2.4", "ttl": 1, "comment": "x"}],
}


def test_many_changes(cloud: Cloud, driver: CloudflareDNSDriver, zone: Zone) -> None:
    """Many changes are one request, which sends of each record what is given."""
    cloud.answers["POST", f"{RECORDS}/batch"] = ok({})
    seen: list[RecordChange] = []
    changes = _changes(zone)
    driver.change_records(zone, changes, seen.append)
    assert cloud.sent == [("POST", BATCH)]
    assert sorted(map(str, seen)) == sorted(map(str, changes))
    driver.change_records(zone, [])
    assert len(cloud.web.seen) == 1


def test_a_change_of_what_is_beyond_the_value(cloud: Cloud, driver: CloudflareDNSDriver, zone: Zone) -> None:
    """A change that keeps the value sends only what else is given."""
    cloud.answers["POST", f"{RECORDS}/batch"] = ok({})
    change = RecordChange(
        _record(zone, "A", "192.0.2.1"), _content("www", "192.0.2.1", ttl=60, proxied=False)
    )
    driver.change_records(zone, [change])
    assert cloud.sent[0][1]["patches"] == [{"id": RECORD_ID, "ttl": 60, "proxied": False}]


def test_more_changes_than_a_batch_has(cloud: Cloud, driver: CloudflareDNSDriver, zone: Zone) -> None:
    """A batch has 200 changes at most, and all those of a name."""
    cloud.answers["POST", f"{RECORDS}/batch"] = ok({})
    changes = [RecordChange(None, _content(f"n{n // 3}", f"192.0.2.{n % 3}")) for n in range(300)]
    driver.change_records(zone, changes)
    names = [[post["name"] for post in body["posts"]] for _, body in cloud.sent]
    assert [len(batch) for batch in names] == [198, 102]
    assert not set(names[0]) & set(names[1])


def test_changes_on_the_sandbox() -> None:
    """Many changes are few requests, whose effect is that of the same changes one by one."""
    methods: list[str] = []
    remove = add_hook(lambda trace: methods.append(trace.method))
    with Sandbox("cloudflare") as cloud, CloudflareDNSDriver(*cloud.credentials, **cloud.options) as driver:
        zone = driver.create_zone("example.org")
        methods.clear()
        driver.change_records(zone, [RecordChange(None, _content(f"n{n}", "192.0.2.1")) for n in range(450)])
        records = driver.list_records(zone)
        driver.change_records(zone, [RecordChange(one, _content(one.name, "192.0.2.2")) for one in records])
        assert {one.data for one in driver.list_records(zone)} == {"192.0.2.2"}
        driver.change_records(zone, [RecordChange(one, None) for one in records])
        assert driver.list_records(zone) == []
    remove()
    assert len(records) == 450
    assert methods == [*["POST"] * 3, "GET"] * 3


def test_a_batch_that_is_refused(cloud: Cloud, driver: CloudflareDNSDriver, zone: Zone) -> None:
    """The changes of a refused batch are made one by one: one of a record that is gone is no failure."""
    gone = refused(404, {"code": 81044, "message": "Record does not exist."})
    cloud.answers |= {("POST", f"{RECORDS}/batch"): gone, ("DELETE", f"{RECORDS}/gone"): gone}
    cloud.answers["POST", RECORDS] = echoed
    cloud.answers["PATCH", f"{RECORDS}/old"] = ok(PLAIN)
    driver.change_records(zone, _changes(zone))
    assert sorted(method for method, _ in cloud.sent[1:]) == ["DELETE", "PATCH", "POST"]
    cloud.answers["PATCH", f"{RECORDS}/old"] = refused(400, {"code": 81058, "message": "exists"})
    with pytest.raises(RecordsNotChangedError) as caught:
        driver.change_records(zone, _changes(zone))
    ((failed, error),) = caught.value.failed
    assert str(failed) == "update A www"
    assert isinstance(error, RecordAlreadyExistsError)
    assert [str(one) for one in caught.value.done] == ["create A new"]
    assert [str(one) for one in caught.value.left] == ["delete A gone"]


def test_a_change_that_cannot_be(cloud: Cloud, driver: CloudflareDNSDriver, zone: Zone) -> None:
    """A change that is refused before anything is sent does not stop those beside it."""
    cloud.answers["POST", RECORDS] = echoed
    changes = [
        RecordChange(None, _content("bad", "192.0.2.1", ttl=5)),
        RecordChange(None, _content("good", "192.0.2.1")),
    ]
    with pytest.raises(RecordsNotChangedError, match="changes: 1 failed, 0 not tried, 1 made"):
        driver.change_records(zone, changes)
    assert [body["name"] for _, body in cloud.sent] == ["good.example.org"]


MADE = [
    {**PLAIN, "id": "old", "content": "192.0.2.2", "ttl": 60},
    {**PLAIN, "id": "new", "name": "new.example.org", "content": "192.0.2.4", "comment": "x"},
]


def test_a_batch_whose_response_is_lost(cloud: Cloud, driver: CloudflareDNSDriver, zone: Zone) -> None:
    """If the response to a batch is lost, its changes are looked for, and it is never sent again."""
    cloud.answers["POST", f"{RECORDS}/batch"] = lambda _: None
    cloud.answers["GET", RECORDS] = ok(MADE)
    driver.change_records(zone, _changes(zone))
    assert [method for method, _ in cloud.sent] == ["POST"]


@pytest.mark.parametrize(
    "there",
    [
        MADE[:1],
        [*MADE, {**PLAIN, "id": "gone", "name": "gone.example.org"}],
        [{**MADE[0], "ttl": 1}, MADE[1]],
        [MADE[0], {**MADE[1], "comment": None}],
    ],
)
def test_a_batch_that_is_lost(
    cloud: Cloud, driver: CloudflareDNSDriver, zone: Zone, there: list[dict[str, Any]]
) -> None:
    """If any change of a lost batch is not there, all of them are ambiguous, since it makes all or none."""
    cloud.answers["POST", f"{RECORDS}/batch"] = lambda _: None
    cloud.answers["GET", RECORDS] = ok(there)
    with pytest.raises(RecordsNotChangedError) as caught:
        driver.change_records(zone, _changes(zone))
    assert [type(error) for _, error in caught.value.failed] == [AmbiguousCreateError] * 3
    assert [method for method, _ in cloud.sent] == ["POST"]
