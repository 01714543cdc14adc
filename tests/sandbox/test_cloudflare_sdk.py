"""The provider's SDK against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from polycloud.sandbox import Sandbox
from support.libraries import Library

sdk = Library("cloudflare")

DIGEST = "d2abde240d7cd3ee6b4b28c54df034b9" * 2
SIMPLE: list[dict[str, Any]] = [
    {"type": "A", "name": "www", "content": "192.0.2.1"},
    {"type": "AAAA", "name": "www", "content": "2001:db8::1"},
    {"type": "CNAME", "name": "alias", "content": "www.example.com"},
    {"type": "MX", "name": "example.com", "content": "mail.example.net", "priority": 10},
    {"type": "NS", "name": "sub", "content": "ns.example.net"},
    {"type": "OPENPGPKEY", "name": "key", "content": "mQENBFVHm5sBCACRT8EH"},
    {"type": "PTR", "name": "1", "content": "host.example.com"},
    {"type": "TXT", "name": "@", "content": '"v=spf1 -all"'},
]
WITH_DATA: list[tuple[str, dict[str, Any], str]] = [
    ("CAA", {"flags": 0, "tag": "issue", "value": "letsencrypt.org"}, '0 issue "letsencrypt.org"'),
    ("CERT", {"type": 1, "key_tag": 2, "algorithm": 8, "certificate": "AQID"}, "1 2 8 AQID"),
    ("DNSKEY", {"flags": 257, "protocol": 3, "algorithm": 5, "public_key": "AQID"}, "257 3 5 AQID"),
    ("DS", {"key_tag": 1, "algorithm": 8, "digest_type": 2, "digest": DIGEST}, f"1 8 2 {DIGEST}"),
    ("HTTPS", {"priority": 1, "target": ".", "value": 'alpn="h3,h2"'}, '1 . alpn="h3,h2"'),
    (
        "LOC",
        {
            "lat_degrees": 37,
            "lat_minutes": 46,
            "lat_seconds": 46,
            "lat_direction": "N",
            "long_degrees": 122,
            "long_minutes": 23,
            "long_seconds": 35,
            "long_direction": "W",
            "altitude": 0,
            "size": 100,
            "precision_horz": 0,
            "precision_vert": 0,
        },
        "37 46 46.000 N 122 23 35.000 W 0.00m 100.00m 0.00m 0.00m",
    ),
    (
        "NAPTR",
        {
            "order": 100,
            "preference": 10,
            "flags": "S",
            "service": "SIP+D2T",
            "regex": "",
            "replacement": "_sip._tcp.example.com",
        },
        '100 10 "S" "SIP+D2T" "" _sip._tcp.example.com',
    ),
    (
        "SMIMEA",
        {"usage": 3, "selector": 0, "matching_type": 1, "certificate": DIGEST},
        f"3 0 1 {DIGEST}",
    ),
    (
        "SRV",
        {"priority": 10, "weight": 5, "port": 5223, "target": "server.example.com"},
        "10 5 5223 server.example.com",
    ),
    ("SSHFP", {"algorithm": 4, "type": 2, "fingerprint": DIGEST}, f"4 2 {DIGEST}"),
    (
        "SVCB",
        {"priority": 2, "target": "svc.example.net", "value": 'port="8443"'},
        '2 svc.example.net port="8443"',
    ),
    ("TLSA", {"usage": 3, "selector": 1, "matching_type": 1, "certificate": DIGEST}, f"3 1 1 {DIGEST}"),
    ("URI", {"weight": 1, "target": "https://example.org/a"}, '1 "https://example.org/a"'),
]


@pytest.fixture
def cloud() -> Iterator[Sandbox]:
    """A Cloudflare with small pages."""
    with Sandbox("cloudflare", record_page=3, zone_page=2) as sandbox:
        yield sandbox


def connect(cloud: Sandbox, **credentials: str) -> Any:
    """The SDK's client, without retries."""
    given = credentials or {"api_token": cloud.credentials[0]}
    return sdk.Cloudflare(**given, base_url=f"{cloud.url}/client/v4", max_retries=0)


@pytest.fixture
def client(cloud: Sandbox) -> Iterator[Any]:
    """The SDK's client with the right token."""
    with connect(cloud) as made:
        yield made


