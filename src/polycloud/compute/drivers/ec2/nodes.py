"""Nodes (the provider's instances): lists, power, attributes, the console."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from operator import attrgetter
from sys import intern
from typing import Any

from polycloud.common.arguments import id_of
from polycloud.common.aws.query import filters, one_or_more
from polycloud.common.aws.xml import Item, item_of
from polycloud.common.pagination import unique
from polycloud.common.payload import parse_datetime
from polycloud.common.resource import with_id
from polycloud.compute.base import require_id
from polycloud.compute.drivers.ec2.connection import EC2BaseDriver
from polycloud.compute.drivers.ec2.payload import Payload, disks_of, extra_of, lazy
from polycloud.compute.drivers.ec2.tags import Tag, name_of
from polycloud.compute.objects import Node, NodeSize
from polycloud.compute.types import NodeState
from polycloud.errors import MalformedResponseError, ServerError

NODE_STATES = {
    "pending": NodeState.PENDING,
    "running": NodeState.RUNNING,
    "shutting-down": NodeState.STOPPING,
    "terminated": NodeState.TERMINATED,
    "stopping": NodeState.STOPPING,
    "stopped": NodeState.STOPPED,
}
PASSING = frozenset({"pending", "stopping", "shutting-down"})
"""States of an instance that pass by themselves."""
NODE_KEYS = (
    *("architecture", "availability", "block_device_mapping", "client_token", "dns_name", "ebs_optimized"),
    *("groups", "hypervisor", "image_id", "instance_id", "instance_tenancy", "instance_type", "kernel_id"),
    *("key_name", "launch_index", "launch_time", "monitoring", "network_interfaces", "private_dns"),
    *("product_codes", "reason", "root_device_name", "root_device_type", "source_dest_check", "status"),
    *("subnet_id", "tags", "virtualization_type", "vpc_id"),
)
UNIQUE_LOCAL = ("fc", "fd")
"""How the IPv6 addresses of private networks begin."""


class State(Payload):
    """The state of an instance."""

    name: str | None = None


class Ipv6(Payload):
    """An IPv6 address of an interface."""

    ipv6_address: str | None = None


class Association(Payload):
    """The public address of a private one."""

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
    """The fields that a `Node` is built from. The complete payload becomes its `extra`."""

    instance_id: str
    instance_state: State | None = None
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
    """Instances that were created together."""

    instances_set: list[dict[str, Any]] | None
    group_set: Any = None


class Console(Payload):
    """The output of an instance's console, in base64."""

    instance_id: str
    timestamp: str | None = None
    output: str | None = None


