"""Route 53's driver on the sandbox, and on a server with the responses of Amazon that moto does not make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from polycloud.dns.changes import RecordChange
from polycloud.dns.content import Content
from polycloud.dns.drivers.route53 import Route53DNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.plan import plan_zone
from polycloud.dns.recordsets import ATTEMPTS, SetChange, SetsChangedError, SetValue
from polycloud.dns.types import (
    RecordConflictError,
    RecordType,
    ZoneAlreadyExistsError,
    ZoneDoesNotExistError,
    ZoneError,
)
from polycloud.dns.wanted import WantedZone
from polycloud.errors import (
    InvalidArgumentError,
    MalformedResponseError,
    ProviderHTTPError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.testing.loopback import Answer, LoopbackServer, SeenRequest

NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
APEX = """<ResourceRecordSet><Name>example.com.</Name><Type>NS</Type><TTL>172800</TTL><ResourceRecords>
<ResourceRecord><Value>ns-1.awsdns-1.com.</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>
<ResourceRecordSet><Name>example.com.</Name><Type>SOA</Type><TTL>900</TTL><ResourceRecords><ResourceRecord>
<Value>ns-1.awsdns-1.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400</Value>
</ResourceRecord></ResourceRecords></ResourceRecordSet>"""


class Amazon(LoopbackServer):
    """Gives its answers in turn; one that is the last is given again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.seen: list[SeenRequest] = []

    def answer(self, request: SeenRequest) -> Answer:
        self.seen.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def batches(self) -> list[list[ET.Element]]:
        """The changes of each batch."""
        bodies = [ET.fromstring(one.body) for one in self.seen if one.path.endswith("rrset") and one.body]  # noqa: S314 - ours
        return [list(body.iterfind("{*}ChangeBatch/{*}Changes/{*}Change")) for body in bodies]


def xml(name: str, inner: str, status: int = 200) -> Answer:
    body = f'<?xml version="1.0"?>\n<{name} xmlns="{NAMESPACE}">{inner}</{name}>'
    return Answer(status, [("Content-Type", "text/xml")], body.encode())


def sets(inner: str, *following: str) -> Answer:
    names = ("NextRecordName", "NextRecordType", "NextRecordIdentifier")
    more = "".join(f"<{name}>{text}</{name}>" for name, text in zip(names, following, strict=False))
    ended = f"<IsTruncated>{str(bool(following)).lower()}</IsTruncated>{more}<MaxItems>300</MaxItems>"
    return xml("ListResourceRecordSetsResponse", f"<ResourceRecordSets>{inner}</ResourceRecordSets>{ended}")


def record_set(name: str, *values: str, type_: str = "A", more: str = "", ttl: int = 60) -> str:
    records = "".join(f"<ResourceRecord><Value>{value}</Value></ResourceRecord>" for value in values)
    return (
        f"<ResourceRecordSet><Name>{name}</Name><Type>{type_}</Type>{more}<TTL>{ttl}</TTL>"
        f"<ResourceRecords>{records}</ResourceRecords></ResourceRecordSet>"
    )


def alias(name: str, target: str, zone: str = "Z2FDTNDATAQYW2", more: str = "") -> str:
    return (
        f"<ResourceRecordSet><Name>{name}</Name><Type>A</Type>{more}<AliasTarget><HostedZoneId>{zone}"
        f"</HostedZoneId><DNSName>{target}</DNSName><EvaluateTargetHealth>true</EvaluateTargetHealth>"
        "</AliasTarget></ResourceRecordSet>"
    )


def refusal(code: str, message: str, status: int = 400) -> Answer:
    inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return xml("ErrorResponse", f"{inner}<RequestId>r-1</RequestId>", status)


def hosted_zone(id_: str = "Z1", more: str = "", private: str = "false") -> str:
    return (
        f"<HostedZone><Id>/hostedzone/{id_}</Id><Name>example.com.</Name><CallerReference>r</CallerReference>"
        f"<Config><PrivateZone>{private}</PrivateZone></Config>{more}</HostedZone>"
    )


def found(more: str = "", private: str = "false") -> Answer:
    return xml("GetHostedZoneResponse", hosted_zone("Z1", more, private))


def signing(state: str = "NOT_SIGNING") -> Answer:
    return xml(
        "GetDNSSECResponse", f"<Status><ServeSignature>{state}</ServeSignature></Status><KeySigningKeys/>"
    )


DONE = xml("ChangeResourceRecordSetsResponse", "<ChangeInfo><Id>/change/C1</Id></ChangeInfo>")
DELETED = xml("DeleteHostedZoneResponse", "<ChangeInfo><Id>/change/C2</Id></ChangeInfo>")


def connect(server: Amazon, **options: Any) -> Route53DNSDriver:
    retry = RetryPolicy(attempts=3, base=0.01, cap=0.01)
    return Route53DNSDriver("AKIATEST", "very secret", url=server.url, retry=retry, **options)


