"""Actions on servers that take no time."""

from __future__ import annotations

import uuid

from polycloud.sandbox.machines import Access
from polycloud.sandbox.openstack.dialect import ACCEPTED
from polycloud.sandbox.openstack.orders import find_security_group, invalid
from polycloud.sandbox.openstack.resources import Server
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import ConflictError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Reply


def lock(state: State, server: Server, given: Body) -> Reply:
    """Lock a server."""
    server.frozen = True
    server.frozen_reason = given.get("locked_reason", str) if state.version >= (2, 73) else None
    state.add_event("lock", server, status="done")
    return ACCEPTED


def unlock(state: State, server: Server, _: Body) -> Reply:
    """Unlock a server."""
    server.frozen, server.frozen_reason = False, None
    state.add_event("unlock", server, status="done")
    return ACCEPTED


def change_password(_: State, server: Server, given: Body) -> Reply:
    """Change the administrator's password."""
    server.password = given.need("adminPass", str)
    if server.machine:
        server.machine.admit(Access(public_keys=server.public_keys, passwords=(server.password,)))
    return ACCEPTED


def console_output(_: State, server: Server, given: Body) -> Reply:
    """Return the end of what the console shows."""
    if not server.is_built:
        raise ConflictError(f"Instance {server.id} is not ready")
    lines = ["[    0.000000] Linux version 6.1.0", f"{server.name} login: "]
    length = given.get("length", int)
    kept = lines if length is None or length < 0 else lines[len(lines) - min(length, len(lines)) :]
    return Reply(200, {"output": "\n".join(kept)})


def old_console(state: State, _: Server, given: Body) -> Reply:
    """Return the address of a console, before 2.6."""
    if state.version >= (2, 6):
        raise NotFoundError("The resource could not be found.")
    return Reply(200, {"console": {"type": given.need("type", str), "url": _console_url(state)}})


def console(state: State, server: Server, call: Call) -> Reply:
    """Return the address of a console."""
    if state.version < (2, 6):
        raise NotFoundError("The resource could not be found.")
    given = call.body.part("remote_console")
    protocol, kind = given.need("protocol", str), given.need("type", str)
    if protocol not in {"vnc", "spice", "rdp", "serial", "mks"}:
        raise invalid("protocol", protocol, f"{protocol!r} is not one of the protocols")
    if not server.is_built:
        raise ConflictError(f"Instance {server.id} is not ready")
    shown = {"protocol": protocol, "type": kind, "url": _console_url(state)}
    return Reply(200, {"remote_console": shown})


def _console_url(state: State) -> str:
    return f"{state.base}/vnc_auto.html?path=%3Ftoken%3D{uuid.uuid4()}"


def add_group(state: State, server: Server, given: Body) -> Reply:
    """Add a security group to a server."""
    group = _group(state, given)
    if {group.id, group.name} & set(server.security_groups):
        raise ConflictError(f"Security group {group.id} is already associated with the instance {server.id}")
    server.security_groups = (*server.security_groups, given.need("name", str))
    for port in server.ports:
        port.security_groups = tuple(dict.fromkeys((*port.security_groups, group.id)))
    return ACCEPTED


def remove_group(state: State, server: Server, given: Body) -> Reply:
    """Remove a security group from a server."""
    group = _group(state, given)
    if not {group.id, group.name} & set(server.security_groups):
        raise NotFoundError(f"Security group {group.id} not associated with the instance {server.id}")
    server.security_groups = tuple(
        name for name in server.security_groups if name not in {group.id, group.name}
    )
    for port in server.ports:
        port.security_groups = tuple(key for key in port.security_groups if key != group.id)
    return ACCEPTED


def _group(state: State, given: Body) -> Item:
    name = given.need("name", str)
    try:
        return find_security_group(state, name)
    except InputError as error:
        raise NotFoundError(str(error)) from error


def reset_state(_: State, server: Server, given: Body) -> Reply:
    """Change a server's state by hand."""
    wanted = given.need("state", str)
    if wanted not in {"active", "error"}:
        raise invalid("state", wanted, f"{wanted!r} is not one of ['active', 'error']")
    server.become(wanted)
    return ACCEPTED
