"""The objects of DNS: zones and records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polycloud.common.payload import LazyExtra
from polycloud.common.resource import Resource, provider_of, require_driver
from polycloud.dns.types import RecordType

if TYPE_CHECKING:
    from polycloud.dns.base import DNSDriver

__all__ = ["Record", "Zone"]

Extra = dict[str, Any] | LazyExtra | None


class DNSResource(Resource):
    """An object of a DNS driver."""

    __slots__ = ()

    driver: DNSDriver

    @property
    def _own(self) -> DNSDriver:
        require_driver(self)
        return self.driver


class Zone(DNSResource):
    """A zone: its `domain` without a trailing dot, `type` ("master" or "slave"), `ttl` in seconds or None."""

    __slots__ = ("domain", "ttl", "type")

    def __init__(
        self, id: str, domain: str, type: str, ttl: int | None, driver: DNSDriver, extra: Extra = None
    ) -> None:
        self.id = str(id)
        self.domain = domain
        self.type = type
        self.ttl = ttl
        self.driver = driver
        self._extra = {} if extra is None else extra

    def list_records(self) -> list[Record]:
        """Return the records; see `DNSDriver.list_records`."""
        return self._own.list_records(self)

    def create_record(
        self, name: str | None, type: RecordType, data: str, extra: dict[str, Any] | None = None
    ) -> Record:
        """Create a record; see `DNSDriver.create_record`."""
        return self._own.create_record(name, self, type, data, extra)

    def update(
        self,
        domain: str | None = None,
        type: str | None = None,
        ttl: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Zone:
        """Change the zone; see `DNSDriver.update_zone`."""
        return self._own.update_zone(self, domain, type, ttl, extra)

    def delete(self) -> bool:
        """Delete the zone and its records; see `DNSDriver.delete_zone`."""
        return self._own.delete_zone(self)

    def export_to_bind_format(self) -> str:
        """Return the zone as a BIND zone file; see `DNSDriver.export_zone_to_bind_format`."""
        return self._own.export_zone_to_bind_format(self)

    def export_to_bind_zone_file(self, file_path: str) -> None:
        """Write the zone as a BIND zone file; see `DNSDriver.export_zone_to_bind_zone_file`."""
        self._own.export_zone_to_bind_zone_file(self, file_path)

    def __repr__(self) -> str:
        return f"<Zone: domain={self.domain}, ttl={self.ttl}, provider={provider_of(self)} ...>"


class Record(DNSResource):
    """One value of a name in a zone.

    `name` is relative to the zone, "" for the zone itself; `type` a `RecordType`, or the provider's text for
    a type that `RecordType` does not have; `data` the value as text, without the quotes of TXT. The TTL in
    seconds is in `ttl` and `extra["ttl"]`. The other parts of a value are in `extra`: `priority` of MX;
    `priority`, `weight` and `port` of SRV; `priority` and `weight` of URI; `flags` and `tag` of CAA.
    """

    __slots__ = ("data", "name", "ttl", "type", "zone")

    def __init__(
        self,
        id: str,
        name: str,
        type: RecordType | str,
        data: str,
        zone: Zone,
        driver: DNSDriver,
        ttl: int | None = None,
        extra: Extra = None,
    ) -> None:
        self.id = str(id)
        self.name = name
        self.type = type
        self.data = data
        self.zone = zone
        self.driver = driver
        self.ttl = ttl
        self._extra = {} if extra is None else extra

    def update(
        self,
        name: str | None = None,
        type: RecordType | None = None,
        data: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Change the record; see `DNSDriver.update_record`."""
        return self._own.update_record(self, name, type, data, extra)

    def delete(self) -> bool:
        """Delete the record; see `DNSDriver.delete_record`."""
        return self._own.delete_record(self)

    def __repr__(self) -> str:
        zone = getattr(self.zone, "domain", None)
        return (
            f"<Record: zone={zone}, name={self.name}, type={self.type}, data={self.data}, "
            f"provider={provider_of(self)}, ttl={self.ttl} ...>"
        )
