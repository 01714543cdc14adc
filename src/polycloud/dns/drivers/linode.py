"""Linode's DNS Manager: https://techdocs.akamai.com/linode-api/reference/get-domains.

The provider keeps duplicates, and rounds TTLs: what it would do to them is done or refused here, so that a
record is returned as it was given. SOA and the NS of the zone itself are not in its lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.common.building import quote_segment
from polycloud.common.linode import LinodeBaseDriver
from polycloud.common.payload import Item, LazyExtra, decode
from polycloud.dns.content import Content, check_kind, record_type, require_number
from polycloud.dns.names import normalize_domain
from polycloud.dns.objects import Record, Zone
from polycloud.dns.rdata import HOST_NAMES, VALUE_FIELDS
from polycloud.dns.records import RecordsDriver
from polycloud.dns.types import Provider, RecordType
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError

__all__ = ["LinodeDNSDriver"]

TTLS = (30, 120, 300, 3600, 7200, 14400, 28800, 57600, 86400, 172800, 345600, 604800, 1209600, 2419200)
DEFAULT_TTL = 86400
GREATEST_PRIORITY = 255
NAME = ("name", "service", "protocol")
TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT")


class Domain(msgspec.Struct):
    """A zone; a TTL of 0 is that of the provider, a day."""

    id: int
    domain: str
    type: str | None = None
    ttl_sec: int | None = None


class DomainRecord(msgspec.Struct):
    """A record; `name` is relative, "" for the zone itself. A TTL of 0 is that of the zone."""

    id: int
    type: str
    name: str | None = None
    target: str | None = None
    ttl_sec: int | None = None
    priority: int | None = None
    weight: int | None = None
    port: int | None = None
    tag: str | None = None


class LinodeDNSDriver(LinodeBaseDriver, RecordsDriver):
    """Linode's zones: `LinodeDNSDriver("token")`.

    `extra` of zones has the provider's other fields, such as `soa_email`, `status`, `tags`, `master_ips` and
    `refresh_sec`. Where a zone or a record has no TTL of its own, `ttl` is the default that it gets, and
    `extra["ttl_sec"]` is 0; `ttl_sec=0` in `extra`, without `ttl`, gives it the default again.
    """

    type = Provider.LINODE
    RECORD_TYPE_MAP: ClassVar = {RecordType(name): name for name in TYPES}
    changes_types = False
    has_empty_texts = False
    fields_of: ClassVar = {"name": NAME, "data": ("target",), "ttl": ("ttl_sec",)}

    def stored_ttl(self, ttl: int) -> int:
        """Return the TTL rounded up to one that the provider has, from 30 seconds to 4 weeks.

        Raises `InvalidArgumentError` for 0, by which the provider means its default, a day.
        """
        if not ttl:
            raise InvalidArgumentError("ttl must not be 0: Linode means its default by that; give ttl_sec=0")
        return next((one for one in TTLS if one >= ttl), TTLS[-1])

    # Zones

    def list_zones(self) -> list[Zone]:
        """Return all zones of the account."""
        return self.connection.list_all("/domains", Domain, self._to_zone)

    def iterate_zones(self) -> Iterator[Zone]:
        """Yield the zones, a page at a time."""
        return self.connection.iterate("/domains", Domain, self._to_zone)

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone with this id, which is a number."""
        with self._zone_errors(zone_id):
            return self._to_zone(self.connection.fetch(f"/domains/{quote_segment(zone_id)}", Domain))

    def find_zones(self, domain: str) -> list[Zone]:
        """Return the zones of this domain, in one request."""
        only = {"domain": normalize_domain(domain)}
        return self.connection.list_all("/domains", Domain, self._to_zone, only=only)

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone. It sends two requests: whether the zone exists is asked first.

        `extra["soa_email"]` is the address of its administrator, by default hostmaster at the domain. A slave
        needs `extra["master_ips"]`.
        """
        name = normalize_domain(domain)
        fields = self._zone_fields(type, ttl, extra)
        if type == "slave" and not fields.get("master_ips"):
            raise InvalidArgumentError("a zone of type slave needs master_ips in extra")
        contact = {"soa_email": f"hostmaster@{name}"} if type == "master" else {}
        return self._create_zone(name, "/domains", {**contact, **fields, "domain": name, "type": type})

    def ex_import_zone(self, domain: str, nameserver: str) -> Zone:
        """Create a zone with the records that a name server transfers to the provider (AXFR)."""
        name = normalize_domain(domain)
        return self._create_zone(name, "/domains/import", {"domain": name, "remote_nameserver": nameserver})

    def ex_clone_zone(self, zone: Zone, domain: str) -> Zone:
        """Create a zone for another domain with the fields and records of this one."""
        return self._create_zone(zone.id, f"{_zone_path(zone)}/clone", {"domain": normalize_domain(domain)})

    def _create_zone(self, zone_id: str, path: str, body: dict[str, Any]) -> Zone:
        name = body["domain"]

        def send() -> Zone:
            return self._to_zone(self.connection.post(path, Domain, body))

        with self._zone_errors(zone_id):
            return self._create_zone_once(name, send, partial(self.find_zones, name))

    def update_zone(
        self,
        zone: Zone,
        domain: str | None = None,
        type: str | None = None,
        ttl: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Zone:
        """Change the given fields of a zone."""
        path, name = _zone_path(zone), None if domain is None else normalize_domain(domain)
        fields = self._zone_fields(zone.type if type is None else type, ttl, extra)
        body = {**fields, **drop_none({"domain": name, "type": type})}
        with self._zone_errors(zone.id):
            return self._to_zone(self.connection.put(path, Domain, body))

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records."""
        path = _zone_path(zone)
        with self._zone_errors(zone.id):
            return self.connection.delete(path)

    # Records

    def _select(self, zone: Zone, name: str | None = None) -> list[Record]:
        """Return the records of a name; all for the zone itself, since "" as a filter is not documented."""
        only, build = {"name": name} if name else None, partial(self._to_record, zone)
        return self.connection.list_all(_records_path(zone), DomainRecord, build, only=only)

    def get_record(self, zone_id: str, record_id: str) -> Record:
        """Return the record with this id."""
        zone = self.get_zone(zone_id)
        path = f"{_records_path(zone)}/{quote_segment(record_id)}"
        with self._record_errors(record_id):
            return self._to_record(zone, self.connection.fetch(path, DomainRecord))

    def _post_record(self, zone: Zone, body: dict[str, Any]) -> Record:
        return self._to_record(zone, self.connection.post(_records_path(zone), DomainRecord, body))

    def _put_record(self, record: Record, body: dict[str, Any]) -> Record:
        return self._to_record(record.zone, self.connection.put(_record_path(record), DomainRecord, body))

    def delete_record(self, record: Record) -> bool:
        """Delete a record."""
        path = _record_path(record)
        with self._record_errors(record.id):
            return self.connection.delete(path)

    # Conversions

    def _zone_fields(self, type_: str, ttl: int | None, extra: dict[str, Any] | None) -> dict[str, Any]:
        """Return the provider's fields of a zone."""
        self._check_zone(type_, ttl, extra)
        return drop_none({**(extra or {}), "ttl_sec": self._ttl_sec({"ttl": ttl, **(extra or {})})})

    def _ttl_sec(self, extra: Mapping[str, Any]) -> int | None:
        """Return the provider's TTL for what is given."""
        ttl = extra.get("ttl")
        return extra.get("ttl_sec") if ttl is None else self.stored_ttl(ttl)

    def _to_zone(self, item: Item[Domain]) -> Zone:
        domain, extra = item.value, LazyExtra(item.raw, _zone_extra)
        type_, ttl = domain.type or "master", domain.ttl_sec or DEFAULT_TTL
        return Zone(str(domain.id), domain.domain, type_, ttl, self, extra)

    def _to_record(self, zone: Zone, item: Item[DomainRecord]) -> Record:
        payload = item.value
        type_, data = record_type(payload.type), payload.target or ""
        if type_ in HOST_NAMES:
            data = data.removesuffix(".") or "."
        ttl = payload.ttl_sec or zone.ttl
        fields = {one: getattr(payload, one, 0) for one in VALUE_FIELDS.get(type_, ())}  # it has no flags
        extra = drop_none({"ttl": ttl, "ttl_sec": payload.ttl_sec, **fields})
        name = self._received_name(payload.name, zone)
        return Record(str(payload.id), name, type_, data, zone, self, ttl, extra)

    def _body(self, content: Content, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a request with this content; host names end with a dot, as they are in full."""
        name, type_, data, extra, _ = content
        fields = {one: extra[one] for one in VALUE_FIELDS.get(type_, ()) if one in extra}
        require_number("priority", fields.get("priority"), GREATEST_PRIORITY)
        if fields.pop("flags", 0):
            raise UnsupportedOperationError(f"flags must be 0: {self.name} has no flags of CAA", self)
        if type_ in HOST_NAMES:
            data = f"{data.removesuffix('.')}."
        if (type_, data) == (RecordType.MX, "."):
            data = ""
        named = _service(name) if type_ == RecordType.SRV else {"name": name}
        own = {"type": self._provider_type(type_), "target": data, "ttl_sec": self._ttl_sec(given)}
        return drop_none({**named, **fields, **own})


def _zone_extra(raw: bytes) -> dict[str, Any]:
    return {name: value for name, value in decode(raw).items() if name not in {"id", "domain", "type"}}


def _service(name: str) -> dict[str, str]:
    """Return the fields that name an SRV record; what is after the protocol belongs to it."""
    service, dot, protocol = name.partition(".")
    if not (dot and service.startswith("_") and protocol.startswith("_")):
        raise InvalidArgumentError(f"the name of an SRV record must be _service._protocol, got {name!r}")
    return {"service": service[1:], "protocol": protocol[1:]}


def _zone_path(zone: Zone) -> str:
    return f"/domains/{quote_segment(check_kind(zone, Zone, 'zone').id)}"


def _records_path(zone: Zone) -> str:
    return f"{_zone_path(zone)}/records"


def _record_path(record: Record) -> str:
    return f"{_records_path(check_kind(record, Record, 'record').zone)}/{quote_segment(record.id)}"
