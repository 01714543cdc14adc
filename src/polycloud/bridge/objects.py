"""The objects of Libcloud and ours: nodes, containers, zones, balancers ..., in both directions.

An object that comes from Libcloud keeps the original beside it, as `_libcloud`: an action of the driver gets
that again, as a copy that belongs to the driver of Libcloud which carries the action out. What a program made
by itself, or got from another driver, is built anew of its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any

from polycloud.common.payload import parse_datetime
from polycloud.compute import objects as compute
from polycloud.compute.types import NodeState, StorageVolumeState, VolumeSnapshotState
from polycloud.dns import objects as dns
from polycloud.dns.types import RecordType
from polycloud.loadbalancer import objects as balancing
from polycloud.loadbalancer.types import Algorithm, State
from polycloud.storage import objects as storage

ORIGINAL = "_libcloud"
HOURS = 730
"""The hours of a month."""
OWNERS = ("zone", "container", "balancer", "size", "image")
"""The attributes of objects that are such objects themselves."""
Ours = Callable[[Any, Any], Any]


class Original:
    """An object of Libcloud; a pickle has it without its driver, which holds credentials and connections."""

    __slots__ = ("foreign",)

    def __init__(self, foreign: Any) -> None:
        self.foreign = foreign

    def __reduce__(self) -> tuple[Any, ...]:
        return Original, (owned(self.foreign, None),)

    def __repr__(self) -> str:
        return f"<{type(self.foreign).__name__} of Libcloud>"


def owned(foreign: Any, driver: Any) -> Any:
    """Return a copy of an object of Libcloud that belongs to a driver of it, as do the objects in it."""
    foreign = copy(foreign)
    if hasattr(foreign, "driver"):
        foreign.driver = driver
    for name in OWNERS:
        inner = getattr(foreign, name, None)
        if hasattr(inner, "driver"):
            setattr(foreign, name, owned(inner, driver))
    return foreign


# From Libcloud


def ours(value: Any, driver: Any) -> Any:
    """Return what Libcloud returned as objects of ours that belong to the bridged `driver`.

    Lists, tuples and dicts are searched; what is no object of a service stays what it is.
    """
    kind: Any = type(value)
    convert = _converter(kind)
    if convert is not None:
        made = convert(value, driver)
        setattr(made, ORIGINAL, Original(value))
        return made
    if isinstance(value, dict):
        return {name: ours(one, driver) for name, one in value.items()} if value else value
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)([ours(one, driver) for one in value])
    if type(value).__name__ == "LazyList":
        return [ours(one, driver) for one in value]
    return value


@cache
def _converter(kind: Any) -> Ours | None:
    """Return the function that converts objects of a class of Libcloud; None for other classes."""
    for base in kind.__mro__:
        found = CONVERTERS.get((base.__module__, base.__name__))
        if found is not None:
            return found
    return None


def _node(node: Any, driver: Any) -> compute.Node:
    return compute.Node(
        node.id,
        node.name,
        _state(NodeState, node.state),
        _texts(node.public_ips),
        _texts(node.private_ips),
        driver,
        _part(node.size, driver),
        _part(node.image, driver),
        _extra(node, driver),
        _moment(getattr(node, "created_at", None)),
    )


def _size(size: Any, driver: Any) -> compute.NodeSize:
    return compute.NodeSize(
        size.id,
        size.name,
        _number(size.ram) or 0,
        _number(size.disk) or 0,
        _number(size.bandwidth),
        _price(size.price, driver),
        driver,
        _extra(size, driver),
    )


def _image(image: Any, driver: Any) -> compute.NodeImage:
    return compute.NodeImage(image.id, image.name, driver, _extra(image, driver))


def _location(location: Any, driver: Any) -> compute.NodeLocation:
    return compute.NodeLocation(
        location.id, location.name, location.country or "", driver, _extra(location, driver)
    )


def _key_pair(pair: Any, driver: Any) -> compute.KeyPair:
    return compute.KeyPair(
        pair.name, pair.public_key, pair.fingerprint, driver, pair.private_key, _extra(pair, driver)
    )


def _volume(volume: Any, driver: Any) -> compute.StorageVolume:
    state = _state(StorageVolumeState, volume.state)
    return compute.StorageVolume(
        volume.id, volume.name, _number(volume.size) or 0, driver, state, _extra(volume, driver)
    )


def _snapshot(snapshot: Any, driver: Any) -> compute.VolumeSnapshot:
    return compute.VolumeSnapshot(
        snapshot.id,
        driver,
        _number(snapshot.size),
        _extra(snapshot, driver),
        _moment(snapshot.created),
        _state(VolumeSnapshotState, snapshot.state),
        snapshot.name,
    )


def _container(container: Any, driver: Any) -> storage.Container:
    return storage.Container(container.name, _extra(container, driver), driver)


def _object(obj: Any, driver: Any) -> storage.Object:
    container = ours(obj.container, driver)
    size = _number(obj.size) or 0
    return storage.Object(
        obj.name,
        int(size),
        (obj.hash or "").strip('"'),
        _extra(obj, driver),
        obj.meta_data,
        container,
        driver,
    )


def _zone(zone: Any, driver: Any) -> dns.Zone:
    domain = (zone.domain or "").rstrip(".")
    ttl = _number(zone.ttl)
    return dns.Zone(zone.id, domain, zone.type or "master", ttl, driver, _extra(zone, driver))


def _record(record: Any, driver: Any) -> dns.Record:
    zone = ours(record.zone, driver)
    extra = _extra(record, driver)
    ttl = _number(getattr(record, "ttl", None) or extra.get("ttl"))
    kind = _enum(RecordType, record.type)
    name = _relative(record.name, zone.domain)
    id_ = record.id or f"{kind}:{name}"  # several providers have no ids of records
    data = "" if record.data is None else str(record.data)
    return dns.Record(id_, name, kind, data, zone, driver, ttl, extra)


def _balancer(balancer: Any, driver: Any) -> balancing.LoadBalancer:
    state = balancer.state if balancer.state in set(State) else State.UNKNOWN
    port = _number(balancer.port)
    return balancing.LoadBalancer(
        balancer.id, balancer.name, State(state), balancer.ip, port, driver, _extra(balancer, driver)
    )


def _member(member: Any, driver: Any) -> balancing.Member:
    found = ours(member.balancer, driver)
    balancer = found if isinstance(found, balancing.LoadBalancer) else None
    made = balancing.Member(member.id, member.ip, _number(member.port), balancer, _extra(member, driver))
    made.driver = driver
    return made


def _part(value: Any, driver: Any) -> Any:
    """Return the size or image of a node: an object of ours, or a text."""
    made = ours(value, driver)
    return made if isinstance(made, compute.NodeSize | compute.NodeImage | None) else str(made)


def _extra(foreign: Any, driver: Any) -> dict[str, Any]:
    """Return the `extra` of an object: the same dict, unless it has objects of Libcloud."""
    extra = getattr(foreign, "extra", None)
    if not isinstance(extra, dict):
        return {}
    kinds: set[Any] = set(map(type, extra.values()))
    if any(map(_converter, kinds)):
        return {name: ours(value, driver) for name, value in extra.items()}
    return extra


def _state(states: Any, state: Any) -> Any:
    """Return the state of the same name; None stays None, and another one is unknown."""
    return None if state is None else _enum(states, state, states.UNKNOWN)


def _enum(members: Any, value: Any, default: Any = None) -> Any:
    text = str(getattr(value, "value", value))
    try:
        return members(text)
    except ValueError:
        return text if default is None else default


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values or () if value]


def _number(value: Any) -> Any:
    """Return a number; that which a text is; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            return float(value) if "." in value else int(value)
        except ValueError:
            return None
    return None