def zone_of(driver: Route53DNSDriver) -> Zone:
    return Zone("Z1", "example.com", "master", None, driver)


def texts(element: ET.Element) -> list[tuple[str, str]]:
    """The names and texts of the elements that have one, in their order."""
    return [(one.tag.partition("}")[2], one.text) for one in element.iter() if one.text and one.text.strip()]


# Names and values


def test_octal_names_and_values() -> None:
    r"""Octal escapes are read as characters, and what is changed is named as Amazon has shown it."""
    shown = [
        record_set(r"\052.example.com.", "192.0.2.1"),
        record_set(r"a\056b\100.example.com.", "192.0.2.2"),
        record_set("txt.example.com.", r'"caf\303\251 \"x\" \\ \177" "two"', type_="TXT"),
    ]
    with Amazon(sets("".join(shown))) as server, connect(server) as driver:
        wild, odd, text = zone_of(driver).list_records()
        assert (wild.name, odd.name, text.data) == ("*", r"a\.b\@", 'café "x" \\ \x7ftwo')
        server.answers = [sets(shown[1]), DONE, sets(shown[2]), DONE]
        odd.delete()
        text.update(data="née")
        assert server.seen[1].query["name"] == [r"a\056b\100.example.com."]
        assert dict(texts(server.batches[0][0]))["Name"] == r"a\056b\100.example.com."
        deleted, created = map(texts, server.batches[1])
        assert deleted[-1] == ("Value", r'"caf\303\251 \"x\" \\ \177" "two"')
        assert created[-1] == ("Value", r'"n\303\251e"')


def test_domains() -> None:
    """The id of a zone has no prefix, its domain no dot, and its extra has Amazon's names, typed."""
    more = "<ResourceRecordSetCount>2</ResourceRecordSetCount>"
    servers = "<DelegationSet><NameServers><NameServer>ns-1.org</NameServer></NameServers></DelegationSet>"
    with Amazon(xml("GetHostedZoneResponse", hosted_zone("Z1", more) + servers)) as server:
        with connect(server) as driver:
            zone = driver.get_zone("/hostedzone/Z1")
    assert server.seen[0].path == "/2013-04-01/hostedzone/Z1"
    assert (zone.id, zone.domain, zone.ttl) == ("Z1", "example.com", None)
    assert zone.extra == {
        "PrivateZone": False,
        "CallerReference": "r",
        "ResourceRecordSetCount": 2,
        "NameServers": ["ns-1.org"],
    }


# Pages


def test_pages_cut_within_a_name() -> None:
    """A page that ends within a name or its alternatives is continued there; nothing is lost or doubled."""
    first, second, third = (
        record_set(
            "www.example.com.", "192.0.2.1", more=f"<SetIdentifier>{one}</SetIdentifier><Weight>1</Weight>"
        )
        for one in ("a b", "c", "d")
    )
    pages = [
        sets(APEX + first, "www.example.com.", "A", "c"),
        sets(second + third, "www.example.com.", "TXT"),
        sets(record_set("www.example.com.", '"x"', type_="TXT")),
    ]
    with Amazon(*pages) as server, connect(server) as driver:
        records = zone_of(driver).list_records()
    assert [(one.type, one.extra.get("ex_set_identifier")) for one in records] == [
        ("NS", None),
        ("SOA", None),
        *(("A", one) for one in ("a b", "c", "d")),
        ("TXT", None),
    ]
    assert [dict(one.query) for one in server.seen] == [
        {"maxitems": ["300"]},
        {"maxitems": ["300"], "name": ["www.example.com."], "type": ["A"], "identifier": ["c"]},
        {"maxitems": ["300"], "name": ["www.example.com."], "type": ["TXT"]},
    ]


GHOST = record_set("ghost.example.com.", "192.0.2.9")
WWW, TEXT, ODD = (
    record_set("www.example.com.", "192.0.2.1", "192.0.2.2"),
    record_set("txt.example.com.", '"a b"', type_="TXT"),
    alias("odd.example.com.", "a.example.net."),
)


@pytest.mark.parametrize(
    "inner",
    [
        WWW + TEXT + ODD,
        f"<!-- {GHOST} -->{WWW}{TEXT}{ODD}",
        f"{WWW}<?ghost {GHOST}?>{TEXT}{ODD}",
        WWW + TEXT.replace('"a b"', "<![CDATA[&quot;]]>").replace("&quot;", '"a b"') + ODD,
        WWW + TEXT.replace('"', "&quot;").replace("b", "&#x62;") + ODD,
        WWW.replace("><", ">\n  <") + TEXT.replace("</TTL>", "</TTL><New><Name>ghost</Name></New>") + ODD,
        WWW + TEXT.replace("<Name>", "<Name><!-- ü -->") + ODD,
        WWW.replace("<ResourceRecordSet>", "<ResourceRecordSet >") + TEXT + ODD,
    ],
)
def test_spellings_of_pages(inner: str) -> None:
    """A page is read the same in every spelling that XML allows."""
    with Amazon(sets(inner)) as server, connect(server) as driver:
        records = zone_of(driver).list_records()
    assert [(one.name, one.type, one.data, one.ttl) for one in records] == [
        ("www", "A", "192.0.2.1", 60),
        ("www", "A", "192.0.2.2", 60),
        ("txt", "TXT", "a b", 60),
        ("odd", "ALIAS", "a.example.net", None),
    ]


