"""The handlers of Octavia."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from polycloud.sandbox.openstack.octavia import fields
from polycloud.sandbox.openstack.octavia.graph import new_balancer, new_member
from polycloud.sandbox.openstack.octavia.items import (
    Member,
    Part,
    Pool,
    balancer_of,
    balancers_of,
    pool_of,
    show_balancer,
    show_created,
    show_listener,
    show_pool,
)
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.errors import InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

_ROOT = "/load-balancer/v2.0/lbaas"
_PAGING = frozenset({"limit", "marker", "sort", "fields"})
_OWNERS = {"load_balancer_id", "loadbalancer_id"}


def _page(state: State, call: Call, name: str, shown: Iterable[Json]) -> Reply:
    """Return the page of a list that a request asks for."""
    items = [one for one in shown if _fits(one, call)]
    text, marker = call.query.get("limit", str(state.settings.page_size)), call.query.get("marker")
    if not text.lstrip("-").isdecimal():
        raise InputError(f"Supplied pagination limit '{text}' is not valid.")
    if marker is not None:
        at = next((number for number, one in enumerate(items) if one["id"] == marker), None)
        if at is None:
            raise InputError(f"Supplied pagination marker '{marker}' is not valid.")
        items = items[at + 1 :]
    size = min(int(text), state.settings.page_size) if int(text) > 0 else state.settings.page_size
    links = []
    if len(items) > size:
        kept = "&".join(f"{key}={value}" for key, value in call.query.pairs if key != "marker")
        following = f"{call.url}?{kept}{'&' if kept else ''}marker={items[size - 1]['id']}"
        links.append({"rel": "next", "href": following})
    return Reply(200, {name: items[:size], f"{name}_links": links})


def _fits(one: Json, call: Call) -> bool:
    """Return whether an item has what a query asks for."""
    for name, wanted in call.query.items():
        if name in _PAGING:
            continue
        if name in _OWNERS:
            if {"id": wanted} not in one["loadbalancers"]:
                return False
        elif name == "tags":
            if not set(wanted.split(",")) <= set(one["tags"]):
                return False
        elif name not in one:
            raise InputError("One or more arguments are either duplicate or invalid")
        elif str(one[name]) != wanted:
            return False
    return True


def _lister(name: str, show: Callable[[Any], Json], parts: Callable[[State], Iterable[Any]]) -> Any:
    return lambda state, call: _page(state, call, name, map(show, parts(state)))


def _monitors(state: State) -> Iterable[tuple[Pool, Part]]:
    return ((pool, pool.monitor) for pool in _pools(state) if pool.monitor is not None)


def _pools(state: State) -> Iterable[Pool]:
    return (pool for one in balancers_of(state) for pool in one.pools.values())


def _listeners(state: State) -> Iterable[Any]:
    return (listener for one in balancers_of(state) for listener in one.listeners.values())


def _show_monitor(pair: tuple[Pool, Part]) -> Json:
    pool, monitor = pair
    return monitor.shown(pools=[{"id": pool.id}])


def _get_monitor(state: State, call: Call) -> Reply:
    id_ = call.path["monitor"]
    found = next((pair for pair in _monitors(state) if pair[1].id == id_), None)
    if found is None:
        raise NotFoundError(f"Health Monitor {id_} not found.")
    return Reply(200, {"healthmonitor": _show_monitor(found)})


# Balancers


def _create_balancer(state: State, call: Call) -> Reply:
    balancer = new_balancer(state, call.body.value("loadbalancer"))
    state.balancers[balancer.id] = balancer
    return Reply(201, {"loadbalancer": show_created(balancer)})


def _get_balancer(state: State, call: Call) -> Reply:
    return Reply(200, {"loadbalancer": show_balancer(balancer_of(state, call.path["balancer"]))})


def _update_balancer(state: State, call: Call) -> Reply:
    balancer = balancer_of(state, call.path["balancer"])
    given = call.body.value("loadbalancer")
    values = fields.read(given, fields.CHANGED_BALANCER, "load_balancer.loadbalancer", partly=True)
    balancer.require_free()
    balancer.fields.update(values)
    balancer.begin("UPDATE")
    return Reply(200, {"loadbalancer": show_balancer(balancer)})


def _delete_balancer(state: State, call: Call) -> Reply:
    balancer = balancer_of(state, call.path["balancer"])
    has_children = balancer.listeners or balancer.pools
    balancer.require_free()
    if has_children and call.query.get("cascade", "").lower() != "true":
        raise fields.invalid(f"Cannot delete Load Balancer {balancer.id} - it has children")
    balancer.begin("DELETE")
    return Reply(204)


# Pools and members


def _get_pool(state: State, call: Call) -> Reply:
    return Reply(200, {"pool": show_pool(pool_of(state, call.path["pool"]))})


def _update_pool(state: State, call: Call) -> Reply:
    pool = pool_of(state, call.path["pool"])
    values = fields.read(call.body.value("pool"), fields.CHANGED_POOL, "pool_.pool", partly=True)
    _begin(pool, "UPDATE", pool)
    pool.fields.update(values)
    return Reply(200, {"pool": show_pool(pool)})


def _begin(pool: Pool, action: str, part: Part) -> None:
    """Begin a change of a pool or a member of it. Raises ConflictError while another one is under way."""
    pool.balancer.require_free(f"Load Balancer {pool.balancer.id}")
    for one in (pool.balancer, pool):
        one.begin("UPDATE")
    part.begin(action)


def _list_members(state: State, call: Call) -> Reply:
    pool = pool_of(state, call.path["pool"])
    return _page(state, call, "members", (one.shown() for one in pool.present()))


def _member(state: State, call: Call) -> Member:
    pool, id_ = pool_of(state, call.path["pool"]), call.path["member"]
    found = next((one for one in pool.present() if one.id == id_), None)
    if found is None:
        raise NotFoundError(f"Member {id_} not found.")
    return found


def _create_member(state: State, call: Call) -> Reply:
    pool = pool_of(state, call.path["pool"])
    pool.balancer.require_free(f"Pool {pool.id}")
    member = new_member(pool, call.body.value("member"))
    _begin(pool, "CREATE", member)
    pool.members[member.id] = member
    return Reply(201, {"member": member.shown()})


def _get_member(state: State, call: Call) -> Reply:
    return Reply(200, {"member": _member(state, call).shown()})


def _update_member(state: State, call: Call) -> Reply:
    member = _member(state, call)
    values = fields.read(call.body.value("member"), fields.CHANGED_MEMBER, "member_.member", partly=True)
    _begin(member.pool, "UPDATE", member)
    member.fields.update(values)
    return Reply(200, {"member": member.shown()})


def _delete_member(state: State, call: Call) -> Reply:
    member = _member(state, call)
    _begin(member.pool, "DELETE", member)
    return Reply(204)


ROUTES: Routes = {
    f"{_ROOT}/loadbalancers": {
        "GET": _lister("loadbalancers", show_balancer, balancers_of),
        "POST": _create_balancer,
    },
    f"{_ROOT}/loadbalancers/{{balancer}}": {
        "GET": _get_balancer,
        "PUT": _update_balancer,
        "DELETE": _delete_balancer,
    },
    f"{_ROOT}/listeners": {"GET": _lister("listeners", show_listener, _listeners)},
    f"{_ROOT}/pools": {"GET": _lister("pools", show_pool, _pools)},
    f"{_ROOT}/pools/{{pool}}": {"GET": _get_pool, "PUT": _update_pool},
    f"{_ROOT}/pools/{{pool}}/members": {"GET": _list_members, "POST": _create_member},
    f"{_ROOT}/pools/{{pool}}/members/{{member}}": {
        "GET": _get_member,
        "PUT": _update_member,
        "DELETE": _delete_member,
    },
    f"{_ROOT}/healthmonitors": {"GET": _lister("healthmonitors", _show_monitor, _monitors)},
    f"{_ROOT}/healthmonitors/{{monitor}}": {"GET": _get_monitor},
}
"""The paths of Octavia."""
