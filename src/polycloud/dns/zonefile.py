r"""Zone files in BIND's format (RFC 1035, 5); dnspython reads and writes them (extra `dns`).

Names and data come from the provider: nothing in them may end a line or a column. dnspython therefore writes
each name from its labels, with spaces, quotes and other special characters escaped, and each value from what
it has parsed as one value.

Records of types that only providers have are comments, which `from_bind` reads:

    ; @ 300 IN ALIAS host.example.net.
    ; old 300 IN URL "https://example.net/"
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from polycloud.dns.lines import read_source
from polycloud.dns.names import full_name
from polycloud.dns.objects import Record, Zone
from polycloud.dns.rdata import ALIASES, OPAQUE, dns_name, write_rdata
from polycloud.dns.types import RecordType
from polycloud.dns.wanted import WantedRecord, WantedZone, wanted_records

if TYPE_CHECKING:
    from dns.name import Name

__all__ = ["from_bind", "to_bind"]

DEFAULT_TTL = 3600


def from_bind(source: str | os.PathLike[str], domain: str | None = None) -> WantedZone:
    """Return the zone that a zone file describes.

    `source` is the text, or the `Path` of a file in UTF-8. Names are relative to `domain` until $ORIGIN says
    otherwise; without it, the domain is that of the file's SOA or first $ORIGIN. A record whose line ends
    with the comment `; lenient` is lenient. $INCLUDE is refused, for it could name any file.

    Raises `ZoneFileError`, which names the line, for what is not valid: a record outside the zone, one that
    its name has already, a CNAME beside other data, a type that polycloud does not have, and the like.
    """
    text, path = read_source(source)
    try:
        from polycloud.dns.zonereader import read_zone
    except ModuleNotFoundError:
        raise ImportError("zone files need dnspython: pip install 'polycloud[dns]'") from None
    return read_zone(text, path, domain).wanted


def to_bind(zone: Zone | WantedZone, records: Iterable[Record] | None = None) -> str:
    """Return a zone file, sorted by name and type, SOA first.

    `records` are those of a `Zone`, which are read if they are not given. What a provider has beyond DNS
    is not in the file, and a disabled record, which is not served, is a comment. A TTL of 3600 seconds stands
    for one that is not known.

    Raises `InvalidArgumentError` for an invalid name or invalid data of a record.
    """
    origin = dns_name(zone.domain)
    lines = [f"$ORIGIN {origin}", f"$TTL {DEFAULT_TTL if zone.ttl is None else zone.ttl}"]
    wanted = wanted_records(zone, records)
    return "\n".join([*lines, *(_line(one, zone, origin) for one in sorted(wanted, key=_place))]) + "\n"


def _place(wanted: WantedRecord) -> tuple[str, bool, str, str]:
    content = wanted.content
    return content.name, content.type != RecordType.SOA, content.type, content.data


def _line(wanted: WantedRecord, zone: Zone | WantedZone, origin: Name) -> str:
    name, type_, data, extra, rdata = wanted.content
    owner = dns_name(full_name(name, zone)).relativize(origin).to_text() if name else "@"
    ttl = extra.get("ttl")
    if type_ in OPAQUE:
        rdata = write_rdata(RecordType.TXT, data, {}).rdata
    columns = [
        "; disabled:" if wanted.is_disabled else ";" if type_ in ALIASES | OPAQUE else "",
        owner,
        "" if ttl is None else str(ttl),
        *("IN", type_, rdata),
        "; lenient" if wanted.lenient else "",
    ]
    return " ".join(filter(None, columns))
