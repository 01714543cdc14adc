"""Networks: Elastic IPs, private networks (VPCs) and their subnets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any

from polycloud.common.aws.query import one_or_more
from polycloud.common.aws.xml import Item
from polycloud.compute.base import require_id
from polycloud.compute.drivers.ec2.nodes import EC2Nodes
from polycloud.compute.drivers.ec2.payload import Payload, extra_of
from polycloud.compute.drivers.ec2.tags import Tag, name_of, tagging
from polycloud.compute.objects import Node
from polycloud.errors import MalformedResponseError


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


class Address(Payload):
    """An Elastic IP; one of a carrier's or a customer's pool has no public address."""

    public_ip: str | None = None
    carrier_ip: str | None = None
    customer_owned_ip: str | None = None
    domain: str | None = None
    instance_id: str | None = None
    allocation_id: str | None = None
    association_id: str | None = None


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


class EC2Networks(EC2Nodes):
    """Methods of Elastic IPs and private networks."""

    # Elastic IPs

    def ex_describe_all_addresses(self, only_associated: bool = False) -> list[EC2Address]:
        """Return the account's Elastic IPs, optionally only those that are associated with a resource."""
        key = attrgetter("value.allocation_id", "value.public_ip")
        found = self.connection.list_all("DescribeAddresses", "addressesSet", Address, to_address, key=key)
        return [one for one in found if one.extra["association_id"] or not only_associated]

    def ex_describe_addresses(self, nodes: Iterable[Node]) -> dict[str, list[str]]:
        """Return the Elastic IPs of nodes, by the nodes' ids."""
        found = self.ex_describe_all_addresses(only_associated=True)
        ids = [require_id(node) for node in nodes]
        return {id_: [address.ip for address in found if address.instance_id == id_] for id_ in ids}

    def ex_describe_addresses_for_node(self, node: Node) -> list[str]:
        """Return the Elastic IPs of a node."""
        return self.ex_describe_addresses([node])[node.id]

    def ex_allocate_address(self, domain: str = "vpc") -> EC2Address:
        """Allocate an Elastic IP, which is charged until it is released."""
        return to_address(self.connection.create("AllocateAddress", None, Address, Domain=domain))

    def ex_release_address(self, elastic_ip: EC2Address, domain: str | None = None) -> bool:
        """Release an Elastic IP."""
        return self.connection.act("ReleaseAddress", **_address_field(elastic_ip, "allocation_id"))

    def ex_associate_address_with_node(
        self, node: Node, elastic_ip: EC2Address, domain: str | None = None
    ) -> str | None:
        """Associate an Elastic IP with a node, and return the id of the association.

        Waits, `busy_time` seconds at most, for a node that is starting.

        Raises `ConflictError` if it is associated with another resource.
        """
        fields = {**_address_field(elastic_ip, "allocation_id"), "AllowReassociation": False}
        id_ = fields["InstanceId"] = require_id(node)
        send = partial(self.connection.call, "AssociateAddress", fields, dict[str, Any])
        result = self._when_settled(send, lambda: self._node_is_passing(id_))
        association_id: str | None = result.get("associationId")
        return association_id

    def ex_disassociate_address(self, elastic_ip: EC2Address, domain: str | None = None) -> bool:
        """Disassociate an Elastic IP."""
        found = next((one for one in self.ex_describe_all_addresses() if one.ip == elastic_ip.ip), elastic_ip)
        return self.connection.act("DisassociateAddress", **_address_field(found, "association_id"))

    # Private networks

    def ex_list_networks(
        self, network_ids: Iterable[str] | None = None, filters: Mapping[str, Any] | None = None
    ) -> list[EC2Network]:
        """Return the private networks (VPCs); optionally only by ids or filters."""
        ids = one_or_more(network_ids)
        return self.connection.list_filtered("DescribeVpcs", "vpcSet", Vpc, to_network, filters, VpcId=ids)

    def ex_create_network(
        self, cidr_block: str, name: str | None = None, instance_tenancy: str = "default"
    ) -> EC2Network:
        """Create a private network with the addresses `cidr_block`."""
        fields: dict[str, Any] = {"CidrBlock": cidr_block, "InstanceTenancy": instance_tenancy}
        fields["TagSpecification"] = tagging("vpc", {"Name": name} if name else None)
        return to_network(self.connection.create("CreateVpc", "vpc", Vpc, **fields))

    def ex_delete_network(self, vpc: EC2Network) -> bool:
        """Delete an empty private network; waits for instances that are being terminated."""
        send = partial(self.connection.act, "DeleteVpc", VpcId=vpc.id)
        return self._when_settled(send, lambda: self._members_are_passing("vpc-id", vpc.id))

    def ex_list_subnets(
        self, subnet_ids: Iterable[str] | None = None, filters: Mapping[str, Any] | None = None
    ) -> list[EC2NetworkSubnet]:
        """Return the subnets; optionally only by ids or filters."""
        ids = one_or_more(subnet_ids)
        return self.connection.list_filtered(
            "DescribeSubnets", "subnetSet", Subnet, to_subnet, filters, SubnetId=ids
        )

    def ex_create_subnet(
        self, vpc_id: str, cidr_block: str, availability_zone: str | None = None, name: str | None = None
    ) -> EC2NetworkSubnet:
        """Create a subnet in a private network, optionally in the zone of that name."""
        fields: dict[str, Any] = {"VpcId": vpc_id, "CidrBlock": cidr_block}
        fields["AvailabilityZone"] = availability_zone
        fields["TagSpecification"] = tagging("subnet", {"Name": name} if name else None)
        return to_subnet(self.connection.create("CreateSubnet", "subnet", Subnet, **fields))

    def ex_delete_subnet(self, subnet: EC2NetworkSubnet) -> bool:
        """Delete an empty subnet; waits for instances that are being terminated."""
        send = partial(self.connection.act, "DeleteSubnet", SubnetId=subnet.id)
        return self._when_settled(send, lambda: self._members_are_passing("subnet-id", subnet.id))


def to_address(item: Item[Address]) -> EC2Address:
    """Return an Elastic IP. Raises `MalformedResponseError` if it has no address."""
    address, extra = item.value, {"allocation_id": None, "association_id": None, **extra_of(item.fields)}
    ip = address.public_ip or address.carrier_ip or address.customer_owned_ip
    if ip is None:
        raise MalformedResponseError("an Elastic IP has no address", str(item.fields)[:200])
    return EC2Address(ip, address.domain, address.instance_id, extra)


def to_network(item: Item[Vpc]) -> EC2Network:
    """Return a private network."""
    vpc = item.value
    return EC2Network(vpc.vpc_id, name_of(vpc.tag_set) or vpc.vpc_id, vpc.cidr_block, extra_of(item.fields))


def to_subnet(item: Item[Subnet]) -> EC2NetworkSubnet:
    """Return a subnet."""
    subnet, extra = item.value, extra_of(item.fields)
    extra["zone"] = extra.get("availability_zone")
    name = name_of(subnet.tag_set) or subnet.subnet_id
    return EC2NetworkSubnet(subnet.subnet_id, name, subnet.state, extra)


def _address_field(address: EC2Address, by: str) -> dict[str, str]:
    """Return an address as requests have it: by one of its ids, or by itself if it has none."""
    if id_ := address.extra.get(by):
        return {"AllocationId" if by == "allocation_id" else "AssociationId": id_}
    return {"PublicIp": address.ip}
