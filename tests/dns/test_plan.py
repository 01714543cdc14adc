"""Plans: what they contain, what they leave alone, and how they are applied."""

from __future__ import annotations

from typing import Any

import pytest

from polycloud.dns.changes import RecordChange, RecordsNotChangedError
from polycloud.dns.content import Content
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.plan import Plan, ZoneProblemsError, plan_copy, plan_domain, plan_zone
from polycloud.dns.types import RecordType, ZoneDoesNotExistError
from polycloud.dns.wanted import WantedZone
from polycloud.dns.zonefile import from_bind
from polycloud.errors import InvalidArgumentError, ProviderHTTPError, UnsafePlanError

DOMAIN = "example.org"


class Few(DummyDNSDriver):
    """Has two types, keeps a flag beyond DNS, rounds TTLs up to minutes, and refuses names on request."""

    name = "Few"
    RECORD_TYPE_MAP = {RecordType.A: "A", RecordType.TXT: "TXT"}  # noqa: RUF012 - as drivers write it
    own_extra = frozenset({"proxied"})
    longest_text = 40
    refused: frozenset[str] = frozenset()

    def stored_ttl(self, ttl: int) -> int:
        if ttl > 86400:
            raise InvalidArgumentError(f"ttl must be at most 86400, got {ttl}")
        return -(-ttl // 60) * 60

    def create_record(
        self, name: str | None, zone: Zone, type: RecordType, data: str, extra: dict[str, Any] | None = None
    ) -> Record:
        if name in self.refused:
            raise ProviderHTTPError(422, "not today")
        extra = dict(extra or {})
        if "ttl" in extra:
            extra["ttl"] = self.stored_ttl(extra["ttl"])
        return super().create_record(name, zone, type, data, extra)


@pytest.fixture
def zone() -> Zone:
    return DummyDNSDriver("key").create_zone(DOMAIN)


def wanted(*records: tuple[str, str, str], ttl: int | None = None) -> WantedZone:
    made = WantedZone(DOMAIN, ttl)
    for name, type_, data in records:
        made.add(name, type_, data, {"priority": 10} if type_ == "MX" else None)
    return made


def addresses(*numbers: int) -> list[tuple[str, str, str]]:
    return [(f"h{number}", "A", f"192.0.2.{number}") for number in numbers]


def fill(zone: Zone, *records: tuple[str, str, str]) -> list[Record]:
    return [zone.create_record(name, RecordType(type_), data) for name, type_, data in records]


def content_of(zone: Zone) -> list[tuple[str, str, str]]:
    return sorted((one.name, str(one.type), one.data) for one in zone.list_records())


def test_a_plan_makes_the_zone_what_is_wanted(zone: Zone) -> None:
    """A plan creates, updates and deletes what differs; applied, it leaves nothing to do."""
    fill(
        zone,
        ("www", "A", "192.0.2.1"),
        ("www", "A", "192.0.2.2"),
        ("old", "TXT", "x"),
        ("same", "A", "192.0.2.9"),
    )
    want = wanted(
        ("www", "A", "192.0.2.1"), ("www", "A", "192.0.2.3"), ("", "MX", "mail"), ("same", "A", "192.0.2.9")
    )
    plan = plan_zone(zone, want)
    assert [plan.count(do) for do in ("create", "update", "delete")] == [1, 1, 1]
    assert plan.unchanged == 2
    reported: list[RecordChange] = []
    plan.apply(progress=reported.append)
    assert [str(one) for one in reported] == ["create MX @", "update A www", "delete TXT old"]
    assert content_of(zone) == sorted((one.content.name, one.content.type, one.content.data) for one in want)
    assert not plan_zone(zone, want)


def test_a_plan_changes_nothing_by_itself(zone: Zone) -> None:
    """A plan that is not applied leaves the zone as it is."""
    fill(zone, *addresses(1))
    assert plan_zone(zone, wanted())
    assert content_of(zone) == addresses(1)


def test_aliases_change_by_one_step(zone: Zone) -> None:
    """An alias becomes other records, and the other way round, by one change of type."""
    fill(zone, ("www", "CNAME", "a.example.net"))
    for want in (
        wanted(("www", "A", "192.0.2.1"), ("www", "TXT", "x"), ("www", "A", "192.0.2.2")),
        wanted(("www", "CNAME", "b.example.net")),
    ):
        plan = plan_zone(zone, want)
        swaps = [
            one for one in plan.changes if one.before and one.after and one.before.type != one.after.type
        ]
        assert len(swaps) == 1
        plan.apply()
        assert not plan_zone(zone, want)


def test_ttls(zone: Zone) -> None:
    """A wanted TTL that differs is an update; without a wanted one, a record keeps its own."""
    zone.create_record("www", RecordType.A, "192.0.2.1", {"ttl": 60})
    assert not plan_zone(zone, wanted(("www", "A", "192.0.2.1")))
    plan = plan_zone(zone, wanted(("www", "A", "192.0.2.1"), ttl=300))
    assert "~ www  A      60 -> 300  192.0.2.1" in str(plan)
    plan.apply()
    assert [one.ttl for one in zone.list_records()] == [300]


def test_rounded_ttls() -> None:
    """A TTL that the provider rounds is no difference after it was applied."""
    zone = Few("key").create_zone(DOMAIN)
    want = wanted(("www", "A", "192.0.2.1"), ttl=61)
    plan_zone(zone, want).apply()
    assert [one.ttl for one in zone.list_records()] == [120]
    assert not plan_zone(zone, want)


def test_what_a_provider_has_beyond() -> None:
    """A field beyond DNS is changed where it is wanted, and stays where the wanted zone does not say it."""
    zone = Few("key").create_zone(DOMAIN)
    zone.create_record("www", RecordType.A, "192.0.2.1", {"proxied": True})
    assert not plan_zone(zone, wanted(("www", "A", "192.0.2.1")))
    want = WantedZone(DOMAIN).add("www", "A", "192.0.2.1", {"proxied": False})
    plan = plan_zone(zone, want)
    assert "proxied: True -> False" in str(plan)
    plan.apply()
    assert [one.extra["proxied"] for one in zone.list_records()] == [False]
    assert not plan_zone(zone, want)


def test_apex(zone: Zone) -> None:
    """SOA and NS of the zone itself change only if told, and a serial number alone is no change."""
    soa = "ns1.example.net. admin.example.net. {} 3600 600 86400 300"
    fill(zone, ("", "NS", "ns1.example.net"), ("", "SOA", soa.format(5)), ("sub", "NS", "ns.example.net"))
    want = wanted(("", "NS", "ns2.example.net"), ("", "SOA", soa.format(1)))
    assert [str(one) for one in plan_zone(zone, want).changes] == ["delete NS sub"]
    plan = plan_zone(zone, want, apex=True)
    assert [str(one) for one in plan.changes] == ["update NS @", "delete NS sub"]


def test_signatures_stay(zone: Zone) -> None:
    """Records that a signing server writes are not deleted."""
    fill(zone, ("", "DNSKEY", "257 3 13 AAAA"))
    assert not plan_zone(zone, wanted())


@pytest.mark.parametrize("argument", ["most_deleted", "most_updated"])
def test_limits(zone: Zone, argument: str) -> None:
    """A plan that deletes or updates over 30 % of 10 records is refused whole unless told."""
    fill(zone, *addresses(*range(10)))
    few = addresses(*range(3, 10))
    changed = [
        (name, type_, data.replace("192.0.2", "198.51.100")) for name, type_, data in addresses(0, 1, 2, 3)
    ]
    least = wanted(*(few if argument == "most_deleted" else [*changed[:3], *few]))
    more = wanted(*(few[1:] if argument == "most_deleted" else [*changed, *few[1:]]))
    plan_zone(zone, least).check()
    plan = plan_zone(zone, more)
    with pytest.raises(UnsafePlanError, match=f"4 of the 10 records .* allow {argument}=1"):
        plan.apply()
    assert content_of(zone) == addresses(*range(10))
    plan.apply(most_deleted=1, most_updated=1)
    assert not plan_zone(zone, more)


def test_small_zones_have_no_limits(zone: Zone) -> None:
    """A zone of fewer than 10 records may be emptied."""
    fill(zone, *addresses(*range(9)))
    plan_zone(zone, wanted()).apply()
    assert content_of(zone) == []


@pytest.mark.parametrize("most", [-0.1, 1.1, True, "all"])
def test_limits_are_parts(zone: Zone, most: Any) -> None:
    """A limit that is not a part from 0 to 1 is refused."""
    with pytest.raises(InvalidArgumentError, match="most_deleted must be a part from 0 to 1"):
        plan_zone(zone, wanted()).apply(most_deleted=most)


def test_ttls_of_zones() -> None:
    """A zone that is planned like its own export stays as it is, records that follow its TTL too."""
    zone = DummyDNSDriver("key").create_zone(DOMAIN, ttl=600)
    fill(zone, ("www", "A", "192.0.2.1"))
    assert [one.ttl for one in zone.list_records()] == [None]
    assert not plan_zone(zone, from_bind(zone.export_to_bind_format()))


def test_patterns(zone: Zone) -> None:
    """Patterns of names and types select what a plan concerns, and exclude what it leaves."""
    fill(zone, ("", "TXT", "x"), ("a.dev", "A", "192.0.2.1"), ("a.dev", "TXT", "x"), ("b", "A", "192.0.2.2"))

    def names(**options: Any) -> list[str]:
        return [str(one) for one in plan_zone(zone, wanted(), **options).changes]

    assert names(only=["*.DEV"]) == ["delete A a.dev", "delete TXT a.dev"]
    assert names(only=["*/txt"]) == ["delete TXT @", "delete TXT a.dev"]
    assert names(ignore=["@", "*.dev/A"]) == ["delete TXT a.dev", "delete A b"]
    assert names(only=["*.dev"], ignore=["*/A"]) == ["delete TXT a.dev"]


def test_patterns_in_other_spellings(zone: Zone) -> None:
    """A pattern may have other scripts and names with slashes, so that what it ignores is left."""
    fill(zone, ("bücher", "A", "192.0.2.1"), ("0/25", "NS", "ns.example.net"), ("www", "A", "192.0.2.2"))
    plan = plan_zone(zone, wanted(), ignore=["*.bücher", "Bücher/a", "0/25"])
    assert [str(one) for one in plan.changes] == ["delete A www"]
    assert not plan_zone(zone, wanted(), ignore=["*"])
    assert not plan_zone(zone, wanted(), ignore=["*/*"])
    assert [str(one) for one in plan_zone(zone, wanted(), only=["w*"]).changes] == ["delete A www"]


@pytest.mark.parametrize("pattern", ["www.example.org.", "/A", "bü*"])
def test_patterns_that_match_nothing(zone: Zone, pattern: str) -> None:
    """A pattern that no relative name can match is refused, as it would leave nothing."""
    with pytest.raises(InvalidArgumentError, match="ignore must have"):
        plan_zone(zone, wanted(), ignore=[pattern])


def test_names_too_long_for_a_marker(zone: Zone) -> None:
    """A record whose marker would have too long a name is a problem of the plan."""
    name = ".".join(["a" * 60] * 3 + ["b" * 48])
    assert len(plan_zone(zone, wanted((name, "A", "192.0.2.1"))).changes) == 1
    with pytest.raises(ZoneProblemsError, match="it cannot be marked as ann's: name must have"):
        plan_zone(zone, wanted((name, "A", "192.0.2.1")), owner="ann")


@pytest.mark.parametrize("patterns", ["www", [""], [5]])
def test_patterns_are_lists(zone: Zone, patterns: Any) -> None:
    """Patterns that are not a list of str are refused, with the argument's name."""
    with pytest.raises(InvalidArgumentError, match="ignore must be"):
        plan_zone(zone, wanted(), ignore=patterns)


def test_owners(zone: Zone) -> None:
    """An owner changes and deletes what it has created, and leaves what others have, wanted or not."""
    fill(zone, ("theirs", "A", "192.0.2.1"), ("clash", "A", "192.0.2.2"))
    want = wanted(("ours", "A", "192.0.2.3"), ("clash", "A", "192.0.2.4"))
    plan = plan_zone(zone, want, owner="team-a")
    assert plan.notes == ["left as it is: clash A belongs to nobody, not to 'team-a'"]
    plan.apply()
    assert ("ours.a._polycloud", "TXT", "heritage=polycloud,owner=team-a") in content_of(zone)
    assert not plan_zone(zone, want, owner="team-a")
    other = plan_zone(zone, wanted(("ours", "A", "192.0.2.9")), owner="team-b")
    assert not other
    assert other.notes == ["left as it is: ours A belongs to 'team-a', not to 'team-b'"]
    plan_zone(zone, wanted(("ours", "A", "192.0.2.5")), owner="team-a").apply()
    plan_zone(zone, wanted(), owner="team-a").apply()
    assert content_of(zone) == [("clash", "A", "192.0.2.2"), ("theirs", "A", "192.0.2.1")]


def test_adopting(zone: Zone) -> None:
    """An owner who adopts takes over wanted records that nobody owns, and none that another one owns."""
    fill(zone, ("free", "A", "192.0.2.1"))
    plan_zone(zone, wanted(("hers", "A", "192.0.2.2")), owner="ann").apply()
    plan = plan_zone(
        zone, wanted(("free", "A", "192.0.2.1"), ("hers", "A", "192.0.2.3")), owner="bob", adopt=True
    )
    assert [str(one) for one in plan.changes] == ["create TXT free.a._polycloud"]
    plan.apply()
    plan_zone(zone, wanted(), owner="bob").apply()
    assert ("hers", "A", "192.0.2.2") in content_of(zone)
    assert ("free", "A", "192.0.2.1") not in content_of(zone)


def test_markers_are_not_records_to_others(zone: Zone) -> None:
    """A plan without an owner leaves the markers of owners."""
    plan_zone(zone, wanted(("*", "A", "192.0.2.2"), ("", "A", "192.0.2.3")), owner="ann").apply()
    markers = [one for one in content_of(zone) if one[1] == "TXT"]
    assert [name for name, *_ in markers] == ["_any.a._polycloud", "a._polycloud"]
    plan_zone(zone, wanted()).apply()
    assert content_of(zone) == markers


@pytest.mark.parametrize("owner", ["", "a b", 'a"b', "x" * 101, 5])
def test_owners_are_words(zone: Zone, owner: Any) -> None:
    """A name of an owner that a marker cannot hold is refused."""
    with pytest.raises(InvalidArgumentError, match="owner must be a str"):
        plan_zone(zone, wanted(), owner=owner)


def test_unsupported_types() -> None:
    """Types that the provider lacks are problems that name each record, or left out with a note."""
    zone = Few("key").create_zone(DOMAIN)
    want = wanted(("www", "A", "192.0.2.1"), ("mx", "MX", "mail"))
    with pytest.raises(ZoneProblemsError, match="MX record 'mx': Few has no records of type MX") as caught:
        plan_zone(zone, want)
    assert [one.record.content.name for one in caught.value.problems] == ["mx"]
    plan = plan_zone(zone, want, skip_unsupported=True)
    assert [str(one) for one in plan.changes] == ["create A www"]
    assert plan.notes == ["left out: MX record 'mx': Few has no records of type MX"]


def test_what_a_driver_refuses_is_a_problem() -> None:
    """What the driver would refuse is a problem of the plan, which says where it stands."""
    zone = Few("key").create_zone(DOMAIN)
    want = WantedZone(DOMAIN)
    want.add("a", "TXT", "x" * 41, where="zone.db:3")
    want.add("b", "A", "192.0.2.1", {"ttl": 86401}, where="zone.db:4")
    with pytest.raises(ZoneProblemsError) as caught:
        plan_zone(zone, want)
    first, second = map(str, caught.value.problems)
    assert first.startswith("zone.db:3: TXT record 'a': data of type TXT must have at most 40")
    assert second.startswith("zone.db:4: A record 'b': ttl must be at most 86400")


def test_copies_lose_what_the_other_provider_cannot_have(zone: Zone) -> None:
    """A copied record gets the default TTL where its own is refused, with a note; nothing else is changed."""
    zone.create_record("a", RecordType.A, "192.0.2.1", {"ttl": 86401})
    other = Few("key")
    plan = plan_copy(zone, other)
    assert plan.notes == ["with the default TTL: A record 'a': ttl must be at most 86400, got 86401"]
    plan.apply()
    assert [one.ttl for one in other.list_zones()[0].list_records()] == [None]


def test_foreign_fields_are_left_out(zone: Zone) -> None:
    """A field beyond DNS that the provider does not have is left out with a note."""
    want = WantedZone(DOMAIN).add("a", "A", "192.0.2.1", {"proxied": True})
    plan = plan_zone(zone, want)
    assert plan.notes == ["left out: proxied of records, which Dummy DNS Provider does not have"]
    plan.apply()
    assert [one.extra for one in zone.list_records()] == [{}]


def test_what_failed_is_finished_by_a_second_plan() -> None:
    """After a failure nothing is deleted, what was not made is named, and a second plan makes it."""
    driver = Few("key")
    zone = driver.create_zone(DOMAIN)
    fill(zone, ("old", "A", "192.0.2.1"))
    want = wanted(("a", "A", "192.0.2.2"), ("b", "A", "192.0.2.3"))
    driver.refused = frozenset({"a"})
    with pytest.raises(RecordsNotChangedError, match="changes: 1 failed, 1 not tried, 1 made") as caught:
        plan_zone(zone, want).apply()
    assert [str(change) for change, _ in caught.value.failed] == ["create A a"]
    assert [str(change) for change in caught.value.left] == ["delete A old"]
    assert content_of(zone) == [("b", "A", "192.0.2.3"), ("old", "A", "192.0.2.1")]
    driver.refused = frozenset()
    plan_zone(zone, want).apply()
    assert not plan_zone(zone, want)


def test_owned_records_are_always_marked() -> None:
    """If a record cannot be created after its marker, a second plan creates it and still owns it."""
    driver = Few("key")
    zone = driver.create_zone(DOMAIN)
    driver.refused = frozenset({"a"})
    want = wanted(("a", "A", "192.0.2.2"))
    with pytest.raises(RecordsNotChangedError):
        plan_zone(zone, want, owner="ann").apply()
    driver.refused = frozenset()
    plan_zone(zone, want, owner="ann").apply()
    plan_zone(zone, wanted(), owner="ann").apply()
    assert content_of(zone) == []


def test_a_new_zone() -> None:
    """A zone that does not exist is created by the plan if told, and an error otherwise."""
    driver = DummyDNSDriver("key")
    want = wanted(*addresses(1))
    with pytest.raises(ZoneDoesNotExistError):
        plan_domain(driver, want)
    plan = plan_domain(driver, want, create=True)
    assert str(plan).startswith("example.org (a new zone) at Dummy")
    assert not driver.list_zones()
    plan.apply()
    assert content_of(driver.get_zone(DOMAIN)) == addresses(1)
    assert not plan_domain(driver, want)


def test_copies(zone: Zone) -> None:
    """A copy at another provider has the same records and TTLs, and a second plan has nothing to do."""
    fill(zone, ("www", "A", "192.0.2.1"), ("mx", "TXT", 'a "quoted" text'))
    zone.create_record("x", RecordType.A, "192.0.2.2", {"ttl": 61, "own": 1})
    other = Few("key")
    plan_copy(zone, other).apply()
    (copy,) = other.list_zones()
    assert content_of(copy) == content_of(zone)
    assert "own" not in copy.list_records()[-1].extra
    assert not plan_copy(zone, other)


def test_a_plan_of_another_domain(zone: Zone) -> None:
    """A wanted zone of another domain is refused."""
    with pytest.raises(InvalidArgumentError, match=r"wanted must be of the zone example\.org"):
        plan_zone(zone, WantedZone("example.net"))


def test_plans_for_programs(zone: Zone) -> None:
    """`to_dict` has the counts, and each set with its values before and after as zone files write them."""
    fill(zone, ("t", "TXT", 'a"b'))
    plan = plan_zone(zone, wanted(("t", "TXT", "c"), ttl=60))
    assert plan.to_dict() == {
        "zone": DOMAIN,
        "provider": "Dummy DNS Provider",
        "is_new": False,
        "creates": 0,
        "updates": 1,
        "deletes": 0,
        "unchanged": 0,
        "changes": [
            {
                "do": "update",
                "name": "t",
                "type": "TXT",
                "before": [{"ttl": None, "value": '"a\\"b"'}],
                "after": [{"ttl": 60, "value": '"c"'}],
            }
        ],
        "notes": [],
    }


def test_a_plan_is_text(zone: Zone) -> None:
    """A plan reads as a diff: counts first, then a line for each value, with what it was and will be."""
    fill(zone, ("www", "A", "192.0.2.1"), ("old", "TXT", "x"))
    plan = plan_zone(zone, wanted(("www", "A", "192.0.2.2"), ("api", "A", "192.0.2.3"), ttl=300))
    assert str(plan).splitlines() == [
        "example.org at Dummy DNS Provider: 1 to create, 1 to update, 1 to delete, 0 unchanged",
        "+ api  A         300  192.0.2.3",
        '- old  TXT            "x"',
        "~ www  A         300  192.0.2.1 -> 192.0.2.2",
    ]
    assert isinstance(plan, Plan)


def test_wanted_zones_refuse_what_no_zone_has() -> None:
    """A record that no zone can have is refused when it is added, with where it stands."""
    want = WantedZone(DOMAIN)
    for name, type_, data, extra, words in (
        ("www.example.net.", "A", "192.0.2.1", None, "outside the zone"),
        ("www", "A", "192.0.2.256", None, "must be an IPv4 address"),
        ("www", "a", "192.0.2.1", None, "did you mean A?"),
        ("www", "MX", "mail", None, "needs priority"),
        ("x" * 64, "A", "192.0.2.1", None, "labels of 1 to 63"),
        ("www", "A", "192.0.2.1", {"ttl": -1}, "ttl must be an int"),
    ):
        with pytest.raises(InvalidArgumentError, match=f"^zone.db:7: .*{words.replace('?', '.')}"):
            want.add(name, type_, data, extra, where="zone.db:7")
    assert len(want) == 0


def test_equal_values_in_other_spelling(zone: Zone) -> None:
    """A value that the provider spells otherwise is the same value."""
    one = Content.of("a", RecordType.CAA, "ca.example.net", {"flags": 0, "tag": "issue"})
    fill(zone)
    zone.create_record("a", RecordType.CAA, one.data, {"flags": 0, "tag": "ISSUE"})
    want = WantedZone(DOMAIN).add("A", "CAA", "ca.example.net", {"flags": 0, "tag": "issue"})
    assert not plan_zone(zone, want)


def test_disabled_records_stay() -> None:
    """A record that is disabled is neither deleted nor made another one, and a note says that it stays."""

    class Disables(DummyDNSDriver):
        own_extra = frozenset({"disabled"})

    zone = Disables("key").create_zone(DOMAIN)
    zone.create_record("a", RecordType.A, "192.0.2.1", {"disabled": True})
    zone.create_record("off", RecordType.A, "192.0.2.2", {"disabled": True})
    plan = plan_zone(zone, wanted(("a", "A", "192.0.2.9")))
    assert [str(one) for one in plan.changes] == ["create A a"]
    assert plan.notes == [f"left as it is: the disabled A record {name!r}" for name in ("a", "off")]
    assert not plan_zone(zone, WantedZone.of(zone))
    other = plan_copy(zone, DummyDNSDriver("other"))
    assert other.changes == []
    assert len(other.notes) == 2
    assert all("is disabled, and Dummy DNS Provider has no such records" in note for note in other.notes)
