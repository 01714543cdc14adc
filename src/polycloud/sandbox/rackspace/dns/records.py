"""Records of a domain.

A record's type cannot be changed, and its name only if it is SRV. Reverse records are not among them: they
belong to servers. Source: Cloud DNS Developer Guide, "Supported Record Types" and "Records".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from polycloud.sandbox.openstack.errors import OverLimitError
from polycloud.sandbox.rackspace.dns.faults import DeleteError
from polycloud.sandbox.rackspace.dns.jobs import DnsState, start
from polycloud.sandbox.rest.bodies import Body, together
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import ConflictError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes

NAME_SERVERS = ("dns1.stabletransit.com", "dns2.stabletransit.com")
SHORTEST_TTL, _LONGEST_TTL = 300, 2**31 - 1
LONGEST_COMMENT = 160
_LARGEST_PRIORITY = 65535
_MOST_ENTITIES = 100
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
_WITH_PRIORITY = ("MX", "SRV")
_SRV_FIELDS = 3


def is_host(text: str) -> bool:
    """Return whether a text is a host name in lower case."""
    return _HOST.fullmatch(text) is not None


# Data


def _address(kind: type[IPv4Address | IPv6Address], data: str) -> str | None:
    try:
        return str(kind(data))
    except ValueError:
        return None


def _host(data: str) -> str | None:
    host = data.removesuffix(".").lower()
    return host if is_host(host) else None


def _service(data: str) -> str | None:
    """Return weight, port and target, of which one field is the target, and two are port and target."""
    fields = data.split()[:_SRV_FIELDS]
    numbers = [*["0"] * (_SRV_FIELDS - len(fields)), *fields[:-1]]
    host = _host(fields[-1]) if fields else None
    is_valid = all(text.isdecimal() and int(text) <= _LARGEST_PRIORITY for text in numbers)
    return " ".join([*numbers, host]) if host and is_valid else None


def _text(data: str) -> str | None:
    """Return a text without the characters that Cloud DNS removes."""
    return re.sub(r'["\\]', "", data) or None


_KINDS: dict[str, Callable[[str], str | None]] = {
    "A": partial(_address, IPv4Address),
    "AAAA": partial(_address, IPv6Address),
    "CNAME": _host,
    "MX": _host,
    "NS": _host,
    "SRV": _service,
    "TXT": _text,
}


# Reading


def check_ttl(body: Body) -> int | None:
    """Return the TTL of a domain or a record. Raises InputError."""
    ttl = body.get("ttl", int)
    if ttl is not None and not SHORTEST_TTL <= ttl <= _LONGEST_TTL:
        raise InputError(f"TTL must be greater than or equal to {SHORTEST_TTL}.")
    return ttl


def check_comment(body: Body) -> str | None:
    """Return the comment of a domain or a record. Raises InputError."""
    comment = body.get("comment", str)
    if comment is not None and len(comment) > LONGEST_COMMENT:
        raise InputError(f"Comment must be {LONGEST_COMMENT} characters or less.")
    return comment


def check_number(count: int) -> None:
    """Refuse a request with nothing, or with more than it may have."""
    if not count:
        raise InputError("The request must name at least one item.")
    if count > _MOST_ENTITIES:
        raise OverLimitError(f"Limit of {_MOST_ENTITIES} entities per request has been reached.")


def _check_data(kind: str, data: str) -> str:
    checked = _KINDS[kind](data)
    if checked is None:
        raise InputError(f"{data} is not valid data for a record of type {kind}.")
    return checked


def _check_priority(kind: str, priority: int | None) -> None:
    if (priority is not None) is not (kind in _WITH_PRIORITY):
        raise InputError(
            f"Priority is required for {' and '.join(_WITH_PRIORITY)} records, and for no others."
        )
    if priority is not None and not 0 <= priority <= _LARGEST_PRIORITY:
        raise InputError(f"Priority must be from 0 to {_LARGEST_PRIORITY}.")


def _check_name(domain: str, name: str) -> str:
    name = name.removesuffix(".").lower()
    if not is_host(name.removeprefix("*.")):
        raise InputError(f"{name} is not a valid domain name.")
    if name != domain and not name.endswith(f".{domain}"):
        raise InputError(f"{name} is not in the domain {domain}.")
    return name


def read_new(domain: str, bodies: Iterable[Body], ttl: int) -> list[Json]:
    """Return the fields of new records. Raises one InputError for all of them.

    Args:
        domain: the name of the domain.
        bodies: the records of a request.
        ttl: that of records without one.
    """
    found: list[Json] = []
    together(*(partial(_read_new, domain, body, ttl, found) for body in bodies))
    return found


def _read_new(domain: str, body: Body, ttl: int, found: list[Json]) -> None:
    kind = body.need("type", str).upper()
    if kind not in _KINDS:
        raise InputError(f"{kind} is not a valid type of record.")
    if "id" in body:
        raise InputError("id must not be specified for a new record.")
    values: Json = {"type": kind, "priority": body.get("priority", int), "comment": check_comment(body)}
    values |= {
        "name": _check_name(domain, body.need("name", str)),
        "data": _check_data(kind, body.need("data", str)),
        "ttl": check_ttl(body) or ttl,
    }
    _check_priority(kind, values["priority"])
    found.append(values)


def _read_change(domain: Item, record: Item, body: Body) -> Json:
    """Return the fields that an update sets. Raises InputError."""
    name = _check_name(domain.name, body.get("name", str) or domain.name)
    values: Json = {}
    if record.type == "SRV" and "name" in body:
        values["name"] = name
    elif name != record.name:
        raise InputError("The name of a record cannot be changed; without a name, it is that of the domain.")
    if body.get("type", str) not in {None, record.type}:
        raise InputError("The type of a record cannot be changed.")
    if "data" in body:
        values["data"] = _check_data(record.type, body.need("data", str))
    elif record.type == "TXT":
        raise InputError("data is required for TXT records.")
    if "priority" in body:
        _check_priority(record.type, body.get("priority", int))
        values["priority"] = body.get("priority", int)
    if "ttl" in body:
        values["ttl"] = check_ttl(body)
    if body.names("comment"):
        values["comment"] = check_comment(body)
    return values


# Records of a domain


def find_domain(state: DnsState, number: str) -> Item:
    """Return the domain of that id. Raises NotFoundError."""
    domain = state.domains.get(int(number)) if number.isdecimal() else None
    if domain is None:
        raise NotFoundError(f"Domain ID: {number}")
    return domain


def find_record(domain: Item, key: str) -> Item:
    """Return the record of that id. Raises NotFoundError."""
    if key not in domain.records:
        raise NotFoundError(f"Domain ID: {domain.id}; Record ID: {key}")
    record: Item = domain.records[key]
    return record


def check_beside(records: Iterable[Mapping[str, Any]]) -> None:
    """Refuse records that cannot be in one domain. Raises ConflictError."""
    seen: set[tuple[Any, ...]] = set()
    kinds: dict[str, set[str]] = {}
    for record in records:
        said = tuple(record[name] for name in ("name", "type", "data", "priority"))
        if said in seen:
            raise ConflictError(f"Record is a duplicate of another record in the domain: {record['name']}")
        seen.add(said)
        aliases = kinds.setdefault(record["name"], set())
        if aliases and "CNAME" in {record["type"], *aliases}:
            raise ConflictError(f"A CNAME record cannot share a name with other records: {record['name']}")
        aliases.add(record["type"])


def check_limit(state: DnsState, count: int) -> None:
    """Refuse more records than a domain may have."""
    limit = state.settings.record_limit
    if count > limit:
        raise OverLimitError(f"Limit of {limit} records per domain has been reached.")


def add(state: DnsState, domain: Item, orders: Iterable[Json]) -> list[Item]:
    """Add records whose fields were checked; return them."""
    made = []
    for fields in orders:
        now = state.stamp()
        record = Item(id=f"{fields['type']}-{state.new_number()}", **fields, created=now, updated=now)
        domain.records[record.id] = record
        made.append(record)
    return made


def show(record: Item) -> Json:
    """Return how a record is shown."""
    fields = ("name", "priority", "id", "type", "comment", "data", "updated", "ttl", "created")
    shown = {name: getattr(record, name) for name in fields}
    return {name: value for name, value in shown.items() if value is not None}


def listing(records: Iterable[Item]) -> Listing:
    """Return a list of records, to be paged."""
    return Listing([*records], show, "records")


# Requests


def _list(state: DnsState, call: Call) -> Listing:
    domain, wanted = find_domain(state, call.path["domain"]), call.query
    if "type" not in wanted and ("name" in wanted or "data" in wanted):
        raise InputError("A search for records needs their type.")
    return listing(
        record
        for record in domain.records.values()
        if wanted.get("type", record.type).upper() == record.type
        and wanted.get("name", record.name).lower() == record.name
        and wanted.get("data", record.data) == record.data
    )


def _get(state: DnsState, call: Call) -> Reply:
    return Reply(200, show(find_record(find_domain(state, call.path["domain"]), call.path["record"])))


def _create(state: DnsState, call: Call) -> Reply:
    domain, bodies = find_domain(state, call.path["domain"]), call.body.objects("records")
    check_number(len(bodies))
    orders = read_new(domain.name, bodies, domain.ttl)
    check_limit(state, len(domain.records) + len(orders))

    def work() -> Json:
        _check_there(state, domain)
        check_beside([*map(vars, domain.records.values()), *orders])
        domain.updated = state.stamp()
        return {"records": [show(record) for record in add(state, domain, orders)]}

    return start(state, call, "POST", "create_records", work)


def _check_there(state: DnsState, domain: Item) -> None:
    if domain.id not in state.domains:
        raise NotFoundError(f"Domain ID: {domain.id}")


def _update(state: DnsState, call: Call) -> Reply:
    bodies = call.body.objects("records")
    check_number(len(bodies))
    return _change(state, call, [(body.need("id", str), body) for body in bodies])


def _update_one(state: DnsState, call: Call) -> Reply:
    return _change(state, call, [(call.path["record"], call.body)])


def _change(state: DnsState, call: Call, bodies: list[tuple[str, Body]]) -> Reply:
    domain = find_domain(state, call.path["domain"])
    changes: dict[str, Json] = {}

    def read(key: str, body: Body) -> None:
        changes[key] = _read_change(domain, find_record(domain, key), body)

    together(*(partial(read, key, body) for key, body in bodies))

    def work() -> None:
        for key in changes:
            find_record(domain, key)
        check_beside([{**vars(record), **changes.get(key, {})} for key, record in domain.records.items()])
        for key, values in changes.items():
            vars(domain.records[key]).update(values, updated=state.stamp())
        domain.updated = state.stamp()

    return start(state, call, "PUT", "update_records", work)


def _delete(state: DnsState, call: Call) -> Reply:
    keys = call.query.every("id")
    check_number(len(keys))
    return _remove(state, call, find_domain(state, call.path["domain"]), keys)


def _delete_one(state: DnsState, call: Call) -> Reply:
    domain = find_domain(state, call.path["domain"])
    return _remove(state, call, domain, [find_record(domain, call.path["record"]).id])


def _remove(state: DnsState, call: Call, domain: Item, keys: list[str]) -> Reply:
    def work() -> None:
        missing = [key for key in keys if domain.records.pop(key, None) is None]
        domain.updated = state.stamp()
        if missing:
            raise DeleteError([f"Domain ID: {domain.id}; Record ID: {key}" for key in missing])

    return start(state, call, "DELETE", "delete_records", work)


_PATH = "/domains/{domain}/records"
ROUTES: Routes = {
    _PATH: {"GET": _list, "POST": _create, "PUT": _update, "DELETE": _delete},
    f"{_PATH}/{{record}}": {"GET": _get, "PUT": _update_one, "DELETE": _delete_one},
}
