"""What connects EC2's nodes: security groups, addresses and private networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from operator import attrgetter
from typing import Any

from polycloud.common.aws import AWSBaseDriver
from polycloud.compute.base import NodeDriver, require_id
from polycloud.compute.drivers._ec2.connection import EC2Connection
from polycloud.compute.drivers._ec2.fields import one_or_more, permission, tagging
from polycloud.compute.drivers._ec2.objects import (
    EC2Address,
    EC2GroupPair,
    EC2Network,
    EC2NetworkSubnet,
    EC2SecurityGroup,
    to_address,
    to_group,
    to_network,
    to_subnet,
)
from polycloud.compute.drivers._ec2.payloads import Address, Group, Subnet, Vpc
from polycloud.compute.objects import Node
from polycloud.errors import ConflictError, MalformedResponseError

EVERYTHING = (("tcp", 0, 65535), ("udp", 0, 65535), ("icmp", -1, -1))


class EC2Networks(AWSBaseDriver, NodeDriver):
    """The methods of security groups, Elastic IPs and private networks."""

    connection: EC2Connection

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
        return self.connection.list_picked(
            "DescribeSecurityGroups",
            "securityGroupInfo",
            Group,
            to_group,
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
        found = self.connection.list_all("DescribeAddresses", "addressesSet", Address, to_address, key=key)
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
        return to_address(self.connection.create("AllocateAddress", None, Address, Domain=domain))

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
        return self.connection.list_picked("DescribeVpcs", "vpcSet", Vpc, to_network, filters, VpcId=ids)

    def ex_create_network(
        self, cidr_block: str, name: str | None = None, instance_tenancy: str = "default"
    ) -> EC2Network:
        """Create a private network with the addresses `cidr_block`."""
        fields: dict[str, Any] = {"CidrBlock": cidr_block, "InstanceTenancy": instance_tenancy}
        tagged = tagging("vpc", {"Name": name} if name else None)
        return to_network(self.connection.create("CreateVpc", "vpc", Vpc, TagSpecification=tagged, **fields))

    def ex_delete_network(self, vpc: EC2Network) -> bool:
        """Delete a private network that nothing is in."""
        return self.connection.act("DeleteVpc", VpcId=vpc.id)

    def ex_list_subnets(
        self, subnet_ids: Iterable[str] | None = None, filters: Mapping[str, Any] | None = None
    ) -> list[EC2NetworkSubnet]:
        """The subnets: of these ids, or that pass the filters."""
        ids = one_or_more(subnet_ids)
        return self.connection.list_picked(
            "DescribeSubnets", "subnetSet", Subnet, to_subnet, filters, SubnetId=ids
        )

    def ex_create_subnet(
        self, vpc_id: str, cidr_block: str, availability_zone: str | None = None, name: str | None = None
    ) -> EC2NetworkSubnet:
        """Create a subnet in a private network, in the zone of that name where given."""
        fields: dict[str, Any] = {"VpcId": vpc_id, "CidrBlock": cidr_block}
        fields["AvailabilityZone"] = availability_zone
        tagged = tagging("subnet", {"Name": name} if name else None)
        return to_subnet(
            self.connection.create("CreateSubnet", "subnet", Subnet, TagSpecification=tagged, **fields)
        )

    def ex_delete_subnet(self, subnet: EC2NetworkSubnet) -> bool:
        """Delete a subnet that nothing is in."""
        return self.connection.act("DeleteSubnet", SubnetId=subnet.id)


def _named_address(address: EC2Address, by: str) -> dict[str, str]:
    """An address as requests name it: by one of its ids, or by itself where it has none."""
    if id_ := address.extra.get(by):
        return {"AllocationId" if by == "allocation_id" else "AssociationId": id_}
    return {"PublicIp": address.ip}


def _field(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if isinstance(value, str):
        return value
    raise MalformedResponseError(f"the answer has no {name}", str(told)[:200])
