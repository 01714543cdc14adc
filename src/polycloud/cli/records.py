"""The records of a zone as commands name them: by name, type and value, or by id."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from polycloud.cli import finding, output
from polycloud.cli.nouns import APEX, RECORDS, ZONES
from polycloud.cli.recordvalues import is_value, written
from polycloud.cli.resources import Column, Noun
from polycloud.dns.content import relative_to
from polycloud.dns.names import check_name
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from polycloud.dns.content import Content
    from polycloud.dns.objects import Record, Zone

__all__ = ["OF_ZONE", "Selection", "described", "listed", "noun_of", "record_type", "relative"]

NEAREST = 3
MOST_SHOWN = 10
OF_ZONE = ("NS", "SOA")
"""Types of a zone's own records, without which it does not work."""


class Selection(NamedTuple):
    """Records as a user names them: by name or id, type and value; what is None selects all."""

    name: str | None = None
    type: str | None = None
    value: str | None = None

    def of(self, zone: Zone, records: Sequence[Record]) -> list[Record]:
        """Return those among the records of a zone, sorted by name and type."""
        if by_id := [one for one in records if one.id == self.name]:
            return by_id
        name = None if self.name is None else relative(zone, self.name)
        kind = None if self.type is None else record_type(self.type)
        found = [
            one
            for one in records
            if name in {None, one.name}
            and kind in {None, one.type}
            and (self.value is None or is_value(one, self.value))
        ]
        return sorted(found, key=_order)

    def changeable(self, zone: Zone) -> list[Record]:
        """Like `required`, without SOA and NS of the zone itself unless their type or id is given."""
        found = self.required(zone)
        if self.type is not None or self.name == found[0].id:
            return found
        if others := [one for one in found if one.name or one.type not in OF_ZONE]:
            return others
        raise InvalidArgumentError(f"{zone.domain} has only SOA and NS itself; give the type to change them")

    def required(self, zone: Zone) -> list[Record]:
        """Return those of a zone. Raises `NotFoundError` with what there is if there are none."""
        records = listed(zone)
        if found := self.of(zone, records):
            return found
        message = f"{zone.domain} has no {self}; {self._hint(zone, records)}"
        raise NotFoundError(HTTPStatus.NOT_FOUND, message)

    def only(self, zone: Zone) -> Record:
        """Return the only one of a zone. Raises `InvalidArgumentError` if there are several."""
        found = self.required(zone)
        if len(found) == 1:
            return found[0]
        shown = [f"{described(one)} (id {one.id})" for one in found[:MOST_SHOWN]]
        more = f" and {len(found) - MOST_SHOWN} others" if len(found) > MOST_SHOWN else ""
        raise InvalidArgumentError(
            f"{zone.domain} has more than one {self}; give the type and value of one, or its id: "
            f"{', '.join(shown)}{more}"
        )

    def __str__(self) -> str:
        name = None if self.name is None else repr(self.name)
        value = None if self.value is None else f"with the value {self.value!r}"
        return " ".join(filter(None, (self.type and self.type.upper(), "record", name, value)))

    def _hint(self, zone: Zone, records: Sequence[Record]) -> str:
        """Return what there is instead: other records of the name, or the nearest names."""
        name = "" if self.name is None else relative(zone, self.name)
        if same := [described(one) for one in records if self.name and one.name == name]:
            return f"there are {', '.join(same[:MOST_SHOWN])}"
        names = {one.name for one in records if one.name}
        if near := difflib.get_close_matches(name, names, NEAREST):
            return f"the nearest are {', '.join(near)}"
        look = f", see `{shlex.join([*RECORDS.list_command.split(), zone.domain])}`" if records else ""
        return f"it has {RECORDS.count(records)}{look}"


@dataclass(frozen=True, slots=True)
class Records(Noun):
    """The noun of the records of a zone that are selected."""

    zone: str = ""
    selection: Selection | None = None

    def fetch(self, driver: Any, *_: Any) -> list[Record]:
        """Return these records."""
        zone = finding.find(driver, ZONES, self.zone)
        return (self.selection or Selection()).of(zone, listed(zone))


def noun_of(zone: str, selection: Selection, own: Sequence[str] = ()) -> Records:
    """Return the noun of selected records; `own` are columns for what providers have beyond DNS."""
    common = {one.name: getattr(RECORDS, one.name) for one in fields(RECORDS)}
    common["columns"] = (*RECORDS.columns, *(Column.of_extra(name, rare=True) for name in own))
    return Records(**common, zone=zone, selection=selection)


def listed(zone: Zone) -> list[Record]:
    """Return the records of a zone."""
    with output.asking(f"{zone.driver.name} for the records of {zone.domain}"):
        return zone.list_records()


def described(one: Record | Content) -> str:
    """Return a record in messages: "www A 203.0.113.7"."""
    return f"{one.name or APEX} {one.type} {written(one)}"


def relative(zone: Zone, text: str) -> str:
    """Return a name relative to the zone. One that ends with the zone's domain is absolute.

    Raises `InvalidArgumentError` for an invalid name, and for one outside the zone.
    """
    name = check_name(text)
    is_absolute = name == zone.domain or name.endswith(f".{zone.domain}")
    return relative_to(zone, f"{name}." if is_absolute else name)


def record_type(text: str) -> RecordType:
    """Return the type of that name, in any case. Raises `InvalidArgumentError` with the nearest ones."""
    known = RecordType.__members__
    if text.upper() in known:
        return known[text.upper()]
    near = difflib.get_close_matches(text.upper(), known, NEAREST)
    hint = f"the nearest are {', '.join(near)}" if near else "such as A, CNAME or MX"
    raise InvalidArgumentError(f"TYPE must be a type of records, {hint}; got {text!r}")


def _order(record: Record) -> tuple[Any, ...]:
    """Sort by name, the zone itself first and a name below another after it; then by type and value."""
    labels = record.name.split(".")[::-1] if record.name else []
    return labels, record.type != "SOA", record.type != "NS", record.type, written(record)
