"""The proof of the rules of DNS: every rule catches the fault that was seeded for it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from polycloud.common.creation import UniqueCreation
from polycloud.concurrency import waiting
from polycloud.dns.content import Content
from polycloud.dns.drivers.digitalocean import DigitalOceanDNSDriver
from polycloud.dns.drivers.dummy import DummyDNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordType, ZoneAlreadyExistsError, ZoneDoesNotExistError
from polycloud.errors import (
    MalformedResponseError,
    PolycloudError,
    ServerError,
    TransportError,
)
from polycloud.sandbox import Sandbox
from polycloud.testing import DNSConformance
from polycloud.testing.conformance.base import rules
from support import suites

RULES = rules(DNSConformance)

# Faults of a driver that keeps everything in memory


class Silent(DummyDNSDriver):
    """Returns None for an operation that it does not support."""

    def supports(self, name: str) -> bool:
        return name != "update_zone" and super().supports(name)

    def update_zone(self, *args: Any, **kwargs: Any) -> Zone:
        return None  # type: ignore[return-value]


class TakesAnyOption(DummyDNSDriver):
    """Ignores options."""

    def __init__(self, api_key: str = "dummy", **_: Any) -> None:
        super().__init__(api_key)


class OwnZone(Zone):
    """A zone with another uuid, which loses its TTL in a pickle."""

    def get_uuid(self) -> str:
        return f"uuid-{self.id}"

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "ttl": 1}


class OwnZones(DummyDNSDriver):
    """Makes zones of a class of its own."""

    def create_zone(self, domain: str, *args: Any, **kwargs: Any) -> Zone:
        made = super().create_zone(domain, *args, **kwargs)
        self._zones[made.id] = OwnZone(made.id, made.domain, made.type, made.ttl, self)
        return self._zones[made.id]


class ShowsSecret(DummyDNSDriver):
    """Shows its key."""

    def __repr__(self) -> str:
        return f"<ShowsSecret {self.key}>"


class ClosesForGood(DummyDNSDriver):
    """Cannot be used after close()."""

    def close(self) -> None:
        self._zones.clear()


class SharedState(DummyDNSDriver):
    """Keeps the result of a call on the driver."""

    result: Any = None

    def list_records(self, zone: Zone) -> list[Record]:
        self.result = super().list_records(zone)
        waiting.sleep(0.002)
        records: list[Record] = self.result
        return records


class OwnLoop(DummyDNSDriver):
    """Runs an event loop of its own in a call."""

    def list_records(self, zone: Zone) -> list[Record]:
        records = super().list_records(zone)
        pause = asyncio.sleep(0)
        loop = asyncio.Runner()
        try:
            loop.run(pause)
        finally:
            pause.close()  # on a thread whose loop runs already it was not awaited
            loop.close()
        return records


class HoldsLock(DummyDNSDriver):
    """Has an attribute that cannot be pickled."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lock = threading.Lock()


class DotDomains(DummyDNSDriver):
    """Shows domains as they are in zone files."""

    def create_zone(self, *args: Any, **kwargs: Any) -> Zone:
        zone = super().create_zone(*args, **kwargs)
        zone.domain += "."
        return zone


class SameZone(DummyDNSDriver):
    """Returns the existing zone for the create of a second one."""

    def create_zone(self, domain: str, *args: Any, **kwargs: Any) -> Zone:
        try:
            return super().create_zone(domain, *args, **kwargs)
        except ZoneAlreadyExistsError:
            return self._zones[domain]


class Mangles(DummyDNSDriver):
    """Sends domains and names as ASCII, without characters that it does not expect."""

    def create_zone(self, domain: str, *args: Any, **kwargs: Any) -> Zone:
        return super().create_zone(domain.encode("ascii", "replace").decode(), *args, **kwargs)

    def create_record(self, name: str | None, *args: Any, **kwargs: Any) -> Record:
        text = (name or "").encode("ascii", "replace").decode()
        return super().create_record(text.replace("_", "-"), *args, **kwargs)


