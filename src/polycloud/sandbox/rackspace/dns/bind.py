"""Domains in the format of BIND 9, without comments."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from polycloud.sandbox.rackspace.dns.faults import FailedError
from polycloud.sandbox.rackspace.dns.records import NAME_SERVERS
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Json

if TYPE_CHECKING:
    from polycloud.sandbox.rest.zonefile import Line

_TIMES = "21600 3600 1814400 500"
_HOSTS = ("CNAME", "MX", "NS", "SRV")


def read(text: str, ttl: int) -> Json:
    """Return the fields of the domain that a file describes, as a create has them. Raises InputError.

    Args:
        text: the file, with an SOA record.
        ttl: that of records for which the file has none.
    """
    if find_spec("dns") is None:
        raise FailedError("An import needs dnspython: pip install 'polycloud[dns]'")
    from polycloud.sandbox.rest import zonefile

    try:
        parsed = zonefile.parse(text, ttl=ttl)
    except ValueError as error:
        raise InputError(f"The request could not be understood by the server: {error}") from error
    if parsed.soa is None:
        raise InputError("The file has no SOA record.")
    return {
        "name": parsed.soa.name,
        "emailAddress": _email(parsed.soa.rdata.rname.to_text()),  # type: ignore[attr-defined]
        "ttl": parsed.soa.ttl,
        "recordsList": {"records": [_fields(line) for line in parsed.records]},
    }


def _email(name: str) -> str:
    # Rackspace's files have the address as it is, which other name servers read as one escaped label.
    name = name.removesuffix(".").replace("\\@", "@")
    return name if "@" in name else name.replace(".", "@", 1)


def _fields(line: Line) -> Json:
    fields: Json = {"name": line.name, "type": line.type, "ttl": line.ttl}
    data = line.rdata.to_text()
    if line.type in {"MX", "SRV"}:
        priority, _, data = data.partition(" ")
        fields["priority"] = int(priority)
    if line.type == "TXT":
        data = b"".join(line.rdata.strings).decode(errors="replace")  # type: ignore[attr-defined]
    return {**fields, "data": data}


def written(domain: Item, serial: int) -> str:
    """Return the file of a domain."""
    soa = f"{NAME_SERVERS[0]}. {domain.email}. {serial} {_TIMES}"
    lines = [f"{domain.name}. {domain.ttl} IN SOA {soa}", *map(_line, domain.records.values())]
    return "".join(f"{line}\n" for line in lines)


def _line(record: Item) -> str:
    data = f'"{record.data}"' if record.type == "TXT" else record.data
    if record.type in _HOSTS:
        data += "."
    if record.priority is not None:
        data = f"{record.priority} {data}"
    return f"{record.name}. {record.ttl} IN {record.type} {data}"
