"""Rules of settings: what balancers and members have beyond addresses, ports, protocols and algorithms."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from polycloud.errors import (
    InvalidArgumentError,
    PolycloudError,
    ProviderHTTPError,
    UnsupportedOperationError,
)
from polycloud.loadbalancer.base import Driver
from polycloud.loadbalancer.objects import LoadBalancer, Member
from polycloud.loadbalancer.settings import HealthCheck, StickySessions
from polycloud.loadbalancer.types import MemberCondition
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.loadbalancer.suite import SETTINGS, CreateBalancer, LBSuite

REFUSALS = (InvalidArgumentError, UnsupportedOperationError, ProviderHTTPError)
VARIANTS: dict[str, list[Any]] = {
    "health_check": [
        HealthCheck(protocol="http", path="/up"),
        HealthCheck(protocol="http", port=8088),
        HealthCheck(protocol="http", interval=20),
        HealthCheck(protocol="http", timeout=4),
        HealthCheck(protocol="http", healthy=4),
        HealthCheck(protocol="http", unhealthy=6),
        HealthCheck(protocol="tcp", port=8088),
        HealthCheck(protocol="tcp", path="/up"),
    ],
    "sticky": [
        StickySessions(by="source_ip"),
        StickySessions(cookie="srv"),
        StickySessions(ttl=600),
        StickySessions(cookie="srv", ttl=600),
        StickySessions(by="source_ip", ttl=600),
        StickySessions(by="source_ip", cookie="srv"),
    ],
}
"""Settings that have one field more than the least, of which a driver might drop one."""
WRONG: dict[str, list[Any]] = {
    "weight": [-1, True, "7", 1.5, 1_000_000],
    "condition": ["no condition", "disabled", 1],
}
"""Values that no member can have."""


class SettingRules(LBSuite):
    """The rules of settings."""

    @rule("create_balancer")
    @pytest.mark.parametrize("setting", SETTINGS)
    def test_l40_settings(self, driver: Driver, create_balancer: CreateBalancer, setting: str) -> None:
        """A health check, sticky sessions and further listeners are listed in `extra` as they were given."""
        given = self.settings(driver, setting)
        if not given:
            pytest.skip(f"the driver has no ex_{setting}")
        made = create_balancer(**given)
        for one in (made, self.balancer_seen(driver, made)):
            self.require_settings(one, given)

    @rule("create_balancer")
    @pytest.mark.parametrize("setting", VARIANTS)
    def test_l61_each_setting(self, driver: Driver, create_balancer: CreateBalancer, setting: str) -> None:
        """Each field of a health check and of sticky sessions is listed as given, or the create refused."""
        if not self.settings(driver, setting):
            pytest.skip(f"the driver has no ex_{setting}")
        for wanted in VARIANTS[setting]:
            try:
                made = create_balancer(**{f"ex_{setting}": wanted})
            except REFUSALS:
                continue
            found = self.balancer_seen(driver, made).extra[setting]
            dropped = [
                name
                for name, value in vars(wanted).items()
                if value is not None and value != getattr(found, name, None)
            ]
            assert not dropped, f"{wanted} became {found}"

    @rule("balancer_attach_member", "balancer_list_members")
    def test_l59_weights_and_conditions(self, driver: Driver, balancer: LoadBalancer) -> None:
        """A member's weight and condition are listed as given, or refused before anything is sent."""
        given: dict[str, Any] = {"weight": self.weight, "condition": MemberCondition.DISABLED}
        for number, (name, value) in enumerate(given.items(), 1):
            wanted = self.new_member(driver, number)
            wanted.extra[name] = value
            try:
                made = driver.balancer_attach_member(balancer, wanted)
            except UnsupportedOperationError:
                self._check_refused(driver, UnsupportedOperationError, balancer, wanted)
                continue
            for one in (made, self.listed(driver, balancer, wanted)):
                found = one.extra.get(name)
                assert found == value, f"the {name} {value!s} became {found!s}"
            for wrong in WRONG[name]:
                wanted = self.new_member(driver, number)
                wanted.extra[name] = wrong
                self._check_refused(driver, InvalidArgumentError, balancer, wanted)

    def _check_refused(
        self, driver: Driver, kind: type[PolycloudError], balancer: LoadBalancer, member: Member
    ) -> None:
        """Assert that an attach and a create with a member are refused before anything is sent."""
        calls = [partial(_attach, balancer, member)]
        if "create_balancer" not in self.not_offered:
            calls.append(partial(_create, self.create_arguments(driver, members=[member])))
        for call in calls:
            self.check_refused_unsent(driver, kind, call)


def _attach(balancer: LoadBalancer, member: Member, driver: Driver) -> object:
    return driver.balancer_attach_member(balancer, member)


def _create(arguments: dict[str, Any], driver: Driver) -> object:
    return driver.create_balancer(**arguments)
