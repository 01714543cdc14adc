"""`DNSDriver`, the base of all DNS drivers, and the objects of DNS at Libcloud's path.

A driver author writes, in this order: `list_zones` and `list_records` with their conversions, then
`create_zone`, `delete_zone`, `create_record`, `update_record` and `delete_record`. `iterate_*`, `get_*` and
the export follow from these. `RECORD_TYPE_MAP` names the types that the provider has, and the provider's
words for them. Where the provider keeps all values of a name and type as one set, start from
`polycloud.dns.recordsets` instead, which has all methods of records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from polycloud.common.creation import UniqueCreation
from polycloud.common.driver import BaseDriver
from polycloud.common.operations import OperationsDriver, optional, template
from polycloud.dns.changes import Outcomes, RecordChange
from polycloud.dns.content import (
    Content,
    check_data,
    check_extra,
    check_kind,
    record_type,
    relative_to,
    require_room,
    require_ttl,
)
from polycloud.dns.names import ascii_name, normalize_domain, relative_name
from polycloud.dns.objects import Record, Zone
from polycloud.dns.rdata import TEXTS, VALUE_FIELDS
from polycloud.dns.types import (
    Provider,
    RecordConflictError,
    RecordDoesNotExistError,
    RecordError,
    RecordType,
    ZoneAlreadyExistsError,
    ZoneDoesNotExistError,
    ZoneError,
)
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    InvalidArgumentError,
    MalformedResponseError,
    NotFoundError,
    UnsupportedOperationError,
    translated,
)
from polycloud.utils.values import shown

__all__ = ["BaseDriver", "DNSDriver", "Provider", "Record", "RecordType", "Zone"]

T = TypeVar("T", Zone, Record)
ZONE_TYPES = ("master", "slave")


class DNSDriver(OperationsDriver):
    """The zones of a provider and their records.

    Lists are complete. Names are relative to the zone and "" is the zone itself ("@" and None are accepted);
    each `Record` is one value. Actions return True or raise. Every method raises `InvalidCredsError` for
    wrong credentials, other `ProviderError`s with the provider's message, and `TransportError` if the
    connection breaks.
    """

    service = "dns"

    RECORD_TYPE_MAP: ClassVar[Mapping[RecordType, str]] = {}
    """The record types of the provider, and what it calls them."""

    longest_text: ClassVar[int] = 65279
    """The most bytes in the data of TXT: in DNS 65,535 with the lengths of its pieces."""

    has_empty_texts: ClassVar[bool] = True
    """Whether the data of TXT can be empty."""

    changes_types: ClassVar[bool] = True
    """Whether the type of a record can be changed."""

    lost_characters: ClassVar[str] = ""
    """Characters that the provider does not keep in TXT; data with them is refused."""

    lone_aliases: ClassVar[bool] = True
    """Whether a CNAME must be alone, and not at the zone itself; False where the provider flattens it."""

    keeps_bytes: ClassVar[bool] = False
    """Whether data may have bytes that are not UTF-8, which a str has as surrogates (PEP 383)."""

    settle_time: ClassVar[float] = 30.0
    """Seconds after which the provider certainly lists a zone or record whose create it has accepted."""

    own_extra: ClassVar[AbstractSet[str]] = frozenset()
    """Keys of the `extra` of records beyond DNS that `create_record` and `update_record` take."""

    def stored_ttl(self, ttl: int) -> int:
        """Return the TTL in seconds that the provider keeps of one that is given, if it rounds them."""
        return ttl

    def has_own_ttl(self, extra: Mapping[str, Any]) -> bool:
        """Return whether a record with this `extra` has the TTL that it is given, not one of the provider."""
        return True

    def has_extra(self, record: Record, extra: Mapping[str, Any]) -> bool:
        """Return whether a record has the TTL and the fields beyond DNS that are given in `extra`.

        A record without a TTL has that of its zone.
        """
        ttl, served = extra.get("ttl"), record.zone.ttl if record.ttl is None else record.ttl
        if ttl is not None and served != ttl and self.has_own_ttl({**record.extra, **extra}):
            try:
                if served != self.stored_ttl(ttl):
                    return False
            except InvalidArgumentError:  # it cannot have it
                return False
        return all(key not in extra or extra[key] == record.extra.get(key) for key in self.own_extra)

    def list_record_types(self) -> list[RecordType]:
        """Return the record types that the provider has."""
        return list(self.RECORD_TYPE_MAP)

    # Zones

    @optional
    def list_zones(self) -> list[Zone]:
        """Return all zones of the account."""

    @template("list_zones")
    def iterate_zones(self) -> Iterator[Zone]:
        """Yield the zones as they arrive, a page at a time if the provider has pages."""
        yield from self.list_zones()

    @template("list_zones")
    def get_zone(self, zone_id: str) -> Zone:
        """Return the zone with this id. Raises `ZoneDoesNotExistError` if there is none."""
        found = next((zone for zone in self.iterate_zones() if zone.id == str(zone_id)), None)
        if found is None:
            raise ZoneDoesNotExistError(driver=self, zone_id=zone_id)
        return found

    @template("list_zones")
    def find_zones(self, domain: str) -> list[Zone]:
        """Return the zones of this domain: none, one, or several where the provider allows that."""
        name = normalize_domain(domain)
        return [zone for zone in self.iterate_zones() if normalize_domain(zone.domain) == name]

    @optional
    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone for `domain` (with or without a trailing dot), with `ttl` as its records' default.

        It happens exactly once: if the provider's response is lost, the driver searches for the zone, and
        raises `AmbiguousCreateError` if it finds none. Raises `ZoneAlreadyExistsError` if there is a zone of
        this domain.
        """

    @optional
    def update_zone(
        self,
        zone: Zone,
        domain: str | None = None,
        type: str | None = None,
        ttl: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Zone:
        """Change a zone, where an argument is given; return it as it is now."""

    @optional
    def delete_zone(self, zone: Zone) -> bool:
        """Delete a zone and all its records."""

    # Records

    @optional
    def list_records(self, zone: Zone) -> list[Record]:
        """Return all records of a zone. Raises `ZoneDoesNotExistError`."""

    @template("list_records")
    def iterate_records(self, zone: Zone) -> Iterator[Record]:
        """Yield the records of a zone as they arrive."""
        yield from self.list_records(zone)

    @template("list_zones", "list_records")
    def get_record(self, zone_id: str, record_id: str) -> Record:
        """Return the record with this id.

        Raises `ZoneDoesNotExistError` or `RecordDoesNotExistError` if there is none.
        """
        records = self.iterate_records(self.get_zone(zone_id))
        found = next((record for record in records if record.id == str(record_id)), None)
        if found is None:
            raise RecordDoesNotExistError(driver=self, record_id=record_id)
        return found

    @optional
    def create_record(
        self,
        name: str | None,
        zone: Zone,
        type: RecordType,
        data: str,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Create a record beside those that its name has already.

        It happens exactly once: if the provider's response is lost, the driver searches for the record, and
        raises `AmbiguousCreateError` if it does not find it. What the name has already is read before, which
        is a second request.

        Args:
            name: The name relative to the zone; "", "@" or None for the zone itself.
            zone: The zone.
            type: The type of the record.
            data: The value as text: an address, a host name in full, the unquoted text of TXT; of other types
                as zone files write it.
            extra: `ttl` in seconds; `priority` of MX, HTTPS and SVCB; `priority`, `weight` and `port` of SRV;
                `priority` and `weight` of URI; `flags` and `tag` of CAA; and what else the provider has.

        Raises:
            InvalidArgumentError: An argument is invalid; nothing was sent.
            RecordAlreadyExistsError: The name has this value.
            RecordConflictError: The record cannot be beside those of its name: a CNAME must be alone.
            UnsupportedOperationError: The provider does not have this type; nothing was sent.
        """

    @optional
    def update_record(
        self,
        record: Record,
        name: str | None = None,
        type: RecordType | None = None,
        data: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Record:
        """Change a record, where an argument is given; return it as it is now.

        If the provider can, what is not given keeps the value that it has there, also if it changed since
        `record` was read.
        """

    @optional
    def delete_record(self, record: Record) -> bool:
        """Delete a record; other values of its name stay."""

    @template("create_record", "update_record", "delete_record")
    def change_records(
        self,
        zone: Zone,
        changes: Sequence[RecordChange],
        progress: Callable[[RecordChange], object] | None = None,
    ) -> None:
        """Make many changes of a zone's records, in as few requests as the provider needs for them.

        Changes of one name are made in the given order. Names that only get records come first, then those
        whose records change, then those that only lose records, which are not tried once something has
        failed. A record that is gone already counts as deleted. Where the provider cannot change several
        records at once, those of several names are changed side by side.

        Args:
            zone: The zone.
            changes: What to change.
            progress: Called with each change that was made.

        Raises:
            RecordsNotChangedError: Some changes were not made; it names each. The others were made.
        """
        check_kind(zone, Zone, "zone")
        outcomes = Outcomes(self, progress)
        outcomes.run_by_name(changes, partial(self._change_record, zone))
        outcomes.check()

    def _change_record(self, zone: Zone, change: RecordChange) -> None:
        """Make one change."""
        before, after = change
        if after is None and before is not None:
            with suppress(RecordDoesNotExistError):
                self.delete_record(before)
        elif after is not None and (before is None or not self._updated(before, after)):
            self.create_record(after.name, zone, RecordType(after.type), after.data, after.extra)

    def _updated(self, before: Record, after: Content) -> bool:
        """Update a record, or delete it and return False if the provider cannot change its type."""
        kind = RecordType(after.type)
        if after.equals(before):
            own = VALUE_FIELDS.get(kind, ())
            self.update_record(before, extra={key: after.extra[key] for key in after.extra if key not in own})
            return True
        try:
            self.update_record(before, after.name, kind, after.data, after.extra)
        except UnsupportedOperationError:
            if kind == before.type:
                raise
            self.delete_record(before)
            return False
        return True

    # Export

    @template("list_records")
    def export_zone_to_bind_format(self, zone: Zone) -> str:
        """Return the zone as the text of a BIND zone file."""
        from polycloud.dns.zonefile import to_bind

        return to_bind(zone, self.list_records(zone))

    @template("list_records")
    def export_zone_to_bind_zone_file(self, zone: Zone, file_path: str) -> None:
        """Write the zone as a BIND zone file.

        Raises `InvalidArgumentError` if the file cannot be written.
        """
        if not file_path:
            raise InvalidArgumentError("file_path must not be empty")
        text = self.export_zone_to_bind_format(zone)
        try:
            Path(file_path).expanduser().write_text(text, encoding="utf-8")
        except (OSError, TypeError, ValueError) as error:
            raise InvalidArgumentError(f"the zone file {file_path} cannot be written: {error}") from error

    # For drivers

    def _provider_type(self, type_: RecordType | str) -> str:
        """Return the provider's word for a type. Raises `UnsupportedOperationError` if it has none."""
        check_kind(type_, str, "type")
        known = record_type(type_)
        if isinstance(known, RecordType) and known in self.RECORD_TYPE_MAP:
            return self.RECORD_TYPE_MAP[known]
        message = f"{self.name} has no records of type {type_!s}, only {', '.join(self.RECORD_TYPE_MAP)}"
        hint = f"; did you mean {type_.upper()}?" if type_.upper() in self.RECORD_TYPE_MAP else ""
        raise UnsupportedOperationError(message + hint, self)

    def _check_zone(self, type_: object, ttl: object, extra: object) -> None:
        """Check the arguments that a zone shall have."""
        if type_ not in ZONE_TYPES:
            raise InvalidArgumentError(f"type must be 'master' or 'slave', got {type_!r}")
        require_ttl(ttl)
        check_extra(extra)

    def _check_record(
        self, zone: Zone, name: str | None, type_: RecordType | str, data: str, extra: dict[str, Any] | None
    ) -> Content:
        """Check the arguments of `create_record`; return the content of the record."""
        check_kind(zone, Zone, "zone")
        self._provider_type(type_)
        fields = self._check_extra(extra)
        self._check_ttl(fields)
        return self._content(relative_to(zone, name), RecordType(type_), data, fields)

    def _check_extra(self, extra: object) -> dict[str, Any]:
        """Check the argument `extra` of a record; return a copy without None.

        A driver that has more fields than those of DNS checks them here.
        """
        return check_extra(extra)

    def _check_ttl(self, extra: Mapping[str, Any]) -> None:
        """Refuse a TTL that the provider cannot have: here, so that plans know it before anything is sent."""
        if "ttl" in extra:
            self.stored_ttl(extra["ttl"])

    def _content(self, name: str, type_: RecordType | str, data: str, extra: dict[str, Any]) -> Content:
        """Return the content of a record."""
        content = Content.of(name, type_, check_data(data, keeps_bytes=self.keeps_bytes), extra)
        if type_ in TEXTS and len(data.encode(errors="surrogateescape")) > self.longest_text:
            raise InvalidArgumentError(
                f"data of type {type_} must have at most {self.longest_text} bytes, got {shown(data)}"
            )
        if type_ in TEXTS and not data and not self.has_empty_texts:
            raise InvalidArgumentError(f"data of type {type_} must not be empty at {self.name}")
        lost = sorted(set(data) & set(self.lost_characters))
        if type_ in TEXTS and lost:
            raise InvalidArgumentError(
                f"data of type {type_} must not have {' or '.join(lost)}, which {self.name} removes, "
                f"got {shown(data)}"
            )
        return content

    def _check_update(
        self,
        record: Record,
        name: str | None,
        type_: RecordType | str | None,
        data: str | None,
        extra: dict[str, Any] | None,
    ) -> Content:
        """Check the arguments of `update_record`; return the content that the record will have.

        Its `rdata` is "" if the value stays, which may be one that only the provider finds valid.
        """
        check_kind(record, Record, "record")
        if type_ is not None:
            self._provider_type(type_)
            if type_ != record.type and not self.changes_types:
                message = f"{self.name} cannot change the type of a record from {record.type} to {type_}"
                raise UnsupportedOperationError(message, self)
        changes = self._check_extra(extra)
        self._check_ttl(changes)
        own = VALUE_FIELDS.get(record.type, ())
        kept = record.extra
        if type_ is not None and type_ != record.type:
            kept = {field: value for field, value in kept.items() if field not in own}
        content = Content(
            record.name if name is None else relative_to(record.zone, name),
            record.type if type_ is None else RecordType(type_),
            record.data if data is None else check_data(data, keeps_bytes=self.keeps_bytes),
            {**kept, **changes},
            "",
        )
        if data is None and type_ is None and not changes.keys() & set(own):
            return content
        return self._content(content.name, content.type, content.data, content.extra)

    def _received_name(self, name: str | None, zone: Zone) -> str:
        """Return the relative name in a response.

        Raises `MalformedResponseError` for an absolute name outside the zone.
        """
        try:
            return relative_name(name, zone)
        except InvalidArgumentError as error:
            raise MalformedResponseError(f"the record {error}", driver=self) from error

    def _received_names(self, zone: Zone, names: list[str]) -> list[str]:
        """Return what `_received_name` returns, for the names of a list."""
        suffix = f".{ascii_name(zone.domain.removesuffix('.'))}."
        length, text = len(suffix), "".join(names)
        if text.islower() and text.isascii() and "\\" not in text:  # most lists, and they are long
            return [
                name[:-length] if name.endswith(suffix) else self._received_name(name, zone) for name in names
            ]
        return [self._received_name(name, zone) for name in names]

    @contextmanager
    def _zone_errors(self, zone_id: str) -> Iterator[None]:
        """Raise "not found" and "exists already" as the errors of zones."""
        try:
            yield
        except (ZoneError, RecordError):
            raise
        except NotFoundError as error:
            raise translated(error, ZoneDoesNotExistError(error.message, self, zone_id)) from error
        except ConflictError as error:
            raise translated(error, ZoneAlreadyExistsError(error.message, self, zone_id)) from error

    @contextmanager
    def _record_errors(self, record_id: str) -> Iterator[None]:
        """Raise "not found" as `RecordDoesNotExistError`, a conflict as `RecordConflictError`."""
        try:
            yield
        except (ZoneError, RecordError):
            raise
        except NotFoundError as error:
            raise translated(error, RecordDoesNotExistError(error.message, self, record_id)) from error
        except ConflictError as error:
            raise translated(error, RecordConflictError(error.message, self, record_id)) from error

    def _create_zone_once(
        self, domain: str, send: Callable[[], Zone], equal: Callable[[], Sequence[Zone]]
    ) -> Zone:
        """Run a create of a zone that happens exactly once; `equal` lists the zones of the domain.

        `equal` is called before the create, which costs a request: a zone that existed before must not be
        taken for the one that a create with a lost response made.
        """
        if equal():
            raise ZoneAlreadyExistsError(driver=self, zone_id=domain)
        return self._create_once(UniqueCreation(f"the zone {domain!r}", send, equal))

    def _create_record_once(
        self,
        zone: Zone,
        content: Content,
        send: Callable[[], Record],
        candidates: Callable[[], Sequence[Record]],
    ) -> Record:
        """Run a create of a record that happens exactly once.

        `candidates` lists the records of that name, if the provider can select them, or all. It is called
        before the create, which costs a request: an equal record is an error, and after a lost response it is
        the created one. Raises `RecordAlreadyExistsError` and `RecordConflictError`.
        """

        def equal() -> list[Record]:
            return [one for one in candidates() if content.equals(one)]

        require_room(content, candidates())
        try:
            return self._create_once(UniqueCreation(content.described(zone), send, equal))
        except (ZoneError, RecordError):
            raise
        except ConflictError as error:
            raise translated(error, RecordConflictError(error.message, self)) from error

    def _create_once(self, creation: UniqueCreation[T]) -> T:
        """Run a create whose resource the provider lists within `settle_time`."""
        try:
            return creation.run(settle_time=self.settle_time, timeout=self.settle_time)
        except AmbiguousCreateError as error:
            error.driver = self
            raise