def _price(value: Any, driver: Any) -> float | None:
    """Return a price in USD an hour; some drivers of Libcloud have it for a month."""
    price: float | None = _number(value)
    return price / HOURS if price and driver.monthly_prices else price


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        return parse_datetime(value)
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _relative(name: str | None, domain: str) -> str:
    """Return the name of a record relative to its zone; drivers of Libcloud have it in several forms."""
    name = (name or "").rstrip(".")
    if name in {"@", domain}:
        return ""
    return name.removesuffix(f".{domain}")


CONVERTERS: Mapping[tuple[str, str], Ours] = {
    ("libcloud.compute.base", "KeyPair"): _key_pair,
    ("libcloud.compute.base", "Node"): _node,
    ("libcloud.compute.base", "NodeImage"): _image,
    ("libcloud.compute.base", "NodeLocation"): _location,
    ("libcloud.compute.base", "NodeSize"): _size,
    ("libcloud.compute.base", "StorageVolume"): _volume,
    ("libcloud.compute.base", "VolumeSnapshot"): _snapshot,
    ("libcloud.dns.base", "Record"): _record,
    ("libcloud.dns.base", "Zone"): _zone,
    ("libcloud.loadbalancer.base", "LoadBalancer"): _balancer,
    ("libcloud.loadbalancer.base", "Member"): _member,
    ("libcloud.storage.base", "Container"): _container,
    ("libcloud.storage.base", "Object"): _object,
}

