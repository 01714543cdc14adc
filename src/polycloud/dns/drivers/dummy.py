"""DNS in memory, for tests and documentation: every operation, deterministic, no network."""

from __future__ import annotations

from typing import Any, ClassVar

from polycloud.dns.base import DNSDriver, relative_name, require_ttl
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import (
    Provider,
    RecordDoesNotExistError,
    RecordType,
    ZoneAlreadyExistsError,
    ZoneDoesNotExistError,
)

__all__ = ["DummyDNSDriver"]


class DummyDNSDriver(DNSDriver):
    """DNS in memory, empty at first; `DummyDNSDriver("any key", "any secret")`.

    Ids of zones are their domains.
    """

    type = Provider.DUMMY
    api_name = "dummy"
    name = "Dummy DNS Provider"
    website = "http://example.com"
    RECORD_TYPE_MAP: ClassVar = {type_: type_.value for type_ in RecordType}

    def __init__(self, api_key: str = "dummy", api_secret: str | None = None, **options: Any) -> None:
        super().__init__(api_key, **options)
        self.secret = api_secret
        self._zones: dict[str, Zone] = {}
        self._records: dict[str, dict[str, Record]] = {}
        self._last_id = 0

    def list_zones(self) -> list[Zone]:
        """Return the zones that were not deleted."""
        return list(self._zones.values())

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone, whose id is its domain."""
        domain = domain.rstrip(".").lower()
        if domain in self._zones:
            raise ZoneAlreadyExistsError(driver=self, zone_id=domain)
        zone = Zone(domain, domain, type, require_ttl(ttl), self, dict(extra or {}))
        self._zones[domain], self._records[domain] = zone, {}
        return zone

    def update_zone(
        self,
        zone: Zone,
        domain: str | None = None,
        type: str | None = None,
        ttl: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Zone:
        """Change a zone; its id stays."""
        kept = self._zone(zone.id)
        kept.domain = (domain or kept.domain).rstrip(".").lower()
        kept.type = type or kept.type
        kept.ttl = kept.ttl if ttl is None else require_ttl(ttl)
        kept.extra = {**kept.extra, **(extra or {})}
        return kept

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and its records."""
        self._zone(zone.id)
        del self._zones[zone.id], self._records[zone.id]
        return True

    def list_records(self, zone: Zone) -> list[Record]:
        """Return the records of a zone."""
        self._zone(zone.id)
        return list(self._records[zone.id].values())

    def create_record(
        self,
        name: str | None,
        zone: Zone,
        type: RecordType,
        data: str,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Create a record; ids count from 1."""
        self._zone(zone.id)
        self._provider_type(type)
        self._last_id += 1
        fields = dict(extra or {})
        ttl = require_ttl(fields.get("ttl"))
        record = Record(
            str(self._last_id), relative_name(name, zone), RecordType(type), data, zone, self, ttl, fields
        )
        self._records[zone.id][record.id] = record
        return record

    def update_record(
        self,
        record: Record,
        name: str | None = None,
        type: RecordType | None = None,
        data: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Change a record."""
        kept = self._record(record)
        kept.name = kept.name if name is None else relative_name(name, kept.zone)
        if type is not None:
            self._provider_type(type)
            kept.type = RecordType(type)
        kept.data = kept.data if data is None else data
        kept.extra = {**kept.extra, **(extra or {})}
        kept.ttl = require_ttl(kept.extra.get("ttl"))
        return kept

    def delete_record(self, record: Record) -> bool:
        """Delete a record."""
        self._record(record)
        del self._records[record.zone.id][record.id]
        return True

    def _zone(self, zone_id: str) -> Zone:
        if zone_id not in self._zones:
            raise ZoneDoesNotExistError(driver=self, zone_id=zone_id)
        return self._zones[zone_id]

    def _record(self, record: Record) -> Record:
        self._zone(record.zone.id)
        if record.id not in self._records[record.zone.id]:
            raise RecordDoesNotExistError(driver=self, record_id=record.id)
        return self._records[record.zone.id][record.id]