class OnePage(DummyDNSDriver):
    """Lists the first page only."""

    def list_zones(self) -> list[Zone]:
        return super().list_zones()[:2]

    def list_records(self, zone: Zone) -> list[Record]:
        return super().list_records(zone)[:2]


class IteratesNothing(DummyDNSDriver):
    """Iterates over empty pages."""

    def iterate_zones(self) -> Iterator[Zone]:
        yield from ()

    def iterate_records(self, zone: Zone) -> Iterator[Record]:
        yield from ()


class LeaksKeyError(DummyDNSDriver):
    """Looks up zones and records in a dict."""

    def get_zone(self, zone_id: str) -> Zone:
        return self._zones[zone_id]

    def get_record(self, zone_id: str, record_id: str) -> Record:
        return self._records[zone_id][record_id]


class ChangesAll(DummyDNSDriver):
    """Resets whatever an update does not name."""

    def update_zone(self, *args: Any, **kwargs: Any) -> Zone:
        changed = super().update_zone(*args, **kwargs)
        changed.type = "slave"
        return changed

    def update_record(self, record: Record, *args: Any, **kwargs: Any) -> Record:
        self._records[record.zone.id][record.id].extra = {}
        return super().update_record(record, *args, **kwargs)


class SaysTrue(DummyDNSDriver):
    """Deletes nothing, and returns True."""

    def delete_zone(self, zone: Zone) -> bool:
        return True

    def delete_record(self, record: Record) -> bool:
        return True


class EmptyForUnknown(DummyDNSDriver):
    """Lists no records for a zone that does not exist."""

    def list_records(self, zone: Zone) -> list[Record]:
        try:
            return super().list_records(zone)
        except ZoneDoesNotExistError:
            return []


class ExportsNothing(DummyDNSDriver):
    """Exports the head of the zone file only, and an empty file."""

    def export_zone_to_bind_format(self, zone: Zone) -> str:
        return f"$ORIGIN {zone.domain}.\n"

    def export_zone_to_bind_zone_file(self, zone: Zone, file_path: str) -> None:
        Path(file_path).write_text("", encoding="utf-8")


class TypesAsText(DummyDNSDriver):
    """Has types as the provider writes them."""

    def list_record_types(self) -> list[RecordType]:
        return [str(one) for one in super().list_record_types()]  # type: ignore[misc]

    def create_record(self, *args: Any, **kwargs: Any) -> Record:
        record = super().create_record(*args, **kwargs)
        record.type = str(record.type)
        return record


class AnyType(DummyDNSDriver):
    """Sends any type."""

    def _provider_type(self, type_: RecordType | str) -> str:
        return str(type_)


class IgnoresTTL(DummyDNSDriver):
    """Drops the TTL."""

    def create_record(
        self, name: str | None, zone: Zone, type: RecordType, data: str, extra: Any = None
    ) -> Record:
        kept = {key: value for key, value in (extra or {}).items() if key != "ttl"}
        return super().create_record(name, zone, type, data, kept)


class ZoneFileData(DummyDNSDriver):
    """Has names and data as they are in zone files."""

    def create_record(
        self, name: str | None, zone: Zone, type: RecordType, data: str, extra: Any = None
    ) -> Record:
        record = super().create_record(name, zone, type, f'"{data}"', extra)
        record.name = name or "@"
        return record


class OneValue(DummyDNSDriver):
    """Replaces the record of the same name and type."""

    def create_record(self, name: str | None, zone: Zone, *args: Any, **kwargs: Any) -> Record:
        made = super().create_record(name, zone, *args, **kwargs)
        for other in self.list_records(zone):
            if other is not made and (other.name, other.type) == (made.name, made.type):
                self.delete_record(other)
        return made


