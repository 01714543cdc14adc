"""Cloudflare's DNS by its API, version 4: https://developers.cloudflare.com/api/resources/dns/."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from polycloud.common.building import quote_segment
from polycloud.common.creation import UniqueCreation, is_refusal
from polycloud.dns.changes import Outcomes, RecordChange, steps
from polycloud.dns.content import Content, check_extra, check_kind, record_type, require_room_for_update
from polycloud.dns.drivers.cloudflare.connection import CloudflareConnection
from polycloud.dns.drivers.cloudflare.records import (
    AUTOMATIC,
    OWN,
    PROXIED,
    SHAPES,
    RecordPayload,
    lost_fields,
    own_fields,
    require_ttl,
    served_ttl,
    value_fields,
)
from polycloud.dns.drivers.cloudflare.zones import CloudflareZones, zone_path
from polycloud.dns.names import full_name
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordType
from polycloud.errors import PolycloudError

__all__ = ["CloudflareConnection", "CloudflareDNSDriver"]

CHANGES_AT_ONCE = 200
"""The changes that a batch may have in every plan; paid ones allow 3,500."""


class CloudflareDNSDriver(CloudflareZones):
    """Cloudflare's zones: `CloudflareDNSDriver("token")`, or with the older pair `("e-mail", "global key")`.

    `ex_account_id` is the account of the zones that it creates. `ex_per_page` is the page size of lists of
    records, 5,000 at most.

    `extra` of a record also has `proxied`, `comment`, `tags` and `settings`. Zones have no TTL, and that of a
    record may be automatic: it is given as 1, and returned as 300, which is what the provider serves.
    """

    RECORD_TYPE_MAP: ClassVar = {
        RecordType(name): name
        for name in sorted({"A", "AAAA", "CNAME", "MX", "NS", "OPENPGPKEY", "PTR", "TXT", *SHAPES})
    }
    longest_text = 2048
    own_extra = OWN
    lone_aliases = False

    def stored_ttl(self, ttl: int) -> int:
        """Return 300 for 1, which means automatic. Raises `InvalidArgumentError` for other TTLs below 30."""
        require_ttl(ttl)
        return served_ttl(ttl)

    def has_own_ttl(self, extra: Mapping[str, Any]) -> bool:
        """Return False for a proxied record, whose TTL is always automatic."""
        return not extra.get("proxied")

    def _check_record(
        self, zone: Zone, name: str | None, type_: RecordType | str, data: str, extra: dict[str, Any] | None
    ) -> Content:
        content = super()._check_record(zone, name, type_, data, extra)
        own_fields(content.type, content.extra)
        return content

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

    def change_records(
        self,
        zone: Zone,
        changes: Sequence[RecordChange],
        progress: Callable[[RecordChange], object] | None = None,
    ) -> None:
        """Make many changes of a zone's records, up to 200 in a request, which makes all of them or none.

        If the provider refuses a request, its changes are made one by one.
        """
        check_kind(zone, Zone, "zone")
        outcomes = Outcomes(self, progress)
        batches: list[list[RecordChange]] = [[]]
        for group in (group for step in steps(changes) for group in step.values()):
            if len(batches[-1]) + len(group) > CHANGES_AT_ONCE:
                batches.append([])
            batches[-1] += group
        for batch in filter(None, batches):
            self._change_batch(zone, batch, outcomes)
        outcomes.check()

    def _change_batch(self, zone: Zone, batch: list[RecordChange], outcomes: Outcomes) -> None:
        if not outcomes.stops(*batch):
            try:
                self._send_batch(zone, batch)
            except PolycloudError as error:
                if not is_refusal(error):
                    outcomes.fail(batch, error)
                    return
            else:
                outcomes.succeed(batch)
                return
        outcomes.run_by_name(batch, partial(self._change_record, zone))

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
        if after is None:
            return not there
        return any(after.equals(one) and self.has_extra(one, after.extra) for one in there)

    # Conversions

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
            body |= {"type": self._provider_type(wanted.type), **lost_fields(record, wanted.type)}
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


def _records_path(zone: Zone) -> str:
    return f"{zone_path(zone)}/dns_records"


def _record_path(record: Record) -> str:
    return f"{_records_path(check_kind(record, Record, 'record').zone)}/{quote_segment(record.id)}"
