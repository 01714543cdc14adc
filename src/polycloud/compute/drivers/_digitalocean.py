"""What DigitalOcean offers beyond the base of compute; its payloads, and the objects made of them.

Source: the provider's OpenAPI document, version 2.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from math import ceil, isfinite
from operator import attrgetter, itemgetter
from sys import intern
from typing import Any, ClassVar, TypedDict, TypeVar, Unpack

import msgspec

from polycloud.common import waiting
from polycloud.common.arguments import id_of, present, several
from polycloud.common.base import segment
from polycloud.common.calls import call_options
from polycloud.common.digitalocean import (
    Begun,
    DigitalOceanAction,
    DigitalOceanBaseDriver,
    number,
    whole,
)
from polycloud.common.payload import Item, LazyExtra, decode, filled, moment, plain
from polycloud.common.retry import RetryPolicy
from polycloud.common.types import (
    ConflictError,
    InvalidArgumentError,
    MalformedResponseError,
    NotFoundError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.compute import keys
from polycloud.compute.base import NodeDriver, require_id
from polycloud.compute.creation import Creation, mark_for
from polycloud.compute.types import (
    KeyPair,
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
from polycloud.utils.networking import is_ip

__all__ = [
    "DigitalOceanExtensions",
    "DigitalOceanFirewall",
    "DigitalOceanFirewallRule",
    "DigitalOceanFloatingIp",
    "DigitalOceanVPC",
    "Waiting",
]

R = TypeVar("R")
T = TypeVar("T")
NODE_STATES = {
    "new": NodeState.PENDING,
    "active": NodeState.RUNNING,
    "off": NodeState.STOPPED,
    "archive": NodeState.TERMINATED,
}
COUNTRIES = {
    **dict.fromkeys(("atl", "mia", "nyc", "ric", "sfo"), "US"),
    "ams": "NL",
    "blr": "IN",
    "fra": "DE",
    "lon": "GB",
    "sgp": "SG",
    "syd": "AU",
    "tor": "CA",
}
"""The country of a region, by the letters at the beginning of its slug."""

CREATE_TAG = "polycloud-create-"
GB_A_TB = 1000
NODE_KEYS = (
    *("backup_ids", "created_at", "disk", "features", "image", "locked", "memory", "networks"),
    *("region", "region_slug", "size", "size_slug", "snapshot_ids", "tags", "vcpus"),
)
IMAGE_KEYS = ("created_at", "distribution", "min_disk_size", "public", "regions", "slug")
SIZE_KEYS = ("price_monthly", "regions", "vcpus")
VOLUME_KEYS = ("created_at", "droplet_ids", "region")
SNAPSHOT_KEYS = ("created_at", "min_disk_size", "regions", "resource_id")


class Address(msgspec.Struct, gc=False):
    """An address of a droplet; its type is "public" or "private"."""

    ip_address: str | None = None
    type: str | None = None


class Networks(msgspec.Struct, gc=False):
    """The addresses of a droplet; none before it runs."""

    v4: list[Address] | None = None
    v6: list[Address] | None = None


class Reference(msgspec.Struct, gc=False):
    """An image or a region inside of another object; public images and regions have a slug."""

    id: int | None = None
    slug: str | None = None


class Droplet(msgspec.Struct, gc=False):
    """What a `Node` is made from; the whole payload becomes its `extra`."""

    id: int
    name: str | None = None
    status: str | None = None
    locked: bool | None = None
    created_at: str | None = None
    size_slug: str | None = None
    size: msgspec.Raw = msgspec.Raw()
    image: msgspec.Raw = msgspec.Raw()
    networks: Networks | list[Any] | None = None
    tags: list[str] | None = None


class Image(msgspec.Struct):
    """An image, or a snapshot of a droplet."""

    id: int
    name: str | None = None
    regions: list[str] | None = None


class Size(msgspec.Struct):
    """A size: `memory` is MB, `disk` GB, `transfer` TB a month, `price_hourly` USD."""

    slug: str
    memory: int
    disk: int
    transfer: float | None = None
    price_hourly: float | None = None
    regions: list[str] | None = None
    available: bool | None = None


class Region(msgspec.Struct):
    """A region; droplets cannot be created in one that is not available."""

    slug: str
    name: str | None = None
    available: bool | None = None


class Key(msgspec.Struct):
    """An SSH key; its fingerprint is MD5 in hexadecimal pairs."""

    id: int
    name: str | None = None
    fingerprint: str | None = None
    public_key: str | None = None


class Volume(msgspec.Struct):
    """A block volume; it is attached to one droplet at most."""

    id: str
    size_gigabytes: int | float
    name: str | None = None
    droplet_ids: list[int] | None = None
    region: Reference | None = None


class Snapshot(msgspec.Struct):
    """A snapshot of a volume; `size_gigabytes` is what it occupies."""

    id: int | str
    name: str | None = None
    created_at: str | None = None
    size_gigabytes: int | float | None = None


class Tag(msgspec.Struct):
    """A tag."""

    name: str


class DropletReference(msgspec.Struct):
    """A droplet inside of a reserved address."""

    id: int


class ReservedIp(msgspec.Struct):
    """A reserved address."""

    ip: str
    droplet: DropletReference | None = None
    region: Reference | None = None


class Peers(msgspec.Struct, omit_defaults=True):
    """Where traffic may come from or go to."""

    addresses: list[str] | None = None
    droplet_ids: list[int] | None = None
    load_balancer_uids: list[str] | None = None
    tags: list[str] | None = None


class Rule(msgspec.Struct):
    """A rule of a firewall: `sources` where it is for traffic to droplets, else `destinations`."""

    protocol: str
    ports: str = "0"
    sources: Peers | None = None
    destinations: Peers | None = None


class Firewall(msgspec.Struct):
    """A firewall."""

    id: str
    name: str | None = None
    status: str | None = None
    inbound_rules: list[Rule] | None = None
    outbound_rules: list[Rule] | None = None
    droplet_ids: list[int] | None = None
    tags: list[str] | None = None


class DigitalOceanVPC(msgspec.Struct, frozen=True, kw_only=True):
    """A private network: `region` is a slug, `ip_range` in CIDR notation, `default` that of its region."""

    id: str
    name: str | None = None
    region: str | None = None
    ip_range: str | None = None
    description: str | None = None
    default: bool | None = None
    created_at: str | None = None


@dataclass(frozen=True, slots=True)
class DigitalOceanFloatingIp:
    """A reserved address, which is its own id; `node_id` is None while it is free, `region` a slug."""

    id: str
    ip_address: str
    node_id: str | None
    region: str | None
    driver: DigitalOceanExtensions | None = field(default=None, compare=False, repr=False)
    extra: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def delete(self) -> bool:
        """Give the address back; see `ex_delete_floating_ip`."""
        if self.driver is None:
            raise InvalidArgumentError(f"{self.ip_address} was made without a driver, which could delete it")
        return self.driver.ex_delete_floating_ip(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitalOceanFirewallRule:
    """Traffic that a firewall lets pass; what no rule names is stopped.

    `protocol` is "tcp", "udp" or "icmp"; `ports` one port, a range ("8000-9000") or "0" for all. The
    others say from where, or to where: `addresses` (single or CIDR, IPv4 or IPv6), `node_ids`,
    `load_balancer_ids`, `tags`.
    """

    protocol: str
    ports: str = "0"
    addresses: tuple[str, ...] = ()
    node_ids: tuple[str, ...] = ()
    load_balancer_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DigitalOceanFirewall:
    """A firewall before the nodes in `node_ids` and those that have one of `tags`.

    `status` is "waiting", "succeeded" or "failed".
    """

    id: str
    name: str | None
    status: str | None
    inbound: tuple[DigitalOceanFirewallRule, ...]
    outbound: tuple[DigitalOceanFirewallRule, ...]
    node_ids: tuple[str, ...]
    tags: tuple[str, ...]


class Waiting(TypedDict, total=False):
    """How long to wait for an action: `ex_timeout` seconds (600), not at all with `ex_wait=False`."""

    ex_wait: bool
    ex_timeout: float


class DropletCreation(Creation):
    """A create of a droplet, which has a tag of its own; a tag that stands for a key stays."""

    def __init__(
        self, driver: DigitalOceanExtensions, body: dict[str, Any], tag: str, *, keyed: bool
    ) -> None:
        super().__init__(f"the droplet {body['name']!r}", f"the tag {tag!r}", keyed=keyed)
        self.driver, self.body, self.tag = driver, body, tag

    def send(self) -> Node:
        """The droplet."""
        return self.driver._to_node(self.driver.connection.create("/droplets", "droplet", Droplet, self.body))

    def find(self) -> Node | None:
        """The droplet with the tag; a server that does not know `tag_name` lists others too."""
        key, params = attrgetter("value.id"), {"tag_name": self.tag}
        listed = self.driver.connection.list_all(
            "/droplets", "droplets", Droplet, whole, key=key, params=params
        )
        found = next((item for item in listed if self.tag in (item.value.tags or ())), None)
        return found and self.driver._to_node(found)

    def begun(self) -> bool:
        """Whether the tag exists; it does from now on."""
        with suppress(NotFoundError):
            self.driver.connection.fetch(f"/tags/{self.tag}", "tag", Tag)
            return True
        self.driver.ex_create_tag(self.tag)
        return False

    def settle(self, node: Node) -> None:
        """Delete the tag; one that stays does no harm."""
        if not self.keyed:
            hasty = call_options(deadline=self.driver.tidy_time, retry=RetryPolicy(attempts=1))
            with suppress(PolycloudError), hasty:
                self.driver.connection.delete(f"/tags/{self.tag}")


class DigitalOceanExtensions(DigitalOceanBaseDriver, NodeDriver):
    """The methods beyond the base.

    Those that change a node wait until the provider has done it; `ex_wait=False` returns as soon as it is
    accepted. They raise `OperationTimeoutError` after `ex_timeout` seconds, `ProviderError` where the
    action fails, and `ConflictError` where the node stays busy with another one for `busy_time` seconds.
    """

    busy_time: ClassVar[float] = 60.0
    """Seconds to wait for a node that is busy with another action, which refuses a second one meanwhile."""

    settle_time: ClassVar[float] = 30.0
    tidy_time: ClassVar[float] = 5.0
    """Seconds that deleting the tag of a create may take; then the tag stays."""

    # Actions

    def ex_get_action(self, action_id: int | str) -> DigitalOceanAction:
        """An action as it is now."""
        return self.connection.get_action(action_id)

    def ex_list_actions(self, node: Node | None = None) -> list[DigitalOceanAction]:
        """The actions of the account, or of a node, the newest first."""
        path = f"/droplets/{droplet_id(node)}/actions" if node else "/actions"
        return self.connection.list_all(path, "actions", DigitalOceanAction, plain)

    def ex_get_event(self, event_id: int | str) -> dict[str, Any]:
        """As `ex_get_action`, as the provider tells it."""
        return _as_told(self.connection.fetch(f"/actions/{number(event_id)}", "action", DigitalOceanAction))

    def ex_list_events(self, node: Node | None = None) -> list[dict[str, Any]]:
        """As `ex_list_actions`, as the provider tells them."""
        path = f"/droplets/{droplet_id(node)}/actions" if node else "/actions"
        return self.connection.list_all(path, "actions", DigitalOceanAction, _as_told, key=itemgetter("id"))

    def ex_rebuild_node(self, node: Node, image: NodeImage | None = None, **wait: Unpack[Waiting]) -> bool:
        """Start a node anew from an image, its own unless given; what is on its disk is lost."""
        source = image or node.image
        if source is None:
            raise InvalidArgumentError(f"from which image? The node {node.name} (id {node.id}) tells none")
        return self._operate(self._act(node, "rebuild", image=reference(id_of(source, NodeImage))), **wait)

    def ex_restore_node(self, node: Node, image: NodeImage, **wait: Unpack[Waiting]) -> bool:
        """Take a node back to one of its backups or snapshots; what came after it is lost."""
        return self._operate(self._act(node, "restore", image=number(id_of(image, NodeImage))), **wait)

    def ex_resize_node(
        self, node: Node, size: NodeSize, *, disk: bool = False, **wait: Unpack[Waiting]
    ) -> bool:
        """Give a stopped node another size; with `disk` its disk grows too, for good."""
        return self._operate(self._act(node, "resize", size=id_of(size, NodeSize), disk=disk), **wait)

    def ex_rename_node(self, node: Node, name: str, **wait: Unpack[Waiting]) -> bool:
        """Give a node another name."""
        return self._operate(self._act(node, "rename", name=name), **wait)

    def ex_hard_reboot(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Cut a node's power and give it back."""
        return self._operate(self._act(node, "power_cycle"), **wait)

    def ex_power_on_node(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Start a stopped node, and wait."""
        return self._operate(self._act(node, "power_on"), **wait)

    def ex_shutdown_node(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Tell a node to shut itself down, and wait."""
        return self._operate(self._act(node, "shutdown"), **wait)

    def ex_reset_password(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Have a new root password made, which the provider sends by mail."""
        return self._operate(self._act(node, "password_reset"), **wait)

    def ex_enable_ipv6(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Give a node an IPv6 address; this cannot be taken back."""
        return self._operate(self._act(node, "enable_ipv6"), **wait)

    def ex_enable_backups(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Have a node backed up."""
        return self._operate(self._act(node, "enable_backups"), **wait)

    def ex_disable_backups(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Have a node backed up no longer."""
        return self._operate(self._act(node, "disable_backups"), **wait)

    def ex_change_kernel(self, node: Node, kernel_id: int | str, **wait: Unpack[Waiting]) -> bool:
        """Give a node made before March 2017 another kernel; later ones have their kernels inside."""
        return self._operate(self._act(node, "change_kernel", kernel=number(kernel_id)), **wait)

    def _act(self, node: Node, type_: str, **fields: Any) -> Begun:
        id_ = droplet_id(node)
        path = f"/droplets/{id_}/actions"
        return self._when_free(id_, lambda: self.connection.act(path, type=type_, **fields))

    def _move_volume(self, volume: StorageVolume, type_: str, droplet_id: int) -> bool:
        path = f"/volumes/{segment(volume.id)}/actions"
        self._when_free(droplet_id, lambda: self.connection.act(path, type=type_, droplet_id=droplet_id))
        return True

    def _when_free(self, node_id: int, send: Callable[[], R]) -> R:
        """What `send` gives; a node that is busy with another action refuses it, and is waited for once."""
        try:
            return send()
        except ConflictError as refusal:
            self._wait_until_free(node_id, refusal)
        return send()

    def _wait_until_free(self, node_id: int, refusal: ConflictError) -> None:
        def look() -> bool | None:
            locked = self.connection.fetch(f"/droplets/{node_id}", "droplet", Droplet).value.locked
            return None if locked else True

        told = f"the other action of droplet {node_id} to end"
        try:
            waiting.poll(look, waiting_for=told, timeout=self.busy_time)
        except PolycloudError:
            raise refusal from None

    def _region(self, location: NodeLocation | None) -> str | None:
        return self.region if location is None else id_of(location, NodeLocation)

    def _require_region(self, location: NodeLocation | None) -> str:
        region = self._region(location)
        if region is None:
            raise InvalidArgumentError(f"{self.name} wants a region: give a location, or the driver region=")
        return region

    def _operate(self, action: Begun, ex_wait: bool = True, ex_timeout: float = 600.0) -> bool:
        if ex_wait:
            self.connection.wait_for(action, ex_timeout)
        return True

    # The account, nodes and snapshots under Libcloud's names

    def ex_account_info(self) -> dict[str, Any]:
        """The account as the provider tells it: `email`, `droplet_limit`, `status` and others."""
        return self.connection.fetch("/account", "account", dict[str, Any]).value

    def ex_get_node_details(self, node_id: str) -> Node:
        """As `get_node`."""
        return self.get_node(node_id)

    def delete_volume_snapshot(self, snapshot: VolumeSnapshot) -> bool:
        """As `destroy_volume_snapshot`."""
        return self.destroy_volume_snapshot(snapshot)

    # Tags

    def ex_list_tags(self) -> list[str]:
        """The names of the account's tags."""
        tags = self.connection.list_all("/tags", "tags", Tag, plain, key=attrgetter("name"))
        return [tag.name for tag in tags]

    def ex_create_tag(self, name: str) -> bool:
        """Create a tag (letters, digits, `:`, `-` and `_`); one that exists already is left as it is."""
        self.connection.create("/tags", "tag", Tag, {"name": name})
        return True

    def ex_delete_tag(self, name: str) -> bool:
        """Delete a tag and take it off everything; what had it stays."""
        return self.connection.delete(f"/tags/{segment(name)}")

    def ex_tag_node(self, node: Node, name: str) -> bool:
        """Give a node a tag that exists."""
        return self._put_tag("POST", node, name)

    def ex_untag_node(self, node: Node, name: str) -> bool:
        """Take a tag off a node."""
        return self._put_tag("DELETE", node, name)

    def _put_tag(self, method: str, node: Node, name: str) -> bool:
        resources = [{"resource_id": str(node.id), "resource_type": "droplet"}]
        path = f"/tags/{segment(name)}/resources"
        self.connection.request(path, method=method, json={"resources": resources})
        return True

    # Reserved addresses

    def ex_list_floating_ips(self) -> list[DigitalOceanFloatingIp]:
        """The account's reserved addresses."""
        return self._reserved(
            lambda path, name: self.connection.list_all(path, f"{name}s", ReservedIp, self._to_floating_ip)
        )

    def ex_get_floating_ip(self, ip: str) -> DigitalOceanFloatingIp:
        """A reserved address. Raises `NotFoundError` where the account does not have it."""
        address = segment(ip)
        return self._to_floating_ip(
            self._reserved(lambda path, name: self.connection.fetch(f"{path}/{address}", name, ReservedIp))
        )

    def ex_create_floating_ip(self, location: NodeLocation) -> DigitalOceanFloatingIp:
        """Reserve an address in a region."""
        body = {"region": id_of(location, NodeLocation)}
        return self._to_floating_ip(
            self._reserved(lambda path, name: self.connection.create(path, name, ReservedIp, body))
        )

    def ex_delete_floating_ip(self, ip: DigitalOceanFloatingIp | str) -> bool:
        """Give a reserved address back."""
        address = _address_of(ip)
        return self._reserved(lambda path, _: self.connection.delete(f"{path}/{address}"))

    def ex_attach_floating_ip_to_node(
        self, node: Node, ip: DigitalOceanFloatingIp | str, **wait: Unpack[Waiting]
    ) -> bool:
        """Lead a reserved address to a node of its region."""
        id_ = droplet_id(node)
        send = partial(self._act_on_address, _address_of(ip), type="assign", droplet_id=id_)
        return self._operate(self._when_free(id_, send), **wait)

    def ex_detach_floating_ip_from_node(
        self, node: Node, ip: DigitalOceanFloatingIp | str, **wait: Unpack[Waiting]
    ) -> bool:
        """Take a reserved address off its node, which need not be told."""
        return self._operate(self._act_on_address(_address_of(ip), type="unassign"), **wait)

    def _act_on_address(self, address: str, **fields: Any) -> Begun:
        return self._reserved(lambda path, _: self.connection.act(f"{path}/{address}/actions", **fields))

    def _reserved(self, call: Callable[[str, str], R]) -> R:
        """What `call` gives, with path and name of reserved addresses: today's, else the older ones."""
        try:
            return call("/reserved_ips", "reserved_ip")
        except NotFoundError as absent:
            try:
                return call("/floating_ips", "floating_ip")
            except NotFoundError:
                raise absent from None

    def _to_floating_ip(self, item: Item[ReservedIp]) -> DigitalOceanFloatingIp:
        reserved, _ = item
        node_id = str(reserved.droplet.id) if reserved.droplet else None
        region = reserved.region.slug if reserved.region else None
        return DigitalOceanFloatingIp(reserved.ip, reserved.ip, node_id, region, self, _as_told(item))

    # Private networks

    def ex_list_vpcs(self) -> list[DigitalOceanVPC]:
        """The account's private networks."""
        return self.connection.list_all("/vpcs", "vpcs", DigitalOceanVPC, plain)

    def ex_get_vpc(self, vpc_id: str) -> DigitalOceanVPC:
        """The private network with this id. Raises `NotFoundError` where there is none."""
        return self.connection.fetch(f"/vpcs/{segment(vpc_id)}", "vpc", DigitalOceanVPC).value

    def ex_create_vpc(
        self,
        name: str,
        location: NodeLocation,
        *,
        ip_range: str | None = None,
        description: str | None = None,
    ) -> DigitalOceanVPC:
        """Create a private network; the provider chooses `ip_range` (CIDR) unless it is given.

        Nodes are created in it with `ex_create_attr={"vpc_uuid": vpc.id}`.
        """
        region = id_of(location, NodeLocation)
        fields = {"name": name, "region": region, "ip_range": ip_range, "description": description}
        return self.connection.create("/vpcs", "vpc", DigitalOceanVPC, present(fields)).value

    def ex_delete_vpc(self, vpc: DigitalOceanVPC) -> bool:
        """Delete a private network that has no members and is not its region's default."""
        return self.connection.delete(f"/vpcs/{segment(vpc.id)}")

    # Firewalls

    def ex_list_firewalls(self) -> list[DigitalOceanFirewall]:
        """The account's firewalls."""
        return self.connection.list_all("/firewalls", "firewalls", Firewall, _to_firewall)

    def ex_get_firewall(self, firewall_id: str) -> DigitalOceanFirewall:
        """The firewall with this id. Raises `NotFoundError` where there is none."""
        path = f"/firewalls/{segment(firewall_id)}"
        return _to_firewall(self.connection.fetch(path, "firewall", Firewall))

    def ex_create_firewall(
        self,
        name: str,
        inbound: Iterable[DigitalOceanFirewallRule] = (),
        outbound: Iterable[DigitalOceanFirewallRule] = (),
        *,
        nodes: Iterable[Node] = (),
        tags: Iterable[str] = (),
    ) -> DigitalOceanFirewall:
        """Create a firewall before some nodes and all nodes with one of some tags, which must exist.

        Traffic to the nodes passes by the rules `inbound`, from them by `outbound`; the provider wants at
        least one rule.
        """
        body = {
            "name": name,
            "inbound_rules": [_from_rule(rule, "sources") for rule in inbound],
            "outbound_rules": [_from_rule(rule, "destinations") for rule in outbound],
            "droplet_ids": [droplet_id(node) for node in nodes],
            "tags": several(tags),
        }
        made = self.connection.create("/firewalls", "firewall", Firewall, body)
        return _to_firewall(made)

    def ex_delete_firewall(self, firewall: DigitalOceanFirewall) -> bool:
        """Delete a firewall."""
        return self.connection.delete(f"/firewalls/{segment(firewall.id)}")

    def ex_add_nodes_to_firewall(self, firewall: DigitalOceanFirewall, nodes: Iterable[Node]) -> bool:
        """Put a firewall before further nodes."""
        return self._put_members("POST", firewall, droplet_ids=[droplet_id(node) for node in nodes])

    def ex_remove_nodes_from_firewall(self, firewall: DigitalOceanFirewall, nodes: Iterable[Node]) -> bool:
        """Take a firewall away from nodes."""
        return self._put_members("DELETE", firewall, droplet_ids=[droplet_id(node) for node in nodes])

    def ex_add_tags_to_firewall(self, firewall: DigitalOceanFirewall, tags: Iterable[str]) -> bool:
        """Put a firewall before all nodes with one of these tags, which must exist."""
        return self._put_members("POST", firewall, tags=several(tags))

    def ex_remove_tags_from_firewall(self, firewall: DigitalOceanFirewall, tags: Iterable[str]) -> bool:
        """Take a firewall away from the nodes with these tags."""
        return self._put_members("DELETE", firewall, tags=several(tags))

    def _put_members(self, method: str, firewall: DigitalOceanFirewall, **members: list[Any]) -> bool:
        kind = "droplets" if "droplet_ids" in members else "tags"
        path = f"/firewalls/{segment(firewall.id)}/{kind}"
        self.connection.request(path, method=method, json=members)
        return True

    # Keys that let somebody in

    def _key_for(self, auth: NodeAuthSSHKey | NodeAuthPassword) -> tuple[int, bool]:
        """The id of the account's key with this public key, and whether it was registered for this."""
        if not isinstance(auth, NodeAuthSSHKey):
            raise UnsupportedOperationError(
                f"{self.name} creates droplets with SSH keys, not passwords", self
            )
        public_key = keys.require_public_key(auth.pubkey)
        path = f"/account/keys/{segment(keys.fingerprint(public_key))}"
        with suppress(NotFoundError):
            return self.connection.fetch(path, "ssh_key", Key).value.id, False
        body = {"name": f"polycloud-{mark_for()}", "public_key": public_key}
        try:
            return self.connection.create("/account/keys", "ssh_key", Key, body).value.id, True
        except ConflictError:  # somebody else registered it in between
            return self.connection.fetch(path, "ssh_key", Key).value.id, False

    @contextmanager
    def _authorized(
        self, auth: NodeAuthSSHKey | NodeAuthPassword | None, kwargs: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """A key that was registered for a deployment only is deleted after it."""
        if auth is None:
            yield kwargs
            return
        key_id, is_new = self._key_for(auth)
        forget = partial(self.connection.delete, f"/account/keys/{key_id}")
        with self._lent(str(key_id), forget) if is_new else nullcontext():
            yield _with_key(kwargs, key_id)

    # Objects from payloads

    def _build_nodes(self) -> Callable[[Item[Droplet]], Node]:
        """What makes the nodes of one list, which share their sizes and images."""
        return partial(self._to_node, shared={})

    def _to_node(self, item: Item[Droplet], shared: dict[bytes, Any] | None = None) -> Node:
        droplet, raw = item
        shared = {} if shared is None else shared
        public, private = _addresses(droplet)
        return Node(
            str(droplet.id),
            droplet.name,
            NODE_STATES.get(droplet.status or "", NodeState.UNKNOWN),
            public,
            private,
            self,
            _once(shared, droplet.size, self._inner_size)
            or (droplet.size_slug and intern(droplet.size_slug)),  # thousands of nodes share a few
            _once(shared, droplet.image, self._inner_image),
            LazyExtra(raw, _node_extra),
            moment(droplet.created_at),
        )

    def _inner_size(self, raw: msgspec.Raw) -> NodeSize | str | None:
        """The size inside of a droplet; its slug where that is all that is told."""
        try:
            return self._to_size(Item(decode(raw, Size), raw))
        except MalformedResponseError:
            return _slug(raw)

    def _inner_image(self, raw: msgspec.Raw) -> NodeImage | str | None:
        """The image inside of a droplet; its slug where that is all that is told."""
        try:
            return self._to_image(Item(decode(raw, Image), raw))
        except MalformedResponseError:
            return _slug(raw)

    def _to_size(self, item: Item[Size]) -> NodeSize:
        size, raw = item
        gigabytes = None if size.transfer is None else _finite(size.transfer * GB_A_TB)
        traffic = None if gigabytes is None else round(gigabytes)
        extra = LazyExtra(raw, partial(filled, SIZE_KEYS))
        return NodeSize(size.slug, size.slug, size.memory, size.disk, traffic, size.price_hourly, self, extra)

    def _to_image(self, item: Item[Image]) -> NodeImage:
        image, raw = item
        return NodeImage(str(image.id), image.name or "", self, LazyExtra(raw, partial(filled, IMAGE_KEYS)))

    def _to_location(self, item: Item[Region]) -> NodeLocation:
        region, raw = item
        country = COUNTRIES.get(region.slug.rstrip("0123456789"), "")
        extra = LazyExtra(raw, msgspec.json.decode)
        return NodeLocation(region.slug, region.name or region.slug, country, self, extra)

    def _to_key_pair(self, item: Item[Key]) -> KeyPair:
        key = item.value
        return KeyPair(key.name or "", key.public_key, key.fingerprint, self, extra={"id": key.id})

    def _to_volume(self, item: Item[Volume]) -> StorageVolume:
        volume, raw = item
        state = StorageVolumeState.INUSE if volume.droplet_ids else StorageVolumeState.AVAILABLE
        extra = LazyExtra(raw, _volume_extra)
        gigabytes = _finite(volume.size_gigabytes)
        if gigabytes is None:
            raise MalformedResponseError(f"the size of the volume {volume.id} is {volume.size_gigabytes} GB")
        return StorageVolume(volume.id, volume.name, ceil(gigabytes), self, state, extra)

    def _to_snapshot(self, item: Item[Snapshot]) -> VolumeSnapshot:
        snapshot, raw = item
        return VolumeSnapshot(
            str(snapshot.id),
            self,
            _finite(snapshot.size_gigabytes),
            LazyExtra(raw, partial(filled, SNAPSHOT_KEYS)),
            moment(snapshot.created_at),
            VolumeSnapshotState.AVAILABLE,
            snapshot.name,
        )


def _with_key(kwargs: dict[str, Any], key_id: int) -> dict[str, Any]:
    """The arguments of `create_node` with one more key, wherever they name keys."""
    attributes = kwargs.get("ex_create_attr")
    if isinstance(attributes, Mapping) and "ssh_keys" in attributes:
        all_keys = [*several(attributes["ssh_keys"]), key_id]
        return {**kwargs, "ex_create_attr": {**attributes, "ssh_keys": all_keys}}
    return {**kwargs, "ex_ssh_key_ids": [*several(kwargs.get("ex_ssh_key_ids")), key_id]}


def droplet_id(node: Node) -> int:
    """The number of a node. Raises `InvalidArgumentError` for what is no node of this provider's."""
    return number(require_id(node))


def reference(name: str | int) -> str | int:
    """What requests name a thing by: its number, else its slug or fingerprint."""
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise InvalidArgumentError(f"{name!r} is neither a number nor a slug or fingerprint")
    text = str(name)
    return int(text) if text.isascii() and text.isdigit() else name


def attributes_of(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Further fields of a create, to be changed at will. Raises `InvalidArgumentError` for what are none."""
    if not isinstance(given, Mapping | None):
        raise InvalidArgumentError(f"ex_create_attr={given!r} is no dict")
    if "names" in (given or {}):
        raise InvalidArgumentError("one create_node makes one droplet: give name=, not names")
    return dict(given or {})


def is_in(regions: list[str] | None, location: NodeLocation | None) -> bool:
    """Whether something that these regions have is in `location`, which None leaves open."""
    return location is None or id_of(location, NodeLocation) in (regions or ())


def _as_told(item: Item[Any]) -> dict[str, Any]:
    told: dict[str, Any] = decode(item.raw)
    return told


def _finite(amount: float | None) -> float | None:
    return amount if isinstance(amount, int) or (amount is not None and isfinite(amount)) else None


def _slug(raw: msgspec.Raw) -> str | None:
    reference: Reference = decode(raw, Reference)
    return reference.slug


def _address_of(ip: DigitalOceanFloatingIp | str) -> str:
    return segment(ip if isinstance(ip, str) else ip.id)


def _once(shared: dict[bytes, Any], raw: msgspec.Raw, build: Callable[[msgspec.Raw], Any]) -> Any:
    """What `build` makes of these bytes, made once; None of what is absent."""
    told = bytes(raw)
    if told in {b"", b"null"}:
        return None
    if told not in shared:
        shared[told] = build(msgspec.Raw(told))
    return shared[told]


def _to_firewall(item: Item[Firewall]) -> DigitalOceanFirewall:
    firewall = item.value
    return DigitalOceanFirewall(
        firewall.id,
        firewall.name,
        firewall.status,
        tuple(_to_rule(rule, rule.sources) for rule in firewall.inbound_rules or ()),
        tuple(_to_rule(rule, rule.destinations) for rule in firewall.outbound_rules or ()),
        tuple(map(str, firewall.droplet_ids or ())),
        tuple(firewall.tags or ()),
    )


def _to_rule(rule: Rule, peers: Peers | None) -> DigitalOceanFirewallRule:
    peers = peers or Peers()
    return DigitalOceanFirewallRule(
        protocol=rule.protocol,
        ports=rule.ports,
        addresses=tuple(peers.addresses or ()),
        node_ids=tuple(map(str, peers.droplet_ids or ())),
        load_balancer_ids=tuple(peers.load_balancer_uids or ()),
        tags=tuple(peers.tags or ()),
    )


def _from_rule(rule: DigitalOceanFirewallRule, side: str) -> dict[str, Any]:
    peers = Peers(
        list(rule.addresses) or None,
        [number(id_) for id_ in rule.node_ids] or None,
        list(rule.load_balancer_ids) or None,
        list(rule.tags) or None,
    )
    return {"protocol": rule.protocol, "ports": rule.ports, side: peers}


def _addresses(droplet: Droplet) -> tuple[list[str], list[str]]:
    """The public and the private addresses."""
    networks = droplet.networks if isinstance(droplet.networks, Networks) else Networks()
    public: list[str] = []
    private: list[str] = []
    for version, addresses in ((4, networks.v4), (6, networks.v6)):
        for address in addresses or ():
            text = address.ip_address
            if not text:  # not given one yet
                continue
            if not is_ip(text, version):
                raise MalformedResponseError(f"droplet {droplet.id} has the address {text!r}")
            (private if address.type == "private" else public).append(text)
    return public, private


def _node_extra(raw: bytes) -> dict[str, Any]:
    extra = filled(NODE_KEYS, raw)
    if isinstance(region := extra["region"], dict):
        extra["region_slug"] = region.get("slug")
        extra["region"] = region.get("name") or region.get("slug")
    return {**extra, "tags": [tag for tag in extra["tags"] or () if not tag.startswith(CREATE_TAG)]}


def _volume_extra(raw: bytes) -> dict[str, Any]:
    extra = filled(VOLUME_KEYS, raw)
    return {**extra, "region_slug": (extra["region"] or {}).get("slug")}
