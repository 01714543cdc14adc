"""Creating, showing, changing and deleting servers, with their metadata and tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from polycloud.sandbox.openstack import attaching
from polycloud.sandbox.openstack.dialect import DONE, Table, envelope, texts
from polycloud.sandbox.openstack.instant import console
from polycloud.sandbox.openstack.orders import Order, check_name, invalid, read_order
from polycloud.sandbox.openstack.resources import (
    Server,
    addresses,
    links,
    show_listed,
    show_name,
    show_server,
    show_updated,
)
from polycloud.sandbox.openstack.server_actions import act, frozen
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.collection import routes_of
from polycloud.sandbox.rest.errors import ForbiddenError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Listing, Reply, Routes

NO_HOST = "No valid host was found. There are not enough hosts available."
_LARGEST_RAM = 262144
_LONGEST_TAG, _MOST_TAGS = 60, 50


# Lists


def _wanted(state: State, _: object, call: Call) -> list[Server]:
    query = call.query
    everyone = query.get("all_tenants", "0").lower() in {"1", "true", ""}
    if everyone and not state.caller.is_admin:
        raise ForbiddenError(
            "Policy doesn't allow os_compute_api:servers:index:get_all_tenants to be performed."
        )
    project = query.get("project_id") or query.get("tenant_id") if everyone else state.project_id
    servers = [one for one in state.servers.values() if project in {None, one.project_id}]
    filters: dict[str, Callable[[Server, str], object]] = {
        "name": lambda one, value: re.search(value, one.name),
        "status": lambda one, value: value.upper() in {one.status, ""},
        "image": lambda one, value: one.image_id == value,
        "flavor": lambda one, value: one.flavor.id == value,
        "key_name": lambda one, value: one.key_name == value,
        "tags": lambda one, value: set(value.split(",")) <= set(one.tags),
        "tags-any": lambda one, value: set(value.split(",")) & set(one.tags),
        "changes-since": lambda one, value: one.updated >= value,
        "ip": lambda one, value: re.search(value, str(addresses(one))),
    }
    for name, fits in filters.items():
        if name in query:
            servers = [one for one in servers if fits(one, query[name])]
    if query.get("deleted", "").lower() in {"1", "true"}:
        servers = []
    return _sorted(servers, query.get("sort_key", "created_at"), query.get("sort_dir", "desc"))


def _sorted(servers: list[Server], key: str, direction: str) -> list[Server]:
    keys: dict[str, Callable[[Server], Any]] = {
        "created_at": lambda one: one.number,
        "updated_at": lambda one: (one.updated, one.number),
        "display_name": lambda one: (one.name, one.number),
        "uuid": lambda one: one.id,
    }
    if key not in keys:
        raise InputError(f"Invalid input for query parameters sort_key. Value: {key}.")
    return sorted(servers, key=keys[key], reverse=direction == "desc")


def _detail(state: State, call: Call) -> Listing:
    return Listing(_wanted(state, state, call), show_listed, "servers")


# Creating


def _create(state: State, _: object, call: Call) -> Reply:
    hints = call.body.part("os:scheduler_hints") if "os:scheduler_hints" in call.body else None
    hints = hints or call.body.part("OS-SCH-HNT:scheduler_hints")
    order = read_order(state, call.body)
    group = hints.get("group", str)
    if group is not None and group not in state.server_groups:
        raise InputError(f"Instance group {group} could not be found.")
    servers = [_begin(state, name, order, group) for name in order.names]
    first = servers[0]
    if order.with_reservation:
        return Reply(202, {"reservation_id": f"r-{first.number:08x}"})
    shown = {
        "id": first.id,
        "links": links(state, "servers", first.id),
        "OS-DCF:diskConfig": first.disk_config,
        "security_groups": [{"name": name} for name in first.security_groups],
        "adminPass": first.password,
    }
    return Reply(202, {"server": shown}, {"Location": f"{state.nova}/servers/{first.id}"})


def _begin(state: State, name: str, order: Order, group: str | None) -> Server:
    server = state.add_server(
        name=name,
        project_id=state.project_id,
        user_id=state.caller.user.id,
        **{**order.fields, "metadata": dict(order.fields["metadata"]), "group": group},
    )
    if group:
        state.server_groups[group].members = (*state.server_groups[group].members, server.id)
    for nic in order.nics:
        attaching.plug(state, server, nic.network, nic.port, nic.ip)
    for disk in order.disks:
        attaching.add_disk(state, server, disk)
    no_host = server.flavor.ram > _LARGEST_RAM
    state.begin(
        "create",
        state.settings.build,
        server,
        partial(_finish, state, server),
        undo=partial(_fail, state, server),
        fails=no_host,
        start=partial(_boot, state, server, state.settings.build),
    )
    return server


def _boot(state: State, server: Server, seconds: float) -> None:
    state.add_machine(server)
    if server.machine:
        server.machine.start(seconds)


def _finish(state: State, server: Server) -> None:
    server.launched_at, server.built_at = state.precise(), state.wall_time
    server.become("active")
    for port in server.ports:
        port.status = "ACTIVE"


def _fail(state: State, server: Server) -> None:
    server.fault = {
        "code": 500,
        "created": state.stamp(),
        "message": NO_HOST,
        "details": f"nova.exception_Remote.NoValidHost_Remote: {NO_HOST}",
    }
    server.become("error")


# Changing and deleting


def _update(state: State, server: Server, call: Call) -> Reply:
    given = envelope(call.body, "server")
    if given.names("name"):
        server.name = check_name(given.value("name"))
    if given.names("description") and state.version >= (2, 19):
        server.description = given.get("description", str)
    server.access_ipv4 = given.get("accessIPv4", str) or server.access_ipv4
    server.access_ipv6 = given.get("accessIPv6", str) or server.access_ipv6
    server.disk_config = given.get("OS-DCF:diskConfig", str) or server.disk_config
    server.updated = state.stamp()
    return Reply(200, {"server": show_updated(server)})


def delete(state: State, server: Server, _: Call) -> None:
    """Delete a server, whatever it is doing."""
    if server.frozen and not state.caller.is_admin:
        raise frozen(server)
    if server.task_state == "deleting":
        return
    state.cancel(server)
    attaching.release(state, server)
    state.remove_machine(server)
    server.task_state, server.updated = "deleting", state.stamp()
    state.begin("delete", state.settings.destroy, server, partial(state.servers.pop, server.id, None))


# Metadata


def _metadata(_: State, server: Server, __: Call) -> Reply:
    return Reply(200, {"metadata": server.metadata})


def _merge_metadata(state: State, server: Server, call: Call) -> Reply:
    return _set_metadata(state, server, {**server.metadata, **_need_texts(call, "metadata")})


def _replace_metadata(state: State, server: Server, call: Call) -> Reply:
    return _set_metadata(state, server, _need_texts(call, "metadata"))


def _need_texts(call: Call, name: str) -> dict[str, str]:
    envelope(call.body, name)
    return texts(call.body, name)


def _set_metadata(state: State, server: Server, metadata: dict[str, str]) -> Reply:
    server.metadata, server.updated = metadata, state.stamp()
    return Reply(200, {"metadata": metadata})


def _metadata_item(_: State, server: Server, call: Call) -> Reply:
    return Reply(200, {"meta": {call.path["key"]: _value(server, call)}})


def _value(server: Server, call: Call) -> str:
    if call.path["key"] not in server.metadata:
        raise NotFoundError("Metadata item was not found")
    return server.metadata[call.path["key"]]


def _put_metadata_item(state: State, server: Server, call: Call) -> Reply:
    meta = _need_texts(call, "meta")
    if list(meta) != [call.path["key"]]:
        raise InputError("Request body and URI mismatch")
    _set_metadata(state, server, {**server.metadata, **meta})
    return Reply(200, {"meta": meta})


def _delete_metadata_item(state: State, server: Server, call: Call) -> Reply:
    _value(server, call)
    _set_metadata(state, server, {k: v for k, v in server.metadata.items() if k != call.path["key"]})
    return DONE


# Tags


def _tags(state: State, server: Server, _: Call) -> Reply:
    _need_version(state, (2, 26))
    return Reply(200, {"tags": list(server.tags)})


def _need_version(state: State, least: tuple[int, int]) -> None:
    if state.version < least:
        raise NotFoundError("The resource could not be found.")


def _check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    for tag in tags:
        if not tag or len(tag) > _LONGEST_TAG or "/" in tag or "," in tag:
            raise invalid("tag", tag, f"{tag!r} does not match '^[^,/]*$'")
    kept = tuple(sorted(set(tags)))
    if len(kept) > _MOST_TAGS:
        raise InputError(f"The number of tags exceeded the per-server limit {_MOST_TAGS}")
    return kept


def _replace_tags(state: State, server: Server, call: Call) -> Reply:
    _need_version(state, (2, 26))
    server.tags = _check_tags(call.body.each("tags", str))
    return _tags(state, server, call)


def _delete_tags(state: State, server: Server, _: Call) -> None:
    _need_version(state, (2, 26))
    server.tags = ()


def _has_tag(state: State, server: Server, call: Call) -> None:
    _need_version(state, (2, 26))
    if call.path["tag"] not in server.tags:
        raise NotFoundError(f"Server {server.id} has no tag '{call.path['tag']}'")


def _add_tag(state: State, server: Server, call: Call) -> Reply:
    _need_version(state, (2, 26))
    tag = call.path["tag"]
    if tag in server.tags:
        return DONE
    server.tags = _check_tags((*server.tags, tag))
    return Reply(201, None, {"Location": f"{state.nova}/servers/{server.id}/tags/{tag}"})


def _delete_tag(state: State, server: Server, call: Call) -> None:
    _has_tag(state, server, call)
    server.tags = tuple(tag for tag in server.tags if tag != call.path["tag"])


# What else there is to read


def _addresses(_: State, server: Server, __: Call) -> Reply:
    return Reply(200, {"addresses": [] if server.task_state == "deleting" else addresses(server)})


def _instance_actions(state: State, server: Server, _: Call) -> Reply:
    events = [event for event in state.events.values() if event.subject is server]
    shown: list[Json] = [
        {
            "action": event.type,
            "instance_uuid": server.id,
            "request_id": f"req-{server.id[:-4]}{event.id:04x}",
            "user_id": server.user_id,
            "project_id": server.project_id,
            "start_time": event.started_at.replace("Z", ".000000"),
            "message": "Error" if event.status == "failed" else None,
        }
        for event in reversed(events)
    ]
    if state.version >= (2, 58):
        for row, event in zip(shown, reversed(events), strict=True):
            row["updated_at"] = event.ends_at.replace("Z", ".000000")
    return Reply(200, {"instanceActions": shown})


def _server_groups_names(state: State, server: Server, _: Call) -> Reply:
    groups = [group for group in state.security_groups.values() if group.project_id == server.project_id]
    shown = [
        {
            "id": group.id,
            "name": group.name,
            "description": group.description,
            "tenant_id": group.project_id,
            "rules": [],
        }
        for group in groups
        if server.ports and {group.id, group.name} & set(server.security_groups)
    ]
    return Reply(200, {"security_groups": shown})


class _Servers(Table):
    """Servers, of which short lists have the names only."""

    def listing(self, items: Iterable[Any]) -> Listing:
        """Return the list of servers, to be paged."""
        return Listing(list(items), show_name, self.many)


SERVERS = _Servers(
    path="/servers",
    key="server",
    verbs="GET POST/GET",
    view=show_server,
    wanted=_wanted,
    create=_create,
    missing="Instance {id} could not be found.",
    on_one={"PUT": _update, "DELETE": delete},
    parts={
        "action": {"POST": act},
        "remote-consoles": {"POST": console},
        "metadata": {"GET": _metadata, "POST": _merge_metadata, "PUT": _replace_metadata},
        "metadata/{key}": {
            "GET": _metadata_item,
            "PUT": _put_metadata_item,
            "DELETE": _delete_metadata_item,
        },
        "tags": {"GET": _tags, "PUT": _replace_tags, "DELETE": _delete_tags},
        "tags/{tag}": {"GET": _has_tag, "PUT": _add_tag, "DELETE": _delete_tag},
        "ips": {"GET": _addresses},
        "os-instance-actions": {"GET": _instance_actions},
        "os-security-groups": {"GET": _server_groups_names},
        **attaching.PARTS,
    },
)

ROUTES: Routes = {
    "/compute/v2.1/servers/detail": {"GET": _detail},
    **{f"/compute/v2.1{path}": verbs for path, verbs in routes_of(SERVERS).items()},
}
"""Every path of servers, with its methods and their handlers."""
