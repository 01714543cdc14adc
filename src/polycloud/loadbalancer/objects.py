"""The objects of load balancing: balancers and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polycloud.common.payload import LazyExtra
from polycloud.common.resource import Resource, provider_of, require_driver
from polycloud.loadbalancer.types import MemberHealth, State

if TYPE_CHECKING:
    from polycloud.loadbalancer.base import Addressed, Driver

__all__ = ["LoadBalancer", "Member"]

Extra = dict[str, Any] | LazyExtra | None


class LoadBalancer(Resource):
    """A balancer that answers at `ip` and `port` (None or 0 before it has them); `state` is a `State`."""

    __slots__ = ("ip", "name", "port", "state")

    driver: Driver

    def __init__(
        self,
        id: str,
        name: str,
        state: State,
        ip: str | None,
        port: int | None,
        driver: Driver,
        extra: Extra = None,
    ) -> None:
        self.id = str(id)
        self.name = name
        self.state = state
        self.ip = ip
        self.port = port
        self.driver = driver
        self._extra = {} if extra is None else extra

    @property
    def _own(self) -> Driver:
        require_driver(self)
        return self.driver

    def attach_compute_node(self, node: Addressed) -> Member:
        """Attach a node; see `Driver.balancer_attach_compute_node`."""
        return self._own.balancer_attach_compute_node(self, node)

    def attach_member(self, member: Member) -> Member:
        """Attach a member; see `Driver.balancer_attach_member`."""
        return self._own.balancer_attach_member(self, member)

    def detach_member(self, member: Member, wait_drained: float | None = None) -> bool:
        """Detach a member; see `Driver.balancer_detach_member`."""
        return self._own.balancer_detach_member(self, member, wait_drained)

    def list_members(self) -> list[Member]:
        """Return the members; see `Driver.balancer_list_members`."""
        return self._own.balancer_list_members(self)

    def destroy(self) -> bool:
        """Destroy the balancer; see `Driver.destroy_balancer`."""
        return self._own.destroy_balancer(self)

    def __repr__(self) -> str:
        return (
            f"<LoadBalancer: id={self.id}, name={self.name}, state={self.state!s}, ip={self.ip}, "
            f"port={self.port}, provider={provider_of(self)} ...>"
        )


class Member(Resource):
    """A server that a balancer sends connections to, at `ip` and `port`.

    `id` is the provider's, or that of the node; None in a member that is to be attached. `health` is what the
    balancer has found; `extra["weight"]` its share of the connections, where the provider has weights.
    """

    __slots__ = ("balancer", "health", "ip", "port")

    id: str | None  # type: ignore[assignment] # a member that is to be attached has none

    def __init__(
        self,
        id: str | None,
        ip: str | None,
        port: int | None,
        balancer: LoadBalancer | None = None,
        extra: Extra = None,
        health: MemberHealth = MemberHealth.UNKNOWN,
    ) -> None:
        self.id = None if id is None else str(id)
        self.ip = ip
        self.port = port
        self.balancer = balancer
        self.health = health
        self.driver = None if balancer is None else balancer.driver
        self._extra = {} if extra is None else extra

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a member; those that Libcloud pickled have no health and no driver."""
        driver = getattr(state["balancer"], "driver", None)
        super().__setstate__({"health": MemberHealth.UNKNOWN, "driver": driver, **state})

    def __repr__(self) -> str:
        where = None if self.balancer is None else self.balancer.id
        return (
            f"<Member: id={self.id}, address={self.ip}:{self.port}, health={self.health!s}, balancer={where}>"
        )
