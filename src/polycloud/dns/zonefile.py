"""Zone files in BIND's format; dnspython writes and checks names and data (extra `dns`).

Names and data come from the provider: nothing in them may end a line or a column. dnspython therefore writes
each name from its labels, with spaces, quotes and other special characters escaped, and each value from what
it has parsed as one value.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from polycloud.dns.content import Content
from polycloud.dns.names import full_name
from polycloud.dns.objects import Record, Zone
from polycloud.dns.rdata import ALIASES, OPAQUE, dns_name
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from dns.name import Name

__all__ = ["to_bind"]

DEFAULT_TTL = 3600


def to_bind(zone: Zone, records: Iterable[Record]) -> str:
    """Return a zone file, sorted by name and type; records of types that DNS lacks are comments in it.

    Raises `InvalidArgumentError` for an invalid name or invalid data of a record.
    """
    origin = dns_name(zone.domain)
    lines = [f"$ORIGIN {origin}", f"$TTL {DEFAULT_TTL if zone.ttl is None else zone.ttl}"]
    for record in sorted(records, key=lambda one: (one.name or "", one.type, one.data)):
        ttl = record.extra.get("ttl") if record.ttl is None else record.ttl
        columns = [_owner(record, origin), "" if ttl is None else str(ttl), "IN", record.type, _rdata(record)]
        comment = ";" if record.type in ALIASES | OPAQUE else ""
        lines.append(" ".join(filter(None, [comment, *columns])))
    return "\n".join(lines) + "\n"


def _owner(record: Record, origin: Name) -> str:
    if not record.name:
        return "@"
    return dns_name(full_name(record.name, record.zone)).relativize(origin).to_text()


def _rdata(record: Record) -> str:
    try:
        return Content.of(record.name, record.type, record.data, record.extra).rdata
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"the {record.type} record {record.name or '@'!r} of {record.zone.domain} cannot be in a zone "
            f"file: {error}"
        ) from error
