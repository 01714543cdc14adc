"""DigitalOcean's domains and their records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from support.digitalocean import Client, client, contract

RECORDS = "/domains/example.com/records"
EVERY_TYPE: list[dict[str, Any]] = [
    {"type": "A", "name": "www", "data": "192.0.2.1"},
    {"type": "AAAA", "name": "www", "data": "2001:db8::1"},
    {"type": "CAA", "name": "@", "data": "letsencrypt.org.", "flags": 0, "tag": "issue"},
    {"type": "CNAME", "name": "alias", "data": "www.example.com."},
    {"type": "MX", "data": "mail.example.net.", "priority": 10},
    {"type": "NS", "name": "sub", "data": "ns.example.net."},
    {
        "type": "SRV",
        "name": "_sip._tcp",
        "data": "sip.example.net.",
        "priority": 1,
        "port": 5060,
        "weight": 5,
    },
    {"type": "TXT", "name": "@", "data": "v=spf1 -all"},
]


@pytest.fixture
def do() -> Iterator[Client]:
    """A DigitalOcean that has the domain example.com."""
    with client() as made:
        made.act("POST", "/domains", name="example.com")
        yield made


def add(do: Client, **record: Any) -> Any:
    """Create a record of example.com."""
    return do.act("POST", RECORDS, **record)["domain_record"]


def serial(zone_file: str) -> int:
    """The serial of a zone file's SOA record."""
    return int(zone_file.split("hostmaster.example.com. ")[1].split(maxsplit=1)[0])


# Domains


def test_a_new_domain(do: Client) -> None:
    """A create responses 201 with a TTL of 1800 and without the zone file, which a get then shows."""
    response = do.send("POST", "/domains", {"name": "example.org"})
    assert response.status == 201
    assert response.json() == {"domain": {"name": "example.org", "ttl": 1800, "zone_file": None}}
    zone = do.get("/domains/example.org")["domain"]["zone_file"]
    assert zone.startswith("$ORIGIN example.org.\n$TTL 1800\nexample.org. IN SOA ns1.digitalocean.com. ")
    assert zone.endswith("example.org. 1800 IN NS ns3.digitalocean.com.\n")


def test_automatic_records(do: Client) -> None:
    """A new domain has an SOA record, three NS records, and an A record for an `ip_address`, all at "@"."""
    do.act("POST", "/domains", name="example.org", ip_address="192.0.2.7")
    records = do.get("/domains/example.org/records")["domain_records"]
    assert [(record["type"], record["data"]) for record in records] == [
        ("SOA", "1800"),
        ("NS", "ns1.digitalocean.com"),
        ("NS", "ns2.digitalocean.com"),
        ("NS", "ns3.digitalocean.com"),
        ("A", "192.0.2.7"),
    ]
    assert {(record["name"], record["ttl"]) for record in records} == {("@", 1800)}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "name is required."),
        ({"name": "localhost"}, "Name is not a valid domain name."),
        ({"name": "exa mple.org"}, "Name is not a valid domain name."),
        ({"name": "EXAMPLE.com"}, "Name already exists"),
        ({"name": "example.org", "ip_address": "2001:db8::1"}, "IP address is not valid."),
    ],
)
def test_refused_domains(do: Client, body: dict[str, Any], message: str) -> None:
    """A domain needs a valid name that is new to the account; its address, if any, is IPv4; else 422."""
    assert do.refused("POST", "/domains", **body) == (422, message)
    assert do.get("/domains")["meta"]["total"] == 1


def test_deleted_domains(do: Client) -> None:
    """A deleted domain is a 404 with its records, and may be created again without the old ones."""
    old = add(do, **EVERY_TYPE[0])
    do.act("DELETE", "/domains/example.com")
    for path in ("/domains/example.com", RECORDS, f"{RECORDS}/{old['id']}"):
        assert do.refused("GET", path) == (404, "The resource you requested could not be found.")
    do.act("POST", "/domains", name="example.com")
    assert do.get(RECORDS)["meta"]["total"] == 4


