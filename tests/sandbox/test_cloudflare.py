"""Cloudflare's DNS over HTTP: envelopes, codes of errors, names, limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import urllib3

from polycloud.sandbox import Sandbox
from polycloud.sandbox.cloudflare.state import ACCOUNT

NOT_HEX = "z" * 32
A = {"type": "A", "name": "www", "content": "192.0.2.1"}
SRV = {"priority": 1, "weight": 2, "port": 3, "target": "host.example.net"}


class Client:
    """Speaks to a sandbox that has the zone example.com."""

    def __init__(self, cloud: Sandbox, pool: urllib3.PoolManager) -> None:
        self._cloud, self._pool = cloud, pool
        self.login = {"authorization": f"Bearer {cloud.credentials[0]}"}
        created = self.act("POST", "/zones", {"name": "example.com", "account": {"id": ACCOUNT}})
        self.zone: str = created["result"]["id"]
        self.records = f"/zones/{self.zone}/dns_records"

    def send(self, method: str, path: str, body: object = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """Send a request, with a path below /client/v4 and a JSON body."""
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        headers = headers or self.login
        return self._pool.request(method, f"{self._cloud.url}/client/v4{path}", body=data, headers=headers)

    def act(self, method: str, path: str, body: object = None) -> Any:
        """Send a request that succeeds; return the envelope."""
        response = self.send(method, path, body)
        assert (response.status, response.json()["success"]) == (200, True), response.data
        return response.json()

    def add(self, **record: Any) -> Any:
        """Create a record."""
        return self.act("POST", self.records, record)["result"]

    def refused(self, method: str, path: str, body: object = None) -> tuple[int, list[int]]:
        """Send a request that is refused; return the status and the codes, with those that explain them."""
        response = self.send(method, path, body)
        envelope = response.json()
        assert (envelope["success"], envelope["result"], envelope["messages"]) == (False, None, [])
        errors = envelope["errors"]
        assert all(error["message"] for error in errors)
        return response.status, [
            one["code"] for error in errors for one in (error, *error.get("error_chain", []))
        ]


@contextmanager
def running(pool: urllib3.PoolManager, **settings: Any) -> Iterator[Client]:
    """A sandbox with these settings."""
    with Sandbox("cloudflare", **settings) as cloud:
        yield Client(cloud, pool)


@pytest.fixture
def cf(pool: urllib3.PoolManager) -> Iterator[Client]:
    """A Cloudflare that has the zone example.com."""
    with running(pool) as client:
        yield client


# Zones


def test_a_zone(cf: Client) -> None:
    """A zone shows its account, its name servers, its plan and its dates."""
    zone = cf.act("GET", f"/zones/{cf.zone}")["result"]
    assert zone["account"] == {"id": ACCOUNT, "name": "Sandbox"}
    assert zone["name_servers"] == ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"]
    assert (zone["type"], zone["plan"]["legacy_id"], zone["development_mode"]) == ("full", "free", 0)
    assert zone["created_on"] <= zone["activated_on"] <= zone["modified_on"]


def test_a_new_zone_has_no_records(cf: Client) -> None:
    """A zone's list of records has neither its SOA nor Cloudflare's name servers."""
    assert cf.act("GET", cf.records) == {
        "result": [],
        "success": True,
        "errors": [],
        "messages": [],
        "result_info": {"page": 1, "per_page": 100, "count": 0, "total_count": 0, "total_pages": 0},
    }


def test_a_zone_is_pending_until_it_is_active(
    pool: urllib3.PoolManager, now: list[float], later: Callable[[float], None]
) -> None:
    """A zone is pending until its activation, and lists find it by either status."""
    with running(pool, activation=5, clock=lambda: now[0]) as cf:
        zone = cf.act("GET", f"/zones/{cf.zone}")["result"]
        assert (zone["status"], zone["activated_on"]) == ("pending", None)
        assert cf.act("GET", "/zones?status=pending")["result_info"]["count"] == 1
        later(5)
        assert cf.act("PUT", f"/zones/{cf.zone}/activation_check")["result"] == {"id": cf.zone}
        (zone,) = cf.act("GET", "/zones?status=active")["result"]
        assert zone["activated_on"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "example.com"}, (400, [1061])),
        ({"name": "EXAMPLE.com."}, (400, [1061])),
        ({"name": "example"}, (400, [1049])),
        ({"name": "a b.com"}, (400, [1049])),
        ({}, (400, [1002])),
        ({"name": 1}, (400, [1002])),
        ({"name": "example.org", "type": "half"}, (400, [1002])),
        ({"name": "example.org", "account": {"id": "0" * 32}}, (403, [9109])),
        ({"name": "example.org", "account": {"id": 1}}, (400, [1002])),
    ],
)
def test_refused_zones(cf: Client, body: dict[str, Any], expected: tuple[int, list[int]]) -> None:
    """A zone that exists, a name that is not one, and an account of others are refused with their codes."""
    assert cf.refused("POST", "/zones", {"account": {"id": ACCOUNT}, **body}) == expected


def test_a_zone_without_an_account(cf: Client) -> None:
    """A zone that names no account is in that of the user."""
    assert cf.act("POST", "/zones", {"name": "example.org"})["result"]["account"]["id"] == ACCOUNT


def test_edits_of_zones(cf: Client) -> None:
    """An edit of a zone changes one property, and several at once are refused."""
    path = f"/zones/{cf.zone}"
    assert cf.act("PATCH", path, {"paused": True})["result"]["paused"] is True
    assert cf.refused("PATCH", path, {"paused": False, "type": "partial"}) == (400, [1002])
    assert cf.act("GET", path)["result"]["paused"] is True


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["example.com", "b.example", "a.example"]),
        ("name=b.example", ["b.example"]),
        ("name=B.EXAMPLE", ["b.example"]),
        ("name=ends_with:example", ["b.example", "a.example"]),
        ("name=not_equal:b.example", ["example.com", "a.example"]),
        ("name=contains_case_sensitive:B", []),
        ("name=b.example&status=pending", []),
        ("name=b.example&status=pending&match=any", ["b.example"]),
        ("account.name=sandbox&order=name", ["a.example", "b.example", "example.com"]),
        (f"account.id={ACCOUNT}&order=name&direction=desc", ["example.com", "b.example", "a.example"]),
        ("account.id=0", []),
        ("type=partial,secondary", []),
        ("per_page=1&page=2", ["b.example"]),
    ],
)
def test_filters_of_zones(cf: Client, query: str, found: list[str]) -> None:
    """Lists of zones filter by name, status, account and type, and have an order and pages."""
    for name in ("b.example", "a.example"):
        cf.act("POST", "/zones", {"name": name, "account": {"id": ACCOUNT}})
    assert [zone["name"] for zone in cf.act("GET", f"/zones?{query}")["result"]] == found


# Records


def test_a_record(cf: Client) -> None:
    """A record shows its fields with their defaults, and those of a comment and tags only if it has them."""
    record = cf.add(**A)
    dates = {record.pop("created_on"), record.pop("modified_on")}
    assert all(date.endswith("Z") for date in dates)
    assert record == {
        "id": record["id"],
        "name": "www.example.com",
        "type": "A",
        "content": "192.0.2.1",
        "proxiable": True,
        "proxied": False,
        "ttl": 1,
        "settings": {},
        "meta": {},
        "comment": None,
        "tags": [],
    }
    assert len(record["id"]) == 32


@pytest.mark.parametrize(
    ("name", "complete"),
    [
        ("@", "example.com"),
        ("example.com", "example.com"),
        ("Example.COM.", "example.com"),
        ("www", "www.example.com"),
        ("www.example.com", "www.example.com"),
        ("notexample.com", "notexample.com.example.com"),
        ("*", "*.example.com"),
        ("_dmarc", "_dmarc.example.com"),
        ("bücher", "xn--bcher-kva.example.com"),
        ("a..b", None),
        ("a b", None),
        ("-a", None),
        ("a" * 64, None),
        (".".join(["a" * 60] * 4), None),
    ],
)
def test_names(cf: Client, name: str, complete: str | None) -> None:
    """Names are shown complete, in lower case and in Punycode; others are refused."""
    if complete:
        assert cf.add(**{**A, "name": name})["name"] == complete
    else:
        assert cf.refused("POST", cf.records, {**A, "name": name}) == (400, [9000])


@pytest.mark.parametrize(
    ("record", "content"),
    [
        ({"type": "AAAA", "content": "fe80::0:0:1"}, "fe80::1"),
        ({"type": "cname", "content": "Host.Example.net."}, "host.example.net"),
        ({"type": "CNAME", "name": "@", "content": "example.net"}, "example.net"),
        ({"type": "MX", "content": ".", "priority": 0}, "."),
        ({"type": "TXT", "content": "no quotes"}, "no quotes"),
        ({"type": "TXT", "content": '"a"   "b"'}, '"a" "b"'),
        ({"type": "TXT", "content": f'"{"x" * 300}"'}, f'"{"x" * 255}" "{"x" * 45}"'),
        ({"type": "TXT", "content": r'"a \"b\" \\"'}, r'"a \"b\" \\"'),
        ({"type": "DS", "data": {"key_tag": 1, "algorithm": 8, "digest_type": 1, "digest": "aB" * 20}}, None),
    ],
)
def test_canonical_content(cf: Client, record: dict[str, Any], content: str | None) -> None:
    """Addresses, hosts and quoted texts are kept in one form, whatever the form in which they were sent."""
    assert cf.add(**{"name": "x", **record})["content"] == (content or f"1 8 1 {'aB' * 20}")


@pytest.mark.parametrize(
    ("record", "codes"),
    [
        ({"type": "A", "content": "1.1"}, [9005]),
        ({"type": "A", "content": "2001:db8::1"}, [9005]),
        ({"type": "AAAA", "content": "192.0.2.1"}, [9006]),
        ({"type": "CNAME", "content": "https://example.net"}, [9007]),
        ({"type": "CNAME", "content": "192.0.2.1"}, [9007]),
        ({"type": "CNAME", "content": "x.example.com"}, [9039]),
        ({"type": "MX", "content": "10 mail.example.net", "priority": 1}, [9009]),
        ({"type": "MX", "content": "mail.example.net"}, [1004, 9100]),
        ({"type": "TXT", "content": '"this'}, [9029]),
        ({"type": "TXT", "content": '"these" ones"'}, [9029]),
        ({"type": "TXT", "content": "x" * 4096}, [9015]),
        ({"type": "A"}, [1004, 9100]),
        ({"type": "A", "content": 1}, [1004, 9100]),
        ({"type": "SRV", "content": "1 2 3 host.example.net"}, [1004, 9100]),
        ({"type": "SRV", "data": {**SRV, "port": None}}, [1004, 9101]),
        ({"type": "SRV", "data": {**SRV, "port": 65536}}, [1004, 9102]),
        ({"type": "SRV", "data": {**SRV, "port": "3"}}, [1004, 9102]),
        ({"type": "SRV", "data": {**SRV, "target": "a b"}}, [1004, 9102]),
        ({"type": "DS", "data": {"key_tag": 1, "algorithm": 8, "digest_type": 1, "digest": "x"}}, [9103]),
        ({"type": "HTTPS", "data": {"priority": 1, "target": ".", "value": "alpn"}}, [9103]),
        ({"type": "SPF", "content": "v=spf1 -all"}, [1004, 9020]),
        ({"type": "SOA", "content": "a b 1 2 3 4 5"}, [1004, 9020]),
        ({**A, "ttl": 59}, [1004, 9021]),
        ({**A, "ttl": 86401}, [1004, 9021]),
        ({**A, "ttl": 0}, [1004, 9021]),
        ({**A, "content": "10.0.0.1", "proxied": True}, [9003]),
        ({**A, "content": "1.1.1.1", "proxied": True}, [9003]),
        ({"type": "TXT", "content": "x", "proxied": True}, [9004]),
        ({**A, "comment": "two\nlines"}, [1004, 9100]),
        ({**A, "tags": ["no spaces"]}, [1004, 9100]),
        ({**A, "tags": ["a", "b", "c"]}, [1004, 9300]),
        ({**A, "settings": {"flatten_cname": True}}, [1004, 9400]),
        ({"content": "192.0.2.1"}, [1004, 9100]),
    ],
)
def test_refused_records(pool: urllib3.PoolManager, record: dict[str, Any], codes: list[int]) -> None:
    """Each invalid field is refused with its code, and the zone stays as it was."""
    with running(pool, tag_limit=2) as cf:
        assert cf.refused("POST", cf.records, {"name": "x", **record}) == (400, codes)
        assert cf.act("GET", cf.records)["result"] == []


def test_the_shortest_ttl_is_a_setting(pool: urllib3.PoolManager) -> None:
    """The TTLs of an Enterprise zone begin at 30 seconds."""
    with running(pool, shortest_ttl=30) as cf:
        assert cf.add(**A, ttl=30)["ttl"] == 30
        assert cf.refused("POST", cf.records, {**A, "name": "x", "ttl": 29}) == (400, [1004, 9021])


def test_shortest_and_longest_ttl(cf: Client) -> None:
    """TTLs of 60 and 86400 seconds are kept, and a proxied record's is always 1."""
    assert [cf.add(**{**A, "name": str(ttl)}, ttl=ttl)["ttl"] for ttl in (1, 60, 86400)] == [1, 60, 86400]
    record = cf.add(**{**A, "name": "p"}, ttl=300, proxied=True)
    assert (record["ttl"], record["proxied"]) == (1, True)


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (A, A, 81058),
        (A, {**A, "ttl": 60, "proxied": True}, 81058),
        (A, {**A, "content": "192.0.2.2"}, None),
        (A, {"type": "AAAA", "name": "www", "content": "2001:db8::1"}, None),
        (A, {"type": "CNAME", "name": "www", "content": "a.example.net"}, 81053),
        ({"type": "CNAME", "name": "www", "content": "a.example.net"}, A, 81054),
        (
            {"type": "CNAME", "name": "www", "content": "a.example.net"},
            {"type": "CNAME", "name": "www", "content": "b.example.net"},
            81053,
        ),
        (
            {"type": "CNAME", "name": "www", "content": "a.example.net"},
            {"type": "TXT", "name": "www", "content": '"x"'},
            None,
        ),
        ({"type": "NS", "name": "www", "content": "ns.example.net"}, A, 81056),
        (A, {"type": "NS", "name": "www", "content": "ns.example.net"}, 81053),
        ({"type": "NS", "name": "@", "content": "ns.example.net"}, {**A, "name": "@"}, None),
        (
            {"type": "MX", "name": "@", "content": "mail.example.net", "priority": 1},
            {"type": "MX", "name": "@", "content": "mail.example.net", "priority": 2},
            None,
        ),
    ],
)
def test_records_of_one_name(
    cf: Client, first: dict[str, Any], second: dict[str, Any], code: int | None
) -> None:
    """An identical record, and one that cannot stand beside those of its name, is refused."""
    cf.add(**first)
    if code:
        assert cf.refused("POST", cf.records, second) == (400, [code])
    else:
        cf.add(**second)


