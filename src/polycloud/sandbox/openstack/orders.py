"""Reading what a create of servers asks for."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field

from polycloud.sandbox.openstack.dialect import envelope, texts
from polycloud.sandbox.openstack.resources import Server
from polycloud.sandbox.openstack.state import State
from polycloud.sandbox.rest.bodies import Body
from polycloud.sandbox.rest.collection import Item
from polycloud.sandbox.rest.errors import ConflictError, ForbiddenError, InputError
from polycloud.sandbox.rest.replies import Json

_GIB = 1024**3
_LONGEST_NAME = 255
_KNOWN = {
    "name", "imageRef", "flavorRef", "adminPass", "metadata", "networks", "key_name", "availability_zone",
    "security_groups", "config_drive", "user_data", "description", "min_count", "max_count", "personality",
    "return_reservation_id", "block_device_mapping", "block_device_mapping_v2", "OS-DCF:diskConfig",
    "accessIPv4", "accessIPv6", "tags", "host", "hostname", "hypervisor_hostname",
    "trusted_image_certificates", "os:scheduler_hints", "OS-SCH-HNT:scheduler_hints",
}  # fmt: skip
_DISK_CONFIGS = ("AUTO", "MANUAL")
_ALL_NETWORKS = (2, 37)


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A disk that a new server is to have: a volume, or the source of a new one."""

    volume: Item | None
    source: Item | None
    size: int
    boots: bool
    delete_on_termination: bool


@dataclass(frozen=True, kw_only=True)
class Nic:
    """A network interface that a new server is to have: a port, or a network for a new one."""

    network: Item
    port: Item | None = None
    ip: str | None = None


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a create asks for."""

    names: list[str]
    fields: Json
    nics: list[Nic]
    disks: list[Disk]
    with_reservation: bool = field(default=False)


def invalid(name: str, value: object, reason: str) -> InputError:
    """Return the error about a field of a request to Nova or Cinder."""
    return InputError(f"Invalid input for field/attribute {name}. Value: {value}. {reason}")


def check_name(name: object) -> str:
    """Return a server's name. Raises InputError."""
    if not isinstance(name, str):
        raise invalid("name", name, f"{name!r} is not of type 'string'")
    if not name:
        raise invalid("name", name, "'' should be non-empty")
    if len(name) > _LONGEST_NAME:
        raise invalid("name", name, f"{name!r} is too long")
    return name


def find_flavor(state: State, reference: object) -> Item:
    """Return the flavour that a body names by its id or its link. Raises InputError."""
    key = str(reference).rpartition("/")[2]
    if key not in state.flavors:
        raise InputError(f"Flavor {key} could not be found.")
    return state.flavors[key]


def find_image(state: State, reference: str, missing: str) -> Item:
    """Return the image that a body names, which can be used. Raises InputError, without it with `missing`."""
    image = state.images.get(reference.rpartition("/")[2])
    if image is None or not (state.sees(image) or image.visibility == "community"):
        raise InputError(missing)
    if image.status != "active":
        raise InputError(f"Image {image.id} is not active.")
    return image


def check_fit(image: Item, flavor: Item, *, local_disk: bool = True) -> None:
    """Raise InputError if an image needs more than a flavour has, or something else."""
    misfit = flavor.state.layout.misfit(image, flavor, local_disk)
    if misfit:
        raise InputError(misfit)
    if image.min_ram > flavor.ram:
        raise InputError("Flavor's memory is too small for requested image.")
    if local_disk and flavor.disk and image.min_disk > flavor.disk:
        raise InputError(
            f"Flavor's disk is too small for requested image. Flavor disk is {flavor.disk * _GIB} bytes, "
            f"minimum size is {image.min_disk * _GIB} bytes."
        )


def read_order(state: State, body: Body) -> Order:
    """Return what a body asks for. Raises InputError, ConflictError and, for a quota, ForbiddenError."""
    given = envelope(body, "server")
    for needed in ("name", "flavorRef", *(("networks",) if state.version >= _ALL_NETWORKS else ())):
        if not given.names(needed):
            raise InputError(f"Invalid input for field/attribute server. {needed!r} is a required property")
    unknown = given.fields - _KNOWN
    if unknown:
        raise InputError(
            "Invalid input for field/attribute server. Additional properties are not allowed "
            f"({', '.join(map(repr, sorted(unknown)))} was unexpected)"
        )
    name, flavor = check_name(given.value("name")), find_flavor(state, given.value("flavorRef"))
    disks = _disks(state, given)
    image = _image(state, given, flavor, disks)
    number = max(_count(given, "min_count"), _count(given, "max_count"))
    names = [name] if number == 1 else [f"{name}-{index}" for index in range(1, number + 1)]
    fields = {"flavor": flavor, "image_id": image.id if image else None, **_fields(state, given)}
    order = Order(
        names=names,
        fields=fields,
        nics=_nics(state, given),
        disks=disks,
        with_reservation=given.flag("return_reservation_id"),
    )
    check_quota(state, flavor, number)
    return order


