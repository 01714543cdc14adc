"""`RecordsDriver`, the base of drivers whose provider keeps each value as a record with an id of its own.

A driver gives four methods: `_select` lists records, `_body` makes the body of a request, `_post_record` and
`_put_record` send it. This base checks arguments, looks up what a name has already, since such providers keep
duplicates, and creates exactly once. `get_record` and `delete_record` are the driver's.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from polycloud.common.arguments import drop_none
from polycloud.dns.base import DNSDriver
from polycloud.dns.content import Content, check_kind, require_room_for_update
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordType

__all__ = ["RecordsDriver"]


class RecordsDriver(DNSDriver):
    """A driver whose provider keeps each value as a record of its own."""

    fields_of: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The fields of requests that say `name`, `data` or a key of `extra`, where they have other names."""

    # What a driver gives

    @abstractmethod
    def _select(self, zone: Zone, name: str | None = None) -> list[Record]:
        """Return the records of a zone, or at least those of the relative `name`."""

    @abstractmethod
    def _body(self, content: Content, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of a request with this content. Raises errors for what the provider cannot have.

        `given` is the part of `content.extra` that the caller gives.
        """

    @abstractmethod
    def _post_record(self, zone: Zone, body: dict[str, Any]) -> Record:
        """Send the create of a record, once."""

    @abstractmethod
    def _put_record(self, record: Record, body: dict[str, Any]) -> Record:
        """Send an update; `body` has the fields to change only, so that others stay as they are by now."""

    # What this makes of it

    def list_records(self, zone: Zone) -> list[Record]:
        """Return all records of a zone."""
        check_kind(zone, Zone, "zone")
        with self._zone_errors(zone.id):
            return self._select(zone)

    def create_record(
        self, name: str | None, zone: Zone, type: RecordType, data: str, extra: dict[str, Any] | None = None
    ) -> Record:
        """Create a record. It sends two requests: those of its name are listed first."""
        wanted = self._check_record(zone, name, type, data, extra)
        body = self._body(wanted, wanted.extra)
        with self._zone_errors(zone.id):
            return self._create_record_once(
                zone,
                wanted,
                partial(self._post_record, zone, body),
                partial(self._select, zone, wanted.name),
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

        It sends two requests, unless the name and the value stay: the records of the name are listed first.
        """
        wanted = self._check_update(record, name, type, data, extra)
        kind = None if wanted.type == record.type else type
        given = drop_none({"name": name, "type": kind, "data": data, **(extra or {})})
        sent = {field for one in given for field in self.fields_of.get(one, (one,))}
        body = {field: value for field, value in self._body(wanted, given).items() if field in sent}
        with self._zone_errors(record.zone.id):
            require_room_for_update(record, wanted, partial(self._select, record.zone, wanted.name))
        with self._record_errors(record.id):
            return self._put_record(record, body)
