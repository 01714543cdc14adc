"""Linode's domains and their records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.linode import Client, client

ORDER = {"domain": "example.org", "type": "master", "soa_email": "admin@example.org"}
SRV = {
    "type": "SRV",
    "service": "sip",
    "protocol": "tcp",
    "target": "sip.example.net",
    "port": 1,
    "weight": 2,
    "priority": 3,
}
EVERY_TYPE: list[dict[str, Any]] = [
    {"type": "A", "name": "www", "target": "192.0.2.1"},
    {"type": "AAAA", "name": "www", "target": "2001:db8::1"},
    {"type": "CAA", "name": "", "target": "ca.example.net", "tag": "issue"},
    {"type": "CNAME", "name": "alias", "target": "www.example.org"},
    {"type": "MX", "name": "", "target": "mail.example.net", "priority": 10},
    {"type": "NS", "name": "sub", "target": "ns.example.net"},
    {"type": "PTR", "name": "7", "target": "www.example.org"},
    {"type": "TXT", "name": "_dmarc", "target": 'v=DMARC1; "p"=none'},
]


@pytest.fixture
def api() -> Iterator[Client]:
    with client() as made:
        yield made


@pytest.fixture
def one(api: Client) -> str:
    """The path of the domain example.org."""
    return f"/domains/{api.act('POST', '/domains', **ORDER)['id']}"


# Domains


def test_a_new_domain(api: Client) -> None:
    """A domain is active, has no records and no fields but those that were given."""
    made = api.act("POST", "/domains", **ORDER)
    assert made == {
        **ORDER,
        "id": made["id"],
        "status": "active",
        **dict.fromkeys(("group", "description"), ""),
        **{key: [] for key in ("tags", "master_ips", "axfr_ips")},
        **dict.fromkeys(("ttl_sec", "refresh_sec", "retry_sec", "expire_sec"), 0),
    }
    assert api.get(f"/domains/{made['id']}/records")["data"] == []
    assert api.get("/account/events")["data"][0]["action"] == "dns_zone_create"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"domain": None}, "domain"),
        ({"domain": "example"}, "domain"),
        ({"domain": "exam ple.org"}, "domain"),
        ({"type": "other"}, "type"),
        ({"soa_email": None}, "soa_email"),
        ({"soa_email": "nobody"}, "soa_email"),
        ({"type": "slave"}, "master_ips"),
        ({"axfr_ips": ["host"]}, "axfr_ips"),
        ({"ttl_sec": "soon"}, "ttl_sec"),
        ({"status": "sleeping"}, "status"),
    ],
)
def test_domains_that_cannot_be(api: Client, body: dict[str, Any], field: str) -> None:
    """A domain needs a name, a type, and an address or the masters; a refusal names the field."""
    status, problems = api.refused("POST", "/domains", **{**ORDER, **body})
    assert (status, problems[0][0]) == (400, field)
    assert api.get("/domains")["results"] == 0


def test_unique_domains(api: Client, one: str) -> None:
    """A second domain of a name is refused, also as a clone."""
    problem = (400, [("domain", "DNS zone already exists.")])
    assert api.refused("POST", "/domains", **{**ORDER, "domain": "Example.ORG"}) == problem
    assert api.refused("POST", f"{one}/clone", domain="example.org") == problem


def test_rounded_times(api: Client, one: str) -> None:
    """TTLs and the times of SOA are rounded up to those that there are, and 0 is kept."""
    changed = api.act("PUT", one, ttl_sec=1, refresh_sec=301, retry_sec=14400, expire_sec=0)
    times = [changed[f"{name}_sec"] for name in ("ttl", "refresh", "retry", "expire")]
    assert times == [30, 3600, 14400, 0]
    assert api.act("POST", f"{one}/records", **EVERY_TYPE[0], ttl_sec=86401)["ttl_sec"] == 172800


def test_filters(api: Client, one: str) -> None:
    """Domains are found by their name and tags, records by their name, target, type and tag."""
    api.act("POST", "/domains", **{**ORDER, "domain": "example.net", "tags": ["dns"]})
    for body in EVERY_TYPE:
        api.act("POST", f"{one}/records", **body)
    assert [each["domain"] for each in api.get("/domains", {"domain": "example.org"})["data"]] == [
        "example.org"
    ]
    assert [each["domain"] for each in api.get("/domains", {"tags": "dns"})["data"]] == ["example.net"]
    for only, types in (
        ({"name": "www"}, ["A", "AAAA"]),
        ({"type": "TXT"}, ["TXT"]),
        ({"tag": "issue"}, ["CAA"]),
        ({"target": "www.example.org"}, ["CNAME", "PTR"]),
    ):
        assert [each["type"] for each in api.get(f"{one}/records", only)["data"]] == types


def test_a_deleted_domain(api: Client, one: str) -> None:
    """A deleted domain is a 404 with its records, and its name is free."""
    record = api.act("POST", f"{one}/records", **EVERY_TYPE[0])["id"]
    assert api.act("DELETE", one) == {}
    for path in (one, f"{one}/records", f"{one}/records/{record}"):
        assert api.refused("GET", path) == (404, [(None, "Not found")])
    api.act("POST", "/domains", **ORDER)


def test_tags_of_domains(api: Client, one: str) -> None:
    """A tag lists its domains, and leaves them when it is deleted."""
    api.act("PUT", one, tags=["dns"])
    assert [each["data"]["domain"] for each in api.get("/tags/dns")["data"]] == ["example.org"]
    api.act("DELETE", "/tags/dns")
    assert api.get(one)["tags"] == []


def test_zone_files(api: Client, one: str) -> None:
    """The zone file has the SOA and NS records that the list of records lacks, and all others."""
    for body in (*EVERY_TYPE, SRV):
        api.act("POST", f"{one}/records", **body)
    lines = api.get(f"{one}/zone-file")["zone_file"]
    assert lines[1] == "$TTL 86400"
    assert lines[2].startswith("@ IN SOA ns1.linode.com. admin.example.org. ")
    assert lines[3:8] == [f"@ IN NS ns{number}.linode.com." for number in range(1, 6)]
    assert lines[8] == "www  IN A 192.0.2.1"
    assert '_dmarc  IN TXT "v=DMARC1; \\"p\\"=none"' in lines
    assert "_sip._tcp  IN SRV 3 2 1 sip.example.net." in lines
    assert '@  IN CAA 0 issue "ca.example.net"' in lines


# Records


@pytest.mark.parametrize("body", EVERY_TYPE, ids=lambda body: body["type"])
def test_every_type(api: Client, one: str, body: dict[str, Any]) -> None:
    """A record has all fields: numbers of other types are 0, texts null."""
    made = api.act("POST", f"{one}/records", **body)
    others = {
        **dict.fromkeys(("priority", "weight", "port", "ttl_sec"), 0),
        **dict.fromkeys(("service", "protocol", "tag"), None),
    }
    kept = {name: made[name] for name in ("id", "created", "updated")}
    assert made == {**others, **body, **kept}
    assert api.get(f"{one}/records/{made['id']}") == made


def test_names_of_services(api: Client, one: str) -> None:
    """SRV is named by its service and protocol, whose underscores are added; a given name is ignored."""
    made = api.act("POST", f"{one}/records", **SRV, name="other")
    assert (made["name"], made["service"], made["protocol"]) == ("_sip._tcp", "sip", "tcp")
    changed = api.act("PUT", f"{one}/records/{made['id']}", service="_xmpp", protocol="tcp.chat")
    assert changed["name"] == "_xmpp._tcp.chat"


@pytest.mark.parametrize(
    ("body", "target", "shown"),
    [
        (EVERY_TYPE[3], "host.example.net.", "host.example.net"),
        (EVERY_TYPE[4], "@", "example.org"),
        (SRV, "sip", "sip.example.org"),
        (SRV, "sip.", "sip"),
        (SRV, "@", "example.org"),
    ],
)
def test_targets(api: Client, one: str, body: dict[str, Any], target: str, shown: str) -> None:
    """A last dot is dropped, and a single label of SRV without one belongs to the domain, as "@" does."""
    assert api.act("POST", f"{one}/records", **{**body, "target": target})["target"] == shown


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "SOA"}, "type"),
        ({"name": "a b"}, "name"),
        ({"name": "a" * 101}, "name"),
        ({"name": "@"}, "name"),
        ({"target": None}, "target"),
        ({"target": "2001:db8::1"}, "target"),
        ({"type": "AAAA"}, "target"),
        ({"type": "CAA"}, "tag"),
        ({"type": "CAA", "tag": "other"}, "tag"),
        ({"type": "CNAME", "name": ""}, "name"),
        ({"type": "CNAME", "target": "a..b"}, "target"),
        ({"type": "MX", "target": "a.b", "priority": 256}, "priority"),
        ({"type": "SRV", "target": "a.b"}, "service"),
        ({**SRV, "port": 65536}, "port"),
        ({**SRV, "port": None}, "port"),
    ],
)
def test_records_that_cannot_be(api: Client, one: str, body: dict[str, Any], field: str) -> None:
    """A record needs a valid name, a target and the fields of its type; a refusal names the field."""
    status, problems = api.refused("POST", f"{one}/records", **{**EVERY_TYPE[0], **body})
    assert (status, problems[0][0]) == (400, field)
    assert api.get(f"{one}/records")["results"] == 0


def test_duplicates(api: Client, one: str) -> None:
    """A record may be there twice, but a CNAME must be alone, in creates and updates."""
    for _ in "12":
        api.act("POST", f"{one}/records", **EVERY_TYPE[0])
    alias = api.act("POST", f"{one}/records", **EVERY_TYPE[3])["id"]
    problem = (400, [("name", "Record conflict - CNAMES must be unique")])
    for body in ({**EVERY_TYPE[3], "name": "www"}, {**EVERY_TYPE[0], "name": "alias"}, EVERY_TYPE[3]):
        assert api.refused("POST", f"{one}/records", **body) == problem
    assert api.refused("PUT", f"{one}/records/{alias}", name="www") == problem


def test_null_mx(api: Client, one: str) -> None:
    """A Null MX record has neither target nor name nor priority, and is the only MX record."""
    null = {"type": "MX", "name": "", "target": ""}
    assert api.refused("POST", f"{one}/records", **null, priority=1)[0] == 400
    assert api.act("POST", f"{one}/records", **null)["target"] == ""
    assert api.refused("POST", f"{one}/records", **EVERY_TYPE[4])[0] == 400


def test_records_of_slaves(api: Client) -> None:
    """A slave has the records of its master, and takes no others."""
    slave = api.act("POST", "/domains", domain="example.net", type="slave", master_ips=["192.0.2.1"])["id"]
    assert api.refused("POST", f"/domains/{slave}/records", **EVERY_TYPE[0])[0] == 400


def test_events_of_records(api: Client, one: str) -> None:
    """A change of a record is an event of its domain."""
    record = api.act("POST", f"{one}/records", **EVERY_TYPE[0])["id"]
    api.act("PUT", f"{one}/records/{record}", ttl_sec=300)
    api.act("DELETE", f"{one}/records/{record}")
    events = api.get("/account/events")["data"][:3]
    assert [each["action"] for each in events] == [
        "dns_record_delete",
        "dns_record_update",
        "dns_record_create",
    ]
    assert {(each["entity"]["type"], each["entity"]["label"]) for each in events} == {
        ("domain", "example.org")
    }


def test_a_token_that_may_only_look(api: Client, one: str) -> None:
    """The read-only token lists domains, and cannot change them."""
    token = "linode_sandbox_read_only"
    assert api.send("GET", f"{one}/records", token=token).status == 200
    assert api.send("DELETE", one, token=token).status == 403
