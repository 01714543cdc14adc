"""Creating nodes, exactly once.

Each create has a client token, by which the provider recognizes a repeated request: it is sent again if its
response is lost, and the provider returns the instance of the first request. If all responses are lost, or a
repeated request is refused, the instance is searched for by the token (see `Creation`). Tags are part of the
create, so an instance never exists without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypedDict, Unpack

from polycloud.common.arguments import id_of
from polycloud.common.aws.query import one_or_more
from polycloud.common.aws.xml import Item
from polycloud.common.creation import Creation, is_refusal
from polycloud.compute.drivers.ec2.catalog import EC2Catalog
from polycloud.compute.drivers.ec2.connection import EC2Connection
from polycloud.compute.drivers.ec2.keys import EC2Keys, require_one_key
from polycloud.compute.drivers.ec2.networks import EC2NetworkSubnet
from polycloud.compute.drivers.ec2.nodes import EC2Nodes, Instance, Reservation, instances_of
from polycloud.compute.drivers.ec2.payload import client_token, encoded, require_known
from polycloud.compute.drivers.ec2.tags import tagging, tags_of
from polycloud.compute.objects import (
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
)
from polycloud.errors import InvalidArgumentError, PolycloudError, ProviderHTTPError

GROUP_ID = "sg-"
"""The beginning of a security group's id, which no name has."""


class InstanceOptions(TypedDict, total=False):
    """The keyword arguments of `create_node`."""

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


class InstanceCreation(Creation[Node]):
    """A create of instances, known by its client token; `nodes` are all of them.

    `find_nodes` returns the nodes of a token.
    """

    def __init__(
        self,
        connection: EC2Connection,
        to_node: Callable[[Item[Instance]], Node],
        find_nodes: Callable[[str], list[Node]],
        name: str,
        fields: dict[str, Any],
        *,
        keyed: bool,
    ) -> None:
        self.token: str = fields["ClientToken"]
        super().__init__(f"the instance {name!r}", f"the client token {self.token!r}", keyed=keyed)
        self.connection, self.to_node, self.find_nodes = connection, to_node, find_nodes
        self.fields = fields
        self.nodes: list[Node] = []

    def send(self) -> Node | None:
        """Create the instances and return the first one.

        An earlier create with the same key may have had other arguments: return None, so that its instance is
        searched for.
        """
        try:
            created = self.connection.call("RunInstances", self.fields, Reservation, idempotent=True)
        except ProviderHTTPError as error:
            if self.keyed and str(error.message).startswith("IdempotentParameterMismatch"):
                return None
            if not is_refusal(error) or str(error.message).startswith("Idempotent"):
                raise
            if (found := self._find_before(error)) is None:
                raise
            return found
        return self._first(map(self.to_node, instances_of(created)))

    def _find_before(self, refusal: PolycloudError) -> Node | None:
        """Return the instance of an attempt before the refused one, whose response was lost."""
        try:
            return self.find()
        except PolycloudError as error:
            refusal.add_note(f"the search for an instance with {self.marker} failed: {error}")
            return None

    def find(self) -> Node | None:
        """Return the first instance with the token."""
        return self._first(self.find_nodes(self.token))

    def _first(self, nodes: Iterable[Node]) -> Node | None:
        self.nodes = list(nodes)
        return self.nodes[0] if self.nodes else None


