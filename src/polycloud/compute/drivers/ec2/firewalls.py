"""Firewalls (the provider's security groups) and their rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypedDict

import msgspec

from polycloud.common.aws.query import one_or_more
from polycloud.common.aws.xml import Item
from polycloud.compute.drivers.ec2.nodes import EC2Nodes
from polycloud.compute.drivers.ec2.payload import Payload, extra_of
from polycloud.compute.drivers.ec2.tags import tagging
from polycloud.errors import ConflictError, MalformedResponseError

EVERYTHING = (("tcp", 0, 65535), ("udp", 0, 65535), ("icmp", -1, -1))


class EC2GroupPair(TypedDict, total=False):
    """A security group whose members a rule lets pass: `group_id`, or `group_name` outside of networks."""

    group_id: str
    group_name: str
    user_id: str
    vpc_id: str


class EC2Rule(TypedDict):
    """A rule of a security group; for all traffic, ports are None and `protocol` is "-1"."""

    protocol: str | None
    from_port: int | None
    to_port: int | None
    cidr_ips: list[str]
    group_pairs: list[EC2GroupPair]


@dataclass(frozen=True, slots=True)
class EC2SecurityGroup:
    """A security group; `extra` has `description`, `owner_id`, `tags`, `vpc_id`."""

    id: str
    name: str
    ingress_rules: list[EC2Rule]
    egress_rules: list[EC2Rule]
    extra: dict[str, Any] = field(default_factory=dict, repr=False)


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


class EC2Firewalls(EC2Nodes):
    """Methods of security groups."""

    def ex_list_security_groups(self) -> list[str]:
        """Return the names of the security groups."""
        return [group.name for group in self.ex_get_security_groups()]

    def ex_get_security_groups(
        self,
        group_ids: Iterable[str] | None = None,
        group_names: Iterable[str] | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> list[EC2SecurityGroup]:
        """Return the security groups with their rules; optionally only by ids, names or filters."""
        fields = {"GroupId": one_or_more(group_ids), "GroupName": one_or_more(group_names)}
        return self.connection.list_filtered(
            "DescribeSecurityGroups", "securityGroupInfo", Group, to_group, filters, **fields
        )

    def ex_create_security_group(
        self, name: str, description: str, vpc_id: str | None = None, *, tags: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Create a security group, by default in the default network: `{"group_id": ...}`."""
        fields = {"GroupName": name, "GroupDescription": description, "VpcId": vpc_id}
        tagged = tagging("security-group", tags)
        created = self.connection.call(
            "CreateSecurityGroup", {**fields, "TagSpecification": tagged}, dict[str, Any]
        )
        group_id = created.get("groupId")
        if not isinstance(group_id, str):
            raise MalformedResponseError("the response has no groupId", str(created)[:200])
        return {"group_id": group_id}

    def ex_delete_security_group(self, name: str) -> bool:
        """Delete a security group of the default network by its name."""
        return self.ex_delete_security_group_by_name(name)

    def ex_delete_security_group_by_name(self, group_name: str) -> bool:
        """Delete a security group of the default network by its name."""
        send = partial(self.connection.act, "DeleteSecurityGroup", GroupName=group_name)
        return self._when_settled(send, lambda: self._members_are_passing("instance.group-name", group_name))

    def ex_delete_security_group_by_id(self, group_id: str) -> bool:
        """Delete a security group without members; waits for those that are being terminated."""
        send = partial(self.connection.act, "DeleteSecurityGroup", GroupId=group_id)
        return self._when_settled(send, lambda: self._members_are_passing("instance.group-id", group_id))

    def ex_authorize_security_group(
        self, name: str, from_port: int | None, to_port: int | None, cidr_ip: str, protocol: str = "tcp"
    ) -> bool:
        """Allow traffic from addresses to a security group of the default network, given by its name."""
        rule = permission(from_port, to_port, [cidr_ip], None, protocol)
        return self.connection.act("AuthorizeSecurityGroupIngress", GroupName=name, IpPermissions=[rule])

    def ex_authorize_security_group_permissive(self, name: str) -> bool:
        """Allow all TCP, UDP and ICMP from everywhere; existing rules stay."""
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
        """Allow traffic to the members of a security group, from addresses or members of other groups.

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
        """Like `ex_authorize_security_group_ingress`, for traffic from the members of the group."""
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
        """Remove a rule of `ex_authorize_security_group_ingress`."""
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
        """Remove a rule of `ex_authorize_security_group_egress`."""
        rule = permission(from_port, to_port, cidr_ips, group_pairs, protocol)
        return self.connection.act("RevokeSecurityGroupEgress", GroupId=id, IpPermissions=[rule])


def permission(
    from_port: int | None,
    to_port: int | None,
    cidr_ips: Iterable[str] | None,
    group_pairs: Iterable[EC2GroupPair] | None,
    protocol: str,
    description: str | None = None,
) -> dict[str, Any]:
    """Return a rule of a security group as requests have it."""
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


def to_group(item: Item[Group]) -> EC2SecurityGroup:
    """Return a security group with its rules."""
    group = item.value
    parts = {name: part for name, part in item.fields.items() if not name.startswith("ipPermissions")}
    extra = extra_of(parts)
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