def test_the_length_of_all_texts_of_a_name(cf: Client) -> None:
    """All texts of a name have at most 8192 characters together."""
    for letter in "ab":
        cf.add(type="TXT", name="x", content=letter * 4000)
    assert cf.refused("POST", cf.records, {"type": "TXT", "name": "x", "content": "c" * 200}) == (
        400,
        [83011],
    )
    cf.add(type="TXT", name="y", content="c" * 200)


def test_an_edit_that_is_refused_changes_nothing(cf: Client) -> None:
    """An edit into a record that exists is refused, and the record stays as it was."""
    cf.add(**A)
    other = cf.add(**{**A, "content": "192.0.2.2"})
    path = f"{cf.records}/{other['id']}"
    assert cf.refused("PATCH", path, {"content": "192.0.2.1", "ttl": 60}) == (400, [81058])
    assert cf.refused("PATCH", path, {"type": "MX"}) == (400, [1004, 9100])
    assert cf.act("GET", path)["result"] == other
    assert cf.act("PATCH", path, {"content": "192.0.2.2"})["result"]["content"] == "192.0.2.2"


def test_an_edit_of_the_type(cf: Client) -> None:
    """An edit may change the type, with content of the new one; it has only the settings of its type."""
    record = cf.add(type="CNAME", name="www", content="a.example.net", settings={"ipv4_only": True})
    assert record["settings"] == {"flatten_cname": False, "ipv4_only": True}
    path = f"{cf.records}/{record['id']}"
    edited = cf.act("PATCH", path, {"type": "A", "content": "192.0.2.1"})["result"]
    assert (edited["type"], edited["settings"]) == ("A", {"ipv4_only": True})
    edited = cf.act("PATCH", path, {"type": "SRV", "data": SRV})["result"]
    assert (edited["data"], edited["priority"], edited["settings"]) == (SRV, 1, {})


