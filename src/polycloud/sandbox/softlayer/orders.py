"""Reading and checking the parameter of a create of guests."""

from __future__ import annotations

import re
from typing import Any

from polycloud.sandbox.softlayer.catalog import (
    CATALOG,
    DATACENTERS,
    DEFAULT_DATACENTER,
    FLAVORS,
    IMAGES,
    SYSTEMS,
    VLANS,
    Flavor,
    Image,
    System,
)
from polycloud.sandbox.softlayer.dialect import Fault, Json, invalid
from polycloud.sandbox.softlayer.state import Key, Order, State

_HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_DOMAIN = re.compile(r"((?!-)[A-Za-z0-9-]{1,63}(?<!-)\.)+[A-Za-z0-9-]{2,63}")
_LONGEST_USER_DATA = 64 * 1024
_PORTS = {"primaryNetworkComponent": "PUBLIC", "primaryBackendNetworkComponent": "PRIVATE"}


def read_order(state: State, template: Json) -> Order:
    """Read the parameter of a create. Raises Fault if it cannot be carried out."""
    read = _Fields(template)
    hostname, domain = read.need("hostname", str), read.need("domain", str)
    check_names(hostname, domain)
    flavor = _flavor(read)
    image, system = _system(read)
    is_local = read.need("localDiskFlag", bool)
    cpus, ram, disks = _numbers(read, flavor, local=is_local)
    vlans = _vlans(read)
    return Order(
        hostname=hostname,
        domain=domain,
        cpus=cpus,
        ram=ram,
        disks=disks,
        local=flavor.is_local if flavor else is_local,
        hourly=read.need("hourlyBillingFlag", bool),
        place=_place(read),
        system=system,
        flavor=flavor,
        image=image,
        keys=_keys(state, read),
        private=bool(read.get("privateNetworkOnlyFlag", bool)),
        dedicated=bool(read.get("dedicatedAccountHostOnlyFlag", bool)),
        user_data=_user_data(read),
        script=read.get("postInstallScriptUri", str) or "",
        speed=_speed(read),
        vlans=vlans,
    )


def check_names(hostname: str, domain: str) -> None:
    """Raise Fault unless a guest can have these names."""
    if not _HOSTNAME.fullmatch(hostname):
        raise invalid("Invalid hostname: it must be alphanumeric strings, which may contain hyphens.")
    if not _DOMAIN.fullmatch(domain):
        raise invalid("Invalid domain: it must be alphanumeric strings separated by periods.")


class _Fields:
    """The fields of a parameter; None counts as absent."""

    def __init__(self, fields: Json) -> None:
        self._fields = fields

    def get(self, name: str, kind: type) -> Any:
        value = self._fields.get(name)
        # A text "false" would be true in the provider's language: here it is refused
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise invalid(f"Invalid value provided for '{name}'.")
        return value

    def need(self, name: str, kind: type) -> Any:
        value = self.get(name, kind)
        if value is None or value == "":
            text = f"Property {name} must be set to create an instance of type 'SoftLayer_Virtual_Guest'."
            raise Fault("SoftLayer_Exception_MissingCreationProperty", text)
        return value

    def inner(self, name: str) -> _Fields:
        return _Fields(self.get(name, dict) or {})

    def each(self, name: str) -> list[_Fields]:
        values = self.get(name, list) or []
        if not all(isinstance(value, dict) for value in values):
            raise invalid(f"Invalid value provided for '{name}'.")
        return list(map(_Fields, values))


def _flavor(read: _Fields) -> Flavor | None:
    name = read.inner("supplementalCreateObjectOptions").get("flavorKeyName", str)
    if name is not None and name not in FLAVORS:
        raise invalid(f"Invalid value provided for 'flavorKeyName': {name}.")
    return FLAVORS[name] if name else None


