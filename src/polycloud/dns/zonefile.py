"""Zone files in BIND's format; dnspython writes and checks names and data (extra `dns`).

Names and data come from the provider: nothing in them may end a line or a column. dnspython therefore writes
each name from its labels, with spaces, quotes and other special characters escaped, and each value from what
it has parsed as one value.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from polycloud.dns.content import HOST_NAMES, VALUE_FIELDS
from polycloud.dns.names import ascii_label
from polycloud.dns.objects import Record, Zone
from polycloud.dns.types import RecordType
from polycloud.errors import InvalidArgumentError

if TYPE_CHECKING:
    from dns.name import Name

__all__ = ["to_bind"]

DEFAULT_TTL = 3600
TEXT_LIMIT = 255


def to_bind(zone: Zone, records: Iterable[Record]) -> str:
    """Return a zone file, sorted by name and type.

    Raises `InvalidArgumentError` for an invalid name or invalid data of a record.
    """
    lines = [f"$ORIGIN {_origin(zone)}", f"$TTL {DEFAULT_TTL if zone.ttl is None else zone.ttl}"]
    for record in sorted(records, key=lambda one: (one.name or "", one.type, one.data)):
        ttl = record.extra.get("ttl") if record.ttl is None else record.ttl
        columns = [_owner(record), "" if ttl is None else str(ttl), "IN", record.type, _rdata(record)]
        lines.append(" ".join(filter(None, columns)))
    return "\n".join(lines) + "\n"


def _origin(zone: Zone) -> Name:
    return _name(zone.domain)


def _owner(record: Record) -> str:
    if not record.name:
        return "@"
    return _name(f"{record.name}.{record.zone.domain}").relativize(_origin(record.zone)).to_text()


def _name(text: str) -> Name:
    """Return an absolute name from its labels, which may contain any characters."""
    try:
        from dns import exception, name
    except ModuleNotFoundError:
        raise ImportError("zone files need dnspython: pip install 'polycloud[dns]'") from None
    try:
        labels = [] if text == "." else text.removesuffix(".").split(".")
        return name.Name([*map(ascii_label, labels), b""])
    except (exception.DNSException, UnicodeError) as error:
        raise InvalidArgumentError(f"the name {text!r} cannot be in a zone file: {error}") from error


def _rdata(record: Record) -> str:
    from dns import exception, rdata

    try:
        parsed = rdata.from_text("IN", str(record.type), _text(record), relativize=False)
    except (exception.DNSException, ValueError) as error:
        raise InvalidArgumentError(
            f"the {record.type} record {record.name or '@'!r} of {record.zone.domain} has invalid data "
            f"{record.data!r}: {error}"
        ) from error
    return parsed.to_text()


def _text(record: Record) -> str:
    """Return the value as zone files write it: fields of `extra` first, host names absolute, texts quoted."""
    data = record.data
    if record.type in {RecordType.TXT, RecordType.SPF}:
        return _quoted(data)
    if record.type in HOST_NAMES:
        data = _name(data).to_text()
    if record.type == RecordType.CAA:
        data = _quoted(data)
    fields = (record.extra.get(name) for name in VALUE_FIELDS.get(record.type, ()))
    return " ".join([*(str(field) for field in fields if field is not None), data])


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