@pytest.mark.parametrize(
    "inner",
    [
        WWW.removesuffix("</ResourceRecordSet>") + TEXT,
        WWW + TEXT.replace("</Value>", ""),
        WWW + TEXT.replace("<Type>TXT</Type>", ""),
        WWW + TEXT.replace(">60<", ">soon<"),
        WWW + record_set("www.example.org.", "192.0.2.1"),
        f"{WWW}</ResourceRecordSets><ResourceRecordSets>",
    ],
)
def test_pages_that_are_not_as_documented(inner: str) -> None:
    """A page that is not XML, or has sets of another form or of another zone, is an error."""
    with Amazon(sets(inner)) as server, connect(server) as driver:
        with pytest.raises(MalformedResponseError):
            zone_of(driver).list_records()


def test_a_change_reads_the_sets_of_its_name() -> None:
    """A change reads a page that begins at its name, and no more if the next name is on it."""
    page = sets(
        record_set("www.example.com.", "192.0.2.1") + record_set("x.example.com.", "192.0.2.9"), "y", "A"
    )
    with Amazon(page, DONE) as server, connect(server) as driver:
        zone_of(driver).create_record("www", RecordType.A, "192.0.2.2")
    assert [one.method for one in server.seen] == ["GET", "POST"]
    assert server.seen[0].query == {"maxitems": ["20"], "name": ["www.example.com."]}


# Changes


def test_a_change_names_what_it_replaces() -> None:
    """A value is added by a batch that deletes the set as it was, and creates it with all that it has."""
    more = (
        "<SetIdentifier>eu</SetIdentifier><GeoLocation><ContinentCode>EU</ContinentCode></GeoLocation>"
        "<HealthCheckId>h-1</HealthCheckId>"
    )
    page = sets(record_set("www.example.com.", "192.0.2.1", more=more))
    with Amazon(page, DONE) as server, connect(server) as driver:
        made = zone_of(driver).create_record("www", RecordType.A, "192.0.2.2", {"ex_set_identifier": "eu"})
        assert server.seen[1].path == "/2013-04-01/hostedzone/Z1/rrset"
        (batch,) = server.batches
    common = [("Name", "www.example.com."), ("Type", "A"), ("SetIdentifier", "eu"), ("ContinentCode", "EU")]
    assert [texts(one) for one in batch] == [
        [
            ("Action", action),
            *common,
            ("TTL", "60"),
            *(("Value", one) for one in values),
            ("HealthCheckId", "h-1"),
        ]
        for action, values in (("DELETE", ["192.0.2.1"]), ("CREATE", ["192.0.2.1", "192.0.2.2"]))
    ]
    assert made.extra == {
        "ttl": 60,
        "ex_set_identifier": "eu",
        "ex_geo_location": {"ContinentCode": "EU"},
        "ex_health_check_id": "h-1",
    }


def test_what_the_zone_must_have() -> None:
    """The SOA and NS sets of the zone itself, which cannot be deleted, are overwritten."""
    with Amazon(sets(APEX)) as server, connect(server) as driver:
        name_server, _ = zone_of(driver).list_records()
        server.answers = [sets(APEX), DONE]
        name_server.update(extra={"ttl": 3600})
        ((change,),) = server.batches
    assert texts(change)[0] == ("Action", "UPSERT")