@pytest.fixture
def zone(client: Any) -> Any:
    """The zone example.com."""
    return client.zones.create(account={"id": account(client)}, name="example.com")


def account(client: Any) -> str:
    """The id of the account."""
    (one,) = client.accounts.list()
    return str(one.id)


def add(client: Any, zone: Any, **record: Any) -> Any:
    """Create a record."""
    return client.dns.records.create(zone_id=zone.id, **{"ttl": 1, **record})


def names(records: Any) -> list[str]:
    """The names of records, without the zone's."""
    return [record.name.removesuffix(".example.com") for record in records]


def codes(error: Any) -> list[int]:
    """The codes of an error and what explains them."""
    return [one["code"] for entry in error.body["errors"] for one in (entry, *entry.get("error_chain", []))]


def test_zones(client: Any) -> None:
    """The SDK creates, gets, finds, pauses and deletes zones, and pages through all of them."""
    zones = [
        client.zones.create(account={"id": account(client)}, name=f"{name}.example", type="full")
        for name in ("c", "a", "b")
    ]
    got = client.zones.get(zone_id=zones[0].id)
    assert (got.name, got.status, got.paused, got.type) == ("c.example", "active", False, "full")
    assert len(got.name_servers) == 2
    assert got.account.id == account(client)
    assert [zone.name for zone in client.zones.list(order="name")] == ["a.example", "b.example", "c.example"]
    assert client.zones.list().result_info.per_page == 2
    assert [zone.name for zone in client.zones.list(name="b.example", status="active")] == ["b.example"]
    assert [zone.name for zone in client.zones.list(name="starts_with:a")] == ["a.example"]
    assert client.zones.edit(zone_id=got.id, paused=True).paused is True
    assert client.zones.delete(zone_id=got.id).id == got.id
    with pytest.raises(sdk.NotFoundError) as gone:
        client.zones.get(zone_id=got.id)
    assert codes(gone.value) == [1001]
    assert len([*client.zones.list()]) == 2


def test_simple_records(client: Any, zone: Any) -> None:
    """The SDK creates records whose content is a text, and they are listed with complete names."""
    for record in SIMPLE:
        made = add(client, zone, **record)
        assert (made.type, made.content, made.ttl) == (record["type"], record["content"], 1)
        assert made.proxiable is (made.type in {"A", "AAAA", "CNAME"})
        assert made.proxied is False
        assert client.dns.records.get(made.id, zone_id=zone.id) == made
    listed = [*client.dns.records.list(zone_id=zone.id, order="type")]
    assert [record.type for record in listed] == [record["type"] for record in SIMPLE]
    assert {record.name for record in listed} == {
        "example.com",
        *(f"{name}.example.com" for name in ("1", "alias", "key", "sub", "www")),
    }
    (mail,) = client.dns.records.list(zone_id=zone.id, type="MX")
    assert mail.priority == 10


@pytest.mark.parametrize(("kind", "data", "content"), WITH_DATA)
def test_records_with_data(client: Any, zone: Any, kind: str, data: dict[str, Any], content: str) -> None:
    """The SDK creates records whose content is computed from `data`."""
    more = {"priority": 10} if kind == "URI" else {}
    made = add(client, zone, type=kind, name="x", data=data, **more)
    assert made.content == content
    got = client.dns.records.get(made.id, zone_id=zone.id)
    assert got.data.model_dump() == data
    assert got.model_dump().get("priority", data.get("priority")) == (more or data).get("priority")


def test_edits_and_updates(client: Any, zone: Any) -> None:
    """An edit changes only the fields that it names; an update sets the others to their defaults."""
    made = add(
        client, zone, type="A", name="www", content="192.0.2.1", ttl=300, comment="mine", tags=["Team:dns"]
    )
    assert (made.comment, made.tags) == ("mine", ["team:dns"])
    assert made.comment_modified_on
    assert made.tags_modified_on
    place = {"dns_record_id": made.id, "zone_id": zone.id}
    edited = client.dns.records.edit(**place, type="A", name="www.example.com", ttl=300, content="192.0.2.2")
    assert (edited.id, edited.content, edited.comment, edited.ttl) == (made.id, "192.0.2.2", "mine", 300)
    assert edited.comment_modified_on == made.comment_modified_on
    assert edited.modified_on >= edited.created_on == made.created_on
    updated = client.dns.records.update(
        **place, type="A", name="web", content="192.0.2.3", ttl=1, proxied=True
    )
    assert (updated.name, updated.comment, updated.tags) == ("web.example.com", None, [])
    assert (updated.ttl, updated.proxied) == (1, True)
    assert client.dns.records.delete(**place).id == made.id
    with pytest.raises(sdk.NotFoundError) as gone:
        client.dns.records.delete(**place)
    assert codes(gone.value) == [81044]


