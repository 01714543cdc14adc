"""Load balancers in memory, for tests and documentation: every operation, deterministic, no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from polycloud.concurrency.waiting import Turns
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM, Driver
from polycloud.loadbalancer.checks import (
    check_balancer,
    check_member,
    check_members,
    check_name,
    check_port,
    condition_of,
    weight_of,
)
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import (
    Algorithm,
    BalancerAlreadyExistsError,
    BalancerDoesNotExistError,
    Draining,
    MemberHealth,
    Provider,
    State,
)

__all__ = ["DummyLBDriver"]

T = TypeVar("T")
MOST_WEIGHT = 256
_turns = Turns()


class DummyLBDriver(Driver):
    """Load balancers in memory, none at first; `DummyLBDriver("any key", "any secret")`.

    All run at once, with addresses of 192.0.2.0/24, and all members are healthy.
    """

    type = Provider.DUMMY
    api_name = "dummy"
    name = "Dummy Load Balancer Provider"
    website = "http://example.com"
    draining = Draining.COUNTED
    protocols: ClassVar = {name: name for name in ("http", "https", "tcp", "udp")}
    algorithms: ClassVar = {one: str(one) for one in Algorithm}
    member_settings: ClassVar = frozenset({"weight", "condition"})

    def __init__(self, api_key: str = "dummy", api_secret: str | None = None, **options: Any) -> None:
        super().__init__(api_key, **options)
        self.secret = api_secret
        self._balancers: dict[str, LoadBalancer] = {}
        self._members: dict[str, dict[str, Member]] = {}
        self._last_id = 0

    def list_balancers(self) -> list[LoadBalancer]:
        """Return the balancers that were not destroyed."""
        return [self._copy(one) for one in list(self._balancers.values())]  # others may add some meanwhile

    def create_balancer(
        self,
        name: str,
        port: int,
        protocol: str = "http",
        algorithm: Algorithm = DEFAULT_ALGORITHM,
        members: Sequence[Member] = (),
    ) -> LoadBalancer:
        """Create a balancer, which runs at once; ids count from 1, and names are unique."""
        checked = [_checked(one) for one in check_members(members)]
        return self._alone(
            lambda: self._created(name, self._check(name, port, protocol, algorithm), port, checked)
        )

    def _created(
        self, name: str, extra: dict[str, Any], port: int, members: Sequence[Member]
    ) -> LoadBalancer:
        self._last_id += 1
        id_ = str(self._last_id)
        address = f"192.0.2.{(self._last_id - 1) % 254 + 1}"
        made = LoadBalancer(id_, name, State.RUNNING, address, port, self, extra)
        self._balancers[id_], self._members[id_] = made, {}
        for one in members:
            self._attach(made, one)
        return self._copy(made)

    def update_balancer(
        self,
        balancer: LoadBalancer,
        name: str | None = None,
        port: int | None = None,
        protocol: str | None = None,
        algorithm: Algorithm | None = None,
    ) -> LoadBalancer:
        """Change a balancer."""
        return self._alone(lambda: self._updated(balancer, name, port, protocol, algorithm))

    def _updated(
        self,
        balancer: LoadBalancer,
        name: str | None,
        port: int | None,
        protocol: str | None,
        algorithm: Algorithm | None,
    ) -> LoadBalancer:
        old = self._listed(balancer)
        new_name = old.name if name is None else name
        new_port = old.port if port is None else port
        new_protocol = old.extra["protocol"] if protocol is None else protocol
        new_algorithm = old.extra["algorithm"] if algorithm is None else algorithm
        extra = self._check(new_name, new_port, new_protocol, new_algorithm, own=old)
        new = LoadBalancer(old.id, new_name, old.state, old.ip, new_port, self, extra)
        self._balancers[old.id] = new
        return self._copy(new)

    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        """Destroy a balancer."""

        def destroy() -> bool:
            self._listed(balancer)
            del self._balancers[balancer.id], self._members[balancer.id]
            return True

        return self._alone(destroy)

    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        """Return the members of a balancer."""
        self._listed(balancer)
        return [_copy_of(one) for one in list(self._members.get(balancer.id, {}).values())]

    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Attach a member."""
        _checked(check_member(member))
        self._listed(balancer)
        return self._alone(lambda: self._attach(balancer, member))

    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach a member, which never has connections."""

        def detach() -> bool:
            found = self._require_member(self.balancer_list_members(balancer), member)
            del self._members[balancer.id][str(found.id)]
            return True

        return self._alone(detach)

    def _attach(self, balancer: LoadBalancer, member: Member) -> Member:
        self._require_new(self.balancer_list_members(balancer), member)
        id_ = f"{member.ip}:{member.port}"
        made = Member(id_, member.ip, member.port, balancer, dict(member.extra), MemberHealth.UP)
        self._members[balancer.id][str(made.id)] = made
        return _copy_of(made)

    def _alone(self, change: Callable[[], T]) -> T:
        """Return the result of a change, while no other thread or task changes anything here."""
        return _turns(id(self), change)

    def _check(
        self,
        name: str,
        port: int | None,
        protocol: str,
        algorithm: Algorithm,
        own: LoadBalancer | None = None,
    ) -> dict[str, Any]:
        """Check what a balancer shall have; return its `extra`."""
        check_name(name)
        check_port(port)
        self._algorithm(algorithm)
        if any(one.name == name for one in self._balancers.values() if one is not own):
            raise BalancerAlreadyExistsError(driver=self, balancer_id=name)
        return {"protocol": self._protocol(protocol), "algorithm": Algorithm(algorithm)}

    def _copy(self, one: LoadBalancer) -> LoadBalancer:
        """Return a balancer of the caller's own: as over HTTP, what is done to it changes nothing here."""
        return LoadBalancer(one.id, one.name, one.state, one.ip, one.port, self, dict(one.extra))

    def _listed(self, balancer: LoadBalancer) -> LoadBalancer:
        id_ = check_balancer(balancer).id
        if id_ not in self._balancers:
            raise BalancerDoesNotExistError(driver=self, balancer_id=id_)
        return self._balancers[id_]


def _checked(member: Member) -> Member:
    """Return a member whose weight and condition are such."""
    weight_of(member, 0, MOST_WEIGHT)
    condition_of(member)
    return member


def _copy_of(one: Member) -> Member:
    return Member(one.id, one.ip, one.port, one.balancer, dict(one.extra), one.health)
