"""Cloudflare's DNS by its API, version 4: https://developers.cloudflare.com/api/resources/dns/."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import msgspec

from polycloud.common.base import quote_segment
from polycloud.common.bearer import BearerDriver
from polycloud.common.creation import UniqueCreation, is_refusal
from polycloud.common.credentials import Credential
from polycloud.dns.base import DNSDriver
from polycloud.dns.changes import Outcomes, RecordChange, by_name
from polycloud.dns.content import Content, check_extra, check_kind, record_type, require_room_for_update
from polycloud.dns.drivers.cloudflare.connection import CloudflareConnection
from polycloud.dns.drivers.cloudflare.records import (
    AUTOMATIC,
    OWN,
    PROXIED,
    SHAPES,
    RecordPayload,
    own_fields,
    stored_ttl,
    value_fields,
)
from polycloud.dns.names import full_name, normalize_domain
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import Provider, RecordType
from polycloud.errors import (
    InvalidArgumentError,
    InvalidCredsError,
    PolycloudError,
    UnsupportedOperationError,
)

__all__ = ["CloudflareConnection", "CloudflareDNSDriver"]

ZONES = "/zones"
ZONES_A_PAGE = 50
CHANGES_AT_ONCE = 200
"""The changes that a batch may have in every plan; paid ones allow 3,500."""
TYPES = {"master": "full", "slave": "secondary"}
EDITABLE = ("paused", "type", "vanity_name_servers")


class ZonePayload(msgspec.Struct):
    """A zone.

    `type` is full, partial, secondary or internal, `status` initializing, pending, active or moved. A zone
    becomes active when the domain's registrar has its `name_servers`.
    """

    id: str
    name: str
    type: str | None = None
    status: str | None = None
    paused: bool | None = None
    name_servers: list[str] | None = None
    original_name_servers: list[str] | None = None
    vanity_name_servers: list[str] | None = None
    verification_key: str | None = None
    account: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    created_on: str | None = None
    modified_on: str | None = None
    activated_on: str | None = None


class CloudflareDNSDriver(BearerDriver, DNSDriver):
    """Cloudflare's zones: `CloudflareDNSDriver("token")`, or with the older pair `("e-mail", "global key")`.

    `ex_account_id` is the account of the zones that it creates. `ex_per_page` is the page size of lists of
    records, 5,000 at most.

    `extra` of a record also has `proxied`, `comment`, `tags` and `settings`. Zones have no TTL, and that of a
    record may be automatic: it is given as 1, and returned as 300, which is what the provider serves.
    """

    type = Provider.CLOUDFLARE
    name = "Cloudflare"
    api_name = "cloudflare"
    website = "https://www.cloudflare.com"
    connectionCls = CloudflareConnection
    connection: CloudflareConnection
    api_versions = ("v4",)
    credentials = (Credential("token", ("CLOUDFLARE_API_TOKEN",)),)
    RECORD_TYPE_MAP: ClassVar = {
        RecordType(name): name
        for name in sorted({"A", "AAAA", "CNAME", "MX", "NS", "OPENPGPKEY", "PTR", "TXT", *SHAPES})
    }
    longest_text = 2048
    own_extra = OWN

    def __init__(
        self,
        key: str,
        secret: str | None = None,
        *args: Any,
        ex_account_id: str | None = None,
        **options: Any,
    ) -> None:
        has_address = isinstance(key, str) and "@" in key
        if has_address != (secret is not None):
            raise InvalidCredsError(
                f"{self.name} needs an API token alone, or an e-mail address and the global API key", self
            )
        self._email = key if has_address else None
        self._account_id = ex_account_id
        super().__init__(key if secret is None else secret, None, *args, **options)
        self.key, self.secret = key, secret

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {**super()._ex_connection_class_kwargs(), "email": self._email}

    def stored_ttl(self, ttl: int) -> int:
        """Return 300 for 1, which means automatic."""
        return stored_ttl(ttl)

    # Zones

    def list_zones(self) -> list[Zone]:
        """Return all zones that the credentials may read."""
        return self._zones()

    def _zones(self, **params: str) -> list[Zone]:
        size = min(ZONES_A_PAGE, self.connection.per_page)
        return self.connection.list_all(ZONES, ZonePayload, self._to_zone, per_page=size, **params)

    def iterate_zones(self) -> Iterator[Zone]:
        """Yield the zones, a page at a time."""
        size = min(ZONES_A_PAGE, self.connection.per_page)
        return self.connection.iterate(ZONES, ZonePayload, self._to_zone, per_page=size)

    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone with this id."""
        with self._zone_errors(zone_id):
            path = f"{ZONES}/{quote_segment(zone_id)}"
            return self._to_zone(self.connection.result("GET", path, ZonePayload))

    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone, which is pending until the domain has its name servers (`extra["name_servers"]`).

        `extra["type"]` is the provider's type, by default "full", or "secondary" for a slave. It sends two
        requests: whether the zone exists is asked first.
        """
        name = normalize_domain(domain)
        body = {"name": name, "type": TYPES.get(type), **self._zone_fields(type, ttl, extra, ("type",))}
        params = {}
        if self._account_id is not None:
            body["account"] = {"id": self._account_id}
            params = {"account.id": self._account_id}
        with self._zone_errors(name):
            return self._create_zone_once(
                name,
                lambda: self._to_zone(self.connection.result("POST", ZONES, ZonePayload, body)),
                lambda: self._zones(name=name, **params),
            )

    def update_zone(
        self,
        zone: Zone,
        domain: str | None = None,
        type: str | None = None,
        ttl: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Zone:
        """Change the type of a zone, or `paused`, `type` and `vanity_name_servers` of `extra`.

        It sends a request for each: the provider changes one property at a time.
        """
        path = _zone_path(zone)
        fields = self._zone_fields(type or zone.type, ttl, extra, EDITABLE)
        if domain is not None and normalize_domain(domain) != zone.domain:
            raise UnsupportedOperationError(f"{self.name} cannot change the domain of a zone", self)
        if type not in {None, zone.type}:
            fields.setdefault("type", TYPES[str(type)])
        with self._zone_errors(zone.id):
            made = [
                self.connection.result("PATCH", path, ZonePayload, {field: value})
                for field, value in fields.items()
            ]
            return self._to_zone(made[-1]) if made else self.get_zone(zone.id)

    def _zone_fields(
        self, type_: str, ttl: int | None, extra: dict[str, Any] | None, known: Sequence[str]
    ) -> dict[str, Any]:
        """Check the arguments of a zone; return the fields of `extra`."""
        self._check_zone(type_, ttl, extra)
        if ttl is not None:
            message = f"ttl must be None, got {ttl!r}: zones of {self.name} have none"
            raise UnsupportedOperationError(message, self)
        fields = check_extra(extra)
        if unknown := fields.keys() - set(known):
            raise InvalidArgumentError(f"extra can have {', '.join(known)}, got {', '.join(sorted(unknown))}")
        return fields

    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records."""
        path = _zone_path(zone)
        with self._zone_errors(zone.id):
            return self.connection.delete(path)

    # Records

    def list_records(self, zone: Zone) -> list[Record]:
        """Return all records of a zone."""
        return self._select(zone)

    def _select(self, zone: Zone, name: str | None = None) -> list[Record]:
        """Return the records of a name, or all."""
        path, params = _records_path(zone), {} if name is None else {"name.exact": _in_full(name, zone)}
        with self._zone_errors(zone.id):
            return self.connection.list_all(path, RecordPayload, self._builder(zone), **params)

    def iterate_records(self, zone: Zone) -> Iterator[Record]:
        """Yield the records of a zone, a page at a time."""
        path = _records_path(zone)
        with self._zone_errors(zone.id):
            yield from self.connection.iterate(path, RecordPayload, self._builder(zone))

    def get_record(self, zone_id: str, record_id: str) -> Record:
        """Return the record with this id."""
        zone = self.get_zone(zone_id)
        path = f"{_records_path(zone)}/{quote_segment(record_id)}"
        with self._record_errors(record_id):
            return self._to_record(zone, self.connection.result("GET", path, RecordPayload))

    def create_record(
        self, name: str | None, zone: Zone, type: RecordType, data: str, extra: dict[str, Any] | None = None
    ) -> Record:
        """Create a record. It sends two requests: those of its name are listed first.

        A CNAME may be at the zone itself, and beside other records than A, AAAA and CNAME.
        """
        wanted = self._check_record(zone, name, type, data, extra)
        path, body = _records_path(zone), self._body(zone, wanted)
        with self._zone_errors(zone.id):
            return self._create_record_once(
                zone,
                wanted,
                lambda: self._to_record(zone, self.connection.result("POST", path, RecordPayload, body)),
                lambda: self._rivals(zone, wanted),
            )

    def update_record(
        self,
        record: Record,
        name: str | None = None,
        type: RecordType | None = None,
        data: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Change the given fields of a record.

        It sends two requests, unless its name and value stay: the records of its name are listed first.
        """
        wanted, body = self._update(record, name, type, data, extra)
        require_room_for_update(record, wanted, lambda: self._rivals(record.zone, wanted))
        path, method = _record_path(record), "PATCH" if body else "GET"
        with self._record_errors(record.id):
            return self._to_record(
                record.zone, self.connection.result(method, path, RecordPayload, body or None)
            )

    def delete_record(self, record: Record) -> bool:
        """Delete a record."""
        path = _record_path(record)
        with self._record_errors(record.id):
            return self.connection.delete(path)

    def _rivals(self, zone: Zone, wanted: Content) -> list[Record]:
        """Return the records of a name that the provider does not let stand beside what is wanted."""
        is_alone = wanted.type in PROXIED
        return [
            one
            for one in self._select(zone, wanted.name)
            if one.type == wanted.type or (is_alone and one.type in PROXIED)
        ]

    # Many changes

    def change_records(self, zone: Zone, changes: Sequence[RecordChange]) -> None:
        """Make many changes of a zone's records, up to 200 in a request, which makes all of them or none.

        Where the provider refuses a batch, its changes are made one by one, and those that fail are named.
        """
        check_kind(zone, Zone, "zone")
        outcomes = Outcomes(self)
        batch: list[RecordChange] = []
        for group in by_name(changes).values():
            if batch and len(batch) + len(group) > CHANGES_AT_ONCE:
                self._change_batch(zone, batch, outcomes)
                batch = []
            batch += group
        self._change_batch(zone, batch, outcomes)
        outcomes.check()

    def _change_batch(self, zone: Zone, batch: list[RecordChange], outcomes: Outcomes) -> None:
        if outcomes.is_over:
            outcomes.left += batch
        elif batch:
            try:
                self._send_batch(zone, batch)
            except PolycloudError as error:
                if is_refusal(error):
                    outcomes.run_by_name(batch, partial(self._change_record, zone))
                else:
                    outcomes.fail(batch, error)
            else:
                outcomes.done += batch

    def _send_batch(self, zone: Zone, batch: list[RecordChange]) -> None:
        """Make changes in one request; after a lost response, wait until all of them are there."""
        body: dict[str, list[dict[str, Any]]] = {"deletes": [], "patches": [], "posts": []}
        for before, after in batch:
            if after is None and before is not None:
                body["deletes"].append({"id": before.id})
            elif before is None and after is not None:
                body["posts"].append(self._body(zone, after))
            elif before is not None and after is not None:
                fields = self._update(before, *_arguments(before, after))[1]
                body["patches"].append({"id": before.id, **fields})

        def send() -> Zone:
            self.connection.request(f"{_records_path(zone)}/batch", method="POST", json=body)
            return zone

        def equal() -> list[Zone]:
            there = self._select(zone)
            return [zone] if all(self._is_made(change, there) for change in batch) else []

        what = f"the batch of {len(batch)} changes of {zone.domain}"
        self._create_once(UniqueCreation(what, send, equal))

    def _is_made(self, change: RecordChange, there: list[Record]) -> bool:
        before, after = change
        if before is not None:
            there = [one for one in there if one.id == before.id]
        return not there if after is None else any(after.equals(one) for one in there)

    # Conversions

    def _to_zone(self, payload: ZonePayload) -> Zone:
        extra = {name: getattr(payload, name) for name in ZonePayload.__struct_fields__[2:]}
        type_ = "slave" if payload.type == TYPES["slave"] else "master"
        return Zone(payload.id, payload.name, type_, None, self, extra)

    def _builder(self, zone: Zone) -> Callable[[RecordPayload], Record]:
        return lambda payload: self._to_record(zone, payload)

    def _to_record(self, zone: Zone, payload: RecordPayload) -> Record:
        name = self._received_name(f"{payload.name}.", zone)
        value, extra = payload.value(), payload.extra()
        extra |= value.fields
        return Record(
            payload.id, name, record_type(payload.type), value.data, zone, self, extra.get("ttl"), extra
        )

    def _body(self, zone: Zone, content: Content) -> dict[str, Any]:
        """Return the body of a request that creates a record."""
        own = own_fields(content.type, content.extra)
        return {
            "type": self._provider_type(content.type),
            "name": _in_full(content.name, zone),
            "ttl": AUTOMATIC,
            **value_fields(content),
            **{name: value for name, value in own.items() if value not in ("", [], {})},
        }

    def _update(
        self,
        record: Record,
        name: str | None,
        type_: RecordType | None,
        data: str | None,
        extra: dict[str, Any] | None,
    ) -> tuple[Content, dict[str, Any]]:
        """Return what a record will be, and the body of a request with what is given."""
        wanted = self._check_update(record, name, type_, data, extra)
        given = check_extra(extra)
        body = value_fields(wanted) if wanted.rdata else {}
        if type_ is None and data is None:
            body.pop("content", None)
        if type_ is None and "priority" not in given:
            body.pop("priority", None)
        if wanted.type != record.type:
            body["type"] = self._provider_type(wanted.type)
        if name is not None:
            body["name"] = _in_full(wanted.name, record.zone)
        return wanted, {**body, **own_fields(wanted.type, given)}


def _arguments(before: Record, after: Content) -> tuple[Any, ...]:
    """Return the arguments of an update that makes `after` of a record."""
    if not after.equals(before):
        return after.name, RecordType(after.type), after.data, after.extra
    return None, None, None, {name: value for name, value in after.extra.items() if name in {"ttl", *OWN}}


def _in_full(name: str, zone: Zone) -> str:
    return full_name(name, zone).removesuffix(".")


def _zone_path(zone: Zone) -> str:
    return f"{ZONES}/{quote_segment(check_kind(zone, Zone, 'zone').id)}"


def _records_path(zone: Zone) -> str:
    return f"{_zone_path(zone)}/dns_records"


def _record_path(record: Record) -> str:
    return f"{_records_path(check_kind(record, Record, 'record').zone)}/{quote_segment(record.id)}"