class AnyBeside(DummyDNSDriver):
    """Does not look at what a name has."""

    def create_record(self, name: str | None, zone: Zone, *args: Any, **kwargs: Any) -> Record:
        others, self._records[zone.id] = self._records[zone.id], {}
        try:
            made = super().create_record(name, zone, *args, **kwargs)
        finally:
            self._records[zone.id] = {**others, **self._records[zone.id]}
        return made

    def update_record(self, record: Record, *args: Any, **kwargs: Any) -> Record:
        others = self._records[record.zone.id]
        self._records[record.zone.id] = {record.id: others[record.id]}
        try:
            return super().update_record(record, *args, **kwargs)
        finally:
            self._records[record.zone.id] = others


class KeepsTypes(DummyDNSDriver):
    """Ignores another type in an update."""

    def update_record(self, record: Record, name: str | None = None, *args: Any, **kwargs: Any) -> Record:
        changed = super().update_record(record, name, *args, **kwargs)
        changed.type = RecordType.A
        return changed


class Unchecked(DummyDNSDriver):
    """Keeps data as it is given."""

    def _content(self, name: str, type_: RecordType | str, data: str, extra: dict[str, Any]) -> Content:
        return Content(name, type_, data, extra, data)


class MakesOneChange(DummyDNSDriver):
    """Makes the first of many changes."""

    def change_records(self, zone: Zone, changes: Any, progress: Any = None) -> None:
        super().change_records(zone, list(changes)[:1], progress)


class KeepsAliases(DummyDNSDriver):
    """Says that an alias has become an address."""

    def _updated(self, before: Record, after: Content) -> bool:
        return before.type != after.type or super()._updated(before, after)


class StopsAtErrors(DummyDNSDriver):
    """Raises the first error of many changes as it is."""

    def change_records(self, zone: Zone, changes: Any, progress: Any = None) -> None:
        for change in changes:
            self._change_record(zone, change)
            if progress:
                progress(change)


class LosesUpdates(DummyDNSDriver):
    """Reads, waits and writes, whatever others have written in the meantime."""

    def create_record(self, name: str | None, zone: Zone, *args: Any, **kwargs: Any) -> Record:
        before = {**self._records[zone.id]}
        waiting.sleep(0.02)
        made = super().create_record(name, zone, *args, **kwargs)
        self._records[zone.id] = {**before, made.id: made}
        return made


# Faults that show over HTTP


class EmptyForAnError(DigitalOceanDNSDriver):
    """Lists nothing if listing failed."""

    def list_zones(self) -> list[Zone]:
        try:
            return super().list_zones()
        except PolycloudError:
            return []


class SecretInErrors(DigitalOceanDNSDriver):
    """Adds the token to errors, which loses the request, and does not let them be cleaned."""

    def clean_error(self, error: PolycloudError) -> None:
        """Leave the error as it is."""

    def list_zones(self) -> list[Zone]:
        try:
            return super().list_zones()
        except PolycloudError as error:
            raise PolycloudError(f"{error.value}; the token was {self.key}") from error


class SendsAgain(DigitalOceanDNSDriver):
    """Retries a create whose response was lost."""

    def _create_once(self, creation: UniqueCreation[Any]) -> Any:
        try:
            return creation.send()
        except (TransportError, MalformedResponseError, ServerError):
            return creation.send()


class Unquoted(DigitalOceanDNSDriver):
    """Puts the domain into paths as it is."""

    def delete_zone(self, zone: Zone) -> bool:
        self.connection.request(f"/domains/{zone.id}", method="DELETE")
        return True


class Sleeps(DummyDNSDriver):
    """Waits by `time.sleep`."""

    def delete_record(self, record: Record) -> bool:
        time.sleep(0.001)  # noqa: TID251 - the fault
        return super().delete_record(record)


