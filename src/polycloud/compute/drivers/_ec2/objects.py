"""What becomes of EC2's answers: the provider's own objects, states, and what stands in an `extra`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypedDict

import msgspec

from polycloud.common.payload import LazyExtra, parse_datetime
from polycloud.compute.drivers._ec2.payloads import (
    Address,
    Association,
    EC2AvailabilityZone,
    Group,
    Instance,
    Item,
    Permission,
    Subnet,
    Tag,
    Vpc,
)
from polycloud.compute.objects import NodeLocation
from polycloud.compute.types import NodeState, StorageVolumeState, VolumeSnapshotState
from polycloud.errors import MalformedResponseError

NODE_STATES = {
    "pending": NodeState.PENDING,
    "running": NodeState.RUNNING,
    "shutting-down": NodeState.STOPPING,
    "terminated": NodeState.TERMINATED,
    "stopping": NodeState.STOPPING,
    "stopped": NodeState.STOPPED,
}
VOLUME_STATES = {
    "creating": StorageVolumeState.CREATING,
    "available": StorageVolumeState.AVAILABLE,
    "in-use": StorageVolumeState.INUSE,
    "deleting": StorageVolumeState.DELETING,
    "deleted": StorageVolumeState.DELETED,
    "error": StorageVolumeState.ERROR,
}
SNAPSHOT_STATES = {
    "pending": VolumeSnapshotState.CREATING,
    "completed": VolumeSnapshotState.AVAILABLE,
    "error": VolumeSnapshotState.ERROR,
    "recoverable": VolumeSnapshotState.UNKNOWN,
    "recovering": VolumeSnapshotState.RESTORING,
}
COUNTRIES = {
    **dict.fromkeys(("us-east-1", "us-east-2", "us-west-1", "us-west-2"), "US"),
    **dict.fromkeys(("us-gov-east-1", "us-gov-west-1"), "US"),
    **dict.fromkeys(("ca-central-1", "ca-west-1"), "CA"),
    **dict.fromkeys(("cn-north-1", "cn-northwest-1"), "CN"),
    **dict.fromkeys(("ap-northeast-1", "ap-northeast-3"), "JP"),
    **dict.fromkeys(("ap-southeast-2", "ap-southeast-4"), "AU"),
    **dict.fromkeys(("ap-south-1", "ap-south-2"), "IN"),
    "af-south-1": "ZA",
    "ap-east-1": "HK",
    "ap-east-2": "TW",
    "ap-northeast-2": "KR",
    "ap-southeast-1": "SG",
    "ap-southeast-3": "ID",
    "ap-southeast-5": "MY",
    "ap-southeast-6": "NZ",
    "ap-southeast-7": "TH",
    "eu-central-1": "DE",
    "eusc-de-east-1": "DE",
    "eu-central-2": "CH",
    "eu-north-1": "SE",
    "eu-south-1": "IT",
    "eu-south-2": "ES",
    "eu-west-1": "IE",
    "eu-west-2": "GB",
    "eu-west-3": "FR",
    "il-central-1": "IL",
    "me-central-1": "AE",
    "me-south-1": "BH",
    "mx-central-1": "MX",
    "sa-east-1": "BR",
}
UNIQUE_LOCAL = ("fc", "fd")
"""How the IPv6 addresses of private networks begin."""

WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
FLAGS = {"true": True, "false": False}
NODE_KEYS = (
    *("architecture", "availability", "block_device_mapping", "client_token", "dns_name", "ebs_optimized"),
    *("groups", "hypervisor", "image_id", "instance_id", "instance_tenancy", "instance_type", "kernel_id"),
    *("key_name", "launch_index", "launch_time", "monitoring", "network_interfaces", "private_dns"),
    *("product_codes", "reason", "root_device_name", "root_device_type", "source_dest_check", "status"),
    *("subnet_id", "tags", "virtualization_type", "vpc_id"),
)
IMAGE_KEYS = (
    *("architecture", "billing_products", "block_device_mapping", "creation_date", "description"),
    *("hypervisor", "image_location", "image_type", "is_public", "kernel_id", "owner_id"),
    *("root_device_type", "state", "tags", "virtualization_type"),
)
VOLUME_KEYS = (
    *("attach_time", "attachment_status", "create_time", "delete", "device", "instance_id", "iops"),
    *("snapshot_id", "state", "tags", "volume_type", "zone"),
)


class EC2GroupPair(TypedDict, total=False):
    """A security group whose members a rule lets pass: `group_id`, or `group_name` outside of networks."""

    group_id: str
    group_name: str
    user_id: str
    vpc_id: str


class EC2Rule(TypedDict):
    """A rule of a security group; ports are None and `protocol` is "-1" where it is for everything."""

    protocol: str | None
    from_port: int | None
    to_port: int | None
    cidr_ips: list[str]
    group_pairs: list[EC2GroupPair]


class EC2NodeLocation(NodeLocation):
    """A zone as a place for nodes."""

    availability_zone: EC2AvailabilityZone


@dataclass(frozen=True, slots=True)
class EC2SecurityGroup:
    """A security group; `extra` has `description`, `owner_id`, `tags`, `vpc_id`."""

    id: str
    name: str
    ingress_rules: list[EC2Rule]
    egress_rules: list[EC2Rule]
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class EC2Address:
    """An Elastic IP; `instance_id` is None while it is free. `extra` has its ids."""

    ip: str
    domain: str | None = None
    instance_id: str | None = None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class EC2Network:
    """A private network (VPC); `extra` has `state`, `is_default`, `tags` and others."""

    id: str
    name: str
    cidr_block: str | None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class EC2NetworkSubnet:
    """A subnet; `state` is "pending" or "available". `extra` has `vpc_id`, `zone`, `tags` and others."""

    id: str
    name: str
    state: str | None
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


def addresses_of(instance: Instance) -> tuple[list[str], list[str]]:
    """The public and the private addresses of all interfaces; the provider tells which are which."""
    public, private = [instance.ip_address], [instance.private_ip_address]
    for interface in instance.network_interface_set or ():
        for one in interface.private_ip_addresses_set or ():
            private.append(one.private_ip_address)
            public.append((one.association or Association()).public_ip)
        for six in interface.ipv6_addresses_set or ():
            local = (six.ipv6_address or "").lower().startswith(UNIQUE_LOCAL)
            (private if local else public).append(six.ipv6_address)
    return [*filter(None, dict.fromkeys(public))], [*filter(None, dict.fromkeys(private))]


def name_of(tags: list[Tag] | None) -> str | None:
    """The value of the tag Name."""
    return next((tag.value for tag in tags or () if tag.key == "Name"), None)


def lazy(told: dict[str, Any], build: Callable[[dict[str, Any]], dict[str, Any]]) -> LazyExtra:
    """An `extra` that is made of what was told when it is first looked at."""
    return LazyExtra(msgspec.json.encode(told), lambda raw: build(msgspec.json.decode(raw)))


def snake(value: Any) -> Any:
    """What was told, by names with underscores; the texts "true" and "false" are truth values."""
    if isinstance(value, dict):
        return {WORD.sub("_", name).lower(): snake(part) for name, part in value.items()}
    if isinstance(value, list):
        return [snake(part) for part in value]
    return FLAGS.get(value, value)


def tags_told(told: dict[str, Any]) -> dict[str, str]:
    """The tags as a dict."""
    tags = told.pop("tagSet", None) or ()
    try:
        return {tag["key"]: tag.get("value") or "" for tag in tags}
    except (AttributeError, LookupError, TypeError):
        raise MalformedResponseError("the tags are not as documented", str(tags)[:200]) from None


def extra_of(told: dict[str, Any], names: Iterable[str] = ()) -> dict[str, Any]:
    """An `extra` of what was told, with all of `names`, and the tags as a dict."""
    tags = tags_told(told)
    return {**dict.fromkeys(names), **snake(told), "tags": tags}


def _devices(told: Any) -> list[dict[str, Any]]:
    """The disks of an instance or an image."""
    disks: list[dict[str, Any]] = told or []
    for disk in disks:
        if ebs := disk.get("ebs"):
            _read(ebs, parse_datetime, "attach_time")
            _read(ebs, int, "volume_size", "iops")
            ebs["delete"] = ebs.get("delete_on_termination")
    return disks


def _read(extra: dict[str, Any], read: Callable[[Any], Any], *names: str) -> None:
    """Make of the texts under `names`, where there are some, what they stand for."""
    extra.update({name: read(extra[name]) for name in names if extra.get(name) is not None})


def node_extra(told: dict[str, Any]) -> dict[str, Any]:
    """The `extra` of a node."""
    extra = extra_of(told, NODE_KEYS)
    placement = extra.pop("placement", None) or {}
    index = extra.pop("ami_launch_index", None)
    extra.update(
        availability=placement.get("availability_zone"),
        block_device_mapping=_devices(extra["block_device_mapping"]),
        groups=extra.pop("group_set", None) or [],
        iam_profile=(extra.get("iam_instance_profile") or {}).get("id"),
        instance_tenancy=placement.get("tenancy"),
        launch_index=None if index is None else int(index),
        monitoring=(extra["monitoring"] or {}).get("state"),
        network_interfaces=extra.pop("network_interface_set", None) or [],
        private_dns=extra.pop("private_dns_name", None),
        product_codes=extra["product_codes"] or [],
        status=(extra.pop("instance_state", None) or {}).get("name"),
    )
    return extra


def size_extra(told: dict[str, Any]) -> dict[str, Any]:
    """The `extra` of a size."""
    extra = extra_of(told)
    cpus = (extra.get("v_cpu_info") or {}).get("default_vcpus")
    return {**extra, "vcpus": None if cpus is None else int(cpus)}


def image_extra(told: dict[str, Any]) -> dict[str, Any]:
    """The `extra` of an image."""
    extra = extra_of(told, IMAGE_KEYS)
    extra.update(
        billing_products=[one["billing_product"] for one in extra["billing_products"] or ()],
        block_device_mapping=_devices(extra["block_device_mapping"]),
        owner_id=extra.pop("image_owner_id", None),
        state=extra.pop("image_state", None),
    )
    return extra


def zone_extra(told: dict[str, Any]) -> dict[str, Any]:
    """The `extra` of a zone."""
    extra = snake(told)
    return {**extra, "region": extra.get("region_name"), "state": extra.get("zone_state")}


def volume_extra(told: dict[str, Any]) -> dict[str, Any]:
    """The `extra` of a volume."""
    extra = extra_of(told, VOLUME_KEYS)
    attachments: list[dict[str, Any]] = extra.pop("attachment_set", None) or []
    attachment = next(iter(attachments), {})
    extra.update(
        attachments=attachments,
        attach_time=attachment.get("attach_time"),
        attachment_status=attachment.get("status"),
        delete=attachment.get("delete_on_termination"),
        device=attachment.get("device"),
        instance_id=attachment.get("instance_id"),
        state=extra.pop("status", None),
        zone=extra.pop("availability_zone", None),
    )
    _read(extra, parse_datetime, "attach_time", "create_time")
    _read(extra, int, "iops", "throughput")
    return extra


def snapshot_extra(told: dict[str, Any]) -> dict[str, Any]:
    """The `extra` of a snapshot."""
    extra = extra_of(told)
    extra["state"] = extra.pop("status", None)
    _read(extra, parse_datetime, "start_time")
    return extra


def to_group(item: Item[Group]) -> EC2SecurityGroup:
    """A security group with its rules."""
    group, told = item
    extra = extra_of({name: part for name, part in told.items() if not name.startswith("ipPermissions")})
    extra["description"] = extra.pop("group_description", None)
    ingress = [_to_rule(rule) for rule in group.ip_permissions or ()]
    egress = [_to_rule(rule) for rule in group.ip_permissions_egress or ()]
    return EC2SecurityGroup(group.group_id, group.group_name, ingress, egress, extra)


def _to_rule(rule: Permission) -> EC2Rule:
    addresses = [one.cidr_ip for one in rule.ip_ranges or ()]
    addresses += [one.cidr_ipv6 for one in rule.ipv6_ranges or ()]
    pairs: list[Any] = [
        {name: value for name, value in msgspec.structs.asdict(pair).items() if value is not None}
        for pair in rule.groups or ()
    ]
    return {
        "protocol": rule.ip_protocol,
        "from_port": rule.from_port,
        "to_port": rule.to_port,
        "cidr_ips": [address for address in addresses if address],
        "group_pairs": pairs,
    }


def to_address(item: Item[Address]) -> EC2Address:
    """An Elastic IP. Raises `MalformedResponseError` where it has no address."""
    address, told = item
    extra = {"allocation_id": None, "association_id": None, **extra_of(told)}
    ip = address.public_ip or address.carrier_ip or address.customer_owned_ip
    if ip is None:
        raise MalformedResponseError("an Elastic IP has no address", str(told)[:200])
    return EC2Address(ip, address.domain, address.instance_id, extra)


def to_network(item: Item[Vpc]) -> EC2Network:
    """A private network."""
    vpc, told = item
    return EC2Network(vpc.vpc_id, name_of(vpc.tag_set) or vpc.vpc_id, vpc.cidr_block, extra_of(told))


def to_subnet(item: Item[Subnet]) -> EC2NetworkSubnet:
    """A subnet."""
    subnet, told = item
    extra = extra_of(told)
    extra["zone"] = extra.get("availability_zone")
    return EC2NetworkSubnet(
        subnet.subnet_id, name_of(subnet.tag_set) or subnet.subnet_id, subnet.state, extra
    )
