"""`DNSDriver`, the base of all DNS drivers, and the objects of DNS at Libcloud's path.

A driver author writes, in this order: `list_zones` and `list_records` with their conversions, then
`create_zone`, `delete_zone`, `create_record`, `update_record` and `delete_record`. `iterate_*`, `get_*` and
the export follow from these. `RECORD_TYPE_MAP` names the types that the provider has, and the provider's
words for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from polycloud.common.base import BaseDriver
from polycloud.common.creation import UniqueCreation
from polycloud.common.operations import OperationsDriver, optional, template
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import (
    Provider,
    RecordDoesNotExistError,
    RecordType,
    ZoneAlreadyExistsError,
    ZoneDoesNotExistError,
    ZoneError,
)
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    UnsupportedOperationError,
)

__all__ = ["BaseDriver", "DNSDriver", "Provider", "Record", "RecordType", "Zone"]

T = TypeVar("T", Zone, Record)
APEX = frozenset({"", "@"})
LONGEST_TTL = 2**31 - 1


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

    settle_time: ClassVar[float] = 30.0
    """Seconds after which the provider certainly lists a zone or record whose create it has accepted."""

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

    @optional
    def create_zone(
        self, domain: str, type: str = "master", ttl: int | None = None, extra: dict[str, Any] | None = None
    ) -> Zone:
        """Create a zone for `domain` (with or without a trailing dot), with `ttl` as its records' default.

        It happens exactly once: if the provider's response is lost, the driver searches for the zone. Raises
        `ZoneAlreadyExistsError` if there is one of this domain.
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

        It happens exactly once: if the provider's response is lost, the driver searches for a record with
        this content.

        Args:
            name: The name relative to the zone; "", "@" or None for the zone itself.
            zone: The zone.
            type: The type of the record.
            data: The value as text: an address, a host name, the unquoted text of TXT.
            extra: `ttl` in seconds, `priority` of MX and SRV, and what else the provider has.

        Raises:
            UnsupportedOperationError: The provider lacks this type; nothing was sent.
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
        """Change a record, where an argument is given; return it as it is now."""

    @optional
    def delete_record(self, record: Record) -> bool:
        """Delete a record; other values of its name stay."""

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
        text = self.export_zone_to_bind_format(zone)
        try:
            Path(file_path).expanduser().write_text(text, encoding="utf-8")
        except (OSError, TypeError, ValueError) as error:
            raise InvalidArgumentError(f"the zone file {file_path} cannot be written: {error}") from error

    # For drivers

    def _provider_type(self, type_: RecordType | str) -> str:
        """Return the provider's word for a type. Raises `UnsupportedOperationError` for one that it lacks."""
        try:
            return self.RECORD_TYPE_MAP[RecordType(type_)]
        except (ValueError, KeyError):
            known = ", ".join(self.RECORD_TYPE_MAP)
            message = f"{self.name} has no records of type {type_!s}, only {known}"
            raise UnsupportedOperationError(message, self) from None

    @contextmanager
    def _zone_errors(self, zone_id: str) -> Iterator[None]:
        """Raise "not found" and "exists already" as the errors of zones."""
        kinds: dict[type[Exception], type[ZoneError]] = {
            NotFoundError: ZoneDoesNotExistError,
            ConflictError: ZoneAlreadyExistsError,
        }
        try:
            yield
        except (NotFoundError, ConflictError) as error:
            ours = kinds[NotFoundError if isinstance(error, NotFoundError) else ConflictError](
                error.message, self, zone_id
            )
            ours.exchange = error.exchange
            raise ours from error

    @contextmanager
    def _record_errors(self, record_id: str) -> Iterator[None]:
        """Raise "not found" as `RecordDoesNotExistError`."""
        try:
            yield
        except NotFoundError as error:
            ours = RecordDoesNotExistError(error.message, self, record_id)
            ours.exchange = error.exchange
            raise ours from error

    def _create_once(self, what: str, send: Callable[[], T], find: Callable[[], T | None]) -> T:
        """Run a create that happens exactly once: zones and records are identified by their content."""
        try:
            return UniqueCreation(what, send, find).run(
                settle_time=self.settle_time, timeout=self.settle_time
            )
        except AmbiguousCreateError as error:
            error.driver = self
            raise


def relative_name(name: str | None, zone: Zone) -> str:
    """Return a name as it is relative to the zone, "" for the zone itself; a name may also be absolute.

    Raises `InvalidArgumentError` for an absolute name outside the zone.
    """
    text = (name or "").lower()
    if text in APEX:
        return ""
    if not text.endswith("."):
        return text
    inner = text.rstrip(".")
    if inner == zone.domain:
        return ""
    if inner.endswith(f".{zone.domain}"):
        return inner.removesuffix(f".{zone.domain}")
    raise InvalidArgumentError(f"{name} is outside the zone {zone.domain}")


def require_ttl(ttl: object) -> int | None:
    """Return a TTL in seconds, or None. Raises `InvalidArgumentError` for anything but 0 to 2147483647."""
    if ttl is None or (isinstance(ttl, int) and not isinstance(ttl, bool) and 0 <= ttl <= LONGEST_TTL):
        return ttl
    raise InvalidArgumentError(f"ttl must be 0 to {LONGEST_TTL} seconds, got {ttl!r}")
