"""Rules that hold for the drivers of every service: operations, errors, secrets, threads and faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from polycloud.errors import AmbiguousCreateError, MalformedResponseError, ServerError, TransportError
from polycloud.loadbalancer.base import Driver
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.types import State
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.checks import LOST
from polycloud.testing.conformance.loadbalancer.suite import CreateBalancer, LBSuite
from polycloud.testing.replies import BROKEN, UNEXPECTED

LOSSES = (AmbiguousCreateError, TransportError, ServerError, MalformedResponseError)
"""The errors that say that nobody knows whether a request was carried out."""


class DriverRules(LBSuite):
    """The checks of all services, under the numbers of load balancers."""

    @rule()
    def test_l01_registry(self, driver: Driver) -> None:
        """`get_driver` finds the driver's class, which names its provider and its connection."""
        self.check_registry(driver)

    @rule()
    def test_l02_supports(self, driver: Driver) -> None:
        """`supports` is true for every operation that the provider has, and false for all others."""
        self.check_supports(driver)

    @rule()
    def test_l03_unsupported_operations(self, driver: Driver) -> None:
        """An operation that is not offered raises `UnsupportedOperationError` before anything is sent."""
        self.check_unsupported_operations(driver)

    @rule()
    def test_l04_unknown_options(self, driver: Driver) -> None:
        """An option that the driver does not have is refused by its name."""
        self.check_unknown_options(driver)

    @rule("list_balancers", "balancer_list_members")
    def test_l05_pickle(self, member: Member, balancer: LoadBalancer) -> None:
        """Objects can be pickled and come back as they were."""
        self.check_pickled_objects([balancer, member])

    # Errors and secrets

    @rule("list_balancers")
    def test_l06_wrong_credentials(self, driver: Driver) -> None:
        """Wrong credentials raise `InvalidCredsError`."""
        self.check_wrong_credentials(driver, "list_balancers")

    @rule()
    def test_l07_secrets_in_repr(self, driver: Driver, member: Member, balancer: LoadBalancer) -> None:
        """No repr of a driver, a connection or an object shows a secret."""
        self.check_secrets_in_repr(driver, balancer, member)

    @rule("list_balancers")
    def test_l08_secrets_in_errors(self, driver: Driver) -> None:
        """No error shows a secret, even if the provider's message does."""
        self.check_secrets_in_errors(driver, "list_balancers")

    @rule()
    @pytest.mark.parametrize("broken", BROKEN)
    def test_l09_broken_responses(self, driver: Driver, broken: str) -> None:
        """A broken response raises an error of our tree, whatever the operation."""
        self.check_broken_responses(driver, broken)

    @rule()
    @pytest.mark.parametrize("unexpected", UNEXPECTED)
    def test_l10_unexpected_responses(self, driver: Driver, unexpected: str) -> None:
        """A list in another form than documented raises an error of our tree; it is not empty."""
        self.check_unexpected_responses(driver, unexpected)

    @rule("list_balancers")
    def test_l11_place_of_an_error(self, driver: Driver) -> None:
        """An error names the provider, the method, the path and the status of the request."""
        self.check_error_location(driver, "list_balancers")

    # One driver for many

    @rule("balancer_list_members")
    def test_l12_close(self, driver: Driver, member: Member, balancer: LoadBalancer) -> None:
        """A closed driver can be used again."""
        self.check_close(driver, partial(driver.balancer_list_members, balancer))

    @rule("balancer_attach_member", "balancer_list_members")
    def test_l13_threads(self, driver: Driver, two_balancers: list[LoadBalancer]) -> None:
        """Threads that share a driver get the responses to their own calls."""
        self.check_threads(*self._reads(driver, two_balancers))

    @rule("balancer_attach_member", "balancer_list_members")
    def test_l14_event_loop(self, driver: Driver, two_balancers: list[LoadBalancer]) -> None:
        """Calls side by side on an event loop return what they return without one."""
        self.check_event_loop(driver, *self._reads(driver, two_balancers))

    def _reads(self, driver: Driver, balancers: Sequence[LoadBalancer]) -> list[Callable[[], list[Member]]]:
        """Return calls that list the members of balancers, each of which gets one of its own."""
        for number, one in enumerate(balancers, 1):
            self.attached(driver, one, number)
        return [partial(self._read, driver, one) for one in balancers]

    def _read(self, driver: Driver, balancer: LoadBalancer) -> list[Member]:
        """Return the members of a balancer without their health, which may change."""
        there = driver.balancer_list_members(balancer)
        return [Member(one.id, one.ip, one.port, one.balancer) for one in there]

    @rule("list_balancers")
    def test_l15_pickled_drivers(self, driver: Driver, balancer: LoadBalancer) -> None:
        """A driver can be pickled, and the copy works."""
        self.check_pickled_driver(driver, "list_balancers")

    # Faults

    @rule()
    @pytest.mark.parametrize("fault", LOST)
    def test_l16_lost_balancers(self, driver: Driver, create_balancer: CreateBalancer, fault: str) -> None:
        """A balancer's create whose response is lost returns it or is ambiguous, and makes no other."""
        base = self.new_name()

        def named(name: str) -> str:
            return f"{base}-{name[0]}"

        def existing(name: str) -> list[LoadBalancer]:
            there = driver.list_balancers()
            return [one for one in there if one.name == named(name) and one.state != State.DELETED]

        self.check_lost_create(
            driver, fault, lambda far, name: create_balancer(named(name), by=far), existing
        )

    @rule("balancer_attach_member", "balancer_list_members")
    @pytest.mark.parametrize("fault", LOST)
    def test_l17_lost_members(self, driver: Driver, balancer: LoadBalancer, fault: str) -> None:
        """Attaching a member, where the response is lost, attaches it once, and returns it or raises."""
        wanted = {name: self.new_member(driver, at) for at, name in enumerate(("observed", "lost"), 1)}

        def existing(name: str) -> list[Member]:
            there = driver.balancer_list_members(balancer)
            return [one for one in there if self.is_member(wanted[name], one)]

        self.check_lost_create(
            driver,
            fault,
            lambda far, name: far.balancer_attach_member(balancer, wanted[name]),
            existing,
            losses=LOSSES,
        )

    @rule()
    def test_l18_deadlines(self, driver: Driver) -> None:
        """A deadline ends a list whose response does not come, with an error."""
        self.check_deadlines(driver)

    # Details

    @rule()
    def test_l19_quoted_paths(self, driver: Driver) -> None:
        """Ids and names are quoted in the paths of requests, whatever their characters."""
        self.check_quoted_paths(driver)

    @rule("balancer_attach_member", "balancer_detach_member", "balancer_list_members")
    def test_l20_unblocked_loops(
        self, driver: Driver, balancer: LoadBalancer, request: pytest.FixtureRequest
    ) -> None:
        """On an event loop, changing a balancer and its members never blocks other tasks."""
        steps: list[Callable[[], object]] = [driver.list_balancers]
        if not self.not_offered & {"create_balancer", "destroy_balancer"}:
            create: CreateBalancer = request.getfixturevalue("create_balancer")
            steps.append(lambda: driver.destroy_balancer(self.running(driver, create())))
        steps.append(lambda: driver.balancer_detach_member(balancer, self.attached(driver, balancer, 1)))
        self.check_unblocked(driver, *steps)
