"""Rules of updates of balancers."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from polycloud.errors import InvalidArgumentError, UnsupportedOperationError
from polycloud.loadbalancer.base import Driver
from polycloud.loadbalancer.objects import LoadBalancer
from polycloud.loadbalancer.types import Algorithm, BalancerAlreadyExistsError
from polycloud.testing.conformance.assertions import error_of
from polycloud.testing.conformance.base import rule
from polycloud.testing.conformance.loadbalancer.balancers import NO_PROTOCOL, PORTS, summary
from polycloud.testing.conformance.loadbalancer.suite import SETTINGS, CreateBalancer, LBSuite

ORDER = ("name", "port", "protocol", "algorithm")
"""The arguments of an update, in the order of `summary`."""


class ChangeRules(LBSuite):
    """The rules of updates."""

    @rule("update_balancer")
    @pytest.mark.parametrize("argument", ORDER)
    def test_l41_update_balancer(self, driver: Driver, balancer: LoadBalancer, argument: str) -> None:
        """`update_balancer` changes what is given and nothing else, and returns the balancer."""
        given = {argument: self.new_value(driver, argument)}
        if argument not in self.updates:
            refused = partial(_update, balancer=balancer, given=given)
            self.check_refused_unsent(driver, UnsupportedOperationError, refused)
            return
        wanted = self.new_member(driver, 1)
        if "balancer_attach_member" not in self.not_offered:
            self.attached(driver, balancer, 1)
        before = summary(driver.get_balancer(balancer.id))
        expected = tuple(given.get(name, old) for name, old in zip(ORDER, before, strict=True))
        changed = driver.update_balancer(balancer, **given)
        assert changed.id == balancer.id, f"update_balancer returned {changed!r}"
        for one in (changed, self.running(driver, balancer), self.balancer_seen(driver, balancer)):
            assert summary(one) == expected, f"{before} became {summary(one)}, not {expected}"
        if "balancer_attach_member" not in self.not_offered:
            self.listed(driver, balancer, wanted)

    @rule("update_balancer")
    def test_l42_wrong_changes(self, driver: Driver, balancer: LoadBalancer) -> None:
        """A wrong name, port, protocol or algorithm is refused before anything is sent."""
        others = set(Algorithm) - set(driver.list_supported_algorithms())
        wrong: list[tuple[type[Any], str, Any]] = [
            *((InvalidArgumentError, "name", one) for one in ("", "a\nb", 7)),
            *((InvalidArgumentError, "port", one) for one in PORTS if one is not None),
            (UnsupportedOperationError, "protocol", NO_PROTOCOL),
            *((UnsupportedOperationError, "algorithm", one) for one in others),
        ]
        for kind, argument, value in wrong:
            if argument in self.updates:
                given = {argument: value}
                self.check_refused_unsent(driver, kind, partial(_update, balancer=balancer, given=given))

    @rule("update_balancer", "create_balancer")
    def test_l43_no_changes(self, driver: Driver, create_balancer: CreateBalancer) -> None:
        """An update of nothing returns the balancer as it is, and one to a taken name changes none."""
        first, second = (self.running(driver, create_balancer()) for _ in "12")
        before = [summary(driver.get_balancer(one.id)) for one in (first, second)]
        same = driver.update_balancer(first)
        assert summary(same) == before[0], f"an update of nothing made {summary(same)} of {before[0]}"
        if self.unique_names and "name" in self.updates:
            error_of(
                BalancerAlreadyExistsError, "the update", driver.update_balancer, second, name=first.name
            )
        after = [summary(driver.get_balancer(one.id)) for one in (first, second)]
        assert after == before, f"{before} became {after}"

    @rule("update_balancer", "create_balancer")
    @pytest.mark.parametrize("setting", SETTINGS)
    def test_l58_settings_stay(self, driver: Driver, create_balancer: CreateBalancer, setting: str) -> None:
        """An update keeps the health check, sticky sessions and further listeners of the balancer."""
        given = self.settings(driver, setting)
        if not given or not self.updates:
            pytest.skip(f"the driver has no ex_{setting}, or changes nothing")
        balancer = self.running(driver, create_balancer(**given))
        self.require_settings(driver.update_balancer(balancer, **self.change(driver)), given)
        self.require_settings(self.balancer_seen(driver, balancer), given)


def _update(driver: Driver, balancer: LoadBalancer, given: dict[str, Any]) -> LoadBalancer:
    return driver.update_balancer(balancer, **given)
