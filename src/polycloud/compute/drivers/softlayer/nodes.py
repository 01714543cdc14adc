"""Nodes (the provider's virtual guests): how a guest becomes a `Node`, states, lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from polycloud.common.payload import parse_datetime
from polycloud.common.softlayer import (
    Record,
    SoftLayerBaseDriver,
    Structure,
    number,
)
from polycloud.compute.base import NodeDriver, require_id
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.errors import MalformedResponseError
from polycloud.utils.networking import split_by_privacy

GUEST = "SoftLayer_Virtual_Guest"
GUESTS = "virtualGuests"
"""The account's relation that has its guests."""

NODE_MASK = (
    "id,globalIdentifier,hostname,domain,fullyQualifiedDomainName,createDate,provisionDate,maxCpu,maxMemory,"
    "hourlyBillingFlag,localDiskFlag,privateNetworkOnlyFlag,notes,primaryIpAddress,primaryBackendIpAddress,"
    "status[keyName],powerState[keyName],datacenter[name],"
    "activeTransaction[transactionStatus[name]],"
    "operatingSystem[passwords[username,password],softwareLicense[softwareDescription[referenceCode]]],"
    "blockDeviceTemplateGroup[globalIdentifier],blockDevices[device,diskImage[capacity]],"
    "billingItem[id,recurringFee,hourlyRecurringFee,orderItem[preset[keyName]]],"
    "tagReferences[tag[name]]"
)
"""All that a `Node` is built from, so that a list is one request."""

POWER_STATES = {
    "RUNNING": NodeState.RUNNING,
    "HALTED": NodeState.STOPPED,
    "PAUSED": NodeState.PAUSED,
    "SUSPENDED": NodeState.SUSPENDED,
}
STATUSES = {
    "DISCONNECTED": NodeState.SUSPENDED,
    "INACTIVE": NodeState.SUSPENDED,
    "SUSPENDED": NodeState.SUSPENDED,
}
"""The statuses in which the provider itself keeps a guest off its networks, whatever its power."""
TRANSACTIONS = (
    (re.compile("RECLAIM|CANCEL"), NodeState.TERMINATED),
    (re.compile("MIGRAT"), NodeState.MIGRATING),
    (re.compile("RELOAD"), NodeState.UPDATING),
    (re.compile("UPGRADE"), NodeState.RECONFIGURING),
    (re.compile("REBOOT|POWER_CYCLE"), NodeState.REBOOTING),
)
"""What the names of a guest's transactions contain, and its state meanwhile; the first row counts."""
MARKER_PREFIX = "polycloud-create-"
"""Start of the tag, and of the text in the user data, that mark a create; see `creating`."""


class Key(Structure):
    """What is named by a key, such as a state, or a preset of an order."""

    key_name: str | None = None


class Named(Structure):
    """What has a name."""

    name: str | None = None


class Transaction(Structure):
    """An operation on a guest."""

    transaction_status: Named | None = None


class Password(Structure):
    """A user of a guest's system."""

    username: str | None = None
    password: str | None = None


class Description(Structure):
    """An operating system."""

    reference_code: str | None = None


class License(Structure):
    """The licence of an operating system."""

    software_description: Description | None = None


class System(Structure):
    """The operating system on a guest, with the passwords that the provider chose."""

    passwords: list[Password] | None = None
    software_license: License | None = None


class Template(Structure):
    """The image that a guest was made from."""

    global_identifier: str | None = None


class DiskImage(Structure):
    """A disk: `capacity` is in GB."""

    capacity: int | None = None


class Device(Structure):
    """A disk's place in a guest; the first disk is device 0, its swap device 1."""

    device: int | str | None = None
    disk_image: DiskImage | None = None


class OrderItem(Structure):
    """How a guest was ordered: its preset is its size."""

    preset: Key | None = None


class BillingItem(Structure):
    """What a guest costs; USD, as a number or a text such as ".07"."""

    id: int | None = None
    recurring_fee: Any = None
    hourly_recurring_fee: Any = None
    order_item: OrderItem | None = None


class TagReference(Structure):
    """The use of a tag."""

    tag: Named | None = None


class UserData(Structure):
    """Data for the guest."""

    value: str | None = None


