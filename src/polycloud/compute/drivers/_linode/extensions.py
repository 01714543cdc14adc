"""What Linode offers beyond the base of compute.

Source: the provider's OpenAPI document, version 4.189.0.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from sys import intern
from typing import Any, ClassVar, Unpack

from polycloud.common.arguments import as_list, drop_none, id_of
from polycloud.common.base import quote_segment
from polycloud.common.creation import Creation, marker_for
from polycloud.common.linode import Filter, LabelTakenError, LinodeEvent, number
from polycloud.common.payload import Item, LazyExtra, decode, parse_datetime, value_of, with_defaults
from polycloud.compute import keys
from polycloud.compute.drivers._linode.fields import attributes_of, linode_id, metadata, password_of
from polycloud.compute.drivers._linode.networks import LinodeNetworks
from polycloud.compute.drivers._linode.operations import Waiting
from polycloud.compute.drivers._linode.payloads import (
    Backups,
    Disk,
    Image,
    Instance,
    Key,
    LinodeBackup,
    LinodeConfig,
    LinodeStackScript,
    Price,
    Region,
    Size,
    Snapshots,
    Tag,
    Volume,
    whole,
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
)
from polycloud.compute.types import NodeState, StorageVolumeState
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import call_options, cleanup
from polycloud.errors import (
    InvalidArgumentError,
    MalformedResponseError,
    OperationTimeoutError,
    PolycloudError,
    UnsupportedOperationError,
)
from polycloud.http.retry import RetryPolicy
from polycloud.utils.networking import is_ip, split_by_privacy

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
NODE_KEYS = ("alerts", "backups", "hypervisor", "ipv6", "region", "specs", "tags", "watchdog_enabled")
SIZE_KEYS = ("addons", "class", "gpus", "price", "transfer", "vcpus")
IMAGE_KEYS = ("created", "created_by", "description", "eol", "is_public", "size", "type", "vendor")
LOCATION_KEYS = ("capabilities", "resolvers", "status")
VOLUME_KEYS = ("created", "filesystem_path", "linode_id", "linode_label", "region", "status", "tags")


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


class LinodeCreation(Creation[Node]):
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
            with suppress(PolycloudError), cleanup(self.driver.tidy_time), once:
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
        return connection.list_all("/linode/instances", Instance, whole, key=key, only=only)


class LinodeExtensions(LinodeNetworks):
    """The methods beyond the base.

    Those that take time wait until the provider has done it; `ex_wait=False` returns as soon as it is
    accepted. They raise `OperationTimeoutError` after `ex_timeout` seconds, `ProviderError` where it fails,
    and `ConflictError` where the node stays busy with something else for `busy_time` seconds. How a node's
    operation ended is told by the account's events: a token that may not see those is not made to wait.
    """

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
        id_, mark = linode_id(node), MARK + marker_for()
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
        creation = LinodeCreation(self, drop_none(body), mark, path=f"{path}/clone")
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
        body = {"root_pass": password_of(password, None)}
        return self._operate(node, "password", "password_reset", body, **wait)

    def ex_list_events(
        self, node: Node | None = None, *, ex_filter: Filter | None = None
    ) -> list[LinodeEvent]:
        """What happened to the account, or to a node, in the last 90 days."""
        about = {"entity.id": linode_id(node)} if node else {}
        return self.connection.list_events({**about, **(ex_filter or {})})

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
            id_, "disk_create", partial(self.connection.post, path, Disk, drop_none(body)), **wait
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
        return self.connection.list_all(
            f"/linode/instances/{linode_id(node)}/configs", LinodeConfig, value_of
        )

    def ex_create_config(
        self,
        node: Node,
        name: str,
        disks: Iterable[LinodeDisk | StorageVolume],
        *,
        kernel: str | None = None,
    ) -> LinodeConfig:
        """Have a node boot from these disks as `/dev/sda`, `/dev/sdb` ..., the first of which is its root."""
        body = drop_none({"label": name, "devices": _devices(disks, DEVICES), "kernel": kernel})
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
        tags = self.connection.list_all("/tags", Tag, value_of, key=attrgetter("label"))
        return [tag.label for tag in tags]

    def ex_create_tag(self, name: str, nodes: Iterable[Node] = ()) -> bool:
        """Create a tag (3 to 50 characters) and give it to nodes."""
        ids = [linode_id(node) for node in nodes]
        return self.connection.act("/tags", label=name, linodes=ids or None)

    def ex_delete_tag(self, name: str) -> bool:
        """Delete a tag and take it off everything; what had it stays."""
        return self.connection.delete(f"/tags/{quote_segment(name)}")

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

    # StackScripts

    def ex_list_stackscripts(self, *, ex_filter: Filter | None = None) -> list[LinodeStackScript]:
        """The StackScripts that the user may use; `{"mine": True}` spares the many of everybody."""
        return self.connection.list_all("/linode/stackscripts", LinodeStackScript, value_of, only=ex_filter)

    def ex_create_stackscript(
        self, name: str, script: str, images: Iterable[NodeImage | str], *, description: str | None = None
    ) -> LinodeStackScript:
        """Create a StackScript for nodes of these images; a create names it as `stackscript_id`."""
        ids = [id_of(image, NodeImage) for image in as_list(images)]
        body = drop_none({"label": name, "script": script, "images": ids, "description": description})
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
            *as_list(authorized_keys),
            *([auth.pubkey] if isinstance(auth, NodeAuthSSHKey) else ()),
        ]
        password, users = password_of(root_pass, auth), as_list(authorized_users)
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
            parse_datetime(instance.created),
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
        return NodeImage(
            image.id, image.label or image.id, self, LazyExtra(raw, partial(with_defaults, IMAGE_KEYS))
        )

    def _to_location(self, item: Item[Region]) -> NodeLocation:
        region, raw = item
        name, country = region.label or region.id, (region.country or "").upper()
        return NodeLocation(
            region.id, name, country, self, LazyExtra(raw, partial(with_defaults, LOCATION_KEYS))
        )

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


def _devices(disks: Iterable[LinodeDisk | StorageVolume], letters: str) -> dict[str, dict[str, int]]:
    """The disks and volumes by device. Raises `InvalidArgumentError` for more than there are letters."""
    chosen = list(disks)
    if len(chosen) > len(letters):
        raise InvalidArgumentError(f"a node boots {len(letters)} disks at most, not {len(chosen)}")
    return {
        f"sd{letter}": {"volume_id" if isinstance(disk, StorageVolume) else "disk_id": number(disk.id)}
        for letter, disk in zip(letters, chosen, strict=False)
    }


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
    extra = with_defaults(NODE_KEYS, raw)
    marked = str(extra.get("group") or "").startswith(MARK)
    return {**extra, "location": extra["region"], **({"group": ""} if marked else {})}


def _size_extra(monthly_price: float | None, raw: bytes) -> dict[str, Any]:
    return {**with_defaults(SIZE_KEYS, raw), "monthly_price": monthly_price}


def _volume_extra(raw: bytes) -> dict[str, Any]:
    extra = with_defaults(VOLUME_KEYS, raw)
    return {**extra, "location": extra["region"], "state": extra["status"]}