# To Libcloud

FIELDS: Mapping[type, tuple[str, tuple[str, ...]]] = {
    compute.KeyPair: ("compute.base.KeyPair", ("name", "public_key", "fingerprint", "private_key")),
    compute.Node: ("compute.base.Node", ("id", "name", "state", "public_ips", "private_ips")),
    compute.NodeAuthPassword: ("compute.base.NodeAuthPassword", ("password", "generated")),
    compute.NodeAuthSSHKey: ("compute.base.NodeAuthSSHKey", ("pubkey",)),
    compute.NodeImage: ("compute.base.NodeImage", ("id", "name")),
    compute.NodeLocation: ("compute.base.NodeLocation", ("id", "name", "country")),
    compute.NodeSize: ("compute.base.NodeSize", ("id", "name", "ram", "disk", "bandwidth", "price")),
    compute.StorageVolume: ("compute.base.StorageVolume", ("id", "name", "size", "state")),
    compute.VolumeSnapshot: ("compute.base.VolumeSnapshot", ("id", "size", "created", "state", "name")),
    storage.Container: ("storage.base.Container", ("name",)),
    storage.Object: ("storage.base.Object", ("name", "size", "hash", "meta_data", "container")),
    dns.Zone: ("dns.base.Zone", ("id", "domain", "type", "ttl")),
    dns.Record: ("dns.base.Record", ("id", "name", "type", "data", "zone", "ttl")),
    balancing.LoadBalancer: ("loadbalancer.base.LoadBalancer", ("id", "name", "state", "ip", "port")),
    balancing.Member: ("loadbalancer.base.Member", ("id", "ip", "port", "balancer")),
}
"""The classes of Libcloud for ours, and the fields that both have; `extra` and `driver` come with them."""
WITHOUT_DRIVER = ("NodeAuthPassword", "NodeAuthSSHKey", "Member")
ENUMS: Mapping[type, str] = {
    NodeState: "compute.types.NodeState",
    StorageVolumeState: "compute.types.StorageVolumeState",
    VolumeSnapshotState: "compute.types.VolumeSnapshotState",
}


def theirs(value: Any, driver: Any) -> Any:
    """Return an argument as Libcloud's `driver` takes it: with objects of Libcloud in the place of ours."""
    original = getattr(value, ORIGINAL, None) if isinstance(value, tuple(FIELDS)) else None
    if original is not None:
        return owned(original.foreign, driver)
    if type(value) in ENUMS:
        return _their_enum(value)
    if isinstance(value, State | Algorithm):
        return int(value)
    if isinstance(value, RecordType):
        return value.value
    if type(value) in {list, tuple}:
        return type(value)(theirs(one, driver) for one in value)
    if type(value) is dict:
        return {name: theirs(one, driver) for name, one in value.items()}
    kind = next((kind for kind in type(value).__mro__ if kind in FIELDS), None)
    return value if kind is None else _built(value, kind, driver)


def _built(value: Any, kind: type, driver: Any) -> Any:
    path, fields = FIELDS[kind]
    given = {name: theirs(getattr(value, name), driver) for name in fields}
    made = _their(path)
    if made.__name__ not in WITHOUT_DRIVER:
        given["driver"] = driver
    if hasattr(value, "extra"):
        given["extra"] = dict(value.extra)
    return made(**given)


def _their_enum(value: Enum) -> Any:
    kind = _their(ENUMS[type(value)])
    try:
        return kind(value.value)
    except ValueError:
        return value.value


@cache
def _their(path: str) -> Any:
    module, _, name = f"libcloud.{path}".rpartition(".")
    return getattr(import_module(module), name)