class Guest(Structure):
    """A virtual guest: `max_memory` is in MB. Times are text, or datetimes where XML-RPC marks them."""

    id: int
    global_identifier: str | None = None
    hostname: str | None = None
    domain: str | None = None
    fully_qualified_domain_name: str | None = None
    create_date: Any = None
    provision_date: Any = None
    max_cpu: int | None = None
    max_memory: int | None = None
    hourly_billing_flag: bool | int | None = None
    primary_ip_address: str | None = None
    primary_backend_ip_address: str | None = None
    notes: str | None = None
    status: Key | None = None
    power_state: Key | None = None
    datacenter: Named | None = None
    active_transaction: Transaction | None = None
    operating_system: System | None = None
    block_device_template_group: Template | None = None
    block_devices: list[Device] | None = None
    billing_item: BillingItem | None = None
    tag_references: list[TagReference] | None = None
    user_data: list[UserData] | None = None

    @property
    def transaction(self) -> str:
        """The name of the operation that is under way; empty without one."""
        status = self.active_transaction and self.active_transaction.transaction_status
        return ((status and status.name) or "").upper()

    @property
    def state(self) -> NodeState:
        """The state of its node."""
        power = (self.power_state and self.power_state.key_name) or ""
        status = (self.status and self.status.key_name) or ""
        if found := next(
            (state for pattern, state in TRANSACTIONS if pattern.search(self.transaction)), None
        ):
            return found
        if not self.provision_date and (self.active_transaction or power != "RUNNING"):
            return NodeState.PENDING
        return STATUSES.get(status) or POWER_STATES.get(power, NodeState.UNKNOWN)

    @property
    def login(self) -> Password:
        """The user that the provider created, root if there are several."""
        users = (self.operating_system and self.operating_system.passwords) or []
        return min(users, key=lambda user: user.username != "root", default=Password())

    @property
    def size(self) -> str | None:
        """The id of its size: that of the flavor, or of the numbers."""
        ordered = self.billing_item and self.billing_item.order_item
        flavor = ordered and ordered.preset and ordered.preset.key_name
        disks = {
            str(one.device): one.disk_image and one.disk_image.capacity for one in self.block_devices or ()
        }
        numbers = (self.max_cpu, self.max_memory, disks.get("0"))
        return flavor or ("-".join(map(str, numbers)) if all(numbers) else None)

    @property
    def image(self) -> str | None:
        """The id of its image: of the template, else of the operating system."""
        template = self.block_device_template_group or Template()
        license_ = (self.operating_system or System()).software_license or License()
        return template.global_identifier or (license_.software_description or Description()).reference_code

    @property
    def tags(self) -> list[str]:
        """The names of its tags."""
        return [one.tag.name for one in self.tag_references or () if one.tag and one.tag.name]


class SoftLayerNodes(SoftLayerBaseDriver, NodeDriver):
    """Methods of existing nodes."""

    def list_nodes(self) -> list[Node]:
        """Return the account's virtual guests."""
        return self.connection.list_all(GUESTS, Guest, self._to_node, NODE_MASK)

    def iterate_nodes(self) -> Iterator[Node]:
        """Like `list_nodes`, a page at a time."""
        return self.connection.iterate(GUESTS, Guest, self._to_node, NODE_MASK)

    def get_node(self, node_id: str) -> Node:
        """Return a guest by its id. Raises `NotFoundError`."""
        response = self.connection.invoke(GUEST, "getObject", id=number(node_id), mask=NODE_MASK)
        return self._to_node(response.record(Guest))

    def _to_node(self, record: Record) -> Node:
        guest: Guest = record.value
        addresses = filter(None, (guest.primary_ip_address, guest.primary_backend_ip_address))
        try:
            public, private = split_by_privacy(addresses)
        except ValueError as error:
            raise MalformedResponseError(f"guest {guest.id} has an invalid address: {error}") from None
        return Node(
            str(guest.id),
            guest.hostname or "",
            guest.state,
            public,
            private,
            self,
            guest.size,
            guest.image,
            _extra(guest),
            moment(guest.create_date),
        )


def _extra(guest: Guest) -> dict[str, Any]:
    login, billing = guest.login, guest.billing_item or BillingItem()
    return {
        "hostname": guest.hostname,
        "domain": guest.domain,
        "fullyQualifiedDomainName": guest.fully_qualified_domain_name,
        "globalIdentifier": guest.global_identifier,
        "maxCpu": guest.max_cpu,
        "maxMemory": guest.max_memory,
        "datacenter": guest.datacenter and guest.datacenter.name,
        "location": guest.datacenter and guest.datacenter.name,
        "image": guest.image,
        "hourlyBillingFlag": None if guest.hourly_billing_flag is None else bool(guest.hourly_billing_flag),
        "recurringFee": fee(billing.recurring_fee),
        "hourlyRecurringFee": fee(billing.hourly_recurring_fee),
        "created": guest.create_date,
        "provisioned": guest.provision_date,
        "status": guest.status and guest.status.key_name,
        "powerState": guest.power_state and guest.power_state.key_name,
        "transaction": guest.transaction or None,
        "notes": guest.notes,
        "username": login.username,
        "password": login.password,
        "tags": [tag for tag in guest.tags if not tag.startswith(MARKER_PREFIX)],
    }


def fee(value: Any) -> float | None:
    """Return an amount of USD as a number; None for anything but an amount."""
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def moment(value: Any) -> datetime | None:
    """Return a time as a datetime with a zone; None for anything but a time."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return parse_datetime(value) if isinstance(value, str) else None


def guest_id(node: Node) -> int:
    """Return a node's id as a number. Raises `InvalidArgumentError` unless it is a node of SoftLayer."""
    return number(require_id(node))
