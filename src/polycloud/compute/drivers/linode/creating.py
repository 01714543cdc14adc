"""Creating and cloning nodes, exactly once.

The provider has no idempotency tokens and no unique field but the label, which a create may leave out. So
each create puts a marker of its own into the node's `group`, a field that the provider keeps for older
programs and that, unlike tags, restricted users may set. If the response is lost, the node is found by its
marker, and the request is not sent again (see `Creation`). Once the node is known the marker is removed,
except that of an `idempotency_key`, by which a later run finds the node. A 408 ("Please try again") counts as
a lost response: the provider may return it after it has created the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar, Unpack

from polycloud.common.arguments import as_list, drop_none, id_of
from polycloud.common.creation import Creation, marker_for
from polycloud.common.linode import LabelTakenError
from polycloud.common.payload import Item, identity
from polycloud.compute.drivers.linode.actions import Waiting, linode_id
from polycloud.compute.drivers.linode.catalog import LinodeCatalog
from polycloud.compute.drivers.linode.nodes import MARKER_PREFIX, Instance, LinodeNodes, metadata_of
from polycloud.compute.objects import (
    Node,
    NodeAuthPassword,
    NodeAuthSSHKey,
    NodeImage,
    NodeLocation,
    NodeSize,
)
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import call_options, cleanup
from polycloud.errors import InvalidArgumentError, OperationTimeoutError, PolycloudError
from polycloud.http.retry import RetryPolicy


class LinodeCreation(Creation[Node]):
    """The create of one node, POSTed to `path` with `marker` as its group.

    Two runs with the same key may create at the same time, and neither finds the other's node yet. Labels are
    unique: the provider refuses the second create, which then returns the node of the first.
    """

    def __init__(
        self,
        driver: LinodeCreating,
        to_node: Callable[[Item[Instance]], Node],
        body: dict[str, Any],
        marker: str,
        *,
        keyed: bool = False,
        path: str = "/linode/instances",
    ) -> None:
        label = body.get("label")
        what = f"the Linode {label!r}" if label else "the Linode without a label"
        super().__init__(what, f"the group {marker!r}", keyed=keyed)
        self.driver, self.to_node, self.path = driver, to_node, path
        self.label, self.group, self.body = label, marker, {**body, "group": marker}

    def send(self) -> Node:
        """Create the node and return it."""
        try:
            return self.to_node(self.driver.connection.post(self.path, Instance, self.body))
        except LabelTakenError:
            holder = self._label_holder() if self.keyed else None
            if holder is None or holder.value.group != self.group:
                raise
            return self.to_node(holder)

    def find(self) -> Node | None:
        """Return the node with the marker. A server that ignores filters lists other nodes too."""
        listed = self._list(group=self.group)
        found = next((item for item in listed if item.value.group == self.group), None)
        return found and self.to_node(found)

    def begun(self) -> bool:
        """Return False: this is unknown, and a second create would be refused for its label."""
        return False

    def settle(self, node: Node) -> None:
        """Remove the marker, in one attempt; a marker that stays does no harm."""
        if not self.keyed:
            once = call_options(retry=RetryPolicy(attempts=1))
            with suppress(PolycloudError), cleanup(self.driver.cleanup_time), once:
                self.driver.connection.put(f"/linode/instances/{node.id}", Instance, {"group": ""})

    def _label_holder(self) -> Item[Instance] | None:
        """Return the node that has the label; None if it is not listed within the settle time."""

        def poll() -> Item[Instance] | None:
            listed = self._list(label=self.label)
            return next((item for item in listed if item.value.label == self.label), None)

        with suppress(OperationTimeoutError):
            listing = f"the Linode {self.label!r} to be listed"
            return waiting.poll(poll, waiting_for=listing, timeout=self.driver.settle_time)
        return None

    def _list(self, **only: Any) -> list[Item[Instance]]:
        connection, key = self.driver.connection, attrgetter("value.id")
        return connection.list_all("/linode/instances", Instance, identity, key=key, only=only)


class LinodeCreating(LinodeNodes, LinodeCatalog):
    """Methods that create nodes."""

    settle_time: ClassVar[float] = 30.0
    cleanup_time: ClassVar[float] = 5.0
    """Seconds allowed for removing the marker of a create; it stays after that."""

    def create_node(  # type: ignore[override] # the order of arguments that Libcloud's users know
        self,
        name: str | NodeLocation | None = None,
        size: NodeSize | None = None,
        image: NodeImage | None = None,
        location: NodeLocation | str | None = None,
        root_pass: str | None = None,
        ex_authorized_keys: Iterable[str] | None = None,
        ex_authorized_users: Iterable[str] | None = None,
        ex_tags: Iterable[str] | None = None,
        ex_backups_enabled: bool = False,
        ex_private_ip: bool = False,
        *,
        ex_create_attr: Mapping[str, Any] | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        tags: Iterable[str] = (),
        user_data: str | None = None,
        idempotency_key: str | None = None,
    ) -> Node:
        """Create a node, exactly once. Libcloud's order is accepted too: the location first, the name fourth.

        Until its id is known the node has a marker in its `group`, by which it is found if the provider's
        response is lost. The marker of an `idempotency_key` stays. While it does, a create with the same key
        returns the same node, whatever its other arguments are; also if two programs create it at the same
        time, with the same name.

        Args:
            name: 3 to 64 letters, digits, `.`, `_` and `-`, unique in the account; by default the provider's
                choice.
            size: One of `list_sizes()`.
            image: One of `list_images()`; without one, the node has no disk and stays off.
            location: One of `list_locations()`; by default the driver's region.
            root_pass: Root's password, instead of `auth`; by default a random one that nobody knows.
            ex_authorized_keys: Public keys that may log in as root.
            ex_authorized_users: Names of the account's users whose SSH keys may log in as root.
            ex_tags: Same as `tags`.
            ex_backups_enabled: Enable backups, which costs extra.
            ex_private_ip: Allocate a private address too.
            ex_create_attr: Further fields of the provider's request, such as `firewall_id`, `interfaces`,
                `placement_group`, `stackscript_id`, `swap_size`, `backup_id` (instead of `image`).
            auth: An SSH key that may log in as root, or root's password.
            tags: Tags of the node; the provider accepts them from unrestricted users only.
            user_data: A script or cloud-config for the first boot.
            idempotency_key: Any text; a restarted program gets the node that it began to create.

        Raises:
            AmbiguousCreateError: The response was lost and no node with the marker was found.
            LabelTakenError: The account has a node of this name; a `ConflictError`.
            InvalidNameError: The provider refuses the name.
            ImageUnavailableError: The provider does not have the image.
            QuotaExceededError: The account's limit of nodes is reached.
            InvalidArgumentError: An argument cannot be sent.
        """
        if isinstance(name, NodeLocation):
            name, location = location, name
        if not isinstance(name, str | None):
            raise InvalidArgumentError(f"name must be a str, got {name!r}")
        marker = MARKER_PREFIX + marker_for(idempotency_key)
        body = {
            "label": name or (marker if idempotency_key else None),
            "type": id_of(size, NodeSize),
            "region": self._region(location),
            "image": id_of(image, NodeImage) if image else None,
            **self._login_fields(bool(image), root_pass, auth, ex_authorized_keys, ex_authorized_users),
            "tags": [*as_list(ex_tags), *as_list(tags)] or None,
            "backups_enabled": ex_backups_enabled or None,
            "private_ip": ex_private_ip or None,
            "metadata": metadata_of(user_data),
            **create_attributes(ex_create_attr),
        }
        keyed = idempotency_key is not None
        creation = LinodeCreation(self, self._to_node, drop_none(body), marker, keyed=keyed)
        return self._create_once(creation, idempotency_key=idempotency_key)

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
        """Create a node with a copy of another one's disks, tags and boot configurations. It stays off.

        By default it has the other's size and region. `user_data` is not copied; pass it again.
        `ex_create_attr` has further fields of the provider's request, such as `private_ip`, `disks`,
        `configs`. It is created exactly once, like by `create_node`.
        """
        id_, marker = linode_id(node), MARKER_PREFIX + marker_for()
        path = f"/linode/instances/{id_}"
        source = self.connection.fetch(path, Instance).value
        body = {
            "label": name,
            "type": id_of(size, NodeSize) if size else source.type,
            "region": id_of(location, NodeLocation) if location else source.region,
            "metadata": metadata_of(user_data),
            **create_attributes(ex_create_attr),
        }
        creation = LinodeCreation(self, self._to_node, drop_none(body), marker, path=f"{path}/clone")
        clone = self._await(id_, "linode_clone", partial(self._create_once, creation), **wait)
        return self.get_node(clone.id) if wait.get("ex_wait", True) else clone


def create_attributes(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the further fields of a create. Raises `InvalidArgumentError` unless they are a dict."""
    if not isinstance(given, Mapping | None):
        raise InvalidArgumentError(f"ex_create_attr must be a dict, got {given!r}")
    if "group" in (given or {}):
        raise InvalidArgumentError("group is reserved for the marker of the create; use tags= instead")
    return dict(given or {})
