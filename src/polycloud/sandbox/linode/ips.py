"""The addresses of Linodes."""

from __future__ import annotations

from polycloud.sandbox.linode.dialect import Table
from polycloud.sandbox.linode.instances import INSTANCES
from polycloud.sandbox.linode.resources import Linode, show_ipv4, show_ipv6, slaac
from polycloud.sandbox.linode.state import State, default_rdns
from polycloud.sandbox.rest.collection import Item, routes_of
from polycloud.sandbox.rest.errors import InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes


def _list(_: State, linode: Linode, __: Call) -> Reply:
    shown = {
        "ipv4": {
            "public": [show_ipv4(linode, address) for address in linode.addresses if address.public],
            "private": [show_ipv4(linode, address) for address in linode.addresses if not address.public],
            "shared": [],
            "reserved": [],
            "vpc": [],
        },
        "ipv6": {
            "slaac": show_ipv6(linode, public=True),
            "link_local": show_ipv6(linode, public=False),
            "global": [],
        },
    }
    return Reply(200, shown)


def _add(state: State, linode: Linode, call: Call) -> Reply:
    body = call.body
    if body.need("type", str) != "ipv4":
        raise InputError("Only ipv4 addresses can be allocated.", "type")
    if not body.names("public"):
        raise InputError("public is required", "public")
    if body.flag("public"):
        # A machine has one address only.
        address = state.add_public(linode, state.unreached_addresses)
    elif all(address.public for address in linode.addresses):
        address = state.add_private(linode)
    else:
        raise InputError("The Linode has a private address already.")
    state.note("linode_addip", linode)
    return Reply(200, show_ipv4(linode, address))


def _get(_: State, linode: Linode, call: Call) -> Reply:
    ip = call.path["address"]
    if ip == slaac(linode):
        return Reply(200, show_ipv6(linode, public=True))
    return Reply(200, show_ipv4(linode, _address(linode, ip)))


def _address(linode: Linode, ip: str) -> Item:
    for address in linode.addresses:
        if address.ip == ip:
            return address
    raise NotFoundError


def _update(state: State, linode: Linode, call: Call) -> Reply:
    address = _address(linode, call.path["address"])
    if not call.body.names("rdns"):
        raise InputError("rdns is required", "rdns")
    if not address.public:
        raise InputError("A private address has no reverse DNS.", "rdns")
    address.rdns = call.body.get("rdns", str) or default_rdns(address.ip)
    state.note("ipaddress_update", linode)
    return Reply(200, show_ipv4(linode, address))


def _delete(state: State, linode: Linode, call: Call) -> None:
    address = _address(linode, call.path["address"])
    if address.public and sum(other.public for other in linode.addresses) == 1:
        raise InputError("The last public address of a Linode cannot be removed.")
    if address.ip == linode.public_ip:
        state.remove_machine(linode)
    linode.addresses.remove(address)
    address.pool.give(address.ip)
    state.note("linode_deleteip", linode)


# All addresses of the account


def _all(state: State, *_: object) -> list[Json]:
    return [
        view
        for linode in state.linodes.values()
        for view in (
            *(show_ipv4(linode, address) for address in linode.addresses if address.public),
            show_ipv6(linode, public=True),
        )
    ]


def _owner(state: State, ip: str) -> Linode | None:
    for linode in state.linodes.values():
        if ip == slaac(linode) or any(address.ip == ip for address in linode.addresses):
            return linode
    return None


_ADDRESSES = Table(
    path="/networking/ips",
    key="address",
    verbs="GET/",
    filters="address prefix rdns region type",
    view=lambda view: view,
    wanted=_all,
    find=_owner,
    on_one={"GET": _get, "PUT": _update},
)

_ONE = {"GET": _get, "PUT": _update, "DELETE": _delete}

ROUTES: Routes = routes_of(
    _ADDRESSES,
    Table(owner=INSTANCES, path="/ips", verbs="", on_all={"GET": _list, "POST": _add}),
    Table(owner=INSTANCES, path="/ips/{address}", verbs="", on_all=_ONE),
)
