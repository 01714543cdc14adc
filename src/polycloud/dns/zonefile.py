"""Zone files in BIND's format; dnspython writes and checks the data of each record (extra `dns`)."""

from __future__ import annotations

from collections.abc import Iterable

from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError

__all__ = ["to_bind"]

WITH_PRIORITY = frozenset({RecordType.MX, RecordType.SRV})
HOST_NAMES = frozenset(
    {RecordType.CNAME, RecordType.DNAME, RecordType.MX, RecordType.NS, RecordType.PTR, RecordType.SRV}
)
DEFAULT_TTL = 3600
TEXT_LIMIT = 255


def to_bind(zone: Zone, records: Iterable[Record]) -> str:
    """Return a zone file, sorted by name and type.

    Raises `InvalidArgumentError` for invalid data of a record.
    """
    lines = [f"$ORIGIN {zone.domain}.", f"$TTL {DEFAULT_TTL if zone.ttl is None else zone.ttl}"]
    for record in sorted(records, key=lambda one: (one.name or "", one.type, one.data)):
        ttl = record.extra.get("ttl") if record.ttl is None else record.ttl
        columns = [record.name or "@", "" if ttl is None else str(ttl), "IN", record.type, _rdata(record)]
        lines.append(" ".join(filter(None, columns)))
    return "\n".join(lines) + "\n"


def _rdata(record: Record) -> str:
    try:
        from dns import exception, rdata
    except ModuleNotFoundError:
        raise ImportError("zone files need dnspython: pip install 'polycloud[dns]'") from None
    try:
        parsed = rdata.from_text("IN", str(record.type), _text(record), relativize=False)
    except (exception.DNSException, ValueError) as error:
        raise InvalidArgumentError(
            f"the {record.type} record {record.name or '@'!r} of {record.zone.domain} has invalid data "
            f"{record.data!r}: {error}"
        ) from error
    return parsed.to_text()


def _text(record: Record) -> str:
    """Return the data as zone files write it: priority first, host names absolute, TXT quoted."""
    data = record.data
    if record.type in {RecordType.TXT, RecordType.SPF}:
        return _quoted(data)
    if record.type in HOST_NAMES and not data.endswith("."):
        data += "."
    if record.type in WITH_PRIORITY:
        data = f"{record.extra.get('priority') or 0} {data}"
    return data


def _quoted(text: str) -> str:
    """Return text as quoted strings of at most 255 bytes."""
    raw = text.encode()
    pieces = [raw[start : start + TEXT_LIMIT] for start in range(0, len(raw), TEXT_LIMIT)] or [b""]
    return " ".join(f'"{"".join(map(_escaped, piece))}"' for piece in pieces)


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\':
        return f"\\{character}"
    return character if " " <= character <= "~" else f"\\{byte:03d}"
