"""Balancers and their handlers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from polycloud.sandbox.openstack.errors import OverLimitError
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rackspace.balancing.faults import GoneError, ImmutableError
from polycloud.sandbox.rackspace.balancing.requests import (
    ALGORITHMS,
    PORTS,
    read_balancer,
    read_changes,
    read_node,
)
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.errors import InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes

ROOT = "/loadbalancers/v1.0/loadbalancers"
_SHORT = ("name", "protocol", "port", "algorithm", "timeout")
_OWN = ("connectionLogging", "healthMonitor", "sessionPersistence", "connectionThrottle")
_DUPLICATES = "Duplicate nodes detected. One or more nodes already configured on load balancer."


@dataclass(eq=False, kw_only=True)
class Balancer:
    """A balancer; `last` is the status while a change is under way, until `ends`."""

    state: State = field(repr=False)
    id: int
    fields: Json
    addresses: list[Json]
    nodes: dict[int, Json] = field(default_factory=dict)
    last: str = "BUILD"
    ends: float = 0.0
    fails: bool = False
    created: str = ""
    updated: str = ""

    @property
    def status(self) -> str:
        """The status."""
        if not self.state.is_past(self.ends):
            return self.last
        if self.last == "PENDING_DELETE":
            return "DELETED"
        return "ERROR" if self.fails else "ACTIVE"

    def begin(self, status: str) -> None:
        """Begin a change."""
        self.last, self.ends = status, self.state.now + self.state.settings.balancing
        self.updated = self.state.stamp()

    def require_active(self) -> None:
        """Raise ImmutableError unless the balancer can be changed."""
        if self.status == "DELETED":
            raise ImmutableError("The load balancer is deleted and considered immutable.")
        if self.status != "ACTIVE":
            raise ImmutableError(
                f"Load Balancer '{self.id}' has a status of '{self.status}' and is considered immutable."
            )

    def add_nodes(self, bodies: list[Body]) -> list[Json]:
        """Return new nodes. Raises InputError, and OverLimitError for nodes that are there, or too many."""
        made = [{"condition": "ENABLED", **read_node(one), "status": "ONLINE"} for one in bodies]
        places = [(one["address"], one["port"]) for one in [*self.nodes.values(), *made]]
        if len(set(places)) < len(places):
            raise OverLimitError(_DUPLICATES)
        if len(places) > self.state.settings.node_limit:
            raise OverLimitError
        for one in made:
            one["id"] = _number(self.state)
            self.nodes[one["id"]] = one
        return made

    def listed(self) -> Json:
        """Render the balancer as it is listed."""
        return {
            "id": self.id,
            **{name: self.fields[name] for name in _SHORT},
            "status": self.status,
            "nodeCount": len(self.nodes),
            "virtualIps": self.addresses,
            "created": {"time": self.created},
            "updated": {"time": self.updated},
        }

    def detailed(self) -> Json:
        """Render the balancer alone."""
        shown = {name: self.fields[name] for name in _OWN if self.fields[name] is not None}
        return {
            **{name: value for name, value in self.listed().items() if name != "nodeCount"},
            **shown,
            "nodes": list(self.nodes.values()),
            "cluster": {"name": "c1.dfw1"},
            "sourceAddresses": {"ipv4Public": "198.51.100.4", "ipv4Servicenet": "10.176.0.4"},
        }


def _number(state: State) -> int:
    """Return the next id."""
    state.made_balancers += 1
    return state.made_balancers


def _present(state: State) -> Iterator[Balancer]:
    return (one for one in state.balancers.values() if one.status != "DELETED")


def find_balancer(state: State, call: Call) -> Balancer:
    """Return the balancer that a path names. Raises NotFoundError, and GoneError if it was deleted."""
    text = str(call.path["balancer"])
    found: Balancer | None = state.balancers.get(text)
    if found is None:
        raise NotFoundError("Load balancer not found")
    if found.status == "DELETED":
        raise GoneError("The load balancer is deleted and considered immutable.")
    return found


def _addresses(state: State, body: Body, port: int) -> list[Json]:
    """Return the virtual addresses that a request asks for. Raises InputError."""
    asked = body.objects("virtualIps")
    if not asked:
        raise InputError("Must provide at least 1 virtual ip for the load balancer.")
    shown: list[Json] = []
    for one in asked:
        if "id" in one:
            shown.append(_shared(state, str(one.value("id")), port))
            continue
        kind = one.choice("type", ("PUBLIC", "SERVICENET"), "")
        version = one.choice("ipVersion", ("IPV4", "IPV6", ""), "")
        if (kind, version) == ("SERVICENET", "IPV6"):
            raise InputError("IPv6 is not supported on ServiceNet.")
        versions = [version] if version else ["IPV4", "IPV6"] if kind == "PUBLIC" else ["IPV4"]
        shown += [_new_address(_number(state), kind, each) for each in versions]
    return shown


def _new_address(number: int, kind: str, version: str) -> Json:
    host = f"{number // 250 % 250}.{number % 250 + 1}"
    address = f"2001:db8::{number:x}" if version == "IPV6" else f"{_net(kind)}.{host}"
    return {"id": number, "address": address, "type": kind, "ipVersion": version}


def _net(kind: str) -> str:
    return "198.18" if kind == "PUBLIC" else "10.177"


def _shared(state: State, id_: str, port: int) -> Json:
    owners = [
        (one, address) for one in _present(state) for address in one.addresses if str(address["id"]) == id_
    ]
    if not owners:
        raise InputError("The virtual ip does not exist.")
    if any(one.fields["port"] == port for one, _ in owners):
        raise InputError("Virtual ip port is already in use by another load balancer.")
    return owners[0][1]


def _list(state: State, call: Call) -> Reply:
    """Return a page, which begins with the marker."""
    largest = state.settings.balancer_page
    size = min(call.query.number("limit", largest) or largest, largest)
    first = call.query.number("marker", 0) or 0
    wanted = call.query.get("status")
    items = [
        one
        for one in state.balancers.values()
        if one.id >= first and (one.status == wanted if wanted else one.status != "DELETED")
    ]
    return Reply(200, {"loadBalancers": [one.listed() for one in items[:size]]})


def _create(state: State, call: Call) -> Reply:
    body = call.body.part("loadBalancer")
    values = read_balancer(body)
    if sum(1 for _ in _present(state)) >= state.settings.balancer_limit:
        raise OverLimitError
    addresses = _addresses(state, body, values["port"])
    balancer = Balancer(state=state, id=_number(state), fields=values, addresses=addresses)
    balancer.add_nodes(body.objects("nodes"))
    balancer.fails = "create_balancer" in state.settings.errored.replace(" ", "").split(",")
    balancer.begin("BUILD")
    balancer.created = balancer.updated
    state.balancers[str(balancer.id)] = balancer
    return Reply(202, {"loadBalancer": balancer.detailed()})


def _get(state: State, call: Call) -> Reply:
    return Reply(200, {"loadBalancer": find_balancer(state, call).detailed()})


def _update(state: State, call: Call) -> Reply:
    balancer = find_balancer(state, call)
    changes = read_changes(call.body.part("loadBalancer"))
    balancer.require_active()
    balancer.fields |= changes
    balancer.begin("PENDING_UPDATE")
    return Reply(202)


def _delete(state: State, call: Call) -> Reply:
    balancer = find_balancer(state, call)
    if balancer.status != "ERROR":
        balancer.require_active()
    balancer.begin("PENDING_DELETE")
    return Reply(202)


def _get_metadata(state: State, call: Call) -> Reply:
    metadata: list[Any] = find_balancer(state, call).fields["metadata"]
    return Reply(200, {"metadata": [{"id": number, **one} for number, one in enumerate(metadata, 1)]})


def _get_access_list(state: State, call: Call) -> Reply:
    entries: list[Any] = find_balancer(state, call).fields["accessList"]
    return Reply(200, {"accessList": [{"id": number, **one} for number, one in enumerate(entries, 1)]})


ROUTES: Routes = {
    ROOT: {"GET": _list, "POST": _create},
    f"{ROOT}/protocols": {
        "GET": lambda _, __: Reply(
            200, {"protocols": [{"name": name, "port": port} for name, port in PORTS.items()]}
        )
    },
    f"{ROOT}/algorithms": {
        "GET": lambda _, __: Reply(200, {"algorithms": [{"name": name} for name in ALGORITHMS]})
    },
    f"{ROOT}/{{balancer}}": {"GET": _get, "PUT": _update, "DELETE": _delete},
    f"{ROOT}/{{balancer}}/metadata": {"GET": _get_metadata},
    f"{ROOT}/{{balancer}}/accesslist": {"GET": _get_access_list},
}
"""The paths of balancers."""
