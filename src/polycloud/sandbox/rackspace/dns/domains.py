"""Domains. One that is below another of the account is its subdomain."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

from polycloud.sandbox.openstack.errors import OverLimitError
from polycloud.sandbox.rackspace.dns import bind, records
from polycloud.sandbox.rackspace.dns.faults import DeleteError
from polycloud.sandbox.rackspace.dns.jobs import DnsState, start
from polycloud.sandbox.rackspace.dns.records import NAME_SERVERS, find_domain
from polycloud.sandbox.rackspace.identity import ACCOUNT
from polycloud.sandbox.rest.bodies import Body, one_of, together
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import ConflictError, InputError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes

_USUAL_TTL = 3600
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_FEWEST_LABELS, _SHORTEST_SEARCH = 2, 3


# Views


def _show(domain: Item) -> Json:
    shown: Json = {
        "name": domain.name,
        "id": domain.id,
        "comment": domain.comment,
        "updated": domain.updated,
        "accountId": int(ACCOUNT),
        "emailAddress": domain.email,
        "created": domain.created,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _details(domain: Item) -> Json:
    return {
        **_show(domain),
        "nameservers": [{"name": name} for name in NAME_SERVERS],
        "ttl": domain.ttl,
    }


def _with_records(domain: Item) -> Json:
    shown = [records.show(record) for record in domain.records.values()]
    return {**_details(domain), "recordsList": {"totalEntries": len(shown), "records": shown}}


# Reading


def _check_email(body: Body, *, needed: bool) -> str | None:
    email = body.need("emailAddress", str) if needed else body.get("emailAddress", str)
    if email is not None and not _EMAIL.fullmatch(email):
        raise InputError(f"{email} is not a valid email address.")
    return email


def _read(body: Body, found: list[Json]) -> None:
    """Read a new domain, its records and its subdomains. Raises InputError."""
    name = body.need("name", str).removesuffix(".").lower()
    if not records.is_host(name) or len(name.split(".")) < _FEWEST_LABELS:
        raise InputError(f"{name} is not a valid domain name.")
    ttl = records.check_ttl(body) or _USUAL_TTL
    order: Json = {
        "name": name,
        "email": _check_email(body, needed=True),
        "comment": records.check_comment(body),
        "ttl": ttl,
        "records": records.read_new(name, body.part("recordsList").objects("records"), ttl),
    }
    found.append(order)
    for part in body.part("subdomains").objects("domains"):
        if not part.need("name", str).lower().endswith(f".{name}"):
            raise InputError(f"{part.need('name', str)} is not a subdomain of {name}.")
        _read(part, found)


def _create(state: DnsState, call: Call) -> Reply:
    orders: list[Json] = []
    together(*(partial(_read, body, orders) for body in call.body.objects("domains")))
    return _start_create(state, call, orders)


def _import(state: DnsState, call: Call) -> Reply:
    orders: list[Json] = []
    for body in call.body.objects("domains"):
        one_of("BIND_9")("contentType", body.need("contentType", str))
        order = bind.read(body.need("contents", str), _USUAL_TTL)
        fields = type(body)({**order, "comment": body.get("comment", str)})
        _read(fields, orders)
        # Unlike a create, an import must not name the servers that every domain has.
        orders[-1]["is_import"] = True
    return _start_create(state, call, orders)


def _start_create(state: DnsState, call: Call, orders: list[Json]) -> Reply:
    records.check_number(sum(1 + len(order["records"]) for order in orders))
    limit = state.settings.domain_limit
    if len(state.domains) + len(orders) > limit:
        raise OverLimitError(f"Limit of {limit} domains has been reached.")
    for order in orders:
        records.check_limit(state, len(order["records"]) + len(NAME_SERVERS))
    return start(state, call, "POST", "create_domains", partial(_make, state, orders))


def _make(state: DnsState, orders: list[Json]) -> Json:
    taken = {domain.name for domain in state.domains.values()}
    for order in orders:
        if order["name"] in taken:
            raise ConflictError("Domain already exists")
        taken.add(order["name"])
        order["all"] = [*_automatic(order), *order["records"]]
        records.check_beside(order["all"])
    made = [_add(state, order) for order in orders]
    return {"domains": [*map(_with_records, made)], "totalEntries": len(made)}


def _automatic(order: Json) -> Iterable[Json]:
    """Return the NS records that every domain has, but for those that a create names itself."""
    own = set() if order.get("is_import") else {(one["type"], one["data"]) for one in order["records"]}
    for server in NAME_SERVERS:
        if ("NS", server) not in own:
            fields = {"type": "NS", "name": order["name"], "data": server, "ttl": order["ttl"]}
            yield {**fields, "priority": None, "comment": None}


def _add(state: DnsState, order: Json) -> Item:
    now = state.stamp()
    domain = Item(
        id=state.new_number(),
        **{name: order[name] for name in ("name", "email", "comment", "ttl")},
        created=now,
        updated=now,
        records={},
    )
    state.domains[domain.id] = domain
    records.add(state, domain, order["all"])
    return domain


# Requests


def _list(state: DnsState, call: Call) -> Listing:
    name = call.query.get("name", "").lower()
    return Listing([one for one in state.domains.values() if name in {"", one.name}], _show, "domains")


def _search(state: DnsState, call: Call) -> Listing:
    part = call.query.get("name", "").lower()
    found = [one for one in state.domains.values() if part in one.name]
    return Listing(found if len(part) >= _SHORTEST_SEARCH else [], _show, "domains")


def _below(state: DnsState, domain: Item) -> list[Item]:
    return [one for one in state.domains.values() if one.name.endswith(f".{domain.name}")]


def _subdomains(state: DnsState, call: Call) -> Listing:
    return Listing(_below(state, find_domain(state, call.path["domain"])), _show, "domains")


def _get(state: DnsState, call: Call) -> Reply:
    domain = find_domain(state, call.path["domain"])
    shown = _with_records(domain) if _flag(call, "showRecords", "true") else _details(domain)
    if _flag(call, "showSubdomains", "false"):
        below = [*map(_show, _below(state, domain))]
        shown["subdomains"] = {"totalEntries": len(below), "domains": below}
    return Reply(200, shown)


def _flag(call: Call, name: str, usual: str) -> bool:
    return call.query.get(name, usual).lower() == "true"


def _update(state: DnsState, call: Call) -> Reply:
    bodies = call.body.objects("domains")
    records.check_number(len(bodies))
    return _change(state, call, [(find_domain(state, body.identifier("id") or ""), body) for body in bodies])


def _update_one(state: DnsState, call: Call) -> Reply:
    return _change(state, call, [(find_domain(state, call.path["domain"]), call.body)])


def _change(state: DnsState, call: Call, found: list[tuple[Item, Body]]) -> Reply:
    changes: list[tuple[Item, Json]] = []

    def read(domain: Item, body: Body) -> None:
        if "name" in body:
            raise InputError("The name of a domain cannot be changed.")
        values = {"email": _check_email(body, needed=False), "ttl": records.check_ttl(body)}
        values = {name: value for name, value in values.items() if value is not None}
        if body.names("comment"):
            values["comment"] = records.check_comment(body)
        changes.append((domain, values))

    together(*(partial(read, domain, body) for domain, body in found))

    def work() -> None:
        for domain, values in changes:
            vars(domain).update(values, updated=state.stamp())

    return start(state, call, "PUT", "update_domains", work)


def _delete(state: DnsState, call: Call) -> Reply:
    numbers = call.query.every("id")
    records.check_number(len(numbers))
    return _remove(state, call, numbers)


def _delete_one(state: DnsState, call: Call) -> Reply:
    return _remove(state, call, [str(find_domain(state, call.path["domain"]).id)])


def _remove(state: DnsState, call: Call, numbers: list[str]) -> Reply:
    also_below = _flag(call, "deleteSubdomains", "false")

    def work() -> None:
        missing = []
        for number in numbers:
            domain = state.domains.pop(int(number), None) if number.isdecimal() else None
            if domain is None:
                missing.append(f"Domain ID: {number}")
                continue
            for one in _below(state, domain) if also_below else ():
                del state.domains[one.id]
        if missing:
            raise DeleteError(missing)

    return start(state, call, "DELETE", "delete_domains", work)


def _export(state: DnsState, call: Call) -> Reply:
    domain = find_domain(state, call.path["domain"])

    def work() -> Json:
        contents = bind.written(domain, int(state.wall_time))
        return {
            "id": domain.id,
            "contentType": "BIND_9",
            "contents": contents,
            "accountId": int(ACCOUNT),
        }

    return start(state, call, "GET", "export_domain", work)


ROUTES: Routes = {
    "/domains": {"GET": _list, "POST": _create, "PUT": _update, "DELETE": _delete},
    "/domains/search": {"GET": _search},
    "/domains/import": {"POST": _import},
    "/domains/{domain}": {"GET": _get, "PUT": _update_one, "DELETE": _delete_one},
    "/domains/{domain}/export": {"GET": _export},
    "/domains/{domain}/subdomains": {"GET": _subdomains},
}
