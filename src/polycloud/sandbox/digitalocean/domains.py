"""Domains and their records.

The host names that CNAME, MX, NS and SRV records lead to are sent with a dot at their end, or relative to the
domain: as a single label, or as "@" for the domain itself. They are shown in full without the dot; the domain
itself is shown as "@".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from polycloud.sandbox.digitalocean.dialect import Table
from polycloud.sandbox.digitalocean.state import State
from polycloud.sandbox.rest.bodies import between, matches, one_of
from polycloud.sandbox.rest.collection import Change, Field, Item, routes_of, show
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Reply, Routes

_TTL = 1800
_NAME_SERVERS = ("ns1.digitalocean.com", "ns2.digitalocean.com", "ns3.digitalocean.com")
_LABEL = r"[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def _address(kind: type[IPv4Address | IPv6Address], _: Change | None, data: str) -> str:
    try:
        return str(kind(data))
    except ValueError as error:
        raise InputError("IP address is not valid.", "data") from error


def _host(change: Change, data: str) -> str:
    domain = change.owner.name
    if data in {"@", "."}:
        return data
    host = data if "." in data else f"{data}.{domain}."
    host = _without_dot(host).lower()
    if not _HOST.fullmatch(host):
        raise InputError("Data is not a valid host name.", "data")
    return "@" if host == domain else host


def _without_dot(data: str) -> str:
    if not data.endswith("."):
        raise InputError("Data needs to end with a dot (.)", "data")
    return data[:-1]


def _authority(change: Change, data: str) -> str:
    return data if change.get("tag") == "iodef" else _without_dot(data)


def _text(_: Change, data: str) -> str:
    return data


_KINDS: dict[str, tuple[Callable[[Change, str], str], str]] = {
    "A": (partial(_address, IPv4Address), "name"),
    "AAAA": (partial(_address, IPv6Address), "name"),
    "CAA": (_authority, "name flags tag"),
    "CNAME": (_host, "name"),
    "MX": (_host, "priority"),
    "NS": (_host, ""),
    "SOA": (_text, ""),
    "SRV": (_host, "name priority port weight"),
    "TXT": (_text, "name"),
}
"""By type: what checks and converts `data`, and which other fields it needs."""

_FIELDS = ("priority", "port", "weight", "flags", "tag")


def _check(change: Change) -> None:
    domain, record, values = change.owner, change.item, change.values
    kind = change.get("type")
    if kind == "SOA":
        if record is None or set(values) - {"ttl"}:
            raise InputError("Only the ttl of an SOA record can be changed.")
        return
    read_data, needs = _KINDS[kind]
    for name in ("data", *needs.split()):
        if change.get(name) is None:
            raise InputError(f"{name} is required.", name)
    if "data" in values:
        values["data"] = read_data(change, values["data"])
    values["name"] = change.get("name") or "@"
    values.update({name: None for name in _FIELDS if name not in needs.split()})
    others = [other for other in domain.records.values() if other is not record]
    if any(other.name == values["name"] and "CNAME" in {kind, other.type} for other in others):
        raise InputError("CNAME records cannot share a name with other records", "name")


def _touch(state: State, _: Item, change: Change) -> None:
    change.owner.serial = int(state.wall_time)


def _keep_soa(state: State, record: Item, domain: Item) -> None:
    if record.type == "SOA":
        raise InputError("SOA records cannot be deleted.")
    domain.serial = int(state.wall_time)


def _wanted(_: State, domain: Item, call: Call) -> list[Item]:
    name, kind = call.query.get("name"), call.query.get("type")
    if kind:
        one_of(*_KINDS)("type", kind)
    return [
        record
        for record in domain.records.values()
        if kind in {None, record.type}
        and (name is None or _full_name(domain, record.name) == f"{name.lower()}.")
    ]


# Domains


def _create(state: State, _: object, call: Call) -> Reply:
    address = call.body.get("ip_address", str) or None
    if address:
        _address(IPv4Address, None, address)
    domain = _DOMAINS.add(state, state, call.body)
    automatic = [("SOA", str(_TTL)), *(("NS", server) for server in _NAME_SERVERS)]
    for kind, data in [*automatic, *([("A", address)] if address else [])]:
        record = Item(id=state.new_number(), type=kind, name="@", data=data, ttl=_TTL)
        vars(record).update(dict.fromkeys(_FIELDS))
        domain.records[record.id] = record
    # The zone file is made a little later.
    return Reply(201, {"domain": {**_show_domain(domain), "zone_file": None}})


def _full_name(domain: Item, name: str) -> str:
    return f"{domain.name}." if name == "@" else f"{name}.{domain.name}."


def _line(domain: Item, record: Item) -> str:
    numbers = [getattr(record, name) for name in ("priority", "weight", "port", "flags", "tag")]
    data = record.data
    if _KINDS[record.type][0] is _host:
        data = _full_name(domain, "@") if data == "@" else f"{data.removesuffix('.')}."
    elif record.type in {"TXT", "CAA"}:
        data = '"{}"'.format(data.replace("\\", "\\\\").replace('"', '\\"'))
    shown = " ".join(str(value) for value in (*numbers, data) if value is not None)
    return f"{_full_name(domain, record.name)} {record.ttl} IN {record.type} {shown}"


def _zone_file(domain: Item) -> str:
    soa, *records = sorted(domain.records.values(), key=lambda record: record.type != "SOA")
    name = domain.name
    times = f"{domain.serial} 10800 3600 604800 {soa.ttl}"
    head = f"{name}. IN SOA {_NAME_SERVERS[0]}. hostmaster.{name}. {times}"
    lines = [f"$ORIGIN {name}.", f"$TTL {_TTL}", head, *(_line(domain, record) for record in records)]
    return "".join(f"{line}\n" for line in lines)


_show_domain = show("name ttl", zone_file=_zone_file)
_NUMBER: dict[str, Any] = {"kind": int, "check": between(0, 65535)}

_DOMAINS = Table(
    path="/domains",
    id="name",
    verbs="GET POST/GET DELETE",
    view=_show_domain,
    fields={
        "name": Field(
            needed=True,
            convert=str.lower,
            check=matches(
                rf"(?:{_LABEL}\.)+[a-zA-Z](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?", "Name is not a valid domain name."
            ),
            unique=partial(InputError, "Name already exists"),
        )
    },
    identity=lambda state: {"ttl": _TTL, "records": {}, "serial": int(state.wall_time)},
    create=_create,
)
_RECORDS = Table(
    owner=_DOMAINS,
    path="/records",
    key="record:int",
    items="records",
    many="domain_records",
    verbs="GET POST/GET PUT PATCH DELETE",
    view=show("id type name data priority port ttl weight flags tag"),
    fields={
        "type": Field(needed=True, fixed=True, check=one_of(*_KINDS)),
        "name": Field(
            convert=str.lower,
            check=matches(rf"@|\*|(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", "Name is not a valid record name."),
        ),
        "data": Field(check=matches("(?s).+", "Data is required.")),
        "ttl": Field(kind=int, default=_TTL, check=between(1, 2**31 - 1)),
        "priority": Field(**_NUMBER),
        "port": Field(**_NUMBER),
        "weight": Field(**_NUMBER),
        "flags": Field(kind=int, check=between(0, 255)),
        "tag": Field(check=one_of("issue", "issuewild", "iodef")),
    },
    identity=lambda state: {"id": state.new_number()},
    check=_check,
    changed=_touch,
    remove=_keep_soa,
    wanted=_wanted,
)

ROUTES: Routes = routes_of(_DOMAINS, _RECORDS)
