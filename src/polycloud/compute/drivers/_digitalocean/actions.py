"""DigitalOcean's actions on nodes, and how their end is waited for."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, ClassVar, TypedDict, TypeVar, Unpack

from polycloud.common.arguments import id_of
from polycloud.common.base import quote_segment
from polycloud.common.digitalocean import Begun, DigitalOceanAction, DigitalOceanBaseDriver, number
from polycloud.common.payload import value_of
from polycloud.compute.base import NodeDriver
from polycloud.compute.drivers._digitalocean.fields import droplet_id, reference
from polycloud.compute.drivers._digitalocean.payloads import Droplet, as_told
from polycloud.compute.objects import Node, NodeImage, NodeSize, StorageVolume
from polycloud.concurrency import waiting
from polycloud.errors import ConflictError, InvalidArgumentError, PolycloudError

R = TypeVar("R")


class Waiting(TypedDict, total=False):
    """How long to wait for an action: `ex_timeout` seconds (600), not at all with `ex_wait=False`."""

    ex_wait: bool
    ex_timeout: float


class DigitalOceanActions(DigitalOceanBaseDriver, NodeDriver):
    """The methods that act on nodes, and those that tell of actions."""

    busy_time: ClassVar[float] = 60.0
    """Seconds to wait for a node that is busy with another action, which refuses a second one meanwhile."""

    def ex_get_action(self, action_id: int | str) -> DigitalOceanAction:
        """An action as it is now."""
        return self.connection.get_action(action_id)

    def ex_list_actions(self, node: Node | None = None) -> list[DigitalOceanAction]:
        """The actions of the account, or of a node, the newest first."""
        path = f"/droplets/{droplet_id(node)}/actions" if node else "/actions"
        return self.connection.list_all(path, "actions", DigitalOceanAction, value_of)

    def ex_get_event(self, event_id: int | str) -> dict[str, Any]:
        """As `ex_get_action`, as the provider tells it."""
        return as_told(self.connection.fetch(f"/actions/{number(event_id)}", "action", DigitalOceanAction))

    def ex_list_events(self, node: Node | None = None) -> list[dict[str, Any]]:
        """As `ex_list_actions`, as the provider tells them."""
        path = f"/droplets/{droplet_id(node)}/actions" if node else "/actions"
        return self.connection.list_all(path, "actions", DigitalOceanAction, as_told, key=itemgetter("id"))

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
        path = f"/volumes/{quote_segment(volume.id)}/actions"
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

    def _operate(self, action: Begun, ex_wait: bool = True, ex_timeout: float = 600.0) -> bool:
        if ex_wait:
            self.connection.wait_for(action, ex_timeout)
        return True