def _numbers(read: _Fields, flavor: Flavor | None, *, local: bool) -> tuple[int, int, dict[int, int]]:
    """Return CPUs, MB of RAM, and GB of disk by device."""
    if flavor:
        cpus, ram, disk = flavor.numbers
        given = (read.get("startCpus", int), read.get("maxMemory", int))
        if given not in {(None, None), (cpus, ram)}:
            raise invalid("Invalid value provided for 'startCpus': it is not that of the flavor.")
        return cpus, ram, {**_disks(read, local=local), 0: disk}
    cpus, ram = read.need("startCpus", int), read.need("maxMemory", int)
    for name, value, known in (("startCpus", cpus, CATALOG.cpus), ("maxMemory", ram, CATALOG.memory)):
        if value not in known:
            raise invalid(f"Invalid value provided for '{name}': {value}.")
    smallest = min(CATALOG.local_disks if local else CATALOG.disks)
    return cpus, ram, {0: smallest, **_disks(read, local=local)}


def _disks(read: _Fields, *, local: bool) -> dict[int, int]:
    known = CATALOG.local_disks if local else CATALOG.disks
    disks = {}
    for device in read.each("blockDevices"):
        number, capacity = device.need("device", str), device.inner("diskImage").need("capacity", int)
        if not number.isdigit() or int(number) == 1:
            raise invalid("Invalid value provided for 'blockDevices.device': 1 is the swap disk.")
        if capacity not in known:
            raise invalid(f"Invalid value provided for 'blockDevices.diskImage.capacity': {capacity}.")
        disks[int(number)] = capacity
    return disks


def _system(read: _Fields) -> tuple[Image | None, System]:
    code = read.get("operatingSystemReferenceCode", str)
    guid = read.inner("blockDeviceTemplateGroup").get("globalIdentifier", str)
    if (code is None) == (guid is None):
        raise invalid("Specify either operatingSystemReferenceCode or blockDeviceTemplateGroup.")
    if guid is not None:
        image = IMAGES.get(guid.lower())
        if image is None:
            raise invalid("Invalid value provided for 'blockDeviceTemplateGroup.globalIdentifier'.")
        return image, SYSTEMS[image.system]
    system = SYSTEMS.get(CATALOG.latest.get(code, code))
    if system is None:
        raise invalid(f"Invalid value provided for 'operatingSystemReferenceCode': {code}.")
    return None, system


def _place(read: _Fields) -> Any:
    name = read.inner("datacenter").get("name", str)
    if name is not None and name not in DATACENTERS:
        raise invalid(f"Invalid value provided for 'datacenter.name': {name}.")
    return DATACENTERS[name] if name else DEFAULT_DATACENTER


def _keys(state: State, read: _Fields) -> tuple[Key, ...]:
    ids = [key.need("id", int) for key in read.each("sshKeys")]
    unknown = [id_ for id_ in ids if id_ not in state.keys]
    if unknown:
        raise invalid(f"Invalid value provided for 'sshKeys.id': {unknown[0]}.")
    return tuple(state.keys[id_] for id_ in ids)


def _vlans(read: _Fields) -> dict[str, int]:
    found = {}
    for port, space in _PORTS.items():
        vlan_id = read.inner(port).inner("networkVlan").get("id", int)
        if vlan_id is None:
            continue
        vlan = VLANS.get(vlan_id)
        if vlan is None or vlan.network_space != space:
            raise invalid(f"Invalid value provided for '{port}.networkVlan.id': {vlan_id}.")
        found[space] = vlan_id
    return found


def _user_data(read: _Fields) -> str:
    values = [attribute.get("value", str) or "" for attribute in read.each("userData")]
    if len(values) > 1:
        raise invalid("Invalid value provided for 'userData': it must have a single value.")
    if len("".join(values)) > _LONGEST_USER_DATA:
        raise invalid("Invalid value provided for 'userData': it is too long.")
    return "".join(values)


def _speed(read: _Fields) -> int:
    speeds = [part.need("maxSpeed", int) for part in read.each("networkComponents")] or [CATALOG.speeds[0]]
    if len(speeds) > 1 or speeds[0] not in CATALOG.speeds:
        raise invalid(f"Invalid value provided for 'networkComponents.maxSpeed': {speeds[0]}.")
    speed: int = speeds[0]
    return speed
