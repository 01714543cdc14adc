"""Load balancer drivers of Libcloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polycloud.bridge.classes import table_of
from polycloud.bridge.driver import BridgedDriver
from polycloud.common.arguments import drop_none
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM, Addressed, Driver
from polycloud.loadbalancer.checks import check_balancer
from polycloud.loadbalancer.draining import require_draining
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import Algorithm, BalancerDoesNotExistError


class BridgedLBDriver(BridgedDriver, Driver):
    """The base of the bridged balancer drivers."""

    reports_health = False

    def list_protocols(self) -> list[str]:
        """Return the protocols that the provider has, such as "http"."""
        return [str(one) for one in self._call("list_protocols")]

    def list_supported_algorithms(self) -> list[Algorithm]:
        """Return the algorithms that the provider has."""
        found = self._call("list_supported_algorithms")
        return [Algorithm(one) for one in found if one in set(Algorithm)]

    def _of(self, balancer: LoadBalancer, member: Member) -> Member:
        """Return a member with its balancer, which some drivers leave out."""
        if member.balancer is None:
            member.balancer, member.driver = balancer, self
        return member


class Operations(BridgedLBDriver):
    """What a balancer driver of Libcloud may offer; a bridged class has of it what Libcloud's class has."""

    def list_balancers(self) -> list[LoadBalancer]:
        """Return all balancers of the account."""
        return list(self._call("list_balancers"))

    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        """Return the balancer with this id."""
        with self._balancer_errors(balancer_id):
            balancer: LoadBalancer | None = self._call("get_balancer", str(balancer_id))
        if balancer is None:
            raise BalancerDoesNotExistError(driver=self, balancer_id=balancer_id)
        return balancer

    def create_balancer(
        self,
        name: str,
        port: int,
        protocol: str = "http",
        algorithm: Algorithm = DEFAULT_ALGORITHM,
        members: Sequence[Member] = (),
        **kwargs: Any,
    ) -> LoadBalancer:
        """Create a balancer with members. It is sent once."""
        balancer: LoadBalancer = self._create(
            f"the balancer {name!r}",
            "create_balancer",
            name,
            port,
            protocol,
            Algorithm(algorithm),
            list(members),
            **kwargs,
        )
        return balancer

    def update_balancer(
        self,
        balancer: LoadBalancer,
        name: str | None = None,
        port: int | None = None,
        protocol: str | None = None,
        algorithm: Algorithm | None = None,
        **kwargs: Any,
    ) -> LoadBalancer:
        """Change a balancer, where an argument is given."""
        check_balancer(balancer)
        given = {"name": name, "port": port, "protocol": protocol, "algorithm": algorithm}
        with self._balancer_errors(balancer.id):
            changed: LoadBalancer = self._call("update_balancer", balancer, **drop_none(given), **kwargs)
        return changed

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        """Destroy a balancer."""
        check_balancer(balancer)
        with self._balancer_errors(balancer.id):
            return self._act("destroy_balancer", balancer)

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        """Return the members of a balancer."""
        check_balancer(balancer)
        with self._balancer_errors(balancer.id):
            return [self._of(balancer, one) for one in self._call("balancer_list_members", balancer)]

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Attach a member."""
        check_balancer(balancer)
        with self._balancer_errors(balancer.id):
            attached: Member | None = self._call("balancer_attach_member", balancer, member)
        return self._of(balancer, attached or member)

    def balancer_attach_compute_node(self, balancer: LoadBalancer, node: Addressed) -> Member:
        """Attach a node, as Libcloud's driver does it."""
        check_balancer(balancer)
        with self._balancer_errors(balancer.id):
            attached: Member | None = self._call("balancer_attach_compute_node", balancer, node)
        return self._of(balancer, attached or self._member_of(balancer, node))

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach a member."""
        check_balancer(balancer)
        require_draining(self, wait_drained)
        with self._member_errors(str(member.id)):
            return self._act("balancer_detach_member", balancer, member)


NEEDS: Mapping[str, tuple[str, ...]] = {}
"""Operations that need other methods of Libcloud's class than that of the same name."""
FOLLOW: Mapping[str, str] = {}
"""Operations that our base makes of another one, if Libcloud's class has that."""


def attributes(klass: Any) -> dict[str, Any]:
    """Return the attributes of a bridged class that say what Libcloud's class can do."""
    known = table_of(klass, "_ALGORITHM_TO_VALUE_MAP")
    return {"algorithms": {Algorithm(one): str(known[one]) for one in known if one in set(Algorithm)}}
