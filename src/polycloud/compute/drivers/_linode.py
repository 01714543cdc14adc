"""What Linode offers beyond the base of compute; its payloads, and the objects made of them.

Source: the provider's OpenAPI document, version 4.189.0.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from sys import intern
from typing import Any, ClassVar, TypedDict, TypeVar, Unpack

import msgspec

from polycloud.common import waiting
from polycloud.common.arguments import id_of, present, several
from polycloud.common.base import segment
from polycloud.common.calls import call_options, remaining, tidying
from polycloud.common.linode import (
    Entity,
    Filter,
    LabelTakenError,
    LinodeBaseDriver,
    LinodeBusyError,
    LinodeEvent,
    number,
)
from polycloud.common.payload import Item, LazyExtra, decode, filled, moment, plain
from polycloud.common.retry import RetryPolicy
from polycloud.common.types import (
    InvalidArgumentError,
    MalformedResponseError,
    OperationTimeoutError,
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
)
from polycloud.utils.networking import is_ip, split_by_privacy

__all__ = [
    "LinodeBackup",
    "LinodeConfig",
    "LinodeDisk",
    "LinodeExtensions",
    "LinodeFirewall",
    "LinodeIPAddress",
    "LinodeStackScript",
    "Waiting",
]

R = TypeVar("R")
T = TypeVar("T")
NODE_STATES = {
    "running": NodeState.RUNNING,
    "offline": NodeState.STOPPED,
    "stopped": NodeState.STOPPED,
    "booting": NodeState.STARTING,
    "rebooting": NodeState.REBOOTING,
    "shutting_down": NodeState.STOPPING,
    "busy": NodeState.PENDING,
    "provisioning": NodeState.PENDING,
    "deleting": NodeState.TERMINATED,
    "migrating": NodeState.MIGRATING,
    "rebuilding": NodeState.UPDATING,
    "restoring": NodeState.UPDATING,
    "cloning": NodeState.UPDATING,
    "resizing": NodeState.RECONFIGURING,
    "billing_suspension": NodeState.SUSPENDED,
}
VOLUME_STATES = {
    "creating": StorageVolumeState.CREATING,
    "resizing": StorageVolumeState.UPDATING,
    "key_rotating": StorageVolumeState.UPDATING,
}
DISK_STATES = {
    "ready": StorageVolumeState.AVAILABLE,
    "not ready": StorageVolumeState.CREATING,
    "deleting": StorageVolumeState.DELETING,
}

MARK = "polycloud-"
"""What the `group` of a node begins with that marks its create."""

DEVICES = "abcdefgh"
RESCUE_DEVICES = "abcdefg"  # the last one is the rescue system's
MB_A_GB = 1024
UNIQUE_LOCAL = re.compile("f[cd][0-9a-f]{2}:", re.IGNORECASE)
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
NODE_KEYS = ("alerts", "backups", "hypervisor", "ipv6", "region", "specs", "tags", "watchdog_enabled")
SIZE_KEYS = ("addons", "class", "gpus", "price", "transfer", "vcpus")
IMAGE_KEYS = ("created", "created_by", "description", "eol", "is_public", "size", "type", "vendor")
LOCATION_KEYS = ("capabilities", "resolvers", "status")
VOLUME_KEYS = ("created", "filesystem_path", "linode_id", "linode_label", "region", "status", "tags")


class Instance(msgspec.Struct, gc=False):
    """What a `Node` is made from; the whole payload becomes its `extra`."""

    id: int
    label: str | None = None
    status: str | None = None
    created: str | None = None
    type: str | None = None
    image: str | None = None
    region: str | None = None
    group: str | None = None
    ipv4: list[str] | None = None
    ipv6: str | None = None
    tags: list[str] | None = None


class Price(msgspec.Struct):
    """USD; `id` is the region whose price it is, None for all others."""

    hourly: float | None = None
    monthly: float | None = None
    id: str | None = None


class Size(msgspec.Struct):
    """A type: `memory` and `disk` are MB, `transfer` is GB a month."""

    id: str
    memory: int
    disk: int
    label: str | None = None
    transfer: int | None = None
    price: Price | None = None
    region_prices: list[Price] | None = None


class Availability(msgspec.Struct):
    """Whether a type can be had in a region; told of few types only."""

    plan: str
    region: str
    available: bool | None = None


class Region(msgspec.Struct):
    """A region."""

    id: str
    label: str | None = None
    country: str | None = None


class Image(msgspec.Struct):
    """An image; `id` begins with "linode/" or "private/"."""

    id: str
    label: str | None = None
    status: str | None = None


class Key(msgspec.Struct):
    """An SSH key of the token's user."""

    id: int
    label: str | None = None
    ssh_key: str | None = None
    created: str | None = None


class Volume(msgspec.Struct):
    """A block volume of `size` GB; it is attached to one node at most."""

    id: int
    size: int
    label: str | None = None
    status: str | None = None
    linode_id: int | None = None


class Disk(msgspec.Struct):
    """A part of a node's storage, of `size` MB."""

    id: int
    label: str | None = None
    status: str | None = None
    size: int | None = None
    filesystem: str | None = None


class Tag(msgspec.Struct):
    """A tag."""

    label: str