def test_comments_and_tags_are_removed(cf: Client) -> None:
    """An empty comment and an empty array of tags remove them, with their dates."""
    record = cf.add(**A, comment="c", tags=["A:B", "b"])
    assert (record["comment"], record["tags"]) == ("c", ["a:B", "b"])
    assert {"comment_modified_on", "tags_modified_on"} <= record.keys()
    edited = cf.act("PATCH", f"{cf.records}/{record['id']}", {"comment": "", "tags": []})["result"]
    assert (edited["comment"], edited["tags"]) == (None, [])
    assert not {"comment_modified_on", "tags_modified_on"} & edited.keys()


def test_the_older_filters_are_exact(cf: Client) -> None:
    """A filter without an operator compares the whole field."""
    cf.add(**A)
    cf.add(**{**A, "name": "w"})
    for query in (
        "name=www.example.com",
        "name=WWW.example.com&type=a",
        "content=192.0.2.1&name=www.example.com",
    ):
        assert [one["name"] for one in cf.act("GET", f"{cf.records}?{query}")["result"]] == [
            "www.example.com"
        ]
    assert cf.act("GET", f"{cf.records}?name=www")["result"] == []


def test_filters_by_delegations(cf: Client) -> None:
    """Lists filter by the delegation that hides a record, and by the name that a delegation hides."""
    for name in ("@", "sub", "a.sub"):
        cf.add(type="NS", name=name, content="ns.example.net")
    for name in ("www.sub", "www.a.sub", "notsub"):
        cf.add(**{**A, "name": name})
    hidden = "include_shadow_metadata=true&shadowed_by_name=sub.example.com"
    for query, found in (
        (hidden, ["www.sub", "www.a.sub", "a.sub"]),
        (f"{hidden}&type=NS", ["a.sub"]),
        ("shadowing_name=www.a.sub.example.com", ["sub", "a.sub"]),
        ("shadowing_name=notsub.example.com", []),
    ):
        listed = cf.act("GET", f"{cf.records}?{query}")["result"]
        assert [one["name"].removesuffix(".example.com") for one in listed] == found
    for query in ("shadowed_by_name=sub.example.com", "shadowing_name=example.com"):
        assert cf.refused("GET", f"{cf.records}?{query}") == (400, [1004, 9100])


