"""DNS drivers of Libcloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polycloud.bridge.classes import table_of
from polycloud.bridge.driver import BridgedDriver
from polycloud.bridge.objects import ORIGINAL
from polycloud.common.arguments import drop_none
from polycloud.dns.base import DNSDriver
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import (
    RecordDoesNotExistError,
    RecordType,
    ZoneAlreadyExistsError,
    ZoneDoesNotExistError,
)
from polycloud.errors import ConflictError, translated

VALUES = ("ttl", "priority", "weight", "port", "flags", "tag")
"""The keys of a record's `extra` that DNS knows: an update sends those that stay, too."""


class BridgedDNSDriver(BridgedDriver, DNSDriver):
    """The base of the bridged DNS drivers."""

    def _known(self, zone: Zone) -> Zone:
        """Return a zone as Libcloud's driver has it; one that a program made itself is looked up."""
        return zone if hasattr(zone, ORIGINAL) or not self.supports("get_zone") else self.get_zone(zone.id)


class Operations(BridgedDNSDriver):
    """What a DNS driver of Libcloud may offer; a bridged class has of it what Libcloud's class has."""

    def list_zones(self) -> list[Zone]:
        """Return all zones of the account."""
        return list(self._iterate(self._either("list_zones", "iterate_zones")))

    def iterate_zones(self) -> Iterator[Zone]:
        """Yield the zones as they arrive."""
        return self._iterate("iterate_zones")

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone with this id."""
        with self._zone_errors(zone_id):
            zone: Zone | None = self._call("get_zone", str(zone_id))
        if zone is None:
            raise ZoneDoesNotExistError(driver=self, zone_id=zone_id)
        return zone

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone. It is sent once."""
        self._check_zone(type, ttl, extra)
        given = drop_none({"ttl": ttl, "extra": extra})
        if type != "master" or self._takes("create_zone", "type"):
            given["type"] = type
        try:
            zone: Zone = self._create(f"the zone {domain!r}", "create_zone", domain, **given)
        except ConflictError as error:
            raise translated(error, ZoneAlreadyExistsError(error.message, self, domain)) from error
        return zone

    def update_zone(
        self,
        zone: Zone,
        domain: str | None = None,
        type: str | None = None,
        ttl: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Zone:
        """Change a zone, where an argument is given."""
        self._check_zone(type or zone.type, ttl, extra)
        given = drop_none({"type": type, "ttl": ttl, "extra": extra})
        with self._zone_errors(zone.id):
            changed: Zone = self._call("update_zone", self._known(zone), domain or zone.domain, **given)
        return changed

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records."""
        with self._zone_errors(zone.id):
            return self._act("delete_zone", self._known(zone))

    def list_records(self, zone: Zone) -> list[Record]:
        """Return all records of a zone."""
        with self._zone_errors(zone.id):
            return list(self._iterate(self._either("list_records", "iterate_records"), self._known(zone)))

    def get_record(self, zone_id: str, record_id: str) -> Record:
        """Return the record with this id."""
        with self._record_errors(record_id):
            record: Record | None = self._call("get_record", str(zone_id), str(record_id))
        if record is None:
            raise RecordDoesNotExistError(driver=self, record_id=record_id)
        return record

    def create_record(
        self,
        name: str | None,
        zone: Zone,
        type: RecordType,
        data: str,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Create a record. It is sent once, without a look at what the name has already."""
        content = self._check_record(zone, name, type, data, extra)
        given = {"extra": dict(extra)} if extra else {}
        with self._zone_errors(zone.id):
            arguments = (_given(name), self._known(zone), RecordType(type), data)
            record: Record = self._create(content.described(zone), "create_record", *arguments, **given)
        return record

    def update_record(
        self,
        record: Record,
        name: str | None = None,
        type: RecordType | None = None,
        data: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Change a record; what is not given is sent as `record` has it."""
        self._check_update(record, name, type, data, extra)
        kept = {key: record.extra[key] for key in VALUES if record.extra.get(key) is not None}
        if record.ttl is not None:
            kept.setdefault("ttl", record.ttl)
        with self._record_errors(record.id):
            changed: Record = self._call(
                "update_record",
                record,
                record.name if name is None else _given(name),
                type or record.type,
                record.data if data is None else data,
                {**kept, **(extra or {})},
            )
        return changed

    def delete_record(self, record: Record) -> bool:
        """Delete a record."""
        with self._record_errors(record.id):
            return self._act("delete_record", record)


def _given(name: str | None) -> str:
    """Return the name of a record as it was given: some drivers of Libcloud want it in full, with a dot."""
    return "" if name in {None, "@"} else str(name)


NEEDS: Mapping[str, tuple[str, ...]] = {
    "list_zones": ("list_zones", "iterate_zones"),
    "list_records": ("list_records", "iterate_records"),
}
"""Operations that need other methods of Libcloud's class than that of the same name."""
FOLLOW: Mapping[str, str] = {}
"""Operations that our base makes of another one, if Libcloud's class has that."""


def attributes(klass: Any) -> dict[str, Any]:
    """Return the attributes of a bridged class that say what Libcloud's class can do.

    A class that names no types of records may have all of them.
    """
    known = {str(kind): str(word) for kind, word in table_of(klass, "RECORD_TYPE_MAP").items()} or {
        kind.value: kind.value for kind in RecordType
    }
    return {"RECORD_TYPE_MAP": {RecordType(kind): known[kind] for kind in known if kind in set(RecordType)}}