def test_filters(client: Any, zone: Any) -> None:
    """The SDK's filters, their match, the order and the direction select and order the records."""
    add(client, zone, type="A", name="a", content="192.0.2.1", comment="Web server")
    add(client, zone, type="A", name="b", content="192.0.2.22", tags=["team:web"], proxied=True)
    add(client, zone, type="TXT", name="c", content='"192.0.2.1"', ttl=60, tags=["old"])

    def found(**query: Any) -> list[str]:
        return names(client.dns.records.list(zone_id=zone.id, **query))

    assert found(name={"exact": "A.example.com"}) == ["a"]
    assert found(name={"endswith": ".example.com"}, content={"startswith": "192"}) == ["a", "b"]
    assert found(content={"contains": "2.1"}, match="all", type="A") == ["a"]
    assert found(content={"exact": "192.0.2.22"}, comment={"present": "true"}, match="any") == ["a", "b"]
    assert found(comment={"contains": "SERVER"}) == ["a"]
    assert found(comment={"absent": "true"}) == ["b", "c"]
    assert found(proxied=True) == ["b"]
    assert found(tag={"present": "team"}) == found(tag={"exact": "team:web"}) == ["b"]
    assert found(tag={"absent": "team", "present": "old"}, tag_match="any") == ["a", "c"]
    assert found(search="web") == ["a", "b"]
    assert found(order="name", direction="desc") == ["c", "b", "a"]
    assert found(order="ttl", direction="desc")[0] == "c"


def test_pages(client: Any, zone: Any) -> None:
    """The SDK reads all pages of records, of which each has at most the number that was asked for."""
    for number in range(7):
        add(client, zone, type="A", name=f"n{number}", content="192.0.2.1")
    first = client.dns.records.list(zone_id=zone.id, per_page=2)
    assert (len(first.result), first.result_info.per_page, first.result_info.page) == (2, 2, 1)
    assert names(client.dns.records.list(zone_id=zone.id, per_page=5000)) == [
        f"n{number}" for number in range(7)
    ]
    assert client.dns.records.list(zone_id=zone.id, page=9).result == []


def test_batch(client: Any, zone: Any) -> None:
    """A batch deletes, patches, puts and posts in this order, and shows what each did."""
    old, kept, other = [
        add(client, zone, type="A", name=name, content="192.0.2.1", comment="x") for name in ("old", "k", "o")
    ]
    done = client.dns.records.batch(
        zone_id=zone.id,
        posts=[{"type": "CNAME", "name": "old", "content": "k.example.com", "ttl": 1}],
        puts=[{"id": other.id, "type": "TXT", "name": "o", "content": '"t"', "ttl": 60}],
        patches=[{"id": kept.id, "content": "192.0.2.9"}],
        deletes=[{"id": old.id}],
    )
    assert [record.id for record in done.deletes] == [old.id]
    assert [(record.content, record.comment) for record in done.patches] == [("192.0.2.9", "x")]
    assert [(record.type, record.comment) for record in done.puts] == [("TXT", None)]
    assert [record.name for record in done.posts] == ["old.example.com"]
    listed = [*client.dns.records.list(zone_id=zone.id, order="name")]
    assert [(record.name[0], record.type) for record in listed] == [("k", "A"), ("o", "TXT"), ("o", "CNAME")]


def test_a_batch_is_atomic(client: Any, zone: Any) -> None:
    """A batch of which one operation fails changes nothing, and its error is that operation's."""
    one = add(client, zone, type="A", name="a", content="192.0.2.1")
    with pytest.raises(sdk.BadRequestError) as refused:
        client.dns.records.batch(
            zone_id=zone.id,
            patches=[{"id": one.id, "content": "192.0.2.9"}],
            posts=[
                {"type": "A", "name": "b", "content": "192.0.2.1", "ttl": 1},
                {"type": "CNAME", "name": "b", "content": "a.example.com", "ttl": 1},
            ],
        )
    assert codes(refused.value) == [81053]
    assert [*client.dns.records.list(zone_id=zone.id)] == [one]