class Address(msgspec.Struct):
    """An address."""

    address: str
    public: bool | None = None
    type: str | None = None
    linode_id: int | None = None


class VPCAddress(msgspec.Struct):
    """A node's address in a VPC; None for what is a range of them."""

    address: str | None = None
    linode_id: int | None = None


class Addresses(msgspec.Struct):
    """The IPv4 addresses of a node, by kind."""

    private: list[msgspec.Raw] | None = None
    public: list[msgspec.Raw] | None = None
    reserved: list[msgspec.Raw] | None = None
    shared: list[msgspec.Raw] | None = None
    vpc: list[msgspec.Raw] | None = None


class Addresses6(msgspec.Struct):
    """The IPv6 addresses of a node."""

    link_local: msgspec.Raw = msgspec.Raw()
    slaac: msgspec.Raw = msgspec.Raw()


class Network(msgspec.Struct):
    """The addresses of a node."""

    ipv4: Addresses
    ipv6: Addresses6 | None = None


class LinodeBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup of a node; `type` is "auto" or "snapshot", `status` "successful" where it can be restored."""

    id: int
    label: str | None = None
    status: str | None = None
    type: str | None = None
    created: str | None = None
    finished: str | None = None
    available: bool | None = None


class Snapshots(msgspec.Struct):
    """The one snapshot that a node may have, and the next one that is being taken."""

    current: LinodeBackup | None = None
    in_progress: LinodeBackup | None = None


class Backups(msgspec.Struct):
    """The backups of a node."""

    automatic: list[LinodeBackup]
    snapshot: Snapshots | None = None


class LinodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a node boots: a kernel, and the disks and volumes by device ("sda")."""

    id: int
    label: str | None = None
    kernel: str | None = None
    root_device: str | None = None
    devices: dict[str, Any] | None = None


class LinodeStackScript(msgspec.Struct, frozen=True, kw_only=True):
    """A script that a node of one of its `images` (ids, or "any/all") runs at its first boot."""

    id: int
    label: str | None = None
    description: str | None = None
    images: list[str | None] | None = None
    script: str | None = None
    is_public: bool | None = None
    mine: bool | None = None
    user_defined_fields: Any = None


class LinodeFirewall(msgspec.Struct, frozen=True, kw_only=True):
    """What lets traffic through to nodes by its `rules`, in the provider's form."""

    id: int
    label: str | None = None
    status: str | None = None
    rules: dict[str, Any] | None = None
    tags: list[str] | None = None


class Guarded(msgspec.Struct):
    """What a firewall is before."""

    id: int
    entity: Entity | None = None


@dataclass(frozen=True, slots=True)
class LinodeDisk:
    """A part of a node's storage: `size` MB."""

    id: str
    state: StorageVolumeState
    name: str
    filesystem: str | None
    driver: LinodeExtensions | None = field(default=None, compare=False, repr=False)
    size: int | None = None
    extra: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LinodeIPAddress:
    """An address: `inet` is its text, `version` "ipv4", "ipv6" or another of the provider's words.

    `node_id` is None where it leads to no node.
    """

    inet: str
    public: bool | None
    version: str | None
    driver: LinodeExtensions | None = field(default=None, compare=False, repr=False)
    extra: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    node_id: str | None = None


class Waiting(TypedDict, total=False):
    """How long to wait for an operation: `ex_timeout` seconds (600), not at all with `ex_wait=False`."""

    ex_wait: bool
    ex_timeout: float


class LinodeCreation(Creation):
    """A create of a node at `path`, which is marked in its `group`; a mark that stands for a key stays.

    A label is unique: where another program is just creating with the same key and label, the provider
    refuses the second create, which then takes the first one's node. A 408 ("Please try again") may come
    after the deed, as the loss of an answer may.
    """

    def __init__(
        self,
        driver: LinodeExtensions,
        body: dict[str, Any],
        mark: str,
        *,
        keyed: bool = False,
        path: str = "/linode/instances",
    ) -> None:
        name = body.get("label")
        what = f"the Linode {name!r}" if name else "the Linode without a name of its own"
        super().__init__(what, f"the group {mark!r}", keyed=keyed)
        self.driver, self.body, self.group, self.path = driver, body, mark, path

    def send(self) -> Node:
        """The node."""
        try:
            return self.driver._to_node(self.driver.connection.post(self.path, Instance, self.body))
        except LabelTakenError:
            holder = self._holder() if self.keyed else None
            if holder is None or holder.value.group != self.group:
                raise
            return self.driver._to_node(holder)

    def find(self) -> Node | None:
        """The node with the mark; a server that does not know the filter lists others too."""
        listed = self._listed(group=self.group)
        found = next((item for item in listed if item.value.group == self.group), None)
        return found and self.driver._to_node(found)

    def begun(self) -> bool:
        """Not known, and harmless: see the class."""
        return False

    def settle(self, node: Node) -> None:
        """Take the mark off; one that stays does no harm."""
        if not self.keyed:
            once = call_options(retry=RetryPolicy(attempts=1))
            with suppress(PolycloudError), tidying(self.driver.tidy_time), once:
                self.driver.connection.put(f"/linode/instances/{node.id}", Instance, {"group": ""})

    def _holder(self) -> Item[Instance] | None:
        """The node that has the label."""
        label = self.body.get("label")

        def look() -> Item[Instance] | None:
            return next((item for item in self._listed(label=label) if item.value.label == label), None)

        with suppress(OperationTimeoutError):
            told = f"the Linode {label!r} to be listed"
            return waiting.poll(look, waiting_for=told, timeout=self.driver.settle_time)
        return None

    def _listed(self, **only: Any) -> list[Item[Instance]]:
        connection = self.driver.connection
        key = attrgetter("value.id")
        return connection.list_all("/linode/instances", Instance, _whole, key=key, only=only)


