"""Reverse records, which belong to servers and are no part of a domain.

A request names the server by its service and its address. Source: Cloud DNS API Reference, "Reverse DNS".
"""

from __future__ import annotations

from functools import partial

from polycloud.sandbox.rackspace.dns import records
from polycloud.sandbox.rackspace.dns.jobs import DnsState, start
from polycloud.sandbox.rest.bodies import Body, one_of, together
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import ConflictError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_SERVICE = "cloudServersOpenStack"
_TTL = 3600


def _server(state: DnsState, service: str, href: str) -> str:
    """Return the id of the server that a request names. Raises NotFoundError."""
    key = href.rstrip("/").rpartition("/")[2]
    if service != _SERVICE or not state.addresses(key):
        raise NotFoundError(f"Device: {href}")
    return key


def _of(state: DnsState, key: str) -> list[Item]:
    return [record for record in state.pointers.values() if record.server == key]


def _show(found: list[Item], service: str, href: str) -> Json:
    link = {"content": "", "href": href, "rel": service}
    return {"recordsList": {"records": [*map(records.show, found)]}, "link": link}


def _named(state: DnsState, call: Call) -> tuple[str, str, str]:
    """Return the service, the address and the id of the server that a query names."""
    service, href = call.path["service"], call.query.get("href", "")
    return service, href, _server(state, service, href)


def _list(state: DnsState, call: Call) -> Reply:
    service, href, key = _named(state, call)
    return Reply(200, _show(_of(state, key), service, href))


def _get(state: DnsState, call: Call) -> Reply:
    *_, key = _named(state, call)
    return Reply(200, records.show(_find(state, key, call.path["record"])))


def _find(state: DnsState, key: str, number: str) -> Item:
    record = state.pointers.get(number)
    if record is None or record.server != key:
        raise NotFoundError(f"Record ID: {number}")
    return record


def _host(body: Body) -> str:
    name = body.need("name", str).removesuffix(".").lower()
    if not records.is_host(name):
        raise InputError(f"{name} is not a valid domain name.")
    return name


def _begin(state: DnsState, call: Call) -> tuple[str, str, str, list[Body]]:
    """Return the service, the address and the id of the server that a body names, and its records."""
    link, bodies = call.body.part("link"), call.body.part("recordsList").objects("records")
    records.check_number(len(bodies))
    service, href = link.need("rel", str), link.need("href", str)
    return service, href, _server(state, service, href), bodies


def _create(state: DnsState, call: Call) -> Reply:
    service, href, key, bodies = _begin(state, call)
    orders: list[Json] = []

    def read(body: Body) -> None:
        one_of("PTR")("type", body.need("type", str))
        address = body.need("data", str)
        if address not in state.addresses(key):
            raise InputError(f"{address} is not an address of the device.")
        ttl, comment = records.check_ttl(body) or _TTL, records.check_comment(body)
        orders.append({"name": _host(body), "data": address, "ttl": ttl, "comment": comment})

    together(*(partial(read, body) for body in bodies))

    def work() -> Json:
        taken = [*(one.data for one in _of(state, key)), *(order["data"] for order in orders)]
        if len(taken) != len(set(taken)):
            raise ConflictError("A PTR record of the address exists already.")
        made = []
        for order in orders:
            now, number = state.stamp(), f"PTR-{state.new_number()}"
            more: Json = {"type": "PTR", "priority": None, "created": now, "updated": now}
            state.pointers[number] = Item(id=number, server=key, **order, **more)
            made.append(state.pointers[number])
        return _show(made, service, href)

    return start(state, call, "POST", "create_pointers", work)


def _update(state: DnsState, call: Call) -> Reply:
    service, href, key, bodies = _begin(state, call)
    changes: list[tuple[str, Json]] = []

    def read(body: Body) -> None:
        record = _find(state, key, body.need("id", str))
        if body.get("data", str) not in {None, record.data}:
            raise InputError("The address of a PTR record cannot be changed.")
        values: Json = {"name": _host(body), "ttl": records.check_ttl(body) or record.ttl}
        if body.names("comment"):
            values["comment"] = records.check_comment(body)
        changes.append((record.id, values))

    together(*(partial(read, body) for body in bodies))

    def work() -> Json:
        found = [_find(state, key, number) for number, _ in changes]
        for record, (_, values) in zip(found, changes, strict=True):
            vars(record).update(values, updated=state.stamp())
        return _show(found, service, href)

    return start(state, call, "PUT", "update_pointers", work)


def _delete(state: DnsState, call: Call) -> Reply:
    *_, key = _named(state, call)
    address = call.query.get("ip")

    def work() -> None:
        found = [record for record in _of(state, key) if address in {None, record.data}]
        if address and not found:
            raise NotFoundError(f"IP: {address}")
        for record in found:
            del state.pointers[record.id]

    return start(state, call, "DELETE", "delete_pointers", work)


ROUTES: Routes = {
    "/rdns": {"POST": _create, "PUT": _update},
    "/rdns/{service}": {"GET": _list, "DELETE": _delete},
    "/rdns/{service}/{record}": {"GET": _get},
}
