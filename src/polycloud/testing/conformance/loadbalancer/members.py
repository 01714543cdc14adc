"""Rules of members: attaching and detaching them, their health, and nodes as members."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.loadbalancer.base import Addressed, Driver
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import (
    MemberAlreadyExistsError,
    MemberCondition,
    MemberDoesNotExistError,
    MemberHealth,
)
from polycloud.testing.conformance.assertions import check_objects, error_of, require_true
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.loadbalancer.suite import LBSuite, SomeNode

ATTACH, DETACH, LIST = "balancer_attach_member", "balancer_detach_member", "balancer_list_members"


class MemberRules(LBSuite):
    """The rules of members."""

    @rule(LIST)
    def test_l44_members(self, driver: Driver, balancer: LoadBalancer, member: Member) -> None:
        """A member has id, address, port, `MemberHealth` and balancer; weight and condition in `extra`."""
        members = driver.balancer_list_members(balancer)
        check_objects(members, Member, driver)
        for one in members:
            assert isinstance(one.ip, str | None), f"the ip {one.ip!r} of {one!r} is not a str"
            assert type(one.port) in {int, type(None)}, f"the port {one.port!r} of {one!r} is not an int"
            assert self.by_id or (one.ip and one.port), f"{one!r} has no address"
            assert isinstance(one.health, MemberHealth), f"the health {one.health!r} is no MemberHealth"
            assert one.balancer is not None, f"{one!r} has no balancer"
            assert one.balancer.id == balancer.id, f"the balancer of {one!r} is {one.balancer!r}"
            weight = one.extra.get("weight", 0)
            assert isinstance(weight, int), f"the weight {weight!r} of {one!r} is not an int"
            condition = one.extra.get("condition", MemberCondition.ENABLED)
            assert isinstance(condition, MemberCondition), f"the condition of {one!r} is {condition!r}"

    @rule(ATTACH, LIST)
    def test_l45_attach_member(self, driver: Driver, balancer: LoadBalancer) -> None:
        """`balancer_attach_member` returns the member that is asked for, as it is then listed."""
        before = {one.id for one in driver.balancer_list_members(balancer)}
        wanted = self.new_member(driver, 1)
        made = driver.balancer_attach_member(balancer, wanted)
        check_objects([made], Member, driver)
        listed = self.listed(driver, balancer, wanted)
        assert self.is_member(wanted, made), f"{made!r} was made of {wanted!r}"
        assert listed.id == made.id, f"{made!r} is listed as {listed!r}"
        assert made.balancer is not None, f"{made!r} has no balancer"
        assert made.balancer.id == balancer.id, f"its balancer is {made.balancer!r}"
        after = {one.id for one in driver.balancer_list_members(balancer)}
        assert after - before == {made.id}, f"one attach added {after - before}"
        assert before <= after, f"the attach detached {before - after}"

    @rule(ATTACH)
    def test_l46_wrong_members(self, driver: Driver, balancer: LoadBalancer) -> None:
        """A member without address or port, or with an invalid one, is refused before anything is sent."""
        ip = self.addresses.format(1)
        wrong = [
            *(Member(None, one, self.member_port) for one in (None, "", "no address", "192.0.2.256")),
            *(Member(None, ip, one) for one in (None, 0, -1, 65536)),
        ]
        no_settings: Any = "abc"
        for one in (*wrong, Member(None, ip, self.member_port, extra=no_settings), ip, None):
            self.check_refused_unsent(driver, InvalidArgumentError, partial(_attach, balancer, one))

    @rule(ATTACH, LIST)
    def test_l47_second_attach(self, driver: Driver, balancer: LoadBalancer, member: Member) -> None:
        """A member that is attached already is refused with `MemberAlreadyExistsError`; nothing changes."""
        before = self._ids(driver, balancer)
        wanted = self.new_member(driver, 1)
        error_of(
            MemberAlreadyExistsError, "the second attach", driver.balancer_attach_member, balancer, wanted
        )
        after = self._ids(driver, balancer)
        assert after == before, f"the members were {before}, now they are {after}"

    @rule(ATTACH, LIST)
    def test_l48_same_member_at_once(self, driver: Driver, balancer: LoadBalancer) -> None:
        """Of callers that attach one member at the same time, one succeeds; the others are refused."""
        wanted = self.new_member(driver, 1)

        def attach() -> bool:
            try:
                driver.balancer_attach_member(balancer, self.new_member(driver, 1))
            except MemberAlreadyExistsError:
                return False
            return True

        done = driver.connection.gather([attach] * 3)
        assert sorted(done) == [False, False, True], f"{sum(done)} of 3 callers attached it"
        self.listed(driver, balancer, wanted)
        same = [one for one in driver.balancer_list_members(balancer) if self.is_member(wanted, one)]
        assert len(same) == 1, f"it is listed as {same}"

    @rule(ATTACH, DETACH, LIST)
    def test_l49_changes_at_once(self, driver: Driver, balancer: LoadBalancer) -> None:
        """Members that callers attach and detach at the same time are all attached and detached."""
        before = self._ids(driver, balancer)
        wanted = [self.new_member(driver, number) for number in (1, 2, 3, 4)]
        made = driver.connection.gather(
            [partial(driver.balancer_attach_member, balancer, one) for one in wanted]
        )
        for one in wanted:
            self.listed(driver, balancer, one)
        driver.connection.gather(
            [partial(driver.balancer_detach_member, balancer, one) for one in made[:2]]
            + [partial(driver.balancer_attach_member, balancer, self.new_member(driver, 5))]
        )
        for one in made[:2]:
            self.delisted(driver, balancer, one)
        last = self.listed(driver, balancer, self.new_member(driver, 5))
        expected = {*before, *(one.id for one in made[2:]), last.id}
        found = self._ids(driver, balancer)
        assert found == expected, f"the members are {found}, not {expected}"

    @rule(ATTACH, LIST)
    def test_l50_ports_of_members(self, driver: Driver, balancer: LoadBalancer, member: Member) -> None:
        """An address is another member at another port."""
        if not self.own_ports or self.by_id:
            pytest.skip("members have no port of their own")
        wanted = Member(None, member.ip, self.member_port + 1)
        driver.balancer_attach_member(balancer, wanted)
        for one in (wanted, member):
            self.listed(driver, balancer, one)

    @rule(ATTACH, DETACH, LIST)
    def test_l51_detach_member(self, driver: Driver, balancer: LoadBalancer, member: Member) -> None:
        """`balancer_detach_member` returns True, and the member leaves the list, but not its siblings."""
        siblings = [self.attached(driver, balancer, number) for number in (2, 3)]
        before = self._ids(driver, balancer)
        for one, known in zip(siblings, (siblings[0], self.new_member(driver, 3)), strict=True):
            require_true("balancer_detach_member", driver.balancer_detach_member(balancer, known))
            self.delisted(driver, balancer, one)
            after, before = self._ids(driver, balancer), before - {one.id}
            assert after == before, f"after {one.id!r} was detached, the members are {after}, not {before}"

    @rule(ATTACH, DETACH, LIST)
    def test_l52_unknown_member(self, driver: Driver, balancer: LoadBalancer, member: Member) -> None:
        """Detaching what is not attached raises `MemberDoesNotExistError`; nothing changes."""
        gone = self.attached(driver, balancer, 2)
        driver.balancer_detach_member(balancer, gone)
        self.delisted(driver, balancer, gone)
        before = self._ids(driver, balancer)
        for one in (gone, self.new_member(driver, 3)):
            error_of(MemberDoesNotExistError, "the detach", driver.balancer_detach_member, balancer, one)
        after = self._ids(driver, balancer)
        assert after == before, f"the members were {before}, now they are {after}"

    @rule(ATTACH, DETACH, LIST)
    def test_l60_members_of_another_balancer(self, driver: Driver, two_balancers: list[LoadBalancer]) -> None:
        """A member that one balancer lists can be attached to another one, and detached from it alone."""
        first, second = two_balancers
        member = self.attached(driver, first, 1)
        made = driver.balancer_attach_member(second, member)
        assert self.is_member(member, made), f"{made!r} was made of {member!r}"
        self.listed(driver, second, member)
        driver.balancer_detach_member(second, member)
        self.delisted(driver, second, member)
        self.listed(driver, first, member)

    # Nodes

    @rule(ATTACH, LIST)
    def test_l53_nodes(self, driver: Driver, balancer: LoadBalancer) -> None:
        """A node becomes a member at the balancer's port, by its private address where it has one."""
        node = self.new_node(driver)
        made = driver.balancer_attach_compute_node(balancer, node)
        listed = self.listed(driver, balancer, made)
        for one in (made, listed):
            if self.by_id:
                assert one.id == node.id, f"{one!r} was made of the node {node.id!r}"
                continue
            addresses = (node.private_ips if driver.prefers_private else node.public_ips) or node.public_ips
            assert one.ip in addresses, f"the address is {one.ip!r}, not one of {addresses}"
            assert one.port == balancer.port, f"the port is {one.port}, not {balancer.port}"

    @rule(ATTACH)
    def test_l54_nodes_without_address(self, driver: Driver, balancer: LoadBalancer) -> None:
        """A node without an address is refused before anything is sent, and so is anything but a node."""
        wrong: list[Any] = ["a node", None]
        if not self.by_id:
            wrong.append(SomeNode())
        for node in wrong:
            self.check_refused_unsent(driver, InvalidArgumentError, partial(_attach_node, balancer, node))

    # Waits

    @rule(ATTACH, LIST)
    def test_l55_health(self, driver: Driver, balancer: LoadBalancer, member: Member) -> None:
        """`wait_until_healthy` returns members that are up, or refuses if the provider does not say."""
        if not driver.reports_health:
            error_of(UnsupportedOperationError, "the wait", driver.wait_until_healthy, balancer)
            return
        if not self.members_serve:
            pytest.skip("nothing listens where the members of the tests are")
        for chosen in (None, [member]):
            found = driver.wait_until_healthy(balancer, chosen, wait_period=1, timeout=self.patience)
            assert any(self.is_member(member, one) for one in found), f"{member!r} is not in {found}"
            unhealthy = [one for one in found if one.health != MemberHealth.UP]
            assert not unhealthy, f"it returned {unhealthy}"

    def _ids(self, driver: Driver, balancer: LoadBalancer) -> set[str | None]:
        return {one.id for one in driver.balancer_list_members(balancer)}


def _attach(balancer: LoadBalancer, member: Any, driver: Driver) -> Member:
    return driver.balancer_attach_member(balancer, member)


def _attach_node(balancer: LoadBalancer, node: Addressed, driver: Driver) -> Member:
    return driver.balancer_attach_compute_node(balancer, node)