# Records


@pytest.mark.parametrize("body", EVERY_TYPE, ids=lambda body: body["type"])
def test_every_type(do: Client, body: dict[str, Any]) -> None:
    """A new record has an integer id, a TTL of 1800, null in other types' fields, and no last dot in data."""
    made = add(do, **body)
    expected = {"name": "@", "ttl": 1800, **dict.fromkeys(("priority", "port", "weight", "flags", "tag"))}
    assert isinstance(made["id"], int)
    assert made == {**expected, **body, "id": made["id"], "data": body["data"].removesuffix(".")}
    assert do.get(f"{RECORDS}/{made['id']}")["domain_record"] == made


def test_fields_of_other_types(do: Client) -> None:
    """Fields that are not the type's are ignored, be they null or 0."""
    made = add(do, **EVERY_TYPE[0], priority=0, port=None, weight=0, flags=0, tag=None)
    assert [made[name] for name in ("priority", "port", "weight", "flags", "tag")] == [None] * 5


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("www.example.net.", "www.example.net"),
        ("example.com.", "@"),
        ("@", "@"),
        ("www", "www.example.com"),
    ],
)
def test_host_names(do: Client, sent: str, shown: str) -> None:
    """A host name that data holds is absolute or relative; it is shown in full, the domain itself as "@"."""
    assert add(do, type="CNAME", name="alias", data=sent)["data"] == shown


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "a", "data": "192.0.2.1"}, "type is required."),
        ({"type": "PTR", "name": "a", "data": "x."}, "type is not valid"),
        ({"type": "A", "data": "192.0.2.1"}, "name is required."),
        ({"type": "A", "name": "a"}, "data is required."),
        ({"type": "A", "name": "a.", "data": "192.0.2.1"}, "Name is not a valid record name."),
        ({"type": "A", "name": "a", "data": "2001:db8::1"}, "IP address is not valid."),
        ({"type": "AAAA", "name": "a", "data": "192.0.2.1"}, "IP address is not valid."),
        ({"type": "A", "name": "a", "data": "192.0.2.1", "ttl": 0}, "Must be 1-2147483647"),
        ({"type": "CNAME", "name": "a", "data": "www.example.net"}, "Data needs to end with a dot (.)"),
        ({"type": "NS", "name": "a", "data": "ns1.digitalocean.com"}, "Data needs to end with a dot (.)"),
        ({"type": "MX", "data": "mail.example.net."}, "priority is required."),
        ({"type": "MX", "data": "a b.", "priority": 1}, "Data is not a valid host name."),
        ({"type": "MX", "data": "a.", "priority": 65536}, "Must be 0-65535"),
        ({**EVERY_TYPE[6], "weight": None}, "weight is required."),
        ({**EVERY_TYPE[6], "port": "5060"}, "port must be an integer."),
        ({**EVERY_TYPE[2], "tag": None}, "tag is required."),
        ({**EVERY_TYPE[2], "tag": "iodeff"}, "tag is not valid"),
        ({**EVERY_TYPE[2], "flags": 256}, "Must be 0-255"),
        ({**EVERY_TYPE[2], "data": "letsencrypt.org"}, "Data needs to end with a dot (.)"),
        ({"type": "SOA", "name": "@", "ttl": 60}, "Only the ttl of an SOA record can be changed."),
    ],
)
def test_refused_records(do: Client, body: dict[str, Any], message: str) -> None:
    """A record without a field that its type needs, or with an invalid one, is a 422 that says which."""
    assert do.refused("POST", RECORDS, **body) == (422, message)
    assert do.get(RECORDS)["meta"]["total"] == 4


