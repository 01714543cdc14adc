"""DNS in memory, for tests and documentation: every operation, deterministic, no network."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from polycloud.concurrency.waiting import Turns
from polycloud.dns.base import DNSDriver
from polycloud.dns.content import Content, check_kind, require_room, require_room_for_update
from polycloud.dns.names import normalize_domain
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import (
    Provider,
    RecordDoesNotExistError,
    RecordType,
    ZoneAlreadyExistsError,
    ZoneDoesNotExistError,
)

__all__ = ["DummyDNSDriver"]

_turns = Turns()


class DummyDNSDriver(DNSDriver):
    """DNS in memory, empty at first; `DummyDNSDriver("any key", "any secret")`.

    Ids of zones are their domains.
    """

    type = Provider.DUMMY
    api_name = "dummy"
    name = "Dummy DNS Provider"
    website = "http://example.com"
    RECORD_TYPE_MAP: ClassVar = {type_: type_.value for type_ in RecordType}
    keeps_bytes = True

    def __init__(self, api_key: str = "dummy", api_secret: str | None = None, **options: Any) -> None:
        super().__init__(api_key, **options)
        self.secret = api_secret
        self._zones: dict[str, Zone] = {}
        self._records: dict[str, dict[str, Record]] = {}
        self._last_id = 0

    def list_zones(self) -> list[Zone]:
        """Return the zones that were not deleted."""
        return list(self._zones.values())

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone with this id."""
        return self._zone(normalize_domain(zone_id, "zone_id"))

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone, whose id is its domain."""
        domain = normalize_domain(domain)
        self._check_zone(type, ttl, extra)
        self._check_free(domain)
        zone = Zone(domain, domain, type, ttl, self, dict(extra or {}))
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
        """Change a zone; its id stays, and cannot be the domain of another zone as long as it exists."""
        kept = self._listed(zone)
        new_type = kept.type if type is None else type
        self._check_zone(new_type, ttl, extra)
        new = kept.domain if domain is None else normalize_domain(domain)
        if new != kept.domain:
            self._check_free(new, kept)
        kept.domain, kept.type = new, new_type
        kept.ttl = kept.ttl if ttl is None else ttl
        kept.extra = {**kept.extra, **(extra or {})}
        return kept

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and its records."""
        self._listed(zone)
        del self._zones[zone.id], self._records[zone.id]
        return True

    def list_records(self, zone: Zone) -> list[Record]:
        """Return the records of a zone."""
        self._listed(zone)
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
        content = self._check_record(zone, name, type, data, extra)
        self._listed(zone)
        return _turns(id(self), partial(self._added, zone, content))

    def _added(self, zone: Zone, content: Content) -> Record:
        require_room(content, list(self._records[zone.id].values()))
        self._last_id += 1
        return self._kept(str(self._last_id), zone, content)

    def _kept(self, id_: str, zone: Zone, content: Content) -> Record:
        """Keep a record; one that a list has returned before stays as it was."""
        name, type_, data, extra, _ = content
        record = Record(id_, name, type_, data, zone, self, extra.get("ttl"), extra)
        self._records[zone.id][id_] = record
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
        changed = self._check_update(record, name, type, data, extra)
        kept = self._record(record)
        require_room_for_update(kept, changed, lambda: list(self._records[record.zone.id].values()))
        return self._kept(kept.id, kept.zone, changed)

    def delete_record(self, record: Record) -> bool:
        """Delete a record."""
        self._record(record)
        del self._records[record.zone.id][record.id]
        return True

    def _check_free(self, domain: str, own: Zone | None = None) -> None:
        """Raise `ZoneAlreadyExistsError` if the domain is that of another zone, or its id."""
        if any(domain in {zone.id, zone.domain} for zone in self._zones.values() if zone is not own):
            raise ZoneAlreadyExistsError(driver=self, zone_id=domain)

    def _listed(self, zone: Zone) -> Zone:
        return self._zone(check_kind(zone, Zone, "zone").id)

    def _zone(self, zone_id: str) -> Zone:
        if zone_id not in self._zones:
            raise ZoneDoesNotExistError(driver=self, zone_id=zone_id)
        return self._zones[zone_id]

    def _record(self, record: Record) -> Record:
        check_kind(record, Record, "record")
        self._listed(record.zone)
        if record.id not in self._records[record.zone.id]:
            raise RecordDoesNotExistError(driver=self, record_id=record.id)
        return self._records[record.zone.id][record.id]
