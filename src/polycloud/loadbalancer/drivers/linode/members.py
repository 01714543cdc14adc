"""Members of Linode's balancers.

A balancer has a config for each port, and each config has nodes of its own. Here a member is an address and
port that is a node of every config: all ports pass connections to all members.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from polycloud.common.base import quote_segment
from polycloud.common.linode import LinodeBaseDriver, LinodeBusyError
from polycloud.common.payload import Item, identity, value_of
from polycloud.errors import NotFoundError, ProviderError
from polycloud.loadbalancer.base import Addressed, Driver
from polycloud.loadbalancer.checks import check_balancer, check_member
from polycloud.loadbalancer.drivers.linode.payload import (
    Config,
    Node,
    members_of,
    node_fields,
    settings_fields,
    split_address,
)
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import BalancerError

PATH = "/nodebalancers"


class LinodeMembers(LinodeBaseDriver, Driver):
    """Methods of members."""

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

        The provider does not count connections, so `wait_drained` is refused. To drain a member, let
        `ex_update_member` give it the condition DRAINING, and detach it when you know that it is idle.
        """
        check_balancer(balancer)
        self._refuse_draining(wait_drained)

        def change() -> bool:
            for path in self._node_paths(balancer, member):
                with suppress(NotFoundError):  # somebody else was faster
                    self.connection.delete(path)
            return True

        return self._changing(balancer, change)

    def ex_update_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Change a member, at all ports, to what its `extra` has: `weight`, `condition`, `mode` and `label`.

        It is identified by its address and port. Returns it as it is then. The weight is from 1 to 255. A
        member that is DRAINING gets no new connections, a DISABLED one none.
        """
        check_balancer(balancer)
        body = settings_fields(check_member(member).extra)

        def change() -> Member:
            for path in self._node_paths(balancer, member):
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

    def _node_paths(self, balancer: LoadBalancer, member: Member) -> list[str]:
        """Return the paths of the nodes that are a member. Raises `MemberDoesNotExistError`."""
        nodes = self._nodes(balancer.id, self._configs(balancer.id))
        found = self._require_member(members_of(balancer, nodes), member)
        where = (found.ip, found.port)
        base = f"{path_of(balancer.id)}/configs"
        return [
            f"{base}/{one.config_id}/nodes/{one.id}" for one in nodes if split_address(one.address) == where
        ]


def path_of(balancer_id: str) -> str:
    """Return the path of a balancer."""
    return f"{PATH}/{quote_segment(balancer_id)}"