def _count(given: Body, name: str) -> int:
    text = given.identifier(name)
    if text is None:
        return 1
    if not text.isdecimal() or not int(text):
        raise invalid(name, text, f"{text!r} is less than the minimum of 1")
    return int(text)


def _image(state: State, given: Body, flavor: Item, disks: list[Disk]) -> Item | None:
    reference = given.get("imageRef", str)
    boots_from_volume = any(disk.boots for disk in disks)
    if reference:
        image = find_image(state, reference, "Can not find requested image")
        check_fit(image, flavor, local_disk=not boots_from_volume)
        return None if boots_from_volume else image
    if not boots_from_volume:
        raise InputError("Invalid imageRef provided.")
    return None


def _fields(state: State, given: Body) -> Json:
    key_name = given.get("key_name", str)
    pair = state.keypairs.get((state.caller.user.id, key_name or ""))
    if key_name is not None and pair is None:
        raise InputError("Invalid key_name provided.")
    zone = given.get("availability_zone", str)
    if zone not in {None, "", "nova"}:
        raise InputError("The requested availability zone is not available")
    disk_config = given.get("OS-DCF:diskConfig", str)
    if disk_config not in {None, *_DISK_CONFIGS}:
        raise invalid(
            "OS-DCF:diskConfig", disk_config, f"{disk_config!r} is not one of {list(_DISK_CONFIGS)}"
        )
    description = given.get("description", str)
    return {
        "metadata": texts(given, "metadata"),
        "key_name": key_name,
        "public_keys": (pair.public_key,) if pair and pair.type == "ssh" else (),
        "password": given.get("adminPass", str) or secrets.token_urlsafe(9),
        "security_groups": _security_groups(state, given),
        "config_drive": str(given.value("config_drive") or "").lower() in {"true", "1"},
        "user_data": _user_data(given),
        "description": description if state.version >= (2, 19) else given.get("name", str),
        "disk_config": disk_config or "MANUAL",
        "access_ipv4": given.get("accessIPv4", str) or "",
        "access_ipv6": given.get("accessIPv6", str) or "",
        "tags": tuple(sorted(set(given.each("tags", str)))),
    }


def _user_data(given: Body) -> str | None:
    text = given.get("user_data", str)
    if text:
        try:
            base64.b64decode(text)
        except binascii.Error:
            raise invalid("user_data", text, f"{text!r} is not a 'base64'") from None
    return text


def _security_groups(state: State, given: Body) -> tuple[str, ...]:
    names = [part.need("name", str) for part in given.objects("security_groups")]
    for name in names:
        find_security_group(state, name)
    return tuple(dict.fromkeys(names)) or ("default",)


def find_security_group(state: State, reference: str) -> Item:
    """Return the project's security group of that name or id. Raises InputError."""
    state.default_group(state.project_id)
    found = [
        group
        for group in state.security_groups.values()
        if group.project_id == state.project_id and reference in {group.id, group.name}
    ]
    if not found:
        raise InputError(f"Unable to find security_group with name or id '{reference}'")
    if len(found) > 1:
        raise ConflictError(
            f"Multiple security_group matches found for name '{reference}', use an ID to be more specific."
        )
    return found[0]


# Networks


def _nics(state: State, given: Body) -> list[Nic]:
    if isinstance(given.value("networks"), str):
        return _nics_by_word(state, str(given.value("networks")))
    asked = given.objects("networks")
    if not asked:
        return _default_nics(state)
    return [_nic(state, part) for part in asked]


def _nics_by_word(state: State, word: str) -> list[Nic]:
    if state.version < _ALL_NETWORKS or word not in {"auto", "none"}:
        raise invalid("networks", word, f"{word!r} is not of type 'array'")
    return [] if word == "none" else _default_nics(state)


