"""Actions on nodes: power, cancellation, names, tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

from polycloud.common.arguments import as_list
from polycloud.common.busy import when_free
from polycloud.common.softlayer import SoftLayerBusyError
from polycloud.compute.drivers.softlayer.nodes import (
    GUEST,
    MARKER_PREFIX,
    NODE_MASK,
    Guest,
    SoftLayerNodes,
    guest_id,
)
from polycloud.compute.objects import Node
from polycloud.compute.types import NodeState
from polycloud.errors import InvalidArgumentError, NotFoundError

LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
LONGEST_NAME = 253


class SoftLayerActions(SoftLayerNodes):
    """Methods that change nodes."""

    busy_time = 60.0
    """Seconds for which an action that is refused as busy is repeated."""

    def reboot_node(self, node: Node, *, ex_hard: bool | None = None) -> bool:
        """Restart a node: by its system (`ex_hard=False`), by its power (True), or as the provider thinks."""
        method = {None: "rebootDefault", False: "rebootSoft", True: "rebootHard"}[ex_hard]
        return self._act(node, method)

    def start_node(self, node: Node) -> bool:
        """Start a stopped node."""
        return self._act(node, "powerOn")

    def stop_node(self, node: Node) -> bool:
        """Turn a node off. It keeps its disks and addresses, and its price."""
        return self._act(node, "powerOff")

    def shutdown_node(self, node: Node) -> bool:
        """Ask the node's system to shut down."""
        return self._act(node, "powerOffSoft")

    def destroy_node(self, node: Node) -> bool:
        """Cancel a node at once, with its disks and addresses.

        The provider refuses that until the node's order is complete, some seconds after the create; it is
        sent again until then, for up to `busy_time` seconds.
        """
        return self._when_free(partial(self._cancel, guest_id(node)))

    def ex_pause_node(self, node: Node) -> bool:
        """Pause a node: it keeps its memory."""
        return self._act(node, "pause")

    def ex_resume_node(self, node: Node) -> bool:
        """Let a paused node continue."""
        return self._act(node, "resume")

    def ex_rename_node(self, node: Node, name: str, *, ex_domain: str | None = None) -> bool:
        """Change the host name that the provider has for a node, and its domain if `name` has one.

        The name in the node's own system stays. Raises `InvalidNameError`.
        """
        hostname, domain = names_of(name, ex_domain)
        changed = {"hostname": hostname, **({"domain": domain} if domain else {})}
        return self.connection.act(GUEST, "editObject", changed, id=guest_id(node), idempotent=True)

    def ex_set_tags(self, node: Node, tags: Iterable[str]) -> bool:
        """Replace a node's tags, except the one that marks its create."""
        id_ = guest_id(node)
        guest = self.connection.invoke(GUEST, "getObject", id=id_, mask="id,tagReferences[tag[name]]")
        markers = [tag for tag in guest.record(Guest).value.tags if tag.startswith(MARKER_PREFIX)]
        return self._set_tags(id_, [*tag_names(tags), *markers])

    def _set_tags(self, id_: int, tags: Iterable[str]) -> bool:
        return self.connection.act(GUEST, "setTags", ",".join(tags), id=id_, idempotent=True)

    def _act(self, node: Node, method: str) -> bool:
        return self._when_free(partial(self.connection.act, GUEST, method, id=guest_id(node)))

    def _when_free(self, send: Callable[[], bool]) -> bool:
        """Call `send`, repeating it while the guest is busy, and return its result."""
        return when_free(
            send, timeout=self.busy_time, is_busy=lambda refusal: isinstance(refusal, SoftLayerBusyError)
        )

    def _cancel(self, id_: int) -> bool:
        """Cancel a guest. One that is cancelled already is refused in the words for one that is too new."""
        try:
            return self.connection.act(GUEST, "deleteObject", id=id_, idempotent=True)
        except SoftLayerBusyError:
            if self._is_cancelled(id_):
                return True
            raise

    def _is_cancelled(self, id_: int) -> bool:
        try:
            response = self.connection.invoke(GUEST, "getObject", id=id_, mask=NODE_MASK)
        except NotFoundError:
            return True
        guest: Guest = response.record(Guest).value
        billed = guest.billing_item is not None
        return guest.state is NodeState.TERMINATED or bool(guest.provision_date and not billed)


def names_of(name: str, domain: str | None) -> tuple[str, str | None]:
    """Return the host name and the domain of a node called `name`, which may be complete: web.example.com.

    Raises `InvalidArgumentError` for what cannot be a host name, and for two different domains.
    """
    if not isinstance(name, str):
        raise InvalidArgumentError(f"name must be a str, got {type(name).__name__}")
    hostname, _, own = name.partition(".")
    for what, text in (("name", name), ("ex_domain", domain)):
        if text is not None and not _is_domain(text):
            raise InvalidArgumentError(
                f"{what} must be a host name of letters, digits and '-', such as web or web.example.com, "
                f"got {text!r}"
            )
    if own and domain and own.lower() != domain.lower():
        raise InvalidArgumentError(f"name has the domain {own}, and ex_domain is {domain}; pass one of them")
    if len(f"{hostname}.{own or domain or ''}") > LONGEST_NAME:
        raise InvalidArgumentError(f"name and domain must have at most {LONGEST_NAME} characters together")
    return hostname, own or domain


def _is_domain(text: str) -> bool:
    return len(text) <= LONGEST_NAME and all(map(LABEL.fullmatch, text.split(".")))


def tag_names(tags: Iterable[str]) -> list[str]:
    """Return tags as a list. Raises `InvalidArgumentError` for one that the provider would split or drop."""
    names = as_list(tags)
    for name in names:
        if not isinstance(name, str) or not name.strip() or "," in name or not name.isprintable():
            raise InvalidArgumentError(f"a tag must be a text without commas, got {name!r}")
    return names
