"""Members of Linode's balancers.

A balancer has a config for each port, and each config has nodes of its own. Here a member is an address and
port that is a node of every config: all ports pass connections to all members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from polycloud.common.building import quote_segment
from polycloud.common.linode import LinodeBaseDriver, LinodeBusyError
from polycloud.common.payload import Item, identity, value_of
from polycloud.errors import NotFoundError, ProviderError
from polycloud.loadbalancer.base import Addressed, Driver
from polycloud.loadbalancer.checks import address_of, check_balancer, check_member
from polycloud.loadbalancer.draining import Place, TimedDrain
from polycloud.loadbalancer.drivers.linode.payload import (
    CONDITIONS,
    MODES,
    Config,
    Node,
    members_of,
    node_fields,
    settings_fields,
    split_address,
)
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import BalancerError, Draining, MemberCondition

PATH = "/nodebalancers"


class LinodeMembers(LinodeBaseDriver, Driver):
    """Methods of members."""

    draining = Draining.TIMED

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        """Return the members, each once: a request for the configs, and one for the nodes of each."""
        with self._balancer_errors(check_balancer(balancer).id):
            return members_of(balancer, self._nodes(balancer.id, self._configs(balancer.id)))

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Attach a member, to every port to which it is not attached: one request for each.

        If one of them fails, call it again.
        """
        check_balancer(balancer)
        body = node_fields(check_member(member))

        def change() -> Member:
            configs = self._require_configs(balancer.id)
            nodes = self._nodes(balancer.id, configs)
            attached = {one.config_id for one in nodes if one.address == body["address"]}
            missing = [one.value.id for one in configs if one.value.id not in attached]
            if not missing:
                self._require_new(members_of(balancer, nodes), member)
            for id_ in missing:
                path = f"{path_of(balancer.id)}/configs/{id_}/nodes"
                nodes.append(self.connection.post(path, Node, body).value)
            return self._require_member(members_of(balancer, nodes), member)

        return self._changing(balancer, change)

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach a member from all ports.

        The provider does not count connections: all of `wait_drained` is waited, with the mode "drain".
        """
        check_balancer(balancer)

        def delete(paths: Iterable[str]) -> bool:
            for path in paths:
                with suppress(NotFoundError):  # somebody else was faster
                    self.connection.delete(path)
            return True

        if wait_drained is None:
            return self._changing(balancer, lambda: delete(self._attached(balancer, member)))
        with self._balancer_errors(balancer.id):
            there = self._attached(balancer, member)
        drain = TimedDrain(self, address_of(member), drained(there), partial(self._set, balancer))
        return drain.run(wait_drained, lambda: self._changing(balancer, lambda: delete(there)))

    def ex_update_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Change a member, at all ports, to what its `extra` has: `weight`, `condition`, `mode` and `label`.

        It is identified by its address and port. Returns it as it is then. The weight is from 1 to 255. A
        member that is DRAINING gets no new connections, a DISABLED one none.
        """
        check_balancer(balancer)
        body = settings_fields(check_member(member))

        def change() -> Member:
            for path in self._attached(balancer, member):
                self.connection.put(path, Node, body)
            return self._require_member(self.balancer_list_members(balancer), member)

        return self._changing(balancer, change)

    # For the methods above

    def _member_of(self, balancer: LoadBalancer, node: Addressed) -> Member:
        """Return the member that a node becomes; private addresses are reached in their region only."""
        made = super()._member_of(balancer, node)
        self._require_own_node(node, getattr(node, "extra", {}).get("region"), balancer.extra.get("region"))
        return made

    def _is_busy(self, error: ProviderError) -> bool:
        return isinstance(error, LinodeBusyError)

    def _configs(self, balancer_id: str) -> list[Item[Config]]:
        """Return the configs of a balancer, the oldest one first."""
        path = f"{path_of(balancer_id)}/configs"
        found = self.connection.list_all(path, Config, identity, key=lambda item: item.value.id)
        return sorted(found, key=lambda item: item.value.id)

    def _require_configs(self, balancer_id: str) -> list[Item[Config]]:
        configs = self._configs(balancer_id)
        if not configs:
            raise BalancerError(f"the balancer {balancer_id} has no port", self, balancer_id)
        return configs

    def _nodes(self, balancer_id: str, configs: Sequence[Item[Config]]) -> list[Node]:
        """Return the nodes of configs, which are listed side by side."""
        paths = [f"{path_of(balancer_id)}/configs/{one.value.id}/nodes" for one in configs]
        lists = self.connection.gather(
            [partial(self.connection.list_all, path, Node, value_of) for path in paths]
        )
        return [one for nodes in lists for one in nodes]

    def _attached(self, balancer: LoadBalancer, member: Member) -> dict[str, Node]:
        """Return the nodes that are a member, by their paths. Raises `MemberDoesNotExistError`."""
        nodes = self._nodes(balancer.id, self._configs(balancer.id))
        found = self._require_member(members_of(balancer, nodes), member)
        where = (found.ip, found.port)
        base = f"{path_of(balancer.id)}/configs"
        own = (one for one in nodes if split_address(one.address) == where)
        return {f"{base}/{one.config_id}/nodes/{one.id}": one for one in own}

    def _set(self, balancer: LoadBalancer, path: str, body: dict[str, Any]) -> None:
        self._changing(balancer, lambda: self.connection.put(path, Node, body))


def drained(nodes: Mapping[str, Node]) -> list[Place]:
    """Return how nodes drain that get new connections."""
    enabled = MemberCondition.ENABLED
    return [
        Place(path, {"mode": MODES[MemberCondition.DRAINING]}, {"mode": one.mode})
        for path, one in nodes.items()
        if CONDITIONS.get(one.mode or "") == enabled
    ]


def path_of(balancer_id: str) -> str:
    """Return the path of a balancer."""
    return f"{PATH}/{quote_segment(balancer_id)}"
