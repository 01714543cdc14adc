"""What the rules of load balancers use: balancers, members and nodes of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from inspect import signature
from operator import attrgetter
from typing import Any, ClassVar

import pytest

from polycloud.errors import NotFoundError
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM, Addressed, Driver
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, Listener, StickySessions
from polycloud.loadbalancer.types import Algorithm, State
from polycloud.testing.cleanup import RUN, Kind
from polycloud.testing.conformance.assertions import with_id
from polycloud.testing.conformance.checks import Checks

CreateBalancer = Callable[..., LoadBalancer]
SETTINGS = ("health_check", "sticky", "listeners")
"""What a balancer may have beyond a port and members, as arguments and `extra` call it."""
CHANGES = frozenset({"name", "port", "protocol", "algorithm"})


@dataclass
class SomeNode:
    """A node, as far as a balancer is concerned."""

    id: str = "conformance-node"
    name: str = "conformance-node"
    private_ips: list[str] = field(default_factory=list)
    public_ips: list[str] = field(default_factory=list)


class LBSuite(Checks[Driver]):
    """The settings and fixtures of the rules of load balancers."""

    base_driver = Driver
    gone = (NotFoundError,)

    unique_names: ClassVar[bool] = False
    """Whether the provider refuses a second balancer of one name."""

    protocol: ClassVar[str] = "http"
    """The protocol of the balancers of most tests, without a certificate."""

    other_protocol: ClassVar[str] = "tcp"
    """Another one, to which a balancer can be changed."""

    port: ClassVar[int] = 80
    """The port of the balancers of most tests."""

    other_port: ClassVar[int] = 8081
    """Another one."""

    updates: ClassVar[frozenset[str]] = CHANGES
    """What `update_balancer` can change; the others must raise `UnsupportedOperationError`."""

    addresses: ClassVar[str] = "192.0.2.{}"
    """The addresses of members: {} becomes the number of the member, from 1 to 9."""

    member_port: ClassVar[int] = 8080
    """The port of the members of most tests."""

    weight: ClassVar[int] = 7
    """A weight of a member that the provider keeps as it is, if it has weights."""

    by_id: ClassVar[bool] = False
    """Whether members are the provider's own nodes, which are attached by their ids."""

    own_ports: ClassVar[bool] = True
    """Whether each member has a port of its own, so that an address can be a member at two ports."""

    members_serve: ClassVar[bool] = True
    """Whether the provider will find the members of the tests healthy, if it says so of any."""

    lists_cheaply: ClassVar[bool] = True
    """Whether the provider lists balancers with fewer requests than one for the list and one for each."""

    health_check: ClassVar[HealthCheck] = HealthCheck(
        protocol="http", path="/health", interval=15, timeout=5, healthy=3, unhealthy=4
    )
    """A health check that the provider keeps as it is, for a driver that has `ex_health_check`."""

    sticky: ClassVar[StickySessions] = StickySessions(by="cookie")
    """Sticky sessions that the provider keeps as they are, for a driver that has `ex_sticky`."""

    listener: ClassVar[Listener] = Listener(port=8082, protocol="http")
    """A second listener, for a driver that has `ex_listeners`."""

    # What a driver's test class may override

    def create_options(self, driver: Driver, protocol: str) -> dict[str, Any]:
        """Return what `create_balancer` needs beyond its five arguments, such as a certificate for HTTPS."""
        return {}

    def new_member(self, driver: Driver, number: int) -> Member:
        """Return the member `number` (1 to 9) to be attached: the same server whenever it is called."""
        return Member(None, self.addresses.format(number), self.member_port)

    def new_node(self, driver: Driver) -> Addressed:
        """Return a node that runs, with a private and a public address, that is no member yet."""
        return SomeNode(private_ips=[self.addresses.format(9)], public_ips=["198.51.100.9"])

    def is_member(self, wanted: Member, listed: Member) -> bool:
        """Return whether a listed member is the one that was to be attached."""
        if self.by_id:
            return listed.id == wanted.id
        return (listed.ip, listed.port) == (wanted.ip, wanted.port)

    def given_balancers(self, driver: Driver) -> list[LoadBalancer]:
        """Return two balancers that exist, for a driver that creates none; they may have members."""
        return driver.list_balancers()[:2]

    # What the tests create

    @classmethod
    def created(cls, driver: Driver) -> Kind[Any]:
        """Return the balancers: their names begin with those of the run."""

        def listed() -> list[LoadBalancer]:
            needed = ("list_balancers", "create_balancer", "destroy_balancer")
            there = driver.list_balancers() if all(map(driver.supports, needed)) else []
            return [one for one in there if one.state != State.DELETED]

        return Kind("balancers", listed, driver.destroy_balancer, attrgetter("name"), cls.gone)

    def new_name(self) -> str:
        """Return a name that no other test uses."""
        return RUN.name()

    @pytest.fixture
    def create_balancer(self, driver: Driver) -> Iterator[CreateBalancer]:
        """Creates balancers, with names that no other test uses; it does not wait until they run."""
        self.need("list_balancers", "create_balancer", "destroy_balancer")
        with self.clearing(driver) as made:

            def create(name: str | None = None, by: Driver = driver, **given: Any) -> LoadBalancer:
                balancer = by.create_balancer(**self.create_arguments(driver, name=name, **given))
                made.append(balancer)
                return balancer

            yield create

    @pytest.fixture
    def two_balancers(self, driver: Driver, request: pytest.FixtureRequest) -> Iterator[list[LoadBalancer]]:
        """Two balancers that run; the members that a test attaches to them are detached.

        If the driver does not create balancers, they are those of `given_balancers`.
        """
        if "create_balancer" not in self.not_offered:
            create: CreateBalancer = request.getfixturevalue("create_balancer")
            yield [self.running(driver, one) for one in [create(), create()]]
            return
        self.need("list_balancers")
        balancers = self.given_balancers(driver)
        with ExitStack() as stack:
            for one in balancers:
                stack.enter_context(self._restored(driver, one))
            yield balancers

    @pytest.fixture
    def balancer(self, driver: Driver, request: pytest.FixtureRequest) -> Iterator[LoadBalancer]:
        """One such balancer."""
        if "create_balancer" not in self.not_offered:
            create: CreateBalancer = request.getfixturevalue("create_balancer")
            yield self.running(driver, create())
            return
        self.need("list_balancers")
        (balancer, *_) = self.given_balancers(driver)
        with self._restored(driver, balancer):
            yield balancer

    @contextmanager
    def _restored(self, driver: Driver, balancer: LoadBalancer) -> Iterator[None]:
        """Detach what is attached in the block."""
        before = {one.id for one in self.members(driver, balancer)}
        yield
        made = [one for one in self.members(driver, balancer) if one.id not in before]
        self.remove(lambda one: driver.balancer_detach_member(balancer, one), made)

    @pytest.fixture
    def member(self, driver: Driver, balancer: LoadBalancer) -> Member:
        """The first member of the balancer, as it is listed."""
        self.need("balancer_attach_member", "balancer_list_members")
        return self.attached(driver, balancer, 1)

    # Waiting

    def running(self, driver: Driver, balancer: LoadBalancer) -> LoadBalancer:
        """Return the balancer as it is once it runs."""
        return driver.wait_until_running(balancer, wait_period=1, timeout=self.patience)

    def balancer_seen(self, driver: Driver, balancer: LoadBalancer) -> LoadBalancer:
        """Return the balancer from the list, as soon as it is listed."""
        message = f"the balancer {balancer.name!r} (id {balancer.id!r}) to be listed"
        return self.until(lambda: with_id(driver.list_balancers(), balancer.id), message)

    def balancer_gone(self, driver: Driver, balancer: LoadBalancer) -> None:
        """Return as soon as the balancer is not listed any more, or as deleted."""

        def check() -> bool:
            found = with_id(driver.list_balancers(), balancer.id)
            return found is None or found.state == State.DELETED

        self.until(check, f"the balancer {balancer.name!r} (id {balancer.id!r}) to leave the list")

    def members(self, driver: Driver, balancer: LoadBalancer) -> list[Member]:
        """Return the members of a balancer; none if the driver does not list them."""
        if "balancer_list_members" in self.not_offered:
            return []
        return driver.balancer_list_members(balancer)

    def listed(self, driver: Driver, balancer: LoadBalancer, wanted: Member) -> Member:
        """Return the member from the list of its balancer, as soon as it is listed."""

        def find() -> Member | None:
            there = driver.balancer_list_members(balancer)
            return next((one for one in there if self.is_member(wanted, one)), None)

        return self.until(find, f"the member {wanted!r} to be listed")

    def delisted(self, driver: Driver, balancer: LoadBalancer, member: Member) -> None:
        """Return as soon as the member is not listed any more."""

        def is_gone() -> bool:
            return not any(self.is_member(member, one) for one in driver.balancer_list_members(balancer))

        self.until(is_gone, f"the member {member!r} to leave the list")

    def attached(self, driver: Driver, balancer: LoadBalancer, number: int) -> Member:
        """Attach the member `number` to a balancer; return it from the list."""
        wanted = self.new_member(driver, number)
        driver.balancer_attach_member(balancer, wanted)
        return self.listed(driver, balancer, wanted)

    # Arguments

    def create_arguments(
        self, driver: Driver, name: str | None = None, protocol: str | None = None, **given: Any
    ) -> dict[str, Any]:
        """Return the arguments of `create_balancer` for a balancer of a test."""
        chosen = protocol or self.protocol
        options = self.create_options(driver, chosen)
        return {"name": name or self.new_name(), "port": self.port, "protocol": chosen, **options, **given}

    def new_value(self, driver: Driver, argument: str) -> Any:
        """Return what an argument of `update_balancer` changes a balancer of the tests to; skip without."""
        others = set(driver.list_supported_algorithms()) - {DEFAULT_ALGORITHM}
        protocols = driver.list_protocols()
        values: dict[str, Any] = {
            "name": self.new_name(),
            "port": self.other_port,
            "protocol": self.other_protocol if self.other_protocol in protocols else None,
            "algorithm": min(others, default=None),
        }
        if argument in self.updates and values[argument] is None:
            pytest.skip(f"the provider has no other {argument}")
        refused = {"protocol": "udp", "algorithm": Algorithm.RANDOM}
        return refused[argument] if values[argument] is None else values[argument]

    def settings(self, driver: Driver, name: str) -> dict[str, Any]:
        """Return the argument for one of `SETTINGS`; none if the driver does not have it."""
        if f"ex_{name}" not in signature(driver.create_balancer).parameters:
            return {}
        return {f"ex_{name}": [self.listener] if name == "listeners" else getattr(self, name)}

    def require_settings(self, balancer: LoadBalancer, given: Mapping[str, Any]) -> None:
        """Assert that `extra` of a balancer has the settings; there may be more listeners."""
        for argument, value in given.items():
            found = balancer.extra[argument.removeprefix("ex_")]
            same = self.listener in found if argument == "ex_listeners" else found == value
            assert same, f"{value} became {found}"

    def change(self, driver: Driver) -> dict[str, Any]:
        """Return a change that the driver can make."""
        argument = next(name for name in ("name", "port", "protocol", "algorithm") if name in self.updates)
        return {argument: self.new_value(driver, argument)}

    def no_balancer(self, driver: Driver, id_: str | None = None) -> LoadBalancer:
        """Return a balancer that does not exist."""
        extra = {"protocol": self.protocol, "algorithm": None}
        return LoadBalancer(
            id_ or self.unknown_id, "no-such-balancer", State.RUNNING, None, self.port, driver, extra
        )

    def arguments(self, driver: Driver, id_: str = "") -> dict[str, tuple[Any, ...]]:
        """Return arguments of the operations; of resources that do not exist, without `id_`."""
        balancer = self.no_balancer(driver, id_)
        member = Member(id_ or self.unknown_id, self.addresses.format(8), self.member_port, balancer)
        return {
            "get_balancer": (balancer.id,),
            "create_balancer": ("no-such-balancer", self.port, self.protocol),
            "update_balancer": (balancer, "other-name"),
            **dict.fromkeys(("destroy_balancer", "balancer_list_members"), (balancer,)),
            **dict.fromkeys(
                ("balancer_attach_member", "balancer_detach_member", "balancer_suspend_member"),
                (balancer, member),
            ),
            "balancer_attach_compute_node": (balancer, SomeNode(id_, private_ips=[str(member.ip)])),
            "wait_until_running": (balancer, 1, 1),
            "wait_until_healthy": (balancer, None, 1, 1),
        }
