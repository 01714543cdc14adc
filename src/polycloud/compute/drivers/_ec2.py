"""What EC2 offers beyond the base of compute; its payloads, and the objects made of them.

Source: Amazon's reference of the EC2 Query API, version 2016-11-15.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain
from operator import attrgetter
from sys import intern
from typing import Any, ClassVar, Generic, NamedTuple, TypedDict, TypeVar, Unpack

import msgspec

from polycloud.common.arguments import id_of
from polycloud.common.aws import AWSBaseDriver, AWSConnection, AWSResponse, converted, query
from polycloud.common.pagination import follow_marker, unique
from polycloud.common.payload import LazyExtra, moment
from polycloud.common.types import (
    ConflictError,
    ImageUnavailableError,
    InvalidArgumentError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ProviderError,
    ProviderHTTPError,
    ServerError,
    UnsupportedOperationError,
)
from polycloud.compute import keys
from polycloud.compute.base import NodeDriver, require_id
from polycloud.compute.creation import Creation, is_refusal, mark_for
from polycloud.compute.types import (
    KeyPair,
    KeyPairDoesNotExistError,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    NodeState,
    StorageVolume,
    StorageVolumeState,
    VolumeSnapshot,
    VolumeSnapshotState,
)

__all__ = [
    "EC2Address",
    "EC2AvailabilityZone",
    "EC2Connection",
    "EC2Extensions",
    "EC2Network",
    "EC2NetworkSubnet",
    "EC2NodeLocation",
    "EC2Region",
    "EC2Rule",
    "EC2SecurityGroup",
    "InstanceOptions",
]

T = TypeVar("T")
R = TypeVar("R")
API_VERSION = "2016-11-15"
PER_PAGE = 1000
UNPAGED = frozenset(
    {
        "DescribeAddresses",
        "DescribeAvailabilityZones",
        "DescribeKeyPairs",
        "DescribeRegions",
    }
)
"""Lists that come whole, and know no size of a page."""

REPEATABLE = ("Describe", "Get", "TerminateInstances", "DeleteKeyPair")
"""What actions begin with that look only, or succeed as well where it is done already."""

MOST_A_PAGE = {"DescribeInstanceTypes": 100}
CREATE_TOKEN = "polycloud-"  # noqa: S105 - no secret
NOT_FOUND = 404
DEVICES = tuple(f"/dev/sd{letter}" for letter in "fghijklmnop")
"""The names of devices that Amazon recommends for volumes."""

EVERYTHING = (("tcp", 0, 65535), ("udp", 0, 65535), ("icmp", -1, -1))

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
OPEN_ZONES = frozenset({None, "available"})
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


BASE_IMAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("137112412989", ("al2023-ami-2023.*",)),
    ("136693071363", ("debian-12-*", "debian-13-*")),
    (
        "099720109477",
        ("ubuntu/images/*ubuntu-*-22.04-*-server-*", "ubuntu/images/*ubuntu-*-24.04-*-server-*"),
    ),
)
"""The accounts of Amazon Linux, Debian and Ubuntu, and the names of their images that are listed unasked."""


# Payloads


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


# What the methods beyond the base deal in


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


class InstanceOptions(TypedDict, total=False):
    """What `create_node` takes by keyword."""

    ex_keyname: str | None
    ex_security_groups: Iterable[str] | None
    ex_security_group_ids: Iterable[str] | None
    ex_subnet: EC2NetworkSubnet | str | None
    ex_userdata: str | bytes | None
    ex_metadata: Mapping[str, str] | None
    ex_mincount: int | None
    ex_maxcount: int | None
    ex_clienttoken: str | None
    ex_blockdevicemappings: Iterable[Mapping[str, Any]] | None
    ex_iamprofile: str | None
    ex_ebs_optimized: bool | None
    ex_terminate_on_shutdown: bool
    ex_assign_public_ip: bool | None
    ex_placement_group: str | None
    ex_spot: bool
    ex_spot_max_price: float | None
    ex_securitygroup: Iterable[str] | None
    tags: Mapping[str, str] | Iterable[str] | None
    user_data: str | bytes | None
    idempotency_key: str | None


class VolumeOptions(TypedDict, total=False):
    """What `create_volume` takes by keyword."""

    ex_volume_type: str | None
    ex_iops: int | None
    ex_throughput: int | None
    ex_encrypted: bool | None
    ex_kms_key_id: str | None
    tags: Mapping[str, str] | Iterable[str] | None


class EC2Connection(AWSConnection):
    """The EC2 Query API; `per_page` is how many items a page is to have."""

    service = "ec2"
    responseCls = AWSResponse

    def __init__(self, *args: Any, per_page: int = PER_PAGE, **options: Any) -> None:
        super().__init__(*args, **options)
        self.per_page = per_page

    def call(
        self, action: str, fields: Mapping[str, Any], type_: Any = Done, *, idempotent: bool = False
    ) -> Any:
        """What the provider answers to `action`, as `type_`; what changes nothing twice may be sent again."""
        data = {"Action": action, "Version": API_VERSION, **query(fields)}
        again = idempotent or action.startswith(REPEATABLE)
        answer: AWSResponse = self.request("/", data=data, method="POST", idempotent=again)
        return answer.read(f"{action}Response", type_)

    def act(self, action: str, **fields: Any) -> bool:
        """Tell the provider to do something; True."""
        done: Done = self.call(action, fields)
        if not done.done:
            raise ProviderError(f"{action} was not carried out", driver=self.driver)
        return True

    def create(
        self, action: str, name: str | None, type_: type[T], *, idempotent: bool = False, **fields: Any
    ) -> Item[T]:
        """The object that an answer consists of, or that stands in it under `name`."""
        shape = dict[str, Any] if name is None else _envelope(name, dict[str, Any])
        told: Any = self.call(action, fields, shape, idempotent=idempotent)
        return item_of(told if name is None else told.found, type_)

    def list_all(
        self, action: str, name: str, type_: type[T], build: Callable[[Item[T]], R], **fields: Any
    ) -> list[R]:
        """What `build` makes of every item of the list `name` that `action` gives, page by page."""
        return [build(item) for item in self.iterate(action, name, type_, **fields)]

    def iterate(
        self,
        action: str,
        name: str,
        type_: type[T],
        *,
        key: Callable[[Item[T]], Hashable] | None = None,
        paged: bool = True,
        **fields: Any,
    ) -> Iterator[Item[T]]:
        """The items of the list `name` that `action` gives, each once, a page at a time.

        `key` tells them apart, their first field unless given; `paged` is false where ids are asked for,
        with which the provider takes no size of a page.
        """
        size = min(self.per_page, MOST_A_PAGE.get(action, PER_PAGE))
        size_of_page = {"MaxResults": size} if paged and action not in UNPAGED else {}
        shape = _envelope(name, list[dict[str, Any]] | None)

        def fetch(marker: str | int | None) -> tuple[list[Item[T]], str | None]:
            told: Any = self.call(action, {**fields, **size_of_page, "NextToken": marker}, shape)
            return [item_of(one, type_) for one in told.found or ()], told.next

        first = attrgetter(f"value.{type_.__struct_fields__[0]}")  # type: ignore[attr-defined] # a Struct
        return follow_marker(fetch, key or first)


@lru_cache(maxsize=64)
def _envelope(name: str, type_: Any) -> Any:
    following = ("next", str | None, msgspec.field(name="nextToken", default=None))
    return msgspec.defstruct("Envelope", [("found", type_, msgspec.field(name=name)), following])


def item_of(told: dict[str, Any], type_: type[T]) -> Item[T]:
    """A part of an answer, typed. Raises `MalformedResponseError` where it is not as documented."""
    try:
        return Item(converted(told, type_), told)
    except msgspec.ValidationError as error:
        raise MalformedResponseError(f"the object is not as documented: {error}", str(told)[:200]) from None


class InstanceCreation(Creation):
    """A create of instances, which the provider knows again by its token; `nodes` are all of them."""

    def __init__(self, driver: EC2Extensions, fields: dict[str, Any], name: str, *, keyed: bool) -> None:
        self.token: str = fields["ClientToken"]
        super().__init__(f"the instance {name!r}", f"the client token {self.token!r}", keyed=keyed)
        self.driver, self.fields = driver, fields
        self.nodes: list[Node] = []

    def send(self) -> Node | None:
        """The instance, or the first one; an earlier create with this key may have asked for another one."""
        connection = self.driver.connection
        try:
            told = connection.call("RunInstances", self.fields, Reservation, idempotent=True)
        except ProviderHTTPError as error:
            if self.keyed and str(error.message).startswith("IdempotentParameterMismatch"):
                return None
            if not is_refusal(error) or str(error.message).startswith("Idempotent"):
                raise
            if (found := self._made_before(error)) is None:
                raise
            return found
        return self._first(map(self.driver._to_node, instances_of(told)))

    def _made_before(self, refused: PolycloudError) -> Node | None:
        """What an attempt before the one that was refused has made, of which the answer was lost."""
        try:
            return self.find()
        except PolycloudError as error:
            refused.add_note(f"whether an instance has {self.mark} could not be seen: {error}")
            return None

    def find(self) -> Node | None:
        """The instance with the token."""
        return self._first(self.driver._nodes_of_token(self.token))

    def _first(self, nodes: Iterable[Node]) -> Node | None:
        self.nodes = list(nodes)
        return self.nodes[0] if self.nodes else None

    def begun(self) -> bool:
        """The provider itself knows; it is asked by sending the token again."""
        return False

    def settle(self, node: Node) -> None:
        """There is nothing to take off."""


class EC2Extensions(AWSBaseDriver, NodeDriver):
    """The methods beyond the base, by the names that Libcloud's users know."""

    connectionCls = EC2Connection
    connection: EC2Connection
    api_name = "ec2"
    name = "Amazon EC2"
    website = "https://aws.amazon.com/ec2/"
    endpoint = "ec2"
    settle_time: ClassVar[float] = 30.0

    def __init__(self, *args: Any, ex_per_page: int = PER_PAGE, **options: Any) -> None:
        self._per_page = ex_per_page
        super().__init__(*args, **options)

    def _ex_connection_class_kwargs(self) -> dict[str, Any]:
        return {**super()._ex_connection_class_kwargs(), "per_page": self._per_page}

    # Regions and zones

    def ex_list_regions(self) -> list[EC2Region]:
        """The regions, those too that the account has not opted in to."""
        regions = self.connection.list_all(
            "DescribeRegions", "regionInfo", EC2Region, attrgetter("value"), AllRegions=True
        )
        return sorted(regions, key=attrgetter("name"))

    def ex_list_availability_zones(self, only_available: bool = True) -> list[EC2AvailabilityZone]:
        """The region's zones; those too that are impaired or unavailable, where asked for."""
        zones = self._zones(attrgetter("value"))
        return [zone for zone in zones if zone.zone_state in OPEN_ZONES or not only_available]

    # Nodes

    def ex_get_console_output(self, node: Node) -> dict[str, Any]:
        """What a node has printed on its console, some time ago.

        `instance_id`, `timestamp` (a `datetime`, or None) and `output` (str, or None).
        """
        told: Console = self.connection.call("GetConsoleOutput", {"InstanceId": require_id(node)}, Console)
        try:
            output = base64.b64decode(told.output).decode(errors="replace") if told.output else None
        except ValueError as error:
            raise MalformedResponseError(f"the output is not in base64: {error}", told.output) from None
        return {"instance_id": told.instance_id, "timestamp": moment(told.timestamp), "output": output}

    def ex_modify_instance_attribute(self, node: Node, attributes: Mapping[str, Any]) -> bool:
        """Change attributes of a node, such as `{"InstanceType.Value": "t3.small"}` of a stopped one.

        The provider takes one a request: with several it is asked once for each.
        """
        for name, value in attributes.items():
            self.connection.act("ModifyInstanceAttribute", InstanceId=require_id(node), **{name: value})
        return True

    def ex_change_node_size(self, node: Node, new_size: NodeSize) -> bool:
        """Give a stopped node another size."""
        size = id_of(new_size, NodeSize)
        return self.ex_modify_instance_attribute(node, {"InstanceType.Value": size})

    def ex_create_nodes(
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        count: int,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        **options: Unpack[InstanceOptions],
    ) -> list[Node]:
        """Create `count` instances by one request, all or none; with `ex_mincount` that many at least."""
        options["ex_maxcount"] = count
        options.setdefault("ex_mincount", count)
        return self._create(name, id_of(size, NodeSize), id_of(image, NodeImage), location, auth, options)

    def ex_start_node(self, node: Node) -> bool:
        """As `start_node`."""
        return self.start_node(node)

    def ex_stop_node(self, node: Node) -> bool:
        """As `stop_node`."""
        return self.stop_node(node)

    def ex_get_metadata_for_node(self, node: Node) -> dict[str, str]:
        """The node's tags."""
        return self.ex_describe_tags(node)

    # Tags

    def ex_create_tags(self, resource: Any, tags: Mapping[str, str]) -> bool:
        """Give anything with an id, or the thing of an id, tags; one that is there gets the new value."""
        if not tags:
            return True
        return self.connection.act("CreateTags", ResourceId=[_id(resource)], Tag=tag_list(tags))

    def ex_delete_tags(self, resource: Any, tags: Mapping[str, str] | Iterable[str]) -> bool:
        """Take tags off; with values only where the value is that one."""
        named = tag_list(tags) if isinstance(tags, Mapping) else [{"Key": key} for key in tags]
        return self.connection.act("DeleteTags", ResourceId=[_id(resource)], Tag=named) if named else True

    def ex_describe_tags(self, resource: Any) -> dict[str, str]:
        """The tags of anything with an id."""
        found = self.connection.list_all(
            "DescribeTags", "tagSet", Tag, attrgetter("value"), Filter=filters({"resource-id": _id(resource)})
        )
        return {tag.key: tag.value or "" for tag in found}

    # Security groups

    def ex_list_security_groups(self) -> list[str]:
        """The names of the security groups."""
        return [group.name for group in self.ex_get_security_groups()]

    def ex_get_security_groups(
        self,
        group_ids: Iterable[str] | None = None,
        group_names: Iterable[str] | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> list[EC2SecurityGroup]:
        """The security groups with their rules: of these ids, these names, or that pass the filters."""
        return self._listed(
            "DescribeSecurityGroups",
            "securityGroupInfo",
            Group,
            _to_group,
            filters,
            GroupId=one_or_more(group_ids),
            GroupName=one_or_more(group_names),
        )

    def ex_create_security_group(
        self, name: str, description: str, vpc_id: str | None = None, *, tags: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Create a security group, in the default network unless one is given: `{"group_id": ...}`."""
        made = self.connection.call(
            "CreateSecurityGroup",
            {
                "GroupName": name,
                "GroupDescription": description,
                "VpcId": vpc_id,
                "TagSpecification": tagging("security-group", tags),
            },
            dict[str, Any],
        )
        return {"group_id": _field(made, "groupId")}

    def ex_delete_security_group(self, name: str) -> bool:
        """Delete the security group of that name."""
        return self.ex_delete_security_group_by_name(name)

    def ex_delete_security_group_by_name(self, group_name: str) -> bool:
        """Delete the security group of that name, in the default network."""
        return self.connection.act("DeleteSecurityGroup", GroupName=group_name)

    def ex_delete_security_group_by_id(self, group_id: str) -> bool:
        """Delete a security group that no node is in."""
        return self.connection.act("DeleteSecurityGroup", GroupId=group_id)

    def ex_authorize_security_group(
        self, name: str, from_port: int | None, to_port: int | None, cidr_ip: str, protocol: str = "tcp"
    ) -> bool:
        """Let traffic from an address to the group of that name pass, in the default network."""
        rule = permission(from_port, to_port, [cidr_ip], None, protocol)
        return self.connection.act("AuthorizeSecurityGroupIngress", GroupName=name, IpPermissions=[rule])

    def ex_authorize_security_group_permissive(self, name: str) -> bool:
        """Let all TCP, UDP and ICMP from everywhere pass; rules that are there already stay."""
        for protocol, first, last in EVERYTHING:
            with suppress(ConflictError):
                self.ex_authorize_security_group(name, first, last, "0.0.0.0/0", protocol)
        return True

    def ex_authorize_security_group_ingress(
        self,
        id: str,
        from_port: int | None,
        to_port: int | None,
        cidr_ips: Iterable[str] | None = None,
        group_pairs: Iterable[EC2GroupPair] | None = None,
        protocol: str = "tcp",
        description: str | None = None,
    ) -> bool:
        """Let traffic to the members of the group `id` pass, from addresses or members of other groups.

        Args:
            id: The group's id.
            from_port: The first port; for ICMP its type, -1 for all.
            to_port: The last port; for ICMP its code, -1 for all.
            cidr_ips: IPv4 and IPv6 addresses in CIDR notation.
            group_pairs: Other groups.
            protocol: "tcp", "udp", "icmp", "icmpv6", a number, or "-1" for all.
            description: A note on each of the addresses.
        """
        rule = permission(from_port, to_port, cidr_ips, group_pairs, protocol, description)
        return self.connection.act("AuthorizeSecurityGroupIngress", GroupId=id, IpPermissions=[rule])

    def ex_authorize_security_group_egress(
        self,
        id: str,
        from_port: int | None,
        to_port: int | None,
        cidr_ips: Iterable[str] | None = None,
        group_pairs: Iterable[EC2GroupPair] | None = None,
        protocol: str = "tcp",
    ) -> bool:
        """As `ex_authorize_security_group_ingress`, for traffic from the members of the group."""
        rule = permission(from_port, to_port, cidr_ips, group_pairs, protocol)
        return self.connection.act("AuthorizeSecurityGroupEgress", GroupId=id, IpPermissions=[rule])

    def ex_revoke_security_group_ingress(
        self,
        id: str,
        from_port: int | None,
        to_port: int | None,
        cidr_ips: Iterable[str] | None = None,
        group_pairs: Iterable[EC2GroupPair] | None = None,
        protocol: str = "tcp",
    ) -> bool:
        """Take back what `ex_authorize_security_group_ingress` has let pass."""
        rule = permission(from_port, to_port, cidr_ips, group_pairs, protocol)
        return self.connection.act("RevokeSecurityGroupIngress", GroupId=id, IpPermissions=[rule])

    def ex_revoke_security_group_egress(
        self,
        id: str,
        from_port: int | None,
        to_port: int | None,
        cidr_ips: Iterable[str] | None = None,
        group_pairs: Iterable[EC2GroupPair] | None = None,
        protocol: str = "tcp",
    ) -> bool:
        """Take back what `ex_authorize_security_group_egress` has let pass."""
        rule = permission(from_port, to_port, cidr_ips, group_pairs, protocol)
        return self.connection.act("RevokeSecurityGroupEgress", GroupId=id, IpPermissions=[rule])

    # Elastic IPs

    def ex_describe_all_addresses(self, only_associated: bool = False) -> list[EC2Address]:
        """The account's Elastic IPs; those only that lead to something, where asked for."""
        key = attrgetter("value.allocation_id", "value.public_ip")
        found = self.connection.list_all("DescribeAddresses", "addressesSet", Address, _to_address, key=key)
        return [one for one in found if one.extra["association_id"] or not only_associated]

    def ex_describe_addresses(self, nodes: Iterable[Node]) -> dict[str, list[str]]:
        """The Elastic IPs of some nodes, by the nodes' ids."""
        found = self.ex_describe_all_addresses(only_associated=True)
        ids = [require_id(node) for node in nodes]
        return {id_: [address.ip for address in found if address.instance_id == id_] for id_ in ids}

    def ex_describe_addresses_for_node(self, node: Node) -> list[str]:
        """The Elastic IPs of a node."""
        return self.ex_describe_addresses([node])[node.id]

    def ex_allocate_address(self, domain: str = "vpc") -> EC2Address:
        """Get a new Elastic IP, which costs as long as it is kept."""
        return _to_address(self.connection.create("AllocateAddress", None, Address, Domain=domain))

    def ex_release_address(self, elastic_ip: EC2Address, domain: str | None = None) -> bool:
        """Give an Elastic IP back."""
        return self.connection.act("ReleaseAddress", **_named_address(elastic_ip, "allocation_id"))

    def ex_associate_address_with_node(
        self, node: Node, elastic_ip: EC2Address, domain: str | None = None
    ) -> str | None:
        """Lead an Elastic IP to a node; the id of the association.

        Raises `ConflictError` where it leads to something else already.
        """
        fields = {**_named_address(elastic_ip, "allocation_id"), "AllowReassociation": False}
        told = self.connection.call(
            "AssociateAddress", {"InstanceId": require_id(node), **fields}, dict[str, Any]
        )
        association_id: str | None = told.get("associationId")
        return association_id

    def ex_disassociate_address(self, elastic_ip: EC2Address, domain: str | None = None) -> bool:
        """Lead an Elastic IP nowhere."""
        found = next((one for one in self.ex_describe_all_addresses() if one.ip == elastic_ip.ip), elastic_ip)
        return self.connection.act("DisassociateAddress", **_named_address(found, "association_id"))

    # Networks

    def ex_list_networks(
        self, network_ids: Iterable[str] | None = None, filters: Mapping[str, Any] | None = None
    ) -> list[EC2Network]:
        """The private networks (VPCs): of these ids, or that pass the filters."""
        ids = one_or_more(network_ids)
        return self._listed("DescribeVpcs", "vpcSet", Vpc, _to_network, filters, VpcId=ids)

    def ex_create_network(
        self, cidr_block: str, name: str | None = None, instance_tenancy: str = "default"
    ) -> EC2Network:
        """Create a private network with the addresses `cidr_block`."""
        fields: dict[str, Any] = {"CidrBlock": cidr_block, "InstanceTenancy": instance_tenancy}
        tagged = tagging("vpc", {"Name": name} if name else None)
        return _to_network(self.connection.create("CreateVpc", "vpc", Vpc, TagSpecification=tagged, **fields))

    def ex_delete_network(self, vpc: EC2Network) -> bool:
        """Delete a private network that nothing is in."""
        return self.connection.act("DeleteVpc", VpcId=vpc.id)

    def ex_list_subnets(
        self, subnet_ids: Iterable[str] | None = None, filters: Mapping[str, Any] | None = None
    ) -> list[EC2NetworkSubnet]:
        """The subnets: of these ids, or that pass the filters."""
        ids = one_or_more(subnet_ids)
        return self._listed("DescribeSubnets", "subnetSet", Subnet, _to_subnet, filters, SubnetId=ids)

    def ex_create_subnet(
        self, vpc_id: str, cidr_block: str, availability_zone: str | None = None, name: str | None = None
    ) -> EC2NetworkSubnet:
        """Create a subnet in a private network, in the zone of that name where given."""
        fields: dict[str, Any] = {"VpcId": vpc_id, "CidrBlock": cidr_block}
        fields["AvailabilityZone"] = availability_zone
        tagged = tagging("subnet", {"Name": name} if name else None)
        return _to_subnet(
            self.connection.create("CreateSubnet", "subnet", Subnet, TagSpecification=tagged, **fields)
        )

    def ex_delete_subnet(self, subnet: EC2NetworkSubnet) -> bool:
        """Delete a subnet that nothing is in."""
        return self.connection.act("DeleteSubnet", SubnetId=subnet.id)

    # Snapshots

    def list_snapshots(
        self, snapshot: VolumeSnapshot | None = None, owner: str | None = None
    ) -> list[VolumeSnapshot]:
        """The snapshots of an owner, the account itself unless given; or one as it is now."""
        fields = {"SnapshotId": [snapshot.id]} if snapshot else {"Owner": [owner or "self"]}
        return self._listed("DescribeSnapshots", "snapshotSet", Snapshot, self._to_snapshot, None, **fields)

    # What the methods above and the base's are made of

    def _listed(
        self,
        action: str,
        name: str,
        type_: type[T],
        build: Callable[[Item[T]], R],
        wanted: Mapping[str, Any] | None,
        **fields: Any,
    ) -> list[R]:
        """A list, of which the ids and names in `fields` that are not empty and the filters pick."""
        picked = any(value for name, value in fields.items() if name.endswith(("Id", "Name")))
        items = self.connection.iterate(
            action, name, type_, paged=not picked, Filter=filters(wanted), **fields
        )
        return [build(item) for item in items]

    def _create(
        self,
        name: str,
        size_id: str,
        image_id: str,
        location: NodeLocation | None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None,
        options: InstanceOptions,
    ) -> list[Node]:
        key, token = options.get("idempotency_key"), options.get("ex_clienttoken")
        fields = run_fields(name, options)
        if auth is not None:
            if fields["KeyName"]:
                raise InvalidArgumentError("EC2 takes one key: give auth= or ex_keyname=, not both")
            fields["KeyName"] = self._key_name(auth)
        fields |= {
            "ImageId": image_id,
            "InstanceType": size_id,
            "Placement": {
                "AvailabilityZone": self._zone(location),
                "GroupName": options.get("ex_placement_group"),
            },
            "ClientToken": token or CREATE_TOKEN + mark_for(key),
        }
        creation = InstanceCreation(self, fields, name, keyed=key is not None)
        node = self._create_once(creation, timeout=self.settle_time, idempotency_key=key)
        if fields["MaxCount"] == 1:
            return [node]
        return creation.nodes or self._nodes_of_token(creation.token)

    def _key_pairs(self, **fields: Any) -> list[KeyPair]:
        return self.connection.list_all(
            "DescribeKeyPairs", "keySet", Key, self._to_key_pair, IncludePublicKey=True, **fields
        )

    def _images(self, wanted: Mapping[str, Any] | None, **fields: Any) -> list[NodeImage]:
        return self._listed("DescribeImages", "imagesSet", Image, self._to_image, wanted, **fields)

    def _usual_images(self) -> list[NodeImage]:
        searches = [
            partial(self._images, {"name": names, "state": "available"}, Owner=[owner])
            for owner, names in BASE_IMAGES
        ]
        found = self.connection.gather([partial(self._images, None, Owner=["self"]), *searches])
        return list(unique(chain.from_iterable(found), attrgetter("id")))

    def _instances(self, **fields: Any) -> Iterator[Item[Instance]]:
        reservations = self.connection.iterate(
            "DescribeInstances", "reservationSet", Reservation, key=_members, **fields
        )
        items = (item for one in reservations for item in instances_of(one.value))
        return unique(items, attrgetter("value.instance_id"))

    def _nodes_of_token(self, token: str) -> list[Node]:
        """The instances that were created with a token; not every server has a filter for it."""
        try:
            found = list(self._instances(Filter=filters({"client-token": token})))
        except ServerError:
            found = list(self._instances())
        return [self._to_node(item) for item in found if item.value.client_token == token]

    def _attachment(self, volume: StorageVolume) -> Attachment:
        found: list[Volume] = self.connection.list_all(
            "DescribeVolumes", "volumeSet", Volume, attrgetter("value"), paged=False, VolumeId=[volume.id]
        )
        attachments = the_one(found, volume.id).attachment_set
        if not attachments:
            raise ConflictError(409, f"the volume {volume.name} (id {volume.id}) is attached to no node")
        return attachments[0]

    def _free_device(self, node: Node) -> str:
        item = the_one(self._instances(paged=False, InstanceId=[require_id(node)]), node.id)
        named = (one.device_name or "" for one in item.value.block_device_mapping or ())
        taken = {name.replace("/dev/xvd", "/dev/sd") for name in named}
        free = next((device for device in DEVICES if device not in taken), None)
        if free is None:
            raise InvalidArgumentError(f"{node.name} (id {node.id}) has no device free; say device=")
        return free

    def _zones(self, build: Callable[[Item[EC2AvailabilityZone]], R]) -> list[R]:
        return self.connection.list_all(
            "DescribeAvailabilityZones", "availabilityZoneInfo", EC2AvailabilityZone, build
        )

    def _first_zone(self) -> str:
        for zone in self.ex_list_availability_zones():
            if zone.zone_type in {None, "availability-zone"}:
                return zone.name
        raise InvalidArgumentError(f"{self.connection.region} tells no zone; give a location")

    def _zone(self, location: NodeLocation | None) -> str | None:
        return None if location is None else id_of(location, NodeLocation)

    def _power(self, action: str, node: Node) -> bool:
        self.connection.call(action, {"InstanceId": [require_id(node)]}, dict[str, Any] | None)
        return True

    # Keys that let somebody in

    def _key_name(self, auth: NodeAuthSSHKey | NodeAuthPassword) -> str:
        """The name of a key pair with this public key, which always has the same one."""
        if not isinstance(auth, NodeAuthSSHKey):
            raise UnsupportedOperationError(f"{self.name} creates nodes with SSH keys, not passwords", self)
        public_key = keys.require_public_key(auth.pubkey)
        mark = (keys.fingerprint(public_key) or "").replace(":", "")
        with suppress(ConflictError):
            self.import_key_pair_from_string(f"polycloud-{mark}", public_key)
        return f"polycloud-{mark}"

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """A key pair of the deployment's own is deleted after it; the node keeps the key."""
        if not isinstance(auth, NodeAuthSSHKey):
            with super()._authorized(auth, kwargs) as same:
                yield same
            return
        if kwargs.get("ex_keyname"):
            raise InvalidArgumentError("EC2 takes one key: give auth= or ex_keyname=, not both")
        pair = self.import_key_pair_from_string(f"polycloud-{secrets.token_hex(8)}", auth.pubkey)
        with self._lent(pair.name, partial(self.delete_key_pair, pair)):
            yield {**kwargs, "ex_keyname": pair.name}

    # Objects from payloads

    def _to_node(self, item: Item[Instance]) -> Node:
        instance, told = item
        public, private = addresses_of(instance)
        return Node(
            instance.instance_id,
            name_of(instance.tag_set) or instance.instance_id,
            NODE_STATES.get((instance.instance_state or Named()).name or "", NodeState.UNKNOWN),
            public,
            private,
            self,
            instance.instance_type and intern(instance.instance_type),  # thousands of nodes share a few
            instance.image_id and intern(instance.image_id),
            lazy(told, _node_extra),
            moment(instance.launch_time),
        )

    def _to_size(self, item: Item[InstanceType]) -> NodeSize:
        size, told = item
        ram = (size.memory_info or Memory()).size_in_mi_b or 0
        disk = (size.instance_storage_info or Disks()).total_size_in_g_b or 0
        price = self._get_size_price(size.instance_type)
        extra = lazy(told, _size_extra)
        return NodeSize(size.instance_type, size.instance_type, ram, disk, None, price, self, extra)

    def _to_image(self, item: Item[Image]) -> NodeImage:
        image, told = item
        name = image.name or image.image_location or image.image_id
        return NodeImage(image.image_id, name, self, lazy(told, _image_extra))

    def _new_image(self, made: Item[Image], name: str, description: str | None) -> NodeImage:
        """An image that was just begun; lists show it a little later."""
        return NodeImage(made.value.image_id, name, self, {"state": "pending", "description": description})

    def _to_location(self, item: Item[EC2AvailabilityZone]) -> NodeLocation:
        zone, told = item
        country = COUNTRIES.get(zone.region_name or self.connection.region, "")
        place = EC2NodeLocation(zone.name, zone.name, country, self, lazy(told, _zone_extra))
        place.availability_zone = zone
        return place

    def _to_key_pair(self, item: Item[Key]) -> KeyPair:
        key, told = item
        extra = _extra({name: part for name, part in told.items() if name != "keyMaterial"})
        return KeyPair(key.key_name, key.public_key, key.key_fingerprint, self, key.key_material, extra)

    def _to_volume(self, item: Item[Volume]) -> StorageVolume:
        volume, told = item
        return StorageVolume(
            volume.volume_id,
            name_of(volume.tag_set) or volume.volume_id,
            volume.size,
            self,
            VOLUME_STATES.get(volume.status or "", StorageVolumeState.UNKNOWN),
            lazy(told, _volume_extra),
        )

    def _to_snapshot(self, item: Item[Snapshot]) -> VolumeSnapshot:
        snapshot, told = item
        return VolumeSnapshot(
            snapshot.snapshot_id,
            self,
            snapshot.volume_size,
            lazy(told, _snapshot_extra),
            moment(snapshot.start_time),
            SNAPSHOT_STATES.get(snapshot.status or "", VolumeSnapshotState.UNKNOWN),
            name_of(snapshot.tag_set),
        )


# Arguments


def run_fields(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a RunInstances that the options of `create_node` stand for."""
    _require_known("create_node", options, InstanceOptions.__annotations__)
    one = options.get
    data = one("user_data") or one("ex_userdata")
    profile = one("ex_iamprofile")
    return {
        "MinCount": one("ex_mincount") or 1,
        "MaxCount": max(one("ex_mincount") or 1, one("ex_maxcount") or 1),
        "TagSpecification": tagging("instance", tags_of(name, one("ex_metadata"), one("tags"))),
        "KeyName": one("ex_keyname"),
        "UserData": None if data is None else encoded(data),
        "BlockDeviceMapping": one("ex_blockdevicemappings"),
        "IamInstanceProfile": profile and {"Arn" if profile.startswith("arn:") else "Name": profile},
        "EbsOptimized": one("ex_ebs_optimized"),
        "InstanceMarketOptions": _market(options) if one("ex_spot") else None,
        "InstanceInitiatedShutdownBehavior": "terminate" if one("ex_terminate_on_shutdown") else None,
        **_network_fields(options),
    }


def volume_fields(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a CreateVolume that the options of `create_volume` stand for."""
    _require_known("create_volume", options, VolumeOptions.__annotations__)
    return {
        "VolumeType": options.get("ex_volume_type"),
        "Iops": options.get("ex_iops"),
        "Throughput": options.get("ex_throughput"),
        "Encrypted": options.get("ex_encrypted"),
        "KmsKeyId": options.get("ex_kms_key_id"),
        "TagSpecification": tagging("volume", tags_of(name, options.get("tags"))),
        "ClientToken": CREATE_TOKEN + mark_for(None),
    }


def _require_known(method: str, options: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(options) - set(known)):
        raise InvalidArgumentError(f"{method} knows no {unknown[0]}; it knows {', '.join(sorted(known))}")


def _market(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"MarketType": "spot", "SpotOptions": {"MaxPrice": options.get("ex_spot_max_price")}}


def _network_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Where in the network an instance is; a public address is asked for on an interface, with all else."""
    subnet = options.get("ex_subnet")
    fields = {
        "SubnetId": getattr(subnet, "id", subnet),
        "SecurityGroupId": one_or_more(options.get("ex_security_group_ids")),
    }
    names = one_or_more(options.get("ex_security_groups") or options.get("ex_securitygroup"))
    public = options.get("ex_assign_public_ip")
    if public is None:
        return {**fields, "SecurityGroup": names}
    if names:
        raise InvalidArgumentError("with ex_assign_public_ip, name security groups by ex_security_group_ids")
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": public, "DeleteOnTermination": True}
    return {"NetworkInterface": [{**interface, **fields}]}


def tags_of(name: str, *given: Mapping[str, str] | Iterable[str] | None) -> dict[str, str]:
    """Tags with the name among them; a text "key=value" is a tag, and one without "=" has no value."""
    tags: dict[str, str] = {"Name": name} if name else {}
    for some in given:
        if isinstance(some, Mapping):
            tags.update(some)
        else:
            tags.update(text.partition("=")[::2] for text in one_or_more(some))
    return tags


def tagging(kind: str, tags: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """The field TagSpecification, by which a thing of this kind is created with its tags."""
    return [{"ResourceType": kind, "Tag": tag_list(tags)}] if tags else []


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as requests name them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def filters(wanted: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The field Filter: what passes has for each name one of its values, in which * and ? stand for any."""
    return [{"Name": name, "Value": one_or_more(values)} for name, values in (wanted or {}).items()]


def permission(
    from_port: int | None,
    to_port: int | None,
    cidr_ips: Iterable[str] | None,
    group_pairs: Iterable[EC2GroupPair] | None,
    protocol: str,
    description: str | None = None,
) -> dict[str, Any]:
    """A rule of a security group as requests name it."""
    addresses = one_or_more(cidr_ips)
    pairs = [
        {"".join(map(str.capitalize, name.split("_"))): value for name, value in pair.items()}
        for pair in group_pairs or ()
    ]
    return {
        "IpProtocol": protocol,
        "FromPort": from_port,
        "ToPort": to_port,
        "IpRanges": [{"CidrIp": one, "Description": description} for one in addresses if ":" not in one],
        "Ipv6Ranges": [{"CidrIpv6": one, "Description": description} for one in addresses if ":" in one],
        "Groups": pairs,
    }


def encoded(data: str | bytes) -> str:
    """Text or bytes in base64."""
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def one_or_more(things: Iterable[Any] | Any | None) -> list[Any]:
    """The things as a list, of which one thing may be given alone."""
    if things is None:
        return []
    return list(things) if isinstance(things, Iterable) and not isinstance(things, str) else [things]


def _id(resource: Any) -> str:
    id_ = getattr(resource, "id", resource)
    if isinstance(id_, str) and id_:
        return id_
    raise InvalidArgumentError(f"{resource!r} has no id")


def _named_address(address: EC2Address, by: str) -> dict[str, str]:
    """An address as requests name it: by one of its ids, or by itself where it has none."""
    if id_ := address.extra.get(by):
        return {"AllocationId" if by == "allocation_id" else "AssociationId": id_}
    return {"PublicIp": address.ip}


# Answers


def instances_of(reservation: Reservation) -> Iterator[Item[Instance]]:
    """The instances of a reservation."""
    return (item_of(told, Instance) for told in reservation.instances_set or ())


def the_one(found: Iterable[T], id_: str) -> T:
    """The first of what was found. Raises `NotFoundError` where nothing was."""
    for one in found:
        return one
    raise NotFoundError(NOT_FOUND, f"the provider tells nothing of {id_}")


def _members(item: Item[Reservation]) -> tuple[Any, ...]:
    """What tells reservations apart: the end of a page may divide one, so that it comes twice."""
    return tuple(str(one.get("instanceId")) for one in item.value.instances_set or ())


@contextmanager
def sought(what: str, id_: str) -> Iterator[None]:
    """An image that is not there is not found, where it is the image that is asked for."""
    try:
        yield
    except ImageUnavailableError as error:
        raise NotFoundError(
            NOT_FOUND, f"there is no {what} with the id {id_!r}: {error.message}", error.headers
        ) from None


@contextmanager
def known_key_pair(name: str, driver: NodeDriver) -> Iterator[None]:
    """A key pair that is not there has an error of its own."""
    try:
        yield
    except NotFoundError:
        raise KeyPairDoesNotExistError(name, driver) from None


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


def _field(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if isinstance(value, str):
        return value
    raise MalformedResponseError(f"the answer has no {name}", str(told)[:200])


def _extra(told: dict[str, Any], names: Iterable[str] = ()) -> dict[str, Any]:
    tags = tags_told(told)
    return {**dict.fromkeys(names), **snake(told), "tags": tags}


def _devices(told: Any) -> list[dict[str, Any]]:
    """The disks of an instance or an image."""
    disks: list[dict[str, Any]] = told or []
    for disk in disks:
        if ebs := disk.get("ebs"):
            _read(ebs, moment, "attach_time")
            _read(ebs, int, "volume_size", "iops")
            ebs["delete"] = ebs.get("delete_on_termination")
    return disks


def _read(extra: dict[str, Any], read: Callable[[Any], Any], *names: str) -> None:
    """Make of the texts under `names`, where there are some, what they stand for."""
    extra.update({name: read(extra[name]) for name in names if extra.get(name) is not None})


def _node_extra(told: dict[str, Any]) -> dict[str, Any]:
    extra = _extra(told, NODE_KEYS)
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


def _size_extra(told: dict[str, Any]) -> dict[str, Any]:
    extra = _extra(told)
    cpus = (extra.get("v_cpu_info") or {}).get("default_vcpus")
    return {**extra, "vcpus": None if cpus is None else int(cpus)}


def _image_extra(told: dict[str, Any]) -> dict[str, Any]:
    extra = _extra(told, IMAGE_KEYS)
    extra.update(
        billing_products=[one["billing_product"] for one in extra["billing_products"] or ()],
        block_device_mapping=_devices(extra["block_device_mapping"]),
        owner_id=extra.pop("image_owner_id", None),
        state=extra.pop("image_state", None),
    )
    return extra


def _zone_extra(told: dict[str, Any]) -> dict[str, Any]:
    extra = snake(told)
    return {**extra, "region": extra.get("region_name"), "state": extra.get("zone_state")}


def _volume_extra(told: dict[str, Any]) -> dict[str, Any]:
    extra = _extra(told, VOLUME_KEYS)
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
    _read(extra, moment, "attach_time", "create_time")
    _read(extra, int, "iops", "throughput")
    return extra


def _snapshot_extra(told: dict[str, Any]) -> dict[str, Any]:
    extra = _extra(told)
    extra["state"] = extra.pop("status", None)
    _read(extra, moment, "start_time")
    return extra


def _to_group(item: Item[Group]) -> EC2SecurityGroup:
    group, told = item
    extra = _extra({name: part for name, part in told.items() if not name.startswith("ipPermissions")})
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


def _to_address(item: Item[Address]) -> EC2Address:
    address, told = item
    extra = {"allocation_id": None, "association_id": None, **_extra(told)}
    ip = address.public_ip or address.carrier_ip or address.customer_owned_ip
    if ip is None:
        raise MalformedResponseError("an Elastic IP has no address", str(told)[:200])
    return EC2Address(ip, address.domain, address.instance_id, extra)


def _to_network(item: Item[Vpc]) -> EC2Network:
    vpc, told = item
    return EC2Network(vpc.vpc_id, name_of(vpc.tag_set) or vpc.vpc_id, vpc.cidr_block, _extra(told))


def _to_subnet(item: Item[Subnet]) -> EC2NetworkSubnet:
    subnet, told = item
    extra = _extra(told)
    extra["zone"] = extra.get("availability_zone")
    return EC2NetworkSubnet(
        subnet.subnet_id, name_of(subnet.tag_set) or subnet.subnet_id, subnet.state, extra
    )