IN_MEMORY: Mapping[type[Any], str] = {
    Silent: "D02 D03",
    TakesAnyOption: "D04",
    OwnZones: "D05 D20",
    ShowsSecret: "D07",
    ClosesForGood: "D12",
    SharedState: "D13",
    OwnLoop: "D14",
    HoldsLock: "D15",
    DotDomains: "D19 D21 D22",
    SameZone: "D23",
    Mangles: "D24 D41 D43",
    OnePage: "D25 D46",
    IteratesNothing: "D26 D47",
    LeaksKeyError: "D27 D48",
    ChangesAll: "D28 D49 D50",
    SaysTrue: "D29 D30 D31 D45 D51 D52 D53",
    EmptyForUnknown: "D30",
    ExportsNothing: "D32 D33",
    TypesAsText: "D34 D35",
    AnyType: "D36",
    IgnoresTTL: "D37 D39 D66 D71 D72",
    ZoneFileData: "D38 D40 D42 D44 D63 D64 D65",
    OneValue: "D45",
    Sleeps: "D55",
    AnyBeside: "D56 D57 D61 D62",
    KeepsTypes: "D67",
    Unchecked: "D58 D59",
    LosesUpdates: "D60",
    MakesOneChange: "D68 D71 D72",
    KeepsAliases: "D69",
    StopsAtErrors: "D70",
}
OVER_HTTP: Mapping[type[Any], str] = {
    EmptyForAnError: "D06 D09 D10 D18",
    SecretInErrors: "D08 D11",
    SendsAgain: "D16 D17",
    Unquoted: "D54",
}
SEEDED = {**IN_MEMORY, **OVER_HTTP}

# The suite, run on the driver that the environment names


def seeded() -> Any:
    return globals()[os.environ["SEEDED"]]


class SeededDummy(DNSConformance):
    over_http = False
    patience = 0.0

    @pytest.fixture
    def driver(self) -> DummyDNSDriver:
        driver: DummyDNSDriver = seeded()("correct horse battery staple")
        return driver


class SeededDigitalOcean(DNSConformance):
    not_offered = frozenset({"update_zone"})
    patience = 2.0  # a busy machine may take long for a removal

    @pytest.fixture(scope="class")
    @classmethod
    def driver(cls) -> Iterator[DigitalOceanDNSDriver]:
        with (
            Sandbox("digitalocean", ssh="off", largest_page=2) as cloud,
            seeded()(cloud.credentials[0], **cloud.options) as driver,
        ):
            yield driver


Judge = Callable[..., suites.Outcome]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Judge:
    """Runs the rules with these numbers, or all, on a driver class of this file."""

    def run(kind: type[Any], *numbers: str) -> suites.Outcome:
        suite = SeededDigitalOcean if issubclass(kind, DigitalOceanDNSDriver) else SeededDummy
        return suites.judge(monkeypatch, tmp_path, __file__, suite, kind, numbers)

    return run


@pytest.mark.parametrize(
    ("kind", "faults"), [(DummyDNSDriver, IN_MEMORY), (DigitalOceanDNSDriver, OVER_HTTP)]
)
def test_sound_drivers(judge: Judge, kind: type[Any], faults: Mapping[type[Any], str]) -> None:
    """A sound driver breaks no rule that its faulty kin breaks, and nothing that was created is left over."""
    assert judge(kind, "D01", *" ".join(faults.values()).split()) == ({}, [])


@pytest.mark.parametrize("kind", SEEDED)
def test_seeded_faults(judge: Judge, kind: type[Any]) -> None:
    """A faulty driver breaks the rule of its fault, and the failure quotes the rule."""
    expected = {*SEEDED[kind].split(), "D01"}  # no seeded driver is registered
    broken = judge(kind, *expected).broken
    assert expected <= broken.keys()
    for number in expected:
        assert f"{number} {RULES[number].rstrip('.')}: " in broken[number]


def test_every_rule_is_proven() -> None:
    """Every rule is broken by a seeded fault."""
    proven = {"D01", *" ".join(SEEDED.values()).split()}
    assert proven == RULES.keys()


def test_document_and_suite_agree() -> None:
    """The document states the suite's rules, with the same numbers and sentences, in order."""
    assert suites.stated_rules("dns.md") == list(RULES.items())
    assert list(RULES) == [f"D{number:02}" for number in range(1, len(RULES) + 1)]
