"""Rules of many changes at once, and of plans."""

from __future__ import annotations

from polycloud.dns.base import DNSDriver
from polycloud.dns.changes import RecordChange, RecordsNotChangedError
from polycloud.dns.content import Content
from polycloud.dns.objects import Record, Zone
from polycloud.dns.plan import plan_zone
from polycloud.dns.types import RecordDoesNotExistError, RecordType
from polycloud.dns.wanted import WantedZone
from polycloud.testing.conformance.assertions import error_of
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.dns.suite import EXTRA, NAMES, DNSSuite

NAME, ALIAS, PLAN = "change", "host.example.net", "plan"
ONLY = [f"*.{PLAN}"]
USED = frozenset({"a", "b", "c", "gone", "keep", "new", NAME})


class PlanRules(DNSSuite):
    """The rules of many changes at once, and of plans."""

    @rule("change_records", "list_records")
    def test_d68_many_changes(self, driver: DNSDriver, zone: Zone) -> None:
        """`change_records` creates, updates and deletes records in one call, and leaves their siblings."""
        first, _, gone = (
            self._address(driver, zone, name, end) for name, end in (("a", 1), ("a", 2), ("b", 3))
        )
        reported: list[RecordChange] = []
        changes = [
            RecordChange(gone, None),
            RecordChange(first, self._content("a", 4)),
            RecordChange(None, self._content("a", 5)),
            RecordChange(None, self._content("c", 6)),
        ]
        driver.change_records(zone, changes, reported.append)
        assert sorted(map(str, reported)) == sorted(map(str, changes)), f"{reported} were reported"
        self._have(driver, zone, [("a", 2), ("a", 4), ("a", 5), ("c", 6)])

    @rule("change_records", "list_records")
    def test_d69_changes_of_type(self, driver: DNSDriver, zone: Zone) -> None:
        """`change_records` makes addresses of an alias, and an alias of addresses."""
        self.need_type(driver, RecordType.CNAME)
        alias = Content.of(NAME, RecordType.CNAME, ALIAS, {"ttl": self.ttl})
        self._address(driver, zone, NAME, 1)
        two = self._address(driver, zone, NAME, 2)
        (one,) = [record for record in self._of(driver, zone, NAME) if record.id != two.id]
        driver.change_records(zone, [RecordChange(two, None), RecordChange(one, alias)])
        self.until(lambda: self._shown(driver, zone) == [(NAME, "CNAME", ALIAS)], "the alias")
        (record,) = self._of(driver, zone, NAME)
        both = [RecordChange(record, self._content(NAME, 3)), RecordChange(None, self._content(NAME, 4))]
        driver.change_records(zone, both)
        self._have(driver, zone, [(NAME, 3), (NAME, 4)])

    @rule("change_records", "list_records")
    def test_d70_failed_changes(self, driver: DNSDriver, zone: Zone) -> None:
        """A change that fails is named with its error, what only deletes is left, and others are made."""
        keep, gone = (self._address(driver, zone, name, end) for name, end in (("keep", 1), ("gone", 2)))
        driver.delete_record(gone)
        self.delisted(driver, gone)
        delete, bad = RecordChange(keep, None), RecordChange(gone, self._content("gone", 3))
        new = RecordChange(None, self._content("new", 4))
        error = error_of(
            RecordsNotChangedError, "change_records", lambda: driver.change_records(zone, [delete, bad, new])
        )
        ((change, reason),) = error.failed
        assert change == bad, f"{change} failed"
        assert isinstance(reason, RecordDoesNotExistError), f"{change} failed with {reason!r}"
        assert (error.left, error.done) == ([delete], [new]), f"{error.left} left, {error.done} done"
        self._have(driver, zone, [("keep", 1), ("new", 4)])

    @rule("change_records", "list_records")
    def test_d71_plans(self, driver: DNSDriver, zone: Zone) -> None:
        """A plan of a record of each type, applied, leaves nothing to plan, nor does a copy of the zone."""
        wanted = WantedZone(zone.domain, self.ttl)
        for type_ in driver.list_record_types():
            if type_ in self.data and type_ not in {RecordType.DS, RecordType.NS}:
                name = f"{NAMES.get(type_, type_.lower())}.{PLAN}"
                wanted.add(name, type_, self.data[type_], dict(EXTRA.get(type_, {})))
        for end in (8, 9):
            wanted.add(f"*.{PLAN}", RecordType.A, f"192.0.2.{end}")
        plan = plan_zone(zone, wanted, only=ONLY)
        assert plan.count("create") == len(wanted), f"the plan is {plan}"
        plan.apply()
        self._is_planned(zone, wanted)
        copy = plan_zone(zone, WantedZone.of(zone), only=ONLY)
        assert not copy, f"the plan of the zone's own records is {copy}"

    @rule("change_records", "list_records")
    def test_d72_plans_of_changes(self, driver: DNSDriver, zone: Zone) -> None:
        """A plan that updates TTLs and values and deletes records, applied, leaves nothing to plan."""
        plans = (
            (self.ttl, [("a", 1), ("a", 2), ("b", 3), ("c", 4)]),
            (self.ttl + 600, [("a", 2), ("a", 5), ("c", 4)]),
        )
        for ttl, addresses in plans:
            wanted = WantedZone(zone.domain, ttl)
            for name, end in addresses:
                wanted.add(f"{name}.{PLAN}", RecordType.A, f"192.0.2.{end}")
            plan_zone(zone, wanted, only=ONLY).apply()
            self._is_planned(zone, wanted)
        self._have(driver, zone, [(f"{name}.{PLAN}", end) for name, end in addresses])

    # Records

    def _is_planned(self, zone: Zone, wanted: WantedZone) -> None:
        """Assert that the zone becomes what was planned."""
        self.until(lambda: not plan_zone(zone, wanted, only=ONLY), "nothing to plan")

    def _content(self, name: str, end: int) -> Content:
        return Content.of(name, RecordType.A, f"192.0.2.{end}", {"ttl": self.ttl})

    def _address(self, driver: DNSDriver, zone: Zone, name: str, end: int) -> Record:
        return driver.create_record(name, zone, RecordType.A, f"192.0.2.{end}", {"ttl": self.ttl})

    def _of(self, driver: DNSDriver, zone: Zone, name: str) -> list[Record]:
        return [one for one in driver.list_records(zone) if one.name == name]

    def _shown(self, driver: DNSDriver, zone: Zone) -> list[tuple[str, str, str]]:
        """Return the records of these rules: a zone may have others."""
        return sorted(
            (one.name, str(one.type), one.data)
            for one in driver.list_records(zone)
            if one.name in USED or one.name.endswith(f".{PLAN}")
        )

    def _have(self, driver: DNSDriver, zone: Zone, expected: list[tuple[str, int]]) -> None:
        """Assert that the zone gets these addresses, and no other records."""
        addresses = sorted((name, "A", f"192.0.2.{end}") for name, end in expected)
        self.until(lambda: self._shown(driver, zone) == addresses, f"the records to be {addresses}")