@pytest.mark.parametrize("query", ["order=id", "direction=up", "match=none", "per_page=x", "page=-1"])
def test_invalid_queries(cf: Client, query: str) -> None:
    """An order, a direction, a match and a page that do not exist are refused."""
    assert cf.refused("GET", f"{cf.records}?{query}") == (400, [1004, 9100])


def test_pages_are_described(pool: urllib3.PoolManager) -> None:
    """A page has at most the greatest number of records, and says how many there are."""
    with running(pool, record_page=3) as cf:
        for number in range(7):
            cf.add(**{**A, "name": f"n{number}"})
        page = cf.act("GET", f"{cf.records}?per_page=5000&page=3")
        assert [record["name"] for record in page["result"]] == ["n6.example.com"]
        assert page["result_info"] == {
            "page": 3,
            "per_page": 3,
            "count": 1,
            "total_count": 7,
            "total_pages": 3,
        }


# Many at once


def test_a_batch_has_a_limit(pool: urllib3.PoolManager) -> None:
    """A batch with more operations than the plan permits is refused."""
    with running(pool, batch_limit=2) as cf:
        posts = [{**A, "name": f"n{number}"} for number in range(3)]
        assert cf.refused("POST", f"{cf.records}/batch", {"posts": posts}) == (400, [9500])
        cf.act("POST", f"{cf.records}/batch", {"posts": posts[:2]})


