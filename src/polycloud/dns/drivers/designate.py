"""OpenStack's DNS service, Designate, version 2: https://docs.openstack.org/api-ref/dns/.

Names in requests and responses end with a dot; the ids of zones and record sets are UUIDs. Designate checks
every value itself, and wants some of them in a spelling of its own: see `_sent`.

Changes take effect later: a zone or a set is PENDING until all name servers have it, then ACTIVE. Neither
keeps it from being changed again, but a zone that is being deleted occupies its domain until it is gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from msgspec.structs import asdict, replace

from polycloud.common.arguments import drop_none
from polycloud.common.building import quote_segment
from polycloud.common.openstack import OpenStackBaseConnection, OpenStackBaseDriver
from polycloud.common.payload import Item, value_of
from polycloud.concurrency import waiting
from polycloud.dns.content import Content, check_extra, check_kind, record_type
from polycloud.dns.names import full_name, normalize_domain
from polycloud.dns.objects import Zone
from polycloud.dns.rdata import TEXTS, read_rdata, write_rdata
from polycloud.dns.recordsets import (
    RecordSet,
    RecordSetsDriver,
    SetChange,
    SetsChangedError,
    SetValue,
)
from polycloud.dns.types import Provider, RecordType, ZoneDoesNotExistError
from polycloud.errors import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PolycloudError,
    UnsupportedOperationError,
    translated,
)
from polycloud.utils.values import shown

__all__ = ["DesignateConnection", "DesignateDriver"]

KINDS = {"master": "PRIMARY", "slave": "SECONDARY"}
ZONE_FIELDS = ("attributes", "description", "email", "masters")
"""Fields of a zone that callers may set, in `extra`."""
ID = "recordset_id"
LONGEST_STRING = 253
"""Characters of a string in TXT, escapes counted as they are written, without its quotes."""
STRINGS = re.compile(r'"((?:[^"\\]|\\.)*)"')
CHARACTERS = re.compile(r"\\\d{3}|\\?.")


class ZonePayload(msgspec.Struct):
    """A zone; `type` is PRIMARY, SECONDARY or CATALOG."""

    id: str
    name: str
    type: str = "PRIMARY"
    ttl: int | None = None
    email: str | None = None
    description: str | None = None
    attributes: dict[str, Any] | None = None
    masters: list[str] | None = None
    serial: int | None = None
    status: str | None = None
    action: str | None = None
    pool_id: str | None = None
    project_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    transferred_at: str | None = None


class SetPayload(msgspec.Struct):
    """A record set; one without a TTL has that of its zone."""

    id: str
    name: str
    type: str
    records: list[str]
    ttl: int | None = None
    description: str | None = None
    status: str | None = None


class DesignateConnection(OpenStackBaseConnection):
    """A connection to Designate."""

    service_types = ("dns",)
    version = "v2"
    transient_statuses = frozenset()  # 413 is a quota here, which a repeated PUT would exceed again


class DesignateDriver(OpenStackBaseDriver, RecordSetsDriver):
    """The zones of a project: `DesignateDriver("user", "password", ex_force_auth_url="https://...")`.

    See `OpenStackBaseDriver` for the other arguments. `extra` of `create_zone` and `update_zone` may have
    `description`, `attributes` (which choose a pool of servers), and `email`, by default hostmaster@ the
    domain; that of zones of type "slave" has `masters`, addresses with or without a port. `extra` of a record
    may have `description`, that of its set.
    """

    type = Provider.DESIGNATE
    name = "OpenStack Designate"
    api_name = "designate"
    connectionCls = DesignateConnection
    RECORD_TYPE_MAP: ClassVar = {
        RecordType(name): name
        for name in (
            *("A", "AAAA", "CAA", "CERT", "CNAME", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SPF", "SRV"),
            *("SSHFP", "SVCB", "TLSA", "TXT"),
        )
    }
    default_ttl = None
    changes_at_once = 1
    set_extra = frozenset({"description"})

    # Zones

    def list_zones(self) -> list[Zone]:
        """Return all zones of the project, without those that are being deleted."""
        return [self._to_zone(one) for one in self._zones() if not _is_deleting(one)]

    def find_zones(self, domain: str) -> list[Zone]:
        """Return the zones of this domain, in one request."""
        found = self._zones(name=f"{normalize_domain(domain)}.")
        return [self._to_zone(one) for one in found if not _is_deleting(one)]

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone with this id, unless it is being deleted."""
        with self._zone_errors(zone_id):
            found = self.connection.request(_path(zone_id)).decode(ZonePayload)
        if _is_deleting(found):
            raise ZoneDoesNotExistError(f"the zone {found.name} is being deleted", self, zone_id)
        return self._to_zone(found)

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone; whether it exists is asked first.

        If an earlier zone of the domain is being deleted, this waits until that is gone. Raises
        `OperationTimeoutError` if it takes longer than `settle_time`.
        """
        name = normalize_domain(domain)
        self._check_zone(type, ttl, extra)
        given = _chosen(extra)
        if type == "master":
            given = {"email": f"hostmaster@{name}", **given}
        elif ttl is not None or "email" in given or not given.get("masters"):
            raise InvalidArgumentError(
                "a zone of type 'slave' needs masters in extra, and has the ttl and the email of these, "
                f"got ttl={ttl!r}, extra={extra!r}"
            )
        body = drop_none({"name": f"{name}.", "type": KINDS[type], "ttl": ttl, **given})

        def send() -> Zone:
            return self._to_zone(
                self.connection.request("/zones", json=body, method="POST").decode(ZonePayload)
            )

        with self._zone_errors(name):
            return self._create_zone_once(name, send, lambda: self._zones_of(name))

    def update_zone(
        self,
        zone: Zone,
        domain: str | None = None,
        type: str | None = None,
        ttl: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Zone:
        """Change the TTL of a zone or what `extra` has; its domain and its type cannot be changed."""
        check_kind(zone, Zone, "zone")
        self._check_zone(zone.type if type is None else type, ttl, extra)
        if (type or zone.type) != zone.type or normalize_domain(domain or zone.domain) != zone.domain:
            raise UnsupportedOperationError(
                f"{self.name} cannot change the domain or the type of a zone, got {domain!r}, {type!r}", self
            )
        body = {**drop_none({"ttl": ttl}), **_chosen(extra)}
        with self._zone_errors(zone.id):
            response = self.connection.request(_path(zone.id), json=body, method="PATCH", idempotent=True)
            return self._to_zone(response.decode(ZonePayload))

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records."""
        path = _path(check_kind(zone, Zone, "zone").id)
        with self._zone_errors(zone.id):
            return self.connection.delete(path)

    def _zones(self, **params: str) -> list[ZonePayload]:
        return self.connection.list_all("/zones", "zones", ZonePayload, value_of, params=params)

    def _zones_of(self, domain: str) -> list[Zone]:
        """Return the zones of a domain, once those are gone that are being deleted."""

        def settled() -> list[ZonePayload] | None:
            found = self._zones(name=f"{domain}.")
            return None if any(map(_is_deleting, found)) else found

        message = f"an earlier zone {domain} to be deleted"
        found = waiting.poll(settled, waiting_for=message, timeout=self.settle_time)
        return [self._to_zone(one) for one in found]

    # Record sets

    def _sets(self, zone: Zone, name: str | None = None) -> list[RecordSet]:
        def build(item: Item[SetPayload]) -> RecordSet:
            return self._to_set(item.value, zone)

        return self.connection.list_all(
            f"{_path(zone.id)}/recordsets",
            "recordsets",
            SetPayload,
            build,
            key=_id_of,
            params=drop_none({"name": None if name is None else full_name(name, zone)}),
        )

    def _change_sets(self, zone: Zone, changes: list[SetChange]) -> None:
        """Make the changes one by one: what comes before what goes, unless a CNAME must be alone for it."""
        first = [one for one in changes if _makes_room(one, changes)]
        gone: list[RecordSet | None] = []
        try:
            for one in first:
                self._change_set(zone, *one)
                gone.append(one.before)
            for one in reversed(changes):
                if one not in first:
                    self._change_set(zone, *one)
        except PolycloudError as error:
            for lost in gone:
                self._restore(zone, lost, error)
            raise

    def _restore(self, zone: Zone, lost: RecordSet | None, error: PolycloudError) -> None:
        try:
            self._change_set(zone, None, lost)
        except PolycloudError as failure:
            error.add_note(f"a deleted record set could not be restored: {failure}; it was {lost}")

    def _change_set(self, zone: Zone, before: RecordSet | None, after: RecordSet | None) -> None:
        path, method, body = f"{_path(zone.id)}/recordsets", "DELETE", None
        if after is not None:
            method, body = "PUT", {"ttl": after.ttl, "description": after.extra.get("description")}
            body["records"] = [_sent(after.type, one.text) for one in after.values]
        if before is not None:
            path = f"{path}/{quote_segment(_id_of(before))}"
        elif after is not None:
            method, body = "POST", {"name": full_name(after.name, zone), "type": after.type, **(body or {})}
        try:
            # A POST that was carried out is refused when it is repeated
            self.connection.request(path, json=body, method=method, idempotent=True)
        except (ConflictError, NotFoundError) as error:
            if error.repeated and before is None and after is not None and self._has(zone, after):
                return
            if isinstance(error, NotFoundError) and "RecordSet" not in str(error.message):  # but the zone
                raise
            raise translated(error, SetsChangedError(error.message, self)) from error

    def _has(self, zone: Zone, wanted: RecordSet) -> bool:
        """Return whether there is a set with this name, type, TTL and these values."""
        return any(_identity(one) == _identity(wanted) for one in self._sets(zone, wanted.name))

    def _with(self, start: RecordSet, value: SetValue, given: Mapping[str, Any]) -> RecordSet:
        """Leave out what only Designate says of a set, and which changes with it."""
        description = drop_none({"description": start.extra.get("description")})
        return super()._with(replace(start, extra=description), value, given)

    def _content(self, name: str, type_: RecordType | str, data: str, extra: dict[str, Any]) -> Content:
        if type_ == RecordType.CAA and ";" in data:
            raise InvalidArgumentError(
                f"data of type CAA must not have ;, behind which {self.name} serves nothing (it lists it), "
                f"got {shown(data)}"
            )
        return super()._content(name, type_, data, extra)

    # Conversions

    def _to_zone(self, payload: ZonePayload) -> Zone:
        extra = asdict(payload)
        for field in ("id", "name", "ttl"):
            del extra[field]
        type_ = "slave" if payload.type == KINDS["slave"] else "master"
        return Zone(payload.id, payload.name.removesuffix("."), type_, payload.ttl, self, extra)

    def _to_set(self, payload: SetPayload, zone: Zone) -> RecordSet:
        type_ = record_type(payload.type)
        values = tuple(SetValue(_received(type_, text)) for text in payload.records)
        extra = {ID: payload.id, "status": payload.status, "description": payload.description}
        name = self._received_name(payload.name, zone)
        return RecordSet(name, type_, payload.ttl, values, drop_none(extra))


