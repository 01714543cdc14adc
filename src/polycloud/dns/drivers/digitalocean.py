"""DigitalOcean's DNS: https://docs.digitalocean.com/reference/api/digitalocean/#tag/Domains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, ClassVar

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.common.base import quote_segment
from polycloud.common.digitalocean import DigitalOceanBaseDriver
from polycloud.common.payload import Item
from polycloud.dns.base import DNSDriver, relative_name, require_ttl
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import Provider, RecordType
from polycloud.dns.zonefile import to_bind
from polycloud.errors import UnsupportedOperationError

__all__ = ["DigitalOceanDNSDriver"]

HOST_NAMES = frozenset({RecordType.CNAME, RecordType.MX, RecordType.NS, RecordType.SRV})
"""Types whose data is a host name, which requests must end with a dot and responses do not."""
FIELDS = ("ttl", "priority", "port", "weight", "flags", "tag")
"""Fields of a record that are in `extra`."""


class Domain(msgspec.Struct):
    """A zone; `zone_file` is its text in BIND's format."""

    name: str
    ttl: int | None = None
    zone_file: str | None = None


class DomainRecord(msgspec.Struct):
    """A record; `name` is relative, "@" for the zone itself."""

    id: int
    type: str
    name: str | None = None
    data: str | None = None
    ttl: int | None = None
    priority: int | None = None
    port: int | None = None
    weight: int | None = None
    flags: int | None = None
    tag: str | None = None


class DigitalOceanDNSDriver(DigitalOceanBaseDriver, DNSDriver):
    """DigitalOcean's zones; the id of a zone is its domain. `DigitalOceanDNSDriver("token")`.

    Zones cannot be changed, and have no TTL of their own: `create_zone` refuses one.
    """

    type = Provider.DIGITAL_OCEAN
    RECORD_TYPE_MAP: ClassVar = {
        RecordType(name): name for name in ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT")
    }

    # Zones

    def list_zones(self) -> list[Zone]:
        """Return all zones of the account."""
        return self.connection.list_all("/domains", "domains", Domain, self._to_zone)

    def iterate_zones(self) -> Iterator[Zone]:
        """Yield the zones, a page at a time."""
        return self.connection.iterate("/domains", "domains", Domain, self._to_zone)

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone of this domain."""
        with self._zone_errors(zone_id):
            return self._to_zone(self.connection.fetch(_zone_path(zone_id), "domain", Domain))

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone; `extra["ip_address"]` also creates an A record for it."""
        if type != "master" or ttl is not None:
            raise UnsupportedOperationError(f"{self.name} has master zones without a TTL of their own", self)
        name = domain.rstrip(".").lower()
        body = {"name": name, **drop_none({"ip_address": (extra or {}).get("ip_address")})}
        with self._zone_errors(name):
            return self._create_once(
                f"the zone {name!r}",
                lambda: self._to_zone(self.connection.create("/domains", "domain", Domain, body)),
                lambda: next((zone for zone in self.list_zones() if zone.id == name), None),
            )

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records."""
        with self._zone_errors(zone.id):
            return self.connection.delete(_zone_path(zone.id))

    # Records

    def list_records(self, zone: Zone) -> list[Record]:
        """Return all records of a zone."""
        with self._zone_errors(zone.id):
            return self.connection.list_all(
                f"{_zone_path(zone.id)}/records", "domain_records", DomainRecord, self._builder(zone)
            )

    def get_record(self, zone_id: str, record_id: str) -> Record:
        """Return the record with this id."""
        zone = self.get_zone(zone_id)
        path = f"{_zone_path(zone_id)}/records/{quote_segment(record_id)}"
        with self._record_errors(record_id):
            return self._builder(zone)(self.connection.fetch(path, "domain_record", DomainRecord))

    def create_record(
        self, name: str | None, zone: Zone, type: RecordType, data: str, extra: dict[str, Any] | None = None
    ) -> Record:
        """Create a record; SRV takes `port` and `weight`, CAA `flags` and `tag` in `extra`."""
        fields = self._fields(zone, name, type, data, extra or {})
        path, build = f"{_zone_path(zone.id)}/records", self._builder(zone)
        wanted = self._to_record(zone, msgspec.convert({"id": 0, **fields}, DomainRecord))
        with self._zone_errors(zone.id):
            return self._create_once(
                f"the {type} record {name or '@'!r} of {zone.domain}",
                lambda: build(self.connection.create(path, "domain_record", DomainRecord, fields)),
                lambda: next((one for one in self.list_records(zone) if _is_same(one, wanted)), None),
            )

    def update_record(
        self,
        record: Record,
        name: str | None = None,
        type: RecordType | None = None,
        data: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Change a record."""
        fields = self._fields(
            record.zone,
            record.name if name is None else name,
            type or record.type,
            record.data if data is None else data,
            {**record.extra, **(extra or {})},
        )
        with self._record_errors(record.id):
            changed = self.connection.put(_record_path(record), "domain_record", DomainRecord, fields)
            return self._builder(record.zone)(changed)

    def delete_record(self, record: Record) -> bool:
        """Delete a record."""
        with self._record_errors(record.id):
            return self.connection.delete(_record_path(record))

    def export_zone_to_bind_format(self, zone: Zone) -> str:
        """Return the zone as a BIND zone file, without SOA: the provider shows its TTL only."""
        return to_bind(zone, [one for one in self.list_records(zone) if one.type != RecordType.SOA])

    # Conversions

    def _to_zone(self, item: Item[Domain]) -> Zone:
        domain = item.value
        return Zone(domain.name, domain.name, "master", domain.ttl, self, {"zone_file": domain.zone_file})

    def _builder(self, zone: Zone) -> Callable[[Item[DomainRecord]], Record]:
        return lambda item: self._to_record(zone, item.value)

    def _to_record(self, zone: Zone, payload: DomainRecord) -> Record:
        type_, data = RecordType(payload.type), payload.data or ""
        if type_ in HOST_NAMES:
            data = zone.domain if data == "@" else data.rstrip(".")
        extra = drop_none({field: getattr(payload, field) for field in FIELDS})
        name = relative_name(payload.name, zone)
        return Record(str(payload.id), name, type_, data, zone, self, payload.ttl, extra)

    def _fields(
        self, zone: Zone, name: str | None, type_: RecordType | str, data: str, extra: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the body of a create or update."""
        require_ttl(extra.get("ttl"))
        if type_ in HOST_NAMES:
            data = data.rstrip(".") + "."
        return {
            "type": self._provider_type(type_),
            "name": relative_name(name, zone) or "@",
            "data": data,
            **drop_none({field: extra.get(field) for field in FIELDS}),
        }


def _zone_path(zone_id: str) -> str:
    return f"/domains/{quote_segment(zone_id)}"


def _record_path(record: Record) -> str:
    return f"{_zone_path(record.zone.id)}/records/{quote_segment(record.id)}"


def _is_same(one: Record, other: Record) -> bool:
    content = attrgetter("name", "type", "data")
    return bool(content(one) == content(other))