def test_a_batch_with_an_unknown_record(cf: Client) -> None:
    """A batch that deletes and then edits the same record changes nothing."""
    record = cf.add(**A)
    body = {"deletes": [{"id": record["id"]}], "patches": [{"id": record["id"], "ttl": 60}]}
    assert cf.refused("POST", f"{cf.records}/batch", body) == (404, [81044])
    assert cf.act("GET", cf.records)["result"] == [record]
    assert cf.refused("POST", f"{cf.records}/batch", {"deletes": [{}]}) == (400, [1004, 9100])


def zone_file(text: str, **fields: str) -> tuple[bytes, str]:
    """The body of an import, and its type."""
    body, kind = urllib3.encode_multipart_formdata({"file": ("zone.txt", text), **fields})
    return body, kind


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("www 300 IN A 192.0.2.1", [("www.example.com", "A", "192.0.2.1", 300, True)]),
        ("www IN A 10.0.0.1", [("www.example.com", "A", "10.0.0.1", 1, False)]),
        (
            "www 60 IN A 192.0.2.1 ; cf_tags=cf-proxied:false",
            [("www.example.com", "A", "192.0.2.1", 60, False)],
        ),
        ("$TTL 600\n@ IN TXT a b", [("example.com", "TXT", '"a" "b"', 600, False)]),
        (
            "$ORIGIN sub.example.com.\n$GENERATE 1-2 h$ 60 A 192.0.2.$ ; cf_tags=cf-proxied:false",
            [
                ("h1.sub.example.com", "A", "192.0.2.1", 1, True),
                ("h2.sub.example.com", "A", "192.0.2.2", 1, True),
            ],
        ),
        ("@ 60 IN SOA a. b. 1 2 3 4 5\n@ 60 IN NS ada.ns.cloudflare.com.", []),
        ("@ 60 IN NS ns.example.net.\n", [("example.com", "NS", "ns.example.net", 60, False)]),
    ],
)
def test_imports(cf: Client, text: str, records: list[tuple[Any, ...]]) -> None:
    """An import reads directives, TTLs and tags, proxies records, and leaves out those of Cloudflare."""
    body, kind = zone_file(text, proxied="true")
    response = cf.send("POST", f"{cf.records}/import", body, **cf.login, **{"content-type": kind})
    assert response.json()["result"] == {"recs_added": len(records), "total_records_parsed": len(records)}
    listed = cf.act("GET", f"{cf.records}?order=name")["result"]
    keys = ("name", "type", "content", "ttl", "proxied")
    assert [tuple(one[key] for key in keys) for one in listed] == [
        (*record[:3], 1 if record[4] else record[3], record[4]) for record in records
    ]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("$INCLUDE other", [9207]),
        ("www IN", [9207]),
        ("ok 60 IN A 192.0.2.1\nbad 5 IN A 192.0.2.2", [1004, 9021]),
    ],
)
def test_imports_that_fail(cf: Client, text: str, codes: list[int]) -> None:
    """An import of a file that is not a zone's, or of an invalid record, adds nothing."""
    body, kind = zone_file(text)
    response = cf.send("POST", f"{cf.records}/import", body, **cf.login, **{"content-type": kind})
    (error,) = response.json()["errors"]
    assert [error["code"], *(one["code"] for one in error.get("error_chain", []))] == codes
    assert cf.act("GET", cf.records)["result"] == []


