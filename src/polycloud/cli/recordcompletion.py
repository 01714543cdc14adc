"""Completion of records: the names in a zone, the types of a name, and their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from polycloud.cli import completion
from polycloud.cli.nouns import APEX, DNS, ZONES

if TYPE_CHECKING:
    from polycloud.dns.objects import Record

__all__ = ["known_types", "names", "types", "values"]

Offers = list[tuple[str, str]]


def _selected(driver: Any, given: Mapping[str, Any]) -> list[Record]:
    """The records of the zone, the name and the type that have been typed so far."""
    from polycloud.cli import finding
    from polycloud.cli.records import Selection

    zone = finding.find(driver, ZONES, given["zone"])
    return Selection(given.get("name"), given.get("type")).of(zone, zone.list_records())


def _names(driver: Any, given: Mapping[str, Any]) -> Offers:
    found: dict[str, list[str]] = {}
    for record in _selected(driver, {"zone": given["zone"]}):
        types = found.setdefault(record.name or APEX, [])
        types += [] if record.type in types else [record.type]
    return [(name, ", ".join(types)) for name, types in found.items()]


def _types(driver: Any, given: Mapping[str, Any]) -> Offers:
    records = _selected(driver, {"zone": given["zone"], "name": given["name"]})
    return [(type_, "") for type_ in dict.fromkeys(str(record.type) for record in records)]


def _values(driver: Any, given: Mapping[str, Any]) -> Offers:
    from polycloud.cli.recordvalues import written

    return [(written(record), "") for record in _selected(driver, given)]


def _known_types(driver: Any, _: Mapping[str, Any]) -> Offers:
    return [(str(type_), "") for type_ in driver.list_record_types()]


names = completion.lookup(DNS, _names)
"""Offers the names in a zone, each described by its types."""
types = completion.lookup(DNS, _types)
"""Offers the types of a name."""
values = completion.lookup(DNS, _values)
"""Offers the values of a name and type."""
known_types = completion.lookup(DNS, _known_types)
"""Offers the types that the provider has."""
