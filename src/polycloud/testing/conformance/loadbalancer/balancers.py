"""Rules of balancers: creating, listing and destroying them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from polycloud.concurrency.calls import call_options
from polycloud.errors import InvalidArgumentError, PolycloudError, UnsupportedOperationError
from polycloud.loadbalancer.base import DEFAULT_ALGORITHM, Driver
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import (
    Algorithm,
    BalancerAlreadyExistsError,
    BalancerDoesNotExistError,
    State,
)
from polycloud.testing.conformance.assertions import check_objects, error_of, require_reached, require_true
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.creates import FaultAtNumber
from polycloud.testing.conformance.loadbalancer.suite import CreateBalancer, LBSuite
from polycloud.tracing.hooks import add_hook

PORTS = (0, -1, 65536, True, "80", 80.5, None)
"""What is no port."""
NO_PROTOCOL = "no-such-protocol"
MOST_REQUESTS = 30
"""More requests than one create sends."""
LOST = "502 after"
SEARCH = {"500": 0.1, LOST: 0.5}
"""The faults of a create, and the seconds for which a driver then searches: a 500 has created nothing."""
ENOUGH = 5
"""Balancers whose list is certainly not cheap if it takes a request for each."""


def summary(balancer: LoadBalancer) -> tuple[Any, ...]:
    """Return what a balancer is, in a form that can be compared."""
    extra = balancer.extra
    return balancer.name, balancer.port, extra.get("protocol"), extra.get("algorithm")


class BalancerRules(LBSuite):
    """The rules of balancers."""

    @rule("list_balancers")
    def test_l21_balancers(self, driver: Driver, balancer: LoadBalancer) -> None:
        """A balancer has id, name, `State`, address, port, and in `extra` its protocol and algorithm."""
        balancers = driver.list_balancers()
        check_objects(balancers, LoadBalancer, driver, "name")
        for one in [balancer, *balancers]:
            assert isinstance(one.state, State), f"the state {one.state!r} of {one!r} is not a State"
            assert isinstance(one.ip, str | None), f"the ip {one.ip!r} of {one!r} is not a str"
            assert type(one.port) in {int, type(None)}, f"the port {one.port!r} of {one!r} is not an int"
            protocol, algorithm = one.extra["protocol"], one.extra["algorithm"]
            lower = protocol is None or protocol == protocol.lower()
            assert lower, f"the protocol {protocol!r} of {one!r} is not in lower case"
            known = algorithm is None or isinstance(algorithm, Algorithm)
            assert known, f"the algorithm {algorithm!r} of {one!r} is not an Algorithm"

    @rule("list_balancers")
    def test_l22_uuid(self, balancer: LoadBalancer) -> None:
        """A balancer's uuid is the SHA-1 of "id:provider"."""
        digest = hashlib.sha1(f"{balancer.id}:{balancer.driver.type}".encode()).hexdigest()  # noqa: S324
        assert balancer.uuid == digest, f"the uuid is {balancer.uuid}"

    @rule()
    def test_l23_create_balancer(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """`create_balancer` returns the balancer that is asked for, as it is then listed."""
        name = self.new_name()
        made = create_balancer(name)
        check_objects([made], LoadBalancer, driver, "name")
        for one in (made, self.balancer_seen(driver, made), driver.get_balancer(made.id)):
            found = (one.id, one.name, one.port, one.extra["protocol"])
            expected = (made.id, name, self.port, self.protocol)
            assert found == expected, f"{found} was made of {expected}"

    @rule()
    def test_l24_running(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """A balancer runs in time, and has an address then."""
        made = create_balancer()
        for one in (self.running(driver, made), driver.get_balancer(made.id)):
            assert one.id == made.id, f"waiting for {made!r} returned {one!r}"
            assert one.state == State.RUNNING, f"the state is {one.state!s}"
            assert one.ip, "it has no address"

    @rule("balancer_list_members")
    def test_l25_members_of_a_new_balancer(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """The members that are given to `create_balancer` are those that the balancer has."""
        wanted = [self.new_member(driver, number) for number in (1, 2)]
        balancer = self.running(driver, create_balancer(members=wanted))
        for one in wanted:
            self.listed(driver, balancer, one)
        found = driver.balancer_list_members(balancer)
        assert len(found) == len(wanted), f"{found!r} were made of {wanted!r}"

    @rule("create_balancer")
    def test_l26_default_algorithm(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """Without an algorithm a balancer gets the default one, which the provider has."""
        assert DEFAULT_ALGORITHM in driver.list_supported_algorithms(), "the provider does not have it"
        made = create_balancer()
        for one in (made, self.balancer_seen(driver, made)):
            found = one.extra["algorithm"]
            assert found == DEFAULT_ALGORITHM, f"the algorithm is {found!s}, not {DEFAULT_ALGORITHM!s}"

    @rule("create_balancer")
    def test_l27_protocols(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """Each protocol that `list_protocols` has can be chosen, and is listed as it was given."""
        protocols = driver.list_protocols()
        assert protocols, "there are no protocols"
        assert len(set(protocols)) == len(protocols), f"a protocol comes twice in {protocols}"
        for protocol in protocols:
            made = create_balancer(protocol=protocol)
            for one in (made, self.balancer_seen(driver, made)):
                found = one.extra["protocol"]
                assert found == protocol, f"{protocol!r} became {found!r}"

    @rule("create_balancer")
    def test_l28_algorithms(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """Each algorithm that `list_supported_algorithms` has can be chosen, and is listed as given."""
        algorithms = driver.list_supported_algorithms()
        assert len(set(algorithms)) == len(algorithms), f"an algorithm comes twice in {algorithms}"
        for algorithm in algorithms:
            made = create_balancer(algorithm=algorithm)
            for one in (made, self.balancer_seen(driver, made)):
                found = one.extra["algorithm"]
                assert found == algorithm, f"{algorithm!s} became {found!s}"

    @rule("create_balancer")
    def test_l29_unknown_protocols_and_algorithms(self, driver: Driver) -> None:
        """A protocol or an algorithm that the provider does not have is refused before anything is sent."""
        others = set(Algorithm) - set(driver.list_supported_algorithms())
        algorithms: list[Any] = [*others, True]  # True is 1, which is an algorithm
        wrong: list[dict[str, Any]] = [{"protocol": NO_PROTOCOL}, *({"algorithm": one} for one in algorithms)]
        for given in wrong:
            arguments = {**self.create_arguments(driver), **given}
            self._refused(driver, UnsupportedOperationError, arguments)

    @rule("create_balancer")
    def test_l30_wrong_arguments(self, driver: Driver) -> None:
        """A wrong name or port is refused before anything is sent, and so are members that cannot be."""
        good = self.new_member(driver, 1)
        members: list[list[Any]] = [
            [good, "192.0.2.1"],
            [Member(None, None, self.member_port)],
            [Member(None, "no address", self.member_port)],
            [good, Member(None, good.ip, 65536)],
            [good, self.new_member(driver, 1)],
        ]
        wrong: list[dict[str, Any]] = [
            *({"name": one} for one in ("", " ", "a\nb", "a\0b", None, 7)),
            *({"port": one} for one in PORTS),
            *({"members": one} for one in members),
        ]
        for given in wrong:
            self._refused(driver, InvalidArgumentError, {**self.create_arguments(driver), **given})

    def _refused(self, driver: Driver, kind: type[PolycloudError], arguments: dict[str, Any]) -> None:
        try:
            self.check_refused_unsent(driver, kind, lambda far: far.create_balancer(**arguments))
        except AssertionError as error:
            error.args = (f"create_balancer with {arguments}: {error}",)
            raise

    @rule("create_balancer")
    def test_l31_second_balancer(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """A second balancer of a name is another one or refused, and the first stays what it is."""
        first = self.running(driver, create_balancer())
        before = summary(driver.get_balancer(first.id))
        for given in ({}, {"port": self.other_port}):
            try:
                second = create_balancer(first.name, **given)
            except BalancerAlreadyExistsError:
                same = [one for one in driver.list_balancers() if one.name == first.name]
                assert [one.id for one in same] == [first.id], f"after a refusal there are {same}"
            else:
                assert not self.unique_names, f"the second create returned {second!r}"
                assert second.id != first.id, f"the second create returned the first one, {first!r}"
            after = summary(driver.get_balancer(first.id))
            assert after == before, f"the second create made {after} of {before}"

    @rule("create_balancer")
    @pytest.mark.parametrize("fault", SEARCH)
    def test_l32_failing_create(self, driver: Driver, create_balancer: CreateBalancer, fault: str) -> None:
        """A create of which any one request fails leaves nothing behind, or the balancer as asked for."""
        base, number = self.new_name(), 0
        members = [self.new_member(driver, one) for one in (1, 2)]
        while number < MOST_REQUESTS:
            number += 1
            name, plan = f"{base}-{number}", FaultAtNumber(number, fault)
            create = partial(create_balancer, name, members=members)
            made = self._made_by(driver, plan, create, SEARCH[fault])
            if plan.hit is None:
                break
            self._require_whole_or_none(driver, made, name, f"a create whose {plan.hit} failed")
            if made is not None:  # now: each that stays makes the next lists longer
                self.remove(driver.destroy_balancer, [made])
        require_reached(number > 1, "the create sends no request")

    def _require_whole_or_none(self, driver: Driver, made: LoadBalancer | None, name: str, what: str) -> None:
        def existing() -> list[LoadBalancer]:
            there = driver.list_balancers()
            return [one for one in there if one.name == name and one.state != State.DELETED]

        if made is None:
            self.until(lambda: not existing(), f"nothing to be left of {what}")
            return
        assert [one.id for one in existing()] == [made.id], f"{what} made {existing()}"
        if "balancer_list_members" not in self.not_offered:
            there = driver.balancer_list_members(self.running(driver, made))
            assert len(there) == 2, f"{what} made a balancer with the members {there}"

    @rule("create_balancer")
    def test_l57_lost_create_of_a_taken_name(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """A create of a name that another balancer has never returns or changes that, whatever is lost."""
        wanted, number = self.new_member(driver, 1), 0
        first = self.running(driver, create_balancer(members=[wanted]))
        before = summary(driver.get_balancer(first.id))
        while number < MOST_REQUESTS:
            number += 1
            plan = FaultAtNumber(number, LOST)
            made = self._made_by(driver, plan, partial(create_balancer, first.name), SEARCH[LOST])
            what = f"a second create, the response to whose {plan.hit} was lost,"
            assert made is None or made.id != first.id, f"{what} returned the first one, {first!r}"
            after = summary(driver.get_balancer(first.id))
            assert after == before, f"{what} made {after} of {before}"
            if "balancer_list_members" not in self.not_offered:
                self.listed(driver, first, wanted)
            if plan.hit is None:
                break
        require_reached(number > 1, "the create sends no request")

    def _made_by(
        self, driver: Driver, plan: FaultAtNumber, create: CreateBalancer, search: float
    ) -> LoadBalancer | None:
        """Return what a create makes while the plan's fault happens; None for an error of our tree."""
        with self.behind(driver, plan) as far, call_options(deadline=max(self.patience, search)):
            vars(far)["settle_time"] = search
            self.log_in(far)
            plan.expect()
            with suppress(PolycloudError):
                return create(by=far)
        return None

    # Lists

    @rule()
    def test_l33_complete_list(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """`list_balancers` lists every balancer once, over all pages."""
        made = driver.connection.gather([create_balancer] * self.several)
        for one in made:
            self.balancer_seen(driver, one)
        self.check_complete_list(made, driver.list_balancers())

    @rule()
    def test_l34_cost_of_the_list(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """`list_balancers` sends fewer requests than one for the list and one for each balancer."""
        if not self.lists_cheaply:
            pytest.skip("the provider's list does not say what a balancer is")
        for _ in range(ENOUGH):
            self.balancer_seen(driver, create_balancer())
        requests: list[str] = []
        remove = add_hook(lambda trace: requests.append(f"{trace.method} {trace.path}"))
        try:
            balancers = driver.list_balancers()
        finally:
            remove()
        assert len(requests) <= len(balancers), f"{len(balancers)} balancers cost {requests}"

    @rule("list_balancers")
    def test_l35_iterate_balancers(self, driver: Driver, balancer: LoadBalancer) -> None:
        """`iterate_balancers` yields the balancers that `list_balancers` returns."""
        self.check_same_items(driver.iterate_balancers, driver.list_balancers)

    @rule("list_balancers")
    def test_l36_get_balancer(self, driver: Driver, balancer: LoadBalancer) -> None:
        """`get_balancer` returns the balancer as it is listed, or raises an error that names the id."""
        listed, found = self.balancer_seen(driver, balancer), driver.get_balancer(balancer.id)
        same = (found.id, *summary(found)) == (listed.id, *summary(listed))
        assert same, f"get_balancer({balancer.id!r}) returns {found!r}, the list has {listed!r}"
        error = error_of(BalancerDoesNotExistError, "get_balancer", driver.get_balancer, self.unknown_id)
        assert error.balancer_id == self.unknown_id, f"the error's balancer_id is {error.balancer_id!r}"

    # The end

    @rule()
    def test_l37_destroy_balancer(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """`destroy_balancer` returns True, and the balancer leaves the list, although it has members."""
        other = create_balancer()
        balancer = self.running(driver, create_balancer(members=[self.new_member(driver, 1)]))
        require_true("destroy_balancer", self.while_busy(lambda: driver.destroy_balancer(balancer)))
        self.balancer_gone(driver, balancer)
        self.balancer_seen(driver, other)

    @rule()
    def test_l38_unknown_balancer(self, driver: Driver) -> None:
        """An operation on a balancer that does not exist raises an error that names the balancer."""
        balancer = self.no_balancer(driver)
        member = self.new_member(driver, 1)
        calls: dict[str, Callable[[], object]] = {
            "get_balancer": partial(driver.get_balancer, balancer.id),
            "destroy_balancer": partial(driver.destroy_balancer, balancer),
            "balancer_list_members": partial(driver.balancer_list_members, balancer),
            "balancer_attach_member": partial(driver.balancer_attach_member, balancer, member),
            "balancer_detach_member": partial(driver.balancer_detach_member, balancer, member),
            "wait_until_running": partial(driver.wait_until_running, balancer, timeout=self.patience),
        }
        if self.updates:
            calls["update_balancer"] = partial(driver.update_balancer, balancer, **self.change(driver))
        for name, call in calls.items():
            if name not in self.not_offered:
                error = error_of(BalancerDoesNotExistError, name, call)
                assert error.balancer_id == balancer.id, f"{name}: its balancer_id is {error.balancer_id!r}"

    @rule("balancer_attach_member", "balancer_detach_member", "balancer_list_members")
    def test_l39_methods_of_balancers(self, driver: Driver, balancer: LoadBalancer) -> None:
        """A balancer's own methods do what the driver's do."""
        wanted = self.new_member(driver, 1)
        balancer.attach_member(wanted)
        member = self.listed(driver, balancer, wanted)
        self.check_same_items(balancer.list_members, partial(driver.balancer_list_members, balancer))
        require_true("detach_member", balancer.detach_member(member))
        self.delisted(driver, balancer, member)
        self.listed(driver, balancer, balancer.attach_compute_node(self.new_node(driver)))
        if "destroy_balancer" in self.not_offered:
            return
        require_true("destroy", self.while_busy(balancer.destroy))
        self.balancer_gone(driver, balancer)