@pytest.mark.parametrize(
    "message",
    [
        "[Tried to create resource record set [name='www.example.com.', type='A'] but it already exists]",
        "[Tried to delete resource record set [name='www.example.com.', type='A'] but it was not found]",
        (
            "Tried to delete resource record set [name='www.example.com.', type='A', set-identifier='x'] "
            "but the values provided do not match the current values"
        ),
    ],
)
def test_sets_that_have_changed(message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is refused since a set has changed is decided anew, with what is there now."""
    monkeypatch.setattr("polycloud.dns.recordsets.FIRST_PAUSE", 0.001)
    old, new = (
        sets(record_set("www.example.com.", *each)) for each in (("192.0.2.1",), ("192.0.2.1", "192.0.2.3"))
    )
    with Amazon(old, refusal("InvalidChangeBatch", message), new, DONE) as server, connect(server) as driver:
        zone_of(driver).create_record("www", RecordType.A, "192.0.2.2")
        values = [text for name, text in texts(server.batches[1][1]) if name == "Value"]
        server.answers = [new, refusal("InvalidChangeBatch", message)] * ATTEMPTS
        with pytest.raises(SetsChangedError, match="another program") as caught:
            zone_of(driver).create_record("www", RecordType.A, "192.0.2.4")
    assert values == ["192.0.2.1", "192.0.2.3", "192.0.2.2"]
    assert message in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            refusal(
                "InvalidChangeBatch",
                "[RRSet of type A with DNS name www.example.com. is not permitted because a conflicting "
                "RRSet of type CNAME with the same DNS name already exists in zone example.com.]",
            ),
            RecordConflictError,
            "conflicting RRSet of type CNAME",
        ),
        (
            xml(
                "InvalidChangeBatch",
                "<Messages><Message>Invalid Resource Record: 'FATAL problem: IllegalIPv4Address'</Message>"
                "<Message>another</Message></Messages>",
                400,
            ),
            ProviderHTTPError,
            "InvalidChangeBatch: Invalid Resource Record: .*; another",
        ),
        (refusal("InvalidInput", "Invalid XML"), ProviderHTTPError, "InvalidInput: Invalid XML"),
        (refusal("NoSuchHealthCheck", "no h-1", 404), ProviderHTTPError, "NoSuchHealthCheck: no h-1"),
        (refusal("NoSuchHostedZone", "no Z1", 404), ZoneDoesNotExistError, "NoSuchHostedZone: no Z1"),
    ],
)
def test_refused_batches(answer: Answer, kind: type[ProviderHTTPError], message: str) -> None:
    """Other refusals are errors of their own, with all of Amazon's words, and are not sent again."""
    with Amazon(sets(APEX), answer) as server, connect(server) as driver:
        with pytest.raises(ProviderHTTPError, match=message) as caught:
            zone_of(driver).create_record("www", RecordType.A, "192.0.2.2")
    assert type(caught.value) is kind
    assert len(server.seen) == 2


@pytest.mark.parametrize("code", ["Throttling", "PriorRequestNotComplete"])
def test_throttled_batches(code: str) -> None:
    """A batch that is throttled is sent again, as it was."""
    with Amazon(sets(APEX), refusal(code, "Rate exceeded"), DONE) as server, connect(server) as driver:
        zone_of(driver).create_record("www", RecordType.A, "192.0.2.2")
    assert len({one.body for one in server.seen[1:]}) == 1
    assert len(server.seen) == 3


def test_a_lost_response_to_a_batch() -> None:
    """A batch whose response is lost is sent again; if it was made, Amazon refuses it, and all is well."""
    lost = Answer(502, [], b"lost")
    made = sets(record_set("www.example.com.", "192.0.2.2"))
    again = refusal("InvalidChangeBatch", "[Tried to create resource record set [x] but it already exists]")
    with Amazon(sets(APEX), lost, again, made) as server, connect(server) as driver:
        record = zone_of(driver).create_record("www", RecordType.A, "192.0.2.2")
    assert record.id == "A:www:192.0.2.2"
    assert [one.method for one in server.seen] == ["GET", "POST", "POST", "GET"]


def test_batches() -> None:
    """Batches have at most 1,000 values and 32,000 characters, and a name is never divided."""
    values = [f"192.0.2.{number}" for number in range(250)]
    page = sets("".join(record_set(f"n{at}.example.com.", *values) for at in range(5)))
    texts_ = [RecordChange(None, Content.of(f"t{at}", RecordType.TXT, "x" * 3000, {})) for at in range(25)]
    with Amazon(page) as server, connect(server) as driver:
        first = [one for one in zone_of(driver).list_records() if one.data == "192.0.2.0"]
        changes = [RecordChange(one, Content.of(one.name, "A", "192.0.3.0", {})) for one in first]
        server.answers = [page, DONE]
        driver.change_records(zone_of(driver), changes + texts_)
        sizes = []
        for batch in server.batches:
            sent = [text for change in batch for name, text in texts(change) if name == "Value"]
            sizes.append((len(batch), len(sent)))
            assert sum(map(len, sent)) <= 32_000
    assert sizes == [(10, 10), (10, 10), (7, 505), (4, 1000), (4, 1000)]


# Aliases and alternatives


@pytest.fixture(scope="module")
def cloud(aws: Sandbox) -> Sandbox:
    return aws


@pytest.fixture
def driver(cloud: Sandbox) -> Iterator[Route53DNSDriver]:
    cloud.reset()
    with Route53DNSDriver(*cloud.credentials, **cloud.options, ex_per_page=2) as driver:
        yield driver


@pytest.fixture
def zone(driver: Route53DNSDriver) -> Zone:
    return driver.create_zone("example.com")


def listed(zone: Zone) -> list[Record]:
    return [one for one in zone.list_records() if one.type not in {"NS", "SOA"}]


def test_aliases(zone: Zone) -> None:
    """An alias is a record of type ALIAS without TTL; its target changes, and the rest of it stays."""
    extra = {"ex_alias_zone_id": "Z2FDTNDATAQYW2", "ex_evaluate_target_health": True, "ttl": 60}
    made = zone.create_record("", RecordType.ALIAS, "D1.CloudFront.net", extra)
    other = zone.create_record("", RecordType.ALIAS, "d1.cloudfront.net", {**extra, "ex_alias_type": "AAAA"})
    inner = zone.create_record("www", RecordType.ALIAS, "example.com")
    for one in listed(zone):
        assert one.ttl is None
    assert {one.id: one.extra for one in listed(zone)} == {
        one.id: {"ex_alias_type": kind, "ex_evaluate_target_health": health, **more}
        for one, kind, health, more in (
            (made, "A", True, {"ex_alias_zone_id": "Z2FDTNDATAQYW2"}),
            (other, "AAAA", True, {"ex_alias_zone_id": "Z2FDTNDATAQYW2"}),
            (inner, "A", False, {}),
        )
    }
    changed = made.update(data="d2.cloudfront.net")
    assert changed.data == "d2.cloudfront.net"
    assert changed.extra == made.extra
    addresses = changed.update(type=RecordType.A, data="192.0.2.1")
    assert (addresses.id, addresses.ttl, addresses.extra) == ("A::192.0.2.1", 3600, {"ttl": 3600})
    assert {one.id for one in listed(zone)} == {"A::192.0.2.1", other.id, inner.id}


def test_what_stands_beside_aliases(zone: Zone) -> None:
    """An alias of A cannot stand beside addresses, nor beside another target; an alias of AAAA can."""
    zone.create_record("www", RecordType.A, "192.0.2.1")
    with pytest.raises(RecordConflictError, match="'www' answers A by a set"):
        zone.create_record("www", RecordType.ALIAS, "d1.cloudfront.net")
    zone.create_record("www", RecordType.ALIAS, "d1.cloudfront.net", {"ex_alias_type": "AAAA"})
    with pytest.raises(RecordConflictError, match="with one target"):
        zone.create_record("www", RecordType.ALIAS, "d2.cloudfront.net", {"ex_alias_type": "AAAA"})
    with pytest.raises(RecordConflictError, match="'www' answers AAAA"):
        zone.create_record("www", RecordType.AAAA, "2001:db8::1")
    assert [one.type for one in listed(zone)] == ["A", "ALIAS"]


def test_alternatives(zone: Zone) -> None:
    """Sets with identifiers may have equal values; each change keeps the others, and what its own set has."""
    made = [
        zone.create_record("www", RecordType.A, "192.0.2.1", {"ex_set_identifier": one, "ex_weight": 10})
        for one in "abc"
    ]
    changed = made[1].update(data="192.0.2.2", extra={"ex_weight": 0, "ttl": 30})
    made[2].delete()
    assert {one.id: (one.ttl, one.extra["ex_weight"]) for one in listed(zone)} == {
        "A:a:www:192.0.2.1": (3600, 10),
        "A:b:www:192.0.2.2": (30, 0),
    }
    moved = changed.update(name="web", extra={"ex_set_identifier": "x"})
    assert (moved.id, moved.extra["ex_weight"]) == ("A:x:web:192.0.2.2", 0)
    with pytest.raises(RecordConflictError, match="several with an identifier each"):
        zone.create_record("www", RecordType.A, "192.0.2.1")
    zone.driver.change_records(zone, [RecordChange(moved, None)])
    assert [one.id for one in listed(zone)] == ["A:a:www:192.0.2.1"]


def test_alternative_aliases(zone: Zone) -> None:
    """An alias may be one of several alternatives, beside values."""
    zone.create_record("www", RecordType.A, "192.0.2.1", {"ex_set_identifier": "a", "ex_failover": "PRIMARY"})
    extra = {"ex_set_identifier": "b", "ex_failover": "SECONDARY"}
    zone.create_record("www", RecordType.ALIAS, "d1.cloudfront.net", extra)
    assert [(one.id, one.extra["ex_failover"]) for one in listed(zone)] == [
        ("A:a:www:192.0.2.1", "PRIMARY"),
        ("ALIAS:A/b:www:d1.cloudfront.net.", "SECONDARY"),
    ]


def test_plans(driver: Route53DNSDriver, zone: Zone) -> None:
    """A plan tells equal values apart by what their sets have, copies it, and asks for no TTL of an alias."""
    for identifier, weight in (("a", 1), ("b", 2), ("c", 3)):
        extra = {"ex_set_identifier": identifier, "ex_weight": weight, "ttl": 60}
        zone.create_record("www", RecordType.A, "192.0.2.1", extra)
    zone.create_record("", RecordType.ALIAS, "www.example.com")
    wanted = WantedZone("example.com", ttl=60)
    for one in reversed(listed(zone)):
        wanted.add(
            one.name,
            one.type,
            one.data,
            {key: one.extra[key] for key in one.extra if key != "ttl"},
            lenient=True,
        )
    assert not plan_zone(zone, wanted)
    copy = driver.create_zone("example.com", extra={"CallerReference": "copy"})
    plan_zone(copy, wanted).apply()
    assert [(one.id, one.extra) for one in listed(copy)] == [(one.id, one.extra) for one in listed(zone)]
    changed = WantedZone("example.com", ttl=60)
    extra = {"ex_set_identifier": "b", "ex_weight": 20}
    changed.add("www", RecordType.A, "192.0.2.2", extra).add("", RecordType.ALIAS, "www.example.com")
    plan_zone(copy, changed).apply()
    assert [one.id for one in listed(copy)] == ["ALIAS:A/::www.example.com.", "A:b:www:192.0.2.2"]


def test_other_routing() -> None:
    """What else a set may have is typed in extra, and in requests as Amazon writes it."""
    more = (
        "<SetIdentifier>x</SetIdentifier><MultiValueAnswer>true</MultiValueAnswer>",
        (
            "<CidrRoutingConfig><CollectionId>c</CollectionId><LocationName>*</LocationName></CidrRoutingConfig>"
            "<GeoProximityLocation><AWSRegion>eu-west-1</AWSRegion><Bias>-10</Bias></GeoProximityLocation>"
        ),
    )
    body = record_set("www.example.com.", "192.0.2.1", more=more[0]).replace(
        "</ResourceRecordSet>", f"{more[1]}</ResourceRecordSet>"
    )
    with Amazon(sets(body)) as server, connect(server) as driver:
        (record,) = zone_of(driver).list_records()
        server.answers = [sets(body), DONE]
        record.update(extra={"ttl": 5, "ex_geo_proximity_location": {"AWSRegion": "eu-west-1", "Bias": 3}})
        old, new = server.batches[0]
    assert record.extra == {
        "ttl": 60,
        "ex_set_identifier": "x",
        "ex_multi_value_answer": True,
        "ex_cidr_routing_config": {"CollectionId": "c", "LocationName": "*"},
        "ex_geo_proximity_location": {"AWSRegion": "eu-west-1", "Bias": -10},
    }
    before = ET.tostring(old, encoding="unicode").replace("ns0:", "")
    assert re.sub(r"\s|xmlns:ns0=\"[^\"]*\"", "", before) == f"<Change><Action>DELETE</Action>{body}</Change>"
    assert ("Bias", "3") in texts(new)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"ex_weight": 1}, "ex_weight in extra needs ex_set_identifier too"),
        ({"ex_set_identifier": "a", "ex_weight": "1"}, "Expected `int | null`, got `str`"),
        ({"ex_set_identifer": "a"}, "unknown field `ex_set_identifer`"),
        ({"ex_set_identifier": "a", "ex_geo_proximity_location": {"Bias": "near"}}, "Expected `int | null`"),
    ],
)
def test_extra_that_is_not_valid(zone: Zone, extra: dict[str, Any], message: str) -> None:
    """Keys of extra that Route 53 does not have, or of another type, are refused."""
    with pytest.raises(InvalidArgumentError, match=re.escape(message)):
        zone.create_record("www", RecordType.A, "192.0.2.1", extra)
    assert listed(zone) == []


