"""Security groups and their rules, which Neutron keeps."""

from __future__ import annotations

from typing import Any

import msgspec

from polycloud.common.arguments import drop_none
from polycloud.common.building import quote_segment
from polycloud.common.payload import Item
from polycloud.compute.base import require_id
from polycloud.compute.drivers.openstack.connection import OpenStackServices
from polycloud.compute.drivers.openstack.nodes import server_path
from polycloud.compute.drivers.openstack.resources import OpenStackResource
from polycloud.compute.objects import Node
from polycloud.errors import InvalidArgumentError
from polycloud.utils.values import shown


class OpenStackSecurityGroupRule(OpenStackResource, frozen=True, kw_only=True):
    """Traffic that a security group allows; other traffic is blocked.

    `direction` is "ingress" or "egress"; None means any protocol, any port, any address.
    """

    id: str
    parent_group_id: str | None = msgspec.field(name="security_group_id", default=None)
    direction: str | None = None
    ip_protocol: str | None = msgspec.field(name="protocol", default=None)
    from_port: int | None = msgspec.field(name="port_range_min", default=None)
    to_port: int | None = msgspec.field(name="port_range_max", default=None)
    ip_range: str | None = msgspec.field(name="remote_ip_prefix", default=None)
    group: str | None = msgspec.field(name="remote_group_id", default=None)
    ethertype: str | None = None
    tenant_id: str | None = None


class OpenStackSecurityGroup(OpenStackResource, frozen=True, kw_only=True):
    """A security group with its rules."""

    id: str
    name: str
    description: str | None = None
    tenant_id: str | None = None
    rules: list[OpenStackSecurityGroupRule] = msgspec.field(name="security_group_rules", default_factory=list)


class NamedGroup(msgspec.Struct):
    """A security group as Nova has it, with Neutron's id."""

    id: str


class NamedGroups(msgspec.Struct):
    """The security groups of a server."""

    security_groups: list[NamedGroup]


class OpenStackFirewalls(OpenStackServices):
    """Methods of security groups."""

    def ex_list_security_groups(self) -> list[OpenStackSecurityGroup]:
        """Return the project's security groups."""
        return self.network_connection.list_all(
            "/security-groups", "security_groups", OpenStackSecurityGroup, self._to_group
        )

    def ex_get_node_security_groups(self, node: Node) -> list[OpenStackSecurityGroup]:
        """Return the security groups of a node."""
        response = self.connection.request(f"/servers/{quote_segment(require_id(node))}/os-security-groups")
        ids = {one.id for one in response.decode(NamedGroups).security_groups}
        return [group for group in self.ex_list_security_groups() if group.id in ids]

    def ex_create_security_group(self, name: str, description: str = "") -> OpenStackSecurityGroup:
        """Create a security group; at first it lets everything out and nothing in."""
        body = {"name": name, "description": description}
        path, kind = "/security-groups", OpenStackSecurityGroup
        return self._to_group(self.network_connection.create(path, "security_group", kind, body))

    def ex_delete_security_group(self, security_group: OpenStackSecurityGroup) -> bool:
        """Delete a security group that no port uses."""
        return self.network_connection.delete(f"/security-groups/{quote_segment(security_group.id)}")

    def ex_create_security_group_rule(
        self,
        security_group: OpenStackSecurityGroup,
        ip_protocol: str | None,
        from_port: int | None,
        to_port: int | None,
        cidr: str | None = None,
        source_security_group: OpenStackSecurityGroup | None = None,
        *,
        direction: str = "ingress",
    ) -> OpenStackSecurityGroupRule:
        """Allow traffic.

        Args:
            security_group: The group that gets the rule.
            ip_protocol: "tcp", "udp", "icmp" or another name or number; None for any.
            from_port: The first port, or the type of ICMP.
            to_port: The last port, or the code of ICMP.
            cidr: Addresses of the other side, IPv4 or IPv6; None for any of IPv4.
            source_security_group: The members of a group as the other side.
            direction: "ingress" or "egress".
        """
        body = {
            "security_group_id": security_group.id,
            "direction": direction,
            "protocol": ip_protocol,
            "port_range_min": _port(from_port),
            "port_range_max": _port(to_port),
            "remote_ip_prefix": cidr,
            "remote_group_id": source_security_group.id if source_security_group else None,
            "ethertype": "IPv6" if cidr and ":" in cidr else "IPv4",
        }
        path, kind = "/security-group-rules", OpenStackSecurityGroupRule
        return self._owned(self.network_connection.create(path, "security_group_rule", kind, drop_none(body)))

    def ex_delete_security_group_rule(self, rule: OpenStackSecurityGroupRule) -> bool:
        """Delete a rule."""
        return self.network_connection.delete(f"/security-group-rules/{quote_segment(rule.id)}")

    def ex_add_security_group_to_node(self, security_group: Any, node: Node) -> bool:
        """Add a node's ports to a security group, given as it is or by its name."""
        return self._change_groups("addSecurityGroup", security_group, node)

    def ex_remove_security_group_from_node(self, security_group: Any, node: Node) -> bool:
        """Remove a node's ports from a security group."""
        return self._change_groups("removeSecurityGroup", security_group, node)

    def _to_group(self, item: Item[OpenStackSecurityGroup]) -> OpenStackSecurityGroup:
        group = self._owned(item)
        for rule in group.rules:
            self._owned(Item(rule, msgspec.json.encode(rule)))
        return group

    def _change_groups(self, action: str, group: Any, node: Node) -> bool:
        body = {action: {"name": group_of(group)}}
        self.connection.request(f"{server_path(node)}/action", method="POST", json=body)
        return True


def group_of(group: Any) -> str:
    """Return how Nova finds a security group: by its id, or by its name if only that is given.

    Raises `InvalidArgumentError` for anything else.
    """
    if isinstance(group, OpenStackSecurityGroup):
        return group.id
    if isinstance(group, str) and group:
        return group
    raise InvalidArgumentError(f"a security group must be one of Neutron's or its name, got {shown(group)}")


def _port(number: int | None) -> int | None:
    """Return a port; -1 means any, as in Nova's old rules."""
    return None if number == -1 else number
