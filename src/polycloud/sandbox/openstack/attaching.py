"""What servers are attached to: networks and volumes."""

from __future__ import annotations

import string
import uuid
from functools import partial
from typing import Any

from polycloud.sandbox.openstack.dialect import ACCEPTED, envelope
from polycloud.sandbox.openstack.orders import Disk
from polycloud.sandbox.openstack.resources import Server, attached
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.openstack.volumes import add_volume
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import ConflictError, InputError, NotFoundError
from polycloud.sandbox.rest.replies import Call, Json, Reply

_CAN_CHANGE = {"active", "paused", "stopped", "resized", "suspended", "shelved", "shelved_offloaded"}

# Networks


def plug(
    state: State, server: Server, network: Item, port: Item | None = None, ip: str | None = None
) -> Item:
    """Connect a server to a port, or to a network by a new port."""
    if port is None:
        groups = tuple(
            group.id
            for group in state.security_groups.values()
            if group.project_id == server.project_id and {group.id, group.name} & set(server.security_groups)
        )
        more: Json = {"security_groups": groups} if groups else {}
        return state.add_port(network, server.project_id, server, ip=ip, made_by_nova=True, **more)
    port.device_id, port.device_owner = server.id, "compute:nova"
    server.ports = (*server.ports, port)
    return port


def unplug(state: State, server: Server, port: Item) -> None:
    """Disconnect a server from a port, which is deleted if Nova has made it."""
    server.ports = tuple(one for one in server.ports if one is not port)
    if port.made_by_nova:
        state.remove_port(port)
    else:
        port.device_id = port.device_owner = ""
        port.status = "DOWN"


def release(state: State, server: Server) -> None:
    """Free what a server that is being deleted was attached to."""
    for port in server.ports:
        unplug(state, server, port)
    for volume in list(state.volumes.values()):
        if volume.server is server:
            state.cancel(volume)
            _detach(volume)
            if volume.delete_on_termination:
                del state.volumes[volume.id]
    for group in state.server_groups.values():
        group.members = tuple(key for key in group.members if key != server.id)


def _show_interface(state: State, port: Item) -> Json:
    return {
        "net_id": port.network_id,
        "port_id": port.id,
        "mac_addr": port.mac_address,
        "port_state": port.status,
        "fixed_ips": port.fixed_ips,
        **({"tag": None} if state.version >= (2, 70) else {}),
    }


def _interfaces(state: State, server: Server, _: Call) -> Reply:
    return Reply(200, {"interfaceAttachments": [_show_interface(state, port) for port in server.ports]})


def _interface(state: State, server: Server, call: Call) -> Reply:
    return Reply(200, {"interfaceAttachment": _show_interface(state, _port(server, call))})


def _port(server: Server, call: Call) -> Item:
    for port in server.ports:
        if port.id == call.path["port"]:
            return port
    raise NotFoundError(f"Instance {server.id} does not have a port with id {call.path['port']}")


def _add_interface(state: State, server: Server, call: Call) -> Reply:
    _check_can_change(server, "attach_interface")
    given = call.body.part("interfaceAttachment")
    port = _free_port(state, given.get("port_id", str))
    network_id = port.network_id if port else given.get("net_id", str)
    if network_id is None:
        networks = [
            one for one in state.networks.values() if one.project_id == state.project_id or one.shared
        ]
        if len(networks) != 1:
            raise ConflictError("Multiple possible networks found, use a Network ID to be more specific.")
        network_id = networks[0].id
    network = state.networks.get(network_id)
    if network is None or not state.sees(network):
        raise InputError(f"Network {network_id} could not be found.")
    fixed = [part.need("ip_address", str) for part in given.objects("fixed_ips")]
    port = plug(state, server, network, port, fixed[0] if fixed else None)
    port.status = "ACTIVE"
    return Reply(200, {"interfaceAttachment": _show_interface(state, port)})


def _free_port(state: State, id: str | None) -> Item | None:
    if id is None:
        return None
    port = state.ports.get(id)
    if port is None or not state.sees(port):
        raise NotFoundError(f"Port id {id} could not be found.")
    if port.device_id:
        raise InputError(f"Port {id} is still in use.")
    return port


def _remove_interface(state: State, server: Server, call: Call) -> Reply:
    _check_can_change(server, "detach_interface")
    unplug(state, server, _port(server, call))
    return ACCEPTED