def test_twins_of_two_programs(driver: Route53DNSDriver, zone: Zone, cloud: Sandbox) -> None:
    """A value that another program adds between the read and the write of a set is kept."""

    class Late(Route53DNSDriver):
        late = True

        def _change_sets(self, zone: Zone, changes: list[SetChange]) -> None:
            if self.late:
                self.late = False
                (one,) = [one.after for one in changes if one.after]
                theirs = replace(one, values=(SetValue("192.0.2.9"),))
                driver._change_sets(zone, [SetChange(None, theirs)])
            super()._change_sets(zone, changes)

    with Late(*cloud.credentials, **cloud.options) as late:
        mine = late.get_zone(zone.id)
        late.create_record("www", mine, RecordType.A, "192.0.2.1")
        assert [one.data for one in listed(zone)] == ["192.0.2.9", "192.0.2.1"]


# Zones


def test_zones_of_one_domain(driver: Route53DNSDriver, zone: Zone) -> None:
    """A second public zone needs a reference, by which it is created once; a private one does not."""
    with pytest.raises(ZoneAlreadyExistsError):
        driver.create_zone("Example.COM.")
    twin, same = (driver.create_zone("example.com", extra={"CallerReference": "twin"}) for _ in "12")
    vpc = {"VPCRegion": "eu-west-1", "VPCId": "vpc-1"}
    private = driver.create_zone("example.com", extra={"VPC": vpc, "Comment": "inside"})
    assert twin.id == same.id
    assert {one.id for one in driver.list_zones()} == {zone.id, twin.id, private.id}
    assert (private.extra["PrivateZone"], private.extra["Comment"]) == (True, "inside")
    assert private.extra["VPCs"] == driver.get_zone(private.id).extra["VPCs"] == [vpc]
    assert twin.extra["NameServers"] == driver.get_zone(twin.id).extra["NameServers"]
    assert private.delete()


