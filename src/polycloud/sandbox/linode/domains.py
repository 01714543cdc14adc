"""Domains and their records.

The provider keeps what it is given, duplicates too: it only refuses a CNAME beside other records. TTLs are
rounded up to those that it has; 0 stands for its default. The records that its name servers add, SOA and NS
of the domain itself, are in the zone file only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from polycloud.sandbox.linode.dialect import Table, dates
from polycloud.sandbox.linode.state import State
from polycloud.sandbox.rest.bodies import between, length, matches, one_of
from polycloud.sandbox.rest.collection import Change, Field, Item, routes_of, show
from polycloud.sandbox.rest.errors import InputError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_SECONDS = (
    *(0, 30, 120, 300, 3600, 7200, 14400, 28800, 57600),
    *(86400, 172800, 345600, 604800, 1209600, 2419200),
)
_DEFAULTS = {"ttl_sec": 86400, "refresh_sec": 14400, "retry_sec": 14400, "expire_sec": 1209600}
_NAME_SERVERS = tuple(f"ns{number}.linode.com" for number in range(1, 6))
_LABEL = r"[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_DOMAIN = r"(\*\.)?([a-zA-Z0-9-_]{1,63}\.)+([a-zA-Z]{2,3}\.)?([a-zA-Z]{2,16}|xn--[a-zA-Z0-9-]+)"
_NUMBER: dict[str, Any] = {"kind": int, "default": 0, "check": between(0, 65535)}


def _rounded(seconds: int) -> int:
    return next((one for one in _SECONDS if one >= seconds), _SECONDS[-1])


_TIME = Field(kind=int, default=0, convert=_rounded)


# Domains


def _address(field: str, address: str) -> None:
    try:
        ip_address(address)
    except ValueError as error:
        raise InputError("Must be a valid IP address", field) from error


def _addresses(field: str, addresses: tuple[str, ...]) -> None:
    for address in addresses:
        _address(field, address)


def _check_domain(change: Change) -> None:
    if change.get("type") == "master" and not change.get("soa_email"):
        raise InputError("soa_email required when type=master", "soa_email")
    if change.get("type") == "slave" and not change.get("master_ips"):
        raise InputError("master_ips required when type=slave", "master_ips")
    change.values["label"] = change.get("domain")


def _clone(state: State, domain: Item, call: Call) -> Reply:
    values: Json = {}
    change = Change(state, state, None, call.body, values)
    values["domain"] = DOMAINS.read("domain", state, change.body)
    copied = {name: getattr(domain, name) for name in DOMAINS.fields}
    copy = DOMAINS.make(state, {**copied, **values, "label": values["domain"]})
    for record in domain.records.values():
        one = Item(**vars(record) | {"id": state.new_number(), **dates(state)})
        copy.records[one.id] = one
    state.domains[copy.id] = copy
    state.note("dns_zone_create", copy)
    return DOMAINS.reply(copy)


# Records


def _target_address(kind: type[IPv4Address | IPv6Address], _: Change, target: str) -> str:
    try:
        kind(target)
    except ValueError as error:
        raise InputError("Must be a valid IP address", "target") from error
    return target


def _host(change: Change, target: str) -> str:
    if target == "@":
        return str(change.owner.domain)
    host = target.removesuffix(".")
    if host and not _HOST.fullmatch(host):
        raise InputError("Invalid hostname", "target")
    return host


def _mail_host(change: Change, target: str) -> str:
    if not target and (change.get("name") or change.get("priority")):
        raise InputError("name must be empty and priority 0 in a Null MX record", "target")
    others = [one for one in _others(change) if one.type == "MX"]
    if any(not target or not one.target for one in others):
        raise InputError("A Null MX record must be the only MX record", "target")
    return _host(change, target)


def _service_host(change: Change, target: str) -> str:
    is_relative = target not in {"@", "."} and "." not in target
    return _host(change, f"{target}.{change.owner.domain}" if is_relative else target)


def _text(_: Change, target: str) -> str:
    return target


_KINDS: dict[str, tuple[Callable[[Change, str], str], str]] = {
    "A": (partial(_target_address, IPv4Address), ""),
    "AAAA": (partial(_target_address, IPv6Address), ""),
    "CAA": (_text, "tag"),
    "CNAME": (_host, "name"),
    "MX": (_mail_host, ""),
    "NS": (_host, ""),
    "PTR": (_host, ""),
    "SRV": (_service_host, "service port priority weight"),
    "TXT": (_text, ""),
}
"""By type: what checks and converts `target`, and which other fields it needs."""


def _others(change: Change) -> list[Item]:
    return [one for one in change.owner.records.values() if one is not change.item]


def _name_service(change: Change) -> None:
    """Give an SRV record the name that its service and protocol make."""
    values = change.values
    for field in ("service", "protocol"):
        values[field] = (change.get(field) or "").removeprefix("_").lower()
    values["name"] = "_{}._{}".format(values["service"], values["protocol"] or "tcp")


def _check_record(change: Change) -> None:
    kind, values = change.get("type"), change.values
    if change.owner.type != "master":
        raise InputError("Records can only be changed in master domains", "domain")
    read_target, needs = _KINDS[kind]
    for name in needs.split():
        if (change.item is None and name not in change.body) or change.get(name) == "":
            raise InputError(f"{name} is required", name)
    if kind == "SRV":
        _name_service(change)
    if "target" in values or change.item is None:
        target = values.get("target")
        if target is None or (target == "" and kind != "MX"):
            raise InputError("target is required", "target")
        values["target"] = read_target(change, target)
    if any(one.name == change.get("name") and "CNAME" in {kind, one.type} for one in _others(change)):
        raise InputError("Record conflict - CNAMES must be unique", "name")


# The zone file


def _line(record: Item) -> str:
    ttl = str(record.ttl_sec) if record.ttl_sec else ""
    target = record.target
    if record.type in {"CNAME", "MX", "NS", "PTR", "SRV"}:
        target = f"{target}."
    elif record.type in {"CAA", "TXT"}:
        target = '"{}"'.format(target.replace("\\", "\\\\").replace('"', '\\"'))
    shown: dict[str, tuple[Any, ...]] = {
        "MX": (record.priority,),
        "SRV": (record.priority, record.weight, record.port),
        "CAA": (0, record.tag),
    }
    return " ".join(
        map(str, (record.name or "@", ttl, "IN", record.type, *shown.get(record.type, ()), target))
    )


def _zone_file(_: State, domain: Item, __: Call) -> Reply:
    ttl, *times = (getattr(domain, name) or default for name, default in _DEFAULTS.items())
    mail = (domain.soa_email or "").replace("@", ".")
    numbers = " ".join(map(str, (2021000000 + len(domain.records), *times, ttl)))
    lines = [
        f"; {domain.domain} [{domain.id}]",
        f"$TTL {ttl}",
        f"@ IN SOA {_NAME_SERVERS[0]}. {mail}. {numbers}",
        *(f"@ IN NS {server}." for server in _NAME_SERVERS),
        *map(_line, domain.records.values()),
    ]
    return Reply(200, {"zone_file": lines})


DOMAINS = Table(
    path="/domains",
    filters="domain group id tags type",
    view=show(
        "id domain type status group description soa_email tags master_ips axfr_ips "
        "ttl_sec refresh_sec retry_sec expire_sec"
    ),
    fields={
        "domain": Field(
            needed=True,
            convert=str.lower,
            check=matches(_DOMAIN, "Invalid domain"),
            unique=partial(InputError, "DNS zone already exists.", "domain"),
        ),
        "type": Field(needed=True, check=one_of("master", "slave")),
        "status": Field(default="active", check=one_of("active", "disabled")),
        "group": Field(default="", check=length(0, 50)),
        "description": Field(default="", check=length(0, 253)),
        "soa_email": Field(default="", check=matches("|[^@ ]+@[^@ ]+", "Invalid email")),
        "tags": Field(each=str),
        "master_ips": Field(each=str, check=_addresses),
        "axfr_ips": Field(each=str, check=_addresses),
        **dict.fromkeys(_DEFAULTS, _TIME),
    },
    identity=lambda _: {"records": {}},
    check=_check_domain,
    actions={"clone": _clone},
    parts={"zone-file": {"GET": _zone_file}},
    noun="domain",
    events="dns_zone_create dns_zone_update dns_zone_delete",
)
_RECORDS = Table(
    owner=DOMAINS,
    path="/records",
    filters="name tag target type",
    view=show("id type name target priority weight port service protocol ttl_sec tag created updated"),
    fields={
        "type": Field(needed=True, fixed=True, check=one_of(*_KINDS)),
        "name": Field(
            default="",
            check=matches(
                rf"|\*|(?=.{{1,100}}$)(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", "Name contains invalid characters"
            ),
        ),
        "target": Field(check=length(0, 65535)),
        "priority": Field(**{**_NUMBER, "check": between(0, 255)}),
        "weight": Field(**_NUMBER),
        "port": Field(**_NUMBER),
        "service": Field(),
        "protocol": Field(),
        "tag": Field(check=one_of("issue", "issuewild", "iodef")),
        "ttl_sec": _TIME,
    },
    check=_check_record,
    noun="domain",
    events="dns_record_create dns_record_update dns_record_delete",
)

ROUTES: Routes = routes_of(DOMAINS, _RECORDS)
