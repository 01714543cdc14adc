"""What is wrong with the records of a zone together."""

from __future__ import annotations

import pytest

from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.plan import ZoneProblemsError, plan_zone
from polycloud.dns.validators import Problem, ZoneView
from polycloud.dns.wanted import WantedZone

DOMAIN = "example.org"
DS = f"1 13 2 {'0a' * 32}"
Rows = list[tuple[str, str, str]]

FAULTS: dict[str, tuple[Rows, str]] = {
    "a value twice": ([("a", "A", "192.0.2.1"), ("A", "A", "192.0.2.1")], "its value stands there twice"),
    "alias beside data": ([("a", "CNAME", "b.net"), ("a", "TXT", "x")], "a CNAME must be alone"),
    "two aliases": ([("a", "CNAME", "b.net"), ("a", "CNAME", "c.net")], "can have one CNAME record only"),
    "alias of the zone": ([("", "CNAME", "b.net")], "the zone itself has SOA and NS records"),
    "address as host": ([("a", "CNAME", "192.0.2.1")], "192.0.2.1 is an address"),
    "mail to an alias": ([("m", "CNAME", "b.net"), ("", "MX", "m.example.org")], "m.example.org is an alias"),
    "aliases in a circle": (
        [("a", "CNAME", "b.example.org"), ("b", "CNAME", "a.example.org")],
        "a -> b -> a",
    ),
    "alias of itself": ([("a", "CNAME", "a.example.org")], "a -> a"),
    "service without name": ([("sip", "SRV", "h.net")], "must begin with _service._protocol"),
    "no mail and mail": ([("", "MX", "."), ("", "MX", "m.net")], "must be its only MX"),
    "two policies": ([("", "TXT", "v=spf1 -all"), ("", "TXT", "v=spf1 a -all")], "has an SPF policy already"),
    "hidden by a delegation": ([("s", "NS", "n.net"), ("a.s", "TXT", "x")], "s.example.org is delegated"),
    "signer without delegation": ([("s", "DS", DS)], "beside the NS records"),
}
GOOD: Rows = [
    ("", "MX", "mail.example.org"),
    ("mail", "A", "192.0.2.1"),
    ("a", "CNAME", "b.example.org"),
    ("b", "CNAME", "c.example.net"),
    ("", "TXT", "v=spf1 -all"),
    ("", "TXT", "v=spf10 is another"),
    ("s", "NS", "ns.s.example.org"),
    ("s", "DS", DS),
    ("ns.s", "A", "192.0.2.2"),
    ("_sip._tcp", "SRV", "mail.example.org"),
    ("*._sip._tcp", "SRV", "mail.example.org"),
    ("_sip._tcp.sub", "SRV", "."),
    ("none", "MX", "."),
]
EXTRA = {"MX": {"priority": 10}, "SRV": {"priority": 1, "weight": 1, "port": 5060}}


def zone_of(rows: Rows, *, lenient: bool = False) -> WantedZone:
    made = WantedZone(DOMAIN, 300)
    for number, (name, type_, data) in enumerate(rows, 1):
        made.add(name, type_, data, EXTRA.get(type_), lenient=lenient, where=f"zone:{number}")
    return made


@pytest.mark.parametrize("fault", FAULTS)
def test_problems(fault: str) -> None:
    """A fault of a zone is a problem that says where it stands and what is wrong; lenient, a note."""
    rows, words = FAULTS[fault]
    zone = DummyDNSDriver("key").create_zone(DOMAIN)
    with pytest.raises(ZoneProblemsError) as caught:
        plan_zone(zone, zone_of(rows))
    assert len(caught.value.problems) >= 1
    assert all(words in str(one) for one in caught.value.problems)
    assert str(caught.value.problems[0]).startswith("zone:")
    plan = plan_zone(zone, zone_of(rows, lenient=True))
    assert any(words in note and note.startswith("lenient: zone:") for note in plan.notes)


def test_ttls_of_a_set() -> None:
    """Different TTLs of one name and type are a problem."""
    want = WantedZone(DOMAIN).add("a", "A", "192.0.2.1", {"ttl": 60}).add("a", "A", "192.0.2.2", {"ttl": 61})
    with pytest.raises(ZoneProblemsError, match="its TTL is 61, but that of the same name and type 60"):
        plan_zone(DummyDNSDriver("key").create_zone(DOMAIN), want)


def test_a_good_zone_has_no_problems() -> None:
    """A zone in which everything is right has neither problems nor notes."""
    plan = plan_zone(DummyDNSDriver("key").create_zone(DOMAIN), zone_of(GOOD))
    assert plan.notes == []
    assert len(plan.changes) == len(GOOD)


def test_all_problems_are_named() -> None:
    """The error names all problems of the zone, not only the first."""
    rows = [row for fault in ("alias beside data", "address as host") for row in FAULTS[fault][0]]
    zone = DummyDNSDriver("key").create_zone(DOMAIN)
    rows[2] = ("z", *rows[2][1:])
    with pytest.raises(ZoneProblemsError, match=r"must be alone.*is an address") as caught:
        plan_zone(zone, zone_of(rows))
    assert len(caught.value.problems) == 2


def test_validators_of_ones_own() -> None:
    """A validator of the caller's is run instead of the built-in ones."""

    def no_texts(view: ZoneView) -> list[Problem]:
        return [Problem(one, "no texts here") for records in view.of_type("TXT") for one in records]

    zone = DummyDNSDriver("key").create_zone(DOMAIN)
    with pytest.raises(ZoneProblemsError, match="no texts here"):
        plan_zone(zone, zone_of(GOOD), validators=[no_texts])
    assert plan_zone(zone, zone_of(FAULTS["alias of the zone"][0]), validators=[no_texts])


def test_flattened_aliases() -> None:
    """At a provider that flattens aliases, one may be at the zone itself and beside texts."""

    class Flattens(DummyDNSDriver):
        lone_aliases = False

    want = zone_of([("", "CNAME", "b.net"), ("", "TXT", "x")])
    assert plan_zone(Flattens("key").create_zone(DOMAIN), want)
    with pytest.raises(ZoneProblemsError):
        plan_zone(DummyDNSDriver("key").create_zone(DOMAIN), want)