class LinodeExtensions(LinodeBaseDriver, NodeDriver):
    """The methods beyond the base.

    Those that take time wait until the provider has done it; `ex_wait=False` returns as soon as it is
    accepted. They raise `OperationTimeoutError` after `ex_timeout` seconds, `ProviderError` where it fails,
    and `ConflictError` where the node stays busy with something else for `busy_time` seconds. How a node's
    operation ended is told by the account's events: a token that may not see those is not made to wait.
    """

    busy_time: ClassVar[float] = 60.0
    """Seconds to wait for a node that is busy with something else, and refuses meanwhile."""

    settle_time: ClassVar[float] = 30.0
    tidy_time: ClassVar[float] = 5.0
    """Seconds that taking off the mark of a create may take; then it stays."""

    # Nodes

    def ex_get_node(self, node_id: str) -> Node:
        """As `get_node`."""
        return self.get_node(node_id)

    def ex_start_node(
        self, node: Node, *, config: LinodeConfig | None = None, **wait: Unpack[Waiting]
    ) -> bool:
        """Start a stopped node, with another configuration than last time where given, and wait."""
        config_id = config.id if config else None
        return self._operate(node, "boot", "linode_boot", {"config_id": config_id}, **wait)

    def ex_shutdown_node(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Shut a node down, and wait."""
        return self._operate(node, "shutdown", "linode_shutdown", **wait)

    def ex_stop_node(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """As `ex_shutdown_node`."""
        return self.ex_shutdown_node(node, **wait)

    def ex_reboot_node(self, node: Node, **wait: Unpack[Waiting]) -> bool:
        """Restart a node, and wait."""
        return self._operate(node, "reboot", "linode_reboot", **wait)

    def ex_resize_node(
        self, node: Node, size: NodeSize, allow_auto_resize: bool = False, **wait: Unpack[Waiting]
    ) -> bool:
        """Give a node another size; it is off meanwhile.

        With `allow_auto_resize` its disk follows, where it has one beside its swap space. Disks that do not
        fit into the new size are refused.
        """
        body = {"type": id_of(size, NodeSize), "allow_auto_disk_resize": allow_auto_resize}
        return self._operate(node, "resize", "linode_resize", body, **wait)

    def ex_rename_node(self, node: Node, name: str) -> Node:
        """Give a node another name; the node as it is then. Raises `ConflictError` where it is taken."""
        return self._change(node, label=name)

    def ex_rebuild_node(
        self,
        node: Node,
        image: NodeImage | None = None,
        *,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        ex_authorized_keys: Iterable[str] = (),
        ex_authorized_users: Iterable[str] = (),
        user_data: str | None = None,
        **wait: Unpack[Waiting],
    ) -> bool:
        """Start a node anew from an image, its own unless given; what is on its disks is lost.

        Who may log in is to be said again, as at `create_node`.
        """
        source = image or node.image
        if source is None:
            raise InvalidArgumentError(f"from which image? The node {node.name} (id {node.id}) tells none")
        login = self._login_fields(True, None, auth, ex_authorized_keys, ex_authorized_users)
        body = {"image": id_of(source, NodeImage), "metadata": metadata(user_data), **login}
        return self._operate(node, "rebuild", "linode_rebuild", body, **wait)

    def ex_clone_node(
        self,
        node: Node,
        name: str | None = None,
        size: NodeSize | None = None,
        location: NodeLocation | None = None,
        *,
        user_data: str | None = None,
        ex_create_attr: Mapping[str, Any] | None = None,
        **wait: Unpack[Waiting],
    ) -> Node:
        """Create a node with what is on another one's disks, its tags and configurations; it stays off.

        Its size and region are the other's unless given. A node that was given `user_data` wants it again.
        `ex_create_attr` has further fields of the provider's request, such as `private_ip`, `disks`,
        `configs`. It is created once, as by `create_node`.
        """
        id_, mark = linode_id(node), MARK + mark_for()
        path = f"/linode/instances/{id_}"
        source = self.connection.fetch(path, Instance).value
        body = {
            "label": name,
            "type": id_of(size, NodeSize) if size else source.type,
            "region": id_of(location, NodeLocation) if location else source.region,
            "metadata": metadata(user_data),
            **attributes_of(ex_create_attr),
            "group": mark,
        }
        creation = LinodeCreation(self, present(body), mark, path=f"{path}/clone")
        made = self._await(id_, "linode_clone", partial(self._create_once, creation), **wait)
        return self.get_node(made.id) if wait.get("ex_wait", True) else made

    def ex_migrate_node(
        self, node: Node, location: NodeLocation | None = None, **wait: Unpack[Waiting]
    ) -> bool:
        """Move a node to another region, where it has other addresses; it is off meanwhile.

        Without `location` the migration is begun that the provider has scheduled. Either can take hours.
        """
        region = id_of(location, NodeLocation) if location else None
        action = "linode_migrate_datacenter" if region else "linode_migrate"
        return self._operate(node, "migrate", action, {"region": region}, **wait)

    def ex_rescue_node(self, node: Node, disks: Iterable[LinodeDisk | StorageVolume] | None = None) -> bool:
        """Restart a node into the provider's rescue system, which sees these disks, else the node's own.

        `ex_reboot_node` ends it.
        """
        if disks is None:
            disks = self.ex_list_node_disks(node)[: len(RESCUE_DEVICES)]
        path, devices = f"/linode/instances/{linode_id(node)}/rescue", _devices(disks, RESCUE_DEVICES)
        return self._when_free(partial(self.connection.act, path, devices=devices))

    def ex_reset_password(self, node: Node, password: str, **wait: Unpack[Waiting]) -> bool:
        """Give root of a node that is off another password."""
        body = {"root_pass": _password(password, None)}
        return self._operate(node, "password", "password_reset", body, **wait)

    def ex_list_events(
        self, node: Node | None = None, *, ex_filter: Filter | None = None
    ) -> list[LinodeEvent]:
        """What happened to the account, or to a node, in the last 90 days."""
        about = {"entity.id": linode_id(node)} if node else {}
        return self.connection.list_events({**about, **(ex_filter or {})})

    def _operate(
        self,
        node: Node,
        verb: str,
        action: str,
        body: Mapping[str, Any] | None = None,
        ex_wait: bool = True,
        ex_timeout: float = 600.0,
    ) -> bool:
        """Tell a node to do something, and wait until the event `action` has ended."""
        id_ = linode_id(node)
        path = f"/linode/instances/{id_}/{verb}"
        return self._await(
            id_, action, partial(self.connection.act, path, **(body or {})), ex_wait, ex_timeout
        )

    def _await(
        self, id_: int, action: str, send: Callable[[], R], ex_wait: bool = True, ex_timeout: float = 600.0
    ) -> R:
        """What `send` gives, after the event `action` that it causes has ended."""
        waiting.require_times(ex_timeout)
        if not ex_wait:
            return self._when_free(send)
        result, wait = self.connection.begin(id_, action, partial(self._when_free, send))
        wait(ex_timeout)
        return result

    def _latest(self, path: str, begun: Item[T], ex_wait: bool = True, ex_timeout: float = 0) -> Item[T]:
        """What is at `path` after it was waited for; else as it began."""
        return self.connection.fetch(path, type(begun.value)) if ex_wait else begun

    def _when_free(self, send: Callable[[], R]) -> R:
        """What `send` gives; what is busy with something else refuses it, and is asked again."""
        left, pause = self.busy_time, FIRST_PAUSE
        while True:
            try:
                return send()
            except LinodeBusyError:
                if left <= 0:
                    raise
            pause = max(0.0, min(pause, left, remaining()))  # the call's deadline ends the next request
            self.connection.sleep(pause)
            left, pause = left - pause, min(pause * 2, LONGEST_PAUSE)

    def _change(self, node: Node, **fields: Any) -> Node:
        path = f"/linode/instances/{linode_id(node)}"
        return self._to_node(self.connection.put(path, Instance, fields))

    # Disks and configurations

    def ex_list_node_disks(self, node: Node) -> list[LinodeDisk]:
        """The disks of a node."""
        return self.connection.list_all(f"/linode/instances/{linode_id(node)}/disks", Disk, self._to_disk)

    def ex_list_disks(self, node: Node) -> list[LinodeDisk]:
        """As `ex_list_node_disks`."""
        return self.ex_list_node_disks(node)

    def ex_create_disk(
        self,
        size: int,
        name: str,
        node: Node,
        fs_type: str | None = None,
        image: NodeImage | None = None,
        ex_root_pass: str | None = None,
        ex_authorized_keys: Iterable[str] = (),
        ex_authorized_users: Iterable[str] = (),
        ex_read_only: bool = False,
        **wait: Unpack[Waiting],
    ) -> LinodeDisk:
        """Create a disk of `size` MB for a node, empty or from an image.

        `fs_type` is "raw", "swap", "ext3", "ext4" or "initrd". Without `ex_root_pass` root of an image's
        disk has a random password that nobody knows. The provider makes no disks that are read-only:
        `UnsupportedOperationError`.
        """
        if ex_read_only:
            raise UnsupportedOperationError(f"{self.name} makes no read-only disks", self)
        login = self._login_fields(
            image is not None, ex_root_pass, None, ex_authorized_keys, ex_authorized_users
        )
        body = {
            "size": size,
            "label": name,
            "filesystem": fs_type,
            "image": id_of(image, NodeImage) if image else None,
            **login,
        }
        id_ = linode_id(node)
        path = f"/linode/instances/{id_}/disks"
        made = self._await(
            id_, "disk_create", partial(self.connection.post, path, Disk, present(body)), **wait
        )
        return self._to_disk(self._latest(f"{path}/{made.value.id}", made, **wait))

    def ex_resize_disk(self, node: Node, disk: LinodeDisk, size: int, **wait: Unpack[Waiting]) -> bool:
        """Give a disk of a stopped node another size in MB."""
        return self._operate(node, f"disks/{number(disk.id)}/resize", "disk_resize", {"size": size}, **wait)

    def ex_destroy_disk(self, node: Node, disk: LinodeDisk, **wait: Unpack[Waiting]) -> bool:
        """Delete a disk of a stopped node, and what is on it."""
        id_ = linode_id(node)
        send = partial(self.connection.delete, f"/linode/instances/{id_}/disks/{number(disk.id)}")
        return self._await(id_, "disk_delete", send, **wait)

    def ex_list_configs(self, node: Node) -> list[LinodeConfig]:
        """What a node can boot."""
        return self.connection.list_all(f"/linode/instances/{linode_id(node)}/configs", LinodeConfig, plain)

    def ex_create_config(
        self,
        node: Node,
        name: str,
        disks: Iterable[LinodeDisk | StorageVolume],
        *,
        kernel: str | None = None,
    ) -> LinodeConfig:
        """Have a node boot from these disks as `/dev/sda`, `/dev/sdb` ..., the first of which is its root."""
        body = present({"label": name, "devices": _devices(disks, DEVICES), "kernel": kernel})
        path = f"/linode/instances/{linode_id(node)}/configs"
        return self._when_free(partial(self.connection.post, path, LinodeConfig, body)).value

    def ex_destroy_config(self, node: Node, config: LinodeConfig) -> bool:
        """Delete a configuration; its disks stay."""
        path = f"/linode/instances/{linode_id(node)}/configs/{config.id}"
        return self._when_free(partial(self.connection.delete, path))

    def _root_disk(self, node: Node) -> LinodeDisk:
        """The biggest disk that is no swap space."""
        disks = [disk for disk in self.ex_list_node_disks(node) if disk.filesystem != "swap"]
        if not disks:
            raise InvalidArgumentError(f"the node {node.name} (id {node.id}) has no disk to make an image of")
        return max(disks, key=lambda disk: disk.size or 0)

    # Volumes

    def ex_get_volume(self, volume_id: str) -> StorageVolume:
        """The volume with this id. Raises `NotFoundError` where there is none."""
        return self._to_volume(self.connection.fetch(f"/volumes/{number(volume_id)}", Volume))

    def ex_list_node_volumes(self, node: Node) -> list[StorageVolume]:
        """The volumes that are attached to a node."""
        path = f"/linode/instances/{linode_id(node)}/volumes"
        return self.connection.list_all(path, Volume, self._to_volume)

    def ex_resize_volume(self, volume: StorageVolume, size: int, **wait: Unpack[Waiting]) -> bool:
        """Make a volume bigger: `size` GB; its file system does not follow by itself."""
        path = f"/volumes/{number(volume.id)}"
        self._when_free(partial(self.connection.act, f"{path}/resize", size=size))
        return self._until(path, Volume, "active", **wait)

    def ex_clone_volume(self, volume: StorageVolume, name: str, **wait: Unpack[Waiting]) -> StorageVolume:
        """Create a volume with what is on another one, in its region."""
        path = f"/volumes/{number(volume.id)}/clone"
        clone = self._when_free(partial(self.connection.post, path, Volume, {"label": name}))
        self._until(f"/volumes/{clone.value.id}", Volume, "active", **wait)
        return (
            self.ex_get_volume(str(clone.value.id)) if wait.get("ex_wait", True) else self._to_volume(clone)
        )

    def _until(
        self,
        path: str,
        type_: type[Volume | Image],
        status: str,
        ex_wait: bool = True,
        ex_timeout: float = 600.0,
    ) -> bool:
        """Wait until what is at `path` has this status."""

        def look() -> bool | None:
            told: Volume | Image = self.connection.fetch(path, type_).value
            return True if told.status == status else None

        return not ex_wait or waiting.poll(look, waiting_for=f"{path} to be {status}", timeout=ex_timeout)

    # Backups

    def ex_list_backups(self, node: Node) -> list[LinodeBackup]:
        """The backups of a node: the automatic ones and its snapshot."""
        told = self.connection.fetch(f"/linode/instances/{linode_id(node)}/backups", Backups).value
        taken = told.snapshot or Snapshots()
        return [*told.automatic, *filter(None, (taken.current, taken.in_progress))]

    def ex_enable_backups(self, node: Node) -> bool:
        """Have a node backed up, which costs extra."""
        return self._when_free(
            partial(self.connection.act, f"/linode/instances/{linode_id(node)}/backups/enable")
        )

    def ex_disable_backups(self, node: Node) -> bool:
        """Have a node backed up no longer; its backups are deleted for good."""
        return self._when_free(
            partial(self.connection.act, f"/linode/instances/{linode_id(node)}/backups/cancel")
        )

    def ex_create_backup(self, node: Node, name: str, **wait: Unpack[Waiting]) -> LinodeBackup:
        """Take a snapshot of a node that is backed up; it replaces the one that there was."""
        id_ = linode_id(node)
        path = f"/linode/instances/{id_}/backups"
        send = partial(self.connection.post, path, LinodeBackup, {"label": name})
        begun = self._await(id_, "linode_snapshot", send, **wait)
        return self._latest(f"{path}/{begun.value.id}", begun, **wait).value

    def ex_restore_backup(
        self,
        node: Node,
        backup: LinodeBackup,
        target: Node | None = None,
        *,
        overwrite: bool = False,
        **wait: Unpack[Waiting],
    ) -> bool:
        """Put a backup of `node` onto it, or onto another node of its region.

        With `overwrite` the disks that are there are deleted first; else there must be room.
        """
        id_ = linode_id(target or node)
        path = f"/linode/instances/{linode_id(node)}/backups/{backup.id}/restore"
        send = partial(self.connection.act, path, linode_id=id_, overwrite=overwrite)
        return self._await(id_, "backups_restore", send, **wait)

    # Tags

    def ex_list_tags(self) -> list[str]:
        """The names of the account's tags."""
        tags = self.connection.list_all("/tags", Tag, plain, key=attrgetter("label"))
        return [tag.label for tag in tags]

    def ex_create_tag(self, name: str, nodes: Iterable[Node] = ()) -> bool:
        """Create a tag (3 to 50 characters) and give it to nodes."""
        ids = [linode_id(node) for node in nodes]
        return self.connection.act("/tags", label=name, linodes=ids or None)

    def ex_delete_tag(self, name: str) -> bool:
        """Delete a tag and take it off everything; what had it stays."""
        return self.connection.delete(f"/tags/{segment(name)}")

    def ex_tag_node(self, node: Node, name: str) -> bool:
        """Give a node a tag; one that does not exist is created.

        The provider is told all tags of the node: of two programs that change them at once, one may lose.
        """
        tags = self._tags_of(node)
        return name in tags or bool(self._change(node, tags=[*tags, name]))

    def ex_untag_node(self, node: Node, name: str) -> bool:
        """Take a tag off a node; as `ex_tag_node`."""
        tags = self._tags_of(node)
        return name not in tags or bool(self._change(node, tags=[tag for tag in tags if tag != name]))

    def _tags_of(self, node: Node) -> list[str]:
        told = self.connection.fetch(f"/linode/instances/{linode_id(node)}", Instance).value
        return told.tags or []

    # Addresses

    def ex_list_addresses(self, *, ex_filter: Filter | None = None) -> list[LinodeIPAddress]:
        """The public addresses of the account."""
        return self.connection.list_all(
            "/networking/ips", Address, self._to_address, key=attrgetter("inet"), only=ex_filter
        )

    def ex_list_node_addresses(self, node: Node) -> list[LinodeIPAddress]:
        """The addresses of a node: IPv4, with those of its VPCs and shared ones, and its own two of IPv6."""
        told = self.connection.fetch(f"/linode/instances/{linode_id(node)}/ips", Network).value
        v4, v6 = told.ipv4, told.ipv6 or Addresses6()
        private = (*_items(v4.private, Address), *_vpc_items(v4.vpc))
        kinds = (v4.shared, v4.reserved, (v6.slaac, v6.link_local))
        others = (item for kind in kinds for item in _items(kind, Address))
        made = map(self._to_address, (*_items(v4.public, Address), *private, *others))
        return list({address.inet: address for address in made}.values())

    def ex_allocate_private_address(self, node: Node, address_type: str = "ipv4") -> LinodeIPAddress:
        """Give a node its private address; it may have one."""
        return self._allocate(node, address_type, public=False)

    def ex_allocate_public_address(self, node: Node, address_type: str = "ipv4") -> LinodeIPAddress:
        """Give a node a further public address, which costs extra and is to be asked for at the support."""
        return self._allocate(node, address_type, public=True)

    def _allocate(self, node: Node, type_: str, *, public: bool) -> LinodeIPAddress:
        if type_ != "ipv4":
            raise UnsupportedOperationError(f"{self.name} allocates ipv4 addresses, not {type_}", self)
        path, body = f"/linode/instances/{linode_id(node)}/ips", {"type": type_, "public": public}
        return self._to_address(self._when_free(partial(self.connection.post, path, Address, body)))

    def ex_share_address(self, node: Node, addresses: Iterable[LinodeIPAddress | str]) -> bool:
        """Let a node take over these addresses of others of its region; those not named it takes no more."""
        ips = [_inet(address) for address in several(addresses)]
        return self.connection.act("/networking/ips/share", linode_id=linode_id(node), ips=ips)

    def ex_destroy_address(self, node: Node, address: LinodeIPAddress | str) -> bool:
        """Take an IPv4 address off a node, which keeps one public address at least."""
        path = f"/linode/instances/{linode_id(node)}/ips/{segment(_inet(address))}"
        return self._when_free(partial(self.connection.delete, path))

    # Firewalls and StackScripts

    def ex_list_firewalls(self, *, ex_filter: Filter | None = None) -> list[LinodeFirewall]:
        """The account's firewalls."""
        return self.connection.list_all("/networking/firewalls", LinodeFirewall, plain, only=ex_filter)

    def ex_create_firewall(
        self, name: str, rules: Mapping[str, Any], nodes: Iterable[Node] = (), *, tags: Iterable[str] = ()
    ) -> LinodeFirewall:
        """Create a firewall before these nodes, each of which may have one.

        `rules` is in the provider's form: `{"inbound": [{"action": "ACCEPT", "protocol": "TCP", "ports":
        "22", "addresses": {"ipv4": ["0.0.0.0/0"]}}], "inbound_policy": "DROP", "outbound_policy": "ACCEPT"}`.
        """
        ids = [linode_id(node) for node in nodes]
        devices = {"linodes": ids} if ids else None
        body = {"label": name, "rules": dict(rules), "devices": devices, "tags": several(tags) or None}
        return self.connection.post("/networking/firewalls", LinodeFirewall, present(body)).value

    def ex_attach_firewall(self, firewall: LinodeFirewall, node: Node) -> bool:
        """Put a firewall before a node that has none."""
        path = f"/networking/firewalls/{firewall.id}/devices"
        return self.connection.act(path, id=linode_id(node), type="linode")

    def ex_detach_firewall(self, firewall: LinodeFirewall, node: Node) -> bool:
        """Take a firewall away from a node. Raises `InvalidArgumentError` where it is not before that."""
        path, entity = f"/networking/firewalls/{firewall.id}/devices", ("linode", linode_id(node))
        for device in self.connection.list_all(path, Guarded, plain):
            if device.entity and (device.entity.type, device.entity.id) == entity:
                return self.connection.delete(f"{path}/{device.id}")
        raise InvalidArgumentError(f"the firewall {firewall.label} is not before the node {node.name}")

    def ex_destroy_firewall(self, firewall: LinodeFirewall) -> bool:
        """Delete a firewall; what it was before is open then."""
        return self.connection.delete(f"/networking/firewalls/{firewall.id}")

    def ex_list_stackscripts(self, *, ex_filter: Filter | None = None) -> list[LinodeStackScript]:
        """The StackScripts that the user may use; `{"mine": True}` spares the many of everybody."""
        return self.connection.list_all("/linode/stackscripts", LinodeStackScript, plain, only=ex_filter)

    def ex_create_stackscript(
        self, name: str, script: str, images: Iterable[NodeImage | str], *, description: str | None = None
    ) -> LinodeStackScript:
        """Create a StackScript for nodes of these images; a create names it as `stackscript_id`."""
        ids = [id_of(image, NodeImage) for image in several(images)]
        body = present({"label": name, "script": script, "images": ids, "description": description})
        return self.connection.post("/linode/stackscripts", LinodeStackScript, body).value

    def ex_destroy_stackscript(self, script: LinodeStackScript) -> bool:
        """Delete a StackScript; nodes that ran it stay as they are."""
        return self.connection.delete(f"/linode/stackscripts/{script.id}")

    # Who may log in

    def _login_fields(
        self,
        has_disk: bool,
        root_pass: str | None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None,
        authorized_keys: Iterable[str] | None,
        authorized_users: Iterable[str] | None,
    ) -> dict[str, Any]:
        """The fields that say who may log in to a disk made from an image, which must have a password."""
        public_keys = [
            *several(authorized_keys),
            *([auth.pubkey] if isinstance(auth, NodeAuthSSHKey) else ()),
        ]
        password, users = _password(root_pass, auth), several(authorized_users)
        if not has_disk:
            if public_keys or users or password is not None:
                raise InvalidArgumentError("who may log in is said of an image; give one")
            return {}
        return {
            "root_pass": password or f"Aa1-{secrets.token_urlsafe(32)}",
            "authorized_keys": [keys.require_public_key(key) for key in public_keys] or None,
            "authorized_users": users or None,
        }

    # Objects from payloads

    def _to_node(self, item: Item[Instance]) -> Node:
        instance, raw = item
        public, private = _addresses(instance)
        return Node(
            str(instance.id),
            instance.label,
            NODE_STATES.get(instance.status or "", NodeState.UNKNOWN),
            public,
            private,
            self,
            instance.type and intern(instance.type),  # thousands of nodes share a few
            instance.image and intern(instance.image),
            LazyExtra(raw, _node_extra),
            moment(instance.created),
        )

    def _to_size(self, item: Item[Size], region: str | None) -> NodeSize:
        size, raw = item
        prices = [price for price in size.region_prices or () if region and price.id == region]
        price = (prices or [size.price or Price()])[0]
        name, disk = size.label or size.id, size.disk // MB_A_GB
        extra = LazyExtra(raw, partial(_size_extra, price.monthly))
        return NodeSize(size.id, name, size.memory, disk, size.transfer, price.hourly, self, extra)

    def _to_image(self, item: Item[Image]) -> NodeImage:
        image, raw = item
        return NodeImage(image.id, image.label or image.id, self, LazyExtra(raw, partial(filled, IMAGE_KEYS)))

    def _to_location(self, item: Item[Region]) -> NodeLocation:
        region, raw = item
        name, country = region.label or region.id, (region.country or "").upper()
        return NodeLocation(region.id, name, country, self, LazyExtra(raw, partial(filled, LOCATION_KEYS)))

    def _to_key_pair(self, item: Item[Key]) -> KeyPair:
        key = item.value
        extra = {"id": key.id, "created": key.created}
        return KeyPair(key.label or "", key.ssh_key, keys.fingerprint(key.ssh_key), self, extra=extra)

    def _to_volume(self, item: Item[Volume]) -> StorageVolume:
        volume, raw = item
        settled = StorageVolumeState.AVAILABLE if volume.linode_id is None else StorageVolumeState.INUSE
        state = settled if volume.status == "active" else VOLUME_STATES.get(volume.status or "")
        extra = LazyExtra(raw, _volume_extra)
        return StorageVolume(
            str(volume.id), volume.label, volume.size, self, state or StorageVolumeState.UNKNOWN, extra
        )

    def _to_disk(self, item: Item[Disk]) -> LinodeDisk:
        disk, raw = item
        told: dict[str, Any] = decode(raw)
        state = DISK_STATES.get(disk.status or "", StorageVolumeState.UNKNOWN)
        return LinodeDisk(str(disk.id), state, disk.label or "", disk.filesystem, self, disk.size, told)

    def _to_address(self, item: Item[Address]) -> LinodeIPAddress:
        address, raw = item
        told: dict[str, Any] = decode(raw)
        node_id = None if address.linode_id is None else str(address.linode_id)
        return LinodeIPAddress(address.address, address.public, address.type, self, told, node_id)


def image_path(image: NodeImage | str) -> str:
    """Where an image is: its id has a slash, which the provider's own clients do not quote."""
    return "/images/" + "/".join(map(segment, id_of(image, NodeImage).split("/")))


def linode_id(node: Node) -> int:
    """The number of a node. Raises `InvalidArgumentError` for what is no node of this provider's."""
    return number(require_id(node))


def attributes_of(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Further fields of a create. Raises `InvalidArgumentError` for what are none."""
    if not isinstance(given, Mapping | None):
        raise InvalidArgumentError(f"ex_create_attr={given!r} is no dict")
    if "group" in (given or {}):
        raise InvalidArgumentError("the group of a node marks its create; give tags= instead")
    return dict(given or {})


def metadata(user_data: str | None) -> dict[str, str] | None:
    """What the first boot is given; None for nothing."""
    if not user_data:
        return None
    if not isinstance(user_data, str):
        raise InvalidArgumentError("user_data= is no text")
    return {"user_data": base64.b64encode(user_data.encode(errors="surrogatepass")).decode()}


def _devices(disks: Iterable[LinodeDisk | StorageVolume], letters: str) -> dict[str, dict[str, int]]:
    """The disks and volumes by device. Raises `InvalidArgumentError` for more than there are letters."""
    chosen = list(disks)
    if len(chosen) > len(letters):
        raise InvalidArgumentError(f"a node boots {len(letters)} disks at most, not {len(chosen)}")
    return {
        f"sd{letter}": {"volume_id" if isinstance(disk, StorageVolume) else "disk_id": number(disk.id)}
        for letter, disk in zip(letters, chosen, strict=False)
    }


def _items(raws: Iterable[msgspec.Raw] | None, type_: type[T]) -> Iterator[Item[T]]:
    """The things of a list inside of an answer, which may lack it and them."""
    return (Item(decode(raw, type_), raw) for raw in raws or () if bytes(raw) not in {b"", b"null"})


def _vpc_items(raws: Iterable[msgspec.Raw] | None) -> Iterator[Item[Address]]:
    for told, raw in _items(raws, VPCAddress):
        if told.address:
            yield Item(Address(told.address, public=False, type="ipv4", linode_id=told.linode_id), raw)


def _whole(item: Item[T]) -> Item[T]:
    return item


def _inet(address: LinodeIPAddress | str) -> str:
    return address.inet if isinstance(address, LinodeIPAddress) else address


def _password(root_pass: str | None, auth: NodeAuthSSHKey | NodeAuthPassword | None) -> str | None:
    """The one password that was given; no error shows it."""
    if not isinstance(auth, NodeAuthSSHKey | NodeAuthPassword | None):
        raise InvalidArgumentError("auth= is neither a NodeAuthSSHKey nor a NodeAuthPassword")
    given = auth.password if isinstance(auth, NodeAuthPassword) else None
    if root_pass is not None and given is not None:
        raise InvalidArgumentError("give root's password once: as auth= or as root_pass=")
    password = given if root_pass is None else root_pass
    if password is not None and not (isinstance(password, str) and password):
        raise InvalidArgumentError("root's password is no text, or empty")
    return password


def _addresses(instance: Instance) -> tuple[list[str], list[str]]:
    """The public and the private addresses."""
    v6 = (instance.ipv6 or "").partition("/")[0]
    try:
        public, private = split_by_privacy(instance.ipv4 or ())
        if v6 and not is_ip(v6, 6):
            raise ValueError(f"{v6!r} is no IPv6 address")
    except ValueError as error:
        raise MalformedResponseError(f"Linode {instance.id} has a strange address: {error}") from None
    if v6:
        # Ten times as quick as split_by_privacy for this form
        (private if UNIQUE_LOCAL.match(v6) else public).append(v6)
    return public, private


def _node_extra(raw: bytes) -> dict[str, Any]:
    extra = filled(NODE_KEYS, raw)
    marked = str(extra.get("group") or "").startswith(MARK)
    return {**extra, "location": extra["region"], **({"group": ""} if marked else {})}


def _size_extra(monthly_price: float | None, raw: bytes) -> dict[str, Any]:
    return {**filled(SIZE_KEYS, raw), "monthly_price": monthly_price}


def _volume_extra(raw: bytes) -> dict[str, Any]:
    extra = filled(VOLUME_KEYS, raw)
    return {**extra, "location": extra["region"], "state": extra["status"]}
