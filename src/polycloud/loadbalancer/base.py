"""`Driver`, the base of all drivers of load balancers, and the objects of load balancing at Libcloud's path.

A driver author writes, in this order: `protocols` and `algorithms`, `list_balancers` and
`balancer_list_members` with their conversions, then `create_balancer`, `update_balancer`, `destroy_balancer`,
and the methods that attach and detach. `get_balancer`, `iterate_balancers`, nodes as members, and the waits
follow from these. Changes of one balancer are made in `_changing`: one after another, and again while the
provider is busy with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from polycloud.common.busy import when_free
from polycloud.common.creation import Creation, note_named
from polycloud.common.driver import BaseDriver
from polycloud.common.operations import OperationsDriver, optional, template
from polycloud.concurrency import waiting
from polycloud.concurrency.calls import cleanup
from polycloud.concurrency.waiting import Turns
from polycloud.errors import (
    AmbiguousCreateError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    OperationTimeoutError,
    PolycloudError,
    ProviderError,
    ProviderHTTPError,
    UnsupportedOperationError,
    translated,
)
from polycloud.loadbalancer.checks import address_of, check_balancer, same_member
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import (
    Algorithm,
    BalancerBusyError,
    BalancerDoesNotExistError,
    BalancerError,
    Draining,
    MemberAlreadyExistsError,
    MemberCondition,
    MemberDoesNotExistError,
    MemberError,
    MemberHealth,
    Provider,
    State,
)
from polycloud.utils.values import shown

__all__ = [
    "DEFAULT_ALGORITHM",
    "Addressed",
    "Algorithm",
    "BaseDriver",
    "Driver",
    "LoadBalancer",
    "Member",
    "Provider",
    "State",
]

T = TypeVar("T")
DEFAULT_ALGORITHM = Algorithm.ROUND_ROBIN
DEAD = frozenset({State.ERROR, State.DELETED})
_turns = Turns()


@runtime_checkable
class Addressed(Protocol):
    """A node, as far as a balancer is concerned: `polycloud.compute.base.Node` is one."""

    id: str

    @property
    def private_ips(self) -> list[str]:
        """The addresses within the provider's network."""
        ...

    @property
    def public_ips(self) -> list[str]:
        """The addresses that anybody can reach."""
        ...


