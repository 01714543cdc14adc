"""`WantedZone`: the records that a zone shall have, from a file, from another zone, or in code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from polycloud.common.arguments import drop_none
from polycloud.dns.content import (
    FIELDS,
    Content,
    check_data,
    check_extra,
    check_kind,
    relative_to,
    require_ttl,
)
from polycloud.dns.names import normalize_domain
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError

__all__ = ["WantedRecord", "WantedZone", "wanted_records"]


DISABLED = "disabled"
"""The key of `extra` of a record that is kept and not served."""


class WantedRecord(NamedTuple):
    """A record that a zone shall have.

    `lenient` says that the validators of zones shall let it pass; `where` is the file and line that it comes
    from, "" for a record in code.
    """

    content: Content
    lenient: bool = False
    where: str = ""

    @property
    def is_disabled(self) -> bool:
        """Whether the provider has it, but does not serve it."""
        return self.content.extra.get(DISABLED) is True

    def __str__(self) -> str:
        text = f"{self.content.type} record {self.content.name or '@'!r}"
        return f"{self.where}: {text}" if self.where else text


class WantedZone:
    """All records that the zone of a domain shall have.

    ```python
    wanted = WantedZone("example.com", ttl=300)
    wanted.add("www", "A", "203.0.113.7")
    wanted.add("", "MX", "mail.example.com", {"priority": 10})
    ```

    `ttl` in seconds is that of records that have none of their own; where it is None too, a record keeps the
    one that it has, and a new one gets the provider's default.
    """

    def __init__(self, domain: str, ttl: int | None = None) -> None:
        self.domain = normalize_domain(domain)
        self.ttl = require_ttl(ttl)
        self.records: list[WantedRecord] = []

    @classmethod
    def of(cls, zone: Zone, records: Iterable[Record] | None = None) -> Self:
        """Return what another zone has, with what its provider has beyond DNS.

        `records` are its records, if they have been listed already. All are lenient: they exist. Data that
        DNS does not allow stays as it is, and is refused where it is written.
        """
        check_kind(zone, Zone, "zone")
        wanted, kept = cls(zone.domain, zone.ttl), {*FIELDS, *zone.driver.own_extra}
        for record in zone.list_records() if records is None else records:
            extra = drop_none({key: value for key, value in record.extra.items() if key in kept})
            try:
                content = wanted._content(record.name, record.type, record.data, extra)
            except InvalidArgumentError:
                content = Content(record.name, record.type, record.data, extra, record.data)
            wanted.records.append(WantedRecord(content, lenient=True))
        return wanted

    def add(
        self,
        name: str | None,
        type: RecordType | str,
        data: str,
        extra: dict[str, Any] | None = None,
        *,
        lenient: bool = False,
        where: str = "",
    ) -> Self:
        """Add a record; the arguments are those of `DNSDriver.create_record`.

        Raises `InvalidArgumentError` for what no zone can have, which names `where`.
        """
        try:
            content = self._content(name, type, data, extra)
        except InvalidArgumentError as error:
            if where:
                raise InvalidArgumentError(f"{where}: {error}") from error
            raise
        self.records.append(WantedRecord(content, lenient, where))
        return self

    def _content(
        self, name: str | None, type_: RecordType | str, data: str, extra: dict[str, Any] | None
    ) -> Content:
        members = RecordType.__members__
        if check_kind(type_, str, "type") not in members:
            hint = f"; did you mean {type_.upper()}?" if type_.upper() in members else ""
            raise InvalidArgumentError(f"type must be a RecordType, got {type_!r}{hint}")
        fields = check_extra(extra)
        if self.ttl is not None:
            fields.setdefault("ttl", self.ttl)
        return Content.of(relative_to(self, name), members[type_], check_data(data), fields)

    def __iter__(self) -> Iterator[WantedRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"<WantedZone: domain={self.domain}, records={len(self.records)}>"


def wanted_records(zone: Zone | WantedZone, records: Iterable[Record] | None = None) -> list[WantedRecord]:
    """Return the records of a zone that are to be written to a file.

    `records` are those of a `Zone`, which are read if they are not given. Raises `InvalidArgumentError` for
    one with data that DNS does not allow.
    """
    if isinstance(zone, WantedZone):
        return list(zone)
    return [WantedRecord(_content(one)) for one in (zone.list_records() if records is None else records)]


def _content(record: Record) -> Content:
    extra = record.extra if record.ttl is None else {**record.extra, "ttl": record.ttl}
    try:
        return Content.of(record.name or "", record.type, record.data, extra)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"the {record.type} record {record.name or '@'!r} of {record.zone.domain} cannot be in a zone "
            f"file: {error}"
        ) from error