def test_the_request_of_a_zone() -> None:
    """A create says what is given, in Amazon's order, with a reference of its own each time."""
    made = xml("CreateHostedZoneResponse", hosted_zone(), 201)
    none = xml("ListHostedZonesByNameResponse", "<HostedZones/><IsTruncated>false</IsTruncated>")
    vpc = {"VPCRegion": "eu-west-1", "VPCId": "vpc-1"}
    extras: list[dict[str, Any]] = [{"DelegationSetId": "N1"}, {}, {"VPC": vpc, "Comment": "inside"}]
    with Amazon(none, made, none, made, made) as server, connect(server) as driver:
        for extra in extras:
            driver.create_zone("bücher.example.com", extra=extra)
        bodies = [texts(ET.fromstring(one.body)) for one in server.seen if one.body]  # noqa: S314 - ours
    assert server.seen[0].query == {"dnsname": ["xn--bcher-kva.example.com"]}
    references = [dict(one)["CallerReference"] for one in bodies]
    assert len(set(references)) == len(extras)
    first, second, third = references
    name = ("Name", "xn--bcher-kva.example.com")
    assert bodies == [
        [name, ("CallerReference", first), ("DelegationSetId", "N1")],
        [name, ("CallerReference", second)],
        [name, *vpc.items(), ("CallerReference", third), ("Comment", "inside"), ("PrivateZone", "true")],
    ]