# Requests


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", f"/zones/{'0' * 32}", (404, [1001])),
        ("GET", f"/zones/{NOT_HEX}", (404, [7003, 7000])),
        ("GET", "/zones/example.com/dns_records", (404, [7003, 7000])),
        ("GET", f"/zones/{'0' * 32}/dns_records", (404, [1001])),
        ("GET", f"/accounts/{'0' * 32}", (404, [1003])),
        ("GET", "/nothing", (404, [7003, 7000])),
        ("DELETE", "/zones", (405, [7001])),
    ],
)
def test_paths_that_do_not_exist(cf: Client, method: str, path: str, expected: tuple[int, list[int]]) -> None:
    """An unknown id has its code, and one that cannot be an id leads nowhere."""
    assert cf.refused(method, path) == expected


def test_an_unknown_record(cf: Client) -> None:
    """Every method refuses an unknown record."""
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert cf.refused(method, f"{cf.records}/{'0' * 32}", A) == (404, [81044])


@pytest.mark.parametrize("body", [b"{", b"[]"])
def test_malformed_bodies(cf: Client, body: bytes) -> None:
    """A body that is not a JSON object is refused."""
    assert cf.refused("POST", cf.records, body) == (400, [6007])


def test_missing_credentials(cf: Client) -> None:
    """A request without credentials is a bad request."""
    response = cf.send("GET", "/zones", accept="*/*")
    assert (response.status, response.json()["errors"][0]["code"]) == (400, 9106)


