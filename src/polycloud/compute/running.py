"""Wait until nodes run and have an address."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from polycloud.common.arguments import as_list
from polycloud.compute.objects import Node, require_id
from polycloud.compute.types import DefaultInterface, NodeState
from polycloud.concurrency import waiting
from polycloud.errors import InvalidArgumentError, NotFoundError, OperationTimeoutError, PolycloudError
from polycloud.utils.networking import is_ip
from polycloud.utils.status import HTTPStatus

__all__ = ["RunningWait", "require_interface"]


DEAD = frozenset({NodeState.ERROR, NodeState.TERMINATED})


class RunningWait:
    """A wait for `nodes`, identified by id, to run with an address in `interface`.

    Args:
        nodes: The nodes to wait for.
        interface: "public_ips" or "private_ips"; a `DefaultInterface` falls back to the private addresses.
        force_ipv4: Whether IPv6 addresses are left out.
        provider: The provider's name.
        settle_time: The seconds in which a list may omit a node that exists.
        public_time: The seconds for which a node that runs without a public address may get one, before the
            fallback.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        interface: str,
        *,
        force_ipv4: bool,
        provider: str,
        settle_time: float,
        public_time: float,
    ) -> None:
        require_interface(interface)
        self.nodes = as_list(nodes)
        self.ids = [require_id(node) for node in self.nodes]
        self.interface = interface
        self.force_ipv4 = force_ipv4
        self.public_time = public_time
        self._missing = _Missing(provider, settle_time)
        self._listed: dict[str, Node] = {}
        self._private_since: dict[str, float] = {}

    def until_ready(
        self, list_nodes: Callable[[], Iterable[Node]], *, timeout: float, longest_pause: float
    ) -> list[tuple[Node, list[str]]]:
        """Return each node as listed now, with its addresses.

        Raises:
            OperationTimeoutError: They did not all run within `timeout` seconds; it says what each lacks.
            NotFoundError: One of them was listed, and was not for `settle_time` seconds.
            PolycloudError: One of them failed.
        """
        names = ", ".join(f"{node.name} (id {node.id})" for node in self.nodes)
        condition = f"{names} to run"

        def check() -> list[tuple[Node, list[str]]] | None:
            self._listed = {node.id: node for node in list_nodes()}
            self._missing.note(self.ids, self._listed)
            ready = []
            for id_ in self.ids:
                addresses = self._addresses(self._listed.get(id_))
                if addresses:
                    ready.append((self._listed[id_], addresses))
            return ready if len(ready) == len(self.ids) else None

        try:
            return waiting.poll(check, waiting_for=condition, timeout=timeout, longest_pause=longest_pause)
        except OperationTimeoutError as error:
            if error.waiting_for != condition:  # raised by a list
                raise
            cause = error.__cause__
            raise OperationTimeoutError(
                f"{condition}: {self._report()}", error.timeout, cause=cause
            ) from cause

    def _report(self) -> str:
        problems = ((node, self._problem(self._listed.get(node.id))) for node in self.nodes)
        return "; ".join(f"{node.name} {problem}" for node, problem in problems if problem)

    def _problem(self, node: Node | None) -> str:
        """Return what keeps a node from being ready; an empty string if it is."""
        if node is None:
            return "is not listed"
        if node.state != NodeState.RUNNING:
            return f"is {node.state}"
        if self._addresses(node):
            return ""
        found = "only IPv6 addresses" if getattr(node, self.interface) else "no address"
        private = node.private_ips if self.interface == "public_ips" else []
        way_out = f'; ssh_interface="private_ips" takes {", ".join(private)}' if private else ""
        return f"runs, but has {found} in {self.interface}{way_out}"

    def _addresses(self, node: Node | None) -> list[str]:
        """Return the addresses of a running node; an empty list for one that is not ready yet."""
        if node is None:
            return []
        if node.state in DEAD:
            why = node.driver._why_dead(node)  # noqa: SLF001 - a part of the driver
            text = f"{node.name} (id {node.id}) is {node.state} and will not run{why and f': {why}'}"
            raise PolycloudError(text, node.driver)
        if node.state != NodeState.RUNNING:
            return []
        addresses: list[str] = node.private_ips if self._falls_back(node) else getattr(node, self.interface)
        versions = (4,) if self.force_ipv4 else (4, 6)
        return [text for text in addresses if any(is_ip(text, version) for version in versions)]

    def _falls_back(self, node: Node) -> bool:
        """Return whether a node has had private addresses only for so long that no public one will follow."""
        if not isinstance(self.interface, DefaultInterface) or node.public_ips or not node.private_ips:
            self._private_since.pop(node.id, None)
            return False
        now = time.monotonic()
        return now - self._private_since.setdefault(node.id, now) >= self.public_time


class _Missing:
    """Distinguishes a node that vanished from one that is not listed yet, or not at the moment."""

    def __init__(self, provider: str, settle_time: float) -> None:
        self.provider = provider
        self.settle_time = settle_time
        self.last_seen: dict[str, float] = {}

    def note(self, ids: Iterable[str], listed: Mapping[str, Node]) -> None:
        now = time.monotonic()
        for id_ in ids:
            if id_ in listed:
                self.last_seen[id_] = now
            elif now - self.last_seen.get(id_, now) >= self.settle_time:
                message = f"the {self.provider} node with the id {id_!r} has vanished"
                raise NotFoundError(HTTPStatus.NOT_FOUND, message)


def require_interface(name: str) -> None:
    """Raise `InvalidArgumentError` unless `name` is "public_ips" or "private_ips"."""
    if name not in {"public_ips", "private_ips"}:
        raise InvalidArgumentError(f"ssh_interface must be public_ips or private_ips, got {name!r}")
