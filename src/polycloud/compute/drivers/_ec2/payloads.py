"""The parts of EC2's answers, as they are told.

Source: Amazon's reference of the EC2 Query API, version 2016-11-15.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from polycloud.common.aws import converted
from polycloud.errors import MalformedResponseError

T = TypeVar("T")


class Payload(msgspec.Struct, rename="camel"):
    """A part of an answer; names are the provider's, all but the id may be absent."""


class Tag(Payload):
    """A tag."""

    key: str
    value: str | None = None


class Named(Payload):
    """A state."""

    name: str | None = None


class Ipv6(Payload):
    """An IPv6 address of an interface."""

    ipv6_address: str | None = None


class Association(Payload):
    """The public address that leads to a private one."""

    public_ip: str | None = None


class Private(Payload):
    """A private address of an interface."""

    private_ip_address: str | None = None
    association: Association | None = None


class Interface(Payload):
    """A network interface of an instance."""

    private_ip_addresses_set: list[Private] | None = None
    ipv6_addresses_set: list[Ipv6] | None = None


class Device(Payload):
    """A volume of an instance."""

    device_name: str | None = None


class Instance(Payload):
    """What a `Node` is made from; the whole payload becomes its `extra`."""

    instance_id: str
    instance_state: Named | None = None
    instance_type: str | None = None
    image_id: str | None = None
    launch_time: str | None = None
    client_token: str | None = None
    ip_address: str | None = None
    private_ip_address: str | None = None
    network_interface_set: list[Interface] | None = None
    block_device_mapping: list[Device] | None = None
    tag_set: list[Tag] | None = None


class Reservation(Payload):
    """Instances that were created together, as they were told."""

    instances_set: list[dict[str, Any]] | None
    group_set: Any = None


class Cpus(Payload):
    """Virtual CPUs of a type of instance."""

    default_v_cpus: int | None = None


class Memory(Payload):
    """RAM of a type of instance, in MiB."""

    size_in_mi_b: int | None = None


class Disks(Payload):
    """Disks of a type of instance that are part of the host, in GB; most types have none."""

    total_size_in_g_b: int | None = None


class InstanceType(Payload):
    """A type of instance."""

    instance_type: str
    v_cpu_info: Cpus | None = None
    memory_info: Memory | None = None
    instance_storage_info: Disks | None = None


class Offering(Payload):
    """A type of instance that is to be had in a zone."""

    instance_type: str


class Image(Payload):
    """An image (AMI)."""

    image_id: str
    name: str | None = None
    image_location: str | None = None


class EC2AvailabilityZone(msgspec.Struct, frozen=True, rename="camel"):
    """A zone; `zone_state` is "available", "impaired" and so on, `zone_type` "local-zone" for a city's."""

    name: str = msgspec.field(name="zoneName")
    zone_state: str | None = None
    region_name: str | None = None
    zone_type: str | None = None


class EC2Region(msgspec.Struct, frozen=True, rename="camel"):
    """A region; `opt_in_status` is "opt-in-not-required", "opted-in" or "not-opted-in"."""

    name: str = msgspec.field(name="regionName")
    endpoint: str | None = msgspec.field(name="regionEndpoint", default=None)
    opt_in_status: str | None = None


class Key(Payload):
    """A key pair; `key_material` is its private key, told once."""

    key_name: str
    key_pair_id: str | None = None
    key_fingerprint: str | None = None
    key_material: str | None = None
    key_type: str | None = None
    public_key: str | None = None


class Attachment(Payload):
    """Where a volume is attached."""

    instance_id: str | None = None
    device: str | None = None


class Volume(Payload):
    """A block volume; `size` is GiB."""

    volume_id: str
    size: int
    status: str | None = None
    tag_set: list[Tag] | None = None
    attachment_set: list[Attachment] | None = None


class Snapshot(Payload):
    """A snapshot; `volume_size` is GiB."""

    snapshot_id: str
    status: str | None = None
    start_time: str | None = None
    volume_size: int | None = None
    tag_set: list[Tag] | None = None


class Address(Payload):
    """An Elastic IP; one of a carrier's or a customer's pool is no public one."""

    public_ip: str | None = None
    carrier_ip: str | None = None
    customer_owned_ip: str | None = None
    domain: str | None = None
    instance_id: str | None = None
    allocation_id: str | None = None
    association_id: str | None = None


class Range(Payload):
    """Addresses in CIDR notation, of one family."""

    cidr_ip: str | None = None
    cidr_ipv6: str | None = None


class Pair(Payload):
    """A security group inside of a rule."""

    group_id: str | None = None
    group_name: str | None = None
    user_id: str | None = None
    vpc_id: str | None = None


class Permission(Payload):
    """A rule of a security group."""

    ip_protocol: str | None = None
    from_port: int | None = None
    to_port: int | None = None
    ip_ranges: list[Range] | None = None
    ipv6_ranges: list[Range] | None = None
    groups: list[Pair] | None = None


class Group(Payload):
    """A security group."""

    group_id: str
    group_name: str
    ip_permissions: list[Permission] | None = None
    ip_permissions_egress: list[Permission] | None = None


class Vpc(Payload):
    """A private network."""

    vpc_id: str
    cidr_block: str | None = None
    tag_set: list[Tag] | None = None


class Subnet(Payload):
    """A subnet of a private network, in one zone."""

    subnet_id: str
    state: str | None = None
    tag_set: list[Tag] | None = None


class Console(Payload):
    """What an instance has printed on its console, in base64."""

    instance_id: str
    timestamp: str | None = None
    output: str | None = None


class Done(Payload):
    """The answer to a request that gives nothing back."""

    done: bool = msgspec.field(name="return", default=True)


class Item(NamedTuple, Generic[T]):
    """An object of an answer, typed, and as it was told."""

    value: T
    told: dict[str, Any]


@lru_cache(maxsize=64)
def envelope(name: str, type_: Any) -> Any:
    """The type of an answer in which what is sought stands under `name`, and a mark of the next page."""
    following = ("next", str | None, msgspec.field(name="nextToken", default=None))
    return msgspec.defstruct("Envelope", [("found", type_, msgspec.field(name=name)), following])


def item_of(told: dict[str, Any], type_: type[T]) -> Item[T]:
    """A part of an answer, typed. Raises `MalformedResponseError` where it is not as documented."""
    try:
        return Item(converted(told, type_), told)
    except msgspec.ValidationError as error:
        raise MalformedResponseError(f"the object is not as documented: {error}", str(told)[:200]) from None