class EC2Nodes(EC2BaseDriver):
    """Methods of existing nodes."""

    def list_nodes(
        self, ex_node_ids: Iterable[str] | None = None, ex_filters: Mapping[str, Any] | None = None
    ) -> list[Node]:
        """Return the instances, terminated ones too; optionally only these ids, or those that match filters.

        Filters are those of the provider's DescribeInstances: `{"tag:env": ["prod", "test"]}`.
        """
        ids = one_or_more(ex_node_ids)
        items = self._instances(paged=not ids, InstanceId=ids, Filter=filters(ex_filters))
        return [self._to_node(item) for item in items]

    def iterate_nodes(self) -> Iterator[Node]:
        """Yield the instances, a page at a time."""
        return map(self._to_node, self._instances())

    def get_node(self, node_id: str) -> Node:
        """Return an instance by its id. Raises `NotFoundError`."""
        return with_id(self.list_nodes([node_id]), node_id, f"{self.name} node")

    def reboot_node(self, node: Node) -> bool:
        """Restart an instance gracefully. The provider cuts its power if that takes some minutes."""
        return self._power("RebootInstances", node)

    def start_node(self, node: Node) -> bool:
        """Start a stopped instance."""
        return self._power("StartInstances", node)

    def stop_node(self, node: Node) -> bool:
        """Shut an instance down gracefully. It keeps its volumes, but not its public address."""
        return self._power("StopInstances", node)

    def destroy_node(self, node: Node) -> bool:
        """Terminate an instance, and delete those of its volumes that are deleted on termination."""
        return self._power("TerminateInstances", node)

    def ex_start_node(self, node: Node) -> bool:
        """Like `start_node`."""
        return self.start_node(node)

    def ex_stop_node(self, node: Node) -> bool:
        """Like `stop_node`."""
        return self.stop_node(node)

    def ex_modify_instance_attribute(self, node: Node, attributes: Mapping[str, Any]) -> bool:
        """Change attributes of a node, such as `{"InstanceType.Value": "t3.small"}` of a stopped one.

        The provider accepts one attribute per request, so each has a request of its own.
        """
        id_ = require_id(node)
        for field in attributes.items():
            fields = dict([field])
            send = partial(self.connection.act, "ModifyInstanceAttribute", InstanceId=id_, **fields)
            self._when_settled(send, lambda: self._node_is_passing(id_))
        return True

    def ex_change_node_size(self, node: Node, new_size: NodeSize) -> bool:
        """Change the size of a stopped node."""
        size = id_of(new_size, NodeSize)
        return self.ex_modify_instance_attribute(node, {"InstanceType.Value": size})

    def ex_get_console_output(self, node: Node) -> dict[str, Any]:
        """Return recent output of a node's console.

        `instance_id`, `timestamp` (a `datetime`, or None) and `output` (a str, or None).
        """
        fields = {"InstanceId": require_id(node)}
        console: Console = self.connection.call("GetConsoleOutput", fields, Console)
        try:
            output = base64.b64decode(console.output).decode(errors="replace") if console.output else None
        except ValueError as error:
            raise MalformedResponseError(f"the output is not in base64: {error}", console.output) from None
        return {
            "instance_id": console.instance_id,
            "timestamp": parse_datetime(console.timestamp),
            "output": output,
        }

    def _power(self, action: str, node: Node) -> bool:
        id_ = require_id(node)
        send = partial(self.connection.call, action, {"InstanceId": [id_]}, dict[str, Any] | None)
        self._when_settled(send, lambda: self._node_is_passing(id_))
        return True

    def _node_is_passing(self, id_: str) -> bool:
        """Return whether an instance starts or stops."""
        return _any_passing(self._instances(paged=False, InstanceId=[id_]))

    def _members_are_passing(self, what: str, name: str) -> bool:
        """Return whether one of the instances whose `what` is `name` starts or stops."""
        return _any_passing(self._instances(Filter=filters({what: name})))

    def _why_dead(self, node: Node) -> str:
        """Return the provider's reason for the state of a node, such as Client.VolumeLimitExceeded."""
        return str((node.extra.get("state_reason") or {}).get("message") or node.extra.get("reason") or "")

    def _instances(self, **fields: Any) -> Iterator[Item[Instance]]:
        reservations = self.connection.iterate(
            "DescribeInstances", "reservationSet", Reservation, key=_instance_ids, **fields
        )
        items = (item for one in reservations for item in instances_of(one.value))
        return unique(items, attrgetter("value.instance_id"))

    def _nodes_of_token(self, token: str) -> list[Node]:
        """Return the nodes that were created with a client token; some servers have no filter for it."""
        try:
            found = list(self._instances(Filter=filters({"client-token": token})))
        except ServerError:
            found = list(self._instances())
        return [self._to_node(item) for item in found if item.value.client_token == token]

    def _to_node(self, item: Item[Instance]) -> Node:
        instance = item.value
        public, private = addresses_of(instance)
        return Node(
            instance.instance_id,
            name_of(instance.tag_set) or instance.instance_id,
            NODE_STATES.get((instance.instance_state or State()).name or "") or NodeState.UNKNOWN,
            public,
            private,
            self,
            instance.instance_type and intern(instance.instance_type),  # thousands of nodes share a few
            instance.image_id and intern(instance.image_id),
            lazy(item.fields, node_extra),
            parse_datetime(instance.launch_time),
        )


def _any_passing(instances: Iterable[Item[Instance]]) -> bool:
    return any((item.value.instance_state or State()).name in PASSING for item in instances)


def instances_of(reservation: Reservation) -> Iterator[Item[Instance]]:
    """Return the instances of a reservation."""
    return (item_of(fields, Instance) for fields in reservation.instances_set or ())


def _instance_ids(item: Item[Reservation]) -> tuple[Any, ...]:
    """Identify a reservation by its instances: one that a page's end divides has two parts."""
    return tuple(str(one.get("instanceId")) for one in item.value.instances_set or ())


def addresses_of(instance: Instance) -> tuple[list[str], list[str]]:
    """Return the public and private addresses of all interfaces; the provider says which are which."""
    public, private = [instance.ip_address], [instance.private_ip_address]
    for interface in instance.network_interface_set or ():
        for one in interface.private_ip_addresses_set or ():
            private.append(one.private_ip_address)
            public.append((one.association or Association()).public_ip)
        for six in interface.ipv6_addresses_set or ():
            local = (six.ipv6_address or "").lower().startswith(UNIQUE_LOCAL)
            (private if local else public).append(six.ipv6_address)
    return [*filter(None, dict.fromkeys(public))], [*filter(None, dict.fromkeys(private))]


def node_extra(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the `extra` of a node."""
    extra = extra_of(fields, NODE_KEYS)
    placement = extra.pop("placement", None) or {}
    index = extra.pop("ami_launch_index", None)
    extra.update(
        availability=placement.get("availability_zone"),
        block_device_mapping=disks_of(extra),
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