class Driver(OperationsDriver):
    """The load balancers of a provider.

    Lists are complete. Actions return True or raise. Every method raises `InvalidCredsError` for wrong
    credentials, other `ProviderError`s with the provider's message, and `TransportError` if the connection
    breaks. Changes of one balancer by this process are made one after another.
    """

    service = "loadbalancer"

    protocols: ClassVar[Mapping[str, str]] = {}
    """The protocols of the provider: our names in lower case ("http", "https", "tcp" ...) to its own."""

    algorithms: ClassVar[Mapping[Algorithm, str]] = {}
    """The algorithms of the provider, and what it calls them."""

    settle_time: ClassVar[float] = 30.0
    """Seconds after which the provider certainly lists a balancer whose create it has accepted."""

    busy_time: ClassVar[float] = 120.0
    """Seconds for which a change waits for a balancer that is being changed otherwise."""

    member_settings: ClassVar[frozenset[str]] = frozenset()
    """What of "weight" and "condition" in `extra` of a member the provider has; others are refused."""

    reports_health: ClassVar[bool] = True
    """Whether the provider says of members whether they take connections."""

    draining: ClassVar[Draining] = Draining.NONE
    """Whether a member can drain before it is detached, and whether the provider says when it has."""

    node_provider: ClassVar[str | None] = None
    """The `type` of the compute driver whose nodes alone can be members; None if any node can be one."""

    prefers_private: ClassVar[bool] = True
    """Whether a node is attached by its private address, if it has one."""

    def list_protocols(self) -> list[str]:
        """Return the protocols that the provider has, such as "http"."""
        return list(self.protocols)

    def list_supported_algorithms(self) -> list[Algorithm]:
        """Return the algorithms that the provider has."""
        return list(self.algorithms)

    # Balancers

    @optional
    def list_balancers(self) -> list[LoadBalancer]:
        """Return all balancers of the account."""

    @template("list_balancers")
    def iterate_balancers(self) -> Iterator[LoadBalancer]:
        """Yield the balancers as they arrive, a page at a time if the provider has pages."""
        yield from self.list_balancers()

    @template("list_balancers")
    def get_balancer(self, balancer_id: str) -> LoadBalancer:
        """Return the balancer with this id. Raises `BalancerDoesNotExistError` if there is none."""
        found = next((one for one in self.iterate_balancers() if one.id == str(balancer_id)), None)
        if found is None:
            raise BalancerDoesNotExistError(driver=self, balancer_id=balancer_id)
        return found

    @optional
    def create_balancer(
        self,
        name: str,
        port: int,
        protocol: str = "http",
        algorithm: Algorithm = DEFAULT_ALGORITHM,
        members: Sequence[Member] = (),
    ) -> LoadBalancer:
        """Create a balancer with members and return it, before it runs; see `wait_until_running`.

        It happens exactly once: if the provider's response is lost, the driver searches for the balancer. A
        create that fails leaves nothing behind, and never destroys what existed before.

        Args:
            name: Its name.
            port: The port at which it takes connections.
            protocol: One of `list_protocols`.
            algorithm: One of `list_supported_algorithms`.
            members: Its members, by address and port, or by their ids where the provider has such.

        Raises:
            InvalidArgumentError: An argument is invalid; nothing was sent.
            UnsupportedOperationError: The provider does not have this protocol or algorithm.
            BalancerAlreadyExistsError: There is one of this name, and the provider allows one only.
            AmbiguousCreateError: The response was lost and the balancer not found.
        """

    @optional
    def update_balancer(
        self,
        balancer: LoadBalancer,
        name: str | None = None,
        port: int | None = None,
        protocol: str | None = None,
        algorithm: Algorithm | None = None,
    ) -> LoadBalancer:
        """Change a balancer, where an argument is given; return it as it is now.

        Raises what `create_balancer` raises, `BalancerDoesNotExistError`, and `UnsupportedOperationError`
        for what the provider cannot change; then nothing was changed.
        """

    @optional
    def destroy_balancer(self, balancer: LoadBalancer) -> bool:
        """Destroy a balancer; its members stay what they are. Raises `BalancerInUseError`."""

    # Members

    @optional
    def balancer_list_members(self, balancer: LoadBalancer) -> list[Member]:
        """Return the members of a balancer. Raises `BalancerDoesNotExistError`."""

    @optional
    def balancer_attach_member(self, balancer: LoadBalancer, member: Member) -> Member:
        """Attach a member and return it with its id.

        Raises `MemberAlreadyExistsError` if the balancer has a member of this address and port, and
        `InvalidArgumentError` for one that it could never reach.
        """

    @template("balancer_attach_member")
    def balancer_attach_compute_node(self, balancer: LoadBalancer, node: Addressed) -> Member:
        """Attach a node, at the balancer's port and the node's address: the private one where it has one.

        Raises `InvalidArgumentError` for a node without an address, and what `balancer_attach_member` raises.
        """
        return self.balancer_attach_member(balancer, self._member_of(balancer, node))

    @optional
    def balancer_detach_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> bool:
        """Detach a member.

        Args:
            balancer: The balancer.
            member: A member that it lists.
            wait_drained: Seconds for which the member, which gets no new connections, may end those that it
                has. Without it they may be cut. If the provider tells of connections (`draining` is
                `Draining.COUNTED`), this returns as soon as there are none. If it does not (`TIMED`), all the
                seconds are waited, and the member is detached then; if anything fails before, it gets back
                the settings that it had.

        Raises:
            MemberDoesNotExistError: The balancer has no such member.
            OperationTimeoutError: It still had connections after `wait_drained` seconds; or these are more
                than the deadline leaves. A note says what has become of the member.
            UnsupportedOperationError: `wait_drained` is given, and the provider cannot keep new connections
                from a member.
        """

    @template("balancer_detach_member", "balancer_attach_member")
    def balancer_suspend_member(
        self, balancer: LoadBalancer, member: Member, wait_drained: float | None = None
    ) -> Member:
        """Detach a member that is to be attached again soon, with `balancer_attach_member`; return it.

        Where the provider can keep the settings of a member that gets no connections, they are kept; address,
        port and weight always. Arguments and errors are those of `balancer_detach_member`.
        """
        self.balancer_detach_member(balancer, member, wait_drained)
        return member

    # Waits

    @template("list_balancers")
    def wait_until_running(
        self, balancer: LoadBalancer, wait_period: float = 5, timeout: float = 600
    ) -> LoadBalancer:
        """Wait until a balancer runs and has an address; return it as it is then.

        Args:
            balancer: The balancer, identified by its id.
            wait_period: The longest pause between two looks, in seconds; the first ones are shorter.
            timeout: Seconds to wait in total.

        Raises:
            OperationTimeoutError: It did not run in time.
            BalancerError: It failed, or was destroyed.
        """
        check_balancer(balancer)

        def check() -> LoadBalancer | None:
            found = self.get_balancer(balancer.id)
            if found.state in DEAD:
                message = f"the balancer {found.name!r} ({found.id}) is {found.state!s}"
                raise BalancerError(message, self, found.id)
            return found if found.state == State.RUNNING and found.ip else None

        waiting_for = f"the balancer {balancer.name!r} ({balancer.id}) to run"
        return self._polled(check, waiting_for, timeout, wait_period)

    @template("balancer_list_members")
    def wait_until_healthy(
        self,
        balancer: LoadBalancer,
        members: Sequence[Member] | None = None,
        wait_period: float = 2,
        timeout: float = 300,
    ) -> list[Member]:
        """Wait until the balancer has found that members take connections; return them as they are then.

        Args:
            balancer: The balancer.
            members: The members to wait for, at least one; by default all that it has.
            wait_period: The longest pause between two looks, in seconds; the first ones are shorter.
            timeout: Seconds to wait in total.

        Raises:
            InvalidArgumentError: `members` is an empty list.
            OperationTimeoutError: They were not all healthy in time; it names those.
            UnsupportedOperationError: The provider does not say of members whether they are healthy.
        """
        check_balancer(balancer)
        if not self.reports_health:
            raise UnsupportedOperationError(f"{self.name} does not say whether members are healthy", self)
        if members is not None and not members:
            raise InvalidArgumentError("members must name at least one, or be None for all")
        missing: list[str] = []

        def check() -> list[Member] | None:
            there = self.balancer_list_members(balancer)
            wanted = there if members is None else [same_member(there, one) or one for one in members]
            missing[:] = [address_of(one) for one in wanted if one.health != MemberHealth.UP]
            return wanted if wanted and not missing else None

        try:
            return self._polled(check, "all members to be healthy", timeout, wait_period)
        except OperationTimeoutError as error:
            error.add_note(f"not healthy: {', '.join(missing) or 'there are no members'}")
            raise

    # For drivers

    def _polled(self, check: Callable[[], T | None], waiting_for: str, timeout: float, longest: float) -> T:
        try:
            return waiting.poll(check, waiting_for=waiting_for, timeout=timeout, longest_pause=longest)
        except OperationTimeoutError as error:
            error.driver = self
            raise

    def _create_once(self, creation: Creation[LoadBalancer]) -> LoadBalancer:
        """Run a create of a balancer that the provider lists within `settle_time`."""
        try:
            return creation.run(settle_time=self.settle_time, timeout=self.settle_time)
        except AmbiguousCreateError as error:
            error.driver = self
            raise

    @contextmanager
    def _destroyed_on_failure(self, balancer: LoadBalancer) -> Iterator[None]:
        """Destroy a balancer that was just created if what is left of its create, in the block, fails."""
        try:
            yield
        except BaseException as error:
            note_named()
            try:
                with cleanup(), suppress(NotFoundError):  # it may be gone
                    self.destroy_balancer(balancer)
            except PolycloudError as refusal:
                error.add_note(
                    f"the balancer {balancer.name!r} ({balancer.id}) could not be destroyed: {refusal}"
                )
            raise

    def _changing(self, balancer: LoadBalancer, change: Callable[[], T]) -> T:
        """Return the result of a change of a balancer, made alone, and again while the balancer is busy.

        Raises `BalancerBusyError` after `busy_time` seconds.
        """
        line = self.connection

        def run() -> T:
            return when_free(change, timeout=self.busy_time, is_busy=self._is_busy)

        try:
            with self._balancer_errors(balancer.id):
                return _turns((type(self), line.host, line.port, balancer.id), run)
        except ProviderHTTPError as error:
            if self._is_busy(error) and not isinstance(error, BalancerBusyError):
                raise translated(error, BalancerBusyError(error.message, self, balancer.id)) from error
            raise

    def _is_busy(self, error: ProviderError) -> bool:
        """Return whether a refusal says that the balancer is being changed."""
        return isinstance(error, BalancerBusyError)

    def _protocol(self, protocol: str) -> str:
        """Return the provider's word for a protocol. Raises `UnsupportedOperationError` if it has none."""
        known = self.protocols.get(protocol.lower()) if isinstance(protocol, str) else None
        if known is None:
            words = ", ".join(self.protocols)
            message = f"{self.name} has no protocol {protocol!r}, only {words}"
            raise UnsupportedOperationError(message, self)
        return known

    def _algorithm(self, algorithm: Algorithm | int) -> str:
        """Return the provider's word for an algorithm. Raises `UnsupportedOperationError` if it has none."""
        is_one = isinstance(algorithm, int) and not isinstance(algorithm, bool)
        known = self.algorithms.get(algorithm) if is_one else None  # type: ignore[arg-type]
        if known is None:
            words = ", ".join(map(str, self.algorithms))
            message = f"{self.name} has no algorithm {algorithm!s}, only {words}"
            raise UnsupportedOperationError(message, self)
        return str(known)

    def _member_of(self, balancer: LoadBalancer, node: Addressed) -> Member:
        """Return the member that a node becomes."""
        check_balancer(balancer)
        addresses = addresses_of(node, private_first=self.prefers_private)
        if not addresses:
            raise InvalidArgumentError(
                f"the node {shown(getattr(node, 'name', node))} has no address; wait until it runs"
            )
        return Member(node.id, addresses[0], balancer.port)

    def _require_own_node(self, node: Any, region: str | None = None, own: str | None = None) -> None:
        """Raise `InvalidArgumentError` for a node of another provider, or of another region.

        Args:
            node: The node.
            region: Its region, if it is known.
            own: That of the balancer, if it is known.
        """
        owner, named = getattr(node, "driver", None), shown(getattr(node, "name", node))
        if isinstance(owner, BaseDriver) and owner.type != self.node_provider:
            raise InvalidArgumentError(
                f"the node {named} is of {owner.name}; members of {self.name} are nodes of the same provider"
            )
        if region and own and region != own:
            raise InvalidArgumentError(f"the node {named} is in {region}, and the balancer in {own}")

    def _require_settings(self, *members: Member) -> None:
        """Raise `UnsupportedOperationError` for a weight or a condition that the provider does not have."""
        for one in members:
            for name, default in (("weight", None), ("condition", MemberCondition.ENABLED)):
                value = one.extra.get(name, default)
                if name not in self.member_settings and value is not None and value != default:
                    message = f"members of {self.name} have no {name}"
                    raise UnsupportedOperationError(f"{message}; {address_of(one)} has {value!s}", self)

    def _require_new(self, members: Sequence[Member], member: Member) -> None:
        """Raise `MemberAlreadyExistsError` if a balancer with these members has the member already."""
        found = same_member(members, member)
        if found is not None:
            message = f"the balancer has the member {address_of(found)} already; its id is {found.id!r}"
            raise MemberAlreadyExistsError(message, self, str(found.id))

    def _require_member(self, members: Sequence[Member], member: Member) -> Member:
        """Return the member as a balancer lists it. Raises `MemberDoesNotExistError` if it does not."""
        found = same_member(members, member)
        if found is None:
            named = address_of(member) + (f" ({member.id})" if member.ip and member.id else "")
            raise MemberDoesNotExistError(f"the balancer has no member {named}", self, str(member.id))
        return found

    @contextmanager
    def _balancer_errors(self, balancer_id: str) -> Iterator[None]:
        """Raise "not found" as `BalancerDoesNotExistError`."""
        try:
            yield
        except (BalancerError, MemberError):
            raise
        except NotFoundError as error:
            raise translated(error, BalancerDoesNotExistError(error.message, self, balancer_id)) from error

    @contextmanager
    def _member_errors(self, member_id: str) -> Iterator[None]:
        """Raise "not found" and other conflicts than a busy balancer as the errors of members."""
        try:
            yield
        except (BalancerError, MemberError):
            raise
        except NotFoundError as error:
            raise translated(error, MemberDoesNotExistError(error.message, self, member_id)) from error
        except ConflictError as error:
            if self._is_busy(error):
                raise
            raise translated(error, MemberAlreadyExistsError(error.message, self, member_id)) from error


def addresses_of(node: Addressed, *, private_first: bool) -> list[str]:
    """Return the addresses of a node, the one at which a balancer should reach it first."""
    private, public = (list(getattr(node, name, None) or ()) for name in ("private_ips", "public_ips"))
    return private + public if private_first else public + private