class EC2Creating(EC2Nodes, EC2Catalog, EC2Keys):
    """Methods that create nodes."""

    settle_time: ClassVar[float] = 30.0

    def create_node(  # type: ignore[override] # options are known by name
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        **options: Unpack[InstanceOptions],
    ) -> Node:
        """Create an instance, exactly once; with `ex_maxcount` above 1, a list like `ex_create_nodes`.

        Args:
            name: The value of the tag `Name`; need not be unique.
            size: One of `list_sizes()`, or its id.
            image: One of `list_images()`, or any image's id.
            location: A zone, one of `list_locations()`; by default the provider's choice.
            auth: An SSH key that may log in as the image's user; it becomes a key pair of the account.
            options: `ex_maxcount` and `ex_mincount` (how many instances), `ex_keyname` (a key pair),
                `ex_security_groups` (names or ids), `ex_security_group_ids`, `ex_subnet`,
                `ex_assign_public_ip`,
                `ex_blockdevicemappings` (dicts with the provider's names: `{"DeviceName": "/dev/xvda",
                "Ebs": {"VolumeSize": 20}}`), `ex_iamprofile` (name or ARN), `ex_ebs_optimized`,
                `ex_placement_group` (its name), `ex_spot` and `ex_spot_max_price` (USD an hour),
                `ex_terminate_on_shutdown`, `ex_metadata` (tags), `ex_userdata`, `ex_clienttoken`; `tags` (a
                dict, or texts "key=value"), `user_data` (a script or cloud-config for the first boot),
                `idempotency_key` (any text; a restarted program gets the instance that it began to create).

        Raises:
            AmbiguousCreateError: All responses were lost and no instance with the token was found.
            ImageUnavailableError: The region does not have the image.
            QuotaExceededError: The account's limit is reached.
            UnavailableError: The provider has no capacity for that size there.
            InvalidArgumentError: An argument cannot be sent.
        """
        nodes = self._create(name, id_of(size, NodeSize), id_of(image, NodeImage), location, auth, options)
        most = max(options.get("ex_mincount") or 1, options.get("ex_maxcount") or 1)
        return nodes if most > 1 else nodes[0]  # type: ignore[return-value] # as in Libcloud

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
        """Create `count` instances by one request, or none; with `ex_mincount` at least that many."""
        options["ex_maxcount"] = count
        options.setdefault("ex_mincount", count)
        return self._create(name, id_of(size, NodeSize), id_of(image, NodeImage), location, auth, options)

    def _create(
        self,
        name: str,
        size_id: str,
        image_id: str,
        location: NodeLocation | None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None,
        options: InstanceOptions,
    ) -> list[Node]:
        key = options.get("idempotency_key")
        fields = run_fields(name, options)
        if auth is not None:
            require_one_key(fields["KeyName"])
            fields["KeyName"] = self._key_name(auth)
        fields |= {
            "ImageId": image_id,
            "InstanceType": size_id,
            "Placement": {
                "AvailabilityZone": self._zone(location),
                "GroupName": options.get("ex_placement_group"),
            },
            "ClientToken": options.get("ex_clienttoken") or client_token(key),
        }
        keyed, find_nodes = key is not None, self._nodes_of_token
        creation = InstanceCreation(self.connection, self._to_node, find_nodes, name, fields, keyed=keyed)
        node = self._create_once(creation, timeout=self.settle_time, idempotency_key=key)
        if fields["MaxCount"] == 1:
            return [node]
        return creation.nodes or self._nodes_of_token(creation.token)


def run_fields(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of RunInstances for the options of `create_node`."""
    require_known("create_node", options, InstanceOptions.__annotations__)
    get = options.get
    data, profile = get("user_data") or get("ex_userdata"), get("ex_iamprofile")
    least = get("ex_mincount") or 1
    spot = {"MarketType": "spot", "SpotOptions": {"MaxPrice": get("ex_spot_max_price")}}
    return {
        "MinCount": least,
        "MaxCount": max(least, get("ex_maxcount") or 1),
        "TagSpecification": tagging("instance", tags_of(name, get("ex_metadata"), get("tags"))),
        "KeyName": get("ex_keyname"),
        "UserData": None if data is None else encoded(data),
        "BlockDeviceMapping": get("ex_blockdevicemappings"),
        "IamInstanceProfile": profile and {"Arn" if profile.startswith("arn:") else "Name": profile},
        "EbsOptimized": get("ex_ebs_optimized"),
        "InstanceMarketOptions": spot if get("ex_spot") else None,
        "InstanceInitiatedShutdownBehavior": "terminate" if get("ex_terminate_on_shutdown") else None,
        **_network_fields(options),
    }


def _network_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of subnet and security groups.

    A public address is requested for an interface, which then has the subnet and the groups.
    """
    subnet = options.get("ex_subnet")
    groups = one_or_more(options.get("ex_security_groups") or options.get("ex_securitygroup")) or []
    ids = [group for group in groups if str(group).startswith(GROUP_ID)]
    names = [group for group in groups if group not in ids] or None
    fields = {
        "SubnetId": getattr(subnet, "id", subnet),
        "SecurityGroupId": [*(one_or_more(options.get("ex_security_group_ids")) or []), *ids] or None,
    }
    public = options.get("ex_assign_public_ip")
    if public is None:
        return {**fields, "SecurityGroup": names}
    if names:
        raise InvalidArgumentError("with ex_assign_public_ip, give security groups by ex_security_group_ids")
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": public, "DeleteOnTermination": True}
    return {"NetworkInterface": [{**interface, **fields}]}