def _path(zone_id: str) -> str:
    return f"/zones/{quote_segment(zone_id)}"


def _id_of(one: RecordSet) -> str:
    return str(one.extra[ID])


def _identity(one: RecordSet) -> tuple[object, ...]:
    return one.name, one.type, one.ttl, sorted(value.text for value in one.values)


def _chosen(extra: dict[str, Any] | None) -> dict[str, Any]:
    return {field: value for field, value in check_extra(extra).items() if field in ZONE_FIELDS}


def _is_deleting(zone: ZonePayload) -> bool:
    return (zone.action, zone.status) == ("DELETE", "PENDING")


def _makes_room(change: SetChange, changes: list[SetChange]) -> bool:
    """Return whether a set must go before another one of its name comes, as one of them is a CNAME."""
    before, after = change
    if before is None or after is not None:
        return False
    new = [one.after for one in changes if one.before is None and one.after is not None]
    return any(one.name == before.name and RecordType.CNAME in {one.type, before.type} for one in new)


def _sent(type_: str, text: str) -> str:
    """Return rdata as Designate wants it: CAA without quotes, TXT in strings that are short with escapes."""
    if type_ == RecordType.CAA:
        return re.sub(r' "(.*)"$', r" \1", text)
    if type_ not in TEXTS or len(text) <= LONGEST_STRING:
        return text
    strings = [""]
    for character in CHARACTERS.findall("".join(STRINGS.findall(text))):
        if len(strings[-1]) + len(character) > LONGEST_STRING:
            strings.append("")
        strings[-1] += character
    return " ".join(f'"{one}"' for one in strings)


def _received(type_: str, text: str) -> str:
    """Return rdata as zone files write it."""
    if type_ == RecordType.CAA:
        return re.sub(r'^(\S+ \S+) ([^"].*)$', r'\1 "\2"', text)
    if type_ in TEXTS and '" "' in text:
        return write_rdata(type_, read_rdata(type_, text).data, {}).rdata
    return text