def test_zone_files(client: Any, zone: Any) -> None:
    """An export can be imported into another zone of that name, with comments, tags and proxying."""
    for record in SIMPLE:
        add(client, zone, **record)
    for kind, data, _ in WITH_DATA:
        add(client, zone, type=kind, name=f"d{kind}", data=data, **({"priority": 3} if kind == "URI" else {}))
    add(client, zone, type="A", name="p", content="192.0.2.7", proxied=True, comment="c", tags=["t:a,b"])
    text = client.dns.records.export(zone_id=zone.id)
    assert '\np.example.com.\t1\tIN\tA\t192.0.2.7 ; c cf_tags=t:"a,b",cf-proxied:true\n' in text
    before = [record.model_dump() for record in client.dns.records.list(zone_id=zone.id)]
    client.zones.delete(zone_id=zone.id)
    again = client.zones.create(account={"id": account(client)}, name="example.com")
    done = client.dns.records.import_(zone_id=again.id, file=text, proxied="false")
    assert done.recs_added == done.total_records_parsed == len(before)
    after = [record.model_dump() for record in client.dns.records.list(zone_id=again.id)]
    volatile = {"id", "created_on", "modified_on", "comment_modified_on", "tags_modified_on"}
    assert [{k: v for k, v in one.items() if k not in volatile} for one in after] == [
        {k: v for k, v in one.items() if k not in volatile} for one in before
    ]
    assert client.dns.records.import_(zone_id=again.id, file=text).recs_added == 0


def test_scans_find_nothing(client: Any, zone: Any) -> None:
    """A scan for records finds none, since the sandbox does not look at the Internet."""
    with pytest.warns(DeprecationWarning, match="deprecated in favor of a new asynchronous version"):
        assert client.dns.records.scan(zone_id=zone.id).recs_added == 0
    client.dns.records.scan_trigger(zone_id=zone.id)
    assert [*client.dns.records.scan_list(zone_id=zone.id)] == []


def test_credentials(cloud: Sandbox) -> None:
    """Tokens and keys log in; a token can be verified, and one that may only read changes nothing."""
    with connect(cloud) as client:
        assert client.user.tokens.verify().status == "active"
    with connect(
        cloud, api_email="user@example.com", api_key="0123456789abcdef0123456789abcdef01234"
    ) as client:
        assert account(client)
    with connect(cloud, api_token="sandbox_read_only_0123456789abcdef012345") as client:
        where = account(client)
        with pytest.raises(sdk.PermissionDeniedError) as refused:
            client.zones.create(account={"id": where}, name="example.com")
        assert codes(refused.value) == [10000]


@pytest.mark.parametrize(
    ("credentials", "status", "expected"),
    [
        ({"api_token": "short"}, 400, [6003, 6111]),
        ({"api_token": "x" * 40}, 403, [9109]),
        ({"api_email": "user@example.com", "api_key": "no"}, 400, [6003, 6103]),
        ({"api_email": "user@example.com", "api_key": "f" * 37}, 403, [9103]),
        ({"api_email": "other@example.com", "api_key": "0123456789abcdef0123456789abcdef01234"}, 403, [9103]),
    ],
)
def test_wrong_credentials(
    cloud: Sandbox, credentials: dict[str, str], status: int, expected: list[int]
) -> None:
    """Credentials of the wrong form are a bad request, unknown ones are denied."""
    with connect(cloud, **credentials) as client, pytest.raises(sdk.APIStatusError) as refused:
        client.zones.list()
    assert (refused.value.status_code, codes(refused.value)) == (status, expected)


def test_an_unknown_token_is_not_verified(cloud: Sandbox) -> None:
    """To verify an unknown token gives status 401."""
    with connect(cloud, api_token="x" * 40) as client, pytest.raises(sdk.AuthenticationError) as refused:
        client.user.tokens.verify()
    assert codes(refused.value) == [1000]