def _default_nics(state: State) -> list[Nic]:
    """Return the only network that there is. Raises ConflictError if there are several.

    A cloud may have networks that each server is connected to unless it names others.
    """
    if state.layout.default_networks:
        return [Nic(network=state.networks[key]) for key in state.layout.default_networks]
    networks = [
        network
        for network in state.networks.values()
        if network.project_id == state.project_id or network.shared
    ]
    if len(networks) > 1:
        raise ConflictError("Multiple possible networks found, use a Network ID to be more specific.")
    return [_checked(state, network) for network in networks]


def _nic(state: State, part: Body) -> Nic:
    port_id, network_id = part.get("port", str), part.get("uuid", str)
    if port_id is not None:
        port = state.ports.get(port_id)
        if port is None or not state.sees(port):
            raise InputError(f"Port id {port_id} could not be found.")
        if port.device_id:
            raise ConflictError(f"Port {port_id} is still in use.")
        return Nic(network=state.networks[port.network_id], port=port)
    network = state.networks.get(network_id or "")
    if network is None or not state.sees(network):
        raise InputError(f"Network {network_id} could not be found.")
    return _checked(state, network, part.get("fixed_ip", str))


def _checked(state: State, network: Item, ip: str | None = None) -> Nic:
    if network.external and not network.shared and not state.caller.is_admin:
        raise ForbiddenError(f"It is not allowed to create an interface on external network {network.id}")
    if not any(subnet.network_id == network.id for subnet in state.subnets.values()):
        raise InputError(f"Network {network.id} requires a subnet in order to boot instances on.")
    return Nic(network=network, ip=ip)


# Disks


def _disks(state: State, given: Body) -> list[Disk]:
    return [_disk(state, part) for part in given.objects("block_device_mapping_v2")]


def _disk(state: State, part: Body) -> Disk:
    source, uuid = part.get("source_type", str) or "volume", part.get("uuid", str) or ""
    boots = part.identifier("boot_index") == "0"
    size = int(part.identifier("volume_size") or 0)
    deletes = part.flag("delete_on_termination")
    if source == "image" and part.get("destination_type", str) == "local":
        return Disk(volume=None, source=None, size=0, boots=False, delete_on_termination=True)
    volume = kind = None
    if source == "volume":
        volume = state.volumes.get(uuid)
        if volume is None or not state.sees(volume):
            raise InputError(f"Block Device Mapping is Invalid: failed to get volume {uuid}.")
        if volume.status != "available":
            raise InputError(
                f"Invalid volume: volume {uuid} status must be 'available'. Currently in '{volume.status}'"
            )
    elif source in {"image", "snapshot"}:
        kind = (state.images if source == "image" else state.snapshots).get(uuid)
        if kind is None or not state.sees(kind):
            raise InputError(f"Block Device Mapping is Invalid: failed to get {source} {uuid}.")
        size = size or getattr(kind, "min_disk", 0) or getattr(kind, "size", 0)
    if volume is None and not size:
        raise InputError(
            "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping "
            "combination is not valid."
        )
    return Disk(volume=volume, source=kind, size=size, boots=boots, delete_on_termination=deletes)


# Quotas


def counted(state: State) -> list[Server]:
    """Return the project's servers that count for its quotas."""
    return [one for one in state.servers.values() if one.project_id == state.project_id]


def check_quota(state: State, flavor: Item, number: int, *, instead: Item | None = None) -> None:
    """Raise ForbiddenError if a project may not have so many more servers.

    Args:
        state: the region.
        flavor: that of the servers.
        number: how many more there would be.
        instead: the flavour that a resized server had before.
    """
    servers = counted(state)
    settings = state.settings
    seeds = sum(server.metadata.get("seed") == "true" for server in servers)
    cores = sum(server.flavor.vcpus for server in servers if server.metadata.get("seed") != "true")
    more_cores = number * flavor.vcpus if instead is None else flavor.vcpus - instead.vcpus
    wanted = 0 if instead else number
    if len(servers) + wanted > settings.server_limit + seeds:
        raise ForbiddenError(
            f"Quota exceeded for instances: Requested {wanted}, but already used {len(servers)} of "
            f"{settings.server_limit + seeds} instances"
        )
    if cores + more_cores > settings.core_limit:
        raise ForbiddenError(
            f"Quota exceeded for cores: Requested {more_cores}, but already used {cores} of "
            f"{settings.core_limit} cores"
        )