def test_comments(driver: Route53DNSDriver, zone: Zone) -> None:
    """The comment of a zone is all of it that can be changed, and can be removed."""
    assert zone.update(extra={"Comment": "mine"}).extra["Comment"] == "mine"
    assert driver.get_zone(zone.id).extra["Comment"] == "mine"
    assert zone.update().extra["Comment"] == "mine"
    assert "Comment" not in zone.update(extra={"Comment": ""}).extra
    changes: list[dict[str, Any]] = [{"ttl": 60}, {"domain": "example.org"}, {"type": "slave"}]
    for change in [*changes, {"extra": {"CallerReference": "x"}}]:
        with pytest.raises(UnsupportedOperationError, match="can change the Comment of a zone only"):
            zone.update(**change)


@pytest.mark.parametrize("arguments", [{"ttl": 60}, {"type": "slave"}, {"extra": {"comment": "x"}}])
def test_zones_that_cannot_be(driver: Route53DNSDriver, arguments: dict[str, Any]) -> None:
    """A zone with a TTL, a slave and an unknown key of extra are refused, and nothing is created."""
    with pytest.raises((UnsupportedOperationError, InvalidArgumentError)):
        driver.create_zone("example.org", **arguments)
    assert driver.list_zones() == []


def test_a_lost_create_of_a_zone() -> None:
    """A create whose response is lost is not sent again: the zone is searched for by its reference."""
    empty = xml("ListHostedZonesByNameResponse", "<HostedZones/><IsTruncated>false</IsTruncated>")

    class Lost(Amazon):
        def answer(self, request: SeenRequest) -> Answer:
            answer = super().answer(request)
            reference = (
                re.search(rb"<CallerReference>(.*)</CallerReference>", self.seen[1].body)
                if self.seen[1:]
                else None
            )
            return (
                Answer(answer.status, [], answer.body.replace(b">r<", b">%b<" % reference[1]))
                if reference
                else answer
            )

    there = xml("ListHostedZonesByNameResponse", f"<HostedZones>{hosted_zone('Z9')}</HostedZones>")
    with Lost(empty, Answer(502, [], b""), there) as server, connect(server) as driver:
        assert driver.create_zone("example.com").id == "Z9"
    assert [one.method for one in server.seen] == ["GET", "POST", "GET"]


def test_a_zone_is_emptied_and_deleted() -> None:
    """A zone's records are deleted, aliases first, then the zone; its own SOA and NS are left to Amazon."""
    page = sets(
        APEX + record_set("a.example.com.", "192.0.2.1") + alias("example.com.", "a.example.com.", "Z1")
    )
    with Amazon(page, found(), signing(), DONE, DELETED) as server, connect(server) as driver:
        assert zone_of(driver).delete()
        (batch,) = server.batches
    assert [(texts(one)[0][1], texts(one)[1][1]) for one in batch] == [
        ("DELETE", "example.com."),
        ("DELETE", "a.example.com."),
    ]
    assert ("DNSName", "a.example.com.") in texts(batch[0])
    assert server.seen[-1].method == "DELETE"