def _check_can_change(server: Server, action: str) -> None:
    if server.task_state is not None:
        raise ConflictError(
            f"Cannot '{action}' instance {server.id} while it is in task_state {server.task_state}"
        )
    if server.vm_state not in _CAN_CHANGE:
        raise ConflictError(
            f"Cannot '{action}' instance {server.id} while it is in vm_state {server.vm_state}"
        )


# Volumes


def add_disk(state: State, server: Server, disk: Disk) -> None:
    """Give a new server a disk, which is attached from the beginning."""
    volume = disk.volume
    if volume is None:
        source = disk.source
        more: Json = {}
        if source and source.id in state.images:
            more = {"image": source, "bootable": True}
        elif source:
            more = {"snapshot_id": source.id, "bootable": source.bootable}
        volume = add_volume(state, name="", size=disk.size, status="available", **more)
    attach(
        server, volume, "/dev/vda" if disk.boots else None, delete_on_termination=disk.delete_on_termination
    )


def attach(server: Server, volume: Item, device: str | None, *, delete_on_termination: bool = False) -> None:
    """Attach a volume to a server."""
    volume.server, volume.status = server, "in-use"
    volume.device = device or _free_device(server)
    volume.attachment_id = str(uuid.uuid4())
    volume.attached_at = server.state.precise()
    volume.delete_on_termination = delete_on_termination


def _free_device(server: Server) -> str:
    used = {volume.device for volume in server.state.volumes.values() if volume.server is server}
    first = 0 if server.image_id is None else 1
    names = (f"/dev/vd{letter}" for letter in string.ascii_lowercase[first:])
    return next(name for name in names if name not in used)


def _detach(volume: Item) -> None:
    volume.server = volume.device = None
    volume.status = "available"


def _attachments(state: State, server: Server, _: Call) -> Reply:
    volumes = [volume for volume in state.volumes.values() if volume.server is server]
    return Reply(200, {"volumeAttachments": [attached(server, volume) for volume in volumes]})


def _attachment(state: State, server: Server, call: Call) -> Reply:
    return Reply(200, {"volumeAttachment": attached(server, _attached_volume(state, server, call))})


def _attached_volume(state: State, server: Server, call: Call) -> Item:
    volume = state.volumes.get(call.path["volume"])
    if volume is None or volume.server is not server:
        raise NotFoundError(
            f"Instance {server.id} is not attached to volume {call.path['volume']}"
            if volume
            else f"volume_id not found: {call.path['volume']}"
        )
    return volume


def _attach_volume(state: State, server: Server, call: Call) -> Reply:
    given = envelope(call.body, "volumeAttachment")
    _check_can_change(server, "attach_volume")
    key = given.need("volumeId", str)
    volume = state.volumes.get(key)
    if volume is None or not state.sees(volume):
        raise NotFoundError(f"Volume {key} could not be found.")
    if volume.status != "available":
        raise InputError(
            f"Invalid volume: volume {key} status must be available or downloading to reserve, but the "
            f"current status is {volume.status}."
        )
    attach(
        server, volume, given.get("device", str), delete_on_termination=given.flag("delete_on_termination")
    )
    shown = attached(server, volume)
    volume.status = "attaching"
    state.begin("attach_volume", state.settings.attach, volume, partial(setattr, volume, "status", "in-use"))
    return Reply(200, {"volumeAttachment": shown})


def _detach_volume(state: State, server: Server, call: Call) -> Reply:
    volume = _attached_volume(state, server, call)
    _check_can_change(server, "detach_volume")
    if volume.status != "in-use":
        raise InputError(f"Invalid volume: Invalid input received: Invalid volume: {volume.id}")
    if volume.device == "/dev/vda" and server.image_id is None:
        raise ConflictError("Cannot detach a root device volume")
    volume.status = "detaching"
    state.begin("detach_volume", state.settings.attach, volume, partial(_detach, volume))
    return ACCEPTED


PARTS: dict[str, dict[str, Any]] = {
    "os-interface": {"GET": _interfaces, "POST": _add_interface},
    "os-interface/{port}": {"GET": _interface, "DELETE": _remove_interface},
    "os-volume_attachments": {"GET": _attachments, "POST": _attach_volume},
    "os-volume_attachments/{volume}": {"GET": _attachment, "DELETE": _detach_volume},
}
"""The handlers below a server's path."""
