"""Zones of Cloud DNS, which calls them domains."""

from __future__ import annotations

from functools import partial
from typing import Any

from polycloud.common.arguments import drop_none
from polycloud.common.building import quote_segment
from polycloud.common.openstack import OpenStackBaseDriver
from polycloud.dns.base import DNSDriver
from polycloud.dns.content import check_extra, check_kind
from polycloud.dns.drivers.rackspace.connection import CloudDNSConnection, ItemsPayload, ZonePayload
from polycloud.dns.names import normalize_domain
from polycloud.dns.objects import Zone
from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.utils.values import shown

LEAST_TTL = 300
LONGEST_COMMENT = 160


class CloudDNSZones(OpenStackBaseDriver, DNSDriver):
    """The zones, and what records have in common with them."""

    connectionCls = CloudDNSConnection
    connection: CloudDNSConnection

    def stored_ttl(self, ttl: int) -> int:
        """Return the TTL. Raises `InvalidArgumentError` for one of less than 300 seconds."""
        if ttl < LEAST_TTL:
            raise InvalidArgumentError(f"ttl must be at least {LEAST_TTL}, got {ttl}")
        return ttl

    # Zones

    def list_zones(self) -> list[Zone]:
        """Return all zones of the account; their TTLs are known to `get_zone` only."""
        return self.connection.pages("/domains", "domains", self._to_zone)

    def find_zones(self, domain: str) -> list[Zone]:
        """Return the zones of this domain, in one request."""
        name = normalize_domain(domain)
        found = self.connection.request("/domains", {"name": name}).decode(ItemsPayload)
        return [self._to_zone(one) for one in found.domains or () if one.name == name]

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone with this id, which is a number."""
        query = {"showRecords": "false", "showSubdomains": "false"}
        with self._zone_errors(zone_id):
            response = self.connection.request(f"/domains/{quote_segment(zone_id)}", query)
            return self._to_zone(response.decode(ZonePayload))

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone. Whether it exists is asked first, then the job is waited for."""
        name = normalize_domain(domain)
        body = {"emailAddress": f"hostmaster@{name}", **self._zone_fields(type, ttl, extra), "name": name}

        def send() -> Zone:
            job = self.connection.job("POST", "/domains", json={"domains": [body]})
            return self._to_zone(job.made("domains"))

        with self._zone_errors(name):
            return self._create_zone_once(name, send, partial(self.find_zones, name))

    def update_zone(
        self,
        zone: Zone,
        domain: str | None = None,
        type: str | None = None,
        ttl: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Zone:
        """Change the TTL, `email` or `comment` of a zone."""
        check_kind(zone, Zone, "zone")
        if normalize_domain(domain or zone.domain) != zone.domain:
            raise UnsupportedOperationError(f"{self.name} cannot change the domain of a zone", self)
        body = self._zone_fields(type or zone.type, ttl, extra)
        with self._zone_errors(zone.id):
            self.connection.job("PUT", zone_path(zone), json=body)
        return self.get_zone(zone.id)

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records; zones below it stay."""
        with self._zone_errors(zone.id):
            return self.connection.delete(zone_path(zone))

    def _zone_fields(self, type_: str, ttl: int | None, extra: dict[str, Any] | None) -> dict[str, Any]:
        """Return the provider's fields of a zone."""
        self._check_zone(type_, ttl, extra)
        if type_ != "master":
            message = f"type must be 'master', got {type_!r}: {self.name} has no other zones"
            raise UnsupportedOperationError(message, self)
        given = self._check_extra(extra)
        fields = {"ttl": ttl and self.stored_ttl(ttl), "emailAddress": given.get("email")}
        return drop_none({**fields, "comment": given.get("comment")})

    def _check_extra(self, extra: object) -> dict[str, Any]:
        fields = check_extra(extra)
        comment = fields.get("comment", "")
        if not isinstance(comment, str) or len(comment) > LONGEST_COMMENT:
            raise InvalidArgumentError(
                f"comment must be a str of at most {LONGEST_COMMENT} characters, got {shown(comment)}"
            )
        return fields

    def _to_zone(self, payload: ZonePayload) -> Zone:
        servers = payload.nameservers
        extra = {
            "email": payload.email_address,
            "comment": payload.comment,
            "created": payload.created,
            "updated": payload.updated,
            "nameservers": None if servers is None else [one.name for one in servers],
        }
        return Zone(str(payload.id), payload.name, "master", payload.ttl, self, drop_none(extra))


def zone_path(zone: Zone) -> str:
    """Return the path of a zone."""
    return f"/domains/{quote_segment(check_kind(zone, Zone, 'zone').id)}"
