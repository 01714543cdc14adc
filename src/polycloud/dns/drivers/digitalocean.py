"""DigitalOcean's DNS: https://docs.digitalocean.com/reference/api/digitalocean/#tag/Domains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.common.building import quote_segment
from polycloud.common.digitalocean import DigitalOceanBaseDriver
from polycloud.common.payload import Item
from polycloud.dns.content import FIELDS, Content, check_kind, record_type
from polycloud.dns.names import full_name, normalize_domain
from polycloud.dns.objects import Record, Zone
from polycloud.dns.rdata import HOST_NAMES
from polycloud.dns.records import RecordsDriver
from polycloud.dns.types import Provider, RecordType, ZoneDoesNotExistError
from polycloud.dns.zonefile import to_bind
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError

__all__ = ["DigitalOceanDNSDriver"]


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


class DigitalOceanDNSDriver(DigitalOceanBaseDriver, RecordsDriver):
    """DigitalOcean's zones; the id of a zone is its domain. `DigitalOceanDNSDriver("token")`.

    Zones cannot be changed, and their TTL cannot be set: `create_zone` refuses one.
    """

    type = Provider.DIGITAL_OCEAN
    changes_types = False
    has_empty_texts = False
    RECORD_TYPE_MAP: ClassVar = {
        RecordType(name): name for name in ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT")
    }

    def stored_ttl(self, ttl: int) -> int:
        """Return the TTL. Raises `InvalidArgumentError` for 0, which the provider refuses."""
        if not ttl:
            raise InvalidArgumentError(f"ttl must not be 0 at {self.name}")
        return ttl

    # Zones

    def list_zones(self) -> list[Zone]:
        """Return all zones of the account."""
        return self.connection.list_all("/domains", "domains", Domain, self._to_zone)

    def iterate_zones(self) -> Iterator[Zone]:
        """Yield the zones, a page at a time."""
        return self.connection.iterate("/domains", "domains", Domain, self._to_zone)

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone of this domain."""
        name = normalize_domain(zone_id, "zone_id")
        with self._zone_errors(name):
            return self._to_zone(self.connection.fetch(f"/domains/{quote_segment(name)}", "domain", Domain))

    def find_zones(self, domain: str) -> list[Zone]:
        """Return the zone of this domain, if there is one."""
        with suppress(ZoneDoesNotExistError):
            return [self.get_zone(domain)]
        return []

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone; `extra["ip_address"]` also creates an A record for it.

        It sends two requests: whether the zone exists is asked first.
        """
        name = normalize_domain(domain)
        self._check_zone(type, ttl, extra)
        if type != "master":
            message = f"type must be 'master', got {type!r}: {self.name} has no other zones"
            raise UnsupportedOperationError(message, self)
        if ttl is not None:
            message = f"ttl must be None, got {ttl!r}: {self.name} does not let callers set the TTL of a zone"
            raise UnsupportedOperationError(message, self)
        body = {"name": name, **drop_none({"ip_address": (extra or {}).get("ip_address")})}

        with self._zone_errors(name):
            return self._create_zone_once(
                name,
                lambda: self._to_zone(self.connection.create("/domains", "domain", Domain, body)),
                lambda: self.find_zones(name),
            )

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records."""
        path = _zone_path(zone)
        with self._zone_errors(zone.id):
            return self.connection.delete(path)

    # Records

    def _select(self, zone: Zone, name: str | None = None) -> list[Record]:
        path, build = _records_path(zone), self._builder(zone)
        params = {} if name is None else {"name": full_name(name, zone).removesuffix(".")}
        return self.connection.list_all(path, "domain_records", DomainRecord, build, params=params)

    def get_record(self, zone_id: str, record_id: str) -> Record:
        """Return the record with this id."""
        zone = self.get_zone(zone_id)
        path = f"{_records_path(zone)}/{quote_segment(record_id)}"
        with self._record_errors(record_id):
            return self._builder(zone)(self.connection.fetch(path, "domain_record", DomainRecord))

    def _post_record(self, zone: Zone, body: dict[str, Any]) -> Record:
        made = self.connection.create(_records_path(zone), "domain_record", DomainRecord, body)
        return self._builder(zone)(made)

    def _put_record(self, record: Record, body: dict[str, Any]) -> Record:
        body = {"type": self._provider_type(record.type), **body}
        changed = self.connection.patch(_record_path(record), "domain_record", DomainRecord, body)
        return self._builder(record.zone)(changed)

    def delete_record(self, record: Record) -> bool:
        """Delete a record."""
        path = _record_path(record)
        with self._record_errors(record.id):
            return self.connection.delete(path)

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
        type_, data = record_type(payload.type), payload.data or ""
        extra = drop_none({field: getattr(payload, field) for field in FIELDS})
        if _is_host_name(type_, extra):
            data = zone.domain if data == "@" else data.removesuffix(".") or data
        name = self._received_name(payload.name, zone)
        return Record(str(payload.id), name, type_, data, zone, self, payload.ttl, extra)

    def _body(self, content: Content, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a request with this content: host names end with a dot, unlike in responses."""
        dot = "." if _is_host_name(content.type, content.extra) else ""
        return {
            "type": self._provider_type(content.type),
            "name": content.name or "@",
            "data": content.data.removesuffix(dot) + dot,
            **{field: content.extra[field] for field in FIELDS if field in content.extra},
        }


def _zone_path(zone: Zone) -> str:
    return f"/domains/{quote_segment(check_kind(zone, Zone, 'zone').id)}"


def _records_path(zone: Zone) -> str:
    return f"{_zone_path(zone)}/records"


def _record_path(record: Record) -> str:
    return f"{_records_path(check_kind(record, Record, 'record').zone)}/{quote_segment(record.id)}"


def _is_host_name(type_: str, extra: dict[str, Any]) -> bool:
    """Return whether the data of a record is a host name, also in CAA, unless that has the tag iodef."""
    return type_ in HOST_NAMES or (type_ == RecordType.CAA and extra.get("tag") != "iodef")