def test_large_zones_are_emptied_in_batches() -> None:
    """The records of a zone are deleted in batches of at most 1,000 values."""
    values = [f"10.0.{at}.{value}" for at in range(1) for value in range(250)]
    page = sets("".join(record_set(f"n{at}.example.com.", *values) for at in range(9)))
    with Amazon(page, found(), signing(), DONE, DONE, DONE, DELETED) as server, connect(server) as driver:
        assert zone_of(driver).delete()
        assert [len(batch) for batch in server.batches] == [4, 4, 1]


POLICY = "<TrafficPolicyInstanceId>p-1</TrafficPolicyInstanceId>"
SERVICE = "<LinkedService><ServicePrincipal>servicediscovery.amazonaws.com</ServicePrincipal></LinkedService>"


@pytest.mark.parametrize(
    ("more", "answers", "reason"),
    [
        ("", [found(), signing("SIGNING")], "it is signed"),
        ("", [found(SERVICE)], "of another service, .*servicediscovery"),
        (POLICY, [found()], "records of traffic policy instances"),
    ],
)
def test_zones_that_cannot_be_deleted(more: str, answers: list[Answer], reason: str) -> None:
    """A zone that Amazon would not delete keeps its records, and the error says why."""
    page = sets(APEX + alias("a.example.com.", "b.example.com.", "Z1", more))
    with Amazon(page, *answers) as server, connect(server) as driver:
        with pytest.raises(ZoneError, match=f"example.com cannot be deleted, and was left alone: .*{reason}"):
            zone_of(driver).delete()
    assert {one.method for one in server.seen} == {"GET"}


def test_signing_that_may_not_be_read() -> None:
    """A zone whose signing may not be read is left alone; a server that does not know signing has none."""
    page = sets(APEX + record_set("a.example.com.", "192.0.2.1"))
    denied = refusal("AccessDenied", "not authorized to perform: route53:GetDNSSEC", 403)
    with Amazon(page, found(), denied) as server, connect(server) as driver:
        with pytest.raises(ProviderHTTPError, match="route53:GetDNSSEC"):
            zone_of(driver).delete()
        assert server.batches == []
        server.answers = [page, found(), refusal("InvalidInput", "Unknown endpoint"), DONE, DELETED]
        assert zone_of(driver).delete()
        server.answers = [page, found(private="true"), DONE, DELETED]
        assert zone_of(driver).delete()


def test_zones_that_are_filled_meanwhile() -> None:
    """Records that another program adds while a zone is emptied are deleted too, a few times."""
    one = sets(APEX + record_set("a.example.com.", "192.0.2.1"))
    full = refusal("HostedZoneNotEmpty", "The hosted zone contains resource records")
    with Amazon(one, found(), signing(), DONE, full, one, found(), signing(), DONE, DELETED) as server:
        with connect(server) as driver:
            assert zone_of(driver).delete()
            server.answers = [sets(APEX), full] * 5
            with pytest.raises(ZoneError, match="HostedZoneNotEmpty: The hosted zone contains") as caught:
                zone_of(driver).delete()
    assert not isinstance(caught.value, ZoneAlreadyExistsError)
    assert caught.value.zone_id == "Z1"


# Endpoints


@pytest.mark.parametrize(
    ("region", "host", "signed"),
    [
        (None, "route53.amazonaws.com", "us-east-1"),
        ("eu-west-1", "route53.amazonaws.com", "us-east-1"),
        ("cn-north-1", "route53.amazonaws.com.cn", "cn-northwest-1"),
        ("us-gov-east-1", "route53.us-gov.amazonaws.com", "us-gov-west-1"),
        ("us-isob-east-1", "route53.sc2s.sgov.gov", "us-isob-east-1"),
        ("eusc-de-east-1", "route53.amazonaws.eu", "eusc-de-east-1"),
    ],
)
def test_endpoints(region: str | None, host: str, signed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All regions of a partition have one endpoint, with one region in its signatures."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ROUTE_53"):
        monkeypatch.delenv(name, raising=False)
    driver = Route53DNSDriver("key", "secret", region=region)
    assert (driver.connection.host, driver.connection.region) == (host, signed)


def test_an_endpoint_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may name the endpoint, by the name that Amazon's tools use."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_ROUTE_53", "http://127.0.0.1:9")
    assert Route53DNSDriver("key", "secret").connection.port == 9


@pytest.mark.parametrize("size", [0, 301, "2"])
def test_page_sizes(size: Any) -> None:
    """The size of a page is from 1 to 300."""
    with pytest.raises(InvalidArgumentError, match="ex_per_page must be an int from 1 to 300"):
        Route53DNSDriver("key", "secret", ex_per_page=size)
