"""Servers, and how the API shows them at each microversion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from polycloud.sandbox.machines import Node
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.replies import Json

_BY_VM_STATE = {
    "active": "ACTIVE",
    "building": "BUILD",
    "stopped": "SHUTOFF",
    "resized": "VERIFY_RESIZE",
    "paused": "PAUSED",
    "suspended": "SUSPENDED",
    "rescued": "RESCUE",
    "error": "ERROR",
    "shelved": "SHELVED",
    "shelved_offloaded": "SHELVED_OFFLOADED",
}
_BY_TASK = {
    ("active", "rebooting"): "REBOOT",
    ("active", "rebooting_hard"): "HARD_REBOOT",
    ("stopped", "rebooting_hard"): "HARD_REBOOT",
    ("active", "updating_password"): "PASSWORD",
    ("resized", "resize_reverting"): "REVERT_RESIZE",
    **{(state, "rebuilding"): "REBUILD" for state in ("active", "stopped", "paused", "error")},
    **{(state, "resize_prep"): "RESIZE" for state in ("active", "stopped")},
    **{(state, "migrating"): "MIGRATING" for state in ("active", "paused")},
}
_POWER = {
    "active": 1,
    "rescued": 1,
    "resized": 1,
    "paused": 3,
    "stopped": 4,
    "suspended": 4,
    "shelved": 4,
    "shelved_offloaded": 4,
}
_WITH_PROGRESS = {"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}


@dataclass(eq=False, kw_only=True)
class Server:
    """A server. `locked` is whether a change is under way; `frozen` is what Nova calls locked."""

    state: Any = field(repr=False)
    id: str
    number: int
    name: str
    project_id: str
    user_id: str
    flavor: Item
    image_id: str | None
    created: str
    updated: str
    metadata: dict[str, str]
    key_name: str | None = None
    availability_zone: str = "nova"
    security_groups: tuple[str, ...] = ("default",)
    config_drive: bool = False
    user_data: str | None = None
    description: str | None = None
    disk_config: str = "MANUAL"
    access_ipv4: str = ""
    access_ipv6: str = ""
    tags: tuple[str, ...] = ()
    group: str | None = None
    vm_state: str = "building"
    task_state: str | None = "scheduling"
    launched_at: str | None = None
    built_at: float = 0.0
    fault: Json | None = None
    frozen: bool = False
    frozen_reason: str | None = None
    previous_flavor: Item | None = None
    previous_state: str = "active"
    ports: tuple[Item, ...] = ()
    public_keys: tuple[str, ...] = ()
    password: str = field(default="", repr=False)
    locked: bool = False
    machine: Node | None = None

    @property
    def busy(self) -> str:
        """The refusal of a change while another is under way."""
        return f"Instance {self.id} is in task_state {self.task_state}"

    @property
    def status(self) -> str:
        """Its status, which follows from its states."""
        usual = _BY_VM_STATE[self.vm_state]
        return _BY_TASK.get((self.vm_state, self.task_state or ""), usual)

    @property
    def is_built(self) -> bool:
        """Whether it has been built on a host."""
        return self.launched_at is not None

    def become(self, vm_state: str, task_state: str | None = None) -> None:
        """Change its states."""
        self.vm_state, self.task_state = vm_state, task_state
        self.updated = self.state.stamp()


def links(state: Any, path: str, id: str) -> list[Json]:
    """Return the links of an item of Nova."""
    return [
        {"rel": "self", "href": f"{state.nova}/{path}/{id}"},
        {"rel": "bookmark", "href": f"{state.base}/compute/{path}/{id}"},
    ]


def show_name(server: Server) -> Json:
    """Render a server in short lists."""
    return {"id": server.id, "name": server.name, "links": links(server.state, "servers", server.id)}


def show_server(server: Server) -> Json:
    """Render a server at the microversion of the present request."""
    version = server.state.version
    return shown_there(server, {**_core(server), **_extended(server), **_since(server, version)})


def shown_there(server: Server, shown: Json) -> Json:
    """Return how this cloud shows a server."""
    there: Json = server.state.layout.server(server, shown)
    return there


def show_listed(server: Server) -> Json:
    """Render a server in a list of details, where its groups are left out."""
    shown = show_server(server)
    shown.pop("server_groups", None)
    return shown


def show_updated(server: Server) -> Json:
    """Render a server after an update or a rebuild, which shows less before 2.75."""
    version = server.state.version
    if version >= (2, 75):
        return show_server(server)
    return shown_there(server, {**_core(server), **_short_since(server, version)})


def _core(server: Server) -> Json:
    state = server.state
    shown: Json = {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": f"{hash_of(server):056x}" if server.is_built else "",
        "image": _bookmark(state, "images", server.image_id) if server.image_id else "",
        "flavor": show_embedded_flavor(server),
        "created": server.created,
        "updated": server.updated,
        "addresses": addresses(server),
        "accessIPv4": server.access_ipv4,
        "accessIPv6": server.access_ipv6,
        "links": links(state, "servers", server.id),
        "OS-DCF:diskConfig": server.disk_config,
    }
    if server.status in _WITH_PROGRESS:
        shown["progress"] = 100 if server.task_state == "resize_prep" else 0
    if server.fault and server.vm_state == "error":
        shown["fault"] = dict(server.fault)
        if not state.caller.is_admin:
            shown["fault"].pop("details", None)
    return shown


def hash_of(server: Server) -> int:
    """Return a number that differs between projects, as the id of a host does."""
    return int(server.project_id, 16) ** 2 % (1 << 223)


def _bookmark(state: Any, path: str, id: str) -> Json:
    return {"id": id, "links": [{"rel": "bookmark", "href": f"{state.base}/compute/{path}/{id}"}]}


def show_embedded_flavor(server: Server) -> Json:
    """Render the flavour in a server: a link, and since 2.47 what it was at the time."""
    flavor = server.flavor
    if server.state.version < (2, 47):
        return _bookmark(server.state, "flavors", flavor.id)
    return {
        "vcpus": flavor.vcpus,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "ephemeral": flavor.ephemeral,
        "swap": flavor.swap,
        "original_name": flavor.name,
        "extra_specs": flavor.extra_specs,
    }


def addresses(server: Server) -> Json:
    """Return its addresses by network, those that float too, once it was built."""
    shown: dict[str, list[Json]] = {}
    for port in server.ports if server.is_built else ():
        row = shown.setdefault(server.state.networks[port.network_id].name, [])
        mac = {"OS-EXT-IPS-MAC:mac_addr": port.mac_address}
        for fixed in port.fixed_ips:
            version = 6 if ":" in fixed["ip_address"] else 4
            row.append({**mac, "version": version, "addr": fixed["ip_address"], "OS-EXT-IPS:type": "fixed"})
        for floating in server.state.floating_ips.values():
            if floating.port_id == port.id:
                ip = floating.floating_ip_address
                row.append({**mac, "version": 4, "addr": ip, "OS-EXT-IPS:type": "floating"})
    return shown


def _extended(server: Server) -> Json:
    shown: Json = {
        "OS-EXT-AZ:availability_zone": server.availability_zone if server.is_built else "",
        "config_drive": "True" if server.config_drive else "",
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": server.launched_at,
        "OS-SRV-USG:terminated_at": None,
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": _POWER.get(server.vm_state, 0),
        "os-extended-volumes:volumes_attached": _volumes(server),
    }
    if server.state.caller.is_admin:
        host = "compute" if server.is_built else None
        shown |= {
            "OS-EXT-SRV-ATTR:host": host,
            "OS-EXT-SRV-ATTR:instance_name": f"instance-{server.number:08x}",
            "OS-EXT-SRV-ATTR:hypervisor_hostname": host,
        }
    if server.is_built and server.ports:
        shown["security_groups"] = [{"name": name} for _ in server.ports for name in server.security_groups]
    return shown


def _volumes(server: Server) -> list[Json]:
    with_flag = server.state.version >= (2, 3)
    return [
        {"id": volume.id, **({"delete_on_termination": volume.delete_on_termination} if with_flag else {})}
        for volume in server.state.volumes.values()
        if volume.server is server
    ]


def _short_since(server: Server, version: tuple[int, int]) -> Json:
    shown: Json = {}
    if version >= (2, 9):
        shown["locked"] = server.frozen
    if version >= (2, 19):
        shown["description"] = server.description
    if version >= (2, 26):
        shown["tags"] = list(server.tags)
    if version >= (2, 63):
        shown["trusted_image_certificates"] = None
    return shown | ({"server_groups": _groups(server)} if version >= (2, 71) else {})


def _since(server: Server, version: tuple[int, int]) -> Json:
    shown = _short_since(server, version)
    if version >= (2, 73):
        shown["locked_reason"] = server.frozen_reason
    if version >= (2, 3) and server.state.caller.is_admin:
        shown |= _of_admin(server)
    elif version >= (2, 90):
        shown["OS-EXT-SRV-ATTR:hostname"] = host_name(server)
    if version >= (2, 16) and server.state.caller.is_admin:
        shown["host_status"] = "UP" if server.is_built else ""
    if version >= (2, 96):
        shown["pinned_availability_zone"] = None
    return shown


def _of_admin(server: Server) -> Json:
    values: Json = {
        "reservation_id": f"r-{server.number:08x}",
        "launch_index": 0,
        "hostname": host_name(server),
        "kernel_id": "",
        "ramdisk_id": "",
        "root_device_name": "/dev/vda",
        "user_data": server.user_data,
    }
    return {f"OS-EXT-SRV-ATTR:{name}": value for name, value in values.items()}


def host_name(server: Server) -> str:
    """Return the name that the server has for itself."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in server.name.lower())
    return kept.strip("-.")[:63] or f"server-{server.id}"


def _groups(server: Server) -> list[str]:
    return [server.group] if server.group else []


def attached(server: Server, volume: Any) -> Json:
    """Render a volume's attachment to a server."""
    version = server.state.version
    shown: Json = {"serverId": server.id, "volumeId": volume.id, "device": volume.device}
    if version < (2, 89):
        shown["id"] = volume.id
    if version >= (2, 70):
        shown["tag"] = None
    if version >= (2, 79):
        shown["delete_on_termination"] = volume.delete_on_termination
    if version >= (2, 89):
        shown |= {"attachment_id": volume.attachment_id, "bdm_uuid": volume.attachment_id}
    return shown