def test_cnames_are_alone(do: Client) -> None:
    """A CNAME record shares its name with no other record, whichever came first, nor with the domain."""
    conflict = (422, "CNAME records cannot share a name with other records")
    add(do, type="A", name="www", data="192.0.2.1")
    number = add(do, type="CNAME", name="alias", data="www")["id"]
    assert do.refused("POST", RECORDS, type="CNAME", name="www", data="@") == conflict
    assert do.refused("POST", RECORDS, type="TXT", name="alias", data="t") == conflict
    assert do.refused("POST", RECORDS, type="CNAME", name="@", data="www") == conflict
    assert do.refused("PATCH", f"{RECORDS}/{number}", name="www") == conflict
    assert do.act("PATCH", f"{RECORDS}/{number}", name="alias", ttl=60)["domain_record"]["ttl"] == 60


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_updates(do: Client, method: str) -> None:
    """PUT and PATCH change the fields that are sent, keep the others, and never change the type."""
    made = add(do, **EVERY_TYPE[4])
    one = f"{RECORDS}/{made['id']}"
    changed = do.act(method, one, type="MX", data="mx.example.net.", priority=20)["domain_record"]
    assert changed == {**made, "data": "mx.example.net", "priority": 20}
    changed = do.act(method, one, type="TXT", name="sub", ttl=60)["domain_record"]
    assert changed == {**made, "data": "mx.example.net", "priority": 20, "name": "sub", "ttl": 60}
    assert do.get(one)["domain_record"] == changed
    assert do.refused(method, one, data="mx.example.net") == (422, "Data needs to end with a dot (.)")


def test_the_soa_record(do: Client) -> None:
    """Of an SOA record only the TTL can be changed, and it cannot be deleted."""
    soa = do.get(f"{RECORDS}?type=SOA")["domain_records"][0]
    one = f"{RECORDS}/{soa['id']}"
    assert do.act("PATCH", one, type="SOA", ttl=3600)["domain_record"] == {**soa, "ttl": 3600}
    assert do.refused("PATCH", one, name="sub") == (422, "Only the ttl of an SOA record can be changed.")
    assert do.refused("DELETE", one) == (422, "SOA records cannot be deleted.")


def test_filters_and_pages(do: Client) -> None:
    """Lists of records are filtered by type and by the full name, or both, and are paged."""
    for body in EVERY_TYPE:
        add(do, **body)

    def names(query: str) -> list[tuple[str, str]]:
        return [(one["type"], one["name"]) for one in do.get(f"{RECORDS}?{query}")["domain_records"]]

    assert names("type=A") == [("A", "www")]
    assert names("name=www.example.com") == [("A", "www"), ("AAAA", "www")]
    assert names("name=www.example.com&type=AAAA") == [("AAAA", "www")]
    assert names("name=example.com&type=MX") == [("MX", "@")]
    assert names("name=www") == []
    assert do.refused("GET", f"{RECORDS}?type=PTR")[0] == 422
    page = do.get(f"{RECORDS}?per_page=5&page=2")
    assert (len(page["domain_records"]), page["meta"]["total"], set(page["links"]["pages"])) == (
        5,
        12,
        {"first", "prev", "next", "last"},
    )


def test_deleted_records(do: Client) -> None:
    """A deleted record is a 404, and gone from lists and from the zone file, whose serial has grown."""
    number = add(do, **EVERY_TYPE[0])["id"]
    before = do.get("/domains/example.com")["domain"]["zone_file"]
    do.later(1)
    do.act("DELETE", f"{RECORDS}/{number}")
    after = do.get("/domains/example.com")["domain"]["zone_file"]
    assert "192.0.2.1" in before
    assert "192.0.2.1" not in after
    assert serial(after) > serial(before)
    assert do.refused("DELETE", f"{RECORDS}/{number}")[0] == 404
    assert do.get(RECORDS)["meta"]["total"] == 4


