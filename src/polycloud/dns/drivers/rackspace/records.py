"""Records of Cloud DNS."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from polycloud.common.arguments import drop_none
from polycloud.common.building import quote_segment
from polycloud.common.creation import UniqueCreation
from polycloud.dns.changes import Outcomes, RecordChange, steps
from polycloud.dns.content import Content, check_kind, record_type
from polycloud.dns.drivers.rackspace.connection import AT_ONCE, RecordPayload
from polycloud.dns.drivers.rackspace.zones import CloudDNSZones, zone_path
from polycloud.dns.names import full_name
from polycloud.dns.objects import Record, Zone
from polycloud.dns.rdata import HOST_NAMES
from polycloud.dns.records import RecordsDriver
from polycloud.dns.types import RecordAlreadyExistsError, RecordType
from polycloud.errors import ConflictError, NotFoundError, translated

SERVICE = re.compile(r"(\d+) (\d+) (\S+)")
"""The data of SRV: weight, port and target."""


class CloudDNSRecords(CloudDNSZones, RecordsDriver):
    """The records."""

    # Records

    def _select(self, zone: Zone, name: str | None = None) -> list[Record]:
        return self.connection.pages(_records_path(zone), "records", partial(self._to_record, zone))

    def get_record(self, zone_id: str, record_id: str) -> Record:
        """Return the record with this id."""
        zone = self.get_zone(zone_id)
        with self._record_errors(record_id):
            return self._read_record(zone, record_id)

    def _read_record(self, zone: Zone, record_id: str) -> Record:
        response = self.connection.request(f"{_records_path(zone)}/{quote_segment(record_id)}")
        return self._to_record(zone, response.decode(RecordPayload))

    def _post_record(self, zone: Zone, body: dict[str, Any]) -> Record:
        job = self.connection.job("POST", _records_path(zone), json={"records": [_named(zone, body)]})
        return self._to_record(zone, job.made("records"))

    def _put_record(self, record: Record, body: dict[str, Any]) -> Record:
        if record.type == RecordType.TXT:  # it must have data
            body = {"data": record.data, **body}
        named = _named(record.zone, {"name": record.name, **body})
        self.connection.job("PUT", _record_path(record), json=named)
        return self._read_record(record.zone, record.id)

    def update_record(
        self,
        record: Record,
        name: str | None = None,
        type: RecordType | None = None,
        data: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Change the given fields of a record; for another name, create it anew and delete the old one."""
        wanted = self._check_update(record, name, type, data, extra)
        if wanted.name == record.name:
            return super().update_record(record, None, type, data, extra)
        made = self.create_record(
            wanted.name, record.zone, RecordType(wanted.type), wanted.data, wanted.extra
        )
        self.delete_record(record)
        return made

    def delete_record(self, record: Record) -> bool:
        """Delete a record."""
        path = _record_path(record)
        with self._record_errors(record.id):
            return self.connection.delete(path)

    # Many records

    def change_records(
        self,
        zone: Zone,
        changes: Sequence[RecordChange],
        progress: Callable[[RecordChange], object] | None = None,
    ) -> None:
        """Make many changes of a zone's records, up to 100 of one kind in a job."""
        check_kind(zone, Zone, "zone")
        outcomes = Outcomes(self, progress)
        for step in steps(changes):
            kinds: dict[str, list[RecordChange]] = {"DELETE": [], "": [], "PUT": [], "POST": []}
            for change in (one for group in step.values() for one in group):
                kinds[_kind(change)].append(change)
            outcomes.run_in_batches(kinds["DELETE"], AT_ONCE, partial(self._delete_all, zone))
            outcomes.run_by_name(kinds[""], partial(self._change_record, zone))
            outcomes.run_in_batches(kinds["PUT"], AT_ONCE, partial(self._put_all, zone))
            outcomes.run_in_batches(kinds["POST"], AT_ONCE, partial(self._post_all, zone))
        outcomes.check()

    def _delete_all(self, zone: Zone, batch: Sequence[RecordChange]) -> None:
        ids = [change.before.id for change in batch if change.before]
        with suppress(NotFoundError):  # none of them is there any more
            self.connection.job("DELETE", _records_path(zone), params={"id": ids})

    def _put_all(self, zone: Zone, batch: Sequence[RecordChange]) -> None:
        records = [
            {**_named(zone, self._body(after, after.extra)), "id": before.id}
            for before, after in batch
            if before and after
        ]
        with self._record_errors(records[0]["id"]):
            self.connection.job("PUT", _records_path(zone), json={"records": records})

    def _post_all(self, zone: Zone, batch: Sequence[RecordChange]) -> None:
        contents = [change.after for change in batch if change.after]
        bodies = [_named(zone, self._body(one, one.extra)) for one in contents]

        def send() -> Record:
            job = self.connection.job("POST", _records_path(zone), json={"records": bodies})
            return self._to_record(zone, job.made("records"))

        def equal() -> list[Record]:
            there = self._select(zone)
            found = [next((record for record in there if one.equals(record)), None) for one in contents]
            return [] if None in found else [record for record in found[:1] if record]

        with self._zone_errors(zone.id):
            try:
                self._create_once(UniqueCreation(f"{len(bodies)} records of {zone.domain}", send, equal))
            except ConflictError as error:
                raise translated(error, RecordAlreadyExistsError(error.message, self)) from error

    # Conversions

    def _to_record(self, zone: Zone, payload: RecordPayload) -> Record:
        type_, data = record_type(payload.type), payload.data or ""
        numbers: dict[str, Any] = {"priority": payload.priority}
        match = SERVICE.fullmatch(data) if type_ == RecordType.SRV else None
        if match:
            numbers |= {"weight": int(match[1]), "port": int(match[2])}
            data = match[3]
        if type_ in HOST_NAMES:
            data = data.removesuffix(".") or "."
        own = {"comment": payload.comment, "created": payload.created, "updated": payload.updated}
        extra = drop_none({"ttl": payload.ttl, **numbers, **own, "fqdn": payload.name})
        name = self._received_name(f"{payload.name}.", zone)
        return Record(payload.id, name, type_, data, zone, self, payload.ttl, extra)

    def _body(self, content: Content, given: Mapping[str, Any]) -> dict[str, Any]:
        name, type_, data, extra, _ = content
        if type_ in HOST_NAMES:
            data = data.removesuffix(".") or "."
        if type_ == RecordType.SRV:
            data = f"{extra.get('weight', 0)} {extra.get('port', 0)} {data}"
        if "ttl" in given:
            self.stored_ttl(given["ttl"])
        own = {field: given[field] for field in ("comment", "priority", "ttl") if field in given}
        return {"name": name, "type": self._provider_type(type_), "data": data, **own}


def _kind(change: RecordChange) -> str:
    """Return the method of the job that makes a change; "" for one that needs two."""
    before, after = change
    if after is None:
        return "DELETE"
    if before is None:
        return "POST"
    return "PUT" if (before.name, before.type) == (after.name, after.type) else ""


def _named(zone: Zone, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a record with its name in full."""
    return {**body, "name": full_name(body["name"], zone).removesuffix(".")}


def _records_path(zone: Zone) -> str:
    return f"{zone_path(zone)}/records"


def _record_path(record: Record) -> str:
    return f"{_records_path(check_kind(record, Record, 'record').zone)}/{quote_segment(record.id)}"
