"""Amazon EC2: instances, images, types of instances, zones, key pairs, volumes and their snapshots.

Source: Amazon's reference of the EC2 Query API, version 2016-11-15.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, ClassVar, Unpack

from polycloud.common.arguments import id_of
from polycloud.common.aws import AWSCredentials, AWSCredsError
from polycloud.common.creation import marker_for
from polycloud.common.resource import with_id
from polycloud.compute import keys
from polycloud.compute.base import require_id
from polycloud.compute.drivers._ec2.extensions import EC2Extensions, known_key_pair, sought
from polycloud.compute.drivers._ec2.fields import (
    CREATE_TOKEN,
    InstanceOptions,
    VolumeOptions,
    encoded,
    filters,
    one_or_more,
    tagging,
    tags_of,
    volume_fields,
)
from polycloud.compute.drivers._ec2.objects import (
    EC2Address,
    EC2GroupPair,
    EC2Network,
    EC2NetworkSubnet,
    EC2NodeLocation,
    EC2Rule,
    EC2SecurityGroup,
)
from polycloud.compute.drivers._ec2.payloads import (
    EC2AvailabilityZone,
    EC2Region,
    Image,
    InstanceType,
    Key,
    Offering,
    Snapshot,
    Volume,
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
from polycloud.compute.types import Provider

__all__ = [
    "AWSCredentials",
    "AWSCredsError",
    "EC2Address",
    "EC2AvailabilityZone",
    "EC2GroupPair",
    "EC2Network",
    "EC2NetworkSubnet",
    "EC2NodeDriver",
    "EC2NodeLocation",
    "EC2Region",
    "EC2Rule",
    "EC2SecurityGroup",
    "InstanceOptions",
]


class EC2NodeDriver(EC2Extensions):
    """Amazon EC2 node driver: `EC2NodeDriver("access key", "secret", token=None, region="us-east-1")`.

    Without a key, credentials and region are found where Amazon's tools find them; see `AWSBaseDriver`. A
    driver is one region's. A node's `size` and `image` are ids. A node that was destroyed stays listed for
    about an hour, as `TERMINATED`.
    """

    type = Provider.EC2
    features: ClassVar = {"create_node": ["ssh_key"]}

    # Nodes

    def list_nodes(
        self, ex_node_ids: Iterable[str] | None = None, ex_filters: Mapping[str, Any] | None = None
    ) -> list[Node]:
        """The instances, terminated ones too: of these ids, or that pass the filters.

        Filters are those of the provider's DescribeInstances: `{"tag:env": ["prod", "test"]}`.
        """
        ids = one_or_more(ex_node_ids)
        items = self._instances(paged=not ids, InstanceId=ids, Filter=filters(ex_filters))
        return [self._to_node(item) for item in items]

    def iterate_nodes(self) -> Iterator[Node]:
        """The instances, a page at a time."""
        return map(self._to_node, self._instances())

    def get_node(self, node_id: str) -> Node:
        """The instance with this id. Raises `NotFoundError` where there is none."""
        return with_id(self.list_nodes([node_id]), node_id, f"{self.name} node")

    def create_node(  # type: ignore[override] # options are known by name
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        **options: Unpack[InstanceOptions],
    ) -> Node:
        """Create an instance; with `ex_maxcount` above 1 it is a list, as `ex_create_nodes` gives it.

        It is created with a client token, by which the provider knows the request again: it may be sent
        twice, and happens once. Where every answer is lost, the instance with the token is looked for.

        Args:
            name: The value of the tag `Name`, which the instance is created with; need not be unique.
            size: One of `list_sizes()`, or its id.
            image: One of `list_images()`, or any image's id.
            location: A zone, one of `list_locations()`; the provider chooses without.
            auth: An SSH key that lets the image's user in; it becomes a key pair of the account's.
            options: `ex_maxcount` and `ex_mincount` (how many instances), `ex_keyname` (a key pair),
                `ex_security_groups` (names), `ex_security_group_ids`, `ex_subnet`, `ex_assign_public_ip`,
                `ex_blockdevicemappings` (dicts as the provider names them: `{"DeviceName": "/dev/xvda",
                "Ebs": {"VolumeSize": 20}}`), `ex_iamprofile` (name or ARN), `ex_ebs_optimized`,
                `ex_placement_group` (its name), `ex_spot` and `ex_spot_max_price` (USD an hour),
                `ex_terminate_on_shutdown`, `ex_metadata` (tags), `ex_userdata`, `ex_clienttoken`; `tags` (a
                dict, or texts "key=value"), `user_data` (a script or cloud-config for the first boot),
                `idempotency_key` (any text; a program that was restarted gets the instance that it began
                to create).

        Raises:
            AmbiguousCreateError: The answer was lost and no instance of this create was found.
            ImageUnavailableError: There is no such image in the region.
            QuotaExceededError: The account may have no further instance.
            UnavailableError: The provider has no more of that size there.
            InvalidArgumentError: An argument cannot be sent as it is.
        """
        nodes = self._create(name, id_of(size, NodeSize), id_of(image, NodeImage), location, auth, options)
        most = max(options.get("ex_mincount") or 1, options.get("ex_maxcount") or 1)
        return nodes if most > 1 else nodes[0]  # type: ignore[return-value] # as in Libcloud

    def reboot_node(self, node: Node) -> bool:
        """Restart an instance gently; the provider cuts its power where it does not within minutes."""
        return self._power("RebootInstances", node)

    def start_node(self, node: Node) -> bool:
        """Start an instance that is stopped."""
        return self._power("StartInstances", node)

    def stop_node(self, node: Node) -> bool:
        """Shut an instance down gently; it keeps its volumes, not its public address."""
        return self._power("StopInstances", node)

    def destroy_node(self, node: Node) -> bool:
        """Terminate an instance; volumes that do not say otherwise go with it."""
        return self._power("TerminateInstances", node)

    # Sizes, images, locations

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """The types of instances of the region, or of a zone, smallest first; the API tells no prices."""
        sizes = self.connection.list_all(
            "DescribeInstanceTypes", "instanceTypeSet", InstanceType, self._to_size
        )
        if location is not None:
            offered = self.connection.list_all(
                "DescribeInstanceTypeOfferings",
                "instanceTypeOfferingSet",
                Offering,
                attrgetter("value.instance_type"),
                LocationType="availability-zone",
                Filter=filters({"location": self._zone(location)}),
            )
            there = frozenset(offered)
            sizes = [size for size in sizes if size.id in there]
        return sorted(sizes, key=lambda size: (size.price is None, size.price or 0.0, size.ram, size.id))

    def list_images(
        self,
        location: NodeLocation | None = None,
        ex_image_ids: Iterable[str] | None = None,
        ex_owner: str | Iterable[str] | None = None,
        ex_executableby: str | Iterable[str] | None = None,
        ex_filters: Mapping[str, Any] | None = None,
    ) -> list[NodeImage]:
        """The account's own images, and those of Amazon Linux, Debian and Ubuntu: the catalogue has 100,000.

        With any argument, the images that it names, whoever owns them.

        Args:
            location: Changes nothing: an image is to be had in the whole region.
            ex_image_ids: Ids.
            ex_owner: "self", "amazon", "aws-marketplace", or numbers of accounts.
            ex_executableby: "self", "all", or numbers of accounts that may use the images.
            ex_filters: Those of the provider's DescribeImages: `{"name": "al2023-ami-*"}`.
        """
        ids, owners, users = one_or_more(ex_image_ids), one_or_more(ex_owner), one_or_more(ex_executableby)
        if ids or owners or users or ex_filters:
            return self._images(ex_filters, ImageId=ids, Owner=owners, ExecutableBy=users)
        return self._usual_images()

    def get_image(self, image_id: str) -> NodeImage:
        """The image with this id, whoever owns it. Raises `NotFoundError` where there is none."""
        with sought("image", image_id):
            return with_id(self._images(None, ImageId=[image_id]), image_id, f"{self.name} image")

    def create_image(
        self,
        node: Node,
        name: str,
        description: str | None = None,
        reboot: bool = False,
        block_device_mapping: Iterable[Mapping[str, Any]] | None = None,
    ) -> NodeImage:
        """Begin to make an image of an instance's volumes; its `extra["state"]` is "pending" at first.

        With `reboot` the instance is restarted for it, so that its file systems are in order.
        """
        fields: dict[str, Any] = {
            "InstanceId": require_id(node),
            "Name": name,
            "Description": description,
            "NoReboot": not reboot,
            "BlockDeviceMapping": block_device_mapping,
        }
        made = self.connection.create("CreateImage", None, Image, **fields)
        return self._new_image(made, name, description)

    def copy_image(
        self,
        source_region: str,
        node_image: NodeImage,
        name: str | None = None,
        description: str | None = None,
        *,
        ex_encrypted: bool | None = None,
        ex_kms_key_id: str | None = None,
    ) -> NodeImage:
        """Begin to copy an image from another region to the driver's; the copy has an id of its own."""
        fields: dict[str, Any] = {
            "SourceRegion": source_region,
            "SourceImageId": id_of(node_image, NodeImage),
            "Name": name or node_image.name,
            "Description": description,
            "Encrypted": ex_encrypted,
            "KmsKeyId": ex_kms_key_id,
            "ClientToken": CREATE_TOKEN + marker_for(None),
        }
        made = self.connection.create("CopyImage", None, Image, idempotent=True, **fields)
        return self._new_image(made, fields["Name"], description)

    def delete_image(self, node_image: NodeImage) -> bool:
        """Deregister an image; the snapshots that it is made of stay."""
        image_id = id_of(node_image, NodeImage)
        with sought("image", image_id):
            return self.connection.act("DeregisterImage", ImageId=image_id)

    def list_locations(self) -> list[NodeLocation]:
        """The region's zones, each an `EC2NodeLocation`; `extra` tells `region` and `state`."""
        return self._zones(self._to_location)

    # Key pairs

    def list_key_pairs(self) -> list[KeyPair]:
        """The region's key pairs."""
        return self._key_pairs()

    def get_key_pair(self, name: str) -> KeyPair:
        """The key pair of that name. Raises `KeyPairDoesNotExistError` where there is none."""
        with known_key_pair(name, self):
            found = self._key_pairs(KeyName=[name])
        return next((pair for pair in found if pair.name == name), None) or super().get_key_pair(name)

    def create_key_pair(self, name: str, *, ex_key_type: str | None = None) -> KeyPair:
        """Let the provider make a key pair, "rsa" or "ed25519"; its `private_key` (PEM) is told once, here.

        Raises `ConflictError` where the name is taken.
        """
        return self._to_key_pair(
            self.connection.create("CreateKeyPair", None, Key, KeyName=name, KeyType=ex_key_type)
        )

    def import_key_pair_from_string(self, name: str, key_material: str) -> KeyPair:
        """Give the provider a public key, RSA or Ed25519. Raises `ConflictError` where the name is taken."""
        public_key = keys.require_public_key(key_material)
        material = encoded(public_key)
        pair = self._to_key_pair(
            self.connection.create("ImportKeyPair", None, Key, KeyName=name, PublicKeyMaterial=material)
        )
        pair.public_key = public_key
        return pair

    def delete_key_pair(self, key_pair: KeyPair) -> bool:
        """Delete a key pair; nodes that have it keep it."""
        with known_key_pair(key_pair.name, self):
            return self.connection.act("DeleteKeyPair", KeyName=key_pair.name)

    # Volumes and snapshots

    def list_volumes(
        self, node: Node | None = None, ex_filters: Mapping[str, Any] | None = None
    ) -> list[StorageVolume]:
        """The volumes of the region, or of a node."""
        wanted = {**(ex_filters or {}), **({"attachment.instance-id": require_id(node)} if node else {})}
        return self.connection.list_picked("DescribeVolumes", "volumeSet", Volume, self._to_volume, wanted)

    def create_volume(
        self,
        size: int | None,
        name: str,
        location: NodeLocation | None = None,
        snapshot: VolumeSnapshot | None = None,
        **options: Unpack[VolumeOptions],
    ) -> StorageVolume:
        """Create a volume of `size` GiB, with its tags: there is none without them.

        A volume is attached to nodes of its zone only; it is the region's first one that is available,
        unless `location` is given. `ex_volume_type` is "gp3", "io2" and so on; `options` are `ex_iops`,
        `ex_throughput` (MiB a second), `ex_encrypted`, `ex_kms_key_id` and `tags`.
        """
        fields = volume_fields(name, options)
        fields |= {"Size": size, "SnapshotId": snapshot.id if snapshot else None}
        fields["AvailabilityZone"] = self._zone(location) or self._first_zone()
        return self._to_volume(
            self.connection.create("CreateVolume", None, Volume, idempotent=True, **fields)
        )

    def attach_volume(self, node: Node, volume: StorageVolume, device: str | None = None) -> bool:
        """Attach a volume to an instance of its zone, as the first of /dev/sdf to /dev/sdp that is free."""
        fields = {"VolumeId": volume.id, "InstanceId": require_id(node)}
        fields["Device"] = device or self._free_device(node)
        self.connection.call("AttachVolume", fields, dict[str, Any])
        return True

    def detach_volume(self, volume: StorageVolume, ex_force: bool = False) -> bool:
        """Detach a volume from its instance. Raises `ConflictError` where it is attached to none."""
        fields = {"InstanceId": self._attachment(volume).instance_id, "Force": ex_force or None}
        self.connection.call("DetachVolume", {"VolumeId": volume.id, **fields}, dict[str, Any])
        return True

    def destroy_volume(self, volume: StorageVolume) -> bool:
        """Delete a volume that is not attached, and what is on it; its snapshots stay."""
        return self.connection.act("DeleteVolume", VolumeId=volume.id)

    def list_volume_snapshots(self, volume: StorageVolume) -> list[VolumeSnapshot]:
        """The snapshots of a volume that the account owns."""
        wanted = {"volume-id": volume.id}
        return self.connection.list_picked(
            "DescribeSnapshots", "snapshotSet", Snapshot, self._to_snapshot, wanted, Owner=["self"]
        )

    def create_volume_snapshot(
        self,
        volume: StorageVolume,
        name: str | None = None,
        ex_metadata: Mapping[str, str] | None = None,
        *,
        ex_description: str | None = None,
    ) -> VolumeSnapshot:
        """Begin to take a snapshot of a volume; its state is CREATING until it is done."""
        tags = tagging("snapshot", tags_of(name or "", ex_metadata))
        fields: dict[str, Any] = {
            "VolumeId": volume.id,
            "Description": ex_description,
            "TagSpecification": tags,
        }
        return self._to_snapshot(self.connection.create("CreateSnapshot", None, Snapshot, **fields))

    def destroy_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """Delete a snapshot."""
        return self.connection.act("DeleteSnapshot", SnapshotId=snapshot.id)
