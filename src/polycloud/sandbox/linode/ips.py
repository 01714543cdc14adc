"""The addresses of Linodes."""

from __future__ import annotations

from polycloud.sandbox.linode import addresses, views
from polycloud.sandbox.linode.calls import DONE, Call, Listing, Reply, Routes
from polycloud.sandbox.linode.errors import InputError, NotFoundError
from polycloud.sandbox.linode.resources import Address, Json, Linode
from polycloud.sandbox.linode.state import State

_FIELDS = frozenset({"address", "prefix", "rdns", "region", "type"})


def _linode(state: State, call: Call) -> Linode:
    return state.linode(call.path["linode"])


def _list(state: State, call: Call) -> Reply:
    return Reply(views.ips(_linode(state, call)))


def _add(state: State, call: Call) -> Reply:
    linode, body = _linode(state, call), call.body
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
    return Reply(views.ipv4(linode, address))


def _get(state: State, call: Call) -> Reply:
    return Reply(_shown(_linode(state, call), call.path["address"]))


def _shown(linode: Linode, ip: str) -> Json:
    if ip == addresses.slaac(linode.id):
        return views.ipv6(linode, ip, public=True)
    return views.ipv4(linode, _address(linode, ip))


def _address(linode: Linode, ip: str) -> Address:
    for address in linode.addresses:
        if address.ip == ip:
            return address
    raise NotFoundError


def _update(state: State, call: Call) -> Reply:
    return _rename(state, _linode(state, call), call)


def _rename(state: State, linode: Linode, call: Call) -> Reply:
    address = _address(linode, call.path["address"])
    if not call.body.names("rdns"):
        raise InputError("rdns is required", "rdns")
    if not address.public:
        raise InputError("A private address has no reverse DNS.", "rdns")
    address.rdns = call.body.get("rdns", str) or addresses.default_rdns(address.ip)
    state.note("ipaddress_update", linode)
    return Reply(views.ipv4(linode, address))


def _delete(state: State, call: Call) -> Reply:
    linode = _linode(state, call)
    address = _address(linode, call.path["address"])
    if address.public and sum(other.public for other in linode.addresses) == 1:
        raise InputError("The last public address of a Linode cannot be removed.")
    if address.ip == linode.public_ip:
        state.remove_machine(linode)
    linode.addresses.remove(address)
    address.pool.give(address.ip)
    state.note("linode_deleteip", linode)
    return DONE


# All of the account


def _list_all(state: State, _: Call) -> Listing:
    shown = [
        view
        for linode in state.linodes.values()
        for view in (
            *(views.ipv4(linode, address) for address in linode.addresses if address.public),
            views.ipv6(linode, addresses.slaac(linode.id), public=True),
        )
    ]
    return Listing(shown, lambda view: view, _FIELDS)


def _owner(state: State, ip: str) -> Linode:
    for linode in state.linodes.values():
        if ip == addresses.slaac(linode.id) or any(address.ip == ip for address in linode.addresses):
            return linode
    raise NotFoundError


def _get_any(state: State, call: Call) -> Reply:
    ip = call.path["address"]
    return Reply(_shown(_owner(state, ip), ip))


def _update_any(state: State, call: Call) -> Reply:
    return _rename(state, _owner(state, call.path["address"]), call)


_ALL = "/linode/instances/{linode:int}/ips"

ROUTES: Routes = {
    _ALL: {"GET": _list, "POST": _add},
    f"{_ALL}/{{address}}": {"GET": _get, "PUT": _update, "DELETE": _delete},
    "/networking/ips": {"GET": _list_all},
    "/networking/ips/{address}": {"GET": _get_any, "PUT": _update_any},
}
