"""The handlers of nodes."""

from __future__ import annotations

from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rackspace.balancing.balancers import ROOT, Balancer, find_balancer
from polycloud.sandbox.rackspace.balancing.requests import read_node_changes
from polycloud.sandbox.rest.errors import InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Reply, Routes


def _list(state: State, call: Call) -> Reply:
    return Reply(200, {"nodes": list(find_balancer(state, call).nodes.values())})


def _add(state: State, call: Call) -> Reply:
    balancer, bodies = find_balancer(state, call), call.body.objects("nodes")
    if not bodies:
        raise InputError("Must provide at least 1 node.")
    balancer.require_active()
    made = balancer.add_nodes(bodies)
    balancer.begin("PENDING_UPDATE")
    return Reply(202, {"nodes": made})


def _node(balancer: Balancer, call: Call) -> Json:
    text = str(call.path["node"])
    found = balancer.nodes.get(int(text)) if text.isdecimal() else None
    if found is None:
        raise NotFoundError("Node not found")
    return found


def _get(state: State, call: Call) -> Reply:
    return Reply(200, {"node": _node(find_balancer(state, call), call)})


def _update(state: State, call: Call) -> Reply:
    balancer = find_balancer(state, call)
    balancer.require_active()
    node, changes = _node(balancer, call), read_node_changes(call.body.part("node"))
    node.update(changes)
    balancer.begin("PENDING_UPDATE")
    return Reply(202)


def _delete(state: State, call: Call) -> Reply:
    balancer = find_balancer(state, call)
    balancer.require_active()
    node = _node(balancer, call)
    del balancer.nodes[node["id"]]
    balancer.begin("PENDING_UPDATE")
    return Reply(202)


ROUTES: Routes = {
    f"{ROOT}/{{balancer}}/nodes": {"GET": _list, "POST": _add},
    f"{ROOT}/{{balancer}}/nodes/{{node}}": {"GET": _get, "PUT": _update, "DELETE": _delete},
}
"""The paths of nodes."""
