"""PowerDNS's authoritative server by its HTTP API: https://doc.powerdns.com/authoritative/http-api/.

Names in requests and responses end with a dot, and rdata is as in zone files. A zone is read with all its
sets: a request for those of one name leaves out disabled records, which a change would then delete.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import starmap
from typing import Any, ClassVar

import msgspec

from polycloud.common.building import quote_segment
from polycloud.common.connection import ConnectionKey
from polycloud.common.response import JsonResponse
from polycloud.dns.content import check_kind, record_type
from polycloud.dns.names import full_name, normalize_domain
from polycloud.dns.objects import Zone
from polycloud.dns.recordsets import RecordSet, RecordSetsDriver, SetChange, SetValue
from polycloud.dns.types import Provider, RecordType, ZoneDoesNotExistError
from polycloud.errors import ConflictError, UnsupportedOperationError
from polycloud.utils.status import HTTPStatus

__all__ = ["PowerDNSConnection", "PowerDNSDriver", "PowerDNSResponse"]

CONFLICTS = ("conflicts with", "already exists", "duplicate record")
KINDS = {"master": "Native", "slave": "Slave"}
SECONDARY = frozenset({"slave", "secondary", "consumer"})
DISABLED = {"disabled": True}
OTHERS = frozenset({"ANAME", "GEO", "NSEC", "REDIRECT", "RRSIG", "URL", "WKS"})


class ZonePayload(msgspec.Struct):
    """A zone; `kind` is Native, Master, Slave, Producer or Consumer."""

    id: str
    name: str
    kind: str = "Native"
    serial: int | None = None
    dnssec: bool | None = None
    masters: list[str] | None = None


class RecordPayload(msgspec.Struct, gc=False):
    """A value; a disabled one is not served."""

    content: str
    disabled: bool = False


class SetPayload(msgspec.Struct, gc=False):
    """A record set."""

    name: str
    type: str
    records: tuple[RecordPayload, ...]
    ttl: int | None = None


class ContentPayload(msgspec.Struct):
    """What is in a zone."""

    rrsets: list[SetPayload]


class PowerDNSResponse(JsonResponse):
    """A response; errors are `{"error": ...}` or plain text."""

    def parse_error(self) -> Any:
        """Return the message. Raises `ConflictError` if a 422 is about what is there already."""
        message = super().parse_error()
        if self.status == HTTPStatus.UNPROCESSABLE_ENTITY and any(
            word in str(message).lower() for word in CONFLICTS
        ):
            raise ConflictError(HTTPStatus.CONFLICT, message)
        return message


class PowerDNSConnection(ConnectionKey):
    """Sends the key in a header."""

    host = "localhost"
    transient_statuses = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR})  # a locked database, a deadlock in it
    port = 8081
    responseCls = PowerDNSResponse

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add the key."""
        return {**headers, "X-API-Key": self.key}


class PowerDNSDriver(RecordSetsDriver):
    """The zones of a PowerDNS server: `PowerDNSDriver("key", host="ns1.example.org", port=8081)`.

    `extra` of `create_zone` may have any field of the API's zones, such as `nameservers`, `masters` and
    `kind`; that of a record `disabled`.
    """

    type = Provider.POWERDNS
    name = "PowerDNS"
    api_name = "powerdns"
    website = "https://www.powerdns.com/"
    connectionCls = PowerDNSConnection
    RECORD_TYPE_MAP: ClassVar = {one: one.value for one in RecordType if one not in OTHERS}
    value_extra = frozenset({"disabled"})

    def __init__(self, key: str, *args: Any, ex_server_id: str = "localhost", **options: Any) -> None:
        super().__init__(key, *args, **options)
        self._zones_path = f"/api/v1/servers/{quote_segment(ex_server_id)}/zones"

    # Zones

    def list_zones(self) -> list[Zone]:
        """Return all zones of the server."""
        found = self.connection.request(self._zones_path).decode(list[ZonePayload])
        return [self._to_zone(one) for one in found]

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone with this id, which is its domain with a dot."""
        with self._zone_errors(zone_id):
            response = self.connection.request(self._path(zone_id), {"rrsets": "false"})
            return self._to_zone(response.decode(ZonePayload))

    def find_zones(self, domain: str) -> list[Zone]:
        """Return the zone of this domain, if there is one."""
        with suppress(ZoneDoesNotExistError):
            return [self.get_zone(f"{normalize_domain(domain)}.")]
        return []

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone, whose kind is Native or Slave unless `extra` has another one.

        It sends two requests: whether the zone exists is asked first.
        """
        name = normalize_domain(domain)
        self._check_zone(type, ttl, extra)
        if ttl is not None:
            raise UnsupportedOperationError(
                f"ttl must be None, got {ttl!r}: zones of {self.name} have none", self
            )
        body = {"kind": KINDS[type], "nameservers": [], **(extra or {}), "name": f"{name}."}

        def send() -> Zone:
            response = self.connection.request(
                self._zones_path, {"rrsets": "false"}, json=body, method="POST"
            )
            return self._to_zone(response.decode(ZonePayload))

        with self._zone_errors(name):
            return self._create_zone_once(name, send, lambda: self.find_zones(name))

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records."""
        path = self._path(check_kind(zone, Zone, "zone").id)
        with self._zone_errors(zone.id):
            self.connection.request(path, method="DELETE")
        return True

    # Record sets

    def _sets(self, zone: Zone, name: str | None = None) -> Iterator[RecordSet]:
        return starmap(self._to_set, self._payloads(zone))

    def _named(self, zone: Zone, names: AbstractSet[str]) -> list[RecordSet]:
        return [self._to_set(name, one) for name, one in self._payloads(zone) if name in names]

    def _payloads(self, zone: Zone) -> Iterator[tuple[str, SetPayload]]:
        """Return the sets that have records, with their relative names."""
        response = self.connection.request(self._path(zone.id))
        content: ContentPayload = response.decode(ContentPayload, (b",",))
        sets = [one for one in content.rrsets if one.records]
        return zip(self._received_names(zone, [one.name for one in sets]), sets, strict=True)

    def _change_sets(self, zone: Zone, changes: list[SetChange]) -> None:
        body = {"rrsets": [_payload(zone, one) for one in changes]}
        self.connection.request(self._path(zone.id), json=body, method="PATCH", idempotent=True)

    # Conversions

    def _path(self, zone_id: str) -> str:
        return f"{self._zones_path}/{quote_segment(zone_id)}"

    def _to_zone(self, payload: ZonePayload) -> Zone:
        type_ = "slave" if payload.kind.lower() in SECONDARY else "master"
        extra = {
            "kind": payload.kind,
            "serial": payload.serial,
            "dnssec": payload.dnssec,
            "masters": payload.masters,
        }
        return Zone(payload.id, payload.name.removesuffix("."), type_, None, self, extra)

    def _to_set(self, name: str, payload: SetPayload) -> RecordSet:
        values = []
        for one in payload.records:  # a comprehension takes longer for one value
            value = SetValue(one.content, DISABLED) if one.disabled else SetValue(one.content)
            values.append(value)
        return RecordSet(name, record_type(payload.type), payload.ttl, tuple(values))


def _payload(zone: Zone, change: SetChange) -> dict[str, Any]:
    """Return what a PATCH says of a set."""
    one = change.after or change.before
    assert one is not None
    named = {"name": full_name(one.name, zone), "type": one.type}
    if change.after is None:
        return {**named, "changetype": "DELETE"}
    records = [{"content": each.text, "disabled": bool(each.extra.get("disabled"))} for each in one.values]
    return {**named, "changetype": "REPLACE", "ttl": one.ttl, "records": records}
