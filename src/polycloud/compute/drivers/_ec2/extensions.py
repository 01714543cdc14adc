"""What EC2 offers beyond the base of compute.

Source: Amazon's reference of the EC2 Query API, version 2016-11-15.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from operator import attrgetter
from sys import intern
from typing import Any, ClassVar, TypeVar, Unpack

from polycloud.common.arguments import id_of
from polycloud.common.creation import Creation, is_refusal, marker_for
from polycloud.common.pagination import unique
from polycloud.common.payload import parse_datetime
from polycloud.compute import keys
from polycloud.compute.base import NodeDriver, require_id
from polycloud.compute.drivers._ec2.connection import PER_PAGE, EC2Connection
from polycloud.compute.drivers._ec2.fields import (
    CREATE_TOKEN,
    InstanceOptions,
    filters,
    resource_id,
    run_fields,
    tag_list,
)
from polycloud.compute.drivers._ec2.networks import EC2Networks
from polycloud.compute.drivers._ec2.objects import (
    COUNTRIES,
    NODE_STATES,
    SNAPSHOT_STATES,
    VOLUME_STATES,
    EC2NodeLocation,
    addresses_of,
    extra_of,
    image_extra,
    lazy,
    name_of,
    node_extra,
    size_extra,
    snapshot_extra,
    volume_extra,
    zone_extra,
)
from polycloud.compute.drivers._ec2.payloads import (
    Attachment,
    Console,
    Disks,
    EC2AvailabilityZone,
    EC2Region,
    Image,
    Instance,
    InstanceType,
    Item,
    Key,
    Memory,
    Named,
    Reservation,
    Snapshot,
    Tag,
    Volume,
    item_of,
)
from polycloud.compute.objects import (
    KeyPair,
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
    StorageVolume,
    VolumeSnapshot,
)
from polycloud.compute.types import (
    KeyPairDoesNotExistError,
    NodeState,
    StorageVolumeState,
    VolumeSnapshotState,
)
from polycloud.errors import (
    ConflictError,
    ImageUnavailableError,
    InvalidArgumentError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    ProviderHTTPError,
    ServerError,
    UnsupportedOperationError,
)

T = TypeVar("T")
R = TypeVar("R")
NOT_FOUND = 404
DEVICES = tuple(f"/dev/sd{letter}" for letter in "fghijklmnop")
"""The names of devices that Amazon recommends for volumes."""

OPEN_ZONES = frozenset({None, "available"})
BASE_IMAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("137112412989", ("al2023-ami-2023.*",)),
    ("136693071363", ("debian-12-*", "debian-13-*")),
    (
        "099720109477",
        ("ubuntu/images/*ubuntu-*-22.04-*-server-*", "ubuntu/images/*ubuntu-*-24.04-*-server-*"),
    ),
)
"""The accounts of Amazon Linux, Debian and Ubuntu, and the names of their images that are listed unasked."""


class InstanceCreation(Creation[Node]):
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


class EC2Extensions(EC2Networks):
    """The methods beyond the base, by the names that Libcloud's users know."""

    connectionCls = EC2Connection
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
        return {
            "instance_id": told.instance_id,
            "timestamp": parse_datetime(told.timestamp),
            "output": output,
        }

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
        return self.connection.act("CreateTags", ResourceId=[resource_id(resource)], Tag=tag_list(tags))

    def ex_delete_tags(self, resource: Any, tags: Mapping[str, str] | Iterable[str]) -> bool:
        """Take tags off; with values only where the value is that one."""
        named = tag_list(tags) if isinstance(tags, Mapping) else [{"Key": key} for key in tags]
        return (
            self.connection.act("DeleteTags", ResourceId=[resource_id(resource)], Tag=named)
            if named
            else True
        )

    def ex_describe_tags(self, resource: Any) -> dict[str, str]:
        """The tags of anything with an id."""
        found = self.connection.list_all(
            "DescribeTags",
            "tagSet",
            Tag,
            attrgetter("value"),
            Filter=filters({"resource-id": resource_id(resource)}),
        )
        return {tag.key: tag.value or "" for tag in found}

    # Snapshots

    def list_snapshots(
        self, snapshot: VolumeSnapshot | None = None, owner: str | None = None
    ) -> list[VolumeSnapshot]:
        """The snapshots of an owner, the account itself unless given; or one as it is now."""
        fields = {"SnapshotId": [snapshot.id]} if snapshot else {"Owner": [owner or "self"]}
        return self.connection.list_picked(
            "DescribeSnapshots", "snapshotSet", Snapshot, self._to_snapshot, None, **fields
        )

    # What the methods above and the base's are made of

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
            "ClientToken": token or CREATE_TOKEN + marker_for(key),
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
        return self.connection.list_picked(
            "DescribeImages", "imagesSet", Image, self._to_image, wanted, **fields
        )

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
            lazy(told, node_extra),
            parse_datetime(instance.launch_time),
        )

    def _to_size(self, item: Item[InstanceType]) -> NodeSize:
        size, told = item
        ram = (size.memory_info or Memory()).size_in_mi_b or 0
        disk = (size.instance_storage_info or Disks()).total_size_in_g_b or 0
        price = self._get_size_price(size.instance_type)
        extra = lazy(told, size_extra)
        return NodeSize(size.instance_type, size.instance_type, ram, disk, None, price, self, extra)

    def _to_image(self, item: Item[Image]) -> NodeImage:
        image, told = item
        name = image.name or image.image_location or image.image_id
        return NodeImage(image.image_id, name, self, lazy(told, image_extra))

    def _new_image(self, made: Item[Image], name: str, description: str | None) -> NodeImage:
        """An image that was just begun; lists show it a little later."""
        return NodeImage(made.value.image_id, name, self, {"state": "pending", "description": description})

    def _to_location(self, item: Item[EC2AvailabilityZone]) -> NodeLocation:
        zone, told = item
        country = COUNTRIES.get(zone.region_name or self.connection.region, "")
        place = EC2NodeLocation(zone.name, zone.name, country, self, lazy(told, zone_extra))
        place.availability_zone = zone
        return place

    def _to_key_pair(self, item: Item[Key]) -> KeyPair:
        key, told = item
        extra = extra_of({name: part for name, part in told.items() if name != "keyMaterial"})
        return KeyPair(key.key_name, key.public_key, key.key_fingerprint, self, key.key_material, extra)

    def _to_volume(self, item: Item[Volume]) -> StorageVolume:
        volume, told = item
        return StorageVolume(
            volume.volume_id,
            name_of(volume.tag_set) or volume.volume_id,
            volume.size,
            self,
            VOLUME_STATES.get(volume.status or "", StorageVolumeState.UNKNOWN),
            lazy(told, volume_extra),
        )

    def _to_snapshot(self, item: Item[Snapshot]) -> VolumeSnapshot:
        snapshot, told = item
        return VolumeSnapshot(
            snapshot.snapshot_id,
            self,
            snapshot.volume_size,
            lazy(told, snapshot_extra),
            parse_datetime(snapshot.start_time),
            SNAPSHOT_STATES.get(snapshot.status or "", VolumeSnapshotState.UNKNOWN),
            name_of(snapshot.tag_set),
        )


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