def test_records_belong_to_their_domain(do: Client) -> None:
    """A record is found in its own domain only."""
    number = add(do, **EVERY_TYPE[0])["id"]
    do.act("POST", "/domains", name="example.org")
    assert do.refused("GET", f"/domains/example.org/records/{number}")[0] == 404
    assert do.refused("PUT", f"/domains/example.org/records/{number}", name="x")[0] == 404


def test_zone_files(do: Client) -> None:
    """The zone file has every record, with full names, quoted texts and numbers before host names."""
    for body in EVERY_TYPE:
        add(do, **body)
    text = do.get("/domains/example.com")["domain"]["zone_file"]
    soa = f"ns1.digitalocean.com. hostmaster.example.com. {serial(text)} 10800 3600 604800 1800"
    assert text.splitlines() == [
        "$ORIGIN example.com.",
        "$TTL 1800",
        f"example.com. IN SOA {soa}",
        *(f"example.com. 1800 IN NS ns{number}.digitalocean.com." for number in (1, 2, 3)),
        "www.example.com. 1800 IN A 192.0.2.1",
        "www.example.com. 1800 IN AAAA 2001:db8::1",
        'example.com. 1800 IN CAA 0 issue "letsencrypt.org"',
        "alias.example.com. 1800 IN CNAME www.example.com.",
        "example.com. 1800 IN MX 10 mail.example.net.",
        "sub.example.com. 1800 IN NS ns.example.net.",
        "_sip._tcp.example.com. 1800 IN SRV 1 5 5060 sip.example.net.",
        'example.com. 1800 IN TXT "v=spf1 -all"',
    ]


@pytest.mark.skipif(contract() is None, reason="the provider's document, or jsonschema, is missing")
def test_every_operation_is_documented(do: Client) -> None:
    """Every operation on domains and records responses as the provider's document describes."""
    document = contract()
    assert document is not None
    document.seen.clear()
    do.act("POST", "/domains", name="example.org", ip_address="192.0.2.7")
    do.get("/domains")
    do.get("/domains/example.org")
    for body in EVERY_TYPE:
        number = add(do, **body)["id"]
        do.get(f"{RECORDS}/{number}")
        do.act("PUT", f"{RECORDS}/{number}", type=body["type"], ttl=60)
        do.act("PATCH", f"{RECORDS}/{number}", type=body["type"], ttl=90)
        do.get(RECORDS)
        do.act("DELETE", f"{RECORDS}/{number}")
    do.act("DELETE", "/domains/example.org")
    assert len(document.seen) == 10


def test_the_official_sdk() -> None:
    """The provider's SDK creates, lists, gets, changes and deletes a domain and its records."""
    pydo = pytest.importorskip("pydo")
    policies = pytest.importorskip("azure.core.pipeline.policies")
    with Sandbox("digitalocean", ssh="off") as cloud:
        (token,) = cloud.credentials
        # Its own policy sends tokens over TLS only.
        policy = policies.HeadersPolicy(base_headers={"Authorization": f"Bearer {token}"})
        with pydo.Client(token=token, endpoint=cloud.url, authentication_policy=policy, retry_total=0) as sdk:
            domains = sdk.domains
            domains.create(body={"name": "example.com", "ip_address": "192.0.2.1"})
            assert domains.get("example.com")["domain"]["ttl"] == 1800
            number = domains.create_record("example.com", body=EVERY_TYPE[3])["domain_record"]["id"]
            domains.update_record("example.com", number, body={"type": "CNAME", "ttl": 60})
            domains.patch_record("example.com", number, body={"type": "CNAME", "name": "other"})
            record = domains.get_record("example.com", number)["domain_record"]
            assert (record["name"], record["ttl"]) == ("other", 60)
            assert domains.list_records("example.com", type="CNAME")["domain_records"] == [record]
            domains.delete_record("example.com", number)
            assert domains.list_records("example.com")["meta"]["total"] == 5
            domains.delete("example.com")
            assert domains.list()["domains"] == []