def test_the_user(cf: Client) -> None:
    """The user has an address, and one account that is found by its id."""
    assert cf.act("GET", "/user")["result"]["email"] == "user@example.com"
    (account,) = cf.act("GET", "/accounts")["result"]
    assert account == cf.act("GET", f"/accounts/{ACCOUNT}")["result"]
    assert cf.act("GET", "/user/tokens/verify")["result"]["status"] == "active"


def test_the_limit_of_requests(
    pool: urllib3.PoolManager, now: list[float], later: Callable[[float], None]
) -> None:
    """After the limit every request has status 429 until the window ends, and headers say what is left."""
    with running(pool, request_limit=3, clock=lambda: now[0]) as cf:
        later(100)
        response = cf.send("GET", "/zones")
        assert response.headers["ratelimit"] == '"default";r=1;t=200'
        assert response.headers["ratelimit-policy"] == '"default";q=3;w=300'
        cf.act("GET", "/zones")
        refused = cf.send("GET", "/zones")
        assert (refused.status, refused.headers["retry-after"]) == (429, "200")
        assert refused.headers["ratelimit"] == '"default";r=0;t=200'
        assert refused.json()["errors"][0]["code"] == 10100
        later(200)
        cf.act("GET", "/zones")


def test_without_a_limit_none_of_it_is_used(cf: Client) -> None:
    """Without a limit the headers show Cloudflare's usual one, of which nothing is used."""
    response = cf.send("GET", "/zones")
    assert response.headers["ratelimit"].startswith('"default";r=1200;')
    assert response.headers["cf-ray"].endswith("-AMS")


def test_faults(pool: urllib3.PoolManager) -> None:
    """Faults are injected into requests of this cloud as of others."""
    with Sandbox("cloudflare") as cloud:
        cf = Client(cloud, pool)
        cloud.fault(502, path="/client/v4/zones/*/dns_records")
        assert cf.send("GET", cf.records).status == 502
        assert cf.act("GET", cf.records)["result"] == []
